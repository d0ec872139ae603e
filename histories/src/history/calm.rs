//! When faults end: everything heals, must come to rest, and stays at rest; and the end of all, an uninstall.

use acr_controller::names::PAUSE_ANNOTATION;
use acr_controller::settings::Purpose;
use acr_controller::status::Outcome;

use super::{Event, History};
use crate::api_server::{Resistance, Standing};
use crate::contract::{Checked, Rule, Violation, s5_no_admission_is_left, s5_who_answers_is_trusted};
use crate::coverage::Happening;
use crate::plan::Moment;

const SECOND: Moment = 1_000;
const MINUTE: Moment = 60 * SECOND;

/// After faults end, all is right within 60 s plus one back-off, which is 5 min and at most a quarter more.
const BOUND: Moment = MINUTE + 5 * MINUTE + 75 * SECOND;
/// Most histories are at rest long before: a first look that saves the rest of the time.
const FIRST_LOOK: Moment = 70 * SECOND;
/// How long everything is watched at rest.
const STILL: Moment = MINUTE;

impl History<'_> {
    /// Ends all faults and asserts that everything comes to rest. Says when the last must have come.
    pub(super) fn rest(&mut self) -> Result<Moment, Violation> {
        self.log("plan", || "all faults end".to_owned());
        self.calm = true;
        self.heal();
        let bound = self.now + BOUND;
        // Where nobody can say which configuration is in force, a look cannot tell whether more is to come.
        let look = if self.contract.is_spoiled(&self.server) { BOUND } else { FIRST_LOOK };
        self.run_until(self.now + look)?;
        self.comes_to_rest(bound)?;
        self.contract.rest(true, self.now);
        let still = self.run_until(self.now + STILL);
        self.contract.rest(false, self.now);
        still?;
        // What the first answer of a renewal has changed waits for the others until the bound.
        self.comes_to_rest(bound)?;
        Ok(bound)
    }

    /// Looks at once, and where something is left to do once more when the bound has come.
    fn comes_to_rest(&mut self, bound: Moment) -> Checked {
        let coverage = self.coverage.clone();
        if !self.waits_after_a_refusal() && self.at_rest().is_ok() {
            return Ok(());
        }
        self.coverage = coverage;
        if self.now < bound {
            self.run_until(bound)?;
        }
        self.at_rest()
    }

    /// Whether a process still waits to try a write again that was refused before the faults ended.
    fn waits_after_a_refusal(&self) -> bool {
        let (now, wall) = (self.now, self.wall());
        self.processes.iter().any(|process| {
            let status = process.machine.status(process.clocks(now, wall));
            let refused = ["NoRight", "RefusedByPolicy", "Quota"];
            status.findings.iter().any(|finding| refused.contains(&finding.code.as_str()))
        })
    }

    fn heal(&mut self) {
        self.cloud.end_all();
        self.outage = false;
        self.annotate(PAUSE_ANNOTATION, None);
        self.list_fights.clear();
        self.secret_fights.clear();
        self.server.resistance = Resistance::default();
        let held: Vec<String> = self.server.pull_secrets().keys().cloned().collect();
        for namespace in held {
            self.server.hold_secret(&namespace, false);
        }
        for process in &mut self.processes {
            process.asleep_until = process.asleep_until.min(self.now);
            process.cut_off_until = 0;
            for stream in &mut process.streams {
                stream.not_before = 0;
                // What was to come when the stall would have ended comes now.
                stream.scheduled = false;
            }
        }
        if self.processes.is_empty() && self.starting == 0 {
            self.starting += 1;
            self.schedule(1, Event::Start(Purpose::Run));
        }
    }

    fn at_rest(&mut self) -> Checked {
        let holder = self.server.lease().and_then(|lease| lease.holder.clone());
        let (now, wall) = (self.now, self.wall());
        let leader = self.processes.iter().find(|process| Some(&process.identity) == holder.as_ref());
        let Some(leader) = leader else {
            let what = format!("nobody leads; the Lease is held by {holder:?}");
            return Err(Violation { rule: Rule::S5, what });
        };
        let status = leader.machine.status(leader.clocks(now, wall));
        let id = leader.id;
        let truth = truth!(self);
        self.contract.s5_at_rest(id, &status, truth, &mut self.coverage)?;
        if !self.contract.is_spoiled(&self.server) {
            for process in &self.processes {
                s5_who_answers_is_trusted(process.machine.serving(), truth)?;
            }
        }
        Ok(())
    }

    /// An uninstall: refused while somebody leads, and thorough once nobody does.
    pub(super) fn remove_everything(&mut self, bound: Moment) -> Checked {
        if self.delays.chance(50) {
            let holder = self.server.lease().and_then(|lease| lease.holder.clone());
            let leader = self.processes.iter().find(|process| Some(&process.identity) == holder.as_ref());
            let leader = leader.map(|process| process.id);
            self.uninstall_once()?;
            let refused = matches!(&self.uninstall, Some(Outcome::LeaseHeld { .. }));
            // A leader that was asked to stop meanwhile has handed the Lease over.
            let handed_over = leader.is_some_and(|id| self.processes.iter().all(|process| process.id != id));
            if !refused && !handed_over {
                let what = format!("an uninstall beside a living leader ended with {:?}", self.uninstall);
                return Err(Violation { rule: Rule::S3, what });
            }
            self.coverage.note(Happening::UninstallRefused);
            self.comes_to_rest(bound)?;
        }
        self.removing = true;
        for id in self.processes.iter().map(|process| process.id).collect::<Vec<_>>() {
            if self.delays.chance(50) { self.stop(id)? } else { self.kill(id) }
        }
        self.run_until(self.now + 31 * SECOND)?;
        if self.delays.chance(50) {
            self.interrupt_an_uninstall()?;
        }
        self.uninstall_once()?;
        if self.uninstall != Some(Outcome::Removed) {
            let what = format!("an uninstall with nobody in its way ended with {:?}", self.uninstall);
            return Err(Violation { rule: Rule::S5, what });
        }
        self.coverage.note(Happening::Uninstalled);
        self.s5_nothing_is_left()
    }

    /// One that is killed at any moment. What it has sent may still arrive.
    fn interrupt_an_uninstall(&mut self) -> Checked {
        self.uninstall = None;
        self.starting += 1;
        self.schedule(0, Event::Start(Purpose::Uninstall));
        // The Lease of a process that was killed is free after 15 s.
        let after = self.delays.one_of([0, 15 * SECOND]) + self.delays.spread(1, 5 * SECOND);
        self.run_until(self.now + after)?;
        if self.uninstall.is_none() {
            self.coverage.note(Happening::UninstallInterrupted);
        }
        for id in self.processes.iter().map(|process| process.id).collect::<Vec<_>>() {
            self.kill(id);
        }
        self.run_until(self.now + 31 * SECOND)
    }

    fn uninstall_once(&mut self) -> Checked {
        self.uninstall = None;
        self.starting += 1;
        self.schedule(0, Event::Start(Purpose::Uninstall));
        for _ in 0..15 {
            self.run_until(self.now + 30 * SECOND)?;
            if self.uninstall.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn s5_nothing_is_left(&self) -> Checked {
        let left =
            |what: String| Err(Violation { rule: Rule::S5, what: format!("{what} after an uninstall") });
        for ((namespace, name), account) in self.server.accounts() {
            let open = self.server.namespaces().get(namespace).is_some_and(|home| !home.terminating);
            let key = (namespace.clone(), name.clone());
            let out_of_reach = self.contract.is_out_of_reach(&self.server, &key);
            if open && account.attached_by_us && account.list.ours() > 0 && !out_of_reach {
                return left(format!("{namespace}/{name} is attached"));
            }
        }
        for (namespace, secret) in self.server.pull_secrets() {
            let open = self.server.namespaces().get(namespace).is_some_and(|home| !home.terminating);
            let ours = matches!(secret.standing, Standing::Own | Standing::Adopted) && !secret.is_disguised();
            if open && ours {
                return left(format!("the pull secret of {namespace} is there"));
            }
        }
        s5_no_admission_is_left(truth!(self))?;
        if self.server.journal().is_some() {
            return left("the journal is there".to_owned());
        }
        if self.server.lease().is_some() {
            return left("the Lease is there".to_owned());
        }
        Ok(())
    }
}
