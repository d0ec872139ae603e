//! What the cloud hands out: session credentials and registry logins that prove themselves.
//!
//! Both carry their content under a MAC of the cloud's own key, so the cloud remembers nothing and stays cheap to clone.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::description::Policy;
use crate::encoding::hex;
use crate::signature;

/// Length of a SHA-256 MAC.
const TAG: usize = 32;

/// The key under which this cloud seals what it hands out.
#[derive(Clone)]
pub(crate) struct Sealer {
    sha256: hmac::Key,
    sha1: hmac::Key,
}

/// A session of a role, as its security token carries it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Session {
    pub(crate) account: String,
    pub(crate) role: String,
    pub(crate) name: String,
    /// Seconds of Unix time.
    pub(crate) expires: i64,
    /// Makes two sessions that are otherwise equal differ.
    pub(crate) serial: u64,
    /// Narrows what the role may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<Policy>,
}

/// The credentials of a session. No `Debug`: they are secrets.
pub(crate) struct SessionCredentials {
    pub(crate) access_key_id: String,
    pub(crate) access_key_secret: String,
    pub(crate) security_token: String,
}

/// A registry login, as its password carries it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Login {
    #[serde(flatten)]
    pub(crate) scope: LoginScope,
    /// Expiry in milliseconds of Unix time.
    pub(crate) time: String,
    #[serde(flatten)]
    pub(crate) owner: LoginOwner,
}

/// Which registry a login is for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum LoginScope {
    /// That of an instance of the Enterprise Edition.
    InstanceId(String),
    /// That of the Personal Edition in a region.
    Region(String),
}

/// Whose permissions a login has.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum LoginOwner {
    /// The main account.
    #[serde(rename = "main")]
    Root {
        #[serde(rename = "userId")]
        account: String,
    },
    /// A RAM user.
    #[serde(rename = "sub")]
    User {
        #[serde(rename = "userId")]
        id: String,
    },
    /// A session of a role.
    #[serde(rename = "sts")]
    Session {
        #[serde(rename = "userId")]
        role_id: String,
        session: Session,
    },
}

impl Sealer {
    pub(crate) fn new(seed: &str) -> Self {
        Self {
            sha256: hmac::Key::new(hmac::HMAC_SHA256, seed.as_bytes()),
            sha1: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, seed.as_bytes()),
        }
    }

    /// The credentials of a session; equal sessions have equal credentials.
    pub(crate) fn credentials(&self, session: &Session) -> SessionCredentials {
        let content = serde_json::to_vec(session).unwrap_or_default();
        let mut sealed = hmac::sign(&self.sha256, &content).as_ref().to_vec();
        sealed.extend_from_slice(&content);
        self.pair(STANDARD.encode(sealed))
    }

    /// The session of a security token with the access key pair that belongs to it; `None` when the token is not ours.
    pub(crate) fn open(&self, security_token: &str) -> Option<(Session, SessionCredentials)> {
        let sealed = STANDARD.decode(security_token).ok()?;
        let (tag, content) = sealed.split_at_checked(TAG)?;
        hmac::verify(&self.sha256, content, tag).ok()?;
        let session = serde_json::from_slice(content).ok()?;
        Some((session, self.pair(security_token.to_owned())))
    }

    /// The access key pair that belongs to a security token.
    fn pair(&self, security_token: String) -> SessionCredentials {
        SessionCredentials {
            access_key_id: format!("STS.{}", self.letters(&format!("access key id:{security_token}"), 24)),
            access_key_secret: self.letters(&format!("access key secret:{security_token}"), 64),
            security_token,
        }
    }

    /// Up to so many letters and digits that follow from a name; there are 16 at least.
    pub(crate) fn letters(&self, name: &str, longest: usize) -> String {
        let text = STANDARD.encode(hmac::sign(&self.sha256, name.as_bytes()).as_ref());
        text.chars().filter(char::is_ascii_alphanumeric).take(longest).collect()
    }

    /// The password of a login: base64 without padding, a colon, forty hexadecimal digits.
    pub(crate) fn password(&self, login: &Login) -> String {
        let content = serde_json::to_vec(login).unwrap_or_default();
        let tag = hex(hmac::sign(&self.sha1, &content).as_ref());
        format!("{}:{tag}", STANDARD_NO_PAD.encode(content))
    }

    /// The login of a password; `None` when the password is not ours.
    pub(crate) fn login(&self, password: &str) -> Option<Login> {
        let (content, tag) = password.split_once(':')?;
        let content = STANDARD_NO_PAD.decode(content).ok()?;
        let expected = hex(hmac::sign(&self.sha1, &content).as_ref());
        signature::same(&expected, tag).then(|| serde_json::from_slice(&content).ok())?
    }

    /// A stable number for a name, as ids of users and roles are.
    pub(crate) fn number(&self, name: &str) -> String {
        let tag = hmac::sign(&self.sha256, name.as_bytes());
        let folded = tag.as_ref().iter().take(7).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        format!("3{folded:017}")
    }

    /// A value with a MAC, for tokens that carry nothing else.
    pub(crate) fn stamp(&self, value: &str) -> String {
        let tag = hmac::sign(&self.sha256, value.as_bytes());
        STANDARD.encode(format!("{value}:{}", hex(tag.as_ref())))
    }

    /// The value of a stamp; `None` when it is not ours.
    pub(crate) fn read_stamp(&self, stamp: &str) -> Option<String> {
        let text = String::from_utf8(STANDARD.decode(stamp).ok()?).ok()?;
        let (value, tag) = text.rsplit_once(':')?;
        let expected = hex(hmac::sign(&self.sha256, value.as_bytes()).as_ref());
        signature::same(&expected, tag).then(|| value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let name = "helper".to_owned();
        Session { account: "1".into(), role: "puller".into(), name, expires: 7, serial: 1, policy: None }
    }

    #[test]
    fn a_security_token_of_another_cloud_is_not_opened() {
        let token = Sealer::new("one").credentials(&session()).security_token;
        assert!(Sealer::new("two").open(&token).is_none());
        assert!(Sealer::new("one").open("").is_none());
        assert!(Sealer::new("one").open("AAAA").is_none());
    }

    #[test]
    fn a_security_token_opens_to_its_session_and_pair() {
        let sealer = Sealer::new("one");
        let credentials = sealer.credentials(&session());
        let (opened, pair) = sealer.open(&credentials.security_token).unwrap();
        assert_eq!(opened, session());
        assert_eq!(pair.access_key_id, credentials.access_key_id);
        assert_eq!(pair.access_key_secret, credentials.access_key_secret);
        assert!(pair.access_key_id.starts_with("STS."));
    }

    #[test]
    fn a_password_has_the_documented_shape_and_opens_to_its_login() {
        let sealer = Sealer::new("one");
        let owner = LoginOwner::User { id: "20".into() };
        let scope = LoginScope::InstanceId("cri-1".into());
        let login = Login { scope, time: "1700000000000".into(), owner };
        let password = sealer.password(&login);
        let (content, tag) = password.split_once(':').unwrap();
        let json = String::from_utf8(STANDARD_NO_PAD.decode(content).unwrap()).unwrap();
        assert_eq!(json, r#"{"instanceId":"cri-1","time":"1700000000000","type":"sub","userId":"20"}"#);
        assert_eq!(tag.len(), 40);
        assert_eq!(sealer.login(&password), Some(login));
        assert_eq!(Sealer::new("two").login(&password), None);
        assert_eq!(sealer.login(content), None);
    }

    #[test]
    fn a_stamp_of_another_cloud_is_not_read() {
        let stamp = Sealer::new("one").stamp("42");
        assert_eq!(Sealer::new("two").read_stamp(&stamp), None);
        assert_eq!(Sealer::new("one").read_stamp(&stamp).as_deref(), Some("42"));
    }
}
