//! What became of every scan (R18).
//!
//! Always true, once nothing is in flight between partitions:
//! `read = applied + duplicate + ignored + parked + dead_lettered`.

use serde::{Deserialize, Serialize};

use crate::model::{DeadLetterReason, Ignored};

/// Counts of one partition, or a sum of several. Part of the state: exact across restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Scans and undecodable parts that came in.
    pub read: u64,
    /// Scans that changed a registered number's progress.
    pub applied: u64,
    /// Scans of a registered number that said nothing new.
    pub duplicate: u64,
    /// Scans that belong to nothing, by reason in the order of [`Ignored::ALL`].
    pub ignored: [u64; 4],
    /// Scans of numbers that are not registered yet: a gauge.
    pub parked: u64,
    /// What was dead-lettered among scans, by reason in the order of [`DeadLetterReason::ALL`].
    pub dead_lettered: [u64; 14],
    /// Commands that came in, repeats included.
    pub commands: u64,
    /// Commands that were rejected.
    pub commands_rejected: u64,
    /// Records of `commands` that are no commands.
    pub bad_commands: u64,
    /// Scans whose code no map knows.
    pub unknown_codes: u64,
    /// Scans that reached a bound of their progress.
    pub bounds_hit: u64,
    /// Registrations that a number had no room for (R6).
    pub registrations_refused: u64,
    /// Records whose timestamp was too far ahead of the wall clock, and was taken back.
    pub timestamps_clamped: u64,
}

impl Counters {
    /// Counts an ignored scan.
    pub fn ignore(&mut self, reason: Ignored) {
        self.ignored[reason as usize] += 1;
    }

    /// Counts a dead letter.
    pub fn dead_letter(&mut self, reason: DeadLetterReason, scans: u64) {
        self.dead_lettered[reason as usize] += scans;
    }

    /// What the books say was read, by outcome.
    pub fn accounted(&self) -> u64 {
        self.applied
            + self.duplicate
            + self.ignored.iter().sum::<u64>()
            + self.parked
            + self.dead_lettered.iter().sum::<u64>()
    }

    /// Adds another partition's counts.
    pub fn add(&mut self, other: &Counters) {
        self.read += other.read;
        self.applied += other.applied;
        self.duplicate += other.duplicate;
        self.parked += other.parked;
        self.commands += other.commands;
        self.commands_rejected += other.commands_rejected;
        self.bad_commands += other.bad_commands;
        self.unknown_codes += other.unknown_codes;
        self.bounds_hit += other.bounds_hit;
        self.registrations_refused += other.registrations_refused;
        self.timestamps_clamped += other.timestamps_clamped;
        for (mine, theirs) in self.ignored.iter_mut().zip(&other.ignored) {
            *mine += theirs;
        }
        for (mine, theirs) in self.dead_lettered.iter_mut().zip(&other.dead_lettered) {
            *mine += theirs;
        }
    }
}
