//! Watches: what happened at the API server is shown to the processes, each stream at its own pace.

use acr_controller::observation::{Observation, Watch};

use super::faults::mistake;
use super::{Event, History, trace};
use crate::contract::{Checked, Delivery, ProcessId};
use crate::fault::Fault;

impl History<'_> {
    /// Streams that have something to deliver get a delivery into the queue.
    pub(super) fn notify(&mut self) {
        if self.outage {
            return;
        }
        self.notify_of_named();
        let mut due = Vec::new();
        for process in &mut self.processes {
            for stream in &mut process.streams {
                if !stream.scheduled && stream.has_more(&self.server) {
                    stream.scheduled = true;
                    due.push((process.id, stream.watch, stream.not_before));
                }
            }
        }
        for (process, watch, not_before) in due {
            let wait = if self.calm { self.delays.between(1, 10) } else { self.delays.spread(1, 120) };
            self.queue_at(self.now.saturating_add(wait).max(not_before), Event::Deliver(process, watch));
        }
    }

    pub(super) fn deliver(&mut self, id: ProcessId, watch: Watch) -> Checked {
        let now = self.now;
        let outage = self.outage;
        let Some(process) = self.process(id) else { return Ok(()) };
        let away = process.asleep_until.max(process.cut_off_until);
        let Some(stream) = process.stream(watch) else { return Ok(()) };
        if outage {
            stream.scheduled = false;
            return Ok(());
        }
        if stream.not_before.max(away) > now {
            let at = stream.not_before.max(away);
            self.queue_at(at, Event::Deliver(id, watch));
            return Ok(());
        }
        stream.scheduled = false;
        if watch == Watch::Pods && self.pods_are_forbidden(id) {
            return self.pump(id);
        }
        let burst = self.delays.spread(1, 16);
        let together = self.delays.chance(50);
        for _ in 0..burst {
            let server = &self.server;
            let Some(process) = self.processes.iter_mut().find(|process| process.id == id) else { break };
            let Some(delivery) = process.stream(watch).and_then(|stream| stream.next(server)) else { break };
            self.show(id, &delivery);
            if !together {
                self.pump(id)?;
            }
        }
        self.pump(id)
    }

    fn show(&mut self, id: ProcessId, delivery: &Delivery) {
        self.log(&format!("helper-{id}"), || format!("sees {}", trace::delivery(delivery)));
        let now = self.now;
        self.contract.shown(id, delivery, now);
        let wall = self.wall();
        let fault = self.options.fault;
        let omit = fault == Some(Fault::UnsteadyOrder) && self.options.second && self.steps % 97 == 11;
        let Some(process) = self.process(id) else { return };
        let clocks = process.clocks(now, wall);
        let machine = &mut process.machine;
        match delivery {
            _ if omit => {}
            Delivery::ListStarted(watch) => {
                if fault == Some(Fault::RelistWithoutRemoval) && clocks.mono.0 > 5_000 {
                    return;
                }
                machine.observe(clocks, Observation::ListStarted(*watch));
                if fault == Some(Fault::ListsCompleteTooSoon) {
                    machine.observe(clocks, Observation::ListCompleted { watch: *watch, version: 0 });
                }
            }
            Delivery::ListCompleted(watch, version) => {
                let silent = matches!(fault, Some(Fault::ListsCompleteTooSoon))
                    || fault == Some(Fault::RelistWithoutRemoval) && clocks.mono.0 > 5_000;
                if !silent {
                    let (watch, version) = (*watch, *version);
                    machine.observe(clocks, Observation::ListCompleted { watch, version });
                }
            }
            Delivery::Sight(sight) => machine.observe(clocks, mistake(fault, sight.clone()).into()),
        }
    }
}
