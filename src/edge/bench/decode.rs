//! B1: decoding scans, against simd-json into the same borrowed struct.
//!
//! Enters: readable scans of a real world, one object per message. Leaves: how many times as fast our reader is. Always
//! true: both fill the fields of a scan as they were written, ours by [`Decoder::read_raw`], and must see the same numbers.
//! Beside it stands the whole of [`Decoder::decode`], which returns resolved scans: repeated keys refused, number
//! canonical, code mapped, times read, identity hashed.

use std::hint::black_box;

use serde_json::json;

use super::measure::{Duel, machine, ns_each, rounded, timed};
use super::parsers::{READABLE, Seen, Simd};
use super::{Bar, Budget, Line, Options};
use crate::decode::{Context, Decoder, Part};
use crate::model::Timestamp;
use crate::stations::Rules;
use crate::workload::{WorldConfig, readable_scans};

const BAR: Bar = Bar::at_least(Budget::B1, "against simd-json", 5.0, "x");

/// One round is at least this many scans, so that it can be timed.
const ROUND_SCANS: usize = 100_000;

pub(super) fn lines(options: &Options) -> Vec<Line> {
    let wanted = options.sizes.decoded;
    let world = WorldConfig::new(options.seed, (wanted as u64 * 8).max(4_000));
    let scans = readable_scans(world, wanted);
    let passes = ROUND_SCANS.min(wanted * 12).div_ceil(wanted);
    let read = (passes * wanted) as u64;

    let rules = Rules::embedded();
    let mut decoder = Decoder::new();
    let mut simd = Simd::default();
    let mut seen_by_ours = Seen::default();
    let mut seen_by_theirs = Seen::default();
    let duel = Duel::run(
        options.sizes.rounds,
        || timed(|| (0..passes).for_each(|_| seen_by_ours = written(&mut decoder, &scans))).1,
        || timed(|| (0..passes).for_each(|_| seen_by_theirs = with_simd(&mut simd, &scans))).1,
    );
    assert_eq!(seen_by_ours, seen_by_theirs, "both read the same scans");
    let whole = Duel::run(
        options.sizes.rounds,
        || timed(|| (0..passes).for_each(|_| seen_by_ours = resolved(&rules, &mut decoder, &scans))).1,
        || timed(|| (0..passes).for_each(|_| seen_by_theirs = with_simd(&mut simd, &scans))).1,
    );
    assert_eq!(seen_by_ours, seen_by_theirs, "both read the same scans");
    let bytes: usize = scans.iter().map(|(_, bytes)| bytes.len()).sum();
    let detail = json!({
        "dockside_ns_per_scan": ns_each(duel.ours(), read),
        "simd_json_ns_per_scan": ns_each(duel.theirs(), read),
        "resolved_ns_per_scan": ns_each(whole.ours(), read),
        "resolved_ratio": rounded(whole.ratio()),
        "ours_is": "Decoder::read_raw; resolved: Decoder::decode",
        "theirs_is": "fields as &str, buffers reused",
        "scans": scans.len(),
        "bytes_per_scan": rounded(bytes as f64 / scans.len() as f64),
        "rounds": options.sizes.rounds,
        "machine": machine(),
    });
    vec![BAR.measured(duel.ratio(), detail)]
}

fn written(decoder: &mut Decoder, scans: &[(Timestamp, Vec<u8>)]) -> Seen {
    let mut seen = Seen::default();
    for (_, bytes) in scans {
        decoder.read_raw(None, bytes, &mut |raw| {
            let raw = black_box(raw).expect(READABLE);
            seen.scan(raw.tracking_id.as_deref().expect("a scan has a number"));
        });
    }
    seen
}

fn resolved(rules: &Rules, decoder: &mut Decoder, scans: &[(Timestamp, Vec<u8>)]) -> Seen {
    let context = Context { catalogue: &rules.catalogue, fcs: &rules.fcs, settings: &rules.settings };
    let mut seen = Seen::default();
    for (record_time, bytes) in scans {
        decoder.decode(&context, *record_time, None, bytes, &mut |part| match part {
            Part::Scan { scan, raw, .. } => {
                black_box(&scan);
                seen.scan(raw.tracking_id.as_deref().expect("a scan has a number"));
            }
            Part::Rejected { rejection, .. } => panic!("a readable scan was refused: {rejection:?}"),
            Part::Warned { detail, .. } => panic!("JSON is not warned of: {detail}"),
        });
    }
    seen
}

fn with_simd(simd: &mut Simd, scans: &[(Timestamp, Vec<u8>)]) -> Seen {
    let mut seen = Seen::default();
    scans.iter().for_each(|(_, bytes)| simd.read("object", bytes, &mut seen));
    seen
}
