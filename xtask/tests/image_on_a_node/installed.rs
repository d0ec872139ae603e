//! The chart, installed on a node: its Deployment, its Service and the Jobs of its hooks are pods of the image.

use acr_end_to_end::{CONFIG_MAP, SERVICE_ACCOUNT, Stage};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};

use crate::site::{ACCOUNT, Cluster, OWN, SHOP, configure, counts, free_port, pulls_at_once, until};

/// Waits until the controller of Jobs has said that one of them is complete. helm has deleted the Job itself.
async fn is_done(stage: &Stage<'_>, job: &str) {
    let events: Api<Event> = Api::namespaced(stage.client().clone(), OWN);
    until(&format!("the Job {job} is complete"), async || {
        let list = events.list(&ListParams::default()).await.unwrap();
        let complete = |event: &Event| {
            let about = event.regarding.as_ref().and_then(|about| about.name.as_deref());
            about == Some(job) && event.reason.as_deref() == Some("Completed")
        };
        list.items.iter().any(complete).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_installed_serves_tries_its_policy_and_is_removed_by_pods_of_its_own() {
    let cluster = Cluster::start().await;
    let (port, webhook_port) = (free_port(), free_port());
    let values = format!("--set=port={port},webhook.port={webhook_port},hostNetwork=true");
    cluster.helm_chart("install", &[&values]).await;
    let stage = Stage::join(&cluster.control_plane, OWN).await.unwrap();
    let _images = cluster.serve_images(&stage).await;
    configure(&stage, "enable: true\nfailure-policy: Fail\n").await;
    let _service = cluster.lead_webhook(webhook_port).await;
    until("the pod is ready, as the kubelet says", async || {
        let (wanted, ready) = stage.replicas(OWN, SERVICE_ACCOUNT).await.unwrap();
        (wanted == ready).then_some(())
    })
    .await;
    stage.create_namespace(SHOP, &[]).await.unwrap();
    until("the webhook counts, by its Service", async || counts(&stage).await).await;
    pulls_at_once(&stage).await;

    // The policy takes over; the Job of the hook tries it.
    configure(&stage, "enable: true\nmode: policy\n").await;
    cluster.helm_chart("upgrade", &[&values]).await;
    is_done(&stage, "acr-credential-helper-try-policy").await;
    until("the policy counts", async || counts(&stage).await).await;
    let registrations: Api<MutatingWebhookConfiguration> = Api::all(stage.client().clone());
    until("the webhook is registered no more", async || {
        registrations.get_opt("acr-credential-helper").await.unwrap().is_none().then_some(())
    })
    .await;

    // The Job of the hook stops the Deployment, waits for its pod, and takes everything back.
    cluster.helm("uninstall", &[]).await;
    is_done(&stage, "acr-credential-helper-uninstall").await;
    assert_eq!(stage.list(SHOP, ACCOUNT).await.unwrap(), Some(vec![]));
    assert!(stage.pull_secret(SHOP).await.unwrap().is_none());
    let leases: Api<Lease> = Api::namespaced(stage.client().clone(), OWN);
    assert!(leases.get_opt("acr-credential-helper").await.unwrap().is_none());
    let secrets: Api<Secret> = Api::namespaced(stage.client().clone(), OWN);
    assert!(secrets.get_opt("acr-credential-helper-state").await.unwrap().is_none());
    let maps: Api<ConfigMap> = Api::namespaced(stage.client().clone(), OWN);
    assert!(maps.get_opt(CONFIG_MAP).await.unwrap().is_some(), "it is the user's");
    assert!(maps.get_opt("acr-credential-helper-scope").await.unwrap().is_none());
}
