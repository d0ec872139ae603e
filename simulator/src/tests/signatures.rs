//! Signed requests: every rule of the gateway broken once, and any changed byte.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::support::*;
use crate::parameters::Parameters;
use crate::{CloudRequest, Mutation};

fn login() -> Acs3 {
    Acs3::new("GetAuthorizationToken", INSTANCE)
}

fn rpc_login(changes: &[(&str, &str)]) -> CloudRequest {
    let mut pairs = vec![("Action", "GetAuthorizationToken"), ("InstanceId", INSTANCE)];
    pairs.extend(changes);
    rpc_request("POST", CR, &Key::puller(), start(), &pairs)
}

/// The refusal of an ACS3 request after a change that the client did not sign.
fn after_change(change: impl FnOnce(&mut CloudRequest)) -> String {
    let mut request = login().build();
    change(&mut request);
    refusal(&mut cloud(), start(), request).1
}

fn set(name: &'static str, value: &'static str) -> impl FnOnce(&mut CloudRequest) {
    move |request| {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

fn remove(name: &'static str) -> impl FnOnce(&mut CloudRequest) {
    move |request| {
        request.headers_mut().remove(name);
    }
}

#[test]
fn an_acs3_request_that_lacks_something_is_refused() {
    assert_eq!(after_change(remove("authorization")), "MissingAccessKeyId");
    assert_eq!(after_change(remove("x-acs-date")), "Missingx-acs-date");
    assert_eq!(after_change(remove("x-acs-signature-nonce")), "MissingSignatureNonce");
    assert_eq!(after_change(remove("x-acs-content-sha256")), "SignatureDoesNotMatch");
    assert_eq!(after_change(remove("x-acs-version")), "MissingVersion");
    assert_eq!(after_change(remove("x-acs-action")), "MissingAction");
}

#[test]
fn the_wrong_words_in_the_authorization_are_refused() {
    assert_eq!(after_change(set("authorization", "acs LTAIpuller:c2ln")), "InvalidSignatureMethod");
    assert_eq!(after_change(set("authorization", "Basic eDp5")), "InvalidSignatureMethod");
    assert_eq!(after_change(set("authorization", "ACS3-HMAC-SHA256 whatever")), "IncompleteSignature");
}

#[test]
fn a_header_that_must_be_signed_and_is_not_is_refused() {
    assert_eq!(after_change(set("x-acs-credentials-provider", "static")), "SignatureDoesNotMatch");
    assert_eq!(after_change(set("content-type", "application/json")), "SignatureDoesNotMatch");
    assert_eq!(after_change(set("host", "127.0.0.1:8080")), "SignatureDoesNotMatch");
}

#[test]
fn a_body_other_than_the_hashed_one_is_refused() {
    let change = |request: &mut CloudRequest| *request.body_mut() = Bytes::from_static(b"x");
    assert_eq!(after_change(change), "SignatureDoesNotMatch");
}

#[test]
fn an_rpc_request_that_lacks_something_is_refused() {
    for name in ["AccessKeyId", "SignatureNonce", "Timestamp", "SignatureMethod", "SignatureVersion"] {
        let found = refusal(&mut cloud(), start(), rpc_login(&[(name, "")]));
        assert_eq!(found, (400, format!("Missing{name}")));
    }
    for (name, value) in [("SignatureMethod", "HMAC-SHA256"), ("SignatureVersion", "2.0")] {
        let found = refusal(&mut cloud(), start(), rpc_login(&[(name, value)]));
        assert_eq!(found, (400, "InvalidSignatureMethod".to_owned()));
    }
    let unsigned = unsigned("POST", CR, "Action=GetAuthorizationToken&Version=2018-12-01&Format=JSON");
    assert_eq!(refusal(&mut cloud(), start(), unsigned), (400, "MissingAccessKeyId".to_owned()));
}

/// Refusals that both schemes share: time, key, token. `build` signs at a time with a key.
fn shared_refusals(build: impl Fn(i64, &Key) -> CloudRequest) {
    let mut cloud = cloud();
    let issued = Key::of(&session(&mut cloud, &[("DurationSeconds", "900")]));
    let other = Key::of(&session(&mut cloud, &[("DurationSeconds", "900")]));
    let with = |change: fn(&mut Key, &Key)| {
        let mut key = issued.clone();
        change(&mut key, &other);
        key
    };
    let puller = Key::puller();
    let user_with_token = Key { token: issued.token.clone(), ..puller.clone() };
    // Time of the server, time in the request, key, expected refusal.
    for (at, sent, key, expected) in [
        (0, -901, &puller, (400, "InvalidTimeStamp.Expired")),
        (0, 901, &puller, (400, "InvalidTimeStamp.Expired")),
        (0, 0, &Key::new("LTAIunknown", "x"), (404, "InvalidAccessKeyId.NotFound")),
        (0, 0, &Key::new("LTAIdisabled", "disabled-secret"), (400, "InvalidAccessKeyId.Inactive")),
        (0, 0, &Key::new("LTAIpuller", "wrong"), (400, "SignatureDoesNotMatch")),
        (0, 0, &with(|key, _| key.token = None), (400, "MissingSecurityToken")),
        (0, 0, &with(|key, _| key.token = Some("bm8=".into())), (400, "InvalidSecurityToken.Malformed")),
        (
            0,
            0,
            &with(|key, other| key.token.clone_from(&other.token)),
            (400, "InvalidSecurityToken.MismatchWithAccessKey"),
        ),
        (0, 0, &with(|key, _| key.secret = "wrong".into()), (400, "SignatureDoesNotMatch")),
        (0, 0, &user_with_token, (400, "InvalidSecurityToken.MismatchWithAccessKey")),
        (900, 900, &issued, (400, "InvalidSecurityToken.Expired")),
    ] {
        let (status, code) = refusal(&mut cloud.clone(), after(at), build(sent, key));
        assert_eq!((status, code.as_str()), expected, "{at} {sent} {}", key.id);
    }
    for (at, sent, key) in [(0, -900, &puller), (0, 900, &puller), (899, 899, &issued)] {
        let (status, body) = ask(&mut cloud.clone(), after(at), build(sent, key));
        assert_eq!(status, 200, "{at} {sent} {}: {body}", key.id);
    }
    let (status, _) = ask(&mut cloud, start(), build(0, &puller));
    assert_eq!(status, 200);
    let replayed = refusal(&mut cloud, after(900), build(0, &puller));
    assert_eq!(replayed, (400, "SignatureNonceUsed".to_owned()));
    let replayed = refusal(&mut cloud, after(0), build(0, &puller));
    assert_eq!(replayed, (400, "SignatureNonceUsed".to_owned()), "the clock went back");
    assert_eq!(ask(&mut cloud, after(1), build(1, &puller)).0, 200, "a new nonce is taken");
}

#[test]
fn acs3_refuses_wrong_times_keys_and_tokens() {
    shared_refusals(|time, key| login().by(key).at(after(time)).build());
}

#[test]
fn rpc_refuses_wrong_times_keys_and_tokens() {
    shared_refusals(|time, key| {
        let pairs = [("Action", "GetAuthorizationToken"), ("InstanceId", INSTANCE)];
        rpc_request("POST", CR, key, after(time), &pairs)
    });
}

#[test]
fn a_time_of_another_form_is_refused() {
    for time in ["2026-11-21 10:00:00", "2026-11-21T10:00:00+00:00", "2026-11-21T10:00:00.000Z", "now"] {
        let found = refusal(&mut cloud(), start(), rpc_login(&[("Timestamp", time)]));
        assert_eq!(found, (400, "InvalidTimeStamp.Format".to_owned()), "{time}");
    }
}

#[test]
fn a_wrong_signature_is_answered_with_the_string_that_the_server_signs() {
    let wrong = Key::new("LTAIpuller", "wrong");
    let request = login().by(&wrong).build();
    let (_, body) = ask(&mut cloud(), start(), request);
    let message = body["Message"].as_str().unwrap();
    let (_, text) = message.split_once("server string to sign is:").unwrap();
    assert!(text.starts_with("ACS3-HMAC-SHA256\n") && text.len() == 17 + 64, "{text}");

    let pairs = [("Action", "GetAuthorizationToken"), ("InstanceId", INSTANCE)];
    let request = rpc_request("GET", CR, &wrong, start(), &pairs);
    let (_, body) = ask(&mut cloud(), start(), request);
    let message = body["Message"].as_str().unwrap();
    assert!(message.contains("server string to sign is:GET&%2F&AccessKeyId%3DLTAIpuller%26Action%3D"));
}

#[test]
fn a_key_that_was_disabled_stops_working_and_works_again() {
    use crate::description::KeyStatus::{Active, Inactive};
    let mut cloud = cloud();
    let mut status_after = |second, status| {
        let access_key_id = "LTAIpuller".to_owned();
        cloud.mutate(Mutation::SetKeyStatus { access_key_id, status }).unwrap();
        ask(&mut cloud, after(second), login().at(after(second)).build()).0
    };
    assert_eq!(status_after(0, Inactive), 400);
    assert_eq!(status_after(1, Active), 200);
}

#[test]
fn without_a_host_header_the_host_of_the_address_is_signed() {
    let mut request = login().build();
    request.headers_mut().remove("host");
    assert_eq!(ask(&mut cloud(), start(), request).0, 200);
}

#[test]
fn the_host_header_is_verified_as_received() {
    // As behind a forwarder: meant for one host, signed for the address that the client really called.
    let mut request = Acs3 { host: "127.0.0.1:40123", ..login() }.build();
    *request.uri_mut() = format!("https://{CR}/?InstanceId={INSTANCE}").parse().unwrap();
    assert_eq!(ask(&mut cloud(), start(), request).0, 200);
}

#[test]
fn further_headers_may_be_signed() {
    let mut acs3 = login();
    acs3.more.push(("x-acs-credentials-provider", "static_ak"));
    acs3.more.push(("content-type", "application/json"));
    assert_eq!(ask(&mut cloud(), start(), acs3.build()).0, 200);
}

#[test]
fn parameters_may_stand_in_a_hashed_form() {
    let mut acs3 = Acs3 { query: Vec::new(), body: "InstanceId=cri-acme0000000000", ..login() };
    acs3.more.push(("content-type", "application/x-www-form-urlencoded"));
    assert_eq!(ask(&mut cloud(), start(), acs3.build()).0, 200);
}

/// Changes one byte of a text; `None` when the position does not exist or nothing changes.
fn with_byte(text: &str, position: usize, byte: u8) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let place = bytes.get_mut(position)?;
    if *place == byte {
        return None;
    }
    *place = byte;
    String::from_utf8(bytes).ok()
}

/// The request with one byte of its query, of a signed header or of the authorization changed.
fn changed_acs3(part: usize, position: usize, byte: u8) -> Option<CloudRequest> {
    let mut cloud = cloud();
    let key = Key::of(&session(&mut cloud, &[]));
    let mut request = login().by(&key).build();
    let names: BTreeSet<String> = request
        .headers()
        .keys()
        .map(|name| name.as_str().to_owned())
        .filter(|name| name.starts_with("x-acs-") || name == "host" || name == "authorization")
        .collect();
    let Some(name) = names.iter().nth(part) else {
        let query = request.uri().query()?.to_owned();
        let changed = with_byte(&query, position % query.len(), byte)?;
        let same = Parameters::parse(&[&query]) == Parameters::parse(&[&changed]);
        *request.uri_mut() = format!("https://{CR}/?{changed}").parse().ok()?;
        return (!same).then_some(request);
    };
    let name: HeaderName = name.parse().ok()?;
    let value = request.headers().get(&name)?.to_str().ok()?.to_owned();
    let changed = with_byte(&value, position % value.len(), byte)?;
    let same = changed.trim() == value;
    request.headers_mut().insert(name, HeaderValue::from_str(&changed).ok()?);
    (!same).then_some(request)
}

proptest! {
    #[test]
    fn any_changed_byte_of_an_acs3_request_is_refused(part in 0_usize..12, position: usize, byte in b' '..=b'~') {
        if let Some(request) = changed_acs3(part, position, byte) {
            let mut cloud = cloud();
            session(&mut cloud, &[]);
            let (status, body) = ask(&mut cloud, start(), request);
            prop_assert!(status >= 400, "{}", body);
        }
    }

    #[test]
    fn any_changed_byte_of_an_rpc_request_is_refused(position: usize, byte in b' '..=b'~') {
        let mut request = rpc_login(&[]);
        let form = String::from_utf8(request.body().to_vec()).unwrap();
        if let Some(changed) = with_byte(&form, position % form.len(), byte)
            && Parameters::parse(&[&form]) != Parameters::parse(&[&changed])
        {
            *request.body_mut() = Bytes::from(changed);
            let (status, body) = ask(&mut cloud(), start(), request);
            prop_assert!(status >= 400, "{}", body);
        }
    }
}
