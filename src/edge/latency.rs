//! How long a scan waits: from its append to the commit of the epoch that read it.
//!
//! Enters: what was appended (partition, next offset, when) and what was committed (positions, when). Leaves: a histogram in
//! microseconds, one count per record. Always true: the queue is bounded; when it is full, appends are not measured, and that
//! is counted.

use std::collections::VecDeque;
use std::sync::Mutex;

use hdrhistogram::Histogram;

use crate::engine::log::Positions;
use crate::model::{Lane, Partition};

/// The most appends that wait for their commit.
const WAITING_MAX: usize = 1 << 20;

/// Longer waits count as this long.
const LONGEST_US: u64 = 3_600_000_000;

/// Measures the scans of one process.
#[derive(Debug)]
pub struct Latency {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    waiting: Vec<VecDeque<Appended>>,
    count: usize,
    unmeasured: u64,
    histogram: Histogram<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Appended {
    next_offset: u64,
    records: u64,
    at_us: u64,
}

/// What was measured.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct LatencySummary {
    /// Half of the records waited at most so long.
    pub p50_us: u64,
    /// 99 % of the records waited at most so long.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
    /// Records that were measured.
    pub records: u64,
    /// Records that were not, because the queue was full.
    pub unmeasured: u64,
}

impl Latency {
    /// For so many partitions.
    pub fn new(partitions: u32) -> Latency {
        let histogram =
            Histogram::new_with_bounds(1, LONGEST_US, 3).expect("bounds and 3 digits are allowed");
        let waiting = (0..partitions).map(|_| VecDeque::new()).collect();
        Latency { inner: Mutex::new(Inner { waiting, count: 0, unmeasured: 0, histogram }) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics while measuring")
    }

    /// Records of `scans` were appended, up to `next_offset`.
    pub fn appended(&self, partition: Partition, next_offset: u64, records: u64, at_us: u64) {
        let mut inner = self.lock();
        if inner.count == WAITING_MAX {
            inner.unmeasured += records;
            return;
        }
        inner.count += 1;
        inner.waiting[partition.0 as usize].push_back(Appended { next_offset, records, at_us });
    }

    /// An epoch was committed that read up to these positions.
    pub fn committed(&self, positions: &Positions, at_us: u64) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        for ((lane, partition), next) in positions {
            if *lane != Lane::Scans {
                continue;
            }
            let waiting = &mut inner.waiting[partition.0 as usize];
            while waiting.front().is_some_and(|appended| appended.next_offset <= *next) {
                let appended = waiting.pop_front().expect("looked at");
                inner.count -= 1;
                let waited_us = at_us.saturating_sub(appended.at_us);
                inner.histogram.saturating_record_n(waited_us, appended.records);
            }
        }
    }

    /// What was measured so far.
    pub fn summary(&self) -> LatencySummary {
        let inner = self.lock();
        LatencySummary {
            p50_us: inner.histogram.value_at_quantile(0.5),
            p99_us: inner.histogram.value_at_quantile(0.99),
            max_us: inner.histogram.max(),
            records: inner.histogram.len(),
            unmeasured: inner.unmeasured,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_waits_until_an_epoch_read_past_it() {
        let latency = Latency::new(2);
        latency.appended(Partition(0), 10, 10, 1_000);
        latency.appended(Partition(0), 20, 10, 2_000);
        latency.committed(&Positions::from([((Lane::Scans, Partition(0)), 19)]), 5_000);
        let summary = latency.summary();
        assert_eq!(summary.records, 10);
        // Three digits are kept.
        assert!((4_000..4_010).contains(&summary.max_us) && summary.p50_us == summary.max_us, "{summary:?}");
        latency.committed(&Positions::from([((Lane::Hops, Partition(0)), 99)]), 6_000);
        latency.committed(&Positions::from([((Lane::Scans, Partition(1)), 99)]), 6_000);
        assert_eq!(latency.summary().records, 10);
        latency.committed(&Positions::from([((Lane::Scans, Partition(0)), 20)]), 7_000);
        assert_eq!((latency.summary().records, latency.summary().unmeasured), (20, 0));
    }
}
