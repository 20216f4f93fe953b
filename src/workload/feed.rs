//! A whole world in memory, ready to be written, and one worker that reads it there: what measuring has in common.
//!
//! Enters: a world's configuration. Leaves: its records by phase, and a worker that was fed with them. Always true: one
//! partition, one thread; making the world and appending it happen outside of [`Lone::drain`], which is what is measured.

use std::sync::Arc;

use super::{Meaning, Messages, ScanIntent, World, WorldConfig};
use crate::engine::log::{Broker, Log, Outbox, Sim, SimMember};
use crate::engine::worker::{Turn, Worker, WorkerConfig};
use crate::model::{Partition, Timestamp, Topic};
use crate::stations::{ClockSource, Rules};

/// The one partition.
pub const PARTITION: Partition = Partition(0);

/// A world, ready to be written.
#[derive(Debug)]
pub struct Feed {
    /// The records of each phase, and the tick that closes it.
    pub phases: Vec<(Outbox, Outbox)>,
    /// Scans in it.
    pub scans: u64,
    /// Commands in it.
    pub commands: u64,
    /// Bytes of scans.
    pub bytes: u64,
}

impl Feed {
    /// Makes the whole world, on one partition.
    pub fn new(config: WorldConfig) -> Feed {
        let scans = config.scans;
        let mut world = World::new(WorldConfig { partitions: 1, ..config });
        let mut feed = Feed { phases: Vec::new(), scans, commands: 0, bytes: 0 };
        let mut messages = Messages::default();
        while let Some(phase) = world.next_phase(&mut messages) {
            let mut written = Outbox::default();
            for message in messages.iter() {
                if message.topic == Topic::Scans {
                    feed.bytes += message.value.len() as u64;
                }
                let (at, key) = (message.timestamp, message.key);
                written.push(message.topic, PARTITION, at, key, Some(message.value), &[]);
            }
            let mut tick = Outbox::default();
            tick.push(Topic::Commands, PARTITION, phase.tick, None, Some(br#"{"type":"tick"}"#), &[]);
            feed.phases.push((written, tick));
        }
        feed.commands = world.expected().commands;
        assert_eq!(world.expected().scans, scans, "a world has the scans that it was asked for");
        feed
    }

    /// What is appended, in order: the records of each phase, then its tick, and so on.
    pub fn appends(&self) -> impl Iterator<Item = &Outbox> {
        self.phases.iter().flat_map(|(written, tick)| [written, tick])
    }
}

/// Readable scans of a world, one per message, with their record times: `count` of them, evenly over all its days.
pub fn readable_scans(config: WorldConfig, count: usize) -> Vec<(Timestamp, Vec<u8>)> {
    let mut world = World::new(config);
    let mut readable = Vec::new();
    let mut messages = Messages::default();
    while world.next_phase(&mut messages).is_some() {
        for message in messages.iter() {
            if let Meaning::Scans([intent]) = message.meaning
                && !matches!(intent, ScanIntent::Bad(_))
            {
                readable.push((message.timestamp, message.value.to_vec()));
            }
        }
    }
    let step = readable.len() / count;
    assert!(step > 0, "the world has fewer than {count} readable scans");
    readable.into_iter().step_by(step).take(count).collect()
}

/// A worker alone with a log in memory.
#[derive(Debug)]
pub struct Lone<L = SimMember> {
    /// The log.
    pub log: Sim,
    /// The worker.
    pub worker: Worker<L>,
    now: Timestamp,
}

impl Lone {
    /// A worker with an empty state.
    pub fn new() -> Lone {
        let log = Sim::new(1);
        let member = log.join("worker").expect("the log is in memory");
        Lone::over(log, member)
    }
}

impl<L: Log> Lone<L> {
    /// The same, over a member of that log that somebody may watch.
    pub fn over(log: Sim, member: L) -> Lone<L> {
        let config =
            WorkerConfig { clock: ClockSource::Input, close_when_drained: true, ..WorkerConfig::default() };
        let worker = Worker::new(member, Arc::new(Rules::embedded()), config);
        Lone { log, worker, now: Timestamp(0) }
    }

    /// Writes what the worker will read.
    pub fn append(&self, records: &Outbox) {
        self.log.append(records).expect("the log is in memory");
    }

    /// Turns until nothing is left to do.
    pub fn drain(&mut self) {
        let mut quiet = 0;
        while quiet < 2 {
            self.now = self.now.plus_ms(1);
            match self.worker.turn(self.now).expect("a log without faults") {
                Turn::Idle => quiet += 1,
                Turn::Worked | Turn::Committed(_) => quiet = 0,
                Turn::Sealed | Turn::Undone | Turn::Fenced => {
                    unreachable!("a log that commits at once, without faults")
                }
            }
        }
    }

    /// Nothing was missed: every scan of the feed was read, and the books balance.
    pub fn assert_complete(&self, feed: &Feed) {
        let counters = self.worker.counters();
        assert_eq!(self.log.lag().expect("the log is in memory"), 0, "everything was read");
        assert_eq!(counters.read, feed.scans, "every scan was read");
        assert_eq!(counters.read, counters.accounted(), "the books balance");
    }
}

impl Default for Lone {
    fn default() -> Self {
        Lone::new()
    }
}
