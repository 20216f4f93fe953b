//! A worker's log, watched: what it does shows on the worker's desk.
//!
//! Enters: the calls of a worker. Leaves: the same calls, and notes. Always true: nothing is changed on the way.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Desk, Phase};
use crate::edge::clock::elapsed_us;
use crate::edge::process::locked;
use crate::engine::log::{
    Begun, Committed, Epoch, Log, LogError, Outbox, Polled, Positions, Record, Restored,
};
use crate::model::{Lane, Partition};

/// A log whose calls are noted.
#[derive(Debug)]
pub struct Watched<L> {
    log: L,
    desk: Arc<Desk>,
    /// When the first record of the open epoch came.
    opened_us: Option<u64>,
    /// The epoch that is being committed.
    begun: Option<Attempt>,
}

/// An epoch on its way into the log.
#[derive(Debug)]
struct Attempt {
    opened_us: u64,
    began_us: u64,
    positions: Positions,
}

impl<L: Log> Watched<L> {
    /// Watches `log`.
    pub fn new(log: L, desk: Arc<Desk>) -> Watched<L> {
        Watched { log, desk, opened_us: None, begun: None }
    }

    /// An epoch has ended and is about to be committed.
    fn attempt(&mut self, positions: &Positions) -> Attempt {
        self.desk.beat();
        let began_us = elapsed_us();
        let opened_us = self.opened_us.take().unwrap_or(began_us);
        Attempt { opened_us, began_us, positions: positions.clone() }
    }

    fn note_end(&self, attempt: &Attempt, committed: Committed) {
        self.desk.beat();
        if committed == Committed::Done {
            let now_us = elapsed_us();
            self.desk.commit.record(now_us - attempt.began_us);
            self.desk.epoch.record(now_us - attempt.opened_us);
            self.desk.heard();
            locked(&self.desk.shown).committed.extend(&attempt.positions);
        }
    }

    fn note(&mut self, polled: &Polled) {
        match polled {
            Polled::Idle => return,
            Polled::Records { .. } => {
                self.opened_us.get_or_insert_with(elapsed_us);
            }
            Polled::Eof { .. } => {}
            Polled::Assigned { positions, .. } => {
                self.desk.rebalances.fetch_add(1, Ordering::Release);
                self.desk.enter(Phase::Restoring);
                locked(&self.desk.shown).committed.extend(positions);
            }
            Polled::Revoked { partitions, .. } => {
                self.desk.rebalances.fetch_add(1, Ordering::Release);
                let gone = |place: &(Lane, Partition)| partitions.contains(&place.1);
                let mut shown = locked(&self.desk.shown);
                shown.committed.retain(|place, _| !gone(place));
                shown.partitions.retain(|partition| !partitions.contains(partition));
                let phase = if shown.partitions.is_empty() { Phase::Joining } else { Phase::Working };
                drop(shown);
                self.desk.settled().retain(|place, _| !gone(place));
                self.desk.enter(phase);
            }
        }
        self.desk.heard();
    }
}

impl<L: Log> Log for Watched<L> {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    fn poll(&mut self, lane: Lane, max: usize, wait: Duration) -> Result<Polled, LogError> {
        self.desk.beat();
        let polled = self.log.poll(lane, max, wait)?;
        self.note(&polled);
        Ok(polled)
    }

    fn commit(&mut self, epoch: Epoch<'_>) -> Result<Committed, LogError> {
        let attempt = self.attempt(epoch.positions);
        let committed = self.log.commit(epoch)?;
        self.note_end(&attempt, committed);
        Ok(committed)
    }

    fn begin(&mut self, outputs: Outbox, positions: &Positions) -> Result<Begun, LogError> {
        let attempt = self.attempt(positions);
        let begun = self.log.begin(outputs, positions)?;
        match &begun {
            Begun::Ended(committed, _) => self.note_end(&attempt, *committed),
            Begun::Open => self.begun = Some(attempt),
        }
        Ok(begun)
    }

    fn ended(&mut self, wait: bool) -> Result<Option<(Committed, Outbox)>, LogError> {
        self.desk.beat();
        let ended = self.log.ended(wait)?;
        if let Some((committed, _)) = &ended {
            let attempt = self.begun.take().expect("an epoch is on its way");
            self.note_end(&attempt, *committed);
        }
        Ok(ended)
    }

    fn resolve(&mut self) -> Result<Positions, LogError> {
        self.desk.beat();
        let resolved = self.log.resolve()?;
        self.desk.beat();
        self.desk.heard();
        locked(&self.desk.shown).committed.extend(&resolved);
        Ok(resolved)
    }

    fn seek(&mut self, positions: &Positions) -> Result<(), LogError> {
        self.opened_us = None;
        self.log.seek(positions)
    }

    fn readable(&mut self, lane: Lane, partition: Partition, wanted: u64) -> Result<Range<u64>, LogError> {
        self.desk.beat();
        self.log.readable(lane, partition, wanted)
    }

    fn start(&mut self, partition: Partition) -> Result<u64, LogError> {
        self.desk.beat();
        self.log.start(partition)
    }

    fn end(&mut self, partition: Partition) -> Result<u64, LogError> {
        self.desk.beat();
        self.log.end(partition)
    }

    fn restore(
        &mut self,
        partition: Partition,
        from: u64,
        to: u64,
        sink: &mut dyn FnMut(Record<'_>) -> Result<(), LogError>,
    ) -> Result<Restored, LogError> {
        let desk = Arc::clone(&self.desk);
        self.log.restore(partition, from, to, &mut |record| {
            desk.beat();
            desk.heard();
            sink(record)
        })
    }

    fn trim(&mut self, partition: Partition, offset: u64) -> Result<(), LogError> {
        self.log.trim(partition, offset)
    }
}
