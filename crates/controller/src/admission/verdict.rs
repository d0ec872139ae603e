//! What a trial of the mutating policy means, in words: for the finding, and for whoever asks before.

use super::server::{BindingSeen, ServerSeen, Trial};
use crate::names::{POLICY, SCOPE_CONFIG_MAP};
use crate::observation::{Answer, Refusal};

/// Why there can be no policy on a server.
pub fn unsupported(server: &ServerSeen) -> String {
    format!(
        "mode: policy needs a MutatingAdmissionPolicy, and {}: it comes with Kubernetes 1.36, and with 1.34 where \
         admissionregistration.k8s.io/v1beta1 is turned on",
        server.name()
    )
}

/// Code and words of what keeps the policy from counting, as the answer to a trial tells, with the remedy; `None` where it
/// counts. `own` is the namespace of the component.
pub fn verdict(own: &str, answer: &Answer) -> Option<(&'static str, String)> {
    match answer {
        Answer::Tried(Trial::NotAttached { policy, binding }) => {
            Some(why_not(own, *policy, binding.as_ref()))
        }
        Answer::Refused(Refusal::NoRight { .. }) => Some((
            "PolicyMissing",
            format!(
                "the MutatingAdmissionPolicy {POLICY} is not installed, or not by this version: the right to try it is \
                 missing, which comes with it; install the chart with mutatingPolicy: auto, or apply \
                 deploy/mutating-policy.yaml"
            ),
        )),
        Answer::Refused(refusal) => Some((
            "PolicyUntried",
            format!(
                "whether the MutatingAdmissionPolicy {POLICY} counts could not be tried: {refusal}; try it as \
                 docs/immediate-use.md shows"
            ),
        )),
        _ => None,
    }
}

/// Why a ServiceAccount that was tried does not name the pull secret, and what to do.
fn why_not(own: &str, policy: Option<bool>, binding: Option<&BindingSeen>) -> (&'static str, String) {
    let binds = |binding: &&BindingSeen| binding.policy == POLICY;
    match (policy, binding.filter(binds)) {
        (Some(false), _) => (
            "PolicyMissing",
            format!(
                "there is no MutatingAdmissionPolicy {POLICY}: install the chart with mutatingPolicy: auto, or apply \
                 deploy/mutating-policy.yaml"
            ),
        ),
        (Some(true), None) => (
            "PolicyUnbound",
            format!(
                "the MutatingAdmissionPolicy {POLICY} is bound by no MutatingAdmissionPolicyBinding {POLICY}: install the \
                 chart again, or apply deploy/mutating-policy.yaml"
            ),
        ),
        (_, Some(BindingSeen { parameters, .. }))
            if parameters.as_ref().is_none_or(|(namespace, name)| {
                (namespace.as_str(), name.as_str()) != (own, SCOPE_CONFIG_MAP)
            }) =>
        {
            let found = parameters.as_ref().map_or_else(
                || "no ConfigMap".to_owned(),
                |(namespace, name)| format!("the ConfigMap {namespace}/{name}"),
            );
            (
                "PolicyUnbound",
                format!(
                    "the MutatingAdmissionPolicyBinding {POLICY} takes its parameters from {found} instead of \
                     {own}/{SCOPE_CONFIG_MAP}: install the chart in the namespace of the component, or correct \
                     spec.paramRef"
                ),
            )
        }
        _ => (
            "PolicyIneffective",
            format!(
                "a ServiceAccount in scope was created, without being stored, and did not get the name of the pull secret \
                 from the MutatingAdmissionPolicy {POLICY}: it was changed, or is of another version; install the chart \
                 again, or apply deploy/mutating-policy.yaml"
            ),
        ),
    }
}
