//! When what was answered is to be renewed, and whether its expiry makes sense.

use std::time::Duration;

use acr_credentials::{CallFailure, FailureKind, UnixMillis};

use crate::backoff;
use crate::cloud_clock::CloudClock;
use crate::facts::value::Value;
use crate::time::{Mono, Now};

/// Renewals that fall due within this time of one another are made together, so that they end in one wave.
/// A fifteenth of the default threshold: early enough to gather, too short to be felt in the number of calls.
pub const WINDOW: Duration = Duration::from_mins(1);
/// The domains of an instance are asked again with a renewal, at most this often.
pub const ENDPOINTS_LIFE: Duration = Duration::from_hours(1);
/// What the cluster hands over (a ServiceAccount token, an add-on token, keys) is used for calls that start this soon
/// after it was read: reading is cheap, and it may be replaced at any time. All calls of one wave are over by then, 500
/// entries at six a time and a tenth of a second each take nine seconds.
pub const READ_LIFE: Duration = Duration::from_secs(30);
/// An expiry further away than this is absurd: `ExpiresInHours` goes up to 24.
const LONGEST_LIFE: Duration = Duration::from_hours(25);
/// Even a login that is nearly dead when it is born is not renewed sooner than this.
const SHORTEST_WAIT: Duration = Duration::from_secs(10);

/// How exactly a life is known: `Date` has whole seconds, and travels up to a second.
const GRAIN: Duration = Duration::from_secs(2);

/// How renewals are timed.
#[derive(Clone, Debug)]
pub struct Timing {
    /// Renew when this much life is left.
    pub threshold: Duration,
    /// The seed of the jitter: what tells this cluster from others.
    pub cluster: String,
}

/// An expiry that is past or too far away makes an answer a failure: dates are by the cloud's own clock.
pub fn check(
    now: Now,
    clock: &CloudClock,
    value: Value,
    operation: &'static str,
) -> Result<Value, CallFailure> {
    let expires = match &value {
        Value::Login(login, _) => login.expires,
        Value::Key(_, expires, _) => *expires,
        Value::Region(_) | Value::Token(..) | Value::Identity(_) | Value::Endpoints(_) => return Ok(value),
    };
    let time = clock.time(now);
    // What ends within the grain may have ended by now.
    let is_past = expires <= time.plus(GRAIN);
    if expires == UnixMillis::NEVER || !is_past && expires.since(time) <= LONGEST_LIFE {
        return Ok(value);
    }
    let message = if is_past {
        format!("it ended at {expires} already: by the cloud's clock it is {time}")
    } else {
        format!("the expiry {expires} makes no sense at {time} by the cloud's clock")
    };
    Err(CallFailure::new(operation, FailureKind::Malformed, message))
}

/// When a value is to be renewed.
pub fn due(now: Now, clock: &CloudClock, timing: &Timing, value: &Value) -> Mono {
    match value {
        Value::Region(_) | Value::Identity(_) => Mono(u64::MAX),
        Value::Token(..) | Value::Key(_, UnixMillis::NEVER, _) => now.mono.plus(READ_LIFE),
        Value::Endpoints(_) => now.mono.plus(ENDPOINTS_LIFE),
        Value::Key(_, expires, _) => renewal(now, clock, timing, *expires, clock.time(now)),
        Value::Login(login, handed_out) => renewal(now, clock, timing, login.expires, *handed_out),
    }
}

/// When to renew what was handed out at `handed_out` and ends at `expires`.
pub fn renewal(
    now: Now,
    clock: &CloudClock,
    timing: &Timing,
    expires: UnixMillis,
    handed_out: UnixMillis,
) -> Mono {
    if expires == UnixMillis::NEVER {
        return Mono(u64::MAX);
    }
    let life = expires.since(handed_out);
    let threshold = effective_threshold(timing.threshold, life);
    let window = u64::try_from(expires.0).unwrap_or(0) / WINDOW_MILLIS;
    // At most a tenth earlier, the same for all that ends in one window of one cluster.
    let jitter = life.saturating_sub(threshold).mul_f64(backoff::fraction((&timing.cluster, window)) / 10.0);
    let left = expires.since(clock.time(now)).saturating_sub(threshold).saturating_sub(jitter);
    let shortest = SHORTEST_WAIT.min(life / 4);
    if expires.since(clock.time(now)) == life {
        now.mono.plus(left.max(shortest))
    } else {
        now.mono.plus(left)
    }
}

/// Ends within this many milliseconds share their jitter: five windows, so that few neighbours are parted.
const WINDOW_MILLIS: u64 = 300_000;

/// The threshold in force: the configured one, or half the life where it is not shorter than that.
pub fn effective_threshold(threshold: Duration, life: Duration) -> Duration {
    if threshold.saturating_add(GRAIN) < life { threshold } else { life / 2 }
}
