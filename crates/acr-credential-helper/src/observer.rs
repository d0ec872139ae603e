//! `run --observe`: what would be written is said, and the machine is answered as if it had been done.
//!
//! Journal and Lease are kept in memory, so that a component that serves the cluster is not disturbed. Everything that only
//! reads is carried out, calls to the cloud included. An object is said to be written at a version that no watch ever
//! shows, so that the machine leaves it alone; a list that starts anew makes it look again, and the same is not said twice.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use acr_controller::admission::Trial;
use acr_controller::names::PULL_SECRET;
use acr_controller::observation::{Answer, JournalSeen, LeaseSeen};
use acr_controller::operation::{LeaseWrite, ListChange, Operation, Precondition};
use acr_credentials::docker_config::hosts_of;
use tracing::info;

/// The uid of what exists only here.
const UID: &str = "observed";
/// A version that no object has.
const NEVER_SHOWN: u64 = u64::MAX - 1;

/// Answers in place of the cluster what is not to reach it.
#[derive(Debug, Default)]
pub(crate) struct Observer(Mutex<Memory>);

/// What is there besides the cluster.
#[derive(Debug, Default)]
struct Memory {
    version: u64,
    lease: Option<LeaseSeen>,
    /// Once it was written: uid, version, document.
    journal: Option<JournalSeen>,
    told: HashSet<Told>,
}

/// One thing that would be done: what, where, to which object, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Told {
    what: &'static str,
    namespace: String,
    name: String,
    how: String,
}

impl Observer {
    pub(crate) fn begin() -> Self {
        info!("--observe: nothing is written; what would be is said here");
        Self::default()
    }

    /// The answer to what is not to reach the cluster; `None` for what only reads it.
    pub(crate) fn answer(&self, operation: &Operation) -> Option<Answer> {
        self.memory().answer(operation)
    }

    /// How much would have been done, in words.
    pub(crate) fn summary(&self) -> String {
        self.memory().summary()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn answer(&mut self, operation: &Operation) -> Option<Answer> {
        match operation {
            Operation::ReadLease => return Some(Answer::Lease(self.lease.clone())),
            Operation::WriteLease(write) => return Some(self.write_lease(write)),
            Operation::DeleteLease { .. } => self.lease = None,
            Operation::ReadJournal => {
                return self.journal.clone().map(|seen| Answer::Journal(Some(seen)));
            }
            Operation::WriteJournal { document, .. } => {
                let resource_version = self.next_version();
                let (uid, document) = (UID.to_owned(), document.clone());
                self.journal = Some(JournalSeen { uid, resource_version, document });
                return Some(Answer::Done { resource_version, uid: Some(UID.to_owned()) });
            }
            Operation::DeleteJournal | Operation::Report(_) => {}
            Operation::PatchList { .. }
            | Operation::ApplyPullSecret { .. }
            | Operation::DeletePullSecret { .. }
            | Operation::ApplyAdmission { .. }
            | Operation::DeleteAdmission { .. }
            | Operation::EvictPod { .. } => self.tell(Told::of(operation)?),
            // Stores nothing, and takes a right that whoever observes need not have.
            Operation::TryPolicy { .. } => return Some(Answer::Tried(Trial::Attached)),
            Operation::ReadServer
            | Operation::ReadAccount { .. }
            | Operation::ReadForeignSecret { .. }
            | Operation::ReadTokenFile
            | Operation::RequestToken { .. }
            | Operation::ReadRegisteredKey
            | Operation::ReadAddOnToken
            | Operation::MakeCertificate { .. }
            | Operation::Ask { .. } => return None,
        }
        Some(Answer::Done { resource_version: NEVER_SHOWN, uid: Some(UID.to_owned()) })
    }

    fn write_lease(&mut self, write: &LeaseWrite) -> Answer {
        self.lease = Some(LeaseSeen {
            uid: UID.to_owned(),
            resource_version: self.next_version(),
            holder: write.holder.clone(),
            duration_seconds: write.duration_seconds,
            transitions: write.transitions,
        });
        Answer::Lease(self.lease.clone())
    }

    fn next_version(&mut self) -> u64 {
        self.version = self.version.saturating_add(1);
        self.version
    }

    fn tell(&mut self, told: Told) {
        let Told { what, namespace, name, how } = &told;
        if self.told.contains(&told) {
            return;
        }
        info!(namespace, name, "would {what}{how}");
        self.told.insert(told);
    }

    fn summary(&self) -> String {
        if self.told.is_empty() {
            return "nothing would have been written".to_owned();
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for Told { what, .. } in &self.told {
            *counts.entry(what).or_default() += 1;
        }
        let counts = counts.iter().map(|(what, count)| format!("{what}: {count}"));
        format!("would have done: {}", counts.collect::<Vec<_>>().join(", "))
    }
}

impl Told {
    fn of(operation: &Operation) -> Option<Self> {
        let (what, namespace, name, how) = match operation {
            Operation::PatchList { namespace, name, change, .. } => match change {
                ListChange::Create | ListChange::Append => {
                    ("attach", namespace.as_str(), name.as_str(), String::new())
                }
                ListChange::Remove { .. } => ("detach", namespace.as_str(), name.as_str(), String::new()),
            },
            Operation::ApplyPullSecret { namespace, precondition, payload, adopted } => {
                let what = match precondition {
                    Precondition::Absent => "create the pull secret",
                    Precondition::Exactly { .. } if *adopted => "adopt the pull secret",
                    Precondition::Exactly { .. } => "update the pull secret",
                };
                let hosts = hosts_of(&payload.document).unwrap_or_default().join(", ");
                let how =
                    if hosts.is_empty() { " without any host".to_owned() } else { format!(" for {hosts}") };
                (what, namespace.as_str(), PULL_SECRET, how)
            }
            Operation::DeletePullSecret { namespace, .. } => {
                ("delete the pull secret", namespace.as_str(), PULL_SECRET, String::new())
            }
            Operation::EvictPod { namespace, name, .. } => {
                ("evict", namespace.as_str(), name.as_str(), " the pod".to_owned())
            }
            Operation::ApplyAdmission { object, .. } => ("write", "", "", format!(" the {object}")),
            Operation::DeleteAdmission { object, .. } => ("delete", "", "", format!(" the {object}")),
            _ => return None,
        };
        Some(Self { what, namespace: namespace.to_owned(), name: name.to_owned(), how })
    }
}

#[cfg(test)]
mod tests {
    use acr_controller::operation::{Payload, Report, Subject};

    use super::*;

    fn apply(precondition: Precondition) -> Operation {
        apply_of(precondition, br#"{"auths":{"r.example":{"username":"u","password":"MARKER"}}}"#)
    }

    fn apply_of(precondition: Precondition, document: &[u8]) -> Operation {
        Operation::ApplyPullSecret {
            namespace: "team".to_owned(),
            precondition,
            payload: Payload { document: document.to_vec().into(), digest: "d".to_owned(), expires: None },
            adopted: false,
        }
    }

    fn attach(name: &str) -> Operation {
        Operation::PatchList {
            namespace: "team".to_owned(),
            name: name.to_owned(),
            observed: None,
            change: ListChange::Create,
        }
    }

    #[test]
    fn whatever_writes_is_answered_here_and_never_reaches_the_cluster() {
        let mut memory = Memory::default();
        let writes = [
            attach("default"),
            apply(Precondition::Absent),
            Operation::DeletePullSecret {
                namespace: "team".to_owned(),
                uid: "u".to_owned(),
                resource_version: 7,
            },
            Operation::WriteJournal {
                precondition: Precondition::Absent,
                document: b"{}".to_vec().into(),
                serving: None,
            },
            Operation::DeleteJournal,
            Operation::WriteLease(LeaseWrite {
                replaces: None,
                holder: Some("me".to_owned()),
                duration_seconds: 15,
                transitions: 0,
                acquired: true,
            }),
            Operation::DeleteLease { uid: "u".to_owned(), resource_version: 7 },
            Operation::Report(Report {
                about: Subject::Configuration,
                warning: true,
                reason: "Denied".to_owned(),
                message: String::new(),
            }),
        ];
        for operation in writes {
            assert!(memory.answer(&operation).is_some(), "{}", operation.label());
        }
    }

    #[test]
    fn what_only_reads_is_carried_out() {
        let mut memory = Memory::default();
        for operation in [Operation::ReadJournal, Operation::ReadTokenFile, Operation::ReadRegisteredKey] {
            assert!(memory.answer(&operation).is_none(), "{}", operation.label());
        }
    }

    #[test]
    fn a_journal_that_was_written_here_is_read_here() {
        let mut memory = Memory::default();
        let document = b"{}".to_vec();
        let write = Operation::WriteJournal {
            precondition: Precondition::Absent,
            document: document.clone().into(),
            serving: None,
        };
        memory.answer(&write);
        let Some(Answer::Journal(Some(seen))) = memory.answer(&Operation::ReadJournal) else { panic!() };
        assert_eq!(*seen.document, document);
    }

    #[test]
    fn the_same_is_counted_once_and_something_else_of_the_same_object_again() {
        let mut memory = Memory::default();
        for operation in [attach("default"), attach("default"), attach("app"), apply(Precondition::Absent)] {
            memory.answer(&operation);
        }
        assert_eq!(memory.summary(), "would have done: attach: 2, create the pull secret: 1");
    }

    #[test]
    fn of_a_pull_secret_its_hosts_are_said_and_nothing_else() {
        let told = Told::of(&apply(Precondition::Absent)).unwrap();
        assert_eq!((told.what, told.how.as_str()), ("create the pull secret", " for r.example"));
        assert!(!format!("{told:?}").contains("MARKER"));
        let told = Told::of(&apply_of(Precondition::Absent, br#"{"auths":{}}"#)).unwrap();
        assert_eq!(told.how, " without any host");
    }
}
