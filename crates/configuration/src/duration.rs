//! Durations in the syntax of Go's `time.ParseDuration`, by integer arithmetic.

use std::ops::Range;

/// Why a text is no duration, and where (in bytes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DurationError {
    pub(crate) at: Range<usize>,
    pub(crate) kind: DurationErrorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DurationErrorKind {
    /// No digit where a number must start.
    Number,
    /// A number without a unit.
    MissingUnit,
    /// A unit that Go does not know.
    UnknownUnit,
    /// More than about 292 years.
    Overflow,
}

/// Nanoseconds. As in Go: an optional sign, then numbers with an optional fraction and a unit each. `0` needs no
/// unit. What a fraction says below a nanosecond is cut off.
pub(crate) fn parse(text: &str) -> Result<i64, DurationError> {
    let fail = |at: Range<usize>, kind| Err(DurationError { at, kind });
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if unsigned == "0" {
        return Ok(0);
    }
    let mut rest = unsigned;
    let at = |rest: &str| text.len() - rest.len();
    if rest.is_empty() {
        return fail(0..text.len(), DurationErrorKind::Number);
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let start = at(rest);
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        let number_end = at(after);
        if whole.is_empty() && fraction.is_empty() {
            let width = rest.chars().next().map_or(0, char::len_utf8);
            return fail(start..start + width, DurationErrorKind::Number);
        }
        let unit_length = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(unit_length).unwrap_or((after, ""));
        if unit.is_empty() {
            return fail(start..number_end, DurationErrorKind::MissingUnit);
        }
        let Some(scale) = nanoseconds(unit) else {
            return fail(number_end..number_end + unit.len(), DurationErrorKind::UnknownUnit);
        };
        let part = whole_part(whole, scale).map(|part| part + fraction_part(fraction, scale));
        match part.map(|part| total + part).filter(|total| *total <= limit(negative)) {
            Some(sum) => total = sum,
            None => return fail(start..number_end + unit.len(), DurationErrorKind::Overflow),
        }
        rest = next;
    }
    let magnitude = i128::try_from(total).unwrap_or(i128::MAX);
    i64::try_from(if negative { -magnitude } else { magnitude })
        .or_else(|_| fail(0..text.len(), DurationErrorKind::Overflow))
}

/// Go counts in 64 bits.
fn limit(negative: bool) -> u128 {
    u128::from(u64::MAX / 2) + u128::from(negative)
}

fn digits(text: &str) -> (&str, &str) {
    let length = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(length).unwrap_or((text, ""))
}

fn nanoseconds(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        // U+00B5 micro sign and U+03BC Greek mu, as in Go.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

fn whole_part(digits: &str, scale: u128) -> Option<u128> {
    let number = if digits.is_empty() { 0 } else { digits.parse::<u64>().ok()? };
    u128::from(number).checked_mul(scale)
}

/// Digits beyond the eighteenth are less than a nanosecond even of an hour.
fn fraction_part(digits: &str, scale: u128) -> u128 {
    let mut value = 0;
    let mut divisor = 1;
    for digit in digits.chars().take(18).filter_map(|c| c.to_digit(10)) {
        value = value * 10 + u128::from(digit);
        divisor *= 10;
    }
    value * scale / divisor
}

#[cfg(test)]
mod tests {
    use super::{DurationErrorKind as Kind, parse};

    /// What Go 1.26's `time.ParseDuration` answers, in nanoseconds. One digit is different: of
    /// `0.3333333333333333333h` Go's floating point makes 1200 s, exact arithmetic a nanosecond less.
    #[test]
    fn means_what_go_means() {
        const S: i64 = 1_000_000_000;
        for (text, expected) in [
            ("0", 0),
            ("+0", 0),
            ("-0", 0),
            ("0s", 0),
            ("5s", 5 * S),
            ("30s", 30 * S),
            ("1478s", 1478 * S),
            ("-5s", -5 * S),
            ("+5s", 5 * S),
            ("5.0s", 5 * S),
            ("5.6s", 5 * S + 600_000_000),
            ("5.s", 5 * S),
            (".5s", 500_000_000),
            ("1.0s", S),
            ("1.004s", S + 4_000_000),
            ("100.00100s", 100 * S + 1_000_000),
            ("10ns", 10),
            ("11us", 11_000),
            ("12\u{b5}s", 12_000),
            ("12\u{3bc}s", 12_000),
            ("13ms", 13_000_000),
            ("14s", 14 * S),
            ("15m", 900 * S),
            ("16h", 57_600 * S),
            ("3h30m", 12_600 * S),
            ("10.5s4m", 250 * S + 500_000_000),
            ("-2m3.4s", -(123 * S + 400_000_000)),
            ("1h2m3s4ms5us6ns", 3723 * S + 4_005_006),
            ("39h9m14.425s", 140_954 * S + 425_000_000),
            ("1.5h", 5400 * S),
            ("0.3333333333333333333h", 1200 * S - 1),
            ("9223372036854775807ns", i64::MAX),
            ("9223372036854775.807us", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("0.100000000000000000000h", 360 * S),
            ("0.830103483285477580700h", 2_988_372_539_827),
            ("1.23456789012345678s", 1_234_567_890),
            ("1.1us", 1_100),
            ("0.9ns", 0),
            ("-0.5h", -1800 * S),
            ("2562047h47m16.854775807s", i64::MAX),
            ("-2562047h47m16.854775808s", i64::MIN),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn a_fault_has_its_place() {
        for (text, at, kind) in [
            ("", 0..0, Kind::Number),
            ("3", 0..1, Kind::MissingUnit),
            ("-", 0..1, Kind::Number),
            ("s", 0..1, Kind::Number),
            (".", 0..1, Kind::Number),
            ("-.", 1..2, Kind::Number),
            (".s", 0..1, Kind::Number),
            ("+.s", 1..2, Kind::Number),
            ("1d", 1..2, Kind::UnknownUnit),
            ("15min", 2..5, Kind::UnknownUnit),
            ("15 m", 2..4, Kind::UnknownUnit),
            ("1h-5m", 1..3, Kind::UnknownUnit),
            ("1h5", 2..3, Kind::MissingUnit),
            ("1h ", 1..3, Kind::UnknownUnit),
            (" 1h", 0..1, Kind::Number),
            ("00", 0..2, Kind::MissingUnit),
            ("--1s", 1..2, Kind::Number),
            ("1e3s", 1..2, Kind::UnknownUnit),
            ("\u{661}s", 0..2, Kind::Number),
            ("99999999999999999999h", 0..21, Kind::Overflow),
            ("9223372036854775808ns", 0..21, Kind::Overflow),
            ("2562047h47m16.854775808s", 11..24, Kind::Overflow),
            ("\u{85}\u{85}", 0..2, Kind::Number),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.at, error.kind), (at, kind), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_points_into_the_text(text in "\\PC{0,12}|[-+.0-9hmsuµn ]{0,40}") {
            if let Err(error) = parse(&text) {
                proptest::prop_assert!(text.get(error.at).is_some());
            }
        }

        #[test]
        fn whole_units_add_up(h in 0_i64..1000, m in 0_i64..1000, ms in 0_i64..1000) {
            proptest::prop_assert_eq!(
                parse(&format!("{h}h{m}m{ms}ms")),
                Ok(h * 3_600_000_000_000 + m * 60_000_000_000 + ms * 1_000_000)
            );
        }
    }
}
