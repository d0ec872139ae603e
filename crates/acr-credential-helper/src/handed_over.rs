//! What the cluster hands over as files, and the word that they have changed.
//!
//! The kubelet replaces the files of a mounted Secret in its own time, and not every file system tells of it: they are
//! read every few seconds. Secrets that are read through the API server are followed by name, like those that the
//! configuration names, and read when they are needed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acr_controller::observation::{Observation, Refusal};
use acr_credentials::SecretData;
use acr_credentials::secret_data::ACCESS_KEY_MEMBERS;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use zeroize::Zeroizing;

/// How often the files are read. The kubelet takes up to a minute to bring a changed Secret; this adds little to it.
const EVERY: Duration = Duration::from_secs(5);

/// Where the cluster hands over keys: a mounted file, else a Secret in our own namespace where one is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct HandedOver {
    /// The mounted folder with the keys of a registered cluster.
    pub(crate) registered_folder: PathBuf,
    /// The Secret with them.
    pub(crate) registered_secret: Option<String>,
    /// The mounted file with the token of the managed role.
    pub(crate) add_on_file: PathBuf,
    /// The Secret with it.
    pub(crate) add_on_secret: Option<String>,
}

impl HandedOver {
    /// Tells of every change of the files, for as long as somebody listens.
    pub(crate) async fn watch(self, observe: mpsc::Sender<Observation>) {
        let mut known = self.content().await;
        let mut reading = interval(EVERY);
        reading.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !observe.is_closed() {
            reading.tick().await;
            let content = self.content().await;
            if content != known && observe.send(Observation::HandedOver).await.is_err() {
                return;
            }
            known = content;
        }
    }

    /// What cannot be read is as if it were not there: whoever uses it says why.
    async fn content(&self) -> Vec<Option<Zeroizing<Vec<u8>>>> {
        let mut content = Vec::new();
        let keys = ACCESS_KEY_MEMBERS.iter().map(|member| self.registered_folder.join(member));
        for file in keys.chain([self.add_on_file.clone()]) {
            content.push(read_if_there(&file).await.unwrap_or_default());
        }
        content
    }
}

/// The members of a Secret that is mounted as a folder; `None` where the folder has none of them.
pub(crate) async fn mounted(folder: &Path, members: &[&str]) -> Result<Option<SecretData>, Refusal> {
    let mut found = Vec::new();
    for member in members {
        if let Some(bytes) = read_if_there(&folder.join(member)).await? {
            found.push(((*member).to_owned(), bytes));
        }
    }
    Ok((!found.is_empty()).then(|| found.into_iter().collect()))
}

pub(crate) async fn read_if_there(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Refusal> {
    match tokio::fs::read(path).await {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Refusal::Unknown { message: format!("the file {}: {error}", path.display()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_file_that_comes_changes_or_goes_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token-config");
        let files = HandedOver { add_on_file: file.clone(), ..HandedOver::default() };
        let (observe, mut observed) = mpsc::channel(1);
        let watch = tokio::spawn(files.watch(observe));
        for content in [Some("one"), Some("two"), None] {
            // Two looks find it unchanged.
            let quiet = tokio::time::timeout(EVERY * 2, observed.recv()).await;
            assert!(quiet.is_err(), "{quiet:?}");
            match content {
                Some(content) => std::fs::write(&file, content).unwrap(),
                None => std::fs::remove_file(&file).unwrap(),
            }
            assert!(matches!(observed.recv().await, Some(Observation::HandedOver)));
        }
        drop(observed);
        watch.await.unwrap();
    }
}
