//! No value of a secret or unknown field leaves the crate, whatever is done to the text.

#![cfg(test)]

mod support;

use std::fmt::Write as _;

use acr_configuration::{Assumptions, Document, Loaded, load_document};
use proptest::prelude::*;

/// In the shape of real keys: a long run of letters of both cases and digits.
const KEY_ID: &str = "LTAI5tQ7Marker9Xq2Lw7ZbK";
const KEY_SECRET: &str = "Mk7Q2Secret0pW9xYz4vAbCd3eFg1H";

/// No run of this many characters of a key may be seen.
const PART: usize = 16;

const SAMPLES: [&str; 12] = [
    include_str!("../fixtures/access-key-fragment.yaml"),
    include_str!("../fixtures/domains-two-strings.yaml"),
    include_str!("../fixtures/enterprise-fragment.yaml"),
    include_str!("../fixtures/keys-slash-comment.yaml"),
    include_str!("../fixtures/managed.json"),
    include_str!("../fixtures/personal-broken-indent.yaml"),
    include_str!("../fixtures/personal-configmap.yaml"),
    include_str!("../fixtures/rrsa-fragment.yaml"),
    include_str!("../fixtures/shell-configmap.yaml"),
    include_str!("../fixtures/two-regions-list.yaml"),
    include_str!("../fixtures/webhook-configmap.yaml"),
    include_str!("../fixtures/worker-role-fragment.yaml"),
];

/// A sample with keys in it: in place of its own, or added to its first entry.
fn armed(sample: &str) -> String {
    let keys = format!("\"{KEY_ID}\"\n      customAccessKeySecret: \"{KEY_SECRET}\"");
    if sample.contains("customAccessKey") {
        sample
            .replace("\"xxxxx\"", &format!("\"{KEY_ID}\""))
            .replace("\"xxxxxx\"", &format!("\"{KEY_SECRET}\""))
            .replace("\"yyyyy\"", &format!("\"{KEY_SECRET}\""))
    } else if sample.starts_with('{') {
        let keys = format!("[{{\"customAccessKey\":\"{KEY_ID}\",\"customAccessKeySecret\":\"{KEY_SECRET}\",");
        sample.replace("[{", &keys)
    } else if sample.contains("    - instanceId") {
        sample.replacen("    - instanceId", &format!("    - customAccessKey: {keys}\n      instanceId"), 1)
    } else {
        sample.replacen(
            "  - instanceId",
            &format!("  - customAccessKey: {}\n    instanceId", keys.replace("      ", "    ")),
            1,
        )
    }
}

/// Everything that a log, an Event, a status or `config check` can print.
fn everything(loaded: &Loaded) -> String {
    format!("{}{:?}", support::seen(&loaded.findings), loaded.configuration)
}

fn everything_of_a_file(mut document: Document) -> String {
    let entries = document.summarize(&Assumptions::default());
    format!("{}{document:?}{entries:?}", everything(&document.loaded))
}

fn leaks(shown: &str, secret: &str) -> Option<String> {
    let secret: Vec<char> = secret.chars().collect();
    secret
        .windows(PART)
        .map(|part| part.iter().collect::<String>())
        .find(|part| shown.contains(part.as_str()))
}

#[derive(Clone, Debug)]
enum Mutation {
    Insert(usize, String),
    Delete(usize, usize),
    DuplicateLine(usize),
    DeleteLine(usize),
    SwapLines(usize, usize),
    Indent(usize, usize),
    Outdent(usize, usize),
    Join(usize),
    Replace(usize, char),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = 0..10_000_usize;
    let piece = prop_oneof![
        "[-:,#'\"{}\\[\\]|>&*!%@` \\t\\n\\r\\\\/?~]{1,3}",
        "[a-zA-Z0-9]{1,3}",
        Just("\n- ".to_owned()),
        Just(": |\n".to_owned()),
        Just("// ".to_owned()),
        Just("\u{feff}\u{85}\u{2028}\0é𝄞".to_owned()),
    ];
    let special = proptest::sample::select("-:,#'\"{}[]|>&*!%@` \t\n\r\\/?~x0".chars().collect::<Vec<_>>());
    prop_oneof![
        (place.clone(), piece).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        (place.clone(), 1..40_usize).prop_map(|(at, length)| Mutation::Delete(at, length)),
        place.clone().prop_map(Mutation::DuplicateLine),
        place.clone().prop_map(Mutation::DeleteLine),
        (place.clone(), place.clone()).prop_map(|(a, b)| Mutation::SwapLines(a, b)),
        (place.clone(), 1..6_usize).prop_map(|(line, by)| Mutation::Indent(line, by)),
        (place.clone(), 1..6_usize).prop_map(|(line, by)| Mutation::Outdent(line, by)),
        place.clone().prop_map(Mutation::Join),
        (place, special).prop_map(|(at, c)| Mutation::Replace(at, c)),
    ]
}

fn mutate(text: &str, mutation: &Mutation) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let line_count = lines.len();
    let char_count = chars.len();
    match mutation {
        Mutation::Insert(at, piece) => {
            let at = at % (char_count + 1);
            chars.splice(at..at, piece.chars());
            return chars.into_iter().collect();
        }
        Mutation::Delete(at, length) if char_count > 0 => {
            let at = at % char_count;
            chars.drain(at..(at + length).min(char_count));
            return chars.into_iter().collect();
        }
        Mutation::Replace(at, c) if char_count > 0 => {
            chars[at % char_count] = *c;
            return chars.into_iter().collect();
        }
        Mutation::DuplicateLine(line) => {
            let line = line % line_count;
            lines.insert(line, lines[line].clone());
        }
        Mutation::DeleteLine(line) => {
            lines.remove(line % line_count);
        }
        Mutation::SwapLines(a, b) => lines.swap(a % line_count, b % line_count),
        Mutation::Indent(line, by) => lines[line % line_count].insert_str(0, &" ".repeat(*by)),
        Mutation::Outdent(line, by) => {
            let line = &mut lines[line % line_count];
            *line = line.chars().skip((*by).min(line.len() - line.trim_start().len())).collect();
        }
        Mutation::Join(line) if line_count > 1 => {
            let line = line % (line_count - 1);
            let next = lines.remove(line + 1);
            lines[line].push_str(&next);
        }
        Mutation::Delete(..) | Mutation::Replace(..) | Mutation::Join(_) => {}
    }
    lines.join("\n")
}

/// A field of an entry with a value, and whether the value must stay unseen.
#[derive(Clone, Debug)]
struct Field {
    name: &'static str,
    value: String,
}

/// Lower case, so that no guess about the shape of keys helps: only the rule about fields does.
const MARKER: &str = "unseen";

fn field() -> impl Strategy<Value = Field> {
    let secret = proptest::sample::select(vec![
        "customAccessKey",
        "customAccessKeySecret",
        "customAccesKey",
        "custom-access-key-secret",
        "password",
        "token",
        "domain",
        "regionID",
    ]);
    let hidden = proptest::sample::select(vec![
        "unseen",
        "'unseen'",
        "\"un\\u0073een unseen\"",
        "[unseen, {a: unseen}]",
        "{instanceId: unseen, b: [unseen]}",
        "unseen # unseen",
        "|\n        unseen\n        unseen",
        ">-\n        unseen\n\n        unseen",
        "\"unseen\n        unseen\"",
        "&unseen unseen",
        "!unseen unseen",
        "un seen unseen",
        "'' # unseen",
    ]);
    let known = proptest::sample::select(vec![
        ("instanceId", "acme"),
        ("instanceId", "cri-1 # unseen"),
        ("regionId", "mars"),
        ("domains", "a b,https://c.com"),
        ("assumeRoleARN", "acs:ram::1:user/x"),
        ("expireDuration", "1"),
        ("endpoint", "vcp"),
        ("namespaces", "[A, b]"),
        ("staticSecretRef", "{namespace: a, pass: unseen}"),
        ("externalId", "'a b'"),
        ("regionId", "[unseen]"),
        ("domains", "{a: unseen}"),
        ("customAccessKeySecretRef", "[unseen]"),
        ("expireDuration", "{unseen: unseen1}"),
    ]);
    prop_oneof![
        (secret, hidden).prop_map(|(name, value)| Field { name, value: value.to_owned() }),
        known.prop_map(|(name, value)| Field { name, value: value.to_owned() }),
    ]
}

fn block(fields: &[Field]) -> String {
    let mut text = "    # unseen\n".to_owned();
    for (i, field) in fields.iter().enumerate() {
        let lead = if i == 0 { "    - " } else { "      " };
        writeln!(text, "{lead}{}: {}", field.name, field.value).unwrap();
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_sample_never_panics_and_never_shows_a_key(
        sample in 0..SAMPLES.len(),
        mutations in prop::collection::vec(mutation(), 0..6),
    ) {
        let mut text = armed(SAMPLES[sample]);
        for mutation in &mutations {
            text = mutate(&text, mutation);
        }
        let shown = [
            everything_of_a_file(load_document(text.as_bytes())),
            everything(&support::entries(&text)),
            everything(&support::loaded(&[("add-on-parameters", &text)])),
            everything(&support::loaded(&[("watch-naemspace", &text), ("other", &text), ("acr-registry-info", "[]")])),
        ]
        .concat();
        for secret in [KEY_ID, KEY_SECRET] {
            prop_assert_eq!(leaks(&shown, secret), None, "{}", text);
        }
    }

    #[test]
    fn only_values_of_known_fields_are_shown(fields in prop::collection::vec(field(), 1..7), broken in prop::option::of(0..3_usize)) {
        let mut list = block(&fields);
        if let Some(broken) = broken {
            list.push_str(["    - instanceId: \"a\" \"unseen\"\n", "     unseen: [\n", "    - \"unseen\n"][broken]);
        }
        let manifest = format!("data:\n  acr-registry-info: |\n{list}  unknown: unseen\n  watch-namespaces: unseen\n");
        let mut document = load_document(manifest.as_bytes());
        document.summarize(&Assumptions::default());
        let shown = support::seen(&document.loaded.findings);
        prop_assert!(!document.loaded.findings.is_empty());
        prop_assert!(!shown.contains(MARKER), "{}\n{}", manifest, shown);
    }
}

#[test]
fn a_key_in_the_wrong_field_is_not_shown_either() {
    let list = format!(
        "- instanceId: {KEY_ID}\n  regionId: {KEY_SECRET}\n  assumeRoleARN: {KEY_SECRET}\n  domains: a,{KEY_ID}_\n  endpoint: {KEY_ID}\n  {KEY_SECRET}: a\n"
    );
    let findings = support::entries(&list).findings;
    let shown = support::seen(&findings);
    assert!(findings.len() >= 5, "{:?}", support::told(&findings));
    assert_eq!(leaks(&shown, KEY_ID).or(leaks(&shown, KEY_SECRET)), None, "{shown}");
}

#[test]
fn every_sample_is_armed() {
    for sample in SAMPLES {
        let text = armed(sample);
        assert!(
            (text.contains(KEY_ID) && text.contains(KEY_SECRET)) || sample.contains("#- instanceId"),
            "{text}"
        );
    }
}

#[test]
fn the_password_in_a_url_is_not_shown() {
    let text = "data:\n  acr-registry-info: '[]'\n  endpoints: |\n    - {product: cr, url: 'https://robot:hunter2@cr.example/x'}\n";
    let Document { loaded, .. } = load_document(text.as_bytes());
    let shown = everything(&loaded);
    assert!(shown.contains("InvalidValue") && shown.contains("is not an address"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("robot"), "{shown}");
}
