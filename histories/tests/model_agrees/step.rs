//! One random step: a change by a user, or an operation of the component with right, stale or invented guards.

use std::collections::BTreeMap;
use std::fmt;

use acr_controller::names;
use acr_controller::operation::{LeaseWrite, ListChange, Operation, Payload, Precondition};
use acr_credentials::UnixMillis;
use acr_histories::api_server::Forgery;
use acr_histories::random::Random;
use zeroize::Zeroizing;

use crate::both::{Both, Pair};
use crate::objects::{Identity, Key};
use crate::real::{FROZEN, FULL, NO_SECRETS};
use crate::users::Change;

/// Namespaces that come and go.
const SPACES: [&str; 3] = ["a", "b", "c"];
const ACCOUNTS: [&str; 2] = ["app", "web"];
const DOCUMENTS: [&str; 3] =
    [r#"{"auths":{}}"#, r#"{"auths":{"r.example":{}}}"#, r#"{"auths":{"r.example":{},"s.example":{}}}"#];

/// Answers that a run has to meet, by how they begin: each operation and each refusal.
pub(crate) const WANTED: [&str; 27] = [
    "attach: Done",
    "attach: LostRace",
    "attach: RefusedByPolicy",
    "attach: Gone",
    "detach: Done",
    "detach: LostRace",
    "read-service-account: its version",
    "read-service-account: Gone",
    "apply-pull-secret: Done",
    "apply-pull-secret: LostRace",
    "apply-pull-secret: RefusedByPolicy",
    "apply-pull-secret: Quota",
    "apply-pull-secret: Terminating",
    "apply-pull-secret: Gone",
    "delete-pull-secret: Done",
    "delete-pull-secret: LostRace",
    "delete-pull-secret: Gone",
    "read-foreign-secret: its version",
    "read-journal: its version",
    "write-journal: Done",
    "write-journal: LostRace",
    "delete-journal: Done",
    "read-lease: its version",
    "write-lease: its version",
    "write-lease: LostRace",
    "delete-lease: Done",
    "delete-lease: LostRace",
];

pub(crate) enum Step {
    Change(Change),
    Operation(Box<Asked>),
}

/// The same operation for both, with the identities of each.
pub(crate) struct Asked {
    /// The object that it is about.
    pub(crate) key: Key,
    pub(crate) on_model: Operation,
    pub(crate) on_real: Operation,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(change) => write!(formatter, "{change:?}"),
            Self::Operation(asked) => write!(formatter, "{:?}", asked.on_model),
        }
    }
}

impl Step {
    pub(crate) fn choose(random: &mut Random, both: &Both) -> Self {
        let mut choice = Choice { random, both };
        if choice.random.chance(45) { Self::Change(choice.change()) } else { choice.operation() }
    }
}

struct Choice<'a> {
    random: &'a mut Random,
    both: &'a Both,
}

impl Choice<'_> {
    /// Any Namespace; the resisting ones less often.
    fn space(&mut self) -> String {
        let [a, b, c] = SPACES;
        self.random.weighted([(5, a), (5, b), (5, c), (1, FROZEN), (1, NO_SECRETS), (1, FULL)]).to_owned()
    }

    /// A ServiceAccount, mostly one that exists.
    fn account(&mut self) -> (String, String) {
        let existing: Vec<_> = self.both.model.accounts().keys().cloned().collect();
        match self.random.pick(&existing) {
            Some(found) if self.random.chance(80) => found.clone(),
            _ => (self.space(), self.random.one_of(ACCOUNTS).to_owned()),
        }
    }

    /// The Namespace of a Secret of our name, mostly one that exists.
    fn secret(&mut self) -> String {
        let existing: Vec<_> = self.both.model.pull_secrets().keys().cloned().collect();
        match self.random.pick(&existing) {
            Some(found) if self.random.chance(80) => found.clone(),
            _ => self.space(),
        }
    }

    fn document(&mut self) -> String {
        self.random.one_of(DOCUMENTS).to_owned()
    }

    /// Something to change. What is not there, or would change nothing, changes nothing on the model, and is not asked
    /// of the server then.
    fn change(&mut self) -> Change {
        let passing = self.random.one_of(SPACES).to_owned();
        let (space, account) = self.account();
        let secret = self.secret();
        let number = self.random.index(1_000_000);
        let kind = self.random.weighted([
            (7, 0),
            (1, 1),
            (7, 2),
            (2, 3),
            (8, 4),
            (2, 5),
            (8, 6),
            (2, 7),
            (3, 8),
            (6, 9),
            (5, 10),
            (3, 11),
            (3, 12),
            (2, 13),
            (3, 14),
            (3, 15),
            (1, 16),
            (3, 17),
        ]);
        match kind {
            0 => Change::CreateNamespace(passing),
            1 => Change::DeleteNamespace(passing),
            2 => Change::ContinueDeletion(passing, self.random.index(3)),
            3 => Change::LabelNamespace(passing, self.labels()),
            4 => {
                let name = self.random.one_of(ACCOUNTS).to_owned();
                Change::CreateAccount(self.space(), name, self.list(), self.random.chance(20))
            }
            5 => Change::DeleteAccount(space, account),
            6 => Change::WriteList(space, account, self.list()),
            7 => Change::IgnoreAccount(space, account, self.random.chance(50)),
            8 => Change::TouchAccount(space, account, number),
            // The quota stands in the way of everybody.
            9 => {
                let kind = self.random.weighted([(4, names::PULL_SECRET_TYPE), (1, "Opaque")]);
                Change::CreateSecret(passing, kind, self.document(), self.forgery())
            }
            10 => Change::WriteSecret(secret, self.document(), self.forgery()),
            11 => Change::WidenSecret(secret, number),
            12 => self.unmarked(secret),
            13 => Change::DeleteSecret(secret),
            14 => Change::HoldSecret(secret, self.random.chance(40)),
            15 => {
                let document = self.random.chance(60).then(|| format!(r#"{{"spoiled":{number}}}"#));
                Change::SpoilJournal(document.filter(|_| self.both.model.journal().is_some()))
            }
            16 => Change::DeleteLease,
            _ => {
                let data = BTreeMap::from([("number".to_owned(), number.to_string())]);
                Change::Configure(self.random.chance(70).then_some(data))
            }
        }
    }

    /// Takes the mark off where there is one.
    fn unmarked(&mut self, space: String) -> Change {
        let marked = self.both.model.pull_secrets().get(&space).is_some_and(|secret| {
            secret.labels.contains_key(names::MANAGED_BY_LABEL)
                || secret.annotations.contains_key(names::DIGEST_ANNOTATION)
        });
        if marked { Change::UnmarkSecret(space) } else { Change::HoldSecret(space, false) }
    }

    fn labels(&mut self) -> BTreeMap<String, String> {
        let team = self.random.one_of(["blue", "red"]).to_owned();
        self.random.chance(70).then(|| ("team".to_owned(), team)).into_iter().collect()
    }

    fn list(&mut self) -> Vec<String> {
        let length = self.random.index(4);
        let names = ["x", "y", "", names::PULL_SECRET];
        (0..length).map(|_| self.random.one_of(names).to_owned()).collect()
    }

    fn forgery(&mut self) -> Forgery {
        self.random.one_of([Forgery::None, Forgery::Marked])
    }

    fn operation(&mut self) -> Step {
        let kind = self.random.weighted([
            (14, 0),
            (3, 1),
            (14, 2),
            (4, 3),
            (3, 4),
            (2, 5),
            (4, 6),
            (1, 7),
            (2, 8),
            (4, 9),
            (1, 10),
        ]);
        match kind {
            0 => self.patch_list(),
            1 => {
                let (space, account) = self.account();
                same(Key::Account(space.clone(), account.clone()), || Operation::ReadAccount {
                    namespace: space.clone(),
                    name: account.clone(),
                })
            }
            2 => self.apply_secret(),
            3 => {
                let space = self.secret();
                let pair = self.pair(&Key::PullSecret(space.clone()));
                with_each(Key::PullSecret(space.clone()), &pair, |of| Operation::DeletePullSecret {
                    namespace: space.clone(),
                    uid: of.uid.clone(),
                    resource_version: of.version,
                })
            }
            4 => {
                let space = self.secret();
                same(Key::PullSecret(space.clone()), || Operation::ReadForeignSecret {
                    namespace: space.clone(),
                })
            }
            5 => same(Key::Journal, || Operation::ReadJournal),
            6 => self.write_journal(),
            7 => same(Key::Journal, || Operation::DeleteJournal),
            8 => same(Key::Lease, || Operation::ReadLease),
            9 => self.write_lease(),
            _ => {
                let pair = self.pair(&Key::Lease);
                with_each(Key::Lease, &pair, |of| Operation::DeleteLease {
                    uid: of.uid.clone(),
                    resource_version: of.version,
                })
            }
        }
    }

    /// With the present list mostly, else with one that was there or is elsewhere.
    fn patch_list(&mut self) -> Step {
        let (space, account) = self.account();
        let present = self.both.model.accounts().get(&(space.clone(), account.clone()));
        let present = present.and_then(|account| account.list.json());
        let observed = if self.random.chance(75) {
            present
        } else {
            self.random.pick(&self.both.lists).cloned().flatten()
        };
        let change = match (&observed, self.random.index(3)) {
            // Only where the list was absent it is created, and sometimes it is changed where it was not.
            (None, 0 | 1) => ListChange::Create,
            (_, 0) => ListChange::Remove { place: self.random.index(4) },
            _ => ListChange::Append,
        };
        same(Key::Account(space.clone(), account.clone()), || Operation::PatchList {
            namespace: space.clone(),
            name: account.clone(),
            observed: observed.clone(),
            change,
        })
    }

    fn apply_secret(&mut self) -> Step {
        let space = if self.random.chance(50) { self.secret() } else { self.space() };
        let key = Key::PullSecret(space.clone());
        let document = self.document();
        let adopted = self.random.chance(25);
        let expires = self.random.one_of([None, Some(UnixMillis(0)), Some(UnixMillis(3_600_000))]);
        let payload = || Payload {
            document: Zeroizing::new(document.clone().into_bytes()),
            digest: format!("digest-of-{}", document.len()),
            expires,
        };
        let pair = self.guard(&key);
        let operation = |precondition| Operation::ApplyPullSecret {
            namespace: space.clone(),
            precondition,
            payload: payload(),
            adopted,
        };
        guarded(key, pair.as_ref(), operation)
    }

    fn write_journal(&mut self) -> Step {
        let text = self.random.one_of(["{}", r#"{"version":1}"#, r#"{"version":2}"#]);
        let pair = self.guard(&Key::Journal);
        let operation = |precondition| Operation::WriteJournal {
            precondition,
            document: Zeroizing::new(text.as_bytes().to_vec()),
            serving: None,
        };
        guarded(Key::Journal, pair.as_ref(), operation)
    }

    fn write_lease(&mut self) -> Step {
        let holder = self.random.one_of([Some("one"), Some("two"), None]).map(str::to_owned);
        let transitions = u32::try_from(self.random.index(5)).unwrap();
        let acquired = self.random.chance(50);
        let pair = self.guard(&Key::Lease);
        let write = |replaces: Option<&Identity>| {
            Operation::WriteLease(LeaseWrite {
                replaces: replaces.map(|of| (of.uid.clone(), of.version)),
                duration_seconds: if holder.is_some() { 15 } else { 1 },
                holder: holder.clone(),
                transitions,
                acquired,
            })
        };
        let (on_model, on_real) = match &pair {
            Some(pair) => (write(Some(&pair.model)), write(Some(&pair.real))),
            None => (write(None), write(None)),
        };
        Step::Operation(Box::new(Asked { key: Key::Lease, on_model, on_real }))
    }

    /// What a writer believes is there: `None` that there is nothing. Right mostly.
    fn guard(&mut self, key: &Key) -> Option<Pair> {
        let exists = crate::objects::of_model(&self.both.model).contains_key(key);
        let right = self.random.chance(75);
        (exists == right).then(|| self.pair(key))
    }

    /// Identities of the object now, before, of another object, of a mixture, or of none.
    fn pair(&mut self, key: &Key) -> Pair {
        let seen = self.both.seen.get(key).map(Vec::as_slice).unwrap_or_default();
        let invented = || {
            let none = Identity { uid: "11111111-1111-1111-1111-111111111111".to_owned(), version: 7 };
            Pair { model: none.clone(), real: none }
        };
        let now = seen.last().cloned().unwrap_or_else(invented);
        let before = self.random.pick(seen).cloned().unwrap_or_else(invented);
        match self.random.weighted([(70, 0), (12, 1), (6, 2), (6, 3), (6, 4)]) {
            0 => now,
            1 => before,
            2 => invented(),
            // The uid of an older one with the version of now, as of an object that was made anew.
            3 => mixed(&before, &now),
            _ => mixed(&invented(), &now),
        }
    }
}

fn mixed(uid: &Pair, version: &Pair) -> Pair {
    let mix =
        |uid: &Identity, version: &Identity| Identity { uid: uid.uid.clone(), version: version.version };
    Pair { model: mix(&uid.model, &version.model), real: mix(&uid.real, &version.real) }
}

/// An operation without identities.
fn same(key: Key, operation: impl Fn() -> Operation) -> Step {
    let (on_model, on_real) = (operation(), operation());
    Step::Operation(Box::new(Asked { key, on_model, on_real }))
}

fn with_each(key: Key, pair: &Pair, operation: impl Fn(&Identity) -> Operation) -> Step {
    let (on_model, on_real) = (operation(&pair.model), operation(&pair.real));
    Step::Operation(Box::new(Asked { key, on_model, on_real }))
}

fn guarded(key: Key, pair: Option<&Pair>, operation: impl Fn(Precondition) -> Operation) -> Step {
    let exactly = |of: &Identity| Precondition::Exactly { uid: of.uid.clone(), resource_version: of.version };
    let (on_model, on_real) = match pair {
        Some(pair) => (operation(exactly(&pair.model)), operation(exactly(&pair.real))),
        None => (operation(Precondition::Absent), operation(Precondition::Absent)),
    };
    Step::Operation(Box::new(Asked { key, on_model, on_real }))
}
