//! From the entries of a configuration to the facts that serve them.

use acr_configuration::{Configuration, Domain, Edition, Entry, Identity, Product, TokenMode};
use acr_credentials::endpoint::endpoints;
use serde::{Deserialize, Serialize};

use crate::facts::book::Wanted;
use crate::facts::key::{FactKey, KeySource, Question};
use crate::settings::Settings;

/// The life of a role session for RRSA in seconds: the default, which every role admits.
pub const SESSION_SECONDS: u32 = 3600;
/// The name of role sessions: what the cloud's audit log shows.
pub const SESSION_NAME: &str = "aliyun-acr-credential-helper";

/// What a line keeps across edits of the configuration: the instance, and which of several entries for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LineKey {
    /// The region; empty while that of this node is not known.
    pub region: String,
    /// `cri-…`.
    pub instance: String,
    /// 0 for the first entry of this instance, 1 for the next.
    pub ordinal: usize,
}

/// One instance of one entry, and its two facts.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it keeps.
    pub key: LineKey,
    /// Place in [`Configuration::entries`].
    pub place: usize,
    /// Place in the list as written.
    pub index: usize,
    /// The domains that the entry names.
    pub domains: Option<Vec<Domain>>,
    /// Whether this is the first instance of its entry, which takes the domains that no instance owns.
    pub first: bool,
    /// The fact of its login.
    pub login: FactKey,
    /// The fact of its domains.
    pub endpoints: FactKey,
}

/// What the entries need.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// In the order of the entries.
    pub drawn: Vec<Line>,
    /// Every question, parents included.
    pub wanted: Vec<Wanted>,
    /// Entries that cannot be served now: place in the list as written, code, what is wrong and what helps.
    pub problems: Vec<(usize, &'static str, String)>,
}

/// What is known about the surroundings when lines are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Flags and environment.
    pub settings: &'a Settings,
    /// The region of this node, from the metadata service.
    pub local_region: Option<&'a str>,
    /// Whether the cluster is older than the managed role (`tokenMode: auto`); `None` while not known.
    pub older_than_managed_role: Option<bool>,
}

impl Surroundings<'_> {
    /// The token mode in force: the add-on parameter, else the flag; `auto` by the age of the cluster.
    pub fn token_mode(&self, configuration: &Configuration) -> Option<TokenMode> {
        match configuration.token_mode.unwrap_or(self.settings.token_mode) {
            TokenMode::Auto => self
                .older_than_managed_role
                .map(|older| if older { TokenMode::WorkerRole } else { TokenMode::ManagedRole }),
            decided => Some(decided),
        }
    }

    /// Whether an entry can be served by this version, in this cluster.
    pub fn serves(&self, configuration: &Configuration, entry: &Entry) -> bool {
        entry.unsupported.is_none()
            && (entry.identity != Identity::TokenMode
                || self.token_mode(configuration) == Some(TokenMode::WorkerRole))
    }
}

impl Lines {
    /// Draws the lines of a configuration.
    pub fn of(configuration: &Configuration, surroundings: Surroundings<'_>) -> Self {
        let mut lines = Self::default();
        for (place, entry) in configuration.entries.iter().enumerate() {
            lines.draw(configuration, surroundings, place, entry);
        }
        lines
    }

    fn draw(
        &mut self,
        configuration: &Configuration,
        surroundings: Surroundings<'_>,
        place: usize,
        entry: &Entry,
    ) {
        let Edition::Enterprise { ids } = &entry.edition else { return };
        if entry.unsupported.is_some() {
            return;
        }
        if entry.identity == Identity::TokenMode
            && surroundings.token_mode(configuration) != Some(TokenMode::WorkerRole)
        {
            if surroundings.token_mode(configuration).is_some() {
                self.problems.push((entry.index, "TokenModeNotSupportedYet", MANAGED_ROLE.to_owned()));
            }
            return;
        }
        let settings = surroundings.settings;
        let given = entry.region.as_deref().or(settings.region.as_deref()).or(surroundings.local_region);
        let Some(region) = given else {
            // Nothing is asked for them yet, but what an earlier configuration published for their slots is carried on.
            let region = self.want(Question::Region { endpoints: metadata(configuration, entry) });
            self.draw_lines(place, entry, ids, "", &[], &KeySource::Fact(region));
            return;
        };
        let source = self.source(configuration, settings, entry, region);
        let Some(source) = source else { return };
        let registry = endpoints(Product::Cr, region, entry.endpoint, &configuration.endpoints);
        for (login, domains) in self.draw_lines(place, entry, ids, region, &registry, &source) {
            let companion = Some(self.want(login));
            // With several instances they decide which of them is given a domain.
            let only_compared = entry.domains.is_some() && ids.len() == 1;
            self.wanted.push(Wanted { question: domains, companion, only_compared });
        }
    }

    /// Draws a line for each instance of an entry, and says its two questions: login and domains.
    fn draw_lines(
        &mut self,
        place: usize,
        entry: &Entry,
        ids: &[String],
        region: &str,
        registry: &[String],
        source: &KeySource,
    ) -> Vec<(Question, Question)> {
        let mut questions = Vec::new();
        for (nth, instance) in ids.iter().enumerate() {
            let login = Question::Login {
                endpoints: registry.to_vec(),
                instance: instance.clone(),
                key: source.clone(),
            };
            let domains = Question::Endpoints {
                endpoints: registry.to_vec(),
                instance: instance.clone(),
                key: source.clone(),
            };
            let ordinal = self.ordinal(region, instance);
            self.drawn.push(Line {
                key: LineKey { region: region.to_owned(), instance: instance.clone(), ordinal },
                place,
                index: entry.index,
                domains: entry.domains.clone(),
                first: nth == 0,
                login: login.key(),
                endpoints: domains.key(),
            });
            questions.push((login, domains));
        }
        questions
    }

    fn ordinal(&self, region: &str, instance: &str) -> usize {
        self.drawn.iter().filter(|line| line.key.region == region && line.key.instance == instance).count()
    }

    fn want(&mut self, question: Question) -> FactKey {
        let key = question.key();
        self.wanted.push(Wanted { question, companion: None, only_compared: false });
        key
    }

    /// Who signs for an entry: the chain of facts from its source.
    fn source(
        &mut self,
        configuration: &Configuration,
        settings: &Settings,
        entry: &Entry,
        region: &str,
    ) -> Option<KeySource> {
        match &entry.identity {
            Identity::AccessKey { id, secret } => {
                Some(KeySource::Inline { id: id.clone(), secret: secret.clone() })
            }
            Identity::Rrsa { role_arn, oidc_provider_arn } => {
                let token = self.want(Question::Token);
                let session = Question::AssumeRoleWithOidc {
                    endpoints: sts(configuration, settings, entry, region),
                    role_arn: role_arn.clone(),
                    oidc_provider_arn: oidc_provider_arn.clone(),
                    token,
                };
                Some(KeySource::Fact(self.want(session)))
            }
            Identity::TokenMode => {
                let role = Question::WorkerRole { endpoints: metadata(configuration, entry) };
                Some(KeySource::Fact(self.want(role)))
            }
            Identity::StaticSecretRef(_) | Identity::AccessKeySecretRef(_) => None,
        }
    }
}

const MANAGED_ROLE: &str = "the entry has no identity of its own, and tokenMode resolves to managedRole, which is not \
    supported yet; enable RRSA for the entry (rrsaRoleARN, rrsaOIDCProviderRoleARN, rrsa: enable: true), or run with \
    --token-mode workerRole and grant the worker RAM role cr:GetAuthorizationToken, cr:ListInstanceEndpoint and \
    cr:PullRepository";

fn metadata(configuration: &Configuration, entry: &Entry) -> Vec<String> {
    endpoints(Product::Metadata, "", entry.endpoint, &configuration.endpoints)
}

/// STS: an override of the configuration, else the endpoint injected with RRSA, else by region.
fn sts(configuration: &Configuration, settings: &Settings, entry: &Entry, region: &str) -> Vec<String> {
    match (&settings.sts_endpoint, configuration.endpoint_override(Product::Sts, region)) {
        (Some(injected), None) if injected.contains("://") => vec![injected.clone()],
        (Some(injected), None) => vec![format!("https://{injected}")],
        _ => endpoints(Product::Sts, region, entry.endpoint, &configuration.endpoints),
    }
}
