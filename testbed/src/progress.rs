//! Progress of a long build, told on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two lines where there is no terminal to keep one line up to date.
const LINE_INTERVAL: Duration = Duration::from_secs(15);
/// The longest text that fits a line of a narrow terminal without wrapping.
const LIVE_COLUMNS: usize = 78;

/// Where the progress of builds goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// Standard error: one line kept up to date on a terminal, else a line every 15 seconds.
    #[default]
    Stderr,
    /// Nowhere.
    Quiet,
}

/// The progress of one task, from its start to its end.
pub(crate) struct Task {
    name: String,
    started: Instant,
    /// When the last line was written; `None` when nothing is written at all.
    last_line: Option<Instant>,
    live: bool,
}

impl Task {
    pub(crate) fn start(progress: Progress, name: impl Into<String>) -> Self {
        let started = Instant::now();
        let told = progress == Progress::Stderr;
        let task = Self {
            name: name.into(),
            started,
            last_line: told.then_some(started),
            live: told && io::stderr().is_terminal(),
        };
        if told && !task.live {
            write(format_args!("{} ...\n", task.name));
        }
        task
    }

    /// Shows how long the task has taken so far and what it does now. Call it as often as you like.
    pub(crate) fn tick(&mut self, now_doing: &str) {
        let Some(last_line) = self.last_line else { return };
        let seconds = self.started.elapsed().as_secs();
        if self.live {
            let text: String =
                format!("{}: {seconds} s {now_doing}", self.name).chars().take(LIVE_COLUMNS).collect();
            write(format_args!("\r\x1b[2K{text}"));
        } else if last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Some(Instant::now());
            let text = format!("{}: {seconds} s {now_doing}", self.name);
            write(format_args!("{}\n", text.trim_end()));
        }
    }

    /// Says that the task is done.
    pub(crate) fn done(mut self) {
        let seconds = self.started.elapsed().as_secs();
        if self.last_line.take().is_some() {
            let erase = if self.live { "\r\x1b[2K" } else { "" };
            write(format_args!("{erase}{}: done in {seconds} s\n", self.name));
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // A task that failed leaves its line as it is and what follows starts on a new one.
        if self.live && self.last_line.is_some() {
            write(format_args!("\n"));
        }
    }
}

fn write(text: std::fmt::Arguments<'_>) {
    // A closed standard error is no reason to stop a build.
    let mut stderr = io::stderr().lock();
    let _ignored = stderr.write_fmt(text).and_then(|()| stderr.flush());
}
