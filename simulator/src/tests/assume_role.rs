//! `AssumeRole`: every documented refusal, who may become which role, and what a session of a chain is.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::*;
use crate::{Cloud, CloudRequest, Mutation};

pub(super) const PULLER_OF_B: &str = "acs:ram::2000000000000002:role/acr-puller";
pub(super) const CROSS_INSTANCE: &str = "cri-cross000000000";

pub(super) fn hopper() -> Key {
    Key::new("LTAIhopper", "hopper-secret")
}

/// `AssumeRole` as form, with the role of account B that trusts the caller unless the test says otherwise.
pub(super) fn hop(key: &Key, seconds: i64, changes: &[(&str, &str)]) -> CloudRequest {
    let mut pairs = vec![
        ("Action", "AssumeRole"),
        ("Version", "2015-04-01"),
        ("RoleArn", PULLER_OF_B),
        ("RoleSessionName", "helper"),
    ];
    pairs.extend(changes);
    rpc_request("POST", STS, key, after(seconds), &pairs)
}

pub(super) fn credentials(cloud: &mut Cloud, request: CloudRequest, seconds: i64) -> Key {
    let (status, body) = ask(cloud, after(seconds), request);
    assert_eq!(status, 200, "{body}");
    Key::of(&body["Credentials"])
}

pub(super) fn role_of_b(name: &str) -> String {
    format!("acs:ram::2000000000000002:role/{name}")
}

/// The role of the machine, as its metadata service hands it out.
pub(super) fn worker(cloud: &mut Cloud) -> Key {
    let path = "http://100.100.100.200/latest/meta-data/ram/security-credentials/worker";
    let request = http::Request::get(path).body(bytes::Bytes::new()).unwrap();
    let (status, document) = ask(cloud, start(), request);
    assert_eq!(status, 200, "{document}");
    Key::of(&document)
}

#[test]
fn a_wrong_parameter_is_refused_in_the_documented_words() {
    let long = "n".repeat(65);
    let long_id = "x".repeat(1225);
    let big_policy = format!("{{\"Version\":\"1\",\"Statement\":[]{}}}", " ".repeat(2048));
    let duration = "The Min/Max value of DurationSeconds is 15min/1hr.";
    let formed = |name: &str| format!("The parameter {name} is wrongly formed.");
    for (name, value, code, message) in [
        ("RoleArn", "", "MissingRoleArn", "RoleArn is mandatory for this action.".to_owned()),
        ("RoleArn", "acs:ram::x:role/acr-puller", "InvalidParameter.RoleArn", formed("RoleArn")),
        ("RoleArn", "acs:ram::2000000000000002:user/x", "InvalidParameter.RoleArn", formed("RoleArn")),
        (
            "RoleSessionName",
            "",
            "MissingRoleSessionName",
            "RoleSessionName is mandatory for this action.".into(),
        ),
        ("RoleSessionName", "x", "InvalidParameter.RoleSessionName", formed("RoleSessionName")),
        ("RoleSessionName", "a b", "InvalidParameter.RoleSessionName", formed("RoleSessionName")),
        ("RoleSessionName", long.as_str(), "InvalidParameter.RoleSessionName", formed("RoleSessionName")),
        ("DurationSeconds", "899", "InvalidParameter.DurationSeconds", duration.into()),
        ("DurationSeconds", "7201", "InvalidParameter.DurationSeconds", duration.into()),
        ("DurationSeconds", "43201", "InvalidParameter.DurationSeconds", duration.into()),
        ("DurationSeconds", "1h", "InvalidParameter.DurationSeconds", duration.into()),
        ("ExternalId", "x", "InvalidParameter.ExternalId", formed("ExternalId")),
        ("ExternalId", "a b", "InvalidParameter.ExternalId", formed("ExternalId")),
        ("ExternalId", long_id.as_str(), "InvalidParameter.ExternalId", formed("ExternalId")),
        ("SourceIdentity", "acs:me", "InvalidParameter.SourceIdentity", formed("SourceIdentity")),
        (
            "Policy",
            "{}",
            "InvalidParameter.PolicyGrammar",
            "The parameter Policy has not passed grammar check.".into(),
        ),
        (
            "Policy",
            big_policy.as_str(),
            "InvalidParameter.PolicySize",
            "The size of policy must be smaller than 2048 bytes.".into(),
        ),
    ] {
        let (status, body) = ask(&mut cloud(), start(), hop(&hopper(), 0, &[(name, value)]));
        let expected = (400, &json!(code), &json!(message));
        assert_eq!((status, &body["Code"], &body["Message"]), expected, "{name}={value}");
    }
    let mut text = hop(&hopper(), 0, &[]);
    text.headers_mut().insert("content-type", http::HeaderValue::from_static("text/plain"));
    // A body of another type is not read, so the answer is not JSON either.
    let (status, body) = ask(&mut cloud(), start(), text);
    let xml = body.as_str().unwrap();
    assert!(status == 400 && xml.contains("<Code>InvalidParameter.ContentType</Code>"), "{xml}");
}

#[test]
fn who_lacks_the_permission_or_is_not_trusted_gets_one_text_and_two_policy_types() {
    let mut cloud = cloud();
    let rrsa = Key::of(&session(&mut cloud, &[]));
    let (worker, puller, nobody) =
        (worker(&mut cloud), Key::puller(), Key::new("LTAInobody", "nobody-secret"));
    let by_caller = "AccountLevelIdentityBasedPolicy";
    let by_role = "AssumeRolePolicy";
    for (key, role, kind, policy_type) in [
        (&nobody, "acr-account", "ImplicitDeny", by_caller),
        // `cr:*` is no permission on STS.
        (&puller, "acr-account", "ImplicitDeny", by_caller),
        (&rrsa, "acr-account", "ImplicitDeny", by_caller),
        (&hopper(), "acr-forbidden", "ExplicitDeny", by_caller),
        (&hopper(), "acr-refusing", "ExplicitDeny", by_role),
        (&hopper(), "acr-vendor", "ImplicitDeny", by_role),
        (&worker, "acr-vendor", "ImplicitDeny", by_role),
        // Trusts machines alone.
        (&worker, "../1000000000000001/worker", "ImplicitDeny", by_role),
    ] {
        let arn = match role.strip_prefix("../1000000000000001/") {
            Some(own) => format!("acs:ram::1000000000000001:role/{own}"),
            None => role_of_b(role),
        };
        let request = hop(key, 0, &[("RoleArn", &arn), ("SignatureNonce", &arn)]);
        let (status, body) = ask(&mut cloud, start(), request);
        assert_eq!((status, &body["Code"]), (403, &json!("NoPermission")), "{} {role}: {body}", key.id);
        let text = "You are not authorized to do this action. You should be authorized by RAM.";
        assert_eq!(body["Message"], text);
        let detail = &body["AccessDeniedDetail"];
        assert_eq!(detail["AuthAction"], "sts:AssumeRole");
        assert_eq!((&detail["NoPermissionType"], &detail["PolicyType"]), (&json!(kind), &json!(policy_type)));
    }
}

#[test]
fn section_1_4_a_denial_says_who_was_denied() {
    let mut cloud = cloud();
    let rrsa = Key::of(&session(&mut cloud, &[]));
    let (_, of_session) = ask(&mut cloud, start(), hop(&rrsa, 0, &[]));
    let (_, of_user) = ask(&mut cloud, start(), hop(&Key::new("LTAInobody", "nobody-secret"), 0, &[]));
    let who = |body: &Value| {
        let detail = &body["AccessDeniedDetail"];
        assert_eq!(detail["AuthPrincipalOwnerId"], ACCOUNT);
        (detail["AuthPrincipalType"].clone(), detail["AuthPrincipalDisplayName"].clone())
    };
    assert_eq!(who(&of_session), (json!("AssumedRoleUser"), json!("rrsa-puller:helper")));
    let (kind, name) = who(&of_user);
    assert_eq!(kind, "SubUser");
    assert!(name.as_str().unwrap().bytes().all(|byte| byte.is_ascii_digit()), "users go by their id: {name}");
}

#[test]
fn the_main_account_may_not_become_a_role() {
    let main = Key::new("LTAImain", "main-secret");
    let (status, body) = ask(&mut cloud(), start(), hop(&main, 0, &[]));
    assert_eq!((status, &body["Code"]), (403, &json!("NoPermission")));
    assert_eq!(body["Message"], "Roles may not be assumed by root accounts.");
}

#[test]
fn a_role_that_does_not_exist_is_said_only_to_who_may_assume_it() {
    let gone = role_of_b("acr-gone");
    let (status, body) = ask(&mut cloud(), start(), hop(&hopper(), 0, &[("RoleArn", &gone)]));
    assert_eq!((status, &body["Code"]), (404, &json!("EntityNotExist.Role")));
    assert_eq!(body["Message"], "The specified Role not exists .");
    let nobody = Key::new("LTAInobody", "nobody-secret");
    assert_eq!(refusal(&mut cloud(), start(), hop(&nobody, 0, &[("RoleArn", &gone)])).0, 403);
}

#[test]
fn an_unsigned_or_wrongly_signed_request_is_refused() {
    let unsigned = unsigned(
        "POST",
        STS,
        &format!(
            "Action=AssumeRole&Version=2015-04-01&Format=JSON&RoleArn={PULLER_OF_B}&RoleSessionName=helper"
        ),
    );
    assert_eq!(refusal(&mut cloud(), start(), unsigned), (400, "MissingAccessKeyId".to_owned()));
    let wrong = Key::new("LTAIhopper", "wrong");
    assert_eq!(
        refusal(&mut cloud(), start(), hop(&wrong, 0, &[])),
        (400, "SignatureDoesNotMatch".to_owned())
    );
    let mut cloud = cloud();
    let worker = worker(&mut cloud);
    let bare = Key { token: None, ..worker.clone() };
    assert_eq!(refusal(&mut cloud, start(), hop(&bare, 0, &[])), (400, "MissingSecurityToken".to_owned()));
    let expired = refusal(&mut cloud, after(21_600), hop(&worker, 21_600, &[]));
    assert_eq!(expired, (400, "InvalidSecurityToken.Expired".to_owned()));
}

#[test]
fn a_session_of_a_role_in_another_account_has_its_permissions_and_no_other() {
    let mut cloud = cloud();
    for (index, source) in [hopper(), worker(&mut cloud)].iter().enumerate() {
        let seconds = i64::try_from(index).unwrap();
        let (status, body) = ask(&mut cloud, after(seconds), hop(source, seconds, &[]));
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["AssumedRoleUser"]["Arn"], format!("{PULLER_OF_B}/helper"));
        let id = body["AssumedRoleUser"]["AssumedRoleId"].as_str().unwrap();
        assert!(id.ends_with(":helper"), "{id}");
        let seconds_left = if index == 0 { "2026-11-21T11:00:00Z" } else { "2026-11-21T11:00:01Z" };
        assert_eq!(body["Credentials"]["Expiration"], seconds_left, "an hour where none is asked for");
        assert!(body.get("SourceIdentity").is_none());
        let key = Key::of(&body["Credentials"]);
        for (instance, expected) in [(CROSS_INSTANCE, 200), (INSTANCE, 403)] {
            let login = Acs3::new("GetAuthorizationToken", instance).by(&key).at(after(seconds));
            assert_eq!(ask(&mut cloud, after(seconds), login.build()).0, expected, "{instance}");
        }
    }
}

#[test]
fn a_chain_goes_on_as_far_as_every_role_on_it_trusts_the_one_before() {
    let mut cloud = cloud();
    let role = |text: &str| serde_json::from_str(text).unwrap();
    let trust = role(
        r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
        "Principal":{"RAM":"acs:ram::2000000000000002:role/acr-puller"}}]}"#,
    );
    let last = role_of_b("acr-account");
    cloud.mutate(Mutation::SetTrustPolicy { role: last.clone(), trust_policy: trust }).unwrap();
    let first = worker(&mut cloud);
    let request = hop(&first, 0, &[("DurationSeconds", "900")]);
    let second = credentials(&mut cloud, request, 0);
    // The role in the middle lacks the permission as yet.
    let refused = refusal(&mut cloud, after(1), hop(&second, 1, &[("RoleArn", &last)]));
    assert_eq!(refused, (403, "NoPermission".to_owned()));
    let policies = vec![
        serde_json::from_str(
            r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}"#,
        )
        .unwrap(),
    ];
    cloud.mutate(Mutation::SetRolePolicies { role: PULLER_OF_B.to_owned(), policies }).unwrap();
    let third = credentials(&mut cloud, hop(&second, 2, &[("RoleArn", &last)]), 2);
    // A session outlives the one that asked for it.
    let login = |seconds| Acs3::new("GetAuthorizationToken", CROSS_INSTANCE).by(&third).at(after(seconds));
    let (_, body) = ask(&mut cloud, after(1800), login(1800).build());
    assert_eq!(
        body["ExpireTime"],
        json!(after(3602).as_millisecond()),
        "and a login does not outlive the session"
    );
    // The first role does not skip over the second.
    assert_eq!(refusal(&mut cloud, after(3), hop(&first, 3, &[("RoleArn", &last)])).0, 403);
}

#[test]
fn the_maximum_of_the_role_limits_a_session_and_may_be_raised() {
    let mut cloud = cloud();
    let at = |seconds, duration: &str| hop(&hopper(), seconds, &[("DurationSeconds", duration)]);
    for (seconds, duration, end) in [(0, "900", "2026-11-21T10:15:00Z"), (1, "7200", "2026-11-21T12:00:01Z")]
    {
        let (_, body) = ask(&mut cloud, after(seconds), at(seconds, duration));
        assert_eq!(body["Credentials"]["Expiration"], end);
    }
    assert_eq!(refusal(&mut cloud, after(2), at(2, "43200")).0, 400);
    cloud.mutate(Mutation::SetMaxSession { role: PULLER_OF_B.to_owned(), seconds: 43200 }).unwrap();
    let (_, body) = ask(&mut cloud, after(3), at(3, "43200"));
    assert_eq!(body["Credentials"]["Expiration"], "2026-11-21T22:00:03Z");
}

#[test]
fn an_external_id_must_be_the_one_that_the_trust_policy_demands() {
    let vendor = role_of_b("acr-vendor");
    let mut cloud = cloud();
    for (seconds, id, expected) in [(0, "vendor=8", 403), (1, "VENDOR=7", 403), (2, "vendor=7", 200)] {
        let request = hop(&hopper(), seconds, &[("RoleArn", &vendor), ("ExternalId", id)]);
        assert_eq!(ask(&mut cloud, after(seconds), request).0, expected, "{id}");
    }
    let harmless = hop(&hopper(), 3, &[("ExternalId", "vendor=7")]);
    assert_eq!(ask(&mut cloud, after(3), harmless).0, 200, "a role that asks for none takes any");
}

#[test]
fn a_source_identity_is_given_back() {
    let (status, body) = ask(&mut cloud(), start(), hop(&hopper(), 0, &[("SourceIdentity", "alice@dev")]));
    assert_eq!((status, &body["SourceIdentity"]), (200, &json!("alice@dev")));
}

#[test]
fn section_1_1_acs3_and_get_are_taken_as_well() {
    let acs3 = Acs3 {
        host: STS,
        query: vec![("RoleArn", PULLER_OF_B.to_owned()), ("RoleSessionName", "helper".to_owned())],
        more: vec![("accept", "application/json"), ("x-acs-version", "2015-04-01")],
        ..Acs3::new("AssumeRole", "").by(&hopper())
    };
    let (status, body) = ask(&mut cloud(), start(), acs3.build());
    assert_eq!(status, 200, "{body}");
    let pairs = [
        ("Action", "AssumeRole"),
        ("Version", "2015-04-01"),
        ("RoleArn", PULLER_OF_B),
        ("RoleSessionName", "helper"),
    ];
    let mut get = rpc_request("GET", STS, &hopper(), start(), &pairs);
    // As official SDKs send it: the action in a header as well.
    get.headers_mut().insert("x-acs-action", http::HeaderValue::from_static("AssumeRole"));
    get.headers_mut().insert("x-acs-version", http::HeaderValue::from_static("2015-04-01"));
    let (status, body) = ask(&mut cloud(), start(), get);
    assert_eq!(status, 200, "{body}");
}

proptest! {
    #[test]
    fn only_the_exact_role_is_trusted(name in "[a-z-]{1,12}", account in "[0-9]{1,16}") {
        let trust_policy = serde_json::from_str(&format!(
            r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole",
            "Principal":{{"RAM":["acs:ram::{account}:role/{name}","acs:ram::{account}:root","acs:ram::1000000000000001:user/{name}"]}}}}]}}"#
        )).unwrap();
        let mut cloud = cloud();
        cloud.mutate(Mutation::SetTrustPolicy { role: PULLER_OF_B.to_owned(), trust_policy }).unwrap();
        let trusted = account == ACCOUNT || name == "hopper";
        let (status, body) = ask(&mut cloud, start(), hop(&hopper(), 0, &[]));
        prop_assert_eq!(status, if trusted { 200 } else { 403 }, "{}", body);
    }
}

#[test]
fn whoever_signs_may_ask_who_it_is_and_nobody_else() {
    let mut cloud = cloud();
    let pairs = [("Action", "GetCallerIdentity"), ("Version", "2015-04-01")];
    let mut identity = |key: &Key| {
        let request = rpc_request("POST", STS, key, start(), &pairs);
        ask(&mut cloud, start(), request)
    };
    assert_eq!(identity(&Key::new("LTAIunknown", "x")).0, 404);
    assert_eq!(identity(&Key::new(hopper().id.as_str(), "wrong")).0, 400);
    let (status, user) = identity(&hopper());
    assert_eq!((status, &user["IdentityType"]), (200, &json!("RAMUser")), "{user}");
    assert_eq!(user["PrincipalId"], user["UserId"]);
    assert!(user["Arn"].as_str().unwrap().ends_with(":user/hopper"), "{user}");
    let session = credentials(&mut cloud, hop(&hopper(), 1, &[]), 1);
    let request = rpc_request("POST", STS, &session, after(2), &pairs);
    let (status, role) = ask(&mut cloud, after(2), request);
    assert_eq!((status, &role["IdentityType"]), (200, &json!("AssumedRoleUser")), "{role}");
    assert_eq!(role["Arn"], format!("{PULLER_OF_B}/helper"));
    assert_eq!(role["AccountId"], "2000000000000002");
    assert_eq!(role["PrincipalId"], format!("{}:helper", role["RoleId"].as_str().unwrap()));
}
