//! One HTTP answer as the decoders see it: status, headers, body, and the cloud's clock when it came.

use std::time::Duration;

use acr_credentials::UnixMillis;
use http::{HeaderMap, StatusCode, header};
use jiff::fmt::rfc2822::DateTimeParser;

use crate::fault::Fault;

/// Nothing the cloud hands out lives longer: a role session at most 12 h, a login at most 24 h.
const LONGEST_LIFE: Duration = Duration::from_hours(25);

/// A complete answer and the time to judge it by.
pub(crate) struct Received<'a> {
    /// HTTP status.
    pub status: StatusCode,
    /// HTTP headers.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
    /// The cloud's clock: `Date` of the answer, else the time stamp of the request.
    pub now: UnixMillis,
}

impl Received<'_> {
    /// The body as text without surrounding white space; `None` where it is not UTF-8 or empty.
    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.body).ok().map(str::trim).filter(|text| !text.is_empty())
    }

    /// The request id of the gateway's header.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.headers.get("x-acs-request-id")?.to_str().ok()
    }

    /// How long the answer asks to wait: `Retry-After`, `x-acs-retry-after` (milliseconds, what the official SDKs of
    /// 2026 read), or the rate limits of the gateway (`Limit:1,Remain:0,TimeLeft:2000,Reset:1234`, milliseconds, what
    /// those before them read); the longest.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let time_left = |name: &str| {
            let text = self.headers.get(name)?.to_str().ok()?;
            let value = text.split(',').find_map(|part| part.trim().strip_prefix("TimeLeft:"))?;
            Some(Duration::from_millis(value.trim().parse().ok()?))
        };
        let retry_after = || {
            let text = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
            let seconds = text.parse().ok().map(Duration::from_secs);
            seconds.or_else(|| Some(parse_date(text)?.since(self.now)))
        };
        let gateway = || {
            let text = self.headers.get("x-acs-retry-after")?.to_str().ok()?;
            Some(Duration::from_millis(text.trim().parse().ok()?))
        };
        [retry_after(), gateway(), time_left("x-ratelimit-user-api"), time_left("x-ratelimit-user")]
            .into_iter()
            .flatten()
            .max()
    }

    /// `expires` where it lies ahead and within what the cloud can hand out; a login that lives for ever or is
    /// born dead is a failure of the call. `member` is how the answer names it.
    pub(crate) fn sane_expiry(&self, member: &str, expires: UnixMillis) -> Result<UnixMillis, Fault> {
        if expires <= self.now {
            return Err(Fault::malformed(format!(
                "{member} is {expires}, which is past: the cloud's clock shows {}",
                self.now
            )));
        }
        if expires > self.now.plus(LONGEST_LIFE) {
            return Err(Fault::malformed(format!(
                "{member} is {expires}, more than {} h after the cloud's clock, which shows {}",
                LONGEST_LIFE.as_secs() / 3600,
                self.now
            )));
        }
        Ok(expires)
    }
}

/// The `Date` header.
pub(crate) fn date(headers: &HeaderMap) -> Option<UnixMillis> {
    parse_date(headers.get(header::DATE)?.to_str().ok()?)
}

/// A date of HTTP in the form that RFC 9110 §5.6.7 prefers.
fn parse_date(text: &str) -> Option<UnixMillis> {
    let timestamp = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(UnixMillis(timestamp.as_millisecond()))
}

/// An ISO 8601 time such as `2015-04-09T11:52:19Z`.
pub(crate) fn iso_8601(text: &str) -> Option<UnixMillis> {
    let timestamp: jiff::Timestamp = text.trim().parse().ok()?;
    Some(UnixMillis(timestamp.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const NOW: UnixMillis = UnixMillis(1_767_323_045_000);

    fn with_headers(headers: &[(&'static str, &'static str)], check: impl FnOnce(&Received<'_>)) {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        let headers: HeaderMap = headers.collect();
        check(&Received { status: StatusCode::BAD_REQUEST, headers: &headers, body: b"", now: NOW });
    }

    #[test]
    fn headers_that_make_no_sense_ask_for_no_wait() {
        for headers in [
            &[][..],
            &[("retry-after", "soon")],
            &[("x-acs-retry-after", "2 s")],
            &[("x-ratelimit-user", "Limit:1,Remain:0")],
            &[("x-ratelimit-user", "TimeLeft:-5")],
            &[("x-ratelimit-user-api", "TimeLeft:99999999999999999999999")],
        ] {
            with_headers(headers, |received| assert_eq!(received.retry_after(), None, "{headers:?}"));
        }
    }

    #[test]
    fn the_longest_wait_of_all_headers_counts() {
        for (headers, millis) in [
            (&[("x-ratelimit-user", "Limit:1,Remain:0,TimeLeft:2000,Reset:1234")][..], 2_000),
            (&[("x-ratelimit-user", "TimeLeft:2000"), ("x-ratelimit-user-api", "TimeLeft:7000")], 7_000),
            (&[("x-ratelimit-user", "TimeLeft:2000"), ("retry-after", "3")], 3_000),
            (&[("x-acs-retry-after", "2500"), ("x-ratelimit-user", "TimeLeft:2000")], 2_500),
            (&[("retry-after", "Fri, 02 Jan 2026 03:05:05 GMT")], 60_000),
            (&[("retry-after", "Fri, 02 Jan 2026 03:00:00 GMT")], 0),
        ] {
            with_headers(headers, |received| {
                assert_eq!(received.retry_after(), Some(Duration::from_millis(millis)), "{headers:?}");
            });
        }
    }

    #[test]
    fn an_expiry_that_is_past_or_absurd_is_refused() {
        with_headers(&[], |received| {
            for millis in [i64::MIN, 0, NOW.0, 1_767_326_645, NOW.0 + 25 * 3_600_000 + 1, i64::MAX] {
                assert!(received.sane_expiry("ExpireTime", UnixMillis(millis)).is_err(), "{millis}");
            }
            for millis in [NOW.0 + 1, NOW.0 + 25 * 3_600_000] {
                assert!(received.sane_expiry("ExpireTime", UnixMillis(millis)).is_ok(), "{millis}");
            }
        });
    }

    #[test]
    fn dates_are_read_in_their_documented_forms_only() {
        assert_eq!(parse_date("Fri, 02 Jan 2026 03:04:05 GMT"), Some(NOW));
        assert_eq!(iso_8601("2026-01-02T03:04:05Z"), Some(NOW));
        for text in ["", "now", "2026-13-02T03:04:05Z", "1767323045", "Fri, 99 Jan 2026 03:04:05 GMT"] {
            assert_eq!((parse_date(text), iso_8601(text)), (None, None), "{text}");
        }
    }
}
