//! Readers for the fields of an entry that say who asks: keys, references to Secrets, ARNs.

use crate::arn::{self, Arn, Kind};
use crate::code;
use crate::configuration::{AssumeRole, Identity, SecretRef};
use crate::entries::Setting;
use crate::names;
use crate::reader::Fields;
use crate::scope::{is_dns_label, is_dns_subdomain};
use crate::secret::SecretText;
use crate::sheet::Sheet;

impl Sheet<'_> {
    /// What the fields select, in the order of the specification. `None` after an error.
    pub(crate) fn identity(&mut self, fields: &Fields<'_>, setting: Setting) -> Option<Identity> {
        let static_ref = self.secret_ref(fields, "staticSecretRef");
        let key_ref = self.secret_ref(fields, "customAccessKeySecretRef");
        let key = self.access_key(fields);
        let rrsa = self.rrsa_pair(fields, setting);
        self.warn_about_several(fields, setting);
        if fields.is_set("staticSecretRef") {
            self.warn_about_what_nobody_is_asked_for(fields);
            return static_ref.map(Identity::StaticSecretRef);
        }
        if fields.is_set("customAccessKeySecretRef") {
            return key_ref.map(Identity::AccessKeySecretRef);
        }
        if fields.is_set("customAccessKey") || fields.is_set("customAccessKeySecret") {
            return key;
        }
        if setting.rrsa_enabled && (fields.is_set("rrsaRoleARN") || fields.is_set("rrsaOIDCProviderRoleARN"))
        {
            return rrsa;
        }
        if setting.rrsa_enabled {
            self.warn(
                code::RRSA_WITHOUT_ARNS,
                Some(fields.span),
                "RRSA is enabled, but the entry has no rrsaRoleARN and rrsaOIDCProviderRoleARN".to_owned(),
                "add both ARNs; without them the entry uses the identity of tokenMode".to_owned(),
            );
        }
        Some(Identity::TokenMode)
    }

    /// A login that somebody wrote down is published as it is: no cloud is called.
    fn warn_about_what_nobody_is_asked_for(&mut self, fields: &Fields<'_>) {
        let unread = ["assumeRoleARN", "endpoint", "instanceId", "regionId"];
        for field in unread.into_iter().filter(|field| fields.is_set(field)) {
            self.warn(
                code::NO_EFFECT,
                fields.name_span(field),
                format!("{field} has no effect beside staticSecretRef, whose login is published as it is"),
                format!("remove {field}, or staticSecretRef"),
            );
        }
    }

    /// An entry has no field for the token of a session.
    pub(crate) fn is_session_without_token(&mut self, fields: &Fields<'_>, identity: &Identity) -> bool {
        let Identity::AccessKey { id, .. } = identity else { return false };
        let is = id.expose().starts_with("STS.");
        if is {
            self.warn(
                code::SESSION_KEY_WITHOUT_TOKEN,
                fields.written("customAccessKey").map(|node| node.span),
                "customAccessKey begins with `STS.`: it is the key of a session, and without its security token Alibaba \
                 Cloud refuses it"
                    .to_owned(),
                "write the key of a RAM user, or put access-key-id, access-key-secret and security-token into a Secret and \
                 name that with customAccessKeySecretRef; this entry is not served"
                    .to_owned(),
            );
        }
        is
    }

    /// Whoever has a role by RRSA need not assume it.
    pub(crate) fn warn_about_the_same_role(
        &mut self,
        fields: &Fields<'_>,
        identity: Option<&Identity>,
        hop: Option<&AssumeRole>,
    ) {
        let (Some(Identity::Rrsa { role_arn, .. }), Some(hop)) = (identity, hop) else { return };
        if *role_arn == hop.role_arn {
            self.warn(
                code::SAME_ROLE_TWICE,
                fields.name_span("assumeRoleARN"),
                "assumeRoleARN names the role of rrsaRoleARN, which the component has by then: it is asked to let itself in"
                    .to_owned(),
                "remove assumeRoleARN where the instance is of the same account, else name a role of the instance's account"
                    .to_owned(),
            );
        }
    }

    fn warn_about_several(&mut self, fields: &Fields<'_>, setting: Setting) {
        let mut set: Vec<&'static str> = ["staticSecretRef", "customAccessKeySecretRef"]
            .into_iter()
            .filter(|field| fields.is_set(field))
            .collect();
        let either = |fields: &Fields<'_>, names: [&'static str; 2]| {
            names.into_iter().find(|name| fields.is_set(name))
        };
        set.extend(either(fields, ["customAccessKey", "customAccessKeySecret"]));
        if setting.rrsa_enabled {
            set.extend(either(fields, ["rrsaRoleARN", "rrsaOIDCProviderRoleARN"]));
        }
        let Some((winner, losers)) = set.split_first() else { return };
        for loser in losers {
            self.warn(
                code::SEVERAL_IDENTITIES,
                fields.name_span(loser),
                format!("the entry has {winner} and {loser}; {winner} wins"),
                format!("remove {loser}, or {winner}"),
            );
        }
    }

    /// `namespace` and `name` of a Secret.
    fn secret_ref(&mut self, fields: &Fields<'_>, name: &'static str) -> Option<SecretRef> {
        if !fields.is_set(name) {
            return None;
        }
        let node = fields.written(name)?;
        let inner = self.fields(node, &names::SECRET_REF, name)?;
        let before = self.errors();
        let namespace = self.name_in_ref(&inner, name, "namespace", is_dns_label);
        let secret = self.name_in_ref(&inner, name, "name", is_dns_subdomain);
        let reference = SecretRef { namespace: namespace?, name: secret? };
        if names::OWN_SECRETS.contains(&reference.name.as_str()) {
            self.error(
                code::INVALID_VALUE,
                inner.written("name").map(|node| node.span),
                format!("{name} names the Secret {}, which the component itself writes", reference.name),
                "name the Secret into which you have put the login or the key".to_owned(),
            );
        }
        (self.errors() == before).then_some(reference)
    }

    fn name_in_ref(
        &mut self,
        inner: &Fields<'_>,
        outer: &'static str,
        name: &'static str,
        rule: fn(&str) -> bool,
    ) -> Option<String> {
        let before = self.errors();
        let Some(scalar) = self.text_of(inner, name) else {
            if self.errors() == before && inner.complete {
                self.error(
                    code::INCOMPLETE_PAIR,
                    Some(inner.name_span(name).unwrap_or(inner.span)),
                    format!("{outer} has no {name}"),
                    format!("write both: `{outer}: {{namespace: …, name: …}}`"),
                );
            }
            return None;
        };
        if self.is_placeholder(name, scalar) {
            self.unparsed = Some(outer);
        } else if !rule(scalar.text) {
            let found = self.quote(scalar.text);
            self.error(
                code::INVALID_VALUE,
                Some(scalar.span),
                format!("{found} cannot be the {name} of a Secret"),
                "write the name as `kubectl get secret -A` shows it".to_owned(),
            );
            return None;
        }
        Some(scalar.text.to_owned())
    }

    /// Inline keys. Their values are never shown.
    fn access_key(&mut self, fields: &Fields<'_>) -> Option<Identity> {
        let pair = ["customAccessKey", "customAccessKeySecret"];
        let present: Vec<&'static str> = pair.into_iter().filter(|name| fields.is_set(name)).collect();
        let first = *present.first()?;
        let is_parameter = self.key() == names::ADD_ON_PARAMETERS;
        let place = if is_parameter { "the add-on parameters" } else { "the ConfigMap" };
        self.warn(
            code::INLINE_ACCESS_KEY,
            fields.name_span(first),
            format!("an AccessKey stands in plain text in {place}"),
            "put it into a Secret and name that with customAccessKeySecretRef".to_owned(),
        );
        let id = self.text_of(fields, "customAccessKey");
        let secret = self.text_of(fields, "customAccessKeySecret");
        for (name, value) in [("customAccessKey", id), ("customAccessKeySecret", secret)] {
            let Some(scalar) = value else { continue };
            if !self.is_placeholder(name, scalar)
                && scalar.text.contains(|c: char| c.is_whitespace() || c.is_control())
            {
                self.error(
                    code::INVALID_VALUE,
                    Some(scalar.span),
                    format!("{name} has white space in it"),
                    "write the key in one piece".to_owned(),
                );
            }
        }
        if present.len() == 1 && fields.complete {
            let missing =
                if first == "customAccessKey" { "customAccessKeySecret" } else { "customAccessKey" };
            self.incomplete_pair(fields, first, missing);
        }
        Some(Identity::AccessKey { id: SecretText::new(id?.text), secret: SecretText::new(secret?.text) })
    }

    /// The two ARNs of RRSA, checked also where RRSA is off.
    fn rrsa_pair(&mut self, fields: &Fields<'_>, setting: Setting) -> Option<Identity> {
        let names = ["rrsaRoleARN", "rrsaOIDCProviderRoleARN"];
        let present: Vec<&'static str> = names.into_iter().filter(|name| fields.is_set(name)).collect();
        let first = *present.first()?;
        let role = self.arn(fields, "rrsaRoleARN", Kind::Role);
        let provider = self.arn(fields, "rrsaOIDCProviderRoleARN", Kind::OidcProvider);
        if present.len() == 1 && fields.complete {
            let missing = if first == "rrsaRoleARN" { "rrsaOIDCProviderRoleARN" } else { "rrsaRoleARN" };
            self.incomplete_pair(fields, first, missing);
        }
        if let (Some((_, Some(role))), Some((_, Some(provider)))) = (&role, &provider)
            && role.account != provider.account
        {
            self.error(
                code::INCOMPLETE_PAIR,
                fields.name_span("rrsaOIDCProviderRoleARN"),
                format!(
                    "the OIDC provider is of account {}, the role of account {}; a role can only trust a provider of its own",
                    self.quote(provider.account),
                    self.quote(role.account)
                ),
                "write the provider and the role of the cluster's account; the hop into another account is assumeRoleARN"
                    .to_owned(),
            );
        }
        if !setting.rrsa_enabled {
            self.warn(
                code::ARNS_WITHOUT_RRSA,
                fields.name_span(first),
                format!("{first} has no effect: RRSA is not enabled"),
                "add the key `rrsa` with `enable: true` (add-on parameter `enableRRSA: true`), or remove the ARNs"
                    .to_owned(),
            );
        }
        Some(Identity::Rrsa { role_arn: role?.0.to_owned(), oidc_provider_arn: provider?.0.to_owned() })
    }

    fn incomplete_pair(&mut self, fields: &Fields<'_>, given: &'static str, missing: &'static str) {
        self.error(
            code::INCOMPLETE_PAIR,
            fields.name_span(given),
            format!("{given} is given without {missing}"),
            format!("add {missing}, or remove {given}"),
        );
    }

    /// The text of a role's ARN; a placeholder is kept, and the entry is not served.
    pub(crate) fn role_of(&mut self, fields: &Fields<'_>, name: &'static str) -> Option<String> {
        self.arn(fields, name, Kind::Role).map(|(text, _)| text.to_owned())
    }

    /// The text, and its parts unless it is a placeholder.
    fn arn<'n>(
        &mut self,
        fields: &Fields<'n>,
        name: &'static str,
        kind: Kind,
    ) -> Option<(&'n str, Option<Arn<'n>>)> {
        let scalar = self.text_of(fields, name)?;
        if self.is_placeholder(name, scalar) {
            self.unparsed = Some(name);
            return Some((scalar.text, None));
        }
        match arn::parse(scalar.text, kind) {
            Ok(arn) => Some((scalar.text, Some(arn))),
            Err(reason) => {
                let found = self.quote(scalar.text);
                self.error(
                    code::INVALID_ARN,
                    Some(scalar.span),
                    format!("{name} {found} is no ARN of this kind: {reason}"),
                    format!("write `{}`", kind.form()),
                );
                None
            }
        }
    }
}
