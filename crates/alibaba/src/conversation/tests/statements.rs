//! What Alibaba Cloud documents about the calls that are made, or its own programs do, statement by statement: what is
//! sent, and what is understood.
//!
//! The modules are numbered as the statements were collected: 1 STS, 2 Container Registry Enterprise Edition, 3 Personal
//! Edition, 4 signatures and gateway, 5 metadata service. The vectors of section 4 are beside the signatures and requests;
//! those of section 7 beside the add-on token.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;

/// The pairs of a query or form, decoded as little as these values need.
fn pairs(text: &str) -> Vec<(String, String)> {
    let decode =
        |text: &str| text.replace("%3A", ":").replace("%2F", "/").replace("%3D", "=").replace("%40", "@");
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// Query and form of a request as one set, sorted.
fn parameters(request: &Request<Bytes>) -> Vec<(String, String)> {
    let mut all = pairs(request.uri().query().unwrap_or_default());
    all.extend(pairs(std::str::from_utf8(request.body()).unwrap()));
    all.sort_unstable();
    all
}

#[track_caller]
fn value(request: &Request<Bytes>, name: &str) -> Option<String> {
    let found: Vec<String> =
        parameters(request).into_iter().filter(|(key, _)| key == name).map(|(_, value)| value).collect();
    assert!(found.len() <= 1, "{name} is sent {} times", found.len());
    found.into_iter().next()
}

mod section_1_1 {
    use super::*;

    #[test]
    fn json_is_asked_for_because_xml_is_the_default() {
        for mut conversation in [federation(), hop()] {
            assert_eq!(value(&sent(&mut conversation), "Format").as_deref(), Some("JSON"));
        }
    }

    #[test]
    fn assume_role_with_oidc_is_not_signed_and_its_token_is_not_in_the_url() {
        let request = sent(&mut federation());
        for name in ["AccessKeyId", "Signature", "SecurityToken"] {
            assert_eq!(value(&request, name), None, "{name}");
        }
        assert!(!request.uri().query().unwrap().contains("OIDCToken"));
        assert_eq!(value(&request, "OIDCToken").as_deref(), Some("header.TestClaims.signature"), "trimmed");
    }

    #[test]
    fn assume_role_is_signed_by_rpc_hmac_sha1() {
        let request = sent(&mut hop());
        assert_eq!(value(&request, "SignatureMethod").as_deref(), Some("HMAC-SHA1"));
        assert_eq!(value(&request, "SignatureVersion").as_deref(), Some("1.0"));
        assert!(!request.headers().contains_key("authorization"));
    }
}

mod section_1_2 {
    use super::*;

    #[test]
    fn every_parameter_of_assume_role_has_its_documented_name() {
        let request = sent(&mut hop());
        for (name, expected) in [
            ("Action", "AssumeRole"),
            ("Version", "2015-04-01"),
            ("RoleArn", "acs:ram::123456789012:role/acr-puller"),
            ("RoleSessionName", "alice@dev"),
            ("DurationSeconds", "3600"),
            ("ExternalId", "vendor=7"),
        ] {
            assert_eq!(value(&request, name).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn a_security_token_of_any_length_is_sent_with_the_keys_of_a_session_only() {
        let long = "t".repeat(20_000);
        let session = AccessKey { security_token: Some(long.clone().into()), ..key() };
        assert_eq!(value(&sent(&mut hop_by(session, None)), "SecurityToken"), Some(long));
        let user = AccessKey { security_token: None, ..key() };
        assert_eq!(value(&sent(&mut hop_by(user, None)), "SecurityToken"), None);
    }

    #[test]
    fn an_expiration_is_read_in_the_documented_form() {
        let Ok(Reply::Credentials { expires, .. }) =
            answered(hop(), 200, &session_body("2026-01-02T03:19:05Z"))
        else {
            panic!("no session")
        };
        assert_eq!(expires, NOW.plus_millis(900_000));
    }
}

mod section_1_4 {
    use super::*;

    #[test]
    fn capital_and_small_letters_and_xml_are_understood() {
        for body in [
            r#"{"RequestId":"R-1","HostId":"sts.aliyuncs.com","Code":"NoPermission","Message":"Not you."}"#,
            r#"{"requestId":"R-1","code":"NoPermission","message":"Not you."}"#,
            "<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>R-1</RequestId><Code>NoPermission</Code>\
             <Message>Not you.</Message></Error>",
        ] {
            let failure = answered(hop(), 403, body).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Denied, "{body}");
            assert_eq!(
                (failure.message.as_str(), failure.request_id.as_deref()),
                ("Not you.", Some("R-1")),
                "{body}"
            );
        }
    }

    #[test]
    fn who_was_denied_what_by_which_policy_is_told_in_either_spelling() {
        for name in ["AccessDeniedDetail", "accessDeniedDetail"] {
            let body = format!(
                r#"{{"Code":"NoPermission","Message":"m","{name}":{{"AuthAction":"sts:AssumeRole",
                "NoPermissionType":"ExplicitDeny","PolicyType":"AssumeRolePolicy"}}}}"#
            );
            let message = answered(hop(), 403, &body).unwrap_err().message;
            assert_eq!(
                message,
                "m (AuthAction sts:AssumeRole, NoPermissionType ExplicitDeny, PolicyType AssumeRolePolicy)"
            );
        }
    }

    #[test]
    fn every_documented_refusal_of_a_token_has_its_kind() {
        for (code, message, kind) in [
            ("AuthenticationFail.NoPermission", "There is no permission", FailureKind::Denied),
            ("AuthenticationFail.NoPermission", "No such OIDC Provider registered.", FailureKind::NotFound),
            (
                "AuthenticationFail.OIDCToken.Expired",
                "This JsonWebToken is expired.",
                FailureKind::CredentialsRefused,
            ),
            (
                "AuthenticationFail.OIDCToken.AudienceNotMatch",
                "Invalid audience.",
                FailureKind::CredentialsRefused,
            ),
            ("AuthenticationFail.OIDCToken.IssuerNotMatch", "", FailureKind::CredentialsRefused),
            ("AuthenticationFail.OIDCToken.InvalidSignature", "", FailureKind::CredentialsRefused),
            ("AuthenticationFail.OIDCToken.HttpsUrlInvalid", "", FailureKind::CredentialsRefused),
            ("AuthenticationFail.OIDCToken.IssuerConfigurationBroken", "", FailureKind::CredentialsRefused),
            (
                "AuthenticationFail.OIDCToken.PublicKeyFingerprintMismatch",
                "",
                FailureKind::CredentialsRefused,
            ),
            ("EntityNotExist.Role", "The role not exists: acs:ram::1:role/r. ", FailureKind::NotFound),
        ] {
            let body = format!(r#"{{"Code":"{code}","Message":"{message}"}}"#);
            assert_eq!(answered(federation(), 401, &body).unwrap_err().kind, kind, "{code} {message}");
        }
    }
}

mod container_registry {
    use super::*;

    #[test]
    fn section_2_1_a_post_with_the_instance_in_the_query_and_an_empty_body() {
        let request = sent(&mut login());
        assert_eq!((request.method().as_str(), request.body().len()), ("POST", 0));
        assert_eq!(request.uri().query(), Some("InstanceId=cri-test0123456789"));
        assert_eq!(request.headers()["accept"], "application/json");
    }

    #[test]
    fn section_2_2_the_returned_user_name_is_used_and_the_end_is_in_milliseconds() {
        let body = token_body("1767326645000").replace("cr_temp_user", "temp_user_cr");
        let Ok(Reply::Login(login)) = answered(login(), 200, &body) else { panic!("no login") };
        assert_eq!((login.username.as_str(), login.expires), ("temp_user_cr", NOW.plus_millis(3_600_000)));
        assert_eq!(login.password.expose_secret(), "pass:word", "the password holds a colon");
    }

    #[test]
    fn section_2_3_is_success_false_is_a_failure_whatever_the_status() {
        for status in [200, 400, 500] {
            let body = r#"{"IsSuccess":false,"Code":"NoPrivilege","Message":"Access denied for this user."}"#;
            assert_eq!(answered(hosts(), status, body).unwrap_err().kind, FailureKind::Denied, "{status}");
        }
    }

    #[test]
    fn section_2_3_the_larger_time_left_is_the_wait() {
        let response = Response::builder()
            .status(400)
            .header("x-ratelimit-user-api", "Limit:1,Remain:0,TimeLeft:2000,Reset:1234")
            .header("x-ratelimit-user", "Limit:1,Remain:0,TimeLeft:3000,Reset:1234")
            .body(Bytes::from_static(br#"{"Code":"Throttling.User"}"#));
        let mut conversation = login();
        sent(&mut conversation);
        conversation.receive(Ok(response.unwrap()));
        let retry_after = Some(Duration::from_secs(3));
        assert_eq!(outcome(&mut conversation).unwrap_err().kind, FailureKind::Throttled { retry_after });
    }
}

mod section_3 {
    use super::*;

    #[test]
    fn a_get_of_tokens_without_parameters_and_with_the_version_in_a_header() {
        let request = sent(&mut personal_login());
        assert_eq!(
            (request.method().as_str(), request.uri().path(), request.uri().query()),
            ("GET", "/tokens", None)
        );
        assert_eq!(request.headers()["x-acs-version"], "2016-06-07");
        assert!(request.body().is_empty());
        assert_eq!(
            request.headers()["x-acs-security-token"],
            "TestSecurityToken==",
            "else MissingSecurityToken"
        );
    }

    #[test]
    fn an_answer_without_its_request_id_is_understood() {
        let body = personal_body("1767326645000").replace(",\n            \"requestId\":\"R-1\"", "");
        assert!(!body.contains("requestId"));
        assert!(answered(personal_login(), 200, &body).is_ok());
    }

    #[test]
    fn a_user_that_never_opened_it_is_not_found() {
        let body = r#"{"code":"USER_NOT_EXIST","message":"user is not exist."}"#;
        assert_eq!(answered(personal_login(), 404, body).unwrap_err().kind, FailureKind::NotFound);
    }
}

mod section_4_4 {
    use super::*;

    #[test]
    fn every_try_has_a_nonce_and_a_time_of_its_own() {
        for mut conversation in [login(), hop(), personal_login()] {
            let first = sent(&mut conversation);
            let later = Stamp { wall: NOW.plus_millis(1000), nonce: 7 };
            let Step::Send(second) = conversation.step(later) else { panic!("over") };
            let of = |request: &Request<Bytes>| {
                let header =
                    |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
                let nonce = header("x-acs-signature-nonce").or_else(|| value(request, "SignatureNonce"));
                (nonce.unwrap(), header("x-acs-date").or_else(|| value(request, "Timestamp")).unwrap())
            };
            assert_eq!(of(&first).0.len(), 32);
            assert_eq!(of(&second), (format!("{:032x}", 7), "2026-01-02T03:04:06Z".to_owned()));
            assert_ne!(of(&first), of(&second));
        }
    }

    #[test]
    fn the_clock_of_the_cloud_is_learnt_from_the_date_of_a_refusal() {
        let mut conversation = hop();
        sent(&mut conversation);
        conversation.receive(Ok(answer(400, r#"{"Code":"InvalidTimeStamp.Expired"}"#)));
        let Step::Done(answer) = conversation.step(STAMP) else { panic!("not over") };
        assert_eq!(answer.cloud_time, Some(NOW));
        assert_eq!(answer.outcome.unwrap_err().kind, FailureKind::ClockSkew);
    }
}

mod section_5 {
    use super::*;

    #[test]
    fn hardened_mode_is_tried_first_and_left_on_403_or_404_alone() {
        for (status, next) in [(403, true), (404, true), (400, false), (500, false)] {
            let mut conversation = worker_role();
            assert!(line(&mut conversation).starts_with("PUT http://100.100.100.200/latest/api/token"));
            conversation.receive(Ok(answer(status, "")));
            assert_eq!(matches!(conversation.step(STAMP), Step::Send(_)), next, "{status}");
        }
    }

    #[test]
    fn a_role_document_counts_only_with_code_success_and_the_three_secrets() {
        let body = role_body("Success");
        for (text, good) in [
            (body.clone(), true),
            (body.replace("Success", "Failed"), false),
            (body.replace("STS.x", ""), false),
            (body.replace("\"y\"", "\"\""), false),
            (body.replace("\"z\"", "\"\""), false),
        ] {
            let mut conversation = worker_role();
            conversation.receive(Ok(answer(404, "")));
            conversation.receive(Ok(answer(200, "role\n")));
            conversation.receive(Ok(answer(200, text.clone())));
            // The account of the role; a call that is over hears nothing more.
            conversation.receive(Ok(answer(200, "1")));
            assert_eq!(outcome(&mut conversation).is_ok(), good, "{text}");
        }
    }
}
