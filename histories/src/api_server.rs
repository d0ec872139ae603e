//! A model of the API server: the objects that the component sees and writes, with one resourceVersion for all.
//!
//! It answers as the cluster edge maps the real server's answers; `tests/model_agrees` holds both against each
//! other. What it does and why is in the comments beside each rule, observed on the real server.

mod admission;
mod effect;
mod objects;
mod operations;
mod pods;
mod resistance;
mod users;

use std::collections::BTreeMap;

use acr_controller::admission::{AdmissionObject, AdmissionSeen};
use acr_controller::observation::Watch;
use acr_credentials::UnixMillis;

pub use effect::{Effect, Executed};
pub use objects::{Account, ConfigMap, Journal, Lease, List, Namespace, PullSecret, Sight, Standing};
pub use pods::{Made, Owner, OwnerKind, Pod, PodKey, Template};
pub use resistance::{Resistance, Right};
pub use users::Forgery;
pub(crate) use users::sha256_hex;

/// Namespace and name of a ServiceAccount.
pub type AccountKey = (String, String);

/// The server with all objects and, per watch, all that ever happened.
#[derive(Debug, Default)]
pub struct ApiServer {
    version: u64,
    uids: u64,
    namespaces: BTreeMap<String, Namespace>,
    accounts: BTreeMap<AccountKey, Account>,
    pull_secrets: BTreeMap<String, PullSecret>,
    configuration: Option<ConfigMap>,
    journal: Option<Journal>,
    lease: Option<Lease>,
    admission: BTreeMap<AdmissionObject, AdmissionSeen>,
    logs: Logs,
    workloads: pods::Workloads,
    /// What refuses writes.
    pub resistance: Resistance,
}

#[derive(Debug, Default)]
struct Logs {
    configuration: Vec<Sight>,
    namespaces: Vec<Sight>,
    accounts: Vec<Sight>,
    pull_secrets: Vec<Sight>,
}

impl ApiServer {
    /// A server with nothing on it but the component's namespace.
    pub fn new(now: UnixMillis) -> Self {
        let mut server = Self { version: 100, ..Self::default() };
        server.create_namespace("kube-system", BTreeMap::new(), now);
        server.create_namespace("default", BTreeMap::new(), now);
        server
    }

    /// The Namespaces by name.
    pub fn namespaces(&self) -> &BTreeMap<String, Namespace> {
        &self.namespaces
    }

    /// The ServiceAccounts.
    pub fn accounts(&self) -> &BTreeMap<AccountKey, Account> {
        &self.accounts
    }

    /// The Secrets of our name by namespace.
    pub fn pull_secrets(&self) -> &BTreeMap<String, PullSecret> {
        &self.pull_secrets
    }

    /// The ConfigMap.
    pub fn configuration(&self) -> Option<&ConfigMap> {
        self.configuration.as_ref()
    }

    /// The journal.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// The Lease.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// What the API server goes by when ServiceAccounts are created.
    pub fn admission(&self, object: AdmissionObject) -> Option<&AdmissionSeen> {
        self.admission.get(&object)
    }

    /// How much has happened on a watch so far.
    pub fn log_end(&self, watch: Watch) -> usize {
        self.log(watch).len()
    }

    /// What happened on a watch at a place of its log.
    pub fn logged(&self, watch: Watch, place: usize) -> Option<&Sight> {
        self.log(watch).get(place)
    }

    /// The newest resourceVersion: what a list shows is as new.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Everything that a list shows now.
    pub fn list(&self, watch: Watch) -> Vec<Sight> {
        match watch {
            Watch::Configuration => {
                self.configuration.iter().map(|found| Sight::Configuration(found.seen())).collect()
            }
            Watch::Namespaces => {
                self.namespaces.iter().map(|(name, found)| Sight::Namespace(found.seen(name))).collect()
            }
            Watch::Accounts => self
                .accounts
                .iter()
                .map(|((namespace, name), found)| Sight::Account(found.seen(namespace, name)))
                .collect(),
            Watch::PullSecrets => {
                let secrets = self.pull_secrets.iter();
                secrets.map(|(namespace, found)| Sight::PullSecret(found.seen(namespace))).collect()
            }
            Watch::Pods => self.pending_pods(),
        }
    }

    fn log(&self, watch: Watch) -> &Vec<Sight> {
        match watch {
            Watch::Configuration => &self.logs.configuration,
            Watch::Pods => &self.workloads.log,
            Watch::Namespaces => &self.logs.namespaces,
            Watch::Accounts => &self.logs.accounts,
            Watch::PullSecrets => &self.logs.pull_secrets,
        }
    }

    fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn next_uid(&mut self) -> String {
        self.uids += 1;
        format!("00000000-0000-4000-8000-{:012}", self.uids)
    }

    /// Changes a ServiceAccount and tells its watch; `None` where there is none.
    fn change_account(&mut self, key: &AccountKey, change: impl FnOnce(&mut Account)) -> Option<u64> {
        let version = self.version + 1;
        let account = self.accounts.get_mut(key)?;
        change(account);
        if account.list.ours() == 0 {
            account.attached_by_us = false;
        }
        account.resource_version = version;
        self.logs.accounts.push(Sight::Account(account.seen(&key.0, &key.1)));
        self.version = version;
        Some(version)
    }

    /// Changes a Secret of our name and tells its watch; `None` where there is none.
    fn change_secret(&mut self, namespace: &str, change: impl FnOnce(&mut PullSecret)) -> Option<u64> {
        let version = self.version + 1;
        let secret = self.pull_secrets.get_mut(namespace)?;
        change(secret);
        secret.resource_version = version;
        self.logs.pull_secrets.push(Sight::PullSecret(secret.seen(namespace)));
        self.version = version;
        Some(version)
    }

    /// Deletes a Secret of our name; one that a finalizer holds is terminating until it is released. To delete it once
    /// more changes nothing.
    fn remove_secret(&mut self, namespace: &str) {
        if let Some(secret) = self.pull_secrets.get(namespace).filter(|secret| secret.held) {
            if !secret.terminating {
                self.change_secret(namespace, |secret| secret.terminating = true);
            }
        } else {
            self.drop_secret(namespace);
        }
    }

    fn drop_secret(&mut self, namespace: &str) {
        if self.pull_secrets.remove(namespace).is_some() {
            self.next_version();
            self.logs.pull_secrets.push(Sight::PullSecretGone(namespace.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests;
