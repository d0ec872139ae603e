//! ConfigMaps that must change nothing: broken, empty, or with one error.

use serde_json::Value;

use super::Wanted;
use super::render::Data;
use crate::random::Random;

/// A ConfigMap that is no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoiled {
    /// What is wrong with it, for the trace.
    pub what: &'static str,
    /// Its `data`.
    pub data: Data,
    /// What is left of it where nothing else is known and all errors lie inside other entries.
    pub remainder: Option<Wanted>,
}

const INFO: &str = "acr-registry-info";

impl Wanted {
    /// The configuration, spoiled by one mistake.
    pub fn spoiled(&self, random: &mut Random) -> Spoiled {
        // The mistakes below are in the keys of the ConfigMap.
        let mut data = self.render(random);
        while data.contains_key("add-on-parameters") {
            data = self.render(random);
        }
        let mut remainder = None;
        let mut set = |key: &str, value: &str| data.insert(key.to_owned(), value.to_owned());
        let what = match random.below(15) {
            0 => {
                data.clear();
                "without any key"
            }
            1 => {
                data.remove(INFO);
                "without entries"
            }
            2 => {
                set(INFO, random.one_of(["", " \n", "null", "~"]));
                "with empty entries"
            }
            3 => {
                set(INFO, "#- instanceId: \"cri-acmehangzhou01\"\n#  regionId: cn-hangzhou\n");
                "with commented entries"
            }
            4 => {
                set(INFO, "- instanceId: \"cri-acmehangzhou01\n  regionId: [cn-hangzhou\n");
                "with broken YAML"
            }
            5 => {
                set(INFO, random.one_of(["instanceId: cri-acmehangzhou01", "cri-acmehangzhou01", "17"]));
                "with entries of a wrong type"
            }
            6 => {
                data.remove("watch-namespace");
                data.insert("watch-namespaces".to_owned(), "default".to_owned());
                "with a mistyped key"
            }
            7 => {
                set("expiring-threshold", random.one_of(["15 minutes", "-5m", "0s", "15x", "soon"]));
                "with a wrong threshold"
            }
            8 => {
                set("namespace-selector", random.one_of(["team=(a", "team in a", "=a", "team notin"]));
                "with a wrong selector"
            }
            9 => {
                set("rrsa", random.one_of(["enable: maybe", "- enable", "enable: [true]"]));
                "with a wrong switch"
            }
            10 => {
                set("add-on-parameters", r#"{"AcrInstanceInfo": [], "watchNamespace": "all"}"#);
                "in both forms at once"
            }
            11 => {
                set(INFO, &"[{\"a\":".repeat(3_000));
                "with nonsense"
            }
            12 => {
                set("takeover", "perhaps");
                "with a wrong takeover"
            }
            _ => {
                let wrong = random.one_of([
                    r#"{"instanceId": "cri-acmehangzhou01", "customAccessKey": "LTAI5tHistoryPullerA"}"#,
                    r#"{"instanceId": "cri-acmehangzhou01", "rrsaRoleARN": "acs:ram::12:user/a", "rrsaOIDCProviderRoleARN": "nonsense"}"#,
                    r#"{"instanceId": "cri-acmehangzhou01", "assumeRoleARN": "acs:ram::6543210987654321:role/other", "expireDuration": 60}"#,
                    r#"{"regionId": "cn-hangzhou"}"#,
                ]);
                let mut entries: Vec<Value> = self.entries.iter().map(|entry| entry.fields(random)).collect();
                let wrong = serde_json::from_str(wrong).unwrap_or_default();
                entries.insert(random.index(entries.len() + 1), wrong);
                set(INFO, &Value::Array(entries).to_string());
                remainder = Some(self.clone());
                "with one wrong entry"
            }
        };
        Spoiled { what, data, remainder }
    }
}
