//! The calls that answer a fact, with everything needed to make them, and what comes back.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

use crate::time::UnixMillis;

/// A key pair of a RAM user, or of a session of a role when `security_token` is set.
///
/// Its `Debug` shows nothing of the three values.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// AccessKey id; `STS.…` for a session.
    pub id: SecretString,
    /// AccessKey secret.
    pub secret: SecretString,
    /// Security token of a session.
    pub security_token: Option<SecretString>,
}

/// One question to Alibaba Cloud, complete: whoever carries it out adds nothing but time stamp and nonce.
#[derive(Clone, Debug)]
pub enum Call {
    /// ECS metadata: the region of this node.
    Region {
        /// Base URLs to try in order, the next one only where the former does not resolve or connect.
        endpoints: Vec<String>,
    },
    /// ECS metadata: the credentials of the role of this node; hardened mode first.
    WorkerRole {
        /// Base URLs as in [`Call::Region`].
        endpoints: Vec<String>,
    },
    /// STS 2015-04-01 `AssumeRoleWithOIDC`, not signed.
    AssumeRoleWithOidc {
        /// Base URLs as in [`Call::Region`].
        endpoints: Vec<String>,
        /// `acs:ram::<account>:role/<name>`.
        role_arn: String,
        /// `acs:ram::<account>:oidc-provider/<name>`.
        oidc_provider_arn: String,
        /// The ServiceAccount token, audience `sts.aliyuncs.com`.
        token: SecretString,
        /// 2 to 64 characters of `A-Za-z0-9.@-_`.
        session_name: String,
        /// Seconds, 900 to the role's maximum.
        duration_seconds: u32,
    },
    /// STS 2015-04-01 `AssumeRole`, asked by a RAM user or by the session of another role.
    AssumeRole {
        /// Base URLs as in [`Call::Region`].
        endpoints: Vec<String>,
        /// `acs:ram::<account>:role/<name>`.
        role_arn: String,
        /// 2 to 64 characters of `A-Za-z0-9.@-_`.
        session_name: String,
        /// Seconds, 900 to the role's maximum.
        duration_seconds: u32,
        /// What the trust policy may demand as `sts:ExternalId`; 2 to 1224 characters of `A-Za-z0-9_+=,.@:/-`.
        external_id: Option<String>,
        /// Who asks.
        key: AccessKey,
    },
    /// STS 2015-04-01 `GetCallerIdentity`: whose key it is. Nobody needs a permission for it.
    CallerIdentity {
        /// Base URLs as in [`Call::Region`].
        endpoints: Vec<String>,
        /// Who asks.
        key: AccessKey,
    },
    /// Container Registry 2018-12-01 `ListInstanceEndpoint`.
    ListInstanceEndpoint {
        /// Base URLs as in [`Call::Region`].
        endpoints: Vec<String>,
        /// `cri-…`.
        instance: String,
        /// Who asks.
        key: AccessKey,
    },
    /// Container Registry 2018-12-01 `GetAuthorizationToken`.
    GetAuthorizationToken {
        /// Base URLs as in [`Call::Region`].
        endpoints: Vec<String>,
        /// `cri-…`.
        instance: String,
        /// Who asks.
        key: AccessKey,
    },
    /// Container Registry 2016-06-07 `GetAuthorizationToken`: a login of the Personal Edition in the region of the
    /// endpoints.
    PersonalAuthorizationToken {
        /// Base URLs as in [`Call::Region`].
        endpoints: Vec<String>,
        /// Who asks.
        key: AccessKey,
    },
}

impl Call {
    /// The operation as Alibaba Cloud names it, with the product before it where the name alone says too little: label of
    /// metrics and logs.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Region { .. } => "MetadataRegion",
            Self::WorkerRole { .. } => "MetadataRole",
            Self::AssumeRoleWithOidc { .. } => "AssumeRoleWithOIDC",
            Self::AssumeRole { .. } => "AssumeRole",
            Self::CallerIdentity { .. } => "GetCallerIdentity",
            Self::ListInstanceEndpoint { .. } => "ListInstanceEndpoint",
            Self::GetAuthorizationToken { .. } => "GetAuthorizationToken",
            Self::PersonalAuthorizationToken { .. } => "PersonalAuthorizationToken",
        }
    }

    /// The instance that it is about, where it is about one.
    pub fn instance(&self) -> Option<&String> {
        match self {
            Self::ListInstanceEndpoint { instance, .. } | Self::GetAuthorizationToken { instance, .. } => {
                Some(instance)
            }
            Self::Region { .. }
            | Self::WorkerRole { .. }
            | Self::AssumeRoleWithOidc { .. }
            | Self::AssumeRole { .. }
            | Self::CallerIdentity { .. }
            | Self::PersonalAuthorizationToken { .. } => None,
        }
    }
}

/// A login of a registry, as `GetAuthorizationToken` hands it out.
#[derive(Clone, Debug)]
pub struct Login {
    /// `TempUsername`.
    pub username: String,
    /// `AuthorizationToken`.
    pub password: SecretString,
    /// `ExpireTime`.
    pub expires: UnixMillis,
}

/// One domain name of an instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstanceHost {
    /// The domain name, with a port where it has one.
    pub host: String,
    /// Whether its endpoint is enabled and running.
    pub enabled: bool,
}

/// What a call that succeeded says.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A region id such as `cn-hangzhou`.
    Region(String),
    /// Credentials of a role session.
    Credentials {
        /// The session's keys; `security_token` is set.
        key: AccessKey,
        /// When they end.
        expires: UnixMillis,
        /// The session as the cloud names it, for messages.
        principal: String,
    },
    /// Whose key it is, as the cloud names it: `acs:ram::<account>:user/<name>`, or the like for a session or an owner.
    Identity(String),
    /// All registry domains of an instance: public, VPC and custom, disabled ones included.
    Endpoints(Vec<InstanceHost>),
    /// A login.
    Login(Login),
}

/// What came of a call.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The cloud's own clock, from the `Date` header of the last HTTP answer, failures included.
    pub cloud_time: Option<UnixMillis>,
    /// The reply, or why there is none.
    pub outcome: Result<Reply, CallFailure>,
}

/// Why a call failed: the kind decides what happens next, the rest is for the reader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation} failed: {kind}{}", Detail { code: code.as_deref(), message, request_id: request_id.as_deref() })]
pub struct CallFailure {
    /// [`Call::operation`].
    pub operation: &'static str,
    /// What sort of failure it is.
    pub kind: FailureKind,
    /// The cloud's error code, such as `NoPrivilege`.
    pub code: Option<String>,
    /// The cloud's or the transport's message; never holds a secret.
    pub message: String,
    /// The cloud's request id, which Alibaba Cloud's support asks for.
    pub request_id: Option<String>,
}

impl CallFailure {
    /// A failure of which no answer of the cloud tells: without its code and request id.
    pub fn new(operation: &'static str, kind: FailureKind, message: impl Into<String>) -> Self {
        Self { operation, kind, code: None, message: message.into(), request_id: None }
    }
}

/// Stands before the request id in the text of a failure, which a closing bracket ends.
const REQUEST_ID: &str = " (request id ";

/// `text` without request ids: what two failures of the same kind, one after the other, have in common.
pub fn without_request_ids(text: &str) -> String {
    let mut parts = text.split(REQUEST_ID);
    let first = parts.next().unwrap_or_default();
    let rest = parts.map(|part| part.split_once(')').map_or("", |(_, after)| after));
    std::iter::once(first).chain(rest).collect()
}

struct Detail<'a> {
    code: Option<&'a str>,
    message: &'a str,
    request_id: Option<&'a str>,
}

impl fmt::Display for Detail<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.code {
            write!(formatter, ", {code}")?;
        }
        if !self.message.is_empty() {
            write!(formatter, ": {}", self.message)?;
        }
        if let Some(request_id) = self.request_id {
            write!(formatter, "{REQUEST_ID}{request_id})")?;
        }
        Ok(())
    }
}

/// The sorts of failure that are treated, counted and explained apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FailureKind {
    /// No candidate endpoint could be connected to; nothing was sent.
    #[error("the endpoint cannot be reached: {at}")]
    Unreachable {
        /// How far the last one let us come.
        at: Barrier,
    },
    /// No complete answer within the deadline, or the connection was cut.
    #[error("no answer in time")]
    NoAnswer,
    /// The cloud asks for fewer calls.
    #[error("throttled by the cloud")]
    Throttled {
        /// How long it asks to wait, if it says.
        retry_after: Option<Duration>,
    },
    /// The keys or the token that signed are unknown, disabled, expired or do not belong together.
    #[error("the credentials were refused")]
    CredentialsRefused,
    /// Our time stamp lies outside of the cloud's window.
    #[error("this node's clock and the cloud's are too far apart")]
    ClockSkew,
    /// The identity lacks a permission, or a trust policy does not admit it.
    #[error("permission denied")]
    Denied,
    /// The role, provider, instance, or the role of the node does not exist here.
    #[error("not found")]
    NotFound,
    /// The cloud refuses a parameter.
    #[error("a parameter was refused")]
    InvalidRequest,
    /// The cloud failed.
    #[error("the cloud failed")]
    Server,
    /// The answer is not what its documentation says, or absurd (an expiry that is past or too far).
    #[error("the answer makes no sense")]
    Malformed,
}

/// What keeps a connection from coming about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Barrier {
    /// There is no endpoint to try.
    #[error("there is none")]
    NoEndpoint,
    /// The host name does not resolve.
    #[error("its name does not resolve (DNS)")]
    Name,
    /// Nothing answers at the address, or it refuses.
    #[error("no connection comes about (TCP)")]
    Connection,
    /// It has no certificate that we trust for the name, or speaks no TLS.
    #[error("no trusted connection comes about (TLS)")]
    Certificate,
    /// The proxy on the way does not let us through.
    #[error("the proxy does not reach it")]
    Proxy,
}

impl FailureKind {
    /// The label of metrics and the reason of Events.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "Unreachable",
            Self::NoAnswer => "NoAnswer",
            Self::Throttled { .. } => "Throttled",
            Self::CredentialsRefused => "CredentialsRefused",
            Self::ClockSkew => "ClockSkew",
            Self::Denied => "Denied",
            Self::NotFound => "NotFound",
            Self::InvalidRequest => "InvalidRequest",
            Self::Server => "Server",
            Self::Malformed => "Malformed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_printed_by_debug() {
        let key = AccessKey {
            id: "MARKER-id".to_owned().into(),
            secret: "MARKER-secret".to_owned().into(),
            security_token: Some("MARKER-token".to_owned().into()),
        };
        let calls = [
            Call::GetAuthorizationToken { endpoints: vec![], instance: "cri-1".into(), key: key.clone() },
            Call::PersonalAuthorizationToken { endpoints: vec![], key: key.clone() },
            Call::CallerIdentity { endpoints: vec![], key: key.clone() },
            Call::AssumeRole {
                endpoints: vec![],
                role_arn: String::new(),
                session_name: String::new(),
                duration_seconds: 900,
                external_id: None,
                key: key.clone(),
            },
            Call::AssumeRoleWithOidc {
                endpoints: vec![],
                role_arn: String::new(),
                oidc_provider_arn: String::new(),
                token: "MARKER-jwt".to_owned().into(),
                session_name: String::new(),
                duration_seconds: 900,
            },
        ];
        let replies = [
            Reply::Login(Login {
                username: "cr_temp_user".into(),
                password: "MARKER-password".to_owned().into(),
                expires: UnixMillis(0),
            }),
            Reply::Credentials { key, expires: UnixMillis(0), principal: String::new() },
        ];
        let text = format!("{calls:?} {replies:?}");
        assert!(!text.contains("MARKER"), "{text}");
    }

    #[test]
    fn a_failure_tells_operation_kind_code_message_and_request_id() {
        let failure = CallFailure {
            operation: "GetAuthorizationToken",
            kind: FailureKind::Denied,
            code: Some("NoPrivilege".into()),
            message: "Access denied for this user.".into(),
            request_id: Some("R1".into()),
        };
        assert_eq!(
            failure.to_string(),
            "GetAuthorizationToken failed: permission denied, NoPrivilege: Access denied for this user. (request id R1)"
        );
        assert_eq!(
            without_request_ids(&format!("entry 0: {failure}; mend it. {failure}")),
            "entry 0: GetAuthorizationToken failed: permission denied, NoPrivilege: Access denied for this user.; mend it. \
             GetAuthorizationToken failed: permission denied, NoPrivilege: Access denied for this user."
        );
        assert_eq!(without_request_ids("cut off (request id R"), "cut off");
    }
}
