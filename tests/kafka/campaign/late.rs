//! A commit that the network held back comes while a later transaction of the same producer is open.
//!
//! Each try: the request that ends an epoch is held, its client asks again and succeeds; the next epoch has written its
//! outputs and not yet its positions when the held request comes. A coordinator that takes it for this epoch's end
//! commits half of it.

use std::sync::Arc;
use std::time::Duration;

use dockside::edge::kafka::{KafkaConfig, Properties, create_topics};
use dockside::edge::verify::report::Report;
use dockside::edge::verify::{Options, verify};
use dockside::engine::log::Broker;
use dockside::stations::Rules;

use super::{size, tell};
use crate::agreement::settings;
use crate::conformance;
use crate::kafka::cluster::{Listener, lent};
use crate::kafka::opened;
use crate::kafka::proxy::{Api, Fault, On, Rule};
use crate::kafka::world::{crew, drain};

/// After how many tries the log is torn; none: it is whole after all of them.
fn torn_after(name: &str, rotates_producers: bool, tries: u64) -> Option<u64> {
    let cluster = lent()?;
    let proxy = cluster.proxy(1);
    let outside = KafkaConfig {
        bootstrap_servers: cluster.servers(Listener::Plain),
        topic_prefix: format!("{name}."),
        group_id: name.to_owned(),
        instance: format!("{name}-outside"),
        partitions: 1,
        ..KafkaConfig::default()
    };
    create_topics(&outside).expect("topics that are not there yet");
    let inside = KafkaConfig {
        bootstrap_servers: cluster.servers(Listener::Proxied),
        instance: format!("{name}-inside"),
        rotates_producers,
        // A client soon asks again, and soon gives up.
        properties: Properties::from_iter([("socket.timeout.ms", "1000")]),
        producer_properties: Properties::from_iter([("transaction.timeout.ms", "6000")]),
        ..outside.clone()
    };
    let (outside, inside) = (opened(&outside), opened(&inside));
    let hands = crew(&inside, 1);
    let rule = |api, fault, times| Rule { on: On::Request, api, fault, times, skip: 0 };
    let mut value = 0;
    let mut append = || {
        value += 1;
        outside.append(&conformance::scans([(0, value)])).expect("an append");
    };
    append();
    drain(&hands, &outside);

    let rules = Arc::new(Rules { settings: settings(), ..Rules::embedded() });
    let report = || {
        verify(&outside, &rules, Options { shown: 3, compacted: false, secret: 1 }, None).expect("a report")
    };
    for number in 1..=tries {
        proxy.set(&[rule(Api::EndTxn, Fault::Hold, 1)]);
        append();
        proxy.wait_held(1);
        proxy.wait_seen(On::Response, Api::EndTxn, 1);
        drain(&hands, &outside);

        proxy.set(&[rule(Api::TxnOffsetCommit, Fault::Drop, 1_000)]);
        append();
        proxy.wait_seen(On::Request, Api::TxnOffsetCommit, 1);
        proxy.wait_seen(On::Response, Api::Produce, 1);
        assert_eq!(proxy.release(), 1, "the late end");
        // The coordinator has it for a while before the epoch may go on.
        std::thread::sleep(Duration::from_millis(300));
        proxy.set(&[]);
        drain(&hands, &outside);

        // The end of a transaction is written a moment after its commit.
        let clean = (0..5).map(|_| report()).any(|report| report.is_clean());
        if !clean {
            tell(&format!("late: torn in try {number}, as verify says:\n{}", report().text()));
            hands.stop().expect("a clean stop");
            return Some(number);
        }
    }
    hands.stop().expect("a clean stop");
    assert!(Report::is_clean(&report()), "{}", report().text());
    None
}

#[test]
fn a_late_end_of_a_transaction_tears_no_later_one() {
    let tries = size("TRIES", 5);
    assert_eq!(torn_after("late-rotated", true, tries), None, "the producer was replaced before");
    tell(&format!("late: whole after {tries} tries"));
}

#[test]
fn without_new_producers_a_late_end_is_seen() {
    if crate::kafka::shared::bootstrap_servers().is_none() {
        return;
    }
    assert!(torn_after("late-kept", false, 3).is_some(), "nothing was torn: this test shows nothing");
}
