//! Topics as they should be, on a real broker: planned, applied, repaired, and never deleted.

use std::collections::BTreeMap;

use dockside::edge::kafka::{
    Change, KafkaConfig, Retention, Step, TopicPlan, TopicsPlan, apply_topics, create_topics, plan_topics,
};
use dockside::model::Topic;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ConfigSource, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

use super::{config, plain, shared};

fn planned(config: &KafkaConfig) -> TopicsPlan {
    plan_topics(config).expect("a plan")
}

fn topic<'a>(plan: &'a TopicsPlan, name: &str) -> &'a TopicPlan {
    plan.topics.iter().find(|topic| topic.name == name).expect("every topic is in the plan")
}

/// The topics as an operator's own tool sees and changes them.
struct Operator {
    admin: AdminClient<DefaultClientContext>,
}

impl Operator {
    fn of(config: &KafkaConfig) -> Operator {
        Operator { admin: plain::admin(&config.bootstrap_servers) }
    }

    /// The settings that the topic has of its own.
    fn own_settings(&self, name: &str) -> BTreeMap<String, String> {
        let asked = [ResourceSpecifier::Topic(name)];
        let described =
            plain::asked(self.admin.describe_configs(&asked, &AdminOptions::new())).expect("an answer");
        let resource = described.into_iter().next().expect("one topic").expect("its settings");
        let own = resource.entries.into_iter().filter(|entry| entry.source == ConfigSource::DynamicTopic);
        own.map(|entry| (entry.name, entry.value.expect("nothing sensitive"))).collect()
    }

    /// Sets some of them, keeps the others, and waits until the broker shows it.
    fn set(&self, name: &str, changes: &[(&str, &str)]) {
        let mut settings = self.own_settings(name);
        settings.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let request = settings
            .iter()
            .fold(AlterConfig::new(ResourceSpecifier::Topic(name)), |request, (key, value)| {
                request.set(key, value)
            });
        let altered =
            plain::asked(self.admin.alter_configs([&request], &AdminOptions::new())).expect("an answer");
        assert!(altered.iter().all(Result::is_ok), "{altered:?}");
        while self.own_settings(name) != settings {}
    }
}

#[test]
fn what_is_applied_is_as_planned() {
    let Some(config) = config("apply", 3) else { return };
    let config = KafkaConfig { retention: Retention::default(), ..config };
    let plan = planned(&config);
    assert_eq!(plan.topics.len(), Topic::ALL.len());
    for topic in &plan.topics {
        let Step::Create { partitions, replication, settings } = &topic.step else {
            panic!("nothing is there yet: {topic:?}")
        };
        assert_eq!((*partitions, *replication), (3, 1));
        assert_eq!(settings["min.insync.replicas"], "1", "{}", topic.name);
    }
    let left = apply_topics(&config).expect("applied");
    assert!(left.is_met(), "{left:?}");
    assert!(planned(&config).is_met());
    assert_eq!(create_topics(&config).expect("nothing to do"), Vec::<String>::new());

    let operator = Operator::of(&config);
    for (name, settings) in [
        (
            "apply.state",
            &[("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")][..],
        ),
        ("apply.hops", &[("cleanup.policy", "delete"), ("message.timestamp.type", "LogAppendTime")]),
        ("apply.shipments", &[("cleanup.policy", "compact"), ("delete.retention.ms", "86400000")]),
        ("apply.scans", &[("retention.ms", "604800000"), ("unclean.leader.election.enable", "false")]),
    ] {
        let actual = operator.own_settings(name);
        for (setting, value) in settings {
            assert_eq!(actual.get(*setting).map(String::as_str), Some(*value), "{name}: {setting}");
        }
    }
}

#[test]
fn what_was_changed_by_hand_is_shown_and_repaired() {
    let Some(config) = config("repair", 1) else { return };
    assert!(apply_topics(&config).expect("applied").is_met());
    let operator = Operator::of(&config);
    // The last two are nobody's business but the operator's.
    operator.set(
        "repair.state",
        &[
            ("cleanup.policy", "compact"),
            ("retention.ms", "60000"),
            ("segment.ms", "3600000"),
            ("flush.ms", "777"),
        ],
    );

    let plan = planned(&config);
    let change = |setting, actual: &str, wanted: &str| Change {
        setting,
        actual: actual.to_owned(),
        wanted: wanted.to_owned(),
    };
    let expected = vec![change("cleanup.policy", "compact", "delete"), change("retention.ms", "60000", "-1")];
    assert_eq!(topic(&plan, "repair.state").step, Step::Change(expected));
    assert_eq!(plan.topics.iter().filter(|topic| !topic.is_met()).count(), 1, "{plan:?}");

    assert_eq!(create_topics(&config).expect("nothing is missing"), Vec::<String>::new());
    assert_eq!(planned(&config), plan, "creating what is missing changes nothing else");

    assert!(apply_topics(&config).expect("applied").is_met());
    let settings = operator.own_settings("repair.state");
    for (setting, value) in [
        ("cleanup.policy", "delete"),
        ("retention.ms", "-1"),
        ("message.timestamp.type", "LogAppendTime"),
        ("segment.ms", "3600000"),
        ("flush.ms", "777"),
    ] {
        assert_eq!(settings.get(setting).map(String::as_str), Some(value), "{setting}: {settings:?}");
    }
}

#[test]
fn what_cannot_be_changed_is_told_and_left_alone() {
    let Some(config) = config("blocked", 2) else { return };
    shared::create_topic(&config.bootstrap_servers, "blocked.hops", 5);
    shared::create_topic(&config.bootstrap_servers, "blocked.of-somebody-else", 1);
    let plan = planned(&config);
    let hops = topic(&plan, "blocked.hops");
    assert_eq!(hops.blocked.len(), 1, "{hops:?}");
    assert_eq!(hops.blocked[0].what, "5 partitions, wanted 2");
    assert!(hops.blocked[0].why.contains("engine.partitions = 5"), "{hops:?}");

    // Nothing is done at all: neither created, nor changed, nor deleted.
    let refused = apply_topics(&config).expect_err("another number of partitions");
    assert!(refused.refused && refused.why.contains("blocked.hops is there with 5"), "{refused}");
    assert_eq!(planned(&config), plan);

    // With more replicas than there are, what can be done is done, and a topic stays writable.
    let fitting = KafkaConfig { partitions: 5, ..config };
    apply_topics(&fitting).expect("applied");
    let wanting = KafkaConfig { replication: 3, ..fitting };
    let left = apply_topics(&wanting).expect("applied as far as possible");
    for topic in &left.topics {
        assert_eq!(topic.step, Step::Keep, "{topic:?}");
        let what: Vec<&str> = topic.blocked.iter().map(|blocked| blocked.what.as_str()).collect();
        assert_eq!(what, ["1 replicas, wanted 3", "min.insync.replicas = 1, wanted 2"], "{}", topic.name);
    }
    let operator = Operator::of(&wanting);
    assert_eq!(operator.own_settings("blocked.of-somebody-else"), BTreeMap::new(), "it is there, untouched");
}

#[test]
fn the_command_shows_a_diff_and_its_exit_code() {
    let Some(config) = config("diff", 2) else { return };
    let file = crate::cli::file(&format!(
        "[kafka]\nbootstrap_servers = \"{}\"\ntopic_prefix = \"diff.\"\nreplication = 1\n[engine]\npartitions = 2\n",
        config.bootstrap_servers
    ));
    let run = |args: &[&str]| crate::cli::dockside(&[args, &["-c", crate::cli::path(&file)]].concat(), "");

    let ran = run(&["topics", "plan"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("+ create diff.scans: 2 partitions, 1 replicas\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("    retention.ms = 604800000\n"), "{}", ran.stdout);
    assert_eq!(run(&["check"]).code, 3, "missing topics");

    let ran = run(&["topics", "apply"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("11 created, 0 changed"), "{}", ran.stdout);
    let ran = run(&["topics", "plan"]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(ran.stdout.contains("= as wanted diff.scans\n"), "{}", ran.stdout);
    assert_eq!(run(&["check", "--strict"]).code, 0);

    Operator::of(&config).set("diff.shipments", &[("cleanup.policy", "delete")]);
    let ran = run(&["topics", "plan"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout.contains("~ change diff.shipments\n    cleanup.policy: delete -> compact\n"),
        "{}",
        ran.stdout
    );
    let json = &run(&["topics", "plan", "--format", "json"]).json_lines()[0];
    let changed = json["topics"].as_array().expect("a list").iter().find(|topic| topic["step"] == "CHANGE");
    assert_eq!((&json["as_wanted"], &json["applied"]), (&false.into(), &false.into()));
    assert_eq!(
        changed.expect("a change")["changes"][0],
        serde_json::json!({"setting": "cleanup.policy", "actual": "delete", "wanted": "compact"})
    );

    let ran = run(&["check"]);
    assert_eq!(ran.code, 0, "a warning by default: {}", ran.stderr);
    assert!(ran.stderr.contains("warning[E0303]") && ran.stderr.contains("topics apply"), "{}", ran.stderr);
    let ran = run(&["check", "--set", "kafka.strict_topics=true"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("error[E0303]"), "{}", ran.stderr);
    let ran = run(&["check", "--format", "json", "--set", "engine.partitions=4"]);
    let problems = ran.json_lines()[0]["problems"].as_array().expect("a list").clone();
    assert_eq!(problems.len(), 2, "what is the same with all topics is told once: {problems:?}");
    let message = problems[1]["message"].as_str().expect("a text");
    assert!(message.ends_with("diff.dead-letters have 2 partitions, wanted 4"), "{message}");
    let ran = run(&["run", "--set", "kafka.strict_topics=true"]);
    assert_eq!(ran.code, 3, "it does not start: {}", ran.stderr);
}
