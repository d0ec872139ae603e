//! What is to be done with a namespace or ServiceAccount: served, retiring, or none of our business.

use std::sync::Arc;

use crate::area::Area;
use crate::world::{Account, Namespace, World};

/// The areas in force.
#[derive(Debug, Default)]
pub struct Policy {
    /// What is served.
    pub served: Option<Area>,
    /// What earlier configurations served.
    pub retiring: Vec<Area>,
    /// What the journal said to be served or retiring when the term began: only these may have served a namespace that a
    /// label had taken out of scope before this process looked.
    pub inherited: Vec<Area>,
    /// The journal was lost: nobody knows which ServiceAccounts of a namespace with our pull secret were served.
    pub cold: bool,
    /// `takeover: true`: what another installation of this component has made is taken over, not left to it.
    pub takes_over: bool,
    /// Uninstall: whatever carries our mark is retiring.
    pub uninstalling: bool,
}

/// How an object stands to the areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In scope.
    Served,
    /// Out of scope, and served before: to be cleaned.
    Retiring,
    /// Never touched.
    Foreign,
}

impl Policy {
    /// How a namespace stands. One that was not seen yet is foreign, and so are one that is being deleted, which takes
    /// everything with it, and one that another installation serves.
    pub fn namespace(&self, name: &str, namespace: &Namespace) -> Standing {
        if namespace.seen.as_ref().is_none_or(|seen| seen.terminating) {
            return Standing::Foreign;
        }
        if self.left_to(namespace).is_some() {
            return Standing::Foreign;
        }
        if self.serves(name, namespace) {
            return Standing::Served;
        }
        let retiring = self.retires(name, namespace) || self.left_by_label(name, namespace);
        if retiring { Standing::Retiring } else { Standing::Foreign }
    }

    /// The namespace of another installation of this component, which serves a namespace and is not to be taken over.
    pub fn left_to<'n>(&self, namespace: &'n Namespace) -> Option<&'n str> {
        let elsewhere = namespace.secret.as_ref()?.elsewhere.as_deref();
        elsewhere.filter(|_| !self.takes_over)
    }

    /// Whether an earlier configuration served a namespace.
    fn retires(&self, name: &str, namespace: &Namespace) -> bool {
        self.retiring.iter().any(|area| serves(area, name, namespace))
    }

    /// Whether a namespace was served before a label took it out of scope. That was seen happening, or our own pull
    /// secret in a namespace that a configuration names tells: it needs no entry in the journal to be recognised.
    fn left_by_label(&self, name: &str, namespace: &Namespace) -> bool {
        let marked = namespace.secret.as_ref().is_some_and(|secret| secret.ours());
        namespace.left || marked && (self.uninstalling || self.areas().any(|area| area.names_namespace(name)))
    }

    /// Whether a namespace is served now; before it was seen nobody knows its labels.
    pub fn serves(&self, name: &str, namespace: &Namespace) -> bool {
        namespace.seen.is_some() && self.served.as_ref().is_some_and(|area| serves(area, name, namespace))
    }

    /// How a ServiceAccount stands, in a namespace that stands as `home`.
    pub fn account(&self, home: Standing, name: &str, namespace: &Namespace, account: &Account) -> Standing {
        let named = |area: &Area| area.names_account(name, &account.name);
        if home == Standing::Served && self.served.as_ref().is_some_and(named) && !account.ignored {
            return Standing::Served;
        }
        if account.left {
            return Standing::Retiring;
        }
        // What opted out while nobody was looking is left alone, but an uninstall leaves nothing.
        if account.ignored && !self.uninstalling {
            return Standing::Foreign;
        }
        let retiring = match home {
            Standing::Foreign => false,
            // A label may hide by now that an area has served the namespace: who was served was seen.
            Standing::Served => self.retiring.iter().any(|area| {
                let seen = account.was_ours && area.names_namespace(name);
                (seen || serves(area, name, namespace)) && named(area)
            }),
            // Whose accounts were served is told by the areas that served the namespace, and seen where a label took it
            // out of what is served now; only where a label hides which those were, by all that name it.
            Standing::Retiring if self.retires(name, namespace) => {
                namespace.left && account.was_ours
                    || self.retiring.iter().any(|area| serves(area, name, namespace) && named(area))
            }
            // Who was served was seen.
            Standing::Retiring if namespace.left && !self.uninstalling => account.was_ours,
            Standing::Retiring => {
                self.uninstalling_everything()
                    || !self.cold
                        && self.areas().any(|area| {
                            self.inherited.contains(area) && area.names_namespace(name) && named(area)
                        })
            }
        };
        if retiring { Standing::Retiring } else { Standing::Foreign }
    }

    /// The first ServiceAccount that is served, and its namespace.
    pub fn somebody_served<'w>(&self, world: &'w World) -> Option<(&'w Arc<str>, &'w Account)> {
        world.namespaces().find_map(|(name, namespace)| {
            let home = self.namespace(name, namespace);
            let serves =
                |account: &&Account| self.account(home, name, namespace, account) == Standing::Served;
            Some((name, namespace.accounts().iter().find(serves)?))
        })
    }

    /// Uninstall without any configuration to go by, or without a journal that says what was served besides: in a
    /// namespace with our pull secret, our name is ours.
    fn uninstalling_everything(&self) -> bool {
        self.uninstalling && (self.cold || self.retiring.is_empty())
    }

    fn areas(&self) -> impl Iterator<Item = &Area> {
        self.retiring.iter().chain(&self.served)
    }
}

fn serves(area: &Area, name: &str, namespace: &Namespace) -> bool {
    area.serves_namespace(name, |key| namespace.label(key))
}
