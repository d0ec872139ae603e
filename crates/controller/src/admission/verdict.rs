//! What a trial of the mutating policy means, in words: for the finding, and for whoever asks before.

use super::server::{BindingSeen, ServerSeen, Trial};
use crate::names::{POLICY, SCOPE_CONFIG_MAP};
use crate::observation::{Answer, Refusal};

/// The chart installs the policy where it finds `mode: policy` asked for, and that may be asked for later.
const INSTALL: &str = "the chart installs it where webhook-configuration asks for mode: policy when helm runs, so run `helm \
                       upgrade` again, or give it mutatingPolicy: true, or apply deploy/mutating-policy.yaml";
const INSTALL_AGAIN: &str = "install the chart again, or apply deploy/mutating-policy.yaml";
const CHANGED: &str = "it was changed, or is of another version";
/// <https://github.com/kubernetes/kubernetes/issues/130887>, seen on v1.36.3.
const FROZEN: &str = "an API server reads no ConfigMap for policies any more after a policy binding with ConfigMap parameters \
                      was removed, by whomever, until it starts again";
const THAWING: &str =
    "restart each API server, or use mode: webhook and install the chart with mutatingPolicy: false";

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
        Answer::Tried(Trial::OtherParameters) => Some((
            "PolicyFrozen",
            format!(
                "the MutatingAdmissionPolicy {POLICY} does not go by what the ConfigMap {own}/{SCOPE_CONFIG_MAP} says, but by a \
                 former scope: new ServiceAccounts of that get the name of the pull secret; {FROZEN}; {THAWING}"
            ),
        )),
        Answer::Tried(Trial::LeftOut) => Some((
            "PolicyIneffective",
            format!(
                "a ServiceAccount in scope was created, without being stored, and the MutatingAdmissionPolicy {POLICY}, which \
                 knows the scope, did not give it the name of the pull secret: {CHANGED}; {INSTALL_AGAIN}"
            ),
        )),
        Answer::Tried(Trial::Untold) => Some((
            "PolicyIneffective",
            format!(
                "a ServiceAccount in scope was created, without being stored, and got the name of the pull secret, but the \
                 MutatingAdmissionPolicy {POLICY} does not say by which scope: {CHANGED}, or something else gives that \
                 name; {INSTALL_AGAIN}"
            ),
        )),
        Answer::Refused(Refusal::NoRight { .. }) => Some((
            "PolicyMissing",
            format!(
                "the MutatingAdmissionPolicy {POLICY} is not installed, or not by this version: the right to try it is \
                 missing, which comes with it; {INSTALL}"
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
        (Some(false), _) => {
            ("PolicyMissing", format!("there is no MutatingAdmissionPolicy {POLICY}: {INSTALL}"))
        }
        (Some(true), None) => (
            "PolicyUnbound",
            format!(
                "the MutatingAdmissionPolicy {POLICY} is bound by no MutatingAdmissionPolicyBinding {POLICY}: {INSTALL_AGAIN}"
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
                 from the MutatingAdmissionPolicy {POLICY}: either the API server does not see the ConfigMap \
                 {own}/{SCOPE_CONFIG_MAP} ({FROZEN}): {THAWING}; or {CHANGED}: {INSTALL_AGAIN}"
            ),
        ),
    }
}
