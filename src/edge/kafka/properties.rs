//! Properties of the Kafka client: which are ours, which break something, and what Java calls them.
//!
//! Enters: the name and the value of a property. Leaves: whether the client may have it, and why not. Always true: this
//! is the only list of what exactly-once rests on, and the clients are made from the same rows; names and values are
//! judged by librdkafka itself, without connecting.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use serde::Deserialize;

use crate::edge::secret::Secret;

/// Raw properties for librdkafka, by name.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Properties(BTreeMap<String, Secret>);

impl Properties {
    /// Sets a property.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Secret>) {
        self.0.insert(name.into(), value.into());
    }

    /// The value of a property.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }

    /// The names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl<N: Into<String>, V: Into<Secret>> FromIterator<(N, V)> for Properties {
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

/// The clients that a property concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Every,
    Consumer,
    Producer,
}

/// A property that is ours: the only value that it may have, if any, and why.
struct Ours {
    name: &'static str,
    client: Client,
    only: Option<&'static str>,
    why: &'static str,
}

const fn ours(name: &'static str, client: Client, only: Option<&'static str>, why: &'static str) -> Ours {
    Ours { name, client, only, why }
}

/// What exactly-once rests on, and what has a key of its own.
#[rustfmt::skip]
const OURS: [Ours; 22] = {
    use Client::{Consumer, Every, Producer};
    [
        ours("acks", Producer, Some("all"), "an epoch is committed only when every replica in sync has it"),
        ours("allow.auto.create.topics", Every, Some("false"), "a typo would make a topic with another number of partitions"),
        ours("auto.commit.enable", Consumer, None, "positions are committed with the outputs, in one transaction"),
        ours("auto.offset.reset", Consumer, Some("error"), "a position that is gone is a loss that must be seen"),
        ours("bootstrap.servers", Every, None, "set `kafka.bootstrap_servers`"),
        ours("client.id", Every, None, "it is made of the instance, the worker and the role"),
        ours("enable.auto.commit", Consumer, Some("false"), "positions are committed with the outputs, in one transaction"),
        ours("enable.auto.offset.store", Consumer, Some("false"), "positions are committed with the outputs, in one transaction"),
        ours("enable.idempotence", Producer, Some("true"), "a retry must not write a record twice"),
        ours("enable.partition.eof", Consumer, Some("true"), "timers wait for drained partitions"),
        ours("group.id", Consumer, None, "set `kafka.group_id`"),
        ours("group.instance.id", Consumer, None, "it is made of the instance and the worker"),
        ours("group.protocol", Consumer, Some("classic"), "partition p of all topics must move at once"),
        ours("group.remote.assignor", Consumer, None, "partition p of every topic must have one owner, and the broker would not see to it"),
        ours("isolation.level", Consumer, Some("read_committed"), "records of uncommitted epochs must stay invisible"),
        ours("metadata.broker.list", Every, None, "set `kafka.bootstrap_servers`"),
        ours("partition.assignment.strategy", Consumer, Some("range"), "partition p of every topic must have one owner"),
        ours("partitioner", Producer, None, "every record is written to an explicit partition"),
        ours("plugin.library.paths", Every, None, "it would load code into the process"),
        ours("request.required.acks", Producer, None, "an epoch is committed only when every replica in sync has it"),
        ours("test.mock.num.brokers", Every, None, "it would write into nothing"),
        ours("transactional.id", Producer, None, "it is made of the group, the instance and the worker"),
    ]
};

/// The values that the properties of a client have whatever was asked for.
pub(super) fn fixed(client: Client) -> impl Iterator<Item = (&'static str, &'static str)> {
    let concerns = move |of: Client| of == Client::Every || of == client;
    OURS.iter().filter(move |ours| concerns(ours.client)).filter_map(|ours| Some((ours.name, ours.only?)))
}

/// Java's names of properties that librdkafka has under another one, with the same unit.
const TRANSLATED: [(&str, &str); 4] = [
    ("fetch.max.wait.ms", "fetch.wait.max.ms"),
    ("max.request.size", "message.max.bytes"),
    ("receive.buffer.bytes", "socket.receive.buffer.bytes"),
    ("send.buffer.bytes", "socket.send.buffer.bytes"),
];

/// The client's name of a property that may be written as Java does.
pub(crate) fn translated(name: &str) -> &str {
    TRANSLATED.iter().find(|(java, _)| *java == name).map_or(name, |(_, ours)| ours)
}

/// Java's names that need more than another name, and what to set instead.
#[rustfmt::skip]
const JAVA: [(&str, &str); 21] = [
    ("buffer.memory", "`queue.buffering.max.kbytes`, which counts KiB"),
    ("default.api.timeout.ms", "nothing: how long dockside waits is its own"),
    ("interceptor.classes", "nothing: there are no interceptors"),
    ("key.deserializer", "nothing: keys and values are bytes"),
    ("key.serializer", "nothing: keys and values are bytes"),
    ("max.block.ms", "nothing: a full queue holds the worker back"),
    ("max.poll.records", "`engine.epoch_records_max`, the bound of an epoch"),
    ("partitioner.class", "nothing: every record is written to an explicit partition"),
    ("sasl.client.callback.handler.class", "`sasl.mechanism` and the properties of that mechanism"),
    ("sasl.jaas.config", "`sasl.username` and `sasl.password`"),
    ("sasl.login.callback.handler.class", "`sasl.oauthbearer.method` = \"oidc\" and its properties"),
    ("ssl.enabled.protocols", "nothing: the TLS library takes the best that both know"),
    ("ssl.keystore.key", "`ssl.key.pem`"),
    ("ssl.keystore.certificate.chain", "`ssl.certificate.pem`"),
    ("ssl.keystore.type", "`ssl.keystore.location` (PKCS#12), or `ssl.certificate.location` and `ssl.key.location` (PEM)"),
    ("ssl.truststore.certificates", "`ssl.ca.pem`"),
    ("ssl.truststore.location", "`ssl.ca.location` (a file in PEM)"),
    ("ssl.truststore.password", "`ssl.ca.location` (a file in PEM), which needs none"),
    ("ssl.truststore.type", "`ssl.ca.location` (a file in PEM)"),
    ("value.deserializer", "nothing: keys and values are bytes"),
    ("value.serializer", "nothing: keys and values are bytes"),
];

/// Names that people look for: candidates for a misspelt one, beside those of the lists above.
const COMMON: [&str; 40] = [
    "batch.num.messages",
    "batch.size",
    "check.crcs",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "debug",
    "enable.ssl.certificate.verification",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "heartbeat.interval.ms",
    "linger.ms",
    "max.poll.interval.ms",
    "message.max.bytes",
    "metadata.max.age.ms",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "reconnect.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.mechanism",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "session.timeout.ms",
    "socket.keepalive.enable",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.keystore.location",
    "transaction.timeout.ms",
];

/// Names that a misspelt one may stand for.
pub(crate) fn known_names() -> impl Iterator<Item = &'static str> {
    COMMON.into_iter().chain(OURS.iter().map(|ours| ours.name))
}

/// Why a property is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The reason, in a sentence that names the property and not its value.
    pub(crate) why: String,
    /// What to do instead, if there is something to say.
    pub(crate) instead: Option<String>,
    /// Whether its name is the mistake, and not its value.
    pub(crate) is_name: bool,
}

impl Refusal {
    fn new(why: String, is_name: bool) -> Refusal {
        Refusal { why, instead: None, is_name }
    }
}

/// Judges a property by itself: why the client must not have it.
pub(crate) fn refusal(name: &str, value: &str) -> Option<Refusal> {
    if let Some((_, instead)) = JAVA.iter().find(|(java, _)| *java == name) {
        let refusal = Refusal::new(format!("`{name}` is a name of the Java client"), true);
        return Some(Refusal { instead: Some(format!("set {instead}")), ..refusal });
    }
    if let Some(Ours { only, why, .. }) = OURS.iter().find(|ours| ours.name == name) {
        return match only {
            Some(only) if same(only, value) => None,
            Some(only) => {
                let refusal = Refusal::new(format!("`{name}` can only be `{only}`: {why}"), false);
                Some(Refusal { instead: Some("leave it out: it is set".to_owned()), ..refusal })
            }
            None => Some(Refusal::new(format!("`{name}` cannot be set: {why}"), true)),
        };
    }
    let mut alone = ClientConfig::new();
    alone.set(name, value);
    alone.create_native_config().err().map(|error| match error {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..) => {
            Refusal::new(format!("the client knows no property `{name}`"), true)
        }
        _ => Refusal::new(format!("`{name}` cannot have this value"), false),
    })
}

/// What the client says of a value that it refuses. It may repeat the value: not for secrets.
pub(crate) fn objection(name: &str, value: &str) -> Option<String> {
    let mut alone = ClientConfig::new();
    alone.set(name, value);
    match alone.create_native_config().err()? {
        KafkaError::ClientConfig(_, said, ..) => Some(said.trim().to_owned()),
        _ => None,
    }
}

/// Whether librdkafka takes both for the same, or the other is Java's spelling of it.
fn same(only: &str, value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    match only {
        "all" => matches!(value.as_str(), "all" | "-1"),
        "true" => matches!(value.as_str(), "true" | "t" | "1"),
        "false" => matches!(value.as_str(), "false" | "f" | "0"),
        "range" => matches!(value.as_str(), "range" | "org.apache.kafka.clients.consumer.rangeassignor"),
        // Java's word for it.
        "error" => matches!(value.as_str(), "error" | "none"),
        other => value == other,
    }
}

/// The longest transaction that a broker allows, and the bounds of sessions, unless it is told otherwise
/// (`transaction.max.timeout.ms`, `group.min.session.timeout.ms`, `group.max.session.timeout.ms`).
const BROKER_TRANSACTION_MS_MAX: i64 = 900_000;
const BROKER_SESSION_MS: std::ops::RangeInclusive<i64> = 6_000..=1_800_000;

/// What may go wrong with a property that is allowed.
pub(crate) fn risk(name: &str, value: &str) -> Option<String> {
    let number = || value.trim().parse::<i64>().ok();
    let is_off = same("false", value);
    let why = match name {
        "check.crcs" if is_off => "damage on the way to us is not noticed".to_owned(),
        "enable.ssl.certificate.verification" if is_off => {
            "anybody can pose as the broker, and reads the password".to_owned()
        }
        "ssl.endpoint.identification.algorithm" if value.eq_ignore_ascii_case("none") => {
            "any host with a certificate of a known authority can pose as the broker".to_owned()
        }
        "security.protocol" if value.eq_ignore_ascii_case("sasl_plaintext") => {
            "records, and with PLAIN also the password, can be read on the way".to_owned()
        }
        "transaction.timeout.ms" if number()? > BROKER_TRANSACTION_MS_MAX => format!(
            "brokers refuse more than {BROKER_TRANSACTION_MS_MAX} unless their transaction.max.timeout.ms is higher"
        ),
        "session.timeout.ms" if !BROKER_SESSION_MS.contains(&number()?) => format!(
            "brokers refuse a session outside {} to {} unless their group.min.session.timeout.ms and \
             group.max.session.timeout.ms allow it",
            BROKER_SESSION_MS.start(),
            BROKER_SESSION_MS.end()
        ),
        "message.max.bytes" if number()? < i64::from(super::config::MESSAGE_BYTES) => format!(
            "an output that is larger (a dead letter has up to {} bytes) stops its worker",
            super::config::MESSAGE_BYTES
        ),
        _ => return None,
    };
    Some(format!("`{name}`: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exactly_once_rests_on_cannot_be_changed() {
        let cases = [
            ("acks", "1", "can only be `all`"),
            ("allow.auto.create.topics", "true", "can only be `false`"),
            ("auto.offset.reset", "earliest", "can only be `error`"),
            ("enable.auto.commit", "true", "can only be `false`"),
            ("enable.auto.offset.store", "true", "can only be `false`"),
            ("enable.idempotence", "false", "can only be `true`"),
            ("group.instance.id", "mine", "cannot be set"),
            ("group.protocol", "consumer", "can only be `classic`"),
            ("isolation.level", "read_uncommitted", "can only be `read_committed`"),
            ("partition.assignment.strategy", "cooperative-sticky", "can only be `range`"),
            ("partition.assignment.strategy", "range,roundrobin", "can only be `range`"),
            ("partitioner", "murmur2", "cannot be set"),
            ("sasl.jaas.config", "…", "Java"),
            ("transactional.id", "mine", "cannot be set"),
            ("no.such.property", "1", "the client knows no property `no.such.property`"),
            ("linger.ms", "soon", "`linger.ms` cannot have this value"),
            ("linger.ms", "10000000", "`linger.ms` cannot have this value"),
            ("security.protocol", "TLS", "`security.protocol` cannot have this value"),
        ];
        for (name, value, expected) in cases {
            let refusal = refusal(name, value).expect(name);
            assert!(refusal.why.contains(expected), "{name}: {refusal:?}");
        }
    }

    #[test]
    fn what_changes_nothing_is_accepted() {
        for (name, value) in [
            ("acks", "-1"),
            ("acks", "ALL"),
            ("auto.offset.reset", "none"),
            ("enable.auto.commit", "false"),
            ("isolation.level", "READ_COMMITTED"),
            ("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor"),
            ("security.protocol", "SASL_SSL"),
            ("security.protocol", "Sasl_Plaintext"),
            ("socket.keepalive.enable", "true"),
        ] {
            assert_eq!(refusal(name, value), None, "{name}");
        }
    }

    #[test]
    fn every_row_names_a_property() {
        let is_known = |name: &str, value: &str| {
            let mut alone = ClientConfig::new();
            alone.set(name, value);
            !matches!(
                alone.create_native_config(),
                Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..))
            )
        };
        for (name, value) in OURS.iter().map(|ours| (ours.name, ours.only.unwrap_or("1"))) {
            assert!(is_known(name, value), "{name}");
        }
        for name in COMMON.into_iter().chain(TRANSLATED.iter().map(|(_, ours)| *ours)) {
            assert!(is_known(name, "1"), "{name}");
        }
        for client in [Client::Consumer, Client::Producer] {
            for (name, value) in fixed(client) {
                assert_eq!(refusal(name, value), None, "{name}");
            }
        }
    }

    #[test]
    fn risks_are_told() {
        for (name, value, is_told) in [
            ("check.crcs", "false", true),
            ("check.crcs", "true", false),
            ("enable.ssl.certificate.verification", "False", true),
            ("message.max.bytes", "1000000", true),
            ("security.protocol", "SASL_PLAINTEXT", true),
            ("security.protocol", "SASL_SSL", false),
            ("session.timeout.ms", "3000", true),
            ("session.timeout.ms", "45000", false),
            ("ssl.endpoint.identification.algorithm", "none", true),
            ("ssl.endpoint.identification.algorithm", "https", false),
            ("transaction.timeout.ms", "900001", true),
            ("transaction.timeout.ms", "10000", false),
        ] {
            assert_eq!(risk(name, value).is_some(), is_told, "{name} = {value}");
        }
    }
}
