//! A registry on loopback that checks the bearer tokens of one issuer.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::folder::Folder;
use crate::guarded::{Guarded, clean_command};
use crate::tools::Tools;

/// Time between two looks for the address of a registry that starts.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How a registry is to be started. It serves one `service`: each instance of a simulated cloud needs one.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// URL of the token service, as told in challenges.
    pub realm: String,
    /// Name of the registry in challenges, and audience of its tokens.
    pub service: String,
    /// Issuer of its tokens.
    pub issuer: String,
    /// The keys of the issuer: a JSON Web Key Set whose keys have ids. Tokens are signed with RS256.
    pub jwks_json: String,
    /// The folder to keep images in, which other registries may share; `None` keeps them in memory.
    pub storage: Option<PathBuf>,
    /// URL of a bucket that serves [`storage`](Self::storage), to which downloads of blobs are redirected (307).
    /// Its host is to be another name than the registry's own: clients keep their token on a redirect to
    /// another port of the same host.
    pub bucket: Option<String>,
    /// Keep the folder with the log at the end, and say where it is.
    pub keep: bool,
    /// How long the registry may take to serve.
    pub deadline: Duration,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            realm: String::new(),
            service: String::new(),
            issuer: String::new(),
            jwks_json: r#"{"keys":[]}"#.to_owned(),
            storage: None,
            bucket: None,
            keep: false,
            deadline: Duration::from_mins(1),
        }
    }
}

/// A running registry. Dropping it kills it and removes its folder.
#[derive(Debug)]
pub struct Registry {
    // Dropped in this order: the process ends before its folder goes.
    process: Guarded,
    folder: Folder,
    address: String,
}

impl Registry {
    /// Starts a registry and waits until it serves.
    pub async fn start(tools: &Tools, options: RegistryOptions) -> Result<Self, Error> {
        let mut folder = Folder::create(options.keep)?;
        let started = Self::start_in(&folder, tools, &options).await;
        if started.is_err() {
            folder.keep_logs();
        }
        started.map(|(process, address)| Self { process, folder, address })
    }

    async fn start_in(
        folder: &Folder,
        tools: &Tools,
        options: &RegistryOptions,
    ) -> Result<(Guarded, String), Error> {
        let keys = folder.path().join("jwks.json");
        std::fs::write(&keys, &options.jwks_json).map_err(Error::file("write", &keys))?;
        let address_file = folder.path().join("address");
        let mut command = clean_command(tools.registry(), folder.path());
        command.arg("-address-file").arg(&address_file).arg("-jwks").arg(&keys);
        command.args(["-realm", &options.realm, "-service", &options.service, "-issuer", &options.issuer]);
        if let Some(storage) = &options.storage {
            command.arg("-storage").arg(storage);
        }
        if let Some(bucket) = &options.bucket {
            command.arg("-bucket").arg(bucket);
        }
        let log = folder.path().join("registry.log");
        let name = format!("registry {}", options.service);
        let remove = folder.remove_when_orphaned();
        let mut process = Guarded::start_below(tools.guard(), name, &command, log, remove)?;
        let address = wait_for_address(&mut process, &address_file, options.deadline).await?;
        Ok((process, address))
    }

    /// The URL of the registry, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Address and port, as an image reference has them.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The log, with a line for each request.
    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("registry.log")
    }

    /// Kills the registry and removes its folder, unless it was to be kept.
    pub fn stop(mut self) -> Result<(), Error> {
        self.process.kill().map(drop)
    }
}

async fn wait_for_address(process: &mut Guarded, file: &Path, deadline: Duration) -> Result<String, Error> {
    let started = Instant::now();
    loop {
        if let Ok(address) = std::fs::read_to_string(file) {
            return Ok(address);
        }
        let (name, log, tail) = (process.name().to_owned(), process.log().to_owned(), process.log_tail());
        if let Some(status) = process.try_wait()? {
            return Err(Error::Died { name, status, log, tail });
        }
        if started.elapsed() > deadline {
            return Err(Error::NotReady { name, waited: deadline, last: "no address".to_owned(), log, tail });
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
