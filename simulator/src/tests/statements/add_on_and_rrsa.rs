//! Sections 6 and 7: RRSA, and the add-on token of ACK.

use serde_json::json;

use super::*;
use crate::AddOnTokenRequest;

mod section_6 {
    use super::*;

    /// The trust policy of the seed pages pins issuer, audience and subject; each of them is looked at.
    #[test]
    fn issuer_audience_and_subject_must_all_be_those_of_the_trust_policy() {
        let now = start().as_second();
        let token = |issuer: &str, audience: &str, subject: &str| {
            let claims =
                json!({ "iss": issuer, "aud": [audience], "sub": subject, "exp": now + 60, "iat": now });
            ISSUER.sign(&claims).unwrap()
        };
        let (issuer, audience) = ("https://issuer.example", "sts.aliyuncs.com");
        for (token, status) in [
            (token(issuer, audience, SUBJECT), 200),
            (token("https://other.example", audience, SUBJECT), 401),
            (token(issuer, "other", SUBJECT), 401),
            (token(issuer, audience, "system:serviceaccount:kube-system:other"), 401),
            (token(issuer, audience, "system:serviceaccount:default:aliyun-acr-credential-helper"), 401),
        ] {
            assert_eq!(ask(&mut cloud(), start(), assume_role(&token, &[])).0, status);
        }
    }

    #[test]
    fn the_audience_is_the_same_whatever_sts_host_is_asked() {
        for host in ["sts.aliyuncs.com", "sts-vpc.cn-hangzhou.aliyuncs.com"] {
            let mut request = assume_role(&good_token(), &[]);
            *request.uri_mut() = format!("https://{host}/").parse().unwrap();
            assert_eq!(ask(&mut cloud(), start(), request).0, 200, "{host}");
        }
    }
}

mod section_7 {
    use super::*;

    fn token(role: &str) -> Value {
        let role = format!("acs:ram::{ACCOUNT}:role/{role}");
        cloud().add_on_token(start(), &AddOnTokenRequest { role, duration_seconds: 3600 })
    }

    #[test]
    fn a_document_has_three_encrypted_members_their_end_and_the_keyring() {
        let document = token("AliyunCSManagedAcrRole");
        let names = ["access.key.id", "access.key.secret", "expiration", "keyring", "security.token"];
        assert_eq!(fields(&document), names);
        assert_eq!(document["expiration"], "2026-11-21T11:00:00Z");
        assert!(matches!(document["keyring"].as_str().unwrap().len(), 16 | 24 | 32));
    }

    #[test]
    fn each_member_is_base64_of_an_initialization_vector_and_whole_blocks() {
        use base64::Engine;
        let document = token("AliyunCSManagedAcrRole");
        for member in ["access.key.id", "access.key.secret", "security.token"] {
            let bytes =
                base64::engine::general_purpose::STANDARD.decode(document[member].as_str().unwrap()).unwrap();
            assert!(bytes.len() >= 32 && bytes.len().is_multiple_of(16), "{member}");
        }
    }

    #[test]
    fn a_failure_is_an_error_with_role_name_code_and_message() {
        assert_eq!(fields(&token("unknown")["error"]), ["code", "message", "roleName"]);
    }
}
