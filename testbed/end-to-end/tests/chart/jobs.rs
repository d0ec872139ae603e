//! Jobs of hooks, played without a node.

use std::process::{Output, Stdio};

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::site::{OWN, Site, program};

/// Does what the controller of Jobs and a node would: runs the Job's container with the token of its ServiceAccount, and
/// writes down how it ended. `more` are arguments that count instead of its own.
pub(crate) async fn play(site: &Site, name: &str, more: &[&str]) -> Output {
    let job = site
        .until(&format!("the Job {name} is made"), async || site.object("batch/v1", "Job", OWN, name).await)
        .await;
    let pod = &job["spec"]["template"]["spec"];
    let account = pod["serviceAccountName"].as_str().unwrap();
    let token = site.control_plane.service_account_token(OWN, account, &[], 3600).await.unwrap();
    let kubeconfig = site.control_plane.kubeconfig_with_token(account, &token).unwrap();
    let arguments = pod["containers"][0]["args"].as_array().unwrap();
    let mut command = tokio::process::Command::new(program().await.path());
    let flag = |argument: &str| argument.split('=').next().unwrap().to_owned();
    let stays = |argument: &&str| !more.iter().any(|other| flag(other) == flag(argument));
    command.args(arguments.iter().map(|argument| argument.as_str().unwrap()).filter(stays));
    command.args(more).arg("--kubeconfig").arg(kubeconfig).stdin(Stdio::null()).kill_on_drop(true);
    for (variable, _) in std::env::vars_os() {
        command.env_remove(variable);
    }
    let output = command.env("POD_NAMESPACE", OWN).output().await.unwrap();
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let condition = |kind: &str| {
        json!({ "type": kind, "status": "True", "reason": "Played", "message": "by the test",
            "lastProbeTime": now, "lastTransitionTime": now })
    };
    // Servers from 1.31 want to know why a Job is complete, older ones refuse that.
    let version = site.client.apiserver_version().await.unwrap();
    let is_old = version.minor.trim_end_matches('+').parse::<u32>().unwrap() < 31;
    let status = if output.status.success() && is_old {
        json!({ "startTime": now, "completionTime": now, "succeeded": 1, "conditions": [condition("Complete")] })
    } else if output.status.success() {
        json!({ "startTime": now, "completionTime": now, "succeeded": 1,
            "conditions": [condition("SuccessCriteriaMet"), condition("Complete")] })
    } else {
        json!({ "startTime": now, "failed": 1, "conditions": [condition("FailureTarget"), condition("Failed")] })
    };
    let jobs = site.api("batch/v1", "Job", OWN).await;
    let patch = Patch::Merge(json!({ "status": status }));
    jobs.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    output
}
