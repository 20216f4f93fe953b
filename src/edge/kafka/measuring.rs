//! The client as `dockside bench` uses it: counting messages, sending at a pace, watching a topic.
//!
//! Enters: a [`KafkaConfig`]. Leaves: counts, deliveries, keys of committed records. Always true: these clients have the
//! properties of a worker's own (isolation, sizes of fetches and queues), so that only what is done with the messages
//! differs.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use super::clients::{Bell, Quiet};
use super::config::{FETCHED_KIB, KafkaConfig};
use super::names::{kafka_offset, kafka_partition, reason, unreachable};
use super::patience::PATIENCE;
use super::queue::{DataQueue, Enough, Fetched};
use super::reader::Reader;
use crate::engine::log::LogError;
use crate::model::{Partition, Timestamp, Topic};

fn failed(what: &'static str) -> impl Fn(KafkaError) -> LogError {
    move |error| unreachable(what, reason(&error))
}

/// A consumer of all partitions of a topic, from these offsets on.
fn consumer_of(
    config: &KafkaConfig,
    topic: Topic,
    from: impl Fn(Partition) -> Result<Offset, LogError>,
) -> Result<(BaseConsumer<Quiet>, TopicPartitionList), LogError> {
    let mut reader = config.reader("bench");
    reader.set("queued.max.messages.kbytes", FETCHED_KIB);
    let consumer = reader.create_with_context(Quiet).map_err(failed("create a client"))?;
    let mut list = TopicPartitionList::new();
    for partition in (0..config.partitions).map(Partition) {
        let (topic, number) = (config.names().of(topic).to_owned(), kafka_partition(partition));
        list.add_partition_offset(&topic, number, from(partition)?).map_err(failed("list a partition"))?;
    }
    Ok((consumer, list))
}

/// Counts the committed records of `scans`, from the first to the last, with the bulk read that workers use, and does nothing
/// else with them.
pub fn count_scans(config: &KafkaConfig) -> Result<u64, LogError> {
    let (consumer, list) = consumer_of(config, Topic::Scans, |_| Ok(Offset::Beginning))?;
    let bell = Arc::new(Bell::default());
    let mut queue = DataQueue::of(&consumer, &bell);
    for partition in (0..config.partitions).map(Partition) {
        queue.forward(&consumer, config.names().of(Topic::Scans), partition);
    }
    consumer.assign(&list).map_err(failed("read `scans`"))?;
    let (mut count, mut open) = (0, config.partitions);
    while open > 0 {
        bell.silence();
        let mut failure = None;
        queue.take(usize::MAX, |fetched| {
            match fetched {
                Fetched::Record(..) => count += 1,
                Fetched::End(..) => open -= 1,
                Fetched::Failed(code) => failure = Some(code),
            }
            Enough::No
        });
        if let Some(code) = failure {
            return Err(unreachable("count `scans`", code.to_string()));
        }
        if open > 0 {
            bell.wait(PATIENCE);
        }
    }
    // The queue before its consumer, which would wait for it.
    drop(queue);
    Ok(count)
}

/// Sends records one by one, without transactions.
pub struct Sender {
    producer: BaseProducer<rdkafka::producer::DefaultProducerContext>,
    config: KafkaConfig,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Sender {
    /// A producer of its own.
    pub fn open(config: &KafkaConfig) -> Result<Sender, LogError> {
        let producer =
            config.idempotent_producer("bench-sender").create().map_err(failed("create a client"))?;
        Ok(Sender { producer, config: config.clone() })
    }

    /// Hands a record to the client, which sends it within milliseconds.
    pub fn send(
        &self,
        topic: Topic,
        partition: Partition,
        at: Timestamp,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), LogError> {
        let names = self.config.names();
        let record = BaseRecord::to(names.of(topic))
            .partition(kafka_partition(partition))
            .timestamp(at.0)
            .key(key)
            .payload(value);
        self.producer.send(record).map_err(|(error, _)| failed("send a record")(error))?;
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    /// Waits until all are delivered.
    pub fn flush(&self) -> Result<(), LogError> {
        self.producer.flush(PATIENCE).map_err(failed("deliver records"))
    }
}

/// Sees the committed records of a topic as they appear.
pub struct Watcher {
    consumer: BaseConsumer<Quiet>,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watcher")
    }
}

impl Watcher {
    /// Watches from what is there now.
    pub fn open(config: &KafkaConfig, topic: Topic) -> Result<Watcher, LogError> {
        let reader = Reader::open(config, "bench-watcher")?;
        let end = |partition| Ok(Offset::Offset(kafka_offset(reader.ends(topic, partition)?.1)));
        let (consumer, list) = consumer_of(config, topic, end)?;
        consumer.assign(&list).map_err(failed("watch a topic"))?;
        Ok(Watcher { consumer })
    }

    /// Shows the key of the next record, if one comes within `wait`.
    pub fn next(&self, wait: Duration, see: impl FnOnce(&[u8])) -> Result<(), LogError> {
        match self.consumer.poll(wait) {
            Some(Ok(message)) => see(message.key().unwrap_or_default()),
            Some(Err(KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(error)) => return Err(failed("watch a topic")(error)),
        }
        Ok(())
    }
}
