//! The rules about commands, as tables: a script, then the answer to its last command.

use serde_json::{Value, json};

use super::Input;
use super::script::*;

fn check(rows: Vec<(&str, Vec<Input>, &str)>) {
    for (name, script, want) in rows {
        assert_eq!(play(script).answer(), want, "{name}");
    }
}

fn after(mut before: Vec<Input>, last: Input) -> Vec<Input> {
    before.push(last);
    before
}

fn freight() -> Vec<Input> {
    vec![
        create(
            "11-01T00:00",
            json!({"mode": "LTL", "carrier": "OTHER", "carrier_name": "Acme", "boxes": []}),
        ),
        confirm("11-01T01:00"),
    ]
}

fn delivered() -> Vec<Input> {
    let mut script = shipped();
    script.extend([0, 1].map(|i| scan("11-06T09:00", N[i], "DELIVERED", json!({}))));
    script
}

#[test]
fn creation_lists_all_errors() {
    let at = "11-01T00:00";
    let window =
        |start: &str, end: &str| json!({"delivery_window": {"start": long(start), "end": long(end)}});
    let system = |fields: Value| {
        let mut all = json!({"partnered": true, "delivery_window": null});
        all.as_object_mut().expect("fields").extend(fields.as_object().expect("fields").clone());
        vec![create(at, all)]
    };
    check(vec![
        ("good", vec![create(at, json!({}))], "ok"),
        ("carrier", vec![create(at, json!({"carrier": "NOBODY"}))], "UNKNOWN_CARRIER"),
        ("other without name", vec![create(at, json!({"carrier": "OTHER"}))], "CARRIER_NAME_REQUIRED"),
        ("a SCAC", vec![create(at, json!({"carrier": "UPSN"}))], "ok"),
        ("no box", vec![create(at, json!({"boxes": []}))], "INVALID_COMMAND"),
        (
            "carrier and box twice",
            vec![create(at, json!({"carrier": "NOBODY", "boxes": [parcel("B"), parcel("B")]}))],
            "UNKNOWN_CARRIER DUPLICATE_BOX(B)",
        ),
        ("R7: start after entry", vec![create(at, window("11-01T00:00", "11-02T00:00"))], "WINDOW_INVALID"),
        ("R7: end after start", vec![create(at, window("11-02T00:00", "11-02T00:00"))], "WINDOW_INVALID"),
        ("R7: a week", vec![create(at, window("11-02T00:00", "11-09T00:00"))], "ok"),
        ("R7: over a week", vec![create(at, window("11-02T00:00", "11-09T00:01"))], "WINDOW_INVALID"),
        (
            "R7: abroad",
            vec![create(
                at,
                json!({"cross_border": true,
                "delivery_window": {"start": long("11-02T00:00"), "end": long("11-16T00:00")}}),
            )],
            "ok",
        ),
        ("twice", vec![create(at, json!({})), create("11-01T00:01", json!({}))], "SHIPMENT_EXISTS"),
        (
            "R2: partnered",
            system(json!({"tracking": {"items": [{"box_id": "B1", "tracking_id": N[0]}]}})),
            "ok",
        ),
        (
            "R2: the seller's",
            vec![create(at, json!({"tracking": {"items": [{"box_id": "B1", "tracking_id": N[0]}]}}))],
            "INVALID_COMMAND",
        ),
        ("R6: a PRO for parcels", system(json!({"tracking": {"freight_bill": "123"}})), "WRONG_MODE"),
        (
            "R4, R5: all of the items",
            system(
                json!({"tracking": {"items": [{"box_id": "B1", "tracking_id": "1Z"}, {"box_id": "X", "tracking_id": N[0]}]}}),
            ),
            "INVALID_TRACKING_ID(B1) UNKNOWN_BOX(X)",
        ),
    ]);
}

#[test]
fn r3_r4_r5_tracking() {
    let now = "11-02T00:00";
    let two = |a: Value, b: Value| after(shipped(), track(now, &[("B1", a), ("B2", b)]));
    check(vec![
        ("R4: swapped", two(N[1].into(), N[0].into()), "ok"),
        (
            "R4: one for both",
            two(N[2].into(), N[2].into()),
            "UNIQUE_TRACKING_ID_REQUIRED(B1) UNIQUE_TRACKING_ID_REQUIRED(B2)",
        ),
        (
            "R4: also against a box that is not named",
            after(shipped(), track(now, &[("B1", N[1].into())])),
            "UNIQUE_TRACKING_ID_REQUIRED(B1)",
        ),
        ("R5: shape", after(shipped(), track(now, &[("B1", "".into())])), "INVALID_TRACKING_ID(B1)"),
        (
            "R3: all that are wrong",
            after(
                shipped(),
                track(now, &[("X", N[2].into()), ("B1", "1Z5R89390357567128".into()), ("B1", N[3].into())]),
            ),
            "UNKNOWN_BOX(X) INVALID_TRACKING_ID(B1) DUPLICATE_BOX(B1)",
        ),
        ("removal", after(shipped(), track(now, &[("B1", Value::Null)])), "ok"),
        ("R6: parcels' tracking on freight", after(freight(), track(now, &[])), "WRONG_MODE"),
        (
            "R10: too late",
            after(delivered(), track("11-07T00:00", &[("B1", N[2].into())])),
            "ALREADY_DELIVERED",
        ),
        (
            "R2: system tracking is for partnered shipments",
            after(shipped(), command(now, "set_tracking", json!({"source": "SYSTEM", "items": []}))),
            "PARTNERED_CARRIER",
        ),
        (
            "R2: and sellers' for the others",
            vec![create("11-01T00:00", json!({"partnered": true})), track(now, &[("B1", N[0].into())])],
            "PARTNERED_CARRIER",
        ),
        (
            "R5: no public rule",
            vec![
                create("11-01T00:00", json!({"carrier": "OTHER", "carrier_name": "Acme"})),
                track(now, &[("B1", "X-1".into()), ("B2", "X-2".into())]),
            ],
            "ok TRACKING_NOT_SUPPORTED",
        ),
        (
            "R6: a PRO for parcels",
            after(shipped(), command(now, "set_freight_bill", json!({"freight_bill": "1"}))),
            "WRONG_MODE",
        ),
        (
            "R6: a PRO",
            after(freight(), command(now, "set_freight_bill", json!({"freight_bill": "12-34 a"}))),
            "ok TRACKING_NOT_SUPPORTED",
        ),
        (
            "R6: no PRO",
            after(freight(), command(now, "set_freight_bill", json!({"freight_bill": "12/34"}))),
            "INVALID_FREIGHT_BILL",
        ),
    ]);
}

#[test]
fn r7_r9_r10_r13_when_what_is_allowed() {
    let now = "11-02T00:00";
    let c = |at: &str, kind: &str, fields: Value| command(at, kind, fields);
    let window = |at: &str| {
        c(at, "set_delivery_window", json!({"start": long("11-06T00:00"), "end": long("11-07T00:00")}))
    };
    let unwindowed = || create("11-01T00:00", json!({"delivery_window": null}));
    check(vec![
        ("nobody's", vec![confirm(now)], "UNKNOWN_SHIPMENT"),
        ("fields", after(shipped(), c(now, "change_destination", json!({}))), "INVALID_COMMAND"),
        ("confirmed twice", after(shipped(), confirm(now)), "WRONG_STATUS"),
        ("R7: no window", vec![unwindowed(), confirm(now)], "WINDOW_REQUIRED"),
        (
            "R2: partnered needs none",
            vec![create("11-01T00:00", json!({"partnered": true, "delivery_window": null})), confirm(now)],
            "ok",
        ),
        ("R7: before its start", after(shipped(), window("11-04T23:59")), "ok"),
        ("R7: from its start on", after(shipped(), window("11-05T00:00")), "WINDOW_LOCKED"),
        ("R7: delivered", after(delivered(), window("11-07T00:00")), "ALREADY_DELIVERED"),
        (
            "boxes",
            vec![
                create("11-01T00:00", json!({})),
                c(now, "update_boxes", json!({"add": [parcel("B3")], "remove": ["B1"]})),
            ],
            "ok",
        ),
        (
            "boxes: all errors",
            vec![
                create("11-01T00:00", json!({})),
                c(now, "update_boxes", json!({"add": [parcel("B2"), parcel("B1")], "remove": ["B1", "X"]})),
            ],
            "UNKNOWN_BOX(X) DUPLICATE_BOX(B2)",
        ),
        (
            "boxes: none left",
            vec![
                create("11-01T00:00", json!({})),
                c(now, "update_boxes", json!({"add": [], "remove": ["B1", "B2"]})),
            ],
            "INVALID_COMMAND",
        ),
        (
            "boxes: shipped",
            after(shipped(), c(now, "update_boxes", json!({"add": [], "remove": ["B1"]}))),
            "WRONG_STATUS",
        ),
        (
            "R9: to a carrier that does not know the numbers",
            after(shipped(), c(now, "change_carrier", json!({"carrier": "USPS"}))),
            "ok TRACKING_RESUBMIT(B1) TRACKING_RESUBMIT(B2)",
        ),
        (
            "R9: to another without name",
            after(shipped(), c(now, "change_carrier", json!({"carrier": "OTHER"}))),
            "CARRIER_NAME_REQUIRED",
        ),
        (
            "R9: to another",
            after(shipped(), c(now, "change_carrier", json!({"carrier": "OTHER", "carrier_name": "Acme"}))),
            "ok TRACKING_NOT_SUPPORTED",
        ),
        (
            "R9: delivered",
            after(delivered(), c("11-07T00:00", "change_carrier", json!({"carrier": "USPS"}))),
            "ALREADY_DELIVERED",
        ),
        (
            "R13: report while working",
            vec![
                create("11-01T00:00", json!({})),
                c(now, "report_receiving", json!({"stage": "CHECKED_IN"})),
            ],
            "WRONG_STATUS",
        ),
        (
            "R13: a lower stage",
            {
                let mut script =
                    after(shipped(), c("11-06T00:00", "report_receiving", json!({"stage": "CLOSED"})));
                script.push(c("11-07T00:00", "report_receiving", json!({"stage": "CHECKED_IN"})));
                script
            },
            "ok",
        ),
        (
            "destination",
            after(delivered(), c("11-07T00:00", "change_destination", json!({"fc": "ONT8"}))),
            "ALREADY_DELIVERED",
        ),
        ("cancel", after(shipped(), c(now, "cancel_shipment", json!({}))), "ok"),
        (
            "cancelled",
            {
                let mut script = after(shipped(), c(now, "cancel_shipment", json!({})));
                script.push(c("11-03T00:00", "cancel_shipment", json!({})));
                script
            },
            "SHIPMENT_CANCELLED",
        ),
        (
            "cancel: delivered",
            after(delivered(), c("11-07T00:00", "cancel_shipment", json!({}))),
            "ALREADY_DELIVERED",
        ),
        (
            "no such problem",
            after(shipped(), c(now, "acknowledge_problem", json!({"problem_id": "S:MISSING_TRACKING"}))),
            "UNKNOWN_PROBLEM",
        ),
        (
            "the first answer is remembered",
            {
                let mut script = after(shipped(), confirm("11-01T01:00"));
                script.push(command(
                    "11-09T00:00",
                    "confirm_ready",
                    json!({"command_id": "confirm_ready@11-01T01:00"}),
                ));
                script
            },
            "ok",
        ),
    ]);
}

#[test]
fn a_dry_run_leaves_no_trace() {
    let mut script = shipped();
    let plain = play(script.clone());
    script.push(command("11-02T00:00", "cancel_shipment", json!({"dry_run": true})));
    let dry = play(script);
    assert_eq!(dry.answer(), "ok");
    assert_eq!(dry.result.documents, plain.result.documents);
}
