//! How the objects that the API server goes by for new ServiceAccounts shall be: made from the configuration that counts.

use std::collections::BTreeMap;

use acr_configuration::{FailurePolicy, PodHelp};
use serde_json::Value;

use super::Machine;
use super::admission::{Wish, wanted};
use crate::admission::certificates::Certificates;
use crate::admission::{AdmissionObject, Target, parameters, registration};
use crate::area::Area;
use crate::observation::Refusal;
use crate::operation::Subject;
use crate::settings::Purpose;
use crate::time::Now;

/// The group of the finding about the webhook for pods.
const PODS: &str = "registration/pods";
/// The group of the finding that there is none to register.
const LEFT_OUT: &str = "registration/left-out";

impl Machine {
    /// Whether the registration asks the API server about pods.
    pub(super) fn registers_for_pods(&self) -> bool {
        self.pod_help() >= PodHelp::Append && !self.admission.pods_refused
    }

    /// The admission policy does not let the webhook be registered for pods: that is no reason to serve ServiceAccounts less.
    pub(super) fn register_without_pods(&mut self, now: Now, refusal: &Refusal) {
        self.admission.pods_refused = true;
        let message = format!(
            "`pods` asks for append or restart, and the webhook cannot be registered for pods: {refusal}; it is registered for \
             ServiceAccounts alone until the ConfigMap is edited or this program starts again; install the chart with the same \
             value for podHelp, or set `pods: report`"
        );
        self.ledger.set_one(now.mono, PODS, Subject::Configuration, "PodsNotRegistered", message);
        self.wish_for_admission(now);
    }

    /// Another configuration, or another term: what was refused is tried once more.
    pub(super) fn register_with_pods_again(&mut self, now: Now) {
        self.admission.pods_refused = false;
        self.ledger.clear(now.mono, PODS);
    }

    /// Works out how the objects shall be, after the journal has changed.
    pub(super) fn wish_for_admission(&mut self, now: Now) {
        let record = self.recorder.counting();
        let accepted = record.accepted.as_ref().filter(|_| self.settings.purpose == Purpose::Run);
        let (mut unsupported, mut left_out) = (None, false);
        let wish = accepted.and_then(|accepted| {
            let object = wanted(&accepted.configuration)?;
            let area = Area::whole(&accepted.configuration);
            let content = match object {
                AdmissionObject::Parameters => Wish::Is(parameters(&area)?.into_iter().collect()),
                AdmissionObject::Registration => {
                    let own = &self.settings.namespace;
                    left_out = self.settings.front.is_none();
                    let front = self.settings.front.as_ref()?;
                    let certificates = record.admission.certificates.as_ref();
                    let usable = certificates.filter(|known| known.serving.host == front.host(own));
                    let authorities = usable.map(Certificates::authorities).unwrap_or_default();
                    let pods = self.registers_for_pods();
                    let target = Target { front, own_namespace: own, authorities: &authorities, pods };
                    let mut webhook = accepted.configuration.webhook.clone();
                    if usable.is_none_or(|known| known.fresh) {
                        webhook.failure_policy = FailurePolicy::Ignore;
                    }
                    let content = registration(&area, &webhook, target)?;
                    let server = self.abilities.server.as_ref();
                    let old = server.filter(|server| !server.has_match_conditions());
                    unsupported = old.cloned();
                    if old.is_some_and(|server| !server.labels_namespaces()) {
                        return None;
                    }
                    let content = if old.is_some() { without_conditions(content)? } else { content };
                    if usable.is_some() && server.is_some() { Wish::Is(content) } else { Wish::Unknown }
                }
            };
            Some((object, content))
        });
        let wish = wish.into_iter().collect::<BTreeMap<_, _>>();
        self.report_missing_conditions(now, unsupported.filter(|_| wish.is_empty()).as_ref());
        self.report_left_out(now, left_out);
        self.admission.wishes = wish;
        for object in AdmissionObject::ALL {
            self.forget_what_is_gone(now, object);
        }
        self.report_policy_support(now);
        self.report_foreign(now);
    }

    /// Says that the configuration asks for a webhook where there is none.
    fn report_left_out(&mut self, now: Now, left_out: bool) {
        if !left_out {
            return self.ledger.clear(now.mono, LEFT_OUT);
        }
        let message = "webhook-configuration asks for the webhook, and this installation has none (`--no-webhook`, which the chart \
             gives with webhook.enabled: false): nothing is registered, and new ServiceAccounts are served by the watch, a moment \
             after they are made; install the chart with webhook.enabled: true, or take `enable` out of webhook-configuration";
        let code = "WebhookLeftOut";
        self.ledger.set_one(now.mono, LEFT_OUT, Subject::Configuration, code, message.to_owned());
    }
}

/// A registration for an API server that drops `matchConditions`; `None` where they say more than the webhook itself finds
/// out, which is whether there is something to do.
fn without_conditions(mut registration: Value) -> Option<Value> {
    for webhook in registration.as_array_mut()? {
        let conditions = webhook.as_object_mut()?.remove("matchConditions")?;
        conditions.as_array().filter(|conditions| conditions.len() == 1)?;
    }
    Some(registration)
}
