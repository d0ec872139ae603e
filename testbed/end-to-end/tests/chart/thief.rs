//! What a thief of the component's token can do: nothing that is not on the list, and what RBAC cannot tell apart is
//! refused by the policy. That the policy is what refuses is shown by the same requests without it.

use acr_end_to_end::{PULL_SECRET, SERVICE_ACCOUNT};
use acr_testbed::{Right, apply_manifests};
use http::Request;
use http_body_util::BodyExt;
use kube::Client;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::attempts::{
    Attempt, By, of_a_thief, of_a_thief_who_sees_pods, of_a_thief_with_all_rights, of_a_thief_with_pod_help,
    of_the_component,
};
use crate::site::{OWN, Site, said};

const WITHOUT: [&str; 3] =
    ["--set=admissionPolicy=false", "--set=credentials.rrsaToken=requested", "--set=mutatingPolicy=true"];
const WITH: [&str; 2] = ["--set=credentials.rrsaToken=requested", "--set=mutatingPolicy=true"];

/// What there is to steal or to spoil, and what the component has to do with.
const VICTIMS: &str = r"
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: odd}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: adopted}}
---
{apiVersion: v1, kind: Secret, metadata: {name: database, namespace: shop}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: acr-credential-helper-uninstall, namespace: kube-system}}
---
{apiVersion: v1, kind: Secret, metadata: {name: acr-credential-secret-aggregation, namespace: odd}, type: Opaque}
---
apiVersion: v1
kind: Secret
metadata: {name: acr-credential-secret-aggregation, namespace: adopted, finalizers: [example.com/theirs], labels: {a: b}}
type: kubernetes.io/dockerconfigjson
data: {.dockerconfigjson: e30=, theirs: e30=}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop, labels: {team: blue}, annotations: {note: theirs}}
secrets: [{name: theirs}]
imagePullSecrets: [{name: theirs}, {name: more}]
automountServiceAccountToken: false
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: bare, namespace: shop}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: attached, namespace: shop}
imagePullSecrets:
  [{name: theirs}, {name: acr-credential-secret-aggregation}, {name: more}, {name: acr-credential-secret-aggregation}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: ending, namespace: shop, finalizers: [example.com/theirs]}
imagePullSecrets: [{name: theirs}, {name: more}]
";

/// Everything, given to the component and to its uninstall by mistake.
const ALL_RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: by-mistake}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects:
  - {kind: ServiceAccount, name: aliyun-acr-credential-helper, namespace: kube-system}
  - {kind: ServiceAccount, name: acr-credential-helper-uninstall, namespace: kube-system}
";

/// Status and message of an answer.
async fn tried(client: &Client, attempt: &Attempt) -> (u16, String) {
    let mut request = Request::builder()
        .method(attempt.method)
        .uri(&attempt.path)
        .header("content-type", attempt.content)
        .header("accept", "application/json");
    if let Some(user) = attempt.impersonate {
        request = request.header("impersonate-user", user);
    }
    let body = match attempt.method {
        "GET" => Vec::new(),
        // With a body, the query of a deletion does not count.
        "DELETE" => serde_json::to_vec(&json!({ "dryRun": ["All"] })).unwrap(),
        _ => serde_json::to_vec(&attempt.body).unwrap(),
    };
    let answer = client.send(request.body(body.into()).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    (status, body["message"].as_str().unwrap_or_default().to_owned())
}

/// Who has refused, if it was for this attempt's reason.
fn refused_as_expected(attempt: &Attempt, status: u16, message: &str) -> bool {
    let by_policy = "ValidatingAdmissionPolicy 'acr-credential-helper' with binding 'acr-credential-helper' denied request: ";
    match attempt.refused {
        By::Rights => status == 403 && message.contains(" cannot ") && !message.contains("denied request"),
        By::Policy(words) | By::PolicyOrRights(words) => {
            status == 403 && message.contains(by_policy) && message.contains(words)
        }
        By::Nobody => (200..300).contains(&status),
    }
}

/// Tries everything and tells what went otherwise. Without the policy what it refuses must be done.
async fn try_all(client: &Client, attempts: &[Attempt], policy: bool) -> Vec<String> {
    let mut surprises = Vec::new();
    for attempt in attempts {
        let (status, message) = tried(client, attempt).await;
        let as_expected = match attempt.refused {
            By::Policy(_) if !policy => (200..300).contains(&status),
            By::PolicyOrRights(_) if !policy => status == 403 && message.contains(" cannot "),
            _ => refused_as_expected(attempt, status, &message),
        };
        if !as_expected {
            surprises.push(format!("{}: {status} {message}", attempt.what));
        }
    }
    surprises
}

async fn until_policy(site: &Site, client: &Client, counts: bool) {
    let attempts = of_a_thief();
    let label = attempts.iter().find(|attempt| attempt.what == "label a ServiceAccount").unwrap();
    site.until("the policy counts, or not", async || {
        let (status, _) = tried(client, label).await;
        ((status == 403) == counts).then_some(())
    })
    .await;
}

async fn until_granted(site: &Site, right: Right<'_>) {
    site.control_plane.until_granted(OWN, SERVICE_ACCOUNT, &[right]).await.unwrap();
}

#[tokio::test]
async fn a_thief_of_the_token_gets_no_further_than_the_list() {
    let site = Site::begin().await;
    apply_manifests(&site.client, VICTIMS).await.unwrap();
    site.api("v1", "ServiceAccount", "shop").await.delete("ending", &DeleteParams::default()).await.unwrap();
    said(&site.install(&WITHOUT).await);
    for right in [
        Right { verb: "patch", resource: "serviceaccounts", ..Right::default() },
        Right {
            verb: "get",
            resource: "secrets",
            namespace: OWN,
            name: "acr-credential-helper-state",
            ..Right::default()
        },
        Right {
            verb: "create",
            resource: "serviceaccounts",
            subresource: "token",
            namespace: OWN,
            name: SERVICE_ACCOUNT,
            ..Right::default()
        },
    ] {
        until_granted(&site, right).await;
    }
    let token = site.control_plane.service_account_token(OWN, SERVICE_ACCOUNT, &[], 3600).await.unwrap();
    let client = site.control_plane.client_with_token(&token).unwrap();
    let none: [String; 0] = [];
    let (thief, component) = (of_a_thief(), of_the_component());

    // Rights alone: what only the policy refuses is done. So each refusal below is the policy's.
    assert_eq!(try_all(&client, &thief, false).await, none);
    assert_eq!(try_all(&client, &component, false).await, none);

    said(&site.upgrade(&WITH).await);
    until_policy(&site, &client, true).await;
    assert_eq!(try_all(&client, &thief, true).await, none);
    assert_eq!(try_all(&client, &component, true).await, none);

    // Somebody has given the component all rights: the policy still holds it.
    apply_manifests(&site.client, ALL_RIGHTS).await.unwrap();
    until_granted(&site, Right { verb: "delete", resource: "pods", namespace: "shop", ..Right::default() })
        .await;
    let wide = of_a_thief_with_all_rights();
    assert_eq!(try_all(&client, &wide, true).await, none);
    assert_eq!(try_all(&client, &component, true).await, none);
    // The account of the uninstall, which has a role of its own, is held by it, too.
    let uninstall = "acr-credential-helper-uninstall";
    let token = site.control_plane.service_account_token(OWN, uninstall, &[], 3600).await.unwrap();
    let uninstall = site.control_plane.client_with_token(&token).unwrap();
    assert_eq!(try_all(&uninstall, &wide, true).await, none);
    said(&site.upgrade(&[&WITH[..], &["--set=podHelp=append"]].concat()).await);
    let helping = of_a_thief_with_pod_help();
    let asked = helping.last().unwrap();
    let granted = async || ((200..300).contains(&tried(&client, asked).await.0)).then_some(());
    site.until("the webhook may be registered for pods", granted).await;
    assert_eq!(try_all(&client, &helping, true).await, none);
    said(&site.upgrade(&WITHOUT).await);
    until_policy(&site, &client, false).await;
    assert_eq!(try_all(&client, &wide, false).await, none);

    // All of this were dry runs.
    let account = site.object("v1", "ServiceAccount", "shop", "web").await.unwrap();
    assert_eq!(account["imagePullSecrets"], json!([{ "name": "theirs" }, { "name": "more" }]));
    assert!(site.object("v1", "Secret", "shop", PULL_SECRET).await.is_none());
}

#[tokio::test]
async fn on_the_oldest_server_that_has_it_the_policy_refuses_the_same() {
    let site = Site::begin_oldest().await;
    apply_manifests(&site.client, VICTIMS).await.unwrap();
    site.api("v1", "ServiceAccount", "shop").await.delete("ending", &DeleteParams::default()).await.unwrap();
    // Rights refuse nothing here: what is refused, the policy refuses.
    apply_manifests(&site.client, ALL_RIGHTS).await.unwrap();
    said(&site.install(&["--set=credentials.rrsaToken=requested"]).await);
    let token = site.control_plane.service_account_token(OWN, SERVICE_ACCOUNT, &[], 3600).await.unwrap();
    let client = site.control_plane.client_with_token(&token).unwrap();
    until_granted(&site, Right { verb: "delete", resource: "pods", namespace: "shop", ..Right::default() })
        .await;
    until_policy(&site, &client, true).await;
    let mut attempts = of_a_thief_with_all_rights();
    let by_policy = |attempt: &Attempt| matches!(attempt.refused, By::Policy(_) | By::PolicyOrRights(_));
    attempts.extend(of_a_thief().into_iter().filter(by_policy));
    let none: [String; 0] = [];
    assert_eq!(try_all(&client, &attempts, true).await, none);
}

#[tokio::test]
async fn help_for_pods_gives_a_thief_their_sight_and_with_restart_their_eviction_and_nothing_else() {
    const VICTIM: &str = "{apiVersion: v1, kind: Pod, metadata: {name: victim, namespace: shop}, spec: {serviceAccountName: \
        web, containers: [{name: x, image: x}]}}";
    let site = Site::begin().await;
    apply_manifests(&site.client, VICTIMS).await.unwrap();
    apply_manifests(&site.client, VICTIM).await.unwrap();
    let none: [String; 0] = [];
    said(&site.install(&["--set=podHelp=report"]).await);
    let sight = Right { verb: "list", resource: "pods", ..Right::default() };
    until_granted(&site, sight).await;
    let token = site.control_plane.service_account_token(OWN, SERVICE_ACCOUNT, &[], 3600).await.unwrap();
    let thief = site.control_plane.client_with_token(&token).unwrap();
    assert_eq!(try_all(&thief, &of_a_thief_who_sees_pods(false), true).await, none);
    let registers = of_a_thief_with_pod_help().pop().unwrap();
    assert!(tried(&thief, &registers).await.0 == 403, "a report needs no webhook for pods");

    said(&site.upgrade(&["--set=podHelp=restart"]).await);
    let eviction = Right { verb: "create", resource: "pods", subresource: "eviction", ..Right::default() };
    until_granted(&site, eviction).await;
    assert_eq!(try_all(&thief, &of_a_thief_who_sees_pods(true), true).await, none);
    assert!(site.object("v1", "Pod", "shop", "victim").await.is_some(), "all of this were dry runs");
}

#[tokio::test]
async fn the_policy_type_checks_and_looks_at_nobody_else() {
    let site = Site::begin().await;
    apply_manifests(&site.client, VICTIMS).await.unwrap();
    said(&site.install(&[]).await);
    let kind = ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy");
    let checked = site.until("the types are checked", async || {
        let policy = site.object(kind.0, kind.1, "", "acr-credential-helper").await.unwrap();
        policy.pointer("/status/typeChecking").cloned()
    });
    assert_eq!(checked.await, json!({}));
    let token = site.control_plane.service_account_token(OWN, SERVICE_ACCOUNT, &[], 3600).await.unwrap();
    let component = site.control_plane.client_with_token(&token).unwrap();
    until_granted(&site, Right { verb: "patch", resource: "serviceaccounts", ..Right::default() }).await;
    until_policy(&site, &component, true).await;
    let by_policy = |attempt: &Attempt| matches!(attempt.refused, By::Policy(_) | By::PolicyOrRights(_));
    for attempt in of_a_thief().into_iter().chain(of_a_thief_with_all_rights()).filter(by_policy) {
        let (status, message) = tried(&site.client, &attempt).await;
        assert!((200..300).contains(&status), "{}: {status} {message}", attempt.what);
    }
}
