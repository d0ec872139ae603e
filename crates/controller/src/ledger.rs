//! The ledger of findings: what is wrong now, said once when it appears, and forgotten when it is mended.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use acr_credentials::without_request_ids;

use crate::operation::{Report, Subject};
use crate::status::ActiveFinding;
use crate::time::Mono;

/// The same finding is not reported again sooner than this, however often it comes and goes.
const QUIET: Duration = Duration::from_mins(5);
/// Reports that wait for the API server; what does not fit is still in the ledger, the logs and the metrics.
const WAITING_REPORTS: usize = 256;

/// Findings by the group that they are renewed with: a ConfigMap, a fact, a namespace.
#[derive(Debug, Default)]
pub struct Ledger {
    groups: BTreeMap<String, Vec<ActiveFinding>>,
    /// When a finding was last reported, by group, code and message without request ids.
    reported: BTreeMap<(String, String, String), Mono>,
    waiting: VecDeque<Report>,
    generation: u64,
}

impl Ledger {
    /// Replaces the findings of a group without reporting them: an earlier process has.
    pub fn set_known(&mut self, group: &str, findings: Vec<ActiveFinding>) {
        if self.groups.get(group).map_or(&[][..], Vec::as_slice) != findings.as_slice() {
            self.generation += 1;
        }
        self.replace(group, findings);
    }

    /// Replaces the findings of a group; an empty list means that all is well there.
    pub fn set(&mut self, now: Mono, group: &str, findings: Vec<ActiveFinding>) {
        let known = self.groups.get(group).map_or(&[][..], Vec::as_slice);
        if known == findings.as_slice() {
            return;
        }
        self.generation += 1;
        for finding in &findings {
            let same = known.contains(finding);
            let key = (group.to_owned(), finding.code.clone(), without_request_ids(&finding.message));
            let quiet = self.reported.get(&key).is_some_and(|at| now < at.plus(QUIET));
            if !same && !quiet && self.waiting.len() < WAITING_REPORTS {
                self.reported.insert(key, now);
                self.waiting.push_back(Report {
                    about: finding.subject.clone(),
                    warning: true,
                    reason: finding.code.clone(),
                    message: finding.message.clone(),
                });
            }
        }
        self.replace(group, findings);
        self.reported.retain(|_, at| now < at.plus(QUIET));
    }

    fn replace(&mut self, group: &str, findings: Vec<ActiveFinding>) {
        if findings.is_empty() {
            self.groups.remove(group);
        } else {
            self.groups.insert(group.to_owned(), findings);
        }
    }

    /// Sets the one finding of a group.
    pub fn set_one(&mut self, now: Mono, group: &str, subject: Subject, code: &str, message: String) {
        let finding = ActiveFinding { subject, error: true, code: code.to_owned(), message };
        self.set(now, group, vec![finding]);
    }

    /// All is well in a group.
    pub fn clear(&mut self, now: Mono, group: &str) {
        self.set(now, group, Vec::new());
    }

    /// Clears the groups for which `gone` holds.
    pub fn clear_where(&mut self, now: Mono, gone: impl Fn(&str) -> bool) {
        let groups: Vec<String> = self.groups.keys().filter(|group| gone(group)).cloned().collect();
        for group in &groups {
            self.clear(now, group);
        }
    }

    /// Everything that is wrong now.
    pub fn findings(&self) -> impl Iterator<Item = &ActiveFinding> {
        self.groups.values().flatten()
    }

    /// Tells what has happened and needs no mending.
    pub fn tell(&mut self, about: Subject, reason: &str, message: String) {
        if self.waiting.len() < WAITING_REPORTS {
            self.waiting.push_back(Report { about, warning: false, reason: reason.to_owned(), message });
        }
    }

    /// The next report to write.
    pub fn next_report(&mut self) -> Option<Report> {
        self.waiting.pop_front()
    }

    /// Changes whenever the findings do.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: &str, message: &str) -> ActiveFinding {
        ActiveFinding {
            subject: Subject::Configuration,
            error: true,
            code: code.into(),
            message: message.into(),
        }
    }

    #[test]
    fn what_comes_and_goes_is_not_reported_each_time() {
        let mut ledger = Ledger::default();
        for second in 0..100 {
            ledger.set(Mono(second * 1000), "a", vec![finding("X", "x")]);
            ledger.clear(Mono(second * 1000 + 500), "a");
        }
        assert!(ledger.next_report().is_some());
        assert!(ledger.next_report().is_none());
        assert_eq!(ledger.findings().count(), 0);
    }

    #[test]
    fn two_findings_of_one_code_are_both_reported() {
        let mut ledger = Ledger::default();
        let (one, two) = (finding("X", "line 3"), finding("X", "line 7"));
        ledger.set(Mono(0), "a", vec![one, two]);
        let told: Vec<_> = std::iter::from_fn(|| ledger.next_report()).map(|report| report.message).collect();
        assert_eq!(told, ["line 3", "line 7"]);
    }

    #[test]
    fn a_failure_that_goes_on_is_not_reported_with_each_request_id() {
        let mut ledger = Ledger::default();
        for second in 0..100 {
            let failed = format!("failed (request id R-{second}); check the key");
            ledger.set(Mono(second * 1000), "a", vec![finding("X", &failed)]);
        }
        assert!(ledger.next_report().is_some());
        assert!(ledger.next_report().is_none());
    }

    #[test]
    fn a_group_holds_what_was_set_last() {
        let mut ledger = Ledger::default();
        ledger.set(Mono(0), "a", vec![finding("X", "x"), finding("Y", "y")]);
        ledger.set(Mono(1), "b", vec![finding("Z", "z")]);
        ledger.set(Mono(2), "a", vec![finding("Y", "y")]);
        let codes: Vec<&str> = ledger.findings().map(|finding| finding.code.as_str()).collect();
        assert_eq!(codes, ["Y", "Z"]);
        assert_eq!(std::iter::from_fn(|| ledger.next_report()).count(), 3);
    }
}
