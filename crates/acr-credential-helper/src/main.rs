//! The program: subcommands, the pump around the machine, logs and exit codes.

mod config_check;
mod exit;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::Exit;

/// Lets workloads pull private images from Alibaba Cloud Container Registry without a password in the cluster.
#[derive(Parser)]
#[command(name = "acr-credential-helper", version)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Look at a configuration, without a cluster.
    #[command(subcommand)]
    Config(Config),
}

#[derive(Subcommand)]
enum Config {
    Check(config_check::Arguments),
}

fn main() -> ExitCode {
    let exit = match Program::try_parse() {
        Ok(Program { command: Command::Config(Config::Check(arguments)) }) => config_check::run(&arguments),
        Err(error) => {
            // Help and version are no failure. A closed pipe cannot be told anything.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Success }
        }
    };
    exit.into()
}
