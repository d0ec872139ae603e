//! S5 for immediate use: at rest the API server goes by what the configuration asks for, and trusts whoever answers it.

use acr_controller::Serving;
use acr_controller::admission::AdmissionObject;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::rest::s5;
use super::{Checked, Rule, Truth, Violation, ensure};
use crate::estate::OWN;
use crate::wanted::{Immediate, Pattern, Wanted, Watched};

/// Whether the objects are there, and say of the namespaces what `wanted` says.
pub(super) fn s5_admission(wanted: &Wanted, truth: Truth<'_>) -> Checked {
    let kept = truth.server.journal().is_some_and(|journal| journal.serving.is_some());
    ensure(Rule::S5, !kept || wanted.immediate == Immediate::Webhook, || {
        "the journal keeps a certificate of which nobody is in need".to_owned()
    })?;
    let some = wanted.entries.iter().any(|entry| entry.unserved.is_none());
    for object in AdmissionObject::ALL {
        let content = truth.server.admission(object).map(|seen| &seen.content);
        let names = match &wanted.watched {
            Watched::All => None,
            Watched::Named(names) => Some(sorted(names)),
        };
        let expected = match (object, wanted.immediate) {
            (AdmissionObject::Registration, Immediate::Webhook) if some => registered(wanted),
            (AdmissionObject::Parameters, Immediate::Policy) if some => {
                Some(names.map_or_else(|| json!("*"), |names| json!(names.join(","))))
            }
            _ => None,
        };
        let found = content.map(|content| match object {
            AdmissionObject::Registration => first_requirement(content),
            AdmissionObject::Parameters => content.get("namespaces").cloned().unwrap_or_default(),
        });
        ensure(Rule::S5, found == expected, || {
            format!("{object:?} is for the namespaces {found:?} instead of {expected:?}")
        })?;
        let policy = content.and_then(|content| content.pointer("/0/failurePolicy"));
        // Every webhook of a history asks for it.
        ensure(Rule::S5, policy.is_none_or(|policy| policy == "Fail"), || {
            format!("{object:?} says {policy:?} at rest")
        })?;
    }
    Ok(())
}

/// Which namespaces the webhook is asked about, by their names; `None` where it can be asked about none.
fn registered(wanted: &Wanted) -> Option<Value> {
    Some(match &wanted.watched {
        Watched::All => {
            let exact = wanted.excluded.iter().copied().filter_map(Pattern::exact);
            let mut never: Vec<&str> = exact.chain([OWN]).collect();
            never.sort_unstable();
            never.dedup();
            json!({ "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": never })
        }
        Watched::Named(names) => {
            let excluded = |name: &&str| wanted.excluded.iter().any(|pattern| pattern.exact() == Some(name));
            let names: Vec<&str> =
                sorted(names).into_iter().filter(|name| *name != OWN && !excluded(name)).collect();
            if names.is_empty() {
                return None;
            }
            json!({ "key": "kubernetes.io/metadata.name", "operator": "In", "values": names })
        }
    })
}

fn sorted<'t>(names: &[&'t str]) -> Vec<&'t str> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names.dedup();
    names
}

fn first_requirement(content: &Value) -> Value {
    content.pointer("/0/namespaceSelector/matchExpressions/0").cloned().unwrap_or_default()
}

/// Whoever answers is trusted: the registration names the authority of what each process serves.
pub(crate) fn s5_who_answers_is_trusted(serving: Option<&Serving>, truth: Truth<'_>) -> Checked {
    let kept = truth.server.journal().is_some_and(|journal| journal.serving.is_some());
    let Some(seen) = truth.server.admission(AdmissionObject::Registration) else {
        // Where all that is watched is out of a webhook's reach there is a certificate and no registration.
        let gone = || "a certificate is served that is gone".to_owned();
        return ensure(Rule::S5, kept || serving.is_none(), gone);
    };
    let bundle = seen.content.pointer("/0/clientConfig/caBundle").and_then(Value::as_str).unwrap_or_default();
    let trusted = String::from_utf8_lossy(&STANDARD.decode(bundle).unwrap_or_default()).into_owned();
    let serving = serving.ok_or_else(|| s5("a webhook is registered that is not served"))?;
    // `[chain 3]` is signed by `[authority 3]`.
    let authority = String::from_utf8_lossy(&serving.chain).replace("chain", "authority");
    ensure(Rule::S5, trusted.contains(&authority), || {
        format!("{authority} is served while {trusted} is trusted")
    })
}

/// After an uninstall there is none.
pub(crate) fn s5_no_admission_is_left(truth: Truth<'_>) -> Result<(), Violation> {
    for object in AdmissionObject::ALL {
        ensure(Rule::S5, truth.server.admission(object).is_none(), || {
            format!("{object:?} is there after an uninstall")
        })?;
    }
    Ok(())
}
