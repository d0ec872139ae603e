//! The commands of the README, run as `cargo xtask COMMAND`.

mod bench;
mod cluster;
mod demo;
mod histories;
mod image;
mod interrupt;
mod manifests;
mod node;
mod output;
mod show;
mod test;
mod workspace;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What a command gives back: the exit code, or an error that is printed.
type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

/// Commands for working on acr-credential-helper.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Bench(bench::Arguments),
    Cluster(cluster::Arguments),
    Demo(demo::Arguments),
    Histories(histories::Arguments),
    Image(image::Arguments),
    Manifests(manifests::Arguments),
    Node(node::Arguments),
    Test(test::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Bench(arguments) => bench::run(arguments).await,
        Command::Cluster(arguments) => cluster::run(arguments).await,
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Histories(arguments) => histories::run(arguments).await,
        Command::Image(arguments) => image::run(arguments).await,
        Command::Manifests(arguments) => manifests::run(arguments).await,
        Command::Node(arguments) => node::run(arguments).await,
        Command::Test(arguments) => test::run(arguments).await,
    };
    let exit = outcome.unwrap_or_else(|error| {
        anstream::eprintln!("error: {error}");
        ExitCode::FAILURE
    });
    match output::lost() {
        None => exit,
        // Whoever reads no further, like `head`, has seen enough.
        Some(error) if error.kind() == ErrorKind::BrokenPipe => exit,
        Some(error) => {
            anstream::eprintln!("error: standard output is not complete: {error}");
            ExitCode::FAILURE
        }
    }
}
