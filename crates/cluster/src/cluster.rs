//! The cluster as the pump uses it: operations out, answers in.

use std::sync::{Arc, Mutex, PoisonError};

use acr_controller::observation::{Answer, Observation, Refusal};
use acr_controller::operation::Operation;
use acr_credentials::SecretData;
use http::Request;
use http::header::ACCEPT;
use jiff::Timestamp;
use kube::Client;
use tokio::sync::mpsc;

use crate::call::{OPERATION_DEADLINE, Unanswered, exchange};
use crate::event::{Events, Scene};
use crate::reply::{reply, secret_data};
use crate::request::{JSON, Times, prepare};
use crate::trial;
use crate::watch::{self, References, Watches};

/// Who this process is in the cluster.
#[derive(Clone, Debug)]
pub struct Ourselves {
    /// The namespace of the component: ConfigMap, journal, Lease and ServiceAccount live there.
    pub namespace: String,
    /// The holder name in the Lease, which Events name as their reporting instance.
    pub identity: String,
}

/// A connection to one cluster. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    ourselves: Ourselves,
    events: Events,
    /// What the API needs and the machine does not: PUT replaces the whole Lease, its `acquireTime` included.
    acquired: Mutex<Option<String>>,
    config_map_uid: ConfigMapUid,
}

/// The uid of the ConfigMap, put by its watch and read by Events.
pub(crate) type ConfigMapUid = Arc<Mutex<Option<String>>>;

impl Cluster {
    /// A cluster that is reached by `client`.
    pub fn new(client: Client, ourselves: Ourselves) -> Self {
        let inner = Inner {
            client,
            ourselves,
            events: Events::default(),
            acquired: Mutex::default(),
            config_map_uid: ConfigMapUid::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.inner.client
    }

    pub(crate) fn own_namespace(&self) -> &str {
        &self.inner.ourselves.namespace
    }

    /// Starts the four watches, which send what they see to `observations` until [`Watches`] is dropped.
    pub fn watch(&self, observations: &mpsc::Sender<Observation>) -> Watches {
        let inner = &self.inner;
        watch::start(&inner.client, &inner.ourselves.namespace, &inner.config_map_uid, observations)
    }

    /// Follows objects by their names, and sends what it sees to `observations`.
    pub fn references(&self, observations: &mpsc::Sender<Observation>) -> References {
        References::new(&self.inner.client, self.own_namespace(), &self.inner.config_map_uid, observations)
    }

    /// Carries `operation` out: one request, or two for an Event that was there, or some that only read. Ends within the time that the
    /// Lease leaves (5 s).
    ///
    /// What is asked of the cloud or read from files is not for the API server and is answered by `Refused`.
    pub async fn carry_out(&self, operation: Operation) -> Answer {
        let inner = &*self.inner;
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        if let Operation::Report(report) = &operation {
            let uid = locked(&inner.config_map_uid).clone();
            let scene = Scene {
                own: &inner.ourselves.namespace,
                identity: &inner.ourselves.identity,
                config_map_uid: uid.as_deref(),
                now: &now,
            };
            return inner.events.write(&inner.client, report, &scene).await;
        }
        match &operation {
            Operation::ReadServer => return trial::read_server(&inner.client).await,
            Operation::TryPolicy { namespace, service_account, fingerprint } => {
                return trial::try_policy(&inner.client, namespace, service_account, fingerprint).await;
            }
            _ => {}
        }
        let acquired = match &operation {
            Operation::WriteLease(write) => inner.acquired_by(write.acquired, write.holder.is_some(), &now),
            _ => None,
        };
        let times = Times { now: &now, acquired: acquired.as_deref() };
        let prepared = prepare(&operation, &inner.ourselves.namespace, &times);
        // Payloads are wiped as soon as they are in the request.
        drop(operation);
        let prepared = match prepared {
            Some(Ok(prepared)) => prepared,
            Some(Err(error)) => return unknown(error.to_string()),
            None => return unknown("not an operation of the API server".to_owned()),
        };
        match exchange(&inner.client, prepared.request, OPERATION_DEADLINE).await {
            Ok(received) => reply(prepared.shape, prepared.asked, &received),
            Err(Unanswered(message)) => unknown(message),
        }
    }

    /// The fingerprint of the parameters that stand for the mutating policy: empty where they have none, `None` where there
    /// are no parameters. Ends within a second.
    pub async fn written_fingerprint(&self) -> Result<Option<String>, Refusal> {
        trial::written_fingerprint(&self.inner.client, self.own_namespace()).await
    }

    /// The data of a Secret in our own namespace; `None` where there is none. Ends within the time that the Lease leaves.
    pub async fn read_secret(&self, name: &str) -> Result<Option<SecretData>, Refusal> {
        let inner = &*self.inner;
        let uri = format!("/api/v1/namespaces/{}/secrets/{name}", inner.ourselves.namespace);
        let request = Request::get(uri).header(ACCEPT, JSON).body(Vec::new());
        let unknown = |message: String| Refusal::Unknown { message };
        let request = request.map_err(|error| unknown(error.to_string()))?;
        match exchange(&inner.client, request, OPERATION_DEADLINE).await {
            Ok(received) => secret_data(&received),
            Err(Unanswered(message)) => Err(unknown(message)),
        }
    }
}

impl Inner {
    /// The `acquireTime` of a Lease that is about to be written.
    fn acquired_by(&self, acquired: bool, held: bool, now: &str) -> Option<String> {
        let mut kept = locked(&self.acquired);
        if acquired {
            *kept = Some(now.to_owned());
        }
        if !held {
            *kept = None;
        }
        kept.clone()
    }
}

fn unknown(message: String) -> Answer {
    Answer::Refused(Refusal::Unknown { message })
}

/// Each change of these is a single assignment: a panic cannot leave half of one.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
