//! What is wrong with the entries, in words for the person who can mend it.

use acr_configuration::{Configuration, Entry, Identity, TokenMode, identity_chain};
use acr_credentials::remedy::{Circumstances, TokenClaims, remedy};
use acr_credentials::{CallFailure, InstanceHost, UnixMillis};

use super::Machine;
use super::cloud::REGISTERED_KEY;
use crate::facts::chain::{Problem, RegionSource, SESSION_SECONDS};
use crate::facts::timing::effective_threshold;
use crate::facts::value::{Owner, TokenOrigin, Value};
use crate::facts::{FactKey, KeySource, Line, Question};
use crate::operation::Subject;
use crate::slots::taker;
use crate::status::ActiveFinding;
use crate::time::Now;

const MANAGED_ROLE_CANNOT_HOP: &str = "tokenMode resolves to managedRole, whose role AliyunCSManagedAcrRole cannot \
    assume the role of assumeRoleARN; use --token-mode workerRole, or RRSA (rrsaRoleARN, rrsaOIDCProviderRoleARN, rrsa: \
    enable: true), and attach AliyunSTSAssumeRoleAccess to that role";

impl Machine {
    /// Says what is wrong with each line.
    pub(super) fn report_lines(&mut self, now: Now) {
        let mut findings: Vec<ActiveFinding> = Vec::new();
        let mut report = |error: bool, code: &str, message: String| {
            findings.push(ActiveFinding {
                subject: Subject::Configuration,
                error,
                code: code.to_owned(),
                message,
            });
        };
        for Problem { index, code, message } in &self.lines.problems {
            report(false, code, format!("entry {index}: {message}"));
        }
        self.report_handed_over(&mut report);
        let threshold = self.timing().threshold;
        for line in &self.lines.drawn {
            let name = format!("entry {} ({})", line.index, line.key.instance);
            if let Some((question, failure)) = self.keeps_from_login(now, line) {
                report(true, failure.kind.label(), self.explained(line, &name, question, failure));
            } else if let Some((question, failure)) =
                line.endpoints().and_then(|fact| self.book.failed(now.mono, fact))
            {
                let message = self.explained(line, &name, question, failure);
                report(line.domains.is_none(), failure.kind.label(), message);
            }
            if let Some(Value::Login(login, handed_out)) = self.book.value(line.login)
                && login.expires != UnixMillis::NEVER
            {
                let life = login.expires.since(*handed_out);
                let effective = effective_threshold(threshold, life);
                if effective != threshold {
                    let message = format!(
                        "{name}: expiring-threshold {threshold:?} is not shorter than the life of its logins, \
                         {life:?}; they are renewed {effective:?} before they end; set a shorter threshold"
                    );
                    report(false, "ThresholdTooLong", message);
                }
            }
            self.compare_domains(line, &name, &mut report);
            if line.first && self.is_hop_from_managed_role(line) {
                let code = acr_configuration::code::ASSUME_ROLE_UNDER_MANAGED_ROLE;
                report(false, code, format!("entry {}: {MANAGED_ROLE_CANNOT_HOP}", line.index));
            }
        }
        findings.extend(self.mode_by_age());
        self.ledger.set(now.mono, "entries", findings);
    }

    /// That `auto` falls back to the role of the node in an old cluster is nobody's silent guess.
    fn mode_by_age(&self) -> Option<ActiveFinding> {
        let configuration = self.configuration()?;
        let auto = configuration.token_mode.unwrap_or(self.settings.token_mode) == TokenMode::Auto;
        if !auto || self.token_mode(configuration) != TokenMode::WorkerRole {
            return None;
        }
        let by_mode = |line: &&Line| {
            line.first
                && self.entry(line).is_some_and(|entry| entry.identity == Identity::TokenMode)
                && self.is_by_registered_key(line) != Some(true)
        };
        let entries: Vec<String> =
            self.lines.drawn.iter().filter(by_mode).map(|line| line.index.to_string()).collect();
        let system = self.world.namespace("kube-system")?.seen.as_ref()?;
        let message = format!(
            "tokenMode auto is workerRole here, because the namespace kube-system was made {}, before 2023-04-03: the role \
             of the node asks for entry {}; set --token-mode workerRole to keep it so, or managedRole",
            system.created,
            entries.join(", ")
        );
        let (subject, code) = (Subject::Configuration, "TokenModeByAge".to_owned());
        (!entries.is_empty()).then_some(ActiveFinding { subject, error: false, code, message })
    }

    /// Why a line has no login, or no new one. Before its region is known nothing but that is asked for it.
    pub(super) fn keeps_from_login(&self, now: Now, line: &Line) -> Option<(&Question, &CallFailure)> {
        let fact = match self.book.question(line.login) {
            Some(_) => line.login,
            None => self.lines.region?,
        };
        self.book.failed(now.mono, fact)
    }

    /// A failure with who asked, and what helps.
    fn explained(&self, line: &Line, name: &str, question: &Question, failure: &CallFailure) -> String {
        let who = self.asker(line, question).map_or_else(String::new, |who| format!(", as {who}"));
        format!("{name}{who}: {failure}; {}", remedy(failure, &self.circumstances(line, question, failure)))
    }

    /// Who asked: in the words of the configuration, and as the cloud names it where it has.
    fn asker(&self, line: &Line, question: &Question) -> Option<String> {
        let chain = self.chain(line);
        let who = match question {
            Question::AssumeRoleWithOidc { .. } => {
                Some(format!("ServiceAccount {}/{}", self.settings.namespace, self.settings.service_account))
            }
            Question::AssumeRole { .. } => chain.first().cloned(),
            Question::Login { .. } | Question::Endpoints { .. } | Question::PersonalLogin { .. } => {
                (!chain.is_empty()).then(|| chain.join(", then "))
            }
            Question::Region { .. }
            | Question::Token
            | Question::WorkerRole { .. }
            | Question::ManagedRole
            | Question::CallerIdentity { .. }
            | Question::SecretKey { .. }
            | Question::StaticLogin { .. } => None,
        }?;
        Some(match self.principal(question) {
            Some(principal) => format!("{who} ({principal})"),
            None => who,
        })
    }

    /// Who asks, as the cloud names it: account, and user, or role and session.
    fn principal(&self, question: &Question) -> Option<&str> {
        self.book.owner(question.key_source()?)
    }

    /// Whether the keys of a registered cluster take the place of the token mode; `None` while that is not known, and
    /// where the token mode is not asked.
    pub(super) fn is_by_registered_key(&self, line: &Line) -> Option<bool> {
        let source = self.source(line.login)?;
        match self.book.value(source) {
            Some(Value::Key(_, _, owner)) => Some(*owner == Owner::RegisteredCluster),
            _ => self.book.failure(source).map(|failure| failure.operation == REGISTERED_KEY),
        }
    }

    /// The fact of the token mode at the beginning of a chain.
    fn source(&self, fact: FactKey) -> Option<FactKey> {
        match self.book.question(fact)?.0 {
            Question::WorkerRole { .. } | Question::ManagedRole => Some(fact),
            question => self.source(question.parent()?),
        }
    }

    fn is_hop_from_managed_role(&self, line: &Line) -> bool {
        let entry = self.entry(line);
        let hops = entry.is_some_and(|entry| entry.assume_role.is_some());
        let source = self.source(line.login).and_then(|source| self.book.question(source));
        hops && source.is_some_and(|(question, _)| *question == Question::ManagedRole)
            && self.is_by_registered_key(line) == Some(false)
    }

    pub(super) fn configuration(&self) -> Option<&Configuration> {
        let accepted = self.recorder.durable().and_then(|record| record.accepted.as_ref())?;
        Some(&accepted.configuration)
    }

    fn entry(&self, line: &Line) -> Option<&Entry> {
        self.configuration()?.entries.get(line.place)
    }

    /// The identity chain of a line's entry in words.
    pub(super) fn chain(&self, line: &Line) -> Vec<String> {
        let (Some(configuration), Some(entry)) = (self.configuration(), self.entry(line)) else {
            return Vec::new();
        };
        let mut chain = identity_chain(entry, self.token_mode(configuration));
        // After a restart nothing may have been asked yet: the journal knows who asked for what it holds.
        let held = || self.recorder.durable().and_then(|record| record.login(line));
        let registered = self.is_by_registered_key(line).unwrap_or_else(|| {
            entry.identity == Identity::TokenMode && held().is_some_and(|held| held.registered)
        });
        if registered && let Some(source) = chain.first_mut() {
            *source = self.registered_keys();
        }
        chain
    }

    fn circumstances(&self, line: &Line, question: &Question, failure: &CallFailure) -> Circumstances {
        let domains = line.domains.iter().flatten().map(|domain| domain.host.clone());
        let mut about = Circumstances {
            region: line.key.region.clone(),
            region_source: line.region_source.map(RegionSource::label),
            domains: domains.collect(),
            taker: self.taker_of_unknown(line),
            principal: self.principal(question).map(str::to_owned),
            instance: Some(line.key.instance.clone()),
            account: self.account(line),
            is_session: self.is_by_session(question),
            hop: self.entry(line).and_then(|entry| Some(entry.assume_role.as_ref()?.role_arn.clone())),
            namespace: self.settings.namespace.clone(),
            ..Circumstances::default()
        };
        match question {
            Question::AssumeRoleWithOidc { role_arn, oidc_provider_arn, token, .. } => {
                about.role_arn = Some(role_arn.clone());
                about.provider_arn = Some(oidc_provider_arn.clone());
                about.duration_seconds = Some(SESSION_SECONDS);
                if let Some(Value::Token(token, origin)) = self.book.value(*token) {
                    about.token = TokenClaims::of(token);
                    about.token_is_requested = *origin == TokenOrigin::Requested;
                }
            }
            Question::AssumeRole { role_arn, duration_seconds, external_id, .. } => {
                about.role_arn = Some(role_arn.clone());
                about.duration_seconds = Some(*duration_seconds);
                about.external_id.clone_from(external_id);
            }
            Question::SecretKey { reference } | Question::StaticLogin { reference, .. } => {
                about.secret = Some((reference.namespace.clone(), reference.name.clone()));
            }
            Question::WorkerRole { .. } | Question::ManagedRole if failure.operation == REGISTERED_KEY => {
                about.secret = Some(self.registered_key_secret());
            }
            Question::ManagedRole => {
                let secret = self.settings.add_on_token_secret.clone();
                about.secret = secret.map(|name| (self.settings.namespace.clone(), name));
            }
            _ => {}
        }
        about
    }

    /// Of an entry with several ids: which is given the domains that none is known to own.
    fn taker_of_unknown(&self, line: &Line) -> Option<String> {
        let lines = &self.lines.drawn;
        if lines.iter().filter(|other| other.place == line.place).count() < 2 {
            return None;
        }
        Some(taker(lines, self.recorder.durable()?, line)?.key.instance.clone())
    }

    /// Whether the key that signs is a session's.
    fn is_by_session(&self, question: &Question) -> bool {
        let Some(KeySource::Fact(source)) = question.key_source() else { return false };
        matches!(self.book.value(*source), Some(Value::Key(key, ..)) if key.security_token.is_some())
    }

    /// The account of the first identity of an entry, where its role tells.
    fn account(&self, line: &Line) -> Option<String> {
        match &self.entry(line)?.identity {
            // acs:ram::<account>:role/<name>
            Identity::Rrsa { role_arn, .. } => role_arn.split(':').nth(3).map(str::to_owned),
            _ => None,
        }
    }

    /// Domains of the entry that the instance does not have are published, and said.
    fn compare_domains(&self, line: &Line, name: &str, report: &mut impl FnMut(bool, &str, String)) {
        let Some(Value::Endpoints(hosts)) = line.endpoints().and_then(|fact| self.book.value(fact)) else {
            return;
        };
        for host in hosts.iter().filter(|host| !host.enabled) {
            report(
                false,
                "EndpointDisabled",
                format!(
                    "{name}: the endpoint of {} is disabled; enable it where images are pulled by it",
                    host.host
                ),
            );
        }
        for domain in line.domains.iter().flatten() {
            let known = |line: &Line| match line.endpoints().and_then(|fact| self.book.value(fact)) {
                Some(Value::Endpoints(hosts)) => {
                    hosts.iter().any(|host| host.host.eq_ignore_ascii_case(&domain.host))
                }
                _ => false,
            };
            let owned = self.lines.drawn.iter().any(|other| other.place == line.place && known(other));
            if !owned && line.first {
                let nearest = nearest(&domain.host, hosts)
                    .map_or_else(String::new, |host| format!("; did you mean {host}?"));
                report(
                    false,
                    "HostNotOfInstance",
                    format!(
                        "{name}: the instance has no domain {}, it is published all the same{nearest}",
                        domain.host
                    ),
                );
            }
        }
    }
}

/// The host that shares most of its beginning and end with `wanted`.
fn nearest<'a>(wanted: &str, hosts: &'a [InstanceHost]) -> Option<&'a str> {
    let likeness = |host: &&InstanceHost| {
        let same = |(a, b): &(u8, u8)| a == b;
        let front = wanted.bytes().zip(host.host.bytes()).take_while(same).count();
        let back = wanted.bytes().rev().zip(host.host.bytes().rev()).take_while(same).count();
        front + back
    };
    hosts.iter().max_by_key(likeness).map(|host| host.host.as_str())
}
