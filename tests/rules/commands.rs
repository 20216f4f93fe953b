//! §4.3: answers, repeats, dry runs, and what is no command.

use super::check;
use super::played::play;
use super::story::lines;

#[test]
fn the_first_wrong_group_answers_with_all_its_errors() {
    check(&[
        ("nobody's", "11-01T00:00 confirm", "answer = UNKNOWN_SHIPMENT; shipment = absent"),
        ("twice", "given created; 11-01T01:00 create", "answer = SHIPMENT_EXISTS"),
        (
            "creation",
            "11-01T00:00 create carrier=NOBODY boxes=B1,B1 window=11-01..11-02",
            "answer = UNKNOWN_CARRIER DUPLICATE_BOX(B1) WINDOW_INVALID; shipment = absent",
        ),
        ("no box", "11-01T00:00 create boxes=", "answer = INVALID_COMMAND"),
        (
            "500 parcels",
            &format!("11-01T00:00 create boxes={}", (1..=500).map(|n| format!("B{n},")).collect::<String>()),
            "answer = ok",
        ),
        (
            "501 parcels",
            &format!("11-01T00:00 create boxes={}", (1..=501).map(|n| format!("B{n},")).collect::<String>()),
            "answer = TOO_MANY_BOXES",
        ),
        ("freight needs none", "11-01T00:00 create mode=LTL carrier=ABF boxes=", "answer = ok"),
        (
            "tracking that is the seller's to enter",
            "11-01T00:00 create items=B1:#0",
            "answer = INVALID_COMMAND",
        ),
        ("of the wrong kind", "11-01T00:00 create partnered=true window=- bill=123", "answer = WRONG_MODE"),
        (
            "cancelled",
            "given shipped; 11-02T00:00 cancel; 11-03T00:00 track B1=#5",
            "answer = SHIPMENT_CANCELLED",
        ),
        (
            "cancelled twice",
            "given shipped; 11-02T00:00 cancel; 11-03T00:00 cancel",
            "answer = SHIPMENT_CANCELLED",
        ),
        ("cancelled too late", "given delivered; 11-07T00:00 cancel", "answer = ALREADY_DELIVERED"),
        ("confirmed twice", "given confirmed; 11-02T00:00 confirm", "answer = WRONG_STATUS"),
        ("destination too late", "given delivered; 11-07T00:00 fc ONT8", "answer = ALREADY_DELIVERED"),
        (
            "boxes",
            "given confirmed; 11-02T00:00 boxes +B3 -B1",
            "answer = ok; plan.boxes.total = 2; box(B1) = absent; box(B3).units = 10",
        ),
        (
            "boxes: all errors",
            "given confirmed; 11-02T00:00 boxes +B2 +B3 +B3 -X",
            "answer = UNKNOWN_BOX(X) DUPLICATE_BOX(B2) DUPLICATE_BOX(B3)",
        ),
        (
            "boxes: replaced",
            "given confirmed; 11-02T00:00 boxes +B1 -B1",
            "answer = ok; plan.boxes.total = 2",
        ),
        ("boxes: none left", "given confirmed; 11-02T00:00 boxes -B1 -B2", "answer = INVALID_COMMAND"),
        ("boxes: shipped", "given shipped; 11-02T00:00 boxes +B3", "answer = WRONG_STATUS"),
        (
            "a box that leaves takes its number along",
            "given confirmed; 11-01T02:00 track B1=#0; 11-02T00:00 boxes -B1; 11-03T00:00 scan #0 PICKED_UP",
            "plan.boxes.by_milestone = NONE:1; counts = read=1 old_carrier=1; plan.status = READY_TO_SHIP",
        ),
        (
            "the last box without a number leaves: all that remain have one",
            "given confirmed; 11-01T02:00 track B1=#0; 11-02T00:00 boxes -B2",
            "plan.status = SHIPPED; shipment.status_since = 11-02T00:00",
        ),
    ]);
}

#[test]
fn a_repeated_command_id_gets_the_first_answer() {
    check(&[
        (
            "and does nothing else",
            "given shipped; 11-02T00:00 track B1=#5 id=x; 11-03T00:00 track B1=#6 id=x",
            "answer = ok; emitted = command-results:S; box(B1).tracking_id = 1Z5R89390357567172",
        ),
        (
            "rejections too, whatever has changed since",
            "11-01T00:00 create window=-; 11-01T01:00 confirm id=x; 11-01T02:00 window 11-05..11-06; 11-01T03:00 confirm id=x",
            "answers = ok / WINDOW_REQUIRED / ok / WINDOW_REQUIRED; shipment.status = WORKING",
        ),
        (
            "also the creation's",
            "11-01T00:00 create id=x; 11-01T01:00 create id=x",
            "answers = ok / ok; emitted = command-results:S",
        ),
        (
            "IDs are of their shipment",
            "11-01T00:00 create id=x; 11-01T01:00 create id=x in=T",
            "answers = ok / ok; shipment(T).status = WORKING",
        ),
        (
            "a rejection for a shipment that is not there can't be remembered",
            "11-01T00:00 confirm id=x; 11-01T01:00 create; 11-01T02:00 confirm id=x",
            "answers = UNKNOWN_SHIPMENT / ok / ok; shipment.status = READY_TO_SHIP",
        ),
        (
            "30 days later",
            "given created; 11-01T01:00 confirm id=x; 12-01T01:00 tick; 12-01T01:00 confirm id=x",
            "answer = ok; emitted = command-results:S",
        ),
        (
            "a second more",
            "given created; 11-01T01:00 confirm id=x; 12-01T01:00:01 confirm id=x",
            "answer = WRONG_STATUS",
        ),
    ]);
    let played = play(&lines(
        "given created; 11-01T01:00 confirm id=x; 11-02T00:00 track B1=#0 B2=#1; 11-03T00:00 confirm id=x",
    ));
    let answers = played.answers();
    assert_eq!(answers[1], answers[3], "to the letter, its version included");
    assert_eq!(answers[1]["version"], 2);
    assert_eq!(answers[2]["version"], 3);
}

#[test]
fn the_last_64_answers_are_remembered() {
    // 1 creation and n effective commands, then the first of them again.
    let after = |more: usize| {
        let windows: Vec<String> =
            (0..more).map(|n| format!("11-01T02:{:02} window 11-05..11-{:02}", n % 60, 6 + n % 2)).collect();
        format!("given created; 11-01T01:00 confirm id=x; {}; 11-01T03:00 confirm id=x", windows.join("; "))
    };
    check(&[
        ("the 64th newest", &after(63), "answer = ok; emitted = command-results:S"),
        ("the 65th", &after(64), "answer = WRONG_STATUS"),
    ]);
}

#[test]
fn a_dry_run_answers_and_leaves_no_trace() {
    let rows = [
        ("accepted", "given shipped; 11-02T00:00 cancel dry=1", "ok"),
        ("rejected", "given shipped; 11-02T00:00 confirm dry=1", "WRONG_STATUS"),
        (
            "with all errors",
            "given shipped; 11-02T00:00 track B1=#1 X=#5 dry=1",
            "UNKNOWN_BOX(X) UNIQUE_TRACKING_ID_REQUIRED(B1)",
        ),
        (
            "with warnings",
            "given shipped; 11-02T00:00 carrier FEDEX dry=1",
            "ok TRACKING_RESUBMIT(B1) TRACKING_RESUBMIT(B2)",
        ),
    ];
    let plain = play(&lines("given shipped; 11-02T00:00 tick"));
    for (name, story, want) in rows {
        let played = play(&lines(story));
        assert_eq!(played.says("answer"), want, "{name}");
        assert_eq!(played.says("emitted"), "command-results:S", "{name}");
        assert_eq!(played.state(), plain.state(), "{name}");
    }
    check(&[
        (
            "of a creation",
            "11-01T00:00 create dry=1; 11-01T01:00 confirm",
            "answers = ok / UNKNOWN_SHIPMENT; shipment = absent",
        ),
        (
            "its ID is not remembered",
            "given created; 11-01T01:00 confirm id=x dry=1; 11-01T02:00 confirm id=x",
            "answers = ok / ok / ok; shipment.status = READY_TO_SHIP",
        ),
    ]);
}

#[test]
fn what_is_no_command_is_dead_lettered() {
    let known = r#"{"command_id":"x","shipment_id":"S","type":"change_destination"}"#;
    check(&[
        ("no JSON", "11-01T00:00 raw commands {", "letters = BAD_COMMAND; answers = none"),
        (
            "no type",
            r#"11-01T00:00 raw commands {"command_id":"x","shipment_id":"S"}"#,
            "letters = BAD_COMMAND",
        ),
        (
            "an unknown type",
            r#"11-01T00:00 raw commands {"command_id":"x","shipment_id":"S","type":"sing"}"#,
            "letters = BAD_COMMAND",
        ),
        (
            "without shipment",
            r#"11-01T00:00 raw commands {"command_id":"x","type":"confirm_ready"}"#,
            "letters = BAD_COMMAND",
        ),
        (
            "a known type without its fields",
            &format!("given created; 11-02T00:00 raw commands {known}"),
            "letters = none; answer = INVALID_COMMAND",
        ),
        (
            "which comes before all else",
            &format!("11-02T00:00 raw commands {known}"),
            "letters = none; answer = INVALID_COMMAND",
        ),
    ]);
}
