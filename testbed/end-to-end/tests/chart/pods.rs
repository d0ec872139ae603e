//! The pods that the chart makes are let in where the Pod Security Standard `restricted` is enforced.

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::site::{OWN, RELEASE, Site, chart, documents, helm_alone, said};

/// Enforces `restricted` in the namespace of the release.
async fn restrict(site: &Site) {
    let labels = json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
    let namespaces = site.api("v1", "Namespace", "").await;
    namespaces.patch(OWN, &PatchParams::default(), &Patch::Merge(&labels)).await.unwrap();
}

/// Waits until the newest ReplicaSet has a pod, or says why it has none. More come when the first is ready, which it never
/// is without a node.
async fn first_pod(site: &Site) -> Result<(), String> {
    site.until("the pods are made, or refused", async || {
        let deployment = site.deployment().await?;
        let status = &deployment["status"];
        if status["observedGeneration"] != deployment["metadata"]["generation"] {
            return None;
        }
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let failure = conditions.iter().find(|condition| condition["type"] == "ReplicaFailure");
        match failure {
            Some(failure) => Some(Err(failure["message"].as_str().unwrap_or_default().to_owned())),
            None => status["updatedReplicas"].as_u64().filter(|&pods| pods > 0).map(|_| Ok(())),
        }
    })
    .await
}

#[tokio::test]
async fn its_pods_pass_the_restricted_standard_and_one_on_the_network_of_the_host_does_not() {
    let site = Site::begin().await;
    restrict(&site).await;
    said(&site.install(&["--set=hostNetwork=true"]).await);
    let refused = first_pod(&site).await.unwrap_err();
    assert!(refused.contains("violates PodSecurity \"restricted:latest\": host namespaces"), "{refused}");
    said(&site.upgrade(&[]).await);
    first_pod(&site).await.unwrap();
    said(
        &site
            .upgrade(&["--set=replicas=3", "--set=extraCaConfigMap=ca", "--set=proxy.url=http://proxy:80"])
            .await,
    );
    first_pod(&site).await.unwrap();
    let budget = site.object("policy/v1", "PodDisruptionBudget", OWN, "aliyun-acr-credential-helper").await;
    assert_eq!(budget.unwrap()["spec"]["maxUnavailable"], 1);
}

#[tokio::test]
async fn the_pod_of_the_uninstall_passes_it_too() {
    let site = Site::begin().await;
    restrict(&site).await;
    let chart = chart();
    let arguments = ["template", RELEASE, &chart, "--namespace", OWN, "--show-only=templates/uninstall.yaml"];
    let hooks = documents(&said(&helm_alone(&arguments).await));
    let job = hooks.iter().find(|object| object["kind"] == "Job").unwrap();
    let pod = |change: &dyn Fn(&mut Value)| {
        let mut spec = job["spec"]["template"]["spec"].clone();
        // Its own is made by the hook.
        spec["serviceAccountName"] = json!("default");
        change(&mut spec);
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "generateName": "uninstall-" }, "spec": spec });
        serde_json::from_value(pod).unwrap()
    };
    let pods = site.api("v1", "Pod", OWN).await;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    site.until("the ServiceAccount of the namespace is made", async || {
        site.object("v1", "ServiceAccount", OWN, "default").await.map(drop)
    })
    .await;
    pods.create(&dry_run, &pod(&|_| {})).await.unwrap();
    let loose = pods.create(&dry_run, &pod(&|spec| spec["securityContext"] = json!({}))).await.unwrap_err();
    assert!(loose.to_string().contains("violates PodSecurity \"restricted:latest\""), "{loose}");
}
