//! Add-on parameters in the spelling of the self-managed edition: the keys of the ConfigMap as one JSON object, with
//! `tokenMode` beside them (seen in configurations of Terraform).

use crate::code;
use crate::document::{name_of, value_of};
use crate::names;
use crate::sheet::{Sheet, is_unset};
use crate::source::{Form, Source, Text};
use crate::yaml::{Node, Value};

/// The parameter that is no key of the ConfigMap.
const TOKEN_MODE: &str = "tokenMode";

/// Each key of the ConfigMap that add-on parameters say as well, with the parameter.
pub(crate) const COUNTERPARTS: [(&str, &str); 6] = [
    ("acr-registry-info", "AcrInstanceInfo"),
    ("expiring-threshold", "expiringThreshold"),
    ("notify-email", "notifyEmail"),
    ("rrsa", "enableRRSA"),
    ("service-account", "serviceAccount"),
    ("watch-namespace", "watchNamespace"),
];

/// How the names of an object are spelled. The one place that tells: a file that is checked and parameters that are in force
/// mean the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// The keys of the ConfigMap, `tokenMode` perhaps beside them.
    Keys,
    /// The parameters of the managed edition.
    Parameters,
    /// Parameters beside the keys that say the same: an error.
    Both,
}

/// The spelling of an object; `None` where it has no known name.
pub(crate) fn spelling(pairs: &[(Node, Node)]) -> Option<Spelling> {
    let any = |rule: &dyn Fn(&str) -> bool| pairs.iter().any(|(key, _)| rule(name_of(key)));
    let parameters = any(&is_parameter);
    if parameters && any(&|name| names::SHARED_KEYS.contains(&name) || name == names::ADD_ON_PARAMETERS) {
        Some(Spelling::Both)
    } else if parameters {
        Some(Spelling::Parameters)
    } else if any(&|name| names::KEYS.contains(&name)) {
        Some(Spelling::Keys)
    } else {
        stands(pairs, TOKEN_MODE).then_some(Spelling::Parameters)
    }
}

/// Whether keys of the ConfigMap are parameters: `tokenMode` stands beside them. Those in which the parameters stand as a text
/// of their own are the ConfigMap's.
pub(crate) fn are_parameters(pairs: &[(Node, Node)]) -> bool {
    stands(pairs, TOKEN_MODE) && !stands(pairs, names::ADD_ON_PARAMETERS)
}

fn stands(pairs: &[(Node, Node)], name: &str) -> bool {
    pairs.iter().any(|(key, _)| name_of(key) == name)
}

/// Whether a name belongs to the managed edition's spelling alone.
fn is_parameter(name: &str) -> bool {
    names::PARAMETERS.contains(&name) && name != TOKEN_MODE
}

/// Reports each name that is not of the spelling in which the object has its entries.
pub(crate) fn report_mixed(sheet: &mut Sheet<'_>, pairs: &[(Node, Node)]) {
    let by_parameters = stands(pairs, "AcrInstanceInfo") || !stands(pairs, "acr-registry-info");
    for (key, _) in pairs {
        let name = name_of(key);
        if names::KEYS.contains(&name) || names::PARAMETERS.contains(&name) {
            sheet.show(key);
        }
        let counterpart = if by_parameters {
            COUNTERPARTS.iter().find(|(key, _)| *key == name).map(|(_, parameter)| *parameter)
        } else {
            COUNTERPARTS.iter().find(|(_, parameter)| *parameter == name).map(|(key, _)| *key)
        };
        if counterpart.is_none() && !(by_parameters && name == names::ADD_ON_PARAMETERS) {
            continue;
        }
        let (found, others) = if by_parameters {
            ("a key of the ConfigMap", "the parameters of the add-on")
        } else {
            ("a parameter of the add-on", "the keys of the ConfigMap")
        };
        let remedy = match counterpart {
            Some(counterpart) if !stands(pairs, counterpart) => match counterpart {
                "enableRRSA" => "write `\"enableRRSA\": true`".to_owned(),
                "rrsa" => "write `\"rrsa\": \"enable: true\"`".to_owned(),
                _ => format!("write `{counterpart}`"),
            },
            Some(counterpart) => format!("remove it: `{counterpart}` says the same"),
            None => "remove it: the parameters stand here already".to_owned(),
        };
        sheet.error(
            code::BOTH_FORMS,
            Some(key.span),
            format!("`{name}` is {found}, and stands beside {others}; one object has one spelling"),
            remedy,
        );
    }
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
    // A text that is nothing but `add-on-parameters` once more would be read without end.
    let keyed = spelling(&pairs) == Some(Spelling::Keys);
    if !keyed || stands(&pairs, names::ADD_ON_PARAMETERS) {
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
