//! The pure cloud: a request and a time in, an answer out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Value, json};

use crate::add_on_token::AddOnTokenRequest;
use crate::answer::{ApiError, render};
use crate::authentication::{Nonces, authenticate};
use crate::call_log::{CallLog, CallRecord};
use crate::description::{Description, Jwks};
use crate::faults::{ActiveFault, CutMoment, Disturbance, Fault, Faults, Replacement, Subject};
use crate::hosts::{Address, Product};
use crate::incoming::Incoming;
use crate::mutation::{Mutation, MutationError};
use crate::operations::{Access, Call, Style};
use crate::signing_key::SigningKey;
use crate::world::World;
use crate::{add_on_token, metadata, token_service};

/// A request to the cloud: an absolute URI whose host decides product and region.
pub type CloudRequest = http::Request<Bytes>;

/// What becomes of a request.
#[derive(Debug)]
pub struct CloudResponse {
    /// How long the answer (or the cut) is to be held back.
    pub delay: Duration,
    /// The answer, or why there is none.
    pub outcome: Outcome,
}

/// The answer to a request, or why there is none. Its `Debug` shows the status alone: bodies hold secrets.
pub enum Outcome {
    /// The cloud answered.
    Answered(http::Response<Bytes>),
    /// The connection was cut without a byte.
    Cut,
    /// There is no such host: its name does not resolve.
    NoSuchHost,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(response) => formatter.debug_tuple("Answered").field(&response.status()).finish(),
            Self::Cut => formatter.write_str("Cut"),
            Self::NoSuchHost => formatter.write_str("NoSuchHost"),
        }
    }
}

impl CloudResponse {
    /// The HTTP answer, where there is one.
    pub fn answered(self) -> Option<http::Response<Bytes>> {
        match self.outcome {
            Outcome::Answered(response) => Some(response),
            Outcome::Cut | Outcome::NoSuchHost => None,
        }
    }
}

/// A simulated Alibaba Cloud.
///
/// It has no clock and no randomness: the same description, times and requests give the same answers. Cloning copies
/// what calls have changed and shares the rest, so a prepared cloud can be cloned for every run of a test.
#[derive(Clone)]
pub struct Cloud {
    world: World,
    nonces: Nonces,
    faults: Faults,
    log: CallLog,
    calls: u64,
}

/// An answer before its common headers.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    content_type: &'static str,
    body: String,
    /// `OK` or the error code.
    code: String,
    caller: Option<String>,
}

impl Cloud {
    /// A cloud as described. It cannot sign registry tokens before it has a key: see [`Cloud::with_signing_key`].
    pub fn new(description: Description) -> Self {
        Self {
            world: World::new(description),
            nonces: Nonces::default(),
            faults: Faults::default(),
            log: CallLog::default(),
            calls: 0,
        }
    }

    /// Gives the token service its key. Keys are slow to make; share one between clouds.
    #[must_use]
    pub fn with_signing_key(mut self, key: Arc<SigningKey>) -> Self {
        self.world.signing_key = Some(key);
        self
    }

    /// The public key of the token service, for the registry's `auth.token.jwks`; empty without a key.
    pub fn jwks(&self) -> Jwks {
        self.world.signing_key.as_ref().map(|key| key.jwks()).unwrap_or_default()
    }

    /// The cloud as it stands now, all changes included.
    pub fn description(&self) -> &Description {
        &self.world.description
    }

    /// The recorded calls, oldest first.
    pub fn calls(&self) -> impl ExactSizeIterator<Item = &CallRecord> {
        self.log.iter()
    }

    /// Forgets the recorded calls.
    pub fn clear_calls(&mut self) {
        self.log.clear();
    }

    /// Puts a fault in force and returns the number to clear it by.
    pub fn add_fault(&mut self, fault: Fault) -> u64 {
        self.faults.add(fault)
    }

    /// Ends a fault; `false` when there is none of this number.
    pub fn clear_fault(&mut self, id: u64) -> bool {
        self.faults.clear(id)
    }

    /// Ends all faults.
    pub fn clear_faults(&mut self) {
        self.faults.clear_all();
    }

    /// The faults in force, oldest first.
    pub fn faults(&self) -> &[ActiveFault] {
        self.faults.active()
    }

    /// Changes the cloud as someone in a console would.
    pub fn mutate(&mut self, mutation: Mutation) -> Result<(), MutationError> {
        self.world.mutate(mutation)
    }

    /// What ACK writes for an add-on: the content of `addon.token.config`, encrypted keys of the role or the object `error`.
    pub fn add_on_token(&mut self, now: Timestamp, request: &AddOnTokenRequest) -> Value {
        add_on_token::document(&mut self.world, now, request)
    }

    /// Carries out a request at a time (the true time; a clock fault may let the cloud think otherwise).
    pub fn call(&mut self, now: Timestamp, request: CloudRequest) -> CloudResponse {
        let host = request.uri().host().unwrap_or_default().to_ascii_lowercase();
        let Some(address) = self.address(&host) else {
            return CloudResponse { delay: Duration::ZERO, outcome: Outcome::NoSuchHost };
        };
        let request = Incoming::read(request, address, host);
        self.calls += 1;
        let request_id = self.request_id();
        let subject = Subject {
            product: request.address.product,
            region: request.address.region.as_deref(),
            action: &request.action,
            instance: request.instance(),
        };
        let disturbance = self.faults.strike(&subject);
        let (delay, cut) = (disturbance.delay, disturbance.cut);
        let skewed = now.saturating_add(disturbance.skew).unwrap_or(now);
        let mut record = CallRecord {
            time: now,
            product: request.address.product,
            region: request.address.region.clone(),
            action: request.action.clone(),
            caller: None,
            instance: request.instance().map(str::to_owned),
            code: "Cut".to_owned(),
            status: None,
            request_id: request_id.clone(),
        };
        if cut == Some(CutMoment::Before) {
            self.log.push(record);
            return CloudResponse { delay, outcome: Outcome::Cut };
        }
        let reply = self.reply(skewed, &request, &request_id, disturbance);
        record.code.clone_from(&reply.code);
        record.caller.clone_from(&reply.caller);
        record.status = cut.is_none().then_some(reply.status.as_u16());
        self.log.push(record);
        let outcome = match cut {
            Some(_) => Outcome::Cut,
            None => Outcome::Answered(reply.into_response(skewed, &request_id)),
        };
        CloudResponse { delay, outcome }
    }

    /// Which OIDC provider must hand over keys before a request can be judged: the request carries a token whose key
    /// is not known (yet). Returns the ARN of the provider.
    pub fn wants_keys(&self, request: &CloudRequest) -> Option<String> {
        let host = request.uri().host().unwrap_or_default();
        let address = self.address(host).filter(|address| address.product == Product::Sts)?;
        let request = Incoming::read(request.clone(), address, host.to_owned());
        self.world.unknown_key(&request.parameters)
    }

    fn address(&self, host: &str) -> Option<Address> {
        Address::of(host).or_else(|| {
            let mut instances = self.world.description.instances.iter();
            let instance = instances.find(|instance| instance.auth_takeover && instance.answers_at(host))?;
            Some(Address::taken_over(instance))
        })
    }

    fn reply(
        &mut self,
        now: Timestamp,
        request: &Incoming,
        request_id: &str,
        mut disturbance: Disturbance,
    ) -> Reply {
        let format = request.format();
        match disturbance.replacement.take() {
            Some(Replacement::Refusal(error)) => return Reply::of_error(&error, request, request_id),
            Some(Replacement::IsSuccessFalse(code)) => {
                let body = json!({ "RequestId": request_id, "Code": code, "IsSuccess": false });
                let body = render(&format!("{}Response", request.action), &body, format);
                let content_type = format.content_type();
                return Reply::of_api(StatusCode::OK, HeaderMap::new(), content_type, body, &code);
            }
            Some(Replacement::Garbage { status, body }) => {
                let mut reply = self.true_reply(now, request, request_id, &disturbance);
                (reply.status, reply.body) = (status, body);
                "Garbage".clone_into(&mut reply.code);
                return reply;
            }
            None => {}
        }
        self.true_reply(now, request, request_id, &disturbance)
    }

    fn true_reply(
        &mut self,
        now: Timestamp,
        request: &Incoming,
        request_id: &str,
        disturbance: &Disturbance,
    ) -> Reply {
        match request.address.product {
            Product::Sts | Product::Cr => self.api_reply(now, request, request_id, disturbance),
            Product::Metadata => Reply::of_metadata(metadata::answer(&self.world, now, request)),
            Product::Dockerauth => {
                Reply::of_token_service(token_service::answer(&self.world, now, request, request_id))
            }
        }
    }

    fn api_reply(
        &mut self,
        now: Timestamp,
        request: &Incoming,
        request_id: &str,
        disturbance: &Disturbance,
    ) -> Reply {
        let mut caller = None;
        let product = request.address.product;
        let result = request.operation().and_then(|operation| {
            if operation.access == Access::Signed {
                let World { description, sealer, meters, .. } = &mut self.world;
                let style = operation.style;
                let signer = authenticate(description, sealer, &mut self.nonces, now, request, style)?;
                let account = caller.insert(signer).account().to_owned();
                meters.count(&description.quotas, now, product, &account)?;
            }
            let call = Call {
                now,
                region: request.address.region.as_deref(),
                parameters: &request.parameters,
                caller: caller.as_ref(),
                expiry: disturbance.expiry,
            };
            let answer = (operation.answer)(&mut self.world, &call)?;
            Ok(wrap(answer, request_id, product, operation.style))
        });
        let format = request.format();
        let mut reply = match result {
            Ok(body) => {
                let body = render(&format!("{}Response", request.action), &body, format);
                Reply::of_api(StatusCode::OK, HeaderMap::new(), format.content_type(), body, "OK")
            }
            Err(error) => Reply::of_error(&error, request, request_id),
        };
        reply.caller = caller.map(|caller| caller.arn());
        reply
    }

    /// An id in the usual form, from the number of the call.
    fn request_id(&self) -> String {
        let digits = self.world.sealer.number(&format!("request/{}", self.calls));
        let (a, rest) = digits.split_at_checked(8).unwrap_or((&digits, ""));
        format!("{a:0>8}-0000-4000-8000-{:0>12}", rest.chars().rev().take(12).collect::<String>())
    }
}

/// Adds what every result carries.
fn wrap(mut body: Value, request_id: &str, product: Product, style: Style) -> Value {
    if let Some(fields) = body.as_object_mut() {
        let request_id = json!(request_id);
        match style {
            Style::Roa { .. } => {
                fields.insert("requestId".to_owned(), request_id);
            }
            Style::Rpc => {
                fields.insert("RequestId".to_owned(), request_id);
                if product == Product::Cr {
                    fields.insert("Code".to_owned(), json!("success"));
                    fields.insert("IsSuccess".to_owned(), json!(true));
                }
            }
        }
    }
    body
}

impl Reply {
    fn of_api(
        status: StatusCode,
        headers: HeaderMap,
        content_type: &'static str,
        body: String,
        code: &str,
    ) -> Self {
        Self { status, headers, content_type, body, code: code.to_owned(), caller: None }
    }

    /// A refusal in the form of the product.
    fn of_error(error: &ApiError, request: &Incoming, request_id: &str) -> Self {
        let product = request.address.product;
        let (content_type, body) = match product {
            Product::Sts | Product::Cr => {
                let format = request.format();
                let body = error.body(request_id, &request.host, product);
                (format.content_type(), render("Error", &body, format))
            }
            Product::Metadata => ("text/plain", error.message.to_string()),
            Product::Dockerauth => {
                (token_service::JSON, token_service::error_body(&error.code, &error.message))
            }
        };
        Self::of_api(error.status, error.headers.iter().cloned().collect(), content_type, body, &error.code)
    }

    fn of_metadata(answer: metadata::Answer) -> Self {
        match answer {
            Ok(body) => Self::of_api(StatusCode::OK, HeaderMap::new(), "text/plain", body, "OK"),
            Err(status) => {
                let reason = status.canonical_reason().unwrap_or_default();
                Self::of_api(status, HeaderMap::new(), "text/plain", reason.to_owned(), reason)
            }
        }
    }

    fn of_token_service(answer: token_service::Answer) -> Self {
        let mut reply = match answer.result {
            Ok(body) => {
                Self::of_api(StatusCode::OK, HeaderMap::new(), token_service::JSON, body.to_string(), "OK")
            }
            Err(refusal) => {
                let code = format!("{refusal:?}");
                Self::of_api(refusal.status(), HeaderMap::new(), token_service::JSON, refusal.body(), &code)
            }
        };
        reply.caller = answer.caller;
        reply
    }

    fn into_response(self, now: Timestamp, request_id: &str) -> http::Response<Bytes> {
        let mut response = http::Response::new(Bytes::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        *headers = self.headers;
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now);
        for (name, value) in [("date", date.ok()), ("x-acs-request-id", Some(request_id.to_owned()))] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}
