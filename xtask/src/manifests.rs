//! `cargo xtask manifests`: the manifests of `deploy/`, rendered from the chart.

use std::process::ExitCode;

use acr_end_to_end::render_manifests;
use acr_testbed::{Helm, Progress, Tools};

use crate::Outcome;
use crate::output::output;

/// Render the manifests of deploy/ from charts/acr-credential-helper
///
/// helm is built first where it is missing, which takes some minutes once and needs Go.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Change nothing, and fail where a file is not what the chart renders
    #[arg(long)]
    check: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let tools = Tools::ensure(Progress::Stderr).await?;
    let helm = Helm::ensure(&tools, Progress::Stderr).await?;
    let mut stale = 0_u32;
    for manifest in render_manifests(&helm).await? {
        let present = std::fs::read_to_string(&manifest.path).unwrap_or_default();
        let name = manifest.path.file_name().unwrap_or_default().display();
        if present == manifest.text {
            output!("deploy/{name} is current");
        } else if arguments.check {
            output!("deploy/{name} is not what the chart renders");
            stale += 1;
        } else {
            std::fs::write(&manifest.path, &manifest.text)?;
            output!("deploy/{name} is written");
        }
    }
    Ok(if stale == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
