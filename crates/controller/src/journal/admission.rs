//! What the journal keeps of the webhook and the mutating policy, as text.

use std::borrow::Cow;
use std::collections::BTreeSet;

use acr_credentials::UnixMillis;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::record::AdmissionRecord;
use crate::admission::AdmissionObject;
use crate::admission::certificates::{Certificates, Generation};

#[derive(Default, Serialize, Deserialize)]
pub(super) struct AdmissionText<'a> {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    kept: BTreeSet<AdmissionObject>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    suspects: BTreeSet<AdmissionObject>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    certificates: Option<CertificatesText<'a>>,
}

#[derive(Serialize, Deserialize)]
struct CertificatesText<'a> {
    #[serde(borrow)]
    serving: GenerationText<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    next: Option<GenerationText<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    former: Option<Cow<'a, str>>,
    since: UnixMillis,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    fresh: bool,
}

#[derive(Serialize, Deserialize)]
struct GenerationText<'a> {
    #[serde(borrow)]
    host: Cow<'a, str>,
    #[serde(borrow)]
    authority: Cow<'a, str>,
    #[serde(borrow)]
    chain: Cow<'a, str>,
    #[serde(borrow)]
    key: Cow<'a, str>,
    begins: UnixMillis,
    ends: UnixMillis,
}

impl AdmissionText<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.suspects.is_empty() && self.certificates.is_none()
    }

    pub(super) fn into_record(self) -> AdmissionRecord {
        let certificates = self.certificates.map(|text| Certificates {
            serving: text.serving.into_generation(),
            next: text.next.map(GenerationText::into_generation),
            former: text.former.map(Cow::into_owned),
            since: text.since,
            fresh: text.fresh,
        });
        AdmissionRecord { kept: self.kept, suspects: self.suspects, certificates }
    }
}

impl<'a> From<&'a AdmissionRecord> for AdmissionText<'a> {
    fn from(record: &'a AdmissionRecord) -> Self {
        let AdmissionRecord { kept, suspects, certificates } = record;
        let certificates =
            certificates.as_ref().map(|Certificates { serving, next, former, since, fresh }| {
                CertificatesText {
                    serving: serving.into(),
                    next: next.as_ref().map(GenerationText::from),
                    former: former.as_deref().map(Cow::Borrowed),
                    since: *since,
                    fresh: *fresh,
                }
            });
        Self { kept: kept.clone(), suspects: suspects.clone(), certificates }
    }
}

impl GenerationText<'_> {
    fn into_generation(self) -> Generation {
        Generation {
            host: self.host.into_owned(),
            authority: self.authority.into_owned(),
            chain: self.chain.into_owned(),
            key: self.key.into_owned().into(),
            begins: self.begins,
            ends: self.ends,
        }
    }
}

impl<'a> From<&'a Generation> for GenerationText<'a> {
    fn from(generation: &'a Generation) -> Self {
        let Generation { host, authority, chain, key, begins, ends } = generation;
        Self {
            host: host.as_str().into(),
            authority: authority.as_str().into(),
            chain: chain.as_str().into(),
            key: key.expose_secret().into(),
            begins: *begins,
            ends: *ends,
        }
    }
}
