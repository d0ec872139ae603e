//! The component's operations, carried out as the real server does.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use acr_controller::admission::ServerSeen;
use acr_controller::observation::{Answer, ForeignSecret, JournalSeen, LeaseSeen, Refusal};
use acr_controller::operation::{LeaseWrite, ListChange, Operation, Payload, Precondition};
use acr_controller::{Serving, names};
use acr_credentials::docker_config::hosts_of;
use zeroize::Zeroizing;

use super::{ApiServer, Effect, Executed, Journal, List, PullSecret, Sight, Standing};
use crate::wanted::Labels;

pub(super) type Outcome = Result<(Answer, Effect), Refusal>;

/// The answer to a write that tells no uid: of a ServiceAccount, of which nothing needs one, and of a deletion.
pub(super) fn done(resource_version: u64, effect: Effect) -> (Answer, Effect) {
    (Answer::Done { resource_version, uid: None }, effect)
}

/// The answer to an apply, whether it changed anything or not.
fn applied(resource_version: u64, uid: String, effect: Effect) -> (Answer, Effect) {
    (Answer::Done { resource_version, uid: Some(uid) }, effect)
}

fn policy(message: &str) -> Refusal {
    Refusal::RefusedByPolicy { message: message.to_owned() }
}

impl ApiServer {
    /// Carries an operation out. Calls of the cloud, the token file and tokens are not for this server: `None`.
    pub fn execute(&mut self, operation: &Operation) -> Option<Executed> {
        let outcome = match self.resistance.at_the_door(operation) {
            Err(refusal) => Err(refusal),
            Ok(()) => self.admit(operation)?,
        };
        Some(match outcome {
            Ok((answer, effect)) => Executed { answer, effect },
            Err(refusal) => Executed { answer: Answer::Refused(refusal), effect: Effect::Nothing },
        })
    }

    fn admit(&mut self, operation: &Operation) -> Option<Outcome> {
        Some(match operation {
            Operation::PatchList { namespace, name, observed, change } => {
                self.patch_list(namespace, name, observed.as_deref(), *change)
            }
            Operation::ReadAccount { namespace, name } => {
                let key = (namespace.clone(), name.clone());
                let account = self.accounts.get(&key).ok_or(Refusal::Gone);
                account.map(|account| (Answer::Account(account.seen(namespace, name)), Effect::Nothing))
            }
            Operation::ApplyPullSecret { namespace, precondition, payload, adopted } => {
                self.apply_secret(namespace, precondition, payload, *adopted)
            }
            Operation::DeletePullSecret { namespace, uid, resource_version } => {
                self.delete_own_secret(namespace, uid, *resource_version)
            }
            Operation::ReadForeignSecret { namespace } => {
                let secret = self.pull_secrets.get(namespace).ok_or(Refusal::Gone);
                secret.map(|secret| (Answer::ForeignSecret(foreign(secret)), Effect::Nothing))
            }
            Operation::ReadJournal => Ok((Answer::Journal(self.journal.as_ref().map(read)), Effect::Nothing)),
            Operation::WriteJournal { precondition, document, serving } => {
                self.write_journal(precondition, document, serving.as_ref())
            }
            Operation::DeleteJournal => match self.journal.take() {
                None => Err(Refusal::Gone),
                Some(_) => Ok(done(0, Effect::JournalDeleted)),
            },
            Operation::ReadLease => Ok((Answer::Lease(self.lease.clone()), Effect::Nothing)),
            Operation::WriteLease(write) => self.write_lease(write),
            Operation::DeleteLease { uid, resource_version } => match &self.lease {
                None => Err(Refusal::Gone),
                Some(lease) if lease.uid == *uid && lease.resource_version == *resource_version => {
                    self.lease = None;
                    Ok(done(0, Effect::LeaseDeleted))
                }
                Some(_) => Err(Refusal::LostRace),
            },
            Operation::ApplyAdmission { object, precondition, content } => {
                self.apply_admission(*object, precondition, content)
            }
            Operation::DeleteAdmission { object, uid, resource_version } => {
                self.delete_admission(*object, uid, *resource_version)
            }
            Operation::ReadServer => Ok((Answer::Server(ServerSeen::default()), Effect::Nothing)),
            Operation::TryPolicy { .. } => Ok((Answer::Tried(self.tried()), Effect::Nothing)),
            Operation::EvictPod { namespace, name, uid, resource_version } => {
                self.evict(&(namespace.clone(), name.clone()), uid, *resource_version)
            }
            Operation::Report(_) => Ok(done(0, Effect::Nothing)),
            Operation::MakeCertificate { .. }
            | Operation::ReadTokenFile
            | Operation::RequestToken { .. }
            | Operation::ReadRegisteredKey
            | Operation::ReadAddOnToken
            | Operation::Ask { .. } => return None,
        })
    }

    /// A JSON patch: `test` of the whole list, then the change. A failed `test`, a place that does not exist and an
    /// append to an absent list are all 422 with empty details; a policy sees the patched object, so it comes after.
    /// A terminating namespace does not matter.
    fn patch_list(
        &mut self,
        namespace: &str,
        name: &str,
        observed: Option<&str>,
        change: ListChange,
    ) -> Outcome {
        let key = (namespace.to_owned(), name.to_owned());
        let account = self.accounts.get(&key).ok_or(Refusal::Gone)?;
        let before = account.list.clone();
        if !before.passes(observed) {
            return Err(Refusal::LostRace);
        }
        let ours = names::PULL_SECRET.to_owned();
        let after = match change {
            ListChange::Create => vec![ours],
            ListChange::Append => {
                let mut names = before.0.clone().ok_or(Refusal::LostRace)?;
                names.push(ours);
                names
            }
            ListChange::Remove { place } => {
                let mut names = before.0.clone().ok_or(Refusal::LostRace)?;
                if place >= names.len() {
                    return Err(Refusal::LostRace);
                }
                names.remove(place);
                names
            }
        };
        if self.resistance.guarded_accounts.contains(namespace) {
            return Err(policy("ValidatingAdmissionPolicy 'frozen' denied request"));
        }
        let after = List::stored(after);
        let attached = before.ours() == 0 && after.ours() > 0;
        let version = self.change_account(&key, |account| {
            account.list = after.clone();
            account.attached_by_us |= attached;
        });
        let effect = Effect::List { namespace: namespace.to_owned(), name: name.to_owned(), before, after };
        Ok(done(version.unwrap_or_default(), effect))
    }

    /// Server-side apply with force. Whatever does not fit the precondition is 409, an object that is gone included,
    /// because the uid is sent along. What creates is stopped by the end of a namespace and by quotas, what changes is
    /// not. The type of a Secret cannot be changed. An apply that changes nothing writes nothing.
    fn apply_secret(
        &mut self,
        namespace: &str,
        precondition: &Precondition,
        payload: &Payload,
        adopted: bool,
    ) -> Outcome {
        let current = self.pull_secrets.get(namespace);
        let fits = match (current, precondition) {
            (None, Precondition::Absent) => true,
            (Some(secret), Precondition::Exactly { uid, resource_version }) => {
                secret.uid == *uid && secret.resource_version == *resource_version
            }
            (None, Precondition::Exactly { .. }) | (Some(_), Precondition::Absent) => false,
        };
        if !fits {
            return Err(Refusal::LostRace);
        }
        let guarded = self.resistance.guarded_secrets.contains(namespace);
        let Some(before) = current.cloned() else {
            let home = self.namespaces.get(namespace).ok_or(Refusal::Gone)?;
            if home.terminating {
                return Err(Refusal::Terminating);
            }
            if guarded {
                return Err(policy("ValidatingAdmissionPolicy 'no-secrets' denied request"));
            }
            if self.resistance.full.contains(namespace) {
                return Err(Refusal::Quota { message: "exceeded quota: secrets".to_owned() });
            }
            return Ok(self.create_own_secret(namespace, payload, adopted));
        };
        if guarded {
            return Err(policy("ValidatingAdmissionPolicy 'no-secrets' denied request"));
        }
        if before.kind != names::PULL_SECRET_TYPE {
            return Err(policy("Secret is invalid: type: field is immutable"));
        }
        let mut after = before.clone();
        after.write_own(payload, adopted);
        after.standing = match before.standing {
            // What was disguised as somebody's is given back like anybody's.
            Standing::Own | Standing::Forged if !adopted => Standing::Own,
            Standing::Own
            | Standing::Forged
            | Standing::Foreign
            | Standing::Adopted
            | Standing::Contested => Standing::Adopted,
        };
        let same = after.document == before.document
            && after.owner == before.owner
            && after.sharers == before.sharers
            && after.labels == before.labels
            && after.annotations == before.annotations;
        if same {
            return Ok(applied(before.resource_version, before.uid, Effect::Nothing));
        }
        let version = self.change_secret(namespace, |secret| *secret = after.clone()).unwrap_or_default();
        after.resource_version = version;
        let uid = after.uid.clone();
        let effect = Effect::Applied {
            namespace: namespace.to_owned(),
            before: Some(Box::new(before)),
            after: Box::new(after),
        };
        Ok(applied(version, uid, effect))
    }

    fn create_own_secret(&mut self, namespace: &str, payload: &Payload, adopted: bool) -> (Answer, Effect) {
        let mut after = PullSecret {
            uid: self.next_uid(),
            resource_version: self.next_version(),
            kind: names::PULL_SECRET_TYPE.to_owned(),
            document: Rc::from([]),
            owner: names::FIELD_MANAGER.to_owned(),
            sharers: BTreeSet::new(),
            further_owners: BTreeSet::new(),
            labels: Labels::new(),
            annotations: BTreeMap::new(),
            held: false,
            terminating: false,
            standing: Standing::Own,
        };
        after.write_own(payload, adopted);
        self.logs.pull_secrets.push(Sight::PullSecret(after.seen(namespace)));
        self.pull_secrets.insert(namespace.to_owned(), after.clone());
        let (version, uid) = (after.resource_version, after.uid.clone());
        let namespace = namespace.to_owned();
        applied(version, uid, Effect::Applied { namespace, before: None, after: Box::new(after) })
    }

    fn delete_own_secret(&mut self, namespace: &str, uid: &str, resource_version: u64) -> Outcome {
        let secret = self.pull_secrets.get(namespace).ok_or(Refusal::Gone)?;
        if secret.uid != uid || secret.resource_version != resource_version {
            return Err(Refusal::LostRace);
        }
        if self.resistance.guarded_secrets.contains(namespace) {
            return Err(policy("ValidatingAdmissionPolicy 'no-secrets' denied request"));
        }
        let before = Box::new(secret.clone());
        self.remove_secret(namespace);
        Ok(done(0, Effect::Deleted { namespace: namespace.to_owned(), before }))
    }

    fn write_journal(
        &mut self,
        precondition: &Precondition,
        document: &[u8],
        serving: Option<&Serving>,
    ) -> Outcome {
        let uid = match (&self.journal, precondition) {
            (None, Precondition::Absent) => self.next_uid(),
            (Some(journal), Precondition::Exactly { uid, resource_version })
                if journal.uid == *uid && journal.resource_version == *resource_version =>
            {
                if *journal.document == *document {
                    let uid = journal.uid.clone();
                    return Ok(applied(journal.resource_version, uid, Effect::Nothing));
                }
                journal.uid.clone()
            }
            _ => return Err(Refusal::LostRace),
        };
        let resource_version = self.next_version();
        self.journal = Some(Journal {
            uid: uid.clone(),
            resource_version,
            document: Rc::from(document),
            serving: serving.cloned(),
        });
        Ok(applied(resource_version, uid, Effect::JournalWritten))
    }

    /// A PUT: with uid and version it replaces, without it creates.
    fn write_lease(&mut self, write: &LeaseWrite) -> Outcome {
        let uid = match (&self.lease, &write.replaces) {
            (None, None) => self.next_uid(),
            (Some(lease), Some((uid, version)))
                if lease.uid == *uid && lease.resource_version == *version =>
            {
                lease.uid.clone()
            }
            _ => return Err(Refusal::LostRace),
        };
        let lease = LeaseSeen {
            uid,
            resource_version: self.next_version(),
            holder: write.holder.clone(),
            duration_seconds: write.duration_seconds,
            transitions: write.transitions,
        };
        self.lease = Some(lease.clone());
        Ok((Answer::Lease(Some(lease)), Effect::LeaseWritten))
    }
}

impl PullSecret {
    /// What our apply makes of it: our fields become as sent, those of others stay. A value that is there already is
    /// owned by both from then on.
    fn write_own(&mut self, payload: &Payload, adopted: bool) {
        if *self.document != **payload.document {
            self.sharers.clear();
        } else if self.owner != names::FIELD_MANAGER {
            self.sharers.insert(self.owner.clone());
        }
        self.document = Rc::from(payload.document.as_slice());
        names::FIELD_MANAGER.clone_into(&mut self.owner);
        self.labels.insert(names::MANAGED_BY_LABEL.to_owned(), names::MANAGED_BY.to_owned());
        self.annotations.insert(names::DIGEST_ANNOTATION.to_owned(), payload.digest.clone());
        self.annotations.insert(names::INSTALLATION_ANNOTATION.to_owned(), crate::estate::OWN.to_owned());
        let optional = [
            (names::EXPIRES_ANNOTATION, payload.expires.map(|expires| expires.to_string())),
            (names::ADOPTED_ANNOTATION, adopted.then(|| "true".to_owned())),
        ];
        for (key, value) in optional {
            match value {
                Some(value) => self.annotations.insert(key.to_owned(), value),
                None => self.annotations.remove(key),
            };
        }
    }
}

fn foreign(secret: &PullSecret) -> ForeignSecret {
    let plain = secret.further_owners.is_empty();
    ForeignSecret {
        uid: secret.uid.clone(),
        resource_version: secret.resource_version,
        kind: secret.kind.clone(),
        hosts: hosts_of(&secret.document).filter(|_| plain),
    }
}

fn read(journal: &Journal) -> JournalSeen {
    JournalSeen {
        uid: journal.uid.clone(),
        resource_version: journal.resource_version,
        document: Zeroizing::new(journal.document.to_vec()),
    }
}
