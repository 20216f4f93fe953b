//! Messages, packed in one buffer.
//!
//! Always true: a message's partition is that of its key, if it has one; its scans' intents are in the order of
//! its elements.

use std::ops::Range;

use super::{CommandIntent, ScanIntent};
use crate::model::{Timestamp, Topic};

/// Messages in the order in which they are to be written. Reuse it: clearing keeps the memory.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    pub(crate) bytes: Vec<u8>,
    pub(crate) intents: Vec<ScanIntent>,
    packed: Vec<Packed>,
}

#[derive(Clone, Debug)]
struct Packed {
    timestamp: Timestamp,
    partition: u32,
    key: Option<Range<usize>>,
    value: Range<usize>,
    meaning: PackedMeaning,
}

#[derive(Clone, Debug)]
enum PackedMeaning {
    Scans(Range<usize>),
    Command(CommandIntent),
}

/// One message, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// `scans` or `commands`.
    pub topic: Topic,
    /// The record's timestamp.
    pub timestamp: Timestamp,
    /// Where to write it.
    pub partition: u32,
    /// The canonical number, or the shipment ID.
    pub key: Option<&'a [u8]>,
    /// The bytes.
    pub value: &'a [u8],
    /// What it is about.
    pub meaning: Meaning<'a>,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// Scans, one intent each.
    Scans(&'a [ScanIntent]),
    /// A command.
    Command(CommandIntent),
}

impl Messages {
    /// How many messages.
    pub fn len(&self) -> usize {
        self.packed.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// Forgets all messages and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.intents.clear();
        self.packed.clear();
    }

    /// The messages, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Message<'_>> {
        self.packed.iter().map(|packed| {
            let (topic, meaning) = match &packed.meaning {
                PackedMeaning::Scans(intents) => {
                    (Topic::Scans, Meaning::Scans(&self.intents[intents.clone()]))
                }
                PackedMeaning::Command(intent) => (Topic::Commands, Meaning::Command(*intent)),
            };
            Message {
                topic,
                timestamp: packed.timestamp,
                partition: packed.partition,
                key: packed.key.clone().map(|key| &self.bytes[key]),
                value: &self.bytes[packed.value.clone()],
                meaning,
            }
        })
    }

    /// Adds a command.
    pub(crate) fn push_command(&mut self, place: Placed<'_>, value: &[u8], intent: CommandIntent) {
        let key = place.key.map(|key| self.keep(key));
        let value = self.keep(value);
        self.packed.push(Packed {
            timestamp: place.timestamp,
            partition: place.partition,
            key,
            value,
            meaning: PackedMeaning::Command(intent),
        });
    }

    /// Adds a message of scans: `write` appends its bytes and its intents.
    pub(crate) fn push_scans(
        &mut self,
        place: Placed<'_>,
        write: impl FnOnce(&mut Vec<u8>, &mut Vec<ScanIntent>),
    ) {
        let key = place.key.map(|key| self.keep(key));
        let (bytes_from, intents_from) = (self.bytes.len(), self.intents.len());
        write(&mut self.bytes, &mut self.intents);
        self.packed.push(Packed {
            timestamp: place.timestamp,
            partition: place.partition,
            key,
            value: bytes_from..self.bytes.len(),
            meaning: PackedMeaning::Scans(intents_from..self.intents.len()),
        });
    }

    fn keep(&mut self, part: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(part);
        start..self.bytes.len()
    }
}

/// Where and when a message is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    pub(crate) timestamp: Timestamp,
    pub(crate) partition: u32,
    pub(crate) key: Option<&'a [u8]>,
}
