//! The state logs: every epoch once, whole, in order, and the group stands where the last one ended.
//!
//! Enters: the records of a partition's state log in order, then the group's positions. Leaves: findings. What is promised,
//! and held here:
//!
//! - a log begins with epoch 1, or with a later one when it was trimmed, and goes on by one; an epoch begins with its
//!   delta, images stand beside it; the parts of both are all there, in order, and the digest of each fits its entries;
//! - an epoch reads on where the one before it stopped, in every lane; the first one reads from the start;
//! - the owner of a partition never goes back to an older one;
//! - the group's committed positions are those at which the last epoch stopped.

use std::collections::BTreeMap;

use super::report::Check;
use crate::engine::state::{StateHeader, StateKind, read_record};
use crate::model::{Lane, Partition};
use crate::stations::ClockSource;

/// One partition's state log, as far as it was read.
#[derive(Debug)]
pub struct StateLog {
    partition: Partition,
    partitions: u32,
    /// The last epoch, and how many of its parts there are and were read.
    epoch: u64,
    parts: (u32, u32),
    owner: u64,
    /// Where the last epoch stopped.
    stops: BTreeMap<Lane, u64>,
    clock: Option<ClockSource>,
    /// How many epochs were begun.
    pub epochs: u64,
}

impl StateLog {
    /// Nothing read yet.
    pub fn new(partition: Partition, partitions: u32) -> StateLog {
        StateLog {
            partition,
            partitions,
            epoch: 0,
            parts: (0, 0),
            owner: 0,
            stops: BTreeMap::new(),
            clock: None,
            epochs: 0,
        }
    }

    /// Who says what time it is in this partition; none: nothing happened yet.
    pub fn clock(&self) -> Option<ClockSource> {
        self.clock
    }

    /// Takes the next record. `starts` are the first offsets of the lanes that are still there.
    pub fn record(&mut self, offset: u64, value: &[u8], starts: &BTreeMap<Lane, u64>, check: &mut Check) {
        let place = format!("state-{}@{offset}", self.partition);
        let header = match read_record(value) {
            Ok(record) => record.header,
            Err(why) => return check.find(|| format!("{place}: {why}")),
        };
        if (header.partition, header.partitions) != (self.partition, self.partitions) {
            return check.find(|| {
                format!("{place}: it is of partition {} of {}", header.partition, header.partitions)
            });
        }
        if header.part == 0 {
            self.begin(&header, &place, starts, check);
        } else if header.epoch != self.epoch || header.part != self.parts.1 || header.parts != self.parts.0 {
            let StateHeader { part, parts, epoch, .. } = header;
            check.find(|| format!("{place}: part {part} of {parts} of epoch {epoch} is out of place"));
        } else {
            self.parts.1 += 1;
        }
    }

    fn begin(&mut self, header: &StateHeader, place: &str, starts: &BTreeMap<Lane, u64>, check: &mut Check) {
        self.whole(place, check);
        let (epoch, last) = (header.epoch, self.epoch);
        if header.kind != StateKind::Delta {
            if epoch != last {
                check.find(|| format!("{place}: an image of epoch {epoch} stands in epoch {last}"));
            }
            self.parts = (header.parts, 1);
            return;
        }
        if epoch <= last {
            check.find(|| format!("{place}: epoch {epoch} comes after epoch {last}"));
            // What it says was said before, or is from where nobody should be.
            self.parts = (0, 0);
            return;
        }
        let begins = last == 0;
        if epoch != last + 1 && !begins {
            check.find(|| format!("{place}: epoch {epoch} follows epoch {last}"));
        }
        if header.owner < self.owner {
            check.find(|| {
                format!("{place}: epoch {epoch} is of owner {}, after owner {}", header.owner, self.owner)
            });
        }
        for range in &header.inputs {
            let name = range.lane.topic().name();
            match self.stops.insert(range.lane, range.to) {
                Some(stop) if stop != range.from => check.find(|| {
                    format!(
                        "{place}: epoch {epoch} reads {name} from {}, epoch {last} stopped at {stop}",
                        range.from
                    )
                }),
                None if epoch == 1 && starts.get(&range.lane).is_some_and(|start| range.from > *start) => {
                    check.find(|| format!("{place}: the first epoch reads {name} from {} only", range.from));
                }
                _ if range.from > range.to => check.find(|| {
                    format!("{place}: epoch {epoch} reads {name} from {} back to {}", range.from, range.to)
                }),
                _ => {}
            }
        }
        self.epochs += 1;
        self.epoch = epoch;
        self.parts = (header.parts, 1);
        self.owner = self.owner.max(header.owner);
        self.clock = Some(header.clock.source());
    }

    fn whole(&self, place: &str, check: &mut Check) {
        let (parts, read) = self.parts;
        if read < parts {
            check.find(|| format!("{place}: epoch {} has {read} of its {parts} parts", self.epoch));
        }
    }

    /// The log was read to its end.
    pub fn finish(&self, check: &mut Check) {
        self.whole(&format!("the end of state-{}", self.partition), check);
    }

    /// Compares a committed position with where the last epoch stopped.
    pub fn position(&self, lane: Lane, committed: u64, start: u64, check: &mut Check) {
        let place = || format!("{}-{}", lane.topic().name(), self.partition);
        match self.stops.get(&lane) {
            Some(stop) if *stop != committed => check.find(|| {
                format!("{}: epoch {} stopped at {stop}, the group is at {committed}", place(), self.epoch)
            }),
            None if self.epochs == 0 && committed != start => {
                check.find(|| format!("{}: the group is at {committed}, but there is no epoch", place()));
            }
            None if self.epochs > 0 => {
                check.skip("an image of an older version does not say where it stands")
            }
            _ => {}
        }
    }
}
