//! `cargo xtask bench webhook`: what immediate use costs whoever creates ServiceAccounts.

mod creations;
mod figures;
pub(super) mod load;
mod review;
mod site;
pub(super) mod stand_in;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use acr_end_to_end::PROGRAM_VARIABLE;
use acr_testbed::{ControlPlane, ControlPlaneOptions, Progress, Tools};

use self::creations::{Made, Wave};
use self::figures::{
    Beside, Direct, Figures, LEAST_POLICY_RATIO, LEAST_WEBHOOK_RATIO, Limits, MOST_LATENCY_RATIO, Pair,
    Round, gates, tables,
};
use self::load::Load;
use self::site::{ALONE, CONSTANT, LEAVE, ONE_LINE, SERVED, Site, ourselves, stand_in_of};
use self::stand_in::{Answer, write_whole};
use super::Error;
use super::build::start_over_in_release;
use super::process::processors;
use crate::Outcome;

/// Time between two looks at the authorities while certificates change.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Requests after which a connection is made anew while certificates change, so that each is seen.
const RECONNECT_AFTER: u32 = 50;
/// What only an answer with a patch contains.
const PATCHED: &str = "\"patchType\":\"JSONPatch\"";
/// The shortest life of a certificate.
const SHORT_LIFE: [&str; 2] = ["--certificate-life", "60"];
const WEBHOOK: &str = "enable: true\nfailure-policy: Fail\ntimeout-seconds: 1";
const POLICY: &str = "enable: true\nmode: policy";

/// Creations of ServiceAccounts beside the webhook and beside the policy, and how fast the webhook answers
///
/// On real servers, with release builds. ServiceAccounts are created beside our webhook (failure-policy Fail, a timeout of
/// one second), beside a webhook behind the same TLS that answers a constant, our patch, and is registered in the same way,
/// beside one that gives no patch, and beside none; then beside our policy, a policy of one line, and none. All follow one
/// another in each round, in turns first.
///
/// Then the webhook is asked directly, on a processor of its own, at a fixed rate: a request leaves when it is due, whether
/// or not earlier ones are answered, and is measured from then on. So is an empty handler behind the same TLS. At last
/// certificates change under that load.
///
/// Exit code 1 when a figure is not what it must be; which one is said on standard error.
/// ACR_CREDENTIAL_HELPER_PROGRAM names a program to measure instead of a release build. Needs taskset.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many ServiceAccounts are created in one run
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..))]
    creations: u16,
    /// How many times each is run
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=100))]
    pairs: u16,
    /// Creations at any time
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=200))]
    in_flight: u16,
    /// Requests per second to the webhook itself
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How long one such run takes
    #[arg(long, default_value_t = 3, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// How long the load lasts under which certificates change, which they do within 50 seconds
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=600))]
    rotation_seconds: u32,
    /// The least ratio of our creations per second to those beside a constant that passes
    #[arg(long, default_value_t = LEAST_WEBHOOK_RATIO, value_name = "RATIO")]
    least_webhook_ratio: f64,
    /// The least ratio of our creations per second to those beside a policy of one line that passes
    #[arg(long, default_value_t = LEAST_POLICY_RATIO, value_name = "RATIO")]
    least_policy_ratio: f64,
    /// The most that our p99 may be of that of an empty handler
    #[arg(long, default_value_t = MOST_LATENCY_RATIO, value_name = "RATIO")]
    most_latency_ratio: f64,
    /// Keep the folder with data and logs at the end
    #[arg(long)]
    keep: bool,
    /// What is written to standard output
    #[arg(long, value_enum, default_value_t = super::converge::Output::Table)]
    output: super::converge::Output,
}

pub(super) async fn run(arguments: Arguments) -> Outcome {
    if std::env::var_os(PROGRAM_VARIABLE).is_none() {
        return Err(start_over_in_release().into());
    }
    if cfg!(debug_assertions) {
        anstream::eprintln!("note: what stands beside the component is a debug build, which flatters it");
    }
    let tools = Tools::ensure(Progress::Stderr).await?;
    let options = ControlPlaneOptions { keep: arguments.keep, ..ControlPlaneOptions::default() };
    let control_plane = ControlPlane::start(&tools, options).await?;
    let measured = measure(&arguments, &tools, &control_plane).await;
    control_plane.stop()?;
    let Measured { figures, webhook, policy, direct } = measured?;

    let gates = gates(
        &figures,
        Limits {
            webhook: arguments.least_webhook_ratio,
            policy: arguments.least_policy_ratio,
            latency: arguments.most_latency_ratio,
        },
    );
    match arguments.output {
        super::converge::Output::Table => {
            anstream::println!("\n{}", tables(&figures, (&webhook, &policy), &direct, &gates));
        }
        super::converge::Output::Json => anstream::println!("{}", serde_json::to_string_pretty(&figures)?),
    }
    let failed: Vec<_> = gates.iter().filter(|gate| !gate.passed).collect();
    for gate in &failed {
        anstream::eprintln!("FAILED {}: {}, wanted {}", gate.name, gate.measured, gate.wanted);
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Measured {
    figures: Figures,
    webhook: Vec<Round>,
    policy: Vec<Round>,
    direct: Vec<Pair>,
}

async fn measure(
    arguments: &Arguments,
    tools: &Tools,
    control_plane: &ControlPlane,
) -> Result<Measured, Error> {
    let mut site = Site::prepare(tools, control_plane).await?;
    let webhook = beside_webhooks(arguments, &mut site).await?;
    let policy = beside_policies(arguments, &mut site).await?;
    let (server, clients) = processors()?;
    let direct = directly(arguments, &mut site, &server, &clients).await?;
    let rotation = while_certificates_change(arguments, &mut site, &server, &clients).await?;
    site.end().await?;
    let creations = usize::from(arguments.creations);
    let figures = Figures {
        webhook: Beside::of(creations, &webhook),
        policy: Beside::of(creations, &policy),
        direct: Direct::of(arguments.rate, &direct),
        rotation: rotation.into(),
    };
    Ok(Measured { figures, webhook, policy, direct })
}

async fn beside_webhooks(arguments: &Arguments, site: &mut Site<'_>) -> Result<Vec<Round>, Error> {
    site.start(WEBHOOK, &[]).await?;
    let constant = site.stand_in(Answer::Constant, None).await?;
    site.register(&constant, CONSTANT).await?;
    let leave = site.stand_in(Answer::Leave, None).await?;
    site.register(&leave, LEAVE).await?;
    let others = [(ALONE, false), (LEAVE, false), (CONSTANT, true)];
    let rounds = rounds(arguments, site, "webhook", &others).await?;
    for namespace in [CONSTANT, LEAVE] {
        let asked = site.asked(&stand_in_of(namespace)).await?;
        let wanted = usize::from(arguments.creations) * usize::from(arguments.pairs);
        if asked < wanted {
            let message = format!("a stand-in was asked {asked} times instead of {wanted}");
            return Err(Error::WrongObjects(message));
        }
        site.unregister(namespace).await?;
    }
    Ok(rounds)
}

async fn beside_policies(arguments: &Arguments, site: &mut Site<'_>) -> Result<Vec<Round>, Error> {
    site.install_policies().await?;
    site.start(POLICY, &[]).await?;
    rounds(arguments, site, "policy", &[(ALONE, false), (ONE_LINE, true)]).await
}

/// Creations beside the others and beside ours, in turns first. Of the others the first has nothing beside it, and the last
/// is the least that does what ours does; each with its namespace, and whether it appends the name.
async fn rounds(
    arguments: &Arguments,
    site: &Site<'_>,
    ours: &str,
    others: &[(&str, bool)],
) -> Result<Vec<Round>, Error> {
    let places: Vec<(&str, bool)> = others.iter().copied().chain([(SERVED, true)]).collect();
    let mut rounds = Vec::new();
    // The first waves find cold caches, whoever they are for.
    for number in 0..=usize::from(arguments.pairs) {
        let mut order: Vec<usize> = (0..places.len()).collect();
        if number % 2 == 0 {
            order.reverse();
        }
        let mut made: BTreeMap<usize, Made> = BTreeMap::new();
        for place in order {
            let Some((namespace, named)) = places.get(place).copied() else { continue };
            let creations = if number == 0 { arguments.in_flight } else { arguments.creations };
            let wave = Wave {
                namespace,
                named,
                creations: creations.into(),
                in_flight: arguments.in_flight.into(),
                prefix: format!("{ours}-{number}"),
            };
            made.insert(place, site.measure(&wave).await?);
        }
        let mut made = made.into_values().collect::<VecDeque<_>>();
        let (none, served, least) = (made.pop_front(), made.pop_back(), made.pop_back());
        let (Some(none), Some(served), Some(least)) = (none, served, least) else { continue };
        let round = Round { none, leave: made.pop_front(), least, ours: served };
        if number == 0 {
            continue;
        }
        say_failures(&round);
        anstream::eprintln!(
            "{ours} {number}: none {:.0}/s, the least {:.0}/s, ours {:.0}/s, ratio {:.3}",
            round.none.per_second,
            round.least.per_second,
            round.ours.per_second,
            round.ratio()
        );
        rounds.push(round);
    }
    Ok(rounds)
}

fn say_failures(round: &Round) {
    for failure in round.made().filter_map(|made| made.first_failure.as_ref()) {
        anstream::eprintln!("a creation failed: {failure}");
    }
}

async fn directly(
    arguments: &Arguments,
    site: &mut Site<'_>,
    server: &str,
    clients: &str,
) -> Result<Vec<Pair>, Error> {
    site.start(WEBHOOK, &[]).await?;
    site.pin(server).await?;
    let stand_in = site.stand_in(Answer::Empty, Some(server)).await?;
    let authority = site.stage.control_plane().folder().join("authority.pem");
    write_whole(&authority, &site.authorities().await?)?;
    let order = |address, authority, expect| Order {
        address,
        authority,
        expect,
        seconds: arguments.seconds,
        reconnect_after: 0,
    };
    let ours = order(&site.address, &authority, PATCHED);
    let empty = order(&stand_in.address, &stand_in.authority, "");
    let mut pairs = Vec::new();
    for number in 1..=arguments.pairs {
        let pair = if number % 2 == 0 {
            let ours = ours.send(arguments.rate, clients).await?;
            Pair { ours, empty: empty.send(arguments.rate, clients).await? }
        } else {
            let empty = empty.send(arguments.rate, clients).await?;
            Pair { empty, ours: ours.send(arguments.rate, clients).await? }
        };
        anstream::eprintln!(
            "direct {number}: p99 of the empty handler {:.2} ms, ours {:.2} ms, ratio {:.3}",
            pair.empty.p99_ms,
            pair.ours.p99_ms,
            pair.ratio()
        );
        pairs.push(pair);
    }
    Ok(pairs)
}

async fn while_certificates_change(
    arguments: &Arguments,
    site: &mut Site<'_>,
    server: &str,
    clients: &str,
) -> Result<Load, Error> {
    site.start(WEBHOOK, &SHORT_LIFE).await?;
    site.pin(server).await?;
    let authority = site.stage.control_plane().folder().join("authority.pem");
    write_whole(&authority, &site.authorities().await?)?;
    let order = Order {
        address: &site.address,
        authority: &authority,
        expect: PATCHED,
        seconds: arguments.rotation_seconds,
        reconnect_after: RECONNECT_AFTER,
    };
    // Trusted is what the API server is told to trust.
    let follow = async {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let told = site.authorities().await.and_then(|told| write_whole(&authority, &told));
            if let Err(error) = told {
                return error;
            }
        }
    };
    tokio::select! {
        load = order.send(arguments.rate, clients) => load,
        error = follow => Err(error),
    }
}

/// One load.
struct Order<'a> {
    address: &'a str,
    authority: &'a Path,
    expect: &'a str,
    seconds: u32,
    reconnect_after: u32,
}

impl Order<'_> {
    async fn send(&self, rate: u32, processors: &str) -> Result<Load, Error> {
        let mut command = ourselves(Some(processors))?;
        command.args(["bench", "load", "--address", self.address, "--expect", self.expect]);
        command.arg("--authority").arg(self.authority);
        for (name, number) in
            [("--rate", rate), ("--seconds", self.seconds), ("--reconnect-after", self.reconnect_after)]
        {
            command.args([name, &number.to_string()]);
        }
        let failed = |reason: String| Error::Process { who: "the load", reason };
        let mut command = tokio::process::Command::from(command);
        let output = command.kill_on_drop(true).output().await.map_err(|error| failed(error.to_string()))?;
        let load: Option<Load> = serde_json::from_slice(&output.stdout).ok();
        let load = load.ok_or_else(|| failed(String::from_utf8_lossy(&output.stderr).into_owned()))?;
        if let Some(failure) = &load.first_failure {
            anstream::eprintln!("a request failed: {failure}");
        }
        Ok(load)
    }
}
