//! The managed edition: the program runs outside of the cluster, and the pods of the image that answer for it have a
//! certificate that the kubelet brings, and nothing else.

use acr_end_to_end::{Component, Program, RunOptions, Stage};
use acr_testbed::{Progress, Tools};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::site::{Cluster, OWN, SHOP, configure, counts, free_port, pulls_at_once, until};

const WEBHOOK: &str = "acr-credential-helper-webhook";

#[tokio::test(flavor = "multi_thread")]
async fn its_webhook_answers_from_a_pod_with_a_mounted_certificate_for_a_program_outside() {
    let cluster = Cluster::start().await;
    let port = free_port();
    cluster.helm_chart("install", &["--set=placement=outside", &format!("--set=webhook.port={port}")]).await;
    let stage = Stage::join(&cluster.control_plane, OWN).await.unwrap();
    let _images = cluster.serve_images(&stage).await;
    configure(&stage, "enable: true\nfailure-policy: Fail\n").await;
    let (tools, program) = (Tools::ensure(Progress::Stderr).await.unwrap(), Program::ensure().await.unwrap());
    let component = Component::start(&tools, &program, &stage, &RunOptions::default()).unwrap();
    let secrets: Api<Secret> = Api::namespaced(stage.client().clone(), OWN);
    until("the certificate is in the journal's Secret", async || {
        let secret = secrets.get_opt("acr-credential-helper-state").await.unwrap()?;
        secret.data?.contains_key("tls.crt").then_some(())
    })
    .await;
    // Pods of this node have no network of their own, and what is mounted anew is there at once.
    let deployments: Api<Deployment> = Api::namespaced(stage.client().clone(), OWN);
    let host = json!({ "spec": { "template": { "spec": { "hostNetwork": true } } } });
    deployments.patch(WEBHOOK, &PatchParams::default(), &Patch::Merge(host)).await.unwrap();
    let _service = cluster.lead_webhook(port).await;
    until("a pod listens, as the kubelet says", async || {
        let (_, ready) = stage.replicas(OWN, WEBHOOK).await.unwrap();
        (ready > 0).then_some(())
    })
    .await;
    stage.create_namespace(SHOP, &[]).await.unwrap();
    until("the webhook counts, by its Service", async || counts(&stage).await).await;
    pulls_at_once(&stage).await;
    assert!(component.terminate().await.unwrap().success());
}
