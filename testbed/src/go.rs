//! Building a Go module of the test bed into the cache, once for all processes that want it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use tokio::sync::Mutex;

use crate::error::Error;
use crate::guarded::{Guarded, last_lines};
use crate::hexadecimal::hexadecimal;
use crate::progress::{Progress, Task};

/// Time between two looks at a running build or a lock that someone else holds.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Lines of a failed build's log that its error shows.
const TAIL_LINES: usize = 30;

/// Flags of every build. `-trimpath` keeps the folder of this checkout out of what is built.
const BUILD_FLAGS: &[&str] = &["-trimpath", "-buildvcs=false", "-mod=readonly"];
/// What of the user's environment would change what is built. No C compiler is needed.
const BUILD_ENVIRONMENT: &[(&str, &str)] =
    &[("CGO_ENABLED", "0"), ("GOFLAGS", ""), ("GOWORK", "off"), ("GOOS", ""), ("GOARCH", "")];

/// Builds of this process, one after the other: a Go build uses every core by itself.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A `main` package of the test bed.
pub(crate) struct Module {
    /// The name of its folder below `go/`, and of its program.
    pub(crate) name: &'static str,
    /// What people are told is being built.
    pub(crate) title: &'static str,
    /// What the linker is told, as one argument.
    pub(crate) linker_flags: &'static str,
    /// More names that its program is installed under.
    pub(crate) also_known_as: &'static [&'static str],
    /// How long a first build takes, for people who wait.
    pub(crate) patience: &'static str,
}

impl Module {
    fn source(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(self.name)
    }
}

/// The `go` command, found to be new enough.
pub(crate) struct Go {
    version: String,
}

impl Go {
    /// Asks `go` for its version in the folder of `module`, where it may choose a newer toolchain itself.
    pub(crate) async fn find(module: &Module) -> Result<Self, Error> {
        let source = module.source();
        let needed = needed_version(&source.join("go.mod"))?;
        let output = tokio::process::Command::new("go")
            .args(["env", "GOVERSION"])
            .current_dir(&source)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await;
        let output = match output {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::GoMissing { needed }),
            Err(source) => return Err(Error::File { action: "run", path: PathBuf::from("go"), source }),
        };
        if !output.status.success() {
            let explanation = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::GoUnusable { status: output.status, output: explanation });
        }
        let found = String::from_utf8_lossy(&output.stdout).trim().trim_start_matches("go").to_owned();
        if numbers(&found) < numbers(&needed) {
            return Err(Error::GoTooOld { found, needed });
        }
        Ok(Self { version: found })
    }

    /// The folder with the programs of `module`, built now if nobody has built it before.
    ///
    /// `guard` is the program that keeps a build from outliving this process; the guard itself is built
    /// without, which takes a few seconds.
    pub(crate) async fn ensure(
        &self,
        module: &Module,
        guard: Option<&Path>,
        cache: &Path,
        progress: Progress,
    ) -> Result<PathBuf, Error> {
        let key = self.key(module)?;
        let built = cache.join(format!("{}-{key}", module.name));
        if built.is_dir() {
            return Ok(built);
        }
        let _turn = ONE_AT_A_TIME.lock().await;
        std::fs::create_dir_all(cache).map_err(Error::file("create", cache))?;
        let _lock = lock(&cache.join(format!("{}.lock", module.name)), module, progress).await?;
        if built.is_dir() {
            return Ok(built);
        }
        // Leftovers of a build that was cut off can only be ours: the lock is held.
        let partial = cache.join(format!("{}-{key}.partial", module.name));
        if partial.exists() {
            std::fs::remove_dir_all(&partial).map_err(Error::file("remove", &partial))?;
        }
        std::fs::create_dir_all(&partial).map_err(Error::file("create", &partial))?;
        self.build(module, guard, &partial, progress).await?;
        for name in module.also_known_as {
            let link = partial.join(name);
            std::os::unix::fs::symlink(module.name, &link).map_err(Error::file("create", link))?;
        }
        std::fs::rename(&partial, &built).map_err(Error::file("rename", &partial))?;
        Ok(built)
    }

    async fn build(
        &self,
        module: &Module,
        guard: Option<&Path>,
        target: &Path,
        progress: Progress,
    ) -> Result<(), Error> {
        let mut command = Command::new("go");
        command
            .arg("build")
            .args(BUILD_FLAGS)
            .args(["-v", "-ldflags", module.linker_flags, "-o"])
            .arg(target.join(module.name))
            .arg(".")
            .current_dir(module.source())
            .envs(BUILD_ENVIRONMENT.iter().copied());
        let log = target.join("build.log");
        let mut task = Task::start(progress, format!("building the {} ({})", module.title, module.patience));
        let status = if let Some(guard) = guard {
            let name = format!("go build of the {}", module.title);
            let mut build = Guarded::start_below(guard, name, &command, log.clone(), None)?;
            loop {
                if let Some(status) = build.try_wait()? {
                    break status;
                }
                task.tick(&last_lines(&log, 1));
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        } else {
            let output = File::create(&log).map_err(Error::file("create", &log))?;
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
            let mut build = tokio::process::Command::from(command);
            build.kill_on_drop(true).status().await.map_err(Error::file("run", "go"))?
        };
        if !status.success() {
            let tail = last_lines(&log, TAIL_LINES);
            return Err(Error::Build { what: module.title, status, log, tail });
        }
        task.done();
        Ok(())
    }

    /// Hash of all that decides what a build makes: the module's files, the flags, and the version of Go.
    fn key(&self, module: &Module) -> Result<String, Error> {
        let source = module.source();
        let mut hash = Context::new(&SHA256);
        // Lengths keep neighbouring parts apart.
        let mut add = |part: &[u8]| {
            hash.update(&part.len().to_le_bytes());
            hash.update(part);
        };
        for path in source_files(&source)? {
            let content = std::fs::read(&path).map_err(Error::file("read", &path))?;
            add(path.file_name().unwrap_or_default().as_encoded_bytes());
            add(&content);
        }
        for flag in BUILD_FLAGS.iter().copied().chain([module.linker_flags, &self.version]) {
            add(flag.as_bytes());
        }
        for (variable, value) in BUILD_ENVIRONMENT {
            add(variable.as_bytes());
            add(value.as_bytes());
        }
        let digest = hash.finish();
        Ok(hexadecimal(digest.as_ref()))
    }
}

/// `go.mod`, `go.sum` and the Go files of a module, in the order of their names.
fn source_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::file("list", folder))? {
        let path = entry.map_err(Error::file("list", folder))?.path();
        let of_the_build =
            path.extension().is_some_and(|extension| ["go", "mod", "sum"].iter().any(|of| extension == *of));
        if of_the_build {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Takes the lock at `path`, which is released when the file is dropped, or its process ends in any way.
async fn lock(path: &Path, module: &Module, progress: Progress) -> Result<File, Error> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(Error::file("open", path))?;
    let mut waiting: Option<Task> = None;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => waiting
                .get_or_insert_with(|| {
                    Task::start(progress, format!("another process builds the {}", module.title))
                })
                .tick("waiting for it"),
            Err(TryLockError::Error(source)) => return Err(Error::file("lock", path)(source)),
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    if let Some(task) = waiting {
        task.done();
    }
    Ok(file)
}

/// The version in the `go` line of a `go.mod`.
fn needed_version(go_mod: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(go_mod).map_err(Error::file("read", go_mod))?;
    let version = text.lines().find_map(|line| line.strip_prefix("go ")).unwrap_or_default();
    Ok(version.trim().to_owned())
}

/// The leading numbers of a version: `1.26.8` and `1.27rc1` give `[1, 26, 8]` and `[1, 27]`. A version
/// without numbers, such as `devel`, is newer than all: whoever builds Go from source is trusted to know.
fn numbers(version: &str) -> Vec<u32> {
    let numbers: Vec<u32> = version
        .split('.')
        .map_while(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        })
        .collect();
    if numbers.is_empty() { vec![u32::MAX] } else { numbers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_versions_of_go_compare_as_older() {
        for (older, newer) in [
            ("1.9.7", "1.26.0"),
            ("1.25.9", "1.26.0"),
            ("1.26.0", "1.26.8"),
            ("1.26.8", "1.27rc1"),
            ("1.26.8 X:nocoverageredesign", "1.26.10"),
            ("1.99.0", "devel +abc"),
        ] {
            assert!(numbers(older) < numbers(newer), "{older} < {newer}");
        }
        assert!(numbers("1.26.0") >= numbers("1.26.0"));
    }
}
