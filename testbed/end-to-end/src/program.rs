//! The program `acr-credential-helper`: given, or built now.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::error::Error;

/// Names the program that is to be run, built before; without it cargo is called.
pub const PROGRAM_VARIABLE: &str = "ACR_CREDENTIAL_HELPER_PROGRAM";

/// The program.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
}

impl Program {
    /// Takes the program that [`PROGRAM_VARIABLE`] names, else builds it with cargo, whose progress goes to standard
    /// error. Building what is built takes a second.
    pub async fn ensure() -> Result<Self, Error> {
        if let Some(path) = std::env::var_os(PROGRAM_VARIABLE) {
            return Self::at(path.into());
        }
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let output = Command::new(&cargo)
            .args(["build", "--locked", "--package", "acr-credential-helper"])
            .arg("--message-format=json-render-diagnostics")
            .current_dir(workspace)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|source| Error::File { action: "run", path: cargo, source })?;
        if !output.status.success() {
            return Err(Error::Build(output.status));
        }
        let executable = String::from_utf8_lossy(&output.stdout).lines().find_map(executable);
        Self::at(executable.unwrap_or_default())
    }

    fn at(path: PathBuf) -> Result<Self, Error> {
        if path.is_file() {
            Ok(Self { path })
        } else {
            Err(Error::Program { path, reason: "no such file".to_owned() })
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The program in a message of cargo (The Cargo Book, External tools).
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let name = message.pointer("/target/name")?.as_str()?;
    (name == "acr-credential-helper").then_some(())?;
    message.get("executable")?.as_str().map(PathBuf::from)
}
