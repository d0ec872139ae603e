//! Add-on parameters in the spelling of the self-managed edition: the keys of the ConfigMap as one JSON object, with
//! `tokenMode` beside them (seen in configurations of Terraform).

use crate::document::{name_of, value_of};
use crate::names;
use crate::sheet::is_unset;
use crate::source::{Form, Source, Text};
use crate::yaml::{Node, Value};

/// The parameter that is no key of the ConfigMap.
const TOKEN_MODE: &str = "tokenMode";

/// Whether an object of parameters is in this spelling.
pub(crate) fn is_keyed(pairs: &[(Node, Node)]) -> bool {
    let any = |known: &[&str]| pairs.iter().any(|(key, _)| known.contains(&name_of(key)));
    let others: Vec<&str> = names::PARAMETERS.into_iter().filter(|name| *name != TOKEN_MODE).collect();
    any(&names::SHARED_KEYS) && !any(&others)
}

/// The source with the parameters in the place of the keys that they are; `None` where there are none in this spelling.
/// Keys that stand in both are left as they are, and named in [`Source::beside`].
pub(crate) fn spread(source: &Source) -> Option<Source> {
    let of_key = source.values.get(names::ADD_ON_PARAMETERS).filter(|text| is_set(text));
    let of_file = source.parameters.as_ref().filter(|text| is_set(text));
    let ((Some(text), None) | (None, Some(text))) = (of_file, of_key) else { return None };
    let tree = crate::yaml::parse(&text.content);
    let (Some(root), None) = (tree.root, tree.fault) else { return None };
    let Value::Mapping(pairs) = root.value else { return None };
    if !is_keyed(&pairs) {
        return None;
    }
    let lines: Vec<&str> = text.content.split('\n').collect();
    let mut spread = source.clone();
    spread.parameters = None;
    spread.values.remove(names::ADD_ON_PARAMETERS);
    for (key, value) in &pairs {
        let (name, value) = (name_of(key), in_file(value_of(key, value, &lines), text));
        if name == TOKEN_MODE {
            spread.token_mode = Some(value);
        } else if source.values.get(name).is_some_and(is_set) {
            spread.beside.push(name.to_owned());
        } else {
            spread.values.insert(name.to_owned(), value);
        }
    }
    Some(spread)
}

/// Whether a text says anything.
pub(crate) fn is_set(text: &Text) -> bool {
    !is_unset(text.content.trim()) && text.form != Form::Null
}

/// Lines of the parameters' text become those of the file in which it stands; where it is in none, there are none.
fn in_file(value: Text, text: &Text) -> Text {
    let line = |line: u32| {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        text.file_lines.get(index).copied()
    };
    Text {
        key_line: value.key_line.and_then(line),
        file_lines: value.file_lines.into_iter().filter_map(line).collect(),
        doubtful: text.doubtful,
        content: value.content,
        form: value.form,
    }
}
