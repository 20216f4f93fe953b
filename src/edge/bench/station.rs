//! B5: the scan station alone, on one core: a scan's bytes come in, and what its box shows goes out when that changed.
//!
//! Enters: so many registered boxes, each picked up and under way; then a hot feed of one scan per message, of which one in ten
//! changes what its box shows. Leaves: the ratio of the scans a second of both sides. Always true: both read the same bytes in
//! the same order on one thread; both tell of the same number of boxes that changed, which is the number that were made to;
//! filling the tables and making the feed are not measured.
//!
//! The other side is the obvious program for this half of the job: serde_json into a struct, a `DashMap` from number to box,
//! the first and last time of each milestone, a channel for what changed. It keeps no undo and no state to be written, judges no
//! carrier, and knows no retractions, floors or lives.

use std::sync::mpsc;

use dashmap::DashMap;
use jiff::Timestamp as Instant;
use serde::Deserialize;
use serde_json::{Value, json};

use super::measure::{Duel, machine, ns_each, per_second, rounded, timed};
use super::memory::{CREATED_AT, Filling, Numbers, decoded, registration};
use super::tables::{mix, number, text};
use super::{Bar, Budget, Line, Options, Sizes};
use crate::decode::Decoder;
use crate::model::{HOUR_MS, Partition, Timestamp};
use crate::stations::{
    ClockSource, Documents, Hop, HopWriter, InputRecord, RecordSink, Registration, Rules, Stations, read_hops,
};

const BAR: Bar = Bar::at_least(Budget::B5, "hot world, one core", 6.0, "x");

/// One scan in so many changes something.
pub(super) const CHANGES_ONE_IN: u64 = 10;
/// When everything is read.
const READ_AT: Timestamp = CREATED_AT.plus_ms(70 * HOUR_MS);
/// Records of an epoch.
const EPOCH: usize = 8_192;

/// `whole_job`: how the whole engine does against the simplest program, for the detail.
pub(super) fn lines(options: &Options, whole_job: Value) -> Vec<Line> {
    let sizes = &options.sizes;
    let rounds = sizes.rounds.min(5);
    let changes = sizes.scans / CHANGES_ONE_IN;
    let boxes = sizes.station_boxes.max(changes * rounds as u64);
    let mut ours = Ours::filled(boxes);
    let mut theirs = Obvious::filled(boxes);
    // Each round has a feed of its own: what changed once does not change again.
    let feeds: Vec<Vec<Vec<u8>>> =
        (0..rounds as u64).map(|round| feed(options.seed, round, sizes.scans, boxes)).collect();
    let (mut round_of_ours, mut round_of_theirs) = (feeds.iter(), feeds.iter());
    let duel = Duel::run(
        rounds,
        || {
            let feed = round_of_ours.next().expect("a feed per round");
            let (told, took) = timed(|| ours.read(feed));
            assert_eq!(told, changes, "boxes that changed");
            took
        },
        || {
            let feed = round_of_theirs.next().expect("a feed per round");
            let (told, took) = timed(|| theirs.read(feed));
            assert_eq!(told, changes, "boxes that changed");
            took
        },
    );
    ours.assert_complete(sizes.scans * rounds as u64);
    let mut detail = json!({
        "dockside_scans_per_s": per_second(sizes.scans, duel.ours()),
        "obvious_scans_per_s": per_second(sizes.scans, duel.theirs()),
        "dockside_ns_per_scan": ns_each(duel.ours(), sizes.scans),
        "obvious_ns_per_scan": ns_each(duel.theirs(), sizes.scans),
        "ours_is": "the scan station: decode, index, fold, undo, a packed event for each box that changed",
        "theirs_is": "serde_json into a struct, DashMap by String, a channel; no undo",
        "boxes": boxes,
        "scans": sizes.scans,
        "changes": changes,
        "bytes_per_scan": rounded(feeds[0].iter().map(Vec::len).sum::<usize>() as f64 / sizes.scans as f64),
        "rounds": rounds,
        "machine": machine(),
    });
    if boxes < Sizes::FULL.station_boxes {
        detail["smaller_than_the_budget"] = json!({ "boxes": Sizes::FULL.station_boxes });
    }
    detail["whole_job"] = whole_job;
    vec![BAR.measured(duel.ratio(), detail)]
}

/// The `n`th of so many boxes in an order that is no order; each once.
fn shuffled(n: u64, boxes: u64) -> u64 {
    // A stride without a divisor in common with any size that is asked for.
    (n % boxes).wrapping_mul(982_451_653) % boxes
}

/// One scan per message. Those that change something are each of another box, in each round of others again.
pub(super) fn feed(seed: u64, round: u64, scans: u64, boxes: u64) -> Vec<Vec<u8>> {
    let changes = scans / CHANGES_ONE_IN;
    let message = |n: u64| {
        let dice = mix(seed ^ mix(round * scans + n));
        if n.is_multiple_of(CHANGES_ONE_IN) {
            let of = shuffled(round * changes + n / CHANGES_ONE_IN, boxes);
            return scan(of, "OUT_FOR_DELIVERY", CREATED_AT.plus_ms(61 * HOUR_MS), dice);
        }
        // Between the first and the last that is known.
        let at = CREATED_AT.plus_ms(HOUR_MS + i64::try_from(dice % 3_000).expect("small") * 60_000);
        scan(dice % boxes, "IN_TRANSIT", at, dice >> 20)
    };
    (0..scans / CHANGES_ONE_IN * CHANGES_ONE_IN).map(message).collect()
}

/// So many dice make each kind of [`scan`].
const KINDS_OF_SCANS: u64 = 64;

/// A scan with the optional fields that a carrier's feed has, each more or less often.
fn scan(of: u64, milestone: &str, at: Timestamp, dice: u64) -> Vec<u8> {
    const CITIES: [(&str, &str, &str); 4] = [
        ("Wichita", "KS", "67202"),
        ("Reno", "NV", "89502"),
        ("Louisville", "KY", "40209"),
        ("Ontario", "CA", "91761"),
    ];
    let (city, state, postal_code) = CITIES[usize::try_from(dice % 4).expect("small")];
    let mut location = json!({ "city": city, "state": state, "country": "US" });
    if dice & 4 != 0 {
        location["postal_code"] = postal_code.into();
    }
    let number = number(of);
    let mut scan = json!({
        "carrier": "UPS", "tracking_id": text(&number), "milestone": milestone, "event_time": at.to_string(),
        "location": location,
    });
    if dice & 8 != 0 {
        scan["description"] = "Processed at the facility".into();
    }
    if dice & 48 == 0 {
        scan["reason"] = "NS".into();
    }
    scan.to_string().into_bytes()
}

/// What is known of each box before the feed begins: picked up, then on its way for 59 hours.
const KNOWN: [(&str, i64); 3] = [("PICKED_UP", 0), ("IN_TRANSIT", 1), ("IN_TRANSIT", 60)];

/// Our scan station.
pub(super) struct Ours {
    rules: Rules,
    stations: Stations,
    decoder: Decoder,
    hops: HopWriter,
    offset: u64,
    before: (u64, u64),
}

impl Ours {
    pub(super) fn filled(boxes: u64) -> Ours {
        let rules = Rules::embedded();
        let mut stations = Stations::new(Partition(0), 1, ClockSource::Input, 0x0dd5);
        let known_of = |of| {
            KNOWN.map(|(milestone, hour)| {
                decoded(&rules, READ_AT, &scan(of, milestone, CREATED_AT.plus_ms(hour * HOUR_MS), of))
            })
        };
        let mut filling =
            Numbers::new(&rules, (0..KINDS_OF_SCANS).map(|of| known_of(of).to_vec()).collect(), READ_AT);
        let mut filled = 0;
        while filled < boxes {
            filled += filling.step(&mut stations, filled, boxes);
        }
        let before = Ours::counted(&stations);
        Ours { rules, stations, decoder: Decoder::new(), hops: HopWriter::new(1), offset: 0, before }
    }

    /// How many boxes changed.
    pub(super) fn read(&mut self, feed: &[Vec<u8>]) -> u64 {
        let mut told = 0;
        let sink: &mut RecordSink<'_> = &mut |_, _, _, _| {};
        let mut out = Documents { sink };
        for epoch in feed.chunks(EPOCH) {
            for value in epoch {
                let record = InputRecord {
                    offset: self.offset,
                    timestamp: READ_AT,
                    key: None,
                    value: Some(value),
                    content_type: None,
                    feed: None,
                };
                self.offset += 1;
                self.stations.scans(&self.rules, &mut self.decoder, &record, &mut self.hops, &mut out);
            }
            self.stations.settle(&self.rules, &mut self.hops);
            self.stations.seal();
            self.stations.commit();
            self.hops.drain(|_, bytes| {
                read_hops(bytes, |hop| told += u64::from(matches!(hop, Hop::BoxEvent { .. })));
            });
        }
        told
    }

    /// So many scans were read since it was filled, each of a box that is there.
    pub(super) fn assert_complete(&self, scans: u64) {
        let (read, joined) = Ours::counted(&self.stations);
        assert_eq!(read - self.before.0, scans, "every scan was read");
        assert_eq!(joined - self.before.1, scans, "every number is registered");
    }

    /// Scans that were read, and that joined a number.
    fn counted(stations: &Stations) -> (u64, u64) {
        let counters = stations.counters();
        (counters.read, counters.applied + counters.duplicate)
    }
}

/// What the obvious program reads of a scan.
#[derive(Deserialize)]
#[expect(dead_code, reason = "the peer reads what is written, as we do")]
struct Scan {
    carrier: String,
    tracking_id: String,
    milestone: String,
    event_time: String,
    location: Option<Value>,
    reason: Option<String>,
    description: Option<String>,
}

/// What it knows of a box.
struct Parcel {
    shipment: String,
    number: u32,
    /// The first and last time of each milestone, by rank.
    spans: [Option<(i64, i64)>; 8],
}

/// What it tells of a box.
struct Event {
    shipment: String,
    number: u32,
    rank: usize,
    at_ms: i64,
}

const MILESTONES: [&str; 8] = [
    "LABEL_CREATED",
    "PICKED_UP",
    "IN_TRANSIT",
    "AT_DESTINATION",
    "OUT_FOR_DELIVERY",
    "ARRIVED_AT_FC",
    "PARTIALLY_DELIVERED",
    "DELIVERED",
];

struct Obvious {
    parcels: DashMap<String, Parcel>,
}

impl Obvious {
    fn filled(boxes: u64) -> Obvious {
        let obvious = Obvious { parcels: DashMap::new() };
        for of in 0..boxes {
            let Registration { shipment, unit, .. } = registration(of);
            let parcel = Parcel { shipment: shipment.as_str().to_owned(), number: unit.0, spans: [None; 8] };
            obvious.parcels.insert(text(&number(of)).to_owned(), parcel);
            for (milestone, hour) in KNOWN {
                let at_ms = CREATED_AT.plus_ms(hour * HOUR_MS).0;
                obvious.take(text(&number(of)), milestone, at_ms);
            }
        }
        obvious
    }

    /// What a scan changes: a milestone that was not there, or an earlier first time of it.
    fn take(&self, number: &str, milestone: &str, at_ms: i64) -> Option<Event> {
        let rank = MILESTONES.iter().position(|known| *known == milestone)?;
        let mut parcel = self.parcels.get_mut(number)?;
        let span = parcel.spans[rank];
        parcel.spans[rank] =
            Some(span.map_or((at_ms, at_ms), |(first, last)| (first.min(at_ms), last.max(at_ms))));
        let is_news = span.is_none_or(|(first, _)| at_ms < first);
        is_news.then(|| Event { shipment: parcel.shipment.clone(), number: parcel.number, rank, at_ms })
    }

    /// How many boxes changed.
    fn read(&mut self, feed: &[Vec<u8>]) -> u64 {
        let (sender, receiver) = mpsc::channel();
        let mut told = 0;
        for epoch in feed.chunks(EPOCH) {
            for value in epoch {
                let scan: Scan = serde_json::from_slice(value).expect("a readable scan");
                let at: Instant = scan.event_time.parse().expect("a time");
                if let Some(event) = self.take(&scan.tracking_id, &scan.milestone, at.as_millisecond()) {
                    sender.send(event).expect("a receiver");
                }
            }
            for event in receiver.try_iter() {
                std::hint::black_box((&event.shipment, event.number, event.rank, event.at_ms));
                told += 1;
            }
        }
        told
    }
}
