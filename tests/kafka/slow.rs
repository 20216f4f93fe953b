//! Brokers that are slow, silent or busy: what a worker's epochs come to, and how its process is ended meanwhile.

use std::time::Duration;

use dockside::edge::kafka::{KafkaConfig, Properties, create_topics};
use dockside::engine::log::{Broker, Committed, Epoch, Log, Positions};

use super::cluster::{Cluster, Listener, lent};
use super::lookups::started_with;
use super::proxy::{Api, Fault, On, Rule};
use super::{assigned, created, opened, outputs, plain};

/// Topics of one partition on the lent broker, reached through its proxy.
fn proxied(cluster: &Cluster, name: &str, timeout_ms: &str) -> KafkaConfig {
    let config = KafkaConfig {
        bootstrap_servers: cluster.servers(Listener::Plain),
        topic_prefix: format!("{name}."),
        group_id: name.to_owned(),
        instance: format!("{name}-test"),
        partitions: 1,
        producer_properties: Properties::from_iter([("transaction.timeout.ms", timeout_ms)]),
        retention: super::FOREVER,
        ..KafkaConfig::default()
    };
    create_topics(&config).expect("topics that are not there yet");
    KafkaConfig { bootstrap_servers: cluster.servers(Listener::Proxied), ..config }
}

fn committed(member: &mut impl Log, positions: &Positions, value: &str) -> Committed {
    let epoch = outputs(&[value]);
    member.commit(Epoch { outputs: &epoch, positions }).expect("an answer")
}

/// A slow broker only makes epochs slow; a slow end of one may have been asked for twice, so that a new producer follows.
#[test]
fn after_a_slow_end_comes_a_new_producer() {
    let Some(cluster) = lent() else { return };
    let proxy = cluster.proxy(1);
    let broker = opened(&proxied(&cluster, "slow", "20000"));
    let mut member = broker.join("a").expect("a member");
    let positions = assigned(&mut member);
    let mut expected = Vec::new();
    for (name, api, delay_ms, is_replaced) in [
        ("quick", Api::Produce, 0, false),
        ("slow to write", Api::Produce, 1_500, false),
        ("slow to take positions", Api::TxnOffsetCommit, 1_500, false),
        ("slow to end", Api::EndTxn, 1_500, true),
        ("quick again", Api::Produce, 0, false),
    ] {
        let fault = Fault::Delay(Duration::from_millis(delay_ms));
        let before = proxy.count(On::Request, Api::InitProducerId).seen;
        proxy.set(&[Rule { on: On::Response, api, fault, times: 1, skip: 0 }]);
        assert_eq!(committed(&mut member, &positions, name), Committed::Done, "{name}");
        assert_eq!(committed(&mut member, &positions, "next"), Committed::Done, "{name}");
        let after = proxy.count(On::Request, Api::InitProducerId).seen;
        assert_eq!(after > before, is_replaced, "{name}");
        expected.extend([name, "next"]);
    }
    let servers = cluster.servers(Listener::Plain);
    assert_eq!(plain::committed_soon(&servers, "slow.shipments", expected.len()), expected);
}

#[test]
fn an_epoch_whose_time_is_over_is_taken_back() {
    let Some(cluster) = lent() else { return };
    let proxy = cluster.proxy(1);
    let broker = opened(&proxied(&cluster, "over", "2000"));
    let mut member = broker.join("a").expect("a member");
    let start = assigned(&mut member);
    assert_eq!(committed(&mut member, &start, "before"), Committed::Done);

    // What is written does not arrive before the transaction's time is over, and then it does.
    proxy.set(&[Rule { on: On::Request, api: Api::Produce, fault: Fault::Hold, times: 1, skip: 0 }]);
    let positions: Positions = start.iter().map(|(place, next)| (*place, next + 1)).collect();
    assert_eq!(committed(&mut member, &positions, "too late"), Committed::InDoubt);
    assert_eq!(member.resolve().expect("positions"), start, "nothing of it was committed");
    assert_eq!(proxy.release(), 1);

    assert_eq!(committed(&mut member, &start, "again"), Committed::Done);
    let servers = cluster.servers(Listener::Plain);
    assert_eq!(plain::committed_soon(&servers, "over.shipments", 2), ["before", "again"]);
    assert_eq!(plain::committed(&servers, "over.shipments"), ["before", "again"]);
}

#[test]
fn a_full_queue_of_the_client_is_waited_for() {
    let Some(servers) = crate::kafka::shared::bootstrap_servers() else { return };
    // A compacted topic might keep the last of them only.
    crate::kafka::shared::create_topic(&servers, "full.shipments", 1);
    let Some(mut config) = created("full", 1) else { return };
    config.producer_properties.set("queue.buffering.max.messages", "10");
    let broker = opened(&config);
    let mut member = broker.join("a").expect("a member");
    let positions = assigned(&mut member);
    let values: Vec<String> = (0..400).map(|number| number.to_string()).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let epoch = outputs(&values);
    let done = member.commit(Epoch { outputs: &epoch, positions: &positions }).expect("an answer");
    assert_eq!(done, Committed::Done);
    assert_eq!(plain::committed_soon(&config.bootstrap_servers, "full.shipments", values.len()), values);
}

/// A silent broker makes no end possible: either somebody asks again, or the time for it is over.
#[test]
fn while_the_broker_is_silent_an_end_has_a_deadline_and_a_second_signal() {
    let Some(mut cluster) = lent() else { return };
    let config = KafkaConfig {
        bootstrap_servers: cluster.servers(Listener::Plain),
        ..proxied(&cluster, "impatient", "10000")
    };
    for (shutdown, asks_again, expected) in [("600000", true, 130), ("1000", false, 4)] {
        let shutdown = format!("engine.shutdown_ms={shutdown}");
        let mut instance = started_with(&config, "impatient-a", &[&shutdown]);
        instance.until(|instance| (instance.get("/readyz").0 == 200).then_some(()));
        cluster.pause(1);
        instance.terminate();
        if asks_again {
            let finishing = instance.sought(|instance| {
                let reasons = instance.get("/readyz").1["reasons"].to_string();
                reasons.contains("the end was asked for").then_some(())
            });
            assert_eq!(finishing, Some(()), "{shutdown}");
            instance.terminate();
        }
        let code = instance.exit_code();
        cluster.resume(1);
        assert_eq!(code, Some(expected), "{shutdown}");
    }
}
