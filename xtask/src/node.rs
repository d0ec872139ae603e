//! `cargo xtask node`: a real kubelet pulls private images, before the eyes of whoever tries it.

use std::path::PathBuf;
use std::time::Duration;

use acr_end_to_end::{ACME, Component, Images, PULL_SECRET, Program, RunOptions, Stage, eventually};
use acr_testbed::{ControlPlane, ControlPlaneOptions, Node, NodeOptions, NodeTools, Progress, Tools};

use crate::Outcome;
use crate::output::output;
use crate::show::{Result, headline, print_environment, say, until_interrupted};
use crate::workspace::workspace_folder;

/// How long anything that is shown may take. It takes a second or two.
const PATIENCE: Duration = Duration::from_mins(2);
/// Time between two looks whether something has ended by itself.
const LOOK: Duration = Duration::from_secs(1);

/// The Deployments of the documentation, below the workspace.
const FIXTURES: &str = "crates/configuration/fixtures";
/// The one that is applied here.
const BASIC: &str = "deployment-basic.yaml";
/// The one that is left to whoever tries it.
const WITH_ACCOUNT: &str = "deployment-service-account.yaml";
/// The namespace of the first.
const SHOP: &str = "shop";
/// A namespace for whoever tries it.
const SPARE: &str = "yours";

/// Watch a real kubelet pull a private image: control plane, containerd, kubelet, registry, simulated Alibaba Cloud
///
/// Needs root, for namespaces, mounts and control groups of its own. Where containerd and runc are not on PATH, their
/// Debian packages are installed with apt-get, for the whole machine. What else is missing is built first, which takes
/// some minutes once and needs Go. Everything runs on loopback, pods reach nobody, and nothing is left at the end.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// End after the first pull: exit code 0, or another with what failed
    #[arg(long)]
    once: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Outcome {
    until_interrupted(Box::pin(show(arguments.once)), arguments.once).await
}

async fn show(once: bool) -> Result {
    say(
        "A node needs root and a container runtime. Where containerd and runc are missing, their Debian packages",
    );
    say("are installed with apt-get, for the whole machine.");
    let tools = Tools::ensure(Progress::Stderr).await?;
    let node_tools = NodeTools::ensure(&tools, Progress::Stderr).await?;
    let program = Program::ensure().await?;

    headline("A real control plane, and a node with containerd, kubelet and scheduler");
    let options = ControlPlaneOptions { nodes: true, ..ControlPlaneOptions::default() };
    let control_plane = ControlPlane::start(&tools, options).await?;
    let mut node = Node::start(&control_plane, &tools, &node_tools, NodeOptions::default()).await?;
    say(&format!("{}, logs of the node are in {}", control_plane.url(), node.folder().display()));

    headline("A simulated Alibaba Cloud, and a real registry whose downloads it redirects to a bucket");
    let stage = Stage::set(&control_plane, "kube-system").await?;
    let images = Images::serve(&tools, &stage, ACME).await?;
    images.lead(&node)?;
    images.push_program(&stage, &node, "team/app", "v1").await?;
    for host in ACME.hosts {
        say(&format!("{host}/team/app:v1, a private image, leads to {}", images.address()));
    }

    headline(
        "The component, with the role of the node, serves every ServiceAccount of every namespace but kube-*",
    );
    let keys = [
        ("acr-registry-info", format!("- instanceId: {}\n", ACME.id)),
        ("watch-namespace", "all".to_owned()),
        ("exclude-namespace", "kube-*".to_owned()),
        ("service-account", "*".to_owned()),
    ];
    let keys: Vec<(&str, &str)> = keys.iter().map(|(key, value)| (*key, value.as_str())).collect();
    stage.configure(&keys).await?;
    let arguments = vec!["--token-mode=workerRole".to_owned()];
    let options = RunOptions { arguments, ..RunOptions::default() };
    let mut component = Component::start(&tools, &program, &stage, &options)?;
    component.ready().await?;

    headline("The Deployment of the documentation, unchanged, in a new namespace");
    stage.create_namespace(SHOP, &[]).await?;
    eventually("the default ServiceAccount is attached", PATIENCE, async || {
        let list = stage.list(SHOP, "default").await?.unwrap_or_default();
        let served = stage.served(SHOP).await?.is_some_and(|served| !served.hosts.is_empty());
        Ok((served && list.iter().any(|name| name == PULL_SECRET)).then_some(()))
    })
    .await?;
    let basic = fixture(BASIC);
    stage.apply(SHOP, &std::fs::read_to_string(&basic)?).await?;
    say(&format!("kubectl --namespace {SHOP} apply --filename {}", basic.display()));
    say(&format!("the kubelet: {}", word_of_the_kubelet(&stage).await?));
    if once {
        return Ok(());
    }

    headline("Try it in another terminal");
    print_ways_to_try(&control_plane, &tools)?;
    output!("\nThe node runs until Ctrl-C.");
    loop {
        control_plane.check_alive()?;
        node.check_alive()?;
        component.check_alive()?;
        tokio::time::sleep(LOOK).await;
    }
}

/// What the kubelet says of the image: that it was pulled, or why not.
async fn word_of_the_kubelet(stage: &Stage<'_>) -> Result<String> {
    let event = eventually("the kubelet has pulled the image", PATIENCE, async || {
        let events = stage.kubelet_events(SHOP).await?;
        let tells = |message: &str| {
            message.starts_with("Successfully pulled image") || message.starts_with("Failed to pull image")
        };
        Ok(events.into_iter().find(|event| tells(&event.message)))
    })
    .await?;
    if event.reason == "Pulled" { Ok(event.message) } else { Err(event.message.into()) }
}

fn fixture(name: &str) -> PathBuf {
    workspace_folder().join(FIXTURES).join(name)
}

fn print_ways_to_try(control_plane: &ControlPlane, tools: &Tools) -> Result {
    print_environment(control_plane, tools)?;
    output!("kubectl --namespace {SHOP} get events");
    output!("kubectl create namespace {SPARE}");
    let with_account = fixture(WITH_ACCOUNT);
    output!("kubectl --namespace {SPARE} apply --filename {}", with_account.display());
    output!("kubectl --namespace {SPARE} get pods,events");
    output!("kubectl --namespace kube-system edit configmap acr-configuration");
    Ok(())
}
