//! A history: virtual time, a queue of what is to happen, and the contract asserted at every step.

/// What really is, for the contract: a macro, because the contract is borrowed from the history at the same time.
macro_rules! truth {
    ($history:expr) => {
        crate::contract::Truth {
            now: $history.now,
            cloud_time: $history.cloud_time(),
            wall_offset: $history.wall_offset,
            server: &$history.server,
            cloud: &$history.cloud,
        }
    };
}

mod act;
mod calm;
mod controls;
mod effects;
mod ending;
mod event;
mod faults;
mod named;
mod network;
mod pods;
mod process;
mod stream;
mod trace;
mod watches;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use acr_controller::settings::Purpose;
use acr_credentials::UnixMillis;

use crate::api_server::{AccountKey, ApiServer, List};
use crate::cloud::{CloudSetupFailure, CloudSide};
use crate::contract::{Checked, Contract, ProcessId, Rule, Violation};
use crate::coverage::{Coverage, Happening};
use crate::fault::Fault;
use crate::plan::{Action, Moment, Plan};
use crate::random::Random;
use event::{Ending, Event, Flight};
use process::Process;

/// 2026-11-21T00:00:00Z, when every history begins.
pub const BEGINNING: UnixMillis = UnixMillis(1_795_219_200_000);

/// How to run a history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether to keep a line per step.
    pub trace: bool,
    /// A deliberate fault.
    pub fault: Option<Fault>,
    /// Whether the run is the second of two that must be the same: matters to [`Fault::UnsteadyOrder`] alone.
    pub second: bool,
}

/// What came of a history.
#[derive(Debug)]
pub struct Report {
    /// The rule that was broken, if one was.
    pub violation: Option<Violation>,
    /// What happened how often.
    pub coverage: Coverage,
    /// A line per step, where asked for.
    pub trace: Vec<String>,
    /// How many steps it took: deliveries, operations, answers, actions.
    pub steps: u64,
    /// A digest of all operations that were handed out, in order.
    pub digest: u64,
}

impl Report {
    /// The report of a history that ended in a panic.
    pub(crate) fn of_panic() -> Self {
        let what = "the machine panics".to_owned();
        Self {
            violation: Some(Violation { rule: Rule::S7, what }),
            coverage: Coverage::default(),
            trace: Vec::new(),
            steps: 0,
            digest: 0,
        }
    }
}

/// Why a history cannot be run at all.
#[derive(Debug, thiserror::Error)]
#[error("no history without a cloud: {0}")]
pub struct SetupFailure(#[from] CloudSetupFailure);

/// A history while it runs.
pub struct History<'a> {
    plan: &'a Plan,
    options: Options,
    actions: &'a [(Moment, Action)],
    now: Moment,
    wall_offset: i64,
    queue: BTreeMap<(Moment, u64, u64), Event>,
    sequence: u64,
    delays: Random,
    pods: pods::PodLife,
    server: ApiServer,
    cloud: CloudSide,
    contract: Contract,
    coverage: Coverage,
    processes: Vec<Process>,
    last_process: ProcessId,
    starting: usize,
    /// When somebody deleted the Lease last.
    lease_deleted: Option<Moment>,
    /// The component is being removed: nobody starts it any more.
    removing: bool,
    flights: BTreeMap<u64, Box<Flight>>,
    last_ticket: u64,
    /// How many certificates were made.
    certificates: u64,
    /// Nothing goes wrong any more.
    calm: bool,
    outage: bool,
    list_fights: BTreeSet<AccountKey>,
    secret_fights: BTreeSet<String>,
    uninstall: Option<acr_controller::status::Outcome>,
    steps: u64,
    digest: u64,
    trace: Vec<String>,
}

impl fmt::Debug for History<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "History of seed {} at {}", self.plan.seed, trace::clock(self.now))
    }
}

/// No history may take more steps: it would be one that never comes to rest.
const STEPS_LIMIT: u64 = 200_000;

impl<'a> History<'a> {
    /// Runs a plan to its end, or to the first broken rule.
    pub fn run(plan: &'a Plan, options: Options) -> Result<Report, SetupFailure> {
        let mut history = Self {
            plan,
            options,
            actions: &[],
            now: 0,
            wall_offset: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            delays: Random::stream(plan.seed, 2),
            pods: pods::PodLife::new(plan.seed),
            server: ApiServer::new(BEGINNING),
            cloud: CloudSide::new(plan.seed)?,
            contract: Contract::default(),
            coverage: Coverage::default(),
            processes: Vec::new(),
            last_process: 0,
            starting: 0,
            lease_deleted: None,
            removing: false,
            flights: BTreeMap::new(),
            last_ticket: 0,
            certificates: 0,
            calm: false,
            outage: false,
            list_fights: BTreeSet::new(),
            secret_fights: BTreeSet::new(),
            uninstall: None,
            steps: 0,
            digest: 0xcbf2_9ce4_8422_2325,
            trace: Vec::new(),
        };
        let violation = history.live().err();
        if let Some(violation) = &violation {
            history.log("contract", || violation.to_string());
        }
        Ok(Report {
            violation,
            coverage: history.coverage,
            trace: history.trace,
            steps: history.steps,
            digest: history.digest,
        })
    }

    /// Runs the plan of a seed; every so many seeds twice, and both runs must be the same.
    pub fn of_seed(seed: u64, options: Options) -> Result<Report, SetupFailure> {
        let plan = Plan::of(seed);
        let mut report = History::run(&plan, options)?;
        if report.violation.is_none() && seed.is_multiple_of(16) {
            let second = History::run(&plan, Options { trace: false, second: true, ..options })?;
            if second.digest != report.digest {
                let what = "a second run of the same history gave other operations".to_owned();
                report.violation = Some(Violation { rule: Rule::S7, what });
            }
        }
        Ok(report)
    }

    fn live(&mut self) -> Checked {
        let plan = self.plan;
        for _ in 0..plan.replicas {
            self.start_later(0);
        }
        let mut bound = self.now;
        for round in &plan.rounds {
            self.calm = false;
            self.actions = &round.actions;
            let mut at = self.now;
            for (place, (wait, _)) in round.actions.iter().enumerate() {
                at += wait;
                self.queue_at(at, Event::Act(place));
            }
            self.run_until(at)?;
            bound = self.rest()?;
        }
        if plan.uninstall { self.remove_everything(bound) } else { Ok(()) }
    }

    /// Lets everything happen up to a moment.
    fn run_until(&mut self, end: Moment) -> Checked {
        self.queue_at(end, Event::Mark);
        loop {
            let wake = self.next_wake();
            let Some((&(at, ..), _)) = self.queue.first_key_value() else { return Ok(()) };
            if let Some((process, wake)) = wake.filter(|(_, wake)| *wake < at) {
                self.now = self.now.max(wake);
                self.count_step()?;
                self.pump(process)?;
            } else {
                self.now = self.now.max(at);
                let Some((_, event)) = self.queue.pop_first() else { return Ok(()) };
                if matches!(event, Event::Mark) {
                    return Ok(());
                }
                self.count_step()?;
                self.s7_nothing_to_do_before_wake()?;
                self.happen(event)?;
            }
            self.notify();
        }
    }

    fn count_step(&mut self) -> Checked {
        self.steps += 1;
        self.server.turn_to(self.now);
        if self.steps > STEPS_LIMIT {
            return Err(Violation { rule: Rule::S5, what: format!("no rest after {STEPS_LIMIT} steps") });
        }
        Ok(())
    }

    fn next_wake(&self) -> Option<(ProcessId, Moment)> {
        let wakes = self.processes.iter().filter_map(|process| {
            process.wake.map(|wake| (process.id, wake.max(process.asleep_until).max(self.now)))
        });
        wakes.min_by_key(|(_, wake)| *wake)
    }

    fn happen(&mut self, event: Event) -> Checked {
        match event {
            Event::Act(place) => {
                if let Some((_, action)) = self.actions.get(place) {
                    self.log("plan", || action.to_string());
                    self.act(action)?;
                }
                Ok(())
            }
            Event::Deliver(process, watch) => self.deliver(process, watch),
            Event::Show(process, named) => self.show_named(process, named),
            Event::Arrive(ticket) => self.arrive(ticket),
            Event::Reply(ticket, answer) => self.reply(ticket, *answer),
            Event::Start(purpose) => self.start(purpose),
            Event::Stop(process) => self.stop(process),
            Event::Kill(process) => {
                self.kill(process);
                Ok(())
            }
            Event::MakeDefaultAccount(namespace) => {
                let made = self.server.create_account(namespace, "default", List::default(), false);
                self.log_change(made, || format!("ServiceAccount {namespace}/default is made"));
                Ok(())
            }
            Event::ContinueDeletion(namespace) => {
                let choice = self.delays.index(4);
                if self.server.continue_deletion(namespace, choice) {
                    let wait = self.delays.spread(1, 2_000);
                    self.schedule(wait, Event::ContinueDeletion(namespace));
                } else if !self.server.namespaces().contains_key(namespace) {
                    self.contract.namespace_gone(namespace);
                    self.log("kubernetes", || format!("Namespace {namespace} is gone"));
                }
                Ok(())
            }
            Event::TakeOut(key) => {
                if self.list_fights.contains(&key) {
                    self.take_out(&key);
                }
                Ok(())
            }
            Event::Overwrite(namespace) => {
                if self.secret_fights.contains(&namespace) {
                    self.overwrite(&namespace);
                }
                Ok(())
            }
            Event::Pods(event) => {
                self.live_on(event);
                Ok(())
            }
            Event::End(ending) => {
                self.end(&ending);
                Ok(())
            }
            Event::Mark => Ok(()),
        }
    }

    /// Puts something into the queue, so many milliseconds from now.
    fn schedule(&mut self, wait: Moment, event: Event) {
        self.queue_at(self.now.saturating_add(wait), event);
    }

    /// Events of the same moment come in random order.
    fn queue_at(&mut self, at: Moment, event: Event) {
        self.sequence += 1;
        let tie = if matches!(event, Event::Mark) { u64::MAX } else { self.delays.below(1 << 20) };
        self.queue.insert((at, tie, self.sequence), event);
    }

    fn cloud_time(&self) -> UnixMillis {
        BEGINNING.plus_millis(i64::try_from(self.now).unwrap_or(i64::MAX))
    }

    fn wall(&self) -> UnixMillis {
        self.cloud_time().plus_millis(self.wall_offset)
    }

    fn process(&mut self, id: ProcessId) -> Option<&mut Process> {
        self.processes.iter_mut().find(|process| process.id == id)
    }

    fn start(&mut self, purpose: Purpose) -> Checked {
        self.starting = self.starting.saturating_sub(1);
        if self.removing && purpose == Purpose::Run {
            return Ok(());
        }
        self.last_process += 1;
        let id = self.last_process;
        let drift = self.drift();
        self.processes.push(Process::new(id, purpose, self.plan.region, self.now, drift));
        self.contract.started(id, purpose == Purpose::Uninstall);
        self.log(&format!("helper-{id}"), || format!("starts, to {purpose:?}"));
        if self.processes.len() > 2 {
            self.coverage.note(Happening::ThreeAtOnce);
        }
        if usize::try_from(id).is_ok_and(|id| id > self.plan.replicas) {
            self.coverage.note(Happening::Restarted);
            let spoiled = self.contract.is_spoiled(&self.server);
            if spoiled {
                self.coverage.note(Happening::RestartedWithSpoiledConfiguration);
            }
        }
        self.pump(id)
    }

    /// The process is no more; what it sent may still arrive.
    fn kill(&mut self, id: ProcessId) {
        if self.processes.iter().any(|process| process.id == id) {
            self.processes.retain(|process| process.id != id);
            self.contract.ended(id);
            self.log(&format!("helper-{id}"), || "is dead".to_owned());
        }
    }

    fn log(&mut self, who: &str, what: impl FnOnce() -> String) {
        if self.options.trace {
            self.trace.push(format!("{:>14}  {who:<10}  {}", trace::clock(self.now), what()));
        }
    }

    fn log_change(&mut self, changed: bool, what: impl FnOnce() -> String) {
        if changed {
            self.log("kubernetes", what);
        }
    }
}
