//! Taking back: what is left of former configurations, and, for an uninstall, everything.

use std::sync::Arc;
use std::time::Duration;

use super::{Flight, Machine};
use crate::journal::Accepted;
use crate::observation::{Answer, Refusal};
use crate::policy::Standing;
use crate::settings::Purpose;
use crate::status::Outcome;
use crate::time::Now;

/// How long after its sender gave it up a request may still be carried out: the `--request-timeout` of the API server,
/// one minute by default, and some seconds for the watch to show it. Longer would keep what was served before in mind
/// longer than it is of use: a name that a user writes there meanwhile is taken for ours.
pub(super) const LANDS_WITHIN: Duration = Duration::from_secs(70);

impl Machine {
    /// When nothing of the retiring scopes is left, and nothing can come back any more, the journal forgets them.
    pub(super) fn settle_retiring(&mut self, now: Now) {
        let may = self.retires() && now.mono >= self.unsettled && self.settings.purpose == Purpose::Run;
        if may && self.recorder.settled() && self.retired() {
            self.recorder.change(|record| record.retiring.clear());
        }
    }

    /// Whether the journal holds areas that are to be cleaned.
    pub(super) fn retires(&self) -> bool {
        self.recorder.durable().is_some_and(|record| !record.retiring.is_empty())
    }

    /// A write may be out of which nobody will hear.
    pub(super) fn is_unsettled(&mut self, now: Now) {
        self.unsettled = now.mono.plus(LANDS_WITHIN);
    }

    /// Whether everything that is retiring is cleaned.
    fn retired(&self) -> bool {
        let busy = self
            .in_flight
            .values()
            .any(|flight| matches!(flight, Flight::Account { .. } | Flight::Secret { .. }));
        self.world.listed()
            && self.queues.empty()
            && !busy
            && !self.registration_comes_first()
            && self.retiring_objects() == 0
    }

    /// How many objects wait to be cleaned.
    pub(super) fn retiring_objects(&self) -> usize {
        self.world
            .namespaces()
            .map(|(name, namespace)| {
                let home = self.policy.namespace(name, namespace);
                let stood_back = namespace.work.as_ref().is_some_and(|work| work.stood_back);
                let secret = home == Standing::Retiring
                    && !stood_back
                    && (namespace.secret.as_ref().is_some_and(|secret| secret.ours())
                        || namespace.work.as_ref().is_some_and(|work| work.awaiting()));
                // A write that the watch has not shown yet may be one that has to be taken back.
                let accounts = namespace.accounts().iter().filter(|account| {
                    (account.attached || account.work.as_ref().is_some_and(|work| work.awaiting()))
                        && self.policy.account(home, name, namespace, account) == Standing::Retiring
                });
                accounts.count() + usize::from(secret)
            })
            .sum()
    }

    /// Uninstall: everything that was ever served is retiring; when it is clean the journal goes.
    pub(super) fn settle_removal(&mut self) {
        if self.recorder.durable().is_none() || !self.world.listed() || self.recorder.deleted() {
            return;
        }
        if !self.policy.uninstalling {
            self.policy.uninstalling = true;
            let present =
                self.config_map.as_ref().and_then(|seen| Accepted::read(seen.data.clone())).map(Arc::new);
            self.recorder.change(|record| {
                record.retiring.extend(record.accepted.take());
                if let Some(present) = present.filter(|present| !record.retiring.contains(present)) {
                    record.retiring.push(present);
                }
            });
            return;
        }
        if self.recorder.settled() && self.retired() && !self.admission_is_left() {
            self.recorder.delete();
        }
    }

    /// The Lease was deleted, the last thing to go.
    pub(super) fn lease_deleted(&mut self, answer: &Answer) {
        if matches!(answer, Answer::Done { .. } | Answer::Refused(Refusal::Gone)) {
            self.outcome = Some(Outcome::Removed);
        }
    }
}
