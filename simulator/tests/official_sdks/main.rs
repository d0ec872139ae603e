//! The official SDKs from PyPI, unchanged and pinned, against the served cloud: every success that the product relies on,
//! and the documented exception for each refusal.

#![cfg(test)]

mod environment;
mod refusals;
mod scene;

use acr_simulator::Mutation;
use scene::{CR, INSTANCE, Key, PROVIDER, PULLER_OF_B, RRSA_ROLE, STS, SUBJECT, Scene};
use serde_json::{Value, json};

/// Kind, HTTP status and code of an exception.
#[track_caller]
fn raised(result: Result<Value, Value>) -> (String, i64, String) {
    let error = result.expect_err("an exception");
    let text = |name: &str| error[name].as_str().unwrap_or_else(|| panic!("no {name} in {error}")).to_owned();
    (text("kind"), error["status_code"].as_i64().unwrap_or_default(), text("code"))
}

fn client_exception(status: i64, code: &str) -> (String, i64, String) {
    ("ClientException".to_owned(), status, code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn assume_role_raises_the_documented_exception_for_each_refusal() {
    let mut scene = Scene::begin().await;
    let hop = |changes: Value| {
        let mut request = json!({ "role_arn": PULLER_OF_B, "role_session_name": "helper" });
        for (name, value) in changes.as_object().unwrap() {
            request[name] = value.clone();
        }
        request
    };
    let puller = Key::puller();
    let own = |name: &str| format!("acs:ram::2000000000000002:role/{name}");
    for (key, changes, status, code) in [
        (&puller, json!({ "role_arn": "acs:ram::x:role/y" }), 400, "InvalidParameter.RoleArn"),
        (&puller, json!({ "role_session_name": "a b" }), 400, "InvalidParameter.RoleSessionName"),
        (&puller, json!({ "duration_seconds": 899 }), 400, "InvalidParameter.DurationSeconds"),
        (&puller, json!({ "duration_seconds": 3601 }), 400, "InvalidParameter.DurationSeconds"),
        (&puller, json!({ "policy": "{" }), 400, "InvalidParameter.PolicyGrammar"),
        (&puller, json!({ "policy": "x".repeat(2049) }), 400, "InvalidParameter.PolicySize"),
        (&puller, json!({ "external_id": "?" }), 400, "InvalidParameter.ExternalId"),
        (&puller, json!({ "role_arn": own("acr-distrustful") }), 403, "NoPermission"),
        (&Key::nobody(), json!({}), 403, "NoPermission"),
        (&Key::new("LTAImain", "main-secret"), json!({}), 403, "NoPermission"),
        (&puller, json!({ "role_arn": own("acr-gone") }), 404, "EntityNotExist.Role"),
        (&Key::new("LTAIunknown", "x"), json!({}), 404, "InvalidAccessKeyId.NotFound"),
        (&Key::new("LTAIdisabled", "disabled-secret"), json!({}), 400, "InvalidAccessKeyId.Inactive"),
        (&Key::new("LTAIpuller", "wrong"), json!({}), 400, "SignatureDoesNotMatch"),
        (&Key::new("STS.x", "x"), json!({}), 400, "MissingSecurityToken"),
    ] {
        let result = scene.sts("assume_role", key, &hop(changes.clone()));
        assert_eq!(raised(result), client_exception(status, code), "{} {changes}", key.id);
    }
    let error = scene.hop(&Key::nobody(), PULLER_OF_B).unwrap_err();
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("You are not authorized to do this action. You should be authorized by RAM."),
        "{message}"
    );
    let detail = &error["access_denied_detail"];
    assert_eq!(detail["AuthAction"], "sts:AssumeRole", "the SDK hands over who was denied what");
    assert_eq!(detail["PolicyType"], "AccountLevelIdentityBasedPolicy");
    let error = scene.hop(&puller, &own("acr-distrustful")).unwrap_err();
    assert_eq!(error["access_denied_detail"]["PolicyType"], "AssumeRolePolicy");
}

#[tokio::test(flavor = "multi_thread")]
async fn assume_role_with_oidc_raises_the_documented_exception_for_each_refusal() {
    let mut scene = Scene::begin().await;
    let now = jiff::Timestamp::now().as_second();
    let sign = |subject: &str, audience: &str, expires: i64| {
        scene.issuer.token(subject, audience, now - 900, expires).unwrap()
    };
    let foreign = acr_simulator::Issuer::new("https://elsewhere.example").unwrap();
    let forged = acr_simulator::Issuer::new(scene::ISSUER).unwrap();
    let foreign = foreign.token(SUBJECT, "sts.aliyuncs.com", now, now + 600).unwrap();
    let forged = forged.token(SUBJECT, "sts.aliyuncs.com", now, now + 600).unwrap();
    let expired = sign(SUBJECT, "sts.aliyuncs.com", now - 1);
    let audience = sign(SUBJECT, "kubernetes", now + 600);
    let subject = sign("system:serviceaccount:default:default", "sts.aliyuncs.com", now + 600);
    let good = scene.token();
    let key = Key::puller();
    let other = "acs:ram::1000000000000001:oidc-provider/unknown";
    for (token, provider, code) in [
        ("", PROVIDER, "AuthenticationFail.OIDCToken.Invalid"),
        ("a.b", PROVIDER, "AuthenticationFail.OIDCToken.Invalid"),
        (foreign.as_str(), PROVIDER, "AuthenticationFail.OIDCToken.IssuerNotMatch"),
        (&forged, PROVIDER, "AuthenticationFail.OIDCToken.InvalidSignature"),
        (&expired, PROVIDER, "AuthenticationFail.OIDCToken.Expired"),
        (&audience, PROVIDER, "AuthenticationFail.OIDCToken.AudienceNotMatch"),
        (&subject, PROVIDER, "AuthenticationFail.NoPermission"),
        (&good, other, "AuthenticationFail.NoPermission"),
        (&good, "nonsense", "AuthenticationFail.NoPermission"),
    ] {
        let request = json!({ "role_arn": RRSA_ROLE, "role_session_name": "helper", "oidcprovider_arn": provider, "oidctoken": token });
        let result = scene.sts("assume_role_with_oidc", &key, &request);
        assert_eq!(raised(result), client_exception(401, code), "{provider} {token}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn container_registry_raises_the_documented_exception_for_each_refusal() {
    let mut scene = Scene::begin().await;
    for operation in ["get_authorization_token", "list_instance_endpoint"] {
        for (key, instance, status, code) in [
            (&Key::nobody(), INSTANCE, 403, "NoPrivilege"),
            (&Key::puller(), "cri-cross000000000", 403, "NoPrivilege"),
            (&Key::puller(), "cri-unknown0000000", 404, "INSTANCE_NOT_EXIST"),
            (&Key::puller(), "crpi-0123456789abcdef", 401, "AUTHENTICATION_FAILED"),
            (&Key::puller(), "", 400, "MissingInstanceId"),
            (&Key::new("LTAIunknown", "x"), INSTANCE, 404, "InvalidAccessKeyId.NotFound"),
            (&Key::new("LTAIdisabled", "disabled-secret"), INSTANCE, 400, "InvalidAccessKeyId.Inactive"),
            (&Key::new("LTAIpuller", "wrong"), INSTANCE, 400, "SignatureDoesNotMatch"),
        ] {
            let result = scene.enterprise(operation, key, instance);
            assert_eq!(raised(result), client_exception(status, code), "{operation} {} {instance}", key.id);
        }
    }
    scene.fault(json!({ "times": 1, "effect": { "error": { "status": 500, "code": "SystemError", "message": "Unknown error." } } }));
    let (kind, status, code) = raised(scene.enterprise("get_authorization_token", &Key::puller(), INSTANCE));
    assert_eq!((kind.as_str(), status, code.as_str()), ("ServerException", 500, "SystemError"));
    scene.fault(json!({ "times": 1, "effect": { "isSuccessFalse": { "code": "INSTANCE_NOT_EXIST" } } }));
    let body = scene.enterprise("get_authorization_token", &Key::puller(), INSTANCE).unwrap();
    assert_eq!((&body["IsSuccess"], &body["Code"]), (&json!(false), &json!("INSTANCE_NOT_EXIST")));
    scene.fault(json!({ "times": 1, "effect": { "clockSkew": { "seconds": 1200 } } }));
    let result = scene.enterprise("get_authorization_token", &Key::puller(), INSTANCE);
    assert_eq!(raised(result), client_exception(400, "InvalidTimeStamp.Expired"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_personal_edition_raises_the_documented_exception_for_each_refusal() {
    let mut scene = Scene::begin().await;
    for (key, status, code) in [
        (Key::nobody(), 404, "USER_NOT_EXIST"),
        (Key::new("LTAIunknown", "x"), 404, "InvalidAccessKeyId.NotFound"),
        (Key::new("LTAIpuller", "wrong"), 400, "SignatureDoesNotMatch"),
        (Key::new("STS.x", "x"), 400, "MissingSecurityToken"),
    ] {
        let result = scene.personal(&key);
        assert_eq!(raised(result), client_exception(status, code), "{}", key.id);
    }
    let text = r#"{"account": "1000000000000001", "region": "cn-hangzhou", "kind": "new"}"#;
    let edition = Mutation::PutPersonal(serde_json::from_str(text).unwrap());
    scene.simulator.cloud().mutate(edition).unwrap();
    assert_eq!(raised(scene.personal(&Key::puller())), client_exception(404, "USER_NOT_EXIST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_signature_that_the_sdks_know_is_taken_by_every_product() {
    let mut scene = Scene::begin().await;
    let session = Key::of(&scene.hop(&Key::puller(), PULLER_OF_B).unwrap());
    let cases = [
        (
            "alibabacloud_sts20150401",
            STS,
            "assume_role",
            json!({ "role_arn": PULLER_OF_B, "role_session_name": "helper" }),
        ),
        ("alibabacloud_cr20181201", CR, "get_authorization_token", json!({ "instance_id": INSTANCE })),
        ("alibabacloud_cr20160607", CR, "get_authorization_token", Value::Null),
    ];
    for (package, host, operation, request) in cases {
        // `v2` is RPC-HMAC-SHA1 for the first two and ROA-HMAC-SHA1 for the third.
        for algorithm in ["ACS3-HMAC-SHA256", "v2"] {
            let mut config = scene.config(host, &Key::puller());
            config["signature_algorithm"] = json!(algorithm);
            let call =
                json!({ "package": package, "operation": operation, "config": config, "request": request });
            let answer = scene.carry_out(&call);
            assert!(answer.is_ok(), "{package} {algorithm}: {answer:?}");
            config["access_key_secret"] = json!("wrong");
            let call =
                json!({ "package": package, "operation": operation, "config": config, "request": request });
            let expected = client_exception(400, "SignatureDoesNotMatch");
            assert_eq!(raised(scene.carry_out(&call)), expected, "{package} {algorithm}");
        }
    }
    // A session signs with its token in either scheme.
    for algorithm in ["ACS3-HMAC-SHA256", "v2"] {
        let mut config = scene.config(CR, &session);
        config["signature_algorithm"] = json!(algorithm);
        let request = json!({ "instance_id": "cri-cross000000000" });
        let call = json!({ "package": "alibabacloud_cr20181201", "operation": "list_instance_endpoint", "config": config, "request": request });
        let answer = scene.carry_out(&call).unwrap();
        assert_eq!(
            answer["Endpoints"][0]["Domains"][0]["Domain"],
            "cross-registry.cn-hangzhou.cr.aliyuncs.com"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_from_a_token_of_the_cluster_to_a_login_in_another_account() {
    let mut scene = Scene::begin().await;
    let request = json!({
        "role_arn": RRSA_ROLE, "role_session_name": "helper", "oidcprovider_arn": PROVIDER, "oidctoken": scene.token(),
    });
    let answer = scene.sts("assume_role_with_oidc", &Key::new("", ""), &request).unwrap();
    assert_eq!(answer["OIDCTokenInfo"]["VerificationInfo"], "Success");
    let rrsa = Key::of(&answer);
    let short = json!({ "role_arn": PULLER_OF_B, "role_session_name": "helper", "duration_seconds": 900 });
    let answer = scene.sts("assume_role", &rrsa, &short).unwrap();
    assert_eq!(answer["AssumedRoleUser"]["Arn"], format!("{PULLER_OF_B}/helper"));
    let ends: jiff::Timestamp = answer["Credentials"]["Expiration"].as_str().unwrap().parse().unwrap();
    let session = Key::of(&answer);
    let login = scene.enterprise("get_authorization_token", &session, "cri-cross000000000").unwrap();
    assert_eq!(login["ExpireTime"].as_i64(), Some(ends.as_millisecond()), "as long as the session lives");
    assert_eq!(login["TempUsername"], "cr_temp_user");
    assert_eq!(
        raised(scene.enterprise("get_authorization_token", &rrsa, INSTANCE)),
        client_exception(403, "NoPrivilege")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_is_told_to_users_sessions_and_main_accounts() {
    let mut scene = Scene::begin().await;
    let session = Key::of(&scene.hop(&Key::puller(), PULLER_OF_B).unwrap());
    let main = Key::new("LTAImain", "main-secret");
    for (key, kind, arn) in [
        (&Key::puller(), "RAMUser", "acs:ram::1000000000000001:user/puller".to_owned()),
        (&session, "AssumedRoleUser", format!("{PULLER_OF_B}/helper")),
        (&main, "Account", "acs:ram::1000000000000001:root".to_owned()),
    ] {
        let answer = scene.sts("get_caller_identity", key, &Value::Null).unwrap()["body"].take();
        assert_eq!((&answer["IdentityType"], &answer["Arn"]), (&json!(kind), &json!(arn)), "{answer}");
    }
    let refused = scene.sts("get_caller_identity", &Key::new("LTAIpuller", "wrong"), &Value::Null);
    assert_eq!(raised(refused), client_exception(400, "SignatureDoesNotMatch"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_personal_login_by_the_generated_method_and_with_its_body() {
    let mut scene = Scene::begin().await;
    let config = scene.config(CR, &Key::puller());
    let call = json!({ "package": "alibabacloud_cr20160607", "operation": "get_authorization_token", "config": config });
    let answer = scene.carry_out(&call).unwrap();
    assert!(
        answer["headers"]["x-acs-request-id"].is_string(),
        "the generated method keeps the headers alone: {answer}"
    );
    let body = scene.personal(&Key::puller()).unwrap();
    assert_eq!(body["data"]["tempUserName"], "cr_temp_user");
    let expires = body["data"]["expireDate"].as_i64().unwrap() - jiff::Timestamp::now().as_millisecond();
    assert!((3_500_000..=3_600_000).contains(&expires), "{expires}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_calls_are_a_throttling_exception_with_the_wait() {
    let mut scene = Scene::with(|description| description.quotas.assume_role_per_minute = 0).await;
    let error = scene.hop(&Key::puller(), PULLER_OF_B).unwrap_err();
    assert_eq!((&error["kind"], &error["code"]), (&json!("ThrottlingException"), &json!("Throttling.User")));
    let wait = error["retry_after"].as_i64().unwrap();
    assert!((1..=60_000).contains(&wait), "milliseconds to the next minute: {wait}");
    scene.fault(json!({ "effect": { "throttle": { "code": "Throttling.Api", "timeLeft": 2500 } } }));
    for result in [
        scene.enterprise("get_authorization_token", &Key::puller(), INSTANCE),
        scene.personal(&Key::puller()),
    ] {
        let error = result.unwrap_err();
        assert_eq!(
            (&error["kind"], &error["code"]),
            (&json!("ThrottlingException"), &json!("Throttling.Api"))
        );
        assert_eq!(error["retry_after"], 2500);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_in_xml_is_understood_as_well() {
    let mut scene = Scene::begin().await;
    let config = scene.config(CR, &Key::nobody());
    let call = json!({
        "package": "alibabacloud_cr20181201", "operation": "get_authorization_token", "config": config,
        "headers": { "accept": "application/xml" }, "request": { "instance_id": INSTANCE },
    });
    assert_eq!(raised(scene.carry_out(&call)), client_exception(403, "NoPrivilege"));
}
