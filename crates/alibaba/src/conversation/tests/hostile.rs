//! Whatever a server may send: secrets repeated, and nonsense.

use proptest::prelude::*;

use super::*;

#[test]
fn no_secret_is_in_a_failure_even_if_the_server_repeats_it_everywhere() {
    let secrets_of = |call: &Call| match call {
        Call::Region { .. } | Call::WorkerRole { .. } => &["node-token"][..],
        Call::AssumeRoleWithOidc { .. } => &["TestClaims"],
        _ => &["STS.TestKeyId", "TestSecret", "TestSecurityToken"],
    };
    let echo = "STS.TestKeyId TestSecret TestSecurityToken== TestSecurityToken%3D%3D TestSecurityToken%253D%253D \
                header.TestClaims.signature node-token";
    for word in echo.split(' ').chain([echo]) {
        for status in [200, 302, 400, 401, 403, 404, 500] {
            for body in [
                format!(r#"{{"Code":"{word}","Message":"m {word}","RequestId":"{word}","IsSuccess":false}}"#),
                format!(r#"{{"Code":"c","AccessDeniedDetail":{{"AuthAction":"{word}"}}}}"#),
                format!(
                    "<Error><Code>{word}</Code><Message>{word}</Message><RequestId>{word}</RequestId></Error>"
                ),
                format!(
                    r#"{{"IsSuccess":true,"TempUsername":"{word}","AuthorizationToken":"{word}","ExpireTime":"{word}"}}"#
                ),
                format!(r#"{{"Credentials":"{word}"}}"#),
                word.to_owned(),
            ] {
                for mut conversation in all() {
                    conversation.receive(Ok(answer(200, "node-token")));
                    if matches!(conversation.stage, Stage::Done(_)) {
                        // Not a call of the metadata service.
                        conversation.stage = Stage::First;
                    }
                    for _ in 0..2 {
                        conversation.receive(Ok(answer(status, body.clone())));
                    }
                    let Stage::Done(Answer { outcome: Err(failure), .. }) = &conversation.stage else {
                        continue;
                    };
                    let shown = format!("{failure} {failure:?}");
                    let leaked =
                        secrets_of(&conversation.call).iter().find(|secret| shown.contains(**secret));
                    assert_eq!(leaked, None, "{shown}");
                }
            }
        }
    }
}

#[test]
fn a_request_is_not_printed_with_its_body_or_signature() {
    for mut conversation in all() {
        let printed = format!("{:?} {conversation:?}", conversation.step(STAMP));
        for secret in ["TestClaims", "TestSecret", "TestSecurityToken", "Signature="] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}

fn documents() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        Just("1767326645000".to_owned()),
        "[ -~]{0,8}".prop_map(|text| format!("{text:?}")),
        Just("\"2026-01-02T04:04:05Z\"".to_owned()),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let name = prop_oneof![
            Just("Code"),
            Just("code"),
            Just("Message"),
            Just("IsSuccess"),
            Just("TempUsername"),
            Just("AuthorizationToken"),
            Just("ExpireTime"),
            Just("Endpoints"),
            Just("Domains"),
            Just("Domain"),
            Just("Enable"),
            Just("Status"),
            Just("Credentials"),
            Just("AccessKeyId"),
            Just("AccessKeySecret"),
            Just("SecurityToken"),
            Just("Expiration"),
            Just("AssumedRoleUser"),
            Just("AccessDeniedDetail"),
            Just("data"),
            Just("tempUserName"),
            Just("authorizationToken"),
            Just("expireDate"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((name, inner), 0..8).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_answer_makes_a_conversation_panic_or_run_on(
        exchanges in prop::collection::vec(
            (100u16..600, prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                documents().prop_map(String::into_bytes),
                "[a-zA-Z<>/\\-]{0,12}".prop_map(String::into_bytes),
            ], prop::collection::vec(any::<u8>().prop_filter("header", |byte| *byte >= 32 && *byte != 127), 0..12)),
            3,
        ),
        wall in any::<i64>(),
        nonce in any::<u128>(),
    ) {
        let stamp = Stamp { wall: UnixMillis(wall), nonce };
        for mut conversation in all() {
            for (status, body, header) in &exchanges {
                conversation.step(stamp);
                let mut response = Response::builder().status(*status).body(Bytes::from(body.clone())).unwrap();
                for name in ["date", "retry-after", "x-ratelimit-user", "x-acs-request-id"] {
                    let value = http::HeaderValue::from_bytes(header).unwrap();
                    response.headers_mut().insert(name, value);
                }
                conversation.receive(Ok(response));
            }
            prop_assert!(matches!(conversation.step(stamp), Step::Done(_)));
        }
    }
}
