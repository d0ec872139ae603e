//! Deliberate faults: one at a time, what the driver does to operations and observations on their way, so that a test
//! can show that the contract notices. None of this is in the product.

/// A mistake that a component of this kind could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A list is patched without testing that it is as observed.
    NoGuard,
    /// A list is written as a whole, sorted.
    ListSorted,
    /// A call that failed is taken for one that handed out an empty login.
    PublishOnFailure,
    /// `ExpireTime` is taken for seconds.
    SecondsForMilliseconds,
    /// A pull secret is written over whatever is there, whatever was observed.
    StaleObservationTrusted,
    /// A delete does not say which Secret was meant.
    DeleteWithoutUid,
    /// A list counts as complete as soon as it has started.
    ListsCompleteTooSoon,
    /// What a new list does not show is taken to be there still.
    RelistWithoutRemoval,
    /// A call of the cloud that failed is made again at once.
    RetryWithoutBackOff,
    /// An operation is carried out twice at the same time.
    TwoOperationsOnOneObject,
    /// The journal is said to be written and is not.
    JournalNotWritten,
    /// A renewal of the Lease that failed counts as one.
    LeaseAlwaysGranted,
    /// A refusal by a policy, a quota or RBAC is taken for a success.
    RefusalTakenForDone,
    /// A second run of the same history shows one observation less.
    UnsteadyOrder,
    /// A pod is evicted whatever has become of it since it was observed.
    StalePodTrusted,
    /// That a pod of an owner was evicted is not remembered.
    EvictionForgotten,
    /// Whatever makes a pod, or nobody, is taken for a ReplicaSet.
    OwnerNotLookedAt,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::NoGuard,
        Self::ListSorted,
        Self::PublishOnFailure,
        Self::SecondsForMilliseconds,
        Self::StaleObservationTrusted,
        Self::DeleteWithoutUid,
        Self::ListsCompleteTooSoon,
        Self::RelistWithoutRemoval,
        Self::RetryWithoutBackOff,
        Self::TwoOperationsOnOneObject,
        Self::JournalNotWritten,
        Self::LeaseAlwaysGranted,
        Self::RefusalTakenForDone,
        Self::UnsteadyOrder,
        Self::StalePodTrusted,
        Self::EvictionForgotten,
        Self::OwnerNotLookedAt,
    ];
}
