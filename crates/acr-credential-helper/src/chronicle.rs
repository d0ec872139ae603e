//! The log of what changed: what a status says that the one before did not.

use std::collections::BTreeMap;

use acr_controller::operation::Subject;
use acr_controller::status::{ActiveFinding, LoginStatus, Progress, Status};
use acr_credentials::{UnixMillis, without_request_ids};
use tracing::{error, info, warn};

/// How bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    Info,
    Warning,
}

/// A line of the log.
#[derive(Debug)]
enum Line {
    /// What happened.
    Event(Weight, String),
    /// What a user must mend.
    Finding(ActiveFinding),
    /// What was mended.
    Mended(ActiveFinding),
}

/// What stays the same of a finding as long as it is not mended: subject, code, and message without request ids.
type Gist = (Subject, String, String);

/// Whose log it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Teller {
    /// A process that writes.
    #[default]
    Writer,
    /// One that does not: its Lease and its writes are those of a memory.
    Observer,
}

/// What was last told.
#[derive(Debug, Default)]
pub(crate) struct Chronicle {
    teller: Teller,
    leading: bool,
    listed: bool,
    configured: bool,
    /// Until when the login is good, and why the last call failed, without the request id.
    logins: BTreeMap<(usize, String), (Option<UnixMillis>, Option<String>)>,
    complete: Option<(Progress, Progress)>,
    retiring: usize,
    findings: BTreeMap<Gist, ActiveFinding>,
}

impl Chronicle {
    /// Nothing is told yet. `observes`: of a process that writes nothing.
    pub(crate) fn of(observes: bool) -> Self {
        let teller = if observes { Teller::Observer } else { Teller::Writer };
        Self { teller, ..Self::default() }
    }

    /// Logs what is new in `status`.
    pub(crate) fn tell(&mut self, status: &Status) {
        for line in self.news(status) {
            match line {
                Line::Event(Weight::Info, text) => info!("{text}"),
                Line::Event(Weight::Warning, text) => warn!("{text}"),
                Line::Finding(finding) => {
                    let (code, namespace) = (finding.code.as_str(), namespace(&finding));
                    if finding.error {
                        error!(code, namespace, "{}", finding.message);
                    } else {
                        warn!(code, namespace, "{}", finding.message);
                    }
                }
                Line::Mended(finding) => {
                    info!(code = finding.code.as_str(), namespace = namespace(&finding), "mended");
                }
            }
        }
    }

    fn news(&mut self, status: &Status) -> Vec<Line> {
        let mut lines = Vec::new();
        self.standing(status, &mut lines);
        self.logins(&status.logins, &mut lines);
        self.progress(status, &mut lines);
        self.findings(&status.findings, &mut lines);
        lines
    }

    fn standing(&mut self, status: &Status, lines: &mut Vec<Line>) {
        if self.leading != status.leading {
            self.leading = status.leading;
            let line = match (status.leading, &status.holder) {
                _ if self.teller == Teller::Observer => None,
                (true, _) => Some((Weight::Info, "the Lease is ours: this process writes".to_owned())),
                (false, Some(holder)) => {
                    let text = format!("the Lease is not ours any more: as last seen {holder} holds it");
                    Some((Weight::Warning, text))
                }
                (false, None) => Some((Weight::Info, "the Lease is free".to_owned())),
            };
            lines.extend(line.map(|(weight, text)| Line::Event(weight, text)));
        }
        if self.listed != status.listed {
            self.listed = status.listed;
            let line = if status.listed {
                "all watches have listed: the cluster is known"
            } else {
                "a watch lists again"
            };
            lines.push(Line::Event(Weight::Info, line.to_owned()));
        }
        if self.configured != status.configured {
            self.configured = status.configured;
            lines.push(if status.configured {
                Line::Event(Weight::Info, "a configuration is in force".to_owned())
            } else {
                Line::Event(Weight::Warning, "no configuration is in force".to_owned())
            });
        }
    }

    fn logins(&mut self, logins: &[LoginStatus], lines: &mut Vec<Line>) {
        let mut seen = BTreeMap::new();
        for login in logins {
            let LoginStatus { entry, instance, region, region_source, chain, expires, hosts, failure } =
                login;
            let key = (*entry, instance.clone());
            let before = self.logins.remove(&key);
            let (was_until, had_failed) = before.unwrap_or_default();
            match expires {
                Some(until) if was_until != *expires => {
                    let hosts = hosts.join(", ");
                    let chain = chain.join(", then ");
                    let from = match (region, region_source) {
                        (Some(region), Some(source)) => format!(", region {region} by {source}"),
                        _ => String::new(),
                    };
                    lines.push(Line::Event(
                        Weight::Info,
                        format!(
                            "entry {entry}: login of {instance} until {until} for {hosts}, by {chain}{from}"
                        ),
                    ));
                }
                None if was_until.is_some() => {
                    lines.push(Line::Event(
                        Weight::Warning,
                        format!("entry {entry}: the login of {instance} is gone"),
                    ));
                }
                _ => {}
            }
            let gist = failure.as_deref().map(without_request_ids);
            match failure {
                Some(failure) if had_failed != gist => {
                    lines.push(Line::Event(Weight::Warning, format!("entry {entry}: {instance}: {failure}")));
                }
                None if had_failed.is_some() => {
                    lines.push(Line::Event(Weight::Info, format!("entry {entry}: {instance}: works again")));
                }
                _ => {}
            }
            seen.insert(key, (*expires, gist));
        }
        for ((entry, instance), _) in std::mem::replace(&mut self.logins, seen) {
            lines
                .push(Line::Event(Weight::Info, format!("entry {entry}: {instance} is not served any more")));
        }
    }

    fn progress(&mut self, status: &Status, lines: &mut Vec<Line>) {
        let (accounts, namespaces) = (status.accounts, status.namespaces);
        let waits = accounts.pending > 0 || namespaces.pending > 0 || !status.listed || !status.configured;
        if !waits && self.complete != Some((accounts, namespaces)) {
            self.complete = Some((accounts, namespaces));
            // Seen in the cluster: an observer has no part in it.
            let so = match self.teller {
                Teller::Writer => "served",
                Teller::Observer => "as it shall be, by whoever serves it",
            };
            let text = format!(
                "all in scope is {so}: {} ServiceAccounts attached, {} pull secrets current",
                accounts.done, namespaces.done
            );
            lines.push(Line::Event(Weight::Info, text));
        }
        if self.retiring > 0 && status.retiring == 0 {
            lines.push(Line::Event(Weight::Info, "all that left the scope is cleaned".to_owned()));
        }
        self.retiring = status.retiring;
    }

    fn findings(&mut self, findings: &[ActiveFinding], lines: &mut Vec<Line>) {
        let gist = |finding: &ActiveFinding| {
            (finding.subject.clone(), finding.code.clone(), without_request_ids(&finding.message))
        };
        let now: BTreeMap<Gist, ActiveFinding> =
            findings.iter().map(|finding| (gist(finding), finding.clone())).collect();
        let missing_in = |other: &BTreeMap<Gist, ActiveFinding>, these: &BTreeMap<Gist, ActiveFinding>| {
            let these = these.iter().filter(|(gist, _)| !other.contains_key(*gist));
            these.map(|(_, finding)| finding.clone()).collect::<Vec<_>>()
        };
        lines.extend(missing_in(&now, &self.findings).into_iter().map(Line::Mended));
        lines.extend(missing_in(&self.findings, &now).into_iter().map(Line::Finding));
        self.findings = now;
    }
}

/// The namespace of a finding; none for the configuration.
fn namespace(finding: &ActiveFinding) -> Option<&str> {
    finding.subject.namespace()
}

#[cfg(test)]
mod tests {
    use acr_controller::status::{Histogram, PodsStatus};

    use super::*;

    fn status() -> Status {
        Status {
            leading: false,
            holder: None,
            listed: false,
            configured: false,
            certificate: None,
            certificate_ends: None,
            logins: Vec::new(),
            accounts: Progress::default(),
            namespaces: Progress::default(),
            retiring: 0,
            pods: PodsStatus::default(),
            fights: 0,
            attach_lag: Histogram::default(),
            findings: Vec::new(),
        }
    }

    fn at_work() -> Status {
        Status {
            leading: true,
            listed: true,
            configured: true,
            certificate: None,
            certificate_ends: None,
            logins: vec![LoginStatus {
                entry: 0,
                instance: "cri-one".into(),
                region: Some("cn-hangzhou".into()),
                region_source: Some("metadata"),
                chain: vec!["AccessKey in the entry".into()],
                expires: Some(UnixMillis(1_767_323_045_999)),
                hosts: vec!["a.example".into(), "b.example".into()],
                failure: None,
            }],
            accounts: Progress { done: 3, pending: 1 },
            namespaces: Progress { done: 2, pending: 0 },
            ..status()
        }
    }

    fn told(chronicle: &mut Chronicle, status: &Status) -> String {
        let lines = chronicle.news(status);
        let shown = |line: &Line| match line {
            Line::Event(weight, text) => format!("{weight:?} {text}"),
            Line::Finding(finding) => {
                format!("{} {:?} {}", finding.code, namespace(finding), finding.message)
            }
            Line::Mended(finding) => format!("mended {} {:?}", finding.code, namespace(finding)),
        };
        lines.iter().map(shown).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn nothing_new_is_not_told() {
        let mut chronicle = Chronicle::default();
        assert_eq!(told(&mut chronicle, &status()), "");
        told(&mut chronicle, &at_work());
        assert_eq!(told(&mut chronicle, &at_work()), "");
    }

    #[test]
    fn what_began_is_told_once() {
        let mut chronicle = Chronicle::default();
        insta::assert_snapshot!(told(&mut chronicle, &at_work()), @r#"
        Info the Lease is ours: this process writes
        Info all watches have listed: the cluster is known
        Info a configuration is in force
        Info entry 0: login of cri-one until 2026-01-02T03:04:05Z for a.example, b.example, by AccessKey in the entry, region cn-hangzhou by metadata
        "#);
        let complete = Status { accounts: Progress { done: 4, pending: 0 }, ..at_work() };
        insta::assert_snapshot!(told(&mut chronicle, &complete), @r#"Info all in scope is served: 4 ServiceAccounts attached, 2 pull secrets current"#);
    }

    #[test]
    fn an_observer_claims_neither_the_lease_nor_a_write() {
        let mut chronicle = Chronicle::of(true);
        let served = Status { accounts: Progress { done: 4, pending: 0 }, ..at_work() };
        let retiring = Status { retiring: 1, ..served.clone() };
        let told = [at_work(), retiring, served, status()].map(|status| told(&mut chronicle, &status));
        insta::assert_snapshot!(told[1..3].join("\n"), @r"
        Info all in scope is as it shall be, by whoever serves it: 4 ServiceAccounts attached, 2 pull secrets current
        Info all that left the scope is cleaned
        ");
        let all = told.join("\n");
        assert!(!all.contains("Lease"), "{all}");
    }

    #[test]
    fn a_renewal_a_failure_its_end_and_a_leaving_are_told() {
        let mut chronicle = Chronicle::default();
        told(&mut chronicle, &at_work());
        let mut later = at_work();
        later.logins[0].expires = Some(UnixMillis(1_767_333_045_999));
        insta::assert_snapshot!(told(&mut chronicle, &later), @r#"Info entry 0: login of cri-one until 2026-01-02T05:50:45Z for a.example, b.example, by AccessKey in the entry, region cn-hangzhou by metadata"#);
        later.logins[0].failure = Some("GetAuthorizationToken failed: throttled".into());
        insta::assert_snapshot!(told(&mut chronicle, &later), @r#"Warning entry 0: cri-one: GetAuthorizationToken failed: throttled"#);
        later.logins[0].failure = None;
        insta::assert_snapshot!(told(&mut chronicle, &later), @r#"Info entry 0: cri-one: works again"#);
        later.logins.clear();
        insta::assert_snapshot!(told(&mut chronicle, &later), @r#"Info entry 0: cri-one is not served any more"#);
    }

    #[test]
    fn a_failure_that_goes_on_is_neither_new_nor_mended() {
        let mut chronicle = Chronicle::default();
        let failing = |request: &str| {
            let mut status = at_work();
            let failure = format!("GetAuthorizationToken failed: not found (request id {request})");
            status.findings = vec![ActiveFinding {
                subject: Subject::Configuration,
                error: true,
                code: "NotFound".into(),
                message: format!("entry 0 (cri-one): {failure}; check instanceId"),
            }];
            status.logins[0].failure = Some(failure);
            status
        };
        assert!(told(&mut chronicle, &failing("R-1")).contains("R-1"));
        assert_eq!(told(&mut chronicle, &failing("R-2")), "");
        insta::assert_snapshot!(told(&mut chronicle, &at_work()), @r#"
        Info entry 0: cri-one: works again
        mended NotFound None
        "#);
    }

    #[test]
    fn a_finding_is_told_when_it_appears_and_when_it_is_mended() {
        let mut chronicle = Chronicle::default();
        told(&mut chronicle, &at_work());
        let finding = ActiveFinding {
            subject: Subject::Namespace("team".into()),
            error: true,
            code: "RefusedByPolicy".into(),
            message: "guard says no".into(),
        };
        let bad = Status { findings: vec![finding], ..at_work() };
        insta::assert_snapshot!(told(&mut chronicle, &bad), @r#"RefusedByPolicy Some("team") guard says no"#);
        insta::assert_snapshot!(told(&mut chronicle, &at_work()), @r#"mended RefusedByPolicy Some("team")"#);
    }
}
