//! One watch, followed for ever: the order of its requests, and what ends each of them.

use std::marker::PhantomData;
use std::pin::pin;
use std::time::Duration;

use acr_controller::observation::{Observation, Refusal, Watch};
use futures::StreamExt;
use kube::Client;
use kube::core::{Status, WatchEvent};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tracing::{debug, info, warn};

use super::source::{Source, Subject};
use crate::backoff::{Backoff, random_fraction};
use crate::call::{exchange, unanswered, unreadable};
use crate::cluster::ConfigMapUid;
use crate::refusal::{Asked, refusal};
use crate::seen::Watched;

/// After how long the server ends a watch: below the idle limits of load balancers (Azure: 240 s).
const WATCH_SECONDS: u32 = 200;
/// Added to it at random, so that the four watches are not renewed in the same instant.
const WATCH_SPREAD_SECONDS: f64 = 30.0;
/// How much later than the server a watch is given up.
const WATCH_GRACE: Duration = Duration::from_secs(10);
/// How long a watch may take to be accepted, and a streamed list to go on. A server that does not know
/// `sendInitialEvents` may ignore it, and then the end of the list never comes.
const LIST_SILENCE: Duration = Duration::from_secs(10);
/// How long a page of a list may take.
const PAGE_DEADLINE: Duration = Duration::from_secs(30);
/// A watch that ends sooner counts as a failure, so that a server that ends all of them is not hammered.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);
/// The shortest pause where the right to something that is followed on request is missing: somebody has to grant it first.
const WITHOUT_RIGHT: Duration = Duration::from_secs(30);
/// Marks the bookmark that ends a streamed list.
const END_OF_LIST: &str = "k8s.io/initial-events-end";

/// Where observations go.
pub(crate) struct Outlet {
    pub(crate) observations: mpsc::Sender<Observation>,
    pub(crate) config_map_uid: ConfigMapUid,
}

/// Nobody listens any more.
pub(super) struct Deaf;

impl Outlet {
    pub(super) async fn send(&self, observation: Observation) -> Result<(), Deaf> {
        if let Observation::Configuration(seen) = &observation {
            let mut uid = self.config_map_uid.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *uid = Some(seen.uid.clone());
        }
        self.observations.send(observation).await.map_err(|_| Deaf)
    }
}

/// What ended a request.
enum End {
    /// It was complete, or its connection ended: the next one goes on where it was.
    Over,
    /// All pages are here: the watch starts.
    Listed,
    /// The server no longer knows the version: list again.
    Expired,
    /// The server does not stream lists.
    NotStreamed,
    /// It failed.
    Failed(Refusal),
    /// Nobody listens any more.
    Deaf,
}

impl From<Deaf> for End {
    fn from(_: Deaf) -> Self {
        Self::Deaf
    }
}

/// One watch.
pub(crate) struct Follower<K> {
    client: Client,
    source: Source,
    outlet: Outlet,
    /// The last version seen; `None` before and during a list.
    version: Option<u64>,
    streamed: bool,
    /// Whether the present list has shown any object.
    found: bool,
    backoff: Backoff,
    kind: PhantomData<fn() -> K>,
}

impl<K: Watched> Follower<K> {
    pub(crate) fn new(client: Client, source: Source, outlet: Outlet) -> Self {
        Self {
            client,
            source,
            outlet,
            version: None,
            streamed: true,
            found: false,
            backoff: Backoff::default(),
            kind: PhantomData,
        }
    }

    /// Lists and follows until nobody listens any more.
    pub(crate) async fn run(mut self) {
        loop {
            let began = Instant::now();
            let end = match self.version {
                None if !self.streamed => self.list_pages().await,
                _ => self.follow().await,
            };
            let what = self.source.label();
            let pause = match end.unwrap_or_else(|end| end) {
                End::Deaf => return,
                End::Listed => None,
                End::Over => (began.elapsed() < SHORTEST_LIFE).then(|| self.backoff.next()),
                End::NotStreamed => {
                    debug!("{what}: the API server does not stream lists, they are paged");
                    self.streamed = false;
                    None
                }
                End::Expired => {
                    debug!("{what}: the API server no longer knows the last version, listing again");
                    self.version = None;
                    Some(self.backoff.next())
                }
                End::Failed(reason) => {
                    if self.backoff.failures() == 0 {
                        warn!("{what}: the watch is interrupted: {reason}");
                    } else {
                        debug!("{what}: the watch is still interrupted: {reason}");
                    }
                    let pause = match (&self.source.subject, &reason) {
                        (Subject::Named(_) | Subject::Watch(Watch::Pods), Refusal::NoRight { .. }) => {
                            self.backoff.next().max(WITHOUT_RIGHT)
                        }
                        _ => self.backoff.next(),
                    };
                    if self.interrupted(reason).await.is_err() {
                        return;
                    }
                    // Whoever was told of a failure is told again what the object holds, also where it has not changed.
                    if matches!(self.source.subject, Subject::Named(_) | Subject::Watch(Watch::Pods)) {
                        self.version = None;
                    }
                    Some(pause)
                }
            };
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// Something came: whatever was wrong is over.
    fn recovered(&mut self) {
        if self.backoff.failures() > 1 {
            info!("{}: the watch goes on", self.source.label());
        }
        self.backoff.reset();
    }

    /// One watch request: a streamed list first when there is no version yet, then changes.
    async fn follow(&mut self) -> Result<End, End> {
        let mut listing = self.version.is_none();
        // A length between 200 and 230 s loses nothing by the rounding.
        let spread = Duration::from_secs_f64(WATCH_SPREAD_SECONDS * random_fraction()).as_secs();
        let seconds = WATCH_SECONDS.saturating_add(u32::try_from(spread).unwrap_or(0));
        let silence = Duration::from_secs(u64::from(seconds)) + WATCH_GRACE;

        let request = self.source.follow(self.version, seconds).map_err(|error| failed(&error))?;
        let opening = self.client.request_events::<K>(request);
        let events = match timeout(LIST_SILENCE, opening).await {
            Ok(Ok(events)) => events,
            Ok(Err(kube::Error::Api(status))) => return Err(self.refused(&status)),
            Ok(Err(error)) => return Err(failed(&unanswered(&error))),
            Err(_) => return Err(failed(&"the API server does not answer")),
        };
        let mut events = pin!(events);
        if listing {
            self.list_started().await?;
        }
        loop {
            let event = match timeout(if listing { LIST_SILENCE } else { silence }, events.next()).await {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(kube::Error::SerdeError(error)))) => {
                    self.passed_over(&unreadable(&error));
                    continue;
                }
                // kube takes any JSON object that is no event for a Status, and so one with a malformed object.
                Ok(Some(Err(kube::Error::Api(status)))) if status.code == 0 => {
                    self.passed_over("it is not of the expected form");
                    continue;
                }
                Ok(Some(Err(kube::Error::Api(status)))) => return Err(self.refused(&status)),
                Ok(Some(Err(error))) => return Err(failed(&unanswered(&error))),
                Ok(None) if listing => return Err(failed(&"the list was cut off")),
                Err(_) if listing => return Err(End::NotStreamed),
                Ok(None) | Err(_) => return Ok(End::Over),
            };
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    self.seen(listing, object.version());
                    self.found = true;
                    self.outlet.send(object.shown()).await?;
                }
                WatchEvent::Deleted(object) => {
                    self.seen(listing, object.version());
                    self.outlet.send(object.gone()).await?;
                }
                WatchEvent::Bookmark(bookmark) => {
                    let ends_list = bookmark.metadata.annotations.contains_key(END_OF_LIST);
                    listing &= !ends_list;
                    let version = bookmark.metadata.resource_version.parse().ok();
                    if let Some(version) = version {
                        self.seen(listing, version);
                    }
                    if ends_list {
                        self.list_completed(version.unwrap_or_default()).await?;
                    }
                }
                WatchEvent::Error(status) => return Err(self.refused(&status)),
            }
        }
    }

    async fn list_started(&mut self) -> Result<(), Deaf> {
        self.found = false;
        match &self.source.subject {
            Subject::Watch(watch) => self.outlet.send(Observation::ListStarted(*watch)).await,
            Subject::Named(_) => Ok(()),
        }
    }

    /// The list of a single object tells by its end that there is none.
    async fn list_completed(&self, version: u64) -> Result<(), Deaf> {
        match &self.source.subject {
            Subject::Watch(watch) => {
                self.outlet.send(Observation::ListCompleted { watch: *watch, version }).await
            }
            Subject::Named(_) if self.found => Ok(()),
            Subject::Named(named) => self.outlet.send(named.absent(version)).await,
        }
    }

    /// Nobody but the user can mend what keeps an object from being followed, so the user is told of it.
    async fn interrupted(&self, refusal: Refusal) -> Result<(), Deaf> {
        match &self.source.subject {
            Subject::Watch(Watch::Pods) => self.outlet.send(Observation::PodsUnseen(refusal)).await,
            Subject::Watch(_) => Ok(()),
            Subject::Named(named) => self.outlet.send(named.refused(refusal)).await,
        }
    }

    fn seen(&mut self, listing: bool, version: u64) {
        // During a list objects come in any order: only its end tells where it stands.
        if !listing {
            self.version = Some(version);
        }
        self.recovered();
    }

    fn passed_over(&self, reason: &str) {
        warn!("{}: an object is passed over: {reason}", self.source.label());
    }

    fn refused(&self, status: &Status) -> End {
        let listing = self.version.is_none();
        match status.code {
            410 => End::Expired,
            // A version that the server has not reached: it was set back to an older state.
            504 if !listing => End::Expired,
            // 422 where the feature is off (v1.30), 400 and the others from what stands in between.
            400 | 405 | 406 | 415 | 422 | 501 if listing => End::NotStreamed,
            401 | 403 => End::Failed(Refusal::NoRight { message: status.message.clone() }),
            _ => failed(&format_args!("{} (HTTP {})", status.message, status.code)),
        }
    }

    /// A list, page by page. Sets the version that the watch then goes on from.
    async fn list_pages(&mut self) -> Result<End, End> {
        let mut next: Option<String> = None;
        let mut first = true;
        loop {
            let request = self.source.page(next.as_deref()).map_err(|error| failed(&error))?;
            let received = match exchange(&self.client, request, PAGE_DEADLINE).await {
                Ok(received) if received.status.is_success() => received,
                Ok(received) if received.status.as_u16() == 410 => return Err(End::Expired),
                Ok(received) => return Err(End::Failed(refusal(Asked::Other, &received))),
                Err(unanswered) => return Err(failed(&unanswered)),
            };
            let page =
                Page::<K>::read(&received.body, &self.source.label()).map_err(|reason| failed(&reason))?;
            drop(received);
            if std::mem::take(&mut first) {
                self.list_started().await?;
            }
            for object in page.items.into_iter().flatten() {
                self.found = true;
                self.outlet.send(object.shown()).await?;
            }
            next = page.metadata.next.filter(|token| !token.is_empty());
            if next.is_none() {
                let version = page.metadata.resource_version.parse().map_err(|error| failed(&error))?;
                self.seen(false, version);
                self.list_completed(version).await?;
                return Ok(End::Listed);
            }
        }
    }
}

fn failed(error: &dyn std::fmt::Display) -> End {
    End::Failed(Refusal::Unknown { message: error.to_string() })
}

#[derive(Deserialize)]
#[serde(bound = "K: DeserializeOwned")]
struct Page<K> {
    metadata: PageMetadata,
    /// `null` where a list of metadata alone has nothing to show.
    items: Option<Vec<K>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    resource_version: String,
    #[serde(rename = "continue")]
    next: Option<String>,
}

impl<K: DeserializeOwned> Page<K> {
    /// Reads a page; where that fails, object by object, so that one malformed object hides no other.
    fn read(body: &[u8], what: &str) -> Result<Self, String> {
        if let Ok(page) = serde_json::from_slice(body) {
            return Ok(page);
        }
        let page: Page<serde_json::Value> =
            serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
        let items = page.items.into_iter().flatten().filter_map(|object| {
            K::deserialize(object)
                .inspect_err(|error| warn!("{what}: an object is passed over: {}", unreadable(error)))
                .ok()
        });
        Ok(Self { metadata: page.metadata, items: Some(items.collect()) })
    }
}
