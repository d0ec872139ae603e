//! The exit codes of the program, in one place.

use std::process::ExitCode;

/// How the program ended. 64 and 66 are those of `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Success,
    /// Done, with warnings that the user asked to take for a failure.
    Warnings,
    /// The configuration has errors.
    Errors,
    /// The command line is wrong.
    Usage,
    /// An input cannot be read.
    NoInput,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Warnings => 1,
            Exit::Errors => 2,
            Exit::Usage => 64,
            Exit::NoInput => 66,
        })
    }
}
