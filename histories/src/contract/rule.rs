//! The rules of the safety contract and what breaking one looks like.

use std::fmt;

/// One rule of the safety contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Published key slots.
    S1,
    /// Foreign bytes.
    S2,
    /// Secrets.
    S3,
    /// Calls of the cloud.
    S4,
    /// Rest.
    S5,
    /// No configuration.
    S6,
    /// Determinism.
    S7,
    /// One operation per object.
    S8,
    /// Pods.
    S9,
}

impl Rule {
    /// The rule in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::S1 => {
                "a published key slot stays while the configuration wants it and its login is not dead; its login gives \
                 way only to a later answer, not yet expired, for the fact that is wanted now; discovery removes a host \
                 only after two equal complete answers"
            }
            Self::S2 => {
                "no foreign byte changes; our name is put only into lists in scope, and taken out only in a retiring \
                 scope"
            }
            Self::S3 => {
                "pull secrets are written only in namespaces in scope and deleted only in retiring ones; only the \
                 leader writes; what lands late is harmless"
            }
            Self::S4 => {
                "per fact and leader term one call is in flight, and there is one call per renewal, back-off step, \
                 change of inputs or loss"
            }
            Self::S5 => {
                "when faults end, within a bounded time all in scope is attached and current and no retiring scope is \
                 left, except what is terminating, refused by policy, or fought over and reported; then nothing is \
                 written any more"
            }
            Self::S6 => {
                "a missing, empty or unparsable configuration changes nothing; nothing is detached, deleted or dropped \
                 before configuration, journal, namespaces, ServiceAccounts and Secrets are all listed"
            }
            Self::S7 => {
                "the same observations, order and clocks give the same operations; when all effects are observed, \
                 `next` is empty until `wake`"
            }
            Self::S8 => "at most one operation is in flight per object",
            Self::S9 => {
                "a pod is evicted only where `pods: restart` asks for it, something makes it anew and counts nothing, \
                 nothing of it runs and a new one would pull; one a second, and what is made anew in vain is left alone \
                 for an hour"
            }
        }
    }
}

/// A rule was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:?} is broken: {}\n  ({:?}: {})",
            self.rule,
            self.what,
            self.rule,
            self.rule.text()
        )
    }
}

/// The outcome of a check.
pub type Checked = Result<(), Violation>;

/// Fails with `what` unless `holds`.
pub(crate) fn ensure(rule: Rule, holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Violation { rule, what: what() }) }
}
