//! The parameters of the mutating policy: the area as a few texts that its fixed expression takes apart.
//!
//! Who reads them is `charts/acr-credential-helper/templates/mutating-policy.yaml`; the two change together.

use std::collections::{BTreeMap, BTreeSet};

use acr_configuration::{Glob, NamespaceSet, Operator, is_dns_label};
use aws_lc_rs::digest;

use super::pattern::expression;
use crate::area::Area;
use crate::names::FINGERPRINT_KEY;
use crate::payload::hex;

/// What matches any name, the one that is not chosen yet included.
const ANY: &str = "^(?:.*)$";

/// The `data` of the ConfigMap, or `None` where the area serves nothing.
///
/// - `namespaces`: `*`, or names with commas between them;
/// - `excluded-namespaces`: an RE2 expression;
/// - `namespace-selector`: a requirement per line: a label, its operator, and values with commas between them;
/// - `service-accounts`: an RE2 expression;
/// - `entries`: per line the RE2 expressions of an entry for namespaces and ServiceAccounts; empty where one has none;
/// - `fingerprint`: a digest of the others. It says nothing to whoever makes a ServiceAccount: a trial asks for it, because
///   an API server may go by parameters that do not stand any more.
pub fn parameters(area: &Area) -> Option<BTreeMap<String, String>> {
    if area.entries.is_empty() {
        return None;
    }
    let scope = &area.scope;
    let namespaces = match &scope.watch_namespace {
        NamespaceSet::All => "*".to_owned(),
        NamespaceSet::Names(names) => {
            let possible: Vec<&str> =
                names.iter().map(String::as_str).filter(|name| is_dns_label(name)).collect();
            if possible.is_empty() {
                return None;
            }
            possible.join(",")
        }
    };
    let requirements = scope.namespace_selector.iter().flat_map(|selector| &selector.requirements);
    let selector: Vec<String> = requirements
        .map(|requirement| {
            let joined = |values: &BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(",");
            let (operator, values) = match &requirement.operator {
                Operator::In(values) => ("In", joined(values)),
                Operator::NotIn(values) => ("NotIn", joined(values)),
                Operator::Exists => ("Exists", String::new()),
                Operator::DoesNotExist => ("DoesNotExist", String::new()),
            };
            format!("{} {operator} {values}", requirement.key)
        })
        .collect();
    let narrowed = |globs: Option<&[Glob]>| globs.map_or_else(|| ANY.to_owned(), expression);
    let entries: BTreeSet<String> = area
        .entries
        .iter()
        .map(|entry| {
            let namespaces = narrowed(entry.namespaces.as_deref());
            format!("{namespaces} {}", narrowed(entry.service_accounts.as_deref()))
        })
        .collect();
    let any = format!("{ANY} {ANY}");
    let entries = if entries.contains(&any) { Vec::new() } else { entries.into_iter().collect() };
    let mut parameters = BTreeMap::from([
        ("namespaces".to_owned(), namespaces),
        ("excluded-namespaces".to_owned(), expression_or_none(&scope.exclude_namespace)),
        ("namespace-selector".to_owned(), selector.join("\n")),
        ("service-accounts".to_owned(), expression(&scope.service_account)),
        ("entries".to_owned(), entries.join("\n")),
    ]);
    let fingerprint = fingerprint(&parameters);
    parameters.insert(FINGERPRINT_KEY.to_owned(), fingerprint);
    Some(parameters)
}

/// SHA-256, hex, over each key and value in the order of the keys, with their lengths in front.
fn fingerprint(parameters: &BTreeMap<String, String>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for text in parameters.iter().flat_map(|(key, value)| [key, value]) {
        context.update(format!("{}:{text}", text.len()).as_bytes());
    }
    hex(context.finish().as_ref())
}

/// No pattern excludes nothing.
fn expression_or_none(globs: &[Glob]) -> String {
    if globs.is_empty() { String::new() } else { expression(globs) }
}

#[cfg(test)]
mod tests {
    use acr_configuration::Source;

    use super::*;

    fn of(watched: &str, pattern: &str) -> BTreeMap<String, String> {
        let text = |text: &str| text.to_owned();
        let data = BTreeMap::from([
            (text("acr-registry-info"), text("- instanceId: cri-acme0000000000\n  regionId: cn-hangzhou")),
            (text("watch-namespace"), text(watched)),
            (text("service-account"), text(pattern)),
        ]);
        let loaded = acr_configuration::load(&Source::from_config_map_data(&data));
        parameters(&Area::whole(&loaded.configuration.unwrap())).unwrap()
    }

    #[test]
    fn the_fingerprint_is_another_wherever_a_parameter_is_and_the_same_where_none_is() {
        let one = of("shop,team", "default");
        assert_eq!(one, of("team,shop", "default"));
        for other in [of("shop", "default"), of("shop,team", "app"), of("all", "default")] {
            assert_ne!(one["fingerprint"], other["fingerprint"], "{other:?}");
        }
        // What moves from one text into the next is another text.
        let split = |first: &str, second: &str| {
            let texts = [("a", first), ("b", second)];
            fingerprint(&texts.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
        };
        assert_ne!(split("1:b", ""), split("", "1:b"));
        assert_ne!(split("x", "y"), split("x1", "y"));
    }
}
