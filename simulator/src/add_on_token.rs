//! The token that ACK hands an add-on for its managed role: the JSON document that ends up in a Secret and a file.

use aws_lc_rs::cipher::{AES_128, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::description::trusts_service;
use crate::sealed::Session;
use crate::sts::{parse_arn, second};
use crate::world::World;

/// The service of Alibaba Cloud that becomes the role on behalf of an add-on.
const SERVICE: &str = "cs.aliyuncs.com";

/// What an add-on token is for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddOnTokenRequest {
    /// ARN of the role, whose trust policy must name the service `cs.aliyuncs.com`.
    pub role: String,
    /// Life of the session in seconds.
    #[serde(default = "hour")]
    pub duration_seconds: u32,
}

fn hour() -> u32 {
    3600
}

/// The document: encrypted keys, their end and the keyring; or the object `error` that ACK writes when it gets no session.
pub(crate) fn document(world: &mut World, now: Timestamp, request: &AddOnTokenRequest) -> Value {
    match session(world, now, request) {
        Ok(session) => {
            let expiration = second(session.expires);
            let credentials = world.new_session(session);
            // A key and initialization vectors of its own for every document, all from the seed.
            let keyring = world.sealer.letters(&format!("keyring/{}", credentials.access_key_id), 16);
            let encrypted = |name: &str, text: &str| {
                let iv = world.sealer.letters(&format!("{name}/{}", credentials.access_key_id), 16);
                encrypt(&keyring, &iv, text)
            };
            json!({
                "access.key.id": encrypted("access.key.id", &credentials.access_key_id),
                "access.key.secret": encrypted("access.key.secret", &credentials.access_key_secret),
                "security.token": encrypted("security.token", &credentials.security_token),
                "expiration": expiration,
                "keyring": keyring,
            })
        }
        Err((code, message)) => {
            let role = parse_arn(&request.role, "role").map_or(request.role.as_str(), |(_, name)| name);
            json!({ "error": { "roleName": role, "code": code, "message": message } })
        }
    }
}

fn session(
    world: &World,
    now: Timestamp,
    request: &AddOnTokenRequest,
) -> Result<Session, (&'static str, String)> {
    let arn = parse_arn(&request.role, "role");
    let (account, name) = arn
        .ok_or_else(|| ("InvalidParameter.RoleArn", "The parameter RoleArn is wrongly formed.".to_owned()))?;
    let Some(role) = world.description.find_role(account, name) else {
        return Err(("EntityNotExist.Role", format!("The role not exists: {}. ", request.role)));
    };
    if !trusts_service(role, SERVICE) {
        let message = "You are not authorized to do this action. You should be authorized by RAM.";
        return Err(("NoPermission", message.to_owned()));
    }
    Ok(Session {
        account: account.to_owned(),
        role: name.to_owned(),
        name: "acr-credential-helper".to_owned(),
        expires: now.as_second().saturating_add(i64::from(request.duration_seconds)),
        serial: 0,
        policy: None,
    })
}

/// Base64 of the initialization vector and the AES-CBC blocks after it. Keys and vectors of 16 letters always fit.
fn encrypt(keyring: &str, iv: &str, text: &str) -> Option<String> {
    let key = UnboundCipherKey::new(&AES_128, keyring.as_bytes()).ok()?;
    let vector: &[u8; 16] = iv.as_bytes().first_chunk()?;
    let mut blocks = text.as_bytes().to_vec();
    let context = EncryptionContext::Iv128(FixedLength::from(vector));
    PaddedBlockEncryptingKey::cbc_pkcs7(key).ok()?.less_safe_encrypt(&mut blocks, context).ok()?;
    Some(STANDARD.encode([vector.as_slice(), &blocks].concat()))
}
