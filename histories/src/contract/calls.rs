//! S4: how often the cloud is asked.

use std::collections::BTreeMap;

use acr_credentials::{AccessKey, Answer, Call, FailureKind, Reply, UnixMillis};
use secrecy::ExposeSecret;

use super::{Checked, Issue, ProcessId, Rule, Truth, ensure};
use crate::cloud::calls_for_other_inputs;
use crate::plan::Moment;

/// The number of a leader term of a process.
pub(super) type Term = u64;

/// What a call asks for, and with which inputs that do not age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Question {
    operation: &'static str,
    endpoints: Vec<String>,
    about: String,
    who: String,
}

impl Question {
    fn of(call: &Call, truth: Truth<'_>) -> Self {
        let (endpoints, about, who) = match call {
            Call::Region { endpoints } | Call::WorkerRole { endpoints } => {
                (endpoints, String::new(), String::new())
            }
            Call::AssumeRoleWithOidc { endpoints, role_arn, oidc_provider_arn, duration_seconds, .. } => {
                (endpoints, format!("{role_arn} {duration_seconds}"), oidc_provider_arn.clone())
            }
            Call::AssumeRole { endpoints, role_arn, duration_seconds, key, .. } => {
                (endpoints, format!("{role_arn} {duration_seconds}"), asker(key, truth))
            }
            Call::ListInstanceEndpoint { endpoints, instance, key }
            | Call::GetAuthorizationToken { endpoints, instance, key } => {
                (endpoints, instance.clone(), asker(key, truth))
            }
            Call::CallerIdentity { endpoints, key } | Call::PersonalAuthorizationToken { endpoints, key } => {
                (endpoints, String::new(), asker(key, truth))
            }
        };
        Self { operation: call.operation(), endpoints: endpoints.clone(), about, who }
    }
}

/// The identity behind a key, whichever of its sessions asks that were asked for in the same place.
fn asker(key: &AccessKey, truth: Truth<'_>) -> String {
    match truth.cloud.identity(key) {
        Some(identity) => format!("{identity:?} {}", truth.cloud.asked_at(key)),
        None => key.id.expose_secret().to_owned(),
    }
}

/// The part of the inputs that ages: which session asks, or with which token.
fn session(call: &Call) -> String {
    match call {
        Call::Region { .. } | Call::WorkerRole { .. } | Call::AssumeRoleWithOidc { .. } => String::new(),
        Call::AssumeRole { key, .. }
        | Call::CallerIdentity { key, .. }
        | Call::ListInstanceEndpoint { key, .. }
        | Call::GetAuthorizationToken { key, .. }
        | Call::PersonalAuthorizationToken { key, .. } => key.id.expose_secret().to_owned(),
    }
}

#[derive(Debug)]
struct Asked {
    /// When those in flight were started.
    in_flight: Vec<Moment>,
    session: String,
    last: Option<Last>,
}

#[derive(Debug)]
enum Last {
    Answered { at: Moment, told_at: UnixMillis, life: Life, repeat: bool },
    Failed { at: Moment, in_a_row: u32, kind: FailureKind, told: bool },
}

#[derive(Debug)]
enum Life {
    Until(UnixMillis),
    /// The same of what the node hands over, which may be replaced at any time.
    HandedOver(UnixMillis),
    /// Hosts, with a fingerprint to tell whether two answers are equal.
    Hosts(Vec<String>),
    Unlimited,
}

/// The questions of each process.
#[derive(Debug, Default)]
pub(super) struct Calls {
    asked: BTreeMap<(ProcessId, Term, Question), Asked>,
    /// The leader term of each process: a new one begins when it reads the journal.
    terms: BTreeMap<ProcessId, Term>,
    /// When a process last learned something that may change its questions.
    changed: BTreeMap<ProcessId, Moment>,
    /// When a process was last told to renew what it holds.
    renewed: BTreeMap<ProcessId, Moment>,
}

impl Calls {
    pub(super) fn ended(&mut self, process: ProcessId) {
        self.asked.retain(|(owner, ..), _| *owner != process);
        self.changed.remove(&process);
        self.renewed.remove(&process);
    }

    /// A process begins a leader term.
    pub(super) fn begin_term(&mut self, process: ProcessId) {
        *self.terms.entry(process).or_default() += 1;
    }

    /// The leader term that a process is in.
    pub(super) fn term(&self, process: ProcessId) -> Term {
        self.terms.get(&process).copied().unwrap_or_default()
    }

    pub(super) fn inputs_changed(&mut self, process: ProcessId, now: Moment) {
        self.changed.insert(process, now);
    }

    /// What a process asks from now on it asks anew, whatever is out.
    pub(super) fn renewed(&mut self, process: ProcessId, now: Moment) {
        self.renewed.insert(process, now);
        self.inputs_changed(process, now);
    }

    /// S4, at the start of a call. `threshold` is the longest that may be in force, in seconds.
    pub(super) fn s4_started(
        &mut self,
        process: ProcessId,
        call: &Call,
        threshold: u64,
        truth: Truth<'_>,
    ) -> Checked {
        let question = Question::of(call, truth);
        let session = session(call);
        let changed = self.changed.get(&process).copied();
        let term = self.term(process);
        let asked = self.asked.entry((process, term, question.clone())).or_insert_with(|| Asked {
            in_flight: Vec::new(),
            session: session.clone(),
            last: None,
        });
        // What is out is the answer to another question where something was to be renewed since.
        let renewed = self.renewed.get(&process).copied();
        let same = |started: &Moment| renewed.is_none_or(|renewed| *started > renewed);
        ensure(Rule::S4, !asked.in_flight.iter().any(same), || {
            format!("two calls in flight for {question:?}")
        })?;
        let since = asked.last.as_ref().map(|last| match last {
            Last::Answered { at, .. } | Last::Failed { at, .. } => *at,
        });
        // Other inputs make another fact of it, which has nothing to wait for.
        if asked.session != session || changed.is_some_and(|changed| Some(changed) >= since) {
            asked.last = None;
        }
        if let Some(last) = &asked.last {
            last.allows_another(threshold, truth).map_err(|what| super::Violation {
                rule: Rule::S4,
                what: format!("{} {} is asked again {what}", question.operation, question.about),
            })?;
        }
        asked.in_flight.push(truth.now);
        asked.session = session;
        Ok(())
    }

    pub(super) fn answered(&mut self, issue: &Issue, call: &Call, answer: &Answer, truth: Truth<'_>) {
        let key = (issue.process, issue.term, Question::of(call, truth));
        let Some(asked) = self.asked.get_mut(&key) else { return };
        asked.in_flight.retain(|started| *started != issue.at);
        if self.changed.get(&issue.process).is_some_and(|changed| *changed >= issue.at) {
            // It was asked for other inputs, among which it may not have been wanted for a while.
            asked.last = None;
            return;
        }
        let at = truth.now;
        asked.last = Some(match &answer.outcome {
            Err(failure) => {
                let (before, was_told) = match &asked.last {
                    Some(Last::Failed { in_a_row, told, .. }) => (*in_a_row, *told),
                    _ => (0, false),
                };
                // Once the cloud says what is wrong with a call, the next is another one.
                let told = calls_for_other_inputs(failure.kind);
                let before = if told && !was_told { 0 } else { before };
                Last::Failed {
                    at,
                    in_a_row: before.saturating_add(1),
                    kind: failure.kind,
                    told: told || was_told,
                }
            }
            Ok(reply) => {
                let life = match reply {
                    Reply::Region(_) | Reply::Identity(_) => Life::Unlimited,
                    Reply::Credentials { expires, .. } if matches!(call, Call::WorkerRole { .. }) => {
                        Life::HandedOver(*expires)
                    }
                    Reply::Credentials { expires, .. } => Life::Until(*expires),
                    Reply::Login(login) => Life::Until(login.expires),
                    Reply::Endpoints(hosts) => {
                        Life::Hosts(hosts.iter().map(|host| host.host.clone()).collect())
                    }
                };
                let repeat = match (&asked.last, &life) {
                    (Some(Last::Answered { life: Life::Hosts(before), .. }), Life::Hosts(now)) => {
                        before != now
                    }
                    _ => false,
                };
                Last::Answered { at, told_at: truth.cloud_time, life, repeat }
            }
        });
    }
}

impl Last {
    /// Whether the same question may be asked again with the same inputs.
    fn allows_another(&self, threshold: u64, truth: Truth<'_>) -> Result<(), String> {
        match self {
            Self::Answered { at, told_at, life, repeat } => {
                let elapsed = truth.now.saturating_sub(*at);
                match life {
                    Life::HandedOver(_) if elapsed >= LOOK_REST => Ok(()),
                    Life::Until(expires) | Life::HandedOver(expires) => {
                        let millis =
                            |from: UnixMillis| u64::try_from(expires.millis_since(from)).unwrap_or_default();
                        let (life, left) = (millis(*told_at), millis(truth.cloud_time));
                        // What is not shorter than the life, give or take the way of the answer, is halved.
                        let threshold = if threshold * 1_000 >= life { life / 2 } else { threshold * 1_000 };
                        // A window and its jitter may bring a renewal forward, never to the first third of a life.
                        let due = left <= threshold.saturating_add(life / 6) || elapsed >= life * 2 / 5;
                        due.then_some(()).ok_or_else(|| {
                            format!("{elapsed} ms after an answer that is good for another {left} ms")
                        })
                    }
                    Life::Hosts(_) => (*repeat || elapsed >= HOSTS_REST)
                        .then_some(())
                        .ok_or_else(|| format!("{elapsed} ms after a complete answer about hosts")),
                    Life::Unlimited => Err("although it was answered".to_owned()),
                }
            }
            Self::Failed { at, in_a_row, kind, told: _ } => {
                let elapsed = truth.now.saturating_sub(*at);
                let asked_for = match kind {
                    FailureKind::Throttled { retry_after: Some(wait) } => {
                        // By a clock that may run a little faster than time.
                        u64::try_from(wait.as_millis()).unwrap_or_default() / 1_000 * 999
                    }
                    _ => 0,
                };
                let doublings = in_a_row.saturating_sub(1).min(9);
                let back_off = (500_u64 << doublings).min(150_000);
                let back_off = if *in_a_row == 1 && calls_for_other_inputs(*kind) { 0 } else { back_off };
                let wait = back_off.max(asked_for);
                (elapsed >= wait).then_some(()).ok_or_else(|| {
                    format!("{elapsed} ms after failure {in_a_row} in a row ({kind}), not {wait} ms")
                })
            }
        }
    }
}

/// What the node hands over is looked at again for whatever is asked with it, at most this often: a role may be attached
/// or changed at any time, and the metadata service is on the node itself.
const LOOK_REST: Moment = 30 * 1_000;

/// Endpoints are asked again at most once an hour.
const HOSTS_REST: Moment = 55 * 60 * 1_000;
