//! A worker whose clock is set back, one whose topics grow under it, and one whose epochs are too large for its log.

use std::sync::Arc;

use dockside::engine::log::{Broker, Committed, Epoch, LogError, LogLayer, Sim, SimMember};
use dockside::engine::worker::{Turn, Worker, WorkerConfig};
use dockside::model::{Lane, Partition, Timestamp};
use dockside::stations::Rules;

use crate::conformance;

/// A log that had fewer partitions when its member looked.
struct Grown {
    member: SimMember,
    partitions: u32,
}

impl LogLayer for Grown {
    type Beneath = SimMember;

    fn beneath(&self) -> &SimMember {
        &self.member
    }

    fn beneath_mut(&mut self) -> &mut SimMember {
        &mut self.member
    }

    fn partitions(&self) -> u32 {
        self.partitions
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

/// A log whose transactions end before so many records of scans are read and written.
struct Slow {
    member: SimMember,
    records_max: u64,
    committed: u64,
    /// Records of the epochs that were tried.
    tried: Vec<u64>,
}

impl LogLayer for Slow {
    type Beneath = SimMember;

    fn beneath(&self) -> &SimMember {
        &self.member
    }

    fn beneath_mut(&mut self) -> &mut SimMember {
        &mut self.member
    }

    fn commit(&mut self, epoch: Epoch<'_>) -> Result<Committed, LogError> {
        let next = epoch.positions[&(Lane::Scans, Partition(0))];
        let records = next - self.committed;
        self.tried.push(records);
        if records > self.records_max {
            return Ok(Committed::Undone);
        }
        self.committed = next;
        self.member.commit(epoch)
    }
}

#[test]
fn epochs_shrink_until_they_can_be_committed_and_grow_again() {
    const SCANS: u32 = 20_000;
    for (records_max, undone_first) in [(u64::from(SCANS), 0), (9_999, 2), (1_000, 5), (500, 6)] {
        let log = Sim::new(1);
        log.append(&conformance::scans((0..SCANS).map(|number| (0, number)))).expect("the log is in memory");
        let member = log.join("a").expect("the log is in memory");
        let slow = Slow { member, records_max, committed: 0, tried: Vec::new() };
        let config = WorkerConfig { close_when_drained: true, ..WorkerConfig::default() };
        let mut worker = Worker::new(slow, Arc::new(Rules::embedded()), config);
        for _ in 0..1_000 {
            worker.turn(Timestamp(0)).expect("the log is in memory");
        }
        let slow = worker.shutdown().expect("the log is in memory");
        assert_eq!(slow.committed, u64::from(SCANS), "all is read at {records_max}: {:?}", slow.tried);
        let first = slow.tried.iter().position(|records| *records <= records_max).expect("one fits");
        assert_eq!(first, undone_first, "{records_max}: {:?}", slow.tried);
        let grows = slow.tried.windows(2).any(|pair| pair[1] > pair[0]);
        assert_eq!(grows, undone_first > 0, "{records_max}: {:?}", slow.tried);
    }
}
