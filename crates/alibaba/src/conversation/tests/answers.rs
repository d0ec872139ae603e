//! What answers of Container Registry and STS come to.

use acr_credentials::InstanceHost;
use secrecy::ExposeSecret;

use super::*;

#[test]
fn an_answer_without_a_usable_login_is_malformed() {
    for body in [
        "",
        "<html></html>",
        "[]",
        "{}",
        r#"{"IsSuccess":true,"Code":"success"}"#,
        &token_body("null"),
        &token_body("1.5"),
        &token_body("\"soon\""),
        &token_body("1767326645"),
        &token_body("1767323045000"),
        &token_body("9223372036854775807"),
        &token_body("99999999999999999999999999"),
        &token_body("1767326645000").replace("pass:word", ""),
        &token_body("1767326645000").replace("\"pass:word\"", "null"),
        &token_body("1767326645000").replace("\"pass:word\"", "{}"),
        &token_body("1767326645000").replace("cr_temp_user", "cr:temp"),
        &token_body("1767326645000").replace("cr_temp_user", ""),
    ] {
        let failure = answered(login(), 200, body).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Malformed, "{body}: {failure}");
        assert!(!failure.to_string().contains("pass:word"), "{failure}");
    }
}

#[test]
fn an_answer_without_an_arn_names_nobody() {
    let identity = || {
        Conversation::new(Call::CallerIdentity { endpoints: urls(&["https://sts.aliyuncs.com"]), key: key() })
    };
    for body in ["", "<html></html>", "[]", "{}", r#"{"Arn":null}"#, r#"{"Arn":""}"#, r#"{"AccountId":"1"}"#]
    {
        let failure = answered(identity(), 200, body).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Malformed, "{body}: {failure}");
    }
    // What echoes a secret does not reach a finding.
    let Ok(Reply::Identity(arn)) =
        answered(identity(), 200, r#"{"Arn":"acs:ram::1:user/TestSecurityToken=="}"#)
    else {
        panic!("no identity")
    };
    assert!(!arn.contains("TestSecurityToken"), "{arn}");
}

#[test]
fn an_expiry_in_seconds_is_malformed_and_says_so() {
    insta::assert_snapshot!(
        failure(answered(login(), 200, &token_body("1767326645"))),
        @"GetAuthorizationToken failed: the answer makes no sense: ExpireTime is 1970-01-21T10:55:26Z, which is past: the cloud's clock shows 2026-01-02T03:04:05Z"
    );
}

#[test]
fn a_login_has_the_returned_name_password_and_expiry() {
    for expire_time in ["1767326645000", "\"1767326645000\""] {
        let Ok(Reply::Login(login)) = answered(login(), 200, &token_body(expire_time)) else {
            panic!("no login")
        };
        assert_eq!(login.username, "cr_temp_user");
        assert_eq!(login.password.expose_secret(), "pass:word");
        assert_eq!(login.expires, UnixMillis(1_767_326_645_000));
    }
}

#[test]
fn a_personal_login_has_the_members_of_its_own_edition() {
    for expire_date in ["1767326645000", "\"1767326645000\""] {
        let Ok(Reply::Login(login)) = answered(personal_login(), 200, &personal_body(expire_date)) else {
            panic!("no login")
        };
        assert_eq!(login.username, "cr_temp_user");
        assert_eq!(login.password.expose_secret(), "pass:word");
        assert_eq!(login.expires, UnixMillis(1_767_326_645_000));
    }
    for body in [
        "{}",
        r#"{"data":null}"#,
        &token_body("1767326645000"),
        &personal_body("null"),
        &personal_body("1767326645"),
        &personal_body("1767326645000").replace("pass:word", ""),
        &personal_body("1767326645000").replace("cr_temp_user", "a:b"),
    ] {
        let failure = answered(personal_login(), 200, body).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Malformed, "{body}: {failure}");
    }
}

#[test]
fn a_user_without_personal_edition_is_not_found() {
    let body = r#"{"code":"USER_NOT_EXIST","message":"user is not exist.","requestId":"R-7"}"#;
    insta::assert_snapshot!(
        failure(answered(personal_login(), 404, body)),
        @"PersonalAuthorizationToken failed: not found, USER_NOT_EXIST: user is not exist. (request id R-7)"
    );
}

#[test]
fn a_hop_that_is_refused_tells_who_lacks_what() {
    let body = r#"{"RequestId":"R-8","HostId":"sts.aliyuncs.com","Code":"NoPermission",
        "Message":"You are not authorized to do this action. You should be authorized by RAM.",
        "AccessDeniedDetail":{"AuthAction":"sts:AssumeRole","AuthPrincipalType":"AssumedRoleUser",
        "AuthPrincipalDisplayName":"worker:i-1","AuthPrincipalOwnerId":"1","NoPermissionType":"ImplicitDeny",
        "PolicyType":"AssumeRolePolicy"}}"#;
    insta::assert_snapshot!(
        failure(answered(hop(), 403, body)),
        @"AssumeRole failed: permission denied, NoPermission: You are not authorized to do this action. You should be authorized by RAM. (AuthAction sts:AssumeRole, AuthPrincipalType AssumedRoleUser, AuthPrincipalDisplayName worker:i-1, AuthPrincipalOwnerId 1, NoPermissionType ImplicitDeny, PolicyType AssumeRolePolicy) (request id R-8)"
    );
    let Ok(Reply::Credentials { principal, .. }) =
        answered(hop(), 200, &session_body("2026-01-02T04:04:05Z"))
    else {
        panic!("no session")
    };
    assert_eq!(principal, "acs:ram::1:role/puller/s");
}

#[test]
fn is_success_false_with_status_200_is_a_failure() {
    let body = token_body("1767326645000").replace("true", "false").replace("success", "INSTANCE_NOT_EXIST");
    insta::assert_snapshot!(
        failure(answered(login(), 200, &body)),
        @"GetAuthorizationToken failed: not found, INSTANCE_NOT_EXIST: the answer has HTTP status 200 (request id R-1)"
    );
    let failure =
        answered(login(), 200, r#"{"Code":"NoPrivilege","Message":"Access denied for this user."}"#);
    assert_eq!(failure.unwrap_err().kind, FailureKind::Denied, "also where IsSuccess is missing");
}

#[test]
fn a_signature_mismatch_shows_no_string_to_sign() {
    let body = r#"{"RequestId":"R-1","Code":"SignatureDoesNotMatch","Message":"Specified signature is not matched with our calculation. server string to sign is:x-acs-security-token:TestSecurityToken=="}"#;
    insta::assert_snapshot!(
        failure(answered(login(), 400, body)),
        @"GetAuthorizationToken failed: the credentials were refused, SignatureDoesNotMatch: Specified signature is not matched with our calculation. (request id R-1)"
    );
}

#[test]
fn every_domain_of_every_endpoint_is_a_host() {
    let body = r#"{"IsSuccess":true,"Code":"success","RequestId":"R","Endpoints":[
        {"EndpointType":"internet","Enable":false,"Status":"RUNNING","AclEnable":true,
         "Domains":[{"Domain":"acme-registry.cn-hangzhou.cr.aliyuncs.com","Type":"SYSTEM"},{"Domain":"Images.Example","Type":"USER"}]},
        {"EndpointType":"vpc","Enable":true,"Status":"RUNNING","LinkedVpcs":[{"VpcId":"vpc-1"}],
         "Domains":[{"Domain":"acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com","Type":"SYSTEM"},{"Domain":"images.example"}]},
        {"Enable":true,"Status":"STOPPED","Domains":[{"Domain":"stopped.example:65001"}]},
        {"Enable":true,"Domains":[{"Domain":"no-status.example"}]},
        {"Enable":true,"Domains":null},{}]}"#;
    let Ok(Reply::Endpoints(hosts)) = answered(hosts(), 200, body) else { panic!("no endpoints") };
    let host = |host: &str, enabled| InstanceHost { host: host.into(), enabled };
    assert_eq!(
        hosts,
        [
            host("acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com", true),
            host("acme-registry.cn-hangzhou.cr.aliyuncs.com", false),
            host("images.example", true),
            host("no-status.example", true),
            host("stopped.example:65001", false),
        ]
    );
}

#[test]
fn endpoints_that_cannot_be_read_are_malformed_rather_than_fewer() {
    for body in [
        r#"{"IsSuccess":true}"#,
        r#"{"IsSuccess":true,"Endpoints":null}"#,
        r#"{"IsSuccess":true,"Endpoints":{}}"#,
        r#"{"IsSuccess":true,"Endpoints":[{"Enable":true,"Domains":[{"Domain":"a b"}]}]}"#,
        r#"{"IsSuccess":true,"Endpoints":[{"Enable":true,"Domains":[{}]}]}"#,
        r#"{"IsSuccess":true,"Endpoints":[{"Enable":true,"Domains":["a.example"]}]}"#,
        r#"{"IsSuccess":true,"Endpoints":[{"Enable":true,"Domains":[{"Domain":"https://a.example"}]}]}"#,
    ] {
        assert_eq!(answered(hosts(), 200, body).unwrap_err().kind, FailureKind::Malformed, "{body}");
    }
    let Ok(Reply::Endpoints(none)) = answered(hosts(), 200, r#"{"IsSuccess":true,"Endpoints":[]}"#) else {
        panic!("an instance may have none")
    };
    assert!(none.is_empty());
}

#[test]
fn a_session_has_its_keys_end_and_name() {
    let reply = answered(federation(), 200, &session_body("2026-01-02T04:04:05Z"));
    let Ok(Reply::Credentials { key, expires, principal }) = reply else { panic!("no session") };
    assert_eq!(key.id.expose_secret(), "STS.x");
    assert_eq!(key.secret.expose_secret(), "y");
    assert_eq!(key.security_token.unwrap().expose_secret(), "z");
    assert_eq!(expires, NOW.plus_millis(3_600_000));
    assert_eq!(principal, "acs:ram::1:role/puller/s");
}

#[test]
fn a_session_that_is_incomplete_or_absurd_is_malformed() {
    let good = session_body("2026-01-02T04:04:05Z");
    for body in [
        "{}",
        &session_body("soon"),
        &session_body("2026-01-02T03:04:05Z"),
        &session_body("2026-01-03T04:04:06Z"),
        &good.replace("\"STS.x\"", "\"\""),
        &good.replace("\"y\"", "null"),
        &good.replace(",\"SecurityToken\":\"z\"", ""),
    ] {
        assert_eq!(answered(federation(), 200, body).unwrap_err().kind, FailureKind::Malformed, "{body}");
    }
}

#[test]
fn a_trust_policy_that_refuses_is_a_denial_with_the_request_id() {
    let body = r#"{"RequestId":"R-9","HostId":"sts.aliyuncs.com","Code":"AuthenticationFail.NoPermission","Message":"There is no permission"}"#;
    insta::assert_snapshot!(
        failure(answered(federation(), 401, body)),
        @"AssumeRoleWithOIDC failed: permission denied, AuthenticationFail.NoPermission: There is no permission (request id R-9)"
    );
}
