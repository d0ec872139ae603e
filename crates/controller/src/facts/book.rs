//! The book of facts: which are wanted, which are known, which are due, and what to ask next.
//!
//! Logins and endpoints are *leaves*: time makes them due. What a leaf stands on (a role session, a token) is
//! asked when a due leaf needs it and it is stale, so that sessions are renewed before the logins that they sign
//! for, and nothing is asked that nobody needs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use acr_credentials::{CallFailure, FailureKind, UnixMillis};

use crate::backoff;
use crate::cloud_clock::CloudClock;
use crate::facts::key::{FactKey, Question};
use crate::facts::timing::{ENDPOINTS_LIFE, Timing, WINDOW, check, due, renewal};
use crate::facts::value::Value;
use crate::operation::Class;
use crate::time::{Mono, Now};
use failures::Failures;
use pace::Pace;
use share::Shares;

/// A question that somebody wants answered.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The question.
    pub question: Question,
    /// For endpoints: the login with whose renewal they are asked again.
    pub companion: Option<FactKey>,
    /// For endpoints: they are only compared, because the entry names its domains itself.
    pub only_compared: bool,
}

/// What nobody waits for is due then.
const NEVER: Mono = Mono(u64::MAX);

#[derive(Debug)]
struct Fact {
    wanted: Wanted,
    value: Option<Value>,
    /// When the value was taken.
    answered: Mono,
    /// When the value is to be renewed.
    due: Mono,
    /// Not before, after a failure.
    retry: Mono,
    /// When the call in flight was started.
    asked: Option<Mono>,
    failures: Failures,
    failure: Option<CallFailure>,
    /// What it holds was refused when something was asked with it: it says whose it was, and is used no more.
    refused: bool,
    /// Where the next try looks.
    place: Place,
    /// Something else is handed over since it was looked at.
    changed: bool,
    /// What it stands on was replaced while its call was out: the answer is good, and due at once.
    replaced_meanwhile: bool,
}

/// Where an answer may be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The projected token, and the keys of a registered cluster.
    First,
    /// Where there is none of these: a TokenRequest, and the role of the cluster.
    Second,
}

impl Fact {
    /// What it stands on was replaced: what was made with that is due.
    fn renew_now(&mut self) {
        self.due = Mono(0);
        self.try_now();
        self.forget_identity();
    }

    /// An input of it has changed: nothing speaks against trying at once. A call that is out was made with the former one.
    fn try_now(&mut self) {
        self.retry = Mono(0);
        self.failures = Failures::default();
        self.replaced_meanwhile = self.asked.is_some();
    }

    /// Whether it was refused while nothing but a warning depended on it: it is tried again when its life would have ended.
    fn is_put_off(&self) -> bool {
        let denied = |failure: &CallFailure| failure.kind == FailureKind::Denied;
        self.wanted.only_compared && self.failure.as_ref().is_some_and(denied)
    }

    /// Whether the renewal is due within the window, or within a quarter of its own interval where that is shorter:
    /// what lives for seconds must not look stale the moment it is born.
    fn nearly_due(&self, now: Mono) -> bool {
        self.nearly_due_from() <= now
    }

    fn nearly_due_from(&self) -> Mono {
        if self.due == NEVER {
            return self.due;
        }
        let early = WINDOW.min(self.due.since(self.answered) / 4);
        self.due.minus(early)
    }
}

/// What an answer changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A leaf has a new value.
    Leaf,
    /// The region of this node is known now.
    Region,
    /// Nothing that anybody waits for.
    None,
}

/// All facts that are wanted now.
#[derive(Debug, Default)]
pub struct Book {
    facts: BTreeMap<FactKey, Fact>,
    /// The threshold that the renewals were timed by.
    threshold: Option<Duration>,
    pace: Pace,
}

impl Book {
    /// Replaces the set of wanted facts; what stays wanted keeps its value, its timing and its call in flight.
    pub fn want(&mut self, wanted: Vec<Wanted>) {
        let mut facts = BTreeMap::new();
        let put_off: BTreeSet<FactKey> =
            self.facts.iter().filter(|(_, fact)| fact.is_put_off()).map(|(key, _)| *key).collect();
        for wanted in wanted {
            let key = wanted.question.key();
            let fact = match self.facts.remove(&key) {
                Some(fact) => Fact { wanted, ..fact },
                None => Fact {
                    due: if wanted.question.is_of_refusals() { NEVER } else { Mono(0) },
                    wanted,
                    value: None,
                    answered: Mono(0),
                    retry: Mono(0),
                    asked: None,
                    failures: Failures::default(),
                    failure: None,
                    refused: false,
                    place: Place::First,
                    changed: false,
                    replaced_meanwhile: false,
                },
            };
            // Two entries may want the same fact: the one that needs it most decides.
            facts
                .entry(key)
                .and_modify(|known: &mut Fact| known.wanted.only_compared &= fact.wanted.only_compared)
                .or_insert(fact);
        }
        for key in put_off {
            if let Some(fact) = facts.get_mut(&key).filter(|fact| !fact.is_put_off()) {
                fact.retry = Mono(0);
            }
        }
        self.facts = facts;
    }

    /// Times the renewals of what is held anew where the threshold has changed.
    pub fn follow(&mut self, now: Now, clock: &CloudClock, timing: &Timing) {
        if self.threshold != Some(timing.threshold) {
            self.retime(now, clock, timing);
        }
    }

    /// Times the renewals of what is held anew.
    pub fn retime(&mut self, now: Now, clock: &CloudClock, timing: &Timing) {
        self.threshold = Some(timing.threshold);
        for fact in self.facts.values_mut() {
            let (expires, handed_out) = match &fact.value {
                Some(Value::Login(login, handed_out)) if login.expires != UnixMillis::NEVER => {
                    (login.expires, *handed_out)
                }
                // It was read in the cluster, and is read again soon.
                Some(Value::Key(_, UnixMillis::NEVER, _)) => continue,
                Some(Value::Key(_, expires, _)) => {
                    (*expires, clock.time(now).minus(now.mono.since(fact.answered)))
                }
                _ => continue,
            };
            fact.due = renewal(now, clock, timing, expires, handed_out);
        }
    }

    /// A call for this fact is in flight already, from before it was unwanted and wanted again.
    pub fn is_asked(&mut self, now: Mono, key: FactKey) {
        if let Some(fact) = self.facts.get_mut(&key) {
            fact.asked.get_or_insert(now);
        }
    }

    /// Gives a fact that has no value yet the one that an earlier process left in the journal.
    pub fn seed(&mut self, key: FactKey, value: Value, due: Mono) {
        if let Some(fact) = self.facts.get_mut(&key)
            && fact.value.is_none()
        {
            fact.value = Some(value);
            fact.due = due;
        }
    }

    /// The value of a fact.
    pub fn value(&self, key: FactKey) -> Option<&Value> {
        self.facts.get(&key).and_then(|fact| fact.value.as_ref())
    }

    /// Why a fact is not known or not renewed: what the last try said, its own before that of what it stands on.
    pub fn failure(&self, key: FactKey) -> Option<&CallFailure> {
        let Fact { wanted: Wanted { question, .. }, failure, .. } = self.facts.get(&key)?;
        failure.as_ref().or_else(|| self.failure(question.parent()?))
    }

    /// What keeps a fact from being known or renewed now, with the question that failed. Where it cannot be asked again
    /// before what it stands on is there, that comes first: its own failure is the older one.
    pub fn failed(&self, now: Mono, key: FactKey) -> Option<(&Question, &CallFailure)> {
        let fact = self.facts.get(&key)?;
        let own = fact.failure.as_ref().map(|failure| (&fact.wanted.question, failure));
        let parent = fact.wanted.question.parent();
        let waits = parent.filter(|parent| own.is_none() || !self.may_stand_on(fact, *parent, now));
        waits.and_then(|parent| self.failed(now, parent)).or(own)
    }

    /// Takes the next question of `class` that is to be asked now, and marks it as in flight.
    pub fn take(&mut self, now: Mono, class: Class) -> Option<FactKey> {
        if self.pace.free_from(now, class) > now {
            return None;
        }
        let renewing = self.renewing(now);
        let shares = Shares::of(self.facts.values());
        let may_go = |question: &Question| question.class() == Some(class) && !shares.is_taken(question);
        let key = self
            .leaves()
            .filter(|(_, fact)| self.leaf_is_due(fact, now, renewing))
            .filter_map(|(key, _)| self.candidate(*key, now))
            .find(|key| self.facts.get(key).is_some_and(|fact| may_go(&fact.wanted.question)))
            .or_else(|| self.missed(now, class))?;
        self.facts.get_mut(&key)?.asked = Some(now);
        self.pace.started(now, class);
        Some(key)
    }

    /// Whether some leaf is ready to be asked and only waits for a slot of the pump.
    pub fn held_by_limiter(&self, now: Mono) -> bool {
        let renewing = self.renewing(now);
        self.leaves()
            .any(|(key, fact)| self.leaf_is_due(fact, now, renewing) && self.candidate(*key, now).is_some())
    }

    /// Whether some answer is still out.
    pub fn is_out(&self) -> bool {
        self.facts.values().any(|fact| fact.asked.is_some())
    }

    /// The question of a fact, and whether its first place has turned out to be empty.
    pub fn question(&self, key: FactKey) -> Option<(&Question, bool)> {
        self.facts.get(&key).map(|fact| (&fact.wanted.question, fact.place == Place::Second))
    }

    /// Whether a fact is asked in its first place, for the keys of a registered cluster.
    pub fn looks_for_registered_key(&self, key: FactKey) -> bool {
        let looks = |fact: &Fact| fact.place == Place::First && fact.wanted.question.is_handed_over();
        self.facts.get(&key).is_some_and(looks)
    }

    /// The first place holds nothing: the second is asked next, at once.
    pub fn first_place_is_empty(&mut self, key: FactKey) {
        if let Some(fact) = self.facts.get_mut(&key) {
            fact.asked = None;
            fact.place = Place::Second;
        }
    }

    /// Takes an answer. Says what it changed.
    pub fn answered(
        &mut self,
        now: Now,
        clock: &CloudClock,
        timing: &Timing,
        key: FactKey,
        outcome: Result<Value, CallFailure>,
    ) -> Change {
        let checked = outcome.and_then(|value| check(now, clock, value, self.operation(key)));
        let Some(fact) = self.facts.get_mut(&key) else { return Change::None };
        let asked = fact.asked.take().unwrap_or(now.mono);
        match checked {
            Ok(value) => {
                let at_once = std::mem::take(&mut fact.replaced_meanwhile);
                if at_once && matches!(value, Value::Identity(_)) {
                    // It is that of the former key.
                    return Change::None;
                }
                fact.due = if at_once { Mono(0) } else { due(now, clock, timing, &value) };
                fact.changed &= at_once;
                let replaced = fact.is_replaced_by(&value);
                fact.answered = now.mono;
                fact.retry = Mono(0);
                fact.failures = Failures::default();
                fact.failure = None;
                fact.refused = false;
                fact.place = Place::First;
                let change = match value {
                    Value::Login(..) | Value::Endpoints(_) => Change::Leaf,
                    Value::Region(_) => Change::Region,
                    Value::Token(..) | Value::Key(..) | Value::Identity(_) => Change::None,
                };
                fact.value = Some(value);
                if replaced {
                    self.change_what_stands_on(key, Fact::renew_now);
                }
                change
            }
            Err(failure) => {
                fact.failures.take(failure.kind);
                // The next try begins in the first place again: somebody may have put something there.
                fact.place = Place::First;
                let at_once = std::mem::take(&mut fact.replaced_meanwhile);
                fact.retry = if at_once { now.mono } else { now.mono.plus(wait(fact, &failure, key)) };
                let kind = failure.kind;
                let refused = kind == FailureKind::CredentialsRefused;
                fact.failure = Some(failure);
                // Without another refusal nobody asks again.
                if fact.wanted.question.is_of_refusals() {
                    fact.due = NEVER;
                }
                let question = fact.wanted.question.clone();
                self.ask_whose_key(&question, kind);
                let parent = question.parent();
                if refused && let Some(parent) = parent.and_then(|parent| self.facts.get_mut(&parent)) {
                    // A loss: what signed is no good any more, unless it was renewed while the call was out. What is given
                    // stays until something else is given.
                    if parent.answered <= asked && !parent.wanted.question.is_given() {
                        parent.due = Mono(0);
                        parent.refused = true;
                    }
                }
                Change::None
            }
        }
    }

    /// The operation that asks for a fact.
    pub fn operation(&self, key: FactKey) -> &'static str {
        self.facts.get(&key).map_or("", |fact| fact.wanted.question.operation())
    }

    fn leaves(&self) -> impl Iterator<Item = (&FactKey, &Fact)> {
        self.facts.iter().filter(|(_, fact)| fact.wanted.question.is_leaf())
    }

    /// Whether any renewal is due: then those that are nearly due are made with it.
    fn renewing(&self, now: Mono) -> bool {
        self.logins().any(|login| login.value.is_some() && login.due <= now)
    }

    fn logins(&self) -> impl Iterator<Item = &Fact> {
        self.facts.values().filter(|fact| fact.wanted.question.is_login())
    }

    fn leaf_is_due(&self, fact: &Fact, now: Mono, renewing: bool) -> bool {
        if fact.asked.is_some() || fact.is_dormant() {
            return false;
        }
        if fact.value.is_none() {
            return true;
        }
        let due = |fact: &Fact| fact.due <= now || renewing && fact.nearly_due(now);
        match fact.wanted.companion.map(|companion| self.facts.get(&companion)) {
            None => due(fact),
            Some(companion) => {
                due(fact)
                    && now >= fact.retry
                    && companion.is_some_and(|login| login.value.is_some() && due(login))
            }
        }
    }

    /// The fact that has to be asked now to bring a due leaf forward: itself, or what it stands on.
    fn candidate(&self, leaf: FactKey, now: Mono) -> Option<FactKey> {
        let mut key = leaf;
        loop {
            let fact = self.facts.get(&key)?;
            if fact.asked.is_some() || now < fact.retry || fact.wanted.question.is_given() {
                return None;
            }
            let Some(parent) = fact.wanted.question.parent() else { return Some(key) };
            if self.may_stand_on(fact, parent, now) {
                return Some(key);
            }
            key = parent;
        }
    }

    fn may_stand_on(&self, fact: &Fact, parent: FactKey, now: Mono) -> bool {
        let Some(parent) = self.facts.get(&parent) else { return false };
        if parent.value.is_none() || parent.refused {
            return false;
        }
        let fresh = !parent.nearly_due(now) && parent.is_as_handed_over(now);
        // Old but good keys are better than none for a fact that has no value at all.
        let lacks = fact.value.is_none() || fact.refused;
        let better_than_none = lacks && parent.failures.any() && now < parent.retry;
        fresh || better_than_none
    }
}

fn wait(fact: &Fact, failure: &CallFailure, key: FactKey) -> Duration {
    let backoff = backoff::after(fact.failures.in_a_row(), key);
    match failure.kind {
        FailureKind::Throttled { retry_after: Some(asked) } => backoff.max(asked.min(ENDPOINTS_LIFE)),
        // Nothing but a warning depends on it: it is tried again when its life would have ended.
        FailureKind::Denied if fact.wanted.only_compared => ENDPOINTS_LIFE,
        _ => backoff,
    }
}

mod failures;
mod given;
mod handed_over;
mod identity;
mod pace;
mod share;
#[cfg(test)]
mod tests;
mod wake;
