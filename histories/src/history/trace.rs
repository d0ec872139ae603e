//! A history as lines to read: virtual time, who, what, and what came of it.

use acr_controller::observation::Answer;
use acr_controller::operation::{ListChange, Operation, Precondition};
use acr_credentials::{Call, Reply};

use crate::api_server::Sight;
use crate::contract::Delivery;
use crate::plan::Moment;

/// `+1:02:03.456`.
pub(super) fn clock(now: Moment) -> String {
    let (hours, minutes, seconds) = (now / 3_600_000, now / 60_000 % 60, now / 1_000 % 60);
    format!("+{hours}:{minutes:02}:{seconds:02}.{:03}", now % 1_000)
}

/// Whether an operation is a renewal of the Lease: too many to read, so only those that fail are told.
pub(super) fn is_renewal(operation: &Operation) -> bool {
    matches!(operation, Operation::WriteLease(write) if !write.acquired && write.holder.is_some())
}

/// Whether an answer is that of a renewal that went well.
pub(super) fn is_renewed(operation: &Operation, answer: &Answer) -> bool {
    is_renewal(operation) && matches!(answer, Answer::Lease(_))
}

/// What an operation is to do.
pub(super) fn operation(operation: &Operation) -> String {
    let label = operation.label();
    match operation {
        Operation::PatchList { namespace, name, observed, change } => {
            let place = match change {
                ListChange::Remove { place } => format!(" at {place}"),
                ListChange::Create | ListChange::Append => String::new(),
            };
            let observed = observed.as_deref().unwrap_or("no list");
            format!("{label} {namespace}/{name}{place}, observed {observed}")
        }
        Operation::ReadAccount { namespace, name } => format!("{label} {namespace}/{name}"),
        Operation::ApplyPullSecret { namespace, precondition, payload, adopted } => {
            let digest = payload.digest.get(..8).unwrap_or_default();
            let adopted = if *adopted { ", adopted" } else { "" };
            format!("{label} {namespace} {digest} if {}{adopted}", condition(precondition))
        }
        Operation::DeletePullSecret { namespace, resource_version, .. } => {
            format!("{label} {namespace} if version {resource_version}")
        }
        Operation::ReadForeignSecret { namespace } => format!("{label} {namespace}"),
        Operation::WriteJournal { precondition, document, .. } => {
            format!("{label} of {} bytes if {}", document.len(), condition(precondition))
        }
        Operation::WriteLease(write) => {
            let replaces = write.replaces.as_ref().map(|(_, version)| version);
            format!("{label} for {:?} over {replaces:?}", write.holder)
        }
        Operation::Ask { call, signing_offset_millis, .. } => {
            let about = match call {
                Call::ListInstanceEndpoint { instance, .. }
                | Call::GetAuthorizationToken { instance, .. } => instance.as_str(),
                Call::AssumeRoleWithOidc { role_arn, .. } | Call::AssumeRole { role_arn, .. } => {
                    role_arn.as_str()
                }
                Call::Region { .. }
                | Call::WorkerRole { .. }
                | Call::CallerIdentity { .. }
                | Call::PersonalAuthorizationToken { .. } => "",
            };
            format!("{label} {about} (clock {signing_offset_millis:+})")
        }
        Operation::EvictPod { namespace, name, resource_version, .. } => {
            format!("{label} {namespace}/{name} if version {resource_version}")
        }
        Operation::Report(report) => {
            format!("{label} {:?} {}: {}", report.about, report.reason, report.message)
        }
        _ => label.to_owned(),
    }
}

fn condition(precondition: &Precondition) -> String {
    match precondition {
        Precondition::Absent => "absent".to_owned(),
        Precondition::Exactly { resource_version, .. } => format!("version {resource_version}"),
    }
}

/// What came of it; no secret.
pub(super) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Done { resource_version, .. } => format!("done, version {resource_version}"),
        Answer::Account(seen) => format!("version {}, list {:?}", seen.resource_version, seen.list),
        Answer::ForeignSecret(secret) => format!("{} with {:?}", secret.kind, secret.hosts),
        Answer::Journal(Some(journal)) => {
            format!("version {}, {} bytes", journal.resource_version, journal.document.len())
        }
        Answer::Lease(Some(lease)) => {
            format!("held by {:?}, version {}", lease.holder, lease.resource_version)
        }
        Answer::Journal(None) | Answer::Lease(None) | Answer::Token(None) | Answer::Key(None) => {
            "none".to_owned()
        }
        Answer::Server(seen) => format!("{seen:?}"),
        Answer::Tried(trial) => format!("{trial:?}"),
        Answer::Certificate(made) => format!("a certificate for {}", made.host),
        Answer::Key(Some(_)) => "keys".to_owned(),
        Answer::Token(Some(_)) => "a token".to_owned(),
        Answer::Cloud(answer) => match &answer.outcome {
            Ok(Reply::Region(text) | Reply::Identity(text)) => text.clone(),
            Ok(Reply::Credentials { expires, .. }) => format!("credentials until {expires}"),
            Ok(Reply::Endpoints(hosts)) => {
                let hosts: Vec<&str> = hosts.iter().map(|host| host.host.as_str()).collect();
                hosts.join(" ")
            }
            Ok(Reply::Login(login)) => format!("a login until {}", login.expires),
            Err(failure) => failure.to_string(),
        },
        Answer::Refused(refusal) => format!("{}: {refusal}", refusal.label()),
    }
}

/// What a watch shows.
pub(super) fn delivery(delivery: &Delivery) -> String {
    match delivery {
        Delivery::ListStarted(watch) => format!("{watch:?} list started"),
        Delivery::ListCompleted(watch, _) => format!("{watch:?} list completed"),
        Delivery::Sight(sight) => match sight {
            Sight::Configuration(seen) => format!("ConfigMap version {}", seen.resource_version),
            Sight::ConfigurationGone => "ConfigMap gone".to_owned(),
            Sight::Namespace(seen) => {
                let end = if seen.terminating { ", terminating" } else { "" };
                format!("Namespace {} version {} {:?}{end}", seen.name, seen.resource_version, seen.labels)
            }
            Sight::NamespaceGone(name) => format!("Namespace {name} gone"),
            Sight::Account(seen) => format!(
                "ServiceAccount {}/{} version {} list {}{}",
                seen.namespace,
                seen.name,
                seen.resource_version,
                seen.list.as_deref().unwrap_or("absent"),
                if seen.ignored { ", ignored" } else { "" }
            ),
            Sight::AccountGone(namespace, name) => format!("ServiceAccount {namespace}/{name} gone"),
            Sight::PullSecret(seen) => format!(
                "Secret in {} version {} data of {:?} marks {:?}{}",
                seen.namespace,
                seen.resource_version,
                seen.data_owners,
                seen.annotations,
                if seen.terminating { ", terminating" } else { "" }
            ),
            Sight::PullSecretGone(namespace) => format!("Secret in {namespace} gone"),
            Sight::Pod(seen) => format!(
                "Pod {}/{} version {} with {:?}, unpulled {:?}{}{}",
                seen.namespace,
                seen.name,
                seen.resource_version,
                seen.references,
                seen.unpulled,
                if seen.runs { ", runs" } else { "" },
                if seen.terminating { ", terminating" } else { "" }
            ),
            Sight::PodGone(namespace, name) => format!("Pod {namespace}/{name} gone"),
        },
    }
}
