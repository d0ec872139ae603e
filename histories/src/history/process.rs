//! One process: a machine, its watches and its slots, as the pump has them.

use std::collections::{BTreeMap, BTreeSet};

use acr_configuration::{SecretRef, TokenMode};
use acr_controller::observation::Watch;
use acr_controller::operation::Class;
use acr_controller::settings::{Purpose, Settings};
use acr_controller::{Machine, Mono, Now, names};
use acr_credentials::UnixMillis;

use super::stream::Stream;
use crate::contract::ProcessId;
use crate::plan::Moment;

/// A process that is alive.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) id: ProcessId,
    pub(super) identity: String,
    pub(super) machine: Machine,
    pub(super) streams: [Stream; 4],
    /// The Secrets of the configuration that are followed.
    pub(super) followed: BTreeSet<SecretRef>,
    /// When the machine wants to be asked again.
    pub(super) wake: Option<Moment>,
    /// It does not run before.
    pub(super) asleep_until: Moment,
    started: Moment,
    busy: BTreeMap<Class, usize>,
}

impl Process {
    pub(super) fn new(id: ProcessId, purpose: Purpose, region: Option<&str>, now: Moment) -> Self {
        let identity = format!("helper-{id}");
        let settings = Settings {
            namespace: "kube-system".to_owned(),
            identity: identity.clone(),
            purpose,
            token_mode: TokenMode::WorkerRole,
            region: region.map(str::to_owned),
            sts_endpoint: None,
            registered_key_secret: None,
            add_on_token_secret: None,
            service_account: names::SERVICE_ACCOUNT.to_owned(),
        };
        let watches = [Watch::Configuration, Watch::Namespaces, Watch::Accounts, Watch::PullSecrets];
        Self {
            id,
            identity,
            machine: Machine::new(settings),
            streams: watches.map(Stream::new),
            followed: BTreeSet::new(),
            wake: None,
            asleep_until: 0,
            started: now,
            busy: BTreeMap::new(),
        }
    }

    /// The clocks of the process.
    pub(super) fn clocks(&self, now: Moment, wall: UnixMillis) -> Now {
        Now { wall, mono: Mono(now.saturating_sub(self.started)) }
    }

    /// A point of its monotonic clock as a moment of the history.
    pub(super) fn moment(&self, mono: Mono) -> Moment {
        self.started.saturating_add(mono.0)
    }

    pub(super) fn stream(&mut self, watch: Watch) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.watch == watch)
    }

    pub(super) fn has_slot(&self, class: Class) -> bool {
        self.busy.get(&class).copied().unwrap_or_default() < class.slots()
    }

    pub(super) fn take_slot(&mut self, class: Class) {
        *self.busy.entry(class).or_default() += 1;
    }

    pub(super) fn free_slot(&mut self, class: Class) {
        if let Some(busy) = self.busy.get_mut(&class) {
            *busy = busy.saturating_sub(1);
        }
    }
}
