//! A sparse row of 32-bit words: a bit set says which of 64 positions are taken, the words themselves stand side by side.
//!
//! Enters: words at positions. Leaves: words, and a short form for the log. Always true: there are as many words as bits,
//! in the order of their positions; two equal rows have equal bytes; up to `N` words live without an allocation.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The row. What stands at which position is its owner's business.
#[derive(Clone)]
pub(super) struct Words<const N: usize> {
    present: u64,
    store: Store<N>,
}

#[derive(Clone)]
enum Store<const N: usize> {
    Inline([u32; N]),
    Heap(Vec<u32>),
}

impl<const N: usize> Words<N> {
    /// No word.
    pub(super) const EMPTY: Self = Words { present: 0, store: Store::Inline([0; N]) };

    /// Which positions are taken.
    pub(super) fn present(&self) -> u64 {
        self.present
    }

    /// Whether a position is taken.
    pub(super) fn has(&self, position: u32) -> bool {
        self.present & (1 << position) != 0
    }

    /// The word at a position.
    pub(super) fn get(&self, position: u32) -> Option<u32> {
        self.has(position).then(|| self.as_slice()[self.rank(position)])
    }

    /// Writes a word.
    pub(super) fn set(&mut self, position: u32, word: u32) {
        let (rank, len) = (self.rank(position), self.len());
        if self.has(position) {
            match &mut self.store {
                Store::Inline(words) => words[rank] = word,
                Store::Heap(words) => words[rank] = word,
            }
            return;
        }
        match &mut self.store {
            Store::Inline(words) if len < N => {
                words.copy_within(rank..len, rank + 1);
                words[rank] = word;
            }
            Store::Inline(words) => {
                let mut grown = Vec::with_capacity(2 * N);
                grown.extend_from_slice(&words[..rank]);
                grown.push(word);
                grown.extend_from_slice(&words[rank..]);
                self.store = Store::Heap(grown);
            }
            Store::Heap(words) => words.insert(rank, word),
        }
        self.present |= 1 << position;
    }

    /// Takes a word out.
    pub(super) fn clear(&mut self, position: u32) {
        if !self.has(position) {
            return;
        }
        let (rank, len) = (self.rank(position), self.len());
        match &mut self.store {
            Store::Inline(words) => words.copy_within(rank + 1..len, rank),
            Store::Heap(words) => {
                words.remove(rank);
            }
        }
        self.present &= !(1 << position);
    }

    /// Replaces all words: of those positions, in their order. Panics when there are not as many.
    pub(super) fn refill(&mut self, present: u64, count: usize, mut word: impl FnMut(usize) -> u32) {
        assert_eq!(count, present.count_ones() as usize, "as many words as bits");
        self.present = present;
        match &mut self.store {
            Store::Inline(words) if count <= N => {
                words[..count].iter_mut().enumerate().for_each(|(number, place)| *place = word(number));
            }
            Store::Inline(_) => self.store = Store::Heap((0..count).map(word).collect()),
            Store::Heap(words) => {
                words.clear();
                words.extend((0..count).map(word));
            }
        }
    }

    fn len(&self) -> usize {
        self.present.count_ones() as usize
    }

    fn rank(&self, position: u32) -> usize {
        (self.present & ((1 << position) - 1)).count_ones() as usize
    }

    fn as_slice(&self) -> &[u32] {
        match &self.store {
            Store::Inline(words) => &words[..self.len()],
            Store::Heap(words) => words,
        }
    }
}

impl<const N: usize> Default for Words<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> PartialEq for Words<N> {
    fn eq(&self, other: &Self) -> bool {
        self.present == other.present && self.as_slice() == other.as_slice()
    }
}

impl<const N: usize> Eq for Words<N> {}

impl<const N: usize> fmt::Debug for Words<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let positions = (0..u64::BITS).filter_map(|position| self.get(position).map(|word| (position, word)));
        f.debug_map().entries(positions).finish()
    }
}

/// Most words are times within weeks of each other, so each is written as its distance from the first one:
/// three bytes instead of five.
impl<const N: usize> Serialize for Words<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let words = self.as_slice();
        let base = words.first().copied().unwrap_or(0);
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&self.present)?;
        tuple.serialize_element(&Distances { base, words })?;
        tuple.end()
    }
}

struct Distances<'a> {
    base: u32,
    words: &'a [u32],
}

impl Serialize for Distances<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let distances = self.words.iter().skip(1).map(|word| word.wrapping_sub(self.base).cast_signed());
        serializer
            .collect_seq(self.words.first().map(|first| first.cast_signed()).into_iter().chain(distances))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Words<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Row<const N: usize>;

        impl<'de, const N: usize> Visitor<'de> for Row<N> {
            type Value = Words<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a bit set and as many words as it has bits")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<Self::Value, A::Error> {
                let missing = || A::Error::custom("a row of words is cut off");
                let present: u64 = row.next_element()?.ok_or_else(missing)?;
                let distances: smallvec::SmallVec<[i32; 16]> = row.next_element()?.ok_or_else(missing)?;
                if distances.len() != present.count_ones() as usize {
                    return Err(A::Error::custom("a row of words does not fit its bits"));
                }
                let mut words = Words::EMPTY;
                let base = distances.first().map_or(0, |first| first.cast_unsigned());
                let mut rest = present;
                for (i, distance) in distances.iter().enumerate() {
                    let from = if i == 0 { 0 } else { base };
                    words.set(rest.trailing_zeros(), from.wrapping_add(distance.cast_unsigned()));
                    rest &= rest - 1;
                }
                Ok(words)
            }
        }

        deserializer.deserialize_tuple(2, Row)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_row_behaves_like_a_map_and_survives_the_log(
            steps in proptest::collection::vec((0..64_u32, proptest::option::weighted(0.7, any::<u32>())), 0..80)
        ) {
            let mut row = Words::<4>::EMPTY;
            let mut map = BTreeMap::new();
            for (position, word) in steps {
                match word {
                    Some(word) => {
                        row.set(position, word);
                        map.insert(position, word);
                    }
                    None => {
                        row.clear(position);
                        map.remove(&position);
                    }
                }
                let seen: BTreeMap<_, _> = (0..64).filter_map(|p| row.get(p).map(|w| (p, w))).collect();
                prop_assert_eq!(&seen, &map);
            }
            let mut rebuilt = Words::<4>::EMPTY;
            for (position, word) in &map {
                rebuilt.set(*position, *word);
            }
            let bytes = postcard::to_stdvec(&row).expect("serialises");
            prop_assert_eq!(&rebuilt, &row);
            prop_assert_eq!(&postcard::to_stdvec(&rebuilt).expect("serialises"), &bytes);
            prop_assert_eq!(postcard::from_bytes::<Words<4>>(&bytes).expect("reads"), row);
        }
    }

    #[test]
    fn a_row_that_does_not_fit_its_bits_is_refused() {
        let bytes = postcard::to_stdvec(&(0b11_u64, vec![5_i32])).expect("serialises");
        assert!(postcard::from_bytes::<Words<4>>(&bytes).is_err());
    }
}
