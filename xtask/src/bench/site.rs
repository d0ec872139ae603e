//! Where it is measured: servers, objects to be served, and the observer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use acr_end_to_end::{ACME, PULL_SECRET, Program, SERVICE_ACCOUNT, Stage};
use acr_testbed::{AuditEvent, ControlPlane, Part, Tools};
use kube::Client;
use serde::Deserialize;
use serde_json::Value;

use super::Error;
use super::calls::{JOURNAL, LEASE};
use super::exchange::{Write, read};
use super::observer::{Observer, Seen};
use super::population::{Population, secret_path};
use super::writer;

/// The component's own namespace.
const NAMESPACE: &str = "kube-system";
/// How long anything may take beside [`PATIENCE_PER_WRITE`].
const PATIENCE: Duration = Duration::from_mins(1);
/// Ten times what a write takes on a small machine.
const PATIENCE_PER_WRITE: Duration = Duration::from_millis(10);
/// Time between two looks whether a process that is waited for has ended.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two looks whether all namespaces are furnished.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Servers and objects for a number of runs, one after the other.
pub(super) struct Site<'a> {
    pub(super) tools: &'a Tools,
    pub(super) stage: Stage<'a>,
    pub(super) program: Program,
    pub(super) population: Population,
    /// The Secret that the bare writer applies, once a component has shown what it looks like.
    pub(super) template: PathBuf,
    observer: Observer,
}

/// Who is at work while the observer is waited for.
pub(super) struct Worker<'a> {
    pub(super) name: &'static str,
    pub(super) log: &'a Path,
}

impl<'a> Site<'a> {
    /// Makes all objects and the configuration that serves them.
    pub(super) async fn prepare(
        tools: &'a Tools,
        control_plane: &'a ControlPlane,
        population: Population,
    ) -> Result<Self, Error> {
        let program = Program::ensure().await?;
        let stage = Stage::set(control_plane, NAMESPACE).await?;
        population.create(stage.client()).await?;
        configure(&stage, &population).await?;
        let observer = Observer::start(stage.client());
        let template = control_plane.folder().join("bare-writer-secret.json");
        let mut site = Self { tools, stage, program, population, template, observer };
        site.furnished().await?;
        Ok(site)
    }

    /// Waits until Kubernetes has put into each new namespace what it puts there.
    async fn furnished(&mut self) -> Result<(), Error> {
        let log = self.stage.control_plane().log_path(Part::ControllerManager);
        let worker = Worker { name: "kube-controller-manager", log: &log };
        let namespaces = self.population.namespaces().len();
        let accounts = self.population.account_count() + namespaces;
        self.wait(&worker, |seen| seen.accounts == accounts, || Ok(())).await?;
        let certificates = "/api/v1/configmaps?fieldSelector=metadata.name%3Dkube-root-ca.crt";
        loop {
            let list: List<Value> = read(self.stage.client(), certificates).await?;
            // There are more namespaces than ours.
            if list.items.len() > namespaces {
                return Ok(());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Brings all objects back to where they were before a run.
    pub(super) async fn reset(&mut self) -> Result<(), Error> {
        let client = self.client().clone();
        self.population.reset(&client).await?;
        Write::delete(secret_path(NAMESPACE, JOURNAL)).send(&client).await?;
        let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{LEASE}");
        Write::delete(leases).send(&client).await?;
        let log = self.stage.control_plane().log_path(Part::ApiServer);
        let worker = Worker { name: "kube-apiserver", log: &log };
        self.wait(&worker, |seen| seen.listed == 0 && seen.secrets == 0, || Ok(())).await?;
        Ok(())
    }

    /// Waits until the observer has seen everything written, as long as `alive` does not say that nothing will come.
    pub(super) async fn written(
        &mut self,
        worker: &Worker<'_>,
        alive: impl FnMut() -> Result<(), Error>,
    ) -> Result<Seen, Error> {
        let (accounts, namespaces) = (self.population.account_count(), self.population.namespaces().len());
        self.wait(worker, |seen| seen.attached == accounts && seen.secrets == namespaces, alive).await
    }

    async fn wait(
        &mut self,
        worker: &Worker<'_>,
        enough: impl Fn(&Seen) -> bool,
        mut alive: impl FnMut() -> Result<(), Error>,
    ) -> Result<Seen, Error> {
        let writes = u32::try_from(self.population.writes()).unwrap_or(u32::MAX);
        let patience = PATIENCE.saturating_add(PATIENCE_PER_WRITE.saturating_mul(writes));
        let started = std::time::Instant::now();
        loop {
            let (seen, found) = self.observer.wait(LOOK_INTERVAL, &enough).await?;
            if found {
                return Ok(seen);
            }
            alive()?;
            if started.elapsed() > patience {
                return Err(Error::NotInTime {
                    seconds: patience.as_secs(),
                    seen: seen.to_string(),
                    who: worker.name,
                    log: worker.log.to_owned(),
                    tail: tail(worker.log),
                });
            }
        }
    }

    /// Looks at all pull secrets: the same bytes everywhere, with the hosts of the entry. The first time, the bare
    /// writer learns from them what to write.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let path = format!("/api/v1/secrets?fieldSelector=metadata.name%3D{PULL_SECRET}");
        let list: List<Value> = read(self.client(), &path).await?;
        let wanted = self.population.namespaces();
        let Some(first) = list.items.first().filter(|_| list.items.len() == wanted.len()) else {
            let message = format!("{} pull secrets instead of {}", list.items.len(), wanted.len());
            return Err(Error::WrongObjects(message));
        };
        if let Some(other) = list.items.iter().find(|secret| secret.get("data") != first.get("data")) {
            let name = other.pointer("/metadata/namespace").map(ToString::to_string).unwrap_or_default();
            return Err(Error::WrongObjects(format!(
                "the pull secret of {name} differs from that of another"
            )));
        }
        if let Some(namespace) = wanted.first() {
            let hosts = self.stage.served(namespace).await?.map(|served| served.hosts).unwrap_or_default();
            if hosts != ACME.hosts {
                return Err(Error::WrongObjects(format!("the pull secrets hold the hosts {hosts:?}")));
            }
        }
        if !self.template.exists() {
            let text = writer::template(first).to_string();
            std::fs::write(&self.template, text).map_err(|source| Error::File {
                action: "write",
                path: self.template.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// A client that may do everything.
    pub(super) fn client(&self) -> &Client {
        self.stage.client()
    }

    /// Requests with the component's token since a mark in the audit log.
    pub(super) fn requests_since(&self, mark: u64) -> Result<Vec<AuditEvent>, Error> {
        let user = format!("system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}");
        let mut events = self.stage.control_plane().audit_events_since(mark)?;
        events.retain(|event| event.user == user);
        Ok(events)
    }
}

/// All namespaces by name, as in a cluster where somebody keeps a list, and one entry with its keys in it.
async fn configure(stage: &Stage<'_>, population: &Population) -> Result<(), Error> {
    let entry = format!(
        "- instanceId: {}\n  regionId: {}\n  customAccessKey: LTAI5tPuller\n  \
         customAccessKeySecret: marker-puller-secret\n",
        ACME.id, ACME.region
    );
    let (namespaces, accounts) = (population.namespaces().join(","), population.accounts().join(","));
    let keys =
        [("acr-registry-info", &*entry), ("watch-namespace", &namespaces), ("service-account", &accounts)];
    Ok(stage.configure(&keys).await?)
}

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

/// The end of a log.
fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
}
