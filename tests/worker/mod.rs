//! A worker whose clock is set back, and one whose topics grow under it.

use std::sync::Arc;
use std::time::Duration;

use dockside::engine::log::{
    Broker, Committed, Epoch, Log, LogError, Polled, Positions, Record, Restored, Sim, SimMember,
};
use dockside::engine::worker::{Turn, Worker, WorkerConfig};
use dockside::model::{Lane, Partition, Timestamp};
use dockside::stations::Rules;

use crate::conformance;

/// A log that had fewer partitions when its member looked.
struct Grown {
    member: SimMember,
    partitions: u32,
}

impl Log for Grown {
    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn poll(&mut self, lane: Lane, max: usize, wait: Duration) -> Result<Polled, LogError> {
        self.member.poll(lane, max, wait)
    }

    fn commit(&mut self, epoch: Epoch<'_>) -> Result<Committed, LogError> {
        self.member.commit(epoch)
    }

    fn resolve(&mut self) -> Result<Positions, LogError> {
        self.member.resolve()
    }

    fn seek(&mut self, positions: &Positions) -> Result<(), LogError> {
        self.member.seek(positions)
    }

    fn start(&mut self, partition: Partition) -> Result<u64, LogError> {
        self.member.start(partition)
    }

    fn end(&mut self, partition: Partition) -> Result<u64, LogError> {
        self.member.end(partition)
    }

    fn restore(
        &mut self,
        partition: Partition,
        from: u64,
        to: u64,
        sink: &mut dyn FnMut(Record<'_>) -> Result<(), LogError>,
    ) -> Result<Restored, LogError> {
        self.member.restore(partition, from, to, sink)
    }

    fn trim(&mut self, partition: Partition, offset: u64) -> Result<(), LogError> {
        self.member.trim(partition, offset)
    }
}

#[test]
fn partitions_that_came_later_are_refused() {
    for (before, now, is_refused) in [(3, 3, false), (2, 3, true), (1, 3, true)] {
        let log = Sim::new(now);
        let member = log.join("a").expect("the log is in memory");
        let grown = Grown { member, partitions: before };
        let mut worker = Worker::new(grown, Arc::new(Rules::embedded()), WorkerConfig::default());
        let outcome = (0..10).try_for_each(|_| worker.turn(Timestamp(0)).map(drop));
        match outcome {
            Ok(()) => assert!(!is_refused, "{before} of {now}"),
            Err(error) => {
                assert!(is_refused && error.refused, "{before} of {now}: {error}");
                assert!(error.why.contains(&format!("there were {before} partitions")), "{error}");
            }
        }
    }
}

#[test]
fn an_epoch_ends_also_when_the_clock_is_set_back() {
    const OPENED: i64 = 1_000_000;
    let epoch_ms = WorkerConfig::default().epoch_ms;
    for (now, ends) in [
        (OPENED, false),
        (OPENED + epoch_ms - 1, false),
        (OPENED + epoch_ms, true),
        (OPENED - 1, true),
        (0, true),
    ] {
        let log = Sim::new(1);
        let member = log.join("a").expect("the log is in memory");
        let mut worker = Worker::new(member, Arc::new(Rules::embedded()), WorkerConfig::default());
        let mut turn = |now| worker.turn(Timestamp(now)).expect("the log is in memory");
        assert_eq!(turn(OPENED), Turn::Idle, "the assignment");
        log.append(&conformance::scans([(0, 1)])).expect("the log is in memory");
        assert_eq!(turn(OPENED), Turn::Worked);
        assert_eq!(matches!(turn(now), Turn::Committed(_)), ends, "at {now}");
    }
}
