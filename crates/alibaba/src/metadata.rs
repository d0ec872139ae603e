//! The metadata service of an ECS instance, normal and hardened mode: encode and decode
//! (<https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata>).

use acr_credentials::{FailureKind, Reply};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::base_url::BaseUrl;
use crate::fault::Fault;
use crate::received::Received;
use crate::secret_member::SecretMember;
use crate::sts::session;

const TOKEN_PATH: &str = "/latest/api/token";
const REGION_PATH: &str = "/latest/meta-data/region-id";
const ACCOUNT_PATH: &str = "/latest/meta-data/owner-account-id";
const ROLES_PATH: &str = "/latest/meta-data/ram/security-credentials/";

/// The token serves the one or two questions that follow it at once (1 to 21600 s are allowed).
const TOKEN_TTL_SECONDS: &str = "60";

/// A token of hardened mode; `None` in normal mode.
pub(crate) type Access = Option<SecretString>;

/// The request for a token of hardened mode.
pub(crate) fn encode_token(base: &BaseUrl) -> Result<Request<Bytes>, http::Error> {
    Request::builder()
        .method(Method::PUT)
        .uri(base.uri(&base.path(TOKEN_PATH), "")?)
        .header(header::HOST, base.host())
        .header(header::CONTENT_LENGTH, "0")
        .header("x-aliyun-ecs-metadata-token-ttl-seconds", TOKEN_TTL_SECONDS)
        .body(Bytes::new())
}

/// The request for the region of this node.
pub(crate) fn encode_region(base: &BaseUrl, access: &Access) -> Result<Request<Bytes>, http::Error> {
    encode_get(base, REGION_PATH, access)
}

/// The request for the name of the role of this node.
pub(crate) fn encode_role_name(base: &BaseUrl, access: &Access) -> Result<Request<Bytes>, http::Error> {
    encode_get(base, ROLES_PATH, access)
}

/// The request for the credentials of `role`.
pub(crate) fn encode_role(
    base: &BaseUrl,
    access: &Access,
    role: &str,
) -> Result<Request<Bytes>, http::Error> {
    encode_get(base, &format!("{ROLES_PATH}{role}"), access)
}

/// The request for the account that owns this node.
pub(crate) fn encode_account(base: &BaseUrl, access: &Access) -> Result<Request<Bytes>, http::Error> {
    encode_get(base, ACCOUNT_PATH, access)
}

fn encode_get(base: &BaseUrl, path: &str, access: &Access) -> Result<Request<Bytes>, http::Error> {
    let mut request = Request::builder()
        .method(Method::GET)
        .uri(base.uri(&base.path(path), "")?)
        .header(header::HOST, base.host());
    if let Some(token) = access {
        let mut token = HeaderValue::from_str(token.expose_secret())?;
        token.set_sensitive(true);
        request = request.header("x-aliyun-ecs-metadata-token", token);
    }
    request.body(Bytes::new())
}

/// What the request for a token came to: 403 and 404 say that there is no hardened mode here.
pub(crate) fn decode_token(received: &Received<'_>) -> Result<Access, Fault> {
    match received.status {
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Ok(None),
        status if status.is_success() => {
            let token = received.text().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
            let token = token.ok_or_else(|| Fault::malformed(format!("{TOKEN_PATH} answers no token")))?;
            Ok(Some(token.into()))
        }
        _ => Err(refusal(received, TOKEN_PATH)),
    }
}

/// What the request for the region came to.
pub(crate) fn decode_region(received: &Received<'_>) -> Result<Reply, Fault> {
    let region = one_name(received, REGION_PATH, |byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
    })?;
    Ok(Reply::Region(region.to_owned()))
}

/// What the request for the role name came to.
pub(crate) fn decode_role_name(received: &Received<'_>) -> Result<String, Fault> {
    let no_role = || {
        Fault::new(
            FailureKind::NotFound,
            format!("this node has no RAM role: {ROLES_PATH} has HTTP status {}", received.status.as_u16()),
        )
    };
    if received.status == StatusCode::NOT_FOUND
        || (received.status.is_success() && received.body.trim_ascii().is_empty())
    {
        return Err(no_role());
    }
    // The name becomes part of a path.
    let role = one_name(received, ROLES_PATH, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@')
    })?;
    Ok(role.to_owned())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleDocument {
    code: Option<String>,
    access_key_id: SecretMember,
    access_key_secret: SecretMember,
    security_token: SecretMember,
    expiration: String,
}

/// What the request for the credentials of `role` came to.
pub(crate) fn decode_role(received: &Received<'_>, role: &str) -> Result<Reply, Fault> {
    if !received.status.is_success() {
        return Err(refusal(received, ROLES_PATH));
    }
    // The text of a parser's error may quote the document, so it is not passed on.
    let document: RoleDocument = serde_json::from_slice(received.body)
        .map_err(|_| Fault::undocumented(received, "the document of the role is not the documented JSON"))?;
    if document.code.as_deref() != Some("Success") {
        return Err(Fault::undocumented(received, "the document of the role lacks Code: Success"));
    }
    session(
        received,
        [document.access_key_id, document.access_key_secret, document.security_token],
        &document.expiration,
        role.to_owned(),
    )
}

/// The session of a role with the account that owns the node, where the service tells it.
pub(crate) fn with_account(reply: Reply, received: &Received<'_>) -> Reply {
    match (reply, one_name(received, ACCOUNT_PATH, |byte| byte.is_ascii_digit())) {
        (Reply::Credentials { key, expires, principal: role }, Ok(account)) => {
            Reply::Credentials { key, expires, principal: format!("acs:ram::{account}:role/{role}") }
        }
        (reply, _) => reply,
    }
}

/// The first line of a text answer, where it looks like a name; a page of a captive portal does not.
fn one_name<'a>(received: &Received<'a>, path: &str, legible: impl Fn(u8) -> bool) -> Result<&'a str, Fault> {
    if !received.status.is_success() {
        return Err(refusal(received, path));
    }
    let line = std::str::from_utf8(received.body).ok().and_then(|text| text.trim().lines().next());
    line.map(str::trim)
        .filter(|name| !name.is_empty() && name.len() <= 64 && name.bytes().all(&legible))
        .ok_or_else(|| Fault::malformed(format!("{path} answers no name")))
}

/// The metadata service words its errors for nobody: its answer counts by its status.
fn refusal(received: &Received<'_>, path: &str) -> Fault {
    let fault = Fault::from_answer(received);
    let message =
        format!("the metadata service answers {path} with HTTP status {}", received.status.as_u16());
    Fault { message, ..fault }
}
