//! The area that a configuration serves: its scope, narrowed by the entries' own lists.

use acr_configuration::{Configuration, Entry, Glob, Scope};

/// The value from which every question "is this served?" is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    pub(crate) scope: Scope,
    pub(crate) entries: Vec<Narrowing>,
}

/// The part of an entry that narrows the scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Narrowing {
    /// Place in [`Configuration::entries`].
    place: usize,
    pub(crate) namespaces: Option<Vec<Glob>>,
    pub(crate) service_accounts: Option<Vec<Glob>>,
}

impl Narrowing {
    fn admits_namespace(&self, name: &str) -> bool {
        admits(self.namespaces.as_deref(), name)
    }

    fn admits_account(&self, name: &str) -> bool {
        admits(self.service_accounts.as_deref(), name)
    }
}

fn admits(globs: Option<&[Glob]>, name: &str) -> bool {
    globs.is_none_or(|globs| globs.iter().any(|glob| glob.matches(name)))
}

impl Area {
    /// The area of all entries that can be served.
    pub fn whole(configuration: &Configuration) -> Self {
        Self::of(configuration, |entry| entry.unsupported.is_none())
    }

    /// The area of the entries for which `serves` holds.
    pub fn of(configuration: &Configuration, serves: impl Fn(&Entry) -> bool) -> Self {
        let entries = configuration
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| serves(entry))
            .map(|(place, entry)| Narrowing {
                place,
                namespaces: entry.namespaces.clone(),
                service_accounts: entry.service_accounts.clone(),
            })
            .collect();
        Self { scope: configuration.scope.clone(), entries }
    }

    /// Whether a namespace is in the area by its name; its labels may still opt it out.
    pub fn names_namespace(&self, name: &str) -> bool {
        self.scope.namespace_is_named(name) && self.is_wanted(name)
    }

    /// Whether some entry is for a namespace of this name.
    fn is_wanted(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.admits_namespace(name))
    }

    /// Whether a namespace is served, labels included.
    pub fn serves_namespace<'a>(&self, name: &str, labels: impl Fn(&str) -> Option<&'a str>) -> bool {
        // Asked for every ServiceAccount that is seen: the name is looked up once.
        self.scope.namespace_is_served(name, labels) && self.is_wanted(name)
    }

    /// Whether a ServiceAccount is in the area by its names; to be asked within a namespace of the area.
    pub fn names_account(&self, namespace: &str, name: &str) -> bool {
        self.scope.service_account_is_named(name)
            && self
                .entries
                .iter()
                .any(|entry| entry.admits_namespace(namespace) && entry.admits_account(name))
    }

    /// The entries that serve a namespace, as places in [`Configuration::entries`]: it depends on the name alone.
    pub fn entries_for(&self, namespace: &str) -> Vec<usize> {
        self.entries
            .iter()
            .filter(|entry| entry.admits_namespace(namespace))
            .map(|entry| entry.place)
            .collect()
    }
}
