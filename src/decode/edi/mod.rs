//! What X12 and EDIFACT share: segments, elements, text, and the parts that come out.
//!
//! Enters: the bytes of an interchange and the delimiters that its header names. Leaves: segments and elements that
//! borrow the message; a [`Parts`] that numbers what a message gave. Always true: one pass over the bytes, and no look
//! back over earlier segments, so that time grows with the length alone; surplus elements are tolerated, missing ones
//! are empty; every transaction set ends as scans or as one rejection with the place of its first fault.
//!
//! `time` reads dates and time codes, `zones` knows which time zone a place has, `set` makes scans of what a
//! transaction set said. The two readers are `x12` and `edifact`.

mod segments;
mod set;
mod time;
mod zones;

use std::borrow::Cow;
use std::ops::Range;

use super::message::Message;
use super::scan::quoted;
use super::{Part, Rejection};
use crate::model::DeadLetterReason;

pub(crate) use segments::skip_filler;
pub use segments::{Segment, Segments};
pub(crate) use set::{CodeSet, Emptied, Event, Happened, Place, References, Set, Strength, Written};
pub(crate) use time::{When, edifact_time, x12_date, x12_time, x12_zone};
pub(crate) use zones::Zones;

/// What is kept from one message to the next.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) zones: Zones,
    pub(crate) memory: Emptied,
}

/// The bytes that structure an interchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delimiters {
    pub(crate) element: u8,
    pub(crate) component: u8,
    pub(crate) segment: u8,
    /// Takes the meaning from the byte that follows.
    pub(crate) release: Option<u8>,
}

impl Delimiters {
    /// The text of an element: without padding and release characters. What is not UTF-8 is read as Windows-1252.
    pub(crate) fn text<'m>(&self, element: &'m [u8]) -> Cow<'m, str> {
        let trimmed = element.trim_ascii();
        let released = self.release.is_some_and(|release| memchr::memchr(release, trimmed).is_some());
        match std::str::from_utf8(trimmed) {
            Ok(text) if !released => Cow::Borrowed(text),
            Ok(text) => Cow::Owned(self.without_release(text.chars())),
            Err(_) if !released => Cow::Owned(trimmed.iter().map(|b| windows_1252(*b)).collect()),
            Err(_) => Cow::Owned(self.without_release(trimmed.iter().map(|b| windows_1252(*b)))),
        }
    }

    fn without_release(&self, mut chars: impl Iterator<Item = char>) -> String {
        let release = self.release.map(char::from);
        let mut text = String::new();
        while let Some(c) = chars.next() {
            if Some(c) == release {
                text.extend(chars.next());
            } else {
                text.push(c);
            }
        }
        text
    }

    /// The first components of a composite element.
    pub(crate) fn components<'m, const N: usize>(&self, element: &'m [u8]) -> [&'m [u8]; N] {
        split(element, self.component, self.release)
    }
}

/// How the elements of a piece of a message are read as text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'m> {
    delimiters: Delimiters,
    /// The piece, if all of it is UTF-8: then an element need not be looked at again.
    piece: Option<&'m str>,
}

impl<'m> Words<'m> {
    /// Of a piece in which no release character is, `delimiters` has none.
    pub(crate) fn of(piece: &'m [u8], delimiters: Delimiters) -> Words<'m> {
        Words { delimiters, piece: std::str::from_utf8(piece).ok() }
    }

    /// The text of an element, as [`Delimiters::text`] reads it.
    #[inline]
    pub(crate) fn text(&self, element: &'m [u8]) -> Cow<'m, str> {
        let trimmed = element.trim_ascii();
        let borrowed = self.piece.filter(|_| self.delimiters.release.is_none()).and_then(|piece| {
            let from = trimmed.as_ptr().addr().wrapping_sub(piece.as_ptr().addr());
            piece.get(from..from.checked_add(trimmed.len())?)
        });
        borrowed.map_or_else(|| self.delimiters.text(trimmed), Cow::Borrowed)
    }

    /// The text, if there is any.
    #[inline]
    pub(crate) fn some_text(&self, element: &'m [u8]) -> Option<Cow<'m, str>> {
        (!is_blank(element)).then(|| self.text(element))
    }
}

/// Whether an element says nothing.
pub(crate) fn is_blank(element: &[u8]) -> bool {
    element.trim_ascii().is_empty()
}

/// The bytes 0x80 to 0x9f of Windows-1252; the others are Latin-1.
fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..0xa0 => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// The first `N` pieces between separators; missing ones are empty, surplus ones are left.
#[inline]
fn split<const N: usize>(bytes: &[u8], separator: u8, release: Option<u8>) -> [&[u8]; N] {
    let mut rest = Some(bytes);
    std::array::from_fn(|_| {
        let Some(piece) = rest else { return &bytes[bytes.len()..] };
        let length = match release {
            None => piece.iter().position(|b| *b == separator),
            Some(release) => unreleased(piece, separator, release),
        };
        let (piece, behind) = match length {
            Some(length) => (&piece[..length], Some(&piece[length + 1..])),
            None => (piece, None),
        };
        rest = behind;
        piece
    })
}

/// Where the first separator stands that no release character stands before.
#[cold]
fn unreleased(bytes: &[u8], separator: u8, release: u8) -> Option<usize> {
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            byte if byte == separator => return Some(at),
            byte if byte == release => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// What is wrong with a transaction set or an interchange, and where.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) position: usize,
    pub(crate) detail: String,
}

impl Fault {
    #[cold]
    pub(crate) fn new(position: usize, detail: impl Into<String>) -> Fault {
        Fault { position, detail: detail.into() }
    }

    /// A fault of an element: `number` counts the segments of the set, its header being 1.
    #[cold]
    pub(crate) fn element(
        segment: &Segment<'_>,
        number: u32,
        element: (usize, &[u8]),
        expected: &str,
    ) -> Fault {
        let (index, found) = element;
        let tag = String::from_utf8_lossy(segment.tag()).into_owned();
        let found = quoted(&segment.delimiters.text(found));
        Fault {
            position: segment.position(element.1),
            detail: format!(
                "segment {number} ({tag}), element {index}: {expected} is expected, found {found}"
            ),
        }
    }
}

/// The parts of a message of EDI, numbered as they come.
pub(crate) struct Parts<'p, 'm, 's> {
    pub(crate) message: &'p mut Message<'m, 's>,
    next: u32,
}

impl<'p, 'm, 's> Parts<'p, 'm, 's> {
    pub(crate) fn new(message: &'p mut Message<'m, 's>) -> Self {
        Parts { message, next: 0 }
    }

    /// The message.
    pub(crate) fn bytes(&self) -> &'m [u8] {
        self.message.bytes
    }

    /// Whether the message gave anything so far.
    pub(crate) fn any(&self) -> bool {
        self.next > 0
    }

    /// The number of the next part.
    pub(crate) fn number(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    /// A piece of the message that is no scan.
    #[cold]
    pub(crate) fn reject(&mut self, range: Range<usize>, reason: DeadLetterReason, fault: Fault) {
        let index = Some(self.number());
        let rejection = Rejection { reason, detail: fault.detail, position: Some(fault.position) };
        (self.message.sink)(Part::Rejected { index, rejection, bytes: &self.message.bytes[range] });
    }

    /// All that is left of the message, from `start` on: as a whole, when nothing was read before.
    #[cold]
    pub(crate) fn reject_rest(&mut self, start: usize, fault: Fault) {
        if self.next > 0 {
            return self.reject(start..self.message.bytes.len(), DeadLetterReason::BadEdi, fault);
        }
        self.next += 1;
        self.message.reject_whole(DeadLetterReason::BadEdi, fault.detail, Some(fault.position));
    }

    /// Something that is not as it should be, and is read all the same.
    #[cold]
    pub(crate) fn warn(&mut self, position: usize, detail: impl Into<String>) {
        (self.message.sink)(Part::Warned { detail: detail.into(), position });
    }

    /// A count or control number of a trailer that does not agree with what was read.
    pub(crate) fn compare(
        &mut self,
        segment: &Segment<'_>,
        element: (usize, &[u8]),
        actual: &[u8],
        what: &str,
    ) {
        let (index, found) = element;
        let plain = |bytes: &[u8]| {
            let trimmed = bytes.trim_ascii();
            let zeros = trimmed.iter().take_while(|b| **b == b'0').count();
            trimmed[zeros.min(trimmed.len().saturating_sub(1))..].to_vec()
        };
        if found.trim_ascii() != actual.trim_ascii() && plain(found) != plain(actual) {
            let tag = String::from_utf8_lossy(segment.tag()).into_owned();
            let found = quoted(&segment.delimiters.text(found));
            let actual = quoted(&segment.delimiters.text(actual));
            self.warn(
                segment.position(element.1),
                format!("{tag}, element {index}: {what} is {actual}, it says {found}"),
            );
        }
    }

    /// The end of the message: a message without any transaction set is told.
    pub(crate) fn finish(mut self, start: usize) {
        if self.next == 0 {
            self.reject_rest(start, Fault::new(start, "an interchange without a transaction set"));
        }
    }
}
