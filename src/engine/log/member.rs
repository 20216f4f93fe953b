//! One worker's view of the log inside this process.
//!
//! Enters: polls and epochs. Leaves: records, news of the group, and what became of the epochs. Always true: a member
//! reads only what it was assigned; an epoch with a position of a partition that it does not own is fenced.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Lane, Partition, Topic};

use super::frame::{Encoder, Records};
use super::group::{Incarnation, News};
use super::store::{Medium, Shared, State};
use super::{Committed, Epoch, Log, LogError, Outbox, Polled, Positions, Record, RecordBatch, Restored};

/// A poll takes no further run once it has this many bytes.
const BATCH_BYTES: usize = 1024 * 1024;

/// A member of the group; dropped, it leaves, and its open epoch never was.
#[derive(Debug)]
pub struct Member<M: Medium> {
    shared: Arc<Shared<M>>,
    name: String,
    incarnation: Incarnation,
    lanes: [Vec<Cursor>; 3],
    /// Which cursor of a lane is looked at first, so that none starves.
    turns: [usize; 3],
    encoder: Encoder,
    /// Buffers of runs that were read to their end.
    spare: Vec<Vec<u8>>,
}

/// How far one partition of a lane was read.
#[derive(Debug)]
struct Cursor {
    partition: Partition,
    next: u64,
    told_end: bool,
    open: Option<OpenRun>,
}

/// A run that was read in part: `at` is the byte where the record `next` of the cursor starts.
#[derive(Debug)]
struct OpenRun {
    bytes: Vec<u8>,
    at: usize,
}

impl<M: Medium> Member<M> {
    pub(super) fn join(shared: Arc<Shared<M>>, name: &str) -> Member<M> {
        let incarnation = shared.state().group.join(name);
        shared.changed.notify_all();
        let encoder = Encoder::new(shared.partitions);
        let (lanes, turns, spare) = (Default::default(), [0; 3], Vec::new());
        Member { shared, name: name.to_owned(), incarnation, lanes, turns, encoder, spare }
    }

    /// The group takes this member for dead: it learns so at its next poll.
    pub(super) fn bury(&self) {
        self.shared.state().group.bury(&self.name, self.incarnation);
    }

    /// The group divides its partitions anew.
    pub(super) fn rebalance(&self) {
        self.shared.state().group.rebalance();
    }

    fn has_work(&self, state: &State, lane: Lane) -> bool {
        let waiting = |cursor: &Cursor| {
            !cursor.told_end || cursor.next < state.shelf(lane.topic(), cursor.partition).end
        };
        state.group.has_news(&self.name, self.incarnation) || self.lanes[lane.index()].iter().any(waiting)
    }

    /// The next cursor of the lane, in turn, that has records or just came to its end.
    fn choose(&self, state: &State, lane: Lane) -> Option<(usize, bool)> {
        let cursors = &self.lanes[lane.index()];
        let turn = self.turns[lane.index()];
        (turn..cursors.len()).chain(0..turn.min(cursors.len())).find_map(|index| {
            let cursor = &cursors[index];
            let more = cursor.next < state.shelf(lane.topic(), cursor.partition).end;
            (more || !cursor.told_end).then_some((index, more))
        })
    }

    fn read(&mut self, lane: Lane, index: usize, max: usize) -> Result<Polled, LogError> {
        let cursor = &mut self.lanes[lane.index()][index];
        let partition = cursor.partition;
        let mut batch = RecordBatch::default();
        let mut taken = 0;
        cursor.told_end = false;
        while batch.len() < max && taken < BATCH_BYTES {
            if cursor.open.is_none() {
                let Some(run) = self.shared.state().shelf(lane.topic(), partition).run(cursor.next) else {
                    break;
                };
                let mut bytes = self.spare.pop().unwrap_or_default();
                self.shared.load(&run, &mut bytes)?;
                let mut records = Records::new(&bytes, 0, run.base);
                for _ in run.base..cursor.next {
                    records.next();
                }
                let at = records.at();
                cursor.open = Some(OpenRun { bytes, at });
            }
            let open = cursor.open.as_mut().expect("a run was opened");
            let mut records = Records::new(&open.bytes, open.at, cursor.next);
            while batch.len() < max
                && let Some((record, _)) = records.next()
            {
                cursor.next = record.offset + 1;
                batch.push(record);
            }
            taken += records.at() - open.at;
            open.at = records.at();
            if open.at == open.bytes.len() {
                self.spare.extend(cursor.open.take().map(|open| open.bytes));
            }
        }
        Ok(Polled::Records { lane, partition, batch })
    }

    fn take_up(&mut self, positions: &Positions) {
        self.put_down();
        for (&(lane, partition), &next) in positions {
            self.lanes[lane.index()].push(Cursor { partition, next, told_end: false, open: None });
        }
    }

    fn put_down(&mut self) {
        self.lanes = Default::default();
        self.spare.clear();
    }

    fn fenced(&self, what: &str) -> LogError {
        LogError {
            what: format!("{what} as `{}`", self.name),
            why: "another member joined under the same name; give every worker its own name".to_owned(),
            refused: true,
        }
    }
}

impl<M: Medium> Drop for Member<M> {
    fn drop(&mut self) {
        self.shared.state().group.leave(&self.name, self.incarnation);
        self.shared.changed.notify_all();
    }
}

impl<M: Medium> Log for Member<M> {
    fn partitions(&self) -> u32 {
        self.shared.partitions
    }

    fn poll(&mut self, lane: Lane, max: usize, wait: Duration) -> Result<Polled, LogError> {
        assert!(max > 0, "a poll for no record");
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        if M::WAITS && !wait.is_zero() && !self.has_work(&state, lane) {
            let idle = |state: &mut State| !self.has_work(state, lane);
            state = shared.changed.wait_timeout_while(state, wait, idle).expect("no thread fails").0;
        }
        if state.group.has_news(&self.name, self.incarnation) {
            let news = state.group.news(&self.name, self.incarnation);
            shared.changed.notify_all();
            match news {
                News::Nothing => {}
                News::Fenced => return Err(self.fenced("polling")),
                News::Revoked { partitions, lost } => {
                    self.put_down();
                    return Ok(Polled::Revoked { partitions, lost });
                }
                News::Assigned(partitions) => {
                    let positions = state.positions(&partitions);
                    self.take_up(&positions);
                    return Ok(Polled::Assigned { positions, unread: state.unread(&partitions) });
                }
            }
        }
        let chosen = self.choose(&state, lane);
        drop(state);
        let Some((index, more)) = chosen else { return Ok(Polled::Idle) };
        self.turns[lane.index()] = index + 1;
        if more {
            return self.read(lane, index, max);
        }
        let cursor = &mut self.lanes[lane.index()][index];
        cursor.told_end = true;
        Ok(Polled::Eof { lane, partition: cursor.partition, next: cursor.next })
    }

    fn commit(&mut self, epoch: Epoch<'_>) -> Result<Committed, LogError> {
        self.encoder.put(epoch.outputs, epoch.positions, None, None);
        for run in self.encoder.head().runs.iter().filter(|run| run.topic == Topic::State) {
            let named = Lane::ALL.iter().any(|&lane| epoch.positions.contains_key(&(lane, run.partition)));
            assert!(named, "an epoch that writes the state of {} has a position of it", run.partition);
        }
        let mut state = self.shared.state();
        let Some(owned) = state.group.owned(&self.name, self.incarnation) else {
            return Ok(Committed::Fenced);
        };
        if epoch.positions.keys().any(|(_, partition)| !owned.contains(partition)) {
            return Ok(Committed::Fenced);
        }
        if !(epoch.outputs.is_empty() && epoch.positions.is_empty()) {
            self.shared.write(&mut state, &mut self.encoder)?;
        }
        Ok(Committed::Done)
    }

    fn resolve(&mut self) -> Result<Positions, LogError> {
        let state = self.shared.state();
        let owned = state.group.owned(&self.name, self.incarnation);
        Ok(state.positions(owned.ok_or_else(|| self.fenced("settling an epoch"))?))
    }

    fn seek(&mut self, positions: &Positions) -> Result<(), LogError> {
        for (&(lane, partition), &next) in positions {
            let cursors = &mut self.lanes[lane.index()];
            // What is no longer ours is on its way to somebody else: the next poll says so.
            if let Some(cursor) = cursors.iter_mut().find(|cursor| cursor.partition == partition) {
                *cursor = Cursor { partition, next, told_end: false, open: None };
            }
        }
        Ok(())
    }

    fn readable(&mut self, lane: Lane, partition: Partition, _: u64) -> Result<Range<u64>, LogError> {
        let state = self.shared.state();
        let shelf = state.shelf(lane.topic(), partition);
        Ok(shelf.start..shelf.end)
    }

    fn start(&mut self, partition: Partition) -> Result<u64, LogError> {
        Ok(self.shared.state().shelf(Topic::State, partition).start)
    }

    fn end(&mut self, partition: Partition) -> Result<u64, LogError> {
        Ok(self.shared.state().shelf(Topic::State, partition).end)
    }

    fn restore(
        &mut self,
        partition: Partition,
        from: u64,
        to: u64,
        sink: &mut dyn FnMut(Record<'_>) -> Result<(), LogError>,
    ) -> Result<Restored, LogError> {
        let start = self.start(partition)?;
        if from < start {
            return Err(LogError {
                what: format!("reading the state log of partition {partition} from {from}"),
                why: format!("it begins at {start} by now: restore from there"),
                refused: true,
            });
        }
        self.shared.scan((Topic::State, partition), from, to, usize::MAX, &mut |record, _| sink(record))?;
        Ok(Restored::Whole)
    }

    fn trim(&mut self, partition: Partition, offset: u64) -> Result<(), LogError> {
        let mut state = self.shared.state();
        if state.group.owned(&self.name, self.incarnation).is_none() {
            return Err(self.fenced("trimming the state log"));
        }
        let shelf = state.shelf(Topic::State, partition);
        assert!(
            offset <= shelf.end,
            "trimming the state log of {partition} at {offset}, behind its end {}",
            shelf.end
        );
        if offset > shelf.start {
            self.encoder.put(&Outbox::default(), &Positions::new(), None, Some((partition, offset)));
            self.shared.write(&mut state, &mut self.encoder)?;
        }
        Ok(())
    }
}
