//! An observer of its own: when the API server shows the last list and the last Secret, whoever wrote them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use acr_end_to_end::PULL_SECRET;
use futures::TryStreamExt;
use http::header::ACCEPT;
use kube::Client;
use kube::core::WatchEvent;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Error;
use super::exchange::JSON;
use super::population::PREFIX;

const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// How long one watch lasts: longer than any measurement.
const WATCH_SECONDS: u32 = 7200;

/// What there is at the moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// ServiceAccounts of the measurement, those that Kubernetes makes in each namespace included.
    pub(super) accounts: usize,
    /// Those whose list is exactly our entry.
    pub(super) attached: usize,
    /// Those with any list.
    pub(super) listed: usize,
    /// Pull secrets.
    pub(super) secrets: usize,
    /// When the last change was seen.
    pub(super) at: Instant,
}

impl std::fmt::Display for Seen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { accounts, attached, secrets, .. } = self;
        write!(
            formatter,
            "{attached} of {accounts} ServiceAccounts were attached and {secrets} Secrets written"
        )
    }
}

/// Watches of ServiceAccounts and pull secrets. Dropping it ends them.
pub(super) struct Observer {
    seen: watch::Receiver<Seen>,
    watches: JoinSet<Error>,
}

impl Observer {
    pub(super) fn start(client: &Client) -> Self {
        let nothing = Seen { accounts: 0, attached: 0, listed: 0, secrets: 0, at: Instant::now() };
        let (sender, seen) = watch::channel(nothing);
        let mut watches = JoinSet::new();
        watches.spawn(follow::<AccountObject, _>(
            client.clone(),
            "/api/v1/serviceaccounts?",
            JSON,
            Accounts::default(),
            sender.clone(),
        ));
        watches.spawn(follow::<SecretObject, _>(
            client.clone(),
            "/api/v1/secrets?fieldSelector=metadata.name%3Dacr-credential-secret-aggregation&",
            METADATA,
            Secrets::default(),
            sender,
        ));
        Self { seen, watches }
    }

    /// Waits until `enough`; `None` when that takes longer than `patience`. What was seen last comes along.
    pub(super) async fn wait(
        &mut self,
        patience: Duration,
        enough: impl Fn(&Seen) -> bool,
    ) -> Result<(Seen, bool), Error> {
        let mut seen = self.seen.clone();
        tokio::select! {
            found = seen.wait_for(|seen| enough(seen)) => match found {
                Ok(seen) => Ok((*seen, true)),
                Err(_) => Err(Error::Observer { what: "everything", reason: "both have ended".to_owned() }),
            },
            Some(ended) = self.watches.join_next() => Err(ended.unwrap_or_else(|panicked| Error::Observer {
                what: "everything",
                reason: panicked.to_string(),
            })),
            () = tokio::time::sleep(patience) => Ok((*self.seen.borrow(), false)),
        }
    }
}

/// Keeps count of one kind of object.
trait Tally<K>: Send + 'static {
    const WHAT: &'static str;
    fn shown(&mut self, object: K);
    fn gone(&mut self, object: K);
    fn count(&self, seen: &mut Seen);
}

/// An object of a measurement, by namespace and name.
type Key = (String, String);

#[derive(Default)]
struct Accounts {
    all: HashSet<Key>,
    listed: HashSet<Key>,
    attached: HashSet<Key>,
}

impl Tally<AccountObject> for Accounts {
    const WHAT: &'static str = "ServiceAccounts";

    fn shown(&mut self, object: AccountObject) {
        let key = (object.metadata.namespace, object.metadata.name);
        let list = object.image_pull_secrets;
        let attached = matches!(list.as_deref(), Some([entry]) if entry.name == PULL_SECRET);
        for (set, belongs) in
            [(&mut self.listed, list.is_some()), (&mut self.attached, attached), (&mut self.all, true)]
        {
            if belongs {
                set.insert(key.clone());
            } else {
                set.remove(&key);
            }
        }
    }

    fn gone(&mut self, object: AccountObject) {
        let key = (object.metadata.namespace, object.metadata.name);
        for set in [&mut self.all, &mut self.listed, &mut self.attached] {
            set.remove(&key);
        }
    }

    fn count(&self, seen: &mut Seen) {
        seen.accounts = self.all.len();
        seen.listed = self.listed.len();
        seen.attached = self.attached.len();
    }
}

#[derive(Default)]
struct Secrets(HashSet<String>);

impl Tally<SecretObject> for Secrets {
    const WHAT: &'static str = "pull secrets";

    fn shown(&mut self, object: SecretObject) {
        self.0.insert(object.metadata.namespace);
    }

    fn gone(&mut self, object: SecretObject) {
        self.0.remove(&object.metadata.namespace);
    }

    fn count(&self, seen: &mut Seen) {
        seen.secrets = self.0.len();
    }
}

/// As little of an object as will do: the observer must not take the processor from those whom it observes.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountObject {
    metadata: Metadata,
    image_pull_secrets: Option<Vec<Entry>>,
}

#[derive(Clone, Deserialize)]
struct SecretObject {
    metadata: Metadata,
}

#[derive(Clone, Deserialize)]
struct Metadata {
    namespace: String,
    name: String,
}

#[derive(Clone, Deserialize)]
struct Entry {
    #[serde(default)]
    name: String,
}

trait Placed {
    fn namespace(&self) -> &str;
}

impl Placed for AccountObject {
    fn namespace(&self) -> &str {
        &self.metadata.namespace
    }
}

impl Placed for SecretObject {
    fn namespace(&self) -> &str {
        &self.metadata.namespace
    }
}

/// Follows one kind of object from all that there are now; returns why it cannot go on.
async fn follow<K, T>(
    client: Client,
    path: &'static str,
    accept: &'static str,
    mut tally: T,
    seen: watch::Sender<Seen>,
) -> Error
where
    K: Placed + DeserializeOwned + Clone + Send + 'static,
    T: Tally<K>,
{
    let failed = |reason: String| Error::Observer { what: T::WHAT, reason };
    let uri = format!(
        "{path}watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan\
         &allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}"
    );
    let request = match http::Request::get(uri).header(ACCEPT, accept).body(Vec::new()) {
        Ok(request) => request,
        Err(error) => return failed(error.to_string()),
    };
    let events = match client.request_events::<K>(request).await {
        Ok(events) => events,
        Err(error) => return failed(error.to_string()),
    };
    let mut events = std::pin::pin!(events);
    loop {
        let (object, there) = match events.try_next().await {
            Ok(Some(WatchEvent::Added(object) | WatchEvent::Modified(object))) => (object, true),
            Ok(Some(WatchEvent::Deleted(object))) => (object, false),
            Ok(Some(WatchEvent::Bookmark(_))) => continue,
            Ok(Some(WatchEvent::Error(status))) => return failed(status.message.clone()),
            Ok(None) => return failed("the API server ended it".to_owned()),
            Err(error) => return failed(error.to_string()),
        };
        if !object.namespace().starts_with(PREFIX) {
            continue;
        }
        if there {
            tally.shown(object);
        } else {
            tally.gone(object);
        }
        seen.send_modify(|seen| {
            tally.count(seen);
            seen.at = Instant::now();
        });
    }
}
