//! What became of every scan (R18).
//!
//! Always true, once nothing is in flight between partitions:
//! `read = applied + duplicate + ignored + parked + dead_lettered`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::unknown::UnknownCodes;
use crate::decode::Part;
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
    pub dead_lettered: [u64; DeadLetterReason::ALL.len()],
    /// Commands that came in, repeats included.
    pub commands: u64,
    /// Commands that were rejected.
    pub commands_rejected: u64,
    /// Records of `commands` that are no commands.
    pub bad_commands: u64,
    /// Scans whose code no map knows.
    pub unknown_codes: u64,
    /// Scans whose code no map knows, by that code, wherever their numbers belong.
    pub unknown: UnknownCodes,
    /// Scans that reached a bound of their progress.
    pub bounds_hit: u64,
    /// Registrations that a number had no room for (R6).
    pub registrations_refused: u64,
    /// Subtotals and verdicts of which the ledger had no room to keep a total or an account.
    pub ledger_refused: u64,
    /// Gates that a partition had no room for: those accounts were not held back.
    pub gates_refused: u64,
    /// Records whose timestamp was too far ahead of the wall clock, and was taken back.
    pub timestamps_clamped: u64,
    /// What was wrong with interchanges and changed nothing: counts and control numbers, segments that were skipped.
    pub interchange_warnings: u64,
    /// By feed that has a profile: as many as the configuration ever named.
    pub feeds: BTreeMap<String, FeedCounts>,
}

/// What came from one feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedCounts {
    /// Scans.
    pub scans: u64,
    /// Of them, those whose code neither the profile nor the carrier knows.
    pub unknown_codes: u64,
    /// Parts that became dead letters.
    pub dead_lettered: u64,
}

impl FeedCounts {
    /// Counts what was refused without being told one by one.
    pub fn count_more(&mut self, refused: &BTreeMap<DeadLetterReason, u64>) {
        self.dead_lettered += refused.values().sum::<u64>();
    }

    /// Counts a part.
    pub fn count(&mut self, part: &Part<'_>) {
        if let Part::Scan { scan, .. } = part {
            self.scans += 1;
            self.unknown_codes += u64::from(!scan.code_known);
        } else if let Part::Rejected { .. } = part {
            self.dead_lettered += 1;
        }
    }
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

    /// Counts what came from a feed.
    pub fn add_feed(&mut self, name: &str, counts: FeedCounts) {
        // A feed is new once in its life; its name is not copied for every message.
        let sum = match self.feeds.get_mut(name) {
            Some(sum) => sum,
            None => self.feeds.entry(name.to_owned()).or_default(),
        };
        sum.scans += counts.scans;
        sum.unknown_codes += counts.unknown_codes;
        sum.dead_lettered += counts.dead_lettered;
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
        self.unknown.add(&other.unknown);
        self.bounds_hit += other.bounds_hit;
        self.registrations_refused += other.registrations_refused;
        self.ledger_refused += other.ledger_refused;
        self.gates_refused += other.gates_refused;
        self.timestamps_clamped += other.timestamps_clamped;
        self.interchange_warnings += other.interchange_warnings;
        for (name, counts) in &other.feeds {
            self.add_feed(name, *counts);
        }
        for (mine, theirs) in self.ignored.iter_mut().zip(&other.ignored) {
            *mine += theirs;
        }
        for (mine, theirs) in self.dead_lettered.iter_mut().zip(&other.dead_lettered) {
            *mine += theirs;
        }
    }
}
