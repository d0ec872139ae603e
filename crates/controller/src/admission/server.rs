//! What an API server can do when ServiceAccounts are created, and what its policy has done with one that was tried.

/// What an API server can do. What it does not tell is taken to be there: then its answers tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSeen {
    /// Major and minor version (`GET /version`).
    pub version: Option<(u32, u32)>,
    /// Whether it has MutatingAdmissionPolicy in `v1` or `v1beta1` of `admissionregistration.k8s.io`, as discovery tells.
    pub policies: Option<bool>,
}

impl ServerSeen {
    /// The first version that has `matchConditions` without a feature gate
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions>).
    /// Older ones drop the field without a word.
    const MATCH_CONDITIONS: (u32, u32) = (1, 28);

    /// The first version in which each Namespace has the label `kubernetes.io/metadata.name`
    /// (<https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-metadata-name>).
    const NAMESPACE_NAMES: (u32, u32) = (1, 21);

    /// Whether a selector can tell namespaces by their names. Where none can, a registration would cover the namespaces
    /// without which nothing starts.
    pub fn labels_namespaces(&self) -> bool {
        self.version.is_none_or(|version| version >= Self::NAMESPACE_NAMES)
    }

    /// Whether a registration may say more than selectors do.
    pub fn has_match_conditions(&self) -> bool {
        self.version.is_none_or(|version| version >= Self::MATCH_CONDITIONS)
    }

    /// Whether there can be a mutating policy.
    pub fn has_policies(&self) -> bool {
        self.policies.unwrap_or(true)
    }

    /// The version in words.
    pub fn name(&self) -> String {
        match self.version {
            Some((major, minor)) => format!("this API server is Kubernetes {major}.{minor}"),
            None => "this API server does not tell its version".to_owned(),
        }
    }
}

/// What has become of a ServiceAccount that the API server was to create without storing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It names the pull secret, and the policy went by the parameters that it was tried with.
    Attached,
    /// The policy went by those parameters, and it does not name the pull secret.
    LeftOut,
    /// The policy went by other parameters.
    OtherParameters,
    /// It names the pull secret, and no policy says by which parameters.
    Untold,
    /// No policy says that it went by any parameters, and it does not name the pull secret; what there is besides.
    NotAttached {
        /// Whether the policy exists; `None` where it may not be looked at.
        policy: Option<bool>,
        /// Its binding, where it may be looked at and exists.
        binding: Option<BindingSeen>,
    },
}

/// The binding of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingSeen {
    /// The policy that it binds.
    pub policy: String,
    /// Namespace and name of the ConfigMap that it takes parameters from.
    pub parameters: Option<(String, String)>,
}
