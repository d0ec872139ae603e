//! What users ask for by annotations of the ConfigMap: to hold everything still, and to renew what is held.

use std::collections::BTreeMap;

use acr_end_to_end::{ACME, CONFIG_MAP, secret_login};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::scene::{ACME_BY_KEY, Scene};

/// Sets annotations of our prefix, or takes them away.
async fn annotate(scene: &Scene<'_>, annotations: &[(&str, Option<&str>)]) {
    let named: BTreeMap<String, Option<&str>> =
        annotations.iter().map(|(name, value)| (format!("acr-credential-helper/{name}"), *value)).collect();
    let maps: Api<ConfigMap> = Api::namespaced(scene.stage.client().clone(), scene.stage.namespace());
    let patch = Patch::Merge(json!({ "metadata": { "annotations": named } }));
    maps.patch(CONFIG_MAP, &PatchParams::default(), &patch).await.unwrap();
}

/// The password that the pull secret of a namespace holds.
async fn password(scene: &Scene<'_>, space: &str) -> String {
    let secret = scene.stage.pull_secret(space).await.unwrap().unwrap();
    secret_login(space, &secret, ACME.public_host).unwrap().unwrap().password.expose_secret().to_owned()
}

#[tokio::test]
async fn a_pause_holds_newcomers_and_renewals_until_it_ends_also_across_a_restart() {
    let mut scene = Scene::begin("pause").await;
    let (space, later) = (scene.create_space("shop").await, scene.create_space("later").await);
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    let before = password(&scene, &space).await;

    annotate(&scene, &[("pause", Some("true"))]).await;
    let paused = scene.finding("Paused").await;
    assert!(paused.contains("the first login ends 2"), "{paused}");
    // The edit is read, and the request to renew is heard: both wait.
    annotate(&scene, &[("rotate", Some("monday"))]).await;
    scene.configure(ACME_BY_KEY, &[&space, &later], &[]).await;
    scene
        .until("the newcomer is known", async || {
            let status = scene.component().status().await.ok()?;
            (status["service_accounts"]["pending"] == 1).then_some(())
        })
        .await;
    scene.stop().await;
    scene.run().await;
    scene.finding("Paused").await;
    assert!(scene.list(&later, "default").await.is_empty());
    assert_eq!((scene.logins(), password(&scene, &space).await), (1, before.clone()));

    annotate(&scene, &[("pause", None)]).await;
    scene.mended("Paused").await;
    scene.served_with_acme(&later).await;
    assert_eq!(scene.logins(), 2, "the login is renewed once");
    assert_ne!(password(&scene, &later).await, before);
    scene.end().await;
}

#[tokio::test]
async fn another_word_renews_the_login_in_every_namespace_and_who_is_unknown_is_said() {
    let mut scene = Scene::begin("rotate").await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    let before = password(&scene, &space).await;
    let account = scene.account(&space, "default").await["metadata"]["resourceVersion"].clone();

    annotate(&scene, &[("rotate.cri-nobody", Some("monday"))]).await;
    let unknown = scene.finding("RotateUnknown").await;
    assert!(unknown.contains(ACME.id), "{unknown}");
    annotate(&scene, &[("rotate.cri-nobody", None), (&format!("rotate.{}", ACME.id), Some("monday"))]).await;
    scene
        .until("a new login is published", async || (password(&scene, &space).await != before).then_some(()))
        .await;
    assert_eq!(scene.logins(), 2);
    assert_eq!(scene.account(&space, "default").await["metadata"]["resourceVersion"], account);
    scene.end().await;
}
