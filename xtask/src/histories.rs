//! `cargo xtask histories`: the machine over a model of the API server and the simulated cloud, seed by seed.

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use acr_histories::campaign::{Campaign, Summary};
use acr_histories::history::{History, Options};
use acr_histories::plan::Plan;
use acr_histories::shrink::shrink;

use crate::Outcome;
use crate::output::output;

/// As many as the machines have that this is made for.
const THREADS: usize = 2;
/// Time between two lines of progress for somebody who looks on, and in a log.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// Run seeded histories: faults of every kind, the safety contract asserted at every step
///
/// Ends when more histories break a rule than are tolerated, and says how to replay the first. With --seed, one history is replayed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many seeds to run
    #[arg(long, default_value_t = 20_000, conflicts_with = "seed", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    first: u64,
    /// How many histories may break a rule
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    tolerate: u64,
    /// Run this seed alone
    #[arg(long)]
    seed: Option<u64>,
    /// Print a line per step
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Leave out what a failing history does not need
    #[arg(long, requires = "seed")]
    shrink: bool,
}

#[expect(clippy::unused_async, reason = "all commands are run in the same way")]
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    match arguments.seed {
        Some(seed) => replay(seed, &arguments),
        None => many(&arguments),
    }
}

fn many(arguments: &Arguments) -> Outcome {
    let campaign = Campaign {
        first: arguments.first,
        seeds: arguments.seeds,
        threads: THREADS,
        tolerated: arguments.tolerate,
        options: Options::default(),
    };
    let started = Instant::now();
    let told = AtomicU64::new(0);
    let interval = if stderr().is_terminal() { PROGRESS_INTERVAL } else { LOG_INTERVAL };
    let summary = campaign.run(|ended| {
        let intervals = started.elapsed().as_secs() / interval.as_secs();
        if told.fetch_max(intervals, Ordering::Relaxed) < intervals {
            anstream::eprintln!("{ended} of {} histories", arguments.seeds);
        }
    })?;
    print(&summary, started.elapsed());
    for (seed, violation) in &summary.violations {
        anstream::eprintln!("seed {seed}: {violation}");
    }
    if let Some(seed) = summary.violations.keys().next() {
        let broken = summary.broken();
        anstream::eprintln!("{broken} histories break a rule, {} are tolerated", arguments.tolerate);
        how_to_replay(*seed);
    }
    Ok(if summary.broken() <= arguments.tolerate { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(summary: &Summary, took: Duration) {
    output!("{}", summary.coverage);
    let missing = summary.coverage.missing();
    if !missing.is_empty() {
        output!("never happened: {missing:?}");
    }
    let steps = summary.steps / summary.histories.max(1);
    output!("{} histories of {steps} steps on average in {:.1} s", summary.histories, took.as_secs_f64());
}

fn how_to_replay(seed: u64) {
    anstream::eprintln!("replay it: cargo xtask histories --seed {seed} --trace");
    anstream::eprintln!("replay what of it matters: cargo xtask histories --seed {seed} --shrink --trace");
}

fn replay(seed: u64, arguments: &Arguments) -> Outcome {
    let mut report = History::of_seed(seed, Options { trace: arguments.trace, ..Options::default() })?;
    if let (true, Some(violation)) = (arguments.shrink, &report.violation) {
        let (plan, _) = shrink(&Plan::of(seed), violation, Options::default());
        report = History::run(&plan, Options { trace: arguments.trace, ..Options::default() })?;
        output!("plan: region {:?}, token file {}", plan.region, plan.token_file);
        for (wait, action) in plan.rounds.iter().flat_map(|round| &round.actions) {
            output!("plan: {wait:>8} ms later {action}");
        }
    }
    for line in &report.trace {
        output!("{line}");
    }
    output!("{}", report.coverage);
    Ok(match &report.violation {
        None => {
            output!("seed {seed} keeps the contract, in {} steps", report.steps);
            ExitCode::SUCCESS
        }
        Some(violation) => {
            anstream::eprintln!("seed {seed}: {violation}");
            how_to_replay(seed);
            ExitCode::FAILURE
        }
    })
}
