//! Masking: what of a value may be shown in a snippet or a message.

use crate::finding::Snippet;
use crate::yaml::Span;

/// Stands for whatever is not shown; always the same, so that lengths stay secret too.
pub(crate) const MASK: &str = "***";

/// At most this much of a line is shown, the fault in it.
const WINDOW: usize = 120;
/// At most this much of a value is quoted in a message.
const QUOTE: usize = 80;

/// The line `number` with the span marked. What is in `shown` and the punctuation between scalars stays; other
/// scalars are masked, comments are dropped.
pub(crate) fn snippet(line: &str, number: u32, at: Span, scalars: &[Span], shown: &[Span]) -> Snippet {
    let fault = index(at.start.column);
    let skipped = fault.saturating_sub(WINDOW / 2);
    let chars: Vec<char> = line.chars().skip(skipped).take(WINDOW).collect();
    let mut marks: Vec<Mark> = chars.iter().map(|c| Mark::outside(*c)).collect();
    for span in scalars.iter().filter(|span| span.start.line <= number && span.end.line >= number) {
        let from = if span.start.line == number { index(span.start.column) } else { 0 };
        let to = if span.end.line == number { index(span.end.column) } else { usize::MAX };
        let (from, to) = (from.saturating_sub(skipped), to.saturating_sub(skipped).min(marks.len()));
        let visible = shown.binary_search(span).is_ok()
            && span.start.line == span.end.line
            && chars.get(from..to).is_some_and(|chars| !has_secret_run(chars));
        for (mark, c) in marks.iter_mut().zip(&chars).take(to).skip(from) {
            let quote = matches!(c, '"' | '\'') && !visible;
            *mark = if visible || quote { Mark::Shown } else { Mark::Hidden };
        }
        if !visible && let Some(inner) = marks.get_mut(from.saturating_add(1)..to.saturating_sub(1)) {
            inner.fill(Mark::Hidden);
        }
    }
    let prefix = if skipped > 0 { "…" } else { "" };
    draw(&chars, &marks, prefix, fault - skipped, width(at))
}

/// The line of a value that is not YAML: nothing is shown but punctuation and known names before a colon.
pub(crate) fn skeleton_snippet(line: &str, at: Span, names: &[&str]) -> Snippet {
    let chars: Vec<char> = line.chars().take(WINDOW).collect();
    let marks = skeleton_marks(&chars, names);
    draw(&chars, &marks, "", index(at.start.column).min(chars.len()), 1)
}

/// [`skeleton_snippet`] without a place: for corrected lines.
pub(crate) fn skeleton(line: &str, names: &[&str]) -> String {
    let chars: Vec<char> = line.chars().take(WINDOW).collect();
    let marks = skeleton_marks(&chars, names);
    draw(&chars, &marks, "", 0, 1).text
}

fn skeleton_marks(chars: &[char], names: &[&str]) -> Vec<Mark> {
    let mut marks = Vec::with_capacity(chars.len());
    let mut quote = None;
    while let Some(&c) = chars.get(marks.len()) {
        let rest = chars.get(marks.len()..).unwrap_or_default();
        let known = quote.is_none().then(|| names.iter().find(|name| is_key(rest, name))).flatten();
        match (quote, c) {
            (Some(open), _) if c == open => {
                quote = None;
                marks.push(Mark::Shown);
            }
            (Some(_), _) => marks.push(Mark::Hidden),
            (None, '"' | '\'') => {
                quote = Some(c);
                marks.push(Mark::Shown);
            }
            (None, _) => match known {
                Some(name) if marks.last() != Some(&Mark::Hidden) => {
                    marks.extend(name.chars().map(|_| Mark::Shown));
                }
                _ => marks.push(Mark::outside(c)),
            },
        }
    }
    marks
}

/// Whether `name:` starts here.
fn is_key(chars: &[char], name: &str) -> bool {
    let mut rest = chars.iter();
    name.chars().all(|c| rest.next() == Some(&c)) && rest.next() == Some(&':')
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Shown,
    Hidden,
    /// `#` outside of scalars: the rest of the line is a comment.
    Comment,
}

impl Mark {
    /// What stands between scalars: punctuation is shown; tags, anchors and whatever else is not.
    fn outside(c: char) -> Self {
        match c {
            '#' => Self::Comment,
            ' ' | '\t' | '-' | ':' | ',' | '[' | ']' | '{' | '}' | '?' | '|' | '>' | '/' => Self::Shown,
            _ => Self::Hidden,
        }
    }
}

fn draw(chars: &[char], marks: &[Mark], prefix: &str, fault: usize, width: usize) -> Snippet {
    let mut text = prefix.to_owned();
    let mut length = prefix.chars().count();
    let (mut start, mut end) = (None, None);
    let mut before = Mark::Shown;
    for (i, (c, mark)) in chars.iter().zip(marks).enumerate() {
        let masked_run = *mark == Mark::Hidden && before == Mark::Hidden;
        if i == fault {
            start = Some(if masked_run { length.saturating_sub(MASK.len()) } else { length });
        }
        if i == fault + width {
            end = Some(length);
        }
        match mark {
            Mark::Comment => {
                text.push_str("# …");
                break;
            }
            Mark::Shown => {
                text.push(printable(*c));
                length += 1;
            }
            Mark::Hidden if masked_run => {}
            Mark::Hidden => {
                text.push_str(MASK);
                length += MASK.len();
            }
        }
        before = *mark;
    }
    let text = text.trim_end().to_owned();
    let length = text.chars().count();
    let start = start.unwrap_or(length).min(length);
    let end = end.unwrap_or(length).clamp(start, length.max(start));
    Snippet { text, start, length: (end - start).max(1) }
}

/// Control characters and those that turn the direction of writing would deceive the reader of a terminal.
fn printable(c: char) -> char {
    match c {
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    }
}

fn index(column: u32) -> usize {
    usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX)
}

fn width(at: Span) -> usize {
    if at.start.line == at.end.line {
        index(at.end.column).saturating_sub(index(at.start.column)).max(1)
    } else {
        usize::MAX / 2
    }
}

/// A value of a field that may be shown, for a message. Runs that look like a key are masked all the same:
/// a secret in the wrong field must not end in a log.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    let mut count = 0_usize;
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '+' | '=') {
            run.push(c);
            continue;
        }
        flush(&mut run, &mut out);
        out.push(printable(c));
        count += 1;
        if count > text.len().min(QUOTE) {
            break;
        }
    }
    flush(&mut run, &mut out);
    if out.chars().count() > QUOTE {
        out = out.chars().take(QUOTE).chain(['…']).collect();
    }
    out
}

fn flush(run: &mut String, out: &mut String) {
    if looks_secret(run) {
        out.push_str(MASK);
    } else {
        out.push_str(run);
    }
    run.clear();
}

/// Keys of Alibaba Cloud are 24 or 30 letters of both cases and digits.
fn looks_secret(run: &str) -> bool {
    let has = |rule: fn(&char) -> bool| run.chars().any(|c| rule(&c));
    run.len() >= 16
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_digit)
}

fn has_secret_run(chars: &[char]) -> bool {
    chars
        .split(|c| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '=')))
        .any(|run| run.len() >= 16 && looks_secret(&run.iter().collect::<String>()))
}

/// An unknown name, for a message, unless it may be a value that lost its name.
pub(crate) fn name(text: &str) -> String {
    let plausible = text.len() <= 40
        && !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '-' | '_' | '.'));
    if plausible { text.to_owned() } else { MASK.to_owned() }
}
