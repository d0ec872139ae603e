//! ServiceAccount tokens of the cluster, signed once per process: signing one per question would cost too much.

use std::sync::LazyLock;

use acr_simulator::Jwks;
use acr_simulator::description::Jwk;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::estate::ISSUER;

/// The tokens of the component's ServiceAccount, and the keys that prove them.
///
/// The key is a fresh one in every process: nothing of a history depends on its bytes.
#[derive(Debug)]
pub(super) struct Tokens {
    /// The issuer's public keys.
    pub(super) jwks: Jwks,
    /// A token that outlives every history.
    pub(super) fresh: String,
    /// A token that has expired.
    pub(super) stale: String,
}

/// The tokens of this process; `None` where the system cannot make a key.
pub(super) static TOKENS: LazyLock<Option<Tokens>> = LazyLock::new(make);

const KEY_ID: &str = "histories";

fn make() -> Option<Tokens> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
    let point = pair.public_key().as_ref();
    let coordinate = |range| Some(URL_SAFE_NO_PAD.encode(point.get(range)?));
    let key = Jwk {
        kty: "EC".to_owned(),
        kid: KEY_ID.to_owned(),
        alg: Some("ES256".to_owned()),
        crv: Some("P-256".to_owned()),
        x: Some(coordinate(1..33)?),
        y: Some(coordinate(33..65)?),
        ..Jwk::default()
    };
    Some(Tokens {
        jwks: Jwks { keys: vec![key] },
        fresh: token(&pair, 4_000_000_000)?,
        stale: token(&pair, 1_000_000_000)?,
    })
}

fn token(pair: &EcdsaKeyPair, expires: i64) -> Option<String> {
    let header = json!({ "alg": "ES256", "kid": KEY_ID });
    let claims = json!({
        "iss": ISSUER,
        "sub": "system:serviceaccount:kube-system:aliyun-acr-credential-helper",
        "aud": ["sts.aliyuncs.com"],
        "exp": expires,
        "iat": 900_000_000,
    });
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
}
