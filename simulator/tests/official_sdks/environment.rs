//! The virtual environment with the pinned official SDKs: made once per user, outside of the tree.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const REQUIREMENTS: &str = include_str!("requirements.txt");
const BUILD_REQUIREMENTS: &str = include_str!("build-requirements.txt");

/// What to do where the SDKs cannot be had: these tests fail there, they are not left out.
const REMEDY: &str = "the tests with the official SDKs need python3 (3.11 or newer) with its module venv \
                      (`apt-get install python3 python3-venv`) and, once, the package index that pip is configured for";

/// The Python interpreter that has the SDKs.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| prepare().unwrap_or_else(|reason| panic!("{REMEDY}.\n{reason}")))
}

fn prepare() -> Result<PathBuf, String> {
    let version = run(Command::new("python3").arg("--version"))?;
    let mut hasher = DefaultHasher::new();
    (REQUIREMENTS, BUILD_REQUIREMENTS, &version).hash(&mut hasher);
    let cache = cache_folder();
    let folder = cache.join(format!("official-sdks-{:016x}", hasher.finish()));
    let (python, complete) = (folder.join("bin/python"), folder.join("complete"));
    fs::create_dir_all(&cache).map_err(|error| format!("cannot create {}: {error}", cache.display()))?;
    // Held until this function ends: another test run may be making the same environment.
    let lock = File::create(cache.join("official-sdks.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| format!("cannot lock {}: {error}", cache.display()))?;
    if complete.exists() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let pip = |arguments: &[&str], requirements: &str, name: &str| {
        let file = folder.join(name);
        fs::write(&file, requirements).map_err(|error| error.to_string())?;
        let mut command = Command::new(&python);
        command.args(["-m", "pip", "install", "--quiet", "--require-hashes"]).args(arguments);
        run(command.arg("--requirement").arg(&file))
    };
    pip(&[], BUILD_REQUIREMENTS, "build-requirements.txt")?;
    // Without isolation the build uses what was pinned above.
    pip(&["--no-build-isolation"], REQUIREMENTS, "requirements.txt")?;
    fs::write(&complete, "").map_err(|error| error.to_string())?;
    Ok(python)
}

/// The cache folder of the user (XDG Base Directory Specification), else the system's folder for temporary files.
fn cache_folder() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("acr-credential-helper")
}

fn run(command: &mut Command) -> Result<String, String> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|error| format!("cannot run {shown}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(format!("{shown} failed ({}):\n{}{}", output.status, text(&output.stdout), text(&output.stderr)))
}
