//! How the slots of a class are shared between the places that are called.

use std::collections::BTreeMap;

use super::Fact;
use crate::facts::key::Question;
use crate::operation::Class;

/// How many calls to one place may be in flight: six of the eight slots of a class, so that a region that answers slowly
/// leaves two to the others.
const SHARE: usize = 6;

/// The calls in flight, by class and place.
pub(super) struct Shares<'a>(BTreeMap<(Class, &'a [String]), usize>);

impl<'a> Shares<'a> {
    pub(super) fn of(facts: impl Iterator<Item = &'a Fact>) -> Self {
        let mut shares = BTreeMap::new();
        for place in facts.filter(|fact| fact.asked.is_some()).filter_map(|fact| place(&fact.wanted.question))
        {
            *shares.entry(place).or_default() += 1;
        }
        Self(shares)
    }

    /// Whether a question has to wait for an answer from where it is asked.
    pub(super) fn is_taken(&self, question: &Question) -> bool {
        place(question).and_then(|place| self.0.get(&place)).is_some_and(|taken| *taken >= SHARE)
    }
}

fn place(question: &Question) -> Option<(Class, &[String])> {
    Some((question.class()?, question.endpoints()))
}

#[cfg(test)]
mod tests {
    use acr_configuration::SecretText;

    use super::*;
    use crate::facts::book::{Book, Wanted};
    use crate::facts::key::KeySource;
    use crate::time::Mono;

    fn login(region: &str, number: usize) -> Question {
        Question::Login {
            endpoints: vec![format!("https://cr.{region}.aliyuncs.com")],
            instance: format!("cri-{number}"),
            key: KeySource::Inline { id: SecretText::new("id"), secret: SecretText::new("secret") },
            rotation: None,
        }
    }

    #[test]
    fn a_region_that_does_not_answer_leaves_slots_to_others_and_wakes_nobody() {
        let questions = (0..20).map(|number| login("slow", number)).chain([login("other", 0)]);
        let wanted = |question| Wanted { question, companion: None, only_compared: false };
        let mut book = Book::default();
        book.want(questions.map(wanted).collect());
        let class = Class::ContainerRegistry;
        let taken: Vec<_> = std::iter::from_fn(|| book.take(Mono(0), class)).collect();
        let slow = (0..20).filter(|number| taken.contains(&login("slow", *number).key())).count();
        assert_eq!(slow, SHARE);
        assert!(SHARE < class.slots());
        assert!(taken.contains(&login("other", 0).key()));
        assert_eq!(book.wake(Mono(0), |_| false), None);
    }
}
