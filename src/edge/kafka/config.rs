//! The configuration of the log on Kafka: plain data, and what it becomes for each client.
//!
//! Enters: first-class keys and raw properties of librdkafka. Leaves: the properties of each client, or all reasons
//! why they are refused. Always true: what exactly-once rests on cannot be changed by a raw property, and `Debug` shows
//! names of properties, never values.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use serde::Deserialize;

use super::names::{TopicNames, kafka_partition, reason, refused};
use crate::engine::log::LogError;
use crate::model::{Partition, Topic};

/// Raw properties for librdkafka, by name.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    /// Sets a property.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// The names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Properties {
        Properties(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Properties {
    /// Names only: any value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Where the brokers are, and under which names we appear there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// In front of every topic's name.
    pub topic_prefix: String,
    /// The consumer group of all workers.
    pub group_id: String,
    /// This process: unique in the group, and the same after a restart. A worker appends its number.
    pub instance: String,
    /// Partitions of the topics that are created; existing ones keep theirs.
    pub partitions: u32,
    /// Replicas of the topics that are created.
    pub replication: u32,
    /// For every client.
    pub properties: Properties,
    /// For every consumer, over `properties`.
    pub consumer_properties: Properties,
    /// For every producer, over `properties`.
    pub producer_properties: Properties,
}

impl Default for KafkaConfig {
    fn default() -> KafkaConfig {
        KafkaConfig {
            bootstrap_servers: "127.0.0.1:9092".into(),
            topic_prefix: "dockside.".into(),
            group_id: "dockside".into(),
            instance: "dockside-0".into(),
            partitions: 4,
            replication: 1,
            properties: Properties::default(),
            consumer_properties: Properties::default(),
            producer_properties: Properties::default(),
        }
    }
}

/// Properties that exactly-once rests on: the only value they may have, if any, and why.
const FIXED: [(&str, Option<&str>, &str); 18] = [
    ("acks", Some("all"), "an epoch is committed only when every replica in sync has it"),
    ("auto.offset.reset", Some("error"), "a position that is gone is a loss that must be seen"),
    ("bootstrap.servers", None, "set `bootstrap_servers`"),
    ("client.id", None, "it is made of the instance, the worker and the role"),
    ("enable.auto.commit", Some("false"), "positions are committed with the outputs, in one transaction"),
    (
        "enable.auto.offset.store",
        Some("false"),
        "positions are committed with the outputs, in one transaction",
    ),
    ("enable.idempotence", Some("true"), "a retry must not write a record twice"),
    ("enable.partition.eof", Some("true"), "timers wait for drained partitions"),
    ("group.id", None, "set `group_id`"),
    ("group.instance.id", None, "it is made of the instance and the worker"),
    ("group.protocol", Some("classic"), "partition p of all topics must move at once"),
    ("isolation.level", Some("read_committed"), "records of uncommitted epochs must stay invisible"),
    ("metadata.broker.list", None, "set `bootstrap_servers`"),
    ("partition.assignment.strategy", Some("range"), "partition p of every topic must have one owner"),
    ("partitioner", None, "every record is written to an explicit partition"),
    ("request.required.acks", Some("all"), "an epoch is committed only when every replica in sync has it"),
    ("test.mock.num.brokers", None, "it would write into nothing"),
    ("transactional.id", None, "it is made of the group, the instance and the worker"),
];

/// Java's names, and what to set instead.
const JAVA: [(&str, &str); 8] = [
    ("max.poll.records", "the bounds of an epoch"),
    ("sasl.jaas.config", "`sasl.username` and `sasl.password`"),
    (
        "ssl.keystore.type",
        "`ssl.keystore.location` (PKCS#12) or `ssl.certificate.location` and `ssl.key.location` (PEM)",
    ),
    ("ssl.truststore.location", "`ssl.ca.location` (PEM)"),
    ("ssl.truststore.password", "`ssl.ca.location` (PEM), which needs none"),
    ("ssl.truststore.type", "`ssl.ca.location` (PEM)"),
    ("key.deserializer", "nothing: keys and values are bytes"),
    ("value.deserializer", "nothing: keys and values are bytes"),
];

/// How long a transaction may stay open. It is also how long readers may wait for one whose worker is gone.
pub(super) const TRANSACTION_TIMEOUT_MS: u32 = 10_000;

/// Bytes that a worker's consumer holds back for each lane, whose partitions share one queue.
const FETCHED_KIB: &str = "65536";

/// The largest message that we write: an input of 16 MiB as a dead letter, with its headers.
pub(super) const MESSAGE_BYTES: u32 = 17 * 1024 * 1024;

impl KafkaConfig {
    /// All reasons to refuse this configuration, found without connecting.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (key, value) in [
            ("bootstrap_servers", &self.bootstrap_servers),
            ("group_id", &self.group_id),
            ("instance", &self.instance),
        ] {
            if value.trim().is_empty() || value.contains('\0') {
                problems.push(format!("`{key}` is empty"));
            }
        }
        for (key, count) in [("partitions", self.partitions), ("replication", self.replication)] {
            if count == 0 || count > 10_000 {
                problems.push(format!("`{key}` = {count} is not between 1 and 10000"));
            }
        }
        for (section, properties) in [
            ("properties", &self.properties),
            ("consumer.properties", &self.consumer_properties),
            ("producer.properties", &self.producer_properties),
        ] {
            for (name, value) in properties.iter() {
                problems.extend(refusal(name, value).map(|why| format!("`{section}`: `{name}` {why}")));
            }
        }
        if problems.is_empty() {
            // The client's own judgement of names and values; creating one would connect.
            for config in [self.consumer("check", "check"), self.idempotent_producer("check")] {
                problems.extend(config.create_native_config().err().map(|error| reason(&error)));
            }
            problems.dedup();
        }
        problems
    }

    /// The configuration, if nothing in it is refused.
    pub(super) fn checked(&self) -> Result<(), LogError> {
        let problems = self.problems();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(refused("read the Kafka configuration", problems.join("; ")))
        }
    }

    pub(super) fn names(&self) -> TopicNames {
        TopicNames::new(&self.topic_prefix)
    }

    /// A worker's name: unique in the group, stable over restarts.
    pub fn member_name(&self, worker: u32) -> String {
        format!("{}-{worker}", self.instance)
    }

    /// The group's member: subscribes, and reads committed records only.
    pub(super) fn member(&self, name: &str) -> ClientConfig {
        let mut config = self.consumer(name, "member");
        config.set("group.instance.id", name);
        if !self.sets("queued.max.messages.kbytes") {
            config.set("queued.max.messages.kbytes", FETCHED_KIB);
        }
        config
    }

    /// A consumer in no group that reads committed records, assigned by hand.
    pub(super) fn reader(&self, name: &str) -> ClientConfig {
        self.consumer(name, "reader")
    }

    /// A client that sees the ends of partitions, open transactions included.
    pub(super) fn observer(&self, name: &str) -> ClientConfig {
        let mut config = self.consumer(name, "observer");
        config.set("isolation.level", "read_uncommitted").remove("group.id");
        config
    }

    /// A worker's transactional producer.
    pub(super) fn transactional_producer(&self, name: &str) -> ClientConfig {
        let mut config = self.idempotent_producer(name);
        config.set("transactional.id", format!("{}-{name}", self.group_id));
        if !self.sets("retry.backoff.ms") {
            // The coordinator asks to retry while it still writes the last epoch's end.
            config.set("retry.backoff.ms", "10");
        }
        if !self.sets("transaction.timeout.ms") {
            config.set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string());
        }
        config
    }

    /// A producer without transactions.
    pub(super) fn idempotent_producer(&self, name: &str) -> ClientConfig {
        let mut config = self.base(name, "producer");
        for (key, value) in [
            ("batch.num.messages", "100000"),
            ("compression.codec", "lz4"),
            ("linger.ms", "5"),
            ("queue.buffering.max.kbytes", "262144"),
            ("queue.buffering.max.messages", "1000000"),
        ] {
            config.set(key, value);
        }
        config.set("message.max.bytes", MESSAGE_BYTES.to_string());
        self.apply(&mut config, &self.producer_properties);
        config.set("acks", "all").set("enable.idempotence", "true");
        config
    }

    /// An admin client.
    pub(super) fn admin(&self, name: &str) -> ClientConfig {
        let mut config = self.base(name, "admin");
        self.apply(&mut config, &Properties::default());
        config
    }

    fn consumer(&self, name: &str, role: &str) -> ClientConfig {
        let mut config = self.base(name, role);
        for (key, value) in [
            ("check.crcs", "true"),
            ("fetch.max.bytes", "67108864"),
            ("fetch.message.max.bytes", "8388608"),
            ("fetch.queue.backoff.ms", "10"),
            ("fetch.wait.max.ms", "50"),
            ("max.poll.interval.ms", "300000"),
            ("session.timeout.ms", "45000"),
        ] {
            config.set(key, value);
        }
        self.apply(&mut config, &self.consumer_properties);
        for (key, value) in [
            ("auto.offset.reset", "error"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            ("isolation.level", "read_committed"),
            ("partition.assignment.strategy", "range"),
        ] {
            config.set(key, value);
        }
        config.set("group.id", &self.group_id);
        config
    }

    fn base(&self, name: &str, role: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", format!("{name}-{role}"))
            .set("allow.auto.create.topics", "false");
        config
    }

    fn apply(&self, config: &mut ClientConfig, role: &Properties) {
        for (name, value) in self.properties.iter().chain(role.iter()) {
            config.set(name, value);
        }
    }

    fn sets(&self, name: &str) -> bool {
        [&self.properties, &self.consumer_properties, &self.producer_properties]
            .iter()
            .any(|properties| properties.0.contains_key(name))
    }

    /// Where a record is, for people.
    pub(super) fn place(&self, topic: Topic, partition: Partition) -> String {
        format!("{}{}-{}", self.topic_prefix, topic.name(), kafka_partition(partition))
    }
}

/// Why a raw property is refused.
fn refusal(name: &str, value: &str) -> Option<String> {
    if let Some((_, instead)) = JAVA.iter().find(|(java, _)| *java == name) {
        return Some(format!("is a name of the Java client; set {instead}"));
    }
    let (_, only, why) = FIXED.iter().find(|(fixed, _, _)| *fixed == name)?;
    match only {
        Some(only) if same(only, value) => None,
        Some(only) => Some(format!("can only be `{only}`: {why}")),
        None => Some(format!("cannot be set: {why}")),
    }
}

/// Whether librdkafka takes both for the same.
fn same(only: &str, value: &str) -> bool {
    match only {
        "all" => matches!(value, "all" | "-1"),
        "true" => matches!(value, "true" | "t" | "1"),
        "false" => matches!(value, "false" | "f" | "0"),
        other => value == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> KafkaConfig {
        KafkaConfig { properties: Properties::from_iter([(name, value)]), ..KafkaConfig::default() }
    }

    #[test]
    fn the_default_is_accepted() {
        assert_eq!(KafkaConfig::default().problems(), Vec::<String>::new());
    }

    #[test]
    fn what_exactly_once_rests_on_cannot_be_changed() {
        let cases = [
            ("enable.auto.commit", "true", "can only be `false`"),
            ("enable.auto.offset.store", "true", "can only be `false`"),
            ("isolation.level", "read_uncommitted", "can only be `read_committed`"),
            ("transactional.id", "mine", "cannot be set"),
            ("enable.idempotence", "false", "can only be `true`"),
            ("partition.assignment.strategy", "cooperative-sticky", "can only be `range`"),
            ("auto.offset.reset", "earliest", "can only be `error`"),
            ("acks", "1", "can only be `all`"),
            ("sasl.jaas.config", "…", "`sasl.username` and `sasl.password`"),
            ("no.such.property", "1", "the client knows no property `no.such.property`"),
            ("linger.ms", "soon", "the client knows no property `linger.ms`"),
        ];
        for (name, value, expected) in cases {
            let problems = with(name, value).problems();
            assert_eq!(problems.len(), 1, "{name}: {problems:?}");
            assert!(problems[0].contains(expected), "{name}: {problems:?}");
        }
    }

    #[test]
    fn what_changes_nothing_is_accepted() {
        for (name, value) in [
            ("enable.auto.commit", "false"),
            ("isolation.level", "read_committed"),
            ("acks", "-1"),
            ("socket.keepalive.enable", "true"),
        ] {
            assert_eq!(with(name, value).problems(), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn no_value_of_a_property_is_shown() {
        let secret = "hunter2";
        for name in
            ["sasl.password", "ssl.key.pem", "sasl.oauthbearer.config", "linger.ms", "acks", "nonsense"]
        {
            let config = with(name, secret);
            assert!(!format!("{config:?}").contains(secret), "{name}");
            assert!(format!("{config:?}").contains(name), "{name}");
            assert!(!config.problems().join(";").contains(secret), "{name}: {:?}", config.problems());
            if let Err(error) = config.checked() {
                assert!(!format!("{error} {error:?}").contains(secret), "{name}");
            }
        }
    }

    #[test]
    fn the_queue_of_a_lane_has_a_bound() {
        let config =
            |own: &KafkaConfig| own.member("a-0").get("queued.max.messages.kbytes").map(str::to_owned);
        assert_eq!(config(&KafkaConfig::default()).as_deref(), Some("65536"));
        assert_eq!(config(&with("queued.max.messages.kbytes", "512")).as_deref(), Some("512"));
    }
}
