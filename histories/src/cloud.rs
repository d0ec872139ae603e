//! The simulated cloud as the edge would reach it: whole calls through `acr_alibaba`'s conversation, and a register of
//! everything that was handed out, which the contract judges by.

mod token;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use acr_alibaba::{Conversation, Stamp, Step, TransportFailure};
use acr_credentials::{Answer, Barrier, Call, FailureKind, Reply, UnixMillis};
use acr_simulator::{Cloud, Description, Mutation, Outcome};
use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

pub use trouble::{Trouble, effects};

use crate::estate::{self, Fact, Identity, Instance, KeyPair, PERSONAL};
use crate::random::Random;

/// A login that the cloud handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginRecord {
    /// For whom and where.
    pub fact: Fact,
    /// The place of the answer among all answers.
    pub serial: u64,
    /// When it ends, as told last.
    pub expires: UnixMillis,
    /// The earliest end that was told of it: in its trouble the cloud hands out the same login with several ends.
    pub earliest: UnixMillis,
}

/// A complete answer to the question for an instance's domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostsRecord {
    /// Who asked, and where.
    pub fact: Fact,
    /// The domains, in lower case.
    pub hosts: BTreeSet<String>,
}

/// What came of a call.
#[derive(Debug)]
pub struct Asked {
    /// The answer.
    pub answer: Answer,
    /// How long it takes beyond the way there and back.
    pub delay: Duration,
}

/// The cloud, the way to it, and what it handed out.
#[derive(Debug)]
pub struct CloudSide {
    cloud: Box<CloudBox>,
    original: &'static Description,
    nonces: Random,
    troubles: trouble::Troubles,
    serial: u64,
    sessions: BTreeMap<String, Session>,
    logins: BTreeMap<String, LoginRecord>,
}

/// Whose a session is, and where it was asked for: that is an input of whatever is asked with it.
#[derive(Debug)]
struct Session {
    identity: Identity,
    asked_at: String,
}

/// `Cloud` without its `Debug`, which it does not have.
struct CloudBox(Cloud);

impl std::fmt::Debug for CloudBox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Cloud")
    }
}

impl std::ops::Deref for CloudBox {
    type Target = Cloud;
    fn deref(&self) -> &Cloud {
        &self.0
    }
}

impl std::ops::DerefMut for CloudBox {
    fn deref_mut(&mut self) -> &mut Cloud {
        &mut self.0
    }
}

/// Why there is no cloud to ask.
#[derive(Debug, thiserror::Error)]
pub enum CloudSetupFailure {
    /// The description of the estate is not one.
    #[error("the simulator refuses the description of the cloud: {0}")]
    Description(String),
    /// The system makes no signing key.
    #[error("the system makes no key to sign ServiceAccount tokens with")]
    Key,
    /// The simulator does not take the issuer's keys.
    #[error("the simulator refuses the issuer's keys: {0}")]
    Issuer(String),
}

impl CloudSide {
    /// The cloud of the estate.
    pub fn new(seed: u64) -> Result<Self, CloudSetupFailure> {
        let original =
            estate::DESCRIPTION.as_ref().map_err(|error| CloudSetupFailure::Description(error.clone()))?;
        let tokens = token::TOKENS.as_ref().ok_or(CloudSetupFailure::Key)?;
        let mut cloud = Cloud::new(original.clone());
        let provider = estate::PROVIDER.to_owned();
        cloud
            .mutate(Mutation::SetIssuerKeys { provider, jwks: Some(tokens.jwks.clone()) })
            .map_err(|error| CloudSetupFailure::Issuer(error.to_string()))?;
        Ok(Self {
            cloud: Box::new(CloudBox(cloud)),
            original,
            nonces: Random::stream(seed, 0x6e6f_6e63),
            troubles: trouble::Troubles::default(),
            serial: 0,
            sessions: BTreeMap::new(),
            logins: BTreeMap::new(),
        })
    }

    /// Carries a whole call out at one moment of the cloud's time. `wall` is the clock that requests are stamped with.
    /// What takes longer than `deadline`, all exchanges together, is given up, as the edge does.
    pub fn ask(&mut self, now: UnixMillis, wall: UnixMillis, call: &Call, deadline: Duration) -> Asked {
        let mut conversation = Conversation::new(call.clone());
        let mut delay = Duration::ZERO;
        loop {
            let nonce = (u128::from(self.nonces.bits()) << 64) | u128::from(self.nonces.bits());
            match conversation.step(Stamp { wall, nonce }) {
                Step::Done(answer) => {
                    self.register(call, &answer);
                    return Asked { answer, delay };
                }
                Step::Send(request) => {
                    let host = request.uri().host().unwrap_or_default();
                    let (took, response) = match self.troubles.on_the_way(host) {
                        // Nothing is sent any more.
                        _ if delay >= deadline => (Duration::ZERO, Err(TransportFailure::TimedOut)),
                        Some(TransportFailure::TimedOut) => (deadline, Err(TransportFailure::TimedOut)),
                        Some(failure) => (Duration::ZERO, Err(failure)),
                        None => self.exchange(now, request),
                    };
                    delay = delay.saturating_add(took);
                    let response = if delay < deadline { response } else { Err(TransportFailure::TimedOut) };
                    delay = delay.min(deadline);
                    conversation.receive(response);
                    self.cloud.clear_calls();
                }
            }
        }
    }

    /// A ServiceAccount token as the cluster hands it out; one from the projected file may be stale.
    pub fn token(&self, projected: bool) -> Option<SecretString> {
        let tokens = token::TOKENS.as_ref()?;
        let stale = projected && self.troubles.any(&Trouble::StaleToken);
        Some(if stale { &tokens.stale } else { &tokens.fresh }.clone().into())
    }

    /// The login of a password, where the cloud handed it out.
    pub fn login(&self, password: &str) -> Option<&LoginRecord> {
        self.logins.get(password)
    }

    /// Who asks with this key.
    pub fn identity(&self, key: &acr_credentials::AccessKey) -> Option<Identity> {
        let id = key.id.expose_secret();
        self.sessions
            .get(id)
            .map(|session| session.identity)
            .or_else(|| KeyPair::of(id, key.secret.expose_secret()).map(Identity::Keys))
    }

    /// Where the session behind a key was asked for, and those before it; empty for the key of a user.
    pub fn asked_at(&self, key: &acr_credentials::AccessKey) -> &str {
        self.sessions.get(key.id.expose_secret()).map_or("", |session| &session.asked_at)
    }

    fn remember(&mut self, key: &acr_credentials::AccessKey, identity: Identity, asked_at: String) {
        self.sessions.insert(key.id.expose_secret().to_owned(), Session { identity, asked_at });
    }

    /// What a call asks for, where it is about an instance of the estate.
    pub fn fact(&self, call: &Call) -> Option<Fact> {
        match call {
            Call::ListInstanceEndpoint { instance, key, .. }
            | Call::GetAuthorizationToken { instance, key, .. } => {
                Some(Fact { instance: Instance::of(instance)?.id, identity: self.identity(key)? })
            }
            Call::PersonalAuthorizationToken { key, .. } => {
                Some(Fact { instance: PERSONAL.id, identity: self.identity(key)? })
            }
            Call::Region { .. }
            | Call::WorkerRole { .. }
            | Call::AssumeRoleWithOidc { .. }
            | Call::AssumeRole { .. }
            | Call::CallerIdentity { .. } => None,
        }
    }

    /// The domains in a complete answer.
    pub fn hosts(&self, call: &Call, answer: &Answer) -> Option<HostsRecord> {
        let Ok(Reply::Endpoints(hosts)) = &answer.outcome else { return None };
        let hosts = hosts.iter().map(|host| host.host.to_ascii_lowercase()).collect();
        Some(HostsRecord { fact: self.fact(call)?, hosts })
    }

    /// One request and its response, and how long that took.
    fn exchange(
        &mut self,
        now: UnixMillis,
        request: Request<Bytes>,
    ) -> (Duration, Result<Response<Bytes>, TransportFailure>) {
        let time = Timestamp::from_millisecond(now.0).unwrap_or(Timestamp::MAX);
        let response = self.cloud.call(time, request);
        let outcome = match response.outcome {
            Outcome::Answered(response) => Ok(response),
            Outcome::Cut => Err(TransportFailure::Cut("end of stream".to_owned())),
            Outcome::NoSuchHost => {
                Err(TransportFailure::NotReached(Barrier::Name, "no such host".to_owned()))
            }
        };
        (response.delay, outcome)
    }

    /// How many answers were given.
    pub fn answers(&self) -> u64 {
        self.serial
    }

    fn register(&mut self, call: &Call, answer: &Answer) {
        self.serial += 1;
        match (call, &answer.outcome) {
            (Call::WorkerRole { .. }, Ok(Reply::Credentials { key, .. })) => {
                self.remember(key, Identity::Worker, String::new());
            }
            (Call::AssumeRoleWithOidc { endpoints, .. }, Ok(Reply::Credentials { key, .. })) => {
                self.remember(key, Identity::Rrsa, endpoints.join(" "));
            }
            (Call::AssumeRole { endpoints, key: asker, .. }, Ok(Reply::Credentials { key, .. })) => {
                if let Some(identity) = self.identity(asker).and_then(Identity::hop) {
                    let asked_at = format!("{} after {}", endpoints.join(" "), self.asked_at(asker));
                    self.remember(key, identity, asked_at);
                }
            }
            (
                Call::GetAuthorizationToken { .. } | Call::PersonalAuthorizationToken { .. },
                Ok(Reply::Login(login)),
            ) => {
                if let Some(fact) = self.fact(call) {
                    let (serial, expires) = (self.serial, login.expires);
                    let known = self.logins.get(login.password.expose_secret());
                    let earliest = known.map_or(expires, |known| known.earliest.min(expires));
                    let record = LoginRecord { fact, serial, expires, earliest };
                    self.logins.insert(login.password.expose_secret().to_owned(), record);
                }
            }
            _ => {}
        }
    }
}

/// Whether a failure says that credentials or clocks are the matter, so that asking anew at once is no mere retry.
pub fn calls_for_other_inputs(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::CredentialsRefused | FailureKind::ClockSkew)
}

#[cfg(test)]
mod tests;
