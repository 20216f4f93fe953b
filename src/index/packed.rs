//! A number at a carrier in 16 bytes.
//!
//! Enters: a key. Leaves: the same in packed form, if it fits, and back. Always true: two keys have the same packed form only
//! if they are the same key; no packed form begins with 64 zero bits.
//!
//! Three forms, from the top bit on, with the carrier in the last 8 bits:
//!
//! | form | bits | for |
//! |---|---|---|
//! | characters | 20 × 6: character − `0x20`, then zeros | up to 20 of `!` to `_`, so capitals and digits |
//! | digits | 000000 01, 28 × 4: digit + 1, then zeros | 21 to 28 digits |
//! | stored | 000000 10, zeros, 32: where the text is stored | everything else |

use std::num::NonZeroU64;

use crate::model::{CarrierId, NumberKey, TrackingNumber};

/// The longest number that is packed by its characters.
const CHARACTERS_MAX: usize = 20;
/// The longest number that is packed by its digits.
const DIGITS_MAX: usize = 28;

const FORM_DIGITS: u128 = 1 << 120;
const FORM_STORED: u128 = 2 << 120;

/// A key in 16 bytes, or where its text is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    high: NonZeroU64,
    low: u64,
}

/// What a packed form says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unpacked {
    /// The key.
    Whole(NumberKey),
    /// The position of the key among those that are stored.
    Stored(u32),
}

impl Packed {
    /// The packed form of a key; none: it does not fit.
    #[inline]
    pub(super) fn of(key: &NumberKey) -> Option<Packed> {
        let text = key.number.as_str().as_bytes();
        let number = if text.len() <= CHARACTERS_MAX { characters(text) } else { digits(text) }?;
        Some(Packed::from_bits(number | u128::from(key.carrier.0)))
    }

    /// The form of a key that is stored elsewhere.
    pub(super) fn stored(position: u32) -> Packed {
        Packed::from_bits(FORM_STORED | u128::from(position))
    }

    #[inline]
    fn from_bits(bits: u128) -> Packed {
        #[expect(clippy::cast_possible_truncation, reason = "halves")]
        let (high, low) = ((bits >> 64) as u64, bits as u64);
        Packed { high: NonZeroU64::new(high).expect("every form has a bit in its first half"), low }
    }

    /// All of its bits, for hashing.
    #[inline]
    pub(super) fn bits(self) -> u128 {
        u128::from(self.high.get()) << 64 | u128::from(self.low)
    }

    /// What it stands for.
    pub(super) fn unpack(self) -> Unpacked {
        let bits = self.bits();
        let [carrier, ..] = self.low.to_le_bytes();
        // The pieces from the first one on, up to the zeros behind the last.
        let pieces = |first: u32, width: u32, offset: u8| {
            let places = (0..=first / width).map(move |n| first - n * width);
            #[expect(clippy::cast_possible_truncation, reason = "a piece has at most 6 bits")]
            let piece = move |at: u32| (bits >> at) as u8 & ((1 << width) - 1);
            places.map(piece).take_while(|piece| *piece != 0).map(move |piece| piece + offset)
        };
        let mut text = [0; DIGITS_MAX];
        let mut len = 0;
        let mut write = |byte| {
            text[len] = byte;
            len += 1;
        };
        match bits >> 120 {
            2 => {
                #[expect(clippy::cast_possible_truncation, reason = "the form ends in 32 bits")]
                return Unpacked::Stored(self.low as u32);
            }
            1 => pieces(116, 4, b'/').take(DIGITS_MAX).for_each(&mut write),
            _ => pieces(122, 6, b' ').take(CHARACTERS_MAX).for_each(&mut write),
        }
        let text = std::str::from_utf8(&text[..len]).expect("only ASCII is packed");
        Unpacked::Whole(NumberKey {
            number: TrackingNumber::from_canonical(text),
            carrier: CarrierId(carrier),
        })
    }
}

/// The words of a text and of the filler behind it, the first byte on top; the text has at most as many bytes. They are put
/// together in registers: a copy would be written in other pieces than it is read, and reading waits for that.
#[inline]
fn words<const COUNT: usize>(text: &[u8], filler: u8) -> [u64; COUNT] {
    let load = |at: usize| u64::from_be_bytes(*text[at..].first_chunk().expect("8 bytes"));
    let Some(last) = text.len().checked_sub(8) else {
        let mut short = [filler; 8];
        short[..text.len()].copy_from_slice(text);
        let mut words = [each(filler); COUNT];
        words[0] = u64::from_be_bytes(short);
        return words;
    };
    std::array::from_fn(|word| {
        // Behind the last word of the text the bytes that were loaded too early are shifted out.
        let from = (8 * word).min(last);
        let early = 8 * (8 * word - from);
        if early < 64 { load(from) << early | each(filler) & ((1 << early) - 1) } else { each(filler) }
    })
}

const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// 20 × 6 bits above the carrier's 8.
#[inline]
fn characters(text: &[u8]) -> Option<u128> {
    let mut sixes = [0; 3];
    let (mut alien, mut count) = (0, 0);
    for (word, six) in words::<3>(text, b' ').into_iter().zip(&mut sixes) {
        // Numbers are printable ASCII, so no byte borrows from the next.
        let codes = word - each(b' ');
        alien |= codes & each(0x40);
        count += ((codes + each(0x3f)) & each(0x40)).count_ones();
        let twos = (codes & 0x3f00_3f00_3f00_3f00) >> 2 | codes & 0x003f_003f_003f_003f;
        let fours = (twos & 0x0fff_0000_0fff_0000) >> 4 | twos & 0x0000_0fff_0000_0fff;
        *six = (fours >> 32) << 24 | fours & 0x00ff_ffff;
    }
    // A blank has no code: within a number it would be taken for its end.
    let fits = alien == 0 && count as usize == text.len();
    let [first, second, third] = sixes.map(u128::from);
    // The last word has four characters only: 20 in all.
    fits.then_some((first << 72 | second << 24 | third >> 24) << 8)
}

/// 28 × 4 bits above the carrier's 8.
#[inline]
fn digits(text: &[u8]) -> Option<u128> {
    if text.len() > DIGITS_MAX || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut number = 0;
    for word in words::<4>(text, b'/') {
        let codes = word - each(b'/');
        let twos = (codes & 0x0f00_0f00_0f00_0f00) >> 4 | codes & 0x000f_000f_000f_000f;
        let fours = (twos & 0x00ff_0000_00ff_0000) >> 8 | twos & 0x0000_00ff_0000_00ff;
        let eight = (fours >> 32) << 16 | fours & 0xffff;
        number = number << 32 | u128::from(eight);
    }
    // The last word has four digits only: 28 in all.
    Some(FORM_DIGITS | (number >> 16) << 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: &str, carrier: u8) -> NumberKey {
        NumberKey { number: TrackingNumber::from_canonical(number), carrier: CarrierId(carrier) }
    }

    #[test]
    fn what_fits_and_what_does_not() {
        for (number, fits) in [
            ("1Z5R89390357567127", true),
            ("9400111899223197428490", true),
            ("JJD0099999999999999", true),
            ("!", true),
            ("_-/.^", true),
            ("12345678901234567890", true),
            ("ABCDEFGHIJKLMNOPQRST", true),
            ("ABCDEFGHIJKLMNOPQRSTU", false),
            ("1234567890123456789012345678", true),
            ("12345678901234567890123456789", false),
            ("123456789012345678901234567/", false),
            ("C123456789012345678901", false),
            ("a", false),
            ("A B", false),
            (" A", false),
            ("A ", false),
            ("A~", false),
        ] {
            for carrier in [0, 1, 255] {
                let key = key(number, carrier);
                let packed = Packed::of(&key);
                assert_eq!(packed.is_some(), fits, "{number}");
                if let Some(packed) = packed {
                    assert_eq!(packed.unpack(), Unpacked::Whole(key));
                }
            }
        }
        for position in [0, 1, 300, u32::MAX] {
            assert_eq!(Packed::stored(position).unpack(), Unpacked::Stored(position));
        }
    }

    #[test]
    fn nothing_is_wasted_on_a_slot_that_is_empty() {
        assert_eq!(size_of::<Option<(Packed, u64)>>(), 24);
    }

    proptest! {
        #![proptest_config(super::super::tests::cases())]

        #[test]
        fn packing_loses_nothing(number in "[!-_]{1,20}|[0-9]{1,28}|[ -~]{1,64}", carrier in any::<u8>()) {
            let key = key(&number, carrier);
            if let Some(packed) = Packed::of(&key) {
                prop_assert_eq!(packed.unpack(), Unpacked::Whole(key));
            } else {
                prop_assert!(number.len() > 20 || number.bytes().any(|b| !(b'!'..=b'_').contains(&b)));
            }
        }
    }
}
