//! YAML and JSON text as a tree of nodes with places: the only module that knows the YAML library.
//!
//! The library's event layer is used, not its serde layer: one fault must not hide the others, and no error of
//! the library may carry text of the value. What was complete before a syntax error stays in the tree.

use std::collections::{BTreeMap, BTreeSet};

use serde_saphyr::granit_parser::{
    ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Span as RawSpan,
};

/// Nesting beyond this is nonsense: the deepest legal value has four levels.
const MAX_DEPTH: usize = 64;
/// More nodes than this, aliases expanded, do not come from a user.
const MAX_NODES: usize = 20_000;

/// 1-based, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// From the first character to the one after the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) start: Position,
    pub(crate) end: Position,
}

/// A node of the tree.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// For a scalar with its quotes; for a collection where it starts.
    pub(crate) span: Span,
    /// False for a collection that a syntax error cut off: what is missing in it may only be unread.
    pub(crate) complete: bool,
    nodes: usize,
    height: usize,
}

/// What a node holds.
#[derive(Clone)]
pub(crate) enum Value {
    Null,
    Scalar { text: String, style: Style },
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
    /// `|`: line N of the value is line N of the block.
    Literal,
    /// `>`.
    Folded,
}

/// The tree of a text, and the fault that ended it early, if any.
#[derive(Default)]
pub(crate) struct Tree {
    /// `None` when there is nothing but comments and white space.
    pub(crate) root: Option<Node>,
    pub(crate) fault: Option<Fault>,
    /// Every scalar of the text, keys included.
    pub(crate) scalars: Vec<Span>,
}

/// Why the rest of a text could not be read.
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) at: Position,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// Not YAML; the text says why in the parser's words and holds nothing of the value.
    Syntax(String),
    /// A second document after `---`.
    SeveralDocuments,
    /// Nested too deeply, or too many nodes after aliases are expanded.
    TooLarge,
}

/// Reads one document. Never fails: what cannot be read is in [`Tree::fault`].
pub(crate) fn parse(text: &str) -> Tree {
    let mut options = Options::default();
    options.emit_comments = false;
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let taken = event.map_err(Fault::from).and_then(|(event, span)| builder.take(event, span.into()));
        if let Err(fault) = taken {
            builder.tree.fault = Some(fault);
            break;
        }
    }
    builder.finish()
}

impl From<ScanError> for Fault {
    fn from(error: ScanError) -> Self {
        let kind = match error.kind() {
            ErrorKind::RecursionLimitExceeded => FaultKind::TooLarge,
            ErrorKind::UnexpectedCharacter { .. } => FaultKind::Syntax("unexpected character".to_owned()),
            kind => FaultKind::Syntax(kind.to_string()),
        };
        let marker = error.marker();
        Self { kind, at: position(marker.line(), marker.col()) }
    }
}

impl From<RawSpan> for Span {
    fn from(raw: RawSpan) -> Self {
        Self {
            start: position(raw.start.line(), raw.start.col()),
            end: position(raw.end.line(), raw.end.col()),
        }
    }
}

/// The library counts lines from 1 and columns from 0.
fn position(line: usize, column: usize) -> Position {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Position { line: number(line.max(1)), column: number(column).saturating_add(1) }
}

/// A collection whose end has not come yet.
struct Open {
    span: Span,
    anchor: usize,
    children: Vec<Node>,
    mapping: bool,
}

#[derive(Default)]
struct Builder {
    tree: Tree,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    documents: usize,
    /// Where the present document starts.
    start: Position,
    nodes: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                self.start = span.start;
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_string = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                if span.end > span.start {
                    self.tree.scalars.push(span);
                }
                let style = match style {
                    ScalarStyle::Plain if !is_string => Style::Plain,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                    _ => Style::Quoted,
                };
                let value = match (style, text.as_ref()) {
                    (Style::Plain, "" | "~" | "null" | "Null" | "NULL") => Value::Null,
                    _ => Value::Scalar { text: text.into_owned(), style },
                };
                if !matches!(value, Value::Null) {
                    self.check_document()?;
                }
                self.place(Node { value, span, complete: true, nodes: 1, height: 0 }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.enter(span, anchor, false),
            Event::MappingStart(_, anchor, _) => self.enter(span, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.close(open, true),
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) if self.nodes.saturating_add(node.nodes) <= MAX_NODES => {
                    let node = node.clone();
                    self.place(node, 0)
                }
                Some(_) => Err(Fault { kind: FaultKind::TooLarge, at: span.start }),
                None => Err(Fault {
                    kind: FaultKind::Syntax("an alias inside the node that it stands for".to_owned()),
                    at: span.start,
                }),
            },
            _ => Ok(()),
        }
    }

    fn enter(&mut self, span: Span, anchor: usize, mapping: bool) -> Result<(), Fault> {
        self.check_document()?;
        if self.open.len() >= MAX_DEPTH {
            return Err(Fault { kind: FaultKind::TooLarge, at: span.start });
        }
        self.open.push(Open { span, anchor, children: Vec::new(), mapping });
        Ok(())
    }

    fn close(&mut self, open: Open, complete: bool) -> Result<(), Fault> {
        let Open { span, anchor, children, mapping } = open;
        let height = children.iter().map(|node| node.height + 1).max().unwrap_or(0);
        let value = if mapping { Value::Mapping(pairs(children)) } else { Value::Sequence(children) };
        // The children are counted already: only the collection itself is new.
        self.place(Node { value, span, complete, nodes: 1, height }, anchor)
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, mut node: Node, anchor: usize) -> Result<(), Fault> {
        self.nodes += node.nodes;
        if self.nodes > MAX_NODES || self.open.len() + node.height > MAX_DEPTH {
            return Err(Fault { kind: FaultKind::TooLarge, at: node.span.start });
        }
        if anchor != 0 {
            node.nodes = count(&node);
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            // `---` at the end of a file starts a document without content: nobody meant one.
            None if self.documents > 1 && matches!(node.value, Value::Null) => {}
            None => self.tree.root = Some(node),
        }
        Ok(())
    }

    /// Called before content is added.
    fn check_document(&self) -> Result<(), Fault> {
        if self.documents > 1 && self.tree.root.is_some() {
            return Err(Fault { kind: FaultKind::SeveralDocuments, at: self.start });
        }
        Ok(())
    }

    fn finish(mut self) -> Tree {
        while let Some(open) = self.open.pop() {
            // Only reached after a fault, which is already recorded.
            if self.close(open, false).is_err() {
                break;
            }
        }
        self.tree
    }
}

/// Keys and values in their order, duplicates included. A key that a syntax error separated from its value goes.
fn pairs(children: Vec<Node>) -> Vec<(Node, Node)> {
    let mut pairs = Vec::with_capacity(children.len() / 2);
    let mut merged = Vec::new();
    let mut children = children.into_iter();
    while let (Some(key), Some(value)) = (children.next(), children.next()) {
        match &key.value {
            Value::Scalar { text, style: Style::Plain } if text == "<<" => merged.push(value),
            _ => pairs.push((key, value)),
        }
    }
    if !merged.is_empty() {
        // What the mapping says itself wins over what it merges in, and the first merged over later ones.
        let mut seen: BTreeSet<String> = pairs.iter().filter_map(|(key, _)| name(key)).collect();
        for (key, value) in merged.into_iter().flat_map(merged_pairs) {
            if name(&key).is_some_and(|name| seen.insert(name)) {
                pairs.push((key, value));
            }
        }
    }
    pairs
}

fn name(key: &Node) -> Option<String> {
    match &key.value {
        Value::Scalar { text, .. } => Some(text.clone()),
        _ => None,
    }
}

fn merged_pairs(node: Node) -> Vec<(Node, Node)> {
    match node.value {
        Value::Mapping(pairs) => pairs,
        Value::Sequence(nodes) => nodes.into_iter().flat_map(merged_pairs).collect(),
        Value::Null | Value::Scalar { .. } => Vec::new(),
    }
}

/// Recursion is bounded by [`MAX_DEPTH`].
fn count(node: &Node) -> usize {
    1 + match &node.value {
        Value::Null | Value::Scalar { .. } => 0,
        Value::Sequence(nodes) => nodes.iter().map(count).sum(),
        Value::Mapping(pairs) => pairs.iter().map(|(key, value)| count(key) + count(value)).sum(),
    }
}
