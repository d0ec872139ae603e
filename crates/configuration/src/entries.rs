//! Readers for the entries of `acr-registry-info` and `AcrInstanceInfo`.

mod edition;

use std::collections::BTreeSet;

use crate::code;
use crate::configuration::{
    AssumeRole, DEFAULT_DURATION_SECONDS, Domain, Edition, EndpointChoice, Entry, Unsupported,
};
use crate::domain;
use crate::glob::Glob;
use crate::names;
use crate::placeholder::is_placeholder;
use crate::reader::Fields;
use crate::region;
use crate::sheet::Sheet;
use crate::yaml::{Node, Span, Value};

/// What the rest of the configuration says about all entries.
#[derive(Clone, Copy, Default)]
pub(crate) struct Setting {
    pub(crate) rrsa_enabled: bool,
}

/// An entry with the places that later checks need.
pub(crate) struct ReadEntry {
    pub(crate) entry: Entry,
    pub(crate) span: Span,
    pub(crate) id: Option<Span>,
    pub(crate) domains: Vec<(Domain, Span)>,
}

impl Sheet<'_> {
    /// The entries without an error. `None` when the list is absent, null, empty or no list (which is reported);
    /// only an explicit `[]` is an empty list.
    pub(crate) fn entries(
        &mut self,
        root: Option<&Node>,
        list: &str,
        setting: Setting,
    ) -> Option<Vec<ReadEntry>> {
        let Some(root) = root else {
            let at = self.first_text();
            self.missing_list(list, at);
            return None;
        };
        match &root.value {
            Value::Null => {
                self.missing_list(list, Some(root.span));
                None
            }
            Value::Scalar { text, .. } if crate::sheet::is_unset(text.trim()) => {
                self.missing_list(list, Some(root.span));
                None
            }
            Value::Sequence(nodes) => {
                let mut entries = Vec::new();
                for (index, node) in nodes.iter().enumerate() {
                    self.entry = Some(index);
                    let before = self.errors();
                    let entry = self.read_entry(index, node, setting);
                    entries.extend(entry.filter(|_| self.errors() == before && node.complete));
                    self.entry = None;
                }
                Some(entries)
            }
            Value::Mapping(_) => {
                self.wrong_type(
                    root,
                    list,
                    "a list of entries",
                    "put `- ` before the first field of each entry",
                );
                None
            }
            Value::Scalar { .. } => {
                self.wrong_type(root, list, "a list of entries", "`- instanceId: \"cri-…\"`");
                None
            }
        }
    }

    /// One stray `#` must not delete every pull secret: nothing at all is an error, not an empty list.
    fn missing_list(&mut self, list: &str, at: Option<Span>) {
        self.error(
            code::REGISTRY_INFO_MISSING,
            at,
            format!("{list} has no entries: it is absent, null, empty or commented out"),
            format!(
                "add an entry, `- instanceId: \"cri-…\"`, or write `{list}: []` to remove all pull secrets"
            ),
        );
    }

    fn read_entry(&mut self, index: usize, node: &Node, setting: Setting) -> Option<ReadEntry> {
        self.unparsed = None;
        let fields = self.fields(node, &names::ENTRY, "the entry")?;
        let mut reasons = Vec::new();
        let edition = self.edition(&fields, &mut reasons);
        let region = self.region_of(&fields, &mut reasons);
        let domains = self.domains(&fields, edition.as_ref(), &mut reasons);
        if edition == Some(Edition::Personal) {
            self.compare_with_personal(region.as_deref(), domains.as_deref().unwrap_or_default());
        }
        let identity = self.identity(&fields, setting);
        if identity.as_ref().is_some_and(|identity| self.is_session_without_token(&fields, identity)) {
            reasons.push(Unsupported::SessionKeyWithoutToken);
        }
        let assume_role = self.assume_role(&fields);
        self.warn_about_the_same_role(&fields, identity.as_ref(), assume_role.as_ref());
        let namespaces = self.names_of(&fields, "namespaces");
        let service_accounts = self.names_of(&fields, "serviceAccounts");
        let endpoints = [
            ("auto", EndpointChoice::Auto),
            ("vpc", EndpointChoice::Vpc),
            ("public", EndpointChoice::Public),
        ];
        let endpoint = self.choice_of(&fields, "endpoint", &endpoints).unwrap_or_default();
        if let Some(field) = self.unparsed {
            reasons.insert(0, Unsupported::Placeholder { field });
        }
        let spans = domains.clone().unwrap_or_default();
        let entry = Entry {
            index,
            edition: edition?,
            region,
            domains: domains.map(|domains| domains.into_iter().map(|(domain, _)| domain).collect()),
            identity: identity?,
            assume_role,
            namespaces,
            service_accounts,
            endpoint,
            unsupported: reasons.into_iter().next(),
        };
        let id = fields.written("instanceId").map(|node| node.span);
        Some(ReadEntry { entry, span: fields.span, id, domains: spans })
    }

    fn region_of(&mut self, fields: &Fields<'_>, reasons: &mut Vec<Unsupported>) -> Option<String> {
        let scalar = self.text_of(fields, "regionId")?;
        if self.is_placeholder("regionId", scalar) {
            self.unparsed = Some("regionId");
            return None;
        }
        if let Err(near) = region::check(scalar.text) {
            let found = self.quote(scalar.text);
            let remedy = match near {
                Some(near) => format!("write `{near}`, if that is what is meant"),
                None => "write the region of the instance as the console shows it, such as `cn-hangzhou`"
                    .to_owned(),
            };
            self.warn(code::UNKNOWN_REGION, Some(scalar.span), format!("{found} is no known region"), remedy);
            // The region becomes a part of host names.
            if !crate::scope::is_dns_label(scalar.text) {
                reasons.insert(0, Unsupported::ImpossibleRegion);
                return None;
            }
        }
        Some(scalar.text.to_owned())
    }

    /// `None` when the field is not set: all domains of the instance.
    fn domains(
        &mut self,
        fields: &Fields<'_>,
        edition: Option<&Edition>,
        reasons: &mut Vec<Unsupported>,
    ) -> Option<Vec<(Domain, Span)>> {
        let list = self.text_of(fields, "domains")?;
        let mut domains: Vec<(Domain, Span)> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut new_personal = false;
        for item in list.items() {
            let placeholder = self.is_placeholder("domains", item);
            let found = self.quote(item.text);
            let read = match domain::parse(item.text) {
                Ok(read) => read,
                Err(_) if placeholder => {
                    self.unparsed = Some("domains");
                    continue;
                }
                Err(reason) => {
                    self.error(
                        code::INVALID_DOMAIN,
                        Some(item.span),
                        format!("{found} in domains is no registry domain: {reason}"),
                        "write `host`, `host:port` or `host/namespace`, several separated by commas"
                            .to_owned(),
                    );
                    continue;
                }
            };
            if read.had_scheme {
                self.warn(
                    code::DOMAIN_WITH_SCHEME,
                    Some(item.span),
                    format!("{found} in domains has a scheme; image references have none"),
                    format!("write {}", self.quote(&read.domain.to_string())),
                );
            }
            if domain::is_new_personal(&read.domain.host) && edition != Some(&Edition::Static) {
                new_personal = true;
                self.warn(
                    code::NEW_PERSONAL_EDITION,
                    Some(item.span),
                    format!(
                        "{found} belongs to the new Personal Edition (opened after 2024-09-08), for which ACR hands out no \
                         temporary login: it is not served"
                    ),
                    "give it an entry with staticSecretRef and domains".to_owned(),
                );
            }
            if seen.insert(read.domain.clone()) {
                domains.push((read.domain, item.span));
            } else {
                self.warn(
                    code::DUPLICATE_HOST,
                    Some(item.span),
                    format!("{found} stands in domains already"),
                    "remove one of the two".to_owned(),
                );
            }
        }
        if new_personal {
            // The login of the entry's instance is of no use there.
            domains.retain(|(domain, _)| !domain::is_new_personal(&domain.host));
            if domains.is_empty() {
                reasons.insert(0, Unsupported::NewPersonalEdition);
            }
        }
        Some(domains)
    }

    /// The Personal Edition has no call that lists its hosts: they follow from the region, as far as the text names it.
    fn compare_with_personal(&mut self, region: Option<&str>, domains: &[(Domain, Span)]) {
        for (domain, span) in domains {
            let host = domain::without_port(&domain.host);
            // Nobody documents where this one leads.
            if host == "registry.aliyuncs.com" || is_placeholder(host) {
                continue;
            }
            let found = self.quote(&domain.to_string());
            let (message, remedy) = match (region::personal_region(host), region) {
                (Some((of, name)), Some(region)) if of != region => (
                    format!(
                        "{found} is a host of the Personal Edition in {of}, and the entry is that of {region}: it is published \
                         all the same"
                    ),
                    format!("write `regionId: {of}`, or `{name}.{region}.aliyuncs.com`"),
                ),
                (Some(_), _) => continue,
                (None, region) => (
                    format!(
                        "{found} is no host of the Personal Edition, which an empty instanceId means: it is published all the \
                         same"
                    ),
                    format!(
                        "for an Enterprise instance write its id, `instanceId: \"cri-…\"`; the Personal Edition has hosts such \
                         as `registry.{}.aliyuncs.com`",
                        region.unwrap_or("REGION")
                    ),
                ),
            };
            self.warn(code::HOST_NOT_OF_INSTANCE, Some(*span), message, remedy);
        }
    }

    fn assume_role(&mut self, fields: &Fields<'_>) -> Option<AssumeRole> {
        let role = self.role_of(fields, "assumeRoleARN");
        let duration = self.number_of(fields, "expireDuration", 900..=43_200);
        let external_id = self.external_id(fields);
        if !fields.is_set("assumeRoleARN") {
            for field in ["expireDuration", "externalId"].into_iter().filter(|field| fields.is_set(field)) {
                self.warn(
                    code::NO_EFFECT,
                    fields.name_span(field),
                    format!("{field} has no effect without assumeRoleARN"),
                    format!("remove {field}, or add assumeRoleARN"),
                );
            }
            return None;
        }
        Some(AssumeRole {
            role_arn: role?,
            duration_seconds: duration.unwrap_or(DEFAULT_DURATION_SECONDS),
            external_id,
        })
    }

    /// The limits of STS `AssumeRole`: 2 to 1224 characters.
    fn external_id(&mut self, fields: &Fields<'_>) -> Option<String> {
        let scalar = self.text_of(fields, "externalId")?;
        if self.is_placeholder("externalId", scalar) {
            return Some(scalar.text.to_owned());
        }
        let good = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
        if (2..=1224).contains(&scalar.text.len()) && scalar.text.chars().all(good) {
            return Some(scalar.text.to_owned());
        }
        self.error(
            code::INVALID_VALUE,
            Some(scalar.span),
            "externalId is not 2 to 1224 letters, digits and _ + = , . @ : / -".to_owned(),
            "write the external id that the trust policy of the role asks for".to_owned(),
        );
        None
    }

    /// A YAML list or a comma list of globs; `None` when not set or empty.
    fn names_of(&mut self, fields: &Fields<'_>, name: &'static str) -> Option<Vec<Glob>> {
        let node = fields.written(name)?;
        let Value::Sequence(nodes) = &node.value else {
            let list = self.text_of(fields, name)?;
            return self.globs(name, list);
        };
        let mut globs = Vec::new();
        let mut any = false;
        for node in nodes {
            self.show(node);
            match &node.value {
                Value::Scalar { text, style } => {
                    let scalar = crate::sheet::Scalar::of(node, text, *style).trimmed();
                    if !scalar.text.is_empty() {
                        any = true;
                        globs.extend(self.glob(name, scalar));
                    }
                }
                Value::Null => {}
                Value::Sequence(_) | Value::Mapping(_) => {
                    self.wrong_type(
                        node,
                        name,
                        "a list of names",
                        "`- name` for each, or one text with commas",
                    );
                }
            }
        }
        any.then_some(globs)
    }
}
