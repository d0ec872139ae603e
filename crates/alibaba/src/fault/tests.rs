//! Error answers in every documented shape, and the kinds they are.

use std::time::Duration;

use acr_credentials::UnixMillis;
use http::HeaderMap;

use super::*;

fn fault(status: u16, body: &str) -> Fault {
    fault_with(status, &[], body)
}

fn fault_with(status: u16, headers: &[(&'static str, &str)], body: &str) -> Fault {
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    Fault::from_answer(&Received {
        status: StatusCode::from_u16(status).unwrap(),
        headers: &headers,
        body: body.as_bytes(),
        now: UnixMillis(0),
    })
}

#[test]
fn every_documented_code_has_its_kind() {
    use FailureKind::{ClockSkew, CredentialsRefused, Denied, InvalidRequest, NotFound, Server};
    let throttled = FailureKind::Throttled { retry_after: None };
    for (status, code, kind) in [
        // STS AssumeRole.
        (400, "InvalidParameter.RoleArn", InvalidRequest),
        (400, "InvalidParameter.DurationSeconds", InvalidRequest),
        (400, "InvalidParameter.RoleSessionName", InvalidRequest),
        (400, "InvalidParameter.PolicyGrammar", InvalidRequest),
        (400, "InvalidParameter.PolicySize", InvalidRequest),
        (400, "InvalidParameter.ExternalId", InvalidRequest),
        (400, "InvalidParameter.ContentType", InvalidRequest),
        (403, "NoPermission", Denied),
        (403, "AuthenticationFail.ApiUsername", CredentialsRefused),
        (403, "AuthenticationFail.ApiPassword", CredentialsRefused),
        (404, "EntityNotExist.Role", NotFound),
        (500, "InternalError", Server),
        // STS AssumeRoleWithOIDC.
        (401, "AuthenticationFail.NoPermission", Denied),
        (401, "AuthenticationFail.OIDCToken.Expired", CredentialsRefused),
        (401, "AuthenticationFail.OIDCToken.AudienceNotMatch", CredentialsRefused),
        (401, "AuthenticationFail.OIDCToken.Invalid", CredentialsRefused),
        (401, "AuthenticationFail.OIDCToken.InvalidSignature", CredentialsRefused),
        (401, "AuthenticationFail.OIDCToken.IssuerNotMatch", CredentialsRefused),
        // Container Registry.
        (403, "NoPrivilege", Denied),
        (500, "SystemError", Server),
        (200, "INSTANCE_NOT_EXIST", NotFound),
        (404, "USER_NOT_EXIST", NotFound),
        (200, "AUTHENTICATION_FAILED", Denied),
        // Gateway.
        (404, "InvalidAccessKeyId.NotFound", CredentialsRefused),
        (400, "InvalidAccessKeyId.Inactive", CredentialsRefused),
        (400, "InvalidSecurityToken.Expired", CredentialsRefused),
        (403, "InvalidSecurityToken.Expired", CredentialsRefused),
        (400, "InvalidSecurityToken.MismatchWithAccessKey", CredentialsRefused),
        (400, "MissingSecurityToken", CredentialsRefused),
        (400, "SignatureDoesNotMatch", CredentialsRefused),
        (400, "IncompleteSignature", CredentialsRefused),
        (400, "InvalidTimeStamp.Expired", ClockSkew),
        (400, "InvalidTimeStamp.Format", InvalidRequest),
        (400, "SignatureNonceUsed", Server),
        (400, "MissingInstanceId", InvalidRequest),
        (404, "InvalidApi.NotFound", InvalidRequest),
        (404, "InvalidProduct.NotFound", InvalidRequest),
        (404, "InvalidProtocol.NeedSsl", InvalidRequest),
        (400, "Throttling", throttled),
        (400, "Throttling.User", throttled),
        (400, "Throttling.Api", throttled),
        (503, "ServiceUnavailable", Server),
    ] {
        let fault = fault(status, &format!(r#"{{"Code":"{code}","Message":"m"}}"#));
        assert_eq!(fault.kind, kind, "{status} {code}");
        assert_eq!(fault.code.as_deref(), Some(code));
    }
}

#[test]
fn a_code_that_nobody_documents_counts_by_its_status() {
    use FailureKind::{CredentialsRefused, Denied, InvalidRequest, Malformed, NotFound, Server};
    for (status, kind) in [
        (200, Server),
        (302, Malformed),
        (400, InvalidRequest),
        (401, CredentialsRefused),
        (403, Denied),
        (404, NotFound),
        (418, InvalidRequest),
        (429, FailureKind::Throttled { retry_after: None }),
        (500, Server),
        (502, Server),
    ] {
        assert_eq!(fault(status, r#"{"Code":"NeverSeen"}"#).kind, kind, "{status}");
        assert_eq!(fault(status, "").kind, kind, "{status} without a body");
    }
}

#[test]
fn a_provider_that_does_not_exist_is_told_apart_from_a_refusal() {
    let body = |message| format!(r#"{{"Code":"AuthenticationFail.NoPermission","Message":"{message}"}}"#);
    for absent in ["No such OIDC Provider registered.", "Parameter OIDCProviderArn is not valid"] {
        assert_eq!(fault(401, &body(absent)).kind, FailureKind::NotFound, "{absent}");
    }
    assert_eq!(fault(401, &body("There is no permission")).kind, FailureKind::Denied);
}

#[test]
fn all_shapes_of_a_body_say_the_same() {
    for body in [
        r#"{"RequestId":"R-1","HostId":"sts.aliyuncs.com","Code":"NoPermission","Message":"Not you."}"#,
        r#"{"requestId":"R-1","code":"NoPermission","message":"Not you."}"#,
        r#"{"RequestId":"R-1","Code":"NoPermission","code":403,"Message":"Not you.","message":null}"#,
        "<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>R-1</RequestId><HostId>h</HostId>\
         <Code>NoPermission</Code><Message>Not you.</Message></Error>",
    ] {
        let fault = fault(403, body);
        assert_eq!(fault.code.as_deref(), Some("NoPermission"), "{body}");
        assert_eq!(fault.message, "Not you.", "{body}");
        assert_eq!(fault.request_id.as_deref(), Some("R-1"), "{body}");
    }
}

#[test]
fn a_body_that_cannot_be_read_is_not_repeated() {
    for body in
        ["<html>MARKER</html>", "MARKER", r#"["MARKER"]"#, r#"{"Code":"#, r#"{"Code":{"a":"MARKER"}}"#]
    {
        let fault = fault_with(502, &[("x-acs-request-id", "R-2")], body);
        assert_eq!(fault.message, "the answer has HTTP status 502 and no readable error body", "{body}");
        assert_eq!(fault.code, None, "{body}");
        assert_eq!(fault.request_id.as_deref(), Some("R-2"), "{body}");
    }
}

#[test]
fn a_denial_says_who_was_denied_what() {
    let fault = fault(
        403,
        r#"{"Code":"NoPermission","Message":"Not you.","AccessDeniedDetail":{"AuthAction":"cr:GetAuthorizationToken",
            "AuthPrincipalDisplayName":"puller:session","NoPermissionType":"ImplicitDeny","EncodedDiagnosticMessage":"x"}}"#,
    );
    assert_eq!(
        fault.message,
        "Not you. (AuthAction cr:GetAuthorizationToken, AuthPrincipalDisplayName puller:session, \
         NoPermissionType ImplicitDeny)"
    );
}

#[test]
fn a_throttle_carries_the_wait_of_its_headers() {
    let retry_after = Some(Duration::from_secs(2));
    let throttle = r#"{"Code":"Throttling.User"}"#;
    let limits = ("x-ratelimit-user-api", "Limit:1,Remain:0,TimeLeft:2000,Reset:1234");
    assert_eq!(fault_with(400, &[limits], throttle).kind, FailureKind::Throttled { retry_after });
    assert_eq!(fault_with(429, &[("retry-after", "2")], "").kind, FailureKind::Throttled { retry_after });
    assert_eq!(fault_with(503, &[("retry-after", "2")], "").kind, FailureKind::Throttled { retry_after });
    // Rate limits come with other answers too.
    assert_eq!(fault_with(500, &[limits], "").kind, FailureKind::Server);
    assert_eq!(fault_with(403, &[("retry-after", "2")], "").kind, FailureKind::Denied);
}
