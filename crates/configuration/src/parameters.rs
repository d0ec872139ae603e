//! The add-on parameters: the JSON of the managed edition, read with the same checks as the ConfigMap.

use crate::entries::{ReadEntry, Setting};
use crate::keyed_parameters::{Spelling, report_mixed, spelling};
use crate::load::Loader;
use crate::names;
use crate::sheet::Sheet;
use crate::source::Text;
use crate::yaml::Value;

impl Loader<'_> {
    /// Reads the parameters into the configuration; the findings are reported at the key `add-on-parameters`.
    pub(crate) fn add_on(&mut self, text: &Text) -> Option<Vec<ReadEntry>> {
        let known = names::PARAMETERS.iter().chain(&names::ENTRY).copied().collect();
        let mut sheet = Sheet::new(names::ADD_ON_PARAMETERS, text, known);
        let entries = self.read_add_on(&mut sheet);
        self.take(sheet, entries)
    }

    fn read_add_on(&mut self, sheet: &mut Sheet<'_>) -> Option<Vec<ReadEntry>> {
        let tree = sheet.parse();
        let root = match tree.root {
            Some(root) if !matches!(root.value, Value::Null) => root,
            _ if tree.fault.is_some() => return None,
            _ => return sheet.entries(None, "AcrInstanceInfo", Setting::default()),
        };
        if let Value::Mapping(pairs) = &root.value
            && spelling(pairs) == Some(Spelling::Both)
        {
            report_mixed(sheet, pairs);
            return None;
        }
        let fields = sheet.fields(&root, &names::PARAMETERS, "the add-on parameters")?;
        let scope = self.configuration.scope.clone();
        if let Some(list) = sheet.text_of(&fields, "watchNamespace")
            && let Some(names) = sheet.watch_namespace(list, &scope)
        {
            self.configuration.scope.watch_namespace = names;
        }
        if let Some(list) = sheet.text_of(&fields, "serviceAccount")
            && let Some(globs) = sheet.service_account(list)
        {
            self.configuration.scope.service_account = globs;
        }
        if let Some(scalar) = sheet.text_of(&fields, "expiringThreshold")
            && let Some(threshold) = sheet.expiring_threshold("expiringThreshold", scalar)
        {
            self.configuration.expiring_threshold = threshold;
        }
        if let Some(scalar) = sheet.text_of(&fields, "notifyEmail") {
            self.configuration.notify_email = sheet.notify_email("notifyEmail", scalar);
        }
        self.configuration.rrsa_enabled = sheet.boolean_of(&fields, "enableRRSA").unwrap_or(false);
        if let Some(scalar) = sheet.text_of(&fields, "tokenMode") {
            self.configuration.token_mode = sheet.token_mode(scalar);
        }
        if !fields.complete && fields.written("AcrInstanceInfo").is_none() {
            return None;
        }
        let setting = Setting { rrsa_enabled: self.configuration.rrsa_enabled };
        // After a syntax error the entries are read for their findings only.
        sheet
            .entries(fields.written("AcrInstanceInfo"), "AcrInstanceInfo", setting)
            .filter(|_| tree.fault.is_none())
    }
}
