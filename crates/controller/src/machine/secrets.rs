//! Pull secrets: looking at one, writing and deleting it.

use std::sync::Arc;
use std::time::Duration;

use super::objects::group;
use super::queues::Target;
use super::{Flight, Machine};
use crate::journal::record::DEAD_AFTER;
use crate::observation::{Answer, Refusal, Watch};
use crate::operation::{Operation, Precondition, Subject};
use crate::payload::{self, Profile};
use crate::policy::Standing;
use crate::time::{Mono, Now};
use crate::work::FIGHT;
use crate::world::{Secret, Trust};

/// What a pull secret needs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    /// Nothing before this time.
    Later(Mono),
    Apply {
        precondition: Precondition,
        adopted: bool,
    },
    Delete {
        uid: String,
        resource_version: u64,
    },
    Read,
}

/// Namespaces with the same key get the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProfileKey {
    /// The entries that serve the namespace, as places in the configuration.
    places: Vec<usize>,
    /// What is carried on there: earlier configuration, and login among those of it.
    carried: Vec<(usize, usize)>,
}

pub(super) fn secret_group(namespace: &str) -> String {
    format!("{}secret", group(namespace))
}

/// The mark tells the expiry in whole seconds, cut off: what it held may live that much longer.
const MARK_GRAIN: Duration = Duration::from_secs(1);

impl Machine {
    /// Makes payloads anew, after something that they are made from has changed.
    pub(super) fn republish(&mut self, now: Now) {
        self.profiles.clear();
        self.queues.death = None;
        let names: Vec<Arc<str>> = self.world.namespaces().map(|(name, _)| Arc::clone(name)).collect();
        for name in &names {
            self.touch_secret(now, name);
        }
    }

    /// When a login has died, the payloads that hold it are made anew.
    pub(super) fn bury(&mut self, now: Now) {
        if self.queues.death.is_some_and(|death| death <= now.mono) {
            self.republish(now);
        }
    }

    /// The profile of a namespace: what its set of entries publishes.
    pub(super) fn profile(&mut self, now: Now, namespace: &str) -> Option<Arc<Profile>> {
        let key = self.profile_key(namespace)?;
        if let Some(profile) = self.profiles.get(&key) {
            return Some(Arc::clone(profile));
        }
        let ProfileKey { places, .. } = &key;
        let record = self.recorder.durable()?;
        let email =
            record.accepted.as_ref().and_then(|accepted| accepted.configuration.notify_email.as_deref());
        let time = self.clock.time(now);
        let profile = Arc::new(payload::profile(&self.lines.drawn, record, places, namespace, email, time));
        if let Some(dies) = profile.dies {
            let death = now.mono.plus(dies.since(time));
            self.queues.death = Some(self.queues.death.map_or(death, |known| known.min(death)));
        }
        self.report_size(now, &key.places, &profile);
        self.profiles.insert(key, Arc::clone(&profile));
        Some(profile)
    }

    /// What the payload of a namespace depends on.
    pub(super) fn profile_key(&self, namespace: &str) -> Option<ProfileKey> {
        let places = self.policy.served.as_ref()?.entries_for(namespace);
        let carried = self.recorder.durable()?.carried.iter().enumerate();
        let carried = carried
            .flat_map(|(former, carried)| carried.reaching(namespace).map(move |(login, _)| (former, login)));
        Some(ProfileKey { places, carried: carried.collect() })
    }

    fn report_size(&mut self, now: Now, places: &[usize], profile: &Profile) {
        let group = format!("payload/{places:?}");
        if profile.fillers.is_empty() {
            self.ledger.clear(now.mono, &group);
            return;
        }
        let fillers: Vec<String> = profile
            .fillers
            .iter()
            .take(5)
            .map(|(index, size)| format!("entry {index} {size} bytes"))
            .collect();
        let (code, what) = if profile.payload.is_some() {
            ("PullSecretLarge", "is close to what a Secret holds (1 MiB)")
        } else {
            ("PullSecretTooLarge", "does not fit into a Secret (1 MiB), the one that is there stays")
        };
        let message = format!(
            "the pull secret {what}: {}; name fewer `domains`, or narrow entries with `namespaces`",
            fillers.join(", ")
        );
        self.ledger.set_one(now.mono, &group, Subject::Configuration, code, message);
    }

    fn secret_need(&mut self, now: Now, name: &str) -> Need {
        let Some(namespace) = self.world.namespace(name) else { return Need::Nothing };
        let stood_back = namespace.work.as_ref().is_some_and(|work| work.stood_back);
        let leaving = namespace.secret.as_ref().is_some_and(|secret| secret.terminating);
        if stood_back || leaving || !self.world.has_listed(Watch::PullSecrets) {
            return Need::Nothing;
        }
        match self.policy.namespace(name, namespace) {
            Standing::Foreign => Need::Nothing,
            Standing::Served => self.served_secret_need(now, name),
            Standing::Retiring => match &namespace.secret {
                Some(secret)
                    if secret.ours()
                        && self.world.listed()
                        && self.is_clean(name, namespace)
                        && !namespace.accounts().iter().any(|account| {
                            account.work.as_ref().is_some_and(|work| work.in_flight || work.awaiting())
                        }) =>
                {
                    Need::Delete { uid: secret.uid.clone(), resource_version: secret.version }
                }
                _ => Need::Nothing,
            },
        }
    }

    fn served_secret_need(&mut self, now: Now, name: &str) -> Need {
        let Some(profile) = self.profile(now, name) else { return Need::Nothing };
        let Some(payload) = &profile.payload else { return Need::Nothing };
        let Some(namespace) = self.world.namespace(name) else { return Need::Nothing };
        let Some(secret) = &namespace.secret else {
            let absent = Need::Apply { precondition: Precondition::Absent, adopted: false };
            return if profile.empty { Need::Nothing } else { absent };
        };
        let exactly = Precondition::Exactly { uid: secret.uid.clone(), resource_version: secret.version };
        if !secret.ours() {
            // Adopted only by a payload that is whole: what its owner put there works until then.
            if profile.empty || !profile.complete {
                return Need::Nothing;
            }
            let verdict = namespace.work.as_ref().and_then(|work| work.verdict.as_ref());
            return match verdict {
                Some((uid, version, verdict)) if *uid == secret.uid && *version == secret.version => {
                    match verdict {
                        Ok(()) => Need::Apply { precondition: exactly, adopted: true },
                        Err(_) => Need::Nothing,
                    }
                }
                _ => Need::Read,
            };
        }
        if is_current(secret, namespace.trust.as_ref(), &payload.digest) {
            return Need::Nothing;
        }
        // After the loss of the journal nobody knows what else the Secret holds: until the first of its logins is
        // dead, and as long as an entry has not answered, it stays.
        if self.cold && namespace.trust.is_none() && !profile.complete {
            let time = self.clock.time(now);
            let dies = secret.expires.map(|expires| expires.plus(DEAD_AFTER).plus(MARK_GRAIN));
            if let Some(dies) = dies.filter(|dies| *dies > time) {
                return Need::Later(now.mono.plus(dies.since(time)));
            }
            if profile.empty {
                return Need::Nothing;
            }
        }
        Need::Apply { precondition: exactly, adopted: secret.adopted }
    }

    /// A watch showed the Secret of a namespace.
    pub(super) fn secret_seen(&mut self, now: Now, name: &Arc<str>) {
        self.notice_tampering(now, name);
        self.touch_secret(now, name);
    }

    /// Looks at the pull secret of a namespace: queues it, has it come back later, or frees what was kept for it.
    pub(super) fn touch_secret(&mut self, now: Now, name: &Arc<str>) {
        if self.recorder.durable().is_none() {
            return;
        }
        self.settle_contest(now, name);
        self.notice_another_installation(now, name);
        self.look_at_pods(now, name);
        let need = self.secret_need(now, name);
        let Some(namespace) = self.world.namespace_mut(name) else { return };
        if need == Need::Nothing {
            if namespace.work.as_ref().is_some_and(|work| work.at_rest(now.mono)) {
                namespace.work = None;
            }
            return;
        }
        let work = namespace.work.get_or_insert_default();
        if namespace.queued || work.in_flight || work.awaiting() {
            return;
        }
        let not_before = match need {
            Need::Later(at) => work.not_before.max(at),
            _ => work.not_before,
        };
        if now.mono < not_before {
            if work.comes_back(not_before) {
                self.later(not_before, Target::Secret(Arc::clone(name)));
            }
            return;
        }
        namespace.queued = true;
        self.queues.secret(Arc::clone(name));
    }

    pub(super) fn work_on_secret(&mut self, now: Now, name: &Arc<str>) -> Option<(Flight, Operation)> {
        let need = self.secret_need(now, name);
        let namespace = self.world.namespace_mut(name)?;
        namespace.queued = false;
        let free = namespace.work.as_ref().is_none_or(|work| work.free(now.mono));
        let busy = self
            .in_flight
            .values()
            .any(|flight| matches!(flight, Flight::Secret { namespace, .. } if namespace == name));
        if busy {
            return None;
        }
        if !free || matches!(need, Need::Nothing | Need::Later(_)) {
            self.touch_secret(now, name);
            return None;
        }
        let version = namespace.secret.as_ref().map_or(0, |secret| secret.version);
        let text = name.to_string();
        let (digest, operation) = match need {
            Need::Nothing | Need::Later(_) => return None,
            Need::Apply { precondition, adopted } => {
                let payload = self.profile(now, name)?.payload.clone()?;
                let digest = Trust { version: 0, digest: payload.digest.as_str().into(), adopted };
                (Some(digest), Operation::ApplyPullSecret { namespace: text, precondition, payload, adopted })
            }
            Need::Delete { uid, resource_version } => {
                (None, Operation::DeletePullSecret { namespace: text, uid, resource_version })
            }
            Need::Read => (None, Operation::ReadForeignSecret { namespace: text }),
        };
        if let Some(namespace) = self.world.namespace_mut(name) {
            namespace.work.get_or_insert_default().in_flight = true;
        }
        self.queues.secrets_in_flight += 1;
        Some((Flight::Secret { namespace: Arc::clone(name), version, wrote: digest }, operation))
    }

    /// Takes the answer to an operation on a pull secret that was last seen at `version` when it was started.
    pub(super) fn secret_answered(
        &mut self,
        now: Now,
        name: &Arc<str>,
        version: u64,
        wrote: Option<Trust>,
        answer: Answer,
    ) {
        self.queues.secrets_in_flight = self.queues.secrets_in_flight.saturating_sub(1);
        let pause = self.pause_after(now, &answer);
        let group = secret_group(name);
        let listed = self.world.listed_at(Watch::PullSecrets);
        let Some(namespace) = self.world.namespace_mut(name) else { return };
        let seen = namespace.secret.as_ref().map_or(0, |secret| secret.version);
        let work = namespace.work.get_or_insert_default();
        work.in_flight = false;
        match answer {
            Answer::Done { resource_version, uid: _ } => {
                match wrote {
                    Some(trust) => {
                        // What changed nothing leaves the version that was shown before: no event comes.
                        work.wrote(seen.max(listed).max(version), resource_version, now.mono);
                        work.verdict = None;
                        namespace.trust = Some(Trust { version: resource_version, ..trust });
                    }
                    // A deletion is over when the watch says so. That the object is gone may be known already, and another one
                    // may stand in its place.
                    None => work.awaits_deletion(seen == version && seen > 0, now.mono),
                }
                if work.fights < FIGHT {
                    self.ledger.clear(now.mono, &group);
                }
                self.notice_tampering(now, name);
            }
            Answer::ForeignSecret(foreign) => self.judge(now, name, &foreign),
            Answer::Refused(refusal) => {
                match &refusal {
                    Refusal::LostRace | Refusal::Gone if seen != version && work.failures < 3 => {
                        work.failures = work.failures.saturating_add(1);
                    }
                    Refusal::Throttled { .. } => work.not_before = work.not_before.max(pause),
                    _ => work.refused(now.mono, name),
                }
                if matches!(refusal, Refusal::Unknown { .. }) && wrote.is_some() {
                    // It may have been written: what the watch shows next is judged by its mark.
                    namespace.trust = None;
                }
                self.report_refusal(now, name, &group, "the pull secret", &refusal);
                if seen != version {
                    // What was seen while the operation was out is judged now.
                    self.notice_tampering(now, name);
                }
            }
            _ => {}
        }
        self.touch_secret(now, name);
        self.forget_what_left(now, name);
    }
}

/// Whether a pull secret of ours holds the payload with this digest.
///
/// Our own writes tell best: the mark and the managed fields can be forged by whoever may write the Secret, the
/// resourceVersion of our last write cannot. Before the first write of this process the mark has to do.
pub(super) fn is_current(secret: &Secret, trust: Option<&Trust>, digest: &str) -> bool {
    match trust {
        Some(trust) => trust.version == secret.version && *trust.digest == *digest,
        None => {
            secret.elsewhere.is_none()
                && secret.marked
                && secret.owned
                && secret.digest.as_deref() == Some(digest)
        }
    }
}
