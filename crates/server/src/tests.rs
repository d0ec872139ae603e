//! The routes, over the real router.

use std::sync::Arc;

use acr_controller::operation::Subject;
use acr_controller::status::{ActiveFinding, Histogram, LoginStatus, Progress, Status};
use acr_credentials::UnixMillis;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

fn status() -> Status {
    let mut attach_lag = Histogram::default();
    attach_lag.observe(Duration::from_millis(20));
    attach_lag.observe(Duration::from_secs(2));
    attach_lag.observe(Duration::from_hours(1));
    Status {
        leading: true,
        holder: Some("pod-1".into()),
        listed: true,
        configured: true,
        logins: vec![LoginStatus {
            entry: 0,
            instance: "cri-1".into(),
            region: Some("cn-hangzhou".into()),
            expires: Some(UnixMillis(0)),
            hosts: vec!["acme-registry.cn-hangzhou.cr.aliyuncs.com".into()],
            failure: None,
        }],
        accounts: Progress { done: 3, pending: 1 },
        namespaces: Progress { done: 2, pending: 0 },
        retiring: 0,
        fights: 4,
        attach_lag,
        findings: vec![ActiveFinding {
            subject: Subject::Namespace("team".into()),
            error: true,
            code: "ForeignSecret".into(),
            message: "rename it".into(),
        }],
    }
}

/// A pump that hands out `status`, or none that answers.
async fn get(path: &str, status: Option<Status>) -> (StatusCode, String) {
    let (requests, mut asked) = mpsc::channel::<oneshot::Sender<Status>>(1);
    match status {
        Some(status) => drop(tokio::spawn(async move {
            while let Some(answer) = asked.recv().await {
                let _ = answer.send(status.clone());
            }
        })),
        None => drop(asked),
    }
    let counters = Arc::new(Counters::default());
    counters.cloud_call("GetAuthorizationToken", "ok");
    counters.api_operation("attach", "LostRace");
    counters.write_conflict();
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router(requests, counters, "0.1.0").oneshot(request).await.unwrap();
    let code = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (code, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn without_a_pump_nothing_is_healthy_or_ready() {
    for path in ["/healthz", "/readyz", "/metrics", "/status"] {
        assert_eq!(get(path, None).await.0, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
}

#[tokio::test]
async fn before_the_lists_are_complete_it_is_alive_but_not_ready_and_says_why() {
    let early = Status { listed: false, ..status() };
    assert_eq!(get("/healthz", Some(early.clone())).await.0, StatusCode::OK);
    let (code, text) = get("/readyz", Some(early)).await;
    assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("[-] watches have listed"), "{text}");
}

#[tokio::test]
async fn a_replica_that_does_not_lead_is_ready() {
    assert_eq!(get("/readyz", Some(Status { leading: false, ..status() })).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_metrics_have_the_documented_names() {
    let (code, text) = get("/metrics", Some(status())).await;
    assert_eq!(code, StatusCode::OK);
    let stable: Vec<&str> = text.lines().filter(|line| !line.contains("login_expiry_seconds{")).collect();
    insta::assert_snapshot!(stable.join("\n"));
    let expiry = text.lines().find(|line| line.contains("login_expiry_seconds{")).unwrap();
    assert!(
        expiry.starts_with("acr_credential_helper_login_expiry_seconds{entry=\"0\",instance=\"cri-1\"} -1"),
        "{expiry}"
    );
}

#[tokio::test]
async fn the_status_page_is_json_for_scripts() {
    let (code, text) = get("/status", Some(status())).await;
    assert_eq!(code, StatusCode::OK);
    let page: serde_json::Value = serde_json::from_str(&text).unwrap();
    insta::assert_json_snapshot!(page);
}
