//! An interchange as segments and elements.
//!
//! Enters: bytes, and the delimiters that their header names. Leaves: one [`Segment`] after the other, with the places where
//! its first elements end. Always true: each byte is looked at once, many at a time; no segment is kept that was left behind;
//! what follows a release character is never a delimiter.

use std::cmp::Ordering;

use super::Delimiters;
use crate::decode::lanes::{self, Lanes, WIDTH};

/// As many elements of a segment can be asked for, its tag included.
const ELEMENTS_MAX: usize = 12;

/// A segment, without its terminator.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'m> {
    pub(crate) body: &'m [u8],
    /// Where it starts in the message.
    pub(crate) start: usize,
    /// Where the next one may start.
    pub(crate) end: usize,
    /// What its elements are split by; without a release character when none is in it.
    pub(crate) delimiters: Delimiters,
    /// Where its first elements end, before white space was cut off.
    ends: [usize; ELEMENTS_MAX],
    count: usize,
}

impl<'m> Segment<'m> {
    /// Its name.
    pub fn tag(&self) -> &'m [u8] {
        let Delimiters { element, component, .. } = self.delimiters;
        let head = &self.body[..self.body.len().min(4)];
        let end = head.iter().position(|b| *b == element || *b == component).unwrap_or(self.body.len());
        self.body[..end].trim_ascii()
    }

    /// The tag and the elements behind it, so that the index of an element is its number. Missing ones are empty, surplus
    /// ones are left.
    #[inline]
    pub fn elements<const N: usize>(&self) -> [&'m [u8]; N] {
        const { assert!(N <= ELEMENTS_MAX) };
        let length = self.body.len();
        let mut from = 0;
        std::array::from_fn(|at| {
            let end = match at.cmp(&self.count) {
                Ordering::Less => self.ends[at].min(length),
                Ordering::Equal => length,
                Ordering::Greater => return &self.body[length..],
            };
            let element = &self.body[from..end];
            from = (end + 1).min(length);
            element
        })
    }

    /// The first components of a composite element.
    #[inline]
    pub fn components<const N: usize>(&self, element: &'m [u8]) -> [&'m [u8]; N] {
        self.delimiters.components(element)
    }

    /// Where an element of it stands in the message.
    pub(crate) fn position(&self, element: &[u8]) -> usize {
        let into = element.as_ptr().addr().wrapping_sub(self.body.as_ptr().addr());
        self.start + into.min(self.body.len())
    }
}

/// The segments of an interchange. Line breaks around them are no part of them.
#[derive(Clone, Debug)]
pub struct Segments<'m> {
    marks: Marks<'m>,
    delimiters: Delimiters,
    /// The one that was read last.
    segment: Segment<'m>,
}

impl<'m> Segments<'m> {
    /// The segments from `at` on.
    pub(crate) fn new(bytes: &'m [u8], at: usize, delimiters: Delimiters) -> Segments<'m> {
        let Delimiters { element, segment, release, .. } = delimiters;
        Segments {
            marks: Marks {
                bytes,
                base: at,
                next: at,
                bits: 0,
                of: [element, segment, release.unwrap_or(segment)],
            },
            delimiters,
            segment: Segment { body: &[], start: at, end: at, delimiters, ends: [0; ELEMENTS_MAX], count: 0 },
        }
    }

    /// The next one that is not empty; none at the end of the bytes.
    #[inline]
    pub fn advance(&mut self) -> Option<&Segment<'m>> {
        let bytes = self.marks.bytes;
        loop {
            let start = skip_filler(bytes, self.segment.end);
            if start == bytes.len() {
                self.segment.end = start;
                return None;
            }
            let end = self.cut(start);
            self.segment.end = (end + 1).min(bytes.len());
            let body = bytes[start..end].trim_ascii_end();
            if !body.is_empty() {
                self.segment.body = body;
                self.segment.start = start;
                return Some(&self.segment);
            }
        }
    }

    /// Where the segment ends that starts there; its elements are noted.
    #[inline]
    fn cut(&mut self, start: usize) -> usize {
        let Segments { marks, delimiters, segment } = self;
        segment.delimiters.release = None;
        let mut count = 0;
        // What stands before it is no delimiter.
        let mut floor = start;
        let end = loop {
            let Some(at) = marks.next() else { break marks.bytes.len() };
            if at < floor {
                continue;
            }
            let byte = marks.bytes[at];
            if byte == delimiters.segment {
                break at;
            }
            if byte == delimiters.element {
                if count < ELEMENTS_MAX {
                    segment.ends[count] = at - start;
                    count += 1;
                }
            } else {
                segment.delimiters.release = delimiters.release;
                floor = at + 2;
            }
        };
        segment.count = count;
        end
    }
}

/// The positions of all bytes that may be delimiters.
#[derive(Clone, Debug)]
struct Marks<'m> {
    bytes: &'m [u8],
    /// Where the window starts whose bits are left.
    base: usize,
    /// Where the window after it starts.
    next: usize,
    bits: u32,
    of: [u8; 3],
}

impl Marks<'_> {
    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            let rest = self.bytes.get(self.next..).filter(|rest| !rest.is_empty())?;
            self.bits = match rest.first_chunk() {
                Some(window) => lanes::COMMON.any(window, self.of),
                None => {
                    let mut window = [0; WIDTH];
                    window[..rest.len()].copy_from_slice(rest);
                    lanes::COMMON.any(&window, self.of) & ((1 << rest.len()) - 1)
                }
            };
            self.base = self.next;
            self.next += WIDTH;
        }
        let at = self.base + self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(at)
    }
}

/// The position after white space and what old systems pad files with.
pub(crate) fn skip_filler(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let solid = rest.iter().position(|b| !(b.is_ascii_whitespace() || matches!(b, 0 | 0x1a)));
    from + solid.unwrap_or(rest.len())
}
