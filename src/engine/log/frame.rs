//! One atomic step of the in-process logs as bytes: a frame.
//!
//! Enters: an [`Outbox`], positions, a mark, a trim. Leaves: one self-checking run of bytes, and back.
//! Always true: a frame whose checks pass is whole; records of one partition keep their order; the same bytes serve
//! the file and the memory.
//!
//! ```text
//! frame = head length u32 · CRC32C of the head u32 · head · body                  (all numbers little-endian)
//! head  = sequence u64 · counts of runs, positions, trims, marks (u32 each) ·
//!         runs      (topic u8, partition u32, first offset u64, records u32, bytes u32, CRC32C u32) ·
//!         positions (lane u8, partition u32, next offset u64) · trims (partition u32, offset u64) ·
//!         marks     (length u16, name, value u64)
//! body  = the bytes of the runs, in their order
//! record = timestamp i64 · lengths of key, value (u32, all ones: none), headers u32 · key · value · headers
//! header = length u16, name · length u32, value
//! ```
//! A *run* is records of one partition of one topic, about [`RUN_BYTES`] at most: the unit of reading. So a reader holds
//! one run at a time, whatever the size of the epoch that wrote it.

use crc32c::crc32c;

use crate::model::{Lane, Partition, Timestamp, Topic};

use super::{OutRecord, Outbox, Positions, Record};

/// A run takes no further record once it would grow beyond this.
const RUN_BYTES: usize = 64 * 1024;
/// The two numbers in front of the head.
pub(crate) const PREFIX_BYTES: usize = 8;
const COUNTS_BYTES: usize = 8 + 4 * 4;
const RUN_ENTRY_BYTES: usize = 1 + 4 + 8 + 4 + 4 + 4;
const RECORD_PREFIX_BYTES: usize = 8 + 4 + 4 + 4;
/// The length of what is not there.
const NONE: u32 = u32::MAX;

/// A record's headers, in order.
pub type Headers<'a> = &'a [(&'a str, &'a [u8])];

/// Records of one partition that lie together in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) topic: Topic,
    pub(crate) partition: Partition,
    /// The offset of its first record.
    pub(crate) base: u64,
    pub(crate) count: u32,
    pub(crate) bytes: u32,
    pub(crate) crc: u32,
}

/// What a frame says about itself: all but the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Frames count from 0 without gaps.
    pub(crate) sequence: u64,
    pub(crate) runs: Vec<Run>,
    pub(crate) positions: Vec<((Lane, Partition), u64)>,
    pub(crate) trims: Vec<(Partition, u64)>,
    pub(crate) marks: Vec<(String, u64)>,
}

impl Head {
    fn bytes_len(&self) -> usize {
        let marks: usize = self.marks.iter().map(|(name, _)| 2 + name.len() + 8).sum();
        COUNTS_BYTES
            + self.runs.len() * RUN_ENTRY_BYTES
            + self.positions.len() * 13
            + self.trims.len() * 12
            + marks
    }

    /// Where the body starts, counted from the start of the frame.
    pub(crate) fn body_at(&self) -> u64 {
        (PREFIX_BYTES + self.bytes_len()) as u64
    }

    /// The length of the whole frame.
    pub(crate) fn frame_bytes(&self) -> u64 {
        self.body_at() + self.runs.iter().map(|run| u64::from(run.bytes)).sum::<u64>()
    }

    fn clear(&mut self) {
        self.runs.clear();
        self.positions.clear();
        self.trims.clear();
        self.marks.clear();
    }

    /// Reads the bytes after the prefix; none when they are no head.
    pub(crate) fn decode(prefix: Prefix, head: &[u8]) -> Option<Head> {
        if crc32c(head) != prefix.crc {
            return None;
        }
        let mut bytes = Bytes(head);
        let sequence = bytes.u64()?;
        let [runs, positions, trims, marks] = [bytes.u32()?, bytes.u32()?, bytes.u32()?, bytes.u32()?];
        let mut decoded = Head { sequence, ..Head::default() };
        for _ in 0..runs {
            decoded.runs.push(Run {
                topic: *Topic::ALL.get(usize::from(bytes.u8()?))?,
                partition: Partition(bytes.u32()?),
                base: bytes.u64()?,
                count: bytes.u32()?,
                bytes: bytes.u32()?,
                crc: bytes.u32()?,
            });
        }
        for _ in 0..positions {
            let lane = *Lane::ALL.get(usize::from(bytes.u8()?))?;
            decoded.positions.push(((lane, Partition(bytes.u32()?)), bytes.u64()?));
        }
        for _ in 0..trims {
            decoded.trims.push((Partition(bytes.u32()?), bytes.u64()?));
        }
        for _ in 0..marks {
            let length = usize::from(bytes.u16()?);
            let name = std::str::from_utf8(bytes.take(length)?).ok()?.to_owned();
            decoded.marks.push((name, bytes.u64()?));
        }
        bytes.0.is_empty().then_some(decoded)
    }
}

/// The two numbers in front of the head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefix {
    pub(crate) head_bytes: u32,
    crc: u32,
}

impl Prefix {
    pub(crate) fn decode(bytes: [u8; PREFIX_BYTES]) -> Prefix {
        let [a, b, c, d, e, f, g, h] = bytes;
        Prefix { head_bytes: u32::from_le_bytes([a, b, c, d]), crc: u32::from_le_bytes([e, f, g, h]) }
    }
}

/// Where the runs of one partition stand while a frame is put together.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Its first run in this frame and the one being filled; [`NONE`] before the first record.
    first: u32,
    current: u32,
    base: Option<u64>,
}

const EMPTY_SLOT: Slot = Slot { first: NONE, current: NONE, base: None };

/// A run while it is being filled.
#[derive(Clone, Copy, Debug)]
struct Filling {
    /// The next run of the same partition.
    next: u32,
    /// Where the next record goes, and how many are still to come.
    at: usize,
    left: u32,
}

/// Puts frames together in one buffer that is used again and again.
#[derive(Debug)]
pub(crate) struct Encoder {
    partitions: u32,
    head: Head,
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    filling: Vec<Filling>,
}

impl Encoder {
    pub(crate) fn new(partitions: u32) -> Encoder {
        let slots = Topic::ALL.len() * partitions as usize;
        Encoder {
            partitions,
            head: Head::default(),
            bytes: Vec::new(),
            slots: vec![EMPTY_SLOT; slots],
            filling: Vec::new(),
        }
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// Lays out a frame; what only the log knows (sequence and offsets) is filled in by [`Encoder::seal`].
    pub(crate) fn put(
        &mut self,
        outputs: &Outbox,
        positions: &Positions,
        mark: Option<(&str, u64)>,
        trim: Option<(Partition, u64)>,
    ) {
        for run in &self.head.runs {
            self.slots[run.topic.index() * self.partitions as usize + run.partition.0 as usize] = EMPTY_SLOT;
        }
        self.filling.clear();
        self.head.clear();
        self.head.positions.extend(positions.iter().map(|(&at, &next)| (at, next)));
        self.head.trims.extend(trim);
        self.head.marks.extend(mark.map(|(name, value)| (name.to_owned(), value)));
        self.plan(outputs);
        self.fill(outputs);
    }

    /// Divides the records into runs.
    fn plan(&mut self, outputs: &Outbox) {
        for record in outputs.iter() {
            let bytes = record_bytes(&record);
            let index = self.slot(&record);
            let slot = &mut self.slots[index];
            let full = |run: &Run| run.bytes as usize + bytes > RUN_BYTES;
            if self.head.runs.get(slot.current as usize).is_none_or(full) {
                let new = length(self.head.runs.len());
                match self.filling.get_mut(slot.current as usize) {
                    Some(previous) => previous.next = new,
                    None => slot.first = new,
                }
                slot.current = new;
                self.filling.push(Filling { next: NONE, at: 0, left: 0 });
                let (topic, partition) = (record.topic, record.partition);
                self.head.runs.push(Run { topic, partition, base: 0, count: 0, bytes: 0, crc: 0 });
            }
            let run = &mut self.head.runs[slot.current as usize];
            run.bytes += length(bytes);
            run.count += 1;
        }
    }

    /// Copies the records to their runs.
    fn fill(&mut self, outputs: &Outbox) {
        let body_at = PREFIX_BYTES + self.head.bytes_len();
        let mut at = body_at;
        for (run, filling) in self.head.runs.iter().zip(&mut self.filling) {
            *filling = Filling { at, left: run.count, ..*filling };
            at += run.bytes as usize;
            let slot = run.topic.index() * self.partitions as usize + run.partition.0 as usize;
            self.slots[slot].current = self.slots[slot].first;
        }
        // Every byte is written below: what an earlier frame left need not be cleared.
        self.bytes.resize(at, 0);
        for record in outputs.iter() {
            let index = self.slot(&record);
            let slot = &mut self.slots[index];
            if self.filling[slot.current as usize].left == 0 {
                slot.current = self.filling[slot.current as usize].next;
            }
            let filling = &mut self.filling[slot.current as usize];
            filling.left -= 1;
            filling.at += write_record(&mut self.bytes[filling.at..], &record);
        }
        let mut at = body_at;
        for run in &mut self.head.runs {
            let end = at + run.bytes as usize;
            run.crc = crc32c(&self.bytes[at..end]);
            at = end;
        }
    }

    /// Completes the frame: `end` tells the offset that the next record of a partition gets.
    pub(crate) fn seal(&mut self, sequence: u64, end: impl Fn(Topic, Partition) -> u64) -> &[u8] {
        self.head.sequence = sequence;
        for run in &mut self.head.runs {
            let slot = run.topic.index() * self.partitions as usize + run.partition.0 as usize;
            let base = &mut self.slots[slot].base;
            run.base = *base.get_or_insert_with(|| end(run.topic, run.partition));
            *base = Some(run.base + u64::from(run.count));
        }
        let head_bytes = self.head.bytes_len();
        let mut rest = &mut self.bytes[PREFIX_BYTES..];
        let mut put = |part: &[u8]| put(&mut rest, part);
        put(&sequence.to_le_bytes());
        let Head { runs, positions, trims, marks, .. } = &self.head;
        for count in [runs.len(), positions.len(), trims.len(), marks.len()] {
            put(&length(count).to_le_bytes());
        }
        for run in runs {
            put(&[number(run.topic.index())]);
            put(&run.partition.0.to_le_bytes());
            put(&run.base.to_le_bytes());
            put(&run.count.to_le_bytes());
            put(&run.bytes.to_le_bytes());
            put(&run.crc.to_le_bytes());
        }
        for ((lane, partition), next) in positions {
            put(&[number(lane.index())]);
            put(&partition.0.to_le_bytes());
            put(&next.to_le_bytes());
        }
        for (partition, offset) in trims {
            put(&partition.0.to_le_bytes());
            put(&offset.to_le_bytes());
        }
        for (name, value) in marks {
            put(&u16::try_from(name.len()).expect("the name of a mark is short").to_le_bytes());
            put(name.as_bytes());
            put(&value.to_le_bytes());
        }
        let crc = crc32c(&self.bytes[PREFIX_BYTES..PREFIX_BYTES + head_bytes]);
        self.bytes[..4].copy_from_slice(&length(head_bytes).to_le_bytes());
        self.bytes[4..PREFIX_BYTES].copy_from_slice(&crc.to_le_bytes());
        &self.bytes
    }

    fn slot(&self, record: &OutRecord<'_>) -> usize {
        let (partition, partitions) = (record.partition.0, self.partitions);
        assert!(partition < partitions, "partition {partition} of {} of {partitions}", record.topic.name());
        record.topic.index() * partitions as usize + partition as usize
    }
}

fn record_bytes(record: &OutRecord<'_>) -> usize {
    let part = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
    RECORD_PREFIX_BYTES + part(record.key) + part(record.value) + headers_bytes(record)
}

fn headers_bytes(record: &OutRecord<'_>) -> usize {
    record.headers().map(|(name, value)| 2 + name.len() + 4 + value.len()).sum()
}

fn write_record(mut to: &mut [u8], record: &OutRecord<'_>) -> usize {
    let room = to.len();
    let part = |part: Option<&[u8]>| part.map_or(NONE, |part| length(part.len())).to_le_bytes();
    let mut prefix = [0; RECORD_PREFIX_BYTES];
    prefix[..8].copy_from_slice(&record.timestamp.0.to_le_bytes());
    prefix[8..12].copy_from_slice(&part(record.key));
    prefix[12..16].copy_from_slice(&part(record.value));
    prefix[16..].copy_from_slice(&length(headers_bytes(record)).to_le_bytes());
    put(&mut to, &prefix);
    put(&mut to, record.key.unwrap_or_default());
    put(&mut to, record.value.unwrap_or_default());
    for (name, value) in record.headers() {
        put(&mut to, &u16::try_from(name.len()).expect("the name of a header is short").to_le_bytes());
        put(&mut to, name.as_bytes());
        put(&mut to, &length(value.len()).to_le_bytes());
        put(&mut to, value);
    }
    room - to.len()
}

fn put(to: &mut &mut [u8], part: &[u8]) {
    let (here, rest) = std::mem::take(to).split_at_mut(part.len());
    here.copy_from_slice(part);
    *to = rest;
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("an epoch is far below 4 GiB")
}

fn number(index: usize) -> u8 {
    u8::try_from(index).expect("few topics and lanes")
}

/// Walks the records of a run whose checksum was right.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    bytes: Bytes<'a>,
    all: usize,
    offset: u64,
}

impl<'a> Records<'a> {
    /// From byte `at` on, where the record of `offset` starts.
    pub(crate) fn new(run: &'a [u8], at: usize, offset: u64) -> Records<'a> {
        Records { bytes: Bytes(&run[at..]), all: run.len(), offset }
    }

    /// How far it has come in the run.
    pub(crate) fn at(&self) -> usize {
        self.all - self.bytes.0.len()
    }

    /// The next record and its encoded headers.
    pub(crate) fn next(&mut self) -> Option<(Record<'a>, EncodedHeaders<'a>)> {
        if self.bytes.0.is_empty() {
            return None;
        }
        Some(self.record().expect("a run whose checksum is right is well formed"))
    }

    fn record(&mut self) -> Option<(Record<'a>, EncodedHeaders<'a>)> {
        let bytes = &mut self.bytes;
        let timestamp = Timestamp(i64::from_le_bytes(*bytes.array()?));
        let [key, value, headers] = [bytes.u32()?, bytes.u32()?, bytes.u32()?];
        let mut part = |length: u32| match length {
            NONE => Some(None),
            length => bytes.take(length as usize).map(Some),
        };
        let (key, value) = (part(key)?, part(value)?);
        let headers = EncodedHeaders(Bytes(bytes.take(headers as usize)?));
        let header = |wanted| headers.clone().find(|(name, _)| *name == wanted).map(|(_, value)| value);
        let (content_type, feed) = (header("content-type"), header("dockside-feed"));
        let offset = self.offset;
        self.offset += 1;
        Some((Record { offset, timestamp, key, value, content_type, feed }, headers))
    }
}

/// The headers of one record.
#[derive(Clone, Debug)]
pub(crate) struct EncodedHeaders<'a>(Bytes<'a>);

impl<'a> Iterator for EncodedHeaders<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<(&'a str, &'a [u8])> {
        let length = self.0.u16()?;
        let name = std::str::from_utf8(self.0.take(usize::from(length))?).ok()?;
        let length = self.0.u32()?;
        Some((name, self.0.take(length as usize)?))
    }
}

/// Bytes that are taken from the front.
#[derive(Clone, Copy, Debug)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(part)
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (part, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(part)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|&[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(|bytes| u16::from_le_bytes(*bytes))
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(|bytes| u64::from_le_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(encoder: &mut Encoder, outputs: &Outbox, positions: &Positions) -> (Head, Vec<u8>) {
        encoder.put(outputs, positions, Some(("input", 77)), Some((Partition(1), 5)));
        let bytes = encoder.seal(3, |_, partition| u64::from(partition.0) * 100).to_vec();
        let prefix = Prefix::decode(*bytes.first_chunk().expect("a prefix"));
        let head_end = PREFIX_BYTES + prefix.head_bytes as usize;
        let head = Head::decode(prefix, &bytes[PREFIX_BYTES..head_end]).expect("a head");
        assert_eq!(&head, encoder.head());
        assert_eq!(head.body_at(), head_end as u64);
        assert_eq!(head.frame_bytes(), bytes.len() as u64);
        (head, bytes)
    }

    #[test]
    fn a_frame_gives_back_what_was_put_in() {
        let mut outputs = Outbox::default();
        for i in 0..6_u32 {
            let (topic, partition) =
                if i % 2 == 0 { (Topic::Hops, Partition(1)) } else { (Topic::Scans, Partition(0)) };
            let key = i.to_string();
            let headers: &[(&'static str, &[u8])] =
                if i == 4 { &[("a", b"1"), ("content-type", b"x")] } else { &[] };
            let value = (i != 5).then_some(&b"value"[..]);
            outputs.push(topic, partition, Timestamp(i64::from(i) - 2), Some(key.as_bytes()), value, headers);
        }
        let positions = Positions::from([((Lane::Hops, Partition(1)), 8), ((Lane::Scans, Partition(0)), 9)]);
        let mut encoder = Encoder::new(2);
        // The second frame must not be affected by the first, which was larger.
        for _ in 0..2 {
            let (head, bytes) = frame(&mut encoder, &outputs, &positions);
            assert_eq!(head.sequence, 3);
            assert_eq!(head.positions, positions.clone().into_iter().collect::<Vec<_>>());
            assert_eq!(
                (&head.trims[..], &head.marks[..]),
                (&[(Partition(1), 5)][..], &[("input".into(), 77)][..])
            );
            let mut at = usize::try_from(head.body_at()).expect("small");
            let mut seen = Vec::new();
            for run in &head.runs {
                let body = &bytes[at..at + run.bytes as usize];
                assert_eq!(crc32c(body), run.crc);
                let mut records = Records::new(body, 0, run.base);
                while let Some((record, headers)) = records.next() {
                    let (offset, timestamp) = (record.offset, record.timestamp.0);
                    let key = record.key.map(<[u8]>::to_vec);
                    seen.push((run.topic, offset, timestamp, key, record.value.is_some(), headers.count()));
                    assert_eq!(record.content_type, (timestamp == 2).then_some(&b"x"[..]));
                }
                assert_eq!(records.at(), body.len());
                at += body.len();
            }
            let key = |key: &str| Some(key.as_bytes().to_vec());
            assert_eq!(
                seen,
                [
                    (Topic::Hops, 100, -2, key("0"), true, 0),
                    (Topic::Hops, 101, 0, key("2"), true, 0),
                    (Topic::Hops, 102, 2, key("4"), true, 2),
                    (Topic::Scans, 0, -1, key("1"), true, 0),
                    (Topic::Scans, 1, 1, key("3"), true, 0),
                    (Topic::Scans, 2, 3, key("5"), false, 0),
                ]
            );
        }
    }

    #[test]
    fn long_epochs_are_divided_into_runs_of_bounded_size() {
        let mut outputs = Outbox::default();
        let value = vec![7; RUN_BYTES / 4];
        for i in 0..20 {
            outputs.push(Topic::Scans, Partition(i % 2), Timestamp(0), None, Some(&value), &[]);
        }
        outputs.push(Topic::Scans, Partition(1), Timestamp(0), None, Some(&vec![1; RUN_BYTES * 2]), &[]);
        let (head, _) = frame(&mut Encoder::new(2), &outputs, &Positions::new());
        let runs: Vec<_> = head.runs.iter().map(|run| (run.partition.0, run.base, run.count)).collect();
        assert_eq!(
            runs,
            [
                (0, 0, 3),
                (1, 100, 3),
                (0, 3, 3),
                (1, 103, 3),
                (0, 6, 3),
                (1, 106, 3),
                (0, 9, 1),
                (1, 109, 1),
                (1, 110, 1)
            ]
        );
    }

    #[test]
    fn the_numbers_of_topics_and_lanes_on_disk_do_not_move() {
        let names = Topic::ALL.map(Topic::name);
        assert_eq!(
            names,
            [
                "scans",
                "commands",
                "hops",
                "state",
                "command-results",
                "shipments",
                "receiving-plan",
                "problems",
                "arrivals",
                "accounts",
                "dead-letters"
            ]
        );
        for (index, topic) in Topic::ALL.into_iter().enumerate() {
            assert_eq!(topic.index(), index);
        }
        assert_eq!(Lane::ALL.map(Lane::index), [0, 1, 2]);
        assert_eq!(Lane::ALL, [Lane::Hops, Lane::Commands, Lane::Scans]);
    }
}
