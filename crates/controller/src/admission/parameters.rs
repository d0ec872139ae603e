//! The parameters of the mutating policy: the area as a few texts that its fixed expression takes apart.
//!
//! Who reads them is `charts/acr-credential-helper/templates/mutating-policy.yaml`; the two change together.

use std::collections::{BTreeMap, BTreeSet};

use acr_configuration::{Glob, NamespaceSet, Operator, is_dns_label};

use super::pattern::expression;
use crate::area::Area;

/// What matches any name, the one that is not chosen yet included.
const ANY: &str = "^(?:.*)$";

/// The `data` of the ConfigMap, or `None` where the area serves nothing.
///
/// - `namespaces`: `*`, or names with commas between them;
/// - `excluded-namespaces`: an RE2 expression;
/// - `namespace-selector`: a requirement per line: a label, its operator, and values with commas between them;
/// - `service-accounts`: an RE2 expression;
/// - `entries`: per line the RE2 expressions of an entry for namespaces and ServiceAccounts; empty where one has none.
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
    Some(BTreeMap::from([
        ("namespaces".to_owned(), namespaces),
        ("excluded-namespaces".to_owned(), expression_or_none(&scope.exclude_namespace)),
        ("namespace-selector".to_owned(), selector.join("\n")),
        ("service-accounts".to_owned(), expression(&scope.service_account)),
        ("entries".to_owned(), entries.join("\n")),
    ]))
}

/// No pattern excludes nothing.
fn expression_or_none(globs: &[Glob]) -> String {
    if globs.is_empty() { String::new() } else { expression(globs) }
}
