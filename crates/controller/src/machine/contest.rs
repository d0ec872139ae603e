//! Pull secrets that somebody else writes too: adopting one, giving it back, and writing one back.

use std::sync::Arc;
use std::time::Duration;

use acr_credentials::host::is_acr_host;

use super::Machine;
use super::secrets::secret_group;
use crate::names::{PULL_SECRET, PULL_SECRET_TYPE};
use crate::observation::ForeignSecret;
use crate::operation::Subject;
use crate::policy::Standing;
use crate::time::Now;
use crate::work::FIGHT;
use crate::world::{Secret, Trust};

/// A foreign Secret that may not be adopted is read again after a change, but not more often than this.
const READ_AGAIN: Duration = Duration::from_secs(30);

impl Machine {
    /// Whether the configuration in force says that adopted Secrets are ours, whoever else writes them.
    fn takes_over(&self) -> bool {
        let accepted = self.recorder.durable().and_then(|record| record.accepted.as_ref());
        accepted.is_some_and(|accepted| accepted.configuration.takeover)
    }

    /// Says of a namespace that another installation of this component serves it, and that we do not for that.
    pub(super) fn notice_another_installation(&mut self, now: Now, name: &str) {
        let group = format!("{}/installation", secret_group(name));
        let home = self.world.namespace(name).filter(|home| self.policy.serves(name, home));
        let Some(elsewhere) = home.and_then(|home| self.policy.left_to(home)) else {
            return self.ledger.clear(now.mono, &group);
        };
        let message = format!(
            "another installation of this component, in the namespace {elsewhere}, serves this namespace: its Secret \
             {PULL_SECRET} and its ServiceAccounts are left to that; keep the two apart by watch-namespace, \
             exclude-namespace or namespace-selector, or remove one (`acr-credential-helper uninstall --namespace \
             {elsewhere}`); where that one is gone, `takeover: true` takes over what it left"
        );
        self.ledger.set_one(
            now.mono,
            &group,
            Subject::Namespace(name.to_owned()),
            "AnotherInstance",
            message,
        );
    }

    /// Whether somebody wrote what we had written: an adopted Secret is given back to them, unless we take over; one of
    /// ours is not.
    pub(super) fn notice_tampering(&mut self, now: Now, name: &Arc<str>) {
        self.settle_contest(now, name);
        let Some(namespace) = self.world.namespace_mut(name) else { return };
        if self.policy.left_to(namespace).is_some() {
            return;
        }
        let (Some(secret), Some(trust)) = (&namespace.secret, &namespace.trust) else { return };
        let work = namespace.work.get_or_insert_default();
        if secret.version <= trust.version || work.in_flight || work.awaiting() || work.stood_back {
            return;
        }
        work.taken_back(now.mono, name);
        self.fights += 1;
        if work.fights >= FIGHT {
            let (code, message) = fight(secret, trust);
            let subject = Subject::Namespace(name.to_string());
            self.ledger.set_one(now.mono, &secret_group(name), subject, code, message);
        }
    }

    /// Leaves an adopted Secret that its former owner writes again to them, or takes it up again where the
    /// configuration says so by now.
    ///
    /// After a restart the mark alone tells that a Secret was adopted, and the managed fields that it was taken back.
    pub(super) fn settle_contest(&mut self, now: Now, name: &Arc<str>) {
        let takeover = self.takes_over();
        let Some(namespace) = self.world.namespace_mut(name) else { return };
        // A mark says nothing where we never write. When the namespace comes into scope, it is looked at again.
        if self.policy.namespace(name, namespace) == Standing::Foreign {
            return;
        }
        let Some(secret) = &namespace.secret else { return };
        let adopted = match &namespace.trust {
            Some(trust) => trust.adopted && secret.version > trust.version,
            None => secret.adopted,
        };
        let busy = namespace
            .work
            .as_ref()
            .is_some_and(|work| work.in_flight || namespace.trust.is_some() && work.awaiting());
        if adopted && !secret.owned && !takeover && !busy {
            let message = format!(
                "the Secret {PULL_SECRET} was adopted, and its former owner{} writes it again: it is left to them; if \
                 that is the component that this one replaces, set `takeover: true` and then remove it \
                 (docs/migration.md); otherwise stop them, and delete the Secret",
                by(secret)
            );
            namespace.work.get_or_insert_default().stood_back = true;
            let subject = Subject::Namespace(name.to_string());
            self.ledger.set_one(now.mono, &secret_group(name), subject, "AdoptedSecretTakenBack", message);
        } else if takeover && let Some(work) = namespace.work.as_mut().filter(|work| work.stood_back) {
            work.stood_back = false;
            self.ledger.clear(now.mono, &secret_group(name));
        }
    }

    /// Whether a foreign Secret may be adopted: it holds nothing but logins for ACR.
    pub(super) fn judge(&mut self, now: Now, name: &Arc<str>, foreign: &ForeignSecret) {
        let configured = |host: &str| {
            let bare = host.split('/').next().unwrap_or(host);
            self.lines.drawn.iter().any(|line| {
                line.domains.iter().flatten().any(|domain| domain.host.eq_ignore_ascii_case(bare))
                    || self.recorder.durable().and_then(|record| record.lines.get(&line.key)).is_some_and(
                        |record| {
                            record.hosts.iter().flatten().any(|known| known.host.eq_ignore_ascii_case(bare))
                        },
                    )
            })
        };
        let bare = |host: &str| host.split('/').next().unwrap_or(host).to_owned();
        let verdict = match &foreign.hosts {
            _ if foreign.kind != PULL_SECRET_TYPE => Err(format!("its type is {}", foreign.kind)),
            None => Err("its data is no docker config".to_owned()),
            Some(hosts) if hosts.is_empty() => Err("it holds no host".to_owned()),
            Some(hosts) => match hosts.iter().find(|host| !is_acr_host(&bare(host)) && !configured(host)) {
                Some(host) => Err(format!("it holds a login for {host}, which is no host of ACR")),
                None => Ok(()),
            },
        };
        let group = secret_group(name);
        match &verdict {
            Ok(()) => self.ledger.clear(now.mono, &group),
            Err(reason) => {
                let message = format!(
                    "a Secret {PULL_SECRET} that this component did not make stands in the way: {reason}; it is left \
                     alone, and nothing can be pulled with our logins here; rename it"
                );
                let subject = Subject::Namespace(name.to_string());
                self.ledger.set_one(now.mono, &group, subject, "ForeignSecret", message);
            }
        }
        let Some(namespace) = self.world.namespace_mut(name) else { return };
        let work = namespace.work.get_or_insert_default();
        work.failures = 0;
        if verdict.is_err() {
            work.not_before = now.mono.plus(READ_AGAIN);
        }
        work.verdict = Some((foreign.uid.clone(), foreign.resource_version, verdict));
    }
}

/// What is said of a Secret that somebody keeps writing over ours.
fn fight(secret: &Secret, trust: &Trust) -> (&'static str, String) {
    let other_logins = secret.digest.as_deref().is_some_and(|digest| *digest != *trust.digest);
    if secret.owned && secret.marked && other_logins {
        let message = format!(
            "another instance of this component writes the Secret {PULL_SECRET} too, with logins of its own: both work, \
             later and later; stop one (helm list --all-namespaces shows releases; it may be a process with a \
             kubeconfig outside of the cluster); to keep them apart by watch-namespace or exclude-namespace works as \
             well, and takes the Secret away for a moment"
        );
        return ("AnotherInstance", message);
    }
    let message = format!(
        "somebody{} keeps changing the Secret {PULL_SECRET}; it is written back later and later; stop them; if that is \
         the component that this one replaces, remove it (docs/migration.md)",
        by(secret)
    );
    ("PullSecretKeepsBeingChanged", message)
}

/// Who writes a Secret, as far as its managed fields tell.
fn by(secret: &Secret) -> String {
    secret.writer.as_ref().map_or_else(String::new, |writer| format!(" (field manager {writer:?})"))
}
