//! A command that runs below the guard and cannot outlive this process.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::error::Error;
use crate::tools::Tools;

/// Lines of a log that an error shows.
const TAIL_LINES: usize = 20;
/// Time between two looks at a command that is waited for.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A running command. Dropping it kills the command with everything that it started.
///
/// The exit code is the one of the command, or 128 + N when signal N ended it.
#[derive(Debug)]
pub struct Guarded {
    name: String,
    guard: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    process_id: u32,
    log: PathBuf,
}

impl Guarded {
    /// Starts `command` with standard output and standard error appended to `log`. Program, arguments,
    /// working folder, and the variables that it sets or removes are taken from `command`; its standard
    /// streams and a cleared environment are not.
    ///
    /// `name` is what errors call it.
    pub fn start(
        tools: &Tools,
        name: impl Into<String>,
        command: &Command,
        log: impl Into<PathBuf>,
    ) -> Result<Self, Error> {
        Self::start_below(tools.guard(), name.into(), command, log.into(), None)
    }

    /// Starts it below the program `guard`, which removes the folder `remove` when this process is gone.
    pub(crate) fn start_below(
        guard: &Path,
        name: String,
        command: &Command,
        log: PathBuf,
        remove: Option<&Path>,
    ) -> Result<Self, Error> {
        let mut guard = Command::new(guard);
        if let Some(folder) = remove {
            guard.arg("-remove").arg(folder);
        }
        Self::start_by(guard, name, command, log)
    }

    /// Starts it as the first process of a process namespace, with a mount namespace, and with control groups of its
    /// own that go with it.
    pub(crate) fn start_isolated(
        guard: &Path,
        name: String,
        command: &Command,
        log: PathBuf,
        remove: Option<&Path>,
        control_group: &str,
    ) -> Result<Self, Error> {
        let mut guard = Command::new(guard);
        guard.args(["-isolate", "-cgroup", control_group]);
        if let Some(folder) = remove {
            guard.arg("-remove").arg(folder);
        }
        Self::start_by(guard, name, command, log)
    }

    fn start_by(mut guarded: Command, name: String, command: &Command, log: PathBuf) -> Result<Self, Error> {
        let log_file =
            OpenOptions::new().create(true).append(true).open(&log).map_err(Error::file("open", &log))?;
        guarded.arg("--").arg(command.get_program()).args(command.get_args());
        for (variable, value) in command.get_envs() {
            match value {
                Some(value) => guarded.env(variable, value),
                None => guarded.env_remove(variable),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            guarded.current_dir(folder);
        }
        // A group of its own keeps Ctrl-C at the terminal away from the guard, see the crate's documentation.
        guarded.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log_file).process_group(0);

        let cannot_start = |reason: String| Error::Start { name: name.clone(), reason };
        let mut guard = guarded.spawn().map_err(|error| cannot_start(error.to_string()))?;
        let (orders, answers) = (guard.stdin.take(), guard.stdout.take());
        let Some(answers) = answers else { return Err(cannot_start("no pipe to its guard".to_owned())) };
        let mut started = Self { name, guard, orders, answers: BufReader::new(answers), process_id: 0, log };

        let first_line = started.read_answer()?;
        started.process_id = first_line.parse().map_err(|_| Error::Start {
            name: started.name.clone(),
            reason: last_lines(&started.log, TAIL_LINES),
        })?;
        Ok(started)
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id of the command itself, for reading `/proc`.
    pub fn process_id(&self) -> u32 {
        self.process_id
    }

    /// The file that takes its standard output and standard error.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        last_lines(&self.log, TAIL_LINES)
    }

    /// How it ended, or `None` while it runs.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.guard.try_wait().map_err(|error| self.cannot("wait for", &error.to_string()))
    }

    /// Waits until it ends by itself.
    pub async fn wait(&mut self) -> Result<ExitStatus, Error> {
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Stops it in its tracks (SIGSTOP) and returns when it stands still: its connections stay open and nothing
    /// answers.
    pub fn pause(&mut self) -> Result<(), Error> {
        self.order("pause")
    }

    /// Lets it go on after [`pause`](Self::pause) (SIGCONT).
    pub fn resume(&mut self) -> Result<(), Error> {
        self.order("resume")
    }

    /// Asks it to end by itself (SIGTERM); [`wait`](Self::wait) tells when it did.
    pub fn terminate(&mut self) -> Result<(), Error> {
        self.order("terminate")
    }

    /// Kills it (SIGKILL) with everything that it started, and returns when it is gone.
    pub fn kill(&mut self) -> Result<ExitStatus, Error> {
        if let Some(orders) = self.orders.as_mut() {
            // A guard that ended already cannot read the order and does not need it.
            let _gone = orders.write_all(b"kill\n");
        }
        // The end of the pipe kills as well, should the order have been lost.
        self.orders = None;
        self.guard.wait().map_err(|error| self.cannot("kill", &error.to_string()))
    }

    fn order(&mut self, order: &'static str) -> Result<(), Error> {
        let written = match self.orders.as_mut() {
            Some(orders) => writeln!(orders, "{order}"),
            None => return Err(self.cannot(order, "it was killed")),
        };
        if let Err(error) = written {
            return Err(self.cannot(order, &error.to_string()));
        }
        match self.read_answer()? {
            answer if answer.starts_with("done") => Ok(()),
            answer if answer.is_empty() => Err(self.cannot(order, "it has ended")),
            answer => Err(self.cannot(order, &answer)),
        }
    }

    fn read_answer(&mut self) -> Result<String, Error> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(self.cannot("hear from", &error.to_string())),
        }
    }

    fn cannot(&self, order: &'static str, reason: &str) -> Error {
        Error::Order { name: self.name.clone(), order, reason: reason.to_owned() }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _best_effort = self.kill();
    }
}

/// The last `count` lines of a file, or why it cannot be read.
pub(crate) fn last_lines(path: &Path, count: usize) -> String {
    match std::fs::read(path) {
        Ok(content) => {
            let text = String::from_utf8_lossy(&content);
            let lines: Vec<&str> = text.lines().collect();
            lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
        }
        Err(error) => format!("(unreadable: {error})"),
    }
}

/// A command with nothing of this process's environment but what a server needs to find its own things, so
/// that a variable of the user cannot change how it behaves.
pub(crate) fn clean_command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    for (variable, _) in std::env::vars_os() {
        if variable != "PATH" {
            command.env_remove(variable);
        }
    }
    command.env("HOME", home);
    command
}
