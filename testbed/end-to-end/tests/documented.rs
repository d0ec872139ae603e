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
