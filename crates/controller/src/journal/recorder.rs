//! Who writes the journal: what shall be remembered is written first, and counts only when it is written.

use acr_credentials::docker_config::SECRET_LIMIT_BYTES;
use zeroize::Zeroizing;

use crate::backoff;
use crate::journal::document::{self, Unusable};
use crate::journal::record::Record;
use crate::machine::Serving;
use crate::observation::{JournalSeen, Refusal};
use crate::operation::{Operation, Precondition};
use crate::time::Mono;

/// The journal and its state.
#[derive(Debug)]
pub struct Recorder {
    desired: Record,
    desired_generation: u64,
    durable: Record,
    durable_generation: u64,
    /// What the next write must find; `None` until the journal was read.
    position: Option<Precondition>,
    /// Whether the journal was read at least once, so that `durable` means something.
    known: bool,
    in_flight: Option<InFlight>,
    /// A write whose outcome is not known: the next read tells.
    unconfirmed: Option<Box<Sent>>,
    not_before: Mono,
    failures: u32,
    /// Writes in a row that did not find what they expected.
    races: u32,
    deleting: bool,
    deleted: bool,
}

#[derive(Debug)]
enum InFlight {
    Read,
    Write(Box<Sent>),
    Delete,
}

#[derive(Debug)]
struct Sent {
    generation: u64,
    record: Record,
    document: Zeroizing<Vec<u8>>,
}

/// What an answer changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// The journal was read for the first time in a term: what it says counts now.
    Opened,
    /// It says nothing, or nothing of a configuration: what an earlier term of this process has accepted counts, if anything.
    OpenedWithout(Option<Unusable>),
    /// What was desired when the write was sent counts now.
    Written,
    /// It is gone.
    Deleted,
    /// The write was refused.
    Refused(Refusal),
    /// Nothing that anybody waits for.
    Nothing,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            desired: Record::default(),
            desired_generation: 0,
            durable: Record::default(),
            durable_generation: 0,
            position: None,
            known: false,
            in_flight: None,
            unconfirmed: None,
            not_before: Mono(0),
            failures: 0,
            races: 0,
            deleting: false,
            deleted: false,
        }
    }
}

impl Recorder {
    /// What counts: it is written. `None` until the journal was read.
    pub fn durable(&self) -> Option<&Record> {
        self.known.then_some(&self.durable)
    }

    /// What shall be written.
    pub fn desired(&self) -> &Record {
        &self.desired
    }

    /// Whether the configuration that shall be remembered, in the region that it is read for and as it was last asked to be
    /// renewed, is the one that counts.
    pub fn configuration_is_durable(&self) -> bool {
        self.known
            && self.desired.region == self.durable.region
            && self.desired.controls.rotations == self.durable.controls.rotations
            && match (&self.desired.accepted, &self.durable.accepted) {
                (None, None) => true,
                (Some(desired), Some(durable)) => desired.data == durable.data,
                _ => false,
            }
    }

    /// What counts, for whoever knows that the journal was read.
    pub fn counting(&self) -> &Record {
        &self.durable
    }

    /// What may count by now: the record that was sent last and not refused, else the durable one.
    pub fn latest(&self) -> &Record {
        match (&self.in_flight, &self.unconfirmed) {
            (Some(InFlight::Write(sent)), _) | (_, Some(sent)) => &sent.record,
            _ => &self.durable,
        }
    }

    /// Changes what shall be written.
    pub fn change(&mut self, change: impl FnOnce(&mut Record)) {
        change(&mut self.desired);
        self.desired_generation += 1;
    }

    /// Changes what is written next, without being a reason to write.
    pub fn amend(&mut self, change: impl FnOnce(&mut Record)) {
        change(&mut self.desired);
    }

    /// Whether everything that shall be remembered is written.
    pub fn settled(&self) -> bool {
        self.known && self.desired_generation == self.durable_generation && self.in_flight.is_none()
    }

    /// Whether a record would fit into a Secret.
    pub fn fits(record: &Record) -> bool {
        document::encode(record).len() <= SECRET_LIMIT_BYTES
    }

    /// Uninstall: the journal goes.
    pub fn delete(&mut self) {
        self.deleting = true;
    }

    /// Whether it is gone.
    pub fn deleted(&self) -> bool {
        self.deleted
    }

    /// A new term begins: what others wrote since counts, so nothing is known until it is read again.
    pub fn reopen(&mut self) {
        self.known = false;
        self.position = None;
        self.unconfirmed = None;
        self.not_before = Mono(0);
    }

    /// What is written was seen to be lost or spoiled: a read tells, and what is not there is written again.
    pub fn look_again(&mut self) {
        if self.in_flight.is_none() {
            self.position = None;
        }
    }

    /// The next operation on the journal, one at a time.
    pub fn next(&mut self, now: Mono) -> Option<Operation> {
        if self.in_flight.is_some() || self.deleted || now < self.not_before {
            return None;
        }
        let Some(position) = &self.position else {
            self.in_flight = Some(InFlight::Read);
            return Some(Operation::ReadJournal);
        };
        if self.deleting {
            self.in_flight = Some(InFlight::Delete);
            return Some(Operation::DeleteJournal);
        }
        if self.desired_generation == self.durable_generation {
            return None;
        }
        let document = document::encode(&self.desired);
        let operation = Operation::WriteJournal {
            precondition: position.clone(),
            document: document.clone(),
            serving: self.desired.admission.certificates.as_ref().map(Serving::from),
        };
        self.in_flight = Some(InFlight::Write(Box::new(Sent {
            generation: self.desired_generation,
            record: self.desired.clone(),
            document,
        })));
        Some(operation)
    }

    /// Takes the answer to a read.
    pub fn read(&mut self, seen: Option<JournalSeen>) -> Progress {
        self.in_flight = None;
        self.failures = 0;
        let unconfirmed = self.unconfirmed.take();
        self.position = Some(match &seen {
            None => Precondition::Absent,
            Some(seen) => {
                Precondition::Exactly { uid: seen.uid.clone(), resource_version: seen.resource_version }
            }
        });
        if self.known {
            return match (unconfirmed, seen) {
                (Some(sent), Some(seen)) if sent.document == seen.document => self.written(*sent),
                (_, Some(seen)) if document::encode(&self.durable) == seen.document => Progress::Nothing,
                _ => {
                    // Somebody else changed or removed it: ours is written over it.
                    self.desired_generation += 1;
                    Progress::Nothing
                }
            };
        }
        self.known = true;
        self.desired_generation += 1;
        self.durable_generation = self.desired_generation;
        match seen.map(|seen| document::decode(&seen.document)).transpose() {
            // One that was lost, and begun anew by a leader that knew of no configuration.
            Ok(Some(Record { accepted: None, retiring, admission, controls, .. }))
                if retiring.is_empty() && self.durable.accepted.is_some() =>
            {
                for record in [&mut self.desired, &mut self.durable] {
                    let (admission, controls) = (admission.clone(), controls.clone());
                    *record = Record { admission, controls, ..record.without_logins() };
                }
                self.desired_generation += 1;
                Progress::OpenedWithout(None)
            }
            Ok(Some(record)) => {
                self.desired = record.clone();
                self.durable = record;
                Progress::Opened
            }
            lost => {
                // Nobody knows better than this process: what has counted counts, and what it has accepted since is
                // written.
                self.desired = self.desired.without_logins();
                self.durable = self.durable.without_logins();
                self.desired_generation += u64::from(self.desired.accepted.is_some());
                Progress::OpenedWithout(lost.err())
            }
        }
    }

    fn written(&mut self, sent: Sent) -> Progress {
        self.durable = sent.record;
        self.durable_generation = sent.generation;
        Progress::Written
    }

    /// Takes the success of a write or a delete.
    pub fn done(&mut self, now: Mono, resource_version: u64, uid: Option<String>) -> Progress {
        self.failures = 0;
        self.races = 0;
        match self.in_flight.take() {
            // Written in a former term: the read that is due tells what it came to. Where the journal is lost meanwhile,
            // this is the last that is known of it.
            Some(InFlight::Write(sent)) if !self.known => {
                self.durable = sent.record;
                Progress::Nothing
            }
            Some(InFlight::Write(sent)) => {
                self.position = match (uid, self.position.take()) {
                    (Some(uid), _) | (None, Some(Precondition::Exactly { uid, .. })) => {
                        Some(Precondition::Exactly { uid, resource_version })
                    }
                    // Created by an apply whose answer did not tell the uid: a read tells.
                    (None, _) => None,
                };
                self.written(*sent)
            }
            Some(InFlight::Delete) => {
                self.deleted = true;
                Progress::Deleted
            }
            Some(InFlight::Read) | None => {
                self.not_before = now;
                Progress::Nothing
            }
        }
    }

    /// Takes a refusal of whatever was in flight.
    pub fn refused(&mut self, now: Mono, refusal: Refusal) -> Progress {
        let in_flight = self.in_flight.take();
        match (in_flight, &refusal) {
            (Some(InFlight::Delete), Refusal::Gone) => {
                self.deleted = true;
                return Progress::Deleted;
            }
            (Some(InFlight::Write(sent)), Refusal::LostRace | Refusal::Gone) => {
                // Also what an earlier write looks like whose answer was lost: the read tells.
                self.unconfirmed = Some(sent);
                self.position = None;
                // Whatever was refused before, the API server answers now.
                self.failures = 0;
                self.races = self.races.saturating_add(1);
                let again = self.races > 2;
                self.not_before = if again { now.plus(backoff::after(self.races, "journal")) } else { now };
                return Progress::Nothing;
            }
            (Some(InFlight::Write(sent)), Refusal::Unknown { .. }) => {
                self.unconfirmed = Some(sent);
                self.position = None;
            }
            _ => {}
        }
        self.failures = self.failures.saturating_add(1);
        let wait = match &refusal {
            Refusal::Throttled { retry_after: Some(wait) } => *wait,
            _ => backoff::after(self.failures, "journal"),
        };
        self.not_before = now.plus(wait);
        Progress::Refused(refusal)
    }

    /// When to ask [`Self::next`] again.
    pub fn wake(&self) -> Option<Mono> {
        let wants =
            self.position.is_none() || self.deleting || self.desired_generation != self.durable_generation;
        (self.in_flight.is_none() && !self.deleted && wants).then_some(self.not_before)
    }
}
