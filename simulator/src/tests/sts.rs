//! `AssumeRoleWithOIDC`: every documented refusal, then what a session is.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::*;
use crate::{CloudRequest, Mutation};

#[test]
fn a_wrong_parameter_is_refused_in_the_documented_words() {
    let long = "n".repeat(65);
    let big_policy = format!("{{\"Version\":\"1\",\"Statement\":[]{}}}", " ".repeat(2048));
    let other_provider = "acs:ram::1000000000000001:oidc-provider/unknown";
    let silent = "acs:ram::1000000000000001:oidc-provider/ack-rrsa-silent";
    for (name, value, status, code) in [
        ("RoleSessionName", "", 400, "MissingRoleSessionName"),
        ("RoleSessionName", "x", 400, "InvalidParameter.RoleSessionName"),
        ("RoleSessionName", "with space", 400, "InvalidParameter.RoleSessionName"),
        ("RoleSessionName", long.as_str(), 400, "InvalidParameter.RoleSessionName"),
        ("RoleArn", "", 400, "MissingRoleArn"),
        ("RoleArn", "acs:ram::x:role/rrsa-puller", 400, "InvalidParameter.RoleArn"),
        ("RoleArn", "acs:ram::1000000000000001:user/rrsa-puller", 400, "InvalidParameter.RoleArn"),
        ("RoleArn", "acs:ram::1000000000000001:role/", 400, "InvalidParameter.RoleArn"),
        ("RoleArn", "acs:ram::1000000000000001:role/unknown", 404, "EntityNotExist.Role"),
        ("RoleArn", "acs:ram::9:role/rrsa-puller", 404, "EntityNotExist.Role"),
        ("RoleArn", "acs:ram::1000000000000001:role/worker", 401, "AuthenticationFail.NoPermission"),
        ("OIDCProviderArn", "", 401, "AuthenticationFail.NoPermission"),
        ("OIDCProviderArn", "nonsense", 401, "AuthenticationFail.NoPermission"),
        ("OIDCProviderArn", other_provider, 401, "AuthenticationFail.NoPermission"),
        ("OIDCProviderArn", silent, 401, "AuthenticationFail.OIDCToken.IssuerConfigurationBroken"),
        ("DurationSeconds", "899", 400, "InvalidParameter.DurationSeconds"),
        ("DurationSeconds", "7201", 400, "InvalidParameter.DurationSeconds"),
        ("DurationSeconds", "an hour", 400, "InvalidParameter.DurationSeconds"),
        ("DurationSeconds", "-1", 400, "InvalidParameter.DurationSeconds"),
        ("Policy", "{}", 400, "InvalidParameter.PolicyGrammar"),
        ("Policy", big_policy.as_str(), 400, "InvalidParameter.PolicySize"),
        ("Version", "2018-12-01", 404, "InvalidApi.NotFound"),
        ("Version", "", 400, "MissingVersion"),
        ("Action", "AssumeRoleWithSAML", 404, "InvalidApi.NotFound"),
        ("Action", "GetAuthorizationToken", 404, "InvalidApi.NotFound"),
        ("Action", "", 400, "MissingAction"),
    ] {
        let found = refusal(&mut cloud(), start(), assume_role(&good_token(), &[(name, value)]));
        assert_eq!(found, (status, code.to_owned()), "{name}={value}");
    }
}

#[test]
fn a_denial_by_the_trust_policy_says_what_was_denied() {
    let token = token_with("sub", json!("system:serviceaccount:default:default"));
    let (_, body) = ask(&mut cloud(), start(), assume_role(&token, &[]));
    assert_eq!(
        body["AccessDeniedDetail"],
        json!({
            "AuthAction": "sts:AssumeRole",
            "NoPermissionType": "ImplicitDeny",
            "PolicyType": "AssumeRolePolicy",
        })
    );
}

#[test]
fn a_request_that_the_gateway_does_not_take_is_refused() {
    let change = |change: &dyn Fn(&mut CloudRequest)| {
        let mut request = assume_role(&good_token(), &[]);
        change(&mut request);
        refusal(&mut cloud(), start(), request)
    };
    assert_eq!(
        change(&|request| *request.uri_mut() = format!("http://{STS}/").parse().unwrap()),
        (404, "InvalidProtocol.NeedSsl".to_owned())
    );
    assert_eq!(
        change(&|request| *request.uri_mut() = format!("https://{STS}/v2").parse().unwrap()),
        (404, "InvalidApi.NotFound".to_owned())
    );
    assert_eq!(
        change(&|request| *request.method_mut() = http::Method::PUT),
        (400, "UnsupportedHTTPMethod".to_owned())
    );
    assert_eq!(
        change(&|request| *request.uri_mut() = format!("https://{STS}/?x=%zz").parse().unwrap()).0,
        400
    );
}

#[test]
fn an_answer_is_xml_unless_json_is_asked_for() {
    let mut cloud = cloud();
    let (status, body) = ask(&mut cloud, start(), assume_role(&good_token(), &[("Format", "")]));
    let text = body.as_str().unwrap();
    assert_eq!(status, 200);
    assert!(text.contains("<AssumeRoleWithOIDCResponse>") && text.contains("<AccessKeyId>STS."), "{text}");
    let response = cloud.call(start(), assume_role("", &[("Format", "")])).answered().unwrap();
    assert_eq!(response.headers()["content-type"], "text/xml;charset=utf-8");
    assert!(String::from_utf8_lossy(response.body()).contains("<Error><Code>"));
}

#[test]
fn a_session_carries_what_the_token_says_and_ends_when_asked() {
    let mut cloud = cloud();
    let request = assume_role(&good_token(), &[("DurationSeconds", "900")]);
    let response = cloud.call(start(), request).answered().unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["date"], "Sat, 21 Nov 2026 10:00:00 GMT");
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(response.headers()["x-acs-request-id"], body["RequestId"].as_str().unwrap());
    assert_eq!(body["AssumedRoleUser"]["Arn"], format!("{ROLE}/helper"));
    assert_eq!(body["Credentials"]["Expiration"], "2026-11-21T10:15:00Z");
    assert_eq!(
        body["OIDCTokenInfo"],
        json!({
            "Subject": SUBJECT,
            "Issuer": "https://issuer.example",
            "ClientIds": "sts.aliyuncs.com",
            "ExpirationTime": "2026-11-21T11:00:00Z",
            "IssuanceTime": "2026-11-21T10:00:00Z",
            "VerificationInfo": "Success",
        })
    );
}

#[test]
fn get_with_everything_in_the_query_works_and_so_does_the_split_form() {
    let form = assume_role(&good_token(), &[]);
    let text = String::from_utf8(form.body().to_vec()).unwrap();
    let (status, _) = ask(&mut cloud(), start(), unsigned("GET", STS, &text));
    assert_eq!(status, 200);
    // As credentials-go sends it: common parameters in the query, the others in the form.
    let (common, rest): (Vec<&str>, Vec<&str>) = text
        .split('&')
        .partition(|pair| ["Action=", "Version=", "Format="].iter().any(|name| pair.starts_with(name)));
    let mut split = unsigned("POST", STS, &rest.join("&"));
    *split.uri_mut() = format!("https://{STS}/?{}", common.join("&")).parse().unwrap();
    assert_eq!(ask(&mut cloud(), start(), split).0, 200);
}

#[test]
fn every_session_differs_and_equal_clouds_answer_alike() {
    let (mut one, mut two) = (cloud(), cloud());
    let first = session(&mut one, &[]);
    assert_ne!(first, session(&mut one, &[]));
    assert_eq!(first, session(&mut two, &[]));
}

#[test]
fn keys_of_the_issuer_are_wanted_only_for_a_token_whose_key_is_unknown() {
    let mut cloud = cloud();
    assert_eq!(cloud.wants_keys(&assume_role(&good_token(), &[])), None);
    assert_eq!(cloud.wants_keys(&assume_role("nonsense", &[])), None);
    let provider = PROVIDER.to_owned();
    cloud.mutate(Mutation::SetIssuerKeys { provider: provider.clone(), jwks: None }).unwrap();
    assert_eq!(cloud.wants_keys(&assume_role(&good_token(), &[])), Some(provider));
}

#[test]
fn tokens_signed_by_rsa_are_verified_as_well() {
    let mut cloud = cloud();
    let (provider, jwks) = (PROVIDER.to_owned(), Some(SIGNING_KEY.jwks()));
    cloud.mutate(Mutation::SetIssuerKeys { provider, jwks }).unwrap();
    let genuine = SIGNING_KEY.jwt(&claims()).unwrap();
    let other = crate::SigningKey::generate().unwrap().jwt(&claims()).unwrap();
    let (head, _) = genuine.rsplit_once('.').unwrap();
    let (_, foreign) = other.rsplit_once('.').unwrap();
    let forged = format!("{head}.{foreign}");
    let refused = refusal(&mut cloud, start(), assume_role(&forged, &[]));
    assert_eq!(refused, (401, "AuthenticationFail.OIDCToken.InvalidSignature".to_owned()));
    let refused = refusal(&mut cloud, start(), assume_role(&other, &[]));
    assert_eq!(refused, (401, "AuthenticationFail.OIDCToken.InvalidSignature".to_owned()));
    assert_eq!(ask(&mut cloud, start(), assume_role(&genuine, &[])).0, 200);
}

#[test]
fn every_sts_host_answers() {
    for host in ["sts.aliyuncs.com", "sts.ap-southeast-1.aliyuncs.com", "sts-vpc.cn-hangzhou.aliyuncs.com"] {
        let mut request = assume_role(&good_token(), &[]);
        *request.uri_mut() = format!("https://{host}/").parse().unwrap();
        assert_eq!(ask(&mut cloud(), start(), request).0, 200, "{host}");
    }
}

proptest! {
    #[test]
    fn any_changed_byte_of_a_token_is_refused(position: usize, byte in b'!'..=b'~') {
        let token = good_token();
        let mut bytes = token.clone().into_bytes();
        let position = position % bytes.len();
        bytes[position] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        let (status, body) = ask(&mut cloud(), start(), assume_role(&changed, &[]));
        prop_assert_eq!(status, if changed == token { 200 } else { 401 }, "{}", body);
    }
}
