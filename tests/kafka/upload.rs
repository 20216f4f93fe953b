//! `upload` to a service on Kafka: rows in, results back, once and again.

use dockside::engine::log::{Broker, Outbox, Record};
use dockside::model::{Partition, Topic, partition_of};

use super::world::{crew, drain};
use super::{created, opened};
use crate::cli::{Ran, dockside};
use crate::rules::story::lines;

const PARTITIONS: u32 = 2;

/// Row and outcome.
fn outcomes(ran: &Ran) -> Vec<String> {
    let told = ran.json_lines().into_iter();
    told.map(|row| format!("{} {}", row["row"], row["outcome"].as_str().unwrap_or_default())).collect()
}

#[test]
fn rows_are_answered_by_a_service_on_kafka() {
    let Some(config) = created("upload", PARTITIONS) else { return };
    let broker = opened(&config);
    let hands = crew(&broker, 1);
    let mut outbox = Outbox::default();
    for line in lines("11-01T00:00 create in=FBA1; 11-01T00:00 create in=FBA2") {
        let key = line.key.as_deref().expect("a command has a key");
        let partition = Partition(partition_of(key, PARTITIONS));
        outbox.push(Topic::Commands, partition, line.timestamp, Some(key), line.value.as_deref(), &[]);
    }
    broker.append(&outbox).expect("a reachable broker");
    drain(&hands, &broker);

    let settings = [
        format!("kafka.bootstrap_servers={}", config.bootstrap_servers),
        format!("kafka.topic_prefix={}", config.topic_prefix),
        format!("kafka.group_id={}", config.group_id),
    ];
    let mut args = vec!["upload", "--format", "ndjson"];
    args.extend(settings.iter().flat_map(|setting| ["--set", setting.as_str()]));
    let table = "shipment_id,box_id,tracking_id\nFBA1,B1,1Z5R89390357567127\nFBA2,B1,1Z999AA10123456784\n\
                 FBA2,B2,1Z999AA10123456785\nFBA9,B1,1Z12345E0205271688\n";
    let wanted = ["2 ACCEPTED", "3 ACCEPTED", "4 REJECTED", "5 REJECTED"];
    let results = || {
        let mut count = 0;
        for partition in 0..PARTITIONS {
            let sink = &mut |_: Record<'_>| count += 1;
            broker.read(Topic::CommandResults, Partition(partition), 0, 1_000, sink).expect("results");
        }
        count
    };
    for _again in 0..2 {
        let dry = dockside(&[&args[..], &["--dry-run", "-"]].concat(), table);
        assert_eq!(dry.code, 1, "{}{}", dry.stdout, dry.stderr);
        let ran = dockside(&[&args[..], &["-"]].concat(), table);
        assert_eq!((ran.code, outcomes(&ran)), (1, wanted.map(str::to_owned).to_vec()), "{}", ran.stderr);
    }
    drain(&hands, &broker);
    assert!(results() > 8, "every command is answered, repeats too");
    let counters = hands.stop().expect("a clean stop");
    assert_eq!(counters.bad_commands, 0);
}
