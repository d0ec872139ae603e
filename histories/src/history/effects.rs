//! What operations and calls have come to: counted for the coverage, and answered by whoever fights against it.

use acr_controller::observation::{Answer, Refusal};
use acr_controller::operation::Operation;
use acr_credentials::{FailureKind, Reply};

use super::{Event, Flight, History};
use crate::api_server::{Effect, Standing};
use crate::coverage::Happening;

impl History<'_> {
    pub(super) fn note_effect(&mut self, flight: &Flight, answer: &Answer, effect: &Effect) {
        let late = if flight.replied { " late" } else { "" };
        match effect {
            Effect::List { namespace, name, after, .. } => {
                let attaches = flight.operation.label() == "attach";
                self.coverage.note(if attaches { Happening::Attached } else { Happening::Detached });
                self.log("server", || format!("{namespace}/{name} holds {:?}{late}", after.json()));
                let key = (namespace.clone(), name.clone());
                if attaches && self.list_fights.contains(&key) {
                    let wait = self.delays.spread(20, 2_000);
                    self.schedule(wait, Event::TakeOut(key));
                }
            }
            Effect::Applied { namespace, before, .. } => {
                let happening = match before.as_deref().map(|before| before.standing) {
                    None => Happening::SecretCreated,
                    Some(Standing::Foreign) => Happening::Adopted,
                    Some(_) => Happening::SecretRewritten,
                };
                self.coverage.note(happening);
                if self.secret_fights.contains(namespace) {
                    let wait = self.delays.spread(20, 2_000);
                    self.schedule(wait, Event::Overwrite(namespace.clone()));
                }
            }
            Effect::Deleted { .. } => self.coverage.note(Happening::SecretDeleted),
            Effect::JournalWritten => self.coverage.note(Happening::JournalWritten),
            Effect::LeaseWritten => {
                if matches!(&flight.operation, Operation::WriteLease(write) if write.acquired) {
                    self.coverage.note(Happening::LeaseTaken);
                    if self.processes.len() > 1 {
                        self.coverage.note(Happening::TookOver);
                    }
                }
            }
            Effect::Evicted { namespace, name, before } => {
                self.pod_was_evicted(&(namespace.clone(), name.clone()), before);
            }
            Effect::Nothing | Effect::JournalDeleted | Effect::LeaseDeleted => {}
        }
        if matches!(flight.operation, Operation::EvictPod { .. }) {
            self.note_eviction(answer);
        }
        match answer {
            Answer::ForeignSecret(_) => self.coverage.note(Happening::ForeignSecretRead),
            Answer::Refused(refusal) => self.coverage.note(match refusal {
                Refusal::LostRace => Happening::LostRace,
                Refusal::RefusedByPolicy { .. } => Happening::RefusedByPolicy,
                Refusal::NoRight { .. } => Happening::NoRight,
                Refusal::Quota { .. } => Happening::Quota,
                Refusal::Terminating => Happening::Terminating,
                Refusal::Gone => Happening::Gone,
                Refusal::Throttled { .. } => Happening::Throttled,
                Refusal::Unknown { .. } => return,
            }),
            _ => {}
        }
    }

    pub(super) fn note_call(&mut self, answer: &acr_credentials::Answer) {
        let happening = match &answer.outcome {
            Ok(Reply::Login(_)) => Happening::LoginAnswered,
            Ok(_) => return,
            Err(failure) => match failure.kind {
                FailureKind::Unreachable { .. } => Happening::CloudUnreachable,
                FailureKind::NoAnswer => Happening::CloudSilent,
                FailureKind::Throttled { .. } => Happening::CloudThrottled,
                FailureKind::CredentialsRefused => Happening::CloudRefusedCredentials,
                FailureKind::ClockSkew => Happening::CloudClockSkew,
                FailureKind::Denied => Happening::CloudDenied,
                FailureKind::NotFound => Happening::CloudNotFound,
                FailureKind::InvalidRequest | FailureKind::Server => Happening::CloudFailed,
                FailureKind::Malformed => Happening::CloudMalformed,
            },
        };
        self.coverage.note(happening);
    }
}
