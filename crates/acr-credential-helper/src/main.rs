//! The program: subcommands, the pump around the machine, logs and exit codes.

mod chronicle;
mod config_check;
mod config_diff;
mod edges;
mod exit;
mod front;
mod handed_over;
mod logging;
mod look;
mod observer;
mod operations;
mod parameters;
mod process;
mod pump;
mod run;
mod try_policy;
mod uninstall;
mod webhook;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use exit::Exit;

/// Lets workloads pull private images from Alibaba Cloud Container Registry without a password in the cluster.
#[derive(Parser)]
#[command(name = "acr-credential-helper", version, after_help = EXIT_CODES)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    // Boxed, because it is much larger than the others.
    Run(Box<run::Arguments>),
    Uninstall(uninstall::Arguments),
    Webhook(webhook::Arguments),
    TryPolicy(try_policy::Arguments),
    /// Look at a configuration before it counts.
    #[command(subcommand)]
    Config(Config),
}

#[derive(Subcommand)]
enum Config {
    Check(config_check::Arguments),
    Diff(config_diff::Arguments),
}

/// Shown below the help of the program.
const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  config check --strict: there are warnings; config diff: something would change; try-policy: it does not count
   2  config check, config diff: there are errors
  64  wrong usage
  66  an input cannot be read
  69  uninstall, config diff, try-policy: not finished in time, run it again
  70  a bug: the program panicked
  71  the operating system refuses a socket or a thread
  74  config check, config diff: what was found cannot be printed
  75  uninstall: another process holds the Lease, nothing was touched
  78  the settings do not lead to a cluster or to the cloud";

fn main() -> ExitCode {
    process::end_on_panic();
    let parsed = without_empty_variables(Program::command())
        .try_get_matches()
        .and_then(|matches| Program::from_arg_matches(&matches));
    let exit = match parsed {
        Ok(Program { command: Command::Run(arguments) }) => run::run(&arguments),
        Ok(Program { command: Command::Uninstall(arguments) }) => uninstall::run(&arguments),
        Ok(Program { command: Command::Webhook(arguments) }) => webhook::run(&arguments),
        Ok(Program { command: Command::TryPolicy(arguments) }) => try_policy::run(&arguments),
        Ok(Program { command: Command::Config(Config::Check(arguments)) }) => config_check::run(&arguments),
        Ok(Program { command: Command::Config(Config::Diff(arguments)) }) => config_diff::run(&arguments),
        Err(error) => {
            // Help and version are no failure. A closed pipe cannot be told anything.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Success }
        }
    };
    exit.into()
}

/// An empty variable is one that is not set: `value: ""` in a manifest says no more than that.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    command
        .mut_args(|argument| {
            let variable = argument.get_env().and_then(std::env::var_os);
            if variable.is_some_and(|value| value.is_empty()) {
                argument.env(None::<&'static str>)
            } else {
                argument
            }
        })
        .mut_subcommands(without_empty_variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Program::command().debug_assert();
    }

    #[test]
    fn every_exit_code_is_in_the_help() {
        let told = |exit: Exit| {
            EXIT_CODES.lines().any(|line| line.trim_start().starts_with(&format!("{} ", exit.code())))
        };
        let all = [
            Exit::Success,
            Exit::Warnings,
            Exit::Changes,
            Exit::Errors,
            Exit::Usage,
            Exit::NoInput,
            Exit::Unfinished,
            Exit::Panic,
            Exit::System,
            Exit::NoOutput,
            Exit::Held,
            Exit::Unusable,
        ];
        for exit in all {
            assert!(told(exit), "{exit:?}");
        }
    }
}
