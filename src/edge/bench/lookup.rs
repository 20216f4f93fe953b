//! B2 and B3: lookups in batches, against DashMap, and against what the memory allows.
//!
//! Enters: tables with the same numbers, and queries that all hit, in random order. Leaves: ratios. Always true: every batch
//! must come to what it should; DashMap has the capacity that it needs from the start, and its own default hasher.
//!
//! What the memory allows is measured as one read of each of many random lines of 64 bytes, as many as the index has
//! entries. The reads do not depend on each other, so the processor has as many of them under way as it can: that is what
//! prefetching gets. Both ask for large pages in the same way.

use std::hint::black_box;

use dashmap::DashMap;
use serde_json::{Value, json};

use super::measure::{Duel, figure, machine, median, ns_each, per_second, timed, without_room};
use super::plot::Plot;
use super::tables::{Ours, Queries, Table, filled, mix};
use super::{Bar, Budget, Line, Options};
use crate::index::memory::prefer_large_pages;

const AGAINST_U128: Bar = Bar::at_least(Budget::B2, "against DashMap<u128, u64>", 2.5, "x");
const AGAINST_STRING: Bar = Bar::at_least(Budget::B2, "against DashMap<String, u64>", 9.0, "x");
const AGAINST_MEMORY: Bar = Bar::at_least(Budget::B3, "of the rate of random lines", 40.0, "%");

/// Keys that are asked for at once.
const BATCH: usize = 1_024;

/// Bytes for each entry that the tables take, about, the peers with room to grow.
const OURS_BYTES: u64 = 100;
const U128_BYTES: u64 = 70;
const STRING_BYTES: u64 = 110;
const LINE_BYTES: u64 = 64;

fn queries(options: &Options, entries: u64) -> Queries {
    let whole = options.sizes.queries.next_multiple_of(BATCH as u64);
    Queries::new(options.seed, whole, BATCH, entries, 0)
}

/// All queries once; the seconds that they took.
fn ask<T: Table>(table: &mut T, queries: &Queries) -> f64 {
    let ((), took) = timed(|| {
        for (number, expected) in queries.expected.iter().enumerate() {
            let found = black_box(table.ask(queries, number * BATCH..(number + 1) * BATCH));
            assert_eq!(found, *expected, "{} batch {number}", T::NAME);
        }
    });
    took
}

fn detail(options: &Options, entries: u64, full: u64, duel: &Duel, theirs: &str) -> Value {
    let asked = options.sizes.queries.next_multiple_of(BATCH as u64);
    let mut detail = json!({
        "dockside_ns_per_lookup": ns_each(duel.ours(), asked),
        "entries": entries,
        "queries": asked,
        "batch": BATCH,
        "rounds": options.sizes.rounds,
        "machine": machine(),
    });
    detail[theirs] = json!(ns_each(duel.theirs(), asked));
    if entries < full {
        detail["smaller_than_the_budget"] = json!({ "entries": full });
    }
    detail
}

pub(super) fn against_dashmap(options: &Options, plots: &mut Vec<Plot>) -> Vec<Line> {
    let entries = options.sizes.entries;
    if let Some(missing) = without_room(entries * (OURS_BYTES + U128_BYTES.max(STRING_BYTES))) {
        return vec![AGAINST_U128.missing(missing.clone()), AGAINST_STRING.missing(missing)];
    }
    let queries = queries(options, entries);
    let mut ours: Ours = filled(entries);
    let packed = {
        let mut theirs: DashMap<u128, u64> = filled(entries);
        Duel::run(options.sizes.rounds, || ask(&mut ours, &queries), || ask(&mut theirs, &queries))
    };
    let text = {
        let mut theirs: DashMap<String, u64> = filled(entries);
        Duel::run(options.sizes.rounds, || ask(&mut ours, &queries), || ask(&mut theirs, &queries))
    };
    drop(ours);
    plots.extend(over_sizes(options));
    let detail = |duel| detail(options, entries, 50_000_000, duel, "dashmap_ns_per_lookup");
    vec![
        AGAINST_U128.measured(packed.ratio(), detail(&packed)),
        AGAINST_STRING.measured(text.ratio(), detail(&text)),
    ]
}

pub(super) fn against_memory(options: &Options) -> Vec<Line> {
    let entries = options.sizes.entries_of_lines;
    if let Some(missing) = without_room(entries * (OURS_BYTES + LINE_BYTES)) {
        return vec![AGAINST_MEMORY.missing(missing)];
    }
    let queries = queries(options, entries);
    let mut ours: Ours = filled(entries);
    let lines = Lines::new(options, entries);
    let duel = Duel::run(options.sizes.rounds, || ask(&mut ours, &queries), || lines.read());
    let detail = detail(options, entries, 100_000_000, &duel, "random_line_ns");
    vec![AGAINST_MEMORY.measured(duel.ratio() * 100.0, detail)]
}

/// Lines of memory, and the random order in which they are read.
struct Lines {
    lines: Vec<[u64; 8]>,
    order: Vec<u32>,
    sum: u64,
}

impl Lines {
    fn new(options: &Options, count: u64) -> Lines {
        let mut lines: Vec<[u64; 8]> = Vec::with_capacity(usize::try_from(count).expect("64-bit"));
        prefer_large_pages(lines.spare_capacity_mut());
        lines.extend((0..count).map(|n| [n; 8]));
        let asked = options.sizes.queries.next_multiple_of(BATCH as u64);
        let order = (0..asked).map(|at| mix(options.seed ^ mix(at)) % count);
        let order: Vec<u32> = order.map(|n| u32::try_from(n).expect("fewer than 2^32 lines")).collect();
        let sum = order.iter().fold(0, |sum: u64, n| sum.wrapping_add(u64::from(*n)));
        Lines { lines, order, sum }
    }

    /// One read of each; the seconds that it took.
    fn read(&self) -> f64 {
        let (sum, took) =
            timed(|| self.order.iter().fold(0, |sum: u64, n| sum.wrapping_add(self.lines[*n as usize][0])));
        assert_eq!(black_box(sum), self.sum, "every line was read");
        took
    }
}

/// Lookups a second by the number of entries.
fn over_sizes(options: &Options) -> Option<Plot> {
    let mut points = Vec::new();
    for &entries in options.sizes.index_plot {
        if without_room(entries * OURS_BYTES).is_some() {
            continue;
        }
        let queries = queries(options, entries);
        let mut ours: Ours = filled(entries);
        let took: Vec<f64> = (0..options.sizes.rounds).map(|_| ask(&mut ours, &queries)).collect();
        points.push((figure(entries), per_second(queries.keys.len() as u64, median(&took))));
    }
    (points.len() > 1).then(|| {
        Plot::lines("index-size", "Lookups by the size of the index", "entries", "lookups/s")
            .with("dockside, batches of 1,024", points)
    })
}
