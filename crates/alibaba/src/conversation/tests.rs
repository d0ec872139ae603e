//! Calls from the first request to the answer, against answers written by hand.

use acr_credentials::AccessKey;

use super::*;

mod answers;
mod hostile;
mod metadata;
mod requests;
mod statements;

/// 2026-01-02T03:04:05Z.
const NOW: UnixMillis = UnixMillis(1_767_323_045_000);
const DATE: &str = "Fri, 02 Jan 2026 03:04:05 GMT";
const STAMP: Stamp = Stamp { wall: NOW, nonce: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef };

fn key() -> AccessKey {
    AccessKey {
        id: "STS.TestKeyId".into(),
        secret: "TestSecret".into(),
        security_token: Some("TestSecurityToken==".into()),
    }
}

fn urls(endpoints: &[&str]) -> Vec<String> {
    endpoints.iter().map(|url| (*url).to_owned()).collect()
}

fn login_at(endpoints: &[&str]) -> Conversation {
    let instance = "cri-test0123456789".to_owned();
    Conversation::new(Call::GetAuthorizationToken { endpoints: urls(endpoints), instance, key: key() })
}

fn login() -> Conversation {
    login_at(&["https://cr.cn-hangzhou.aliyuncs.com"])
}

fn hosts() -> Conversation {
    let endpoints = urls(&["https://cr.cn-hangzhou.aliyuncs.com"]);
    Conversation::new(Call::ListInstanceEndpoint { endpoints, instance: "cri-1".into(), key: key() })
}

fn federation() -> Conversation {
    Conversation::new(Call::AssumeRoleWithOidc {
        endpoints: urls(&["https://sts.cn-hangzhou.aliyuncs.com"]),
        role_arn: "acs:ram::1:role/puller".into(),
        oidc_provider_arn: "acs:ram::1:oidc-provider/ack".into(),
        token: "header.TestClaims.signature\n".into(),
        session_name: "alice@dev".into(),
        duration_seconds: 3600,
    })
}

fn hop_by(key: AccessKey, external_id: Option<&str>) -> Conversation {
    Conversation::new(Call::AssumeRole {
        endpoints: urls(&["https://sts.cn-hangzhou.aliyuncs.com"]),
        role_arn: "acs:ram::123456789012:role/acr-puller".into(),
        session_name: "alice@dev".into(),
        duration_seconds: 3600,
        external_id: external_id.map(str::to_owned),
        key,
    })
}

fn hop() -> Conversation {
    hop_by(key(), Some("vendor=7"))
}

fn personal_login() -> Conversation {
    let endpoints = urls(&["https://cr.cn-hangzhou.aliyuncs.com"]);
    Conversation::new(Call::PersonalAuthorizationToken { endpoints, key: key() })
}

fn worker_role() -> Conversation {
    Conversation::new(Call::WorkerRole { endpoints: urls(&["http://100.100.100.200"]) })
}

fn all() -> Vec<Conversation> {
    let region = Conversation::new(Call::Region { endpoints: urls(&["http://100.100.100.200"]) });
    vec![login(), hosts(), federation(), hop(), personal_login(), worker_role(), region]
}

#[track_caller]
fn sent(conversation: &mut Conversation) -> Request<Bytes> {
    match conversation.step(STAMP) {
        Step::Send(request) => request,
        Step::Done(answer) => panic!("already over: {answer:?}"),
    }
}

#[track_caller]
fn line(conversation: &mut Conversation) -> String {
    let request = sent(conversation);
    format!("{} {}", request.method(), request.uri())
}

#[track_caller]
fn outcome(conversation: &mut Conversation) -> Result<Reply, CallFailure> {
    match conversation.step(STAMP) {
        Step::Send(request) => panic!("not over: {} {}", request.method(), request.uri()),
        Step::Done(answer) => answer.outcome,
    }
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).header("date", DATE).body(body.into()).unwrap()
}

/// What a conversation of one exchange makes of an answer.
#[track_caller]
fn answered(mut conversation: Conversation, status: u16, body: &str) -> Result<Reply, CallFailure> {
    sent(&mut conversation);
    conversation.receive(Ok(answer(status, body.to_owned())));
    outcome(&mut conversation)
}

#[track_caller]
fn failure(outcome: Result<Reply, CallFailure>) -> String {
    outcome.expect_err("a failure").to_string()
}

fn token_body(expire_time: &str) -> String {
    format!(
        r#"{{"RequestId":"R-1","Code":"success","IsSuccess":true,"TempUsername":"cr_temp_user",
            "AuthorizationToken":"pass:word","ExpireTime":{expire_time}}}"#
    )
}

fn personal_body(expire_date: &str) -> String {
    format!(
        r#"{{"data":{{"authorizationToken":"pass:word","tempUserName":"cr_temp_user","expireDate":{expire_date}}},
            "requestId":"R-1"}}"#
    )
}

fn session_body(expiration: &str) -> String {
    format!(
        r#"{{"RequestId":"R-1","AssumedRoleUser":{{"AssumedRoleId":"3:s","Arn":"acs:ram::1:role/puller/s"}},
            "Credentials":{{"AccessKeyId":"STS.x","AccessKeySecret":"y","SecurityToken":"z","Expiration":"{expiration}"}}}}"#
    )
}

fn role_body(code: &str) -> String {
    format!(
        r#"{{"AccessKeyId":"STS.x","AccessKeySecret":"y","Expiration":"2026-01-02T09:04:05Z","SecurityToken":"z",
            "LastUpdated":"2026-01-02T03:04:05Z","Code":"{code}"}}"#
    )
}

#[test]
fn the_next_endpoint_is_tried_only_where_the_former_was_not_reached() {
    let endpoints = ["https://cr-vpc.example", "https://cr.example"];
    for failure in
        [TransportFailure::Cut("reset".into()), TransportFailure::TimedOut, TransportFailure::TooLarge]
    {
        let mut conversation = login_at(&endpoints);
        sent(&mut conversation);
        conversation.receive(Err(failure));
        assert!(outcome(&mut conversation).is_err());
    }
    let mut conversation = login_at(&endpoints);
    assert!(line(&mut conversation).contains("cr-vpc.example"));
    conversation.receive(Err(TransportFailure::NotReached(Barrier::Name, "no such host".into())));
    let request = sent(&mut conversation);
    assert_eq!(request.headers()["host"], "cr.example");
    conversation.receive(Ok(answer(200, token_body("1767326645000"))));
    assert!(outcome(&mut conversation).is_ok());
}

#[test]
fn with_no_endpoint_left_every_reason_is_told() {
    let mut conversation = login_at(&["https://cr-vpc.example", "cr.example", "https://cr.example"]);
    sent(&mut conversation);
    conversation.receive(Err(TransportFailure::NotReached(Barrier::Name, "no such host".into())));
    sent(&mut conversation);
    conversation.receive(Err(TransportFailure::NotReached(Barrier::Connection, "connection refused".into())));
    insta::assert_snapshot!(
        failure(outcome(&mut conversation)),
        @"GetAuthorizationToken failed: the endpoint cannot be reached: no connection comes about (TCP): https://cr-vpc.example: no such host; cr.example is no usable endpoint: it lacks http:// or https://; https://cr.example: connection refused"
    );
    insta::assert_snapshot!(
        failure(outcome(&mut login_at(&[]))),
        @"GetAuthorizationToken failed: the endpoint cannot be reached: there is none: no endpoint is known"
    );
}

#[test]
fn the_next_metadata_endpoint_is_asked_from_the_start() {
    let mut conversation = Conversation::new(Call::Region { endpoints: urls(&["http://a", "http://b"]) });
    sent(&mut conversation);
    conversation.receive(Ok(answer(200, "token-of-a")));
    assert_eq!(line(&mut conversation), "GET http://a/latest/meta-data/region-id");
    conversation.receive(Err(TransportFailure::NotReached(Barrier::Connection, "gone".into())));
    assert_eq!(line(&mut conversation), "PUT http://b/latest/api/token");
}

#[test]
fn what_comes_after_the_end_changes_nothing() {
    let mut conversation = login();
    conversation.receive(Err(TransportFailure::TimedOut));
    conversation.receive(Ok(answer(200, token_body("1767326645000"))));
    assert_eq!(outcome(&mut conversation).unwrap_err().kind, FailureKind::NoAnswer);
}

#[test]
fn the_clock_of_the_cloud_is_told_with_success_and_failure() {
    for (status, body) in [(200, token_body("1767326645000")), (500, String::new())] {
        let mut conversation = login();
        sent(&mut conversation);
        conversation.receive(Ok(answer(status, body)));
        let Step::Done(answer) = conversation.step(STAMP) else { panic!("not over") };
        assert_eq!(answer.cloud_time, Some(NOW));
    }
}

#[test]
fn an_expiry_is_judged_by_the_date_of_the_answer_and_without_one_by_the_stamp() {
    let late = Stamp { wall: NOW.plus_millis(7_200_000), nonce: 1 };
    let body = token_body("1767326645000");
    for (date, accepted) in [(Some(DATE), true), (None, false), (Some("yesterday"), false)] {
        let mut conversation = login();
        conversation.step(late);
        let response =
            date.into_iter().fold(Response::builder(), |response, date| response.header("date", date));
        conversation.receive(Ok(response.body(Bytes::from(body.clone())).unwrap()));
        assert_eq!(outcome(&mut conversation).is_ok(), accepted, "{date:?}");
    }
}
