//! ServiceAccounts: looking at one, and carrying it to where it shall be.

use std::sync::Arc;
use std::time::Duration;

use super::queues::Target;
use super::removal::LANDS_WITHIN;
use super::{Flight, Machine};
use crate::backoff;
use crate::list;
use crate::names::PULL_SECRET;
use crate::observation::{AccountSeen, Answer, Refusal, Watch};
use crate::operation::{ListChange, Operation, Subject};
use crate::policy::Standing;
use crate::time::Now;
use crate::work::{FIGHT, Work};
use crate::world::Guard;

/// The pause after the first silence of the API server; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Short enough that all is right within a minute after the API server is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a ServiceAccount needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    Attach,
    Detach,
}

/// How a ServiceAccount stands, and its namespace, and what follows.
#[derive(Clone, Copy, Debug)]
struct Look {
    need: Need,
    standing: Standing,
    home: Standing,
}

/// The group of findings of a ServiceAccount.
fn account_group(namespace: &str, name: &str) -> String {
    format!("namespace/{namespace}/account/{name}")
}

/// The prefix of all groups of findings of a namespace.
pub(super) fn group(namespace: &str) -> String {
    format!("namespace/{namespace}/")
}

impl Machine {
    /// The next operation on an object.
    pub(super) fn next_object(&mut self, now: Now) -> Option<(Flight, Operation)> {
        if self.recorder.durable().is_none() || now.mono < self.paused {
            return None;
        }
        while let Some(target) = self.queues.take_returned() {
            match target {
                Target::Account(namespace, name) => self.touch_account(now, &namespace, &name),
                Target::Secret(namespace) => {
                    self.touch_secret(now, &namespace);
                    self.forget_what_left(now, &namespace);
                }
            }
        }
        let held_back = self.registration_comes_first();
        loop {
            let next = match self.queues.take(held_back)? {
                Target::Account(namespace, name) => self.work_on_account(now, &namespace, name),
                Target::Secret(namespace) => self.work_on_secret(now, &namespace),
            };
            if next.is_some() {
                return next;
            }
        }
    }

    /// Looks at every object, after something changed that concerns them all.
    pub(super) fn touch_everything(&mut self, now: Now) {
        let names: Vec<Arc<str>> = self.world.namespaces().map(|(name, _)| Arc::clone(name)).collect();
        for name in &names {
            self.touch_namespace(now, name);
        }
    }

    /// Looks at a namespace and all that is in it.
    pub(super) fn touch_namespace(&mut self, now: Now, name: &Arc<str>) {
        if self.recorder.durable().is_none() {
            return;
        }
        let Some(namespace) = self.world.namespace(name) else { return };
        let served = self.policy.serves(name, namespace);
        let accounts: Vec<Box<str>> =
            namespace.accounts().iter().map(|account| account.name.clone()).collect();
        if let Some(namespace) = self.world.namespace_mut(name) {
            namespace.left &= !served && namespace.seen.is_some();
        }
        for account in &accounts {
            self.touch_account(now, name, account);
        }
        self.touch_secret(now, name);
        self.forget_what_left(now, name);
    }

    /// A namespace that left the scope by a label is out of it for good once it is clean, and nothing can come back any
    /// more: a write of which nobody has heard may reach a ServiceAccount that was made anew under the same name.
    pub(super) fn forget_what_left(&mut self, now: Now, name: &str) {
        let Some(namespace) = self.world.namespace(name) else { return };
        let pending = |work: &Option<Box<Work>>| work.as_ref().is_some_and(|work| work.pending(now.mono));
        let cleaned = namespace.left
            && !pending(&namespace.work)
            && !namespace.accounts().iter().any(|account| pending(&account.work))
            && self.is_clean(name, namespace)
            && !namespace.secret.as_ref().is_some_and(|secret| secret.ours());
        let settled = namespace.may_land;
        if cleaned && now.mono < settled {
            if let Some(name) = self.world.name(name) {
                self.later(settled, Target::Secret(name));
            }
        } else if cleaned && let Some(namespace) = self.world.namespace_mut(name) {
            namespace.left = false;
        }
    }

    /// Whether nothing in a namespace waits to be detached.
    pub(super) fn is_clean(&self, name: &str, namespace: &crate::world::Namespace) -> bool {
        let home = self.policy.namespace(name, namespace);
        !namespace.accounts().iter().any(|account| {
            account.attached && self.policy.account(home, name, namespace, account) == Standing::Retiring
        })
    }

    /// How a ServiceAccount stands; nothing is to be done for one that is not known.
    fn look(&self, namespace: &str, name: &str) -> Look {
        let nothing = Look { need: Need::Nothing, standing: Standing::Foreign, home: Standing::Foreign };
        let Some(home) = self.world.namespace(namespace) else { return nothing };
        let Some(account) = home.account(name) else { return nothing };
        let stands = self.policy.namespace(namespace, home);
        let standing = self.policy.account(stands, namespace, home, account);
        let need = match standing {
            // Before that nobody knows whether another installation serves the namespace.
            Standing::Served if !account.attached && self.world.has_listed(Watch::PullSecrets) => {
                Need::Attach
            }
            Standing::Retiring if account.attached && self.world.listed() => Need::Detach,
            Standing::Served | Standing::Retiring | Standing::Foreign => Need::Nothing,
        };
        Look { need, standing, home: stands }
    }

    /// A watch showed a ServiceAccount; `removed` says that our name was in its list before and is not any more.
    pub(super) fn account_seen(&mut self, now: Now, namespace: &Arc<str>, name: &str, removed: bool) {
        let look = self.look(namespace, name);
        if removed && look.need == Need::Attach {
            self.entry_removed(now, namespace, name);
        }
        self.see_to_account(now, namespace, name, look);
        self.look_at_pods(now, namespace);
        if removed || look.home == Standing::Retiring {
            // The last one to be detached frees the pull secret to go.
            self.touch_secret(now, namespace);
        }
    }

    fn entry_removed(&mut self, now: Now, namespace: &Arc<str>, name: &str) {
        let Some(account) = self.world.namespace_mut(namespace).and_then(|home| home.account_mut(name))
        else {
            return;
        };
        let work = account.work.get_or_insert_default();
        work.taken_back(now.mono, (namespace, name));
        self.fights += 1;
        if work.fights >= FIGHT {
            let message = format!(
                "somebody keeps removing {PULL_SECRET} from imagePullSecrets of the ServiceAccount {name}; it is put back \
                 later and later; where the ServiceAccount comes from Git, write `- name: {PULL_SECRET}` into its list \
                 there, or have the list left alone: Argo CD by `ignoreDifferences: [{{kind: ServiceAccount, jsonPointers: \
                 [/imagePullSecrets]}}]` with `syncOptions: [RespectIgnoreDifferences=true]`, Flux by the annotation \
                 `kustomize.toolkit.fluxcd.io/ssa: IfNotPresent` (docs/gitops.md)"
            );
            let subject = Subject::Namespace(namespace.to_string());
            self.ledger.set_one(
                now.mono,
                &account_group(namespace, name),
                subject,
                "EntryKeepsBeingRemoved",
                message,
            );
        }
    }

    /// Looks at a ServiceAccount, and sees to it.
    pub(super) fn touch_account(&mut self, now: Now, namespace: &Arc<str>, name: &str) {
        self.see_to_account(now, namespace, name, self.look(namespace, name));
    }

    /// Queues a ServiceAccount, has it come back later, or frees what was kept for it.
    fn see_to_account(&mut self, now: Now, namespace: &Arc<str>, name: &str, look: Look) {
        if self.recorder.durable().is_none() {
            return;
        }
        let listed = self.world.listed();
        let Some(account) = self.world.namespace_mut(namespace).and_then(|home| home.account_mut(name))
        else {
            return;
        };
        let Look { mut need, standing, home } = look;
        let foreign = standing == Standing::Foreign;
        if foreign && account.was_ours && account.ignored && home != Standing::Foreign {
            account.left = true;
        }
        account.was_ours = !foreign;
        // What we wrote before the opt-out was seen may only show later.
        let pending = account.work.as_ref().is_some_and(|work| work.pending(now.mono));
        account.left &= (account.attached || pending) && standing != Standing::Served;
        if account.left && account.attached && need == Need::Nothing && listed {
            need = Need::Detach;
        }
        if need == Need::Nothing {
            if let Some(work) = &mut account.work {
                work.list = None;
                if !work.in_flight {
                    // Kept for the answer where the event comes first: the answer counts the lag.
                    work.since = None;
                }
                if work.at_rest(now.mono) {
                    let fought = work.fights > 0;
                    account.work = None;
                    if fought {
                        self.ledger.clear(now.mono, &account_group(namespace, name));
                    }
                } else if work.fights > 0 {
                    let calm = work.calm;
                    if calm > now.mono && work.comes_back(calm) {
                        self.later(calm, Target::Account(Arc::clone(namespace), name.into()));
                    }
                }
            }
            return;
        }
        let work = account.work.get_or_insert_default();
        if need == Need::Attach {
            work.since.get_or_insert(now.mono);
        }
        if account.queued || work.in_flight || work.awaiting() {
            return;
        }
        if now.mono < work.not_before {
            let at = work.not_before;
            if work.comes_back(at) {
                self.later(at, Target::Account(Arc::clone(namespace), name.into()));
            }
            return;
        }
        account.queued = true;
        let name = account.name.clone();
        match need {
            Need::Attach => self.queues.attach(Arc::clone(namespace), name),
            Need::Detach | Need::Nothing => self.queues.detach(Arc::clone(namespace), name),
        }
    }

    fn work_on_account(
        &mut self,
        now: Now,
        namespace: &Arc<str>,
        name: Box<str>,
    ) -> Option<(Flight, Operation)> {
        let need = self.look(namespace, &name).need;
        let account = self.world.namespace_mut(namespace)?.account_mut(&name)?;
        account.queued = false;
        let free = account.work.as_ref().is_none_or(|work| work.free(now.mono));
        // An operation on an object of this name that was deleted since may still be out: its answer brings it back.
        let busy = self.in_flight.values().any(|flight| {
            matches!(flight, Flight::Account { namespace: home, name: other, .. } if home == namespace && *other == name)
        });
        if busy {
            return None;
        }
        if need == Need::Nothing || !free {
            // Whatever changed since it was queued has its own way back into the queue.
            self.touch_account(now, namespace, &name);
            return None;
        }
        let must_read = account.work.as_ref().is_some_and(|work| work.must_read);
        let observed = match account.guard() {
            Guard::Absent if !must_read => Some(None),
            Guard::List(list) if !must_read => Some(Some(list)),
            _ => None,
        };
        let change = observed.and_then(|observed| match need {
            Need::Attach => Some((observed, list::addition(observed))),
            _ => list::place_of_ours(observed).map(|place| (observed, ListChange::Remove { place })),
        });
        let (namespace_text, name_text) = (namespace.to_string(), name.to_string());
        let operation = match change {
            Some((observed, change)) => Operation::PatchList {
                namespace: namespace_text,
                name: name_text,
                observed: observed.map(str::to_owned),
                change,
            },
            None => Operation::ReadAccount { namespace: namespace_text, name: name_text },
        };
        let attaches = need == Need::Attach && matches!(operation, Operation::PatchList { .. });
        let version = account.version;
        account.work.get_or_insert_default().in_flight = true;
        self.queues.accounts_in_flight += 1;
        Some((Flight::Account { namespace: Arc::clone(namespace), name, version, attaches }, operation))
    }

    /// Takes the answer to an operation on a ServiceAccount that was last seen at `version` when it was started.
    pub(super) fn account_answered(
        &mut self,
        now: Now,
        namespace: &Arc<str>,
        name: &str,
        version: u64,
        attaches: bool,
        answer: Answer,
    ) {
        self.queues.accounts_in_flight = self.queues.accounts_in_flight.saturating_sub(1);
        let pause = self.pause_after(now, &answer);
        let listed = self.world.listed_at(Watch::Accounts);
        let Some(account) = self.world.namespace_mut(namespace).and_then(|home| home.account_mut(name))
        else {
            return;
        };
        let (seen, shows) = (account.version, account.attached);
        let work = account.work.get_or_insert_default();
        work.in_flight = false;
        let group = account_group(namespace, name);
        let mut vanished = false;
        match answer {
            Answer::Done { resource_version, uid: _ } => {
                work.wrote(seen.max(listed), resource_version, now.mono);
                vanished = attaches && work.attached(version, resource_version, seen, shows);
                if attaches && let Some(since) = work.since.take() {
                    self.attach_lag.observe(now.mono.since(since));
                }
                if work.fights < FIGHT {
                    self.ledger.clear(now.mono, &group);
                }
            }
            Answer::Account(read) => self.account_read(read, seen),
            Answer::Refused(refusal) => {
                match &refusal {
                    // An event newer than what the guard was made from is here already: look again.
                    Refusal::LostRace if seen > version && work.failures < 3 => {
                        work.failures = work.failures.saturating_add(1);
                    }
                    Refusal::Throttled { .. } => work.not_before = work.not_before.max(pause),
                    _ => {
                        work.refused(now.mono, (namespace, name));
                        if matches!(refusal, Refusal::Unknown { .. }) {
                            work.may_land = now.mono.plus(LANDS_WITHIN);
                        }
                        work.must_read =
                            matches!(refusal, Refusal::LostRace | Refusal::Gone | Refusal::Unknown { .. });
                    }
                }
                self.report_refusal(now, namespace, &group, &format!("the ServiceAccount {name}"), &refusal);
            }
            _ => {}
        }
        if vanished && self.look(namespace, name).need == Need::Attach {
            self.entry_removed(now, namespace, name);
        }
        self.touch_account(now, namespace, name);
        self.touch_secret(now, namespace);
        self.forget_what_left(now, namespace);
    }

    /// A read shows an object that still exists; an event may have shown a later state already.
    fn account_read(&mut self, read: AccountSeen, seen: u64) {
        if read.resource_version >= seen {
            self.world.see_account(read);
        }
    }

    /// The API server's silence or wish for fewer calls pauses all operations on objects. Until when.
    pub(super) fn pause_after(&mut self, now: Now, answer: &Answer) -> crate::time::Mono {
        match answer {
            Answer::Refused(Refusal::Throttled { retry_after }) => {
                let wait = retry_after.unwrap_or(backoff::FIRST).clamp(FIRST_PAUSE, backoff::LONGEST);
                self.paused = self.paused.max(now.mono.plus(wait));
            }
            Answer::Refused(Refusal::Unknown { .. }) => {
                self.is_unsettled(now);
                let wait = FIRST_PAUSE.saturating_mul(1 << self.silences.min(8)).min(LONGEST_PAUSE);
                // The 32 that were in flight together are one silence, not 32.
                if now.mono >= self.paused {
                    self.silences = self.silences.saturating_add(1);
                    self.paused = now.mono.plus(wait);
                }
            }
            _ => self.silences = 0,
        }
        self.paused
    }

    /// What only an administrator can mend is said.
    pub(super) fn report_refusal(
        &mut self,
        now: Now,
        namespace: &str,
        group: &str,
        what: &str,
        refusal: &Refusal,
    ) {
        let remedy = match refusal {
            Refusal::RefusedByPolicy { .. } => "change the policy, or exclude the namespace",
            Refusal::NoRight { .. } => "apply the roles that come with the component",
            Refusal::Quota { .. } => "raise the quota count/secrets of the namespace by one",
            _ => return,
        };
        let message = format!("{what} cannot be written: {refusal}; {remedy}");
        self.ledger.set_one(
            now.mono,
            group,
            Subject::Namespace(namespace.to_owned()),
            refusal.label(),
            message,
        );
    }
}
