//! Why an image could not be pulled: the step, what happened there, and what mends it.

use acr_credentials::{Digest, ImageReference};

/// The steps of a pull, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PullStep {
    /// The registry names its token endpoint.
    Challenge,
    /// The token endpoint gives a token for the login.
    Token,
    /// The registry gives the manifest for the token.
    Manifest,
    /// The registry, or the store that it redirects to, gives a blob.
    Blob,
}

/// Why an image could not be pulled. The variant is the step that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullFailure {
    /// See [`PullStep::Challenge`].
    #[error("the registry {registry} gives no challenge: {problem}")]
    Challenge {
        /// Host of the registry.
        registry: String,
        /// What happened.
        problem: Problem,
    },
    /// See [`PullStep::Token`].
    #[error("{realm} gives no token for {image}: {problem}")]
    Token {
        /// URL of the token endpoint.
        realm: String,
        /// What was to be pulled.
        image: ImageReference,
        /// Whether it was asked without a login.
        anonymous: bool,
        /// What happened.
        problem: Problem,
    },
    /// See [`PullStep::Manifest`].
    #[error("no manifest of {image}: {problem}")]
    Manifest {
        /// What was to be pulled.
        image: ImageReference,
        /// Whether it was asked without a login.
        anonymous: bool,
        /// What happened.
        problem: Problem,
    },
    /// See [`PullStep::Blob`].
    #[error("no blob {digest} of {image}: {problem}")]
    Blob {
        /// What was to be pulled.
        image: ImageReference,
        /// The part of it that failed.
        digest: Digest,
        /// What happened.
        problem: Problem,
    },
}

/// What happened at a step. No text holds a password, a token, or the query of a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The host did not resolve, or no connection came about (TCP or TLS).
    #[error("{host} cannot be reached: {cause}")]
    Unreachable {
        /// Host that was called.
        host: String,
        /// The transport's words.
        cause: String,
    },
    /// The connection ended before the answer did.
    #[error("{host} gave no complete answer: {cause}")]
    Cut {
        /// Host that was called.
        host: String,
        /// The transport's words.
        cause: String,
    },
    /// The deadline of the pull passed.
    #[error("{host} gave no complete answer in time")]
    TimedOut {
        /// Host that was called.
        host: String,
    },
    /// The server refused.
    #[error("{host} answers with HTTP status {status}{}", explained(code.as_deref(), message))]
    Refused {
        /// Host that answered.
        host: String,
        /// HTTP status.
        status: u16,
        /// The registry's error code, such as `UNAUTHORIZED`.
        code: Option<String>,
        /// The registry's message; empty where it has none.
        message: String,
    },
    /// The answer is not what the protocol says.
    #[error("the answer of {host} makes no sense: {reason}")]
    Malformed {
        /// Host that answered.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// The content is longer than is allowed here.
    #[error("the content at {host} has more than {limit_bytes} bytes")]
    TooLarge {
        /// Host that answered.
        host: String,
        /// What is allowed.
        limit_bytes: u64,
    },
    /// The content is not the one that was asked for.
    #[error("{host} gave content with the digest {found}")]
    WrongContent {
        /// Host that answered.
        host: String,
        /// SHA-256 of what came.
        found: Digest,
    },
    /// A login or token would have gone over the network in clear, though the registry is called by HTTPS.
    #[error("{host} is called by plain HTTP, where a login would travel in clear")]
    Plaintext {
        /// Host that was to be called.
        host: String,
    },
}

fn explained(code: Option<&str>, message: &str) -> String {
    match (code, message) {
        (None, "") => String::new(),
        (None, message) => format!(": {message}"),
        (Some(code), "") => format!(", {code}"),
        (Some(code), message) => format!(", {code}: {message}"),
    }
}

impl PullFailure {
    /// The step that failed.
    pub fn step(&self) -> PullStep {
        match self {
            Self::Challenge { .. } => PullStep::Challenge,
            Self::Token { .. } => PullStep::Token,
            Self::Manifest { .. } => PullStep::Manifest,
            Self::Blob { .. } => PullStep::Blob,
        }
    }

    /// What happened at that step.
    pub fn problem(&self) -> &Problem {
        match self {
            Self::Challenge { problem, .. }
            | Self::Token { problem, .. }
            | Self::Manifest { problem, .. }
            | Self::Blob { problem, .. } => problem,
        }
    }

    /// The HTTP status, where a server refused.
    pub fn status(&self) -> Option<u16> {
        match self.problem() {
            Problem::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The registry's error code, where a server refused and said one.
    pub fn code(&self) -> Option<&str> {
        match self.problem() {
            Problem::Refused { code, .. } => code.as_deref(),
            _ => None,
        }
    }

    /// What a user can do about it.
    pub fn remedy(&self) -> &'static str {
        match (self, self.problem()) {
            (_, Problem::Unreachable { .. } | Problem::Cut { .. } | Problem::TimedOut { .. }) => {
                "check from here that the name resolves and that its port can be reached; VPC domains resolve only \
                 in VPCs that are linked to the instance, and an access control list may shut the public one"
            }
            (_, Problem::Refused { status: 429, .. }) => "wait: the registry limits how often it is asked",
            (_, Problem::Refused { status: 500.., .. }) => "try again later: the server failed",
            (_, Problem::TooLarge { .. }) => "pull a smaller image, or allow more bytes",
            (_, Problem::WrongContent { .. }) => {
                "push the image again; a proxy or cache on the way may give stale content"
            }
            (_, Problem::Plaintext { .. }) => "serve it by HTTPS, as the registry itself",
            (Self::Challenge { .. }, _) => {
                "check that this host is an OCI registry with token authentication"
            }
            (Self::Token { anonymous: true, .. }, Problem::Refused { .. }) => {
                "give a login: this registry has no anonymous access"
            }
            (Self::Token { anonymous: false, .. }, Problem::Refused { status: 401, .. }) => {
                "renew the login: its password is wrong or has expired, or belongs to another instance"
            }
            (Self::Token { .. }, _) => "check the token endpoint that the registry names",
            (Self::Manifest { anonymous: true, .. }, Problem::Refused { status: 401 | 403, .. }) => {
                "give a login: this repository is private"
            }
            (Self::Manifest { anonymous: false, .. }, Problem::Refused { status: 401 | 403, .. }) => {
                "grant cr:PullRepository on this repository to the identity that the login was made for"
            }
            (Self::Manifest { .. }, Problem::Refused { status: 404, .. }) => {
                "check namespace, repository and tag: the registry has no such image"
            }
            (Self::Manifest { .. }, _) => {
                "check the image: it must be of the OCI or Docker (schema 2) format, for linux/amd64"
            }
            (Self::Blob { .. }, Problem::Refused { status: 401 | 403, .. }) => {
                "check the store of the blobs (an OSS bucket) and what lies between here and there"
            }
            (Self::Blob { .. }, _) => "push the image again: a part of it is missing or broken",
        }
    }
}
