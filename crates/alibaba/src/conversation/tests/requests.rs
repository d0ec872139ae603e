//! Requests byte by byte, golden vectors among them.

use super::*;

#[test]
fn a_login_of_a_session_is_signed_as_the_golden_vector_says() {
    let request = sent(&mut login());
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), "https://cr.cn-hangzhou.aliyuncs.com/?InstanceId=cri-test0123456789");
    assert!(request.body().is_empty());
    let header = |name: &str| request.headers()[name].to_str().unwrap();
    assert_eq!(
        header("authorization"),
        "ACS3-HMAC-SHA256 Credential=STS.TestKeyId,SignedHeaders=host;x-acs-accesskey-id;x-acs-action;\
         x-acs-content-sha256;x-acs-date;x-acs-security-token;x-acs-signature-nonce;x-acs-version,\
         Signature=74eec43b98436b414c7a18e42c6235566b229dff2c7534edd77c7292982cc493"
    );
    assert_eq!(header("host"), "cr.cn-hangzhou.aliyuncs.com");
    assert_eq!(header("x-acs-action"), "GetAuthorizationToken");
    assert_eq!(header("x-acs-version"), "2018-12-01");
    assert_eq!(header("x-acs-date"), "2026-01-02T03:04:05Z");
    assert_eq!(header("x-acs-signature-nonce"), "0123456789abcdef0123456789abcdef");
    assert_eq!(header("x-acs-security-token"), "TestSecurityToken==");
    assert!(!format!("{request:?}").contains("TestSecurityToken"), "printed as sensitive");
}

#[test]
fn a_login_of_a_user_is_signed_without_the_headers_of_a_session() {
    let request = sent(&mut Conversation::new(Call::GetAuthorizationToken {
        endpoints: urls(&["https://cr.cn-hangzhou.aliyuncs.com/"]),
        instance: "cri-test0123456789".into(),
        key: AccessKey { security_token: None, ..key() },
    }));
    let authorization = request.headers()["authorization"].to_str().unwrap();
    let signature = "ea6d3d33b5193337e54f873cfc2b6e3ea022bcc24a53d97602a624ce012629bc";
    assert!(authorization.ends_with(signature), "{authorization}");
    assert!(!request.headers().contains_key("x-acs-security-token"));
    assert!(!request.headers().contains_key("x-acs-accesskey-id"));
}

#[test]
fn hosts_are_asked_for_with_sorted_parameters() {
    assert_eq!(
        line(&mut hosts()),
        "POST https://cr.cn-hangzhou.aliyuncs.com/?InstanceId=cri-1&ModuleName=Registry&Summary=true"
    );
}

#[test]
fn a_base_url_with_port_and_prefix_is_kept_on_the_wire() {
    let mut conversation = login_at(&["http://127.0.0.1:8080/cloud/"]);
    let request = sent(&mut conversation);
    assert_eq!(request.uri(), "http://127.0.0.1:8080/cloud/?InstanceId=cri-test0123456789");
    assert_eq!(request.headers()["host"], "127.0.0.1:8080");
}

#[test]
fn a_web_identity_is_sent_unsigned_and_its_token_only_in_the_body() {
    let request = sent(&mut federation());
    assert_eq!(
        request.uri(),
        "https://sts.cn-hangzhou.aliyuncs.com/?Action=AssumeRoleWithOIDC&Format=JSON\
         &Timestamp=2026-01-02T03%3A04%3A05Z&Version=2015-04-01"
    );
    assert_eq!(request.method(), "POST");
    assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
    assert!(!request.headers().contains_key("authorization"));
    assert_eq!(
        request.body(),
        "RoleArn=acs%3Aram%3A%3A1%3Arole%2Fpuller&OIDCProviderArn=acs%3Aram%3A%3A1%3Aoidc-provider%2Fack\
         &OIDCToken=header.TestClaims.signature&RoleSessionName=alice%40dev&DurationSeconds=3600"
    );
}

#[test]
fn a_second_step_without_an_answer_is_the_same_request_with_a_new_stamp() {
    let mut conversation = login();
    let first = sent(&mut conversation);
    let Step::Send(second) = conversation.step(Stamp { nonce: 1, ..STAMP }) else { panic!("over") };
    assert_eq!(first.uri(), second.uri());
    assert_ne!(first.headers()["authorization"], second.headers()["authorization"]);
}

#[test]
fn a_key_that_no_header_can_carry_is_said_without_a_request() {
    let mut conversation = Conversation::new(Call::GetAuthorizationToken {
        endpoints: urls(&["https://cr.example"]),
        instance: "cri-1".into(),
        key: AccessKey { security_token: Some("MARKER\u{1}".into()), ..key() },
    });
    let failure = outcome(&mut conversation).unwrap_err();
    assert_eq!(failure.kind, FailureKind::CredentialsRefused);
    assert!(!failure.to_string().contains("MARKER"));
}
