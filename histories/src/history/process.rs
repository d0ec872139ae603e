//! One process: a machine, its watches and its slots, as the pump has them.

use std::collections::BTreeMap;
use std::time::Duration;

use acr_configuration::TokenMode;
use acr_controller::admission::Front;
use acr_controller::observation::Watch;
use acr_controller::operation::Class;
use acr_controller::settings::{GivenRegion, Purpose, Settings};
use acr_controller::{Machine, Mono, Now, names};
use acr_credentials::UnixMillis;

use super::named::Followed;
use super::stream::Stream;
use crate::contract::ProcessId;
use crate::estate::OWN;
use crate::plan::Moment;

const MILLION: i128 = 1_000_000;

/// A process that is alive.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) id: ProcessId,
    pub(super) identity: String,
    pub(super) machine: Machine,
    pub(super) streams: Vec<Stream>,
    /// What is followed by its name.
    pub(super) followed: Followed,
    /// When the machine wants to be asked again.
    pub(super) wake: Option<Moment>,
    /// When it was last asked what to do.
    pub(super) turned: Moment,
    /// It does not run before.
    pub(super) asleep_until: Moment,
    /// It does not reach the API server before.
    pub(super) cut_off_until: Moment,
    /// How much faster its monotonic clock runs than time, in millionths.
    drift: i64,
    started: Moment,
    busy: BTreeMap<Class, usize>,
}

impl Process {
    pub(super) fn new(
        id: ProcessId,
        purpose: Purpose,
        region: Option<&str>,
        now: Moment,
        drift: i64,
    ) -> Self {
        let identity = format!("helper-{id}");
        let settings = Settings {
            namespace: OWN.to_owned(),
            identity: identity.clone(),
            purpose,
            token_mode: TokenMode::WorkerRole,
            region: region.map(|region| GivenRegion { name: region.to_owned(), by: "--region" }),
            sts_endpoint: None,
            registered_key_secret: None,
            add_on_token_secret: None,
            service_account: names::SERVICE_ACCOUNT.to_owned(),
            front: Some(Front::Service { name: "front".to_owned() }),
            // Short, so that longer histories see renewals.
            answers: true,
            certificate_life: Duration::from_hours(2),
        };
        let watches = [Watch::Configuration, Watch::Namespaces, Watch::Accounts, Watch::PullSecrets];
        Self {
            id,
            identity,
            machine: Machine::new(settings),
            streams: watches.map(Stream::new).into(),
            followed: Followed::new(),
            wake: None,
            turned: now,
            asleep_until: 0,
            cut_off_until: 0,
            drift,
            started: now,
            busy: BTreeMap::new(),
        }
    }

    /// The clocks of the process.
    pub(super) fn clocks(&self, now: Moment, wall: UnixMillis) -> Now {
        let elapsed = i128::from(now.saturating_sub(self.started));
        let shown = elapsed * (MILLION + i128::from(self.drift)) / MILLION;
        Now { wall, mono: Mono(u64::try_from(shown).unwrap_or_default()) }
    }

    /// How far its two clocks have drifted apart since it was last asked, rounded up: what is due by the wall clock may be
    /// due that much before the moment that it has named by the other one.
    pub(super) fn drifted(&self, now: Moment) -> Moment {
        let since = i128::from(now.saturating_sub(self.turned));
        Moment::try_from(since * i128::from(self.drift.abs()) / MILLION + 1).unwrap_or_default()
    }

    /// The first moment of the history at which its monotonic clock shows this.
    pub(super) fn moment(&self, mono: Mono) -> Moment {
        let rate = MILLION + i128::from(self.drift);
        let elapsed = (i128::from(mono.0) * MILLION + rate - 1) / rate;
        self.started.saturating_add(u64::try_from(elapsed).unwrap_or(Moment::MAX))
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
