//! Who calls and what they may do: identities, access keys and permissions.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::answer::{ApiError, DeniedPrincipal};
use crate::description::{Account, Context, Decision, Description, KeyStatus, Role, User, decide};
use crate::sealed::{LoginOwner, Sealer, Session};

/// What every request is known to be: what is plain HTTP here stands for HTTPS.
const REQUEST: Context<'_> = &[("acs:SecureTransport", &["true"])];

/// An identity that proved itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The main account, by one of its own keys.
    Root { account: String },
    /// A RAM user.
    User { account: String, name: String },
    /// A session of a role.
    Session(Session),
}

impl Caller {
    pub(crate) fn account(&self) -> &str {
        match self {
            Self::Root { account } | Self::User { account, .. } => account,
            Self::Session(session) => &session.account,
        }
    }

    pub(crate) fn arn(&self) -> String {
        match self {
            Self::Root { account } => format!("acs:ram::{account}:root"),
            Self::User { account, name } => format!("acs:ram::{account}:user/{name}"),
            Self::Session(Session { account, role, name, .. }) => {
                format!("acs:ram::{account}:role/{role}/{name}")
            }
        }
    }

    /// As whom trust policies know the caller: a user, a role (whatever its session), or the account.
    pub(crate) fn principal_arn(&self) -> String {
        match self {
            Self::Root { .. } | Self::User { .. } => self.arn(),
            Self::Session(Session { account, role, .. }) => format!("acs:ram::{account}:role/{role}"),
        }
    }

    /// The caller in the words of a denial.
    pub(crate) fn denied_principal(&self, sealer: &Sealer) -> DeniedPrincipal {
        let (kind, display_name) = match self {
            Self::Root { account } => ("RootUser", account.clone()),
            Self::User { account, name } => ("SubUser", user_id(sealer, account, name)),
            Self::Session(Session { role, name, .. }) => ("AssumedRoleUser", format!("{role}:{name}")),
        };
        DeniedPrincipal { kind, display_name, owner: self.account().to_owned() }
    }

    /// When the credentials of the caller end; `None` for those of users.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::Session(session) => Some(Timestamp::from_second(session.expires).unwrap_or(Timestamp::MAX)),
            Self::Root { .. } | Self::User { .. } => None,
        }
    }

    /// The owner that a registry login of this caller names.
    pub(crate) fn login_owner(&self, sealer: &Sealer) -> LoginOwner {
        match self {
            Self::Root { account } => LoginOwner::Root { account: account.clone() },
            Self::User { account, name } => LoginOwner::User { id: user_id(sealer, account, name) },
            Self::Session(session) => LoginOwner::Session {
                role_id: role_id(sealer, &session.account, &session.role),
                session: session.clone(),
            },
        }
    }
}

/// The id of a RAM user.
pub(crate) fn user_id(sealer: &Sealer, account: &str, user: &str) -> String {
    sealer.number(&format!("user/{account}/{user}"))
}

/// The id of a RAM role.
pub(crate) fn role_id(sealer: &Sealer, account: &str, role: &str) -> String {
    sealer.number(&format!("role/{account}/{role}"))
}

impl Description {
    pub(crate) fn find_account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    pub(crate) fn find_role(&self, account: &str, name: &str) -> Option<&Role> {
        self.find_account(account)?.roles.iter().find(|role| role.name == name)
    }

    fn find_user(&self, account: &str, name: &str) -> Option<&User> {
        self.find_account(account)?.users.iter().find(|user| user.name == name)
    }

    /// The owner and the secret of a permanent access key.
    fn find_key(&self, id: &str) -> Option<(Caller, KeyStatus, &SecretString)> {
        for account in &self.accounts {
            let own = account.access_keys.iter().map(|key| (None, key));
            let users = account
                .users
                .iter()
                .flat_map(|user| user.access_keys.iter().map(move |key| (Some(&user.name), key)));
            if let Some((user, key)) = own.chain(users).find(|(_, key)| key.id == id) {
                let account = account.id.clone();
                let caller = match user {
                    None => Caller::Root { account },
                    Some(name) => Caller::User { account, name: name.clone() },
                };
                return Some((caller, key.status, &key.secret));
            }
        }
        None
    }

    /// The caller behind an access key id and, for a session, its security token, with the secret to verify with.
    pub(crate) fn credential(
        &self,
        sealer: &Sealer,
        now: Timestamp,
        access_key_id: &str,
        security_token: Option<&str>,
    ) -> Result<(Caller, SecretString), ApiError> {
        let refuse = |code: &'static str, message: &'static str| Err(ApiError::bad_request(code, message));
        if !access_key_id.starts_with("STS.") {
            let Some((caller, status, secret)) = self.find_key(access_key_id) else {
                let status = http::StatusCode::NOT_FOUND;
                let code = "InvalidAccessKeyId.NotFound";
                return Err(ApiError::new(status, code, "Specified access key is not found."));
            };
            if status == KeyStatus::Inactive {
                return refuse("InvalidAccessKeyId.Inactive", "Specified access key is disabled.");
            }
            if security_token.is_some() {
                return refuse(
                    "InvalidSecurityToken.MismatchWithAccessKey",
                    "Specified SecurityToken mismatch with the AccessKey.",
                );
            }
            return Ok((caller, SecretString::from(secret.expose_secret())));
        }
        let Some(token) = security_token else {
            return refuse("MissingSecurityToken", "SecurityToken is mandatory for this action.");
        };
        let Some((session, pair)) = sealer.open(token) else {
            return refuse("InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed.");
        };
        if pair.access_key_id != access_key_id {
            return refuse(
                "InvalidSecurityToken.MismatchWithAccessKey",
                "Specified SecurityToken mismatch with the AccessKey.",
            );
        }
        if now.as_second() >= session.expires {
            return refuse("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.");
        }
        Ok((Caller::Session(session), SecretString::from(pair.access_key_secret)))
    }

    /// The caller behind the owner of a registry login, if that identity still exists.
    pub(crate) fn login_caller(&self, sealer: &Sealer, owner: &LoginOwner) -> Option<Caller> {
        match owner {
            LoginOwner::Root { account } => {
                self.find_account(account).map(|account| Caller::Root { account: account.id.clone() })
            }
            LoginOwner::User { id } => self.accounts.iter().find_map(|account| {
                let user =
                    account.users.iter().find(|user| user_id(sealer, &account.id, &user.name) == *id)?;
                Some(Caller::User { account: account.id.clone(), name: user.name.clone() })
            }),
            LoginOwner::Session { session, .. } => {
                self.find_role(&session.account, &session.role).map(|_| Caller::Session(session.clone()))
            }
        }
    }

    /// Whether a caller may do something to a resource of an account. Across accounts nobody may.
    pub(crate) fn permits(&self, caller: &Caller, account: &str, action: &str, resource: &str) -> bool {
        caller.account() == account && self.decide(caller, action, resource) == Decision::Allow
    }

    /// What the policies of a caller say about an action on a resource, whoever owns it. Those of a session are the
    /// policies of its role, narrowed by its own where it has one.
    pub(crate) fn decide(&self, caller: &Caller, action: &str, resource: &str) -> Decision {
        match caller {
            Caller::Root { .. } => Decision::Allow,
            Caller::User { account, name } => self
                .find_user(account, name)
                .map_or(Decision::ImplicitDeny, |user| decide(&user.policies, action, resource, REQUEST)),
            Caller::Session(session) => {
                let role = self.find_role(&session.account, &session.role);
                let of_role = role
                    .map_or(Decision::ImplicitDeny, |role| decide(&role.policies, action, resource, REQUEST));
                let own = session.policy.as_ref().map(std::slice::from_ref);
                of_role
                    .and(own.map_or(Decision::Allow, |policies| decide(policies, action, resource, REQUEST)))
            }
        }
    }
}
