//! Requests byte by byte, golden vectors among them.

use super::*;

#[test]
fn section_4_5_a_login_of_a_session_is_signed_as_the_golden_vector_says() {
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
fn section_4_5_a_hop_is_signed_as_the_golden_vectors_say_and_shows_nothing_of_it_in_its_url() {
    let user = AccessKey { id: "LTAITestKeyId".into(), security_token: None, ..key() };
    let common = "DurationSeconds=3600&RoleArn=acs%3Aram%3A%3A123456789012%3Arole%2Facr-puller\
                  &RoleSessionName=alice%40dev&SignatureMethod=HMAC-SHA1\
                  &SignatureNonce=0123456789abcdef0123456789abcdef&SignatureVersion=1.0\
                  &Timestamp=2026-01-02T03%3A04%3A05Z";
    for (key, first, last, signature) in [
        (user, "LTAITestKeyId", "", "k7TRTDwSmgGE6iAAnZMG3yZuWpI%3D"),
        (key(), "STS.TestKeyId", "&SecurityToken=TestSecurityToken%3D%3D", "UIgmuLV8tX6DkxNYyTd2ObLinA0%3D"),
    ] {
        let request = sent(&mut hop_by(key, None));
        assert_eq!(request.method(), "POST");
        assert_eq!(
            request.uri(),
            "https://sts.cn-hangzhou.aliyuncs.com/?Action=AssumeRole&Format=JSON&Version=2015-04-01"
        );
        assert_eq!(request.headers()["host"], "sts.cn-hangzhou.aliyuncs.com");
        assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
        let body = format!("AccessKeyId={first}&{common}{last}&Signature={signature}");
        assert_eq!(request.body(), body.as_bytes());
    }
}

#[test]
fn whose_key_it_is_is_asked_with_nothing_but_the_key() {
    let endpoints = vec!["https://sts.cn-hangzhou.aliyuncs.com".to_owned()];
    let mut conversation = Conversation::new(Call::CallerIdentity { endpoints, key: key() });
    let request = sent(&mut conversation);
    assert_eq!(
        request.uri(),
        "https://sts.cn-hangzhou.aliyuncs.com/?Action=GetCallerIdentity&Format=JSON&Version=2015-04-01"
    );
    let body = String::from_utf8(request.body().to_vec()).unwrap();
    let names: Vec<&str> = body
        .split('&')
        .map(|pair| pair.split_once('=').unwrap().0)
        .filter(|name| *name != "Signature")
        .collect();
    assert_eq!(
        names,
        [
            "AccessKeyId",
            "SignatureMethod",
            "SignatureNonce",
            "SignatureVersion",
            "Timestamp",
            "SecurityToken"
        ]
    );
}

#[test]
fn an_external_id_is_sent_and_signed_only_where_there_is_one() {
    let text =
        |conversation: &mut Conversation| String::from_utf8(sent(conversation).body().to_vec()).unwrap();
    let (with, without) = (text(&mut hop()), text(&mut hop_by(key(), None)));
    assert!(with.contains("&ExternalId=vendor%3D7&"), "{with}");
    assert!(!without.contains("ExternalId"), "{without}");
    let signature = |text: &str| text.rsplit_once("Signature=").unwrap().1.to_owned();
    assert_ne!(signature(&with), signature(&without));
}

#[test]
fn section_4_2_and_section_4_5_a_personal_login_is_a_get_of_tokens_signed_over_its_path() {
    let request = sent(&mut personal_login());
    assert_eq!(request.method(), "GET");
    assert_eq!(request.uri(), "https://cr.cn-hangzhou.aliyuncs.com/tokens");
    assert_eq!(request.headers()["x-acs-version"], "2016-06-07");
    assert_eq!(request.headers()["x-acs-action"], "GetAuthorizationToken");
    assert!(!request.headers().contains_key("content-length"));
    let authorization = request.headers()["authorization"].to_str().unwrap();
    // Computed from the documented steps by a program of its own.
    let signature = "04fc8058be4eefd4875df27f1f1c2719c04b105635b2abd3d3d14606c9fdce51";
    assert!(authorization.ends_with(signature), "{authorization}");
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
