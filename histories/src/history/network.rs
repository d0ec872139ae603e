//! The pump and the way of operations to the servers and of answers back.

use acr_controller::admission::certificates::Generation;
use acr_controller::observation::{Answer, Observation, Refusal};
use acr_controller::operation::{Class, Operation, OperationId};
use acr_controller::status::Outcome;
use acr_credentials::{CallFailure, FailureKind};

use super::faults::is_write;
use super::{Event, Flight, History, trace};
use crate::api_server::{Effect, List, Right};
use crate::contract::{Checked, ProcessId, Rule, Violation};
use crate::coverage::Happening;
use crate::fault::Fault;
use crate::plan::Moment;

/// The longest that a request to the API server takes: the Lease's life after its holder's deadline.
const REQUEST_LIMIT: Moment = 5_000;

/// What becomes of an operation on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Whole,
    RequestLost,
    ReplyLost,
    /// It arrives long after its process was told that nothing is known of it.
    Late,
}

/// So long the API server works on a request at most, in milliseconds: its `--request-timeout`, one minute by default.
const REQUEST_TIMEOUT: Moment = 60_000;
/// How long after that a watch shows at the latest what was done, in milliseconds.
const LATEST_SIGHT: Moment = 8_000;

impl History<'_> {
    /// Hands out operations as long as the machine has some and slots are free.
    pub(super) fn pump(&mut self, id: ProcessId) -> Checked {
        loop {
            let mut any = false;
            for class in Class::ALL {
                while let Some((operation_id, operation)) = self.ask_machine(id, class) {
                    any = true;
                    self.issue(id, class, operation_id, operation)?;
                }
            }
            if !any {
                break;
            }
        }
        self.follow(id);
        self.follow_pods(id);
        let now = self.now;
        let Some(process) = self.process(id) else { return Ok(()) };
        let wake = process.machine.wake().map(|mono| process.moment(mono));
        process.wake = wake;
        process.turned = now;
        let outcome = process.machine.outcome();
        if wake.is_some_and(|wake| wake <= now) && process.asleep_until <= now && outcome.is_none() {
            let what = "`wake` lies in the past although `next` has nothing to do".to_owned();
            return Err(Violation { rule: Rule::S7, what });
        }
        if let Some(outcome) = outcome {
            self.log(&format!("helper-{id}"), || format!("ends: {outcome:?}"));
            if !matches!(outcome, Outcome::Stopped) {
                self.uninstall = Some(outcome);
            }
            self.kill(id);
        }
        Ok(())
    }

    fn ask_machine(&mut self, id: ProcessId, class: Class) -> Option<(OperationId, Operation)> {
        let (now, wall) = (self.now, self.wall());
        let process = self.process(id)?;
        if !process.has_slot(class) || process.asleep_until > now {
            return None;
        }
        process.machine.next(process.clocks(now, wall), class)
    }

    /// S7: between two observations, and before `wake`, there is nothing to do.
    pub(super) fn s7_nothing_to_do_before_wake(&mut self) -> Checked {
        if !self.steps.is_multiple_of(16) {
            return Ok(());
        }
        let (now, wall) = (self.now, self.wall());
        for process in &mut self.processes {
            if process.asleep_until > now
                || process.wake.is_some_and(|wake| wake <= now + process.drifted(now))
            {
                continue;
            }
            let clocks = process.clocks(now, wall);
            for class in Class::ALL {
                if !process.has_slot(class) {
                    continue;
                }
                if let Some((_, operation)) = process.machine.next(clocks, class) {
                    let what = format!(
                        "helper-{} hands out {} before its wake and with nothing observed",
                        process.id,
                        trace::operation(&operation)
                    );
                    return Err(Violation { rule: Rule::S7, what });
                }
            }
        }
        Ok(())
    }

    fn issue(
        &mut self,
        id: ProcessId,
        class: Class,
        operation_id: OperationId,
        operation: Operation,
    ) -> Checked {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        if !trace::is_renewal(&operation) {
            self.log(&format!("helper-{id}"), || format!("#{ticket} {}", trace::operation(&operation)));
        }
        self.digest = digest(self.digest, &operation);
        let Some(process) = self.process(id) else { return Ok(()) };
        process.take_slot(class);
        let identity = process.identity.clone();
        let issue = {
            let truth = truth!(self);
            let issue = self.contract.issued(id, &identity, &operation, truth)?;
            if self.options.fault == Some(Fault::TwoOperationsOnOneObject) && is_write(&operation) {
                self.contract.issued(id, &identity, &operation, truth)?;
            }
            issue
        };
        let fate = self.fate(&operation);
        let there = self.way();
        let mut flight = Box::new(Flight {
            process: id,
            id: operation_id,
            class,
            operation,
            issue,
            answer_is_set: fate != Fate::Whole,
            arrived: false,
            replied: false,
        });
        let silence = if self.delays.chance(50) { REQUEST_LIMIT } else { there + self.delays.spread(1, 500) };
        match fate {
            Fate::Whole => self.schedule(there, Event::Arrive(ticket)),
            Fate::RequestLost => {
                self.coverage.note(Happening::RequestLost);
                flight.arrived = true;
                let answer = unknown(&flight.operation);
                self.schedule(silence, Event::Reply(ticket, Box::new(answer)));
            }
            Fate::ReplyLost => {
                self.coverage.note(Happening::ReplyLost);
                let answer = unknown(&flight.operation);
                self.schedule(there, Event::Arrive(ticket));
                self.schedule(silence.max(there), Event::Reply(ticket, Box::new(answer)));
            }
            Fate::Late => {
                self.coverage.note(Happening::LandedLate);
                let answer = unknown(&flight.operation);
                let later = silence + self.delays.spread(10, REQUEST_TIMEOUT);
                self.schedule(silence, Event::Reply(ticket, Box::new(answer)));
                self.schedule(later, Event::Arrive(ticket));
            }
        }
        self.flights.insert(ticket, flight);
        Ok(())
    }

    fn fate(&mut self, operation: &Operation) -> Fate {
        if self.calm
            || self.plan.smooth
            || matches!(operation, Operation::ReadTokenFile | Operation::ReadRegisteredKey)
        {
            return Fate::Whole;
        }
        match (self.delays.below(200), operation) {
            (0..3, _) => Fate::RequestLost,
            (3..7, _) => Fate::ReplyLost,
            (7..10, operation) if Right::of(operation).is_some() => Fate::Late,
            _ => Fate::Whole,
        }
    }

    /// How long one way takes.
    fn way(&mut self) -> Moment {
        if self.calm || self.plan.smooth {
            return self.delays.between(1, 8);
        }
        match self.delays.below(40) {
            0 => self.delays.spread(60, 2_000),
            _ => self.delays.spread(1, 60),
        }
    }

    pub(super) fn arrive(&mut self, ticket: u64) -> Checked {
        let Some(mut flight) = self.flights.remove(&ticket) else { return Ok(()) };
        flight.arrived = true;
        let alive = self.processes.iter().any(|process| process.id == flight.process);
        if !alive {
            self.coverage.note(Happening::LandedAfterDeath);
        }
        let now = self.now;
        let cut_off =
            self.processes.iter().any(|process| process.id == flight.process && process.cut_off_until > now);
        let (answer, delay) = if (self.outage || cut_off) && Right::of(&flight.operation).is_some() {
            (unknown(&flight.operation), 0)
        } else {
            self.carry_out(ticket, &flight)?
        };
        if flight.replied || !alive {
            self.late_writes_are_shown_soon();
        }
        if !flight.answer_is_set && alive {
            let back = self.way() + delay;
            self.schedule(back, Event::Reply(ticket, Box::new(answer)));
        } else {
            self.log("network", || format!("#{ticket} has no way back: {}", trace::answer(&answer)));
        }
        if alive && !flight.replied {
            self.flights.insert(ticket, flight);
        }
        Ok(())
    }

    /// What lands late is shown some seconds later at the latest: a component that waits for it longer than an API server
    /// lets a request live would keep in mind what it served before for too long.
    fn late_writes_are_shown_soon(&mut self) {
        let soonest = self.now.saturating_add(LATEST_SIGHT);
        for stream in self.processes.iter_mut().flat_map(|process| &mut process.streams) {
            if stream.not_before > soonest {
                stream.not_before = soonest;
                stream.scheduled = false;
            }
        }
    }

    /// Carries an operation out, and says how long the answer is held back.
    fn carry_out(&mut self, ticket: u64, flight: &Flight) -> Result<(Answer, Moment), Violation> {
        match &flight.operation {
            Operation::Ask { call, signing_offset_millis, deadline } => {
                let wall = self.wall().plus_millis(*signing_offset_millis);
                let asked = self.cloud.ask(self.cloud_time(), wall, call, *deadline);
                self.note_call(&asked.answer);
                let delay = u64::try_from(asked.delay.as_millis()).unwrap_or_default();
                return Ok((Answer::Cloud(asked.answer), delay));
            }
            Operation::ReadTokenFile => {
                if !self.plan.token_file {
                    self.coverage.note(Happening::TokenFileMissing);
                }
                return Ok((Answer::Token(self.cloud.token(true).filter(|_| self.plan.token_file)), 0));
            }
            Operation::MakeCertificate { host, begins, ends } => {
                self.certificates += 1;
                self.coverage.note(Happening::CertificateMade);
                let named = |what: &str| format!("[{what} {}]", self.certificates);
                let made = Generation {
                    host: host.clone(),
                    authority: named("authority"),
                    chain: named("chain"),
                    key: named("key").into(),
                    begins: *begins,
                    ends: *ends,
                };
                return Ok((Answer::Certificate(Box::new(made)), 0));
            }
            // No history is about a registered cluster, or one that hands out add-on tokens.
            Operation::ReadRegisteredKey => return Ok((Answer::Key(None), 0)),
            Operation::RequestToken { .. } if !self.server.resistance.missing.contains(&Right::Tokens) => {
                self.coverage.note(Happening::TokenMinted);
                return Ok((Answer::Token(self.cloud.token(false)), 0));
            }
            Operation::RequestToken { .. } => {
                let message = "forbidden".to_owned();
                return Ok((Answer::Refused(Refusal::NoRight { message }), 0));
            }
            _ => {}
        }
        let transformed = self.transform(&flight.operation);
        let Some(executed) = self.server.execute(transformed.as_ref().unwrap_or(&flight.operation)) else {
            return Ok((unknown(&flight.operation), 0));
        };
        let (answer, mut effect) = (executed.answer, executed.effect);
        if let (Some(Fault::ListSorted), Effect::List { namespace, name, after, .. }) =
            (self.options.fault, &mut effect)
        {
            let mut names = after.names().to_vec();
            names.sort();
            self.server.write_list(namespace, name, names.clone());
            *after = List(Some(names));
        }
        if !trace::is_renewed(&flight.operation, &answer) {
            self.log("server", || format!("#{ticket} {}", trace::answer(&answer)));
        }
        self.note_effect(flight, &answer, &effect);
        let truth = truth!(self);
        self.contract.landed(&flight.issue, &flight.operation, &effect, truth, &mut self.coverage)?;
        Ok((answer, 0))
    }

    pub(super) fn reply(&mut self, ticket: u64, answer: Answer) -> Checked {
        let Some(mut flight) = self.flights.remove(&ticket) else { return Ok(()) };
        let id = flight.process;
        let now = self.now;
        let Some(process) = self.process(id) else { return Ok(()) };
        if process.asleep_until > now {
            let at = process.asleep_until;
            self.flights.insert(ticket, flight);
            self.queue_at(at, Event::Reply(ticket, Box::new(answer)));
            return Ok(());
        }
        process.free_slot(flight.class);
        flight.replied = true;
        if matches!(answer, Answer::Refused(Refusal::Unknown { .. })) {
            self.coverage.note(Happening::Unknown);
            if matches!(flight.operation, Operation::EvictPod { .. }) {
                self.note_eviction(&answer);
            }
        }
        if !trace::is_renewed(&flight.operation, &answer) {
            self.log(&format!("helper-{id}"), || {
                format!("#{ticket} is answered: {}", trace::answer(&answer))
            });
        }
        let truth = truth!(self);
        self.contract.answered(&flight.issue, &flight.operation, &answer, truth)?;
        if let (Some(Fault::RetryWithoutBackOff), Answer::Cloud(failed)) = (self.options.fault, &answer)
            && failed.outcome.is_err()
        {
            let identity = format!("helper-{id}");
            self.contract.issued(id, &identity, &flight.operation, truth)?;
            self.contract.answered(&flight.issue, &flight.operation, &answer, truth)?;
        }
        let answer = self.falsify(&flight, answer);
        let wall = self.wall();
        if let Some(process) = self.process(id) {
            let clocks = process.clocks(now, wall);
            process.machine.observe(clocks, Observation::Answered { operation: flight.id, answer });
        }
        if !flight.arrived {
            self.flights.insert(ticket, flight);
        }
        self.pump(id)
    }
}

/// What a process is told of an operation of which nothing is known.
fn unknown(operation: &Operation) -> Answer {
    let message = "the connection was cut".to_owned();
    match operation {
        Operation::Ask { call, .. } => Answer::Cloud(acr_credentials::Answer {
            cloud_time: None,
            outcome: Err(CallFailure::new(call.operation(), FailureKind::NoAnswer, message)),
        }),
        _ => Answer::Refused(Refusal::Unknown { message }),
    }
}

/// Adds an operation to a digest (FNV-1a).
fn digest(before: u64, operation: &Operation) -> u64 {
    let mut digest = before;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            digest = (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    match operation {
        Operation::WriteJournal { document, .. } => add(document),
        Operation::ApplyPullSecret { namespace, payload, .. } => {
            add(namespace.as_bytes());
            add(payload.digest.as_bytes());
        }
        other => add(trace::operation(other).as_bytes()),
    }
    digest
}
