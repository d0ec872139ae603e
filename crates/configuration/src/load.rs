//! Loading: from a source to the configuration and every finding at once.

use std::collections::BTreeMap;

use crate::code;
use crate::configuration::{Configuration, Entry, Webhook, WebhookMode};
use crate::duplicates;
use crate::entries::{ReadEntry, Setting};
use crate::finding::Finding;
use crate::keyed_parameters::{self, COUNTERPARTS};
use crate::names;
use crate::sheet::{Scalar, Sheet, is_unset};
use crate::source::{Form, Source, Text};

/// Unknown keys beyond this many findings are not told.
const MAX_FINDINGS: usize = 100;
/// No ConfigMap can hold more.
const MAX_VALUE: usize = 1024 * 1024;

/// What was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration with the entries that have no error. `None` when nothing usable could be read at all
    /// (no list of entries). To be used only as [`Loaded::accepted`] says.
    pub configuration: Option<Configuration>,
    /// Everything wrong, in the order of keys and lines.
    pub findings: Vec<Finding>,
    /// Whether every error lies inside an entry. True when there is no error.
    pub errors_only_in_entries: bool,
}

/// Where the entries stand, by index.
pub(crate) type Places = BTreeMap<usize, Place>;

/// Where an entry stands.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) key: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) file_line: Option<u32>,
}

impl Loaded {
    /// Nothing could be read.
    pub(crate) fn refused(findings: Vec<Finding>) -> Self {
        Self { configuration: None, findings, errors_only_in_entries: false }
    }

    /// In a file from top to bottom, else by key and place; errors first where the place is the same.
    pub(crate) fn sort(&mut self) {
        self.findings.sort_by(|a, b| order(a).cmp(&order(b)));
    }

    /// Whether there is an error, so that the edit is refused whole where there is a last good configuration.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }

    /// The configuration to put in force: whole when there is no error; where there is no last good one yet, also
    /// when all errors lie inside other entries.
    pub fn accepted(&self, has_last_good: bool) -> Option<&Configuration> {
        let partly = !has_last_good && self.errors_only_in_entries;
        self.configuration.as_ref().filter(|_| partly || !self.has_errors())
    }
}

/// Reads everything and reports every fault at once.
pub fn load(source: &Source) -> Loaded {
    load_with_places(source).0
}

/// [`load`], with the places of the entries for findings of later checks.
pub(crate) fn load_with_places(source: &Source) -> (Loaded, Places) {
    let spread = keyed_parameters::spread(source);
    let mut loader = Loader::new(spread.as_ref().unwrap_or(source));
    loader.unknown_keys();
    loader.unread_values();
    loader.narrowing_keys();
    loader.other_keys();
    // Of two forms neither is in force, but the faults of both are told.
    let (both, entries) = if let Some(parameters) = loader.parameters() {
        (loader.both_forms(), loader.add_on(parameters))
    } else {
        let of_file = source.parameters.is_some();
        (loader.said_twice(&loader.source.beside, of_file), loader.config_map())
    };
    let entries = entries.filter(|_| !both);
    loader.finish(entries)
}

/// The reading of one source.
pub(crate) struct Loader<'s> {
    source: &'s Source,
    pub(crate) configuration: Configuration,
    pub(crate) findings: Vec<Finding>,
    pub(crate) places: Places,
}

impl<'s> Loader<'s> {
    fn new(source: &'s Source) -> Self {
        Self { source, configuration: Configuration::default(), findings: Vec::new(), places: Places::new() }
    }

    /// The text of a key, if it can be read at all.
    fn text(&self, key: &str) -> Option<&'s Text> {
        self.source
            .values
            .get(key)
            .filter(|text| text.form == Form::String && text.content.len() <= MAX_VALUE)
    }

    /// Reads a key whose value is one plain text, if it is set.
    fn key<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Sheet<'s>, Scalar<'s>) -> Option<T>,
    ) -> Option<T> {
        let mut sheet = Sheet::new(key, self.text(key)?, names::KEYS.to_vec());
        let value = sheet.whole().and_then(|scalar| read(&mut sheet, scalar));
        self.findings.extend(sheet.finish());
        value
    }

    /// Reads a key whose value is YAML of its own.
    fn block<T>(
        &mut self,
        key: &'static str,
        names: &[&'static str],
        read: impl FnOnce(&mut Sheet<'s>) -> T,
    ) -> Option<T> {
        let mut sheet = Sheet::new(key, self.text(key)?, names.to_vec());
        let value = read(&mut sheet);
        self.findings.extend(sheet.finish());
        Some(value)
    }

    fn unknown_keys(&mut self) {
        for (key, text) in &self.source.values {
            if names::KEYS.contains(&key.as_str()) {
                continue;
            }
            let Some((near, alike)) = names::nearest(key, &names::KEYS) else { continue };
            let mut sheet = Sheet::of_unknown(key, alike, text);
            let message = format!("unknown key `{}`; the nearest known one is `{near}`", sheet.key());
            if alike && !self.source.values.contains_key(near) {
                sheet.error(
                    code::MISSPELLED_KEY,
                    None,
                    message,
                    format!("write `{near}`, or remove the key"),
                );
            } else if matches!(key.as_str(), "tokenMode" | "token-mode") {
                let remedy =
                    "the ConfigMap has no such key: use the flag --token-mode or the add-on parameter";
                sheet.warn(code::UNKNOWN_KEY, None, message, remedy.to_owned());
            } else {
                let counterpart = COUNTERPARTS.iter().find(|(_, parameter)| parameter == key);
                let remedy = match counterpart {
                    Some((counterpart, _)) if !self.source.values.contains_key(*counterpart) => format!(
                        "it is a parameter of the add-on: write the key `{counterpart}`, or all parameters as one JSON text \
                         into `{}`",
                        names::ADD_ON_PARAMETERS
                    ),
                    _ => "remove the key: nothing reads it".to_owned(),
                };
                sheet.warn(code::UNKNOWN_KEY, None, message, remedy);
            }
            self.findings.extend(sheet.finish());
            if self.findings.len() >= MAX_FINDINGS {
                break;
            }
        }
    }

    /// Values that are no text, or too much of it.
    fn unread_values(&mut self) {
        let known = self.source.values.iter().filter(|(key, _)| names::KEYS.contains(&key.as_str()));
        let parameters = self.source.parameters.iter().map(|text| (names::ADD_ON_PARAMETERS, text));
        for (key, text) in known.map(|(key, text)| (key.as_str(), text)).chain(parameters) {
            let mut sheet = Sheet::new(key, text, Vec::new());
            match text.form {
                Form::Unquoted => {
                    let at = sheet.whole_span();
                    let found = sheet.quote(&text.content);
                    sheet.error(
                        code::UNQUOTED_VALUE,
                        Some(at),
                        format!(
                            "{key} is {found}, a number or boolean; values under `data:` must be strings"
                        ),
                        "put the value in quotes: the API server refuses it without".to_owned(),
                    );
                }
                Form::Collection => sheet.error(
                    code::WRONG_TYPE,
                    None,
                    format!("{key} is a list or mapping; values under `data:` must be strings"),
                    format!("write `{key}: |` and keep the lines below it indented"),
                ),
                Form::String if text.content.len() > MAX_VALUE => sheet.error(
                    code::TOO_LARGE,
                    None,
                    format!("{key} has more than 1 MiB"),
                    "no ConfigMap can hold that: shorten it".to_owned(),
                ),
                Form::String | Form::Null => {}
            }
            self.findings.extend(sheet.finish());
        }
    }

    /// What `watch-namespace` needs to tell whether namespaces of the system are in scope.
    fn narrowing_keys(&mut self) {
        let excluded = self.key("exclude-namespace", |sheet, list| sheet.globs("exclude-namespace", list));
        self.configuration.scope.exclude_namespace = excluded.unwrap_or_default();
        self.configuration.scope.namespace_selector =
            self.key("namespace-selector", Sheet::namespace_selector);
    }

    fn other_keys(&mut self) {
        self.configuration.endpoints =
            self.block("endpoints", &names::ENDPOINT, Sheet::endpoints).unwrap_or_default();
        self.configuration.webhook =
            self.block("webhook-configuration", &names::WEBHOOK, Sheet::webhook).unwrap_or_default();
        let Webhook { enable, mode, .. } = self.configuration.webhook;
        let asked = enable && mode == WebhookMode::Webhook;
        self.configuration.pods =
            self.key("pods", |sheet, scalar| sheet.pods(scalar, asked)).unwrap_or_default();
        let takeover = self.key("takeover", |sheet, scalar| sheet.boolean("takeover", scalar));
        self.configuration.takeover = takeover.unwrap_or(false);
        self.configuration.api_version = self.key("acr-api-version", |sheet, scalar| {
            if scalar.text != "2018-12-01" {
                sheet.no_effect(scalar, "acr-api-version");
            }
            Some(scalar.text.to_owned())
        });
        self.key("acr-registry", |sheet, scalar| {
            sheet.no_effect(scalar, "acr-registry");
            Some(())
        });
    }

    /// The keys that also exist as add-on parameters.
    fn config_map(&mut self) -> Option<Vec<ReadEntry>> {
        let scope = self.configuration.scope.clone();
        if let Some(names) = self.key("watch-namespace", |sheet, list| sheet.watch_namespace(list, &scope)) {
            self.configuration.scope.watch_namespace = names;
        }
        if let Some(globs) = self.key("service-account", Sheet::service_account) {
            self.configuration.scope.service_account = globs;
        }
        let threshold = self.key("expiring-threshold", |sheet, scalar| {
            sheet.expiring_threshold("expiring-threshold", scalar)
        });
        if let Some(threshold) = threshold {
            self.configuration.expiring_threshold = threshold;
        }
        self.configuration.notify_email =
            self.key("notify-email", |sheet, scalar| sheet.notify_email("notify-email", scalar));
        self.configuration.rrsa_enabled = self.block("rrsa", &names::RRSA, Sheet::rrsa).unwrap_or(false);
        if let Some(text) = &self.source.token_mode {
            let mut sheet = Sheet::new("tokenMode", text, Vec::new());
            self.configuration.token_mode = sheet.whole().and_then(|scalar| sheet.token_mode(scalar));
            self.findings.extend(sheet.finish());
        }
        let setting = Setting { rrsa_enabled: self.configuration.rrsa_enabled };
        self.registry_info(setting)
    }

    fn registry_info(&mut self, setting: Setting) -> Option<Vec<ReadEntry>> {
        let key = "acr-registry-info";
        let absent = Text::default();
        let text = match self.source.values.get(key) {
            None if self.source.cut => return None,
            None => &absent,
            Some(text) if text.form == Form::Null => text,
            // A value of another form is reported already.
            Some(_) => self.text(key)?,
        };
        let mut sheet = Sheet::new(key, text, names::ENTRY.to_vec());
        let tree = sheet.parse();
        // A fault before anything was read says enough; after a fault the entries are read for their findings only.
        let entries = match (&tree.root, &tree.fault) {
            (None, Some(_)) => None,
            (root, fault) => sheet.entries(root.as_ref(), key, setting).filter(|_| fault.is_none()),
        };
        self.take(sheet, entries)
    }

    /// Keeps what a sheet found and where its entries stand.
    pub(crate) fn take(
        &mut self,
        mut sheet: Sheet<'_>,
        entries: Option<Vec<ReadEntry>>,
    ) -> Option<Vec<ReadEntry>> {
        if let Some(entries) = &entries {
            self.places = sheet.places(entries);
            duplicates::check(&mut sheet, entries);
        }
        self.findings.extend(sheet.finish());
        entries
    }

    /// The add-on parameters, from the flag or from the key.
    fn parameters(&self) -> Option<&'s Text> {
        let set = |text: &&Text| !is_unset(text.content.trim());
        let of_key = || self.source.values.get(names::ADD_ON_PARAMETERS);
        self.source.parameters.as_ref().or_else(of_key).filter(set)
    }

    /// Reports add-on parameters beside their counterparts, if there are any.
    fn both_forms(&mut self) -> bool {
        let beside = |key: &&str| self.source.values.get(*key).is_some_and(keyed_parameters::is_set);
        let mut keys: Vec<String> =
            names::SHARED_KEYS.into_iter().filter(|key| beside(key)).map(str::to_owned).collect();
        if self.source.parameters.is_some() && beside(&names::ADD_ON_PARAMETERS) {
            keys.push(names::ADD_ON_PARAMETERS.to_owned());
        }
        self.said_twice(&keys, self.source.parameters.is_some())
    }

    /// Reports keys of the ConfigMap that the add-on parameters, of a file or of a key, say as well, if there are any.
    fn said_twice(&mut self, keys: &[String], of_file: bool) -> bool {
        let parameters = if of_file { "--parameters FILE" } else { "the key add-on-parameters" };
        for key in keys {
            let Some(text) = self.source.values.get(key) else { continue };
            let mut sheet = Sheet::new(key, text, Vec::new());
            sheet.error(
                code::BOTH_FORMS,
                None,
                format!("{key} stands beside {parameters}, which says the same"),
                format!("keep one form: remove {key} from the ConfigMap, or leave {parameters} out"),
            );
            self.findings.extend(sheet.finish());
        }
        !keys.is_empty()
    }

    fn finish(self, entries: Option<Vec<ReadEntry>>) -> (Loaded, Places) {
        let Self { configuration, findings, places, .. } = self;
        let errors_only_in_entries =
            findings.iter().all(|finding| !finding.is_error() || finding.entry.is_some());
        let configuration = entries.map(|entries| Configuration {
            entries: entries.into_iter().map(|read| read.entry).collect::<Vec<Entry>>(),
            ..configuration
        });
        let mut loaded = Loaded { configuration, findings, errors_only_in_entries };
        loaded.sort();
        (loaded, places)
    }
}

fn order(finding: &Finding) -> impl Ord + '_ {
    let Finding { file_line, key, line, column, severity, code, .. } = finding;
    (*file_line, key.as_str(), *line, *column, std::cmp::Reverse(*severity), *code)
}
