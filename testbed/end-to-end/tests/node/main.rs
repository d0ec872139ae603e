//! Real pulls: the Deployments of the documentation on a kubelet and containerd, with logins that the component wrote.
//!
//! Each test has a control plane, a node, a cloud and a registry of its own. Where a pull succeeds or fails is the
//! kubelet's own Event. These tests need root and a machine that can be a node; elsewhere they fail and say what is
//! missing. `cargo xtask test` finds that out before, and leaves them out.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "in a test, also outside its own function, a panic is how a failure is reported"
)]

mod at_once;
mod logins;
mod older;
mod play;
mod pulls;
mod refusals;
