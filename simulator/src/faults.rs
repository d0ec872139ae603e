//! Faults: what the cloud does wrong on purpose, for which calls and how often.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::answer::ApiError;
use crate::description::wildcard;
use crate::hosts::Product;

/// What goes wrong, for which calls, how often.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Which calls; empty = all of them.
    #[serde(default, rename = "match")]
    pub matcher: Matcher,
    /// For how many matching calls; absent = until it is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// What goes wrong.
    pub effect: FaultEffect,
}

/// Which calls a fault is about: all given conditions must hold. Texts may use `*` and `?`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Matcher {
    /// The product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// The region of the host; a host without a region fits none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The action as the call log names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The registry instance that the call is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// What goes wrong. Several faults on one call add up; of those that replace the answer the oldest wins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum FaultEffect {
    /// The answer comes later.
    Delay {
        /// How much later.
        milliseconds: u64,
    },
    /// The call is refused without being looked at.
    Error {
        /// HTTP status, 400 to 599.
        #[serde(deserialize_with = "error_status")]
        status: u16,
        /// Error code, for example `SystemError`.
        code: String,
        /// Error text.
        #[serde(default)]
        message: Option<String>,
        /// Further headers, for example `Retry-After`.
        #[serde(default, deserialize_with = "headers")]
        headers: BTreeMap<String, String>,
    },
    /// The call is throttled: HTTP 400 and one of the `Throttling` codes.
    Throttle {
        /// `Throttling`, `Throttling.User` (absent) or `Throttling.Api`.
        #[serde(default = "throttling_user", deserialize_with = "throttling")]
        code: String,
        /// How long to wait in milliseconds: `TimeLeft` of the header `x-ratelimit-user-api`, and the header
        /// `x-acs-retry-after`; absent = neither header.
        #[serde(default)]
        time_left: Option<u64>,
        /// Further headers, for example `Retry-After`.
        #[serde(default, deserialize_with = "headers")]
        headers: BTreeMap<String, String>,
    },
    /// Container Registry says HTTP 200 with `IsSuccess` false.
    IsSuccessFalse {
        /// The error code in the body.
        code: String,
    },
    /// The connection is cut.
    Cut(CutMoment),
    /// The cloud's clock is off: negative = behind.
    ClockSkew {
        /// By how much.
        seconds: i64,
    },
    /// `GetAuthorizationToken` answers with this `ExpireTime`; the login itself is unchanged.
    ExpireTime {
        /// Milliseconds of Unix time.
        milliseconds: i64,
    },
    /// As `expireTime`, counted from the cloud's clock.
    ExpireIn {
        /// Seconds from now; negative = past.
        seconds: i64,
    },
    /// The call is carried out, and the body of the answer is this instead.
    Garbage {
        /// HTTP status, 200 to 599.
        #[serde(default = "ok", deserialize_with = "final_status")]
        status: u16,
        /// The body.
        #[serde(default = "nonsense")]
        body: String,
    },
}

/// When a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CutMoment {
    /// Before the call is looked at: it leaves no trace but in the log.
    Before,
    /// After it was carried out: only the answer is lost.
    After,
}

/// A fault in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActiveFault {
    /// The number to clear it by.
    pub id: u64,
    /// The fault; `times` counts down.
    #[serde(flatten)]
    pub fault: Fault,
}

/// What a fault is matched against.
pub(crate) struct Subject<'a> {
    pub(crate) product: Product,
    pub(crate) region: Option<&'a str>,
    pub(crate) action: &'a str,
    pub(crate) instance: Option<&'a str>,
}

/// The faults in force, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    last_id: u64,
    active: Vec<ActiveFault>,
}

/// What the faults do to one call.
#[derive(Default)]
pub(crate) struct Disturbance {
    pub(crate) delay: Duration,
    pub(crate) skew: SignedDuration,
    pub(crate) cut: Option<CutMoment>,
    pub(crate) expiry: Option<ExpiryFault>,
    pub(crate) replacement: Option<Replacement>,
}

/// A false `ExpireTime`.
#[derive(Clone, Copy)]
pub(crate) enum ExpiryFault {
    At(i64),
    In(i64),
}

/// An answer other than the true one.
pub(crate) enum Replacement {
    Refusal(ApiError),
    IsSuccessFalse(String),
    Garbage { status: StatusCode, body: String },
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) -> u64 {
        self.last_id += 1;
        self.active.push(ActiveFault { id: self.last_id, fault });
        self.last_id
    }

    pub(crate) fn clear(&mut self, id: u64) -> bool {
        let before = self.active.len();
        self.active.retain(|active| active.id != id);
        self.active.len() < before
    }

    pub(crate) fn clear_all(&mut self) {
        self.active.clear();
    }

    pub(crate) fn active(&self) -> &[ActiveFault] {
        &self.active
    }

    /// What the faults do to a call. Counts down, and drops what has been used up.
    pub(crate) fn strike(&mut self, subject: &Subject<'_>) -> Disturbance {
        let mut disturbance = Disturbance::default();
        for ActiveFault { fault, .. } in &mut self.active {
            if !fault.matcher.fits(subject) {
                continue;
            }
            if let Some(times) = &mut fault.times {
                let Some(rest) = times.checked_sub(1) else { continue };
                *times = rest;
            }
            disturbance.add(&fault.effect);
        }
        self.active.retain(|active| active.fault.times != Some(0));
        disturbance
    }
}

impl Matcher {
    fn fits(&self, subject: &Subject<'_>) -> bool {
        let text = |pattern: &Option<String>, text: Option<&str>| match (pattern, text) {
            (None, _) => true,
            (Some(pattern), Some(text)) => wildcard(pattern, text),
            (Some(_), None) => false,
        };
        self.product.is_none_or(|product| product == subject.product)
            && text(&self.region, subject.region)
            && text(&self.action, Some(subject.action))
            && text(&self.instance, subject.instance)
    }
}

impl Disturbance {
    fn add(&mut self, effect: &FaultEffect) {
        let replacement = match effect {
            FaultEffect::Delay { milliseconds } => {
                self.delay = self.delay.saturating_add(Duration::from_millis(*milliseconds));
                return;
            }
            FaultEffect::Cut(moment) => {
                self.cut.get_or_insert(*moment);
                return;
            }
            FaultEffect::ClockSkew { seconds } => {
                self.skew = self.skew.saturating_add(SignedDuration::from_secs(*seconds));
                return;
            }
            FaultEffect::ExpireTime { milliseconds } => {
                self.expiry.get_or_insert(ExpiryFault::At(*milliseconds));
                return;
            }
            FaultEffect::ExpireIn { seconds } => {
                self.expiry.get_or_insert(ExpiryFault::In(seconds.saturating_mul(1000)));
                return;
            }
            FaultEffect::Error { status, code, message, headers } => {
                let message = message.clone().unwrap_or_else(|| "A fault was asked for.".to_owned());
                let mut error = ApiError::new(status_code(*status), code.clone(), message);
                error.headers = well_formed(headers);
                Replacement::Refusal(error)
            }
            FaultEffect::Throttle { code, time_left, headers } => {
                let mut error = ApiError::throttled(code.clone(), 1, *time_left);
                error.headers.extend(well_formed(headers));
                Replacement::Refusal(error)
            }
            FaultEffect::IsSuccessFalse { code } => Replacement::IsSuccessFalse(code.clone()),
            FaultEffect::Garbage { status, body } => {
                Replacement::Garbage { status: status_code(*status), body: body.clone() }
            }
        };
        self.replacement.get_or_insert(replacement);
    }
}

impl ExpiryFault {
    /// The false `ExpireTime` in milliseconds.
    pub(crate) fn milliseconds(self, now: Timestamp) -> i64 {
        match self {
            Self::At(milliseconds) => milliseconds,
            Self::In(milliseconds) => now.as_millisecond().saturating_add(milliseconds),
        }
    }
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Headers that are not well formed are left out.
fn well_formed(headers: &BTreeMap<String, String>) -> Vec<(HeaderName, HeaderValue)> {
    headers.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?))).collect()
}

/// An answer that refuses.
fn error_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    status_within(deserializer, 400, "is no HTTP status of an error: write one from 400 to 599")
}

/// An answer that ends an exchange; one below 200 would not.
fn final_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    status_within(deserializer, 200, "is no HTTP status of an answer: write one from 200 to 599")
}

fn status_within<'de, D: Deserializer<'de>>(
    deserializer: D,
    least: u16,
    fault: &str,
) -> Result<u16, D::Error> {
    let status = u16::deserialize(deserializer)?;
    if (least..600).contains(&status) {
        Ok(status)
    } else {
        Err(D::Error::custom(format!("{status} {fault}")))
    }
}

fn throttling<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let code = String::deserialize(deserializer)?;
    if code == "Throttling" || code.starts_with("Throttling.") {
        return Ok(code);
    }
    let fault = "is no code of throttling: write Throttling, Throttling.User or Throttling.Api";
    Err(D::Error::custom(format!("{code:?} {fault}")))
}

fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let headers: BTreeMap<String, String> = BTreeMap::deserialize(deserializer)?;
    match headers.keys().find(|name| name.parse::<HeaderName>().is_err()) {
        Some(name) => Err(D::Error::custom(format!("{name:?} is no name of a header"))),
        None if well_formed(&headers).len() < headers.len() => {
            Err(D::Error::custom("a header has a value with characters that no header may have"))
        }
        None => Ok(headers),
    }
}

fn throttling_user() -> String {
    "Throttling.User".to_owned()
}

fn ok() -> u16 {
    200
}

fn nonsense() -> String {
    "<html>\u{fffd}not what you asked for".to_owned()
}
