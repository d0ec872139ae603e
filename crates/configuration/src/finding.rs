//! A finding: something wrong that the user can mend, with its place, evidence and remedy.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration is accepted.
    Warning,
    /// The edit is refused whole.
    Error,
}

impl Severity {
    /// The word used in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something wrong that the user can mend. Never holds the value of a secret or unknown field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether the edit is refused.
    pub severity: Severity,
    /// What kind of fault, in `PascalCase`: also the reason of the Event.
    pub code: &'static str,
    /// The key of the ConfigMap; empty where the fault is not in one.
    pub key: String,
    /// 0-based place of the entry in the list, for a fault inside an entry.
    pub entry: Option<usize>,
    /// Line within the value of the key, 1-based.
    pub line: Option<u32>,
    /// Column within that line, 1-based, in characters.
    pub column: Option<u32>,
    /// Line of the checked file, 1-based; `None` where no file was checked.
    pub file_line: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// The line of the fault, masked where it must not be shown.
    pub snippet: Option<Snippet>,
}

impl Finding {
    /// Whether this finding refuses the edit.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `key, line 2, column 3: message; remedy`, in one line for logs and Events.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = Some(self.key.clone()).filter(|key| !key.is_empty());
        let line = self.line.map(|line| format!("line {line}"));
        let column = self.column.map(|column| format!("column {column}"));
        let place = [key, line, column].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let separator = if place.is_empty() { "" } else { ": " };
        write!(f, "{place}{separator}{}; {}", self.message, self.remedy)
    }
}

/// One line of the value with the place of the fault. Values that must not be shown are `***`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// The masked line, without its line break.
    pub text: String,
    /// Where the fault starts in `text`, 0-based, in characters.
    pub start: usize,
    /// How many characters of `text` it covers, at least 1 (the end of the line counts as one).
    pub length: usize,
}

/// The line and a caret under the fault.
impl fmt::Display for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}{}", self.text, " ".repeat(self.start), "^".repeat(self.length))
    }
}
