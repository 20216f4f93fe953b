//! Tracking number → its entry: exact, segmented by slice, hashed with a secret.
//!
//! Enters: number keys, one or many at a time. Leaves: [`Slot`]s, and through them the entries. Always true: a slot stands
//! for the same entry until that is removed; a key is compared in full, never resolved on a hash alone; the order in which
//! entries are listed is that of their keys, whatever the secret.
//!
//! A slice is a fixed hash range of the keys and part of the state's format; the table inside a slice is hashed
//! with a secret that nobody who sends numbers knows, so nobody can choose numbers that meet in a line of it.
//!
//! Two things in memory make an entry: a place in a line of the `table` (hash and slot), and by its slot the key and the
//! value, side by side (`chunks`); values whose length changes have their bytes in `cells`. The key is `packed` in 16 bytes if
//! it fits, which all but exotic numbers do, else stored as it is. So a lookup reads two lines, and a batch of them asks for
//! all lines before it reads the first (`memory`). Nothing is ever moved as a whole: tables grow by segments, entries by chunks.

pub mod memory;

mod cells;
mod chunks;
mod packed;
mod table;

use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use smallvec::SmallVec;

pub use self::cells::{CELL_BYTES_MAX, Cell, Cells};
use self::chunks::Chunks;
use self::packed::{Packed, Unpacked};
use self::table::{Table, Whereabouts};
use crate::model::{NumberKey, stable_hash, stable_hash_with};

/// How many slices there are. Written into the state.
pub const SLICES: u16 = 256;

/// The slice of a key's stable bytes. Written into the state: it never changes.
pub fn slice_of(key: &[u8]) -> u16 {
    u16::from(stable_hash(&[key]).to_le_bytes()[0])
}

/// The slice of a number: of its text followed by the carrier's byte.
pub fn slice_of_key(key: &NumberKey) -> u16 {
    u16::from(stable_hash_with(key.number.as_str().as_bytes(), key.carrier.0).to_le_bytes()[0])
}

/// Where an entry stands, from its insertion until its removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u32);

impl Slot {
    /// The position, for tables beside the index.
    pub fn position(self) -> usize {
        self.0 as usize
    }
}

/// How many keys of a batch are on their way at a time: enough to keep memory busy, few enough to stay in the first cache.
const GROUP: usize = 64;

/// Lines of 64 bytes in a segment of the table: 64 KiB.
const SEGMENT_LINES: usize = 1024;

/// A key and its value.
#[derive(Debug)]
struct Entry<V> {
    key: Packed,
    value: V,
}

/// A key as the table knows it.
#[derive(Clone, Copy, Debug)]
struct Hashed {
    /// None: it does not fit.
    packed: Option<Packed>,
    slice: u16,
    hash: u32,
}

/// A key whose lines are on their way into the cache.
#[derive(Clone, Copy, Debug)]
pub struct Asked(Hashed);

/// A key on its way to its slot.
#[derive(Clone, Copy)]
struct Query<'a> {
    /// None: it does not fit.
    packed: Option<Packed>,
    at: Whereabouts<'a>,
}

/// The index of one partition.
#[derive(Debug)]
pub struct Index<V> {
    hasher: FixedState,
    table: Table<SEGMENT_LINES>,
    /// By slot; free ones are empty.
    entries: Chunks<Option<Entry<V>>>,
    /// The slot that was freed last is used first, so that undoing steps backwards restores the slots as well.
    free: Vec<Slot>,
    /// Keys that do not fit their entry.
    stored: StoredKeys,
}

impl<V> Index<V> {
    /// An empty index. The secret decides nothing that can be seen.
    pub fn new(secret: u64) -> Self {
        Index {
            hasher: FixedState::with_seed(secret),
            table: Table::new(),
            entries: Chunks::default(),
            free: Vec::new(),
            stored: StoredKeys::default(),
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the index takes: table, keys and values, without what values hold elsewhere.
    pub fn memory_bytes(&self) -> usize {
        let free = self.free.capacity() * size_of::<Slot>();
        self.table.bytes() + self.entries.bytes() + free + self.stored.bytes()
    }

    /// Lines beyond the first of each that finding every entry once would read; 0 to 3 for each entry, about 0.1 on average
    /// with hashes that nobody can choose.
    pub fn extra_lines(&self) -> usize {
        self.table.extra_lines()
    }

    /// The slot of a key.
    pub fn get(&self, key: &NumberKey) -> Option<Slot> {
        self.find(&self.query(self.hashed(key)), key)
    }

    /// The slots of many keys: replaces `slots` by one answer per key, in their order. Keys may repeat. What is found is on
    /// its way into the cache, value and all.
    pub fn lookup_batch<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k NumberKey>,
        slots: &mut Vec<Option<Slot>>,
    ) {
        slots.clear();
        let mut keys = keys.into_iter();
        let mut hashed: SmallVec<[(&NumberKey, Hashed); GROUP]> = SmallVec::new();
        let mut group: SmallVec<[(&NumberKey, Query<'_>, Option<u32>); GROUP]> = SmallVec::new();
        loop {
            // Four rounds, so that what one asks for has come when the next one reads it. The first only computes: the second
            // is then so short that the processor waits for many entries of the directory at a time.
            hashed.extend(keys.by_ref().take(GROUP).map(|key| (key, self.hashed(key))));
            if hashed.is_empty() {
                return;
            }
            group.extend(hashed.drain(..).map(|(key, hashed)| {
                let query = self.query(hashed);
                query.at.prefetch();
                (key, query, None)
            }));
            for (_, query, candidate) in &mut group {
                *candidate = query.at.candidate();
                if let Some(slot) = *candidate {
                    memory::prefetch(self.entries.get(slot as usize));
                }
            }
            slots.extend(group.drain(..).map(|(key, query, candidate)| match candidate {
                Some(slot) if self.holds(slot, &query, key) => Some(Slot(slot)),
                None if query.at.ends_here() => None,
                _ => self.find(&query, key),
            }));
        }
    }

    /// Adds an entry. Panics when the key is there already.
    pub fn insert(&mut self, key: NumberKey, value: V) -> Slot {
        let hashed = self.hashed(&key);
        assert!(self.find(&self.query(hashed), &key).is_none(), "{key:?} is in the index already");
        self.add(hashed, key, value)
    }

    /// The slot of a key, and whether it had to be added, with the value of nothing.
    pub fn reach(&mut self, key: &NumberKey) -> (Slot, bool)
    where
        V: Default,
    {
        let asked = Asked(self.hashed(key));
        self.reach_asked(key, asked)
    }

    /// Asks for the lines in which a key is, or would be: whoever asks for many before the first is reached waits for one.
    pub fn ask(&self, key: &NumberKey) -> Asked {
        let hashed = self.hashed(key);
        self.query(hashed).at.prefetch();
        Asked(hashed)
    }

    /// As [`Index::reach`], for a key that was asked for.
    pub fn reach_asked(&mut self, key: &NumberKey, Asked(hashed): Asked) -> (Slot, bool)
    where
        V: Default,
    {
        match self.find(&self.query(hashed), key) {
            Some(slot) => (slot, false),
            None => (self.add(hashed, key.clone(), V::default()), true),
        }
    }

    fn add(&mut self, Hashed { packed, slice, hash }: Hashed, key: NumberKey, value: V) -> Slot {
        let entry = Some(Entry { key: packed.unwrap_or_else(|| self.stored.put(key)), value });
        let slot = match self.free.pop() {
            Some(slot) => {
                *self.entries.get_mut(slot.position()) = entry;
                slot
            }
            None => {
                let next =
                    u32::try_from(self.entries.len()).expect("a partition has fewer than 2^32 numbers");
                self.entries.push(entry);
                Slot(next)
            }
        };
        self.table.add(slice, hash, slot.0);
        slot
    }

    /// Takes an entry out. Its slot may serve another one from now on. Panics when there is none.
    pub fn remove(&mut self, slot: Slot) -> (NumberKey, V) {
        let key = self.key(slot);
        let Hashed { slice, hash, .. } = self.hashed(&key);
        self.table.remove(slice, hash, slot.0);
        self.free.push(slot);
        let entry = self.entries.get_mut(slot.position()).take().expect("looked at above");
        if let Unpacked::Stored(position) = entry.key.unpack() {
            self.stored.take(position);
        }
        (key, entry.value)
    }

    /// The key of an entry. Panics when there is none.
    pub fn key(&self, slot: Slot) -> NumberKey {
        match self.entry(slot).key.unpack() {
            Unpacked::Whole(key) => key,
            Unpacked::Stored(position) => self.stored.get(position).clone(),
        }
    }

    /// The value of an entry. Panics when there is none.
    pub fn value(&self, slot: Slot) -> &V {
        &self.entry(slot).value
    }

    /// The value of an entry, to change it. Panics when there is none.
    pub fn value_mut(&mut self, slot: Slot) -> &mut V {
        &mut self.entries.get_mut(slot.position()).as_mut().expect(FREE).value
    }

    /// The entries of a slice, in the order of their keys.
    pub fn slice(&self, slice: u16) -> impl Iterator<Item = Slot> + use<V> {
        let mut slots: Vec<Slot> = self.table.slots(slice).map(Slot).collect();
        slots.sort_by_cached_key(|slot| self.key(*slot));
        slots.into_iter()
    }

    fn entry(&self, slot: Slot) -> &Entry<V> {
        self.entries.get(slot.position()).as_ref().expect(FREE)
    }

    /// Never a call: what it gives back would be written to memory in other pieces than it is read.
    #[inline(always)]
    fn hashed(&self, key: &NumberKey) -> Hashed {
        let packed = Packed::of(key);
        let hash = match packed {
            Some(packed) => self.hasher.hash_one(packed.bits()),
            None => self.hasher.hash_one(key),
        };
        // The table takes zero for a free place.
        let hash = ((hash >> 32) as u32).max(1);
        Hashed { packed, slice: slice_of_key(key), hash }
    }

    #[inline]
    fn query(&self, Hashed { packed, slice, hash }: Hashed) -> Query<'_> {
        Query { packed, at: self.table.whereabouts(slice, hash) }
    }

    #[inline]
    fn find(&self, query: &Query<'_>, key: &NumberKey) -> Option<Slot> {
        query.at.find(|slot| self.holds(slot, query, key)).map(Slot)
    }

    /// Whether the key of a slot is the one that is asked for.
    #[inline]
    fn holds(&self, slot: u32, query: &Query<'_>, key: &NumberKey) -> bool {
        let own = self.entry(Slot(slot)).key;
        match query.packed {
            Some(packed) => own == packed,
            None => matches!(own.unpack(), Unpacked::Stored(position) if self.stored.get(position) == key),
        }
    }
}

const FREE: &str = "a slot stands for its entry until that is removed";

/// Keys that do not fit into 16 bytes, by a position of their own.
#[derive(Debug, Default)]
struct StoredKeys {
    keys: Vec<Option<NumberKey>>,
    free: Vec<u32>,
}

impl StoredKeys {
    fn put(&mut self, key: NumberKey) -> Packed {
        let position = self.free.pop().unwrap_or_else(|| {
            self.keys.push(None);
            u32::try_from(self.keys.len() - 1).expect("fewer than slots")
        });
        self.keys[position as usize] = Some(key);
        Packed::stored(position)
    }

    fn take(&mut self, position: u32) {
        self.keys[position as usize] = None;
        self.free.push(position);
    }

    fn get(&self, position: u32) -> &NumberKey {
        self.keys[position as usize].as_ref().expect("a stored key is there as long as its entry")
    }

    fn bytes(&self) -> usize {
        let text = |key: &NumberKey| {
            let len = key.number.as_str().len();
            if len > INLINE_CHARS { len } else { 0 }
        };
        let texts = self.keys.iter().flatten().map(text).sum::<usize>();
        let free = self.free.capacity() * size_of::<u32>();
        texts + self.keys.capacity() * size_of::<Option<NumberKey>>() + free
    }
}

/// Characters of a number that need no allocation.
const INLINE_CHARS: usize = 24;

#[cfg(test)]
mod tests;
