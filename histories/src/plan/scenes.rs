//! Actions that belong together: what rarely happens by chance and matters when it does.

use std::rc::Rc;

use acr_controller::observation::Watch;
use acr_simulator::Product;

use super::generate::{MINUTE, Maker, SECOND};
use super::{Action, Moment};
use crate::cloud::Trouble;
use crate::estate::INSTANCES;
use crate::wanted::Wanted;

/// Actions with the wait before each.
type Scene = Vec<(Moment, Action)>;

impl Maker {
    pub(super) fn scene(&mut self) -> Scene {
        match self.random.below(7) {
            0 | 1 => self.secret_replaced_while_it_goes(),
            2 => self.list_edited_behind_a_stalled_watch(),
            3 => self.shrink_in_the_middle_of_a_crash(),
            4 => self.spoiled_while_down(),
            5 => self.cloud_away_until_logins_are_dead(),
            _ => self.host_that_goes(),
        }
    }

    fn configure(&mut self, wanted: Wanted) -> Action {
        self.wanted = wanted;
        let data = self.wanted.render(&mut self.random);
        Action::Configure(Rc::new(self.wanted.clone()), data)
    }

    /// The same configuration for fewer: without entries, or for other namespaces.
    fn shrink(&mut self) -> Action {
        let mut wanted = self.wanted.clone();
        self.before.push(wanted.clone());
        if self.random.chance(50) {
            wanted.entries.clear();
            wanted.rrsa = false;
        } else {
            wanted.watched = self.watched();
        }
        self.configure(wanted)
    }

    fn secret_replaced_while_it_goes(&mut self) -> Scene {
        let (namespace, content) = (self.namespace(), self.content());
        let stall = self.random.spread(500, 20 * SECOND);
        vec![
            (self.random.below(50), Action::Stall(Watch::PullSecrets, stall)),
            (self.random.below(50), Action::ReplaceSecret(namespace, content)),
            (self.random.below(50), self.shrink()),
        ]
    }

    fn list_edited_behind_a_stalled_watch(&mut self) -> Scene {
        let (namespace, account) = self.account();
        let stall = self.random.spread(500, 20 * SECOND);
        let edit = self.list_edit(namespace, account);
        vec![
            (self.random.below(50), Action::Stall(Watch::Accounts, stall)),
            (self.random.below(50), edit),
            (self.random.below(200), self.configuration()),
        ]
    }

    fn shrink_in_the_middle_of_a_crash(&mut self) -> Scene {
        vec![
            (self.random.below(50), self.shrink()),
            (self.random.spread(1, 120), Action::Crash(self.random.spread(1, 40 * SECOND))),
            (self.random.below(200), self.configuration()),
        ]
    }

    fn spoiled_while_down(&mut self) -> Scene {
        let spoiled = Rc::new(self.wanted.spoiled(&mut self.random));
        vec![
            (self.random.below(2_000), Action::Crash(self.random.spread(SECOND, 40 * SECOND))),
            (self.random.below(500), Action::Spoil(spoiled)),
        ]
    }

    fn cloud_away_until_logins_are_dead(&mut self) -> Scene {
        let away = self.random.between(65 * MINUTE, 100 * MINUTE);
        let product = self.random.weighted([(3, Product::Cr), (1, Product::Sts)]);
        vec![(0, Action::Trouble(Trouble::Unreachable(product), away)), (away, Action::Wait)]
    }

    fn host_that_goes(&mut self) -> Scene {
        let [acme, ..] = INSTANCES;
        let time = self.random.between(110 * MINUTE, 150 * MINUTE);
        vec![
            (0, Action::Domains(acme, acme.custom.to_vec(), true)),
            (self.random.between(50 * MINUTE, 70 * MINUTE), Action::Domains(acme, Vec::new(), true)),
            (time, Action::Wait),
        ]
    }
}
