//! The bare writer: the final objects and nothing else, as fast as the component's own client can write them.
//!
//! It knows everything beforehand, reads nothing, guards nothing and decides nothing. What it takes is the floor.

use std::path::{Path, PathBuf};

use acr_cluster::{Access, connect};
use acr_end_to_end::PULL_SECRET;
use kube::Client;
use serde_json::Value;

use super::Error;
use super::exchange::{APPLY, JSON_PATCH, Write, all_of};
use super::population::{Population, accounts_path, secret_path};
use super::process::Usage;
use crate::Outcome;
use crate::output::output;

/// The field manager: the component's, so that the objects come out the same.
const FIELD_MANAGER: &str = "acr-credential-helper";

/// Write the final objects and nothing else
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    kubeconfig: PathBuf,
    #[arg(long)]
    namespaces: usize,
    #[arg(long)]
    service_accounts: usize,
    /// The Secret to apply in every namespace, a file with JSON
    #[arg(long)]
    secret: PathBuf,
    #[arg(long)]
    in_flight: usize,
}

/// Writes, and prints what that has used as JSON.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    // One thread: the less of the two processors it needs, the more is left for the API server.
    let written = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(write(&arguments))?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    });
    written.await?.map_err(|error| error.to_string())?;
    output!("{}", serde_json::to_string(&Usage::own()?)?);
    Ok(std::process::ExitCode::SUCCESS)
}

async fn write(arguments: &Arguments) -> Result<(), Error> {
    acr_testbed::install_tls_provider();
    let access = Access { kubeconfig: Some(arguments.kubeconfig.clone()), context: None };
    let client = connect(&access).await?;
    let secret = std::fs::read(&arguments.secret).map_err(unreadable(&arguments.secret))?;
    let population = Population::new(arguments.namespaces, arguments.service_accounts);
    // Namespace after namespace, so that no two writes meet in one object.
    let writes = population.namespaces().iter().flat_map(|namespace| {
        let attaches = population.accounts().iter().map(move |account| attach(namespace, account));
        std::iter::once(apply(namespace, &secret)).chain(attaches)
    });
    let client: &Client = &client;
    all_of(arguments.in_flight, writes.map(|write| write.send(client)), || ()).await
}

fn apply(namespace: &str, secret: &[u8]) -> Write {
    let path = format!("{}?fieldManager={FIELD_MANAGER}&force=false", secret_path(namespace, PULL_SECRET));
    Write::patch(path, APPLY, secret.to_vec())
}

fn attach(namespace: &str, account: &str) -> Write {
    let path = format!("{}/{account}?fieldManager={FIELD_MANAGER}", accounts_path(namespace));
    let body = format!(r#"[{{"op":"add","path":"/imagePullSecrets","value":[{{"name":"{PULL_SECRET}"}}]}}]"#);
    Write::patch(path, JSON_PATCH, body.into_bytes())
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::File { action: "read", path: path.to_owned(), source }
}

/// The body of an apply that makes a Secret like `secret`, without what the API server or a namespace adds.
pub(super) fn template(secret: &Value) -> Value {
    let metadata = |field: &str| secret.pointer(&format!("/metadata/{field}")).cloned().unwrap_or_default();
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": PULL_SECRET, "labels": metadata("labels"), "annotations": metadata("annotations") },
        "type": secret.get("type"),
        "data": secret.get("data"),
    })
}

/// What a writer that has ended says that it has used: the last line of its log.
pub(super) fn usage(log: &str) -> Option<Usage> {
    serde_json::from_str(log.lines().last()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_holds_what_is_written_and_nothing_of_the_server() {
        let secret = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {
                "name": PULL_SECRET, "namespace": "team-0000", "uid": "u", "resourceVersion": "7",
                "labels": { "l": "1" }, "annotations": { "a": "2" }, "managedFields": [],
            },
            "data": { ".dockerconfigjson": "e30=" },
        });
        insta::assert_snapshot!(template(&secret), @r#"{"apiVersion":"v1","data":{".dockerconfigjson":"e30="},"kind":"Secret","metadata":{"annotations":{"a":"2"},"labels":{"l":"1"},"name":"acr-credential-secret-aggregation"},"type":"kubernetes.io/dockerconfigjson"}"#);
    }

    #[test]
    fn the_last_line_of_a_log_tells_what_was_used() {
        assert_eq!(usage(""), None);
        assert_eq!(usage("error: no"), None);
        let used = Usage { peak_rss_kib: 10, cpu_seconds: 0.5 };
        assert_eq!(usage(&format!("noise\n{}\n", serde_json::to_string(&used).unwrap())), Some(used));
    }
}
