//! Which key slots a line is given, and which login each slot carries.

use std::collections::{BTreeMap, BTreeSet};

use acr_configuration::Domain;
use acr_credentials::{InstanceHost, KeySlot, UnixMillis};

use crate::facts::Line;
use crate::journal::{HeldLogin, Record};

/// The key slots of a line: the domains of its entry that belong to its instance, else all of the instance's.
/// `None` while they are not known.
pub fn slots(lines: &[Line], record: &Record, line: &Line) -> Option<Vec<KeySlot>> {
    let Some(domains) = &line.domains else {
        return Some(hosts(record, line)?.iter().map(|host| KeySlot::host(&host.host)).collect());
    };
    let owns = |line: &Line, name: &str| {
        hosts(record, line).is_some_and(|hosts| hosts.iter().any(|host| host.host.eq_ignore_ascii_case(name)))
    };
    let siblings = || lines.iter().filter(|other| other.place == line.place && other.key != line.key);
    let given = |line: &Line, domain: &Domain| {
        record.lines.get(&line.key).is_some_and(|record| record.slots.contains(&slot(domain)))
    };
    let settled = |line: &Line| {
        hosts(record, line).is_some() || record.lines.get(&line.key).is_some_and(|record| record.refused)
    };
    let all_settled = siblings().chain([line]).all(settled);
    let alone = siblings().next().is_none();
    let mine: Vec<KeySlot> = domains
        .iter()
        .filter(|domain| {
            if owns(line, &domain.host) || alone {
                return true;
            }
            if siblings().any(|other| owns(other, &domain.host)) {
                return false;
            }
            // Nobody is known to own it: it stays where it is, and where it is nowhere yet it goes to the first, but
            // not before all instances have answered.
            let elsewhere = siblings().any(|other| given(other, domain));
            given(line, domain) || !elsewhere && line.first && all_settled
        })
        .map(slot)
        .collect();
    (!mine.is_empty() || all_settled || alone).then_some(mine)
}

/// The domains of a line's instance, as any line of that instance has learned them.
fn hosts<'a>(record: &'a Record, line: &Line) -> Option<&'a [InstanceHost]> {
    let own = record.lines.get(&line.key).and_then(|record| record.hosts.as_deref());
    own.or_else(|| {
        let same =
            |key: &&crate::facts::LineKey| key.instance == line.key.instance && key.region == line.key.region;
        record.lines.iter().filter(|(key, _)| same(key)).find_map(|(_, record)| record.hosts.as_deref())
    })
}

fn slot(domain: &Domain) -> KeySlot {
    match &domain.path {
        None => KeySlot::host(&domain.host),
        Some(path) => KeySlot::host_and_path(&domain.host, path),
    }
}

/// Notes for each line the slots that it is given, so that they stay with it while it is not known who owns them,
/// and drops what is carried for slots that no line waits for any more.
pub fn note_slots(lines: &[Line], record: &mut Record) {
    let mut awaited = BTreeSet::new();
    let mut unknown = false;
    for line in lines {
        let slots = slots(lines, record, line);
        let known = record.lines.entry(line.key.clone()).or_default();
        if known.login.is_none() {
            unknown |= slots.is_none();
            awaited.extend(slots.iter().flatten().cloned());
        }
        if let Some(slots) = slots {
            known.slots = slots;
        }
    }
    record.carried.retain(|slot, _| unknown || awaited.contains(slot));
}

/// The login of each slot, over all entries, as far as it is not dead: what a later configuration carries on.
pub fn published(lines: &[Line], record: &Record, time: UnixMillis) -> BTreeMap<KeySlot, HeldLogin> {
    let mut published = BTreeMap::new();
    for line in lines {
        let held = record.lines.get(&line.key).and_then(|record| record.login.as_ref());
        let Some(held) = held.filter(|held| held.dies() > time) else { continue };
        for slot in slots(lines, record, line).unwrap_or_default() {
            published.entry(slot).or_insert_with(|| held.clone());
        }
    }
    for (slot, held) in record.carried.iter().filter(|(_, held)| held.dies() > time) {
        published.entry(slot.clone()).or_insert_with(|| held.clone());
    }
    published
}
