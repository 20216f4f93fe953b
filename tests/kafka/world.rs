//! The same world through a real broker: the digest is that of the log in memory, with one worker, with four, and with the
//! process stopped and started again in the middle, whoever fetches the records.

use std::sync::Arc;
use std::time::Duration;

use dockside::edge::crew::{Crew, nobody};
use dockside::edge::kafka::{Fetch, KafkaBroker, KafkaConfig};
use dockside::engine::digest::Latest;
use dockside::engine::log::{Broker, Faults, Outbox};
use dockside::engine::worker::{OnGap, WorkerConfig};
use dockside::model::{Partition, Topic, partition_of};
use dockside::stations::{ClockSource, Counters, Rules};
use dockside::workload::{World, WorldConfig};

use super::{created, opened};
use crate::agreement::run::{Packing, Phases, run, tick_outbox};
use crate::agreement::settings;

pub(super) const PARTITIONS: u32 = 4;

pub(super) fn crew(broker: &KafkaBroker, workers: u32) -> Crew {
    crew_that(broker, workers, OnGap::Fail)
}

pub(super) fn crew_that(broker: &KafkaBroker, workers: u32, on_gap: OnGap) -> Crew {
    let config = WorkerConfig {
        clock: ClockSource::Input,
        epoch_ms: 20,
        poll_wait: Duration::from_millis(5),
        close_when_drained: true,
        on_gap,
        ..WorkerConfig::default()
    };
    let rules = Arc::new(Rules { settings: settings(), ..Rules::embedded() });
    Crew::start(broker, &rules, &config, "world", workers, &nobody()).expect("a crew")
}

pub(super) fn drain(crew: &Crew, broker: &KafkaBroker) {
    let drained =
        crew.wait_until_drained(broker, Duration::from_millis(2), &|| false).expect("a reachable broker");
    assert!(drained, "a worker failed");
}

/// Feeds the world phase by phase; after half of the phases the crew is stopped and another one takes over.
fn through_kafka(
    name: &str,
    phases: &Phases,
    workers: u32,
    restart: bool,
    fetch: Fetch,
) -> Option<(Latest, Counters)> {
    let config = created(name, PARTITIONS)?;
    let broker = opened(&KafkaConfig { fetch, ..config });
    let mut hands = crew(&broker, workers);
    for (number, (messages, tick)) in phases.0.iter().enumerate() {
        if restart && number == phases.0.len() / 2 {
            hands.stop().expect("a clean stop");
            hands = crew(&broker, workers);
        }
        let mut outbox = Outbox::default();
        for message in messages {
            let partition = message.key.as_ref().map_or(0, |key| partition_of(key, PARTITIONS));
            let (key, value) = (message.key.as_deref(), Some(message.value.as_slice()));
            outbox.push(message.topic, Partition(partition), message.timestamp, key, value, &[]);
        }
        if !outbox.is_empty() {
            broker.append(&outbox).expect("a reachable broker");
            drain(&hands, &broker);
        }
        broker.append(&tick_outbox(*tick, PARTITIONS)).expect("a reachable broker");
        drain(&hands, &broker);
    }
    let counters = hands.stop().expect("a clean stop");
    let mut latest = Latest::default();
    for topic in Topic::COMPACTED {
        for partition in 0..PARTITIONS {
            let mut from = 0;
            loop {
                let before = from;
                from = broker
                    .read(topic, Partition(partition), from, 10_000, &mut |record| {
                        let key =
                            std::str::from_utf8(record.key.expect("documents have keys")).expect("UTF-8");
                        latest.feed(topic, key, record.value);
                    })
                    .expect("committed records");
                if from == before {
                    break;
                }
            }
        }
    }
    Some((latest, counters))
}

#[test]
fn the_same_world_has_the_same_digest_through_kafka() {
    let seed = 4_711;
    let phases = Phases::of(World::new(WorldConfig::new(seed, 600)));
    let packing = Packing { repeat: false, ..Packing::random(seed, PARTITIONS) };
    let (wanted, books) = run(&phases, &packing, Faults::default());
    // They wait more than they work, so they run side by side.
    std::thread::scope(|scope| {
        for (name, workers, restart, fetch) in [
            ("one", 1, false, Fetch::Client),
            ("four", 4, false, Fetch::Client),
            ("restarted", 2, true, Fetch::Client),
            ("directly", 1, false, Fetch::Direct),
            ("restarted-directly", 3, true, Fetch::Direct),
        ] {
            let (phases, wanted, books) = (&phases, &wanted, &books);
            scope.spawn(move || {
                let seen = through_kafka(&format!("world-{name}"), phases, workers, restart, fetch);
                let Some((latest, counters)) = seen else { return };
                assert_eq!(latest.digest(), wanted.digest(), "{name}");
                let sums =
                    |c: &Counters| (c.read, c.applied + c.duplicate, c.parked, c.ignored, c.dead_lettered);
                assert_eq!(sums(&counters), sums(books), "{name}");
            });
        }
    });
}
