//! Both servers side by side: each step is taken on both, and then everything is compared.

use std::collections::BTreeMap;

use acr_controller::names;
use acr_controller::observation::{Answer, Observation, Watch};
use acr_credentials::UnixMillis;
use acr_histories::api_server::{ApiServer, Forgery, Right, Sight};
use tokio::sync::mpsc;

use crate::objects::{BUILT_IN, Identity, Key, Objects, of_model};
use crate::real::{FROZEN, FULL, NO_SECRETS, Real};
use crate::shown::Shown;
use crate::step::{Asked, Step};
use crate::users::Change;

/// How many steps a failure shows.
const SHOWN_STEPS: usize = 12;

/// The same object on both, at one time.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) model: Identity,
    pub(crate) real: Identity,
}

pub(crate) struct Both {
    pub(crate) model: ApiServer,
    real: Real,
    /// Every version of every object that there was, oldest first.
    pub(crate) seen: BTreeMap<Key, Vec<Pair>>,
    /// Every list that there was.
    pub(crate) lists: Vec<Option<String>>,
    taken: Vec<String>,
    observations: mpsc::UnboundedReceiver<Observation>,
    _watches: acr_cluster::Watches,
}

impl Both {
    pub(crate) async fn begin(real: Real) -> Self {
        let (observe, mut bounded) = mpsc::channel(1000);
        let watches = real.cluster.watch(&observe);
        let (forward, observations) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(observation) = bounded.recv().await {
                if forward.send(observation).is_err() {
                    break;
                }
            }
        });
        let mut both = Self {
            model: ApiServer::new(UnixMillis(0)),
            real,
            seen: BTreeMap::new(),
            lists: vec![None],
            taken: Vec::new(),
            observations,
            _watches: watches,
        };
        for space in [FROZEN, NO_SECRETS, FULL] {
            both.take(Step::Change(Change::CreateNamespace(space.to_owned()))).await;
            let account = Change::CreateAccount(space.to_owned(), "app".to_owned(), Vec::new(), false);
            both.take(Step::Change(account)).await;
        }
        let document = r#"{"auths":{}}"#.to_owned();
        let secret =
            Change::CreateSecret(NO_SECRETS.to_owned(), names::PULL_SECRET_TYPE, document, Forgery::None);
        both.take(Step::Change(secret)).await;
        both.real.resist().await;
        both.model.resistance.guarded_accounts.insert(FROZEN.to_owned());
        both.model.resistance.guarded_secrets.insert(NO_SECRETS.to_owned());
        both.model.resistance.full.insert(FULL.to_owned());
        both
    }

    /// Takes every right from the component of the model.
    pub(crate) fn forbid_everything(&mut self) {
        use Right::{Accounts, Events, Journal, Lease, PullSecrets, Tokens};
        self.model.resistance.missing.extend([Accounts, PullSecrets, Journal, Lease, Tokens, Events]);
    }

    /// Takes a step on both, and compares them. The name of the operation and its answer, if it was one.
    pub(crate) async fn take(&mut self, step: Step) -> Option<String> {
        self.taken.push(step.to_string());
        match step {
            Step::Change(change) => {
                let before = of_model(&self.model).into_keys().collect();
                if change.on_model(&mut self.model) {
                    change.on_real(&self.real.admin, &before, &self.model).await;
                }
                self.compare().await;
                None
            }
            Step::Operation(asked) => {
                let Asked { key, on_model, on_real } = *asked;
                let label = on_model.label();
                let told = self.model.execute(&on_model).unwrap().answer;
                let heard = self.real.cluster.carry_out(on_real).await;
                self.compare().await;
                let pair = self.seen.get(&key).and_then(|pairs| pairs.last());
                let told = said(&told, &key, pair.map(|pair| &pair.model));
                let heard = said(&heard, &key, pair.map(|pair| &pair.real));
                assert_eq!(told, heard, "model and server answer differently\n{}", self.story());
                Some(format!("{label}: {told}"))
            }
        }
    }

    /// Compares all objects, and remembers their versions.
    async fn compare(&mut self) {
        let (model, real) = (of_model(&self.model), self.real.objects().await);
        let contents = |objects: &Objects| -> Vec<String> {
            objects.iter().map(|(key, (content, _))| format!("{key:?}: {content:?}")).collect()
        };
        let (left, right) = (contents(&model), contents(&real));
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            these.iter().filter(|line| !those.contains(line)).cloned().collect()
        };
        assert!(
            left == right,
            "only the model has {:#?}\nonly the server has {:#?}\n{}",
            only(&left, &right),
            only(&right, &left),
            self.story()
        );
        for ((key, (content, in_model)), (_, in_real)) in model.into_iter().zip(real.into_values()) {
            if let crate::objects::Content::Account { list, .. } = content
                && !self.lists.contains(&list)
            {
                self.lists.push(list);
            }
            let story = self.taken.last().cloned().unwrap_or_default();
            let pairs = self.seen.entry(key.clone()).or_default();
            let changes = pairs.last().map(|last| (last.model != in_model, last.real != in_real));
            if let Some((model_changed, real_changed)) = changes {
                assert_eq!(
                    model_changed, real_changed,
                    "only one has a new version of {key:?} after {story}"
                );
            }
            if changes != Some((false, false)) {
                pairs.push(Pair { model: in_model, real: in_real });
            }
        }
    }

    /// Compares what the watches have shown, kind by kind and in order.
    pub(crate) async fn watches_agree(&mut self) {
        // Each kind shows its own end.
        for change in [
            Change::CreateNamespace("end".to_owned()),
            Change::CreateAccount("end".to_owned(), "end".to_owned(), Vec::new(), false),
            Change::CreateSecret("end".to_owned(), "Opaque", "{}".to_owned(), Forgery::None),
            Change::Configure(Some(BTreeMap::from([("end".to_owned(), "end".to_owned())]))),
        ] {
            self.take(Step::Change(change)).await;
        }
        let mut shown: BTreeMap<Watch, Vec<Shown>> = BTreeMap::new();
        let mut ended = 0;
        while ended < 4 {
            let next =
                tokio::time::timeout(std::time::Duration::from_mins(2), self.observations.recv()).await;
            let Some((watch, sight)) = Shown::of(next.unwrap().unwrap()) else { continue };
            ended += usize::from(sight.is_end());
            if !BUILT_IN.contains(&sight.home()) {
                shown.entry(watch).or_default().push(sight);
            }
        }
        for watch in [Watch::Configuration, Watch::Namespaces, Watch::Accounts, Watch::PullSecrets] {
            let logged = (0..self.model.log_end(watch)).filter_map(|place| self.model.logged(watch, place));
            let told: Vec<Shown> = logged
                .cloned()
                .filter_map(|sight: Sight| Shown::of(Observation::from(sight)))
                .map(|(_, sight)| sight)
                .filter(|sight| !BUILT_IN.contains(&sight.home()))
                .collect();
            let heard = shown.remove(&watch).unwrap_or_default();
            let first = told.iter().zip(&heard).position(|(told, heard)| told != heard);
            let around = first.unwrap_or(told.len().min(heard.len()));
            assert!(
                told == heard,
                "{watch:?} differs at {around}: the model shows {:#?}, the server {:#?}",
                told.get(around..told.len().min(around + 3)),
                heard.get(around..heard.len().min(around + 3)),
            );
        }
    }

    /// The last steps.
    fn story(&self) -> String {
        let skipped = self.taken.len().saturating_sub(SHOWN_STEPS);
        let steps = self.taken.iter().enumerate().skip(skipped);
        steps.map(|(place, step)| format!("{place:>4} {step}")).collect::<Vec<_>>().join("\n")
    }
}

/// An answer without what differs by nature: versions and uids are named by whether they are those of the object.
fn said(answer: &Answer, key: &Key, now: Option<&Identity>) -> String {
    let version = |version: u64| match now {
        Some(now) if now.version == version => "its version",
        _ if version == 0 => "no version",
        _ => "another version",
    };
    let uid = |uid: &str| if now.is_some_and(|now| now.uid == uid) { "its uid" } else { "another uid" };
    match answer {
        // Of a ServiceAccount the model keeps no uid: the component has no use for it.
        Answer::Done { resource_version, uid: Some(found) } if !matches!(key, Key::Account(..)) => {
            format!("Done, {}, {}", version(*resource_version), uid(found))
        }
        Answer::Done { resource_version, .. } => format!("Done, {}", version(*resource_version)),
        Answer::Account(seen) => {
            format!("{}, ignored: {}, {:?}", version(seen.resource_version), seen.ignored, seen.list)
        }
        Answer::ForeignSecret(seen) => {
            let (version, uid) = (version(seen.resource_version), uid(&seen.uid));
            format!("{version}, {uid}, {}, {:?}", seen.kind, seen.hosts)
        }
        Answer::Journal(None) => "no journal".to_owned(),
        Answer::Journal(Some(seen)) => {
            let text = String::from_utf8_lossy(&seen.document).into_owned();
            format!("{}, {}, {text}", version(seen.resource_version), uid(&seen.uid))
        }
        Answer::Lease(None) => "no Lease".to_owned(),
        Answer::Lease(Some(seen)) => {
            let (version, uid) = (version(seen.resource_version), uid(&seen.uid));
            format!("{version}, {uid}, {:?}, {} s, {}", seen.holder, seen.duration_seconds, seen.transitions)
        }
        Answer::Refused(refusal) => refusal.label().to_owned(),
        Answer::Server(seen) => format!("{seen:?}"),
        Answer::Tried(trial) => format!("{trial:?}"),
        Answer::Token(_) | Answer::Key(_) | Answer::Cloud(_) | Answer::Certificate(_) => {
            "not an answer of an API server".to_owned()
        }
    }
}
