//! An issuer of OIDC tokens as a cluster has one, for tests and histories that run without an API server.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::description::{Jwk, Jwks};
use crate::signing_key::SigningKeyError;

/// An issuer of service account tokens that signs with ES256 (quick to make and to sign with).
pub struct Issuer {
    url: String,
    pair: EcdsaKeyPair,
}

impl Issuer {
    /// The id of the only key.
    pub const KEY_ID: &'static str = "issuer-key";

    /// An issuer with a fresh key.
    pub fn new(url: impl Into<String>) -> Result<Self, SigningKeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Ok(Self { url: url.into(), pair: pair.map_err(|_| SigningKeyError::Generate)? })
    }

    /// The issuer URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The public key, for the description or [`crate::Mutation::SetIssuerKeys`].
    pub fn jwks(&self) -> Jwks {
        // Uncompressed point: 4, then x and y of 32 bytes each.
        let point = self.pair.public_key().as_ref();
        let coordinates = point.get(1..).and_then(|rest| rest.split_at_checked(32)).unwrap_or_default();
        Jwks {
            keys: vec![Jwk {
                kty: "EC".to_owned(),
                kid: Self::KEY_ID.to_owned(),
                alg: Some("ES256".to_owned()),
                usage: Some("sig".to_owned()),
                crv: Some("P-256".to_owned()),
                x: Some(URL_SAFE_NO_PAD.encode(coordinates.0)),
                y: Some(URL_SAFE_NO_PAD.encode(coordinates.1)),
                ..Jwk::default()
            }],
        }
    }

    /// A token for a subject (`system:serviceaccount:<namespace>:<name>`), valid from `issued` to `expires`, both in
    /// seconds of Unix time.
    pub fn token(
        &self,
        subject: &str,
        audience: &str,
        issued: i64,
        expires: i64,
    ) -> Result<String, SigningKeyError> {
        self.sign(&json!({
            "iss": self.url,
            "sub": subject,
            "aud": [audience],
            "iat": issued,
            "nbf": issued,
            "exp": expires,
        }))
    }

    /// A token with any claims.
    pub fn sign(&self, claims: &Value) -> Result<String, SigningKeyError> {
        let header = json!({ "alg": "ES256", "kid": Self::KEY_ID });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.map_err(|_| SigningKeyError::Generate)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Issuer").field("url", &self.url).finish_non_exhaustive()
    }
}
