//! What a registry login is, where it belongs in a docker config document, and how it is asked for.
//!
//! Pure data and rules, shared by everything that handles logins: no clock, no network, no Kubernetes.

pub mod call;
pub mod docker_config;
pub mod endpoint;
pub mod host;
pub mod image;
pub mod remedy;
pub mod safe_text;
pub mod secret_data;
pub mod slot;
pub mod time;
pub mod uri_encoding;

pub use call::{
    AccessKey, Answer, Barrier, Call, CallFailure, FailureKind, InstanceHost, Login, Reply,
    without_request_ids,
};
pub use docker_config::DockerConfig;
pub use endpoint::endpoints;
pub use image::{Digest, ImageReference, ImageReferenceError};
pub use secret_data::{SecretData, SecretDataFailure, StaticLogins};
pub use slot::KeySlot;
pub use time::UnixMillis;
