//! A worker whose log commits beside it: it reads on, and whatever the end is, every scan counts once.

use std::sync::Arc;

use dockside::engine::log::{
    Begun, Broker, Committed, Epoch, Faults, LogError, LogLayer, Outbox, Positions, Sim, SimMember,
};
use dockside::engine::worker::{Turn, Worker, WorkerConfig};
use dockside::model::Timestamp;
use dockside::stations::Rules;

use crate::conformance;

/// How the first epoch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    Undone,
    /// In doubt, and committed.
    Kept,
    /// In doubt, and not.
    Lost,
    Fenced,
}

/// A log that commits when its worker has looked so often, or waits.
struct Beside {
    member: SimMember,
    begun: Option<(Outbox, Positions)>,
    looks: u32,
    /// How the next epoch ends.
    end: End,
}

impl LogLayer for Beside {
    over_a_member!();

    fn begin(&mut self, outputs: Outbox, positions: &Positions) -> Result<Begun, LogError> {
        assert!(self.begun.is_none(), "one epoch at a time");
        self.begun = Some((outputs, positions.clone()));
        Ok(Begun::Open)
    }

    fn ended(&mut self, wait: bool) -> Result<Option<(Committed, Outbox)>, LogError> {
        if !wait && self.looks > 0 {
            self.looks -= 1;
            return Ok(None);
        }
        let (outputs, positions) = self.begun.take().expect("an epoch was begun");
        let end = std::mem::replace(&mut self.end, End::Done);
        if matches!(end, End::Done | End::Kept) {
            let epoch = Epoch { outputs: &outputs, positions: &positions };
            assert_eq!(LogLayer::commit(self, epoch)?, Committed::Done);
        }
        let committed = match end {
            End::Done => Committed::Done,
            End::Undone => Committed::Undone,
            End::Kept | End::Lost => Committed::InDoubt,
            End::Fenced => Committed::Fenced,
        };
        Ok(Some((committed, outputs)))
    }
}

const NOW: Timestamp = Timestamp(0);

fn ten(log: &Sim, from: u32) {
    log.append(&conformance::scans((from..from + 10).map(|number| (0, number)))).expect("in memory");
}

fn config() -> WorkerConfig {
    WorkerConfig { close_when_drained: true, ..WorkerConfig::default() }
}

#[test]
fn a_worker_reads_on_while_an_epoch_is_committed_and_takes_both_back_if_it_is_not() {
    for (end, ends_in, read) in [
        (End::Done, "Committed", 20),
        (End::Undone, "Undone", 0),
        (End::Kept, "Committed", 20),
        (End::Lost, "Undone", 0),
        (End::Fenced, "Fenced", 0),
    ] {
        let log = Sim::new(1);
        let member = log.join("a").expect("in memory");
        let beside = Beside { member, begun: None, looks: 5, end };
        let mut worker = Worker::new(beside, Arc::new(Rules::embedded()), config());
        ten(&log, 0);
        while worker.turn(NOW).expect("in memory") != Turn::Sealed {}
        assert_eq!((worker.counters().read, log.lag().expect("in memory")), (10, 10), "{end:?}");
        ten(&log, 10);
        assert_eq!(worker.turn(NOW).expect("in memory"), Turn::Worked, "{end:?}: it reads on");
        assert_eq!((worker.counters().read, log.lag().expect("in memory")), (20, 20), "{end:?}");
        assert_eq!((worker.settled(), worker.is_drained()), (None, false), "{end:?}");
        let ended = loop {
            match worker.turn(NOW).expect("in memory") {
                Turn::Worked => {}
                ended => break ended,
            }
        };
        assert!(format!("{ended:?}").starts_with(ends_in), "{end:?}: {ended:?}");
        assert_eq!(worker.counters().read, read, "{end:?}");
        if let Turn::Committed(report) = ended {
            assert_eq!((report.records, log.lag().expect("in memory")), (10, 10), "{end:?}: the first ten");
        }
        if end == End::Fenced {
            // The member is not lost in truth: who is told so begins anew.
            drop(worker);
            worker = Worker::new(
                Beside { member: log.join("a").expect("in memory"), begun: None, looks: 0, end: End::Done },
                Arc::new(Rules::embedded()),
                config(),
            );
        }
        for _ in 0..50 {
            worker.turn(NOW).expect("in memory");
        }
        assert_eq!((worker.counters().read, log.lag().expect("in memory")), (20, 0), "{end:?}");
        assert!(worker.is_drained() && worker.repairs() == 0, "{end:?}");
    }
}

#[test]
fn an_epoch_that_is_being_committed_holds_up_the_next_one_and_those_who_wait_for_it() {
    let log = Sim::new(1);
    let member = log.join("a").expect("in memory");
    let beside = Beside { member, begun: None, looks: u32::MAX, end: End::Done };
    let full = WorkerConfig { epoch_records_max: 10, ..config() };
    let mut worker = Worker::new(beside, Arc::new(Rules::embedded()), full);
    ten(&log, 0);
    while worker.turn(NOW).expect("in memory") != Turn::Sealed {}
    // The next one may not end before, however old it is, until it is full: then the first is waited for.
    log.append(&conformance::scans((10..19).map(|number| (0, number)))).expect("in memory");
    for _ in 0..100 {
        assert_eq!(worker.turn(Timestamp(1_000_000)).expect("in memory"), Turn::Worked);
    }
    assert_eq!((worker.counters().read, log.lag().expect("in memory")), (19, 19));
    ten(&log, 19);
    assert!(matches!(worker.turn(NOW).expect("in memory"), Turn::Committed(_)));
    assert_eq!((worker.counters().read, log.lag().expect("in memory")), (20, 19));
    // Whoever closes it waits for both.
    while worker.turn(NOW).expect("in memory") != Turn::Sealed {}
    assert_eq!(worker.turn(NOW).expect("in memory"), Turn::Worked);
    let closed = worker.close().expect("in memory");
    assert!(matches!(&closed, Turn::Committed(report) if report.records == 9), "{closed:?}");
    assert_eq!((worker.settled().is_some(), log.lag().expect("in memory")), (true, 0));
    // That of the one before is told afterwards.
    let told = worker.turn(NOW).expect("in memory");
    assert!(matches!(&told, Turn::Committed(report) if report.records == 10), "{told:?}");
}

/// What is given back was committed, or is read by who gets it; nothing twice.
#[test]
fn partitions_that_go_wait_for_the_epoch_that_is_being_committed() {
    for seed in 0..20 {
        let late = Faults { late: 1_000, ..Faults::default() };
        let log = Sim::with_faults(4, seed, late);
        let short = WorkerConfig { epoch_ms: 0, ..config() };
        let join = |name: &str| {
            Worker::new(log.join(name).expect("in memory"), Arc::new(Rules::embedded()), short.clone())
        };
        let mut workers = vec![join("a")];
        let (mut next, mut sealed) = (0, 0);
        for joins in [None, Some("b"), None, Some("c"), None] {
            workers.extend(joins.map(join));
            for _ in 0..40 {
                let numbers = next..next + 5;
                log.append(&conformance::scans(numbers.map(|number| (number % 4, number))))
                    .expect("in memory");
                next += 5;
                for worker in &mut workers {
                    sealed += usize::from(worker.turn(NOW).expect("in memory") == Turn::Sealed);
                }
            }
        }
        for _ in 0..500 {
            workers.iter_mut().for_each(|worker| drop(worker.turn(NOW).expect("in memory")));
        }
        let read: u64 = workers.iter().map(|worker| worker.counters().read).sum();
        assert_eq!((read, log.lag().expect("in memory")), (u64::from(next), 0), "seed {seed}");
        let owners = workers.iter().filter(|worker| worker.stations().count() > 0).count();
        assert_eq!((owners, workers.iter().map(Worker::repairs).sum::<u64>()), (3, 0), "seed {seed}");
        assert!(sealed > 40, "seed {seed}: {sealed} epochs were committed beside their workers");
    }
}
