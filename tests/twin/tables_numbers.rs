//! Whose scans count and what becomes of the others, as tables.

use dockside::model::{DeadLetterReason, Ignored};
use serde_json::{Value, json};

use super::script::*;
use super::{Counts, Input};

#[test]
fn r9_r10_r11_r19_whose_scans_count() {
    let exchange = || track("11-03T00:00", &[("B1", N[2].into())]);
    let seen = || s("11-02T00:00", 0, "IN_TRANSIT");
    let second = |at: &str, created_at: &str| {
        vec![
            create(
                at,
                json!({"shipment_id": "T", "command_id": "t1", "boxes": [parcel("B")], "created_at": long(created_at)}),
            ),
            command(
                at,
                "set_tracking",
                json!({"shipment_id": "T", "command_id": "t2", "items": [{"box_id": "B", "tracking_id": N[0]}]}),
            ),
        ]
    };
    check(vec![
        (
            "R10: the old number's scans go",
            then([seen(), exchange()]),
            vec![("/boxes/0/milestone", Value::Null)],
        ),
        (
            "R10: and come back with it",
            then([seen(), exchange(), track("11-04T00:00", &[("B1", N[0].into())])]),
            vec![("/boxes/0/milestones/IN_TRANSIT/at", t("11-02T00:00"))],
        ),
        (
            "R11: what was parked shows",
            {
                let mut script = vec![seen()];
                script.extend(shipped());
                script
            },
            vec![("/boxes/0/milestone", "IN_TRANSIT".into()), ("/status", "IN_TRANSIT".into())],
        ),
        (
            "R11: not an earlier life",
            {
                let mut script = vec![s("10-30T23:59", 0, "DELIVERED"), s("10-31T00:00", 1, "PICKED_UP")];
                script.extend(shipped());
                script
            },
            vec![("/boxes/0/milestone", Value::Null), ("/boxes/1/milestone", "PICKED_UP".into())],
        ),
        (
            "§2.4: a span over the floor keeps its last",
            {
                let mut script = vec![
                    s("10-20T00:00", 0, "IN_TRANSIT"),
                    s("11-01T05:00", 0, "IN_TRANSIT"),
                    s("11-01T06:00", 0, "IN_TRANSIT"),
                ];
                script
                    .extend([create("11-02T00:00", json!({})), track("11-02T01:00", &[("B1", N[0].into())])]);
                script
            },
            vec![("/boxes/0/milestones/IN_TRANSIT/at", t("11-01T06:00"))],
        ),
        (
            "R11: parked progress expires",
            {
                let mut script = vec![
                    seen(),
                    tick("12-31T00:00"),
                    late("12-31T01:00", s("11-02T00:00", 0, "PICKED_UP")),
                    tick("2027-03-02T01:00:00Z"),
                ];
                script
                    .extend([create("11-01T00:00", json!({})), track("11-01T02:00", &[("B1", N[0].into())])]);
                script
            },
            vec![("/boxes/0/milestone", "IN_TRANSIT".into())],
        ),
        (
            "R9: another carrier's scans do not count",
            then([
                command("11-02T00:00", "change_carrier", json!({"carrier": "OTHER", "carrier_name": "Acme"})),
                s("11-03T00:00", 0, "IN_TRANSIT"),
            ]),
            vec![
                ("/boxes/0/milestone", Value::Null),
                ("/carrier", "OTHER".into()),
                ("/carrier_name", "Acme".into()),
            ],
        ),
        (
            "R9: an unknown carrier's do",
            then([
                command("11-02T00:00", "change_carrier", json!({"carrier": "OTHER", "carrier_name": "Acme"})),
                scan("11-03T00:00", N[0], "IN_TRANSIT", json!({"carrier": "Acme"})),
            ]),
            vec![("/boxes/0/milestone", "IN_TRANSIT".into())],
        ),
        (
            "R19: the newer entry takes over from its own start",
            {
                let mut script = then([s("11-02T00:00", 0, "PICKED_UP")]);
                script.extend(second("11-04T00:00", "11-04T00:00"));
                script.push(s("11-05T00:00", 0, "IN_TRANSIT"));
                script
            },
            vec![("/boxes/0/milestone", "PICKED_UP".into())],
        ),
        (
            "R19: and gives back when it is cancelled before",
            {
                let mut script = then([s("11-02T00:00", 0, "PICKED_UP")]);
                script.extend(second("11-04T00:00", "11-06T00:00"));
                script.push(s("11-05T01:00", 0, "IN_TRANSIT"));
                script.push(command(
                    "11-04T12:00",
                    "cancel_shipment",
                    json!({"shipment_id": "T", "command_id": "t3"}),
                ));
                script
            },
            vec![("/boxes/0/milestone", "IN_TRANSIT".into())],
        ),
        (
            "R19: life ends 30 days after delivery",
            {
                let mut script = then(both("11-06T09:00", "DELIVERED"));
                script.extend([tick("12-06T09:00"), s("12-07T00:00", 0, "RETURNED")]);
                script
            },
            vec![("/status", "DELIVERED".into()), ("/boxes/0/milestone", "DELIVERED".into())],
        ),
        (
            "R19: not a day earlier",
            {
                let mut script = then(both("11-06T09:00", "DELIVERED"));
                script.extend([tick("12-05T09:00"), s("12-05T08:00", 0, "RETURNED")]);
                script
            },
            vec![("/boxes/0/milestone", "RETURNED".into())],
        ),
    ]);
}

#[test]
fn r11_parked_progress_expires() {
    let played = play([
        s("11-02T00:00", 0, "PICKED_UP"),
        s("11-03T00:00", 0, "IN_TRANSIT"),
        tick("2027-03-03T00:59:00Z"),
    ]);
    assert_eq!(played.result.counts.parked, 2);
    let played = play([
        s("11-02T00:00", 0, "PICKED_UP"),
        s("11-03T00:00", 0, "IN_TRANSIT"),
        tick("2027-03-03T01:00:00Z"),
    ]);
    let counts = played.result.counts;
    assert_eq!((counts.parked, counts.dead_lettered[&DeadLetterReason::ParkExpired]), (0, 2));
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
        read: 11,
        taken: 3,
        ignored: [
            (Ignored::EarlierLife, 1),
            (Ignored::OldCarrier, 1),
            (Ignored::Ended, 1),
            (Ignored::UnknownCode, 1),
        ]
        .into(),
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
    assert_eq!(
        counts.read + 1,
        counts.taken + counts.parked + parts,
        "nothing is silent, the bad command included"
    );
}
