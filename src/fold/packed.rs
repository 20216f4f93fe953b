//! Progress in bytes: read into memory that is there, written behind other bytes.
//!
//! Enters: bytes. Leaves: progress, and whether it was progress. Always true: it reads what serde reads from the same bytes,
//! which a test holds, or says that it does not; once progress as large was there, no memory is asked for. To whoever reads bytes
//! of this process, bytes that nobody wrote are a broken invariant; in a state log they are an error.

use super::marks::{Marks, PlacedSpan, Sighting, Span};
use super::progress::Progress;
use super::words::Words;
use crate::model::{EventTime, FcId, Milestone, ScanId};

/// Reads what postcard wrote, value by value. Once the bytes are none that it wrote, all that follows is zero and empty.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    is_bad: bool,
}

impl<'a> Reader<'a> {
    /// Begins with the first of these bytes.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, is_bad: false }
    }

    /// Whether all so far was as postcard writes it.
    #[inline]
    pub fn is_good(&self) -> bool {
        !self.is_bad
    }

    /// Notes that what was read cannot have been written.
    #[cold]
    pub fn refuse(&mut self) {
        (self.bytes, self.is_bad) = (&[], true);
    }

    /// What is there, or a note that it cannot have been written.
    #[inline]
    pub fn some<T>(&mut self, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.refuse();
        }
        value
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// A byte, or the tag of an option.
    #[inline]
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else {
            self.refuse();
            return 0;
        };
        self.bytes = rest;
        *first
    }

    /// Whether something is so, or is there.
    #[inline]
    pub fn is_set(&mut self) -> bool {
        let byte = self.byte();
        if byte > 1 {
            self.refuse();
        }
        byte == 1
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
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return number;
            }
        }
        self.refuse();
        0
    }

    /// A whole number of 32 bits, or of a variant.
    #[inline]
    pub fn small(&mut self) -> u32 {
        let number = u32::try_from(self.number()).ok();
        self.some(number).unwrap_or(0)
    }

    /// A whole number of 16 bits.
    #[inline]
    pub fn half(&mut self) -> u16 {
        let number = u16::try_from(self.number()).ok();
        self.some(number).unwrap_or(0)
    }

    /// A whole number with a sign.
    #[inline]
    pub fn signed(&mut self) -> i64 {
        let number = self.number();
        (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
    }

    /// A length, of things that take a byte at least.
    #[inline]
    pub fn length(&mut self) -> usize {
        let length = self.small() as usize;
        if length > self.bytes.len() {
            self.refuse();
            return 0;
        }
        length
    }

    /// One of a list, by its number.
    #[inline]
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let number = self.small() as usize;
        self.some(all.get(number).copied())
    }

    /// A text.
    #[inline]
    pub fn text(&mut self) -> &'a str {
        let text = std::str::from_utf8(self.piece()).ok();
        self.some(text).unwrap_or("")
    }

    /// A length, and as many bytes.
    #[inline]
    pub fn piece(&mut self) -> &'a [u8] {
        let length = self.length();
        let (text, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        text
    }
}

/// Memory of marks that are not there now.
#[derive(Debug, Default)]
pub struct Spare(Option<Box<Marks>>);

impl Spare {
    /// Reads progress in place of what it was, as this process wrote it.
    #[inline]
    pub fn read(&mut self, progress: &mut Progress, reader: &mut Reader<'_>) {
        self.read_parts(progress, reader);
        assert!(reader.is_good(), "packed progress is what was written");
    }

    /// The same from a state log; the reader says whether it is progress that scans could have made.
    #[inline]
    pub fn read_logged(&mut self, progress: &mut Progress, reader: &mut Reader<'_>) {
        self.read_parts(progress, reader);
        if !progress.is_sound() {
            reader.refuse();
        }
    }

    #[inline]
    fn read_parts(&mut self, progress: &mut Progress, reader: &mut Reader<'_>) {
        let (words, marks) = progress.parts_mut();
        read_words(words, reader);
        if reader.is_set() {
            read_marks(marks.get_or_insert_with(|| self.0.take().unwrap_or_default()), reader);
        } else if let Some(unused) = marks.take() {
            self.0 = Some(unused);
        }
    }
}

/// Reads a row of words in place of what it was.
#[inline]
pub(super) fn read_words<const N: usize>(words: &mut Words<N>, reader: &mut Reader<'_>) {
    let (mut present, mut count) = (reader.number(), reader.length());
    if count != present.count_ones() as usize {
        reader.refuse();
        (present, count) = (0, 0);
    }
    let mut base = 0;
    words.refill(present, count, |number| {
        let distance = i32::try_from(reader.signed()).ok();
        let word = reader.some(distance).unwrap_or(0).cast_unsigned().wrapping_add(base);
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
        let (Some(milestone), Some(place)) = (milestone(reader), place(reader)) else { return };
        let span = Span { first: EventTime(reader.small()), last: EventTime(reader.small()) };
        spans.push(PlacedSpan { milestone, place, span });
    }
    sightings.clear();
    for _ in 0..reader.length() {
        let Some(milestone) = milestone(reader) else { return };
        let place = if reader.is_set() { place(reader) } else { None };
        let (at, id) = (EventTime(reader.small()), ScanId(reader.number()));
        sightings.push(Sighting { milestone, place, at, id });
    }
    retracted.clear();
    for _ in 0..reader.length() {
        retracted.push(ScanId(reader.number()));
    }
}

pub(super) fn milestone(reader: &mut Reader<'_>) -> Option<Milestone> {
    reader.one_of(&Milestone::ALL)
}

fn place(reader: &mut Reader<'_>) -> Option<FcId> {
    let place = FcId::parse(reader.text());
    reader.some(place)
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
