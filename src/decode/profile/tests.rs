//! Profiles: the limits, and that reading takes time linear in the length. What the shipped ones read is in `tests/profiles`.

use crate::carriers::Catalogue;
use crate::decode::{Context, Decoder, Part, Profile};
use crate::model::{Fcs, Settings, Timestamp};

const EVENTS: &str = r#"
name = "acme"
each = "parcels[*].events[*]"
[fields]
carrier = { const = "UPS" }
tracking_id = "parcels[*].number"
event_time = { path = "parcels[*].events[*].at", layout = "unix_s" }
code = "parcels[*].events[*].code"
scan_id = "parcels[*].events[*].id"
retracts = "parcels[*].events[*].undoes"
location.city = "parcels[*].hub[1].city"
appointment.start = { path = "parcels[*].slot", layout = "YYYY-MM-DD hh:mm", offset = "Z" }
[codes]
HELD = ["D"]
[code_sets.NUM]
LOST = ["D"]
"#;

/// Each part as text: what a scan says, or why it is none.
fn decode(profile: &str, bytes: &[u8]) -> Vec<String> {
    let profile = Profile::parse(profile).expect("a profile");
    let (catalogue, fcs, settings) = (Catalogue::embedded(), Fcs::embedded(), Settings::default());
    let context = Context { catalogue: &catalogue, fcs: &fcs, settings: &settings };
    let at = Timestamp::parse("2026-11-05T16:00:00Z").expect("a time");
    let mut parts = Vec::new();
    Decoder::new().decode_feed(&context, Some(&profile), at, None, bytes, &mut |part| {
        if let Part::Scan { index, scan, raw } = part {
            let milestone = scan.effect.milestone.map_or("-", |milestone| milestone.name());
            let flags = scan.effect.flags.iter().count();
            let city = raw.location.city.as_deref().unwrap_or("-");
            let number = scan.key.number.as_str();
            let (at, retracts) = (scan.event_time, &raw.retracts);
            parts.push(format!("{index} {number} {milestone} {flags} {city} {at} {retracts:?}"));
        } else if let Part::Rejected { index, rejection, bytes } = part {
            let (code, length) = (rejection.reason.code(), bytes.len());
            let (detail, at) = (&rejection.detail, rejection.position);
            parts.push(format!("{index:?} {code} {detail} at {at:?}, {length} bytes"));
        }
    });
    parts
}

#[test]
fn values_are_shared_by_the_scans_below_them() {
    let message = r#"{"parcels":[
        {"events":[{"at":1793891520,"code":"FS","id":"a"},{"at":"1793891521","code":"d","undoes":["a","b"]}],
         "number":"1Z5R89390357567127","hub":[{"city":"X"},{"city":"Y"}],"slot":"2026-11-06 08:00"},
        {"number":"1Z999AA10123456784","events":{"at":1793891522,"code":"OT","undoes":"c"}}]}"#;
    assert_eq!(
        decode(EVENTS, message.as_bytes()),
        [
            "0 1Z5R89390357567127 DELIVERED 0 Y 2026-11-05T15:12:00Z []",
            "1 1Z5R89390357567127 - 1 Y 2026-11-05T15:12:01Z [\"a\", \"b\"]",
            "2 1Z999AA10123456784 OUT_FOR_DELIVERY 0 - 2026-11-05T15:12:02Z [\"c\"]",
        ]
    );
}

#[test]
fn an_item_is_rejected_alone_with_its_place() {
    let message = r#"{"parcels":[{"number":"1Z5R89390357567127","events":[{"at":1793891520,"code":"FS"},{"at":"noon","code":"FS"},{"at":1793891520,"code":{}},{"at":1793891520,"code":"FS","undoes":[1]},7]}]}"#;
    let at = |what: &str| Some(message.find(what).expect("it is there"));
    assert_eq!(
        decode(EVENTS, message.as_bytes()),
        [
            "0 1Z5R89390357567127 DELIVERED 0 - 2026-11-05T15:12:00Z []".to_owned(),
            format!(
                "Some(1) BAD_FIELD `event_time`: a time of the profile's layout is expected, found \"noon\" (profile `acme`) at {:?}, 25 bytes",
                at("\"noon\"")
            ),
            format!(
                "Some(2) BAD_FIELD `code`: text or a number is expected, found an object (profile `acme`) at {:?}, 27 bytes",
                at("{}")
            ),
            format!(
                "Some(3) BAD_FIELD `retracts`: scan IDs are expected, found \"[1]\" (profile `acme`) at {:?}, 42 bytes",
                at("[1]")
            ),
            format!(
                "Some(4) MISSING_FIELD `event_time`, `code` or `milestone` missing at {:?}, 1 bytes",
                at("7]}]}")
            ),
        ]
    );
}

/// Known keys that stand twice, on the way of a path or at its end; others are nobody's business.
#[test]
fn a_key_on_the_way_of_a_path_stands_once() {
    let event = r#"{"at":1793891520,"code":"FS"}"#;
    for (what, message, want) in [
        (
            "the list",
            format!(r#"{{"parcels":[],"parcels":[{{"number":"1Z","events":[{event}]}}]}}"#),
            "`parcels` appears twice",
        ),
        (
            "a shared value",
            format!(r#"{{"parcels":[{{"number":"1","number":"2","events":[{event}]}}]}}"#),
            "`number` appears twice",
        ),
        (
            "an item's value",
            r#"{"parcels":[{"number":"1","events":[{"at":1,"at":2}]}]}"#.to_owned(),
            "`at` appears twice",
        ),
        (
            "an escaped one",
            r#"{"parcels":[{"number":"1","events":[{"at":1,"\u0061t":2}]}]}"#.to_owned(),
            "`at` appears twice",
        ),
        (
            "another key",
            format!(r#"{{"x":1,"x":2,"parcels":[{{"number":"1Z5R89390357567127","events":[{event}]}}]}}"#),
            "DELIVERED",
        ),
    ] {
        let parts = decode(EVENTS, message.as_bytes());
        assert!(parts.len() == 1 && parts[0].contains(want), "{what}: {parts:?}");
        assert_eq!(parts[0].contains("BAD_JSON"), want.contains("twice"), "{what}: {parts:?}");
    }
}

/// 200,000 items that share their parcel's values, and as many members beside them: a reader that looked for the shared
/// values anew for each item would not come to an end.
#[test]
fn many_items_with_many_neighbours_are_read_in_one_pass() {
    let event = r#"{"at":1793891520,"code":"FS"},"#;
    let mut message = String::from(r#"{"parcels":[{"#);
    (0..200_000).for_each(|at| message.push_str(&format!("\"k{at}\":1,")));
    message.push_str(r#""events":["#);
    (0..200_000).for_each(|_| message.push_str(event));
    message.pop();
    message.push_str(r#"],"number":"1Z5R89390357567127"}]}"#);
    let parts = decode(EVENTS, message.as_bytes());
    assert_eq!(parts.len(), 200_000);
    assert!(parts.iter().all(|part| part.contains("1Z5R89390357567127 DELIVERED")));
}

/// What a partner means, who writes EDI or the contract's own form.
const PARTNER: &str = r#"
name = "partner"
time_zone = "America/New_York"
[code_sets.X12_1650]
HELD = ["D1"]
DELIVERED = ["OO"]
[code_sets.REC24]
RETURNED = ["21"]
[codes]
LOST = ["GONE"]
"#;

#[test]
fn a_profile_without_fields_says_what_a_partner_means() {
    let none = "name = \"none\"\ntime_zone = \"UTC\"\n";
    let x12 = |status: &str| {
        format!(
            "ISA*00*          *00*          *02*UPSN           *ZZ*DOCKSIDE       *261105*0915*U*00401*000000041*0*P*>~\
             GS*QM*UPSN*DOCKSIDE*20261105*0915*7*X*004010~ST*214*0001~B10*0123456789**EXLA~LX*1~\
             AT7*{status}*NS***20261105*0912~SE*5*0001~GE*1*7~IEA*1*000000041~"
        )
    };
    let iftsta = "UNB+UNOC:3+UPSN+DOCKSIDE+261105:0915+1'UNH+1+IFTSTA:D:00B:UN'BGM+77'NAD+CA+EXLA:172:20'\
                  CNI+1+0123456789'STS+1+21'DTM+334:202611050912:203'UNT+7+1'UNZ+1+1'";
    let own = |code: &str| {
        format!(
            r#"{{"carrier":"UPS","tracking_id":"1Z5R89390357567127","code":"{code}","event_time":"2026-11-05T09:12:00"}}"#
        )
    };
    for (profile, message, wanted) in [
        (none, x12("D1"), "0 0123456789 DELIVERED 0 - 2026-11-05T09:12:00Z []"),
        (PARTNER, x12("D1"), "0 0123456789 - 1 - 2026-11-05T14:12:00Z []"),
        (PARTNER, x12("OO"), "0 0123456789 DELIVERED 0 - 2026-11-05T14:12:00Z []"),
        (PARTNER, x12("AF"), "0 0123456789 PICKED_UP 0 - 2026-11-05T14:12:00Z []"),
        (none, iftsta.to_owned(), "0 0123456789 DELIVERED 0 - 2026-11-05T09:12:00Z []"),
        (PARTNER, iftsta.to_owned(), "0 0123456789 RETURNED 0 - 2026-11-05T14:12:00Z []"),
        (none, own("FS"), "0 1Z5R89390357567127 DELIVERED 0 - 2026-11-05T09:12:00Z []"),
        (PARTNER, own("FS"), "0 1Z5R89390357567127 DELIVERED 0 - 2026-11-05T14:12:00Z []"),
        (PARTNER, own("gone"), "0 1Z5R89390357567127 LOST 0 - 2026-11-05T14:12:00Z []"),
    ] {
        assert_eq!(decode(profile, message.as_bytes()), [wanted], "{message}");
    }
    for wrong in ["name = \"a\"", "name = \"a\"\neach = \"x[*]\"\n[codes]\nLOST = [\"X\"]"] {
        let errors = Profile::parse(wrong).expect_err(wrong);
        assert!(errors.iter().any(|error| error.message.contains("[fields] is missing")), "{errors:?}");
    }
}
