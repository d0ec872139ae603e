//! A node of a cluster: containerd, kubelet and scheduler, in namespaces that go with their owner.

mod configuration;
mod control_groups;
mod tools;
mod trial;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::api::Api;

use crate::control_plane::{ControlPlane, NODE_NAME};
use crate::error::Error;
use crate::folder::Folder;
use crate::guarded::{Guarded, clean_command};
use crate::image::SmallImage;
use crate::ports::Port;
use crate::tools::Tools;

pub use configuration::PAUSE_IMAGE;
pub use tools::NodeTools;

/// The socket of containerd, in the node's folder.
const SOCKET: &str = "containerd.sock";
/// Where containerd finds the network of pods.
const NETWORKS: &str = "networks";
/// Where containerd finds where registries are.
const REGISTRIES: &str = "registries";
/// The namespace of containerd that the kubelet's images and containers are in.
const CONTAINERD_NAMESPACE: &str = "k8s.io";
/// Time between two questions whether something is ready.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How a node is to be started.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Keep the folder with images and logs at the end, and say where it is.
    pub keep: bool,
    /// How long each part may take to become ready.
    pub deadline: Duration,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self { keep: false, deadline: Duration::from_mins(2) }
    }
}

/// A running node, ready for pods. Dropping it ends its pods and servers and removes its folder.
///
/// containerd and the kubelet run in a process and a mount namespace: when the first process there ends, the kernel
/// kills all others, containers among them, and lets go of their mounts. Pods have no network but their own `lo`.
#[derive(Debug)]
pub struct Node {
    // Dropped in this order: clients first, the folder when nobody is left in it.
    scheduler: Option<Guarded>,
    kubelet: Option<Guarded>,
    containerd: Option<Guarded>,
    tools: NodeTools,
    folder: Folder,
    ports: [Port; 2],
}

impl Node {
    /// Starts a node of a control plane that was started for [nodes](crate::ControlPlaneOptions::nodes), and waits
    /// until pods can run on it. A control plane has one node.
    pub async fn start(
        control_plane: &ControlPlane,
        tools: &Tools,
        node_tools: &NodeTools,
        options: NodeOptions,
    ) -> Result<Self, Error> {
        let mut starting = Self {
            scheduler: None,
            kubelet: None,
            containerd: None,
            tools: node_tools.clone(),
            folder: Folder::create(options.keep)?,
            ports: [Port::claim()?, Port::claim()?],
        };
        let started = starting.start_parts(control_plane, tools, options.deadline).await;
        if started.is_err() {
            starting.folder.keep_logs();
        }
        started.map(|()| starting)
    }

    async fn start_parts(
        &mut self,
        control_plane: &ControlPlane,
        tools: &Tools,
        deadline: Duration,
    ) -> Result<(), Error> {
        let group = control_groups::name(&self.folder);
        self.write_configuration(&group)?;
        let [scheduler, kubelet] = control_plane.kubeconfigs_of_node()?;

        let mut first = clean_command(&self.tools.node, self.folder.path());
        first.args(["first", "containerd", "--config"]).arg(self.path("containerd.toml"));
        control_groups::create(&group).map_err(|reason| Error::NoNode { reason })?;
        let remove = self.folder.remove_when_orphaned();
        let (name, log) = ("containerd".to_owned(), self.path("containerd.log"));
        let containerd = Guarded::start_isolated(tools.guard(), name, &first, log, remove, &group)?;
        let first = containerd.process_id();
        self.containerd = Some(containerd);
        self.wait_for("containerd", deadline, async |node| node.ctr(&["version"]).await.map(drop)).await?;
        self.import_pause_image().await?;

        // Into the namespaces of the first process.
        let mut command = clean_command(Path::new(tools::NAMESPACE_ENTRY), self.folder.path());
        command.arg(format!("--target={first}")).args(["--pid", "--mount", "--"]).arg(&self.tools.kubelet);
        command.arg(format!("--config={}", self.path("kubelet.json").display()));
        command.arg(format!("--kubeconfig={}", kubelet.display()));
        command.arg(format!("--root-dir={}", self.path("kubelet").display()));
        command.arg(format!("--cert-dir={}", self.path("certificates").display()));
        command.arg(format!("--hostname-override={NODE_NAME}"));
        self.kubelet = Some(self.launch(tools, "kubelet", &command)?);

        let mut command = clean_command(&self.tools.scheduler, self.folder.path());
        command.arg(format!("--kubeconfig={}", scheduler.display()));
        command.args(["--leader-elect=false", "--secure-port=0"]);
        self.scheduler = Some(self.launch(tools, "kube-scheduler", &command)?);

        let nodes: Api<NodeObject> = Api::all(control_plane.admin()?);
        self.wait_for("kubelet", deadline, async |_| {
            let node = nodes.get(NODE_NAME).await.map_err(|error| error.to_string())?;
            takes_pods(&node)
        })
        .await
    }

    fn launch(&self, tools: &Tools, name: &str, command: &std::process::Command) -> Result<Guarded, Error> {
        let log = self.path(&format!("{name}.log"));
        let remove = self.folder.remove_when_orphaned();
        Guarded::start_below(tools.guard(), name.to_owned(), command, log, remove)
    }

    fn write_configuration(&self, control_group: &str) -> Result<(), Error> {
        let write = |name: &str, content: String| {
            let path = self.path(name);
            std::fs::write(&path, content).map_err(Error::file("write", &path))
        };
        for folder in [NETWORKS, REGISTRIES] {
            let folder = self.path(folder);
            std::fs::create_dir(&folder).map_err(Error::file("create", &folder))?;
        }
        let plugins = self.tools.node.parent().unwrap_or(Path::new("/"));
        write("containerd.toml", configuration::containerd(self.folder.path(), plugins))?;
        write(&format!("{NETWORKS}/pods.conflist"), configuration::network().to_string())?;
        let ports = self.ports.each_ref().map(Port::number);
        write("kubelet.json", configuration::kubelet(self.folder.path(), control_group, ports).to_string())
    }

    async fn import_pause_image(&self) -> Result<(), Error> {
        let archive = self.path("pause.tar");
        let image = SmallImage::of_program(&self.program()?, &["wait"], "pause\n");
        std::fs::write(&archive, image.oci_archive(configuration::PAUSE_IMAGE))
            .map_err(Error::file("write", &archive))?;
        self.import(&archive, None).await
    }

    /// Imports the images of an archive (OCI image layout, as tar): each under the name that the archive gives it, or
    /// under `repository` where it gives a tag alone.
    pub async fn import(&self, archive: &Path, repository: Option<&str>) -> Result<(), Error> {
        let archive = archive.display().to_string();
        let repository = repository.map(|repository| format!("--base-name={repository}"));
        let mut import = vec!["images", "import", "--snapshotter=native"];
        import.extend(repository.as_deref());
        import.push(&archive);
        self.ctr(&import)
            .await
            .map(drop)
            .map_err(|reason| Error::Start { name: "containerd".to_owned(), reason })
    }

    /// A program for images: called with the argument `wait` it waits until it is told to end. It needs no other file.
    pub fn program(&self) -> Result<Vec<u8>, Error> {
        std::fs::read(&self.tools.node).map_err(Error::file("read", &self.tools.node))
    }

    /// Leads the name of a registry to a URL, plain HTTP, from the next pull on.
    pub fn lead(&self, host: &str, url: &str) -> Result<(), Error> {
        let folder = self.path(REGISTRIES).join(host);
        std::fs::create_dir_all(&folder).map_err(Error::file("create", &folder))?;
        let file = folder.join("hosts.toml");
        std::fs::write(&file, configuration::hosts(url)).map_err(Error::file("write", &file))
    }

    /// Says which part has ended by itself, if any.
    pub fn check_alive(&mut self) -> Result<(), Error> {
        for part in [&mut self.containerd, &mut self.kubelet, &mut self.scheduler].into_iter().flatten() {
            if let Some(status) = part.try_wait()? {
                return Err(Error::Died {
                    name: part.name().to_owned(),
                    status,
                    log: part.log().to_owned(),
                    tail: part.log_tail(),
                });
            }
        }
        Ok(())
    }

    /// The private folder, with the logs of all parts.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends the pods and the servers and removes the folder, unless it was to be kept.
    pub fn stop(mut self) -> Result<(), Error> {
        for part in [&mut self.scheduler, &mut self.kubelet, &mut self.containerd] {
            if let Some(mut part) = part.take() {
                part.kill()?;
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the client of containerd.
    async fn ctr(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = clean_command(Path::new("ctr"), self.folder.path());
        command.arg("--address").arg(self.path(SOCKET)).args(["--namespace", CONTAINERD_NAMESPACE]);
        command.args(["--connect-timeout", "1s"]).args(arguments).stdin(Stdio::null());
        let mut command = tokio::process::Command::from(command);
        let output = command.kill_on_drop(true).output().await.map_err(|error| format!("ctr: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }

    async fn wait_for(
        &mut self,
        name: &str,
        deadline: Duration,
        ready: impl AsyncFn(&Self) -> Result<(), String>,
    ) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            self.check_alive()?;
            let Err(last) = ready(self).await else { return Ok(()) };
            if started.elapsed() > deadline {
                let log = self.path(&format!("{name}.log"));
                let tail = crate::guarded::last_lines(&log, 20);
                return Err(Error::NotReady { name: name.to_owned(), waited: deadline, last, log, tail });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

/// Whether the scheduler would put a pod on this node; if not, why.
fn takes_pods(node: &NodeObject) -> Result<(), String> {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
    match ready {
        Some(ready) if ready.status == "True" => {}
        Some(ready) => return Err(ready.message.clone().unwrap_or_default()),
        None => return Err("it has told no condition yet".to_owned()),
    }
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    if taints.is_empty() { Ok(()) } else { Err(format!("its taints are {taints:?}")) }
}
