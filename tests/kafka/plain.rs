//! Plain clients, such as anybody has: what they go through does not depend on this program.

use std::time::Duration;

use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client's configuration that soon notices what went wrong.
pub(super) fn client(servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", servers)
        .set("allow.auto.create.topics", "false")
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "500")
        .set("retry.backoff.ms", "20")
        .set("socket.timeout.ms", "2000");
    config
}

/// An administrator's client.
pub(super) fn admin(servers: &str) -> AdminClient<DefaultClientContext> {
    client(servers).create().expect("an admin client")
}

/// What comes of a request of an administrator.
pub(super) fn asked<F: Future>(request: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(request)
}

/// A producer that may begin a transaction.
pub(super) fn producer(servers: &str, transactional_id: &str) -> BaseProducer {
    let producer: BaseProducer = client(servers)
        .set("transactional.id", transactional_id)
        .set("transaction.timeout.ms", "20000")
        .set("linger.ms", "0")
        .create()
        .expect("a producer");
    producer.init_transactions(PATIENCE).expect("a producer id");
    producer
}

/// Writes values to the topic's first partition, one request each at the most, and waits until they are there.
pub(super) fn send(producer: &BaseProducer, topic: &str, values: &[&str]) -> Result<(), KafkaError> {
    for value in values {
        let record = BaseRecord::<str, str>::to(topic).partition(0).key("k").payload(value);
        producer.send(record).map_err(|(error, _)| error)?;
        producer.flush(PATIENCE)?;
    }
    Ok(())
}

pub(super) fn commit(producer: &BaseProducer) -> Result<(), KafkaError> {
    producer.commit_transaction(PATIENCE)
}

/// One transaction.
pub(super) fn transact(producer: &BaseProducer, topic: &str, values: &[&str]) -> Result<(), KafkaError> {
    producer.begin_transaction()?;
    send(producer, topic, values)?;
    commit(producer)
}

/// A reader of committed records that starts at the beginning of the topic's first partition.
pub(super) fn reader(servers: &str, group: &str, topic: &str) -> BaseConsumer {
    let consumer: BaseConsumer = client(servers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "50")
        .set("isolation.level", "read_committed")
        .create()
        .expect("a consumer");
    let mut start = TopicPartitionList::new();
    start.add_partition_offset(topic, 0, Offset::Beginning).expect("an offset");
    consumer.assign(&start).expect("an assignment by hand");
    consumer
}

/// The values of the committed records, up to the first open transaction or the end.
pub(super) fn committed(servers: &str, topic: &str) -> Vec<String> {
    read(&reader(servers, "outside", topic), usize::MAX)
}

/// A commit's records may show a moment after it: waits until there are `count`.
pub(super) fn committed_soon(servers: &str, topic: &str, count: usize) -> Vec<String> {
    read(&reader(servers, "outside", topic), count)
}

/// Reads on until there are `count`, or, wanting all, to the end.
pub(super) fn read(reader: &BaseConsumer, count: usize) -> Vec<String> {
    let mut values = Vec::new();
    for _ in 0..600 {
        match reader.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => {
                values.push(String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned());
            }
            Some(Err(KafkaError::PartitionEOF(_))) if count == usize::MAX => return values,
            // The client goes on by itself.
            Some(Err(_)) | None => {}
        }
        if values.len() == count {
            return values;
        }
    }
    panic!("waited too long for records: {values:?}");
}
