//! `--parameters FILE`: the add-on parameters of the managed edition, as if they stood in the ConfigMap.
//!
//! Order of events: what the watch of the ConfigMap shows goes on to the machine with the text of the file beside its keys;
//! where there is no ConfigMap the file alone is shown. The file is read again every half a second, because not every file
//! system tells of changes, and a change is shown like an edit of the ConfigMap. One that cannot be read any more changes
//! nothing and is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acr_configuration::PARAMETERS_FILE;
use acr_controller::observation::{ConfigMapSeen, Observation, Watch};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the file is read: an edit shall take effect within a second.
const EVERY: Duration = Duration::from_millis(500);

/// The file of `--parameters` cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("--parameters {}: {source}", path.display())]
pub(crate) struct ParametersError {
    path: PathBuf,
    source: std::io::Error,
}

/// A file with parameters, and what it held last.
#[derive(Debug)]
pub(crate) struct Parameters {
    path: PathBuf,
    text: String,
    /// Why it cannot be read, as it was told last.
    told: Option<String>,
}

impl Parameters {
    /// Reads the file for the first time.
    pub(crate) fn read(path: &Path) -> Result<Self, ParametersError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ParametersError { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), text, told: None })
    }

    /// Reads the file again. Says what is new: whether it can be read, and what it holds.
    async fn look(&mut self, map: &Map) -> Vec<Observation> {
        let read = tokio::fs::read_to_string(&self.path).await;
        let unreadable = read.as_ref().err().map(|error| format!("{}: {error}", self.path.display()));
        let mut news = Vec::new();
        if self.told != unreadable {
            self.told.clone_from(&unreadable);
            news.push(Observation::ParametersFile { unreadable });
        }
        if let Ok(text) = read
            && text != self.text
        {
            self.text = text;
            news.extend(map.with(&self.text));
        }
        news
    }

    /// Puts the parameters into what comes, for as long as somebody listens.
    pub(crate) async fn join(
        mut self,
        mut watched: mpsc::Receiver<Observation>,
        machine: mpsc::Sender<Observation>,
    ) {
        let mut map = Map::default();
        let mut reading = interval(EVERY);
        reading.set_missed_tick_behavior(MissedTickBehavior::Delay);
        reading.reset_at(Instant::now());
        loop {
            let shown = tokio::select! {
                observation = watched.recv() => {
                    let Some(observation) = observation else { return };
                    map.pass(observation, &self.text)
                }
                _ = reading.tick() => {
                    self.look(&map).await
                }
            };
            for observation in shown {
                if machine.send(observation).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The ConfigMap as the watch shows it.
#[derive(Debug, Default)]
struct Map {
    seen: Option<ConfigMapSeen>,
    /// Whether a list has completed: before, nobody knows whether there is a ConfigMap.
    listed: bool,
    /// Whether the present list has shown it.
    found: bool,
}

impl Map {
    /// What to show instead of `observation`.
    fn pass(&mut self, observation: Observation, text: &str) -> Vec<Observation> {
        match observation {
            Observation::Configuration(seen) => {
                self.seen = Some(seen);
                self.found = true;
                vec![self.shown(text)]
            }
            Observation::ConfigurationGone => {
                self.seen = None;
                vec![self.shown(text)]
            }
            Observation::ListStarted(Watch::Configuration) => {
                self.found = false;
                vec![observation]
            }
            Observation::ListCompleted { watch: Watch::Configuration, .. } => {
                self.listed = true;
                if !self.found {
                    self.seen = None;
                }
                let alone = (!self.found).then(|| self.shown(text));
                alone.into_iter().chain([observation]).collect()
            }
            other => vec![other],
        }
    }

    /// What to show when the file has changed.
    fn with(&self, text: &str) -> Option<Observation> {
        (self.listed || self.seen.is_some()).then(|| self.shown(text))
    }

    fn shown(&self, text: &str) -> Observation {
        let alone = || ConfigMapSeen {
            uid: String::new(),
            resource_version: 0,
            data: BTreeMap::new(),
            annotations: BTreeMap::new(),
        };
        let mut seen = self.seen.clone().unwrap_or_else(alone);
        seen.data.insert(PARAMETERS_FILE.to_owned(), text.to_owned());
        Observation::Configuration(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(of: Option<&[(&str, &str)]>) -> Vec<Observation> {
        let seen = |data: &[(&str, &str)]| {
            Observation::Configuration(ConfigMapSeen {
                uid: "u".into(),
                resource_version: 7,
                data: data.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect(),
                annotations: BTreeMap::new(),
            })
        };
        let watch = Watch::Configuration;
        [Observation::ListStarted(watch)]
            .into_iter()
            .chain(of.map(seen))
            .chain([Observation::ListCompleted { watch, version: 9 }])
            .collect()
    }

    fn told(observations: impl IntoIterator<Item = Observation>) -> Vec<String> {
        let word = |observation: Observation| match observation {
            Observation::Configuration(seen) => format!("{:?}", seen.data),
            Observation::ListStarted(_) => "started".to_owned(),
            Observation::ListCompleted { .. } => "completed".to_owned(),
            other => format!("{other:?}"),
        };
        observations.into_iter().map(word).collect()
    }

    fn passed(map: &mut Map, observations: Vec<Observation>) -> Vec<String> {
        told(observations.into_iter().flat_map(|observation| map.pass(observation, "P")))
    }

    #[test]
    fn without_a_config_map_the_parameters_are_shown_when_the_list_is_complete() {
        let mut map = Map::default();
        assert!(map.with("early").is_none(), "nobody knows yet whether there is a ConfigMap");
        assert_eq!(passed(&mut map, list(None)), ["started", "{\"--parameters FILE\": \"P\"}", "completed"]);
        assert_eq!(told(map.with("Q")), ["{\"--parameters FILE\": \"Q\"}"]);
    }

    #[test]
    fn keys_of_a_config_map_stay_beside_them_so_that_both_forms_are_reported() {
        let mut map = Map::default();
        let shown = passed(&mut map, list(Some(&[("add-on-parameters", "O")])));
        assert_eq!(
            shown,
            ["started", "{\"--parameters FILE\": \"P\", \"add-on-parameters\": \"O\"}", "completed"]
        );
        let gone = map.pass(Observation::ConfigurationGone, "P");
        assert_eq!(told(gone), ["{\"--parameters FILE\": \"P\"}"]);
    }

    #[tokio::test]
    async fn a_change_of_the_file_is_shown_and_a_file_that_is_gone_is_told_once_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parameters.json");
        std::fs::write(&path, "one").unwrap();
        let mut parameters = Parameters::read(&path).unwrap();
        let mut map = Map::default();
        passed(&mut map, list(None));
        let nothing: [Observation; 0] = [];
        assert_eq!(told(parameters.look(&map).await), told(nothing));
        std::fs::remove_file(&path).unwrap();
        let gone = parameters.look(&map).await;
        let [Observation::ParametersFile { unreadable: Some(reason) }] = gone.as_slice() else {
            panic!("{gone:?}")
        };
        assert!(reason.contains("parameters.json"), "{reason}");
        assert!(parameters.look(&map).await.is_empty());
        std::fs::write(&path, "two").unwrap();
        let back = parameters.look(&map).await;
        assert!(matches!(back[0], Observation::ParametersFile { unreadable: None }));
        assert_eq!(told(back.into_iter().skip(1)), ["{\"--parameters FILE\": \"two\"}"]);
        assert!(parameters.look(&map).await.is_empty());
    }

    #[tokio::test]
    async fn other_observations_pass_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parameters.json");
        std::fs::write(&path, "P").unwrap();
        let (watch, watched) = mpsc::channel(4);
        let (machine, mut shown) = mpsc::channel(4);
        let joined = tokio::spawn(Parameters::read(&path).unwrap().join(watched, machine));
        watch.send(Observation::Stopping).await.unwrap();
        assert!(matches!(shown.recv().await, Some(Observation::Stopping)));
        drop(watch);
        joined.await.unwrap();
    }
}
