//! Feeding a log: worlds, replay lines and ticks become records of its inputs.
//!
//! Always true: a tick goes to every partition of `commands`, behind everything that was fed before it.

use crate::engine::log::{Broker, LogError, Outbox};
use crate::engine::replay::{ReplayLine, ReplayTopic};
use crate::model::{Partition, Timestamp, Topic, partition_of};
use crate::workload::{Message, Messages};

/// What a tick looks like among commands.
const TICK: &[u8] = br#"{"type":"tick"}"#;

/// Appends go out in pieces of about this size.
const PIECE_BYTES: usize = 1 << 20;
/// And of at most this many records.
const PIECE_RECORDS: usize = 8_192;

/// Collects records for one append.
#[derive(Debug, Default)]
pub struct Feeder {
    outbox: Outbox,
    /// Where the next record without a key goes.
    turn: u32,
}

impl Feeder {
    /// Whether it is time to append.
    pub fn is_full(&self) -> bool {
        self.outbox.len() >= PIECE_RECORDS || self.outbox.bytes_len() >= PIECE_BYTES
    }

    /// What was collected.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Forgets what was collected.
    pub fn clear(&mut self) {
        self.outbox.clear();
    }

    /// Adds a replay line: a key decides the partition, records without one take turns.
    pub fn line(&mut self, line: &ReplayLine, partitions: u32) {
        let topic = match line.topic {
            ReplayTopic::Commands => Topic::Commands,
            ReplayTopic::Scans => Topic::Scans,
            ReplayTopic::Ticks => return self.tick(line.timestamp, partitions),
        };
        let partition = match &line.key {
            Some(key) => partition_of(key, partitions),
            None => {
                self.turn = (self.turn + 1) % partitions;
                self.turn
            }
        };
        let (key, value) = (line.key.as_deref(), line.value.as_deref());
        let headers = [("content-type", &line.content_type), ("dockside-feed", &line.feed)];
        let headers: Vec<(&'static str, &[u8])> =
            headers.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?.as_bytes()))).collect();
        self.outbox.push(topic, Partition(partition), line.timestamp, key, value, &headers);
    }

    /// Adds a world's message.
    pub fn message(&mut self, message: &Message<'_>) {
        let partition = Partition(message.partition);
        let (key, value) = (message.key, Some(message.value));
        self.outbox.push(message.topic, partition, message.timestamp, key, value, &[]);
    }

    /// Adds a tick for every partition.
    pub fn tick(&mut self, at: Timestamp, partitions: u32) {
        for partition in 0..partitions {
            self.outbox.push(Topic::Commands, Partition(partition), at, None, Some(TICK), &[]);
        }
    }

    /// Appends the messages of a phase; `appended` hears of each piece that went out. The tick that closes the phase is
    /// another append, once everything before it is done.
    pub fn phase<B: Broker>(
        &mut self,
        broker: &B,
        messages: &Messages,
        mut appended: impl FnMut(&Outbox),
    ) -> Result<(), LogError> {
        for message in messages.iter() {
            self.message(&message);
            if self.is_full() {
                appended(&self.outbox);
                self.flush(broker)?;
            }
        }
        appended(&self.outbox);
        self.flush(broker)
    }

    /// Appends a tick for every partition.
    pub fn close<B: Broker>(&mut self, broker: &B, tick: Timestamp) -> Result<(), LogError> {
        self.tick(tick, broker.partitions());
        self.flush(broker)
    }

    fn flush<B: Broker>(&mut self, broker: &B) -> Result<(), LogError> {
        if !self.outbox.is_empty() {
            broker.append(&self.outbox)?;
            self.outbox.clear();
        }
        Ok(())
    }
}
