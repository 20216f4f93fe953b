//! The topics: which there are, which there should be, and how they are kept.
//!
//! Enters: a [`KafkaConfig`]. Leaves: topics, or why the present ones do not fit. Always true: an existing topic is
//! never changed, and nothing is created beside topics that have another number of partitions.

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::clients::{Quiet, wait_for};
use super::config::{KafkaConfig, MESSAGE_BYTES};
use super::greeting::greet;
use super::names::{kafka_offset, kafka_partition, reason, refused, unreachable};
use super::patience::{Deadline, PATIENCE, REQUEST};
use super::reader::{Present, Reader};
use crate::engine::log::LogError;
use crate::model::{Partition, Topic};

/// Times in records are facts that come as they come: the broker must not judge them. Known since Kafka 3.6; older
/// brokers do not judge.
const ANY_TIME: (&str, &str) = ("message.timestamp.after.max.ms", "9223372036854775807");

/// Creates what is missing, and returns the names of what was created.
pub fn create_topics(config: &KafkaConfig) -> Result<Vec<String>, LogError> {
    config.checked()?;
    greet(config, &config.instance)?;
    let reader = Reader::open(config, &config.instance)?;
    let names = config.names();
    let present = reader.topics()?;
    let mut missing = Vec::new();
    for topic in Topic::ALL {
        match find(&present, names.of(topic)) {
            None => missing.push(topic),
            Some(Present { partitions, .. }) if *partitions == config.partitions => {}
            Some(Present { name, partitions, .. }) => {
                return Err(refused(
                    format!("create topics of {} partitions", config.partitions),
                    format!("{name} is there with {partitions}: set `partitions` to {partitions}"),
                ));
            }
        }
    }
    if missing.is_empty() {
        return Ok(Vec::new());
    }

    let admin = admin(config, &config.instance)?;
    let replication = i32::try_from(config.replication).expect("the configuration was checked");
    let partitions = i32::try_from(config.partitions).expect("the configuration was checked");
    let largest = MESSAGE_BYTES.to_string();
    let create = |missing: &[Topic], any_time: bool| {
        let wanted: Vec<NewTopic<'_>> = missing
            .iter()
            .map(|&topic| {
                let mut wanted =
                    NewTopic::new(names.of(topic), partitions, TopicReplication::Fixed(replication));
                for &(key, value) in kept(topic) {
                    wanted = wanted.set(key, value);
                }
                if matches!(topic, Topic::Scans | Topic::Commands | Topic::DeadLetters) {
                    wanted = wanted.set("max.message.bytes", &largest);
                }
                if any_time { wanted.set(ANY_TIME.0, ANY_TIME.1) } else { wanted }
            })
            .collect();
        let options = AdminOptions::new().operation_timeout(Some(REQUEST)).request_timeout(Some(REQUEST));
        wait_for(admin.create_topics(&wanted, &options)).map_err(|error| {
            unreachable(format!("create topics on {}", config.bootstrap_servers), reason(&error))
        })
    };
    let mut outcome = create(&missing, true)?;
    if outcome.iter().any(|result| matches!(result, Err((_, Code::InvalidConfig)))) {
        outcome = create(&missing, false)?;
    }
    for result in outcome {
        match result {
            Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(unreachable(format!("create {name}"), code.to_string())),
        }
    }

    // The broker that is asked may learn of them a little later.
    let deadline = Deadline::after(PATIENCE);
    while !deadline.is_over() {
        let present = reader.topics()?;
        if missing.iter().all(|topic| find(&present, names.of(*topic)).is_some()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    counts_fit(config, &reader)?;
    Ok(missing.iter().map(|topic| names.of(*topic).to_owned()).collect())
}

/// All topics are there, with equal partition counts.
pub fn check_topics(config: &KafkaConfig) -> Result<(), LogError> {
    config.checked()?;
    counts_fit(config, &Reader::open(config, &config.instance)?).map(drop)
}

/// The partition count of all topics, once every partition has a leader.
pub(super) fn counts_fit(config: &KafkaConfig, reader: &Reader) -> Result<u32, LogError> {
    let what = "check the topics";
    greet(config, &config.instance)?;
    let names = config.names();
    let deadline = Deadline::after(PATIENCE);
    loop {
        let present = reader.topics()?;
        let ours: Vec<(Topic, Option<&Present>)> =
            Topic::ALL.into_iter().map(|topic| (topic, find(&present, names.of(topic)))).collect();
        let named = |wanted: fn(&Option<&Present>) -> bool| {
            let unfit = ours.iter().filter(|(_, present)| wanted(present)).map(|(topic, _)| names.of(*topic));
            unfit.collect::<Vec<_>>().join(", ")
        };
        let missing = named(|present| present.is_none());
        if !missing.is_empty() {
            return Err(refused(
                what,
                format!("missing: {missing}; create them, or run once with --create-topics"),
            ));
        }
        let mut counts = ours.iter().filter_map(|(_, present)| *present);
        let first = counts.next().expect("there are topics");
        if let Some(other) = counts.find(|other| other.partitions != first.partitions) {
            return Err(refused(
                what,
                format!(
                    "{} has {} partitions and {} has {}: all topics need the same number",
                    first.name, first.partitions, other.name, other.partitions
                ),
            ));
        }
        let leaderless = named(|present| present.is_some_and(|present| !present.ready));
        if leaderless.is_empty() {
            return Ok(first.partitions);
        }
        if deadline.is_over() {
            return Err(unreachable(what, format!("partitions without a leader: {leaderless}")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn find<'a>(present: &'a [Present], name: &str) -> Option<&'a Present> {
    present.iter().find(|present| present.name == name)
}

/// How a topic is kept.
fn kept(topic: Topic) -> &'static [(&'static str, &'static str)] {
    match topic {
        Topic::Shipments | Topic::ReceivingPlan | Topic::Problems | Topic::Arrivals | Topic::Accounts => {
            &[("cleanup.policy", "compact")]
        }
        // Its owner deletes what no restore needs.
        Topic::State => &[
            ("cleanup.policy", "delete"),
            ("retention.ms", "-1"),
            ("retention.bytes", "-1"),
            ("message.timestamp.type", "LogAppendTime"),
        ],
        // By the time of writing: the hops of a long backlog carry old times and must not expire unread.
        Topic::Hops => &[
            ("cleanup.policy", "delete"),
            ("retention.ms", "86400000"),
            ("message.timestamp.type", "LogAppendTime"),
        ],
        Topic::Scans | Topic::Commands | Topic::CommandResults | Topic::DeadLetters => {
            &[("cleanup.policy", "delete")]
        }
    }
}

pub(super) fn admin(config: &KafkaConfig, name: &str) -> Result<AdminClient<Quiet>, LogError> {
    use rdkafka::config::FromClientConfigAndContext;
    AdminClient::from_config_and_context(&config.admin(name), Quiet)
        .map_err(|error| unreachable("create a client", reason(&error)))
}

/// Lets a partition of `state` begin at `offset`.
pub(super) fn trim(
    admin: &AdminClient<Quiet>,
    config: &KafkaConfig,
    partition: Partition,
    offset: u64,
) -> Result<(), LogError> {
    let failed = |error: KafkaError| {
        unreachable(format!("trim {} at {offset}", config.place(Topic::State, partition)), reason(&error))
    };
    let names = config.names();
    let mut offsets = TopicPartitionList::new();
    offsets
        .add_partition_offset(
            names.of(Topic::State),
            kafka_partition(partition),
            rdkafka::Offset::Offset(kafka_offset(offset)),
        )
        .map_err(failed)?;
    let options = AdminOptions::new().operation_timeout(Some(REQUEST)).request_timeout(Some(REQUEST));
    let outcome = Deadline::after(PATIENCE)
        .retry(|| wait_for(admin.delete_records(&offsets, &options)))
        .map_err(failed)?;
    outcome.elements().iter().try_for_each(|element| element.error()).map_err(failed)
}
