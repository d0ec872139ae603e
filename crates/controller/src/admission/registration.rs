//! The `webhooks` of the registration. Every field is given, so that what the API server shows is what was written.

use std::collections::BTreeSet;

use acr_configuration::{FailurePolicy, Glob, NamespaceSet, Operator, Webhook, is_dns_label};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::pattern::{condition, expression, literal};
use crate::area::Area;
use crate::names::{IGNORE_LABEL, PULL_SECRET};

/// The name of the webhook within its registration: it must be a domain name of three parts.
pub const WEBHOOK_NAME: &str = "serviceaccounts.acr-credential-helper.io";
/// The path under which the webhook answers.
pub const WEBHOOK_PATH: &str = "/serviceaccounts";
/// The label that the API server puts on every Namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Without what stands there nothing starts, not even this program.
const SYSTEM_NAMESPACE: &str = "kube-system";

/// Where the API server reaches the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Front {
    /// A Service of the component's namespace, port 443.
    Service {
        /// Its name.
        name: String,
    },
    /// A URL, where the component runs outside of the cluster.
    Url(String),
}

impl Front {
    /// The name that the certificate must carry.
    pub fn host(&self, own_namespace: &str) -> String {
        match self {
            Self::Service { name } => format!("{name}.{own_namespace}.svc"),
            Self::Url(url) => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                let authority = rest.split(['/', '?']).next().unwrap_or_default();
                match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                    Some((address, _)) => address.to_owned(),
                    None => authority.split(':').next().unwrap_or_default().to_owned(),
                }
            }
        }
    }

    fn client_config(&self, own_namespace: &str, authorities: &str) -> Value {
        let bundle = STANDARD.encode(authorities);
        match self {
            Self::Service { name } => json!({
                "service": { "name": name, "namespace": own_namespace, "path": WEBHOOK_PATH, "port": 443 },
                "caBundle": bundle,
            }),
            Self::Url(url) => {
                json!({ "url": format!("{}{WEBHOOK_PATH}", url.trim_end_matches('/')), "caBundle": bundle })
            }
        }
    }
}

/// The `webhooks` for an area, or `None` where it serves nothing that a webhook may be asked about. `authorities` are the
/// certificates to trust, PEM.
pub fn registration(
    area: &Area,
    webhook: &Webhook,
    front: &Front,
    own_namespace: &str,
    authorities: &str,
) -> Option<Value> {
    let failure_policy = match webhook.failure_policy {
        FailurePolicy::Ignore => "Ignore",
        FailurePolicy::Fail => "Fail",
    };
    let not_ignored = json!({ "key": IGNORE_LABEL, "operator": "NotIn", "values": ["true"] });
    let mut namespaces = namespace_requirements(area, own_namespace)?;
    namespaces.push(not_ignored.clone());
    let conditions: Vec<Value> = conditions(area)
        .into_iter()
        .map(|(name, expression)| json!({ "name": name, "expression": expression }))
        .collect();
    Some(json!([{
        "name": WEBHOOK_NAME,
        "clientConfig": front.client_config(own_namespace, authorities),
        "rules": [{
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE"],
            "resources": ["serviceaccounts"],
            "scope": "Namespaced",
        }],
        "failurePolicy": failure_policy,
        "matchPolicy": "Equivalent",
        "namespaceSelector": { "matchExpressions": namespaces },
        "objectSelector": { "matchExpressions": [not_ignored] },
        "sideEffects": "None",
        "timeoutSeconds": webhook.timeout_seconds,
        "admissionReviewVersions": ["v1"],
        // A mutation that comes after ours may replace the list.
        "reinvocationPolicy": "IfNeeded",
        "matchConditions": conditions,
    }]))
}

/// What the labels of a Namespace must be: its name is one of them.
fn namespace_requirements(area: &Area, own_namespace: &str) -> Option<Vec<Value>> {
    if area.entries.is_empty() {
        return None;
    }
    let scope = &area.scope;
    let mut never: BTreeSet<&str> = BTreeSet::from([own_namespace, SYSTEM_NAMESPACE]);
    // What can be no name of a namespace can be no value of a label either.
    let excluded = scope.exclude_namespace.iter().filter(|glob| glob.is_literal()).map(Glob::as_str);
    never.extend(excluded.filter(|name| is_dns_label(name)));
    let names = match &scope.watch_namespace {
        NamespaceSet::All => {
            json!({ "key": NAME_LABEL, "operator": "NotIn", "values": never })
        }
        NamespaceSet::Names(names) => {
            let possible = names.iter().map(String::as_str).filter(|name| is_dns_label(name));
            let asked: Vec<&str> = possible.filter(|name| !never.contains(name)).collect();
            if asked.is_empty() {
                return None;
            }
            json!({ "key": NAME_LABEL, "operator": "In", "values": asked })
        }
    };
    let selector = scope.namespace_selector.iter().flat_map(|selector| &selector.requirements);
    let labels = selector.map(|requirement| {
        let key = &requirement.key;
        match &requirement.operator {
            Operator::In(values) => json!({ "key": key, "operator": "In", "values": values }),
            Operator::NotIn(values) => json!({ "key": key, "operator": "NotIn", "values": values }),
            Operator::Exists => json!({ "key": key, "operator": "Exists" }),
            Operator::DoesNotExist => json!({ "key": key, "operator": "DoesNotExist" }),
        }
    });
    Some(std::iter::once(names).chain(labels).collect())
}

/// What selectors cannot say: patterns, the names of ServiceAccounts, and that there is something to do.
fn conditions(area: &Area) -> Vec<(&'static str, String)> {
    const NAME: &str = "(has(object.metadata.name) ? object.metadata.name : '')";
    let scope = &area.scope;
    let has_ours = format!(
        "has(object.imagePullSecrets) && object.imagePullSecrets.exists(e, has(e.name) && e.name == {})",
        literal(PULL_SECRET)
    );
    let mut conditions = vec![("not-attached", format!("!({has_ours})"))];
    let patterns: Vec<&Glob> = scope.exclude_namespace.iter().filter(|glob| !glob.is_literal()).collect();
    if !patterns.is_empty() {
        let excluded = literal(&expression(patterns));
        conditions.push(("not-excluded", format!("!request.namespace.matches({excluded})")));
    }
    if let Some(named) = condition(NAME, &scope.service_account) {
        conditions.push(("service-account", named));
    }
    let both = |namespaces: Option<&[Glob]>, accounts: Option<&[Glob]>| -> Option<String> {
        let namespaces = namespaces.and_then(|globs| condition("request.namespace", globs));
        let accounts = accounts.and_then(|globs| condition(NAME, globs));
        match (namespaces, accounts) {
            (None, None) => None,
            (Some(one), None) | (None, Some(one)) => Some(format!("({one})")),
            (Some(namespaces), Some(accounts)) => Some(format!("(({namespaces}) && ({accounts}))")),
        }
    };
    let entries = area.entries.iter();
    let entries: Option<BTreeSet<String>> =
        entries.map(|entry| both(entry.namespaces.as_deref(), entry.service_accounts.as_deref())).collect();
    // One entry without lists of its own is for all that the scope names.
    if let Some(entries) = entries {
        let entries: Vec<String> = entries.into_iter().collect();
        conditions.push(("entry", entries.join(" || ")));
    }
    conditions
}
