//! The token protocol of an OCI registry: challenge, token, manifest, blob.
//!
//! [`pull`] does what a container runtime does for an image, and keeps nothing of it: it proves that a login
//! lets an image be pulled, or says at which step it does not, and why
//! (<https://distribution.github.io/distribution/spec/auth/token/>,
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>).

mod answer;
mod challenge;
mod client;
mod failure;
mod manifest;
mod pull;
mod token;

pub use challenge::{BearerChallenge, bearer_challenge};
pub use client::{Client, ClientOptions, ClientSetupFailure};
pub use failure::{Problem, PullFailure, PullStep};
pub use manifest::{Descriptor, Manifest, PLATFORM, parse_manifest};
pub use pull::{Pulled, pull};
pub use token::{parse_token, token_uri};
