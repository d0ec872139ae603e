//! The `imagePullSecrets` of a ServiceAccount as observed: is our name in it, and what change puts it there.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use crate::names::PULL_SECRET;
use crate::operation::ListChange;

/// The list of most ServiceAccounts that are attached, as compact JSON.
pub const ONLY_OURS: &str = r#"[{"name":"acr-credential-secret-aggregation"}]"#;

/// Where our name stands in an observed list, 0-based; `None` where it is not in it.
///
/// The text is the compact JSON of the list; what is no list holds nothing of ours.
pub fn place_of_ours(list: Option<&str>) -> Option<usize> {
    let list = list?;
    // Most lists do not hold our name, and those that do mostly hold nothing else: no parser for either.
    if !list.contains(PULL_SECRET) {
        return None;
    }
    let Ok(Value::Array(elements)) = serde_json::from_str(list) else { return None };
    elements.iter().position(|element| element.get("name").and_then(Value::as_str) == Some(PULL_SECRET))
}

/// The names of a list but ours, in their order, as a byte: equal names give equal bytes, and others rarely do.
pub fn mark_of_others(list: Option<&str>) -> u8 {
    let list = list.and_then(|list| serde_json::from_str::<Vec<Value>>(list).ok()).unwrap_or_default();
    mark(list.iter().filter_map(|element| element.get("name")?.as_str()))
}

/// The same of names that are known.
pub fn mark<'a>(names: impl Iterator<Item = &'a str>) -> u8 {
    let mut hasher = DefaultHasher::new();
    names.filter(|name| *name != PULL_SECRET).for_each(|name| name.hash(&mut hasher));
    let [first, ..] = hasher.finish().to_le_bytes();
    first
}

/// The change that adds our name to an observed list.
pub fn addition(list: Option<&str>) -> ListChange {
    if list.is_some() { ListChange::Append } else { ListChange::Create }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_only_contain_ours_are_not_ours() {
        for list in [
            None,
            Some("[]"),
            Some("null"),
            Some(r#"[{"name":"acr-credential-secret-aggregation-2"}]"#),
            Some(r#"[{"name":"x"},{}]"#),
            Some(r#"{"name":"acr-credential-secret-aggregation"}"#),
        ] {
            assert_eq!(place_of_ours(list), None, "{list:?}");
        }
    }

    #[test]
    fn the_list_with_nothing_but_our_name_holds_it() {
        assert_eq!(ONLY_OURS, format!(r#"[{{"name":"{PULL_SECRET}"}}]"#));
        assert_eq!(place_of_ours(Some(ONLY_OURS)), Some(0));
    }

    #[test]
    fn the_mark_tells_other_names_and_another_order_and_not_where_ours_stands() {
        let of = |names: &[&str]| mark(names.iter().copied());
        let list = r#"[{"name":"a"},{},{"name":"acr-credential-secret-aggregation"},{"name":"b"}]"#;
        assert_eq!(mark_of_others(Some(list)), of(&["a", "b"]));
        assert_eq!(mark_of_others(None), of(&[]));
        for others in [&["b", "a"][..], &["a"], &["ab"], &[]] {
            assert_ne!(mark_of_others(Some(list)), of(others), "{others:?}");
        }
    }

    #[test]
    fn our_place_is_counted_among_foreign_elements() {
        let list = r#"[{"name":"a"},{},{"name":"acr-credential-secret-aggregation"}]"#;
        assert_eq!(place_of_ours(Some(list)), Some(2));
    }
}
