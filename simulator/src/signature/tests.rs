//! The published and derived test vectors of the signatures.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::acs3::{self, Authorization, Signed};
use super::{roa, rpc};
use crate::parameters::Parameters;

fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    let text: Vec<String> = pairs
        .iter()
        .map(|(name, value)| {
            format!("{}={}", crate::encoding::percent_encode(name), crate::encoding::percent_encode(value))
        })
        .collect();
    Parameters::parse(&[&text.join("&")]).unwrap()
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    map
}

const EMPTY_HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Hash of the canonical request and signature of one request.
fn acs3_of(
    host: &str,
    query: &[(&str, &str)],
    sent: &[(&'static str, &'static str)],
    secret: &str,
) -> (String, String) {
    let query = parameters(query);
    let headers = acs3::canonical_headers(&headers(sent), host, "");
    let signed =
        Signed { method: "POST", path: "/", query: &query, headers: &headers, payload_hash: EMPTY_HASH };
    (acs3::sha256(signed.canonical_request().as_bytes()), signed.signature(secret))
}

#[test]
fn an_authorization_of_any_other_form_is_not_read() {
    for header in [
        "",
        "ACS3-HMAC-SHA256",
        "ACS3-HMAC-SHA256 Credential=a, SignedHeaders=host,Signature=b",
        "ACS3-HMAC-SHA256 SignedHeaders=host,Credential=a,Signature=b",
        "ACS3-HMAC-SHA256 Credential=,SignedHeaders=host,Signature=b",
        "ACS3-HMAC-SHA256  Credential=a,SignedHeaders=host,Signature=b",
        "acs a:b",
    ] {
        assert!(Authorization::parse(header).is_none(), "{header}");
    }
    let read = Authorization::parse("ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=b").unwrap();
    assert_eq!((read.access_key_id, read.signed_headers, read.signature), ("a", "host", "b"));
}

/// The vectors of section 4.5 of the statements that were collected, published and derived.
mod section_4_5 {
    use super::*;

    #[test]
    fn acs3_agrees_with_the_official_example() {
        let run_instances = |date: &'static str, nonce: &'static str| {
            acs3_of(
                "ecs.cn-shanghai.aliyuncs.com",
                &[
                    ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"),
                    ("RegionId", "cn-shanghai"),
                ],
                &[
                    ("x-acs-action", "RunInstances"),
                    ("x-acs-version", "2014-05-26"),
                    ("x-acs-date", date),
                    ("x-acs-signature-nonce", nonce),
                    ("x-acs-content-sha256", EMPTY_HASH),
                ],
                "YourAccessKeySecret",
            )
        };
        let (hash, signature) = run_instances("2023-10-26T10:22:32Z", "3156853299f313e23d1673dc12e1703d");
        assert_eq!(hash, "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259");
        assert_eq!(signature, "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0");
        let (_, second) = run_instances("2023-10-26T09:01:01Z", "d410180a5abf7fe235dd9b74aca91fc0");
        assert_eq!(second, "e521358f7776c97df52e6b2891a8bc73026794a071b50c3323388c4e0df64804");
    }

    #[test]
    fn acs3_agrees_with_the_sdk_example_of_repeated_headers_and_empty_values() {
        let query = parameters(&[("test", "ok"), ("empty", "")]);
        let mut headers =
            acs3::canonical_headers(&headers(&[("x-acs-test", "https"), ("x-acs-test", "http")]), "any", "");
        headers.retain(|(name, _)| name != "host");
        let signed = Signed {
            method: "",
            path: "",
            query: &query,
            headers: &headers,
            payload_hash: "55e12e91650d2fec56ec74e1d3e4ddbfce2ef3a65890c2a19ecf88a307e76a23",
        };
        assert_eq!(signed.header_names(), "x-acs-test");
        assert_eq!(
            signed.signature("secret"),
            "4ab59fffe3c5738ff8a2729f90cc04fe18b02a4b15b2102cbaf92f9ff3df2ea3"
        );
    }

    #[test]
    fn acs3_agrees_with_the_derived_example_for_a_login_with_and_without_a_security_token() {
        let plain = [
            ("x-acs-action", "GetAuthorizationToken"),
            ("x-acs-version", "2018-12-01"),
            ("x-acs-date", "2026-01-02T03:04:05Z"),
            ("x-acs-signature-nonce", "0123456789abcdef0123456789abcdef"),
            ("x-acs-content-sha256", EMPTY_HASH),
        ];
        let mut with_token = plain.to_vec();
        with_token.push(("x-acs-accesskey-id", "STS.TestKeyId"));
        with_token.push(("x-acs-security-token", "TestSecurityToken=="));
        let sign = |sent: &[(&'static str, &'static str)]| {
            acs3_of(
                "cr.cn-hangzhou.aliyuncs.com",
                &[("InstanceId", "cri-test0123456789")],
                sent,
                "TestSecret",
            )
        };
        let (hash, signature) = sign(&with_token);
        assert_eq!(hash, "a959f5f46c9f53dd813b3dc9b14099371c2c152fe0022edaca7564e4e26a86e5");
        assert_eq!(signature, "74eec43b98436b414c7a18e42c6235566b229dff2c7534edd77c7292982cc493");
        assert_eq!(sign(&plain).1, "ea6d3d33b5193337e54f873cfc2b6e3ea022bcc24a53d97602a624ce012629bc");
    }

    #[test]
    fn rpc_agrees_with_the_published_examples() {
        let documented = parameters(&[
            ("AccessKeyId", "testid"),
            ("Action", "DescribeRegions"),
            ("Format", "XML"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"),
            ("SignatureVersion", "1.0"),
            ("Timestamp", "2016-02-23T12:46:24Z"),
            ("Version", "2014-05-26"),
        ]);
        assert_eq!(rpc::signature("GET", &documented, "testsecret"), "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
        let one = parameters(&[("test", "ok")]);
        assert_eq!(rpc::signature("", &one, "accessKeySecret"), "jHx/oHoHNrbVfhncHEvPdHXZwHU=");
        let sdk = [
            ("AccessKeyId", "accessKeyId"),
            ("Action", ""),
            ("Format", "JSON"),
            ("RegionId", "regionId"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", "MOCK_UUID"),
            ("SignatureType", ""),
            ("SignatureVersion", "1.0"),
            ("Timestamp", "mock date"),
            ("Version", ""),
        ];
        assert_eq!(
            rpc::signature("GET", &parameters(&sdk), "accessKeySecret"),
            "7loPmFjvDnzOVnQeQNj85S6nFGY="
        );
        let mut with_token = sdk.to_vec();
        with_token.push(("SecurityToken", "accessKeyStsToken"));
        assert_eq!(
            rpc::signature("GET", &parameters(&with_token), "accessKeySecret"),
            "5Nxdcler+ihqWqv0Hr2On4PsBf4="
        );
    }

    #[test]
    fn rpc_agrees_with_the_derived_example_of_assume_role() {
        let common = [
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
        let mut user = common.to_vec();
        user.push(("AccessKeyId", "LTAITestKeyId"));
        assert_eq!(rpc::signature("POST", &parameters(&user), "TestSecret"), "k7TRTDwSmgGE6iAAnZMG3yZuWpI=");
        let mut session = common.to_vec();
        session.push(("AccessKeyId", "STS.TestKeyId"));
        session.push(("SecurityToken", "TestSecurityToken=="));
        assert_eq!(
            rpc::signature("POST", &parameters(&session), "TestSecret"),
            "UIgmuLV8tX6DkxNYyTd2ObLinA0="
        );
    }

    #[test]
    fn roa_agrees_with_the_published_examples() {
        let sign = |accept: &'static str, md5: &'static str, content: &'static str| {
            let sent = [
                ("accept", accept),
                ("content-md5", md5),
                ("content-type", content),
                ("date", "mock date"),
                ("x-acs-credentials-provider", "static_ak"),
                ("x-acs-signature-method", "HMAC-SHA1"),
                ("x-acs-signature-version", "1.0"),
                ("x-acs-version", ""),
            ];
            let text = roa::string_to_sign("GET", &headers(&sent), "/users/:user", &parameters(&[]));
            roa::signature(&text, "accessKeySecret")
        };
        let bytes = sign("application/json", "1B2M2Y8AsgTpgAmY7PhCfg==", "application/octet-stream");
        assert_eq!(bytes, "PPPSwv0LPoLvg6rGxp7dd4uPESo=");
        // MD5 of `key=value`.
        let form = sign("application/xml", "7xdqbEJPlU+kLUzeA5SYlw==", "application/x-www-form-urlencoded");
        assert_eq!(form, "X/tjQCOP4ZMCzQ1I1IdCra3byPA=");
    }

    #[test]
    fn roa_agrees_with_the_derived_example_of_a_personal_login() {
        let sent = [
            ("accept", "application/json"),
            ("date", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("x-acs-accesskey-id", "STS.TestKeyId"),
            ("x-acs-action", "GetAuthorizationToken"),
            ("x-acs-security-token", "TestSecurityToken=="),
            ("x-acs-signature-method", "HMAC-SHA1"),
            ("x-acs-signature-nonce", "0123456789abcdef0123456789abcdef"),
            ("x-acs-signature-version", "1.0"),
            ("x-acs-version", "2016-06-07"),
        ];
        let text = roa::string_to_sign("GET", &headers(&sent), "/tokens", &parameters(&[]));
        assert_eq!(roa::signature(&text, "TestSecret"), "yYu/cwjkp/rOmCrLZ9+iNJna7bU=");
    }
}

#[test]
fn a_roa_query_is_signed_sorted_and_not_encoded() {
    let query = parameters(&[("b", "x y"), ("a", "1"), ("empty", "")]);
    let text = roa::string_to_sign("GET", &headers(&[]), "/repos", &query);
    assert_eq!(text, "GET\n\n\n\n\n/repos?a=1&b=x y&empty");
}
