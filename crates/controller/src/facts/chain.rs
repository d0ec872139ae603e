//! From the entries of a configuration to the facts that serve them.

mod ways;

use std::collections::{BTreeMap, BTreeSet};

use acr_configuration::{
    Configuration, Domain, Edition, Entry, Identity, Product, SecretRef, TokenMode, personal_hosts,
};
use acr_credentials::KeySlot;
use acr_credentials::endpoint::endpoints;
use serde::{Deserialize, Serialize};

use crate::controls::{self, Controls};
use crate::facts::book::Wanted;
use crate::facts::key::{FactKey, KeySource, Question};
use crate::settings::Settings;

/// The life of a role session for RRSA in seconds: the default, which every role admits.
pub const SESSION_SECONDS: u32 = 3600;
/// The name of role sessions: what the cloud's audit log shows.
pub const SESSION_NAME: &str = "aliyun-acr-credential-helper";

/// Followed by the region, it stands for the Personal Edition there.
const PERSONAL: &str = "personal/";
/// Followed by the Secret, it stands for what `staticSecretRef` names.
const STATIC: &str = "secret/";

/// What a line keeps across edits of the configuration: the instance, and which of several entries for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LineKey {
    /// The region; empty while that of this node is not known, and where there is none.
    pub region: String,
    /// `cri-…`, or what stands for the Personal Edition of a region, or for a Secret and one of its hosts. It alone
    /// tells instances apart.
    pub instance: String,
    /// 0 for the first entry of this instance, 1 for the next.
    pub ordinal: usize,
}

/// One instance of one entry, and its facts.
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
    /// Where its key slots come from.
    pub slots: SlotSource,
    /// Who said the region; `None` where there is none, or not yet.
    pub region_source: Option<RegionSource>,
}

/// Who says the region of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionSource {
    /// Its `regionId`.
    Entry,
    /// This flag or environment variable.
    Setting(&'static str),
    /// The metadata service of the node.
    Node,
}

impl RegionSource {
    /// The word for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Entry => "regionId",
            Self::Setting(by) => by,
            Self::Node => "metadata",
        }
    }
}

/// Where the key slots of a line come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotSource {
    /// From the domains of the instance, which this fact holds.
    Discovered(FactKey),
    /// They are known without asking.
    Fixed(Vec<KeySlot>),
    /// They follow from the region or from a Secret, and that is not known yet.
    Unknown,
}

impl Line {
    /// The fact of the instance's domains, where they have to be asked for.
    pub fn endpoints(&self) -> Option<FactKey> {
        match &self.slots {
            SlotSource::Discovered(fact) => Some(*fact),
            SlotSource::Fixed(_) | SlotSource::Unknown => None,
        }
    }
}

/// What the entries need.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// In the order of the entries.
    pub drawn: Vec<Line>,
    /// Every question, parents included.
    pub wanted: Vec<Wanted>,
    /// What keeps entries from being served as they are written.
    pub problems: Vec<Problem>,
    /// The Secrets that the entries name.
    pub references: BTreeSet<SecretRef>,
    /// The fact of this node's region, where entries wait for it: their own questions are not asked before.
    pub region: Option<FactKey>,
}

/// Something about an entry that shows only in this cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Place in the list as written.
    pub index: usize,
    /// The finding's code.
    pub code: &'static str,
    /// What is wrong, and what helps.
    pub message: String,
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
    /// What is known of the Secrets of `staticSecretRef`.
    pub static_secrets: &'a BTreeMap<SecretRef, StaticSlots>,
    /// What is asked for by annotations.
    pub controls: &'a Controls,
}

/// For which hosts a Secret of `staticSecretRef` holds a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StaticSlots {
    /// For those of its docker config.
    These(Vec<KeySlot>),
    /// For those that its entry names.
    Domains,
}

impl<'a> Surroundings<'a> {
    /// The region that the component runs in, as far as somebody has said it.
    fn own_region(&self) -> Option<&'a str> {
        self.settings.region.as_ref().map(|given| given.name.as_str()).or(self.local_region)
    }

    /// The token mode in force: the add-on parameter, else the flag; `auto` by the age of the cluster.
    pub fn token_mode(&self, configuration: &Configuration) -> Option<TokenMode> {
        match configuration.token_mode.unwrap_or(self.settings.token_mode) {
            TokenMode::Auto => self
                .older_than_managed_role
                .map(|older| if older { TokenMode::WorkerRole } else { TokenMode::ManagedRole }),
            decided => Some(decided),
        }
    }
}

impl Lines {
    /// Draws the lines of a configuration.
    pub fn of(configuration: &Configuration, surroundings: Surroundings<'_>) -> Self {
        let mut lines = Self::default();
        for (place, entry) in configuration.entries.iter().enumerate() {
            lines.draw(Drawing { configuration, surroundings, place, entry });
        }
        lines
    }

    fn draw(&mut self, drawing: Drawing<'_>) {
        let Drawing { configuration, surroundings, entry, .. } = drawing;
        if entry.unsupported.is_some() {
            return;
        }
        if let Identity::StaticSecretRef(reference) = &entry.identity {
            return self.draw_static(drawing, reference);
        }
        let Some(region) = entry.region.as_deref().or(surroundings.own_region()) else {
            // Nothing is asked for them yet, but what an earlier configuration published for their slots is carried on.
            let region = self.want(Question::Region { endpoints: drawing.metadata() });
            self.region = Some(region);
            self.draw_lines(drawing, "", &[], &KeySource::Fact(region));
            return;
        };
        let Some(key) = self.key(drawing, region) else { return };
        let registry = endpoints(Product::Cr, region, entry.endpoint, &configuration.endpoints);
        for (login, domains) in self.draw_lines(drawing, region, &registry, &key) {
            let companion = Some(self.want(login));
            // With several instances they decide which of them is given a domain.
            let several = matches!(&entry.edition, Edition::Enterprise { ids } if ids.len() > 1);
            let only_compared = entry.domains.is_some() && !several;
            self.wanted.extend(domains.map(|question| Wanted { question, companion, only_compared }));
        }
    }

    /// Draws a line for each instance of an entry, and says its questions: login and domains.
    fn draw_lines(
        &mut self,
        drawing: Drawing<'_>,
        region: &str,
        registry: &[String],
        key: &KeySource,
    ) -> Vec<(Question, Option<Question>)> {
        let (endpoints, key) = (|| registry.to_vec(), || key.clone());
        match &drawing.entry.edition {
            Edition::Static => Vec::new(),
            Edition::Personal => {
                let login = Question::PersonalLogin {
                    endpoints: endpoints(),
                    key: key(),
                    rotation: drawing.surroundings.controls.rotation_of(controls::PERSONAL),
                };
                let slots = match &drawing.entry.domains {
                    Some(domains) => SlotSource::Fixed(domains.iter().map(slot).collect()),
                    None if region.is_empty() => SlotSource::Unknown,
                    None => SlotSource::Fixed(
                        personal_hosts(region).iter().map(|host| KeySlot::host(host)).collect(),
                    ),
                };
                self.push(drawing, region, &format!("{PERSONAL}{region}"), login.key(), slots);
                vec![(login, None)]
            }
            Edition::Enterprise { ids } => ids
                .iter()
                .map(|instance| {
                    let login = Question::Login {
                        endpoints: endpoints(),
                        instance: instance.clone(),
                        key: key(),
                        rotation: drawing.surroundings.controls.rotation_of(instance),
                    };
                    let domains = Question::Endpoints {
                        endpoints: endpoints(),
                        instance: instance.clone(),
                        key: key(),
                    };
                    let slots = SlotSource::Discovered(domains.key());
                    self.push(drawing, region, instance, login.key(), slots);
                    (login, Some(domains))
                })
                .collect(),
        }
    }

    /// Draws a line for each host of a Secret with logins, because each may have its own.
    fn draw_static(&mut self, drawing: Drawing<'_>, reference: &SecretRef) {
        self.references.insert(reference.clone());
        let domains: Option<Vec<KeySlot>> =
            drawing.entry.domains.as_ref().map(|domains| domains.iter().map(slot).collect());
        let question = |slot: Option<&KeySlot>| Question::StaticLogin {
            reference: reference.clone(),
            slot: slot.cloned(),
        };
        let pair = || (String::new(), question(None));
        let lines = match (drawing.surroundings.static_secrets.get(reference), domains) {
            (None, _) => vec![(pair(), SlotSource::Unknown)],
            (Some(StaticSlots::Domains), Some(domains)) => vec![(pair(), SlotSource::Fixed(domains))],
            (Some(StaticSlots::Domains), None) => {
                self.problem(
                    drawing,
                    "DomainsMissing",
                    format!(
                        "the Secret {reference} holds username and password, and the entry names no domains for them; \
                         add `domains`"
                    ),
                );
                Vec::new()
            }
            (Some(StaticSlots::These(slots)), domains) => {
                for missing in domains.iter().flatten().filter(|domain| !slots.contains(domain)) {
                    self.problem(
                        drawing,
                        "HostNotInSecret",
                        format!(
                            "the docker config of Secret {reference} has no login for {missing}; correct `domains`, or \
                             add the login to the Secret"
                        ),
                    );
                }
                let wanted = |slot: &&KeySlot| domains.as_ref().is_none_or(|domains| domains.contains(slot));
                let line = |slot: &KeySlot| {
                    ((format!("/{slot}"), question(Some(slot))), SlotSource::Fixed(vec![slot.clone()]))
                };
                slots.iter().filter(wanted).map(line).collect()
            }
        };
        for ((name, question), slots) in lines {
            self.push(drawing, "", &format!("{STATIC}{reference}{name}"), question.key(), slots);
            self.want(question);
        }
    }

    fn problem(&mut self, drawing: Drawing<'_>, code: &'static str, message: String) {
        self.problems.push(Problem { index: drawing.entry.index, code, message });
    }

    fn push(
        &mut self,
        drawing: Drawing<'_>,
        region: &str,
        instance: &str,
        login: FactKey,
        slots: SlotSource,
    ) {
        let same = |line: &&Line| line.key.region == region && line.key.instance == instance;
        let ordinal = self.drawn.iter().filter(same).count();
        self.drawn.push(Line {
            key: LineKey { region: region.to_owned(), instance: instance.to_owned(), ordinal },
            place: drawing.place,
            index: drawing.entry.index,
            domains: drawing.entry.domains.clone(),
            first: !self.drawn.iter().any(|line| line.place == drawing.place),
            login,
            slots,
            region_source: drawing.region_source(region),
        });
    }

    fn want(&mut self, question: Question) -> FactKey {
        let key = question.key();
        self.wanted.push(Wanted { question, companion: None, only_compared: false });
        key
    }

    /// Who signs for an entry: the chain of facts from its source to its last hop.
    fn key(&mut self, drawing: Drawing<'_>, region: &str) -> Option<KeySource> {
        let source = self.source(drawing, region)?;
        // The sessions of RRSA and of hops are named by the answer that hands them out.
        if !matches!(drawing.entry.identity, Identity::Rrsa { .. }) {
            self.want(Question::CallerIdentity { endpoints: drawing.sts(region), key: source.clone() });
        }
        let Some(hop) = &drawing.entry.assume_role else { return Some(source) };
        let session = Question::AssumeRole {
            endpoints: drawing.sts(region),
            role_arn: hop.role_arn.clone(),
            duration_seconds: hop.duration_seconds,
            external_id: hop.external_id.clone(),
            key: source,
            rotation: drawing.surroundings.controls.rotation_of_all(),
        };
        Some(KeySource::Fact(self.want(session)))
    }

    /// The first of the chain. `None` while it is not known which it is.
    fn source(&mut self, drawing: Drawing<'_>, region: &str) -> Option<KeySource> {
        let Drawing { configuration, surroundings, entry, .. } = drawing;
        match &entry.identity {
            Identity::AccessKey { id, secret } => {
                Some(KeySource::Inline { id: id.clone(), secret: secret.clone() })
            }
            Identity::Rrsa { role_arn, oidc_provider_arn } => {
                let token = self.want(Question::Token);
                let session = Question::AssumeRoleWithOidc {
                    endpoints: drawing.sts(region),
                    role_arn: role_arn.clone(),
                    oidc_provider_arn: oidc_provider_arn.clone(),
                    token,
                    rotation: drawing.surroundings.controls.rotation_of_all(),
                };
                Some(KeySource::Fact(self.want(session)))
            }
            Identity::TokenMode => {
                let role = match surroundings.token_mode(configuration)? {
                    TokenMode::WorkerRole => Question::WorkerRole { endpoints: drawing.metadata() },
                    TokenMode::ManagedRole | TokenMode::Auto => Question::ManagedRole,
                };
                Some(KeySource::Fact(self.want(role)))
            }
            Identity::AccessKeySecretRef(reference) => {
                self.references.insert(reference.clone());
                Some(KeySource::Fact(self.want(Question::SecretKey { reference: reference.clone() })))
            }
            Identity::StaticSecretRef(_) => None,
        }
    }
}

/// One entry while its lines are drawn.
#[derive(Clone, Copy)]
struct Drawing<'a> {
    configuration: &'a Configuration,
    surroundings: Surroundings<'a>,
    /// Place in [`Configuration::entries`].
    place: usize,
    entry: &'a Entry,
}

impl Drawing<'_> {
    fn region_source(&self, region: &str) -> Option<RegionSource> {
        if region.is_empty() {
            None
        } else if self.entry.region.is_some() {
            Some(RegionSource::Entry)
        } else if let Some(given) = &self.surroundings.settings.region {
            Some(RegionSource::Setting(given.by))
        } else {
            Some(RegionSource::Node)
        }
    }
}

/// The slot of a domain that an entry names.
pub fn slot(domain: &Domain) -> KeySlot {
    match &domain.path {
        None => KeySlot::host(&domain.host),
        Some(path) => KeySlot::host_and_path(&domain.host, path),
    }
}

#[cfg(test)]
mod tests;
