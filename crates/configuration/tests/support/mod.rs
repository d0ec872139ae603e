//! What the tests of this crate share: sources from pairs, findings as one line each.
#![allow(dead_code, reason = "each test program uses a part")]

use std::collections::BTreeMap;

use acr_configuration::{Configuration, Document, Finding, Loaded, Source, load, load_document};

/// No findings.
pub(crate) const NOTHING: [&str; 0] = [];

/// A ConfigMap with these keys.
pub(crate) fn source(data: &[(&str, &str)]) -> Source {
    let data: BTreeMap<String, String> =
        data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Source::from_config_map_data(&data)
}

/// A ConfigMap with these keys, read.
pub(crate) fn loaded(data: &[(&str, &str)]) -> Loaded {
    load(&source(data))
}

/// A ConfigMap with this list of entries, read.
pub(crate) fn entries(list: &str) -> Loaded {
    loaded(&[("acr-registry-info", list)])
}

/// The configuration of a text without an error.
pub(crate) fn good(data: &[(&str, &str)]) -> Configuration {
    let loaded = loaded(data);
    assert!(!loaded.has_errors(), "{:?}", told(&loaded.findings));
    loaded.configuration.unwrap()
}

/// A file, read.
pub(crate) fn document(text: &str) -> Document {
    load_document(text.as_bytes())
}

/// `error InvalidArn acr-registry-info 3:16`, with `@9` for the line of a file.
pub(crate) fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(one).collect()
}

fn one(finding: &Finding) -> String {
    let place = finding.line.zip(finding.column).map(|(line, column)| format!("{line}:{column}"));
    let parts = [
        Some(finding.severity.as_str().to_owned()),
        Some(finding.code.to_owned()),
        Some(finding.key.clone()).filter(|key| !key.is_empty()),
        place,
        finding.file_line.map(|line| format!("@{line}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Everything a user may see of findings.
pub(crate) fn seen(findings: &[Finding]) -> String {
    let one = |finding: &Finding| format!("{finding}\n{finding:?}\n{}\n", caret(finding));
    findings.iter().map(one).collect()
}

/// The snippet of a finding.
pub(crate) fn caret(finding: &Finding) -> String {
    finding.snippet.as_ref().map(ToString::to_string).unwrap_or_default()
}
