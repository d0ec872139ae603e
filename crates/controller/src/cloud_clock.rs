//! The cloud's own clock: the `Date` of its answers, carried forward on the monotonic clock.

use acr_credentials::UnixMillis;

use crate::time::{Mono, Now};

/// Beyond this difference in milliseconds an offset is remembered; `Date` has whole seconds and travels a while.
const TOLERANCE_MILLIS: i64 = 5_000;

/// What is known of the cloud's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloudClock {
    heard: Option<(UnixMillis, Mono)>,
    /// Milliseconds from the wall clock to the cloud's, as an earlier process last saw it.
    remembered_offset: i64,
    /// The clocks when last looked at: the wall clock moves with the monotonic one, or it jumps.
    looked: Option<Now>,
    /// What time it is has changed, since [`Self::has_jumped`] was asked.
    jumped: bool,
}

impl CloudClock {
    /// Starts from the offset that an earlier process left in the journal.
    pub fn remember(&mut self, offset_millis: i64) {
        self.remembered_offset = offset_millis;
    }

    /// Takes the time stamp of an answer.
    pub fn hear(&mut self, now: Now, cloud_time: UnixMillis) {
        self.jumped |= cloud_time.millis_since(self.time(now)).abs() > TOLERANCE_MILLIS;
        self.heard = Some((cloud_time, now.mono));
    }

    /// Whether it is another time than was thought until now, so that whatever was timed has to be timed anew.
    pub fn has_jumped(&mut self, now: Now) -> bool {
        if let (None, Some(looked)) = (self.heard, self.looked.replace(now)) {
            let expected = looked.wall.plus(now.mono.since(looked.mono));
            self.jumped |= now.wall.millis_since(expected).abs() > TOLERANCE_MILLIS;
        }
        std::mem::take(&mut self.jumped)
    }

    /// Whether the cloud itself has told the time.
    pub fn is_heard(&self) -> bool {
        self.heard.is_some()
    }

    /// What time it is in the cloud: by its last answer, else by the wall clock and the remembered offset.
    pub fn time(&self, now: Now) -> UnixMillis {
        match self.heard {
            Some((cloud_time, at)) => cloud_time.plus(now.mono.since(at)),
            None => now.wall.plus_millis(self.remembered_offset),
        }
    }

    /// Milliseconds from the wall clock to the cloud's; 0 where they agree within the tolerance.
    pub fn offset_millis(&self, now: Now) -> i64 {
        let offset = self.time(now).millis_since(now.wall);
        if offset.abs() <= TOLERANCE_MILLIS { 0 } else { offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall: i64, mono: u64) -> Now {
        Now { wall: UnixMillis(wall), mono: Mono(mono) }
    }

    #[test]
    fn a_jump_of_the_wall_clock_does_not_move_the_clouds() {
        let mut clock = CloudClock::default();
        clock.hear(at(1_000_000, 0), UnixMillis(1_000_000));
        assert_eq!(clock.time(at(9_000_000, 60_000)), UnixMillis(1_060_000));
    }

    #[test]
    fn a_jump_is_noticed_once_and_only_while_the_wall_clock_counts() {
        let mut clock = CloudClock::default();
        assert!(!clock.has_jumped(at(0, 0)));
        assert!(!clock.has_jumped(at(60_000, 60_000)));
        assert!(clock.has_jumped(at(9_000_000, 61_000)));
        assert!(!clock.has_jumped(at(9_001_000, 62_000)));
        clock.hear(at(9_001_000, 62_000), UnixMillis(62_000));
        assert!(clock.has_jumped(at(9_001_000, 62_000)));
        assert!(!clock.has_jumped(at(1_000, 63_000)));
    }

    #[test]
    fn before_the_first_answer_the_remembered_offset_counts() {
        let mut clock = CloudClock::default();
        clock.remember(-3_600_000);
        assert_eq!(clock.time(at(7_200_000, 5)), UnixMillis(3_600_000));
        clock.hear(at(7_200_000, 5), UnixMillis(7_200_500));
        assert_eq!(clock.time(at(7_200_000, 5)), UnixMillis(7_200_500));
    }

    #[test]
    fn a_difference_within_the_tolerance_is_no_offset() {
        let mut clock = CloudClock::default();
        clock.hear(at(10_000, 0), UnixMillis(12_000));
        assert_eq!(clock.offset_millis(at(10_000, 0)), 0);
        clock.hear(at(10_000, 0), UnixMillis(910_000));
        assert_eq!(clock.offset_millis(at(10_000, 0)), 900_000);
    }
}
