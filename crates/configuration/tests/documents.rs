//! Files: every form that can be checked, the line of the file, and what is refused.

#![cfg(test)]

mod support;

use acr_configuration::{Configuration, load_document};
use support::{NOTHING, document, told};

const MANIFEST: &str = r#"# a comment
apiVersion: v1
kind: ConfigMap
metadata: {name: acr-configuration, namespace: kube-system}
data:
  watch-namespace: "a,B"
  acr-registry-info: |

    - instanceId: cri-1
      regionId: mars
"#;

const FOUND: [&str; 2] =
    ["warning ImpossibleName watch-namespace 1:3 @6", "warning UnknownRegion acr-registry-info 3:13 @10"];

fn configuration(text: &str) -> Configuration {
    document(text).loaded.configuration.unwrap()
}

#[test]
fn every_form_means_the_same_and_has_the_line_of_the_file() {
    let expected = configuration(MANIFEST);
    assert_eq!(told(&document(MANIFEST).loaded.findings), FOUND);
    let fragment = MANIFEST.split_once("\ndata:").unwrap().1;
    let fragment = format!("data:{fragment}");
    let mapping = fragment
        .replace(
            "
  ", "
",
        )
        .replace(
            "data:
", "",
        );
    for (text, shift) in [(&fragment, 4), (&mapping, 5)] {
        let document = document(text);
        let lines: Vec<_> = document.loaded.findings.iter().map(|finding| finding.file_line).collect();
        assert_eq!(lines, [Some(6 - shift), Some(10 - shift)], "{text}");
        assert_eq!(document.loaded.configuration.as_ref(), Some(&expected), "{text}");
    }
    for text in
        [MANIFEST.replace('\n', "\r\n"), format!("\u{feff}{MANIFEST}"), format!("---\n{MANIFEST}---\n")]
    {
        assert_eq!(configuration(&text), expected, "{text:?}");
    }
}

#[test]
fn json_is_a_form_of_every_form() {
    let json = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"acr-configuration","namespace":"kube-system",
 "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"watch-namespace\":\"x\"}}"}},
 "data":{"watch-namespace":"a,B",
  "acr-registry-info":"- instanceId: \"cri-1\"\n  regionId: mars\n"}}"#;
    assert_eq!(configuration(json), configuration(MANIFEST));
    assert_eq!(
        told(&document(json).loaded.findings),
        ["warning ImpossibleName watch-namespace 1:3 @3", "warning UnknownRegion acr-registry-info 2:13 @4"]
    );
    let self_managed = r#"{"acr-registry-info":"[{\"instanceId\":\"cri-1\"}]","watch-namespace":"a"}"#;
    assert_eq!(told(&document(self_managed).loaded.findings), NOTHING);
}

#[test]
fn a_list_and_add_on_parameters_are_whole_files() {
    let list = "# entries\n- instanceId: cri-1\n  regionId: mars\n";
    assert_eq!(told(&document(list).loaded.findings), ["warning UnknownRegion acr-registry-info 3:13 @3"]);
    let parameters =
        "{\n\t\"AcrInstanceInfo\": [{\"instanceId\": \"cri-1\"}],\n\t\"watchNamespace\": \"B\"\n}";
    assert_eq!(
        told(&document(parameters).loaded.findings),
        ["warning ImpossibleName add-on-parameters 3:20 @3"]
    );
    assert_eq!(told(&document("[]").loaded.findings), NOTHING);
    assert_eq!(configuration("[]").entries, []);
}

#[test]
fn lines_are_found_in_every_style_of_scalar() {
    let mut wrong = Vec::new();
    for (text, lines) in [
        ("acr-registry-info: |-\n  - instanceId: cri-1\n    regionId: mars\n", &[3][..]),
        ("acr-registry-info: |2+\n\n\n  - instanceId: cri-1\n    regionId: mars\n\n", &[5]),
        (
            "acr-registry-info: >\n  - instanceId: cri-1\n    regionId: mars\n  \n  - instanceId: cri-2\n    regionId: venus\n",
            &[3, 6],
        ),
        ("acr-registry-info: \"- instanceId: cri-1\\n  regionId: mars\"\n", &[1]),
        ("acr-registry-info: \"- instanceId: cri-1\n\n \\  regionId: mars\"\n", &[3]),
        ("acr-registry-info:\n  '[{instanceId: cri-1,\n  regionId: mars}]'\n", &[2]),
        ("watch-namespace: a\nacr-registry-info: '[{instanceId: cri-1, regionId: mars}]'\n", &[2]),
    ] {
        let findings = document(text).loaded.findings;
        let found: Vec<u32> = findings.iter().filter_map(|finding| finding.file_line).collect();
        if found != lines || findings.iter().any(|finding| finding.code != "UnknownRegion") {
            wrong.push(format!("{text}{:?}, expected lines {lines:?}", told(&findings)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn anything_else_is_refused() {
    let mut wrong = Vec::new();
    for (text, expected) in [
        ("", "error UnknownForm"),
        ("# nothing\n", "error UnknownForm"),
        ("null", "error UnknownForm"),
        ("hello", "error UnknownForm"),
        ("{}", "error UnknownForm"),
        ("- a\n- b\n", "error UnknownForm"),
        ("image: nginx\n", "error UnknownForm"),
        ("instanceId: cri-1\nregionId: cn-beijing\n", "error UnknownForm"),
        ("kind: Secret\ndata: {acr-registry-info: W10=}\n", "error UnknownForm"),
        ("kind: List\nitems: []\n", "error UnknownForm"),
        ("data: hello\n", "error WrongType 1:7 @1"),
        ("data: [a]\n", "error WrongType 1:7 @1"),
        ("data: {}\n---\ndata: {}\n", "error SeveralDocuments 2:1 @2"),
        ("- instanceId: cri-1\n---\n- instanceId: cri-2\n", "error SeveralDocuments 2:1 @2"),
        ("data:\n  watch-namespace: *\n", "error SyntaxError 2:20 @2"),
        ("a\nb: c\n", "error SyntaxError 2:2 @2"),
        ("\t{", "error SyntaxError 1:2 @1"),
    ] {
        let loaded = document(text).loaded;
        let found = told(&loaded.findings);
        if found != [expected] || loaded.configuration.is_some() || loaded.errors_only_in_entries {
            wrong.push(format!("{text:?}: {found:?}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for bytes in [&b"\xff\xfe[\0]\0"[..], b"data: \xc3\x28"] {
        assert_eq!(told(&load_document(bytes).loaded.findings), ["error NotUtf8"]);
    }
}

#[test]
fn values_under_data_must_be_strings() {
    let text = "data:\n  acr-registry-info: '[]'\n  takeover: true\n  service-account: 15\n  watch-namespace: yes\n  expiring-threshold: 1_000\n  \
                notify-email: 0x1F\n  pods: -.5\n  acr-api-version: 2018-12-01\n  exclude-namespace: 'true'\n  namespace-selector: ~\n  \
                endpoints:\n  - url: a\n  rrsa: {enable: true}\n";
    assert_eq!(
        told(&document(text).loaded.findings),
        [
            "error UnquotedValue takeover 1:1 @3",
            "error UnquotedValue service-account 1:1 @4",
            "error UnquotedValue watch-namespace 1:1 @5",
            "error UnquotedValue expiring-threshold 1:1 @6",
            "error UnquotedValue notify-email 1:1 @7",
            "error UnquotedValue pods 1:1 @8",
            "error WrongType endpoints @12",
            "error WrongType rrsa @14",
        ]
    );
}

#[test]
fn a_key_twice_and_an_unknown_key_are_told_at_their_line() {
    let text = "data:\n  acr-registry-info: '[]'\n  watch-namespace: a\n  watch-namespace: b\n  color: MARKER\n  service-acount: b\n";
    let findings = document(text).loaded.findings;
    assert_eq!(
        told(&findings),
        ["error DuplicateKey 4:3 @4", "warning UnknownKey color @5", "error MisspelledKey service-acount @6"]
    );
    assert_eq!(support::caret(&findings[1]), "color: ***\n^^^^^");
    assert!(!support::seen(&findings).contains("MARKER"));
}

#[test]
fn what_stands_beside_data_is_told_and_nothing_is_served_by_it() {
    for text in [
        "data:\n  acr-registry-info: '[]'\nwatch-namespace: MARKER\nrrsa: |\n  enable: true\n",
        "kind: ConfigMap\nimmutable: true\nwatch-namespace: MARKER\nrrsa: 'enable: true'\ndata: {acr-registry-info: '[]'}\n",
    ] {
        let loaded = document(text).loaded;
        let found = told(&loaded.findings);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|line| line.starts_with("error MisplacedKey ")), "{found:?}");
        assert!(loaded.findings[0].message.contains("`watch-namespace`"), "{}", loaded.findings[0].message);
        assert!(!support::seen(&loaded.findings).contains("MARKER"));
        assert_eq!(loaded.accepted(false), None);
    }
    let parameters = document("{\"data\": {\"acr-registry-info\": \"[]\"}, \"AcrInstanceInfo\": []}").loaded;
    assert_eq!(told(&parameters.findings), ["error MisplacedKey 1:39 @1"]);
    assert!(parameters.findings[0].remedy.contains("add-on-parameters"));
}

#[test]
fn a_config_map_that_is_never_read_is_told() {
    let text = MANIFEST.replace("name: acr-configuration", "name: acr-config").replace("kube-system", "acr");
    let codes: Vec<&str> = document(&text).loaded.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes.iter().filter(|code| **code == "OtherConfigMap").count(), 2, "{codes:?}");
}

#[test]
fn after_a_syntax_error_of_the_file_what_stands_before_it_is_still_checked() {
    let text = "data:\n  watch-namespace: a,B\n  acr-registry-info: |\n    - instanceId: cri-1\n      regionId: mars\n  service-account: *\n";
    let document = document(text);
    assert_eq!(
        told(&document.loaded.findings),
        [
            "warning ImpossibleName watch-namespace 1:3 @2",
            "warning UnknownRegion acr-registry-info 2:13 @5",
            "error SyntaxError 6:20 @6",
        ]
    );
    let seen = support::seen(&document.loaded.findings);
    assert!(!seen.contains("mars") && !seen.contains("cri-1"), "no scalar is shown: {seen}");
    assert!(document.loaded.findings[2].remedy.contains("service-account: \"*\""));
    let star = support::document("data:\n  watch-namespace: *\n").loaded.findings;
    assert!(star[0].remedy.contains("watch-namespace: \"all\""), "{}", star[0].remedy);
}
