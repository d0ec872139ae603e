//! Tools that keep ServiceAccounts as Git has them: met by few writes, told how to stop, and what docs/gitops.md tells
//! them to do, done.

use std::time::{Duration, Instant};

use acr_end_to_end::PULL_SECRET;
use futures::TryStreamExt;
use kube::api::{Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::scene::{ACME_BY_KEY, Scene};

/// The field manager of Flux.
const FLUX: &str = "kustomize-controller";

/// How often the component has patched ServiceAccounts of a namespace.
fn patches(scene: &Scene<'_>, space: &str) -> usize {
    let requests = scene.stage.requests().unwrap();
    let ours = |event: &&acr_testbed::AuditEvent| {
        event.namespace == space && event.resource == "serviceaccounts" && event.verb == "patch"
    };
    requests.iter().filter(ours).count()
}

/// Applies the `default` ServiceAccount as Git has it, by force, as Flux does (server-side apply).
async fn apply(scene: &Scene<'_>, space: &str, list: Option<&Value>) {
    let mut account = json!({ "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": "default", "labels": { "team": "shop" } } });
    if let Some(list) = list {
        account["imagePullSecrets"] = list.clone();
    }
    let accounts = scene.stage.accounts(space);
    accounts.patch("default", &PatchParams::apply(FLUX).force(), &Patch::Apply(&account)).await.unwrap();
}

#[tokio::test]
async fn someone_who_removes_our_entry_whenever_it_is_there_is_answered_later_and_later_and_told_how_to_stop()
{
    let mut scene = Scene::begin("gitops").await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    // Takes the list away as soon as a watch shows our name in it.
    let accounts = scene.stage.accounts(&space);
    let (removed, mut removals) = mpsc::unbounded_channel();
    let somebody = tokio::spawn(async move {
        let only = WatchParams::default().fields("metadata.name=default").timeout(290);
        let mut events = Box::pin(accounts.watch(&only, "0").await.unwrap());
        while let Ok(Some(event)) = events.try_next().await {
            let (WatchEvent::Added(account) | WatchEvent::Modified(account)) = event else { continue };
            if account.image_pull_secrets.unwrap_or_default().iter().any(|entry| entry.name == PULL_SECRET) {
                let nothing = Patch::Merge(json!({ "imagePullSecrets": null }));
                accounts.patch("default", &PatchParams::default(), &nothing).await.unwrap();
                removed.send(Instant::now()).unwrap();
            }
        }
    });
    scene.run().await;
    let mut times = Vec::new();
    while times.len() < 6 {
        times.push(removals.recv().await.unwrap());
    }
    // At once, then 1, 2, 4, 8 seconds: 15 at least for six, where a war would have thousands.
    let waits: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let least = [0, 1, 2, 4, 8].map(Duration::from_secs);
    assert!(waits.iter().zip(least).all(|(wait, least)| *wait >= least.mul_f64(0.9)), "{waits:?}");
    assert!(patches(&scene, &space) <= times.len(), "{}", patches(&scene, &space));

    let finding = scene.finding("EntryKeepsBeingRemoved").await;
    for remedy in
        ["- name: acr-credential-secret-aggregation", "RespectIgnoreDifferences=true", "ssa: IfNotPresent"]
    {
        assert!(finding.contains(remedy), "{finding}");
    }
    scene.event(&space, &format!("Namespace {space}"), "EntryKeepsBeingRemoved").await;
    let metrics = scene.component().metrics().await.unwrap();
    assert!(metrics.contains("acr_credential_helper_fights_total"), "{metrics}");
    // Peace.
    somebody.abort();
    scene.attached(&space, "default").await;
    scene.end().await;
}

#[tokio::test]
async fn what_is_written_into_git_as_documented_is_left_in_peace_by_both_sides() {
    let mut scene = Scene::begin("flux").await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;

    // Without a list in Git, the list is nobody's business but ours.
    apply(&scene, &space, None).await;
    apply(&scene, &space, None).await;
    assert!(scene.is_attached(&space, "default").await);

    // With one that lacks our name, every apply removes it.
    let theirs = json!([{ "name": "theirs" }]);
    apply(&scene, &space, Some(&theirs)).await;
    scene.attached(&space, "default").await;
    assert_eq!(scene.list(&space, "default").await, ["theirs", PULL_SECRET]);

    // With our name in it, wherever, both are content: no write of ours, and none of theirs that changes anything.
    let both = json!([{ "name": PULL_SECRET }, { "name": "theirs" }]);
    apply(&scene, &space, Some(&both)).await;
    let (account, writes) = (scene.account(&space, "default").await, patches(&scene, &space));
    for _ in 0..3 {
        apply(&scene, &space, Some(&both)).await;
    }
    // What comes after shows that nothing was to come before.
    scene.stage.create_account(&space, "web").await.unwrap();
    scene.configure(ACME_BY_KEY, &[&space], &[("service-account", "*")]).await;
    scene.attached(&space, "web").await;
    let after = scene.account(&space, "default").await;
    assert_eq!(after["metadata"]["resourceVersion"], account["metadata"]["resourceVersion"]);
    assert_eq!(patches(&scene, &space), writes + 1);
    scene.end().await;
}
