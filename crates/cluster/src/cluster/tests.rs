//! The requests of every operation, as the API server gets them, and what becomes of its answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use acr_controller::operation::{LeaseWrite, ListChange, Payload, Precondition, Report, Subject};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use zeroize::Zeroizing;

use super::*;

/// A server that notes requests and answers each by `answer`.
fn cluster(
    answer: impl Fn(&Request<()>) -> (StatusCode, String) + Send + Clone + 'static,
) -> (Cluster, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (noted, answer) = (noted.clone(), answer.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let header =
                |name: &str| parts.headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
            noted.lock().unwrap().push(format!(
                "{} {}\naccept: {}\ncontent-type: {}\n{}",
                parts.method,
                parts.uri,
                header("accept"),
                header("content-type"),
                masked(&String::from_utf8_lossy(&body)),
            ));
            let (status, body) = answer(&Request::from_parts(parts, ()));
            Ok::<_, std::convert::Infallible>(
                Response::builder().status(status).body(Body::from(body.into_bytes())).unwrap(),
            )
        }
    });
    let ourselves = Ourselves { namespace: "kube-system".into(), identity: "pod-1_ab12".into() };
    (Cluster::new(Client::new(service, "default"), ourselves), asked)
}

/// The body with the times of this run taken out.
fn masked(body: &str) -> String {
    let mut parts = body.split(r#"Time":""#);
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        out.push_str(r#"Time":"NOW"#);
        let (_, rest) = part.split_once('"').unwrap();
        out.push('"');
        out.push_str(rest);
    }
    out
}

fn object(_: &Request<()>) -> (StatusCode, String) {
    (
        StatusCode::OK,
        r#"{"metadata":{"name":"x","namespace":"team","uid":"u-1","resourceVersion":"42"}}"#.into(),
    )
}

async fn asked_by(operation: Operation) -> String {
    let (cluster, asked) = cluster(object);
    cluster.carry_out(operation).await;
    let asked = asked.lock().unwrap();
    asked.join("\n\n")
}

fn exactly() -> Precondition {
    Precondition::Exactly { uid: "u-1".into(), resource_version: 7 }
}

fn payload() -> Payload {
    Payload { document: Zeroizing::new(b"{}".to_vec()), digest: "d1".into(), expires: None }
}

fn team() -> String {
    "team".into()
}

#[tokio::test]
async fn attaching_is_one_guarded_patch() {
    let patch = Operation::PatchList {
        namespace: team(),
        name: "default".into(),
        observed: Some(r#"[{"name":"x"}]"#.into()),
        change: ListChange::Append,
    };
    insta::assert_snapshot!(asked_by(patch).await, @r#"
    PATCH /api/v1/namespaces/team/serviceaccounts/default?fieldManager=acr-credential-helper
    accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1
    content-type: application/json-patch+json
    [{"op":"test","path":"/imagePullSecrets","value":[{"name":"x"}]},{"op":"add","path":"/imagePullSecrets/-","value":{"name":"acr-credential-secret-aggregation"}}]
    "#);
}

#[tokio::test]
async fn a_creation_does_not_force_and_a_replacement_does() {
    let apply = |precondition| Operation::ApplyPullSecret {
        namespace: team(),
        precondition,
        payload: payload(),
        adopted: false,
    };
    insta::assert_snapshot!(asked_by(apply(Precondition::Absent)).await, @r#"
    PATCH /api/v1/namespaces/team/secrets/acr-credential-secret-aggregation?fieldManager=acr-credential-helper&force=false
    accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1
    content-type: application/apply-patch+yaml
    {"apiVersion":"v1","kind":"Secret","metadata":{"name":"acr-credential-secret-aggregation","namespace":"team","resourceVersion":"1","labels":{"app.kubernetes.io/managed-by":"acr-credential-helper"},"annotations":{"acr-credential-helper/payload-digest":"d1","acr-credential-helper/installation":"kube-system","argocd.argoproj.io/compare-options":"IgnoreExtraneous","argocd.argoproj.io/sync-options":"Prune=false"}},"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"e30="}}
    "#);
    insta::assert_snapshot!(asked_by(apply(exactly())).await, @r#"
    PATCH /api/v1/namespaces/team/secrets/acr-credential-secret-aggregation?fieldManager=acr-credential-helper&force=true
    accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1
    content-type: application/apply-patch+yaml
    {"apiVersion":"v1","kind":"Secret","metadata":{"name":"acr-credential-secret-aggregation","namespace":"team","uid":"u-1","resourceVersion":"7","labels":{"app.kubernetes.io/managed-by":"acr-credential-helper"},"annotations":{"acr-credential-helper/payload-digest":"d1","acr-credential-helper/installation":"kube-system","argocd.argoproj.io/compare-options":"IgnoreExtraneous","argocd.argoproj.io/sync-options":"Prune=false"}},"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"e30="}}
    "#);
}

#[tokio::test]
async fn a_deletion_has_both_preconditions() {
    let delete = Operation::DeletePullSecret { namespace: team(), uid: "u-1".into(), resource_version: 7 };
    insta::assert_snapshot!(asked_by(delete).await, @r#"
    DELETE /api/v1/namespaces/team/secrets/acr-credential-secret-aggregation
    accept: application/json
    content-type: application/json
    {"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"resourceVersion":"7","uid":"u-1"}}
    "#);
    let delete = Operation::DeleteLease { uid: "u-1".into(), resource_version: 7 };
    insta::assert_snapshot!(asked_by(delete).await, @r#"
    DELETE /apis/coordination.k8s.io/v1/namespaces/kube-system/leases/acr-credential-helper
    accept: application/json
    content-type: application/json
    {"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"resourceVersion":"7","uid":"u-1"}}
    "#);
}

#[tokio::test]
async fn the_journal_is_one_secret_of_our_own_namespace() {
    insta::assert_snapshot!(asked_by(Operation::ReadJournal).await, @r#"
    GET /api/v1/namespaces/kube-system/secrets/acr-credential-helper-state
    accept: application/json
    content-type: application/json
    "#);
    let write = Operation::WriteJournal {
        precondition: exactly(),
        document: Zeroizing::new(b"{}".to_vec()),
        serving: None,
    };
    insta::assert_snapshot!(asked_by(write).await, @r#"
    PATCH /api/v1/namespaces/kube-system/secrets/acr-credential-helper-state?fieldManager=acr-credential-helper&force=true
    accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1
    content-type: application/apply-patch+yaml
    {"apiVersion":"v1","kind":"Secret","metadata":{"name":"acr-credential-helper-state","namespace":"kube-system","uid":"u-1","resourceVersion":"7","labels":{"app.kubernetes.io/managed-by":"acr-credential-helper"},"annotations":{"argocd.argoproj.io/compare-options":"IgnoreExtraneous","argocd.argoproj.io/sync-options":"Prune=false"}},"type":"Opaque","data":{"journal.json":"e30="}}
    "#);
    insta::assert_snapshot!(asked_by(Operation::DeleteJournal).await, @r#"
    DELETE /api/v1/namespaces/kube-system/secrets/acr-credential-helper-state
    accept: application/json
    content-type: application/json
    "#);
}

fn hold(acquired: bool, holder: Option<&str>) -> Operation {
    Operation::WriteLease(LeaseWrite {
        replaces: Some(("u-1".into(), 7)),
        holder: holder.map(str::to_owned),
        duration_seconds: 15,
        transitions: 1,
        acquired,
    })
}

#[tokio::test]
async fn a_lease_is_put_and_keeps_the_time_of_its_acquisition_until_it_is_given_back() {
    let (cluster, asked) = cluster(object);
    for (acquired, holder) in [(true, Some("me")), (false, Some("me")), (false, None), (false, Some("me"))] {
        cluster.carry_out(hold(acquired, holder)).await;
    }
    let asked = asked.lock().unwrap();
    insta::assert_snapshot!(asked[0], @r#"
    PUT /apis/coordination.k8s.io/v1/namespaces/kube-system/leases/acr-credential-helper?fieldManager=acr-credential-helper
    accept: application/json
    content-type: application/json
    {"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"labels":{"app.kubernetes.io/managed-by":"acr-credential-helper"},"name":"acr-credential-helper","namespace":"kube-system","resourceVersion":"7","uid":"u-1"},"spec":{"acquireTime":"NOW","holderIdentity":"me","leaseDurationSeconds":15,"leaseTransitions":1,"renewTime":"NOW"}}
    "#);
    let times: Vec<bool> = asked.iter().map(|request| request.contains(r#""acquireTime":"NOW""#)).collect();
    assert_eq!(times, [true, true, false, false]);
}

#[tokio::test]
async fn reads_are_gets_of_one_object() {
    insta::assert_snapshot!(asked_by(Operation::ReadAccount { namespace: team(), name: "default".into() }).await, @r#"
    GET /api/v1/namespaces/team/serviceaccounts/default
    accept: application/json
    content-type: application/json
    "#);
    insta::assert_snapshot!(asked_by(Operation::ReadForeignSecret { namespace: team() }).await, @r#"
    GET /api/v1/namespaces/team/secrets/acr-credential-secret-aggregation
    accept: application/json
    content-type: application/json
    "#);
    insta::assert_snapshot!(asked_by(Operation::ReadLease).await, @r#"
    GET /apis/coordination.k8s.io/v1/namespaces/kube-system/leases/acr-credential-helper
    accept: application/json
    content-type: application/json
    "#);
}

#[tokio::test]
async fn a_token_is_asked_of_our_own_service_account() {
    let token = Operation::RequestToken {
        service_account: "aliyun-acr-credential-helper".into(),
        audience: "sts.aliyuncs.com",
        expiration_seconds: 3600,
    };
    insta::assert_snapshot!(asked_by(token).await, @r#"
    POST /api/v1/namespaces/kube-system/serviceaccounts/aliyun-acr-credential-helper/token
    accept: application/json
    content-type: application/json
    {"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"audiences":["sts.aliyuncs.com"],"expirationSeconds":3600}}
    "#);
}

#[tokio::test]
async fn what_is_not_for_the_api_server_is_not_sent_there() {
    assert_eq!(asked_by(Operation::ReadTokenFile).await, "");
}

fn report() -> Operation {
    Operation::Report(Report {
        about: Subject::Namespace("team".into()),
        warning: true,
        reason: "RefusedByPolicy".into(),
        message: "why".into(),
    })
}

#[tokio::test]
async fn an_event_that_is_there_is_counted_up() {
    let (cluster, asked) = cluster(|request| match *request.method() {
        Method::POST => {
            (StatusCode::CONFLICT, r#"{"message":"exists","reason":"AlreadyExists","code":409}"#.into())
        }
        _ => object(request),
    });
    for _ in 0..3 {
        let answer = cluster.carry_out(report()).await;
        assert!(matches!(answer, Answer::Done { resource_version: 42, .. }), "{answer:?}");
    }
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 6);
    insta::assert_snapshot!(asked[1], @r#"
    PATCH /apis/events.k8s.io/v1/namespaces/team/events/team.3b2323f04f2a7977?fieldManager=acr-credential-helper
    accept: application/json
    content-type: application/merge-patch+json
    {"series":{"count":2,"lastObservedTime":"NOW"}}
    "#);
    assert!(asked[5].contains(r#""count":3"#), "{}", asked[5]);
}

#[tokio::test]
async fn an_event_that_is_new_is_one_request() {
    let (cluster, asked) = cluster(object);
    cluster.carry_out(report()).await;
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with(
        "POST /apis/events.k8s.io/v1/namespaces/team/events?fieldManager=acr-credential-helper\n"
    ));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_makes_an_unknown_outcome_within_five_seconds() {
    let service = tower::service_fn(|_: Request<Body>| {
        std::future::pending::<Result<Response<Body>, std::convert::Infallible>>()
    });
    let ourselves = Ourselves { namespace: "kube-system".into(), identity: "me".into() };
    let cluster = Cluster::new(Client::new(service, "default"), ourselves);
    let began = tokio::time::Instant::now();
    let answer = cluster.carry_out(Operation::ReadLease).await;
    assert!(matches!(answer, Answer::Refused(Refusal::Unknown { .. })), "{answer:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}

#[tokio::test]
async fn a_refusal_is_told_with_the_servers_words() {
    let (cluster, _) = cluster(|_| {
        (StatusCode::FORBIDDEN, r#"{"message":"User cannot","reason":"Forbidden","code":403}"#.into())
    });
    let answer = cluster.carry_out(Operation::ReadForeignSecret { namespace: team() }).await;
    assert!(
        matches!(&answer, Answer::Refused(Refusal::NoRight { message }) if message == "User cannot"),
        "{answer:?}"
    );
}
