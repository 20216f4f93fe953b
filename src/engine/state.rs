//! The state log: what a partition's stations know, as deltas and images.
//!
//! Enters: the after-images of the entities that an epoch touched, and of whole slices. Leaves: records of at most about
//! 512 KiB with a full header each, and from such records a partition's stations again. Always true:
//! - every epoch begins with its delta; epoch numbers of a partition are contiguous;
//! - the log rolls: images of slices are written in turn beside the deltas, never more bytes than the deltas brought but
//!   for one run of slices, and none when nothing changes; before the oldest image that is still needed the log is trimmed;
//! - restoring is one pass: a slice's deltas are skipped until its image is complete; a log from epoch 1 begins empty;
//! - a gap, a repeat, a missing part or a wrong digest reveals a torn transaction: what follows is not trusted until a
//!   whole image, and the owner goes on from the inputs of the last intact epoch;
//! - a log written for another number of partitions is refused: keys would have moved.
//!
//! Layout of a record: `S`, the [`StateFormat`]'s number, header (postcard, the same in both formats), then entries: slice,
//! length of the key, key, 0 for gone or 1, length of the value, value (lengths are LEB128).

use std::collections::VecDeque;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::engine::log::{LogError, Outbox};
use crate::index::SLICES;
use crate::model::{Lane, Partition, Timestamp, Topic, stable_hash};
use crate::stations::{ClockSource, EntityKey, LOADED_TOGETHER, Rules, StateFormat, Stations, StreamClock};

/// The largest record, but for one entity that is larger alone.
pub const STATE_BYTES_MAX: usize = 512 << 10;

const MAGIC: u8 = b'S';

/// What a record of the state log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StateKind {
    /// After-images of what an epoch touched.
    Delta,
    /// All entities of the slices `from..to`.
    Image {
        /// The first slice.
        from: u16,
        /// The slice after the last.
        to: u16,
    },
}

/// How far an epoch read a lane of its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRange {
    /// The lane.
    pub lane: Lane,
    /// The position before.
    pub from: u64,
    /// The next position.
    pub to: u64,
}

/// What stands before the entries of each record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateHeader {
    /// Delta or image.
    pub kind: StateKind,
    /// The partition that it is about.
    pub partition: Partition,
    /// How many partitions there were.
    pub partitions: u32,
    /// The epoch, contiguous per partition, from 1.
    pub epoch: u64,
    /// Which part of the epoch's record set, from 0.
    pub part: u32,
    /// How many parts there are.
    pub parts: u32,
    /// Which owner of the partition wrote it: one more at each restore.
    pub owner: u64,
    /// What the epoch read.
    pub inputs: Vec<InputRange>,
    /// The partition's clock after the epoch.
    pub clock: StreamClock,
    /// Entries in this part.
    pub entries: u32,
    /// Hash of the entries' bytes.
    pub digest: u64,
}

/// Collects entries into parts.
#[derive(Debug, Default)]
struct Parts {
    full: Vec<(u32, Vec<u8>)>,
    entries: u32,
    open: Vec<u8>,
}

fn put_length(bytes: &mut Vec<u8>, mut length: usize) {
    loop {
        #[expect(clippy::cast_possible_truncation, reason = "masked to seven bits")]
        let low = (length & 0x7f) as u8;
        length >>= 7;
        if length == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0_usize;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}

impl Parts {
    fn add(&mut self, key: &EntityKey, value: Option<&[u8]>) {
        let open = &mut self.open;
        open.push(u8::try_from(key.slice).expect("256 slices"));
        put_length(open, key.bytes.len());
        open.extend_from_slice(&key.bytes);
        match value {
            None => open.push(0),
            Some(value) => {
                open.push(1);
                put_length(open, value.len());
                open.extend_from_slice(value);
            }
        }
        self.entries += 1;
        if self.open.len() >= STATE_BYTES_MAX {
            self.full.push((std::mem::take(&mut self.entries), std::mem::take(&mut self.open)));
        }
    }

    fn finish(mut self) -> Vec<(u32, Vec<u8>)> {
        if self.entries > 0 || self.full.is_empty() {
            self.full.push((self.entries, self.open));
        }
        self.full
    }
}

/// An image run waits for so many bytes of deltas, unless told otherwise: passing over all shipments for a handful of
/// slices would cost more than it saves.
pub const RUN_BYTES: u64 = 256 << 10;

/// Marks are so many slices apart: the log is at most that part of a round longer than it must be.
const MARK_SLICES: u64 = 32;

/// How far the images have come, in slices since the log's first; the slice is that modulo [`SLICES`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Roll {
    /// The slice that is written next.
    next: u64,
    /// Bytes of deltas that no image has matched yet.
    credit: u64,
    /// Bytes that the last run was larger than the credit it was for.
    debt: u64,
    /// About how large a slice is, from the last run; 0: none was written yet.
    slice_bytes: u64,
    /// Where a run began, and an offset of the log before it.
    marks: VecDeque<(u64, u64)>,
}

impl Roll {
    /// Notes that a run begins at `self.next`, behind that offset.
    fn mark(&mut self, offset: u64) {
        self.marks.push_back((self.next, offset));
    }

    /// A delta of so many bytes was written.
    fn earn(&mut self, bytes: u64) {
        let paid = bytes.min(self.debt);
        self.debt -= paid;
        self.credit += bytes - paid;
    }

    fn wants_mark(&self) -> bool {
        self.marks.back().is_none_or(|(slice, _)| self.next >= slice + MARK_SLICES)
    }

    /// The slices that the credit is for, up to the last one; none yet if it is too small.
    fn run(&self, run_bytes: u64) -> Option<Range<u16>> {
        let slices = u64::from(SLICES);
        // What was never written in an image came in deltas: together the slices are no larger than these.
        let each = self.slice_bytes.max(self.credit / slices).max(1);
        if self.credit < run_bytes.max(self.slice_bytes) {
            return None;
        }
        let from = self.next % slices;
        let to = (from + self.credit / each).min(slices);
        let slice = |number: u64| u16::try_from(number).expect("at most 256");
        Some(slice(from)..slice(to))
    }

    fn wrote(&mut self, slices: &Range<u16>, bytes: u64) {
        let count = u64::from(slices.end - slices.start);
        self.next += count;
        self.debt += bytes.saturating_sub(self.credit);
        self.credit = self.credit.saturating_sub(bytes);
        self.slice_bytes = bytes.div_ceil(count);
    }

    /// Forgets the marks that are behind a whole round of images; the offset that the log may begin at.
    fn trim(&mut self) -> Option<u64> {
        let mut start = None;
        while let Some(&(slice, offset)) = self.marks.front()
            && slice + u64::from(SLICES) <= self.next
        {
            start = Some(offset);
            self.marks.pop_front();
        }
        start
    }
}

/// Writes a partition's state log, as its owner.
#[derive(Clone, Debug)]
pub struct StateWriter {
    partition: Partition,
    partitions: u32,
    /// The last committed epoch; 0 before the first.
    epoch: u64,
    owner: u64,
    run_bytes: u64,
    format: StateFormat,
    roll: Roll,
    /// What holds once the open epoch is committed.
    open: Option<Roll>,
}

impl StateWriter {
    /// The writer of a log that is empty.
    pub fn new(partition: Partition, partitions: u32) -> StateWriter {
        StateWriter {
            partition,
            partitions,
            epoch: 0,
            owner: 1,
            run_bytes: RUN_BYTES,
            format: StateFormat::Newest,
            roll: Roll::default(),
            open: None,
        }
    }

    /// Writes an image run for so many bytes of deltas.
    pub fn with_run_bytes(self, run_bytes: u64) -> StateWriter {
        StateWriter { run_bytes, ..self }
    }

    /// Writes in that format, which is not the newest while older processes may have to read it.
    pub fn with_format(self, format: StateFormat) -> StateWriter {
        StateWriter { format, ..self }
    }

    /// The last committed epoch; 0 before the first.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Which owner of the partition this is: one more at each restore.
    pub fn owner(&self) -> u64 {
        self.owner
    }

    /// Writes the delta of the next epoch and, when deltas have brought enough, images of the next slices. `end` says
    /// where the log ends now; it is asked a few times in a round.
    pub fn write<E>(
        &mut self,
        stations: &Stations,
        inputs: &[InputRange],
        timestamp: Timestamp,
        outbox: &mut Outbox,
        end: impl FnOnce() -> Result<u64, E>,
    ) -> Result<(), E> {
        let mut roll = self.roll.clone();
        roll.earn(self.delta(stations, inputs, timestamp, outbox));
        if let Some(slices) = roll.run(self.run_bytes) {
            if roll.wants_mark() {
                roll.mark(end()?);
            }
            let bytes = self.image(slices.clone(), stations, inputs, timestamp, outbox);
            roll.wrote(&slices, bytes);
        }
        self.open = Some(roll);
        Ok(())
    }

    /// Writes the next epoch with a whole image: the log may begin with it.
    pub fn write_whole<E>(
        &mut self,
        stations: &Stations,
        inputs: &[InputRange],
        timestamp: Timestamp,
        outbox: &mut Outbox,
        end: impl FnOnce() -> Result<u64, E>,
    ) -> Result<(), E> {
        let mut roll = Roll { next: self.roll.next.next_multiple_of(u64::from(SLICES)), ..Roll::default() };
        roll.mark(end()?);
        self.delta(stations, inputs, timestamp, outbox);
        let bytes = self.image(0..SLICES, stations, inputs, timestamp, outbox);
        roll.wrote(&(0..SLICES), bytes);
        self.open = Some(roll);
        Ok(())
    }

    /// The open epoch was committed. The offset that the log may begin at by now, if that moved.
    pub fn commit(&mut self) -> Option<u64> {
        self.roll = self.open.take().expect("an epoch was written");
        self.epoch += 1;
        self.roll.trim()
    }

    /// The open epoch was taken back.
    pub fn rollback(&mut self) {
        self.open = None;
    }

    fn delta(
        &self,
        stations: &Stations,
        inputs: &[InputRange],
        timestamp: Timestamp,
        outbox: &mut Outbox,
    ) -> u64 {
        let mut parts = Parts::default();
        stations.delta(self.format, |key, value| parts.add(&key, value));
        self.put(StateKind::Delta, parts, stations, inputs, timestamp, outbox)
    }

    fn image(
        &self,
        slices: Range<u16>,
        stations: &Stations,
        inputs: &[InputRange],
        timestamp: Timestamp,
        outbox: &mut Outbox,
    ) -> u64 {
        let mut parts = Parts::default();
        stations.image(self.format, slices.clone(), |key, value| parts.add(&key, value));
        let kind = StateKind::Image { from: slices.start, to: slices.end };
        self.put(kind, parts, stations, inputs, timestamp, outbox)
    }

    /// Writes the parts as records; how many bytes of entries that were.
    fn put(
        &self,
        kind: StateKind,
        parts: Parts,
        stations: &Stations,
        inputs: &[InputRange],
        timestamp: Timestamp,
        outbox: &mut Outbox,
    ) -> u64 {
        let parts = parts.finish();
        let mut header = StateHeader {
            kind,
            partition: self.partition,
            partitions: self.partitions,
            epoch: self.epoch + 1,
            part: 0,
            parts: u32::try_from(parts.len()).expect("parts of 512 KiB"),
            owner: self.owner,
            inputs: inputs.to_vec(),
            clock: stations.clock().clone(),
            entries: 0,
            digest: 0,
        };
        let mut bytes = 0;
        for (entries, body) in parts {
            (header.entries, header.digest) = (entries, stable_hash(&[&body]));
            let mut value = vec![MAGIC, self.format.number()];
            value = postcard::to_extend(&header, value).expect("a header always serialises into memory");
            value.extend_from_slice(&body);
            outbox.push(Topic::State, self.partition, timestamp, None, Some(&value), &[]);
            header.part += 1;
            bytes += body.len() as u64;
        }
        bytes
    }
}

/// A record of the state log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRecord<'a> {
    /// The layout of its entities.
    pub format: StateFormat,
    /// What it is about.
    pub header: StateHeader,
    /// Its entries, whose digest is the header's.
    pub entries: &'a [u8],
}

/// Reads a record of any format that this version knows.
pub fn read_record(value: &[u8]) -> Result<StateRecord<'_>, String> {
    let [MAGIC, number, rest @ ..] = value else {
        return Err("it is no record of a state log".to_owned());
    };
    let Some(format) = StateFormat::numbered(*number) else {
        let [oldest, newest] = StateFormat::ALL.map(StateFormat::number);
        return Err(format!(
            "another version of this program wrote it, in format {number}; this one reads {oldest} and {newest}"
        ));
    };
    let (header, entries) =
        postcard::take_from_bytes::<StateHeader>(rest).map_err(|e| format!("bad header: {e}"))?;
    if stable_hash(&[entries]) != header.digest {
        return Err(format!(
            "epoch {} part {}: the digest does not match its entries",
            header.epoch, header.part
        ));
    }
    Ok(StateRecord { format, header, entries })
}

/// Reads a partition's stations back, record by record.
#[derive(Debug)]
pub struct Restore {
    partition: Partition,
    partitions: u32,
    source: ClockSource,
    secret: u64,
    stations: Stations,
    /// Which slices are known: from the log's first epoch on, or since their image was complete.
    known: Vec<bool>,
    /// The header of the last whole record set: of a delta, or of an image of the same epoch. None before the first.
    last: Option<StateHeader>,
    /// The header of the last part of a set that is not whole yet.
    open: Option<StateHeader>,
    /// The parts of a delta that is not whole yet, each with its format and number of entries: a torn one must leave no trace.
    waiting: Vec<(StateFormat, u32, Vec<u8>)>,
    /// Where the present epoch begins.
    began: u64,
    /// The highest epoch, intact or not.
    epoch: u64,
    owner: u64,
    /// The newest format of a record.
    newest: StateFormat,
    roll: Roll,
    /// Why the records since then are not trusted.
    torn: Option<String>,
    /// Entries that were taken over, and their bytes.
    entries: u64,
    bytes: u64,
}

/// What a state log came to.
#[derive(Debug)]
pub struct Recovered {
    /// The stations after the last intact epoch.
    pub stations: Stations,
    /// Writes the epochs that follow.
    pub writer: StateWriter,
    /// Up to where that epoch had read; none if the log is empty.
    pub positions: Option<Vec<InputRange>>,
    /// What is wrong with the records after it, if any follow: they are replaced by writing a whole image and reading on
    /// from `positions`.
    pub torn: Option<String>,
    /// The newest format in the log: who writes an older one, for others to read, writes it anew.
    pub newest: StateFormat,
    /// Entries that were read.
    pub entries: u64,
}

impl Restore {
    /// Begins with an empty log.
    pub fn new(partition: Partition, partitions: u32, source: ClockSource, secret: u64) -> Restore {
        Restore {
            partition,
            partitions,
            source,
            secret,
            stations: Stations::new(partition, partitions, source, secret),
            known: vec![false; usize::from(SLICES)],
            last: None,
            open: None,
            waiting: Vec::new(),
            began: 0,
            epoch: 0,
            owner: 0,
            newest: StateFormat::Previous,
            roll: Roll::default(),
            torn: None,
            entries: 0,
            bytes: 0,
        }
    }

    /// Takes the next record. An error says why the whole log can't be used.
    pub fn record(&mut self, rules: &Rules, offset: u64, value: &[u8]) -> Result<(), LogError> {
        self.take(rules, offset, value).map_err(|why| self.refused(&format!("at offset {offset}: {why}")))
    }

    fn refused(&self, why: &str) -> LogError {
        LogError {
            what: format!("restoring partition {} from its state log", self.partition),
            why: format!("{why}; nothing was changed, the log must be looked at before going on"),
            refused: true,
        }
    }

    fn take(&mut self, rules: &Rules, offset: u64, value: &[u8]) -> Result<(), String> {
        let StateRecord { format, header, entries: body } = read_record(value)?;
        if header.partition != self.partition {
            return Err(format!("it is of partition {}", header.partition));
        }
        if header.partitions != self.partitions {
            return Err(format!(
                "it was written for {} partitions, now there are {}: keys would move",
                header.partitions, self.partitions
            ));
        }
        self.newest = self.newest.max(format);
        self.epoch = self.epoch.max(header.epoch);
        self.owner = self.owner.max(header.owner);
        let whole = header.kind == StateKind::Image { from: 0, to: SLICES };
        if self.torn.is_some() && whole && header.part == 0 {
            // The owner has rebuilt the partition: what was known before does not matter any more.
            self.stations = Stations::new(self.partition, self.partitions, self.source, self.secret);
            self.known.fill(false);
            (self.torn, self.open, self.roll) = (None, None, Roll::default());
            self.waiting.clear();
        } else if self.torn.is_none() {
            self.torn = self.follows(&header).err();
        }
        if self.torn.is_some() {
            return Ok(());
        }
        if header.part == 0 {
            match header.kind {
                StateKind::Delta => {
                    self.began = offset;
                    if header.epoch == 1 {
                        self.known.fill(true);
                    }
                }
                StateKind::Image { from, .. } => self.rolled(from),
            }
        }
        let is_last = header.part + 1 == header.parts;
        let failed = |why| format!("epoch {}: {why}", header.epoch);
        match header.kind {
            StateKind::Delta if header.parts > 1 => {
                self.waiting.push((format, header.entries, body.to_vec()));
                if is_last {
                    for (format, entries, body) in std::mem::take(&mut self.waiting) {
                        self.entries(rules, format, header.kind, entries, &body).map_err(failed)?;
                    }
                }
            }
            StateKind::Delta | StateKind::Image { .. } => {
                self.entries(rules, format, header.kind, header.entries, body).map_err(failed)?;
            }
        }
        if !is_last {
            self.open = Some(header);
            return Ok(());
        }
        if let StateKind::Image { from, to } = header.kind {
            self.known[usize::from(from)..usize::from(to)].fill(true);
            self.roll.next += u64::from(to - from);
        }
        (self.open, self.last) = (None, Some(header));
        Ok(())
    }

    /// Whether a record continues what was read; else why not.
    fn follows(&self, header: &StateHeader) -> Result<(), String> {
        if let Some(open) = &self.open {
            let next = (open.epoch, open.kind, open.part + 1, open.parts);
            if (header.epoch, header.kind, header.part, header.parts) == next {
                return Ok(());
            }
            return Err(format!("epoch {} lacks {} parts", open.epoch, open.parts - open.part - 1));
        }
        let epoch = self.last.as_ref().map_or(0, |last| last.epoch);
        let fits = match header.kind {
            // A trimmed log begins with any epoch.
            StateKind::Delta => self.last.is_none() || header.epoch == epoch + 1,
            StateKind::Image { .. } => self.last.is_some() && header.epoch == epoch,
        };
        if fits && header.part == 0 {
            return Ok(());
        }
        Err(format!("epoch {} part {} follows epoch {epoch}", header.epoch, header.part))
    }

    /// Notes an image run that begins at this slice.
    fn rolled(&mut self, from: u16) {
        let slices = u64::from(SLICES);
        if self.roll.next % slices != u64::from(from) {
            self.roll.next = self.roll.next.next_multiple_of(slices) + u64::from(from);
            self.roll.marks.clear();
        }
        if self.roll.wants_mark() {
            self.roll.mark(self.began);
        }
        self.roll.trim();
    }

    fn entries(
        &mut self,
        rules: &Rules,
        format: StateFormat,
        kind: StateKind,
        entries: u32,
        mut body: &[u8],
    ) -> Result<(), String> {
        let is_image = kind != StateKind::Delta;
        let mut wanted = SmallVec::<[_; LOADED_TOGETHER]>::new();
        for left in (0..entries).rev() {
            let Entry { slice, key, value } = take_entry(&mut body).ok_or("its entries end early")?;
            // Of a slice that is not known only its image counts; a known one has all that its image says.
            if self.known[usize::from(slice)] != is_image {
                wanted.push((key, value));
                self.bytes += (key.len() + value.map_or(0, <[u8]>::len)) as u64;
            }
            if wanted.len() == LOADED_TOGETHER || left == 0 {
                self.entries += wanted.len() as u64;
                self.stations.load(rules, format, wanted.drain(..)).map_err(|e| e.to_string())?;
            }
        }
        Ok(())
    }

    /// The end of the log was reached.
    pub fn finish(mut self, rules: &Rules) -> Result<Recovered, LogError> {
        if let (Some(open), None) = (&self.open, &self.torn) {
            self.torn = Some(format!("the log ends in the middle of epoch {}", open.epoch));
        }
        let unknown = self.known.iter().filter(|known| !**known).count();
        if unknown > 0 && (self.last.is_some() || self.torn.is_some()) {
            let torn = self.torn.as_ref().map_or(String::new(), |why| format!(" ({why})"));
            return Err(self.refused(&format!(
                "its beginning is gone, and {unknown} of {SLICES} slices have no image{torn}"
            )));
        }
        let clock = self.last.as_ref().map_or(StreamClock::new(self.source), |last| last.clock.clone());
        let loaded = self.stations.loaded(rules, clock.taken_over(self.source));
        loaded.map_err(|why| self.refused(&why.to_string()))?;
        self.roll.slice_bytes = self.bytes.div_ceil(u64::from(SLICES));
        Ok(Recovered {
            stations: self.stations,
            writer: StateWriter {
                epoch: self.epoch,
                owner: self.owner + 1,
                roll: self.roll,
                ..StateWriter::new(self.partition, self.partitions)
            },
            positions: self.last.map(|last| last.inputs),
            torn: self.torn,
            newest: self.newest,
            entries: self.entries,
        })
    }
}

struct Entry<'a> {
    slice: u8,
    key: &'a [u8],
    /// None: it is gone.
    value: Option<&'a [u8]>,
}

fn take_entry<'a>(body: &mut &'a [u8]) -> Option<Entry<'a>> {
    let slice = take(body, 1)?[0];
    let length = take_length(body)?;
    let key = take(body, length)?;
    let value = match take(body, 1)? {
        [0] => None,
        _ => {
            let length = take_length(body)?;
            Some(take(body, length)?)
        }
    };
    Some(Entry { slice, key, value })
}
