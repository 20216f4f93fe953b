//! A worker whose clock is set back, one whose topics grow under it, one whose epochs are too large for its log, one whose
//! messages are full of refused elements, one whose records are gone, and one that has a torn epoch.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use dockside::engine::log::{
    Broker, Committed, Epoch, Headers, LogError, LogLayer, Outbox, Polled, Positions, Record, Sim, SimMember,
};
use dockside::engine::worker::{OnGap, Turn, Worker, WorkerConfig};
use dockside::model::{Lane, Partition, Timestamp, Topic};
use dockside::stations::{LETTERS_MAX, Rules};

use crate::conformance;

mod edge;

/// The log beneath each of these is a member of the one in memory.
macro_rules! over_a_member {
    () => {
        type Beneath = SimMember;

        fn beneath(&self) -> &SimMember {
            &self.member
        }

        fn beneath_mut(&mut self) -> &mut SimMember {
            &mut self.member
        }
    };
}

mod beside;

/// A log that had fewer partitions when its member looked.
struct Grown {
    member: SimMember,
    partitions: u32,
}

impl LogLayer for Grown {
    over_a_member!();

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
    over_a_member!();

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

/// A log whose first records of a lane are gone, and that does not commit its first epochs.
struct Gapped {
    member: SimMember,
    lane: Lane,
    start: u64,
    undone: u32,
}

impl LogLayer for Gapped {
    over_a_member!();

    fn poll(&mut self, lane: Lane, max: usize, wait: Duration) -> Result<Polled, LogError> {
        let mut polled = self.member.poll(lane, max, wait)?;
        if let Polled::Assigned { positions, .. } = &mut polled {
            let next = positions.get_mut(&(self.lane, Partition(0))).expect("all lanes");
            *next = self.start.max(*next);
            self.member.seek(positions)?;
        }
        Ok(polled)
    }

    fn commit(&mut self, epoch: Epoch<'_>) -> Result<Committed, LogError> {
        if let Some(left) = self.undone.checked_sub(1) {
            self.undone = left;
            return Ok(Committed::Undone);
        }
        self.member.commit(epoch)
    }

    fn readable(&mut self, lane: Lane, partition: Partition, wanted: u64) -> Result<Range<u64>, LogError> {
        let there = self.member.readable(lane, partition, wanted)?;
        Ok(if lane == self.lane { self.start..there.end.max(self.start) } else { there })
    }
}

#[test]
fn a_gap_is_refused_or_told_by_one_dead_letter() {
    use OnGap::{Fail, Skip};
    // Ten scans were read, ten more were written. The lane, its first offset that is there, the setting, epochs that are
    // not committed; how many scans are then read in all, and how many offsets were lost.
    for (lane, start, on_gap, undone, then) in [
        (Lane::Scans, 10, Fail, 0, Some((20, 0))),
        (Lane::Scans, 11, Fail, 0, None),
        (Lane::Scans, 11, Skip, 0, Some((20, 1))),
        (Lane::Scans, 15, Skip, 0, Some((16, 5))),
        (Lane::Scans, 15, Skip, 3, Some((16, 5))),
        (Lane::Scans, 20, Skip, 0, Some((11, 10))),
        (Lane::Scans, 20, Skip, 3, Some((11, 10))),
        (Lane::Commands, 2, Skip, 0, Some((20, 2))),
        (Lane::Commands, 2, Fail, 0, None),
        (Lane::Hops, 2, Skip, 0, None),
    ] {
        let what = format!("{lane:?} from {start}, {on_gap:?}, {undone} undone");
        let log = Sim::new(1);
        let config = WorkerConfig { close_when_drained: true, on_gap, ..WorkerConfig::default() };
        let rules = Arc::new(Rules::embedded());
        let mut worker = Worker::new(log.join("a").expect("in memory"), Arc::clone(&rules), config.clone());
        log.append(&conformance::scans((0..10).map(|n| (0, n)))).expect("in memory");
        (0..10).for_each(|_| drop(worker.turn(Timestamp(0)).expect("in memory")));
        assert_eq!(worker.counters().read, 10, "{what}");
        drop(worker.shutdown().expect("in memory"));
        log.append(&conformance::scans((10..20).map(|n| (0, n)))).expect("in memory");

        let gapped = Gapped { member: log.join("a").expect("in memory"), lane, start, undone };
        let mut worker = Worker::new(gapped, Arc::clone(&rules), config.clone());
        let outcome = (0..20).try_for_each(|_| worker.turn(Timestamp(0)).map(drop));
        let Some((read, lost)) = then else {
            let error = outcome.expect_err(&what);
            assert!(error.refused && error.why.contains(&format!("only {start} to")), "{what}: {error}");
            continue;
        };
        outcome.expect(&what);
        assert_eq!((worker.counters().read, worker.lost()), (read, lost), "{what}");
        drop(worker.shutdown().expect("in memory"));

        let mut told = Vec::new();
        log.read_with_headers(Topic::DeadLetters, Partition(0), 0, 100, &mut |record, headers| {
            let is_told =
                headers.iter().any(|(name, value)| *name == "dockside.reason" && value == b"RECORDS_LOST");
            told.extend(is_told.then(|| record.value.map(<[u8]>::len)));
        })
        .expect("in memory");
        assert_eq!(told.len(), usize::from(lost > 0), "{what}: {told:?}");
        // The log is whole, and nobody sees a gap in it again.
        let mut worker = Worker::new(log.join("a").expect("in memory"), rules, config);
        (0..10).for_each(|_| drop(worker.turn(Timestamp(0)).expect("in memory")));
        assert_eq!((worker.counters().read, worker.lost()), (read, 0), "{what}");
    }
}

#[test]
fn millions_of_refused_elements_are_not_as_many_letters() {
    let bound = LETTERS_MAX as usize;
    for (elements, alone, with_the_rest) in [(bound, bound, 0), (bound + 1, bound, 1), (bound * 50, bound, 1)]
    {
        let log = Sim::new(1);
        let message = format!("[{}]", vec!["0"; elements].join(","));
        let mut outbox = Outbox::default();
        outbox.push(Topic::Scans, Partition(0), Timestamp(0), None, Some(message.as_bytes()), &[]);
        log.append(&outbox).expect("in memory");
        let config = WorkerConfig { close_when_drained: true, ..WorkerConfig::default() };
        let mut worker = Worker::new(log.join("a").expect("in memory"), Arc::new(Rules::embedded()), config);
        (0..10).for_each(|_| drop(worker.turn(Timestamp(0)).expect("in memory")));
        let counters = worker.counters();
        assert_eq!((counters.read, counters.accounted()), (elements as u64, elements as u64));

        let mut letters = [0, 0];
        let mut sink = |record: Record<'_>, headers: Headers<'_>| {
            let is_alone = headers.iter().any(|(name, _)| *name == "dockside.index");
            letters[usize::from(!is_alone)] += 1;
            let wanted = if is_alone { b"0" } else { message.as_bytes() };
            assert_eq!(record.value, Some(wanted));
        };
        log.read_with_headers(Topic::DeadLetters, Partition(0), 0, 100_000, &mut sink).expect("in memory");
        assert_eq!(letters, [alone, with_the_rest], "{elements} elements");
    }
}

/// A log of which one epoch is torn: its positions moved to somewhere else, and nothing was written.
struct Torn {
    member: SimMember,
    /// Epochs until then.
    whole: u32,
    is_torn: bool,
}

impl LogLayer for Torn {
    over_a_member!();

    fn commit(&mut self, epoch: Epoch<'_>) -> Result<Committed, LogError> {
        match self.whole.checked_sub(1) {
            Some(left) => self.whole = left,
            None if !self.is_torn => {
                self.is_torn = true;
                return Ok(Committed::InDoubt);
            }
            None => {}
        }
        self.member.commit(epoch)
    }

    fn resolve(&mut self) -> Result<Positions, LogError> {
        let mut positions: Positions = Lane::ALL
            .into_iter()
            .flat_map(|lane| [0, 1].map(|partition| ((lane, Partition(partition)), 0)))
            .collect();
        positions.insert((Lane::Scans, Partition(0)), 13);
        Ok(positions)
    }
}

#[test]
fn after_a_torn_epoch_the_state_log_says_where_it_goes_on() {
    let log = Sim::new(2);
    let member = log.join("a").expect("in memory");
    let config = WorkerConfig { close_when_drained: true, ..WorkerConfig::default() };
    let torn = Torn { member, whole: 1, is_torn: false };
    let mut worker = Worker::new(torn, Arc::new(Rules::embedded()), config);
    // The other partition never has anything: that its state log is empty is nothing to refuse.
    for round in 0..2 {
        log.append(&conformance::scans((10 * round..10 * (round + 1)).map(|n| (0, n)))).expect("in memory");
        (0..20).for_each(|_| drop(worker.turn(Timestamp(0)).expect("it goes on")));
    }
    assert_eq!((worker.counters().read, worker.repairs()), (20, 1));
    assert!(worker.shutdown().expect("in memory").is_torn);
}
