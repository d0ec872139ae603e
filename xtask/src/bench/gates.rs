//! What the figures must be.

use super::report::Figures;

/// The least ratio of the bare writer's time to the component's.
pub(super) const LEAST_RATIO: f64 = 0.85;
/// The most writes of the journal in one run.
const MOST_JOURNAL_WRITES: usize = 3;
/// The most GETs of one object.
const MOST_GETS: usize = 1;
/// Logins: one for the only entry.
const LOGINS: usize = 1;
/// The most memory, in MiB.
const MOST_RSS_MIB: f64 = 30.0;

/// One figure and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gate {
    /// Its key in the JSON output, or `idle`.
    pub(super) name: &'static str,
    pub(super) measured: String,
    pub(super) wanted: String,
    pub(super) passed: bool,
}

/// All gates for `writes` objects to be written.
pub(super) fn gates(figures: &Figures, writes: usize, least_ratio: f64) -> Vec<Gate> {
    let exactly = |name, measured: usize, wanted: usize| Gate {
        name,
        measured: measured.to_string(),
        wanted: wanted.to_string(),
        passed: measured == wanted,
    };
    let at_most = |name, measured: usize, most: usize| Gate {
        name,
        measured: measured.to_string(),
        wanted: format!("<= {most}"),
        passed: measured <= most,
    };
    vec![
        Gate {
            name: "ratio",
            measured: format!("{:.3}", figures.ratio),
            wanted: format!(">= {least_ratio}"),
            passed: figures.ratio >= least_ratio,
        },
        exactly("writes", figures.writes, writes),
        at_most("journal_writes", figures.journal_writes, MOST_JOURNAL_WRITES),
        at_most("gets", figures.gets, MOST_GETS),
        exactly("logins", figures.logins, LOGINS),
        Gate {
            name: "peak_rss_mib",
            measured: format!("{:.1}", figures.peak_rss_mib),
            wanted: format!("<= {MOST_RSS_MIB}"),
            passed: figures.peak_rss_mib <= MOST_RSS_MIB,
        },
        Gate {
            name: "idle",
            measured: if figures.disturbances.is_empty() {
                "watches and Lease renewals".to_owned()
            } else {
                figures.disturbances.join("\n")
            },
            wanted: "nothing else".to_owned(),
            passed: figures.disturbances.is_empty(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Figures {
        Figures {
            namespaces: 10,
            service_accounts: 2,
            floor_seconds: 0.9,
            seconds: 1.0,
            ratio: 0.9,
            writes: 30,
            journal_writes: 3,
            gets: 1,
            logins: 1,
            peak_rss_mib: 30.0,
            cpu_seconds: 0.1,
            disturbances: Vec::new(),
        }
    }

    fn failed(figures: &Figures) -> Vec<&'static str> {
        let gates = gates(figures, 30, LEAST_RATIO).into_iter();
        gates.filter(|gate| !gate.passed).map(|gate| gate.name).collect()
    }

    #[test]
    fn figures_at_their_limits_pass() {
        assert!(failed(&good()).is_empty());
    }

    type Spoil = fn(&mut Figures);

    #[test]
    fn each_figure_beyond_its_limit_fails_its_own_gate() {
        let cases: [(&str, Spoil); 9] = [
            ("ratio", |figures| figures.ratio = 0.849),
            ("ratio", |figures| figures.ratio = f64::NAN),
            ("writes", |figures| figures.writes = 29),
            ("writes", |figures| figures.writes = 31),
            ("journal_writes", |figures| figures.journal_writes = 4),
            ("gets", |figures| figures.gets = 2),
            ("logins", |figures| figures.logins = 0),
            ("peak_rss_mib", |figures| figures.peak_rss_mib = 30.1),
            ("idle", |figures| figures.disturbances.push("1 x get /".to_owned())),
        ];
        for (name, spoil) in cases {
            let mut figures = good();
            spoil(&mut figures);
            assert_eq!(failed(&figures), [name]);
        }
    }
}
