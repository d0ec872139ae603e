//! What one process has been shown: the contract judges a process by what it could know, not by what is.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use acr_controller::observation::{AccountSeen, PodSeen, Watch};

use crate::api_server::{AccountKey, PodKey, Sight};
use crate::wanted::{Labels, Wanted};

/// What a ConfigMap means.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// A configuration.
    Good(Rc<Wanted>),
    /// Nothing; where nothing else is known, perhaps the entries without an error.
    Spoiled(Option<Rc<Wanted>>),
}

/// What a watch delivers.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// A list starts.
    ListStarted(Watch),
    /// A list is complete.
    ListCompleted(Watch, u64),
    /// An object.
    Sight(Sight),
}

/// A configuration that may be in force.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) wanted: Rc<Wanted>,
    /// Whether it is a whole configuration; else it is what is left of a spoiled one.
    pub(crate) whole: bool,
}

/// What a process has been shown.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one process")]
pub(crate) struct Known {
    pub(crate) uninstall: bool,
    pub(crate) namespaces: BTreeMap<String, Labels>,
    /// With their opt-outs.
    pub(crate) accounts: BTreeMap<AccountKey, bool>,
    /// The configurations of which one is in force: all that were shown or read since the journal last settled the
    /// matter, oldest first.
    pub(crate) candidates: Vec<Candidate>,
    /// The newest of them, while the ConfigMap still says it.
    newest: Option<Rc<Wanted>>,
    /// Those of them that a journal is known to hold.
    pub(crate) journalled: Vec<Rc<Wanted>>,
    pub(crate) journal_read: bool,
    /// The journal was lost, and another process has begun it anew without knowing what this one had served.
    pub(crate) was_left_out: bool,
    /// The newest version of each ServiceAccount that was shown.
    pub(crate) account_versions: BTreeMap<AccountKey, u64>,
    /// The lists of ServiceAccounts as they were shown or read last, with the version.
    pub(crate) lists: BTreeMap<AccountKey, (u64, Option<String>)>,
    /// The pending pods as they were shown last.
    pub(crate) pods: BTreeMap<PodKey, PodSeen>,
    /// The newest version of each Secret of our name that was shown.
    pub(crate) secret_versions: BTreeMap<String, u64>,
    /// Namespaces whose Secret was shown with our mark.
    pub(crate) marked: BTreeSet<String>,
    /// Whether any cloud answer told the time.
    pub(crate) cloud_time_heard: bool,
    /// Who may have been in scope at some time, by what was shown.
    pub(crate) served_accounts: BTreeSet<AccountKey>,
    /// The only candidate, once this process has read it, or was told that it is written.
    pub(crate) in_force: Option<Rc<Wanted>>,
    /// Who surely was in scope.
    pub(crate) surely_served_accounts: BTreeSet<AccountKey>,
    /// Which namespaces may have been.
    pub(crate) served_namespaces: BTreeSet<String>,
    /// Which of them surely were: of two configurations that are shown together, the first is never accepted.
    pub(crate) surely_served_namespaces: BTreeSet<String>,
    /// Watches that have completed a list, with its version.
    pub(crate) listed: BTreeMap<Watch, u64>,
    /// Keys seen since a list started.
    relisting: BTreeMap<Watch, BTreeSet<AccountKey>>,
}

impl Known {
    /// A process that was shown nothing yet.
    pub(crate) fn nothing(uninstall: bool) -> Self {
        Self { uninstall, ..Self::default() }
    }

    /// Whether configuration, journal, namespaces, ServiceAccounts and Secrets are all listed.
    pub(crate) fn everything_listed(&self) -> bool {
        self.journal_read && self.listed.len() == 4
    }

    /// Takes a delivery in.
    pub(crate) fn take(&mut self, delivery: &Delivery, meanings: &BTreeMap<u64, Meaning>) {
        match delivery {
            Delivery::ListStarted(watch) => {
                self.relisting.insert(*watch, BTreeSet::new());
            }
            Delivery::ListCompleted(watch, version) => {
                // Pods are followed only where somebody asks for it.
                if *watch != Watch::Pods {
                    self.listed.insert(*watch, *version);
                }
                let Some(seen) = self.relisting.remove(watch) else { return };
                match watch {
                    Watch::Namespaces => {
                        self.namespaces.retain(|name, _| seen.contains(&(name.clone(), String::new())));
                    }
                    Watch::Accounts => self.accounts.retain(|key, _| seen.contains(key)),
                    Watch::Pods => self.pods.retain(|key, _| seen.contains(key)),
                    Watch::Configuration | Watch::PullSecrets => {}
                }
            }
            Delivery::Sight(sight) => self.see(sight, meanings),
        }
    }

    fn see(&mut self, sight: &Sight, meanings: &BTreeMap<u64, Meaning>) {
        match sight {
            Sight::Namespace(seen) => {
                self.in_list(Watch::Namespaces, (seen.name.clone(), String::new()));
                self.namespaces.insert(seen.name.clone(), seen.labels.clone());
                self.note_namespace(&seen.name);
            }
            Sight::NamespaceGone(name) => {
                self.namespaces.remove(name);
            }
            Sight::Account(seen) => {
                let key = (seen.namespace.clone(), seen.name.clone());
                self.in_list(Watch::Accounts, key.clone());
                self.accounts.insert(key.clone(), seen.ignored);
                self.lists.insert(key.clone(), (seen.resource_version, seen.list.clone()));
                self.note_account(&key);
                self.account_versions.insert(key, seen.resource_version);
            }
            Sight::AccountGone(namespace, name) => {
                let key = (namespace.clone(), name.clone());
                self.accounts.remove(&key);
                self.account_versions.remove(&key);
                self.lists.remove(&key);
            }
            Sight::Pod(seen) => {
                let key = (seen.namespace.clone(), seen.name.clone());
                self.in_list(Watch::Pods, key.clone());
                self.pods.insert(key, PodSeen::clone(seen));
            }
            Sight::PodGone(namespace, name) => {
                self.pods.remove(&(namespace.clone(), name.clone()));
            }
            Sight::PullSecret(seen) => {
                let marked = seen.annotations.contains_key(acr_controller::names::DIGEST_ANNOTATION);
                if marked {
                    self.marked.insert(seen.namespace.clone());
                } else {
                    self.marked.remove(&seen.namespace);
                }
                self.secret_versions.insert(seen.namespace.clone(), seen.resource_version);
            }
            Sight::PullSecretGone(namespace) => {
                self.marked.remove(namespace);
                self.secret_versions.insert(namespace.clone(), u64::MAX);
            }
            Sight::Configuration(seen) => self.see_meaning(meanings.get(&seen.resource_version)),
            Sight::ConfigurationGone => self.see_meaning(None),
        }
    }

    fn see_meaning(&mut self, meaning: Option<&Meaning>) {
        self.newest = None;
        if let Some(Meaning::Good(wanted)) = meaning {
            self.newest = Some(wanted.clone());
            self.consider(Candidate { wanted: wanted.clone(), whole: true });
            return;
        }
        // What was good before this process could lead was never accepted.
        if !self.journal_read {
            self.candidates.clear();
        }
        if let Some(Meaning::Spoiled(Some(remainder))) = meaning
            && !self.candidates.iter().any(|candidate| candidate.whole)
        {
            self.consider(Candidate { wanted: remainder.clone(), whole: false });
        }
    }

    /// A ServiceAccount was read, which may be older than what was shown.
    pub(crate) fn read_account(&mut self, key: AccountKey, seen: &AccountSeen) {
        let newer = self.lists.get(&key).is_none_or(|(version, _)| *version <= seen.resource_version);
        if newer {
            self.lists.insert(key, (seen.resource_version, seen.list.clone()));
        }
    }

    fn in_list(&mut self, watch: Watch, key: AccountKey) {
        if let Some(seen) = self.relisting.get_mut(&watch) {
            seen.insert(key);
        }
    }

    /// Another configuration may be in force from now on.
    fn consider(&mut self, candidate: Candidate) {
        if !self.candidates.last().is_some_and(|last| Rc::ptr_eq(&last.wanted, &candidate.wanted)) {
            self.candidates.push(candidate);
            self.in_force = None;
            self.note_everything();
        }
    }

    /// The journal was read: what it holds was in force before anything that was shown. Where it is lost, or was begun
    /// anew without a configuration, what this process has accepted before counts on.
    pub(crate) fn read_journal(&mut self, held: &[Candidate]) {
        let left_out = std::mem::take(&mut self.was_left_out) && !held.is_empty();
        if left_out {
            // Whoever finds a journal goes by that: what it does not say may have been cleaned, and be the user's by now.
            let newest = self.newest.as_ref();
            self.candidates.retain(|known| newest.is_some_and(|newest| Rc::ptr_eq(newest, &known.wanted)));
        }
        if !self.journal_read || left_out {
            // Of what was shown before this process could lead, only the newest is ever accepted.
            let older = self.candidates.len().saturating_sub(1);
            self.candidates.drain(..older);
            self.served_accounts.clear();
            self.surely_served_accounts.clear();
            self.served_namespaces.clear();
            self.surely_served_namespaces.clear();
        }
        self.journal_read = true;
        if held.iter().any(|candidate| candidate.whole) {
            self.candidates.retain(|candidate| candidate.whole);
        }
        for candidate in held.iter().rev() {
            if !self.candidates.iter().any(|known| Rc::ptr_eq(&known.wanted, &candidate.wanted)) {
                self.candidates.insert(0, candidate.clone());
            }
            self.journalled.push(candidate.wanted.clone());
        }
        self.in_force = self.only_candidate().filter(|_| !held.is_empty());
        self.note_everything();
    }

    /// The candidate that a journal written now is sure to hold: the one that the ConfigMap says. One that it does not
    /// say any more may have been shown while this process did not lead, and never have been accepted.
    pub(crate) fn surely_accepted(&self) -> Option<Candidate> {
        let newest = self.newest.as_ref()?;
        self.candidates.last().filter(|last| Rc::ptr_eq(&last.wanted, newest)).cloned()
    }

    /// A journal is stored that holds one of `held`, and that is `accepted` where it is known: then nothing older counts.
    /// Says whether something older has counted.
    pub(crate) fn settle(&mut self, held: &[Candidate], accepted: Option<&Candidate>) -> bool {
        self.journalled.extend(held.iter().map(|held| held.wanted.clone()));
        let accepted = accepted.and_then(|accepted| {
            self.candidates.iter().position(|known| Rc::ptr_eq(&known.wanted, &accepted.wanted))
        });
        let older = self.candidates.drain(..accepted.unwrap_or_default()).count();
        self.in_force = self.only_candidate();
        self.note_everything();
        older > 0
    }

    /// The longest threshold that may be in force, in seconds.
    pub(crate) fn longest_threshold(&self) -> u64 {
        self.candidates.iter().map(|candidate| candidate.wanted.threshold_seconds).max().unwrap_or_default()
    }

    /// Whether a namespace is in scope of a configuration, by the labels as shown.
    pub(crate) fn serves_namespace(&self, wanted: &Wanted, namespace: &str) -> bool {
        !self.uninstall
            && self.namespaces.get(namespace).is_some_and(|labels| wanted.serves_namespace(namespace, labels))
    }

    /// Whether a ServiceAccount is in scope of a configuration, by the labels as shown.
    pub(crate) fn serves_account(&self, wanted: &Wanted, key: &AccountKey) -> bool {
        let (namespace, name) = key;
        let (Some(ignored), Some(labels)) = (self.accounts.get(key), self.namespaces.get(namespace)) else {
            return false;
        };
        !self.uninstall && wanted.serves_account(namespace, labels, name, *ignored)
    }

    fn only_candidate(&self) -> Option<Rc<Wanted>> {
        match self.candidates.as_slice() {
            [only] => Some(only.wanted.clone()),
            _ => None,
        }
    }

    fn note_account(&mut self, key: &AccountKey) {
        let served = self.candidates.iter().any(|candidate| self.serves_account(&candidate.wanted, key));
        if served && !self.served_accounts.contains(key) {
            self.served_accounts.insert(key.clone());
        }
        if self.in_force.as_ref().is_some_and(|wanted| self.serves_account(wanted, key))
            && !self.surely_served_accounts.contains(key)
        {
            self.surely_served_accounts.insert(key.clone());
        }
    }

    fn note_namespace(&mut self, namespace: &str) {
        let served =
            self.candidates.iter().any(|candidate| self.serves_namespace(&candidate.wanted, namespace));
        if served && !self.served_namespaces.contains(namespace) {
            self.served_namespaces.insert(namespace.to_owned());
        }
        if self.in_force.as_ref().is_some_and(|wanted| self.serves_namespace(wanted, namespace))
            && !self.surely_served_namespaces.contains(namespace)
        {
            self.surely_served_namespaces.insert(namespace.to_owned());
        }
        let accounts: Vec<AccountKey> =
            self.accounts.keys().filter(|key| key.0 == namespace).cloned().collect();
        for key in accounts {
            self.note_account(&key);
        }
    }

    fn note_everything(&mut self) {
        for namespace in self.namespaces.keys().cloned().collect::<Vec<_>>() {
            self.note_namespace(&namespace);
        }
    }
}
