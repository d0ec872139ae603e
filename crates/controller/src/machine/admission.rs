//! Immediate use: when the registration or the parameters of the policy are written, when they go, and the certificates.
//!
//! Order: the journal says that an object may exist; then it is written; it goes when no configuration wants it; then the
//! journal forgets it. The object is always made from the configuration that counts.

mod findings;

use std::collections::{BTreeMap, BTreeSet};

use acr_configuration::{Configuration, WebhookMode};
use serde_json::Value;

use self::findings::group;
use super::certificates::CertificateState;
use super::removal::LANDS_WITHIN;
use super::{Flight, Machine};
use crate::admission::{AdmissionObject, AdmissionSeen};
use crate::journal::Record;
use crate::observation::{Answer, Refusal};
use crate::operation::{Operation, Precondition, Subject};
use crate::settings::Purpose;
use crate::time::{Mono, Now};
use crate::work::{FIGHT, Work};

/// What is known of the objects, and of the certificate that this process serves.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// Those that were seen, or of which it was seen that they do not exist.
    objects: BTreeMap<AdmissionObject, Followed>,
    pub(super) wishes: BTreeMap<AdmissionObject, Wish>,
    /// A journal was lost: they may exist all the same.
    suspects: BTreeSet<AdmissionObject>,
    pub(super) certificates: CertificateState,
    /// The registration was refused with the webhook for pods in it: it is made without, until the configuration changes.
    pub(super) pods_refused: bool,
}

#[derive(Debug, Default)]
struct Followed {
    /// As last seen; `None` where it does not exist.
    seen: Option<AdmissionSeen>,
    /// It leads to this namespace: another installation has made it, and it is neither written nor deleted.
    foreign: Option<String>,
    /// What was written last.
    wrote: Option<Value>,
    work: Work,
}

/// How an object shall be.
#[derive(Debug, PartialEq)]
pub(super) enum Wish {
    /// Exactly so.
    Is(Value),
    /// As it is, until it is known how it shall be.
    Unknown,
}

impl Machine {
    /// The objects to follow now: whoever turns the machine tells it of each by
    /// [`crate::observation::Observation::Admission`].
    pub fn admission_objects(&self) -> BTreeSet<AdmissionObject> {
        match self.recorder.durable() {
            Some(record) if self.lease.held() => {
                let kept = record.admission.kept.iter().chain(&self.recorder.desired().admission.kept);
                kept.chain(&self.admission.suspects).copied().collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// A term begins: where the journal was lost, what it would name may exist. The next process has to know it too, should
    /// this one end before it has looked.
    pub(super) fn suspect_admission(&mut self, cold: bool) {
        self.admission.suspects = if cold {
            AdmissionObject::ALL.into()
        } else {
            self.recorder.desired().admission.suspects.clone()
        };
    }

    /// Whether the configuration that counts turns this on.
    pub(super) fn is_wanted_on(&self, object: AdmissionObject) -> bool {
        let accepted = self.recorder.counting().accepted.as_ref();
        let accepted = accepted.filter(|_| self.settings.purpose == Purpose::Run);
        self.lease.held()
            && self.recorder.durable().is_some()
            && accepted.is_some_and(|accepted| wanted(&accepted.configuration) == Some(object))
    }

    /// The parameters as they shall be.
    pub(super) fn wished_parameters(&self) -> Option<&Value> {
        match self.admission.wishes.get(&AdmissionObject::Parameters)? {
            Wish::Is(content) => Some(content),
            Wish::Unknown => None,
        }
    }

    /// An object was seen, or it cannot be followed.
    pub(super) fn admission_seen(
        &mut self,
        now: Now,
        object: AdmissionObject,
        version: u64,
        seen: Result<Option<AdmissionSeen>, Refusal>,
    ) {
        let Admission { objects, wishes, suspects, .. } = &mut self.admission;
        let seen = match seen {
            Ok(seen) => seen,
            Err(Refusal::NoRight { .. }) if !wishes.contains_key(&object) && suspects.contains(&object) => {
                // Who may not look at it has not made it.
                suspects.remove(&object);
                return;
            }
            Err(refusal) => return self.report_admission(now, object, &refusal),
        };
        let of = seen.as_ref().and_then(|seen| seen.installation.as_deref().or_else(|| home(&seen.content)));
        let of = of.map(str::to_owned);
        let foreign = of.filter(|home| *home != self.settings.namespace);
        let seen = seen.filter(|_| foreign.is_none());
        if seen.is_none() {
            suspects.remove(&object);
        }
        let followed = objects.entry(object).or_default();
        let content = seen.as_ref().map(|seen| &seen.content);
        let spoiled = followed.wrote.is_some()
            && content != followed.wrote.as_ref()
            && wishes.get(&object).is_some_and(|wish| !fulfils(wish, content))
            && !followed.work.pending(now.mono);
        if seen.is_none() && followed.wrote.is_none() {
            // What a deletion waits for.
            followed.work.stop_awaiting();
        }
        followed.work.seen(version);
        if spoiled {
            followed.wrote = None;
            followed.work.taken_back(now.mono, object);
            self.fights = self.fights.saturating_add(1);
            if followed.work.fights >= FIGHT {
                let message = format!(
                    "somebody keeps changing the {object}; it is written back later and later, and meanwhile new \
                     ServiceAccounts are served by the watch, a moment after they are made; stop them: it is not to be kept in \
                     Git, nor made by anybody else"
                );
                let code = "RegistrationKeepsBeingChanged";
                self.ledger.set_one(now.mono, group(object), Subject::Configuration, code, message);
            }
        }
        followed.seen = seen;
        followed.foreign = foreign;
        self.forget_what_is_gone(now, object);
        self.report_foreign(now);
    }

    /// What follows without any new observation.
    pub(super) fn settle_admission(&mut self, now: Now) {
        if !self.lease.held() || self.recorder.durable().is_none() {
            // What is under way ends when it is answered.
            self.admission.objects.retain(|_, known| known.work.in_flight);
            self.settle_policy_trial(now);
            return;
        }
        let followed = self.admission_objects();
        self.admission.objects.retain(|object, known| followed.contains(object) || known.work.in_flight);
        let desired = self.recorder.desired();
        let wanted_by = |record: &Record| {
            let accepted = record.accepted.as_ref().filter(|_| self.settings.purpose == Purpose::Run);
            accepted.and_then(|accepted| wanted(&accepted.configuration))
        };
        // What is sent may count in a moment, and the object be written.
        let asked_for: BTreeSet<AdmissionObject> =
            [desired, self.recorder.latest(), self.recorder.counting()]
                .into_iter()
                .filter_map(wanted_by)
                .collect();
        let mut kept = asked_for;
        let former = desired.admission.kept.iter();
        kept.extend(former.filter(|object| self.forgets_at(**object).is_none_or(|at| now.mono < at)));
        if kept != desired.admission.kept {
            self.recorder.change(|record| {
                if !kept.contains(&AdmissionObject::Registration) {
                    record.admission.certificates = None;
                }
                record.admission.kept.clone_from(&kept);
            });
        }
        if self.settings.front.is_none()
            && self.is_fulfilled(AdmissionObject::Registration)
            && self.recorder.desired().admission.certificates.is_some()
        {
            self.recorder.change(|record| record.admission.certificates = None);
        }
        self.admission.suspects.retain(|object| !kept.contains(object));
        // Whoever comes next may look for them once more: that is no reason to write.
        let suspects = &self.admission.suspects;
        if self.recorder.desired().admission.suspects != *suspects {
            self.recorder.amend(|record| record.admission.suspects.clone_from(suspects));
        }
        self.settle_certificates(now);
        self.settle_policy_trial(now);
    }

    /// From when on it is certain that an object does not exist and never will; `None` while that cannot be told.
    fn forgets_at(&self, object: AdmissionObject) -> Option<Mono> {
        let known = self.admission.objects.get(&object)?;
        let gone = known.seen.is_none() && !known.work.in_flight && !known.work.awaiting();
        gone.then(|| self.unsettled.max(known.work.may_land))
    }

    /// Whether an object was seen as it shall be.
    pub(super) fn is_fulfilled(&self, object: AdmissionObject) -> bool {
        let Some(known) = self.admission.objects.get(&object) else { return false };
        let content = known.seen.as_ref().map(|seen| &seen.content);
        match self.admission.wishes.get(&object) {
            Some(wish) => fulfils(wish, content),
            None => content.is_none(),
        }
    }

    /// Whether an object is wanted, and was seen as it shall be.
    pub(super) fn stands_as_wished(&self, object: AdmissionObject) -> bool {
        self.lease.held() && self.admission.wishes.contains_key(&object) && self.is_fulfilled(object)
    }

    /// Whether nothing may be taken out of lists yet: the API server would put it into new ones. What cannot be written is
    /// not waited for.
    pub(super) fn registration_comes_first(&self) -> bool {
        let mut objects = self.admission.objects.iter();
        objects.any(|(object, known)| {
            let waits_in_vain =
                self.admission.wishes.get(object) == Some(&Wish::Unknown) && self.lacks_certificate();
            known.work.failures == 0
                && known.work.fights < FIGHT
                && known.foreign.is_none()
                && !waits_in_vain
                && !self.is_fulfilled(*object)
        })
    }

    /// Whether an object is there that is to go.
    pub(super) fn admission_is_left(&self) -> bool {
        let left = |object: &AdmissionObject| {
            let known = self.admission.objects.get(object);
            known.is_none_or(|known| known.seen.is_some() || known.work.pending(self.clocked))
        };
        self.admission_objects().iter().any(left)
    }

    /// The next operation on these objects.
    pub(super) fn next_admission(&mut self, now: Now) -> Option<(Flight, Operation)> {
        self.recorder.durable()?;
        if let Some(operation) = self.next_certificate(now) {
            return Some((Flight::Certificate, operation));
        }
        if let Some(asked) = self.next_policy_trial(now) {
            return Some(asked);
        }
        let Admission { objects, wishes, .. } = &mut self.admission;
        for (object, known) in objects {
            if known.foreign.is_some() || !known.work.free(now.mono) {
                continue;
            }
            let operation = match (wishes.get(object), &known.seen) {
                (Some(Wish::Is(content)), seen)
                    if seen.as_ref().is_none_or(|seen| seen.content != *content) =>
                {
                    let precondition =
                        seen.as_ref().map_or(Precondition::Absent, |seen| Precondition::Exactly {
                            uid: seen.uid.clone(),
                            resource_version: seen.resource_version,
                        });
                    known.wrote = Some(content.clone());
                    Operation::ApplyAdmission { object: *object, precondition, content: content.clone() }
                }
                (None, Some(seen)) => {
                    known.wrote = None;
                    Operation::DeleteAdmission {
                        object: *object,
                        uid: seen.uid.clone(),
                        resource_version: seen.resource_version,
                    }
                }
                _ => continue,
            };
            known.work.in_flight = true;
            let version = known.seen.as_ref().map_or(0, |seen| seen.resource_version);
            let applies = known.wrote.is_some();
            return Some((Flight::Admission { object: *object, version, applies }, operation));
        }
        None
    }

    /// A write or deletion of what was last seen at `before` has ended.
    pub(super) fn admission_answered(
        &mut self,
        now: Now,
        object: AdmissionObject,
        before: u64,
        applies: bool,
        answer: Answer,
    ) {
        if self.retires() {
            // The API server may go by what it knew before for a while.
            self.is_unsettled(now);
        }
        let Some(known) = self.admission.objects.get_mut(&object) else { return };
        let version = known.seen.as_ref().map_or(0, |seen| seen.resource_version);
        // Another one may stand in its place by now.
        let still_seen = version == before && version > 0;
        match answer {
            Answer::Done { resource_version, .. } => {
                if applies {
                    known.work.wrote(version.max(before), resource_version, now.mono);
                } else {
                    known.work.awaits_deletion(still_seen, now.mono);
                }
                if known.work.fights < FIGHT {
                    self.ledger.clear(now.mono, group(object));
                }
            }
            Answer::Refused(Refusal::Gone) if !applies => {
                known.work.awaits_deletion(still_seen, now.mono);
            }
            Answer::Refused(refusal) => {
                known.wrote = None;
                known.work.refused(now.mono, object);
                if matches!(refusal, Refusal::Unknown { .. }) {
                    known.work.may_land = now.mono.plus(LANDS_WITHIN);
                }
                let by_policy = matches!(refusal, Refusal::RefusedByPolicy { .. });
                if by_policy && object == AdmissionObject::Registration && self.registers_for_pods() {
                    self.register_without_pods(now, &refusal);
                } else if !matches!(refusal, Refusal::LostRace) {
                    self.report_admission(now, object, &refusal);
                }
            }
            _ => known.work.refused(now.mono, object),
        }
    }

    /// When something is due here although nothing was observed.
    pub(super) fn admission_wake(&self) -> Option<Mono> {
        let waits = |(object, known): (&AdmissionObject, &Followed)| {
            let wants = known.foreign.is_none() && !self.is_fulfilled(*object);
            let unknown = self.admission.wishes.get(object) == Some(&Wish::Unknown);
            (wants && !unknown && !known.work.in_flight && !known.work.awaiting())
                .then_some(known.work.not_before)
        };
        let objects = self.admission.objects.iter().filter_map(waits);
        objects.chain(self.certificate_wake()).chain(self.policy_trial_wake()).min()
    }

    /// When something turns that needs no write but the journal's, also during a pause: an object that need not be named
    /// any more, or the next generation of certificates.
    pub(super) fn turning_wake(&self) -> Option<Mono> {
        let kept = self.recorder.desired().admission.kept.iter();
        let forgotten = kept
            .filter(|object| !self.admission.wishes.contains_key(object))
            .filter_map(|object| self.forgets_at(*object));
        forgotten.chain(self.certificate_turn()).filter(|at| *at > self.clocked).min()
    }
}

pub(super) fn has_webhook(configuration: &Configuration) -> bool {
    wanted(configuration) == Some(AdmissionObject::Registration)
}

/// The object that a configuration asks for.
pub(super) fn wanted(configuration: &Configuration) -> Option<AdmissionObject> {
    let webhook = &configuration.webhook;
    webhook.enable.then_some(match webhook.mode {
        WebhookMode::Webhook => AdmissionObject::Registration,
        WebhookMode::Policy => AdmissionObject::Parameters,
    })
}

fn fulfils(wish: &Wish, content: Option<&Value>) -> bool {
    matches!((wish, content), (Wish::Is(wanted), Some(content)) if wanted == content)
}

/// The namespace to whose Service a registration leads; `None` of a URL, and of what is no registration.
fn home(content: &Value) -> Option<&str> {
    content.pointer("/0/clientConfig/service/namespace")?.as_str()
}
