//! The token service: which logins it refuses, and what its tokens grant.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::HeaderValue;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::support::*;
use crate::description::Repository;
use crate::{Cloud, CloudRequest, Mutation, Outcome};

const REALM: &str = "dockerauth-ee.cn-hangzhou.aliyuncs.com";
const SERVICE: &str = "registry.aliyuncs.com:cn-hangzhou:china:cri-acme0000000000";
const TAKEN_OVER: &str = "registry.aliyuncs.com:cn-hangzhou:china:cri-other000000000";

fn request(host: &str, service: &str, scopes: &[&str], login: Option<(&str, &str)>) -> CloudRequest {
    let scopes: String = scopes.iter().flat_map(|scope| ["&scope=", scope]).collect();
    let mut request = CloudRequest::new(Bytes::new());
    *request.uri_mut() = format!("https://{host}/auth?account=x&service={service}{scopes}").parse().unwrap();
    if let Some((user, password)) = login {
        let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        request.headers_mut().insert("authorization", HeaderValue::from_str(&value).unwrap());
    }
    request
}

fn login(cloud: &mut Cloud, key: &Key, instance: &str, now: Timestamp) -> String {
    let request = Acs3::new("GetAuthorizationToken", instance).by(key).at(now).build();
    let (status, body) = ask(cloud, now, request);
    assert_eq!(status, 200, "{body}");
    body["AuthorizationToken"].as_str().unwrap().to_owned()
}

/// The claims of a token, after its signature was verified with the published key.
fn claims(cloud: &Cloud, answer: &Value) -> Value {
    let token = answer["token"].as_str().unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let key = &cloud.jwks().keys[0];
    let (n, e) = (decode(key.n.as_ref().unwrap()), decode(key.e.as_ref().unwrap()));
    let components = RsaPublicKeyComponents { n, e };
    components.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &decode(signature)).unwrap();
    let header: Value = serde_json::from_slice(&decode(header)).unwrap();
    assert_eq!(header, json!({ "typ": "JWT", "alg": "RS256", "kid": key.kid }));
    serde_json::from_slice(&decode(claims)).unwrap()
}

fn access(cloud: &mut Cloud, scopes: &[&str], login: Option<&str>) -> Value {
    let login = login.map(|password| ("cr_temp_user", password));
    let (status, body) = ask(cloud, start(), request(REALM, SERVICE, scopes, login));
    assert_eq!(status, 200, "{body}");
    claims(cloud, &body)["access"].clone()
}

#[test]
fn a_wrong_login_is_unauthorized_whatever_is_wrong_with_it() {
    let mut cloud = cloud();
    let good = login(&mut cloud, &Key::puller(), INSTANCE, start());
    let other = login(&mut cloud, &Key::puller(), "cri-other000000000", start());
    let (content, digits) = good.split_once(':').unwrap();
    let forged = format!("{content}:{}", digits.replace(|c: char| c.is_ascii_digit(), "0"));
    for (user, password) in [
        ("cr_temp_user", "password"),
        ("cr_temp_user", content),
        ("cr_temp_user", forged.as_str()),
        ("cr_temp_user", other.as_str()),
        ("someone", good.as_str()),
        ("", ""),
    ] {
        let asked = request(REALM, SERVICE, &["repository:app/web:pull"], Some((user, password)));
        let (status, body) = ask(&mut cloud, start(), asked);
        assert_eq!(status, 401, "{user}:{password}");
        let error = json!({ "code": "UNAUTHORIZED", "message": "authentication required", "detail": null });
        assert_eq!(body, json!({ "errors": [error] }));
    }
    let mut bearer = request(REALM, SERVICE, &[], None);
    bearer.headers_mut().insert("authorization", HeaderValue::from_static("Bearer x"));
    assert_eq!(ask(&mut cloud, start(), bearer).0, 401);
}

#[test]
fn a_login_works_until_its_expiry_and_not_after() {
    let mut cloud = cloud();
    let password = login(&mut cloud, &Key::puller(), INSTANCE, start());
    let ask_at = |cloud: &mut Cloud, seconds| {
        let asked = request(REALM, SERVICE, &[], Some(("cr_temp_user", &password)));
        ask(cloud, after(seconds), asked).0
    };
    assert_eq!(ask_at(&mut cloud, 3599), 200);
    assert_eq!(ask_at(&mut cloud, 3600), 401);
    assert_eq!(cloud.calls().last().unwrap().code, "ExpiredLogin");
}

#[test]
fn a_login_of_a_role_that_is_gone_is_refused() {
    let mut cloud = cloud();
    let key = Key::of(&session(&mut cloud, &[]));
    let password = login(&mut cloud, &key, INSTANCE, start());
    let asked = || request(REALM, SERVICE, &[], Some(("cr_temp_user", &password)));
    assert_eq!(ask(&mut cloud, start(), asked()).0, 200);
    cloud.mutate(Mutation::RemoveRole { role: ROLE.to_owned() }).unwrap();
    assert_eq!(ask(&mut cloud, start(), asked()).0, 401);
}

#[test]
fn what_is_not_a_token_request_is_refused() {
    let mut cloud = cloud();
    assert_eq!(ask(&mut cloud, start(), request(REALM, "unknown", &[], None)).0, 401);
    let mut post = request(REALM, SERVICE, &[], None);
    *post.method_mut() = http::Method::POST;
    assert_eq!(ask(&mut cloud, start(), post).0, 405);
    let mut elsewhere = request(REALM, SERVICE, &[], None);
    *elsewhere.uri_mut() = format!("https://{REALM}/v2/").parse().unwrap();
    assert_eq!(ask(&mut cloud, start(), elsewhere).0, 404);
}

#[test]
fn the_own_host_of_an_instance_serves_tokens_only_after_a_takeover_and_only_its_own() {
    let mut cloud = cloud();
    let plain = request("acme-registry.cn-hangzhou.cr.aliyuncs.com", SERVICE, &[], None);
    assert!(matches!(cloud.call(start(), plain).outcome, Outcome::NoSuchHost));
    for host in
        ["other-registry.cn-hangzhou.cr.aliyuncs.com", "other-registry-vpc.cn-hangzhou.cr.aliyuncs.com"]
    {
        assert_eq!(ask(&mut cloud, start(), request(host, TAKEN_OVER, &[], None)).0, 200);
        assert_eq!(ask(&mut cloud, start(), request(host, SERVICE, &[], None)).0, 401);
    }
}

#[test]
fn a_cloud_without_a_key_cannot_issue_tokens() {
    let mut cloud = Cloud::new(cloud().description().clone());
    assert_eq!(ask(&mut cloud, start(), request(REALM, SERVICE, &[], None)).0, 500);
    assert!(cloud.jwks().keys.is_empty());
}

#[test]
fn anonymous_gets_an_empty_token_unless_the_repository_is_public() {
    let mut cloud = cloud();
    assert_eq!(access(&mut cloud, &["repository:app/web:pull"], None), json!([]));
    assert_eq!(access(&mut cloud, &["repository:unknown:pull"], None), json!([]));
    assert_eq!(
        access(&mut cloud, &["repository:open/base:pull,push"], None),
        json!([{ "type": "repository", "name": "open/base", "actions": ["pull"] }])
    );
}

#[test]
fn a_login_is_granted_what_its_identity_may() {
    let mut cloud = cloud();
    let password = login(&mut cloud, &Key::puller(), INSTANCE, start());
    assert_eq!(
        access(&mut cloud, &["repository:app/web:pull,push,delete"], Some(&password)),
        json!([{ "type": "repository", "name": "app/web", "actions": ["pull", "push"] }])
    );
    // Denied to pull, allowed to push.
    assert_eq!(
        access(&mut cloud, &["repository:secret/plans:pull,push"], Some(&password)),
        json!([{ "type": "repository", "name": "secret/plans", "actions": ["push"] }])
    );
    for scope in ["repository:nowhere/x:pull", "registry:catalog:*", "nonsense", ""] {
        assert_eq!(access(&mut cloud, &[scope], Some(&password)), json!([]), "{scope}");
    }
    let main = login(&mut cloud, &Key::new("LTAImain", "main-secret"), INSTANCE, start());
    assert_eq!(access(&mut cloud, &["repository:secret/plans:pull"], Some(&main))[0]["name"], "secret/plans");
}

#[test]
fn a_login_without_the_permission_to_pull_gets_an_empty_token() {
    let mut cloud = cloud();
    let key = Key::of(&session(&mut cloud, &[]));
    let password = login(&mut cloud, &key, INSTANCE, start());
    let scopes = ["repository:app/web:pull"];
    assert_eq!(access(&mut cloud, &scopes, Some(&password))[0]["actions"], json!(["pull"]));
    let policy = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"cr:PullRepository",
        "Resource":"acs:cr:cn-hangzhou:*:repository/cri-acme0000000000/other/*"}]}"#;
    let policies = vec![serde_json::from_str(policy).unwrap()];
    cloud.mutate(Mutation::SetRolePolicies { role: ROLE.to_owned(), policies }).unwrap();
    assert_eq!(access(&mut cloud, &scopes, Some(&password)), json!([]));
}

#[test]
fn section_9_several_scopes_are_judged_one_by_one_in_both_spellings() {
    let mut cloud = cloud();
    let password = login(&mut cloud, &Key::puller(), INSTANCE, start());
    for scopes in [
        ["repository:app/web:pull", "repository:app/db:pull"].as_slice(),
        &["repository:app/web:pull%20repository:app/db:pull"],
    ] {
        let access = access(&mut cloud, scopes, Some(&password));
        let mut names: Vec<&str> =
            access.as_array().unwrap().iter().filter_map(|a| a["name"].as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["app/db", "app/web"]);
    }
}

#[test]
fn without_a_list_every_repository_exists() {
    let mut cloud = cloud();
    let mut instance = cloud.description().instances[0].clone();
    instance.repositories = None;
    cloud.mutate(Mutation::PutInstance(Box::new(instance.clone()))).unwrap();
    let password = login(&mut cloud, &Key::puller(), INSTANCE, start());
    let scopes = ["repository:any/thing:pull"];
    assert_eq!(access(&mut cloud, &scopes, Some(&password))[0]["name"], "any/thing");
    assert_eq!(access(&mut cloud, &scopes, None), json!([]));
    instance.repositories = Some(vec![Repository { name: "*".to_owned(), public: true }]);
    cloud.mutate(Mutation::PutInstance(Box::new(instance))).unwrap();
    assert_eq!(access(&mut cloud, &scopes, None)[0]["name"], "any/thing");
}

#[test]
fn a_token_lives_ten_minutes_and_is_backdated_by_five() {
    let mut cloud = cloud();
    let now = start().as_second();
    let (_, body) = ask(&mut cloud, start(), request(REALM, SERVICE, &[], None));
    let mut anonymous = claims(&cloud, &body);
    assert!(anonymous["jti"].is_string());
    anonymous["jti"] = Value::Null;
    assert_eq!(
        anonymous,
        json!({
            "iss": "dockerauth.aliyuncs.com", "aud": SERVICE, "sub": "", "jti": null,
            "iat": now, "nbf": now - 300, "exp": now + 600, "access": [],
        })
    );
    let password = login(&mut cloud, &Key::puller(), INSTANCE, start());
    let asked = request(REALM, SERVICE, &[], Some(("cr_temp_user", &password)));
    let (_, body) = ask(&mut cloud, start(), asked);
    assert_eq!(claims(&cloud, &body)["sub"], "cr_temp_user");
    assert_eq!(
        cloud.calls().last().unwrap().caller.as_deref(),
        Some("acs:ram::1000000000000001:user/puller")
    );
}

#[test]
fn section_9_every_realm_host_answers() {
    for host in [
        "dockerauth.cn-beijing.aliyuncs.com",
        "dockerauth-ee.cn-hangzhou.aliyuncs.com",
        "dockerauth-vpc.cn-hangzhou.aliyuncs.com",
        "dockerauth-ee-vpc.cn-hangzhou.aliyuncs.com",
        "dockerauth-cn-zhangjiakou.aliyuncs.com",
    ] {
        assert_eq!(ask(&mut cloud(), start(), request(host, SERVICE, &[], None)).0, 200, "{host}");
    }
}
