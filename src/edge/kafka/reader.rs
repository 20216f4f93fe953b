//! Reading without being a member: the ends of partitions, and the committed records between two offsets.
//!
//! Enters: a partition and offsets. Leaves: offsets, and records in order. Always true: an end counts open
//! transactions, and a read gives committed records only, all of them up to where it was told to read.

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::metadata::MetadataTopic;
use rdkafka::{Offset, TopicPartitionList};

use super::clients::Quiet;
use super::config::KafkaConfig;
use super::names::{kafka_offset, kafka_partition, offset_of, reason, refused, unreachable};
use super::patience::{Deadline, PATIENCE, Patience, REQUEST, is_unknown};
use crate::engine::log::{LogError, Record};
use crate::model::{Partition, Timestamp, Topic};

/// How far to read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// To this offset, even if transactions before it must end first.
    Offset(u64),
    /// To where no open transaction is before it, now.
    StableEnd,
}

/// Whether the reader wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    More,
    NoMore,
}

/// A topic that exists.
#[derive(Clone, Debug)]
pub(super) struct Present {
    pub(super) name: String,
    pub(super) partitions: u32,
    /// Every partition has a leader.
    pub(super) ready: bool,
}

/// Looks at topics from outside of the group.
pub(super) struct Reader {
    config: KafkaConfig,
    committed: ClientConfig,
    observer: BaseConsumer<Quiet>,
    patience: Patience,
}

impl Reader {
    pub(super) fn open(config: &KafkaConfig, name: &str) -> Result<Reader, LogError> {
        let observer = config
            .observer(name)
            .create_with_context(Quiet)
            .map_err(|error| unreachable("create a client", reason(&error)))?;
        let patience = Patience::Limited;
        Ok(Reader { config: config.clone(), committed: config.reader(name), observer, patience })
    }

    /// The same, for a worker: waits until the brokers are back, however long they are away.
    pub(super) fn waiting(self) -> Reader {
        Reader { patience: Patience::Endless, ..self }
    }

    /// What tells this cluster from others.
    pub(super) fn cluster(&self) -> Option<String> {
        self.observer.client().fetch_cluster_id(REQUEST)
    }

    /// All topics that exist.
    pub(super) fn topics(&self) -> Result<Vec<Present>, LogError> {
        let metadata = self
            .patience
            .deadline()
            .retry(|| self.observer.fetch_metadata(None, REQUEST))
            .map_err(|error| {
                unreachable(format!("list the topics of {}", self.config.bootstrap_servers), reason(&error))
            })?;
        let present = |topic: &MetadataTopic| Present {
            name: topic.name().to_owned(),
            partitions: u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX),
            ready: topic.error().is_none()
                && topic.partitions().iter().all(|partition| partition.leader() >= 0),
        };
        Ok(metadata.topics().iter().map(present).collect())
    }

    /// The first offset that is still there, and the one that the next record gets.
    pub(super) fn ends(&self, topic: Topic, partition: Partition) -> Result<(u64, u64), LogError> {
        self.watermarks(&self.observer, topic, partition)
    }

    /// The same, as this client sees it: one of committed records takes the first open transaction for the end.
    pub(super) fn watermarks(
        &self,
        client: &BaseConsumer<Quiet>,
        topic: Topic,
        partition: Partition,
    ) -> Result<(u64, u64), LogError> {
        let names = self.config.names();
        let (low, high) = self
            .patience
            .deadline()
            .retry(|| {
                let ends = client.fetch_watermarks(names.of(topic), kafka_partition(partition), REQUEST);
                if ends.as_ref().is_err_and(is_unknown) {
                    // A broker that has just begun may not know all partitions yet. The client keeps its answer for
                    // minutes, unless it is asked to ask again.
                    drop(client.fetch_metadata(Some(names.of(topic)), REQUEST));
                }
                ends
            })
            .map_err(|error| {
                unreachable(
                    format!("find the ends of {}", self.config.place(topic, partition)),
                    reason(&error),
                )
            })?;
        Ok((offset_of(low), offset_of(high)))
    }

    /// Hands committed records from `from` on to `sink`, in order, until it wants no more or `until` is reached; returns
    /// the offset to go on from.
    pub(super) fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: u64,
        until: Until,
        sink: &mut dyn FnMut(&BorrowedMessage<'_>, Record<'_>) -> Result<Wanted, LogError>,
    ) -> Result<u64, LogError> {
        let what = || format!("read {} from {from}", self.config.place(topic, partition));
        let failed = |error: KafkaError| unreachable(what(), reason(&error));
        // A new consumer for each read: an end of the partition cannot be one of an earlier read.
        let consumer: BaseConsumer<Quiet> = self.committed.create_with_context(Quiet).map_err(failed)?;

        // Such a client sees the stable end. Only because it is past `to` does reaching an end of the partition mean
        // that everything before `to` was read. A transaction that holds it back ends at the latest with its timeout.
        let mut deadline = Deadline::after(PATIENCE);
        let to = loop {
            let (_, stable) = self.watermarks(&consumer, topic, partition)?;
            match until {
                Until::StableEnd => break stable,
                Until::Offset(to) if to <= stable => break to,
                Until::Offset(_) if deadline.is_over() => {
                    let why = "an older transaction stays open: `kafka-transactions.sh find-hanging` tells which, and \
                               its `abort` ends it";
                    let error = unreachable(what(), why);
                    deadline = self.patience.renewed(error)?;
                }
                Until::Offset(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        if from >= to {
            return Ok(from);
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
                    let next = record.offset + 1;
                    if record.offset >= to {
                        return Ok(to);
                    }
                    if record.offset >= from && sink(&message, record)? == Wanted::NoMore {
                        return Ok(next);
                    }
                    if next == to {
                        return Ok(to);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(to),
                Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                    return Err(refused(what(), "its start is no longer there"));
                }
                Some(Err(error))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed) =>
                {
                    return Err(failed(error));
                }
                Some(Err(error)) => tracing::warn!(target: "kafka", "{}: {}", what(), reason(&error)),
                None => {}
            }
            if silent.is_over() {
                silent = self.patience.renewed(unreachable(what(), "nothing came for too long"))?;
            }
        }
    }
}

/// A message as a record. Known gap: the client's wrapper insists on header names in UTF-8 and panics at others, which
/// no official client writes.
pub(super) fn record_of<'a>(message: &'a BorrowedMessage<'_>) -> Record<'a> {
    let header = |name: &str| {
        message.headers().and_then(|headers| {
            headers.iter().find(|header| header.key == name).and_then(|header| header.value)
        })
    };
    Record {
        offset: offset_of(message.offset()),
        timestamp: Timestamp(message.timestamp().to_millis().unwrap_or(0)),
        key: message.key(),
        value: message.payload(),
        content_type: header("content-type"),
        feed: header("dockside-feed"),
    }
}
