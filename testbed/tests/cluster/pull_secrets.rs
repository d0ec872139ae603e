//! Pull secrets and journal: created only if absent, replaced only if exactly the one that was observed.

use acr_controller::names::{FIELD_MANAGER, PULL_SECRET};
use acr_controller::observation::{Answer, Refusal};
use acr_controller::operation::{Operation, Precondition};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ResourceQuota, Secret};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{cluster, document, done, eventually, namespace, payload, refusal, secret, shared_control_plane};

const FIRST: &str = r#"{"auths":{}}"#;
const SECOND: &str = r#"{"auths":{"r.example":{}}}"#;

fn apply(namespace: &str, precondition: Precondition, text: &str) -> Operation {
    Operation::ApplyPullSecret {
        namespace: namespace.to_owned(),
        precondition,
        payload: payload(text),
        adopted: false,
    }
}

fn exactly(uid: &str, resource_version: u64) -> Precondition {
    Precondition::Exactly { uid: uid.to_owned(), resource_version }
}

#[tokio::test]
async fn a_pull_secret_is_created_only_where_there_is_none() {
    let control_plane = shared_control_plane().await;
    let client = namespace(control_plane, "create-once").await;
    let cluster = cluster(control_plane).await;
    let (uid, version) = done(cluster.carry_out(apply("create-once", Precondition::Absent, FIRST)).await);
    let made = secret(&client, "create-once", PULL_SECRET).await;
    assert_eq!((made.uid().unwrap(), made.resource_version().unwrap()), (uid, version.to_string()));
    assert_eq!(made.type_.as_deref(), Some("kubernetes.io/dockerconfigjson"));
    assert_eq!(made.labels()["app.kubernetes.io/managed-by"], "acr-credential-helper");

    let again = cluster.carry_out(apply("create-once", Precondition::Absent, SECOND)).await;
    assert_eq!(refusal(again), Refusal::LostRace);
    assert_eq!(document(&secret(&client, "create-once", PULL_SECRET).await), FIRST);
}

#[tokio::test]
async fn a_foreign_secret_of_the_name_is_never_overwritten_by_a_creation() {
    let control_plane = shared_control_plane().await;
    let client = namespace(control_plane, "foreign").await;
    let foreign: Secret = serde_json::from_value(json!({
        "metadata": { "name": PULL_SECRET },
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": { ".dockerconfigjson": SECOND },
    }))
    .unwrap();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "foreign");
    let made = secrets.create(&PostParams::default(), &foreign).await.unwrap();
    let cluster = cluster(control_plane).await;
    // Also where it would change nothing, and where its fields would conflict.
    for text in [FIRST, SECOND] {
        let answer = cluster.carry_out(apply("foreign", Precondition::Absent, text)).await;
        assert_eq!(refusal(answer), Refusal::LostRace);
    }
    assert_eq!(secret(&client, "foreign", PULL_SECRET).await, made);

    let read = cluster.carry_out(Operation::ReadForeignSecret { namespace: "foreign".to_owned() }).await;
    let Answer::ForeignSecret(seen) = read else { panic!("{read:?}") };
    assert_eq!(
        (seen.kind.as_str(), seen.hosts),
        ("kubernetes.io/dockerconfigjson", Some(vec!["r.example".to_owned()]))
    );

    // Adoption: exactly what was read is replaced, though somebody else owns its fields.
    let adopt = apply("foreign", exactly(&seen.uid, seen.resource_version), FIRST);
    done(cluster.carry_out(adopt).await);
    assert_eq!(document(&secret(&client, "foreign", PULL_SECRET).await), FIRST);
}

#[tokio::test]
async fn a_stale_apply_loses_and_a_deleted_secret_is_not_brought_back() {
    let control_plane = shared_control_plane().await;
    let client = namespace(control_plane, "stale").await;
    let cluster = cluster(control_plane).await;
    let (uid, first) = done(cluster.carry_out(apply("stale", Precondition::Absent, FIRST)).await);
    let (_, second) = done(cluster.carry_out(apply("stale", exactly(&uid, first), SECOND)).await);
    let other = "11111111-1111-1111-1111-111111111111";
    for precondition in [exactly(&uid, first), exactly(other, second)] {
        let answer = cluster.carry_out(apply("stale", precondition, FIRST)).await;
        assert_eq!(refusal(answer), Refusal::LostRace);
    }
    assert_eq!(document(&secret(&client, "stale", PULL_SECRET).await), SECOND);

    let secrets: Api<Secret> = Api::namespaced(client, "stale");
    secrets.delete(PULL_SECRET, &DeleteParams::default()).await.unwrap();
    let answer = cluster.carry_out(apply("stale", exactly(&uid, second), FIRST)).await;
    assert_eq!(refusal(answer), Refusal::LostRace);
    assert!(secrets.get_opt(PULL_SECRET).await.unwrap().is_none());
}

#[tokio::test]
async fn what_somebody_wrote_into_our_secret_is_taken_back() {
    let control_plane = shared_control_plane().await;
    let client = namespace(control_plane, "spoiled").await;
    let cluster = cluster(control_plane).await;
    let (uid, _) = done(cluster.carry_out(apply("spoiled", Precondition::Absent, FIRST)).await);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "spoiled");
    let spoil = json!({ "stringData": { ".dockerconfigjson": SECOND } });
    let spoiled = secrets.patch(PULL_SECRET, &PatchParams::default(), &Patch::Merge(&spoil)).await.unwrap();
    let version = spoiled.resource_version().unwrap().parse().unwrap();
    done(cluster.carry_out(apply("spoiled", exactly(&uid, version), FIRST)).await);
    let mended = secret(&client, "spoiled", PULL_SECRET).await;
    assert_eq!(document(&mended), FIRST);
    let owners: Vec<_> =
        mended.managed_fields().iter().filter_map(|entry| entry.manager.as_deref()).collect();
    assert!(owners.contains(&FIELD_MANAGER), "{owners:?}");
}

#[tokio::test]
async fn a_deletion_takes_only_what_was_observed() {
    let control_plane = shared_control_plane().await;
    let client = namespace(control_plane, "delete").await;
    let cluster = cluster(control_plane).await;
    let (uid, version) = done(cluster.carry_out(apply("delete", Precondition::Absent, FIRST)).await);
    let delete = |uid: &str, resource_version| Operation::DeletePullSecret {
        namespace: "delete".to_owned(),
        uid: uid.to_owned(),
        resource_version,
    };
    let other = "11111111-1111-1111-1111-111111111111";
    assert_eq!(refusal(cluster.carry_out(delete(&uid, version - 1)).await), Refusal::LostRace);
    assert_eq!(refusal(cluster.carry_out(delete(other, version)).await), Refusal::LostRace);
    secret(&client, "delete", PULL_SECRET).await;
    done(cluster.carry_out(delete(&uid, version)).await);
    assert_eq!(refusal(cluster.carry_out(delete(&uid, version)).await), Refusal::Gone);
}

#[tokio::test]
async fn a_secret_of_another_type_cannot_become_ours() {
    let control_plane = shared_control_plane().await;
    let client = namespace(control_plane, "opaque").await;
    let opaque: Secret =
        serde_json::from_value(json!({ "metadata": { "name": PULL_SECRET }, "stringData": { "a": "b" } }))
            .unwrap();
    let secrets: Api<Secret> = Api::namespaced(client, "opaque");
    let made = secrets.create(&PostParams::default(), &opaque).await.unwrap();
    let version = made.resource_version().unwrap().parse().unwrap();
    let cluster = cluster(control_plane).await;
    let answer = cluster.carry_out(apply("opaque", exactly(&made.uid().unwrap(), version), FIRST)).await;
    assert!(matches!(refusal(answer), Refusal::RefusedByPolicy { .. }));
}

#[tokio::test]
async fn a_namespace_that_is_gone_going_or_full_is_told_apart() {
    let control_plane = shared_control_plane().await;
    let cluster = cluster(control_plane).await;
    let answer = cluster.carry_out(apply("never-made", Precondition::Absent, FIRST)).await;
    assert_eq!(refusal(answer), Refusal::Gone);

    let client = namespace(control_plane, "going").await;
    let hold: ConfigMap =
        serde_json::from_value(json!({ "metadata": { "name": "hold", "finalizers": ["acr.example/hold"] } }))
            .unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "going");
    maps.create(&PostParams::default(), &hold).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(client);
    namespaces.delete("going", &DeleteParams::default()).await.unwrap();
    let answer = cluster.carry_out(apply("going", Precondition::Absent, FIRST)).await;
    assert_eq!(refusal(answer), Refusal::Terminating);
    let free = json!({ "metadata": { "finalizers": null } });
    maps.patch("hold", &PatchParams::default(), &Patch::Merge(&free)).await.unwrap();

    let client = namespace(control_plane, "full").await;
    let quotas: Api<ResourceQuota> = Api::namespaced(client, "full");
    let none_left: ResourceQuota = serde_json::from_value(
        json!({ "metadata": { "name": "none" }, "spec": { "hard": { "secrets": "0" } } }),
    )
    .unwrap();
    quotas.create(&PostParams::default(), &none_left).await.unwrap();
    // What the controller of quotas would do.
    let counted = json!({ "status": { "hard": { "secrets": "0" }, "used": { "secrets": "0" } } });
    quotas.patch_status("none", &PatchParams::default(), &Patch::Merge(&counted)).await.unwrap();
    // The API server sees quotas through a cache.
    let told = eventually("the quota counts", async || {
        match cluster.carry_out(apply("full", Precondition::Absent, FIRST)).await {
            Answer::Refused(refusal) => Some(refusal),
            Answer::Done { resource_version, uid } => {
                let uid = uid.unwrap();
                let namespace = "full".to_owned();
                done(
                    cluster.carry_out(Operation::DeletePullSecret { namespace, uid, resource_version }).await,
                );
                None
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert!(matches!(told, Refusal::Quota { .. }), "{told:?}");
}

#[tokio::test]
async fn the_journal_comes_back_as_it_was_written() {
    let control_plane = shared_control_plane().await;
    let cluster = cluster(control_plane).await;
    let read = cluster.carry_out(Operation::ReadJournal).await;
    assert!(matches!(read, Answer::Journal(None)), "{read:?}");
    let text: Vec<u8> = (0..=u8::MAX).collect();
    let write = |precondition| Operation::WriteJournal {
        precondition,
        document: Zeroizing::new(text.clone()),
        serving: None,
    };
    let (uid, version) = done(cluster.carry_out(write(Precondition::Absent)).await);
    assert_eq!(refusal(cluster.carry_out(write(Precondition::Absent)).await), Refusal::LostRace);
    let read = cluster.carry_out(Operation::ReadJournal).await;
    let Answer::Journal(Some(journal)) = read else { panic!("{read:?}") };
    assert_eq!((&journal.uid, journal.resource_version, &*journal.document), (&uid, version, &text));
    done(cluster.carry_out(Operation::DeleteJournal).await);
    assert_eq!(refusal(cluster.carry_out(Operation::DeleteJournal).await), Refusal::Gone);
}
