//! One run of the component, or of the bare writer, from the start of its process.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use acr_end_to_end::{Component, RunOptions};
use acr_simulator::Product;
use acr_testbed::{Guarded, Part};

use super::Error;
use super::calls::{Calls, disturbances};
use super::process::{Usage, load};
use super::site::{Site, Worker};
use super::writer;

/// Time for the API server to become quiet before a run.
const REST: Duration = Duration::from_secs(1);
/// Time after the last write in which a component may still finish its books, before it has to be idle.
const SETTLE: Duration = Duration::from_secs(2);
/// The call that is a login.
const LOGIN: &str = "GetAuthorizationToken";

/// A run of the component.
#[derive(Clone, Debug)]
pub(super) struct ComponentRun {
    /// From its start until the observer saw the last list and the last Secret.
    pub(super) seconds: f64,
    /// Its processor time until then, and its most memory until its end.
    pub(super) usage: Usage,
    /// Processor time of the servers until then.
    pub(super) servers_cpu_seconds: f64,
    /// What it asked of the API server.
    pub(super) calls: Calls,
    /// How many logins it asked of the cloud.
    pub(super) logins: usize,
    /// What it did in the idle time and should not have done.
    pub(super) disturbances: Vec<String>,
    /// The load of the machine before it.
    pub(super) load: Option<f64>,
}

/// A run of the bare writer.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriterRun {
    /// From its start until the observer saw the last list and the last Secret.
    pub(super) seconds: f64,
    /// What it used.
    pub(super) usage: Usage,
    /// Processor time of the servers until then.
    pub(super) servers_cpu_seconds: f64,
    /// The load of the machine before it.
    pub(super) load: Option<f64>,
}

impl Site<'_> {
    /// Runs the component from nothing, and lets it be idle for a while when everything is written.
    pub(super) async fn run_component(&mut self, idle: Option<Duration>) -> Result<ComponentRun, Error> {
        self.reset().await?;
        tokio::time::sleep(REST).await;
        self.stage.cloud().cloud().clear_calls();
        let mark = self.stage.control_plane().audit_mark()?;
        let load = load();
        let servers_before = self.servers_cpu_seconds()?;

        let started = Instant::now();
        let mut component = Component::start(self.tools, &self.program, &self.stage, &RunOptions::default())?;
        let log = component.log_path().to_owned();
        let worker = Worker { name: "the component", log: &log };
        let seen = self.written(&worker, || Ok(component.check_alive()?)).await?;
        let at_last_write = Usage::of(component.process_id())?;
        let servers_cpu_seconds = self.servers_cpu_seconds()? - servers_before;

        tokio::time::sleep(SETTLE).await;
        let calls = Calls::count(&self.requests_since(mark)?);
        let logins = self.cloud_calls().get(LOGIN).copied().unwrap_or(0);
        let disturbances = match idle {
            Some(idle) => self.idle(idle).await?,
            None => Vec::new(),
        };
        component.check_alive()?;
        let peak_rss_kib = Usage::of(component.process_id())?.peak_rss_kib;
        component.terminate().await?;
        self.check().await?;
        Ok(ComponentRun {
            seconds: seen.at.saturating_duration_since(started).as_secs_f64(),
            usage: Usage { peak_rss_kib, ..at_last_write },
            servers_cpu_seconds,
            calls,
            logins,
            disturbances,
            load,
        })
    }

    /// What is asked of API server and cloud in this time and should not be.
    async fn idle(&self, time: Duration) -> Result<Vec<String>, Error> {
        let mark = self.stage.control_plane().audit_mark()?;
        self.stage.cloud().cloud().clear_calls();
        tokio::time::sleep(time).await;
        let mut found = disturbances(&self.requests_since(mark)?);
        found.extend(self.cloud_calls().into_iter().map(|(action, count)| format!("{count} x {action}")));
        Ok(found)
    }

    /// What etcd, API server and controller manager have used so far.
    fn servers_cpu_seconds(&self) -> Result<f64, Error> {
        let control_plane = self.stage.control_plane();
        let servers = [Part::Etcd, Part::ApiServer, Part::ControllerManager];
        let used = servers.into_iter().filter_map(|part| control_plane.process_id(part)).map(Usage::of);
        used.map(|usage| usage.map(|usage| usage.cpu_seconds)).sum()
    }

    fn cloud_calls(&self) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        for product in [Product::Sts, Product::Cr, Product::Metadata] {
            for action in self.stage.cloud_calls(product) {
                *calls.entry(action).or_default() += 1;
            }
        }
        calls
    }

    /// Runs the bare writer from nothing. A component must have run before, to show what is to be written.
    pub(super) async fn run_writer(&mut self, in_flight: usize) -> Result<WriterRun, Error> {
        self.reset().await?;
        tokio::time::sleep(REST).await;
        let load = load();
        // A log of its own, whose last line is about this run.
        let log = self
            .template
            .with_file_name(format!("bare-writer-{}.log", jiff::Timestamp::now().as_millisecond()));
        let command = self.writer_command(in_flight)?;
        let servers_before = self.servers_cpu_seconds()?;

        let started = Instant::now();
        let mut process = Guarded::start(self.tools, "the bare writer", &command, &log)?;
        let worker = Worker { name: "the bare writer", log: &log };
        let seen = self
            .written(&worker, || match process.try_wait()? {
                Some(status) if !status.success() => Err(broken(&log, &status.to_string())),
                _ => Ok(()),
            })
            .await?;
        let servers_cpu_seconds = self.servers_cpu_seconds()? - servers_before;
        process.wait().await?;
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let usage = writer::usage(&text).ok_or_else(|| broken(&log, "it does not say what it used"))?;
        self.check().await?;
        let seconds = seen.at.saturating_duration_since(started).as_secs_f64();
        Ok(WriterRun { seconds, usage, servers_cpu_seconds, load })
    }

    fn writer_command(&self, in_flight: usize) -> Result<Command, Error> {
        let ourselves = std::env::current_exe().map_err(|source| Error::File {
            action: "find",
            path: "/proc/self/exe".into(),
            source,
        })?;
        let mut command = Command::new(ourselves);
        command.args(["bench", "bare-writer", "--kubeconfig"]).arg(self.stage.kubeconfig());
        command.arg("--secret").arg(&self.template);
        command.args(["--namespaces", &self.population.namespaces().len().to_string()]);
        command.args(["--service-accounts", &self.population.accounts().len().to_string()]);
        command.args(["--in-flight", &in_flight.to_string()]);
        Ok(command)
    }
}

fn broken(log: &Path, reason: &str) -> Error {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    Error::Process { who: "the bare writer", reason: format!("{reason}\n{}", text.trim_end()) }
}
