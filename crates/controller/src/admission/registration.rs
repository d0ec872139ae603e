//! The `webhooks` of the registration. Every field is given, so that what the API server shows is what was written.

use std::collections::BTreeSet;

use acr_configuration::{FailurePolicy, Glob, NamespaceSet, Operator, Webhook, is_dns_label};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::pattern::{condition, expression, literal};
use crate::area::Area;
use crate::names::{IGNORE_LABEL, PULL_SECRET};

/// The name of the webhook for ServiceAccounts within its registration: it must be a domain name of three parts.
pub const WEBHOOK_NAME: &str = "serviceaccounts.acr-credential-helper.io";
/// The path under which it answers.
pub const WEBHOOK_PATH: &str = "/serviceaccounts";
/// The name of the webhook for pods, which is registered where `pods` asks for it.
pub const POD_WEBHOOK_NAME: &str = "pods.acr-credential-helper.io";
/// The path under which it answers.
pub const POD_WEBHOOK_PATH: &str = "/pods";
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

    fn client_config(&self, own_namespace: &str, authorities: &str, path: &str) -> Value {
        let bundle = STANDARD.encode(authorities);
        match self {
            Self::Service { name } => json!({
                "service": { "name": name, "namespace": own_namespace, "path": path, "port": 443 },
                "caBundle": bundle,
            }),
            Self::Url(url) => {
                json!({ "url": format!("{}{path}", url.trim_end_matches('/')), "caBundle": bundle })
            }
        }
    }
}

/// What new objects a webhook is asked about.
struct Kind {
    name: &'static str,
    path: &'static str,
    resource: &'static str,
    /// Where the list is.
    list: &'static str,
    /// What must hold before the list is looked at.
    first: Option<&'static str>,
    /// The name of the ServiceAccount.
    account: &'static str,
    /// The longest wait for an answer.
    longest_seconds: u32,
}

/// `generateName` leaves the name open.
const ACCOUNTS: Kind = Kind {
    name: WEBHOOK_NAME,
    path: WEBHOOK_PATH,
    resource: "serviceaccounts",
    list: "object.imagePullSecrets",
    first: None,
    account: "(has(object.metadata.name) ? object.metadata.name : '')",
    longest_seconds: 30,
};

/// The API server has put the ServiceAccount and its list into a pod without, before it asks. A pod without a ServiceAccount
/// is the image of a static pod, which may name no Secret: it would be refused for ours.
const PODS: Kind = Kind {
    name: POD_WEBHOOK_NAME,
    path: POD_WEBHOOK_PATH,
    resource: "pods",
    list: "object.spec.imagePullSecrets",
    first: Some(
        "has(object.spec) && has(object.spec.serviceAccountName) && object.spec.serviceAccountName != ''",
    ),
    account: "object.spec.serviceAccountName",
    // Where nobody answers, each new pod waits so long.
    longest_seconds: 2,
};

/// Where a webhook is served, and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Where the API server reaches it.
    pub front: &'a Front,
    /// The namespace of the component.
    pub own_namespace: &'a str,
    /// The certificates to trust, PEM.
    pub authorities: &'a str,
    /// Whether new pods are helped as well.
    pub pods: bool,
}

/// The `webhooks` for an area, or `None` where it serves nothing that a webhook may be asked about.
pub fn registration(area: &Area, webhook: &Webhook, target: Target<'_>) -> Option<Value> {
    let Target { front, own_namespace, authorities, pods } = target;
    let not_ignored = json!({ "key": IGNORE_LABEL, "operator": "NotIn", "values": ["true"] });
    let mut namespaces = namespace_requirements(area, own_namespace)?;
    namespaces.push(not_ignored.clone());
    let kinds = std::iter::once((&ACCOUNTS, webhook.failure_policy));
    // A pod that is not helped can be made anew; one that cannot be made is an outage.
    let kinds = kinds.chain(pods.then_some((&PODS, FailurePolicy::Ignore)));
    let webhooks = kinds.map(|(kind, failure_policy)| {
        let conditions: Vec<Value> = conditions(area, kind)
            .into_iter()
            .map(|(name, expression)| json!({ "name": name, "expression": expression }))
            .collect();
        json!({
            "name": kind.name,
            "clientConfig": front.client_config(own_namespace, authorities, kind.path),
            "rules": [{
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": [kind.resource],
                "scope": "Namespaced",
            }],
            "failurePolicy": failure_policy.as_str(),
            "matchPolicy": "Equivalent",
            "namespaceSelector": { "matchExpressions": namespaces },
            "objectSelector": { "matchExpressions": [not_ignored] },
            "sideEffects": "None",
            "timeoutSeconds": webhook.timeout_seconds.min(kind.longest_seconds),
            "admissionReviewVersions": ["v1"],
            // A mutation that comes after ours may replace the list.
            "reinvocationPolicy": "IfNeeded",
            "matchConditions": conditions,
        })
    });
    Some(webhooks.collect())
}

/// Whether new pods of a namespace are helped by the webhook.
pub fn asks_about_pods(namespace: &str, own_namespace: &str) -> bool {
    namespace != own_namespace && namespace != SYSTEM_NAMESPACE
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
fn conditions(area: &Area, kind: &Kind) -> Vec<(&'static str, String)> {
    let scope = &area.scope;
    let Kind { list, account: name, first, .. } = kind;
    let ours = literal(PULL_SECRET);
    let has_ours = format!("has({list}) && {list}.exists(e, has(e.name) && e.name == {ours})");
    let not_attached = match first {
        Some(first) => format!("{first} && !({has_ours})"),
        None => format!("!({has_ours})"),
    };
    let mut conditions = vec![("not-attached", not_attached)];
    let patterns: Vec<&Glob> = scope.exclude_namespace.iter().filter(|glob| !glob.is_literal()).collect();
    if !patterns.is_empty() {
        let excluded = literal(&expression(patterns));
        conditions.push(("not-excluded", format!("!request.namespace.matches({excluded})")));
    }
    if let Some(named) = condition(name, &scope.service_account) {
        conditions.push(("service-account", named));
    }
    let both = |namespaces: Option<&[Glob]>, accounts: Option<&[Glob]>| -> Option<String> {
        let namespaces = namespaces.and_then(|globs| condition("request.namespace", globs));
        let accounts = accounts.and_then(|globs| condition(name, globs));
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
