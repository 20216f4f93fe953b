//! The state log: what a partition's stations know, as deltas and images.
//!
//! Enters: the after-images of the entities that an epoch touched, or all of them. Leaves: records of at most about 512 KiB
//! with a full header each, and from such records a partition's stations again. Always true:
//! - epoch numbers of a partition are contiguous; a gap or a repeat reveals a torn transaction and is refused;
//! - a log begins with epoch 1 or with an image; an image is whole, since it is committed in one epoch;
//! - a log written for another number of partitions is refused: keys would have moved.
//!
//! Layout of a record: `S`, format, header (postcard), then entries: length of the key, key, 0 for gone or 1,
//! length of the value, value
//! (lengths are LEB128).

use serde::{Deserialize, Serialize};

use crate::engine::log::{LogError, Outbox};
use crate::index::SLICES;
use crate::model::{Lane, Partition, Timestamp, Topic, stable_hash};
use crate::stations::{ClockSource, EntityKey, Rules, Stations, StreamClock};

/// The largest record, but for one entity that is larger alone.
pub const STATE_BYTES_MAX: usize = 512 << 10;

const MAGIC: u8 = b'S';
const FORMAT: u8 = 1;

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

/// What a partition must know to write its next record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateCursor {
    /// The last committed epoch; 0 before the first.
    pub epoch: u64,
    /// Which owner we are.
    pub owner: u64,
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

/// The header of an epoch's records, but for what differs between the parts.
fn header(stations: &Stations, partition: Partition, partitions: u32, cursor: &StateCursor) -> StateHeader {
    StateHeader {
        kind: StateKind::Delta,
        partition,
        partitions,
        epoch: cursor.epoch + 1,
        part: 0,
        parts: 0,
        owner: cursor.owner,
        inputs: Vec::new(),
        clock: stations.clock().clone(),
        entries: 0,
        digest: 0,
    }
}

fn write(header: &StateHeader, parts: Vec<(u32, Vec<u8>)>, timestamp: Timestamp, outbox: &mut Outbox) {
    let count = u32::try_from(parts.len()).expect("parts of 512 KiB");
    for (part, (entries, body)) in (0..).zip(parts) {
        let digest = stable_hash(&[&body]);
        let header = StateHeader { part, parts: count, entries, digest, ..header.clone() };
        let mut value = vec![MAGIC, FORMAT];
        value = postcard::to_extend(&header, value).expect("a header always serialises into memory");
        value.extend_from_slice(&body);
        outbox.push(Topic::State, header.partition, timestamp, None, Some(&value), &[]);
    }
}

/// Writes the delta of the epoch after `cursor`.
pub fn write_delta(
    stations: &Stations,
    partition: Partition,
    partitions: u32,
    cursor: &StateCursor,
    inputs: Vec<InputRange>,
    timestamp: Timestamp,
    outbox: &mut Outbox,
) {
    let mut parts = Parts::default();
    stations.delta(|key, value| parts.add(&key, value));
    let header = StateHeader { inputs, ..header(stations, partition, partitions, cursor) };
    write(&header, parts.finish(), timestamp, outbox);
}

/// Writes a whole image as the epoch after `cursor`. It read nothing: its input ranges are empty and say where it stands.
pub fn write_image(
    stations: &Stations,
    partition: Partition,
    partitions: u32,
    cursor: &StateCursor,
    inputs: Vec<InputRange>,
    timestamp: Timestamp,
    outbox: &mut Outbox,
) {
    let mut parts = Parts::default();
    for slice in 0..SLICES {
        stations.image(slice, |key, value| parts.add(&key, value));
    }
    let kind = StateKind::Image { from: 0, to: SLICES };
    let header = StateHeader { kind, inputs, ..header(stations, partition, partitions, cursor) };
    write(&header, parts.finish(), timestamp, outbox);
}

/// Reads the header of a record; the rest are its entries.
pub fn read_header(value: &[u8]) -> Result<(StateHeader, &[u8]), String> {
    let [MAGIC, FORMAT, rest @ ..] = value else {
        return Err("it was written by another version of this program".to_owned());
    };
    let (header, body) =
        postcard::take_from_bytes::<StateHeader>(rest).map_err(|e| format!("bad header: {e}"))?;
    if stable_hash(&[body]) != header.digest {
        return Err(format!(
            "epoch {} part {}: the digest does not match its entries",
            header.epoch, header.part
        ));
    }
    Ok((header, body))
}

/// Reads a partition's stations back, record by record.
#[derive(Debug)]
pub struct Restore {
    partition: Partition,
    partitions: u32,
    source: ClockSource,
    secret: u64,
    stations: Stations,
    clock: StreamClock,
    epoch: u64,
    owner: u64,
    /// The parts of the present epoch that are still missing.
    missing: u32,
    /// The offset at which the image began that the log could start from.
    entities: u64,
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
            clock: StreamClock::new(source),
            epoch: 0,
            owner: 0,
            missing: 0,
            entities: 0,
        }
    }

    /// How many entries were read.
    pub fn entities(&self) -> u64 {
        self.entities
    }

    /// Takes the next record.
    pub fn record(&mut self, rules: &Rules, offset: u64, value: &[u8]) -> Result<(), LogError> {
        self.take(rules, value).map_err(|why| LogError {
            what: format!("restoring partition {} from its state log at offset {offset}", self.partition),
            why: format!("{why}; nothing was changed, the log must be looked at before going on"),
            refused: true,
        })
    }

    fn take(&mut self, rules: &Rules, value: &[u8]) -> Result<(), String> {
        let (header, mut body) = read_header(value)?;
        if header.partition != self.partition {
            return Err(format!("it is of partition {}", header.partition));
        }
        if header.partitions != self.partitions {
            return Err(format!(
                "it was written for {} partitions, now there are {}: keys would move",
                header.partitions, self.partitions
            ));
        }
        let begins = self.epoch == 0 && matches!(header.kind, StateKind::Image { .. });
        if header.part == 0 {
            if self.missing != 0 {
                return Err(format!("epoch {} lacks {} parts", self.epoch, self.missing));
            }
            if header.epoch != self.epoch + 1 && !begins {
                return Err(format!("epoch {} follows epoch {}", header.epoch, self.epoch));
            }
            self.epoch = header.epoch;
            self.missing = header.parts;
            if matches!(header.kind, StateKind::Image { .. }) {
                self.stations = Stations::new(self.partition, self.partitions, self.source, self.secret);
            }
        } else if header.epoch != self.epoch || self.missing != header.parts - header.part {
            return Err(format!("part {} of epoch {} is out of order", header.part, header.epoch));
        }
        self.missing -= 1;
        self.owner = header.owner;
        self.clock = header.clock;
        for _ in 0..header.entries {
            let entry = |body: &mut &[u8]| {
                let length = take_length(body)?;
                let key = take(body, length)?;
                let value = match take(body, 1)? {
                    [0] => None,
                    _ => {
                        let length = take_length(body)?;
                        Some(take(body, length)?)
                    }
                };
                Some((key.to_vec(), value.map(<[u8]>::to_vec)))
            };
            let (key, value) = entry(&mut body).ok_or("its entries end early")?;
            self.stations.load(rules, &key, value.as_deref()).map_err(|e| e.to_string())?;
            self.entities += 1;
        }
        Ok(())
    }

    /// The end of the log was reached.
    pub fn finish(mut self, rules: &Rules) -> Result<(Stations, StateCursor), LogError> {
        if self.missing != 0 {
            return Err(LogError {
                what: format!("restoring partition {} from its state log", self.partition),
                why: format!("the log ends in the middle of epoch {}", self.epoch),
                refused: true,
            });
        }
        self.stations.loaded(rules, self.clock.taken_over(self.source));
        Ok((self.stations, StateCursor { epoch: self.epoch, owner: self.owner + 1 }))
    }
}
