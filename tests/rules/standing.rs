//! R14, R15, R16: defects, how an account stands, and what it may not do meanwhile.
//!
//! Day 0 is 2026-11-01. A shipment of these stories is freight that is checked in on the day it is created.

use dockside::model::{DAY_MS, Settings, Timestamp};
use dockside::stations::Rules;

use super::played::play_under;
use super::story::lines;
use super::{Row, check, check_under};

/// A time of a day.
fn on(day: i64, time: &str) -> String {
    let begins = Timestamp::parse("2026-11-01T00:00:00Z").expect("a time").plus_ms(day * DAY_MS);
    format!("{}{time}Z", begins.to_string().trim_end_matches("00:00:00Z"))
}

/// `count` shipments of a day, named by it, of which the first `defective` have no PRO.
fn shipments(day: i64, count: usize, defective: usize) -> String {
    let one = |n: usize| {
        let id = format!("D{day}N{n:02}");
        let window = format!("{}..{}", on(day + 1, "00:00:00"), on(day + 2, "00:00:00"));
        let bill = format!("{} bill in={id} 123456782;", on(day, "06:00:02"));
        format!(
            "{} create in={id} mode=LTL carrier=XPO boxes= pallets=1 window={window}; {} confirm in={id}; {} {} report CHECKED_IN in={id}",
            on(day, "06:00:00"),
            on(day, "06:00:01"),
            if n < defective { "" } else { &bill },
            on(day, "08:00:00"),
        )
    };
    (0..count).map(one).collect::<Vec<_>>().join("; ")
}

fn tick(day: i64, time: &str) -> String {
    format!("{} tick", on(day, time))
}

fn told(parts: &[String]) -> String {
    parts.join("; ")
}

/// What is said of account A: its level and since when.
fn stands(level: &str, since: Option<i64>) -> String {
    format!("account.level = {level}; account.level_since = {}", since.map_or("null".to_owned(), shown))
}

/// A day's begin as documents are shown here.
fn shown(day: i64) -> String {
    let text = on(day, "00:00:00");
    match text.strip_prefix("2026-") {
        Some(rest) => rest.trim_end_matches(":00Z").to_owned(),
        None => text,
    }
}

fn check_told(rows: &[(&str, Vec<String>, String)]) {
    let stories: Vec<String> = rows.iter().map(|(_, parts, _)| told(parts)).collect();
    let rows: Vec<Row<'_>> =
        rows.iter().zip(&stories).map(|((name, _, wants), story)| (*name, &**story, &**wants)).collect();
    check(&rows);
}

/// Ten on day 0, two of them defective: above from the judgement at its end, day 1, on.
fn bad() -> String {
    shipments(0, 10, 2)
}

#[test]
fn def_1_one_of_twelve_boxes_without_an_id_is_one_defect() {
    let boxes: Vec<String> = (1..=12).map(|n| format!("B{n}")).collect();
    let items: Vec<String> = (1..=11).map(|n| format!("B{n}=#{n}")).collect();
    let scans: Vec<String> = (1..=12).map(|n| format!("11-06T10:00 scan #{n} DELIVERED")).collect();
    let story = format!(
        "11-01T00:00 create boxes={}; 11-01T01:00 confirm; 11-01T02:00 track {}; {}; 11-06T11:00 report CHECKED_IN",
        boxes.join(","),
        items.join(" "),
        scans.join("; ")
    );
    check(&[(
        "one defect",
        &story,
        "account.evaluated = 1; account.defective = 1; account.unacknowledged = 1
         problem(MISSING_TRACKING).boxes = B12; problem(MISSING_TRACKING).opened_at = 11-06T11:00",
    )]);
}

/// B2's number is entered at 10:00.
fn entered_and_delivered(at: &str) -> String {
    format!(
        "given confirmed; 11-01T02:00 track B1=#0; 11-06T08:00 scan #0 DELIVERED; 11-06T10:00 track B2=#1; 11-06T11:00 scan #1 DELIVERED at={at}"
    )
}

#[test]
fn def_1_an_id_entered_a_second_before_delivery_is_no_defect() {
    check(&[(
        "before",
        &entered_and_delivered("11-06T10:00:01"),
        "account.defective = 0; account.unacknowledged = 0",
    )]);
}

#[test]
fn def_1_an_id_entered_a_second_after_delivery_is_a_defect() {
    check(&[(
        "after",
        &entered_and_delivered("11-06T09:59:59"),
        "account.defective = 1; account.unacknowledged = 1",
    )]);
}

#[test]
fn def_2_twenty_days_above_the_rate_are_standard() {
    check_told(&[
        ("20 days", vec![bad(), tick(21, "00:00:00")], stands("STANDARD", None)),
        ("a second before 21", vec![bad(), tick(21, "23:59:59")], stands("STANDARD", None)),
    ]);
}

#[test]
fn def_2_twenty_one_days_above_the_rate_are_elevated() {
    check_told(&[
        (
            "21 days",
            vec![bad(), tick(22, "00:00:00")],
            format!("{}; account.restricted_until = null", stands("ELEVATED", Some(22))),
        ),
        ("all at once", vec![bad(), tick(30, "12:00:00")], stands("ELEVATED", Some(22))),
        ("20 more", vec![bad(), tick(42, "23:59:59")], stands("ELEVATED", Some(22))),
    ]);
}

#[test]
fn def_2_twenty_one_more_are_critical() {
    let until = "account.restricted_until = 12-17T00:15";
    check_told(&[
        ("21 more", vec![bad(), tick(43, "00:00:00")], format!("{}; {until}", stands("CRITICAL", Some(43)))),
        ("the end is told until a judgement is past it", vec![bad(), tick(46, "23:59:59")], until.to_owned()),
        (
            "and no longer; it is restricted once",
            vec![bad(), tick(90, "00:00:00")],
            format!("{}; account.restricted_until = null", stands("CRITICAL", Some(43))),
        ),
    ]);
}

#[test]
fn def_2_exactly_the_rate_is_not_above_it() {
    check_told(&[
        (
            "1 of 10",
            vec![shipments(0, 10, 1), tick(100, "00:00:00")],
            "account.rate = 0.1; account.level = STANDARD".to_owned(),
        ),
        ("2 of 19", vec![shipments(0, 19, 2), tick(22, "00:00:00")], stands("ELEVATED", Some(22))),
        ("2 of 20", vec![shipments(0, 20, 2), tick(22, "00:00:00")], stands("STANDARD", None)),
    ]);
}

#[test]
fn r15_fewer_than_ten_are_not_judged() {
    check_told(&[
        (
            "9 of 9",
            vec![shipments(0, 9, 9), tick(100, "00:00:00")],
            format!("account.rate = 1.0; {}", stands("STANDARD", None)),
        ),
        (
            "the tenth comes on day 5: above from day 6 on",
            vec![shipments(0, 9, 9), shipments(5, 1, 0), tick(27, "00:00:00")],
            stands("ELEVATED", Some(27)),
        ),
        (
            "a day before",
            vec![shipments(0, 9, 9), shipments(5, 1, 0), tick(26, "23:59:59")],
            stands("STANDARD", None),
        ),
    ]);
}

#[test]
fn r15_a_break_begins_the_days_anew() {
    // 2 of 20 at the end of day 10, 3 of 21 from the end of day 12 on.
    let broken = || vec![bad(), shipments(10, 10, 0), shipments(12, 1, 1)];
    let with = |at: String| [broken(), vec![at]].concat();
    check_told(&[
        ("21 days after the first", with(tick(22, "00:00:00")), stands("STANDARD", None)),
        ("20 after the second", with(tick(33, "23:59:59")), stands("STANDARD", None)),
        ("21 after the second", with(tick(34, "00:00:00")), stands("ELEVATED", Some(34))),
    ]);
    // The same once it is elevated: the level holds, the 21 days begin anew with the end of day 32.
    let dipped = |at: String| vec![bad(), shipments(30, 10, 0), shipments(32, 1, 1), at];
    check_told(&[
        ("the level holds", dipped(tick(32, "00:00:00")), stands("ELEVATED", Some(22))),
        ("21 days after it was elevated", dipped(tick(43, "00:00:00")), stands("ELEVATED", Some(22))),
        ("21 days after the dip", dipped(tick(54, "00:00:00")), stands("CRITICAL", Some(54))),
    ]);
}

#[test]
fn r15_below_for_122_days_is_standard_again() {
    // 2 of 20 at the end of day 30, which is the first one not above; one more on day 100, so that there is something to say.
    let good = |at: String| vec![bad(), shipments(30, 10, 0), shipments(100, 1, 0), at];
    check_told(&[
        (
            "a second before",
            good(tick(152, "23:59:59")),
            format!("{}; account.evaluated = 11", stands("ELEVATED", Some(22))),
        ),
        (
            "122 days",
            good(tick(153, "00:00:00")),
            format!("{}; account.evaluated = 1", stands("STANDARD", Some(153))),
        ),
        (
            "nothing counts any more, but two defects are open",
            good(tick(223, "00:00:00")),
            format!("{}; account.evaluated = 0; account.unacknowledged = 2", stands("STANDARD", None)),
        ),
        (
            "a level outlives what was evaluated",
            vec![bad(), tick(124, "00:00:00")],
            format!(
                "{}; account.evaluated = 0; account.rate = 0.0; account.unacknowledged = 2",
                stands("CRITICAL", Some(43))
            ),
        ),
        (
            "a day above begins the 122 days anew",
            vec![
                bad(),
                shipments(30, 10, 0),
                shipments(40, 1, 1),
                shipments(41, 9, 0),
                shipments(100, 1, 0),
                tick(160, "00:00:00"),
            ],
            stands("ELEVATED", Some(22)),
        ),
    ]);
}

#[test]
fn r15_judgements_are_never_revised() {
    // The eleventh shipment of day 0 is learnt of on day 3, with a defect: 2 of 11 from the judgement of day 4 on.
    let story = |at: String| {
        vec![
            format!("{} create in=L", on(0, "00:00:00")),
            format!("{} confirm in=L; {} track in=L B1=#0", on(0, "01:00:00"), on(0, "02:00:00")),
            shipments(0, 10, 1),
            format!("{} scan #0 DELIVERED at={}", on(3, "10:00:00"), on(0, "20:00:00")),
            format!("{} scan #1 DELIVERED at={}", on(3, "10:00:00"), on(0, "20:00:00")),
            format!("{} track in=L B2=#1", on(3, "10:00:01")),
            at,
        ]
    };
    check_told(&[
        ("as if it had been judged then", story(tick(22, "00:00:00")), stands("STANDARD", None)),
        (
            "from day 4 on",
            story(tick(25, "00:00:00")),
            format!("{}; account.defective = 2", stands("ELEVATED", Some(25))),
        ),
    ]);
}

#[test]
fn r15_a_critical_account_creates_no_shipments_for_72_hours() {
    let create = |at: String, more: &str| {
        vec![bad(), tick(43, "00:00:00"), format!("{at} create in=N window=- {more}")]
    };
    check_told(&[
        ("before it acts", create(on(43, "00:14:59"), ""), "answer = ok".to_owned()),
        (
            "from then on",
            create(on(43, "00:15:00"), ""),
            "answer = ACCOUNT_RESTRICTED; shipment(N) = absent".to_owned(),
        ),
        ("a dry run too", create(on(43, "00:15:00"), "dry=true"), "answer = ACCOUNT_RESTRICTED".to_owned()),
        ("until the last second", create(on(46, "00:14:59"), ""), "answer = ACCOUNT_RESTRICTED".to_owned()),
        ("72 hours", create(on(46, "00:15:00"), ""), "answer = ok; shipment(N).status = WORKING".to_owned()),
        ("another account", create(on(44, "00:00:00"), "account=B"), "answer = ok".to_owned()),
        (
            "it stands alone",
            create(on(44, "00:00:00"), "carrier=NOBODY boxes=X,X"),
            "answer = ACCOUNT_RESTRICTED".to_owned(),
        ),
        (
            "what is there goes on",
            vec![bad(), tick(43, "00:00:00"), format!("{} report CLOSED in=D0N00", on(44, "00:00:00"))],
            "answer = ok".to_owned(),
        ),
        (
            "the ID of one that is there",
            vec![bad(), tick(43, "00:00:00"), format!("{} create in=D0N00", on(44, "00:00:00"))],
            "answer = SHIPMENT_EXISTS".to_owned(),
        ),
    ]);
}

#[test]
fn r15_a_refusal_says_when_to_try_again() {
    let at = on(44, "00:00:00");
    let story = told(&[bad(), tick(43, "00:00:00"), format!("{at} create in=N id=c window=-")]);
    let played = play_under(Rules::embedded(), &lines(&story));
    let answer = played.answers().last().expect("an answer");
    assert_eq!(answer["errors"][0]["retry_after"], "2026-12-17T00:15:00Z", "{answer}");
    // The same command again, in time: nothing was remembered of a shipment that is not there.
    let again = format!("{story}; {} create in=N id=c window=-", on(46, "00:15:00"));
    let played = play_under(Rules::embedded(), &lines(&again));
    assert_eq!(played.says("answer"), "ok");
}

#[test]
fn r15_the_restriction_is_a_setting() {
    let settings = Settings { restriction_ms: DAY_MS, acceptable_rate_per_mille: 199, ..Settings::default() };
    let story = told(&[bad(), tick(43, "00:00:00")]);
    check_under(&settings, &[("a day", &story, "account.restricted_until = 12-15T00:15")]);
    let settings = Settings { acceptable_rate_per_mille: 200, ..settings };
    check_under(&settings, &[("2 of 10 are acceptable", &story, "account.level = STANDARD")]);
}

#[test]
fn r16_open_defects_must_be_acknowledged() {
    // D0N00's defect is opened by the report at 08:00.
    let then = |more: &str| format!("{}; {}", shipments(0, 2, 1), more.replace('@', "11-01T"));
    let acknowledged = "@09:00 ack MISSING_TRACKING in=D0N00";
    let rows = [
        ("before it acts", then("@08:14:59 create in=N window=-"), "answer = ok; account.unacknowledged = 1"),
        (
            "from then on",
            then("@08:15 create in=N window=-"),
            "answer = UNACKNOWLEDGED_PROBLEMS; shipment(N) = absent",
        ),
        ("a dry run too", then("@08:15 create in=N window=- dry=true"), "answer = UNACKNOWLEDGED_PROBLEMS"),
        (
            "months later",
            then("2027-08-01T00:00 create in=N window=-"),
            "answer = UNACKNOWLEDGED_PROBLEMS; account.evaluated = 0",
        ),
        ("another account", then("@08:15 create in=N window=- account=B"), "answer = ok"),
        (
            "acknowledged: at once",
            then(&format!("{acknowledged}; @09:00 create in=N window=-")),
            "answer = ok; account.unacknowledged = 0; account.defective = 1",
        ),
        (
            "a missed window is no defect",
            then(&format!("{acknowledged}; @09:00 create in=N window=-")),
            "problem(D0N01:MISSED_WINDOW_EARLY).status = OPEN; answer = ok",
        ),
        (
            "it goes with its shipment",
            then("@10:00 report CLOSED in=D0N00; 2027-03-04T00:00 create in=N window=-"),
            "answer = ok; account = absent",
        ),
    ];
    let rows: Vec<Row<'_>> = rows.iter().map(|(name, story, wants)| (*name, &**story, *wants)).collect();
    let settings = Settings { require_acknowledgement: true, ..Settings::default() };
    check_under(&settings, &rows);
    check(&[(
        "not required",
        &then("@09:00 create in=N window=-"),
        "answer = ok; account.unacknowledged = 1",
    )]);
}

#[test]
fn r15_r16_both_are_told_together() {
    let story = told(&[bad(), tick(43, "00:00:00"), format!("{} create in=N window=-", on(44, "00:00:00"))]);
    let settings = Settings { require_acknowledgement: true, ..Settings::default() };
    check_under(&settings, &[("both", &story, "answer = ACCOUNT_RESTRICTED UNACKNOWLEDGED_PROBLEMS")]);
}

#[test]
fn r15_r16_the_tables_are_bounded() {
    let two = "given delivered; 11-02T00:00 create in=T account=B boxes=T1; 11-02T01:00 confirm in=T; 11-07T00:00 report CHECKED_IN in=T";
    let settings = Settings { accounts_max: 1, ..Settings::default() };
    check_under(&settings, &[("the second account", two, "account(A).evaluated = 1; account(B) = absent")]);
    let settings = Settings { arrivals_max: 1, ..Settings::default() };
    let two = "given shipped; 11-02T00:00 create in=T fc=ONT8 boxes=T1; 11-02T01:00 confirm in=T";
    check_under(
        &settings,
        &[("the second total", two, "arrivals(11-06).boxes = 2; arrivals(ONT8|2026-11-06|SPD) = absent")],
    );
}
