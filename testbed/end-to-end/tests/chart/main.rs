//! The Helm chart on a real control plane: what it renders, what it installs, and what its rights and its policy allow.
//!
//! Each test has a control plane of its own, with the controllers of Deployments and no node: pods are made, and whether
//! they may be made is the API server's word. What a pod would do, a test does: the component and the uninstall run as
//! processes with the tokens of their ServiceAccounts.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "in a test, also outside its own function, a panic is how a failure is reported"
)]

mod attempts;
mod beta;
mod configuration;
mod console;
mod jobs;
mod notes;
mod originals;
mod pods;
mod refusals;
mod registration;
mod releases;
mod rendering;
mod site;
mod thief;
mod trial;
