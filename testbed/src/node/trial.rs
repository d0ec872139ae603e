//! Trying what a node needs, in order to say early why a machine cannot be one.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::control_groups;
use super::tools::no_node;
use crate::error::Error;
use crate::folder::Folder;
use crate::guarded::{Guarded, clean_command, last_lines};
use crate::tools::Tools;

/// Lines of a failed trial that are shown.
const TAIL_LINES: usize = 10;

/// Runs nothing as the first process of a node: in namespaces, with mounts and control groups of its own.
pub(super) async fn namespaces(tools: &Tools, node: &Path) -> Result<(), Error> {
    let folder = Folder::create(false)?;
    let mut first = clean_command(node, folder.path());
    first.args(["first", "true"]);
    attempt(tools, &folder, &first).await.map_err(|reason| {
        let reason = reason.trim();
        no_node(format!("namespaces with mounts and control groups cannot be made: {reason}"))
    })
}

/// Runs a container that does nothing, below the first process of a node.
pub(super) async fn container(tools: &Tools, node: &Path) -> Result<(), Error> {
    let folder = Folder::create(false)?;
    let group = control_groups::name(&folder);
    let root = folder.path().join("root");
    for mount in ["proc", "dev"] {
        let target = root.join(mount);
        std::fs::create_dir_all(&target).map_err(Error::file("create", target))?;
    }
    let program = root.join("program");
    std::fs::copy(node, &program).map_err(Error::file("write", &program))?;
    let bundle = folder.path().join("config.json");
    std::fs::write(&bundle, container_of_nothing(&group).to_string())
        .map_err(Error::file("write", &bundle))?;

    let mut first = clean_command(node, folder.path());
    first.args(["first", "runc", "--root"]).arg(folder.path().join("runc"));
    first.args(["run", "--bundle"]).arg(folder.path()).arg("trial");
    attempt(tools, &folder, &first)
        .await
        .map_err(|reason| no_node(format!("no container can be run: {}", reason.trim())))
}

/// The configuration of the container (OCI runtime specification 1.0).
fn container_of_nothing(group: &str) -> Value {
    let namespaces = ["pid", "network", "ipc", "uts", "mount"].map(|kind| json!({ "type": kind }));
    json!({
        "ociVersion": "1.0.2",
        "process": { "user": { "uid": 0, "gid": 0 }, "args": ["/program", "nothing"], "cwd": "/" },
        "root": { "path": "root", "readonly": true },
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" },
        ],
        "linux": {
            "namespaces": namespaces,
            "cgroupsPath": format!("/{group}/trial"),
            "resources": { "memory": { "limit": 128 << 20 }, "pids": { "limit": 64 } },
        },
    })
}

/// Runs a command as a node would be run; the error is why that failed.
async fn attempt(tools: &Tools, folder: &Folder, first: &Command) -> Result<(), String> {
    let group = control_groups::name(folder);
    control_groups::create(&group)?;
    let log = folder.path().join("trial.log");
    let name = "the trial".to_owned();
    let remove = folder.remove_when_orphaned();
    let trial = Guarded::start_isolated(tools.guard(), name, first, log.clone(), remove, &group);
    let mut trial = trial.map_err(|error| error.to_string())?;
    match trial.wait().await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{} ({status})", last_lines(&log, TAIL_LINES))),
        Err(error) => Err(error.to_string()),
    }
}
