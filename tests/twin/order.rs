//! R17, for the twin itself: inside a phase neither the order of scans nor repetition matters.
//!
//! Enters: random phases of scans between the commands of two shipments. Leaves: equal documents. Always true: the
//! commands and ticks stay where they are.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::script::*;
use super::{Input, first_difference};

const MILESTONES: [&str; 16] = [
    "LABEL_CREATED",
    "PICKED_UP",
    "IN_TRANSIT",
    "AT_DESTINATION",
    "OUT_FOR_DELIVERY",
    "ARRIVED_AT_FC",
    "PARTIALLY_DELIVERED",
    "DELIVERED",
    "DELIVERED",
    "RETURN_STARTED",
    "RETURNED",
    "LOST",
    "DESTROYED",
    "DAMAGED",
    "REFUSED",
    "ETA",
];

fn any_scan() -> impl Strategy<Value = Input> {
    (0..4_usize, 0..MILESTONES.len(), 0..120_i64, 0..3_usize, 0..12_u8, 0..12_u8).prop_map(
        |(number, milestone, hour, place, id, retracts)| {
            let event_time = time("10-30T00:00").plus_ms(hour * 3 * 3_600_000);
            let fc = [Value::Null, "ICT2".into(), "ONT8".into()][place].clone();
            let retracts = if retracts < 2 { json!([format!("id{id}")]) } else { json!([]) };
            let scan_id = if id < 6 { format!("id{id}").into() } else { Value::Null };
            let fields = json!({"event_time": event_time.to_string(), "location": {"fc": fc}, "retracts": retracts, "scan_id": scan_id,
                "eta": (hour % 5 == 0).then(|| event_time.plus_ms(86_400_000).to_string())});
            late("11-12T00:00", scan("11-01T00:00", N[number], MILESTONES[milestone], fields))
        },
    )
}

/// Phases of scans, and for each the same scans in another order with some repeated.
fn any_phases() -> impl Strategy<Value = Vec<(Vec<Input>, Vec<Input>)>> {
    let phase = prop::collection::vec(any_scan(), 0..12).prop_flat_map(|scans| {
        let mut repeated = scans.clone();
        repeated.extend(scans.iter().step_by(3).cloned());
        (Just(scans), Just(repeated).prop_shuffle())
    });
    prop::collection::vec(phase, 4)
}

fn world(phases: [&[Input]; 4]) -> Vec<Input> {
    let second = |fields: Value, kind: &str, at: &str| {
        let mut all = json!({"shipment_id": "T", "command_id": format!("T{kind}")});
        all.as_object_mut().expect("fields").extend(fields.as_object().expect("fields").clone());
        command(at, kind, all)
    };
    let mut script = vec![
        create("11-01T00:00", json!({})),
        confirm("11-01T01:00"),
        track("11-01T02:00", &[("B1", N[0].into())]),
    ];
    script.extend_from_slice(phases[0]);
    script.push(tick("11-04T00:00"));
    script.push(track("11-04T01:00", &[("B2", N[1].into())]));
    script.extend_from_slice(phases[1]);
    script.push(tick("11-06T00:00"));
    let boxes = json!({"account": "A", "fc": "ONT8", "mode": "SPD", "carrier": "UPS", "boxes": [parcel("B")],
        "delivery_window": {"start": long("11-07T00:00"), "end": long("11-09T00:00")}});
    script.push(second(boxes, "create_shipment", "11-06T01:00"));
    script.push(second(
        json!({"items": [{"box_id": "B", "tracking_id": N[0]}]}),
        "set_tracking",
        "11-06T02:00",
    ));
    script.push(second(json!({}), "confirm_ready", "11-06T03:00"));
    script.extend_from_slice(phases[2]);
    script.push(tick("11-12T00:00"));
    script.push(track("11-12T01:00", &[("B1", N[2].into())]));
    script.push(command("11-12T02:00", "report_receiving", json!({"stage": "CHECKED_IN"})));
    script.extend_from_slice(phases[3]);
    script.push(tick("11-20T00:00"));
    script
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r17_order_and_repetition_do_not_matter(phases in any_phases()) {
        let [a, b, c, d] = &phases[..] else { unreachable!("four phases") };
        let plain = play(world([&a.0, &b.0, &c.0, &d.0])).result;
        let shuffled = play(world([&a.1, &b.1, &c.1, &d.1])).result;
        let difference = first_difference(&plain.documents, &shuffled.documents).map(|d| d.to_string());
        prop_assert_eq!(difference, None);
        prop_assert_eq!(&plain.outcomes, &shuffled.outcomes);
    }
}
