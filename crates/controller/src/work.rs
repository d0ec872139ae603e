//! What is under way for one object, and what its history says about when to touch it again.

use std::time::Duration;

use crate::backoff;
use crate::time::Mono;

/// How long it must be quiet around an object before its history is forgotten.
const CALM: Duration = Duration::from_mins(10);
/// How many times our change may be taken back before it counts as a fight and is reported.
pub const FIGHT: u32 = 3;

/// The state of an object that is not at rest.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about one object, each said by another event"
)]
pub struct Work {
    /// The list of a ServiceAccount as last seen, exactly; kept while a write may need it.
    pub list: Option<Box<str>>,
    /// Whether an operation is in flight.
    pub in_flight: bool,
    /// After a write: an event of at least this resourceVersion frees the object.
    awaits: u64,
    /// Whether a list was started since then: whatever its version is, it is the later news.
    listed_since: bool,
    /// The newest resourceVersion that an event showed.
    shown: u64,
    /// The resourceVersion of a list that we have put our name into: whoever shows none from then on had it removed.
    attached: Option<u64>,
    /// Not before, after a failure or in a fight.
    pub not_before: Mono,
    /// Refusals in a row.
    pub failures: u32,
    /// How often somebody took our change back.
    pub fights: u32,
    /// When the history is forgotten.
    pub calm: Mono,
    /// When a ServiceAccount in scope was first seen without our name.
    pub since: Option<Mono>,
    /// When a timer brings the object back.
    comes_back: Option<Mono>,
    /// The object has to be read: what was observed is proven stale.
    pub must_read: bool,
    /// Until then a write may land whose outcome is not known.
    pub may_land: Mono,
    /// The foreign Secret (uid, resourceVersion) that was read, and whether it may be adopted.
    pub verdict: Option<(String, u64, Result<(), String>)>,
    /// Somebody writes a Secret that we adopted: it is theirs, until it is deleted.
    pub stood_back: bool,
}

impl Work {
    /// Whether an operation may be started.
    pub fn free(&self, now: Mono) -> bool {
        !self.in_flight && self.awaits == 0 && now >= self.not_before
    }

    /// Whether an event is awaited.
    pub fn awaiting(&self) -> bool {
        self.awaits != 0
    }

    /// Whether a write of ours may not have been seen yet.
    pub fn pending(&self, now: Mono) -> bool {
        self.in_flight || self.awaits != 0 || now < self.may_land
    }

    /// A write succeeded; `seen` is the version up to which everything was last observed.
    pub fn wrote(&mut self, seen: u64, version: u64, now: Mono) {
        self.in_flight = false;
        self.failures = 0;
        self.must_read = false;
        self.not_before = Mono(0);
        self.calm = self.calm.max(now.plus(if self.fights > 0 { CALM } else { Duration::ZERO }));
        // What was shown and is gone again is not awaited either.
        self.awaits = if seen.max(self.shown) >= version { 0 } else { version };
        self.listed_since = false;
    }

    /// Our name was put into the list of a ServiceAccount, by the answer at `version`; `before` is the version that was
    /// patched, `seen` the newest one that was shown, `shows` whether our name is in that list. Says whether the answer is
    /// all that there was of it: somebody takes our name out of every write, before it is stored.
    pub fn attached(&mut self, before: u64, version: u64, seen: u64, shows: bool) -> bool {
        self.attached = (version > seen).then_some(version);
        !shows && (version <= before || version == seen)
    }

    /// Whether the list at `version` is one that we have put our name into, or a later one. Asked once for each.
    pub fn shows_attach(&self, version: u64) -> bool {
        self.attached.is_some_and(|attached| attached <= version)
    }

    /// An event showed the object at `version`.
    pub fn seen(&mut self, version: u64) {
        self.shown = version;
        self.attached = self.attached.filter(|attached| *attached > version);
        if version >= self.awaits {
            self.awaits = 0;
        }
        if self.must_read {
            // What was proven stale is news again: no reason left to wait.
            self.must_read = false;
            self.not_before = Mono(0);
        }
    }

    /// A deletion succeeded: the object is free when the watch shows that it is gone.
    pub fn awaits_deletion(&mut self, still_seen: bool, now: Mono) {
        self.in_flight = false;
        self.failures = 0;
        self.not_before = now;
        self.awaits = if still_seen { u64::MAX } else { 0 };
        self.listed_since = false;
    }

    /// Asks for a timer at `at`; false where one comes no later already.
    pub fn comes_back(&mut self, at: Mono) -> bool {
        if self.comes_back == Some(at) {
            return false;
        }
        self.comes_back = Some(at);
        true
    }

    /// A list of these objects has been started.
    pub fn list_started(&mut self) {
        self.listed_since = true;
    }

    /// A list that has been completed at `version` ends the wait, unless it is older than what is awaited: then the event is
    /// still to come. What has been deleted may stand there anew, and no event tells. Whether there was a wait that ended.
    pub fn listed(&mut self, version: u64) -> bool {
        let is_older = version < self.awaits && self.awaits < u64::MAX && !self.listed_since;
        !is_older && self.stop_awaiting()
    }

    /// Nothing is awaited any more. Whether there was a wait.
    pub fn stop_awaiting(&mut self) -> bool {
        let awaited = self.awaits != 0;
        self.awaits = 0;
        awaited
    }

    /// A refusal: wait longer each time.
    pub fn refused(&mut self, now: Mono, who: impl std::hash::Hash) {
        self.in_flight = false;
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.plus(backoff::after(self.failures, who));
    }

    /// Somebody took our change back: at once mended the first time, then later and later.
    pub fn taken_back(&mut self, now: Mono, who: impl std::hash::Hash) {
        if now >= self.calm {
            self.fights = 0;
        }
        self.fights = self.fights.saturating_add(1);
        self.calm = now.plus(CALM.max(backoff::LONGEST * 2));
        if self.fights > 1 {
            self.not_before = self.not_before.max(now.plus(backoff::after(self.fights - 1, who)));
        }
    }

    /// Whether nothing of it is worth keeping for an object that is as it shall be.
    pub fn at_rest(&self, now: Mono) -> bool {
        !self.pending(now) && !self.stood_back && self.verdict.is_none() && now >= self.calm
    }
}
