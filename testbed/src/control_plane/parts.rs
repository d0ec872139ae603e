//! The servers that a control plane consists of.

use std::fmt;

use crate::guarded::Guarded;

/// A server of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The store.
    Etcd,
    /// The API server.
    ApiServer,
    /// The controllers: the `default` ServiceAccount of new namespaces, the deletion of namespaces, garbage
    /// collection, the root certificates.
    ControllerManager,
}

impl Part {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The servers that run.
#[derive(Debug, Default)]
pub(super) struct Servers {
    // Clients first, so that nobody complains of a lost server while the others end.
    pub(super) controller_manager: Option<Guarded>,
    pub(super) api_server: Option<Guarded>,
    pub(super) etcd: Option<Guarded>,
}

impl Servers {
    pub(super) fn slot(&mut self, part: Part) -> &mut Option<Guarded> {
        match part {
            Part::Etcd => &mut self.etcd,
            Part::ApiServer => &mut self.api_server,
            Part::ControllerManager => &mut self.controller_manager,
        }
    }
}
