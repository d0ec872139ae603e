//! Hosts that several entries publish: the first entry wins, and it is said.

use std::collections::BTreeMap;

use crate::code;
use crate::configuration::{Edition, Entry};
use crate::entries::ReadEntry;
use crate::sheet::Sheet;
use crate::yaml::Span;

/// Reports every host that an earlier entry publishes already, in namespaces that both may serve.
pub(crate) fn check(sheet: &mut Sheet<'_>, entries: &[ReadEntry]) {
    let mut earlier: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
    for read in entries {
        let entry = &read.entry;
        for (slot, span) in slots(read) {
            let holders = earlier.entry(slot.clone()).or_default();
            if let Some(first) = holders.iter().find(|first| may_meet(first, entry)) {
                sheet.entry = Some(entry.index);
                let found = sheet.quote(&slot);
                sheet.warn(
                    code::DUPLICATE_HOST,
                    Some(span),
                    format!("entry {} publishes {found} already, and the first entry wins", first.index),
                    "remove it from one entry, narrow the entries by namespaces, or write `host/namespace`"
                        .to_owned(),
                );
                sheet.entry = None;
            }
            holders.push(entry);
        }
    }
}

/// What an entry is known to publish: its domains; without domains, all hosts of its instances.
fn slots(read: &ReadEntry) -> Vec<(String, Span)> {
    if read.entry.domains.is_some() {
        return read.domains.iter().map(|(domain, span)| (domain.to_string(), *span)).collect();
    }
    let span = read.id.unwrap_or(read.span);
    let region = read.entry.region.as_deref().unwrap_or("the cluster's region");
    match &read.entry.edition {
        Edition::Enterprise { ids } => {
            ids.iter().map(|id| (format!("every host of {id} in {region}"), span)).collect()
        }
        Edition::Personal => vec![(format!("every host of the Personal Edition in {region}"), span)],
        Edition::Static => Vec::new(),
    }
}

/// Whether two entries may serve the same namespace. Globs are taken to meet.
fn may_meet(first: &Entry, second: &Entry) -> bool {
    let (Some(first), Some(second)) = (&first.namespaces, &second.namespaces) else { return true };
    first.iter().any(|a| {
        second
            .iter()
            .any(|b| a.matches(b.as_str()) || b.matches(a.as_str()) || !(a.is_literal() || b.is_literal()))
    })
}
