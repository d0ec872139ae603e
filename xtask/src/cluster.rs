//! `cargo xtask cluster`: a control plane to try things on.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use acr_testbed::{ControlPlane, ControlPlaneOptions, Progress, Tools};

use tokio::signal::unix::{SignalKind, signal};

use crate::Outcome;

/// Time between two looks whether a server has ended by itself.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Start a real control plane (etcd, API server, controller manager; no nodes) and run it until Ctrl-C
///
/// What is missing is built first, which takes some minutes once and needs Go.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Keep the folder with data and logs at the end
    #[arg(long)]
    keep: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Outcome {
    // Ctrl-C during the build ends this process, and the guard of the build ends the build.
    let tools = Tools::ensure(Progress::Stderr).await?;
    let options = ControlPlaneOptions { keep: arguments.keep, ..ControlPlaneOptions::default() };
    let control_plane = ControlPlane::start(&tools, options).await?;

    let bin = tools.kubectl().parent().unwrap_or(Path::new("."));
    anstream::println!("export KUBECONFIG={}", control_plane.admin_kubeconfig().display());
    anstream::println!("export PATH={}:$PATH", bin.display());
    anstream::eprintln!("\nThe cluster runs at {} until Ctrl-C.", control_plane.url());
    anstream::eprintln!("In another terminal, after the two lines above, try:");
    anstream::eprintln!("    kubectl create namespace shop && kubectl get serviceaccounts --all-namespaces");

    let ended = until_told_to_stop(&control_plane).await;
    anstream::eprintln!("\nstopping");
    control_plane.stop()?;
    ended?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for Ctrl-C, SIGTERM or a closed terminal. Fails when a server ends by itself.
async fn until_told_to_stop(control_plane: &ControlPlane) -> Result<(), Box<dyn std::error::Error>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = hangup.recv() => return Ok(()),
            () = tokio::time::sleep(WATCH_INTERVAL) => control_plane.check_alive()?,
        }
    }
}
