//! A label selector in the syntax of kubectl, limited to what a Kubernetes `LabelSelector` can say.

use std::collections::BTreeSet;
use std::fmt;

/// All requirements must hold. Empty matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// In the order in which they were written.
    pub requirements: Vec<Requirement>,
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label's key, with its prefix if it has one.
    pub key: String,
    /// What must be true of the label.
    pub operator: Operator,
}

/// The operators of `metav1.LabelSelectorRequirement`; equality is a set of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The label is there with one of these values.
    In(BTreeSet<String>),
    /// The label is absent, or has none of these values.
    NotIn(BTreeSet<String>),
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// Why a selector cannot be read, with the place of the fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorError {
    /// Byte offset of the fault in the text.
    pub at: usize,
    /// Length of the faulty text in bytes.
    pub length: usize,
    /// What was expected there.
    pub expected: &'static str,
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)
    }
}

impl std::error::Error for SelectorError {}

impl LabelSelector {
    /// Whether an object with these labels matches. `labels` gives the value of a label.
    pub fn matches<'a>(&self, labels: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels(&requirement.key);
            match &requirement.operator {
                Operator::In(values) => value.is_some_and(|value| values.contains(value)),
                Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }

    /// Reads `a=b,c!=d,e in (x,y),f notin (z),g,!h`, as `kubectl get --selector` does. `>` and `<` are refused:
    /// admission selectors cannot express them.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut words = Words::of(text)?.into_iter().peekable();
        let mut requirements = Vec::new();
        let end = SelectorError { at: text.len(), length: 0, expected: "a label key" };
        loop {
            let first = words.next().ok_or_else(|| end.clone())?;
            let (negated, key) = if first.text == "!" {
                (true, words.next().ok_or_else(|| end.clone())?)
            } else {
                (false, first)
            };
            check(&key, is_label_key, "a label key: name or prefix/name, letters, digits, - _ .")?;
            let operator = match words.next_if(|word| word.text != ",") {
                None if negated => Operator::DoesNotExist,
                None => Operator::Exists,
                Some(word) if negated => return Err(word.error("a comma: nothing may follow !key")),
                Some(word) => match word.text {
                    "=" | "==" => Operator::In(BTreeSet::from([value(&mut words, text)?])),
                    "!=" => Operator::NotIn(BTreeSet::from([value(&mut words, text)?])),
                    "in" => Operator::In(value_list(&mut words, text)?),
                    "notin" => Operator::NotIn(value_list(&mut words, text)?),
                    _ => return Err(word.error("one of =, ==, !=, in, notin, or a comma")),
                },
            };
            requirements.push(Requirement { key: key.text.to_owned(), operator });
            match words.next() {
                None => return Ok(Self { requirements }),
                Some(word) if word.text == "," => {}
                Some(word) => return Err(word.error("a comma between requirements")),
            }
        }
    }
}

type WordsIter<'t> = std::iter::Peekable<std::vec::IntoIter<Word<'t>>>;

/// A value may be absent: `a=` is a label with the empty value.
fn value(words: &mut WordsIter<'_>, _text: &str) -> Result<String, SelectorError> {
    match words.next_if(|word| word.text != ",") {
        None => Ok(String::new()),
        Some(word) => {
            check(&word, is_label_value, LABEL_VALUE)?;
            Ok(word.text.to_owned())
        }
    }
}

fn value_list(words: &mut WordsIter<'_>, text: &str) -> Result<BTreeSet<String>, SelectorError> {
    let end = SelectorError { at: text.len(), length: 0, expected: "a list of values in parentheses" };
    let open = words.next().ok_or_else(|| end.clone())?;
    if open.text != "(" {
        return Err(open.error("a list of values in parentheses"));
    }
    let mut values = BTreeSet::new();
    loop {
        let word = words.next().ok_or_else(|| end.clone())?;
        match word.text {
            "," => {
                values.insert(String::new());
                continue;
            }
            ")" => {
                values.insert(String::new());
                return Ok(values);
            }
            _ => check(&word, is_label_value, LABEL_VALUE)?,
        }
        values.insert(word.text.to_owned());
        let separator = words.next().ok_or_else(|| end.clone())?;
        match separator.text {
            "," => {}
            ")" => return Ok(values),
            _ => return Err(separator.error("a comma or a closing parenthesis")),
        }
    }
}

const LABEL_VALUE: &str =
    "a label value: at most 63 letters, digits, - _ . with a letter or digit at both ends";

fn check(word: &Word<'_>, rule: fn(&str) -> bool, expected: &'static str) -> Result<(), SelectorError> {
    if rule(word.text) { Ok(()) } else { Err(word.error(expected)) }
}

/// `metav1` label value: empty, or at most 63 characters.
fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_qualified_name(text)
}

/// `metav1` label key: a name of at most 63 characters, with an optional DNS subdomain as prefix.
fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        None => is_qualified_name(text),
        Some((prefix, name)) => crate::scope::is_dns_subdomain(prefix) && is_qualified_name(name),
    }
}

fn is_qualified_name(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// A word of the selector with its place.
#[derive(Clone, Copy)]
struct Word<'t> {
    at: usize,
    text: &'t str,
}

impl Word<'_> {
    fn error(&self, expected: &'static str) -> SelectorError {
        SelectorError { at: self.at, length: self.text.len(), expected }
    }
}

struct Words;

impl Words {
    /// Splits into names and signs. A value is never confused with a sign: no sign is legal in a name.
    fn of(text: &str) -> Result<Vec<Word<'_>>, SelectorError> {
        let mut words = Vec::new();
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let length = if rest.starts_with("==") || rest.starts_with("!=") {
                2
            } else if rest.starts_with(['=', '!', ',', '(', ')']) {
                1
            } else if rest.starts_with(['<', '>']) {
                return Err(SelectorError { at, length: 1, expected: "a comparison for equality or a set" });
            } else if let Some(space) = rest.chars().next().filter(|c| c.is_whitespace()) {
                at += space.len_utf8();
                continue;
            } else {
                rest.find(|c: char| c.is_whitespace() || "=!,()<>".contains(c)).unwrap_or(rest.len())
            };
            words.push(Word { at, text: rest.get(..length).unwrap_or_default() });
            at += length;
        }
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    use super::LabelSelector;

    fn matches(selector: &str, labels: &[(&str, &'static str)]) -> bool {
        LabelSelector::parse(selector)
            .unwrap()
            .matches(|key| labels.iter().find(|(k, _)| *k == key).map(|(_, v)| *v))
    }

    #[test]
    fn every_operator_means_what_kubectl_means_by_it() {
        let labels = [("team", "a"), ("acme.io/tier", "web"), ("empty", "")];
        for (selector, expected) in [
            ("team=a", true),
            ("team==a", true),
            (" team = a ", true),
            ("team=b", false),
            ("absent=a", false),
            ("team!=a", false),
            ("absent!=a", true),
            ("team", true),
            ("absent", false),
            ("!team", false),
            ("! absent", true),
            ("team in (a, b)", true),
            ("team in (b)", false),
            ("absent in (a)", false),
            ("team notin (b,c)", true),
            ("absent notin (a)", true),
            ("team=a,acme.io/tier=web", true),
            ("team=a,acme.io/tier=db", false),
            ("empty=", true),
            ("team=", false),
            ("empty in (,x)", true),
            ("in=a", false),
        ] {
            assert_eq!(matches(selector, &labels), expected, "{selector:?}");
        }
    }

    #[test]
    fn a_fault_is_shown_at_its_place() {
        for (selector, at) in [
            ("", 0),
            (",a", 0),
            ("a,", 2),
            ("a=b c", 4),
            ("a in b", 5),
            ("a in (b", 7),
            ("a in (b c)", 8),
            ("a>1", 1),
            ("-a=b", 0),
            ("a=b_", 2),
            ("A_/x=b", 0),
            ("!a=b", 2),
            ("a=b=c", 3),
            ("=b", 0),
            ("a/b/c", 0),
        ] {
            assert_eq!(LabelSelector::parse(selector).unwrap_err().at, at, "{selector:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_points_into_the_text(text in "\\PC{0,40}") {
            if let Err(error) = LabelSelector::parse(&text) {
                proptest::prop_assert!(error.at + error.length <= text.len());
            }
        }
    }
}
