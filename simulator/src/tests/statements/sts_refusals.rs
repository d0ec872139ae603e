//! Section 1.4: how STS refuses.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;

fn token_of_header(header: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.AAAA", encode(header), encode(&claims()))
}

mod section_1_4 {
    use super::*;

    #[test]
    fn an_error_has_request_id_host_id_code_message_and_recommend() {
        let (_, body) = ask(&mut cloud(), start(), hop(&hopper(), 0, &[("RoleArn", "x")]));
        assert_eq!(fields(&body), ["Code", "HostId", "Message", "Recommend", "RequestId"]);
    }

    #[test]
    fn a_denial_has_an_access_denied_detail() {
        let (_, body) = ask(&mut cloud(), start(), hop(&Key::new("LTAInobody", "nobody-secret"), 0, &[]));
        let detail = [
            "AuthAction",
            "AuthPrincipalDisplayName",
            "AuthPrincipalOwnerId",
            "AuthPrincipalType",
            "NoPermissionType",
            "PolicyType",
        ];
        assert_eq!(fields(&body["AccessDeniedDetail"]), detail);
    }

    #[test]
    fn an_xml_error_has_the_root_error_and_its_content_type() {
        let request = hop(&hopper(), 0, &[("RoleArn", "x"), ("Format", "XML")]);
        let response = cloud().call(start(), request).answered().unwrap();
        assert_eq!(response.headers()["content-type"], "text/xml;charset=utf-8");
        let text = String::from_utf8(response.body().to_vec()).unwrap();
        assert!(text.contains("<Error><Code>InvalidParameter.RoleArn</Code>"), "{text}");
    }

    #[test]
    fn the_text_about_the_duration_is_fixed_whatever_the_maximum_of_the_role() {
        let (_, body) = ask(&mut cloud(), start(), hop(&hopper(), 0, &[("DurationSeconds", "7201")]));
        assert_eq!(body["Message"], "The Min/Max value of DurationSeconds is 15min/1hr.");
    }

    #[test]
    fn no_permission_covers_the_caller_and_the_trust_policy() {
        let text = "You are not authorized to do this action. You should be authorized by RAM.";
        let nobody = Key::new("LTAInobody", "nobody-secret");
        let vendor = "acs:ram::2000000000000002:role/acr-vendor";
        for request in [hop(&nobody, 0, &[]), hop(&hopper(), 0, &[("RoleArn", vendor)])] {
            let (status, body) = ask(&mut cloud(), start(), request);
            assert_eq!(
                (status, body["Code"].as_str(), body["Message"].as_str()),
                (403, Some("NoPermission"), Some(text))
            );
        }
    }

    #[test]
    fn roles_may_not_be_assumed_by_root_accounts() {
        let (_, body) = ask(&mut cloud(), start(), hop(&Key::new("LTAImain", "main-secret"), 0, &[]));
        assert_eq!(
            (&body["Code"], &body["Message"]),
            (&"NoPermission".into(), &"Roles may not be assumed by root accounts.".into())
        );
    }

    #[test]
    fn a_role_that_does_not_exist_is_404() {
        let gone = ("RoleArn", "acs:ram::2000000000000002:role/acr-gone");
        let (status, body) = ask(&mut cloud(), start(), hop(&hopper(), 0, &[gone]));
        assert_eq!((status, &body["Message"]), (404, &"The specified Role not exists .".into()));
        let gone = "acs:ram::1000000000000001:role/gone";
        let (status, body) = ask(&mut cloud(), start(), assume_role(&good_token(), &[("RoleArn", gone)]));
        assert_eq!((status, &body["Message"]), (404, &format!("The role not exists: {gone}. ").into()));
    }

    #[test]
    fn every_refusal_of_a_token_is_401_in_the_documented_words() {
        let now = start().as_second();
        let other = crate::issuer::Issuer::new("https://issuer.example").unwrap();
        let genuine = good_token();
        let (signed, _) = genuine.rsplit_once('.').unwrap();
        let huge = "x".repeat(20_001);
        let cases: Vec<(String, &str, &str)> = vec![
            (String::new(), "AuthenticationFail.OIDCToken.Invalid", "The OIDCToken can not empty."),
            ("one.two".into(), "AuthenticationFail.OIDCToken.Invalid", "Jwt must split in 3 parts by '.'"),
            ("a.b.c.d".into(), "AuthenticationFail.OIDCToken.Invalid", "Jwt must split in 3 parts by '.'"),
            (huge, "AuthenticationFail.OIDCToken.Invalid", "content cannot be recognized"),
            ("!!.!!.!!".into(), "AuthenticationFail.OIDCToken.Invalid", "cannot decode base64"),
            ("AAAA.AAAA.AAAA".into(), "AuthenticationFail.OIDCToken.Invalid", "content cannot be recognized"),
            (
                token_of_header(&json!({"alg": "HS256", "kid": "issuer-key"})),
                "AuthenticationFail.OIDCToken.Invalid",
                "algorithm HS256 unknown",
            ),
            (
                token_of_header(&json!({"alg": "none"})),
                "AuthenticationFail.OIDCToken.Invalid",
                "algorithm none unknown",
            ),
            (
                token_with("iss", json!("https://elsewhere.example")),
                "AuthenticationFail.OIDCToken.IssuerNotMatch",
                "The issuer in the OIDC Token doesn't match the OIDC Provider registered.",
            ),
            (
                other.sign(&claims()).unwrap(),
                "AuthenticationFail.OIDCToken.InvalidSignature",
                "OIDC token validate failed: invalid signature.",
            ),
            (
                format!("{signed}.AAAA"),
                "AuthenticationFail.OIDCToken.InvalidSignature",
                "OIDC token validate failed: invalid signature.",
            ),
            (
                token_of_header(&json!({"alg": "ES256"})),
                "AuthenticationFail.OIDCToken.InvalidSignature",
                "OIDC token validate failed: invalid signature.",
            ),
            (
                token_of_header(&json!({"alg": "RS256", "kid": "issuer-key"})),
                "AuthenticationFail.OIDCToken.InvalidSignature",
                "OIDC token validate failed: invalid signature.",
            ),
            (
                token_with("aud", json!(["kubernetes"])),
                "AuthenticationFail.OIDCToken.AudienceNotMatch",
                "Invalid audience.",
            ),
            (
                token_with("exp", json!(now)),
                "AuthenticationFail.OIDCToken.Expired",
                "This JsonWebToken is expired.",
            ),
            (
                token_with("nbf", json!(now + 61)),
                "AuthenticationFail.OIDCToken.Invalid",
                "This JsonWebToken is not valid yet.",
            ),
            (
                token_with("sub", json!("system:serviceaccount:default:default")),
                "AuthenticationFail.NoPermission",
                "There is no permission",
            ),
            // An audience that the provider accepts and the trust policy does not.
            (token_with("aud", json!("other")), "AuthenticationFail.NoPermission", "There is no permission"),
        ];
        for (token, code, message) in cases {
            let (status, body) = ask(&mut cloud(), start(), assume_role(&token, &[]));
            assert_eq!((status, &body["Code"], &body["Message"]), (401, &json!(code), &json!(message)));
            assert_eq!(body["HostId"], STS);
            assert!(body["RequestId"].is_string());
        }
    }

    #[test]
    fn a_provider_that_is_none_or_is_not_there_is_refused_by_its_message_alone() {
        for (provider, message) in [
            ("nonsense", "Parameter OIDCProviderArn is not valid"),
            ("acs:ram::1000000000000001:oidc-provider/gone", "No such OIDC Provider registered."),
        ] {
            let request = assume_role(&good_token(), &[("OIDCProviderArn", provider)]);
            let (status, body) = ask(&mut cloud(), start(), request);
            let told = (status, body["Code"].as_str(), body["Message"].as_str());
            assert_eq!(told, (401, Some("AuthenticationFail.NoPermission"), Some(message)));
        }
    }

    #[test]
    fn an_issuer_without_keys_is_a_broken_configuration() {
        let silent = "acs:ram::1000000000000001:oidc-provider/ack-rrsa-silent";
        let request = assume_role(&good_token(), &[("OIDCProviderArn", silent)]);
        let (status, body) = ask(&mut cloud(), start(), request);
        assert_eq!(
            (status, &body["Code"]),
            (401, &json!("AuthenticationFail.OIDCToken.IssuerConfigurationBroken"))
        );
        let message = "Get public keys from OIDC Provider failed, the issuer is https://issuer.example";
        assert_eq!(body["Message"], message);
    }

    #[test]
    fn an_issuer_whose_certificate_is_not_trusted_is_refused_until_it_is() {
        let mut cloud = cloud();
        let mut certificate = |name: &str| {
            let text = json!({ "setIssuerCertificate": { "provider": PROVIDER, "certificate": name } });
            cloud.mutate(serde_json::from_value(text).unwrap()).unwrap();
            let (status, body) = ask(&mut cloud, start(), assume_role(&good_token(), &[]));
            (status, body["Code"].as_str().map(str::to_owned))
        };
        let refused = |code: &str| (401, Some(format!("AuthenticationFail.OIDCToken.{code}")));
        assert_eq!(certificate("unknownAuthority"), refused("HttpsUrlInvalid"));
        assert_eq!(certificate("otherFingerprint"), refused("PublicKeyFingerprintMismatch"));
        assert_eq!(certificate("trusted"), (200, None));
    }

    #[test]
    fn every_documented_refusal_of_a_parameter_has_its_code_status_and_message() {
        for (name, value, code, message) in [
            ("RoleArn", "x", "RoleArn", "The parameter RoleArn is wrongly formed."),
            ("RoleSessionName", "a b", "RoleSessionName", "The parameter RoleSessionName is wrongly formed."),
            ("ExternalId", "?", "ExternalId", "The parameter ExternalId is wrongly formed."),
            ("Policy", "{", "PolicyGrammar", "The parameter Policy has not passed grammar check."),
        ] {
            let (status, body) = ask(&mut cloud(), start(), hop(&hopper(), 0, &[(name, value)]));
            let told = (status, &body["Code"], &body["Message"]);
            assert_eq!(told, (400, &json!(format!("InvalidParameter.{code}")), &json!(message)));
        }
        let policy = "x".repeat(2049);
        let (_, body) = ask(&mut cloud(), start(), hop(&hopper(), 0, &[("Policy", &policy)]));
        assert!(body["Message"].as_str().unwrap().contains("must be smaller than 2048 bytes"), "{body}");
    }

    #[test]
    fn the_quota_is_6000_calls_of_assume_role_per_minute_and_account() {
        let mut cloud = cloud();
        let mut call = |number: usize| {
            let nonce = number.to_string();
            refusal(&mut cloud, start(), hop(&hopper(), 0, &[("RoleArn", "x"), ("SignatureNonce", &nonce)])).1
        };
        assert!((0..6000).all(|number| call(number) == "InvalidParameter.RoleArn"));
        assert_eq!(call(6000), "Throttling.User");
    }
}
