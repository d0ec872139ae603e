//! Readers for single settings, shared by the keys of the ConfigMap and the add-on parameters.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::code;
use crate::configuration::{PodHelp, TokenMode};
use crate::duration::{self, DurationErrorKind};
use crate::glob::Glob;
use crate::placeholder::has_angle_brackets;
use crate::scope::{NamespaceSet, SYSTEM_NAMESPACES, Scope, is_dns_label, is_dns_subdomain};
use crate::selector::LabelSelector;
use crate::sheet::{Scalar, Sheet};

impl Sheet<'_> {
    /// A comma list of namespaces, or `all`. The rest of the scope tells whether the system's own are in it.
    pub(crate) fn watch_namespace(&mut self, list: Scalar<'_>, scope: &Scope) -> Option<NamespaceSet> {
        let mut names = BTreeSet::new();
        let mut all = None;
        for item in self.items("watch-namespace", list)? {
            if item.text.eq_ignore_ascii_case("all") {
                all = Some(item);
            } else if has_angle_brackets(item.text) {
                self.is_placeholder("watch-namespace", item);
            } else if is_dns_label(item.text) {
                if let Some(name) = SYSTEM_NAMESPACES.iter().find(|name| **name == item.text) {
                    self.warn_system_namespaces(&[name], item, scope);
                }
                names.insert(item.text.to_owned());
            } else {
                let found = self.quote(item.text);
                let remedy = if item.text.contains('*') {
                    "write `all` and narrow it with exclude-namespace or namespace-selector: watch-namespace has no globs"
                } else {
                    "write the name of a namespace: lower-case letters, digits and -, at most 63"
                };
                self.warn(
                    code::IMPOSSIBLE_NAME,
                    Some(item.span),
                    format!("no namespace can have the name {found}"),
                    remedy.to_owned(),
                );
            }
        }
        if let Some(item) = all {
            self.warn_system_namespaces(&SYSTEM_NAMESPACES, item, scope);
            return Some(NamespaceSet::All);
        }
        Some(NamespaceSet::Names(names))
    }

    /// Namespaces of the system carry one label that is always known: their name.
    fn warn_system_namespaces(&mut self, names: &[&'static str], item: Scalar<'_>, scope: &Scope) {
        let excluded = |name: &str| scope.exclude_namespace.iter().any(|glob| glob.matches(name));
        let selected = |name: &'static str| {
            let labels = |key: &str| (key == "kubernetes.io/metadata.name").then_some(name);
            scope.namespace_selector.as_ref().is_none_or(|selector| selector.matches(labels))
        };
        let served: Vec<&str> =
            names.iter().copied().filter(|name| !excluded(name) && selected(name)).collect();
        if served.is_empty() {
            return;
        }
        let served = served.join(",");
        self.warn(
            code::SYSTEM_NAMESPACE_IN_SCOPE,
            Some(item.span),
            format!("namespaces of the system are in scope: {served}"),
            format!(
                "exclude them with `exclude-namespace: \"{served}\"`, unless their pods need private images"
            ),
        );
    }

    /// A comma list of ServiceAccounts, with globs; `Default` is spelled so in the documentation.
    pub(crate) fn service_account(&mut self, list: Scalar<'_>) -> Option<Vec<Glob>> {
        let mut globs = self.globs("service-account", list)?;
        for glob in &mut globs {
            if glob.as_str().eq_ignore_ascii_case("default") {
                *glob = Glob::new("default");
            }
        }
        Some(globs)
    }

    /// A comma list of globs.
    pub(crate) fn globs(&mut self, name: &str, list: Scalar<'_>) -> Option<Vec<Glob>> {
        let items = self.items(name, list)?;
        Some(items.into_iter().filter_map(|item| self.glob(name, item)).collect())
    }

    /// One glob; `None` when it can match nothing (which is reported).
    pub(crate) fn glob(&mut self, name: &str, item: Scalar<'_>) -> Option<Glob> {
        if has_angle_brackets(item.text) {
            self.is_placeholder(name, item);
            return None;
        }
        // What a star stands for is unknown; a letter makes every piece between stars a possible name.
        let possible =
            is_dns_subdomain(&item.text.replace('*', "a")) || item.text.eq_ignore_ascii_case("default");
        if !possible {
            let found = self.quote(item.text);
            self.warn(
                code::IMPOSSIBLE_NAME,
                Some(item.span),
                format!("{found} in {name} matches no possible name"),
                "use lower-case letters, digits and -; `*` stands for any run of characters".to_owned(),
            );
            return None;
        }
        Some(Glob::new(item.text))
    }

    /// The elements of a comma list; a list of nothing but commas is an error, so that it widens or shrinks no scope.
    fn items<'n>(&mut self, name: &str, list: Scalar<'n>) -> Option<Vec<Scalar<'n>>> {
        let items: Vec<Scalar<'n>> = list.items().collect();
        if items.is_empty() {
            self.error(
                code::INVALID_VALUE,
                Some(list.span),
                format!("{name} has commas but no name"),
                "write names between the commas, or nothing at all".to_owned(),
            );
            return None;
        }
        Some(items)
    }

    /// A Go duration above zero.
    pub(crate) fn expiring_threshold(&mut self, name: &str, scalar: Scalar<'_>) -> Option<Duration> {
        if self.is_placeholder(name, scalar) {
            return None;
        }
        let found = self.quote(scalar.text);
        let error = match duration::parse(scalar.text) {
            Ok(nanoseconds) if nanoseconds > 0 => {
                return u64::try_from(nanoseconds).ok().map(Duration::from_nanos);
            }
            Ok(_) => {
                self.error(
                    code::OUT_OF_RANGE,
                    Some(scalar.span),
                    format!("{name} must be longer than nothing, found {found}"),
                    "write a duration such as `15m`, or leave the key out".to_owned(),
                );
                return None;
            }
            Err(error) => error,
        };
        let what = match error.kind {
            DurationErrorKind::Number => "a number is missing here",
            DurationErrorKind::MissingUnit => "a unit is missing after the number",
            DurationErrorKind::UnknownUnit => "this is no unit",
            DurationErrorKind::Overflow => "this is longer than 292 years",
        };
        let remedy =
            "write numbers with one of the units h, m, s, ms, us, ns, without spaces: `15m`, `1h30m`";
        self.error(
            code::INVALID_DURATION,
            Some(scalar.part(error.at)),
            format!("{name} {found} is not a duration: {what}"),
            remedy.to_owned(),
        );
        None
    }

    /// A label selector. A placeholder is an error here: without the selector more namespaces would be served.
    pub(crate) fn namespace_selector(&mut self, scalar: Scalar<'_>) -> Option<LabelSelector> {
        match LabelSelector::parse(scalar.text) {
            Ok(selector) => Some(selector),
            Err(error) => {
                self.error(
                    code::INVALID_SELECTOR,
                    Some(scalar.part(error.at..error.at + error.length)),
                    format!("namespace-selector is not a label selector: {error} here"),
                    "write it as for kubectl: `team=a,tier in (web,api),!legacy`".to_owned(),
                );
                None
            }
        }
    }

    /// The mail address of the docker config entries: any text of one line.
    pub(crate) fn notify_email(&mut self, name: &str, scalar: Scalar<'_>) -> Option<String> {
        if has_angle_brackets(scalar.text) {
            self.is_placeholder(name, scalar);
            return None;
        }
        if scalar.text.chars().any(char::is_control) {
            self.error(
                code::INVALID_VALUE,
                Some(scalar.span),
                format!("{name} has a line break or another control character"),
                "write one mail address, or leave the key out".to_owned(),
            );
            return None;
        }
        Some(scalar.text.to_owned())
    }

    /// `tokenMode`.
    pub(crate) fn token_mode(&mut self, scalar: Scalar<'_>) -> Option<TokenMode> {
        self.choice("tokenMode", scalar, &TokenMode::ALL.map(|mode| (mode.as_str(), mode)))
    }

    /// `pods`. `asked` says whether the API server asks the webhook.
    pub(crate) fn pods(&mut self, scalar: Scalar<'_>, asked: bool) -> Option<PodHelp> {
        let help = self.choice("pods", scalar, &PodHelp::ALL.map(|help| (help.as_str(), help)))?;
        if help == PodHelp::Append && !asked {
            self.warn(
                code::APPEND_WITHOUT_WEBHOOK,
                Some(scalar.span),
                "nothing is appended to pods without the webhook".to_owned(),
                "set `enable: true` in webhook-configuration, with `mode: webhook`; until then pods are reported only"
                    .to_owned(),
            );
        }
        Some(help)
    }

    /// A key that is known and does nothing.
    pub(crate) fn no_effect(&mut self, scalar: Scalar<'_>, key: &str) {
        self.warn(
            code::NO_EFFECT,
            Some(scalar.span),
            format!("{key} has no effect"),
            "remove the key, or leave it: Enterprise Edition is called by API 2018-12-01 always".to_owned(),
        );
    }
}
