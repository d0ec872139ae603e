//! A real control plane and registry from pinned Go modules, started and stopped for tests and demos.
//!
//! ```no_run
//! # async fn example() -> Result<(), acr_testbed::Error> {
//! use acr_testbed::{ControlPlane, ControlPlaneOptions, Progress, Tools};
//!
//! let tools = Tools::ensure(Progress::Stderr).await?;
//! let control_plane = ControlPlane::start(&tools, ControlPlaneOptions::default()).await?;
//! let client = control_plane.admin()?;
//! # drop(client);
//! control_plane.stop()
//! # }
//! ```
//!
//! # Nothing outlives its owner
//!
//! Every server runs below a small guard (`go/guard`) that holds the read end of a pipe. However the owner
//! ends, by return, panic, Ctrl-C or `kill -9`, the kernel closes the pipe, and the guard kills the process
//! group of its server and removes the private folder. A guard is in a process group of its own, so that
//! Ctrl-C at a terminal reaches the owner alone, which may still want to talk to its servers.
//!
//! A [`Node`] has processes that daemonize and mounts: its guard runs them in namespaces which the kernel takes down.
//!
//! # Several at once
//!
//! Every [`ControlPlane`] and every [`Registry`] has ports and a folder of its own; any number of them run
//! side by side in one process and in several.

mod audit;
mod control_plane;
mod error;
mod folder;
mod go;
mod guarded;
mod helm;
mod hexadecimal;
mod image;
mod manifests;
mod node;
mod ports;
mod progress;
mod registry;
mod tools;

pub use audit::{AuditEvent, AuditLog, Stage};
pub use control_plane::{ControlPlane, ControlPlaneOptions, Part, Right};
pub use error::Error;
pub use guarded::Guarded;
pub use helm::Helm;
pub use image::{PushedImage, SmallImage, push_image};
pub use manifests::{Applied, apply_manifests, apply_manifests_in};
pub use node::{Node, NodeOptions, NodeTools, PAUSE_IMAGE};
pub use progress::Progress;
pub use registry::{Registry, RegistryOptions};
pub use tools::{Tools, cache_folder};

/// Makes aws-lc-rs the TLS provider of this process. Calling it again changes nothing.
///
/// rustls refuses to choose when it finds no explicit provider, so everything here that makes a
/// [`kube::Client`] calls this first; a test that makes its own client does the same.
pub fn install_tls_provider() {
    // An error says that a provider is installed already: by an earlier call, or by the program itself.
    let _already_installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
