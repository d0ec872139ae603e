//! What is wrong with the entries, in words for the person who can mend it.

use acr_configuration::{Identity, identity_chain};
use acr_credentials::remedy::{Circumstances, TokenClaims, remedy};
use acr_credentials::{CallFailure, InstanceHost, UnixMillis};

use super::Machine;
use crate::facts::chain::{Problem, SESSION_NAME, SESSION_SECONDS};
use crate::facts::timing::effective_threshold;
use crate::facts::value::Value;
use crate::facts::{Line, Question};
use crate::operation::Subject;
use crate::status::ActiveFinding;
use crate::time::Now;

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
        let threshold = self.timing().threshold;
        for line in &self.lines.drawn {
            let name = format!("entry {} ({})", line.index, line.key.instance);
            if let Some((question, failure)) = self.book.failed(line.login) {
                report(true, failure.kind.label(), self.explained(line, &name, question, failure));
            } else if let Some((question, failure)) = line.endpoints().and_then(|fact| self.book.failed(fact))
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
        }
        self.ledger.set(now.mono, "entries", findings);
    }

    /// A failure with who asked, and what helps.
    fn explained(&self, line: &Line, name: &str, question: &Question, failure: &CallFailure) -> String {
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
            | Question::SecretKey { .. }
            | Question::StaticLogin { .. } => None,
        };
        let who = who.map_or_else(String::new, |who| {
            // What the cloud's audit log shows of roles that we assumed.
            let session = if question.key_source().is_some() && who.contains("role ") {
                format!(" (session {SESSION_NAME})")
            } else {
                String::new()
            };
            format!(", as {who}{session}")
        });
        format!("{name}{who}: {failure}; {}", remedy(failure, &self.circumstances(line, question)))
    }

    /// The identity chain of a line's entry in words.
    pub(super) fn chain(&self, line: &Line) -> Vec<String> {
        let accepted = self.recorder.durable().and_then(|record| record.accepted.as_ref());
        let Some(accepted) = accepted else { return Vec::new() };
        let configuration = &accepted.configuration;
        let Some(entry) = configuration.entries.get(line.place) else { return Vec::new() };
        identity_chain(entry, self.token_mode(configuration))
    }

    fn circumstances(&self, line: &Line, question: &Question) -> Circumstances {
        let mut about = Circumstances {
            region: line.key.region.clone(),
            instance: Some(line.key.instance.clone()),
            account: self.account(line),
            namespace: self.settings.namespace.clone(),
            ..Circumstances::default()
        };
        match question {
            Question::AssumeRoleWithOidc { role_arn, oidc_provider_arn, token, .. } => {
                about.role_arn = Some(role_arn.clone());
                about.provider_arn = Some(oidc_provider_arn.clone());
                about.duration_seconds = Some(SESSION_SECONDS);
                if let Some(Value::Token(token)) = self.book.value(*token) {
                    about.token = TokenClaims::of(token);
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
            _ => {}
        }
        about
    }

    /// The account of the first identity of an entry, where its role tells.
    fn account(&self, line: &Line) -> Option<String> {
        let accepted = self.recorder.durable().and_then(|record| record.accepted.as_ref())?;
        match &accepted.configuration.entries.get(line.place)?.identity {
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
