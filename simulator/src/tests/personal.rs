//! The Personal Edition: who is refused, ROA signatures, and what its logins pull.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Value, json};

use super::support::*;
use crate::parameters::Parameters;
use crate::signature::roa;
use crate::{Cloud, CloudRequest, Mutation, Outcome};

const SERVICE: &str = "registry.aliyuncs.com:cn-hangzhou:26842";

pub(super) fn main_key() -> Key {
    Key::new("LTAImain", "main-secret")
}

/// `GET /tokens`, signed by ROA-HMAC-SHA1 after `change` has changed its headers.
pub(super) fn tokens_with(key: &Key, time: Timestamp, change: impl FnOnce(&mut HeaderMap)) -> CloudRequest {
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: &str| {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    };
    set("host", CR);
    set("accept", "application/json");
    set("date", &DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap());
    set("x-acs-version", "2016-06-07");
    set("x-acs-signature-method", "HMAC-SHA1");
    set("x-acs-signature-version", "1.0");
    set("x-acs-signature-nonce", &format!("{time}-{}", key.id));
    if let Some(token) = &key.token {
        set("x-acs-accesskey-id", &key.id);
        set("x-acs-security-token", token);
    }
    change(&mut headers);
    let text = roa::string_to_sign("GET", &headers, "/tokens", &Parameters::default());
    let authorization = format!("acs {}:{}", key.id, roa::signature(&text, &key.secret));
    headers.insert("authorization", HeaderValue::from_str(&authorization).unwrap());
    let mut request = CloudRequest::new(Bytes::new());
    *request.uri_mut() = format!("https://{CR}/tokens").parse().unwrap();
    *request.headers_mut() = headers;
    request
}

pub(super) fn tokens(key: &Key, seconds: i64) -> CloudRequest {
    tokens_with(key, after(seconds), |_| {})
}

fn small_refusal(cloud: &mut Cloud, seconds: i64, request: CloudRequest) -> (u16, Value) {
    let (status, body) = ask(cloud, after(seconds), request);
    (status, body["code"].clone())
}

fn gateway_refusal(change: impl FnOnce(&mut HeaderMap)) -> String {
    refusal(&mut cloud(), start(), tokens_with(&main_key(), start(), change)).1
}

#[test]
fn who_has_no_personal_edition_of_the_old_kind_does_not_exist() {
    let mut cloud = cloud();
    // A user that never opened it.
    let nobody = Key::new("LTAInobody", "nobody-secret");
    let (status, body) = ask(&mut cloud, start(), tokens(&nobody, 0));
    assert_eq!((status, &body["code"]), (404, &json!("USER_NOT_EXIST")));
    assert_eq!(body["message"], "user is not exist.");
    assert!(body["requestId"].is_string() && body.get("Code").is_none(), "{body}");
    // Another region has none at all, and in the third one it is of the new kind.
    for host in ["cr.cn-shanghai.aliyuncs.com", "cr.cn-beijing.aliyuncs.com"] {
        let mut request = tokens(&main_key(), 1);
        *request.uri_mut() = format!("https://{host}/tokens").parse().unwrap();
        assert_eq!(small_refusal(&mut cloud, 1, request), (404, json!("USER_NOT_EXIST")), "{host}");
        cloud = self::cloud();
    }
}

#[test]
fn whoever_opens_it_exists_from_then_on() {
    let mut cloud = cloud();
    let nobody = Key::new("LTAInobody", "nobody-secret");
    let policies = vec![
        serde_json::from_str(
            r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"cr:*","Resource":"*"}]}"#,
        )
        .unwrap(),
    ];
    let mut edition = cloud.description().personal[0].clone();
    edition.users = Some(vec!["nobody".to_owned()]);
    cloud.mutate(Mutation::PutPersonal(Box::new(edition))).unwrap();
    assert_eq!(cloud.description().personal.len(), 3);
    assert_eq!(small_refusal(&mut cloud, 0, tokens(&nobody, 0)), (403, json!("NoPrivilege")));
    let (account, user) = (ACCOUNT.to_owned(), "nobody".to_owned());
    cloud.mutate(Mutation::SetUserPolicies { account, user, policies }).unwrap();
    assert_eq!(ask(&mut cloud, after(1), tokens(&nobody, 1)).0, 200);
    assert_eq!(small_refusal(&mut cloud, 2, tokens(&Key::puller(), 2)), (404, json!("USER_NOT_EXIST")));
}

#[test]
fn a_login_has_the_documented_form_and_lives_an_hour_or_as_long_as_the_session() {
    let mut cloud = cloud();
    let (status, body) = ask(&mut cloud, start(), tokens(&Key::puller(), 0));
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["data"]["tempUserName"], "cr_temp_user");
    assert_eq!(body["data"]["expireDate"], json!(start().as_millisecond() + 3_600_000));
    assert!(body["requestId"].is_string() && body.get("RequestId").is_none() && body.get("Code").is_none());
    let key = Key::of(&session(&mut cloud, &[("DurationSeconds", "900")]));
    let (_, body) = ask(&mut cloud, after(60), tokens(&key, 60));
    assert_eq!(body["data"]["expireDate"], json!(after(900).as_millisecond()));
    let record = cloud.calls().last().unwrap();
    assert_eq!(record.action, "GetAuthorizationToken");
    assert_eq!(record.caller.as_deref(), Some(format!("{ROLE}/helper").as_str()));
}

#[test]
fn what_is_wrong_with_a_roa_request_is_said_in_the_words_of_the_gateway() {
    let set = |name: &'static str, value: &'static str| {
        move |headers: &mut HeaderMap| {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    let remove = |name: &'static str| {
        move |headers: &mut HeaderMap| {
            headers.remove(name);
        }
    };
    assert_eq!(gateway_refusal(remove("date")), "MissingDate");
    assert_eq!(gateway_refusal(remove("x-acs-signature-nonce")), "MissingSignatureNonce");
    assert_eq!(gateway_refusal(remove("x-acs-version")), "MissingVersion");
    assert_eq!(gateway_refusal(set("date", "2026-11-21T10:00:00Z")), "InvalidTimeStamp.Format");
    assert_eq!(gateway_refusal(set("date", "Sat, 21 Nov 2026 10:00:00 +0000")), "InvalidTimeStamp.Format");
    assert_eq!(gateway_refusal(set("date", "Sat, 21 Nov 2026 10:15:01 GMT")), "InvalidTimeStamp.Expired");
    assert_eq!(gateway_refusal(set("x-acs-signature-method", "HMAC-SHA256")), "InvalidSignatureMethod");
    assert_eq!(gateway_refusal(set("x-acs-signature-version", "2.0")), "InvalidSignatureMethod");
    assert_eq!(gateway_refusal(set("x-acs-version", "2018-12-01")), "InvalidApi.NotFound");
    assert_eq!(gateway_refusal(set("x-acs-action", "GetRepo")), "InvalidApi.NotFound");

    let of = |request| refusal(&mut cloud(), start(), request).1;
    let changed = |name: &'static str, value: &'static str| {
        let mut request = tokens(&main_key(), 0);
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        request
    };
    assert_eq!(of(changed("authorization", "acs LTAImain")), "IncompleteSignature");
    assert_eq!(of(changed("authorization", "acs :c2ln")), "IncompleteSignature");
    assert_eq!(of(changed("authorization", "Basic eDp5")), "InvalidSignatureMethod");
    assert_eq!(of(changed("authorization", "acs LTAImain:c2ln")), "SignatureDoesNotMatch");
    assert_eq!(of(changed("x-acs-test", "added")), "SignatureDoesNotMatch");
    assert_eq!(of(changed("content-type", "application/json")), "SignatureDoesNotMatch");
    assert_eq!(of(changed("accept", "application/json, */*")), "SignatureDoesNotMatch");
    let mut unsigned = tokens(&main_key(), 0);
    unsigned.headers_mut().remove("authorization");
    assert_eq!(of(unsigned), "MissingAccessKeyId");
    let mut post = tokens(&main_key(), 0);
    *post.method_mut() = http::Method::POST;
    assert_eq!(of(post), "InvalidApi.NotFound");
    let wrong = Key::new("LTAImain", "wrong");
    let (_, body) = ask(&mut cloud(), start(), tokens(&wrong, 0));
    let message = body["Message"].as_str().unwrap();
    assert!(
        message.contains("server string to sign is:GET\napplication/json\n\n\nSat, 21 Nov 2026"),
        "{message}"
    );
}

#[test]
fn keys_and_tokens_of_a_roa_request_are_judged_as_everywhere() {
    let mut cloud = cloud();
    let issued = Key::of(&session(&mut cloud, &[("DurationSeconds", "900")]));
    let bare = Key { token: None, ..issued.clone() };
    for (at, key, expected) in [
        (0, &Key::new("LTAIunknown", "x"), (404, "InvalidAccessKeyId.NotFound")),
        (0, &Key::new("LTAIdisabled", "disabled-secret"), (400, "InvalidAccessKeyId.Inactive")),
        (0, &bare, (400, "MissingSecurityToken")),
        (900, &issued, (400, "InvalidSecurityToken.Expired")),
    ] {
        let (status, code) = refusal(&mut cloud, after(at), tokens(key, at));
        assert_eq!((status, code.as_str()), expected, "{}", key.id);
    }
    let mut other_id = tokens(&issued, 1);
    other_id.headers_mut().insert("x-acs-accesskey-id", HeaderValue::from_static("STS.other"));
    let code = refusal(&mut cloud, after(1), other_id).1;
    assert_eq!(code, "InvalidSecurityToken.MismatchWithAccessKey");
    assert_eq!(ask(&mut cloud, start(), tokens(&main_key(), 0)).0, 200);
    assert_eq!(refusal(&mut cloud, start(), tokens(&main_key(), 0)), (400, "SignatureNonceUsed".to_owned()));
}

#[test]
fn acs3_is_taken_as_well_and_xml_is_the_default() {
    let mut cloud = cloud();
    let mut request = Acs3 { query: Vec::new(), method: "GET", ..Acs3::new("GetAuthorizationToken", "") }
        .at_path("/tokens", "2016-06-07");
    let (status, body) = ask(&mut cloud, start(), request.clone());
    assert_eq!((status, &body["data"]["tempUserName"]), (200, &json!("cr_temp_user")), "{body}");
    request.headers_mut().remove("x-acs-signature-nonce");
    assert_eq!(refusal(&mut cloud, start(), request).1, "MissingSignatureNonce");
    let xml = tokens_with(&main_key(), after(1), |headers| {
        headers.remove("accept");
    });
    let (status, body) = ask(&mut cloud, after(1), xml);
    assert!(
        status == 200 && body.as_str().unwrap().contains("<tempUserName>cr_temp_user</tempUserName>"),
        "{body}"
    );
}

#[test]
fn a_host_without_the_product_or_region_does_not_exist() {
    for host in ["cr.aliyuncs.com", "registry.cn-hangzhou.aliyuncs.com"] {
        let mut request = tokens(&main_key(), 0);
        *request.uri_mut() = format!("https://{host}/tokens").parse().unwrap();
        assert!(matches!(cloud().call(start(), request).outcome, Outcome::NoSuchHost), "{host}");
    }
}

/// What a registry token for these scopes grants.
fn access(cloud: &mut Cloud, service: &str, scope: &str, password: Option<&str>) -> (u16, Value) {
    let mut request = CloudRequest::new(Bytes::new());
    *request.uri_mut() =
        format!("https://dockerauth.cn-hangzhou.aliyuncs.com/auth?service={service}&scope={scope}")
            .parse()
            .unwrap();
    if let Some(password) = password {
        let basic = format!("Basic {}", STANDARD.encode(format!("cr_temp_user:{password}")));
        request.headers_mut().insert("authorization", HeaderValue::from_str(&basic).unwrap());
    }
    let (status, body) = ask(cloud, start(), request);
    let claims = || {
        let claims = body["token"].as_str()?.split('.').nth(1)?;
        serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    };
    (status, claims().map_or(Value::Null, |claims| claims["access"].clone()))
}

#[test]
fn a_login_pulls_what_its_identity_may_from_the_shared_registry_of_the_region_and_nothing_else() {
    let mut cloud = cloud();
    let (_, body) = ask(&mut cloud, start(), tokens(&Key::puller(), 0));
    let password = body["data"]["authorizationToken"].as_str().unwrap().to_owned();
    let granted =
        |name: &str, actions: &[&str]| json!([{ "type": "repository", "name": name, "actions": actions }]);
    let mut ask_for = |scope: &str, password: Option<&str>| access(&mut cloud, SERVICE, scope, password);
    assert_eq!(ask_for("repository:mine/app:pull", Some(&password)), (200, granted("mine/app", &["pull"])));
    assert_eq!(ask_for("repository:mine/app:pull", None), (200, json!([])));
    assert_eq!(ask_for("repository:mine-open/app:pull", None), (200, granted("mine-open/app", &["pull"])));
    assert_eq!(ask_for("repository:theirs/app:pull", Some(&password)), (200, json!([])), "another account's");
    assert_eq!(ask_for("repository:nowhere/app:pull", Some(&password)), (200, json!([])));

    // A login of one registry is none of another.
    let enterprise = format!("registry.aliyuncs.com:cn-hangzhou:china:{INSTANCE}");
    assert_eq!(access(&mut cloud, &enterprise, "repository:app/web:pull", Some(&password)).0, 401);
    let beijing = "registry.aliyuncs.com:cn-beijing:26842";
    assert_eq!(access(&mut cloud, beijing, "repository:mine/app:pull", Some(&password)).0, 401);
    let (_, body) = ask(&mut cloud, start(), Acs3::new("GetAuthorizationToken", INSTANCE).build());
    let enterprise_password = body["AuthorizationToken"].as_str().unwrap().to_owned();
    assert_eq!(access(&mut cloud, SERVICE, "repository:mine/app:pull", Some(&enterprise_password)).0, 401);
    assert_eq!(access(&mut cloud, "registry.aliyuncs.com:cn-shanghai:26842", "", None).0, 401);
}

#[test]
fn the_permission_to_pull_is_on_the_repository_without_an_instance() {
    let mut cloud = cloud();
    let policy = |resource: &str| {
        let text = format!(
            r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":["cr:GetAuthorizationToken","cr:PullRepository"],
            "Resource":["acs:cr:*:*:*","{resource}"]}},{{"Effect":"Deny","Action":"cr:PullRepository",
            "Resource":"acs:cr:*:*:repository/mine/secret"}}]}}"#
        );
        vec![serde_json::from_str(&text).unwrap()]
    };
    let (account, user) = (ACCOUNT.to_owned(), "puller".to_owned());
    cloud.mutate(Mutation::SetUserPolicies { account, user, policies: policy("*") }).unwrap();
    let (_, body) = ask(&mut cloud, start(), tokens(&Key::puller(), 0));
    let password = body["data"]["authorizationToken"].as_str().unwrap().to_owned();
    assert_ne!(access(&mut cloud, SERVICE, "repository:mine/app:pull", Some(&password)).1, json!([]));
    assert_eq!(access(&mut cloud, SERVICE, "repository:mine/secret:pull", Some(&password)).1, json!([]));
}
