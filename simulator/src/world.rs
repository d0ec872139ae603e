//! The state of the cloud that operations read and change.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::description::{Description, Instance, KeySource};
use crate::meter::Meters;
use crate::oidc::IssuerKeys;
use crate::sealed::{Sealer, Session, SessionCredentials};
use crate::signing_key::SigningKey;

/// The state of the cloud; cheap to clone.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) description: Arc<Description>,
    /// By ARN of the OIDC provider; a provider without an entry has not got its keys.
    pub(crate) issuer_keys: Arc<BTreeMap<String, IssuerKeys>>,
    pub(crate) sealer: Sealer,
    pub(crate) signing_key: Option<Arc<SigningKey>>,
    pub(crate) meters: Meters,
    /// How many sessions were made.
    sessions: u64,
}

impl World {
    pub(crate) fn new(description: Description) -> Self {
        let mut issuer_keys = BTreeMap::new();
        for account in &description.accounts {
            for provider in &account.oidc_providers {
                if let KeySource::Jwks(set) = &provider.keys {
                    issuer_keys.insert(account.provider_arn(&provider.name), IssuerKeys::new(set));
                }
            }
        }
        Self {
            sealer: Sealer::new(&description.seed),
            description: Arc::new(description),
            issuer_keys: Arc::new(issuer_keys),
            signing_key: None,
            meters: Meters::default(),
            sessions: 0,
        }
    }

    /// Makes a session that differs from every other one.
    pub(crate) fn new_session(&mut self, mut session: Session) -> SessionCredentials {
        self.sessions += 1;
        session.serial = self.sessions;
        self.sealer.credentials(&session)
    }

    pub(crate) fn instance(&self, id: &str) -> Option<&Instance> {
        self.description.instances.iter().find(|instance| instance.id == id)
    }
}
