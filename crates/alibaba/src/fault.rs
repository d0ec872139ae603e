//! Error answers: their shapes, and which kind of failure each code of Alibaba Cloud is.

use acr_credentials::FailureKind;
use http::StatusCode;
use serde_json::{Map, Value};

use crate::received::Received;

/// Why an exchange failed. Its texts are a server's until the conversation has cleaned them.
#[derive(Debug)]
pub(crate) struct Fault {
    pub kind: FailureKind,
    pub code: Option<String>,
    pub message: String,
    pub request_id: Option<String>,
}

impl Fault {
    /// A fault that our side words; `message` holds nothing of an answer but names, times and numbers.
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, code: None, message: message.into(), request_id: None }
    }

    /// An answer that is not what its documentation says.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Malformed, message)
    }

    /// A success whose body is not the documented one: the error that it holds, else `message`.
    pub(crate) fn undocumented(received: &Received<'_>, message: &str) -> Self {
        let fault = Self::from_answer(received);
        match fault.code.as_deref() {
            None | Some("success" | "Success") => {
                Self { request_id: fault.request_id, ..Self::malformed(message) }
            }
            Some(_) => fault,
        }
    }

    /// What an answer with an error status says, or one that says `IsSuccess: false`.
    pub(crate) fn from_answer(received: &Received<'_>) -> Self {
        let body = ErrorBody::read(received.body);
        let code = body.code.as_deref().unwrap_or_default();
        let kind = kind_of(received, code, &body.message);
        let mut message = body.message;
        if message.is_empty() {
            message = format!("the answer has HTTP status {}", received.status.as_u16());
            if received.status.is_redirection() {
                message.push_str(", where an API answers itself: is the endpoint URL right?");
            } else if body.code.is_none() {
                message.push_str(" and no readable error body");
            }
        }
        if !body.denial.is_empty() {
            message = format!("{message} ({})", body.denial);
        }
        let request_id = body.request_id.or_else(|| received.request_id().map(str::to_owned));
        Self { kind, code: body.code, message, request_id }
    }
}

/// What the codes mean. `*` stands at one end at most; the first match wins.
///
/// Sources: the error tables of AssumeRole and AssumeRoleWithOIDC
/// (<https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerole>,
/// <https://help.aliyun.com/zh/ram/developer-reference/api-sts-2015-04-01-errorcodes>), of GetAuthorizationToken
/// (<https://help.aliyun.com/document_detail/451390.html>) and of the API gateway
/// (<https://help.aliyun.com/zh/api-gateway/traditional-api-gateway/error-codes>). The two forms of "not found"
/// with `*` in front are the naming of other operations of the same products.
const CODES: &[(&str, FailureKind)] = &[
    // Gateway: too many calls.
    ("Throttling", FailureKind::Throttled { retry_after: None }),
    ("Throttling.*", FailureKind::Throttled { retry_after: None }),
    // Gateway: keys, tokens, signatures.
    ("InvalidAccessKeyId.*", FailureKind::CredentialsRefused),
    ("InvalidSecurityToken.*", FailureKind::CredentialsRefused),
    ("MissingSecurityToken", FailureKind::CredentialsRefused),
    ("SignatureDoesNotMatch", FailureKind::CredentialsRefused),
    ("IncompleteSignature", FailureKind::CredentialsRefused),
    // Gateway: clocks and replays. A nonce that was used is answered by one more try with a new one.
    ("InvalidTimeStamp.Expired", FailureKind::ClockSkew),
    ("SignatureNonceUsed", FailureKind::Server),
    // Gateway: requests. The names of APIs and products are ours, so their absence is no absence of an object.
    ("InvalidTimeStamp.Format", FailureKind::InvalidRequest),
    ("InvalidSignatureMethod", FailureKind::InvalidRequest),
    ("UnsupportedHTTPMethod", FailureKind::InvalidRequest),
    ("InvalidApi.NotFound", FailureKind::InvalidRequest),
    ("InvalidProduct.NotFound", FailureKind::InvalidRequest),
    ("InvalidProtocol.NeedSsl", FailureKind::InvalidRequest),
    ("InvalidParameter*", FailureKind::InvalidRequest),
    ("Missing*", FailureKind::InvalidRequest),
    // STS.
    ("AuthenticationFail.NoPermission", FailureKind::Denied),
    ("AuthenticationFail.OIDCToken.*", FailureKind::CredentialsRefused),
    ("AuthenticationFail.Api*", FailureKind::CredentialsRefused),
    ("EntityNotExist.*", FailureKind::NotFound),
    ("NoPermission", FailureKind::Denied),
    // Container Registry. AUTHENTICATION_FAILED is what an instance of the new Personal Edition answers.
    ("NoPrivilege", FailureKind::Denied),
    ("AUTHENTICATION_FAILED", FailureKind::Denied),
    ("SystemError", FailureKind::Server),
    ("*_NOT_EXIST", FailureKind::NotFound),
    ("*.NotFound", FailureKind::NotFound),
    // Both.
    ("InternalError", FailureKind::Server),
    ("ServiceUnavailable", FailureKind::Server),
];

/// The trust policy's refusal and a provider that does not exist, or whose ARN is none, share one code.
const NO_SUCH_PROVIDER: [&str; 2] = ["No such OIDC Provider", "Parameter OIDCProviderArn"];

/// What a code means; `status` decides for a code that nobody documents.
pub(crate) fn kind_of_code(code: &str, status: StatusCode) -> FailureKind {
    let matches = |pattern: &str| match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => code.ends_with(end),
        (None, Some(start)) => code.starts_with(start),
        (None, None) => code == pattern,
    };
    let found = CODES.iter().find(|(pattern, _)| matches(pattern));
    found.map_or_else(|| kind_of_status(status), |(_, kind)| *kind)
}

fn kind_of(received: &Received<'_>, code: &str, message: &str) -> FailureKind {
    let kind = if code == "AuthenticationFail.NoPermission"
        && NO_SUCH_PROVIDER.iter().any(|start| message.starts_with(start))
    {
        FailureKind::NotFound
    } else {
        kind_of_code(code, received.status)
    };
    let retry_after = received.retry_after();
    match kind {
        FailureKind::Throttled { .. } => FailureKind::Throttled { retry_after },
        // A server that says how long to wait is as good as one that throttles.
        FailureKind::Server
            if received.headers.contains_key(http::header::RETRY_AFTER) && retry_after.is_some() =>
        {
            FailureKind::Throttled { retry_after }
        }
        kind => kind,
    }
}

/// For a code that is not in the table, or none.
fn kind_of_status(status: StatusCode) -> FailureKind {
    match status {
        StatusCode::TOO_MANY_REQUESTS => FailureKind::Throttled { retry_after: None },
        StatusCode::UNAUTHORIZED => FailureKind::CredentialsRefused,
        StatusCode::FORBIDDEN => FailureKind::Denied,
        StatusCode::NOT_FOUND => FailureKind::NotFound,
        status if status.is_client_error() => FailureKind::InvalidRequest,
        status if status.is_redirection() || status.is_informational() => FailureKind::Malformed,
        // Errors of the server, and a success that says `IsSuccess: false` without a code we know.
        _ => FailureKind::Server,
    }
}

#[derive(Default)]
struct ErrorBody {
    code: Option<String>,
    message: String,
    request_id: Option<String>,
    /// Who was denied what, from `AccessDeniedDetail`.
    denial: String,
}

impl ErrorBody {
    fn read(body: &[u8]) -> Self {
        if let Ok(map) = serde_json::from_slice::<Map<String, Value>>(body) {
            let text = |name| member(&map, name).and_then(Value::as_str).filter(|text| !text.is_empty());
            Self {
                code: text("Code").map(str::to_owned),
                message: text("Message").unwrap_or_default().to_owned(),
                request_id: text("RequestId").map(str::to_owned),
                denial: member(&map, "AccessDeniedDetail")
                    .and_then(Value::as_object)
                    .map(denial)
                    .unwrap_or_default(),
            }
        } else if let Some(xml) = std::str::from_utf8(body).ok().filter(|text| text.contains("<Error>")) {
            Self {
                code: element(xml, "<Code>", "</Code>"),
                message: element(xml, "<Message>", "</Message>").unwrap_or_default(),
                request_id: element(xml, "<RequestId>", "</RequestId>"),
                denial: String::new(),
            }
        } else {
            Self::default()
        }
    }
}

/// A member whose name starts with a capital or a small letter; services use both.
fn member<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.get(name).or_else(|| {
        let mut characters = name.chars();
        let small = characters.next()?.to_ascii_lowercase();
        map.get(&format!("{small}{}", characters.as_str()))
    })
}

fn denial(detail: &Map<String, Value>) -> String {
    const MEMBERS: [&str; 6] = [
        "AuthAction",
        "AuthPrincipalType",
        "AuthPrincipalDisplayName",
        "AuthPrincipalOwnerId",
        "NoPermissionType",
        "PolicyType",
    ];
    MEMBERS
        .iter()
        .filter_map(|name| Some(format!("{name} {}", member(detail, name)?.as_str()?)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn element(xml: &str, open: &str, close: &str) -> Option<String> {
    let (_, rest) = xml.split_once(open)?;
    let (text, _) = rest.split_once(close)?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
