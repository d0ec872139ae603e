//! The private folder of one running part of the test bed.

use std::fs;
use std::io::Write;
use std::path::Path;

use tempfile::TempDir;

use crate::error::Error;

/// Set to anything, it keeps every folder, as if every owner had asked for it.
const KEEP_VARIABLE: &str = "ACR_TESTBED_KEEP";

/// What is left of a folder at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Nothing,
    /// What shows why something failed. Keys, data and sockets go.
    Logs,
    Everything,
}

/// A folder that only this user can read. It goes away at the end, unless it was to be kept. When something
/// failed its logs stay.
#[derive(Debug)]
pub(crate) struct Folder {
    folder: TempDir,
    keep: Keep,
}

impl Folder {
    pub(crate) fn create(keep: bool) -> Result<Self, Error> {
        let parent = std::env::temp_dir();
        let folder = tempfile::Builder::new()
            .prefix("acr-testbed-")
            .tempdir_in(&parent)
            .map_err(Error::file("create a folder in", parent))?;
        let everything = keep || std::env::var_os(KEEP_VARIABLE).is_some();
        Ok(Self { folder, keep: if everything { Keep::Everything } else { Keep::Nothing } })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder, if a guard may remove it when its owner is gone.
    pub(crate) fn remove_when_orphaned(&self) -> Option<&Path> {
        (self.keep != Keep::Everything).then(|| self.folder.path())
    }

    /// From now on the logs stay, because they show what failed.
    pub(crate) fn keep_logs(&mut self) {
        if self.keep == Keep::Nothing {
            self.keep = Keep::Logs;
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep_logs();
        }
        let kept = match self.keep {
            Keep::Nothing => return,
            Keep::Logs => {
                // What cannot be removed stays beside the logs: this is the way out of a failure.
                let _ignored = remove_all_but_logs(self.folder.path());
                "its logs are kept in"
            }
            Keep::Everything => "kept with its logs:",
        };
        self.folder.disable_cleanup(true);
        let mut stderr = std::io::stderr().lock();
        let _ignored = writeln!(stderr, "{kept} {}", self.folder.path().display());
    }
}

/// Removes every file that is not a log, and every folder without one.
fn remove_all_but_logs(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            let _not_empty = remove_all_but_logs(&path).and_then(|()| fs::remove_dir(&path));
        } else if path.extension().is_none_or(|extension| extension != "log") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failure_only_logs_are_left() {
        let mut folder = Folder::create(false).unwrap();
        let path = folder.path().to_owned();
        fs::create_dir_all(path.join("etcd/member")).unwrap();
        fs::create_dir(path.join("pods")).unwrap();
        for file in ["ca.key", "kube-apiserver.log", "etcd/member/db", "pods/app.log", "pods/token"] {
            fs::write(path.join(file), "content").unwrap();
        }
        std::os::unix::fs::symlink("/", path.join("elsewhere")).unwrap();
        folder.keep_logs();
        drop(folder);
        let mut left: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["kube-apiserver.log", "pods"]);
        assert_eq!(fs::read_dir(path.join("pods")).unwrap().count(), 1);
        fs::remove_dir_all(path).unwrap();
    }
}
