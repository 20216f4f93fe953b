//! Decoding scans: ours against general JSON parsers, for one object, an array of 64, and lines.
//!
//! `dockside` returns resolved scans: known fields checked, repeated keys refused, the number canonical, the code mapped, the
//! times read, the identity hashed. `dockside_general` is the same without the learned reader. `shape_borrowed` is what the
//! peers do: the fields as they were written, borrowed (`Decoder::read_raw`). All of them report how many scans they saw and how
//! long their tracking IDs are together; the sums are asserted in the measured part. At the end, budget B1: `shape_borrowed`
//! and simd-json in turn, pass by pass, and the ratio of their medians.

mod parsers;
mod shared;

use std::hint::black_box;
use std::time::Duration;

use criterion::Throughput;
use dockside::decode::{Context, Decoder, LearnedCounts, Part};
use dockside::model::Timestamp;
use dockside::stations::Rules;
use dockside::workload::{WorldConfig, readable_scans};
use serde::Deserialize;
use serde_json::Value;

use parsers::{Borrowed, READABLE, Seen, Simd, see_borrowed};
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
    /// Passes of each reader from which B1's ratio is taken.
    turns: usize,
}

const FULL: Settings = Settings { seed: 1, world_scans: 200_000, scans: 8_192, batch: 64, turns: 101 };
const SMALL: Settings = Settings { seed: 1, world_scans: 3_000, scans: 512, batch: 64, turns: 1 };

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
        let (ours, theirs) = in_turn(&feed, settings.turns);
        if bench.is_measured() {
            print_ratio(&feed, ours, theirs);
        }
    }
    bench.finish();
}

/// B1: the median pass of `shape_borrowed` and of simd-json, taken in turn.
fn in_turn(feed: &Feed, turns: usize) -> (Duration, Duration) {
    let mut decoder = Decoder::new();
    let mut simd = Simd::default();
    let passes = (0..turns).map(|_| {
        let ours = pass(feed, |message, seen| with_shape(&mut decoder, feed, message, seen));
        (ours, pass(feed, |message, seen| simd.read(feed.shape, &message.bytes, seen)))
    });
    let (mut ours, mut theirs): (Vec<_>, Vec<_>) = passes.unzip();
    let LearnedCounts { hits, misses, .. } = decoder.learned_counts();
    assert!(turns == 1 || misses * 50 < hits, "a calm feed is learned: {hits} hits, {misses} misses");
    (median(&mut ours), median(&mut theirs))
}

fn median(passes: &mut [Duration]) -> Duration {
    passes.sort_unstable();
    passes[passes.len() / 2]
}

#[expect(clippy::print_stdout, reason = "a bench prints figures")]
fn print_ratio(feed: &Feed, ours: Duration, theirs: Duration) {
    let each = |pass: Duration| pass.as_secs_f64() * 1e9 / feed.expected.scans as f64;
    println!(
        "B1 {}: shape_borrowed {:.0} ns, simd_json_borrowed {:.0} ns a scan: {:.1} x",
        feed.shape,
        each(ours),
        each(theirs),
        theirs.as_secs_f64() / ours.as_secs_f64(),
    );
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
    for (name, mut decoder) in [("dockside", Decoder::new()), ("dockside_general", Decoder::general())] {
        bench.case(&group, name, throughput(), || {
            pass(feed, |message, seen| {
                let Message { record_time, bytes } = message;
                decoder.decode(&context, *record_time, feed.content_type, bytes, &mut |part| match part {
                    Part::Scan { scan, raw, .. } => {
                        black_box(&scan);
                        seen.scan(raw.tracking_id.as_deref().expect("a scan has a number"));
                    }
                    Part::Rejected { rejection, .. } => panic!("a readable scan was refused: {rejection:?}"),
                    Part::Warned { detail, .. } => panic!("JSON is not warned of: {detail}"),
                });
            })
        });
    }
    let mut decoder = Decoder::new();
    bench.case(&group, "shape_borrowed", throughput(), || {
        pass(feed, |message, seen| with_shape(&mut decoder, feed, message, seen))
    });
    bench.case(&group, "sonic_rs_borrowed", throughput(), || {
        pass(feed, |message, seen| with_sonic(feed.shape, &message.bytes, seen))
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

/// The learned reader, without asking what the fields mean.
fn with_shape(decoder: &mut Decoder, feed: &Feed, message: &Message, seen: &mut Seen) {
    decoder.read_raw(feed.content_type, &message.bytes, &mut |raw| {
        let raw = black_box(raw).expect(READABLE);
        seen.scan(raw.tracking_id.as_deref().expect("a scan has a number"));
    });
}

fn with_sonic(shape: &str, bytes: &[u8], seen: &mut Seen) {
    match shape {
        "object" => see_borrowed(&sonic_rs::from_slice(bytes).expect(READABLE), seen),
        "array" => {
            let scans: Vec<Borrowed<'_>> = sonic_rs::from_slice(bytes).expect(READABLE);
            scans.iter().for_each(|scan| see_borrowed(scan, seen));
        }
        _ => bytes.split(|byte| *byte == b'\n').for_each(|line| {
            see_borrowed(&sonic_rs::from_slice(line).expect(READABLE), seen);
        }),
    }
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
