//! The rules of the Lease: who may write, until when, and what to do next about it.
//!
//! The holder's silence is measured on the own monotonic clock from the moment its record was first seen, so
//! that clocks of other nodes do not matter.

use std::time::Duration;

use crate::observation::{LeaseSeen, Refusal};
use crate::operation::{LeaseWrite, Operation};
use crate::settings::Purpose;
use crate::time::Mono;

/// How long a holder may be silent before another takes over: client-go's default.
pub const DURATION: Duration = Duration::from_secs(15);
/// How long after its last renewal a holder still starts operations. What is left to [`DURATION`] is the time that every
/// request may take; one that is started sooner after the renewal may take longer.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// How often the holder renews: three tries fit into [`DEADLINE`].
const RENEWAL: Duration = Duration::from_secs(3);
/// How soon to try again after a failure, and how often to look at a Lease that somebody else holds.
const RETRY: Duration = Duration::from_secs(2);

const DURATION_SECONDS: u32 = 15;

/// What is known of the Lease.
#[derive(Debug)]
pub struct Lease {
    identity: String,
    purpose: Purpose,
    /// The record as last seen, and since when it is unchanged.
    seen: Option<(LeaseSeen, Mono)>,
    /// Whether there was an answer that says that there is none.
    absent: bool,
    /// When the last renewal that succeeded was started.
    renewed: Option<Mono>,
    /// When the operation in flight was started.
    asked: Option<Mono>,
    not_before: Mono,
    giving_back: bool,
    given_back: bool,
    /// Uninstall: another holder has shown that it is alive.
    refused: Option<String>,
}

impl Lease {
    /// Nothing is known yet.
    pub fn new(identity: String, purpose: Purpose) -> Self {
        Self {
            identity,
            purpose,
            seen: None,
            absent: false,
            renewed: None,
            asked: None,
            not_before: Mono(0),
            giving_back: false,
            given_back: false,
            refused: None,
        }
    }

    /// Whether operations may be started now.
    pub fn leading(&self, now: Mono) -> bool {
        !self.giving_back && self.renewed.is_some_and(|renewed| now < renewed.plus(DEADLINE))
    }

    /// How long a request that is started now may take: it is over before anybody else can hold the Lease.
    pub fn time_left(&self, now: Mono) -> Duration {
        self.renewed.map(|renewed| renewed.plus(DURATION).since(now)).unwrap_or_default()
    }

    /// Whether the Lease is recorded as ours, within its deadline or not.
    pub fn held(&self) -> bool {
        self.renewed.is_some()
    }

    /// Who holds it, as last seen.
    pub fn holder(&self) -> Option<&str> {
        self.seen.as_ref().and_then(|(lease, _)| lease.holder.as_deref())
    }

    /// The holder that stands in the way of an uninstall.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Whether it was given back.
    pub fn given_back(&self) -> bool {
        self.given_back
    }

    /// Gives the Lease back, once nothing is in flight any more.
    pub fn give_back(&mut self) {
        self.giving_back = true;
        self.settle_giving_back();
    }

    fn settle_giving_back(&mut self) {
        // A write that is still in flight may yet make it ours.
        self.given_back = self.giving_back && self.renewed.is_none() && self.asked.is_none();
    }

    /// The uid and resourceVersion of the held Lease, to delete it.
    pub fn record(&self) -> Option<(String, u64)> {
        self.seen.as_ref().map(|(lease, _)| (lease.uid.clone(), lease.resource_version))
    }

    /// The next operation on the Lease, one at a time.
    pub fn next(&mut self, now: Mono) -> Option<Operation> {
        if self.asked.is_some() || self.given_back || self.refused.is_some() || now < self.not_before {
            return None;
        }
        let operation = self.decide(now)?;
        self.asked = Some(now);
        Some(operation)
    }

    fn decide(&self, now: Mono) -> Option<Operation> {
        let Some((lease, since)) = &self.seen else {
            return Some(if self.absent { self.take(None, 0) } else { Operation::ReadLease });
        };
        if self.giving_back {
            return Some(Self::write(lease, None));
        }
        if let Some(renewed) = self.renewed {
            return (now >= renewed.plus(RENEWAL)).then(|| Self::write(lease, Some(self.identity.clone())));
        }
        let silent = Duration::from_secs(u64::from(lease.duration_seconds));
        let free = match &lease.holder {
            None => true,
            Some(holder) => holder == &self.identity || now >= since.plus(silent),
        };
        Some(if free {
            self.take(Some(lease), lease.transitions.saturating_add(1))
        } else {
            Operation::ReadLease
        })
    }

    fn take(&self, replaces: Option<&LeaseSeen>, transitions: u32) -> Operation {
        Operation::WriteLease(LeaseWrite {
            replaces: replaces.map(|lease| (lease.uid.clone(), lease.resource_version)),
            holder: Some(self.identity.clone()),
            duration_seconds: DURATION_SECONDS,
            transitions,
            acquired: true,
        })
    }

    fn write(lease: &LeaseSeen, holder: Option<String>) -> Operation {
        Operation::WriteLease(LeaseWrite {
            replaces: Some((lease.uid.clone(), lease.resource_version)),
            // Given back with a short life, as client-go does: whoever ignores the empty holder waits a second.
            duration_seconds: if holder.is_some() { DURATION_SECONDS } else { 1 },
            holder,
            transitions: lease.transitions,
            acquired: false,
        })
    }

    /// Takes the answer to a read (`wrote` false) or a write.
    pub fn answered(&mut self, now: Mono, wrote: bool, answer: Result<Option<LeaseSeen>, Refusal>) {
        let asked = self.asked.take().unwrap_or(now);
        match answer {
            Ok(Some(lease)) => {
                let ours = lease.holder.as_deref() == Some(self.identity.as_str());
                if wrote {
                    self.renewed = ours.then_some(asked);
                } else {
                    // A record with our name that we did not just write ourselves may be the landing of a write
                    // whose answer was lost: it is taken over by a write, never trusted as a renewal.
                    self.look_at(&lease);
                    self.not_before =
                        if ours || lease.holder.is_none() { now } else { self.next_look(now, &lease) };
                    if !ours {
                        self.renewed = None;
                    }
                }
                self.note(lease, now);
            }
            Ok(None) => {
                self.seen = None;
                self.absent = true;
                self.renewed = None;
                self.not_before = now;
            }
            Err(refusal) => {
                // The record is read anew before anything else; the deadline keeps counting from the last success.
                self.not_before = if matches!(refusal, Refusal::LostRace) { now } else { now.plus(RETRY) };
                if wrote {
                    self.forget_record(now);
                }
            }
        }
        self.settle_giving_back();
    }

    /// After a failed write the record is unknown: the next operation is a read.
    fn forget_record(&mut self, now: Mono) {
        self.absent = false;
        if self.renewed.is_some_and(|renewed| now >= renewed.plus(DEADLINE)) {
            self.renewed = None;
        }
        self.seen = None;
    }

    fn note(&mut self, lease: LeaseSeen, now: Mono) {
        let since = match &self.seen {
            Some((seen, since)) if seen.resource_version == lease.resource_version => *since,
            _ => now,
        };
        self.absent = false;
        self.seen = Some((lease, since));
    }

    /// Uninstall refuses as soon as the holder has shown a sign of life.
    fn look_at(&mut self, lease: &LeaseSeen) {
        if self.purpose != Purpose::Uninstall || lease.holder.as_deref() == Some(self.identity.as_str()) {
            return;
        }
        let moved =
            self.seen.as_ref().is_some_and(|(seen, _)| seen.resource_version != lease.resource_version);
        if moved && self.renewed.is_none() {
            self.refused.clone_from(&lease.holder);
        }
    }

    fn next_look(&self, now: Mono, lease: &LeaseSeen) -> Mono {
        let silent = Duration::from_secs(u64::from(lease.duration_seconds));
        let since = match &self.seen {
            Some((seen, since)) if seen.resource_version == lease.resource_version => *since,
            _ => now,
        };
        now.plus(RETRY).min(since.plus(silent)).max(now)
    }

    /// When to ask [`Self::next`] again.
    pub fn wake(&self) -> Option<Mono> {
        if self.asked.is_some() || self.given_back || self.refused.is_some() {
            return None;
        }
        let due = match self.renewed {
            Some(renewed) if self.seen.is_some() && !self.giving_back => renewed.plus(RENEWAL),
            _ => Mono(0),
        };
        Some(due.max(self.not_before))
    }
}

#[cfg(test)]
mod tests;
