//! S2, S3 and S6: what is written where, and by whom.

use std::rc::Rc;

use acr_controller::names;
use acr_controller::operation::{ListChange, Operation};
use acr_credentials::docker_config::hosts_of;
use acr_credentials::host::is_acr_host;

use super::known::Known;
use super::{Checked, Contract, Issue, Rule, Truth, ensure};
use crate::api_server::{AccountKey, List, PullSecret, Standing};

/// S3: nobody but the holder of the Lease writes or asks.
pub(super) fn s3_only_the_leader_acts(identity: &str, operation: &Operation, truth: Truth<'_>) -> Checked {
    if matches!(
        operation,
        Operation::ReadLease
            | Operation::WriteLease(_)
            | Operation::DeleteLease { .. }
            | Operation::Report(_)
    ) {
        return Ok(());
    }
    let holder = truth.server.lease().and_then(|lease| lease.holder.as_deref());
    ensure(Rule::S3, holder.is_none_or(|holder| holder == identity), || {
        format!(
            "{identity} starts {} while {} holds the Lease",
            operation.label(),
            holder.unwrap_or("nobody")
        )
    })
}

/// S2: every other element of a list keeps its JSON and its place among the others, and our name is there at most
/// once more than before, at the end.
pub(super) fn s2_foreign_elements_stay(namespace: &str, name: &str, before: &List, after: &List) -> Checked {
    ensure(Rule::S2, before.foreign().eq(after.foreign()), || {
        format!(
            "foreign elements of {namespace}/{name} change from {:?} to {:?}",
            before.json(),
            after.json()
        )
    })?;
    ensure(Rule::S2, after.ours() <= 1 || after.ours() < before.ours(), || {
        format!("our name is put into {namespace}/{name} although it is there: {:?}", before.json())
    })?;
    let appended = after.ours() > before.ours();
    let last = after.names().last().is_some_and(|last| last == names::PULL_SECRET);
    ensure(Rule::S2, !appended || last, || {
        format!("our name is not at the end of {namespace}/{name}: {:?}", after.json())
    })
}

/// S2: a Secret of somebody else is not deleted.
pub(super) fn s2_foreign_secrets_are_not_deleted(namespace: &str, before: &PullSecret) -> Checked {
    ensure(Rule::S2, before.standing != Standing::Foreign, || {
        format!("the foreign Secret in {namespace} is deleted")
    })
}

impl Contract {
    /// S2, S3 and S6 at the start of an operation, by what its process was shown.
    pub(super) fn writes_are_allowed(
        &self,
        known: &Known,
        operation: &Operation,
        truth: Truth<'_>,
    ) -> Checked {
        match operation {
            Operation::PatchList { namespace, name, change, .. } => {
                let key = (namespace.clone(), name.clone());
                match change {
                    ListChange::Create | ListChange::Append => s2_attached_in_scope(known, &key),
                    ListChange::Remove { .. } => {
                        s6_nothing_shrinks_before_all_is_listed(known, operation)?;
                        self.s2_detached_where_retiring(known, &key, truth)
                    }
                }
            }
            Operation::ApplyPullSecret { namespace, .. } => s3_applied_in_scope(known, namespace),
            Operation::DeletePullSecret { namespace, .. } => {
                s6_nothing_shrinks_before_all_is_listed(known, operation)?;
                self.s3_deleted_where_retiring(known, namespace)
            }
            Operation::DeleteJournal => {
                s6_nothing_shrinks_before_all_is_listed(known, operation)?;
                ensure(Rule::S3, known.uninstall, || "the journal is deleted without an uninstall".to_owned())
            }
            Operation::RequestToken { service_account, audience, .. } => {
                let own = service_account == names::SERVICE_ACCOUNT && *audience == names::STS_AUDIENCE;
                ensure(Rule::S3, own, || format!("a token of {service_account} for {audience} is asked for"))
            }
            _ => Ok(()),
        }
    }

    fn s2_detached_where_retiring(&self, known: &Known, key: &AccountKey, truth: Truth<'_>) -> Checked {
        let wanted_by_all = !known.candidates.is_empty()
            && known.candidates.iter().all(|candidate| known.serves_account(&candidate.wanted, key));
        ensure(Rule::S2, !wanted_by_all, || {
            format!("{}/{} is detached although it is in scope", key.0, key.1)
        })?;
        // Whoever forges our marks in a namespace makes it look as if it had been served.
        let secret = truth.server.pull_secrets().get(&key.0);
        let forged = secret.is_some_and(|secret| secret.standing == Standing::Forged)
            || known.marked.contains(&key.0) && !self.ever_served_namespaces.contains(&key.0);
        let retiring = known.uninstall
            || forged
            || self.ever_served.contains(key)
            || self.considered.iter().any(|wanted| known.serves_account(wanted, key))
            // Our own Secret tells that the namespace was served before a label took it out of scope.
            || known.marked.contains(&key.0)
                && self.considered.iter().any(|wanted| wanted.names_account(&key.0, &key.1));
        ensure(Rule::S2, retiring, || {
            format!(
                "our name is taken out of {}/{}, which was never in scope: it is the user's",
                key.0, key.1
            )
        })
    }

    fn s3_deleted_where_retiring(&self, known: &Known, namespace: &str) -> Checked {
        let wanted_by_all = !known.candidates.is_empty()
            && known.candidates.iter().all(|candidate| known.serves_namespace(&candidate.wanted, namespace));
        ensure(Rule::S3, !wanted_by_all, || format!("the pull secret of {namespace}, in scope, is deleted"))?;
        let retiring = known.uninstall
            || self.ever_served_namespaces.contains(namespace)
            || self.considered.iter().any(|wanted| known.serves_namespace(wanted, namespace))
            || self.considered.iter().any(|wanted| wanted.names_namespace(namespace));
        ensure(Rule::S3, retiring, || {
            format!("the Secret in {namespace}, which was never in scope, is deleted")
        })
    }

    /// S2: a foreign Secret is taken over only when it holds nothing but ACR hosts, and left alone once its owner has
    /// written it again, unless the configuration says `takeover`.
    pub(super) fn s2_foreign_secrets_stay(
        &self,
        issue: &Issue,
        namespace: &str,
        before: Option<&PullSecret>,
        operation: &Operation,
    ) -> Checked {
        let Some(before) = before else { return Ok(()) };
        match before.standing {
            Standing::Own | Standing::Forged | Standing::Adopted => Ok(()),
            Standing::Contested => {
                let takeover = issue.candidates.iter().any(|candidate| candidate.wanted.takeover);
                ensure(Rule::S2, takeover, || {
                    format!(
                        "{} over the Secret in {namespace} that its owner writes again",
                        operation.label()
                    )
                })
            }
            Standing::Foreign => {
                let takeover = |host: &String| {
                    let known = self.published.knows_host(host)
                        || self
                            .considered
                            .iter()
                            .any(|wanted| wanted.configured_hosts().any(|ours| ours == host));
                    known || is_acr_host(host)
                };
                let hosts = hosts_of(&before.document);
                let plain = before.further_owners.is_empty();
                let ours = plain && hosts.is_some_and(|hosts| hosts.iter().all(takeover));
                ensure(Rule::S2, ours, || {
                    format!(
                        "{} over the foreign Secret in {namespace}, which holds more than ACR hosts",
                        operation.label()
                    )
                })
            }
        }
    }
}

fn s6_nothing_shrinks_before_all_is_listed(known: &Known, operation: &Operation) -> Checked {
    ensure(Rule::S6, known.everything_listed(), || {
        format!("{} starts before everything is listed", operation.label())
    })
}

fn s2_attached_in_scope(known: &Known, key: &AccountKey) -> Checked {
    let served = known.candidates.iter().any(|candidate| known.serves_account(&candidate.wanted, key));
    ensure(Rule::S2, served, || format!("our name is put into {}/{}, which is not in scope", key.0, key.1))?;
    let settled = known.settled(|wanted| known.serves_account(wanted, key));
    ensure(Rule::S6, settled, || {
        format!("{}/{} is attached for a configuration that no journal holds", key.0, key.1)
    })
}

fn s3_applied_in_scope(known: &Known, namespace: &str) -> Checked {
    let served =
        known.candidates.iter().any(|candidate| known.serves_namespace(&candidate.wanted, namespace));
    ensure(Rule::S3, served, || format!("a pull secret is written in {namespace}, which is not in scope"))?;
    let settled = known.settled(|wanted| known.serves_namespace(wanted, namespace));
    ensure(Rule::S6, settled, || {
        format!("a pull secret is written in {namespace} for a configuration that no journal holds")
    })
}

impl Known {
    /// Whether some configuration that a journal holds fits.
    pub(super) fn settled(&self, fits: impl Fn(&crate::wanted::Wanted) -> bool) -> bool {
        self.candidates
            .iter()
            .filter(|candidate| self.journalled.iter().any(|held| Rc::ptr_eq(held, &candidate.wanted)))
            .any(|candidate| fits(&candidate.wanted))
    }
}
