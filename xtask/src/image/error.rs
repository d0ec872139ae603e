//! What can go wrong when an image is made, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// A failed step of `cargo xtask image`.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// A program that is needed cannot be run.
    #[error("cannot run {program}: {source}; {remedy}")]
    Run {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// cargo failed; it has said why.
    #[error(
        "cargo could not build the program for {target} ({status}); a static one needs the C library's static \
         archive (Debian: libc6-dev; Fedora: glibc-static), another architecture also `rustup target add {target}`, \
         its C compiler, and CARGO_TARGET_…_LINKER: docs/image.md"
    )]
    Build {
        /// The target triple.
        target: String,
        /// How cargo ended.
        status: ExitStatus,
    },
    /// cargo succeeded and told of no program.
    #[error("cargo told of no program acr-credential-helper: is its --message-format another one now?")]
    NoProgram,
    /// The packages that the program is made of are not known.
    #[error("cargo metadata cannot be used: {0}")]
    Metadata(String),
    /// The program needs other files to run.
    #[error(
        "{path} is not static: it asks for {interpreter}, which the image does not have; build for a target whose C \
         library can be linked statically: docs/image.md",
        path = path.display()
    )]
    NotStatic {
        /// The program.
        path: PathBuf,
        /// The loader that it asks for.
        interpreter: String,
    },
    /// The program is for a machine that images have no word for here.
    #[error("{path} is no program for Linux on x86-64 or AArch64: {reason}", path = path.display())]
    Machine {
        /// The program.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// Two targets of one architecture.
    #[error("two of the targets are {0}: an image has one program for each architecture")]
    Twice(&'static str),
    /// The layers are larger than they may be.
    #[error(
        "the layers for {architecture} have {bytes} bytes, and the limit is {limit}: look at what was added to the \
         dependencies (cargo tree -p acr-credential-helper -e normal), or raise the limit with a reason"
    )]
    TooLarge {
        /// Whose.
        architecture: &'static str,
        /// Compressed.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The output folder holds something else.
    #[error(
        "{path} is there and holds no image layout: it is left alone; name another folder, or remove it",
        path = path.display()
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder cannot be used.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err` around an operation on a file.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
