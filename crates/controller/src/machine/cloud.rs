//! Asking the cloud, gathering its answers, and releasing them to the journal as one wave.

use std::sync::Arc;
use std::time::Duration;

use acr_credentials::{
    AccessKey, Answer as CloudAnswer, Call, CallFailure, FailureKind, InstanceHost, UnixMillis,
};

use super::{Flight, Machine};
use crate::facts::book::Change;
use crate::facts::chain::{SESSION_NAME, SESSION_SECONDS};
use crate::facts::value::{Owner, TokenOrigin, Value, value_of};
use crate::facts::{FactKey, KeySource, Line, Question};
use crate::journal::{HeldLogin, LineRecord, Recorder};
use crate::names::STS_AUDIENCE;
use crate::observation::{Answer, Refusal};
use crate::operation::{Class, Operation, Subject};
use crate::slots::{lost, note_slots};
use crate::time::{Mono, Now};

/// How long answers are gathered after the first one, when others are still out (`spec.md` has the number).
const GATHER: Duration = Duration::from_millis(500);

/// How long after the latest answer facts that our own limiter holds back are still waited for: while answers keep coming
/// they are one wave. Longer than the second in which our own pace may let nothing be asked; a cloud that is silent for
/// that long delays nobody else's entry any more.
const PATIENCE: Duration = Duration::from_secs(2);

/// The operation that looks for the keys of a registered cluster.
pub(super) const REGISTERED_KEY: &str = "RegisteredKey";

/// The life of a minted ServiceAccount token in seconds: what the kubelet asks for as well.
const TOKEN_SECONDS: i64 = 3600;

/// Answers that are not in the journal yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gathering {
    first: Mono,
    latest: Mono,
    /// When our own limiter last held a fact back.
    held: Option<Mono>,
}

impl Gathering {
    pub(super) fn from(first: Mono) -> Self {
        Self { first, latest: first, held: None }
    }

    /// Until when answers that are out are waited for.
    fn window_ends(self) -> Mono {
        self.first.plus(GATHER)
    }

    /// Until when facts are waited for that our own limiter holds back.
    fn patience_ends(self) -> Mono {
        self.latest.plus(PATIENCE)
    }

    /// Until when answers are waited for that could be asked for only after the limiter: as long as any other.
    fn held_window_ends(self) -> Option<Mono> {
        self.held.map(|held| held.plus(GATHER))
    }

    /// When to look again whether to release them.
    pub(super) fn wake(self, now: Mono) -> Mono {
        let ends = [Some(self.window_ends()), self.held_window_ends(), Some(self.patience_ends())];
        ends.into_iter().flatten().filter(|end| *end > now).min().unwrap_or(now)
    }
}

impl Machine {
    /// The next call of a class.
    pub(super) fn next_fact(&mut self, now: Now, class: Class) -> Option<(Flight, Operation)> {
        if !self.configured() {
            return None;
        }
        let key = self.book.take(now.mono, class)?;
        let (question, second_place) = self.book.question(key)?;
        let domains_of = match question {
            Question::Endpoints { instance, .. } => Some(instance.clone()),
            _ => None,
        };
        let operation = match question {
            Question::Token if second_place => Operation::RequestToken {
                service_account: self.settings.service_account.clone(),
                audience: STS_AUDIENCE,
                expiration_seconds: TOKEN_SECONDS,
            },
            Question::Token => Operation::ReadTokenFile,
            Question::WorkerRole { .. } | Question::ManagedRole if !second_place => {
                Operation::ReadRegisteredKey
            }
            Question::ManagedRole => Operation::ReadAddOnToken,
            question => Operation::Ask {
                call: self.call(question)?,
                signing_offset_millis: self.clock.offset_millis(now),
                deadline: self.lease.time_left(now.mono),
            },
        };
        Some((Flight::Fact { key, class, domains_of }, operation))
    }

    /// The call for a question, completed with what its parent fact holds.
    fn call(&self, question: &Question) -> Option<Call> {
        Some(match question {
            Question::Token
            | Question::ManagedRole
            | Question::SecretKey { .. }
            | Question::StaticLogin { .. } => return None,
            Question::Region { endpoints } => Call::Region { endpoints: endpoints.clone() },
            Question::WorkerRole { endpoints } => Call::WorkerRole { endpoints: endpoints.clone() },
            Question::AssumeRoleWithOidc { endpoints, role_arn, oidc_provider_arn, token, .. } => {
                let Some(Value::Token(token, _)) = self.book.value(*token) else { return None };
                Call::AssumeRoleWithOidc {
                    endpoints: endpoints.clone(),
                    role_arn: role_arn.clone(),
                    oidc_provider_arn: oidc_provider_arn.clone(),
                    token: token.clone(),
                    session_name: SESSION_NAME.to_owned(),
                    duration_seconds: SESSION_SECONDS,
                }
            }
            Question::AssumeRole { endpoints, role_arn, duration_seconds, external_id, key, .. } => {
                Call::AssumeRole {
                    endpoints: endpoints.clone(),
                    role_arn: role_arn.clone(),
                    session_name: SESSION_NAME.to_owned(),
                    duration_seconds: *duration_seconds,
                    external_id: external_id.clone(),
                    key: self.access_key(key)?,
                }
            }
            Question::CallerIdentity { endpoints, key } => {
                Call::CallerIdentity { endpoints: endpoints.clone(), key: self.access_key(key)? }
            }
            Question::PersonalLogin { endpoints, key, .. } => {
                Call::PersonalAuthorizationToken { endpoints: endpoints.clone(), key: self.access_key(key)? }
            }
            Question::Endpoints { endpoints, instance, key } => Call::ListInstanceEndpoint {
                endpoints: endpoints.clone(),
                instance: instance.clone(),
                key: self.access_key(key)?,
            },
            Question::Login { endpoints, instance, key, .. } => Call::GetAuthorizationToken {
                endpoints: endpoints.clone(),
                instance: instance.clone(),
                key: self.access_key(key)?,
            },
        })
    }

    /// Where a ServiceAccount token that has just come was looked for.
    fn token_origin(&self, key: FactKey) -> TokenOrigin {
        match self.book.question(key) {
            Some((_, true)) => TokenOrigin::Requested,
            _ => TokenOrigin::Projected,
        }
    }

    fn access_key(&self, source: &KeySource) -> Option<AccessKey> {
        match source {
            KeySource::Inline { id, secret } => Some(AccessKey {
                id: id.expose().to_owned().into(),
                secret: secret.expose().to_owned().into(),
                security_token: None,
            }),
            KeySource::Fact(parent) => match self.book.value(*parent) {
                Some(Value::Key(key, ..)) => Some(key.clone()),
                _ => None,
            },
        }
    }

    /// Takes the answer to a call, or to the reading of a token.
    pub(super) fn fact_answered(
        &mut self,
        now: Now,
        key: FactKey,
        domains_of: Option<String>,
        answer: Answer,
    ) {
        let registered = self.book.looks_for_registered_key(key);
        if registered {
            self.registered_key_denied = None;
        }
        let operation = if registered { REGISTERED_KEY } else { self.book.operation(key) };
        let outcome = match answer {
            Answer::Token(Some(token)) => Ok(Value::Token(token, self.token_origin(key))),
            Answer::Key(Some(key)) => Ok(Value::Key(key, UnixMillis::NEVER, Owner::RegisteredCluster)),
            Answer::Token(None) | Answer::Key(None) => {
                self.book.first_place_is_empty(key);
                return;
            }
            Answer::Cloud(CloudAnswer { cloud_time, outcome }) => {
                if let Some(cloud_time) = cloud_time {
                    self.clock.hear(now, cloud_time);
                }
                let time = self.clock.time(now);
                outcome.map(|reply| value_of(reply, time))
            }
            // Without the right to read them the token mode goes on, and it is said.
            Answer::Refused(refusal @ Refusal::NoRight { .. }) if registered => {
                self.registered_key_denied = Some(refusal.to_string());
                self.book.first_place_is_empty(key);
                return;
            }
            Answer::Refused(refusal) => {
                let kind = match refusal {
                    Refusal::NoRight { .. } | Refusal::RefusedByPolicy { .. } => FailureKind::Denied,
                    _ => FailureKind::NoAnswer,
                };
                Err(CallFailure::new(operation, kind, refusal.to_string()))
            }
            _ => return,
        };
        if let (Some(instance), Ok(Value::Endpoints(hosts)), None) =
            (domains_of, &outcome, self.book.question(key))
            && self.lines.drawn.iter().any(|line| line.key.instance == instance)
        {
            // An edit asks by another identity by now.
            self.fresh_endpoints.push((instance, hosts.clone()));
            self.gathering.get_or_insert_with(|| Gathering::from(now.mono));
        }
        let timing = self.timing();
        let change = self.book.answered(now, &self.clock, &timing, key, outcome);
        if let Some(gathering) = &mut self.gathering {
            gathering.latest = now.mono;
        }
        self.fact_changed(now, key, change);
        self.report_lines(now);
    }

    /// Sees to what a changed fact changes.
    pub(super) fn fact_changed(&mut self, now: Now, key: FactKey, change: Change) {
        match change {
            Change::Leaf => {
                if let (Some(Value::Endpoints(hosts)), Some((Question::Endpoints { instance, .. }, _))) =
                    (self.book.value(key), self.book.question(key))
                {
                    self.fresh_endpoints.push((instance.clone(), hosts.clone()));
                }
                self.gathering.get_or_insert_with(|| Gathering::from(now.mono));
            }
            Change::Region => {
                if let Some(Value::Region(region)) = self.book.value(key).cloned() {
                    let mut record = self.recorder.desired().clone();
                    record.region = Some(region);
                    self.learn(now, record);
                }
            }
            Change::None => {
                // That the domains cannot be had decides, too, who is given those of an entry.
                let record = self.recorder.desired();
                let news = self.lines.drawn.iter().any(|line| {
                    let known = record.lines.get(&line.key);
                    line.endpoints() == Some(key)
                        && self.may_not_list(line)
                        && known.is_some_and(|known| !known.refused)
                });
                if news {
                    self.gathering.get_or_insert_with(|| Gathering::from(now.mono));
                }
            }
        }
    }

    /// Hands what was gathered to the journal, when all have answered or the first has waited long enough.
    pub(super) fn release(&mut self, now: Now) {
        let Some(gathering) = self.gathering else { return };
        // The lines of an edit that is being written are not drawn yet. And what waited in the journal for the end of a pause
        // might have ended before it is published.
        if !self.recorder.configuration_is_durable() || self.is_paused() {
            return;
        }
        let (held, out) = (self.book.held_by_limiter(now.mono), self.book.is_out());
        if held && let Some(gathering) = &mut self.gathering {
            gathering.held = Some(now.mono);
        }
        let in_window = now.mono < gathering.window_ends() && (held || out);
        let after_limiter = out && gathering.held_window_ends().is_some_and(|end| now.mono < end);
        if in_window || held && now.mono < gathering.patience_ends() || !held && after_limiter {
            return;
        }
        self.gathering = None;
        let fresh = std::mem::take(&mut self.fresh_endpoints);
        let mut record = self.recorder.desired().clone();
        let mut changed = false;
        for line in &self.lines.drawn {
            let former = record.lines.get(&line.key).cloned().unwrap_or_default();
            let mut next = former.clone();
            self.take_login(now, line, &mut next);
            let newest = fresh.iter().rfind(|(instance, _)| *instance == line.key.instance);
            if let Some((_, hosts)) = newest {
                take_hosts(&mut next, hosts.clone());
            }
            next.refused = self.may_not_list(line);
            if next != former {
                changed = true;
                record.lines.insert(line.key.clone(), next);
            }
        }
        if !changed {
            return;
        }
        let lost = lost(&self.lines.drawn, self.recorder.desired(), &record);
        record.carried.splice(0..0, lost);
        note_slots(&self.lines.drawn, &mut record, self.clock.time(now));
        record.cloud_offset_millis = self.clock.offset_millis(now);
        if Recorder::fits(&record) {
            self.recorder.change(|desired| *desired = record);
        } else {
            let message =
                "the logins do not fit into the journal, which is a Secret and holds 1 MiB: no login is \
                renewed; remove entries"
                    .to_owned();
            self.ledger.set_one(now.mono, "journal-size", Subject::Configuration, "JournalTooLarge", message);
        }
    }

    /// Whether the domains of a line cannot be asked for, and nobody knows them.
    fn may_not_list(&self, line: &Line) -> bool {
        line.endpoints().is_some_and(|fact| {
            self.book.value(fact).is_none()
                && self.book.failure(fact).is_some_and(|failure| failure.kind == FailureKind::Denied)
        })
    }

    fn take_login(&self, now: Now, line: &Line, record: &mut LineRecord) {
        let Some(Value::Login(login, handed_out)) = self.book.value(line.login) else { return };
        let registered = self.is_by_registered_key(line) == Some(true);
        let held =
            HeldLogin { fact: line.login, login: Arc::clone(login), handed_out: *handed_out, registered };
        // An answer that expired while it was gathered gives way to nothing.
        if record.login.as_ref() != Some(&held) && login.expires > self.clock.time(now) {
            record.login = Some(held);
        }
    }
}

/// Takes a complete answer: what is new is added, what is missing goes when the next answer says the same.
fn take_hosts(record: &mut LineRecord, mut answer: Vec<InstanceHost>) {
    answer.sort();
    answer.dedup_by(|later, former| later.host == former.host);
    let has = |hosts: &[InstanceHost], name: &str| hosts.iter().any(|host| host.host == name);
    let missing: Vec<InstanceHost> = match &record.hosts {
        None => Vec::new(),
        Some(known) => known.iter().filter(|host| !has(&answer, &host.host)).cloned().collect(),
    };
    let confirmed = record.fewer.as_ref().is_some_and(|fewer| {
        fewer.len() == answer.len() && fewer.iter().all(|host| has(&answer, &host.host))
    });
    if missing.is_empty() || confirmed {
        record.fewer = None;
        record.hosts = Some(answer);
    } else {
        let mut hosts = answer.clone();
        hosts.extend(missing);
        hosts.sort();
        record.hosts = Some(hosts);
        record.fewer = Some(answer);
    }
}
