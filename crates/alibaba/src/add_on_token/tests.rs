//! Documents that are refused, the published vector, and every length of key.

use aws_lc_rs::cipher::{EncryptionContext, PaddedBlockEncryptingKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The vector in the tests of the CSI driver.
fn published() -> Value {
    json!({
        "access.key.id": "Ik032ULdaqWth2fvyigEcJHGMNNMnATo04/d+c5Jxz+bJN0Jh8fKd8A5MlNnYRwf",
        "access.key.secret": "IDjwuQU+hced63SeMrRVBkVLQBvJu4M4KvWnYq5ysmCSZJh11xKkvUcCca6ekQnE",
        "security.token": "PMz8KVai+0zGFRKQgtxMzU45UWkTryLO7KHmYA5nMCCITptCT/WNx+DDYAvrYugMSorxfEAj635cr94qopN0\
                           Ehft/wfnfb0jQ+7rgSzu27aiv5I8MFptekbt4fc8vygI",
        "expiration": "2021-01-01T14:22:45Z",
        "keyring": "fake-keyring1234",
    })
}

fn with(member: &str, value: Value) -> Value {
    let mut document = published();
    document[member] = value;
    document
}

#[track_caller]
fn failure(document: &Value) -> AddOnTokenFailure {
    decode_add_on_token(document.to_string().as_bytes()).unwrap_err()
}

/// Encrypts as ACK does.
fn encrypted(keyring: &str, text: &str) -> String {
    let algorithm = match keyring.len() {
        16 => &AES_128,
        24 => &AES_192,
        _ => &AES_256,
    };
    let key = UnboundCipherKey::new(algorithm, keyring.as_bytes()).unwrap();
    let mut blocks = text.as_bytes().to_vec();
    let iv = [7; BLOCK];
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    PaddedBlockEncryptingKey::cbc_pkcs7(key).unwrap().less_safe_encrypt(&mut blocks, context).unwrap();
    STANDARD.encode([iv.as_slice(), &blocks].concat())
}

#[test]
fn what_is_not_the_document_is_refused() {
    for text in ["", "null", "[]", "{", "access.key.id", r#"{"keyring":7}"#, r#"{"error":"text"}"#] {
        let failure = decode_add_on_token(text.as_bytes()).unwrap_err();
        assert_eq!(failure, AddOnTokenFailure::NotADocument, "{text}");
    }
    assert_eq!(failure(&json!({})), AddOnTokenFailure::Missing { member: "keyring" });
    for member in ["access.key.id", "access.key.secret", "security.token", "expiration", "keyring"] {
        for value in [json!(""), Value::Null] {
            assert_eq!(failure(&with(member, value)), AddOnTokenFailure::Missing { member });
        }
    }
    for text in ["soon", "1609510965", "2021-01-01 14:22:45"] {
        assert_eq!(failure(&with("expiration", json!(text))), AddOnTokenFailure::Expiration, "{text}");
    }
}

#[test]
fn section_7_lengths_are_checked_before_anything_is_decrypted() {
    for (keyring, bytes) in
        [("x", 1), ("fifteen-bytes!!", 15), ("seventeen-bytes!!", 17), (&"k".repeat(33), 33)]
    {
        assert_eq!(failure(&with("keyring", json!(keyring))), AddOnTokenFailure::KeyLength { bytes });
    }
    let member = "security.token";
    assert_eq!(failure(&with(member, json!("not base64!"))), AddOnTokenFailure::NotBase64 { member });
    for bytes in [0, 1, 15, 16, 31, 33, 47] {
        let text = STANDARD.encode(vec![0; bytes]);
        let expected = if bytes == 0 {
            AddOnTokenFailure::Missing { member }
        } else {
            AddOnTokenFailure::Length { member, bytes }
        };
        assert_eq!(failure(&with(member, json!(text))), expected, "{bytes}");
    }
}

#[test]
fn section_7_padding_and_text_are_checked() {
    let member = "access.key.id";
    let undecipherable = AddOnTokenFailure::Undecipherable { member };
    // Another keyring, of the same and of another length.
    for keyring in ["fake-keyring1235", &"k".repeat(24), &"k".repeat(32)] {
        assert_eq!(failure(&with("keyring", json!(keyring))), undecipherable, "{keyring}");
    }
    // The last block, and with it the padding, is cut off.
    let whole = STANDARD.decode(published()[member].as_str().unwrap()).unwrap();
    let cut = STANDARD.encode(whole.split_last_chunk::<BLOCK>().unwrap().0);
    assert_eq!(failure(&with(member, json!(cut))), undecipherable);
    for text in ["", "two words", "line\n", "caf\u{e9}"] {
        let value = json!(encrypted("fake-keyring1234", text));
        assert_eq!(failure(&with(member, value)), undecipherable, "{text:?}");
    }
}

#[test]
fn section_7_the_error_that_ack_writes_is_told_with_role_and_code() {
    let error = json!({ "roleName": "AliyunCSManagedAcrRole", "code": "EntityNotExist.Role", "message": "The role\nnot exists." });
    for document in [json!({ "error": error }), with("error", error.clone())] {
        let failure = failure(&document);
        assert_eq!(
            failure.to_string(),
            "ACK could not get a session of the role \"AliyunCSManagedAcrRole\" for the add-on: \
             EntityNotExist.Role: The role not exists."
        );
        let as_call = CallFailure::from(failure);
        assert_eq!((as_call.operation, as_call.kind), ("AddOnToken", FailureKind::NotFound));
        assert_eq!(as_call.code.as_deref(), Some("EntityNotExist.Role"));
    }
    let denied = json!({ "error": { "roleName": "r", "code": "NoPermission", "message": "no" } });
    assert_eq!(CallFailure::from(failure(&denied)).kind, FailureKind::Denied);
    let unknown = json!({ "error": { "code": "NeverSeen" } });
    assert_eq!(CallFailure::from(failure(&unknown)).kind, FailureKind::Denied);
    for none in [json!({}), Value::Null, json!({ "roleName": "r", "code": "", "message": "" })] {
        assert!(decode_add_on_token(with("error", none).to_string().as_bytes()).is_ok());
    }
    assert_eq!(CallFailure::from(AddOnTokenFailure::Expiration).kind, FailureKind::Malformed);
}

#[test]
fn section_7_the_published_vector_is_decrypted() {
    let token = decode_add_on_token(published().to_string().as_bytes()).unwrap();
    assert_eq!(token.key.id.expose_secret(), "fake-accessKeyId");
    assert_eq!(token.key.secret.expose_secret(), "fake-accessKeySecret");
    assert_eq!(
        token.key.security_token.as_ref().unwrap().expose_secret(),
        "STS.a-loooooooooooog-and-random-aweifuhaskichvaehiwciuhiuhiu-FakeSecurityToken"
    );
    assert_eq!(token.expires.to_string(), "2021-01-01T14:22:45Z");
    let printed = format!("{token:?}");
    assert!(!printed.contains("fake"), "{printed}");
}

#[test]
fn section_7_every_length_of_key_and_a_line_break_after_the_text_are_taken() {
    for length in [16, 24, 32] {
        let keyring = "k".repeat(length);
        let text = |text: &str| json!(format!("{}\n", encrypted(&keyring, text)));
        let document = json!({
            "access.key.id": text("STS.id"),
            "access.key.secret": text("sixteen-letters!"),
            "security.token": text("token=="),
            "expiration": "2026-01-02T03:04:05Z",
            "keyring": keyring,
            "cluster.type": "ManagedKubernetes",
        });
        let token = decode_add_on_token(document.to_string().as_bytes()).unwrap();
        assert_eq!(token.key.id.expose_secret(), "STS.id");
        assert_eq!(token.key.secret.expose_secret(), "sixteen-letters!");
    }
}

proptest! {
    #[test]
    fn no_document_makes_it_panic_or_show_what_was_encrypted(
        id in any::<Vec<u8>>(),
        keyring in "[ -~]{0,40}",
        expiration in "[ -~]{0,25}",
        raw in any::<Vec<u8>>(),
    ) {
        // Whatever comes of it, it is an answer.
        let _ = decode_add_on_token(&raw);
        let mut document = with("access.key.id", json!(STANDARD.encode(&id)));
        let _ = decode_add_on_token(document.to_string().as_bytes());
        document["expiration"] = json!(expiration);
        document["keyring"] = json!(keyring);
        if let Err(failure) = decode_add_on_token(document.to_string().as_bytes()) {
            prop_assert!(keyring.len() < 16 || !failure.to_string().contains(&keyring));
        }
    }
}
