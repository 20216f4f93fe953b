//! The books: every input counted once, every answer and every dead letter there once.
//!
//! Enters: the records of `scans` and `commands`, then those of `command-results` and `dead-letters`, then the counters of
//! the state. Leaves: findings. What is promised, and held here:
//!
//! - `read = applied + duplicate + ignored + parked + dead-lettered`, and `read` is what the messages of `scans` hold;
//! - each part of a message that can't be read has one dead letter, with its place and its reason, and no other record has
//!   one; a number that was parked too long has one with as many scans as the books say;
//! - each command has one result: as many for a command ID as there are records with it, repeats included.
//!
//! Kept: the places of bad parts, and command IDs, until what belongs to them was found.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::expected::Expected;
use super::report::Check;
use crate::decode::{self, CommandRecord, Decoder, Part};
use crate::engine::log::{Headers, Record};
use crate::model::{DeadLetterReason, Ignored, Lane, Partition, Source};
use crate::stations::{Counters, InputRecord, Rules};

/// Where a dead letter comes from: the record, as headers write it, and the element.
type Place = (String, Option<u32>);

/// What inputs led to expect, less what was found.
#[derive(Debug)]
pub struct Counts {
    check: Check,
    decoder: Decoder,
    /// Scans and bad parts in `scans`; commands and bad records in `commands`.
    scans: u64,
    commands: u64,
    bad_commands: u64,
    /// What was refused among scans, by reason.
    refused: [u64; DeadLetterReason::ALL.len()],
    /// Dead letters that must come.
    awaited: BTreeMap<Place, DeadLetterReason>,
    /// Results that must come, by shipment and command ID; below zero: too many came.
    answers: BTreeMap<(String, String), i64>,
    letters: u64,
    results: u64,
    /// Scans in dead letters of numbers that were parked too long.
    expired: u64,
}

#[derive(Deserialize)]
struct Answered {
    command_id: String,
    shipment_id: String,
}

#[derive(Deserialize)]
struct Expired {
    scans: u64,
}

impl Counts {
    /// Nothing read yet.
    pub fn new(check: Check) -> Counts {
        Counts {
            check,
            decoder: Decoder::new(),
            scans: 0,
            commands: 0,
            bad_commands: 0,
            refused: [0; DeadLetterReason::ALL.len()],
            awaited: BTreeMap::new(),
            answers: BTreeMap::new(),
            letters: 0,
            results: 0,
            expired: 0,
        }
    }

    /// Takes a record of `scans`.
    pub fn scans(&mut self, rules: &Rules, partition: Partition, record: &Record<'_>) {
        let Counts { decoder, scans, refused, awaited, .. } = self;
        let source = Source { lane: Lane::Scans, partition, offset: record.offset };
        let Record { offset, timestamp, key, value, content_type, feed } = *record;
        let input = InputRecord { offset, timestamp, key, value, content_type, feed };
        let decoded = rules.decode(decoder, timestamp, &input, &mut |part| match part {
            Part::Scan { .. } => *scans += 1,
            Part::Rejected { index, rejection, .. } => {
                *scans += 1;
                refused[rejection.reason as usize] += 1;
                awaited.insert((source.to_string(), index), rejection.reason);
            }
            Part::Warned { .. } => {}
        });
        for (reason, elements) in &decoded.refused_more {
            *scans += elements;
            refused[*reason as usize] += elements;
        }
        if let Some((reason, _)) = decoded.refused_more.first_key_value() {
            awaited.insert((source.to_string(), None), *reason);
        }
    }

    /// Takes a record of `commands`.
    pub fn command(&mut self, partition: Partition, record: &Record<'_>) {
        match decode::guarded_command(record.value.unwrap_or_default()) {
            Ok(CommandRecord::Tick) => {}
            Ok(CommandRecord::Command(command)) => {
                self.commands += 1;
                let (shipment, id) = (command.shipment_id.as_str(), command.command_id.as_str());
                *self.answers.entry((shipment.to_owned(), id.to_owned())).or_default() += 1;
            }
            Err(rejection) => {
                self.bad_commands += 1;
                let source = Source { lane: Lane::Commands, partition, offset: record.offset };
                self.awaited.insert((source.to_string(), None), rejection.reason);
            }
        }
    }

    /// Takes a record of `command-results`.
    pub fn result(&mut self, partition: Partition, record: &Record<'_>) {
        self.results += 1;
        match serde_json::from_slice::<Answered>(record.value.unwrap_or_default()) {
            Ok(Answered { command_id, shipment_id }) => {
                let key = (shipment_id, command_id);
                let left = self.answers.get(&key).copied().unwrap_or_default() - 1;
                if left == 0 {
                    self.answers.remove(&key);
                } else {
                    self.answers.insert(key, left);
                }
            }
            Err(error) => self
                .check
                .find(|| format!("command-results-{partition}@{} can't be read: {error}", record.offset)),
        }
    }

    /// Takes a record of `dead-letters`.
    pub fn dead_letter(&mut self, partition: Partition, record: &Record<'_>, headers: Headers<'_>) {
        self.letters += 1;
        let header = |wanted: &str| {
            let found = headers.iter().find(|(name, _)| *name == wanted)?;
            std::str::from_utf8(found.1).ok()
        };
        let here = || format!("dead-letters-{partition}@{}", record.offset);
        let code = header("dockside.reason").unwrap_or_default();
        if code == DeadLetterReason::ParkExpired.code() {
            match serde_json::from_slice::<Expired>(record.value.unwrap_or_default()) {
                Ok(Expired { scans }) => self.expired += scans,
                Err(error) => self.check.find(|| format!("{} can't be read: {error}", here())),
            }
            return;
        }
        let source = header("dockside.source").unwrap_or_default();
        let index = header("dockside.index").and_then(|index| index.parse().ok());
        match self.awaited.remove(&(source.to_owned(), index)) {
            Some(reason) if reason.code() == code => {}
            Some(reason) => {
                self.check.find(|| format!("{}: {source} is told as {code}, it is {}", here(), reason.code()))
            }
            None => self.check.find(|| {
                format!("{}: {} is told again, or for no reason: {code}", here(), told(source, index))
            }),
        }
    }

    /// Compares with what the world wrote; and, where the outcome is certain, with the books it comes to.
    pub fn world(&mut self, expected: &Expected, books: Option<&Counters>) {
        let check = &mut self.check;
        let written = &expected.written;
        check.equal("scans of the world", written.scans, self.scans);
        check.equal("commands of the world", written.commands, self.commands + self.bad_commands);
        check.equal("bad commands of the world", written.bad_commands, self.bad_commands);
        for reason in DeadLetterReason::ALL {
            let what = format!("scans of the world that are {}", reason.code());
            check.equal(&what, written.dead_letters_of(reason), self.refused[reason as usize]);
        }
        let Some(found) = books.filter(|_| !expected.is_stormy) else { return };
        let want = &expected.books;
        // Which of two equal scans came first is chance.
        let folded = |books: &Counters| books.applied + books.duplicate;
        check.equal("applied and duplicate scans", folded(want), folded(found));
        check.equal("parked scans", want.parked, found.parked);
        check.equal("rejected commands", want.commands_rejected, found.commands_rejected);
        for reason in Ignored::ALL {
            let what = format!("ignored as {}", reason.name());
            check.equal(&what, want.ignored[reason as usize], found.ignored[reason as usize]);
        }
    }

    /// All was read. `books`: the counters of all partitions, if they could be restored.
    pub fn finish(mut self, books: Option<&Counters>) -> Check {
        let check = &mut self.check;
        for ((source, index), reason) in &self.awaited {
            check.find(|| format!("{} has no dead letter: {}", told(source, *index), reason.code()));
        }
        for ((shipment, id), left) in self.answers.iter().filter(|(_, left)| **left != 0) {
            let (missing, amount) = (*left > 0, left.unsigned_abs());
            let word = if missing { "lost" } else { "given again, or for no command" };
            check.find(|| format!("command {id} of {shipment}: {amount} results are {word}"));
        }
        match books {
            Some(books) => {
                check.equal("the books: read", books.accounted(), books.read);
                check.equal("scans read", self.scans, books.read);
                check.equal("commands read", self.commands, books.commands);
                check.equal("bad commands", self.bad_commands, books.bad_commands);
                for reason in DeadLetterReason::ALL {
                    let expected = match reason {
                        DeadLetterReason::ParkExpired => self.expired,
                        _ => self.refused[reason as usize],
                    };
                    let what = format!("dead-lettered as {}", reason.code());
                    check.equal(&what, expected, books.dead_lettered[reason as usize]);
                }
            }
            None => check.skip("the state can't be read, so there are no books"),
        }
        check.count("scans", self.scans);
        check.count("commands", self.commands);
        check.count("results", self.results);
        check.count("dead_letters", self.letters);
        self.check
    }
}

fn told(source: &str, index: Option<u32>) -> String {
    index.map_or_else(|| source.to_owned(), |index| format!("{source}, element {index},"))
}
