//! The rules about scans and time, as tables: a script, then fields of documents.

use dockside::model::{DeadLetterReason, Ignored, Settings, Topic};
use serde_json::{Value, json};

use super::script::*;
use super::{Counts, Input, first_difference};

/// A world's name, its script, and (pointer into the shipment's document, value) pairs.
type Row = (&'static str, Vec<Input>, Vec<(&'static str, Value)>);

fn check(rows: Vec<Row>) {
    for (name, script, wants) in rows {
        let played = play(script);
        for (pointer, want) in wants {
            let said = match pointer.strip_prefix("plan:") {
                Some(pointer) => played.plan(pointer),
                None => played.shipment(pointer),
            };
            assert_eq!(said, want, "{name}: {pointer}");
        }
    }
}

fn s(event_at: &str, number: usize, milestone: &str) -> Input {
    scan(event_at, N[number], milestone, json!({}))
}

fn at_fc(event_at: &str, milestone: &str, fc: &str) -> Input {
    scan(event_at, N[0], milestone, json!({"location": {"fc": fc}}))
}

/// Shipped, and then these.
fn then(more: impl IntoIterator<Item = Input>) -> Vec<Input> {
    let mut script = shipped();
    script.extend(more);
    script
}

fn both(event_at: &str, milestone: &str) -> [Input; 2] {
    [s(event_at, 0, milestone), s(event_at, 1, milestone)]
}

fn t(text: &str) -> Value {
    long(text).into()
}

#[test]
fn r1_r2_r13_status() {
    let unconfirmed = || {
        let mut script = shipped();
        script.remove(1);
        script
    };
    let partial = || {
        vec![create("11-01T00:00", json!({})), confirm("11-01T01:00"), track("11-01T02:00", &[("B1", N[0].into())])]
    };
    let partnered = |more: Vec<Input>| {
        let tracking = json!({"items": [{"box_id": "B1", "tracking_id": N[0]}, {"box_id": "B2", "tracking_id": N[1]}]});
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
            { let mut script = unconfirmed(); script.push(confirm("11-02T00:00")); script },
            vec![("/status", "SHIPPED".into()), ("/status_since", t("11-02T00:00"))],
        ),
        ("R1: some tracked", partial(), vec![
            ("/status", "READY_TO_SHIP".into()), ("/status_since", t("11-01T01:00")), ("plan:/boxes/tracked", 1.into()),
        ]),
        ("R1: a custody scan ships as well", { let mut script = partial(); script.push(s("11-02T00:00", 0, "PICKED_UP")); script }, vec![
            ("/status", "SHIPPED".into()), ("/status_since", t("11-02T00:00")),
        ]),
        ("R1: a label does not", { let mut script = partial(); script.push(s("11-02T00:00", 0, "LABEL_CREATED")); script }, vec![
            ("/status", "READY_TO_SHIP".into()), ("/boxes/0/milestone", "LABEL_CREATED".into()),
        ]),
        ("R1: all tracked", shipped(), vec![
            ("/status", "SHIPPED".into()), ("/status_since", t("11-01T02:00")), ("/boxes/0/validation", "VALID".into()),
            ("/boxes/0/milestone", Value::Null), ("plan:/boxes/by_milestone", json!({"NONE": 2})),
        ]),
        ("R13: shipped stays, when the numbers are gone", then([track("11-02T00:00", &[("B1", Value::Null), ("B2", Value::Null)])]), vec![
            ("/status", "SHIPPED".into()), ("/boxes/0/tracking_id", Value::Null), ("plan:/boxes/tracked", 0.into()),
        ]),
        ("R2: ships by custody only", partnered(vec![]), vec![("/status", "READY_TO_SHIP".into())]),
        ("R2: custody", partnered(vec![s("11-02T00:00", 1, "PICKED_UP")]), vec![("/status", "SHIPPED".into())]),
        ("R13: a command that is accepted while shipped fixes it", partnered(vec![
            s("11-02T00:00", 0, "PICKED_UP"),
            command("11-03T00:00", "set_tracking", json!({"source": "SYSTEM", "items": [{"box_id": "B1", "tracking_id": N[2]}]})),
        ]), vec![("/status", "SHIPPED".into()), ("/status_since", t("11-03T00:00"))]),
        ("R13: in transit by any box", then([s("11-03T05:00", 1, "IN_TRANSIT"), s("11-03T06:00", 0, "AT_DESTINATION")]), vec![
            ("/status", "IN_TRANSIT".into()), ("/status_since", t("11-03T05:00")),
            ("plan:/boxes/by_milestone", json!({"IN_TRANSIT": 1, "AT_DESTINATION": 1})),
        ]),
        ("R13: delivered by every box", then(both("11-06T09:00", "DELIVERED")), vec![
            ("/status", "DELIVERED".into()), ("/status_since", t("11-06T09:00")),
            ("plan:/expected", json!({"earliest": long("11-06T09:00"), "latest": long("11-06T09:00"), "source": "DELIVERED", "confidence": 1})),
        ]),
        ("R13: one is not every", then([s("11-06T09:00", 0, "DELIVERED")]), vec![("/status", "IN_TRANSIT".into())]),
        ("R13: the FC's word implies what precedes", then([report("RECEIVING")]), vec![
            ("/status", "RECEIVING".into()), ("/status_since", t("11-06T12:00")), ("plan:/status", "RECEIVING".into()),
        ]),
        ("R13: closed leaves the plan", then([report("CLOSED")]), vec![("/status", "CLOSED".into()), ("plan:", absent())]),
        ("R13: cancelled leaves the plan", then([command("11-02T00:00", "cancel_shipment", json!({}))]), vec![
            ("/status", "CANCELLED".into()), ("/status_since", t("11-02T00:00")), ("plan:", absent()),
        ]),
        ("R13: a retraction derives the status anew", then([
            scan("11-06T09:00", N[0], "DELIVERED", json!({"scan_id": "x"})), s("11-06T09:00", 1, "DELIVERED"),
            scan("11-06T10:00", N[0], "ETA", json!({"retracts": ["x"]})),
        ]), vec![("/status", "IN_TRANSIT".into()), ("/boxes/0/milestone", Value::Null)]),
    ]);
}

#[test]
fn r6_freight_follows_its_pro() {
    let freight = |id: &str| {
        vec![
            create("11-01T00:00", json!({"shipment_id": id, "command_id": format!("{id}1"), "mode": "LTL", "carrier": "OTHER",
                "carrier_name": "Acme", "pallets": 3})),
            command("11-01T01:00", "confirm_ready", json!({"shipment_id": id, "command_id": format!("{id}2")})),
        ]
    };
    let pro = |id: &str| {
        command("11-01T02:00", "set_freight_bill", json!({"shipment_id": id, "command_id": format!("{id}3"), "freight_bill": "PRO-1", "bill_of_lading": "B"}))
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
    script.push(scan("11-03T00:00", "APPOINTMENT", json!({"appointment": {"start": long("11-06T15:00"), "end": null}})));
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

#[test]
fn r9_r10_r11_r19_whose_scans_count() {
    let exchange = || track("11-03T00:00", &[("B1", N[2].into())]);
    let seen = || s("11-02T00:00", 0, "IN_TRANSIT");
    let second = |at: &str, created_at: &str| {
        vec![
            create(at, json!({"shipment_id": "T", "command_id": "t1", "boxes": [parcel("B")], "created_at": long(created_at)})),
            command(at, "set_tracking", json!({"shipment_id": "T", "command_id": "t2", "items": [{"box_id": "B", "tracking_id": N[0]}]})),
        ]
    };
    check(vec![
        ("R10: the old number's scans go", then([seen(), exchange()]), vec![("/boxes/0/milestone", Value::Null)]),
        ("R10: and come back with it", then([seen(), exchange(), track("11-04T00:00", &[("B1", N[0].into())])]), vec![
            ("/boxes/0/milestones/IN_TRANSIT/at", t("11-02T00:00")),
        ]),
        ("R11: what was parked shows", {
            let mut script = vec![seen()];
            script.extend(shipped());
            script
        }, vec![("/boxes/0/milestone", "IN_TRANSIT".into()), ("/status", "IN_TRANSIT".into())]),
        ("R11: not an earlier life", {
            let mut script = vec![s("10-30T23:59", 0, "DELIVERED"), s("10-31T00:00", 1, "PICKED_UP")];
            script.extend(shipped());
            script
        }, vec![("/boxes/0/milestone", Value::Null), ("/boxes/1/milestone", "PICKED_UP".into())]),
        ("§2.4: a span over the floor keeps its last", {
            let mut script = vec![
                s("10-20T00:00", 0, "IN_TRANSIT"), s("11-01T05:00", 0, "IN_TRANSIT"), s("11-01T06:00", 0, "IN_TRANSIT"),
            ];
            script.extend([create("11-02T00:00", json!({})), track("11-02T01:00", &[("B1", N[0].into())])]);
            script
        }, vec![("/boxes/0/milestones/IN_TRANSIT/at", t("11-01T06:00"))]),
        ("R11: parked progress expires", {
            let mut script = vec![seen(), tick("12-31T00:00"), late("12-31T01:00", s("11-02T00:00", 0, "PICKED_UP")), tick("2027-03-02T01:00:00Z")];
            script.extend([create("11-01T00:00", json!({})), track("11-01T02:00", &[("B1", N[0].into())])]);
            script
        }, vec![("/boxes/0/milestone", "IN_TRANSIT".into())]),
        ("R9: another carrier's scans do not count", then([
            command("11-02T00:00", "change_carrier", json!({"carrier": "OTHER", "carrier_name": "Acme"})), s("11-03T00:00", 0, "IN_TRANSIT"),
        ]), vec![("/boxes/0/milestone", Value::Null), ("/carrier", "OTHER".into()), ("/carrier_name", "Acme".into())]),
        ("R9: an unknown carrier's do", then([
            command("11-02T00:00", "change_carrier", json!({"carrier": "OTHER", "carrier_name": "Acme"})),
            scan("11-03T00:00", N[0], "IN_TRANSIT", json!({"carrier": "Acme"})),
        ]), vec![("/boxes/0/milestone", "IN_TRANSIT".into())]),
        ("R19: the newer entry takes over from its own start", {
            let mut script = then([s("11-02T00:00", 0, "PICKED_UP")]);
            script.extend(second("11-04T00:00", "11-04T00:00"));
            script.push(s("11-05T00:00", 0, "IN_TRANSIT"));
            script
        }, vec![("/boxes/0/milestone", "PICKED_UP".into())]),
        ("R19: and gives back when it is cancelled before", {
            let mut script = then([s("11-02T00:00", 0, "PICKED_UP")]);
            script.extend(second("11-04T00:00", "11-06T00:00"));
            script.push(s("11-05T01:00", 0, "IN_TRANSIT"));
            script.push(command("11-04T12:00", "cancel_shipment", json!({"shipment_id": "T", "command_id": "t3"})));
            script
        }, vec![("/boxes/0/milestone", "IN_TRANSIT".into())]),
        ("R19: life ends 30 days after delivery", {
            let mut script = then(both("11-06T09:00", "DELIVERED"));
            script.extend([tick("12-06T09:00"), s("12-07T00:00", 0, "RETURNED")]);
            script
        }, vec![("/status", "DELIVERED".into()), ("/boxes/0/milestone", "DELIVERED".into())]),
        ("R19: not a day earlier", {
            let mut script = then(both("11-06T09:00", "DELIVERED"));
            script.extend([tick("12-05T09:00"), s("12-05T08:00", 0, "RETURNED")]);
            script
        }, vec![("/boxes/0/milestone", "RETURNED".into())]),
    ]);
}

#[test]
fn r11_parked_progress_expires() {
    let played = play([s("11-02T00:00", 0, "PICKED_UP"), s("11-03T00:00", 0, "IN_TRANSIT"), tick("2027-03-03T00:59:00Z")]);
    assert_eq!(played.result.counts.parked, 2);
    let played = play([s("11-02T00:00", 0, "PICKED_UP"), s("11-03T00:00", 0, "IN_TRANSIT"), tick("2027-03-03T01:00:00Z")]);
    let counts = played.result.counts;
    assert_eq!((counts.parked, counts.dead_lettered[&DeadLetterReason::ParkExpired]), (0, 2));
}

#[test]
fn r8_the_window_is_judged() {
    // The window is 5 to 8 November.
    let eta = |at: &str| scan("11-03T00:00", N[0], "IN_TRANSIT", json!({"eta": long(at)}));
    let etas = |at: &str| {
        let second = scan("11-03T00:00", N[1], "IN_TRANSIT", json!({"eta": long(at)}));
        then([eta(at), second])
    };
    let ticked = |mut script: Vec<Input>, at: &str| { script.push(tick(at)); script };
    let rows = vec![
        ("nothing known", shipped(), "PENDING", false, "", ""),
        ("early risk", etas("11-04T23:59"), "EARLY_RISK", false, "", ""),
        ("in time", etas("11-05T00:00"), "PENDING", false, "", ""),
        ("late risk", etas("11-08T00:00"), "LATE_RISK", false, "", ""),
        ("locked", ticked(etas("11-06T00:00"), "11-05T00:00"), "PENDING", true, "", ""),
        ("early", then(both("11-04T23:59", "DELIVERED")), "EARLY", false, "11-04T23:59", ""),
        ("on time, exactly", then(both("11-05T00:00", "DELIVERED")), "ON_TIME", false, "", ""),
        ("late, exactly", then(both("11-08T00:00", "DELIVERED")), "LATE", false, "", "11-08T00:00"),
        ("overdue", ticked(shipped(), "11-08T00:00"), "LATE", true, "", "11-08T00:00"),
        ("not yet", ticked(shipped(), "11-07T23:59"), "PENDING", true, "", ""),
        ("overdue, but it had been delivered", {
            let mut script = ticked(shipped(), "11-08T00:00");
            script.extend(both("11-06T09:00", "DELIVERED").map(|scan| late("11-09T00:00", scan)));
            script
        }, "ON_TIME", true, "", ""),
        ("checked in", then([command("11-04T00:00", "report_receiving", json!({"stage": "CHECKED_IN"}))]), "EARLY", false, "11-04T00:00", ""),
    ];
    for (name, script, verdict, locked, early, overdue) in rows {
        let played = play(script);
        assert_eq!(played.plan("/window/verdict"), verdict, "{name}");
        assert_eq!(played.plan("/window/locked"), locked, "{name}");
        for (kind, opened_at) in [("MISSED_WINDOW_EARLY", early), ("MISSED_WINDOW_LATE", overdue)] {
            let want = if opened_at.is_empty() { absent() } else { t(opened_at) };
            assert_eq!(played.problem(kind, "/opened_at"), want, "{name}: {kind}");
        }
    }
}

#[test]
fn expectations_have_an_order_and_roll() {
    let out = s("11-05T15:00", 0, "OUT_FOR_DELIVERY");
    let with = |more: Vec<Input>| {
        // One box only, so that the shipment shows the unit's own expectation.
        let mut script = vec![
            create("11-01T00:00", json!({"boxes": [parcel("B1")]})), confirm("11-01T01:00"), track("11-01T02:00", &[("B1", N[0].into())]),
        ];
        script.extend(more);
        script
    };
    let eta = scan("11-04T15:00", N[0], "IN_TRANSIT", json!({"eta": long("11-06T20:00")}));
    let appointment = scan("11-04T16:00", N[0], "ETA", json!({"appointment": {"start": long("11-06T15:00"), "end": long("11-06T17:00")}}));
    // Days at ICT2 begin at 06:00 UTC.
    let rows = vec![
        ("window", with(vec![]), "11-05T00:00", "11-08T00:00", "WINDOW", 0.5, "2026-11-06"),
        ("eta", with(vec![eta.clone()]), "11-06T20:00", "11-06T20:00", "CARRIER_ETA", 0.8, "2026-11-06"),
        ("on the vehicle", with(vec![eta.clone(), out.clone()]), "11-05T15:00", "11-06T06:00", "OUT_FOR_DELIVERY", 0.9, "2026-11-05"),
        ("appointment", with(vec![eta.clone(), out.clone(), appointment]), "11-06T15:00", "11-06T17:00", "APPOINTMENT", 0.95, "2026-11-06"),
        ("passed", with(vec![eta.clone(), tick("11-06T20:00")]), "11-06T06:00", "11-07T06:00", "CARRIER_ETA", 0.4, "2026-11-06"),
        ("and again", with(vec![eta.clone(), tick("11-09T12:00")]), "11-09T06:00", "11-10T06:00", "CARRIER_ETA", 0.4, "2026-11-09"),
        ("not yet", with(vec![eta, tick("11-06T19:59")]), "11-06T20:00", "11-06T20:00", "CARRIER_ETA", 0.8, "2026-11-06"),
    ];
    for (name, script, earliest, latest, source, confidence, day) in rows {
        let played = play(script);
        let want = json!({"earliest": long(earliest), "latest": long(latest), "source": source, "confidence": confidence});
        assert_eq!(played.plan("/expected"), want, "{name}");
        assert_eq!(played.arrivals(day, "/boxes"), 1, "{name}");
    }
}

#[test]
fn arrivals_count_boxes_by_day_and_band() {
    let mut script = then([s("11-03T00:00", 0, "OUT_FOR_DELIVERY"), scan("11-03T00:00", N[1], "IN_TRANSIT", json!({"eta": long("11-09T12:00")}))]);
    let played = play(script.clone());
    assert_eq!(
        played.arrivals("2026-11-02", ""),
        json!({"fc": "ICT2", "day": "2026-11-02", "mode": "SPD", "shipments": 1, "boxes": 1, "units": 10, "pallets": 0, "weight_g": 500,
            "by_band": {"REGISTERED": 0, "IN_TRANSIT": 0, "NEAR": 1, "AT_FC": 0, "DELIVERED": 0}, "late_risk": 0})
    );
    assert_eq!(played.arrivals("2026-11-09", "/by_band/IN_TRANSIT"), 1);
    script.push(command("11-06T00:00", "report_receiving", json!({"stage": "CHECKED_IN"})));
    let played = play(script);
    assert_eq!(played.arrivals("2026-11-02", ""), absent());
    assert_eq!(played.arrivals("2026-11-09", ""), absent());
    let script = vec![create("11-01T00:00", json!({"partnered": true, "delivery_window": null})), confirm("11-01T01:00")];
    assert_eq!(play(script).arrivals("UNSCHEDULED", "/boxes"), 2);
}

#[test]
fn r14_missing_tracking() {
    let untracked = || vec![create("11-01T00:00", json!({})), confirm("11-01T01:00")];
    let report = |at: &str| command(at, "report_receiving", json!({"stage": "CHECKED_IN"}));
    let partial = |more: Vec<Input>| {
        let mut script = untracked();
        script.push(track("11-02T00:00", &[("B1", N[0].into())]));
        script.extend(more);
        script
    };
    // Delivered on the 3rd, entered on the 4th.
    let too_late = || {
        let mut script = untracked();
        script.extend(both("11-03T00:00", "DELIVERED"));
        script.push(track("11-04T00:00", &[("B1", N[0].into()), ("B2", N[1].into())]));
        script
    };
    let acknowledged = |mut script: Vec<Input>| {
        script.push(command("11-07T00:00", "acknowledge_problem", json!({"problem_id": "S:MISSING_TRACKING"})));
        script
    };
    let retracted = {
        let mut script = untracked();
        script.push(scan("11-03T00:00", N[0], "DELIVERED", json!({"scan_id": "x"})));
        script.push(s("11-05T00:00", 0, "DELIVERED"));
        script.push(s("11-05T00:00", 1, "DELIVERED"));
        script.push(track("11-04T00:00", &[("B1", N[0].into()), ("B2", N[1].into())]));
        script.push(scan("11-06T00:00", N[0], "ETA", json!({"retracts": ["x"]})));
        script
    };
    let rows = vec![
        ("all in time", then(both("11-06T00:00", "DELIVERED")), absent(), "", 0),
        ("none at check-in", { let mut s = untracked(); s.push(report("11-06T00:00")); s }, json!(["B1", "B2"]), "OPEN", 1),
        ("one at check-in", partial(vec![report("11-06T00:00")]), json!(["B2"]), "OPEN", 1),
        ("entered after the delivery", too_late(), json!(["B1", "B2"]), "OPEN", 1),
        ("acknowledged", acknowledged(too_late()), json!(["B1", "B2"]), "ACKNOWLEDGED", 1),
        ("a late fact refutes", retracted, absent(), "", 0),
    ];
    for (name, script, boxes, status, defective) in rows {
        let played = play(script);
        assert_eq!(played.problem("MISSING_TRACKING", "/boxes"), boxes, "{name}");
        let want = if status.is_empty() { absent() } else { status.into() };
        assert_eq!(played.problem("MISSING_TRACKING", "/status"), want, "{name}");
        assert_eq!(played.says(Topic::Accounts, "A", "/evaluated"), 1, "{name}");
        assert_eq!(played.says(Topic::Accounts, "A", "/defective"), defective, "{name}");
    }
    let mut script = too_late();
    script.push(tick("2027-03-05T23:59:00Z"));
    assert_eq!(play(script.clone()).says(Topic::Accounts, "A", "/rate"), json!(1.0));
    script.push(tick("2027-03-06T00:00:00Z"));
    assert_eq!(play(script).says(Topic::Accounts, "A", "/rate"), json!(0.0), "122 days after the end of the 3rd");
}

#[test]
fn r23_cancelling_resolves_and_freezes() {
    let script = then([tick("11-08T00:00"), command("11-09T00:00", "cancel_shipment", json!({}))]);
    let mut delivered = script.clone();
    delivered.extend(both("11-06T09:00", "DELIVERED"));
    for (name, script) in [("cancelled", script), ("and what is learnt later", delivered)] {
        let played = play(script);
        let says = |pointer: &str| played.problem("MISSED_WINDOW_LATE", pointer);
        assert_eq!(says("/status"), "RESOLVED", "{name}");
        assert_eq!((says("/opened_at"), says("/resolved_at")), (t("11-08T00:00"), t("11-09T00:00")), "{name}");
        assert_eq!(played.shipment("/problems"), json!(["S:MISSED_WINDOW_LATE"]), "{name}");
    }
}

#[test]
fn r21_r22_places_and_returns() {
    check(vec![
        ("R21: delivered elsewhere is not delivered here", then([at_fc("11-06T00:00", "DELIVERED", "ONT8")]), vec![("/boxes/0/milestone", Value::Null)]),
        ("R21: a postal code is a place", then([scan("11-06T00:00", N[0], "DELIVERED", json!({"location": {"postal_code": "67219"}}))]), vec![
            ("/boxes/0/milestone", "DELIVERED".into()),
        ]),
        ("R21: the destination moves the eye", then([
            at_fc("11-03T00:00", "ARRIVED_AT_FC", "ONT8"), command("11-04T00:00", "change_destination", json!({"fc": "ONT8"})),
        ]), vec![("/boxes/0/milestone", "ARRIVED_AT_FC".into()), ("plan:", absent()), ("/fc", "ONT8".into())]),
        ("R22: a return withdraws", then([s("11-03T00:00", 0, "IN_TRANSIT"), s("11-04T00:00", 0, "RETURN_STARTED"), s("11-05T00:00", 0, "DELIVERED")]), vec![
            ("/boxes/0/milestone", "RETURN_STARTED".into()), ("plan:/units", 10.into()),
            ("/boxes/0/milestones", json!({"IN_TRANSIT": {"at": long("11-03T00:00"), "source": null}, "RETURN_STARTED": {"at": long("11-04T00:00"), "source": null}})),
        ]),
        ("R22: this FC by name brings it back", then([s("11-04T00:00", 0, "RETURN_STARTED"), at_fc("11-05T00:00", "OUT_FOR_DELIVERY", "ICT2")]), vec![
            ("/boxes/0/milestone", "OUT_FOR_DELIVERY".into()),
        ]),
        ("R22: and the next return opens anew", then([
            s("11-04T00:00", 0, "RETURN_STARTED"), at_fc("11-05T00:00", "OUT_FOR_DELIVERY", "ICT2"), s("11-06T00:00", 0, "RETURNED"),
        ]), vec![("/boxes/0/milestone", "RETURNED".into()), ("/boxes/0/milestones/OUT_FOR_DELIVERY/at", t("11-05T00:00")), ("/boxes/0/milestones/RETURN_STARTED", absent())]),
        ("R22: all withdrawn leaves the plan", then(both("11-04T00:00", "RETURNED")), vec![("plan:", absent()), ("/expected/source", "NONE".into())]),
        ("R22: lost ends with movement", then([s("11-04T00:00", 0, "LOST"), s("11-05T00:00", 0, "IN_TRANSIT")]), vec![("/boxes/0/milestone", "IN_TRANSIT".into())]),
        ("R22: lost stands", then([s("11-04T00:00", 0, "LOST"), s("11-03T00:00", 0, "IN_TRANSIT")]), vec![("/boxes/0/milestone", "LOST".into()), ("/boxes/0/milestones/LOST/at", t("11-04T00:00"))]),
        ("ties", then([s("11-04T00:00", 0, "LOST"), s("11-04T00:00", 0, "DESTROYED"), s("11-04T00:00", 0, "RETURNED")]), vec![("/boxes/0/milestone", "DESTROYED".into())]),
        ("flags end with movement", then([s("11-04T00:00", 0, "DELAYED"), s("11-04T00:00", 0, "DAMAGED"), s("11-05T00:00", 0, "IN_TRANSIT"), s("11-05T00:00", 0, "HELD")]), vec![
            ("/boxes/0/flags", json!(["HELD", "DAMAGED"])), ("plan:/flags", json!(["HELD", "DAMAGED"])),
        ]),
        ("refused ends with a later delivery", then([s("11-04T00:00", 0, "REFUSED"), s("11-05T00:00", 0, "IN_TRANSIT")]), vec![("/boxes/0/flags", json!(["REFUSED"]))]),
        ("refused: delivered", then([s("11-04T00:00", 0, "REFUSED"), s("11-05T00:00", 0, "DELIVERED")]), vec![("/boxes/0/flags", json!([]))]),
        ("the newest word about the ETA", then([
            scan("11-04T00:00", N[0], "ETA", json!({"eta": long("11-06T00:00")})), scan("11-03T00:00", N[0], "ETA", json!({"eta": long("11-07T00:00")})),
            scan("11-04T00:00", N[0], "ETA", json!({"eta": long("11-05T00:00")})),
        ]), vec![("/boxes/0/eta", t("11-06T00:00"))]),
    ]);
}

#[test]
fn occurred_at_is_the_newest_fact_shown() {
    check(vec![
        ("entry", shipped(), vec![("plan:/occurred_at", t("11-01T02:00"))]),
        ("event", then([s("11-03T00:00", 0, "IN_TRANSIT")]), vec![("plan:/occurred_at", t("11-03T00:00"))]),
        ("lock", then([tick("11-05T12:00")]), vec![("plan:/occurred_at", t("11-05T00:00"))]),
        ("overdue, and rolled to the FC's day before it", then([tick("11-08T00:00")]), vec![("plan:/occurred_at", t("11-08T00:00"))]),
        ("rolled", then([tick("11-08T12:00")]), vec![("plan:/occurred_at", t("11-08T06:00"))]),
    ]);
}

#[test]
fn r18_r20_every_scan_is_accounted_for() {
    let record = |text: &str| Input { value: text.as_bytes().to_vec(), ..s("11-02T00:00", 0, "PICKED_UP") };
    let script = then([
        s("11-02T00:00", 0, "PICKED_UP"),
        s("11-02T00:00", 0, "PICKED_UP"),
        s("10-20T00:00", 0, "PICKED_UP"),
        s("11-02T00:00", 2, "PICKED_UP"),
        record("no scan"),
        record("{}"),
        scan("11-02T00:00", N[0], "PICKED_UP", json!({"milestone": null, "code": "no such code"})),
        late("11-02T00:00", s("11-02T02:00", 0, "IN_TRANSIT")),
        late("11-02T00:00", s("11-02T02:01", 0, "IN_TRANSIT")),
        track("11-03T00:00", &[("B1", Value::Null)]),
        s("11-02T00:00", 0, "PICKED_UP"),
        command("11-04T00:00", "cancel_shipment", json!({})),
        s("11-03T00:00", 1, "PICKED_UP"),
        command("11-05T00:00", "dance", json!({})),
    ]);
    let counts = play(script).result.counts;
    let want = Counts {
        read: 12 + 1,
        taken: 3,
        ignored: [(Ignored::EarlierLife, 1), (Ignored::OldCarrier, 1), (Ignored::Ended, 1), (Ignored::UnknownCode, 1)].into(),
        parked: 1,
        dead_lettered: [
            (DeadLetterReason::UnknownFormat, 1),
            (DeadLetterReason::MissingField, 1),
            (DeadLetterReason::ImplausibleTime, 1),
            (DeadLetterReason::BadCommand, 1),
        ]
        .into(),
    };
    assert_eq!(counts, want);
    let parts = counts.ignored.values().chain(counts.dead_lettered.values()).sum::<u64>();
    assert_eq!(counts.read - 1, counts.taken + counts.parked + parts - 1);
}

#[test]
fn timers_stay_behind_the_stream() {
    let ticked = |grace_ms| {
        let settings = Settings { grace_ms, ..Settings::default() };
        play_with(settings, then([tick("11-08T00:00")])).plan("/window/verdict")
    };
    assert_eq!(ticked(0), "LATE");
    assert_eq!(ticked(1), "PENDING");
}

#[test]
fn large_shipments_have_pages() {
    let boxes: Vec<Value> = (0..2001).map(|i| parcel(&format!("B{i}"))).collect();
    let played = play([create("11-01T00:00", json!({"mode": "LTL", "boxes": boxes}))]);
    for (key, page, boxes) in [("S", 1, 1000), ("S|2", 2, 1000), ("S|3", 3, 1)] {
        assert_eq!(played.says(Topic::Shipments, key, "/page"), page);
        assert_eq!(played.says(Topic::Shipments, key, "/boxes").as_array().map(Vec::len), Some(boxes), "{key}");
    }
    assert_eq!(played.says(Topic::Shipments, "S|4", ""), absent());
}

#[test]
fn a_difference_is_shown_where_it_is() {
    let (a, b) = (play(shipped()), play(then([s("11-03T00:00", 1, "IN_TRANSIT")])));
    assert_eq!(first_difference(&a.result.documents, &a.result.documents), None);
    let difference = first_difference(&a.result.documents, &b.result.documents).expect("they differ");
    assert_eq!(
        difference.to_string(),
        "shipments S at `/boxes/1/milestone`:\n  left:  null\n  right: \"IN_TRANSIT\""
    );
    let missing = first_difference(&a.result.documents, &Default::default()).expect("they differ");
    assert_eq!((missing.path.as_str(), missing.right), ("", None));
}
