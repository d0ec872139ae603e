//! The world as the watches show it: a compact index of namespaces, their ServiceAccounts and pull secrets.

mod account;

use std::collections::BTreeMap;
use std::sync::Arc;

use acr_credentials::UnixMillis;

use crate::names::{
    ADOPTED_ANNOTATION, DIGEST_ANNOTATION, EXPIRES_ANNOTATION, FIELD_MANAGER, INSTALLATION_ANNOTATION,
    MANAGED_BY, MANAGED_BY_LABEL,
};
use crate::observation::{AccountSeen, NamespaceSeen, PullSecretSeen, Watch};
use crate::time::Mono;
use crate::work::Work;
pub use account::{Account, Guard};

/// All that is known of the cluster, besides the configuration.
#[derive(Debug)]
pub struct World {
    /// The namespace of the component, by which it knows what it has made from what another installation has.
    installation: String,
    namespaces: BTreeMap<Arc<str>, Namespace>,
    /// The watches that have completed a list, each with the resourceVersion of the last one.
    listed: BTreeMap<Watch, u64>,
}

/// A namespace, or what was seen of its contents before it was seen itself.
#[derive(Debug, Default)]
pub struct Namespace {
    /// What was seen of the Namespace; `None` before that, and after it was deleted.
    pub seen: Option<Box<Seen>>,
    /// Whether it was seen since the last list of Namespaces was started: what a list does not show is gone.
    shown: bool,
    /// Its ServiceAccounts, ordered by name.
    accounts: Vec<Account>,
    /// The Secret of the pull secret's name.
    pub secret: Option<Box<Secret>>,
    /// What is under way for the pull secret.
    pub work: Option<Box<Work>>,
    /// What our own writes have shown about the pull secret.
    pub trust: Option<Trust>,
    /// Until when a write of which nobody has heard may reach a ServiceAccount that is made anew under the name of one that
    /// has gone.
    pub may_land: Mono,
    /// Whether it left the scope by a label: cleaned although its name is still in scope.
    pub left: bool,
    /// Whether its pull secret waits in a queue.
    pub queued: bool,
}

/// The parts of a Namespace that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its uid.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// When it was created.
    pub created: UnixMillis,
}

/// The Secret of the pull secret's name, metadata only.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what metadata tells, one flag for each independent question"
)]
pub struct Secret {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub version: u64,
    /// The digest of its mark.
    pub digest: Option<Box<str>>,
    /// The expiry of its mark.
    pub expires: Option<UnixMillis>,
    /// Whether it carries our label and a mark.
    pub marked: bool,
    /// Whether its mark says that somebody else had made it.
    pub adopted: bool,
    /// The namespace of another installation of this component, where its mark names one.
    pub elsewhere: Option<Box<str>>,
    /// Whether we own its data, as far as its managed fields tell.
    pub owned: bool,
    /// Somebody else who owns its data, as far as its managed fields tell.
    pub writer: Option<Box<str>>,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Whether it was seen since the last list of pull secrets was started.
    shown: bool,
}

impl Secret {
    /// Whether it is ours to write and delete.
    pub fn ours(&self) -> bool {
        self.elsewhere.is_none() && (self.marked || self.owned)
    }
}

/// What our last write of a pull secret has shown: at this version it holds this payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The resourceVersion after our write.
    pub version: u64,
    /// The digest that was written.
    pub digest: Box<str>,
    /// Whether it was written with the mark of adoption.
    pub adopted: bool,
}

impl Namespace {
    /// Whether another installation of this component has made its pull secret.
    pub fn is_made_elsewhere(&self) -> bool {
        self.secret.as_ref().is_some_and(|secret| secret.elsewhere.is_some())
    }

    /// Its ServiceAccounts.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// One of its ServiceAccounts.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts
            .binary_search_by(|account| (*account.name).cmp(name))
            .ok()
            .and_then(|at| self.accounts.get(at))
    }

    /// One of its ServiceAccounts, to change.
    pub fn account_mut(&mut self, name: &str) -> Option<&mut Account> {
        let at = self.accounts.binary_search_by(|account| (*account.name).cmp(name)).ok()?;
        self.accounts.get_mut(at)
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.seen.as_ref().and_then(|seen| seen.labels.get(key)).map(String::as_str)
    }

    /// The Secret is gone, and with it whatever was between us and its owner.
    fn forget_secret(&mut self) {
        self.secret = None;
        self.trust = None;
        if let Some(work) = &mut self.work {
            work.stood_back = false;
            work.verdict = None;
        }
    }

    fn is_empty(&self) -> bool {
        self.seen.is_none() && self.accounts.is_empty() && self.secret.is_none()
    }
}

impl World {
    /// Nothing is known yet, to a component in this namespace.
    pub fn of(installation: &str) -> Self {
        Self { installation: installation.to_owned(), namespaces: BTreeMap::new(), listed: BTreeMap::new() }
    }

    /// Whether every watch that shows the world has completed a list: before that nothing is detached, deleted or dropped.
    pub fn listed(&self) -> bool {
        [Watch::Configuration, Watch::Namespaces, Watch::Accounts, Watch::PullSecrets]
            .iter()
            .all(|watch| self.listed.contains_key(watch))
    }

    /// Whether a watch has completed a list.
    pub fn has_listed(&self, watch: Watch) -> bool {
        self.listed.contains_key(&watch)
    }

    /// At which resourceVersion the last list of a watch showed everything.
    pub fn listed_at(&self, watch: Watch) -> u64 {
        self.listed.get(&watch).copied().unwrap_or_default()
    }

    /// The namespaces by name.
    pub fn namespaces(&self) -> impl Iterator<Item = (&Arc<str>, &Namespace)> {
        self.namespaces.iter()
    }

    /// A namespace.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name)
    }

    /// A namespace with its shared name, to change.
    pub fn namespace_mut(&mut self, name: &str) -> Option<&mut Namespace> {
        self.namespaces.get_mut(name)
    }

    /// The shared name of a namespace.
    pub fn name(&self, name: &str) -> Option<Arc<str>> {
        self.namespaces.get_key_value(name).map(|(name, _)| Arc::clone(name))
    }

    fn entry(&mut self, name: &str) -> &mut Namespace {
        self.namespaces.entry(Arc::from(name)).or_default()
    }

    /// A watch starts a list, perhaps because the one before broke off.
    pub fn list_started(&mut self, watch: Watch) {
        for namespace in self.namespaces.values_mut() {
            match watch {
                Watch::Configuration | Watch::Pods => {}
                Watch::Namespaces => namespace.shown = false,
                Watch::Accounts => {
                    for account in &mut namespace.accounts {
                        account.shown = false;
                        account.work.iter_mut().for_each(|work| work.list_started());
                    }
                }
                Watch::PullSecrets => {
                    namespace.secret.iter_mut().for_each(|secret| secret.shown = false);
                    namespace.work.iter_mut().for_each(|work| work.list_started());
                }
            }
        }
    }

    /// A watch has completed a list: what it did not show is gone, and what it is later than is not awaited any more.
    /// Says which namespaces changed.
    pub fn list_completed(&mut self, watch: Watch, version: u64) -> Vec<Arc<str>> {
        self.listed.insert(watch, version);
        let mut changed = Vec::new();
        for (name, namespace) in &mut self.namespaces {
            let touched = match watch {
                Watch::Configuration | Watch::Pods => false,
                Watch::Namespaces => {
                    namespace.seen.is_some() && !namespace.shown && {
                        namespace.seen = None;
                        true
                    }
                }
                Watch::Accounts => {
                    let before = namespace.accounts.len();
                    namespace.accounts.retain(|account| account.shown);
                    let mut awaited = namespace.accounts.len() != before;
                    for account in &mut namespace.accounts {
                        awaited |= account.work.as_mut().is_some_and(|work| work.listed(version));
                    }
                    awaited
                }
                Watch::PullSecrets => {
                    let gone = namespace.secret.as_ref().is_some_and(|secret| !secret.shown);
                    if gone {
                        namespace.forget_secret();
                    }
                    namespace.work.as_mut().is_some_and(|work| work.listed(version)) || gone
                }
            };
            if touched {
                changed.push(Arc::clone(name));
            }
        }
        self.namespaces.retain(|_, namespace| !namespace.is_empty());
        changed
    }

    /// Whether this is another Namespace than the one of its name that was seen last.
    pub fn is_recreated(&self, seen: &NamespaceSeen) -> bool {
        let known = self.namespaces.get(&*seen.name).and_then(|namespace| namespace.seen.as_ref());
        known.is_some_and(|known| known.uid != seen.uid)
    }

    /// A label has taken a Namespace out of scope: it is cleaned although its name is still in scope.
    pub fn left_by_label(&mut self, name: &str) {
        if let Some(namespace) = self.namespaces.get_mut(name) {
            namespace.left = true;
        }
    }

    /// A Namespace as it is now.
    pub fn see_namespace(&mut self, seen: NamespaceSeen) -> Arc<str> {
        let NamespaceSeen { name, uid, resource_version: _, labels, terminating, created } = seen;
        let namespace = self.entry(&name);
        namespace.shown = true;
        namespace.left &= namespace.seen.as_ref().is_some_and(|seen| seen.uid == uid);
        namespace.seen = Some(Box::new(Seen { uid, labels, terminating, created }));
        self.name(&name).unwrap_or_else(|| Arc::from(name))
    }

    /// A Namespace was deleted.
    pub fn namespace_gone(&mut self, name: &str) {
        if let Some(namespace) = self.namespaces.get_mut(name) {
            namespace.seen = None;
            namespace.left = false;
            if namespace.is_empty() {
                self.namespaces.remove(name);
            }
        }
    }

    /// A ServiceAccount as it is now. Says whether our name was taken out of its list since it was last seen.
    pub fn see_account(&mut self, seen: AccountSeen) -> (Arc<str>, bool) {
        let AccountSeen { namespace, name, resource_version, ignored, list } = seen;
        let home = self.entry(&namespace);
        let at = home.accounts.binary_search_by(|account| (*account.name).cmp(&name));
        let at = at.unwrap_or_else(|at| {
            home.accounts.insert(at, Account::new(name.into_boxed_str()));
            at
        });
        let account = home.accounts.get_mut(at);
        let removed = account.is_some_and(|account| account.see(resource_version, ignored, list));
        (self.name(&namespace).unwrap_or_else(|| Arc::from(namespace)), removed)
    }

    /// A ServiceAccount was deleted.
    pub fn account_gone(&mut self, namespace: &str, name: &str) {
        if let Some(home) = self.namespaces.get_mut(namespace) {
            let gone = home.accounts.iter().find(|account| &*account.name == name);
            let lands = gone.and_then(|account| account.work.as_ref()).map(|work| work.may_land);
            home.may_land = home.may_land.max(lands.unwrap_or_default());
            home.accounts.retain(|account| &*account.name != name);
            if home.is_empty() {
                self.namespaces.remove(namespace);
            }
        }
    }

    /// The Secret of our name as it is now.
    pub fn see_secret(&mut self, seen: PullSecretSeen) -> Arc<str> {
        let PullSecretSeen {
            namespace,
            uid,
            resource_version,
            labels,
            annotations,
            data_owners,
            terminating,
        } = seen;
        let digest = annotations.get(DIGEST_ANNOTATION).map(|digest| digest.as_str().into());
        let elsewhere = annotations
            .get(INSTALLATION_ANNOTATION)
            .filter(|installation| **installation != self.installation)
            .map(|installation| installation.as_str().into());
        let home = self.entry(&namespace);
        // Another one under the same name, whose predecessor a watch that was cut did not show going.
        if home.secret.as_ref().is_some_and(|known| known.uid != uid) {
            home.forget_secret();
        }
        if let Some(work) = &mut home.work {
            work.seen(resource_version);
        }
        home.secret = Some(Box::new(Secret {
            uid,
            version: resource_version,
            expires: annotations.get(EXPIRES_ANNOTATION).and_then(|text| parse_time(text)),
            marked: digest.is_some() && labels.get(MANAGED_BY_LABEL).is_some_and(|by| by == MANAGED_BY),
            digest,
            elsewhere,
            adopted: annotations.get(ADOPTED_ANNOTATION).is_some_and(|adopted| adopted == "true"),
            owned: data_owners.iter().any(|owner| owner == FIELD_MANAGER),
            writer: data_owners.into_iter().find(|owner| owner != FIELD_MANAGER).map(String::into_boxed_str),
            terminating,
            shown: true,
        }));
        self.name(&namespace).unwrap_or_else(|| Arc::from(namespace))
    }

    /// What our own writes have shown about pull secrets counts no more.
    pub fn forget_trust(&mut self) {
        self.namespaces.values_mut().for_each(|namespace| namespace.trust = None);
    }

    /// The Secret of our name was deleted.
    pub fn secret_gone(&mut self, namespace: &str) {
        if let Some(home) = self.namespaces.get_mut(namespace) {
            home.forget_secret();
            if let Some(work) = &mut home.work {
                work.stop_awaiting();
            }
            if home.is_empty() {
                self.namespaces.remove(namespace);
            }
        }
    }
}

fn parse_time(text: &str) -> Option<UnixMillis> {
    text.parse::<jiff::Timestamp>().ok().map(|time| UnixMillis(time.as_millisecond()))
}
