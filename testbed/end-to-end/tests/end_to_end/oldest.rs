//! The oldest Kubernetes that is tested, v1.30: the same program with the same rights, under the same policy.

use acr_end_to_end::{ACME, PULL_SECRET, uninstall};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::Api;

use crate::immediate::{counts, created_with, scene_with_webhook};
use crate::scene::{ACME_BY_KEY, Scene};
use crate::{oldest_control_plane, program};

#[tokio::test]
async fn an_old_server_is_served_and_left_without_a_trace() {
    let mut scene = Scene::begin_on(oldest_control_plane().await, "old", |_| {}).await;
    let version = scene.stage.client().apiserver_version().await.unwrap();
    assert_eq!(version.git_version, "v1.30.14");
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space, "old-later"], &[("service-account", "*")]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    // The watches go on without streaming lists, which this server refuses.
    scene.stage.create_account(&space, "web").await.unwrap();
    scene.attached(&space, "web").await;
    let later = scene.create_space("later").await;
    scene.served_with_acme(&later).await;
    scene.configure(ACME_BY_KEY, &[&space], &[("service-account", "*")]).await;
    scene.without_secret(&later).await;
    scene.detached(&later, "default").await;

    scene.stop().await;
    let output = uninstall(program().await, &scene.stage, &[]).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(scene.stage.pull_secret(&space).await.unwrap().is_none());
    for account in ["default", "web"] {
        assert!(scene.list(&space, account).await.is_empty());
    }
    let state = scene.stage.secrets(scene.stage.namespace()).get_opt("acr-credential-helper-state").await;
    assert!(state.unwrap().is_none());
    scene.end().await;
}

#[tokio::test]
async fn an_old_server_calls_the_webhook_for_what_is_in_scope() {
    let (mut scene, options) = scene_with_webhook(oldest_control_plane().await, "oldhook").await;
    let client = scene.stage.client().clone();
    let registrations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let space = scene.create_space("shop").await;
    let webhook = ("webhook-configuration", "enable: true\nfailure-policy: Fail");
    scene.configure(ACME_BY_KEY, &[&space], &[("service-account", "*"), webhook]).await;
    scene.run_with(&options).await;
    scene.until("the API server calls the webhook", async || counts(&client, &space).await).await;
    assert_eq!(created_with(&client, &space, "app", &["theirs"]).await, ["theirs", PULL_SECRET]);
    let outside = scene.create_space("outside").await;
    assert!(created_with(&client, &outside, "app", &[]).await.is_empty());
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene
        .until("the registration is gone", async || {
            registrations.get_opt("acr-credential-helper").await.unwrap().is_none().then_some(())
        })
        .await;
    scene.end().await;
}

#[tokio::test]
async fn an_old_server_has_no_policy_which_is_said_and_the_watch_serves() {
    let mut scene = Scene::begin_on(oldest_control_plane().await, "oldpolicy", |_| {}).await;
    let space = scene.create_space("shop").await;
    let policy = ("webhook-configuration", "enable: true\nmode: policy");
    scene.configure(ACME_BY_KEY, &[&space], &[policy]).await;
    scene.run().await;
    let message = scene.finding("PolicyUnsupported").await;
    assert!(message.contains("1.30") && message.contains("mode: webhook"), "{message}");
    scene.attached(&space, "default").await;
    scene.served(&space, ACME.hosts).await;
    // Nothing to try: the finding goes with the mode.
    scene.configure(ACME_BY_KEY, &[&space], &[("notify-email", "ops@acme.example")]).await;
    scene.mended("PolicyUnsupported").await;
    scene.end().await;
}
