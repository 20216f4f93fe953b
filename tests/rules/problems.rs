//! R14, R16, R23: defects, acknowledgements, accounts.

use super::check;

#[test]
fn r14_a_box_without_tracking_when_it_arrived() {
    // B2's number is entered at 10:00, when B1 is delivered already.
    let second = |delivered: &str| {
        format!(
            "given confirmed; 11-01T02:00 track B1=#0; 11-06T08:00 scan #0 DELIVERED; 11-06T10:00 track B2=#1
             11-06T11:00 scan #1 DELIVERED at={delivered}"
        )
    };
    check(&[
        (
            "delivered a second after the entry",
            &second("11-06T10:00:01"),
            "problem(MISSING_TRACKING) = absent; account.evaluated = 1; account.defective = 0; plan.status = DELIVERED",
        ),
        (
            "delivered as it was entered",
            &second("11-06T10:00"),
            "problem(MISSING_TRACKING).boxes = B2; problem(MISSING_TRACKING).defect = true
             problem(MISSING_TRACKING).opened_at = 11-06T10:00; account.defective = 1; account.rate = 1.0",
        ),
        (
            "delivered before, and told before: parked until then",
            "given confirmed; 11-01T02:00 track B1=#0; 11-06T08:00 scan #0 DELIVERED; 11-06T09:00 scan #1 DELIVERED
             11-06T10:00 track B2=#1",
            "problem(MISSING_TRACKING).boxes = B2; problem(MISSING_TRACKING).opened_at = 11-06T09:00; plan.status = DELIVERED
             shipment.problems = S:MISSING_TRACKING",
        ),
        (
            "never entered when the FC reports",
            "given confirmed; 11-01T02:00 track B1=#0; 11-06T08:00 report CHECKED_IN",
            "problem(MISSING_TRACKING).boxes = B2; problem(MISSING_TRACKING).opened_at = 11-06T08:00; account.defective = 1",
        ),
        (
            "whatever is told later",
            "given confirmed; 11-06T08:00 report CHECKED_IN; 11-06T09:00 track B1=#0 B2=#1",
            "answer = ALREADY_DELIVERED; problem(MISSING_TRACKING).boxes = B1,B2",
        ),
        (
            "one verdict: the first of delivery and report",
            "given shipped; 11-07T00:00 report CHECKED_IN; 11-07T01:00 scan #0 DELIVERED at=11-06T23:00; 11-07T01:00 scan #1 DELIVERED at=11-06T23:30",
            "account.evaluated = 1; account.defective = 0; problem(MISSING_TRACKING) = absent",
        ),
        (
            "not supported is not missing",
            "11-01T00:00 create carrier=OTHER name=Acme; 11-01T01:00 confirm; 11-01T02:00 track B1=X1 B2=X2; 11-06T08:00 report CHECKED_IN",
            "problem(MISSING_TRACKING) = absent; account.evaluated = 1",
        ),
        (
            "an exchange does not interrupt",
            "given shipped; 11-06T10:00 track B2=#5; 11-06T11:00 scan #0 DELIVERED at=11-06T09:00; 11-06T11:00 scan #5 DELIVERED at=11-06T09:00",
            "problem(MISSING_TRACKING) = absent; plan.status = DELIVERED",
        ),
        (
            "a removal does",
            "given shipped; 11-02T00:00 track B2=-; 11-06T10:00 track B2=#1; 11-06T11:00 scan #0 DELIVERED at=11-06T09:00; 11-06T11:00 scan #1 DELIVERED at=11-06T09:00",
            "problem(MISSING_TRACKING).boxes = B2; problem(MISSING_TRACKING).opened_at = 11-06T09:00",
        ),
        (
            "and so does TRACKING_RESUBMIT",
            "given shipped; 11-02T00:00 carrier FEDEX; 11-06T10:00 track B1=fx#0 B2=fx#1; 11-06T11:00 scan fx#0 DELIVERED carrier=FEDEX at=11-06T09:00
             11-06T11:00 scan fx#1 DELIVERED carrier=FEDEX at=11-06T10:30",
            "problem(MISSING_TRACKING).boxes = B1; problem(MISSING_TRACKING).opened_at = 11-06T10:30",
        ),
        (
            "freight: the PRO is the unit",
            "given freight; 11-06T08:00 report CHECKED_IN",
            "problem(MISSING_TRACKING).boxes = none; problem(MISSING_TRACKING).opened_at = 11-06T08:00; account.defective = 1",
        ),
        ("freight with a PRO", "given hauled; 11-06T08:00 report CHECKED_IN", "problem(MISSING_TRACKING) = absent; account.evaluated = 1"),
    ]);
}

#[test]
fn r14_late_facts_correct_the_verdict() {
    let defective = "given confirmed; 11-01T02:00 track B1=#0; 11-06T08:00 scan #0 DELIVERED; 11-06T09:00 scan #1 DELIVERED id=d; 11-06T10:00 track B2=#1";
    check(&[
        (
            "a retraction takes the verdict back",
            &format!("{defective}; 11-06T11:00 scan #1 ETA retracts=d"),
            "problem(MISSING_TRACKING) = absent; account = absent; shipment.problems = none; plan.status = IN_TRANSIT",
        ),
        (
            "a delivery that is told after the report dates the verdict",
            "given confirmed; 11-01T02:00 track B1=#0; 11-06T07:00 track B2=#1; 11-06T08:00 report CHECKED_IN
             11-06T09:00 scan #0 DELIVERED at=11-06T06:00; 11-06T09:00 scan #1 DELIVERED at=11-06T06:30",
            "problem(MISSING_TRACKING).boxes = B2; problem(MISSING_TRACKING).opened_at = 11-06T06:30; account.defective = 1",
        ),
    ]);
}

#[test]
fn r16_r23_acknowledgements() {
    let late = "given shipped; 11-08T00:00 tick; 11-08T01:00 ack MISSED_WINDOW_LATE";
    check(&[
        (
            "acknowledged",
            late,
            "answer = ok; problem(MISSED_WINDOW_LATE).status = ACKNOWLEDGED; problem(MISSED_WINDOW_LATE).acknowledged_at = 11-08T01:00
             problem(MISSED_WINDOW_LATE).resolved_at = null; problem(MISSED_WINDOW_LATE).opened_at = 11-08T00:00",
        ),
        ("again", &format!("{late}; 11-08T02:00 ack MISSED_WINDOW_LATE"), "answer = ok; emitted = command-results:S; problem(MISSED_WINDOW_LATE).acknowledged_at = 11-08T01:00"),
        ("not there", "given shipped; 11-02T00:00 ack MISSED_WINDOW_LATE", "answer = UNKNOWN_PROBLEM"),
        ("no such kind", &format!("{late}; 11-08T02:00 ack SOMETHING"), "answer = UNKNOWN_PROBLEM"),
        (
            "refuted, and back as it was: acknowledged again",
            &format!("{late}; 11-09T00:00 scan #0 DELIVERED at=11-06T00:00 id=d; 11-09T00:00 scan #1 DELIVERED at=11-06T00:00; 11-09T01:00 scan #0 ETA retracts=d"),
            "problem(MISSED_WINDOW_LATE).status = ACKNOWLEDGED; problem(MISSED_WINDOW_LATE).acknowledged_at = 11-08T01:00",
        ),
        (
            "a new box reopens it",
            "11-01T00:00 create boxes=B1,B2,B3; 11-01T01:00 confirm; 11-01T02:00 track B1=#0; 11-06T07:00 track B3=#2
             11-06T08:00 report CHECKED_IN; 11-06T09:00 ack MISSING_TRACKING; 11-06T10:00 scan #2 DELIVERED at=11-06T06:00",
            "problem(MISSING_TRACKING).status = OPEN; problem(MISSING_TRACKING).boxes = B2,B3; problem(MISSING_TRACKING).acknowledged_at = null",
        ),
        (
            "before that box it was acknowledged",
            "11-01T00:00 create boxes=B1,B2,B3; 11-01T01:00 confirm; 11-01T02:00 track B1=#0; 11-06T07:00 track B3=#2
             11-06T08:00 report CHECKED_IN; 11-06T09:00 ack MISSING_TRACKING",
            "problem(MISSING_TRACKING).status = ACKNOWLEDGED; problem(MISSING_TRACKING).boxes = B2",
        ),
        (
            "cancelling resolves",
            "given shipped; 11-08T00:00 tick; 11-09T00:00 cancel; 11-20T00:00 tick",
            "problem(MISSED_WINDOW_LATE).status = RESOLVED; problem(MISSED_WINDOW_LATE).resolved_at = 11-09T00:00
             problem(MISSED_WINDOW_LATE).opened_at = 11-08T00:00; shipment.problems = S:MISSED_WINDOW_LATE",
        ),
        (
            "and freezes what was acknowledged",
            &format!("{late}; 11-09T00:00 cancel"),
            "problem(MISSED_WINDOW_LATE).status = RESOLVED; problem(MISSED_WINDOW_LATE).acknowledged_at = 11-08T01:00",
        ),
        ("none while it is being prepared", "given created; 11-09T00:00 tick", "shipment.problems = none; problem(MISSED_WINDOW_LATE) = absent"),
        (
            "they exist once it is confirmed, dated as they happened",
            "given created; 11-09T00:00 confirm",
            "problem(MISSED_WINDOW_LATE).opened_at = 11-08T00:00; answer = ok",
        ),
    ]);
}

#[test]
fn r15_accounts_sum_what_was_evaluated() {
    check(&[
        (
            "two shipments, one defect",
            "given delivered; 11-02T00:00 create in=T boxes=T1; 11-02T01:00 confirm in=T; 11-07T00:00 report CHECKED_IN in=T",
            "account.evaluated = 2; account.defective = 1; account.rate = 0.5; account.level = STANDARD; account.unacknowledged = 1",
        ),
        ("nothing to judge yet", "given shipped", "account = absent"),
        (
            "a second before 122 days after the day's end",
            "given delivered; 2027-03-08T23:59:59 tick",
            "account.evaluated = 1",
        ),
        ("122 days after the day's end", "given delivered; 2027-03-09T00:00 tick", "account = absent"),
        (
            "cancelled shipments do not count",
            "given shipped; 11-03T00:00 cancel",
            "account = absent; shipment.status = CANCELLED; shipment.status_since = 11-03T00:00",
        ),
    ]);
}
