//! The token that ACK hands an add-on for its managed role: a JSON document whose keys are encrypted by AES-CBC.
//!
//! Clusters hand it over as the member `addon.token.config` of a Secret, mounted as a file. The form is that of the
//! add-ons whose source is public (kubernetes-sigs/alibaba-cloud-csi-driver, kubernetes/cloud-provider-alibaba-cloud).

use acr_credentials::{AccessKey, CallFailure, FailureKind, UnixMillis, safe_text};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::fault::kind_of_code;
use crate::received::iso_8601;
use crate::secret_member::SecretMember;

/// The member of the Secret, and usually the name of the file, that holds the document.
pub const ADD_ON_TOKEN_MEMBER: &str = "addon.token.config";

/// Length of an AES block and of an initialization vector in bytes.
const BLOCK: usize = 16;

/// A session of the managed role, decrypted.
#[derive(Clone, Debug)]
pub struct AddOnToken {
    /// The session's keys; `security_token` is set.
    pub key: AccessKey,
    /// When they end; ACK writes a new document before that.
    pub expires: UnixMillis,
}

/// Why a document gives no keys. No variant holds anything that was encrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddOnTokenFailure {
    /// Not a JSON object of the known form.
    #[error("the add-on token is not the JSON document that ACK writes")]
    NotADocument,
    /// ACK writes that it could not get a session for the role.
    #[error("ACK could not get a session of the role {role:?} for the add-on: {code}: {message}")]
    Refused {
        /// The role's name.
        role: String,
        /// The error code of STS or RAM.
        code: String,
        /// What STS or RAM said.
        message: String,
    },
    /// A member is absent or empty.
    #[error("the add-on token lacks {member}")]
    Missing {
        /// The member's name.
        member: &'static str,
    },
    /// The keyring is no AES key.
    #[error("the keyring of the add-on token has {bytes} bytes, which is no AES key (16, 24 or 32)")]
    KeyLength {
        /// Its length in bytes.
        bytes: usize,
    },
    /// A member is not base64.
    #[error("{member} of the add-on token is not base64")]
    NotBase64 {
        /// The member's name.
        member: &'static str,
    },
    /// A member is not an initialization vector with whole blocks after it.
    #[error(
        "{member} of the add-on token has {bytes} bytes, which is not one block of 16 and whole blocks after it"
    )]
    Length {
        /// The member's name.
        member: &'static str,
        /// Its length in bytes, decoded.
        bytes: usize,
    },
    /// A member does not end in padding, or is no text: the keyring is another's, or the document was cut or mixed.
    #[error("{member} of the add-on token cannot be decrypted with its keyring")]
    Undecipherable {
        /// The member's name.
        member: &'static str,
    },
    /// The expiration is no time.
    #[error("expiration of the add-on token is no time such as 2026-01-02T03:04:05Z")]
    Expiration,
}

impl From<AddOnTokenFailure> for CallFailure {
    /// The failure as one of a call, so that it is treated, counted and shown like those of the cloud.
    fn from(failure: AddOnTokenFailure) -> Self {
        let message = failure.to_string();
        let (kind, code) = match failure {
            AddOnTokenFailure::Refused { code, .. } => {
                (kind_of_code(&code, StatusCode::FORBIDDEN), Some(code))
            }
            _ => (FailureKind::Malformed, None),
        };
        Self { operation: "AddOnToken", kind, code, message, request_id: None }
    }
}

#[derive(Deserialize)]
struct Document {
    error: Option<Refusal>,
    keyring: Option<SecretMember>,
    #[serde(rename = "access.key.id")]
    id: Option<SecretMember>,
    #[serde(rename = "access.key.secret")]
    secret: Option<SecretMember>,
    #[serde(rename = "security.token")]
    token: Option<SecretMember>,
    expiration: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refusal {
    #[serde(default)]
    role_name: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Reads a document. Whether its keys are still valid is for who knows the time.
pub fn decode_add_on_token(document: &[u8]) -> Result<AddOnToken, AddOnTokenFailure> {
    // The text of a parser's error may quote the document, so it is not passed on.
    let document: Document = serde_json::from_slice(document).map_err(|_| AddOnTokenFailure::NotADocument)?;
    if let Some(Refusal { role_name, code, message }) = document.error
        && !(code.is_empty() && message.is_empty())
    {
        let name = |text: &str| safe_text::name(text, &[]).unwrap_or_default();
        let message = safe_text::message(&message, &[]);
        return Err(AddOnTokenFailure::Refused { role: name(&role_name), code: name(&code), message });
    }
    let keyring = given(document.keyring, "keyring")?;
    let decrypt = |member: Option<SecretMember>, name| decrypted(&keyring, &given(member, name)?, name);
    let id = decrypt(document.id, "access.key.id")?;
    let secret = decrypt(document.secret, "access.key.secret")?;
    let token = decrypt(document.token, "security.token")?;
    let expiration = document.expiration.filter(|text| !text.is_empty());
    let expiration = expiration.ok_or(AddOnTokenFailure::Missing { member: "expiration" })?;
    let expires = iso_8601(&expiration).ok_or(AddOnTokenFailure::Expiration)?;
    Ok(AddOnToken { key: AccessKey { id, secret, security_token: Some(token) }, expires })
}

fn given(member: Option<SecretMember>, name: &'static str) -> Result<SecretString, AddOnTokenFailure> {
    let member = member.map(|member| member.0).filter(|text| !text.expose_secret().is_empty());
    member.ok_or(AddOnTokenFailure::Missing { member: name })
}

/// Base64, then 16 bytes of initialization vector, then AES-CBC with PKCS#7 padding. The key is the keyring itself.
fn decrypted(
    keyring: &SecretString,
    encrypted: &SecretString,
    member: &'static str,
) -> Result<SecretString, AddOnTokenFailure> {
    let key = keyring.expose_secret().as_bytes();
    let algorithm = match key.len() {
        16 => &AES_128,
        24 => &AES_192,
        32 => &AES_256,
        bytes => return Err(AddOnTokenFailure::KeyLength { bytes }),
    };
    let decoded = STANDARD.decode(encrypted.expose_secret().trim());
    let mut bytes = Zeroizing::new(decoded.map_err(|_| AddOnTokenFailure::NotBase64 { member })?);
    let length = bytes.len();
    let whole = length >= 2 * BLOCK && length % BLOCK == 0;
    let Some((iv, blocks)) = bytes.split_first_chunk_mut::<BLOCK>().filter(|_| whole) else {
        return Err(AddOnTokenFailure::Length { member, bytes: length });
    };
    let undecipherable = AddOnTokenFailure::Undecipherable { member };
    let plain = UnboundCipherKey::new(algorithm, key)
        .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
        .and_then(|key| key.decrypt(blocks, DecryptionContext::Iv128(FixedLength::from(*iv))));
    let text = plain.ok().and_then(|plain| std::str::from_utf8(plain).ok());
    let text = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
    text.map(SecretString::from).ok_or(undecipherable)
}

#[cfg(test)]
mod tests;
