//! Operations as logs and metrics name them.

use std::collections::HashMap;
use std::time::Duration;

use acr_controller::observation::{Answer, Refusal};
use acr_controller::operation::{Class, Operation, Report, Subject};
use acr_server::Counters;
use tracing::{debug, warn};

/// What is kept of an operation while it is carried out: names only.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Described {
    label: &'static str,
    writes: bool,
    /// Whether this makes the Lease: if that is not found, it is the namespace that is not there.
    founds: bool,
    namespace: Option<String>,
    name: Option<String>,
}

impl Described {
    pub(crate) fn of(operation: &Operation) -> Self {
        let (writes, namespace, name) = match operation {
            Operation::PatchList { namespace, name, .. } => (true, Some(namespace), Some(name)),
            Operation::ReadAccount { namespace, name }
            | Operation::TryPolicy { namespace, service_account: name, .. } => {
                (false, Some(namespace), Some(name))
            }
            Operation::ReadForeignSecret { namespace } => (false, Some(namespace), None),
            Operation::ApplyPullSecret { namespace, .. }
            | Operation::DeletePullSecret { namespace, .. }
            | Operation::Report(Report { about: Subject::Namespace(namespace), .. }) => {
                (true, Some(namespace), None)
            }
            Operation::EvictPod { namespace, name, .. }
            | Operation::Report(Report { about: Subject::Pod { namespace, name, .. }, .. }) => {
                (true, Some(namespace), Some(name))
            }
            // The same call for two instances fails twice.
            Operation::Ask { call, .. } => (false, None, call.instance()),
            Operation::ReadJournal
            | Operation::ReadLease
            | Operation::ReadTokenFile
            | Operation::ReadRegisteredKey
            | Operation::ReadAddOnToken
            | Operation::ReadServer
            | Operation::MakeCertificate { .. } => (false, None, None),
            Operation::WriteJournal { .. }
            | Operation::DeleteJournal
            | Operation::WriteLease(_)
            | Operation::DeleteLease { .. }
            | Operation::ApplyAdmission { .. }
            | Operation::DeleteAdmission { .. }
            | Operation::Report(Report { about: Subject::Configuration, .. }) => (true, None, None),
            Operation::RequestToken { service_account, .. } => (true, None, Some(service_account)),
        };
        Self {
            label: operation.label(),
            writes,
            founds: matches!(operation, Operation::WriteLease(lease) if lease.replaces.is_none()),
            namespace: namespace.cloned(),
            name: name.cloned(),
        }
    }
}

/// Counts and logs the ends of operations.
#[derive(Debug)]
pub(crate) struct Notes {
    counters: Counters,
    /// Whether what writes is written.
    acts: bool,
    /// What was told of objects that were refused last time: the same refusal is news once.
    told: HashMap<Key, &'static str>,
}

/// Which operation on which object.
type Key = (&'static str, Option<String>, Option<String>);

/// How many refusals are remembered. Beyond that they are told again, which is no harm.
const REMEMBERED: usize = 4096;

impl Notes {
    pub(crate) fn new(counters: Counters, acts: bool) -> Self {
        Self { counters, acts, told: HashMap::new() }
    }

    /// Takes note of one.
    pub(crate) fn take(&mut self, class: Class, described: Described, took: Duration, answer: &Answer) {
        let Described { label, writes, founds, namespace, name } = described;
        let result = result(answer);
        self.count(class, label, writes, answer);
        let news = self.is_news(&(label, namespace.clone(), name.clone()), result);
        let (namespace, name) = (namespace.as_deref(), name.as_deref());
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match answer {
            Answer::Refused(refusal) if news && founds && *refusal != Refusal::LostRace => {
                warn!(operation = label, milliseconds, "{}", cannot_found(refusal));
            }
            Answer::Refused(refusal) if news && !is_ordinary(refusal) => {
                warn!(operation = label, namespace, name, milliseconds, "{refusal}");
            }
            Answer::Refused(refusal) => {
                debug!(operation = label, namespace, name, milliseconds, "{refusal}");
            }
            Answer::Cloud(cloud) => match &cloud.outcome {
                Ok(_) => debug!(operation = label, instance = name, milliseconds, "answered by the cloud"),
                Err(failure) if news => warn!(operation = label, instance = name, milliseconds, "{failure}"),
                Err(failure) => debug!(operation = label, instance = name, milliseconds, "{failure}"),
            },
            _ => debug!(operation = label, namespace, name, milliseconds, "done"),
        }
    }

    fn count(&self, class: Class, label: &'static str, writes: bool, answer: &Answer) {
        let result = result(answer);
        match (class, answer, writes) {
            (Class::Sts | Class::ContainerRegistry, ..) | (_, Answer::Cloud(_), _) => {
                self.counters.cloud_call(label, result);
            }
            (_, _, true) if !self.acts => {}
            (_, _, true) => self.counters.api_write(label, result),
            (_, _, false) => self.counters.api_read(label, result),
        }
        if writes && matches!(answer, Answer::Refused(Refusal::LostRace)) {
            self.counters.write_conflict();
        }
    }

    /// Whether this result differs from the one before.
    fn is_news(&mut self, key: &Key, result: Option<&'static str>) -> bool {
        match result {
            None if self.told.is_empty() => false,
            None => self.told.remove(key).is_some(),
            Some(result) => {
                if self.told.len() >= REMEMBERED {
                    self.told.clear();
                }
                self.told.insert(key.clone(), result) != Some(result)
            }
        }
    }
}

/// Why the Lease cannot be made. Without it nothing is served.
fn cannot_found(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Gone => "nothing is served: the namespace given with --namespace (POD_NAMESPACE) does not \
                          exist; create it, or name the one of the ConfigMap"
            .to_owned(),
        refusal => format!("nothing is served without the Lease: {refusal}"),
    }
}

/// Whether a refusal is part of living with others, and not something that a reader must know of.
fn is_ordinary(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::LostRace | Refusal::Gone | Refusal::Terminating)
}

/// The label of what went wrong.
fn result(answer: &Answer) -> Option<&'static str> {
    match answer {
        Answer::Refused(refusal) => Some(refusal.label()),
        Answer::Cloud(cloud) => cloud.outcome.as_ref().err().map(|failure| failure.kind.label()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use acr_controller::operation::LeaseWrite;

    use super::*;

    #[test]
    fn a_refusal_is_news_until_it_is_told_and_again_after_a_success() {
        let mut notes = Notes::new(Counters::default(), true);
        let key: Key = ("attach", Some("team".into()), Some("default".into()));
        let other: Key = ("attach", Some("team".into()), Some("app".into()));
        assert!(notes.is_news(&key, Some("NoRight")));
        assert!(!notes.is_news(&key, Some("NoRight")));
        assert!(notes.is_news(&other, Some("NoRight")));
        assert!(notes.is_news(&key, Some("Quota")));
        notes.is_news(&key, None);
        assert!(notes.is_news(&key, Some("Quota")));
    }

    fn lease(replaces: Option<(String, u64)>) -> Operation {
        let holder = Some("me".to_owned());
        Operation::WriteLease(LeaseWrite {
            replaces,
            holder,
            duration_seconds: 15,
            transitions: 0,
            acquired: true,
        })
    }

    #[test]
    fn a_lease_that_cannot_be_made_is_told_with_the_way_out() {
        assert!(Described::of(&lease(None)).founds);
        assert!(!Described::of(&lease(Some(("uid".to_owned(), 7)))).founds);
        assert!(cannot_found(&Refusal::Gone).contains("--namespace"));
        assert!(cannot_found(&Refusal::Terminating).contains("the namespace is being deleted"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut notes = Notes::new(Counters::default(), true);
        for place in 0..3 * REMEMBERED {
            notes.is_news(&("attach", Some(place.to_string()), None), Some("Quota"));
        }
        assert!(notes.told.len() <= REMEMBERED);
    }
}
