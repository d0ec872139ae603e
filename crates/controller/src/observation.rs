//! What the edges tell the machine: what the watches show, and what came of operations.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use acr_configuration::SecretRef;
use acr_credentials::{AccessKey, SecretData, UnixMillis};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::admission::certificates::Generation;
use crate::admission::{AdmissionObject, AdmissionSeen, ServerSeen, Trial};
use crate::operation::OperationId;

/// One thing learned. Order matters only within one watch.
#[derive(Debug)]
pub enum Observation {
    /// A watch starts a list, its first or a new one: what is not seen until [`Self::ListCompleted`] is gone.
    ListStarted(Watch),
    /// The list that [`Self::ListStarted`] opened is complete.
    ListCompleted {
        /// The watch.
        watch: Watch,
        /// The resourceVersion at which the list shows everything.
        version: u64,
    },
    /// The ConfigMap `acr-configuration` as it is now.
    Configuration(ConfigMapSeen),
    /// The ConfigMap `acr-configuration` was deleted.
    ConfigurationGone,
    /// Whether the file of `--parameters`, whose text comes with the ConfigMap, can be read.
    ParametersFile {
        /// Why not: its path and the reason.
        unreadable: Option<String>,
    },
    /// A Namespace as it is now.
    Namespace(NamespaceSeen),
    /// A Namespace was deleted.
    NamespaceGone {
        /// Its name.
        name: String,
    },
    /// A ServiceAccount as it is now.
    Account(AccountSeen),
    /// A ServiceAccount was deleted.
    AccountGone {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The metadata of a Secret of the pull secret's name, whoever made it.
    PullSecret(PullSecretSeen),
    /// A Secret of the pull secret's name was deleted.
    PullSecretGone {
        /// Its namespace.
        namespace: String,
    },
    /// A Secret that the configuration names ([`crate::Machine::references`]) as it is now: its data, `None` where it
    /// does not exist, or why it cannot be followed.
    Referenced {
        /// The Secret.
        reference: SecretRef,
        /// What is known of it.
        seen: Result<Option<SecretData>, Refusal>,
    },
    /// An object that the API server goes by when ServiceAccounts are created ([`crate::Machine::admission_objects`]) as it is
    /// now, `None` where it does not exist, or why it cannot be followed.
    Admission {
        /// Which one.
        object: AdmissionObject,
        /// The resourceVersion at which it is so, also where it is gone; 0 where that is not known.
        version: u64,
        /// What is known of it.
        seen: Result<Option<AdmissionSeen>, Refusal>,
    },
    /// A pod that has not started, as it is now.
    Pod(PodSeen),
    /// A pod has started, or is gone.
    PodGone {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Pods cannot be followed, and why.
    PodsUnseen(Refusal),
    /// What the cluster hands over as files has changed: an add-on token, or the keys of a registered cluster. Of Secrets
    /// that are read for them [`Self::Referenced`] tells.
    HandedOver,
    /// An operation that was handed out has ended.
    Answered {
        /// Which one.
        operation: OperationId,
        /// What came of it.
        answer: Answer,
    },
    /// The process was asked to end: nothing new is started, and the Lease is given back when all is answered.
    Stopping,
}

/// The watches of many objects: four, and the one of pods while somebody wants help for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watch {
    /// The ConfigMap `acr-configuration`.
    Configuration,
    /// All Namespaces.
    Namespaces,
    /// All ServiceAccounts.
    Accounts,
    /// All Secrets of the pull secret's name, metadata only.
    PullSecrets,
    /// Pods that have not started, of all namespaces.
    Pods,
}

/// The ConfigMap with the configuration.
#[derive(Clone)]
pub struct ConfigMapSeen {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: u64,
    /// Its `data`; values may hold inline keys.
    pub data: BTreeMap<String, String>,
    /// Those of its annotations that begin with `acr-credential-helper/`.
    pub annotations: BTreeMap<String, String>,
}

impl fmt::Debug for ConfigMapSeen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.data.keys().collect();
        formatter
            .debug_struct("ConfigMapSeen")
            .field("uid", &self.uid)
            .field("resource_version", &self.resource_version)
            .field("data", &keys)
            .field("annotations", &self.annotations)
            .finish()
    }
}

/// A Namespace.
#[derive(Clone, Debug)]
pub struct NamespaceSeen {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: u64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// When it was created.
    pub created: UnixMillis,
}

/// A ServiceAccount.
#[derive(Clone, Debug)]
pub struct AccountSeen {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its resourceVersion.
    pub resource_version: u64,
    /// Whether its opt-out label is set.
    pub ignored: bool,
    /// `imagePullSecrets` exactly as the API server shows it, as compact JSON; `None` where the field is absent.
    pub list: Option<String>,
}

/// The metadata of a Secret of the pull secret's name.
#[derive(Clone, Debug)]
pub struct PullSecretSeen {
    /// Its namespace.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: u64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The field managers that own `f:data` / `f:.dockerconfigjson` in `managedFields` (not those that own only the
    /// `.` of `f:data`: whoever made the map keeps that when somebody else takes the value over).
    pub data_owners: Vec<String>,
    /// Whether it is being deleted.
    pub terminating: bool,
}

/// A pod that has not started.
#[derive(Clone, Debug)]
pub struct PodSeen {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: u64,
    /// The name of its ServiceAccount.
    pub service_account: String,
    /// The names in its imagePullSecrets, which never change.
    pub references: Vec<String>,
    /// What made it and makes it anew, where it says so.
    pub owner: Option<PodOwner>,
    /// The images that its node has failed to pull and tries again, those of init containers included.
    pub unpulled: Vec<String>,
    /// Whether any of its containers runs, while others do not.
    pub runs: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
}

/// The controller of a pod, from its owner references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodOwner {
    /// The API group; empty for core.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The uid.
    pub uid: String,
}

/// What came of an operation.
#[derive(Debug)]
pub enum Answer {
    /// A write was carried out, and the object is now at `resource_version` (0 where the answer tells none).
    Done {
        /// The object's resourceVersion after the write.
        resource_version: u64,
        /// The object's uid, where the answer tells it; an apply that creates does.
        uid: Option<String>,
    },
    /// A ServiceAccount was read.
    Account(AccountSeen),
    /// A Secret of the pull secret's name was read, because it is not ours.
    ForeignSecret(ForeignSecret),
    /// The journal was read; `None` where there is none.
    Journal(Option<JournalSeen>),
    /// The Lease was read or written; `None` where there is none.
    Lease(Option<LeaseSeen>),
    /// A ServiceAccount token was read or minted; `None` where the projected file does not exist.
    Token(Option<SecretString>),
    /// The keys of a registered cluster were read; `None` where it has none.
    Key(Option<AccessKey>),
    /// The API server said what it can do.
    Server(ServerSeen),
    /// The mutating policy was tried.
    Tried(Trial),
    /// A certificate was made.
    Certificate(Box<Generation>),
    /// The cloud was asked.
    Cloud(acr_credentials::Answer),
    /// The operation failed.
    Refused(Refusal),
}

/// What is read of a foreign Secret to decide on its adoption.
#[derive(Clone, Debug)]
pub struct ForeignSecret {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: u64,
    /// Its type.
    pub kind: String,
    /// The keys of its docker config; `None` where its data is no docker config and nothing else.
    pub hosts: Option<Vec<String>>,
}

/// The journal as read.
#[derive(Clone)]
pub struct JournalSeen {
    /// The uid of its Secret.
    pub uid: String,
    /// The resourceVersion of its Secret.
    pub resource_version: u64,
    /// Its document.
    pub document: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for JournalSeen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JournalSeen")
            .field("uid", &self.uid)
            .field("resource_version", &self.resource_version)
            .field("bytes", &self.document.len())
            .finish()
    }
}

/// The Lease as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSeen {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: u64,
    /// Who holds it; `None` where it was given back.
    pub holder: Option<String>,
    /// How long the holder may be silent, in seconds, as the holder wrote it.
    pub duration_seconds: u32,
    /// How often it changed hands.
    pub transitions: u32,
}

/// Why an operation on the API server, or the reading of a token, failed: a closed list, each with its own treatment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The object is not as it was observed: a failed guard, a stale version, a changed uid, or it exists already.
    #[error("the object changed since it was observed")]
    LostRace,
    /// An admission policy, a webhook or validation refuses the change.
    #[error("refused: {message}")]
    RefusedByPolicy {
        /// The API server's message.
        message: String,
    },
    /// RBAC does not allow it.
    #[error("no right: {message}")]
    NoRight {
        /// The API server's message.
        message: String,
    },
    /// A quota is exhausted.
    #[error("quota exhausted: {message}")]
    Quota {
        /// The API server's message.
        message: String,
    },
    /// The namespace is being deleted.
    #[error("the namespace is being deleted")]
    Terminating,
    /// The object or its namespace does not exist.
    #[error("not found")]
    Gone,
    /// The API server asks for fewer calls.
    #[error("throttled by the API server")]
    Throttled {
        /// How long it asks to wait, if it says.
        retry_after: Option<Duration>,
    },
    /// Whether the operation was carried out is not known: no answer, a cut connection, a server error.
    #[error("no clear answer: {message}")]
    Unknown {
        /// What happened.
        message: String,
    },
}

impl Refusal {
    /// The label of metrics and the reason of Events.
    pub fn label(&self) -> &'static str {
        match self {
            Self::LostRace => "LostRace",
            Self::RefusedByPolicy { .. } => "RefusedByPolicy",
            Self::NoRight { .. } => "NoRight",
            Self::Quota { .. } => "Quota",
            Self::Terminating => "Terminating",
            Self::Gone => "Gone",
            Self::Throttled { .. } => "Throttled",
            Self::Unknown { .. } => "Unknown",
        }
    }
}
