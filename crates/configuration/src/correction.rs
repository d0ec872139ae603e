//! Corrections for the texts that are not YAML although official samples print them.

use crate::mask::{self, MASK};
use crate::sheet::Sheet;
use crate::yaml::{Position, Span};

/// What is said of a tab before the first character of a line.
const TAB: &str = "a tab in the indentation, where YAML allows spaces alone";

/// What is wrong with a line, and the line as it should be, its values masked.
pub(crate) struct Correction {
    pub(crate) at: Span,
    pub(crate) message: String,
    pub(crate) remedy: String,
}

/// The correction for a syntax error at this place, for which the parser has a reason, if the line is one of the known kind.
pub(crate) fn of(sheet: &Sheet<'_>, at: Position, reason: &str) -> Option<Correction> {
    // The parser often sees the fault only in the line after it.
    let near = || [at.line, at.line.saturating_sub(1)].into_iter().find_map(|number| in_line(sheet, number));
    // A tab that indents makes the line look like the rest of the text before it.
    let below = || {
        let tab = sheet.line(at.line + 1).is_some_and(|line| {
            line.starts_with([' ', '\t']) && line.trim_start_matches(' ').starts_with('\t')
        });
        tab.then(|| in_line(sheet, at.line + 1)).flatten()
    };
    // With a name that nobody knows, the line is corrected only where the parser itself says what is wrong.
    let blamed = || reason.contains("tab").then(|| tab(sheet, at.line)).flatten();
    near().or_else(below).or_else(blamed)
}

/// A line with a tab in its indentation, whatever it says.
fn tab(sheet: &Sheet<'_>, number: u32) -> Option<Correction> {
    let text = sheet.line(number)?;
    let lead = text.strip_suffix(text.trim_start())?;
    let column = u32::try_from(lead.chars().position(|c| c == '\t')? + 1).unwrap_or(u32::MAX);
    let start = Position { line: number, column };
    Some(Correction {
        at: Span { start, end: start },
        message: format!("not YAML: {TAB}"),
        remedy: format!("write the line as `{}`", mask::skeleton(&text.replace('\t', "  "), sheet.names())),
    })
}

fn in_line(sheet: &Sheet<'_>, number: u32) -> Option<Correction> {
    let text = sheet.line(number)?;
    let masked = |line: &str| mask::skeleton(line, sheet.names());
    let line = Line::of(text, sheet.names())?;
    let Line { lead, dash, name, value, .. } = line;
    let start_of_name = count(lead) + count(dash);
    let start_of_value = count(text) - count(value);
    let (column, message, corrected) = if lead.contains('\t') {
        (0, TAB.to_owned(), masked(&text.replace('\t', "  ")))
    } else if let Some(offset) = second_string(value) {
        let message = format!("{name} has several quoted texts; it needs one, with commas inside");
        (start_of_value + offset, message, format!("{lead}{dash}{name}: \"{MASK},{MASK}\""))
    } else if let Some(gap) = line.missing_gap() {
        (start_of_value, format!("no space after the colon of {name}"), masked(&gap))
    } else if let Some((before, _)) = value.split_once(" //") {
        let message = "`//` starts no comment in YAML, `#` does".to_owned();
        let kept = format!("{lead}{dash}{name}: {}", before.trim());
        (start_of_value + count(before) + 1, message, format!("{} # …", masked(&kept)))
    } else if is_unclosed(value) {
        let message = format!("the quote before the value of {name} has no partner");
        (start_of_value, message, format!("{lead}{dash}{name}: \"{MASK}\""))
    } else if value.trim_end() == "*" {
        let message = "a text that starts with `*` needs quotes".to_owned();
        // In watch-namespace a star would name no namespace.
        let meant = if name == "watch-namespace" { "all" } else { "*" };
        (start_of_value, message, format!("{lead}{dash}{name}: \"{meant}\""))
    } else if let Some(wanted) = sibling_column(sheet, number)
        && dash.is_empty()
        && start_of_name != wanted
    {
        let (found, wanted_column) = (start_of_name + 1, wanted + 1);
        let message =
            format!("{name} starts in column {found}, the field above it in column {wanted_column}");
        (start_of_name, message, masked(&format!("{}{name}: {value}", " ".repeat(wanted))))
    } else {
        return None;
    };
    let column = u32::try_from(column + 1).unwrap_or(u32::MAX);
    let start = Position { line: number, column };
    Some(Correction {
        at: Span { start, end: start },
        message: format!("not YAML: {message}"),
        remedy: format!("write the line as `{corrected}`"),
    })
}

fn count(text: &str) -> usize {
    text.chars().count()
}

/// A line `  - name: value` with a known name.
#[derive(Clone, Copy)]
struct Line<'t> {
    text: &'t str,
    lead: &'t str,
    dash: &'t str,
    name: &'t str,
    value: &'t str,
}

impl<'t> Line<'t> {
    fn of(text: &'t str, names: &[&'static str]) -> Option<Self> {
        let rest = text.trim_start();
        let lead = text.strip_suffix(rest)?;
        let after_dash = rest.strip_prefix('-').map_or(rest, str::trim_start);
        let dash = rest.strip_suffix(after_dash)?;
        let (name, value) = after_dash.split_once(':')?;
        names.contains(&name).then_some(Self { text, lead, dash, name, value: value.trim_start() })
    }

    /// The line with a space after the colon, if that is what it lacks.
    fn missing_gap(&self) -> Option<String> {
        let Self { text, lead, dash, name, value } = self;
        let closed = text.ends_with(&format!("{name}:{value}"));
        (closed && !value.is_empty()).then(|| format!("{lead}{dash}{name}: {value}"))
    }
}

/// Whether a value starts with a quote that the line does not close.
fn is_unclosed(value: &str) -> bool {
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return false };
    value.matches(quote).count() == 1
}

/// The character offset of a second quoted string that follows a first one and a comma.
fn second_string(value: &str) -> Option<usize> {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = value.strip_prefix(quote)?;
    let (first, rest) = inner.split_once(quote)?;
    let second = rest.trim_start().strip_prefix(',')?.trim_start();
    second.starts_with(quote).then(|| first.chars().count() + 2)
}

/// The 0-based column of the nearest field above that starts an entry or stands in it.
fn sibling_column(sheet: &Sheet<'_>, number: u32) -> Option<usize> {
    (1..number).rev().take(20).find_map(|above| {
        let line = Line::of(sheet.line(above)?, sheet.names())?;
        (!line.lead.contains('\t')).then(|| line.lead.chars().count() + line.dash.chars().count())
    })
}
