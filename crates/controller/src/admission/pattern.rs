//! Patterns for names in the dialects of the API server: RE2 expressions and CEL literals.

use std::fmt::Write;

use acr_configuration::Glob;

/// An RE2 expression that matches exactly what one of the patterns matches.
pub fn expression<'a>(globs: impl IntoIterator<Item = &'a Glob>) -> String {
    let alternatives: Vec<String> = globs.into_iter().map(alternative).collect();
    format!("^(?:{})$", alternatives.join("|"))
}

fn alternative(glob: &Glob) -> String {
    let pieces: Vec<String> = glob.as_str().split('*').map(escaped).collect();
    pieces.join(".*")
}

/// A text of which every character stands for itself, without white space: it ends an expression where several stand in
/// one line.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_whitespace() || character.is_control() {
            // Writing to memory cannot fail.
            let _ = write!(escaped, "\\x{{{:x}}}", u32::from(character));
            continue;
        }
        if character.is_ascii_punctuation() && character != '-' {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// A CEL string literal.
pub fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for character in text.chars() {
        match character {
            '\'' | '\\' => literal.extend(['\\', character]),
            character if character.is_control() => {
                // Writing to memory cannot fail.
                let _ = write!(literal, "\\U{:08x}", u32::from(character));
            }
            character => literal.push(character),
        }
    }
    literal.push('\'');
    literal
}

/// A CEL expression that says whether `subject`, an expression for a name, matches one of the patterns; `None` where any
/// name does.
pub fn condition(subject: &str, globs: &[Glob]) -> Option<String> {
    if globs.iter().any(matches_any) {
        return None;
    }
    let (names, patterns): (Vec<&Glob>, Vec<&Glob>) = globs.iter().partition(|glob| glob.is_literal());
    let mut alternatives = Vec::new();
    if !names.is_empty() {
        let names: Vec<String> = names.iter().map(|name| literal(name.as_str())).collect();
        alternatives.push(format!("{subject} in [{}]", names.join(", ")));
    }
    if !patterns.is_empty() {
        alternatives.push(format!("{subject}.matches({})", literal(&expression(patterns))));
    }
    Some(if alternatives.is_empty() { "false".to_owned() } else { alternatives.join(" || ") })
}

/// Whether a pattern consists of stars, so that it matches the name that is not known yet as well.
pub fn matches_any(glob: &Glob) -> bool {
    !glob.as_str().is_empty() && glob.as_str().chars().all(|character| character == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(texts: &[&str]) -> Vec<Glob> {
        texts.iter().map(|text| Glob::new(*text)).collect()
    }

    #[test]
    fn every_character_but_the_star_stands_for_itself() {
        assert_eq!(expression(&globs(&["a.b", "team-*", "*x*"])), r"^(?:a\.b|team-.*|.*x.*)$");
        assert_eq!(expression(&globs(&["(a|b)+'\\"])), r"^(?:\(a\|b\)\+\'\\)$");
        assert_eq!(expression(&globs(&["a b\n"])), r"^(?:a\x{20}b\x{a})$");
    }

    #[test]
    fn a_literal_ends_where_its_text_ends() {
        assert_eq!(literal(r"a'b\c"), r"'a\'b\\c'");
        assert_eq!(literal("a\nb"), r"'a\U0000000ab'");
    }

    #[test]
    fn names_are_looked_up_and_patterns_are_matched() {
        assert_eq!(condition("n", &globs(&["a", "b"])).unwrap(), "n in ['a', 'b']");
        assert_eq!(condition("n", &globs(&["a", "b-*"])).unwrap(), "n in ['a'] || n.matches('^(?:b-.*)$')");
        assert_eq!(condition("n", &globs(&["a", "*"])), None);
        assert_eq!(condition("n", &globs(&["**"])), None);
        assert_eq!(condition("n", &[]).unwrap(), "false");
    }
}
