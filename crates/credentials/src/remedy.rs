//! What helps against a failure: the cloud's error, translated for the person who can mend it.
//!
//! Source of the codes: the pages that `acr-alibaba` names beside its table of them.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{Barrier, CallFailure, FailureKind};
use crate::host::region_of;

mod cluster;
mod sts;

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
    /// Whether that token was asked of the API server; else it is the projected one.
    pub token_is_requested: bool,
    /// Whether the key that signs is a session's.
    pub is_session: bool,
    /// `assumeRoleARN` of the entry.
    pub hop: Option<String>,
    /// Who said the region, as the entry or the program calls it.
    pub region_source: Option<&'static str>,
    /// The hosts that the entry names.
    pub domains: Vec<String>,
    /// Of an entry with several ids: the one that is given the domains that none of them is known to own.
    pub taker: Option<String>,
    /// Who asks, as the cloud names it: `acs:ram::<account>:role/<role>/<session>`, or the name of a role.
    pub principal: Option<String>,
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
    if let Some(remedy) = cluster::handed_over(failure, about) {
        return remedy;
    }
    match (failure.operation, failure.kind) {
        (_, FailureKind::Unreachable { at }) => unreachable(at),
        (_, FailureKind::Throttled { .. }) => {
            "it is tried again more slowly; look for other users of the account's quota".to_owned()
        }
        (_, FailureKind::ClockSkew) => {
            "set the clock of the node (NTP): the cloud takes time stamps within 15 minutes of its own"
                .to_owned()
        }
        ("AssumeRoleWithOIDC", kind) => sts::with_oidc(code, failure, about).unwrap_or_else(|| general(kind)),
        ("AssumeRole", kind) => sts::assume_role(code, failure, about).unwrap_or_else(|| general(kind)),
        (_, kind) => {
            key(code, about).or_else(|| registry(failure, code, about)).unwrap_or_else(|| general(kind))
        }
    }
}

fn unreachable(at: Barrier) -> String {
    match at {
        Barrier::NoEndpoint => {
            "no endpoint follows from this region: correct what names it, `regionId`, --region, ALIBABA_CLOUD_STS_REGION or \
             ALIBABA_CLOUD_REGION_ID, or set `endpoints`"
        }
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
fn key(code: &str, about: &Circumstances) -> Option<String> {
    let remedy = match code {
        "InvalidAccessKeyId.NotFound" | "InvalidAccessKeyId.Inactive" if about.is_session => {
            "it is the key of a session, which Alibaba Cloud does not know (any more): a session that the cloud hands out is \
             asked for anew; one that stands in a Secret is replaced there, all three values"
        }
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
            "the session has ended: a new one is asked for; if it stays, look at the expiry of what is handed over, or of \
             what stands in the Secret"
        }
        code if code.starts_with("InvalidSecurityToken") || code == "MissingSecurityToken" => {
            "the keys of a session (STS.…) need its security token: keys and token must be of one session, in a Secret as \
             access-key-id, access-key-secret and security-token"
        }
        code if code.starts_with("InvalidAccessKeyId") => "correct the AccessKey id",
        _ => return None,
    };
    Some(remedy.to_owned())
}

fn registry(failure: &CallFailure, code: &str, about: &Circumstances) -> Option<String> {
    if failure.kind == FailureKind::Denied && is_explicit(failure) {
        // What is denied in so many words is not mended by allowing it elsewhere.
        return Some(
            "a policy of the identity, or a control policy of its resource directory, denies it in so many words: take the \
             Deny out, an Allow does not outweigh it"
                .to_owned(),
        );
    }
    let instance = about.instance.as_deref().unwrap_or("*");
    let region = if about.region.is_empty() { "*" } else { &about.region };
    Some(match (failure.operation, failure.kind, code) {
        ("PersonalAuthorizationToken", FailureKind::NotFound, _) => format!(
            "nobody of this name has opened the Personal Edition in {region}: each RAM user opens it in the console by itself \
             and sets a registry password, the account's owner having done so is not enough; one that was opened after \
             2024-09-08 is of the new kind (crpi-…), which has no logins to hand out: give it an entry with staticSecretRef \
             and domains"
        ),
        ("PersonalAuthorizationToken", FailureKind::Denied, code) if code != "AUTHENTICATION_FAILED" => {
            let actions = ["cr:GetAuthorizationToken", "cr:PullRepository"];
            let allow = json!({ "Effect": "Allow", "Action": actions, "Resource": "*" });
            format!(
                "grant the identity {}; if it has that and is a role, give the entry the keys of a RAM user who has opened the \
                 Personal Edition: whether it hands out logins to roles is not documented",
                policy(&allow)
            )
        }
        (_, _, "AUTHENTICATION_FAILED") => {
            "this is how an instance of the new Personal Edition (crpi-…, opened after 2024-09-08) answers: ACR hands out \
             no logins for it; give it an entry with staticSecretRef and domains"
                .to_owned()
        }
        ("ListInstanceEndpoint", FailureKind::Denied, _) => {
            let resource = format!("acs:cr:{region}:*:instance/{instance}");
            let allow = json!({ "Effect": "Allow", "Action": "cr:ListInstanceEndpoint", "Resource": resource });
            let grant = policy(&allow);
            match &about.taker {
                Some(taker) if !about.domains.is_empty() => format!(
                    "a domain does not name its instance, so without it those that are not known to be another's all get the \
                     login of {taker}; grant {grant}, or give each id an entry with its own `domains`"
                ),
                Some(_) => format!(
                    "without it no domain of {instance} is known and none is served; grant {grant}, or give each id an entry \
                     with its own `domains`"
                ),
                None => format!(
                    "without it only the `domains` of the entry are served, and nothing compares them; grant {grant}"
                ),
            }
        }
        (_, FailureKind::Denied, _) => {
            let actions = ["cr:GetAuthorizationToken", "cr:ListInstanceEndpoint", "cr:PullRepository"];
            let allow = json!({ "Effect": "Allow", "Action": actions, "Resource": "*" });
            let way = match &about.hop {
                None => "set `assumeRoleARN` to a role of that account".to_owned(),
                Some(role) => format!(
                    "{role}, which `assumeRoleARN` names, is not of that account: name a role that is"
                ),
            };
            format!(
                "grant the identity {}; if it has that, {instance} belongs to another account than the identity, whose \
                 policies do not reach there: {way}",
                policy(&allow)
            )
        }
        (_, FailureKind::NotFound, _) => elsewhere(instance, region, about),
        _ => return None,
    })
}

/// The instance is not where it was asked for: the cloud does not tell an unknown one from one of another region.
fn elsewhere(instance: &str, region: &str, about: &Circumstances) -> String {
    let source =
        about.region_source.map_or_else(String::new, |source| format!(" (the region is by {source})"));
    let other =
        about.domains.iter().find_map(|host| Some((host, region_of(host).filter(|of| *of != region)?)));
    let hint = match other {
        Some((host, of)) => format!("{host} is a host of {of}: set `regionId: {of}`"),
        None => {
            "its page in the console of ACR names its region, and so do its hosts, NAME-registry.REGION.cr.aliyuncs.com: \
             correct `regionId` or `instanceId`"
                .to_owned()
        }
    };
    let way = match &about.hop {
        None => "for an instance of another account set `assumeRoleARN`".to_owned(),
        Some(role) => format!("`assumeRoleARN` must name a role of the instance's account, and names {role}"),
    };
    format!(
        "Container Registry knows no instance {instance} in {region}{source}: it is unknown, in another region, or of another \
         account; {hint}; {way}"
    )
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

/// Whether a policy denies it, where none allows it otherwise.
fn is_explicit(failure: &CallFailure) -> bool {
    detail(failure, "NoPermissionType") == Some("ExplicitDeny")
}

/// A member of the cloud's `AccessDeniedDetail`, which stands at the end of the message.
fn detail<'a>(failure: &'a CallFailure, member: &str) -> Option<&'a str> {
    let (_, rest) = failure.message.split_once(&format!("{member} "))?;
    rest.split([',', ')']).next()
}

fn policy(statement: &Value) -> String {
    json!({ "Version": "1", "Statement": [statement] }).to_string()
}

#[cfg(test)]
mod tests;
