//! The exit codes of the program, in one place.

use std::process::ExitCode;

/// How the program ended. Codes from 64 on are those of `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Success,
    /// Done, with warnings that the user asked to take for a failure.
    Warnings,
    /// Something would change.
    Changes,
    /// What was tried does not count.
    Ineffective,
    /// The configuration has errors.
    Errors,
    /// The command line is wrong.
    Usage,
    /// An input cannot be read.
    NoInput,
    /// The cluster did not let everything be done in time.
    Unfinished,
    /// A bug: the program panicked.
    Panic,
    /// The operating system refuses a socket or a thread.
    System,
    /// The output cannot be written.
    NoOutput,
    /// Somebody else is at work; try again when it has ended.
    Held,
    /// The settings do not lead to a cluster or to the cloud.
    Unusable,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Warnings | Self::Changes | Self::Ineffective => 1,
            Self::Errors => 2,
            Self::Usage => 64,
            Self::NoInput => 66,
            Self::Unfinished => 69,
            Self::Panic => 70,
            Self::System => 71,
            Self::NoOutput => 74,
            Self::Held => 75,
            Self::Unusable => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
