//! What the machine shows of itself: the source of metrics, readiness, the live table and the exit of uninstall.

use std::time::Duration;

use acr_credentials::UnixMillis;

use crate::operation::Subject;

/// A snapshot. Made when somebody looks, never kept.
#[derive(Clone, Debug)]
pub struct Status {
    /// Whether this process holds the Lease within its own deadline.
    pub leading: bool,
    /// Who holds the Lease, as last seen.
    pub holder: Option<String>,
    /// Whether all four watches have completed a list.
    pub listed: bool,
    /// Whether an accepted configuration is in force.
    pub configured: bool,
    /// Whether the certificate of the webhook is there, where this process answers the API server.
    pub certificate: Option<bool>,
    /// When that certificate ends, where this process leads: who leads renews it.
    pub certificate_ends: Option<UnixMillis>,
    /// The registry instances that are served, in the order of the entries.
    pub logins: Vec<LoginStatus>,
    /// ServiceAccounts in scope.
    pub accounts: Progress,
    /// Namespaces in scope, by their pull secret.
    pub namespaces: Progress,
    /// Objects of retiring scopes that are not cleaned yet.
    pub retiring: usize,
    /// Pods that cannot pull what the pull secret is for, where they are looked at.
    pub pods: PodsStatus,
    /// How often somebody else took our change back, since the process started.
    pub fights: u64,
    /// From the first sight of a ServiceAccount in scope to its attach.
    pub attach_lag: Histogram,
    /// What a user must mend, now.
    pub findings: Vec<ActiveFinding>,
}

/// How far a kind of object is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Objects that are as they shall be.
    pub done: usize,
    /// Objects that wait for a write or for its confirmation.
    pub pending: usize,
}

/// Pods that cannot pull what the pull secret is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodsStatus {
    /// Those with a list of their own, now.
    pub own_list: usize,
    /// Those that are older than the attach, now.
    pub older: usize,
    /// Those that were made anew without our entry, now.
    pub in_vain: usize,
    /// Evictions since the process started.
    pub evicted: u64,
}

/// One registry instance of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginStatus {
    /// 0-based place of the entry.
    pub entry: usize,
    /// `cri-…`, `personal/REGION`, or `secret/NAMESPACE/NAME` and a host.
    pub instance: String,
    /// The region in use, where it is known.
    pub region: Option<String>,
    /// Who said the region: `regionId`, the flag or environment variable by its name, or `metadata`.
    pub region_source: Option<&'static str>,
    /// The identity chain in words, the source first.
    pub chain: Vec<String>,
    /// When the login in use ends, which may be never; `None` without one.
    pub expires: Option<UnixMillis>,
    /// The hosts that carry it.
    pub hosts: Vec<String>,
    /// Why the last call for it failed, where it did.
    pub failure: Option<String>,
}

/// Something wrong that a user can mend, as it stands now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActiveFinding {
    /// What it is about.
    pub subject: Subject,
    /// Whether something does not work because of it.
    pub error: bool,
    /// PascalCase code.
    pub code: String,
    /// What is wrong, and the remedy.
    pub message: String,
}

/// The upper bounds of [`Histogram`] in milliseconds: below a second for a fresh ServiceAccount, minutes for a wave.
pub const HISTOGRAM_BOUNDS_MILLIS: [u64; 10] = [10, 25, 50, 100, 250, 500, 1_000, 5_000, 30_000, 120_000];

/// A cumulative-free histogram of durations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Observations per bound of [`HISTOGRAM_BOUNDS_MILLIS`], the last for everything above.
    pub counts: [u64; HISTOGRAM_BOUNDS_MILLIS.len() + 1],
    /// Sum in milliseconds.
    pub sum_millis: u64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&mut self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let place = HISTOGRAM_BOUNDS_MILLIS.partition_point(|bound| *bound < millis);
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.sum_millis = self.sum_millis.saturating_add(millis);
    }
}

/// How a process that has an end of its own has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Uninstall: everything is undone.
    Removed,
    /// Uninstall: somebody holds the Lease, so nothing was touched.
    LeaseHeld {
        /// The holder.
        holder: String,
    },
    /// The process was asked to stop, and has given the Lease back.
    Stopped,
}
