//! The configuration of the log on Kafka: plain data, and what it becomes for each client.
//!
//! Enters: first-class keys and raw properties of librdkafka. Leaves: the properties of each client, or all reasons
//! why they are refused. Always true: what exactly-once rests on cannot be changed by a raw property, and `Debug` shows
//! names of properties, never values.

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use std::path::PathBuf;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, DeliveryResult, ProducerContext};

use super::names::{TopicNames, kafka_partition, reason, refused};
use super::owners;
use super::properties::{Client, Properties, fixed, refusal};
use crate::engine::log::LogError;
use crate::model::{DAY_MS, HOUR_MS, Partition, Topic};

/// How long the topics keep records. `None`: without limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// `scans`.
    pub scans_ms: Option<i64>,
    /// `commands`.
    pub commands_ms: Option<i64>,
    /// `hops`.
    pub hops_ms: Option<i64>,
    /// `command-results`.
    pub command_results_ms: Option<i64>,
    /// `dead-letters`.
    pub dead_letters_ms: Option<i64>,
    /// Tombstones of the compacted topics.
    pub tombstones_ms: i64,
}

impl Default for Retention {
    /// As in `config/dockside.toml`.
    fn default() -> Retention {
        Retention {
            scans_ms: Some(7 * DAY_MS),
            commands_ms: Some(7 * DAY_MS),
            hops_ms: Some(7 * DAY_MS),
            command_results_ms: Some(7 * DAY_MS),
            dead_letters_ms: Some(30 * DAY_MS),
            tombstones_ms: 24 * HOUR_MS,
        }
    }
}

/// Who fetches the records of the lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fetch {
    /// The Kafka client.
    #[default]
    Client,
    /// We do, from the brokers, without TLS or SASL.
    Direct,
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
    /// Where this process answers lookups, as `host:port`; its members carry it in their client IDs.
    pub advertise: Option<String>,
    /// Partitions of the topics that are created; existing ones keep theirs.
    pub partitions: u32,
    /// Replicas of the topics that are created.
    pub replication: u32,
    /// Replicas that must have a record before it counts; `None`: one fewer than there are, at least one.
    pub min_insync_replicas: Option<u32>,
    /// How long the topics keep what.
    pub retention: Retention,
    /// Who fetches the records of the lanes.
    pub fetch: Fetch,
    /// Where the state logs are copied to, so that a restart need not fetch them.
    pub snapshot_dir: Option<PathBuf>,
    /// Whether a worker's producer is replaced after a commit that may have left a request on its way: it could end a
    /// later transaction. Off only to show what happens then.
    pub rotates_producers: bool,
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
            advertise: None,
            partitions: 4,
            replication: 1,
            min_insync_replicas: None,
            retention: Retention::default(),
            fetch: Fetch::default(),
            snapshot_dir: None,
            rotates_producers: true,
            properties: Properties::default(),
            consumer_properties: Properties::default(),
            producer_properties: Properties::default(),
        }
    }
}

/// How long a transaction may stay open. It is also how long readers may wait for one whose worker is gone.
pub(super) const TRANSACTION_TIMEOUT_MS: u32 = 10_000;

/// Bytes that a worker's consumer holds back for each lane, whose partitions share one queue.
pub(super) const FETCHED_KIB: &str = "65536";

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
        if let Some(least) = self.min_insync_replicas
            && !(1..=self.replication).contains(&least)
        {
            problems.push(format!(
                "`min_insync_replicas` = {least} is not between 1 and the {} replicas",
                self.replication
            ));
        }
        for (section, properties) in [
            ("properties", &self.properties),
            ("consumer.properties", &self.consumer_properties),
            ("producer.properties", &self.producer_properties),
        ] {
            for (name, value) in properties.iter() {
                let refusal = refusal(name, value.expose());
                problems.extend(refusal.map(|refusal| format!("`{section}`: {}", refusal.why)));
            }
        }
        if self.fetch == Fetch::Direct && !self.is_plain() {
            problems.push(
                "`kafka.fetch` = \"direct\" knows no TLS and no SASL: `security.protocol` must be `plaintext`, or \
                 `kafka.fetch` \"client\""
                    .to_owned(),
            );
        }
        if problems.is_empty() {
            problems.extend(self.objection());
        }
        problems
    }

    /// What the client says of all properties together, and of the files that they name. It has no broker to ask.
    fn objection(&self) -> Option<String> {
        let mut consumer = self.member("check");
        // Closing a member of a group takes longer.
        consumer.remove("bootstrap.servers").remove("group.id").remove("group.instance.id");
        let mut producer = self.transactional_producer("check");
        producer.remove("bootstrap.servers");
        let made = consumer
            .create_with_context(Silent)
            .map(|_: BaseConsumer<Silent>| ())
            .and_then(|()| producer.create_with_context(Silent).map(|_: BaseProducer<Silent>| ()));
        made.err().map(|error| reason(&error))
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
        if let Some(address) = &self.advertise {
            config.set("client.id", owners::client_id(&format!("{name}-member"), address));
        }
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
        // What the client hides: the ends of transactions that it had to ask for more than once.
        let debug = config.get("debug").map_or("eos".to_owned(), |own| format!("{own},eos"));
        config.set("debug", debug).set_log_level(RDKafkaLogLevel::Debug);
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
        for (name, value) in fixed(Client::Producer) {
            config.set(name, value);
        }
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
        for (name, value) in fixed(Client::Consumer) {
            config.set(name, value);
        }
        config.set("group.id", &self.group_id);
        config
    }

    fn base(&self, name: &str, role: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", format!("{name}-{role}"))
            .set_log_level(log_level());
        for (name, value) in fixed(Client::Every) {
            config.set(name, value);
        }
        config
    }

    fn apply(&self, config: &mut ClientConfig, role: &Properties) {
        for (name, value) in self.properties.iter().chain(role.iter()) {
            config.set(name, value.expose());
        }
    }

    /// Whether brokers are spoken to without TLS and SASL.
    fn is_plain(&self) -> bool {
        let member = self.member("check");
        member.get("security.protocol").is_none_or(|protocol| protocol.eq_ignore_ascii_case("plaintext"))
    }

    /// Whether a property was set by whoever configured us.
    pub(super) fn sets(&self, name: &str) -> bool {
        [&self.properties, &self.consumer_properties, &self.producer_properties]
            .iter()
            .any(|properties| properties.get(name).is_some())
    }

    /// Where a record is, for people.
    pub(super) fn place(&self, topic: Topic, partition: Partition) -> String {
        format!("{}{}-{}", self.topic_prefix, topic.name(), kafka_partition(partition))
    }
}

/// The client need not write what nobody would see.
fn log_level() -> RDKafkaLogLevel {
    if tracing::enabled!(target: "kafka", tracing::Level::DEBUG) {
        RDKafkaLogLevel::Debug
    } else if tracing::enabled!(target: "kafka", tracing::Level::INFO) {
        RDKafkaLogLevel::Info
    } else {
        RDKafkaLogLevel::Warning
    }
}

/// Nobody hears what a client says that was made only to see whether it can be made.
#[derive(Clone, Copy, Debug)]
struct Silent;

impl ClientContext for Silent {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Silent {}

impl ProducerContext for Silent {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
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
    fn the_client_judges_all_properties_together() {
        for (properties, words) in [
            (&[("transaction.timeout.ms", "2000"), ("message.timeout.ms", "9000")][..], "message.timeout.ms"),
            (&[("session.timeout.ms", "400000")], "session.timeout.ms"),
            (&[("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN")], "sasl.username"),
        ] {
            let config = KafkaConfig {
                properties: Properties::from_iter(properties.iter().copied()),
                ..KafkaConfig::default()
            };
            let problems = config.problems();
            assert_eq!(problems.len(), 1, "{properties:?}: {problems:?}");
            assert!(problems[0].contains(words), "{problems:?}");
        }
        let few = KafkaConfig { min_insync_replicas: Some(2), ..KafkaConfig::default() };
        assert!(few.problems()[0].contains("`min_insync_replicas` = 2"), "{:?}", few.problems());
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
    fn direct_fetching_is_refused_where_it_would_not_be_secure() {
        for (protocol, is_fine) in [("plaintext", true), ("SASL_SSL", false), ("ssl", false)] {
            let config = KafkaConfig { fetch: Fetch::Direct, ..with("security.protocol", protocol) };
            let problems = config.problems().join(";");
            assert_eq!(!problems.contains("`kafka.fetch`"), is_fine, "{protocol}: {problems}");
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
