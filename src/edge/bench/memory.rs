//! B4: memory per registered box, in the scan station and in the shipment station.
//!
//! Enters: made-up shipments of [`BOXES_EACH`] boxes. Leaves: bytes of resident memory for each box. Always true: each station
//! is filled alone, with what the other would have told it, and is kept until both were measured, so that nothing that was
//! freed hides what grows. Where the memory does not hold the boxes of the budget, as many are measured as fit.

use serde_json::json;

use super::measure::{available_bytes, figure, machine};
use super::tables::{key, number, text};
use super::{Bar, Budget, Line, Options};
use crate::decode::{Context, Decoder, Part};
use crate::edge::process::resident_bytes;
use crate::model::{
    DAY_MS, FcId, Lane, NumberKey, Partition, SECOND_MS, Scan, ShipmentId, Source, Timestamp,
};
use crate::stations::{
    ClockSource, Documents, Hop, HopWriter, InputRecord, RecordSink, Registration, Rules, Stations, UnitNo,
};

const SCAN_STATION: Bar = Bar::at_most(Budget::B4, "scan station", 96.0, "B");
const SHIPMENT_STATION: Bar = Bar::at_most(Budget::B4, "shipment station", 160.0, "B");

/// Boxes of a shipment.
pub(super) const BOXES_EACH: u64 = 25;
/// So many boxes between two commits.
const STEP_BOXES: u64 = 100_000;
/// How much of the available memory is used at most, in percent.
const SHARE: u64 = 70;

pub(super) const CREATED_AT: Timestamp = Timestamp(1_793_577_600_000);
/// When the scan of each box is read.
const SCANNED_AT: Timestamp = CREATED_AT.plus_ms(SECOND_MS);

pub(super) fn lines(options: &Options) -> Vec<Line> {
    let rules = Rules::embedded();
    let sizes = &options.sizes;
    let shipments = Filled::with(sizes.boxes, &mut Shipments::new(&rules));
    let numbers =
        Filled::with(sizes.numbers, &mut Numbers::new(&rules, vec![vec![any_scan(&rules)]], SCANNED_AT));
    vec![line(SCAN_STATION, &numbers, 100_000_000), line(SHIPMENT_STATION, &shipments, 25_000_000)]
}

/// A station that was filled, and how the memory grew.
struct Filled {
    _kept: Stations,
    boxes: u64,
    bytes: Option<u64>,
    what: &'static str,
}

impl Filled {
    fn with(wanted: u64, filling: &mut impl Filling) -> Filled {
        let mut stations = Stations::new(Partition(0), 1, ClockSource::Input, 0x0dd5);
        let before = resident_bytes();
        let to_be_left = available_bytes().map(|available| available / 100 * (100 - SHARE));
        let mut boxes = 0;
        // Looked at again and again: what the first boxes take says little about the rest.
        while boxes < wanted && available_bytes().zip(to_be_left).is_none_or(|(now, least)| now > least) {
            boxes += filling.step(&mut stations, boxes, wanted);
        }
        Filled { _kept: stations, boxes, bytes: grown(before), what: filling.what() }
    }
}

fn grown(before: Option<u64>) -> Option<u64> {
    Some(resident_bytes()?.saturating_sub(before?))
}

fn line(bar: Bar, filled: &Filled, full: u64) -> Line {
    let mut detail = json!({
        "boxes": filled.boxes,
        "boxes_per_shipment": BOXES_EACH,
        "what": filled.what,
        "counted_as": "growth of the resident memory",
        "machine": machine(),
    });
    if filled.boxes < full {
        detail["smaller_than_the_budget"] = json!({ "boxes": full });
    }
    match filled.bytes {
        Some(bytes) => bar.measured(figure(bytes) / figure(filled.boxes), detail),
        None => bar.missing_with("a system that tells the resident memory (/proc)", detail),
    }
}

/// Fills a station.
pub(super) trait Filling {
    /// Adds the next boxes of those that are wanted, and commits them; how many.
    fn step(&mut self, stations: &mut Stations, first: u64, wanted: u64) -> u64 {
        let step = STEP_BOXES.min(wanted - first);
        self.fill(stations, first, step);
        stations.seal();
        stations.commit();
        step
    }
    /// Adds `count` boxes, from number `first` on.
    fn fill(&mut self, stations: &mut Stations, first: u64, count: u64);
    /// What a box has.
    fn what(&self) -> &'static str;
}

pub(super) fn shipment_id(box_number: u64) -> String {
    format!("FBA{:09}", box_number / BOXES_EACH)
}

/// The registration of the `n`th number.
pub(super) fn registration(n: u64) -> Registration {
    Registration {
        shipment: ShipmentId::parse(&shipment_id(n)).expect("an ID"),
        unit: UnitNo(u32::try_from(n % BOXES_EACH).expect("few boxes")),
        from: CREATED_AT,
        to: None,
        fc: FcId::parse("ICT2").expect("an ID"),
        entered_at: CREATED_AT,
        generation: 1,
        retired: false,
        cancelled: false,
    }
}

/// The scan station: each number registered, and scanned.
pub(super) struct Numbers<'a> {
    rules: &'a Rules,
    /// What is known of the `n`th number is the `n`th of these, modulo.
    known: Vec<Vec<Scan>>,
    /// When that was read.
    record_time: Timestamp,
    hops: HopWriter,
}

impl Numbers<'_> {
    pub(super) fn new(rules: &Rules, known: Vec<Vec<Scan>>, record_time: Timestamp) -> Numbers<'_> {
        Numbers { rules, known, record_time, hops: HopWriter::new(1) }
    }
}

impl Filling for Numbers<'_> {
    fn fill(&mut self, stations: &mut Stations, first: u64, count: u64) {
        let mut told = HopWriter::new(1);
        for n in first..first + count {
            let key: NumberKey = key(&number(n));
            let registration = registration(n);
            let source = Source { lane: Lane::Scans, partition: Partition(0), offset: n };
            let record_time = self.record_time;
            told.send(b"", &Hop::Register { key: key.clone(), registration });
            let known = usize::try_from(n).expect("64-bit") % self.known.len();
            for scan in &self.known[known] {
                let scan = Scan { key: key.clone(), ..scan.clone() };
                told.send(b"", &Hop::Scan { scan, record_time, source });
            }
        }
        let Numbers { rules, hops, .. } = self;
        told.drain(|_, bytes| {
            stations.hops(rules, bytes, hops);
            stations.settle(rules, hops);
            hops.clear();
        });
        let registered = stations.gauges().numbers;
        assert_eq!(registered, first + count, "every number is in the index");
    }

    fn what(&self) -> &'static str {
        "a number with its registration and the progress of one scan"
    }
}

/// Some scan of a parcel under way.
fn any_scan(rules: &Rules) -> Scan {
    let bytes = json!({"carrier": "UPS", "tracking_id": "1Z5R89390357567127", "code": "I",
        "event_time": CREATED_AT.to_string()});
    decoded(rules, SCANNED_AT, bytes.to_string().as_bytes())
}

/// The scan in a message that has one.
pub(super) fn decoded(rules: &Rules, record_time: Timestamp, message: &[u8]) -> Scan {
    let context = Context { catalogue: &rules.catalogue, fcs: &rules.fcs, settings: &rules.settings };
    let mut decoded = None;
    Decoder::new().decode(&context, record_time, None, message, &mut |part| {
        if let Part::Scan { scan, .. } = part {
            decoded = Some(scan);
        }
    });
    decoded.expect("a scan as the messages describe it")
}

/// The shipment station: shipments that are ready to ship, with the numbers of all boxes entered.
struct Shipments<'a> {
    rules: &'a Rules,
    hops: HopWriter,
    offset: u64,
}

impl Shipments<'_> {
    fn new(rules: &Rules) -> Shipments<'_> {
        Shipments { rules, hops: HopWriter::new(1), offset: 0 }
    }

    fn command(&mut self, stations: &mut Stations, bytes: &[u8]) {
        let record = InputRecord {
            offset: self.offset,
            timestamp: CREATED_AT,
            key: None,
            value: Some(bytes),
            content_type: None,
            feed: None,
        };
        self.offset += 1;
        let sink: &mut RecordSink<'_> = &mut |_, _, _, _| {};
        stations.commands(self.rules, &record, &mut self.hops, &mut Documents { sink });
    }
}

impl Filling for Shipments<'_> {
    fn fill(&mut self, stations: &mut Stations, first: u64, count: u64) {
        let last = first + count;
        for begin in (first..last).step_by(usize::try_from(BOXES_EACH).expect("64-bit")) {
            for command in commands(begin..last.min(begin + BOXES_EACH), CREATED_AT) {
                self.command(stations, command.as_bytes());
            }
        }
        stations.settle(self.rules, &mut self.hops);
        self.hops.clear();
        let sink: &mut RecordSink<'_> = &mut |_, _, _, _| {};
        stations.publish(self.rules, &mut Documents { sink });
        assert_eq!(stations.gauges().boxes, last, "every box is there");
        assert_eq!(stations.counters().commands_rejected, 0, "no command was rejected");
    }

    fn what(&self) -> &'static str {
        "a box of a shipment that is ready to ship, its number entered"
    }
}

/// What enters a shipment with these boxes at that time, and their numbers.
pub(super) fn commands(boxes: std::ops::Range<u64>, at: Timestamp) -> [String; 3] {
    let id = shipment_id(boxes.start);
    let window =
        json!({"start": at.plus_ms(3 * DAY_MS).to_string(), "end": at.plus_ms(6 * DAY_MS).to_string()});
    let listed: Vec<_> =
        boxes.clone().map(|n| json!({"box_id": box_id(n), "units": 24, "weight_g": 9000})).collect();
    let items: Vec<_> = boxes.map(|n| json!({"box_id": box_id(n), "tracking_id": tracking_id(n)})).collect();
    [
        json!({"command_id": "c1", "type": "create_shipment", "shipment_id": id, "account": "A1", "fc": "ICT2",
            "mode": "SPD", "carrier": "UPS", "boxes": listed, "delivery_window": window}),
        json!({"command_id": "c2", "type": "set_tracking", "shipment_id": id, "items": items}),
        json!({"command_id": "c3", "type": "confirm_ready", "shipment_id": id}),
    ]
    .map(|command| command.to_string())
}

fn box_id(n: u64) -> String {
    format!("{}U{:06}", shipment_id(n), n % BOXES_EACH + 1)
}

/// The number of a box, with its check digit.
pub(super) fn tracking_id(n: u64) -> String {
    let mut number = number(n);
    number[17] = check_digit(&number[2..17]);
    text(&number).to_owned()
}

/// UPS: letters count 2, 3, … from A on, every second character twice; what is missing to the next ten.
fn check_digit(digits: &[u8]) -> u8 {
    let sum: u64 = digits
        .iter()
        .zip([1, 2].iter().cycle())
        .map(|(c, weight)| {
            let value = if c.is_ascii_digit() { c - b'0' } else { (c - b'A' + 2) % 10 };
            u64::from(value) * weight
        })
        .sum();
    b'0' + u8::try_from((10 - sum % 10) % 10).expect("a digit")
}
