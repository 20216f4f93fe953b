//! Reading without being a member: the ends of partitions, and the committed records between two offsets.
//!
//! Enters: a partition and offsets. Leaves: offsets, and records in order. Always true: an end counts open
//! transactions, and a read gives committed records only, all of them up to where it was told to read.

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::clients::Quiet;
use super::config::KafkaConfig;
use super::names::{kafka_offset, kafka_partition, offset_of, reason, refused, unreachable};
use super::patience::{Deadline, PATIENCE, REQUEST};
use crate::engine::log::{LogError, Record};
use crate::model::{Partition, Timestamp, Topic};

/// Looks at topics from outside of the group.
pub(super) struct Reader {
    config: KafkaConfig,
    committed: ClientConfig,
    observer: BaseConsumer<Quiet>,
}

impl Reader {
    pub(super) fn open(config: &KafkaConfig, name: &str) -> Result<Reader, LogError> {
        let observer = config
            .observer(name)
            .create_with_context(Quiet)
            .map_err(|error| unreachable("create a client", reason(&error)))?;
        Ok(Reader { config: config.clone(), committed: config.reader(name), observer })
    }

    /// The partition counts of all topics that exist, by their full name.
    pub(super) fn partition_counts(&self) -> Result<Vec<(String, u32)>, LogError> {
        let what = || format!("list the topics of {}", self.config.bootstrap_servers);
        let metadata = Deadline::after(PATIENCE)
            .retry(|| self.observer.fetch_metadata(None, REQUEST))
            .map_err(|error| unreachable(what(), reason(&error)))?;
        let with_leaders = |topic: &rdkafka::metadata::MetadataTopic| {
            topic.error().is_none() && topic.partitions().iter().all(|partition| partition.leader() >= 0)
        };
        Ok(metadata
            .topics()
            .iter()
            .filter(|topic| with_leaders(topic))
            .map(|topic| (topic.name().to_owned(), u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX)))
            .collect())
    }

    /// The first offset that is still there, and the one that the next record gets.
    pub(super) fn ends(&self, topic: Topic, partition: Partition) -> Result<(u64, u64), LogError> {
        self.watermarks(&self.observer, topic, partition)
    }

    fn watermarks(
        &self,
        client: &BaseConsumer<Quiet>,
        topic: Topic,
        partition: Partition,
    ) -> Result<(u64, u64), LogError> {
        let names = self.config.names();
        let (low, high) = Deadline::after(PATIENCE)
            .retry(|| client.fetch_watermarks(names.of(topic), kafka_partition(partition), REQUEST))
            .map_err(|error| {
                unreachable(format!("find the ends of {}", self.config.place(topic, partition)), reason(&error))
            })?;
        Ok((offset_of(low), offset_of(high)))
    }

    /// Hands the committed records of `from..to` to `sink`, in order.
    pub(super) fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: u64,
        to: u64,
        sink: &mut dyn FnMut(&BorrowedMessage<'_>, Record<'_>) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        if from >= to {
            return Ok(());
        }
        let what = || format!("read {} from {from} to {to}", self.config.place(topic, partition));
        let failed = |error: KafkaError| unreachable(what(), reason(&error));
        let consumer: BaseConsumer<Quiet> = self.committed.create_with_context(Quiet).map_err(failed)?;

        // A transaction that was open when `to` was taken ends by itself, at the latest with its timeout. Only once
        // the stable end is past `to` does an end of the partition mean that everything before `to` was read.
        let deadline = Deadline::after(PATIENCE);
        while self.watermarks(&consumer, topic, partition)?.1 < to {
            if deadline.is_over() {
                return Err(unreachable(what(), "a transaction before that offset stays open"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }

        let names = self.config.names();
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(
                names.of(topic),
                kafka_partition(partition),
                Offset::Offset(kafka_offset(from)),
            )
            .map_err(failed)?;
        consumer.assign(&assignment).map_err(failed)?;
        let mut silent = Deadline::after(PATIENCE);
        loop {
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    silent = Deadline::after(PATIENCE);
                    let record = record_of(&message);
                    if record.offset < from {
                        continue;
                    }
                    if record.offset < to {
                        sink(&message, record)?;
                    }
                    if record.offset + 1 >= to {
                        return Ok(());
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                    return Err(refused(what(), "its start is no longer there"));
                }
                Some(Err(error)) => tracing::warn!(target: "kafka", "{}: {}", what(), reason(&error)),
                None => {}
            }
            if silent.is_over() {
                return Err(unreachable(what(), "nothing came for too long"));
            }
        }
    }
}

/// A message as a record.
pub(super) fn record_of<'a>(message: &'a BorrowedMessage<'_>) -> Record<'a> {
    let content_type = message.headers().and_then(|headers| {
        headers.iter().find(|header| header.key == "content-type").and_then(|header| header.value)
    });
    Record {
        offset: offset_of(message.offset()),
        timestamp: Timestamp(message.timestamp().to_millis().unwrap_or(0)),
        key: message.key(),
        value: message.payload(),
        content_type,
    }
}
