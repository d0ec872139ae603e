//! Making plans up from seeds.

use std::rc::Rc;

use acr_controller::admission::AdmissionObject;
use acr_controller::names;
use acr_controller::observation::Watch;
use acr_simulator::Product;

use super::{Action, ForeignContent, JournalSpoil, ListEdit, Moment, Plan, Round, controls, pods};
use crate::api_server::{Forgery, Right};
use crate::cloud::{Trouble, effects};
use crate::estate::{HOME_REGION, INSTANCES, KeyPair};
use crate::random::Random;
use crate::wanted::{ACCOUNTS, Labels, NAMESPACES, OPT_OUT, Wanted, Watched};

pub(super) const SECOND: Moment = 1_000;
pub(super) const MINUTE: Moment = 60 * SECOND;

const WATCHES: [Watch; 4] = [Watch::Configuration, Watch::Namespaces, Watch::Accounts, Watch::PullSecrets];

/// Which kinds of trouble a history has; few at a time, so that each can show what it does.
pub(super) struct Flavour {
    tenants: u64,
    server: u64,
    watches: u64,
    cloud: u64,
    process: u64,
    clock: u64,
}

pub(super) struct Maker {
    pub(super) random: Random,
    flavour: Flavour,
    /// The configuration as last written, good.
    pub(super) wanted: Wanted,
    /// Earlier good ones, to go back to.
    pub(super) before: Vec<Wanted>,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::stream(seed, 1);
        let mut weight = |low, high| if random.chance(60) { random.between(low, high) } else { 0 };
        let flavour = Flavour {
            tenants: weight(1, 6),
            server: weight(1, 5),
            watches: weight(1, 5),
            cloud: weight(1, 8),
            process: weight(1, 5),
            clock: weight(0, 1),
        };
        let wanted = Wanted::generate(&mut random);
        let mut maker = Maker { random, flavour, wanted, before: Vec::new() };
        let rounds = maker.random.weighted([(7, 1), (3, 2)]);
        let mut rounds: Vec<Round> = (0..rounds).map(|round| maker.round(round == 0)).collect();
        controls::put_into(seed, &mut rounds);
        pods::put_into(seed, &mut rounds);
        Self {
            seed,
            region: maker.random.chance(70).then_some(HOME_REGION),
            token_file: maker.random.chance(50),
            // Drawn from a stream of its own: what else happens is the same with one and with several.
            replicas: Random::stream(seed, 3).weighted([(7, 1), (2, 2), (1, 3)]),
            smooth: false,
            rounds,
            uninstall: maker.random.chance(12),
        }
    }
}

impl Maker {
    fn round(&mut self, first: bool) -> Round {
        let mut actions = Vec::new();
        if first {
            for (place, action) in self.beginning().into_iter().enumerate() {
                // The process is there from the beginning: some of this it finds, some of it arrives.
                let wait = if place == 0 { 0 } else { self.random.below(40) };
                actions.push((wait, action));
            }
        }
        let count = self.random.between(6, 32);
        let scene = self.random.chance(35).then(|| self.random.below(count));
        for place in 0..count {
            if scene == Some(place) {
                actions.extend(self.scene());
            }
            let wait = self.gap();
            let action = self.action();
            actions.push((wait, action));
        }
        Round { actions }
    }

    /// Most things happen close together; sometimes time passes in which logins grow old.
    fn gap(&mut self) -> Moment {
        match self.random.below(100) {
            0..55 => self.random.spread(1, 300),
            55..82 => self.random.spread(300, 6 * SECOND),
            82..94 => self.random.spread(6 * SECOND, 3 * MINUTE),
            94..99 => self.random.spread(3 * MINUTE, 30 * MINUTE),
            _ => self.random.spread(30 * MINUTE, 90 * MINUTE),
        }
    }

    fn beginning(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        for namespace in NAMESPACES {
            if self.random.chance(65) {
                actions.push(Action::CreateNamespace(namespace, self.labels()));
            }
            for account in ACCOUNTS {
                if self.random.chance(45) {
                    actions.push(self.create_account(namespace, account));
                }
            }
        }
        if self.random.chance(92) {
            let place = self.random.index(actions.len() + 1);
            let data = self.wanted.render(&mut self.random);
            actions.insert(place, Action::Configure(Rc::new(self.wanted.clone()), data));
        }
        actions
    }

    fn action(&mut self) -> Action {
        let flavour = &self.flavour;
        let kinds = [
            (6, 0),
            (5, 1),
            (flavour.tenants, 2),
            (flavour.server, 3),
            (flavour.watches, 4),
            (flavour.cloud, 5),
            (flavour.process, 6),
            (flavour.clock, 7),
        ];
        match self.random.weighted(kinds) {
            0 => self.object(),
            1 => self.configuration(),
            2 => self.tenant(),
            3 => self.server(),
            4 => self.watch(),
            5 => self.cloud(),
            6 => self.process(),
            _ => self.clock(),
        }
    }

    pub(super) fn namespace(&mut self) -> &'static str {
        self.random.one_of(NAMESPACES)
    }

    pub(super) fn account(&mut self) -> (&'static str, &'static str) {
        (self.namespace(), self.random.one_of(ACCOUNTS))
    }

    fn labels(&mut self) -> Labels {
        let mut labels = Labels::new();
        let mut put = |key: &str, value: &str| labels.insert(key.to_owned(), value.to_owned());
        if self.random.chance(60) {
            put("team", self.random.one_of(["a", "b"]));
        }
        if self.random.chance(20) {
            put("stage", self.random.one_of(["prod", "test"]));
        }
        if self.random.chance(12) {
            put(OPT_OUT, self.random.one_of(["true", "true", "false"]));
        }
        labels
    }

    fn create_account(&mut self, namespace: &'static str, account: &'static str) -> Action {
        let list = self.random.weighted([
            (5, &[][..]),
            (2, &["quay"]),
            (1, &["quay", "hub"]),
            (1, &["zeta", "", "alpha"]),
            (1, &[names::PULL_SECRET]),
            (1, &["hub", names::PULL_SECRET, "quay"]),
        ]);
        Action::CreateAccount(namespace, account, list.to_vec(), self.random.chance(6))
    }

    fn object(&mut self) -> Action {
        let (namespace, account) = self.account();
        match self.random.below(14) {
            0 | 1 => Action::CreateNamespace(namespace, self.labels()),
            2 if !namespace.starts_with("kube-") => Action::DeleteNamespace(namespace),
            3 => Action::LabelNamespace(namespace, self.labels()),
            4..=7 => self.create_account(namespace, account),
            8 => Action::DeleteAccount(namespace, account),
            9 => Action::IgnoreAccount(namespace, account, self.random.chance(60)),
            10 => Action::TouchAccount(namespace, account),
            _ => self.list_edit(namespace, account),
        }
    }

    pub(super) fn list_edit(&mut self, namespace: &'static str, account: &'static str) -> Action {
        let name = self.random.one_of(["quay", "hub", "zeta", "alpha", ""]);
        let edit = self.random.one_of([
            ListEdit::Append(name),
            ListEdit::Append(name),
            ListEdit::Prepend(name),
            ListEdit::Remove(name),
            ListEdit::Reverse,
            ListEdit::Clear,
            ListEdit::Detach,
            ListEdit::Attach,
        ]);
        Action::EditList(namespace, account, edit)
    }

    pub(super) fn configuration(&mut self) -> Action {
        match self.random.below(10) {
            0 => return Action::RemoveConfiguration,
            1 | 2 => {
                // The next good edit starts from what was good.
                return Action::Spoil(Rc::new(self.wanted.spoiled(&mut self.random)));
            }
            3 if !self.before.is_empty() => {
                let place = self.random.index(self.before.len());
                if let Some(earlier) = self.before.get(place).cloned() {
                    self.wanted = earlier;
                }
            }
            // The same again, perhaps spelled in another way.
            4 => {}
            _ => {
                self.before.push(self.wanted.clone());
                self.wanted = self.wanted.edited(&mut self.random);
            }
        }
        let data = self.wanted.render(&mut self.random);
        Action::Configure(Rc::new(self.wanted.clone()), data)
    }

    pub(super) fn content(&mut self) -> ForeignContent {
        self.random.weighted([
            (4, ForeignContent::AcrHosts),
            (2, ForeignContent::MixedHosts),
            (1, ForeignContent::NoHosts),
            (1, ForeignContent::Nonsense),
            (1, ForeignContent::OtherType),
        ])
    }

    pub(super) fn watched(&mut self) -> Watched {
        Wanted::generate(&mut self.random).watched
    }

    fn tenant(&mut self) -> Action {
        let namespace = self.namespace();
        let content = self.content();
        let forgery = self.random.weighted([(3, Forgery::None), (1, Forgery::Marked)]);
        match self.random.below(15) {
            13 | 14 => Action::ReplaceSecret(namespace, content),
            0..=3 => Action::CreateSecret(namespace, content, forgery),
            4..=6 => Action::WriteSecret(namespace, content, forgery),
            7 => Action::WidenSecret(namespace),
            8 => Action::UnmarkSecret(namespace),
            9 | 10 => Action::DeleteSecret(namespace),
            11 => Action::HoldSecret(namespace, self.duration()),
            _ if self.random.chance(50) => {
                let (namespace, account) = self.account();
                Action::FightList(namespace, account, self.random.spread(5 * SECOND, 15 * MINUTE))
            }
            _ => Action::FightSecret(namespace, self.random.spread(5 * SECOND, 15 * MINUTE)),
        }
    }

    fn duration(&mut self) -> Moment {
        self.random.spread(200, 10 * MINUTE)
    }

    fn server(&mut self) -> Action {
        let (namespace, duration) = (self.namespace(), self.duration());
        match self.random.below(14) {
            0 | 1 => Action::Outage(self.random.spread(500, 2 * MINUTE)),
            2 | 10 => Action::GuardAccounts(namespace, duration),
            3 | 11 => Action::GuardSecrets(namespace, duration),
            4 => Action::FillQuota(namespace, duration),
            5 => {
                let right = self.random.one_of([
                    Right::Accounts,
                    Right::PullSecrets,
                    Right::Journal,
                    Right::Lease,
                    Right::Tokens,
                    Right::Events,
                    Right::Admission,
                ]);
                Action::MissRight(right, duration)
            }
            6 => {
                let wait = self.random.one_of([None, Some(SECOND), Some(10 * SECOND)]);
                Action::Throttle(wait, self.random.spread(500, 30 * SECOND))
            }
            7 => Action::DeleteLease,
            8 => Action::SpoilJournal(self.random.one_of([
                JournalSpoil::Delete,
                JournalSpoil::Future,
                JournalSpoil::Nonsense,
            ])),
            12 | 13 => {
                let object = self.random.one_of(AdmissionObject::ALL);
                Action::SpoilAdmission(object, self.random.chance(50))
            }
            _ => Action::Wait,
        }
    }

    fn watch(&mut self) -> Action {
        let watch = self.random.one_of(WATCHES);
        match self.random.below(8) {
            0..=3 => Action::Stall(watch, self.random.spread(500, 2 * MINUTE)),
            4 => Action::CutWatch(watch),
            5 => Action::BreakList(watch),
            _ => Action::Expire(watch),
        }
    }

    fn cloud(&mut self) -> Action {
        let product = self.random.weighted([(3, Product::Cr), (2, Product::Sts), (1, Product::Metadata)]);
        let duration = self.random.spread(SECOND, 40 * MINUTE);
        let trouble = match self.random.below(16) {
            0 | 1 => Trouble::Unreachable(product),
            2 => Trouble::Silent(product),
            3..=6 => {
                let product = if product == Product::Metadata { Product::Cr } else { product };
                Trouble::Fault(product, self.random.pick(&effects()).cloned().unwrap_or_else(default_effect))
            }
            7 => Trouble::NoVpcNames,
            8 => Trouble::ExpireIn(match self.random.below(5) {
                0 => -10,
                1 => 0,
                2 => 200_000,
                3 => 40,
                _ => 700,
            }),
            9 => Trouble::KeyDisabled(self.random.one_of([KeyPair::PullerA, KeyPair::PullerB])),
            10 => Trouble::NoPermission,
            11 => Trouble::NoMachineRole,
            12 => Trouble::NoTrust,
            13 => Trouble::StaleToken,
            _ => return self.domains(),
        };
        Action::Trouble(trouble, duration)
    }

    fn domains(&mut self) -> Action {
        let [acme, shanghai, tools, _] = INSTANCES;
        let instance = self.random.one_of([acme, acme, tools, tools, shanghai]);
        let custom = instance.custom.iter().copied().filter(|_| self.random.chance(50)).collect();
        Action::Domains(instance, custom, self.random.chance(80))
    }

    fn process(&mut self) -> Action {
        match self.random.below(10) {
            0..=4 => Action::Crash(self.random.spread(1, 5 * MINUTE)),
            5 => Action::Crash(0),
            6 => Action::Stop(self.random.spread(1, 2 * MINUTE)),
            7 => Action::Freeze(self.random.spread(100, 2 * MINUTE)),
            8 => Action::CutOff(self.random.spread(100, 2 * MINUTE)),
            _ => Action::Overlap,
        }
    }

    fn clock(&mut self) -> Action {
        let size = i64::try_from(self.random.spread(SECOND, 120 * MINUTE)).unwrap_or(0);
        Action::Jump(if self.random.chance(50) { size } else { -size })
    }
}

fn default_effect() -> acr_simulator::FaultEffect {
    acr_simulator::FaultEffect::IsSuccessFalse { code: "UNKNOWN_ERROR".to_owned() }
}
