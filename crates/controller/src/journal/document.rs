//! The journal as text: JSON with a version; a version that is not known is a cold start.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use acr_configuration::SecretRef;
use acr_credentials::{InstanceHost, KeySlot, Login, UnixMillis};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::controls::Controls;
use crate::facts::chain::StaticSlots;
use crate::facts::{FactKey, LineKey};
use crate::journal::admission::AdmissionText;
use crate::journal::record::{Accepted, Carried, CarriedLogin, HeldLogin, LineRecord, Record};

const VERSION: u32 = 1;

/// Why a journal cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Another version of the component wrote it.
    #[error("the journal has version {0}, this program writes version {VERSION}")]
    Version(u32),
    /// It is not what this program writes.
    #[error("the journal is damaged")]
    Damaged,
}

/// Only the version, to tell a later format from a damaged one.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Document<'a> {
    version: u32,
    /// The texts of configurations, each once; the others name them by their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    configurations: Vec<Cow<'a, BTreeMap<String, String>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted: Option<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retiring: Vec<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    static_secrets: Vec<StaticSecretText>,
    #[serde(default)]
    cloud_offset_millis: i64,
    #[serde(default, borrow)]
    lines: Vec<LineText<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    carried: Vec<CarriedText<'a>>,
    #[serde(default, skip_serializing_if = "AdmissionText::is_empty", borrow)]
    admission: AdmissionText<'a>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    paused: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    rotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct CarriedText<'a> {
    configuration: usize,
    #[serde(borrow)]
    logins: Vec<CarriedLoginText<'a>>,
}

#[derive(Serialize, Deserialize)]
struct CarriedLoginText<'a> {
    place: usize,
    instance: String,
    slots: Vec<KeySlot>,
    #[serde(borrow)]
    login: LoginText<'a>,
}

#[derive(Serialize, Deserialize)]
struct LineText<'a> {
    #[serde(flatten)]
    key: LineKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hosts: Option<Vec<HostText>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fewer: Option<Vec<HostText>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    login: Option<LoginText<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    slots: Vec<KeySlot>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    refused: bool,
}

#[derive(Serialize, Deserialize)]
struct StaticSecretText {
    namespace: String,
    name: String,
    slots: StaticSlots,
}

#[derive(Serialize, Deserialize)]
struct HostText {
    host: String,
    enabled: bool,
}

#[derive(Serialize, Deserialize)]
struct LoginText<'a> {
    fact: FactKey,
    #[serde(borrow)]
    username: Cow<'a, str>,
    #[serde(borrow)]
    password: Cow<'a, str>,
    expires: UnixMillis,
    handed_out: UnixMillis,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    registered: bool,
}

/// The text of a record, wiped when dropped. The same record gives the same bytes.
pub fn encode<'a>(record: &'a Record) -> Zeroizing<Vec<u8>> {
    let Record {
        accepted,
        retiring,
        lines,
        carried,
        region,
        static_secrets,
        cloud_offset_millis,
        admission,
        controls: Controls { paused, rotations },
    } = record;
    let mut configurations: Vec<&BTreeMap<String, String>> = Vec::new();
    let mut place_of = |accepted: &'a Arc<Accepted>| place(&mut configurations, &accepted.data);
    let document = Document {
        version: VERSION,
        accepted: accepted.as_ref().map(&mut place_of),
        retiring: retiring.iter().map(&mut place_of).collect(),
        region: region.clone(),
        static_secrets: static_secrets.iter().map(static_secret_text).collect(),
        cloud_offset_millis: *cloud_offset_millis,
        lines: lines.iter().map(|(key, line)| line_text(key, line)).collect(),
        carried: carried
            .iter()
            .map(|carried| CarriedText {
                configuration: place_of(&carried.accepted),
                logins: carried.logins.iter().map(carried_login_text).collect(),
            })
            .collect(),
        admission: admission.into(),
        paused: *paused,
        rotations: rotations.clone(),
        configurations: configurations.into_iter().map(Cow::Borrowed).collect(),
    };
    let mut text = Zeroizing::new(Vec::with_capacity(RESERVE_BYTES));
    let written = serde_json::to_writer(&mut *text, &document);
    debug_assert!(written.is_ok(), "writing strings to memory cannot fail");
    text
}

/// The place of a text among the configurations, which it joins when it is new.
fn place<'a>(known: &mut Vec<&'a BTreeMap<String, String>>, data: &'a BTreeMap<String, String>) -> usize {
    known.iter().position(|other| *other == data).unwrap_or_else(|| {
        known.push(data);
        known.len() - 1
    })
}

/// Room for a few lines, so that the text of most journals never moves in memory.
const RESERVE_BYTES: usize = 1 << 15;

fn line_text<'a>(key: &LineKey, line: &'a LineRecord) -> LineText<'a> {
    let LineRecord { hosts, fewer, login, slots, refused } = line;
    LineText {
        key: key.clone(),
        hosts: hosts.as_deref().map(host_texts),
        fewer: fewer.as_deref().map(host_texts),
        login: login.as_ref().map(login_text),
        slots: slots.clone(),
        refused: *refused,
    }
}

fn static_secret_text((reference, slots): (&SecretRef, &StaticSlots)) -> StaticSecretText {
    let SecretRef { namespace, name } = reference.clone();
    StaticSecretText { namespace, name, slots: slots.clone() }
}

fn carried_login_text(carried: &CarriedLogin) -> CarriedLoginText<'_> {
    let CarriedLogin { place, instance, slots, login } = carried;
    CarriedLoginText {
        place: *place,
        instance: instance.clone(),
        slots: slots.clone(),
        login: login_text(login),
    }
}

fn login_text(held: &HeldLogin) -> LoginText<'_> {
    let HeldLogin { fact, login, handed_out, registered } = held;
    LoginText {
        fact: *fact,
        username: login.username.as_str().into(),
        password: login.password.expose_secret().into(),
        expires: login.expires,
        handed_out: *handed_out,
        registered: *registered,
    }
}

fn held(login: LoginText<'_>) -> HeldLogin {
    HeldLogin {
        fact: login.fact,
        login: Arc::new(Login {
            username: login.username.into_owned(),
            password: login.password.into_owned().into(),
            expires: login.expires,
        }),
        handed_out: login.handed_out,
        registered: login.registered,
    }
}

fn host_texts(hosts: &[InstanceHost]) -> Vec<HostText> {
    hosts
        .iter()
        .map(|InstanceHost { host, enabled }| HostText { host: host.clone(), enabled: *enabled })
        .collect()
}

fn hosts(texts: Vec<HostText>) -> Vec<InstanceHost> {
    texts.into_iter().map(|HostText { host, enabled }| InstanceHost { host, enabled }).collect()
}

/// Reads a journal. An accepted configuration that says nothing to this version counts as none.
pub fn decode(text: &[u8]) -> Result<Record, Unusable> {
    let Versioned { version } = serde_json::from_slice(text).map_err(|_| Unusable::Damaged)?;
    if version != VERSION {
        return Err(Unusable::Version(version));
    }
    let document: Document<'_> = serde_json::from_slice(text).map_err(|_| Unusable::Damaged)?;
    let Document {
        version: _,
        configurations,
        accepted,
        retiring,
        region,
        static_secrets,
        cloud_offset_millis,
        lines,
        carried,
        admission,
        paused,
        rotations,
    } = document;
    let static_secrets = static_secrets
        .into_iter()
        .map(|StaticSecretText { namespace, name, slots }| (SecretRef { namespace, name }, slots));
    let read = |text: Cow<'_, BTreeMap<String, String>>| Accepted::read(text.into_owned()).map(Arc::new);
    let configurations: Vec<Option<Arc<Accepted>>> = configurations.into_iter().map(read).collect();
    let at = |place: usize| configurations.get(place).cloned().ok_or(Unusable::Damaged);
    let retiring = retiring.into_iter().map(at).collect::<Result<Vec<_>, _>>()?;
    let carried = carried.into_iter().map(|carried| {
        let logins = carried.logins.into_iter();
        let logins = logins.map(|CarriedLoginText { place, instance, slots, login }| CarriedLogin {
            place,
            instance,
            slots,
            login: held(login),
        });
        Ok(at(carried.configuration)?.map(|accepted| Carried { accepted, logins: logins.collect() }))
    });
    let lines = lines.into_iter().map(|line| {
        let LineText { key, hosts: known, fewer, login, slots, refused } = line;
        let record = LineRecord {
            hosts: known.map(hosts),
            fewer: fewer.map(hosts),
            login: login.map(held),
            slots,
            refused,
        };
        (key, record)
    });
    Ok(Record {
        accepted: accepted.map(at).transpose()?.flatten(),
        retiring: retiring.into_iter().flatten().collect(),
        lines: lines.collect(),
        carried: carried.filter_map(Result::transpose).collect::<Result<_, _>>()?,
        region,
        static_secrets: static_secrets.collect(),
        cloud_offset_millis,
        admission: admission.into_record(),
        controls: Controls { paused, rotations },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::admission::AdmissionObject;
    use crate::admission::certificates::{Certificates, Generation};
    use crate::journal::record::AdmissionRecord;

    fn certificates() -> Certificates {
        let generation = |name: &str| Generation {
            host: format!("{name}.example"),
            authority: format!("-----{name}\n"),
            chain: "chain".into(),
            key: "key".to_owned().into(),
            begins: UnixMillis(1),
            ends: UnixMillis(2),
        };
        Certificates {
            serving: generation("a"),
            next: Some(generation("b")),
            former: Some("c".into()),
            since: UnixMillis(3),
            fresh: true,
        }
    }

    #[test]
    fn another_version_and_damage_are_told_apart() {
        assert_eq!(decode(br#"{"version":2,"anything":[]}"#).unwrap_err(), Unusable::Version(2));
        for text in [
            "",
            "null",
            "{}",
            r#"{"version":"1"}"#,
            r#"{"version":1,"lines":[{}]}"#,
            r#"{"version":1,"accepted":0}"#,
        ] {
            assert_eq!(decode(text.as_bytes()).unwrap_err(), Unusable::Damaged, "{text}");
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let key = LineKey { region: "cn-hangzhou".into(), instance: "cri-1".into(), ordinal: 0 };
        let host = |host: &str| InstanceHost { host: host.into(), enabled: true };
        let held = HeldLogin {
            fact: crate::facts::Question::Token.key(),
            login: Arc::new(Login {
                username: "cr_temp_user".into(),
                password: "a\"b\\:c".to_owned().into(),
                expires: UnixMillis(5),
            }),
            handed_out: UnixMillis(3),
            registered: true,
        };
        let carried = held.clone();
        let line = LineRecord {
            hosts: Some(vec![host("a"), host("b")]),
            fewer: Some(vec![host("a")]),
            login: Some(held),
            slots: vec![KeySlot::host("a")],
            refused: true,
        };
        let data = BTreeMap::from([("acr-registry-info".to_owned(), "[]".to_owned())]);
        let accepted = Arc::new(Accepted::read(data.clone()).unwrap());
        let carried = CarriedLogin {
            place: 1,
            instance: "cri-1".into(),
            slots: vec![KeySlot::host("c")],
            login: carried,
        };
        let record = Record {
            accepted: Some(accepted.clone()),
            retiring: vec![accepted.clone()],
            lines: BTreeMap::from([(key.clone(), line)]),
            carried: vec![Carried { accepted, logins: vec![carried] }],
            region: Some("cn-hangzhou".into()),
            static_secrets: BTreeMap::from([
                (SecretRef { namespace: "n".into(), name: "a".into() }, StaticSlots::Domains),
                (
                    SecretRef { namespace: "n".into(), name: "b".into() },
                    StaticSlots::These(vec![KeySlot::host("r.example")]),
                ),
            ]),
            admission: AdmissionRecord {
                kept: BTreeSet::from([AdmissionObject::Registration]),
                suspects: BTreeSet::from([AdmissionObject::Parameters]),
                certificates: Some(certificates()),
            },
            cloud_offset_millis: -4,
            controls: Controls {
                paused: true,
                rotations: BTreeMap::from([("cri-1".to_owned(), "word".to_owned())]),
            },
        };
        let text = encode(&record);
        let back = decode(&text).unwrap();
        assert_eq!(back.accepted.as_ref().map(|accepted| &accepted.data), Some(&data));
        assert_eq!(back.lines[&key].login.as_ref().unwrap().login.password.expose_secret(), "a\"b\\:c");
        assert!(back.lines[&key].login.as_ref().unwrap().registered);
        assert_eq!(back.carried[0].logins, record.carried[0].logins);
        assert_eq!(back.admission.kept, record.admission.kept);
        assert_eq!(back.admission.suspects, record.admission.suspects);
        let certificates = back.admission.certificates.as_ref().unwrap();
        assert_eq!(certificates.authorities(), "-----a\n-----b\nc");
        assert_eq!(certificates.serving.key.expose_secret(), "key");
        assert_eq!(back.static_secrets, record.static_secrets);
        assert_eq!(back.controls, record.controls);
        assert_eq!(encode(&back), text);
        let texts = String::from_utf8(text.to_vec()).unwrap().matches("acr-registry-info").count();
        assert_eq!(texts, 1, "a configuration is written once, however many mention it");
    }
}
