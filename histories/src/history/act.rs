//! What users, tenants, the weather and the clock do: the actions of a plan.

use std::time::Duration;

use acr_controller::names;
use acr_controller::observation::Observation;
use acr_controller::settings::Purpose;
use serde_json::json;

use super::{Ending, Event, History};
use crate::api_server::{AccountKey, Forgery, List};
use crate::contract::{Checked, Meaning};
use crate::coverage::Happening;
use crate::estate::INSTANCES;
use crate::plan::{Action, ForeignContent, JournalSpoil, ListEdit, Moment};

/// How long whoever held the Lease may still take itself for the leader, in milliseconds.
const LEASE_LIFE: Moment = 15_000;

impl History<'_> {
    pub(super) fn act(&mut self, action: &Action) -> Checked {
        match action {
            Action::CreateNamespace(name, labels) => self.create_namespace(name, labels),
            Action::DeleteNamespace(name) => {
                if self.server.delete_namespace(name) {
                    let wait = self.delays.spread(1, 5_000);
                    self.schedule(wait, Event::ContinueDeletion(name));
                }
            }
            Action::LabelNamespace(name, labels) => {
                self.server.label_namespace(name, labels.clone());
                self.contract.relabelled(name);
            }
            Action::CreateAccount(namespace, name, list, ignored) => {
                self.server.create_account(namespace, name, List::of(list), *ignored);
            }
            Action::DeleteAccount(namespace, name) => {
                if self.server.delete_account(namespace, name) && *name == "default" {
                    let wait = self.delays.spread(1, 500);
                    self.schedule(wait, Event::MakeDefaultAccount(namespace));
                }
            }
            Action::EditList(namespace, name, edit) => self.edit_list(namespace, name, *edit),
            Action::IgnoreAccount(namespace, name, ignored) => {
                self.server.ignore_account(namespace, name, *ignored);
            }
            Action::TouchAccount(namespace, name) => {
                self.server.touch_account(namespace, name);
            }
            Action::FightList(namespace, name, duration) => {
                let key: AccountKey = ((*namespace).to_owned(), (*name).to_owned());
                self.coverage.note(Happening::ListFight);
                self.list_fights.insert(key.clone());
                self.take_out(&key);
                self.schedule(*duration, Event::End(Ending::FightList(key)));
            }
            Action::Configure(..) | Action::Spoil(_) | Action::RemoveConfiguration => self.configure(action),
            Action::Pause(duration) => self.pause(*duration),
            Action::Rotate(instance) => self.rotate(*instance),
            Action::CreateSecret(..)
            | Action::WriteSecret(..)
            | Action::WidenSecret(_)
            | Action::UnmarkSecret(_)
            | Action::DeleteSecret(_)
            | Action::ReplaceSecret(..)
            | Action::HoldSecret(..)
            | Action::FightSecret(..) => self.act_on_secret(action),
            Action::SpoilJournal(how) => self.spoil_journal(*how),
            Action::SpoilAdmission(object, deletes) => {
                let spoiled = self.server.admission(*object).is_some();
                let content = (!deletes).then(|| json!([]));
                self.server.spoil_admission(*object, content);
                if spoiled {
                    self.coverage.note(Happening::AdmissionSpoiled);
                }
            }
            Action::DeleteLease => {
                // With two processes, this would be a user who makes both of them leaders.
                if self.processes.len() == 1 && self.starting == 0 {
                    self.server.delete_lease();
                    self.lease_deleted = Some(self.now);
                }
            }
            Action::Outage(duration) => {
                self.coverage.note(Happening::ServerAway);
                self.outage = true;
                self.schedule(*duration, Event::End(Ending::Outage));
            }
            Action::GuardAccounts(..)
            | Action::GuardSecrets(..)
            | Action::FillQuota(..)
            | Action::MissRight(..)
            | Action::Throttle(..) => self.resist(action),
            Action::Stall(..) | Action::CutWatch(_) | Action::Expire(_) | Action::BreakList(_) => {
                self.disturb_watch(action);
            }
            Action::Trouble(trouble, duration) => {
                let number = self.cloud.start(trouble.clone());
                self.schedule(*duration, Event::End(Ending::Trouble(number)));
            }
            Action::Domains(instance, custom, public) => self.cloud.set_domains(*instance, custom, *public),
            Action::Crash(_) | Action::Stop(_) | Action::Freeze(_) | Action::CutOff(_) | Action::Overlap => {
                return self.act_on_process(action);
            }
            Action::Jump(millis) => {
                self.coverage.note(Happening::ClockJumped);
                self.wall_offset = self.wall_offset.saturating_add(*millis);
                self.contract.clock_jumped(self.wall_offset);
                // The next renewal of the Lease would notice it.
                for id in self.processes.iter().map(|process| process.id).collect::<Vec<_>>() {
                    self.pump(id)?;
                }
            }
            Action::Pods(action) => self.act_on_pods(action),
            Action::Wait => {}
        }
        Ok(())
    }

    fn disturb_watch(&mut self, action: &Action) {
        let (happening, watch) = match action {
            Action::Stall(watch, _) => (Happening::WatchStalled, *watch),
            Action::CutWatch(watch) => (Happening::WatchCut, *watch),
            Action::Expire(watch) => (Happening::Relisted, *watch),
            Action::BreakList(watch) => (Happening::ListBroken, *watch),
            _ => return,
        };
        self.coverage.note(happening);
        let pause = self.now + self.delays.spread(10, 5_000);
        let after = self.delays.index(6);
        for process in &mut self.processes {
            let Some(stream) = process.stream(watch) else { continue };
            match action {
                Action::Stall(_, duration) => stream.not_before = self.now + duration,
                Action::CutWatch(_) => stream.not_before = stream.not_before.max(pause),
                Action::Expire(_) => stream.expire(),
                _ => stream.expire_and_break(after),
            }
        }
    }

    fn create_namespace(&mut self, name: &'static str, labels: &crate::wanted::Labels) {
        let created = self.cloud_time();
        if self.server.create_namespace(name, labels.clone(), created) {
            let wait = self.delays.spread(1, 300);
            self.schedule(wait, Event::MakeDefaultAccount(name));
        }
    }

    fn edit_list(&mut self, namespace: &str, name: &str, edit: ListEdit) {
        let Some(account) = self.server.accounts().get(&(namespace.to_owned(), name.to_owned())) else {
            return;
        };
        let mut names = account.list.names().to_vec();
        match edit {
            ListEdit::Append(foreign) => names.push(foreign.to_owned()),
            ListEdit::Prepend(foreign) => names.insert(0, foreign.to_owned()),
            ListEdit::Remove(foreign) => names.retain(|name| name != foreign),
            ListEdit::Reverse => names.reverse(),
            ListEdit::Clear => names.clear(),
            ListEdit::Detach => names.retain(|name| name != names::PULL_SECRET),
            ListEdit::Attach => names.push(names::PULL_SECRET.to_owned()),
        }
        self.server.write_list(namespace, name, names);
    }

    pub(super) fn take_out(&mut self, key: &AccountKey) {
        self.log("gitops", || format!("takes our name out of {}/{}", key.0, key.1));
        self.edit_list(&key.0, &key.1, ListEdit::Detach);
    }

    pub(super) fn overwrite(&mut self, namespace: &str) {
        self.log("tenant", || format!("writes the Secret in {namespace}"));
        self.server.write_secret(namespace, br#"{"auths":{}}"#, Forgery::None);
    }

    fn configure(&mut self, action: &Action) {
        let (data, meaning) = match action {
            Action::Configure(wanted, data) => {
                self.coverage.note(Happening::ConfigurationEdited);
                self.pods.wanted = Some(wanted.clone());
                if wanted.entries.is_empty() {
                    self.coverage.note(Happening::ConfigurationEmptied);
                }
                (Some(data.clone()), Meaning::Good(wanted.clone()))
            }
            Action::Spoil(spoiled) => {
                self.coverage.note(Happening::ConfigurationSpoiled);
                let remainder = spoiled.remainder.clone().map(std::rc::Rc::new);
                (Some(spoiled.data.clone()), Meaning::Spoiled(remainder))
            }
            _ => {
                self.coverage.note(Happening::ConfigurationRemoved);
                (None, Meaning::Spoiled(None))
            }
        };
        if let Some(version) = self.server.configure(data) {
            self.contract.configured(version, meaning);
        }
    }

    fn act_on_secret(&mut self, action: &Action) {
        match action {
            Action::CreateSecret(namespace, content, forgery) => {
                let (kind, document) = content.as_secret();
                self.server.create_foreign_secret(namespace, kind, &document, *forgery);
            }
            Action::WriteSecret(namespace, content, forgery) => {
                let (_, document) = content.as_secret();
                self.server.write_secret(namespace, &document, *forgery);
            }
            Action::WidenSecret(namespace) => {
                self.server.widen_secret(namespace);
            }
            Action::UnmarkSecret(namespace) => {
                self.server.unmark_secret(namespace);
            }
            Action::DeleteSecret(namespace) => {
                self.server.delete_secret(namespace);
            }
            Action::ReplaceSecret(namespace, content) => {
                let (kind, document) = content.as_secret();
                if self.server.delete_secret(namespace) {
                    self.server.create_foreign_secret(namespace, kind, &document, Forgery::None);
                }
            }
            Action::HoldSecret(namespace, duration) => {
                self.server.hold_secret(namespace, true);
                self.schedule(*duration, Event::End(Ending::Hold(namespace)));
            }
            Action::FightSecret(namespace, duration) => {
                self.coverage.note(Happening::SecretFight);
                self.secret_fights.insert((*namespace).to_owned());
                self.overwrite(namespace);
                self.schedule(*duration, Event::End(Ending::FightSecret(namespace)));
            }
            _ => {}
        }
    }

    fn spoil_journal(&mut self, how: JournalSpoil) {
        let document = match how {
            JournalSpoil::Delete => None,
            JournalSpoil::Future => Some(json!({ "version": 4_000_000 }).to_string()),
            JournalSpoil::Nonsense => Some("\u{0}nonsense".to_owned()),
        };
        if self.server.spoil_journal(document.as_deref().map(str::as_bytes)) {
            self.coverage.note(Happening::JournalSpoiled);
        }
    }

    fn resist(&mut self, action: &Action) {
        let resistance = &mut self.server.resistance;
        let (duration, ending): (Moment, Ending) = match action {
            Action::GuardAccounts(namespace, duration) => {
                resistance.guarded_accounts.insert((*namespace).to_owned());
                (*duration, Ending::GuardAccounts(namespace))
            }
            Action::GuardSecrets(namespace, duration) => {
                resistance.guarded_secrets.insert((*namespace).to_owned());
                (*duration, Ending::GuardSecrets(namespace))
            }
            Action::FillQuota(namespace, duration) => {
                resistance.full.insert((*namespace).to_owned());
                (*duration, Ending::Quota(namespace))
            }
            Action::MissRight(right, duration) => {
                resistance.missing.insert(*right);
                (*duration, Ending::Right(*right))
            }
            Action::Throttle(wait, duration) => {
                resistance.throttling = Some(wait.map(Duration::from_millis));
                (*duration, Ending::Throttling)
            }
            _ => return,
        };
        self.schedule(duration, Event::End(ending));
    }

    fn act_on_process(&mut self, action: &Action) -> Checked {
        let place = match self.processes.len() {
            0 | 1 => 0,
            several => self.delays.index(several),
        };
        let Some(id) = self.processes.get(place).map(|process| process.id) else { return Ok(()) };
        match action {
            Action::Crash(down) => {
                self.coverage.note(Happening::Crashed);
                self.kill(id);
                self.start_later(*down);
            }
            Action::Stop(down) => {
                self.coverage.note(Happening::Stopped);
                self.stop(id)?;
                self.start_later(*down);
            }
            Action::Freeze(duration) => {
                self.coverage.note(Happening::Froze);
                let until = self.now + duration;
                if let Some(process) = self.process(id) {
                    process.asleep_until = until;
                }
            }
            Action::CutOff(duration) => {
                self.coverage.note(Happening::CutOff);
                let until = self.now + duration;
                if let Some(process) = self.process(id) {
                    process.cut_off_until = until;
                }
            }
            _ => {
                // Whoever deletes the Lease and starts another process makes both of them leaders.
                let fenced = self.lease_deleted.is_none_or(|at| self.now > at + LEASE_LIFE);
                if self.processes.len() == 1 && self.starting == 0 && fenced {
                    self.coverage.note(Happening::Overlapped);
                    self.start_later(0);
                    // As in a rollout, the older one goes; sometimes it does not, and watches for ever.
                    let wait = self.delays.spread(500, 180_000);
                    match self.delays.below(8) {
                        0 => {}
                        1..5 => self.schedule(wait, Event::Stop(id)),
                        _ => self.schedule(wait, Event::Kill(id)),
                    }
                }
            }
        }
        Ok(())
    }

    /// How much faster the clock of the next process runs than time, in millionths: crystals are off by one hundred at
    /// most.
    pub(super) fn drift(&mut self) -> i64 {
        if self.plan.replicas == 1 {
            return 0;
        }
        [-200, 0, 200].get(self.delays.index(3)).copied().unwrap_or_default()
    }

    pub(super) fn start_later(&mut self, wait: Moment) {
        self.starting += 1;
        self.schedule(wait, Event::Start(Purpose::Run));
    }

    /// SIGTERM; and SIGKILL after the grace period.
    pub(super) fn stop(&mut self, id: u64) -> Checked {
        let (now, wall) = (self.now, self.wall());
        self.log(&format!("helper-{id}"), || "is asked to stop".to_owned());
        if let Some(process) = self.process(id) {
            let clocks = process.clocks(now, wall);
            process.machine.observe(clocks, Observation::Stopping);
        }
        self.schedule(30_000, Event::Kill(id));
        self.pump(id)
    }
}

impl ForeignContent {
    /// Type and data of the Secret.
    fn as_secret(self) -> (&'static str, Vec<u8>) {
        let [acme, ..] = INSTANCES;
        let entry = json!({ "username": "somebody", "password": "secret", "auth": "c29tZWJvZHk6c2VjcmV0" });
        let auths = |hosts: &[String]| {
            let hosts: serde_json::Map<_, _> =
                hosts.iter().map(|host| (host.clone(), entry.clone())).collect();
            json!({ "auths": hosts }).to_string().into_bytes()
        };
        let document = match self {
            Self::AcrHosts => auths(&[acme.public_host(), "registry.cn-hangzhou.aliyuncs.com".to_owned()]),
            Self::MixedHosts => auths(&[acme.vpc_host(), "quay.io".to_owned()]),
            Self::NoHosts => auths(&[]),
            Self::Nonsense => b"not a docker config".to_vec(),
            Self::OtherType => b"{}".to_vec(),
        };
        let kind = if self == Self::OtherType { "Opaque" } else { names::PULL_SECRET_TYPE };
        (kind, document)
    }
}
