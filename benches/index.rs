//! The lookup path: from a tracking number to its entry, in batches of 1,024, against maps that anybody would take.
//!
//! Each table holds the same numbers with the same values and answers the same queries; how many were found and the sum of
//! their values is asserted for every batch in the measured part. Queries lie in memory in the order in which they are
//! asked, numbers and all, so that what is measured is the table. Peers are built with the capacity they need.
//!
//! The `u128` peers are given the packed number for nothing: packing a text is not measured, and they hold no text.
//!
//! After criterion's cases comes a table of ratios, for which index and peer are asked in turn, and for which there is room for
//! larger sizes: one peer stands at a time. `lines` is what the machine can do at best: memory of the index's size and pages,
//! of which one random line per query is asked for ahead and then read.

mod shared;
mod tables;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::Range;
use std::time::Duration;

use criterion::Throughput;
use dashmap::DashMap;
use dockside::index::memory::{prefer_large_pages, prefetch};
use dockside::{index, model};
use foldhash::fast::FixedState;

use shared::{Bench, stopwatch};
use tables::{Found, Ours, Queries, Table, filled, mix, number, packed, text, value_of};

/// What is measured.
struct Settings {
    seed: u64,
    /// Entries in a table: of criterion's cases, and of the ratios unless [`ENTRIES_VARIABLE`] says otherwise.
    entries: &'static [u64],
    /// Beyond so many entries a ratio is taken with DashMap only, and beyond so many with none.
    peers: [u64; 2],
    /// Batches of which a ratio takes the median, in turn: so short that another program on the machine disturbs few.
    turns: usize,
    /// Queries of a kind, asked again and again: enough that a cache does not hold what they touch.
    queries: u64,
    /// Queries asked at once.
    batch: usize,
    /// Batches in one measured round.
    round: usize,
}

const FULL: Settings = Settings {
    seed: 1,
    entries: &[1_000_000, 10_000_000],
    peers: [10_000_000, 50_000_000],
    turns: 1001,
    queries: 1 << 21,
    batch: 1024,
    round: 32,
};
const SMALL: Settings = Settings { entries: &[20_000], turns: 1, queries: 1 << 13, round: 8, ..FULL };

/// Entries for the table of ratios, separated by commas.
const ENTRIES_VARIABLE: &str = "INDEX_ENTRIES";

#[expect(clippy::print_stdout, reason = "a bench reports to whoever ran it")]
fn main() {
    let mut bench = Bench::from_args(30, 3);
    let settings = if bench.is_measured() { FULL } else { SMALL };
    for &entries in settings.entries {
        let lists = lists(&settings, entries);
        measure::<Ours>(&mut bench, &settings, entries, &lists);
        measure::<DashMap<u128, u64>>(&mut bench, &settings, entries, &lists);
        measure::<DashMap<String, u64>>(&mut bench, &settings, entries, &lists);
        measure::<Hashbrown<u128>>(&mut bench, &settings, entries, &lists);
        measure::<Hashbrown<String>>(&mut bench, &settings, entries, &lists);
        measure::<Papaya>(&mut bench, &settings, entries, &lists);
    }
    bench.finish();
    let chosen = std::env::var(ENTRIES_VARIABLE).ok();
    let chosen: Option<Vec<u64>> =
        chosen.map(|list| list.split(',').map(|n| n.parse().expect("a number of entries")).collect());
    println!("\n| entries | queries | peer | ns | dockside, ns | ratio |\n|---|---|---|---|---|---|");
    for entries in chosen.unwrap_or_else(|| settings.entries.to_vec()) {
        ratios(&settings, entries);
    }
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

/// papaya with the hasher of the others: it takes any.
type Papaya = papaya::HashMap<u128, u64, FixedState>;

impl Table for Papaya {
    const NAME: &'static str = "papaya_u128";

    fn with_capacity(entries: usize) -> Self {
        Papaya::with_capacity_and_hasher(entries, FixedState::with_seed(0x0dd5))
    }

    fn put(&mut self, number: &[u8; 18], value: u64) {
        self.pin().insert(packed(number), value);
    }

    fn ask(&mut self, queries: &Queries, batch: Range<usize>) -> Found {
        let mut found = Found::default();
        let map = self.pin();
        queries.packed[batch].iter().filter_map(|key| map.get(key)).for_each(|value| found.take(*value));
        found
    }
}

/// Queries of one kind.
struct List {
    name: &'static str,
    queries: Queries,
}

/// All there, none there, half and half.
fn lists(settings: &Settings, entries: u64) -> [List; 3] {
    [("hits", 0), ("misses", 100), ("mixed", 50)].map(|(name, missed)| {
        let Settings { seed, queries, batch, .. } = *settings;
        List { name, queries: Queries::new(seed, queries, batch, entries, missed) }
    })
}

fn measure<T: Table>(bench: &mut Bench, settings: &Settings, entries: u64, lists: &[List]) {
    let mut table = None;
    for list in lists {
        let batches = list.queries.expected.len();
        let mut next = 0;
        let asked = (settings.round * settings.batch) as u64;
        bench.case(&format!("index/{entries}/{}", list.name), T::NAME, Throughput::Elements(asked), || {
            // Built when the first case asks for it: one that was filtered out costs nothing.
            let table = table.get_or_insert_with(|| filled::<T>(entries));
            round(table, settings, list, &mut next, batches)
        });
    }
}

/// One round of batches, going on where the last one stopped.
fn round<T: Table>(
    table: &mut T,
    settings: &Settings,
    list: &List,
    next: &mut usize,
    batches: usize,
) -> Duration {
    (0..settings.round).map(|_| batch(table, settings, list, next, batches)).sum()
}

/// The next batch.
fn batch<T: Table>(
    table: &mut T,
    settings: &Settings,
    list: &List,
    next: &mut usize,
    batches: usize,
) -> Duration {
    let ((), took) = stopwatch(|| {
        let from = *next * settings.batch;
        let found = black_box(table.ask(&list.queries, from..from + settings.batch));
        assert_eq!(found, list.queries.expected[*next], "{} {} batch {next}", T::NAME, list.name);
    });
    *next = (*next + 1) % batches;
    took
}

/// Prints how the index and its peers stand to each other.
#[expect(clippy::print_stdout, reason = "a bench reports to whoever ran it")]
fn ratios(settings: &Settings, entries: u64) {
    let lists = lists(settings, entries);
    let resident_before = resident_bytes();
    let (mut ours, slow) = watched(entries);
    let (held, resident) = (ours.index.memory_bytes(), resident_bytes().saturating_sub(resident_before));
    println!("| {entries} | bytes per entry, value of 8 | counted | {} | | |", per(held, entries));
    println!("| {entries} | bytes per entry, value of 8 | resident | {} | | |", per(resident, entries));
    lines(settings, &mut ours, &lists[0], entries);
    let [all, dashmap] = settings.peers;
    if entries <= dashmap {
        ratio::<DashMap<u128, u64>>(settings, &mut ours, &lists, entries);
        ratio::<DashMap<String, u64>>(settings, &mut ours, &lists, entries);
    }
    if entries <= all {
        ratio::<Hashbrown<u128>>(settings, &mut ours, &lists, entries);
        ratio::<Hashbrown<String>>(settings, &mut ours, &lists, entries);
        ratio::<Papaya>(settings, &mut ours, &lists, entries);
    }
    drop(ours);
    // What another program on the machine caused does not come at the same entry twice.
    let (_, again) = watched(entries);
    let worst = slow.iter().filter_map(|(n, took)| Some(*took.min(again.get(n)?))).max();
    let once = slow.values().max();
    println!("| {entries} | slowest insert, once and in both of two fills | {once:?} {worst:?} | | | |");
}

fn per(bytes: usize, entries: u64) -> String {
    format!("{:.1}", bytes as f64 / entries as f64)
}

/// The index, and the inserts that took long, by entry.
fn watched(entries: u64) -> (Ours, BTreeMap<u64, Duration>) {
    let mut slow = BTreeMap::new();
    let mut ours = Ours::with_capacity(0);
    for n in 0..entries {
        let number = number(n);
        let ((), took) = stopwatch(|| ours.put(&number, value_of(n)));
        if took > Duration::from_micros(5) {
            slow.insert(n, took);
        }
    }
    (ours, slow)
}

/// Bytes of memory that the process has; none are told on other systems than Linux.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.as_deref().and_then(|text| text.split(' ').nth(1)?.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

/// Asks the index and a peer in turn, batch by batch.
fn ratio<T: Table>(settings: &Settings, ours: &mut Ours, lists: &[List], entries: u64) {
    let mut table = filled::<T>(entries);
    for list in lists {
        let (mut at, mut peers_at) = (0, 0);
        let batches = list.queries.expected.len();
        let taken = (0..settings.turns).map(|_| {
            let own = batch(ours, settings, list, &mut at, batches);
            (own, batch(&mut table, settings, list, &mut peers_at, batches))
        });
        report(settings, entries, list.name, T::NAME, taken.collect());
    }
}

/// Asks the index for what is there, and memory for as many lines, in turn.
#[expect(clippy::cast_possible_truncation, reason = "positions in memory")]
fn lines(settings: &Settings, ours: &mut Ours, list: &List, entries: u64) {
    let count = ours.index.memory_bytes() / size_of::<Line>() + 1;
    let mut memory = Vec::with_capacity(count);
    prefer_large_pages(memory.spare_capacity_mut());
    memory.extend((0..count as u64).map(|n| Line([n; 8])));
    let wanted: Vec<usize> = (0..settings.queries).map(|n| (mix(n) % count as u64) as usize).collect();
    // As many as a cache of the first level takes, or all of a batch: whichever this machine is faster with.
    for (name, group) in [("lines, 64 ahead", 64), ("lines, a batch ahead", settings.batch)] {
        let (mut at, mut from) = (0, 0);
        let taken = (0..settings.turns).map(|_| {
            let own = batch(ours, settings, list, &mut at, list.queries.expected.len());
            let wanted = &wanted[from..from + settings.batch];
            from = (from + wanted.len()) % settings.queries as usize;
            let (sum, took) = stopwatch(|| black_box(read_lines(&memory, wanted, group)));
            assert_eq!(sum, wanted.iter().map(|n| *n as u64).sum::<u64>());
            (own, took)
        });
        report(settings, entries, list.name, name, taken.collect());
    }
}

#[repr(align(64))]
struct Line([u64; 8]);

fn read_lines(memory: &[Line], wanted: &[usize], group: usize) -> u64 {
    let mut sum = 0;
    for group in wanted.chunks(group) {
        group.iter().for_each(|at| prefetch(&memory[*at]));
        sum += group.iter().map(|at| memory[*at].0[at % 8]).sum::<u64>();
    }
    sum
}

/// Prints the medians of batches, ours first, and how they stand to each other.
#[expect(clippy::print_stdout, reason = "a bench reports to whoever ran it")]
fn report(settings: &Settings, entries: u64, queries: &str, peer: &str, taken: Vec<(Duration, Duration)>) {
    let median = |of: fn(&(Duration, Duration)) -> Duration| {
        let mut took: Vec<Duration> = taken.iter().map(of).collect();
        took.sort_unstable();
        took[took.len() / 2].as_nanos() as f64 / settings.batch as f64
    };
    let (own, peers) = (median(|pair| pair.0), median(|pair| pair.1));
    println!("| {entries} | {queries} | {peer} | {peers:.1} | {own:.1} | {:.2} |", peers / own);
}
