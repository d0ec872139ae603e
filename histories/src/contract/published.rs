//! S1: what was published stays, and gives way only to what is better.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use acr_credentials::{Answer, Call, FailureKind, UnixMillis};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::known::Candidate;
use super::{Checked, Contract, Issue, ProcessId, Rule, Truth, Violation, ensure};
use crate::api_server::{PullSecret, sha256_hex};
use crate::cloud::{CloudSide, HostsRecord, LoginRecord};
use crate::coverage::{Coverage, Happening};
use crate::estate::Fact;
use crate::plan::Moment;
use crate::wanted::{Claim, Wanted};

/// A login is dead so long after its expiry.
pub(super) const DEAD_AFTER: Duration = Duration::from_mins(10);
/// How far the component's idea of the cloud's clock may lag: `Date` has whole seconds, and answers travel.
const CLOCK_LAG: Duration = Duration::from_secs(20);

/// The earliest and the latest that a process may take the cloud's clock for.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockBounds {
    earliest: UnixMillis,
    latest: UnixMillis,
}

/// A docker config, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) slots: BTreeMap<String, Slot>,
}

/// One entry of a docker config.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) password: String,
    pub(super) email: Option<String>,
}

/// A complete answer about hosts.
#[derive(Debug)]
struct Told {
    /// Whom it was told.
    to: ProcessId,
    record: HostsRecord,
    /// How many journals had been stored when it was asked for.
    journals: usize,
}

/// What was published, and what the cloud said about hosts.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// Per namespace and key slot the password as last published.
    slots: BTreeMap<String, BTreeMap<String, String>>,
    /// How many journals had been stored when a namespace was last written.
    written: BTreeMap<String, usize>,
    /// What each stored journal may hold; one that was lost holds nothing.
    journals: Vec<Vec<Rc<Wanted>>>,
    documents: BTreeMap<String, (Rc<[u8]>, Rc<Document>)>,
    /// Complete answers about hosts, in the order in which they were told.
    hosts: Vec<Told>,
    /// How many of them had been told when the present term of a process began: from then on it knows what the journal
    /// says.
    before_term: BTreeMap<ProcessId, usize>,
    /// All hosts that an instance was ever said to have.
    hosts_ever: BTreeMap<&'static str, BTreeSet<String>>,
    /// Facts whose identity was ever refused the domains.
    blind: BTreeSet<Fact>,
    /// What was sent before is not known to anybody.
    forgotten: Moment,
    /// All offsets that the wall clock has had.
    offsets: BTreeSet<i64>,
}

impl Published {
    pub(super) fn clock_jumped(&mut self, offset: i64) {
        self.offsets.insert(offset);
    }

    /// A journal was stored, which holds one of these.
    pub(super) fn journal_stored(&mut self, candidates: &[Candidate]) {
        self.journals.push(candidates.iter().map(|candidate| candidate.wanted.clone()).collect());
    }

    /// How many journals have been stored.
    pub(super) fn journals(&self) -> usize {
        self.journals.len()
    }

    pub(super) fn forget(&mut self, namespace: &str) {
        self.slots.remove(namespace);
    }

    /// Nobody knows any more what was sent before `now`, landed or not.
    pub(super) fn forget_all(&mut self, now: Moment) {
        self.slots.clear();
        self.journals.push(Vec::new());
        self.forgotten = now;
    }

    /// The cloud's answer is handed to the process that has asked.
    pub(super) fn answered(&mut self, issue: &Issue, call: &Call, answer: &Answer, cloud: &CloudSide) {
        if let Some(record) = cloud.hosts(call, answer) {
            self.hosts_ever.entry(record.fact.instance).or_default().extend(record.hosts.iter().cloned());
            self.hosts.push(Told { to: issue.process, record, journals: issue.journals });
        }
        let lists = matches!(call, Call::ListInstanceEndpoint { .. });
        let denied = answer.outcome.as_ref().is_err_and(|failure| failure.kind == FailureKind::Denied);
        self.blind.extend(cloud.fact(call).filter(|_| lists && denied));
    }

    /// A process begins a term with what the journal says.
    pub(super) fn term_begins(&mut self, process: ProcessId) {
        self.before_term.insert(process, self.hosts.len());
    }

    /// All hosts that an instance was ever said to have.
    pub(super) fn hosts_ever(&self, instance: &str) -> Option<&BTreeSet<String>> {
        self.hosts_ever.get(instance)
    }

    /// Whether a process cannot but know that an instance has a host: it was told so last, or nobody was ever told
    /// otherwise.
    pub(super) fn surely_has(&self, process: ProcessId, instance: &str, host: &str) -> bool {
        let about = || self.hosts.iter().rev().filter(|told| told.record.fact.instance == instance);
        let before = self.before_term.get(&process).copied().unwrap_or_default();
        let mut told = self.hosts.iter().skip(before).rev().filter(|told| told.to == process);
        match told.find(|told| told.record.fact.instance == instance) {
            Some(last) => last.record.hosts.contains(host),
            None => about().next().is_some() && about().all(|told| told.record.hosts.contains(host)),
        }
    }

    /// Whether whoever started an operation has to know that an instance has a host. What was known of an instance may be
    /// forgotten with the last configuration that wants it, and what was asked until then: when it is wanted again, the cloud
    /// tells its hosts anew.
    fn is_remembered(&self, issue: &Issue, instance: &str, host: &str) -> bool {
        let wants = |wanted: &Rc<Wanted>| wanted.facts().iter().any(|fact| fact.instance == instance);
        let journals = self.journals.get(..issue.journals).unwrap_or_default();
        let kept_by = |journal: &Vec<Rc<Wanted>>| !journal.is_empty() && journal.iter().all(wants);
        let since = journals.iter().rposition(|journal| !kept_by(journal)).map_or(0, |place| place + 1);
        self.hosts.iter().take(issue.told).any(|told| {
            let record = &told.record;
            told.journals > since && record.fact.instance == instance && record.hosts.contains(host)
        })
    }

    pub(super) fn knows_host(&self, host: &str) -> bool {
        self.hosts_ever.values().any(|hosts| hosts.contains(host))
    }

    /// How many answers about hosts were told.
    pub(super) fn told(&self) -> usize {
        self.hosts.len()
    }

    /// The claims of a configuration in a namespace, for the hosts of the first `told` answers.
    pub(super) fn claims_by(
        &self,
        told: usize,
        wanted: &Wanted,
        namespace: &str,
    ) -> BTreeMap<String, Vec<Claim>> {
        let mut hosts: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for Told { record, .. } in self.hosts.iter().take(told) {
            hosts.entry(record.fact.instance).or_default().extend(record.hosts.iter().cloned());
        }
        wanted.claims(namespace, |instance| hosts.get(instance))
    }

    /// The claims of a configuration in a namespace, for all hosts that were ever heard of.
    pub(super) fn claims(&self, wanted: &Wanted, namespace: &str) -> BTreeMap<String, Vec<Claim>> {
        wanted.claims(namespace, |instance| self.hosts_ever(instance))
    }

    /// What a process may take the cloud's clock for: what it heard, carried forward; before it heard anything the wall
    /// clock with the offset of some earlier time.
    pub(super) fn clock_bounds(&self, heard: bool, truth: Truth<'_>) -> ClockBounds {
        if heard {
            return ClockBounds {
                earliest: truth.cloud_time.minus(CLOCK_LAG),
                latest: truth.cloud_time.plus_millis(1_000),
            };
        }
        let wall = truth.cloud_time.plus_millis(truth.wall_offset);
        let known = || self.offsets.iter().copied().chain([0, truth.wall_offset]);
        let (least, most) = (known().min().unwrap_or(0), known().max().unwrap_or(0));
        ClockBounds {
            earliest: wall.plus_millis(-most).minus(CLOCK_LAG),
            latest: wall.plus_millis(-least).plus(CLOCK_LAG),
        }
    }

    /// Two complete answers in a row that are equal have left a host out since it was last in one.
    pub(super) fn host_is_discovered_gone(&self, instance: &str, host: &str) -> bool {
        let answers = self.hosts.iter().map(|told| &told.record);
        let answers: Vec<&HostsRecord> = answers.filter(|record| record.fact.instance == instance).collect();
        let since =
            answers.iter().rposition(|record| record.hosts.contains(host)).map_or(0, |place| place + 1);
        let without = answers.get(since..).unwrap_or_default();
        without.windows(2).any(|pair| matches!(pair, [first, second] if first.hosts == second.hosts))
    }

    /// Takes a docker config apart.
    pub(super) fn read(&mut self, bytes: &Rc<[u8]>, digest: &str) -> Result<Rc<Document>, Violation> {
        if let Some((known, document)) = self.documents.get(digest)
            && known == bytes
        {
            return Ok(document.clone());
        }
        ensure(Rule::S1, sha256_hex(bytes) == digest, || {
            format!("the mark {digest} is not the digest of the payload")
        })?;
        let document = Rc::new(Document::parse(bytes)?);
        self.documents.insert(digest.to_owned(), (bytes.clone(), document.clone()));
        Ok(document)
    }
}

impl Document {
    /// Strict: each entry has what kubectl writes.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Violation> {
        let broken = |what: &str| Violation { rule: Rule::S1, what: format!("a broken pull secret: {what}") };
        let document: Value = serde_json::from_slice(bytes).map_err(|_| broken("no JSON"))?;
        let only = document.as_object().is_some_and(|members| members.len() == 1);
        let auths = document.get("auths").and_then(Value::as_object).filter(|_| only);
        let mut slots = BTreeMap::new();
        for (slot, entry) in auths.ok_or_else(|| broken("no auths, or more than auths"))? {
            let text = |member: &str| entry.get(member).and_then(Value::as_str);
            let (Some(username), Some(password), Some(auth)) =
                (text("username"), text("password"), text("auth"))
            else {
                return Err(broken("an entry lacks username, password or auth"));
            };
            if STANDARD.encode(format!("{username}:{password}")) != auth {
                return Err(broken("auth is not username and password"));
            }
            let email = text("email").map(str::to_owned);
            slots.insert(slot.clone(), Slot { password: password.to_owned(), email });
        }
        Ok(Self { slots })
    }
}

impl Contract {
    /// S1, for what an apply has just changed in a namespace.
    pub(super) fn s1_published_slots_stay(
        &mut self,
        issue: &Issue,
        namespace: &str,
        after: &PullSecret,
        truth: Truth<'_>,
        coverage: &mut Coverage,
    ) -> Checked {
        let digest = after.annotations.get(acr_controller::names::DIGEST_ANNOTATION);
        let document = self.published.read(&after.document, digest.map_or("", String::as_str))?;
        let before = self.published.slots.remove(namespace).unwrap_or_default();
        let written = self.published.written.insert(namespace.to_owned(), issue.journals).unwrap_or_default();
        let (published, considered) = (&self.published, self.considered.as_slice());
        let judge = Judge { published, considered, issue, namespace, written, truth };
        for (slot, password) in &before {
            match document.slots.get(slot) {
                None => judge.removed(slot, password, coverage)?,
                Some(now) if now.password != *password => {
                    coverage.note(Happening::LoginReplaced);
                    judge.replaced(slot, password, &now.password)?;
                }
                Some(_) => {}
            }
        }
        for (slot, now) in &document.slots {
            if !before.contains_key(slot) {
                judge.added(slot, &now.password)?;
            }
        }
        if issue.at >= self.published.forgotten {
            let slots = document.slots.iter().map(|(slot, now)| (slot.clone(), now.password.clone()));
            self.published.slots.insert(namespace.to_owned(), slots.collect());
        }
        Ok(())
    }
}

/// What is needed to judge one slot of one namespace.
struct Judge<'a> {
    published: &'a Published,
    considered: &'a [Rc<Wanted>],
    issue: &'a Issue,
    namespace: &'a str,
    /// How many journals had been stored when the namespace was last written.
    written: usize,
    truth: Truth<'a>,
}

impl Judge<'_> {
    fn broken(&self, slot: &str, what: &str) -> Violation {
        Violation { rule: Rule::S1, what: format!("{slot} in {}: {what}", self.namespace) }
    }

    /// The claims on a slot by each configuration that may be in force.
    fn claims(&self, slot: &str) -> Vec<Vec<Claim>> {
        let candidates = self.issue.candidates.iter();
        candidates
            .map(|candidate| {
                let claims = self.published.claims_by(self.issue.told, &candidate.wanted, self.namespace);
                claims.get(slot).cloned().unwrap_or_default()
            })
            .collect()
    }

    fn removed(&self, slot: &str, password: &str, coverage: &mut Coverage) -> Checked {
        let claims = self.claims(slot);
        if claims.is_empty() || claims.iter().any(Vec::is_empty) || self.was_given_up(slot) {
            return Ok(());
        }
        if self.is_dead(password) {
            coverage.note(Happening::DeadLoginRemoved);
            return Ok(());
        }
        let gone = claims.iter().any(|claims| {
            claims.iter().all(|claim| {
                !claim.explicit && self.published.host_is_discovered_gone(claim.fact.instance, slot)
            })
        });
        if gone {
            coverage.note(Happening::HostRemoved);
            return Ok(());
        }
        let unknown = claims.iter().any(|claims| {
            claims.iter().all(|claim| {
                let instance = claim.fact.instance;
                let gone = || self.published.host_is_discovered_gone(instance, slot);
                !claim.explicit && (gone() || !self.published.is_remembered(self.issue, instance, slot))
            })
        });
        if unknown {
            return Ok(());
        }
        Err(self.broken(slot, "it is removed although it is wanted and its login is not dead"))
    }

    /// Whether a configuration that did not want a slot was in force since the namespace was last written: what it
    /// removed elsewhere may be removed here later.
    fn was_given_up(&self, slot: &str) -> bool {
        let since = self.published.journals.get(self.written..).unwrap_or_default();
        since.iter().flatten().any(|wanted| {
            !wanted.names_namespace(self.namespace)
                || !self.published.claims(wanted, self.namespace).contains_key(slot)
        })
    }

    /// Whether some configuration that may ever have been in force wants a fact under a slot of this namespace: what it
    /// published elsewhere may be published here later.
    fn was_wanted(&self, slot: &str, fact: Fact) -> bool {
        let earlier = self.published.journals.iter().flatten();
        self.considered.iter().chain(earlier).any(|wanted| {
            let claims = self.published.claims(wanted, self.namespace);
            claims.get(slot).is_some_and(|claims| {
                claims.iter().any(|claim| claim.fact == fact || self.is_blind(claim.fact, fact))
            })
        })
    }

    /// The login of a password that the cloud handed out for a fact that is wanted under the slot.
    fn wanted_login(&self, slot: &str, password: &str) -> Result<LoginRecord, Violation> {
        let Some(record) = self.truth.cloud.login(password) else {
            return Err(self.broken(slot, "it gets a login that the cloud never handed out"));
        };
        let claims = self.claims(slot);
        let wanted: BTreeSet<Fact> = claims.iter().flatten().map(|claim| claim.fact).collect();
        let blind = wanted.iter().any(|wanted| self.is_blind(*wanted, record.fact));
        if !wanted.contains(&record.fact) && !blind && !self.may_own(record.fact) {
            let what = format!("it gets the login of {:?}; wanted is one of {wanted:?}", record.fact);
            return Err(self.broken(slot, &what));
        }
        Ok(*record)
    }

    /// Whoever was refused the domains cannot tell which of an entry's instances owns one.
    fn is_blind(&self, wanted: Fact, given: Fact) -> bool {
        wanted.identity == given.identity && (!wanted.may_list() || self.published.blind.contains(&wanted))
    }

    /// Whether an entry wants all domains of the instance: before they are known, the slots that it had are its own.
    fn may_own(&self, fact: Fact) -> bool {
        let candidates = self.issue.candidates.iter();
        candidates.flat_map(|candidate| &candidate.wanted.entries).any(|entry| {
            let open = entry.domains.is_none() && entry.admits_namespace(self.namespace);
            open && entry.instances.iter().any(|instance| entry.fact(instance.id) == fact)
        })
    }

    fn is_dead(&self, password: &str) -> bool {
        let record = self.truth.cloud.login(password);
        record.is_none_or(|record| record.earliest.plus(DEAD_AFTER) <= self.issue.clock.latest)
    }

    fn replaced(&self, slot: &str, before: &str, now: &str) -> Checked {
        if self.is_dead(before) {
            // It goes for itself, and makes room.
            return self.added(slot, now);
        }
        let earlier = self.truth.cloud.login(before);
        // A namespace that has missed a renewal, or an edit, catches up, even if another fact is wanted by now.
        let catches_up = self.truth.cloud.login(now).filter(|record| {
            earlier.is_some_and(|earlier| earlier.fact == record.fact) || self.was_wanted(slot, record.fact)
        });
        let record = match catches_up {
            Some(record) => *record,
            None => self.wanted_login(slot, now)?,
        };
        // What has expired itself is worth no more than what takes its place, as after a long absence.
        let both = earlier.is_some_and(|earlier| earlier.expires <= self.issue.clock.latest);
        ensure(Rule::S1, record.expires >= self.issue.clock.earliest || both, || {
            self.broken(slot, "its login gives way to one that has expired").what
        })?;
        let older =
            earlier.is_some_and(|earlier| earlier.fact == record.fact && earlier.serial > record.serial);
        ensure(Rule::S1, !older, || self.broken(slot, "its login gives way to an earlier one").what)
    }

    fn added(&self, slot: &str, password: &str) -> Checked {
        // What an earlier configuration wanted there is the last good login.
        let carried = self.truth.cloud.login(password).filter(|record| self.was_wanted(slot, record.fact));
        let record = match carried {
            Some(record) => *record,
            None => self.wanted_login(slot, password)?,
        };
        ensure(Rule::S1, record.expires.plus(DEAD_AFTER) >= self.issue.clock.earliest, || {
            self.broken(slot, "a dead login is published").what
        })
    }
}
