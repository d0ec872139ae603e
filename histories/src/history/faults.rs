//! Deliberate faults: operations and answers as a broken component would have them.

use acr_controller::observation::{Answer, LeaseSeen, PodOwner, Refusal};
use acr_controller::operation::{Operation, Precondition};
use acr_credentials::{Login, Reply, UnixMillis};

use super::{Flight, History};
use crate::api_server::Sight;
use crate::fault::Fault;

impl History<'_> {
    /// A deliberate fault in how operations are carried out.
    pub(super) fn transform(&self, operation: &Operation) -> Option<Operation> {
        match (self.options.fault?, operation) {
            (Fault::NoGuard, Operation::PatchList { namespace, name, change, .. }) => {
                let account = self.server.accounts().get(&(namespace.clone(), name.clone()))?;
                Some(Operation::PatchList {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    observed: account.list.json(),
                    change: *change,
                })
            }
            (
                Fault::StaleObservationTrusted,
                Operation::ApplyPullSecret { namespace, payload, adopted, .. },
            ) => {
                let secret = self.server.pull_secrets().get(namespace);
                let precondition = secret.map_or(Precondition::Absent, |secret| Precondition::Exactly {
                    uid: secret.uid.clone(),
                    resource_version: secret.resource_version,
                });
                let (payload, adopted) = (payload.clone(), *adopted);
                Some(Operation::ApplyPullSecret {
                    namespace: namespace.clone(),
                    precondition,
                    payload,
                    adopted,
                })
            }
            (Fault::DeleteWithoutUid, Operation::DeletePullSecret { namespace, .. }) => {
                let secret = self.server.pull_secrets().get(namespace)?;
                Some(Operation::DeletePullSecret {
                    namespace: namespace.clone(),
                    uid: secret.uid.clone(),
                    resource_version: secret.resource_version,
                })
            }
            (Fault::StalePodTrusted, Operation::EvictPod { namespace, name, .. }) => {
                let pod = self.server.pods().get(&(namespace.clone(), name.clone()))?;
                Some(Operation::EvictPod {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    uid: pod.uid.clone(),
                    resource_version: pod.resource_version,
                })
            }
            (Fault::JournalNotWritten, Operation::WriteJournal { .. }) => {
                // A write that changes nothing stands for one that never happens.
                Some(Operation::ReadJournal)
            }
            _ => None,
        }
    }

    /// A deliberate fault in what an answer is taken for.
    pub(super) fn falsify(&mut self, flight: &Flight, answer: Answer) -> Answer {
        match (self.options.fault, answer) {
            (Some(Fault::PublishOnFailure), Answer::Cloud(mut answer)) => {
                let login = flight.operation.label() == "GetAuthorizationToken";
                if login && answer.outcome.is_err() {
                    let expires = self.cloud_time().plus_millis(3_600_000);
                    let (username, password) = (String::new(), String::new().into());
                    answer.outcome = Ok(Reply::Login(Login { username, password, expires }));
                }
                Answer::Cloud(answer)
            }
            (Some(Fault::SecondsForMilliseconds), Answer::Cloud(mut answer)) => {
                if let Ok(Reply::Login(login)) = &mut answer.outcome {
                    login.expires = UnixMillis(login.expires.0 / 1_000);
                }
                Answer::Cloud(answer)
            }
            (Some(Fault::JournalNotWritten), Answer::Journal(journal))
                if matches!(flight.operation, Operation::WriteJournal { .. }) =>
            {
                let resource_version = journal.map_or(1, |journal| journal.resource_version);
                Answer::Done { resource_version, uid: None }
            }
            (Some(Fault::EvictionForgotten), Answer::Done { .. })
                if matches!(flight.operation, Operation::EvictPod { .. }) =>
            {
                Answer::Refused(Refusal::Gone)
            }
            (Some(Fault::LeaseAlwaysGranted), Answer::Refused(refusal)) => match &flight.operation {
                Operation::WriteLease(write) => {
                    let (uid, resource_version) = write.replaces.clone().unwrap_or_default();
                    Answer::Lease(Some(LeaseSeen {
                        uid,
                        resource_version,
                        holder: write.holder.clone(),
                        duration_seconds: write.duration_seconds,
                        transitions: write.transitions,
                    }))
                }
                _ => Answer::Refused(refusal),
            },
            (
                Some(Fault::RefusalTakenForDone),
                Answer::Refused(
                    Refusal::RefusedByPolicy { .. } | Refusal::Quota { .. } | Refusal::NoRight { .. },
                ),
            ) if is_write(&flight.operation) => Answer::Done { resource_version: 0, uid: None },
            (_, answer) => answer,
        }
    }
}

/// A deliberate fault in what a watch is taken to show.
pub(super) fn mistake(fault: Option<Fault>, mut sight: Sight) -> Sight {
    if let (Some(Fault::OwnerNotLookedAt), Sight::Pod(pod)) = (fault, &mut sight) {
        let uid = pod.owner.take().map_or_else(|| pod.uid.clone(), |owner| owner.uid);
        let (group, kind, name) = ("apps".to_owned(), "ReplicaSet".to_owned(), "web".to_owned());
        pod.owner = Some(PodOwner { group, kind, name, uid });
    }
    sight
}

/// Whether an operation writes an object that is not the component's own.
pub(super) fn is_write(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::PatchList { .. } | Operation::ApplyPullSecret { .. } | Operation::DeletePullSecret { .. }
    )
}
