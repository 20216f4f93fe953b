//! The log inside this process: what `local` and `sim` share.
//!
//! Enters: appends and epochs. Leaves: frames for a [`Medium`], and records read back from it. Always true:
//! - one frame is one atomic step: a step is visible in memory only after its frame was taken by the medium;
//! - in memory is only where each run of records lies (40 bytes per run of up to 64 KiB), never a record;
//! - opened again, the frames alone give back all offsets, positions, marks and trims. Membership is not kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use crc32c::crc32c;

use crate::model::{Lane, Partition, Topic};

use super::frame::{Encoder, Head, Headers, Records};
use super::group::Group;
use super::member::Member;
use super::{Broker, Extent, LogError, Outbox, Positions, Record};

/// Where bytes of a frame lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub(super) segment: u32,
    pub(super) at: u64,
}

/// Keeps frames.
pub trait Medium: std::fmt::Debug + Send + Sync {
    /// Whether readers wait for records; otherwise they are told at once that there is none.
    const WAITS: bool;
    /// Takes a whole frame, or nothing of it. Calls do not overlap.
    fn append(&self, frame: &[u8]) -> Result<Place, LogError>;
    /// Fills `into` with the bytes from `place` on.
    fn read(&self, place: Place, into: &mut [u8]) -> Result<(), LogError>;
}

/// A log inside this process; clones are handles to the same one.
#[derive(Debug)]
pub struct Store<M: Medium> {
    shared: Arc<Shared<M>>,
}

#[derive(Debug)]
pub(super) struct Shared<M> {
    pub(super) partitions: u32,
    pub(super) medium: M,
    pub(super) changed: Condvar,
    state: Mutex<State>,
    /// For appends from outside; members have their own.
    encoder: Mutex<Encoder>,
}

/// All that is known about the frames.
#[derive(Debug)]
pub(super) struct State {
    partitions: u32,
    frames: u64,
    shelves: Vec<Shelf>,
    positions: Positions,
    marks: BTreeMap<String, u64>,
    pub(super) group: Group,
}

/// One partition of one topic.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    pub(super) start: u64,
    pub(super) end: u64,
    runs: Vec<RunAt>,
}

/// A run and where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunAt {
    pub(super) place: Place,
    pub(super) base: u64,
    pub(super) count: u32,
    bytes: u32,
    crc: u32,
}

impl Shelf {
    /// The run that holds the record of `offset`.
    pub(super) fn run(&self, offset: u64) -> Option<RunAt> {
        self.runs_from(offset).first().copied()
    }

    /// The runs that hold `offset` and what follows.
    pub(super) fn runs_from(&self, offset: u64) -> &[RunAt] {
        &self.runs[self.runs.partition_point(|run| run.base + u64::from(run.count) <= offset)..]
    }
}

impl State {
    pub(super) fn new(partitions: u32) -> State {
        State {
            partitions,
            frames: 0,
            shelves: vec![Shelf::default(); Topic::ALL.len() * partitions as usize],
            positions: Positions::new(),
            marks: BTreeMap::new(),
            group: Group::new(partitions),
        }
    }

    /// Takes note of a frame that lies at `place`.
    pub(super) fn apply(&mut self, place: Place, head: &Head) {
        assert_eq!(head.sequence, self.frames, "frames count without gaps");
        self.frames += 1;
        let mut at = place.at + head.body_at();
        for run in &head.runs {
            let shelf = self.shelf_mut(run.topic, run.partition);
            assert_eq!(run.base, shelf.end, "offsets of {}-{} continue", run.topic.name(), run.partition);
            shelf.end += u64::from(run.count);
            let place = Place { at, ..place };
            let (base, count, bytes, crc) = (run.base, run.count, run.bytes, run.crc);
            shelf.runs.push(RunAt { place, base, count, bytes, crc });
            at += u64::from(run.bytes);
        }
        self.positions.extend(head.positions.iter().copied());
        for &(partition, offset) in &head.trims {
            let shelf = self.shelf_mut(Topic::State, partition);
            shelf.start = shelf.start.max(offset);
            let gone = shelf.runs.partition_point(|run| run.base + u64::from(run.count) <= shelf.start);
            shelf.runs.drain(..gone);
        }
        self.marks.extend(head.marks.iter().cloned());
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    pub(super) fn shelf(&self, topic: Topic, partition: Partition) -> &Shelf {
        &self.shelves[self.index(topic, partition)]
    }

    fn shelf_mut(&mut self, topic: Topic, partition: Partition) -> &mut Shelf {
        let index = self.index(topic, partition);
        &mut self.shelves[index]
    }

    fn index(&self, topic: Topic, partition: Partition) -> usize {
        assert!(partition.0 < self.partitions, "partition {partition} of {}", self.partitions);
        topic.index() * self.partitions as usize + partition.0 as usize
    }

    /// The committed positions of all lanes of these partitions.
    pub(super) fn positions(&self, partitions: &[Partition]) -> Positions {
        let keys = partitions.iter().flat_map(|&partition| Lane::ALL.map(|lane| (lane, partition)));
        keys.map(|key| (key, self.positions.get(&key).copied().unwrap_or(0))).collect()
    }

    /// Those of the partitions of which no position was committed.
    pub(super) fn unread(&self, partitions: &[Partition]) -> Vec<Partition> {
        let is_unread =
            |of: &Partition| !Lane::ALL.iter().any(|lane| self.positions.contains_key(&(*lane, *of)));
        partitions.iter().copied().filter(is_unread).collect()
    }
}

impl<M: Medium> Shared<M> {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread fails while it holds the log")
    }

    /// Writes the frame that was put together, and makes it visible.
    pub(super) fn write(&self, state: &mut State, encoder: &mut Encoder) -> Result<(), LogError> {
        let frame = encoder.seal(state.frames, |topic, partition| state.shelf(topic, partition).end);
        let place = self.medium.append(frame)?;
        state.apply(place, encoder.head());
        self.changed.notify_all();
        Ok(())
    }

    /// Reads a run and checks it.
    pub(super) fn load(&self, run: &RunAt, into: &mut Vec<u8>) -> Result<(), LogError> {
        into.resize(run.bytes as usize, 0);
        self.medium.read(run.place, into)?;
        if crc32c(into) == run.crc {
            return Ok(());
        }
        let Place { segment, at } = run.place;
        Err(LogError {
            what: format!("reading segment {segment} of the log at byte {at}"),
            why: "the bytes changed since they were written: restore the directory from a copy, or start with a new one".to_owned(),
            refused: true,
        })
    }

    /// Hands records of one partition in `from..to` to `sink`, at most `max`; returns where to go on.
    pub(super) fn scan(
        &self,
        (topic, partition): (Topic, Partition),
        from: u64,
        to: u64,
        max: usize,
        sink: &mut dyn FnMut(Record<'_>, Headers<'_>) -> Result<(), LogError>,
    ) -> Result<u64, LogError> {
        let mut buffer = Vec::new();
        let to = to.min(from.saturating_add(max as u64));
        let mut next = from;
        while next < to {
            let Some(run) = self.state().shelf(topic, partition).run(next) else { break };
            self.load(&run, &mut buffer)?;
            let mut records = Records::new(&buffer, 0, run.base);
            while let Some((record, headers)) = records.next() {
                if record.offset >= to {
                    break;
                }
                if record.offset >= next {
                    let headers: Vec<_> = headers.collect();
                    sink(record, &headers)?;
                }
            }
            next = to.min(run.base + u64::from(run.count));
        }
        Ok(next)
    }
}

impl<M: Medium> Store<M> {
    pub(super) fn new(medium: M, state: State) -> Store<M> {
        let partitions = state.partitions;
        let encoder = Mutex::new(Encoder::new(partitions));
        let (state, changed) = (Mutex::new(state), Condvar::new());
        Store { shared: Arc::new(Shared { partitions, medium, changed, state, encoder }) }
    }

    pub(super) fn shared(&self) -> &Arc<Shared<M>> {
        &self.shared
    }

    fn put(&self, records: &Outbox, mark: Option<(&str, u64)>) -> Result<(), LogError> {
        let mut encoder = self.shared.encoder.lock().expect("no thread fails while it appends");
        encoder.put(records, &Positions::new(), mark, None);
        self.shared.write(&mut self.shared.state(), &mut encoder)
    }
}

impl<M: Medium> Clone for Store<M> {
    fn clone(&self) -> Store<M> {
        Store { shared: Arc::clone(&self.shared) }
    }
}

impl<M: Medium> Broker for Store<M> {
    type Member = Member<M>;

    fn partitions(&self) -> u32 {
        self.shared.partitions
    }

    fn join(&self, name: &str) -> Result<Member<M>, LogError> {
        Ok(Member::join(Arc::clone(&self.shared), name))
    }

    fn append(&self, records: &Outbox) -> Result<(), LogError> {
        if records.is_empty() { Ok(()) } else { self.put(records, None) }
    }

    fn append_marked(&self, records: &Outbox, name: &str, mark: u64) -> Result<(), LogError> {
        self.put(records, Some((name, mark)))
    }

    fn mark(&self, name: &str) -> Result<Option<u64>, LogError> {
        Ok(self.shared.state().marks.get(name).copied())
    }

    fn read_with_headers(
        &self,
        topic: Topic,
        partition: Partition,
        from: u64,
        max: usize,
        sink: &mut dyn FnMut(Record<'_>, Headers<'_>),
    ) -> Result<u64, LogError> {
        let (start, end) = {
            let state = self.shared.state();
            let shelf = state.shelf(topic, partition);
            (shelf.start, shelf.end)
        };
        let from = from.max(start);
        self.shared.scan((topic, partition), from, end, max, &mut |record, headers| {
            sink(record, headers);
            Ok(())
        })
    }

    fn ends(&self) -> Result<Positions, LogError> {
        let state = self.shared.state();
        let places =
            Lane::ALL.iter().flat_map(|&lane| (0..self.shared.partitions).map(move |p| (lane, Partition(p))));
        Ok(places.map(|(lane, p)| ((lane, p), state.shelf(lane.topic(), p).end)).collect())
    }

    fn lag(&self) -> Result<u64, LogError> {
        let state = self.shared.state();
        let every = (0..self.shared.partitions).map(Partition).collect::<Vec<_>>();
        let behind = |((lane, partition), position): ((Lane, Partition), u64)| {
            state.shelf(lane.topic(), partition).end.saturating_sub(position)
        };
        Ok(state.positions(&every).into_iter().map(behind).sum())
    }

    fn committed(&self) -> Result<Positions, LogError> {
        let every = (0..self.shared.partitions).map(Partition).collect::<Vec<_>>();
        Ok(self.shared.state().positions(&every))
    }

    fn extent(&self, topic: Topic, partition: Partition) -> Result<Extent, LogError> {
        let state = self.shared.state();
        let Shelf { start, end, .. } = *state.shelf(topic, partition);
        Ok(Extent { start, stable: end, end })
    }
}
