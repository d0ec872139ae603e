//! The namespaces and ServiceAccounts of a measurement: made once, and brought back to where they were.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use acr_end_to_end::PULL_SECRET;
use kube::Client;
use serde_json::json;

use super::Error;
use super::exchange::{JSON_PATCH, Write, all_of};

/// What all namespaces of a measurement begin with.
pub(super) const PREFIX: &str = "team-";
/// Creations and deletions at once: more do not make the API server faster.
const IN_FLIGHT: usize = 32;
/// Time between two redraws of a line of progress.
const REDRAW_INTERVAL: Duration = Duration::from_millis(200);

/// Namespaces with the same ServiceAccounts in each.
#[derive(Clone, Debug)]
pub(super) struct Population {
    namespaces: Vec<String>,
    accounts: Vec<String>,
}

impl Population {
    pub(super) fn new(namespaces: usize, service_accounts: usize) -> Self {
        Self {
            namespaces: (0..namespaces).map(|number| format!("{PREFIX}{number:04}")).collect(),
            accounts: (0..service_accounts).map(|number| format!("sa-{number}")).collect(),
        }
    }

    pub(super) fn namespaces(&self) -> &[String] {
        &self.namespaces
    }

    pub(super) fn accounts(&self) -> &[String] {
        &self.accounts
    }

    /// ServiceAccounts in all namespaces together.
    pub(super) fn account_count(&self) -> usize {
        self.namespaces.len() * self.accounts.len()
    }

    /// Lists and Secrets: what has to be written.
    pub(super) fn writes(&self) -> usize {
        self.account_count() + self.namespaces.len()
    }

    /// Makes everything.
    pub(super) async fn create(&self, client: &Client) -> Result<(), Error> {
        let mut progress = Progress::begin("creating", self.writes());
        let jobs = self.namespaces.iter().map(async |namespace| {
            let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
            Write::create("/api/v1/namespaces".to_owned(), &body).send(client).await?;
            for account in &self.accounts {
                let body =
                    json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": account } });
                Write::create(accounts_path(namespace), &body).send(client).await?;
            }
            Ok(())
        });
        all_of(IN_FLIGHT, jobs, || progress.add(1 + self.accounts.len())).await?;
        progress.end();
        Ok(())
    }

    /// Takes the lists off and deletes the Secrets again.
    ///
    /// The same objects are used again and again, because the component lists all there are: new namespaces for
    /// every run would make each run start with a longer list than the one before.
    pub(super) async fn reset(&self, client: &Client) -> Result<(), Error> {
        let mut progress = Progress::begin("resetting", self.writes());
        let jobs = self.namespaces.iter().map(async |namespace| {
            Write::delete(secret_path(namespace, PULL_SECRET)).send(client).await?;
            for account in &self.accounts {
                // Setting it first makes the removal good for absent lists too.
                let body = br#"[{"op":"add","path":"/imagePullSecrets","value":[]},{"op":"remove","path":"/imagePullSecrets"}]"#;
                let path = format!("{}/{account}", accounts_path(namespace));
                Write::patch(path, JSON_PATCH, body.to_vec()).send(client).await?;
            }
            Ok(())
        });
        all_of(IN_FLIGHT, jobs, || progress.add(1 + self.accounts.len())).await?;
        progress.end();
        Ok(())
    }
}

pub(super) fn accounts_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/serviceaccounts")
}

pub(super) fn secret_path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets/{name}")
}

/// A line on standard error that tells how far it is.
struct Progress {
    doing: &'static str,
    done: usize,
    all: usize,
    began: Instant,
    drawn: Option<Instant>,
}

impl Progress {
    fn begin(doing: &'static str, all: usize) -> Self {
        Self { doing, done: 0, all, began: Instant::now(), drawn: None }
    }

    fn add(&mut self, count: usize) {
        self.done += count;
        let due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW_INTERVAL);
        if due && std::io::stderr().is_terminal() {
            self.drawn = Some(Instant::now());
            anstream::eprint!("\r\x1b[2K{} {} of {}", self.doing, self.done, self.all);
        }
    }

    fn end(&self) {
        let erase = if self.drawn.is_some() { "\r\x1b[2K" } else { "" };
        let seconds = self.began.elapsed().as_secs_f64();
        anstream::eprintln!("{erase}{} {} objects took {seconds:.1} s", self.doing, self.all);
    }
}
