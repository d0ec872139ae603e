//! The move from the original and back, step by step as docs/migration.md tells it: no moment without a login that pulls.

use std::sync::Arc;

use acr_end_to_end::{ACME, PULL_SECRET};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams};

use crate::immediate::{counts, fails, scene_with_webhook};
use crate::original::{MANAGER, Original, Witness};
use crate::scene::{ACME_BY_KEY, Scene};
use crate::{control_plane, turn};

const TAKEOVER: (&str, &str) = ("takeover", "true");

async fn secret(scene: &Scene<'_>, space: &str) -> Secret {
    scene.stage.pull_secret(space).await.unwrap().unwrap()
}

/// Whether the logins in the Secret are those of a manager.
fn is_of(secret: &Secret, manager: &str) -> bool {
    let fields = secret.metadata.managed_fields.iter().flatten();
    let mut owners = fields.filter(|entry| {
        entry.fields_v1.as_ref().is_some_and(|fields| fields.0.to_string().contains("f:.dockerconfigjson"))
    });
    owners.any(|entry| entry.manager.as_deref() == Some(manager))
}

async fn until_of(scene: &Scene<'_>, space: &str, manager: &str) {
    scene
        .until(&format!("the Secret is of {manager}"), async || {
            is_of(&secret(scene, space).await, manager).then_some(())
        })
        .await;
}

#[tokio::test]
async fn from_the_original_to_this_and_back_every_version_of_the_secret_pulls() {
    let mut scene = Scene::begin("migrate").await;
    let images = Arc::new(scene.images(ACME).await);
    images.push(&scene.stage, "team/app", "v1").await.unwrap();
    let (space, trial) = (scene.create_space("shop").await, scene.create_space("trial").await);
    let original = Original::start(&scene, &images, &space).await;
    scene.attached(&space, "default").await;
    scene.until("the original has written", async || scene.stage.pull_secret(&space).await.unwrap()).await;
    let witness = Witness::of(&scene, images.clone(), &space).await;

    // 1. The identity, in a namespace where nobody else is. Nothing of the original is touched.
    let before = secret(&scene, &space).await;
    scene.configure(ACME_BY_KEY, &[&trial], &[]).await;
    scene.run().await;
    scene.served_with_acme(&trial).await;
    assert_eq!(secret(&scene, &space).await.resource_version(), before.resource_version());

    // 2. The whole scope, still without takeover: adopted once, given back, and said. No war.
    scene.configure(ACME_BY_KEY, &[&trial, &space], &[]).await;
    let finding = scene.finding("AdoptedSecretTakenBack").await;
    assert!(finding.contains(MANAGER) && finding.contains("takeover"), "{finding}");
    scene.event(&space, &format!("Namespace {space}"), "AdoptedSecretTakenBack").await;
    until_of(&scene, &space, MANAGER).await;
    let given_back = secret(&scene, &space).await;
    // What comes after it shows that nothing was to come before.
    scene.stage.create_account(&space, "web").await.unwrap();
    scene.configure(ACME_BY_KEY, &[&trial, &space], &[("service-account", "*")]).await;
    scene.attached(&space, "web").await;
    assert_eq!(secret(&scene, &space).await.resource_version(), given_back.resource_version());

    // 3. Takeover, while the original still runs: both write, later and later, and both logins pull.
    scene.configure(ACME_BY_KEY, &[&trial, &space], &[TAKEOVER]).await;
    let finding = scene.finding("PullSecretKeepsBeingChanged").await;
    assert!(finding.contains(MANAGER) && finding.contains("docs/migration.md"), "{finding}");
    scene.mended("AdoptedSecretTakenBack").await;

    // 4. The original goes. What it has written stays until it is written over.
    drop(original);
    until_of(&scene, &space, "acr-credential-helper").await;
    let served = scene.served(&space, ACME.hosts).await;
    let ours = secret(&scene, &space).await;
    assert_eq!(ours.annotations()["acr-credential-helper/adopted"], "true");
    assert_eq!(scene.list(&space, "default").await, [PULL_SECRET]);

    // 5. Takeover has done its work.
    scene.configure(ACME_BY_KEY, &[&trial, &space], &[("service-account", "*")]).await;
    scene.stage.create_account(&space, "later").await.unwrap();
    scene.attached(&space, "later").await;
    assert_eq!(scene.served_now(&space).await.as_ref(), Some(&served));
    assert_eq!(secret(&scene, &space).await.uid(), before.uid());

    // And back: this one stops, without an uninstall, and the original is there again.
    scene.stop().await;
    let original = Original::start(&scene, &images, &space).await;
    until_of(&scene, &space, MANAGER).await;
    // Whoever forgets to keep this one stopped is told.
    scene.run().await;
    scene.finding("AdoptedSecretTakenBack").await;
    assert!(is_of(&secret(&scene, &space).await, MANAGER));
    drop(original);
    assert!(witness.versions() >= 6, "{}", witness.versions());
    witness.swears();
    scene.end().await;
}

#[tokio::test]
async fn from_outside_it_takes_over_beside_the_original_and_passes_on_to_the_pods_without_a_write() {
    let mut scene = Scene::begin("nogap").await;
    let images = Arc::new(scene.images(ACME).await);
    images.push(&scene.stage, "team/app", "v1").await.unwrap();
    let space = scene.create_space("shop").await;
    let original = Original::start(&scene, &images, &space).await;
    scene.attached(&space, "default").await;
    scene.until("the original has written", async || scene.stage.pull_secret(&space).await.unwrap()).await;
    let witness = Witness::of(&scene, images.clone(), &space).await;

    // The program outside, with takeover; then the original goes.
    scene.configure(ACME_BY_KEY, &[&space], &[TAKEOVER]).await;
    scene.run().await;
    scene.finding("PullSecretKeepsBeingChanged").await;
    drop(original);
    until_of(&scene, &space, "acr-credential-helper").await;
    scene.served_with_acme(&space).await;

    // The pods look on until the program outside ends.
    let outside = scene.take_component();
    scene.run().await;
    assert_eq!(scene.component().status().await.unwrap()["leading"], false);
    let before = secret(&scene, &space).await;
    assert!(outside.terminate().await.unwrap().success());
    scene.configure(ACME_BY_KEY, &[&space], &[TAKEOVER, ("service-account", "*")]).await;
    scene.stage.create_account(&space, "later").await.unwrap();
    scene.attached(&space, "later").await;
    assert_eq!(scene.component().status().await.unwrap()["leading"], true);
    assert_eq!(secret(&scene, &space).await.resource_version(), before.resource_version());
    assert_eq!(scene.logins(), 1);
    witness.swears();
    scene.end().await;
}

#[tokio::test]
async fn on_the_way_back_the_webhook_is_turned_off_first_and_nobody_is_refused_for_want_of_an_answer() {
    // The registration is of the whole cluster.
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let (mut scene, options) = scene_with_webhook(&control_plane, "back").await;
    let client = scene.stage.client().clone();
    let registrations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let images = Arc::new(scene.images(ACME).await);
    images.push(&scene.stage, "team/app", "v1").await.unwrap();
    let space = scene.create_space("shop").await;
    let all = ("service-account", "*");
    let on = [all, ("webhook-configuration", "enable: true\nfailure-policy: Fail")];
    scene.configure(ACME_BY_KEY, &[&space], &on).await;
    scene.run_with(&options).await;
    scene.served_with_acme(&space).await;
    let witness = Witness::of(&scene, images.clone(), &space).await;
    scene.until("the API server calls the webhook", async || counts(&client, &space).await).await;
    scene.until("it is relied on", async || fails(&client).await).await;

    // Scaled to 0 with the webhook on: this is why it is turned off first.
    scene.stop().await;
    let refused = scene.stage.create_account(&space, "early").await;
    assert!(refused.is_err_and(|error| error.to_string().contains("failed calling webhook")));
    scene.run_with(&options).await;

    // 1. Off, and gone.
    scene.configure(ACME_BY_KEY, &[&space], &[all, ("webhook-configuration", "enable: false")]).await;
    scene
        .until("the registration is gone", async || {
            registrations.get_opt("acr-credential-helper").await.unwrap().is_none().then_some(())
        })
        .await;
    assert!(is_of(&secret(&scene, &space).await, "acr-credential-helper"), "logins stay");
    // 2. Scaled to 0. Every API server may have to hear first that there is no registration any more.
    scene.stop().await;
    scene
        .until("ServiceAccounts are made again", async || {
            scene.stage.create_account(&space, "later").await.ok()
        })
        .await;
    // 3. The other one is at work, and pulls.
    let original = Original::start(&scene, &images, &space).await;
    until_of(&scene, &space, MANAGER).await;
    // 4. What `helm uninstall --no-hooks` leaves.
    let own = scene.stage.secrets(scene.stage.namespace());
    own.delete("acr-credential-helper-state", &DeleteParams::default()).await.unwrap();
    scene.stage.create_account(&space, "last").await.unwrap();
    assert!(registrations.get_opt("acr-credential-helper").await.unwrap().is_none());
    drop(original);
    witness.swears();
    scene.end().await;
}
