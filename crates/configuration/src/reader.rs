//! A collecting reader: fields of mappings and values of scalars, with a finding for each that does not fit.

use std::collections::BTreeMap;

use crate::code;
use crate::names;
use crate::placeholder;
use crate::sheet::{Scalar, Sheet, is_unset};
use crate::yaml::{Fault, FaultKind, Node, Span, Style, Tree, Value};

/// The known fields of a mapping.
pub(crate) struct Fields<'n> {
    values: BTreeMap<&'static str, (Span, &'n Node)>,
    /// Where the mapping starts.
    pub(crate) span: Span,
    /// False when a syntax error cut the mapping off: absent fields may only be unread.
    pub(crate) complete: bool,
}

impl<'n> Fields<'n> {
    /// The value of a field, null included; `None` when the field is not written.
    pub(crate) fn written(&self, name: &str) -> Option<&'n Node> {
        self.values.get(name).map(|(_, node)| *node)
    }

    /// The place of a field's name.
    pub(crate) fn name_span(&self, name: &str) -> Option<Span> {
        self.values.get(name).map(|(span, _)| *span)
    }

    /// Whether a field is written and set to something.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.written(name).is_some_and(|node| match &node.value {
            Value::Null => false,
            Value::Scalar { text, .. } => !is_unset(text.trim()),
            Value::Sequence(nodes) => !nodes.is_empty(),
            // Nobody writes that for "not set": what it lacks is told.
            Value::Mapping(_) => true,
        })
    }
}

impl Sheet<'_> {
    /// Reads the text as YAML and reports what the parser and the duplicates say.
    pub(crate) fn parse(&mut self) -> Tree {
        let tree = crate::yaml::parse(self.text());
        self.use_tree(&tree);
        if let Some(fault) = &tree.fault {
            self.report_fault(fault);
        }
        tree
    }

    /// Reports why the rest of the value could not be read.
    pub(crate) fn report_fault(&mut self, fault: &Fault) {
        let at = Span { start: fault.at, end: fault.at };
        match &fault.kind {
            FaultKind::Syntax(reason) => match crate::correction::of(self, fault.at, reason) {
                Some(correction) => {
                    self.error(
                        code::SYNTAX_ERROR,
                        Some(correction.at),
                        correction.message,
                        correction.remedy,
                    );
                }
                None => self.error(
                    code::SYNTAX_ERROR,
                    Some(at),
                    format!("not YAML: {reason}"),
                    "check quotes and indentation at this place; the rest of the value was not read"
                        .to_owned(),
                ),
            },
            FaultKind::SeveralDocuments => self.error(
                code::SEVERAL_DOCUMENTS,
                Some(at),
                "a second YAML document starts here".to_owned(),
                "remove the line `---` and what follows it".to_owned(),
            ),
            FaultKind::TooLarge => self.error(
                code::TOO_LARGE,
                Some(at),
                "too many values, or nested too deeply (aliases expanded)".to_owned(),
                "no configuration is that large: write it out, shorter and without aliases".to_owned(),
            ),
        }
    }

    /// The fields of a mapping. Unknown ones get a finding; `what` is the name of the mapping in messages.
    pub(crate) fn fields<'n>(
        &mut self,
        node: &'n Node,
        known: &[&'static str],
        what: &str,
    ) -> Option<Fields<'n>> {
        let Value::Mapping(pairs) = &node.value else {
            self.wrong_type(node, what, "a mapping with the fields", &known.join(", "));
            return None;
        };
        let mut values = BTreeMap::new();
        let mut unknown = Vec::new();
        for (key, value) in pairs {
            let text = match &key.value {
                Value::Scalar { text, .. } => text.as_str(),
                _ => "",
            };
            match known.iter().find(|name| **name == names::canonical(text)) {
                Some(name) => {
                    self.show(key);
                    if !names::is_secret(name) {
                        self.show(value);
                    }
                    if values.insert(*name, (key.span, value)).is_some() {
                        self.error(
                            code::DUPLICATE_KEY,
                            Some(key.span),
                            format!("{name} stands twice in one mapping"),
                            "keep one of the two lines".to_owned(),
                        );
                    }
                }
                None => unknown.push((key, text)),
            }
        }
        let fields = Fields { values, span: node.span, complete: node.complete };
        for (key, text) in unknown {
            self.unknown_field(key, text, known, what, &fields);
        }
        Some(fields)
    }

    fn unknown_field(
        &mut self,
        key: &Node,
        text: &str,
        known: &[&'static str],
        what: &str,
        fields: &Fields<'_>,
    ) {
        let Some((near, alike)) = names::nearest(text, known) else { return };
        let shown = self.name(text, alike);
        if shown == text {
            self.show(key);
        }
        let message = format!("unknown field `{shown}` in {what}; the nearest known one is `{near}`");
        if alike && fields.written(near).is_none() {
            let remedy = format!("write `{near}`, or remove the field");
            self.error(code::MISSPELLED_FIELD, Some(key.span), message, remedy);
        } else {
            let is_key = known == names::PARAMETERS && names::KEYS.contains(&text);
            let remedy = if is_key {
                format!("the add-on has no such parameter: write it as the key `{text}` of the ConfigMap")
            } else {
                "remove the field: nothing reads it".to_owned()
            };
            self.warn(code::UNKNOWN_FIELD, Some(key.span), message, remedy);
        }
    }

    /// The text of a field; `None` when it is not set or of the wrong type (which is reported).
    pub(crate) fn text_of<'n>(&mut self, fields: &Fields<'n>, name: &'static str) -> Option<Scalar<'n>> {
        let scalar = self.scalar(fields.written(name)?, name, "a text")?;
        if let Some(node) = fields.written(name)
            && matches!(&node.value, Value::Scalar { text, style: Style::Plain } if boolean(text).is_some())
        {
            self.wrong_type(node, name, "a text", "not a boolean");
            return None;
        }
        Some(scalar)
    }

    /// Any scalar that is set, trimmed.
    fn scalar<'n>(&mut self, node: &'n Node, name: &str, wanted: &str) -> Option<Scalar<'n>> {
        match &node.value {
            Value::Null => None,
            Value::Scalar { text, style } => {
                let scalar = Scalar::of(node, text, *style).trimmed();
                (!is_unset(scalar.text)).then_some(scalar)
            }
            Value::Sequence(nodes) if nodes.is_empty() => None,
            Value::Mapping(pairs) if pairs.is_empty() => None,
            // What it would have become is unknown.
            _ if !node.complete => None,
            Value::Sequence(_) if names::is_comma_list(name) => {
                self.error(
                    code::WRONG_TYPE,
                    Some(node.span),
                    format!("{name} must be {wanted}, found a list"),
                    format!("write what the list has as one text, separated by commas: `{name}: \"…,…\"`"),
                );
                None
            }
            Value::Sequence(_) | Value::Mapping(_) => {
                self.wrong_type(node, name, wanted, &format!("{name}: \"…\""));
                None
            }
        }
    }

    /// A whole number in a range; `None` when it is not set or wrong (which is reported).
    pub(crate) fn number_of(
        &mut self,
        fields: &Fields<'_>,
        name: &'static str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let scalar = self.scalar(fields.written(name)?, name, "a whole number")?;
        if self.is_placeholder(name, scalar) {
            self.unparsed = Some(name);
            return None;
        }
        let digits = scalar.text.strip_prefix(['-', '+']).unwrap_or(scalar.text);
        if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
            let found = self.quote(scalar.text);
            self.error(
                code::WRONG_TYPE,
                Some(scalar.span),
                format!("{name} must be a whole number, found {found}"),
                format!("write a number from {} to {}, without a unit", range.start(), range.end()),
            );
            return None;
        }
        let number = scalar.text.parse::<u32>().ok().filter(|number| range.contains(number));
        if number.is_none() && !digits.chars().all(|c| c == '0') {
            let found = self.quote(scalar.text);
            self.error(
                code::OUT_OF_RANGE,
                Some(scalar.span),
                format!("{name} must be from {} to {}, found {found}", range.start(), range.end()),
                format!("write a number from {} to {}", range.start(), range.end()),
            );
        }
        number
    }

    /// A boolean, quoted or not; `None` when it is not set or wrong (which is reported).
    pub(crate) fn boolean_of(&mut self, fields: &Fields<'_>, name: &'static str) -> Option<bool> {
        let scalar = self.scalar(fields.written(name)?, name, "true or false")?;
        self.boolean(name, scalar)
    }

    /// Whether a value was left as the documentation prints it; then there is a finding.
    pub(crate) fn is_placeholder(&mut self, name: &str, scalar: Scalar<'_>) -> bool {
        let is = placeholder::is_placeholder(scalar.text);
        if is {
            let found = self.quote(scalar.text);
            let found = if names::is_secret(name) { String::new() } else { format!(" {found}") };
            self.warn(
                code::PLACEHOLDER_NOT_REPLACED,
                Some(scalar.span),
                format!("the placeholder{found} of {name} was not replaced"),
                format!("write your own value for {name}"),
            );
        }
        is
    }

    /// The boolean that a scalar says, or a finding.
    pub(crate) fn boolean(&mut self, name: &str, scalar: Scalar<'_>) -> Option<bool> {
        let value = boolean(scalar.text);
        if value.is_none() && !self.is_placeholder(name, scalar) {
            let found = self.quote(scalar.text);
            self.error(
                code::WRONG_TYPE,
                Some(scalar.span),
                format!("{name} must be true or false, found {found}"),
                format!("write `{name}: true` or `{name}: false`"),
            );
        }
        value
    }

    /// One of a few words; `None` when it is none of them (which is reported).
    pub(crate) fn choice<T: Copy>(
        &mut self,
        name: &str,
        scalar: Scalar<'_>,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let choice = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(scalar.text));
        if choice.is_none() && !self.is_placeholder(name, scalar) {
            let words: Vec<&'static str> = choices.iter().map(|(word, _)| *word).collect();
            let found = self.quote(scalar.text);
            let near = names::nearest(scalar.text, &words).filter(|(_, alike)| *alike);
            self.error(
                code::INVALID_VALUE,
                Some(scalar.span),
                format!("{name} must be one of {}, found {found}", words.join(", ")),
                match near {
                    Some((near, _)) => format!("write `{near}`"),
                    None => format!("write one of {}", words.join(", ")),
                },
            );
        }
        choice.map(|(_, value)| *value)
    }

    /// A field that must be one of a few words.
    pub(crate) fn choice_of<T: Copy>(
        &mut self,
        fields: &Fields<'_>,
        name: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let scalar = self.text_of(fields, name)?;
        self.choice(name, scalar, choices)
    }

    /// Reports a node of the wrong kind.
    pub(crate) fn wrong_type(&mut self, node: &Node, name: &str, wanted: &str, form: &str) {
        let found = match &node.value {
            Value::Null => "nothing",
            Value::Scalar { .. } => "a plain value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        };
        self.error(
            code::WRONG_TYPE,
            Some(node.span),
            format!("{name} must be {wanted}, found {found}"),
            format!("write it as {wanted}: {form}"),
        );
    }
}

/// What Go's YAML libraries take for a boolean, quoted or not.
fn boolean(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(&["true", "yes", "on"]) {
        Some(true)
    } else if is(&["false", "no", "off"]) {
        Some(false)
    } else {
        None
    }
}
