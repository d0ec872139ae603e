//! The RSA key that signs registry tokens.

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::description::{Jwk, Jwks};

/// The RSA key that signs registry tokens, with its key id.
pub struct SigningKey {
    pair: RsaKeyPair,
    kid: String,
}

/// Why a signing key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The text is not a PEM block of type `PRIVATE KEY`.
    #[error(
        "the signing key is not a PEM block of type PRIVATE KEY; `openssl genpkey -algorithm RSA` makes one"
    )]
    Pem,
    /// The block does not hold an RSA key.
    #[error("the signing key is not an RSA key of 2048 to 8192 bits in PKCS#8")]
    Rejected,
    /// The system could not make a key.
    #[error("the system could not generate an RSA key")]
    Generate,
}

impl SigningKey {
    /// Makes a fresh key of 2048 bits (takes about a tenth of a second).
    pub fn generate() -> Result<Self, SigningKeyError> {
        RsaKeyPair::generate(KeySize::Rsa2048).map(Self::new).map_err(|_| SigningKeyError::Generate)
    }

    /// Reads a PEM block with a PKCS#8 key.
    pub fn from_pem(text: &str) -> Result<Self, SigningKeyError> {
        let body = text
            .trim()
            .strip_prefix("-----BEGIN PRIVATE KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END PRIVATE KEY-----"))
            .ok_or(SigningKeyError::Pem)?;
        let base64: String = body.split_whitespace().collect();
        let der = STANDARD.decode(base64).map_err(|_| SigningKeyError::Pem)?;
        RsaKeyPair::from_pkcs8(&der).map(Self::new).map_err(|_| SigningKeyError::Rejected)
    }

    fn new(pair: RsaKeyPair) -> Self {
        let kid = key_id(pair.public_key().as_ref());
        Self { pair, kid }
    }

    /// The public half, as the registry's `auth.token.jwks` wants it.
    pub fn jwks(&self) -> Jwks {
        let (modulus, exponent) = components(self.pair.public_key().as_ref()).unwrap_or_default();
        let encode = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
        Jwks {
            keys: vec![Jwk {
                kty: "RSA".to_owned(),
                kid: self.kid.clone(),
                alg: Some("RS256".to_owned()),
                usage: Some("sig".to_owned()),
                n: encode(modulus),
                e: encode(exponent),
                ..Jwk::default()
            }],
        }
    }

    /// A JWT (RS256) with these claims; `None` when signing fails.
    pub(crate) fn jwt(&self, claims: &serde_json::Value) -> Option<String> {
        let header = serde_json::json!({ "typ": "JWT", "alg": "RS256", "kid": self.kid });
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017 A.1.1: a DER sequence of two integers), without leading zeros.
fn components(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = der_value(0x30, der)?;
    let (modulus, rest) = der_value(0x02, sequence)?;
    let (exponent, _) = der_value(0x02, rest)?;
    Some((modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent.strip_prefix(&[0]).unwrap_or(exponent)))
}

/// The content of a DER value of this tag, and what follows it.
fn der_value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = if *length < 0x80 {
        (usize::from(*length), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
        (bytes.iter().fold(0_usize, |sum, byte| sum * 256 + usize::from(*byte)), rest)
    };
    (*first == tag).then(|| rest.split_at_checked(length))?
}

/// A key id in the style of libtrust: base32 of a shortened hash of the public key, in twelve groups of four.
fn key_id(public_key: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, public_key);
    let bits = hash.as_ref().iter().take(30).flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit) & 1));
    let mut text = String::with_capacity(59);
    let (mut value, mut count) = (0_u8, 0_u8);
    for bit in bits {
        value = (value << 1) | bit;
        count += 1;
        if count % 5 == 0 {
            if count > 5 && (count / 5) % 4 == 1 {
                text.push(':');
            }
            text.push(char::from(if value < 26 { b'A' + value } else { b'2' + (value - 26) }));
            value = 0;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};

    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    #[test]
    fn what_is_not_an_rsa_key_in_pkcs8_is_refused() {
        let refusal = |text: &str| SigningKey::from_pem(text).unwrap_err();
        assert!(matches!(refusal(""), SigningKeyError::Pem));
        assert!(matches!(refusal(&pem("RSA PRIVATE KEY", b"x")), SigningKeyError::Pem));
        assert!(matches!(refusal(&pem("PRIVATE KEY", b"x")), SigningKeyError::Rejected));
        assert!(matches!(
            refusal("-----BEGIN PRIVATE KEY-----!-----END PRIVATE KEY-----"),
            SigningKeyError::Pem
        ));
    }

    #[test]
    fn a_key_read_again_has_the_same_public_half_and_id() {
        let key = SigningKey::generate().unwrap();
        let der: Pkcs8V1Der<'_> = key.pair.as_der().unwrap();
        let again = SigningKey::from_pem(&pem("PRIVATE KEY", der.as_ref())).unwrap();
        assert_eq!(key.jwks(), again.jwks());
        let kid = &key.jwks().keys[0].kid;
        let groups: Vec<&str> = kid.split(':').collect();
        assert_eq!(groups.len(), 12, "{kid}");
        let base32 = |c: char| c.is_ascii_uppercase() || ('2'..='7').contains(&c);
        assert!(groups.iter().all(|group| group.len() == 4 && group.chars().all(base32)), "{kid}");
        assert_eq!(key.jwks().keys[0].e.as_deref(), Some("AQAB"));
    }
}
