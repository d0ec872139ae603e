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

/// Waits until a pod of the newest template is made. More come when the first is ready, which it never is without a node.
async fn let_in(site: &Site) {
    site.until("a pod is made", async || {
        let deployment = site.deployment().await?;
        let status = &deployment["status"];
        // Before, the count is that of an older template.
        let is_current = status["observedGeneration"] == deployment["metadata"]["generation"];
        (is_current && status["updatedReplicas"].as_u64() > Some(0)).then_some(())
    })
    .await;
}

/// Waits until the pod is refused, and gives the reason.
async fn refusal(site: &Site) -> String {
    site.until("the pod is refused", async || {
        let deployment = site.deployment().await?;
        let conditions = deployment.pointer("/status/conditions")?.as_array()?;
        let failure = conditions.iter().find(|condition| condition["type"] == "ReplicaFailure")?;
        failure["message"].as_str().map(str::to_owned)
    })
    .await
}

#[tokio::test]
async fn its_pods_pass_the_restricted_standard_and_one_on_the_network_of_the_host_does_not() {
    let site = Site::begin().await;
    restrict(&site).await;
    said(&site.install(&["--set=hostNetwork=true"]).await);
    let refused = refusal(&site).await;
    assert!(refused.contains("violates PodSecurity \"restricted:latest\": host namespaces"), "{refused}");
    said(&site.upgrade(&[]).await);
    let_in(&site).await;
    said(
        &site
            .upgrade(&["--set=replicas=3", "--set=extraCaConfigMap=ca", "--set=proxy.url=http://proxy:80"])
            .await,
    );
    let_in(&site).await;
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
