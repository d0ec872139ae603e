//! A call as an exchange of HTTP requests and answers, without clock, randomness or socket.

use std::fmt;

use acr_credentials::{Answer, Barrier, Call, CallFailure, FailureKind, Reply, UnixMillis, safe_text};
use bytes::Bytes;
use http::{Request, Response};
use secrecy::SecretString;

use crate::base_url::BaseUrl;
use crate::container_registry::Operation;
use crate::fault::Fault;
use crate::metadata::Access;
use crate::received::{Received, date};
use crate::sts::{AssumeRole, AssumeRoleWithOidc};
use crate::{container_registry, metadata, sts};

/// The longest body that is read; answers have a few kilobytes.
pub const BODY_LIMIT_BYTES: usize = 1 << 20;

/// What makes one request unlike every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Wall clock, corrected by what is known of the cloud's clock.
    pub wall: UnixMillis,
    /// Never the same twice; sent as 32 hex digits.
    pub nonce: u128,
}

/// What to do next for a call.
#[derive(Clone)]
pub enum Step {
    /// Send this request to its absolute URI, then hand over what came of it by [`Conversation::receive`].
    Send(Request<Bytes>),
    /// The call is over.
    Done(Answer),
}

impl fmt::Debug for Step {
    /// Method and URI only: the body may be a token.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(request) => write!(formatter, "Send({} {})", request.method(), request.uri()),
            Self::Done(answer) => formatter.debug_tuple("Done").field(answer).finish(),
        }
    }
}

/// Why there is no complete HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportFailure {
    /// No connection came about: nothing was sent.
    NotReached(Barrier, String),
    /// The connection ended before the answer did.
    Cut(String),
    /// The deadline of the call passed.
    TimedOut,
    /// The body is longer than [`BODY_LIMIT_BYTES`].
    TooLarge,
}

/// One [`Call`] while it is carried out: ask [`Self::step`] what to do, tell [`Self::receive`] what came of it,
/// until the step is [`Step::Done`].
#[derive(Debug)]
pub struct Conversation {
    call: Call,
    stage: Stage,
    /// Index of the endpoint in use.
    candidate: usize,
    /// Why the endpoints before it were left.
    unreached: Vec<String>,
    /// Time stamp of the last request.
    asked_at: UnixMillis,
    cloud_time: Option<UnixMillis>,
}

#[derive(Debug)]
enum Stage {
    /// The only request of STS and Container Registry; of metadata the one for a token of hardened mode.
    First,
    Region(Access),
    RoleName(Access),
    Role(Access, String),
    /// The account of the role, which only its name in messages needs: without it the reply stands as it is.
    Account(Access, Reply),
    Done(Answer),
}

/// What an answer that is no failure leads to.
enum Progress {
    Ask(Stage),
    Replied(Reply),
}

impl Conversation {
    /// A call about to be carried out.
    pub fn new(call: Call) -> Self {
        Self {
            call,
            stage: Stage::First,
            candidate: 0,
            unreached: Vec::new(),
            asked_at: UnixMillis::default(),
            cloud_time: None,
        }
    }

    /// The next request, stamped with `stamp`, or the answer of the call. Asked again without an answer in
    /// between, it is the same request with a new stamp.
    pub fn step(&mut self, stamp: Stamp) -> Step {
        self.asked_at = stamp.wall;
        loop {
            if let Stage::Done(answer) = &self.stage {
                return Step::Done(answer.clone());
            }
            let Some(endpoint) = endpoints(&self.call).get(self.candidate) else {
                self.finish(Err(Fault::new(
                    FailureKind::Unreachable { at: Barrier::NoEndpoint },
                    "no endpoint is known",
                )));
                continue;
            };
            match BaseUrl::parse(endpoint) {
                Err(reason) => {
                    let shown = safe_text::message(endpoint, &[]);
                    // What may be a password in a URL is not repeated.
                    let shown = if shown.contains('@') { "the endpoint" } else { &shown };
                    self.leave_endpoint(Barrier::Name, format!("{shown} is no usable endpoint: {reason}"));
                }
                Ok(base) => match self.request(&base, stamp) {
                    Ok(request) => return Step::Send(request),
                    Err(_) => self.finish(Err(Fault::new(
                        FailureKind::CredentialsRefused,
                        "a key or a token holds characters that no HTTP header can carry",
                    ))),
                },
            }
        }
    }

    /// Takes in what came of the last request.
    pub fn receive(&mut self, response: Result<Response<Bytes>, TransportFailure>) {
        if matches!(self.stage, Stage::Done(_)) {
            return;
        }
        if let (Stage::Account(_, reply), Err(_)) = (&self.stage, &response) {
            return self.finish(Ok(reply.clone()));
        }
        match response {
            Ok(response) => {
                self.cloud_time = date(response.headers()).or(self.cloud_time);
                let received = Received {
                    status: response.status(),
                    headers: response.headers(),
                    body: response.body(),
                    now: date(response.headers()).unwrap_or(self.asked_at),
                };
                match self.decode(&received) {
                    Ok(Progress::Ask(stage)) => self.stage = stage,
                    Ok(Progress::Replied(reply)) => self.finish(Ok(reply)),
                    Err(fault) => self.finish(Err(fault)),
                }
            }
            Err(TransportFailure::NotReached(at, reason)) => {
                let reason = format!("{}: {reason}", self.endpoint_in_use());
                self.leave_endpoint(at, reason);
            }
            Err(TransportFailure::Cut(reason)) => {
                let message = format!("{} gave no complete answer: {reason}", self.endpoint_in_use());
                self.finish(Err(Fault::new(FailureKind::NoAnswer, message)));
            }
            Err(TransportFailure::TimedOut) => {
                let message = format!("{} gave no complete answer in time", self.endpoint_in_use());
                self.finish(Err(Fault::new(FailureKind::NoAnswer, message)));
            }
            Err(TransportFailure::TooLarge) => {
                let message =
                    format!("{} answers more than {BODY_LIMIT_BYTES} bytes", self.endpoint_in_use());
                self.finish(Err(Fault::malformed(message)));
            }
        }
    }

    fn request(&self, base: &BaseUrl, stamp: Stamp) -> Result<Request<Bytes>, http::Error> {
        match &self.stage {
            Stage::First | Stage::Done(_) => first_request(&self.call, base, stamp),
            Stage::Region(access) => metadata::encode_region(base, access),
            Stage::RoleName(access) => metadata::encode_role_name(base, access),
            Stage::Role(access, role) => metadata::encode_role(base, access, role),
            Stage::Account(access, _) => metadata::encode_account(base, access),
        }
    }

    fn decode(&self, received: &Received<'_>) -> Result<Progress, Fault> {
        Ok(match (&self.stage, &self.call) {
            (Stage::Region(_), _) => Progress::Replied(metadata::decode_region(received)?),
            (Stage::RoleName(access), _) => {
                Progress::Ask(Stage::Role(access.clone(), metadata::decode_role_name(received)?))
            }
            (Stage::Role(access, role), _) => {
                Progress::Ask(Stage::Account(access.clone(), metadata::decode_role(received, role)?))
            }
            (Stage::Account(_, reply), _) => {
                Progress::Replied(metadata::with_account(reply.clone(), received))
            }
            (_, Call::Region { .. }) => Progress::Ask(Stage::Region(metadata::decode_token(received)?)),
            (_, Call::WorkerRole { .. }) => Progress::Ask(Stage::RoleName(metadata::decode_token(received)?)),
            (_, Call::AssumeRoleWithOidc { role_arn, .. } | Call::AssumeRole { role_arn, .. }) => {
                Progress::Replied(sts::decode(received, role_arn)?)
            }
            (_, Call::CallerIdentity { .. }) => Progress::Replied(sts::decode_caller_identity(received)?),
            (_, Call::ListInstanceEndpoint { .. }) => {
                Progress::Replied(container_registry::decode_endpoints(received)?)
            }
            (_, Call::GetAuthorizationToken { .. }) => {
                Progress::Replied(container_registry::decode_login(received)?)
            }
            (_, Call::PersonalAuthorizationToken { .. }) => {
                Progress::Replied(container_registry::decode_personal_login(received)?)
            }
        })
    }

    /// Goes on with the next endpoint, from the start: a token of hardened mode is of no use elsewhere.
    fn leave_endpoint(&mut self, at: Barrier, reason: String) {
        self.unreached.push(reason);
        self.candidate += 1;
        if self.candidate < endpoints(&self.call).len() {
            self.stage = Stage::First;
        } else {
            let message = self.unreached.join("; ");
            self.finish(Err(Fault::new(FailureKind::Unreachable { at }, message)));
        }
    }

    fn endpoint_in_use(&self) -> &str {
        endpoints(&self.call).get(self.candidate).map_or("the endpoint", String::as_str)
    }

    fn finish(&mut self, outcome: Result<Reply, Fault>) {
        let secrets = self.secrets();
        let outcome = match outcome {
            Ok(Reply::Credentials { key, expires, principal }) => {
                Ok(Reply::Credentials { key, expires, principal: safe_text::message(&principal, &secrets) })
            }
            Ok(Reply::Identity(arn)) => Ok(Reply::Identity(safe_text::message(&arn, &secrets))),
            Ok(reply) => Ok(reply),
            Err(fault) => Err(CallFailure {
                operation: self.call.operation(),
                kind: fault.kind,
                code: fault.code.and_then(|code| safe_text::name(&code, &secrets)),
                message: safe_text::message(&fault.message, &secrets),
                request_id: fault.request_id.and_then(|id| safe_text::name(&id, &secrets)),
            }),
        };
        self.stage = Stage::Done(Answer { cloud_time: self.cloud_time, outcome });
    }

    /// What a server could echo.
    fn secrets(&self) -> Vec<&SecretString> {
        let mut secrets = Vec::new();
        match &self.call {
            Call::Region { .. } | Call::WorkerRole { .. } => {}
            Call::AssumeRoleWithOidc { token, .. } => secrets.push(token),
            Call::AssumeRole { key, .. }
            | Call::CallerIdentity { key, .. }
            | Call::ListInstanceEndpoint { key, .. }
            | Call::GetAuthorizationToken { key, .. }
            | Call::PersonalAuthorizationToken { key, .. } => {
                secrets.extend([&key.id, &key.secret].into_iter().chain(&key.security_token));
            }
        }
        match &self.stage {
            Stage::Region(access)
            | Stage::RoleName(access)
            | Stage::Role(access, _)
            | Stage::Account(access, _) => {
                secrets.extend(access);
            }
            Stage::First | Stage::Done(_) => {}
        }
        secrets
    }
}

fn endpoints(call: &Call) -> &[String] {
    match call {
        Call::Region { endpoints }
        | Call::WorkerRole { endpoints }
        | Call::AssumeRoleWithOidc { endpoints, .. }
        | Call::AssumeRole { endpoints, .. }
        | Call::CallerIdentity { endpoints, .. }
        | Call::ListInstanceEndpoint { endpoints, .. }
        | Call::GetAuthorizationToken { endpoints, .. }
        | Call::PersonalAuthorizationToken { endpoints, .. } => endpoints,
    }
}

fn first_request(call: &Call, base: &BaseUrl, stamp: Stamp) -> Result<Request<Bytes>, http::Error> {
    match call {
        Call::Region { .. } | Call::WorkerRole { .. } => metadata::encode_token(base),
        Call::AssumeRoleWithOidc {
            endpoints: _,
            role_arn,
            oidc_provider_arn,
            token,
            session_name,
            duration_seconds,
        } => AssumeRoleWithOidc {
            role_arn,
            oidc_provider_arn,
            token,
            session_name,
            duration_seconds: *duration_seconds,
        }
        .encode(base, stamp.wall),
        Call::AssumeRole { endpoints: _, role_arn, session_name, duration_seconds, external_id, key } => {
            let external_id = external_id.as_deref();
            AssumeRole { role_arn, session_name, duration_seconds: *duration_seconds, external_id, key }
                .encode(base, stamp)
        }
        Call::CallerIdentity { endpoints: _, key } => sts::encode_caller_identity(base, key, stamp),
        Call::GetAuthorizationToken { endpoints: _, instance, key } => {
            let parameters = [("InstanceId", instance.as_str())];
            let operation = Operation::enterprise("GetAuthorizationToken", &parameters);
            container_registry::encode(base, &operation, key, stamp)
        }
        Call::ListInstanceEndpoint { endpoints: _, instance, key } => {
            let parameters =
                [("InstanceId", instance.as_str()), ("ModuleName", "Registry"), ("Summary", "true")];
            let operation = Operation::enterprise("ListInstanceEndpoint", &parameters);
            container_registry::encode(base, &operation, key, stamp)
        }
        Call::PersonalAuthorizationToken { endpoints: _, key } => {
            container_registry::encode(base, &Operation::personal_token(), key, stamp)
        }
    }
}

#[cfg(test)]
mod tests;
