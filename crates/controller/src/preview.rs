//! What an edit of the configuration would change in a cluster: the questions of the machine, asked of one look at it.

use std::collections::{BTreeMap, BTreeSet};

use acr_configuration::{Configuration, Edition, Entry, Identity, Webhook, WebhookMode};

use crate::area::Area;
use crate::observation::{Observation, Watch};
use crate::policy::{Policy, Standing};
use crate::world::World;

/// A cluster as its watches show it first.
#[derive(Debug)]
pub struct Preview {
    world: World,
    config_map: Option<BTreeMap<String, String>>,
}

/// A ServiceAccount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What would be done after an edit. All lists are in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// ServiceAccounts that would get our name into their lists.
    pub attach: Vec<AccountName>,
    /// ServiceAccounts that would lose it.
    pub detach: Vec<AccountName>,
    /// Namespaces that would get a pull secret.
    pub write: Vec<String>,
    /// Namespaces with a Secret of our name that somebody else made: it would be adopted, if it holds nothing but ACR hosts.
    pub adopt: Vec<String>,
    /// Namespaces whose pull secret would be deleted.
    pub delete: Vec<String>,
    /// What pull secrets would have in addition, and the namespaces where.
    pub hosts_added: BTreeMap<String, Vec<String>>,
    /// What they would have no more, and the namespaces where; of those that go as a whole, all.
    pub hosts_removed: BTreeMap<String, Vec<String>>,
    /// What would be done otherwise than now for whatever comes, by key of the ConfigMap: `webhook-configuration`, `pods`,
    /// `takeover`.
    pub settings: BTreeMap<&'static str, Setting>,
}

/// A setting that would change, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// How it is.
    pub from: String,
    /// How it would be.
    pub to: String,
}

impl Changes {
    /// Whether nothing would be done.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Preview {
    /// Nothing was seen yet of the cluster of a component in this namespace.
    pub fn of(namespace: &str) -> Self {
        Self { world: World::of(namespace), config_map: None }
    }

    /// Takes what a watch shows. Answers and everything else that is no object are passed over.
    pub fn observe(&mut self, observation: Observation) {
        match observation {
            Observation::ListStarted(watch) => self.world.list_started(watch),
            Observation::ListCompleted { watch, version } => {
                self.world.list_completed(watch, version);
            }
            Observation::Configuration(seen) => self.config_map = Some(seen.data),
            Observation::ConfigurationGone => self.config_map = None,
            Observation::Namespace(seen) => drop(self.world.see_namespace(seen)),
            Observation::NamespaceGone { name } => self.world.namespace_gone(&name),
            Observation::Account(seen) => drop(self.world.see_account(seen)),
            Observation::AccountGone { namespace, name } => self.world.account_gone(&namespace, &name),
            Observation::PullSecret(seen) => drop(self.world.see_secret(seen)),
            Observation::PullSecretGone { namespace } => self.world.secret_gone(&namespace),
            _ => {}
        }
    }

    /// Whether everything was seen.
    pub fn is_complete(&self) -> bool {
        self.world.listed()
    }

    /// What has not been listed yet, in words.
    pub fn missing(&self) -> Vec<&'static str> {
        let watches = [
            (Watch::Configuration, "the ConfigMap acr-configuration"),
            (Watch::Namespaces, "Namespaces"),
            (Watch::Accounts, "ServiceAccounts"),
            (Watch::PullSecrets, "Secrets named acr-credential-secret-aggregation"),
        ];
        watches
            .into_iter()
            .filter(|(watch, _)| !self.world.has_listed(*watch))
            .map(|(_, what)| what)
            .collect()
    }

    /// The data of the ConfigMap in the cluster.
    pub fn config_map(&self) -> Option<&BTreeMap<String, String>> {
        self.config_map.as_ref()
    }

    /// A ServiceAccount that a configuration serves, where there is one.
    pub fn somebody_served(&self, configuration: &Configuration) -> Option<AccountName> {
        let policy = Policy {
            served: Some(Area::whole(configuration)),
            takes_over: configuration.takeover,
            ..Policy::default()
        };
        let (namespace, account) = policy.somebody_served(&self.world)?;
        Some(AccountName { namespace: namespace.to_string(), name: account.name.to_string() })
    }

    /// What would be done if `wanted` came into force after `former`.
    pub fn changes(&self, former: Option<&Configuration>, wanted: &Configuration) -> Changes {
        let served = Area::whole(wanted);
        let before = former.map(Area::whole);
        // As the machine draws it: what was served and is served again retires as well, and being served comes first.
        let policy = Policy {
            served: Some(served.clone()),
            retiring: before.iter().filter(|before| **before != served).cloned().collect(),
            inherited: before.iter().cloned().collect(),
            takes_over: wanted.takeover,
            ..Policy::default()
        };
        let mut changes = Changes { settings: settings(former, wanted), ..Changes::default() };
        for (name, namespace) in self.world.namespaces() {
            let home = policy.namespace(name, namespace);
            for account in namespace.accounts() {
                let named = || AccountName { namespace: name.to_string(), name: account.name.to_string() };
                match policy.account(home, name, namespace, account) {
                    Standing::Served if !account.attached => changes.attach.push(named()),
                    Standing::Retiring if account.attached => changes.detach.push(named()),
                    Standing::Served | Standing::Retiring | Standing::Foreign => {}
                }
            }
            match (home, &namespace.secret) {
                (Standing::Served, None) => changes.write.push(name.to_string()),
                (Standing::Served, Some(secret)) if !secret.ours() => changes.adopt.push(name.to_string()),
                (Standing::Retiring, Some(secret)) if secret.ours() => changes.delete.push(name.to_string()),
                _ => {}
            }
            let after = match home {
                Standing::Served => slots(wanted, &served, name),
                Standing::Retiring | Standing::Foreign => BTreeSet::new(),
            };
            let was_served =
                before.as_ref().is_some_and(|area| area.serves_namespace(name, |key| namespace.label(key)));
            let had = match former.zip(before.as_ref()) {
                Some((former, area)) if was_served => slots(former, area, name),
                _ => BTreeSet::new(),
            };
            for slot in after.difference(&had) {
                changes.hosts_added.entry(slot.clone()).or_default().push(name.to_string());
            }
            for slot in had.difference(&after) {
                changes.hosts_removed.entry(slot.clone()).or_default().push(name.to_string());
            }
        }
        changes
    }
}

/// What the two say about whatever comes, where they differ.
fn settings(former: Option<&Configuration>, wanted: &Configuration) -> BTreeMap<&'static str, Setting> {
    // What is not in force yet does nothing, as the defaults do.
    let nothing = Configuration::default();
    let former = former.unwrap_or(&nothing);
    let same_mode = former.webhook.enable && former.webhook.mode == wanted.webhook.mode;
    let moved = same_mode && wanted.webhook.enable && Area::whole(former) != Area::whole(wanted);
    let mut served = immediate_use(&wanted.webhook);
    if moved {
        served.push_str(", for another scope");
    }
    [
        ("webhook-configuration", immediate_use(&former.webhook), served),
        ("pods", former.pods.as_str().to_owned(), wanted.pods.as_str().to_owned()),
        ("takeover", former.takeover.to_string(), wanted.takeover.to_string()),
    ]
    .into_iter()
    .filter(|(_, from, to)| from != to)
    .map(|(key, from, to)| (key, Setting { from, to }))
    .collect()
}

/// Who serves new ServiceAccounts at once. Of the policy nothing else counts.
fn immediate_use(webhook: &Webhook) -> String {
    match webhook.mode {
        _ if !webhook.enable => "off".to_owned(),
        WebhookMode::Policy => "policy".to_owned(),
        WebhookMode::Webhook => {
            let Webhook { failure_policy, timeout_seconds, .. } = webhook;
            format!("webhook, failure policy {}, timeout {timeout_seconds} s", failure_policy.as_str())
        }
    }
}

/// What the pull secret of a namespace has by a configuration, as far as it tells.
fn slots(configuration: &Configuration, area: &Area, namespace: &str) -> BTreeSet<String> {
    let places = area.entries_for(namespace);
    places.into_iter().filter_map(|place| configuration.entries.get(place)).flat_map(slots_of).collect()
}

/// The domains of an entry; without `domains` only the cloud, or a Secret, knows which they are.
fn slots_of(entry: &Entry) -> Vec<String> {
    if let Some(domains) = &entry.domains {
        return domains.iter().map(ToString::to_string).collect();
    }
    let region = entry.region.as_ref().map_or_else(String::new, |region| format!(" in {region}"));
    match (&entry.edition, &entry.identity) {
        (Edition::Enterprise { ids }, _) => ids.iter().map(|id| format!("all domains of {id}")).collect(),
        (Edition::Personal, _) => vec![format!("all domains of the Personal Edition{region}")],
        (Edition::Static, Identity::StaticSecretRef(secret)) => {
            vec![format!("all hosts of the Secret {secret}")]
        }
        (Edition::Static, _) => Vec::new(),
    }
}
