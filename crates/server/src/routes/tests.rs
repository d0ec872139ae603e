//! The real router, asked over its own service.

use std::time::Duration;

use acr_controller::operation::Subject;
use acr_controller::status::{ActiveFinding, Histogram, LoginStatus, PodsStatus, Progress};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;
use crate::snapshot::{StatusRequests, snapshots};

fn nothing_yet() -> Status {
    Status {
        leading: false,
        holder: None,
        listed: false,
        configured: false,
        certificate: None,
        certificate_ends: None,
        logins: Vec::new(),
        accounts: Progress::default(),
        namespaces: Progress::default(),
        retiring: 0,
        pods: PodsStatus::default(),
        fights: 0,
        attach_lag: Histogram::default(),
        findings: Vec::new(),
    }
}

fn at_work() -> Status {
    let mut attach_lag = Histogram::default();
    for millis in [3, 40, 40, 700, 300_000] {
        attach_lag.observe(Duration::from_millis(millis));
    }
    Status {
        leading: true,
        holder: Some("pod-1".into()),
        listed: true,
        configured: true,
        certificate: None,
        certificate_ends: Some(UnixMillis(now().0 + 86_400_500)),
        logins: vec![
            LoginStatus {
                entry: 0,
                instance: "cri-one".into(),
                region: Some("cn-hangzhou".into()),
                region_source: Some("metadata"),
                chain: vec!["AccessKey in the entry".into()],
                // Far enough from any clock that whole hours do not depend on it.
                expires: Some(UnixMillis(now().0 + 3_600_500)),
                hosts: vec!["one-registry.cn-hangzhou.cr.aliyuncs.com".into()],
                failure: None,
            },
            LoginStatus {
                entry: 1,
                instance: "cri-two".into(),
                region: None,
                region_source: None,
                chain: Vec::new(),
                expires: None,
                hosts: Vec::new(),
                failure: Some("GetAuthorizationToken failed: permission denied".into()),
            },
        ],
        accounts: Progress { done: 7, pending: 2 },
        namespaces: Progress { done: 3, pending: 1 },
        retiring: 4,
        pods: PodsStatus { own_list: 2, older: 8, in_vain: 9, evicted: 6 },
        fights: 5,
        attach_lag,
        findings: vec![
            ActiveFinding {
                subject: Subject::Configuration,
                error: false,
                code: "UnknownKey".into(),
                message: "line 3".into(),
            },
            ActiveFinding {
                subject: Subject::Namespace("team".into()),
                error: true,
                code: "RefusedByPolicy".into(),
                message: "guard says no".into(),
            },
        ],
    }
}

/// An application whose machine always shows `status`.
fn application(status: Status) -> Application {
    let (snapshots, mut requests) = snapshots();
    tokio::spawn(async move {
        while let Some(asked) = requests.recv().await {
            let _ = asked.send(status.clone());
        }
    });
    Application { snapshots, counters: Counters::default(), webhook: Listening::default(), version: "0.1.0" }
}

fn application_that_is_stuck() -> (Application, StatusRequests) {
    let (snapshots, requests) = snapshots();
    (
        Application {
            snapshots,
            counters: Counters::default(),
            webhook: Listening::default(),
            version: "0.1.0",
        },
        requests,
    )
}

async fn asked(application: &Application, path: &str) -> (u16, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = application.clone().router().oneshot(request).await.unwrap();
    let code = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (code, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_main_loop_that_is_stuck_is_told_by_every_route() {
    let (application, _requests) = application_that_is_stuck();
    for path in ["/healthz", "/readyz", "/metrics", "/status"] {
        assert_eq!(asked(&application, path).await, (503, STUCK.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_main_loop_that_has_ended_is_told_at_once() {
    let (application, requests) = application_that_is_stuck();
    drop(requests);
    assert_eq!(asked(&application, "/healthz").await, (503, STUCK.to_owned()));
}

#[tokio::test]
async fn a_process_that_has_listed_nothing_is_alive_and_not_ready() {
    let application = application(nothing_yet());
    assert_eq!(asked(&application, "/healthz").await, (200, "ok\n".to_owned()));
    let (code, body) = asked(&application, "/readyz").await;
    assert_eq!(code, 503);
    insta::assert_snapshot!(body, @r#"
    watches: not all listed yet; the log names the one that is refused or cut
    configuration: none accepted yet
    lease: held by nobody yet
    "#);
}

#[tokio::test]
async fn a_process_without_a_configuration_is_ready_and_says_so() {
    let status = Status { configured: false, ..at_work() };
    let (code, body) = asked(&application(status), "/readyz").await;
    assert_eq!(code, 200);
    insta::assert_snapshot!(body, @r#"
    watches: all listed
    configuration: none accepted yet
    lease: held by this process
    warning UnknownKey: line 3
    error RefusedByPolicy: guard says no
    "#);
}

#[tokio::test]
async fn a_process_that_is_to_answer_is_ready_when_it_has_its_certificate() {
    for (certificate, expected) in [(Some(false), 503), (Some(true), 200), (None, 200)] {
        let status = Status { certificate, ..at_work() };
        let application = application(status);
        let _bound = application.webhook.bound();
        let (code, body) = asked(&application, "/readyz").await;
        assert_eq!((code, body.contains("webhook: ")), (expected, certificate.is_some()), "{certificate:?}");
    }
}

#[tokio::test]
async fn a_process_that_is_to_answer_is_ready_while_it_listens() {
    let application = application(Status { certificate: Some(true), ..at_work() });
    let told = async || {
        let (code, body) = asked(&application, "/readyz").await;
        (code, body.lines().find(|line| line.starts_with("webhook: ")).unwrap().to_owned())
    };
    let listens = (200, "webhook: it listens, and its certificate is loaded".to_owned());
    let does_not = (503, "webhook: does not listen; the log says why".to_owned());
    assert_eq!(told().await, does_not);
    let former = application.webhook.bound();
    assert_eq!(told().await, listens);
    let anew = application.webhook.bound();
    drop(former);
    assert_eq!(told().await, listens);
    drop(anew);
    assert_eq!(told().await, does_not);
}

#[tokio::test]
async fn the_status_is_a_summary_with_logins_and_findings() {
    let (code, body) = asked(&application(at_work()), "/status").await;
    assert_eq!(code, 200);
    let mut document: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expires = document["logins"][0]["expires"].take();
    assert!(expires.as_str().unwrap().ends_with('Z'), "{expires}");
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap(), @r#"
    {
      "configured": true,
      "fights": 5,
      "findings": [
        {
          "code": "UnknownKey",
          "message": "line 3",
          "namespace": null,
          "severity": "warning"
        },
        {
          "code": "RefusedByPolicy",
          "message": "guard says no",
          "namespace": "team",
          "severity": "error"
        }
      ],
      "holder": "pod-1",
      "leading": true,
      "listed": true,
      "logins": [
        {
          "chain": [
            "AccessKey in the entry"
          ],
          "entry": 0,
          "expires": null,
          "expires_in_seconds": 3600,
          "failure": null,
          "hosts": [
            "one-registry.cn-hangzhou.cr.aliyuncs.com"
          ],
          "instance": "cri-one",
          "region": "cn-hangzhou",
          "region_source": "metadata"
        },
        {
          "chain": [],
          "entry": 1,
          "expires": null,
          "expires_in_seconds": null,
          "failure": "GetAuthorizationToken failed: permission denied",
          "hosts": [],
          "instance": "cri-two",
          "region": null,
          "region_source": null
        }
      ],
      "namespaces": {
        "current": 3,
        "pending": 1
      },
      "pods": {
        "evicted": 6,
        "made_anew_in_vain": 9,
        "older_than_attach": 8,
        "own_list": 2
      },
      "retiring": 4,
      "service_accounts": {
        "attached": 7,
        "pending": 2
      },
      "webhook_certificate": null
    }
    "#);
}

#[tokio::test]
async fn metrics_are_open_metrics_with_base_units() {
    let application = application(at_work());
    application.counters.cloud_call("GetAuthorizationToken", None);
    application.counters.cloud_call("GetAuthorizationToken", Some("Denied"));
    application.counters.api_write("attach", None);
    application.counters.api_write("attach", Some("LostRace"));
    application.counters.write_conflict();
    application.counters.api_read("read-journal", None);
    let (code, body) = asked(&application, "/metrics").await;
    assert_eq!(code, 200);
    // Families keep their members in no order.
    let mut lines: Vec<&str> = body.lines().filter(|line| !line.starts_with('#')).collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    acr_credential_helper_api_reads_total{operation="read-journal",result="Success"} 1
    acr_credential_helper_api_writes_total{operation="attach",result="LostRace"} 1
    acr_credential_helper_api_writes_total{operation="attach",result="Success"} 1
    acr_credential_helper_attach_lag_seconds_bucket{le="+Inf"} 5
    acr_credential_helper_attach_lag_seconds_bucket{le="0.01"} 1
    acr_credential_helper_attach_lag_seconds_bucket{le="0.025"} 1
    acr_credential_helper_attach_lag_seconds_bucket{le="0.05"} 3
    acr_credential_helper_attach_lag_seconds_bucket{le="0.1"} 3
    acr_credential_helper_attach_lag_seconds_bucket{le="0.25"} 3
    acr_credential_helper_attach_lag_seconds_bucket{le="0.5"} 3
    acr_credential_helper_attach_lag_seconds_bucket{le="1.0"} 4
    acr_credential_helper_attach_lag_seconds_bucket{le="120.0"} 4
    acr_credential_helper_attach_lag_seconds_bucket{le="30.0"} 4
    acr_credential_helper_attach_lag_seconds_bucket{le="5.0"} 4
    acr_credential_helper_attach_lag_seconds_count 5
    acr_credential_helper_attach_lag_seconds_sum 300.783
    acr_credential_helper_build_info{version="0.1.0"} 1
    acr_credential_helper_cloud_calls_total{operation="GetAuthorizationToken",result="Denied"} 1
    acr_credential_helper_cloud_calls_total{operation="GetAuthorizationToken",result="Success"} 1
    acr_credential_helper_configuration_accepted 1
    acr_credential_helper_fights_total 5
    acr_credential_helper_findings{severity="error",code="RefusedByPolicy"} 1
    acr_credential_helper_findings{severity="warning",code="UnknownKey"} 1
    acr_credential_helper_leader 1
    acr_credential_helper_login_expires_in_seconds{entry="0",instance="cri-one"} 3600
    acr_credential_helper_login_failing{entry="0",instance="cri-one"} 0
    acr_credential_helper_login_failing{entry="1",instance="cri-two"} 1
    acr_credential_helper_login_origin{entry="0",instance="cri-one",region="cn-hangzhou",region_source="metadata"} 1
    acr_credential_helper_login_origin{entry="1",instance="cri-two",region="",region_source=""} 1
    acr_credential_helper_namespaces{state="current"} 3
    acr_credential_helper_namespaces{state="pending"} 1
    acr_credential_helper_pod_evictions_total 6
    acr_credential_helper_retiring_objects 4
    acr_credential_helper_service_accounts{state="attached"} 7
    acr_credential_helper_service_accounts{state="pending"} 2
    acr_credential_helper_stuck_pods{cause="made_anew_in_vain"} 9
    acr_credential_helper_stuck_pods{cause="older_than_attach"} 8
    acr_credential_helper_stuck_pods{cause="own_list"} 2
    acr_credential_helper_watches_listed 1
    acr_credential_helper_webhook_certificate_expires_in_seconds 86400
    acr_credential_helper_write_conflicts_total 1
    "#);
    assert!(body.ends_with("# EOF\n"));
    for line in body.lines().filter(|line| line.starts_with("# TYPE")) {
        assert!(line.starts_with("# TYPE acr_credential_helper_"), "{line}");
    }
}

#[tokio::test]
async fn an_empty_status_makes_valid_metrics_too() {
    let (code, body) = asked(&application(nothing_yet()), "/metrics").await;
    assert_eq!(code, 200);
    assert!(body.contains("acr_credential_helper_leader 0\n"), "{body}");
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let application = application(at_work());
    assert_eq!(asked(&application, "/").await.0, 404);
    let request = Request::post("/metrics").body(Body::empty()).unwrap();
    assert_eq!(application.router().oneshot(request).await.unwrap().status().as_u16(), 405);
}

#[tokio::test]
async fn it_is_served_on_a_socket_and_ends_when_it_is_told() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(serve(listener, application(at_work()), async {
        let _ = stopped.await;
    }));
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    connection.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ok\n"), "{answer}");
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
}
