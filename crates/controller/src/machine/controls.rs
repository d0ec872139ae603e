//! Being held still, and renewing on request: what the annotations of the ConfigMap ask for.

use acr_credentials::UnixMillis;

use super::Machine;
use crate::names::PAUSE_ANNOTATION;
use crate::operation::{Class, Subject};
use crate::settings::Purpose;
use crate::status::ActiveFinding;
use crate::time::Now;

/// The group of findings about annotations.
const GROUP: &str = "controls";

impl Machine {
    /// Takes the annotations of the ConfigMap as last seen. The journal knows first, so that a restart neither forgets a
    /// pause nor what was renewed.
    pub(super) fn take_controls(&mut self, now: Now) {
        let desired = self.recorder.desired();
        let configuration = desired.accepted.as_ref().map(|accepted| &accepted.configuration);
        let (controls, misunderstood) = match &self.config_map {
            Some(seen) => desired.controls.taking(&seen.annotations, configuration),
            // Like its text, what its annotations asked for lasts when it is gone.
            None => (desired.controls.clone(), Vec::new()),
        };
        if controls.rotations != desired.controls.rotations {
            let mut record = desired.clone();
            record.controls.clone_from(&controls);
            self.learn(now, record);
        } else if controls != desired.controls {
            self.recorder.change(|desired| desired.controls = controls);
        }
        let finding = |code: &str, message: String| ActiveFinding {
            subject: Subject::Configuration,
            error: false,
            code: code.to_owned(),
            message,
        };
        let paused =
            self.recorder.desired().controls.paused.then(|| finding("Paused", self.pause_in_words()));
        let misunderstood = misunderstood.into_iter().map(|wrong| finding(wrong.code, wrong.message));
        self.ledger.set(now.mono, GROUP, paused.into_iter().chain(misunderstood).collect());
    }

    /// Whether a user holds everything still. An uninstall is asked for by name, and goes on.
    pub(super) fn is_paused(&self) -> bool {
        let asked = self.recorder.desired().controls.paused || self.recorder.counting().controls.paused;
        asked && self.settings.purpose == Purpose::Run
    }

    /// Whether a class rests while everything is held still: what is known is still remembered and reported, and the Lease
    /// is kept, so that nobody else goes on.
    pub(super) fn rests(&self, class: Class) -> bool {
        let goes_on = matches!(class, Class::Lease | Class::Journal | Class::Report);
        !goes_on && self.is_paused()
    }

    fn pause_in_words(&self) -> String {
        let logins = self.recorder.counting().lines.values().filter_map(|line| line.login.as_ref());
        let ends =
            logins.map(|held| held.login.expires).filter(|expires| *expires != UnixMillis::NEVER).min();
        format!(
            "the annotation {PAUSE_ANNOTATION} holds everything still: the cloud is not asked, and no ServiceAccount, pull \
             secret or registration is written or removed{}; {} to go on",
            ends.map_or_else(String::new, |ends| format!("; the first login ends {ends}")),
            match self.config_map {
                Some(_) => "take the annotation away",
                None => "put the ConfigMap back without the annotation",
            }
        )
    }
}
