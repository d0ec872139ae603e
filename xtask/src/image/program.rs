//! The program of the image: built static by cargo, and looked at before it is packed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::error::Error;
use crate::workspace::cargo;

/// The package, and the name of its program.
pub(super) const NAME: &str = "acr-credential-helper";

/// A program that needs no other file.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) bytes: Vec<u8>,
    /// In the words of Go: `amd64`, `arm64`.
    pub(super) architecture: &'static str,
    /// Ids of the packages that were compiled for it, those of build scripts and macros among them.
    pub(super) packages: BTreeSet<String>,
}

/// The target that rustc builds for when none is named.
pub(super) fn host() -> Result<String, Error> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc).arg("-vV").current_dir(crate::workspace::workspace_folder()).output();
    let remedy = "install Rust by rustup: https://rustup.rs";
    let output = output.map_err(|source| Error::Run { program: "rustc".to_owned(), source, remedy })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Error::Metadata("rustc -vV names no host".to_owned()))
}

/// Builds the program; cargo shows its progress.
///
/// The C library is linked statically by a flag for the program alone: what it depends on is compiled no other way
/// than for any build of the same profile, and not once more for the image.
pub(super) fn build(target: &str, host: &str, profile: &str) -> Result<Program, Error> {
    let mut command = cargo(&["rustc", "--locked", "--package", NAME, "--bin", NAME, "--profile", profile]);
    if target != host {
        command.args(["--target", target]);
    }
    command.arg("--message-format=json-render-diagnostics");
    command.args(["--", "--codegen=target-feature=+crt-static", "--codegen=strip=symbols"]);
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let remedy = "run it as `cargo xtask image`";
    let output =
        command.output().map_err(|source| Error::Run { program: "cargo".to_owned(), source, remedy })?;
    if !output.status.success() {
        return Err(Error::Build { target: target.to_owned(), status: output.status });
    }
    let (packages, path) = learn(&String::from_utf8_lossy(&output.stdout));
    let path = path.ok_or(Error::NoProgram)?;
    // Now: the next build of any kind puts its own program into this place.
    let bytes = std::fs::read(&path).map_err(Error::file("read", &path))?;
    let architecture = look_at(&path, &bytes)?;
    Ok(Program { bytes, architecture, packages })
}

/// A message of cargo about something that was compiled (The Cargo Book, External tools).
#[derive(Deserialize)]
struct Artifact {
    package_id: String,
    target: Target,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// The packages in cargo's messages, and the program.
fn learn(messages: &str) -> (BTreeSet<String>, Option<PathBuf>) {
    let mut packages = BTreeSet::new();
    let mut program = None;
    for artifact in messages.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok()) {
        packages.insert(artifact.package_id);
        if artifact.target.name == NAME {
            program = artifact.executable.or(program);
        }
    }
    (packages, program)
}

/// The architecture of a static program, by its ELF header (elf(5)).
fn look_at(path: &Path, bytes: &[u8]) -> Result<&'static str, Error> {
    /// The segment that names the loader.
    const PT_INTERP: u64 = 3;
    let bad = |reason| Error::Machine { path: path.to_owned(), reason };
    // 64 bits, little-endian.
    if bytes.get(..6) != Some(&[0x7f, b'E', b'L', b'F', 2, 1]) {
        return Err(bad("it is no ELF file of 64 bits"));
    }
    let number = |place: usize, length: usize| {
        let digits = bytes.get(place..place.checked_add(length)?)?;
        Some(digits.iter().rev().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte)))
    };
    let header = || {
        let (machine, table) = (number(0x12, 2)?, usize::try_from(number(0x20, 8)?).ok()?);
        let (size, count) =
            (usize::try_from(number(0x36, 2)?).ok()?, usize::try_from(number(0x38, 2)?).ok()?);
        Some((machine, table, size, count))
    };
    let (machine, table, size, count) = header().ok_or_else(|| bad("its header is cut off"))?;
    for segment in 0..count {
        let entry = segment.checked_mul(size).and_then(|offset| offset.checked_add(table));
        let entry = entry.ok_or_else(|| bad("its program headers are out of range"))?;
        let kind = number(entry, 4).ok_or_else(|| bad("its program headers are cut off"))?;
        if kind == PT_INTERP {
            return Err(Error::NotStatic {
                path: path.to_owned(),
                interpreter: interpreter(&number, bytes, entry),
            });
        }
    }
    match machine {
        62 => Ok("amd64"),
        183 => Ok("arm64"),
        _ => Err(bad("its machine is another one")),
    }
}

/// The loader that a segment names.
fn interpreter(number: &dyn Fn(usize, usize) -> Option<u64>, bytes: &[u8], entry: usize) -> String {
    let range = || {
        let start = usize::try_from(number(entry.checked_add(8)?, 8)?).ok()?;
        let length = usize::try_from(number(entry.checked_add(32)?, 8)?).ok()?;
        bytes.get(start..start.checked_add(length)?)
    };
    String::from_utf8_lossy(range().unwrap_or_default()).trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_needs_a_loader_is_refused_by_the_name_of_the_loader() {
        // Test programs are linked dynamically.
        let path = std::env::current_exe().unwrap();
        let refused = look_at(&path, &std::fs::read(&path).unwrap()).unwrap_err();
        assert!(
            matches!(&refused, Error::NotStatic { interpreter, .. } if interpreter.contains("ld-")),
            "{refused}"
        );
        assert!(refused.to_string().contains("docs/image.md"), "{refused}");
    }

    #[test]
    fn what_is_cut_off_or_no_program_at_all_is_refused() {
        let path = std::env::current_exe().unwrap();
        let program = std::fs::read(&path).unwrap();
        let reason = |bytes: &[u8]| look_at(&path, bytes).unwrap_err().to_string();
        assert!(reason(b"#!/bin/sh\n").contains("no ELF file"));
        assert!(reason(&program[..20]).contains("its header is cut off"));
        assert!(reason(&program[..70]).contains("its program headers are cut off"));
        let mut other = program[..64].to_vec();
        // No segments, and a machine that is none.
        other[0x38] = 0;
        other[0x39] = 0;
        other[0x12] = 99;
        assert!(reason(&other).contains("its machine is another one"));
    }

    #[test]
    fn packages_and_the_program_are_learnt_from_the_messages_of_cargo() {
        let library = r#"{"reason":"compiler-artifact","package_id":"registry+x#a@1.0.0","target":{"name":"a"},"executable":null}"#;
        let program = r#"{"reason":"compiler-artifact","package_id":"path+x#acr-credential-helper@0.1.0","target":{"name":"acr-credential-helper"},"executable":"/t/helper"}"#;
        let (packages, path) =
            learn(&format!("{library}\n{{\"reason\":\"build-finished\"}}\nnoise\n{program}\n"));
        assert_eq!(path, Some("/t/helper".into()));
        assert_eq!(packages.len(), 2);
        assert_eq!(learn(library).1, None);
    }
}
