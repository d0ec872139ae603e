//! The payloads of pull secrets: one per set of entries, made from what the journal holds.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use acr_credentials::docker_config::SECRET_LIMIT_BYTES;
use acr_credentials::{DockerConfig, KeySlot, UnixMillis};
use aws_lc_rs::digest;

use crate::facts::Line;
use crate::journal::{CarriedLogin, HeldLogin, Record};
use crate::operation::Payload;
use crate::slots::{awaited, slots};

/// From this size on a payload is reported, in bytes: nine tenths of what a Secret holds.
pub const LARGE_BYTES: usize = SECRET_LIMIT_BYTES / 10 * 9;

/// What a set of entries publishes.
#[derive(Debug)]
pub struct Profile {
    /// The payload; `None` when it would not fit into a Secret.
    pub payload: Option<Payload>,
    /// Whether it holds any login.
    pub empty: bool,
    /// What it holds logins for.
    pub slots: Vec<KeySlot>,
    /// Whether every line of the set is known: none waits for its first answer.
    pub complete: bool,
    /// When the first login in it is dead, by the cloud's clock.
    pub dies: Option<UnixMillis>,
    /// The bytes that each entry (place in the list as written) fills, when it is large.
    pub fillers: Vec<(usize, usize)>,
}

/// Makes the profile of the entries at `places` in a namespace. Only what is carried on depends on the namespace: it
/// stays where it was. `time` is the cloud's.
pub fn profile(
    lines: &[Line],
    record: &Record,
    places: &[usize],
    namespace: &str,
    email: Option<&str>,
    time: UnixMillis,
) -> Profile {
    let mut document = DockerConfig::new(email.map(str::to_owned));
    let mut complete = true;
    let mut dies: Option<UnixMillis> = None;
    let mut expires: Option<UnixMillis> = None;
    let mut put = |slot: KeySlot, held: &HeldLogin| {
        if held.dies() > time && document.insert(slot, (*held.login).clone()) {
            dies = Some(dies.map_or(held.dies(), |dies| dies.min(held.dies())));
            expires = Some(expires.map_or(held.login.expires, |expires| expires.min(held.login.expires)));
        }
    };
    let carried =
        || record.carried.iter().flat_map(|carried| carried.reaching(namespace)).map(|(_, login)| login);
    let mut waiting = BTreeSet::new();
    for line in lines.iter().filter(|line| places.contains(&line.place)) {
        let slots = slots(lines, record, line);
        let held = record.living_login(line, time);
        complete &= held.is_some() && slots.is_some();
        match (held, slots, &line.domains) {
            (Some(held), Some(slots), _) => {
                for slot in slots {
                    // One that has expired gives way to one that is carried on and is still good.
                    let good = |carried: &&CarriedLogin| {
                        carried.slots.contains(&slot) && carried.login.login.expires > time
                    };
                    let better = || carried().find(good).map(|carried| &carried.login);
                    let is_over = held.login.expires <= time;
                    let held = is_over.then(better).flatten().unwrap_or(held);
                    put(slot, held);
                }
            }
            // Nobody knows the domains of the instance: the slots that it had here are its own until somebody does.
            (Some(held), None, None) => {
                let of_instance = carried().filter(|carried| carried.instance == line.key.instance);
                of_instance
                    .flat_map(|carried| carried.slots.iter().cloned())
                    .for_each(|slot| put(slot, held));
            }
            _ => waiting.extend(awaited(lines, record, line, time)),
        }
    }
    for slot in waiting {
        let fits = |login: &&CarriedLogin| login.slots.contains(&slot) && login.login.dies() > time;
        let good = |login: &&CarriedLogin| fits(login) && login.login.login.expires > time;
        if let Some(carried) = carried().find(good).or_else(|| carried().find(fits)) {
            put(slot, &carried.login);
        }
    }
    let slots: Vec<KeySlot> = document.iter().map(|(slot, _)| slot.clone()).collect();
    let empty = slots.is_empty();
    let text = document.render();
    let fillers =
        if text.len() >= LARGE_BYTES { fillers(lines, record, places, email, time) } else { Vec::new() };
    let payload = (text.len() <= SECRET_LIMIT_BYTES).then(|| Payload {
        digest: hex(digest::digest(&digest::SHA256, &text).as_ref()),
        document: text,
        expires,
    });
    Profile { payload, empty, slots, complete, dies, fillers }
}

/// How many bytes each entry fills, the largest first.
fn fillers(
    lines: &[Line],
    record: &Record,
    places: &[usize],
    email: Option<&str>,
    time: UnixMillis,
) -> Vec<(usize, usize)> {
    let mut sizes: Vec<(usize, usize)> = Vec::new();
    for line in lines.iter().filter(|line| places.contains(&line.place)) {
        let Some(held) = record.login(line) else { continue };
        if held.dies() <= time {
            continue;
        }
        let mut document = DockerConfig::new(email.map(str::to_owned));
        for slot in slots(lines, record, line).unwrap_or_default() {
            document.insert(slot, (*held.login).clone());
        }
        sizes.push((line.index, document.render().len()));
    }
    sizes.sort_by_key(|(index, size)| (std::cmp::Reverse(*size), *index));
    sizes
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
