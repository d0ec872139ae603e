//! Hosts that several entries publish, as far as the text alone tells: the first entry wins, and it is said.

use std::collections::{BTreeMap, BTreeSet};

use crate::code;
use crate::configuration::{Domain, Edition, Entry, Identity, SecretRef};
use crate::entries::ReadEntry;
use crate::glob::Glob;
use crate::placeholder::is_placeholder;
use crate::region::personal_hosts;
use crate::sheet::Sheet;

/// What two entries publish, as far as the text of the configuration tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// [`Entry::index`] of the one that wins.
    pub first: usize,
    /// [`Entry::index`] of the other.
    pub later: usize,
    /// Which of the other's `domains` it is, by its place there; `None` where it names none.
    domain: Option<usize>,
    /// What the first publishes, in words.
    what: Vec<String>,
}

/// What entries publish twice, in namespaces that both may serve. An entry that is not served publishes nothing. What only
/// the cloud or a Secret tells is left out.
pub fn overlaps<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<Overlap> {
    let mut found: Vec<Overlap> = Vec::new();
    let mut earlier: BTreeMap<Claim, Vec<&Entry>> = BTreeMap::new();
    for entry in entries.into_iter().filter(|entry| entry.unsupported.is_none()) {
        let before = found.len();
        let mut announced = BTreeSet::new();
        for (claim, domain) in claims(entry) {
            let meets = |first: &&Entry, rival: &Claim| {
                first.may_meet(entry) && (!rival.is_of_instance() || may_be_one_region(first, entry))
            };
            let holders = claim.rivals(entry).into_iter().flat_map(|rival| {
                let holders = earlier.get(&rival).into_iter().flatten().copied();
                let holders = holders.filter(|first| meets(first, &rival)).collect::<Vec<_>>();
                holders.into_iter().map(move |first| (first, rival.clone()))
            });
            if let Some((first, rival)) = holders.min_by_key(|(first, _)| first.rank_against(entry)) {
                let what = rival.words(first);
                let same = |known: &&mut Overlap| known.first == first.index && domain.is_none();
                let (_, of_this) = found.split_at_mut(before);
                match of_this.iter_mut().find(same) {
                    Some(known) => known.what.extend(what),
                    None => found.push(Overlap { first: first.index, later: entry.index, domain, what }),
                }
            }
            announced.extend(claim.announced(entry));
        }
        for claim in announced {
            earlier.entry(claim).or_default().push(entry);
        }
    }
    found
}

/// Reports every overlap in the place of the later entry.
pub(crate) fn check(sheet: &mut Sheet<'_>, entries: &[ReadEntry]) {
    check_regions(sheet, entries);
    let places: BTreeMap<usize, &ReadEntry> = entries.iter().map(|read| (read.entry.index, read)).collect();
    for Overlap { first, later, domain, what } in overlaps(entries.iter().map(|read| &read.entry)) {
        let Some(read) = places.get(&later) else { continue };
        let domain = domain.and_then(|place| read.domains.get(place));
        let span = domain.map_or(read.id.unwrap_or(read.span), |(_, span)| *span);
        sheet.entry = Some(later);
        let what: Vec<String> = what.iter().map(|what| sheet.quote(what)).collect();
        sheet.warn(
            code::DUPLICATE_HOST,
            Some(span),
            format!("entry {first} publishes {} already, and the first entry wins", what.join(", ")),
            "remove it from one entry, narrow the entries by namespaces, or write `host/namespace`"
                .to_owned(),
        );
        sheet.entry = None;
    }
}

/// An instance is in one region: of two entries that have it in two, one serves nothing.
fn check_regions(sheet: &mut Sheet<'_>, entries: &[ReadEntry]) {
    let mut known: BTreeMap<&str, &Entry> = BTreeMap::new();
    for ReadEntry { entry, id: place, span, .. } in entries {
        let (Edition::Enterprise { ids }, Some(region), None) =
            (&entry.edition, &entry.region, &entry.unsupported)
        else {
            continue;
        };
        for id in ids.iter().filter(|id| !is_placeholder(id)) {
            let first = *known.entry(id).or_insert(entry);
            let Some(other) = first.region.as_ref().filter(|other| *other != region) else { continue };
            let (id, region, other) = (sheet.quote(id), sheet.quote(region), sheet.quote(other));
            sheet.entry = Some(entry.index);
            sheet.warn(
                code::INSTANCE_IN_TWO_REGIONS,
                Some(place.unwrap_or(*span)),
                format!(
                    "{id} is said to be in {region} here and in {other} in entry {}; an instance is in one region",
                    first.index
                ),
                "its page in the console of ACR names its region: correct `regionId` or `instanceId` of one of the two"
                    .to_owned(),
            );
            sheet.entry = None;
        }
    }
}

/// What an entry publishes, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Slot(Domain),
    /// Every host of an instance.
    Whole(String),
    /// Hosts of an instance that the entry names.
    Part(String),
    /// Every host of the Personal Edition of a region; `None` is that of the cluster.
    Personal(Option<String>),
    /// Every host of a Secret with logins.
    OfSecret(SecretRef),
}

/// What an entry publishes; with the place of the domain where it names it.
fn claims(entry: &Entry) -> Vec<(Claim, Option<usize>)> {
    if let Some(domains) = &entry.domains {
        let slot = |(place, domain): (usize, &Domain)| (Claim::Slot(domain.clone()), Some(place));
        return domains.iter().enumerate().map(slot).collect();
    }
    let whole = match (&entry.edition, &entry.identity) {
        (Edition::Enterprise { ids }, _) => ids.iter().cloned().map(Claim::Whole).collect(),
        (Edition::Personal, _) => vec![Claim::Personal(entry.region.clone())],
        (Edition::Static, Identity::StaticSecretRef(reference)) => vec![Claim::OfSecret(reference.clone())],
        (Edition::Static, _) => Vec::new(),
    };
    whole.into_iter().map(|claim| (claim, None)).collect()
}

impl Claim {
    /// The claims of an earlier entry that it meets, the same one first.
    fn rivals(&self, entry: &Entry) -> Vec<Self> {
        let mut rivals = vec![self.clone()];
        match self {
            Self::Slot(domain) => rivals.extend(instances(entry, domain).map(Self::Whole)),
            Self::Whole(id) => rivals.push(Self::Part(id.clone())),
            Self::Personal(region) => rivals.extend(personal_slots(region.as_deref())),
            Self::Part(_) | Self::OfSecret(_) => {}
        }
        rivals
    }

    /// What later entries may meet of it.
    fn announced(self, entry: &Entry) -> Vec<Self> {
        let more: Vec<Self> = match &self {
            Self::Slot(domain) => instances(entry, domain).map(Self::Part).collect(),
            Self::Personal(region) => personal_slots(region.as_deref()),
            Self::Whole(_) | Self::Part(_) | Self::OfSecret(_) => Vec::new(),
        };
        more.into_iter().chain([self]).collect()
    }

    /// Whether it is about an instance, which is in one region only.
    fn is_of_instance(&self) -> bool {
        matches!(self, Self::Whole(_) | Self::Part(_))
    }

    /// What `entry`, whose claim it is, publishes by it.
    fn words(&self, entry: &Entry) -> Vec<String> {
        match self {
            Self::Slot(domain) => vec![domain.to_string()],
            Self::Part(_) => entry.domains.iter().flatten().map(ToString::to_string).collect(),
            Self::Whole(id) => vec![format!("every host of {id}")],
            Self::Personal(region) => {
                let region = region.as_deref().unwrap_or("the cluster's region");
                vec![format!("every host of the Personal Edition in {region}")]
            }
            Self::OfSecret(reference) => vec![format!("every host of the Secret {reference}")],
        }
    }
}

/// The instance that a domain of an entry is a host of; of one with a path it is none, and of several instances only the cloud
/// knows which.
fn instances(entry: &Entry, domain: &Domain) -> impl Iterator<Item = String> {
    let id = match &entry.edition {
        Edition::Enterprise { ids } if domain.path.is_none() && ids.len() == 1 => ids.first(),
        _ => None,
    };
    id.into_iter().cloned()
}

fn personal_slots(region: Option<&str>) -> Vec<Claim> {
    let slot = |host: String| Claim::Slot(Domain { host, path: None });
    region.map(personal_hosts).into_iter().flatten().map(slot).collect()
}

/// An entry without a region is in that of the cluster, which may be any.
fn may_be_one_region(first: &Entry, later: &Entry) -> bool {
    first.region.is_none() || later.region.is_none() || first.region == later.region
}

impl Entry {
    /// Which of several earlier entries is named to a later one: the first that comes before it in all of its namespaces, for
    /// nowhere does the later one win; where none does, the first of those that meet it.
    pub fn rank_against(&self, later: &Self) -> (bool, usize) {
        let everywhere = match (&self.namespaces, &later.namespaces) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(others)) => {
                let has = |other: &Glob| {
                    own.iter().any(|a| a == other || other.is_literal() && a.matches(other.as_str()))
                };
                others.iter().all(has)
            }
        };
        (!everywhere, self.index)
    }

    /// Whether this entry and another may serve the same namespace, by their own lists. Globs are taken to meet.
    pub fn may_meet(&self, other: &Self) -> bool {
        let (Some(own), Some(others)) = (&self.namespaces, &other.namespaces) else { return true };
        own.iter().any(|a| {
            others.iter().any(|b| {
                a.matches(b.as_str()) || b.matches(a.as_str()) || !(a.is_literal() || b.is_literal())
            })
        })
    }
}
