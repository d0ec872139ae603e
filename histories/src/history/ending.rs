//! The ends of what ends by itself.

use acr_controller::names::PAUSE_ANNOTATION;

use super::{Ending, History};
use crate::api_server::Right;

impl History<'_> {
    pub(super) fn end(&mut self, ending: &Ending) {
        self.log("plan", || format!("end of {ending:?}"));
        let resistance = &mut self.server.resistance;
        match ending {
            Ending::Outage => {
                self.outage = false;
                // A server that comes back has forgotten some of the watches.
                for process in &mut self.processes {
                    for stream in &mut process.streams {
                        if self.delays.chance(50) {
                            stream.expire();
                        }
                    }
                }
            }
            Ending::GuardAccounts(namespace) => {
                resistance.guarded_accounts.remove(*namespace);
            }
            Ending::GuardSecrets(namespace) => {
                resistance.guarded_secrets.remove(*namespace);
            }
            Ending::Quota(namespace) => {
                resistance.full.remove(*namespace);
            }
            Ending::Right(right) => {
                resistance.missing.remove::<Right>(right);
            }
            Ending::GuardPods(namespace) => {
                resistance.guarded_pods.remove(*namespace);
            }
            Ending::Budget(namespace) => {
                resistance.no_disruption.remove(*namespace);
            }
            Ending::Throttling => resistance.throttling = None,
            Ending::Trouble(number) => self.cloud.end(*number),
            Ending::Hold(namespace) => {
                self.server.hold_secret(namespace, false);
            }
            Ending::Pause => self.annotate(PAUSE_ANNOTATION, None),
            Ending::FightList(key) => {
                self.list_fights.remove(key);
            }
            Ending::FightSecret(namespace) => {
                self.secret_fights.remove(*namespace);
            }
        }
    }
}
