//! What refuses the component's writes.

use std::collections::BTreeSet;
use std::time::Duration;

use acr_controller::observation::Refusal;
use acr_controller::operation::Operation;

/// A right that RBAC may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Patch and get of ServiceAccounts.
    Accounts,
    /// Everything on Secrets of our name.
    PullSecrets,
    /// Everything on the journal.
    Journal,
    /// Everything on the Lease.
    Lease,
    /// TokenRequest.
    Tokens,
    /// Events.
    Events,
    /// The registration of the webhook and the parameters of the policy.
    Admission,
    /// List and watch of pods.
    Pods,
    /// Evictions.
    Evictions,
}

impl Right {
    /// The right that an operation needs; `None` where it does not go to the API server.
    pub fn of(operation: &Operation) -> Option<Self> {
        match operation {
            Operation::PatchList { .. } | Operation::ReadAccount { .. } => Some(Self::Accounts),
            Operation::ApplyPullSecret { .. }
            | Operation::DeletePullSecret { .. }
            | Operation::ReadForeignSecret { .. } => Some(Self::PullSecrets),
            Operation::ReadJournal | Operation::WriteJournal { .. } | Operation::DeleteJournal => {
                Some(Self::Journal)
            }
            Operation::ReadLease | Operation::WriteLease(_) | Operation::DeleteLease { .. } => {
                Some(Self::Lease)
            }
            Operation::RequestToken { .. } => Some(Self::Tokens),
            Operation::Report(_) => Some(Self::Events),
            Operation::ApplyAdmission { .. } | Operation::DeleteAdmission { .. } => Some(Self::Admission),
            Operation::EvictPod { .. } => Some(Self::Evictions),
            Operation::ReadServer
            | Operation::TryPolicy { .. }
            | Operation::MakeCertificate { .. }
            | Operation::ReadTokenFile
            | Operation::ReadRegisteredKey
            | Operation::ReadAddOnToken
            | Operation::Ask { .. } => None,
        }
    }
}

/// What refuses writes; empty where everything is as it should be.
#[derive(Clone, Debug, Default)]
pub struct Resistance {
    /// Namespaces in which a policy refuses changes of ServiceAccounts.
    pub guarded_accounts: BTreeSet<String>,
    /// Namespaces in which a policy refuses Secrets of our name.
    pub guarded_secrets: BTreeSet<String>,
    /// Namespaces whose quota of Secrets is used up.
    pub full: BTreeSet<String>,
    /// Namespaces in which a policy refuses evictions.
    pub guarded_pods: BTreeSet<String>,
    /// Namespaces in which a budget lets no pod go that has started.
    pub no_disruption: BTreeSet<String>,
    /// Rights that are missing.
    pub missing: BTreeSet<Right>,
    /// The server throttles, and asks for this wait where it says.
    pub throttling: Option<Option<Duration>>,
}

impl Resistance {
    /// What comes before anything is looked at: rights, then throttling.
    pub(super) fn at_the_door(&self, operation: &Operation) -> Result<(), Refusal> {
        if Right::of(operation).is_some_and(|right| self.missing.contains(&right)) {
            return Err(Refusal::NoRight { message: "forbidden".to_owned() });
        }
        match (self.throttling, Right::of(operation)) {
            // The Lease has a priority level of its own.
            (Some(retry_after), Some(right)) if right != Right::Lease => {
                Err(Refusal::Throttled { retry_after })
            }
            _ => Ok(()),
        }
    }
}
