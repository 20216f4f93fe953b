//! What the peers written in Rust share: how the Kafka client is set up.
//!
//! Always true: the settings are those of dockside's own consumers (`src/edge/kafka/config.rs`), so that a difference is
//! one of programs.

use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

/// How long a request may take.
pub(crate) const REQUEST: Duration = Duration::from_secs(30);

/// A consumer of committed records that starts at the beginning and says where partitions end.
pub(crate) fn consumer_config(bootstrap: &str, group: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (key, value) in [
        ("bootstrap.servers", bootstrap),
        ("group.id", group),
        ("isolation.level", "read_committed"),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("enable.partition.eof", "true"),
        ("auto.offset.reset", "earliest"),
        ("check.crcs", "true"),
        ("fetch.max.bytes", "67108864"),
        ("fetch.message.max.bytes", "8388608"),
        ("fetch.queue.backoff.ms", "10"),
        ("fetch.wait.max.ms", "50"),
        ("queued.max.messages.kbytes", "65536"),
    ] {
        config.set(key, value);
    }
    config
}

/// All partitions of a topic, from the group's position or else from the beginning.
pub(crate) fn all_partitions(consumer: &BaseConsumer, topic: &str) -> Result<TopicPartitionList> {
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST)?;
    let found = metadata.topics().first().filter(|topic| !topic.partitions().is_empty());
    let mut list = TopicPartitionList::new();
    for partition in found.with_context(|| format!("{topic} is not there"))?.partitions() {
        list.add_partition_offset(topic, partition.id(), Offset::Stored)?;
    }
    Ok(list)
}
