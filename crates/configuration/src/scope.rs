//! The scope: which namespaces and ServiceAccounts the configuration serves.

use std::collections::BTreeSet;

use crate::glob::Glob;
use crate::selector::LabelSelector;

/// A Namespace or ServiceAccount with this label set to `"true"` is never served.
pub const OPT_OUT_LABEL: &str = "acr-credential-helper/ignore";

/// Namespaces whose pods pull the system's own images: a dead login there can stop public pulls as well.
pub const SYSTEM_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// Which namespaces `watch-namespace` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceSet {
    /// `all`, in any case.
    All,
    /// These, by exact name.
    Names(BTreeSet<String>),
}

/// Namespaces and ServiceAccounts to serve; an entry's own lists narrow it further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// `watch-namespace`.
    pub watch_namespace: NamespaceSet,
    /// `exclude-namespace`: never served.
    pub exclude_namespace: Vec<Glob>,
    /// `namespace-selector`: only namespaces that match.
    pub namespace_selector: Option<LabelSelector>,
    /// `service-account`: names and globs.
    pub service_account: Vec<Glob>,
}

impl Default for Scope {
    /// What absent keys mean: ServiceAccount `default` in namespace `default`.
    fn default() -> Self {
        Self {
            watch_namespace: NamespaceSet::Names(BTreeSet::from(["default".to_owned()])),
            exclude_namespace: Vec::new(),
            namespace_selector: None,
            service_account: vec![Glob::new("default")],
        }
    }
}

impl Scope {
    /// By name alone: `watch-namespace` minus `exclude-namespace`.
    pub fn namespace_is_named(&self, name: &str) -> bool {
        let watched = match &self.watch_namespace {
            NamespaceSet::All => true,
            NamespaceSet::Names(names) => names.contains(name),
        };
        watched && !self.exclude_namespace.iter().any(|glob| glob.matches(name))
    }

    /// By name and labels: named, not opted out, and matched by `namespace-selector`. `labels` gives the value
    /// of a label of the Namespace.
    pub fn namespace_is_served<'a>(&self, name: &str, labels: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.namespace_is_named(name)
            && !is_opted_out(&labels)
            && self.namespace_selector.as_ref().is_none_or(|selector| selector.matches(&labels))
    }

    /// By name alone; the opt-out label of the ServiceAccount is asked with [`is_opted_out`].
    pub fn service_account_is_named(&self, name: &str) -> bool {
        self.service_account.iter().any(|glob| glob.matches(name))
    }
}

/// Whether a Namespace or ServiceAccount with these labels asked to be left alone.
pub fn is_opted_out<'a>(labels: impl Fn(&str) -> Option<&'a str>) -> bool {
    labels(OPT_OUT_LABEL) == Some("true")
}

/// RFC 1123 label, as names of namespaces must be: at most 63 of `a-z 0-9 -`, alphanumeric at both ends.
pub fn is_dns_label(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 63
        && text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text.chars().all(|c| alphanumeric(c) || c == '-')
}

/// RFC 1123 subdomain, as most names of objects must be: labels joined by dots, at most 253 characters.
pub fn is_dns_subdomain(text: &str) -> bool {
    let label = |label: &str| {
        let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        label.starts_with(alphanumeric)
            && label.ends_with(alphanumeric)
            && label.chars().all(|c| alphanumeric(c) || c == '-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::{NamespaceSet, OPT_OUT_LABEL, Scope, is_dns_label, is_dns_subdomain};
    use crate::glob::Glob;
    use crate::selector::LabelSelector;

    #[test]
    fn an_excluded_namespace_is_not_served_even_if_listed() {
        let scope = Scope {
            watch_namespace: NamespaceSet::All,
            exclude_namespace: vec![Glob::new("kube-*"), Glob::new("secret")],
            ..Scope::default()
        };
        assert!(!scope.namespace_is_named("kube-system"));
        assert!(!scope.namespace_is_named("secret"));
        assert!(scope.namespace_is_named("secrets"));
    }

    #[test]
    fn an_opted_out_namespace_is_not_served_and_only_true_opts_out() {
        let scope = Scope::default();
        let label = |value: &'static str| move |key: &str| (key == OPT_OUT_LABEL).then_some(value);
        assert!(!scope.namespace_is_served("default", label("true")));
        assert!(scope.namespace_is_served("default", label("false")));
        assert!(scope.namespace_is_served("default", |_| None));
    }

    #[test]
    fn the_selector_narrows_what_is_named() {
        let scope =
            Scope { namespace_selector: Some(LabelSelector::parse("team").unwrap()), ..Scope::default() };
        assert!(!scope.namespace_is_served("default", |_| None));
        assert!(scope.namespace_is_served("default", |key| (key == "team").then_some("a")));
        assert!(!scope.namespace_is_served("other", |key| (key == "team").then_some("a")));
    }

    #[test]
    fn absent_keys_mean_the_default_account_of_the_default_namespace() {
        let scope = Scope::default();
        assert!(scope.namespace_is_named("default") && !scope.namespace_is_named("kube-system"));
        assert!(scope.service_account_is_named("default") && !scope.service_account_is_named("builder"));
    }

    #[test]
    fn names_of_kubernetes_are_told_from_impossible_ones() {
        for good in ["a", "a-b", "0", &"a".repeat(63)] {
            assert!(is_dns_label(good) && is_dns_subdomain(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a*", "a b", "ä"] {
            assert!(!is_dns_label(bad) && !is_dns_subdomain(bad), "{bad}");
        }
        assert!(is_dns_subdomain("a.b-c.d") && !is_dns_label("a.b"));
        assert!(!is_dns_label(&"a".repeat(64)) && !is_dns_subdomain("a..b"));
    }
}
