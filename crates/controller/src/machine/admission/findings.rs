//! What is said of the objects that the API server goes by for new ServiceAccounts: what stands in their way, and which are left.

use super::Machine;
use crate::admission::AdmissionObject;
use crate::names::{REGISTRATION, SCOPE_CONFIG_MAP};
use crate::observation::Refusal;
use crate::operation::Subject;
use crate::time::Now;

impl Machine {
    /// An object cannot be written or deleted, or not even looked at.
    pub(in crate::machine) fn report_admission(
        &mut self,
        now: Now,
        object: AdmissionObject,
        refusal: &Refusal,
    ) {
        // Who may not look at it cannot tell.
        let stands = self.admission.objects.get(&object).map(|known| known.seen.is_some());
        let without_answer = match object {
            AdmissionObject::Registration => {
                "; while nobody answers, the API server refuses new ServiceAccounts where it says `failure-policy: Fail`"
            }
            AdmissionObject::Parameters => "",
        };
        let message = if self.admission.wishes.contains_key(&object) {
            let meanwhile = if stands == Some(false) {
                "new ServiceAccounts are served by the watch, a moment after they are made".to_owned()
            } else {
                format!("the API server goes by what is there{without_answer}")
            };
            let remedy = match (object, refusal) {
                (AdmissionObject::Registration, Refusal::NoRight { .. }) => {
                    "; install the chart with webhook.enabled: true, or take `enable` out of webhook-configuration"
                }
                _ => "",
            };
            format!("the {object} cannot be kept up to date: {refusal}; {meanwhile}{remedy}")
        } else {
            let command = match object {
                AdmissionObject::Registration => {
                    format!("kubectl delete mutatingwebhookconfiguration {REGISTRATION}")
                }
                AdmissionObject::Parameters => {
                    format!("kubectl -n {} delete configmap {SCOPE_CONFIG_MAP}", self.settings.namespace)
                }
            };
            let (is, first) = if stands.is_some() {
                ("is", "")
            } else {
                (
                    "may be",
                    "give this ServiceAccount the right to look at it, as deploy/rbac.yaml has it, or ",
                )
            };
            format!("the {object} {is} left: {refusal}{without_answer}; {first}delete it: `{command}`")
        };
        self.ledger.set_one(now.mono, group(object), Subject::Configuration, refusal.label(), message);
    }

    /// What stands in the way of an object that nobody wants is a finding as long as it may be there.
    pub(in crate::machine) fn forget_what_is_gone(&mut self, now: Now, object: AdmissionObject) {
        let known = self.admission.objects.get(&object);
        let gone = known.is_some_and(|known| known.seen.is_none());
        if !self.admission.wishes.contains_key(&object)
            && (gone || !self.admission_objects().contains(&object))
        {
            self.ledger.clear(now.mono, group(object));
        }
    }

    /// Says of what is wanted and of another installation that it is.
    pub(in crate::machine) fn report_foreign(&mut self, now: Now) {
        for (object, known) in &self.admission.objects {
            let Some(home) = known.foreign.as_ref().filter(|_| self.admission.wishes.contains_key(object))
            else {
                continue;
            };
            let message = format!(
                "the {object} is of the installation in the namespace {home}; new ServiceAccounts are served by the \
                 watch, a moment after they are made; remove one of the two, or take `enable` out of \
                 webhook-configuration here"
            );
            self.ledger.set_one(now.mono, group(*object), Subject::Configuration, "AnotherInstance", message);
        }
    }
}

/// The group of their findings.
pub(in crate::machine) fn group(object: AdmissionObject) -> &'static str {
    match object {
        AdmissionObject::Registration => "registration",
        AdmissionObject::Parameters => "parameters",
    }
}
