//! What a control plane offers to tests.

use std::collections::BTreeSet;
use std::time::Duration;

use acr_testbed::{Applied, ControlPlane, ControlPlaneOptions, Part, Stage, apply_manifests};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use kube::api::{Api, ListParams, PostParams};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{eventually, shared_control_plane, tools, turn};

async fn create_namespace(control_plane: &ControlPlane, name: &str) {
    let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
    let namespaces: Api<Namespace> = Api::all(control_plane.admin().unwrap());
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
}

#[tokio::test]
async fn a_new_namespace_gets_its_default_service_account() {
    let control_plane = shared_control_plane().await;
    create_namespace(control_plane, "shop").await;
    let accounts: Api<ServiceAccount> = Api::namespaced(control_plane.admin().unwrap(), "shop");
    let found = eventually("the account exists", async || accounts.get_opt("default").await.unwrap()).await;
    assert_eq!(found.image_pull_secrets, None);
}

#[tokio::test]
async fn a_deleted_namespace_goes_away() {
    let control_plane = shared_control_plane().await;
    create_namespace(control_plane, "short-lived").await;
    let namespaces: Api<Namespace> = Api::all(control_plane.admin().unwrap());
    namespaces.delete("short-lived", &kube::api::DeleteParams::default()).await.unwrap();
    let is_gone = async || namespaces.get_opt("short-lived").await.unwrap().is_none().then_some(());
    eventually("the namespace is gone", is_gone).await;
}

#[tokio::test]
async fn a_service_account_has_exactly_its_own_rights() {
    let control_plane = shared_control_plane().await;
    let token = control_plane.service_account_token("default", "default", &[], 600).await.unwrap();
    let secrets: Api<Secret> = Api::all(control_plane.client_with_token(&token).unwrap());
    let kube::Error::Api(refused) = secrets.list(&ListParams::default()).await.unwrap_err() else { panic!() };
    assert_eq!(refused.code, 403, "{refused:?}");

    // The same with its kubeconfig, and with the kubectl that comes along.
    let kubeconfig = control_plane.kubeconfig_with_token("default:default", &token).unwrap();
    let who = tokio::process::Command::new(tools().await.kubectl())
        .args(["auth", "whoami", "--output=jsonpath={.status.userInfo.username}", "--kubeconfig"])
        .arg(kubeconfig)
        .output()
        .await
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&who.stdout), "system:serviceaccount:default:default", "{who:?}");
}

#[tokio::test]
async fn a_token_for_another_audience_can_be_checked_with_the_keys_of_the_issuer() {
    let control_plane = shared_control_plane().await;
    let audience = "sts.aliyuncs.com";
    let token = control_plane.service_account_token("default", "default", &[audience], 600).await.unwrap();
    let parts: Vec<Value> = token
        .expose_secret()
        .split('.')
        .take(2)
        .map(|part| serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    assert_eq!(parts[1]["iss"], control_plane.issuer());
    assert_eq!(parts[1]["aud"], json!([audience]));
    assert_eq!(parts[1]["exp"].as_i64().unwrap() - parts[1]["iat"].as_i64().unwrap(), 600);

    let keys: Value = serde_json::from_str(&control_plane.jwks().await.unwrap()).unwrap();
    assert_eq!(keys["keys"][0]["kid"], parts[0]["kid"]);
    assert_eq!((&keys["keys"][0]["kty"], &parts[0]["alg"]), (&json!("RSA"), &json!("RS256")));

    // The API server itself is another audience.
    let accounts: Api<ServiceAccount> =
        Api::default_namespaced(control_plane.client_with_token(&token).unwrap());
    let kube::Error::Api(refused) = accounts.get("default").await.unwrap_err() else { panic!() };
    assert_eq!(refused.code, 401, "{refused:?}");
}

#[tokio::test]
async fn the_audit_log_tells_who_asked_for_what() {
    let control_plane = shared_control_plane().await;
    create_namespace(control_plane, "audited").await;
    let accounts: Api<ServiceAccount> = Api::namespaced(control_plane.admin().unwrap(), "audited");
    let get_account = async || accounts.get_opt("default").await.unwrap();
    eventually("the account exists", get_account).await;
    let token = control_plane.service_account_token("audited", "default", &[], 600).await.unwrap();
    let client = control_plane.client_with_token(&token).unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client, "audited");
    maps.get("acr-configuration").await.unwrap_err();
    maps.list(&ListParams::default().labels("a=b")).await.unwrap_err();

    let events = control_plane.audit_events().unwrap();
    let user = "system:serviceaccount:audited:default";
    let ours: Vec<_> = events.iter().filter(|event| event.user == user).collect();
    let seen: Vec<_> =
        ours.iter().map(|event| (event.verb.as_str(), event.name.as_str(), event.code)).collect();
    assert_eq!(seen, [("get", "acr-configuration", Some(403)), ("list", "", Some(403))]);
    for event in &ours {
        assert_eq!((event.resource.as_str(), event.namespace.as_str()), ("configmaps", "audited"));
        assert_eq!(event.stage, Stage::ResponseComplete);
    }
    assert!(ours[0].at <= ours[1].at);
    assert!(ours[1].uri.ends_with("labelSelector=a%3Db"), "{}", ours[1].uri);

    // The token was asked for by the admin, and the controllers have a name of their own.
    let users: BTreeSet<&str> = events.iter().map(|event| event.user.as_str()).collect();
    assert!(users.contains("controller-manager") && users.contains("admin"), "{users:?}");
    let asked_for_token = |event: &&acr_testbed::AuditEvent| {
        (&*event.subresource, &*event.namespace, &*event.user) == ("token", "audited", "admin")
    };
    assert_eq!(events.iter().filter(asked_for_token).count(), 1);
}

#[tokio::test]
async fn manifests_are_applied_in_their_order() {
    let control_plane = shared_control_plane().await;
    let client = control_plane.admin().unwrap();
    let manifests = "\
# Nothing but a comment.
---
apiVersion: v1
kind: Namespace
metadata: {name: applied}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: applied}
rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: applied, namespace: applied}
data: {key: value, quoted: 'true', octal: '0644'}
";
    // The second time nothing is new, and nothing fails.
    for _ in 0..2 {
        let applied = apply_manifests(&client, manifests).await.unwrap();
        let object = |kind: &str, namespace: Option<&str>| Applied {
            kind: kind.to_owned(),
            namespace: namespace.map(ToOwned::to_owned),
            name: "applied".to_owned(),
        };
        let wanted =
            [object("Namespace", None), object("ClusterRole", None), object("ConfigMap", Some("applied"))];
        assert_eq!(applied, wanted);
    }
    let maps: Api<ConfigMap> = Api::namespaced(client, "applied");
    let data = maps.get("applied").await.unwrap().data.unwrap();
    assert_eq!(["key", "quoted", "octal"].map(|key| data[key].as_str()), ["value", "true", "0644"]);
}

#[tokio::test]
async fn a_manifest_that_cannot_be_applied_is_named() {
    let client = shared_control_plane().await.admin().unwrap();
    let nameless =
        "{apiVersion: v1, kind: Namespace, metadata: {name: named}}\n---\n{apiVersion: v1, kind: ConfigMap}";
    let error = apply_manifests(&client, nameless).await.unwrap_err();
    assert_eq!(error.to_string(), "document 2 of the manifests: no name");

    let error = apply_manifests(&client, "kind: {{").await.unwrap_err();
    assert!(error.to_string().starts_with("the manifests are not YAML: "), "{error}");

    let unknown = "{apiVersion: acr.example/v1, kind: Nothing, metadata: {name: x}}";
    let error = apply_manifests(&client, unknown).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot find acr.example/v1 Nothing:"), "{error}");
}

#[tokio::test]
async fn a_second_control_plane_has_its_own_objects_and_survives_crashes_of_its_api_server() {
    let shared = shared_control_plane().await;
    let _turn = turn().await;
    let second = ControlPlane::start(tools().await, ControlPlaneOptions::default()).await.unwrap();
    create_namespace(&second, "kept").await;
    let elsewhere: Api<Namespace> = Api::all(shared.admin().unwrap());
    assert!(elsewhere.get_opt("kept").await.unwrap().is_none());

    let (url, ca) = (second.url(), second.ca().to_owned());
    let client = second.admin().unwrap();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    second.stop_api_server().unwrap();
    assert!(matches!(
        namespaces.get("kept").await,
        Err(kube::Error::Service(_) | kube::Error::HyperError(_))
    ));
    second.start_api_server().await.unwrap();
    // Address, certificate and tokens are the same: the old client goes on.
    assert_eq!((second.url(), second.ca()), (url, ca.as_slice()));
    namespaces.get("kept").await.unwrap();

    second.pause(Part::ApiServer).unwrap();
    let unanswered = tokio::time::timeout(Duration::from_millis(300), namespaces.get("kept")).await;
    assert!(unanswered.is_err(), "a paused server answered: {unanswered:?}");
    second.resume(Part::ApiServer).unwrap();
    namespaces.get("kept").await.unwrap();
    second.stop().unwrap();
}
