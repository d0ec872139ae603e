//! The way from a request to the owner of the machine and back.

use std::time::Duration;

use acr_controller::status::Status;
use tokio::sync::{mpsc, oneshot};

/// How long the owner of the machine may take. It answers between two observations, which takes milliseconds;
/// when it does not for this long, it is stuck.
const PATIENCE: Duration = Duration::from_secs(3);
/// Questions that may wait. One more finds the service unavailable.
const WAITING: usize = 16;

/// Asks for snapshots.
#[derive(Clone, Debug)]
pub struct Snapshots {
    questions: mpsc::Sender<oneshot::Sender<Status>>,
}

/// The questions, for the owner of the machine: each wants one [`Status`].
pub type StatusRequests = mpsc::Receiver<oneshot::Sender<Status>>;

/// A pair that belongs together.
pub fn snapshots() -> (Snapshots, StatusRequests) {
    let (questions, requests) = mpsc::channel(WAITING);
    (Snapshots { questions }, requests)
}

impl Snapshots {
    /// A snapshot, or `None` when the owner of the machine does not answer.
    pub(crate) async fn take(&self) -> Option<Status> {
        let (answer, asked) = oneshot::channel();
        self.questions.try_send(answer).ok()?;
        tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
    }
}
