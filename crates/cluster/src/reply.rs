//! From the answer of the API server to what it says about the operation.

use std::collections::BTreeMap;

use acr_controller::names::{JOURNAL_KEY, PULL_SECRET_KEY};
use acr_controller::observation::{Answer, ForeignSecret, JournalSeen, LeaseSeen, Refusal};
use acr_credentials::SecretData;
use acr_credentials::docker_config::hosts_of;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::call::{Received, unreadable};
use crate::refusal::{Asked, refusal};
use crate::seen::{AccountObject, Versioned};

/// What the body of a success holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Nothing of use.
    Nothing,
    /// The object after the write, needed for its version.
    Version,
    /// A ServiceAccount.
    Account,
    /// A Secret of the pull secret's name.
    ForeignSecret,
    /// The journal's Secret.
    Journal,
    /// The Lease.
    Lease,
    /// A TokenRequest.
    Token,
}

/// What `received` says.
pub(crate) fn reply(shape: Shape, asked: Asked, received: &Received) -> Answer {
    if received.status.is_success() {
        return parsed(shape, &received.body)
            .unwrap_or_else(|message| Answer::Refused(Refusal::Unknown { message }));
    }
    match (shape, received.status) {
        // That there is none is what the reading of these has to say.
        (Shape::Journal, StatusCode::NOT_FOUND) => Answer::Journal(None),
        (Shape::Lease, StatusCode::NOT_FOUND) if asked != Asked::Put => Answer::Lease(None),
        _ => Answer::Refused(refusal(asked, received)),
    }
}

fn parsed(shape: Shape, body: &[u8]) -> Result<Answer, String> {
    Ok(match shape {
        Shape::Nothing => Answer::Done { resource_version: 0, uid: None },
        Shape::Version => {
            let object: Versioned = from_json(body)?;
            Answer::Done { resource_version: object.metadata.resource_version, uid: object.metadata.uid }
        }
        Shape::Account => Answer::Account(from_json::<AccountObject>(body)?.into_seen()),
        Shape::ForeignSecret => {
            let secret: SecretObject<'_> = from_json(body)?;
            Answer::ForeignSecret(ForeignSecret {
                hosts: hosts(&secret),
                uid: secret.metadata.uid,
                resource_version: version(&secret.metadata.resource_version)?,
                kind: secret.r#type.unwrap_or_default(),
            })
        }
        Shape::Journal => {
            let secret: SecretObject<'_> = from_json(body)?;
            let text =
                secret.data.as_ref().and_then(|data| data.get(JOURNAL_KEY)).copied().unwrap_or_default();
            Answer::Journal(Some(JournalSeen {
                document: decoded(text).ok_or("the journal's Secret is not base64")?,
                uid: secret.metadata.uid,
                resource_version: version(&secret.metadata.resource_version)?,
            }))
        }
        Shape::Lease => {
            let lease: LeaseObject = from_json(body)?;
            let spec = lease.spec.unwrap_or_default();
            Answer::Lease(Some(LeaseSeen {
                resource_version: version(&lease.metadata.resource_version)?,
                uid: lease.metadata.uid,
                // A Lease that was given back has an empty holder (client-go) or none.
                holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
                duration_seconds: spec.lease_duration_seconds.unwrap_or(0),
                transitions: spec.lease_transitions.unwrap_or(0),
            }))
        }
        Shape::Token => {
            let answer: TokenObject<'_> = from_json(body)?;
            Answer::Token(Some(SecretString::from(answer.status.token)))
        }
    })
}

/// The data of a Secret that was read; `None` where there is none.
pub(crate) fn secret_data(received: &Received) -> Result<Option<SecretData>, Refusal> {
    if received.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !received.status.is_success() {
        return Err(refusal(Asked::Other, received));
    }
    let unknown = |message: String| Refusal::Unknown { message };
    let secret: SecretObject<'_> = from_json(&received.body).map_err(unknown)?;
    Ok(Some(data_of(secret.data)))
}

/// A member that is not base64 cannot come from an API server; it is left out.
pub(crate) fn data_of(data: Option<BTreeMap<String, &str>>) -> SecretData {
    let members = data.unwrap_or_default().into_iter();
    members.filter_map(|(name, text)| Some((name, decoded(text)?))).collect()
}

fn from_json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| unreadable(&error))
}

fn version(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "the object has no decimal resourceVersion".to_owned())
}

fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    // Decoded into a buffer that does not grow, so that nothing of it stays behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(base64::decoded_len_estimate(text.len())));
    STANDARD.decode_vec(text, &mut bytes).ok()?;
    Some(bytes)
}

/// The hosts of a Secret that holds one docker config document and nothing else.
fn hosts(secret: &SecretObject<'_>) -> Option<Vec<String>> {
    let data = secret.data.as_ref().filter(|data| data.len() == 1)?;
    hosts_of(&decoded(data.get(PULL_SECRET_KEY)?)?)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectMetadata {
    #[serde(default)]
    uid: String,
    #[serde(default)]
    resource_version: String,
}

/// Values are borrowed from the body: base64 needs no unescaping.
#[derive(Deserialize)]
struct SecretObject<'a> {
    metadata: ObjectMetadata,
    r#type: Option<String>,
    #[serde(borrow)]
    data: Option<BTreeMap<String, &'a str>>,
}

#[derive(Deserialize)]
struct LeaseObject {
    metadata: ObjectMetadata,
    spec: Option<LeaseSpec>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LeaseSpec {
    holder_identity: Option<String>,
    lease_duration_seconds: Option<u32>,
    lease_transitions: Option<u32>,
}

#[derive(Deserialize)]
struct TokenObject<'a> {
    #[serde(borrow)]
    status: TokenStatus<'a>,
}

#[derive(Deserialize)]
struct TokenStatus<'a> {
    token: &'a str,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn said(shape: Shape, status: u16, body: &str) -> String {
        let received = Received {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        format!("{:?}", reply(shape, Asked::Other, &received))
    }

    #[test]
    fn a_write_tells_the_version_that_it_made() {
        let body =
            r#"{"kind":"PartialObjectMetadata","metadata":{"name":"x","uid":"u","resourceVersion":"281"}}"#;
        assert_eq!(said(Shape::Version, 201, body), "Done { resource_version: 281, uid: Some(\"u\") }");
        assert_eq!(said(Shape::Nothing, 200, "{}"), "Done { resource_version: 0, uid: None }");
    }

    #[test]
    fn an_answer_that_is_cut_off_is_an_unknown_outcome() {
        for shape in
            [Shape::Version, Shape::Account, Shape::ForeignSecret, Shape::Journal, Shape::Lease, Shape::Token]
        {
            for body in ["", "{", "[]", r#"{"metadata":{}"#, r#"{"metadata":{"resourceVersion":7}}"#] {
                let answer = said(shape, 200, body);
                assert!(answer.starts_with("Refused(Unknown"), "{shape:?} {body}: {answer}");
            }
        }
    }

    #[test]
    fn what_is_not_there_is_none_for_what_may_be_missing_and_gone_for_the_rest() {
        let body = r#"{"kind":"Status","message":"not found","reason":"NotFound","code":404}"#;
        assert_eq!(said(Shape::Journal, 404, body), "Journal(None)");
        assert_eq!(said(Shape::Lease, 404, body), "Lease(None)");
        for shape in [Shape::Version, Shape::Nothing, Shape::Account, Shape::ForeignSecret, Shape::Token] {
            assert_eq!(said(shape, 404, body), "Refused(Gone)", "{shape:?}");
        }
    }

    #[test]
    fn the_hosts_of_a_foreign_secret_are_read_and_nothing_else() {
        let document = STANDARD.encode(r#"{"auths":{"r.example":{"password":"MARKER"}}}"#);
        let body = format!(
            r#"{{"metadata":{{"uid":"u","resourceVersion":"5"}},"type":"kubernetes.io/dockerconfigjson","data":{{".dockerconfigjson":"{document}"}}}}"#
        );
        insta::assert_snapshot!(said(Shape::ForeignSecret, 200, &body), @r#"ForeignSecret(ForeignSecret { uid: "u", resource_version: 5, kind: "kubernetes.io/dockerconfigjson", hosts: Some(["r.example"]) })"#);
    }

    #[test]
    fn a_foreign_secret_with_anything_besides_a_docker_config_has_no_hosts() {
        let document = STANDARD.encode(r#"{"auths":{}}"#);
        for data in [
            String::new(),
            r#","data":{}"#.to_owned(),
            r#","data":{"a":"e30="}"#.to_owned(),
            r#","data":{".dockerconfigjson":"e30="}"#.to_owned(),
            r#","data":{".dockerconfigjson":"not base64"}"#.to_owned(),
            format!(r#","data":{{".dockerconfigjson":"{document}","more":"e30="}}"#),
        ] {
            let body = format!(r#"{{"metadata":{{"uid":"u","resourceVersion":"5"}},"type":"Opaque"{data}}}"#);
            assert!(said(Shape::ForeignSecret, 200, &body).contains("hosts: None"), "{data}");
        }
    }

    #[test]
    fn a_journal_without_its_key_is_an_empty_document() {
        let body = r#"{"metadata":{"uid":"u","resourceVersion":"5"},"data":{"journal.json":"e30="}}"#;
        assert!(said(Shape::Journal, 200, body).contains("bytes: 2"));
        let body = r#"{"metadata":{"uid":"u","resourceVersion":"5"}}"#;
        assert!(said(Shape::Journal, 200, body).contains("bytes: 0"));
    }

    #[test]
    fn a_lease_that_was_given_back_has_no_holder() {
        for spec in [r#"{"holderIdentity":"","leaseDurationSeconds":1}"#, "{}", "null"] {
            let body = format!(r#"{{"metadata":{{"uid":"u","resourceVersion":"5"}},"spec":{spec}}}"#);
            assert!(said(Shape::Lease, 200, &body).contains("holder: None"), "{spec}");
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let answer = said(
            Shape::Token,
            201,
            r#"{"status":{"token":"MARKER","expirationTimestamp":"2026-11-21T23:00:00Z"}}"#,
        );
        assert!(answer.starts_with("Token(Some(") && !answer.contains("MARKER"), "{answer}");
    }
}
