//! Creations of ServiceAccounts, many at once, counted and timed.

use std::time::{Duration, Instant};

use acr_end_to_end::PULL_SECRET;
use futures::stream::{self, StreamExt};
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};
use http_body_util::BodyExt;
use kube::Client;
use serde_json::json;

use crate::bench::exchange::JSON;
use crate::bench::population::accounts_path;

/// What is asked of the API server.
#[derive(Clone, Debug)]
pub(super) struct Wave<'a> {
    /// Where the ServiceAccounts are made.
    pub(super) namespace: &'a str,
    /// Whether they must be created with the name of the pull secret.
    pub(super) named: bool,
    /// How many.
    pub(super) creations: usize,
    /// Requests at any time.
    pub(super) in_flight: usize,
    /// What the names begin with; no two waves of a namespace have the same.
    pub(super) prefix: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Made {
    /// Creations per second, failed ones included.
    pub(super) per_second: f64,
    /// Those that were refused, or came out without the name that they should have.
    pub(super) failures: usize,
    /// Why the first of them failed.
    pub(super) first_failure: Option<String>,
    /// Processor time of etcd and API server for each creation.
    pub(super) servers_cpu_ms: f64,
    /// Processor time of the component for each creation, whatever it had to do with it.
    pub(super) component_cpu_ms: f64,
}

impl Wave<'_> {
    pub(super) async fn send(&self, client: &Client) -> Made {
        let started = Instant::now();
        let jobs =
            (0..self.creations).map(|place| self.create(client, format!("{}-{place}", self.prefix), false));
        let failures: Vec<String> = stream::iter(jobs)
            .buffer_unordered(self.in_flight)
            .filter_map(async |outcome| outcome.err())
            .collect()
            .await;
        let seconds = started.elapsed().max(Duration::from_micros(1)).as_secs_f64();
        Made {
            per_second: f64::from(u32::try_from(self.creations).unwrap_or(u32::MAX)) / seconds,
            failures: failures.len(),
            first_failure: failures.into_iter().next(),
            servers_cpu_ms: 0.0,
            component_cpu_ms: 0.0,
        }
    }

    /// Whether one that is not stored comes out as it should.
    pub(super) async fn is_as_it_should_be(&self, client: &Client) -> Result<(), String> {
        self.create(client, "probe".to_owned(), true).await
    }

    async fn create(&self, client: &Client, name: String, dry: bool) -> Result<(), String> {
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } });
        let request = Request::post(format!(
            "{}{}",
            accounts_path(self.namespace),
            if dry { "?dryRun=All" } else { "" }
        ))
        .header(ACCEPT, JSON)
        .header(CONTENT_TYPE, JSON)
        .body(account.to_string().into_bytes().into())
        .map_err(|error| error.to_string())?;
        let answer = client.send(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        let text = String::from_utf8_lossy(&body);
        if !status.is_success() {
            Err(format!("{status}: {text}"))
        } else if text.contains(PULL_SECRET) == self.named {
            Ok(())
        } else {
            Err(format!("it came out so: {text}"))
        }
    }
}
