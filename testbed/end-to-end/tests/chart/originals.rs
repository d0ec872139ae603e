//! A cluster in which the original is installed: nothing of it is overwritten.

use acr_testbed::apply_manifests;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::Value;

use crate::site::{OWN, RELEASE, Site, chart, complaint, documents, helm_alone, said};

/// The shape of the objects that the documentation of the original has published.
const ORIGINAL: &str = "
{apiVersion: v1, kind: ServiceAccount, metadata: {name: aliyun-acr-credential-helper, namespace: kube-system}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: aliyun-acr-credential-helper}
rules:
  - {apiGroups: [''], resources: [namespaces, configmaps], verbs: [get, list, watch]}
  - {apiGroups: [''], resources: [serviceaccounts, secrets], verbs: [create, update, patch, get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: aliyun-acr-credential-helper}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: aliyun-acr-credential-helper}
subjects: [{kind: ServiceAccount, name: aliyun-acr-credential-helper, namespace: kube-system}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: acr-configuration, namespace: kube-system}
data: {watch-namespace: all, acr-registry-info: '- instanceId: cri-acme0000000000'}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: aliyun-acr-credential-helper
  namespace: kube-system
  labels: {app: aliyun-acr-credential-helper}
spec:
  replicas: 1
  selector: {matchLabels: {app: aliyun-acr-credential-helper}}
  template:
    metadata: {labels: {app: aliyun-acr-credential-helper}}
    spec:
      serviceAccountName: aliyun-acr-credential-helper
      containers: [{name: aliyun-acr-credential-helper, image: 'original:1'}]
";

/// Its objects, by kind: all but the Deployment are to be left alone.
const LEFT_ALONE: [(&str, &str, &str, &str); 4] = [
    ("v1", "ServiceAccount", OWN, "aliyun-acr-credential-helper"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "", "aliyun-acr-credential-helper"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "aliyun-acr-credential-helper"),
    ("v1", "ConfigMap", OWN, "acr-configuration"),
];

async fn left_alone(site: &Site) -> Vec<Option<Value>> {
    let mut found = Vec::new();
    for (api_version, kind, namespace, name) in LEFT_ALONE {
        found.push(site.object(api_version, kind, namespace, name).await);
    }
    found
}

fn image(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["spec"]["containers"][0]["image"]
}

#[tokio::test]
async fn beside_the_original_it_refuses_and_after_it_uses_what_is_there() {
    let site = Site::begin().await;
    apply_manifests(&site.client, ORIGINAL).await.unwrap();
    let before = left_alone(&site).await;
    let words = complaint(&site.install(&[]).await);
    assert!(
        words.contains(
            "The Deployment kube-system/aliyun-acr-credential-helper exists and is not of this release"
        ),
        "{words}"
    );
    assert!(words.contains("Remove it first"), "{words}");
    assert_eq!(image(&site.deployment().await.unwrap()), "original:1");
    assert!(
        site.object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "acr-credential-helper")
            .await
            .is_none()
    );

    site.api("apps/v1", "Deployment", OWN)
        .await
        .delete("aliyun-acr-credential-helper", &DeleteParams::default())
        .await
        .unwrap();
    site.until("the Deployment is gone", async || site.deployment().await.is_none().then_some(())).await;
    let notes = said(&site.install(&[]).await);
    assert!(notes.contains("It gives the ServiceAccount more rights"), "{notes}");
    said(&site.upgrade(&["--set=replicas=1"]).await);
    assert_eq!(left_alone(&site).await, before);
    said(&site.helm("uninstall", &["--no-hooks"]).await);
    assert_eq!(left_alone(&site).await, before);
}

#[tokio::test]
async fn rights_for_a_process_outside_are_given_beside_the_original_and_its_deployment_follows_later() {
    let site = Site::begin().await;
    apply_manifests(&site.client, ORIGINAL).await.unwrap();
    let before = site.deployment().await.unwrap();
    // The admission policy would hold its pods, too: they have the same ServiceAccount.
    let words = complaint(&site.install(&["--set=placement=outside"]).await);
    assert!(words.contains("what they write would be refused"), "{words}");
    assert!(words.contains("--set admissionPolicy=false until it is gone"), "{words}");
    said(&site.install(&["--set=placement=outside", "--set=admissionPolicy=false"]).await);
    let words = complaint(&site.upgrade(&["--set=placement=outside"]).await);
    assert!(words.contains("--set admissionPolicy=false until it is gone"), "{words}");
    assert_eq!(site.deployment().await.unwrap()["metadata"]["uid"], before["metadata"]["uid"]);
    let words = complaint(&site.upgrade(&["--set=placement=in-cluster"]).await);
    assert!(words.contains("Remove it first"), "{words}");

    let deployments = site.api("apps/v1", "Deployment", OWN).await;
    deployments.delete("aliyun-acr-credential-helper", &DeleteParams::default()).await.unwrap();
    site.until("the Deployment is gone", async || site.deployment().await.is_none().then_some(())).await;
    said(&site.upgrade(&["--set=placement=outside"]).await);
    said(&site.upgrade(&["--set=placement=in-cluster"]).await);
    let deployment = site.deployment().await.unwrap();
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1, "{containers:?}");
}

#[tokio::test]
async fn taking_the_deployment_of_the_original_over_leaves_its_container_in_it_so_it_is_refused() {
    let site = Site::begin().await;
    apply_manifests(&site.client, ORIGINAL).await.unwrap();
    // helm's own way to take over what exists is refused by the chart, with the reason.
    let words = complaint(&site.install(&["--take-ownership"]).await);
    assert!(words.contains("is not of this release") && words.contains("docs/migration.md"), "{words}");

    // What it would come to: containers are merged by name, and nobody but its maker takes the original's away.
    let rendered = said(&helm_alone(&["template", RELEASE, &chart(), "--namespace", OWN]).await);
    let ours = documents(&rendered).into_iter().find(|object| object["kind"] == "Deployment").unwrap();
    let by_force = PatchParams::apply("helm").force();
    let deployments = site.api("apps/v1", "Deployment", OWN).await;
    // Even the selector, which cannot change, is the same: the apply succeeds, and says nothing.
    deployments.patch("aliyun-acr-credential-helper", &by_force, &Patch::Apply(&ours)).await.unwrap();
    let merged = site.deployment().await.unwrap();
    let containers = merged["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    let names: Vec<&str> = containers.iter().map(|container| container["name"].as_str().unwrap()).collect();
    assert!(
        names.contains(&"aliyun-acr-credential-helper") && names.contains(&"acr-credential-helper"),
        "{names:?}"
    );
}
