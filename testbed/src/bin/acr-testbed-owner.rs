//! The owner of a test bed whose end the tests of this crate watch.
//!
//! `acr-testbed-owner tools` makes sure of the tools and prints where they are. `hold` starts a control plane,
//! prints its folder and waits for the end of standard input; `panic` does the same and panics then. `hurry` waits for
//! a server half a second at most. `node` starts a node too, and prints the control plane's kubeconfig and the node's
//! folder instead; `node-panic` does the same and panics then.

use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

use acr_testbed::{ControlPlane, ControlPlaneOptions, Error, Node, NodeOptions, NodeTools, Progress, Tools};

#[tokio::main]
async fn main() -> ExitCode {
    let order = std::env::args().nth(1).unwrap_or_default();
    match obey(&order).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn obey(order: &str) -> Result<(), Error> {
    let tools = Tools::ensure(Progress::Stderr).await?;
    if order == "tools" {
        anstream::println!("{tools:#?}");
        return Ok(());
    }
    let mut options = ControlPlaneOptions::default();
    if order == "hurry" {
        options.deadline = Duration::from_millis(500);
    }
    if order.starts_with("node") {
        return hold_node(&tools, order == "node-panic").await;
    }
    let control_plane = ControlPlane::start(&tools, options).await?;
    anstream::println!("{}", control_plane.folder().display());
    let _end_of_input = std::io::stdin().read_to_end(&mut Vec::new());
    assert!(order != "panic", "panicking, as told");
    control_plane.stop()
}

async fn hold_node(tools: &Tools, panic: bool) -> Result<(), Error> {
    let node_tools = NodeTools::ensure(tools, Progress::Stderr).await?;
    let options = ControlPlaneOptions { nodes: true, ..ControlPlaneOptions::default() };
    let control_plane = ControlPlane::start(tools, options).await?;
    let node = Node::start(&control_plane, tools, &node_tools, NodeOptions::default()).await?;
    anstream::println!("{}", control_plane.admin_kubeconfig().display());
    anstream::println!("{}", node.folder().display());
    let _end_of_input = std::io::stdin().read_to_end(&mut Vec::new());
    assert!(!panic, "panicking, as told");
    node.stop()?;
    control_plane.stop()
}
