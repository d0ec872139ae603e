//! The signature ACS3-HMAC-SHA256 of a request without a body
//! (<https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature>).

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// Lower-case hex SHA-256 of no bytes: `x-acs-content-sha256` of a request without a body.
pub(crate) const EMPTY_PAYLOAD_SHA256: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The parts of a request that are signed.
pub(crate) struct Canonical<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Encoded path as it goes over the wire.
    pub path: &'a str,
    /// Encoded query, its pairs sorted by name.
    pub query: &'a str,
    /// `host`, `content-type` where there is one, and every `x-acs-*` header: lower-case names, sorted.
    pub headers: &'a [(&'a str, &'a str)],
    /// Lower-case hex SHA-256 of the body.
    pub payload_sha256: &'a str,
}

impl Canonical<'_> {
    /// The value of the `Authorization` header.
    pub(crate) fn authorization(&self, key_id: &SecretString, key_secret: &SecretString) -> String {
        let signed = self.signed_headers();
        let key = hmac::Key::new(hmac::HMAC_SHA256, key_secret.expose_secret().as_bytes());
        let signature = hmac::sign(&key, format!("{ALGORITHM}\n{}", self.digest()).as_bytes());
        format!(
            "{ALGORITHM} Credential={},SignedHeaders={signed},Signature={}",
            key_id.expose_secret(),
            hex(signature.as_ref())
        )
    }

    /// Hex SHA-256 of the canonical request. The request is never one text: it holds the security token.
    fn digest(&self) -> String {
        let mut sha256 = Context::new(&SHA256);
        let mut add = |texts: &[&str]| texts.iter().for_each(|text| sha256.update(text.as_bytes()));
        add(&[self.method, "\n", self.path, "\n", self.query, "\n"]);
        for (name, value) in self.headers {
            add(&[name, ":", value.trim(), "\n"]);
        }
        add(&["\n", &self.signed_headers(), "\n", self.payload_sha256]);
        hex(sha256.finish().as_ref())
    }

    fn signed_headers(&self) -> String {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        names.join(";")
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(authorization: &str) -> &str {
        authorization.rsplit_once("Signature=").unwrap().1
    }

    fn documented<'a>(headers: &'a [(&'a str, &'a str)]) -> Canonical<'a> {
        Canonical {
            method: "POST",
            path: "/",
            query: "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai",
            headers,
            payload_sha256: EMPTY_PAYLOAD_SHA256,
        }
    }

    fn documented_headers<'a>(date: &'a str, nonce: &'a str) -> [(&'a str, &'a str); 6] {
        [
            ("host", "ecs.cn-shanghai.aliyuncs.com"),
            ("x-acs-action", "RunInstances"),
            ("x-acs-content-sha256", EMPTY_PAYLOAD_SHA256),
            ("x-acs-date", date),
            ("x-acs-signature-nonce", nonce),
            ("x-acs-version", "2014-05-26"),
        ]
    }

    #[test]
    fn section_4_5_the_vector_of_the_documentation() {
        let headers = documented_headers("2023-10-26T10:22:32Z", "3156853299f313e23d1673dc12e1703d");
        let canonical = documented(&headers);
        assert_eq!(canonical.digest(), "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259");
        assert_eq!(
            canonical.authorization(&"YourAccessKeyId".into(), &"YourAccessKeySecret".into()),
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,\
             SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,\
             Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        );
    }

    #[test]
    fn section_4_5_the_second_vector_of_the_documentation() {
        let headers = documented_headers("2023-10-26T09:01:01Z", "d410180a5abf7fe235dd9b74aca91fc0");
        let authorization =
            documented(&headers).authorization(&"YourAccessKeyId".into(), &"YourAccessKeySecret".into());
        assert_eq!(
            signature(&authorization),
            "e521358f7776c97df52e6b2891a8bc73026794a071b50c3323388c4e0df64804"
        );
    }

    #[test]
    fn section_4_5_the_vector_of_the_official_sdk() {
        let canonical = Canonical {
            method: "",
            path: "/",
            query: "empty=&test=ok",
            headers: &[("x-acs-test", "http,https")],
            payload_sha256: "55e12e91650d2fec56ec74e1d3e4ddbfce2ef3a65890c2a19ecf88a307e76a23",
        };
        assert_eq!(
            canonical.authorization(&"acesskey".into(), &"secret".into()),
            "ACS3-HMAC-SHA256 Credential=acesskey,SignedHeaders=x-acs-test,\
             Signature=4ab59fffe3c5738ff8a2729f90cc04fe18b02a4b15b2102cbaf92f9ff3df2ea3"
        );
    }
}
