//! Faults: whom they strike, how often, and what they do; and what the call log keeps.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::*;
use crate::{Cloud, CloudRequest, Fault, Outcome};

fn fault(text: Value) -> Fault {
    serde_json::from_value(text).unwrap()
}

fn login(seconds: i64) -> CloudRequest {
    Acs3::new("GetAuthorizationToken", INSTANCE).at(after(seconds)).build()
}

fn login_status(cloud: &mut Cloud, seconds: i64) -> u16 {
    ask(cloud, after(seconds), login(seconds)).0
}

fn with(effect: &Value) -> Cloud {
    let mut cloud = cloud();
    cloud.add_fault(fault(json!({ "effect": effect })));
    cloud
}

#[test]
fn a_fault_that_is_misspelt_is_not_taken() {
    for text in [
        json!({}),
        json!({ "effect": "nothing" }),
        json!({ "effect": { "delay": { "seconds": 1 } } }),
        json!({ "effect": { "cut": "sometimes" } }),
        json!({ "effect": { "cut": "before" }, "match": { "products": "sts" } }),
        json!({ "effect": { "cut": "before" }, "times": -1 }),
        json!({ "effect": { "error": { "status": 99, "code": "X" } } }),
        json!({ "effect": { "error": { "status": 200, "code": "X" } } }),
        json!({ "effect": { "error": { "status": 600, "code": "X" } } }),
        json!({ "effect": { "error": { "status": 500, "code": "X", "headers": { "a b": "c" } } } }),
        json!({ "effect": { "error": { "status": 500, "code": "X", "headers": { "a": "b\nc" } } } }),
        json!({ "effect": { "garbage": { "status": 100 } } }),
        json!({ "effect": { "throttle": { "code": "Slow" } } }),
    ] {
        assert!(serde_json::from_value::<Fault>(text.clone()).is_err(), "{text}");
    }
    let impossible = r#"{"effect":{"error":{"status":99,"code":"X"}}}"#;
    let told = serde_json::from_str::<Fault>(impossible).unwrap_err().to_string();
    assert!(
        told.starts_with("99 is no HTTP status of an error: write one from 400 to 599 at line 1"),
        "{told}"
    );
}

#[test]
fn a_fault_strikes_only_what_it_matches() {
    let error = json!({ "error": { "status": 500, "code": "SystemError" } });
    for (matcher, struck) in [
        (json!({}), true),
        (json!({ "product": "cr" }), true),
        (json!({ "product": "sts" }), false),
        (json!({ "region": "cn-*" }), true),
        (json!({ "region": "cn-beijing" }), false),
        (json!({ "action": "GetAuthorizationToken" }), true),
        (json!({ "action": "List*" }), false),
        (json!({ "instance": INSTANCE }), true),
        (json!({ "instance": "cri-other*" }), false),
        (json!({ "product": "cr", "region": "cn-hangzhou", "action": "Get*", "instance": "cri-a*" }), true),
        (json!({ "product": "cr", "instance": "cri-b*" }), false),
    ] {
        let mut cloud = cloud();
        cloud.add_fault(fault(json!({ "match": matcher, "effect": error })));
        assert_eq!(login_status(&mut cloud, 0), if struck { 500 } else { 200 }, "{matcher}");
    }
    let mut cloud = cloud();
    cloud.add_fault(fault(json!({ "match": { "region": "*" }, "effect": error })));
    let central = unsigned("POST", "sts.aliyuncs.com", "Format=JSON");
    assert_eq!(ask(&mut cloud, start(), central).0, 400, "a host without a region fits no region");
}

#[test]
fn a_fault_ends_after_its_times_or_when_cleared() {
    let error = json!({ "error": { "status": 503, "code": "ServiceUnavailable" } });
    let mut cloud = cloud();
    cloud.add_fault(fault(json!({ "times": 2, "effect": error })));
    let statuses: Vec<u16> = (0..4).map(|second| login_status(&mut cloud, second)).collect();
    assert_eq!(statuses, [503, 503, 200, 200]);
    assert!(cloud.faults().is_empty());

    let id = cloud.add_fault(fault(json!({ "effect": error })));
    assert_eq!(login_status(&mut cloud, 4), 503);
    assert!(!cloud.clear_fault(id + 1));
    assert!(cloud.clear_fault(id));
    assert_eq!(login_status(&mut cloud, 5), 200);
    cloud.add_fault(fault(json!({ "effect": error })));
    cloud.clear_faults();
    assert_eq!(login_status(&mut cloud, 6), 200);
}

#[test]
fn a_fault_of_no_times_never_strikes() {
    let mut cloud = cloud();
    cloud.add_fault(fault(json!({ "times": 0, "effect": { "cut": "before" } })));
    assert_eq!(login_status(&mut cloud, 0), 200);
}

#[test]
fn a_delay_is_handed_out_as_data_and_delays_add_up() {
    let mut cloud = with(&json!({ "delay": { "milliseconds": 200 } }));
    cloud.add_fault(fault(json!({ "effect": { "delay": { "milliseconds": 50 } } })));
    let response = cloud.call(start(), login(0));
    assert_eq!(response.delay, Duration::from_millis(250));
    assert_eq!(response.answered().unwrap().status(), 200);
}

#[test]
fn an_error_is_answered_as_told() {
    let mut cloud = with(&json!({ "error": {
        "status": 503, "code": "ServiceUnavailable", "message": "later", "headers": { "Retry-After": "7" },
    } }));
    let response = cloud.call(start(), login(0)).answered().unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "7");
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!((&body["Code"], &body["Message"]), (&json!("ServiceUnavailable"), &json!("later")));
}

#[test]
fn an_error_has_the_form_of_its_product() {
    let mut cloud = with(&json!({ "error": { "status": 500, "code": "BROKEN", "message": "later" } }));
    let mut get = |host: &str, path: &str| {
        let mut request = CloudRequest::new(bytes::Bytes::new());
        *request.uri_mut() = format!("http://{host}{path}").parse().unwrap();
        ask(&mut cloud, start(), request)
    };
    let metadata = get("100.100.100.200", "/latest/meta-data/region-id");
    assert_eq!(metadata, (500, json!("later")));
    let error = json!({ "code": "BROKEN", "message": "later", "detail": null });
    let token_service = get("dockerauth-ee.cn-hangzhou.aliyuncs.com", "/auth");
    assert_eq!(token_service, (500, json!({ "errors": [error] })));
}

#[test]
fn a_throttled_call_has_the_documented_code_and_header() {
    let mut cloud = with(&json!({ "throttle": { "timeLeft": 2000 } }));
    let response = cloud.call(start(), login(0)).answered().unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["x-ratelimit-user-api"], "Limit:1,Remain:0,TimeLeft:2000,Reset:1");
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["Code"], "Throttling.User");
    assert_eq!(body["Message"], "Request was denied due to user flow control.");

    let mut cloud =
        with(&json!({ "throttle": { "code": "Throttling.Api", "headers": { "Retry-After": "1" } } }));
    let response = cloud.call(start(), login(0)).answered().unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(!response.headers().contains_key("x-ratelimit-user-api"));
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["Message"], "Request was denied due to api flow control.");
}

#[test]
fn a_failure_may_hide_behind_http_200() {
    let mut cloud = with(&json!({ "isSuccessFalse": { "code": "INSTANCE_NOT_EXIST" } }));
    let (status, body) = ask(&mut cloud, start(), login(0));
    assert_eq!(status, 200);
    assert_eq!((&body["IsSuccess"], &body["Code"]), (&json!(false), &json!("INSTANCE_NOT_EXIST")));
    assert!(body.get("AuthorizationToken").is_none());
    assert_eq!(cloud.calls().last().unwrap().code, "INSTANCE_NOT_EXIST");
}

#[test]
fn a_cut_before_leaves_no_trace_and_a_cut_after_does() {
    let mut cloud = cloud();
    cloud.add_fault(fault(json!({ "times": 1, "effect": { "cut": "before" } })));
    assert!(matches!(cloud.call(start(), login(0)).outcome, Outcome::Cut));
    assert_eq!(ask(&mut cloud, start(), login(0)).0, 200, "the nonce was not used up");

    cloud.add_fault(fault(json!({ "times": 1, "effect": { "cut": "after" } })));
    assert!(matches!(cloud.call(after(1), login(1)).outcome, Outcome::Cut));
    let replayed = refusal(&mut cloud, after(1), login(1));
    assert_eq!(replayed, (400, "SignatureNonceUsed".to_owned()));
    let records: Vec<(&str, Option<u16>)> =
        cloud.calls().map(|call| (call.code.as_str(), call.status)).collect();
    assert_eq!(records, [("Cut", None), ("OK", Some(200)), ("OK", None), ("SignatureNonceUsed", Some(400))]);
}

#[test]
fn a_skewed_clock_shows_in_the_date_and_in_every_judgement() {
    let mut cloud = with(&json!({ "clockSkew": { "seconds": -1200 } }));
    let response = cloud.call(start(), login(0)).answered().unwrap();
    assert_eq!(response.headers()["date"], "Sat, 21 Nov 2026 09:40:00 GMT");
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["Code"], "InvalidTimeStamp.Expired");
    // A client that corrects its clock by the date of the answer is right again.
    let (status, body) = ask(&mut cloud, start(), login(-1200));
    assert_eq!((status, &body["ExpireTime"]), (200, &json!(after(2400).as_millisecond())));
    assert_eq!(cloud.calls().last().unwrap().time, start(), "the log keeps the true time");
}

#[test]
fn an_expiry_may_be_absurd() {
    let mut cloud = with(&json!({ "expireTime": { "milliseconds": 17 } }));
    assert_eq!(ask(&mut cloud, start(), login(0)).1["ExpireTime"], 17);
    let mut cloud = with(&json!({ "expireIn": { "seconds": -60 } }));
    let expired = after(-60).as_millisecond();
    assert_eq!(ask(&mut cloud, start(), login(0)).1["ExpireTime"], json!(expired));
}

#[test]
fn garbage_replaces_the_body_of_a_call_that_was_carried_out() {
    let mut cloud = with(&json!({ "garbage": { "body": "<html>" } }));
    let (status, body) = ask(&mut cloud, start(), login(0));
    assert_eq!((status, body), (200, json!("<html>")));
    assert_eq!(
        cloud.calls().last().unwrap().caller.as_deref(),
        Some("acs:ram::1000000000000001:user/puller")
    );
}

#[test]
fn the_log_names_who_asked_for_what_and_never_a_secret() {
    let mut cloud = cloud();
    let credentials = session(&mut cloud, &[]);
    let key = Key::of(&credentials);
    let request = Acs3::new("GetAuthorizationToken", INSTANCE).by(&key).build();
    let (_, login) = ask(&mut cloud, start(), request);
    let record = cloud.calls().last().unwrap().clone();
    assert_eq!(
        serde_json::to_value(&record).unwrap(),
        json!({
            "time": "2026-11-21T10:00:00Z",
            "product": "cr",
            "region": "cn-hangzhou",
            "action": "GetAuthorizationToken",
            "caller": format!("{ROLE}/helper"),
            "instance": INSTANCE,
            "code": "OK",
            "status": 200,
            "requestId": login["RequestId"],
        })
    );
    let log = serde_json::to_string(&cloud.calls().collect::<Vec<_>>()).unwrap();
    let answer = cloud.call(start(), assume_role(&good_token(), &[]));
    let debug = format!("{:?} {:?} {answer:?}", cloud.calls().collect::<Vec<_>>(), cloud.description());
    for secret in [
        credentials["AccessKeySecret"].as_str().unwrap(),
        credentials["SecurityToken"].as_str().unwrap(),
        login["AuthorizationToken"].as_str().unwrap(),
        "puller-secret",
        "STS.",
    ] {
        assert!(!log.contains(secret) && !debug.contains(secret));
    }
    cloud.clear_calls();
    assert_eq!(cloud.calls().len(), 0);
}
