//! The one place that reads the wall clock. Everything else takes the time as an argument.
//!
//! Timers do not follow the system's clock blindly: [`Pace`] is what they get.

use crate::model::Timestamp;

/// The time now, in whole milliseconds.
#[expect(clippy::disallowed_methods, reason = "the edge reads the clock, here and nowhere else")]
pub fn now() -> Timestamp {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

/// Microseconds since some instant of this process's life: for measuring, never for deciding.
#[expect(clippy::disallowed_methods, reason = "the edge reads the clock, here and nowhere else")]
pub fn elapsed_us() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let start = START.get_or_init(std::time::Instant::now);
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// The time that timers follow: the system's clock, which may jump.
///
/// Enters: what that clock says, the time that has passed, and the newest record, whose timestamp others gave it. Leaves: a
/// time that never goes back. Always true: a clock that was set ahead is followed at once as far as records show the same,
/// and beyond them at no more than double speed, so that there is time to set it right before parked scans expire and boxes
/// are given up; one that was set back is waited for at half speed. The first reading is believed.
#[derive(Debug)]
pub struct Pace {
    now_us: i64,
    elapsed_us: i64,
}

impl Pace {
    /// Begins with what the clock says.
    pub fn new(wall: Timestamp, elapsed_us: u64) -> Pace {
        Pace { now_us: us(wall), elapsed_us: i64::try_from(elapsed_us).unwrap_or(i64::MAX) }
    }

    /// The time now. `elapsed_us` never goes back.
    pub fn follow(&mut self, wall: Timestamp, elapsed_us: u64, newest: Timestamp) -> Timestamp {
        let elapsed_us = i64::try_from(elapsed_us).unwrap_or(i64::MAX);
        let passed_us = elapsed_us - std::mem::replace(&mut self.elapsed_us, elapsed_us);
        let slowest_us = self.now_us + passed_us / 2;
        let fastest_us = self.now_us + 2 * passed_us;
        self.now_us = us(wall).clamp(slowest_us, fastest_us.max(us(newest)));
        Timestamp(self.now_us.div_euclid(1_000))
    }
}

fn us(at: Timestamp) -> i64 {
    at.0.saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DAY_MS, HOUR_MS, SECOND_MS};

    #[test]
    fn a_clock_that_jumps_is_followed_with_care() {
        const START: i64 = 400 * DAY_MS;
        const LATER: i64 = START + HOUR_MS;
        // How far the clock is off an hour later, and up to where records go; what the time is then.
        for (name, wall, newest, wanted) in [
            ("right", LATER, START, LATER),
            ("a second ahead", LATER + SECOND_MS, START, LATER + SECOND_MS),
            ("a day ahead", LATER + DAY_MS, START, START + 2 * HOUR_MS),
            ("a day ahead, as all others", LATER + DAY_MS, LATER + DAY_MS, LATER + DAY_MS),
            ("a day ahead, one record more", LATER + DAY_MS, LATER + 9 * DAY_MS, LATER + DAY_MS),
            ("a day ahead, of others half", LATER + DAY_MS, LATER + DAY_MS / 2, LATER + DAY_MS / 2),
            ("a second back", LATER - SECOND_MS, START, LATER - SECOND_MS),
            ("a day back", LATER - DAY_MS, START, START + HOUR_MS / 2),
            ("a day back, records are newer", LATER - DAY_MS, LATER, START + HOUR_MS / 2),
        ] {
            let mut pace = Pace::new(Timestamp(START), 5);
            let now = pace.follow(Timestamp(wall), 5 + 3_600_000_000, Timestamp(newest));
            assert_eq!(now, Timestamp(wanted), "{name}");
        }
    }

    #[test]
    fn short_steps_add_up_and_a_clock_that_is_set_right_is_met() {
        let mut pace = Pace::new(Timestamp(0), 0);
        let (mut last, mut elapsed_us) = (Timestamp(0), 0_u64);
        let mut steps = |off_ms: i64, steps: u64| {
            for _ in 0..steps {
                elapsed_us += 8;
                let wall = Timestamp(i64::try_from(elapsed_us / 1_000).expect("short") + off_ms);
                let now = pace.follow(wall, elapsed_us, Timestamp(0));
                assert!(now >= last, "time went back from {last:?} to {now:?}");
                last = now;
            }
            last.0 - i64::try_from(elapsed_us / 1_000).expect("short")
        };
        // For how long the clock is off by so much, and how far time is from the right one then: the clock counts whole
        // milliseconds, so that time may be one behind.
        for (off_ms, count, wanted_ms) in
            [(0, 1_000, 0), (DAY_MS, 10_000, 80), (0, 30_000, 0), (-DAY_MS, 20_000, -80), (0, 30_000, 0)]
        {
            let is_ms = steps(off_ms, count);
            assert!(
                (wanted_ms - 1..=wanted_ms).contains(&is_ms),
                "{is_ms} ms after {count} steps at {off_ms} ms"
            );
        }
    }
}
