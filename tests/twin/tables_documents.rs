//! Arrivals, problems, accounts and pages, as tables.

use dockside::model::Topic;
use serde_json::{Value, json};

use super::script::*;
use super::{Input, first_difference};

#[test]
fn arrivals_count_boxes_by_day_and_band() {
    let mut script = then([
        s("11-03T00:00", 0, "OUT_FOR_DELIVERY"),
        scan("11-03T00:00", N[1], "IN_TRANSIT", json!({"eta": long("11-09T12:00")})),
    ]);
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
    let script = vec![
        create("11-01T00:00", json!({"partnered": true, "delivery_window": null})),
        confirm("11-01T01:00"),
    ];
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
        script.push(command(
            "11-07T00:00",
            "acknowledge_problem",
            json!({"problem_id": "S:MISSING_TRACKING"}),
        ));
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
        (
            "none at check-in",
            {
                let mut s = untracked();
                s.push(report("11-06T00:00"));
                s
            },
            json!(["B1", "B2"]),
            "OPEN",
            1,
        ),
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
    let mut script = acknowledged(too_late());
    script.push(tick("2027-03-05T23:59:00Z"));
    assert_eq!(play(script.clone()).says(Topic::Accounts, "A", "/rate"), json!(1.0));
    script.push(tick("2027-03-06T00:00:00Z"));
    assert_eq!(
        play(script).says(Topic::Accounts, "A", "/rate"),
        absent(),
        "122 days after the end of the 3rd"
    );
}

#[test]
fn r16_an_acknowledgement_outlives_a_refutation() {
    let ack = command("11-08T01:00", "acknowledge_problem", json!({"problem_id": "S:MISSED_WINDOW_LATE"}));
    let acknowledged = then([tick("11-08T00:00"), ack]);
    let in_time = [
        late("11-09T00:00", scan("11-06T00:00", N[0], "DELIVERED", json!({"scan_id": "d"}))),
        late("11-09T00:00", s("11-06T00:00", 1, "DELIVERED")),
    ];
    let refuted: Vec<Input> = acknowledged.iter().cloned().chain(in_time).collect();
    let mut back = refuted.clone();
    back.push(scan("11-09T01:00", N[0], "ETA", json!({"retracts": ["d"]})));
    for (name, script, status, at) in [
        ("acknowledged", acknowledged, "ACKNOWLEDGED".into(), t("11-08T01:00")),
        ("refuted", refuted, absent(), absent()),
        ("back as it was", back, "ACKNOWLEDGED".into(), t("11-08T01:00")),
    ] {
        let played = play(script);
        assert_eq!(played.problem("MISSED_WINDOW_LATE", "/status"), status, "{name}");
        assert_eq!(played.problem("MISSED_WINDOW_LATE", "/acknowledged_at"), at, "{name}");
    }
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
        assert_eq!(
            (says("/opened_at"), says("/resolved_at")),
            (t("11-08T00:00"), t("11-09T00:00")),
            "{name}"
        );
        assert_eq!(played.shipment("/problems"), json!(["S:MISSED_WINDOW_LATE"]), "{name}");
    }
}

#[test]
fn large_shipments_have_pages() {
    let boxes: Vec<Value> = (0..2001).map(|i| parcel(&format!("B{i}"))).collect();
    let played = play([create("11-01T00:00", json!({"mode": "LTL", "boxes": boxes}))]);
    for (key, page, boxes) in [("S", 1, 1000), ("S|2", 2, 1000), ("S|3", 3, 1)] {
        assert_eq!(played.says(Topic::Shipments, key, "/page"), page);
        assert_eq!(
            played.says(Topic::Shipments, key, "/boxes").as_array().map(Vec::len),
            Some(boxes),
            "{key}"
        );
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
