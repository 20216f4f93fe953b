//! Record batches, as brokers keep and send them (format 2).
//!
//! Enters: the bytes that were fetched of a partition, the transactions that were aborted there, the offset that is wanted.
//! Leaves: [`Slab`]s, each the unpacked records of one batch, and of these [`RecordBatch`]es that lie in the slab's bytes.
//! Always true:
//! - a batch whose checksum does not fit gives no record;
//! - neither does one of an aborted transaction, nor a marker; the offset after them is told all the same;
//! - what is cut off at the end of an answer is asked for again;
//! - no bytes make this panic, and no batch unpacks to more than [`UNPACKED_BYTES_MAX`].
//!
//! ```text
//! batch  = base offset i64 · length of what follows i32 · leader epoch i32 · magic i8 = 2 · CRC32C of what follows u32 ·
//!          attributes i16 · last offset delta i32 · base timestamp i64 · max timestamp i64 · producer i64 ·
//!          producer epoch i16 · base sequence i32 · records i32 · records, compressed together    (all big-endian)
//! record = length · attributes i8 · timestamp delta · offset delta · key · value · headers
//! key, value = length (-1: none), bytes;  headers = count, each a name and a value             (numbers are varints)
//! ```

use std::collections::BTreeSet;
use std::io::Read;
use std::ops::Range;

use bytes::Bytes;
use crc32c::crc32c;

use crate::engine::log::{Placed, RecordBatch};
use crate::index::memory::prefetch;
use crate::model::Timestamp;

/// Bytes of a batch before its records, and of those the ones before its length counts.
const HEADER_BYTES: usize = 61;
const PREFIX_BYTES: usize = 12;
/// The checksum covers what is behind it.
const CHECKED_FROM: usize = 21;
/// What a batch may unpack to: far more than any producer puts into one.
const UNPACKED_BYTES_MAX: usize = 512 * 1024 * 1024;
/// So far ahead memory is asked for: a few records.
const AHEAD_BYTES: usize = 1_536;
/// A handful takes no further record once it has this many bytes.
const HANDFUL_BYTES: usize = 1024 * 1024;

/// Why a batch cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    #[error("its checksum does not fit")]
    Checksum,
    #[error("it has no such shape as a batch has: {0}")]
    Shape(&'static str),
    #[error("it cannot be unpacked ({0})")]
    Packing(&'static str),
    #[error("it is of the old format {0}; only the client reads that: kafka.fetch = \"client\"")]
    OldFormat(i8),
}

impl Damage {
    /// Whether other bytes may come when it is asked for again.
    pub(super) fn may_pass(self) -> bool {
        !matches!(self, Damage::OldFormat(_))
    }
}

/// What stands in front of the records.
#[derive(Clone, Copy, Debug)]
struct Header {
    base_offset: i64,
    /// Of the whole batch.
    bytes: usize,
    leader_epoch: i32,
    checksum: u32,
    attributes: i16,
    last_offset_delta: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    producer: i64,
    records: i32,
}

impl Header {
    /// Reads the header of the first batch; none if it is not all there, or the batch is not.
    fn read(bytes: &[u8]) -> Result<Option<Header>, Damage> {
        // The old formats have the same beginning up to here.
        let (Some(&length), Some(&[magic])) = (part::<4>(bytes, 8), part::<1>(bytes, 16)) else {
            return Ok(None);
        };
        let magic = magic.cast_signed();
        if magic != 2 {
            return Err(if magic < 2 {
                Damage::OldFormat(magic)
            } else {
                Damage::Shape("its format is unknown")
            });
        }
        let length = i32::from_be_bytes(length);
        let whole = usize::try_from(length).ok().and_then(|length| length.checked_add(PREFIX_BYTES));
        let Some(whole) = whole.filter(|whole| *whole >= HEADER_BYTES) else {
            return Err(Damage::Shape("it is shorter than its header"));
        };
        if bytes.len() < whole {
            return Ok(None);
        }
        let int = |at| i32::from_be_bytes(*part(bytes, at).expect("the header is there"));
        let long = |at| i64::from_be_bytes(*part(bytes, at).expect("the header is there"));
        let header = Header {
            base_offset: long(0),
            bytes: whole,
            leader_epoch: int(12),
            checksum: int(17).cast_unsigned(),
            attributes: i16::from_be_bytes(*part(bytes, 21).expect("the header is there")),
            last_offset_delta: int(23),
            base_timestamp: long(27),
            max_timestamp: long(35),
            producer: long(43),
            records: int(57),
        };
        if header.base_offset < 0 || header.last_offset_delta < 0 || header.next().is_none() {
            return Err(Damage::Shape("its offsets are none"));
        }
        Ok(Some(header))
    }

    fn last(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// The offset behind the batch.
    fn next(&self) -> Option<u64> {
        u64::try_from(self.last().checked_add(1)?).ok()
    }

    fn is_transactional(&self) -> bool {
        self.attributes & 0x10 != 0
    }

    fn is_control(&self) -> bool {
        self.attributes & 0x20 != 0
    }

    /// The time of all records, if the log gave it to them.
    fn append_time(&self) -> Option<i64> {
        (self.attributes & 0x08 != 0).then_some(self.max_timestamp)
    }
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..)?.first_chunk()
}

/// Where reading goes on after what was fetched of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    /// The next offset.
    pub(super) next: u64,
    /// The epoch of the leader that wrote the last batch.
    pub(super) leader_epoch: i32,
}

/// Looks through the headers of what was fetched from an offset on: where to go on, as soon as it is known. None: no whole batch
/// is there. Where batches begin is not under their checksum; that they follow each other is all that can be seen.
pub(super) fn reached(mut bytes: &[u8], from: u64) -> Result<Option<Reached>, Damage> {
    let mut reached: Option<Reached> = None;
    while let Some(header) = Header::read(bytes)? {
        let next = header.next().expect("it was checked");
        let begins = u64::try_from(header.base_offset).expect("it was checked");
        if reached.map_or(next <= from, |before| begins < before.next) {
            return Err(Damage::Shape("it does not follow the one before"));
        }
        reached = Some(Reached { next, leader_epoch: header.leader_epoch });
        bytes = &bytes[header.bytes..];
    }
    Ok(reached)
}

/// The transactions of a partition that were aborted, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Aborted {
    /// First offset and producer.
    coming: Vec<(i64, i64)>,
    at: usize,
    /// Producers whose batches are of an aborted transaction, here.
    producers: BTreeSet<i64>,
}

impl Aborted {
    /// Of producers and the first offsets of what they aborted.
    pub(super) fn new(list: impl IntoIterator<Item = (i64, i64)>) -> Aborted {
        let mut coming: Vec<_> = list.into_iter().map(|(producer, first)| (first, producer)).collect();
        coming.sort_unstable();
        Aborted { coming, ..Aborted::default() }
    }

    /// Whether the batch is of one of them.
    fn hides(&mut self, header: &Header) -> bool {
        while let Some((_, producer)) = self.coming.get(self.at).filter(|(first, _)| *first <= header.last())
        {
            self.producers.insert(*producer);
            self.at += 1;
        }
        header.is_transactional() && self.producers.contains(&header.producer)
    }

    /// A marker ends the transaction of its producer.
    fn ends(&mut self, producer: i64) {
        self.producers.remove(&producer);
    }
}

/// Who gets memory to unpack into, and the slabs.
pub(super) trait Taker {
    fn memory(&mut self) -> Vec<u8>;
    fn slab(&mut self, slab: Slab);
}

/// Goes through the batches that were fetched of a partition, and hands on the records of each. Stops at one that cannot be
/// read, and tells where it begins.
pub(super) fn unpack(
    bytes: &Bytes,
    aborted: &mut Aborted,
    taker: &mut impl Taker,
) -> Result<(), (u64, Damage)> {
    let mut at = 0;
    // What cannot be a header was reported when the headers were looked through.
    while let Ok(Some(header)) = Header::read(&bytes[at..]) {
        let batch = bytes.slice(at..at + header.bytes);
        at += header.bytes;
        let here = |damage| (u64::try_from(header.base_offset).unwrap_or_default(), damage);
        if crc32c(&batch[CHECKED_FROM..]) != header.checksum {
            return Err(here(Damage::Checksum));
        }
        let hidden = aborted.hides(&header);
        if header.records <= 0 || (hidden && !header.is_control()) {
            continue;
        }
        let records = unpacked(header.attributes, batch.slice(HEADER_BYTES..), taker).map_err(here)?;
        if !header.is_control() {
            taker.slab(Slab { header, records, at: 0, left: header.records });
        } else if marker(&records).map_err(here)? == Marker::Abort {
            aborted.ends(header.producer);
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    Abort,
    /// A commit, or a kind that is not for readers.
    Other,
}

/// What the record of a control batch says in its key: version and type.
fn marker(records: &[u8]) -> Result<Marker, Damage> {
    let mut cursor = Cursor { bytes: records, at: 0 };
    let record = cursor.record().ok_or(Damage::Shape("a marker is none"))?;
    let key = record.key.map(|range| &records[range.start as usize..range.end as usize]);
    match key.and_then(|key| part::<2>(key, 2)) {
        Some([0, 0]) => Ok(Marker::Abort),
        Some(_) => Ok(Marker::Other),
        None => Err(Damage::Shape("a marker has no type")),
    }
}

/// The records of a batch as they were before they were compressed.
fn unpacked(attributes: i16, packed: Bytes, taker: &mut impl Taker) -> Result<Bytes, Damage> {
    let codec = attributes & 0x07;
    if codec == 0 {
        return Ok(packed);
    }
    let mut unpacked = taker.memory();
    unpacked.clear();
    // Scans shrink to a fifth or so.
    unpacked.reserve(packed.len().saturating_mul(4).min(UNPACKED_BYTES_MAX));
    let mut read = |from: &mut dyn Read, codec: &'static str| {
        // One byte more tells that there is more.
        let limit = UNPACKED_BYTES_MAX as u64 + 1;
        match from.take(limit).read_to_end(&mut unpacked) {
            Ok(_) if unpacked.len() <= UNPACKED_BYTES_MAX => Ok(()),
            Ok(_) => Err(TOO_LARGE),
            Err(_) => Err(Damage::Packing(codec)),
        }
    };
    match codec {
        1 => read(&mut flate2::read::MultiGzDecoder::new(&packed[..]), "gzip")?,
        2 => unsnap(&packed, &mut unpacked)?,
        3 => read(&mut lz4_flex::frame::FrameDecoder::new(&packed[..]), "lz4")?,
        4 => {
            let decoder = zstd::stream::read::Decoder::with_buffer(&packed[..]);
            read(&mut decoder.map_err(|_| Damage::Packing("zstd"))?, "zstd")?;
        }
        _ => return Err(Damage::Packing("its codec is unknown")),
    }
    Ok(unpacked.into())
}

const TOO_LARGE: Damage = Damage::Packing("it would be larger than 512 MiB");

/// Java packs in blocks with a header; others pack all at once.
fn unsnap(packed: &[u8], unpacked: &mut Vec<u8>) -> Result<(), Damage> {
    const MAGIC: &[u8] = b"\x82SNAPPY\0";
    /// Behind the magic are two versions.
    const BLOCKS_FROM: usize = 16;
    let block = |block: &[u8], unpacked: &mut Vec<u8>| {
        let bytes = snap::raw::decompress_len(block).map_err(|_| Damage::Packing("snappy"))?;
        let start = unpacked.len();
        if bytes > UNPACKED_BYTES_MAX - start {
            return Err(TOO_LARGE);
        }
        unpacked.resize(start + bytes, 0);
        let into = &mut unpacked[start..];
        snap::raw::Decoder::new().decompress(block, into).map_err(|_| Damage::Packing("snappy"))?;
        Ok(())
    };
    if !packed.starts_with(MAGIC) {
        return block(packed, unpacked);
    }
    let mut rest = packed.get(BLOCKS_FROM..).ok_or(Damage::Packing("snappy"))?;
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk().ok_or(Damage::Packing("snappy"))?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (this, behind) = behind.split_at_checked(length).ok_or(Damage::Packing("snappy"))?;
        block(this, unpacked)?;
        rest = behind;
    }
    Ok(())
}

/// The records of one batch, and how far they were taken.
#[derive(Debug)]
pub(super) struct Slab {
    header: Header,
    records: Bytes,
    at: usize,
    left: i32,
}

impl Slab {
    /// What it keeps in memory.
    pub(super) fn bytes(&self) -> usize {
        self.records.len()
    }

    /// The next at most `max` records from the offset `from` on; none of them once all were taken.
    pub(super) fn take(&mut self, max: usize, from: u64) -> Result<RecordBatch, Damage> {
        let mut cursor = Cursor { bytes: &self.records, at: self.at };
        let enough = self.at.saturating_add(HANDFUL_BYTES);
        let mut placed = Vec::with_capacity(max.min(usize::try_from(self.left).unwrap_or_default()));
        let mut least = from;
        while self.left > 0 && placed.len() < max && cursor.at < enough {
            // Where the next record begins is known only when this one was read, so the machine cannot see it coming.
            let ahead = self.records.get(cursor.at + AHEAD_BYTES..).and_then(<[u8]>::first_chunk::<512>);
            ahead.inspect(|ahead| prefetch(*ahead));
            let record = cursor.record().ok_or(Damage::Shape("a record is none"))?;
            self.left -= 1;
            let offset = self.header.base_offset.checked_add(record.offset_delta);
            let offset = offset.and_then(|offset| u64::try_from(offset).ok());
            let offset = offset.ok_or(Damage::Shape("an offset is none"))?;
            if offset < from {
                continue;
            }
            if offset < least {
                return Err(Damage::Shape("offsets do not rise"));
            }
            least = offset + 1;
            let written = self.header.base_timestamp.saturating_add(record.timestamp_delta);
            placed.push(Placed {
                offset,
                // -1 says that there is none.
                timestamp: Timestamp(self.header.append_time().unwrap_or(written).max(0)),
                key: record.key,
                value: record.value,
                content_type: record.content_type,
                feed: record.feed,
            });
        }
        self.at = cursor.at;
        Ok(RecordBatch::over(self.records.clone(), placed))
    }

    pub(super) fn is_taken(&self) -> bool {
        self.left == 0
    }

    /// The memory of its records.
    pub(super) fn into_memory(self) -> Bytes {
        self.records
    }
}

/// A record as it stands in its batch.
struct Raw {
    timestamp_delta: i64,
    offset_delta: i64,
    key: Option<Range<u32>>,
    value: Option<Range<u32>>,
    content_type: Option<Range<u32>>,
    feed: Option<Range<u32>>,
}

/// Walks through records.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    /// The next record; none: there is none, or it has no such shape.
    fn record(&mut self) -> Option<Raw> {
        let length = usize::try_from(self.varint()?).ok()?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        // Attributes, of which there are none yet.
        self.at += 1;
        let (timestamp_delta, offset_delta) = (self.varint()?, self.varint()?);
        let (key, value) = (self.part()?, self.part()?);
        let (mut content_type, mut feed) = (None, None);
        for _ in 0..self.varint()? {
            let (name, value) = (self.part()??, self.part()?);
            // The last one of a name counts.
            match &self.bytes[name.start as usize..name.end as usize] {
                b"content-type" => content_type = value,
                b"dockside-feed" => feed = value,
                _ => {}
            }
        }
        (self.at == end).then_some(Raw { timestamp_delta, offset_delta, key, value, content_type, feed })
    }

    /// Bytes with their length before them; -1: none.
    fn part(&mut self) -> Option<Option<Range<u32>>> {
        let length = self.varint()?;
        if length < 0 {
            return (length == -1).then_some(None);
        }
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        if end > self.bytes.len() {
            return None;
        }
        let range = u32::try_from(self.at).ok()?..u32::try_from(end).ok()?;
        self.at = end;
        Some(Some(range))
    }

    /// Seven bits a byte, the lowest first; the sign is the lowest bit. Most are one byte.
    #[inline(always)]
    fn varint(&mut self) -> Option<i64> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        if byte < 0x80 { Some(signed(u64::from(byte))) } else { self.long_varint(u64::from(byte & 0x7f)) }
    }

    fn long_varint(&mut self, mut bits: u64) -> Option<i64> {
        for shift in (7..=63).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            bits |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(signed(bits));
            }
        }
        None
    }
}

fn signed(bits: u64) -> i64 {
    (bits >> 1).cast_signed() ^ -(bits & 1).cast_signed()
}

#[cfg(test)]
mod tests;
