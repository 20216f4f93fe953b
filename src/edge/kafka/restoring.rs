//! How far reading states back has come, for whoever waits.
//!
//! Enters: the offsets that restoring members reach. Leaves: a share, an estimate of the time left, a log line every few
//! seconds. Always true: nothing here decides anything.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::model::Partition;

/// How often a member that restores says how far it is.
const TELL: Duration = Duration::from_secs(5);
/// How often it looks whether the group wants something.
const LOOK_UP: Duration = Duration::from_millis(200);

/// What all members of a process have to read back, and have read.
#[derive(Debug, Default)]
pub struct Restoring {
    wanted: AtomicU64,
    read: AtomicU64,
    /// Since the first state that is not read yet, in milliseconds of all members together.
    spent_ms: AtomicU64,
}

impl Restoring {
    /// The share of the records that was read; 1 when there is nothing to read.
    pub fn share(&self) -> f64 {
        let (wanted, read) = (self.wanted.load(Ordering::Relaxed), self.read.load(Ordering::Relaxed));
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        if wanted == 0 { 1.0 } else { read.min(wanted) as f64 / wanted as f64 }
    }

    /// About how long the rest takes, at the pace so far; none before there is a pace.
    pub fn left(&self) -> Option<Duration> {
        let (wanted, read) = (self.wanted.load(Ordering::Relaxed), self.read.load(Ordering::Relaxed));
        let left = wanted.saturating_sub(read);
        if left == 0 {
            return Some(Duration::ZERO);
        }
        let spent_ms = self.spent_ms.load(Ordering::Relaxed);
        Some(Duration::from_millis((spent_ms * left).checked_div(read)?))
    }

    /// A member begins to read the state of a partition, between these offsets.
    #[expect(clippy::disallowed_methods, reason = "progress is told in real time")]
    pub(super) fn begin(&self, partition: Partition, from: u64, to: u64) -> Progress<'_> {
        let wanted = to.saturating_sub(from);
        self.wanted.fetch_add(wanted, Ordering::Relaxed);
        let now = Instant::now();
        Progress { all: self, partition, to, at: from, looked: now, told: now }
    }
}

/// One member's reading of one state log.
#[derive(Debug)]
pub(super) struct Progress<'a> {
    all: &'a Restoring,
    partition: Partition,
    to: u64,
    at: u64,
    looked: Instant,
    told: Instant,
}

impl Progress<'_> {
    pub(super) fn reached(&mut self, offset: u64) {
        self.all.read.fetch_add(offset.saturating_sub(self.at), Ordering::Relaxed);
        self.at = offset;
    }

    /// Whether the member has not looked after the group for a while; tells how far it is, now and then.
    #[expect(clippy::disallowed_methods, reason = "progress is told in real time")]
    pub(super) fn is_time_to_look_up(&mut self) -> bool {
        let now = Instant::now();
        let since = now.duration_since(self.looked);
        if since < LOOK_UP {
            return false;
        }
        self.looked = now;
        self.all.spent_ms.fetch_add(u64::try_from(since.as_millis()).unwrap_or(0), Ordering::Relaxed);
        if now.duration_since(self.told) >= TELL {
            self.told = now;
            let left_s = self.all.left().unwrap_or_default().as_secs();
            let percent = self.all.share() * 100.0;
            tracing::info!(
                partition = self.partition.0,
                "restoring: {percent:.0} % read, about {left_s} s left"
            );
        }
        true
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        // Control records at the end, or a state that is not wanted any more.
        self.reached(self.to.max(self.at));
    }
}
