//! RPC-HMAC-SHA1 (`SignatureVersion=1.0`): all parameters but the signature itself, signed with the secret and `&`.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::acs3::canonical_pairs;
use crate::encoding::percent_encode;
use crate::parameters::Parameters;

/// Method, encoded `/` and the twice encoded parameters, joined by `&`. `parameters` must not hold `Signature`.
pub(crate) fn string_to_sign(method: &str, parameters: &Parameters) -> String {
    format!("{method}&%2F&{}", percent_encode(&canonical_pairs(parameters)))
}

/// The base64 signature of these parameters under a secret.
pub(crate) fn signature(method: &str, parameters: &Parameters, secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, format!("{secret}&").as_bytes());
    STANDARD.encode(hmac::sign(&key, string_to_sign(method, parameters).as_bytes()).as_ref())
}
