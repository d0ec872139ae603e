//! One step of the tests: its commands, its log, and what is shown while it runs.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::failures::{self, Failure};

use crate::output::output;

/// Lines of a log that are shown at the end.
const TAIL_LINES: usize = 40;
/// Time between two redraws of the line that shows what runs.
const REDRAW_INTERVAL: Duration = Duration::from_millis(200);
/// The longest text that fits a line of a narrow terminal without wrapping.
const LIVE_COLUMNS: usize = 78;
/// How libtest begins the line that sums up a test binary.
const TEST_RESULT: &str = "test result: ";
/// How libtest ends the line of a failed test.
const TEST_FAILED: &str = " ... FAILED";

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All of it passed.
    Passed,
    /// Something failed.
    Failed,
    /// It was not run, and why.
    LeftOut(String),
}

/// Takes in lines of standard output.
pub(super) type Listener<'a> = &'a mut dyn FnMut(&str);

/// A step that runs or has run.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) log: PathBuf,
    started: Instant,
    seconds: f64,
    /// The test binaries of this step that did not succeed.
    failures: Vec<Failure>,
}

/// A line of output, and whether it came on standard output.
type Line = (bool, String);

impl Step {
    pub(super) fn begin(name: &'static str, logs: &Path) -> Self {
        output!("==> {name}");
        Self {
            name,
            verdict: Verdict::Passed,
            log: logs.join(format!("{}.log", name.replace(' ', "-"))),
            started: Instant::now(),
            seconds: 0.0,
            failures: Vec::new(),
        }
    }

    /// A step that is not run.
    pub(super) fn left_out(name: &'static str, logs: &Path, reason: &str) -> Self {
        let step = Self { verdict: Verdict::LeftOut(reason.to_owned()), ..Self::begin(name, logs) };
        output!("    not run: {reason}");
        step
    }

    /// Runs a command and tells whether it succeeded. Its output goes to the log; its standard output to the
    /// listener, if there is one, instead.
    pub(super) fn run(&mut self, command: &mut Command, listener: Option<Listener<'_>>) -> bool {
        let outcome = self.try_run(command, listener, None);
        self.conclude(command, outcome)
    }

    /// Runs a test binary; the lines that sum it up and those of failed tests are shown as they are. What it says is remembered if it fails.
    pub(super) fn test(&mut self, title: &str, command: &mut Command) -> bool {
        output!("    {title}");
        let mut output = String::new();
        let outcome = self.try_run(command, None, Some(&mut output));
        let end = match &outcome {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!("ended with {status}")),
            Err(error) => Some(format!("could not be run: {error}")),
        };
        if let Some(end) = end {
            self.failures.push(Failure { title: title.to_owned(), end, output });
        }
        self.conclude(command, outcome)
    }

    /// Says that the step failed, and why.
    pub(super) fn fail(&mut self, reason: &str) {
        self.verdict = Verdict::Failed;
        output!("    {reason}");
        // What cannot be logged has been said.
        let _unlogged = self.log_file().and_then(|mut log| writeln!(log, "{reason}"));
    }

    pub(super) fn end(&mut self) {
        self.seconds = self.started.elapsed().as_secs_f64();
        let word = if self.verdict == Verdict::Passed { "ok" } else { "FAILED" };
        output!("    {word}, {:.1} s", self.seconds);
    }

    /// The line of the final report.
    pub(super) fn summary(&self) -> String {
        match &self.verdict {
            Verdict::Passed => format!("ok       {:<26} {:>7.1} s", self.name, self.seconds),
            Verdict::Failed => format!("FAILED   {:<26} {:>7.1} s", self.name, self.seconds),
            Verdict::LeftOut(reason) => format!("not run  {:<26} {reason}", self.name),
        }
    }

    /// The test binaries that did not succeed.
    pub(super) fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// The last lines of the log.
    pub(super) fn tail(&self) -> String {
        let content = std::fs::read(&self.log).unwrap_or_default();
        failures::tail(&String::from_utf8_lossy(&content), TAIL_LINES).join("\n")
    }

    fn log_file(&self) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(&self.log)
    }

    fn conclude(&mut self, command: &Command, outcome: io::Result<ExitStatus>) -> bool {
        match outcome {
            Ok(status) if status.success() => return true,
            Ok(_) => self.verdict = Verdict::Failed,
            Err(error) => {
                self.fail(&format!("cannot run {}: {error}", command.get_program().display()));
            }
        }
        false
    }

    fn try_run(
        &mut self,
        command: &mut Command,
        mut listener: Option<Listener<'_>>,
        mut heard: Option<&mut String>,
    ) -> io::Result<ExitStatus> {
        let mut log = self.log_file()?;
        writeln!(log, "$ {}", described(command))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let (sender, lines) = mpsc::channel();
        let readers = [
            process.stdout.take().map(|stream| forward(stream, true, sender.clone())),
            process.stderr.take().map(|stream| forward(stream, false, sender)),
        ];
        let mut bottom = Live::new(self.name);
        loop {
            match lines.recv_timeout(REDRAW_INTERVAL) {
                Ok((true, line)) if let Some(listener) = listener.as_mut() => listener(&line),
                Ok((_, line)) => {
                    writeln!(log, "{line}")?;
                    if let Some(heard) = heard.as_mut() {
                        heard.push_str(&line);
                        heard.push('\n');
                        if line.starts_with(TEST_RESULT) || line.ends_with(TEST_FAILED) {
                            bottom.erase();
                            output!("{line}");
                        }
                    }
                    bottom.show(self.started, &line);
                }
                Err(RecvTimeoutError::Timeout) => bottom.redraw(self.started),
                // Both streams have ended.
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        bottom.erase();
        for reader in readers.into_iter().flatten() {
            // A reader ends with its stream.
            let _ended = reader.join();
        }
        let status = process.wait()?;
        writeln!(log, "{status}\n")?;
        Ok(status)
    }
}

/// Sends the lines of a stream, whatever bytes they hold.
fn forward(
    stream: impl io::Read + Send + 'static,
    standard_output: bool,
    lines: mpsc::Sender<Line>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if lines.send((standard_output, line)).is_err() {
                break;
            }
        }
    })
}

fn described(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The line at the bottom of a terminal that shows what runs. Nothing where there is no terminal.
struct Live {
    on: bool,
    name: &'static str,
    last: String,
}

impl Live {
    fn new(name: &'static str) -> Self {
        Self { on: io::stdout().is_terminal(), name, last: String::new() }
    }

    fn show(&mut self, started: Instant, line: &str) {
        line.trim().clone_into(&mut self.last);
        self.redraw(started);
    }

    fn redraw(&self, started: Instant) {
        if self.on {
            let text = format!("    {}: {} s  {}", self.name, started.elapsed().as_secs(), self.last);
            let text: String = text.chars().filter(|c| !c.is_control()).take(LIVE_COLUMNS).collect();
            write(&format!("\r\x1b[2K{text}"));
        }
    }

    fn erase(&self) {
        if self.on {
            write("\r\x1b[2K");
        }
    }
}

fn write(text: &str) {
    // A closed standard output is no reason to stop a test.
    let mut stdout = io::stdout().lock();
    let _ignored = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn test_binaries_that_do_not_succeed_are_remembered_with_their_words_and_their_end() {
        let logs = tempfile::tempdir().unwrap();
        let mut step = Step::begin("some tests", logs.path());
        assert!(step.test("passes", &mut shell("echo 'test result: ok. 1 passed'")));
        assert!(!step.test("fails", &mut shell("echo told; echo complained >&2; exit 101")));
        assert!(!step.test("is killed", &mut shell("echo begun; kill -9 $$")));
        assert!(!step.test("is missing", &mut Command::new("/nowhere/program")));
        assert!(!step.run(&mut shell("echo no test; exit 1"), None));
        let failures = step.failures();
        let ends: Vec<String> =
            failures.iter().map(|failure| format!("{} {}", failure.title, failure.end)).collect();
        insta::assert_snapshot!(ends.join("\n"), @r"
        fails ended with exit status: 101
        is killed ended with signal: 9 (SIGKILL)
        is missing could not be run: No such file or directory (os error 2)
        ");
        let mut words: Vec<&str> = failures[0].output.lines().collect();
        words.sort_unstable();
        assert_eq!(words, ["complained", "told"]);
        assert_eq!(failures[1].output, "begun\n");
        assert_eq!(step.verdict, Verdict::Failed);
        assert!(step.tail().contains("no test"), "{}", step.tail());
    }
}
