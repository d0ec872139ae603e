//! What a node needs beside a control plane: found, built or installed; or why this machine cannot be one.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::trial;
use crate::error::Error;
use crate::go::{Go, Module};
use crate::progress::{Progress, Task};
use crate::tools::{KUBERNETES_LINKER_FLAGS, Tools, cache_folder};

const NODE: Module = Module {
    name: "node",
    title: "first process of a node",
    linker_flags: "-s -w",
    // The names of the plugins in its network configuration.
    also_known_as: &["loopback", "isolated"],
    patience: "a few seconds",
};
const KUBELET: Module = Module {
    name: "kubelet",
    title: "kubelet and scheduler",
    linker_flags: KUBERNETES_LINKER_FLAGS,
    also_known_as: &["kube-scheduler"],
    patience: "a minute once the control plane is built, else 6",
};

/// Debian packages with the container runtime. They bring [`RUNTIME`].
const PACKAGES: [&str; 2] = ["containerd", "runc"];
/// Programs of a container runtime.
const RUNTIME: [&str; 3] = ["containerd", "ctr", "runc"];
/// Runs the kubelet in the namespaces of a node.
pub(super) const NAMESPACE_ENTRY: &str = "nsenter";
/// Lines of a failed command that are shown.
const TAIL_LINES: usize = 10;

/// Where the programs of a node are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTools {
    pub(super) node: PathBuf,
    pub(super) kubelet: PathBuf,
    pub(super) scheduler: PathBuf,
}

impl NodeTools {
    /// Finds out by trying whether this machine can be a node, and installs and builds what is missing.
    ///
    /// A node needs root: for namespaces, mounts and control groups. containerd and runc are taken from PATH, else
    /// installed as Debian packages with apt-get, for the whole machine. kubelet and scheduler are built as those of
    /// [`Tools::ensure`] are. A machine that cannot be a node is [`Error::NoNode`]. Whether namespaces can be made is
    /// tried before anything is installed, whether a container can be run before kubelet and scheduler are built.
    pub async fn ensure(tools: &Tools, progress: Progress) -> Result<Self, Error> {
        if !cfg!(target_os = "linux") {
            return Err(no_node("it needs Linux"));
        }
        if std::fs::metadata("/proc/self").map(|own| own.uid()).ok() != Some(0) {
            return Err(no_node(
                "it needs root, for namespaces, mounts and control groups; run it with sudo",
            ));
        }
        if find(NAMESPACE_ENTRY).is_none() {
            return Err(no_node(format!("{NAMESPACE_ENTRY} of util-linux is not on PATH")));
        }
        let cache = cache_folder()?;
        let go = Go::find(&NODE).await?;
        let node = go.ensure(&NODE, Some(tools.guard()), &cache, progress).await?.join(NODE.name);
        trial::namespaces(tools, &node).await?;
        if RUNTIME.iter().any(|program| find(program).is_none()) {
            install(progress).await?;
        }
        trial::container(tools, &node).await?;
        let built = go.ensure(&KUBELET, Some(tools.guard()), &cache, progress).await?;
        Ok(Self { node, kubelet: built.join(KUBELET.name), scheduler: built.join("kube-scheduler") })
    }
}

pub(super) fn no_node(reason: impl Into<String>) -> Error {
    Error::NoNode { reason: reason.into() }
}

/// A program on PATH.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Installs the container runtime.
async fn install(progress: Progress) -> Result<(), Error> {
    if find("apt-get").is_none() {
        let needed = RUNTIME.join(", ");
        return Err(no_node(format!(
            "{needed} are not all on PATH, and there is no apt-get to install them"
        )));
    }
    let packages = PACKAGES.join(" and ");
    let task = Task::start(progress, format!("installing the Debian packages {packages} with apt-get"));
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(PACKAGES);
    if apt_get(&install).await.is_err() {
        // Perhaps the lists are old, or there are none.
        let installed = match apt_get(&["update"]).await {
            Ok(()) => apt_get(&install).await,
            failed => failed,
        };
        installed.map_err(|reason| no_node(format!("{packages} cannot be installed: {reason}")))?;
    }
    task.done();
    match RUNTIME.iter().find(|program| find(program).is_none()) {
        Some(program) => Err(no_node(format!("{packages} are installed, and {program} is not on PATH"))),
        None => Ok(()),
    }
}

async fn apt_get(arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    let output = tokio::process::Command::from(command).output().await;
    let output = output.map_err(|error| format!("apt-get: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = words.lines().collect();
    let tail = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n");
    Err(format!("apt-get {} ended with {}:\n{tail}", arguments.join(" "), output.status))
}
