//! Two instances of the service: whoever is asked, the owner answers.

use std::collections::BTreeSet;

use dockside::edge::feeder::Feeder;
use dockside::engine::log::{Broker, Record};
use dockside::model::{Partition, Topic};
use dockside::workload::{Messages, World, WorldConfig};
use serde_json::Value;

use super::{created, opened};
use crate::http::Served;

const PARTITIONS: u32 = 4;

#[test]
fn a_lookup_at_the_wrong_instance_is_answered_by_the_owner() {
    let Some(config) = created("lookups", PARTITIONS) else { return };
    let broker = opened(&config);
    let start = |instance: &str| {
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
        let args: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        Served::start(&[("DOCKSIDE_HTTP_TOKEN", "among-us")], &args)
    };
    let instances = [start("lookups-a"), start("lookups-b")];

    let mut world = World::new(WorldConfig { partitions: PARTITIONS, ..WorldConfig::new(9, 300) });
    let (mut messages, mut feeder) = (Messages::default(), Feeder::default());
    while let Some(phase) = world.next_phase(&mut messages) {
        feeder.phase(&broker, &messages, |_| {}).expect("a reachable broker");
        feeder.close(&broker, phase.tick).expect("a reachable broker");
        messages.clear();
    }
    for instance in &instances {
        instance.until(|instance| {
            let (status, body) = instance.get("/readyz");
            (status == 200 && body["partitions"] == PARTITIONS / 2).then_some(())
        });
    }

    let shipments = instances[0].until(|_| {
        let mut known = BTreeSet::new();
        for partition in 0..PARTITIONS {
            let sink = &mut |record: Record<'_>| {
                let key = String::from_utf8_lossy(record.key.expect("a key")).into_owned();
                known.extend((!key.contains('|')).then_some((partition, key)));
            };
            broker.read(Topic::Shipments, Partition(partition), 0, 10_000, sink).expect("records");
        }
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
