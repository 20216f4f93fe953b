//! A second reader of interchanges, as plain as can be: it cuts the text at every delimiter and looks things up in lists.
//!
//! It knows well-formed interchanges with fixed time codes and says what each status is about: number, code, and time. Ours
//! must say the same of every interchange that the generator writes, whatever the order of segments in a loop.

use std::fmt::Write;

use dockside::decode::Part;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::World;

/// Number, code, event time, postal code.
type Row = (String, String, String, String);

/// A loop of the generator: its references, and statuses with a place before or behind them.
#[derive(Clone, Debug)]
struct Loop {
    references: Vec<(&'static str, u32)>,
    references_first: bool,
    statuses: Vec<(usize, u32, usize)>,
    place_first: bool,
}

const QUALIFIERS: [&str; 5] = ["97", "2I", "CN", "BM", "PO"];
const X12_CODES: [&str; 5] = ["AF", "X4", "X6", "AV", "D1"];
const EDIFACT_CODES: [&str; 5] = ["13", "31", "24", "45", "21"];
/// Time codes, the name EDIFACT has for them, and their hours east.
const ZONES: [(&str, &str, i32); 4] =
    [("UT", "UTC", 0), ("CS", "CST", -6), ("PD", "PDT", -7), ("ED", "EDT", -4)];
const POSTAL_CODES: [&str; 3] = ["67219", "92551", "10001"];

fn loops() -> impl Strategy<Value = Vec<Loop>> {
    let references = proptest::collection::vec((prop::sample::select(&QUALIFIERS[..]), 1..9_u32), 0..3);
    let statuses = proptest::collection::vec((0..5_usize, 0..1440_u32, 0..12_usize), 1..4);
    let one = (references, any::<bool>(), statuses, any::<bool>()).prop_map(
        |(references, references_first, statuses, place_first)| Loop {
            references,
            references_first,
            statuses,
            place_first,
        },
    );
    proptest::collection::vec(one, 1..5)
}

fn written_x12(loops: &[Loop], header: &str, element: char, end: &str) -> String {
    let mut text = format!(
        "ISA*00*          *00*          *02*UPSN           *ZZ*DOCKSIDE       *261105*0915*U*00401*000000041*0*P*>{end}\
         GS*QM*A*B*20261105*0915*7*X*004010{end}ST*214*0001{end}B10*{header}**EXLA{end}"
    );
    let mut segments = 2;
    for (index, one) in loops.iter().enumerate() {
        let mut body = Vec::new();
        for (code, minute, variety) in &one.statuses {
            let at7 = format!(
                "AT7*{}*NS***20261104*{:02}{:02}*{}",
                X12_CODES[*code],
                minute / 60,
                minute % 60,
                ZONES[variety % 4].0
            );
            let ms1 = format!("MS1*SOMEWHERE*KS*US*****{}", POSTAL_CODES[variety % 3]);
            body.extend(if one.place_first { [ms1, at7] } else { [at7, ms1] });
        }
        let references =
            one.references.iter().map(|(qualifier, number)| format!("L11*REF{number}*{qualifier}"));
        if one.references_first {
            body.splice(0..0, references);
        } else {
            body.extend(references);
        }
        body.insert(0, format!("LX*{}", index + 1));
        segments += body.len();
        for segment in body {
            write!(text, "{segment}{end}").expect("memory");
        }
    }
    write!(text, "SE*{}*0001{end}GE*1*7{end}IEA*1*000000041{end}", segments + 1).expect("memory");
    text.replace('*', &element.to_string())
}

/// Reads what [`written_x12`] writes.
fn naive_x12(text: &str) -> Vec<Row> {
    let element = text.chars().nth(3).expect("a header");
    let end = text.chars().nth(105).expect("a header of full length");
    let mut rows = Vec::new();
    let mut header = String::new();
    let mut loops: Vec<Vec<Vec<&str>>> = Vec::new();
    for segment in text.split(end).map(|segment| segment.trim().split(element).collect::<Vec<_>>()) {
        match segment[0] {
            "B10" => header = segment[1].to_owned(),
            "LX" => loops.push(vec![]),
            "L11" | "AT7" | "MS1" => loops.last_mut().expect("a loop").push(segment),
            _ => {}
        }
    }
    for one in loops {
        let of = |qualifier: &str| {
            one.iter().find(|s| s[0] == "L11" && s[2] == qualifier).map(|s| s[1].to_owned())
        };
        let own = of("CN").or_else(|| of("2I")).or_else(|| of("97"));
        let named = own.or_else(|| (!header.is_empty()).then(|| header.clone())).or_else(|| of("BM"));
        let places: Vec<&str> = one.iter().filter(|s| s[0] == "MS1").map(|s| s[8]).collect();
        let statuses = one.iter().filter(|s| s[0] == "AT7");
        for (status, place) in statuses.zip(places) {
            let hours = ZONES.iter().find(|(code, ..)| *code == status[7]).expect("one of the list").2;
            let row = |number: &String| {
                (number.clone(), status[1].to_owned(), utc(status[5], status[6], hours), place.to_owned())
            };
            rows.extend(named.as_ref().map(row));
        }
    }
    rows
}

fn written_edifact(loops: &[Loop], header: &str, una: bool, end: &str) -> String {
    let head = if una { "UNA:+.? '" } else { "" };
    let mut text =
        format!("{head}UNB+UNOC:3+EXLA+DOCKSIDE+261105:0915+1'{end}UNH+1+IFTSTA:D:00B:UN'{end}BGM+77'{end}");
    let mut segments = 2;
    for (index, one) in loops.iter().enumerate() {
        let mut body = vec![format!("CNI+{}+{header}", index + 1)];
        for (code, minute, variety) in &one.statuses {
            body.push(format!("STS+1+{}", EDIFACT_CODES[*code]));
            let dtm =
                format!("DTM+334:20261104{:02}{:02}{}:303", minute / 60, minute % 60, ZONES[variety % 4].1);
            let rff = one.references.get(variety / 4).map(|(qualifier, number)| {
                let qualifier = match *qualifier {
                    "97" => "AAM",
                    "2I" => "CW",
                    other => other,
                };
                format!("RFF+{qualifier}:REF?+{number}")
            });
            let both = [Some(dtm), rff].into_iter().flatten();
            body.extend(if one.place_first { both.collect::<Vec<_>>() } else { both.rev().collect() });
        }
        segments += body.len();
        for segment in body {
            write!(text, "{segment}'{end}").expect("memory");
        }
    }
    write!(text, "UNT+{}+1'{end}UNZ+1+1'", segments + 1).expect("memory");
    text
}

/// Reads what [`written_edifact`] writes.
fn naive_edifact(text: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut consignment = String::new();
    let mut bill = None;
    let finish = |rows: &mut Vec<Row>, bill: Option<String>| {
        if let Some(row) = rows.last_mut()
            && row.0.is_empty()
        {
            row.0 = bill.unwrap_or_default();
        }
    };
    for segment in text.replace("?+", "\u{1}").split('\'').map(|s| s.trim().to_owned()) {
        let elements: Vec<&str> = segment.split('+').collect();
        match elements[0] {
            "CNI" | "STS" | "UNT" => {
                finish(&mut rows, bill.take());
                if elements[0] == "CNI" {
                    consignment = elements[2].to_owned();
                }
                if elements[0] == "STS" {
                    rows.push((consignment.clone(), elements[2].to_owned(), String::new(), String::new()));
                }
            }
            "RFF" => {
                let (qualifier, number) = elements[1].split_once(':').expect("a composite");
                let number = number.replace('\u{1}', "+");
                match qualifier {
                    "CW" | "CN" | "AAM" => rows.last_mut().expect("a status").0 = number,
                    "BM" => bill = Some(number),
                    _ => {}
                }
            }
            "DTM" => {
                let value = elements[1].split(':').nth(1).expect("a composite");
                let hours =
                    ZONES.iter().find(|(_, name, _)| *name == &value[12..]).expect("one of the list").2;
                rows.last_mut().expect("a status").2 = utc(&value[..8], &value[8..12], hours);
            }
            _ => {}
        }
    }
    finish(&mut rows, bill);
    rows.retain(|row| !row.0.is_empty());
    rows
}

/// `CCYYMMDD` and `HHMM`, so many hours east, in UTC.
fn utc(date: &str, time: &str, hours: i32) -> String {
    let text = format!("{}-{}-{}T{}:{}:00", &date[..4], &date[4..6], &date[6..], &time[..2], &time[2..]);
    let local: jiff::civil::DateTime = text.parse().expect("a time");
    let offset = jiff::tz::Offset::from_hours(i8::try_from(hours).expect("small")).expect("an offset");
    offset.to_timestamp(local).expect("in range").to_string()
}

fn ours(world: &World, text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    world.decode(text.as_bytes(), |part| match part {
        Part::Scan { scan, raw, .. } => rows.push((
            scan.key.number.as_str().to_owned(),
            raw.code.as_deref().expect("a status").to_owned(),
            scan.event_time.to_string(),
            raw.location.postal_code.as_deref().unwrap_or_default().to_owned(),
        )),
        Part::Rejected { rejection, .. } => {
            assert_eq!(rejection.reason.code(), "MISSING_FIELD", "{text}: {rejection:?}")
        }
        // Only where a loop has its own number beside the header's.
        Part::Warned { detail, .. } => assert!(detail.contains("another number"), "{text}: {detail}"),
    });
    rows
}

#[test]
fn a_naive_reader_agrees() {
    let world = World::new();
    let config = Config { cases: 6_000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[21; 32]));
    let header = prop::sample::select(vec!["", "HEAD1"]);
    let delimiters = prop::sample::select(vec![('*', "~"), ('|', "~\r\n"), ('^', "\n"), ('*', "'\n")]);
    let seen = std::cell::Cell::new(0);
    let result =
        runner.run(&(loops(), header, delimiters, any::<bool>()), |(loops, header, (element, end), una)| {
            let x12 = written_x12(&loops, header, element, end);
            let edifact = written_edifact(&loops, header, una, if una { "\n" } else { "" });
            let want = naive_x12(&x12);
            seen.set(seen.get() + want.len());
            prop_assert_eq!(ours(&world, &x12), want, "{}", x12);
            prop_assert_eq!(ours(&world, &edifact), naive_edifact(&edifact), "{}", edifact);
            Ok(())
        });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(seen.get() > 20_000, "{} statuses", seen.get());
}
