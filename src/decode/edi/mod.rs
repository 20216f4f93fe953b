//! What X12 and EDIFACT share: segments, elements, text, and the parts that come out.
//!
//! Enters: the bytes of an interchange and the delimiters that its header names. Leaves: segments and elements that
//! borrow the message; a [`Parts`] that numbers what a message gave. Always true: one pass over the bytes, and no look
//! back over earlier segments, so that time grows with the length alone; surplus elements are tolerated, missing ones
//! are empty; every transaction set ends as scans or as one rejection with the place of its first fault.
//!
//! `time` reads dates and time codes, `zones` knows which time zone a place has, `set` makes scans of what a
//! transaction set said. The two readers are `x12` and `edifact`.

mod set;
mod time;
mod zones;

use std::borrow::Cow;
use std::ops::Range;

use super::message::Message;
use super::scan::quoted;
use super::{Part, Rejection};
use crate::model::DeadLetterReason;

pub(crate) use set::{CodeSet, Event, Happened, Place, References, Set, Strength, Written};
pub(crate) use time::{When, edifact_time, x12_date, x12_time, x12_zone};
pub(crate) use zones::Zones;

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

    /// The text, if there is any.
    pub(crate) fn some_text<'m>(&self, element: &'m [u8]) -> Option<Cow<'m, str>> {
        (!is_blank(element)).then(|| self.text(element))
    }

    /// The first components of a composite element.
    pub(crate) fn components<'m, const N: usize>(&self, element: &'m [u8]) -> [&'m [u8]; N] {
        split(element, self.component, self.release)
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
fn split<const N: usize>(bytes: &[u8], separator: u8, release: Option<u8>) -> [&[u8]; N] {
    let mut pieces = [&bytes[bytes.len()..]; N];
    let mut from = 0;
    let mut at = 0;
    let mut piece = 0;
    while at < bytes.len() {
        if bytes[at] == separator {
            pieces[piece] = &bytes[from..at];
            piece += 1;
            from = at + 1;
            if piece == N {
                return pieces;
            }
        } else if Some(bytes[at]) == release {
            at += 1;
        }
        at += 1;
    }
    pieces[piece] = &bytes[from..];
    pieces
}

/// A segment, without its terminator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'m> {
    pub(crate) body: &'m [u8],
    /// Where it starts in the message.
    pub(crate) start: usize,
    /// What its elements are split by.
    pub(crate) delimiters: Delimiters,
}

impl<'m> Segment<'m> {
    /// Its name.
    pub(crate) fn tag(&self) -> &'m [u8] {
        let Delimiters { element, component, .. } = self.delimiters;
        let head = &self.body[..self.body.len().min(4)];
        let end = head.iter().position(|b| *b == element || *b == component).unwrap_or(self.body.len());
        self.body[..end].trim_ascii()
    }

    /// The tag and the elements behind it, so that the index of an element is its number.
    pub(crate) fn elements<const N: usize>(&self) -> [&'m [u8]; N] {
        split(self.body, self.delimiters.element, self.delimiters.release)
    }

    /// Where an element of it stands in the message.
    pub(crate) fn position(&self, element: &[u8]) -> usize {
        let into = element.as_ptr().addr().wrapping_sub(self.body.as_ptr().addr());
        self.start + into.min(self.body.len())
    }
}

/// The segments of an interchange. Line breaks around them are no part of them.
#[derive(Clone, Debug)]
pub(crate) struct Segments<'m> {
    bytes: &'m [u8],
    at: usize,
    delimiters: Delimiters,
}

impl<'m> Segments<'m> {
    /// The segments from `at` on.
    pub(crate) fn new(bytes: &'m [u8], at: usize, delimiters: Delimiters) -> Segments<'m> {
        Segments { bytes, at, delimiters }
    }

    /// Where the next one may start.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The terminator at or after `from`.
    fn terminator(&self, from: usize) -> usize {
        let Delimiters { segment, release, .. } = self.delimiters;
        let Some(release) = release else {
            return memchr::memchr(segment, &self.bytes[from..]).map_or(self.bytes.len(), |at| from + at);
        };
        let mut at = from;
        loop {
            let Some(found) = self.bytes.get(at..).and_then(|rest| memchr::memchr2(segment, release, rest))
            else {
                return self.bytes.len();
            };
            at += found;
            if self.bytes[at] == segment {
                return at;
            }
            at += 2;
        }
    }
}

impl<'m> Iterator for Segments<'m> {
    type Item = Segment<'m>;

    fn next(&mut self) -> Option<Segment<'m>> {
        loop {
            let start = skip_filler(self.bytes, self.at);
            if start == self.bytes.len() {
                self.at = start;
                return None;
            }
            let end = self.terminator(start);
            self.at = (end + 1).min(self.bytes.len());
            let body = self.bytes[start..end].trim_ascii_end();
            if !body.is_empty() {
                return Some(Segment { body, start, delimiters: self.delimiters });
            }
        }
    }
}

/// The position after white space and what old systems pad files with.
pub(crate) fn skip_filler(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let solid = rest.iter().position(|b| !(b.is_ascii_whitespace() || matches!(b, 0 | 0x1a)));
    from + solid.unwrap_or(rest.len())
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
