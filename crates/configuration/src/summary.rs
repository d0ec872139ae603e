//! What each entry means, as far as it is known without a cluster and without the cloud.

use crate::chain::identity_chain;
use crate::code;
use crate::configuration::{Edition, Entry, Identity, TokenMode, Unsupported};
use crate::document::Document;
use crate::finding::{Finding, Severity};
use crate::mask;
use crate::region;

/// What a cluster would say, given by flags instead.
#[derive(Clone, Debug, Default)]
pub struct Assumptions {
    /// The region of entries without `regionId`.
    pub region: Option<String>,
    /// What `run` is given by flag: `tokenMode` of the add-on parameters wins over it, as there.
    pub token_mode: Option<TokenMode>,
}

/// One entry without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntrySummary {
    /// 0-based place in the list.
    pub index: usize,
    /// `enterprise`, `personal` or `static`.
    pub edition: &'static str,
    /// `None` when neither the entry nor the assumptions say it, and where there is none: a Secret with logins.
    pub region: Option<String>,
    /// What the entry publishes; empty when only the cloud or a Secret knows, and when it is not served.
    pub hosts: Vec<String>,
    /// See [`identity_chain`]; empty when the entry is not served.
    pub chain: Vec<String>,
    /// Why the entry is not served.
    pub unsupported: Option<Unsupported>,
}

impl Document {
    /// The entries under these assumptions. What the assumptions leave open or contradict is added to the
    /// findings.
    pub fn summarize(&mut self, assumptions: &Assumptions) -> Vec<EntrySummary> {
        let Some(configuration) = self.loaded.configuration.clone() else { return Vec::new() };
        let given = configuration.token_mode.or(assumptions.token_mode);
        if let Some(region) = &assumptions.region
            && let Err(near) = region::check(region)
        {
            let remedy =
                near.map_or("check the name of the region".to_owned(), |near| format!("write `{near}`"));
            self.loaded.findings.push(without_place(
                format!("the given region `{}` is no known region", mask::quote(region)),
                remedy,
            ));
        }
        let mut summaries = Vec::new();
        for entry in &configuration.entries {
            let assumed = assumptions.region.as_ref().filter(|_| !has_bad_region(entry));
            let region = entry.region.as_ref().or(assumed).cloned();
            let region = region.filter(|_| entry.edition != Edition::Static);
            let served = entry.unsupported.is_none();
            let (mut hosts, mut chain) = (Vec::new(), Vec::new());
            if served {
                self.check_region(entry, region.as_deref());
                self.check_mode(entry, given);
                hosts = known_hosts(entry, region.as_deref());
                chain = identity_chain(entry, given.unwrap_or(TokenMode::Auto));
            }
            let unsupported = entry.unsupported.clone();
            let (index, edition) = (entry.index, edition(entry));
            summaries.push(EntrySummary { index, edition, region, hosts, chain, unsupported });
        }
        self.loaded.sort();
        summaries
    }

    fn check_region(&mut self, entry: &Entry, region: Option<&str>) {
        if region.is_none() && entry.edition != Edition::Static {
            self.warn_entry(
                entry,
                code::UNKNOWN_REGION,
                "the region is unknown: the entry has no regionId".to_owned(),
                "add `regionId`, or check with --region; in a cluster the component finds its own region"
                    .to_owned(),
            );
        }
    }

    /// The managed role can do less than the others.
    fn check_mode(&mut self, entry: &Entry, given: Option<TokenMode>) {
        if entry.identity != Identity::TokenMode || entry.assume_role.is_none() {
            return;
        }
        let message = match given.unwrap_or(TokenMode::Auto) {
            TokenMode::WorkerRole => return,
            TokenMode::ManagedRole => "the managed role cannot assume the role of assumeRoleARN",
            TokenMode::Auto => {
                "in clusters made since 2023-04-03 tokenMode auto is the managed role, which cannot assume the role of \
                 assumeRoleARN"
            }
        };
        self.warn_entry(
            entry,
            code::ASSUME_ROLE_UNDER_MANAGED_ROLE,
            message.to_owned(),
            "use tokenMode workerRole, or RRSA, with the policy AliyunSTSAssumeRoleAccess on that role"
                .to_owned(),
        );
    }

    fn warn_entry(&mut self, entry: &Entry, code: &'static str, message: String, remedy: String) {
        let Some(place) = self.places.get(&entry.index) else { return };
        self.loaded.findings.push(Finding {
            severity: Severity::Warning,
            code,
            key: place.key.clone(),
            entry: Some(entry.index),
            line: Some(place.line),
            column: Some(place.column),
            file_line: place.file_line,
            message,
            remedy,
            snippet: None,
        });
    }
}

/// An entry that names nothing but instances of the new Personal Edition is of that, though it is not served.
fn edition(entry: &Entry) -> &'static str {
    match &entry.edition {
        Edition::Enterprise { ids } if ids.is_empty() => Edition::Personal.as_str(),
        edition => edition.as_str(),
    }
}

/// A region that is written but cannot be one is told where it stands, and nothing takes its place.
fn has_bad_region(entry: &Entry) -> bool {
    matches!(
        entry.unsupported,
        Some(Unsupported::ImpossibleRegion | Unsupported::Placeholder { field: "regionId" })
    )
}

fn without_place(message: String, remedy: String) -> Finding {
    Finding {
        severity: Severity::Warning,
        code: code::UNKNOWN_REGION,
        key: String::new(),
        entry: None,
        line: None,
        column: None,
        file_line: None,
        message,
        remedy,
        snippet: None,
    }
}

/// The entry's own domains, or what follows from the region of a Personal Edition.
fn known_hosts(entry: &Entry, region: Option<&str>) -> Vec<String> {
    if let Some(domains) = &entry.domains {
        return domains.iter().map(ToString::to_string).collect();
    }
    match (&entry.edition, region) {
        (Edition::Personal, Some(region)) => region::personal_hosts(region),
        _ => Vec::new(),
    }
}
