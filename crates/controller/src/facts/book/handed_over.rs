//! Facts that this machine or this cluster hands over, and may replace at any time: the worker role, the add-on token, the
//! keys of a registered cluster.

use acr_credentials::UnixMillis;

use super::{Book, Fact};
use crate::facts::key::{FactKey, Question};
use crate::facts::timing::READ_LIFE;
use crate::facts::value::Value;
use crate::operation::Class;
use crate::time::Mono;

impl Question {
    pub(super) fn is_handed_over(&self) -> bool {
        matches!(self, Self::WorkerRole { .. } | Self::ManagedRole)
    }
}

impl Fact {
    /// Whether the last look at what is handed over failed, while what was there before is still good. It is looked at
    /// again although nobody waits for it, so that it is known when somebody has put it right.
    fn is_missed(&self) -> bool {
        self.wanted.question.is_handed_over()
            && (self.changed || self.failures.any() && self.value.is_some() && !self.refused)
    }

    /// Whether it was looked at just now, or the last look failed: then what was there before is used on, to its end.
    pub(super) fn is_as_handed_over(&self, now: Mono) -> bool {
        !self.wanted.question.is_handed_over()
            || now < self.answered.plus(READ_LIFE)
            || self.failures.any() && now < self.retry
    }

    /// Whether another key takes the place of the one that is held, so that what was made with that is due at once: one
    /// without an end, because nobody knows how long the former one is good, and an add-on token, which somebody has
    /// written anew. A node's session is rotated by the platform, and the former one is good to its end.
    pub(super) fn is_replaced_by(&self, value: &Value) -> bool {
        let written = self.wanted.question == Question::ManagedRole;
        let endless = |value: &Value| matches!(value, Value::Key(_, UnixMillis::NEVER, _));
        let replaced = |held: &Value| (written || endless(held) || endless(value)) && !held.is_same(value);
        self.wanted.question.is_handed_over() && self.value.as_ref().is_some_and(replaced)
    }
}

impl Book {
    /// Something else is handed over than before: it is looked at now, and what has failed with what was there is tried
    /// again.
    pub fn handed_over(&mut self) {
        self.look_again(|_| true);
    }

    /// What is handed over is seen for the first time: what has looked before that may have seen something else. What has
    /// not will look when it is needed.
    pub fn handed_over_first(&mut self) {
        self.look_again(|fact| fact.asked.is_some() || fact.value.is_some() || fact.failure.is_some());
    }

    fn look_again(&mut self, which: impl Fn(&Fact) -> bool) {
        let sources: Vec<(FactKey, bool)> = self
            .facts
            .iter_mut()
            .filter(|(_, fact)| fact.wanted.question.is_handed_over() && which(fact))
            .map(|(key, fact)| {
                fact.changed = true;
                fact.try_now();
                (*key, fact.value.is_none())
            })
            .collect();
        for (source, unknown) in sources {
            self.change_what_stands_on(source, |fact| {
                if unknown && fact.value.is_some() {
                    // An earlier process had it, by what was there before.
                    fact.renew_now();
                } else if fact.failures.any() {
                    fact.try_now();
                }
            });
        }
    }

    /// Whether the keys of a registered cluster are looked for, and whether an add-on token is.
    pub fn looks_for_handed_over(&self) -> (bool, bool) {
        let any = |is: fn(&Question) -> bool| self.facts.values().any(|fact| is(&fact.wanted.question));
        (any(Question::is_handed_over), any(|question| *question == Question::ManagedRole))
    }

    /// What is to be looked at although nobody waits for it.
    pub(super) fn missed(&self, now: Mono, class: Class) -> Option<FactKey> {
        let missed = |fact: &Fact| {
            fact.is_missed()
                && fact.wanted.question.class() == Some(class)
                && fact.asked.is_none()
                && fact.retry <= now
        };
        self.facts.iter().find(|(_, fact)| missed(fact)).map(|(key, _)| *key)
    }

    /// When [`Self::missed`] has something next. What waits for a slot of a class that is `full` is woken by what frees one.
    pub(super) fn missed_from(&self, now: Mono, full: impl Fn(Class) -> bool) -> impl Iterator<Item = Mono> {
        let missed = self.facts.values().filter(move |fact| {
            let waits = fact.retry <= now && fact.wanted.question.class().is_some_and(&full);
            fact.is_missed() && fact.asked.is_none() && !waits
        });
        missed.map(move |fact| fact.retry.max(now))
    }

    /// Does something to all that stands on a fact, and on that.
    pub(super) fn change_what_stands_on(&mut self, key: FactKey, mut change: impl FnMut(&mut Fact)) {
        let mut below = vec![key];
        while let Some(parent) = below.pop() {
            for (key, fact) in &mut self.facts {
                if fact.wanted.question.parent() == Some(parent) {
                    change(fact);
                    below.push(*key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use acr_credentials::{AccessKey, CallFailure, FailureKind, Login};

    use super::*;
    use crate::cloud_clock::CloudClock;
    use crate::facts::book::Wanted;
    use crate::facts::key::KeySource;
    use crate::facts::timing::Timing;
    use crate::facts::value::Owner;
    use crate::time::Now;

    const HOUR: u64 = 3_600_000;
    const MINUTE: u64 = 60_000;

    fn source() -> Question {
        Question::ManagedRole
    }

    fn leaf() -> Question {
        leaf_of(&source())
    }

    fn leaf_of(source: &Question) -> Question {
        let key = KeySource::Fact(source.key());
        Question::Login { endpoints: vec![], instance: "cri-1".into(), key, rotation: None }
    }

    fn now(at: u64) -> Now {
        Now { wall: UnixMillis(i64::try_from(at).unwrap()), mono: Mono(at) }
    }

    fn key(id: &str, life: Option<u64>, at: u64) -> Value {
        let ends = life.map_or(UnixMillis::NEVER, |life| UnixMillis(i64::try_from(at + life).unwrap()));
        let key = AccessKey { id: id.to_owned().into(), secret: "s".to_owned().into(), security_token: None };
        Value::Key(key, ends, Owner::Unnamed)
    }

    fn answer(book: &mut Book, at: u64, question: &Question, outcome: Result<Value, FailureKind>) {
        let timing = Timing { threshold: std::time::Duration::from_mins(15), cluster: "c".into() };
        let outcome = outcome.map_err(|kind| CallFailure::new("x", kind, ""));
        book.answered(now(at), &CloudClock::default(), &timing, question.key(), outcome);
    }

    fn taken(book: &mut Book, at: u64) -> Vec<&'static str> {
        let classes = [Class::Metadata, Class::ContainerRegistry];
        let taken = std::iter::from_fn(|| classes.iter().find_map(|class| book.take(Mono(at), *class)));
        let taken: Vec<FactKey> = taken.collect();
        taken.into_iter().map(|key| book.operation(key)).collect()
    }

    /// A login that was had at 0 by a key of this life.
    fn served(life: Option<u64>) -> Book {
        served_by(&source(), life)
    }

    fn served_by(source: &Question, life: Option<u64>) -> Book {
        let wanted = |question| Wanted { question, companion: None, only_compared: false };
        let mut book = Book::default();
        book.want(vec![wanted(source.clone()), wanted(leaf_of(source))]);
        taken(&mut book, 0);
        answer(&mut book, 0, source, Ok(key("a", life, 0)));
        taken(&mut book, 0);
        answer(&mut book, 0, &leaf_of(source), Ok(login_of(0)));
        assert!(taken(&mut book, 0).is_empty());
        book
    }

    /// A login that an earlier process had at 0.
    fn restarted() -> Book {
        let wanted = |question| Wanted { question, companion: None, only_compared: false };
        let mut book = Book::default();
        book.want(vec![wanted(source()), wanted(leaf())]);
        book.seed(leaf().key(), login_of(0), Mono(45 * MINUTE));
        book
    }

    fn login_of(at: u64) -> Value {
        let expires = UnixMillis(i64::try_from(at + HOUR).unwrap());
        let login = Login { username: "u".into(), password: "p".to_owned().into(), expires };
        Value::Login(std::sync::Arc::new(login), now(at).wall)
    }

    fn login(book: &mut Book, at: u64) {
        answer(book, at, &leaf(), Ok(login_of(at)));
    }

    #[test]
    fn it_is_looked_at_again_before_each_renewal_however_long_it_lives() {
        let mut book = served(Some(6 * HOUR));
        assert!(taken(&mut book, 30 * MINUTE).is_empty(), "nobody needs it");
        assert_eq!(taken(&mut book, 46 * MINUTE), ["AddOnToken"]);
        answer(&mut book, 46 * MINUTE, &source(), Ok(key("b", Some(6 * HOUR), 46 * MINUTE)));
        assert_eq!(taken(&mut book, 46 * MINUTE), ["GetAuthorizationToken"]);
    }

    #[test]
    fn a_look_that_fails_leaves_what_was_there_to_its_end_and_is_repeated_until_it_succeeds() {
        let mut book = served(Some(6 * HOUR));
        let mut at = 46 * MINUTE;
        assert_eq!(taken(&mut book, at), ["AddOnToken"]);
        answer(&mut book, at, &source(), Err(FailureKind::NotFound));
        assert_eq!(taken(&mut book, at), ["GetAuthorizationToken"], "with the key of before");
        login(&mut book, at);
        at = book.wake(Mono(at), |_| false).unwrap().0;
        assert!(at < 47 * MINUTE);
        assert_eq!(taken(&mut book, at), ["AddOnToken"], "although nobody waits for it");
        assert!(book.failure(leaf().key()).is_some());
        answer(&mut book, at, &source(), Ok(key("a", Some(6 * HOUR), at)));
        assert!(book.failure(leaf().key()).is_none());
        assert!(taken(&mut book, at + 10 * MINUTE).is_empty());
    }

    #[test]
    fn a_change_is_looked_at_now_and_ends_the_back_off_of_what_failed() {
        let wanted = |question| Wanted { question, companion: None, only_compared: false };
        let mut book = Book::default();
        book.want(vec![wanted(source()), wanted(leaf())]);
        for at in [0, 10_000, 20_000, 60_000, 120_000] {
            assert_eq!(taken(&mut book, at), ["AddOnToken"]);
            answer(&mut book, at, &source(), Err(FailureKind::NotFound));
        }
        assert!(taken(&mut book, 121_000).is_empty());
        book.handed_over();
        assert_eq!(book.wake(Mono(121_000), |_| false), Some(Mono(121_000)));
        assert_eq!(taken(&mut book, 121_000), ["AddOnToken"]);
        answer(&mut book, 121_000, &source(), Ok(key("a", Some(HOUR), 121_000)));
        assert_eq!(taken(&mut book, 121_000), ["GetAuthorizationToken"]);
    }

    #[test]
    fn another_add_on_token_renews_what_was_made_with_the_former_whether_that_has_an_end_or_not() {
        for life in [None, Some(6 * HOUR)] {
            let mut book = served(life);
            book.handed_over();
            assert_eq!(taken(&mut book, MINUTE), ["AddOnToken"]);
            answer(&mut book, MINUTE, &source(), Ok(key("a", life, MINUTE)));
            assert!(taken(&mut book, MINUTE).is_empty(), "it is the same");
            book.handed_over();
            taken(&mut book, MINUTE);
            answer(&mut book, MINUTE, &source(), Ok(key("b", life, MINUTE)));
            assert_eq!(taken(&mut book, MINUTE), ["GetAuthorizationToken"]);
        }
    }

    #[test]
    fn a_session_of_the_node_that_was_rotated_renews_nothing_and_the_key_of_a_registered_cluster_does() {
        for (life, renewed) in [(Some(6 * HOUR), &[][..]), (None, &["GetAuthorizationToken"])] {
            let role = || Question::WorkerRole { endpoints: vec![] };
            let mut book = served_by(&role(), Some(6 * HOUR));
            book.handed_over();
            assert_eq!(taken(&mut book, MINUTE), ["MetadataRole"]);
            answer(&mut book, MINUTE, &role(), Ok(key("b", life, MINUTE)));
            assert_eq!(taken(&mut book, MINUTE), renewed);
        }
    }

    #[test]
    fn what_is_seen_first_is_looked_at_where_somebody_has_looked_before_and_nowhere_else() {
        let mut book = served(Some(6 * HOUR));
        book.handed_over_first();
        assert_eq!(taken(&mut book, MINUTE), ["AddOnToken"]);
        // After a restart the journal has the login, and nobody has looked.
        let mut book = restarted();
        book.handed_over_first();
        assert!(taken(&mut book, MINUTE).is_empty());
        // That there is something else now is known all the same.
        book.handed_over();
        assert_eq!(taken(&mut book, MINUTE), ["AddOnToken"]);
        answer(&mut book, MINUTE, &source(), Ok(key("b", Some(6 * HOUR), MINUTE)));
        assert_eq!(taken(&mut book, MINUTE), ["GetAuthorizationToken"]);
    }

    #[test]
    fn a_change_during_a_look_is_looked_at_once_more() {
        let mut book = served(Some(6 * HOUR));
        book.handed_over();
        assert_eq!(taken(&mut book, MINUTE), ["AddOnToken"]);
        book.handed_over();
        answer(&mut book, MINUTE, &source(), Ok(key("a", Some(6 * HOUR), MINUTE)));
        assert_eq!(taken(&mut book, MINUTE), ["AddOnToken"]);
        answer(&mut book, MINUTE, &source(), Ok(key("a", Some(6 * HOUR), MINUTE)));
        assert!(taken(&mut book, MINUTE).is_empty());
    }
}
