//! What one build of all tests has made, as cargo tells it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// Packages whose tests start the servers of the test bed.
const ON_THE_TEST_BED: [&str; 3] = ["acr-testbed", "acr-end-to-end", "xtask"];
/// Tests of other packages that do so too: package and target.
const MORE_ON_THE_TEST_BED: [(&str, &str); 1] = [("acr-histories", "model_agrees")];
/// The tests that run the official SDKs, which are written in Python: package and target.
const WITH_PYTHON: (&str, &str) = ("acr-simulator", "official_sdks");

/// The tests of the Helm chart: package and target.
const OF_THE_CHART: (&str, &str) = ("acr-end-to-end", "chart");

/// The tests of the image: package and target.
const OF_THE_IMAGE: (&str, &str) = ("xtask", "image");
/// Those of them that run it as a pod.
const OF_THE_IMAGE_ON_A_NODE: (&str, &str) = ("xtask", "image_on_a_node");

/// The name of all targets whose tests run pods.
const ON_A_NODE: &str = "node";

/// What a test binary needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing but itself.
    Alone,
    /// The servers of the test bed.
    OnTheTestBed,
    /// The servers of the test bed, and helm.
    OfTheChart,
    /// The servers of the test bed, and root.
    OfTheImage,
    /// The servers of the test bed, and a machine that can be a node.
    OfTheImageOnANode,
    /// The same.
    OnANode,
    /// Python, and the official SDKs of Alibaba Cloud from its package index.
    WithPython,
}

/// An executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binary {
    package: String,
    /// The package's folder.
    folder: PathBuf,
    target: String,
    kind: TargetKind,
    executable: PathBuf,
    test: bool,
}

impl Binary {
    fn kind(&self) -> Kind {
        let package = self.package.as_str();
        let on_the_test_bed = ON_THE_TEST_BED.contains(&package)
            || MORE_ON_THE_TEST_BED.contains(&(package, self.target.as_str()));
        match (package, self.target.as_str()) {
            WITH_PYTHON => Kind::WithPython,
            OF_THE_CHART => Kind::OfTheChart,
            OF_THE_IMAGE => Kind::OfTheImage,
            OF_THE_IMAGE_ON_A_NODE => Kind::OfTheImageOnANode,
            (_, ON_A_NODE) if on_the_test_bed => Kind::OnANode,
            _ if on_the_test_bed => Kind::OnTheTestBed,
            _ => Kind::Alone,
        }
    }

    /// Package and target, as people know them.
    pub(super) fn title(&self) -> String {
        match self.kind {
            TargetKind::Test => format!("{} ({})", self.package, self.target),
            TargetKind::Bin => format!("{} (program {})", self.package, self.target),
            TargetKind::Other => self.package.clone(),
        }
    }

    /// Runs it where cargo would run it.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }
}

/// The executables of one build.
#[derive(Debug, Default)]
pub(super) struct Built {
    binaries: Vec<Binary>,
}

/// A message of `cargo --message-format=json` (The Cargo Book, External tools). All others are passed over.
#[derive(Deserialize)]
struct Artifact {
    package_id: String,
    manifest_path: PathBuf,
    target: Target,
    profile: Profile,
    executable: PathBuf,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<TargetKind>,
}

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TargetKind {
    /// A file of `tests/`.
    Test,
    /// A program.
    Bin,
    /// A library of any kind.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Built {
    /// Takes in one line of cargo's messages.
    pub(super) fn learn(&mut self, line: &str) {
        // Only artifacts with an executable have all of these fields.
        let Ok(artifact) = serde_json::from_str::<Artifact>(line) else { return };
        let folder = artifact.manifest_path.parent().unwrap_or(Path::new(".")).to_owned();
        self.binaries.push(Binary {
            package: package_name(&artifact.package_id),
            folder,
            target: artifact.target.name,
            kind: artifact.target.kind.first().copied().unwrap_or(TargetKind::Other),
            executable: artifact.executable,
            test: artifact.profile.test,
        });
    }

    /// The test binaries of a kind, by name.
    pub(super) fn tests(&self, kind: Kind) -> Vec<&Binary> {
        let wanted = |binary: &&Binary| binary.test && binary.kind() == kind;
        let mut tests: Vec<&Binary> = self.binaries.iter().filter(wanted).collect();
        tests.sort_by_key(|binary| binary.title());
        tests
    }

    /// The program of a name.
    pub(super) fn program(&self, name: &str) -> Option<&Path> {
        let found = self.binaries.iter().find(|binary| !binary.test && binary.target == name);
        found.map(|binary| binary.executable.as_path())
    }
}

/// The name in a package id: `...#name@version`, or `.../name#version` (The Cargo Book, Package ID
/// Specifications).
fn package_name(id: &str) -> String {
    let (location, version) = id.rsplit_once('#').unwrap_or((id, ""));
    let name = match version.split_once('@') {
        Some((name, _)) => name,
        None => location.rsplit('/').next().unwrap_or(location),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY_TEST: &str = r#"{"reason":"compiler-artifact","package_id":"path+file:///w/crates/a#acr-a@0.1.0","manifest_path":"/w/crates/a/Cargo.toml","target":{"kind":["lib"],"name":"acr_a"},"profile":{"opt_level":"0","test":true},"features":[],"filenames":["/w/target/debug/deps/acr_a-1"],"executable":"/w/target/debug/deps/acr_a-1","fresh":true}"#;
    const PROGRAM: &str = r#"{"reason":"compiler-artifact","package_id":"path+file:///w/xtask#0.1.0","manifest_path":"/w/xtask/Cargo.toml","target":{"kind":["bin"],"name":"xtask"},"profile":{"opt_level":"0","test":false},"features":[],"filenames":[],"executable":"/w/target/debug/xtask","fresh":true}"#;

    const TEST_OF_HISTORIES: &str = r#"{"reason":"compiler-artifact","package_id":"path+file:///w/histories#acr-histories@0.1.0","manifest_path":"/w/histories/Cargo.toml","target":{"kind":["test"],"name":"TARGET"},"profile":{"opt_level":"0","test":true},"features":[],"filenames":[],"executable":"/w/target/debug/deps/TARGET-1","fresh":true}"#;

    #[test]
    fn what_is_not_an_executable_is_passed_over() {
        let mut built = Built::default();
        built.learn("");
        built.learn("   Compiling something");
        built.learn(r#"{"reason":"build-finished","success":true}"#);
        built.learn(
            &LIBRARY_TEST.replace(r#""executable":"/w/target/debug/deps/acr_a-1""#, r#""executable":null"#),
        );
        assert_eq!(built.binaries, []);
    }

    #[test]
    fn tests_and_programs_are_told_apart() {
        let mut built = Built::default();
        built.learn(LIBRARY_TEST);
        built.learn(PROGRAM);
        built.learn(&PROGRAM.replace(r#""test":false"#, r#""test":true"#));
        for target in ["seeds", "model_agrees"] {
            built.learn(&TEST_OF_HISTORIES.replace("TARGET", target));
        }
        built.learn(&TEST_OF_HISTORIES.replace("TARGET", "node").replace("histories", "testbed"));
        built.learn(&TEST_OF_HISTORIES.replace("TARGET", "chart").replace("acr-histories", "acr-end-to-end"));
        for target in ["image", "image_on_a_node"] {
            let image = TEST_OF_HISTORIES
                .replace("TARGET", target)
                .replace("/histories#acr-histories", "/xtask#xtask");
            built.learn(&image);
        }
        let titles = |kind| built.tests(kind).iter().map(|binary| binary.title()).collect::<Vec<_>>();
        assert_eq!(titles(Kind::Alone), ["acr-a", "acr-histories (seeds)"]);
        assert_eq!(titles(Kind::OnTheTestBed), ["acr-histories (model_agrees)", "xtask (program xtask)"]);
        assert_eq!(titles(Kind::OfTheChart), ["acr-end-to-end (chart)"]);
        assert_eq!(titles(Kind::OfTheImage), ["xtask (image)"]);
        assert_eq!(titles(Kind::OfTheImageOnANode), ["xtask (image_on_a_node)"]);
        assert_eq!(titles(Kind::OnANode), ["acr-testbed (node)"]);
        assert_eq!(titles(Kind::WithPython), Vec::<String>::new());
        built.learn(&TEST_OF_HISTORIES.replace("TARGET", "official_sdks").replace("histories", "simulator"));
        assert_eq!(built.tests(Kind::WithPython).len(), 1);
        assert_eq!(built.program("xtask"), Some(Path::new("/w/target/debug/xtask")));
        assert_eq!(built.program("acr_a"), None);
    }
}
