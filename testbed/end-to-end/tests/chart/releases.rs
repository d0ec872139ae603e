//! A release from its first day to its last: installed, upgraded, rolled back and removed, with the component at work.

use std::process::Output;

use acr_end_to_end::{ACME, Component, PULL_SECRET, RunOptions, Stage, chart_folder};
use kube::api::{Api, DynamicObject, ListParams};
use kube::discovery::{ApiGroup, Discovery, Scope, verbs};
use serde_json::Value;

use crate::jobs::play;
use crate::site::{OWN, Site, complaint, program, said, tools};

const UNINSTALL: &str = "acr-credential-helper-uninstall";
pub(crate) const ENTRY: &str = "- instanceId: cri-acme0000000000\n  customAccessKey: LTAI5tPuller\n  \
                     customAccessKeySecret: marker-puller-secret\n";
/// The stage asks for tokens by TokenRequest.
pub(crate) const REQUESTED: &str = "--set=credentials.rrsaToken=requested";

async fn served(site: &Site, stage: &Stage<'_>, namespace: &str) {
    site.until(&format!("{namespace} is served"), async || {
        let list = stage.list(namespace, "default").await.unwrap().unwrap_or_default();
        let hosts = stage.served(namespace).await.unwrap().map(|served| served.hosts);
        (list == [PULL_SECRET] && hosts.is_some_and(|hosts| hosts == ACME.hosts)).then_some(())
    })
    .await;
}

/// What is in the cluster and tells of us: by our label, or by our field manager.
async fn ours(site: &Site) -> Vec<String> {
    let discovery = Discovery::new(site.client.clone()).run().await.unwrap();
    let mut found = Vec::new();
    for (resource, capabilities) in discovery.groups().flat_map(ApiGroup::recommended_resources) {
        if !capabilities.supports_operation(verbs::LIST) || resource.kind == "Event" {
            continue;
        }
        assert!(matches!(capabilities.scope, Scope::Cluster | Scope::Namespaced));
        let all: Api<DynamicObject> = Api::all_with(site.client.clone(), &resource);
        for object in all.list(&ListParams::default()).await.unwrap() {
            let labels = object.metadata.labels.unwrap_or_default();
            let marked = ["app.kubernetes.io/name", "app.kubernetes.io/managed-by"]
                .iter()
                .any(|label| labels.get(*label).is_some_and(|value| value == "acr-credential-helper"));
            let name = object.metadata.name.unwrap_or_default();
            if marked || name.contains("acr-credential") {
                found.push(format!("{} {name}", resource.kind));
            }
        }
    }
    found.sort();
    found
}

/// Does what a node would when the Deployment wants no pod any more.
async fn end_with_its_deployment(site: &Site, component: Component) {
    site.until("the Deployment is scaled to 0", async || {
        (site.deployment().await?["spec"]["replicas"] == 0).then_some(())
    })
    .await;
    assert!(component.terminate().await.unwrap().success());
}

async fn uninstall(site: &Site) -> Output {
    site.helm("uninstall", &["--timeout=100s"]).await
}

/// Uninstalls a release whose component runs: its Job is played, and the component ends with its Deployment.
pub(crate) async fn remove(site: &Site, component: Component) {
    let (removed, job, ()) =
        tokio::join!(uninstall(site), play(site, UNINSTALL, &[]), end_with_its_deployment(site, component));
    assert!(job.status.success(), "{job:?}");
    said(&removed);
}

#[tokio::test]
async fn a_release_lives_and_leaves_no_trace_but_the_configuration() {
    lives(Site::begin().await, &["--set=mutatingPolicy=true"]).await;
}

#[tokio::test]
async fn a_release_lives_on_the_oldest_server_and_leaves_no_trace_there_either() {
    lives(Site::begin_oldest().await, &[]).await;
}

/// Installs, upgrades, rolls back and removes a release that serves meanwhile.
async fn lives(site: Site, values: &[&str]) {
    let untouched = ours(&site).await;
    assert!(untouched.is_empty(), "{untouched:?}");
    said(&site.install(&[&[REQUESTED], values].concat()).await);
    let stage = Stage::join(&site.control_plane, OWN).await.unwrap();
    for namespace in ["shop", "later"] {
        stage.create_namespace(namespace, &[]).await.unwrap();
    }
    stage.configure(&[("acr-registry-info", ENTRY), ("watch-namespace", "shop")]).await.unwrap();
    let map = site.config_map().await;
    let mut component =
        Component::start(tools().await, program().await, &stage, &RunOptions::default()).unwrap();
    component.ready().await.unwrap();
    served(&site, &stage, "shop").await;
    let secret = stage.pull_secret("shop").await.unwrap().unwrap().metadata.uid;

    said(&site.upgrade(&[REQUESTED, "--set=replicas=1", "--set=logLevel=debug"]).await);
    assert_eq!(site.deployment().await.unwrap()["spec"]["replicas"], 1);
    assert!(
        site.object("policy/v1", "PodDisruptionBudget", OWN, "aliyun-acr-credential-helper").await.is_none()
    );
    said(&site.helm("rollback", &["1", "--no-hooks"]).await);
    assert_eq!(site.deployment().await.unwrap()["spec"]["replicas"], 2);
    assert_eq!(site.config_map().await, map);
    // The component goes on.
    stage.configure(&[("acr-registry-info", ENTRY), ("watch-namespace", "shop,later")]).await.unwrap();
    served(&site, &stage, "later").await;
    assert_eq!(stage.pull_secret("shop").await.unwrap().unwrap().metadata.uid, secret);
    let map = site.config_map().await;

    remove(&site, component).await;
    for namespace in ["shop", "later"] {
        assert_eq!(stage.list(namespace, "default").await.unwrap().unwrap(), [""; 0]);
        assert!(stage.pull_secret(namespace).await.unwrap().is_none());
    }
    assert_eq!(site.config_map().await, map);
    let lacking: Vec<_> = site
        .control_plane
        .audit_events()
        .unwrap()
        .into_iter()
        .filter(|event| event.user.ends_with(UNINSTALL) && event.code == Some(403))
        .collect();
    assert!(lacking.is_empty(), "rights are lacking: {lacking:?}");
    site.until("nothing is left", async || ours(&site).await.is_empty().then_some(())).await;
    let policy = ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy");
    assert!(site.object(policy.0, policy.1, "", "acr-credential-helper").await.is_none());
}

#[tokio::test]
async fn a_removal_that_fails_leaves_the_release_and_can_be_repeated() {
    let site = Site::begin().await;
    said(&site.install(&[REQUESTED, "--set=uninstall.timeoutSeconds=15"]).await);
    let stage = Stage::join(&site.control_plane, OWN).await.unwrap();
    stage.create_namespace("shop", &[]).await.unwrap();
    stage.configure(&[("acr-registry-info", ENTRY), ("watch-namespace", "shop")]).await.unwrap();
    let mut component =
        Component::start(tools().await, program().await, &stage, &RunOptions::default()).unwrap();
    component.ready().await.unwrap();
    served(&site, &stage, "shop").await;

    // The component itself may not stop its Deployment.
    let stop = "--stop-deployment=aliyun-acr-credential-helper";
    let refused = acr_end_to_end::uninstall(program().await, &stage, &[stop]).await.unwrap();
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(69), "{words}");
    assert!(words.contains("cannot be stopped") && words.contains("deployments.apps"), "{words}");

    // A process outside of the Deployment is at work: nothing is taken away under it.
    let (removed, job) = tokio::join!(uninstall(&site), play(&site, UNINSTALL, &[]));
    assert_eq!(job.status.code(), Some(75), "{job:?}");
    assert!(
        complaint(&removed).contains("acr-credential-helper-uninstall not ready. status: Failed"),
        "{removed:?}"
    );
    served(&site, &stage, "shop").await;
    assert!(site.deployment().await.is_some());

    assert!(component.terminate().await.unwrap().success());
    let jobs = site.api("batch/v1", "Job", OWN).await;
    let failed = jobs.get(UNINSTALL).await.unwrap().metadata.uid;
    let again = async {
        // The Job of the first attempt goes when the second begins.
        site.until("the failed Job is gone", async || {
            let uid = site.object("batch/v1", "Job", OWN, UNINSTALL).await;
            let uid = uid.map(|job| job["metadata"]["uid"].as_str().map(str::to_owned));
            (uid != Some(failed.clone())).then_some(())
        })
        .await;
        play(&site, UNINSTALL, &[]).await
    };
    let (removed, job) = tokio::join!(uninstall(&site), again);
    assert!(job.status.success(), "{job:?}");
    said(&removed);
    assert!(stage.pull_secret("shop").await.unwrap().is_none());
    assert!(site.deployment().await.is_none());
    let none: Option<Value> = site.object("batch/v1", "Job", OWN, UNINSTALL).await;
    assert!(none.is_none());
}

/// The arguments of kubectl in the documentation of a removal, where a line names what the hook runs with.
fn documented_deletion() -> Vec<String> {
    let text =
        std::fs::read_to_string(chart_folder().join("../../docs/install.md")).unwrap().replace("\\\n", " ");
    let line = text.lines().find(|line| line.starts_with("$ kubectl") && line.ends_with(UNINSTALL)).unwrap();
    line.split_whitespace().skip(2).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_hook_that_failed_leaves_its_job_one_that_was_broken_off_its_rights_and_both_go_as_documented() {
    let site = Site::begin().await;
    said(&site.install(&[]).await);
    let left = async || {
        let mut left = ours(&site).await;
        left.retain(|object| object.ends_with(UNINSTALL));
        left
    };
    // Nobody runs the Job.
    complaint(&site.helm("uninstall", &["--timeout=3s"]).await);
    assert_eq!(left().await, [format!("Job {UNINSTALL}")]);
    let failed = site.object("batch/v1", "Job", OWN, UNINSTALL).await.unwrap()["metadata"]["uid"].clone();
    let begun = site.until("the hook runs again", async || {
        let job = site.object("batch/v1", "Job", OWN, UNINSTALL).await?;
        (job["metadata"]["uid"] != failed).then_some(())
    });
    tokio::select! {
        // helm ends when nobody waits for it.
        removed = uninstall(&site) => panic!("{removed:?}"),
        () = begun => {}
    }
    said(&site.helm("uninstall", &["--no-hooks"]).await);
    assert_eq!(left().await.len(), 6, "{:?}", left().await);
    let mut kubectl = tokio::process::Command::new(tools().await.kubectl());
    kubectl.env("KUBECONFIG", site.control_plane.admin_kubeconfig());
    said(&kubectl.args(documented_deletion()).output().await.unwrap());
    site.until("nothing is left of it", async || left().await.is_empty().then_some(())).await;
}
