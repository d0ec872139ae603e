//! The seeded generator behind every choice of a history: xoshiro256++, its state filled by splitmix64.
//!
//! It is written here because a seed must give the same history for years: generators of libraries may change their
//! streams between versions. Both algorithms are in the public domain (<https://prng.di.unimi.it>).

/// A stream of choices; equal seeds give equal streams.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        let mut filler = seed;
        Self { state: std::array::from_fn(|_| splitmix(&mut filler)) }
    }

    /// A stream of its own for one purpose, so that choices of one kind do not move those of another.
    pub fn stream(seed: u64, purpose: u64) -> Self {
        let mut mixed = seed;
        let first = splitmix(&mut mixed);
        Self::new(first ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Sixty-four random bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`; 0 where the bound is 0.
    ///
    /// The high half of a product: uneven by less than one in 2^32 for every bound used here.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A number between two others, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low.saturating_add(self.below(high.saturating_sub(low).saturating_add(1)))
    }

    /// An index below `length`; 0 where the length is 0.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap_or(0))).unwrap_or(0)
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One element; `None` of an empty slice.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.index(of.len()))
    }

    /// One element of a choice that is never empty.
    #[expect(clippy::indexing_slicing, reason = "`index` stays below the length, which is not zero")]
    pub fn one_of<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        const { assert!(N > 0) }
        of[self.index(N)]
    }

    /// An element of a weighted choice that is never empty: each has its weight beside it.
    pub fn weighted<T: Copy, const N: usize>(&mut self, of: [(u64, T); N]) -> T {
        const { assert!(N > 0) }
        let mut place = self.below(of.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in of {
            if place < weight {
                return choice;
            }
            place -= weight;
        }
        of[0].1
    }

    /// A number between two others, small ones as likely as large ones: every doubling has the same chance.
    pub fn spread(&mut self, low: u64, high: u64) -> u64 {
        let doublings = high.max(1).ilog2().saturating_sub(low.max(1).ilog2());
        let scale = self.below(u64::from(doublings) + 1);
        let ceiling = low.max(1).saturating_mul(1 << scale.min(62)).saturating_mul(2).min(high);
        self.between(low, ceiling.max(low))
    }

    /// Brings a slice into random order.
    pub fn shuffle<T>(&mut self, slice: &mut [T]) {
        for end in (1..slice.len()).rev() {
            let other = self.index(end + 1);
            slice.swap(end, other);
        }
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn a_seed_gives_the_same_stream_for_ever() {
        let mut random = Random::new(1);
        assert_eq!(
            [random.bits(), random.bits(), random.bits()],
            [14_971_601_782_005_023_387, 13_781_649_495_232_077_965, 1_847_458_086_238_483_744]
        );
    }

    #[test]
    fn choices_stay_within_their_bounds_and_reach_all_of_them() {
        let mut random = Random::new(7);
        let mut seen = [0_u32; 5];
        for _ in 0..1_000 {
            seen[random.index(5)] += 1;
            assert!((3..=9).contains(&random.between(3, 9)));
            assert!((5..=5_000).contains(&random.spread(5, 5_000)));
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.pick::<u8>(&[]), None);
    }

    #[test]
    fn a_weight_of_zero_is_never_chosen() {
        let mut random = Random::new(3);
        assert!((0..1_000).all(|_| random.weighted([(0, 'a'), (1, 'b'), (0, 'c')]) == 'b'));
    }

    #[test]
    fn streams_of_one_seed_differ_by_purpose() {
        assert_ne!(Random::stream(1, 1).bits(), Random::stream(1, 2).bits());
        assert_eq!(Random::stream(1, 2).bits(), Random::stream(1, 2).bits());
    }

    #[test]
    fn shuffling_keeps_the_elements() {
        let mut numbers: Vec<u32> = (0..20).collect();
        Random::new(5).shuffle(&mut numbers);
        assert_ne!(numbers, (0..20).collect::<Vec<_>>());
        numbers.sort_unstable();
        assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    }
}
