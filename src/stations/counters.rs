//! What became of every scan (R18).
//!
//! Always true, once nothing is in flight between partitions:
//! `read = applied + duplicate + ignored + parked + dead_lettered`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::StateFormat;
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

/// The reasons that [`StateFormat::Previous`] has counts of: the first of all.
const PREVIOUS_REASONS: usize = 14;
/// What stands before these counts, and they: each integer has its own length.
type ThroughReasons = ((u64, u64, u64, [u64; 4], u64), [u64; PREVIOUS_REASONS]);
/// The counts that are newer.
type NewerReasons = [u64; DeadLetterReason::ALL.len() - PREVIOUS_REASONS];

impl Counters {
    /// The books in a layout. What the previous one has no reason for counts as `UNKNOWN_FORMAT` there, so that the books
    /// still balance.
    pub fn to_bytes(&self, format: StateFormat) -> Vec<u8> {
        let whole = |counters: &Counters| {
            postcard::to_stdvec(counters).expect("counters always serialise into memory")
        };
        if format == StateFormat::Newest {
            return whole(self);
        }
        let mut older = self.clone();
        let (known, newer) = older.dead_lettered.split_at_mut(PREVIOUS_REASONS);
        known[DeadLetterReason::UnknownFormat as usize] += newer.iter_mut().map(std::mem::take).sum::<u64>();
        let bytes = whole(&older);
        let from_newer = behind::<ThroughReasons>(&bytes).expect("it was just written");
        let rest = behind::<NewerReasons>(from_newer).expect("it was just written");
        [&bytes[..bytes.len() - from_newer.len()], rest].concat()
    }

    /// Reads them back.
    pub fn from_bytes(format: StateFormat, bytes: &[u8]) -> Result<Counters, postcard::Error> {
        if format == StateFormat::Newest {
            return postcard::from_bytes(bytes);
        }
        let rest = behind::<ThroughReasons>(bytes)?;
        let none = postcard::to_stdvec(&NewerReasons::default())?;
        postcard::from_bytes(&[&bytes[..bytes.len() - rest.len()], &none, rest].concat())
    }

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

/// What stands behind a value.
fn behind<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<&'de [u8], postcard::Error> {
    postcard::take_from_bytes::<T>(bytes).map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of every length.
    fn books() -> Counters {
        let mut books = Counters { read: 300, applied: 70_000, parked: 1 << 40, ..Counters::default() };
        books.ignore(Ignored::Ended);
        for (reason, scans) in
            DeadLetterReason::ALL.into_iter().zip([0, 1, 127, 128, 1 << 33].into_iter().cycle())
        {
            books.dead_letter(reason, scans);
        }
        books.interchange_warnings = 5;
        books.add_feed("northbay", FeedCounts { scans: 4, unknown_codes: 2, dead_lettered: 1 });
        books
    }

    #[test]
    fn the_newest_layout_loses_nothing() {
        let bytes = books().to_bytes(StateFormat::Newest);
        assert_eq!(Counters::from_bytes(StateFormat::Newest, &bytes), Ok(books()));
    }

    #[test]
    fn the_previous_layout_has_fewer_reasons_and_the_same_sum() {
        let bytes = books().to_bytes(StateFormat::Previous);
        let read = Counters::from_bytes(StateFormat::Previous, &bytes).expect("what was written can be read");
        assert_eq!(read.accounted(), books().accounted());
        let mut expected = books();
        let newer = [DeadLetterReason::RecordsLost, DeadLetterReason::ReaderFailed];
        let moved = newer.map(|reason| std::mem::take(&mut expected.dead_lettered[reason as usize]));
        expected.dead_letter(DeadLetterReason::UnknownFormat, moved.iter().sum());
        assert_eq!(read, expected);
        assert_eq!(bytes, expected.to_bytes(StateFormat::Previous), "writing it again changes nothing");
    }

    #[test]
    fn a_layout_is_not_taken_for_the_other() {
        let bytes = books().to_bytes(StateFormat::Previous);
        assert_ne!(bytes.len(), books().to_bytes(StateFormat::Newest).len());
        assert!(Counters::from_bytes(StateFormat::Previous, &bytes[..bytes.len() - 1]).is_err());
    }
}
