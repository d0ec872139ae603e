//! Which edition an entry is for, by what it says of the instance: ids, nothing, or a Secret.

use std::collections::BTreeSet;

use crate::code;
use crate::configuration::{Edition, Unsupported};
use crate::reader::Fields;
use crate::sheet::{Scalar, Sheet};
use crate::yaml::Value;

impl Sheet<'_> {
    pub(super) fn edition(&mut self, fields: &Fields<'_>, reasons: &mut Vec<Unsupported>) -> Option<Edition> {
        if fields.is_set("staticSecretRef") {
            return Some(Edition::Static);
        }
        if fields.written("instanceId").is_none() {
            if fields.complete {
                self.error(
                    code::INSTANCE_ID_MISSING,
                    Some(fields.span),
                    "the entry has no instanceId".to_owned(),
                    "write `instanceId: \"cri-…\"`; only `instanceId: \"\"` means the Personal Edition"
                        .to_owned(),
                );
            }
            return None;
        }
        let before = self.errors();
        if fields.written("instanceId").is_some_and(|node| !node.complete) {
            return None;
        }
        if let Some(node) = fields.written("instanceId")
            && matches!(&node.value, Value::Scalar { text, .. } if text.trim() == "0")
        {
            self.wrong_type(
                node,
                "instanceId",
                "a text",
                "`instanceId: \"cri-…\"`, or `\"\"` for the Personal Edition",
            );
            return None;
        }
        let Some(ids) = self.text_of(fields, "instanceId") else {
            if self.errors() > before {
                return None;
            }
            let keys = ["customAccessKey", "customAccessKeySecret", "customAccessKeySecretRef"];
            if let Some(node) = fields.written("instanceId")
                && matches!(node.value, Value::Null)
            {
                self.warn(
                    code::EMPTY_INSTANCE_ID,
                    Some(node.span),
                    "instanceId has no value, which means the Personal Edition".to_owned(),
                    "write `instanceId: \"\"` if that is meant, else the id of the instance, `instanceId: \"cri-…\"`"
                        .to_owned(),
                );
            } else if keys.iter().any(|key| fields.is_set(key)) {
                self.warn(
                    code::EMPTY_INSTANCE_ID,
                    fields.written("instanceId").map(|node| node.span),
                    "an empty instanceId means the Personal Edition, also with keys".to_owned(),
                    "for an Enterprise instance write its id, `instanceId: \"cri-…\"`".to_owned(),
                );
            }
            return Some(Edition::Personal);
        };
        let mut good = Vec::new();
        let mut seen = BTreeSet::new();
        let mut new_personal = false;
        for id in ids.items() {
            if self.is_placeholder("instanceId", id) {
            } else if id.text.starts_with("crpi-") {
                new_personal = true;
                let found = self.quote(id.text);
                self.warn(
                    code::NEW_PERSONAL_EDITION,
                    Some(id.span),
                    format!(
                        "{found} is an instance of the new Personal Edition (opened after 2024-09-08), for which ACR hands out \
                         no temporary login"
                    ),
                    "give it an entry with staticSecretRef and domains; this one is not served".to_owned(),
                );
                continue;
            } else {
                self.check_instance_id(id);
            }
            if seen.insert(id.text) {
                good.push(id.text.to_owned());
            }
        }
        if good.is_empty() && new_personal {
            reasons.insert(0, Unsupported::NewPersonalEdition);
        } else if good.is_empty() {
            self.error(
                code::INVALID_VALUE,
                Some(ids.span),
                "instanceId has commas but no id".to_owned(),
                "write ids between the commas, or `instanceId: \"\"` for the Personal Edition".to_owned(),
            );
            return None;
        }
        Some(Edition::Enterprise { ids: good })
    }

    /// Ids are `cri-` and small letters and digits wherever the documentation shows one, and its form is not documented: what
    /// no id can hold is an error, what none was seen with is a warning.
    fn check_instance_id(&mut self, id: Scalar<'_>) {
        let found = self.quote(id.text);
        let rest = id.text.strip_prefix("cri-");
        let legible = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if rest == Some("") || !id.text.chars().all(legible) {
            self.error(
                code::INVALID_VALUE,
                Some(id.span),
                format!("{found} cannot be the id of an instance: an id is `cri-` with letters and digits after it"),
                "copy the id from the page of the instance in the console of ACR; several are separated by commas"
                    .to_owned(),
            );
        } else if rest.is_none() {
            self.warn(
                code::UNUSUAL_INSTANCE_ID,
                Some(id.span),
                format!("{found} does not look like the id of an instance"),
                "write the id, which starts with `cri-`, not the name of the instance".to_owned(),
            );
        } else if rest
            .is_some_and(|rest| rest.contains(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit()))
        {
            self.warn(
                code::UNUSUAL_INSTANCE_ID,
                Some(id.span),
                format!("{found} does not look like the id of an instance: no id is known to have more than small letters and digits after `cri-`"),
                "compare it with the page of the instance in the console of ACR".to_owned(),
            );
        }
    }
}
