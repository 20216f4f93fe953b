//! What the members of a process tell whoever watches.
//!
//! Enters: what happens to producers, copies and states. Leaves: counts and ages. Always true: nothing here decides anything.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::restoring::Restoring;
use crate::edge::clock::elapsed_us;
use crate::edge::process::locked;
use crate::model::Partition;

/// The signs of all members of a process.
#[derive(Debug, Default)]
pub struct Signs {
    restoring: Restoring,
    rebuilds: AtomicU64,
    abandoned: AtomicU64,
    fetching: Fetching,
    /// Local copies of state logs: since when each no longer follows its log; none while it does.
    copies: Mutex<BTreeMap<Partition, Option<u64>>>,
}

impl Signs {
    /// How far reading states back has come.
    pub fn restoring(&self) -> &Restoring {
        &self.restoring
    }

    /// How many producers were replaced after a doubt.
    pub fn rebuilds(&self) -> u64 {
        self.rebuilds.load(Ordering::Relaxed)
    }

    /// How many producers were given up in a call that did not come back.
    pub fn abandoned(&self) -> u64 {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// What fetching records directly comes to.
    pub fn fetching(&self) -> &Fetching {
        &self.fetching
    }

    /// For how long the local copy that fell behind first does not follow its log; 0 while all do. None: there are no copies.
    pub fn behind_us(&self) -> Option<u64> {
        let copies = locked(&self.copies);
        let since = copies.values().map(|since| since.map_or(0, |since| elapsed_us().saturating_sub(since)));
        since.max()
    }

    pub(super) fn rebuilt(&self) {
        self.rebuilds.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn abandon(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    /// The copy has everything that is in the log.
    pub(super) fn follows(&self, partition: Partition) {
        locked(&self.copies).insert(partition, None);
    }

    /// The copy has ended, its log goes on.
    pub(super) fn ended(&self, partition: Partition) {
        locked(&self.copies).entry(partition).or_default().get_or_insert_with(elapsed_us);
    }

    /// The partition is somebody else's.
    pub(super) fn left(&self, partition: Partition) {
        locked(&self.copies).remove(&partition);
    }
}

/// Fetching records directly.
#[derive(Debug, Default)]
pub struct Fetching {
    connections: AtomicU64,
    answers: AtomicU64,
    bytes: AtomicU64,
    damages: AtomicU64,
    waiting_bytes: AtomicU64,
}

impl Fetching {
    /// How many connections were made.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many answers came.
    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// The bytes of these answers.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How often bytes came that could not be read, and were asked for again.
    pub fn damages(&self) -> u64 {
        self.damages.load(Ordering::Relaxed)
    }

    /// Unpacked bytes that wait for the workers now.
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, bytes: usize) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn damaged(&self) {
        self.damages.fetch_add(1, Ordering::Relaxed);
    }

    /// What waits of one member was so much, and is so much now.
    pub(super) fn waits(&self, before: usize, now: usize) {
        if now >= before {
            self.waiting_bytes.fetch_add((now - before) as u64, Ordering::Relaxed);
        } else {
            self.waiting_bytes.fetch_sub((before - now) as u64, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_as_old_as_the_one_that_ended_first() {
        let signs = Signs::default();
        assert_eq!(signs.behind_us(), None, "there are none");
        signs.follows(Partition(0));
        signs.follows(Partition(1));
        assert_eq!(signs.behind_us(), Some(0));
        signs.ended(Partition(1));
        let since = locked(&signs.copies)[&Partition(1)];
        signs.ended(Partition(1));
        assert_eq!(locked(&signs.copies)[&Partition(1)], since, "the first end counts");
        assert!(since.is_some());
        signs.left(Partition(1));
        assert_eq!(signs.behind_us(), Some(0));
    }
}
