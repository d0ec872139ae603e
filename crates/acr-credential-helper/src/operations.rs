//! Operations as logs and metrics name them.

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
    namespace: Option<String>,
    name: Option<String>,
}

impl Described {
    pub(crate) fn of(operation: &Operation) -> Self {
        let (writes, namespace, name) = match operation {
            Operation::PatchList { namespace, name, .. } => (true, Some(namespace), Some(name)),
            Operation::ReadAccount { namespace, name } => (false, Some(namespace), Some(name)),
            Operation::ReadForeignSecret { namespace } => (false, Some(namespace), None),
            Operation::ApplyPullSecret { namespace, .. }
            | Operation::DeletePullSecret { namespace, .. }
            | Operation::Report(Report { about: Subject::Namespace(namespace), .. }) => {
                (true, Some(namespace), None)
            }
            Operation::ReadJournal
            | Operation::ReadLease
            | Operation::ReadTokenFile
            | Operation::Ask { .. } => (false, None, None),
            Operation::WriteJournal { .. }
            | Operation::DeleteJournal
            | Operation::WriteLease(_)
            | Operation::DeleteLease { .. }
            | Operation::Report(Report { about: Subject::Configuration, .. }) => (true, None, None),
            Operation::RequestToken { service_account, .. } => (true, None, Some(service_account)),
        };
        Self { label: operation.label(), writes, namespace: namespace.cloned(), name: name.cloned() }
    }
}

/// Counts and logs the end of an operation.
pub(crate) fn note(
    counters: &Counters,
    class: Class,
    described: &Described,
    took: Duration,
    answer: &Answer,
) {
    let Described { label, writes, namespace, name } = described;
    let result = result(answer);
    match (class, writes) {
        (Class::Sts | Class::ContainerRegistry, _) => counters.cloud_call(label, result),
        (Class::Metadata, _) if matches!(answer, Answer::Cloud(_)) => counters.cloud_call(label, result),
        (_, true) => counters.api_write(label, result),
        (_, false) => counters.api_read(label, result),
    }
    let (namespace, name) = (namespace.as_deref(), name.as_deref());
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match answer {
        Answer::Refused(refusal) => {
            if *refusal == Refusal::LostRace && *writes {
                counters.write_conflict();
            }
            if is_ordinary(refusal) {
                debug!(operation = label, namespace, name, milliseconds, "{refusal}");
            } else {
                warn!(operation = label, namespace, name, milliseconds, "{refusal}");
            }
        }
        Answer::Cloud(cloud) => match &cloud.outcome {
            Ok(_) => debug!(operation = label, milliseconds, "answered by the cloud"),
            Err(failure) => warn!(operation = label, milliseconds, "{failure}"),
        },
        _ => debug!(operation = label, namespace, name, milliseconds, "done"),
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
