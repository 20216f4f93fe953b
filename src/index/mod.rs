//! Tracking number → its entry: exact, segmented by slice, hashed with a secret.
//!
//! Enters: number keys, one or many at a time. Leaves: [`Slot`]s, and through them the entries. Always true: a slot stands
//! for the same entry until that is removed; a key is compared in full, never resolved on a hash alone; the order in which
//! entries are listed is that of their keys, whatever the secret.
//!
//! A slice is a fixed hash range of the keys and part of the state's format; the table inside a slice is hashed
//! with a secret that
//! nobody who sends numbers knows. A table grows alone, a 256th of the index at a time.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use hashbrown::HashTable;

use crate::model::{NumberKey, stable_hash};

/// How many slices there are. Written into the state.
pub const SLICES: u16 = 256;

/// The slice of a key's stable bytes. Written into the state: it never changes.
pub fn slice_of(key: &[u8]) -> u16 {
    u16::from(stable_hash(&[key]).to_le_bytes()[0])
}

/// The slice of a number: of its text followed by the carrier's byte.
pub fn slice_of_key(key: &NumberKey) -> u16 {
    let text = key.number.as_str().as_bytes();
    let mut bytes = [0; crate::model::ID_CHARS_MAX + 1];
    bytes[..text.len()].copy_from_slice(text);
    bytes[text.len()] = key.carrier.0;
    slice_of(&bytes[..=text.len()])
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

/// The index of one partition.
#[derive(Clone, Debug)]
pub struct Index<V> {
    hasher: FixedState,
    /// One table per slice.
    slices: Vec<HashTable<Slot>>,
    /// By slot; free ones are empty.
    entries: Vec<Option<(NumberKey, V)>>,
    /// The slot that was freed last is used first, so that undoing steps backwards restores the slots as well.
    free: Vec<Slot>,
}

impl<V> Index<V> {
    /// An empty index. The secret decides nothing that can be seen.
    pub fn new(secret: u64) -> Self {
        Index {
            hasher: FixedState::with_seed(secret),
            slices: std::iter::repeat_with(HashTable::new).take(usize::from(SLICES)).collect(),
            entries: Vec::new(),
            free: Vec::new(),
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

    /// The slot of a key.
    pub fn get(&self, key: &NumberKey) -> Option<Slot> {
        self.find(key, self.whereabouts(key))
    }

    /// The slots of many keys: replaces `slots` by one answer per key, in their order. Keys may repeat.
    pub fn lookup_batch<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k NumberKey>,
        slots: &mut Vec<Option<Slot>>,
    ) {
        slots.clear();
        slots.extend(keys.into_iter().map(|key| self.get(key)));
    }

    /// Adds an entry. Panics when the key is there already.
    pub fn insert(&mut self, key: NumberKey, value: V) -> Slot {
        let (slice, hash) = self.whereabouts(&key);
        assert!(self.find(&key, (slice, hash)).is_none(), "{key:?} is in the index already");
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let next =
                    u32::try_from(self.entries.len()).expect("a partition has fewer than 2^32 numbers");
                self.entries.push(None);
                Slot(next)
            }
        };
        self.entries[slot.position()] = Some((key, value));
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.slices[slice].insert_unique(hash, slot, |slot| hasher.hash_one(key_in(entries, *slot)));
        slot
    }

    /// Takes an entry out. Its slot may serve another one from now on. Panics when there is none.
    pub fn remove(&mut self, slot: Slot) -> (NumberKey, V) {
        let (slice, hash) = self.whereabouts(self.key(slot));
        let found = self.slices[slice].find_entry(hash, |other| *other == slot);
        found.expect("every entry is in its slice's table").remove();
        self.free.push(slot);
        self.entries[slot.position()].take().expect("looked at above")
    }

    /// The key of an entry. Panics when there is none.
    pub fn key(&self, slot: Slot) -> &NumberKey {
        key_in(&self.entries, slot)
    }

    /// The value of an entry. Panics when there is none.
    pub fn value(&self, slot: Slot) -> &V {
        let (_, value) = self.entries[slot.position()].as_ref().expect(FREE);
        value
    }

    /// The value of an entry, to change it. Panics when there is none.
    pub fn value_mut(&mut self, slot: Slot) -> &mut V {
        let (_, value) = self.entries[slot.position()].as_mut().expect(FREE);
        value
    }

    /// The entries of a slice, in the order of their keys.
    pub fn slice(&self, slice: u16) -> impl Iterator<Item = Slot> + use<V> {
        let mut slots: Vec<Slot> = self.slices[usize::from(slice)].iter().copied().collect();
        slots.sort_unstable_by(|a, b| self.key(*a).cmp(self.key(*b)));
        slots.into_iter()
    }

    /// The table that would hold a key, and the key's hash there.
    fn whereabouts(&self, key: &NumberKey) -> (usize, u64) {
        (usize::from(slice_of_key(key)), self.hasher.hash_one(key))
    }

    fn find(&self, key: &NumberKey, (slice, hash): (usize, u64)) -> Option<Slot> {
        self.slices[slice].find(hash, |slot| self.key(*slot) == key).copied()
    }
}

const FREE: &str = "a slot stands for its entry until that is removed";

fn key_in<V>(entries: &[Option<(NumberKey, V)>], slot: Slot) -> &NumberKey {
    let (key, _) = entries[slot.position()].as_ref().expect(FREE);
    key
}

#[cfg(test)]
mod tests;
