//! `cargo xtask bench converge`: the time until everything is attached and served, beside a bare writer.

use std::process::ExitCode;
use std::time::Duration;

use acr_end_to_end::PROGRAM_VARIABLE;
use acr_testbed::{ControlPlane, ControlPlaneOptions, Progress, Tools};

use super::Error;
use super::build::start_over_in_release;
use super::gates::{LEAST_RATIO, gates};
use super::population::Population;
use super::report::{Figures, Pair, tables};
use super::site::Site;
use crate::Outcome;
use crate::output::output;

/// Numbers of requests in flight that the bare writer tries.
const IN_FLIGHT: [usize; 4] = [8, 16, 32, 64];

/// Time until all ServiceAccounts are attached and all pull secrets written, beside a bare writer
///
/// On real servers and a simulated cloud, as seen by an observer of its own, with release builds: everything is made
/// once; before each run the lists are taken off and Secrets, journal and Lease deleted, so that all runs start from
/// the same. A first run of the component, whose time does not count, shows the bare writer what to write. The bare
/// writer is then tried with 8, 16, 32 and 64 requests in flight, and the best number is used for the pairs. In each
/// pair both run one right after the other, in turns first. After the last run the component has to be idle.
///
/// Exit code 1 when a figure is not what it must be; which one is said on standard error.
/// ACR_CREDENTIAL_HELPER_PROGRAM names a program to measure instead of a release build.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many namespaces are served
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=5000))]
    namespaces: u16,
    /// How many ServiceAccounts are served in each namespace
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=100))]
    service_accounts: u16,
    /// How many times both are run
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pairs: u16,
    /// How long the component has to be idle at the end
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    idle_seconds: u32,
    /// Requests that the bare writer has in flight; without it, the best number is found first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=500))]
    in_flight: Option<u16>,
    /// The least ratio of the bare writer's time to the component's that passes
    #[arg(long, default_value_t = LEAST_RATIO, value_name = "RATIO")]
    least_ratio: f64,
    /// Keep the folder with data and logs at the end
    #[arg(long)]
    keep: bool,
    /// What is written to standard output
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// A table
    Table,
    /// One JSON object
    Json,
}

pub(super) async fn run(arguments: Arguments) -> Outcome {
    if std::env::var_os(PROGRAM_VARIABLE).is_none() {
        return Err(start_over_in_release().into());
    }
    if cfg!(debug_assertions) {
        anstream::eprintln!("note: the bare writer is a debug build, so it is slower than it could be");
    }
    let tools = Tools::ensure(Progress::Stderr).await?;
    let options =
        ControlPlaneOptions { audit_log: true, keep: arguments.keep, ..ControlPlaneOptions::default() };
    let control_plane = ControlPlane::start(&tools, options).await?;
    let measured = measure(&arguments, &tools, &control_plane).await;
    control_plane.stop()?;
    let Measured { figures, pairs, in_flight } = measured?;

    let writes = figures.namespaces * (figures.service_accounts + 1);
    let gates = gates(&figures, writes, arguments.least_ratio);
    match arguments.output {
        Output::Table => output!("\n{}", tables(&figures, in_flight, &pairs, &gates)),
        Output::Json => output!("{}", serde_json::to_string_pretty(&figures)?),
    }
    let failed: Vec<_> = gates.iter().filter(|gate| !gate.passed).collect();
    for gate in &failed {
        anstream::eprintln!("FAILED {}: {}, wanted {}", gate.name, gate.measured, gate.wanted);
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Measured {
    figures: Figures,
    pairs: Vec<Pair>,
    in_flight: usize,
}

async fn measure(
    arguments: &Arguments,
    tools: &Tools,
    control_plane: &ControlPlane,
) -> Result<Measured, Error> {
    let (namespaces, accounts) = (arguments.namespaces.into(), arguments.service_accounts.into());
    let population = Population::new(namespaces, accounts);
    let mut site = Site::prepare(tools, control_plane, population).await?;
    let first = site.run_component(None).await?;
    anstream::eprintln!("first run of the component: {:.2} s", first.seconds);
    let in_flight = match arguments.in_flight {
        Some(in_flight) => in_flight.into(),
        None => best_in_flight(&mut site).await?,
    };

    let mut pairs = Vec::new();
    for number in 1..=arguments.pairs {
        // In turns, so that what changes over time is for and against both. The component is the last of all.
        let writer_first = number % 2 == arguments.pairs % 2;
        let idle = Duration::from_secs(arguments.idle_seconds.into());
        let idle = (number == arguments.pairs).then_some(idle);
        let pair = if writer_first {
            let writer = site.run_writer(in_flight).await?;
            Pair { writer, component: site.run_component(idle).await? }
        } else {
            let component = site.run_component(idle).await?;
            Pair { component, writer: site.run_writer(in_flight).await? }
        };
        anstream::eprintln!(
            "pair {number}: bare writer {:.2} s, component {:.2} s, ratio {:.3}",
            pair.writer.seconds,
            pair.component.seconds,
            pair.ratio()
        );
        pairs.push(pair);
    }
    Ok(Measured { figures: Figures::of(namespaces, accounts, &first, &pairs), pairs, in_flight })
}

async fn best_in_flight(site: &mut Site<'_>) -> Result<usize, Error> {
    let mut best = (f64::INFINITY, 1);
    for in_flight in IN_FLIGHT {
        let seconds = site.run_writer(in_flight).await?.seconds;
        anstream::eprintln!("bare writer with {in_flight} requests in flight: {seconds:.2} s");
        if seconds < best.0 {
            best = (seconds, in_flight);
        }
    }
    Ok(best.1)
}
