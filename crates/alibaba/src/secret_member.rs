//! Reading a secret member of a JSON document without an intermediate copy.

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// A text that is secret from the moment it leaves the document; null is empty.
pub(crate) struct SecretMember(pub(crate) SecretString);

impl<'de> Deserialize<'de> for SecretMember {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = SecretMember;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<SecretMember, E> {
                Ok(SecretMember(text.into()))
            }

            fn visit_unit<E: Error>(self) -> Result<SecretMember, E> {
                Ok(SecretMember("".into()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}
