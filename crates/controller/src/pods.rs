//! Pods that have not started and lack our entry: what the watch shows of them, and whose pods were made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::admission::certificates::arrives_within;
use crate::observation::PodSeen;
use crate::time::Mono;

/// The time between two evictions. A thousand pods take a quarter of an hour, and what makes, schedules and pulls them
/// anew hardly notices one a second.
pub const PACE: Duration = Duration::from_secs(1);
/// How long what an owner makes is left alone after its last pod was made anew in vain: an hour, so that a template that
/// cannot be helped costs 24 restarts a day at most, and one that was mended is helped again the same day.
pub const LET_ALONE: Duration = Duration::from_hours(1);
/// How long a case must stand before the pod is evicted, so that whichever API server admits the new one has seen what we
/// have: their watches are behind by a second or so, and by a few where one was cut.
pub const SETTLES: Duration = Duration::from_secs(10);
/// How many pods get a finding of their own. All are counted; who mends the first hundred has mended the cause.
pub const REPORTED: usize = 100;

/// Namespace and name.
pub type PodKey = (String, String);

/// Why the pull secret does not help a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plight {
    /// It brings a list of its own, so that the one of its ServiceAccount does not count.
    OwnList,
    /// It was made before its ServiceAccount named the pull secret.
    OlderThanAttach,
    /// Another pod of its owner was evicted for that, and this one came without our entry again.
    MadeAnewInVain,
}

impl Plight {
    /// How long the case must stand before the pod is evicted. `answers`: whether this process answers the API server, and
    /// so would append to the new pod, or another program does, which may not have its certificate yet.
    pub fn settles(self, answers: bool) -> Duration {
        match self {
            Self::OwnList => SETTLES.max(arrives_within(answers)),
            Self::OlderThanAttach | Self::MadeAnewInVain => SETTLES,
        }
    }
}

/// A pod that has not started and lacks our entry.
#[derive(Debug)]
pub struct Pod {
    /// As last seen.
    pub seen: PodSeen,
    /// When it was first seen.
    pub since: Mono,
    /// Why it cannot pull what the pull secret is for; `None` where it has not failed to, or the cause is not ours to mend.
    pub plight: Option<Plight>,
    /// Whether it has a finding.
    reported: bool,
    /// Whether it was evicted, and is only still shown.
    pub evicted: bool,
    /// Since when a new pod in its place would have our entry, for this plight; `None` where it would not.
    pub helped: Option<(Plight, Mono)>,
    /// Refusals of its eviction in a row.
    pub failures: u32,
    /// The last of them, in words.
    pub refused: Option<String>,
    /// No eviction before.
    pub not_before: Mono,
    /// When it is to be evicted, if it is.
    due: Option<Mono>,
    shown: bool,
}

/// What was evicted of an owner.
#[derive(Clone, Debug)]
struct Evictions {
    /// The uids of its pods that were there before the first eviction: all others were made after it. Known by uid, because
    /// pods are forgotten while they are not followed.
    elders: BTreeSet<String>,
    last: Mono,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Pods {
    known: BTreeMap<PodKey, Pod>,
    due: BTreeSet<(Mono, PodKey)>,
    /// By the uid of the owner.
    evictions: BTreeMap<String, Evictions>,
    /// How many have a finding.
    reported: usize,
    /// No eviction before.
    pub next: Mono,
    /// Evictions since the process started.
    pub evicted: u64,
}

impl Pods {
    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// A list starts: what it does not show is gone.
    pub fn list_started(&mut self) {
        self.known.values_mut().for_each(|pod| pod.shown = false);
    }

    /// Those that the list, which is now complete, did not show.
    pub fn not_shown(&self) -> Vec<PodKey> {
        self.known.iter().filter(|(_, pod)| !pod.shown).map(|(key, _)| key.clone()).collect()
    }

    /// A pod as it is now.
    pub fn see(&mut self, now: Mono, seen: PodSeen) {
        let key = (seen.namespace.clone(), seen.name.clone());
        if let Some(pod) = self.known.get_mut(&key) {
            pod.seen = seen;
            pod.shown = true;
            return;
        }
        let pod = Pod {
            seen,
            since: now,
            plight: None,
            reported: false,
            evicted: false,
            helped: None,
            failures: 0,
            refused: None,
            not_before: Mono(0),
            due: None,
            shown: true,
        };
        self.known.insert(key, pod);
    }

    /// A pod is gone, has started, or has our entry. Whether it had a finding.
    pub fn forget(&mut self, key: &PodKey) -> bool {
        self.is_due(key, None);
        let had = self.report(key, false).0;
        self.known.remove(key);
        had
    }

    /// Says whether a pod shall have a finding: whether it had one, and whether it has one now.
    pub fn report(&mut self, key: &PodKey, wanted: bool) -> (bool, bool) {
        let Some(pod) = self.known.get_mut(key) else { return (false, false) };
        let had = pod.reported;
        pod.reported = wanted && (had || self.reported < REPORTED);
        self.reported = self.reported.saturating_sub(had.into()).saturating_add(pod.reported.into());
        (had, pod.reported)
    }

    /// One of them.
    pub fn get(&self, key: &PodKey) -> Option<&Pod> {
        self.known.get(key)
    }

    /// One of them, to change.
    pub fn get_mut(&mut self, key: &PodKey) -> Option<&mut Pod> {
        self.known.get_mut(key)
    }

    /// Those of a namespace.
    pub fn of(&self, namespace: &str) -> Vec<PodKey> {
        let from = (namespace.to_owned(), String::new());
        let those = self.known.range(from..).take_while(|((home, _), _)| home == namespace);
        those.map(|(key, _)| key.clone()).collect()
    }

    /// The keys of all of them.
    pub fn keys(&self) -> Vec<PodKey> {
        self.known.keys().cloned().collect()
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Pod> {
        self.known.values()
    }

    /// Says when a pod is to be evicted, or that it is not.
    pub fn is_due(&mut self, key: &PodKey, at: Option<Mono>) {
        let Some(pod) = self.known.get_mut(key) else { return };
        if let Some(before) = pod.due.take() {
            self.due.remove(&(before, key.clone()));
        }
        if let Some(at) = at {
            pod.due = Some(at);
            self.due.insert((at, key.clone()));
        }
    }

    /// The pod that is to be evicted next, and from when on.
    pub fn first_due(&self) -> Option<(Mono, &PodKey)> {
        self.due.first().map(|(at, key)| ((*at).max(self.next), key))
    }

    /// A pod of this owner was evicted, by an operation that was started at `started`.
    pub fn evicted(&mut self, now: Mono, started: Mono, owner: &str) {
        self.evicted = self.evicted.saturating_add(1);
        self.may_have_been_evicted(now, started, owner);
    }

    /// The same where the answer was lost.
    pub fn may_have_been_evicted(&mut self, now: Mono, started: Mono, owner: &str) {
        self.evictions.retain(|_, known| now < known.last.plus(LET_ALONE));
        if let Some(known) = self.evictions.get_mut(owner) {
            known.last = now;
            return;
        }
        let of_owner = |pod: &&Pod| pod.seen.owner.as_ref().is_some_and(|known| known.uid == owner);
        let elders = self.known.values().filter(of_owner).filter(|pod| pod.since <= started);
        let elders = elders.map(|pod| pod.seen.uid.clone()).collect();
        self.evictions.insert(owner.to_owned(), Evictions { elders, last: now });
    }

    /// Whether a pod was made after the first eviction of its owner, and is left alone for that.
    pub fn let_alone(&self, now: Mono, owner: &str, uid: &str) -> bool {
        let known = self.evictions.get(owner);
        known.is_some_and(|known| !known.elders.contains(uid) && now < known.last.plus(LET_ALONE))
    }
}
