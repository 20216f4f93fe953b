//! R11, R19, R20: numbers that come late, come again, or say impossible times.

use super::check;

#[test]
fn r11_late_tracking_shows_the_whole_way() {
    check(&[
        (
            "registered after 40 days",
            "given confirmed; 11-01T02:00 track B1=#0; 11-03T00:00 scan #1 PICKED_UP; 11-04T00:00 scan #1 IN_TRANSIT
             12-13T00:00 track B2=#1",
            "box(B2).PICKED_UP = 11-03T00:00; box(B2).IN_TRANSIT = 11-04T00:00; shipment.status = IN_TRANSIT
             shipment.status_since = 11-04T00:00; counts = read=2 applied=2",
        ),
        (
            "until then it is parked",
            "given confirmed; 11-03T00:00 scan #1 PICKED_UP; 11-03T00:00 scan #1 PICKED_UP",
            "counts = read=2 parked=2; box(B2).milestone = null",
        ),
        (
            "a second before the day before its creation: an earlier life",
            "10-30T23:59:59 scan #0 DELIVERED; 10-31T00:00 scan #1 PICKED_UP; given shipped",
            "box(B1).milestone = null; box(B2).PICKED_UP = 10-31T00:00; counts = read=2 applied=2",
        ),
        (
            "an earlier life that is told of later",
            "given shipped; 11-02T00:00 scan #0 DELIVERED at=10-30T23:59:59; 11-02T00:00 scan #0 PICKED_UP at=10-31T00:00",
            "box(B1).milestone = PICKED_UP; counts = read=2 applied=1 earlier_life=1",
        ),
        (
            "backfilled: the creation counts, not the entry",
            "11-20T00:00 create created_at=11-01 window=11-21..11-24; 11-20T01:00 track B1=#0
             11-20T02:00 scan #0 PICKED_UP at=11-02T00:00",
            "box(B1).PICKED_UP = 11-02T00:00; shipment.created_at = 11-01T00:00",
        ),
        (
            "120 days after its last scan it expires",
            "11-01T00:00 scan #0 PICKED_UP; 11-02T00:00 scan #0 IN_TRANSIT; 2027-03-02T00:00 tick
             2027-03-03T00:00 create created_at=11-01 window=2027-03-04..2027-03-05; 2027-03-03T01:00 track B1=#0",
            "letters = PARK_EXPIRED; counts = read=2 PARK_EXPIRED=2; box(B1).milestone = null",
        ),
        (
            "and not a second before",
            "11-01T00:00 scan #0 PICKED_UP; 11-02T00:00 scan #0 IN_TRANSIT; 2027-03-01T23:59:59 tick
             2027-03-01T23:59:59 create created_at=11-01 window=2027-03-04..2027-03-05; 2027-03-01T23:59:59 track B1=#0",
            "letters = none; counts = read=2 applied=2; box(B1).milestone = IN_TRANSIT",
        ),
    ]);
}

#[test]
fn r19_one_number_in_two_open_shipments() {
    // T is created on 11-10: from 11-09 on, the number's scans are its own.
    let two = |more: &str| {
        format!(
            "given shipped; 11-10T00:00 create in=T boxes=T1 window=11-12..11-14; 11-10T01:00 track in=T T1=#0; {more}"
        )
    };
    check(&[
        (
            "the newer entry gets the scans from its own `from` on",
            &two("11-11T00:00 scan #0 IN_TRANSIT at=11-09T00:00"),
            "answers = ok / ok / ok / ok / ok; box(T/T1).IN_TRANSIT = 11-09T00:00; box(B1).milestone = null; counts = read=1 applied=1",
        ),
        (
            "the older one those before",
            &two("11-11T00:00 scan #0 IN_TRANSIT at=11-08T23:59:59"),
            "box(T/T1).milestone = null; box(B1).IN_TRANSIT = 11-08T23:59:59",
        ),
        (
            "what the older one showed of the newer one's time goes",
            "given shipped; 11-09T12:00 scan #0 IN_TRANSIT; 11-10T00:00 create in=T boxes=T1 window=11-12..11-14
             11-10T01:00 track in=T T1=#0",
            "box(B1).milestone = null; box(T/T1).IN_TRANSIT = 11-09T12:00; shipment.status = SHIPPED",
        ),
        (
            "it lifts when the newer entry gives the number up",
            &two("11-11T00:00 scan #0 IN_TRANSIT; 11-12T00:00 track in=T T1=-"),
            "box(T/T1).milestone = null; box(B1).IN_TRANSIT = 11-11T00:00",
        ),
        (
            "it lifts when the newer one is cancelled, which keeps what it showed",
            &two("11-11T00:00 scan #0 IN_TRANSIT; 11-12T00:00 cancel in=T; 11-13T00:00 scan #0 OUT_FOR_DELIVERY"),
            "shipment(T).status = CANCELLED; box(T/T1).milestone = IN_TRANSIT; box(B1).milestone = OUT_FOR_DELIVERY
             box(B1).IN_TRANSIT = 11-11T00:00; counts = read=2 applied=2",
        ),
        (
            "and stays so when the cancelled one retires",
            &two("11-11T00:00 scan #0 IN_TRANSIT; 11-12T00:00 cancel in=T; 2027-02-10T00:00 tick; 2027-02-10T01:00 scan #0 OUT_FOR_DELIVERY"),
            "shipment(T) = absent; box(B1).milestone = OUT_FOR_DELIVERY; counts = read=2 applied=2",
        ),
        (
            "a newer one that was closed keeps its own",
            &two("11-10T02:00 confirm in=T; 11-11T00:00 scan #0 DELIVERED; 11-12T00:00 report CLOSED in=T; 11-13T00:00 scan #0 DAMAGED"),
            "box(T/T1).milestone = DELIVERED; box(B1).milestone = null; counts = read=2 applied=1 ended=1",
        ),
    ]);
}

#[test]
fn r11_r19_a_life_ends() {
    check(&[
        (
            "30 days after the delivery, a second before",
            "given delivered; 12-06T09:29:59 scan #0 DAMAGED",
            "box(B1).flags = DAMAGED; counts = read=3 applied=3",
        ),
        (
            "30 days after the delivery",
            "given delivered; 12-06T09:30 scan #0 DAMAGED",
            "box(B1).flags = none; counts = read=3 applied=2 ended=1",
        ),
        (
            "a shipment that was never confirmed was never delivered",
            "given created; 11-01T02:00 track B1=#0 B2=#1; 11-06T09:00 scan #0 DELIVERED; 11-06T09:00 scan #1 DELIVERED; 12-10T00:00 scan #0 DAMAGED",
            "box(B1).flags = DAMAGED; counts = read=3 applied=3",
        ),
        (
            "what happened in it is still told, and counted as ended",
            "given delivered; 12-07T00:00 scan #0 OUT_FOR_DELIVERY at=11-06T06:00",
            "box(B1).OUT_FOR_DELIVERY = 11-06T06:00; counts = read=3 applied=2 ended=1",
        ),
        (
            "closed",
            "given delivered; 11-07T00:00 report CLOSED; 11-07T01:00 scan #0 DAMAGED",
            "box(B1).flags = none; counts = read=3 applied=2 ended=1",
        ),
        (
            "cancelled",
            "given shipped; 11-02T00:00 scan #0 PICKED_UP; 11-03T00:00 cancel; 11-03T00:00 scan #0 IN_TRANSIT",
            "box(B1).milestone = PICKED_UP; counts = read=2 applied=1 ended=1",
        ),
        (
            "a reused number begins anew",
            "given delivered; 2027-01-10T00:00 create in=T boxes=T1 window=2027-01-12..2027-01-15
             2027-01-10T01:00 track in=T T1=#0; 2027-01-11T00:00 scan #0 PICKED_UP",
            "box(T/T1).milestone = PICKED_UP; box(T/T1).DELIVERED = absent; box(B1).DELIVERED = 11-06T09:00
             box(B1).PICKED_UP = absent; counts = read=3 applied=3; shipment.status = DELIVERED",
        ),
    ]);
}

#[test]
fn r19_an_end_that_hides_its_own_delivery_is_none() {
    check(&[
        (
            "brought back long after the delivery",
            "given delivered; 11-11T00:00 scan #0 RETURN_STARTED; 12-12T00:00 scan #0 DELIVERED fc=ICT2",
            "box(B1).milestone = DELIVERED; shipment.status = DELIVERED",
        ),
        (
            "found again long after the delivery",
            "given delivered; 11-11T00:00 scan #0 LOST; 12-12T00:00 scan #0 IN_TRANSIT",
            "box(B1).milestone = DELIVERED",
        ),
    ]);
}

#[test]
fn r20_times_must_be_plausible() {
    let scan = |fields: &str| format!("given shipped; 11-02T20:00 scan #0 PICKED_UP {fields}");
    // 12:00 in Wichita is 18:00 UTC.
    let local = |time: &str| scan(&format!("fc=ICT2 local=2026-11-03T{time}"));
    let rows = [
        ("2 h ahead", scan("at=11-02T22:00"), "11-02T22:00", "none"),
        ("a second more", scan("at=11-02T22:00:01"), "absent", "IMPLAUSIBLE_TIME"),
        ("a day ahead, with its zone", scan("at=11-03T18:00"), "absent", "IMPLAUSIBLE_TIME"),
        ("a day ahead, without zone: the day before", local("12:00:00"), "11-02T18:00", "none"),
        ("20 h ahead", local("10:00:00"), "11-02T16:00", "none"),
        ("a second less", local("09:59:59"), "absent", "IMPLAUSIBLE_TIME"),
        ("26 h ahead", local("16:00:00"), "11-02T22:00", "none"),
        ("a second more than 26 h", local("16:00:01"), "absent", "IMPLAUSIBLE_TIME"),
        ("without zone and place", scan("local=2026-11-02T12:00:00"), "absent", "NO_TIME_ZONE"),
    ];
    for (name, story, shown, letters) in &rows {
        let counts =
            if *letters == "none" { "read=1 applied=1".to_owned() } else { format!("read=1 {letters}=1") };
        check(&[(
            *name,
            story,
            &format!("box(B1).PICKED_UP = {shown}; letters = {letters}; counts = {counts}"),
        )]);
    }
    check(&[
        ("400 days old", "2027-12-10T00:00 scan #0 PICKED_UP at=11-05T00:00", "counts = read=1 parked=1"),
        (
            "a second more",
            "2027-12-10T00:00:01 scan #0 PICKED_UP at=11-05T00:00",
            "counts = read=1 IMPLAUSIBLE_TIME=1",
        ),
    ]);
}
