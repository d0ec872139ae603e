//! The rights of `deploy/`, moved to the namespace that a stage has.

use acr_testbed::{ControlPlane, Right};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, Patch, PatchParams};
use secrecy::SecretString;
use serde_json::json;

use crate::error::Error;
use crate::eventually;
use crate::stage::{CONFIG_MAP, FILLED, SERVICE_ACCOUNT};

/// What a user applies before anything else.
const RIGHTS: &str = include_str!("../../../deploy/rbac.yaml");
/// The policy that a user applies with it.
pub(crate) const POLICY: &str = include_str!("../../../deploy/policy.yaml");
/// What a user applies for `pods`.
const POD_HELP: &str = include_str!("../../../deploy/pod-help.example.yaml");
/// The policy behind `mode: policy`.
pub(crate) const MUTATING_POLICY: &str = include_str!("../../../deploy/mutating-policy.yaml");
/// A right of each binding of [`RIGHTS`].
pub(crate) fn one_of_each_binding(namespace: &str) -> [Right<'_>; 3] {
    let own = Right { namespace, ..Right::default() };
    [
        Right { verb: "patch", resource: "serviceaccounts", ..Right::default() },
        Right { verb: "watch", resource: "configmaps", name: CONFIG_MAP, ..own },
        Right {
            verb: "create",
            resource: "serviceaccounts",
            subresource: "token",
            name: SERVICE_ACCOUNT,
            ..own
        },
    ]
}

/// A policy with its binding, for the component in this namespace. Each has a policy of its own.
pub(crate) fn policy_of(policy: &str, namespace: &str) -> String {
    let own = policy.replace("kube-system", namespace);
    let name = |field: &str, name: &str| format!("\n  {field}: {name}\n");
    ["name", "policyName"].iter().fold(own, |text, field| {
        let suffixed = format!("acr-credential-helper-{namespace}");
        text.replace(&name(field, "acr-credential-helper"), &name(field, &suffixed))
    })
}

/// Waits until the API server has read the policy: until a change is refused that the rights allow.
pub(crate) async fn until_policy_counts(
    control_plane: &ControlPlane,
    namespace: &str,
    token: &SecretString,
) -> Result<(), Error> {
    let client = control_plane.client_with_token(token)?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client, namespace);
    let change = Patch::Merge(json!({ "metadata": { "labels": { "probe": "true" } } }));
    let dry_run = PatchParams { dry_run: true, ..PatchParams::default() };
    eventually("the policy counts", FILLED, async || {
        match accounts.patch(SERVICE_ACCOUNT, &dry_run, &change).await {
            Ok(_) => Ok(None),
            Err(kube::Error::Api(status)) if status.message.contains("denied request") => Ok(Some(())),
            Err(error) => Err(Error::api("try the policy")(error)),
        }
    })
    .await
}

/// A manifest for a component in another namespace than kube-system.
pub(crate) fn moved(manifest: &str, namespace: &str) -> String {
    manifest.replace("namespace: kube-system", &format!("namespace: {namespace}"))
}

/// The manifests of the rights for a component in another namespace than kube-system. The ClusterRole is the same for
/// all, so only its binding gets a name of its own.
pub(crate) fn rights_in(namespace: &str) -> String {
    let rights = |document: &str| {
        let document = moved(document, namespace);
        if document.contains("kind: ClusterRoleBinding") && namespace != "kube-system" {
            let name = "\n  name: acr-credential-helper\n";
            document.replacen(name, &format!("\n  name: acr-credential-helper-{namespace}\n"), 1)
        } else {
            document
        }
    };
    RIGHTS.split("\n---\n").map(rights).collect::<Vec<_>>().join("\n---\n")
}

/// The rights of `pods: restart`, and the policy that goes with them.
pub(crate) fn pod_help() -> (String, String) {
    let (rights, policy): (Vec<&str>, Vec<&str>) =
        POD_HELP.split("\n---\n").partition(|document| document.contains("kind: ClusterRole"));
    (rights.join("\n---\n"), policy.join("\n---\n"))
}

/// A policy that has the webhook reached at a URL, as the chart does with `webhook.url`.
pub(crate) fn policy_with_url(policy: &str, url: &str) -> String {
    // The two lines that say which Service it is.
    let service = "w.?clientConfig.?service.?";
    let mut instead = Some(format!(
        "        w.?clientConfig.?url.orValue('') in ['{url}/serviceaccounts', '{url}/pods'] &&"
    ));
    let lines = policy.lines().filter_map(|line| match line.trim().strip_prefix(service) {
        None => Some(line.to_owned()),
        Some(_) => instead.take(),
    });
    lines.collect::<Vec<_>>().join("\n")
}
