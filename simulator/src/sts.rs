//! Security Token Service, version 2015-04-01: `AssumeRoleWithOIDC`, and what all its operations share.

mod assume_role;
mod caller_identity;

pub(crate) use assume_role::assume_role;
pub(crate) use caller_identity::get_caller_identity;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::answer::{ApiError, Denied};
use crate::description::{Account, Decision, IssuerCertificate, OidcProvider, Policy, Principal};
use crate::oidc::{self, Claims, Unverified};
use crate::operations::Call;
use crate::parameters::Parameters;
use crate::ram;
use crate::sealed::Session;
use crate::world::World;

/// Shortest session in seconds.
const MIN_DURATION: u32 = 900;
/// Duration of a session when none is asked for.
const DEFAULT_DURATION: u32 = 3600;
/// Longest session policy in bytes.
const MAX_POLICY: usize = 2048;

/// Exchanges a token of an OIDC provider for a session of a role that trusts it.
pub(crate) fn assume_role_with_oidc(world: &mut World, call: &Call<'_>) -> Result<Value, ApiError> {
    let parameters = call.parameters;
    let session_name = session_name(parameters)?;
    let role_arn = parameters.get("RoleArn").ok_or_else(|| ApiError::missing("RoleArn"))?;
    let Some((account_id, role_name)) = parse_arn(role_arn, "role") else {
        return Err(malformed("RoleArn"));
    };
    let duration = duration(parameters)?;
    let policy = session_policy(parameters)?;
    let provider_arn = parameters.get("OIDCProviderArn").unwrap_or_default();
    let description = world.description.clone();
    let provider = find_provider(&description.accounts, provider_arn)?;
    let token = parameters.get("OIDCToken").unwrap_or_default();
    let claims = verify_token(world, provider_arn, provider, token, call.now)?;

    let Some(role) = description.find_role(account_id, role_name) else {
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            "EntityNotExist.Role",
            format!("The role not exists: {role_arn}. "),
        ));
    };
    let audiences: Vec<&str> = claims.aud.0.iter().map(String::as_str).collect();
    let (issuer, subject) = ([claims.iss.as_str()], [claims.sub.as_str()]);
    let context = [
        ("oidc:iss", issuer.as_slice()),
        ("oidc:sub", subject.as_slice()),
        ("oidc:aud", audiences.as_slice()),
    ];
    let decision = role.trust_policy.decide(Principal::Federated(provider_arn), &context);
    if decision != Decision::Allow {
        let mut error = oidc::refuse("AuthenticationFail.NoPermission", "There is no permission");
        error.denied = Some(Box::new(Denied {
            action: "sts:AssumeRole",
            explicit: decision == Decision::ExplicitDeny,
            policy_type: "AssumeRolePolicy",
            principal: None,
        }));
        return Err(error);
    }
    let duration = duration.unwrap_or(DEFAULT_DURATION);
    if duration > role.max_session_seconds {
        return Err(wrong_duration());
    }
    let session = Session {
        account: account_id.to_owned(),
        role: role_name.to_owned(),
        name: session_name.to_owned(),
        expires: call.now.as_second().saturating_add(i64::from(duration)),
        serial: 0,
        policy,
    };
    // The documented example has the bare id of the role here, without the session name that AssumeRole appends.
    let assumed_role_id = ram::role_id(&world.sealer, account_id, role_name);
    let mut answer = session_answer(world, &assumed_role_id, session);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("OIDCTokenInfo".to_owned(), token_info(&claims));
    }
    Ok(answer)
}

/// `AssumedRoleUser` and `Credentials` of a new session.
fn session_answer(world: &mut World, assumed_role_id: &str, session: Session) -> Value {
    let arn = format!("acs:ram::{}:role/{}/{}", session.account, session.role, session.name);
    let expiration = second(session.expires);
    let credentials = world.new_session(session);
    json!({
        "AssumedRoleUser": { "AssumedRoleId": assumed_role_id, "Arn": arn },
        "Credentials": {
            "AccessKeyId": credentials.access_key_id,
            "AccessKeySecret": credentials.access_key_secret,
            "SecurityToken": credentials.security_token,
            "Expiration": expiration,
        },
    })
}

fn token_info(claims: &Claims) -> Value {
    json!({
        "Subject": claims.sub,
        "Issuer": claims.iss,
        "ClientIds": claims.aud.0.join(","),
        "ExpirationTime": second(claims.exp),
        "IssuanceTime": claims.iat.map(second),
        "VerificationInfo": "Success",
    })
}

/// A time in whole seconds as the API writes it, `2015-04-09T11:52:19Z`.
pub(crate) fn second(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).to_string()
}

fn find_provider<'a>(accounts: &'a [Account], arn: &str) -> Result<&'a OidcProvider, ApiError> {
    let no_permission = |message| oidc::refuse("AuthenticationFail.NoPermission", message);
    let Some((account, name)) = parse_arn(arn, "oidc-provider") else {
        return Err(no_permission("Parameter OIDCProviderArn is not valid"));
    };
    accounts
        .iter()
        .filter(|candidate| candidate.id == account)
        .flat_map(|account| &account.oidc_providers)
        .find(|provider| provider.name == name)
        .ok_or_else(|| no_permission("No such OIDC Provider registered."))
}

fn verify_token(
    world: &World,
    provider_arn: &str,
    provider: &OidcProvider,
    token: &str,
    now: Timestamp,
) -> Result<Claims, ApiError> {
    if token.is_empty() {
        return Err(oidc::refuse("AuthenticationFail.OIDCToken.Invalid", "The OIDCToken can not empty."));
    }
    if !(4..=20_000).contains(&token.len()) {
        return Err(oidc::refuse("AuthenticationFail.OIDCToken.Invalid", "content cannot be recognized"));
    }
    let unverified = Unverified::parse(token)?;
    if unverified.claims.iss != provider.issuer {
        return Err(oidc::refuse(
            "AuthenticationFail.OIDCToken.IssuerNotMatch",
            "The issuer in the OIDC Token doesn't match the OIDC Provider registered.",
        ));
    }
    // Which of these comes first where several are wrong is not documented; a certificate is seen before any key.
    match provider.issuer_certificate {
        IssuerCertificate::Trusted => {}
        IssuerCertificate::UnknownAuthority => {
            return Err(oidc::refuse(
                "AuthenticationFail.OIDCToken.HttpsUrlInvalid",
                "The certificate chain of the issuer is invalid: its root CA is not in the whitelist.",
            ));
        }
        IssuerCertificate::OtherFingerprint => {
            return Err(oidc::refuse(
                "AuthenticationFail.OIDCToken.PublicKeyFingerprintMismatch",
                "The fingerprint of the issuer's certificate is none of the OIDC Provider registered.",
            ));
        }
    }
    let Some(keys) = world.issuer_keys.get(provider_arn) else {
        return Err(oidc::refuse(
            "AuthenticationFail.OIDCToken.IssuerConfigurationBroken",
            format!("Get public keys from OIDC Provider failed, the issuer is {}", provider.issuer),
        ));
    };
    unverified.verify(keys, &provider.client_ids, now)
}

/// Account and name of `acs:ram::<account>:<kind>/<name>`.
pub(crate) fn parse_arn<'a>(arn: &'a str, kind: &str) -> Option<(&'a str, &'a str)> {
    let (account, resource) = arn.strip_prefix("acs:ram::")?.split_once(':')?;
    let name = resource.strip_prefix(kind)?.strip_prefix('/')?;
    let well_formed = !account.is_empty()
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".@-_".contains(&byte));
    well_formed.then_some((account, name))
}

fn session_name(parameters: &Parameters) -> Result<&str, ApiError> {
    let name = parameters.get("RoleSessionName").ok_or_else(|| ApiError::missing("RoleSessionName"))?;
    let well_formed = (2..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".@-_".contains(&byte));
    if well_formed { Ok(name) } else { Err(malformed("RoleSessionName")) }
}

/// The asked duration in seconds, checked against the lower limit; the upper one is the role's.
fn duration(parameters: &Parameters) -> Result<Option<u32>, ApiError> {
    let Some(text) = parameters.get("DurationSeconds") else { return Ok(None) };
    match text.parse() {
        Ok(seconds) if seconds >= MIN_DURATION => Ok(Some(seconds)),
        _ => Err(wrong_duration()),
    }
}

fn session_policy(parameters: &Parameters) -> Result<Option<Policy>, ApiError> {
    let Some(text) = parameters.get("Policy") else { return Ok(None) };
    if text.len() > MAX_POLICY {
        return Err(ApiError::bad_request(
            "InvalidParameter.PolicySize",
            "The size of policy must be smaller than 2048 bytes.",
        ));
    }
    serde_json::from_str(text).map(Some).map_err(|_| {
        ApiError::bad_request(
            "InvalidParameter.PolicyGrammar",
            "The parameter Policy has not passed grammar check.",
        )
    })
}

fn malformed(parameter: &str) -> ApiError {
    ApiError::bad_request(
        format!("InvalidParameter.{parameter}"),
        format!("The parameter {parameter} is wrongly formed."),
    )
}

/// The text is fixed, whatever the maximum of the role.
fn wrong_duration() -> ApiError {
    ApiError::bad_request(
        "InvalidParameter.DurationSeconds",
        "The Min/Max value of DurationSeconds is 15min/1hr.",
    )
}
