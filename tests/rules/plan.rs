//! §4.4: what is expected when, arrivals by FC-local day, tombstones and pages.

use super::check;
use super::played::play;
use super::story::lines;

/// One tracked box, so that the shipment shows the box's own expectation.
fn one(more: &str) -> String {
    format!("11-01T00:00 create boxes=B1; 11-01T01:00 confirm; 11-01T02:00 track B1=#0; {more}")
}

#[test]
fn what_is_expected_by_trust() {
    let eta = "11-04T15:00 scan #0 IN_TRANSIT eta=11-06T20:00";
    let out = "11-05T15:00 scan #0 OUT_FOR_DELIVERY";
    let appointment = "11-05T16:00 scan #0 APPOINTMENT appt=11-06T15:00..11-06T17:00";
    let says = |source: &str, confidence: &str, earliest: &str, latest: &str| {
        format!("plan.expected = confidence:{confidence} earliest:{earliest} latest:{latest} source:{source}")
    };
    // Days at ICT2 begin at 06:00 UTC.
    check(&[
        (
            "nothing",
            "11-01T00:00 create partnered=true window=- boxes=B1 items=B1:#0; 11-01T01:00 confirm",
            &says("NONE", "0", "null", "null"),
        ),
        ("window", &one(""), &says("WINDOW", "0.5", "11-05T00:00", "11-08T00:00")),
        ("carrier's ETA", &one(eta), &says("CARRIER_ETA", "0.8", "11-06T20:00", "11-06T20:00")),
        (
            "on the vehicle",
            &one(&format!("{eta}; {out}")),
            &says("OUT_FOR_DELIVERY", "0.9", "11-05T15:00", "11-06T06:00"),
        ),
        (
            "appointment",
            &one(&format!("{eta}; {out}; {appointment}")),
            &says("APPOINTMENT", "0.95", "11-06T15:00", "11-06T17:00"),
        ),
        (
            "an appointment without an end takes an hour",
            &one("11-05T16:00 scan #0 APPOINTMENT appt=11-06T15:00..11-06T15:00"),
            &says("APPOINTMENT", "0.95", "11-06T15:00", "11-06T16:00"),
        ),
        (
            "delivered",
            &one(&format!("{eta}; {out}; {appointment}; 11-06T15:10 scan #0 DELIVERED")),
            &says("DELIVERED", "1", "11-06T15:10", "11-06T15:10"),
        ),
        (
            "over the boxes: from the first to the last, as trusted as the least",
            "given shipped; 11-04T15:00 scan #0 IN_TRANSIT eta=11-06T20:00; 11-06T09:00 scan #1 DELIVERED",
            &says("CARRIER_ETA", "0.8", "11-06T09:00", "11-06T20:00"),
        ),
        (
            "without those that are withdrawn",
            "given shipped; 11-04T15:00 scan #0 LOST; 11-06T09:00 scan #1 DELIVERED",
            &says("DELIVERED", "1", "11-06T09:00", "11-06T09:00"),
        ),
    ]);
}

#[test]
fn a_passed_expectation_rolls_to_today() {
    let eta = "11-04T15:00 scan #0 IN_TRANSIT eta=11-06T20:00";
    let rolled = |at: &str, day: &str, next: &str| {
        (
            one(&format!("{eta}; {at} tick")),
            format!(
                "plan.expected = confidence:0.4 earliest:{day}T06:00 latest:{next}T06:00 source:CARRIER_ETA"
            ),
        )
    };
    let (passed, passed_says) = rolled("11-06T20:00", "11-06", "11-07");
    let (midnight, midnight_says) = rolled("11-07T06:00", "11-07", "11-08");
    let (before_midnight, before_midnight_says) = rolled("11-07T05:59:59", "11-06", "11-07");
    let (days, days_says) = rolled("11-10T12:00", "11-10", "11-11");
    check(&[
        (
            "not yet",
            &one(&format!("{eta}; 11-06T19:59:59 tick")),
            "plan.expected.confidence = 0.8; plan.expected.latest = 11-06T20:00",
        ),
        ("passed", &passed, &passed_says),
        ("the FC's midnight", &midnight, &midnight_says),
        ("a second before", &before_midnight, &before_midnight_says),
        ("days later, halved once", &days, &days_says),
        (
            "the arrivals move along",
            &days,
            "arrivals(11-06) = absent; arrivals(11-09) = absent; arrivals(11-10).boxes = 1",
        ),
        (
            "it stops at the FC's report",
            &one(&format!("{eta}; 11-07T12:00 report CHECKED_IN; 11-12T00:00 tick")),
            "plan.expected.earliest = 11-07T06:00; arrivals(11-07) = absent",
        ),
        (
            "told later of a newer ETA",
            &one(&format!("{eta}; 11-07T12:00 scan #0 IN_TRANSIT eta=11-08T20:00")),
            "plan.expected.latest = 11-08T20:00; plan.expected.confidence = 0.8",
        ),
    ]);
}

#[test]
fn days_are_those_of_the_fc() {
    let eta = |at: &str| one(&format!("11-03T00:00 scan #0 IN_TRANSIT eta={at}"));
    // The clocks in Wichita go back on 2026-11-01 at 07:00 UTC: that day has 25 hours.
    let out = |fc: &str, at: &str| {
        format!(
            "10-20T00:00 create boxes=B1 fc={fc} window=10-30..11-03; 10-20T01:00 confirm; 10-20T02:00 track B1=#0; {at} scan #0 OUT_FOR_DELIVERY"
        )
    };
    // And forward on 2027-03-14: 23 hours.
    let spring = "2027-03-01T00:00 create boxes=B1 window=2027-03-12..2027-03-16; 2027-03-01T01:00 confirm; 2027-03-01T02:00 track B1=#0
        2027-03-14T07:00 scan #0 OUT_FOR_DELIVERY";
    check(&[
        (
            "a second before midnight",
            &eta("11-06T05:59:59"),
            "arrivals(11-05).boxes = 1; arrivals(11-06) = absent",
        ),
        ("midnight", &eta("11-06T06:00"), "arrivals(11-06).boxes = 1; arrivals(11-05) = absent"),
        ("the last day of summer time", &out("ICT2", "10-31T12:00"), "plan.expected.latest = 11-01T05:00"),
        ("the day of 25 hours", &out("ICT2", "11-01T05:00"), "plan.expected.latest = 11-02T06:00"),
        (
            "no summer time in Phoenix",
            &out("PHX7", "11-01T12:00"),
            "plan(PHX7|S).expected.latest = 11-02T07:00",
        ),
        (
            "a day in Los Angeles",
            &out("ONT8", "11-02T07:59:59"),
            "plan(ONT8|S).expected.latest = 11-02T08:00",
        ),
        (
            "an FC that is not configured",
            &out("NEW1", "11-01T12:00"),
            "plan(NEW1|S).expected.latest = 11-02T00:00",
        ),
        ("the day of 23 hours", spring, "plan.expected.latest = 2027-03-15T05:00:00Z"),
    ]);
}

#[test]
fn arrivals_count_boxes_by_day_and_band() {
    let at = |milestone: &str| one(&format!("11-06T12:00 scan #0 {milestone}"));
    check(&[
        ("from the confirmation on", "given created", "arrivals(11-06) = absent"),
        (
            "registered",
            "given shipped",
            "arrivals(11-06).by_band.REGISTERED = 2; arrivals(11-06).units = 20; arrivals(11-06).weight_g = 1000
             arrivals(11-06).shipments = 1; arrivals(11-06).pallets = 0",
        ),
        ("label", &at("LABEL_CREATED"), "arrivals(11-06).by_band.REGISTERED = 1"),
        ("picked up", &at("PICKED_UP"), "arrivals(11-06).by_band.IN_TRANSIT = 1"),
        ("in transit", &at("IN_TRANSIT"), "arrivals(11-06).by_band.IN_TRANSIT = 1"),
        ("at destination", &at("AT_DESTINATION"), "arrivals(11-06).by_band.NEAR = 1"),
        ("out for delivery", &at("OUT_FOR_DELIVERY"), "arrivals(11-06).by_band.NEAR = 1"),
        ("arrived", &at("ARRIVED_AT_FC"), "arrivals(11-06).by_band.AT_FC = 1"),
        ("partially delivered", &at("PARTIALLY_DELIVERED"), "arrivals(11-06).by_band.AT_FC = 1"),
        ("delivered: on its day", &at("DELIVERED"), "arrivals(11-06).by_band.DELIVERED = 1; arrivals(11-06).boxes = 1"),
        ("until the check-in", &format!("{}; 11-07T00:00 report CHECKED_IN", at("DELIVERED")), "arrivals(11-06) = absent; plan.status = CHECKED_IN"),
        (
            "each box on its own day, the shipment on both",
            "given shipped; 11-04T00:00 scan #0 IN_TRANSIT eta=11-05T12:00; 11-04T00:00 scan #1 IN_TRANSIT eta=11-07T12:00",
            "arrivals(11-05).boxes = 1; arrivals(11-05).shipments = 1; arrivals(11-07).boxes = 1; arrivals(11-07).shipments = 1; arrivals(11-06) = absent",
        ),
        (
            "without any expectation",
            "11-01T00:00 create partnered=true window=- items=B1:#0; 11-01T01:00 confirm",
            "arrivals.boxes = 2; arrivals.shipments = 1; arrivals.day = UNSCHEDULED",
        ),
        (
            "freight: its pallets and its boxes",
            "given hauled",
            "arrivals(ICT2|2026-11-06|LTL).pallets = 2; arrivals(ICT2|2026-11-06|LTL).boxes = 2; arrivals(ICT2|2026-11-06|LTL).shipments = 1",
        ),
        (
            "freight without boxes",
            "11-01T00:00 create mode=FTL carrier=ABF boxes= pallets=20; 11-01T01:00 confirm",
            "arrivals(ICT2|2026-11-06|FTL).pallets = 20; arrivals(ICT2|2026-11-06|FTL).boxes = 0; arrivals(ICT2|2026-11-06|FTL).shipments = 1",
        ),
        (
            "two shipments add up, and one leaves",
            "given shipped; 11-02T00:00 create in=T boxes=T1; 11-02T01:00 confirm in=T; 11-03T00:00 cancel",
            "arrivals(11-06).boxes = 1; arrivals(11-06).shipments = 1; arrivals(11-06).units = 10",
        ),
    ]);
}

#[test]
fn a_plan_line_goes_with_a_tombstone() {
    let now = "11-03T00:00";
    let shipped = |more: &str| format!("given shipped; {now} {more}");
    check(&[
        (
            "change of destination",
            &shipped("fc ONT8"),
            "plan = absent; plan(ONT8|S).status = SHIPPED; arrivals(11-06) = absent; arrivals(ONT8|2026-11-06|SPD).boxes = 2
             emitted = command-results:S shipments:S receiving-plan:-ICT2|S receiving-plan:ONT8|S arrivals:-ICT2|2026-11-06|SPD arrivals:ONT8|2026-11-06|SPD",
        ),
        ("to where it goes anyway", &shipped("fc ICT2"), "answer = ok; emitted = command-results:S"),
        (
            "there and back: versions go on",
            &format!("{}; 11-03T01:00 fc ICT2", shipped("fc ONT8")),
            "plan.version = 4; plan(ONT8|S) = absent; arrivals(ONT8|2026-11-06|SPD) = absent; arrivals(11-06).boxes = 2",
        ),
        (
            "closed",
            "given delivered; 11-07T00:00 report CLOSED",
            "plan = absent; shipment.status = CLOSED; arrivals(11-06) = absent; emitted = command-results:S shipments:S receiving-plan:-ICT2|S arrivals:-ICT2|2026-11-06|SPD",
        ),
        ("cancelled", &shipped("cancel"), "plan = absent; shipment.status = CANCELLED; arrivals(11-06) = absent"),
        (
            "all boxes withdrawn",
            "given shipped; 11-04T00:00 scan #0 LOST; 11-05T00:00 scan #1 RETURN_STARTED",
            "plan = absent; shipment.status = SHIPPED; arrivals(11-06) = absent; shipment.expected.source = NONE",
        ),
        (
            "one of them is found",
            "given shipped; 11-04T00:00 scan #0 LOST; 11-04T06:00 scan #1 RETURN_STARTED; 11-04T12:00 scan #0 IN_TRANSIT",
            "plan.units = 10; plan.boxes.by_milestone = IN_TRANSIT:1 RETURN_STARTED:1; arrivals(11-06).boxes = 1; plan.version = 4",
        ),
    ]);
}

#[test]
fn large_shipments_come_in_pages() {
    let create = |boxes: usize| {
        let ids: Vec<String> = (0..boxes).map(|n| format!("B{n}")).collect();
        format!("11-01T00:00 create mode=LTL carrier=ABF boxes={}; 11-01T01:00 confirm", ids.join(","))
    };
    let removed: Vec<String> = (1_000..2_001).map(|n| format!("-B{n}")).collect();
    check(&[
        ("1,000 boxes", &create(1_000), "shipment.pages = 1; shipment(S|2) = absent; plan.boxes.total = 1000"),
        (
            "one more",
            &create(1_001),
            "shipment.pages = 2; shipment.page = 1; shipment(S|2).page = 2; box(B999).units = 10; box(B1000).units = 10
             plan.boxes.by_milestone = NONE:1001; shipment(S|2).version = 2",
        ),
        (
            "three pages, of which one is left",
            &format!("{}; 11-01T02:00 boxes {}", create(2_001), removed.join(" ")),
            "answer = ok; shipment.pages = 1; shipment(S|2) = absent; shipment(S|3) = absent; plan.boxes.total = 1000",
        ),
        ("5,000 boxes", &create(5_000), "shipment.pages = 5; shipment(S|5).pages = 5"),
        (
            "too many",
            &format!("{}; 11-01T02:00 boxes +X", create(5_000)),
            "answer = TOO_MANY_BOXES; plan.boxes.total = 5000",
        ),
    ]);
    let scanned = play(&lines(&format!(
        "{}; 11-01T02:00 bill 77; 11-02T00:00 scan 77 IN_TRANSIT carrier=ABF",
        create(1_001)
    )));
    assert_eq!(scanned.says("box(B1000).IN_TRANSIT"), "11-02T00:00");
    assert_eq!(scanned.says("shipment(S|2).status"), "IN_TRANSIT");
}
