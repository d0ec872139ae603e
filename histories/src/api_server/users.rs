//! What users, tenants and the controllers of Kubernetes do to the objects.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use acr_controller::names;
use acr_credentials::UnixMillis;
use aws_lc_rs::digest;

use super::{Account, ApiServer, ConfigMap, List, Namespace, PullSecret, Sight, Standing};
use crate::wanted::{Data, Labels};

/// How a tenant's Secret of our name looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// Without any mark.
    None,
    /// With our label and a digest that fits the data.
    Marked,
}

/// Lower-case hex SHA-256.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl ApiServer {
    /// Creates a Namespace, where there is none.
    pub fn create_namespace(&mut self, name: &str, labels: Labels, now: UnixMillis) -> bool {
        if self.namespaces.contains_key(name) {
            return false;
        }
        let (uid, resource_version) = (self.next_uid(), self.next_version());
        let namespace = Namespace { uid, resource_version, labels, terminating: false, created: now };
        self.logs.namespaces.push(Sight::Namespace(namespace.seen(name)));
        self.namespaces.insert(name.to_owned(), namespace);
        true
    }

    /// Starts the deletion of a Namespace.
    pub fn delete_namespace(&mut self, name: &str) -> bool {
        self.change_namespace(name, |namespace| {
            let changed = !namespace.terminating;
            namespace.terminating = true;
            changed
        })
    }

    /// Replaces the labels of a Namespace.
    pub fn label_namespace(&mut self, name: &str, labels: Labels) -> bool {
        self.change_namespace(name, |namespace| {
            let changed = namespace.labels != labels;
            namespace.labels = labels;
            changed
        })
    }

    fn change_namespace(&mut self, name: &str, change: impl FnOnce(&mut Namespace) -> bool) -> bool {
        let version = self.version + 1;
        let Some(namespace) = self.namespaces.get_mut(name) else { return false };
        if !change(namespace) {
            return false;
        }
        namespace.resource_version = version;
        self.logs.namespaces.push(Sight::Namespace(namespace.seen(name)));
        self.version = version;
        true
    }

    /// One step of the namespace controller: an object of the namespace goes, or at last the namespace itself.
    /// Whether there is more to do.
    pub fn continue_deletion(&mut self, name: &str, choice: usize) -> bool {
        if !self.namespaces.get(name).is_some_and(|namespace| namespace.terminating) {
            return false;
        }
        if self.end_workloads(name) {
            return true;
        }
        let mut accounts: Vec<String> = self
            .accounts
            .keys()
            .filter(|(namespace, _)| namespace == name)
            .map(|key| key.1.clone())
            .collect();
        let secret = self.pull_secrets.get(name);
        if secret.is_some_and(|secret| !secret.terminating) && choice > accounts.len() / 2 {
            self.remove_secret(name);
        } else if let Some(account) = accounts.pop() {
            self.delete_account(name, &account);
        } else if let Some(secret) = secret {
            if !secret.terminating {
                self.remove_secret(name);
            }
        } else {
            self.namespaces.remove(name);
            self.next_version();
            self.logs.namespaces.push(Sight::NamespaceGone(name.to_owned()));
            return false;
        }
        true
    }

    /// Creates a ServiceAccount, where there is none and its namespace takes new objects.
    pub fn create_account(&mut self, namespace: &str, name: &str, list: List, ignored: bool) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        let open = self.namespaces.get(namespace).is_some_and(|namespace| !namespace.terminating);
        if !open || self.accounts.contains_key(&key) {
            return false;
        }
        let resource_version = self.next_version();
        let account = Account { resource_version, ignored, list, attached_by_us: false };
        self.logs.accounts.push(Sight::Account(account.seen(namespace, name)));
        self.accounts.insert(key, account);
        true
    }

    /// Deletes a ServiceAccount.
    pub fn delete_account(&mut self, namespace: &str, name: &str) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        let existed = self.accounts.remove(&key).is_some();
        if existed {
            self.next_version();
            self.logs.accounts.push(Sight::AccountGone(key.0, key.1));
        }
        existed
    }

    /// Somebody else replaces the list of a ServiceAccount.
    pub fn write_list(&mut self, namespace: &str, name: &str, names: Vec<String>) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        let list = List::stored(names);
        if self.accounts.get(&key).is_none_or(|account| account.list == list) {
            return false;
        }
        self.change_account(&key, |account| account.list = list).is_some()
    }

    /// Sets or clears the opt-out label of a ServiceAccount.
    pub fn ignore_account(&mut self, namespace: &str, name: &str, ignored: bool) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        if self.accounts.get(&key).is_none_or(|account| account.ignored == ignored) {
            return false;
        }
        self.change_account(&key, |account| account.ignored = ignored).is_some()
    }

    /// Somebody changes something of a ServiceAccount that is no business of the component.
    pub fn touch_account(&mut self, namespace: &str, name: &str) -> bool {
        self.change_account(&(namespace.to_owned(), name.to_owned()), |_| ()).is_some()
    }

    /// Writes the ConfigMap; `None` deletes it. The resourceVersion of what was written.
    pub fn configure(&mut self, data: Option<Data>) -> Option<u64> {
        let Some(data) = data else {
            if self.configuration.take().is_some() {
                self.next_version();
                self.logs.configuration.push(Sight::ConfigurationGone);
            }
            return None;
        };
        let resource_version = self.next_version();
        let (uid, annotations) = match self.configuration.take() {
            Some(before) => (before.uid, before.annotations),
            None => (self.next_uid(), BTreeMap::new()),
        };
        let configuration = ConfigMap { uid, resource_version, data, annotations };
        self.logs.configuration.push(Sight::Configuration(configuration.seen()));
        self.configuration = Some(configuration);
        Some(resource_version)
    }

    /// Sets an annotation of the ConfigMap, or takes it away. Its resourceVersions before and after, where that changed
    /// anything.
    pub fn annotate(&mut self, name: &str, value: Option<String>) -> Option<(u64, u64)> {
        let mut configuration = self.configuration.clone()?;
        let changed = match value {
            Some(value) => configuration.annotations.insert(name.to_owned(), value.clone()) != Some(value),
            None => configuration.annotations.remove(name).is_some(),
        };
        if !changed {
            return None;
        }
        let before = std::mem::replace(&mut configuration.resource_version, self.next_version());
        self.logs.configuration.push(Sight::Configuration(configuration.seen()));
        let after = configuration.resource_version;
        self.configuration = Some(configuration);
        Some((before, after))
    }

    /// Somebody else creates a Secret of our name, where there is none.
    pub fn create_foreign_secret(
        &mut self,
        namespace: &str,
        kind: &str,
        document: &[u8],
        forgery: Forgery,
    ) -> bool {
        let open = self.namespaces.get(namespace).is_some_and(|namespace| !namespace.terminating);
        if !open || self.pull_secrets.contains_key(namespace) {
            return false;
        }
        let (uid, resource_version) = (self.next_uid(), self.next_version());
        let mut secret = PullSecret {
            uid,
            resource_version,
            kind: kind.to_owned(),
            document: Rc::from(document),
            owner: "kubectl-create".to_owned(),
            sharers: BTreeSet::new(),
            further_owners: BTreeSet::new(),
            labels: Labels::new(),
            annotations: BTreeMap::new(),
            held: false,
            terminating: false,
            standing: Standing::Foreign,
        };
        if forgery == Forgery::Marked {
            secret.standing = Standing::Forged;
            secret.labels.insert(names::MANAGED_BY_LABEL.to_owned(), names::MANAGED_BY.to_owned());
            secret.annotations.insert(names::DIGEST_ANNOTATION.to_owned(), sha256_hex(document));
        }
        self.logs.pull_secrets.push(Sight::PullSecret(secret.seen(namespace)));
        self.pull_secrets.insert(namespace.to_owned(), secret);
        true
    }

    /// Somebody else writes the data of a Secret of our name: our field manager loses it. A write of what is there
    /// changes nothing, and nobody's fields.
    pub fn write_secret(&mut self, namespace: &str, document: &[u8], forgery: Forgery) -> bool {
        let digest = (forgery == Forgery::Marked).then(|| sha256_hex(document));
        let Some(secret) = self.pull_secrets.get(namespace) else { return false };
        let same_document = *secret.document == *document;
        let same_mark =
            digest.is_none() || secret.annotations.get(names::DIGEST_ANNOTATION) == digest.as_ref();
        if same_document && same_mark {
            return false;
        }
        let change = |secret: &mut PullSecret| {
            if !same_document {
                secret.document = Rc::from(document);
                "kubectl-edit".clone_into(&mut secret.owner);
                secret.sharers.clear();
                secret.touch();
            }
            if let Some(digest) = digest {
                secret.annotations.insert(names::DIGEST_ANNOTATION.to_owned(), digest);
            }
        };
        self.change_secret(namespace, change).is_some()
    }

    /// Somebody else adds a further key to the data of a Secret of our name.
    pub fn widen_secret(&mut self, namespace: &str) -> bool {
        let change = |secret: &mut PullSecret| {
            // What stands beside the docker config is nobody's business but its owner's.
            secret.further_owners.insert("kubectl-edit".to_owned());
        };
        self.change_secret(namespace, change).is_some()
    }

    /// Somebody takes our label and the digest off a Secret of our name.
    pub fn unmark_secret(&mut self, namespace: &str) -> bool {
        let change = |secret: &mut PullSecret| {
            secret.labels.remove(names::MANAGED_BY_LABEL);
            secret.annotations.remove(names::DIGEST_ANNOTATION);
        };
        self.change_secret(namespace, change).is_some()
    }

    /// Somebody deletes a Secret of our name.
    pub fn delete_secret(&mut self, namespace: &str) -> bool {
        let existed = self.pull_secrets.get(namespace).is_some_and(|secret| !secret.terminating);
        if existed {
            self.remove_secret(namespace);
        }
        existed
    }

    /// Somebody puts a finalizer on a Secret of our name, or takes it off.
    pub fn hold_secret(&mut self, namespace: &str, held: bool) -> bool {
        let Some(secret) = self.pull_secrets.get(namespace).filter(|secret| secret.held != held) else {
            return false;
        };
        // The release of what is being deleted shows nothing but its end.
        if secret.terminating && !held {
            self.drop_secret(namespace);
        } else {
            self.change_secret(namespace, |secret| secret.held = held);
        }
        true
    }

    /// Somebody deletes the journal, or replaces its document.
    pub fn spoil_journal(&mut self, document: Option<&[u8]>) -> bool {
        let resource_version = self.next_version();
        match (&mut self.journal, document) {
            (None, _) => return false,
            (Some(journal), Some(document)) => {
                journal.document = Rc::from(document);
                journal.resource_version = resource_version;
            }
            (journal, None) => *journal = None,
        }
        true
    }

    /// Somebody deletes the Lease.
    pub fn delete_lease(&mut self) -> bool {
        self.lease.take().is_some()
    }
}
