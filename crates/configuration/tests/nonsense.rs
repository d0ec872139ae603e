//! Nonsense of every kind: a clean finding, quickly, without a panic.

#![cfg(test)]

mod support;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use acr_configuration::{Assumptions, load_document};
use support::loaded;

const MIB: usize = 1024 * 1024;

/// Generous: a busy machine must not fail the test; work that grows with the square of the text would.
const LIMIT: Duration = Duration::from_secs(20);

/// The text in every place, within the limit, and with an error or at least a finding.
fn is_survived(what: &str, text: &str) {
    let start = Instant::now();
    let mut document = load_document(text.as_bytes());
    document.summarize(&Assumptions::default());
    assert!(!document.loaded.findings.is_empty(), "{what} as a file");
    for key in [
        "acr-registry-info",
        "add-on-parameters",
        "watch-namespace",
        "service-account",
        "exclude-namespace",
        "namespace-selector",
        "expiring-threshold",
        "notify-email",
        "endpoints",
        "rrsa",
        "webhook-configuration",
        "pods",
        "takeover",
        "unknown",
    ] {
        let loaded = loaded(&[(key, text)]);
        assert!(!loaded.findings.is_empty(), "{what} in {key}");
        assert!(loaded.findings.len() < 1000, "{what} in {key}: {} findings", loaded.findings.len());
    }
    assert!(start.elapsed() < LIMIT, "{what}: {:?}", start.elapsed());
}

fn numbered_keys() -> String {
    let mut text = String::new();
    for number in 0..60_000 {
        writeln!(text, "key{number}: v").unwrap();
    }
    text
}

#[test]
fn a_mebibyte_of_anything_is_survived() {
    let repeat = |piece: &str| piece.repeat(MIB / piece.len());
    for (what, text) in [
        ("one word", repeat("a")),
        ("dashes", repeat("- ")),
        ("empty entries", repeat("-\n")),
        ("entries", repeat("- instanceId: cri-1\n")),
        ("misspelled entries", repeat("- instanceIdd: cri-1\n")),
        ("commas", repeat(",")),
        ("names", repeat("a,")),
        ("bad names", repeat("A,")),
        ("brackets", repeat("[")),
        ("braces", repeat("{a: ")),
        ("quotes", repeat("\"")),
        ("colons", repeat("a:")),
        ("lines", repeat("\n")),
        ("digits", repeat("9")),
        ("durations", repeat("1h")),
        ("selectors", repeat("a=b,")),
        ("comments", repeat("#\n")),
        ("keys", numbered_keys()),
        ("nul", repeat("\0")),
        ("wide characters", repeat("𝄞")),
        ("tabs", repeat("\t")),
        ("stars", repeat("*")),
        ("documents", repeat("---\n")),
        ("percent", repeat("%")),
        ("one field", format!("- instanceId: cri-1\n  domains: {}", "h://a.com,".repeat(MIB / 10 - 10))),
        ("one list", format!("- instanceId: cri-1\n  namespaces: [{}]", "A,".repeat(MIB / 2 - 30))),
    ] {
        is_survived(what, &text);
    }
}

#[test]
fn more_than_a_config_map_holds_is_refused() {
    let text = "a".repeat(2 * MIB + 1);
    assert_eq!(support::told(&load_document(text.as_bytes()).loaded.findings), ["error TooLarge"]);
    let value = format!("- instanceId: {}", "a".repeat(MIB));
    assert_eq!(support::told(&support::entries(&value).findings), ["error TooLarge acr-registry-info"]);
}

#[test]
fn alias_bombs_do_not_go_off() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        writeln!(bomb, "a{level}: &a{level} [{below}]").unwrap();
    }
    let mut deep = "- &a0 [x]\n".to_owned();
    for level in 1..5000 {
        writeln!(deep, "- &a{level} [[[[[[[[*a{}]]]]]]]]", level - 1).unwrap();
    }
    let merges = format!("- &a {{instanceId: cri-1}}\n- {{{}}}\n", "<<: *a, ".repeat(20_000));
    for (what, text) in [("wide", &bomb), ("deep", &deep), ("merges", &merges)] {
        is_survived(what, text);
    }
    let loaded = support::entries(&deep);
    assert!(loaded.findings.iter().any(|finding| finding.code == "TooLarge"));
    let itself = support::entries("- &a [*a]\n");
    assert_eq!(itself.findings.last().unwrap().code, "SyntaxError");
    assert_eq!(itself.configuration, None);
}

#[test]
fn deep_nesting_is_refused() {
    let mut stairs = String::new();
    for depth in 0..2000 {
        writeln!(stairs, "{}a:", " ".repeat(depth)).unwrap();
    }
    for text in [format!("{}{}", "[".repeat(5000), "]".repeat(5000)), "- ".repeat(5000), stairs] {
        is_survived("nesting", &text);
        let loaded = support::entries(&text);
        assert!(
            loaded.findings.iter().any(|finding| finding.code == "TooLarge"),
            "{:?}",
            loaded.findings.first()
        );
    }
}

#[test]
fn many_findings_are_counted_and_an_error_is_never_lost_among_them() {
    let list = format!(
        "{}- regionId: a\n",
        "- {instanceId: cri-1, customAccessKey: a, customAccessKeySecret: b}\n".repeat(500)
    );
    let loaded = support::entries(&list);
    assert!(loaded.has_errors());
    assert!(loaded.findings.len() <= 101);
    assert!(loaded.findings.iter().any(|finding| finding.remedy.contains("more findings")));
}

#[test]
fn strange_yaml_is_read_or_refused_but_never_panics() {
    for text in [
        "? instanceId\n: cri-1\n",
        "- ? instanceId\n  : cri-1\n",
        "- ? [a]\n  : b\n",
        "- {? a : b}\n",
        "- !!str 1\n",
        "- !custom {instanceId: cri-1}\n",
        "%YAML 1.2\n---\n- instanceId: cri-1\n",
        "- instanceId: |\n    cri-1\n  regionId: >-\n    cn-beijing\n",
        "- instanceId: \"cri\\\n    -1\"\n",
        "- instanceId: \"\\ud834\\udd1e\"\n",
        "- instanceId: \u{202e}abc\n",
        "\r- instanceId: cri-1\r  regionId: x\r",
        "- instanceId: cri-1\n\u{85}- a",
        "- instanceId: cri-1\n...\n",
        "- instanceId: cri-1\n...\n- b",
        "- <<: [1, 2]\n  instanceId: cri-1\n",
        "- <<: *a\n",
        "- [instanceId: cri-1]\n",
        "- \"instanceId\":cri-1\n",
        "-\u{a0}instanceId: cri-1\n",
    ] {
        let loaded = support::entries(text);
        let told = support::seen(&loaded.findings);
        assert!(!told.contains('\u{202e}'), "{text:?}");
        load_document(text.as_bytes());
    }
}
