//! S8: at most one operation in flight per object, and none on what its own last write has not shown yet.

use acr_controller::admission::AdmissionObject;
use acr_controller::observation::Watch;
use acr_controller::operation::Operation;

use super::known::Known;
use super::{Checked, Contract, Delivery, ProcessId, Rule, Violation, ensure};
use crate::api_server::{AccountKey, Sight};

/// One object of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Object {
    Account(AccountKey),
    PullSecret(String),
    Journal,
    Lease,
    Admission(AdmissionObject),
    Certificate,
    TokenFile,
    Token,
}

impl Object {
    pub(super) fn of(operation: &Operation) -> Option<Self> {
        Some(match operation {
            Operation::PatchList { namespace, name, .. } | Operation::ReadAccount { namespace, name } => {
                Self::Account((namespace.clone(), name.clone()))
            }
            Operation::ApplyPullSecret { namespace, .. }
            | Operation::DeletePullSecret { namespace, .. }
            | Operation::ReadForeignSecret { namespace } => Self::PullSecret(namespace.clone()),
            Operation::ReadJournal | Operation::WriteJournal { .. } | Operation::DeleteJournal => {
                Self::Journal
            }
            Operation::ReadLease | Operation::WriteLease(_) | Operation::DeleteLease { .. } => Self::Lease,
            Operation::ApplyAdmission { object, .. } | Operation::DeleteAdmission { object, .. } => {
                Self::Admission(*object)
            }
            Operation::MakeCertificate { .. } => Self::Certificate,
            Operation::ReadTokenFile => Self::TokenFile,
            Operation::RequestToken { .. } => Self::Token,
            // Nothing is changed, or several facts look for keys that the cluster hands over at once.
            Operation::ReadServer
            | Operation::TryPolicy { .. }
            | Operation::EvictPod { .. }
            | Operation::ReadRegisteredKey
            | Operation::ReadAddOnToken
            | Operation::Ask { .. }
            | Operation::Report(_) => return None,
        })
    }
}

impl Contract {
    pub(super) fn see_own_writes(&mut self, process: ProcessId, delivery: &Delivery) {
        if self.owed.is_empty() {
            return;
        }
        match delivery {
            Delivery::ListStarted(_) => {}
            Delivery::ListCompleted(watch, _) => self.owed.retain(|(owner, object), _| {
                let listed = match object {
                    Object::Account(_) => *watch == Watch::Accounts,
                    Object::PullSecret(_) => *watch == Watch::PullSecrets,
                    _ => false,
                };
                *owner != process || !listed
            }),
            Delivery::Sight(Sight::NamespaceGone(name)) => self.owed.retain(|(owner, object), _| {
                let inside = match object {
                    Object::Account((namespace, _)) | Object::PullSecret(namespace) => namespace == name,
                    _ => false,
                };
                *owner != process || !inside
            }),
            Delivery::Sight(sight) => {
                let (object, version) = match sight {
                    Sight::Account(seen) => {
                        (Object::Account((seen.namespace.clone(), seen.name.clone())), seen.resource_version)
                    }
                    Sight::AccountGone(namespace, name) => {
                        (Object::Account((namespace.clone(), name.clone())), u64::MAX)
                    }
                    Sight::PullSecret(seen) => {
                        (Object::PullSecret(seen.namespace.clone()), seen.resource_version)
                    }
                    Sight::PullSecretGone(namespace) => (Object::PullSecret(namespace.clone()), u64::MAX),
                    _ => return,
                };
                let key = (process, object);
                if self.owed.get(&key).is_some_and(|owed| *owed <= version) {
                    self.owed.remove(&key);
                }
            }
        }
    }

    pub(super) fn s8_one_operation_per_object(
        &mut self,
        process: ProcessId,
        operation: &Operation,
    ) -> Checked {
        let Some(object) = Object::of(operation) else { return Ok(()) };
        let key = (process, object);
        ensure(Rule::S8, !self.in_flight.contains(&key), || {
            format!("{} starts while another operation on {:?} is in flight", operation.label(), key.1)
        })?;
        let writes = matches!(
            operation,
            Operation::PatchList { .. }
                | Operation::ApplyPullSecret { .. }
                | Operation::DeletePullSecret { .. }
        );
        if let (true, Some(owed)) = (writes, self.owed.get(&key)) {
            return Err(Violation {
                rule: Rule::S8,
                what: format!(
                    "{} on {:?} starts before its own last write, version {owed}, was seen",
                    operation.label(),
                    key.1
                ),
            });
        }
        self.in_flight.insert(key);
        Ok(())
    }

    /// Whether a write has been shown already, its event having overtaken its answer.
    pub(super) fn is_shown(&self, process: ProcessId, object: &Object, version: u64) -> bool {
        let listed = |known: &Known, watch| known.listed.get(&watch).is_some_and(|listed| *listed >= version);
        self.known.get(&process).is_some_and(|known| match object {
            Object::Account(_) if listed(known, Watch::Accounts) => true,
            Object::PullSecret(_) if listed(known, Watch::PullSecrets) => true,
            Object::Account(key) => known.account_versions.get(key).is_none_or(|seen| *seen >= version),
            Object::PullSecret(name) => known.secret_versions.get(name).is_some_and(|seen| *seen >= version),
            _ => true,
        })
    }
}
