//! helm, built from a pinned module, for the tests of the chart and for rendering manifests from it.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::go::{Go, Module};
use crate::progress::Progress;
use crate::tools::{Tools, cache_folder};

const HELM: Module = Module {
    name: "helm",
    title: "package manager helm",
    linker_flags: "-s -w -X helm.sh/helm/v4/internal/version.version=v4.3.1",
    also_known_as: &[],
    patience: "4 minutes on 2 cores the first time",
};

/// Where helm is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helm {
    program: PathBuf,
}

impl Helm {
    /// Finds helm, built now if nobody has built it before, as the programs of [`Tools::ensure`] are. Apart from them,
    /// because only the chart needs it.
    pub async fn ensure(tools: &Tools, progress: Progress) -> Result<Self, Error> {
        let go = Go::find(&HELM).await?;
        let built = go.ensure(&HELM, Some(tools.guard()), &cache_folder()?, progress).await?;
        Ok(Self { program: built.join(HELM.name) })
    }

    /// The program. Its folder can be put on PATH.
    pub fn program(&self) -> &Path {
        &self.program
    }
}
