//! Container Registry Personal Edition, version 2016-06-07.

use http::StatusCode;
use serde_json::{Value, json};

use crate::answer::ApiError;
use crate::container_registry::{TEMPORARY_USER, no_privilege, temporary_password};
use crate::description::{Personal, PersonalKind};
use crate::operations::Call;
use crate::ram::Caller;
use crate::sealed::LoginScope;
use crate::world::World;

/// Makes a temporary login with the permissions of the caller, for the registry of the region.
///
/// It lives an hour, and never longer than the credentials that asked.
pub(crate) fn get_authorization_token(world: &mut World, call: &Call<'_>) -> Result<Value, ApiError> {
    login(world, call).map_err(ApiError::in_small_letters)
}

fn login(world: &World, call: &Call<'_>) -> Result<Value, ApiError> {
    let (Some(caller), Some(region)) = (call.caller, call.region) else {
        return Err(no_privilege());
    };
    let account = caller.account();
    let mut editions = world.description.personal.iter();
    if !editions
        .any(|edition| edition.account == account && edition.region == region && knows(edition, caller))
    {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "USER_NOT_EXIST", "user is not exist."));
    }
    let resource = format!("acs:cr:{region}:{account}:*");
    if !world.description.permits(caller, account, "cr:GetAuthorizationToken", &resource) {
        return Err(no_privilege());
    }
    let scope = LoginScope::Region(region.to_owned());
    let (password, expires) = temporary_password(world, call, caller, scope, 1);
    Ok(json!({
        "data": {
            "authorizationToken": password,
            "tempUserName": TEMPORARY_USER,
            "expireDate": expires,
        },
    }))
}

/// Whether the edition answers to the caller: RAM users must have opened it themselves, and that of the new kind answers
/// to nobody.
fn knows(edition: &Personal, caller: &Caller) -> bool {
    let opened = match caller {
        Caller::Root { .. } | Caller::Session(_) => true,
        Caller::User { name, .. } => edition.users.as_ref().is_none_or(|users| users.contains(name)),
    };
    opened && edition.kind == PersonalKind::Old
}
