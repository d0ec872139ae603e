//! What helps where the cluster or the node does not hand over what an identity needs.

use super::{Circumstances, general, key};
use crate::call::{CallFailure, FailureKind};

/// What is read in the cluster: files that are mounted, Secrets, tokens of the API server.
pub(super) fn handed_over(failure: &CallFailure, about: &Circumstances) -> Option<String> {
    if failure.kind == FailureKind::NoAnswer && is_local(failure.operation) {
        return Some(
            "it is tried again: look at the API server, and where a file is named, at whether the component's user may read it"
                .to_owned(),
        );
    }
    match failure.operation {
        "AddOnToken" => Some(add_on_token(failure, about)),
        "RegisteredKey" | "AccessKeySecret" | "StaticSecret" => Some(secret(failure, about)),
        "ServiceAccountToken" if failure.kind == FailureKind::Denied => Some(
            "project a token with audience sts.aliyuncs.com into the pod, or allow `create` on serviceaccounts/token of \
             the component's ServiceAccount; deploy/ does both"
                .to_owned(),
        ),
        "MetadataRegion" => Some(metadata(failure.kind, "give `regionId` (or --region)")),
        "MetadataRole" => Some(metadata(failure.kind, "give the entry RRSA or keys")),
        _ => None,
    }
}

fn is_local(operation: &str) -> bool {
    let local = ["AddOnToken", "RegisteredKey", "AccessKeySecret", "StaticSecret", "ServiceAccountToken"];
    local.contains(&operation)
}

/// The metadata service of the node, and the way out of what needs it.
fn metadata(kind: FailureKind, way_out: &str) -> String {
    match kind {
        FailureKind::Unreachable { .. } | FailureKind::NoAnswer => format!(
            "the metadata service answers on ECS instances only, and pods may have no route to 100.100.100.200: use \
             hostNetwork, or {way_out}"
        ),
        FailureKind::NotFound if way_out.contains("RRSA") => {
            format!("the node has no RAM role: attach the worker role to its ECS instance, or {way_out}")
        }
        FailureKind::Denied | FailureKind::CredentialsRefused => {
            format!("the instance refuses access to its metadata: allow it in the ECS console, or {way_out}")
        }
        _ => format!(
            "what answers at 100.100.100.200 does not answer as a metadata service: look at the node, or {way_out}"
        ),
    }
}

fn add_on_token(failure: &CallFailure, about: &Circumstances) -> String {
    match failure.kind {
        FailureKind::NotFound if failure.code.is_none() => {
            "ACK hands no add-on token to this component, so tokenMode managedRole cannot work; give the entry RRSA \
             (rrsaRoleARN, rrsaOIDCProviderRoleARN and `rrsa: enable: true`), or run with --token-mode workerRole and \
             grant the worker role cr:GetAuthorizationToken, cr:ListInstanceEndpoint and cr:PullRepository"
                .to_owned()
        }
        // Without a code it is the API server that refuses, not RAM.
        FailureKind::Denied if failure.code.is_none() => secret(failure, about),
        FailureKind::NotFound | FailureKind::Denied | FailureKind::CredentialsRefused => {
            "authorize ACK to use AliyunCSManagedAcrRole in the RAM console; its trust policy must name cs.aliyuncs.com"
                .to_owned()
        }
        FailureKind::Malformed => {
            "the document is written by ACK: if it stays like this, RRSA or workerRole is the way out".to_owned()
        }
        kind => general(kind),
    }
}

fn secret(failure: &CallFailure, about: &Circumstances) -> String {
    let (namespace, name) = about.secret.clone().unwrap_or_default();
    let holds_key = matches!(failure.operation, "AccessKeySecret" | "RegisteredKey");
    match failure.kind {
        FailureKind::Denied => format!(
            "allow it, by {} or: kubectl -n {namespace} create role acr-{name} --verb=get,list,watch --resource=secrets \
             --resource-name={name} && kubectl -n {namespace} create rolebinding acr-{name} --role=acr-{name} \
             --serviceaccount={}:aliyun-acr-credential-helper",
            chart_value(failure.operation, &namespace, &name),
            about.namespace
        ),
        FailureKind::NotFound | FailureKind::Malformed if holds_key => {
            // It is missed only where the key is that of a session.
            let token =
                if failure.message.ends_with("security-token") { " --from-file=security-token" } else { "" };
            format!(
                "kubectl -n {namespace} create secret generic {name} --from-file=access-key-id \
                 --from-file=access-key-secret{token}{}",
                replacing(failure.kind)
            )
        }
        FailureKind::NotFound | FailureKind::Malformed => {
            let each = match failure.kind {
                FailureKind::Malformed => "each host needs `username` and `password`, or `auth`: ",
                _ => "",
            };
            format!(
                "{each}kubectl -n {namespace} create secret docker-registry {name} --docker-server=… --docker-username=… \
                 --docker-password=…{}",
                replacing(failure.kind)
            )
        }
        kind => key(failure.code.as_deref().unwrap_or_default(), about).unwrap_or_else(|| general(kind)),
    }
}

/// What grants it in the values of the chart.
fn chart_value(operation: &str, namespace: &str, name: &str) -> String {
    match operation {
        "RegisteredKey" => "the chart's `credentials.registeredKey: read`".to_owned(),
        "AddOnToken" => "the chart's `credentials.addOnToken: read`".to_owned(),
        _ => format!("the chart's `secretReferences: [{{namespace: {namespace}, name: {name}}}]`"),
    }
}

/// What makes the command for a new Secret one for a Secret that is there.
fn replacing(kind: FailureKind) -> &'static str {
    if kind == FailureKind::Malformed { " --dry-run=client -o yaml | kubectl apply -f -" } else { "" }
}
