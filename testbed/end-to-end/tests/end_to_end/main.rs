//! The component on a real control plane, with its real rights, beside a simulated Alibaba Cloud.
//!
//! The tests share one control plane; each has a namespace of its own for its component, a cloud of its own, and
//! namespaces of its own to serve. Those that stop servers have a control plane of their own. Nothing waits for luck:
//! what is to come is asked for until it is there, and what must not come is shown by what comes after it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "in a test, also outside its own function, a panic is how a failure is reported"
)]

mod age;
mod answering;
mod beforehand;
mod chains;
mod claims;
mod cloud;
mod cluster;
mod configuring;
mod controls;
mod dialects;
mod editions;
mod front;
mod gitops;
mod identities;
mod immediate;
mod installations;
mod leaving;
mod many;
mod migration;
mod observing;
mod oldest;
mod original;
mod pods;
mod policy_trial;
mod replicas;
mod rights;
mod samples;
mod scene;
mod service;
mod serving;
mod sessions;
mod several;
mod tenants;
mod told_apart;
mod ways;

use acr_end_to_end::Program;
use acr_testbed::{ControlPlane, ControlPlaneOptions, Progress, Tools};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

async fn tools() -> &'static Tools {
    static TOOLS: OnceCell<Tools> = OnceCell::const_new();
    TOOLS.get_or_init(async || Tools::ensure(Progress::Stderr).await.unwrap()).await
}

async fn program() -> &'static Program {
    static PROGRAM: OnceCell<Program> = OnceCell::const_new();
    PROGRAM.get_or_init(async || Program::ensure().await.unwrap()).await
}

/// Never dropped: the end of this process ends it.
async fn shared_control_plane() -> &'static ControlPlane {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    SHARED.get_or_init(async || control_plane(&[]).await).await
}

/// A turn to have a control plane of its own. Each takes half a GiB, and a core while it starts: without turns small
/// machines run out of both.
async fn turn() -> SemaphorePermit<'static> {
    static TURNS: Semaphore = Semaphore::const_new(2);
    TURNS.acquire().await.unwrap()
}

/// A control plane with more arguments for its API server.
async fn control_plane(api_server_arguments: &[&str]) -> ControlPlane {
    control_plane_of(tools().await, api_server_arguments).await
}

/// A control plane of the oldest Kubernetes that is tested, for all tests of it. Never dropped: the end of this process ends
/// it.
async fn oldest_control_plane() -> &'static ControlPlane {
    static OLDEST: OnceCell<ControlPlane> = OnceCell::const_new();
    OLDEST
        .get_or_init(async || {
            let tools = Tools::ensure_oldest(Progress::Stderr).await.unwrap();
            control_plane_of(&tools, &[]).await
        })
        .await
}

async fn control_plane_of(tools: &Tools, api_server_arguments: &[&str]) -> ControlPlane {
    let options = ControlPlaneOptions {
        audit_log: true,
        api_server_arguments: api_server_arguments.iter().map(|&argument| argument.to_owned()).collect(),
        ..ControlPlaneOptions::default()
    };
    ControlPlane::start(tools, options).await.unwrap()
}
