//! What the machine hands out: each is complete, so that carrying it out takes no decision.

use std::fmt;
use std::time::Duration;

use acr_credentials::{Call, UnixMillis};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::admission::AdmissionObject;
use crate::machine::Serving;

/// Identifies an operation that is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u64);

/// The kinds of slots of the pump. A slot is asked for with [`crate::Machine::next`] whenever it is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Reads and writes of the Lease.
    Lease,
    /// Reads and writes of the journal.
    Journal,
    /// Pull secrets and ServiceAccounts.
    Objects,
    /// Calls to the Security Token Service.
    Sts,
    /// Calls to Container Registry.
    ContainerRegistry,
    /// Calls to the ECS metadata service, and what this cluster hands over: ServiceAccount tokens, the add-on token, the
    /// keys of a registered cluster.
    Metadata,
    /// The registration of the webhook, the parameters of the policy, and certificates.
    Admission,
    /// Evictions of pods.
    Eviction,
    /// Events.
    Report,
}

impl Class {
    /// All classes, in the order in which slots should be offered: what has nothing to do any more leaves something to
    /// remember, and what is remembered or not leaves something to report.
    pub const ALL: [Self; 9] = [
        Self::Lease,
        Self::Admission,
        Self::Objects,
        Self::Sts,
        Self::ContainerRegistry,
        Self::Metadata,
        Self::Eviction,
        Self::Journal,
        Self::Report,
    ];

    /// How many operations of the class may be in flight at once.
    ///
    /// 32 writes keep a two-core API server busy without filling its 200 mutating slots; 8 calls per cloud product
    /// are what one cluster may do beside the account's other users.
    pub fn slots(self) -> usize {
        match self {
            Self::Lease | Self::Journal | Self::Admission | Self::Eviction => 1,
            Self::Objects => 32,
            Self::Sts | Self::ContainerRegistry | Self::Metadata => 8,
            Self::Report => 4,
        }
    }
}

/// One operation, complete.
#[derive(Debug)]
pub enum Operation {
    /// Patch the list of a ServiceAccount: answered by `Done`, or refused.
    PatchList {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The list as observed, compact JSON; `None` where the field was absent. The patch tests it.
        observed: Option<String>,
        /// What to do.
        change: ListChange,
    },
    /// Read a ServiceAccount: answered by `Account`, or refused.
    ReadAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Apply a pull secret: answered by `Done`, or refused.
    ApplyPullSecret {
        /// Its namespace.
        namespace: String,
        /// What must be there.
        precondition: Precondition,
        /// What it shall hold.
        payload: Payload,
        /// Whether it carries the mark of adoption.
        adopted: bool,
    },
    /// Delete a pull secret: answered by `Done`, or refused.
    DeletePullSecret {
        /// Its namespace.
        namespace: String,
        /// Its uid, a precondition.
        uid: String,
        /// Its resourceVersion, a precondition.
        resource_version: u64,
    },
    /// Read a Secret of our name that is not ours: answered by `ForeignSecret`, or refused.
    ReadForeignSecret {
        /// Its namespace.
        namespace: String,
    },
    /// Read the journal: answered by `Journal`, or refused.
    ReadJournal,
    /// Apply the journal: answered by `Done`, or refused.
    WriteJournal {
        /// What must be there.
        precondition: Precondition,
        /// The document.
        document: Zeroizing<Vec<u8>>,
        /// The certificate of the webhook, for whoever serves it and may not read the document.
        serving: Option<Serving>,
    },
    /// Delete the journal: answered by `Done`, or refused (`Gone` counts as done).
    DeleteJournal,
    /// Read the Lease: answered by `Lease`, or refused.
    ReadLease,
    /// Create or update the Lease (PUT): answered by `Lease`, or refused.
    WriteLease(LeaseWrite),
    /// Delete the Lease: answered by `Done`, or refused.
    DeleteLease {
        /// Its uid, a precondition.
        uid: String,
        /// Its resourceVersion, a precondition.
        resource_version: u64,
    },
    /// Read the projected ServiceAccount token: answered by `Token`, or refused.
    ReadTokenFile,
    /// Mint a token of our own ServiceAccount by TokenRequest: answered by `Token`, or refused.
    RequestToken {
        /// The ServiceAccount.
        service_account: String,
        /// The audience.
        audience: &'static str,
        /// Life of the token in seconds.
        expiration_seconds: i64,
    },
    /// Read the keys that a registered cluster is given: answered by `Key`, or refused.
    ReadRegisteredKey,
    /// Read the token of the managed role: answered by `Cloud`, or refused.
    ReadAddOnToken,
    /// Ask the cloud: answered by `Cloud`.
    Ask {
        /// The call.
        call: Call,
        /// Milliseconds to add to the wall clock for the time stamp, where the cloud's clock is known to differ.
        signing_offset_millis: i64,
        /// How long it may take, all endpoints together: it ends before somebody else can hold the Lease.
        deadline: Duration,
    },
    /// Create or overwrite an object that the API server goes by when ServiceAccounts are created: answered by `Done`, or
    /// refused.
    ApplyAdmission {
        /// Which one.
        object: AdmissionObject,
        /// What must be there.
        precondition: Precondition,
        /// `webhooks` of the registration, `data` of the ConfigMap.
        content: Value,
    },
    /// Delete such an object: answered by `Done`, or refused (`Gone` counts as done).
    DeleteAdmission {
        /// Which one.
        object: AdmissionObject,
        /// Its uid, a precondition.
        uid: String,
        /// Its resourceVersion, a precondition.
        resource_version: u64,
    },
    /// Ask what the API server can do when ServiceAccounts are created: answered by `Server`, or refused.
    ReadServer,
    /// Let the API server create a ServiceAccount that it does not store, as if it had this name: answered by `Tried`, or
    /// refused.
    TryPolicy {
        /// Where.
        namespace: String,
        /// The name that counts for the policy.
        service_account: String,
        /// The fingerprint of the parameters that it has to go by.
        fingerprint: String,
    },
    /// Make a certificate for the webhook and the authority that signs it: answered by `Certificate`, or refused.
    MakeCertificate {
        /// The host that it is for: a DNS name or an address.
        host: String,
        /// From when on it is valid.
        begins: UnixMillis,
        /// When it ends.
        ends: UnixMillis,
    },
    /// Evict a pod, as budgets allow: answered by `Done`, or refused (`Throttled` by a budget as well).
    EvictPod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its uid, a precondition.
        uid: String,
        /// Its resourceVersion, a precondition: one that has started meanwhile is not touched.
        resource_version: u64,
    },
    /// Write an Event: answered by `Done`, or refused; lost Events are not repeated.
    Report(Report),
}

impl Operation {
    /// A short name: label of metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            Self::PatchList { change: ListChange::Remove { .. }, .. } => "detach",
            Self::PatchList { .. } => "attach",
            Self::ReadAccount { .. } => "read-service-account",
            Self::ApplyPullSecret { .. } => "apply-pull-secret",
            Self::DeletePullSecret { .. } => "delete-pull-secret",
            Self::ReadForeignSecret { .. } => "read-foreign-secret",
            Self::ReadJournal => "read-journal",
            Self::WriteJournal { .. } => "write-journal",
            Self::DeleteJournal => "delete-journal",
            Self::ReadLease => "read-lease",
            Self::WriteLease(_) => "write-lease",
            Self::DeleteLease { .. } => "delete-lease",
            Self::ReadTokenFile => "read-token-file",
            Self::RequestToken { .. } => "request-token",
            Self::ReadRegisteredKey => "read-registered-key",
            Self::ReadAddOnToken => "read-add-on-token",
            Self::Ask { call, .. } => call.operation(),
            Self::ApplyAdmission { object: AdmissionObject::Registration, .. } => "apply-registration",
            Self::ApplyAdmission { object: AdmissionObject::Parameters, .. } => "apply-scope",
            Self::DeleteAdmission { object: AdmissionObject::Registration, .. } => "delete-registration",
            Self::DeleteAdmission { object: AdmissionObject::Parameters, .. } => "delete-scope",
            Self::ReadServer => "read-server",
            Self::TryPolicy { .. } => "try-policy",
            Self::MakeCertificate { .. } => "make-certificate",
            Self::EvictPod { .. } => "evict-pod",
            Self::Report(_) => "report",
        }
    }
}

/// A change of `imagePullSecrets` by one element, which is always `{"name": PULL_SECRET}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListChange {
    /// Create the list with our element: it was absent.
    Create,
    /// Append our element.
    Append,
    /// Remove the element at this place, which is ours.
    Remove {
        /// 0-based place in the observed list.
        place: usize,
    },
}

/// What an apply asserts about the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// It does not exist.
    Absent,
    /// It is exactly this one.
    Exactly {
        /// Its uid.
        uid: String,
        /// Its resourceVersion.
        resource_version: u64,
    },
}

/// What a pull secret shall hold. The document is wiped when dropped.
#[derive(Clone)]
pub struct Payload {
    /// The docker config document.
    pub document: Zeroizing<Vec<u8>>,
    /// Lower-case hex SHA-256 of the document.
    pub digest: String,
    /// When its first login ends; `None` without logins.
    pub expires: Option<UnixMillis>,
}

impl fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Payload")
            .field("bytes", &self.document.len())
            .field("digest", &self.digest)
            .field("expires", &self.expires)
            .finish()
    }
}

/// A write of the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseWrite {
    /// The Lease that is replaced; `None` creates it.
    pub replaces: Option<(String, u64)>,
    /// The new holder; `None` gives it back.
    pub holder: Option<String>,
    /// How long the holder may be silent, in seconds.
    pub duration_seconds: u32,
    /// How often it changed hands.
    pub transitions: u32,
    /// Whether the holder is new, so that `acquireTime` is set.
    pub acquired: bool,
}

/// An Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it is about.
    pub about: Subject,
    /// Whether a user must mend something.
    pub warning: bool,
    /// PascalCase reason: a finding's code or the variant name of an error.
    pub reason: String,
    /// What happened, and the remedy.
    pub message: String,
}

/// The object of an Event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The ConfigMap `acr-configuration`.
    Configuration,
    /// A Namespace; the Event is written into that namespace.
    Namespace(String),
    /// A Pod; the Event is written into its namespace.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its uid, without which `kubectl describe` does not find the Event.
        uid: String,
    },
}

impl Subject {
    /// The namespace that it is about, or in.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Configuration => None,
            Self::Namespace(namespace) | Self::Pod { namespace, .. } => Some(namespace),
        }
    }
}
