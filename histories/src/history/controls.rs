//! What users ask for by annotations of the ConfigMap.

use acr_controller::names::{PAUSE_ANNOTATION, ROTATE_ANNOTATION};

use super::{Ending, Event, History};
use crate::coverage::Happening;
use crate::plan::Moment;

impl History<'_> {
    pub(super) fn pause(&mut self, duration: Moment) {
        if self.server.configuration().is_some() {
            self.coverage.note(Happening::Paused);
        }
        self.annotate(PAUSE_ANNOTATION, Some("true".to_owned()));
        self.schedule(duration, Event::End(Ending::Pause));
    }

    pub(super) fn rotate(&mut self, instance: Option<&str>) {
        if self.server.configuration().is_some() {
            self.coverage.note(Happening::RenewalAsked);
        }
        let name = match instance {
            None => ROTATE_ANNOTATION.to_owned(),
            Some(instance) => format!("{ROTATE_ANNOTATION}.{instance}"),
        };
        // The moment, as people would write it, and the name: each word is said once.
        let word = format!("{} {}", self.now, instance.unwrap_or("all"));
        self.contract.renewal_asked(word.clone(), self.cloud.answers());
        self.annotate(&name, Some(word));
    }

    pub(super) fn annotate(&mut self, name: &str, value: Option<String>) {
        if let Some((before, after)) = self.server.annotate(name, value) {
            self.contract.annotated(before, after);
        }
    }
}
