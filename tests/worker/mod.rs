//! A worker whose clock is set back, and one whose topics grow under it.

use std::sync::Arc;

use dockside::engine::log::{Broker, LogLayer, Sim, SimMember};
use dockside::engine::worker::{Turn, Worker, WorkerConfig};
use dockside::model::Timestamp;
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
