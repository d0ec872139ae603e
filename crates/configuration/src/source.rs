//! A source: configuration text as found, before any meaning.

use std::collections::BTreeMap;

/// Where the JSON of `--parameters FILE` stands among the `data` of a ConfigMap: a name that no key of one can have, so that
/// both are seen apart and still travel, and are kept, together.
pub const PARAMETERS_FILE: &str = "--parameters FILE";

/// The data of the ConfigMap, the add-on parameters, or both.
#[derive(Clone, Debug, Default)]
pub struct Source {
    pub(crate) values: BTreeMap<String, Text>,
    pub(crate) parameters: Option<Text>,
    /// `tokenMode` of parameters that are spelled like the keys of the ConfigMap.
    pub(crate) token_mode: Option<Text>,
    /// Keys of the ConfigMap that such parameters say once more.
    pub(crate) beside: Vec<String>,
    /// A syntax error of the file cut the source off: absent keys may only be unread.
    pub(crate) cut: bool,
}

impl Source {
    /// The `data` of a ConfigMap as the API server gives it, with the JSON of `--parameters FILE` where
    /// [`PARAMETERS_FILE`] stands beside it.
    pub fn from_config_map_data(data: &BTreeMap<String, String>) -> Self {
        let text = |value: &String| Text::new(value.clone());
        let keys = data.iter().filter(|(key, _)| *key != PARAMETERS_FILE);
        Self {
            values: keys.map(|(key, value)| (key.clone(), text(value))).collect(),
            parameters: data.get(PARAMETERS_FILE).map(text),
            ..Self::default()
        }
    }

    /// The JSON of the add-on parameters (`--parameters FILE`).
    pub fn from_parameters(json: &str) -> Self {
        Self::default().with_parameters(json)
    }

    /// Adds the JSON of `--parameters FILE` to the data of a ConfigMap.
    #[must_use]
    pub fn with_parameters(mut self, json: &str) -> Self {
        self.parameters = Some(Text::new(json.to_owned()));
        self
    }
}

/// The value of one key, with its place in the checked file if there is one. `Debug` shows no content.
#[derive(Clone, Default)]
pub(crate) struct Text {
    pub(crate) content: String,
    pub(crate) form: Form,
    /// Line of the key itself in the file.
    pub(crate) key_line: Option<u32>,
    /// For each line of the text, its line in the file.
    pub(crate) file_lines: Vec<u32>,
    /// The file around it is not YAML: where the value really ends is doubtful, so nothing of it is shown.
    pub(crate) doubtful: bool,
}

/// How the value of a key was written in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// A string, as the API server wants it.
    #[default]
    String,
    /// `null`, or nothing after the colon.
    Null,
    /// A number or boolean without quotes: the API server refuses it.
    Unquoted,
    /// A list or mapping instead of the text of one.
    Collection,
}

impl Text {
    /// Every line break becomes a line feed, so that all who count lines count the same.
    pub(crate) fn new(content: String) -> Self {
        let content =
            if content.contains('\r') { content.replace("\r\n", "\n").replace('\r', "\n") } else { content };
        Self { content, ..Self::default() }
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Text({} bytes, {:?})", self.content.len(), self.form)
    }
}
