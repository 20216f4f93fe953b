//! The log on a real Kafka broker: the conformance suite, and what only a broker can show.
//!
//! One broker serves the whole test process and ends with it, however it ends; every test has topics and a group of its
//! own. Tests that do harm have brokers of their own ([`cluster`]: kill, pause, restart, three nodes), if need be with a
//! proxy before them that delays, drops, holds or cuts one kind of request ([`proxy`]). [`security`] has one with TLS
//! and SASL. No test asserts a time.

#[cfg(feature = "bench")]
mod bench;
mod campaign;
mod cluster;
mod denied;
mod direct;
mod lookups;
mod moved;
mod names;
mod plain;
mod proxy;
mod restore;
mod security;
mod shared;
mod slow;
mod snapshot;
mod topics;
mod upload;
mod verify;
mod world;

use std::time::Duration;

use dockside::edge::kafka::{
    Fetch, KafkaBroker, KafkaConfig, Properties, Retention, check_topics, create_topics,
};
use dockside::engine::log::{Broker, Committed, Epoch, Log, LogError, Outbox, Polled, Positions, Record};
use dockside::model::{Lane, Partition, Timestamp, Topic};

use crate::conformance;

/// Tests write times of long ago, and a broker looks for what is too old half a minute after its start, whatever it was told.
const FOREVER: Retention = Retention {
    scans_ms: None,
    commands_ms: None,
    hops_ms: None,
    command_results_ms: None,
    dead_letters_ms: None,
    tombstones_ms: 86_400_000,
};

/// Who fetches, in tests that do not say: as in a service, the environment may tell.
fn fetch() -> Fetch {
    match std::env::var("DOCKSIDE_KAFKA_FETCH").as_deref() {
        Ok("direct") => Fetch::Direct,
        Ok("client") | Err(_) => Fetch::Client,
        Ok(other) => panic!("DOCKSIDE_KAFKA_FETCH={other}"),
    }
}

/// A configuration with topics and a group of its own on the shared broker; `None` where there is no Java.
fn config(name: &str, partitions: u32) -> Option<KafkaConfig> {
    let bootstrap_servers = shared::bootstrap_servers()?;
    Some(KafkaConfig {
        bootstrap_servers,
        topic_prefix: format!("{name}."),
        group_id: name.to_owned(),
        instance: format!("{name}-test"),
        partitions,
        retention: FOREVER,
        fetch: fetch(),
        // A member that is gone is missed soon.
        consumer_properties: Properties::from_iter([
            ("session.timeout.ms", "2000"),
            ("heartbeat.interval.ms", "300"),
        ]),
        ..KafkaConfig::default()
    })
}

fn created(name: &str, partitions: u32) -> Option<KafkaConfig> {
    let config = config(name, partitions)?;
    create_topics(&config).expect("topics that are not there yet");
    Some(config)
}

fn opened(config: &KafkaConfig) -> KafkaBroker {
    KafkaBroker::open(config).expect("a broker with topics")
}

/// Polls until something happens that is no end of a partition.
fn next(member: &mut impl Log, lane: Lane) -> Polled {
    for _ in 0..3000 {
        match member.poll(lane, 100, Duration::from_millis(20)).expect("a poll") {
            Polled::Idle | Polled::Eof { .. } => {}
            polled => return polled,
        }
    }
    panic!("nothing happened on {lane:?}");
}

fn assigned(member: &mut impl Log) -> Positions {
    match next(member, Lane::Scans) {
        Polled::Assigned { positions, .. } => positions,
        other => panic!("an assignment was expected: {other:?}"),
    }
}

fn outputs(values: &[&str]) -> Outbox {
    let mut outbox = Outbox::default();
    for value in values {
        outbox.push(Topic::Shipments, Partition(0), Timestamp(7), Some(b"k"), Some(value.as_bytes()), &[]);
    }
    outbox
}

fn shipments(broker: &KafkaBroker) -> Vec<String> {
    let mut seen = Vec::new();
    let sink =
        &mut |record: Record<'_>| seen.push(String::from_utf8_lossy(record.value.unwrap_or_default()).into());
    broker.read(Topic::Shipments, Partition(0), 0, 100, sink).expect("committed records");
    seen
}

/// A commit's records may show a moment after it: waits until there are `count`.
fn shipments_soon(broker: &KafkaBroker, count: usize) -> Vec<String> {
    (0..500).map(|_| shipments(broker)).find(|seen| seen.len() >= count).expect("committed records")
}

/// The conformance suite with topics and groups under such names.
fn conforms(prefix: &str, fetch: Fetch) {
    if shared::bootstrap_servers().is_none() {
        return;
    }
    conformance::suite(|name, partitions| {
        // The suite writes there without keys, which a compacted topic does not take.
        let config = config(&format!("{prefix}-{name}"), partitions).expect("a broker");
        shared::create_topic(&config.bootstrap_servers, &format!("{prefix}-{name}.shipments"), partitions);
        create_topics(&config).expect("the other topics");
        opened(&KafkaConfig { fetch, ..config })
    });
}

#[test]
fn kafka_passes_the_conformance_suite() {
    conforms("suite", Fetch::Client);
}

#[test]
fn kafka_passes_the_conformance_suite_fetching_directly() {
    conforms("suite-direct", Fetch::Direct);
}

#[test]
fn topics_are_created_once_and_then_fit() {
    let Some(config) = config("create", 3) else { return };
    let missing = check_topics(&config).expect_err("there are no topics");
    assert!(missing.refused && missing.why.contains("create.scans"), "{missing}");
    assert_eq!(create_topics(&config).expect("topics").len(), Topic::ALL.len());
    check_topics(&config).expect("topics that fit");
    assert_eq!(create_topics(&config).expect("nothing to do"), Vec::<String>::new());
    assert_eq!(opened(&config).partitions(), 3);
}

#[test]
fn unequal_partition_counts_are_refused() {
    let Some(two) = config("unequal", 2) else { return };
    // The same topics but one, which somebody else made with another count.
    shared::create_topic(&two.bootstrap_servers, "unequal.hops", 5);
    let created = create_topics(&two).expect_err("hops has 5");
    assert!(created.refused && created.why.contains("unequal.hops is there with 5"), "{created}");
    for topic in Topic::ALL.into_iter().filter(|topic| *topic != Topic::Hops) {
        shared::create_topic(&two.bootstrap_servers, &format!("unequal.{}", topic.name()), 2);
    }
    for error in [
        check_topics(&two).expect_err("unequal counts"),
        KafkaBroker::open(&two).map(drop).expect_err("unequal counts"),
    ] {
        assert!(error.refused, "{error}");
        assert!(
            error.why.contains("unequal.scans has 2 partitions and unequal.hops has 5"),
            "both counts: {error}"
        );
    }
}

#[test]
fn a_reader_sees_nothing_of_an_epoch_that_fails() {
    let Some(config) = created("epoch", 1) else { return };
    let broker = opened(&config);
    let mut member = broker.join("a").expect("a member");
    let positions = assigned(&mut member);
    // A compacted topic takes no record without a key: what was written before it is in an epoch that never ends well.
    let mut torn = outputs(&["torn"]);
    torn.push(Topic::Arrivals, Partition(0), Timestamp(7), None, Some(b"no key"), &[]);
    let refused: LogError = member
        .commit(Epoch { outputs: &torn, positions: &positions })
        .expect_err("a record that its topic does not take");
    assert!(refused.refused, "{refused}");
    assert_eq!(shipments(&broker), Vec::<String>::new());

    // Its successor of the same name ends that epoch, and goes on.
    drop(member);
    let mut member = broker.join("a").expect("a member");
    let positions = assigned(&mut member);
    let whole = outputs(&["1", "2"]);
    assert_eq!(
        member.commit(Epoch { outputs: &whole, positions: &positions }).expect("a commit"),
        Committed::Done
    );
    assert_eq!(shipments_soon(&broker, 2), ["1", "2"]);
}

#[test]
fn a_zombie_cannot_commit() {
    let Some(config) = created("zombie", 2) else { return };
    let broker = opened(&config);
    let mut zombie = broker.join("a").expect("a member");
    let positions = assigned(&mut zombie);
    // It stops polling, and another process starts under its name.
    let mut heir = broker.join("a").expect("a member");
    assert_eq!(assigned(&mut heir), positions);
    let late = outputs(&["zombie"]);
    for _ in 0..2 {
        let answer = zombie.commit(Epoch { outputs: &late, positions: &positions }).expect("an answer");
        assert_eq!(answer, Committed::Fenced);
    }
    let heirs = outputs(&["heir"]);
    assert_eq!(
        heir.commit(Epoch { outputs: &heirs, positions: &positions }).expect("a commit"),
        Committed::Done
    );
    assert_eq!(shipments_soon(&broker, 1), ["heir"]);
}

#[test]
fn a_member_that_the_group_gave_up_cannot_commit() {
    let Some(mut config) = created("silent", 2) else { return };
    // Silent for longer than this, a member is taken for dead even though its heart beats.
    config.consumer_properties.set("max.poll.interval.ms", "2000");
    let broker = opened(&config);
    let mut silent = broker.join("a").expect("a member");
    let positions = assigned(&mut silent);
    let mut heir = broker.join("b").expect("a member");
    // The group went on without an answer of the silent one.
    assert!(!assigned(&mut heir).is_empty());
    let late = outputs(&["late"]);
    let answer = silent.commit(Epoch { outputs: &late, positions: &positions }).expect("an answer");
    assert_eq!(answer, Committed::Fenced);
    // It learns of the loss, and works again with what the group gives it then.
    match next(&mut silent, Lane::Scans) {
        Polled::Revoked { partitions, lost } => assert_eq!((partitions.len(), lost), (2, true)),
        other => panic!("a loss was expected: {other:?}"),
    }
    assert_eq!(shipments(&broker), Vec::<String>::new());
    drop(heir);
    let positions = assigned(&mut silent);
    let again = outputs(&["again"]);
    assert_eq!(
        silent.commit(Epoch { outputs: &again, positions: &positions }).expect("a commit"),
        Committed::Done
    );
    assert_eq!(shipments_soon(&broker, 1), ["again"]);
}

#[test]
fn an_epoch_in_doubt_is_resolved_by_the_committed_positions() {
    let Some(config) = created("doubt", 1) else { return };
    let broker = opened(&config);
    broker.append(&conformance::scans([(0, 1), (0, 2)])).expect("an append");
    let mut member = broker.join("a").expect("a member");
    let start = assigned(&mut member);
    let place = (Lane::Scans, Partition(0));
    let Polled::Records { batch, .. } = next(&mut member, Lane::Scans) else {
        panic!("records were expected")
    };
    let after = Positions::from([(place, batch.iter().last().expect("a record").offset + 1)]);

    // There is no such partition: the client gives up in the middle of the epoch.
    let mut torn = outputs(&["torn"]);
    torn.push(Topic::Shipments, Partition(7), Timestamp(7), Some(b"k"), Some(b"nowhere"), &[]);
    let answer = member.commit(Epoch { outputs: &torn, positions: &after }).expect("an answer");
    assert_eq!(answer, Committed::InDoubt);
    let settled = member.resolve().expect("positions");
    assert_eq!(settled, start, "nothing of it was committed");

    // The same records come again, and an epoch of them succeeds.
    member.seek(&settled).expect("a seek");
    let Polled::Records { batch: again, .. } = next(&mut member, Lane::Scans) else {
        panic!("records were expected")
    };
    assert_eq!(again.iter().next(), batch.iter().next());
    let whole = outputs(&["whole"]);
    assert_eq!(
        member.commit(Epoch { outputs: &whole, positions: &after }).expect("a commit"),
        Committed::Done
    );
    assert_eq!(member.resolve().expect("positions")[&place], after[&place]);
    assert_eq!(shipments_soon(&broker, 1), ["whole"]);
}

#[test]
fn refused_properties_never_reach_a_broker() {
    let unreachable = KafkaConfig {
        bootstrap_servers: "127.0.0.1:1".to_owned(),
        properties: Properties::from_iter([("enable.auto.commit", "true")]),
        ..KafkaConfig::default()
    };
    for error in [
        check_topics(&unreachable).expect_err("a refusal"),
        create_topics(&unreachable).map(drop).expect_err("a refusal"),
        KafkaBroker::open(&unreachable).map(drop).expect_err("a refusal"),
    ] {
        assert!(error.refused && error.why.contains("enable.auto.commit"), "{error}");
    }
}
