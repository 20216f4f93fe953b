//! Names and numbers on their way to the client and back.
//!
//! Enters: topics, partitions and offsets of the vocabulary. Leaves: Kafka's, and errors in plain words.
//! Always true: a number that Kafka cannot hold is a broken invariant, and a client's error loses its values here.

use rdkafka::error::KafkaError;

use crate::edge::secret::hidden;
use crate::engine::log::LogError;
use crate::model::{Partition, Topic};

/// What nobody knows for a while is not late.
pub(super) const GONE: &str = "it is gone: somebody deleted it. `dockside topics apply` makes it anew, empty; what does not fit any more \
                    is told at the next start";

/// The full names of all topics.
#[derive(Clone, Debug)]
pub(super) struct TopicNames([String; Topic::ALL.len()]);

impl TopicNames {
    pub(super) fn new(prefix: &str) -> TopicNames {
        TopicNames(Topic::ALL.map(|topic| format!("{prefix}{}", topic.name())))
    }

    pub(super) fn of(&self, topic: Topic) -> &str {
        &self.0[topic.index()]
    }
}

pub(super) fn kafka_partition(partition: Partition) -> i32 {
    i32::try_from(partition.0).expect("a partition number fits Kafka's 31 bits")
}

pub(super) fn partition_of(number: i32) -> Partition {
    Partition(u32::try_from(number).expect("Kafka's partition numbers start at 0"))
}

pub(super) fn kafka_offset(offset: u64) -> i64 {
    i64::try_from(offset).expect("an offset fits Kafka's 63 bits")
}

pub(super) fn offset_of(number: i64) -> u64 {
    u64::try_from(number).expect("offsets of records start at 0")
}

/// The log cannot be reached, or will not serve us.
pub(super) fn unreachable(what: impl Into<String>, why: impl Into<String>) -> LogError {
    LogError { what: what.into(), why: why.into(), refused: false }
}

/// What is there does not fit: going on could lose data.
pub(super) fn refused(what: impl Into<String>, why: impl Into<String>) -> LogError {
    LogError { what: what.into(), why: why.into(), refused: true }
}

/// The client's error without any value of the configuration.
pub(super) fn reason(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, _, key, _) => {
            format!("the client knows no property `{key}` with such a value")
        }
        KafkaError::ClientCreation(why) => hidden(why).into_owned(),
        KafkaError::Transaction(error) => error.string(),
        other => other.to_string(),
    }
}
