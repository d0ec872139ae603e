//! Section 4: signatures, time, replay and the errors of the gateway. The published vectors are beside the signatures.

use http::HeaderValue;
use serde_json::json;

use super::super::personal::{main_key, tokens, tokens_with};
use super::*;
use crate::CloudRequest;

fn login() -> Acs3 {
    Acs3::new("GetAuthorizationToken", INSTANCE)
}

fn rpc(method: &str, changes: &[(&str, &str)]) -> CloudRequest {
    let mut pairs = vec![("Action", "GetAuthorizationToken"), ("InstanceId", INSTANCE)];
    pairs.extend(changes);
    rpc_request(method, CR, &Key::puller(), start(), &pairs)
}

fn code_of(request: CloudRequest) -> (u16, String) {
    refusal(&mut cloud(), start(), request)
}

/// A request with a header set that its client did not sign.
fn with_header(mut request: CloudRequest, name: &'static str, value: &'static str) -> CloudRequest {
    request.headers_mut().insert(name, HeaderValue::from_static(value));
    request
}

mod section_4_1 {
    use super::*;

    #[test]
    fn query_and_form_are_signed_as_one_set_and_headers_are_not() {
        let mut split = rpc("POST", &[]);
        let form = String::from_utf8(split.body().to_vec()).unwrap();
        let (query, rest): (Vec<&str>, Vec<&str>) = form.split('&').partition(|pair| pair.starts_with('A'));
        *split.uri_mut() = format!("https://{CR}/?{}", query.join("&")).parse().unwrap();
        *split.body_mut() = rest.join("&").into();
        let split = with_header(split, "x-acs-anything", "not signed");
        assert_eq!(ask(&mut cloud(), start(), split).0, 200);
    }

    #[test]
    fn an_empty_value_is_kept_and_special_characters_are_encoded_twice() {
        let request = rpc("POST", &[("Summary", ""), ("ModuleName", "a b*c~d/é+=&%")]);
        assert_eq!(ask(&mut cloud(), start(), request).0, 200);
    }

    #[test]
    fn a_form_needs_its_content_type() {
        let mut request = rpc("POST", &[]);
        request.headers_mut().remove("content-type");
        let (status, body) = ask(&mut cloud(), start(), request);
        assert!(status == 400 && body.as_str().unwrap().contains("MissingAction"), "{body}");
    }
}

mod section_4_2 {
    use super::*;

    #[test]
    fn an_absent_header_leaves_an_empty_line_in_the_text() {
        let (_, body) = ask(&mut cloud(), start(), tokens(&Key::new("LTAImain", "wrong"), 0));
        let message = body["Message"].as_str().unwrap();
        assert!(
            message.contains("GET\napplication/json\n\n\nSat, 21 Nov 2026 10:00:00 GMT\nx-acs-"),
            "{message}"
        );
        assert!(message.ends_with("x-acs-version:2016-06-07\n/tokens"), "{message}");
    }

    #[test]
    fn without_accept_the_answer_is_xml() {
        let request = tokens_with(&main_key(), start(), |headers| {
            headers.remove("accept");
        });
        assert!(ask(&mut cloud(), start(), request).1.as_str().unwrap().starts_with("<?xml"));
    }
}

mod section_4_3 {
    use super::*;

    #[test]
    fn host_content_type_and_every_x_acs_header_are_signed() {
        for (name, value) in [("host", "elsewhere"), ("content-type", "text/plain"), ("x-acs-new", "x")] {
            assert_eq!(
                code_of(with_header(login().build(), name, value)).1,
                "SignatureDoesNotMatch",
                "{name}"
            );
        }
        assert_eq!(ask(&mut cloud(), start(), with_header(login().build(), "user-agent", "x")).0, 200);
    }

    #[test]
    fn a_session_may_send_its_access_key_id_and_must_send_its_token() {
        let mut cloud = cloud();
        let key = Key::of(&session(&mut cloud, &[]));
        assert_eq!(ask(&mut cloud, start(), login().by(&key).build()).0, 200);
        let bare = Key { token: None, ..key };
        let request = login().by(&bare).at(after(1)).build();
        assert_eq!(refusal(&mut cloud, after(1), request).1, "MissingSecurityToken");
    }
}

mod section_4_4 {
    use super::*;

    #[test]
    fn a_time_may_be_15_minutes_off_in_every_scheme() {
        let build = |seconds| {
            let pairs = [("Action", "GetAuthorizationToken"), ("InstanceId", INSTANCE)];
            let time = after(seconds);
            let rpc = rpc_request("POST", CR, &Key::puller(), time, &pairs);
            [rpc, login().at(time).build(), tokens(&Key::puller(), seconds)]
        };
        for seconds in [-900, 900] {
            for request in build(seconds) {
                assert_eq!(ask(&mut cloud(), start(), request).0, 200, "{seconds}");
            }
        }
        for seconds in [-901, 901] {
            for request in build(seconds) {
                assert_eq!(code_of(request), (400, "InvalidTimeStamp.Expired".to_owned()), "{seconds}");
            }
        }
    }

    #[test]
    fn a_nonce_is_taken_once() {
        let mut cloud = cloud();
        assert_eq!(ask(&mut cloud, start(), login().build()).0, 200);
        let (status, body) = ask(&mut cloud, start(), login().build());
        assert_eq!((status, &body["Code"]), (400, &json!("SignatureNonceUsed")));
        assert_eq!(body["Message"], "Specified signature nonce was used already.");
    }

    #[test]
    fn the_errors_of_the_gateway_have_their_status_code_and_message() {
        let mut cloud = cloud();
        let issued = Key::of(&session(&mut cloud, &[("DurationSeconds", "900")]));
        let other = Key::of(&session(&mut cloud, &[]));
        let by = |key: &Key| login().by(key).build();
        let unknown = Key::new("LTAIunknown", "x");
        let disabled = Key::new("LTAIdisabled", "disabled-secret");
        let bare = Key { token: None, ..issued.clone() };
        let malformed = Key { token: Some("bm8=".into()), ..issued.clone() };
        let mixed = Key { token: other.token.clone(), ..issued.clone() };
        for (seconds, request, status, code, message) in [
            (0, by(&unknown), 404, "InvalidAccessKeyId.NotFound", "Specified access key is not found."),
            (0, by(&disabled), 400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled."),
            (
                0,
                rpc("POST", &[("Timestamp", "now")]),
                400,
                "InvalidTimeStamp.Format",
                "Specified time stamp or date value is not well formatted.",
            ),
            (
                0,
                login().at(after(2000)).build(),
                400,
                "InvalidTimeStamp.Expired",
                "Specified time stamp or date value is expired.",
            ),
            (
                0,
                by(&Key::new("LTAIpuller", "wrong")),
                400,
                "SignatureDoesNotMatch",
                "Specified signature is not matched with our calculation.",
            ),
            (0, rpc("POST", &[("SignatureMethod", "x")]), 400, "InvalidSignatureMethod", ""),
            (0, by(&bare), 400, "MissingSecurityToken", "SecurityToken is mandatory for this action."),
            (
                0,
                by(&malformed),
                400,
                "InvalidSecurityToken.Malformed",
                "Specified SecurityToken is malformed.",
            ),
            (
                0,
                by(&mixed),
                400,
                "InvalidSecurityToken.MismatchWithAccessKey",
                "Specified SecurityToken mismatch with the AccessKey.",
            ),
            (
                900,
                login().by(&issued).at(after(900)).build(),
                400,
                "InvalidSecurityToken.Expired",
                "Specified SecurityToken is expired.",
            ),
            (
                0,
                rpc("POST", &[("InstanceId", "")]),
                400,
                "MissingInstanceId",
                "InstanceId is mandatory for this action.",
            ),
            (
                0,
                rpc("POST", &[("Action", "GetRepo")]),
                404,
                "InvalidApi.NotFound",
                "Specified api is not found, please check your url and method.",
            ),
        ] {
            let (found, body) = ask(&mut cloud.clone(), after(seconds), request);
            assert_eq!((found, &body["Code"]), (status, &json!(code)), "{body}");
            assert!(body["Message"].as_str().unwrap().starts_with(message), "{body}");
        }
        let mut plain = assume_role(&good_token(), &[]);
        *plain.uri_mut() = format!("http://{STS}/").parse().unwrap();
        assert_eq!(code_of(plain), (404, "InvalidProtocol.NeedSsl".to_owned()));
        let mut put = rpc("POST", &[]);
        *put.method_mut() = http::Method::PUT;
        assert_eq!(code_of(put), (400, "UnsupportedHTTPMethod".to_owned()));
    }
}
