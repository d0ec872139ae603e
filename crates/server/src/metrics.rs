//! Metrics: counters that the pump feeds, and gauges made of a status when they are scraped.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use acr_controller::status::{HISTOGRAM_BOUNDS_MILLIS, Histogram, Status};
use acr_credentials::UnixMillis;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::document::{seconds_left, severity};

/// The prefix of every name.
const PREFIX: &str = "acr_credential_helper";

/// What is counted as it happens. Clones count into the same numbers.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    cloud_calls: Family<Ended, Counter>,
    api_reads: Family<Ended, Counter>,
    api_writes: Family<Ended, Counter>,
    write_conflicts: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    operation: &'static str,
    result: &'static str,
}

/// The result of what went well.
const SUCCESS: &str = "Success";

impl Counters {
    /// A call to the cloud has ended: `result` is the label of its failure, `None` without one.
    pub fn cloud_call(&self, operation: &'static str, result: Option<&'static str>) {
        self.cloud_calls.get_or_create(&Ended { operation, result: result.unwrap_or(SUCCESS) }).inc();
    }

    /// A read of the API server, or of the token file, has ended.
    pub fn api_read(&self, operation: &'static str, result: Option<&'static str>) {
        self.api_reads.get_or_create(&Ended { operation, result: result.unwrap_or(SUCCESS) }).inc();
    }

    /// A write to the API server has ended.
    pub fn api_write(&self, operation: &'static str, result: Option<&'static str>) {
        self.api_writes.get_or_create(&Ended { operation, result: result.unwrap_or(SUCCESS) }).inc();
    }

    /// A write has lost a race: somebody else changed the object first.
    pub fn write_conflict(&self) {
        self.write_conflicts.inc();
    }

    /// All metrics in the OpenMetrics text format.
    pub(crate) fn text(&self, status: &Status, now: UnixMillis, version: &'static str) -> String {
        let mut registry = Registry::with_prefix(PREFIX);
        self.register(&mut registry);
        register_logins(&mut registry, status, now);
        register_progress(&mut registry, status);
        register_findings(&mut registry, status);
        register_certificate(&mut registry, status, now);
        registry.register("build", "The running version", Info::new([("version", version)]));
        registry.register(
            "leader",
            "1 where this process holds the Lease and writes",
            ConstGauge::new(i64::from(status.leading)),
        );
        registry.register(
            "watches_listed",
            "1 where all watches have completed a list",
            ConstGauge::new(i64::from(status.listed)),
        );
        registry.register(
            "configuration_accepted",
            "1 where an accepted configuration is in force",
            ConstGauge::new(i64::from(status.configured)),
        );
        let mut text = String::new();
        // Writing to memory cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "cloud_calls",
            "Calls to Alibaba Cloud by operation and result",
            self.cloud_calls.clone(),
        );
        registry.register(
            "api_reads",
            "Reads of single objects from the API server, and of the token file, by operation and result",
            self.api_reads.clone(),
        );
        registry.register(
            "api_writes",
            "Writes to the API server by operation and result",
            self.api_writes.clone(),
        );
        registry.register(
            "write_conflicts",
            "Writes that lost a race: the object was changed by somebody else first",
            self.write_conflicts.clone(),
        );
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginLabels {
    entry: u64,
    instance: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OriginLabels {
    entry: u64,
    instance: String,
    region: String,
    region_source: &'static str,
}

fn register_logins(registry: &mut Registry, status: &Status, now: UnixMillis) {
    let expiry = Family::<LoginLabels, Gauge>::default();
    let failing = Family::<LoginLabels, Gauge>::default();
    let origins = Family::<OriginLabels, Gauge>::default();
    for login in &status.logins {
        let entry = u64::try_from(login.entry).unwrap_or(u64::MAX);
        let labels = LoginLabels { entry, instance: login.instance.clone() };
        if let Some(left) = login.expires.and_then(|expires| seconds_left(expires, now)) {
            expiry.get_or_create(&labels).set(left);
        }
        let origin = OriginLabels {
            entry,
            instance: login.instance.clone(),
            region: login.region.clone().unwrap_or_default(),
            region_source: login.region_source.unwrap_or_default(),
        };
        origins.get_or_create(&origin).set(1);
        failing.get_or_create(&labels).set(i64::from(login.failure.is_some()));
    }
    registry.register_with_unit(
        "login_expires_in",
        "Until the login in use ends, negative when it is past; absent where there is none, or no end",
        Unit::Seconds,
        expiry,
    );
    registry.register(
        "login_origin",
        "1 for each login: its region, and who said it (regionId, a flag or variable by its name, metadata)",
        origins,
    );
    registry.register("login_failing", "1 where the last call for the login failed", failing);
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

fn register_progress(registry: &mut Registry, status: &Status) {
    let accounts = Family::<StateLabels, Gauge>::default();
    accounts.get_or_create(&StateLabels { state: "attached" }).set(number(status.accounts.done));
    accounts.get_or_create(&StateLabels { state: "pending" }).set(number(status.accounts.pending));
    registry.register(
        "service_accounts",
        "ServiceAccounts in scope, by whether they name the pull secret",
        accounts,
    );
    let namespaces = Family::<StateLabels, Gauge>::default();
    namespaces.get_or_create(&StateLabels { state: "current" }).set(number(status.namespaces.done));
    namespaces.get_or_create(&StateLabels { state: "pending" }).set(number(status.namespaces.pending));
    registry.register("namespaces", "Namespaces in scope, by the state of their pull secret", namespaces);
    registry.register(
        "retiring_objects",
        "Objects that left the scope and are not cleaned yet",
        ConstGauge::new(number(status.retiring)),
    );
    let pods = Family::<CauseLabels, Gauge>::default();
    pods.get_or_create(&CauseLabels { cause: "own_list" }).set(number(status.pods.own_list));
    pods.get_or_create(&CauseLabels { cause: "older_than_attach" }).set(number(status.pods.older));
    pods.get_or_create(&CauseLabels { cause: "made_anew_in_vain" }).set(number(status.pods.in_vain));
    registry.register(
        "stuck_pods",
        "Pods that cannot pull what the pull secret is for, by cause; looked for where `pods` asks for it",
        pods,
    );
    registry.register(
        "pod_evictions",
        "Pods that were evicted so that new ones name the pull secret",
        ConstCounter::new(status.pods.evicted),
    );
    registry.register(
        "fights",
        "Times that somebody else took a change back",
        ConstCounter::new(status.fights),
    );
    registry.register_with_unit(
        "attach_lag",
        "From the first sight of a ServiceAccount in scope to its attach",
        Unit::Seconds,
        Measured(status.attach_lag.clone()),
    );
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabels {
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FindingLabels {
    severity: &'static str,
    code: String,
}

fn register_findings(registry: &mut Registry, status: &Status) {
    let mut counts = BTreeMap::<(&'static str, &str), i64>::new();
    for finding in &status.findings {
        *counts.entry((severity(finding.error), &finding.code)).or_default() += 1;
    }
    let family = Family::<FindingLabels, Gauge>::default();
    for ((severity, code), count) in counts {
        family.get_or_create(&FindingLabels { severity, code: code.to_owned() }).set(count);
    }
    registry.register("findings", "What a user must mend now, by code", family);
}

fn register_certificate(registry: &mut Registry, status: &Status, now: UnixMillis) {
    let Some(left) = status.certificate_ends.and_then(|ends| seconds_left(ends, now)) else { return };
    registry.register_with_unit(
        "webhook_certificate_expires_in",
        "Until the certificate of the webhook ends; it is renewed long before. Absent where this process does not lead",
        Unit::Seconds,
        ConstGauge::new(left),
    );
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The histogram of a status as a metric.
#[derive(Debug)]
struct Measured(Histogram);

impl EncodeMetric for Measured {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let bounds =
            HISTOGRAM_BOUNDS_MILLIS.iter().map(|millis| Duration::from_millis(*millis).as_secs_f64());
        let buckets: Vec<(f64, u64)> = bounds.chain([f64::INFINITY]).zip(self.0.counts).collect();
        let sum = Duration::from_millis(self.0.sum_millis).as_secs_f64();
        let no_exemplars: Option<&HashMap<usize, Exemplar<NoLabelSet, f64>>> = None;
        encoder.encode_histogram(sum, self.0.counts.iter().sum(), &buckets, no_exemplars)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
