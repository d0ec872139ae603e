//! What a configuration wants, as plain structure: the oracle that does not know the parser.
//!
//! A history makes a [`Wanted`] first and renders it to the text of a ConfigMap afterwards, in one of many spellings.
//! Who is served, and which login belongs under which key slot, is computed from the structure.

mod faulty;
mod generate;
mod render;

use std::collections::{BTreeMap, BTreeSet};

pub use faulty::Spoiled;
pub use render::Data;

use crate::estate::{Fact, Identity, Instance};

/// Names that namespaces of histories have.
pub const NAMESPACES: [&str; 5] = ["default", "kube-system", "team-a", "team-b", "build"];
/// Names that ServiceAccounts of histories have.
pub const ACCOUNTS: [&str; 4] = ["default", "app", "app-ci", "robot"];
/// The label by which a Namespace or ServiceAccount opts out.
pub const OPT_OUT: &str = "acr-credential-helper/ignore";

/// Labels of a Namespace.
pub type Labels = BTreeMap<String, String>;

/// A name pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Everything.
    Any,
    /// One name.
    Exact(&'static str),
    /// All names that start so.
    Prefix(&'static str),
    /// All names that end so.
    Suffix(&'static str),
}

impl Pattern {
    /// The one name that it admits, where it is no pattern.
    pub fn exact(self) -> Option<&'static str> {
        match self {
            Self::Exact(exact) => Some(exact),
            _ => None,
        }
    }

    /// Whether it admits a name.
    pub fn admits(self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => name == exact,
            Self::Prefix(prefix) => name.starts_with(prefix),
            Self::Suffix(suffix) => name.ends_with(suffix),
        }
    }
}

/// How new ServiceAccounts are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Immediate {
    /// By the watch.
    Off,
    /// By a webhook.
    Webhook,
    /// By the mutating policy.
    Policy,
}

/// `pods`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodHelp {
    /// `none`.
    None,
    /// `report`.
    Report,
    /// `append`.
    Append,
    /// `restart`.
    Restart,
}

impl PodHelp {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Report => "report",
            Self::Append => "append",
            Self::Restart => "restart",
        }
    }
}

/// `watch-namespace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// `all`.
    All,
    /// These.
    Named(Vec<&'static str>),
}

/// One requirement of `namespace-selector`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The label is there with this value.
    Equals(&'static str, &'static str),
    /// The label is absent or has another value.
    Differs(&'static str, &'static str),
    /// The label has one of these values.
    In(&'static str, Vec<&'static str>),
    /// The label is absent or has none of these values.
    NotIn(&'static str, Vec<&'static str>),
    /// The label is there.
    Exists(&'static str),
    /// The label is not there.
    Absent(&'static str),
}

impl Requirement {
    fn holds(&self, labels: &Labels) -> bool {
        let value = |key: &str| labels.get(key).map(String::as_str);
        match self {
            Self::Equals(key, wanted) => value(key) == Some(wanted),
            Self::Differs(key, unwanted) => value(key) != Some(unwanted),
            Self::In(key, wanted) => value(key).is_some_and(|found| wanted.contains(&found)),
            Self::NotIn(key, unwanted) => !value(key).is_some_and(|found| unwanted.contains(&found)),
            Self::Exists(key) => value(key).is_some(),
            Self::Absent(key) => value(key).is_none(),
        }
    }
}

/// A domain written in `domains`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedDomain {
    /// The host.
    pub host: String,
    /// What follows the slash.
    pub path: Option<&'static str>,
    /// The instance whose login belongs there.
    pub instance: &'static str,
}

impl WantedDomain {
    /// The key of the docker config.
    pub fn slot(&self) -> String {
        match self.path {
            Some(path) => format!("{}/{path}", self.host),
            None => self.host.clone(),
        }
    }
}

/// Why an entry without an error is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unserved {
    /// `crpi-…`.
    NewPersonal,
}

/// One entry of `acr-registry-info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedEntry {
    /// The instances.
    pub instances: Vec<Instance>,
    /// Whether `regionId` is written.
    pub region_written: bool,
    /// `domains`; `None` for all of the instance's.
    pub domains: Option<Vec<WantedDomain>>,
    /// Who asks.
    pub identity: Identity,
    /// The entry's own `namespaces`.
    pub namespaces: Option<Vec<Pattern>>,
    /// The entry's own `serviceAccounts`.
    pub accounts: Option<Vec<Pattern>>,
    /// Why it is not served, if so.
    pub unserved: Option<Unserved>,
}

impl WantedEntry {
    /// Whether it is served in a namespace that the scope serves.
    pub fn admits_namespace(&self, namespace: &str) -> bool {
        self.unserved.is_none() && admits(self.namespaces.as_deref(), namespace)
    }

    fn admits_account(&self, account: &str) -> bool {
        admits(self.accounts.as_deref(), account)
    }

    /// The login that it asks for of an instance.
    pub fn fact(&self, instance: &'static str) -> Fact {
        Fact { instance, identity: self.identity }
    }
}

fn admits(patterns: Option<&[Pattern]>, name: &str) -> bool {
    patterns.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.admits(name)))
}

/// A whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// `watch-namespace`.
    pub watched: Watched,
    /// `exclude-namespace`.
    pub excluded: Vec<Pattern>,
    /// `namespace-selector`.
    pub selector: Vec<Requirement>,
    /// `service-account`.
    pub accounts: Vec<Pattern>,
    /// `expiring-threshold` in seconds.
    pub threshold_seconds: u64,
    /// `notify-email`.
    pub email: Option<&'static str>,
    /// `rrsa: enable`.
    pub rrsa: bool,
    /// `takeover`.
    pub takeover: bool,
    /// `webhook-configuration`.
    pub immediate: Immediate,
    /// `pods`.
    pub pods: PodHelp,
    /// The entries; empty for an explicit `[]`.
    pub entries: Vec<WantedEntry>,
}

/// A place for a login that configuration asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The login that belongs there.
    pub fact: Fact,
    /// Whether the configuration names the host; else the cloud did.
    pub explicit: bool,
    /// Whether the entry has no other instance, so that it needs no list of domains to tell whose the host is.
    pub alone: bool,
}

impl Claim {
    /// Whether its login comes, and the host with it.
    pub fn is_sure(&self) -> bool {
        self.fact.may_login() && (self.explicit || self.fact.may_list())
    }
}

impl Wanted {
    /// Whether names alone would let a namespace be served.
    pub fn names_namespace(&self, namespace: &str) -> bool {
        let watched = match &self.watched {
            Watched::All => true,
            Watched::Named(names) => names.contains(&namespace),
        };
        watched
            && !self.excluded.iter().any(|pattern| pattern.admits(namespace))
            && self.entries.iter().any(|entry| entry.admits_namespace(namespace))
    }

    /// Whether a namespace with these labels gets a pull secret.
    pub fn serves_namespace(&self, namespace: &str, labels: &Labels) -> bool {
        self.names_namespace(namespace)
            && labels.get(OPT_OUT).is_none_or(|value| value != "true")
            && self.selector.iter().all(|requirement| requirement.holds(labels))
    }

    /// Whether names alone would let a ServiceAccount be served.
    pub fn names_account(&self, namespace: &str, account: &str) -> bool {
        self.names_namespace(namespace)
            && self.accounts.iter().any(|pattern| pattern.admits(account))
            && self
                .entries
                .iter()
                .any(|entry| entry.admits_namespace(namespace) && entry.admits_account(account))
    }

    /// Whether a ServiceAccount gets the pull secret's name into its list.
    pub fn serves_account(&self, namespace: &str, labels: &Labels, account: &str, ignored: bool) -> bool {
        !ignored && self.serves_namespace(namespace, labels) && self.names_account(namespace, account)
    }

    /// Which logins belong under which key slots of a namespace, first entry first. `hosts` tells the domains of an
    /// instance as the cloud lists them.
    pub fn claims<'a>(
        &self,
        namespace: &str,
        hosts: impl Fn(&'static str) -> Option<&'a BTreeSet<String>>,
    ) -> BTreeMap<String, Vec<Claim>> {
        let mut claims: BTreeMap<String, Vec<Claim>> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.admits_namespace(namespace)) {
            let mut put = |slot: String, instance, explicit| {
                let alone = entry.instances.len() == 1;
                claims.entry(slot).or_default().push(Claim { fact: entry.fact(instance), explicit, alone });
            };
            if let Some(domains) = &entry.domains {
                for domain in domains {
                    put(domain.slot(), domain.instance, true);
                }
            } else {
                for instance in &entry.instances {
                    for host in instance.known_hosts().into_iter().flatten() {
                        put(host, instance.id, true);
                    }
                    for host in hosts(instance.id).into_iter().flatten() {
                        put(host.clone(), instance.id, false);
                    }
                }
            }
        }
        claims
    }

    /// All logins that are asked for.
    pub fn facts(&self) -> BTreeSet<Fact> {
        let served = self.entries.iter().filter(|entry| entry.unserved.is_none());
        served.flat_map(|entry| entry.instances.iter().map(|instance| entry.fact(instance.id))).collect()
    }

    /// All hosts that the configuration names.
    pub fn configured_hosts(&self) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .flat_map(|entry| entry.domains.iter().flatten())
            .map(|domain| domain.host.as_str())
    }
}

#[cfg(test)]
mod tests;
