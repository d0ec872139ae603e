//! What helps where STS refuses a session: which claim of the token, which policy, or which role.

use serde_json::{Value, json};

use super::{Circumstances, TokenClaims, detail, is_explicit, key, policy};
use crate::call::{CallFailure, FailureKind};

/// The audience that the documented trust policy asks for, and that every token for STS must have.
const AUDIENCE: &str = "sts.aliyuncs.com";
/// `PolicyType` of a refusal by the trust policy of a role.
const TRUST_POLICY: &str = "AssumeRolePolicy";
/// The subject that the documented trust policy asks for.
const SUBJECT: &str = "system:serviceaccount:kube-system:aliyun-acr-credential-helper";

pub(super) fn with_oidc(code: &str, failure: &CallFailure, about: &Circumstances) -> Option<String> {
    let role = about.role_arn.as_deref().unwrap_or("the role");
    let provider = about.provider_arn.as_deref().unwrap_or("the OIDC provider");
    let says = says(about.token.as_ref());
    if let Some(reason) = code.strip_prefix("AuthenticationFail.OIDCToken.") {
        return Some(refused_token(reason, provider, &says, about));
    }
    Some(match (failure.kind, code) {
        (FailureKind::NotFound, "EntityNotExist.Role") => {
            format!("there is no role {role}: correct rrsaRoleARN, or create the role")
        }
        (FailureKind::NotFound, _) => no_provider(provider),
        (FailureKind::Denied, _) if is_explicit(failure) => format!(
            "the trust policy of {role} denies sts:AssumeRole to the component in so many words{says}: take the Deny out, an \
             Allow does not outweigh it"
        ),
        (FailureKind::Denied, _) => match detail(failure, "PolicyType") {
            Some(kind) if kind != TRUST_POLICY => format!(
                "a policy of the type {kind} does not let the component become {role}: it is not the trust policy of the role; \
                 look at what the resource directory and the account allow for sts:AssumeRole"
            ),
            _ => distrusted(role, provider, &says, about.token.as_ref()),
        },
        (FailureKind::InvalidRequest, _) if code.contains("DurationSeconds") => format!(
            "the session is asked for {} s, which the role does not admit: raise the maximum session duration of {role}",
            about.duration_seconds.unwrap_or_default()
        ),
        _ => return None,
    })
}

fn no_provider(provider: &str) -> String {
    format!(
        "there is no provider {provider}: enable RRSA for the cluster, and copy rrsaOIDCProviderRoleARN from its console page"
    )
}

/// The provider does not take the token, whatever the role.
fn refused_token(reason: &str, provider: &str, says: &str, about: &Circumstances) -> String {
    match reason {
        "AudienceNotMatch" if about.token.as_ref().is_some_and(|token| !token.is_for_sts()) => format!(
            "the audience does not fit{says}: the token must be projected with audience {AUDIENCE}, as deploy/ does"
        ),
        "AudienceNotMatch" => {
            format!("the audience does not fit{says}: add {AUDIENCE} to the client ids of {provider}")
        }
        "IssuerNotMatch" => format!(
            "the issuer does not fit{says}: {provider} must be the provider of this cluster, as the console shows it where \
             RRSA is enabled"
        ),
        "Expired" if about.token_is_requested => {
            "the API server made the token a moment before and gave it an hour: its clock is behind by more than that, so set \
             the clock of the control plane (NTP)"
                .to_owned()
        }
        "Expired" => {
            "the projected token has expired: the kubelet renews it, so look at the node, and at its clock"
                .to_owned()
        }
        "InvalidSignature" => format!(
            "{provider} does not know the key that signs this cluster's tokens{says}: it must be the provider of this cluster"
        ),
        "PublicKeyFingerprintMismatch" | "HttpsUrlInvalid" => format!(
            "the certificate of the issuer is not one that {provider} trusts{says}: renew the fingerprints of the provider, \
             or enable RRSA for the cluster again"
        ),
        "IssuerConfigurationBroken" => format!(
            "STS cannot get the keys of the issuer{says}: its URL must answer on the internet with \
             /.well-known/openid-configuration"
        ),
        _ if about.token_is_requested => format!(
            "what the API server hands out is no token that STS can read{says}: look at --service-account-issuer and \
             --service-account-signing-key-file of the API server (STS takes RS256)"
        ),
        _ => format!(
            "what was presented is no token that STS can read{says}: look at the file of --token-file, or remove it, so that \
             the API server is asked for one"
        ),
    }
}

fn says(token: Option<&TokenClaims>) -> String {
    token.map_or_else(String::new, |token| {
        format!(
            " (the token says iss {}, aud {}, sub {})",
            token.issuer,
            token.audiences.join(" "),
            token.subject
        )
    })
}

/// Which claim it is, as far as that can be known, where the trust policy has refused. One code stands for its Principal and
/// each of its conditions, and no answer names the one: what is known, what is likely, and where to look are said apart.
fn distrusted(role: &str, provider: &str, says: &str, token: Option<&TokenClaims>) -> String {
    let known = "STS has codes of its own for an issuer or audience that the provider does not know, and this is \
                 none of them";
    let likely = match token {
        None => "oidc:sub, or the provider in Principal".to_owned(),
        Some(token) if !token.is_for_sts() => {
            format!("oidc:aud, for the documented policy asks for {AUDIENCE}, which the token has not")
        }
        Some(token) if token.subject != SUBJECT => {
            format!("oidc:sub, for the documented policy names {SUBJECT}, and the token another ServiceAccount")
        }
        Some(_) => "a policy that was made for another cluster (its provider in Principal, its oidc:iss) or for another \
                    ServiceAccount (oidc:sub)"
            .to_owned(),
    };
    let name = role.rsplit_once('/').map_or(role, |(_, name)| name);
    format!(
        "the trust policy of {role} does not admit the component; known: {known}{says}; not told by the cloud: which of the \
         policy's Principal, oidc:iss, oidc:aud and oidc:sub does not fit; likely: {likely}; to find out, compare the \
         AssumeRolePolicyDocument of `aliyun ram GetRole --RoleName {name}`, which must hold {}",
        trust_of_provider(provider, token)
    )
}

impl TokenClaims {
    fn is_for_sts(&self) -> bool {
        self.audiences.iter().any(|audience| audience == AUDIENCE)
    }
}

pub(super) fn assume_role(code: &str, failure: &CallFailure, about: &Circumstances) -> Option<String> {
    let role = about.role_arn.as_deref().unwrap_or("the role");
    if failure.message.contains("root account")
        || about.principal.as_deref().is_some_and(|asker| asker.ends_with(":root"))
    {
        return Some(
            "the key of an account's owner can assume no role: use the key of a RAM user".to_owned(),
        );
    }
    Some(match (failure.kind, code) {
        (FailureKind::NotFound, _) => {
            format!("there is no role {role}: correct assumeRoleARN, or create the role")
        }
        (FailureKind::Denied, _) => denied_hop(role, failure, about),
        (FailureKind::InvalidRequest, code) if code.contains("DurationSeconds") => {
            let asked = about.duration_seconds.map_or_else(String::new, |seconds| format!(" of {seconds} s"));
            format!(
                "a session{asked} is longer than the role admits: lower `expireDuration`, or raise the maximum session \
                 duration of {role}"
            )
        }
        (FailureKind::InvalidRequest, code) if code.contains("ExternalId") => {
            format!(
                "correct `externalId`: it is the one that the trust policy of {role} asks for, 2 to 1224 characters"
            )
        }
        _ => return key(code, about),
    })
}

/// One code for two policies; where the cloud tells the type of the policy, it tells which.
fn denied_hop(role: &str, failure: &CallFailure, about: &Circumstances) -> String {
    let allow = json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role });
    let permission =
        format!("the asker may not assume {role}: attach AliyunSTSAssumeRoleAccess, or {}", policy(&allow));
    let id = match about.external_id {
        None => "; if that asks for an sts:ExternalId, give the entry `externalId`",
        Some(_) => "",
    };
    let trust = format!(
        "the trust policy of {role} does not admit the asker: it must hold {}{id}",
        trust_of_account(about, detail(failure, "AuthPrincipalOwnerId"))
    );
    let told = detail(failure, "PolicyType").map(|kind| kind == TRUST_POLICY);
    // What is denied in so many words is not mended by allowing it elsewhere.
    if is_explicit(failure) {
        let place = match told {
            Some(true) => format!("the trust policy of {role}"),
            _ => "a policy of the asker, or a control policy of its resource directory,".to_owned(),
        };
        return format!(
            "{place} denies sts:AssumeRole in so many words: take the Deny out, an Allow does not outweigh it"
        );
    }
    match told {
        Some(true) => trust,
        Some(false) => permission,
        None => format!("either {permission}; or {trust}"),
    }
}

/// The statement by which a role admits the component's ServiceAccount.
fn trust_of_provider(provider: &str, token: Option<&TokenClaims>) -> Value {
    let (issuer, subject) = match token {
        Some(token) => (token.issuer.as_str(), token.subject.as_str()),
        None => ("<issuer of the cluster>", SUBJECT),
    };
    let equals = json!({ "oidc:aud": AUDIENCE, "oidc:iss": issuer, "oidc:sub": subject });
    json!({
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": { "Federated": [provider] },
        "Condition": { "StringEquals": equals },
    })
}

/// The statement by which a role admits the asker: its role where that is known, else its account.
fn trust_of_account(about: &Circumstances, account: Option<&str>) -> Value {
    let asker = about.principal.as_deref();
    let role = asker.and_then(role_of_session);
    let principal = role.unwrap_or_else(|| {
        let account = account.or(asker.and_then(account_of)).or(about.account.as_deref());
        let account = account.unwrap_or("<account of the asker>");
        format!("acs:ram::{account}:root")
    });
    let mut statement = json!({
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": { "RAM": [principal] },
    });
    if let (Some(id), Some(members)) = (&about.external_id, statement.as_object_mut()) {
        members.insert("Condition".to_owned(), json!({ "StringEquals": { "sts:ExternalId": id } }));
    }
    statement
}

/// The account of `acs:ram::<account>:user/<name>`.
fn account_of(principal: &str) -> Option<&str> {
    let (account, _) = principal.strip_prefix("acs:ram::")?.split_once(':')?;
    Some(account).filter(|account| !account.is_empty())
}

/// `acs:ram::<account>:role/<role>` of `acs:ram::<account>:role/<role>/<session>`, which some answers spell `assumed-role`.
fn role_of_session(principal: &str) -> Option<String> {
    let (account, role) =
        principal.split_once(":role/").or_else(|| principal.split_once(":assumed-role/"))?;
    let role = role.split('/').next().filter(|role| !role.is_empty())?;
    account.starts_with("acs:ram::").then(|| format!("{account}:role/{role}"))
}
