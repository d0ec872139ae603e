//! Immediate use: what is created names the pull secret before anybody could have patched it.

use std::net::{Ipv4Addr, TcpListener};

use acr_end_to_end::{Component, PULL_SECRET, RunOptions};
use acr_testbed::ControlPlane;
use futures::StreamExt;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, ServiceAccount};
use kube::api::{Api, DeleteParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::scene::{ACME_BY_KEY, Scene};
use crate::{control_plane, program, tools, turn};

/// How many namespaces are made without waiting for anything, and how many of them at once.
const NAMESPACES: usize = 1_000;
const AT_ONCE: usize = 8;

/// An address of its own for the webhook of a component.
fn free_address() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A scene whose component the API server may call.
async fn scene_with_webhook<'a>(control_plane: &'a ControlPlane, name: &str) -> (Scene<'a>, RunOptions) {
    let scene = Scene::begin_on(control_plane, name, |_| {}).await;
    let address = free_address();
    let url = format!("https://{address}");
    scene.stage.is_reached_at(&url).await.unwrap();
    let arguments = ["--webhook-listen", &address, "--webhook-url", &url].map(str::to_owned).to_vec();
    (scene, RunOptions { arguments, ..RunOptions::default() })
}

/// What a creation is answered with: the list as the API server has stored it.
async fn created_with(client: &Client, namespace: &str, name: &str, list: &[&str]) -> Vec<String> {
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
    scene
        .until("the API server calls the webhook", async || {
            let probe = json!({ "metadata": { "generateName": "probe-" } });
            let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
            let dry = PostParams { dry_run: true, ..PostParams::default() };
            let made = accounts.create(&dry, &serde_json::from_value(probe).unwrap()).await.ok()?;
            made.image_pull_secrets.map(drop)
        })
        .await;

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
    scene
        .until("the policy counts", async || {
            let probe = json!({ "metadata": { "generateName": "probe-" } });
            let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
            let dry = PostParams { dry_run: true, ..PostParams::default() };
            let made = accounts.create(&dry, &serde_json::from_value(probe).unwrap()).await.unwrap();
            made.image_pull_secrets.map(drop)
        })
        .await;

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

#[tokio::test]
async fn every_replica_answers_and_an_update_that_drops_our_name_is_mended_by_the_watch() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let (mut scene, leading) = scene_with_webhook(&control_plane, "both").await;
    let client = scene.stage.client().clone();
    let fail = [
        ("service-account", "*"),
        ("webhook-configuration", "enable: true\nfailure-policy: Fail\ntimeout-seconds: 1"),
    ];
    scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &["both-shop"], &fail).await;
    scene.run_with(&leading).await;
    let first = scene.take_component();
    let probe = async || {
        let account = json!({ "metadata": { "generateName": "probe-" } });
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "both-shop");
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        accounts
            .create(&dry, &serde_json::from_value(account).unwrap())
            .await
            .ok()?
            .image_pull_secrets
            .map(drop)
    };
    scene.until("the API server calls the webhook", probe).await;
    assert_eq!(created_with(&client, "both-shop", "app", &[]).await, [PULL_SECRET]);

    // What `kubectl apply` of a manifest with its own list does.
    let theirs = json!({ "imagePullSecrets": [{ "name": "theirs" }] });
    scene.merge_account("both-shop", "app", &theirs).await;
    scene
        .until("our name is back, behind theirs", async || {
            (scene.list("both-shop", "app").await == ["theirs", PULL_SECRET]).then_some(())
        })
        .await;

    // The second replica serves with the certificate that the first one made, at the same address once that is free.
    scene.start(&leading).await;
    first.kill().unwrap();
    scene.until("the second replica answers", probe).await;
    assert_eq!(scene.component().status().await.unwrap()["leading"], false);
    assert_eq!(created_with(&client, "both-shop", "later", &[]).await, [PULL_SECRET]);
    scene.end().await;
}

#[tokio::test]
async fn certificates_change_without_one_refused_service_account() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let (mut scene, mut options) = scene_with_webhook(&control_plane, "rotation").await;
    // Renewed after 40 s, served 3 s later, and the former authority is forgotten after 3 s more.
    options.arguments.extend(["--certificate-life", "60"].map(str::to_owned));
    let client = scene.stage.client().clone();
    let registrations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let authorities = async || {
        let found = registrations.get_opt("acr-credential-helper").await.unwrap()?;
        let bundle = found.webhooks?.first()?.client_config.ca_bundle.clone()?;
        let text = String::from_utf8(bundle.0).ok()?;
        Some((text.matches("BEGIN CERTIFICATE").count(), text))
    };
    scene.create_space("shop").await;
    let fail = [
        ("service-account", "*"),
        ("webhook-configuration", "enable: true\nfailure-policy: Fail\ntimeout-seconds: 5"),
    ];
    scene.configure(ACME_BY_KEY, &["rotation-shop"], &fail).await;
    scene.run_with(&options).await;
    let (_, first) = scene.until("the webhook is registered", authorities).await;
    scene
        .until("the API server calls the webhook", async || {
            let account = json!({ "metadata": { "generateName": "probe-" } });
            let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "rotation-shop");
            let dry = PostParams { dry_run: true, ..PostParams::default() };
            accounts
                .create(&dry, &serde_json::from_value(account).unwrap())
                .await
                .ok()?
                .image_pull_secrets
                .map(drop)
        })
        .await;
    let (mut made, mut both) = (0, false);
    scene
        .until("another authority alone is trusted", async || {
            // `Fail`: each of them would be refused by a certificate that is not trusted.
            assert_eq!(
                created_with(&client, "rotation-shop", &format!("app-{made}"), &[]).await,
                [PULL_SECRET]
            );
            made += 1;
            let (count, text) = authorities().await?;
            both |= count == 2;
            (count == 1 && text != first).then_some(())
        })
        .await;
    assert!(both && made > 100, "{both} {made}");
    scene.end().await;
}

#[tokio::test]
async fn outside_of_the_cluster_a_program_without_any_right_answers() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let mut scene = Scene::begin_on(&control_plane, "apart", |_| {}).await;
    let client = scene.stage.client().clone();
    let address = free_address();
    let url = format!("https://{address}");
    scene.stage.is_reached_at(&url).await.unwrap();
    let fail = [("service-account", "*"), ("webhook-configuration", "enable: true\nfailure-policy: Fail")];
    scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &["apart-shop"], &fail).await;
    // The component itself serves nothing: it registers the URL, and keeps the certificate.
    let arguments = ["--webhook-url", &url].map(str::to_owned).to_vec();
    scene.run_with(&RunOptions { arguments, ..RunOptions::default() }).await;

    // What the kubelet does with the two keys of the Secret that the pod mounts.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_string_lossy();
    let arguments = ["--listen", &address, "--certificate-folder", &path];
    let mut answering =
        Component::start_webhook(tools().await, program().await, &scene.stage, &arguments).unwrap();
    let members = scene
        .until("the certificate is in the journal's Secret", async || {
            let secret = scene
                .stage
                .secrets(scene.stage.namespace())
                .get_opt("acr-credential-helper-state")
                .await
                .unwrap()?;
            let mut data = secret.data?;
            Some([("tls.crt", data.remove("tls.crt")?), ("tls.key", data.remove("tls.key")?)])
        })
        .await;
    for (name, bytes) in &members {
        std::fs::write(folder.path().join(name), &bytes.0).unwrap();
    }
    scene
        .until("the API server is answered", async || {
            let account = json!({ "metadata": { "generateName": "probe-" } });
            let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "apart-shop");
            let dry = PostParams { dry_run: true, ..PostParams::default() };
            accounts
                .create(&dry, &serde_json::from_value(account).unwrap())
                .await
                .ok()?
                .image_pull_secrets
                .map(drop)
        })
        .await;
    assert_eq!(created_with(&client, "apart-shop", "app", &[]).await, [PULL_SECRET]);
    answering.check_alive().unwrap();
    assert!(answering.terminate().await.unwrap().success());
    scene.end().await;
}

#[tokio::test]
async fn the_registration_of_another_installation_is_reported_and_left_alone() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let (mut scene, options) = scene_with_webhook(&control_plane, "second").await;
    let registrations: Api<MutatingWebhookConfiguration> = Api::all(scene.stage.client().clone());
    let theirs = json!({
        "metadata": { "name": "acr-credential-helper" },
        "webhooks": [{
            "name": "serviceaccounts.acr-credential-helper.io",
            "clientConfig": { "service": { "namespace": "elsewhere", "name": "acr-credential-helper-webhook" } },
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "failurePolicy": "Ignore",
        }],
    });
    let theirs =
        registrations.create(&PostParams::default(), &serde_json::from_value(theirs).unwrap()).await.unwrap();
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[("webhook-configuration", "enable: true")]).await;
    scene.run_with(&options).await;
    assert!(scene.finding("AnotherInstance").await.contains("elsewhere"));
    // The watch serves all the same.
    scene.served_with_acme(&space).await;
    scene.attached(&space, "default").await;
    // Nor is it deleted when the mode is turned off.
    scene.configure(ACME_BY_KEY, &[&space], &[("notify-email", "ops@acme.example")]).await;
    scene.mended("AnotherInstance").await;
    let found = registrations.get("acr-credential-helper").await.unwrap();
    assert_eq!(found.metadata.resource_version, theirs.metadata.resource_version);
    scene.end().await;
}
