//! STS 2015-04-01 `AssumeRole`, `AssumeRoleWithOIDC` and `GetCallerIdentity`: encode and decode
//! (<https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerole>,
//! <https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerolewithoidc>,
//! <https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-getcalleridentity>).

use acr_credentials::uri_encoding::encode_pairs;
use acr_credentials::{AccessKey, Reply, UnixMillis};
use bytes::Bytes;
use http::{Method, Request, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::base_url::BaseUrl;
use crate::conversation::Stamp;
use crate::fault::Fault;
use crate::received::{Received, iso_8601};
use crate::rpc;
use crate::secret_member::SecretMember;

const VERSION: &str = "2015-04-01";

/// The parameters of `AssumeRoleWithOIDC`.
pub(crate) struct AssumeRoleWithOidc<'a> {
    pub role_arn: &'a str,
    pub oidc_provider_arn: &'a str,
    pub token: &'a SecretString,
    pub session_name: &'a str,
    pub duration_seconds: u32,
}

impl AssumeRoleWithOidc<'_> {
    /// The request: not signed, and with the token in its body, because URLs end up in logs.
    pub(crate) fn encode(&self, base: &BaseUrl, now: UnixMillis) -> Result<Request<Bytes>, http::Error> {
        let query = encode_pairs(&[
            ("Action", "AssumeRoleWithOIDC"),
            ("Format", "JSON"),
            ("Timestamp", &now.to_string()),
            ("Version", VERSION),
        ]);
        let body = Zeroizing::new(encode_pairs(&[
            ("RoleArn", self.role_arn),
            ("OIDCProviderArn", self.oidc_provider_arn),
            // The projected file may end with a line break.
            ("OIDCToken", self.token.expose_secret().trim()),
            ("RoleSessionName", self.session_name),
            ("DurationSeconds", &self.duration_seconds.to_string()),
        ]));
        form(base, &query, body)
    }
}

/// The parameters of `AssumeRole`.
pub(crate) struct AssumeRole<'a> {
    pub role_arn: &'a str,
    pub session_name: &'a str,
    pub duration_seconds: u32,
    pub external_id: Option<&'a str>,
    pub key: &'a AccessKey,
}

impl AssumeRole<'_> {
    /// The request.
    pub(crate) fn encode(&self, base: &BaseUrl, stamp: Stamp) -> Result<Request<Bytes>, http::Error> {
        let duration = self.duration_seconds.to_string();
        let mut parameters = vec![
            ("DurationSeconds", duration.as_str()),
            ("RoleArn", self.role_arn),
            ("RoleSessionName", self.session_name),
        ];
        parameters.extend(self.external_id.map(|id| ("ExternalId", id)));
        signed(base, "AssumeRole", &parameters, self.key, stamp)
    }
}

/// The request of `GetCallerIdentity`.
pub(crate) fn encode_caller_identity(
    base: &BaseUrl,
    key: &AccessKey,
    stamp: Stamp,
) -> Result<Request<Bytes>, http::Error> {
    signed(base, "GetCallerIdentity", &[], key, stamp)
}

/// A request signed by RPC-HMAC-SHA1. Whatever a log of URLs must not show stands in the form: the gateway takes
/// parameters of query and form as one set.
fn signed<'a>(
    base: &BaseUrl,
    action: &str,
    parameters: &[(&'a str, &'a str)],
    key: &'a AccessKey,
    stamp: Stamp,
) -> Result<Request<Bytes>, http::Error> {
    let query = [("Action", action), ("Format", "JSON"), ("Version", VERSION)];
    let nonce = format!("{:032x}", stamp.nonce);
    let time = stamp.wall.to_string();
    let mut form_pairs = vec![("AccessKeyId", key.id.expose_secret().trim())];
    form_pairs.extend_from_slice(parameters);
    form_pairs.extend([
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureNonce", nonce.as_str()),
        ("SignatureVersion", "1.0"),
        ("Timestamp", time.as_str()),
    ]);
    let token = key.security_token.as_ref();
    form_pairs.extend(token.map(|token| ("SecurityToken", token.expose_secret().trim())));
    let mut all = [query.as_slice(), form_pairs.as_slice()].concat();
    all.sort_unstable();
    let signature = rpc::signature(&all, &key.secret);
    form_pairs.push(("Signature", &signature));
    form(base, &encode_pairs(&query), Zeroizing::new(encode_pairs(&form_pairs)))
}

/// A request by POST with a form as its body.
fn form(base: &BaseUrl, query: &str, body: Zeroizing<String>) -> Result<Request<Bytes>, http::Error> {
    Request::builder()
        .method(Method::POST)
        .uri(base.uri(&base.path("/"), query)?)
        .header(header::HOST, base.host())
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::from_owner(WipedText(body)))
}

/// A body that is wiped from memory with its last reference.
struct WipedText(Zeroizing<String>);

impl AsRef<[u8]> for WipedText {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedRole {
    assumed_role_user: Option<AssumedRoleUser>,
    credentials: Option<Credentials>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedRoleUser {
    arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials {
    access_key_id: SecretMember,
    access_key_secret: SecretMember,
    security_token: SecretMember,
    expiration: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CallerIdentity {
    arn: String,
}

/// Whose key it is.
pub(crate) fn decode_caller_identity(received: &Received<'_>) -> Result<Reply, Fault> {
    if !received.status.is_success() {
        return Err(Fault::from_answer(received));
    }
    match serde_json::from_slice(received.body) {
        Ok(CallerIdentity { arn }) if !arn.is_empty() => Ok(Reply::Identity(arn)),
        _ => Err(Fault::undocumented(received, "the answer is not JSON with Arn")),
    }
}

/// What an answer about a role session says; `role_arn` stands for the session where the answer does not name it.
pub(crate) fn decode(received: &Received<'_>, role_arn: &str) -> Result<Reply, Fault> {
    if !received.status.is_success() {
        return Err(Fault::from_answer(received));
    }
    // The text of a parser's error may quote the document, so it is not passed on.
    let Ok(AssumedRole { assumed_role_user, credentials: Some(credentials) }) =
        serde_json::from_slice(received.body)
    else {
        return Err(Fault::undocumented(received, "the answer is not JSON with Credentials"));
    };
    let principal = assumed_role_user.and_then(|user| user.arn).filter(|arn| !arn.is_empty());
    session(
        received,
        [credentials.access_key_id, credentials.access_key_secret, credentials.security_token],
        &credentials.expiration,
        principal.unwrap_or_else(|| role_arn.to_owned()),
    )
}

/// A role session from its key id, key secret and security token, when all are there and their end makes sense.
pub(crate) fn session(
    received: &Received<'_>,
    [id, secret, token]: [SecretMember; 3],
    expiration: &str,
    principal: String,
) -> Result<Reply, Fault> {
    for (member, name) in [(&id, "AccessKeyId"), (&secret, "AccessKeySecret"), (&token, "SecurityToken")] {
        if member.0.expose_secret().is_empty() {
            return Err(Fault::malformed(format!("the answer lacks {name}")));
        }
    }
    let expires = iso_8601(expiration)
        .ok_or_else(|| Fault::malformed("Expiration is no time such as 2026-01-02T03:04:05Z"))?;
    let expires = received.sane_expiry("Expiration", expires)?;
    Ok(Reply::Credentials {
        key: AccessKey { id: id.0, secret: secret.0, security_token: Some(token.0) },
        expires,
        principal,
    })
}
