//! Where the public keys of an OIDC issuer come from, and the JSON Web Key Set they come as.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the public keys of an OIDC issuer come from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum KeySource {
    /// Handed over later, by the library or by the admin API; until then the issuer's configuration is broken.
    #[default]
    Given,
    /// Written in the description (`kubectl get --raw /openid/v1/jwks` prints such a set).
    Jwks(Jwks),
    /// A file that holds a key set, read when the simulator starts.
    File(PathBuf),
    /// An address that answers with a key set, asked whenever a token names a key that is not known yet.
    Url(KeyUrl),
}

/// What STS thinks of the certificate with which the issuer answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IssuerCertificate {
    /// Its authority is known, and its fingerprint is one of the provider's.
    #[default]
    Trusted,
    /// Its root is not in the list of known authorities: `HttpsUrlInvalid`.
    UnknownAuthority,
    /// Its fingerprint is none of the provider's: `PublicKeyFingerprintMismatch`.
    OtherFingerprint,
}

/// An address that answers with a key set.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyUrl {
    /// `http://…` or `https://…`.
    pub address: String,
    /// PEM file with the authorities to trust; `https` needs it.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// File with a bearer token to send.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

/// A JSON Web Key Set (RFC 7517).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Jwks {
    /// The keys; those of an unknown type are ignored.
    pub keys: Vec<Jwk>,
}

/// A public key of a set: RSA with `n` and `e`, or EC on P-256 with `x` and `y`, all base64url.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Jwk {
    /// `RSA` or `EC`.
    pub kty: String,
    /// The id that a token header names.
    #[serde(default)]
    pub kid: String,
    /// `RS256` or `ES256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// `sig`.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    /// RSA modulus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// RSA exponent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// EC curve, `P-256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// EC point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// EC point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
}
