//! What a box shows, as tables: places, returns, side milestones, flags, ETAs.

use serde_json::{Value, json};

use super::script::*;

#[test]
fn r21_r22_places_and_returns() {
    check(vec![
        (
            "R21: delivered elsewhere is not delivered here",
            then([at_fc("11-06T00:00", "DELIVERED", "ONT8")]),
            vec![("/boxes/0/milestone", Value::Null)],
        ),
        (
            "R21: a postal code is a place",
            then([scan("11-06T00:00", N[0], "DELIVERED", json!({"location": {"postal_code": "67219"}}))]),
            vec![("/boxes/0/milestone", "DELIVERED".into())],
        ),
        (
            "R21: the destination moves the eye",
            then([
                at_fc("11-03T00:00", "ARRIVED_AT_FC", "ONT8"),
                command("11-04T00:00", "change_destination", json!({"fc": "ONT8"})),
            ]),
            vec![("/boxes/0/milestone", "ARRIVED_AT_FC".into()), ("plan:", absent()), ("/fc", "ONT8".into())],
        ),
        (
            "R22: a return withdraws",
            then([
                s("11-03T00:00", 0, "IN_TRANSIT"),
                s("11-04T00:00", 0, "RETURN_STARTED"),
                s("11-05T00:00", 0, "DELIVERED"),
            ]),
            vec![
                ("/boxes/0/milestone", "RETURN_STARTED".into()),
                ("plan:/units", 10.into()),
                (
                    "/boxes/0/milestones",
                    json!({"IN_TRANSIT": {"at": long("11-03T00:00"), "source": null}, "RETURN_STARTED": {"at": long("11-04T00:00"), "source": null}}),
                ),
            ],
        ),
        (
            "R22: this FC by name brings it back",
            then([s("11-04T00:00", 0, "RETURN_STARTED"), at_fc("11-05T00:00", "OUT_FOR_DELIVERY", "ICT2")]),
            vec![("/boxes/0/milestone", "OUT_FOR_DELIVERY".into())],
        ),
        (
            "R22: and the next return opens anew",
            then([
                s("11-04T00:00", 0, "RETURN_STARTED"),
                at_fc("11-05T00:00", "OUT_FOR_DELIVERY", "ICT2"),
                s("11-06T00:00", 0, "RETURNED"),
            ]),
            vec![
                ("/boxes/0/milestone", "RETURNED".into()),
                ("/boxes/0/milestones/OUT_FOR_DELIVERY/at", t("11-05T00:00")),
                ("/boxes/0/milestones/RETURN_STARTED", absent()),
            ],
        ),
        (
            "R22: all withdrawn leaves the plan",
            then(both("11-04T00:00", "RETURNED")),
            vec![("plan:", absent()), ("/expected/source", "NONE".into())],
        ),
        (
            "R22: lost ends with movement",
            then([s("11-04T00:00", 0, "LOST"), s("11-05T00:00", 0, "IN_TRANSIT")]),
            vec![("/boxes/0/milestone", "IN_TRANSIT".into())],
        ),
        (
            "R22: lost stands",
            then([s("11-04T00:00", 0, "LOST"), s("11-03T00:00", 0, "IN_TRANSIT")]),
            vec![("/boxes/0/milestone", "LOST".into()), ("/boxes/0/milestones/LOST/at", t("11-04T00:00"))],
        ),
        (
            "ties",
            then([
                s("11-04T00:00", 0, "LOST"),
                s("11-04T00:00", 0, "DESTROYED"),
                s("11-04T00:00", 0, "RETURNED"),
            ]),
            vec![("/boxes/0/milestone", "DESTROYED".into())],
        ),
        (
            "flags end with movement",
            then([
                s("11-04T00:00", 0, "DELAYED"),
                s("11-04T00:00", 0, "DAMAGED"),
                s("11-05T00:00", 0, "IN_TRANSIT"),
                s("11-05T00:00", 0, "HELD"),
            ]),
            vec![("/boxes/0/flags", json!(["HELD", "DAMAGED"])), ("plan:/flags", json!(["HELD", "DAMAGED"]))],
        ),
        (
            "refused ends with a later delivery",
            then([s("11-04T00:00", 0, "REFUSED"), s("11-05T00:00", 0, "IN_TRANSIT")]),
            vec![("/boxes/0/flags", json!(["REFUSED"]))],
        ),
        (
            "refused: delivered",
            then([s("11-04T00:00", 0, "REFUSED"), s("11-05T00:00", 0, "DELIVERED")]),
            vec![("/boxes/0/flags", json!([]))],
        ),
        (
            "the newest word about the ETA",
            then([
                scan("11-04T00:00", N[0], "ETA", json!({"eta": long("11-06T00:00")})),
                scan("11-03T00:00", N[0], "ETA", json!({"eta": long("11-07T00:00")})),
                scan("11-04T00:00", N[0], "ETA", json!({"eta": long("11-05T00:00")})),
            ]),
            vec![("/boxes/0/eta", t("11-06T00:00"))],
        ),
    ]);
}
