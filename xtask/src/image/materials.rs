//! What the program is made of, as cargo built it: the packages, and their bill of materials as CycloneDX.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Error;
use super::program::NAME;
use crate::workspace::{cargo, workspace_folder};

/// A package of the graph that `cargo metadata` tells (The Cargo Book, cargo-metadata).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Package {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
    repository: Option<String>,
    source: Option<String>,
    pub(super) manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Clone, Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// `null` for what is linked; `build` and `dev` for what is not.
    kind: Option<String>,
}

impl Package {
    /// Macros run in the compiler; nothing of theirs is linked.
    fn is_linked(&self) -> bool {
        !self.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "proc-macro"))
    }

    /// A package URL (purl). Those of this workspace are in no registry.
    fn url(&self) -> String {
        let registry = self.source.as_deref().is_some_and(|source| source.starts_with("registry+"));
        let kind = if registry { "cargo" } else { "generic" };
        // The only character of a version that a purl would take for something else.
        format!("pkg:{kind}/{}@{}", self.name, self.version.replace('+', "%2B"))
    }
}

/// The packages that are linked into the program.
#[derive(Debug)]
pub(super) struct Materials {
    /// By id.
    packages: BTreeMap<String, Package>,
    /// Who uses whom, by id.
    uses: BTreeMap<String, BTreeSet<String>>,
    root: String,
}

/// Between two licences.
const RULE: &str = "================================================================================";

/// What is linked in besides packages of cargo: name, version, licence, and what it is for.
pub(super) type Extra = (&'static str, String, &'static str);

impl Materials {
    /// Of a program for `target`, for which cargo has compiled these packages.
    pub(super) fn of(target: &str, compiled: &BTreeSet<String>) -> Result<Self, Error> {
        let arguments = ["metadata", "--locked", "--format-version=1", "--filter-platform", target];
        let mut command = cargo(&arguments);
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        let remedy = "run it as `cargo xtask image`";
        let output =
            command.output().map_err(|source| Error::Run { program: "cargo".to_owned(), source, remedy })?;
        let metadata = serde_json::from_slice(&output.stdout);
        Self::among(metadata.map_err(|error| Error::Metadata(error.to_string()))?, compiled)
    }

    /// Follows what is linked, from the program down. The graph is that of the whole workspace: what only tests and
    /// other programs ask for was not compiled.
    fn among(metadata: Metadata, compiled: &BTreeSet<String>) -> Result<Self, Error> {
        let all: BTreeMap<String, Package> =
            metadata.packages.into_iter().map(|package| (package.id.clone(), package)).collect();
        let nodes: BTreeMap<&str, &Node> =
            metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let root = all.values().find(|package| package.name == NAME);
        let root = root.ok_or_else(|| Error::Metadata(format!("there is no package {NAME}")))?.id.clone();
        let mut uses = BTreeMap::new();
        let mut open = vec![root.clone()];
        while let Some(id) = open.pop() {
            if uses.contains_key(&id) {
                continue;
            }
            let dependencies = nodes.get(id.as_str()).map(|node| node.deps.as_slice()).unwrap_or_default();
            let linked = |dependency: &&Dependency| {
                dependency.dep_kinds.iter().any(|kind| kind.kind.is_none())
                    && compiled.contains(&dependency.pkg)
                    && all.get(&dependency.pkg).is_some_and(Package::is_linked)
            };
            let below: BTreeSet<String> =
                dependencies.iter().filter(linked).map(|dependency| dependency.pkg.clone()).collect();
            open.extend(below.iter().cloned());
            uses.insert(id, below);
        }
        let packages = all.into_iter().filter(|(id, _)| uses.contains_key(id)).collect();
        Ok(Self { packages, uses, root })
    }

    pub(super) fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }

    /// The bill of materials. It has neither a time nor a number of its own: equal programs have equal ones.
    pub(super) fn bill(&self, extras: &[Extra]) -> Result<Vec<u8>, Error> {
        let path = workspace_folder().join("Cargo.lock");
        let lock = std::fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        let checksums = checksums(&lock);
        let component = |package: &Package| {
            let mut component = json!({
                "type": "library", "bom-ref": package.url(), "name": package.name, "version": package.version,
                "purl": package.url(),
            });
            if let Some(fields) = component.as_object_mut() {
                if let Some(license) = &package.license {
                    // The old way to write a choice.
                    let expression = license.replace('/', " OR ").replace("  ", " ");
                    fields.insert("licenses".to_owned(), json!([{ "expression": expression }]));
                }
                if let Some(checksum) = checksums.get(&(package.name.as_str(), package.version.as_str())) {
                    fields.insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": checksum }]));
                }
                if let Some(url) = &package.repository {
                    let references = json!([{ "type": "vcs", "url": url }]);
                    fields.insert("externalReferences".to_owned(), references);
                }
            }
            component
        };
        let url_of = |id: &String| self.packages.get(id).map(Package::url);
        let extra_url = |(name, version, _): &Extra| format!("pkg:generic/{name}@{version}");
        let mut program = Value::Null;
        let mut components = Vec::new();
        for (id, package) in &self.packages {
            if *id == self.root {
                program = component(package);
            } else {
                components.push(component(package));
            }
        }
        for extra in extras {
            let (name, version, license) = extra;
            components.push(json!({
                "type": "library", "bom-ref": extra_url(extra), "name": name, "version": version,
                "purl": extra_url(extra), "licenses": [{ "expression": license }],
            }));
        }
        let dependencies: Vec<Value> = self
            .uses
            .iter()
            .map(|(id, below)| {
                let mut on: Vec<String> = below.iter().filter_map(url_of).collect();
                if *id == self.root {
                    on.extend(extras.iter().map(extra_url));
                }
                json!({ "ref": url_of(id), "dependsOn": on })
            })
            .collect();
        if let Some(fields) = program.as_object_mut() {
            fields.insert("type".to_owned(), json!("application"));
        }
        let bill = json!({
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
            "metadata": { "component": program },
            "components": components,
            "dependencies": dependencies,
        });
        serde_json::to_vec_pretty(&bill).map_err(|error| Error::Metadata(error.to_string()))
    }
}

/// The checksums in a Cargo.lock, by name and version.
fn checksums(lock: &str) -> BTreeMap<(&str, &str), &str> {
    fn field<'a>(block: &'a str, name: &str) -> Option<&'a str> {
        block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \"")?.strip_suffix('"'))
    }
    lock.split("[[package]]")
        .filter_map(|block| {
            Some(((field(block, "name")?, field(block, "version")?), field(block, "checksum")?))
        })
        .collect()
}

/// What the program has of the toolchain: the standard library, and the C library of the target.
pub(super) fn toolchain(target: &str, host: &str) -> Vec<Extra> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = |command: &mut Command| {
        let output = command.current_dir(workspace_folder()).stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let version = told(Command::new(rustc).arg("--version")).unwrap_or_default();
    let version = version.split(' ').nth(1).unwrap_or("unknown").to_owned();
    let mut extras = vec![("rust-std", version, "MIT OR Apache-2.0")];
    if target.ends_with("-gnu") {
        // What the C compiler of the target compiles against.
        let name = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
        let compiler = std::env::var_os(name).filter(|_| target != host).unwrap_or_else(|| "cc".into());
        let macros = told(Command::new(compiler).args([
            "-dM",
            "-E",
            "-include",
            "features.h",
            "-x",
            "c",
            "/dev/null",
        ]));
        let macros = macros.unwrap_or_default();
        let number = |name: &str| {
            let line = macros.lines().find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name));
            line.map_or("unknown", str::trim).to_owned()
        };
        let version = format!("{}.{}", number("__GLIBC__ "), number("__GLIBC_MINOR__ "));
        extras.push(("glibc", version, "LGPL-2.1-or-later"));
    }
    extras
}

/// The texts of all licences: that of this program, then those of the packages in it, each text once.
pub(super) fn licences(materials: &Materials) -> Result<String, Error> {
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in materials.packages().filter(|package| package.source.is_some()) {
        let Some(folder) = package.manifest_path.parent() else { continue };
        for path in licence_files(folder)? {
            let text = std::fs::read(&path).map_err(Error::file("read", &path))?;
            let text = String::from_utf8_lossy(&text).trim().to_owned();
            texts.entry(text).or_default().insert(format!("{} {}", package.name, package.version));
        }
    }
    let path = workspace_folder().join("LICENSE");
    let mut all = std::fs::read_to_string(&path).map_err(Error::file("read", &path))?;
    for (text, packages) in texts {
        let names: Vec<String> = packages.into_iter().collect();
        all.extend(["\n", RULE, "\n", &names.join(", "), ":\n\n", &text, "\n"]);
    }
    Ok(all)
}

/// The files of a package that hold licences and notices, by name.
fn licence_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(Error::file("read", folder))?;
    let is_licence = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        path.is_file()
            && ["LICENSE", "LICENCE", "COPYING", "NOTICE"].iter().any(|start| name.starts_with(start))
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_licence).collect();
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, kind: &str) -> Value {
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        json!({
            "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "repository": null,
            "source": if name == NAME { Value::Null } else { json!(registry) },
            "manifest_path": format!("/{name}/Cargo.toml"), "targets": [{ "kind": [kind] }],
        })
    }

    fn node(name: &str, deps: &[(&str, Option<&str>)]) -> Value {
        let deps: Vec<Value> =
            deps.iter().map(|(pkg, kind)| json!({ "pkg": pkg, "dep_kinds": [{ "kind": kind }] })).collect();
        json!({ "id": name, "deps": deps })
    }

    /// A program that uses a library, a macro, something to build with, something for tests, and something that only
    /// another member of the workspace has switched on.
    fn sample() -> Materials {
        let others = [("library", "lib"), ("below", "lib"), ("macro", "proc-macro"), ("of-macro", "lib")];
        let more = [("builder", "lib"), ("tester", "lib"), ("optional", "lib"), ("unused", "lib")];
        let packages: Vec<Value> = std::iter::once(package(NAME, "bin"))
            .chain(others.iter().chain(&more).map(|(name, kind)| package(name, kind)))
            .collect();
        let metadata = json!({ "packages": packages, "resolve": { "nodes": [
            node(NAME, &[("library", None), ("macro", None), ("builder", Some("build")), ("tester", Some("dev")),
                         ("optional", None)]),
            node("library", &[("below", None)]),
            node("below", &[("library", None)]),
            node("macro", &[("of-macro", None)]),
            node("unused", &[]),
        ] } });
        let compiled = [NAME, "library", "below", "macro", "of-macro", "builder", "tester", "unused"];
        let compiled = compiled.map(str::to_owned).into();
        Materials::among(serde_json::from_value(metadata).unwrap(), &compiled).unwrap()
    }

    #[test]
    fn what_is_not_linked_is_not_in_the_bill() {
        let names: Vec<String> = sample().packages().map(|package| package.name.clone()).collect();
        assert_eq!(names, [NAME, "below", "library"]);
    }

    #[test]
    fn the_bill_has_what_a_scanner_looks_for() {
        let bill = sample().bill(&[("glibc", "2.36".to_owned(), "LGPL-2.1-or-later")]).unwrap();
        let bill: Value = serde_json::from_slice(&bill).unwrap();
        assert_eq!(bill["metadata"]["component"]["purl"], "pkg:generic/acr-credential-helper@1.0.0");
        let library = &bill["components"][1];
        assert_eq!(library["purl"], "pkg:cargo/library@1.0.0");
        assert_eq!(library["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(bill["components"][2]["purl"], "pkg:generic/glibc@2.36");
        let of_program = bill["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .find(|edge| edge["ref"] == bill["metadata"]["component"]["bom-ref"])
            .unwrap();
        assert_eq!(of_program["dependsOn"], json!(["pkg:cargo/library@1.0.0", "pkg:generic/glibc@2.36"]));
    }

    #[test]
    fn checksums_are_those_of_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\ndependencies = [\n \"a\",\n]\n\n\
                    [[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry\"\nchecksum = \"abc\"\n";
        assert_eq!(checksums(lock), BTreeMap::from([(("a", "1.0.0"), "abc")]));
    }
}
