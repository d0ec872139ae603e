//! The token service of the registries (`dockerauth`): Basic login in, signed registry token out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::container_registry::TEMPORARY_USER;
use crate::description::{Instance, Personal, Repository, wildcard};
use crate::incoming::Incoming;
use crate::ram::Caller;
use crate::sealed::LoginScope;
use crate::world::World;

/// The issuer in every registry token.
pub const TOKEN_ISSUER: &str = "dockerauth.aliyuncs.com";
/// The content type of every answer.
pub(crate) const JSON: &str = "application/json; charset=utf-8";
/// Life of a registry token in seconds.
const TOKEN_LIFE: i64 = 600;
/// How far back a registry token is valid already, in seconds.
const TOKEN_BACKDATE: i64 = 300;

/// A token, or why there is none.
pub(crate) struct Answer {
    /// ARN of the identity behind the login.
    pub(crate) caller: Option<String>,
    pub(crate) result: Result<Value, Refusal>,
}

/// Why the token service gives no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No such path.
    NotFound,
    /// Not a GET; the OAuth2 form by POST is not offered.
    MethodNotAllowed,
    /// No registry has this service string, or not on this host.
    UnknownService,
    /// The login is not one of ours, belongs to another registry, or its identity is gone.
    WrongLogin,
    /// The login is past its expiry.
    ExpiredLogin,
    /// The cloud has no signing key.
    NoSigningKey,
}

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnknownService | Self::WrongLogin | Self::ExpiredLogin => StatusCode::UNAUTHORIZED,
            Self::NoSigningKey => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The body, which does not tell one unauthorized case from the other.
    pub(crate) fn body(self) -> String {
        let (code, message) = match self {
            Self::NotFound => ("NOT_FOUND", "no such path"),
            Self::MethodNotAllowed => ("UNSUPPORTED", "method not allowed"),
            Self::UnknownService | Self::WrongLogin | Self::ExpiredLogin => {
                ("UNAUTHORIZED", "authentication required")
            }
            Self::NoSigningKey => ("UNKNOWN", "internal error"),
        };
        error_body(code, message)
    }
}

/// The body of a refusal, as the distribution specification has it.
pub(crate) fn error_body(code: &str, message: &str) -> String {
    json!({ "errors": [{ "code": code, "message": message, "detail": null }] }).to_string()
}

/// Answers a request for a registry token.
pub(crate) fn answer(world: &World, now: Timestamp, request: &Incoming, request_id: &str) -> Answer {
    let refuse = |refusal| Answer { caller: None, result: Err(refusal) };
    if request.path != "/auth" {
        return refuse(Refusal::NotFound);
    }
    if request.method != Method::GET {
        return refuse(Refusal::MethodNotAllowed);
    }
    let service = request.parameters.get("service").unwrap_or_default();
    let here = |registry: &Registry<'_>| match (&request.address.taken_over_by, registry) {
        (None, _) => true,
        (Some(id), Registry::Enterprise(instance)) => instance.id == *id,
        (Some(_), Registry::Personal { .. }) => false,
    };
    let Some(registry) = Registry::of(world, service).filter(here) else {
        return refuse(Refusal::UnknownService);
    };
    let caller = match request.header("authorization").map(|header| login(world, now, &registry, header)) {
        None => None,
        Some(Ok(caller)) => Some(caller),
        Some(Err(refusal)) => return refuse(refusal),
    };
    let access: Vec<Value> = request
        .parameters
        .all("scope")
        .flat_map(str::split_whitespace)
        .filter_map(|scope| grant(world, &registry, caller.as_ref(), scope))
        .collect();
    let issued = now.as_second();
    let claims = json!({
        "iss": TOKEN_ISSUER,
        "aud": service,
        "sub": if caller.is_some() { TEMPORARY_USER } else { "" },
        "jti": request_id,
        "iat": issued,
        "nbf": issued.saturating_sub(TOKEN_BACKDATE),
        "exp": issued.saturating_add(TOKEN_LIFE),
        "access": access,
    });
    let token = world.signing_key.as_ref().and_then(|key| key.jwt(&claims));
    Answer {
        caller: caller.as_ref().map(Caller::arn),
        result: token.map(|token| json!({ "token": token })).ok_or(Refusal::NoSigningKey),
    }
}

/// A registry that tokens are for.
enum Registry<'a> {
    Enterprise(&'a Instance),
    /// That of the Personal Edition in a region.
    Personal {
        region: &'a str,
    },
}

impl<'a> Registry<'a> {
    /// The registry with a service string.
    fn of(world: &'a World, service: &str) -> Option<Self> {
        let instance = world.description.instances.iter().find(|instance| instance.service() == service);
        let regions = || world.description.personal.iter().map(|edition| edition.region.as_str());
        let personal = || regions().find(|region| Personal::service(region) == service);
        instance.map(Self::Enterprise).or_else(|| personal().map(|region| Self::Personal { region }))
    }

    /// Whether a login was made for this registry.
    fn takes(&self, scope: &LoginScope) -> bool {
        match (self, scope) {
            (Self::Enterprise(instance), LoginScope::InstanceId(id)) => instance.id == *id,
            (Self::Personal { region }, LoginScope::Region(of)) => region == of,
            (Self::Enterprise(_), LoginScope::Region(_))
            | (Self::Personal { .. }, LoginScope::InstanceId(_)) => false,
        }
    }

    /// The owner of a repository, its resource in RAM and whether everyone may pull it; `None` where it does not exist.
    fn repository(&self, world: &'a World, name: &str) -> Option<(&'a str, String, bool)> {
        let fits = |repository: &&Repository| wildcard(&repository.name, name);
        let resource =
            |region: &str, account: &str, path: &str| format!("acs:cr:{region}:{account}:repository/{path}");
        match self {
            Self::Enterprise(instance) => {
                // Without a list every repository exists and is private.
                let public = match &instance.repositories {
                    None => false,
                    Some(repositories) => repositories.iter().find(fits)?.public,
                };
                let path = format!("{}/{name}", instance.id);
                Some((&instance.account, resource(&instance.region, &instance.account, &path), public))
            }
            Self::Personal { region } => {
                let editions = world.description.personal.iter().filter(|edition| edition.region == *region);
                let mut found =
                    editions.filter_map(|edition| Some((edition, edition.repositories.iter().find(fits)?)));
                let (edition, repository) = found.next()?;
                Some((&edition.account, resource(region, &edition.account, name), repository.public))
            }
        }
    }
}

/// The identity behind a Basic login.
///
/// A login serves the registry that it was made for. The documentation leaves open whether the real service is as
/// strict; here a mix-up of two logins must not go unnoticed.
fn login(world: &World, now: Timestamp, registry: &Registry<'_>, header: &str) -> Result<Caller, Refusal> {
    let wrong = Refusal::WrongLogin;
    let encoded = header.strip_prefix("Basic ").ok_or(wrong)?;
    let pair = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(wrong)?;
    // The password holds a colon itself.
    let (user, password) = pair.split_once(':').ok_or(wrong)?;
    let login = world.sealer.login(password).filter(|_| user == TEMPORARY_USER).ok_or(wrong)?;
    if !registry.takes(&login.scope) {
        return Err(wrong);
    }
    if login.time.parse::<i64>().is_ok_and(|expires| now.as_millisecond() >= expires) {
        return Err(Refusal::ExpiredLogin);
    }
    world.description.login_caller(&world.sealer, &login.owner).ok_or(wrong)
}

/// What a scope (`repository:<namespace>/<name>:pull,push`) gives to a caller; `None` when nothing.
fn grant(world: &World, registry: &Registry<'_>, caller: Option<&Caller>, scope: &str) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    if kind != "repository" {
        return None;
    }
    let (owner, resource, public) = registry.repository(world, name)?;
    let may = |ram_action: &str| {
        caller.is_some_and(|caller| world.description.permits(caller, owner, ram_action, &resource))
    };
    let granted: Vec<&str> = actions
        .split(',')
        .filter(|action| match *action {
            "pull" => public || may("cr:PullRepository"),
            "push" => may("cr:PushRepository"),
            _ => false,
        })
        .collect();
    (!granted.is_empty()).then(|| json!({ "type": kind, "name": name, "actions": granted }))
}
