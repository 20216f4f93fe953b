//! What others do to the topics and positions of a service: the state log's positions win, and keys never move.

use dockside::edge::kafka::{KafkaBroker, KafkaConfig};
use dockside::engine::log::{Broker, Record};
use dockside::model::{Lane, Partition, Topic};
use rdkafka::admin::{AdminOptions, NewPartitions};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::world::{crew, drain};
use super::{created, opened, plain};
use crate::conformance;

/// Tries again until it is taken: a group has members until their session is over.
fn insisting(what: &str, mut attempt: impl FnMut() -> bool) {
    let is_taken = (0..600).any(|_| {
        let is_taken = attempt();
        if !is_taken {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        is_taken
    });
    assert!(is_taken, "{what}");
}

fn lane(config: &KafkaConfig, lane: Lane) -> String {
    format!("{}{}", config.topic_prefix, lane.topic().name())
}

fn set_back(config: &KafkaConfig) {
    let group: BaseConsumer = plain::client(&config.bootstrap_servers)
        .set("group.id", &config.group_id)
        .create()
        .expect("a consumer");
    let mut start = TopicPartitionList::new();
    for of in Lane::ALL {
        start.add_partition_offset(&lane(config, of), 0, Offset::Offset(0)).expect("an offset");
    }
    insisting("positions are set back", || group.commit(&start, CommitMode::Sync).is_ok());
}

fn forget(config: &KafkaConfig) {
    insisting("the group is deleted", || {
        let outcome = plain::asked(
            plain::admin(&config.bootstrap_servers).delete_groups(&[&config.group_id], &AdminOptions::new()),
        );
        outcome.expect("an answer").iter().all(Result::is_ok)
    });
}

fn dead_letters(broker: &KafkaBroker) -> u64 {
    let mut count = 0;
    let sink = &mut |_: Record<'_>| count += 1;
    broker.read(Topic::DeadLetters, Partition(0), 0, 10_000, sink).expect("committed records");
    count
}

#[test]
fn positions_that_others_changed_are_those_of_the_state_log() {
    type Harm = fn(&KafkaConfig);
    for (name, harm) in [("set-back", set_back as Harm), ("forgotten", forget)] {
        let Some(config) = created(&format!("moved-{name}"), 1) else { return };
        let broker = opened(&config);
        let mut hands = crew(&broker, 1);
        // Numbers are no scans: each becomes a dead letter, once.
        for written in [10, 20] {
            broker.append(&conformance::scans((written - 10..written).map(|n| (0, n)))).expect("an append");
            drain(&hands, &broker);
            let counters = hands.stop().expect("a clean stop");
            assert_eq!(counters.read, u64::from(written), "{name}");
            assert_eq!(dead_letters(&broker), u64::from(written), "{name}");
            harm(&config);
            hands = crew(&broker, 1);
        }
        broker.append(&conformance::scans([(0, 20)])).expect("an append");
        drain(&hands, &broker);
        assert_eq!(hands.stop().expect("a clean stop").read, 21, "{name}");
        assert_eq!(dead_letters(&broker), 21, "{name}");
    }
}

#[test]
fn topics_that_grow_under_a_worker_end_it() {
    for (name, grown) in [("one", &Lane::ALL[..1]), ("all", &Lane::ALL[..])] {
        let Some(mut config) = created(&format!("growing-{name}"), 2) else { return };
        config.consumer_properties.set("topic.metadata.refresh.interval.ms", "200");
        let broker = opened(&config);
        let hands = crew(&broker, 1);
        broker.append(&conformance::scans([(0, 1), (1, 2)])).expect("an append");
        drain(&hands, &broker);

        let names: Vec<String> = grown.iter().map(|of| lane(&config, *of)).collect();
        let wanted: Vec<NewPartitions<'_>> = names.iter().map(|name| NewPartitions::new(name, 3)).collect();
        let outcome = plain::asked(
            plain::admin(&config.bootstrap_servers).create_partitions(&wanted, &AdminOptions::new()),
        );
        assert!(outcome.expect("an answer").iter().all(Result::is_ok), "{name}");
        insisting("the worker ends", || hands.has_failed());
        let error = hands.stop().expect_err("it ended");
        assert!(error.refused && error.to_string().contains("partition"), "{name}: {error}");

        let error = KafkaBroker::open(&config).map(drop).expect_err("another start is refused, too");
        assert!(error.refused, "{name}: {error}");
    }
}
