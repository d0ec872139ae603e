//! Whose key it is that signs: asked once after a refusal, where nobody has named the owner.

use acr_credentials::FailureKind;

use super::{Book, Fact, NEVER};
use crate::facts::key::{KeySource, Question};
use crate::facts::value::{Owner, Value};
use crate::time::Mono;

impl Question {
    /// Whether it is asked only because something else was refused.
    pub(super) fn is_of_refusals(&self) -> bool {
        matches!(self, Self::CallerIdentity { .. })
    }
}

impl Fact {
    /// The key was replaced: whose the new one is, is asked after a refusal of that.
    pub(super) fn forget_identity(&mut self) {
        if self.wanted.question.is_of_refusals() {
            self.value = None;
            self.due = NEVER;
        }
    }

    /// Whether nobody waits for it: nothing was refused, or it could not be told after the last refusal.
    pub(super) fn is_dormant(&self) -> bool {
        self.wanted.question.is_of_refusals() && self.due == NEVER
    }
}

impl Book {
    /// A call was refused for who has signed it. A key that the cloud does not know has no owner to ask for.
    pub(super) fn ask_whose_key(&mut self, refused: &Question, kind: FailureKind) {
        let Some(source) = refused.key_source() else { return };
        let of_owner =
            matches!(kind, FailureKind::Denied | FailureKind::NotFound | FailureKind::InvalidRequest);
        if !of_owner || refused.is_of_refusals() || self.is_named(source) {
            return;
        }
        let identity = Question::CallerIdentity { endpoints: Vec::new(), key: source.clone() }.key();
        if let Some(identity) = self.facts.get_mut(&identity) {
            // What is known stays until the key is replaced.
            if identity.value.is_none() {
                identity.due = Mono(0);
            }
        }
    }

    /// Whose key signs, as the cloud names it: `acs:ram::<account>:…`, or the name of a role where nobody says more.
    pub fn owner(&self, source: &KeySource) -> Option<&str> {
        let identity = Question::CallerIdentity { endpoints: Vec::new(), key: source.clone() }.key();
        match self.value(identity) {
            Some(Value::Identity(arn)) => Some(arn),
            _ => self.named(source),
        }
    }

    fn is_named(&self, source: &KeySource) -> bool {
        self.named(source).is_some_and(|name| name.starts_with("acs:"))
    }

    /// What whoever handed out the key said.
    fn named(&self, source: &KeySource) -> Option<&str> {
        let KeySource::Fact(parent) = source else { return None };
        match self.value(*parent)? {
            Value::Key(_, _, Owner::Named(principal)) => Some(principal),
            _ => None,
        }
    }
}
