//! `AssumeRole`: a RAM user or a session of a role becomes a role that trusts it.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    DEFAULT_DURATION, duration, malformed, parse_arn, session_answer, session_name, session_policy,
    wrong_duration,
};
use crate::answer::{ApiError, Denied};
use crate::description::{Decision, Principal};
use crate::operations::Call;
use crate::parameters::Parameters;
use crate::ram::{self, Caller};
use crate::sealed::Session;
use crate::world::World;

/// The action that the caller's policies must permit on the ARN of the role, and its trust policy to the caller.
const ACTION: &str = "sts:AssumeRole";

/// Exchanges the keys of a RAM user or of a session for a session of a role.
pub(crate) fn assume_role(world: &mut World, call: &Call<'_>) -> Result<Value, ApiError> {
    let parameters = call.parameters;
    let role_arn = parameters.get("RoleArn").ok_or_else(|| ApiError::missing("RoleArn"))?;
    let Some((account_id, role_name)) = parse_arn(role_arn, "role") else {
        return Err(malformed("RoleArn"));
    };
    let session_name = session_name(parameters)?;
    let duration = duration(parameters)?;
    let policy = session_policy(parameters)?;
    let external_id = restricted(parameters, "ExternalId", 1224, b"_+=,.@:/-")?;
    // `:` is no character of an identity, so the reserved beginnings (`acs:`, `aliyun:`, …) need no check of their own.
    let source_identity = restricted(parameters, "SourceIdentity", 64, b"_+=,.@-")?;
    let caller = call.caller.ok_or_else(not_authorized)?;
    if let Caller::Root { .. } = caller {
        return Err(no_permission("Roles may not be assumed by root accounts."));
    }

    let description = world.description.clone();
    // RAM judges the caller before STS looks at the role.
    let permission = description.decide(caller, ACTION, role_arn);
    if permission != Decision::Allow {
        return Err(denied(world, caller, permission, "AccountLevelIdentityBasedPolicy"));
    }
    let Some(role) = description.find_role(account_id, role_name) else {
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            "EntityNotExist.Role",
            "The specified Role not exists .",
        ));
    };
    let principal = Principal::Ram { account: caller.account(), arn: &caller.principal_arn() };
    let trust = role.trust_policy.decide(principal, &[("sts:ExternalId", external_id.as_slice())]);
    if trust != Decision::Allow {
        return Err(denied(world, caller, trust, "AssumeRolePolicy"));
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
    let assumed_role_id = format!("{}:{session_name}", ram::role_id(&world.sealer, account_id, role_name));
    let mut answer = session_answer(world, &assumed_role_id, session);
    if let (Some(identity), Some(fields)) = (source_identity, answer.as_object_mut()) {
        fields.insert("SourceIdentity".to_owned(), json!(identity));
    }
    Ok(answer)
}

/// A parameter of 2 to `longest` letters, digits and `others`, where it is given.
fn restricted<'a>(
    parameters: &'a Parameters,
    name: &str,
    longest: usize,
    others: &[u8],
) -> Result<Option<&'a str>, ApiError> {
    let Some(value) = parameters.get(name) else { return Ok(None) };
    let well_formed = (2..=longest).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte));
    if well_formed { Ok(Some(value)) } else { Err(malformed(name)) }
}

/// One text for a caller without the permission and for a role that does not trust it: `PolicyType` tells which.
fn denied(world: &World, caller: &Caller, decision: Decision, policy_type: &'static str) -> ApiError {
    let denied = Denied {
        action: ACTION,
        explicit: decision == Decision::ExplicitDeny,
        policy_type,
        principal: Some(caller.denied_principal(&world.sealer)),
    };
    let mut error = not_authorized();
    error.denied = Some(Box::new(denied));
    error
}

fn not_authorized() -> ApiError {
    no_permission("You are not authorized to do this action. You should be authorized by RAM.")
}

fn no_permission(message: &'static str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "NoPermission", message)
}
