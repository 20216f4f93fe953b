//! Tables over what people write: what wins, and how each mistake is told.

use std::collections::BTreeMap;
use std::io::Write;

use super::*;
use crate::edge::secret::Secret;

fn load_text(text: &str, environment: &[(&str, &str)], set: &[&str]) -> Result<Loaded, Failure> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    load(&Inputs {
        file: Some(file.path().to_path_buf()),
        environment: environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        set: set.iter().map(|set| (*set).to_owned()).collect(),
    })
}

#[test]
fn the_defaults_are_the_rulebooks() {
    let loaded = load(&Inputs::default()).expect("defaults");
    assert_eq!(loaded.config.settings, Settings::default());
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.engine.clock, ClockSource::Wall);
    assert_eq!(loaded.config.kafka.topic_prefix, "dockside.");
}

#[test]
fn later_layers_win() {
    let text = "[kafka]\ngroup_id = \"file\"\ntopic_prefix = \"file.\"\ninstance = \"file\"\n[engine]\nepoch_ms = 7\n";
    let environment = [
        ("DOCKSIDE_GROUP_ID", "env"),
        ("DOCKSIDE_KAFKA_TOPIC_PREFIX", "env."),
        ("DOCKSIDE_ENGINE_WORKERS", "3"),
    ];
    let set = ["kafka.group_id=set", "kafka.consumer.properties.fetch.min.bytes=5"];
    let config = load_text(text, &environment, &set).expect("good").config;
    assert_eq!(config.kafka.group_id, "set");
    assert_eq!(config.kafka.topic_prefix, "env.");
    assert_eq!(config.kafka.instance, "file");
    assert_eq!(config.engine.epoch_ms, 7);
    assert_eq!(config.engine.workers, 3);
    assert_eq!(config.kafka.consumer_properties.get("fetch.min.bytes").map(Secret::expose), Some("5"));
}

#[test]
fn dotted_properties_are_read_however_they_are_quoted() {
    let text = "[kafka.properties]\n\"security.protocol\" = \"SSL\"\nsasl.username = \"me\"\n[kafka.producer.properties]\nlinger.ms = 5\n";
    let config = load_text(text, &[], &[]).expect("good").config;
    assert_eq!(config.kafka.properties.get("security.protocol").map(Secret::expose), Some("SSL"));
    assert_eq!(config.kafka.properties.get("sasl.username").map(Secret::expose), Some("me"));
    assert_eq!(config.kafka.producer_properties.get("linger.ms").map(Secret::expose), Some("5"));
}

#[test]
fn secrets_do_not_show() {
    let text = "[kafka.properties]\n\"sasl.password\" = \"${HUSH}\"\n\"ssl.key.password\" = \"clear-hush\"\n";
    let config = load_text(text, &[("HUSH", "env-hush")], &[]).expect("good").config;
    assert_eq!(config.kafka.properties.get("sasl.password").map(Secret::expose), Some("env-hush"));
    let shown = format!("{config:?}");
    assert!(!shown.contains("hush"), "{shown}");
}

/// Each mistake: the text, the code, the line and column, and words that must be told.
#[test]
fn mistakes_are_pointed_at() {
    type Case = (&'static str, &'static str, (usize, usize), &'static [&'static str]);
    #[rustfmt::skip]
    let cases: &[Case] = &[
        ("[engine]\nepoch_record_max = 5\n", "E0103", (2, 1), &["unknown key `epoch_record_max`", "not a key of [engine]", "did you mean `epoch_records_max`?"]),
        ("[engin]\nworkers = 5\n", "E0103", (1, 2), &["unknown section `engin`", "did you mean `engine`?"]),
        ("[kafka]\nepoch_ms = 5\n", "E0103", (2, 1), &["`epoch_ms` is a key of [engine]"]),
        ("[engine]\nepoch_ms = \"5\"\n", "E0104", (2, 12), &["expected a whole number", "text in quotes"]),
        ("[engine]\nepoch_ms = 5.5\n", "E0104", (2, 12), &["expected a whole number", "float"]),
        ("[engine]\nepoch_ms = 0\n", "E0105", (2, 12), &["cannot be 0", "expected 1 to 10000"]),
        ("[engine]\nclock = \"imput\"\n", "E0105", (2, 9), &["did you mean \"input\"?"]),
        ("[kafka]\nbootstrap_servers = [\"a:9092\"]\n", "E0104", (2, 21), &["array"]),
        ("[kafka]\nbootstrap_servers = \"http://a:9092\"\n", "E0105", (2, 21), &["host:port"]),
        ("[kafka]\ngroup_id = \"a\n", "E0102", (2, 14), &["this is not TOML"]),
        ("[kafka]\ngroup_id = \"a\"\ngroup_id = \"b\"\n", "E0102", (3, 1), &["duplicate key"]),
        ("kafka = 5\n", "E0103", (1, 1), &["unknown section `kafka`"]),
        ("[kafka.properties]\n\"transactional.id\" = \"a\"\n", "E0107", (2, 1), &["`transactional.id` cannot be set"]),
        ("[kafka.properties]\n\"sasl.jaas.config\" = \"a\"\n", "E0107", (2, 1), &["Java", "`sasl.username` and `sasl.password`"]),
        ("[kafka.consumer.properties]\n\"fetch.mim.bytes\" = 5\n", "E0107", (2, 1), &["knows no property `fetch.mim.bytes`"]),
        ("[kafka.consumer.properties]\n\"fetch.min.byte\" = 5\n", "E0107", (2, 1), &["did you mean `fetch.min.bytes`?"]),
        ("[kafka.producer.properties]\n\"linger.ms\" = \"soon\"\n", "E0107", (2, 15), &["`linger.ms` cannot have this value", "the client says: Invalid value for"]),
        ("[kafka.producer.properties]\n\"linger.ms\" = 10000000\n", "E0107", (2, 15), &["outside allowed range"]),
        ("[kafka.properties]\n\"enable.auto.commit\" = true\n", "E0107", (2, 24), &["can only be `false`: positions are committed", "leave it out"]),
        ("[kafka.consumer.properties]\n\"isolation.level\" = \"read_uncommitted\"\n", "E0107", (2, 21), &["can only be `read_committed`"]),
        ("[kafka.consumer.properties]\n\"partition.assignment.strategy\" = \"roundrobin\"\n", "E0107", (2, 35), &["one owner"]),
        ("[kafka.consumer.properties]\n\"group.protocol\" = \"consumer\"\n", "E0107", (2, 20), &["`classic`"]),
        ("[kafka.producer.properties]\n\"enable.idempotence\" = false\n", "E0107", (2, 24), &["can only be `true`"]),
        ("[kafka.producer.properties]\n\"acks\" = 1\n", "E0107", (2, 10), &["every replica in sync"]),
        ("[kafka.producer.properties]\n\"partitioner\" = \"murmur2\"\n", "E0107", (2, 1), &["explicit partition"]),
        ("[kafka.properties]\n\"ssl.truststore.location\" = \"a.jks\"\n", "E0107", (2, 1), &["Java", "`ssl.ca.location`"]),
        ("[kafka.consumer.properties]\n\"max.poll.records\" = 500\n", "E0107", (2, 1), &["`engine.epoch_records_max`"]),
        ("[kafka.properties]\n\"send.buffer.bytes\" = 1\n\"socket.send.buffer.bytes\" = 2\n", "E0107", (2, 1), &["Java's name of `socket.send.buffer.bytes`"]),
        ("[kafka]\nreplication = 1\nmin_insync_replicas = 2\n", "E0105", (3, 23), &["nothing could be written", "at most 1"]),
        ("[retention]\nscan_days = 2\n", "E0103", (2, 1), &["did you mean `scans_days`?"]),
        ("[kafka.properties]\n\"sasl.password\" = \"${NOT_SET}\"\n", "E0106", (2, 19), &["$NOT_SET is not set"]),
        ("[fcs]\nfile = \"/does/not/exist\"\n", "E0110", (2, 8), &["cannot read the FC file"]),
    ];
    for (text, code, at, words) in cases {
        let failure = load_text(text, &[], &[]).expect_err(text);
        assert_eq!(failure.exit, Exit::Config);
        assert_eq!(failure.problems.len(), 1, "{text}: {:#?}", failure.problems);
        let problem = &failure.problems[0];
        assert_eq!(problem.code, *code, "{text}");
        assert_eq!(problem.place.as_ref().map(|place| place.line_column()), Some(*at), "{text}");
        let told = format!("{:?}", problem);
        let rendered = problem.render(false);
        for word in *words {
            let escaped = word.replace('"', "\\\"");
            assert!(told.contains(&escaped), "{word} is not in {told}\n{rendered}");
        }
    }
}

#[test]
fn javas_names_are_translated() {
    let text = "[kafka.consumer.properties]\n\"fetch.max.wait.ms\" = 5\n\"receive.buffer.bytes\" = 65536\n";
    let properties = load_text(text, &[], &[]).expect("good").config.kafka.consumer_properties;
    let read: Vec<(&str, &str)> = properties.iter().map(|(name, value)| (name, value.expose())).collect();
    assert_eq!(read, [("fetch.wait.max.ms", "5"), ("socket.receive.buffer.bytes", "65536")]);
}

/// Each warning: the text, the code, the line and column, and words that must be told.
#[test]
fn what_is_unsafe_is_a_warning() {
    #[rustfmt::skip]
    let cases = [
        ("[kafka.consumer.properties]\n\"check.crcs\" = false\n", "E0108", (2, 16), "damage"),
        ("[kafka.properties]\n\"enable.ssl.certificate.verification\" = false\n", "E0108", (2, 41), "pose as the broker"),
        ("[kafka.properties]\n\"ssl.endpoint.identification.algorithm\" = \"none\"\n", "E0108", (2, 43), "pose as the broker"),
        ("[kafka.producer.properties]\n\"transaction.timeout.ms\" = 1800000\n", "E0108", (2, 28), "transaction.max.timeout.ms"),
        ("[kafka.consumer.properties]\n\"session.timeout.ms\" = 2000\n", "E0108", (2, 24), "group.min.session.timeout.ms"),
        ("[kafka.properties]\n\"sasl.password\" = \"told-to-all\"\n", "E0111", (2, 1), "`sasl.password` stands in the configuration"),
    ];
    for (text, code, at, word) in cases {
        let warnings = load_text(text, &[], &[]).expect(text).warnings;
        assert_eq!(warnings.len(), 1, "{text}: {warnings:?}");
        let place = warnings[0].place.as_ref().expect("a place");
        assert_eq!((warnings[0].code, place.line_column()), (code, at), "{text}");
        assert!(warnings[0].what.contains(word), "{text}: {}", warnings[0].what);
    }
}

#[test]
fn what_the_client_says_of_all_properties_has_a_line() {
    let text = "[kafka.properties]\n\"security.protocol\" = \"plaintext\"\n\"session.timeout.ms\" = 400000\n";
    let objections = load_text(text, &[], &[]).expect("each is good").objections();
    assert_eq!(objections.len(), 1, "{objections:?}");
    let at = objections[0].place.as_ref().map(|place| place.line_column());
    assert_eq!((objections[0].code, at), ("E0107", Some((3, 1))));
    assert_eq!(load_text("", &[], &[]).expect("good").objections(), []);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "[engine]\nepoch_mz = 5\nclock = 3\n[rules]\npark_days = 0\n[kafka]\nreplication = true\n";
    let failure = load_text(
        text,
        &[("DOCKSIDE_WORKERS", "1"), ("DOCKSIDE_ENGINE_PARTITIONS", "many")],
        &["rules.park=1", "x"],
    )
    .expect_err("wrong");
    let codes: Vec<&str> = failure.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["E0103", "E0104", "E0103", "E0105", "E0104", "E0104", "E0105"]);
}

#[test]
fn a_missing_file_is_told() {
    let inputs =
        Inputs { file: Some("/does/not/exist.toml".into()), environment: BTreeMap::new(), set: vec![] };
    let failure = load(&inputs).expect_err("no file");
    assert_eq!((failure.exit, failure.problems[0].code), (Exit::Config, "E0101"));
}
