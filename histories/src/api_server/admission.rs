//! The registration of the webhook and the parameters of the policy, as the model keeps them.

use acr_controller::admission::{AdmissionObject, AdmissionSeen, POD_WEBHOOK_NAME, Trial};
use acr_controller::observation::Refusal;
use acr_controller::operation::Precondition;
use serde_json::Value;

use super::operations::{Outcome, done};
use super::{ApiServer, Effect};

impl ApiServer {
    /// A server-side apply: a version that no object has creates only where there is none, a uid only changes what is
    /// there.
    pub(super) fn apply_admission(
        &mut self,
        object: AdmissionObject,
        precondition: &Precondition,
        content: &Value,
    ) -> Outcome {
        let known = self.admission.get(&object);
        let uid = match (precondition, known) {
            (Precondition::Absent, None) => None,
            (Precondition::Exactly { uid, resource_version }, Some(known))
                if known.uid == *uid && known.resource_version == *resource_version =>
            {
                Some(uid.clone())
            }
            _ => return Err(Refusal::LostRace),
        };
        if let Some(known) = known.filter(|known| known.content == *content) {
            return Ok(done(known.resource_version, Effect::Nothing));
        }
        let uid = uid.unwrap_or_else(|| self.next_uid());
        let resource_version = self.next_version();
        let seen = AdmissionSeen { uid, resource_version, installation: None, content: content.clone() };
        self.admission.insert(object, seen);
        Ok(done(resource_version, Effect::Nothing))
    }

    /// What the registration says of the webhook for pods.
    pub fn pod_webhook(&self) -> Option<&Value> {
        let webhooks = self.admission.get(&AdmissionObject::Registration)?.content.as_array()?;
        webhooks.iter().find(|webhook| webhook.get("name").is_some_and(|name| name == POD_WEBHOOK_NAME))
    }

    /// The policy and its binding are there, and do what the parameters say.
    pub(super) fn tried(&self) -> Trial {
        if self.admission.contains_key(&AdmissionObject::Parameters) {
            Trial::Attached
        } else {
            Trial::NotAttached { policy: Some(true), binding: None }
        }
    }

    pub(super) fn delete_admission(
        &mut self,
        object: AdmissionObject,
        uid: &str,
        resource_version: u64,
    ) -> Outcome {
        match self.admission.get(&object) {
            None => Err(Refusal::Gone),
            Some(known) if known.uid == uid && known.resource_version == resource_version => {
                self.admission.remove(&object);
                self.next_version();
                Ok(done(0, Effect::Nothing))
            }
            Some(_) => Err(Refusal::LostRace),
        }
    }

    /// Somebody else changes or removes the object.
    pub fn spoil_admission(&mut self, object: AdmissionObject, content: Option<Value>) {
        let resource_version = self.next_version();
        match (content, self.admission.get_mut(&object)) {
            (Some(content), Some(known)) => {
                known.content = content;
                known.resource_version = resource_version;
            }
            (None, _) => {
                self.admission.remove(&object);
            }
            (Some(_), None) => {}
        }
    }
}
