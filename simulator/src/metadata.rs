//! The metadata service of a machine, normal and hardened, with a role document that rotates.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use crate::description::{Metadata, MetadataTokens, trusts_machines};
use crate::incoming::Incoming;
use crate::sealed::Session;
use crate::sts::second;
use crate::world::World;

/// Longest life of a session token in seconds.
const MAX_TOKEN_LIFE: i64 = 21_600;

/// An answer of the metadata service: text or a JSON document, or the bare status of a refusal.
pub(crate) type Answer = Result<String, StatusCode>;

/// Answers a request; `None` for the status means that the machine has no such thing.
pub(crate) fn answer(world: &World, now: Timestamp, request: &Incoming) -> Answer {
    let metadata = world.description.metadata.as_ref().ok_or(StatusCode::NOT_FOUND)?;
    if request.action == "api/token" {
        return session_token(world, metadata, now, request);
    }
    if request.method != Method::GET {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    match request.header("x-aliyun-ecs-metadata-token") {
        Some(token) if metadata.tokens != MetadataTokens::Unsupported => {
            let ends = world.sealer.read_stamp(token).and_then(|value| value.parse::<i64>().ok());
            if ends.is_none_or(|ends| now.as_second() >= ends) {
                return Err(StatusCode::FORBIDDEN);
            }
        }
        None if metadata.tokens == MetadataTokens::Required => return Err(StatusCode::FORBIDDEN),
        _ => {}
    }
    let path = request.action.strip_prefix("meta-data/").ok_or(StatusCode::NOT_FOUND)?;
    match path {
        "region-id" => Ok(metadata.region.clone()),
        "zone-id" => Ok(format!("{}-a", metadata.region)),
        "instance-id" => Ok(metadata.instance_id.clone()),
        "owner-account-id" => Ok(metadata.account.clone()),
        "ram/security-credentials/" | "ram/security-credentials" => {
            metadata.role.clone().ok_or(StatusCode::NOT_FOUND)
        }
        _ => role_document(world, metadata, now, path),
    }
}

/// `PUT /latest/api/token`: the token is a stamp of its end.
fn session_token(world: &World, metadata: &Metadata, now: Timestamp, request: &Incoming) -> Answer {
    if metadata.tokens == MetadataTokens::Unsupported {
        return Err(StatusCode::NOT_FOUND);
    }
    if request.method != Method::PUT {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let life = request
        .header("x-aliyun-ecs-metadata-token-ttl-seconds")
        .and_then(|value| value.parse::<i64>().ok())
        .filter(|life| (1..=MAX_TOKEN_LIFE).contains(life))
        .ok_or(StatusCode::BAD_REQUEST)?;
    Ok(world.sealer.stamp(&now.as_second().saturating_add(life).to_string()))
}

/// The credentials of the role. They depend on the time alone: within one rotation every request gets the same.
fn role_document(world: &World, metadata: &Metadata, now: Timestamp, path: &str) -> Answer {
    let asked = path.strip_prefix("ram/security-credentials/").ok_or(StatusCode::NOT_FOUND)?;
    let role = metadata.role.as_deref().filter(|role| *role == asked).ok_or(StatusCode::NOT_FOUND)?;
    let trusted = world.description.find_role(&metadata.account, role).is_some_and(trusts_machines);
    if !trusted {
        return Err(StatusCode::NOT_FOUND);
    }
    let rotation = i64::from(metadata.rotation_seconds.max(1));
    let updated = now.as_second().div_euclid(rotation).saturating_mul(rotation);
    let session = Session {
        account: metadata.account.clone(),
        role: role.to_owned(),
        name: metadata.instance_id.clone(),
        expires: updated.saturating_add(i64::from(metadata.document_seconds)),
        serial: 0,
        policy: None,
    };
    let expiration = second(session.expires);
    let credentials = world.sealer.credentials(&session);
    let document = json!({
        "AccessKeyId": credentials.access_key_id,
        "AccessKeySecret": credentials.access_key_secret,
        "Expiration": expiration,
        "SecurityToken": credentials.security_token,
        "LastUpdated": second(updated),
        "Code": "Success",
    });
    Ok(document.to_string())
}
