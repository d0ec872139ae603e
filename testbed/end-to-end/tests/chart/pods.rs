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
async fn the_pods_of_the_hooks_and_of_the_webhook_outside_pass_it_too() {
    const POLICY_MODE: &str = "--set-json=webhook-configuration={\"enable\":true,\"mode\":\"policy\"}";
    let site = Site::begin().await;
    restrict(&site).await;
    let pods = site.api("v1", "Pod", OWN).await;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    site.until("the ServiceAccount of the namespace is made", async || {
        site.object("v1", "ServiceAccount", OWN, "default").await.map(drop)
    })
    .await;
    for (file, kind, values) in [
        ("uninstall", "Job", &[][..]),
        ("policy-trial", "Job", &["--set=acr-registry-info=[]", POLICY_MODE, "--kube-version=1.36.0"]),
        ("webhook", "Deployment", &["--set=placement=outside"]),
    ] {
        let (chart, show) = (chart(), format!("--show-only=templates/{file}.yaml"));
        let arguments = ["template", RELEASE, &chart, "--namespace", OWN, &show];
        let rendered = documents(&said(&helm_alone(&[&arguments[..], values].concat()).await));
        let workload = rendered.iter().find(|object| object["kind"] == kind).unwrap();
        let pod = |change: &dyn Fn(&mut Value)| {
            let mut spec = workload["spec"]["template"]["spec"].clone();
            // Its own comes with the rest of the chart.
            spec["serviceAccountName"] = json!("default");
            // Written in octal digits, which YAML 1.2 takes for decimal ones.
            if let Some(mode) = spec.pointer_mut("/volumes/0/secret/defaultMode") {
                *mode = json!(0o440);
            }
            change(&mut spec);
            let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "generateName": "tried-" }, "spec": spec });
            serde_json::from_value(pod).unwrap()
        };
        pods.create(&dry_run, &pod(&|_| {})).await.unwrap();
        let loose = pods.create(&dry_run, &pod(&|spec| spec["securityContext"] = json!({}))).await;
        let refused = loose.unwrap_err().to_string();
        assert!(refused.contains("violates PodSecurity \"restricted:latest\""), "{file}: {refused}");
    }
}
