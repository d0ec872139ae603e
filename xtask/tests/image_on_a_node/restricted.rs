//! Under the strictest Pod Security Standard.

use std::process::Command;

use acr_end_to_end::eventually;
use acr_testbed::{ControlPlane, ControlPlaneOptions, Node, NodeOptions, NodeTools, Progress, Tools};
use serde_json::json;

use crate::{PATIENCE, REPOSITORY, TAG, archive};

#[tokio::test]
async fn containerd_imports_the_layout_and_the_kubelet_runs_it_as_restricted() {
    let folder = tempfile::tempdir().unwrap();
    let tools = Tools::ensure(Progress::Stderr).await.unwrap();
    let node_tools = NodeTools::ensure(&tools, Progress::Stderr).await.unwrap();
    let options = ControlPlaneOptions { nodes: true, ..ControlPlaneOptions::default() };
    let control_plane = ControlPlane::start(&tools, options).await.unwrap();
    let node = Node::start(&control_plane, &tools, &node_tools, NodeOptions::default()).await.unwrap();
    node.import(archive().await, Some(REPOSITORY)).await.unwrap();

    let kubectl = |arguments: &[&str]| {
        let mut command = Command::new(tools.kubectl());
        command.arg("--kubeconfig").arg(control_plane.admin_kubeconfig());
        let output = command.args(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), told, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let enforced = "pod-security.kubernetes.io/enforce=restricted";
    assert!(kubectl(&["create", "namespace", "strict"]).0);
    assert!(kubectl(&["label", "namespace", "strict", enforced]).0);
    // As the chart has it, but for what needs a network: the user is the image's own. What the containers end with is
    // told by no other program.
    let container = |name: &str, arguments: &[&str]| {
        json!({
            "name": name, "image": format!("{REPOSITORY}:{TAG}"), "imagePullPolicy": "Never", "args": arguments,
            "securityContext": {
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            },
        })
    };
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "helper", "namespace": "strict" },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [
                container("done", &["--version"]), container("no-input", &["config", "check", "/nowhere"]),
            ],
        },
    });
    let file = folder.path().join("pod.json");
    std::fs::write(&file, pod.to_string()).unwrap();
    let apply = ["apply", "--filename", file.to_str().unwrap()];
    // Its ServiceAccount is made a moment after the namespace.
    let applied = async || Ok(kubectl(&apply).0.then_some(()));
    eventually("the pod is taken", PATIENCE, applied).await.unwrap();
    let codes = "{.status.containerStatuses[*].state.terminated.exitCode}";
    let codes = ["get", "pod", "helper", "--namespace=strict", &format!("--output=jsonpath={codes}")];
    let ended = async || {
        let (_, told, _) = kubectl(&codes);
        Ok((told.split(' ').filter(|code| !code.is_empty()).count() == 2).then_some(told))
    };
    let ended = eventually("both containers have ended", PATIENCE, ended).await;
    let told = kubectl(&["describe", "pod", "helper", "--namespace=strict"]).1;
    // `no-input` after `done`: the order of names. 66 is the program's own word for an input that cannot be read.
    assert_eq!(ended.unwrap_or_default(), "0 66", "{told}");
}
