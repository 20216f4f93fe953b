//! Code maps: what a status code does.
//!
//! Enters: a code as a feed wrote it. Leaves: its [`Effect`], or nothing. Always true: a lookup neither allocates nor
//! compares strings for codes of up to 15 bytes; ASCII case and outer blanks do not matter.

use crate::model::Effect;

/// A code set: a named vocabulary of codes.
#[derive(Clone, Debug)]
pub(crate) struct CodeTable {
    pub(crate) name: String,
    pub(crate) effects: TextTable<Effect>,
}

/// The set called `name`.
pub(crate) fn set_named<'a>(sets: &'a [CodeTable], name: &str) -> Option<&'a CodeTable> {
    sets.iter().find(|set| set.name.eq_ignore_ascii_case(name.trim_ascii()))
}

/// A fixed map from short texts: open addressing over the texts themselves, packed into a word.
#[derive(Clone, Debug)]
pub(crate) struct TextTable<V> {
    /// A power of two of slots, at least half of them free, so that every search ends.
    slots: Vec<Option<(u128, V)>>,
    /// The few texts that fit no word, in upper case.
    long: Vec<(String, V)>,
}

const PACKED_BYTES_MAX: usize = 15;

/// The text in upper case and its length, as one word.
fn pack(text: &[u8]) -> Option<u128> {
    if text.len() > PACKED_BYTES_MAX {
        return None;
    }
    let word = text.iter().fold(0, |word, b| word << 8 | u128::from(b.to_ascii_uppercase()));
    Some(word | (text.len() as u128) << 120)
}

impl<V: Copy> TextTable<V> {
    /// The table of `entries`. Of equal texts the first counts.
    pub(crate) fn new<'a>(entries: impl Iterator<Item = (&'a str, V)> + Clone) -> Self {
        let slots = (entries.clone().count() * 2).next_power_of_two().max(2);
        let mut table = TextTable { slots: vec![None; slots], long: Vec::new() };
        for (text, value) in entries {
            if table.get(text).is_some() {
                continue;
            }
            let text = text.trim_ascii();
            match pack(text.as_bytes()) {
                None => table.long.push((text.to_ascii_uppercase(), value)),
                Some(key) => {
                    let slot = table.slot(key);
                    table.slots[slot] = Some((key, value));
                }
            }
        }
        table
    }

    /// The value of `text`.
    pub(crate) fn get(&self, text: &str) -> Option<V> {
        let text = text.trim_ascii();
        match pack(text.as_bytes()) {
            Some(key) => self.slots[self.slot(key)].map(|(_, value)| value),
            None => {
                self.long.iter().find(|(long, _)| long.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
            }
        }
    }

    /// The slot that holds `key`, or the free one where it would be.
    fn slot(&self, key: u128) -> usize {
        let mask = self.slots.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "a hash folds its input")]
        let mut at =
            ((key as u64 ^ (key >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        while self.slots[at].as_ref().is_some_and(|(other, _)| *other != key) {
            at = (at + 1) & mask;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_put_in_and_nothing_else() {
        let texts: Vec<String> =
            (0..500_u32).map(|i| "AB".repeat(i as usize % 12) + &i.to_string()).collect();
        let table = TextTable::new(texts.iter().enumerate().map(|(i, text)| (text.as_str(), i)));
        for (i, text) in texts.iter().enumerate() {
            assert_eq!(table.get(text), Some(i), "{text}");
            assert_eq!(table.get(&format!(" {} ", text.to_lowercase())), Some(i), "{text}");
            assert_eq!(table.get(&format!("{text}\0")), None, "{text}");
            assert_eq!(table.get(&format!("\0{text}")), None, "{text}");
        }
        assert_eq!(table.get(""), None);
        assert_eq!(TextTable::<u8>::new(std::iter::empty()).get("A"), None);
    }
}
