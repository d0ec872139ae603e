//! OIDC tokens: parsing, signature, issuer, audience and life of a JWT.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256};
use aws_lc_rs::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use crate::answer::ApiError;
use crate::description::{Jwk, Jwks, OneOrMany};

/// How far the clock of an issuer may run ahead, in seconds. Not documented; a minute is what verifiers commonly allow.
const LEEWAY: i64 = 60;

/// The public keys of an issuer, ready to verify with.
#[derive(Clone, Debug, Default)]
pub(crate) struct IssuerKeys(Vec<(String, PublicKey)>);

#[derive(Clone, Debug)]
enum PublicKey {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256 { point: Vec<u8> },
}

/// What a verified token says.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    /// A string or a list of strings (RFC 7519 §4.1.3).
    pub(crate) aud: OneOrMany,
    pub(crate) exp: i64,
    #[serde(default)]
    pub(crate) nbf: Option<i64>,
    #[serde(default)]
    pub(crate) iat: Option<i64>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
}

/// A token whose form is right and whose signature has not been looked at.
pub(crate) struct Unverified<'a> {
    header: Header,
    pub(crate) claims: Claims,
    signed: &'a str,
    signature: Vec<u8>,
}

impl IssuerKeys {
    pub(crate) fn new(set: &Jwks) -> Self {
        Self(set.keys.iter().filter_map(|jwk| Some((jwk.kid.clone(), PublicKey::new(jwk)?))).collect())
    }

    pub(crate) fn knows(&self, kid: &str) -> bool {
        self.0.iter().any(|(known, _)| known == kid)
    }
}

impl PublicKey {
    /// `None` for a key of another type or with a broken value.
    fn new(jwk: &Jwk) -> Option<Self> {
        let bytes = |value: &Option<String>| {
            value.as_deref().and_then(|value| URL_SAFE_NO_PAD.decode(value.trim_end_matches('=')).ok())
        };
        match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Some(Self::Rsa { n: bytes(&jwk.n)?, e: bytes(&jwk.e)? }),
            ("EC", Some("P-256")) => {
                let point = [vec![4], bytes(&jwk.x)?, bytes(&jwk.y)?].concat();
                Some(Self::P256 { point })
            }
            _ => None,
        }
    }

    fn verify(&self, alg: &str, message: &[u8], signature: &[u8]) -> bool {
        match (self, alg) {
            (Self::Rsa { n, e }, "RS256") => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
            (Self::P256 { point }, "ES256") => {
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                key.verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}

impl<'a> Unverified<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, ApiError> {
        let invalid = |message: String| refuse("AuthenticationFail.OIDCToken.Invalid", message);
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else {
            return Err(invalid("Jwt must split in 3 parts by '.'".to_owned()));
        };
        let decode =
            |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| invalid("cannot decode base64".to_owned()));
        let (header, claims_text, signature) = (decode(header)?, decode(claims)?, decode(signature)?);
        let unrecognized = |_| invalid("content cannot be recognized".to_owned());
        let header: Header = serde_json::from_slice(&header).map_err(unrecognized)?;
        if !matches!(header.alg.as_str(), "RS256" | "ES256") {
            return Err(invalid(format!("algorithm {} unknown", header.alg)));
        }
        let claims: Claims = serde_json::from_slice(&claims_text).map_err(unrecognized)?;
        let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
        Ok(Self { header, claims, signed, signature })
    }

    /// The id of the key that must have signed the token.
    pub(crate) fn kid(&self) -> &str {
        self.header.kid.as_deref().unwrap_or_default()
    }

    /// Checks signature, audience and life, in this order.
    pub(crate) fn verify(
        self,
        keys: &IssuerKeys,
        audiences: &[String],
        now: Timestamp,
    ) -> Result<Claims, ApiError> {
        let key = keys.0.iter().find(|(kid, _)| kid == self.kid());
        let genuine =
            key.is_some_and(|(_, key)| key.verify(&self.header.alg, self.signed.as_bytes(), &self.signature));
        if !genuine {
            return Err(refuse(
                "AuthenticationFail.OIDCToken.InvalidSignature",
                "OIDC token validate failed: invalid signature.",
            ));
        }
        let claims = self.claims;
        if !claims.aud.0.iter().any(|audience| audiences.contains(audience)) {
            return Err(refuse("AuthenticationFail.OIDCToken.AudienceNotMatch", "Invalid audience."));
        }
        let now = now.as_second();
        if now >= claims.exp {
            return Err(refuse("AuthenticationFail.OIDCToken.Expired", "This JsonWebToken is expired."));
        }
        let begins = claims.nbf.into_iter().chain(claims.iat).max();
        if begins.is_some_and(|begins| begins > now.saturating_add(LEEWAY)) {
            return Err(refuse(
                "AuthenticationFail.OIDCToken.Invalid",
                "This JsonWebToken is not valid yet.",
            ));
        }
        Ok(claims)
    }
}

/// A refusal of a token; all of them are HTTP 401.
pub(crate) fn refuse(code: &'static str, message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, code, message)
}
