//! A large state is read back: from Kafka, and from local copies.
//!
//! By default a sample of some thousand boxes. `DOCKSIDE_RESTORE_BOXES=10000000 cargo test --release --test main --
//! kafka::restore --nocapture` prints the figures of ten million.

use std::fmt::Write;
use std::time::{Duration, Instant};

use dockside::edge::kafka::KafkaBroker;
use dockside::engine::log::{Broker, Outbox};
use dockside::model::{Partition, Timestamp, Topic, partition_of};

use super::world::{PARTITIONS, crew, drain};
use super::{created, opened};
use crate::agreement::run::tick_outbox;

const BOXES_PER_SHIPMENT: u64 = 200;
const CREATED: Timestamp = Timestamp(1_793_545_200_000);

/// Creates a shipment, and registers a number for each of its boxes.
fn commands(shipment: u64, outbox: &mut Outbox) {
    let id = format!("FBA{shipment:09}");
    let (mut boxes, mut items) = (String::new(), String::new());
    for number in 0..BOXES_PER_SHIPMENT {
        let comma = if number == 0 { "" } else { "," };
        write!(boxes, r#"{comma}{{"box_id":"{id}U{number:06}","units":1,"weight_g":1000}}"#).expect("text");
        let tracking = shipment * BOXES_PER_SHIPMENT + number;
        write!(items, r#"{comma}{{"box_id":"{id}U{number:06}","tracking_id":"PARCEL{tracking:012}"}}"#)
            .expect("text");
    }
    let window = r#"{"start":"2026-11-04T06:00:00Z","end":"2026-11-07T06:00:00Z"}"#;
    let create = format!(
        r#"{{"command_id":"a","type":"create_shipment","shipment_id":"{id}","account":"A1","fc":"ICT2","mode":"SPD","carrier":"OTHER","carrier_name":"Local Parcels","boxes":[{boxes}],"delivery_window":{window}}}"#
    );
    let register =
        format!(r#"{{"command_id":"b","type":"set_tracking","shipment_id":"{id}","items":[{items}]}}"#);
    let partition = Partition(partition_of(id.as_bytes(), PARTITIONS));
    for value in [create, register] {
        let (key, value) = (Some(id.as_bytes()), Some(value.as_bytes()));
        outbox.push(Topic::Commands, partition, CREATED, key, value, &[]);
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "figures stand beside the test's outcome")]
#[expect(
    clippy::disallowed_methods,
    reason = "how long it takes is what the long form is for; nothing depends on it"
)]
fn a_large_state_is_read_back() {
    let boxes: u64 =
        std::env::var("DOCKSIDE_RESTORE_BOXES").map_or(4_000, |text| text.parse().expect("a number"));
    let Some(mut config) = created("restore", PARTITIONS) else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let broker = opened(&config);
    let hands = crew(&broker, 2);
    for shipment in 0..boxes / BOXES_PER_SHIPMENT {
        let mut outbox = Outbox::default();
        commands(shipment, &mut outbox);
        broker.append(&outbox).expect("a reachable broker");
        if shipment % 500 == 499 {
            drain(&hands, &broker);
        }
    }
    broker.append(&tick_outbox(Timestamp(CREATED.0 + 600_000), PARTITIONS)).expect("a reachable broker");
    drain(&hands, &broker);
    hands.stop().expect("a clean stop");

    // The first process with a directory reads from Kafka and fills it; the second reads it.
    config.snapshot_dir = Some(dir.path().to_path_buf());
    for source in ["Kafka", "local copies"] {
        let broker: KafkaBroker = opened(&config);
        let began = Instant::now();
        let hands = crew(&broker, 2);
        drain(&hands, &broker);
        let took = began.elapsed();
        assert!((broker.signs().restoring().share() - 1.0).abs() < f64::EPSILON);
        assert_eq!(broker.signs().restoring().left(), Some(Duration::ZERO));
        let per_second = 2.0 * boxes as f64 / took.as_secs_f64();
        eprintln!("{boxes} boxes (as many numbers) from {source}: {took:.1?}, {per_second:.0} keys/s");
        hands.stop().expect("a clean stop");
    }
    let copied: u64 = (0..PARTITIONS)
        .flat_map(|p| std::fs::read_dir(dir.path().join(format!("state-{p}"))).expect("a copy"))
        .map(|entry| entry.and_then(|entry| entry.metadata()).expect("a segment").len())
        .sum();
    assert!(copied > boxes * 40, "{copied} bytes of copies");
}
