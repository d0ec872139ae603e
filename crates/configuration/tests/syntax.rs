//! Texts that are no YAML: the place, the corrected line, and no scalar shown.

#![cfg(test)]

mod support;

use support::{NOTHING, caret, entries, loaded, seen, told};

#[test]
fn a_known_mistake_gets_the_corrected_line() {
    let mut wrong = Vec::new();
    for (list, place, remedy) in [
        ("- instanceId: ''\n    regionId: x", "2:5", "`  regionId: ***`"),
        ("- instanceId: cri-1\n    regionId: x", "2:5", "`  regionId: ***`"),
        ("- instanceId: 'a'\n regionId: x", "2:2", "`  regionId: ***`"),
        ("- instanceId: a\n  domains: \"a\" , \"b\", \"c\"", "2:15", "`  domains: \"***,***\"`"),
        ("- domains: 'a','b'\n  instanceId: a", "1:15", "`- domains: \"***,***\"`"),
        ("- instanceId: \"a\" // the id\n  regionId: x", "1:19", "`- instanceId: \"***\" # …`"),
        ("- instanceId:\"a\"\n  regionId: x", "1:14", "`- instanceId: \"***\"`"),
        ("- instanceId: a\n  regionId: \"x\n  endpoint: vpc", "2:13", "`  regionId: \"***\"`"),
        ("- instanceId: a\n  namespaces: *", "2:15", "`  namespaces: \"*\"`"),
        ("- instanceId: a\n\tregionId: x", "2:1", "`  regionId: ***`"),
    ] {
        let findings = entries(list).findings;
        let fault = findings.iter().find(|finding| finding.code == "SyntaxError");
        let told = fault.map(|fault| support::told(std::slice::from_ref(fault)).concat()).unwrap_or_default();
        let remedy_told = fault.map(|fault| fault.remedy.clone()).unwrap_or_default();
        if told != format!("error SyntaxError acr-registry-info {place}") || !remedy_told.contains(remedy) {
            wrong.push(format!("{list}\n     found {told}: {remedy_told}\n  expected {place}: {remedy}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn another_mistake_gets_its_place_and_the_reason() {
    for (list, place) in [
        ("- instanceId: [", "1:15"),
        ("- instanceId: a\n- }", "2:3"),
        ("- instanceId: a\n  regionId: @x", "2:13"),
        ("- instanceId: a: b", "1:16"),
        ("- instanceId: \"\\q\"", "1:15"),
        ("- instanceId: a\nregionId: b", "2:1"),
    ] {
        let found = told(&entries(list).findings);
        let expected = format!("error SyntaxError acr-registry-info {place}");
        assert!(found.contains(&expected), "{list}: {found:?}, expected {expected}");
    }
}

#[test]
fn a_syntax_error_hides_only_the_rest_of_its_own_value() {
    let loaded = loaded(&[
        (
            "acr-registry-info",
            "- instanceId: cri-1\n  regionId: mars\n- instanceId: [\n- expireDuration: 1\n",
        ),
        ("expiring-threshold", "1d"),
        ("rrsa", "enabled: true\n]"),
    ]);
    assert_eq!(
        told(&loaded.findings),
        [
            "warning UnknownRegion acr-registry-info 2:13",
            "error SyntaxError acr-registry-info 4:1",
            "error InvalidDuration expiring-threshold 1:2",
            "error MisspelledField rrsa 1:1",
            "error SyntaxError rrsa 2:1",
        ]
    );
    assert_eq!(loaded.configuration, None);
    assert!(!loaded.errors_only_in_entries);
}

#[test]
fn no_scalar_is_shown_beside_a_syntax_error() {
    let list = "- {instanceId: unseen, regionId: unseen, 'domains': \"https://unseen.com\", unseen: unseen, endpoint: unseen}\n- ]";
    let findings = entries(list).findings;
    assert!(findings.len() >= 5, "{:?}", told(&findings));
    assert!(!seen(&findings).contains("unseen"), "{}", seen(&findings));
    let first = &findings[0];
    assert!(
        caret(first)
            .starts_with("- {instanceId: ***, regionId: ***, '***': \"***\", ***: ***, endpoint: ***}"),
        "{}",
        caret(first)
    );
}

#[test]
fn a_second_document_in_a_value_is_an_error_and_an_empty_one_is_not() {
    let two = entries("- instanceId: cri-1\n---\n- instanceId: cri-2\n");
    assert_eq!(told(&two.findings), ["error SeveralDocuments acr-registry-info 2:1"]);
    let one = entries("---\n- instanceId: cri-1\n---\n");
    assert_eq!(told(&one.findings), NOTHING);
}

#[test]
fn a_snippet_shows_one_line_and_a_caret_under_the_fault() {
    for (list, expected) in [
        ("- instanceId: cri-1\n  regionId: mars # near venus\n", "  regionId: mars # …\n            ^^^^"),
        (
            "- {instanceId: cri-1, customAccessKey: a b, customAccessKeySecret: 'c', regionId: märs}",
            "- {instanceId: cri-1, customAccessKey: ***, customAccessKeySecret: '***', regionId: märs}\n                                       ^^^",
        ),
        (
            "- {instanceId: cri-1, color: [red, {a: b}]}",
            "- {instanceId: cri-1, color: [***, {***: ***}]}\n                      ^^^^^",
        ),
        ("- instanceId: cri-1\n  expireDuration: |\n    99999\n", "    ***\n    ^^^"),
    ] {
        let findings = entries(list).findings;
        let finding = findings
            .iter()
            .find(|f| !matches!(f.code, "InlineAccessKey" | "NoEffect" | "UnknownRegion"))
            .unwrap_or(&findings[0]);
        assert_eq!(caret(finding), expected, "{list}");
    }
    let long = format!(
        "- {{instanceId: cri-1, {} regionId: mars}}",
        "externalId: ".to_owned() + &"a".repeat(5000) + ","
    );
    let findings = entries(&long).findings;
    let finding = findings.iter().find(|finding| finding.code == "UnknownRegion").unwrap();
    let snippet = finding.snippet.as_ref().unwrap();
    assert!(snippet.text.chars().count() <= 125 && snippet.text.starts_with('…'), "{}", snippet.text);
    let marked: String = snippet.text.chars().skip(snippet.start).take(snippet.length).collect();
    assert_eq!(marked, "mars");
}
