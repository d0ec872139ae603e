//! Reading a description and what must hold across its parts.

use std::collections::BTreeSet;

use secrecy::ExposeSecret;

use super::places::Places;
use super::policy::{Decision, Principal};
use super::{AccessKey, Account, Description, Instance, Metadata, OidcProvider, Personal, Role};
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

/// What does not fit, and where: a path such as `accounts[0].roles[1]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// What was found so far.
#[derive(Default)]
struct Faults(Vec<Misfit>);

impl Faults {
    fn add(&mut self, path: impl Into<String>, text: String) {
        self.0.push(Misfit { path: path.into(), text });
    }

    fn unique<'a>(&mut self, kind: &str, names: impl Iterator<Item = (String, &'a str)>) {
        let mut seen = BTreeSet::new();
        for (path, name) in names {
            if !seen.insert(name) {
                self.add(path, format!("{kind} {name:?} is given twice: remove or rename one"));
            }
        }
    }
}

impl DescriptionError {
    /// The faults with their lines in the text.
    pub(crate) fn at(faults: Vec<Misfit>, places: &Places) -> Self {
        let shown = |fault: Misfit| match places.line(&fault.path) {
            Some(line) => format!("line {line}: {}", fault.text),
            None => fault.text,
        };
        Self::Content(faults.into_iter().map(shown).collect())
    }
}

impl Description {
    /// Reads a YAML text and checks it.
    pub fn parse(text: &str) -> Result<Self, DescriptionError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let description: Self = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| DescriptionError::Shape(Box::new(error)))?;
        let places = Places::of(text);
        let mut faults = description.misfits();
        for name in ["accounts", "instances", "personal"] {
            if places.is_empty(name) {
                let text = format!("{name}: nothing is described: describe one, or remove `{name}`");
                faults.push(Misfit { path: name.to_owned(), text });
            }
        }
        if faults.is_empty() { Ok(description) } else { Err(DescriptionError::at(faults, &places)) }
    }

    /// Checks what must hold across the parts, as [`Description::parse`] does.
    pub fn check(&self) -> Result<(), DescriptionError> {
        let faults = self.misfits();
        if faults.is_empty() { Ok(()) } else { Err(DescriptionError::at(faults, &Places::default())) }
    }

    /// Everything that does not fit together.
    pub(crate) fn misfits(&self) -> Vec<Misfit> {
        let mut faults = Faults::default();
        let accounts = self.accounts.iter().enumerate();
        faults.unique(
            "account",
            accounts.clone().map(|(at, account)| (format!("accounts[{at}].id"), account.id.as_str())),
        );
        let keys = accounts.clone().flat_map(|(at, account)| keys(at, account));
        faults.unique("access key", keys.map(|(path, key)| (path, key.id.as_str())));
        for (at, account) in accounts {
            check_account(at, account, &mut faults);
        }
        if let Some(metadata) = &self.metadata {
            self.check_metadata(metadata, &mut faults);
        }
        self.check_instances(&mut faults);
        self.check_personal(&mut faults);
        faults.0
    }

    fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    fn check_metadata(&self, metadata: &Metadata, faults: &mut Faults) {
        if !hosts::region_exists(&metadata.region) {
            let text =
                format!("metadata: there is no region {:?}: write one such as cn-hangzhou", metadata.region);
            faults.add("metadata.region", text);
        }
        if metadata.rotation_seconds == 0 || metadata.rotation_seconds > metadata.document_seconds {
            let text = "metadata: rotationSeconds must lie between 1 and documentSeconds".to_owned();
            faults.add("metadata.rotationSeconds", text);
        }
        let Some(account) = self.account(&metadata.account) else {
            faults.add("metadata.account", no_account("metadata", &metadata.account));
            return;
        };
        let Some(wanted) = &metadata.role else { return };
        let fault = match account.roles.iter().find(|role| role.name == *wanted) {
            None => format!(
                "metadata: account {} has no role {wanted:?}: describe it under `roles`, or leave `role` out",
                account.id
            ),
            Some(role) if !trusts_machines(role) => format!(
                "metadata: the trust policy of role {wanted:?} does not name the service ecs.aliyuncs.com: add it to \
                 `Principal`"
            ),
            Some(_) => return,
        };
        faults.add("metadata.role", fault);
    }

    fn check_instances(&self, faults: &mut Faults) {
        let instances =
            || (0..).zip(&self.instances).map(|(at, of): (usize, _)| (format!("instances[{at}]"), of));
        let ids = instances().map(|(path, instance)| (format!("{path}.id"), instance.id.as_str()));
        faults.unique("instance", ids);
        let all: Vec<(String, String)> =
            instances().flat_map(|(path, instance)| domains(&path, instance)).collect();
        faults.unique("domain", all.iter().map(|(path, domain)| (path.clone(), domain.as_str())));
        for (path, instance) in instances() {
            let id = &instance.id;
            if id.strip_prefix("cri-").is_none_or(str::is_empty) {
                let text = format!(
                    "instance {id:?}: the id of an Enterprise Edition instance starts with cri-: write `cri-…`"
                );
                faults.add(format!("{path}.id"), text);
            }
            if !is_host(&instance.name) || instance.name.contains('.') {
                let text = format!(
                    "instance {id:?}: the name {:?} forms no domain: write small letters, digits and dashes",
                    instance.name
                );
                faults.add(format!("{path}.name"), text);
            } else {
                for (path, domain) in domains(&path, instance) {
                    if !is_host(&domain) {
                        let text = format!(
                            "instance {id:?}: {domain:?} is no domain: write a host name, without scheme and port"
                        );
                        faults.add(path, text);
                    }
                }
            }
            if !hosts::has_registry(&instance.region) {
                let text = format!(
                    "instance {id:?}: there is no Container Registry in region {:?}: write one such as cn-hangzhou",
                    instance.region
                );
                faults.add(format!("{path}.region"), text);
            }
            if self.account(&instance.account).is_none() {
                faults.add(
                    format!("{path}.account"),
                    no_account(&format!("instance {id:?}"), &instance.account),
                );
            }
            check_repositories(&path, &format!("instance {id:?}"), instance.repositories.as_deref(), faults);
        }
    }

    fn check_personal(&self, faults: &mut Faults) {
        let place = |edition: &Personal| format!("{} in {}", edition.account, edition.region);
        let places: Vec<(String, String)> = (0..)
            .zip(&self.personal)
            .map(|(at, edition): (usize, _)| (format!("personal[{at}]"), place(edition)))
            .collect();
        faults.unique("personal edition", places.iter().map(|(path, place)| (path.clone(), place.as_str())));
        for (edition, (path, place)) in self.personal.iter().zip(&places) {
            if !hosts::has_registry(&edition.region) {
                let text = format!(
                    "personal edition {place:?}: there is no Container Registry in the region: write one such as cn-hangzhou"
                );
                faults.add(format!("{path}.region"), text);
            }
            let what = format!("personal edition {place:?}");
            check_repositories(path, &what, Some(&edition.repositories), faults);
            let Some(account) = self.account(&edition.account) else {
                faults.add(format!("{path}.account"), no_account(&what, &edition.account));
                continue;
            };
            for name in edition.users.iter().flatten() {
                if !account.users.iter().any(|user| user.name == *name) {
                    let text = format!(
                        "personal edition {place:?}: the account has no user {name:?}: describe it under `users` of the account"
                    );
                    faults.add(format!("{path}.users"), text);
                }
            }
        }
    }
}

fn no_account(what: &str, id: &str) -> String {
    format!("{what}: there is no account {id:?}: describe it under `accounts`")
}

/// Whether a service of Alibaba Cloud can have the role.
pub(crate) fn trusts_service(role: &Role, service: &str) -> bool {
    role.trust_policy.decide(Principal::Service(service), &[]) == Decision::Allow
}

/// Whether a machine can have the role.
pub(crate) fn trusts_machines(role: &Role) -> bool {
    trusts_service(role, "ecs.aliyuncs.com")
}

/// The access keys of an account and of its users, each with its path.
fn keys(at: usize, account: &Account) -> impl Iterator<Item = (String, &AccessKey)> {
    let own = (format!("accounts[{at}]"), &account.access_keys);
    let users = (0_usize..).zip(&account.users);
    let users = users.map(move |(user, of)| (format!("accounts[{at}].users[{user}]"), &of.access_keys));
    std::iter::once(own).chain(users).flat_map(|(path, keys)| {
        (0_usize..).zip(keys).map(move |(key, of)| (format!("{path}.accessKeys[{key}].id"), of))
    })
}

fn check_account(at: usize, account: &Account, faults: &mut Faults) {
    let (id, path) = (&account.id, format!("accounts[{at}]"));
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        let text = format!("account {id:?}: the id of an account consists of digits: write it in quotes");
        faults.add(format!("{path}.id"), text);
    }
    let users = account.users.iter().map(|user| user.name.as_str());
    let roles = account.roles.iter().map(|role| role.name.as_str());
    let providers = account.oidc_providers.iter().map(|provider| provider.name.as_str());
    check_names("user", &format!("{path}.users"), users, faults);
    check_names("role", &format!("{path}.roles"), roles, faults);
    check_names("OIDC provider", &format!("{path}.oidcProviders"), providers, faults);
    for (path, key) in keys(at, account) {
        if key.id.is_empty() || key.id.starts_with("STS.") {
            let text = format!(
                "access key {:?}: ids that start with STS. are those of sessions: write one such as LTAI5tExample",
                key.id
            );
            faults.add(path.clone(), text);
        }
        if key.secret.expose_secret().is_empty() {
            faults.add(path, format!("access key {:?}: the secret is empty: write one", key.id));
        }
    }
    for (role, at) in account.roles.iter().zip(0_usize..) {
        if !(3600..=43200).contains(&role.max_session_seconds) {
            let text = format!("role {:?}: maxSessionSeconds must lie between 3600 and 43200", role.name);
            faults.add(format!("{path}.roles[{at}].maxSessionSeconds"), text);
        }
    }
    for (provider, at) in account.oidc_providers.iter().zip(0_usize..) {
        check_provider(&format!("{path}.oidcProviders[{at}]"), provider, faults);
    }
}

fn check_provider(path: &str, provider: &OidcProvider, faults: &mut Faults) {
    let name = &provider.name;
    let issuer: Option<http::Uri> = provider.issuer.parse().ok();
    if issuer.is_none_or(|issuer| !matches!(issuer.scheme_str(), Some("https" | "http"))) {
        let text = format!(
            "OIDC provider {name:?}: the issuer {:?} is no URL: write what tokens carry as `iss`, https://…",
            provider.issuer
        );
        faults.add(format!("{path}.issuer"), text);
    }
    if provider.client_ids.is_empty() {
        let text =
            format!("OIDC provider {name:?}: no audience is accepted: write `clientIds: [sts.aliyuncs.com]`");
        faults.add(format!("{path}.clientIds"), text);
    }
}

/// Names of one kind: of the characters that ARNs have, and each once.
fn check_names<'a>(
    kind: &str,
    path: &str,
    names: impl Iterator<Item = &'a str> + Clone,
    faults: &mut Faults,
) {
    faults.unique(kind, names.clone().enumerate().map(|(at, name)| (format!("{path}[{at}].name"), name)));
    for (at, name) in names.enumerate() {
        let is_name = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".@-_".contains(&byte));
        if !is_name {
            let text = format!("{kind} {name:?}: a name consists of letters, digits and . @ - _: write one");
            faults.add(format!("{path}[{at}].name"), text);
        }
    }
}

fn check_repositories(
    path: &str,
    what: &str,
    repositories: Option<&[super::Repository]>,
    faults: &mut Faults,
) {
    for (repository, at) in repositories.unwrap_or_default().iter().zip(0_usize..) {
        if !repository.name.contains('/') && repository.name != "*" {
            let text = format!(
                "{what}: {:?} is no repository: write `<namespace>/<name>`, `*` for any run of characters",
                repository.name
            );
            faults.add(format!("{path}.repositories[{at}].name"), text);
        }
    }
}

fn domains(path: &str, instance: &Instance) -> Vec<(String, String)> {
    let custom = (0_usize..).zip(&instance.custom_domains);
    let custom =
        custom.map(|(at, custom)| (format!("{path}.customDomains[{at}].domain"), custom.domain.clone()));
    [
        (format!("{path}.publicEndpoint.domain"), instance.public_domain()),
        (format!("{path}.vpcEndpoint.domain"), instance.vpc_domain()),
    ]
    .into_iter()
    .chain(custom)
    .collect()
}

/// Whether a text is a host name (RFC 1123).
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.split('.').all(is_label)
}

#[cfg(test)]
mod tests;
