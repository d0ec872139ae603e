//! The ConfigMap `acr-configuration`: written where the values have a configuration, and never over anybody's edit.

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::site::{OWN, Site, complaint, said};

const CONSOLE: [&str; 2] =
    ["--set=AcrInstanceInfo[0].instanceId=cri-acme0000000000", "--set=watchNamespace=shop"];

async fn data(site: &Site) -> Value {
    site.config_map().await.unwrap()["data"].clone()
}

async fn edit(site: &Site, key: &str, text: &str) {
    let maps = site.api("v1", "ConfigMap", OWN).await;
    let change = Patch::Merge(json!({ "data": { key: text } }));
    maps.patch("acr-configuration", &PatchParams::default(), &change).await.unwrap();
}

#[tokio::test]
async fn what_the_values_say_is_written_and_what_somebody_edits_since_stays() {
    let site = Site::begin().await;
    said(&site.install(&CONSOLE).await);
    let parameters: Value =
        serde_json::from_str(data(&site).await["add-on-parameters"].as_str().unwrap()).unwrap();
    assert_eq!(
        parameters,
        json!({ "AcrInstanceInfo": [{ "instanceId": "cri-acme0000000000" }], "watchNamespace": "shop" })
    );

    // Nobody has edited it: the values count.
    said(&site.upgrade(&[CONSOLE[0], "--set=watchNamespace=all"]).await);
    assert!(data(&site).await["add-on-parameters"].as_str().unwrap().contains("\"all\""));
    said(&site.upgrade(&CONSOLE).await);

    let edited = r#"{"AcrInstanceInfo":[],"watchNamespace":"mine"}"#;
    edit(&site, "add-on-parameters", edited).await;
    // The same values, another replica.
    said(&site.upgrade(&[&CONSOLE[..], &["--set=replicas=1"]].concat()).await);
    assert_eq!(data(&site).await, json!({ "add-on-parameters": edited }));
    assert_eq!(site.deployment().await.unwrap()["spec"]["replicas"], 1);
    // Other values.
    let words = complaint(&site.upgrade(&[CONSOLE[0], "--set=watchNamespace=all"]).await);
    assert!(words.contains("acr-configuration was edited since this release wrote it"), "{words}");
    assert_eq!(data(&site).await, json!({ "add-on-parameters": edited }));
    // The edit, taken into the values.
    said(&site.upgrade(&["--set-json=AcrInstanceInfo=[]", "--set=watchNamespace=mine"]).await);

    // No configuration in the values any more: the ConfigMap is left as it is.
    let (before, uid) = (data(&site).await, site.config_map().await.unwrap()["metadata"]["uid"].clone());
    said(&site.upgrade(&[]).await);
    said(&site.upgrade(&["--set=replicas=3"]).await);
    assert_eq!(site.config_map().await.unwrap()["metadata"]["uid"], uid);
    assert_eq!(data(&site).await, before);
    // A rollback writes what stood there then, so it is refused.
    let words = complaint(&site.helm("rollback", &["1", "--no-hooks"]).await);
    assert!(
        words.contains("conflict occurred while applying object kube-system/acr-configuration"),
        "{words}"
    );
    assert_eq!(data(&site).await, before);
    said(&site.upgrade(&[]).await);
    let kept = data(&site).await;
    said(&site.helm("uninstall", &["--no-hooks"]).await);
    let left = site.config_map().await.unwrap();
    assert_eq!((&left["data"], &left["metadata"]["uid"]), (&kept, &uid));
    // And back.
    said(&site.install(&[]).await);
    let left = site.config_map().await.unwrap();
    assert_eq!((&left["data"], &left["metadata"]["uid"]), (&kept, &uid));
}

#[tokio::test]
async fn a_config_map_that_a_user_made_is_used_and_never_touched() {
    let site = Site::begin().await;
    let maps = site.api("v1", "ConfigMap", OWN).await;
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "acr-configuration" },
        "data": { "watch-namespace": "theirs" } });
    maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await.unwrap();
    let before = site.config_map().await;

    let words = complaint(&site.install(&CONSOLE).await);
    assert!(
        words.contains("a ConfigMap kube-system/acr-configuration exists that this release has not made"),
        "{words}"
    );
    assert!(words.contains("leave the configuration out of the values to keep it"), "{words}");
    let notes = said(&site.install(&[]).await);
    assert!(!notes.contains("It serves nothing yet"), "{notes}");
    let words = complaint(&site.upgrade(&CONSOLE).await);
    assert!(words.contains("exists that this release has not made"), "{words}");
    // Not even with the right to take things over.
    let words = complaint(&site.upgrade(&[&CONSOLE[..], &["--take-ownership"]].concat()).await);
    assert!(words.contains("exists that this release has not made"), "{words}");
    said(&site.upgrade(&["--set=replicas=1"]).await);
    said(&site.helm("uninstall", &["--no-hooks"]).await);
    assert_eq!(site.config_map().await, before);

    maps.delete("acr-configuration", &DeleteParams::default()).await.unwrap();
    let notes = said(&site.install(&[]).await);
    assert!(notes.contains("It serves nothing yet"), "{notes}");
}
