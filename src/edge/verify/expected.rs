//! What a world comes to: the same inputs, through the same rules, in memory.
//!
//! Enters: a seeded world. Leaves: its documents, its books, and what the world says it wrote. Always true: one partition, one
//! worker, no faults; a phase begins when everything before it is done. Of what goes out only hops (until they are read) and
//! the latest documents are kept, so a world needs no more memory than its present phase and its last documents.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::digest::Latest;
use crate::engine::log::{Committed, Epoch, Log, LogError, Polled, Positions, Record, RecordBatch, Restored};
use crate::engine::worker::{Turn, Worker, WorkerConfig};
use crate::model::{Lane, Partition, Timestamp, Topic};
use crate::stations::{ClockSource, Counters, Rules};
use crate::workload::{self, Messages, Weather, World, WorldConfig};

const HERE: Partition = Partition(0);

/// What a world comes to.
#[derive(Debug)]
pub struct Expected {
    /// The latest documents.
    pub latest: Latest,
    /// The books of the whole world.
    pub books: Counters,
    /// What was written.
    pub written: workload::Expected,
    /// Whether order can matter, so that documents and books are only one of many possible outcomes.
    pub is_stormy: bool,
}

/// A record that waits to be read.
#[derive(Debug)]
struct Waiting {
    timestamp: Timestamp,
    key: Option<Vec<u8>>,
    value: Vec<u8>,
}

/// A log of one partition that keeps nothing but what is still to be read.
#[derive(Debug, Default)]
struct Mill {
    is_assigned: bool,
    lanes: [VecDeque<Waiting>; 3],
    /// The offset of the next record to be read.
    next: [u64; 3],
    told_end: [bool; 3],
    latest: Latest,
}

/// The only member of a mill.
#[derive(Debug)]
struct Miller(Rc<RefCell<Mill>>);

impl Mill {
    fn put(&mut self, lane: Lane, timestamp: Timestamp, key: Option<&[u8]>, value: &[u8]) {
        self.told_end[lane.index()] = false;
        let (key, value) = (key.map(<[u8]>::to_vec), value.to_vec());
        self.lanes[lane.index()].push_back(Waiting { timestamp, key, value });
    }

    fn positions(&self) -> Positions {
        Lane::ALL.into_iter().map(|lane| ((lane, HERE), self.next[lane.index()])).collect()
    }
}

impl Log for Miller {
    fn partitions(&self) -> u32 {
        1
    }

    fn poll(&mut self, lane: Lane, max: usize, _: Duration) -> Result<Polled, LogError> {
        let mut mill = self.0.borrow_mut();
        let Mill { is_assigned, lanes, next, told_end, .. } = &mut *mill;
        let (waiting, next) = (&mut lanes[lane.index()], &mut next[lane.index()]);
        if !std::mem::replace(is_assigned, true) {
            return Ok(Polled::Assigned { positions: mill.positions(), unread: vec![HERE] });
        }
        if waiting.is_empty() {
            let told = std::mem::replace(&mut told_end[lane.index()], true);
            return Ok(if told { Polled::Idle } else { Polled::Eof { lane, partition: HERE, next: *next } });
        }
        let mut batch = RecordBatch::default();
        for record in waiting.drain(..max.min(waiting.len())) {
            let Waiting { timestamp, key, value } = &record;
            let (key, value) = (key.as_deref(), Some(&value[..]));
            batch.push(Record {
                offset: *next,
                timestamp: *timestamp,
                key,
                value,
                content_type: None,
                feed: None,
            });
            *next += 1;
        }
        Ok(Polled::Records { lane, partition: HERE, batch })
    }

    fn commit(&mut self, epoch: Epoch<'_>) -> Result<Committed, LogError> {
        let mut mill = self.0.borrow_mut();
        for record in epoch.outputs.iter() {
            if record.topic == Topic::Hops {
                mill.put(Lane::Hops, record.timestamp, None, record.value.unwrap_or_default());
            } else if let Some(key) = record.key {
                mill.latest.feed(record.topic, &String::from_utf8_lossy(key), record.value);
            }
        }
        Ok(Committed::Done)
    }

    /// Every commit is done, so there is never a doubt to settle, nor anything to read again.
    fn resolve(&mut self) -> Result<Positions, LogError> {
        Ok(self.0.borrow().positions())
    }

    fn seek(&mut self, _: &Positions) -> Result<(), LogError> {
        Ok(())
    }

    /// Every position is where the log said that it is.
    fn readable(&mut self, _: Lane, _: Partition, wanted: u64) -> Result<Range<u64>, LogError> {
        Ok(wanted..wanted)
    }

    /// The state log is empty: nobody restores from it.
    fn start(&mut self, _: Partition) -> Result<u64, LogError> {
        Ok(0)
    }

    fn end(&mut self, _: Partition) -> Result<u64, LogError> {
        Ok(0)
    }

    fn restore(
        &mut self,
        _: Partition,
        _: u64,
        _: u64,
        _: &mut dyn FnMut(Record<'_>) -> Result<(), LogError>,
    ) -> Result<Restored, LogError> {
        Ok(Restored::Whole)
    }

    fn trim(&mut self, _: Partition, _: u64) -> Result<(), LogError> {
        Ok(())
    }
}

/// Runs a world to its end.
pub fn run(config: WorldConfig, rules: &Arc<Rules>) -> Result<Expected, LogError> {
    let is_stormy = config.weather == Weather::Stormy;
    let mut world = World::new(WorldConfig { partitions: 1, ..config });
    let mill = Rc::new(RefCell::new(Mill::default()));
    let worker_config = WorkerConfig {
        clock: ClockSource::Input,
        close_when_drained: true,
        // Nobody restores from here.
        image_run_bytes: u64::MAX,
        ..WorkerConfig::default()
    };
    let mut worker = Worker::new(Miller(Rc::clone(&mill)), Arc::clone(rules), worker_config);
    let mut messages = Messages::default();
    while let Some(phase) = world.next_phase(&mut messages) {
        for message in messages.iter() {
            let lane = if message.topic == Topic::Scans { Lane::Scans } else { Lane::Commands };
            mill.borrow_mut().put(lane, message.timestamp, message.key, message.value);
        }
        messages.clear();
        grind(&mut worker, &mill)?;
        mill.borrow_mut().put(Lane::Commands, phase.tick, None, br#"{"type":"tick"}"#);
        grind(&mut worker, &mill)?;
    }
    let (books, written) = (worker.counters(), world.expected().clone());
    let latest = std::mem::take(&mut mill.borrow_mut().latest);
    Ok(Expected { latest, books, written, is_stormy })
}

/// Turns until nothing is left to do.
fn grind(worker: &mut Worker<Miller>, mill: &RefCell<Mill>) -> Result<(), LogError> {
    loop {
        // An epoch closes when everything is read: no time passes here.
        let turn = worker.turn(Timestamp(0))?;
        if turn == Turn::Idle && worker.is_drained() && mill.borrow().lanes.iter().all(VecDeque::is_empty) {
            return Ok(());
        }
    }
}
