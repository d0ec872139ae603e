//! The book of facts: single flight, order along a chain, windows, back-off.

use std::sync::Arc;

use acr_configuration::{SecretRef, SecretText};
use acr_credentials::{AccessKey, Login};
use secrecy::SecretString;

use super::*;
use crate::facts::key::KeySource;
use crate::facts::timing::effective_threshold;
use crate::facts::value::Owner;

const HOUR: i64 = 3_600_000;

fn now(millis: u64) -> Now {
    Now { wall: UnixMillis(i64::try_from(millis).unwrap()), mono: Mono(millis) }
}

fn timing() -> Timing {
    Timing { threshold: Duration::from_mins(15), cluster: "c".into() }
}

fn wanted(question: Question) -> Wanted {
    Wanted { question, companion: None, only_compared: false }
}

fn inline(instance: &str) -> Question {
    let key = KeySource::Inline { id: SecretText::new("id"), secret: SecretText::new("secret") };
    Question::Login { endpoints: vec![], instance: instance.into(), key, rotation: None }
}

fn role() -> Question {
    Question::WorkerRole { endpoints: vec![] }
}

fn by_role(instance: &str) -> Question {
    Question::Login {
        endpoints: vec![],
        instance: instance.into(),
        key: KeySource::Fact(role().key()),
        rotation: None,
    }
}

fn login(at: u64, life: i64) -> Value {
    let handed_out = now(at).wall;
    let login = Login {
        username: "u".into(),
        password: "p".to_owned().into(),
        expires: handed_out.plus_millis(life),
    };
    Value::Login(Arc::new(login), handed_out)
}

fn session(at: u64, life: i64) -> Value {
    let text = || SecretString::from("x".to_owned());
    let key = AccessKey { id: text(), secret: text(), security_token: Some(text()) };
    Value::Key(key, now(at).wall.plus_millis(life), Owner::Unnamed)
}

fn failure(kind: FailureKind) -> Result<Value, CallFailure> {
    Err(CallFailure { operation: "x", kind, code: None, message: String::new(), request_id: None })
}

fn answer(book: &mut Book, at: u64, question: &Question, outcome: Result<Value, CallFailure>) -> Change {
    book.answered(now(at), &CloudClock::default(), &timing(), question.key(), outcome)
}

/// Everything that may be asked at `at`.
fn take_all(book: &mut Book, at: u64) -> Vec<FactKey> {
    let classes = [Class::Sts, Class::ContainerRegistry, Class::Metadata];
    std::iter::from_fn(|| classes.iter().find_map(|class| book.take(Mono(at), *class))).collect()
}

#[test]
fn a_fact_in_flight_is_not_asked_again() {
    let mut book = Book::default();
    book.want(vec![wanted(inline("a"))]);
    assert_eq!(take_all(&mut book, 0).len(), 1);
    assert_eq!(take_all(&mut book, 1_000_000).len(), 0);
}

#[test]
fn a_login_waits_for_the_session_that_signs_it_and_shares_it() {
    let mut book = Book::default();
    book.want(vec![wanted(role()), wanted(by_role("a")), wanted(by_role("b"))]);
    assert_eq!(take_all(&mut book, 0), [role().key()]);
    assert_eq!(answer(&mut book, 1, &role(), Ok(session(1, HOUR))), Change::None);
    let mut both = vec![by_role("a").key(), by_role("b").key()];
    both.sort();
    assert_eq!(take_all(&mut book, 1), both);
}

#[test]
fn a_session_is_renewed_before_the_login_that_stands_on_it() {
    let mut book = Book::default();
    book.want(vec![wanted(role()), wanted(by_role("a"))]);
    take_all(&mut book, 0);
    answer(&mut book, 0, &role(), Ok(session(0, HOUR)));
    take_all(&mut book, 0);
    answer(&mut book, 0, &by_role("a"), Ok(login(0, HOUR)));
    let Mono(wake) = book.wake(Mono(600_000), |_| false).unwrap();
    assert!(take_all(&mut book, wake - 1).is_empty());
    assert_eq!(take_all(&mut book, wake), [role().key()]);
}

#[test]
fn nothing_is_asked_for_a_session_that_no_login_needs() {
    let mut book = Book::default();
    book.want(vec![wanted(role()), wanted(inline("a"))]);
    assert_eq!(take_all(&mut book, 0), [inline("a").key()]);
}

#[test]
fn renewals_that_fall_due_within_a_window_are_made_together() {
    let mut book = Book::default();
    book.want(vec![wanted(inline("a")), wanted(inline("b")), wanted(inline("c"))]);
    take_all(&mut book, 0);
    answer(&mut book, 0, &inline("a"), Ok(login(0, HOUR)));
    answer(&mut book, 20_000, &inline("b"), Ok(login(20_000, HOUR)));
    answer(&mut book, 600_000, &inline("c"), Ok(login(600_000, HOUR)));
    let Mono(wake) = book.wake(Mono(600_000), |_| false).unwrap();
    let mut together = vec![inline("a").key(), inline("b").key()];
    together.sort();
    assert_eq!(take_all(&mut book, wake), together);
}

#[test]
fn a_session_that_lives_for_seconds_serves_its_login_before_it_is_renewed() {
    let mut book = Book::default();
    book.want(vec![wanted(role()), wanted(by_role("a")), wanted(inline("b"))]);
    let (mut at, mut calls) = (0, 0);
    while at < 600_000 {
        for key in take_all(&mut book, at) {
            calls += 1;
            if key == role().key() {
                answer(&mut book, at, &role(), Ok(session(at, 40_000)));
            } else if key == by_role("a").key() {
                answer(&mut book, at, &by_role("a"), Ok(login(at, 40_000)));
            } else {
                answer(&mut book, at, &inline("b"), Ok(login(at, 40_000)));
            }
        }
        at += 500;
    }
    assert!(book.value(by_role("a").key()).is_some());
    assert!(calls < 3 * 600 / 15 + 3, "renewed at half their life, not in a loop: {calls}");
}

#[test]
fn section_4_4_a_failure_waits_and_one_that_asks_for_time_gets_it() {
    let mut book = Book::default();
    book.want(vec![wanted(inline("a"))]);
    take_all(&mut book, 0);
    answer(&mut book, 0, &inline("a"), failure(FailureKind::Server));
    assert!(take_all(&mut book, 999).is_empty());
    assert_eq!(take_all(&mut book, 1_250).len(), 1);
    let retry_after = Some(Duration::from_secs(90));
    answer(&mut book, 2_000, &inline("a"), failure(FailureKind::Throttled { retry_after }));
    assert!(take_all(&mut book, 91_999).is_empty());
    assert_eq!(take_all(&mut book, 92_000).len(), 1);
}

#[test]
fn section_4_4_a_session_that_the_cloud_refuses_is_lost_and_asked_anew() {
    let mut book = Book::default();
    book.want(vec![wanted(role()), wanted(by_role("a"))]);
    take_all(&mut book, 0);
    answer(&mut book, 0, &role(), Ok(session(0, HOUR)));
    take_all(&mut book, 10);
    answer(&mut book, 20, &by_role("a"), failure(FailureKind::CredentialsRefused));
    assert!(take_all(&mut book, 500).is_empty(), "not before the login's back-off");
    assert_eq!(take_all(&mut book, 2_000), [role().key()]);
    // It still tells whose it was, but is not used, however long there is no other one.
    assert!(book.value(role().key()).is_some());
    answer(&mut book, 2_000, &role(), failure(FailureKind::NotFound));
    for at in (2_000..200_000).step_by(500) {
        let asked = take_all(&mut book, at);
        assert!(!asked.contains(&by_role("a").key()), "asked with what was refused");
        if asked.contains(&role().key()) {
            answer(&mut book, at, &role(), failure(FailureKind::NotFound));
        }
    }
}

#[test]
fn what_is_told_is_what_stands_in_the_way_now() {
    let mut book = Book::default();
    book.want(vec![wanted(role()), wanted(by_role("a"))]);
    let told = |book: &Book, at| book.failed(Mono(at), by_role("a").key()).map(|(_, failure)| failure.kind);
    take_all(&mut book, 0);
    answer(&mut book, 0, &role(), Ok(session(0, HOUR)));
    take_all(&mut book, 10);
    answer(&mut book, 20, &by_role("a"), failure(FailureKind::CredentialsRefused));
    assert_eq!(told(&book, 30), Some(FailureKind::CredentialsRefused));
    // The session is lost, and there is none to ask again with: that is the newer failure.
    assert_eq!(take_all(&mut book, 2_000), [role().key()]);
    assert_eq!(told(&book, 2_000), Some(FailureKind::CredentialsRefused));
    answer(&mut book, 2_010, &role(), failure(FailureKind::NotFound));
    assert_eq!(told(&book, 2_020), Some(FailureKind::NotFound));
    assert_eq!(take_all(&mut book, 10_000), [role().key()]);
    answer(&mut book, 10_000, &role(), Ok(session(10_000, HOUR)));
    assert_eq!(told(&book, 10_010), Some(FailureKind::CredentialsRefused));
    assert_eq!(take_all(&mut book, 20_000), [by_role("a").key()]);
    answer(&mut book, 20_000, &by_role("a"), Ok(login(20_000, HOUR)));
    assert_eq!(told(&book, 20_010), None);
}

#[test]
fn an_expiry_that_is_past_or_too_far_away_is_a_failure_and_keeps_the_former_value() {
    let mut book = Book::default();
    book.want(vec![wanted(inline("a"))]);
    take_all(&mut book, 0);
    answer(&mut book, 0, &inline("a"), Ok(login(0, HOUR)));
    for life in [-1, 0, 26 * HOUR] {
        assert_eq!(answer(&mut book, 1, &inline("a"), Ok(login(1, life))), Change::None, "{life}");
        assert_eq!(book.failure(inline("a").key()).unwrap().kind, FailureKind::Malformed);
        let Some(Value::Login(kept, _)) = book.value(inline("a").key()) else { panic!("it is kept") };
        assert_eq!(kept.expires, UnixMillis(HOUR));
    }
}

#[test]
fn domains_are_asked_again_with_a_renewal_and_at_most_once_an_hour() {
    let login_question = inline("a");
    let key = KeySource::Inline { id: SecretText::new("id"), secret: SecretText::new("secret") };
    let domains = Question::Endpoints { endpoints: vec![], instance: "a".into(), key };
    let mut book = Book::default();
    let companion = Some(login_question.key());
    book.want(vec![
        wanted(login_question.clone()),
        Wanted { question: domains.clone(), companion, only_compared: false },
    ]);
    let mut asked = Vec::new();
    let mut at = 0;
    while at < 4 * 3_600_000 {
        for key in take_all(&mut book, at) {
            if key == domains.key() {
                asked.push(at);
                answer(&mut book, at, &domains, Ok(Value::Endpoints(vec![])));
            } else {
                answer(&mut book, at, &login_question, Ok(login(at, HOUR)));
            }
        }
        at = book.wake(Mono(at), |_| false).map_or(u64::MAX, |Mono(wake)| wake.max(at + 1));
    }
    assert!(asked.len() >= 2 && asked.windows(2).all(|pair| pair[1] - pair[0] >= 3_540_000), "{asked:?}");
}

#[test]
fn a_threshold_that_is_not_shorter_than_the_life_becomes_half_of_it() {
    let minutes = Duration::from_mins;
    assert_eq!(effective_threshold(minutes(15), minutes(60)), minutes(15));
    assert_eq!(effective_threshold(minutes(15), minutes(15)), minutes(15) / 2);
    assert_eq!(effective_threshold(minutes(90), minutes(60)), minutes(30));
}

#[test]
fn what_is_not_wanted_any_more_is_forgotten_and_what_stays_wanted_is_not_asked_again() {
    let mut book = Book::default();
    book.want(vec![wanted(inline("a")), wanted(inline("b"))]);
    take_all(&mut book, 0);
    answer(&mut book, 0, &inline("a"), Ok(login(0, HOUR)));
    book.want(vec![wanted(inline("a"))]);
    assert!(take_all(&mut book, 0).is_empty());
    assert!(book.value(inline("b").key()).is_none());
    assert_eq!(
        answer(&mut book, 1, &inline("b"), Ok(login(1, HOUR))),
        Change::None,
        "a late answer is ignored"
    );
}

fn from_secret() -> Question {
    Question::SecretKey { reference: SecretRef { namespace: "n".into(), name: "keys".into() } }
}

fn hop() -> Question {
    Question::AssumeRole {
        endpoints: vec![],
        role_arn: "r".into(),
        duration_seconds: 3600,
        external_id: None,
        key: KeySource::Fact(from_secret().key()),
        rotation: None,
    }
}

fn by_hop() -> Question {
    Question::Login {
        endpoints: vec![],
        instance: "i".into(),
        key: KeySource::Fact(hop().key()),
        rotation: None,
    }
}

fn key(id: &str) -> Value {
    let key = AccessKey { id: id.to_owned().into(), secret: "s".to_owned().into(), security_token: None };
    Value::Key(key, UnixMillis::NEVER, Owner::Unnamed)
}

/// A login by a hop from a key in a Secret, with a key and a session that were had at 0.
fn with_secret() -> Book {
    let mut book = Book::default();
    book.want(vec![wanted(from_secret()), wanted(hop()), wanted(by_hop())]);
    book.give(now(0), from_secret().key(), Ok(key("a")));
    assert_eq!(take_all(&mut book, 0), [hop().key()]);
    answer(&mut book, 0, &hop(), Ok(session(0, HOUR)));
    assert_eq!(take_all(&mut book, 0), [by_hop().key()]);
    book
}

#[test]
fn what_a_secret_gives_is_never_asked_for() {
    let mut book = Book::default();
    book.want(vec![wanted(from_secret()), wanted(hop()), wanted(by_hop())]);
    assert_eq!(take_all(&mut book, 0), []);
    assert_eq!(book.wake(Mono(0), |_| false), None);
    let missing = failure(FailureKind::NotFound);
    book.give(now(0), from_secret().key(), missing);
    assert_eq!(take_all(&mut book, 1), []);
    assert_eq!(book.failure(by_hop().key()).map(|failure| failure.kind), Some(FailureKind::NotFound));
}

#[test]
fn another_key_in_the_secret_makes_the_whole_chain_due_and_the_same_key_nothing() {
    let mut book = with_secret();
    answer(&mut book, 0, &by_hop(), Ok(login(0, HOUR)));
    book.give(now(5_000), from_secret().key(), Ok(key("a")));
    assert_eq!(take_all(&mut book, 5_000), []);
    book.give(now(6_000), from_secret().key(), Ok(key("b")));
    assert_eq!(take_all(&mut book, 6_000), [hop().key()]);
    answer(&mut book, 6_000, &hop(), Ok(session(6_000, HOUR)));
    assert_eq!(take_all(&mut book, 6_000), [by_hop().key()]);
    answer(&mut book, 6_000, &by_hop(), Ok(login(6_000, HOUR)));
    assert_eq!(take_all(&mut book, 6_001), []);
}

#[test]
fn a_key_that_is_replaced_while_a_call_is_out_makes_its_answer_due_at_once() {
    let mut book = with_secret();
    book.give(now(10), from_secret().key(), Ok(key("b")));
    assert_eq!(take_all(&mut book, 10), []);
    assert_eq!(answer(&mut book, 20, &by_hop(), Ok(login(20, HOUR))), Change::Leaf);
    assert_eq!(take_all(&mut book, 20), [hop().key()]);
}

#[test]
fn a_refused_key_is_tried_again_when_its_secret_changes_and_not_before_its_back_off() {
    let mut book = with_secret();
    answer(&mut book, 0, &by_hop(), Ok(login(0, HOUR)));
    book.give(now(1_000), from_secret().key(), Ok(key("wrong")));
    assert_eq!(take_all(&mut book, 1_000), [hop().key()]);
    answer(&mut book, 1_000, &hop(), failure(FailureKind::CredentialsRefused));
    assert_eq!(take_all(&mut book, 1_001), []);
    book.give(now(1_100), from_secret().key(), Ok(key("right")));
    assert_eq!(take_all(&mut book, 1_100), [hop().key()]);
}

#[test]
fn a_key_that_was_taken_away_is_not_used_any_more() {
    let mut book = with_secret();
    answer(&mut book, 0, &by_hop(), Ok(login(0, HOUR)));
    book.give(now(1_000), from_secret().key(), failure(FailureKind::NotFound));
    let late = u64::try_from(HOUR).unwrap() - 60_000;
    assert_eq!(take_all(&mut book, late), []);
    assert!(matches!(book.value(by_hop().key()), Some(Value::Login(..))), "the login stays until it is dead");
}

#[test]
fn without_keys_of_a_registered_cluster_the_role_is_asked_for_at_once() {
    let mut book = Book::default();
    book.want(vec![wanted(role()), wanted(by_role("a"))]);
    assert_eq!(take_all(&mut book, 0), [role().key()]);
    assert!(book.looks_for_registered_key(role().key()));
    book.first_place_is_empty(role().key());
    assert!(!book.looks_for_registered_key(role().key()));
    assert_eq!(take_all(&mut book, 0), [role().key()]);
    assert_eq!(book.question(role().key()).map(|(_, second_place)| second_place), Some(true));
}

#[test]
fn keys_without_an_end_are_read_again_before_they_are_used_again() {
    let mut book = Book::default();
    book.want(vec![wanted(role()), wanted(by_role("a"))]);
    take_all(&mut book, 0);
    answer(&mut book, 0, &role(), Ok(key("registered")));
    assert_eq!(take_all(&mut book, 0), [by_role("a").key()]);
    answer(&mut book, 0, &by_role("a"), Ok(login(0, HOUR)));
    let wake = book.wake(Mono(0), |_| false).unwrap();
    assert_eq!(take_all(&mut book, wake.0), [role().key()]);
}

#[test]
fn that_nobody_knows_what_the_secret_holds_takes_no_key_away_and_renews_nothing() {
    let mut book = with_secret();
    answer(&mut book, 0, &by_hop(), Ok(login(0, HOUR)));
    book.give(now(1_000), from_secret().key(), failure(FailureKind::NoAnswer));
    assert!(book.value(from_secret().key()).is_some());
    assert!(book.failure(from_secret().key()).is_some());
    book.give(now(2_000), from_secret().key(), Ok(key("a")));
    assert!(book.failure(from_secret().key()).is_none());
    assert_eq!(take_all(&mut book, 2_000), []);
}

#[test]
fn a_key_that_comes_back_after_it_was_taken_away_makes_its_chain_due() {
    let mut book = with_secret();
    answer(&mut book, 0, &by_hop(), Ok(login(0, HOUR)));
    book.give(now(1_000), from_secret().key(), failure(FailureKind::NotFound));
    book.give(now(2_000), from_secret().key(), Ok(key("b")));
    assert_eq!(take_all(&mut book, 2_000), [hop().key()]);
}
