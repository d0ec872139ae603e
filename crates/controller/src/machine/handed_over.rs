//! Secrets by which the cluster hands over keys, where they are read through the API server: what is seen of them, and what
//! keeps them from being read or followed.

use acr_configuration::SecretRef;
use acr_credentials::remedy::{Circumstances, remedy};
use acr_credentials::{CallFailure, FailureKind, SecretData};

use super::Machine;
use super::cloud::REGISTERED_KEY;
use crate::facts::Question;
use crate::names::REGISTERED_KEY_SECRET;
use crate::observation::Refusal;

/// What is seen of one of them.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What it held when it was seen last, nothing where it was not there; `None` while nobody has seen it.
    content: Option<SecretData>,
    /// Why it cannot be followed now.
    refused: Option<Refusal>,
}

impl Machine {
    /// Those that are of use now. They are read when they are needed, and followed so that a change counts at once.
    pub(super) fn handed_over_secrets(&self) -> impl Iterator<Item = SecretRef> {
        let (key, token) = self.book.looks_for_handed_over();
        let key = self.settings.registered_key_secret.as_deref().filter(|_| key);
        let token = self.settings.add_on_token_secret.as_deref().filter(|_| token);
        let names: Vec<String> = key.into_iter().chain(token).map(str::to_owned).collect();
        let namespace = self.settings.namespace.clone();
        names.into_iter().map(move |name| SecretRef { namespace: namespace.clone(), name })
    }

    /// What the machine does not read from here is read anew: only who follows a Secret knows that it has changed.
    pub(super) fn handed_over_seen(
        &mut self,
        reference: &SecretRef,
        seen: &Result<Option<SecretData>, Refusal>,
    ) {
        let held = self.handed_over.entry(reference.clone()).or_default();
        match seen {
            Ok(content) => {
                held.refused = None;
                let content = content.clone().unwrap_or_default();
                let former = held.content.replace(content.clone());
                match former {
                    None => self.book.handed_over_first(),
                    Some(former) if former != content => self.book.handed_over(),
                    Some(_) => {}
                }
            }
            Err(refusal) => held.refused = Some(refusal.clone()),
        }
    }

    /// What is not followed any more may change unseen.
    pub(super) fn forget_handed_over(&mut self) {
        let kept: Vec<SecretRef> = self.handed_over_secrets().collect();
        self.handed_over.retain(|reference, _| kept.contains(reference));
    }

    /// Says what keeps the keys of a registered cluster from being read, and any of them from being followed.
    pub(super) fn report_handed_over(&self, report: &mut impl FnMut(bool, &str, String)) {
        let mut denied = |operation, secret, message: String, meanwhile: &str| {
            let failure = CallFailure::new(operation, FailureKind::Denied, message);
            let about = Circumstances {
                secret: Some(secret),
                namespace: self.settings.namespace.clone(),
                ..Circumstances::default()
            };
            let text = format!("{failure}; {meanwhile}; {}", remedy(&failure, &about));
            report(false, failure.kind.label(), text);
        };
        if let Some(refusal) = &self.registered_key_denied {
            let secret = self.registered_key_secret();
            denied(REGISTERED_KEY, secret, refusal.clone(), "the token mode goes on without it");
        }
        for (SecretRef { namespace, name }, seen) in &self.handed_over {
            let Some(refusal @ Refusal::NoRight { .. }) = &seen.refused else { continue };
            let token = Question::ManagedRole;
            let unread = |failure: &CallFailure| failure.kind == FailureKind::Denied;
            let (operation, is_told) = if self.settings.registered_key_secret.as_ref() == Some(name) {
                (REGISTERED_KEY, self.registered_key_denied.is_some())
            } else {
                (token.operation(), self.book.failure(token.key()).is_some_and(unread))
            };
            if !is_told {
                let message = format!("the Secret {namespace}/{name} cannot be followed: {refusal}");
                let meanwhile = "a change of it counts from the next renewal on";
                denied(operation, (namespace.clone(), name.clone()), message, meanwhile);
            }
        }
    }

    /// The Secret with the keys of a registered cluster.
    pub(super) fn registered_key_secret(&self) -> (String, String) {
        let name = self.settings.registered_key_secret.as_deref().unwrap_or(REGISTERED_KEY_SECRET);
        (self.settings.namespace.clone(), name.to_owned())
    }

    /// The keys of a registered cluster, as a chain names them: by the Secret where it is known, which it is not where it
    /// is mounted.
    pub(super) fn registered_keys(&self) -> String {
        let place = match &self.settings.registered_key_secret {
            Some(name) => format!("Secret {name}"),
            None => "mounted files".to_owned(),
        };
        format!("keys of the registered cluster ({place})")
    }
}
