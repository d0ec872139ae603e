//! The programs of the test bed: found, or built once and kept in the user's cache.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::go::{Go, Module};
use crate::progress::Progress;

const GUARD: Module = Module {
    name: "guard",
    title: "guard of the test bed",
    linker_flags: "-s -w",
    also_known_as: &[],
    patience: "a few seconds",
};
const REGISTRY: Module = Module {
    name: "registry",
    title: "registry",
    linker_flags: "-s -w",
    also_known_as: &[],
    patience: "about a minute the first time",
};
/// Without the version, clients and feature gates would take the servers for v0.0.0.
pub(crate) const KUBERNETES_LINKER_FLAGS: &str = "-s -w \
    -X k8s.io/component-base/version.gitVersion=v1.36.3 \
    -X k8s.io/component-base/version.gitMajor=1 \
    -X k8s.io/component-base/version.gitMinor=36";
const CONTROL_PLANE: Module = Module {
    name: "control-plane",
    title: "control plane",
    linker_flags: KUBERNETES_LINKER_FLAGS,
    also_known_as: &["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"],
    patience: "6 minutes on 2 cores the first time",
};
/// The oldest Kubernetes that is tested. etcd and kubectl of the newest one serve it too.
const OLDEST_CONTROL_PLANE: Module = Module {
    name: "control-plane-1.30",
    title: "control plane of Kubernetes 1.30",
    linker_flags: "-s -w \
        -X k8s.io/component-base/version.gitVersion=v1.30.14 \
        -X k8s.io/component-base/version.gitMajor=1 \
        -X k8s.io/component-base/version.gitMinor=30",
    also_known_as: &["kube-apiserver", "kube-controller-manager"],
    patience: "5 minutes on 2 cores the first time",
};

/// Where setup-envtest of controller-runtime says that it put etcd, kube-apiserver and kubectl.
const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// Where the programs of the test bed are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    guard: PathBuf,
    etcd: PathBuf,
    kube_apiserver: PathBuf,
    kube_controller_manager: PathBuf,
    kubectl: PathBuf,
    registry: PathBuf,
}

impl Tools {
    /// Finds the programs, and builds what is missing.
    ///
    /// They are kept below `$XDG_CACHE_HOME` or `~/.cache`, in `acr-credential-helper/testbed`, by a hash of
    /// all that decides what a build makes. Several processes that want the same build share one. etcd,
    /// kube-apiserver and kubectl are taken from `KUBEBUILDER_ASSETS` where that is set and has them.
    pub async fn ensure(progress: Progress) -> Result<Self, Error> {
        let cache = cache_folder()?;
        let assets = std::env::var_os(ASSETS_VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        if let Some(folder) = &assets {
            std::fs::read_dir(folder)
                .map_err(Error::file("read the folder of KUBEBUILDER_ASSETS,", folder))?;
        }
        let go = Go::find(&CONTROL_PLANE).await?;
        let guard = go.ensure(&GUARD, None, &cache, progress).await?.join(GUARD.name);
        let registry = go.ensure(&REGISTRY, Some(&guard), &cache, progress).await?.join(REGISTRY.name);
        let built = go.ensure(&CONTROL_PLANE, Some(&guard), &cache, progress).await?;
        let given_or_built = |name: &str| {
            let given = assets.as_ref().map(|folder| folder.join(name)).filter(|path| path.is_file());
            given.unwrap_or_else(|| built.join(name))
        };
        Ok(Self {
            guard,
            etcd: given_or_built("etcd"),
            kube_apiserver: given_or_built("kube-apiserver"),
            kube_controller_manager: built.join("kube-controller-manager"),
            kubectl: given_or_built("kubectl"),
            registry,
        })
    }

    /// The same with API server and controller manager of the oldest Kubernetes that is tested, v1.30.14. They are
    /// always built, whatever `KUBEBUILDER_ASSETS` has.
    pub async fn ensure_oldest(progress: Progress) -> Result<Self, Error> {
        let newest = Self::ensure(progress).await?;
        let go = Go::find(&OLDEST_CONTROL_PLANE).await?;
        let guard = Some(newest.guard.as_path());
        let built = go.ensure(&OLDEST_CONTROL_PLANE, guard, &cache_folder()?, progress).await?;
        Ok(Self {
            kube_apiserver: built.join("kube-apiserver"),
            kube_controller_manager: built.join("kube-controller-manager"),
            ..newest
        })
    }

    /// The guard, see the documentation of the crate.
    pub fn guard(&self) -> &Path {
        &self.guard
    }

    /// etcd.
    pub fn etcd(&self) -> &Path {
        &self.etcd
    }

    /// The API server.
    pub fn kube_apiserver(&self) -> &Path {
        &self.kube_apiserver
    }

    /// The controller manager.
    pub fn kube_controller_manager(&self) -> &Path {
        &self.kube_controller_manager
    }

    /// kubectl, of the version of the API server. Its folder can be put on PATH.
    pub fn kubectl(&self) -> &Path {
        &self.kubectl
    }

    /// The registry.
    pub fn registry(&self) -> &Path {
        &self.registry
    }
}

/// The folder of everything that the test bed keeps between runs.
pub fn cache_folder() -> Result<PathBuf, Error> {
    // A relative XDG_CACHE_HOME is invalid and ignored (XDG Base Directory Specification).
    let configured = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").filter(|home| !home.is_empty());
    let cache = configured.or_else(|| home().map(|home| PathBuf::from(home).join(".cache")));
    Ok(cache.ok_or(Error::NoCacheFolder)?.join("acr-credential-helper").join("testbed"))
}
