//! The rights that the component runs under are the closed list, and what it says of itself is complete.

use std::path::Path;

use acr_end_to_end::{ACME, PARTNER, PULL_SECRET, RunOptions, SERVICE_ACCOUNT};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, ServiceAccount};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::{Client, Error};
use serde_json::json;

use crate::scene::{ACME_BY_KEY, PARTNER_BY_KEY, Scene};
use crate::{shared_control_plane, tools};

fn is_forbidden<T>(answer: Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Api(status)) if status.code == 403)
}

#[tokio::test]
async fn whatever_is_not_on_the_list_is_forbidden() {
    let scene = Scene::begin("closedlist").await;
    let space = scene.create_space("shop").await;
    let own = scene.stage.namespace().to_owned();
    let token =
        scene.stage.control_plane().service_account_token(&own, SERVICE_ACCOUNT, &[], 3600).await.unwrap();
    let client: Client = scene.stage.control_plane().client_with_token(&token).unwrap();

    let all: Api<Secret> = Api::all(client.clone());
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &space);
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &space);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &own);
    let pods: Api<Pod> = Api::all(client.clone());
    let secret = |name: &str| serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
    let post = PostParams::default();
    let delete = DeleteParams::default();
    assert!(is_forbidden(all.list(&ListParams::default()).await));
    assert!(is_forbidden(secrets.list(&ListParams::default()).await));
    assert!(is_forbidden(secrets.get("database-password").await));
    assert!(is_forbidden(secrets.create(&post, &secret("database-password")).await));
    assert!(is_forbidden(secrets.create(&post, &secret(PULL_SECRET)).await));
    assert!(is_forbidden(secrets.delete("database-password", &delete).await));
    assert!(is_forbidden(accounts.delete("default", &delete).await));
    let token_request =
        serde_json::from_value(json!({ "spec": { "audiences": ["sts.aliyuncs.com"] } })).unwrap();
    assert!(is_forbidden(accounts.create_token_request("default", &post, &token_request).await));
    assert!(is_forbidden(maps.get("kube-root-ca.crt").await));
    assert!(is_forbidden(maps.delete("acr-configuration", &delete).await));
    assert!(is_forbidden(pods.list(&ListParams::default()).await));

    // What is on the list: our Secret by its name, wherever it is.
    assert!(secrets.get_opt(PULL_SECRET).await.unwrap().is_none());
    let by_name = ListParams::default().fields(&format!("metadata.name={PULL_SECRET}"));
    all.list(&by_name).await.unwrap();
}

#[tokio::test]
async fn the_manifests_are_taken_by_the_api_server_as_they_are() {
    let control_plane = shared_control_plane().await;
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let mut command = tokio::process::Command::new(tools().await.kubectl());
    command.arg("--kubeconfig").arg(control_plane.admin_kubeconfig());
    command.args(["apply", "--server-side", "--dry-run=server", "--validate=strict"]);
    let files = std::fs::read_dir(&deploy).unwrap().map(|file| file.unwrap().path());
    let is_manifest = |path: &std::path::PathBuf| {
        path.extension().is_some_and(|end| end == "yaml") && !path.ends_with("kustomization.yaml")
    };
    let manifests: Vec<_> = files.filter(is_manifest).collect();
    assert!(manifests.len() >= 5, "{manifests:?}");
    for manifest in manifests {
        command.arg("--filename").arg(manifest);
    }
    let output = command.output().await.unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[tokio::test]
async fn a_log_is_json_where_that_is_asked_for_and_tells_no_secret_however_loud_it_is() {
    let mut scene = Scene::begin("loud").await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    let loud = "--log-level=trace,hyper=trace,hyper_util=trace,rustls=trace,tower=trace,kube_client=trace";
    let arguments = vec!["--log-format=json".to_owned(), loud.to_owned()];
    scene.run_with(&RunOptions { arguments, ..RunOptions::default() }).await;
    scene.served_with_acme(&space).await;
    scene.configure("- instanceId: cri-1\n  customAccessKeySecret: marker-half\n", &[&space], &[]).await;
    scene.finding("IncompletePair").await;
    let log = scene.component().log().unwrap();
    assert!(log.lines().count() > 100);
    for line in log.lines() {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
    scene.end().await;
}

#[tokio::test]
async fn metrics_and_status_say_what_is_served_and_what_it_cost() {
    let mut scene = Scene::begin("metrics").await;
    let space = scene.create_space("shop").await;
    scene.configure(&format!("{ACME_BY_KEY}{PARTNER_BY_KEY}"), &[&space], &[]).await;
    scene.run().await;
    scene.attached(&space, "default").await;
    let mut hosts: Vec<&str> = ACME.hosts.iter().chain(PARTNER.hosts).copied().collect();
    hosts.sort_unstable();
    scene.served(&space, &hosts).await;
    let is_counted = |text: &String| {
        text.contains("_service_accounts{state=\"attached\"} 1")
            && text.contains("_namespaces{state=\"current\"} 1")
    };
    let counted = async || Some(scene.component().metrics().await.unwrap()).filter(is_counted);
    let text = scene.until("account and namespace count as served", counted).await;
    for wanted in [
        "acr_credential_helper_login_expires_in_seconds{entry=\"0\",instance=\"cri-acme0000000000\"} 3",
        "acr_credential_helper_cloud_calls_total{operation=\"GetAuthorizationToken\",result=\"Success\"} 2",
        "acr_credential_helper_cloud_calls_total{operation=\"ListInstanceEndpoint\",result=\"Success\"} 2",
        "acr_credential_helper_service_accounts{state=\"pending\"} 0",
        "acr_credential_helper_attach_lag_seconds_count 1",
        "acr_credential_helper_api_writes_total{",
        "acr_credential_helper_leader 1",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
    assert_eq!(scene.component().get("/healthz").await.unwrap().0, 200);
    assert_eq!(scene.component().get("/readyz").await.unwrap().0, 200);
    let status = scene.component().status().await.unwrap();
    assert_eq!(status["logins"][0]["hosts"], json!(ACME.hosts));
    scene.end().await;
}
