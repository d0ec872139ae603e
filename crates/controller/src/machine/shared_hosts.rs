//! Hosts that several entries turn out to have, of which the text of the configuration could not tell.

use std::collections::{BTreeMap, BTreeSet};

use acr_configuration::{code, overlaps};
use acr_credentials::KeySlot;

use super::Machine;
use crate::facts::Line;
use crate::operation::Subject;
use crate::slots::slots;
use crate::status::ActiveFinding;
use crate::time::Now;

/// The group of these findings.
const GROUP: &str = "shared-hosts";
/// A finding names no more hosts than this.
const NAMED: usize = 5;

/// What a later entry has in common with an earlier one, of one or several instances of each.
struct Shared<'a> {
    first: Vec<&'a Line>,
    later: Vec<&'a Line>,
    slots: Vec<KeySlot>,
}

impl Machine {
    /// Says which hosts go to another entry than one that has them too. It depends on lines and journal only, not on whose
    /// login is alive: what comes and goes by the minute is not said.
    pub(super) fn report_shared_hosts(&mut self, now: Now) {
        let findings = self.shared_hosts().iter().map(finding).collect();
        self.ledger.set(now.mono, GROUP, findings);
    }

    /// By entry, and by the entry that comes before it.
    fn shared_hosts(&self) -> Vec<Shared<'_>> {
        let lines = &self.lines.drawn;
        let (Some(record), Some(configuration)) = (self.recorder.durable(), self.configuration()) else {
            return Vec::new();
        };
        let told: BTreeSet<(usize, usize)> =
            overlaps(&configuration.entries).into_iter().map(|told| (told.first, told.later)).collect();
        let meet = |one: &Line, other: &Line| {
            let entry = |line: &Line| configuration.entries.get(line.place);
            entry(one).zip(entry(other)).is_some_and(|(one, other)| one.may_meet(other))
        };
        let rank = |one: &Line, later: &Line| {
            let entry = |line: &Line| configuration.entries.get(line.place);
            entry(one).zip(entry(later)).map(|(one, later)| one.rank_against(later))
        };
        let mut holders: BTreeMap<KeySlot, Vec<&Line>> = BTreeMap::new();
        let mut shared: BTreeMap<(usize, usize), Shared<'_>> = BTreeMap::new();
        for line in lines {
            for slot in slots(lines, record, line).unwrap_or_default() {
                let known = holders.entry(slot.clone()).or_default();
                let earlier = known.iter().filter(|first| first.place != line.place && meet(first, line));
                let earlier = earlier.min_by_key(|first| rank(first, line));
                if let Some(first) = earlier.filter(|first| !told.contains(&(first.index, line.index))) {
                    let empty = || Shared { first: Vec::new(), later: Vec::new(), slots: Vec::new() };
                    let shared = shared.entry((line.index, first.index)).or_insert_with(empty);
                    shared.first.push(first);
                    shared.later.push(line);
                    shared.slots.push(slot);
                }
                known.push(line);
            }
        }
        shared.into_values().collect()
    }
}

fn finding(shared: &Shared<'_>) -> ActiveFinding {
    let Shared { first, later, slots } = shared;
    let named: Vec<&str> = slots.iter().take(NAMED).map(KeySlot::as_str).collect();
    let more = match slots.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "{} has {}{more} in common with {}, which comes first: its login is the one in the pull secrets, as long as it has a \
         living one; remove what is common from one entry with `domains`, narrow the entries by `namespaces`, or write \
         `host/namespace`",
        entry(later),
        named.join(", "),
        entry(first)
    );
    ActiveFinding {
        subject: Subject::Configuration,
        error: false,
        code: code::DUPLICATE_HOST.to_owned(),
        message,
    }
}

/// The entry of these lines, with its instance where it is one that has what is common.
fn entry(lines: &[&Line]) -> String {
    let index = lines.first().map(|line| line.index).unwrap_or_default();
    let instances: BTreeSet<&str> = lines.iter().map(|line| line.key.instance.as_str()).collect();
    match (instances.len(), instances.first()) {
        (1, Some(instance)) => format!("entry {index} ({instance})"),
        _ => format!("entry {index}"),
    }
}
