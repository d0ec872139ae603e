//! The book of facts: single flight, order along a chain, windows, back-off.

use acr_configuration::SecretText;

use super::*;
use crate::facts::key::KeySource;
use crate::facts::timing::effective_threshold;

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
    Question::Login { endpoints: vec![], instance: instance.into(), key }
}

fn role() -> Question {
    Question::WorkerRole { endpoints: vec![] }
}

fn by_role(instance: &str) -> Question {
    Question::Login { endpoints: vec![], instance: instance.into(), key: KeySource::Fact(role().key()) }
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
    Value::Key(key, now(at).wall.plus_millis(life))
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
fn a_failure_waits_and_one_that_asks_for_time_gets_it() {
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
fn a_session_that_the_cloud_refuses_is_lost_and_asked_anew() {
    let mut book = Book::default();
    book.want(vec![wanted(role()), wanted(by_role("a"))]);
    take_all(&mut book, 0);
    answer(&mut book, 0, &role(), Ok(session(0, HOUR)));
    take_all(&mut book, 10);
    answer(&mut book, 20, &by_role("a"), failure(FailureKind::CredentialsRefused));
    assert!(take_all(&mut book, 500).is_empty(), "not before the login's back-off");
    assert_eq!(take_all(&mut book, 2_000), [role().key()]);
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
