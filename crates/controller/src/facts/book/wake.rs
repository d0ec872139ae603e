//! When the book has something to ask next.

use super::share::Shares;
use super::{Book, Fact};
use crate::facts::key::{FactKey, Question};
use crate::operation::Class;
use crate::time::Mono;

impl Book {
    /// When to ask [`Self::take`] again although nothing was answered. What waits for a slot of a class that is `full`,
    /// or for its share of one, is woken by the answer that frees one.
    pub fn wake(&self, now: Mono, full: impl Fn(Class) -> bool) -> Option<Mono> {
        let renewing = self.renewing(now);
        let shares = Shares::of(self.facts.values());
        let waits = |question: &Question| question.class().is_some_and(&full) || shares.is_taken(question);
        let leaves =
            self.leaves().filter_map(|(key, fact)| self.leaf_wakes(now, renewing, &waits, *key, fact));
        // With the first renewal those that are nearly due become due, even if its own call has to wait.
        let first =
            self.logins().filter(|login| login.value.is_some() && login.due > now).map(|login| login.due);
        leaves.chain(first).chain(self.missed_from(now, &full)).filter(|wake| *wake < Mono(u64::MAX)).min()
    }

    fn leaf_wakes(
        &self,
        now: Mono,
        renewing: bool,
        full: &impl Fn(&Question) -> bool,
        key: FactKey,
        fact: &Fact,
    ) -> Option<Mono> {
        if fact.is_dormant() {
            return None;
        }
        // What `leaf_is_due` waits for.
        let due = |fact: &Fact| if renewing { fact.nearly_due_from() } else { fact.due };
        let due = match (&fact.value, fact.wanted.companion) {
            (None, _) => Mono(0),
            (Some(_), None) => due(fact),
            (Some(_), Some(companion)) => {
                let login = self.facts.get(&companion).filter(|login| login.value.is_some())?;
                due(fact).max(due(login))
            }
        };
        let mut wake = due.max(now);
        let mut key = key;
        // The chain up to what would be asked: a call in flight wakes by its answer, a failure by its back-off.
        loop {
            let fact = self.facts.get(&key)?;
            // What is given wakes when it is given.
            if fact.asked.is_some() || fact.wanted.question.is_given() {
                return None;
            }
            wake = wake.max(fact.retry);
            match fact.wanted.question.parent() {
                Some(parent) if !self.may_stand_on(fact, parent, wake) => key = parent,
                _ if wake <= now && full(&fact.wanted.question) => return None,
                _ => {
                    let wake = self.pace.free_from(wake, fact.wanted.question.class()?);
                    return (wake < Mono(u64::MAX)).then_some(wake);
                }
            }
        }
    }
}
