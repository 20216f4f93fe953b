//! Edge cases of registrations, of a shipment's way, of times, windows and defects.

use super::{cases, check};

const LATE: &str = "given shipped; 11-06T09:00 scan #0 DELIVERED";
const LOST_AND_FOUND: &str = "given shipped; 11-03T09:00 scan #0 LOST; 11-05T09:00 scan #0 IN_TRANSIT";
const SENT_BACK: &str = "given shipped; 11-03T09:00 scan #0 IN_TRANSIT; 11-05T09:00 scan #0 RETURN_STARTED";

/// Both boxes are delivered at this time, the second one; the window is 5 to 8 November.
fn last_at(time: &str) -> String {
    format!("given shipped; 11-04T20:00 scan #0 DELIVERED; 11-08T01:00 scan #1 DELIVERED at={time}")
}

fn both_at(time: &str) -> String {
    format!("given shipped; 11-08T01:00 scan #0 DELIVERED at={time}; 11-08T01:00 scan #1 DELIVERED at={time}")
}

/// Twelve boxes, eleven of them delivered with numbers of their own, and what becomes of the last one.
fn eleven_of_twelve(last: &str) -> String {
    let names: Vec<String> = (0..12).map(|n| format!("B{n}")).collect();
    let numbers: Vec<String> = (0..11).map(|n| format!("B{n}=#{n}")).collect();
    let delivered: Vec<String> = (0..11).map(|n| format!("11-06T09:00 scan #{n} DELIVERED")).collect();
    format!(
        "11-01T00:00 create boxes={}; 11-01T01:00 confirm; 11-01T02:00 track {}; {}; {last}",
        names.join(","),
        numbers.join(" "),
        delivered.join("; ")
    )
}

cases! {
    reg_1_scans_forty_days_older_than_the_registration:
        "10-01T00:00 create cross_border=true window=11-15..11-20; 10-01T01:00 confirm; 10-02T10:00 scan #0 PICKED_UP; 10-05T10:00 scan #0 IN_TRANSIT
         11-11T02:00 track B1=#0 B2=#1"
        => "box(B1).milestone = IN_TRANSIT; box(B1).PICKED_UP = 10-02T10:00; plan.status = IN_TRANSIT; plan.version = 2";
    reg_2_delivered_before_it_was_registered:
        "given confirmed; 11-06T08:00 scan #0 DELIVERED; 11-06T08:30 scan #1 DELIVERED; 11-06T10:00 track B1=#0 B2=#1"
        => "answer = ok; plan.status = DELIVERED; problem(MISSING_TRACKING).boxes = B1,B2";
    reg_3_another_carrier_with_the_same_id:
        "11-01T00:00 create carrier=OTHER name=Acme; 11-01T01:00 confirm; 11-01T02:00 track B1=#0 B2=#1; 11-02T10:00 scan #0 PICKED_UP carrier=Acme
         11-02T12:00 carrier UPS; 11-02T13:00 scan #0 IN_TRANSIT carrier=Acme"
        => "answer = ok; box(B1).tracking_id = 1Z5R89390357567127; box(B1).milestone = null; plan.status = SHIPPED";
    reg_3_and_back_again:
        "11-01T00:00 create carrier=OTHER name=Acme; 11-01T01:00 confirm; 11-01T02:00 track B1=#0 B2=#1; 11-02T10:00 scan #0 PICKED_UP carrier=Acme
         11-02T12:00 carrier UPS; 11-02T13:00 carrier OTHER name=Acme"
        => "box(B1).milestone = PICKED_UP; plan.status = SHIPPED";
    reg_3_another_id_after_progress: "given shipped; 11-03T09:00 scan #0 IN_TRANSIT; 11-03T10:00 track B1=#5; 11-03T11:00 scan #5 PICKED_UP"
        => "box(B1).milestone = PICKED_UP; plan.status = SHIPPED";
    reg_3_never_below_shipped: "given shipped; 11-03T09:00 scan #0 IN_TRANSIT; 11-03T10:00 track B1=#5" => "plan.status = SHIPPED; box(B1).milestone = null";
    reg_4_an_edit_after_delivery_is_refused: "given delivered; 11-06T10:00 track B1=#5" => "answer = ALREADY_DELIVERED";
    reg_4_an_edit_before_the_delivery_is_known: "given shipped; 11-06T09:30 track B1=#5; 11-06T10:00 scan #0 DELIVERED at=11-06T09:00; 11-06T10:00 scan #1 DELIVERED at=11-06T09:00"
        => "answer = ok; box(B1).milestone = null; plan.status = IN_TRANSIT; box(B2).milestone = DELIVERED";
    reg_5_the_old_id_is_still_scanned: "given shipped; 11-03T10:00 track B1=#5; 11-04T09:00 scan #0 IN_TRANSIT"
        => "box(B1).milestone = null; counts = read=1 old_carrier=1";
    reg_5_the_old_id_is_another_boxs_now: "given shipped; 11-03T10:00 track B1=#5 B2=#0; 11-04T09:00 scan #0 IN_TRANSIT"
        => "box(B1).milestone = null; box(B2).milestone = IN_TRANSIT";
    reg_6_a_removed_id_leaves_it_shipped: "given shipped; 11-03T10:00 track B1=-" => "plan.status = SHIPPED; plan.boxes.tracked = 1";
    reg_6_and_is_missing_at_delivery: "given shipped; 11-03T10:00 track B1=-; 11-06T09:00 report CHECKED_IN"
        => "problem(MISSING_TRACKING).boxes = B1";
    reg_6_a_box_added_after_registration: "given confirmed; 11-01T02:00 track B1=#0; 11-01T03:00 boxes +B3; 11-01T04:00 track B2=#1"
        => "plan.status = READY_TO_SHIP; plan.boxes.total = 3; plan.boxes.tracked = 2";
    reg_7_two_of_three_boxes_wait: "11-01T00:00 create boxes=B1,B2,B3; 11-01T01:00 confirm; 11-01T02:00 track B1=#0 B2=#1"
        => "plan.status = READY_TO_SHIP; plan.boxes.tracked = 2";
    reg_7_until_the_rest_comes: "11-01T00:00 create boxes=B1,B2,B3; 11-01T01:00 confirm; 11-01T02:00 track B1=#0 B2=#1; 11-01T03:00 track B3=#2"
        => "plan.status = SHIPPED; shipment.status_since = 11-01T03:00";
    reg_7_or_the_first_custody_scan: "11-01T00:00 create boxes=B1,B2,B3; 11-01T01:00 confirm; 11-01T02:00 track B1=#0 B2=#1; 11-02T10:00 scan #0 PICKED_UP"
        => "plan.status = SHIPPED; shipment.status_since = 11-02T10:00";
    reg_7_a_label_is_no_custody: "11-01T00:00 create boxes=B1,B2,B3; 11-01T01:00 confirm; 11-01T02:00 track B1=#0 B2=#1; 11-02T10:00 scan #0 LABEL_CREATED"
        => "plan.status = READY_TO_SHIP; box(B1).milestone = LABEL_CREATED";
    reg_8_one_invalid_item_refuses_all: "given confirmed; 11-01T02:00 track B1=#0 B2=1Z" => "answer = INVALID_TRACKING_ID(B2); plan.boxes.tracked = 0";
    reg_8_ids_on_a_partnered_shipment: "11-01T00:00 create partnered=true; 11-01T01:00 confirm; 11-01T02:00 track B1=#0" => "answer = PARTNERED_CARRIER";

    st_1_any_order_is_the_same: "given shipped; 11-06T09:00 scan #0 OUT_FOR_DELIVERY at=11-06T06:00; 11-06T09:00 scan #0 PICKED_UP at=11-02T10:00; 11-06T09:00 scan #0 IN_TRANSIT at=11-03T10:00"
        => "box(B1).milestone = OUT_FOR_DELIVERY; box(B1).PICKED_UP = 11-02T10:00; box(B1).IN_TRANSIT = 11-03T10:00";
    st_1_one_scan_many_times: &format!("given shipped; {}", vec!["11-02T10:00 scan #0 PICKED_UP"; 50].join("; "))
        => "plan.version = 3; counts = read=50 applied=1 duplicate=49";
    st_2_a_late_transit_scan: "given delivered; 11-06T10:00 scan #0 IN_TRANSIT" => "plan.status = DELIVERED; box(B1).milestone = DELIVERED";
    st_2_out_for_delivery_five_minutes_later: "given delivered; 11-06T10:00 scan #0 OUT_FOR_DELIVERY at=11-06T09:05" => "plan.status = DELIVERED";
    st_2_an_estimate_after_delivery: "given delivered; 11-06T10:00 scan #0 ETA eta=11-09T10:00" => "plan.status = DELIVERED; plan.expected.source = DELIVERED";
    st_3_delivered_then_returned: "given delivered; 11-07T09:00 scan #0 RETURN_STARTED; 11-07T10:00 scan #1 RETURN_STARTED"
        => "plan = absent; problem(RETURNED).boxes = B1,B2; problem(RETURNED).opened_at = 11-07T09:00; shipment.status = IN_TRANSIT";
    st_3_one_of_two_returns: SENT_BACK
        => "plan.units = 10; problem(RETURNED).boxes = B1; problem(RETURNED).status = OPEN; problem(RETURNED).defect = false";
    st_3_delivered_on_its_way_back: &format!("{SENT_BACK}; 11-07T09:00 scan #0 DELIVERED") => "box(B1).milestone = RETURN_STARTED; problem(RETURNED).status = OPEN";
    st_3_brought_back: &format!("{SENT_BACK}; 11-07T09:00 scan #0 ARRIVED_AT_FC fc=ICT2")
        => "problem(RETURNED).status = RESOLVED; problem(RETURNED).opened_at = 11-05T09:00; problem(RETURNED).resolved_at = 11-07T09:00; plan.units = 20";
    st_3_returned_again: &format!("{SENT_BACK}; 11-06T09:00 scan #0 OUT_FOR_DELIVERY fc=ICT2; 11-07T09:00 scan #0 RETURNED")
        => "problem(RETURNED).status = OPEN; problem(RETURNED).opened_at = 11-07T09:00; problem(RETURNED).resolved_at = null";
    st_3_a_return_that_was_taken_back: "given shipped; 11-05T09:00 scan #0 RETURN_STARTED id=r; 11-05T10:00 scan #0 ETA retracts=r"
        => "problem(RETURNED) = absent; plan.units = 20; shipment.problems = none";
    st_4_lost: "given shipped; 11-03T09:00 scan #0 LOST" => "problem(LOST).status = OPEN; problem(LOST).opened_at = 11-03T09:00; plan.units = 10";
    st_4_lost_then_found: LOST_AND_FOUND
        => "problem(LOST).status = RESOLVED; problem(LOST).opened_at = 11-03T09:00; problem(LOST).resolved_at = 11-05T09:00; plan.units = 20";
    st_4_found_is_told_first: "given shipped; 11-05T09:00 scan #0 IN_TRANSIT; 11-05T10:00 scan #0 LOST at=11-03T09:00"
        => "problem(LOST).status = RESOLVED; problem(LOST).opened_at = 11-03T09:00; problem(LOST).resolved_at = 11-05T09:00";
    st_4_lost_again: &format!("{LOST_AND_FOUND}; 11-06T09:00 scan #0 LOST") => "problem(LOST).status = OPEN; problem(LOST).opened_at = 11-06T09:00";
    st_4_lost_again_is_not_acknowledged: "given shipped; 11-03T09:00 scan #0 LOST; 11-03T10:00 ack LOST; 11-05T09:00 scan #0 IN_TRANSIT; 11-06T09:00 scan #0 LOST"
        => "problem(LOST).status = OPEN; problem(LOST).acknowledged_at = null";
    st_4_a_second_lost_box_reopens: "given shipped; 11-03T09:00 scan #0 LOST; 11-03T10:00 ack LOST; 11-04T09:00 scan #1 LOST"
        => "problem(LOST).status = OPEN; problem(LOST).boxes = B1,B2; problem(LOST).opened_at = 11-03T09:00; problem(LOST).acknowledged_at = null";
    st_4_what_is_resolved_needs_no_acknowledgement: &format!("{LOST_AND_FOUND}; 11-05T10:00 ack LOST") => "answer = ok; problem(LOST).acknowledged_at = null";
    st_4_an_acknowledged_one_that_is_found: "given shipped; 11-03T09:00 scan #0 LOST; 11-03T10:00 ack LOST; 11-05T09:00 scan #0 IN_TRANSIT"
        => "problem(LOST).status = RESOLVED; problem(LOST).acknowledged_at = 11-03T10:00; problem(LOST).resolved_at = 11-05T09:00";
    st_4_delivered_at_another_fc: "given shipped; 11-06T09:00 scan #0 DELIVERED fc=LGB3"
        => "problem(MISDELIVERED).status = OPEN; problem(MISDELIVERED).opened_at = 11-06T09:00; box(B1).milestone = null; plan.status = SHIPPED";
    st_4_sent_on_from_there: "given shipped; 11-06T09:00 scan #0 DELIVERED fc=LGB3; 11-07T09:00 scan #0 IN_TRANSIT"
        => "problem(MISDELIVERED).status = RESOLVED; problem(MISDELIVERED).resolved_at = 11-07T09:00";
    st_4_and_delivered_here: "given shipped; 11-06T09:00 scan #0 DELIVERED fc=LGB3; 11-07T09:00 scan #0 DELIVERED fc=ICT2"
        => "problem(MISDELIVERED).resolved_at = 11-07T09:00; box(B1).milestone = DELIVERED";
    st_4_a_changed_destination_makes_it_right: "given shipped; 11-06T09:00 scan #0 DELIVERED fc=LGB3; 11-06T10:00 fc LGB3"
        => "problem(MISDELIVERED) = absent; box(B1).milestone = DELIVERED";
    st_5_a_delivery_that_was_taken_back: "given shipped; 11-06T09:00 scan #0 DELIVERED id=d; 11-06T09:30 scan #1 DELIVERED; 11-06T12:00 scan #0 ETA retracts=d"
        => "plan.status = IN_TRANSIT; box(B1).milestone = null; plan.cause = SCAN";
    st_5_the_retraction_comes_first: "given shipped; 11-06T08:00 scan #0 ETA retracts=d; 11-06T09:00 scan #0 DELIVERED id=d" => "box(B1).milestone = null";
    st_5_a_delivery_taken_back_after_its_life_moves_the_end:
        "given shipped; 11-06T09:00 scan #0 DELIVERED id=one; 11-06T10:00 scan #0 DELIVERED id=two at=11-06T09:30; 11-06T10:00 scan #1 DELIVERED at=11-06T09:10
         12-10T00:00 tick; 12-20T00:00 scan #0 DESTROYED id=three retracts=one; 12-20T01:00 tick"
        => "box(B1).milestone = DELIVERED; box(B1).DELIVERED = 11-06T09:30; plan.status = DELIVERED; counts = read=4 applied=3 ended=1";
    st_5_closing_it_brings_nothing_back_of_a_life_that_ended:
        "given delivered; 12-10T00:00 tick; 12-12T09:00 scan #0 LOST; 12-14T00:00 report CLOSED"
        => "box(B1).milestone = DELIVERED; plan = absent; shipment.status = CLOSED; counts = read=3 applied=2 ended=1";
    st_5_eleven_of_twelve_and_the_last_is_lost: &eleven_of_twelve("11-06T10:00 track B11=#11; 11-06T11:00 scan #11 LOST")
        => "plan.status = IN_TRANSIT; problem(LOST).boxes = B11; plan.boxes.by_milestone = DELIVERED:11 LOST:1";
    st_5_it_is_never_closed_on_its_own: &eleven_of_twelve("11-06T10:00 track B11=#11; 11-06T11:00 scan #11 LOST; 2027-01-20T00:00 tick")
        => "shipment.status = IN_TRANSIT; problem(MISSED_WINDOW_LATE).status = OPEN";
    st_6_three_attempts_then_delivered: "given shipped; 11-05T10:00 scan #0 ATTEMPT_FAILED; 11-06T10:00 scan #0 ATTEMPT_FAILED; 11-07T10:00 scan #0 ATTEMPT_FAILED; 11-07T12:00 scan #0 DELIVERED"
        => "box(B1).milestone = DELIVERED; box(B1).flags = none";
    st_6_in_the_yard_for_26_hours: "given shipped; 11-06T08:00 scan #0 ARRIVED_AT_FC; 11-07T10:00 tick"
        => "problem(YARD_DWELL).status = OPEN; problem(YARD_DWELL).opened_at = 11-07T10:00; problem(YARD_DWELL).boxes = B1; plan.status = IN_TRANSIT";
    st_6_a_second_less: "given shipped; 11-06T08:00 scan #0 ARRIVED_AT_FC; 11-07T09:59:59 tick" => "problem(YARD_DWELL) = absent";
    st_6_delivered_in_time: "given shipped; 11-06T08:00 scan #0 ARRIVED_AT_FC; 11-07T09:00 scan #0 DELIVERED; 11-07T12:00 tick" => "problem(YARD_DWELL) = absent";
    st_6_delivered_late: "given shipped; 11-06T08:00 scan #0 ARRIVED_AT_FC; 11-07T15:00 scan #0 DELIVERED"
        => "problem(YARD_DWELL).status = RESOLVED; problem(YARD_DWELL).opened_at = 11-07T10:00; problem(YARD_DWELL).resolved_at = 11-07T15:00";
    st_6_delivered_in_time_told_late: "given shipped; 11-06T08:00 scan #0 ARRIVED_AT_FC; 11-07T12:00 tick; 11-07T13:00 scan #0 DELIVERED at=11-07T09:00"
        => "problem(YARD_DWELL) = absent; shipment.problems = none";
    st_6_the_fc_reports: "given shipped; 11-06T08:00 scan #0 ARRIVED_AT_FC; 11-07T12:00 tick; 11-07T13:00 report CHECKED_IN"
        => "problem(YARD_DWELL).status = RESOLVED; problem(YARD_DWELL).resolved_at = 11-07T13:00";
    st_6_freight_in_the_yard: "given hauled; 11-06T08:00 scan 123456782 ARRIVED_AT_FC carrier=ABF; 11-07T10:00 tick"
        => "problem(YARD_DWELL).status = OPEN; problem(YARD_DWELL).boxes = none";
    st_6_arrived_is_not_delivered: "given hauled; 11-06T08:00 scan 123456782 carrier=ABF code=X1" => "plan.status = IN_TRANSIT; plan.milestone = ARRIVED_AT_FC";
    st_6_delivered_to_a_connecting_line_is_not_delivered: "given hauled; 11-06T08:00 scan 123456782 carrier=ABF code=J1" => "plan.status = IN_TRANSIT";
    st_7_a_carriers_cancellation_cancels_nothing: "given shipped; 11-03T09:00 scan #0 ADDRESS_ISSUE" => "shipment.status = SHIPPED; box(B1).flags = ADDRESS_ISSUE";
    st_7_a_cancelled_shipment_is_still_scanned: "given shipped; 11-02T00:00 cancel; 11-03T09:00 scan #0 IN_TRANSIT"
        => "shipment.status = CANCELLED; plan = absent; counts = read=1 ended=1";
    st_7_cancelling_resolves_all: "given shipped; 11-03T09:00 scan #0 LOST; 11-03T09:30 scan #1 DAMAGED; 11-03T10:00 cancel"
        => "problem(LOST).status = RESOLVED; problem(LOST).resolved_at = 11-03T10:00; problem(DAMAGED).status = RESOLVED; problem(DAMAGED).resolved_at = 11-03T10:00";
    st_7_what_was_resolved_keeps_its_time: &format!("{LOST_AND_FOUND}; 11-05T12:00 cancel") => "problem(LOST).resolved_at = 11-05T09:00";
    st_8_checked_in_before_delivery: "given shipped; 11-06T08:00 report CHECKED_IN; 11-06T10:00 scan #0 DELIVERED at=11-06T07:00; 11-06T10:00 scan #1 DELIVERED at=11-06T07:00"
        => "plan.status = CHECKED_IN";
    st_8_the_first_scan_is_the_delivery: "given shipped; 11-06T09:00 scan #0 DELIVERED; 11-06T09:00 scan #1 DELIVERED" => "plan.status = DELIVERED; shipment.status_since = 11-06T09:00";
    st_8_the_fc_reports_the_last_stage_first: "given shipped; 11-06T08:00 report CLOSED" => "shipment.status = CLOSED; shipment.status_since = 11-06T08:00; plan = absent";
    st_9_an_unknown_code: "given shipped; 11-03T09:00 scan #0 code=NEVER_HEARD_OF" => "counts = read=1 unknown_code=1; letters = none; plan.version = 2";
    st_9_an_unknown_milestone: "given shipped; 11-03T09:00 scan #0 TELEPORTED" => "letters = BAD_FIELD";
    st_9_a_number_that_lives_again: "given delivered; 12-06T09:30 tick; 12-08T09:00 scan #0 PICKED_UP" => "box(B1).milestone = DELIVERED; counts = read=3 applied=2 ended=1";

    tm_1_no_zone_and_no_place: "given shipped; 11-03T10:00 scan #0 PICKED_UP local=2026-11-03T09:00:00" => "letters = NO_TIME_ZONE";
    tm_1_no_zone_takes_that_of_the_fc: "given shipped; 11-03T20:00 scan #0 OUT_FOR_DELIVERY fc=ICT2 local=2026-11-03T09:00:00" => "box(B1).OUT_FOR_DELIVERY = 11-03T15:00";
    tm_4_two_hours_ahead: "given shipped; 11-03T10:00 scan #0 PICKED_UP at=11-03T12:00" => "box(B1).PICKED_UP = 11-03T12:00";
    tm_4_a_second_more: "given shipped; 11-03T10:00 scan #0 PICKED_UP at=11-03T12:00:01" => "letters = IMPLAUSIBLE_TIME; box(B1).milestone = null";
    tm_4_a_zone_less_day_ahead_is_repaired: "given shipped; 11-03T15:30 scan #0 OUT_FOR_DELIVERY fc=ICT2 local=2026-11-04T09:00:00" => "box(B1).OUT_FOR_DELIVERY = 11-03T15:00";
    tm_4_with_a_zone_it_is_not: "given shipped; 11-03T15:30 scan #0 PICKED_UP at=11-04T15:00" => "letters = IMPLAUSIBLE_TIME";
    tm_5_the_epoch_is_refused: "given shipped; 11-03T10:00 scan #0 PICKED_UP at=1970-01-01T00:00:00Z local=1970-01-01T00:00:00Z" => "letters = IMPLAUSIBLE_TIME";
    tm_5_1753_is_refused: "given shipped; 11-03T10:00 scan #0 PICKED_UP local=1753-01-01T00:00:00Z" => "box(B1).milestone = null";
    tm_5_2099_is_refused: "given shipped; 11-03T10:00 scan #0 PICKED_UP at=2099-12-31T00:00" => "letters = IMPLAUSIBLE_TIME";
    tm_5_a_day_before_creation_is_still_ours: "given shipped; 11-03T10:00 scan #0 PICKED_UP at=10-31T00:00" => "box(B1).PICKED_UP = 10-31T00:00";
    tm_5_a_second_earlier_is_an_earlier_life: "given shipped; 11-03T10:00 scan #0 PICKED_UP at=10-30T23:59:59" => "box(B1).milestone = null; counts = read=1 earlier_life=1";
    tm_6_the_60th_minute_is_refused: "given shipped; 11-03T10:00 scan #0 PICKED_UP local=2026-11-03T09:60:00Z" => "letters = BAD_FIELD";
    tm_6_the_29th_of_february_of_2026_is_refused: "given shipped; 11-03T10:00 scan #0 PICKED_UP local=2026-02-29T09:00:00Z" => "letters = BAD_FIELD";
    tm_7_minutes_and_seconds_of_one_event: "given shipped; 11-02T11:00 scan #0 PICKED_UP at=11-02T10:00:27; 11-02T11:30 scan #0 PICKED_UP at=11-02T10:00"
        => "box(B1).PICKED_UP = 11-02T10:00; box(B1).milestone = PICKED_UP; plan.status = SHIPPED";
    tm_7_the_rank_decides_at_equal_times: "given shipped; 11-03T10:00 scan #0 OUT_FOR_DELIVERY at=11-03T09:00; 11-03T10:00 scan #0 IN_TRANSIT at=11-03T09:00" => "box(B1).milestone = OUT_FOR_DELIVERY";

    win_1_a_second_before_the_start: "given shipped; 11-04T23:59:59 window 11-06..11-09" => "answer = ok; plan.window.start = 11-06T00:00";
    win_1_at_the_start: "given shipped; 11-05T00:00 window 11-06..11-09" => "answer = WINDOW_LOCKED; plan.window.locked = true";
    win_1_after_the_start: "given shipped; 11-05T00:00:01 window 11-06..11-09" => "answer = WINDOW_LOCKED";
    win_2_an_end_before_the_start: "given shipped; 11-02T00:00 window 11-06..11-05" => "answer = WINDOW_INVALID";
    win_2_fourteen_days_across_a_border: "11-01T00:00 create cross_border=true window=11-05..11-19" => "answer = ok";
    win_2_a_second_more: "11-01T00:00 create cross_border=true window=11-05T00:00:00..11-19T00:00:01" => "answer = WINDOW_INVALID";
    win_2_in_the_past: "11-01T00:00 create window=10-25..10-28" => "answer = WINDOW_INVALID";
    win_3_a_second_before_the_start: &both_at("11-04T23:59:59") => "plan.window.verdict = EARLY; problem(MISSED_WINDOW_EARLY).opened_at = 11-04T23:59:59";
    win_3_at_the_start: &last_at("11-05T00:00") => "plan.window.verdict = ON_TIME; problem(MISSED_WINDOW_EARLY) = absent";
    win_3_a_second_before_the_end: &last_at("11-07T23:59:59") => "plan.window.verdict = ON_TIME; problem(MISSED_WINDOW_LATE) = absent";
    win_3_at_the_end: &last_at("11-08T00:00") => "plan.window.verdict = LATE; problem(MISSED_WINDOW_LATE).opened_at = 11-08T00:00";
    win_4_moved_while_late: "given shipped; 11-04T10:00 scan #0 ETA eta=11-09T10:00; 11-04T10:01 scan #1 ETA eta=11-09T10:00; 11-04T12:00 window 11-08..11-11" => "plan.window.verdict = PENDING";
    win_4_late_until_then: "given shipped; 11-04T10:00 scan #0 ETA eta=11-09T10:00; 11-04T10:01 scan #1 ETA eta=11-09T10:00" => "plan.window.verdict = LATE_RISK";
    win_5_days_are_the_fcs: "given shipped; 11-04T10:00 scan #0 ETA eta=11-07T03:00; 11-04T10:01 scan #1 ETA eta=11-07T07:00"
        => "arrivals(11-06).boxes = 1; arrivals(11-07).boxes = 1";

    def_1_one_of_twelve_without_an_id: &eleven_of_twelve("11-06T10:00 report CHECKED_IN") => "problem(MISSING_TRACKING).boxes = B11; account.evaluated = 1; account.defective = 1";
    def_1_entered_a_second_before: "given confirmed; 11-01T02:00 track B1=#0; 11-06T08:59:59 track B2=#1; 11-06T10:00 scan #0 DELIVERED at=11-06T09:00; 11-06T10:00 scan #1 DELIVERED at=11-06T09:00"
        => "problem(MISSING_TRACKING) = absent; account.defective = 0";
    def_1_entered_a_second_after: "given confirmed; 11-01T02:00 track B1=#0; 11-06T09:00:01 track B2=#1; 11-06T10:00 scan #0 DELIVERED at=11-06T09:00; 11-06T10:00 scan #1 DELIVERED at=11-06T09:00"
        => "problem(MISSING_TRACKING).boxes = B2; account.defective = 1";

    r23_damage_stays: "given shipped; 11-03T09:00 scan #0 DAMAGED; 11-04T09:00 scan #0 IN_TRANSIT; 11-06T09:00 scan #0 DELIVERED"
        => "problem(DAMAGED).status = OPEN; problem(DAMAGED).opened_at = 11-03T09:00; problem(DAMAGED).resolved_at = null";
    r23_refused: "given shipped; 11-06T09:00 scan #0 REFUSED" => "problem(REFUSED).status = OPEN; problem(REFUSED).opened_at = 11-06T09:00";
    r23_refused_then_moved: "given shipped; 11-06T09:00 scan #0 REFUSED; 11-06T10:00 scan #0 IN_TRANSIT" => "problem(REFUSED).status = OPEN";
    r23_refused_then_delivered: "given shipped; 11-06T09:00 scan #0 REFUSED; 11-07T10:00 scan #0 DELIVERED"
        => "problem(REFUSED).status = RESOLVED; problem(REFUSED).resolved_at = 11-07T10:00";
    r23_nothing_while_working: "given created; 11-01T02:00 track B1=#0 B2=#1; 11-03T09:00 scan #0 LOST" => "problem(LOST) = absent";
    r23_confirmed_later_it_is_there: "given created; 11-01T02:00 track B1=#0 B2=#1; 11-03T09:00 scan #0 LOST; 11-03T10:00 confirm" => "problem(LOST).opened_at = 11-03T09:00";
    r23_another_number_another_story: "given shipped; 11-03T09:00 scan #0 LOST; 11-03T10:00 track B1=#5" => "problem(LOST) = absent; shipment.problems = none";
    r23_two_boxes_one_of_them_found: "given shipped; 11-03T09:00 scan #0 LOST; 11-04T09:00 scan #1 LOST; 11-05T09:00 scan #0 IN_TRANSIT"
        => "problem(LOST).status = OPEN; problem(LOST).boxes = B2; problem(LOST).opened_at = 11-04T09:00";
    r23_both_found: "given shipped; 11-03T09:00 scan #0 LOST; 11-04T09:00 scan #1 LOST; 11-05T09:00 scan #0 IN_TRANSIT; 11-06T09:00 scan #1 IN_TRANSIT"
        => "problem(LOST).status = RESOLVED; problem(LOST).boxes = B1,B2; problem(LOST).opened_at = 11-03T09:00; problem(LOST).resolved_at = 11-06T09:00";
    r19_delivered_thirty_days_ago_is_no_conflict: "given delivered; 12-10T00:00 create in=T window=12-12..12-15; 12-10T01:00 confirm in=T; 12-10T02:00 track in=T B1=#0 B2=#5"
        => "problem(T:TRACKING_CONFLICT) = absent; problem(S:TRACKING_CONFLICT) = absent";
    rolled_expectations_never_vanish: &format!("{LATE}; 11-20T12:00 tick") => "plan.expected.source = WINDOW; plan.expected.latest = 11-21T06:00; plan.expected.confidence = 0.25";
}
