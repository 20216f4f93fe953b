//! The lookup path: from a tracking number to its entry, in batches of 1,024, against maps that anybody would take.
//!
//! Each table holds the same numbers with the same values and answers the same queries; how many were found and the sum of
//! their values is asserted for every batch in the measured part. Queries lie in memory in the order in which they are
//! asked, numbers and all, so that what is measured is the table. Peers are built with the capacity they need.
//!
//! The `u128` peers are given the packed number for nothing: packing a text is not measured, and they hold no text.

mod shared;
mod tables;

use std::hint::black_box;
use std::ops::Range;
use std::time::Duration;

use criterion::Throughput;
use dashmap::DashMap;
use dockside::{index, model};
use foldhash::fast::FixedState;

use shared::{Bench, stopwatch};
use tables::{Found, Ours, Queries, Table, filled, packed, text};

/// What is measured.
struct Settings {
    seed: u64,
    /// Entries in a table.
    entries: &'static [u64],
    /// Queries of a kind, asked again and again: enough that a cache does not hold what they touch.
    queries: u64,
    /// Queries asked at once.
    batch: usize,
    /// Batches in one measured round.
    round: usize,
}

const FULL: Settings =
    Settings { seed: 1, entries: &[1_000_000, 10_000_000], queries: 1 << 21, batch: 1024, round: 32 };
const SMALL: Settings = Settings { seed: 1, entries: &[20_000], queries: 1 << 13, batch: 1024, round: 8 };

fn main() {
    let mut bench = Bench::from_args(30, 3);
    let settings = if bench.is_measured() { FULL } else { SMALL };
    for &entries in settings.entries {
        let lists = [("hits", 0), ("misses", 100), ("mixed", 50)].map(|(name, missed)| {
            (name, Queries::new(settings.seed, settings.queries, settings.batch, entries, missed))
        });
        measure::<Ours>(&mut bench, &settings, entries, &lists);
        measure::<DashMap<u128, u64>>(&mut bench, &settings, entries, &lists);
        measure::<DashMap<String, u64>>(&mut bench, &settings, entries, &lists);
        measure::<Hashbrown<u128>>(&mut bench, &settings, entries, &lists);
        measure::<Hashbrown<String>>(&mut bench, &settings, entries, &lists);
    }
    bench.finish();
}

/// hashbrown with the hasher that it takes by default, seeded.
type Hashbrown<K> = hashbrown::HashMap<K, u64, FixedState>;

impl Table for Hashbrown<u128> {
    const NAME: &'static str = "hashbrown_u128";

    fn with_capacity(entries: usize) -> Self {
        Hashbrown::with_capacity_and_hasher(entries, FixedState::with_seed(0x0dd5))
    }

    fn put(&mut self, number: &[u8; 18], value: u64) {
        self.insert(packed(number), value);
    }

    fn ask(&mut self, queries: &Queries, batch: Range<usize>) -> Found {
        let mut found = Found::default();
        let values = queries.packed[batch].iter().filter_map(|key| self.get(key));
        values.for_each(|value| found.take(*value));
        found
    }
}

impl Table for Hashbrown<String> {
    const NAME: &'static str = "hashbrown_string";

    fn with_capacity(entries: usize) -> Self {
        Hashbrown::with_capacity_and_hasher(entries, FixedState::with_seed(0x0dd5))
    }

    fn put(&mut self, number: &[u8; 18], value: u64) {
        self.insert(text(number).to_owned(), value);
    }

    fn ask(&mut self, queries: &Queries, batch: Range<usize>) -> Found {
        let mut found = Found::default();
        let values = queries.keys[batch].iter().filter_map(|key| self.get(key.number.as_str()));
        values.for_each(|value| found.take(*value));
        found
    }
}

fn measure<T: Table>(
    bench: &mut Bench,
    settings: &Settings,
    entries: u64,
    lists: &[(&'static str, Queries)],
) {
    let mut table = None;
    for (name, queries) in lists {
        let batches = queries.expected.len();
        let mut next = 0;
        let asked = (settings.round * settings.batch) as u64;
        bench.case(&format!("index/{entries}/{name}"), T::NAME, Throughput::Elements(asked), || {
            // Built when the first case asks for it: one that was filtered out costs nothing.
            let table = table.get_or_insert_with(|| filled::<T>(entries));
            round(table, settings, queries, &mut next, batches)
        });
    }
}

/// One round of batches, going on where the last one stopped.
fn round<T: Table>(
    table: &mut T,
    settings: &Settings,
    queries: &Queries,
    next: &mut usize,
    batches: usize,
) -> Duration {
    let ((), took) = stopwatch(|| {
        for _ in 0..settings.round {
            let from = *next * settings.batch;
            let found = black_box(table.ask(queries, from..from + settings.batch));
            assert_eq!(found, queries.expected[*next], "{} batch {next}", T::NAME);
            *next = (*next + 1) % batches;
        }
    });
    took
}
