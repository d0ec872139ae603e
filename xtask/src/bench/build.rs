//! Release builds of what is measured, and of what measures.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;

use acr_end_to_end::PROGRAM_VARIABLE;

use super::Error;
use crate::workspace::cargo;

/// Replaces this process by a release build of it, with the same arguments, that measures a release build of the
/// component. Returns only when that fails.
///
/// The bare writer and the observer are this program: a slow writer would flatter the component.
pub(super) fn start_over_in_release() -> Error {
    let start = || {
        // Two builds: in one, the features that xtask asks of shared crates would get into the component.
        let component = release_build("acr-credential-helper")?;
        let ourselves = release_build("xtask")?;
        let mut command = std::process::Command::new(&ourselves);
        command.args(std::env::args_os().skip(1)).env(PROGRAM_VARIABLE, component);
        Err(Error::File { action: "run", path: ourselves, source: command.exec() })
    };
    start().unwrap_or_else(|error| error)
}

/// Builds a package; cargo shows its progress.
fn release_build(package: &str) -> Result<PathBuf, Error> {
    let mut command = cargo(&["build", "--release", "--locked", "--package", package]);
    command.arg("--message-format=json-render-diagnostics").stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(|source| Error::File {
        action: "run",
        path: command.get_program().into(),
        source,
    })?;
    if !output.status.success() {
        return Err(Error::Process { who: "cargo build --release", reason: output.status.to_string() });
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    messages.lines().find_map(|message| executable(message, package)).ok_or_else(|| Error::Process {
        who: "cargo build --release",
        reason: format!("it made no program {package}"),
    })
}

/// The program `name` in a message of cargo (The Cargo Book, External tools).
fn executable(message: &str, name: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    (message.pointer("/target/name")?.as_str()? == name).then_some(())?;
    message.get("executable")?.as_str().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_program_that_was_asked_for_is_taken() {
        let message = |name: &str, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"name":"{name}"}},"executable":{executable}}}"#
            )
        };
        assert_eq!(executable("", "xtask"), None);
        assert_eq!(executable(&message("xtask", "null"), "xtask"), None);
        assert_eq!(executable(&message("other", r#""/t/other""#), "xtask"), None);
        assert_eq!(executable(&message("xtask", r#""/t/xtask""#), "xtask"), Some("/t/xtask".into()));
    }
}
