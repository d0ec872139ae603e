//! The rights of deploy/rbac.yaml: what they allow is used by the other tests, what they must not allow is here.

use acr_controller::names::{PULL_SECRET, SERVICE_ACCOUNT, STS_AUDIENCE};
use acr_controller::observation::{Answer, Refusal};
use acr_controller::operation::Operation;
use http::Request;
use kube::Client;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::{OWN, cluster, namespace, refusal, shared_control_plane};

/// The HTTP status of a request by the component's ServiceAccount.
async fn status(client: &Client, method: &str, path: &str, body: serde_json::Value) -> u16 {
    let content = if method == "PATCH" { "application/apply-patch+yaml" } else { "application/json" };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", content)
        .body(serde_json::to_vec(&body).unwrap())
        .unwrap();
    client.send(request.map(Into::into)).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn nothing_besides_the_closed_list_is_allowed() {
    let control_plane = shared_control_plane().await;
    namespace(control_plane, "closed").await;
    let token = control_plane.service_account_token(OWN, SERVICE_ACCOUNT, &[], 3600).await.unwrap();
    let client = control_plane.client_with_token(&token).unwrap();
    let secret = |name: &str| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name } });
    let ours = format!("/api/v1/namespaces/closed/secrets/{PULL_SECRET}");
    let forbidden = [
        // Other Secrets, and ours by other ways than apply.
        ("GET", "/api/v1/namespaces/closed/secrets/other", json!({})),
        ("GET", "/api/v1/namespaces/closed/secrets", json!({})),
        ("GET", "/api/v1/secrets", json!({})),
        ("GET", "/api/v1/secrets?watch=true", json!({})),
        ("PATCH", "/api/v1/namespaces/closed/secrets/other?fieldManager=x", secret("other")),
        ("POST", "/api/v1/namespaces/closed/secrets", secret(PULL_SECRET)),
        ("DELETE", "/api/v1/namespaces/closed/secrets", json!({})),
        ("PUT", &ours, secret(PULL_SECRET)),
        // The journal is ours in our own namespace only.
        ("GET", "/api/v1/namespaces/closed/secrets/acr-credential-helper-state", json!({})),
        // The configuration is read only.
        ("PATCH", "/api/v1/namespaces/kube-system/configmaps/acr-configuration?fieldManager=x", json!({})),
        ("GET", "/api/v1/namespaces/kube-system/configmaps", json!({})),
        // ServiceAccounts are patched, not made, replaced or deleted, and only our own gives tokens.
        ("DELETE", "/api/v1/namespaces/closed/serviceaccounts/default", json!({})),
        ("PUT", "/api/v1/namespaces/closed/serviceaccounts/default", json!({})),
        ("POST", "/api/v1/namespaces/closed/serviceaccounts", json!({})),
        ("POST", "/api/v1/namespaces/closed/serviceaccounts/default/token", json!({})),
        // Nothing else.
        ("PATCH", "/api/v1/namespaces/closed?fieldManager=x", json!({})),
        ("GET", "/api/v1/pods", json!({})),
        ("GET", "/api/v1/nodes", json!({})),
        ("GET", "/apis/events.k8s.io/v1/namespaces/closed/events", json!({})),
        ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles", json!({})),
        ("GET", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", json!({})),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/other", json!({})),
    ];
    for (method, path, body) in forbidden {
        assert_eq!(status(&client, method, path, body).await, 403, "{method} {path}");
    }
}

#[tokio::test]
async fn a_token_is_minted_of_our_own_service_account_alone() {
    let control_plane = shared_control_plane().await;
    let cluster = cluster(control_plane).await;
    let token = |service_account: &str| Operation::RequestToken {
        service_account: service_account.to_owned(),
        audience: STS_AUDIENCE,
        expiration_seconds: 3600,
    };
    let Answer::Token(Some(minted)) = cluster.carry_out(token(SERVICE_ACCOUNT)).await else { panic!() };
    assert_eq!(minted.expose_secret().split('.').count(), 3);
    let refused = refusal(cluster.carry_out(token("default")).await);
    assert!(matches!(refused, Refusal::NoRight { .. }), "{refused:?}");
}
