//! A secret text of the configuration: it can be compared and used, never printed.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A key or key secret. `Debug` is redacted, there is no `Display`; [`SecretText::expose`] is the only way out.
#[derive(Clone)]
pub struct SecretText(SecretString);

impl SecretText {
    /// Takes the text into custody.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself, for the one place that signs with it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

// Both sides come from the same ConfigMap: a comparison in constant time would protect nothing.
impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for SecretText {}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText([REDACTED])")
    }
}
