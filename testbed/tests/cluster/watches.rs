//! The four watches on a real API server: lists, changes, restarts, and servers that do not stream lists.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use acr_controller::names::{CONFIG_MAP, SERVICE_ACCOUNT};
use acr_controller::observation::{Observation, Watch};
use acr_controller::operation::{ListChange, Operation, Precondition};
use acr_testbed::{ControlPlane, ControlPlaneOptions, Part};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{OWN, cluster, done, namespace, payload, shared_control_plane, start, turn};

const ALL: [Watch; 4] = [Watch::Configuration, Watch::Namespaces, Watch::Accounts, Watch::PullSecrets];

/// What the watches say.
struct Seen {
    observations: mpsc::Receiver<Observation>,
    _watches: acr_cluster::Watches,
}

impl Seen {
    async fn by(control_plane: &ControlPlane) -> Self {
        let (observe, observations) = mpsc::channel(10_000);
        let watches = cluster(control_plane).await.watch(&observe);
        Self { observations, _watches: watches }
    }

    /// Waits for what `wanted` says yes to, and passes everything before it over.
    async fn until(&mut self, what: &str, mut wanted: impl FnMut(&Observation) -> bool) -> Observation {
        let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
        loop {
            match tokio::time::timeout_at(deadline, self.observations.recv()).await {
                Ok(Some(observation)) if wanted(&observation) => return observation,
                Ok(Some(_)) => {}
                Ok(None) => panic!("the watches have ended, waiting for {what}"),
                Err(elapsed) => panic!("not within a minute ({elapsed}): {what}"),
            }
        }
    }

    /// Waits until all four have listed; the names of what they listed.
    async fn listed(&mut self) -> BTreeSet<String> {
        let mut missing: BTreeSet<Watch> = ALL.into();
        let mut names = BTreeSet::new();
        self.until("all lists", |observation| {
            match observation {
                Observation::ListCompleted { watch, .. } => {
                    assert!(missing.remove(watch), "{watch:?} listed twice");
                }
                Observation::Namespace(seen) => drop(names.insert(seen.name.clone())),
                Observation::Account(seen) => drop(names.insert(format!("{}/{}", seen.namespace, seen.name))),
                Observation::PullSecret(seen) => drop(names.insert(format!("{}/secret", seen.namespace))),
                _ => {}
            }
            missing.is_empty()
        })
        .await;
        names
    }

    async fn namespace(&mut self, name: &str) {
        let shown = |seen: &Observation| matches!(seen, Observation::Namespace(seen) if seen.name == name);
        self.until(name, shown).await;
    }
}

/// The component's requests of the four watched kinds, by verb.
fn asked(control_plane: &ControlPlane, verb: &str) -> usize {
    let user = format!("system:serviceaccount:{OWN}:{SERVICE_ACCOUNT}");
    let events = control_plane.audit_events().unwrap();
    events.iter().filter(|event| event.user == user && event.verb == verb).count()
}

async fn everything_is_shown(control_plane: &ControlPlane) {
    let client = namespace(control_plane, "watched").await;
    let cluster = cluster(control_plane).await;
    let apply = Operation::ApplyPullSecret {
        namespace: "watched".to_owned(),
        precondition: Precondition::Absent,
        payload: payload("{}"),
        adopted: false,
    };
    let (uid, version) = done(cluster.carry_out(apply).await);

    let mut seen = Seen::by(control_plane).await;
    let names = seen.listed().await;
    assert!(names.contains("watched") && names.contains("watched/secret"), "{names:?}");
    assert!(names.contains(&format!("{OWN}/{SERVICE_ACCOUNT}")), "{names:?}");

    // A change of each kind, and each deletion.
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "watched");
    let account: ServiceAccount = serde_json::from_value(json!({ "metadata": { "name": "app" } })).unwrap();
    accounts.create(&PostParams::default(), &account).await.unwrap();
    let app = |seen: &Observation| matches!(seen, Observation::Account(seen) if seen.name == "app");
    seen.until("the account", app).await;
    let attach = Operation::PatchList {
        namespace: "watched".to_owned(),
        name: "app".to_owned(),
        observed: None,
        change: ListChange::Create,
    };
    let (_, attached) = done(cluster.carry_out(attach).await);
    let shown = seen.until("the attach", app).await;
    let Observation::Account(shown) = shown else { panic!() };
    assert_eq!(shown.resource_version, attached);
    accounts.delete("app", &DeleteParams::default()).await.unwrap();
    seen.until(
        "the account's end",
        |seen| matches!(seen, Observation::AccountGone { name, .. } if name == "app"),
    )
    .await;

    let delete =
        Operation::DeletePullSecret { namespace: "watched".to_owned(), uid, resource_version: version };
    done(cluster.carry_out(delete).await);
    seen.until(
        "the pull secret's end",
        |seen| matches!(seen, Observation::PullSecretGone { namespace } if namespace == "watched"),
    )
    .await;

    // The configuration: from its edit to its observation in less than a second.
    let maps: Api<ConfigMap> = Api::namespaced(client, OWN);
    let mut took = Vec::new();
    // The machine may be busy with other tests: one of the edits finds it free enough.
    while !took.iter().any(|took| *took < Duration::from_secs(1)) {
        assert!(took.len() < 40, "{took:?}");
        let value = took.len().to_string();
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": CONFIG_MAP },
            "data": { "edit": value } });
        let edited = Instant::now();
        maps.patch(CONFIG_MAP, &PatchParams::apply("test"), &Patch::Apply(&map)).await.unwrap();
        let shown = |seen: &Observation| matches!(seen, Observation::Configuration(seen) if seen.data["edit"] == value);
        seen.until("the configuration", shown).await;
        took.push(edited.elapsed());
    }
    maps.delete(CONFIG_MAP, &DeleteParams::default()).await.unwrap();
    seen.until("its end", |seen| matches!(seen, Observation::ConfigurationGone)).await;
}

#[tokio::test]
async fn with_the_shipped_rights_everything_is_listed_by_streams_and_every_change_is_shown() {
    let _turn = turn().await;
    let control_plane = start(ControlPlaneOptions::default()).await;
    everything_is_shown(&control_plane).await;
    assert_eq!(asked(&control_plane, "list"), 0);
    assert_eq!(asked(&control_plane, "watch"), 4);
    control_plane.stop().unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_stream_lists_is_listed_in_pages() {
    let _turn = turn().await;
    let control_plane = start(ControlPlaneOptions {
        api_server_arguments: vec!["--feature-gates=WatchList=false".to_owned()],
        ..ControlPlaneOptions::default()
    })
    .await;
    everything_is_shown(&control_plane).await;
    assert_eq!(asked(&control_plane, "list"), 4);
    control_plane.stop().unwrap();
}

#[tokio::test]
async fn the_watches_go_on_after_the_api_server_was_away() {
    let _turn = turn().await;
    let control_plane = start(ControlPlaneOptions::default()).await;
    let mut seen = Seen::by(&control_plane).await;
    seen.listed().await;
    control_plane.stop_api_server().unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    control_plane.start_api_server().await.unwrap();
    namespace(&control_plane, "after-the-restart").await;
    let back = Instant::now();
    // Whether a watch could go on or its version was forgotten (410) and it listed again: it is shown.
    seen.namespace("after-the-restart").await;
    assert!(back.elapsed() < Duration::from_secs(20), "{:?}", back.elapsed());
    control_plane.stop().unwrap();
}

#[tokio::test]
async fn a_version_that_the_api_server_forgot_makes_a_new_list() {
    let _turn = turn().await;
    let control_plane = start(ControlPlaneOptions::default()).await;
    let mut seen = Seen::by(&control_plane).await;
    seen.listed().await;
    // A restarted API server knows no events from before its start, and the other kinds have moved on meanwhile:
    // the watch of the ConfigMap, which was shown nothing, stands at a version that is gone.
    for place in 0..3 {
        namespace(&control_plane, &format!("moved-on-{place}")).await;
    }
    seen.namespace("moved-on-2").await;
    control_plane.stop_api_server().unwrap();
    control_plane.start_api_server().await.unwrap();
    seen.until("a new list", |seen| matches!(seen, Observation::ListStarted(_))).await;
    seen.until("its end", |seen| matches!(seen, Observation::ListCompleted { .. })).await;
    control_plane.stop().unwrap();
}

#[tokio::test]
async fn a_server_that_stands_still_is_waited_for() {
    let _turn = turn().await;
    let control_plane = start(ControlPlaneOptions::default()).await;
    let mut seen = Seen::by(&control_plane).await;
    seen.listed().await;
    control_plane.pause(Part::ApiServer).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    control_plane.resume(Part::ApiServer).unwrap();
    namespace(&control_plane, "after-the-pause").await;
    seen.namespace("after-the-pause").await;
    control_plane.stop().unwrap();
}

#[tokio::test]
async fn a_second_process_sees_the_same() {
    let control_plane = shared_control_plane().await;
    let client = namespace(control_plane, "seen-twice").await;
    let mut one = Seen::by(control_plane).await;
    let mut two = Seen::by(control_plane).await;
    one.listed().await;
    two.listed().await;
    let accounts: Api<ServiceAccount> = Api::namespaced(client, "seen-twice");
    let account: ServiceAccount = serde_json::from_value(json!({ "metadata": { "name": "app" } })).unwrap();
    accounts.create(&PostParams::default(), &account).await.unwrap();
    for seen in [&mut one, &mut two] {
        seen.until("the account", |seen| {
            matches!(seen, Observation::Account(seen) if seen.namespace == "seen-twice" && seen.name == "app")
        })
        .await;
    }
}
