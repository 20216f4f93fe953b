//! Lookups over Kafka: whoever is asked, the owner answers, and also while the brokers do not.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Command;

use dockside::edge::feeder::Feeder;
use dockside::edge::kafka::{KafkaBroker, KafkaConfig, create_topics};
use dockside::engine::log::{Broker, Record};
use dockside::model::{Partition, Topic};
use dockside::workload::{Messages, World, WorldConfig};
use serde_json::Value;

use super::cluster::{Listener, lent};
use super::{created, opened};
use crate::http::Served;

const PARTITIONS: u32 = 4;

/// `run` on these topics, as one instance with one worker.
pub(super) fn started(config: &KafkaConfig, instance: &str) -> Served {
    started_with(config, instance, &[])
}

/// The same, with further settings.
pub(super) fn started_with(config: &KafkaConfig, instance: &str, further: &[&str]) -> Served {
    let args = arguments(config, instance, further);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    Served::start(&[("DOCKSIDE_HTTP_TOKEN", "among-us")], &args)
}

fn arguments(config: &KafkaConfig, instance: &str, further: &[&str]) -> Vec<String> {
    let settings = [
        format!("kafka.bootstrap_servers={}", config.bootstrap_servers),
        format!("kafka.topic_prefix={}", config.topic_prefix),
        format!("kafka.group_id={}", config.group_id),
        format!("kafka.instance={instance}"),
        "kafka.replication=1".to_owned(),
        "engine.clock=input".to_owned(),
        "engine.workers=1".to_owned(),
        "http.listen=127.0.0.1:0".to_owned(),
    ];
    let settings = settings.into_iter().chain(further.iter().map(|setting| (*setting).to_owned()));
    settings.flat_map(|setting| ["--set".to_owned(), setting]).collect()
}

fn feed(broker: &KafkaBroker, seed: u64) {
    let partitions = broker.partitions();
    let mut world = World::new(WorldConfig { partitions, ..WorldConfig::new(seed, 300) });
    let (mut messages, mut feeder) = (Messages::default(), Feeder::default());
    while let Some(phase) = world.next_phase(&mut messages) {
        feeder.phase(broker, &messages, |_| {}).expect("a reachable broker");
        feeder.close(broker, phase.tick).expect("a reachable broker");
        messages.clear();
    }
}

/// The shipments that were published, with their partitions.
fn shipments(broker: &KafkaBroker) -> BTreeSet<(u32, String)> {
    let mut known = BTreeSet::new();
    for partition in 0..broker.partitions() {
        let sink = &mut |record: Record<'_>| {
            let key = String::from_utf8_lossy(record.key.expect("a key")).into_owned();
            known.extend((!key.contains('|')).then_some((partition, key)));
        };
        broker.read(Topic::Shipments, Partition(partition), 0, 10_000, sink).expect("records");
    }
    known
}

#[test]
fn a_lookup_at_the_wrong_instance_is_answered_by_the_owner() {
    let Some(config) = created("lookups", PARTITIONS) else { return };
    let broker = opened(&config);
    let instances = ["lookups-a", "lookups-b"].map(|name| started(&config, name));

    feed(&broker, 9);
    for instance in &instances {
        instance.until(|instance| {
            let (status, body) = instance.get("/readyz");
            (status == 200 && body["partitions"] == PARTITIONS / 2).then_some(())
        });
    }

    let shipments = instances[0].until(|_| {
        let known = shipments(&broker);
        let partitions: BTreeSet<u32> = known.iter().map(|(partition, _)| *partition).collect();
        (partitions.len() == PARTITIONS as usize).then_some(known)
    });
    let token = ("Authorization", "Bearer among-us");
    let own = [("Host", "localhost"), token];
    let passed_on = [("Host", "localhost"), token, ("x-dockside-forwarded", "1")];
    for partition in 0..PARTITIONS {
        let (_, id) = shipments.iter().find(|(of, _)| *of == partition).expect("one of each partition");
        let path = format!("/api/v1/shipments/{id}");
        // The same answer at both, once both have seen the end of the feed and who owns what.
        instances[0].until(|_| {
            let [(here, a), (there, b)] = instances.each_ref().map(|instance| instance.get_with(&path, &own));
            (here == 200 && there == 200 && a["pages"] == b["pages"]).then(|| {
                assert_eq!(a["shipment_id"], Value::from(id.as_str()));
            })
        });
        // What was passed on once is not passed on again: only the owner answers.
        let mut statuses = instances.each_ref().map(|instance| instance.get_with(&path, &passed_on).0);
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 503], "{path}");
        let without_token = instances.each_ref().map(|instance| instance.get(&path).0);
        assert_eq!(without_token, [401, 401]);
    }
}

#[test]
fn without_brokers_it_is_not_ready_and_still_answers() {
    let Some(mut cluster) = lent() else { return };
    let config = KafkaConfig {
        bootstrap_servers: cluster.servers(Listener::Plain),
        topic_prefix: "outage.".to_owned(),
        group_id: "outage".to_owned(),
        partitions: 2,
        retention: super::FOREVER,
        ..KafkaConfig::default()
    };
    create_topics(&config).expect("topics that are not there yet");
    let broker = opened(&config);
    feed(&broker, 10);
    let instance = started(&config, "outage-a");
    instance.until(|instance| (instance.get("/readyz").0 == 200).then_some(()));
    let (_, id) = instance.until(|_| shipments(&broker).pop_first());
    let ask = |instance: &Served| {
        let headers = [("Host", "localhost"), ("Authorization", "Bearer among-us")];
        instance.get_with(&format!("/api/v1/shipments/{id}"), &headers)
    };
    // Nothing is under way when the broker goes silent. (The lag that the instance tells goes by where the lanes ended at
    // its last look: hops that it has written since are not in it.)
    instance.until(|_| broker.is_caught_up().expect("a reachable broker").then_some(()));
    let (status, before) = ask(&instance);
    assert_eq!(status, 200, "{before}");

    cluster.pause(1);
    let unready = instance.sought(|instance| {
        let (status, body) = instance.get("/readyz");
        (status == 503).then_some(body)
    });
    let (live, (status, meanwhile)) = (instance.get("/livez").0, ask(&instance));
    cluster.resume(1);

    let reasons = unready.expect("it notices")["reasons"].to_string();
    assert!(reasons.contains("the log has not answered"), "{reasons}");
    assert_eq!((live, status), (200, 200), "{meanwhile}");
    assert!(meanwhile["age_ms"].as_u64() > before["age_ms"].as_u64(), "{meanwhile}");
    instance.until(|instance| (instance.get("/readyz").0 == 200).then_some(()));
    let (status, after) = ask(&instance);
    assert_eq!((status, &after["pages"]), (200, &meanwhile["pages"]), "{after}");
}

#[test]
fn a_log_that_nobody_reads_holds_up_nobody() {
    let Some(config) = created("unheard", 1) else { return };
    let broker = opened(&config);
    let mut talkative = tempfile::NamedTempFile::new().expect("a file");
    talkative.write_all(b"[kafka.properties]\ndebug = \"all\"\n").expect("written");
    let mut args = arguments(&config, "unheard", &[]);
    args.extend(["--config".to_owned(), talkative.path().to_str().expect("UTF-8").to_owned()]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dockside"));
    let mut served = Served::start_by(command.env_clear(), &[("DOCKSIDE_LOG", "debug")], &args);
    feed(&broker, 4);
    served.until(|_| broker.is_caught_up().expect("a reachable broker").then_some(()));
    assert_eq!(served.get("/readyz").0, 200);
    let heard = served.listen();
    served.terminate();
    assert_eq!(served.exit_code(), Some(0));
    let heard = heard.join().expect("a reader");
    assert!(heard > 2 * 64 * 1024, "more than a pipe takes was said: {heard} bytes");
}
