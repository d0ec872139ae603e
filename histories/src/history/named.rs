//! Objects that a process follows by their names: the Secrets of its configuration, the journal's Secret with the
//! certificate, and what the API server goes by when ServiceAccounts are created.

use std::collections::{BTreeMap, BTreeSet};

use acr_configuration::SecretRef;
use acr_controller::admission::AdmissionObject;
use acr_controller::names::{CERTIFICATE_KEY, JOURNAL_SECRET, PRIVATE_KEY_KEY};
use acr_controller::observation::Observation;
use acr_credentials::SecretData;
use acr_credentials::secret_data::ACCESS_KEY_MEMBERS;
use zeroize::Zeroizing;

use super::{Event, History};
use crate::api_server::ApiServer;
use crate::contract::{Checked, ProcessId};
use crate::estate::{KEY_SECRET, KeyPair};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    Secret(SecretRef),
    Admission(AdmissionObject),
}

/// How far a process is with one of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    scheduled: bool,
    /// The version that was shown last; 0 where there was none.
    version: Option<u64>,
}

/// All that a process follows.
pub(super) type Followed = BTreeMap<Named, Shown>;

impl Named {
    fn version(&self, server: &ApiServer) -> u64 {
        match self {
            Self::Secret(reference) if reference.name == JOURNAL_SECRET => {
                server.journal().map_or(0, |journal| journal.resource_version)
            }
            Self::Secret(reference) => u64::from(reference.name == KEY_SECRET),
            Self::Admission(object) => server.admission(*object).map_or(0, |seen| seen.resource_version),
        }
    }

    fn observation(&self, server: &ApiServer) -> Observation {
        match self.clone() {
            Self::Secret(reference) => {
                let data = secret(&reference, server);
                Observation::Referenced { reference, seen: Ok(data) }
            }
            Self::Admission(object) => {
                let seen = server.admission(object).cloned();
                let version = seen.as_ref().map_or(server.version(), |seen| seen.resource_version);
                Observation::Admission { object, version, seen: Ok(seen) }
            }
        }
    }
}

fn secret(reference: &SecretRef, server: &ApiServer) -> Option<SecretData> {
    let member = |name: &str, bytes: &[u8]| (name.to_owned(), Zeroizing::new(bytes.to_vec()));
    if reference.name == JOURNAL_SECRET {
        let serving = server.journal()?.serving.as_ref();
        let members = serving
            .map(|serving| [member(CERTIFICATE_KEY, &serving.chain), member(PRIVATE_KEY_KEY, &serving.key)]);
        return Some(members.into_iter().flatten().collect());
    }
    let [id_member, secret_member, _] = ACCESS_KEY_MEMBERS;
    let pair = KeyPair::Referenced;
    let data = [member(id_member, pair.id().as_bytes()), member(secret_member, pair.secret().as_bytes())];
    (reference.name == KEY_SECRET).then(|| data.into_iter().collect())
}

impl History<'_> {
    /// What the machine wants to see by name is followed from now on, and nothing else.
    pub(super) fn follow(&mut self, id: ProcessId) {
        let Some(process) = self.process(id) else { return };
        let secrets = process.machine.references().into_iter().map(Named::Secret);
        let objects = process.machine.admission_objects().into_iter().map(Named::Admission);
        let wanted: BTreeSet<Named> = secrets.chain(objects).collect();
        process.followed.retain(|named, _| wanted.contains(named));
        for named in wanted {
            process.followed.entry(named).or_default();
        }
    }

    /// What is followed and has changed gets into the queue.
    pub(super) fn notify_of_named(&mut self) {
        let mut due = Vec::new();
        for process in &mut self.processes {
            for (named, shown) in &mut process.followed {
                if !shown.scheduled && shown.version != Some(named.version(&self.server)) {
                    shown.scheduled = true;
                    due.push((process.id, named.clone()));
                }
            }
        }
        for (process, named) in due {
            let wait = if self.calm { self.delays.between(1, 10) } else { self.delays.spread(1, 120) };
            self.schedule(wait, Event::Show(process, named));
        }
    }

    pub(super) fn show_named(&mut self, id: ProcessId, named: Named) -> Checked {
        let (now, wall, outage) = (self.now, self.wall(), self.outage);
        let version = named.version(&self.server);
        let observation = named.observation(&self.server);
        let Some(process) = self.process(id) else { return Ok(()) };
        let away =
            if outage { now.saturating_add(500) } else { process.asleep_until.max(process.cut_off_until) };
        if away > now {
            self.queue_at(away, Event::Show(id, named));
            return Ok(());
        }
        // What is not followed any more is not shown either.
        let Some(shown) = process.followed.get_mut(&named) else { return Ok(()) };
        *shown = Shown { scheduled: false, version: Some(version) };
        let clocks = process.clocks(now, wall);
        process.machine.observe(clocks, observation);
        self.log(&format!("helper-{id}"), || format!("sees {named:?} at version {version}"));
        self.pump(id)
    }
}
