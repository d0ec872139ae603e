//! The configuration files of a node.

use std::path::Path;

use serde_json::{Value, json};

/// The image that holds a pod's namespaces, and waits until it is told to end. Every node has it, no registry has.
pub const PAUSE_IMAGE: &str = "acr-testbed.invalid/pause:1";

/// containerd's own (`config.toml` of version 2, its documentation in `docs/cri/config.md`).
pub(super) fn containerd(folder: &Path, plugins: &Path) -> String {
    let path = |name: &str| quoted(&folder.join(name));
    // The native snapshotter copies, which small images can afford, and works on every file system.
    // Where CAP_SYS_RESOURCE is missing, runc dies of a lower score for the OOM killer. A profile of AppArmor would
    // stay in the kernel.
    format!(
        r#"version = 2
root = {root}
state = {state}

[grpc]
address = {socket}

[plugins."io.containerd.internal.v1.opt"]
path = {opt}

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
disable_apparmor = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {plugins}
conf_dir = {networks}

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = {registries}
"#,
        root = path("containerd"),
        state = path("containerd-state"),
        socket = path(super::SOCKET),
        opt = path("opt"),
        networks = path(super::NETWORKS),
        registries = path(super::REGISTRIES),
        plugins = quoted(plugins),
    )
}

/// The only network of pods (CNI specification, section 1).
pub(super) fn network() -> Value {
    json!({ "cniVersion": "1.0.0", "name": "acr-testbed", "plugins": [{ "type": "isolated" }] })
}

/// Where a registry really is (containerd's documentation, `docs/hosts.md`).
pub(super) fn hosts(url: &str) -> String {
    format!("server = \"{url}\"\n\n[host.\"{url}\"]\ncapabilities = [\"pull\", \"resolve\"]\n")
}

/// The kubelet's own (`kubelet.config.k8s.io/v1beta1`).
pub(super) fn kubelet(folder: &Path, control_group: &str, ports: [u16; 2]) -> Value {
    let path = |name: &str| folder.join(name).display().to_string();
    let [port, health] = ports;
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "127.0.0.1",
        "port": port,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": health,
        "authentication": { "anonymous": { "enabled": true }, "webhook": { "enabled": false } },
        "authorization": { "mode": "AlwaysAllow" },
        "containerRuntimeEndpoint": format!("unix://{}", path(super::SOCKET)),
        "podLogsDir": path("pods"),
        "volumePluginDir": path("volume-plugins"),
        // Pods look nothing up.
        "resolvConf": "/dev/null",
        "clusterDNS": ["127.0.0.1"],
        "failSwapOn": false,
        // Containers are kept below one control group of ours, and their use is nobody's concern.
        "failCgroupV1": false,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{control_group}"),
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": false,
        "oomScoreAdj": 0,
        // A full disk or memory is the machine's concern: no pod is evicted, no image removed for it.
        "evictionHard": {
            "memory.available": "1Mi", "nodefs.available": "1Mi", "nodefs.inodesFree": "1",
            "imagefs.available": "1Mi", "imagefs.inodesFree": "1",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    })
}

/// A string of TOML.
fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}
