//! S5 for one served namespace: its pull secret, slot by slot, or why there is none of ours.

use std::collections::BTreeMap;

use acr_controller::names;
use acr_controller::operation::Subject;
use acr_controller::status::Status;
use acr_credentials::docker_config::hosts_of;
use acr_credentials::host::is_acr_host;

use super::published::{Document, Slot};
use super::{Checked, Contract, ProcessId, Rule, Truth, Violation, ensure};
use crate::api_server::{PullSecret, Standing, sha256_hex};
use crate::coverage::{Coverage, Happening};
use crate::wanted::{Claim, Wanted};

/// A served namespace, to be judged at rest.
pub(super) struct Place<'a> {
    pub(super) contract: &'a Contract,
    pub(super) leader: ProcessId,
    pub(super) wanted: &'a Wanted,
    pub(super) status: &'a Status,
    pub(super) truth: Truth<'a>,
    pub(super) namespace: &'a str,
    pub(super) claims: &'a BTreeMap<String, Vec<Claim>>,
}

impl Place<'_> {
    /// The pull secret, where it is ours and as it shall be; `None` where something excuses that it is not.
    pub(super) fn pull_secret<'s>(
        &self,
        secret: Option<&'s PullSecret>,
        coverage: &mut Coverage,
    ) -> Result<Option<&'s PullSecret>, Violation> {
        let resistance = &self.truth.server.resistance;
        let refused = resistance.guarded_secrets.contains(self.namespace)
            || resistance.full.contains(self.namespace) && secret.is_none();
        if refused {
            return Ok(None);
        }
        let Some(secret) = secret else {
            return if self.needs_a_secret() { Err(self.broken("has no pull secret")) } else { Ok(None) };
        };
        match secret.standing {
            // Only a payload that is whole takes over what works for its owner, so nobody has looked at it.
            Standing::Foreign | Standing::Forged if !self.all_answer() => return Ok(None),
            Standing::Foreign | Standing::Forged => {
                self.left_alone(secret)?;
                coverage.note(Happening::ForeignSecretLeft);
                return Ok(None);
            }
            Standing::Contested if self.takes_over(secret) => {
                return Err(self.broken("has a Secret that is left to its former owner, against takeover"));
            }
            Standing::Contested => {
                self.reported()?;
                return Ok(None);
            }
            Standing::Own | Standing::Adopted if secret.is_disguised() => {
                // Without a mark and with foreign data it looks like anybody's, to a process that starts now.
                return Ok(None);
            }
            Standing::Own | Standing::Adopted => {}
        }
        // Without its journal the component cannot know what it published: before all entries have answered, writing
        // anew might take a good login away.
        if secret.terminating || self.contract.cold && !self.all_answer() {
            return Ok(None);
        }
        self.is_current(secret)?;
        Ok(Some(secret))
    }

    /// Whether every entry gets its login and its domains.
    fn all_answer(&self) -> bool {
        self.wanted.facts().iter().all(|fact| fact.may_login() && fact.may_list())
    }

    /// Whether a Secret that its former owner writes again shall be ours, and looks like one that was.
    fn takes_over(&self, secret: &PullSecret) -> bool {
        let plain = secret.further_owners.is_empty() && secret.kind == names::PULL_SECRET_TYPE;
        self.wanted.takeover && plain && !secret.is_disguised() && !secret.terminating && self.all_answer()
    }

    fn needs_a_secret(&self) -> bool {
        self.claims.iter().any(|(slot, claims)| self.must_be_there(slot, claims))
    }

    fn broken(&self, what: &str) -> Violation {
        Violation { rule: Rule::S5, what: format!("{}, which is in scope, {what}", self.namespace) }
    }

    fn reported(&self) -> Checked {
        let about = Subject::Namespace(self.namespace.to_owned());
        let reported = self.status.findings.iter().any(|finding| finding.subject == about);
        ensure(Rule::S5, reported, || {
            self.broken("has a Secret of somebody else and no finding says so").what
        })
    }

    /// A foreign Secret is left alone only where it holds more than ACR hosts.
    fn left_alone(&self, secret: &PullSecret) -> Checked {
        let acr = |host: &String| {
            is_acr_host(host)
                || self.contract.published.knows_host(host)
                || self.wanted.configured_hosts().any(|ours| ours == host)
        };
        let plain = secret.further_owners.is_empty() && secret.kind == names::PULL_SECRET_TYPE;
        let hosts = hosts_of(&secret.document).filter(|hosts| plain && !hosts.is_empty());
        let adoptable = hosts.is_some_and(|hosts| hosts.iter().all(acr));
        ensure(Rule::S5, !adoptable || secret.standing == Standing::Forged, || {
            self.broken("has a foreign Secret with nothing but ACR hosts, not adopted").what
        })?;
        self.reported()
    }

    /// Whether a slot must be published: its first claim is one that the cloud answers.
    fn must_be_there(&self, slot: &str, claims: &[Claim]) -> bool {
        claims.first().is_some_and(|first| {
            if first.explicit {
                first.fact.may_login() && (first.alone || first.fact.may_list())
            } else {
                first.fact.may_list()
                    && self.contract.published.surely_has(self.leader, first.fact.instance, slot)
            }
        })
    }

    fn is_current(&self, secret: &PullSecret) -> Checked {
        let document = Document::parse(&secret.document).map_err(|violation| self.broken(&violation.what))?;
        ensure(Rule::S5, secret.owner == names::FIELD_MANAGER, || {
            self.broken("has a pull secret whose data somebody else wrote").what
        })?;
        let digest = secret.annotations.get(names::DIGEST_ANNOTATION);
        let right = digest.is_some_and(|digest| *digest == sha256_hex(&secret.document));
        let label = secret.labels.get(names::MANAGED_BY_LABEL);
        let marked = right && label.is_some_and(|label| label == names::MANAGED_BY);
        ensure(Rule::S5, marked, || self.broken("has a pull secret without its mark").what)?;
        for (slot, claims) in self.claims {
            match document.slots.get(slot) {
                Some(found) => self.slot_is_current(slot, claims, found)?,
                None if self.must_be_there(slot, claims) => {
                    return Err(self.broken(&format!("lacks {slot}")));
                }
                None => {}
            }
        }
        // What was published for unknown domains stays.
        let unknown = self.has_unknown_domains();
        let extra = document.slots.keys().find(|slot| !unknown && !self.claims.contains_key(*slot));
        ensure(Rule::S5, extra.is_none(), || {
            self.broken(&format!("holds {extra:?}, which nobody wants")).what
        })
    }

    /// Whether nobody can know the domains of some instance.
    pub(super) fn has_unknown_domains(&self) -> bool {
        let entries = self.wanted.entries.iter().filter(|entry| entry.admits_namespace(self.namespace));
        entries
            .filter(|entry| entry.domains.is_none())
            .any(|entry| entry.instances.iter().any(|instance| !entry.fact(instance.id).may_list()))
    }

    fn slot_is_current(&self, slot: &str, claims: &[Claim], found: &Slot) -> Checked {
        // A host that two answers have left out may go, and need not before the next.
        let (gone, claims): (Vec<Claim>, Vec<Claim>) = claims.iter().partition(|claim| {
            !claim.explicit && self.contract.published.host_is_discovered_gone(claim.fact.instance, slot)
        });
        let record = self.truth.cloud.login(&found.password);
        let record = record.ok_or_else(|| self.broken(&format!("has a made-up login for {slot}")))?;
        // The first entry that is sure to have the host: one that may not list domains may not know of it.
        let has = |claim: &Claim| {
            claim.explicit || self.contract.published.surely_has(self.leader, claim.fact.instance, slot)
        };
        let first = claims.iter().position(|claim| claim.is_sure() && has(claim));
        let allowed = claims.iter().take(first.map_or(claims.len(), |first| first + 1));
        // Where the first entry cannot log in, the last good login stays until it is dead, whoever's it was.
        let waits = !is_sure(&claims);
        // An identity that may not list domains cannot tell which of an entry's instances owns one.
        let right = |claim: &Claim| {
            claim.fact == record.fact
                || claim.fact.identity == record.fact.identity && !record.fact.may_list()
        };
        ensure(Rule::S5, waits || allowed.chain(&gone).any(right), || {
            self.broken(&format!("has the login of {:?} for {slot}; wanted: {claims:?}", record.fact)).what
        })?;
        let configuration = self.truth.server.configuration();
        let asked_after = configuration
            .map_or(0, |found| self.contract.controls.renewed_after(found, record.fact.instance));
        ensure(Rule::S5, waits || record.serial > asked_after, || {
            self.broken(&format!("has a login for {slot} from before it was to be renewed")).what
        })?;
        // Before the cloud has told the time after a restart, a wall clock that was put back hides that it has expired.
        let deceived = self.contract.known.get(&self.leader).is_none_or(|known| !known.cloud_time_heard);
        ensure(Rule::S5, record.expires > self.truth.cloud_time || waits || deceived, || {
            self.broken(&format!("has an expired login for {slot}")).what
        })?;
        ensure(Rule::S5, found.email.as_deref() == self.wanted.email, || {
            self.broken(&format!("has the email {:?} for {slot}", found.email)).what
        })
    }
}

/// Whether the first entry that claims a slot is sure to get its login and to have the host.
pub(super) fn is_sure(claims: &[Claim]) -> bool {
    claims.first().is_some_and(Claim::is_sure)
}
