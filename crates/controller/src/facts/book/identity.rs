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
        // What is known stays until the key is replaced.
        let known = self.named(source).is_some_and(has_session) || self.identity(source).is_some();
        if !of_owner || refused.is_of_refusals() || known {
            return;
        }
        let identity = Question::CallerIdentity { endpoints: Vec::new(), key: source.clone() }.key();
        if let Some(identity) = self.facts.get_mut(&identity) {
            identity.due = Mono(0);
        }
    }

    /// Whose key signs, as the cloud names it: `acs:ram::<account>:…`, or the name of a role where nobody says more.
    pub fn owner(&self, source: &KeySource) -> Option<&str> {
        self.identity(source).or_else(|| self.named(source))
    }

    /// What the cloud said when it was asked, unless the node has another role by now.
    fn identity(&self, source: &KeySource) -> Option<&str> {
        let identity = Question::CallerIdentity { endpoints: Vec::new(), key: source.clone() }.key();
        let Some(Value::Identity(arn)) = self.value(identity) else { return None };
        let is_of = |role: &str| {
            let rest = arn.replace(":assumed-role/", ":role/");
            rest.strip_prefix(role).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let role = self.named(source).filter(|name| name.starts_with("acs:"));
        role.is_none_or(is_of).then_some(arn)
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

/// Whether a principal is named down to its session. The metadata service names the role alone.
fn has_session(principal: &str) -> bool {
    principal.starts_with("acs:") && principal.split_once(":role/").is_none_or(|(_, rest)| rest.contains('/'))
}
