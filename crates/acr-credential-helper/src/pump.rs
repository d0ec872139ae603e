//! The pump: it turns the machine. What comes in is observed, what the machine hands out is carried out.
//!
//! Order of a turn: everything that has come is observed, every free slot is offered, then it waits for the
//! next answer, observation, question or the machine's own alarm. It decides nothing.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use acr_controller::observation::{Answer, Observation};
use acr_controller::operation::{Class, Operation, OperationId};
use acr_controller::status::{Outcome, Status};
use acr_controller::{Machine, Mono, Now};
use acr_credentials::UnixMillis;
use acr_server::StatusRequests;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::operations::{Described, Notes};

/// Observations that are taken before the slots are offered again.
const BATCH: usize = 256;
/// How long after something happened the status is looked at.
const LOOK_AFTER: Duration = Duration::from_millis(500);
/// How soon an alarm that is past is answered again. Whatever could be started was started: what is due waits for
/// a slot, and an answer brings that sooner.
const PAST_DUE: Duration = Duration::from_millis(20);
/// How long the end may take: what is in flight (5 s), then the Lease (5 s).
const LONGEST_END: Duration = Duration::from_secs(12);

/// The clocks of this process.
#[derive(Clone, Copy, Debug)]
struct Clock {
    started: Instant,
}

impl Clock {
    fn now(self) -> Now {
        let mono = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { wall: UnixMillis(jiff::Timestamp::now().as_millisecond()), mono: Mono(mono) }
    }

    /// The instant of a point of monotonic time.
    fn instant(self, mono: Mono) -> Option<Instant> {
        self.started.checked_add(Duration::from_millis(mono.0))
    }
}

/// Where the pump takes from.
pub(crate) struct Sources<S, R> {
    /// What the watches see.
    pub(crate) observations: mpsc::Receiver<Observation>,
    /// Who wants to see the status.
    pub(crate) status: StatusRequests,
    /// Looks at what the machine wants of its surroundings: what it wants to see, and what it serves.
    pub(crate) follow: R,
    /// Completes when the process shall end.
    pub(crate) stop: S,
}

/// Turns `machine` until it has an outcome. `None` when it was told to stop and did not come to an end in time.
///
/// `carry_out` carries one operation out, `notes` tells of it, `look` sees the status soon after something has happened.
pub(crate) async fn turn<F>(
    machine: Machine,
    carry_out: impl Fn(Operation) -> F,
    sources: Sources<impl Future<Output = ()>, impl FnMut(&Machine)>,
    notes: Notes,
    look: impl FnMut(&Status),
) -> Option<Outcome>
where
    F: Future<Output = Answer>,
{
    let Sources { mut observations, mut status, mut follow, stop } = sources;
    let mut stop = pin!(stop.fuse());
    let mut pump =
        Pump { machine, clock: Clock { started: Instant::now() }, notes, look, look_at: None, give_up: None };
    let mut flights = FuturesUnordered::new();
    let mut slots = Class::ALL.map(|class| Slots { class, taken: 0 });
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        follow(&pump.machine);
        for slots in &mut slots {
            while slots.taken < slots.class.slots() {
                let Some((id, operation)) = pump.machine.next(pump.clock.now(), slots.class) else { break };
                slots.taken += 1;
                let described = Described::of(&operation);
                flights.push(fly(slots.class, id, described, carry_out(operation)));
            }
        }
        if let Some(outcome) = pump.machine.outcome() {
            pump.look();
            return Some(outcome);
        }
        tokio::select! {
            biased;
            Some(landed) = flights.next(), if !flights.is_empty() => {
                let mut next = Some(landed);
                while let Some(landed) = next {
                    for slots in slots.iter_mut().filter(|slots| slots.class == landed.class) {
                        slots.taken = slots.taken.saturating_sub(1);
                    }
                    pump.landed(landed);
                    next = flights.next().now_or_never().flatten();
                }
            }
            _ = observations.recv_many(&mut batch, BATCH), if !observations.is_closed() || !observations.is_empty() => {}
            Some(asked) = status.recv() => {
                // Whoever asked may have gone.
                let _ = asked.send(pump.machine.status(pump.clock.now()));
            }
            () = &mut stop => pump.stop(),
            () = sleep_until(pump.alarm()) => {
                if pump.give_up.is_some_and(|at| at <= Instant::now()) {
                    return None;
                }
                pump.look_if_due();
            }
        }
        // Answers come first above, so what the watches saw is taken in every turn.
        while batch.len() < BATCH {
            let Ok(observation) = observations.try_recv() else { break };
            batch.push(observation);
        }
        for observation in batch.drain(..) {
            pump.observe(observation);
        }
    }
}

/// The slots of a class.
struct Slots {
    class: Class,
    taken: usize,
}

/// An operation that has ended.
struct Landed {
    class: Class,
    id: OperationId,
    described: Described,
    took: Duration,
    answer: Answer,
}

async fn fly(
    class: Class,
    id: OperationId,
    described: Described,
    carried_out: impl Future<Output = Answer>,
) -> Landed {
    let started = Instant::now();
    let answer = carried_out.await;
    Landed { class, id, described, took: started.elapsed(), answer }
}

struct Pump<L> {
    machine: Machine,
    clock: Clock,
    notes: Notes,
    look: L,
    /// When to look at the status, where something has happened since the last time.
    look_at: Option<Instant>,
    /// When to end without an outcome.
    give_up: Option<Instant>,
}

impl<L: FnMut(&Status)> Pump<L> {
    fn observe(&mut self, observation: Observation) {
        self.machine.observe(self.clock.now(), observation);
        self.look_at.get_or_insert_with(|| later(LOOK_AFTER));
    }

    fn landed(&mut self, landed: Landed) {
        self.notes.take(landed.class, landed.described, landed.took, &landed.answer);
        self.observe(Observation::Answered { operation: landed.id, answer: landed.answer });
    }

    fn stop(&mut self) {
        self.give_up = Some(later(LONGEST_END));
        self.observe(Observation::Stopping);
    }

    fn look_if_due(&mut self) {
        if self.look_at.is_some_and(|at| at <= Instant::now()) {
            self.look();
        }
    }

    fn look(&mut self) {
        self.look_at = None;
        let status = self.machine.status(self.clock.now());
        (self.look)(&status);
    }

    /// When to turn again although nothing comes.
    fn alarm(&self) -> Instant {
        let due = self.machine.wake().and_then(|mono| self.clock.instant(mono));
        let machine = due.map(|due| if due > Instant::now() { due } else { later(PAST_DUE) });
        let alarms = [machine, self.look_at, self.give_up];
        // An hour is for ever here: the Lease rings every few seconds.
        alarms.into_iter().flatten().min().unwrap_or_else(|| later(Duration::from_hours(1)))
    }
}

fn later(pause: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(pause).unwrap_or(now)
}

#[cfg(test)]
mod tests;
