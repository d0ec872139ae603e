//! What can go wrong on a stage.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// A failed operation of a stage.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The test bed failed.
    #[error(transparent)]
    TestBed(#[from] acr_testbed::Error),
    /// The simulated cloud cannot be described.
    #[error("the description of the simulated cloud: {0}")]
    Description(#[from] acr_simulator::DescriptionError),
    /// The simulated cloud did not start.
    #[error("the simulated cloud does not start: {0}")]
    Simulator(#[from] acr_simulator::StartError),
    /// The simulated cloud could not be changed.
    #[error("the simulated cloud: {0}")]
    Mutation(#[from] acr_simulator::MutationError),
    /// The simulated cloud has no such thing, or answered something unforeseen.
    #[error("the simulated cloud: {0}")]
    Cloud(String),
    /// The API server refused, or could not be asked.
    #[error("cannot {action}: {source}")]
    Api {
        /// What was tried, as a verb with its object.
        action: String,
        /// The answer.
        source: Box<kube::Error>,
    },
    /// The program could not be built.
    #[error("building acr-credential-helper failed ({0})")]
    Build(ExitStatus),
    /// There is no program.
    #[error("{path} is no program: {reason}", path = path.display())]
    Program {
        /// Where it was looked for.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// helm refused.
    #[error("cannot {action}: helm says: {said}")]
    Chart {
        /// What was tried, as a verb with its object.
        action: String,
        /// What helm said.
        said: String,
    },
    /// A file could not be used.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The component ended by itself.
    #[error("the component ended by itself ({status}); its log is {log}, and ends with:\n{tail}", log = log.display())]
    Ended {
        /// How.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The last lines of its log.
        tail: String,
    },
    /// The component could not be asked for its metrics or its health.
    #[error("cannot ask the component for {path}: {reason}")]
    Unanswered {
        /// The path.
        path: String,
        /// Why.
        reason: String,
    },
    /// Something did not come in time.
    #[error("not within {patience:?}: {what}")]
    NotInTime {
        /// What was waited for.
        what: String,
        /// How long.
        patience: Duration,
    },
    /// A pull secret does not hold what a container runtime needs.
    #[error("the Secret of namespace {namespace}: {reason}")]
    PullSecret {
        /// The namespace.
        namespace: String,
        /// What is wrong.
        reason: String,
    },
    /// A client for registries could not be made.
    #[error(transparent)]
    RegistryClient(#[from] acr_registry::ClientSetupFailure),
    /// An image reference is wrong.
    #[error("{text:?}: {source}")]
    Image {
        /// The reference.
        text: String,
        /// What is wrong.
        source: acr_credentials::ImageReferenceError,
    },
}

impl Error {
    /// Wraps an answer of the API server: `.map_err(Error::api("get the Secret"))`.
    pub fn api(action: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let action = action.into();
        move |source| Self::Api { action, source: Box::new(source) }
    }
}
