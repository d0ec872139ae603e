//! Immediate use: what is created names the pull secret before anybody could have patched it.

use std::net::{Ipv4Addr, TcpListener};

use acr_end_to_end::{PULL_SECRET, RunOptions, failure_policy, would_be_attached};
use acr_testbed::ControlPlane;
use futures::StreamExt;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, ServiceAccount};
use kube::api::{Api, DeleteParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::scene::{ACME_BY_KEY, Scene};
use crate::{control_plane, turn};

/// How many namespaces are made without waiting for anything, and how many of them at once.
const NAMESPACES: usize = 1_000;
const AT_ONCE: usize = 8;

/// An address of its own for the webhook of a component.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A scene whose component the API server may call.
pub(crate) async fn scene_with_webhook<'a>(
    control_plane: &'a ControlPlane,
    name: &str,
) -> (Scene<'a>, RunOptions) {
    let scene = Scene::begin_on(control_plane, name, |_| {}).await;
    let address = free_address();
    let url = format!("https://{address}");
    scene.stage.is_reached_at(&url).await.unwrap();
    let arguments = ["--webhook-listen", &address, "--webhook-url", &url].map(str::to_owned).to_vec();
    (scene, RunOptions { arguments, ..RunOptions::default() })
}

/// What a creation is answered with: the list as the API server has stored it.
pub(crate) async fn created_with(client: &Client, namespace: &str, name: &str, list: &[&str]) -> Vec<String> {
    let list: Vec<_> = list.iter().map(|name| json!({ "name": name })).collect();
    let mut account = json!({ "metadata": { "name": name } });
    if !list.is_empty() {
        account["imagePullSecrets"] = list.into();
    }
    let account: ServiceAccount = serde_json::from_value(account).unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let made = accounts.create(&PostParams::default(), &account).await.unwrap();
    made.image_pull_secrets.unwrap_or_default().into_iter().map(|entry| entry.name).collect()
}

/// Whether a ServiceAccount that is made now, and not stored, gets our name.
pub(crate) async fn counts(client: &Client, namespace: &str) -> Option<()> {
    would_be_attached(client, namespace, json!({ "generateName": "probe-" })).await.then_some(())
}

/// Whether new ServiceAccounts in scope are refused where nobody answers.
pub(crate) async fn fails(client: &Client) -> Option<()> {
    (failure_policy(client).await.as_deref() == Some("Fail")).then_some(())
}

/// Makes namespaces, and in each at once a ServiceAccount and a pod of it; gives the namespaces whose pod did not get our
/// name, which it never would.
async fn late_ones(client: &Client, prefix: &str) -> Vec<String> {
    let one = async |place: usize| {
        let name = format!("{prefix}-{place}");
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        namespaces.create(&PostParams::default(), &namespace).await.unwrap();
        created_with(client, &name, "app", &[]).await;
        let pod = json!({
            "metadata": { "name": "first" },
            "spec": { "serviceAccountName": "app", "containers": [{ "name": "app", "image": "example.com/app" }] },
        });
        let pods: Api<Pod> = Api::namespaced(client.clone(), &name);
        let made = pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
        let list = made.spec.unwrap().image_pull_secrets.unwrap_or_default();
        (list.iter().map(|entry| &entry.name).ne([PULL_SECRET])).then_some(name)
    };
    let all = futures::stream::iter((0..NAMESPACES).map(one)).buffer_unordered(AT_ONCE);
    all.filter_map(async |late| late).collect().await
}

#[tokio::test]
async fn a_webhook_serves_what_is_created_before_anybody_waits_and_goes_when_it_is_turned_off() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let (mut scene, options) = scene_with_webhook(&control_plane, "hook").await;
    let client = scene.stage.client().clone();
    let registrations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let on = [("watch-namespace", "all"), ("exclude-namespace", "hook-not-*"), ("service-account", "*")];
    let with = |webhook: &'static str| [on[0], on[1], on[2], ("webhook-configuration", webhook)];
    scene.configure(ACME_BY_KEY, &[], &with("enable: true\nfailure-policy: Fail")).await;
    scene.run_with(&options).await;
    scene
        .until("the webhook is registered", async || {
            registrations.get_opt("acr-credential-helper").await.unwrap()
        })
        .await;
    scene.until("the API server calls the webhook", async || counts(&client, "default").await).await;

    assert_eq!(late_ones(&client, "hook-at-once").await, [""; 0]);
    scene.stage.create_namespace("hook-list", &[]).await.unwrap();
    assert_eq!(created_with(&client, "hook-list", "listed", &["theirs"]).await, ["theirs", PULL_SECRET]);
    assert_eq!(created_with(&client, "hook-list", "ours", &[PULL_SECRET]).await, [PULL_SECRET]);
    scene.stage.create_namespace("hook-not-this", &[]).await.unwrap();
    assert!(created_with(&client, "hook-not-this", "app", &[]).await.is_empty());
    scene.stage.create_namespace("hook-ignored", &[("acr-credential-helper/ignore", "true")]).await.unwrap();
    assert!(created_with(&client, "hook-ignored", "app", &[]).await.is_empty());

    // Somebody removes it: it comes back.
    registrations.delete("acr-credential-helper", &DeleteParams::default()).await.unwrap();
    scene
        .until("the webhook is registered again", async || {
            registrations.get_opt("acr-credential-helper").await.unwrap()
        })
        .await;

    // Turned off, live.
    scene.configure(ACME_BY_KEY, &[], &on).await;
    scene
        .until("the registration is gone", async || {
            registrations.get_opt("acr-credential-helper").await.unwrap().is_none().then_some(())
        })
        .await;
    scene.end().await;
}

#[tokio::test]
async fn a_policy_serves_what_is_created_before_anybody_waits() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let mut scene = Scene::begin_on(&control_plane, "policy", |_| {}).await;
    scene.stage.has_mutating_policy().await.unwrap();
    let client = scene.stage.client().clone();
    let parameters: Api<ConfigMap> = Api::namespaced(client.clone(), scene.stage.namespace());
    let on = [("watch-namespace", "all"), ("exclude-namespace", "policy-not-*"), ("service-account", "*")];
    let with = [on[0], on[1], on[2], ("webhook-configuration", "enable: true\nmode: policy")];
    scene.configure(ACME_BY_KEY, &[], &with).await;
    scene.run().await;
    scene.until("the policy counts", async || counts(&client, "default").await).await;

    assert_eq!(late_ones(&client, "policy-at-once").await, [""; 0]);
    scene.stage.create_namespace("policy-list", &[]).await.unwrap();
    assert_eq!(created_with(&client, "policy-list", "listed", &["theirs"]).await, ["theirs", PULL_SECRET]);
    assert_eq!(created_with(&client, "policy-list", "ours", &[PULL_SECRET]).await, [PULL_SECRET]);
    scene.stage.create_namespace("policy-not-this", &[]).await.unwrap();
    assert!(created_with(&client, "policy-not-this", "app", &[]).await.is_empty());
    scene
        .stage
        .create_namespace("policy-ignored", &[("acr-credential-helper/ignore", "true")])
        .await
        .unwrap();
    assert!(created_with(&client, "policy-ignored", "app", &[]).await.is_empty());

    // Parameters that somebody damaged do not stop anybody from making ServiceAccounts, and are mended.
    let damage = json!({ "data": { "namespaces": null, "service-accounts": "(" } });
    let patch = kube::api::Patch::Merge(damage);
    parameters
        .patch("acr-credential-helper-scope", &kube::api::PatchParams::default(), &patch)
        .await
        .unwrap();
    created_with(&client, "policy-list", "while-damaged", &[]).await;
    scene.attached("policy-list", "while-damaged").await;
    scene
        .until("the parameters are mended", async || {
            let found = parameters.get("acr-credential-helper-scope").await.unwrap();
            found.data.unwrap_or_default().get("namespaces").is_some_and(|names| names == "*").then_some(())
        })
        .await;

    scene.configure(ACME_BY_KEY, &[], &on).await;
    scene
        .until("the parameters are gone", async || {
            parameters.get_opt("acr-credential-helper-scope").await.unwrap().is_none().then_some(())
        })
        .await;
    // Without them it is the watch that serves.
    assert!(created_with(&client, "policy-list", "later", &[]).await.is_empty());
    scene.attached("policy-list", "later").await;
    assert!(
        parameters
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .iter()
            .all(|map| map.name_any() != "acr-credential-helper-scope")
    );
    scene.end().await;
}
