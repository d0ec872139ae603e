//! A sheet: the reading of one value, with the findings in it and what of the value may be shown.

use std::ops::Range;

use crate::entries::ReadEntry;
use crate::finding::{Finding, Severity, Snippet};
use crate::load::{Place, Places};
use crate::mask;
use crate::source::Text;
use crate::yaml::{Node, Position, Span, Style, Tree, Value};

/// No more findings than this are kept for one value; the rest is counted.
const MAX_FINDINGS: usize = 100;

/// The reading of one value.
pub(crate) struct Sheet<'s> {
    key: &'s str,
    source: &'s Text,
    scalars: Vec<Span>,
    shown: Vec<Span>,
    /// A syntax error makes every boundary between name and value doubtful: then no scalar is shown.
    hidden: bool,
    /// Nobody knows the key: of its value nothing is shown.
    unknown: bool,
    names: Vec<&'static str>,
    /// The entry that is being read.
    pub(crate) entry: Option<usize>,
    /// The last field in which a placeholder stands for something that must be parsed.
    pub(crate) unparsed: Option<&'static str>,
    findings: Vec<(Finding, Option<Span>)>,
    uncounted: usize,
    errors: usize,
}

/// A scalar with its place.
#[derive(Clone, Copy)]
pub(crate) struct Scalar<'n> {
    pub(crate) text: &'n str,
    /// The whole scalar, quotes included.
    pub(crate) span: Span,
    /// Where the first character of the text stands; `None` if escapes or folding hide it.
    base: Option<Position>,
    /// The column in which the further lines of the text start.
    margin: u32,
}

impl<'n> Scalar<'n> {
    /// The scalar of a node with this text.
    pub(crate) fn of(node: &Node, text: &'n str, style: Style) -> Self {
        let Span { start, end } = node.span;
        let verbatim = |quotes: u32| {
            start.line == end.line && end.column.saturating_sub(start.column) == chars(text) + quotes
        };
        let base = match style {
            Style::Literal => Some(start),
            Style::Plain if verbatim(0) => Some(start),
            Style::Quoted if verbatim(2) => Some(Position { column: start.column + 1, ..start }),
            Style::Plain | Style::Quoted | Style::Folded => None,
        };
        Self { text, span: node.span, base, margin: start.column }
    }

    /// The place of a part of the text, given in bytes.
    pub(crate) fn part(&self, range: Range<usize>) -> Span {
        let (Some(base), Some(before)) = (self.base, self.text.get(..range.start)) else {
            return self.span;
        };
        let start = advance(base, before, self.margin);
        let inside = first_line(self.text.get(range).unwrap_or_default());
        Span { start, end: advance(start, inside, self.margin) }
    }

    /// A part of the text as a scalar of its own, given in bytes.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let span = self.part(range.clone());
        let text = self.text.get(range).unwrap_or_default();
        Self { text, span, base: self.base.map(|_| span.start), margin: self.margin }
    }

    /// Without the white space around it.
    pub(crate) fn trimmed(&self) -> Self {
        let start = self.text.len() - self.text.trim_start().len();
        if self.text.trim().len() == self.text.len() {
            return *self;
        }
        self.slice(start..start + self.text.trim().len())
    }

    /// The elements of a comma list, trimmed, empty ones left out. Linear: places are counted along.
    pub(crate) fn items(self) -> impl Iterator<Item = Self> {
        let mut at = self.base;
        let sole = !self.text.contains(',');
        self.text.split(',').filter_map(move |piece| {
            let base = at;
            at = at.map(|at| {
                let Position { line, column } = advance(at, piece, self.margin);
                Position { line, column: column + 1 }
            });
            let span = match base {
                None => self.span,
                Some(start) => Span { start, end: advance(start, first_line(piece), self.margin) },
            };
            let item =
                if sole { self } else { Self { text: piece, span, base, margin: self.margin } }.trimmed();
            (!item.text.is_empty()).then_some(item)
        })
    }
}

/// The place after a text that starts at `from`; further lines start in the column `margin`.
fn advance(from: Position, text: &str, margin: u32) -> Position {
    match text.rsplit_once('\n') {
        None => Position { line: from.line, column: from.column.saturating_add(chars(text)) },
        Some((above, left)) => {
            let lines = u32::try_from(above.matches('\n').count() + 1).unwrap_or(u32::MAX / 4);
            Position { line: from.line.saturating_add(lines), column: margin.saturating_add(chars(left)) }
        }
    }
}

fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

fn chars(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX / 4)
}

impl<'s> Sheet<'s> {
    /// `names` are the names that may be shown even if the value is not YAML.
    pub(crate) fn new(key: &'s str, source: &'s Text, names: Vec<&'static str>) -> Self {
        Self {
            key,
            source,
            scalars: Vec::new(),
            shown: Vec::new(),
            hidden: source.doubtful,
            unknown: false,
            names,
            entry: None,
            unparsed: None,
            findings: Vec::new(),
            uncounted: 0,
            errors: 0,
        }
    }

    /// The sheet of an unknown key, of which only the name may be shown, and that only if it is plausible.
    pub(crate) fn of_unknown(key: &'s str, looks_known: bool, source: &'s Text) -> Self {
        let shown = (looks_known || !source.doubtful) && mask::name(key) == key;
        let mut sheet = Self::new(if shown { key } else { mask::MASK }, source, Vec::new());
        sheet.unknown = true;
        sheet
    }

    /// The key as it may be shown.
    pub(crate) fn key(&self) -> &'s str {
        self.key
    }

    /// The first place with a character, a comment's included.
    pub(crate) fn first_text(&self) -> Option<Span> {
        let (number, line) = (1..).zip(self.text().split('\n')).find(|(_, line)| !line.trim().is_empty())?;
        let start = Position { line: number, column: 1 + chars(line) - chars(line.trim_start()) };
        Some(Span { start, end: Position { column: start.column + 1, ..start } })
    }

    /// The text of the value.
    pub(crate) fn text(&self) -> &'s str {
        &self.source.content
    }

    /// The names that may be shown even if the value is not YAML.
    pub(crate) fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// Line `number` of the value.
    pub(crate) fn line(&self, number: u32) -> Option<&'s str> {
        let skip = usize::try_from(number).ok()?.checked_sub(1)?;
        self.source.content.split('\n').nth(skip)
    }

    /// The value is this tree: its scalars are masked unless shown.
    pub(crate) fn use_tree(&mut self, tree: &Tree) {
        self.scalars.clone_from(&tree.scalars);
        self.hidden |= tree.fault.is_some();
    }

    /// The place of a value that is one known text, which then may be shown.
    pub(crate) fn whole_span(&mut self) -> Span {
        self.whole_scalar().span
    }

    /// The value is one known text that may be shown, or nothing when it is not set.
    pub(crate) fn whole(&mut self) -> Option<Scalar<'s>> {
        let scalar = self.whole_scalar();
        (!is_unset(scalar.text)).then_some(scalar)
    }

    fn whole_scalar(&mut self) -> Scalar<'s> {
        let text = self.text();
        let start = Position { line: 1, column: 1 };
        for (number, line) in (1..).zip(text.split('\n').take(50)) {
            let start = Position { line: number, column: 1 };
            let span = Span { start, end: Position { line: number, column: 1 + chars(line) } };
            self.scalars.push(span);
            self.shown.push(span);
        }
        let end = Position { line: 1, column: 1 + chars(first_line(text)) };
        Scalar { text, span: Span { start, end }, base: Some(start), margin: 1 }.trimmed()
    }

    /// Lets a scalar of the tree be shown.
    pub(crate) fn show(&mut self, node: &Node) {
        if matches!(node.value, Value::Scalar { .. } | Value::Null) {
            self.shown.push(node.span);
        }
    }

    /// Lets no scalar at this place be shown: its value turned out to hold a secret.
    pub(crate) fn hide(&mut self, at: Span) {
        self.shown.retain(|shown| *shown != at);
    }

    /// An unknown name, for a message; where boundaries are doubtful only if it looks like a known one.
    pub(crate) fn name(&self, text: &str, looks_known: bool) -> String {
        if self.hidden && !looks_known { mask::MASK.to_owned() } else { mask::name(text) }
    }

    /// A value for a message, in backquotes.
    pub(crate) fn quote(&self, text: &str) -> String {
        if self.hidden { format!("`{}`", mask::MASK) } else { format!("`{}`", mask::quote(text)) }
    }

    /// How many errors there are so far.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Records a fault that refuses the edit.
    pub(crate) fn error(&mut self, code: &'static str, at: Option<Span>, message: String, remedy: String) {
        self.errors += 1;
        self.record(Severity::Error, code, at, message, remedy);
    }

    /// Records something to mend that does not refuse the edit.
    pub(crate) fn warn(&mut self, code: &'static str, at: Option<Span>, message: String, remedy: String) {
        self.record(Severity::Warning, code, at, message, remedy);
    }

    fn record(
        &mut self,
        severity: Severity,
        code: &'static str,
        at: Option<Span>,
        message: String,
        remedy: String,
    ) {
        // The first error must be kept whatever came before it.
        let first_error = severity == Severity::Error && self.errors == 1;
        if self.findings.len() >= MAX_FINDINGS && !first_error {
            self.uncounted += 1;
            return;
        }
        let line = at.map(|span| span.start.line);
        let finding = Finding {
            severity,
            code,
            key: self.key.to_owned(),
            entry: self.entry,
            line,
            column: at.map(|span| span.start.column),
            file_line: self.file_line(line),
            message,
            remedy,
            snippet: None,
        };
        self.findings.push((finding, at));
    }

    /// Where the entries stand.
    pub(crate) fn places(&self, entries: &[ReadEntry]) -> Places {
        let place = |read: &ReadEntry| {
            let Position { line, column } = read.span.start;
            let key = self.key.to_owned();
            (read.entry.index, Place { key, line, column, file_line: self.file_line(Some(line)) })
        };
        entries.iter().map(place).collect()
    }

    /// The line of the file in which a line of the value stands, or the line of its key.
    fn file_line(&self, line: Option<u32>) -> Option<u32> {
        let index = line.and_then(|line| usize::try_from(line).ok()).and_then(|line| line.checked_sub(1));
        index.and_then(|index| self.source.file_lines.get(index).copied()).or(self.source.key_line)
    }

    /// The findings, with their snippets: only now is it known what may be shown.
    pub(crate) fn finish(self) -> Vec<Finding> {
        let Self { key, findings, scalars, mut shown, hidden, unknown, names, source, uncounted, .. } = self;
        shown.sort_unstable();
        let lines: Vec<&str> = source.content.split('\n').collect();
        let mut finished: Vec<Finding> = findings
            .into_iter()
            .map(|(mut finding, at)| {
                let line = at.and_then(|at| {
                    let index = usize::try_from(at.start.line).ok()?.checked_sub(1)?;
                    Some((at, *lines.get(index)?))
                });
                if unknown {
                    let length = key.chars().count().max(1);
                    finding.snippet =
                        Some(Snippet { text: format!("{key}: {}", mask::MASK), start: 0, length });
                    return finding;
                }
                finding.snippet = line.map(|(at, line)| {
                    if hidden {
                        mask::skeleton_snippet(line, at, &names)
                    } else {
                        mask::snippet(line, at.start.line, at, &scalars, &shown)
                    }
                });
                finding
            })
            .collect();
        if let (Some(last), true) = (finished.last_mut(), uncounted > 0) {
            last.remedy = format!("{} (and {uncounted} more findings in this key)", last.remedy);
        }
        finished
    }
}

/// `""`, white space and 0 mean "not set" in every optional key and field.
pub(crate) fn is_unset(text: &str) -> bool {
    matches!(text, "" | "0")
}
