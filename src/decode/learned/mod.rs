//! The learned reader of JSON text: compares what does not change, and finds where values end.
//!
//! A feed's messages differ in values, rarely in anything else. What a general reader had to parse is learned: the bytes
//! between values, and which field each value is. A later element that has the same bytes between its values is read by
//! comparing them 32 at a time, and its fields are borrowed from the message. Everything else is a miss: a backslash, a control
//! byte or one beyond ASCII in a value, other bytes between two values, a key that stands twice, more than one object. A
//! miss goes to the general reader, and may be learned.
//!
//! Enters: the text of a message and where an element begins. Leaves: its fields and its end, or none. Always true: an element
//! that is read here would be read alike by the general reader, whatever was learned; memory is bounded; what was learned
//! depends on the texts alone.
//!
//! Reading order: `grammar` (what is known, and walking through it), `learn` (how it gets there), `lanes` (many bytes at a
//! time).

mod grammar;
mod learn;

use grammar::{Grammar, Walk, Within};

pub(crate) use grammar::Walked;

use super::lanes;
use super::raw::RawScan;

/// The longest element that is learned, in bytes.
const LEARNED_BYTES_MAX: usize = 16 << 10;
/// The most misses from one lesson to the next, when lessons teach nothing.
const REST_MAX: u32 = 64;

/// What the learned reader of a decoder has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LearnedCounts {
    /// Elements that it has read.
    pub hits: u64,
    /// Elements that went to the general reader.
    pub misses: u64,
    /// Steps between values that were learned.
    pub learned: u64,
    /// Steps that were forgotten, for others to be learned.
    pub evicted: u64,
}

impl LearnedCounts {
    /// Adds another reader's.
    pub fn add(&mut self, other: LearnedCounts) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.learned += other.learned;
        self.evicted += other.evicted;
    }
}

/// What was learned of a feed, and the reader that uses it.
#[derive(Debug)]
pub(crate) struct Learned {
    grammar: Grammar,
    lanes: lanes::Kind,
    /// What its elements are.
    element: Within,
    hits: u64,
    misses: u64,
    /// Misses until the next lesson, and how many there will be after a lesson that teaches nothing.
    rest: u32,
    next_rest: u32,
}

impl Learned {
    /// A reader of scans in the contract's own form.
    pub(crate) fn of_scans() -> Learned {
        Learned {
            grammar: Grammar::new(),
            lanes: lanes::Kind::detect(),
            element: Within::Scan,
            hits: 0,
            misses: 0,
            rest: 0,
            next_rest: 1,
        }
    }

    /// A reader of objects whose fields nobody asks for.
    pub(crate) fn of_objects() -> Learned {
        Learned { element: Within::Object, ..Learned::of_scans() }
    }

    /// Reads the element that begins at `from` into `raw`; when none comes back, `raw` is empty again.
    #[inline]
    pub(crate) fn read<'m>(&mut self, text: &'m [u8], from: usize, raw: &mut RawScan<'m>) -> Option<Walked> {
        let walked = self.lanes.run(Walk { grammar: &mut self.grammar, text, from, raw });
        if walked.is_none() {
            *raw = RawScan::default();
        }
        walked
    }

    /// Notes that what was read is an element.
    #[inline]
    pub(crate) fn hit(&mut self) {
        self.hits += 1;
    }

    /// Notes that the general reader had to read an element; `good` when it is valid JSON, and then it may be learned.
    pub(crate) fn missed(&mut self, good: Option<&[u8]>) {
        self.misses += 1;
        let Some(element) = good.filter(|element| element.len() <= LEARNED_BYTES_MAX) else { return };
        if self.rest > 0 {
            self.rest -= 1;
        } else if learn::learn(&mut self.grammar, self.element, element) > 0 {
            self.next_rest = 1;
        } else {
            self.rest = self.next_rest;
            self.next_rest = (self.next_rest * 2).min(REST_MAX);
        }
    }

    /// What it has done.
    pub(crate) fn counts(&self) -> LearnedCounts {
        let Learned { hits, misses, grammar, .. } = self;
        LearnedCounts { hits: *hits, misses: *misses, learned: grammar.learned, evicted: grammar.evicted }
    }
}
