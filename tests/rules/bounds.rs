//! R6, R11, R25: what is kept, for how long, and what happens when there is too much.

use dockside::engine::replay::{OutputRecord, Replay};
use dockside::model::{Settings, Topic};
use dockside::stations::{REGISTRATIONS_MAX, Rules};
use serde_json::Value;

use super::story::lines;
use super::{check, check_under};

#[test]
fn r25_closed_and_cancelled_shipments_leave() {
    let cancelled = |more: &str| format!("given shipped; 11-03T00:00 cancel; {more}");
    // Evaluated on 11-06, which counts for 122 days after its end.
    let closed = |more: &str| format!("given delivered; 11-07T00:00 report CLOSED; {more}");
    let partnered = |more: &str| {
        format!(
            "11-01T00:00 create partnered=true; 11-01T01:00 confirm; 11-01T02:00 track system=true B1=#0 B2=#1
             11-06T09:00 scan #0 DELIVERED; 11-06T09:30 scan #1 DELIVERED; 11-07T00:00 report CLOSED; {more}"
        )
    };
    // Missed, closed on 11-09, and acknowledged long after.
    let acknowledged = |more: &str| {
        format!("given shipped; 11-09T00:00 report CLOSED; 12-31T00:00 ack MISSED_WINDOW_LATE; {more}")
    };
    let pages: Vec<String> = (0..1_500).map(|n| format!("P{n}")).collect();
    let large =
        format!("11-01T00:00 create mode=LTL carrier=ABF boxes={}; 11-03T00:00 cancel", pages.join(","));
    check(&[
        (
            "cancelled, a second before 90 days",
            &cancelled("2027-01-31T23:59:59 tick"),
            "shipment.status = CANCELLED; held = shipments=1 boxes=2 numbers=2",
        ),
        (
            "cancelled 90 days ago",
            &cancelled("2027-02-01T00:00 tick"),
            "shipment = absent; emitted = shipments:-S; held = none",
        ),
        (
            "closed, while its account's record counts it",
            &closed("2027-03-08T23:59:59 tick"),
            "shipment.status = CLOSED; account.evaluated = 1; held = shipments=1 boxes=2 numbers=2",
        ),
        (
            "closed, and its account's record counts it no more",
            &closed("2027-03-09T00:00 tick"),
            "shipment = absent; emitted = shipments:-S accounts:-A; held = none",
        ),
        (
            "closed and never evaluated, a second before 90 days",
            &partnered("2027-02-04T23:59:59 tick"),
            "shipment.status = CLOSED; account = absent",
        ),
        (
            "closed 90 days ago, and never evaluated",
            &partnered("2027-02-05T00:00 tick"),
            "emitted = shipments:-S; held = none",
        ),
        (
            "the last command counts",
            &acknowledged("2027-03-30T23:59:59 tick"),
            "shipment.status = CLOSED; problem(MISSED_WINDOW_LATE).status = ACKNOWLEDGED; account = absent",
        ),
        (
            "problems go with it",
            &acknowledged("2027-03-31T00:00 tick"),
            "emitted = accounts:-A shipments:-S problems:-S:MISSED_WINDOW_LATE; held = none",
        ),
        (
            "all its pages go",
            &format!("{large}; 2027-02-01T00:00 tick"),
            "emitted = shipments:-S shipments:-S|2; held = none",
        ),
        (
            "cancelled long ago by its entry: at once",
            "2027-06-01T00:00 tick; given shipped; 11-03T00:00 cancel",
            "answer = ok; shipment = absent; plan = absent; arrivals = absent; held = none",
        ),
        (
            "delivered and never closed: it stays",
            "given delivered; 2028-11-01T00:00 tick",
            "shipment.status = DELIVERED; held = shipments=1 boxes=2 numbers=2",
        ),
    ]);
}

#[test]
fn r25_nothing_is_known_of_it_afterwards() {
    let gone = |more: &str| format!("given shipped; 11-03T00:00 cancel; 2027-02-01T00:00 tick; {more}");
    check(&[
        (
            "before: a late scan has ended",
            "given shipped; 11-03T00:00 cancel; 2027-01-31T00:00 scan #0 IN_TRANSIT",
            "counts = read=1 ended=1",
        ),
        (
            "a late scan is parked",
            &gone("2027-02-01T01:00 scan #0 IN_TRANSIT"),
            "counts = read=1 parked=1; held = numbers=1 parked_numbers=1",
        ),
        (
            "and waits 120 days, as any",
            &gone("2027-02-01T00:00 scan #0 IN_TRANSIT; 2027-06-01T00:00 tick"),
            "counts = read=1 PARK_EXPIRED=1; held = none",
        ),
        ("a late command", &gone("2027-02-02T00:00 cancel"), "answer = UNKNOWN_SHIPMENT"),
        ("a dry run", &gone("2027-02-02T00:00 confirm dry=true"), "answer = UNKNOWN_SHIPMENT"),
        (
            "the same ID begins a new life",
            &gone(
                "2027-02-02T00:00 create window=2027-02-05..2027-02-07; 2027-02-02T01:00 track B1=#0; 2027-02-02T02:00 scan #0 PICKED_UP",
            ),
            "shipment.version = 3; shipment.status = WORKING; box(B1).milestone = PICKED_UP; counts = read=1 applied=1
             held = shipments=1 boxes=2 numbers=1",
        ),
        (
            "and so does its command's ID",
            "11-01T00:00 create id=c; 11-03T00:00 cancel; 2027-02-01T00:00 tick
             2027-02-02T00:00 create id=c boxes=X window=2027-02-05..2027-02-07",
            "answers = ok / ok / ok; shipment.version = 1; box(X).milestone = null",
        ),
        (
            "what the number said in the earlier life does not come back",
            &gone(
                "2027-02-02T00:00 create created_at=11-01 window=2027-02-05..2027-02-07; 2027-02-02T01:00 track B1=#0",
            )
            .replace("11-03T00:00 cancel", "11-02T00:00 scan #0 PICKED_UP; 11-03T00:00 cancel"),
            "box(B1).milestone = null; counts = read=1 applied=1",
        ),
    ]);
}

#[test]
fn r25_other_shipments_of_a_number_show_what_they_showed() {
    // S has #0 from 10-31 on, T from 11-09 on.
    let two = |more: &str| {
        format!(
            "given shipped; 11-02T00:00 scan #0 PICKED_UP; 11-10T00:00 create in=T boxes=T1 window=11-12..11-14
             11-10T01:00 track in=T T1=#0; 11-10T02:00 confirm in=T; 11-11T00:00 scan #0 IN_TRANSIT; {more}"
        )
    };
    let newer_gone = "11-12T00:00 report CLOSED in=T; 2027-03-20T00:00 tick";
    check(&[
        (
            "the newer one goes, the older one takes nothing over",
            &two(newer_gone),
            "shipment(T) = absent; box(B1).milestone = PICKED_UP; held = shipments=1 boxes=2 numbers=2",
        ),
        (
            "nor later scans",
            &two(&format!("{newer_gone}; 2027-03-21T00:00 scan #0 DELIVERED")),
            "box(B1).milestone = PICKED_UP; counts = read=3 applied=2 ended=1",
        ),
        (
            "until both are gone",
            &two(&format!(
                "{newer_gone}; 2027-03-22T00:00 cancel; 2027-06-21T00:00 tick; 2027-06-21T01:00 scan #0 DELIVERED"
            )),
            "counts = read=3 applied=2 parked=1; held = numbers=1 parked_numbers=1",
        ),
        (
            "the older one gives the number up: it is an old one",
            &two(&format!("{newer_gone}; 2027-03-22T00:00 track B1=#5; 2027-03-23T00:00 scan #0 DELIVERED")),
            "counts = read=3 applied=2 old_carrier=1; held = shipments=1 boxes=2 numbers=3",
        ),
        (
            "the older one goes, and its time with it",
            &two("11-12T00:00 cancel; 2027-02-10T00:00 tick; 2027-02-11T00:00 scan #0 PICKED_UP at=11-08T00:00"),
            "box(T/T1).milestone = IN_TRANSIT; counts = read=3 applied=2 earlier_life=1; held = shipments=1 boxes=1 numbers=1",
        ),
        (
            "freight: the others stay",
            "given hauled; 11-01T03:00 create in=T mode=LTL carrier=ABF pallets=1; 11-01T05:00 bill in=T 123456782
             11-03T00:00 cancel; 2027-02-01T00:00 tick; 2027-02-01T00:00 scan 123456782 IN_TRANSIT carrier=ABF",
            "shipment = absent; shipment(T).milestone = IN_TRANSIT; held = shipments=1 boxes=2 numbers=1",
        ),
    ]);
}

#[test]
fn r11_parked_progress_has_bounds() {
    let numbers = |max| Settings { park_numbers_max: max, ..Settings::default() };
    let bytes = |max| Settings { park_bytes_max: max, ..Settings::default() };
    let three = "11-01T10:00 scan #1 PICKED_UP; 11-01T11:00 scan #0 PICKED_UP; 11-01T12:00 scan #2 PICKED_UP";
    let rows = [
        ("room for all", numbers(3), three, "counts = read=3 parked=3; letters = none"),
        (
            "the oldest goes",
            numbers(2),
            three,
            "counts = read=3 parked=2 PARK_EVICTED=1; letters = PARK_EVICTED; held = numbers=2 parked_numbers=2",
        ),
        (
            "the oldest does not show, and the others do",
            numbers(2),
            &format!("{three}; given shipped"),
            "box(B1).milestone = PICKED_UP; box(B2).milestone = null",
        ),
        (
            "scanned again: the other one is older",
            numbers(2),
            "11-01T10:00 scan #1 PICKED_UP; 11-01T11:00 scan #0 PICKED_UP; 11-01T11:30 scan #1 IN_TRANSIT
             11-01T12:00 scan #2 PICKED_UP; given shipped",
            "box(B1).milestone = null; box(B2).milestone = IN_TRANSIT; counts = read=4 applied=2 parked=1 PARK_EVICTED=1",
        ),
        (
            "when a record was written counts, not when the parcel was seen",
            numbers(1),
            "11-01T10:00 scan #0 PICKED_UP; 11-01T11:00 scan #1 PICKED_UP at=11-01T01:00; given shipped",
            "box(B1).milestone = null; box(B2).milestone = PICKED_UP",
        ),
        (
            "equally old: the smaller number",
            numbers(1),
            "11-01T10:00 scan #1 PICKED_UP; 11-01T10:00 scan #0 PICKED_UP; given shipped",
            "box(B1).milestone = null; box(B2).milestone = PICKED_UP",
        ),
        (
            "all its scans are counted",
            numbers(1),
            "11-01T10:00 scan #0 PICKED_UP; 11-01T11:00 scan #0 PICKED_UP; 11-01T12:00 scan #1 PICKED_UP",
            "counts = read=3 parked=1 PARK_EVICTED=2",
        ),
        ("too small for any", bytes(1), three, "counts = read=3 PARK_EVICTED=3; held = none"),
        ("bytes enough", bytes(1 << 20), three, "counts = read=3 parked=3"),
        (
            "registered ones take no room",
            numbers(1),
            &format!("given shipped; {three}"),
            "counts = read=3 applied=2 parked=1; held = shipments=1 boxes=2 numbers=3 parked_numbers=1",
        ),
        (
            "nor those that were parked once",
            numbers(1),
            "11-01T00:00 scan #0 PICKED_UP; given shipped; 11-02T00:00 scan #2 PICKED_UP",
            "counts = read=2 applied=1 parked=1; letters = none",
        ),
        (
            "evicted, and scanned again",
            numbers(1),
            "11-01T10:00 scan #0 PICKED_UP; 11-01T11:00 scan #1 PICKED_UP; 11-01T12:00 scan #0 IN_TRANSIT; given shipped",
            "box(B1).PICKED_UP = absent; box(B1).milestone = IN_TRANSIT; counts = read=3 applied=1 PARK_EVICTED=2",
        ),
    ];
    for (name, settings, story, wants) in rows {
        check_under(&settings, &[(name, story, wants)]);
    }
}

#[test]
fn r11_an_evicted_number_is_told_of() {
    let settings = Settings { park_numbers_max: 1, ..Settings::default() };
    let mut replay = Replay::new(Rules { settings, ..Rules::embedded() });
    let mut out: Vec<OutputRecord> = Vec::new();
    for line in lines("11-01T10:00 scan #0 PICKED_UP; 11-01T11:00 scan #1 PICKED_UP") {
        replay.tell(&line, &mut |record| out.push(record.clone()));
    }
    assert_eq!(out.len(), 1);
    assert_eq!(out[0].topic, Topic::DeadLetters);
    assert_eq!(out[0].key.as_deref(), Some(&b"1Z5R89390357567127"[..]));
    let letter: Value = serde_json::from_slice(out[0].value.as_deref().expect("a value")).expect("JSON");
    assert_eq!(letter["scans"], 1);
    assert_eq!(letter["carrier"], "UPS");
    let gauges = replay.stations().gauges();
    assert_eq!((gauges.parked_scans, gauges.parked_numbers), (1, 1));
    assert!((100..1_000).contains(&gauges.parked_bytes), "{gauges:?}");
}

#[test]
fn r6_a_pro_serves_a_thousand_shipments() {
    let one = |n: usize| {
        format!(
            "11-01T00:00 create in=P{n} mode=LTL carrier=ABF boxes=X; 11-01T01:00 confirm in=P{n}; 11-01T02:00 bill in=P{n} 123456782"
        )
    };
    // The one too many comes first, and its entry is the newest.
    let newest = one(REGISTRATIONS_MAX).replace("11-01T02:00", "11-01T03:00");
    let shipments: Vec<String> = std::iter::once(newest).chain((0..REGISTRATIONS_MAX).map(one)).collect();
    let story = format!("{}; 11-02T00:00 scan 123456782 IN_TRANSIT carrier=ABF", shipments.join("; "));
    check(&[(
        "the newest entry is one too many",
        &story,
        "shipment(P0).milestone = IN_TRANSIT; shipment(P999).milestone = IN_TRANSIT
         shipment(P1000).milestone = null; shipment(P1000).freight_bill = 123456782; refused = 1",
    )]);
}
