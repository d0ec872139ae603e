//! Section 1: STS, version 2015-04-01.

use super::*;
use crate::{CloudRequest, Outcome};

/// Code and message of `AssumeRole` with one parameter changed; `OK` for a session.
fn hop_with(name: &str, value: &str) -> (u16, String) {
    let (status, body) = ask(&mut cloud(), start(), hop(&hopper(), 0, &[(name, value)]));
    (status, body["Code"].as_str().unwrap_or("OK").to_owned())
}

fn ok() -> (u16, String) {
    (200, "OK".to_owned())
}

fn refused(code: &str) -> (u16, String) {
    (400, format!("InvalidParameter.{code}"))
}

mod section_1_1 {
    use super::*;

    #[test]
    fn get_and_post_are_taken_and_parameters_stand_in_query_or_form() {
        let form = assume_role(&good_token(), &[]);
        let text = String::from_utf8(form.body().to_vec()).unwrap();
        let mut query = unsigned("POST", STS, "");
        *query.uri_mut() = format!("https://{STS}/?{text}").parse().unwrap();
        for request in [form, unsigned("GET", STS, &text), query] {
            assert_eq!(ask(&mut cloud(), start(), request).0, 200);
        }
    }

    #[test]
    fn the_form_of_an_answer_is_xml_unless_format_json_is_sent() {
        let (_, body) = ask(&mut cloud(), start(), hop(&hopper(), 0, &[("Format", "")]));
        assert!(body.as_str().unwrap().contains("<AssumeRoleResponse>"), "{body}");
        let (_, body) = ask(&mut cloud(), start(), hop(&hopper(), 0, &[("Format", "JSON")]));
        assert!(body.is_object(), "{body}");
    }

    #[test]
    fn assume_role_with_oidc_carries_no_access_key_and_no_signature() {
        let request = assume_role(&good_token(), &[]);
        let form = String::from_utf8(request.body().to_vec()).unwrap();
        assert!(!form.contains("AccessKeyId") && !form.contains("Signature"), "{form}");
        assert!(!request.headers().contains_key("authorization"));
        assert_eq!(ask(&mut cloud(), start(), request).0, 200);
    }
}

mod section_1_2 {
    use super::*;

    #[test]
    fn role_arn_is_required_and_has_the_form_of_a_role() {
        assert_eq!(hop_with("RoleArn", ""), (400, "MissingRoleArn".to_owned()));
        assert_eq!(hop_with("RoleArn", "acs:ram::2000000000000002:oidc-provider/x"), refused("RoleArn"));
        assert_eq!(hop_with("RoleArn", PULLER_OF_B), ok());
    }

    #[test]
    fn role_session_name_has_2_to_64_letters_digits_and_four_others() {
        assert_eq!(hop_with("RoleSessionName", ""), (400, "MissingRoleSessionName".to_owned()));
        for name in ["a", &"a".repeat(65), "a/b", "a:b", "a b", "a+b", "\u{e9}\u{e9}"] {
            assert_eq!(hop_with("RoleSessionName", name), refused("RoleSessionName"), "{name}");
        }
        for name in ["ab", &"a".repeat(64), "aZ09.@-_"] {
            assert_eq!(hop_with("RoleSessionName", name), ok(), "{name}");
        }
    }

    #[test]
    fn duration_seconds_is_3600_by_default_900_at_least_and_at_most_what_the_role_allows() {
        for (seconds, expected) in [
            ("900", ok()),
            ("7200", ok()),
            ("899", refused("DurationSeconds")),
            ("7201", refused("DurationSeconds")),
        ] {
            assert_eq!(hop_with("DurationSeconds", seconds), expected, "{seconds}");
        }
        let (_, body) = ask(&mut cloud(), start(), hop(&hopper(), 0, &[]));
        assert_eq!(body["Credentials"]["Expiration"], "2026-11-21T11:00:00Z");
    }

    #[test]
    fn policy_has_1_to_2048_characters() {
        let policy = r#"{"Version":"1","Statement":[]}"#;
        let padded = |length: usize| format!("{policy}{}", " ".repeat(length - policy.len()));
        assert_eq!(hop_with("Policy", &padded(2048)), ok());
        assert_eq!(hop_with("Policy", &padded(2049)), refused("PolicySize"));
    }

    #[test]
    fn a_session_policy_narrows_the_role_and_never_widens_it() {
        let mut cloud = cloud();
        let list = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":["cr:List*","sts:*"],"Resource":"*"}]}"#;
        let key = credentials(&mut cloud, hop(&hopper(), 0, &[("Policy", list)]), 0);
        let login = Acs3::new("GetAuthorizationToken", CROSS_INSTANCE).by(&key).build();
        assert_eq!(ask(&mut cloud, start(), login).0, 403);
        let endpoints = Acs3::new("ListInstanceEndpoint", CROSS_INSTANCE).by(&key).build();
        assert_eq!(ask(&mut cloud, start(), endpoints).0, 200);
        let onward = hop(&key, 1, &[("RoleArn", &role_of_b("acr-account"))]);
        assert_eq!(refusal(&mut cloud, after(1), onward).0, 403);
    }

    #[test]
    fn external_id_has_2_to_1224_characters_of_its_set() {
        for id in ["a", &"a".repeat(1225), "a b", "a*b"] {
            assert_eq!(hop_with("ExternalId", id), refused("ExternalId"), "{id}");
        }
        for id in ["ab", &"a".repeat(1224), "aZ09_+=,.@:/-"] {
            assert_eq!(hop_with("ExternalId", id), ok(), "{id}");
        }
    }

    #[test]
    fn source_identity_has_2_to_64_characters_and_no_reserved_beginning() {
        for identity in ["a", &"a".repeat(65), "acs:a", "aliyun:a", "alibabacloud:a"] {
            assert_eq!(hop_with("SourceIdentity", identity), refused("SourceIdentity"), "{identity}");
        }
        assert_eq!(hop_with("SourceIdentity", "aZ09_+=,.@-"), ok());
    }

    #[test]
    fn users_and_sessions_may_call_and_the_main_account_may_not() {
        let mut cloud = cloud();
        let worker = worker(&mut cloud);
        let main = Key::new("LTAImain", "main-secret");
        for (seconds, key, status) in [(0, hopper(), 200), (1, worker, 200), (2, main, 403)] {
            assert_eq!(ask(&mut cloud, after(seconds), hop(&key, seconds, &[])).0, status, "{}", key.id);
        }
    }

    #[test]
    fn an_answer_has_the_documented_fields() {
        let (_, body) = ask(&mut cloud(), start(), hop(&hopper(), 0, &[]));
        assert_eq!(fields(&body), ["AssumedRoleUser", "Credentials", "RequestId"]);
        assert_eq!(fields(&body["AssumedRoleUser"]), ["Arn", "AssumedRoleId"]);
        let members = ["AccessKeyId", "AccessKeySecret", "Expiration", "SecurityToken"];
        assert_eq!(fields(&body["Credentials"]), members);
        assert_eq!(body["AssumedRoleUser"]["Arn"], format!("{PULLER_OF_B}/helper"));
        assert!(body["AssumedRoleUser"]["AssumedRoleId"].as_str().unwrap().ends_with(":helper"));
        assert!(body["Credentials"]["AccessKeyId"].as_str().unwrap().starts_with("STS."));
        let (_, body) = ask(&mut cloud(), start(), hop(&hopper(), 0, &[("SourceIdentity", "me")]));
        assert_eq!(body["SourceIdentity"], "me");
    }

    #[test]
    fn an_expiration_is_utc_in_whole_seconds_with_a_z() {
        let late: jiff::Timestamp = "2026-11-21T10:00:00.75Z".parse().unwrap();
        let (_, body) = ask(&mut cloud(), late, hop(&hopper(), 0, &[]));
        assert_eq!(body["Credentials"]["Expiration"], "2026-11-21T11:00:00Z");
    }
}

mod section_1_3 {
    use super::*;

    #[test]
    fn an_oidc_token_has_4_to_20000_characters_and_is_a_raw_jwt() {
        use base64::Engine;
        let wrapped = base64::engine::general_purpose::STANDARD.encode(good_token());
        for token in ["a.b", &"x".repeat(20_001), &wrapped] {
            let refused = refusal(&mut cloud(), start(), assume_role(token, &[]));
            assert_eq!(refused, (401, "AuthenticationFail.OIDCToken.Invalid".to_owned()));
        }
        assert_eq!(ask(&mut cloud(), start(), assume_role(&good_token(), &[])).0, 200);
    }

    #[test]
    fn common_parameters_in_the_query_and_the_others_in_the_form_are_one_set() {
        let text = String::from_utf8(assume_role(&good_token(), &[]).body().to_vec()).unwrap();
        for in_form in
            [&["RoleArn=", "OIDCProviderArn=", "OIDCToken=", "RoleSessionName="][..], &["OIDCToken="]]
        {
            let (form, query): (Vec<&str>, Vec<&str>) =
                text.split('&').partition(|pair| in_form.iter().any(|name| pair.starts_with(name)));
            let mut request: CloudRequest = unsigned("POST", STS, &form.join("&"));
            *request.uri_mut() = format!("https://{STS}/?{}", query.join("&")).parse().unwrap();
            assert_eq!(ask(&mut cloud(), start(), request).0, 200, "{in_form:?}");
        }
    }

    #[test]
    fn duration_and_policy_are_judged_as_for_assume_role() {
        let with = |name: &str, value: &str| {
            let (status, body) = ask(&mut cloud(), start(), assume_role(&good_token(), &[(name, value)]));
            (status, body["Code"].as_str().unwrap_or("OK").to_owned())
        };
        for (name, value, expected) in [
            ("DurationSeconds", "899", refused("DurationSeconds")),
            ("DurationSeconds", "900", ok()),
            ("DurationSeconds", "7201", refused("DurationSeconds")),
            ("Policy", "{", refused("PolicyGrammar")),
            ("Policy", &"x".repeat(2049), refused("PolicySize")),
            ("Policy", r#"{"Version":"1","Statement":[]}"#, ok()),
        ] {
            assert_eq!(with(name, value), expected, "{name}={value}");
        }
    }

    #[test]
    fn an_answer_tells_what_the_token_says_and_the_role_id_without_the_session() {
        let (_, body) = ask(&mut cloud(), start(), assume_role(&good_token(), &[]));
        assert_eq!(fields(&body), ["AssumedRoleUser", "Credentials", "OIDCTokenInfo", "RequestId"]);
        let info = ["ClientIds", "ExpirationTime", "IssuanceTime", "Issuer", "Subject", "VerificationInfo"];
        assert_eq!(fields(&body["OIDCTokenInfo"]), info);
        assert_eq!(body["OIDCTokenInfo"]["VerificationInfo"], "Success");
        assert!(!body["AssumedRoleUser"]["AssumedRoleId"].as_str().unwrap().contains(':'));
    }
}

mod section_1_5 {
    use super::*;

    #[test]
    fn central_public_and_vpc_hosts_answer_where_they_are_listed() {
        for host in [
            "sts.aliyuncs.com",
            "sts.cn-hangzhou.aliyuncs.com",
            "sts-vpc.cn-hangzhou.aliyuncs.com",
            "sts-vpc.cn-north-2-gov-1.aliyuncs.com",
        ] {
            let mut request = assume_role(&good_token(), &[]);
            *request.uri_mut() = format!("https://{host}/").parse().unwrap();
            assert_eq!(ask(&mut cloud(), start(), request).0, 200, "{host}");
        }
        for host in
            ["sts.cn-north-2-gov-1.aliyuncs.com", "sts-vpc.ap-south-1.aliyuncs.com", "sts-vpc.aliyuncs.com"]
        {
            let mut request = assume_role(&good_token(), &[]);
            *request.uri_mut() = format!("https://{host}/").parse().unwrap();
            assert!(matches!(cloud().call(start(), request).outcome, Outcome::NoSuchHost), "{host}");
        }
    }
}
