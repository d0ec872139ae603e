//! Container Registry Enterprise Edition, version 2018-12-01.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::answer::ApiError;
use crate::description::{EndpointKind, Instance};
use crate::operations::Call;
use crate::ram::Caller;
use crate::sealed::{Login, LoginScope};
use crate::world::World;

/// The user name of every temporary login.
pub(crate) const TEMPORARY_USER: &str = "cr_temp_user";

/// Makes a temporary login with the permissions of the caller.
///
/// It lives an hour (`ExpiresInHours`, 1 to 24, where asked for), and never longer than the credentials that asked.
pub(crate) fn get_authorization_token(world: &mut World, call: &Call<'_>) -> Result<Value, ApiError> {
    let (caller, instance) = authorize(world, call, "cr:GetAuthorizationToken", |_| "*".to_owned())?;
    let hours = match call.parameters.get("ExpiresInHours").map(str::parse::<i64>) {
        None => 1,
        Some(Ok(hours)) if (1..=24).contains(&hours) => hours,
        Some(_) => {
            return Err(ApiError::bad_request(
                "InvalidParameter.ExpiresInHours",
                "The parameter ExpiresInHours is wrongly formed.",
            ));
        }
    };
    let (password, expires) =
        temporary_password(world, call, caller, LoginScope::InstanceId(instance.id.clone()), hours);
    Ok(json!({
        "TempUsername": TEMPORARY_USER,
        "AuthorizationToken": password,
        "ExpireTime": expires,
    }))
}

/// The password of a login of the caller, and its end in milliseconds: after so many hours, and never later than that
/// of the credentials that asked.
pub(crate) fn temporary_password(
    world: &World,
    call: &Call<'_>,
    caller: &Caller,
    scope: LoginScope,
    hours: i64,
) -> (String, i64) {
    let wanted = call.now.saturating_add(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX);
    let expires = caller.expires().map_or(wanted, |limit| limit.min(wanted)).as_millisecond();
    let owner = caller.login_owner(&world.sealer);
    let password = world.sealer.password(&Login { scope, time: expires.to_string(), owner });
    (password, call.expiry.map_or(expires, |fault| fault.milliseconds(call.now)))
}

/// Lists the endpoints of an instance with their domains.
pub(crate) fn list_instance_endpoint(world: &mut World, call: &Call<'_>) -> Result<Value, ApiError> {
    let (_, instance) = authorize(world, call, "cr:ListInstanceEndpoint", |id| format!("instance/{id}"))?;
    let summary = call.parameters.get("Summary").is_some_and(|summary| summary.eq_ignore_ascii_case("true"));
    let internet = endpoint(instance, EndpointKind::Internet, summary);
    Ok(json!({ "Endpoints": [internet, endpoint(instance, EndpointKind::Vpc, summary)] }))
}

fn endpoint(instance: &Instance, kind: EndpointKind, summary: bool) -> Value {
    let (name, system, domain) = match kind {
        EndpointKind::Internet => ("internet", &instance.public_endpoint, instance.public_domain()),
        EndpointKind::Vpc => ("vpc", &instance.vpc_endpoint, instance.vpc_domain()),
    };
    let custom = instance
        .custom_domains
        .iter()
        .filter(|custom| custom.enabled && custom.endpoint == kind)
        .map(|custom| json!({ "Domain": custom.domain, "Type": "USER" }));
    let domains: Vec<Value> =
        std::iter::once(json!({ "Domain": domain, "Type": "SYSTEM" })).chain(custom).collect();
    let vpcs: Vec<Value> = system.vpcs.iter().map(|id| json!({ "VpcId": id })).collect();
    let mut endpoint = json!({
        "EndpointType": name,
        "Enable": system.enabled,
        "Status": "RUNNING",
        "Domains": domains,
        "LinkedVpcs": vpcs,
    });
    if let (false, Some(fields)) = (summary, endpoint.as_object_mut()) {
        fields.insert("AclEnable".to_owned(), Value::Bool(false));
        fields.insert("AclEntries".to_owned(), json!([]));
    }
    endpoint
}

/// The caller and the instance that it asks about, when it may do so in this region.
///
/// `resource` makes the last part of the resource ARN from the instance id.
fn authorize<'a>(
    world: &'a World,
    call: &Call<'a>,
    action: &str,
    resource: impl Fn(&str) -> String,
) -> Result<(&'a Caller, &'a Instance), ApiError> {
    let id = call.parameters.get("InstanceId").ok_or_else(|| ApiError::missing("InstanceId"))?;
    let (Some(caller), Some(region)) = (call.caller, call.region) else {
        return Err(no_privilege());
    };
    // The new Personal Edition has ids of its own and no temporary logins.
    if id.starts_with("crpi-") {
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "AUTHENTICATION_FAILED", "Unauthorized."));
    }
    let account = caller.account();
    let resource = format!("acs:cr:{region}:{account}:{}", resource(id));
    if !world.description.permits(caller, account, action, &resource) {
        return Err(no_privilege());
    }
    let Some(instance) = world.instance(id).filter(|instance| instance.region == region) else {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "INSTANCE_NOT_EXIST", "instance is not exist."));
    };
    if instance.account != account {
        return Err(no_privilege());
    }
    Ok((caller, instance))
}

/// The caller lacks a permission, or the object is another account's.
pub(crate) fn no_privilege() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "NoPrivilege", "Access denied for this user.")
}
