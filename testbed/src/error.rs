//! What can go wrong in the test bed, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// A failed operation of the test bed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no `go` command.
    #[error(
        "the servers of the test bed are built with Go, and there is no `go` command on PATH: \
         install Go {needed} or newer from https://go.dev/dl/ and put its `bin` folder on PATH"
    )]
    GoMissing {
        /// The oldest version that will do.
        needed: String,
    },
    /// The `go` command is older than a `go.mod` asks for.
    #[error(
        "the servers of the test bed need Go {needed} or newer, and the `go` command on PATH is {found}: \
         install a newer one from https://go.dev/dl/, or let it fetch one itself (GOTOOLCHAIN=auto)"
    )]
    GoTooOld {
        /// The version of the `go` command.
        found: String,
        /// The oldest version that will do.
        needed: String,
    },
    /// The `go` command did not even tell its version.
    #[error("`go env GOVERSION` failed ({status}): {output}")]
    GoUnusable {
        /// How it ended.
        status: ExitStatus,
        /// What it wrote.
        output: String,
    },
    /// `go build` failed.
    #[error("building the {what} failed ({status}); its log is {log}, and ends with:\n{tail}", log = log.display())]
    Build {
        /// What was to be built.
        what: &'static str,
        /// How `go build` ended.
        status: ExitStatus,
        /// The whole log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// This machine cannot be a node of a cluster.
    #[error("this machine cannot be a node: {reason}")]
    NoNode {
        /// What hinders it, and where there is one the remedy.
        reason: String,
    },
    /// Neither `XDG_CACHE_HOME` nor `HOME` says where to keep what is built.
    #[error("no folder for what is built: set XDG_CACHE_HOME or HOME")]
    NoCacheFolder,
    /// A file or folder of the test bed could not be used.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A command could not be started.
    #[error("cannot start {name}: {reason}")]
    Start {
        /// The command.
        name: String,
        /// Why.
        reason: String,
    },
    /// A command did not follow an order, such as to pause.
    #[error("cannot {order} {name}: {reason}")]
    Order {
        /// The command.
        name: String,
        /// What it was to do.
        order: &'static str,
        /// Why it did not.
        reason: String,
    },
    /// A server ended by itself.
    #[error("{name} ended by itself ({status}); its log is {log}, and ends with:\n{tail}", log = log.display())]
    Died {
        /// The server.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The whole log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A server did not become ready in time.
    #[error(
        "{name} was not ready after {waited:?} ({last}); its log is {log}, and ends with:\n{tail}",
        log = log.display()
    )]
    NotReady {
        /// The server.
        name: String,
        /// How long it was waited for.
        waited: Duration,
        /// What it answered last.
        last: String,
        /// The whole log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// Rights that were given do not count.
    #[error("the API server does not grant ServiceAccount {account} {right} after {waited:?}")]
    NotGranted {
        /// Namespace and name.
        account: String,
        /// What it may not do.
        right: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Every port that was tried is taken.
    #[error("no free port on 127.0.0.1 between {first} and {last}")]
    NoPort {
        /// The first port of the range.
        first: u16,
        /// The last port of the range.
        last: u16,
    },
    /// A key could not be made.
    #[error("cannot generate {what}")]
    Generate {
        /// What was to be made.
        what: &'static str,
    },
    /// The kubeconfig of the control plane was not accepted.
    #[error("cannot use the kubeconfig of the control plane: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// The API server refused, or could not be asked.
    #[error("cannot {action}: {source}")]
    Api {
        /// What was tried, as a verb with its object.
        action: String,
        /// The answer.
        source: Box<kube::Error>,
    },
    /// Manifests are not YAML.
    #[error("the manifests are not YAML: {0}")]
    Yaml(String),
    /// A manifest is not what Kubernetes takes.
    #[error("document {document} of the manifests: {reason}")]
    Manifest {
        /// Which document, the first is 1.
        document: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The registry could not be asked.
    #[error("cannot {action}: {reason}")]
    Registry {
        /// What was tried, as a verb with its object.
        action: String,
        /// The answer or the transport's error.
        reason: String,
    },
    /// A line of the audit log is not an audit event.
    #[error("line {line} of the audit log {path}: {source}", path = path.display())]
    Audit {
        /// The log.
        path: PathBuf,
        /// Which line, the first is 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Error {
    /// Wraps the error of a file operation: `.map_err(Error::file("read", &path))`.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// Wraps an answer of the API server: `.map_err(Error::api("get the keys"))`.
    pub(crate) fn api(action: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let action = action.into();
        move |source| Self::Api { action, source: Box::new(source) }
    }
}
