//! The private folder of one running part of the test bed.

use std::io::Write;
use std::path::Path;

use tempfile::TempDir;

use crate::error::Error;

/// Set to anything, it keeps every folder, as if every owner had asked for it.
const KEEP_VARIABLE: &str = "ACR_TESTBED_KEEP";

/// A folder that only this user can read. It goes away at the end, unless it was to be kept, or something
/// failed and its logs are wanted.
#[derive(Debug)]
pub(crate) struct Folder {
    folder: TempDir,
    keep: bool,
}

impl Folder {
    pub(crate) fn create(keep: bool) -> Result<Self, Error> {
        let parent = std::env::temp_dir();
        let folder = tempfile::Builder::new()
            .prefix("acr-testbed-")
            .tempdir_in(&parent)
            .map_err(Error::file("create a folder in", parent))?;
        Ok(Self { folder, keep: keep || std::env::var_os(KEEP_VARIABLE).is_some() })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder, if a guard may remove it when its owner is gone.
    pub(crate) fn remove_when_orphaned(&self) -> Option<&Path> {
        (!self.keep).then(|| self.folder.path())
    }

    /// From now on the folder stays, because it shows what failed.
    pub(crate) fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.keep || std::thread::panicking() {
            self.folder.disable_cleanup(true);
            let mut stderr = std::io::stderr().lock();
            let _ignored = writeln!(stderr, "kept with its logs: {}", self.folder.path().display());
        }
    }
}
