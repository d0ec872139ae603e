//! What goes wrong with every signed call alike: keys, security tokens, times, quotas and permissions.

use serde_json::{Value, json};

use crate::scene::{INSTANCE, Key, PROVIDER, PULLER_OF_B, RRSA_ROLE, Scene};
use crate::{client_exception, raised};

/// A signed call of one of the three SDKs.
#[derive(Clone, Copy, Debug)]
enum Signed {
    AssumeRole,
    GetCallerIdentity,
    GetAuthorizationToken,
    ListInstanceEndpoint,
    PersonalTokens,
}

impl Signed {
    const ALL: [Self; 5] = [
        Self::AssumeRole,
        Self::GetCallerIdentity,
        Self::GetAuthorizationToken,
        Self::ListInstanceEndpoint,
        Self::PersonalTokens,
    ];

    fn by(self, scene: &mut Scene, key: &Key) -> Result<Value, Value> {
        match self {
            Self::AssumeRole => scene.hop(key, PULLER_OF_B),
            Self::GetCallerIdentity => scene.sts("get_caller_identity", key, &Value::Null),
            Self::GetAuthorizationToken => scene.enterprise("get_authorization_token", key, INSTANCE),
            Self::ListInstanceEndpoint => scene.enterprise("list_instance_endpoint", key, INSTANCE),
            Self::PersonalTokens => scene.personal(key),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_signed_call_raises_the_documented_exception_for_keys_and_security_tokens() {
    let mut scene = Scene::begin().await;
    let session = Key::of(&scene.hop(&Key::puller(), PULLER_OF_B).unwrap());
    let other = Key::of(&scene.hop(&Key::puller(), PULLER_OF_B).unwrap());
    // It was asked for ten minutes ago, and ended five minutes from now.
    let ending = scene.session_at(-600);
    for call in Signed::ALL {
        for (what, key, status, code) in [
            ("unknown", Key::new("LTAIunknown", "x"), 404, "InvalidAccessKeyId.NotFound"),
            ("disabled", Key::new("LTAIdisabled", "disabled-secret"), 400, "InvalidAccessKeyId.Inactive"),
            ("wrong secret", Key::new("LTAIpuller", "wrong"), 400, "SignatureDoesNotMatch"),
            (
                "wrong secret of a session",
                Key { secret: "wrong".to_owned(), ..session.clone() },
                400,
                "SignatureDoesNotMatch",
            ),
            ("without its token", Key { token: None, ..session.clone() }, 400, "MissingSecurityToken"),
            (
                "no token at all",
                Key { token: Some("bm8=".to_owned()), ..session.clone() },
                400,
                "InvalidSecurityToken.Malformed",
            ),
            (
                "the token of another session",
                Key { token: other.token.clone(), ..session.clone() },
                400,
                "InvalidSecurityToken.MismatchWithAccessKey",
            ),
        ] {
            let result = call.by(&mut scene, &key);
            assert_eq!(raised(result), client_exception(status, code), "{call:?} {what}");
        }
        scene.fault(json!({ "times": 1, "effect": { "clockSkew": { "seconds": 600 } } }));
        let expired = call.by(&mut scene, &ending);
        assert_eq!(raised(expired), client_exception(400, "InvalidSecurityToken.Expired"), "{call:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_signed_call_raises_the_documented_exception_for_times_throttling_and_permissions() {
    let mut scene = Scene::begin().await;
    for call in Signed::ALL {
        for seconds in [1200, -1200] {
            scene.fault(json!({ "times": 1, "effect": { "clockSkew": { "seconds": seconds } } }));
            let result = call.by(&mut scene, &Key::puller());
            let expected = client_exception(400, "InvalidTimeStamp.Expired");
            assert_eq!(raised(result), expected, "{call:?} {seconds}");
        }
        for code in ["Throttling", "Throttling.User", "Throttling.Api"] {
            scene.fault(json!({ "times": 1, "effect": { "throttle": { "code": code, "timeLeft": 2000 } } }));
            let error = call.by(&mut scene, &Key::puller()).unwrap_err();
            let told = (&error["kind"], &error["code"], &error["retry_after"]);
            assert_eq!(told, (&json!("ThrottlingException"), &json!(code), &json!(2000)), "{call:?}");
        }
        for (status, code) in [(500, "InternalError"), (503, "ServiceUnavailable")] {
            scene.fault(json!({ "times": 1, "effect": { "error": { "status": status, "code": code } } }));
            let expected = ("ServerException".to_owned(), status, code.to_owned());
            assert_eq!(raised(call.by(&mut scene, &Key::puller())), expected, "{call:?}");
        }
        let denied = match call {
            Signed::AssumeRole => Some("NoPermission"),
            // Whoever signs may ask who it is.
            Signed::GetCallerIdentity => None,
            Signed::GetAuthorizationToken | Signed::ListInstanceEndpoint | Signed::PersonalTokens => {
                Some("NoPrivilege")
            }
        };
        let result = call.by(&mut scene, &Key::new("LTAIopener", "opener-secret"));
        match denied {
            Some(code) => assert_eq!(raised(result), client_exception(403, code), "{call:?}"),
            None => assert!(result.is_ok(), "{call:?} {result:?}"),
        }
    }
    // The unsigned call has no key, token or time to be wrong; too many of it are refused as well.
    scene.fault(
        json!({ "times": 1, "effect": { "throttle": { "code": "Throttling.User", "timeLeft": 2000 } } }),
    );
    let request = json!({
        "role_arn": RRSA_ROLE, "role_session_name": "helper", "oidcprovider_arn": PROVIDER, "oidctoken": scene.token(),
    });
    let error = scene.sts("assume_role_with_oidc", &Key::new("", ""), &request).unwrap_err();
    assert_eq!((&error["kind"], &error["code"]), (&json!("ThrottlingException"), &json!("Throttling.User")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_whose_certificate_is_not_trusted_raises_the_documented_exception() {
    let mut scene = Scene::begin().await;
    for (certificate, code) in
        [("unknownAuthority", "HttpsUrlInvalid"), ("otherFingerprint", "PublicKeyFingerprintMismatch")]
    {
        let change = json!({ "setIssuerCertificate": { "provider": PROVIDER, "certificate": certificate } });
        scene.simulator.cloud().mutate(serde_json::from_value(change).unwrap()).unwrap();
        let request = json!({
            "role_arn": RRSA_ROLE, "role_session_name": "helper", "oidcprovider_arn": PROVIDER, "oidctoken": scene.token(),
        });
        let result = scene.sts("assume_role_with_oidc", &Key::new("", ""), &request);
        let expected = client_exception(401, &format!("AuthenticationFail.OIDCToken.{code}"));
        assert_eq!(raised(result), expected);
    }
}
