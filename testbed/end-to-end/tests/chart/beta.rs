//! The policy of `mode: policy` for servers 1.34 and 1.35, which have it in `v1beta1` where that API is turned on.

use acr_end_to_end::would_be_attached;
use acr_testbed::apply_manifests;
use serde_json::{Value, json};

use crate::site::{OWN, RELEASE, Site, chart, complaint, documents, helm_alone, said, tools};

const SERVED: &str = "--api-versions=admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy";

/// What the chart renders for a server of this version, in the order of Helm.
async fn template(values: &[&str]) -> std::process::Output {
    let chart = chart();
    helm_alone(&[&["template", RELEASE, &chart, "--namespace", OWN], values].concat()).await
}

/// The versions of the policy and of its binding.
fn versions(objects: &[Value]) -> Vec<&Value> {
    let of_policy = |object: &&Value| object["kind"].as_str().unwrap().starts_with("MutatingAdmission");
    objects.iter().filter(of_policy).map(|object| &object["apiVersion"]).collect()
}

#[tokio::test]
async fn a_server_of_the_beta_gets_policy_and_binding_in_its_version_and_one_without_it_none() {
    let on = "--set=mutatingPolicy=true";
    let beta = json!("admissionregistration.k8s.io/v1beta1");
    for version in ["--kube-version=1.34.0", "--kube-version=1.35.2"] {
        let words = complaint(&template(&[version, on]).await);
        assert!(words.contains("the server has no MutatingAdmissionPolicy"), "{words}");
        let objects = documents(&said(&template(&[version, SERVED, on]).await));
        assert_eq!(versions(&objects), [&beta, &beta], "{version}");
        // Nobody has asked for it.
        assert_eq!(versions(&documents(&said(&template(&[version, SERVED]).await))), [&json!(null); 0]);
    }
    let objects = documents(&said(&template(&["--kube-version=1.36.0", SERVED, on]).await));
    let stable = json!("admissionregistration.k8s.io/v1");
    assert_eq!(versions(&objects), [&stable, &stable]);
}

#[tokio::test]
async fn the_policy_of_the_beta_attaches_a_new_service_account() {
    let beta = ["--runtime-config=admissionregistration.k8s.io/v1beta1=true"];
    let site = Site::begin_with(tools().await, &beta).await;
    let namespaces = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: other}}";
    apply_manifests(&site.client, namespaces).await.unwrap();
    let values = ["--kube-version=1.35.2", SERVED, "--set=mutatingPolicy=true"];
    let only = "--show-only=templates/mutating-policy.yaml";
    let rendered = said(&template(&[&values[..], &[only]].concat()).await);
    apply_manifests(&site.client, &rendered).await.unwrap();
    let probe = async |namespace: &str| {
        would_be_attached(&site.client, namespace, json!({ "generateName": "probe-" })).await
    };
    assert!(!probe("shop").await, "there is no scope");
    // As the component writes it.
    let scope = "
apiVersion: v1
kind: ConfigMap
metadata: {name: acr-credential-helper-scope, namespace: kube-system}
data:
  {namespaces: shop, service-accounts: '^(?:.*)$', excluded-namespaces: '', entries: '', namespace-selector: ''}
";
    apply_manifests(&site.client, scope).await.unwrap();
    site.until("the policy attaches", async || probe("shop").await.then_some(())).await;
    assert!(!probe("other").await);
}
