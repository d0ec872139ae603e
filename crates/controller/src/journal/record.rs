//! What the journal holds, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use acr_configuration::{Configuration, SecretRef, Source};
use acr_credentials::{InstanceHost, KeySlot, Login, UnixMillis};

use crate::admission::AdmissionObject;
use crate::admission::certificates::Certificates;
use crate::controls::Controls;
use crate::facts::chain::StaticSlots;
use crate::facts::{FactKey, Line, LineKey};

/// How long past its expiry a login counts as dead: a kubelet that holds it may still be in the middle of a pull.
pub const DEAD_AFTER: Duration = Duration::from_mins(10);

/// Everything that must survive the process.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The configuration in force.
    pub accepted: Option<Arc<Accepted>>,
    /// Configurations whose areas are still to be cleaned.
    pub retiring: Vec<Arc<Accepted>>,
    /// Hosts and login per line.
    pub lines: BTreeMap<LineKey, LineRecord>,
    /// What earlier configurations published for slots that are still wanted and whose own login has not come yet,
    /// the newest configuration first.
    pub carried: Vec<Carried>,
    /// The region of this node, once it was asked for.
    pub region: Option<String>,
    /// For which hosts the Secrets of `staticSecretRef` hold logins, once they were read.
    pub static_secrets: BTreeMap<SecretRef, StaticSlots>,
    /// Milliseconds from the wall clock to the cloud's.
    pub cloud_offset_millis: i64,
    /// What makes new ServiceAccounts served at once.
    pub admission: AdmissionRecord,
    /// What users ask for by annotations of the ConfigMap.
    pub controls: Controls,
}

/// What is kept of the webhook and the mutating policy.
#[derive(Clone, Debug, Default)]
pub struct AdmissionRecord {
    /// Objects that may exist.
    pub kept: BTreeSet<AdmissionObject>,
    /// Objects that an earlier journal may have named, which was lost: nobody has looked for them yet.
    pub suspects: BTreeSet<AdmissionObject>,
    /// Certificates of the webhook.
    pub certificates: Option<Certificates>,
}

/// A configuration with the text that it was read from.
#[derive(PartialEq, Eq)]
pub struct Accepted {
    /// The `data` of the ConfigMap.
    pub data: BTreeMap<String, String>,
    /// What it says; entries with errors are left out.
    pub configuration: Configuration,
}

impl Accepted {
    /// Reads a text that was accepted before; `None` when it says nothing usable to this version.
    pub fn read(data: BTreeMap<String, String>) -> Option<Self> {
        let configuration = acr_configuration::load(&Source::from_config_map_data(&data)).configuration?;
        Some(Self { data, configuration })
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Accepted").field("configuration", &self.configuration).finish_non_exhaustive()
    }
}

/// The logins that an earlier configuration published. They stay where they were: in the namespaces that it names.
#[derive(Clone, Debug)]
pub struct Carried {
    /// The earlier configuration.
    pub accepted: Arc<Accepted>,
    /// Its logins, in the order of its entries.
    pub logins: Vec<CarriedLogin>,
}

/// The login of one entry of an earlier configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedLogin {
    /// Place of the entry in [`Configuration::entries`].
    pub place: usize,
    /// The instance: `cri-…`.
    pub instance: String,
    /// The key slots that it was given.
    pub slots: Vec<KeySlot>,
    /// The login.
    pub login: HeldLogin,
}

impl Record {
    /// What is left to go by where the journal is lost: other leaders may have published later logins since.
    pub fn without_logins(&self) -> Self {
        let lines =
            self.lines.iter().map(|(key, line)| (key.clone(), LineRecord { login: None, ..line.clone() }));
        Self { lines: lines.collect(), carried: Vec::new(), ..self.clone() }
    }

    /// The newest login of a line.
    pub fn login(&self, line: &Line) -> Option<&HeldLogin> {
        self.lines.get(&line.key).and_then(|record| record.login.as_ref())
    }

    /// The newest login of a line, unless it is dead by `time`.
    pub fn living_login(&self, line: &Line, time: UnixMillis) -> Option<&HeldLogin> {
        self.login(line).filter(|held| held.dies() > time)
    }
}

impl Carried {
    /// What it published in a namespace, by the namespace's name, with the places in [`Self::logins`].
    pub fn reaching(&self, namespace: &str) -> impl Iterator<Item = (usize, &CarriedLogin)> {
        let Configuration { scope, entries, .. } = &self.accepted.configuration;
        let named = scope.namespace_is_named(namespace);
        self.logins.iter().enumerate().filter(move |(_, login)| {
            let narrowed = entries.get(login.place).map(|entry| entry.namespaces.as_deref());
            named
                && narrowed.is_some_and(|globs| {
                    globs.is_none_or(|globs| globs.iter().any(|glob| glob.matches(namespace)))
                })
        })
    }
}

/// What is kept of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineRecord {
    /// The domains of the instance; `None` until they were known.
    pub hosts: Option<Vec<InstanceHost>>,
    /// The last complete answer, where it lacks a host of `hosts`: when the next one equals it, the host goes.
    pub fewer: Option<Vec<InstanceHost>>,
    /// The newest login.
    pub login: Option<HeldLogin>,
    /// The key slots that it was given last.
    pub slots: Vec<KeySlot>,
    /// The identity may not ask for the domains.
    pub refused: bool,
}

/// A login with the fact that it answered.
#[derive(Clone, Debug)]
pub struct HeldLogin {
    /// The fact.
    pub fact: FactKey,
    /// The login.
    pub login: Arc<Login>,
    /// When it was handed out, by the cloud's clock.
    pub handed_out: UnixMillis,
    /// Whether it was asked for with the keys of a registered cluster, whatever the token mode.
    pub registered: bool,
}

impl HeldLogin {
    /// When this login is dead, by the cloud's clock.
    pub fn dies(&self) -> UnixMillis {
        self.login.expires.plus(DEAD_AFTER)
    }
}

impl PartialEq for HeldLogin {
    /// A fact hands out one login at a time: fact, expiry and hand-out tell logins apart without a look at secrets.
    fn eq(&self, other: &Self) -> bool {
        let Self { fact, login, handed_out, registered: _ } = self;
        *fact == other.fact && login.expires == other.login.expires && *handed_out == other.handed_out
    }
}

impl Eq for HeldLogin {}
