//! Which key slots a line is given, and which login each slot carries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use acr_configuration::Domain;
use acr_credentials::{InstanceHost, KeySlot, UnixMillis};

use crate::facts::chain::{SlotSource, slot};
use crate::facts::{FactKey, Line};
use crate::journal::{Carried, CarriedLogin, HeldLogin, Record};

/// The domains of a line's entry that belong to its instance, else all of the instance's. `None` while they are not
/// known.
pub fn slots(lines: &[Line], record: &Record, line: &Line) -> Option<Vec<KeySlot>> {
    match &line.slots {
        SlotSource::Fixed(slots) => return Some(slots.clone()),
        SlotSource::Unknown => return None,
        SlotSource::Discovered(_) => {}
    }
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
            // Nobody is known to own it: it stays where it is, and where it is nowhere yet it goes to the one that may own
            // it, but not before all instances have answered.
            let elsewhere = siblings().any(|other| given(other, domain));
            let is_taker = || taker(lines, record, line).is_some_and(|taker| taker.key == line.key);
            given(line, domain) || !elsewhere && all_settled && is_taker()
        })
        .map(slot)
        .collect();
    (!mine.is_empty() || all_settled || alone).then_some(mine)
}

/// Which line of an entry is given the domains that none is known to own: the first whose own domains nobody knows,
/// because a domain does not name its instance; the first of all where all are known.
pub fn taker<'a>(lines: &'a [Line], record: &Record, line: &Line) -> Option<&'a Line> {
    let mut ours = lines.iter().filter(|other| other.place == line.place);
    ours.clone().find(|other| hosts(record, other).is_none()).or_else(|| ours.next())
}

/// The domains of a line's instance, as any line of that instance has learned them.
fn hosts<'a>(record: &'a Record, line: &Line) -> Option<&'a [InstanceHost]> {
    let own = record.lines.get(&line.key).and_then(|record| record.hosts.as_deref());
    own.or_else(|| {
        let mut same = record.lines.iter().filter(|(key, _)| key.instance == line.key.instance);
        same.find_map(|(_, record)| record.hosts.as_deref())
    })
}

/// The slots of a line for which what is carried on is of use: while its login has not come or has expired, its own; while these are not
/// known, all that its entry names, or those under which earlier configurations published its instance.
pub fn awaited(lines: &[Line], record: &Record, line: &Line, time: UnixMillis) -> BTreeSet<KeySlot> {
    match (slots(lines, record, line), &line.domains) {
        (Some(_), _) if record.login(line).is_some_and(|held| held.login.expires > time) => BTreeSet::new(),
        (Some(slots), _) => slots.into_iter().collect(),
        (None, Some(domains)) => domains.iter().map(slot).collect(),
        (None, None) => {
            let carried = record.carried.iter().flat_map(|carried| &carried.logins);
            let of_instance = carried.filter(|carried| may_be(line, &carried.instance));
            of_instance.flat_map(|carried| carried.slots.iter().cloned()).collect()
        }
    }
}

/// Whether what was published under this instance may belong to a line; while its own is not known in full, by how it
/// begins.
fn may_be(line: &Line, instance: &str) -> bool {
    let rest = instance.strip_prefix(line.key.instance.as_str());
    rest.is_some_and(|rest| {
        let whole = line.key.instance.ends_with('/') || rest.starts_with('/');
        rest.is_empty() || line.slots == SlotSource::Unknown && whole
    })
}

/// Notes for each line the slots that it is given, so that they stay with it while it is not known who owns them,
/// and drops what is carried for slots that no line waits for any more.
pub fn note_slots(lines: &[Line], record: &mut Record, time: UnixMillis) {
    let waiting: BTreeSet<KeySlot> =
        lines.iter().flat_map(|line| awaited(lines, record, line, time)).collect();
    for carried in &mut record.carried {
        carried.logins.retain(|login| login.slots.iter().any(|slot| waiting.contains(slot)));
    }
    record.carried.retain(|carried| !carried.logins.is_empty());
    renew_carried(record);
    for line in lines {
        if let Some(slots) = slots(lines, record, line) {
            record.lines.entry(line.key.clone()).or_default().slots = slots;
        }
    }
}

/// What is carried on of a fact is the newest that it has answered, wherever that is held.
fn renew_carried(record: &mut Record) {
    let mut newest: BTreeMap<FactKey, HeldLogin> = BTreeMap::new();
    let lines = record.lines.values().filter_map(|line| line.login.as_ref());
    let carried = record.carried.iter().flat_map(|carried| &carried.logins).map(|carried| &carried.login);
    for held in lines.chain(carried) {
        let known = newest.entry(held.fact).or_insert_with(|| held.clone());
        if held.handed_out > known.handed_out {
            *known = held.clone();
        }
    }
    for carried in record.carried.iter_mut().flat_map(|carried| &mut carried.logins) {
        if let Some(held) = newest.get(&carried.login.fact) {
            carried.login = held.clone();
        }
    }
}

/// The logins of slots that lines have before a change and not after it: other entries may still want them.
pub fn lost(lines: &[Line], before: &Record, after: &Record) -> Option<Carried> {
    let logins = lines.iter().filter_map(|line| {
        let left = slots(lines, after, line)?;
        let slots = slots(lines, before, line)?.into_iter().filter(|slot| !left.contains(slot));
        let (slots, instance) = (slots.collect::<Vec<_>>(), line.key.instance.clone());
        let login = before.login(line)?.clone();
        (!slots.is_empty()).then_some(CarriedLogin { place: line.place, instance, slots, login })
    });
    let logins: Vec<CarriedLogin> = logins.collect();
    let accepted = before.accepted.clone().filter(|_| !logins.is_empty())?;
    Some(Carried { accepted, logins })
}

/// What a record publishes, and what it carries itself: what a later configuration carries on.
pub fn published(lines: &[Line], record: &Record, time: UnixMillis) -> Vec<Carried> {
    let own = lines.iter().filter_map(|line| {
        let login = record.living_login(line, time)?.clone();
        let slots = slots(lines, record, line).filter(|slots| !slots.is_empty())?;
        Some(CarriedLogin { place: line.place, instance: line.key.instance.clone(), slots, login })
    });
    let own: Vec<CarriedLogin> = own.collect();
    let own = record
        .accepted
        .as_ref()
        .filter(|_| !own.is_empty())
        .map(|accepted| Carried { accepted: Arc::clone(accepted), logins: own });
    let alive = |carried: &&Carried| carried.logins.iter().any(|login| login.login.dies() > time);
    own.into_iter().chain(record.carried.iter().filter(alive).cloned()).collect()
}
