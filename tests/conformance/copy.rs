//! The smallest job that needs everything a log promises: copy each scan to `shipments`, exactly once.
//!
//! Its state is a number per partition, that of the last epoch, written to the state log in the same epoch. Always true, in
//! spite of any fault: every scan is copied once, in its partition's order, and the numbers have no gap.

use std::collections::BTreeMap;
use std::time::Duration;

use dockside::engine::log::{Broker, Committed, Epoch, Log, Outbox, Polled, Positions};
use dockside::model::{Lane, Partition, Timestamp, Topic};

use super::{PATIENCE, WAIT, numbers, only_numbers};

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Worked,
    Quiet,
    /// Fenced: to be dropped and started anew.
    Stopped,
}

/// One worker of the job.
#[derive(Debug)]
pub(crate) struct CopyJob<M> {
    member: M,
    batch: usize,
    epoch_records: usize,
    wait: Duration,
    outputs: Outbox,
    positions: Positions,
    /// The committed positions, and the number of the next epoch, of each partition that is ours.
    committed: Positions,
    epochs: BTreeMap<Partition, u32>,
}

impl<M: Log> CopyJob<M> {
    /// Polls at most `batch` records at a time and commits once it has `epoch_records`, or nothing more to read.
    pub(crate) fn new(member: M, batch: usize, epoch_records: usize) -> CopyJob<M> {
        CopyJob {
            member,
            batch,
            epoch_records,
            wait: WAIT,
            outputs: Outbox::default(),
            positions: Positions::new(),
            committed: Positions::new(),
            epochs: BTreeMap::new(),
        }
    }

    pub(crate) fn owned(&self) -> Vec<Partition> {
        self.epochs.keys().copied().collect()
    }

    /// One poll and what follows from it.
    pub(crate) fn step(&mut self) -> Progress {
        match self.member.poll(Lane::Scans, self.batch, self.wait).expect("a log that can be polled") {
            Polled::Records { lane, partition, batch } => {
                for record in batch.iter() {
                    let at =
                        self.positions.get(&(lane, partition)).or(self.committed.get(&(lane, partition)));
                    assert!(at.is_some_and(|&at| at <= record.offset), "{partition}@{} again", record.offset);
                    self.outputs.push(Topic::Shipments, partition, record.timestamp, None, record.value, &[]);
                    self.positions.insert((lane, partition), record.offset + 1);
                }
                if self.outputs.len() >= self.epoch_records { self.commit() } else { Progress::Worked }
            }
            Polled::Eof { .. } | Polled::Idle if self.positions.is_empty() => Progress::Quiet,
            Polled::Eof { .. } | Polled::Idle => self.commit(),
            Polled::Assigned { positions, .. } => {
                assert!(self.epochs.is_empty(), "assigned without a revocation");
                self.take_up(positions);
                Progress::Worked
            }
            Polled::Revoked { partitions, lost } => {
                assert_eq!(partitions, self.owned(), "all partitions go");
                let progress = if lost { Progress::Worked } else { self.commit() };
                self.forget_epoch();
                self.committed.clear();
                self.epochs.clear();
                progress
            }
        }
    }

    fn take_up(&mut self, positions: Positions) {
        for &(_, partition) in positions.keys() {
            let start = self.member.start(partition).expect("a start");
            let end = self.member.end(partition).expect("an end");
            let mut next = 0;
            let sink = &mut |record: dockside::engine::log::Record<'_>| {
                assert_eq!(super::number(record.value), next, "the state of {partition} has no gap");
                next += 1;
                Ok(())
            };
            self.member.restore(partition, start, end, sink).expect("a state log");
            self.epochs.insert(partition, next);
        }
        self.committed = positions;
    }

    fn commit(&mut self) -> Progress {
        if self.positions.is_empty() {
            return Progress::Worked;
        }
        let mut outputs = self.outputs.clone();
        for (_, partition) in self.positions.keys() {
            let value = self.epochs[partition].to_string();
            outputs.push(Topic::State, *partition, Timestamp(0), None, Some(value.as_bytes()), &[]);
        }
        let epoch = Epoch { outputs: &outputs, positions: &self.positions };
        match self.member.commit(epoch).expect("a commit") {
            Committed::Done => self.done(),
            Committed::Undone => self.undone(),
            Committed::InDoubt => {
                let settled = self.member.resolve().expect("positions");
                let stands = |wanted: &Positions| {
                    self.positions
                        .keys()
                        .all(|at| settled.get(at) == wanted.get(at) || !settled.contains_key(at))
                };
                if !self.positions.keys().all(|at| settled.contains_key(at)) {
                    // They are lost: the next poll says so.
                    self.forget_epoch();
                } else if stands(&self.positions) {
                    self.done();
                } else {
                    assert!(stands(&self.committed), "half of an epoch: {settled:?}");
                    self.undone();
                }
            }
            Committed::Fenced => return Progress::Stopped,
        }
        Progress::Worked
    }

    fn done(&mut self) {
        for (_, partition) in self.positions.keys() {
            *self.epochs.get_mut(partition).expect("ours") += 1;
        }
        self.committed.append(&mut self.positions);
        self.forget_epoch();
    }

    fn undone(&mut self) {
        self.forget_epoch();
        self.member.seek(&self.committed).expect("a seek");
    }

    fn forget_epoch(&mut self) {
        self.outputs.clear();
        self.positions.clear();
    }
}

/// Drives the workers in turn until all is committed.
pub(crate) fn run<B: Broker>(broker: &B, jobs: &mut [&mut CopyJob<B::Member>]) {
    for _ in 0..PATIENCE {
        let mut quiet = true;
        for job in &mut *jobs {
            let progress = job.step();
            assert_ne!(progress, Progress::Stopped, "a worker was fenced");
            quiet &= progress == Progress::Quiet;
        }
        if quiet && broker.lag().expect("a lag") == 0 {
            return;
        }
    }
    panic!("{} records are left", broker.lag().expect("a lag"));
}

/// Every scan from 0 to `count`, spread over the partitions in turn, was copied once and in order.
pub(crate) fn check<B: Broker>(broker: &B, count: u32) {
    let partitions = broker.partitions();
    for partition in 0..partitions {
        let want: Vec<_> = (0..count).filter(|number| number % partitions == partition).collect();
        let copied = only_numbers(numbers(broker, Topic::Shipments, partition, want.len()));
        assert_eq!(copied, want, "partition {partition}");
    }
}
