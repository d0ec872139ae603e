//! What operations do to the objects of the model.

use acr_controller::observation::Answer;

use super::{List, Pod, PullSecret};

/// What an operation changed.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// The list of a ServiceAccount.
    List {
        /// The ServiceAccount's namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The list before.
        before: List,
        /// The list after.
        after: List,
    },
    /// A Secret of our name was created or changed.
    Applied {
        /// Its namespace.
        namespace: String,
        /// What was there.
        before: Option<Box<PullSecret>>,
        /// What is there.
        after: Box<PullSecret>,
    },
    /// A Secret of our name was deleted.
    Deleted {
        /// Its namespace.
        namespace: String,
        /// What was there.
        before: Box<PullSecret>,
    },
    /// The journal was written.
    JournalWritten,
    /// The journal was deleted.
    JournalDeleted,
    /// The Lease was written.
    LeaseWritten,
    /// The Lease was deleted.
    LeaseDeleted,
    /// A pod was evicted: it is being deleted.
    Evicted {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What it was.
        before: Box<Pod>,
    },
}

/// What came of an operation: the answer for the component, and what it did.
#[derive(Debug)]
pub struct Executed {
    /// The answer.
    pub answer: Answer,
    /// What changed.
    pub effect: Effect,
}
