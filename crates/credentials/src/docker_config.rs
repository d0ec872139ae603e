//! The document of a `kubernetes.io/dockerconfigjson` Secret: rendering ours, and reading a foreign one's hosts.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::call::Login;
use crate::slot::KeySlot;

/// Logins by key slot; renders to the same bytes whenever it holds the same.
#[derive(Clone, Debug, Default)]
pub struct DockerConfig {
    auths: BTreeMap<KeySlot, Login>,
    email: Option<String>,
}

/// The largest data of a Secret in bytes
/// (<https://kubernetes.io/docs/concepts/configuration/secret/#restriction-data-size>).
pub const SECRET_LIMIT_BYTES: usize = 1 << 20;

impl DockerConfig {
    /// An empty document whose entries will carry `email` where it is set.
    pub fn new(email: Option<String>) -> Self {
        Self { auths: BTreeMap::new(), email }
    }

    /// Puts `login` under `slot`, unless the slot is taken: the first wins. Whether it was put.
    pub fn insert(&mut self, slot: KeySlot, login: Login) -> bool {
        match self.auths.entry(slot) {
            std::collections::btree_map::Entry::Occupied(_) => false,
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(login);
                true
            }
        }
    }

    /// The slots in the order of the document, with their logins.
    pub fn iter(&self) -> impl Iterator<Item = (&KeySlot, &Login)> {
        self.auths.iter()
    }

    /// The document as JSON, wiped from memory when dropped: slots in order, no white space;
    /// each entry has `username`, `password`, `auth` and, where set, `email`, as kubectl writes them.
    pub fn render(&self) -> Zeroizing<Vec<u8>> {
        // Reserved in one piece, so that growing leaves no copy of a password behind in freed memory.
        let size: usize = self.auths.iter().map(|(slot, login)| self.entry_bytes(slot, login)).sum();
        let mut text = Zeroizing::new(Vec::with_capacity(size.saturating_add(ENVELOPE_BYTES)));
        let auths = self.auths.iter().map(|(slot, login)| (slot, self.entry(login))).collect();
        let written = serde_json::to_writer(&mut *text, &Document { auths });
        debug_assert!(written.is_ok(), "writing strings to memory cannot fail");
        text
    }

    fn entry<'a>(&'a self, login: &'a Login) -> Entry<'a> {
        let password = login.password.expose_secret();
        let pair = Zeroizing::new(format!("{}:{password}", login.username));
        Entry {
            username: &login.username,
            password,
            email: self.email.as_deref(),
            auth: Zeroizing::new(STANDARD.encode(pair.as_bytes())),
        }
    }

    /// An upper bound of what one entry takes, escapes included.
    fn entry_bytes(&self, slot: &KeySlot, login: &Login) -> usize {
        let password = login.password.expose_secret().len();
        let plain = slot.as_str().len()
            + login.username.len()
            + password
            + self.email.as_ref().map_or(0, String::len);
        // A character may become six (`\u00xx`); base64 makes four of three.
        plain * 6 + (login.username.len() + password + 3) * 4 / 3 + 64
    }
}

/// `{"auths":{}}` and room to spare.
const ENVELOPE_BYTES: usize = 16;

#[derive(Serialize)]
struct Document<'a> {
    auths: BTreeMap<&'a KeySlot, Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    username: &'a str,
    password: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(serialize_with = "as_text")]
    auth: Zeroizing<String>,
}

fn as_text<S: serde::Serializer>(text: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// The keys under `auths` of a docker config document; `None` when it is not such a document.
/// No value is kept.
pub fn hosts_of(document: &[u8]) -> Option<Vec<String>> {
    /// Strict, so that a document with anything besides `auths` is not taken for one of ours to replace.
    #[expect(clippy::zero_sized_map_values, reason = "the values are secrets: read past, never kept")]
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Hosts {
        auths: BTreeMap<String, serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Hosts>(document).ok().map(|document| document.auths.into_keys().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixMillis;
    use proptest::prelude::*;

    fn login(password: &str) -> Login {
        Login {
            username: "cr_temp_user".into(),
            password: password.to_owned().into(),
            expires: UnixMillis(0),
        }
    }

    #[test]
    fn an_empty_document_has_an_empty_auths() {
        assert_eq!(DockerConfig::default().render().as_slice(), br#"{"auths":{}}"#);
    }

    #[test]
    fn the_first_login_of_a_slot_wins() {
        let mut document = DockerConfig::default();
        assert!(document.insert(KeySlot::host("A.example"), login("first")));
        assert!(!document.insert(KeySlot::host("a.example"), login("second")));
        let text = String::from_utf8(document.render().to_vec()).unwrap();
        assert!(text.contains("first") && !text.contains("second"));
    }

    #[test]
    fn an_entry_has_what_kubectl_writes() {
        let mut document = DockerConfig::new(Some("ops@example.com".into()));
        document.insert(KeySlot::host("b.example"), login("p:w"));
        document.insert(KeySlot::host_and_path("a.example", "team"), login("q"));
        insta::assert_snapshot!(
            String::from_utf8(document.render().to_vec()).unwrap(),
            @r#"{"auths":{"a.example/team":{"username":"cr_temp_user","password":"q","email":"ops@example.com","auth":"Y3JfdGVtcF91c2VyOnE="},"b.example":{"username":"cr_temp_user","password":"p:w","email":"ops@example.com","auth":"Y3JfdGVtcF91c2VyOnA6dw=="}}}"#
        );
    }

    #[test]
    fn what_is_no_docker_config_has_no_hosts() {
        for text in ["", "{}", "[]", r#"{"auths":[]}"#, "\u{0}"] {
            assert_eq!(hosts_of(text.as_bytes()), None, "{text}");
        }
        assert_eq!(hosts_of(br#"{"auths":{}}"#), Some(vec![]));
    }

    proptest! {
        #[test]
        fn rendering_is_json_for_any_text_and_never_grows_past_its_reserve(
            host in "\\PC{0,20}", user in "\\PC{0,20}", password in any::<String>(), email in proptest::option::of(any::<String>())
        ) {
            let mut document = DockerConfig::new(email);
            let slot = KeySlot::host(&host);
            let login = Login { username: user, password: password.clone().into(), expires: UnixMillis(0) };
            let bound = document.entry_bytes(&slot, &login) + ENVELOPE_BYTES;
            document.insert(slot.clone(), login);
            let text = document.render();
            prop_assert!(text.len() <= bound);
            let parsed: serde_json::Value = serde_json::from_slice(&text).unwrap();
            prop_assert_eq!(parsed["auths"][slot.as_str()]["password"].as_str(), Some(password.as_str()));
            prop_assert_eq!(hosts_of(&text), Some(vec![slot.as_str().to_owned()]));
        }
    }
}
