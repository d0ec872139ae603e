//! Documents: the forms in which a configuration may stand in a file, each turned into a source.

use crate::code;
use crate::finding::Finding;
use crate::keyed_parameters::{self, Spelling};
use crate::load::{Loaded, Places, load_with_places};
use crate::mask;
use crate::names;
use crate::sheet::Sheet;
use crate::source::{Form, Source, Text};
use crate::yaml::{FaultKind, Node, Style, Value};

/// A manifest around a ConfigMap of 1 MiB is not bigger.
pub const MAX_DOCUMENT_BYTES: usize = 2 * 1024 * 1024;

/// A checked file.
#[derive(Clone, Debug)]
pub struct Document {
    /// What was read.
    pub loaded: Loaded,
    pub(crate) places: Places,
}

impl Document {
    fn refused(findings: Vec<Finding>) -> Self {
        Self { loaded: Loaded::refused(findings), places: Places::new() }
    }
}

/// Reads a file: a ConfigMap manifest (YAML or JSON), a `data:` fragment, a mapping of ConfigMap keys, a bare list
/// of entries, or the add-on parameters. Findings carry the line of the file. What is none of these, several
/// documents, or not UTF-8, is an error without a key.
pub fn load_document(bytes: &[u8]) -> Document {
    let nothing = Text::default();
    let mut sheet = Sheet::new("", &nothing, Vec::new());
    let Ok(content) = std::str::from_utf8(bytes) else {
        sheet.document_error(code::NOT_UTF8, "the file is not UTF-8 text", "save it as UTF-8");
        return Document::refused(sheet.finish());
    };
    if content.len() > MAX_DOCUMENT_BYTES {
        sheet.document_error(code::TOO_LARGE, "the file has more than 2 MiB", "no ConfigMap can hold that");
        return Document::refused(sheet.finish());
    }
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    let mut file = Text::new(content.to_owned());
    let lines = u32::try_from(file.content.split('\n').count()).unwrap_or(u32::MAX);
    file.file_lines = (1..=lines).collect();
    load_text(&file)
}

fn load_text(file: &Text) -> Document {
    let names = names::KEYS.iter().chain(&names::ENTRY).chain(&names::PARAMETERS).copied();
    let mut sheet = Sheet::new("", file, names.chain(["apiVersion", "kind", "metadata", "data"]).collect());
    let tree = crate::yaml::parse(&file.content);
    sheet.use_tree(&tree);
    let found = match &tree.fault {
        Some(fault) if matches!(fault.kind, FaultKind::SeveralDocuments) => None,
        fault => Some(sheet.form(tree.root.as_ref(), fault.is_some())).flatten(),
    };
    // A list or JSON that is the whole file is read again as a value, which then tells of the fault.
    if let Some(fault) =
        tree.fault.as_ref().filter(|_| !matches!(found, Some(Found::Entries | Found::Parameters)))
    {
        sheet.report_fault(fault);
    }
    let source = found.map(|found| found.source(&mut sheet, file, tree.fault.is_some()));
    let findings = sheet.finish();
    let Some(source) = source else { return Document::refused(findings) };
    let (mut loaded, places) = load_with_places(&source);
    loaded.errors_only_in_entries &= !findings.iter().any(Finding::is_error);
    loaded.findings.extend(findings);
    loaded.sort();
    Document { loaded, places }
}

/// Where in the document the source is.
enum Found<'n> {
    /// The data of the ConfigMap; `None` if it has none.
    Data(Option<&'n [(Node, Node)]>),
    /// The document is the value of `acr-registry-info`.
    Entries,
    /// The document is the add-on parameters.
    Parameters,
}

impl Found<'_> {
    fn source(&self, sheet: &mut Sheet<'_>, file: &Text, cut: bool) -> Source {
        let mut source = Source { cut, ..Source::default() };
        match self {
            Self::Entries => {
                source.values.insert("acr-registry-info".to_owned(), file.clone());
            }
            Self::Parameters => source.parameters = Some(file.clone()),
            Self::Data(pairs) => {
                let lines: Vec<&str> = file.content.split('\n').collect();
                for (key, value) in pairs.unwrap_or_default() {
                    let text = Text { doubtful: cut, ..value_of(key, value, &lines) };
                    if source.values.insert(name_of(key).to_owned(), text).is_some() {
                        let name = mask::name(name_of(key));
                        sheet.error(
                            code::DUPLICATE_KEY,
                            Some(key.span),
                            format!("the key `{name}` stands twice"),
                            "keep one of the two".to_owned(),
                        );
                    }
                }
            }
        }
        source
    }
}

impl Sheet<'_> {
    fn document_error(&mut self, code: &'static str, message: &str, remedy: &str) {
        self.error(code, None, message.to_owned(), remedy.to_owned());
    }

    fn unknown_form(&mut self, message: &str, remedy: &str) {
        self.document_error(code::UNKNOWN_FORM, message, remedy);
    }

    /// Recognises the form of the document. After a syntax error only what is certain is reported.
    fn form<'n>(&mut self, root: Option<&'n Node>, cut: bool) -> Option<Found<'n>> {
        const FORMS: &str =
            "check a ConfigMap manifest, its `data:`, its keys, a list of entries, or add-on parameters";
        match root.map(|root| &root.value) {
            None | Some(Value::Null) => {
                if !cut {
                    self.unknown_form("the file has no content: it is empty, null or commented out", FORMS);
                }
                None
            }
            Some(Value::Scalar { .. }) => {
                if !cut {
                    self.unknown_form("the file is a single value, not a configuration", FORMS);
                }
                None
            }
            Some(Value::Sequence(nodes)) => {
                let entries = nodes.is_empty() || nodes.iter().any(is_entry);
                if !entries && !cut {
                    self.unknown_form("the file is a list, but not of registry entries", FORMS);
                }
                entries.then_some(Found::Entries)
            }
            Some(Value::Mapping(pairs)) => {
                let found = self.form_of_mapping(pairs);
                if found.is_none() && self.errors() == 0 && !cut {
                    self.unknown_form("no key of the file belongs to a configuration", FORMS);
                }
                found
            }
        }
    }

    fn form_of_mapping<'n>(&mut self, pairs: &'n [(Node, Node)]) -> Option<Found<'n>> {
        let value = |name: &str| pairs.iter().find(|(key, _)| name_of(key) == name).map(|(_, value)| value);
        if value("kind").is_some() || value("data").is_some() {
            self.report_beside_data(pairs);
        }
        if let Some(kind) = value("kind").map(name_of) {
            return self.manifest(kind, value("metadata"), value("data"));
        }
        if let Some(data) = value("data") {
            return self.data(Some(data));
        }
        let count = |rule: &dyn Fn(&str) -> bool| pairs.iter().filter(|(key, _)| rule(name_of(key))).count();
        match keyed_parameters::spelling(pairs) {
            Some(Spelling::Keys) if !keyed_parameters::are_parameters(pairs) => {
                return Some(Found::Data(Some(pairs)));
            }
            Some(Spelling::Keys | Spelling::Parameters | Spelling::Both) => return Some(Found::Parameters),
            None => {}
        }
        if count(&|name| names::ENTRY.contains(&names::canonical(name))) > 0 {
            self.unknown_form(
                "the file is one registry entry",
                "make it a list: put `- ` before its first field",
            );
            return None;
        }
        let alike = |known: &[&'static str]| {
            count(&|name| names::nearest(name, known).is_some_and(|(_, alike)| alike))
        };
        let (keys, parameters) = (alike(&names::KEYS), alike(&names::PARAMETERS));
        let found = if keys >= parameters { Found::Data(Some(pairs)) } else { Found::Parameters };
        (keys + parameters > 0).then_some(found)
    }

    /// What stands beside `data:` never reaches the cluster: a scope that is not indented must not shrink in silence.
    fn report_beside_data(&mut self, pairs: &[(Node, Node)]) {
        for (key, _) in pairs {
            let name = name_of(key);
            let remedy = if names::KEYS.contains(&name) {
                "indent it and its lines, so that they stand under `data:`"
            } else if names::PARAMETERS.contains(&name) {
                "under `data:` the parameters are one JSON text, the value of `add-on-parameters`"
            } else {
                continue;
            };
            self.show(key);
            self.error(
                code::MISPLACED_KEY,
                Some(key.span),
                format!("`{name}` does not stand under `data:`, and nothing reads it there"),
                remedy.to_owned(),
            );
        }
    }

    fn manifest<'n>(
        &mut self,
        kind: &str,
        metadata: Option<&Node>,
        data: Option<&'n Node>,
    ) -> Option<Found<'n>> {
        if kind != "ConfigMap" {
            let kind = mask::name(kind);
            self.unknown_form(
                &format!("the manifest is of kind {kind}, not ConfigMap"),
                "check the manifest of the ConfigMap acr-configuration",
            );
            return None;
        }
        let field = |name: &str| match metadata.map(|node| &node.value) {
            Some(Value::Mapping(pairs)) => {
                pairs.iter().find(|(key, _)| name_of(key) == name).map(|(_, value)| value)
            }
            _ => None,
        };
        for (name, wanted) in [("name", "acr-configuration"), ("namespace", "kube-system")] {
            if let Some(node) =
                field(name).filter(|node| !name_of(node).is_empty() && name_of(node) != wanted)
            {
                self.show(node);
                self.warn(
                    code::OTHER_CONFIG_MAP,
                    Some(node.span),
                    format!("the {name} of the ConfigMap is not {wanted}: this one is never read"),
                    format!("write `{name}: {wanted}`"),
                );
            }
        }
        self.data(data)
    }

    fn data<'n>(&mut self, data: Option<&'n Node>) -> Option<Found<'n>> {
        match data.map(|data| &data.value) {
            None | Some(Value::Null) => Some(Found::Data(None)),
            Some(Value::Mapping(pairs)) => Some(Found::Data(Some(pairs))),
            Some(Value::Scalar { .. } | Value::Sequence(_)) => {
                if let Some(data) = data {
                    self.wrong_type(data, "data", "a mapping of keys", "`acr-registry-info: |` and so on");
                }
                None
            }
        }
    }
}

/// The text of a scalar, else nothing.
pub(crate) fn name_of(node: &Node) -> &str {
    match &node.value {
        Value::Scalar { text, .. } => text,
        _ => "",
    }
}

/// Whether a node has a field of an entry, or one that looks like it.
fn is_entry(node: &Node) -> bool {
    let Value::Mapping(pairs) = &node.value else { return false };
    pairs.iter().any(|(key, _)| {
        names::nearest(names::canonical(name_of(key)), &names::ENTRY).is_some_and(|(_, alike)| alike)
    })
}

/// The value of a key of the ConfigMap, with its lines in the file.
pub(crate) fn value_of(key: &Node, value: &Node, lines: &[&str]) -> Text {
    let key_line = Some(key.span.start.line);
    match &value.value {
        Value::Null => Text { form: Form::Null, key_line, ..Text::default() },
        Value::Sequence(_) | Value::Mapping(_) => {
            Text { form: Form::Collection, key_line, ..Text::default() }
        }
        Value::Scalar { text, style } => {
            let form = if *style == Style::Plain && is_boolean_or_number(text) {
                Form::Unquoted
            } else {
                Form::String
            };
            let file_lines = lines_of(value, text, *style, lines);
            Text { form, key_line, file_lines, ..Text::new(text.clone()) }
        }
    }
}

/// What YAML 1.1, which kubectl speaks, makes of a text without quotes.
fn is_boolean_or_number(text: &str) -> bool {
    let booleans = ["true", "false", "yes", "no", "on", "off"];
    if booleans.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return true;
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let radix = |prefix: &str, radix: u32| {
        digits
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix)))
    };
    let special = [".inf", ".nan"].iter().any(|word| word.eq_ignore_ascii_case(digits));
    let decimal = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits.replace('_', "").parse::<f64>().is_ok();
    special || decimal || radix("0x", 16) || radix("0o", 8) || radix("0b", 2)
}

/// For each line of a value its line in the file. Exact for literal blocks; elsewhere escapes and folding hide
/// the breaks, and each line is looked for by its beginning.
fn lines_of(node: &Node, text: &str, style: Style, lines: &[&str]) -> Vec<u32> {
    let (first, last) = (node.span.start.line, node.span.end.line);
    if style == Style::Literal {
        // The library lets a literal block start at its first line that is not blank.
        let blank = text.chars().take_while(|c| *c == '\n').count();
        let blank = u32::try_from(blank).unwrap_or(u32::MAX);
        return (first.saturating_sub(blank)..).zip(text.split('\n')).map(|(line, _)| line).collect();
    }
    let mut at = first;
    let line_of = |line: &str| {
        let beginning = line.trim().split(['"', '\\', '\'']).next().unwrap_or_default();
        let stands_in = |number: &u32| {
            let index = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
            lines.get(index).is_some_and(|line| line.contains(beginning))
        };
        if !beginning.is_empty()
            && let Some(found) = (at..=last.min(at.saturating_add(1000))).find(stands_in)
        {
            at = found;
        }
        at
    };
    text.split('\n').map(line_of).collect()
}
