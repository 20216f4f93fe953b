//! Arrivals are conserved (§4.4): nothing is counted twice, and nothing gets lost on the way between partitions.
//!
//! Enters: the log after each commit of a run. Leaves: nothing, or the first commit at which it does not add up. Always true:
//! a plan line and the subtotal that tells the ledger of it are committed together, so that what the shipments' partitions
//! told last is at each commit what plan lines have open; and once the lanes are drained, arrivals are what was told.

use std::collections::BTreeMap;

use dockside::engine::log::{Broker, Faults, Sim};
use dockside::model::{Partition, Topic};
use dockside::stations::{ArrivalKey, Hop, Subtotal, read_hops};
use dockside::workload::World;
use serde_json::Value;

use super::odd::{odd_settings, odd_world};
use super::run::{Packing, Phases, run_watched};
use super::{is_odd, seeds, settings_of, world};

/// Totals over all FCs, days and modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    boxes: i64,
    units: i64,
    weight_g: i64,
    /// `REGISTERED`, `IN_TRANSIT`, `NEAR`, `AT_FC`, `DELIVERED`.
    bands: [i64; 5],
}

impl Totals {
    fn add(&mut self, other: &Totals) {
        self.boxes += other.boxes;
        self.units += other.units;
        self.weight_g += other.weight_g;
        for (mine, theirs) in self.bands.iter_mut().zip(other.bands) {
            *mine += theirs;
        }
    }

    /// What a plan line has open: its boxes, but those that are withdrawn, until it is checked in.
    fn open(line: &Value) -> Totals {
        let is_open = ["READY_TO_SHIP", "SHIPPED", "IN_TRANSIT", "DELIVERED"]
            .contains(&line["status"].as_str().expect("a status"));
        if !is_open {
            return Totals::default();
        }
        let mut bands = [0; 5];
        for (milestone, boxes) in line["boxes"]["by_milestone"].as_object().expect("an object") {
            let band = match milestone.as_str() {
                "NONE" | "LABEL_CREATED" => 0,
                "PICKED_UP" | "IN_TRANSIT" => 1,
                "AT_DESTINATION" | "OUT_FOR_DELIVERY" => 2,
                "ARRIVED_AT_FC" | "PARTIALLY_DELIVERED" => 3,
                "DELIVERED" => 4,
                "RETURN_STARTED" | "RETURNED" | "LOST" | "DESTROYED" => continue,
                other => panic!("{other} is no milestone"),
            };
            bands[band] += boxes.as_i64().expect("a count");
        }
        let count = |field: &str| line[field].as_i64().expect("a count");
        Totals { boxes: bands.iter().sum(), units: count("units"), weight_g: count("weight_g"), bands }
    }

    fn told(subtotal: &Subtotal) -> Totals {
        let bands = &subtotal.bands;
        Totals {
            boxes: subtotal.boxes,
            units: subtotal.units,
            weight_g: subtotal.weight_g,
            bands: [bands.registered, bands.in_transit, bands.near, bands.at_fc, bands.delivered],
        }
    }

    fn arriving(document: &Value) -> Totals {
        let count = |path: &str| document.pointer(path).and_then(Value::as_i64).expect("a count");
        let bands = ["REGISTERED", "IN_TRANSIT", "NEAR", "AT_FC", "DELIVERED"];
        Totals {
            boxes: count("/boxes"),
            units: count("/units"),
            weight_g: count("/weight_g"),
            bands: bands.map(|band| count(&format!("/by_band/{band}"))),
        }
    }
}

/// A reader of the log that goes on where it stopped.
#[derive(Default)]
struct Ledger {
    read: BTreeMap<(Topic, Partition), u64>,
    lines: BTreeMap<String, Totals>,
    told: BTreeMap<(Partition, ArrivalKey), Totals>,
    arrivals: BTreeMap<String, Totals>,
}

impl Ledger {
    fn catch_up(&mut self, log: &Sim, partitions: u32) {
        for partition in (0..partitions).map(Partition) {
            for topic in [Topic::ReceivingPlan, Topic::Hops, Topic::Arrivals] {
                let from = self.read.get(&(topic, partition)).copied().unwrap_or_default();
                let (lines, told, arrivals) = (&mut self.lines, &mut self.told, &mut self.arrivals);
                let next = log.read(topic, partition, from, usize::MAX, &mut |record| {
                    if topic == Topic::Hops {
                        return read_hops(record.value.expect("hops have values"), |hop| {
                            if let Hop::Subtotal { from, key, total } = hop {
                                told.insert((from, key), Totals::told(&total));
                            }
                        });
                    }
                    let key = String::from_utf8(record.key.expect("a key").to_vec()).expect("UTF-8");
                    let (kept, totals): (_, fn(&Value) -> Totals) = match topic {
                        Topic::ReceivingPlan => (&mut *lines, Totals::open),
                        _ => (&mut *arrivals, Totals::arriving),
                    };
                    match record.value {
                        Some(value) => {
                            kept.insert(key, totals(&serde_json::from_slice(value).expect("JSON")))
                        }
                        None => kept.remove(&key),
                    };
                });
                self.read.insert((topic, partition), next.expect("the log is in memory"));
            }
        }
    }
}

fn sum<'a>(totals: impl Iterator<Item = &'a Totals>) -> Totals {
    totals.fold(Totals::default(), |mut sum, totals| {
        sum.add(totals);
        sum
    })
}

#[test]
fn arrivals_and_what_is_on_its_way_to_them_are_the_open_boxes_at_every_commit() {
    let (mut on_the_way, mut open_boxes) = (0_u64, 0);
    for seed in seeds(7_000..7_060) {
        let (settings, phases) = if is_odd(seed) {
            (odd_settings(seed), odd_world(seed))
        } else {
            (settings_of(seed), Phases::of(World::new(world(seed))))
        };
        let packing = Packing::random(seed, 4);
        let mut ledger = Ledger::default();
        let mut commits = 0;
        let ran = run_watched(settings, &phases, &packing, Faults::default(), &mut |log| {
            ledger.catch_up(log, packing.partitions);
            let (open, told) = (sum(ledger.lines.values()), sum(ledger.told.values()));
            assert_eq!(open, told, "seed {seed}, commit {commits}: open (left), told to the ledger (right)");
            on_the_way += u64::from(told != sum(ledger.arrivals.values()));
            open_boxes += open.boxes;
            commits += 1;
        });
        ledger.catch_up(&ran.log, packing.partitions);
        let (told, arrivals) = (sum(ledger.told.values()), sum(ledger.arrivals.values()));
        assert_eq!(told, arrivals, "seed {seed}: at rest nothing is on its way");
    }
    assert!(
        on_the_way > 0 && open_boxes > 0,
        "{on_the_way} commits with something on its way, {open_boxes} boxes"
    );
}
