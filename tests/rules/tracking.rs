//! R1–R6, R9, R10: how numbers get to boxes, and whose scans count.

use dockside::model::Settings;
use dockside::stations::Rules;

use super::check;
use super::played::{play, play_under};
use super::story::lines;

const TWELVE: &str = "
    11-01T00:00 create boxes=B1,B2,B3,B4,B5,B6,B7,B8,B9,B10,B11,B12
    11-01T01:00 confirm
    11-01T02:00 track B1=#0 B2=#1 B3=#2 B4=#3 B5=#4 B6=#5 B7=#6
";

#[test]
fn r1_valid_tracking_ships() {
    let twelve = |more: &str| format!("{TWELVE}{more}");
    check(&[
        (
            "7 of 12 are not enough, but they are indexed",
            &twelve("11-02T00:00 scan #6 LABEL_CREATED"),
            "shipment.status = READY_TO_SHIP; shipment.status_since = 11-01T01:00
             plan.boxes.tracked = 7; plan.boxes.total = 12; box(B7).LABEL_CREATED = 11-02T00:00; box(B8).tracking_id = null
             plan.boxes.by_milestone = LABEL_CREATED:1 NONE:11",
        ),
        (
            "until the rest comes",
            &twelve("11-01T03:00 track B8=#7 B9=#8 B10=#9 B11=#10 B12=#11"),
            "shipment.status = SHIPPED; shipment.status_since = 11-01T03:00; plan.boxes.tracked = 12",
        ),
        (
            "or the first custody scan",
            &twelve("11-02T00:00 scan #3 PICKED_UP at=11-01T22:00"),
            "shipment.status = SHIPPED; shipment.status_since = 11-01T22:00; plan.boxes.tracked = 7",
        ),
        ("all of them", "given shipped", "shipment.status = SHIPPED; shipment.status_since = 11-01T02:00"),
        (
            "entered before it was confirmed",
            "given created; 11-01T01:00 track B1=#0 B2=#1; 11-01T02:00 confirm",
            "shipment.status = SHIPPED; shipment.status_since = 11-01T02:00",
        ),
        (
            "and not before that",
            "given created; 11-01T01:00 track B1=#0 B2=#1; 11-02T00:00 scan #0 PICKED_UP",
            "shipment.status = WORKING; box(B1).milestone = PICKED_UP; plan = absent",
        ),
        (
            "not supported is as good as valid",
            "11-01T00:00 create carrier=OTHER name=Acme; 11-01T01:00 confirm; 11-01T02:00 track B1=X1 B2=X2",
            "shipment.status = SHIPPED; box(B1).validation = NOT_SUPPORTED; plan.boxes.tracked = 2
             answer = ok TRACKING_NOT_SUPPORTED",
        ),
        ("freight: without a PRO", "given freight", "shipment.status = READY_TO_SHIP; plan.boxes.tracked = 0"),
        (
            "freight: the PRO",
            "given hauled",
            "shipment.status = SHIPPED; shipment.freight_bill = 123456782; plan.boxes.tracked = 2
             box(B1).tracking_id = null; box(B1).validation = null",
        ),
    ]);
}

#[test]
fn r2_partnered_carriers_bring_their_own_tracking() {
    let partnered = |more: &str| {
        format!("11-01T00:00 create partnered=true window=- items=B1:#0,B2:#1; 11-01T01:00 confirm; {more}")
    };
    check(&[
        (
            "no window needed, and tracking alone does not ship",
            &partnered(""),
            "answers = ok / ok; shipment.status = READY_TO_SHIP; plan.boxes.tracked = 2; plan.window = null",
        ),
        (
            "nor does a label",
            &partnered("11-02T00:00 scan #0 LABEL_CREATED"),
            "shipment.status = READY_TO_SHIP",
        ),
        (
            "the first custody scan does",
            &partnered("11-02T00:00 scan #0 PICKED_UP"),
            "shipment.status = SHIPPED; shipment.status_since = 11-02T00:00",
        ),
        (
            "a seller's entry",
            &partnered("11-02T00:00 track B1=#2"),
            "answer = PARTNERED_CARRIER; emitted = command-results:S",
        ),
        (
            "a seller's change of carrier",
            &partnered("11-02T00:00 carrier FEDEX"),
            "answer = PARTNERED_CARRIER",
        ),
        (
            "the system's entry",
            &partnered("11-02T00:00 track B1=#2 system=true"),
            "answer = ok; shipment.status = READY_TO_SHIP",
        ),
        (
            "never a defect: nothing was entered before the FC reports",
            "11-01T00:00 create partnered=true window=-; 11-01T01:00 confirm; 11-06T00:00 report CHECKED_IN",
            "problem(MISSING_TRACKING) = absent; account = absent; shipment.problems = none",
        ),
        (
            "the system's entry for a shipment that is not partnered",
            "given confirmed; 11-01T02:00 track B1=#0 system=true",
            "answer = PARTNERED_CARRIER",
        ),
    ]);
}

#[test]
fn r3_r4_each_box_has_its_own_number() {
    let shipped = |more: &str| format!("given shipped; 11-02T00:00 {more}");
    check(&[
        ("R3: a scanner's line end", &shipped("track B1=#5␍"), "answer = ok"),
        ("R3: foreign boxes, all of them", &shipped("track X=#5 Y=#6 B1=#7"), "answer = UNKNOWN_BOX(X) UNKNOWN_BOX(Y)"),
        (
            "R4: swapped in one command",
            "given shipped; 11-02T00:00 scan #0 PICKED_UP; 11-02T01:00 scan #1 IN_TRANSIT; 11-02T02:00 track B1=#1 B2=#0",
            "answer = ok; box(B1).milestone = IN_TRANSIT; box(B1).PICKED_UP = absent; box(B2).milestone = PICKED_UP
             box(B2).PICKED_UP = 11-02T00:00",
        ),
        (
            "R4: a master ID",
            &shipped("track B1=#5 B2=#5"),
            "answer = UNIQUE_TRACKING_ID_REQUIRED(B1) UNIQUE_TRACKING_ID_REQUIRED(B2)",
        ),
        ("R4: of a box that is not named", &shipped("track B1=#1"), "answer = UNIQUE_TRACKING_ID_REQUIRED(B1)"),
        ("R4: taken over from a box that gives it up", &shipped("track B1=#1 B2=-"), "answer = ok; plan.boxes.tracked = 1"),
        (
            "R3: all or nothing",
            &shipped("track B1=#5 B2=1Z"),
            "answer = INVALID_TRACKING_ID(B2); emitted = command-results:S; plan.boxes.tracked = 2",
        ),
    ]);
}

#[test]
fn r5_an_invalid_id_says_why() {
    let shipped = |more: &str| format!("given shipped; 11-02T00:00 {more}");
    check(&[
        ("nothing", &shipped("track B1="), "answer = INVALID_TRACKING_ID(B1)"),
        ("check digit", &shipped("track B1=1Z5R89390357567128"), "answer = INVALID_TRACKING_ID(B1)"),
        ("blank before", &shipped("track B1=␣#5"), "answer = INVALID_TRACKING_ID(B1)"),
        ("blank after", &shipped("track B1=#5␣"), "answer = INVALID_TRACKING_ID(B1)"),
        ("another carrier's", &shipped("track B1=fx#0"), "answer = INVALID_TRACKING_ID(B1)"),
        (
            "OTHER: 64 characters",
            &format!("11-01T00:00 create carrier=OTHER name=Acme; 11-01T01:00 track B1={}", "x".repeat(64)),
            "answer = ok TRACKING_NOT_SUPPORTED",
        ),
        (
            "OTHER: 65 characters",
            &format!("11-01T00:00 create carrier=OTHER name=Acme; 11-01T01:00 track B1={}", "x".repeat(65)),
            "answer = INVALID_TRACKING_ID(B1)",
        ),
    ]);
    let played = play(&lines(&shipped("track B1=fx#0 B2=1Z5R89390357567128")));
    let errors = &played.answers().last().expect("an answer")["errors"];
    let message = |n: usize| errors[n]["message"].as_str().expect("a message").to_lowercase();
    assert!(message(0).contains("fedex"), "it names whose it is: {}", message(0));
    assert!(message(1).contains("check digit"), "{}", message(1));
}

#[test]
fn r5_blanks_are_trimmed_when_told_so() {
    let settings = Settings { strict_blanks: false, ..Settings::default() };
    let rules = Rules { settings, ..Rules::embedded() };
    let played = play_under(rules, &lines("given shipped; 11-02T00:00 track B1=␣#5"));
    assert_eq!(played.says("answer"), "ok BLANKS_TRIMMED(B1)");
    assert_eq!(played.says("plan.boxes.tracked"), "2");
}

#[test]
fn r6_freight_has_one_pro() {
    let three = "
        11-01T00:00 create in=P mode=LTL carrier=ABF pallets=1; 11-01T00:00 create in=Q mode=LTL carrier=ABF
        11-01T00:00 create in=R mode=FTL carrier=ABFS boxes=; 11-01T01:00 confirm in=P; 11-01T01:00 confirm in=Q
        11-01T01:00 confirm in=R; 11-01T02:00 bill in=P 12-34.5; 11-01T02:00 bill in=Q 12345; 11-01T02:00 bill in=R 1234_5
    ";
    check(&[
        ("parcels' tracking", "given freight; 11-02T00:00 track B1=#0", "answer = WRONG_MODE"),
        ("a PRO for parcels", "given shipped; 11-02T00:00 bill 123", "answer = WRONG_MODE"),
        ("a character that no PRO has", "given freight; 11-02T00:00 bill 12/34", "answer = INVALID_FREIGHT_BILL"),
        ("65 characters", &format!("given freight; 11-02T00:00 bill {}", "1".repeat(65)), "answer = INVALID_FREIGHT_BILL"),
        ("inner blanks", "given freight; 11-02T00:00 bill 12␣34", "answer = ok TRACKING_NOT_SUPPORTED"),
        ("outer blanks", "given freight; 11-02T00:00 bill ␣1234", "answer = INVALID_FREIGHT_BILL"),
        (
            "a PRO with its check digit",
            "11-01T00:00 create mode=LTL carrier=XPO pallets=1; 11-01T01:00 bill 123-456782",
            "answer = ok; shipment.freight_bill = 123456782",
        ),
        (
            "a PRO with another check digit",
            "11-01T00:00 create mode=LTL carrier=CNWY pallets=1; 11-01T01:00 bill 123-456789",
            "answer = INVALID_FREIGHT_BILL",
        ),
        (
            "the bill of lading comes along",
            "given freight; 11-02T00:00 bill 1234 bol=B7",
            "shipment.bill_of_lading = B7; shipment.freight_bill = 1234",
        ),
        (
            "one PRO for three shipments: its scans go to all",
            &format!("{three} 11-03T00:00 scan 12345 IN_TRANSIT carrier=ABF"),
            "plan(P).milestone = IN_TRANSIT; plan(Q).milestone = IN_TRANSIT; plan(R).milestone = IN_TRANSIT
             plan(P).boxes.by_milestone = IN_TRANSIT:2; plan(R).boxes.total = 0; box(Q/B2).IN_TRANSIT = 11-03T00:00
             counts = read=1 applied=1",
        ),
        (
            "one of them cancels, the others go on",
            &format!("{three} 11-03T00:00 cancel in=P; 11-04T00:00 scan 12345 IN_TRANSIT carrier=ABF"),
            "shipment(P).status = CANCELLED; shipment(P).milestone = null; shipment(Q).status = IN_TRANSIT
             shipment(R).status = IN_TRANSIT",
        ),
    ]);
}

#[test]
fn r9_only_the_selected_carriers_scans_count() {
    check(&[
        (
            "IDs that do not fit are unset",
            "given shipped; 11-02T00:00 carrier FEDEX",
            "answer = ok TRACKING_RESUBMIT(B1) TRACKING_RESUBMIT(B2); plan.carrier = FEDEX; plan.boxes.tracked = 0
             box(B1).tracking_id = null; shipment.status = SHIPPED",
        ),
        ("an unknown carrier", "given shipped; 11-02T00:00 carrier NOBODY", "answer = UNKNOWN_CARRIER"),
        ("OTHER without a name", "given shipped; 11-02T00:00 carrier OTHER", "answer = CARRIER_NAME_REQUIRED"),
        (
            "OTHER matches carriers outside the catalogue",
            "given shipped; 11-02T00:00 carrier OTHER name=Acme; 11-03T00:00 scan #0 IN_TRANSIT
             11-03T00:00 scan #1 PICKED_UP carrier=Acme",
            "plan.carrier_name = Acme; box(B1).milestone = null; box(B2).milestone = PICKED_UP
             counts = read=2 applied=1 old_carrier=1",
        ),
        (
            "there and back: the whole history shows again, what came meanwhile included",
            "given shipped; 11-02T00:00 scan #0 PICKED_UP; 11-02T01:00 carrier OTHER name=Acme
             11-03T00:00 scan #0 IN_TRANSIT; 11-04T00:00 carrier UPS",
            "answers = ok / ok / ok / ok TRACKING_NOT_SUPPORTED / ok; box(B1).PICKED_UP = 11-02T00:00
             box(B1).IN_TRANSIT = 11-03T00:00; shipment.status = IN_TRANSIT; box(B1).validation = VALID
             counts = read=2 applied=1 old_carrier=1; plan.carrier_name = null",
        ),
        ("an alias of the same carrier changes nothing", "given shipped; 11-02T00:00 carrier UPSN", "answer = ok; emitted = command-results:S"),
        ("delivered", "given delivered; 11-07T00:00 carrier FEDEX", "answer = ALREADY_DELIVERED"),
    ]);
}

#[test]
fn r10_a_box_shows_its_present_number() {
    check(&[
        (
            "an exchanged number takes its scans with it",
            "given shipped; 11-02T00:00 scan #0 IN_TRANSIT; 11-03T00:00 track B1=#5",
            "box(B1).milestone = null; shipment.status = SHIPPED; shipment.status_since = 11-01T02:00",
        ),
        (
            "later scans of the old number are nobody's",
            "given shipped; 11-03T00:00 track B1=#5; 11-04T00:00 scan #0 IN_TRANSIT",
            "box(B1).milestone = null; counts = read=1 old_carrier=1",
        ),
        (
            "and all of them come back with it",
            "given shipped; 11-02T00:00 scan #0 PICKED_UP; 11-03T00:00 track B1=#5; 11-04T00:00 scan #0 IN_TRANSIT
             11-05T00:00 track B1=#0",
            "box(B1).PICKED_UP = 11-02T00:00; box(B1).IN_TRANSIT = 11-04T00:00; shipment.status = IN_TRANSIT",
        ),
        ("delivered", "given delivered; 11-07T00:00 track B1=#5", "answer = ALREADY_DELIVERED; emitted = command-results:S"),
        (
            "one box is delivered, the shipment is not",
            "given shipped; 11-06T00:00 scan #0 DELIVERED; 11-06T01:00 track B1=#5",
            "answer = ok; box(B1).milestone = null",
        ),
        ("checked in", "given shipped; 11-06T00:00 report CHECKED_IN; 11-06T01:00 track B1=#5", "answer = ALREADY_DELIVERED"),
        ("a removed number", "given shipped; 11-02T00:00 track B1=-", "box(B1).tracking_id = null; plan.boxes.tracked = 1; shipment.status = SHIPPED"),
    ]);
}
