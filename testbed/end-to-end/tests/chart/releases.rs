//! A release from its first day to its last: installed, upgraded, rolled back and removed, with the component at work.

use std::process::{Output, Stdio};

use acr_end_to_end::{ACME, Component, PULL_SECRET, RunOptions, Stage};
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::discovery::{ApiGroup, Discovery, Scope, verbs};
use serde_json::{Value, json};

use crate::site::{OWN, Site, complaint, program, said, tools};

const UNINSTALL: &str = "acr-credential-helper-uninstall";
const ENTRY: &str = "- instanceId: cri-acme0000000000\n  customAccessKey: LTAI5tPuller\n  \
                     customAccessKeySecret: marker-puller-secret\n";
/// The stage asks for tokens by TokenRequest.
const REQUESTED: &str = "--set=credentials.rrsaToken=requested";

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

/// Does what the controller of Jobs and a node would: runs the Job's container with the token of its ServiceAccount, and
/// writes down how it ended.
async fn play_the_job(site: &Site) -> Output {
    let job = site
        .until("the Job of the uninstall is made", async || {
            site.object("batch/v1", "Job", OWN, UNINSTALL).await
        })
        .await;
    let pod = &job["spec"]["template"]["spec"];
    let account = pod["serviceAccountName"].as_str().unwrap();
    let token = site.control_plane.service_account_token(OWN, account, &[], 3600).await.unwrap();
    let kubeconfig = site.control_plane.kubeconfig_with_token(account, &token).unwrap();
    let arguments = pod["containers"][0]["args"].as_array().unwrap();
    let mut command = tokio::process::Command::new(program().await.path());
    command.args(arguments.iter().map(|argument| argument.as_str().unwrap()));
    command.arg("--kubeconfig").arg(kubeconfig).stdin(Stdio::null()).kill_on_drop(true);
    for (variable, _) in std::env::vars_os() {
        command.env_remove(variable);
    }
    let output = command.env("POD_NAMESPACE", OWN).output().await.unwrap();
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let condition = |kind: &str| {
        json!({ "type": kind, "status": "True", "reason": "Played", "message": "by the test",
            "lastProbeTime": now, "lastTransitionTime": now })
    };
    // Servers from 1.31 want to know why a Job is complete, older ones refuse that.
    let version = site.client.apiserver_version().await.unwrap();
    let is_old = version.minor.trim_end_matches('+').parse::<u32>().unwrap() < 31;
    let status = if output.status.success() && is_old {
        json!({ "startTime": now, "completionTime": now, "succeeded": 1, "conditions": [condition("Complete")] })
    } else if output.status.success() {
        json!({ "startTime": now, "completionTime": now, "succeeded": 1,
            "conditions": [condition("SuccessCriteriaMet"), condition("Complete")] })
    } else {
        json!({ "startTime": now, "failed": 1, "conditions": [condition("FailureTarget"), condition("Failed")] })
    };
    let jobs = site.api("batch/v1", "Job", OWN).await;
    let patch = Patch::Merge(json!({ "status": status }));
    jobs.patch_status(UNINSTALL, &PatchParams::default(), &patch).await.unwrap();
    output
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

#[tokio::test]
async fn a_release_lives_and_leaves_no_trace_but_the_configuration() {
    let site = Site::begin().await;
    let untouched = ours(&site).await;
    assert!(untouched.is_empty(), "{untouched:?}");
    said(&site.install(&[REQUESTED]).await);
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

    let (removed, job, ()) =
        tokio::join!(uninstall(&site), play_the_job(&site), end_with_its_deployment(&site, component));
    assert!(job.status.success(), "{job:?}");
    said(&removed);
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
    said(&site.install(&[REQUESTED, "--set=uninstall.timeoutSeconds=5"]).await);
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
    let (removed, job) = tokio::join!(uninstall(&site), play_the_job(&site));
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
        play_the_job(&site).await
    };
    let (removed, job) = tokio::join!(uninstall(&site), again);
    assert!(job.status.success(), "{job:?}");
    said(&removed);
    assert!(stage.pull_secret("shop").await.unwrap().is_none());
    assert!(site.deployment().await.is_none());
    let none: Option<Value> = site.object("batch/v1", "Job", OWN, UNINSTALL).await;
    assert!(none.is_none());
}
