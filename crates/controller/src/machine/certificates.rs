//! The certificates of the webhook: which one this process serves, and when the leader renews them.

use std::time::Duration;

use acr_configuration::{SecretRef, Source};
use acr_credentials::{SecretData, UnixMillis};
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::Machine;
use super::admission::has_webhook;
use crate::admission::AdmissionObject;
use crate::admission::certificates::{Certificates, Generation, Step};
use crate::backoff;
use crate::names::{CERTIFICATE_KEY, JOURNAL_SECRET, PRIVATE_KEY_KEY};
use crate::observation::{Answer, Refusal};
use crate::operation::Operation;
use crate::settings::{Purpose, Settings};
use crate::time::{Mono, Now};

/// For API servers whose clock is behind a certificate begins that much earlier, or a tenth of a short life.
const BACKDATED: Duration = Duration::from_hours(1);

/// What is known of certificates.
#[derive(Debug, Default)]
pub(super) struct CertificateState {
    /// What is served, as the journal's Secret shows it.
    serving: Option<Serving>,
    /// The journal's Secret shows none any more.
    withdrawn: bool,
    /// Whether the ConfigMap, as this process sees it, asks for a webhook; `None` where it cannot tell.
    asked_for: Option<bool>,
    being_made: bool,
    failures: u32,
    not_before: Mono,
    /// When the next step is due.
    due: Option<Mono>,
}

/// The certificate that the webhook serves.
#[derive(Clone, PartialEq, Eq)]
pub struct Serving {
    /// The certificate, PEM.
    pub chain: Zeroizing<Vec<u8>>,
    /// Its private key, PEM.
    pub key: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Serving").finish_non_exhaustive()
    }
}

impl From<&Certificates> for Serving {
    fn from(certificates: &Certificates) -> Self {
        let Generation { chain, key, .. } = &certificates.serving;
        Self {
            chain: chain.clone().into_bytes().into(),
            key: key.expose_secret().to_owned().into_bytes().into(),
        }
    }
}

impl Machine {
    /// The certificate to serve. The journal loses it when the registration is gone, and no sooner is it served no more;
    /// a journal that is lost is no reason to stop.
    pub fn serving(&self) -> Option<&Serving> {
        let CertificateState { serving, withdrawn, .. } = &self.admission.certificates;
        serving.as_ref().filter(|_| !withdrawn || self.is_to_serve())
    }

    /// When the certificate that is served ends, as the journal of whoever leads tells.
    pub(super) fn certificate_ends(&self) -> Option<UnixMillis> {
        let record = self.recorder.durable().filter(|_| self.lease.held() && self.is_on())?;
        record.admission.certificates.as_ref().map(|known| known.serving.ends)
    }

    /// Whether this process looks for a certificate to serve.
    pub(super) fn seeks_certificate(&self) -> bool {
        self.is_to_serve() || self.serving().is_some()
    }

    /// Whether the webhook is on. All replicas serve it; those that have not read the journal go by the ConfigMap, and
    /// where that says nothing of use, they are ready to.
    fn is_to_serve(&self) -> bool {
        self.settings.purpose == Purpose::Run
            && self.settings.answers
            && self.asks_for_webhook().unwrap_or(true)
    }

    /// Whether this process surely has a webhook to serve.
    pub(super) fn is_on(&self) -> bool {
        self.is_to_serve() && self.asks_for_webhook() == Some(true)
    }

    fn asks_for_webhook(&self) -> Option<bool> {
        match self.recorder.durable() {
            Some(record) if self.lease.held() => {
                Some(record.accepted.as_ref().is_some_and(|accepted| has_webhook(&accepted.configuration)))
            }
            _ => self.admission.certificates.asked_for,
        }
    }

    /// The journal's Secret, which holds the certificate, as a Secret to follow.
    pub(super) fn certificate_reference(settings: &Settings) -> SecretRef {
        SecretRef { namespace: settings.namespace.clone(), name: JOURNAL_SECRET.to_owned() }
    }

    /// Looks at what the ConfigMap asks for. Once the journal was read it is considered as a whole, and read there.
    pub(super) fn look_for_webhook(&mut self) {
        match &self.config_map {
            None => self.configuration_asks(None),
            Some(seen) if self.recorder.durable().is_none() => {
                let loaded = acr_configuration::load(&Source::from_config_map_data(&seen.data));
                let asks_for_webhook = loaded.configuration.as_ref().map(has_webhook);
                self.configuration_asks(asks_for_webhook);
            }
            Some(_) => {}
        }
    }

    /// Whether the ConfigMap asks for a webhook; `None` where it says nothing of use.
    pub(super) fn configuration_asks(&mut self, for_webhook: Option<bool>) {
        self.admission.certificates.asked_for = for_webhook;
    }

    /// The journal's Secret was seen.
    pub(super) fn certificate_seen(&mut self, seen: &Result<Option<SecretData>, Refusal>) {
        let Ok(data) = seen else { return };
        let member = |data: &SecretData, name| data.member(name).map(<[u8]>::to_vec).map(Zeroizing::new);
        let seen = data.as_ref().and_then(|data| {
            Some(Serving { chain: member(data, CERTIFICATE_KEY)?, key: member(data, PRIVATE_KEY_KEY)? })
        });
        self.admission.certificates.withdrawn = seen.is_none();
        let kept = self.recorder.durable().is_some_and(|record| record.admission.certificates.is_some());
        if seen.is_none() && kept && self.lease.held() {
            // Others cannot serve what the journal does not show.
            self.recorder.look_again();
        }
        if seen.is_some() {
            self.admission.certificates.serving = seen;
        }
    }

    /// Whether a certificate is needed and cannot be made.
    pub(super) fn lacks_certificate(&self) -> bool {
        self.admission.certificates.failures > 0
    }

    /// What follows for the certificates without any new observation.
    pub(super) fn settle_certificates(&mut self, now: Now) {
        self.admission.certificates.due = None;
        let Some(host) = self.wanted_host().filter(|_| self.recorder.settled()) else { return };
        let certificates = self.recorder.counting().admission.certificates.as_ref();
        match Certificates::step(certificates, &host, self.settings.answers, now.wall) {
            Step::Rely => self.change_certificates(Certificates::rely),
            Step::Promote if self.is_fulfilled(AdmissionObject::Registration) => {
                self.change_certificates(|certificates| certificates.promote(now.wall));
            }
            Step::Forget => self.change_certificates(|certificates| certificates.forget(now.wall)),
            Step::Wait(until) => self.admission.certificates.due = Some(now.mono.plus(until.since(now.wall))),
            Step::Begin | Step::Prepare => self.admission.certificates.due = Some(now.mono),
            Step::Promote => {}
        }
    }

    fn change_certificates(&mut self, change: impl FnOnce(&mut Certificates)) {
        self.recorder.change(|record| {
            if let Some(certificates) = &mut record.admission.certificates {
                change(certificates);
            }
        });
    }

    /// Whom the certificate is for, where the configuration that counts wants a webhook.
    fn wanted_host(&self) -> Option<String> {
        let accepted = self.recorder.durable()?.accepted.as_ref()?;
        let wants = self.settings.purpose == Purpose::Run && has_webhook(&accepted.configuration);
        Some(self.settings.front.as_ref().filter(|_| wants)?.host(&self.settings.namespace))
    }

    /// A certificate to be made.
    pub(super) fn next_certificate(&mut self, now: Now) -> Option<Operation> {
        let CertificateState { being_made, not_before, .. } = &self.admission.certificates;
        if *being_made || now.mono < *not_before || !self.recorder.settled() {
            return None;
        }
        let host = self.wanted_host()?;
        let certificates = self.recorder.counting().admission.certificates.as_ref();
        let step = Certificates::step(certificates, &host, self.settings.answers, now.wall);
        if !matches!(step, Step::Begin | Step::Prepare) {
            return None;
        }
        self.admission.certificates.being_made = true;
        let life = self.settings.certificate_life;
        let begins = now.wall.minus((life / 10).min(BACKDATED));
        Some(Operation::MakeCertificate { host, begins, ends: begins.plus(life) })
    }

    /// A certificate was made, or could not be.
    pub(super) fn certificate_answered(&mut self, now: Now, answer: Answer) {
        self.admission.certificates.being_made = false;
        match answer {
            // Nobody is in need of it any more.
            Answer::Certificate(_)
                if !self.recorder.desired().admission.kept.contains(&AdmissionObject::Registration) => {}
            Answer::Certificate(made) => {
                self.admission.certificates.failures = 0;
                let made: Generation = *made;
                self.recorder.change(|record| {
                    let present = record.admission.certificates.take();
                    record.admission.certificates = Some(Certificates::take(present, made, now.wall));
                });
            }
            Answer::Refused(refusal) => {
                self.admission.certificates.failures = self.admission.certificates.failures.saturating_add(1);
                self.admission.certificates.not_before =
                    now.mono.plus(backoff::after(self.admission.certificates.failures, "certificate"));
                self.report_admission(now, AdmissionObject::Registration, &refusal);
            }
            _ => {}
        }
    }

    /// When the next step is due.
    pub(super) fn certificate_turn(&self) -> Option<Mono> {
        self.admission.certificates.due
    }

    /// When something is due here although nothing was observed.
    pub(super) fn certificate_wake(&self) -> Option<Mono> {
        let CertificateState { being_made, not_before, due, .. } = &self.admission.certificates;
        due.filter(|_| !being_made).map(|due| due.max(*not_before))
    }
}
