//! The signature RPC-HMAC-SHA1 (`SignatureVersion=1.0`) of a request by POST to `/`
//! (<https://www.alibabacloud.com/help/en/sdk/product-overview/rpc-mechanism>).

use acr_credentials::uri_encoding::{encode_into, encode_pairs};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// The value of the parameter `Signature`: over all other parameters of query and form, sorted by name.
pub(crate) fn signature(parameters: &[(&str, &str)], key_secret: &SecretString) -> String {
    // The parameters may hold a security token, so no copy of them stays in memory.
    let pairs = Zeroizing::new(encode_pairs(parameters));
    let mut encoded = Zeroizing::new(String::with_capacity(pairs.len() * 3));
    encode_into(&mut encoded, &pairs);
    let secret = key_secret.expose_secret();
    let mut key = Zeroizing::new(String::with_capacity(secret.len() + 1));
    key.push_str(secret);
    key.push('&');
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    let mut hmac = hmac::Context::with_key(&key);
    // `%2F` is the path `/`, whatever a proxy in between puts before it.
    hmac.update(b"POST&%2F&");
    hmac.update(encoded.as_bytes());
    STANDARD.encode(hmac.sign().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: [(&str, &str); 10] = [
        ("Action", "AssumeRole"),
        ("DurationSeconds", "3600"),
        ("Format", "JSON"),
        ("RoleArn", "acs:ram::123456789012:role/acr-puller"),
        ("RoleSessionName", "alice@dev"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureNonce", "0123456789abcdef0123456789abcdef"),
        ("SignatureVersion", "1.0"),
        ("Timestamp", "2026-01-02T03:04:05Z"),
        ("Version", "2015-04-01"),
    ];

    fn signed(more: &[(&'static str, &'static str)]) -> String {
        let mut parameters = [COMMON.as_slice(), more].concat();
        parameters.sort_unstable();
        signature(&parameters, &"TestSecret".into())
    }

    #[test]
    fn section_4_5_the_vectors_of_a_user_and_of_a_session() {
        assert_eq!(signed(&[("AccessKeyId", "LTAITestKeyId")]), "k7TRTDwSmgGE6iAAnZMG3yZuWpI=");
        let session = [("AccessKeyId", "STS.TestKeyId"), ("SecurityToken", "TestSecurityToken==")];
        assert_eq!(signed(&session), "UIgmuLV8tX6DkxNYyTd2ObLinA0=");
    }

    #[test]
    fn another_secret_or_parameter_gives_another_signature() {
        let good = signature(&COMMON, &"TestSecret".into());
        assert_ne!(good, signature(&COMMON, &"TestSecret&".into()));
        assert_ne!(good, signature(COMMON.get(1..).unwrap(), &"TestSecret".into()));
    }
}
