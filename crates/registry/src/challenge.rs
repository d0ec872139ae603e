//! The `WWW-Authenticate` header: who issues the tokens of a registry, and for what.

/// A `Bearer` challenge (<https://distribution.github.io/distribution/spec/auth/token/#how-to-authenticate>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BearerChallenge {
    /// URL of the token endpoint.
    pub realm: String,
    /// The registry as its token endpoint names it; of ACR's Enterprise Edition
    /// `registry.aliyuncs.com:<region>:china:<instance id>`.
    pub service: Option<String>,
    /// What a token must grant, in one text with spaces between.
    pub scope: Option<String>,
    /// Why a token that was sent is not enough, such as `insufficient_scope`.
    pub error: Option<String>,
}

/// The first `Bearer` challenge with a realm in the values of `WWW-Authenticate`. A value may hold several
/// challenges, and a header may come several times (RFC 9110 §11.6.1).
pub fn bearer_challenge<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<BearerChallenge> {
    values.into_iter().flat_map(parse).find_map(|challenge| {
        if !challenge.scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parameter = |name: &str| {
            let found = challenge.parameters.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        Some(BearerChallenge {
            realm: parameter("realm")?,
            service: parameter("service"),
            scope: parameter("scope"),
            error: parameter("error"),
        })
    })
}

#[derive(Debug)]
struct Challenge<'a> {
    scheme: &'a str,
    parameters: Vec<(&'a str, String)>,
}

/// All challenges of one value. A parameter is a token, `=` and a value; any other token starts a challenge.
fn parse(value: &str) -> Vec<Challenge<'_>> {
    let mut challenges: Vec<Challenge<'_>> = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (token, after) = split_token(rest);
        if token.is_empty() {
            return challenges;
        }
        let unspaced = after.trim_start_matches([' ', '\t']);
        if let (Some(text), Some(challenge)) = (unspaced.strip_prefix('='), challenges.last_mut()) {
            let (text, after) = split_value(text.trim_start_matches([' ', '\t']));
            challenge.parameters.push((token, text));
            // What is left of a `token68` such as `dGVzdA==` are its equals signs.
            rest = after.trim_start_matches('=');
        } else {
            challenges.push(Challenge { scheme: token, parameters: Vec::new() });
            rest = after.trim_start_matches('=');
        }
    }
}

/// The token at the start of `text` (RFC 9110 §5.6.2, and `/` and `:` for the sake of unquoted values), and
/// what follows.
fn split_token(text: &str) -> (&str, &str) {
    let is_token =
        |character: char| character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/:".contains(character);
    let end = text.find(|character| !is_token(character)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// The quoted string or token at the start of `text`, and what follows. A quotation that never ends, ends with
/// the text.
fn split_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = split_token(text);
        return (token.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => value.extend(characters.next()),
            other => value.push(other),
        }
    }
    (value, characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REALM: &str = "https://dockerauth.cn-hangzhou.aliyuncs.com/auth";

    #[test]
    fn without_a_bearer_scheme_and_a_realm_there_is_no_challenge() {
        for value in [
            "",
            "Bearer",
            "Bearer realm",
            "Bearer service=\"s\"",
            "Bearer realm=\"\"",
            "Basic realm=\"r\"",
            "realm=\"r\"",
            "Bearerrealm=\"r\"",
            "=,=,\"",
        ] {
            assert_eq!(bearer_challenge([value]), None, "{value}");
        }
        assert_eq!(bearer_challenge([]), None);
    }

    #[test]
    fn section_9_the_challenge_of_acr() {
        let value = format!(
            "Bearer realm=\"{REALM}\",service=\"registry.aliyuncs.com:cn-hangzhou:china:cri-1\",scope=\"repository:team/app:pull\""
        );
        assert_eq!(
            bearer_challenge([value.as_str()]),
            Some(BearerChallenge {
                realm: REALM.into(),
                service: Some("registry.aliyuncs.com:cn-hangzhou:china:cri-1".into()),
                scope: Some("repository:team/app:pull".into()),
                error: None,
            })
        );
    }

    #[test]
    fn other_schemes_around_it_do_not_hide_it() {
        for values in [
            &["Basic realm=\"a, Bearer realm=\\\"b\\\"\", bearer  Realm = \"https://t\" , scope=x"][..],
            &["Basic realm=\"a\"", "BEARER realm=https://t,scope=\"x\""],
            &["Negotiate dGVzdA==, Bearer scope=\"x\",realm=\"https://t\""],
            &["Negotiate, Bearer realm=\"https:\\//t\", scope=\"x\", Basic realm=\"z\""],
            &["Bearer error=\"e\"", ",, ,Bearer realm=\"https://t\",,scope=\"x\""],
        ] {
            let challenge = bearer_challenge(values.iter().copied()).unwrap_or_else(|| panic!("{values:?}"));
            assert_eq!(
                (challenge.realm.as_str(), challenge.scope.as_deref()),
                ("https://t", Some("x")),
                "{values:?}"
            );
        }
    }

    #[test]
    fn a_refused_token_says_why() {
        let value = "Bearer realm=\"https://t\",error=\"insufficient_scope\"";
        assert_eq!(bearer_challenge([value]).unwrap().error.as_deref(), Some("insufficient_scope"));
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic_or_run_on(value in "\\PC{0,80}|[Bb]earer [a-z\",=\\\\ ]{0,40}") {
            bearer_challenge([value.as_str()]);
        }

        #[test]
        fn a_quoted_value_is_read_back(realm in "[ -~]{1,40}", scope in "[ -~]{1,40}") {
            let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let value = format!("Bearer realm=\"{}\", scope=\"{}\"", quote(&realm), quote(&scope));
            let challenge = bearer_challenge([value.as_str()]).unwrap();
            prop_assert_eq!((challenge.realm, challenge.scope), (realm, Some(scope)));
        }
    }
}
