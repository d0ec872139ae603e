//! Section 3: Container Registry Personal Edition, version 2016-06-07.

use serde_json::json;

use super::super::personal::{main_key, tokens, tokens_with};
use super::*;

mod section_3 {
    use super::*;

    #[test]
    fn a_get_of_tokens_without_parameters_is_answered_with_small_letters() {
        let request = tokens(&Key::puller(), 0);
        assert_eq!(request.uri().path_and_query().unwrap(), "/tokens");
        let response = cloud().call(start(), request).answered().unwrap();
        assert_eq!(response.headers()["content-type"], "application/json;charset=utf-8");
        assert!(response.headers().contains_key("x-acs-request-id"));
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(fields(&body), ["data", "requestId"]);
        assert_eq!(fields(&body["data"]), ["authorizationToken", "expireDate", "tempUserName"]);
    }

    #[test]
    fn the_version_stands_in_a_header() {
        let without = tokens_with(&main_key(), start(), |headers| {
            headers.remove("x-acs-version");
        });
        assert_eq!(refusal(&mut cloud(), start(), without), (400, "MissingVersion".to_owned()));
    }

    #[test]
    fn a_login_lives_an_hour_or_as_long_as_the_security_token() {
        let mut cloud = cloud();
        let (_, body) = ask(&mut cloud, start(), tokens(&Key::puller(), 0));
        assert_eq!(body["data"]["expireDate"], json!(start().as_millisecond() + 3_600_000));
        let session = Key::of(&session(&mut cloud, &[("DurationSeconds", "900")]));
        let (_, body) = ask(&mut cloud, start(), tokens(&session, 0));
        assert_eq!(body["data"]["expireDate"], json!(after(900).as_millisecond()));
    }

    #[test]
    fn a_session_needs_its_token_header() {
        let mut cloud = cloud();
        let key = Key { token: None, ..Key::of(&session(&mut cloud, &[])) };
        let (status, body) = ask(&mut cloud, start(), tokens(&key, 0));
        assert_eq!((status, &body["Code"]), (400, &json!("MissingSecurityToken")));
        assert_eq!(body["Message"], "SecurityToken is mandatory for this action.");
    }

    #[test]
    fn a_user_that_never_opened_it_does_not_exist() {
        let (status, body) = ask(&mut cloud(), start(), tokens(&Key::new("LTAInobody", "nobody-secret"), 0));
        assert_eq!((status, &body["code"]), (404, &json!("USER_NOT_EXIST")));
        assert_eq!(body["message"], "user is not exist.");
    }

    #[test]
    fn roa_hmac_sha1_and_acs3_over_the_path_are_both_taken() {
        let acs3 = Acs3 { query: Vec::new(), method: "GET", ..Acs3::new("GetAuthorizationToken", "") };
        for request in [tokens(&Key::puller(), 0), acs3.at_path("/tokens", "2016-06-07")] {
            assert_eq!(ask(&mut cloud(), start(), request).0, 200);
        }
        let over_the_root = acs3.at_path("/", "2016-06-07");
        assert_eq!(refusal(&mut cloud(), start(), over_the_root), (404, "InvalidApi.NotFound".to_owned()));
    }
}
