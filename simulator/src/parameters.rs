//! The parameters of a request: query and form body merged, decoded, sorted.

use crate::encoding::percent_decode;

/// Names and values in byte order of the names (then of the values, where a name is repeated).
///
/// No `Debug`: parameters hold tokens and signatures.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `a=b&c=d` texts; `None` when an escape is broken.
    pub(crate) fn parse(texts: &[&str]) -> Option<Self> {
        let mut pairs = Vec::new();
        for pair in texts.iter().flat_map(|text| text.split('&')).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((percent_decode(name)?, percent_decode(value)?));
        }
        pairs.sort_unstable();
        Some(Self(pairs))
    }

    /// The first value of a name; an empty value counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value)
    }

    /// Every value of a name.
    pub(crate) fn all<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A copy without one name.
    pub(crate) fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(key, _)| key != name).cloned().collect())
    }
}
