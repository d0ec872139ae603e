//! What facts hold.

use std::sync::Arc;

use acr_credentials::{AccessKey, InstanceHost, Login, Reply, UnixMillis};
use secrecy::{ExposeSecret, SecretString};

/// What a fact holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// A region id.
    Region(String),
    /// A ServiceAccount token, and where it came from.
    Token(SecretString, TokenOrigin),
    /// The keys of a role session or a user, their end, and whose they are.
    Key(AccessKey, UnixMillis, Owner),
    /// Whose key it is, as the cloud names it.
    Identity(String),
    /// The domains of an instance.
    Endpoints(Vec<InstanceHost>),
    /// A login, and the time by the cloud's clock at which it was handed out.
    Login(Arc<Login>, UnixMillis),
}

/// Where a ServiceAccount token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenOrigin {
    /// The kubelet projects it into a file.
    Projected,
    /// The API server was asked for it.
    Requested,
}

/// Whose keys they are, as far as whoever handed them out says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Nobody says.
    Unnamed,
    /// A registered cluster's, whatever the token mode.
    RegisteredCluster,
    /// The principal as the cloud names it: the ARN of a session with its account, role and session name, or the name of
    /// a role.
    Named(String),
}

impl Value {
    /// Whether what a Secret holds now is what it held before.
    pub fn is_same(&self, other: &Self) -> bool {
        let secret = |one: &SecretString, other: &SecretString| one.expose_secret() == other.expose_secret();
        match (self, other) {
            (Self::Key(one, ..), Self::Key(other, ..)) => {
                let tokens = match (&one.security_token, &other.security_token) {
                    (Some(one), Some(other)) => secret(one, other),
                    (one, other) => one.is_none() && other.is_none(),
                };
                tokens && secret(&one.id, &other.id) && secret(&one.secret, &other.secret)
            }
            (Self::Login(one, _), Self::Login(other, _)) => {
                one.username == other.username && secret(&one.password, &other.password)
            }
            _ => false,
        }
    }
}

/// What a reply of the cloud means for the fact that asked.
pub fn value_of(reply: Reply, cloud_time: UnixMillis) -> Value {
    match reply {
        Reply::Region(region) => Value::Region(region),
        Reply::Credentials { key, expires, principal } => {
            let owner = if principal.is_empty() { Owner::Unnamed } else { Owner::Named(principal) };
            Value::Key(key, expires, owner)
        }
        Reply::Identity(arn) => Value::Identity(arn),
        Reply::Endpoints(hosts) => Value::Endpoints(hosts),
        Reply::Login(login) => Value::Login(Arc::new(login), cloud_time),
    }
}
