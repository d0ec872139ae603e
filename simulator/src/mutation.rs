//! Changes of the running cloud, as someone in a console would make them.

use std::sync::Arc;

use serde::Deserialize;

use crate::description::{Account, Description, Instance, OidcProvider, Role};
use crate::description::{CustomDomain, IssuerCertificate, Jwks, KeyStatus, Personal, Policy, TrustPolicy};
use crate::oidc::{IssuerKeys, Unverified};
use crate::parameters::Parameters;
use crate::sts::parse_arn;
use crate::world::World;

/// A change of the running cloud.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Mutation {
    /// Switches an access key on or off.
    SetKeyStatus {
        /// The access key id.
        access_key_id: String,
        /// The new status.
        status: KeyStatus,
    },
    /// Gives the machine another role, or none.
    SetMachineRole {
        /// The role name; null = no role.
        role: Option<String>,
    },
    /// Replaces what a RAM user may do.
    SetUserPolicies {
        /// The account of the user.
        account: String,
        /// The user name.
        user: String,
        /// The new policies.
        policies: Vec<Policy>,
    },
    /// Replaces what a role may do.
    SetRolePolicies {
        /// ARN of the role.
        role: String,
        /// The new policies.
        policies: Vec<Policy>,
    },
    /// Replaces the trust policy of a role.
    SetTrustPolicy {
        /// ARN of the role.
        role: String,
        /// The new trust policy.
        trust_policy: TrustPolicy,
    },
    /// Changes how long sessions of a role may last; those that exist keep their end.
    SetMaxSession {
        /// ARN of the role.
        role: String,
        /// The new upper limit in seconds.
        seconds: u32,
    },
    /// Removes a role; its sessions lose every permission.
    RemoveRole {
        /// ARN of the role.
        role: String,
    },
    /// Replaces the public keys of an OIDC provider.
    SetIssuerKeys {
        /// ARN of the provider.
        provider: String,
        /// The new keys; null = the issuer cannot be asked.
        jwks: Option<Jwks>,
    },
    /// Changes what STS thinks of the certificate of an OIDC provider's issuer.
    SetIssuerCertificate {
        /// ARN of the provider.
        provider: String,
        /// What STS thinks of it from now on.
        certificate: IssuerCertificate,
    },
    /// Adds a registry instance, or replaces the one of the same id.
    PutInstance(Box<Instance>),
    /// Adds the Personal Edition of an account in a region, or replaces it.
    PutPersonal(Box<Personal>),
    /// Removes a registry instance.
    RemoveInstance {
        /// The instance id.
        instance: String,
    },
    /// Switches the endpoints of an instance and replaces its custom domains; what is absent stays.
    SetEndpoints {
        /// The instance id.
        instance: String,
        /// Whether the endpoint on the internet is on.
        #[serde(default)]
        public: Option<bool>,
        /// Whether the endpoint inside VPCs is on.
        #[serde(default)]
        vpc: Option<bool>,
        /// The new custom domains.
        #[serde(default)]
        custom_domains: Option<Vec<CustomDomain>>,
    },
}

/// Why a change cannot be made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MutationError {
    /// The object of the change does not exist.
    #[error("there is no {kind} {name:?}: name one that is described")]
    NotFound {
        /// What kind of object.
        kind: &'static str,
        /// Its name as given.
        name: String,
    },
    /// The cloud has no machine.
    #[error("there is no machine: describe one under `metadata`")]
    NoMachine,
    /// With the change the parts of the cloud would not fit together; the text is that of the same fault in a description.
    #[error("the parts do not fit together:\n  {}", .0.join("\n  "))]
    Misfit(Vec<String>),
}

fn not_found(kind: &'static str, name: &str) -> MutationError {
    MutationError::NotFound { kind, name: name.to_owned() }
}

impl Mutation {
    /// Whether what it puts in is checked. A role or an instance that goes may leave behind what named it, as in the real
    /// cloud: a machine keeps the name of a role that is gone or trusts it no more.
    fn is_checked(&self) -> bool {
        !matches!(self, Self::RemoveRole { .. } | Self::SetTrustPolicy { .. } | Self::RemoveInstance { .. })
    }
}

impl World {
    /// Makes a change, whole or not at all.
    pub(crate) fn mutate(&mut self, mutation: Mutation) -> Result<(), MutationError> {
        if let Mutation::SetIssuerKeys { provider, jwks } = &mutation {
            return self.set_issuer_keys(provider, jwks.as_ref());
        }
        let checked = mutation.is_checked();
        let mut changed = Description::clone(&self.description);
        change(&mut changed, mutation)?;
        if checked {
            let known = self.description.misfits();
            let new = changed.misfits().into_iter().filter(|fault| !known.contains(fault));
            let new: Vec<String> = new.map(|fault| fault.text).collect();
            if !new.is_empty() {
                return Err(MutationError::Misfit(new));
            }
        }
        self.description = Arc::new(changed);
        Ok(())
    }

    fn set_issuer_keys(&mut self, provider: &str, jwks: Option<&Jwks>) -> Result<(), MutationError> {
        if !self.has_provider(provider) {
            return Err(not_found("OIDC provider", provider));
        }
        let keys = Arc::make_mut(&mut self.issuer_keys);
        match jwks {
            Some(set) => keys.insert(provider.to_owned(), IssuerKeys::new(set)),
            None => keys.remove(provider),
        };
        Ok(())
    }

    fn has_provider(&self, arn: &str) -> bool {
        parse_arn(arn, "oidc-provider").is_some_and(|(account, name)| {
            self.description
                .find_account(account)
                .is_some_and(|account| account.oidc_providers.iter().any(|provider| provider.name == name))
        })
    }

    /// The provider named in the parameters of a call, when the token there names a key that is not known of it.
    pub(crate) fn unknown_key(&self, parameters: &Parameters) -> Option<String> {
        let arn = parameters.get("OIDCProviderArn").filter(|arn| self.has_provider(arn))?;
        let token = Unverified::parse(parameters.get("OIDCToken")?).ok()?;
        let known = self.issuer_keys.get(arn).is_some_and(|keys| keys.knows(token.kid()));
        (!known).then(|| arn.to_owned())
    }
}

fn change(description: &mut Description, mutation: Mutation) -> Result<(), MutationError> {
    match mutation {
        Mutation::SetKeyStatus { access_key_id, status } => {
            let keys = description.accounts.iter_mut().flat_map(|account| {
                let users = account.users.iter_mut().flat_map(|user| user.access_keys.iter_mut());
                account.access_keys.iter_mut().chain(users)
            });
            let key = keys.into_iter().find(|key| key.id == access_key_id);
            key.ok_or_else(|| not_found("access key", &access_key_id))?.status = status;
        }
        Mutation::SetMachineRole { role } => {
            let metadata = description.metadata.as_mut();
            metadata.ok_or(MutationError::NoMachine)?.role = role;
        }
        Mutation::SetUserPolicies { account, user, policies } => {
            let owner = find_account(description, &account)?;
            let found = owner.users.iter_mut().find(|candidate| candidate.name == user);
            found.ok_or_else(|| not_found("user", &user))?.policies = policies;
        }
        Mutation::SetRolePolicies { role, policies } => {
            find_role(description, &role)?.policies = policies;
        }
        Mutation::SetTrustPolicy { role, trust_policy } => {
            find_role(description, &role)?.trust_policy = trust_policy;
        }
        Mutation::SetMaxSession { role, seconds } => {
            find_role(description, &role)?.max_session_seconds = seconds;
        }
        Mutation::RemoveRole { role } => {
            find_role(description, &role)?;
            if let Some((account, name)) = parse_arn(&role, "role") {
                find_account(description, account)?.roles.retain(|role| role.name != name);
            }
        }
        // The keys are no part of the description.
        Mutation::SetIssuerKeys { .. } => {}
        Mutation::SetIssuerCertificate { provider, certificate } => {
            find_provider(description, &provider)?.issuer_certificate = certificate;
        }
        Mutation::PutInstance(instance) => {
            description.instances.retain(|existing| existing.id != instance.id);
            description.instances.push(*instance);
        }
        Mutation::PutPersonal(edition) => {
            let same = |existing: &Personal| {
                (&existing.account, &existing.region) == (&edition.account, &edition.region)
            };
            description.personal.retain(|existing| !same(existing));
            description.personal.push(*edition);
        }
        Mutation::RemoveInstance { instance } => {
            find_instance(description, &instance)?;
            description.instances.retain(|existing| existing.id != instance);
        }
        Mutation::SetEndpoints { instance, public, vpc, custom_domains } => {
            let found = find_instance(description, &instance)?;
            if let Some(enabled) = public {
                found.public_endpoint.enabled = enabled;
            }
            if let Some(enabled) = vpc {
                found.vpc_endpoint.enabled = enabled;
            }
            if let Some(domains) = custom_domains {
                found.custom_domains = domains;
            }
        }
    }
    Ok(())
}

fn find_account<'a>(description: &'a mut Description, id: &str) -> Result<&'a mut Account, MutationError> {
    let account = description.accounts.iter_mut().find(|account| account.id == id);
    account.ok_or_else(|| not_found("account", id))
}

fn find_role<'a>(description: &'a mut Description, arn: &str) -> Result<&'a mut Role, MutationError> {
    let (account, name) = parse_arn(arn, "role").ok_or_else(|| not_found("role", arn))?;
    let role = find_account(description, account)?.roles.iter_mut().find(|role| role.name == name);
    role.ok_or_else(|| not_found("role", arn))
}

fn find_provider<'a>(
    description: &'a mut Description,
    arn: &str,
) -> Result<&'a mut OidcProvider, MutationError> {
    let (account, name) = parse_arn(arn, "oidc-provider").ok_or_else(|| not_found("OIDC provider", arn))?;
    let providers = &mut find_account(description, account)?.oidc_providers;
    providers.iter_mut().find(|provider| provider.name == name).ok_or_else(|| not_found("OIDC provider", arn))
}

fn find_instance<'a>(description: &'a mut Description, id: &str) -> Result<&'a mut Instance, MutationError> {
    let instance = description.instances.iter_mut().find(|instance| instance.id == id);
    instance.ok_or_else(|| not_found("instance", id))
}
