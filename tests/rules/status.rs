//! R12, R13, R21, R22: from scans to what boxes, shipments and plan lines show.

use super::check;

#[test]
fn r12_r13_the_way_of_a_shipment() {
    let shipped = |more: &str| format!("given shipped; {more}");
    check(&[
        (
            "created",
            "given created",
            "shipment.status = WORKING; shipment.status_since = 11-01T00:00; plan = absent",
        ),
        ("confirmed", "given confirmed", "plan.status = READY_TO_SHIP; shipment.status_since = 11-01T01:00"),
        (
            "custody is not yet in transit",
            &shipped("11-02T18:05 scan #0 code=OR at=11-02T17:40"),
            "plan.status = SHIPPED; shipment.status_since = 11-01T02:00; box(B1).PICKED_UP = 11-02T17:40
             plan.boxes.by_milestone = NONE:1 PICKED_UP:1; plan.cause = SCAN; plan.occurred_at = 11-02T17:40",
        ),
        (
            "any box at rank 30",
            &shipped("11-03T09:00 scan #1 code=AR"),
            "plan.status = IN_TRANSIT; shipment.status_since = 11-03T09:00",
        ),
        (
            "one of two is delivered",
            &shipped("11-06T09:00 scan #0 code=D"),
            "plan.status = IN_TRANSIT; plan.boxes.by_milestone = DELIVERED:1 NONE:1",
        ),
        ("both are", "given delivered", "plan.status = DELIVERED; shipment.status_since = 11-06T09:30"),
        (
            "a later scan of a lower rank does not take it back",
            "given delivered; 11-06T12:00 scan #0 IN_TRANSIT",
            "plan.status = DELIVERED; box(B1).milestone = DELIVERED; box(B1).IN_TRANSIT = 11-06T12:00",
        ),
        (
            "the FC reports",
            "given delivered; 11-07T00:00 report CHECKED_IN; 11-08T00:00 report RECEIVING",
            "plan.status = RECEIVING; shipment.status_since = 11-08T00:00; plan.cause = RECEIVING",
        ),
        (
            "a report implies what precedes",
            &shipped("11-06T00:00 report RECEIVING"),
            "plan.status = RECEIVING; shipment.status_since = 11-06T00:00",
        ),
        (
            "a report of what is reported already changes nothing",
            &shipped("11-06T00:00 report RECEIVING; 11-07T00:00 report CHECKED_IN"),
            "answer = ok; emitted = command-results:S; plan.status = RECEIVING",
        ),
        (
            "scans do not move it after CHECKED_IN",
            &shipped(
                "11-06T00:00 report CHECKED_IN; 11-06T01:00 scan #0 DELIVERED; 11-06T01:00 scan #1 DELIVERED",
            ),
            "plan.status = CHECKED_IN; plan.boxes.by_milestone = DELIVERED:2; shipment.status_since = 11-06T00:00",
        ),
        (
            "while it is being prepared",
            "given created; 11-02T00:00 report CHECKED_IN",
            "answer = WRONG_STATUS",
        ),
        (
            "confirmed late: at once what its boxes show",
            "given created; 11-01T02:00 track B1=#0; 11-03T00:00 scan #0 IN_TRANSIT; 11-04T00:00 confirm",
            "plan.status = IN_TRANSIT; shipment.status_since = 11-03T00:00",
        ),
        (
            "freight: by an appointment",
            "given hauled; 11-03T00:00 scan 123456782 APPOINTMENT carrier=ABF appt=11-06T15:00..11-06T17:00",
            "plan.status = IN_TRANSIT; shipment.status_since = 11-03T00:00; plan.milestone = null",
        ),
        (
            "freight: the PRO's progress alone",
            "given hauled; 11-06T15:00 scan 123456782 DELIVERED carrier=ABF",
            "plan.status = DELIVERED; plan.milestone = DELIVERED; plan.boxes.by_milestone = DELIVERED:2
             box(B2).DELIVERED = 11-06T15:00; shipment.milestone = DELIVERED",
        ),
    ]);
}

#[test]
fn r13_backwards_only_by_new_facts_and_never_below_shipped() {
    check(&[
        (
            "a retracted delivery",
            "given shipped; 11-06T09:00 scan #0 DELIVERED id=d0; 11-06T09:00 scan #1 DELIVERED; 11-06T10:00 scan #0 ETA retracts=d0",
            "plan.status = IN_TRANSIT; box(B1).milestone = null; shipment.status_since = 11-06T09:00",
        ),
        (
            "whichever came first",
            "given shipped; 11-06T08:00 scan #0 ETA retracts=d0; 11-06T09:00 scan #0 DELIVERED id=d0; 11-06T09:00 scan #1 DELIVERED",
            "plan.status = IN_TRANSIT; box(B1).milestone = null; box(B1).DELIVERED = absent",
        ),
        (
            "all deliveries retracted",
            "given shipped; 11-06T09:00 scan #0 DELIVERED id=d0; 11-06T09:00 scan #1 DELIVERED id=d1
             11-06T10:00 scan #0 ETA retracts=d0; 11-06T10:00 scan #1 ETA retracts=d1",
            "plan.status = SHIPPED; shipment.status_since = 11-01T02:00",
        ),
        (
            "another number's scan cannot be retracted",
            "given shipped; 11-06T09:00 scan #0 DELIVERED id=d0; 11-06T10:00 scan #1 ETA retracts=d0",
            "box(B1).milestone = DELIVERED",
        ),
        (
            "never below SHIPPED once R1 held",
            "given shipped; 11-02T00:00 track B1=- B2=-",
            "plan.status = SHIPPED; plan.boxes.tracked = 0; shipment.status_since = 11-01T02:00",
        ),
        (
            "nor once a command was accepted while shipped",
            "given confirmed; 11-01T02:00 track B1=#0; 11-02T00:00 scan #0 PICKED_UP; 11-03T00:00 carrier FEDEX",
            "plan.status = SHIPPED; shipment.status_since = 11-03T00:00; box(B1).milestone = null",
        ),
        (
            "but scans alone can take back what scans alone told",
            "given confirmed; 11-01T02:00 track B1=#0; 11-02T00:00 scan #0 PARTIALLY_DELIVERED id=p
             11-03T00:00 scan #0 ETA retracts=p",
            "plan.status = READY_TO_SHIP; shipment.status_since = 11-01T01:00",
        ),
    ]);
}

#[test]
fn r21_delivered_elsewhere_is_not_delivered_here() {
    let delivered = |where_: &str| format!("given shipped; 11-06T09:00 scan #0 DELIVERED {where_}");
    check(&[
        ("here", &delivered("fc=ICT2"), "box(B1).milestone = DELIVERED"),
        ("nowhere said: here", &delivered(""), "box(B1).milestone = DELIVERED"),
        ("elsewhere", &delivered("fc=ONT8"), "box(B1).milestone = null; plan.status = SHIPPED"),
        ("here by postal code", &delivered("zip=67219"), "box(B1).milestone = DELIVERED"),
        ("elsewhere by postal code", &delivered("zip=92551"), "box(B1).milestone = null"),
        ("a postal code that means no FC", &delivered("zip=10001"), "box(B1).milestone = DELIVERED"),
        (
            "the destination changes to where it is",
            &format!("{}; 11-07T00:00 fc ONT8", delivered("fc=ONT8")),
            "box(B1).DELIVERED = 11-06T09:00; shipment.status = IN_TRANSIT; plan(ONT8|S).boxes.by_milestone = DELIVERED:1 NONE:1",
        ),
    ]);
}

#[test]
fn r22_returns_and_bring_backs() {
    let returned = |more: &str| {
        format!("given shipped; 11-04T00:00 scan #0 IN_TRANSIT; 11-06T00:00 scan #0 RETURN_STARTED; {more}")
    };
    check(&[
        (
            "a return withdraws the box",
            &returned(""),
            "box(B1).milestone = RETURN_STARTED; plan.boxes.by_milestone = NONE:1 RETURN_STARTED:1; plan.units = 10
             plan.weight_g = 500; plan.boxes.total = 2; arrivals(11-06).boxes = 1; plan.status = IN_TRANSIT",
        ),
        (
            "delivered at home belongs to the return",
            &returned("11-08T00:00 scan #0 DELIVERED; 11-08T00:00 scan #1 DELIVERED"),
            "box(B1).milestone = RETURN_STARTED; box(B1).DELIVERED = absent; plan.status = IN_TRANSIT",
        ),
        (
            "movement too",
            &returned("11-07T00:00 scan #0 OUT_FOR_DELIVERY"),
            "box(B1).milestone = RETURN_STARTED; box(B1).OUT_FOR_DELIVERY = absent",
        ),
        (
            "returned is newer than return started",
            &returned("11-09T00:00 scan #0 RETURNED"),
            "box(B1).milestone = RETURNED; box(B1).RETURN_STARTED = 11-06T00:00; box(B1).RETURNED = 11-09T00:00",
        ),
        (
            "only what names this FC brings it back",
            &returned("11-07T00:00 scan #0 ARRIVED_AT_FC fc=ONT8"),
            "box(B1).milestone = RETURN_STARTED",
        ),
        (
            "a scan that does",
            &returned("11-07T00:00 scan #0 OUT_FOR_DELIVERY fc=ICT2"),
            "box(B1).milestone = OUT_FOR_DELIVERY; plan.units = 20; box(B1).RETURN_STARTED = absent",
        ),
        (
            "an earlier one does not",
            &returned("11-07T00:00 scan #0 ARRIVED_AT_FC fc=ICT2 at=11-05T00:00"),
            "box(B1).milestone = RETURN_STARTED; box(B1).ARRIVED_AT_FC = 11-05T00:00",
        ),
        (
            "nor one at the very second",
            &returned("11-07T00:00 scan #0 ARRIVED_AT_FC fc=ICT2 at=11-06T00:00"),
            "box(B1).milestone = RETURN_STARTED",
        ),
        (
            "returned, brought back, returned again",
            &returned("11-07T00:00 scan #0 ARRIVED_AT_FC fc=ICT2; 11-08T00:00 scan #0 RETURN_STARTED"),
            "box(B1).milestone = RETURN_STARTED; box(B1).RETURN_STARTED = 11-08T00:00; box(B1).ARRIVED_AT_FC = 11-07T00:00",
        ),
        (
            "a retracted return never was",
            "given shipped; 11-06T00:00 scan #0 RETURN_STARTED id=r; 11-07T00:00 scan #0 DELIVERED; 11-08T00:00 scan #0 ETA retracts=r",
            "box(B1).milestone = DELIVERED; box(B1).DELIVERED = 11-07T00:00; plan.units = 20",
        ),
    ]);
}

#[test]
fn r22_lost_and_found() {
    let lost = |more: &str| {
        format!("given shipped; 11-04T00:00 scan #0 IN_TRANSIT; 11-06T00:00 scan #0 LOST; {more}")
    };
    check(&[
        (
            "lost",
            &lost(""),
            "box(B1).milestone = LOST; plan.units = 10; plan.boxes.by_milestone = LOST:1 NONE:1",
        ),
        (
            "found by any later custody scan",
            &lost("11-07T00:00 scan #0 IN_TRANSIT"),
            "box(B1).milestone = IN_TRANSIT; box(B1).LOST = absent; plan.units = 20",
        ),
        ("a label is no custody", &lost("11-07T00:00 scan #0 LABEL_CREATED"), "box(B1).milestone = LOST"),
        (
            "lost the second it moved",
            &lost("11-07T00:00 scan #0 IN_TRANSIT at=11-06T00:00"),
            "box(B1).milestone = LOST",
        ),
        (
            "moved before, told later",
            &lost("11-07T00:00 scan #0 OUT_FOR_DELIVERY at=11-05T23:59:59"),
            "box(B1).milestone = LOST",
        ),
        (
            "destroyed and lost at once: destroyed",
            &lost("11-07T00:00 scan #0 DESTROYED at=11-06T00:00"),
            "box(B1).milestone = DESTROYED; box(B1).LOST = 11-06T00:00",
        ),
    ]);
}

#[test]
fn flags_end_with_movement() {
    let flagged = |more: &str| format!("given shipped; 11-04T00:00 {more}");
    check(&[
        (
            "delayed",
            &flagged("scan #0 DELAYED"),
            "box(B1).flags = DELAYED; plan.flags = DELAYED; box(B1).milestone = null",
        ),
        ("until it moves", &flagged("scan #0 DELAYED; 11-05T00:00 scan #0 IN_TRANSIT"), "plan.flags = none"),
        (
            "not while it moves",
            &flagged("scan #0 DELAYED; 11-05T00:00 scan #0 IN_TRANSIT at=11-04T00:00"),
            "plan.flags = DELAYED",
        ),
        (
            "damaged for good",
            &flagged("scan #0 DAMAGED; 11-05T00:00 scan #0 IN_TRANSIT"),
            "plan.flags = DAMAGED",
        ),
        ("refused", &flagged("scan #0 REFUSED; 11-05T00:00 scan #0 IN_TRANSIT"), "plan.flags = REFUSED"),
        (
            "until it is delivered",
            &flagged("scan #0 REFUSED; 11-05T00:00 scan #0 DELIVERED"),
            "plan.flags = none",
        ),
        (
            "of all boxes, in the order of the rulebook",
            &flagged("scan #1 DAMAGED; 11-04T00:00 scan #0 HELD"),
            "plan.flags = HELD,DAMAGED",
        ),
    ]);
}
