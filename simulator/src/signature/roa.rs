//! ROA-HMAC-SHA1 (`Authorization: acs <AccessKeyId>:<signature>`): method, some headers, and the path with its query.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;

use crate::parameters::Parameters;

/// How the `Authorization` header begins.
pub(crate) const SCHEME: &str = "acs ";

/// Method, `Accept`, `Content-MD5`, `Content-Type` and `Date` (an absent one leaves its line empty), every `x-acs-*`
/// header sorted by name, then the path with its query, whose values are not encoded.
pub(crate) fn string_to_sign(method: &str, headers: &HeaderMap, path: &str, query: &Parameters) -> String {
    let value = |name: &str| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        values.collect::<Vec<_>>().join(",")
    };
    let mut text = format!("{method}\n");
    for name in ["accept", "content-md5", "content-type", "date"] {
        text.extend([value(name).as_str(), "\n"]);
    }
    let mut names: Vec<&str> =
        headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-acs-")).collect();
    names.sort_unstable();
    for name in names {
        text.extend([name, ":", value(name).as_str(), "\n"]);
    }
    text.push_str(path);
    for (index, (name, value)) in query.iter().enumerate() {
        text.extend([if index == 0 { "?" } else { "&" }, name]);
        if !value.is_empty() {
            text.extend(["=", value]);
        }
    }
    text
}

/// The base64 signature of a text under a secret.
pub(crate) fn signature(string_to_sign: &str, secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, string_to_sign.as_bytes()).as_ref())
}
