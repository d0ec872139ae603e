//! `cargo xtask bench`: what the component costs, measured on real servers.

mod build;
mod calls;
mod converge;
mod exchange;
mod gates;
mod observer;
mod population;
mod process;
mod report;
mod runs;
mod site;
mod webhook;
mod writer;

use crate::Outcome;

/// Measure what the component costs
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Converge(converge::Arguments),
    Webhook(webhook::Arguments),
    #[command(hide = true)]
    BareWriter(writer::Arguments),
    #[command(hide = true)]
    StandIn(webhook::stand_in::Arguments),
    #[command(hide = true)]
    Load(webhook::load::Arguments),
}

pub(crate) async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Converge(arguments) => converge::run(arguments).await,
        Command::Webhook(arguments) => webhook::run(arguments).await,
        Command::BareWriter(arguments) => writer::run(arguments).await,
        Command::StandIn(arguments) => webhook::stand_in::run(arguments).await,
        Command::Load(arguments) => webhook::load::run(arguments).await,
    }
}

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The servers failed.
    #[error(transparent)]
    TestBed(#[from] acr_testbed::Error),
    /// The stage of the component failed.
    #[error(transparent)]
    Stage(#[from] acr_end_to_end::Error),
    /// The API server cannot be reached with the component's kubeconfig.
    #[error(transparent)]
    Connect(#[from] acr_cluster::ConnectError),
    /// A request failed.
    #[error("{what}: {reason}")]
    Request {
        /// Method and path.
        what: String,
        /// The answer, or why there is none.
        reason: String,
    },
    /// The observer saw its watch end for good.
    #[error("the observer's watch of {what} has ended: {reason}; the measurement is worthless")]
    Observer {
        /// What was watched.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// What was to come did not come.
    #[error("after {seconds} s {seen}; the log of {who} is {log}, and ends with:\n{tail}", log = log.display())]
    NotInTime {
        /// How long it was waited for.
        seconds: u64,
        /// How far it had come.
        seen: String,
        /// Who was at work.
        who: &'static str,
        /// Its log.
        log: std::path::PathBuf,
        /// The end of it.
        tail: String,
    },
    /// A process did not do its work.
    #[error("{who}: {reason}")]
    Process {
        /// The process.
        who: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The objects are not what they should be at the end.
    #[error("what was written is wrong: {0}")]
    WrongObjects(String),
    /// A file could not be used.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}
