//! The payloads of pull secrets: one per set of entries, made from what the journal holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use acr_configuration::Domain;
use acr_credentials::docker_config::SECRET_LIMIT_BYTES;
use acr_credentials::{DockerConfig, KeySlot, UnixMillis};
use aws_lc_rs::digest;

use crate::facts::{Line, LineKey};
use crate::journal::LineRecord;
use crate::operation::Payload;

/// From this size on a payload is reported, in bytes: nine tenths of what a Secret holds.
pub const LARGE_BYTES: usize = SECRET_LIMIT_BYTES / 10 * 9;

/// What a set of entries publishes.
#[derive(Debug)]
pub struct Profile {
    /// The payload; `None` when it would not fit into a Secret.
    pub payload: Option<Payload>,
    /// Whether it holds any login.
    pub empty: bool,
    /// Whether every line of the set is known: none waits for its first answer.
    pub complete: bool,
    /// When the first login in it is dead, by the cloud's clock.
    pub dies: Option<UnixMillis>,
    /// The bytes that each entry (place in the list as written) fills, when it is large.
    pub fillers: Vec<(usize, usize)>,
}

/// Makes the profile of the entries at `places`. `time` is the cloud's.
pub fn profile(
    lines: &[Line],
    records: &BTreeMap<LineKey, LineRecord>,
    places: &[usize],
    email: Option<&str>,
    time: UnixMillis,
) -> Profile {
    let mut document = DockerConfig::new(email.map(str::to_owned));
    let mut complete = true;
    let mut dies: Option<UnixMillis> = None;
    let mut expires: Option<UnixMillis> = None;
    for line in lines.iter().filter(|line| places.contains(&line.place)) {
        let record = records.get(&line.key);
        let Some(held) = record.and_then(|record| record.login.as_ref()) else {
            complete = false;
            continue;
        };
        let Some(slots) = slots(lines, records, line) else {
            complete = false;
            continue;
        };
        if held.dies() <= time {
            continue;
        }
        for slot in slots {
            if document.insert(slot, (*held.login).clone()) {
                dies = Some(dies.map_or(held.dies(), |dies| dies.min(held.dies())));
                expires = Some(expires.map_or(held.login.expires, |expires| expires.min(held.login.expires)));
            }
        }
    }
    let empty = document.iter().next().is_none();
    let text = document.render();
    let fillers =
        if text.len() >= LARGE_BYTES { fillers(lines, records, places, email, time) } else { Vec::new() };
    let payload = (text.len() <= SECRET_LIMIT_BYTES).then(|| Payload {
        digest: hex(digest::digest(&digest::SHA256, &text).as_ref()),
        document: text,
        expires,
    });
    Profile { payload, empty, complete, dies, fillers }
}

/// How many bytes each entry fills, the largest first.
fn fillers(
    lines: &[Line],
    records: &BTreeMap<LineKey, LineRecord>,
    places: &[usize],
    email: Option<&str>,
    time: UnixMillis,
) -> Vec<(usize, usize)> {
    let mut sizes: Vec<(usize, usize)> = Vec::new();
    for line in lines.iter().filter(|line| places.contains(&line.place)) {
        let Some(held) = records.get(&line.key).and_then(|record| record.login.as_ref()) else { continue };
        if held.dies() <= time {
            continue;
        }
        let mut document = DockerConfig::new(email.map(str::to_owned));
        for slot in slots(lines, records, line).unwrap_or_default() {
            document.insert(slot, (*held.login).clone());
        }
        sizes.push((line.index, document.render().len()));
    }
    sizes.sort_by_key(|(index, size)| (std::cmp::Reverse(*size), *index));
    sizes
}

/// The key slots of a line: the domains of its entry that belong to its instance, else all of the instance's.
/// `None` while they are not known.
pub fn slots(lines: &[Line], records: &BTreeMap<LineKey, LineRecord>, line: &Line) -> Option<Vec<KeySlot>> {
    let hosts = |line: &Line| records.get(&line.key).and_then(|record| record.hosts.as_ref());
    let Some(domains) = &line.domains else {
        return Some(hosts(line)?.iter().map(|host| KeySlot::host(&host.host)).collect());
    };
    let owns = |line: &Line, name: &str| {
        hosts(line).is_some_and(|hosts| hosts.iter().any(|host| host.host.eq_ignore_ascii_case(name)))
    };
    let siblings = || lines.iter().filter(|other| other.place == line.place && other.key != line.key);
    let published = |line: &Line, domain: &Domain| {
        records.get(&line.key).is_some_and(|record| record.slots.contains(&slot(domain)))
    };
    let all_known = siblings().chain([line]).all(|line| hosts(line).is_some());
    let alone = siblings().next().is_none();
    let mine: Vec<&Domain> = domains
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
            let elsewhere = siblings().any(|other| published(other, domain));
            published(line, domain) || !elsewhere && line.first && all_known
        })
        .collect();
    (!mine.is_empty() || all_known || alone).then(|| mine.into_iter().map(slot).collect())
}

/// Notes for each line the slots that it is given, so that they stay with it while it is not known who owns them.
pub fn note_slots(lines: &[Line], records: &mut BTreeMap<LineKey, LineRecord>) {
    let given: Vec<(LineKey, Vec<KeySlot>)> =
        lines.iter().filter_map(|line| Some((line.key.clone(), slots(lines, records, line)?))).collect();
    for (key, slots) in given {
        if let Some(record) = records.get_mut(&key) {
            record.slots = slots;
        }
    }
}

fn slot(domain: &Domain) -> KeySlot {
    match &domain.path {
        None => KeySlot::host(&domain.host),
        Some(path) => KeySlot::host_and_path(&domain.host, path),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
