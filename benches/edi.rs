//! Decoding EDI: ours against the published parsers of each syntax, and the time per loop as messages grow.
//!
//! `segments` is what every peer does, too: the text is split into segments, elements and (of EDIFACT) components, and all of
//! them are looked at. `scans` is the whole of decoding, which no peer does: references in their order, codes mapped, zones of
//! places found, times read, identities hashed. The peer of X12 is under the GPL and built by [its own
//! crate](peers/edi/Cargo.toml) only. All readers must report the same number of statuses and the same length of all
//! references; the sums are asserted in the measured part. At the end, pass by pass in turn: the ratio to each peer, and the
//! time of a status in messages of 10, 100 and 1,000 loops, which is the same when time is linear.

mod shared;

use std::fmt::Write;
use std::hint::black_box;
use std::time::Duration;

use criterion::Throughput;
use dockside::decode::{Context, Decoder, Part, segments};
use dockside::model::Timestamp;
use dockside::stations::Rules;
use edifact_parser::EdifactHandler;
use edifact_primitives::{Control, RawSegment};

use shared::{Bench, stopwatch};

/// 5 November 2026, 09:15 UTC: an hour after the last status.
const RECORD_TIME: Timestamp = Timestamp(1_793_870_100_000);
/// Loops of the messages that peers read, too.
const LOOPS: usize = 100;
/// Loops of the messages whose time per loop is compared.
const GROWING: [usize; 3] = [10, 100, 1_000];

/// What a reader must report of a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    statuses: usize,
    reference_bytes: usize,
}

/// An interchange, and how often a pass reads it.
struct Case {
    syntax: &'static str,
    text: String,
    times: usize,
    expected: Seen,
}

fn main() {
    let mut bench = Bench::from_args(30, 3);
    // So many loops in each pass, whatever the length of the messages.
    let loops_a_pass = if bench.is_measured() { 16_000 } else { 1_000 };
    let turns = if bench.is_measured() { 101 } else { 1 };
    let case = |syntax, loops| Case::new(syntax, loops, loops_a_pass / loops);

    let mut scans = ours();
    let x12 = case("x12", LOOPS);
    let readers: &mut [(&str, Reader<'_>)] = &mut [
        ("segments", &mut with_segments_of_x12),
        ("scans", &mut scans),
        #[cfg(feature = "with-edi")]
        ("edi", &mut with_edi),
    ];
    measure(&mut bench, &x12, readers);
    in_turn(&bench, &x12, turns, readers);

    let iftsta = case("iftsta", LOOPS);
    let readers: &mut [(&str, Reader<'_>)] = &mut [
        ("segments", &mut with_segments_of_edifact),
        ("scans", &mut scans),
        ("edifact_parser", &mut with_edifact_parser),
        ("edifact_rs", &mut with_edifact_rs),
    ];
    measure(&mut bench, &iftsta, readers);
    in_turn(&bench, &iftsta, turns, readers);

    for syntax in ["x12", "iftsta"] {
        let grown = GROWING.map(|loops| case(syntax, loops));
        let mut took = GROWING.map(|_| Vec::with_capacity(turns));
        for _ in 0..turns {
            for (case, took) in grown.iter().zip(&mut took) {
                took.push(case.pass(&mut scans));
            }
        }
        let each = took.map(|mut passes| nanos_a_status(&grown[0], &mut passes));
        if bench.is_measured() {
            print(&format!(
                "{syntax}: ns a status in messages of {GROWING:?} loops: {:.0}, {:.0}, {:.0}; the longest to the shortest {:.2} x",
                each[0],
                each[1],
                each[2],
                each[2] / each[0],
            ));
        }
    }
    bench.finish();
}

/// Reads the text and adds what it saw.
type Reader<'a> = &'a mut dyn FnMut(&str, &mut Seen);

impl Case {
    fn new(syntax: &'static str, loops: usize, times: usize) -> Case {
        let text = match syntax {
            "x12" => x12(loops),
            _ => iftsta(loops),
        };
        let expected = Seen { statuses: loops * times, reference_bytes: loops * times * number(0).len() };
        Case { syntax, text, times, expected }
    }

    /// Reads it as often as it says; what was seen is asserted while the clock runs.
    fn pass(&self, read: Reader<'_>) -> Duration {
        let ((), took) = stopwatch(|| {
            let mut seen = Seen::default();
            for _ in 0..self.times {
                read(black_box(&self.text), &mut seen);
            }
            assert_eq!(seen, self.expected, "{}", self.syntax);
        });
        took
    }
}

fn measure(bench: &mut Bench, case: &Case, readers: &mut [(&str, Reader<'_>)]) {
    for (name, read) in readers {
        let elements = case.expected.statuses as u64;
        let bytes = (case.text.len() * case.times) as u64;
        let throughput = Throughput::ElementsAndBytes { elements, bytes };
        bench.case(&format!("edi/{}", case.syntax), name, throughput, || case.pass(read));
    }
}

/// Prints the median of each reader, and its ratio to the first one's.
fn in_turn(bench: &Bench, case: &Case, turns: usize, readers: &mut [(&str, Reader<'_>)]) {
    let mut took: Vec<Vec<Duration>> = readers.iter().map(|_| Vec::with_capacity(turns)).collect();
    for _ in 0..turns {
        for ((_, read), took) in readers.iter_mut().zip(&mut took) {
            took.push(case.pass(read));
        }
    }
    if !bench.is_measured() {
        return;
    }
    let each: Vec<f64> = took.iter_mut().map(|passes| nanos_a_status(case, passes)).collect();
    for ((name, _), nanos) in readers.iter().zip(&each) {
        print(&format!("{}: {name} {nanos:.0} ns a status: {:.1} x", case.syntax, nanos / each[0]));
    }
}

fn nanos_a_status(case: &Case, passes: &mut [Duration]) -> f64 {
    passes.sort_unstable();
    passes[passes.len() / 2].as_secs_f64() * 1e9 / case.expected.statuses as f64
}

#[expect(clippy::print_stdout, reason = "a bench prints figures")]
fn print(line: &str) {
    println!("{line}");
}

/// A PRO number of Estes.
fn number(at: usize) -> String {
    format!("{:010}", 1_000_000_000 + at)
}

const PLACES: [(&str, &str); 4] =
    [("WICHITA", "KS"), ("CHATTANOOGA", "TN"), ("EL PASO", "TX"), ("PHOENIX", "AZ")];

/// An interchange with one set 214 of so many loops: a number of its own, a status and a place in each.
fn x12(loops: usize) -> String {
    let mut text = String::from(
        "ISA*00*          *00*          *02*EXLA           *ZZ*DOCKSIDE       *261105*0915*U*00401*000000041*0*P*>~\
         GS*QM*EXLA*DOCKSIDE*20261105*0915*7*X*004010~ST*214*0001~B10**BOL778899*EXLA~",
    );
    for at in 0..loops {
        let (city, state) = PLACES[at % PLACES.len()];
        let (hour, minute) = (at / 60 % 8, at % 60);
        write!(
            text,
            "LX*{}~AT7*X4*NS***20261105*{hour:02}{minute:02}*UT~MS1*{city}*{state}*US~L11*{}*CN~",
            at + 1,
            number(at),
        )
        .expect("text");
    }
    let segments = 2 + 4 * loops + 1;
    write!(text, "SE*{segments}*0001~GE*1*7~IEA*1*000000041~").expect("text");
    text
}

/// An interchange with one IFTSTA of so many consignments: a number of its own, a status, a time and a place in each.
fn iftsta(loops: usize) -> String {
    let mut text = String::from(
        "UNB+UNOC:3+EXLA:ZZ+DOCKSIDE:ZZ+261105:0915+REF41'UNH+1+IFTSTA:D:00B:UN'BGM+77+DOC1+9'\
         DTM+137:202611050910:203'NAD+CA+EXLA:172:20'",
    );
    for at in 0..loops {
        let (hour, minute) = (at / 60 % 8, at % 60);
        let (city, _) = PLACES[at % PLACES.len()];
        write!(
            text,
            "CNI+{}+{}'STS+1+21'DTM+334:20261105{hour:02}{minute:02}00UTC:304'LOC+14+ICT2:::{city}'",
            at + 1,
            number(at),
        )
        .expect("text");
    }
    let segments = 4 + 4 * loops + 1;
    write!(text, "UNT+{segments}+1'UNZ+1+REF41'").expect("text");
    text
}

/// The whole of decoding, as the scan station calls it.
fn ours() -> impl FnMut(&str, &mut Seen) {
    let rules = Rules::embedded();
    let mut decoder = Decoder::new();
    move |text, seen| {
        let context = Context { catalogue: &rules.catalogue, fcs: &rules.fcs, settings: &rules.settings };
        decoder.decode(&context, RECORD_TIME, None, text.as_bytes(), &mut |part| match part {
            Part::Scan { scan, raw, .. } => {
                black_box(&scan);
                seen.statuses += 1;
                seen.reference_bytes += raw.tracking_id.as_deref().map_or(0, str::len);
            }
            Part::Rejected { rejection, .. } => panic!("a good status was refused: {rejection:?}"),
            Part::Warned { detail, .. } => panic!("a good message was warned of: {detail}"),
        });
    }
}

fn with_segments_of_x12(text: &str, seen: &mut Seen) {
    let mut segments = segments(text.as_bytes()).expect("a good interchange");
    while let Some(segment) = segments.advance() {
        let elements: [&[u8]; 10] = segment.elements();
        match elements[0] {
            b"AT7" => seen.statuses += 1,
            b"L11" => seen.reference_bytes += elements[1].len(),
            _ => {}
        }
        black_box(&elements);
    }
}

fn with_segments_of_edifact(text: &str, seen: &mut Seen) {
    let mut segments = segments(text.as_bytes()).expect("a good interchange");
    while let Some(segment) = segments.advance() {
        let elements: [&[u8]; 10] = segment.elements();
        for element in elements.into_iter().skip(1).filter(|element| !element.is_empty()) {
            let components: [&[u8]; 4] = segment.components(element);
            black_box(&components);
        }
        match elements[0] {
            b"STS" => seen.statuses += 1,
            b"CNI" => seen.reference_bytes += segment.components::<1>(elements[2])[0].len(),
            _ => {}
        }
    }
}

#[cfg(feature = "with-edi")]
fn with_edi(text: &str, seen: &mut Seen) {
    let document = edi::parse(text).expect("a good interchange");
    let groups = document.interchanges.iter().flat_map(|interchange| &interchange.functional_groups);
    for segment in groups.flat_map(|group| &group.transactions).flat_map(|set| &set.segments) {
        match &*segment.segment_abbreviation {
            "AT7" => seen.statuses += 1,
            "L11" => seen.reference_bytes += segment.elements[0].len(),
            _ => {}
        }
    }
    black_box(&document);
}

fn with_edifact_parser(text: &str, seen: &mut Seen) {
    struct Sees<'a>(&'a mut Seen);
    impl EdifactHandler for Sees<'_> {
        fn on_segment(&mut self, segment: &RawSegment<'_>) -> Control {
            match segment.id {
                "STS" => self.0.statuses += 1,
                "CNI" => self.0.reference_bytes += segment.elements[1][0].len(),
                _ => {}
            }
            black_box(segment);
            Control::Continue
        }
    }
    edifact_parser::EdifactStreamParser::parse(text.as_bytes(), &mut Sees(seen)).expect("a good interchange");
}

fn with_edifact_rs(text: &str, seen: &mut Seen) {
    for segment in edifact_rs::from_bytes(text.as_bytes()) {
        let segment = segment.expect("a good interchange");
        match segment.tag() {
            "STS" => seen.statuses += 1,
            "CNI" => seen.reference_bytes += segment.element_str(1).map_or(0, str::len),
            _ => {}
        }
        black_box(&segment);
    }
}
