//! Tables from numbers to values that answer the same queries: our index, and DashMap.
//!
//! Enters: how many entries, and a seed. Leaves: tables that hold the same numbers with the same values, and queries in
//! random order with what each batch must come to. Always true: a query lies in memory in the order in which it is asked,
//! in the form in which each table wants it; packing a text for the `u128` tables is not measured, and they hold no text.

use std::ops::Range;

use dashmap::DashMap;

// `dockside bench` and the criterion bench both hold this file: each names the crate in its own way.
use super::index::{Index, Slot};
use super::model::{CarrierId, NumberKey, TrackingNumber};

/// splitmix64, one step.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// How many shippers the numbers are of; each counts its own parcels.
const SHIPPERS: u64 = 977;

/// The `n`th number, in the shape of UPS: 1Z, shipper, service, package. Check digits are drawn: nobody looks at them here.
pub(crate) fn number(n: u64) -> [u8; 18] {
    let mut text = *b"1Z0000000000000000";
    let mut put = |range: Range<usize>, base: u64, mut value: u64| {
        for at in range.rev() {
            text[at] = DIGITS[usize::try_from(value % base).expect("below 36")];
            value /= base;
        }
    };
    put(2..8, 36, mix(n % SHIPPERS) % 36_u64.pow(6));
    put(8..10, 10, [3, 12, 66, 90][usize::try_from(mix(n) % 4).expect("below 4")]);
    put(10..17, 10, n / SHIPPERS);
    put(17..18, 10, mix(n) >> 60);
    text
}

pub(crate) fn text(number: &[u8; 18]) -> &str {
    std::str::from_utf8(number).expect("ASCII")
}

/// The number in 83 bits: what follows `1Z`, to the base of 36.
pub(crate) fn packed(number: &[u8; 18]) -> u128 {
    number[2..].iter().fold(0, |word, digit| {
        let value = if digit.is_ascii_digit() { digit - b'0' } else { digit - b'A' + 10 };
        word * 36 + u128::from(value)
    })
}

pub(crate) fn key(number: &[u8; 18]) -> NumberKey {
    NumberKey { number: TrackingNumber::from_canonical(text(number)), carrier: CarrierId(1) }
}

/// What a batch must come to: how many were found, and the sum of their values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    count: u64,
    sum: u64,
}

impl Found {
    pub(crate) fn take(&mut self, value: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(value);
    }
}

/// Queries in random order, in the forms in which the tables want them.
pub(crate) struct Queries {
    pub(crate) keys: Vec<NumberKey>,
    pub(crate) packed: Vec<u128>,
    /// By batch.
    pub(crate) expected: Vec<Found>,
}

impl Queries {
    /// `missed` of 100 queries ask for a number of the same shippers that is not there.
    pub(crate) fn new(seed: u64, count: u64, batch: usize, entries: u64, missed: u64) -> Queries {
        let mut queries = Queries { keys: Vec::new(), packed: Vec::new(), expected: Vec::new() };
        let mut found = Found::default();
        for at in 0..count {
            let dice = mix(seed ^ mix(at));
            let n = dice % entries;
            let misses = mix(dice) % 100 < missed;
            let number = number(if misses { n + entries } else { n });
            if !misses {
                found.take(value_of(n));
            }
            queries.keys.push(key(&number));
            queries.packed.push(packed(&number));
            if queries.keys.len().is_multiple_of(batch) {
                queries.expected.push(std::mem::take(&mut found));
            }
        }
        queries
    }
}

/// The value of the `n`th number.
pub(crate) fn value_of(n: u64) -> u64 {
    mix(n ^ 0x5ca7)
}

/// A table with all entries.
pub(crate) trait Table: Sized {
    const NAME: &'static str;
    fn with_capacity(entries: usize) -> Self;
    fn put(&mut self, number: &[u8; 18], value: u64);
    fn ask(&mut self, queries: &Queries, batch: Range<usize>) -> Found;
}

pub(crate) struct Ours {
    pub(crate) index: Index<u64>,
    slots: Vec<Option<Slot>>,
}

impl Table for Ours {
    const NAME: &'static str = "dockside";

    fn with_capacity(_: usize) -> Self {
        Ours { index: Index::new(0x0dd5), slots: Vec::new() }
    }

    fn put(&mut self, number: &[u8; 18], value: u64) {
        self.index.insert(key(number), value);
    }

    fn ask(&mut self, queries: &Queries, batch: Range<usize>) -> Found {
        let mut found = Found::default();
        self.index.lookup_batch(&queries.keys[batch], &mut self.slots);
        self.slots.iter().flatten().for_each(|slot| found.take(*self.index.value(*slot)));
        found
    }
}

impl Table for DashMap<u128, u64> {
    const NAME: &'static str = "dashmap_u128";

    fn with_capacity(entries: usize) -> Self {
        DashMap::with_capacity(entries)
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

impl Table for DashMap<String, u64> {
    const NAME: &'static str = "dashmap_string";

    fn with_capacity(entries: usize) -> Self {
        DashMap::with_capacity(entries)
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

/// A table with so many entries.
pub(crate) fn filled<T: Table>(entries: u64) -> T {
    let mut table = T::with_capacity(usize::try_from(entries).expect("64-bit"));
    (0..entries).for_each(|n| table.put(&number(n), value_of(n)));
    table
}
