//! A histogram of durations with fixed bounds.
//!
//! Enters: durations. Leaves: counts. Always true: a count is in one bucket; nobody who reads holds up who writes.

use std::sync::atomic::{AtomicU64, Ordering};

/// The upper bounds in seconds; beyond the last there is one more bucket.
pub const BOUNDS_S: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The histogram.
#[derive(Debug, Default)]
pub struct Buckets {
    counts: [AtomicU64; BOUNDS_S.len() + 1],
    sum_us: AtomicU64,
}

impl Buckets {
    /// Counts a duration.
    pub fn record(&self, us: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a duration for a chart")]
        let seconds = us as f64 / 1e6;
        let bucket = BOUNDS_S.partition_point(|bound| *bound < seconds);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// The counts of each bucket, and the sum in microseconds.
    pub fn read(&self) -> ([u64; BOUNDS_S.len() + 1], u64) {
        (
            std::array::from_fn(|at| self.counts[at].load(Ordering::Relaxed)),
            self.sum_us.load(Ordering::Relaxed),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_once_at_its_bound() {
        let buckets = Buckets::default();
        for us in [0, 5_000, 5_001, 11_000_000] {
            buckets.record(us);
        }
        let (counts, sum_us) = buckets.read();
        assert_eq!((counts[0], counts[1], counts[11], sum_us), (2, 1, 1, 11_010_001));
    }
}
