//! What is to happen in a history, and what is on its way.

use acr_controller::observation::{Answer, Watch};
use acr_controller::operation::{Class, Operation, OperationId};
use acr_controller::settings::Purpose;

use super::named::Named;
use super::pods::PodEvent;
use crate::api_server::AccountKey;
use crate::contract::{Issue, ProcessId};

/// Something that is to happen.
#[derive(Debug)]
pub(super) enum Event {
    Act(usize),
    Deliver(ProcessId, Watch),
    Show(ProcessId, Named),
    Arrive(u64),
    Reply(u64, Box<Answer>),
    Start(Purpose),
    Stop(ProcessId),
    Kill(ProcessId),
    MakeDefaultAccount(&'static str),
    ContinueDeletion(&'static str),
    TakeOut(AccountKey),
    Overwrite(String),
    Pods(PodEvent),
    End(Ending),
    Mark,
}

/// What ends by itself.
#[derive(Debug)]
pub(super) enum Ending {
    Outage,
    GuardAccounts(&'static str),
    GuardSecrets(&'static str),
    Quota(&'static str),
    GuardPods(&'static str),
    Budget(&'static str),
    Right(crate::api_server::Right),
    Throttling,
    Pause,
    Trouble(u64),
    Hold(&'static str),
    FightList(AccountKey),
    FightSecret(&'static str),
}

/// An operation on its way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) process: ProcessId,
    pub(super) id: OperationId,
    pub(super) class: Class,
    pub(super) operation: Operation,
    pub(super) issue: Issue,
    /// Whether its process has, or will have, its answer from elsewhere than the server.
    pub(super) answer_is_set: bool,
    pub(super) arrived: bool,
    pub(super) replied: bool,
}
