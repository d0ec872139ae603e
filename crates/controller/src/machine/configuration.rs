//! How an edit of the configuration is accepted or refused, and what follows from one that counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use acr_configuration::{Configuration, Finding, Loaded, Source, TokenMode};
use acr_credentials::UnixMillis;

use super::admission::has_webhook;
use super::cloud::Gathering;
use super::{Flight, Machine};
use crate::area::Area;
use crate::facts::chain::Surroundings;
use crate::facts::timing::{Timing, renewal};
use crate::facts::value::Value;
use crate::facts::{FactKey, Line, LineKey, Lines};
use crate::journal::{Accepted, Carried, CarriedLogin, HeldLogin, LineRecord, Record, Recorder};
use crate::observation::Watch;
use crate::operation::Subject;
use crate::settings::Purpose;
use crate::slots::{note_slots, published, slots};
use crate::status::ActiveFinding;
use crate::time::Now;

/// The group of findings about the text of the ConfigMap.
const GROUP: &str = "configuration";

/// 2023-04-03T00:00:00Z: clusters from before this day have a worker role that may call ACR
/// (the seed page on `tokenMode: auto`).
const MANAGED_ROLE_SINCE: UnixMillis = UnixMillis(1_680_480_000_000);

impl Machine {
    /// Looks at the ConfigMap as last seen, against what is in force.
    pub(super) fn consider_configuration(&mut self, now: Now) {
        if self.recorder.durable().is_none() || self.settings.purpose == Purpose::Uninstall {
            return;
        }
        let Some(seen) = &self.config_map else {
            self.take_controls(now);
            if self.world.has_listed(Watch::Configuration) {
                let message = format!(
                    "the ConfigMap {}/{} does not exist; {}",
                    self.settings.namespace,
                    crate::names::CONFIG_MAP,
                    if self.configured() {
                        "the last good configuration stays in force"
                    } else {
                        "nothing is served"
                    }
                );
                self.ledger.set_one(now.mono, GROUP, Subject::Configuration, "ConfigurationMissing", message);
            }
            return;
        };
        // The text that is in force was reported when it was accepted; a restart does not say it again.
        let in_force = self.recorder.durable().and_then(|record| record.accepted.as_ref());
        let known = in_force.is_some_and(|accepted| accepted.data == seen.data);
        let Loaded { configuration, findings, errors_only_in_entries, .. } =
            acr_configuration::load(&Source::from_config_map_data(&seen.data));
        let asks_for_webhook = configuration.as_ref().map(has_webhook);
        let faulty = findings.iter().any(Finding::is_error);
        let usable = !faulty || errors_only_in_entries && !self.accepted_other_text(&seen.data);
        let mut active: Vec<ActiveFinding> = findings.iter().map(active_finding).collect();
        if let (true, Some(configuration)) = (usable, configuration) {
            let accepted = Arc::new(Accepted { data: seen.data.clone(), configuration });
            active.extend(self.accept(now, &accepted));
        }
        self.configuration_asks(asks_for_webhook);
        self.take_controls(now);
        if known {
            self.ledger.set_known(GROUP, active);
        } else {
            self.ledger.set(now.mono, GROUP, active);
        }
    }

    /// Says that the file of `--parameters` cannot be read, or that it can be again.
    pub(super) fn parameters_file(&mut self, now: Now, unreadable: Option<&str>) {
        const GROUP: &str = "parameters-file";
        let Some(reason) = unreadable else { return self.ledger.clear(now.mono, GROUP) };
        let message = format!(
            "--parameters {reason}; what it held stays in force, and a restart needs it: put the file back, or correct its \
             permissions"
        );
        self.ledger.set_one(now.mono, GROUP, Subject::Configuration, "ParametersUnreadable", message);
    }

    /// Whether something else than this text is in force: then an edit with an error is refused whole.
    fn accepted_other_text(&self, data: &BTreeMap<String, String>) -> bool {
        self.recorder.desired().accepted.as_ref().is_some_and(|accepted| accepted.data != *data)
    }

    /// Takes a configuration into the journal, or tells what keeps it out.
    fn accept(&mut self, now: Now, accepted: &Arc<Accepted>) -> Option<ActiveFinding> {
        let desired = self.recorder.desired();
        if desired.accepted.as_ref().is_some_and(|current| current.data == accepted.data) {
            return None;
        }
        // From what may count by now: an edit that was overtaken before it was written has served nothing, and has
        // taken nothing away.
        let mut record = self.recorder.latest().clone();
        record.region.clone_from(&desired.region);
        record.static_secrets.clone_from(&desired.static_secrets);
        record.admission.clone_from(&desired.admission);
        record.controls.clone_from(&desired.controls);
        record.cloud_offset_millis = desired.cloud_offset_millis;
        if let Some(former) = record.accepted.replace(Arc::clone(accepted))
            && whole(&former) != whole(accepted)
            && !record.retiring.contains(&former)
        {
            record.retiring.push(former);
        }
        self.hand_lines_over(now, &mut record, accepted);
        if !Recorder::fits(&record) {
            return Some(ActiveFinding {
                subject: Subject::Configuration,
                error: true,
                code: "JournalTooLarge".to_owned(),
                message:
                    "the configuration does not fit into the journal, which is a Secret and holds 1 MiB; the \
                    last good configuration stays in force; remove entries, or move inline keys out"
                        .to_owned(),
            });
        }
        self.register_with_pods_again(now);
        self.recorder.change(|desired| *desired = record);
        None
    }

    /// Hands what is held to the lines of a new configuration: a login to the line that wants this very login, domains
    /// to any line of their instance. The logins of other slots that are published now are carried on.
    pub(super) fn hand_lines_over(&self, now: Now, record: &mut Record, accepted: &Accepted) {
        let drawn = Lines::of(&accepted.configuration, self.surroundings(record)).drawn;
        // The newest first: what shall be written, what was sent, what counts.
        let held: Vec<(LineKey, LineRecord)> =
            [self.recorder.desired(), self.recorder.latest(), self.recorder.counting()]
                .into_iter()
                .flat_map(|record| record.lines.clone())
                .collect();
        record.carried = self.published(now);
        record.lines = drawn
            .iter()
            .map(|line| {
                let wanted = |held: &&HeldLogin| held.fact == line.login;
                let newest = held.iter().filter_map(|(_, former)| former.login.as_ref()).find(wanted);
                let carried = || last_published(&record.carried, line.login).map(|carried| &carried.login);
                let login = newest.or_else(carried).cloned();
                let of_instance = || held.iter().filter(|(key, _)| key.instance == line.key.instance);
                let exactly = |(_, former): &&(LineKey, LineRecord)| {
                    former.login.as_ref().is_some_and(|held| wanted(&held))
                };
                let alike = of_instance().find(exactly).or_else(|| of_instance().next());
                let known = of_instance().map(|(_, former)| former).find(|former| former.hosts.is_some());
                let record = LineRecord {
                    hosts: known.and_then(|former| former.hosts.clone()),
                    fewer: known.and_then(|former| former.fewer.clone()),
                    // Who was given them because nobody knew better does not keep them under another identity.
                    slots: alike
                        .filter(|former| exactly(former) || former.1.hosts.is_some())
                        .map(|(_, former)| former.slots.clone())
                        .unwrap_or_default(),
                    refused: alike.filter(exactly).is_some_and(|(_, former)| former.refused),
                    login,
                };
                (line.key.clone(), record)
            })
            .collect();
        note_slots(&drawn, record, self.clock.time(now));
    }

    /// The logins that the pull secrets may hold now: by what may count, and by what counts. Before the cloud has told the
    /// time, a wrong wall clock may make a login look dead that is not: what is left out here is lost, so all are taken.
    fn published(&self, now: Now) -> Vec<Carried> {
        let time = if self.clock.is_heard() { self.clock.time(now) } else { UnixMillis(i64::MIN) };
        let mut all: Vec<Carried> = Vec::new();
        for record in [self.recorder.latest(), self.recorder.counting()] {
            let Some(accepted) = &record.accepted else { continue };
            let lines = Lines::of(&accepted.configuration, self.surroundings(record)).drawn;
            for carried in published(&lines, record, time) {
                let known = all.iter().any(|known| {
                    known.accepted.data == carried.accepted.data && known.logins == carried.logins
                });
                if !known {
                    all.push(carried);
                }
            }
        }
        all
    }

    fn surroundings<'a>(&'a self, record: &'a Record) -> Surroundings<'a> {
        let created = self
            .world
            .namespace("kube-system")
            .and_then(|namespace| namespace.seen.as_ref())
            .map(|seen| seen.created);
        Surroundings {
            settings: &self.settings,
            local_region: record.region.as_deref(),
            older_than_managed_role: created.map(|created| created < MANAGED_ROLE_SINCE),
            static_secrets: &record.static_secrets,
            controls: &record.controls,
        }
    }

    /// The token mode in force, as far as it is known.
    pub(super) fn token_mode(&self, configuration: &Configuration) -> TokenMode {
        let surroundings = self.recorder.durable().map(|record| self.surroundings(record));
        let mode = surroundings.and_then(|surroundings| surroundings.token_mode(configuration));
        mode.unwrap_or(TokenMode::Auto)
    }

    /// How renewals are timed under the configuration in force.
    pub(super) fn timing(&self) -> Timing {
        let accepted = self.recorder.durable().and_then(|record| record.accepted.as_ref());
        Timing {
            threshold: accepted.map_or(acr_configuration::DEFAULT_EXPIRING_THRESHOLD, |accepted| {
                accepted.configuration.expiring_threshold
            }),
            cluster: self
                .world
                .namespace("kube-system")
                .and_then(|namespace| namespace.seen.as_ref())
                .map_or_else(String::new, |seen| seen.uid.clone()),
        }
    }

    /// Remembers what the journal held when the term began.
    pub(super) fn inherit(&mut self) {
        let Some(record) = self.recorder.durable() else { return };
        let held = record.retiring.iter().chain(record.accepted.as_ref());
        self.policy.inherited = held.map(|accepted| whole(accepted)).collect();
    }

    /// Draws areas, lines and facts anew, after something that they are made from has changed.
    pub(super) fn redraw(&mut self, now: Now) {
        let Some(record) = self.recorder.durable() else { return };
        // An uninstall serves nothing, not even before it has said so in the journal.
        let (accepted, former) = match self.settings.purpose {
            Purpose::Run => (record.accepted.as_ref(), None),
            Purpose::Uninstall => (None, record.accepted.as_ref()),
        };
        let retiring = record.retiring.iter().chain(former).map(|retired| whole(retired)).collect();
        let served = accepted.map(|accepted| whole(accepted));
        let lines = accepted.map(|accepted| Lines::of(&accepted.configuration, self.surroundings(record)));
        let records = record.lines.clone();
        self.policy.takes_over = accepted.is_some_and(|accepted| accepted.configuration.takeover);
        self.policy.served = served;
        self.policy.retiring = retiring;
        self.lines = lines.unwrap_or_default();
        self.book.want(self.lines.wanted.clone());
        let timing = self.timing();
        self.book.follow(now, &self.clock, &timing);
        for flight in self.in_flight.values() {
            if let Flight::Fact { key, .. } = flight {
                self.book.is_asked(now.mono, *key);
            }
        }
        let known =
            |line: &Line| record.login(line).is_some() && slots(&self.lines.drawn, record, line).is_some();
        self.cold &= !self.lines.drawn.iter().all(known);
        self.wish_for_admission(now);
        self.seed_facts(now, &records);
        self.gather_what_is_missing(now, &records);
        self.give_references(now);
        self.report_lines(now);
        self.report_shared_hosts(now);
        self.republish(now);
        self.touch_everything(now);
    }

    /// What was answered and left the journal again with an edit in between, before that was written, is handed to it once
    /// more: nobody asks for it, because it is known.
    fn gather_what_is_missing(&mut self, now: Now, records: &BTreeMap<LineKey, LineRecord>) {
        for line in &self.lines.drawn {
            let record = records.get(&line.key);
            let has_login = record.and_then(|record| record.login.as_ref());
            let login = matches!(self.book.value(line.login), Some(Value::Login(..)));
            let has_hosts = record.is_some_and(|record| record.hosts.is_some());
            let hosts = line.endpoints().and_then(|fact| match self.book.value(fact) {
                Some(Value::Endpoints(hosts)) if !has_hosts => {
                    Some((line.key.instance.clone(), hosts.clone()))
                }
                _ => None,
            });
            self.fresh_endpoints.extend(hosts.clone());
            if hosts.is_some() || login && has_login.is_none_or(|held| held.fact != line.login) {
                self.gathering.get_or_insert_with(|| Gathering::from(now.mono));
            }
        }
    }

    /// Gives facts the values that the journal holds for them, so that a restart asks nothing.
    fn seed_facts(&mut self, now: Now, records: &BTreeMap<LineKey, LineRecord>) {
        let timing = self.timing();
        let lines: Vec<Line> = self.lines.drawn.clone();
        for line in lines {
            let Some(record) = records.get(&line.key) else { continue };
            if let Some(held) = record.login.as_ref().filter(|held| held.fact == line.login) {
                let due = renewal(now, &self.clock, &timing, held.login.expires, held.handed_out);
                self.book.seed(line.login, Value::Login(Arc::clone(&held.login), held.handed_out), due);
                // The domains were asked with this login at the latest, and are asked again with the next.
                if let (Some(endpoints), Some(hosts)) = (line.endpoints(), &record.hosts) {
                    self.book.seed(endpoints, Value::Endpoints(hosts.clone()), now.mono);
                }
            }
        }
    }
}

fn whole(accepted: &Accepted) -> Area {
    Area::whole(&accepted.configuration)
}

/// The login of a fact that is carried on, unless a later one of another fact is published in its place: that stays
/// until the fact is asked anew.
fn last_published(carried: &[Carried], fact: FactKey) -> Option<&CarriedLogin> {
    let all = || carried.iter().flat_map(|carried| &carried.logins);
    let replaces = |later: &CarriedLogin, former: &CarriedLogin| {
        later.login.handed_out > former.login.handed_out
            && later.slots.iter().any(|slot| former.slots.contains(slot))
    };
    all().filter(|carried| carried.login.fact == fact).find(|own| !all().any(|other| replaces(other, own)))
}

fn active_finding(finding: &Finding) -> ActiveFinding {
    ActiveFinding {
        subject: Subject::Configuration,
        error: finding.is_error(),
        code: finding.code.to_owned(),
        message: finding.to_string(),
    }
}
