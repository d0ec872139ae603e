//! Quotas: who is throttled, for how long, and who is not.

use serde_json::{Value, json};

use super::support::*;
use crate::{Cloud, Description};

fn cloud_with(quotas: &str) -> Cloud {
    let mut description = cloud().description().clone();
    description.quotas = Description::parse(&format!("quotas: {quotas}")).unwrap().quotas;
    Cloud::new(description)
}

fn hop(cloud: &mut Cloud, key: &Key, milliseconds: i64) -> (u16, Value, Option<String>) {
    let now = jiff::Timestamp::from_millisecond(start().as_millisecond() + milliseconds).unwrap();
    let pairs = [
        ("Action", "AssumeRole"),
        ("Version", "2015-04-01"),
        ("RoleArn", "acs:ram::2000000000000002:role/acr-puller"),
        ("RoleSessionName", "helper"),
        ("SignatureNonce", &format!("{milliseconds}")),
    ];
    let response = cloud.call(now, rpc_request("POST", STS, key, now, &pairs)).answered().unwrap();
    let header = |name: &str| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
    let wait = header("x-acs-retry-after");
    assert_eq!(
        header("x-ratelimit-user-api"),
        wait.as_ref().map(|wait| format!("Limit:2,Remain:0,TimeLeft:{wait},Reset:1"))
    );
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap(), wait)
}

#[test]
fn an_account_that_has_used_up_its_minute_is_throttled_until_the_next_one() {
    let mut cloud = cloud_with("{assumeRolePerMinute: 2}");
    let hopper = Key::new("LTAIhopper", "hopper-secret");
    assert_eq!(hop(&mut cloud, &hopper, 0).0, 200);
    // A refused call counts, and so does another user of the same account.
    assert_eq!(hop(&mut cloud, &Key::new("LTAInobody", "nobody-secret"), 1).0, 403);
    let (status, body, wait) = hop(&mut cloud, &hopper, 15_000);
    assert_eq!((status, &body["Code"]), (400, &json!("Throttling.User")));
    assert_eq!(body["Message"], "Request was denied due to user flow control.");
    assert_eq!(wait.as_deref(), Some("45000"));
    // Another account is not throttled; its main account is refused for another reason.
    assert_eq!(hop(&mut cloud, &Key::new("LTAIother", "other-secret"), 15_001).0, 403);
    assert_eq!(hop(&mut cloud, &hopper, 60_000).0, 200);
}

#[test]
fn container_registry_has_a_quota_only_where_one_is_given() {
    let login = |second: i64| Acs3::new("GetAuthorizationToken", INSTANCE).at(after(second)).build();
    let mut limited = cloud_with("{registryPerSecond: 1}");
    assert_eq!(ask(&mut limited, start(), login(0)).0, 200);
    assert_eq!(refusal(&mut limited, start(), login(1)), (400, "Throttling.User".to_owned()));
    assert_eq!(ask(&mut limited, after(2), login(2)).0, 200);
    let mut unlimited = cloud();
    for second in 0..100 {
        assert_eq!(ask(&mut unlimited, start(), login(second)).0, 200);
    }
}

#[test]
fn the_documented_quota_is_the_default() {
    assert_eq!(Description::parse("{}").unwrap().quotas.assume_role_per_minute, 6000);
    assert!(Description::parse("quotas: {perMinute: 1}").is_err());
}
