//! The one `DELIVERED` sighting that most parcels end with, in five words.
//!
//! Enters: a sighting. Leaves: the same, if its place has a short name or none. Always true: packing and unpacking
//! are inverse; a word of zeros is left out.

use super::marks::Sighting;
use crate::model::{EventTime, FcId, Milestone, ScanId};

/// The sighting of `DELIVERED` when there is but one and its place fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LoneDelivered {
    pub(super) place: ShortName,
    pub(super) at: EventTime,
    pub(super) id: ScanId,
}

impl LoneDelivered {
    pub(super) fn of(sighting: &Sighting) -> Option<LoneDelivered> {
        let place = ShortName::of(sighting.place.as_ref())?;
        Some(LoneDelivered { place, at: sighting.at, id: sighting.id })
    }

    pub(super) fn sighting(&self) -> Sighting {
        let place = self.place.name().and_then(FcId::parse);
        Sighting { milestone: Milestone::Delivered, place, at: self.at, id: self.id }
    }

    /// Time, halves of the ID, halves of the place's name.
    pub(super) fn words(&self) -> [Option<u32>; 5] {
        let [id_low, id_high] = halves(self.id.0.to_le_bytes());
        let [name_low, name_high] = halves(self.place.0).map(|half| (half != 0).then_some(half));
        [Some(self.at.0), Some(id_low), Some(id_high), name_low, name_high]
    }

    /// The inverse of [`LoneDelivered::words`].
    pub(super) fn of_words(words: [Option<u32>; 5]) -> Option<LoneDelivered> {
        let [at, id_low, id_high, name_low, name_high] = words;
        let id = u64::from_le_bytes(whole([id_low?, id_high?]));
        let place = ShortName(whole([name_low.unwrap_or(0), name_high.unwrap_or(0)]));
        Some(LoneDelivered { place, at: EventTime(at?), id: ScanId(id) })
    }
}

/// A place whose name has at most 8 bytes, or no place: the name's bytes, then zeros (no name holds one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShortName([u8; 8]);

impl ShortName {
    pub(super) fn of(place: Option<&FcId>) -> Option<ShortName> {
        let name = place.map_or("", FcId::as_str).as_bytes();
        let mut bytes = [0; 8];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        Some(ShortName(bytes))
    }

    /// The name; none for no place.
    pub(super) fn name(&self) -> Option<&str> {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..len]).ok().filter(|name| !name.is_empty())
    }

    /// Whether a place, or none, has this name.
    pub(super) fn is_sound(&self) -> bool {
        match self.name() {
            None => self.0 == [0; 8],
            Some(name) => self.0[name.len()..].iter().all(|b| *b == 0) && FcId::parse(name).is_some(),
        }
    }
}

fn halves(bytes: [u8; 8]) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = bytes;
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

fn whole(halves: [u32; 2]) -> [u8; 8] {
    (u64::from(halves[1]) << 32 | u64::from(halves[0])).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_places_are_packed_and_long_ones_are_not() {
        for (name, packs) in
            [("", true), ("X", true), ("ICT2", true), ("ICT2-DOK", true), ("MÜNCHEN1", false)]
        {
            let place = FcId::parse(name);
            let sighting =
                Sighting { milestone: Milestone::Delivered, place, at: EventTime(7), id: ScanId(1 << 40) };
            let lone = LoneDelivered::of(&sighting);
            assert_eq!(lone.is_some(), packs, "{name}");
            if let Some(lone) = lone {
                assert!(lone.place.is_sound());
                assert_eq!(LoneDelivered::of_words(lone.words()), Some(lone));
                assert_eq!(lone.sighting(), sighting);
            }
        }
    }

    #[test]
    fn a_name_that_is_none_is_noticed() {
        for bytes in [*b"\0CT2\0\0\0\0", *b"IC\0T2\0\0\0", *b"\xff\0\0\0\0\0\0\0", *b"A\n\0\0\0\0\0\0"] {
            assert!(!ShortName(bytes).is_sound(), "{bytes:?}");
        }
    }
}
