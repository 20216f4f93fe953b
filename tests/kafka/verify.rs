//! `verify` on a broker: a world that went through it is proven, and a transaction that somebody left open is named.

use std::sync::Arc;
use std::time::Duration;

use dockside::edge::feeder::Feeder;
use dockside::edge::verify::report::{Report, Verdict};
use dockside::edge::verify::{Options, expected, verify};
use dockside::stations::Rules;
use dockside::workload::{Messages, World, WorldConfig};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::world::{crew, drain};
use super::{created, opened};
use crate::agreement::settings;

#[test]
fn a_world_on_a_broker_is_proven_and_an_open_transaction_is_named() {
    let Some(config) = created("verify", 2) else { return };
    let broker = opened(&config);
    let world_config = WorldConfig { partitions: 2, ..WorldConfig::new(3, 300) };
    let hands = crew(&broker, 2);
    let mut world = World::new(world_config.clone());
    let (mut messages, mut feeder) = (Messages::default(), Feeder::default());
    while let Some(phase) = world.next_phase(&mut messages) {
        feeder.phase(&broker, &messages, |_| {}).expect("an append");
        messages.clear();
        drain(&hands, &broker);
        feeder.close(&broker, phase.tick).expect("an append");
        drain(&hands, &broker);
    }
    hands.stop().expect("a clean stop");

    let rules = Arc::new(Rules { settings: settings(), ..Rules::embedded() });
    let expected = expected::run(world_config, &rules).expect("a world in memory");
    let report = || {
        let options = Options { shown: 5, compacted: false, secret: 1 };
        verify(&broker, &rules, options, Some(&expected)).expect("a broker that can be read")
    };
    // The end of a transaction is written a moment after its commit.
    let clean = (0..100).map(|_| report()).find(Report::is_clean);
    let clean = clean.unwrap_or_else(|| panic!("{}", report().text()));
    let all_ok = clean.checks.iter().all(|check| check.verdict() == Verdict::Ok);
    assert!(all_ok, "{}", clean.text());

    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &config.bootstrap_servers)
        .set("transactional.id", "verify-somebody")
        .create()
        .expect("a producer");
    producer.init_transactions(Duration::from_secs(30)).expect("a transactional producer");
    producer.begin_transaction().expect("a transaction");
    let left = BaseRecord::to("verify.accounts").partition(1).key("SELLER").payload("{}");
    producer.send(left).map_err(|(error, _)| error).expect("room for one");
    producer.flush(Duration::from_secs(30)).expect("it is written");
    let open = report();
    let found: Vec<&str> =
        open.checks.iter().filter(|check| check.found > 0).map(|check| check.name).collect();
    assert_eq!(found, ["drained"], "{}", open.text());
    assert!(open.text().contains("accounts-1: a transaction is open"), "{}", open.text());
    producer.abort_transaction(Duration::from_secs(30)).expect("it ends");
}
