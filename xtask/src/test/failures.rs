//! What test binaries that failed have said, cut down to what tells why: names, panics, and captured output.
//!
//! Continuous integration shows standard output alone, so whoever looks for the reason has only this.

use std::path::Path;

/// Lines of one failed test that are shown.
const TEST_LINES: usize = 60;
/// Of these, for its panic message where its output is longer, and for what it wrote just before.
const PANIC_LINES: usize = 20;
const LINES_BEFORE: usize = 3;
/// Lines that are shown of all failed tests of one run.
pub(super) const ALL_LINES: usize = 400;
/// Lines of a binary that ended without saying which test failed.
const TAIL_LINES: usize = 40;
/// Characters of one line that are shown. A whole document may stand in one.
const COLUMNS: usize = 500;

/// The output of a test binary that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Package and target.
    pub(super) title: String,
    /// How its process ended, as the rest of a sentence.
    pub(super) end: String,
    /// Both its streams, line by line.
    pub(super) output: String,
}

/// A test that libtest calls failed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Test<'a> {
    name: &'a str,
    /// What it wrote, without the stack backtraces.
    captured: Vec<&'a str>,
}

impl Test<'_> {
    /// Where it panicked and the first words of that, or what else libtest has against it.
    fn reason(&self) -> String {
        let Some(place) = self.panic_line() else {
            let said = self.captured.iter().find(|line| !line.trim().is_empty());
            return said.map_or_else(|| "its output is lost".to_owned(), |line| clipped(line));
        };
        let mut lines = self.captured.iter().skip(place);
        let head = lines.next().copied().unwrap_or_default();
        let location = head.split_once(" panicked at ").map_or(head, |(_, location)| location);
        let message = lines.next().copied().unwrap_or_default();
        clipped(&format!("{location} {message}"))
    }

    fn panic_line(&self) -> Option<usize> {
        self.captured.iter().position(|line| line.starts_with("thread '") && line.contains(" panicked at "))
    }

    /// Its output, or where that is long the panic message and the end.
    fn excerpt(&self) -> Vec<String> {
        let count = self.captured.len();
        if count <= TEST_LINES {
            return self.captured.iter().map(|line| clipped(line)).collect();
        }
        let panic = self.panic_line().unwrap_or_default().saturating_sub(LINES_BEFORE);
        let end = count - (TEST_LINES - PANIC_LINES);
        let beginning = panic.min(end.saturating_sub(PANIC_LINES));
        let mut shown = Vec::new();
        let mut hidden = 0;
        for (place, line) in self.captured.iter().enumerate() {
            if (beginning..beginning + PANIC_LINES).contains(&place) || place >= end {
                told_of_hidden(&mut shown, &mut hidden);
                shown.push(clipped(line));
            } else {
                hidden += 1;
            }
        }
        shown
    }
}

fn told_of_hidden(shown: &mut Vec<String>, hidden: &mut usize) {
    if *hidden > 0 {
        shown.push(format!("[{hidden} lines]"));
        *hidden = 0;
    }
}

/// One line for each failed test, and for each binary that ended otherwise.
pub(super) fn names(failures: &[Failure]) -> Vec<String> {
    let of_tests = |failure: &Failure| -> Vec<String> {
        let tests = failed_tests(&failure.output);
        let mut names: Vec<String> =
            tests.iter().map(|test| format!("{}: {}, {}", failure.title, test.name, test.reason())).collect();
        if unexplained(&failure.output, tests.is_empty()).is_some() {
            names.push(format!("{} {}", failure.title, failure.end));
        }
        names
    };
    failures.iter().flat_map(of_tests).collect()
}

/// What the failed tests have said, in at most as many lines as `room` has, which becomes less by that. `log` holds
/// all of it.
pub(super) fn words(failures: &[Failure], log: &Path, room: &mut usize) -> Vec<String> {
    let (mut words, mut left_out) = (Vec::new(), 0);
    let mut say = |heading: String, lines: Vec<String>| {
        let Some(rest) = room.checked_sub(lines.len() + 2) else { return left_out += 1 };
        *room = rest;
        words.push(heading);
        words.extend(lines);
        words.push(String::new());
    };
    for failure in failures {
        let tests = failed_tests(&failure.output);
        for test in &tests {
            say(format!("---- {}: {}", failure.title, test.name), test.excerpt());
        }
        if let Some(last_words) = unexplained(&failure.output, tests.is_empty()) {
            say(format!("---- {} {}; its last words:", failure.title, failure.end), last_words);
        }
    }
    if left_out > 0 {
        words.push(format!("What {left_out} more have said is in {}", log.display()));
    }
    words
}

/// The last lines of a text.
pub(super) fn tail(text: &str, count: usize) -> Vec<String> {
    let skipped = text.lines().count().saturating_sub(count);
    text.lines().skip(skipped).map(clipped).collect()
}

fn clipped(line: &str) -> String {
    match line.char_indices().nth(COLUMNS) {
        Some((end, _)) => format!("{} [...]", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// The last words of what ended otherwise than by a failed test: a binary without a summary was killed or gave up,
/// and the test that ended it is not among the failed ones.
fn unexplained(output: &str, no_test_failed: bool) -> Option<Vec<String>> {
    let sections = sections(output);
    let unfinished = sections.iter().find(|section| !section.iter().any(|line| is_summary(line)));
    match unfinished {
        Some(section) => Some(tail(&section.join("\n"), TAIL_LINES)),
        None => no_test_failed.then(|| tail(output, TAIL_LINES)),
    }
}

fn is_summary(line: &str) -> bool {
    line.starts_with("test result: ")
}

/// The tests that failed in the output of libtest, of one binary or of several one after the other (The rustc book,
/// Tests).
fn failed_tests(output: &str) -> Vec<Test<'_>> {
    sections(output).iter().flat_map(|section| failed_tests_of_one(section)).collect()
}

/// The lines of each binary, from the line that counts its tests.
fn sections(output: &str) -> Vec<Vec<&str>> {
    let mut sections: Vec<Vec<&str>> = Vec::new();
    for line in output.lines() {
        let begins = line.strip_prefix("running ").is_some_and(|rest| {
            let (count, word) = rest.split_once(' ').unwrap_or_default();
            count.parse::<usize>().is_ok() && matches!(word, "test" | "tests")
        });
        if begins {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    sections
}

fn failed_tests_of_one<'a>(lines: &[&'a str]) -> Vec<Test<'a>> {
    let end = lines.iter().position(|line| is_summary(line)).unwrap_or(lines.len());
    let lines: Vec<&'a str> = lines.iter().copied().take(end).collect();
    // The last of the lines `failures:` is followed by the names, the first by what was captured.
    let is_heading = |line: &&str| **line == *"failures:";
    let (first, last) = (lines.iter().position(is_heading), lines.iter().rposition(is_heading));
    let mut names: Vec<&'a str> = lines.iter().filter_map(|line| failed_name(line)).collect();
    let listed = last.into_iter().flat_map(|last| lines.iter().skip(last + 1));
    for name in listed.filter_map(|line| line.strip_prefix("    ")) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut tests: Vec<Test<'a>> =
        names.into_iter().map(|name| Test { name, captured: Vec::new() }).collect();
    let (Some(first), Some(last)) = (first, last) else { return tests };
    let mut current = None;
    for line in lines.iter().copied().take(last).skip(first + 1) {
        // A test may print what looks like a heading: one of a failed test it is only once.
        let heading = heading_name(line);
        let begun = tests.iter().position(|test| heading == Some(test.name) && test.captured.is_empty());
        if begun.is_some() {
            current = begun;
        } else if let Some(test) = current.and_then(|place| tests.get_mut(place)) {
            test.captured.push(line);
        }
    }
    for test in &mut tests {
        test.captured = without_backtraces(&test.captured);
    }
    tests
}

/// The name in `test NAME ... FAILED`.
fn failed_name(line: &str) -> Option<&str> {
    let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
    Some(name.strip_suffix(" - should panic").unwrap_or(name))
}

/// The name in `---- NAME stdout ----`.
fn heading_name(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

/// Drops stack backtraces, which say less than the place of the panic in many more lines, and empty lines at both
/// ends.
fn without_backtraces<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut kept: Vec<&str> = Vec::new();
    let mut in_backtrace = false;
    for line in lines.iter().copied() {
        if line == "stack backtrace:" {
            in_backtrace = true;
        } else if in_backtrace && is_frame(line) {
        } else {
            in_backtrace = false;
            if !line.starts_with("note: Some details are omitted, run with `RUST_BACKTRACE=") {
                kept.push(line);
            }
        }
    }
    let begin = kept.iter().position(|line| !line.is_empty()).unwrap_or(kept.len());
    let end = kept.iter().rposition(|line| !line.is_empty()).map_or(0, |place| place + 1);
    kept.into_iter().take(end).skip(begin).collect()
}

/// `   3: function`, or the place of one.
fn is_frame(line: &str) -> bool {
    let line = line.trim_start();
    let (number, _) = line.split_once(": ").unwrap_or_default();
    line.starts_with("at ") || number.parse::<usize>().is_ok()
}

#[cfg(test)]
mod tests;
