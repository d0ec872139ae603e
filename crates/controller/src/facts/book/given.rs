//! Facts whose answers are given by whoever follows a Secret, and what becomes due when they change.

use acr_credentials::{CallFailure, FailureKind};

use super::{Book, Change, Fact};
use crate::facts::key::{FactKey, Question};
use crate::facts::value::Value;
use crate::time::{Mono, Now};

impl Book {
    /// Takes what a Secret holds, or why it holds nothing. Says what that changed.
    pub fn give(&mut self, now: Now, key: FactKey, outcome: Result<Value, CallFailure>) -> Change {
        let Some(fact) = self.facts.get_mut(&key) else { return Change::None };
        let leaf = fact.wanted.question.is_leaf();
        let value = match outcome {
            Ok(value) => value,
            Err(failure) => {
                // A login stays until another one comes; a key that was taken away is not used any more. That nobody can
                // say what the Secret holds takes nothing away.
                if !leaf && failure.kind != FailureKind::NoAnswer {
                    fact.value = None;
                }
                fact.failure = Some(failure);
                return Change::None;
            }
        };
        let was_lost = fact.failure.take().is_some_and(|failure| failure.kind != FailureKind::NoAnswer);
        if fact.value.as_ref().is_some_and(|held| held.is_same(&value)) {
            return Change::None;
        }
        fact.answered = now.mono;
        fact.due = Mono(u64::MAX);
        let replaced = fact.value.replace(value).is_some();
        if leaf {
            return Change::Leaf;
        }
        // What follows a key that was lost may be another one.
        if replaced || was_lost {
            self.change_what_stands_on(key, Fact::renew_now);
        }
        Change::None
    }

    /// The questions whose answers are given.
    pub fn given(&self) -> impl Iterator<Item = (FactKey, &Question)> {
        let facts = self.facts.iter().filter(|(_, fact)| fact.wanted.question.is_given());
        facts.map(|(key, fact)| (*key, &fact.wanted.question))
    }
}
