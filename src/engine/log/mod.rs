//! The log that joins the stations: an epoch is one value, committed whole or not at all.
//!
//! Enters: the [`Epoch`]s of a worker. Leaves: records of the lanes, in the order of their offsets per partition.
//! Always true:
//! - a reader sees only records of committed epochs, and each exactly once per position;
//! - outputs and positions of an epoch become visible together, over all partitions;
//! - begin, produce, abort, group membership and fencing are the implementation's own business.
//!
//! Three implementations pass one conformance suite: `local` (embedded, durable, one directory), `sim` (in memory,
//! seeded, with faults) and `kafka` (in the edge).

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use crate::model::{Lane, Partition, Timestamp, Topic};

pub mod export;
mod frame;
mod group;
mod layer;
mod local;
mod member;
mod ram;
mod sim;
mod store;
mod wal;

pub use frame::Headers;
pub use layer::LogLayer;
pub use local::Local;
pub use member::Member;
pub use ram::Ram;
pub use sim::{Faults, Memory, Sim, SimMember};
pub use store::{Medium, Place, Store};
pub use wal::{Durability, Recovered, Wal};

/// The next offset to read, per lane and partition. What a group commits.
pub type Positions = BTreeMap<(Lane, Partition), u64>;

/// Records of one partition of one lane, in the order of their offsets (which may have gaps).
#[derive(Clone, Debug, Default)]
pub struct RecordBatch {
    bytes: Kept,
    records: Vec<Placed>,
}

/// The bytes of a batch.
#[derive(Clone, Debug)]
enum Kept {
    /// Copied, one record after the other.
    Copied(Vec<u8>),
    /// As they came, perhaps shared with other batches.
    Shared(Bytes),
}

impl Default for Kept {
    fn default() -> Kept {
        Kept::Copied(Vec::new())
    }
}

/// Where in its batch a record lies. The parts are those of a [`Record`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is described by `Record`")]
pub struct Placed {
    pub offset: u64,
    pub timestamp: Timestamp,
    pub key: Option<Range<u32>>,
    pub value: Option<Range<u32>>,
    pub content_type: Option<Range<u32>>,
    pub feed: Option<Range<u32>>,
}

/// One record, borrowed from its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its own offset; the next position is one more.
    pub offset: u64,
    /// When it was written, as the log says.
    pub timestamp: Timestamp,
    /// Its key: a hint, never trusted.
    pub key: Option<&'a [u8]>,
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The header `content-type`.
    pub content_type: Option<&'a [u8]>,
    /// The header `dockside-feed`.
    pub feed: Option<&'a [u8]>,
}

impl RecordBatch {
    /// Records that lie in these bytes. Offsets must rise.
    pub fn over(bytes: Bytes, records: Vec<Placed>) -> RecordBatch {
        assert!(records.is_sorted_by(|a, b| a.offset < b.offset), "offsets must rise");
        RecordBatch { bytes: Kept::Shared(bytes), records }
    }

    /// Copies a record to the end. Offsets must rise.
    pub fn push(&mut self, record: Record<'_>) {
        assert!(self.records.last().is_none_or(|last| last.offset < record.offset), "offsets must rise");
        let Kept::Copied(bytes) = &mut self.bytes else { panic!("records of shared bytes are all there") };
        let mut keep = |part: Option<&[u8]>| {
            part.map(|part| {
                let start = place(bytes.len());
                bytes.extend_from_slice(part);
                start..place(bytes.len())
            })
        };
        let placed = Placed {
            offset: record.offset,
            timestamp: record.timestamp,
            key: keep(record.key),
            value: keep(record.value),
            content_type: keep(record.content_type),
            feed: keep(record.feed),
        };
        self.records.push(placed);
    }

    /// The records, in order.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        let bytes: &[u8] = match &self.bytes {
            Kept::Copied(bytes) => bytes,
            Kept::Shared(bytes) => bytes,
        };
        let part = |range: &Option<Range<u32>>| {
            range.as_ref().map(|range| &bytes[range.start as usize..range.end as usize])
        };
        self.records.iter().map(move |placed| Record {
            offset: placed.offset,
            timestamp: placed.timestamp,
            key: part(&placed.key),
            value: part(&placed.value),
            content_type: part(&placed.content_type),
            feed: part(&placed.feed),
        })
    }

    /// The offset of the last record.
    pub fn last_offset(&self) -> Option<u64> {
        self.records.last().map(|placed| placed.offset)
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Forgets all records and keeps the memory.
    pub fn clear(&mut self) {
        match &mut self.bytes {
            Kept::Copied(bytes) => bytes.clear(),
            shared @ Kept::Shared(_) => *shared = Kept::default(),
        }
        self.records.clear();
    }
}

/// A place in a batch, which is far smaller than that.
fn place(at: usize) -> u32 {
    u32::try_from(at).expect("a batch has fewer than 4 GiB")
}

/// What an epoch writes: records with explicit partitions, packed in one buffer.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    records: Vec<OutMeta>,
}

#[derive(Clone, Debug)]
struct OutMeta {
    topic: Topic,
    partition: Partition,
    timestamp: Timestamp,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Vec<(&'static str, Range<usize>)>,
}

/// One record to write, borrowed from its outbox.
#[derive(Clone, Copy, Debug)]
pub struct OutRecord<'a> {
    /// Where it goes.
    pub topic: Topic,
    /// Which partition of it.
    pub partition: Partition,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    outbox: &'a Outbox,
    headers: &'a [(&'static str, Range<usize>)],
}

impl<'a> OutRecord<'a> {
    /// Its headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &'a [u8])> + use<'a> {
        let outbox = self.outbox;
        self.headers.iter().map(move |(name, range)| (*name, &outbox.bytes[range.clone()]))
    }
}

impl Outbox {
    /// Adds a record.
    pub fn push(
        &mut self,
        topic: Topic,
        partition: Partition,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&'static str, &[u8])],
    ) {
        let bytes = &mut self.bytes;
        let mut keep = |part: &[u8]| {
            let start = bytes.len();
            bytes.extend_from_slice(part);
            start..bytes.len()
        };
        let meta = OutMeta {
            topic,
            partition,
            timestamp,
            key: key.map(&mut keep),
            value: value.map(&mut keep),
            headers: headers.iter().map(|(name, value)| (*name, keep(value))).collect(),
        };
        self.records.push(meta);
    }

    /// The records, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = OutRecord<'_>> {
        self.records.iter().map(|meta| OutRecord {
            topic: meta.topic,
            partition: meta.partition,
            timestamp: meta.timestamp,
            key: meta.key.clone().map(|range| &self.bytes[range]),
            value: meta.value.clone().map(|range| &self.bytes[range]),
            outbox: self,
            headers: &meta.headers,
        })
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of keys, values and headers.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets all records and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }
}

/// All that a worker did between two commits.
#[derive(Clone, Copy, Debug)]
pub struct Epoch<'a> {
    /// What it writes. For every partition that it writes state or hops *from*, `positions` has at least one input
    /// of that partition (an unchanged one, if nothing was read): otherwise a zombie's timer-only epoch would
    /// escape the generation check.
    pub outputs: &'a Outbox,
    /// The next offsets of what it read.
    pub positions: &'a Positions,
}

/// What a poll brought.
#[derive(Clone, Debug)]
pub enum Polled {
    /// Records of one partition of the lane.
    Records {
        /// The lane that was polled.
        lane: Lane,
        /// The partition they are from.
        partition: Partition,
        /// The records.
        batch: RecordBatch,
    },
    /// The partition is drained: every record before `next` was handed on, and there is no more now. Reported once for
    /// each end, and again after a seek.
    Eof {
        /// The lane that was polled.
        lane: Lane,
        /// The partition that is drained.
        partition: Partition,
        /// Where it goes on. Offsets that are no records (a log may need some) lie before it too.
        next: u64,
    },
    /// Partitions are ours now, all lanes of each.
    Assigned {
        /// Where each lane is read from: what the group committed; where nothing was, or where what was is gone, the first
        /// offset that is still there.
        positions: Positions,
        /// Those of which the group has committed no position at all.
        unread: Vec<Partition>,
    },
    /// These partitions are about to be taken away. Unless `lost`, the worker may commit its open epoch; the next
    /// poll completes the revocation.
    Revoked {
        /// All partitions that go.
        partitions: Vec<Partition>,
        /// They belong to somebody else already: roll back, a commit would be refused.
        lost: bool,
    },
    /// Nothing within the time.
    Idle,
}

/// What became of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Committed: visible, positions moved.
    Done,
    /// Not committed, for certain: roll back and `seek`.
    Undone,
    /// Unknown: ask `resolve`, then keep or roll back.
    InDoubt,
    /// Somebody else has our name or our partitions: roll back and forget them. The next poll tells which of both it is: it
    /// takes the partitions away, or fails.
    Fenced,
}

/// What became of an epoch so far.
#[derive(Clone, Debug)]
pub enum Begun {
    /// It has ended; its outputs come back, for their memory.
    Ended(Committed, Outbox),
    /// It is on its way: [`Log::ended`] tells.
    Open,
}

/// How far reading a state log came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// To its end.
    Whole,
    /// The partition is about to be taken away: the next poll says so.
    Interrupted,
    /// Something that was read from turned out to be damaged, and is not read from any more: what was handed on is to be
    /// forgotten, and asked for again.
    Spoilt,
}

/// A failing world: the worker stops, and whoever runs it says so.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct LogError {
    /// What was attempted, and on what.
    pub what: String,
    /// What went wrong, and what to do about it.
    pub why: String,
    /// Whether the state or the log does not fit, so that going on could lose data (exit code 5); otherwise the log
    /// cannot be reached (exit code 4).
    pub refused: bool,
}

/// How far a partition of a topic reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first offset that is still there.
    pub start: u64,
    /// The offset up to which every transaction has ended. A log without transactions has only ended ones.
    pub stable: u64,
    /// The offset that the next record gets, open transactions included.
    pub end: u64,
}

/// A partitioned log with groups and atomic epochs, seen by one worker.
///
/// The partitions of all topics are numbered alike: partition `p` of every topic has one owner.
pub trait Log {
    /// How many partitions every topic has.
    fn partitions(&self) -> u32;

    /// The next thing that happened on `lane`, with at most `max` records, after at most `wait`. Assignment and
    /// revocation may be reported on any lane.
    fn poll(&mut self, lane: Lane, max: usize, wait: Duration) -> Result<Polled, LogError>;

    /// Writes outputs and positions, all or nothing.
    fn commit(&mut self, epoch: Epoch<'_>) -> Result<Committed, LogError>;

    /// Begins to commit. A log may go on with it while the worker polls; the proof of membership is of now. Until its end is
    /// told, nothing else is begun, sought or taken up, and a revocation waits.
    fn begin(&mut self, outputs: Outbox, positions: &Positions) -> Result<Begun, LogError> {
        let committed = self.commit(Epoch { outputs: &outputs, positions })?;
        Ok(Begun::Ended(committed, outputs))
    }

    /// What became of the epoch that is on its way, with its outputs; none: nothing yet. If told to `wait`, there is no none.
    fn ended(&mut self, wait: bool) -> Result<Option<(Committed, Outbox)>, LogError> {
        unreachable!("a log that leaves epochs open says how they end (asked to wait: {wait})")
    }

    /// After `InDoubt`: settles the epoch and returns the committed positions of our partitions.
    fn resolve(&mut self) -> Result<Positions, LogError>;

    /// Reads on from these positions; records already fetched beyond them are dropped.
    fn seek(&mut self, positions: &Positions) -> Result<(), LogError>;

    /// The offsets of a lane that can be read: from the first that is still there to the end. Where `wanted` lies behind the
    /// end, that is not only because news of the end is late.
    fn readable(&mut self, lane: Lane, partition: Partition, wanted: u64) -> Result<Range<u64>, LogError>;

    /// The first offset of the partition's `state` log that is still there.
    fn start(&mut self, partition: Partition) -> Result<u64, LogError>;

    /// The end of the partition's `state` log: the offset the next record gets, open epochs included.
    fn end(&mut self, partition: Partition) -> Result<u64, LogError>;

    /// Hands the committed records of the partition's `state` log in `from..to` to `sink`, in order.
    fn restore(
        &mut self,
        partition: Partition,
        from: u64,
        to: u64,
        sink: &mut dyn FnMut(Record<'_>) -> Result<(), LogError>,
    ) -> Result<Restored, LogError>;

    /// Lets the partition's `state` log begin at `offset`; what is before it may be deleted.
    fn trim(&mut self, partition: Partition, offset: u64) -> Result<(), LogError>;
}

/// The whole log, seen from outside the workers: who feeds inputs, reads outputs and starts members.
pub trait Broker {
    /// One worker's view.
    type Member: Log;

    /// How many partitions every topic has.
    fn partitions(&self) -> u32;

    /// Joins the group under a stable name; an older member of that name is fenced.
    fn join(&self, name: &str) -> Result<Self::Member, LogError>;

    /// Appends records (scans, commands, ticks) outside any epoch, atomically.
    fn append(&self, records: &Outbox) -> Result<(), LogError>;

    /// Appends as above and stores `mark` under `name` in the same atomic step (how far an input file was read). A log
    /// that cannot do that refuses.
    fn append_marked(&self, records: &Outbox, name: &str, mark: u64) -> Result<(), LogError>;

    /// The mark stored last under `name`.
    fn mark(&self, name: &str) -> Result<Option<u64>, LogError>;

    /// Committed records of one partition from `from` on, at most `max`; and the offset to go on from.
    fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: u64,
        max: usize,
        sink: &mut dyn FnMut(Record<'_>),
    ) -> Result<u64, LogError> {
        self.read_with_headers(topic, partition, from, max, &mut |record, _| sink(record))
    }

    /// As [`Broker::read`], with all headers of each record.
    fn read_with_headers(
        &self,
        topic: Topic,
        partition: Partition,
        from: u64,
        max: usize,
        sink: &mut dyn FnMut(Record<'_>, Headers<'_>),
    ) -> Result<u64, LogError>;

    /// Where the lanes end now: the offset after the last record of each partition, or a later one. Open epochs count:
    /// what is written is behind these ends, whether or not it can be seen yet.
    fn ends(&self) -> Result<Positions, LogError>;

    /// How many records of all lanes are written but not committed as read; none: drained.
    fn lag(&self) -> Result<u64, LogError>;

    /// The group's committed positions, every lane of every partition; the first offset where nothing was committed.
    fn committed(&self) -> Result<Positions, LogError>;

    /// How far a partition of a topic reaches.
    fn extent(&self, topic: Topic, partition: Partition) -> Result<Extent, LogError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_gives_back_what_was_put_in() {
        let mut outbox = Outbox::default();
        outbox.push(Topic::Hops, Partition(3), Timestamp(5), None, Some(b"v"), &[]);
        outbox.push(
            Topic::DeadLetters,
            Partition(0),
            Timestamp(6),
            Some(b"k"),
            None,
            &[("a", b"1"), ("b", b"")],
        );
        let seen: Vec<_> = outbox
            .iter()
            .map(|r| (r.topic, r.partition.0, r.timestamp.0, r.key, r.value, r.headers().collect::<Vec<_>>()))
            .collect();
        assert_eq!(
            seen,
            [
                (Topic::Hops, 3, 5, None, Some(&b"v"[..]), vec![]),
                (Topic::DeadLetters, 0, 6, Some(&b"k"[..]), None, vec![("a", &b"1"[..]), ("b", &b""[..])]),
            ]
        );
    }
}
