//! The API server and its other users in trouble: what was begun is finished, and nothing foreign is changed.

use std::time::Duration;

use acr_end_to_end::{ACME, PULL_SECRET, Stage};
use acr_testbed::{AuditEvent, ControlPlane, Part};
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::scene::{ACME_BY_KEY, Scene};
use crate::{control_plane, turn};

/// How long everything may take after a long absence of the API server.
const RECOVERY: Duration = Duration::from_secs(90);

/// Whether a request belongs to the Lease, which is renewed whatever happens.
fn is_lease(event: &AuditEvent) -> bool {
    event.resource == "leases"
}

#[tokio::test]
async fn a_restart_with_current_secrets_costs_lists_and_one_get() {
    let mut scene = Scene::begin("restart").await;
    let (space, second) = (scene.create_space("shop").await, scene.create_space("second").await);
    scene.configure(ACME_BY_KEY, &[&space, &second], &[]).await;
    scene.run().await;
    let served = scene.served_with_acme(&space).await;
    scene.served_with_acme(&second).await;
    scene.stop().await;
    let (requests, calls) = (scene.request_count(), scene.stage.cloud().cloud().calls().len());
    scene.run().await;
    // An edit before the journal was read would tell again what the one before has told.
    scene
        .until("the second one leads and knows what was accepted", async || {
            let status = scene.component().status().await.ok()?;
            (status["leading"] == true && status["configured"] == true).then_some(())
        })
        .await;
    // Served after everything else was looked at: so nothing was written before.
    scene.stage.create_account(&space, "late").await.unwrap();
    scene.configure(ACME_BY_KEY, &[&space, &second], &[("service-account", "default,late")]).await;
    scene.attached(&space, "late").await;
    scene.audited(requests, 1, |event| event.verb == "patch" && event.name == "late").await;
    let events = scene.requests_since(requests);
    let own = scene.stage.namespace().to_owned();
    let is_journal = |event: &&AuditEvent| event.namespace == own && event.resource == "secrets";
    let journal: Vec<&str> = events.iter().filter(is_journal).map(|event| event.verb.as_str()).collect();
    assert_eq!(journal.iter().filter(|verb| **verb == "get").count(), 1, "{journal:?}");
    let others: Vec<&AuditEvent> =
        events.iter().filter(|event| !is_lease(event) && !is_journal(event)).collect();
    let reads = others.iter().filter(|event| matches!(event.verb.as_str(), "watch" | "list"));
    assert!(reads.count() <= 8, "{others:?}");
    let rest: Vec<(&str, &str)> = others
        .iter()
        .filter(|event| !matches!(event.verb.as_str(), "watch" | "list"))
        .map(|event| (event.verb.as_str(), event.name.as_str()))
        .collect();
    assert_eq!(rest, [("patch", "late")]);
    assert_eq!(scene.stage.cloud().cloud().calls().len(), calls);
    assert_eq!(scene.served_now(&space).await, Some(served));
    scene.end().await;
}

#[tokio::test]
async fn idle_means_nothing_but_watches_and_renewals_of_the_lease() {
    let mut scene = Scene::begin("idle").await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    // Whatever follows a write has followed it by the next renewal of the Lease.
    let renewals = || scene.stage.requests().unwrap().iter().filter(|event| is_lease(event)).count();
    let before = renewals();
    scene.until("the Lease is renewed twice", async || (renewals() >= before + 2).then_some(())).await;
    let (requests, calls) = (scene.request_count(), scene.stage.cloud().cloud().calls().len());
    // The time that is measured, not a wait for something.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let events = scene.requests_since(requests);
    let others: Vec<&AuditEvent> =
        events.iter().filter(|event| !is_lease(event) && event.verb != "watch").collect();
    assert!(others.is_empty(), "{others:?}");
    let watches = events.iter().filter(|event| event.verb == "watch").count();
    assert!(watches <= 1, "{events:?}");
    let renewed = events.iter().filter(|event| is_lease(event)).count();
    assert!((3..=8).contains(&renewed), "{renewed}");
    assert_eq!(scene.stage.cloud().cloud().calls().len(), calls);
    scene.end().await;
}

#[tokio::test]
async fn an_api_server_that_is_gone_for_20_seconds_during_a_wave_loses_nothing() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let mut wave = Wave::begin(&control_plane, "wave").await;
    control_plane.stop_api_server().unwrap();
    // As long as it is to be gone.
    tokio::time::sleep(Duration::from_secs(20)).await;
    control_plane.start_api_server().await.unwrap();
    wave.scene.was_restarted = true;
    wave.complete().await;
}

#[tokio::test]
async fn an_api_server_that_answers_nothing_for_20_seconds_during_a_wave_loses_nothing() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let wave = Wave::begin(&control_plane, "hang").await;
    control_plane.pause(Part::ApiServer).unwrap();
    // Longer than the Lease is good for: its holder has to stop, and to begin anew.
    tokio::time::sleep(Duration::from_secs(20)).await;
    control_plane.resume(Part::ApiServer).unwrap();
    wave.complete().await;
}

/// Many namespaces that are to be served at once.
struct Wave<'a> {
    scene: Scene<'a>,
    spaces: Vec<String>,
}

impl<'a> Wave<'a> {
    const ACCOUNTS: [&'static str; 4] = ["a", "b", "c", "d"];

    /// Begins a wave, and returns when some of it is done.
    async fn begin(control_plane: &'a ControlPlane, name: &str) -> Self {
        let mut scene = Scene::begin_on(control_plane, name, |_| {}).await;
        let mut spaces = Vec::new();
        for number in 0..40 {
            let space = scene.space(&number.to_string());
            scene.stage.create_namespace(&space, &[]).await.unwrap();
            for account in Self::ACCOUNTS {
                scene.create_account_with(&space, account, &json!([{ "name": "theirs" }])).await;
            }
            spaces.push(space);
        }
        scene.run().await;
        let names: Vec<&str> = spaces.iter().map(String::as_str).collect();
        scene.configure(ACME_BY_KEY, &names, &[("service-account", "*")]).await;
        scene.attached(&spaces[0], "a").await;
        Self { scene, spaces }
    }

    /// Everything is served in the end, each list has our name once, and what is new is served at once.
    async fn complete(mut self) {
        let scene = &self.scene;
        for space in &self.spaces {
            let complete = async || {
                for account in Self::ACCOUNTS.iter().chain(&["default"]) {
                    if !scene.is_attached(space, account).await {
                        return None;
                    }
                }
                scene.served_now(space).await.filter(|served| served.hosts == ACME.hosts)
            };
            scene.within(RECOVERY, &format!("{space} is served"), complete).await;
            for account in Self::ACCOUNTS {
                assert_eq!(scene.list(space, account).await, ["theirs", PULL_SECRET]);
            }
        }
        assert_eq!(scene.logins(), 1);
        scene.stage.create_account(&self.spaces[0], "late").await.unwrap();
        scene.attached(&self.spaces[0], "late").await;
        self.scene.component_mut().check_alive().unwrap();
        self.scene.end().await;
    }
}

#[tokio::test]
async fn a_server_that_refuses_streaming_lists_is_listed_and_watched() {
    let _turn = turn().await;
    let control_plane = control_plane(&["--feature-gates=WatchList=false"]).await;
    let mut scene = Scene::begin_on(&control_plane, "plain", |_| {}).await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    scene.stage.create_account(&space, "web").await.unwrap();
    scene.configure(ACME_BY_KEY, &[&space], &[("service-account", "*")]).await;
    scene.attached(&space, "web").await;
    scene.end().await;
}

#[tokio::test]
async fn accounts_that_others_change_at_the_same_moment_lose_nothing_of_theirs() {
    let mut scene = Scene::begin("race").await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[("service-account", "*")]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    let accounts = scene.stage.accounts(&space);
    let theirs = json!([{ "op": "add", "path": "/imagePullSecrets", "value": [{ "name": "theirs" }] }]);
    let theirs: Patch<()> = Patch::Json(serde_json::from_value(theirs).unwrap());
    let lost_races = async || {
        let metrics = scene.component().metrics().await.unwrap();
        let line =
            metrics.lines().find(|line| line.starts_with("acr_credential_helper_write_conflicts_total"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or_default()
    };
    let mut raced = 0;
    while raced < 30 || lost_races().await == 0 {
        assert!(raced < 1000, "no race was lost in {raced} tries");
        // Whoever makes an account and changes it at once meets the component half way.
        let name = format!("racer-{raced}");
        scene.stage.create_account(&space, &name).await.unwrap();
        let unlisted = json!([{ "op": "test", "path": "/imagePullSecrets", "value": null },
            { "op": "add", "path": "/imagePullSecrets", "value": [{ "name": "theirs" }] }]);
        let guarded: Patch<()> = Patch::Json(serde_json::from_value(unlisted).unwrap());
        if accounts.patch(&name, &PatchParams::default(), &guarded).await.is_err() {
            // The component was faster: a careless owner overwrites the list, and the entry has to come again.
            accounts.patch(&name, &PatchParams::default(), &theirs).await.unwrap();
        }
        raced += 1;
    }
    for number in 0..raced {
        let name = format!("racer-{number}");
        scene.attached(&space, &name).await;
        assert_eq!(scene.list(&space, &name).await, ["theirs", PULL_SECRET], "{name}");
    }
    scene.end().await;
}

#[tokio::test]
async fn a_namespace_that_is_being_deleted_is_left_alone_and_others_are_served() {
    let mut scene = Scene::begin("dying").await;
    let (space, dying) = (scene.create_space("shop").await, scene.create_space("terminating").await);
    hold(&scene.stage, &dying, Some("acr.example/hold")).await;
    let namespaces: Api<Namespace> = Api::all(scene.stage.client().clone());
    namespaces.delete(&dying, &DeleteParams::default()).await.unwrap();
    scene.configure(ACME_BY_KEY, &[&space, &dying], &[("service-account", "*")]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    let touched = scene.stage.requests().unwrap();
    let touched = touched.iter().filter(|event| event.namespace == dying).count();
    assert!(touched <= 2, "{touched}");

    // Deleted while it is served, it goes away, and one of its name is served anew.
    hold(&scene.stage, &dying, None).await;
    let is_gone = async || namespaces.get_opt(&dying).await.unwrap().is_none().then_some(());
    scene.until("the namespace is gone", is_gone).await;
    scene.create_space("terminating").await;
    scene.served_with_acme(&dying).await;
    namespaces.delete(&dying, &DeleteParams::default()).await.unwrap();
    scene.until("the namespace is gone again", is_gone).await;
    // The component learns of the end by a watch, a moment later than a question is answered.
    let forgotten = async || scene.findings().await.iter().all(|(space, _, _)| *space != dying).then_some(());
    scene.until("nothing is said of the namespace", forgotten).await;
    scene.end().await;
}

/// Holds up the deletion of a namespace by an object with a finalizer in it, or ends that.
async fn hold(stage: &Stage<'_>, namespace: &str, finalizer: Option<&str>) {
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::namespaced(stage.client().clone(), namespace);
    let finalizers: Vec<&str> = finalizer.into_iter().collect();
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "held", "finalizers": finalizers } });
    if finalizer.is_some() {
        maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await.unwrap();
    } else {
        maps.patch("held", &PatchParams::default(), &Patch::Merge(map)).await.unwrap();
    }
}

#[tokio::test]
async fn a_policy_that_refuses_our_patch_is_said_in_its_namespace_and_tried_again() {
    let mut scene = Scene::begin("policy").await;
    let label = [("acr.example/frozen", "true")];
    let (frozen, space) =
        (scene.create_labelled_space("frozen", &label).await, scene.create_space("shop").await);
    let policy = "\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: frozen-accounts}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: [''], apiVersions: [v1], operations: [UPDATE], resources: [serviceaccounts]}
  validations:
  - {expression: 'false', message: the accounts here are frozen}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: frozen-accounts}
spec:
  policyName: frozen-accounts
  validationActions: [Deny]
  matchResources:
    namespaceSelector: {matchLabels: {acr.example/frozen: 'true'}}
";
    acr_testbed::apply_manifests(scene.stage.client(), policy).await.unwrap();
    // A policy counts a moment after it was made.
    let refused = async || {
        let change = json!({ "metadata": { "labels": { "tried": "1" } } });
        let accounts = scene.stage.accounts(&frozen);
        accounts.patch("default", &PatchParams::default(), &Patch::Merge(change)).await.is_err().then_some(())
    };
    scene.until("the policy counts", refused).await;
    scene.configure(ACME_BY_KEY, &[&frozen, &space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    let finding = scene.finding("RefusedByPolicy").await;
    assert!(finding.contains("the accounts here are frozen"), "{finding}");
    let event = scene.event(&frozen, &format!("Namespace {frozen}"), "RefusedByPolicy").await;
    assert!(event.message.contains("change the policy"), "{}", event.message);
    // The Secret comes all the same: whoever names it in a pod can use it.
    scene.served(&frozen, ACME.hosts).await;
    let tried = scene.stage.requests().unwrap();
    let tried = tried.iter().filter(|event| event.namespace == frozen && event.verb == "patch").count();
    assert!(tried < 15, "{tried} tries look like a war");

    let namespaces: Api<Namespace> = Api::all(scene.stage.client().clone());
    let thaw = json!({ "metadata": { "labels": { "acr.example/frozen": null } } });
    namespaces.patch(&frozen, &PatchParams::default(), &Patch::Merge(thaw)).await.unwrap();
    scene.attached(&frozen, "default").await;
    scene.mended("RefusedByPolicy").await;
    scene.end().await;
}

#[tokio::test]
async fn a_component_that_was_killed_is_followed_by_one_that_goes_on() {
    let mut scene = Scene::begin("killed").await;
    let (space, second) = (scene.create_space("shop").await, scene.create_space("second").await);
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    let served = scene.served_with_acme(&space).await;
    scene.kill();
    scene.configure(ACME_BY_KEY, &[&space, &second], &[]).await;
    // The Lease of the dead is waited for.
    scene.run().await;
    assert_eq!(scene.served_with_acme(&second).await, served);
    assert_eq!(scene.logins(), 1);
    scene.end().await;
}

#[tokio::test]
async fn a_second_process_looks_on_and_takes_over_when_the_first_has_ended() {
    let mut scene = Scene::begin("second").await;
    let (space, later) = (scene.create_space("shop").await, scene.space("later"));
    scene.configure(ACME_BY_KEY, &[&space, &later], &[]).await;
    scene.run().await;
    let served = scene.served_with_acme(&space).await;
    let mut first = scene.take_component();
    scene.run().await;
    assert_eq!(scene.component().status().await.unwrap()["leading"], false);
    first.check_alive().unwrap();
    // One namespace, one Secret, written once: by the first.
    scene.create_space("later").await;
    assert_eq!(scene.served_with_acme(&later).await, served);
    scene.audited(0, 2, |event| event.namespace == later && event.verb == "patch").await;
    let writes = |space: &str| {
        let requests = scene.stage.requests().unwrap();
        let ours = requests.iter().filter(|event| event.namespace == space && event.verb == "patch");
        ours.map(|event| event.resource.clone()).collect::<Vec<_>>()
    };
    let mut written = writes(&later);
    written.sort();
    assert_eq!(written, ["secrets", "serviceaccounts"]);

    assert!(first.terminate().await.unwrap().success());
    scene.stage.create_account(&space, "web").await.unwrap();
    scene.configure(ACME_BY_KEY, &[&space, &later], &[("service-account", "*")]).await;
    scene.attached(&space, "web").await;
    assert_eq!(scene.component().status().await.unwrap()["leading"], true);
    assert_eq!(scene.logins(), 1);
    scene.end().await;
}

#[tokio::test]
async fn a_quota_that_leaves_no_room_for_the_secret_is_said_and_waited_for() {
    let mut scene = Scene::begin("full").await;
    let space = scene.create_space("quota").await;
    let quotas: Api<ResourceQuota> = Api::namespaced(scene.stage.client().clone(), &space);
    let none = json!({ "count/secrets": "0" });
    let quota = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "tight" },
        "spec": { "hard": none } });
    quotas.create(&PostParams::default(), &serde_json::from_value(quota).unwrap()).await.unwrap();
    // No controller counts here: what it would write is written by hand.
    let counted = Patch::Merge(json!({ "status": { "hard": none, "used": none } }));
    quotas.patch_status("tight", &PatchParams::default(), &counted).await.unwrap();
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    let finding = scene.finding("Quota").await;
    assert!(finding.contains("count/secrets"), "{finding}");
    scene.event(&space, &format!("Namespace {space}"), "Quota").await;
    scene.attached(&space, "default").await;
    quotas.delete("tight", &DeleteParams::default()).await.unwrap();
    scene.served_with_acme(&space).await;
    scene.mended("Quota").await;
    scene.end().await;
}
