//! The topics: which there are, which there should be, and how they are kept.
//!
//! Enters: a [`KafkaConfig`]. Leaves: a [`TopicsPlan`], what is wanted beside what is there, and what was done of it.
//! Always true: nothing is ever deleted; a partition count is never changed; settings that nobody wants otherwise stay;
//! nothing is created beside topics that have another number of partitions.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigEntry, ConfigSource, NewTopic, OwnedResourceSpecifier,
    ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::Metadata;

use super::clients::{Quiet, wait_for};
use super::config::{KafkaConfig, MESSAGE_BYTES};
use super::greeting::greet;
use super::names::{kafka_offset, kafka_partition, reason, refused, unreachable};
use super::patience::{Deadline, PATIENCE, REQUEST};
use super::reader::{Present, Reader};
use crate::engine::log::LogError;
use crate::model::{Partition, Topic};

/// Settings of a topic, by name.
pub type Settings = BTreeMap<&'static str, String>;

/// Times in records are facts that come as they come: the broker must not judge them. Known since Kafka 3.6; older
/// brokers do not judge.
const ANY_TIME: &str = "message.timestamp.after.max.ms";

/// How often settings are asked for that do not come.
const DESCRIPTIONS_MAX: u32 = 5;

const MIN_INSYNC: &str = "min.insync.replicas";

/// What is wanted of the topics, beside what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicsPlan {
    /// One for each topic.
    pub topics: Vec<TopicPlan>,
}

/// What is wanted of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its full name.
    pub name: String,
    /// What would be done.
    pub step: Step,
    /// What is otherwise than wanted, and cannot be changed here.
    pub blocked: Vec<Blocked>,
}

/// What would be done with a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is missing.
    Create {
        /// Its partitions.
        partitions: u32,
        /// Copies of each.
        replication: u32,
        /// How it is kept.
        settings: Settings,
    },
    /// It is there, and these settings are otherwise.
    Change(Vec<Change>),
    /// It is as wanted, but for what is blocked.
    Keep,
}

/// A setting that is otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub setting: &'static str,
    /// What it is.
    pub actual: String,
    /// What it should be.
    pub wanted: String,
}

/// What cannot be changed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// What is there and what was wanted.
    pub what: String,
    /// Why it stays, and what to do.
    pub why: String,
}

impl TopicPlan {
    fn creates(&self) -> bool {
        matches!(self.step, Step::Create { .. })
    }

    /// Whether it is as wanted.
    pub fn is_met(&self) -> bool {
        self.step == Step::Keep && self.blocked.is_empty()
    }
}

impl TopicsPlan {
    /// Whether there is nothing to do, and nothing that cannot be done.
    pub fn is_met(&self) -> bool {
        self.topics.iter().all(TopicPlan::is_met)
    }
}

/// Compares the topics with what is wanted. Changes nothing.
pub fn plan_topics(config: &KafkaConfig) -> Result<TopicsPlan, LogError> {
    config.checked()?;
    Topics::open(config)?.plan()
}

/// Creates what is missing and sets what is otherwise; returns what is left, which then cannot be changed here.
pub fn apply_topics(config: &KafkaConfig) -> Result<TopicsPlan, LogError> {
    config.checked()?;
    let topics = Topics::open(config)?;
    let plan = topics.plan()?;
    topics.counts_are_wanted(&plan)?;
    topics.create(&plan)?;
    topics.alter(&plan)?;
    // What the broker has taken may show a little later.
    let deadline = Deadline::after(REQUEST);
    loop {
        let left = topics.plan()?;
        if left.topics.iter().all(|topic| topic.step == Step::Keep) || deadline.is_over() {
            return Ok(left);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Creates what is missing, and returns the names of what was created. Topics that are there stay as they are.
pub fn create_topics(config: &KafkaConfig) -> Result<Vec<String>, LogError> {
    config.checked()?;
    let topics = Topics::open(config)?;
    let plan = topics.plan()?;
    topics.counts_are_wanted(&plan)?;
    topics.create(&plan)
}

/// All topics are there, with equal partition counts.
pub fn check_topics(config: &KafkaConfig) -> Result<(), LogError> {
    config.checked()?;
    greet(config, &config.instance)?;
    counts_fit(config, &Reader::open(config, &config.instance)?).map(drop)
}

/// A topic that is there.
struct Actual {
    partitions: u32,
    /// The fewest copies of any partition.
    replication: u32,
    /// Its settings, or why they cannot be read.
    settings: Result<Vec<ConfigEntry>, String>,
}

struct Topics<'a> {
    config: &'a KafkaConfig,
    admin: AdminClient<Quiet>,
    observer: BaseConsumer<Quiet>,
}

impl<'a> Topics<'a> {
    fn open(config: &'a KafkaConfig) -> Result<Topics<'a>, LogError> {
        greet(config, &config.instance)?;
        let observer = config
            .observer(&config.instance)
            .create_with_context(Quiet)
            .map_err(|error| unreachable("create a client", reason(&error)))?;
        Ok(Topics { config, admin: admin(config, &config.instance)?, observer })
    }

    fn plan(&self) -> Result<TopicsPlan, LogError> {
        let actual = self.actual()?;
        let names = self.config.names();
        let topics = Topic::ALL.map(|topic| {
            let name = names.of(topic);
            compare(self.config, topic, name, actual.get(name))
        });
        Ok(TopicsPlan { topics: topics.into() })
    }

    /// Our topics that are there, by name.
    fn actual(&self) -> Result<BTreeMap<String, Actual>, LogError> {
        let names = self.config.names();
        let ours = Topic::ALL.map(|topic| names.of(topic));
        let metadata = self.metadata()?;
        let mut actual = BTreeMap::new();
        for topic in metadata.topics().iter().filter(|topic| ours.contains(&topic.name())) {
            let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let replication =
                topic.partitions().iter().map(|partition| count(partition.replicas().len())).min();
            let partitions = count(topic.partitions().len());
            let settings = Err("the broker did not tell them".to_owned());
            actual.insert(
                topic.name().to_owned(),
                Actual { partitions, replication: replication.unwrap_or(0), settings },
            );
        }
        self.describe(&mut actual)?;
        Ok(actual)
    }

    fn metadata(&self) -> Result<Metadata, LogError> {
        Deadline::after(PATIENCE).retry(|| self.observer.fetch_metadata(None, REQUEST)).map_err(|error| {
            unreachable(format!("list the topics of {}", self.config.bootstrap_servers), reason(&error))
        })
    }

    fn describe(&self, actual: &mut BTreeMap<String, Actual>) -> Result<(), LogError> {
        if actual.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = actual.keys().cloned().collect();
        let asked: Vec<ResourceSpecifier<'_>> =
            names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let what = "read the settings of the topics";
        // The client hides why a topic has no settings: it is not allowed, or too new for the broker that was asked.
        for _ in 0..DESCRIPTIONS_MAX {
            let answers = Deadline::after(PATIENCE)
                .retry(|| wait_for(self.admin.describe_configs(&asked, &options())))
                .map_err(|error| unreachable(what, reason(&error)))?;
            for answer in answers {
                let resource = answer.map_err(|code| unreachable(what, code.to_string()))?;
                if let OwnedResourceSpecifier::Topic(name) = &resource.specifier
                    && let Some(topic) = actual.get_mut(name)
                    && !resource.entries.is_empty()
                {
                    topic.settings = Ok(resource.entries);
                }
            }
            if actual.values().all(|topic| topic.settings.is_ok()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// What is there has the wanted number of partitions: nothing is created beside topics that have another.
    fn counts_are_wanted(&self, plan: &TopicsPlan) -> Result<(), LogError> {
        let actual = self.actual()?;
        let wanted = self.config.partitions;
        match plan.topics.iter().find_map(|topic| {
            let there = actual.get(&topic.name)?.partitions;
            (there != wanted).then_some((&topic.name, there))
        }) {
            None => Ok(()),
            Some((name, there)) => Err(refused(
                format!("create topics of {wanted} partitions"),
                format!("{name} is there with {there}: {}", other_count(there)),
            )),
        }
    }

    fn create(&self, plan: &TopicsPlan) -> Result<Vec<String>, LogError> {
        let missing: Vec<&TopicPlan> = plan.topics.iter().filter(|topic| topic.creates()).collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let request = |any_time: bool| {
            let wanted: Vec<NewTopic<'_>> =
                missing.iter().filter_map(|topic| new_topic(topic, any_time)).collect();
            wait_for(self.admin.create_topics(&wanted, &options())).map_err(|error| {
                unreachable(format!("create topics on {}", self.config.bootstrap_servers), reason(&error))
            })
        };
        let mut outcome = request(true)?;
        if outcome.iter().any(|result| matches!(result, Err((_, Code::InvalidConfig)))) {
            outcome = request(false)?;
        }
        for result in outcome {
            match result {
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(unreachable(format!("create {name}"), code.to_string())),
            }
        }

        // The broker that is asked may learn of them a little later.
        let reader = Reader::open(self.config, &self.config.instance)?;
        let deadline = Deadline::after(PATIENCE);
        while !deadline.is_over() {
            let present = reader.topics()?;
            if missing.iter().all(|topic| find(&present, &topic.name).is_some()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        counts_fit(self.config, &reader)?;
        Ok(missing.into_iter().map(|topic| topic.name.clone()).collect())
    }

    /// The request replaces all settings of a topic at once, so those that nobody wants otherwise are sent along.
    fn alter(&self, plan: &TopicsPlan) -> Result<(), LogError> {
        let actual = self.actual()?;
        let mut requests = Vec::new();
        for topic in &plan.topics {
            let (Step::Change(changes), Some(Actual { settings: Ok(entries), .. })) =
                (&topic.step, actual.get(&topic.name))
            else {
                continue;
            };
            let mut request = AlterConfig::new(ResourceSpecifier::Topic(&topic.name));
            for entry in entries.iter().filter(|entry| entry.source == ConfigSource::DynamicTopic) {
                let Some(value) = &entry.value else {
                    return Err(refused(
                        format!("change {}", topic.name),
                        format!("its `{}` cannot be read and would be lost; change it by hand", entry.name),
                    ));
                };
                request = request.set(&entry.name, value);
            }
            for change in changes {
                request = request.set(change.setting, &change.wanted);
            }
            requests.push(request);
        }
        if requests.is_empty() {
            return Ok(());
        }
        let outcome = wait_for(self.admin.alter_configs(&requests, &options()))
            .map_err(|error| unreachable("change the settings of the topics", reason(&error)))?;
        for result in outcome {
            result.map_err(|(topic, code)| {
                unreachable(format!("change the settings of {topic:?}"), code.to_string())
            })?;
        }
        Ok(())
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(REQUEST)).request_timeout(Some(REQUEST))
}

fn new_topic(topic: &TopicPlan, any_time: bool) -> Option<NewTopic<'_>> {
    let Step::Create { partitions, replication, settings } = &topic.step else { return None };
    let count = |count: u32| i32::try_from(count).expect("the configuration was checked");
    let new = NewTopic::new(&topic.name, count(*partitions), TopicReplication::Fixed(count(*replication)));
    let settings = settings.iter().filter(|(name, _)| any_time || **name != ANY_TIME);
    Some(settings.fold(new, |new, (name, value)| new.set(name, value)))
}

fn other_count(there: u32) -> String {
    format!(
        "numbers and shipments are spread by it and would move; set engine.partitions = {there}, or start a new \
         installation under another kafka.topic_prefix"
    )
}

/// What is wanted of a topic beside what is there.
fn compare(config: &KafkaConfig, topic: Topic, name: &str, actual: Option<&Actual>) -> TopicPlan {
    let wanted = wanted(config, topic);
    let name = name.to_owned();
    let Some(actual) = actual else {
        let (partitions, replication) = (config.partitions, config.replication);
        let step = Step::Create { partitions, replication, settings: wanted };
        return TopicPlan { name, step, blocked: Vec::new() };
    };
    let mut blocked = Vec::new();
    if actual.partitions != config.partitions {
        blocked.push(Blocked {
            what: format!("{} partitions, wanted {}", actual.partitions, config.partitions),
            why: other_count(actual.partitions),
        });
    }
    if actual.replication != config.replication {
        blocked.push(Blocked {
            what: format!("{} replicas, wanted {}", actual.replication, config.replication),
            why: format!(
                "moving replicas is the work of kafka-reassign-partitions; or set kafka.replication = {}",
                actual.replication
            ),
        });
    }
    let entries = match &actual.settings {
        Ok(entries) => entries,
        Err(why) => {
            blocked.push(Blocked {
                what: "settings that cannot be read".to_owned(),
                why: format!("{why}; allow DescribeConfigs on {name}"),
            });
            return TopicPlan { name, step: Step::Keep, blocked };
        }
    };
    let mut changes = Vec::new();
    for (setting, wanted) in wanted {
        // A setting that this broker does not know has nothing to be compared with.
        let Some(entry) = entries.iter().find(|entry| entry.name == setting) else { continue };
        let there = entry.value.clone().unwrap_or_default();
        if there == wanted {
            continue;
        }
        if setting == MIN_INSYNC && wanted.parse().is_ok_and(|least: u32| least > actual.replication) {
            blocked.push(Blocked {
                what: format!("{setting} = {there}, wanted {wanted}"),
                why: format!("with {} replicas nothing could be written any more", actual.replication),
            });
            continue;
        }
        changes.push(Change { setting, actual: there, wanted });
    }
    let step = if changes.is_empty() { Step::Keep } else { Step::Change(changes) };
    TopicPlan { name, step, blocked }
}

/// How a topic should be kept.
fn wanted(config: &KafkaConfig, topic: Topic) -> Settings {
    let retention = &config.retention;
    let least = config.min_insync_replicas.unwrap_or(config.replication.saturating_sub(1)).max(1);
    let mut settings = Settings::from([
        // As the producer has compressed it: the broker need not do it again.
        ("compression.type", "producer".to_owned()),
        // Whatever is written fits, or its epoch would fail for ever.
        ("max.message.bytes", MESSAGE_BYTES.to_string()),
        (ANY_TIME, i64::MAX.to_string()),
        (MIN_INSYNC, least.to_string()),
        // A replica that lags must not become the leader: committed epochs would be gone.
        ("unclean.leader.election.enable", "false".to_owned()),
    ]);
    let mut deleted = |after_ms: Option<i64>| {
        settings.insert("cleanup.policy", "delete".to_owned());
        settings.insert("retention.ms", after_ms.unwrap_or(-1).to_string());
        // A limit in bytes would delete what nobody has read yet.
        settings.insert("retention.bytes", "-1".to_owned());
    };
    match topic {
        Topic::Scans => deleted(retention.scans_ms),
        Topic::Commands => deleted(retention.commands_ms),
        Topic::CommandResults => deleted(retention.command_results_ms),
        Topic::DeadLetters => deleted(retention.dead_letters_ms),
        Topic::Hops => deleted(retention.hops_ms),
        // Its owner deletes what no restore needs.
        Topic::State => deleted(None),
        Topic::Shipments | Topic::ReceivingPlan | Topic::Problems | Topic::Arrivals | Topic::Accounts => {
            settings.insert("cleanup.policy", "compact".to_owned());
            settings.insert("delete.retention.ms", retention.tombstones_ms.to_string());
            // Whoever reads from the beginning meets few outdated values.
            settings.insert("min.cleanable.dirty.ratio", "0.1".to_owned());
        }
    }
    if matches!(topic, Topic::State | Topic::Hops) {
        // By the time of writing: the hops of a long backlog carry old times and must not expire unread.
        settings.insert("message.timestamp.type", "LogAppendTime".to_owned());
    }
    settings
}

/// The partition count of all topics, once every partition has a leader.
pub(super) fn counts_fit(config: &KafkaConfig, reader: &Reader) -> Result<u32, LogError> {
    let what = "check the topics";
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
                format!(
                    "missing: {missing}; create them with `dockside topics apply`, or run once with --create-topics"
                ),
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
