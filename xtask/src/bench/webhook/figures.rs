//! The figures of all runs together, as tables or as JSON, and what they must be.

use std::fmt::Write;

use serde::Serialize;

use super::creations::Made;
use super::load::Load;
use crate::bench::gates::Gate;
use crate::bench::report::{median, rounded, table};

/// The least ratio of our creations per second to those beside a webhook that answers a constant.
pub(super) const LEAST_WEBHOOK_RATIO: f64 = 0.9;
/// The least ratio of our creations per second to those beside a policy of one line.
pub(super) const LEAST_POLICY_RATIO: f64 = 0.95;
/// The most that our p99 may be of that of an empty handler.
pub(super) const MOST_LATENCY_RATIO: f64 = 1.5;
/// A change of certificates shows the former one and the next.
const CERTIFICATES: usize = 2;

/// What a measurement comes to: the JSON output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Figures {
    /// Beside the webhook.
    pub(super) webhook: Beside,
    /// Beside the policy.
    pub(super) policy: Beside,
    /// The webhook asked directly.
    pub(super) direct: Direct,
    /// The same while certificates change.
    pub(super) rotation: Rotation,
}

/// Creations of ServiceAccounts through the API server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Beside {
    /// Of each of the three, in all runs together.
    pub(super) creations: usize,
    /// Median beside nothing, per second.
    pub(super) none_per_second: f64,
    /// Median beside a webhook that gives no patch; none beside policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) leave_per_second: Option<f64>,
    /// Median beside the least that does the same: a constant patch, a policy of one line.
    pub(super) least_per_second: f64,
    /// Median beside ours.
    pub(super) per_second: f64,
    /// Median over the pairs of ours by the least.
    pub(super) ratio: f64,
    /// Median over the pairs of ours by a webhook that gives no patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ratio_to_leave: Option<f64>,
    /// Median over the pairs of ours by nothing.
    pub(super) ratio_to_none: f64,
    /// Medians of the processor time of etcd and API server for one creation, in ms.
    pub(super) none_servers_cpu_ms: f64,
    pub(super) least_servers_cpu_ms: f64,
    pub(super) servers_cpu_ms: f64,
    /// Median of the component's processor time for one creation beside it, in ms.
    pub(super) component_cpu_ms: f64,
    /// Creations beside ours that were refused, or came out without the name of the pull secret.
    pub(super) failures: usize,
    /// Creations beside the others that failed: then the measurement is worth nothing.
    pub(super) failures_of_others: usize,
}

/// Requests at a fixed rate, each measured from the moment at which it was due.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Direct {
    /// Requests per second.
    pub(super) rate: u32,
    /// To ours, in all runs together.
    pub(super) requests: usize,
    /// Medians over the runs.
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) empty_p50_ms: f64,
    pub(super) empty_p99_ms: f64,
    /// Median over the pairs of our p99 by that of the empty handler.
    pub(super) p99_ratio: f64,
    /// Requests to ours and to the empty handler that failed.
    pub(super) failures: usize,
}

/// Requests at that rate while certificates change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Rotation {
    pub(super) requests: usize,
    /// Different ones that were presented.
    pub(super) certificates: usize,
    pub(super) failures: usize,
    pub(super) p99_ms: f64,
}

/// Creations beside each, one right after the other.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) none: Made,
    pub(super) leave: Option<Made>,
    pub(super) least: Made,
    pub(super) ours: Made,
}

impl Round {
    pub(super) fn ratio(&self) -> f64 {
        self.ours.per_second / self.least.per_second
    }

    fn ratio_to_leave(&self) -> Option<f64> {
        self.leave.as_ref().map(|leave| self.ours.per_second / leave.per_second)
    }

    /// All that were made.
    pub(super) fn made(&self) -> impl Iterator<Item = &Made> {
        [&self.none, &self.least, &self.ours].into_iter().chain(&self.leave)
    }
}

/// A load on each, one right after the other.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) empty: Load,
    pub(super) ours: Load,
}

impl Pair {
    pub(super) fn ratio(&self) -> f64 {
        self.ours.p99_ms / self.empty.p99_ms
    }
}

impl Beside {
    pub(super) fn of(creations: usize, rounds: &[Round]) -> Self {
        let middle = |of: fn(&Round) -> f64| rounded(median(rounds.iter().map(of)));
        let some = |of: fn(&Round) -> Option<f64>| {
            let known: Vec<f64> = rounds.iter().filter_map(of).collect();
            (!known.is_empty()).then(|| rounded(median(known.into_iter())))
        };
        let failures = |round: &Round| round.made().map(|made| made.failures).sum::<usize>();
        let ours = rounds.iter().map(|round| round.ours.failures).sum();
        Self {
            leave_per_second: some(|round| round.leave.as_ref().map(|made| made.per_second)),
            ratio_to_leave: some(Round::ratio_to_leave),
            creations: creations * rounds.len(),
            none_per_second: middle(|round| round.none.per_second),
            least_per_second: middle(|round| round.least.per_second),
            per_second: middle(|round| round.ours.per_second),
            ratio: middle(Round::ratio),
            ratio_to_none: middle(|round| round.ours.per_second / round.none.per_second),
            none_servers_cpu_ms: middle(|round| round.none.servers_cpu_ms),
            least_servers_cpu_ms: middle(|round| round.least.servers_cpu_ms),
            servers_cpu_ms: middle(|round| round.ours.servers_cpu_ms),
            component_cpu_ms: middle(|round| round.ours.component_cpu_ms),
            failures: ours,
            failures_of_others: rounds.iter().map(failures).sum::<usize>() - ours,
        }
    }
}

impl Direct {
    pub(super) fn of(rate: u32, pairs: &[Pair]) -> Self {
        let middle = |of: fn(&Pair) -> f64| rounded(median(pairs.iter().map(of)));
        Self {
            rate,
            requests: pairs.iter().map(|pair| pair.ours.requests).sum(),
            p50_ms: middle(|pair| pair.ours.p50_ms),
            p99_ms: middle(|pair| pair.ours.p99_ms),
            empty_p50_ms: middle(|pair| pair.empty.p50_ms),
            empty_p99_ms: middle(|pair| pair.empty.p99_ms),
            p99_ratio: middle(Pair::ratio),
            failures: pairs.iter().map(|pair| pair.ours.failures + pair.empty.failures).sum(),
        }
    }
}

impl From<Load> for Rotation {
    fn from(load: Load) -> Self {
        let Load { requests, certificates, failures, p99_ms, .. } = load;
        Self { requests, certificates, failures, p99_ms: rounded(p99_ms) }
    }
}

/// What the ratios must be: of creations at least, of latencies at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) webhook: f64,
    pub(super) policy: f64,
    pub(super) latency: f64,
}

/// All gates.
pub(super) fn gates(figures: &Figures, limits: Limits) -> Vec<Gate> {
    let Figures { webhook, policy, direct, rotation } = figures;
    let at_least = |name, measured: f64, least: f64| Gate {
        name,
        measured: format!("{measured:.3}"),
        wanted: format!(">= {least}"),
        passed: measured >= least,
    };
    let none = |name, measured: usize| Gate {
        name,
        measured: measured.to_string(),
        wanted: "0".to_owned(),
        passed: measured == 0,
    };
    vec![
        at_least("webhook.ratio", webhook.ratio, limits.webhook),
        none("webhook.failures", webhook.failures + webhook.failures_of_others),
        at_least("policy.ratio", policy.ratio, limits.policy),
        none("policy.failures", policy.failures + policy.failures_of_others),
        Gate {
            name: "direct.p99_ratio",
            measured: format!("{:.3}", direct.p99_ratio),
            wanted: format!("<= {}", limits.latency),
            passed: direct.p99_ratio <= limits.latency,
        },
        none("direct.failures", direct.failures),
        Gate {
            name: "rotation.certificates",
            measured: rotation.certificates.to_string(),
            wanted: format!(">= {CERTIFICATES}"),
            passed: rotation.certificates >= CERTIFICATES,
        },
        none("rotation.failures", rotation.failures),
    ]
}

/// The runs and the gates, for people.
pub(super) fn tables(
    figures: &Figures,
    (webhook, policy): (&[Round], &[Round]),
    direct: &[Pair],
    gates: &[Gate],
) -> String {
    let mut text = String::new();
    for (title, least, ours, rounds, creations) in [
        ("creations per second, webhook", "constant", "webhook", webhook, &figures.webhook),
        ("creations per second, policy", "one line", "policy", policy, &figures.policy),
    ] {
        let has_leave = creations.leave_per_second.is_some();
        let with_leave = |before: String, leave: Option<f64>, rest: [String; 3]| {
            let leave = leave.filter(|_| has_leave).map(|leave| format!("{leave:.0}"));
            [before].into_iter().chain(leave).chain(rest).collect::<Vec<_>>()
        };
        let mut header = vec!["round", "none"];
        header.extend(has_leave.then_some("no patch"));
        header.extend([least, ours, "ratio"]);
        let mut runs = table(&header);
        for (number, round) in (1..).zip(rounds) {
            let mut row = vec![number.to_string()];
            let leave = round.leave.as_ref().map(|made| made.per_second);
            row.extend(with_leave(
                format!("{:.0}", round.none.per_second),
                leave,
                [
                    format!("{:.0}", round.least.per_second),
                    format!("{:.0}", round.ours.per_second),
                    format!("{:.3}", round.ratio()),
                ],
            ));
            runs.add_row(row);
        }
        let mut row = vec!["median".to_owned()];
        row.extend(with_leave(
            format!("{:.0}", creations.none_per_second),
            creations.leave_per_second,
            [
                format!("{:.0}", creations.least_per_second),
                format!("{:.0}", creations.per_second),
                format!("{:.3}", creations.ratio),
            ],
        ));
        runs.add_row(row);
        let leave = creations.ratio_to_leave.map(|ratio| format!(", beside one without a patch {ratio:.3}"));
        let (leave, to_none) = (leave.unwrap_or_default(), creations.ratio_to_none);
        let each = creations.creations;
        let cpu = format!(
            "processor time of the servers for each: none {:.2} ms, {least} {:.2} ms, {ours} {:.2} ms; of the component {:.2} ms",
            creations.none_servers_cpu_ms,
            creations.least_servers_cpu_ms,
            creations.servers_cpu_ms,
            creations.component_cpu_ms
        );
        // Writing to memory cannot fail.
        let _ = write!(text, "{title} ({each} each; beside none {to_none:.3}{leave})\n\n{runs}\n\n{cpu}\n\n");
    }
    let mut runs = table(&["pair", "empty p50", "p99", "most", "webhook p50", "p99", "most", "ratio of p99"]);
    for (number, pair) in (1..).zip(direct) {
        let shown = [&pair.empty, &pair.ours]
            .map(|load| [load.p50_ms, load.p99_ms, load.most_ms].map(|ms| format!("{ms:.2} ms")));
        let [[empty_p50, empty_p99, empty_most], [p50, p99, most]] = shown;
        let ratio = format!("{:.3}", pair.ratio());
        runs.add_row([format!("{number}"), empty_p50, empty_p99, empty_most, p50, p99, most, ratio]);
    }
    let mut verdicts = table(&["", "measured", "wanted", ""]);
    for gate in gates {
        let verdict = if gate.passed { "ok" } else { "FAILED" };
        verdicts.add_row([gate.name, &gate.measured, &gate.wanted, verdict]);
    }
    let Figures { direct, rotation, .. } = figures;
    // Writing to memory cannot fail.
    let _ = write!(
        text,
        "answered directly, {} requests/s on one core\n\n{runs}\n\nwhile certificates change: {} requests, {} \
         certificates, {} failures, p99 {:.2} ms\n\n{verdicts}",
        direct.rate, rotation.requests, rotation.certificates, rotation.failures, rotation.p99_ms
    );
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
