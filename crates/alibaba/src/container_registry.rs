//! Container Registry: `GetAuthorizationToken` and `ListInstanceEndpoint` of version 2018-12-01, and
//! `GetAuthorizationToken` of the Personal Edition, version 2016-06-07: encode and decode
//! (<https://help.aliyun.com/document_detail/451390.html>,
//! <https://www.alibabacloud.com/help/en/acr/developer-reference/api-cr-2018-12-01-listinstanceendpoint>,
//! <https://help.aliyun.com/document_detail/72334.html>).

use std::collections::BTreeMap;

use acr_credentials::uri_encoding::encode_pairs;
use acr_credentials::{AccessKey, InstanceHost, Login, Reply, UnixMillis};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use crate::acs3::{Canonical, EMPTY_PAYLOAD_SHA256};
use crate::base_url::BaseUrl;
use crate::conversation::Stamp;
use crate::fault::Fault;
use crate::received::Received;
use crate::secret_member::SecretMember;

/// What makes the request of one operation unlike that of another.
pub(crate) struct Operation<'a> {
    /// `GET` or `POST`.
    method: Method,
    /// The path of the API: `/` where the action alone names the operation.
    path: &'static str,
    /// The action.
    action: &'static str,
    /// The version of the API.
    version: &'static str,
    /// In the query, sorted by name, as the official SDK sends them.
    parameters: &'a [(&'a str, &'a str)],
}

impl<'a> Operation<'a> {
    /// An operation on an instance of the Enterprise Edition.
    pub(crate) fn enterprise(action: &'static str, parameters: &'a [(&'a str, &'a str)]) -> Self {
        Self { method: Method::POST, path: "/", action, version: "2018-12-01", parameters }
    }

    /// `GetAuthorizationToken` of the Personal Edition, of which a region has one for everybody.
    pub(crate) fn personal_token() -> Self {
        Self {
            method: Method::GET,
            path: "/tokens",
            action: "GetAuthorizationToken",
            version: "2016-06-07",
            parameters: &[],
        }
    }
}

/// The request of an operation, signed by ACS3-HMAC-SHA256.
pub(crate) fn encode(
    base: &BaseUrl,
    operation: &Operation<'_>,
    key: &AccessKey,
    stamp: Stamp,
) -> Result<Request<Bytes>, http::Error> {
    let query = encode_pairs(operation.parameters);
    let path = base.path(operation.path);
    let date = stamp.wall.to_string();
    let nonce = format!("{:032x}", stamp.nonce);
    let mut signed = vec![
        ("host", base.host()),
        ("x-acs-action", operation.action),
        ("x-acs-content-sha256", EMPTY_PAYLOAD_SHA256),
        ("x-acs-date", &date),
        ("x-acs-signature-nonce", &nonce),
        ("x-acs-version", operation.version),
    ];
    if let Some(token) = &key.security_token {
        signed.push(("x-acs-accesskey-id", key.id.expose_secret()));
        signed.push(("x-acs-security-token", token.expose_secret()));
    }
    signed.sort_unstable();
    let authorization = Canonical {
        method: operation.method.as_str(),
        path: &path,
        query: &query,
        headers: &signed,
        payload_sha256: EMPTY_PAYLOAD_SHA256,
    }
    .authorization(&key.id, &key.secret);

    let mut request = Request::builder()
        .method(operation.method.clone())
        .uri(base.uri(&path, &query)?)
        .header(header::ACCEPT, "application/json")
        .header(header::AUTHORIZATION, sensitive(&authorization)?);
    if operation.method == Method::POST {
        request = request.header(header::CONTENT_LENGTH, "0");
    }
    for (name, value) in signed {
        request = request.header(name, sensitive(value)?);
    }
    request.body(Bytes::new())
}

/// A header value that nothing prints.
fn sensitive(text: &str) -> Result<HeaderValue, http::Error> {
    let mut value = HeaderValue::from_str(text.trim())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether the operation says that it failed; official clients look at this on HTTP 200 as well.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Verdict {
    is_success: Option<bool>,
}

/// The documented body of a success, else the failure.
fn success<'de, T: Deserialize<'de>>(received: &Received<'de>, expected: &str) -> Result<T, Fault> {
    if !received.status.is_success() {
        return Err(Fault::from_answer(received));
    }
    // The text of a parser's error may quote the document, so it is not passed on.
    let verdict: Verdict = serde_json::from_slice(received.body)
        .map_err(|_| Fault::undocumented(received, "the answer is not JSON"))?;
    if verdict.is_success == Some(false) {
        return Err(Fault::from_answer(received));
    }
    serde_json::from_slice(received.body).map_err(|_| Fault::undocumented(received, expected))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TemporaryLogin {
    temp_username: String,
    authorization_token: SecretMember,
    expire_time: Value,
}

/// What an answer of `GetAuthorizationToken` says.
pub(crate) fn decode_login(received: &Received<'_>) -> Result<Reply, Fault> {
    let token: TemporaryLogin =
        success(received, "the answer lacks one of TempUsername, AuthorizationToken and ExpireTime")?;
    let names = ["TempUsername", "AuthorizationToken", "ExpireTime"];
    login(received, names, token.temp_username, token.authorization_token, &token.expire_time)
}

#[derive(Deserialize)]
struct PersonalAnswer {
    data: PersonalLogin,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PersonalLogin {
    temp_user_name: String,
    authorization_token: SecretMember,
    expire_date: Value,
}

/// What an answer of `GetAuthorizationToken` of the Personal Edition says.
pub(crate) fn decode_personal_login(received: &Received<'_>) -> Result<Reply, Fault> {
    let PersonalAnswer { data } = success(
        received,
        "the answer lacks one of tempUserName, authorizationToken and expireDate in its data",
    )?;
    let names = ["tempUserName", "authorizationToken", "expireDate"];
    login(received, names, data.temp_user_name, data.authorization_token, &data.expire_date)
}

/// A login whose user name can be sent and whose end makes sense. `names` are those of its three members.
fn login(
    received: &Received<'_>,
    [username_name, password_name, expiry_name]: [&str; 3],
    username: String,
    password: SecretMember,
    expiry: &Value,
) -> Result<Reply, Fault> {
    // Basic authentication ends the user name at the first colon (RFC 7617 §2).
    if username.is_empty() || username.contains(|character: char| character == ':' || character.is_control())
    {
        let message = format!("{username_name} is empty or holds a colon or a control character");
        return Err(Fault::undocumented(received, &message));
    }
    if password.0.expose_secret().is_empty() {
        return Err(Fault::undocumented(received, &format!("{password_name} is empty")));
    }
    // The product writes some of its times as numbers and some as digits in quotes.
    let millis = expiry.as_i64().or_else(|| expiry.as_str()?.parse().ok());
    let millis = millis.ok_or_else(|| {
        Fault::undocumented(received, &format!("{expiry_name} is no whole number of milliseconds"))
    })?;
    let expires = received.sane_expiry(expiry_name, UnixMillis(millis))?;
    Ok(Reply::Login(Login { username, password: password.0, expires }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceEndpoints {
    endpoints: Vec<InstanceEndpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceEndpoint {
    enable: Option<bool>,
    status: Option<String>,
    domains: Option<Vec<Domain>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Domain {
    domain: Option<String>,
}

impl InstanceEndpoint {
    fn is_enabled(&self) -> bool {
        let running = self.status.as_deref().is_none_or(|status| status.is_empty() || status == "RUNNING");
        self.enable.unwrap_or(true) && running
    }
}

/// What an answer of `ListInstanceEndpoint` says: every domain once, sorted, so that equal answers are equal.
pub(crate) fn decode_endpoints(received: &Received<'_>) -> Result<Reply, Fault> {
    let answer: InstanceEndpoints = success(received, "the answer lacks Endpoints in their documented form")?;
    let mut hosts = BTreeMap::new();
    for endpoint in &answer.endpoints {
        for domain in endpoint.domains.iter().flatten() {
            let host = domain.domain.as_deref().unwrap_or_default().trim().to_ascii_lowercase();
            if !is_host(&host) {
                return Err(Fault::undocumented(received, "a Domain of the Endpoints is no domain name"));
            }
            *hosts.entry(host).or_default() |= endpoint.is_enabled();
        }
    }
    Ok(Reply::Endpoints(hosts.into_iter().map(|(host, enabled)| InstanceHost { host, enabled }).collect()))
}

/// A domain name, with or without a port.
fn is_host(text: &str) -> bool {
    let legible = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let (name, port) = text.split_once(':').unwrap_or((text, "443"));
    !name.is_empty() && name.len() <= 253 && name.bytes().all(legible) && port.parse::<u16>().is_ok()
}
