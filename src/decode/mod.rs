//! Bytes to scans, and bytes to commands.
//!
//! **Enters**: the bytes of one message as they came from the log, its record time, and its `content-type` if it had
//! one. **Leaves**: for a message of `scans`, each scan in the vocabulary of [`model`](crate::model) or a
//! [`Rejection`] with reason, place and original bytes; for a message of `commands`, a [`CommandRecord`] or a
//! rejection. **Always true**: nothing here panics, whatever the bytes; no byte of a message disappears without a
//! part that accounts for it (only blank lines and `[]` hold no scan); the outcome depends on the arguments alone.
//! It does not know topics, offsets, registrations or who asks.
//!
//! A message of scans takes one of five shapes, and each shape says what is rejected alone:
//!
//! | shape | told by | alone | whole |
//! |---|---|---|---|
//! | object | `{`, one object to the end | – | anything wrong |
//! | array | `[` | an element with wrong fields, repeated keys or too deep | broken JSON or UTF-8: nothing of it is applied |
//! | lines (NDJSON) | `content-type`, or `{` with another line after the first object | a bad line | – |
//! | X12, EDIFACT | `content-type`, `ISA`, `UNA`, `UNB` | a bad transaction set, a bad status, a cut-off rest | no set at all |
//!
//! An element is judged as if it were alone, its depth too. Indexes count elements: blank lines have none.
//!
//! Three readers know JSON. The learned one compares what a feed repeats, and lends the values in between; it says yes or
//! nothing. What it leaves goes to the fast one: simd-json over a reused copy, because it rewrites what it reads; it says yes
//! or no and nothing else. What that refuses is re-read by the careful reader, serde_json, which knows byte positions, reads
//! integers of any length, and has the last word. The last two drive the same visitors, and what the learned one knows it has
//! from texts that these found good, so that a scan is the same whichever read it.
//!
//! Reading order: `raw` and `field` (what was written), `scan` (what it means), `json` (the general readers), `learned` (the
//! quick one), `message` (the shapes), `outline` (brackets and strings, for places), `edi` with `x12` and `edifact`, `profile`
//! (a carrier's own JSON), `command`, `bulk` (tables), `guard` (what if a reader is wrong about "nothing here panics").

pub mod bulk;
mod command;
mod edi;
mod edifact;
mod field;
pub mod guard;
mod json;
mod lanes;
mod learned;
mod message;
mod outline;
mod profile;
mod raw;
mod scan;
mod shape;
mod shown;
mod x12;

#[cfg(test)]
mod tests;

use crate::carriers::Catalogue;
use crate::model::{DeadLetterReason, Fcs, Scan, Settings};

pub use command::{CommandRecord, command};
pub use edi::{Segment, Segments};
pub use guard::guarded_command;
pub use learned::LearnedCounts;
pub use message::Decoder;
pub use profile::{Feed, Feeds, Profile, ProfileError, UnknownFeed};
pub use raw::{RawAppointment, RawLocation, RawScan};
pub use shown::Shown;

/// Levels of nesting that are read; a deeper object is refused.
const LEVELS_MAX: usize = 32;

/// What a scan is read against.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Carriers, their canonical numbers and their codes.
    pub catalogue: &'a Catalogue,
    /// Time zones and postal codes of fulfillment centers.
    pub fcs: &'a Fcs,
    /// The rules' settings.
    pub settings: &'a Settings,
}

/// The segments of an interchange of X12 or EDIFACT behind its header, as written: what decoding it begins with.
pub fn segments(interchange: &[u8]) -> Result<Segments<'_>, Rejection> {
    let is_x12 = interchange.starts_with(b"ISA");
    let segments = if is_x12 { x12::segments(interchange) } else { edifact::segments(interchange) };
    segments.map_err(|fault| Rejection {
        reason: DeadLetterReason::BadEdi,
        detail: fault.detail,
        position: Some(fault.position),
    })
}

/// One outcome of a message. A message gives its parts in order.
#[derive(Debug)]
pub enum Part<'a> {
    /// A readable, plausible scan.
    Scan {
        /// Its position among the message's elements, from 0.
        index: u32,
        /// What it means.
        scan: Scan,
        /// What was written.
        raw: &'a RawScan<'a>,
    },
    /// Bytes for the dead letters.
    Rejected {
        /// The position of the bad element; none when it is the whole message.
        index: Option<u32>,
        /// Why.
        rejection: Rejection,
        /// The element's own original bytes, or the message's.
        bytes: &'a [u8],
    },
    /// Something that is not as it should be, and was read all the same. Not an element: it has no index.
    Warned {
        /// What is wrong.
        detail: String,
        /// The byte of the message that it is about.
        position: usize,
    },
}

/// Why bytes were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The stable code.
    pub reason: DeadLetterReason,
    /// What was expected and what was found.
    pub detail: String,
    /// The byte of the message that it is about, when one can be named.
    pub position: Option<usize>,
}
