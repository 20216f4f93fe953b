//! Tables over what people write: what wins, and how each mistake is told.

use std::collections::BTreeMap;
use std::io::Write;

use super::*;

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
    assert_eq!(config.kafka.consumer_properties["fetch.min.bytes"].expose(), "5");
}

#[test]
fn dotted_properties_are_read_however_they_are_quoted() {
    let text = "[kafka.properties]\n\"security.protocol\" = \"SSL\"\nsasl.username = \"me\"\n[kafka.producer.properties]\nlinger.ms = 5\n";
    let config = load_text(text, &[], &[]).expect("good").config;
    assert_eq!(config.kafka.properties["security.protocol"].expose(), "SSL");
    assert_eq!(config.kafka.properties["sasl.username"].expose(), "me");
    assert_eq!(config.kafka.producer_properties["linger.ms"].expose(), "5");
}

#[test]
fn secrets_do_not_show() {
    let text = "[kafka.properties]\n\"sasl.password\" = \"${HUSH}\"\n\"ssl.key.password\" = \"clear-hush\"\n";
    let config = load_text(text, &[("HUSH", "env-hush")], &[]).expect("good").config;
    assert_eq!(config.kafka.properties["sasl.password"].expose(), "env-hush");
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
        ("[kafka.producer.properties]\n\"linger.ms\" = \"soon\"\n", "E0107", (2, 1), &["linger.ms"]),
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
