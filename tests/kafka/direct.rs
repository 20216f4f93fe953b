//! Records that are fetched directly are those that the client shows, whatever is in the log and happens on the way.

use std::time::Duration;

use dockside::edge::kafka::{Fetch, KafkaBroker, KafkaConfig, Properties};
use dockside::engine::log::{Broker, Log, Polled};
use dockside::model::{Lane, Partition};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::cluster::{Listener, lent};
use super::proxy::{Api, Fault, On, Rule};
use super::{assigned, created, plain};

const PATIENCE: Duration = Duration::from_secs(30);

/// Offset, timestamp, key, value, content type, feed.
type Seen = (u64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

fn joined(config: &KafkaConfig, fetch: Fetch) -> impl Log {
    let group_id = format!("{}-{fetch:?}", config.group_id);
    let broker = KafkaBroker::open(&KafkaConfig { fetch, group_id, ..config.clone() }).expect("a broker");
    let mut member = broker.join("a").expect("a member");
    assert_eq!(assigned(&mut member).len(), Lane::ALL.len());
    member
}

/// All records of `scans`, at most `max` at once, up to the first end; and where that is.
fn read(member: &mut impl Log, max: usize) -> (Vec<Seen>, u64) {
    let mut seen: Vec<Seen> = Vec::new();
    for _ in 0..3_000 {
        match member.poll(Lane::Scans, max, Duration::from_millis(20)).expect("a poll") {
            Polled::Records { partition: Partition(0), batch, .. } => {
                assert!((1..=max).contains(&batch.len()), "{} of {max}", batch.len());
                let own = |part: Option<&[u8]>| part.map(<[u8]>::to_vec);
                seen.extend(batch.iter().map(|record| {
                    let (key, value) = (own(record.key), own(record.value));
                    let (content_type, feed) = (own(record.content_type), own(record.feed));
                    (record.offset, record.timestamp.0, key, value, content_type, feed)
                }));
            }
            Polled::Eof { partition: Partition(0), next, lane: Lane::Scans } => return (seen, next),
            Polled::Idle => {}
            other => panic!("records were expected: {other:?}"),
        }
    }
    panic!("waited too long for the end");
}

/// Writes records of all kinds in several batches.
fn mixed(producer: &BaseProducer, topic: &str, salt: usize) {
    let large = "0123456789".repeat(3_000 + salt);
    for number in 0..40 {
        let value = format!("{salt}-{number}");
        let record = BaseRecord::<[u8], [u8]>::to(topic).partition(0).timestamp(1_000_000 + number);
        let headers = match number % 4 {
            0 => OwnedHeaders::new(),
            1 => OwnedHeaders::new().insert(Header { key: "content-type", value: Some("text/x12") }),
            2 => OwnedHeaders::new()
                .insert(Header { key: "dockside-feed", value: Some("first") })
                .insert(Header { key: "unknown", value: None::<&str> })
                .insert(Header { key: "dockside-feed", value: Some("last") }),
            _ => OwnedHeaders::new()
                .insert(Header { key: "content-type", value: Some("one") })
                .insert(Header { key: "content-type", value: None::<&str> }),
        };
        let record = record.headers(headers);
        let record = match number % 5 {
            0 => record.key(b"".as_slice()).payload(value.as_bytes()),
            1 => record.payload(large.as_bytes()),
            2 => record.key(value.as_bytes()),
            3 => record.key(b"key".as_slice()).payload(b"".as_slice()),
            _ => record.key(value.as_bytes()).payload(value.as_bytes()),
        };
        producer.send(record).map_err(|(error, _)| error).expect("room for a record");
        if number % 7 == 6 {
            producer.flush(PATIENCE).expect("records that are there");
        }
    }
    producer.flush(PATIENCE).expect("records that are there");
}

#[test]
fn what_the_client_shows_is_shown_directly() {
    let Some(config) = created("alike", 1) else { return };
    let (servers, topic) = (&config.bootstrap_servers, "alike.scans");
    let transactional = |name: &str| plain::producer(servers, name);
    let (one, two, open) = (transactional("one"), transactional("two"), transactional("open"));
    for (salt, codec) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().enumerate() {
        let producer: BaseProducer = plain::client(servers)
            .set("compression.codec", codec)
            .set("linger.ms", "50")
            .create()
            .expect("a producer");
        mixed(&producer, topic, salt);
        // Two transactions at once, one of which comes to nothing, in turn the first and the second.
        one.begin_transaction().expect("a transaction");
        two.begin_transaction().expect("a transaction");
        plain::send(&one, topic, &["of one", "of one"]).expect("records");
        plain::send(&two, topic, &["of two"]).expect("records");
        plain::send(&one, topic, &["of one"]).expect("records");
        let (good, bad) = if salt % 2 == 0 { (&one, &two) } else { (&two, &one) };
        bad.abort_transaction(PATIENCE).expect("an end");
        plain::send(good, topic, &["behind the other's end"]).expect("records");
        plain::commit(good).expect("an end");
    }
    // What is behind an open transaction is not stable.
    open.begin_transaction().expect("a transaction");
    plain::send(&open, topic, &["open"]).expect("records");
    plain::transact(&one, topic, &["behind the open one"]).expect("records");

    let client = read(&mut joined(&config, Fetch::Client), 1_000);
    assert_eq!(client.0.len(), 5 * 40 + 3 * 4 + 2 * 2, "of the good ones all, of the bad ones none");
    for max in [1_000, 3] {
        let mut member = joined(&config, Fetch::Direct);
        assert_eq!(read(&mut member, max), client, "at most {max}");
        drop(member);
    }
    open.abort_transaction(PATIENCE).expect("an end");
    let mut member = joined(&config, Fetch::Direct);
    let (seen, _) = read(&mut member, 1_000);
    assert_eq!(seen[..client.0.len()], client.0);
    assert_eq!(seen.len(), client.0.len() + 1, "the one behind the open one");
}

#[test]
fn harm_on_the_way_does_not_show() {
    let Some(cluster) = lent() else { return };
    let config = KafkaConfig {
        bootstrap_servers: cluster.servers(Listener::Plain),
        topic_prefix: "harmed.".to_owned(),
        group_id: "harmed".to_owned(),
        instance: "harmed-test".to_owned(),
        partitions: 1,
        retention: super::FOREVER,
        // Many answers, each of which may be harmed.
        consumer_properties: Properties::from_iter([("fetch.message.max.bytes", "20000")]),
        ..KafkaConfig::default()
    };
    dockside::edge::kafka::create_topics(&config).expect("topics that are not there yet");
    let producer: BaseProducer = plain::client(&config.bootstrap_servers).create().expect("a producer");
    for salt in 0..6 {
        mixed(&producer, "harmed.scans", salt);
    }
    let wanted = read(&mut joined(&config, Fetch::Client), 1_000);
    let proxied = KafkaConfig { bootstrap_servers: cluster.servers(Listener::Proxied), ..config };
    let proxy = cluster.proxy(1);
    for (number, fault) in
        [Fault::Flip, Fault::Cut, Fault::Delay(Duration::from_millis(300))].into_iter().enumerate()
    {
        // The client of the same member fetches nothing: what is harmed was asked for by us.
        let config = KafkaConfig { group_id: format!("harmed-{number}"), ..proxied.clone() };
        let rule = |skip| Rule { on: On::Response, api: Api::Fetch, fault, times: 2, skip };
        proxy.set(&[rule(0), rule(1), rule(3)]);
        assert_eq!(read(&mut joined(&config, Fetch::Direct), 1_000), wanted, "{fault:?}");
        assert_eq!(proxy.count(On::Response, Api::Fetch).harmed, 6, "{fault:?}");
    }
    proxy.set(&[]);
}
