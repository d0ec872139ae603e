//! The data of a Secret that the configuration names: what kind of credential it holds, or what it lacks.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::call::{AccessKey, Login};
use crate::slot::KeySlot;
use crate::time::UnixMillis;

/// The member of a Secret of type `kubernetes.io/dockerconfigjson`.
pub const DOCKER_CONFIG_MEMBER: &str = ".dockerconfigjson";
/// The members of a Secret with an AccessKey: those of `alibaba-addon-secret`, and a session's token.
pub const ACCESS_KEY_MEMBERS: [&str; 3] = ["access-key-id", "access-key-secret", "security-token"];

/// How the AccessKey id of a session begins, which is refused without its token.
const SESSION: &str = "STS.";

/// The data of a Secret, decoded from base64 and wiped when dropped. Its `Debug` shows the names of the members only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretData(BTreeMap<String, Zeroizing<Vec<u8>>>);

/// What the data of a Secret lacks for what it is to be. No variant holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretDataFailure {
    /// A member is absent or blank, although another one that needs it is there.
    #[error("it has no {member}")]
    Missing {
        /// The member.
        member: &'static str,
    },
    /// A member is not printable ASCII text in one piece.
    #[error("its {member} is not a text in one piece")]
    NotText {
        /// The member.
        member: &'static str,
    },
    /// `.dockerconfigjson` is not a docker config document.
    #[error("its .dockerconfigjson is not a docker config document with auths")]
    NotDockerConfig,
    /// A host of the docker config has neither `username` and `password` nor a usable `auth`.
    #[error("its .dockerconfigjson has no user name and password for {host}")]
    NoLogin {
        /// The host as written.
        host: String,
    },
}

impl fmt::Debug for SecretData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl FromIterator<(String, Zeroizing<Vec<u8>>)> for SecretData {
    fn from_iter<I: IntoIterator<Item = (String, Zeroizing<Vec<u8>>)>>(members: I) -> Self {
        Self(members.into_iter().collect())
    }
}

impl SecretData {
    /// The bytes of a member.
    pub fn member(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(|bytes| bytes.as_slice())
    }

    /// A member as text without the white space around it. A blank one is as good as none.
    fn text(&self, member: &'static str) -> Result<Option<&str>, SecretDataFailure> {
        let Some(bytes) = self.0.get(member) else { return Ok(None) };
        let text = std::str::from_utf8(bytes).map_err(|_| SecretDataFailure::NotText { member })?.trim();
        Ok((!text.is_empty()).then_some(text))
    }

    /// A member that goes into a header or a form, where white space has no place.
    fn word(&self, member: &'static str) -> Result<Option<&str>, SecretDataFailure> {
        match self.text(member)? {
            Some(text) if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(SecretDataFailure::NotText { member })
            }
            text => Ok(text),
        }
    }

    /// The AccessKey; `None` where its members are absent or blank.
    pub fn access_key(&self) -> Result<Option<AccessKey>, SecretDataFailure> {
        let [id_member, secret_member, token_member] = ACCESS_KEY_MEMBERS;
        let (id, secret) = (self.word(id_member)?, self.word(secret_member)?);
        let token = self.word(token_member)?;
        match (id, secret) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(SecretDataFailure::Missing { member: id_member }),
            (Some(_), None) => Err(SecretDataFailure::Missing { member: secret_member }),
            (Some(id), Some(_)) if token.is_none() && id.starts_with(SESSION) => {
                Err(SecretDataFailure::Missing { member: token_member })
            }
            (Some(id), Some(secret)) => Ok(Some(AccessKey {
                id: id.into(),
                secret: secret.into(),
                security_token: token.map(SecretString::from),
            })),
        }
    }

    /// User names and passwords that somebody wrote down. They do not end by time.
    pub fn static_logins(&self) -> Result<StaticLogins, SecretDataFailure> {
        if let Some(document) = self.0.get(DOCKER_CONFIG_MEMBER) {
            return docker_config_logins(document).map(StaticLogins::BySlot);
        }
        let (username, password) = (self.text("username")?, self.text("password")?);
        let username = username.ok_or(SecretDataFailure::Missing { member: "username" })?;
        let password = password.ok_or(SecretDataFailure::Missing { member: "password" })?;
        Ok(StaticLogins::Pair(login(username, password)))
    }
}

/// The logins of a Secret that `staticSecretRef` names.
#[derive(Clone, Debug)]
pub enum StaticLogins {
    /// Of a docker config, as `kubectl create secret docker-registry` makes it: each host has its own, or lacks it without
    /// harm to the others.
    BySlot(BTreeMap<KeySlot, Result<Login, SecretDataFailure>>),
    /// Of `username` and `password`, which do not say for which hosts they are.
    Pair(Login),
}

fn login(username: &str, password: &str) -> Login {
    Login { username: username.to_owned(), password: password.into(), expires: UnixMillis::NEVER }
}

/// Each host is read for itself, in place: nothing of it is copied before.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    auths: BTreeMap<String, &'a RawValue>,
}

/// As kubectl and docker write it; other members are passed over.
#[derive(Deserialize)]
struct HostEntry {
    username: Option<Zeroizing<String>>,
    password: Option<Zeroizing<String>>,
    auth: Option<Zeroizing<String>>,
}

fn docker_config_logins(
    document: &[u8],
) -> Result<BTreeMap<KeySlot, Result<Login, SecretDataFailure>>, SecretDataFailure> {
    let document: Document<'_> =
        serde_json::from_slice(document).map_err(|_| SecretDataFailure::NotDockerConfig)?;
    let mut logins: BTreeMap<KeySlot, Result<Login, SecretDataFailure>> = BTreeMap::new();
    for (written, entry) in document.auths {
        let entry = serde_json::from_str::<HostEntry>(entry.get()).ok();
        let found = entry.as_ref().and_then(pair);
        let found = found.ok_or_else(|| SecretDataFailure::NoLogin { host: written.clone() });
        let known = logins.entry(slot(&written)).or_insert_with(|| found.clone());
        // Two spellings of one host: one that is of use counts.
        if known.is_err() {
            *known = found;
        }
    }
    Ok(logins)
}

fn pair(entry: &HostEntry) -> Option<Login> {
    let given = |text: &Option<Zeroizing<String>>| text.clone().filter(|text| !text.is_empty());
    if let (Some(username), Some(password)) = (given(&entry.username), given(&entry.password)) {
        return Some(login(&username, &password));
    }
    let decoded = Zeroizing::new(STANDARD.decode(given(&entry.auth)?.as_bytes()).ok()?);
    let (username, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    (!username.is_empty() && !password.is_empty()).then(|| login(username, password))
}

/// The key of an `auths` as the kubelet reads it: without scheme, and without the `/v1/` or `/v2/` of old registries.
fn slot(written: &str) -> KeySlot {
    let bare = written.strip_prefix("https://").or_else(|| written.strip_prefix("http://"));
    let (host, path) = bare.unwrap_or(written).split_once('/').unwrap_or((bare.unwrap_or(written), ""));
    let path = path.trim_end_matches('/');
    match path {
        "" | "v1" | "v2" => KeySlot::host(host),
        path => KeySlot::host_and_path(host, path),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn data(members: &[(&str, &str)]) -> SecretData {
        let member =
            |(name, text): &(&str, &str)| ((*name).to_owned(), Zeroizing::new(text.as_bytes().to_vec()));
        members.iter().map(member).collect()
    }

    fn key(members: &[(&str, &str)]) -> String {
        match data(members).access_key() {
            Err(failure) => failure.to_string(),
            Ok(None) => "none".to_owned(),
            Ok(Some(AccessKey { id, secret, security_token })) => format!(
                "{} {} {:?}",
                id.expose_secret(),
                secret.expose_secret(),
                security_token.map(|token| token.expose_secret().to_owned())
            ),
        }
    }

    #[test]
    fn half_an_access_key_is_a_fault_and_a_blank_one_is_none() {
        assert_eq!(key(&[("access-key-id", "a")]), "it has no access-key-secret");
        assert_eq!(key(&[("access-key-id", " \n"), ("access-key-secret", "b")]), "it has no access-key-id");
        assert_eq!(
            key(&[("access-key-id", "a b"), ("access-key-secret", "c")]),
            "its access-key-id is not a text in one piece"
        );
        assert_eq!(
            key(&[("access-key-id", "STS.a"), ("access-key-secret", "c"), ("security-token", "")]),
            "it has no security-token"
        );
        assert_eq!(key(&[]), "none");
        assert_eq!(key(&[("access-key-id", ""), ("access-key-secret", " ")]), "none");
    }

    #[test]
    fn an_access_key_is_read_without_the_white_space_around_it() {
        assert_eq!(key(&[("access-key-id", "a\n"), ("access-key-secret", "b")]), "a b None");
        let session = [("access-key-id", "STS.a"), ("access-key-secret", "b"), ("security-token", "t\n")];
        assert_eq!(key(&session), "STS.a b Some(\"t\")");
    }

    fn logins(members: &[(&str, &str)]) -> String {
        let shown = |login: &Login| format!("{}:{}", login.username, login.password.expose_secret());
        match data(members).static_logins() {
            Err(failure) => failure.to_string(),
            Ok(StaticLogins::Pair(login)) => shown(&login),
            Ok(StaticLogins::BySlot(logins)) => {
                let shown = logins.iter().map(|(slot, login)| match login {
                    Ok(login) => format!("{slot}={}", shown(login)),
                    Err(failure) => format!("{slot}: {failure}"),
                });
                shown.collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn what_is_no_login_is_said() {
        assert_eq!(logins(&[]), "it has no username");
        assert_eq!(logins(&[("username", "u")]), "it has no password");
        for text in ["", "[]", "{}", r#"{"auths":[]}"#] {
            assert_eq!(
                logins(&[(DOCKER_CONFIG_MEMBER, text)]),
                "its .dockerconfigjson is not a docker config document with auths",
                "{text}"
            );
        }
        for auth in [
            "{}",
            r#"{"username":"u"}"#,
            r#"{"auth":"!"}"#,
            r#"{"auth":"dQ=="}"#,
            r#"{"auth":5}"#,
            "null",
            "5",
        ] {
            let text = format!(r#"{{"auths":{{"a.example":{{"auth":"dTpw"}},"r.example":{auth}}}}}"#);
            assert_eq!(
                logins(&[(DOCKER_CONFIG_MEMBER, &text)]),
                "a.example=u:p r.example: its .dockerconfigjson has no user name and password for r.example",
                "{auth}"
            );
        }
        let twice = r#"{"auths":{"https://r.example":{},"r.example":{"auth":"dTpw"}}}"#;
        assert_eq!(logins(&[(DOCKER_CONFIG_MEMBER, twice)]), "r.example=u:p");
    }

    #[test]
    fn a_docker_config_is_read_as_the_kubelet_reads_it() {
        let text = r#"{"auths":{
            "https://R.example/v1/":{"auth":"dTpwOnE="},
            "r.example/team":{"username":"a","password":"b","email":"x"},
            "z.example:5000":{"username":"c","password":"d","auth":"eDp5"}}}"#;
        let members = [(DOCKER_CONFIG_MEMBER, text)];
        assert_eq!(logins(&members), "r.example=u:p:q r.example/team=a:b z.example:5000=c:d");
    }

    #[test]
    fn a_pair_is_read_without_the_white_space_around_it() {
        assert_eq!(logins(&[("username", "u"), ("password", "p q\n")]), "u:p q");
    }

    #[test]
    fn nothing_of_a_secret_is_printed() {
        let text = format!("{:?}", data(&[("password", "MARKER")]));
        assert_eq!(text, "{\"password\"}");
    }
}
