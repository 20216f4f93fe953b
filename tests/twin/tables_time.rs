//! Windows, expectations and due times, as tables.

use dockside::model::Settings;
use serde_json::json;

use super::Input;
use super::script::*;

#[test]
fn r8_the_window_is_judged() {
    // The window is 5 to 8 November.
    let eta = |at: &str| scan("11-03T00:00", N[0], "IN_TRANSIT", json!({"eta": long(at)}));
    let etas = |at: &str| {
        let second = scan("11-03T00:00", N[1], "IN_TRANSIT", json!({"eta": long(at)}));
        then([eta(at), second])
    };
    let ticked = |mut script: Vec<Input>, at: &str| {
        script.push(tick(at));
        script
    };
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
        (
            "overdue, but it had been delivered",
            {
                let mut script = ticked(shipped(), "11-08T00:00");
                script.extend(both("11-06T09:00", "DELIVERED").map(|scan| late("11-09T00:00", scan)));
                script
            },
            "ON_TIME",
            true,
            "",
            "",
        ),
        (
            "checked in",
            then([command("11-04T00:00", "report_receiving", json!({"stage": "CHECKED_IN"}))]),
            "EARLY",
            false,
            "11-04T00:00",
            "",
        ),
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
            create("11-01T00:00", json!({"boxes": [parcel("B1")]})),
            confirm("11-01T01:00"),
            track("11-01T02:00", &[("B1", N[0].into())]),
        ];
        script.extend(more);
        script
    };
    let eta = scan("11-04T15:00", N[0], "IN_TRANSIT", json!({"eta": long("11-06T20:00")}));
    let appointment = scan(
        "11-04T16:00",
        N[0],
        "ETA",
        json!({"appointment": {"start": long("11-06T15:00"), "end": long("11-06T17:00")}}),
    );
    // Days at ICT2 begin at 06:00 UTC.
    let rows = vec![
        ("window", with(vec![]), "11-05T00:00", "11-08T00:00", "WINDOW", 0.5, "2026-11-06"),
        ("eta", with(vec![eta.clone()]), "11-06T20:00", "11-06T20:00", "CARRIER_ETA", 0.8, "2026-11-06"),
        (
            "on the vehicle",
            with(vec![eta.clone(), out.clone()]),
            "11-05T15:00",
            "11-06T06:00",
            "OUT_FOR_DELIVERY",
            0.9,
            "2026-11-05",
        ),
        (
            "appointment",
            with(vec![eta.clone(), out.clone(), appointment]),
            "11-06T15:00",
            "11-06T17:00",
            "APPOINTMENT",
            0.95,
            "2026-11-06",
        ),
        (
            "passed",
            with(vec![eta.clone(), tick("11-06T20:00")]),
            "11-06T06:00",
            "11-07T06:00",
            "CARRIER_ETA",
            0.4,
            "2026-11-06",
        ),
        (
            "and again",
            with(vec![eta.clone(), tick("11-09T12:00")]),
            "11-09T06:00",
            "11-10T06:00",
            "CARRIER_ETA",
            0.4,
            "2026-11-09",
        ),
        (
            "not yet",
            with(vec![eta, tick("11-06T19:59")]),
            "11-06T20:00",
            "11-06T20:00",
            "CARRIER_ETA",
            0.8,
            "2026-11-06",
        ),
    ];
    for (name, script, earliest, latest, source, confidence, day) in rows {
        let played = play(script);
        let want = json!({"earliest": long(earliest), "latest": long(latest), "source": source, "confidence": confidence});
        assert_eq!(played.plan("/expected"), want, "{name}");
        assert_eq!(played.arrivals(day, "/boxes"), 1, "{name}");
    }
}

#[test]
fn occurred_at_is_the_newest_fact_shown() {
    check(vec![
        ("entry", shipped(), vec![("plan:/occurred_at", t("11-01T02:00"))]),
        ("event", then([s("11-03T00:00", 0, "IN_TRANSIT")]), vec![("plan:/occurred_at", t("11-03T00:00"))]),
        ("lock", then([tick("11-05T12:00")]), vec![("plan:/occurred_at", t("11-05T00:00"))]),
        (
            "overdue, and rolled to the FC's day before it",
            then([tick("11-08T00:00")]),
            vec![("plan:/occurred_at", t("11-08T00:00"))],
        ),
        ("rolled", then([tick("11-08T12:00")]), vec![("plan:/occurred_at", t("11-08T06:00"))]),
    ]);
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
fn r25_shipments_are_let_go() {
    let cancelled = |more: Vec<Input>| {
        let mut script = then([command("11-03T00:00", "cancel_shipment", json!({}))]);
        script.extend(more);
        script
    };
    let closed = |at: &str| {
        let mut script = then(both("11-06T09:00", "DELIVERED"));
        script.push(command("11-07T00:00", "report_receiving", json!({"stage": "CLOSED"})));
        script.push(tick(at));
        script
    };
    let gone = "2027-02-01T00:00:00Z";
    check(vec![
        ("not yet", cancelled(vec![tick("2027-01-31T23:59:59Z")]), vec![("/status", "CANCELLED".into())]),
        ("cancelled", cancelled(vec![tick(gone)]), vec![("", absent())]),
        ("counted", closed("2027-03-08T23:59:59Z"), vec![("/status", "CLOSED".into())]),
        ("counted no more", closed("2027-03-09T00:00:00Z"), vec![("", absent())]),
    ]);
    let late = scan("2027-02-02T00:00:00Z", N[0], "IN_TRANSIT", json!({}));
    let played = play(cancelled(vec![tick(gone), late]));
    assert_eq!((played.result.counts.parked, played.result.retired), (1, 1));
    let played = play(cancelled(vec![tick(gone), confirm("2027-02-02T00:00:00Z")]));
    assert_eq!(played.answer(), "UNKNOWN_SHIPMENT");
}
