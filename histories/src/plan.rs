//! What a history is made of before it runs: rounds of things that happen at certain times, each followed by calm.
//!
//! Actions name their objects by name from small pools, whether they exist then or not, so that any action can be left
//! out of a failing plan and the rest still means something: that is how a failing history is made small.

mod controls;
mod generate;
mod pods;
mod scenes;

use std::fmt;
use std::rc::Rc;

use acr_controller::admission::AdmissionObject;
use acr_controller::observation::Watch;

pub use pods::PodAction;

use crate::api_server::{Forgery, Right};
use crate::cloud::Trouble;
use crate::estate::Instance;
use crate::wanted::{Data, Labels, Spoiled, Wanted};

/// Milliseconds since the history began; the true time, which no clock of the history shows.
pub type Moment = u64;

/// A whole history before it runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its seed, from which delays are drawn as well.
    pub seed: u64,
    /// The value of `--region`; without it the metadata service is asked.
    pub region: Option<&'static str>,
    /// Whether a projected token file exists.
    pub token_file: bool,
    /// How many processes there are, of which one leads.
    pub replicas: usize,
    /// Whether nothing is lost or late on the network even before faults end.
    pub smooth: bool,
    /// The rounds.
    pub rounds: Vec<Round>,
    /// Whether the component is removed at the end.
    pub uninstall: bool,
}

/// A stretch of trouble; afterwards everything heals and must come to rest.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// What happens, each so many milliseconds after the one before.
    pub actions: Vec<(Moment, Action)>,
}

/// How somebody else edits a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListEdit {
    /// A foreign name is appended.
    Append(&'static str),
    /// A foreign name is put first.
    Prepend(&'static str),
    /// A name goes.
    Remove(&'static str),
    /// The order is turned around.
    Reverse,
    /// Everything goes.
    Clear,
    /// Our name goes.
    Detach,
    /// Our name is appended, a second time if it is there.
    Attach,
}

/// What a foreign Secret of our name holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignContent {
    /// Logins of ACR hosts only.
    AcrHosts,
    /// Logins of ACR hosts and of another registry.
    MixedHosts,
    /// No logins.
    NoHosts,
    /// The right type and no docker config.
    Nonsense,
    /// Another type.
    OtherType,
}

/// How somebody spoils the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalSpoil {
    /// It is deleted.
    Delete,
    /// It is of a version from the future.
    Future,
    /// It is nonsense.
    Nonsense,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Action {
    /// A Namespace is created.
    CreateNamespace(&'static str, Labels),
    /// A Namespace is deleted.
    DeleteNamespace(&'static str),
    /// A Namespace gets other labels.
    LabelNamespace(&'static str, Labels),
    /// A ServiceAccount is created, with a list, opted out or not.
    CreateAccount(&'static str, &'static str, Vec<&'static str>, bool),
    /// A ServiceAccount is deleted.
    DeleteAccount(&'static str, &'static str),
    /// The list of a ServiceAccount is edited.
    EditList(&'static str, &'static str, ListEdit),
    /// The opt-out label of a ServiceAccount is set or cleared.
    IgnoreAccount(&'static str, &'static str, bool),
    /// Something else of a ServiceAccount changes.
    TouchAccount(&'static str, &'static str),
    /// Our name is removed whenever it is put into this list, for so long.
    FightList(&'static str, &'static str, Moment),
    /// The ConfigMap becomes this.
    Configure(Rc<Wanted>, Data),
    /// The ConfigMap becomes something broken.
    Spoil(Rc<Spoiled>),
    /// The ConfigMap is deleted.
    RemoveConfiguration,
    /// Everything is held still for so long, by the annotation of the ConfigMap.
    Pause(Moment),
    /// What is held for an instance of this name, or for all, is to be renewed, by the annotation of the ConfigMap.
    Rotate(Option<&'static str>),
    /// A foreign Secret of our name is created.
    CreateSecret(&'static str, ForeignContent, Forgery),
    /// The data of a Secret of our name is written by somebody else.
    WriteSecret(&'static str, ForeignContent, Forgery),
    /// A further key is added to its data.
    WidenSecret(&'static str),
    /// Our marks are taken off it.
    UnmarkSecret(&'static str),
    /// It is deleted.
    DeleteSecret(&'static str),
    /// It is deleted, and at once created anew by somebody else.
    ReplaceSecret(&'static str, ForeignContent),
    /// A finalizer is put on it, and taken off after so long.
    HoldSecret(&'static str, Moment),
    /// Its data is overwritten whenever we write it, for so long.
    FightSecret(&'static str, Moment),
    /// The journal is spoiled.
    SpoilJournal(JournalSpoil),
    /// What the API server goes by for new ServiceAccounts is emptied, or deleted.
    SpoilAdmission(AdmissionObject, bool),
    /// The Lease is deleted.
    DeleteLease,
    /// The API server is away for so long.
    Outage(Moment),
    /// A policy refuses changes of ServiceAccounts in a namespace, for so long.
    GuardAccounts(&'static str, Moment),
    /// A policy refuses Secrets of our name in a namespace, for so long.
    GuardSecrets(&'static str, Moment),
    /// The quota of a namespace is used up for so long.
    FillQuota(&'static str, Moment),
    /// A right is missing for so long.
    MissRight(Right, Moment),
    /// The API server throttles for so long, and asks for a wait in milliseconds where it says.
    Throttle(Option<u64>, Moment),
    /// A watch delivers nothing for so long.
    Stall(Watch, Moment),
    /// A watch is cut and goes on where it was.
    CutWatch(Watch),
    /// A watch ends with 410 and lists anew.
    Expire(Watch),
    /// A watch lists anew and is cut within the list.
    BreakList(Watch),
    /// The cloud is in trouble for so long.
    Trouble(Trouble, Moment),
    /// The domains of an instance change: custom ones, and whether the public endpoint is on.
    Domains(Instance, Vec<&'static str>, bool),
    /// A process dies and another starts after so long.
    Crash(Moment),
    /// A process is asked to stop, and another starts after so long.
    Stop(Moment),
    /// A process does not run for so long.
    Freeze(Moment),
    /// A process does not reach the API server for so long, and the others do.
    CutOff(Moment),
    /// A second process starts while the only one is alive.
    Overlap,
    /// The node's wall clock jumps by so many milliseconds.
    Jump(i64),
    /// Something happens to pods.
    Pods(PodAction),
    /// Nothing.
    Wait,
}

impl fmt::Display for Action {
    /// Without the texts of ConfigMaps, which hold keys.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configure(wanted, _) => write!(formatter, "Configure({wanted:?})"),
            Self::Spoil(spoiled) => write!(formatter, "Spoil({})", spoiled.what),
            other => write!(formatter, "{other:?}"),
        }
    }
}
