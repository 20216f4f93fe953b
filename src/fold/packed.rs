//! Progress in bytes: read into memory that is there, written behind other bytes.
//!
//! Enters: bytes that this process wrote, or has read from the state log through serde, which looks at them more closely.
//! Leaves: progress. Always true: it reads what serde reads from the same bytes, which a test holds; once progress as large was
//! there, no memory is asked for. Bytes that nobody wrote are a broken invariant.

use super::layout::WORDS_INLINE;
use super::marks::{Marks, PlacedSpan, Sighting, Span};
use super::progress::Progress;
use super::words::Words;
use crate::model::{EventTime, FcId, Milestone, ScanId};

/// Reads what postcard wrote, value by value.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins with the first of these bytes.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// A byte, or the tag of an option.
    #[inline]
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.bytes.split_first().expect(WRITTEN);
        self.bytes = rest;
        *first
    }

    /// Whether something is so, or is there.
    #[inline]
    pub fn is_set(&mut self) -> bool {
        self.byte() != 0
    }

    /// A whole number: seven bits a byte, the lowest first, the last byte without its top bit.
    #[inline]
    pub fn number(&mut self) -> u64 {
        let Some(eight) = self.bytes.first_chunk() else { return self.number_by_byte() };
        let word = u64::from_le_bytes(*eight);
        let ends = !word & 0x8080_8080_8080_8080;
        if ends == 0 {
            return self.number_by_byte();
        }
        // All bits up to the first end, then the groups moved together: two by two, four by four, eight.
        let bits = word & (ends ^ (ends - 1)) & 0x7f7f_7f7f_7f7f_7f7f;
        let bits = bits & 0x007f_007f_007f_007f | (bits & 0x7f00_7f00_7f00_7f00) >> 1;
        let bits = bits & 0x0000_3fff_0000_3fff | (bits & 0x3fff_0000_3fff_0000) >> 2;
        let bits = bits & 0x0000_0000_0fff_ffff | (bits & 0x0fff_ffff_0000_0000) >> 4;
        self.bytes = &self.bytes[ends.trailing_zeros() as usize / 8 + 1..];
        bits
    }

    /// The same for numbers at the end, and for large ones.
    fn number_by_byte(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return number;
            }
        }
        panic!("{WRITTEN}");
    }

    /// A whole number of 32 bits, or of a variant.
    #[inline]
    pub fn small(&mut self) -> u32 {
        u32::try_from(self.number()).expect(WRITTEN)
    }

    /// A whole number with a sign.
    #[inline]
    pub fn signed(&mut self) -> i64 {
        let number = self.number();
        (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
    }

    /// A length.
    #[inline]
    pub fn length(&mut self) -> usize {
        self.small() as usize
    }

    /// A text.
    #[inline]
    pub fn text(&mut self) -> &'a str {
        std::str::from_utf8(self.skipped()).expect(WRITTEN)
    }

    /// Passes over a text.
    #[inline]
    pub fn skip_text(&mut self) {
        self.skipped();
    }

    #[inline]
    fn skipped(&mut self) -> &'a [u8] {
        let length = self.length();
        let (text, rest) = self.bytes.split_at_checked(length).expect(WRITTEN);
        self.bytes = rest;
        text
    }
}

const WRITTEN: &str = "packed bytes are those that were written";

/// Memory of marks that are not there now.
#[derive(Debug, Default)]
pub struct Spare(Option<Box<Marks>>);

impl Spare {
    /// Reads progress in place of what it was.
    #[inline]
    pub fn read(&mut self, progress: &mut Progress, reader: &mut Reader<'_>) {
        let (words, marks) = progress.parts_mut();
        read_words(words, reader);
        if reader.is_set() {
            read_marks(marks.get_or_insert_with(|| self.0.take().unwrap_or_default()), reader);
        } else if let Some(unused) = marks.take() {
            self.0 = Some(unused);
        }
    }
}

fn read_words(words: &mut Words<WORDS_INLINE>, reader: &mut Reader<'_>) {
    let present = reader.number();
    let count = reader.length();
    let mut base = 0;
    words.refill(present, count, |number| {
        let distance = i32::try_from(reader.signed()).expect(WRITTEN).cast_unsigned();
        let word = distance.wrapping_add(base);
        if number == 0 {
            base = word;
        }
        word
    });
}

fn read_marks(marks: &mut Marks, reader: &mut Reader<'_>) {
    let (spans, sightings, retracted) = marks.lists_mut();
    spans.clear();
    for _ in 0..reader.length() {
        let (milestone, place) = (milestone(reader), place(reader));
        let span = Span { first: EventTime(reader.small()), last: EventTime(reader.small()) };
        spans.push(PlacedSpan { milestone, place, span });
    }
    sightings.clear();
    for _ in 0..reader.length() {
        let milestone = milestone(reader);
        let place = reader.is_set().then(|| place(reader));
        let (at, id) = (EventTime(reader.small()), ScanId(reader.number()));
        sightings.push(Sighting { milestone, place, at, id });
    }
    retracted.clear();
    for _ in 0..reader.length() {
        retracted.push(ScanId(reader.number()));
    }
}

fn milestone(reader: &mut Reader<'_>) -> Milestone {
    Milestone::ALL[reader.length()]
}

fn place(reader: &mut Reader<'_>) -> FcId {
    FcId::parse(reader.text()).expect(WRITTEN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_are_those_that_postcard_wrote(
            numbers in proptest::collection::vec((any::<u64>(), 0..64_u32), 0..9), signed in any::<i64>(), text in ".{0,9}"
        ) {
            let numbers: Vec<u64> = numbers.into_iter().map(|(number, shift)| number >> shift).collect();
            let bytes = postcard::to_stdvec(&(&numbers, &text, signed, Some(true))).expect("serialises");
            let mut reader = Reader::new(&bytes);
            let read: Vec<u64> = (0..reader.length()).map(|_| reader.number()).collect();
            prop_assert_eq!(read, numbers);
            prop_assert_eq!((reader.text(), reader.signed()), (&text[..], signed));
            prop_assert_eq!((reader.is_set(), reader.is_set(), reader.rest()), (true, true, &[][..]));
        }
    }
}
