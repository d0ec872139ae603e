//! What helps against a failure: the cloud's error, translated for the person who can mend it.
//!
//! Source of the codes: the pages that `acr-alibaba` names beside its table of them.

use std::fmt::Write as _;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{Barrier, CallFailure, FailureKind};

/// What was asked when the failure came, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// The region of the endpoint.
    pub region: String,
    /// `cri-…`.
    pub instance: Option<String>,
    /// The role that was to be assumed.
    pub role_arn: Option<String>,
    /// The OIDC provider of RRSA.
    pub provider_arn: Option<String>,
    /// The external id that was sent.
    pub external_id: Option<String>,
    /// The life of the session that was asked for, in seconds.
    pub duration_seconds: Option<u32>,
    /// What the ServiceAccount token says about itself.
    pub token: Option<TokenClaims>,
    /// The account of who asks.
    pub account: Option<String>,
    /// The Secret that was to be read: namespace and name.
    pub secret: Option<(String, String)>,
    /// The namespace of the component.
    pub namespace: String,
}

/// The claims of a ServiceAccount token that trust policies look at; none of them is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenClaims {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `aud`.
    pub audiences: Vec<String>,
}

impl TokenClaims {
    /// Reads the claims of a token (RFC 7519, section 4.1) without checking its signature.
    pub fn of(token: &SecretString) -> Option<Self> {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;

        #[derive(Deserialize)]
        struct Claims {
            iss: String,
            sub: String,
            aud: Value,
        }
        let payload = token.expose_secret().split('.').nth(1)?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let audiences = match claims.aud {
            Value::String(audience) => vec![audience],
            Value::Array(several) => {
                several.iter().filter_map(|audience| audience.as_str().map(str::to_owned)).collect()
            }
            _ => return None,
        };
        Some(Self { issuer: claims.iss, subject: claims.sub, audiences })
    }
}

/// What the person who reads of `failure` can do about it.
pub fn remedy(failure: &CallFailure, about: &Circumstances) -> String {
    let code = failure.code.as_deref().unwrap_or_default();
    match (failure.operation, failure.kind) {
        (_, FailureKind::Unreachable { at }) => unreachable(failure.operation, at),
        (_, FailureKind::Throttled { .. }) => {
            "it is tried again more slowly; look for other users of the account's quota".to_owned()
        }
        (_, FailureKind::ClockSkew) => {
            "set the clock of the node (NTP): the cloud takes time stamps within 15 minutes of its own".to_owned()
        }
        ("AddOnToken", kind) => add_on_token(kind),
        ("AccessKeySecret" | "StaticSecret", kind) => secret(failure.operation, kind, about),
        ("ServiceAccountToken", FailureKind::Denied) => {
            "project a token with audience sts.aliyuncs.com into the pod, or allow `create` on serviceaccounts/token of \
             the component's ServiceAccount; deploy/ does both"
                .to_owned()
        }
        ("MetadataRole", FailureKind::NotFound) => {
            "the node has no RAM role: attach the worker role to its ECS instance, or give the entry RRSA or keys".to_owned()
        }
        ("AssumeRoleWithOIDC", _) => with_oidc(code, failure, about).unwrap_or_else(|| general(failure.kind)),
        ("AssumeRole", _) => assume_role(code, failure, about).unwrap_or_else(|| general(failure.kind)),
        _ => key(code).or_else(|| registry(failure, code, about)).unwrap_or_else(|| general(failure.kind)),
    }
}

fn unreachable(operation: &str, at: Barrier) -> String {
    if operation.starts_with("Metadata") {
        return "the metadata service answers on ECS instances only, and pods may have no route to 100.100.100.200: use \
                hostNetwork, or give `regionId` (or --region) and an identity of its own to the entry"
            .to_owned();
    }
    match at {
        Barrier::NoEndpoint => "correct `regionId`, or set `endpoints`",
        Barrier::Name => {
            "check the cluster's DNS; a VPC name resolves in its region only: set `endpoint: public` for the entry where \
             the cluster has a way out, or `endpoints`"
        }
        Barrier::Connection => {
            "check routes, security groups and the network policy (TCP 443), or set HTTPS_PROXY, `endpoint` or `endpoints`"
        }
        Barrier::Certificate => {
            "something between here and Alibaba Cloud answers with a certificate of its own: give its authority with \
             --extra-ca, or let the component through"
        }
        Barrier::Proxy => "check HTTPS_PROXY and NO_PROXY, the credential in them, and what the proxy lets through",
    }
    .to_owned()
}

/// Keys and signatures, whichever product refuses them.
fn key(code: &str) -> Option<String> {
    let remedy = match code {
        "InvalidAccessKeyId.NotFound" => {
            "the AccessKey id is not known to Alibaba Cloud: correct it, or create a key for the RAM user"
        }
        "InvalidAccessKeyId.Inactive" => {
            "the AccessKey is disabled: enable it in the RAM console, or use another one"
        }
        "SignatureDoesNotMatch" | "IncompleteSignature" => {
            "the AccessKey secret does not belong to the AccessKey id: copy both again"
        }
        "InvalidSecurityToken.Expired" => {
            "the session has ended: a new one is asked for; if it stays, look at the expiry of what is handed over"
        }
        code if code.starts_with("InvalidSecurityToken") || code == "MissingSecurityToken" => {
            "the keys of a session need its security token: keys and token must be of one session"
        }
        code if code.starts_with("InvalidAccessKeyId") => "correct the AccessKey id",
        _ => return None,
    };
    Some(remedy.to_owned())
}

fn with_oidc(code: &str, failure: &CallFailure, about: &Circumstances) -> Option<String> {
    let role = about.role_arn.as_deref().unwrap_or("the role");
    let provider = about.provider_arn.as_deref().unwrap_or("the OIDC provider");
    let says = about.token.as_ref().map_or_else(String::new, |token| {
        format!(
            " (the token says iss {}, aud {}, sub {})",
            token.issuer,
            token.audiences.join(" "),
            token.subject
        )
    });
    Some(match (failure.kind, code) {
        (_, "AuthenticationFail.OIDCToken.AudienceNotMatch") => {
            format!("the audience does not fit{says}: add sts.aliyuncs.com to the client ids of {provider}")
        }
        (_, "AuthenticationFail.OIDCToken.IssuerNotMatch") => format!(
            "the issuer does not fit{says}: {provider} must be the provider of this cluster, as the console shows it \
             where RRSA is enabled"
        ),
        (_, "AuthenticationFail.OIDCToken.Expired") => {
            "the projected token has expired: the kubelet renews it, so look at the node, and at its clock"
                .to_owned()
        }
        (_, code) if code.starts_with("AuthenticationFail.OIDCToken.") => format!(
            "{provider} does not know the key that signs this cluster's tokens{says}: it must be the provider of this \
             cluster"
        ),
        (FailureKind::NotFound, "EntityNotExist.Role") => {
            format!("there is no role {role}: correct rrsaRoleARN, or create the role")
        }
        (FailureKind::NotFound, _) => format!(
            "there is no provider {provider}: enable RRSA for the cluster, and copy rrsaOIDCProviderRoleARN from its \
             console page"
        ),
        (FailureKind::Denied, _) => {
            let mut text = format!("the trust policy of {role} does not admit the component{says}; ");
            let _ = write!(text, "it must hold {}", trust_of_provider(provider, about.token.as_ref()));
            text
        }
        (FailureKind::InvalidRequest, _) if code.contains("DurationSeconds") => too_long(about),
        _ => return None,
    })
}

fn assume_role(code: &str, failure: &CallFailure, about: &Circumstances) -> Option<String> {
    let role = about.role_arn.as_deref().unwrap_or("the role");
    if failure.message.contains("root account") {
        return Some(
            "the key of an account's owner can assume no role: use the key of a RAM user".to_owned(),
        );
    }
    Some(match (failure.kind, code) {
        (FailureKind::NotFound, _) => {
            format!("there is no role {role}: correct assumeRoleARN, or create the role")
        }
        (FailureKind::Denied, _) => {
            let allow = json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role });
            format!(
                "either the asker may not assume {role}: attach AliyunSTSAssumeRoleAccess, or {}; or the trust policy of \
                 {role} does not admit it: it must hold {}",
                policy(&allow),
                trust_of_account(about)
            )
        }
        (FailureKind::InvalidRequest, code) if code.contains("DurationSeconds") => too_long(about),
        (FailureKind::InvalidRequest, code) if code.contains("ExternalId") => {
            "correct `externalId`".to_owned()
        }
        _ => return key(code),
    })
}

fn too_long(about: &Circumstances) -> String {
    let asked = about.duration_seconds.map_or_else(String::new, |seconds| format!(" of {seconds} s"));
    format!(
        "a session{asked} is longer than the role admits: lower `expireDuration`, or raise the maximum session duration of \
         {}",
        about.role_arn.as_deref().unwrap_or("the role")
    )
}

fn registry(failure: &CallFailure, code: &str, about: &Circumstances) -> Option<String> {
    let instance = about.instance.as_deref().unwrap_or("*");
    let region = if about.region.is_empty() { "*" } else { &about.region };
    Some(match (failure.operation, failure.kind, code) {
        ("PersonalAuthorizationToken", FailureKind::NotFound, _) => format!(
            "the account has no Personal Edition in {region} for which ACR hands out logins; one that was opened after \
             2024-09-08 is of the new kind (crpi-…), which has none: give it an entry with staticSecretRef and domains"
        ),
        (_, _, "AUTHENTICATION_FAILED") => {
            "this is how an instance of the new Personal Edition (crpi-…, opened after 2024-09-08) answers: ACR hands out \
             no logins for it; give it an entry with staticSecretRef and domains"
                .to_owned()
        }
        ("ListInstanceEndpoint", FailureKind::Denied, _) => {
            let resource = format!("acs:cr:{region}:*:instance/{instance}");
            let allow = json!({ "Effect": "Allow", "Action": "cr:ListInstanceEndpoint", "Resource": resource });
            format!(
                "without it only the `domains` of the entry are served, and nothing compares them; grant {}",
                policy(&allow)
            )
        }
        (_, FailureKind::Denied, _) => {
            let actions = ["cr:GetAuthorizationToken", "cr:ListInstanceEndpoint", "cr:PullRepository"];
            let allow = json!({ "Effect": "Allow", "Action": actions, "Resource": "*" });
            format!("grant the identity {}", policy(&allow))
        }
        (_, FailureKind::NotFound, _) => format!(
            "there is no instance {instance} in {region}: check instanceId and regionId, and whose account the instance is \
             of (assumeRoleARN)"
        ),
        _ => return None,
    })
}

fn add_on_token(kind: FailureKind) -> String {
    match kind {
        FailureKind::NotFound => {
            "ACK hands no add-on token to this component, so tokenMode managedRole cannot work; give the entry RRSA \
             (rrsaRoleARN, rrsaOIDCProviderRoleARN and `rrsa: enable: true`), or run with --token-mode workerRole and \
             grant the worker role cr:GetAuthorizationToken, cr:ListInstanceEndpoint and cr:PullRepository"
                .to_owned()
        }
        FailureKind::Denied | FailureKind::CredentialsRefused => {
            "authorize ACK to use AliyunCSManagedAcrRole in the RAM console; its trust policy must name cs.aliyuncs.com"
                .to_owned()
        }
        FailureKind::Malformed => {
            "the document is written by ACK: if it stays like this, RRSA or workerRole is the way out".to_owned()
        }
        kind => general(kind),
    }
}

fn secret(operation: &str, kind: FailureKind, about: &Circumstances) -> String {
    let (namespace, name) = about.secret.clone().unwrap_or_default();
    match kind {
        FailureKind::Denied => format!(
            "allow it: kubectl -n {namespace} create role acr-{name} --verb=get,list,watch --resource=secrets \
             --resource-name={name} && kubectl -n {namespace} create rolebinding acr-{name} --role=acr-{name} \
             --serviceaccount={}:aliyun-acr-credential-helper",
            about.namespace
        ),
        FailureKind::NotFound | FailureKind::Malformed if operation == "AccessKeySecret" => format!(
            "kubectl -n {namespace} create secret generic {name} --from-file=access-key-id --from-file=access-key-secret"
        ),
        FailureKind::NotFound | FailureKind::Malformed => format!(
            "kubectl -n {namespace} create secret docker-registry {name} --docker-server=… --docker-username=… \
             --docker-password=…"
        ),
        kind => general(kind),
    }
}

fn general(kind: FailureKind) -> String {
    match kind {
        FailureKind::NoAnswer | FailureKind::Server => {
            "it is tried again; see the status page of Alibaba Cloud"
        }
        FailureKind::CredentialsRefused => {
            "check the AccessKey pair, or the role that the session belongs to"
        }
        FailureKind::Denied => "check what the identity may do",
        FailureKind::NotFound => "check what the entry names",
        FailureKind::InvalidRequest => "check the values of the entry",
        _ => "it is tried again; if it stays, something between here and Alibaba Cloud answers",
    }
    .to_owned()
}

fn policy(statement: &Value) -> String {
    json!({ "Version": "1", "Statement": [statement] }).to_string()
}

/// The statement by which a role admits the component's ServiceAccount.
fn trust_of_provider(provider: &str, token: Option<&TokenClaims>) -> Value {
    let (issuer, subject) = match token {
        Some(token) => (token.issuer.as_str(), token.subject.as_str()),
        None => ("<issuer of the cluster>", "system:serviceaccount:kube-system:aliyun-acr-credential-helper"),
    };
    let equals = json!({ "oidc:aud": "sts.aliyuncs.com", "oidc:iss": issuer, "oidc:sub": subject });
    json!({
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": { "Federated": [provider] },
        "Condition": { "StringEquals": equals },
    })
}

/// The statement by which a role admits identities of the asker's account.
fn trust_of_account(about: &Circumstances) -> Value {
    let account = about.account.as_deref().unwrap_or("<account of the asker>");
    let mut statement = json!({
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": { "RAM": [format!("acs:ram::{account}:root")] },
    });
    if let (Some(id), Some(members)) = (&about.external_id, statement.as_object_mut()) {
        members.insert("Condition".to_owned(), json!({ "StringEquals": { "sts:ExternalId": id } }));
    }
    statement
}

#[cfg(test)]
mod tests;
