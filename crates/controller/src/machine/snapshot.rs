//! The machine as others see it.

use super::Machine;
use crate::facts::chain::RegionSource;
use crate::policy::Standing;
use crate::slots::slots;
use crate::status::{LoginStatus, Progress, Status};
use crate::time::Now;

impl Machine {
    pub(super) fn snapshot(&self, now: Now) -> Status {
        let (accounts, namespaces) = self.progress();
        Status {
            leading: self.lease.leading(now.mono),
            holder: self.lease.holder().map(str::to_owned),
            listed: self.world.listed(),
            configured: self.configured(),
            certificate: self.is_on().then(|| self.serving().is_some()),
            certificate_ends: self.certificate_ends(),
            logins: self.logins(now),
            accounts,
            namespaces,
            retiring: self.retiring_objects(),
            pods: self.pods_status(),
            fights: self.fights,
            attach_lag: self.attach_lag.clone(),
            findings: self.ledger.findings().cloned().collect(),
        }
    }

    fn logins(&self, now: Now) -> Vec<LoginStatus> {
        let Some(record) = self.recorder.durable() else { return Vec::new() };
        let lines = &self.lines.drawn;
        lines
            .iter()
            .map(|line| {
                let hosts = slots(lines, record, line).unwrap_or_default();
                let held = record.login(line);
                LoginStatus {
                    entry: line.index,
                    instance: line.key.instance.clone(),
                    region: Some(line.key.region.clone()).filter(|region| !region.is_empty()),
                    region_source: line.region_source.map(RegionSource::label),
                    chain: self.chain(line),
                    expires: held.map(|held| held.login.expires),
                    hosts: hosts.iter().map(|slot| slot.as_str().to_owned()).collect(),
                    failure: self.keeps_from_login(now, line).map(|(_, failure)| failure.to_string()),
                }
            })
            .collect()
    }

    fn progress(&self) -> (Progress, Progress) {
        let mut accounts = Progress::default();
        let mut namespaces = Progress::default();
        for (name, namespace) in self.world.namespaces() {
            let home = self.policy.namespace(name, namespace);
            if home != Standing::Served {
                continue;
            }
            let profile = self.profile_key(name).and_then(|key| self.profiles.get(&key));
            let digest =
                profile.and_then(|profile| profile.payload.as_ref()).map(|payload| payload.digest.as_str());
            let current = namespace.secret.as_ref().is_some_and(|secret| secret.digest.as_deref() == digest);
            count(&mut namespaces, current && digest.is_some());
            for account in namespace.accounts() {
                if self.policy.account(home, name, namespace, account) == Standing::Served {
                    count(&mut accounts, account.attached);
                }
            }
        }
        (accounts, namespaces)
    }
}

fn count(progress: &mut Progress, done: bool) {
    if done {
        progress.done += 1;
    } else {
        progress.pending += 1;
    }
}
