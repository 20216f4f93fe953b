//! Decoding scans: ours against general JSON parsers, for one object, an array of 64, and lines.
//!
//! Ours returns resolved scans: known fields checked, repeated keys refused, the number canonical, the code mapped, the times
//! read, the identity hashed. The peers only parse. All of them report how many scans they saw and how long their tracking
//! IDs are together; the sums are asserted in the measured part.

mod parsers;
mod shared;

use std::hint::black_box;
use std::time::Duration;

use criterion::Throughput;
use dockside::decode::{Context, Decoder, Part};
use dockside::model::Timestamp;
use dockside::stations::Rules;
use dockside::workload::{WorldConfig, readable_scans};
use serde::Deserialize;
use serde_json::Value;

use parsers::{READABLE, Seen, Simd, see_borrowed};
use shared::{Bench, stopwatch};

/// What is measured.
struct Settings {
    seed: u64,
    /// The world that the scans are drawn from, evenly over all its days.
    world_scans: u64,
    /// How many scans one pass reads; a multiple of `batch`.
    scans: usize,
    /// Scans in an array, and lines in NDJSON.
    batch: usize,
}

const FULL: Settings = Settings { seed: 1, world_scans: 200_000, scans: 8_192, batch: 64 };
const SMALL: Settings = Settings { seed: 1, world_scans: 3_000, scans: 512, batch: 64 };

fn main() {
    let mut bench = Bench::from_args(30, 3);
    let settings = if bench.is_measured() { FULL } else { SMALL };
    let objects = objects(&settings);
    let batched = |join: fn(&[Message]) -> Message| objects.chunks(settings.batch).map(join).collect();
    for (shape, content_type, messages) in [
        ("object", None, objects.clone()),
        ("array", None, batched(array)),
        ("ndjson", Some(&b"application/x-ndjson"[..]), batched(lines)),
    ] {
        let feed = Feed { shape, content_type, expected: expected(&objects), messages };
        measure(&mut bench, &feed);
    }
    bench.finish();
}

#[derive(Clone)]
struct Message {
    record_time: Timestamp,
    bytes: Vec<u8>,
}

struct Feed {
    shape: &'static str,
    content_type: Option<&'static [u8]>,
    messages: Vec<Message>,
    expected: Seen,
}

/// Readable scans of a world, one per message.
fn objects(settings: &Settings) -> Vec<Message> {
    let world = WorldConfig::new(settings.seed, settings.world_scans);
    let scans = readable_scans(world, settings.scans).into_iter();
    scans.map(|(record_time, bytes)| Message { record_time, bytes }).collect()
}

fn joined(objects: &[Message], between: &[u8]) -> Message {
    let record_time = objects.iter().map(|object| object.record_time).max().expect("a batch holds something");
    let texts: Vec<&[u8]> = objects.iter().map(|object| object.bytes.as_slice()).collect();
    Message { record_time, bytes: texts.join(between) }
}

fn array(objects: &[Message]) -> Message {
    let mut message = joined(objects, b",");
    message.bytes.insert(0, b'[');
    message.bytes.push(b']');
    message
}

fn lines(objects: &[Message]) -> Message {
    joined(objects, b"\n")
}

fn expected(objects: &[Message]) -> Seen {
    let mut seen = Seen::default();
    for object in objects {
        let value: Value = serde_json::from_slice(&object.bytes).expect("a readable scan is JSON");
        seen.scan(value["tracking_id"].as_str().expect("the world writes numbers as strings"));
    }
    seen
}

fn measure(bench: &mut Bench, feed: &Feed) {
    let bytes = feed.messages.iter().map(|message| message.bytes.len() as u64).sum();
    let throughput = || Throughput::ElementsAndBytes { elements: feed.expected.scans as u64, bytes };
    let group = format!("decode/{}", feed.shape);

    let rules = Rules::embedded();
    let context = Context { catalogue: &rules.catalogue, fcs: &rules.fcs, settings: &rules.settings };
    let mut decoder = Decoder::new();
    bench.case(&group, "dockside", throughput(), || {
        pass(feed, |message, seen| {
            decoder.decode(&context, message.record_time, feed.content_type, &message.bytes, &mut |part| {
                match part {
                    Part::Scan { scan, raw, .. } => {
                        black_box(&scan);
                        seen.scan(raw.tracking_id.as_deref().expect("a scan has a number"));
                    }
                    Part::Rejected { rejection, .. } => panic!("a readable scan was refused: {rejection:?}"),
                    Part::Warned { detail, .. } => panic!("JSON is not warned of: {detail}"),
                }
            });
        })
    });
    bench.case(&group, "serde_json_borrowed", throughput(), || {
        pass(feed, |message, seen| with_serde_json(feed.shape, &message.bytes, seen, see_borrowed))
    });
    bench.case(&group, "serde_json_value", throughput(), || {
        pass(feed, |message, seen| with_serde_json(feed.shape, &message.bytes, seen, see_value))
    });
    let mut simd = Simd::default();
    bench.case(&group, "simd_json_borrowed", throughput(), || {
        pass(feed, |message, seen| simd.read(feed.shape, &message.bytes, seen))
    });
}

/// One pass over the feed; what was seen is asserted while the clock runs.
fn pass(feed: &Feed, mut read: impl FnMut(&Message, &mut Seen)) -> Duration {
    let ((), took) = stopwatch(|| {
        let mut seen = Seen::default();
        for message in &feed.messages {
            read(message, &mut seen);
        }
        assert_eq!(seen, feed.expected, "{}", feed.shape);
    });
    took
}

fn see_value(scan: &Value, seen: &mut Seen) {
    black_box(scan);
    seen.scan(scan["tracking_id"].as_str().expect("a scan has a number"));
}

fn with_serde_json<'a, T: Deserialize<'a>>(
    shape: &str,
    bytes: &'a [u8],
    seen: &mut Seen,
    see: fn(&T, &mut Seen),
) {
    match shape {
        "object" => see(&serde_json::from_slice(bytes).expect(READABLE), seen),
        "array" => {
            let scans: Vec<T> = serde_json::from_slice(bytes).expect(READABLE);
            scans.iter().for_each(|scan| see(scan, seen));
        }
        _ => {
            let scans = serde_json::Deserializer::from_slice(bytes).into_iter::<T>();
            scans.for_each(|scan| see(&scan.expect(READABLE), seen));
        }
    }
}
