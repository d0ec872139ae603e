//! Alibaba Cloud resource names of RAM roles and OIDC providers.

/// What a name must point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `acs:ram::ACCOUNT:role/NAME`
    Role,
    /// `acs:ram::ACCOUNT:oidc-provider/NAME`
    OidcProvider,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::OidcProvider => "oidc-provider",
        }
    }

    /// The form, for messages.
    pub(crate) fn form(self) -> &'static str {
        match self {
            Self::Role => "acs:ram::<account id>:role/<role name>",
            Self::OidcProvider => "acs:ram::<account id>:oidc-provider/<provider name>",
        }
    }
}

/// A well-formed name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arn<'t> {
    pub(crate) account: &'t str,
    pub(crate) name: &'t str,
}

/// Reads a name of this kind, or says what is wrong with it.
pub(crate) fn parse(text: &str, kind: Kind) -> Result<Arn<'_>, &'static str> {
    let rest = text.strip_prefix("acs:ram:").ok_or("it does not start with acs:ram::")?;
    let rest = rest.strip_prefix(':').ok_or("RAM has no region: two colons follow acs:ram")?;
    let (account, resource) = rest.split_once(':').ok_or("the account id is not followed by a colon")?;
    if account.is_empty() || account.len() > 20 || !account.chars().all(|c| c.is_ascii_digit()) {
        return Err("the account id is not a number");
    }
    let (word, name) = resource.split_once('/').ok_or("there is no name after a slash")?;
    if word != kind.word() {
        return Err(match (kind, word) {
            (Kind::Role, "oidc-provider") => "it names an OIDC provider, not a role",
            (Kind::OidcProvider, "role") => "it names a role, not an OIDC provider",
            (Kind::Role, "user") => "it names a user, not a role",
            _ => "it names something else",
        });
    }
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 128 || !name.chars().all(good) {
        return Err("the name is not 1 to 128 letters, digits, - _ .");
    }
    Ok(Arn { account, name })
}

#[cfg(test)]
mod tests {
    use super::{Arn, Kind, parse};

    #[test]
    fn a_role_and_a_provider_are_read() {
        assert_eq!(
            parse("acs:ram::1234567890123456:role/acr-puller", Kind::Role),
            Ok(Arn { account: "1234567890123456", name: "acr-puller" })
        );
        assert_eq!(
            parse("acs:ram::1:oidc-provider/ack-rrsa-c0ffee", Kind::OidcProvider),
            Ok(Arn { account: "1", name: "ack-rrsa-c0ffee" })
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, kind, part) in [
            ("", Kind::Role, "does not start"),
            ("arn:aws:iam::1:role/x", Kind::Role, "does not start"),
            ("acs:ram:cn-hangzhou:1:role/x", Kind::Role, "no region"),
            ("acs:ram::1", Kind::Role, "colon"),
            ("acs:ram::100XXXXXXXX9630:role/x", Kind::Role, "not a number"),
            ("acs:ram:::role/x", Kind::Role, "not a number"),
            ("acs:ram::1:role", Kind::Role, "slash"),
            ("acs:ram::1:role/", Kind::Role, "name"),
            ("acs:ram::1:role/a b", Kind::Role, "name"),
            ("acs:ram::1:role/a/b", Kind::Role, "name"),
            ("acs:ram::1:user/x", Kind::Role, "a user"),
            ("acs:ram::1:oidc-provider/x", Kind::Role, "an OIDC provider, not a role"),
            ("acs:ram::1:role/x", Kind::OidcProvider, "a role, not an OIDC provider"),
        ] {
            let error = parse(text, kind).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
