//! The webhook's registration, where an upgrade would leave it without anybody who answers: kept, taken back, removed.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use acr_end_to_end::{Component, RunOptions, Stage, failure_policy, would_be_attached};
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};

use crate::releases::{ENTRY, REQUESTED, remove};
use crate::site::{OWN, Site, complaint, program, said, tools};

const WITHOUT: &str = "--set=webhook.enabled=false";
const NAME: &str = "acr-credential-helper";

async fn registration(site: &Site) -> Option<Value> {
    site.object("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "", NAME).await
}

/// Registers a webhook as a component of a namespace would.
async fn register(site: &Site, namespace: &str, failure_policy: &str) {
    let service = json!({ "service": { "name": "acr-credential-helper-webhook", "namespace": namespace } });
    register_at(site, &service, failure_policy, None).await;
}

/// Registers one that is reached in this way, with the mark of the installation of a namespace.
async fn register_at(site: &Site, client: &Value, failure_policy: &str, installation: Option<&str>) {
    let registrations = site.api("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "").await;
    if registration(site).await.is_some() {
        registrations.delete(NAME, &DeleteParams::default()).await.unwrap();
    }
    let marks = installation.map(|namespace| json!({ "acr-credential-helper/installation": namespace }));
    let content = json!({ "metadata": { "name": NAME, "annotations": marks }, "webhooks": [{
        "name": "serviceaccounts.acr-credential-helper.io", "failurePolicy": failure_policy,
        "clientConfig": client, "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "namespaceSelector": { "matchLabels": { "nobody": "has-it" } } }] });
    let content = serde_json::from_value(content).unwrap();
    registrations.create(&PostParams::default(), &content).await.unwrap();
}

/// With what the program starts by the Deployment that is there.
async fn program_arguments(site: &Site) -> Vec<Value> {
    let deployment = site.deployment().await.unwrap();
    deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap().clone()
}

async fn service(site: &Site) -> Option<Value> {
    site.object("v1", "Service", OWN, "acr-credential-helper-webhook").await
}

#[tokio::test]
async fn an_upgrade_after_which_nobody_would_answer_is_refused_with_the_way_out() {
    let site = Site::begin().await;
    // What is left of somebody else does not stop an installation: the component takes it back.
    register(&site, OWN, "Fail").await;
    let notes = said(&site.install(&[WITHOUT, "--set=uninstall.enabled=false"]).await);
    assert!(notes.contains("`helm uninstall` takes nothing back here"), "{notes}");
    assert!(notes.contains("kubectl delete mutatingwebhookconfiguration acr-credential-helper"), "{notes}");
    said(&site.helm("uninstall", &["--no-hooks"]).await);
    let notes = said(&site.install(&[]).await);
    assert!(!notes.contains("takes nothing back"), "{notes}");
    let words = complaint(&site.upgrade(&[WITHOUT]).await);
    assert!(words.contains("webhook.enabled: false takes away the Service"), "{words}");
    assert!(words.contains("set `enable: false` in webhook-configuration"), "{words}");
    assert!(words.contains("kubectl wait --for=delete mutatingwebhookconfiguration/acr-credential-helper"));
    assert!(service(&site).await.is_some());
    let words = complaint(&site.upgrade(&["--set=replicas=0"]).await);
    assert!(words.contains("replicas: 0 leaves nobody who answers"), "{words}");
    assert_eq!(site.deployment().await.unwrap()["spec"]["replicas"], 2);

    // Nobody is refused for want of an answer.
    register(&site, OWN, "Ignore").await;
    said(&site.upgrade(&["--set=replicas=0"]).await);
    // Somebody else answers.
    register(&site, "elsewhere", "Fail").await;
    said(&site.upgrade(&[WITHOUT]).await);
    assert!(service(&site).await.is_none());
    register(&site, OWN, "Fail").await;
    complaint(&site.upgrade(&[WITHOUT, "--set=replicas=0"]).await);
    said(&site.upgrade(&[]).await);
}

#[tokio::test]
async fn an_upgrade_that_takes_the_service_from_those_who_answer_is_refused_and_a_url_needs_no_pods() {
    const OUTSIDE: &str = "--set=placement=outside";
    const AT_URL: &str = "--set=webhook.url=https://helper.example.com";
    let site = Site::begin().await;
    said(&site.install(&[]).await);
    let leads_to = async || service(&site).await.unwrap()["spec"]["selector"]["app"].clone();
    register(&site, OWN, "Fail").await;
    let words = complaint(&site.upgrade(&[OUTSIDE]).await);
    assert!(words.contains("placement: outside leads its Service to other pods"), "{words}");
    assert!(words.contains("set `enable: false` in webhook-configuration"), "{words}");
    assert_eq!(leads_to().await, "aliyun-acr-credential-helper");
    said(&site.upgrade(&["--set=replicas=1"]).await);
    // Nobody is refused for want of an answer.
    register(&site, OWN, "Ignore").await;
    said(&site.upgrade(&[OUTSIDE]).await);

    register(&site, OWN, "Fail").await;
    let words = complaint(&site.upgrade(&["--set=placement=in-cluster"]).await);
    assert!(words.contains("placement: in-cluster leads its Service to other pods"), "{words}");
    let words = complaint(&site.upgrade(&[OUTSIDE, AT_URL]).await);
    assert!(words.contains("webhook.url takes away the Service"), "{words}");
    complaint(&site.upgrade(&[OUTSIDE, "--set=replicas=0"]).await);
    assert_eq!(leads_to().await, "acr-credential-helper-webhook");
    said(&site.upgrade(&[OUTSIDE]).await);

    let url = json!({ "url": "https://helper.example.com/serviceaccounts" });
    register_at(&site, &url, "Fail", Some(OWN)).await;
    said(&site.upgrade(&[OUTSIDE, AT_URL]).await);
    said(&site.upgrade(&[OUTSIDE, AT_URL, "--set=replicas=0"]).await);
    let words = complaint(&site.upgrade(&[OUTSIDE, AT_URL, WITHOUT]).await);
    assert!(words.contains("webhook.enabled: false takes away the right"), "{words}");
    // Somebody else's, as its mark says.
    register_at(&site, &url, "Fail", Some("elsewhere")).await;
    said(&site.upgrade(&[OUTSIDE, WITHOUT]).await);
}

#[tokio::test]
async fn a_registration_of_former_days_goes_when_it_is_turned_off_and_with_the_release() {
    let site = Site::begin().await;
    said(&site.install(&[REQUESTED, WITHOUT]).await);
    said(&site.upgrade(&[REQUESTED]).await);
    let stage = Stage::join(&site.control_plane, OWN).await.unwrap();
    stage.create_namespace("shop", &[]).await.unwrap();
    let scope = [("acr-registry-info", ENTRY), ("watch-namespace", "shop")];
    let on = [scope[0], scope[1], ("webhook-configuration", "enable: true\nfailure-policy: Fail")];
    stage.configure(&on).await.unwrap();
    let mut component =
        Component::start(tools().await, program().await, &stage, &RunOptions::default()).unwrap();
    component.ready().await.unwrap();
    site.until("the webhook is registered", async || registration(&site).await).await;

    // A rollback renders nothing anew, so nobody refuses it.
    said(&site.helm("rollback", &["1", "--no-hooks"]).await);
    assert!(service(&site).await.is_none());
    stage.configure(&scope).await.unwrap();
    site.until("the registration is taken back", async || registration(&site).await.is_none().then_some(()))
        .await;

    said(&site.upgrade(&[REQUESTED]).await);
    stage.configure(&on).await.unwrap();
    site.until("the webhook is registered again", async || registration(&site).await).await;
    said(&site.helm("rollback", &["1", "--no-hooks"]).await);
    remove(&site, component).await;
    assert_eq!(registration(&site).await, None);
}

#[tokio::test]
async fn after_a_rollback_to_no_webhook_the_new_pods_take_the_registration_back_whatever_is_asked_for() {
    let site = Site::begin().await;
    said(&site.install(&[REQUESTED, WITHOUT]).await);
    let arguments = program_arguments(&site).await;
    assert!(arguments.iter().any(|argument| argument == "--no-webhook"), "{arguments:?}");
    said(&site.upgrade(&[REQUESTED]).await);
    assert!(!program_arguments(&site).await.iter().any(|argument| argument == "--no-webhook"));
    let stage = Stage::join(&site.control_plane, OWN).await.unwrap();
    let on = ("webhook-configuration", "enable: true\nfailure-policy: Fail");
    stage.configure(&[("acr-registry-info", ENTRY), ("watch-namespace", "shop"), on]).await.unwrap();
    let run = async |options: &RunOptions| {
        let mut component = Component::start(tools().await, program().await, &stage, options).unwrap();
        component.ready().await.unwrap();
        component
    };
    let component = run(&RunOptions::default()).await;
    site.until("the webhook is registered", async || registration(&site).await).await;

    said(&site.helm("rollback", &["1", "--no-hooks"]).await);
    assert!(component.terminate().await.unwrap().success());
    assert!(registration(&site).await.is_some());
    let without = RunOptions { arguments: vec!["--no-webhook".to_owned()], ..RunOptions::default() };
    let component = run(&without).await;
    site.until("the registration is taken back", async || registration(&site).await.is_none().then_some(()))
        .await;
    let status = component.status().await.unwrap();
    let codes: Vec<_> = status["findings"].as_array().unwrap().iter().map(|found| &found["code"]).collect();
    assert!(codes.contains(&&json!("WebhookLeftOut")), "{codes:?}");
}

#[tokio::test]
async fn while_a_release_is_removed_nobody_is_refused_for_want_of_an_answer() {
    let site = Site::begin().await;
    said(&site.install(&[REQUESTED]).await);
    let stage = Stage::join(&site.control_plane, OWN).await.unwrap();
    // No node leads to the Service, and in a cluster the policy lets nothing else be registered.
    said(&site.upgrade(&[REQUESTED, "--set=admissionPolicy=false"]).await);
    stage.create_namespace("shop", &[]).await.unwrap();
    let on = ("webhook-configuration", "enable: true\nfailure-policy: Fail");
    let all = ("service-account", "*");
    stage.configure(&[("acr-registry-info", ENTRY), ("watch-namespace", "shop"), all, on]).await.unwrap();
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().to_string();
    let url = format!("https://{address}");
    let arguments = ["--webhook-listen", &address, "--webhook-url", &url].map(str::to_owned).to_vec();
    let options = RunOptions { arguments, ..RunOptions::default() };
    let mut component = Component::start(tools().await, program().await, &stage, &options).unwrap();
    component.ready().await.unwrap();
    site.until("the API server calls the webhook", async || {
        would_be_attached(&site.client, "shop", json!({ "generateName": "probe-" })).await.then_some(())
    })
    .await;
    site.until("it is relied on", async || {
        (failure_policy(&site.client).await.as_deref() == Some("Fail")).then_some(())
    })
    .await;

    let removed = AtomicBool::new(false);
    let goes_on = async {
        let mut refused = Vec::new();
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        for place in 0.. {
            if removed.load(Ordering::Relaxed) {
                break;
            }
            pace.tick().await;
            let made = stage.create_account("shop", &format!("app-{place}")).await;
            refused.extend(made.err().map(|error| error.to_string()));
        }
        refused
    };
    let removal = async {
        remove(&site, component).await;
        removed.store(true, Ordering::Relaxed);
    };
    let (refused, ()) = tokio::join!(goes_on, removal);
    assert_eq!(refused, [""; 0]);
    assert_eq!(registration(&site).await, None);
    // Those that came meanwhile are taken back with the others.
    let accounts = stage.accounts("shop").list(&ListParams::default()).await.unwrap();
    assert!(accounts.items.len() > 50, "{}", accounts.items.len());
    let named = accounts.items.iter().filter(|account| account.image_pull_secrets.is_some());
    assert_eq!(named.map(|account| &account.metadata.name).collect::<Vec<_>>(), [&None; 0]);
}

#[tokio::test]
async fn an_uninstall_without_the_right_to_it_names_the_registration_and_goes_on_when_it_has_it() {
    let site = Site::begin().await;
    said(&site.install(&[REQUESTED]).await);
    let stage = Stage::join(&site.control_plane, OWN).await.unwrap();
    let on = ("webhook-configuration", "enable: true");
    stage.configure(&[("acr-registry-info", ENTRY), ("watch-namespace", "shop"), on]).await.unwrap();
    let mut component =
        Component::start(tools().await, program().await, &stage, &RunOptions::default()).unwrap();
    component.ready().await.unwrap();
    site.until("the webhook is registered", async || registration(&site).await).await;
    assert!(component.terminate().await.unwrap().success());

    let roles = site.api("rbac.authorization.k8s.io/v1", "ClusterRole", "").await;
    let mut role = roles.get(NAME).await.unwrap();
    let all_rules = role.data["rules"].clone();
    let others = all_rules.as_array().unwrap().iter();
    let others = others.filter(|rule| rule["resources"] != json!(["mutatingwebhookconfigurations"]));
    role.data["rules"] = others.cloned().collect();
    roles.replace(NAME, &PostParams::default(), &role).await.unwrap();
    let tried = acr_end_to_end::uninstall(program().await, &stage, &["--timeout=15"]).await.unwrap();
    let words = String::from_utf8_lossy(&tried.stderr).into_owned();
    assert_eq!(tried.status.code(), Some(69), "{words}");
    let last = words.split("not finished: ").last().unwrap();
    assert!(
        last.starts_with("the MutatingWebhookConfiguration acr-credential-helper may be left"),
        "{words}"
    );
    assert!(last.contains("kubectl delete mutatingwebhookconfiguration acr-credential-helper"), "{words}");

    let mut role = roles.get(NAME).await.unwrap();
    role.data["rules"] = all_rules;
    roles.replace(NAME, &PostParams::default(), &role).await.unwrap();
    let done = acr_end_to_end::uninstall(program().await, &stage, &[]).await.unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(registration(&site).await, None);
}
