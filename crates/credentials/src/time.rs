//! Wall time as whole milliseconds since the Unix epoch, with arithmetic that saturates instead of failing.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point of wall time in milliseconds since 1970-01-01T00:00:00Z; the unit of ACR's `ExpireTime`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Later than anything: the end of what does not end by time.
    pub const NEVER: Self = Self(i64::MAX);

    /// The same point later by `duration`; stays at the largest representable time.
    pub fn plus(self, duration: Duration) -> Self {
        self.plus_millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
    }

    /// The same point earlier by `duration`; stays at the smallest representable time.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The same point moved by a signed number of milliseconds.
    pub fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// How long it is from `earlier` to this point; zero when `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Signed milliseconds from `other` to this point.
    pub fn millis_since(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

impl fmt::Display for UnixMillis {
    /// RFC 3339 in UTC with whole seconds, or `never`; another time outside of the calendar's range prints its number.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER {
            return formatter.write_str("never");
        }
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(formatter, "{}", timestamp.strftime("%Y-%m-%dT%H:%M:%SZ")),
            Err(_) => write!(formatter, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_at_the_ends_of_time_saturates() {
        assert_eq!(UnixMillis(i64::MAX).plus(Duration::MAX), UnixMillis(i64::MAX));
        assert_eq!(UnixMillis(i64::MIN).minus(Duration::MAX), UnixMillis(i64::MIN));
        assert_eq!(UnixMillis(1).since(UnixMillis(2)), Duration::ZERO);
    }

    #[test]
    fn prints_as_rfc_3339() {
        assert_eq!(UnixMillis(1_767_323_045_999).to_string(), "2026-01-02T03:04:05Z");
        assert_eq!(UnixMillis::NEVER.plus(Duration::MAX).to_string(), "never");
    }
}
