//! Edge cases of numbers, of who has one, and of messages.

use super::{cases, check};

/// A scan of the first number, written in another way.
fn written(number: &str) -> String {
    let scan = format!(
        r#"{{"carrier":"UPS","tracking_id":"{number}","milestone":"PICKED_UP","event_time":"2026-11-02T10:00:00Z"}}"#
    );
    format!("given shipped; 11-02T10:00 raw scans {scan}")
}

/// A scan with this text as its tracking ID, quoted or not.
fn bare(carrier: &str, json: &str) -> String {
    let scan = format!(
        r#"{{"carrier":"{carrier}","tracking_id":{json},"milestone":"PICKED_UP","event_time":"2026-11-02T10:00:00Z"}}"#
    );
    format!("11-02T10:00 raw scans {scan}")
}

/// `OTHER`, which takes any text of at most 64 characters.
fn other(number: &str) -> String {
    format!("11-01T00:00 create carrier=OTHER name=Acme; 11-01T01:00 confirm; 11-01T02:00 track B1={number}")
}

fn boxes(count: usize) -> String {
    let ids: Vec<String> = (0..count).map(|n| format!("X{n}")).collect();
    format!("11-01T00:00 create boxes={}", ids.join(","))
}

const TWO: &str =
    "given shipped; 11-01T03:00 create in=T; 11-01T04:00 confirm in=T; 11-01T05:00 track in=T B1=#0 B2=#2";
const TWO_PROS: &str = "given hauled; 11-01T03:00 create in=T mode=LTL carrier=ABF; 11-01T04:00 confirm in=T; 11-01T05:00 bill 123456782 in=T";

cases! {
    id_1_an_outer_blank_is_refused_at_registration: "given confirmed; 11-01T02:00 track B1=␣#0"
        => "answer = INVALID_TRACKING_ID(B1); box(B1).tracking_id = null";
    id_1_a_scan_with_an_outer_blank_resolves: "given shipped; 11-02T10:00 scan ␣#0 PICKED_UP" => "box(B1).milestone = PICKED_UP";
    id_2_lower_case_is_the_same_number: &written("1z5r89390357567127") => "box(B1).milestone = PICKED_UP";
    id_2_inner_blanks_are_no_part_of_it: &written("1Z 5R8 939 03 5756 7127") => "box(B1).milestone = PICKED_UP";
    id_2_a_no_break_space_is_no_part_of_it: &written("1Z5R8939\\u00a00357567127") => "box(B1).milestone = PICKED_UP";
    id_2_a_zero_width_space_is_no_part_of_it: &written("1Z5R8939\\u200b0357567127") => "box(B1).milestone = PICKED_UP";
    id_2_a_byte_order_mark_is_no_part_of_it: &written("\\ufeff1Z5R89390357567127") => "box(B1).milestone = PICKED_UP";
    id_2_full_width_digits_are_digits: &written("1Z5R893903575671\\uff12\\uff17") => "box(B1).milestone = PICKED_UP";
    id_2_a_group_separator_is_no_part_of_it: &written("\\u001d1Z5R89390357567127") => "box(B1).milestone = PICKED_UP";
    id_2_a_symbology_prefix_is_no_part_of_it: &written("]C11Z5R89390357567127") => "box(B1).milestone = PICKED_UP";
    id_3_a_wrong_digit_is_invalid: "given confirmed; 11-01T02:00 track B1=1Z5R89390357567128" => "answer = INVALID_TRACKING_ID(B1)";
    id_3_letters_of_equal_value_may_change_places: "given confirmed; 11-01T02:00 track B1=1ZAK89390357567124 B2=1ZKA89390357567124"
        => "answer = ok; plan.status = SHIPPED";
    id_3_a_cyrillic_look_alike_is_invalid: "given confirmed; 11-01T02:00 track B1=1ZАK89390357567124" => "answer = INVALID_TRACKING_ID(B1)";
    id_3_an_s10_of_a_country: "11-01T00:00 create carrier=S10; 11-01T01:00 confirm; 11-01T02:00 track B1=RB123456785US"
        => "answer = ok; box(B1).validation = VALID";
    id_3_an_s10_of_no_country: "11-01T00:00 create carrier=S10; 11-01T01:00 confirm; 11-01T02:00 track B1=RB123456785XX"
        => "answer = INVALID_TRACKING_ID(B1)";
    id_4_a_fedex_label_of_34_and_a_feed_of_12:
        "11-01T00:00 create carrier=FEDEX; 11-01T01:00 confirm; 11-01T02:00 track B1=0000000000000006720200098765432105
         11-02T10:00 scan 098765432105 PICKED_UP carrier=FEDEX"
        => "box(B1).tracking_id = 098765432105; box(B1).milestone = PICKED_UP";
    id_4_a_usps_label_with_its_route_and_a_feed_without:
        "11-01T00:00 create carrier=USPS; 11-01T01:00 confirm; 11-01T02:00 track B1=420672029400191234567800001235
         11-02T10:00 scan 9400191234567800001235 PICKED_UP carrier=USPS"
        => "box(B1).tracking_id = 9400191234567800001235; box(B1).milestone = PICKED_UP";
    id_5_the_selected_carrier_decides: "given confirmed; 11-01T02:00 track B1=fx#0" => "answer = INVALID_TRACKING_ID(B1)";
    id_5_twelve_digits_that_two_carriers_know: "11-01T00:00 create carrier=FEDEX; 11-01T01:00 confirm; 11-01T02:00 track B1=098765432160
         11-02T10:00 scan 098765432160 PICKED_UP carrier=PUROLATOR"
        => "box(B1).validation = VALID; box(B1).milestone = null; counts = read=1 parked=1";
    id_5_and_the_one_that_was_selected: "11-01T00:00 create carrier=PUROLATOR; 11-01T01:00 confirm; 11-01T02:00 track B1=098765432160
         11-02T10:00 scan 098765432160 PICKED_UP carrier=PUROLATOR"
        => "box(B1).validation = VALID; box(B1).milestone = PICKED_UP";
    id_5_fourteen_digits_are_dhls: "11-01T00:00 create carrier=DHL; 11-01T01:00 confirm; 11-01T02:00 track B1=12345678901234"
        => "answer = ok; box(B1).tracking_id = 12345678901234";
    id_5_other_takes_any_text: &other("HELLO-1") => "answer = ok TRACKING_NOT_SUPPORTED; box(B1).validation = NOT_SUPPORTED";
    id_6_sixty_four_characters_are_fine: &other(&"X".repeat(64)) => "answer = ok TRACKING_NOT_SUPPORTED";
    id_6_sixty_five_are_too_many: &other(&"X".repeat(65)) => "answer = INVALID_TRACKING_ID(B1)";
    id_6_no_character_is_invalid:
        r#"given confirmed; 11-01T02:00 raw commands {"command_id":"e","type":"set_tracking","shipment_id":"S","items":[{"box_id":"B1","tracking_id":""}]}"#
        => "answer = INVALID_TRACKING_ID(B1)";
    id_6_a_pro_may_have_dots_and_dashes:
        "11-01T00:00 create mode=LTL carrier=OTHER name=Acme; 11-01T01:00 confirm; 11-01T02:00 bill A-1.2_3" => "plan.status = SHIPPED";
    id_6_a_pro_may_have_inner_blanks:
        "11-01T00:00 create mode=LTL carrier=OTHER name=Acme; 11-01T01:00 confirm; 11-01T02:00 bill A1␣B2" => "plan.status = SHIPPED";
    id_6_a_pro_has_no_other_characters:
        "11-01T00:00 create mode=LTL carrier=OTHER name=Acme; 11-01T01:00 confirm; 11-01T02:00 bill A1/B2"
        => "answer = INVALID_FREIGHT_BILL; plan.status = READY_TO_SHIP";
    id_7_a_pro_of_yrc_may_end_with_x: "11-01T00:00 create mode=LTL carrier=YRC; 11-01T01:00 confirm; 11-01T02:00 bill 828-561881-x"
        => "plan.status = SHIPPED; shipment.freight_bill = 828561881X";
    id_7_a_freight_number_of_ups_is_no_parcel: "given confirmed; 11-01T02:00 track B1=105123456" => "answer = INVALID_TRACKING_ID(B1)";
    id_8_a_number_is_read_as_text: &format!(
        "11-01T00:00 create carrier=FEDEX; 11-01T01:00 confirm; 11-01T02:00 track B1=987654321005; {}", bare("FEDEX", "987654321005"))
        => "letters = none";
    id_8_a_number_above_2_53_is_refused: &bare("UPS", "9007199254740993") => "letters = BAD_TRACKING_ID";
    id_8_an_exponent_is_refused: &bare("UPS", "1e12") => "letters = BAD_TRACKING_ID";
    id_9_all_foreign_boxes_are_listed: "given confirmed; 11-01T02:00 track B1=#0 B8=#1 B9=#2"
        => "answer = UNKNOWN_BOX(B8) UNKNOWN_BOX(B9); box(B1).tracking_id = null";
    id_10_items_on_freight_are_the_wrong_kind: "given freight; 11-01T02:00 track B1=#0" => "answer = WRONG_MODE";
    id_10_a_pro_on_a_parcel_is_the_wrong_kind: "given confirmed; 11-01T02:00 bill 123456782" => "answer = WRONG_MODE";
    id_10_two_pros_in_one_command:
        r#"given freight; 11-01T02:00 raw commands {"command_id":"e","type":"set_freight_bill","shipment_id":"S","freight_bill":["1","2"]}"#
        => "answer = INVALID_COMMAND; shipment.freight_bill = null";
    id_10_five_hundred_boxes_are_fine: &boxes(500) => "answer = ok";
    id_10_one_more_is_too_many: &boxes(501) => "answer = TOO_MANY_BOXES";

    dup_1_same_id_on_two_boxes: "given confirmed; 11-01T02:00 track B1=#0 B2=#0"
        => "answer = UNIQUE_TRACKING_ID_REQUIRED(B1) UNIQUE_TRACKING_ID_REQUIRED(B2); box(B1).tracking_id = null; plan.boxes.tracked = 0";
    dup_1_same_id_in_other_letters: "given confirmed; 11-01T02:00 track B1=#0 B2=1z5r89390357567127"
        => "answer = UNIQUE_TRACKING_ID_REQUIRED(B1) UNIQUE_TRACKING_ID_REQUIRED(B2)";
    dup_1_same_id_with_blanks: "given confirmed; 11-01T02:00 track B1=#0 B2=1Z␣5R8939␣0357567127"
        => "answer = UNIQUE_TRACKING_ID_REQUIRED(B1) UNIQUE_TRACKING_ID_REQUIRED(B2)";
    dup_1_same_id_as_a_box_that_is_not_named: "given confirmed; 11-01T02:00 track B1=#0; 11-01T03:00 track B2=#0"
        => "answer = UNIQUE_TRACKING_ID_REQUIRED(B2); box(B1).tracking_id = 1Z5R89390357567127; box(B2).tracking_id = null";
    dup_2_a_master_id_is_an_ordinary_one: "given confirmed; 11-01T02:00 track B1=#0; 11-02T10:00 scan #0 PICKED_UP"
        => "box(B1).milestone = PICKED_UP; box(B2).milestone = null";
    dup_2_on_two_boxes_it_is_refused: "given confirmed; 11-01T02:00 track B1=#0 B2=#0"
        => "answer = UNIQUE_TRACKING_ID_REQUIRED(B1) UNIQUE_TRACKING_ID_REQUIRED(B2)";
    dup_3_both_shipments_are_told: TWO
        => "problem(S:TRACKING_CONFLICT).boxes = B1; problem(T:TRACKING_CONFLICT).boxes = B1
            problem(S:TRACKING_CONFLICT).opened_at = 11-01T05:00; problem(T:TRACKING_CONFLICT).opened_at = 11-01T05:00
            problem(S:TRACKING_CONFLICT).defect = false";
    dup_3_the_newer_entry_gets_the_scans: &format!("{TWO}; 11-02T10:00 scan #0 PICKED_UP")
        => "box(S/B1).milestone = null; box(T/B1).milestone = PICKED_UP";
    dup_3_the_older_one_keeps_what_was_before:
        "given shipped; 11-05T00:00 create in=T window=11-08..11-10; 11-05T01:00 track in=T B1=#0; 11-06T10:00 scan #0 PICKED_UP at=11-03T10:00; 11-06T10:00 scan #0 IN_TRANSIT"
        => "box(S/B1).milestone = PICKED_UP; box(T/B1).milestone = IN_TRANSIT";
    dup_3_cancelling_leaves_one: &format!("{TWO}; 11-03T00:00 cancel in=T; 11-03T10:00 scan #0 PICKED_UP at=11-02T10:00")
        => "problem(S:TRACKING_CONFLICT).status = RESOLVED; problem(S:TRACKING_CONFLICT).resolved_at = 11-03T00:00
            problem(T:TRACKING_CONFLICT).status = RESOLVED; box(S/B1).milestone = PICKED_UP; box(T/B1).milestone = PICKED_UP";
    dup_3_a_correction_leaves_one: &format!("{TWO}; 11-03T00:00 track in=T B1=#5")
        => "problem(S:TRACKING_CONFLICT).status = RESOLVED; problem(S:TRACKING_CONFLICT).resolved_at = 11-03T00:00
            problem(T:TRACKING_CONFLICT) = absent";
    dup_3_a_third_one_keeps_it_open: &format!("{TWO}; 11-01T06:00 create in=U; 11-01T07:00 confirm in=U; 11-01T08:00 track in=U B1=#0; 11-03T00:00 cancel in=T")
        => "problem(S:TRACKING_CONFLICT).status = OPEN; problem(S:TRACKING_CONFLICT).opened_at = 11-01T05:00
            problem(U:TRACKING_CONFLICT).opened_at = 11-01T08:00";
    dup_3_closing_leaves_one: &format!("{TWO}; 11-03T00:00 report CLOSED")
        => "problem(T:TRACKING_CONFLICT).status = RESOLVED; problem(T:TRACKING_CONFLICT).resolved_at = 11-03T00:00";
    dup_3_entered_again_it_reopens: &format!("{TWO}; 11-03T00:00 track in=T B1=#5; 11-04T00:00 track in=T B1=#0")
        => "problem(S:TRACKING_CONFLICT).status = OPEN; problem(S:TRACKING_CONFLICT).opened_at = 11-04T00:00
            problem(S:TRACKING_CONFLICT).resolved_at = null";
    dup_3_one_after_the_other_is_no_conflict: "given shipped; 11-02T00:00 cancel; 11-03T00:00 create in=T; 11-03T01:00 confirm in=T; 11-03T02:00 track in=T B1=#0"
        => "problem(S:TRACKING_CONFLICT) = absent; problem(T:TRACKING_CONFLICT) = absent";
    dup_4_two_boxes_exchange_their_ids: "given shipped; 11-02T10:00 scan #0 PICKED_UP; 11-02T12:00 track B1=#1 B2=#0"
        => "answer = ok; box(B1).milestone = null; box(B2).milestone = PICKED_UP; plan.status = SHIPPED";
    dup_5_one_pro_serves_two_shipments: &format!("{TWO_PROS}; 11-02T10:00 scan 123456782 PICKED_UP carrier=ABF")
        => "shipment.milestone = PICKED_UP; shipment(T).milestone = PICKED_UP; problem(S:TRACKING_CONFLICT) = absent";
    dup_5_each_has_its_own_version: &format!("{TWO_PROS}; 11-01T06:00 window 11-06..11-09 in=T; 11-02T10:00 scan 123456782 PICKED_UP carrier=ABF")
        => "plan.version = 3; plan(T).version = 4";
    dup_5_two_scacs_are_two_keys: "given hauled; 11-01T03:00 create in=T mode=LTL carrier=ESTES; 11-01T04:00 bill 123456782 in=T; 11-02T10:00 scan 123456782 PICKED_UP carrier=ABF"
        => "shipment.milestone = PICKED_UP; shipment(T).milestone = null";
    dup_5_an_alias_is_the_same_key: "given hauled; 11-02T10:00 scan 123456782 PICKED_UP carrier=ABFS" => "shipment.milestone = PICKED_UP";
    dup_5_a_part_of_a_pro_is_no_delivery: "given hauled; 11-06T09:00 scan 123456782 PARTIALLY_DELIVERED carrier=ABF"
        => "plan.status = IN_TRANSIT; plan.milestone = PARTIALLY_DELIVERED";

    fmt_4_a_known_key_twice_is_rejected:
        r#"11-02T10:00 raw scans {"carrier":"UPS","carrier":"UPS","tracking_id":"1Z5R89390357567127","milestone":"PICKED_UP","event_time":"2026-11-02T10:00:00Z"}"#
        => "letters = BAD_JSON; counts = read=1 BAD_JSON=1";
    fmt_4_an_unknown_key_twice_does_not_matter:
        r#"11-02T10:00 raw scans {"x":1,"x":2,"carrier":"UPS","tracking_id":"1Z5R89390357567127","milestone":"PICKED_UP","event_time":"2026-11-02T10:00:00Z"}"#
        => "letters = none; counts = read=1 parked=1";
    fmt_4_null_is_a_missing_field:
        r#"11-02T10:00 raw scans {"carrier":"UPS","tracking_id":null,"milestone":"PICKED_UP","event_time":"2026-11-02T10:00:00Z"}"#
        => "letters = MISSING_FIELD";
    fmt_4_an_array_in_an_array_is_rejected_alone:
        r#"11-02T10:00 raw scans [[1],{"carrier":"UPS","tracking_id":"1Z5R89390357567127","milestone":"PICKED_UP","event_time":"2026-11-02T10:00:00Z"}]"#
        => "counts = read=2 parked=1 BAD_FIELD=1";
    fmt_4_a_broken_array_is_rejected_whole:
        r#"11-02T10:00 raw scans [{"carrier":"UPS","tracking_id":"1Z5R89390357567127","milestone":"PICKED_UP","event_time":"2026-11-02T10:00:00Z"}"#
        => "letters = BAD_JSON; counts = read=1 BAD_JSON=1";
}
