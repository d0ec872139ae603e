//! The safety contract, asserted after every step of every history from what was shown to each process and from what
//! really is, never from the machine's internals.

mod admission;
mod calls;
mod controls;
mod known;
mod object;
mod place;
mod pods;
mod published;
mod rest;
mod rule;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use acr_controller::observation::Answer;
use acr_controller::operation::Operation;
use acr_credentials::{Reply, UnixMillis};

pub use known::{Delivery, Meaning};
pub(crate) use pods::passwords_for;
pub use rule::{Checked, Rule, Violation};

use crate::api_server::{AccountKey, ApiServer, Effect};
use crate::cloud::CloudSide;
use crate::coverage::Coverage;
use crate::plan::Moment;
use crate::wanted::Wanted;
pub(crate) use admission::{s5_no_admission_is_left, s5_who_answers_is_trusted};
use calls::Calls;
use controls::Controls;
use known::{Candidate, Known};
use object::Object;
use published::Published;
use rule::ensure;

/// The number of a process; each is new.
pub type ProcessId = u64;

/// What really is.
#[derive(Clone, Copy, Debug)]
pub struct Truth<'a> {
    /// The true time, which is also the cloud's.
    pub now: Moment,
    /// The true time as wall time.
    pub cloud_time: UnixMillis,
    /// Milliseconds by which the node's wall clock is ahead of the true time.
    pub wall_offset: i64,
    /// The API server.
    pub server: &'a ApiServer,
    /// The cloud.
    pub cloud: &'a CloudSide,
}

/// What is remembered of an operation from its start.
#[derive(Clone, Debug)]
pub struct Issue {
    /// Who started it.
    pub process: ProcessId,
    /// When.
    pub at: Moment,
    term: calls::Term,
    candidates: Vec<Candidate>,
    accepted: Option<Candidate>,
    /// How many journals had been stored.
    journals: usize,
    /// How many answers about hosts had been told.
    told: usize,
    clock: published::ClockBounds,
}

/// The contract with all that it has to remember.
#[derive(Debug, Default)]
pub struct Contract {
    known: BTreeMap<ProcessId, Known>,
    meanings: BTreeMap<u64, Meaning>,
    /// Which configurations a stored journal may hold, by its resourceVersion.
    journals: BTreeMap<u64, Vec<Candidate>>,
    /// All that may have been in force since the last rest.
    considered: Vec<Rc<Wanted>>,
    /// All that a stored journal surely held since the last rest or loss of the journal: an edit that the next one
    /// overtook before it was written was never in force.
    journalled: Vec<Rc<Wanted>>,
    /// Namespaces whose labels were changed since everything was last cleaned: what served them before nobody may have
    /// seen.
    relabelled: BTreeSet<String>,
    /// Who was in scope of something since the last rest.
    ever_served: BTreeSet<AccountKey>,
    ever_served_namespaces: BTreeSet<String>,
    in_flight: BTreeSet<(ProcessId, Object)>,
    /// Own writes that a process has not seen yet.
    owed: BTreeMap<(ProcessId, Object), u64>,
    /// Whoever has read or written the journal last: it loses nothing with it.
    keeper: Option<ProcessId>,
    /// A term has begun without a journal since the last rest.
    cold: bool,
    /// A term has ever begun without a journal.
    ever_cold: bool,
    published: Published,
    calls: Calls,
    controls: Controls,
    evictions: pods::Evictions,
    rest: rest::RestState,
}

impl Contract {
    /// A process starts.
    pub fn started(&mut self, process: ProcessId, uninstall: bool) {
        self.known.insert(process, Known::nothing(uninstall));
    }

    /// A process is no more.
    pub fn ended(&mut self, process: ProcessId) {
        self.known.remove(&process);
        self.in_flight.retain(|(owner, _)| *owner != process);
        self.owed.retain(|(owner, _), _| *owner != process);
        self.calls.ended(process);
        self.controls.ended(process);
        self.evictions.ended(process);
    }

    /// The ConfigMap has a new version with a meaning.
    pub fn configured(&mut self, resource_version: u64, meaning: Meaning) {
        self.meanings.insert(resource_version, meaning);
    }

    /// Whether the ConfigMap, as it is now, is none that counts.
    pub fn is_spoiled(&self, server: &ApiServer) -> bool {
        let version = server.configuration().map(|found| found.resource_version);
        !version.is_some_and(|version| matches!(self.meanings.get(&version), Some(Meaning::Good(_))))
    }

    /// Whether nobody can know any more that a ServiceAccount was ever attached: how it was opted out was not seen, or the
    /// journal that told was lost, and the ConfigMap does not say it either.
    pub fn is_out_of_reach(&self, server: &ApiServer, (namespace, name): &AccountKey) -> bool {
        let (Some(account), Some(home)) =
            (server.accounts().get(&(namespace.clone(), name.clone())), server.namespaces().get(namespace))
        else {
            return false;
        };
        let version = server.configuration().map(|found| found.resource_version);
        let said =
            version.and_then(|version| self.meanings.get(&version)).is_some_and(|meaning| match meaning {
                Meaning::Good(wanted) => wanted.serves_account(namespace, &home.labels, name, false),
                Meaning::Spoiled(_) => false,
            });
        !said && (account.ignored || self.ever_cold)
    }

    /// The ConfigMap has a new version with the text of the one before.
    pub fn annotated(&mut self, before: u64, after: u64) {
        if let Some(meaning) = self.meanings.get(&before).cloned() {
            self.meanings.insert(after, meaning);
        }
    }

    /// Somebody asks with a word of its own, after so many answers of the cloud, to renew what is held for an instance, or
    /// for all.
    pub fn renewal_asked(&mut self, word: String, answers: u64) {
        self.controls.renewal_asked(word, answers);
    }

    /// The wall clock has jumped.
    pub fn clock_jumped(&mut self, wall_offset: i64) {
        self.published.clock_jumped(wall_offset);
    }

    /// Somebody changed the labels of a Namespace.
    pub fn relabelled(&mut self, namespace: &str) {
        self.relabelled.insert(namespace.to_owned());
    }

    /// A Namespace is gone with all in it.
    pub fn namespace_gone(&mut self, namespace: &str) {
        self.published.forget(namespace);
    }

    /// A watch delivers to a process.
    pub fn shown(&mut self, process: ProcessId, delivery: &Delivery, now: Moment) {
        let Some(known) = self.known.get_mut(&process) else { return };
        let before = known.candidates.len();
        known.take(delivery, &self.meanings);
        self.evictions.shown(process, delivery, now);
        let renewed = self.controls.shown(process, delivery, now);
        if renewed {
            self.calls.renewed(process, now);
        } else if known.candidates.len() != before {
            self.calls.inputs_changed(process, now);
        }
        self.see_own_writes(process, delivery);
        self.remember_scope(process);
    }

    fn remember_scope(&mut self, process: ProcessId) {
        let Some(known) = self.known.get(&process) else { return };
        for candidate in &known.candidates {
            if !self.considered.iter().any(|other| Rc::ptr_eq(other, &candidate.wanted)) {
                self.considered.push(candidate.wanted.clone());
            }
        }
        if !known.served_accounts.is_subset(&self.ever_served) {
            self.ever_served.extend(known.served_accounts.iter().cloned());
        }
        if !known.served_namespaces.is_subset(&self.ever_served_namespaces) {
            self.ever_served_namespaces.extend(known.served_namespaces.iter().cloned());
        }
    }

    /// A process starts an operation: the rules that hold at the start.
    pub fn issued(
        &mut self,
        process: ProcessId,
        identity: &str,
        operation: &Operation,
        truth: Truth<'_>,
    ) -> Result<Issue, Violation> {
        self.s8_one_operation_per_object(process, operation)?;
        writes::s3_only_the_leader_acts(identity, operation, truth)?;
        self.controls.s6_nothing_moves_while_paused(process, operation)?;
        self.evictions.tick(truth);
        self.s9_eviction_is_allowed(process, operation, truth)?;
        let Some(known) = self.known.get(&process) else {
            return Err(Violation {
                rule: Rule::S7,
                what: "an operation of a process that is no more".into(),
            });
        };
        let issue = Issue {
            process,
            at: truth.now,
            term: self.calls.term(process),
            candidates: known.candidates.clone(),
            accepted: known.surely_accepted(),
            journals: self.published.journals(),
            told: self.published.told(),
            clock: self.published.clock_bounds(known.cloud_time_heard, truth),
        };
        self.writes_are_allowed(known, operation, truth)?;
        if let Operation::Ask { call, .. } = operation {
            let known = self.known.get(&process);
            let threshold = known.map_or(0, Known::longest_threshold);
            self.calls.s4_started(process, call, threshold, truth)?;
        }
        if self.rest.is_resting() {
            self.s5_nothing_is_written_at_rest(process, operation, truth)?;
        }
        Ok(issue)
    }

    /// An operation has reached the server: the rules that hold for what it changed there.
    pub fn landed(
        &mut self,
        issue: &Issue,
        operation: &Operation,
        effect: &Effect,
        truth: Truth<'_>,
        coverage: &mut Coverage,
    ) -> Checked {
        match effect {
            Effect::Nothing | Effect::LeaseWritten | Effect::LeaseDeleted | Effect::JournalDeleted => Ok(()),
            Effect::List { namespace, name, before, after } => {
                writes::s2_foreign_elements_stay(namespace, name, before, after)
            }
            Effect::Applied { namespace, before, after } => {
                self.s2_foreign_secrets_stay(issue, namespace, before.as_deref(), operation)?;
                self.s1_published_slots_stay(issue, namespace, after, truth, coverage)
            }
            Effect::Deleted { namespace, before } => {
                self.published.forget(namespace);
                writes::s2_foreign_secrets_are_not_deleted(namespace, before)
            }
            Effect::Evicted { namespace, name, before } => {
                Self::s9_evicted(operation, &(namespace.clone(), name.clone()), before)
            }
            Effect::JournalWritten => {
                if let Some(journal) = truth.server.journal() {
                    self.keeper = Some(issue.process);
                    self.journals.insert(journal.resource_version, issue.candidates.clone());
                    self.published.journal_stored(&issue.candidates);
                    remember_journalled(&mut self.journalled, &issue.candidates);
                }
                Ok(())
            }
        }
    }

    /// The answer to an operation is handed to its process.
    pub fn answered(
        &mut self,
        issue: &Issue,
        operation: &Operation,
        answer: &Answer,
        truth: Truth<'_>,
    ) -> Checked {
        let process = issue.process;
        if let Some(object) = Object::of(operation) {
            if let Answer::Done { resource_version, .. } = answer
                && *resource_version > 0
                && self.known.contains_key(&process)
                && matches!(operation, Operation::PatchList { .. } | Operation::ApplyPullSecret { .. })
                && !self.is_shown(process, &object, *resource_version)
            {
                self.owed.insert((process, object.clone()), *resource_version);
            }
            self.in_flight.remove(&(process, object));
        }
        if let Operation::EvictPod { uid, .. } = operation {
            self.evictions.answered(issue, uid, answer, truth.now);
        }
        let Some(known) = self.known.get_mut(&process) else { return Ok(()) };
        match (operation, answer) {
            (Operation::ReadAccount { namespace, name }, Answer::Account(seen)) => {
                known.read_account((namespace.clone(), name.clone()), seen);
            }
            (Operation::ReadJournal, Answer::Journal(journal)) => {
                let held = journal.as_ref().and_then(|journal| self.journals.get(&journal.resource_version));
                let cold = held.is_none();
                known.read_journal(held.map_or(&[], Vec::as_slice));
                self.calls.begin_term(process);
                if self.controls.journal_read(process) {
                    self.calls.renewed(process, truth.now);
                }
                self.published.term_begins(process);
                if cold {
                    self.forget_what_only_the_journal_knew(process, truth.now);
                }
                self.keeper = Some(process);
                self.remember_scope(process);
            }
            (Operation::WriteJournal { .. }, Answer::Done { .. }) => {
                if self.controls.journal_written(process, issue.at) {
                    self.calls.renewed(process, truth.now);
                }
                if known.settle(&issue.candidates, issue.accepted.as_ref()) {
                    // The lines of another configuration are drawn now, and what only the former wanted is forgotten.
                    self.calls.inputs_changed(process, truth.now);
                }
                remember_journalled(&mut self.journalled, &known.candidates);
            }
            (Operation::Ask { call, .. }, Answer::Cloud(answer)) => {
                known.cloud_time_heard |= answer.cloud_time.is_some();
                self.calls.answered(issue, call, answer, truth);
                if matches!(answer.outcome, Ok(Reply::Region(_))) {
                    // It is part of what entries ask that name none.
                    self.calls.inputs_changed(process, truth.now);
                }
                self.published.answered(issue, call, answer, truth.cloud);
                self.rest.answered(answer, truth.now);
            }
            _ => {}
        }
        Ok(())
    }

    /// A term begins without a journal: nobody can know any more what was published and who was served.
    fn forget_what_only_the_journal_knew(&mut self, process: ProcessId, now: Moment) {
        self.published.forget_all(now);
        self.journalled.clear();
        self.cold = true;
        self.ever_cold = true;
        if self.keeper != Some(process) {
            // What this one writes now says nothing of what the others have served.
            for (_, other) in self.known.iter_mut().filter(|(id, _)| **id != process) {
                other.was_left_out = true;
            }
        }
    }
}

/// Of several candidates nobody can say which the journal holds.
fn remember_journalled(journalled: &mut Vec<Rc<Wanted>>, candidates: &[Candidate]) {
    if let [only] = candidates
        && !journalled.iter().any(|known| Rc::ptr_eq(known, &only.wanted))
    {
        journalled.push(only.wanted.clone());
    }
}
