//! R7, R8: delivery windows, half-open to the second, and what misses them.

use super::check;

/// Both boxes delivered at that time, told an hour later.
fn delivered(at: &str) -> String {
    let later = "11-09T00:00";
    format!("given shipped; {later} scan #0 DELIVERED at={at}; {later} scan #1 DELIVERED at={at}")
}

/// The same, told before the window begins.
fn delivered_early(at: &str) -> String {
    format!("given shipped; {at} scan #0 DELIVERED; {at} scan #1 DELIVERED")
}

#[test]
fn r7_which_windows_are_good() {
    let create = |fields: &str| format!("11-01T00:00 create {fields}");
    check(&[
        (
            "required before it is confirmed",
            "11-01T00:00 create window=-; 11-01T01:00 confirm",
            "answer = WINDOW_REQUIRED; plan = absent",
        ),
        (
            "set in between",
            "11-01T00:00 create window=-; 11-01T01:00 window 11-05..11-06; 11-01T02:00 confirm",
            "answer = ok; plan.window.start = 11-05T00:00; plan.window.end = 11-06T00:00",
        ),
        (
            "it starts at the entry",
            &create("window=11-01T00:00..11-02T00:00"),
            "answer = WINDOW_INVALID; shipment = absent",
        ),
        ("it starts a second later", &create("window=11-01T00:00:01..11-02T00:00"), "answer = ok"),
        ("it ends at its start", &create("window=11-02T00:00..11-02T00:00"), "answer = WINDOW_INVALID"),
        ("7 days", &create("window=11-02..11-09"), "answer = ok"),
        ("a second more", &create("window=11-02T00:00..11-09T00:00:01"), "answer = WINDOW_INVALID"),
        ("14 days abroad", &create("cross_border=true window=11-02..11-16"), "answer = ok"),
        (
            "a second more abroad",
            &create("cross_border=true window=11-02T00:00..11-16T00:00:01"),
            "answer = WINDOW_INVALID",
        ),
        (
            "judged by the entry, whatever the creation",
            &create("created_at=10-01 window=10-31..11-02"),
            "answer = WINDOW_INVALID",
        ),
        (
            "delivered",
            &format!("{}; 11-04T00:00 window 11-06..11-07", delivered_early("11-03T00:00")),
            "answer = ALREADY_DELIVERED",
        ),
    ]);
}

#[test]
fn r7_it_locks_at_its_start() {
    check(&[
        (
            "a second before",
            "given shipped; 11-04T23:59:59 window 11-06..11-07",
            "answer = ok; plan.window.start = 11-06T00:00; plan.window.locked = false",
        ),
        (
            "at its start",
            "given shipped; 11-05T00:00 window 11-06..11-07",
            "answer = WINDOW_LOCKED; plan.window.start = 11-05T00:00; plan.window.locked = true",
        ),
        (
            "time alone locks it",
            "given shipped; 11-05T00:00 tick",
            "plan.window.locked = true; plan.cause = TIMER; plan.occurred_at = 11-05T00:00",
        ),
        (
            "and not a second before",
            "given shipped; 11-04T23:59:59 tick",
            "plan.window.locked = false; plan.cause = COMMAND",
        ),
        (
            "the same window again",
            "given shipped; 11-04T00:00 window 11-05..11-08",
            "answer = ok; emitted = command-results:S",
        ),
    ]);
}

#[test]
fn r8_a_window_is_half_open() {
    check(&[
        (
            "a second before its start",
            &delivered_early("11-04T23:59:59"),
            "plan.window.verdict = EARLY; problem(MISSED_WINDOW_EARLY).opened_at = 11-04T23:59:59
             problem(MISSED_WINDOW_EARLY).defect = false; problem(MISSED_WINDOW_EARLY).boxes = none",
        ),
        ("at its start", &delivered_early("11-05T00:00"), "plan.window.verdict = ON_TIME; shipment.problems = none"),
        ("a second before its end", &delivered_early("11-07T23:59:59"), "plan.window.verdict = ON_TIME; shipment.problems = none"),
        (
            "at its end",
            &delivered_early("11-08T00:00"),
            "plan.window.verdict = LATE; problem(MISSED_WINDOW_LATE).opened_at = 11-08T00:00
             problem(MISSED_WINDOW_LATE).defect = false; problem(MISSED_WINDOW_LATE).status = OPEN",
        ),
        (
            "the last box decides",
            "given shipped; 11-04T00:00 scan #0 DELIVERED; 11-05T00:00 scan #1 DELIVERED",
            "plan.window.verdict = ON_TIME",
        ),
        (
            "else the FC's first report",
            "given shipped; 11-04T23:59:59 report CHECKED_IN; 11-06T00:00 report RECEIVING",
            "plan.window.verdict = EARLY; problem(MISSED_WINDOW_EARLY).opened_at = 11-04T23:59:59",
        ),
        ("not there a second before its end", "given shipped; 11-07T23:59:59 tick", "plan.window.verdict = PENDING; shipment.problems = none"),
        (
            "not there at its end",
            "given shipped; 11-08T00:00 tick",
            "plan.window.verdict = LATE; problem(MISSED_WINDOW_LATE).opened_at = 11-08T00:00; plan.occurred_at = 11-08T00:00
             shipment.problems = S:MISSED_WINDOW_LATE",
        ),
        ("partnered without a window: neither", "11-01T00:00 create partnered=true window=- items=B1:#0,B2:#1; 11-01T01:00 confirm; 11-20T00:00 tick", "shipment.problems = none; plan.window = null"),
    ]);
}

#[test]
fn r8_late_facts_correct_the_verdict() {
    check(&[
        (
            "delivered in the window, told after it",
            &format!(
                "given shipped; 11-08T00:00 tick; {}",
                delivered("11-06T00:00").trim_start_matches("given shipped; ")
            ),
            "plan.window.verdict = ON_TIME; problem(MISSED_WINDOW_LATE) = absent; shipment.problems = none",
        ),
        (
            "delivered after it: late since its end",
            &delivered("11-08T12:00"),
            "plan.window.verdict = LATE; problem(MISSED_WINDOW_LATE).opened_at = 11-08T00:00",
        ),
        (
            "an early delivery that is retracted",
            "given shipped; 11-04T00:00 scan #0 DELIVERED id=d; 11-04T00:00 scan #1 DELIVERED; 11-04T12:00 scan #0 ETA retracts=d",
            "plan.window.verdict = PENDING; problem(MISSED_WINDOW_EARLY) = absent",
        ),
        (
            "checked in early, the delivery is told later and counts",
            "given shipped; 11-06T00:00 report CHECKED_IN; 11-06T01:00 scan #0 DELIVERED at=11-04T00:00
             11-06T01:00 scan #1 DELIVERED at=11-04T12:00",
            "plan.window.verdict = EARLY; problem(MISSED_WINDOW_EARLY).opened_at = 11-04T12:00",
        ),
    ]);
}

#[test]
fn risk_follows_the_middle_of_what_is_expected() {
    let etas = |at: &str| {
        format!(
            "given shipped; 11-03T00:00 scan #0 IN_TRANSIT eta={at}; 11-03T00:00 scan #1 IN_TRANSIT eta={at}"
        )
    };
    check(&[
        (
            "nothing but the window",
            "given shipped",
            "plan.window.verdict = PENDING; plan.expected.source = WINDOW",
        ),
        ("a second before the start", &etas("11-04T23:59:59"), "plan.window.verdict = EARLY_RISK"),
        ("at the start", &etas("11-05T00:00"), "plan.window.verdict = PENDING"),
        ("a second before the end", &etas("11-07T23:59:59"), "plan.window.verdict = PENDING"),
        (
            "at the end",
            &etas("11-08T00:00"),
            "plan.window.verdict = LATE_RISK; arrivals(11-07).late_risk = 1; arrivals(11-07).shipments = 1",
        ),
        (
            "one box without an ETA: the window is all that is trusted",
            "given shipped; 11-03T00:00 scan #0 IN_TRANSIT eta=11-12T00:00",
            "plan.window.verdict = PENDING; plan.expected.source = WINDOW; plan.expected.latest = 11-12T00:00; plan.expected.confidence = 0.5",
        ),
        (
            "a newer ETA counts, however told",
            "given shipped; 11-04T00:00 scan #0 ETA eta=11-06T00:00; 11-04T01:00 scan #0 ETA eta=11-12T00:00 at=11-03T00:00",
            "box(B1).eta = 11-06T00:00",
        ),
    ]);
}
