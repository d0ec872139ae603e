//! The metadata service: both modes, and a role document that rotates and works.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::Value;

use super::support::*;
use crate::description::MetadataTokens;
use crate::{Cloud, CloudRequest, Mutation};

const TTL: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aliyun-ecs-metadata-token";
const ROLES: &str = "meta-data/ram/security-credentials/";

fn cloud_with(tokens: MetadataTokens) -> Cloud {
    let mut description = cloud().description().clone();
    description.metadata.as_mut().unwrap().tokens = tokens;
    Cloud::new(description)
}

fn call(
    cloud: &mut Cloud,
    now: Timestamp,
    method: &str,
    path: &str,
    header: Option<(&'static str, &str)>,
) -> (u16, String) {
    let mut request = CloudRequest::new(Bytes::new());
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = format!("http://100.100.100.200/latest/{path}").parse().unwrap();
    if let Some((name, value)) = header {
        let value = HeaderValue::from_str(value).unwrap();
        request.headers_mut().insert(HeaderName::from_static(name), value);
    }
    let response = cloud.call(now, request).answered().unwrap();
    (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
}

fn get(cloud: &mut Cloud, path: &str) -> (u16, String) {
    call(cloud, start(), "GET", path, None)
}

fn document(cloud: &mut Cloud, now: Timestamp) -> Value {
    let (status, text) = call(cloud, now, "GET", &format!("{ROLES}worker"), None);
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut cloud = cloud();
    for path in ["", "meta-data/unknown", "user-data", "meta-data/ram/security-credentials/other"] {
        assert_eq!(get(&mut cloud, path).0, 404, "{path}");
    }
    cloud.mutate(Mutation::SetMachineRole { role: None }).unwrap();
    assert_eq!(get(&mut cloud, ROLES).0, 404);
    assert_eq!(get(&mut cloud, &format!("{ROLES}worker")).0, 404);
    let mut nowhere = cloud.description().clone();
    nowhere.metadata = None;
    assert_eq!(get(&mut Cloud::new(nowhere), "meta-data/region-id").0, 404);
}

#[test]
fn a_role_that_does_not_trust_machines_gives_no_document() {
    let mut cloud = cloud();
    assert_eq!(get(&mut cloud, &format!("{ROLES}worker")).0, 200);
    let role = "acs:ram::1000000000000001:role/worker".to_owned();
    let trust_policy = serde_json::from_str(r#"{"Version": "1", "Statement": []}"#).unwrap();
    cloud.mutate(Mutation::SetTrustPolicy { role, trust_policy }).unwrap();
    assert_eq!(get(&mut cloud, &format!("{ROLES}worker")).0, 404);
}

#[test]
fn a_session_token_must_be_asked_for_by_put_with_a_life_in_range() {
    let mut cloud = cloud();
    for (method, header, expected) in [
        ("PUT", None, 400),
        ("PUT", Some((TTL, "0")), 400),
        ("PUT", Some((TTL, "21601")), 400),
        ("PUT", Some((TTL, "soon")), 400),
        ("GET", Some((TTL, "60")), 405),
        ("PUT", Some((TTL, "1")), 200),
        ("PUT", Some((TTL, "21600")), 200),
    ] {
        assert_eq!(call(&mut cloud, start(), method, "api/token", header).0, expected, "{method} {header:?}");
    }
    let mut old = cloud_with(MetadataTokens::Unsupported);
    assert_eq!(call(&mut old, start(), "PUT", "api/token", Some((TTL, "60"))).0, 404);
    assert_eq!(call(&mut cloud, start(), "POST", "meta-data/region-id", None).0, 405);
}

#[test]
fn hardened_mode_refuses_a_missing_false_or_expired_token() {
    let mut cloud = cloud_with(MetadataTokens::Required);
    let (_, token) = call(&mut cloud, start(), "PUT", "api/token", Some((TTL, "60")));
    let mut region = |at, header| call(&mut cloud, after(at), "GET", "meta-data/region-id", header).0;
    assert_eq!(region(0, None), 403);
    assert_eq!(region(0, Some((TOKEN, "AAAA"))), 403);
    assert_eq!(region(59, Some((TOKEN, &token))), 200);
    assert_eq!(region(60, Some((TOKEN, &token))), 403);
}

#[test]
fn normal_mode_answers_without_a_token_and_refuses_a_false_one() {
    let mut cloud = cloud();
    assert_eq!(get(&mut cloud, "meta-data/region-id").0, 200);
    let false_token = Some((TOKEN, "AAAA"));
    assert_eq!(call(&mut cloud, start(), "GET", "meta-data/region-id", false_token).0, 403);
    let mut old = cloud_with(MetadataTokens::Unsupported);
    assert_eq!(call(&mut old, start(), "GET", "meta-data/region-id", false_token).0, 200, "not known there");
}

#[test]
fn the_machine_says_where_it_is() {
    let mut cloud = cloud();
    for (path, text) in [
        ("meta-data/region-id", "cn-hangzhou"),
        ("meta-data/zone-id", "cn-hangzhou-a"),
        ("meta-data/instance-id", "i-bp1simulated"),
        ("meta-data/owner-account-id", ACCOUNT),
        (ROLES, "worker"),
    ] {
        assert_eq!(get(&mut cloud, path), (200, text.to_owned()));
    }
}

#[test]
fn the_role_document_stays_until_it_rotates_and_lives_on_after_that() {
    let mut cloud = cloud();
    // Rotations lie on whole multiples of three hours: 09:00 and 12:00.
    let first = document(&mut cloud, start());
    assert_eq!(first["Code"], "Success");
    assert_eq!(first["LastUpdated"], "2026-11-21T09:00:00Z");
    assert_eq!(first["Expiration"], "2026-11-21T15:00:00Z");
    assert_eq!(document(&mut cloud, after(7199)), first);
    let second = document(&mut cloud, after(7200));
    assert_ne!(second["AccessKeyId"], first["AccessKeyId"]);
    assert_eq!(second["Expiration"], "2026-11-21T18:00:00Z");

    let login = |at| Acs3::new("GetAuthorizationToken", INSTANCE).by(&Key::of(&first)).at(after(at)).build();
    let ends = 5 * 3600;
    let (status, body) = ask(&mut cloud, after(ends - 60), login(ends - 60));
    assert_eq!((status, &body["ExpireTime"]), (200, &Value::from(after(ends).as_millisecond())));
    let refused = refusal(&mut cloud, after(ends), login(ends));
    assert_eq!(refused, (400, "InvalidSecurityToken.Expired".to_owned()));
}
