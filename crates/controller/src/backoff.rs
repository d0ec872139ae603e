//! How long to wait before the next try: doubling, bounded, spread by a hash instead of dice.

use std::hash::{Hash, Hasher};
use std::time::Duration;

/// The first wait.
pub const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
pub const LONGEST: Duration = Duration::from_mins(5);

/// The wait after `failures` failures in a row (1 for the first): 1 s doubling to 5 min, each 0 to 25 % longer,
/// by a hash of `who` and the count, so that many that failed together do not return together.
pub fn after(failures: u32, who: impl Hash) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(9)).min(LONGEST);
    let quarter = doubled / 4;
    doubled + quarter.mul_f64(fraction((who, failures)))
}

/// A number in 0..1 that depends on `seed` alone.
pub fn fraction(seed: impl Hash) -> f64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    seed.hash(&mut hasher);
    // Mixed once more: the high bits of FNV-1a change little for short inputs.
    let mut mixed = hasher.finish();
    mixed ^= mixed >> 33;
    mixed = mixed.wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^= mixed >> 33;
    let thousandth = u32::try_from(mixed % 1000).unwrap_or(0);
    f64::from(thousandth) / 1000.0
}

/// FNV-1a, because the standard library promises neither the algorithm nor the seed of its own hasher.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_stay_within_a_quarter() {
        let mut expected = FIRST;
        for failures in 1..40 {
            let wait = after(failures, "somebody");
            assert!(wait >= expected && wait <= expected + expected / 4, "{failures}: {wait:?}");
            expected = (expected * 2).min(LONGEST);
        }
    }

    #[test]
    fn those_that_failed_together_come_back_apart() {
        let waits: std::collections::BTreeSet<_> = (0..100).map(|who| after(5, who)).collect();
        assert!(waits.len() > 80, "{}", waits.len());
    }
}
