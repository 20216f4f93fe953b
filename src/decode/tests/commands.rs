//! Records of `commands`: what is a command, what is answered, and what nobody can answer.

use crate::decode::{CommandRecord, command};
use crate::model::{
    BoxId, Command, CommandBody, CommandKind, DeadLetterReason, Mode, NewBox, Stage, SystemTracking,
    Timestamp, TrackingItem, Window,
};

/// A command of a type with these further fields.
fn object(kind: &str, fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    format!(r#"{{"command_id":"c1","shipment_id":"FBA1","type":"{kind}"{comma}{fields}}}"#)
}

fn read(text: &str) -> Command {
    match command(text.as_bytes()) {
        Ok(CommandRecord::Command(command)) => command,
        other => panic!("{text}: {other:?}"),
    }
}

fn body(kind: &str, fields: &str) -> CommandBody {
    let text = object(kind, fields);
    read(&text).body.unwrap_or_else(|invalid| panic!("{text}: {}", invalid.message))
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

fn new_box(id: &str, units: u32, weight_g: u32) -> NewBox {
    NewBox { box_id: BoxId::parse(id).expect("an ID"), units, weight_g }
}

fn line(box_id: &str, tracking_id: Option<&str>) -> TrackingItem {
    TrackingItem { box_id: box_id.to_owned(), tracking_id: tracking_id.map(str::to_owned) }
}

const WINDOW: &str = r#""start":"2026-11-10T00:00:00Z","end":"2026-11-12T00:00:00-06:00""#;

fn window() -> Window {
    Window { start: at("2026-11-10T00:00:00Z"), end: at("2026-11-12T06:00:00Z") }
}

#[test]
fn every_type_is_read() {
    for (kind, fields, want) in [
        ("confirm_ready", "", CommandBody::ConfirmReady),
        ("cancel_shipment", r#""unknown":[{"type":1}]"#, CommandBody::CancelShipment),
        (
            "set_tracking",
            r#""items":[{"box_id":"B1","tracking_id":" 1Z\r\n"},{"box_id":"B2","tracking_id":null},{"box_id":"B3"}]"#,
            CommandBody::SetTracking {
                items: vec![line("B1", Some(" 1Z\r\n")), line("B2", None), line("B3", None)],
                system: false,
            },
        ),
        (
            "set_tracking",
            r#""items":[],"source":"SYSTEM""#,
            CommandBody::SetTracking { items: vec![], system: true },
        ),
        (
            "set_tracking",
            r#""items":[],"source":"SELLER""#,
            CommandBody::SetTracking { items: vec![], system: false },
        ),
        (
            "set_freight_bill",
            r#""freight_bill":"123-456","bill_of_lading":"BOL 7""#,
            CommandBody::SetFreightBill {
                freight_bill: "123-456".to_owned(),
                bill_of_lading: Some("BOL 7".to_owned()),
            },
        ),
        (
            "change_carrier",
            r#""carrier":"upsn","carrier_name":" ""#,
            CommandBody::ChangeCarrier { carrier: "upsn".to_owned(), carrier_name: None },
        ),
        ("set_delivery_window", WINDOW, CommandBody::SetDeliveryWindow(window())),
        (
            "update_boxes",
            r#""add":[{"box_id":"B9","units":1000000}],"remove":["B1","B1"]"#,
            CommandBody::UpdateBoxes {
                add: vec![new_box("B9", 1_000_000, 0)],
                remove: ["B1", "B1"].map(|id| BoxId::parse(id).expect("an ID")).to_vec(),
            },
        ),
        (
            "report_receiving",
            r#""stage":"CHECKED_IN""#,
            CommandBody::ReportReceiving { stage: Stage::CheckedIn },
        ),
        (
            "acknowledge_problem",
            r#""problem_id":"FBA1:MISSING_TRACKING""#,
            CommandBody::AcknowledgeProblem { problem_id: "FBA1:MISSING_TRACKING".to_owned() },
        ),
    ] {
        assert_eq!(body(kind, fields), want, "{kind} {fields}");
    }
    let CommandBody::ChangeDestination { fc } = body("change_destination", r#""fc":"ONT8""#) else {
        panic!("another type")
    };
    assert_eq!(fc.as_str(), "ONT8");
}

#[test]
fn a_shipment_is_created_with_all_its_fields() {
    let fields = format!(
        r#""account":"A1","fc":"ICT2","mode":"SPD","carrier":"OTHER","carrier_name":"Bike Bob","partnered":true,
        "boxes":[{{"box_id":"B1","units":24,"weight_g":9000,"colour":"blue"}},{{"box_id":"B2"}}],"pallets":3,
        "delivery_window":{{{WINDOW}}},"cross_border":true,"need_by":"2026-11-20T00:00:00Z",
        "tracking":{{"items":[{{"box_id":"B1","tracking_id":"T1"}}]}},"created_at":"2026-10-01T00:00:00Z""#
    );
    let CommandBody::CreateShipment(full) = body("create_shipment", &fields) else { panic!("another type") };
    assert_eq!((full.account.as_str(), full.fc.as_str(), full.mode), ("A1", "ICT2", Mode::Spd));
    assert_eq!((full.carrier.as_str(), full.carrier_name.as_deref()), ("OTHER", Some("Bike Bob")));
    assert!(full.partnered && full.cross_border);
    assert_eq!(full.boxes, [new_box("B1", 24, 9000), new_box("B2", 0, 0)]);
    assert_eq!((full.pallets, full.delivery_window), (3, Some(window())));
    assert_eq!(full.need_by, Some(at("2026-11-20T00:00:00Z")));
    assert_eq!(full.tracking, Some(SystemTracking::Items(vec![line("B1", Some("T1"))])));
    assert_eq!(full.created_at, Some(at("2026-10-01T00:00:00Z")));

    let fields =
        r#""account":"A1","fc":"ICT2","mode":"LTL","carrier":"XPO","tracking":{"freight_bill":"123"}"#;
    let CommandBody::CreateShipment(least) = body("create_shipment", fields) else { panic!("another type") };
    assert!(!least.partnered && !least.cross_border && least.boxes.is_empty());
    assert_eq!(
        (least.pallets, least.delivery_window, least.need_by, least.created_at),
        (0, None, None, None)
    );
    assert_eq!(least.tracking, Some(SystemTracking::FreightBill("123".to_owned())));
}

#[test]
fn wrong_fields_are_answered_by_name() {
    let good = r#""account":"A1","fc":"ICT2","mode":"SPD","carrier":"UPS""#;
    let boxes = |n: usize| format!(r#""add":[{}]"#, vec![r#"{"box_id":"B"}"#; n].join(","));
    let (most, too_many) = (boxes(10_000), boxes(10_001));
    for (kind, fields, want) in [
        ("confirm_ready", r#""dry_run":1"#, "`dry_run`: true or false expected, found 1"),
        ("set_tracking", "", "`items`: a list expected, found nothing"),
        ("set_tracking", r#""items":{}"#, "`items`: a list expected, found an object"),
        ("set_tracking", r#""items":["B1"]"#, "`items[0]`: an object expected, found \"B1\""),
        (
            "set_tracking",
            r#""items":[{"box_id":"B1"},{"tracking_id":7}]"#,
            "`items[1].box_id`: 1-64 printable characters expected, found nothing; \
             `items[1].tracking_id`: a string or null expected, found 7",
        ),
        (
            "set_tracking",
            r#""items":[],"source":"system""#,
            "`source`: \"SELLER\" or \"SYSTEM\" expected, found \"system\"",
        ),
        ("set_freight_bill", r#""freight_bill":123"#, "`freight_bill`: a string expected, found 123"),
        ("change_carrier", r#""carrier":null"#, "`carrier`: a string expected, found nothing"),
        (
            "set_delivery_window",
            r#""start":"2026-11-10T00:00:00""#,
            "`start`: an RFC 3339 time with a zone expected, found \"2026-11-10T00:00:00\"; \
             `end`: an RFC 3339 time with a zone expected, found nothing",
        ),
        (
            "update_boxes",
            r#""remove":["B1",""]"#,
            "`remove[1]`: 1-64 printable characters expected, found \"\"",
        ),
        (
            "update_boxes",
            r#""add":[{"box_id":"B1","units":1000001}]"#,
            "`add[0].units`: a whole number from 0 to 1000000 expected, found 1000001",
        ),
        (
            "update_boxes",
            r#""add":[{"box_id":"B1","weight_g":-1}]"#,
            "`add[0].weight_g`: a whole number from 0 to 4294967295 expected, found a negative, fractional or huge number",
        ),
        ("update_boxes", &too_many, "`add`: at most 10000 items expected, found 10001"),
        ("change_destination", r#""fc":"""#, "`fc`: 1-64 printable characters expected, found \"\""),
        (
            "report_receiving",
            r#""stage":"DELIVERED""#,
            "`stage`: CHECKED_IN, RECEIVING or CLOSED expected, found \"DELIVERED\"",
        ),
        (
            "create_shipment",
            "",
            "`account`: 1-64 printable characters expected, found nothing; \
             `fc`: 1-64 printable characters expected, found nothing; \
             `mode`: SPD, LTL or FTL expected, found nothing; `carrier`: a string expected, found nothing",
        ),
        (
            "create_shipment",
            &format!(r#"{good},"delivery_window":{{"start":"x"}}"#),
            "`delivery_window.start`: an RFC 3339 time with a zone expected, found \"x\"; \
             `delivery_window.end`: an RFC 3339 time with a zone expected, found nothing",
        ),
        (
            "create_shipment",
            &format!(r#"{good},"tracking":{{}}"#),
            "`tracking`: either `items` or `freight_bill` expected, found neither",
        ),
        (
            "create_shipment",
            &format!(r#"{good},"tracking":{{"items":[],"freight_bill":"1"}}"#),
            "`tracking`: either `items` or `freight_bill` expected, found both",
        ),
        (
            "create_shipment",
            &format!(r#"{good},"tracking":{{"items":[{{}}]}}"#),
            "`tracking.items[0].box_id`: 1-64 printable characters expected, found nothing",
        ),
        (
            "create_shipment",
            &format!(r#"{good},"pallets":1.5"#),
            "`pallets`: a whole number from 0 to 4294967295",
        ),
    ] {
        let read = read(&object(kind, fields));
        assert_eq!((read.command_id.as_str(), read.shipment_id.as_str()), ("c1", "FBA1"));
        let invalid = read.body.expect_err(fields);
        assert!(invalid.message.starts_with(want), "{kind} {fields}: {}", invalid.message);
    }
    let CommandBody::UpdateBoxes { add, .. } = body("update_boxes", &most) else { panic!("another type") };
    assert_eq!(add.len(), 10_000);
    let wrong = format!(r#""remove":[{}]"#, vec!["1"; 5_000].join(","));
    let message = read(&object("update_boxes", &wrong)).body.expect_err("numbers").message;
    assert!(message.ends_with("; and 4992 more"), "an answer stays short: {message}");
}

#[test]
fn dry_run_and_type_are_kept_beside_a_wrong_body() {
    let read = read(&object("change_destination", r#""dry_run":true"#));
    assert!(read.dry_run && read.body.is_err());
    assert_eq!(read.kind, CommandKind::ChangeDestination);
}

#[test]
fn a_tick_needs_nothing_else() {
    for text in [r#"{"type":"tick"}"#, "\u{feff} {\"type\":\"tick\",\"command_id\":7}\r\n"] {
        assert_eq!(command(text.as_bytes()), Ok(CommandRecord::Tick), "{text}");
    }
}

#[test]
fn what_nobody_can_answer_is_a_dead_letter() {
    let long = "x".repeat(65);
    for (text, at) in [
        (String::new(), 0),
        (" \n".to_owned(), 2),
        ("null".to_owned(), 0),
        (" 12".to_owned(), 1),
        ("[]".to_owned(), 0),
        ("{}".to_owned(), 0),
        ("rubbish".to_owned(), 0),
        (r#"{"type":"tick""#.to_owned(), 14),
        (r#"{"type":"tick"} {"type":"tick"}"#.to_owned(), 16),
        (r#"{"type":"tock"}"#.to_owned(), 8),
        (r#"{"type":7}"#.to_owned(), 8),
        (r#"{"type":"tick","type":"tick"}"#.to_owned(), 22),
        (r#"{"type":"confirm_ready","shipment_id":"S"}"#.to_owned(), 0),
        (r#"{"type":"confirm_ready","command_id":"c","shipment_id":""}"#.to_owned(), 55),
        (format!(r#"{{"type":"confirm_ready","command_id":"{long}","shipment_id":"S"}}"#), 37),
        (r#"{"type":"confirm_ready","command_id":7,"shipment_id":"S"}"#.to_owned(), 37),
        (object("confirm_ready", r#""dry_run":null,"dry_run":null"#), 88),
        (object("change_destination", r#""fc":"A","fc":"A""#), 82),
        (object("create_shipment", r#""delivery_window":{"start":null,"start":null}"#), 105),
        (object("set_tracking", r#""items":[{"box_id":"A","box_id":"A"}]"#), 0),
        (object("confirm_ready", &format!(r#""x":{}{}"#, "[".repeat(32), "]".repeat(32))), 98),
        (format!("{}1", "[".repeat(100_000)), 32),
    ] {
        let rejection = command(text.as_bytes()).expect_err(&text);
        assert_eq!(rejection.reason, DeadLetterReason::BadCommand, "{text}");
        assert_eq!(rejection.position, Some(at), "{text}: {}", rejection.detail);
    }
    let rejection = command(b"{\"type\":\"\xff\"}").expect_err("not UTF-8");
    assert_eq!((rejection.reason, rejection.position), (DeadLetterReason::BadCommand, Some(9)));
}

#[test]
fn keys_of_other_types_may_repeat() {
    assert_eq!(body("confirm_ready", r#""fc":1,"fc":2,"x":3,"x":4"#), CommandBody::ConfirmReady);
}
