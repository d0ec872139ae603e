//! A stand-in for the component that this one replaces, and a witness who looks at every version of a pull secret.
//!
//! The stand-in does what is known of the original, in the way that is worst for whoever comes beside it: one Secret per
//! namespace with all its hosts, under a field manager of its own, written again as soon as it is not as it was left;
//! and the list of the ServiceAccount overwritten.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use acr_credentials::Login;
use acr_end_to_end::{ACME, Images, PULL_SECRET, secret_login};
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::scene::Scene;

/// Its field manager.
pub(crate) const MANAGER: &str = "the-original";
/// Between two of its looks.
const LOOK: Duration = Duration::from_millis(50);

/// A running stand-in. Dropping it ends it, and leaves what it has written.
pub(crate) struct Original {
    task: JoinHandle<()>,
}

impl Original {
    /// Starts one that serves a namespace with a login of its own.
    pub(crate) async fn start(scene: &Scene<'_>, images: &Images, space: &str) -> Self {
        let login = images.builders_login(&scene.stage).await.unwrap();
        let (secrets, accounts) = (scene.stage.secrets(space), scene.stage.accounts(space));
        let task = tokio::spawn(async move {
            let document = document(&login);
            loop {
                // What it is refused, it tries again.
                let _ = look(&secrets, &accounts, &document).await;
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { task }
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look(secrets: &Api<Secret>, accounts: &Api<ServiceAccount>, document: &str) -> kube::Result<()> {
    let wanted = json!({ "metadata": { "name": PULL_SECRET }, "type": "kubernetes.io/dockerconfigjson",
        "stringData": { ".dockerconfigjson": document } });
    let wanted: Secret = serde_json::from_value(wanted).map_err(kube::Error::SerdeError)?;
    let manager = Some(MANAGER.to_owned());
    match secrets.get_opt(PULL_SECRET).await? {
        None => {
            let parameters = PostParams { field_manager: manager.clone(), ..PostParams::default() };
            secrets.create(&parameters, &wanted).await?;
        }
        Some(mut found) => {
            let data = found.data.get_or_insert_default().get(".dockerconfigjson");
            if data.is_none_or(|data| data.0 != document.as_bytes()) {
                // All else of the object as it was found, as client-go's Update does.
                found.string_data = wanted.string_data;
                found.metadata.managed_fields = None;
                let parameters = PostParams { field_manager: manager.clone(), ..PostParams::default() };
                secrets.replace(PULL_SECRET, &parameters, &found).await?;
            }
        }
    }
    let list = json!([{ "name": PULL_SECRET }]);
    let account = accounts.get("default").await?;
    if serde_json::to_value(&account.image_pull_secrets).map_err(kube::Error::SerdeError)? != list {
        let parameters = PatchParams { field_manager: manager, ..PatchParams::default() };
        let overwrite = Patch::Merge(json!({ "imagePullSecrets": list }));
        accounts.patch("default", &parameters, &overwrite).await?;
    }
    Ok(())
}

/// A docker config with the login for the public and the VPC domain.
fn document(login: &Login) -> String {
    use base64::Engine;
    let password = login.password.expose_secret();
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{}:{password}", login.username));
    let entry = json!({ "username": login.username, "password": password, "email": "", "auth": auth });
    let hosts = ACME.hosts.iter().filter(|host| host.ends_with(".aliyuncs.com"));
    let entries = hosts.map(|host| ((*host).to_owned(), entry.clone()));
    json!({ "auths": entries.collect::<serde_json::Map<String, Value>>() }).to_string()
}

/// Somebody who has seen every version of the pull secret of a namespace, and pulled with each.
pub(crate) struct Witness {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    uids: Vec<String>,
    versions: usize,
    bad: Vec<String>,
}

impl Witness {
    /// Looks from now on; the Secret is there. The image is `team/app:v1` of [`ACME`].
    pub(crate) async fn of(scene: &Scene<'_>, images: Arc<Images>, space: &str) -> Self {
        let secrets = scene.stage.secrets(space);
        let first = secrets.get(PULL_SECRET).await.unwrap();
        let seen = Arc::new(Mutex::new(Seen { uids: vec![first.uid().unwrap()], ..Seen::default() }));
        let (notes, space) = (seen.clone(), space.to_owned());
        let task = tokio::spawn(async move {
            let only = WatchParams::default().fields(&format!("metadata.name={PULL_SECRET}")).timeout(290);
            let events = secrets.watch(&only, &first.resource_version().unwrap()).await;
            let bad = |text: String| notes.lock().unwrap().bad.push(text);
            let Ok(mut events) = events.map(Box::pin) else { return bad("no watch".to_owned()) };
            loop {
                match events.try_next().await {
                    Ok(Some(WatchEvent::Added(secret) | WatchEvent::Modified(secret))) => {
                        let pulled = pull(&images, &space, &secret).await;
                        let mut notes = notes.lock().unwrap();
                        notes.versions += 1;
                        let uid = secret.uid().unwrap_or_default();
                        if !notes.uids.contains(&uid) {
                            notes.uids.push(uid);
                        }
                        notes.bad.extend(pulled.err());
                    }
                    Ok(Some(WatchEvent::Bookmark(_))) => {}
                    Ok(Some(WatchEvent::Deleted(_))) => bad("the Secret was deleted".to_owned()),
                    other => return bad(format!("the watch has ended: {other:?}")),
                }
            }
        });
        Self { seen, task }
    }

    /// How many versions there were until now.
    pub(crate) fn versions(&self) -> usize {
        self.seen.lock().unwrap().versions
    }

    /// It was always there, always the same, and never without a login that pulls.
    pub(crate) fn swears(&self) {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.bad, Vec::<String>::new());
        assert_eq!(seen.uids.len(), 1, "{:?}", seen.uids);
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pull(images: &Images, space: &str, secret: &Secret) -> Result<(), String> {
    let login = secret_login(space, secret, ACME.public_host).map_err(|error| error.to_string())?;
    let login = login.ok_or("no login")?;
    let pulled = images.pull(ACME.public_host, "team/app", "v1", Some(&login)).await;
    pulled.map_err(|error| error.to_string())?.map(drop).map_err(|failure| failure.to_string())
}
