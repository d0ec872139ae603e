//! The component on real parts: control plane, registry and simulated cloud, for the demo and the end-to-end tests.
//!
//! A [`Stage`] is one simulated Alibaba Cloud and one namespace of a control plane in which the component has the
//! rights of `deploy/rbac.yaml`, no more, under the policy of `deploy/policy.yaml`. Several stages share a control plane; the scopes of their components are
//! kept apart by their configurations. A [`Component`] is the real program, as a process of its own.

mod chart;
mod cloud;
mod component;
mod error;
mod image;
mod program;
mod rights;
mod stage;
mod view;
mod workload;

pub use chart::{RenderedManifest, chart_folder, render_manifests, run_helm};
pub use cloud::{ACCOUNT, ACME, BRANCH, Instance, PARTNER, PERSONAL, PROVIDER_ARN, ROLE_ARN};
pub use component::{Component, RunOptions, uninstall};
pub use error::Error;
pub use image::{Images, secret_login};
pub use program::{PROGRAM_VARIABLE, Program};
pub use stage::{CONFIG_MAP, PULL_SECRET, Reported, SERVICE_ACCOUNT, Stage};
pub use view::{AccountView, Served, failure_policy, would_be_attached};

use std::time::{Duration, Instant};

/// Time between two looks at something that is waited for.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Asks `question` until it has an answer, at most for as long as `patience`.
pub async fn eventually<T>(
    what: &str,
    patience: Duration,
    mut question: impl AsyncFnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let started = Instant::now();
    loop {
        if let Some(answer) = question().await? {
            return Ok(answer);
        }
        if started.elapsed() > patience {
            return Err(Error::NotInTime { what: what.to_owned(), patience });
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
