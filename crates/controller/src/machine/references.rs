//! Secrets that the configuration names: what is seen of them, and the facts that they answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use acr_configuration::SecretRef;
use acr_credentials::{CallFailure, FailureKind, SecretData, SecretDataFailure, StaticLogins, UnixMillis};

use super::Machine;
use crate::facts::Question;
use crate::facts::chain::StaticSlots;
use crate::facts::value::{Owner, Value};
use crate::journal::Record;
use crate::observation::Refusal;
use crate::time::Now;

/// What is seen of a Secret: nothing where there is none.
pub(super) type Seen = Result<Option<Held>, Refusal>;

/// A Secret, and what it says as one of logins.
#[derive(Debug)]
pub(super) struct Held {
    data: SecretData,
    logins: Result<StaticLogins, SecretDataFailure>,
}

impl Machine {
    /// The Secrets to follow now, the one with the certificate of the webhook included: whoever turns the machine tells it of each by
    /// [`crate::observation::Observation::Referenced`].
    pub fn references(&self) -> BTreeSet<SecretRef> {
        let mut references = self.lines.references.clone();
        references.extend(self.handed_over_secrets());
        if self.seeks_certificate() {
            references.insert(Self::certificate_reference(&self.settings));
        }
        references
    }

    pub(super) fn referenced(
        &mut self,
        now: Now,
        reference: SecretRef,
        seen: Result<Option<SecretData>, Refusal>,
    ) {
        if reference == Self::certificate_reference(&self.settings) {
            return self.certificate_seen(&seen);
        }
        if self.handed_over_secrets().any(|secret| secret == reference) {
            self.handed_over_seen(&reference, &seen);
        }
        let held = |data: SecretData| Held { logins: data.static_logins(), data };
        self.seen_references.insert(reference, seen.map(|data| data.map(held)));
        self.learn_static_slots(now);
        self.give_references(now);
        self.report_lines(now);
    }

    /// Which hosts a Secret has logins for decides which lines are drawn: the journal knows it first.
    fn learn_static_slots(&mut self, now: Now) {
        let desired = self.recorder.desired();
        let mut record = desired.clone();
        // What is not named any more is not kept.
        record.static_secrets.retain(|reference, _| self.lines.references.contains(reference));
        for (_, question) in self.book.given() {
            let Question::StaticLogin { reference, .. } = question else { continue };
            let Some(Ok(Some(held))) = self.seen_references.get(reference) else { continue };
            let slots = match &held.logins {
                Ok(StaticLogins::BySlot(logins)) => StaticSlots::These(logins.keys().cloned().collect()),
                Ok(StaticLogins::Pair(_)) => StaticSlots::Domains,
                Err(_) => continue,
            };
            record.static_secrets.insert(reference.clone(), slots);
        }
        if record.static_secrets != desired.static_secrets {
            self.learn(now, record);
        }
    }

    /// Hands to the journal what decides which lines are drawn. They are drawn anew when it is written.
    pub(super) fn learn(&mut self, now: Now, mut record: Record) {
        if let Some(accepted) = record.accepted.clone() {
            self.hand_lines_over(now, &mut record, &accepted);
        }
        self.recorder.change(|desired| *desired = record);
    }

    /// Gives the facts that Secrets answer what was seen of these.
    pub(super) fn give_references(&mut self, now: Now) {
        self.forget_handed_over();
        let references = &self.lines.references;
        self.seen_references.retain(|reference, _| references.contains(reference));
        let time = self.clock.time(now);
        let given: Vec<_> = self
            .book
            .given()
            .filter_map(|(key, question)| {
                let (Question::SecretKey { reference } | Question::StaticLogin { reference, .. }) = question
                else {
                    return None;
                };
                let seen = self.seen_references.get(reference)?;
                let outcome = answer(question, reference, seen, time).transpose()?;
                Some((key, outcome))
            })
            .collect();
        for (key, outcome) in given {
            let change = self.book.give(now, key, outcome);
            self.fact_changed(now, key, change);
        }
    }
}

/// What a Secret says to a question; nothing where the question is not made for what it holds: its lines are drawn anew as
/// soon as the journal knows that.
fn answer(
    question: &Question,
    reference: &SecretRef,
    seen: &Seen,
    time: UnixMillis,
) -> Result<Option<Value>, CallFailure> {
    let failed = |kind, message: String| CallFailure::new(question.operation(), kind, message);
    let unfit = |failure: SecretDataFailure| {
        failed(FailureKind::Malformed, format!("the Secret {reference} cannot be used: {failure}"))
    };
    let held = match seen {
        Ok(Some(held)) => held,
        Ok(None) => {
            return Err(failed(FailureKind::NotFound, format!("there is no Secret {reference}")));
        }
        Err(refusal @ Refusal::NoRight { .. }) => {
            return Err(failed(
                FailureKind::Denied,
                format!("the Secret {reference} may not be read: {refusal}"),
            ));
        }
        Err(refusal) => {
            return Err(failed(FailureKind::NoAnswer, format!("the Secret {reference}: {refusal}")));
        }
    };
    match question {
        Question::StaticLogin { slot, .. } => {
            let login = match (held.logins.as_ref().map_err(|failure| unfit(failure.clone()))?, slot) {
                (StaticLogins::Pair(login), None) => Some(Ok(login)),
                (StaticLogins::BySlot(logins), Some(slot)) => {
                    logins.get(slot).map(|login| login.as_ref().map_err(|failure| unfit(failure.clone())))
                }
                (StaticLogins::Pair(_), Some(_)) | (StaticLogins::BySlot(_), None) => return Ok(None),
            };
            let missing = || {
                failed(FailureKind::NotFound, format!("the Secret {reference} has no login for the entry"))
            };
            Ok(Some(Value::Login(Arc::new(login.ok_or_else(missing)??.clone()), time)))
        }
        _ => match held.data.access_key().map_err(unfit)? {
            Some(key) => Ok(Some(Value::Key(key, UnixMillis::NEVER, Owner::Unnamed))),
            None => Err(unfit(SecretDataFailure::Missing { member: "access-key-id" })),
        },
    }
}
