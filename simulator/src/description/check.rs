//! Reading a description and what must hold across its parts.

use std::collections::BTreeSet;

use super::policy::{Decision, Principal};
use super::{Account, Description, Instance, Metadata, Personal, Role};
use crate::hosts;

/// Why a description cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// Not YAML, or not of the documented shape. The text around the place is not shown: it may hold a secret.
    #[error("{}; `acr-simulator example` prints a complete description", .0.without_snippet())]
    Shape(Box<serde_saphyr::Error>),
    /// The parts do not fit together; every fault is named.
    #[error("the parts do not fit together:\n  {}", .0.join("\n  "))]
    Content(Vec<String>),
}

impl Description {
    /// Reads a YAML text and checks it.
    pub fn parse(text: &str) -> Result<Self, DescriptionError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let description: Self = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| DescriptionError::Shape(Box::new(error)))?;
        description.check()?;
        Ok(description)
    }

    /// Checks what must hold across the parts, as [`Description::parse`] does.
    pub fn check(&self) -> Result<(), DescriptionError> {
        let mut faults = Vec::new();
        let accounts = self.accounts.iter().map(|account| account.id.as_str());
        unique("account", accounts, &mut faults);
        let keys = self.accounts.iter().flat_map(|account| {
            account.access_keys.iter().chain(account.users.iter().flat_map(|user| &user.access_keys))
        });
        unique("access key", keys.map(|key| key.id.as_str()), &mut faults);
        for account in &self.accounts {
            check_account(account, &mut faults);
        }
        if let Some(metadata) = &self.metadata {
            self.check_metadata(metadata, &mut faults);
        }
        self.check_instances(&mut faults);
        self.check_personal(&mut faults);
        if faults.is_empty() { Ok(()) } else { Err(DescriptionError::Content(faults)) }
    }

    fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    fn check_metadata(&self, metadata: &Metadata, faults: &mut Vec<String>) {
        if !hosts::region_exists(&metadata.region) {
            faults.push(format!("metadata: there is no region {:?}", metadata.region));
        }
        if metadata.rotation_seconds == 0 || metadata.rotation_seconds > metadata.document_seconds {
            faults.push("metadata: rotationSeconds must lie between 1 and documentSeconds".to_owned());
        }
        let Some(account) = self.account(&metadata.account) else {
            faults.push(format!("metadata: there is no account {:?}", metadata.account));
            return;
        };
        let Some(wanted) = &metadata.role else { return };
        match account.roles.iter().find(|role| role.name == *wanted) {
            None => faults.push(format!("metadata: account {} has no role {wanted:?}", account.id)),
            Some(role) if !trusts_machines(role) => faults.push(format!(
                "metadata: the trust policy of role {wanted:?} does not name the service ecs.aliyuncs.com"
            )),
            Some(_) => {}
        }
    }

    fn check_instances(&self, faults: &mut Vec<String>) {
        unique("instance", self.instances.iter().map(|instance| instance.id.as_str()), faults);
        let domains: Vec<String> = self.instances.iter().flat_map(domains).collect();
        unique("domain", domains.iter().map(String::as_str), faults);
        for instance in &self.instances {
            let id = &instance.id;
            if !id.starts_with("cri-") {
                faults.push(format!(
                    "instance {id:?}: the id of an Enterprise Edition instance starts with cri-"
                ));
            }
            if !hosts::has_registry(&instance.region) {
                faults.push(format!(
                    "instance {id:?}: there is no Container Registry in region {:?}",
                    instance.region
                ));
            }
            if self.account(&instance.account).is_none() {
                faults.push(format!("instance {id:?}: there is no account {:?}", instance.account));
            }
        }
    }

    fn check_personal(&self, faults: &mut Vec<String>) {
        let place = |edition: &Personal| format!("{} in {}", edition.account, edition.region);
        let places: Vec<String> = self.personal.iter().map(place).collect();
        unique("personal edition", places.iter().map(String::as_str), faults);
        for edition in &self.personal {
            let place = place(edition);
            if !hosts::has_registry(&edition.region) {
                faults.push(format!(
                    "personal edition {place:?}: there is no Container Registry in the region"
                ));
            }
            let Some(account) = self.account(&edition.account) else {
                faults.push(format!("personal edition {place:?}: there is no such account"));
                continue;
            };
            for name in edition.users.iter().flatten() {
                if !account.users.iter().any(|user| user.name == *name) {
                    faults.push(format!("personal edition {place:?}: the account has no user {name:?}"));
                }
            }
        }
    }
}

/// Whether a service of Alibaba Cloud can have the role.
pub(crate) fn trusts_service(role: &Role, service: &str) -> bool {
    role.trust_policy.decide(Principal::Service(service), &[]) == Decision::Allow
}

/// Whether a machine can have the role.
pub(crate) fn trusts_machines(role: &Role) -> bool {
    trusts_service(role, "ecs.aliyuncs.com")
}

fn check_account(account: &Account, faults: &mut Vec<String>) {
    let id = &account.id;
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        faults.push(format!("account {id:?}: the id of an account consists of digits"));
    }
    unique("user", account.users.iter().map(|user| user.name.as_str()), faults);
    unique("role", account.roles.iter().map(|role| role.name.as_str()), faults);
    unique("OIDC provider", account.oidc_providers.iter().map(|provider| provider.name.as_str()), faults);
    for key in account.access_keys.iter().chain(account.users.iter().flat_map(|user| &user.access_keys)) {
        if key.id.is_empty() || key.id.starts_with("STS.") {
            faults.push(format!("access key {:?}: ids that start with STS. are those of sessions", key.id));
        }
    }
    for role in &account.roles {
        if !(3600..=43200).contains(&role.max_session_seconds) {
            faults.push(format!("role {:?}: maxSessionSeconds must lie between 3600 and 43200", role.name));
        }
    }
}

fn domains(instance: &Instance) -> Vec<String> {
    let custom = instance.custom_domains.iter().map(|custom| custom.domain.clone());
    [instance.public_domain(), instance.vpc_domain()].into_iter().chain(custom).collect()
}

fn unique<'a>(kind: &str, names: impl Iterator<Item = &'a str>, faults: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            faults.push(format!("{kind} {name:?} is given twice"));
        }
    }
}

#[cfg(test)]
mod tests;
