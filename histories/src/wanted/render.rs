//! Writing configurations down, in the many spellings that users have.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Immediate, Pattern, Requirement, Unserved, Wanted, WantedEntry, Watched};
use crate::estate::{HOP_ROLE, Identity, KEY_SECRET, KeyPair, MISSING_ROLE, PERSONAL, PROVIDER, RRSA_ROLE};
use crate::random::Random;

/// `data` of the ConfigMap.
pub type Data = BTreeMap<String, String>;

impl Wanted {
    /// The ConfigMap's `data` in one spelling.
    pub fn render(&self, random: &mut Random) -> Data {
        if self.fits_parameters() && random.chance(30) {
            return Data::from([("add-on-parameters".to_owned(), self.parameters(random).to_string())]);
        }
        let mut data = Data::new();
        let mut put = |key: &str, value: String| data.insert(key.to_owned(), value);
        put("acr-registry-info", entries(&self.entries, random));
        match &self.watched {
            Watched::All => {
                put("watch-namespace", random.one_of(["all", "All", "ALL"]).to_owned());
            }
            Watched::Named(names) if names == &["default"] && random.chance(50) => {}
            Watched::Named(names) => {
                put("watch-namespace", comma_list(names.iter().copied().map(str::to_owned), random));
            }
        }
        if self.accounts != [Pattern::Exact("default")] || random.chance(50) {
            put("service-account", comma_list(self.accounts.iter().map(pattern), random));
        }
        if !self.excluded.is_empty() {
            put("exclude-namespace", comma_list(self.excluded.iter().map(pattern), random));
        }
        if !self.selector.is_empty() {
            put("namespace-selector", selector(&self.selector, random));
        }
        if self.threshold_seconds != 900 || random.chance(40) {
            put("expiring-threshold", duration(self.threshold_seconds, random));
        }
        if let Some(email) = self.email {
            put("notify-email", email.to_owned());
        }
        if self.rrsa {
            put("rrsa", random.one_of(["enable: true", "enable: \"true\"\n", "{enable: true}"]).to_owned());
        }
        if self.takeover || random.chance(10) {
            put("takeover", self.takeover.to_string());
        }
        match self.immediate {
            Immediate::Off => {}
            Immediate::Webhook => {
                put(
                    "webhook-configuration",
                    random
                        .one_of([
                            "enable: true\nfailure-policy: Fail",
                            "{enable: 'true', failure-policy: fail}",
                        ])
                        .to_owned(),
                );
            }
            Immediate::Policy => {
                put("webhook-configuration", "enable: true\nmode: policy\n".to_owned());
            }
        }
        // Keys that change nothing, or are known to be of no effect.
        for (key, value) in [
            ("acr-api-version", "2018-12-01"),
            ("notify-email", ""),
            ("pods", "none"),
            ("some-key-of-nobody", "1"),
        ] {
            if random.chance(6) && (key != "notify-email" || self.email.is_none()) {
                put(key, value.to_owned());
            }
        }
        data
    }

    /// Whether the JSON parameters of the managed edition can say the same.
    fn fits_parameters(&self) -> bool {
        let plain = |entry: &WantedEntry| {
            entry.unserved.is_none()
                && entry.namespaces.is_none()
                && entry.accounts.is_none()
                && !matches!(entry.identity, Identity::Keys(_) | Identity::KeysHop(_))
        };
        self.excluded.is_empty()
            && self.selector.is_empty()
            && !self.takeover
            && self.immediate == Immediate::Off
            && self.entries.iter().all(plain)
    }

    fn parameters(&self, random: &mut Random) -> Value {
        let watched = match &self.watched {
            Watched::All => "all".to_owned(),
            Watched::Named(names) => names.join(","),
        };
        let accounts: Vec<String> = self.accounts.iter().map(pattern).collect();
        json!({
            "AcrInstanceInfo": self.entries.iter().map(|entry| entry.fields(random)).collect::<Vec<_>>(),
            "enableRRSA": self.rrsa,
            "watchNamespace": watched,
            "serviceAccount": accounts.join(","),
            "expiringThreshold": duration(self.threshold_seconds, random),
            "notifyEmail": self.email.unwrap_or_default(),
        })
    }
}

impl WantedEntry {
    /// The entry as JSON.
    pub(super) fn fields(&self, random: &mut Random) -> Value {
        let mut fields = Map::new();
        let mut put = |key: &str, value: Value| fields.insert(key.to_owned(), value);
        match self.unserved {
            Some(Unserved::NewPersonal) => put("instanceId", json!("crpi-0123456789abcdef")),
            _ if self.instances == [PERSONAL] => put("instanceId", json!("")),
            _ => {
                let ids: Vec<&str> = self.instances.iter().map(|instance| instance.id).collect();
                put("instanceId", json!(ids.join(",")))
            }
        };
        if self.region_written {
            put("regionId", json!(self.instances.first().map(|instance| instance.region)));
        }
        if let Some(domains) = &self.domains {
            let spelled = domains.iter().map(|domain| {
                let slot = domain.slot();
                if domain.path.is_none() && random.chance(10) { slot.to_ascii_uppercase() } else { slot }
            });
            let spelled: Vec<String> = spelled.collect();
            put("domains", json!(comma_list(spelled.into_iter(), random)));
        }
        match self.identity.before_hop().unwrap_or(self.identity) {
            Identity::Keys(KeyPair::Referenced) => {
                let reference = json!({ "namespace": "kube-system", "name": KEY_SECRET });
                put("customAccessKeySecretRef", reference);
            }
            Identity::Keys(pair) => {
                put("customAccessKey", json!(pair.id()));
                put("customAccessKeySecret", json!(pair.secret()));
            }
            Identity::Rrsa | Identity::RrsaMissingRole => {
                let missing = self.identity == Identity::RrsaMissingRole;
                let role = if missing { MISSING_ROLE } else { RRSA_ROLE };
                put("rrsaRoleARN", json!(role));
                put("rrsaOIDCProviderRoleARN", json!(PROVIDER));
            }
            _ => {}
        }
        if self.identity.before_hop().is_some() {
            put("assumeRoleARN", json!(HOP_ROLE));
            if random.chance(50) {
                put("expireDuration", if random.chance(50) { json!(3600) } else { json!("3600") });
            }
        }
        for (key, patterns) in [("namespaces", &self.namespaces), ("serviceAccounts", &self.accounts)] {
            if let Some(patterns) = patterns {
                let names: Vec<String> = patterns.iter().map(pattern).collect();
                if random.chance(50) {
                    put(key, json!(names));
                } else {
                    put(key, json!(names.join(",")));
                }
            }
        }
        Value::Object(fields)
    }
}

fn entries(entries: &[WantedEntry], random: &mut Random) -> String {
    let fields: Vec<Value> = entries.iter().map(|entry| entry.fields(random)).collect();
    if fields.is_empty() || random.chance(20) {
        return Value::Array(fields).to_string();
    }
    let mut text = String::new();
    let margin = random.one_of(["", "  "]);
    if random.chance(15) {
        text.push_str("# Registries of this cluster.\n");
    }
    for entry in &fields {
        let mut members: Vec<_> = entry.as_object().into_iter().flatten().collect();
        random.shuffle(&mut members);
        for (place, (key, value)) in members.into_iter().enumerate() {
            let lead = if place == 0 { "- " } else { "  " };
            let written = scalar(value, random);
            let _ = writeln!(text, "{margin}{lead}{key}: {written}");
        }
        if random.chance(10) {
            text.push('\n');
        }
    }
    text
}

/// A value in YAML: flow style for lists and mappings, one of three quotings for texts.
fn scalar(value: &Value, random: &mut Random) -> String {
    let Some(text) = value.as_str() else { return value.to_string() };
    let plain = !text.is_empty() && !text.contains('*') && !text.contains(": ") && !text.contains('#');
    match random.below(3) {
        0 if plain => text.to_owned(),
        1 => format!("'{text}'"),
        _ => value.to_string(),
    }
}

fn pattern(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Any => "*".to_owned(),
        Pattern::Exact(name) => (*name).to_owned(),
        Pattern::Prefix(prefix) => format!("{prefix}*"),
        Pattern::Suffix(suffix) => format!("*{suffix}"),
    }
}

fn comma_list(names: impl Iterator<Item = String>, random: &mut Random) -> String {
    let separator = random.one_of([",", ",", ", ", " ,"]);
    names.collect::<Vec<_>>().join(separator)
}

fn selector(requirements: &[Requirement], random: &mut Random) -> String {
    let written: Vec<String> = requirements
        .iter()
        .map(|requirement| match requirement {
            Requirement::Equals(key, value) => format!("{key}{}{value}", random.one_of(["=", "=="])),
            Requirement::Differs(key, value) => format!("{key}!={value}"),
            Requirement::In(key, values) => format!("{key} in ({})", values.join(",")),
            Requirement::NotIn(key, values) => format!("{key} notin ({})", values.join(", ")),
            Requirement::Exists(key) => (*key).to_owned(),
            Requirement::Absent(key) => format!("!{key}"),
        })
        .collect();
    written.join(",")
}

fn duration(seconds: u64, random: &mut Random) -> String {
    match random.below(3) {
        0 => format!("{seconds}s"),
        1 if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{}h{}m{}s", seconds / 3600, seconds % 3600 / 60, seconds % 60),
    }
}
