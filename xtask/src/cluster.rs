//! `cargo xtask cluster`: a control plane to try things on.

use std::convert::Infallible;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use acr_testbed::{ControlPlane, ControlPlaneOptions, Helm, Progress, Tools};

use crate::Outcome;
use crate::interrupt::interrupted;
use crate::show::print_environment;

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
    /// Put helm on PATH, too, for trying the chart; it is built first where it is missing
    #[arg(long)]
    helm: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Outcome {
    tokio::select! {
        outcome = start_and_watch(&arguments) => outcome.map(|never| match never {}),
        stopped = interrupted() => {
            // What runs is dropped then: a build ends with its guard, the servers with theirs.
            stopped?;
            anstream::eprintln!("\nstopping");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Starts, tells how to get there, and ends only when a server ends by itself.
async fn start_and_watch(arguments: &Arguments) -> Result<Infallible, Box<dyn std::error::Error>> {
    let tools = Tools::ensure(Progress::Stderr).await?;
    let helm = if arguments.helm { Some(Helm::ensure(&tools, Progress::Stderr).await?) } else { None };
    let options = ControlPlaneOptions { keep: arguments.keep, ..ControlPlaneOptions::default() };
    let control_plane = ControlPlane::start(&tools, options).await?;

    print_environment(&control_plane, &tools)?;
    if let Some(folder) = helm.as_ref().and_then(|helm| helm.program().parent()) {
        writeln!(anstream::stdout(), "export PATH={}:$PATH", folder.display())?;
    }
    anstream::eprintln!("\nThe cluster runs at {} until Ctrl-C.", control_plane.url());
    anstream::eprintln!("In another terminal, after the lines above, try:");
    anstream::eprintln!("    kubectl create namespace shop && kubectl get serviceaccounts --all-namespaces");
    if helm.is_some() {
        let install =
            "helm install acr-credential-helper charts/acr-credential-helper --namespace kube-system";
        anstream::eprintln!("    {install}");
    }
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        control_plane.check_alive()?;
    }
}
