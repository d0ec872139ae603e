//! What a registry login is, where it belongs in a docker config document, and how it is asked for.
//!
//! Pure data and rules, shared by everything that handles logins: no clock, no network, no Kubernetes.

pub mod call;
pub mod docker_config;
pub mod host;
pub mod slot;
pub mod time;

pub use call::{AccessKey, Answer, Call, CallFailure, FailureKind, InstanceHost, Login, Reply};
pub use docker_config::DockerConfig;
pub use slot::KeySlot;
pub use time::UnixMillis;
