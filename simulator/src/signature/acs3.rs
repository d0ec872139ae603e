//! ACS3-HMAC-SHA256 ("signature method V3"): canonical request, string to sign, `Authorization` header.

use aws_lc_rs::{digest, hmac};
use http::HeaderMap;

use crate::encoding::{hex, percent_encode};
use crate::parameters::Parameters;

/// The name of the algorithm, first word of the `Authorization` header and first line of the string to sign.
pub(crate) const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// What the `Authorization` header of a request says.
pub(crate) struct Authorization<'a> {
    /// The access key id (`Credential=`).
    pub(crate) access_key_id: &'a str,
    /// The signed header names as sent, joined by `;`.
    pub(crate) signed_headers: &'a str,
    /// The signature as sent, 64 lower-case hexadecimal digits.
    pub(crate) signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads `ACS3-HMAC-SHA256 Credential=…,SignedHeaders=…,Signature=…`; `None` for any other form.
    pub(crate) fn parse(header: &'a str) -> Option<Self> {
        let rest = header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
        let (credential, rest) = rest.strip_prefix("Credential=")?.split_once(',')?;
        let (signed_headers, rest) = rest.strip_prefix("SignedHeaders=")?.split_once(',')?;
        let signature = rest.strip_prefix("Signature=")?;
        let complete = !credential.is_empty() && !signed_headers.is_empty() && !signature.is_empty();
        complete.then_some(Self { access_key_id: credential, signed_headers, signature })
    }
}

/// The parts of a request that ACS3 signs.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a Parameters,
    /// Lower-case names with their canonical values, sorted by name.
    pub(crate) headers: &'a [(String, String)],
    /// Lower-case hexadecimal SHA-256 of the body.
    pub(crate) payload_hash: &'a str,
}

impl Signed<'_> {
    /// The names of the signed headers, joined by `;`.
    pub(crate) fn header_names(&self) -> String {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.join(";")
    }

    /// The text whose hash is signed: method, path, query, headers, header names, payload hash.
    pub(crate) fn canonical_request(&self) -> String {
        let path = if self.path.is_empty() { "/" } else { self.path };
        let mut text = format!("{}\n{path}\n{}\n", self.method, canonical_pairs(self.query));
        for (name, value) in self.headers {
            text.push_str(name);
            text.push(':');
            text.push_str(value);
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.header_names());
        text.push('\n');
        text.push_str(self.payload_hash);
        text
    }

    /// Algorithm and hash of the canonical request.
    pub(crate) fn string_to_sign(&self) -> String {
        format!("{ALGORITHM}\n{}", sha256(self.canonical_request().as_bytes()))
    }

    /// The signature of these parts under a secret.
    pub(crate) fn signature(&self, secret: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        hex(hmac::sign(&key, self.string_to_sign().as_bytes()).as_ref())
    }
}

/// Lower-case hexadecimal SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// `name=value` pairs in byte order of the names, encoded, joined by `&`; an empty value keeps its `=`.
pub(crate) fn canonical_pairs(parameters: &Parameters) -> String {
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)))
        .collect();
    pairs.join("&")
}

/// The headers that a signature has to cover, whether the client named them or not: `host`, `content-type`, every
/// `x-acs-*`, and beyond these whatever the client names in addition. Values are trimmed, repeated ones sorted and
/// joined by `,`.
pub(crate) fn canonical_headers(headers: &HeaderMap, host: &str, named: &str) -> Vec<(String, String)> {
    let mut canonical: Vec<(String, String)> = vec![("host".to_owned(), host.trim().to_owned())];
    for name in headers.keys() {
        let name = name.as_str();
        let required = name == "content-type" || name.starts_with("x-acs-");
        if name == "host" || !(required || named.split(';').any(|listed| listed == name)) {
            continue;
        }
        let mut values: Vec<String> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
            .collect();
        values.sort_unstable();
        canonical.push((name.to_owned(), values.join(",")));
    }
    canonical.sort_unstable();
    canonical
}
