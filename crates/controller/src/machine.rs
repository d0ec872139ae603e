//! The machine itself: what comes in is put where it belongs, what goes out is asked of those who decide.

use crate::observation::Observation;
use crate::operation::{Class, Operation, OperationId};
use crate::settings::Settings;
use crate::status::{Histogram, Outcome, Progress, Status};
use crate::time::{Mono, Now};

/// One synchronous owner of the world.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
}

impl Machine {
    /// A machine that knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Takes one observation.
    pub fn observe(&mut self, _now: Now, _observation: Observation) {}

    /// The next operation of `class`, or nothing to do for now. To be asked whenever a slot of the class is free:
    /// after an observation, after an answer, and when [`Self::wake`] has come.
    pub fn next(&mut self, _now: Now, _class: Class) -> Option<(OperationId, Operation)> {
        None
    }

    /// When to ask [`Self::next`] again although nothing was observed.
    pub fn wake(&self) -> Option<Mono> {
        None
    }

    /// How the process has ended, once it has.
    pub fn outcome(&self) -> Option<Outcome> {
        None
    }

    /// What there is to see.
    pub fn status(&self, _now: Now) -> Status {
        Status {
            leading: false,
            holder: Some(self.settings.identity.clone()),
            listed: false,
            configured: false,
            logins: Vec::new(),
            accounts: Progress::default(),
            namespaces: Progress::default(),
            retiring: 0,
            fights: 0,
            attach_lag: Histogram::default(),
            findings: Vec::new(),
        }
    }
}
