//! The component as a process of its own, with its real rights.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use acr_testbed::{Guarded, Tools};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::error::Error;
use crate::eventually;
use crate::program::Program;
use crate::stage::Stage;

/// How long the component may take to be ready, or to end, before it counts as hanging.
const READY: Duration = Duration::from_mins(2);

/// How the component is to be run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// More arguments.
    pub arguments: Vec<String>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// The root file system that the process is to have, with the program in it: its own folder and the program's path
    /// there. This machine's, where none is given. Needs root.
    pub root: Option<(PathBuf, PathBuf)>,
}

/// A running component. Dropping it kills it.
#[derive(Debug)]
pub struct Component {
    process: Guarded,
    log: PathBuf,
    /// How long the log was before this process wrote to it.
    before: u64,
}

impl Component {
    /// Starts `acr-credential-helper run` with the rights of the stage.
    ///
    /// Several components of one stage, one after the other, share a log.
    pub fn start(
        tools: &Tools,
        program: &Program,
        stage: &Stage<'_>,
        options: &RunOptions,
    ) -> Result<Self, Error> {
        let mut command = match &options.root {
            None => command(program.path(), stage),
            Some((root, program)) => {
                let mut command = command(Path::new("chroot"), stage);
                command.arg(root).arg(program);
                command
            }
        };
        command.arg("run");
        command.arg("--kubeconfig").arg(kubeconfig(stage, options)?);
        command.args(["--namespace", stage.namespace()]);
        // The log names the port that it takes.
        command.args(["--listen", "127.0.0.1:0"]);
        command.args(&options.arguments);
        command.envs(options.environment.iter().map(|(name, value)| (name, value)));
        let log = stage.control_plane().folder().join(format!("component-{}.log", stage.namespace()));
        let before = std::fs::metadata(&log).map_or(0, |log| log.len());
        let process = Guarded::start(tools, "acr-credential-helper run", &command, &log)?;
        Ok(Self { process, log, before })
    }

    /// Starts `acr-credential-helper webhook`, which has no right on anything.
    pub fn start_webhook(
        tools: &Tools,
        program: &Program,
        stage: &Stage<'_>,
        arguments: &[&str],
    ) -> Result<Self, Error> {
        let mut command = command(program.path(), stage);
        command.arg("webhook").args(arguments);
        let log = stage.control_plane().folder().join(format!("webhook-{}.log", stage.namespace()));
        let process = Guarded::start(tools, "acr-credential-helper webhook", &command, &log)?;
        Ok(Self { process, log, before: 0 })
    }

    /// Waits until `/readyz` says yes.
    pub async fn ready(&mut self) -> Result<(), Error> {
        eventually("the component is ready", READY, async || {
            self.check_alive()?;
            Ok(self.get("/readyz").await.ok().filter(|(status, _)| *status == 200).map(drop))
        })
        .await
    }

    /// Says whether it has ended by itself.
    pub fn check_alive(&mut self) -> Result<(), Error> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => {
                Err(Error::Ended { status, log: self.log.clone(), tail: self.process.log_tail() })
            }
        }
    }

    /// Asks it to end (SIGTERM), as Kubernetes does, and waits until it has.
    pub async fn terminate(mut self) -> Result<ExitStatus, Error> {
        self.process.terminate()?;
        eventually("the component has ended", READY, async || Ok(self.process.try_wait()?)).await
    }

    /// Kills it (SIGKILL).
    pub fn kill(mut self) -> Result<(), Error> {
        Ok(self.process.kill().map(drop)?)
    }

    /// Stops it in its tracks.
    pub fn pause(&mut self) -> Result<(), Error> {
        Ok(self.process.pause()?)
    }

    /// Lets it go on.
    pub fn resume(&mut self) -> Result<(), Error> {
        Ok(self.process.resume()?)
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.process.process_id()
    }

    /// Where its log is.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }

    /// All that it has logged, and those of the stage before it.
    pub fn log(&self) -> Result<String, Error> {
        let failed = |source| Error::File { action: "read", path: self.log.clone(), source };
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(failed)
    }

    /// Its metrics as text.
    pub async fn metrics(&self) -> Result<String, Error> {
        self.get("/metrics").await.map(|(_, text)| text)
    }

    /// What it says of itself under `/status`.
    pub async fn status(&self) -> Result<Value, Error> {
        let (_, text) = self.get("/status").await?;
        serde_json::from_str(&text)
            .map_err(|error| Error::Unanswered { path: "/status".to_owned(), reason: error.to_string() })
    }

    /// Where it serves its pages, as it says in its log, whatever the form of that.
    fn address(&self) -> Option<SocketAddr> {
        let log = std::fs::read(&self.log).ok()?;
        let log = log.get(usize::try_from(self.before).ok()?..)?;
        let log = String::from_utf8_lossy(log);
        // A line that is still being written may end within the number.
        let (complete, _) = log.rsplit_once('\n')?;
        let line = complete.lines().find(|line| line.contains("listening"))?;
        let (_, port) = line.split_once("127.0.0.1:")?;
        let port = port.split(|character: char| !character.is_ascii_digit()).next()?;
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().ok()?)))
    }

    /// Status and body of one of its pages.
    pub async fn get(&self, path: &str) -> Result<(u16, String), Error> {
        let failed = |reason: String| Error::Unanswered { path: path.to_owned(), reason };
        let address = self.address().ok_or_else(|| failed("it has not said where it listens".to_owned()))?;
        let request = http::Request::get(format!("http://{address}{path}"))
            .body(Empty::<Bytes>::new())
            .map_err(|error| failed(error.to_string()))?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request).await.map_err(|error| failed(error.to_string()))?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(|error| failed(error.to_string()))?;
        Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    }
}

/// Runs `acr-credential-helper uninstall` with the rights of the stage, to its end.
pub async fn uninstall(program: &Program, stage: &Stage<'_>, arguments: &[&str]) -> Result<Output, Error> {
    let mut command = command(program.path(), stage);
    command.arg("uninstall");
    command.arg("--kubeconfig").arg(stage.kubeconfig());
    command.args(["--namespace", stage.namespace()]).args(arguments).stdin(Stdio::null());
    let mut command = tokio::process::Command::from(command);
    let output = command.kill_on_drop(true).output().await;
    output.map_err(|source| Error::File { action: "run", path: program.path().to_owned(), source })
}

/// The kubeconfig of the stage, where the process can read it.
fn kubeconfig(stage: &Stage<'_>, options: &RunOptions) -> Result<PathBuf, Error> {
    const NAME: &str = "kubeconfig";
    let Some((root, _)) = &options.root else { return Ok(stage.kubeconfig().to_owned()) };
    let path = root.join(NAME);
    let copied = std::fs::copy(stage.kubeconfig(), &path);
    copied.map_err(|source| Error::File { action: "write", path, source })?;
    Ok(Path::new("/").join(NAME))
}

/// A program with nothing of this process's environment that changes what it does.
fn command(program: &Path, stage: &Stage<'_>) -> Command {
    let mut command = Command::new(program);
    for (variable, _) in std::env::vars_os() {
        if variable != "PATH" {
            command.env_remove(variable);
        }
    }
    command.env("HOME", stage.control_plane().folder());
    command
}
