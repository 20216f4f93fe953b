//! The rules about status, as tables: a script, then fields of documents.

use dockside::model::Topic;
use serde_json::{Value, json};

use super::Input;
use super::script::*;

#[test]
fn r1_r2_r13_status() {
    let unconfirmed = || {
        let mut script = shipped();
        script.remove(1);
        script
    };
    let partial = || {
        vec![
            create("11-01T00:00", json!({})),
            confirm("11-01T01:00"),
            track("11-01T02:00", &[("B1", N[0].into())]),
        ]
    };
    let partnered = |more: Vec<Input>| {
        let tracking =
            json!({"items": [{"box_id": "B1", "tracking_id": N[0]}, {"box_id": "B2", "tracking_id": N[1]}]});
        let mut script = vec![
            create("11-01T00:00", json!({"partnered": true, "delivery_window": null, "tracking": tracking})),
            confirm("11-01T01:00"),
        ];
        script.extend(more);
        script
    };
    let report = |stage: &str| command("11-06T12:00", "report_receiving", json!({"stage": stage}));
    check(vec![
        (
            "working until confirmed",
            unconfirmed(),
            vec![("/status", "WORKING".into()), ("/status_since", t("11-01T00:00")), ("plan:", absent())],
        ),
        (
            "confirmed late",
            {
                let mut script = unconfirmed();
                script.push(confirm("11-02T00:00"));
                script
            },
            vec![("/status", "SHIPPED".into()), ("/status_since", t("11-02T00:00"))],
        ),
        (
            "R1: some tracked",
            partial(),
            vec![
                ("/status", "READY_TO_SHIP".into()),
                ("/status_since", t("11-01T01:00")),
                ("plan:/boxes/tracked", 1.into()),
            ],
        ),
        (
            "R1: a custody scan ships as well",
            {
                let mut script = partial();
                script.push(s("11-02T00:00", 0, "PICKED_UP"));
                script
            },
            vec![("/status", "SHIPPED".into()), ("/status_since", t("11-02T00:00"))],
        ),
        (
            "R1: a label does not",
            {
                let mut script = partial();
                script.push(s("11-02T00:00", 0, "LABEL_CREATED"));
                script
            },
            vec![("/status", "READY_TO_SHIP".into()), ("/boxes/0/milestone", "LABEL_CREATED".into())],
        ),
        (
            "R1: all tracked",
            shipped(),
            vec![
                ("/status", "SHIPPED".into()),
                ("/status_since", t("11-01T02:00")),
                ("/boxes/0/validation", "VALID".into()),
                ("/boxes/0/milestone", Value::Null),
                ("plan:/boxes/by_milestone", json!({"NONE": 2})),
            ],
        ),
        (
            "R13: shipped stays, when the numbers are gone",
            then([track("11-02T00:00", &[("B1", Value::Null), ("B2", Value::Null)])]),
            vec![
                ("/status", "SHIPPED".into()),
                ("/boxes/0/tracking_id", Value::Null),
                ("plan:/boxes/tracked", 0.into()),
            ],
        ),
        ("R2: ships by custody only", partnered(vec![]), vec![("/status", "READY_TO_SHIP".into())]),
        (
            "R2: custody",
            partnered(vec![s("11-02T00:00", 1, "PICKED_UP")]),
            vec![("/status", "SHIPPED".into())],
        ),
        (
            "R13: a command that is accepted while shipped fixes it",
            partnered(vec![
                s("11-02T00:00", 0, "PICKED_UP"),
                command(
                    "11-03T00:00",
                    "set_tracking",
                    json!({"source": "SYSTEM", "items": [{"box_id": "B1", "tracking_id": N[2]}]}),
                ),
            ]),
            vec![("/status", "SHIPPED".into()), ("/status_since", t("11-03T00:00"))],
        ),
        (
            "R13: in transit by any box",
            then([s("11-03T05:00", 1, "IN_TRANSIT"), s("11-03T06:00", 0, "AT_DESTINATION")]),
            vec![
                ("/status", "IN_TRANSIT".into()),
                ("/status_since", t("11-03T05:00")),
                ("plan:/boxes/by_milestone", json!({"IN_TRANSIT": 1, "AT_DESTINATION": 1})),
            ],
        ),
        (
            "R13: delivered by every box",
            then(both("11-06T09:00", "DELIVERED")),
            vec![
                ("/status", "DELIVERED".into()),
                ("/status_since", t("11-06T09:00")),
                (
                    "plan:/expected",
                    json!({"earliest": long("11-06T09:00"), "latest": long("11-06T09:00"), "source": "DELIVERED", "confidence": 1}),
                ),
            ],
        ),
        (
            "R13: one is not every",
            then([s("11-06T09:00", 0, "DELIVERED")]),
            vec![("/status", "IN_TRANSIT".into())],
        ),
        (
            "R13: the FC's word implies what precedes",
            then([report("RECEIVING")]),
            vec![
                ("/status", "RECEIVING".into()),
                ("/status_since", t("11-06T12:00")),
                ("plan:/status", "RECEIVING".into()),
            ],
        ),
        (
            "R13: closed leaves the plan",
            then([report("CLOSED")]),
            vec![("/status", "CLOSED".into()), ("plan:", absent())],
        ),
        (
            "R13: cancelled leaves the plan",
            then([command("11-02T00:00", "cancel_shipment", json!({}))]),
            vec![("/status", "CANCELLED".into()), ("/status_since", t("11-02T00:00")), ("plan:", absent())],
        ),
        (
            "R13: a retraction derives the status anew",
            then([
                scan("11-06T09:00", N[0], "DELIVERED", json!({"scan_id": "x"})),
                s("11-06T09:00", 1, "DELIVERED"),
                scan("11-06T10:00", N[0], "ETA", json!({"retracts": ["x"]})),
            ]),
            vec![("/status", "IN_TRANSIT".into()), ("/boxes/0/milestone", Value::Null)],
        ),
    ]);
}

#[test]
fn r6_freight_follows_its_pro() {
    let freight = |id: &str| {
        vec![
            create(
                "11-01T00:00",
                json!({"shipment_id": id, "command_id": format!("{id}1"), "mode": "LTL", "carrier": "OTHER",
                "carrier_name": "Acme", "pallets": 3}),
            ),
            command(
                "11-01T01:00",
                "confirm_ready",
                json!({"shipment_id": id, "command_id": format!("{id}2")}),
            ),
        ]
    };
    let pro = |id: &str| {
        command(
            "11-01T02:00",
            "set_freight_bill",
            json!({"shipment_id": id, "command_id": format!("{id}3"), "freight_bill": "PRO-1", "bill_of_lading": "B"}),
        )
    };
    let scan = |event_at: &str, milestone: &str, more: Value| {
        let mut fields = json!({"carrier": "OTHER"});
        fields.as_object_mut().expect("fields").extend(more.as_object().expect("fields").clone());
        scan(event_at, "PRO.1", milestone, fields)
    };
    let mut script = freight("S");
    assert_eq!(play(script.clone()).shipment("/status"), "READY_TO_SHIP");
    script.push(pro("S"));
    let played = play(script.clone());
    assert_eq!(played.shipment("/status"), "SHIPPED");
    assert_eq!(played.plan("/boxes/tracked"), 2);
    assert_eq!(played.shipment("/bill_of_lading"), "B");
    assert_eq!(played.says(Topic::Arrivals, "ICT2|2026-11-06|LTL", "/pallets"), 3);
    script.push(scan(
        "11-03T00:00",
        "APPOINTMENT",
        json!({"appointment": {"start": long("11-06T15:00"), "end": null}}),
    ));
    let played = play(script.clone());
    assert_eq!(played.shipment("/status"), "IN_TRANSIT");
    assert_eq!(played.shipment("/status_since"), t("11-03T00:00"));
    assert_eq!(
        played.plan("/expected"),
        json!({"earliest": long("11-06T15:00"), "latest": long("11-06T16:00"), "source": "APPOINTMENT", "confidence": 0.95})
    );
    script.extend(freight("T"));
    script.push(pro("T"));
    script.push(scan("11-06T15:30", "DELIVERED", json!({})));
    let played = play(script);
    for id in ["S", "T"] {
        assert_eq!(played.says(Topic::Shipments, id, "/status"), "DELIVERED", "one PRO serves {id}");
        assert_eq!(played.says(Topic::Shipments, id, "/milestone"), "DELIVERED");
        assert_eq!(played.says(Topic::Shipments, id, "/boxes/1/milestone"), "DELIVERED");
        assert_eq!(played.says(Topic::ReceivingPlan, &format!("ICT2|{id}"), "/milestone"), "DELIVERED");
    }
}
