//! A name pattern in which `*` stands for any run of characters, the empty run included.

use std::fmt;

/// A pattern for names. `*` is its only special character; there is no way to escape it, because no name of
/// Kubernetes contains one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob(String);

impl Glob {
    /// A pattern from its text.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The text of the pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern is a plain name, so that it matches exactly one.
    pub fn is_literal(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether the whole of `name` matches. Linear in the pattern for each piece between stars: the leftmost
    /// place of each piece is always good enough.
    pub fn matches(&self, name: &str) -> bool {
        // Most patterns are plain names, and scopes of hundreds of them are asked about every object.
        if self.is_literal() {
            return self.0 == name;
        }
        let mut pieces = self.0.split('*');
        let Some(mut rest) = name.strip_prefix(pieces.next().unwrap_or_default()) else {
            return false;
        };
        let mut suffix = pieces.next().unwrap_or_default();
        for piece in pieces {
            let Some((_, after)) = rest.split_once(suffix) else {
                return false;
            };
            rest = after;
            suffix = piece;
        }
        rest.ends_with(suffix)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn only_the_star_is_special_and_stands_for_any_run() {
        for (pattern, name, expected) in [
            ("app", "app", true),
            ("app", "apps", false),
            ("app", "", false),
            ("", "", true),
            ("*", "", true),
            ("*", "anything", true),
            ("app-*", "app-", true),
            ("app-*", "app-1", true),
            ("app-*", "app", false),
            ("*-app", "my-app", true),
            ("*-app", "my-app-1", false),
            ("a*b", "ab", true),
            ("a*b", "a-b-b", true),
            ("a*b", "a", false),
            ("ab*ba", "aba", false),
            ("ab*ba", "abba", true),
            ("a**b", "ab", true),
            ("*a*a*", "a", false),
            ("*a*a*", "aa", true),
            ("a?c", "abc", false),
            ("a[bc]", "ab", false),
            ("a.c", "abc", false),
            ("te*am*x", "te-am-y-x", true),
            ("te*am*x", "te-am-y", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(name), expected, "{pattern:?} on {name:?}");
        }
    }

    /// The definition, by backtracking, as the oracle.
    fn by_definition(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|skip| by_definition(rest, &name[skip..])),
            Some((c, rest)) => name.first() == Some(c) && by_definition(rest, &name[1..]),
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            let expected = by_definition(
                &pattern.chars().collect::<Vec<_>>(),
                &name.chars().collect::<Vec<_>>(),
            );
            proptest::prop_assert_eq!(Glob::new(pattern).matches(&name), expected);
        }
    }
}
