//! What a refusal of the API server means: one table from (operation, HTTP status, `Status` body) to a closed enum.
//!
//! Every production fault invites a special case here. It is a row of [`RULES`], with the recorded body of the
//! server that said it in `refusal/tests.rs`, or it is nothing.

use std::time::Duration;

use acr_controller::observation::Refusal;
use kube::core::Status;

use crate::call::Received;

/// The operations whose refusals are read apart, because the same answer means something else for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A JSON patch that tests a list.
    GuardedPatch,
    /// A PUT that creates, or replaces one version.
    Put,
    /// Everything else.
    Other,
}

/// What an answer that is no success means for `asked`.
pub(crate) fn refusal(asked: Asked, received: &Received) -> Refusal {
    let heard = Heard::of(received);
    let rule = RULES.iter().find(|rule| {
        rule.status == heard.code
            && rule.asked.is_none_or(|only| only == asked)
            && rule.sign.is_shown_by(heard.status.as_ref())
    });
    rule.map_or(Meaning::Unknown, |rule| rule.meaning).refusal(&heard)
}

/// A row: an answer with this `status`, to this operation, that shows this sign, means this.
struct Rule {
    status: u16,
    asked: Option<Asked>,
    sign: Sign,
    meaning: Meaning,
}

/// What is looked for in the body.
enum Sign {
    /// Nothing: the status says it all.
    Any,
    /// `details` tell nothing at all.
    NoDetails,
    /// A cause with this reason.
    Cause(&'static str),
    /// A cause about this field.
    Field(&'static str),
    /// `details` are about an object of this kind.
    Kind(&'static str),
    /// The message contains this.
    Message(&'static str),
}

impl Sign {
    fn is_shown_by(&self, status: Option<&Status>) -> bool {
        let details = status.and_then(|status| status.details.as_ref());
        let causes = details.map(|details| details.causes.as_slice()).unwrap_or_default();
        match self {
            Self::Any => true,
            // An answer that is no Status at all is not one that has no details.
            Self::NoDetails => {
                status.is_some()
                    && details.is_none_or(|details| {
                        details.name.is_empty() && details.kind.is_empty() && details.causes.is_empty()
                    })
            }
            Self::Cause(reason) => causes.iter().any(|cause| cause.reason == *reason),
            Self::Field(field) => causes.iter().any(|cause| cause.field == *field),
            Self::Kind(kind) => details.is_some_and(|details| details.kind == *kind),
            Self::Message(part) => status.is_some_and(|status| status.message.contains(part)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    LostRace,
    RefusedByPolicy,
    NoRight,
    Quota,
    Terminating,
    Gone,
    Throttled,
    Unknown,
}

const fn rule(status: u16, sign: Sign, meaning: Meaning) -> Rule {
    Rule { status, asked: None, sign, meaning }
}

const fn rule_for(asked: Asked, status: u16, sign: Sign, meaning: Meaning) -> Rule {
    Rule { status, asked: Some(asked), sign, meaning }
}

/// The first row that matches counts. What matches none (server errors, redirections, answers of a proxy) tells
/// nothing about whether the operation was carried out.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    // A webhook that denies without a code of its own gives 400; the other causes are faults of our request.
    rule(400, Sign::Any, Meaning::RefusedByPolicy),
    rule(401, Sign::Any, Meaning::NoRight),
    rule(403, Sign::Cause("NamespaceTerminating"), Meaning::Terminating),
    // Policies and webhooks may choose 403. Their own words come after this, so it is looked for first.
    rule(403, Sign::Message("denied request"), Meaning::RefusedByPolicy),
    rule(403, Sign::Message("denied the request"), Meaning::RefusedByPolicy),
    rule(403, Sign::Message("exceeded quota"), Meaning::Quota),
    rule(403, Sign::Message("failed quota"), Meaning::Quota),
    rule(403, Sign::Any, Meaning::NoRight),
    rule(404, Sign::Any, Meaning::Gone),
    rule(405, Sign::Any, Meaning::RefusedByPolicy),
    rule(406, Sign::Any, Meaning::RefusedByPolicy),
    // Two creations raced for the usage of a quota: nothing of ours has changed, so no event will tell.
    rule(409, Sign::Kind("resourcequotas"), Meaning::Throttled),
    rule(409, Sign::Any, Meaning::LostRace),
    rule(413, Sign::Any, Meaning::RefusedByPolicy),
    rule(415, Sign::Any, Meaning::RefusedByPolicy),
    // A failed `test` of a JSON patch, or a place that is not there: the list is not as it was observed.
    rule_for(Asked::GuardedPatch, 422, Sign::NoDetails, Meaning::LostRace),
    // A Lease that was to be created exists.
    rule_for(Asked::Put, 422, Sign::Field("metadata.resourceVersion"), Meaning::LostRace),
    // The version is the observed one and the uid is not.
    rule(422, Sign::Field("metadata.uid"), Meaning::LostRace),
    rule(422, Sign::Any, Meaning::RefusedByPolicy),
    rule(429, Sign::Any, Meaning::Throttled),
];

/// An answer with its body read, if it is a Status.
struct Heard {
    code: u16,
    retry_after: Option<Duration>,
    status: Option<Status>,
}

impl Heard {
    fn of(received: &Received) -> Self {
        let status = serde_json::from_slice::<Status>(&received.body).ok();
        Self {
            code: received.status.as_u16(),
            retry_after: received.retry_after,
            // Any JSON object parses as a Status; one that says nothing is none.
            status: status.filter(|status| !status.message.is_empty() || !status.reason.is_empty()),
        }
    }

    /// The API server's words. A body that is no Status is not quoted: it may come from something in between
    /// that repeats what it was sent.
    fn message(&self) -> String {
        let said = self.status.as_ref().map(|status| {
            if status.message.is_empty() { status.reason.as_str() } else { status.message.as_str() }
        });
        match said {
            // On one line: a policy may say anything, and its words end up in logs.
            Some(said) => said
                .chars()
                .take(MESSAGE_LIMIT)
                .map(|character| if character.is_control() { ' ' } else { character })
                .collect(),
            None => format!("HTTP {} without a Kubernetes Status", self.code),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        let details = self.status.as_ref().and_then(|status| status.details.as_ref());
        let in_body = details.map(|details| details.retry_after_seconds).filter(|seconds| *seconds > 0);
        self.retry_after.or_else(|| in_body.map(|seconds| Duration::from_secs(u64::from(seconds))))
    }
}

/// The most characters of a message that are kept: a policy may say anything.
const MESSAGE_LIMIT: usize = 1024;

impl Meaning {
    fn refusal(self, heard: &Heard) -> Refusal {
        match self {
            Self::LostRace => Refusal::LostRace,
            Self::RefusedByPolicy => Refusal::RefusedByPolicy { message: heard.message() },
            Self::NoRight => Refusal::NoRight { message: heard.message() },
            Self::Quota => Refusal::Quota { message: heard.message() },
            Self::Terminating => Refusal::Terminating,
            Self::Gone => Refusal::Gone,
            Self::Throttled => Refusal::Throttled { retry_after: heard.retry_after() },
            Self::Unknown => Refusal::Unknown { message: heard.message() },
        }
    }
}

#[cfg(test)]
mod tests;
