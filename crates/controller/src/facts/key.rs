//! What is asked, and the key that stands for it.

use std::fmt;

use acr_configuration::{SecretRef, SecretText};
use acr_credentials::KeySlot;
use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::operation::Class;

/// A hash of all inputs of a question: two questions with the same key have the same answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactKey([u8; 16]);

impl fmt::Display for FactKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for FactKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for FactKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FactKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16)
            .map(|number| Self(number.to_be_bytes()))
            .map_err(|_| serde::de::Error::custom("not a fact key: 32 hexadecimal digits"))
    }
}

/// Who signs a call to Container Registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The key pair of the entry.
    Inline {
        /// AccessKey id.
        id: SecretText,
        /// AccessKey secret.
        secret: SecretText,
    },
    /// The credentials that another fact holds.
    Fact(FactKey),
}

/// One thing to ask, with everything that the answer depends on except what its parent fact supplies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The region of this node.
    Region {
        /// Base URLs of the metadata service.
        endpoints: Vec<String>,
    },
    /// A ServiceAccount token for STS.
    Token,
    /// The keys of a registered cluster, else the credentials of this node's role.
    WorkerRole {
        /// Base URLs of the metadata service.
        endpoints: Vec<String>,
    },
    /// The keys of a registered cluster, else the managed role, by the add-on token that ACK hands over.
    ManagedRole,
    /// A session of a role, for the ServiceAccount token.
    AssumeRoleWithOidc {
        /// Base URLs of STS.
        endpoints: Vec<String>,
        /// The role.
        role_arn: String,
        /// The OIDC provider.
        oidc_provider_arn: String,
        /// Where the ServiceAccount token comes from.
        token: FactKey,
        /// Which request to renew it follows, if any.
        rotation: Option<String>,
    },
    /// A session of another role, asked for by the identity before it.
    AssumeRole {
        /// Base URLs of STS.
        endpoints: Vec<String>,
        /// The role.
        role_arn: String,
        /// Life of the session in seconds.
        duration_seconds: u32,
        /// What the role's trust policy may ask for.
        external_id: Option<String>,
        /// Who asks.
        key: KeySource,
        /// Which request to renew it follows, if any.
        rotation: Option<String>,
    },
    /// Whose key it is that nobody has named. Asked only after a call that it signed was refused.
    CallerIdentity {
        /// Base URLs of STS.
        endpoints: Vec<String>,
        /// Whose.
        key: KeySource,
    },
    /// The domains of an instance.
    Endpoints {
        /// Base URLs of Container Registry.
        endpoints: Vec<String>,
        /// `cri-…`.
        instance: String,
        /// Who asks.
        key: KeySource,
    },
    /// A login.
    Login {
        /// Base URLs of Container Registry.
        endpoints: Vec<String>,
        /// `cri-…`.
        instance: String,
        /// Who asks.
        key: KeySource,
        /// Which request to renew it follows, if any.
        rotation: Option<String>,
    },
    /// An AccessKey that a Secret holds. It is not asked for: whoever follows the Secret gives the answer.
    SecretKey {
        /// The Secret.
        reference: SecretRef,
    },
    /// A user name and password that a Secret holds; given like [`Self::SecretKey`].
    StaticLogin {
        /// The Secret.
        reference: SecretRef,
        /// Whose of its docker config; `None` for its one pair.
        slot: Option<KeySlot>,
    },
    /// A login of the Personal Edition.
    PersonalLogin {
        /// Base URLs of Container Registry: they decide the region.
        endpoints: Vec<String>,
        /// Who asks.
        key: KeySource,
        /// Which request to renew it follows, if any.
        rotation: Option<String>,
    },
}

impl Question {
    /// The key of this question.
    pub fn key(&self) -> FactKey {
        let mut inputs = Inputs(digest::Context::new(&digest::SHA256));
        // Every field is named, so that a new one cannot be forgotten.
        match self {
            Self::Region { endpoints } => inputs.text("region").list(endpoints),
            Self::Token => inputs.text("token"),
            Self::WorkerRole { endpoints } => inputs.text("worker-role").list(endpoints),
            Self::AssumeRoleWithOidc { endpoints, role_arn, oidc_provider_arn, token, rotation } => inputs
                .text("assume-role-with-oidc")
                .list(endpoints)
                .text(role_arn)
                .text(oidc_provider_arn)
                .bytes(&token.0)
                .rotation(rotation.as_ref()),
            Self::ManagedRole => inputs.text("managed-role"),
            Self::AssumeRole { endpoints, role_arn, duration_seconds, external_id, key, rotation } => inputs
                .text("assume-role")
                .list(endpoints)
                .text(role_arn)
                .bytes(&duration_seconds.to_be_bytes())
                .list(external_id.as_slice())
                .source(key)
                .rotation(rotation.as_ref()),
            // It is the same wherever it is asked.
            Self::CallerIdentity { endpoints: _, key } => inputs.text("caller-identity").source(key),
            Self::Endpoints { endpoints, instance, key } => {
                inputs.text("endpoints").list(endpoints).text(instance).source(key)
            }
            Self::Login { endpoints, instance, key, rotation } => {
                inputs.text("login").list(endpoints).text(instance).source(key).rotation(rotation.as_ref())
            }
            Self::PersonalLogin { endpoints, key, rotation } => {
                inputs.text("personal-login").list(endpoints).source(key).rotation(rotation.as_ref())
            }
            Self::SecretKey { reference } => inputs.text("secret-key").reference(reference),
            Self::StaticLogin { reference, slot } => {
                let slot: Vec<String> = slot.iter().map(ToString::to_string).collect();
                inputs.text("static-login").reference(reference).list(&slot)
            }
        };
        let mut key = [0; 16];
        key.iter_mut().zip(inputs.0.finish().as_ref()).for_each(|(to, from)| *to = *from);
        FactKey(key)
    }

    /// The operation that asks it, as logs and findings name it.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Region { .. } => "MetadataRegion",
            Self::Token => "ServiceAccountToken",
            Self::WorkerRole { .. } => "MetadataRole",
            Self::ManagedRole => "AddOnToken",
            Self::AssumeRoleWithOidc { .. } => "AssumeRoleWithOIDC",
            Self::AssumeRole { .. } => "AssumeRole",
            Self::CallerIdentity { .. } => "GetCallerIdentity",
            Self::Endpoints { .. } => "ListInstanceEndpoint",
            Self::Login { .. } => "GetAuthorizationToken",
            Self::PersonalLogin { .. } => "PersonalAuthorizationToken",
            Self::SecretKey { .. } => "AccessKeySecret",
            Self::StaticLogin { .. } => "StaticSecret",
        }
    }

    /// The class of slots in which it is asked; `None` where it is given.
    pub fn class(&self) -> Option<Class> {
        Some(match self {
            Self::Region { .. } | Self::Token | Self::WorkerRole { .. } | Self::ManagedRole => {
                Class::Metadata
            }
            Self::AssumeRoleWithOidc { .. } | Self::AssumeRole { .. } | Self::CallerIdentity { .. } => {
                Class::Sts
            }
            Self::Endpoints { .. } | Self::Login { .. } | Self::PersonalLogin { .. } => {
                Class::ContainerRegistry
            }
            Self::SecretKey { .. } | Self::StaticLogin { .. } => return None,
        })
    }

    /// Where it is asked, as base URLs; empty where this cluster itself has the answer.
    pub fn endpoints(&self) -> &[String] {
        match self {
            Self::Region { endpoints }
            | Self::WorkerRole { endpoints }
            | Self::AssumeRoleWithOidc { endpoints, .. }
            | Self::AssumeRole { endpoints, .. }
            | Self::CallerIdentity { endpoints, .. }
            | Self::Endpoints { endpoints, .. }
            | Self::Login { endpoints, .. }
            | Self::PersonalLogin { endpoints, .. } => endpoints,
            Self::Token | Self::ManagedRole | Self::SecretKey { .. } | Self::StaticLogin { .. } => &[],
        }
    }

    /// Whether it is a login.
    pub fn is_login(&self) -> bool {
        matches!(self, Self::Login { .. } | Self::PersonalLogin { .. } | Self::StaticLogin { .. })
    }

    /// Whether its answer is given by whoever follows a Secret, and never asked for.
    pub fn is_given(&self) -> bool {
        self.class().is_none()
    }

    /// Whether it is asked for its own sake: nothing stands on it.
    pub fn is_leaf(&self) -> bool {
        self.is_login()
            || matches!(self, Self::Endpoints { .. } | Self::Region { .. } | Self::CallerIdentity { .. })
    }

    /// The fact that must be known before this can be asked.
    pub fn parent(&self) -> Option<FactKey> {
        match self {
            Self::Region { .. }
            | Self::Token
            | Self::WorkerRole { .. }
            | Self::ManagedRole
            | Self::SecretKey { .. }
            | Self::StaticLogin { .. } => None,
            Self::AssumeRoleWithOidc { token, .. } => Some(*token),
            Self::AssumeRole { .. }
            | Self::CallerIdentity { .. }
            | Self::Endpoints { .. }
            | Self::Login { .. }
            | Self::PersonalLogin { .. } => match self.key_source()? {
                KeySource::Inline { .. } => None,
                KeySource::Fact(parent) => Some(*parent),
            },
        }
    }

    /// Who signs it, where it is signed.
    pub fn key_source(&self) -> Option<&KeySource> {
        match self {
            Self::AssumeRole { key, .. }
            | Self::CallerIdentity { key, .. }
            | Self::Endpoints { key, .. }
            | Self::Login { key, .. }
            | Self::PersonalLogin { key, .. } => Some(key),
            Self::Region { .. }
            | Self::Token
            | Self::WorkerRole { .. }
            | Self::ManagedRole
            | Self::SecretKey { .. }
            | Self::StaticLogin { .. }
            | Self::AssumeRoleWithOidc { .. } => None,
        }
    }
}

/// Hashes fields with their lengths, so that no two different lists of fields run together.
struct Inputs(digest::Context);

impl Inputs {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&bytes.len().to_be_bytes());
        self.0.update(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    fn list(&mut self, texts: &[String]) -> &mut Self {
        self.bytes(&texts.len().to_be_bytes());
        for text in texts {
            self.text(text);
        }
        self
    }

    /// What nobody ever asked to renew has the key that it always had.
    fn rotation(&mut self, rotation: Option<&String>) -> &mut Self {
        match rotation {
            None => self,
            Some(word) => self.text("rotation").text(word),
        }
    }

    fn reference(&mut self, reference: &SecretRef) -> &mut Self {
        let SecretRef { namespace, name } = reference;
        self.text(namespace).text(name)
    }

    fn source(&mut self, source: &KeySource) -> &mut Self {
        match source {
            KeySource::Inline { id, secret } => self.text("inline").text(id.expose()).text(secret.expose()),
            KeySource::Fact(parent) => self.text("fact").bytes(&parent.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(instance: &str, id: &str, secret: &str, endpoint: &str) -> Question {
        Question::Login {
            endpoints: vec![endpoint.into()],
            instance: instance.into(),
            key: KeySource::Inline { id: SecretText::new(id), secret: SecretText::new(secret) },
            rotation: None,
        }
    }

    fn reference(namespace: &str, name: &str) -> SecretRef {
        SecretRef { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    fn hop(role: &str, duration_seconds: u32, external_id: Option<&str>, id: &str) -> Question {
        Question::AssumeRole {
            endpoints: vec![],
            role_arn: role.into(),
            duration_seconds,
            external_id: external_id.map(str::to_owned),
            key: KeySource::Inline { id: SecretText::new(id), secret: SecretText::new("") },
            rotation: None,
        }
    }

    fn of_token(rotation: Option<String>) -> Question {
        let key = KeySource::Fact(Question::Token.key());
        Question::Login { endpoints: vec![], instance: "i".into(), key, rotation }
    }

    #[test]
    fn every_input_changes_the_key_and_none_runs_into_the_next() {
        let keys: std::collections::BTreeSet<FactKey> = [
            login("i", "a", "b", "e"),
            login("j", "a", "b", "e"),
            login("i", "ab", "", "e"),
            login("i", "a", "c", "e"),
            login("i", "a", "b", "f"),
            of_token(None),
            of_token(Some("a".into())),
            of_token(Some("b".into())),
            Question::Endpoints {
                endpoints: vec![],
                instance: "i".into(),
                key: KeySource::Fact(Question::Token.key()),
            },
            Question::PersonalLogin {
                endpoints: vec![],
                key: KeySource::Fact(Question::Token.key()),
                rotation: None,
            },
            Question::WorkerRole { endpoints: vec![] },
            Question::ManagedRole,
            Question::Region { endpoints: vec![] },
            Question::Token,
            Question::SecretKey { reference: reference("a", "bc") },
            Question::SecretKey { reference: reference("ab", "c") },
            Question::StaticLogin { reference: reference("a", "bc"), slot: None },
            Question::StaticLogin { reference: reference("a", "bc"), slot: Some(KeySlot::host("h")) },
            hop("r", 900, None, "k"),
            hop("s", 900, None, "k"),
            hop("r", 901, None, "k"),
            hop("r", 900, Some(""), "k"),
            hop("r", 900, Some("x"), "k"),
            hop("r", 900, None, "l"),
            Question::CallerIdentity { endpoints: vec![], key: KeySource::Fact(Question::Token.key()) },
        ]
        .iter()
        .map(Question::key)
        .collect();
        assert_eq!(keys.len(), 25);
    }

    #[test]
    fn a_key_survives_the_journal() {
        let key = Question::Token.key();
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<FactKey>(&text).unwrap(), key);
        assert!(serde_json::from_str::<FactKey>("\"no\"").is_err());
    }
}
