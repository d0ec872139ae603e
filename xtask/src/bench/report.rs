//! The figures of all runs together, as a table or as JSON.

use comfy_table::{Table, presets};
use serde::Serialize;

use super::gates::Gate;
use super::runs::{ComponentRun, WriterRun};

/// What a measurement comes to. The first eleven are the keys of the JSON output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Figures {
    /// Namespaces served.
    pub(super) namespaces: usize,
    /// ServiceAccounts served in each.
    pub(super) service_accounts: usize,
    /// Median time of the bare writer.
    pub(super) floor_seconds: f64,
    /// Median time of the component.
    pub(super) seconds: f64,
    /// Median over the pairs of the bare writer's time by the component's.
    pub(super) ratio: f64,
    /// Writes to pull secrets and ServiceAccounts; of several runs the number that is farthest off.
    pub(super) writes: usize,
    /// The most writes of the journal in a run.
    pub(super) journal_writes: usize,
    /// The most GETs of one object in a run.
    pub(super) gets: usize,
    /// Logins asked of the cloud; of several runs the number that is farthest off.
    pub(super) logins: usize,
    /// The largest peak of memory of a run, idle time included.
    pub(super) peak_rss_mib: f64,
    /// Median processor time until everything was written.
    pub(super) cpu_seconds: f64,
    /// What was asked of API server and cloud in the idle time and should not have been.
    #[serde(skip)]
    pub(super) disturbances: Vec<String>,
}

/// A run of each, one right after the other.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) writer: WriterRun,
    pub(super) component: ComponentRun,
}

impl Pair {
    /// The bare writer's time by the component's.
    pub(super) fn ratio(&self) -> f64 {
        self.writer.seconds / self.component.seconds
    }
}

impl Figures {
    /// Of at least one pair. `first` is the run before the pairs: its time does not count, its calls do.
    pub(super) fn of(
        namespaces: usize,
        service_accounts: usize,
        first: &ComponentRun,
        pairs: &[Pair],
    ) -> Self {
        let runs: Vec<&ComponentRun> =
            std::iter::once(first).chain(pairs.iter().map(|pair| &pair.component)).collect();
        let wanted = namespaces * (service_accounts + 1);
        let largest = |of: fn(&ComponentRun) -> usize| runs.iter().map(|run| of(run)).max().unwrap_or(0);
        let farthest = |of: fn(&ComponentRun) -> usize, from: usize| {
            runs.iter().map(|run| of(run)).max_by_key(|count| count.abs_diff(from)).unwrap_or(0)
        };
        Self {
            namespaces,
            service_accounts,
            floor_seconds: rounded(median(pairs.iter().map(|pair| pair.writer.seconds))),
            seconds: rounded(median(pairs.iter().map(|pair| pair.component.seconds))),
            ratio: rounded(median(pairs.iter().map(Pair::ratio))),
            writes: farthest(|run| run.calls.writes, wanted),
            journal_writes: largest(|run| run.calls.journal_writes),
            gets: largest(|run| run.calls.gets),
            logins: farthest(|run| run.logins, 1),
            peak_rss_mib: rounded(runs.iter().map(|run| run.usage.peak_rss_mib()).fold(0.0, f64::max)),
            cpu_seconds: rounded(median(pairs.iter().map(|pair| pair.component.usage.cpu_seconds))),
            disturbances: runs.iter().flat_map(|run| run.disturbances.clone()).collect(),
        }
    }
}

/// The middle of some numbers, of the two in the middle their mean. NaN of none.
pub(super) fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    match (numbers.get(half), numbers.get(half.wrapping_sub(1))) {
        (Some(upper), Some(lower)) if numbers.len().is_multiple_of(2) => f64::midpoint(*lower, *upper),
        (Some(middle), _) => *middle,
        (None, _) => f64::NAN,
    }
}

/// To three digits: more are noise.
pub(super) fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// The pairs and the gates, for people.
pub(super) fn tables(figures: &Figures, in_flight: usize, pairs: &[Pair], gates: &[Gate]) -> String {
    let mut runs =
        table(&["pair", "", "time", "its CPU", "servers' CPU", "its memory", "load before", "ratio"]);
    for (number, pair) in (1..).zip(pairs) {
        let Pair { writer, component } = pair;
        let sides = [
            ("bare writer", writer.seconds, writer.usage, writer.servers_cpu_seconds, writer.load),
            ("component", component.seconds, component.usage, component.servers_cpu_seconds, component.load),
        ];
        for (who, seconds, usage, servers_cpu_seconds, load) in sides {
            let last = who == "component";
            runs.add_row([
                if last { String::new() } else { number.to_string() },
                who.to_owned(),
                format!("{seconds:.2} s"),
                format!("{:.2} s", usage.cpu_seconds),
                format!("{servers_cpu_seconds:.2} s"),
                format!("{:.1} MiB", usage.peak_rss_mib()),
                load.map_or_else(String::new, |load| format!("{load:.1}")),
                if last { format!("{:.3}", pair.ratio()) } else { String::new() },
            ]);
        }
    }
    for (who, seconds, ratio) in [
        ("bare writer", figures.floor_seconds, String::new()),
        ("component", figures.seconds, format!("{:.3}", figures.ratio)),
    ] {
        let (seconds, none) = (format!("{seconds:.2} s"), String::new);
        let median = if ratio.is_empty() { "median" } else { "" };
        runs.add_row([median.to_owned(), who.to_owned(), seconds, none(), none(), none(), none(), ratio]);
    }
    let mut verdicts = table(&["", "measured", "wanted", ""]);
    for gate in gates {
        let verdict = if gate.passed { "ok" } else { "FAILED" };
        verdicts.add_row([gate.name, &gate.measured, &gate.wanted, verdict]);
    }
    let text = format!(
        "{} namespaces x {} ServiceAccounts; the bare writer with {in_flight} requests in flight\n\n{runs}\n\n\
         {verdicts}",
        figures.namespaces, figures.service_accounts
    );
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    table
}

#[cfg(test)]
mod tests {
    use super::super::calls::Calls;
    use super::super::process::Usage;
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        let shown = |numbers: &[f64]| median(numbers.iter().copied()).to_string();
        assert_eq!(shown(&[]), "NaN");
        assert_eq!(shown(&[3.0]), "3");
        assert_eq!(shown(&[9.0, 1.0]), "5");
        assert_eq!(shown(&[9.0, 1.0, 2.0]), "2");
    }

    fn component(seconds: f64, writes: usize) -> ComponentRun {
        ComponentRun {
            seconds,
            usage: Usage { peak_rss_kib: 10 * 1024, cpu_seconds: seconds / 4.0 },
            servers_cpu_seconds: 3.0,
            calls: Calls { writes, journal_writes: 2, gets: 1 },
            logins: 1,
            disturbances: Vec::new(),
            load: Some(0.5),
        }
    }

    fn pair(floor: f64, seconds: f64) -> Pair {
        let usage = Usage { peak_rss_kib: 5 * 1024, cpu_seconds: 0.25 };
        let writer = WriterRun { seconds: floor, usage, servers_cpu_seconds: 2.0, load: Some(1.0) };
        Pair { writer, component: component(seconds, 22) }
    }

    #[test]
    fn the_ratio_is_the_median_of_the_pairs_and_not_the_ratio_of_the_medians() {
        let pairs = [pair(6.0, 6.0), pair(1.0, 2.0), pair(8.0, 10.0)];
        let figures = Figures::of(2, 10, &component(99.0, 22), &pairs);
        let shown = [figures.floor_seconds, figures.seconds, figures.ratio, figures.cpu_seconds];
        assert_eq!(shown.map(|figure| figure.to_string()), ["6", "6", "0.8", "1.5"]);
    }

    #[test]
    fn the_worst_run_counts_and_the_first_is_one_of_them() {
        let mut first = component(1.0, 21);
        first.usage.peak_rss_kib = 31 * 1024;
        first.calls.gets = 2;
        first.logins = 0;
        first.disturbances.push("1 x get /".to_owned());
        let figures = Figures::of(2, 10, &first, &[pair(1.0, 1.0)]);
        assert_eq!((figures.writes, figures.gets, figures.logins), (21, 2, 0));
        assert_eq!(figures.peak_rss_mib.to_string(), "31");
        assert_eq!(figures.disturbances, ["1 x get /"]);
    }

    #[test]
    fn the_json_has_the_promised_keys() {
        let figures = Figures::of(2, 10, &component(1.0, 22), &[pair(0.9, 1.0)]);
        insta::assert_snapshot!(serde_json::to_string(&figures).unwrap(), @r#"{"namespaces":2,"service_accounts":10,"floor_seconds":0.9,"seconds":1.0,"ratio":0.9,"writes":22,"journal_writes":2,"gets":1,"logins":1,"peak_rss_mib":10.0,"cpu_seconds":0.25}"#);
    }

    #[test]
    fn the_table_names_what_failed() {
        let pairs = [pair(0.8, 1.0), pair(1.8, 2.0)];
        let figures = Figures::of(2, 10, &component(1.0, 23), &pairs);
        let gates = super::super::gates::gates(&figures, 22, 0.9);
        insta::assert_snapshot!(tables(&figures, 32, &pairs, &gates), @r"
        2 namespaces x 10 ServiceAccounts; the bare writer with 32 requests in flight

         pair                 time    its CPU  servers' CPU  its memory  load before  ratio
         1       bare writer  0.80 s  0.25 s   2.00 s        5.0 MiB     1.0
                 component    1.00 s  0.25 s   3.00 s        10.0 MiB    0.5          0.800
         2       bare writer  1.80 s  0.25 s   2.00 s        5.0 MiB     1.0
                 component    2.00 s  0.50 s   3.00 s        10.0 MiB    0.5          0.900
         median  bare writer  1.30 s
                 component    1.50 s                                                  0.850

                         measured                    wanted
         ratio           0.850                       >= 0.9        FAILED
         writes          23                          22            FAILED
         journal_writes  2                           <= 3          ok
         gets            1                           <= 1          ok
         logins          1                           1             ok
         peak_rss_mib    10.0                        <= 30         ok
         idle            watches and Lease renewals  nothing else  ok
        ");
    }
}
