//! What the end of an operation means, by what it was about.

use super::{Flight, Machine};
use crate::facts::Book;
use crate::journal::recorder::Progress;
use crate::observation::Answer;
use crate::operation::{OperationId, Subject};
use crate::status::Outcome;
use crate::time::Now;

impl Machine {
    pub(super) fn answered(&mut self, now: Now, operation: OperationId, answer: Answer) {
        let Some(flight) = self.in_flight.remove(&operation) else { return };
        match flight {
            Flight::Lease { wrote } => self.lease_answered(now, wrote, answer),
            Flight::DeleteLease => self.lease_deleted(&answer),
            Flight::Journal => self.journal_answered(now, answer),
            Flight::Fact { key, domains_of, .. } => self.fact_answered(now, key, domains_of, answer),
            Flight::Account { namespace, name, version, attaches } => {
                self.account_answered(now, &namespace, &name, version, attaches, answer);
            }
            Flight::Secret { namespace, version, wrote } => {
                self.secret_answered(now, &namespace, version, wrote, answer);
            }
            Flight::Report => {}
            Flight::Admission { object, version, applies } => {
                self.admission_answered(now, object, version, applies, answer);
            }
            Flight::Certificate => self.certificate_answered(now, answer),
            Flight::Server => self.server_answered(now, answer),
            Flight::PolicyTrial => self.policy_tried(now, &answer),
            Flight::Eviction { pod, uid, owner, started } => {
                self.eviction_answered(now, &pod, uid, &owner, started, answer);
            }
        }
    }

    fn lease_answered(&mut self, now: Now, wrote: bool, answer: Answer) {
        let led = self.lease.held();
        match answer {
            Answer::Lease(lease) => self.lease.answered(now.mono, wrote, Ok(lease)),
            Answer::Refused(refusal) => self.lease.answered(now.mono, wrote, Err(refusal)),
            _ => {}
        }
        if self.lease.held() && !led {
            // A new term: another leader may have written the journal since it was read.
            self.recorder.reopen();
            self.is_unsettled(now);
            self.book = Book::default();
            self.gathering = None;
            self.fresh_endpoints.clear();
        }
        if let Some(holder) = self.lease.refused() {
            self.outcome = Some(Outcome::LeaseHeld { holder: holder.to_owned() });
        }
    }

    fn journal_answered(&mut self, now: Now, answer: Answer) {
        let progress = match answer {
            Answer::Journal(seen) => self.recorder.read(seen),
            Answer::Done { resource_version, uid } => self.recorder.done(now.mono, resource_version, uid),
            Answer::Refused(refusal) => self.recorder.refused(now.mono, refusal),
            _ => Progress::Nothing,
        };
        match progress {
            Progress::Opened => self.journal_opened(now, false),
            Progress::OpenedWithout(unusable) => {
                if let Some(unusable) = unusable {
                    let message = format!("{unusable}; it is written anew, as after a first installation");
                    self.ledger.set_one(
                        now.mono,
                        "journal",
                        Subject::Configuration,
                        "JournalUnusable",
                        message,
                    );
                }
                self.journal_opened(now, true);
            }
            Progress::Written => {
                self.ledger.clear(now.mono, "journal");
                self.redraw(now);
            }
            Progress::Refused(refusal) => {
                let message = format!(
                    "the Secret {}/{} cannot be read or written: {refusal}; nothing new is served before it can",
                    self.settings.namespace,
                    crate::names::JOURNAL_SECRET
                );
                self.ledger.set_one(now.mono, "journal", Subject::Configuration, refusal.label(), message);
            }
            Progress::Deleted | Progress::Nothing => {}
        }
    }

    /// A term begins with what the journal says, or without it.
    fn journal_opened(&mut self, now: Now, cold: bool) {
        self.cold = cold;
        self.policy.cold = cold;
        self.suspect_admission(cold);
        self.register_with_pods_again(now);
        // Others may have written since: the marks tell what is there.
        self.world.forget_trust();
        self.clock.remember(self.recorder.desired().cloud_offset_millis);
        self.inherit();
        self.redraw(now);
        self.consider_configuration(now);
    }
}
