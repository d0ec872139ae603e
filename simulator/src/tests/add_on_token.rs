//! Add-on tokens: what ACK writes when it gets no session, and what the keys in a token may do.

use aws_lc_rs::cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::support::*;
use crate::{AddOnTokenRequest, Cloud};

fn token(cloud: &mut Cloud, role: &str, seconds: u32) -> Value {
    let request = AddOnTokenRequest { role: role.to_owned(), duration_seconds: seconds };
    cloud.add_on_token(start(), &request)
}

/// Decrypts as the public add-ons do: the first block is the initialization vector.
fn decrypted(document: &Value, member: &str) -> String {
    let bytes = STANDARD.decode(document[member].as_str().unwrap()).unwrap();
    let (iv, blocks) = bytes.split_first_chunk::<16>().unwrap();
    let key = UnboundCipherKey::new(&AES_128, document["keyring"].as_str().unwrap().as_bytes()).unwrap();
    let mut blocks = blocks.to_vec();
    let context = DecryptionContext::Iv128(FixedLength::from(iv));
    let plain =
        PaddedBlockDecryptingKey::cbc_pkcs7(key).unwrap().decrypt(&mut blocks, context).unwrap().to_vec();
    String::from_utf8(plain).unwrap()
}

const MANAGED: &str = "acs:ram::1000000000000001:role/AliyunCSManagedAcrRole";

#[test]
fn what_ack_gets_no_session_of_is_an_error_with_the_name_of_the_role() {
    let mut cloud = cloud();
    for (role, name, code) in [
        ("acs:ram::1000000000000001:role/unknown", "unknown", "EntityNotExist.Role"),
        // Trusts machines, not ACK.
        ("acs:ram::1000000000000001:role/worker", "worker", "NoPermission"),
        ("nonsense", "nonsense", "InvalidParameter.RoleArn"),
    ] {
        let document = token(&mut cloud, role, 3600);
        assert_eq!(document.as_object().unwrap().len(), 1, "{document}");
        assert_eq!(
            (&document["error"]["roleName"], &document["error"]["code"]),
            (&json!(name), &json!(code))
        );
        assert!(document["error"]["message"].is_string());
    }
    let misspelt = json!({ "roleArn": MANAGED });
    assert!(serde_json::from_value::<AddOnTokenRequest>(misspelt).is_err());
}

#[test]
fn the_keys_in_a_token_work_until_its_end_and_every_token_is_encrypted_anew() {
    let mut cloud = cloud();
    let document = token(&mut cloud, MANAGED, 900);
    assert_eq!(document["expiration"], "2026-11-21T10:15:00Z");
    let key = Key {
        id: decrypted(&document, "access.key.id"),
        secret: decrypted(&document, "access.key.secret"),
        token: Some(decrypted(&document, "security.token")),
    };
    let login = |seconds| Acs3::new("GetAuthorizationToken", INSTANCE).by(&key).at(after(seconds)).build();
    let (status, body) = ask(&mut cloud, start(), login(0));
    assert_eq!((status, &body["ExpireTime"]), (200, &json!(after(900).as_millisecond())));
    let expired = refusal(&mut cloud, after(900), login(900));
    assert_eq!(expired, (400, "InvalidSecurityToken.Expired".to_owned()));

    let next = token(&mut cloud, MANAGED, 900);
    for member in ["keyring", "access.key.id", "access.key.secret", "security.token"] {
        assert_ne!(document[member], next[member], "{member}");
    }
    assert_eq!(token(&mut self::cloud(), MANAGED, 900), document, "equal clouds answer alike");
    let shown = document.to_string();
    assert!(!shown.contains(&key.id) && !shown.contains(&key.secret), "{shown}");
}
