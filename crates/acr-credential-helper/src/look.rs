//! One look at a cluster, for commands that ask and change nothing.

use std::fmt::Display;
use std::time::Duration;

use acr_cluster::Cluster;
use acr_controller::preview::Preview;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::exit::Exit;
use crate::process::Place;

/// Observations that may wait.
const WAITING: usize = 1024;

/// Why there is nothing to tell.
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) words: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, words: impl Display) -> Self {
        Self { exit, words: words.to_string() }
    }
}

/// Looks at the cluster once; gives up after so many seconds.
pub(crate) async fn look(place: &Place, seconds: u32) -> Result<(Cluster, Preview), Failure> {
    let ourselves = place.ourselves();
    let cluster = place.cluster(&ourselves).await;
    let cluster = cluster.map_err(|error| Failure::new(Exit::Unusable, error))?;
    let (observe, mut observations) = mpsc::channel(WAITING);
    let watches = cluster.watch(&observe);
    let mut preview = Preview::of(&ourselves.namespace);
    let seen = async {
        while !preview.is_complete() {
            let Some(observation) = observations.recv().await else { break };
            preview.observe(observation);
        }
    };
    let in_time = timeout(Duration::from_secs(seconds.into()), seen).await;
    drop(watches);
    if in_time.is_err() || !preview.is_complete() {
        return Err(Failure::new(Exit::Unfinished, unlisted(seconds, &preview.missing())));
    }
    Ok((cluster, preview))
}

/// What is missing, and what helps.
fn unlisted(seconds: u32, missing: &[&str]) -> String {
    let missing = missing.join(", ");
    format!(
        "the cluster could not be listed within {seconds} s; missing: {missing}. You need the right to list and watch \
         them: where one is refused or cut, a warning in the log says why; where there is none, give it longer by \
         --timeout"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_log_that_may_be_empty_it_is_not_said_that_it_says_why() {
        let told = unlisted(0, &["Namespaces", "ServiceAccounts"]);
        assert!(told.contains("missing: Namespaces, ServiceAccounts."), "{told}");
        assert!(told.contains("where there is none, give it longer by --timeout"), "{told}");
    }
}
