//! Where in the text of a description its parts stand, so that a fault of the whole names a line.

use std::collections::{BTreeMap, BTreeSet};

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle};

/// Lines by path, such as `accounts[0].roles[1].maxSessionSeconds`.
#[derive(Default)]
pub(crate) struct Places {
    lines: BTreeMap<String, usize>,
    empty: BTreeSet<String>,
    open: Vec<Open>,
}

/// A collection whose end has not come yet.
enum Open {
    Mapping { path: String, key: Option<String> },
    Sequence { path: String, next: usize },
}

impl Places {
    /// The places of a text; of one that is not YAML, those before the fault.
    pub(crate) fn of(text: &str) -> Self {
        let mut options = Options::default();
        options.emit_comments = false;
        let mut places = Self::default();
        for (event, span) in Parser::new_from_str_with_options(text, options).map_while(Result::ok) {
            places.take(event, span.start.line());
        }
        places
    }

    /// The line of a path, or of the nearest part around it.
    pub(crate) fn line(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Some(*line);
            }
            path = path.get(..path.rfind(['.', '['])?)?;
        }
    }

    /// Whether a list is written without an element, or a value is written as nothing.
    pub(crate) fn is_empty(&self, path: &str) -> bool {
        self.empty.contains(path)
    }

    fn take(&mut self, event: Event<'_>, line: usize) {
        match event {
            Event::Scalar(text, style, ..) => {
                if let Some(Open::Mapping { path, key: key @ None }) = self.open.last_mut() {
                    *key = Some(text.to_string());
                    let path = if path.is_empty() { text.to_string() } else { format!("{path}.{text}") };
                    self.lines.entry(path).or_insert(line);
                    return;
                }
                let path = self.value(line);
                if style == ScalarStyle::Plain && matches!(text.as_ref(), "" | "~" | "null") {
                    self.empty.insert(path);
                }
            }
            Event::Alias(_) => {
                self.value(line);
            }
            Event::SequenceStart(..) => {
                let path = self.value(line);
                self.open.push(Open::Sequence { path, next: 0 });
            }
            Event::MappingStart(..) => {
                let path = self.value(line);
                self.open.push(Open::Mapping { path, key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open::Sequence { path, next: 0 }) = self.open.pop() {
                    self.empty.insert(path);
                }
            }
            _ => {}
        }
    }

    /// The path of the value that comes now.
    fn value(&mut self, line: usize) -> String {
        let path = match self.open.last_mut() {
            None => String::new(),
            Some(Open::Sequence { path, next }) => {
                *next += 1;
                format!("{path}[{}]", *next - 1)
            }
            Some(Open::Mapping { path, key }) => {
                let key = key.take().unwrap_or_default();
                if path.is_empty() { key } else { format!("{path}.{key}") }
            }
        };
        self.lines.entry(path.clone()).or_insert(line);
        path
    }
}
