//! What others do to the topics and positions of a service: the state log's positions win, keys never move, and what is
//! gone is told.

use dockside::edge::crew::Crew;
use dockside::edge::kafka::{KafkaBroker, KafkaConfig, create_topics};
use dockside::engine::log::{Broker, LogError, Record};
use dockside::engine::worker::OnGap;
use dockside::model::{Lane, Partition, Topic};
use rdkafka::admin::{AdminOptions, NewPartitions};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::world::{crew, crew_that, drain};
use super::{created, opened, plain};
use crate::conformance;

/// Tries again until it is taken: a group has members until their session is over.
fn insisting(what: &str, mut attempt: impl FnMut() -> bool) {
    let is_taken = (0..2_000).any(|_| {
        let is_taken = attempt();
        if !is_taken {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        is_taken
    });
    assert!(is_taken, "{what}");
}

fn topic(config: &KafkaConfig, topic: Topic) -> String {
    format!("{}{}", config.topic_prefix, topic.name())
}

fn lane(config: &KafkaConfig, lane: Lane) -> String {
    topic(config, lane.topic())
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
        let error = refusal(hands);
        assert!(error.to_string().contains("partition"), "{name}: {error}");

        let error = KafkaBroker::open(&config).map(drop).expect_err("another start is refused, too");
        assert!(error.refused, "{name}: {error}");
    }
}

/// What a crew ends with.
fn refusal(hands: Crew) -> LogError {
    insisting("the worker ends", || hands.has_failed());
    let error = hands.stop().expect_err("it ended");
    assert!(error.refused, "{error}");
    error
}

fn delete_before(config: &KafkaConfig, of: Lane, offset: i64) {
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(&lane(config, of), 0, Offset::Offset(offset)).expect("an offset");
    let admin = plain::admin(&config.bootstrap_servers);
    plain::asked(admin.delete_records(&before, &AdminOptions::new())).expect("an answer");
}

/// Deletes a topic, and waits until nobody knows it any more.
fn delete(config: &KafkaConfig, of: Topic) {
    let name = topic(config, of);
    let admin = plain::admin(&config.bootstrap_servers);
    let outcome = plain::asked(admin.delete_topics(&[&name], &AdminOptions::new())).expect("an answer");
    assert!(outcome.iter().all(Result::is_ok), "{outcome:?}");
    insisting("the topic goes", || {
        let metadata = admin.inner().fetch_metadata(None, std::time::Duration::from_secs(5));
        metadata.is_ok_and(|metadata| metadata.topics().iter().all(|topic| topic.name() != name))
    });
}

/// A service that has read ten scans and ended.
fn ten_were_read(name: &str) -> Option<(KafkaConfig, KafkaBroker)> {
    let config = created(name, 1)?;
    let broker = opened(&config);
    let hands = crew(&broker, 1);
    broker.append(&conformance::scans((0..10).map(|n| (0, n)))).expect("an append");
    drain(&hands, &broker);
    assert_eq!(hands.stop().expect("a clean stop").read, 10, "{name}");
    Some((config, broker))
}

#[test]
fn what_was_deleted_before_it_was_read_is_refused_or_told() {
    let Some((config, broker)) = ten_were_read("gap") else { return };
    // With the ends of both appends, these are 11 to 30.
    broker.append(&conformance::scans((10..30).map(|n| (0, n)))).expect("an append");
    delete_before(&config, Lane::Scans, 25);

    let error = refusal(crew(&broker, 1));
    assert!(error.to_string().contains("only 25 to 32 is there"), "{error}");
    assert_eq!(dead_letters(&broker), 10, "nothing was read");

    for _restart in 0..2 {
        let hands = crew_that(&broker, 1, OnGap::Skip);
        drain(&hands, &broker);
        assert_eq!(hands.stop().expect("a clean stop").read, 10 + 1 + 6);
        assert_eq!(dead_letters(&broker), 10 + 1 + 6, "one for what was lost");
    }
    // What was left behind is no gap any more.
    let hands = crew(&broker, 1);
    drain(&hands, &broker);
    assert_eq!(hands.stop().expect("a clean stop").read, 17);
}

#[test]
fn inputs_that_were_made_anew_are_refused() {
    let Some((config, broker)) = ten_were_read("anew-scans") else { return };
    delete(&config, Topic::Scans);
    create_topics(&config).expect("the missing one");
    let error = refusal(crew(&broker, 1));
    assert!(error.to_string().contains("the topic was made anew"), "{error}");
}

#[test]
fn a_state_log_that_was_made_anew_is_refused_until_the_group_forgets() {
    let Some((config, broker)) = ten_were_read("anew-state") else { return };
    delete(&config, Topic::State);
    create_topics(&config).expect("the missing one");
    let error = refusal(crew(&broker, 1));
    assert!(error.to_string().contains("its `state` log is empty"), "{error}");

    forget(&config);
    let hands = crew(&broker, 1);
    drain(&hands, &broker);
    assert_eq!(hands.stop().expect("a clean stop").read, 10, "all is read again");
}

#[test]
fn a_topic_that_is_deleted_under_a_worker_ends_it() {
    // They wait more than they work, so they run side by side.
    std::thread::scope(|scope| {
        for of in [Topic::Scans, Topic::State, Topic::DeadLetters] {
            scope.spawn(move || ends_without(of));
        }
    });
}

fn ends_without(of: Topic) {
    let name = format!("deleted-{}", of.name());
    let Some(mut config) = created(&name, 1) else { return };
    config.consumer_properties.set("topic.metadata.refresh.interval.ms", "200");
    let broker = opened(&config);
    let hands = crew(&broker, 1);
    broker.append(&conformance::scans([(0, 1)])).expect("an append");
    drain(&hands, &broker);
    delete(&config, of);
    if of != Topic::Scans {
        // It is noticed when it is written.
        broker.append(&conformance::scans([(0, 2)])).expect("an append");
    }
    let error = refusal(hands);
    assert!(error.to_string().contains(of.name()), "{name}: {error}");
}
