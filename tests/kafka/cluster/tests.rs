//! Clusters survive what they are there to survive.

use rdkafka::consumer::CommitMode;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{Offset, TopicPartitionList};

use super::super::plain;
use super::super::proxy::{Api, On};
use super::*;

#[test]
fn what_was_committed_survives_a_kill() {
    let Some(mut cluster) = lent() else { return };
    cluster.create_topic("killed", 1);
    let proxied = cluster.servers(Listener::Proxied);
    let producer = plain::producer(&proxied, "killed");
    plain::transact(&producer, "killed", &["before"]).expect("a commit");
    producer.begin_transaction().expect("a transaction");
    plain::send(&producer, "killed", &["torn"]).expect("a record");
    cluster.kill(1);
    cluster.restart(1);
    // A younger producer of the name ends what was open.
    let producer = plain::producer(&proxied, "killed");
    plain::transact(&producer, "killed", &["after"]).expect("a commit");
    assert_eq!(plain::committed_soon(&proxied, "killed", 2), ["before", "after"]);
}

#[test]
fn a_paused_broker_answers_when_it_is_resumed() {
    let Some(mut cluster) = lent() else { return };
    let client: BaseConsumer = plain::client(&cluster.servers(Listener::Plain)).create().expect("a client");
    client.fetch_metadata(None, Duration::from_secs(30)).expect("an answer");
    cluster.pause(1);
    let silence = client.fetch_metadata(None, Duration::from_secs(1)).map(drop);
    cluster.resume(1);
    silence.expect_err("no answer");
    client.fetch_metadata(None, Duration::from_secs(30)).expect("an answer");
}

/// One transaction, again and again until it is committed: a killed broker may take some with it.
fn transact_at_last(producer: &BaseProducer, topic: &str, value: &str) {
    for _ in 0..20 {
        match plain::transact(producer, topic, &[value]) {
            Ok(()) => return,
            Err(error) => {
                producer.abort_transaction(Duration::from_secs(30)).unwrap_or_else(|fatal| {
                    panic!("neither a commit ({error}) nor an abort ({fatal})");
                });
            }
        }
    }
    panic!("20 transactions failed");
}

#[test]
fn another_node_leads_when_the_leader_is_killed() {
    let Some(mut cluster) = Cluster::start(Setup { nodes: 3, is_proxied: true, is_secured: false }) else {
        return;
    };
    cluster.create_topic("led", 1);
    let proxied = cluster.servers(Listener::Proxied);
    let producer = plain::producer(&proxied, "leader-test");
    plain::transact(&producer, "led", &["before"]).expect("a commit");
    let reader = plain::reader(&proxied, "leader-group", "led");
    let mut position = TopicPartitionList::new();
    position.add_partition_offset("led", 0, Offset::Offset(1)).expect("an offset");
    reader.commit(&position, CommitMode::Sync).expect("a committed position");

    // Each proxy saw what its node coordinates or leads, and nothing else of that.
    let who_saw = |api: Api| -> Vec<u32> {
        (1..=3).filter(|node| cluster.proxy(*node).count(On::Request, api).seen > 0).collect()
    };
    let leader = cluster.leader("led", 0);
    assert_eq!(who_saw(Api::Produce), [leader]);
    assert_eq!(who_saw(Api::EndTxn), [cluster.coordinator(Coordinator::Transaction("leader-test"))]);
    assert_eq!(who_saw(Api::OffsetCommit), [cluster.coordinator(Coordinator::Group("leader-group"))]);

    cluster.kill(leader);
    transact_at_last(&producer, "led", "after");
    assert_ne!(cluster.leader("led", 0), leader);
    assert_ne!(cluster.coordinator(Coordinator::Transaction("leader-test")), leader);
    assert_eq!(plain::committed_soon(&proxied, "led", 2), ["before", "after"]);
    cluster.restart(leader);
    transact_at_last(&producer, "led", "restarted");
    assert_eq!(plain::committed_soon(&proxied, "led", 3), ["before", "after", "restarted"]);
}
