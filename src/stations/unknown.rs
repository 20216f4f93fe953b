//! Codes that no map knows, counted one by one: what an operator has to map next.
//!
//! Always true: no more than [`CODES_MAX`] different codes are kept, whatever feeds send; once there are as many,
//! further ones are counted together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::model::CarrierId;

/// How many codes are counted one by one.
pub const CODES_MAX: usize = 128;

/// How many bytes of a code, and of the name of its set, are kept.
const TEXT_BYTES_MAX: usize = 24;

/// A code that no map knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnknownCode {
    /// The carrier that sent it.
    pub carrier: CarrierId,
    /// The code set that was named with it; empty: none.
    pub code_set: CompactString,
    /// The code, in upper case, cut when it is long.
    pub code: CompactString,
}

/// How often each came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownCodes {
    counts: BTreeMap<UnknownCode, u64>,
    /// Scans whose code found no room.
    others: u64,
}

/// Codes are compared without case and outer blanks.
fn key(text: &str) -> CompactString {
    let text = text.trim_ascii();
    let fitting = text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= TEXT_BYTES_MAX);
    fitting.map(|(_, c)| c.to_ascii_uppercase()).collect()
}

impl UnknownCodes {
    /// Counts a scan with such a code.
    pub fn count(&mut self, carrier: CarrierId, code_set: Option<&str>, code: &str) {
        let code = UnknownCode { carrier, code_set: key(code_set.unwrap_or_default()), code: key(code) };
        self.add_to(code, 1);
    }

    fn add_to(&mut self, code: UnknownCode, scans: u64) {
        let has_room = self.counts.len() < CODES_MAX;
        match self.counts.entry(code) {
            Entry::Occupied(mut count) => *count.get_mut() += scans,
            Entry::Vacant(free) if has_room => {
                free.insert(scans);
            }
            Entry::Vacant(_) => self.others += scans,
        }
    }

    /// Adds another partition's counts.
    pub fn add(&mut self, other: &UnknownCodes) {
        for (code, scans) in &other.counts {
            self.add_to(code.clone(), *scans);
        }
        self.others += other.others;
    }

    /// By how much each count grew since `before`.
    #[must_use]
    pub fn since(&self, before: &UnknownCodes) -> UnknownCodes {
        let grown = self.counts.iter().map(|(code, scans)| {
            let known = before.counts.get(code).copied().unwrap_or_default();
            (code.clone(), scans.saturating_sub(known))
        });
        UnknownCodes {
            counts: grown.filter(|(_, scans)| *scans > 0).collect(),
            others: self.others.saturating_sub(before.others),
        }
    }

    /// Each code with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&UnknownCode, u64)> {
        self.counts.iter().map(|(code, scans)| (code, *scans))
    }

    /// How many scans had a code that found no room.
    pub fn others(&self) -> u64 {
        self.others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(codes: &UnknownCodes) -> Vec<(u8, &str, &str, u64)> {
        codes.iter().map(|(of, n)| (of.carrier.0, of.code_set.as_str(), of.code.as_str(), n)).collect()
    }

    #[test]
    fn a_code_counts_with_its_carrier_and_set() {
        let mut codes = UnknownCodes::default();
        for (carrier, code_set, code) in [
            (1, None, "zz9"),
            (1, None, " ZZ9 "),
            (1, Some("num"), "ZZ9"),
            (2, None, "ZZ9"),
            (2, None, ""),
            (2, None, "the same for twenty-four bytes, not after them"),
            (2, None, "The same for twenty-four bytes"),
            (2, None, "ééééééééééééé"),
        ] {
            codes.count(CarrierId(carrier), code_set, code);
        }
        assert_eq!(
            shown(&codes),
            [
                (1, "", "ZZ9", 2),
                (1, "NUM", "ZZ9", 1),
                (2, "", "", 1),
                (2, "", "THE SAME FOR TWENTY-FOUR", 2),
                (2, "", "ZZ9", 1),
                (2, "", "éééééééééééé", 1),
            ]
        );
        assert_eq!(codes.others(), 0);
    }

    #[test]
    fn codes_beyond_the_bound_count_together() {
        let mut codes = UnknownCodes::default();
        for code in 0..CODES_MAX + 10 {
            codes.count(CarrierId(3), None, &code.to_string());
        }
        codes.count(CarrierId(3), None, "0");
        assert_eq!((codes.iter().count(), codes.others()), (CODES_MAX, 10));
        let before = codes.clone();
        codes.count(CarrierId(3), None, "7");
        codes.count(CarrierId(4), None, "7");
        let grown = codes.since(&before);
        assert_eq!((shown(&grown), grown.others()), (vec![(3, "", "7", 1)], 1));
        // A sum is bounded too.
        let mut other = UnknownCodes::default();
        other.count(CarrierId(5), None, "7");
        codes.add(&other);
        assert_eq!((codes.iter().count(), codes.others()), (CODES_MAX, 12));
    }
}
