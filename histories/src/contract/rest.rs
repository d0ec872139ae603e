//! S5: how everything must stand once faults have ended, and that nothing is written from then on.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use acr_controller::names;
use acr_controller::operation::{ListChange, Operation};
use acr_controller::status::Status;

use super::admission::s5_admission;
use super::known::Known;
use super::place::{Place, is_sure};
use super::published::{DEAD_AFTER, Document};
use super::{Checked, Contract, Meaning, ProcessId, Rule, Truth, Violation, ensure};
use crate::api_server::{Namespace, PullSecret, Standing};
use crate::coverage::{Coverage, Happening};
use crate::plan::Moment;
use crate::wanted::{Claim, Immediate, Wanted};

/// Whether the history is at rest, and what has happened since.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RestState {
    resting: bool,
    since: Moment,
    answered: Option<Moment>,
}

/// How long after an answer its writes may come: it is gathered with others, and journalled first.
const GATHERED_WITHIN: Moment = 5_000;

impl RestState {
    pub(super) fn is_resting(&self) -> bool {
        self.resting
    }

    /// A renewal makes writes of pull secrets due.
    pub(super) fn answered(&mut self, answer: &acr_credentials::Answer, now: Moment) {
        if answer.outcome.is_ok() {
            self.answered = Some(now);
        }
    }

    /// Whether some answer came since everything was at rest, or so shortly before that its writes are to come.
    fn has_answer(&self) -> bool {
        self.answered.is_some_and(|at| at.saturating_add(GATHERED_WITHIN) >= self.since)
    }
}

pub(super) fn s5(what: impl Into<String>) -> Violation {
    Violation { rule: Rule::S5, what: what.into() }
}

impl Contract {
    /// From now on nothing may be written without a reason, or again.
    pub fn rest(&mut self, resting: bool, now: Moment) {
        self.rest = RestState { resting, since: now, ..self.rest };
    }

    /// S5: at rest only renewals are written, and what resists is tried again.
    pub(super) fn s5_nothing_is_written_at_rest(
        &self,
        process: ProcessId,
        operation: &Operation,
        truth: Truth<'_>,
    ) -> Checked {
        // Before the cloud has told the time after a restart, the wall clock tells what is dead.
        let deceived = self.known.get(&process).is_none_or(|known| !known.cloud_time_heard);
        let (namespace, reason) = match operation {
            // How everything must stand does not say when a name that a user wrote leaves a retiring scope: a policy may
            // have put it off by a back-off.
            Operation::PatchList { namespace, name, change: ListChange::Remove { .. }, .. } => {
                let key = (namespace.clone(), name.clone());
                (namespace, truth.server.accounts().get(&key).is_some_and(|account| !account.attached_by_us))
            }
            Operation::PatchList { namespace, .. } | Operation::DeletePullSecret { namespace, .. } => {
                (namespace, false)
            }
            Operation::ApplyPullSecret { namespace, .. } => {
                // After the loss of the journal an apply may wait for what the Secret holds to die.
                (
                    namespace,
                    deceived || self.cold || self.rest.has_answer() || holds_a_dead_login(namespace, truth),
                )
            }
            _ => return Ok(()),
        };
        ensure(Rule::S5, reason || resists(namespace, truth), || {
            format!("{} in {namespace} although everything was at rest", operation.label())
        })
    }

    /// S5: how everything must stand. `leader` is the process that holds the Lease.
    pub fn s5_at_rest(
        &mut self,
        leader: ProcessId,
        status: &Status,
        truth: Truth<'_>,
        coverage: &mut Coverage,
    ) -> Checked {
        if truth.server.configuration().is_none()
            && status.findings.iter().any(|finding| finding.code == "Paused")
        {
            // It was deleted before the pause was taken back.
            return Ok(());
        }
        let current = truth.server.configuration().map(|found| found.resource_version);
        let meaning = current.and_then(|version| self.meanings.get(&version));
        let options: Vec<Option<Rc<Wanted>>> = if let Some(Meaning::Good(wanted)) = meaning {
            vec![Some(wanted.clone())]
        } else {
            let Some(known) = self.known.get(&leader) else { return Err(s5("nobody leads")) };
            if known.candidates.is_empty() {
                vec![None]
            } else if known.candidates.iter().any(|candidate| !candidate.whole) {
                // What is left of a spoiled configuration may be in force, or be forgotten.
                return Ok(());
            } else {
                known.candidates.iter().map(|candidate| Some(candidate.wanted.clone())).collect()
            }
        };
        let mut first = None;
        for option in &options {
            match self.stands(leader, option.as_deref(), status, truth, coverage) {
                Ok(clean) => {
                    if let (true, Some(wanted)) = (clean && !retires(truth), option) {
                        self.start_over(wanted, truth);
                    }
                    return Ok(());
                }
                Err(violation) => {
                    first.get_or_insert(violation);
                }
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// What was in force before is cleaned and forgotten.
    fn start_over(&mut self, wanted: &Rc<Wanted>, truth: Truth<'_>) {
        self.cold &= !wanted.facts().iter().all(|fact| fact.may_login() && fact.may_list());
        // What a policy has put off may still be taken back.
        if !self.leaves_names(wanted, truth) {
            self.considered = vec![wanted.clone()];
        }
        self.journalled = vec![wanted.clone()];
        self.relabelled.clear();
        let namespaces = truth.server.namespaces();
        let accounts = truth.server.accounts().iter();
        let served = accounts.filter(|(key, account)| {
            namespaces.get(&key.0).is_some_and(|namespace| {
                wanted.serves_account(&key.0, &namespace.labels, &key.1, account.ignored)
            })
        });
        self.ever_served = served.map(|(key, _)| key.clone()).collect();
        self.ever_served_namespaces = namespaces
            .iter()
            .filter(|(name, namespace)| wanted.serves_namespace(name, &namespace.labels))
            .map(|(name, _)| name.clone())
            .collect();
    }

    /// Whether a name of ours, whoever wrote it, is still in a list out of scope that something considered served.
    fn leaves_names(&self, wanted: &Wanted, truth: Truth<'_>) -> bool {
        truth.server.accounts().iter().any(|((namespace, name), account)| {
            let Some(home) = truth.server.namespaces().get(namespace) else { return false };
            let serves =
                |wanted: &Wanted| wanted.serves_account(namespace, &home.labels, name, account.ignored);
            account.list.ours() > 0 && !serves(wanted) && self.considered.iter().any(|former| serves(former))
        })
    }

    /// Whether everything stands as one configuration wants it; `true` where nothing of a retiring scope is excused.
    fn stands(
        &self,
        leader: ProcessId,
        wanted: Option<&Wanted>,
        status: &Status,
        truth: Truth<'_>,
        coverage: &mut Coverage,
    ) -> Result<bool, Violation> {
        let known = self.known.get(&leader).ok_or_else(|| s5("nobody leads"))?;
        let Some(wanted) = wanted else { return Ok(false) };
        let mut clean = true;
        for ((namespace, name), account) in truth.server.accounts() {
            let Some(home) = truth.server.namespaces().get(namespace).filter(|home| !home.terminating) else {
                clean = false;
                continue;
            };
            let served = wanted.serves_account(namespace, &home.labels, name, account.ignored);
            let excused = truth.server.resistance.guarded_accounts.contains(namespace);
            clean &= !excused;
            let attached = account.list.ours() > 0;
            ensure(Rule::S5, attached || !served || excused, || {
                format!("{namespace}/{name} is in scope and not attached: {:?}", account.list.json())
            })?;
            let was_served =
                |wanted: &Rc<Wanted>| wanted.serves_account(namespace, &home.labels, name, account.ignored);
            let left = attached && !served && account.attached_by_us && {
                let key = (namespace.clone(), name.clone());
                let remembered =
                    !self.relabelled.contains(namespace) && self.journalled.iter().any(was_served);
                remembered || known.surely_served_accounts.contains(&key)
            };
            ensure(Rule::S5, !left || excused, || {
                format!("{namespace}/{name} is out of scope and still attached")
            })?;
        }
        let mut documents = Vec::new();
        let mut current = BTreeSet::new();
        for (namespace, home) in truth.server.namespaces() {
            let secret = truth.server.pull_secrets().get(namespace);
            if home.terminating {
                clean = false;
                continue;
            }
            if !wanted.serves_namespace(namespace, &home.labels) {
                clean &= self.is_cleaned(known, namespace, home, secret, truth)?;
                continue;
            }
            let claims = self.published.claims(wanted, namespace);
            let judge = Place { contract: self, leader, wanted, status, truth, namespace, claims: &claims };
            if let Some(secret) = judge.pull_secret(secret, coverage)? {
                let settled = !judge.has_unknown_domains();
                documents.push((claims, settled, secret));
                current.insert(namespace.as_str());
            }
        }
        for (claims, settled, secret) in &documents {
            let other = documents.iter().find(|(others, others_settled, other)| {
                others == claims && !same(claims, *settled && *others_settled, other, secret)
            });
            ensure(Rule::S5, other.is_none(), || {
                "two namespaces with the same entries hold different bytes".into()
            })?;
        }
        s5_admission(wanted, truth)?;
        self.s9_at_rest(leader, wanted, status, &current, truth, coverage)?;
        match wanted.immediate {
            Immediate::Off => {}
            Immediate::Webhook => coverage.note(Happening::WebhookRegistered),
            Immediate::Policy => coverage.note(Happening::ParametersWritten),
        }
        coverage.note(Happening::CameToRest);
        Ok(clean)
    }

    fn is_cleaned(
        &self,
        known: &Known,
        namespace: &str,
        home: &Namespace,
        secret: Option<&PullSecret>,
        truth: Truth<'_>,
    ) -> Result<bool, Violation> {
        let Some(secret) = secret.filter(|secret| {
            matches!(secret.standing, Standing::Own | Standing::Adopted) && !secret.is_disguised()
        }) else {
            return Ok(true);
        };
        let excused = secret.terminating || truth.server.resistance.guarded_secrets.contains(namespace);
        let was_served =
            self.journalled.iter().any(|wanted| wanted.serves_namespace(namespace, &home.labels))
                || known.surely_served_namespaces.contains(namespace);
        ensure(Rule::S5, !was_served || excused, || {
            format!("the pull secret of {namespace}, which is out of scope, is still there")
        })?;
        Ok(!excused)
    }
}

/// Whether two pull secrets with the same claims are the same: byte for byte where all is `settled`, but for slots whose
/// entry waits for its login or whose domains nobody knows: there each keeps the last good one that it has.
fn same(claims: &BTreeMap<String, Vec<Claim>>, settled: bool, one: &PullSecret, other: &PullSecret) -> bool {
    let sure = |slot: &String| claims.get(slot).is_some_and(|claims| is_sure(claims));
    let slots = |secret: &PullSecret| {
        let document = Document::parse(&secret.document).ok();
        document.map(|document| document.slots.into_iter().filter(|(slot, _)| sure(slot)).collect::<Vec<_>>())
    };
    let excused = !settled || !claims.keys().all(sure);
    one.document == other.document || excused && slots(one) == slots(other)
}

/// Whether the journal still names former scopes: who is in one of them may be cleaned.
fn retires(truth: Truth<'_>) -> bool {
    let journal = truth.server.journal().and_then(|journal| serde_json::from_slice(&journal.document).ok());
    journal.is_some_and(|journal: serde_json::Value| journal.get("retiring").is_some())
}

/// Whether time makes a write due: the one thing that it removes is a dead login.
fn holds_a_dead_login(namespace: &str, truth: Truth<'_>) -> bool {
    let secret = truth.server.pull_secrets().get(namespace);
    let document = secret.and_then(|secret| Document::parse(&secret.document).ok());
    document.is_some_and(|document| {
        document.slots.values().any(|slot| {
            let record = truth.cloud.login(&slot.password);
            record
                .is_some_and(|record| record.expires.plus(DEAD_AFTER) <= truth.cloud_time.plus_millis(1_000))
        })
    })
}

/// Whether something in a namespace resists, so that trying again is right.
fn resists(namespace: &str, truth: Truth<'_>) -> bool {
    let resistance = &truth.server.resistance;
    resistance.guarded_accounts.contains(namespace)
        || resistance.guarded_secrets.contains(namespace)
        || resistance.full.contains(namespace)
        || truth.server.namespaces().get(namespace).is_none_or(|home| home.terminating)
        || truth.server.pull_secrets().get(namespace).is_some_and(|secret| {
            // A Secret that carries our marks and another type cannot be written, nor told from ours by its metadata.
            let mistyped = secret.kind != names::PULL_SECRET_TYPE;
            mistyped
                || secret.terminating
                || !secret.further_owners.is_empty()
                || secret.standing == Standing::Contested
        })
}
