//! The tables of the documentation that name tests: each of these exists.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The names of the tests below a folder or in a file.
fn tests_in(path: &Path) -> Vec<String> {
    if path.is_dir() {
        let mut files: Vec<PathBuf> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        return files.iter().flat_map(|file| tests_in(file)).collect();
    }
    let text = fs::read_to_string(path).unwrap();
    // The name stands in the line after the attribute.
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_test =
        |line: &str| matches!(line, "#[test]" | "#[tokio::test]") || line.starts_with("#[tokio::test(");
    let names = lines.windows(2).filter(|pair| is_test(pair[0])).filter_map(|pair| {
        let (_, rest) = pair[1].split_once("fn ")?;
        rest.split('(').next().map(str::to_owned)
    });
    names.collect()
}

/// Where the tests of a module of the end-to-end tests stand: a file of either program, or the folder of one.
fn module(name: &str) -> Option<PathBuf> {
    let tests = Path::new(ROOT).join("testbed/end-to-end/tests");
    let places = [format!("end_to_end/{name}.rs"), format!("node/{name}.rs"), name.to_owned()];
    places.into_iter().map(|place| tests.join(place)).find(|place| place.exists())
}

/// What stands in backquotes in the last column of a row.
fn named(row: &str) -> Vec<&str> {
    let cells: Vec<&str> = row.trim().trim_matches('|').split('|').collect();
    let Some(last) = cells.last().filter(|_| cells.len() > 1) else { return Vec::new() };
    last.split('`').skip(1).step_by(2).collect()
}

/// Why a name in the column of tests names none.
fn fault(name: &str) -> Option<String> {
    if name.contains('/') {
        return (!Path::new(ROOT).join(name).exists()).then(|| format!("there is no {name}"));
    }
    let (place, test) = name.split_once("::").map_or((name, None), |(place, test)| (place, Some(test)));
    let Some(path) = module(place) else { return Some(format!("{name}: there are no tests {place}")) };
    let tests = tests_in(&path);
    let found = match test {
        None => !tests.is_empty(),
        Some(test) => match test.strip_suffix('…') {
            Some(start) => tests.iter().any(|known| known.starts_with(start)),
            None => tests.iter().any(|known| known == test),
        },
    };
    (!found).then(|| format!("{name}: no such test in {}", path.display()))
}

#[test]
fn each_test_that_a_table_of_the_documentation_names_exists() {
    let mut count = 0;
    let mut faults = Vec::new();
    for document in ["docs/identities.md", "docs/node.md"] {
        let text = fs::read_to_string(Path::new(ROOT).join(document)).unwrap();
        let mut in_table = false;
        for row in text.lines() {
            in_table = row.starts_with("| statement | test |") || in_table && row.starts_with('|');
            let names = if in_table && !row.starts_with("| statement") { named(row) } else { Vec::new() };
            count += names.len();
            faults.extend(names.into_iter().filter_map(fault).map(|fault| format!("{document}: {fault}")));
        }
    }
    assert!(count > 40, "{count} tests are named in the tables");
    assert_eq!(faults, [""; 0]);
}

#[test]
fn a_name_that_is_none_is_found() {
    assert!(fault("claims::no_such_test").is_some());
    assert!(fault("nothing").is_some());
    assert!(fault("docs/nothing.md").is_some());
    assert!(fault("pulls::with_no_…").is_some());
    assert_eq!(fault("pulls::with_rrsa"), None);
}

/// The sections of what the cloud is known to do that say something of the calls that are made.
const SECTIONS: [&str; 20] = [
    "1.1", "1.2", "1.3", "1.4", "1.5", "2.1", "2.2", "2.3", "2.4", "2.5", "3", "4.1", "4.2", "4.3", "4.4",
    "4.5", "5", "6", "7", "9",
];

/// A test that shows a statement: where it stands, its name, and the sections in its name or in that of its module.
struct Shown {
    place: &'static str,
    test: String,
    sections: Vec<String>,
}

/// The sections that a name carries: `section_1_5_and_section_2_4_the_…` has 1.5 and 2.4.
fn sections_in(name: &str) -> Vec<String> {
    let of = |rest: &str| {
        let numbers: Vec<&str> =
            rest.split('_').take_while(|part| part.bytes().all(|byte| byte.is_ascii_digit())).collect();
        numbers.join(".")
    };
    name.split("section_").skip(1).map(of).filter(|section| !section.is_empty()).collect()
}

fn shown_in(place: &'static str, path: &Path) -> Vec<Shown> {
    if path.is_dir() {
        let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        return files.flat_map(|file| shown_in(place, &file)).collect();
    }
    if path.extension().is_none_or(|extension| extension != "rs") {
        return Vec::new();
    }
    let source = fs::read_to_string(path).unwrap();
    let mut module: Option<(usize, Vec<String>)> = None;
    let mut is_test = false;
    let mut found = Vec::new();
    for line in source.lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if let Some(name) = line.strip_prefix("mod section_").and_then(|rest| rest.strip_suffix(" {")) {
            module = Some((indent, sections_in(&format!("section_{name}"))));
        } else if line == "}" && module.as_ref().is_some_and(|(at, _)| *at == indent) {
            module = None;
        } else if is_test && let Some((_, rest)) = line.split_once("fn ") {
            let test = rest.split('(').next().unwrap().to_owned();
            let mut sections = sections_in(&test);
            sections.extend(module.iter().flat_map(|(_, sections)| sections.clone()));
            found.push(Shown { place, test, sections });
        }
        is_test = line == "#[test]" || line.starts_with("#[tokio::test");
    }
    found
}

/// Every statement that is documented about the calls has a test with its section in the name, and the table says which; no
/// such test is left out of it.
#[test]
fn each_section_of_what_the_cloud_does_is_shown_by_tests_that_carry_it() {
    let root = Path::new(ROOT);
    let mut tests = Vec::new();
    for (place, folder) in [
        ("simulator", "simulator/src"),
        ("alibaba", "crates/alibaba/src"),
        ("credentials", "crates/credentials/src"),
        ("registry", "crates/registry/src"),
        ("controller", "crates/controller/src"),
        ("machine", "crates/controller/tests/machine"),
        ("chart", "testbed/end-to-end/tests/chart"),
        ("end_to_end", "testbed/end-to-end/tests/end_to_end"),
    ] {
        tests.extend(shown_in(place, &root.join(folder)));
    }
    let table = fs::read_to_string(root.join("docs/cloud.md")).unwrap();
    let mut faults = Vec::new();
    let mut told: Vec<(String, String)> = Vec::new();
    let rows = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| statement"));
    for row in rows {
        let section = row.trim_start_matches("| ").split(' ').next().unwrap_or_default();
        for name in named(row) {
            let (place, test) = name.split_once("::").unwrap_or(("", name));
            let carries = |shown: &&Shown| shown.place == place && shown.test == test;
            match tests.iter().find(carries) {
                None => faults.push(format!("{section}: there is no test {name}")),
                Some(shown) if !shown.sections.iter().any(|of| of == section) => {
                    faults.push(format!("{section}: {name} is of {:?}", shown.sections));
                }
                Some(_) => told.push((section.to_owned(), name.to_owned())),
            }
        }
    }
    for section in SECTIONS {
        if !told.iter().any(|(of, _)| of == section) {
            faults.push(format!("{section}: no test shows it"));
        }
    }
    for Shown { place, test, sections } in &tests {
        let name = format!("{place}::{test}");
        for section in sections {
            if !told.contains(&(section.clone(), name.clone())) {
                faults.push(format!("{section}: the table leaves {name} out"));
            }
        }
    }
    faults.sort();
    assert_eq!(faults, [""; 0]);
}

/// The fenced blocks of a document by what stands behind their backquotes.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, Vec<&str>)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(kind), None) => open = Some((kind.to_owned(), Vec::new())),
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(kind, lines)| (kind, lines.join("\n")))),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => {}
        }
    }
    blocks
}

/// Each example of an entry is good, and each policy is one that the simulated cloud, which takes what RAM takes, reads.
#[test]
fn each_example_of_an_identity_passes_the_check_and_each_policy_is_read() {
    use acr_simulator::description::{Policy, TrustPolicy};
    let text = fs::read_to_string(Path::new(ROOT).join("docs/identities.md")).unwrap();
    let mut chains = Vec::new();
    let (mut permissions, mut trusts) = (0, 0);
    for (kind, block) in blocks(&text) {
        match kind.as_str() {
            "yaml config" | "json config" => {
                let mut document = acr_configuration::load_document(block.as_bytes());
                let entries = document.summarize(&acr_configuration::Assumptions::default());
                for finding in &document.loaded.findings {
                    assert!(
                        matches!(finding.code, "InlineAccessKey" | "EmptyInstanceId"),
                        "{finding}\n{block}"
                    );
                }
                chains.push(entries[0].chain.join(", then "));
            }
            "json trust" => {
                serde_json::from_str::<TrustPolicy>(&block)
                    .unwrap_or_else(|error| panic!("{error}\n{block}"));
                trusts += 1;
            }
            "json permission" => {
                serde_json::from_str::<Policy>(&block).unwrap_or_else(|error| panic!("{error}\n{block}"));
                permissions += 1;
            }
            _ => {}
        }
    }
    assert_eq!((permissions, trusts), (3, 4));
    insta::assert_snapshot!(chains.join("\n"), @"
    user name and password in Secret infra/quay-login
    AccessKey in Secret infra/registry-key
    AccessKey in the entry
    RRSA role acr-puller in account 1280000000009011
    worker role of the node by the metadata service if the cluster is older than 2023-04-03, else managed role AliyunCSManagedAcrRole by the add-on token
    worker role of the node by the metadata service
    managed role AliyunCSManagedAcrRole by the add-on token
    RRSA role acr-puller in account 1280000000009011, then role acr-for-a in account 1000000000009630
    AccessKey in Secret infra/registry-key
    ");
}
