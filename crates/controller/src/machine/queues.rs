//! Which objects wait to be looked at, in which order, and which come back at a certain time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::time::Mono;

/// Slots that neither attaches nor pull secrets may take while the other waits: a wave of one leaves room for the
/// other. A quarter of the 32 slots.
const SHARE: usize = 24;

/// An object to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A ServiceAccount.
    Account(Arc<str>, Box<str>),
    /// The pull secret of a namespace.
    Secret(Arc<str>),
}

/// Objects that wait. Whoever puts one in looks first whether it waits already.
#[derive(Debug, Default)]
pub(super) struct Queues {
    attach: VecDeque<(Arc<str>, Box<str>)>,
    secrets: VecDeque<Arc<str>>,
    detach: VecDeque<(Arc<str>, Box<str>)>,
    timers: BTreeMap<(Mono, u64), Target>,
    next_timer: u64,
    returned: VecDeque<Target>,
    /// When the next login in some payload is dead.
    pub(super) death: Option<Mono>,
    /// Operations in flight.
    pub(super) accounts_in_flight: usize,
    /// Operations in flight.
    pub(super) secrets_in_flight: usize,
}

impl Queues {
    pub(super) fn attach(&mut self, namespace: Arc<str>, name: Box<str>) {
        self.attach.push_back((namespace, name));
    }

    pub(super) fn detach(&mut self, namespace: Arc<str>, name: Box<str>) {
        self.detach.push_back((namespace, name));
    }

    pub(super) fn secret(&mut self, namespace: Arc<str>) {
        self.secrets.push_back(namespace);
    }

    pub(super) fn at(&mut self, at: Mono, target: Target) {
        self.next_timer += 1;
        self.timers.insert((at, self.next_timer), target);
    }

    /// Timers that have come are handed out by [`Self::take_returned`].
    pub(super) fn expire(&mut self, now: Mono) {
        while let Some(timer) = self.timers.first_entry() {
            if timer.key().0 > now {
                return;
            }
            self.returned.push_back(timer.remove());
        }
    }

    pub(super) fn take_returned(&mut self) -> Option<Target> {
        self.returned.pop_front()
    }

    /// New ServiceAccounts first, then pull secrets, then what is to be detached, unless that is held back; but see
    /// [`SHARE`].
    pub(super) fn take(&mut self, held_back: bool) -> Option<Target> {
        let attaches_may = self.secrets.is_empty() || self.accounts_in_flight < SHARE;
        if attaches_may && let Some((namespace, name)) = self.attach.pop_front() {
            return Some(Target::Account(namespace, name));
        }
        let detaches = !held_back && !self.detach.is_empty();
        let secrets_may = self.secrets_in_flight < SHARE || self.attach.is_empty() && !detaches;
        if secrets_may && let Some(namespace) = self.secrets.pop_front() {
            return Some(Target::Secret(namespace));
        }
        let detach = if detaches { self.detach.pop_front() } else { None };
        let account = self.attach.pop_front().or(detach)?;
        Some(Target::Account(account.0, account.1))
    }

    pub(super) fn empty(&self) -> bool {
        self.attach.is_empty()
            && self.secrets.is_empty()
            && self.detach.is_empty()
            && self.returned.is_empty()
    }

    /// When something waits: at once, or when the next timer comes.
    pub(super) fn wake(&self, held_back: bool) -> Option<Mono> {
        let only_held_back =
            held_back && self.attach.is_empty() && self.secrets.is_empty() && self.returned.is_empty();
        if self.empty() || only_held_back {
            self.timers.keys().next().map(|(at, _)| *at)
        } else {
            Some(Mono(0))
        }
    }
}
