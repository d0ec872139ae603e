//! What is asked, and the key that stands for it.

use std::fmt;

use acr_configuration::SecretText;
use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

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
    /// The credentials of this node's role.
    WorkerRole {
        /// Base URLs of the metadata service.
        endpoints: Vec<String>,
    },
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
            Self::AssumeRoleWithOidc { endpoints, role_arn, oidc_provider_arn, token } => inputs
                .text("assume-role-with-oidc")
                .list(endpoints)
                .text(role_arn)
                .text(oidc_provider_arn)
                .bytes(&token.0),
            Self::Endpoints { endpoints, instance, key } => {
                inputs.text("endpoints").list(endpoints).text(instance).source(key)
            }
            Self::Login { endpoints, instance, key } => {
                inputs.text("login").list(endpoints).text(instance).source(key)
            }
        };
        let mut key = [0; 16];
        key.iter_mut().zip(inputs.0.finish().as_ref()).for_each(|(to, from)| *to = *from);
        FactKey(key)
    }

    /// The fact that must be known before this can be asked.
    pub fn parent(&self) -> Option<FactKey> {
        match self {
            Self::Region { .. } | Self::Token | Self::WorkerRole { .. } => None,
            Self::AssumeRoleWithOidc { token, .. } => Some(*token),
            Self::Endpoints { key, .. } | Self::Login { key, .. } => match key {
                KeySource::Inline { .. } => None,
                KeySource::Fact(parent) => Some(*parent),
            },
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
        }
    }

    #[test]
    fn every_input_changes_the_key_and_none_runs_into_the_next() {
        let keys: std::collections::BTreeSet<FactKey> = [
            login("i", "a", "b", "e"),
            login("j", "a", "b", "e"),
            login("i", "ab", "", "e"),
            login("i", "a", "c", "e"),
            login("i", "a", "b", "f"),
            Question::Login {
                endpoints: vec![],
                instance: "i".into(),
                key: KeySource::Fact(Question::Token.key()),
            },
            Question::Endpoints {
                endpoints: vec![],
                instance: "i".into(),
                key: KeySource::Fact(Question::Token.key()),
            },
            Question::WorkerRole { endpoints: vec![] },
            Question::Region { endpoints: vec![] },
            Question::Token,
        ]
        .iter()
        .map(Question::key)
        .collect();
        assert_eq!(keys.len(), 10);
    }

    #[test]
    fn a_key_survives_the_journal() {
        let key = Question::Token.key();
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<FactKey>(&text).unwrap(), key);
        assert!(serde_json::from_str::<FactKey>("\"no\"").is_err());
    }
}
