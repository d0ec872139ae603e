//! What leaves the scope is cleaned, and an uninstall undoes everything; what was never ours stays.

use acr_end_to_end::{ACME, PULL_SECRET, uninstall};
use acr_testbed::AuditEvent;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PatchParams};
use serde_json::json;

use crate::scene::{ACME_BY_KEY, PARTNER_BY_KEY, Scene};
use crate::{control_plane, program, turn};

#[tokio::test]
async fn what_leaves_the_scope_is_detached_first_and_its_secret_deleted_last() {
    let mut scene = Scene::begin("shrink").await;
    let (stays, leaves) = (scene.create_space("stays").await, scene.create_space("leaves").await);
    let outside = scene.create_space("outside").await;
    // A reference that a user wrote where nothing was ever served is the user's.
    let theirs = json!([{ "name": "theirs" }, { "name": PULL_SECRET }]);
    scene.create_account_with(&outside, "web", &theirs).await;
    for account in ["web", "app"] {
        scene.create_account_with(&leaves, account, &json!([{ "name": "theirs" }])).await;
    }
    scene.configure(ACME_BY_KEY, &[&stays, &leaves], &[("service-account", "*")]).await;
    scene.run().await;
    for space in [&stays, &leaves] {
        scene.served_with_acme(space).await;
    }
    scene.attached(&leaves, "web").await;
    scene.attached(&leaves, "app").await;

    let before = scene.request_count();
    scene.configure(ACME_BY_KEY, &[&stays], &[("service-account", "*")]).await;
    scene.without_secret(&leaves).await;
    scene.audited(before, 1, |event| event.namespace == leaves && event.verb == "delete").await;
    let events = scene.requests_since(before);
    // A list with foreign entries is read once more, because the patch has to name all of it.
    let is_write = |event: &&AuditEvent| event.namespace == leaves && event.verb != "get";
    let writes: Vec<&str> = events.iter().filter(is_write).map(|event| event.verb.as_str()).collect();
    assert_eq!(writes, ["patch", "patch", "patch", "delete"]);
    for account in ["web", "app"] {
        assert_eq!(scene.list(&leaves, account).await, ["theirs"]);
    }
    assert!(scene.list(&leaves, "default").await.is_empty());

    // One account leaves the scope.
    scene.stage.create_account(&stays, "web").await.unwrap();
    scene.attached(&stays, "web").await;
    scene.configure(ACME_BY_KEY, &[&stays], &[("service-account", "web")]).await;
    scene.detached(&stays, "default").await;
    scene.attached(&stays, "web").await;
    scene.served(&stays, ACME.hosts).await;
    assert_eq!(scene.account(&outside, "web").await["imagePullSecrets"], theirs);
    scene.end().await;
}

#[tokio::test]
async fn an_explicit_empty_list_is_a_shrink_of_everything() {
    let mut scene = Scene::begin("empty").await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    scene.configure("[]", &[&space], &[]).await;
    scene.without_secret(&space).await;
    scene.detached(&space, "default").await;
    // And back again, from the beginning.
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.served_with_acme(&space).await;
    scene.end().await;
}

#[tokio::test]
async fn an_instance_that_leaves_takes_its_hosts_with_it() {
    let mut scene = Scene::begin("instance").await;
    let (both, one) = (scene.create_space("both").await, scene.create_space("one").await);
    let narrow = format!("{ACME_BY_KEY}{PARTNER_BY_KEY}  namespaces: [\"*-both\"]\n");
    scene.configure(&narrow, &[&both, &one], &[]).await;
    scene.run().await;
    scene.served_with_acme(&one).await;
    let mut hosts: Vec<&str> = ACME.hosts.to_vec();
    hosts.extend(acr_end_to_end::PARTNER.hosts);
    hosts.sort_unstable();
    scene.served(&both, &hosts).await;
    scene.configure(ACME_BY_KEY, &[&both, &one], &[]).await;
    let served = scene.served(&both, ACME.hosts).await;
    assert_eq!(scene.served_now(&one).await, Some(served));
    scene.attached(&both, "default").await;
    scene.end().await;
}

#[tokio::test]
async fn a_namespace_that_opts_out_by_its_label_is_cleaned() {
    let mut scene = Scene::begin("optout").await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(scene.stage.client().clone());
    let label = |value: serde_json::Value| {
        kube::api::Patch::Merge(
            json!({ "metadata": { "labels": { "acr-credential-helper/ignore": value } } }),
        )
    };
    namespaces.patch(&space, &PatchParams::default(), &label(json!("true"))).await.unwrap();
    scene.without_secret(&space).await;
    scene.detached(&space, "default").await;
    namespaces.patch(&space, &PatchParams::default(), &label(json!(null))).await.unwrap();
    scene.served_with_acme(&space).await;
    scene.end().await;
}

#[tokio::test]
async fn an_uninstall_refuses_while_the_lease_is_live_and_undoes_everything_afterwards() {
    // An uninstall takes the Secrets with our mark out of every namespace: it gets a cluster for itself.
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let mut scene = Scene::begin_on(&control_plane, "gone", |_| {}).await;
    let (space, outside) = (scene.create_space("shop").await, scene.create_space("outside").await);
    let theirs = json!([{ "name": PULL_SECRET }]);
    scene.create_account_with(&outside, "web", &theirs).await;
    scene.create_account_with(&space, "web", &json!([{ "name": "a" }, { "name": "b" }])).await;
    scene.configure(ACME_BY_KEY, &[&space], &[("service-account", "*")]).await;
    scene.run().await;
    let served = scene.served_with_acme(&space).await;
    scene.attached(&space, "web").await;

    let refused = uninstall(program().await, &scene.stage, &[]).await.unwrap();
    assert_eq!(refused.status.code(), Some(75), "{refused:?}");
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("nothing was touched") && words.contains("kubectl"), "{words}");
    assert_eq!(scene.served_now(&space).await, Some(served));
    scene.attached(&space, "default").await;

    scene.stop().await;
    let done = uninstall(program().await, &scene.stage, &[]).await.unwrap();
    assert!(done.status.success(), "{done:?}");
    assert!(scene.list(&space, "default").await.is_empty());
    assert_eq!(scene.list(&space, "web").await, ["a", "b"]);
    assert!(scene.stage.pull_secret(&space).await.unwrap().is_none());
    let namespace = scene.stage.namespace();
    let journal = scene.stage.secrets(namespace).get_opt("acr-credential-helper-state").await.unwrap();
    assert!(journal.is_none());
    let leases: Api<Lease> = Api::namespaced(scene.stage.client().clone(), namespace);
    assert!(leases.get_opt("acr-credential-helper").await.unwrap().is_none());
    assert_eq!(scene.account(&outside, "web").await["imagePullSecrets"], theirs);
    scene.end().await;
}

#[tokio::test]
async fn a_component_that_is_asked_to_end_gives_the_lease_back_and_leaves_what_it_wrote() {
    let mut scene = Scene::begin("ended").await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    let served = scene.served_with_acme(&space).await;
    scene.stop().await;
    let leases: Api<Lease> = Api::namespaced(scene.stage.client().clone(), scene.stage.namespace());
    let lease = leases.get("acr-credential-helper").await.unwrap();
    assert_eq!(lease.spec.unwrap().holder_identity.unwrap_or_default(), "");
    assert_eq!(scene.served_now(&space).await, Some(served));
    scene.attached(&space, "default").await;
    scene.end().await;
}
