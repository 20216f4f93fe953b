//! General JSON parsers, as anybody would use them for scans: into a borrowed struct, with all buffers reused.
//!
//! Enters: the bytes of readable scans. Leaves: how many were seen, and how long their tracking IDs are together. Always
//! true: all readers fill the same fields; the borrowed ones refuse strings with escapes, which the world does not write.

use std::hint::black_box;

use serde::Deserialize;

/// What every reader must report of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) scans: usize,
    tracking_id_bytes: usize,
}

impl Seen {
    pub(crate) fn scan(&mut self, tracking_id: &str) {
        self.scans += 1;
        self.tracking_id_bytes += tracking_id.len();
    }
}

/// The fields of a scan, borrowed.
#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed like ours, so that the work is the same")]
pub(crate) struct Borrowed<'a> {
    scan_id: Option<&'a str>,
    carrier: Option<&'a str>,
    #[serde(borrow)]
    tracking_id: Option<&'a str>,
    code: Option<&'a str>,
    code_set: Option<&'a str>,
    milestone: Option<&'a str>,
    event_time: Option<&'a str>,
    location: Option<BorrowedLocation<'a>>,
    reason: Option<&'a str>,
    eta: Option<&'a str>,
    appointment: Option<BorrowedAppointment<'a>>,
    #[serde(default)]
    retracts: Option<Vec<&'a str>>,
    description: Option<&'a str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed like ours, so that the work is the same")]
struct BorrowedLocation<'a> {
    facility: Option<&'a str>,
    city: Option<&'a str>,
    state: Option<&'a str>,
    postal_code: Option<&'a str>,
    country: Option<&'a str>,
    #[serde(borrow)]
    fc: Option<&'a str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed like ours, so that the work is the same")]
struct BorrowedAppointment<'a> {
    start: Option<&'a str>,
    #[serde(borrow)]
    end: Option<&'a str>,
}

pub(crate) fn see_borrowed(scan: &Borrowed<'_>, seen: &mut Seen) {
    black_box(scan);
    seen.scan(scan.tracking_id.expect("a scan has a number"));
}

pub(crate) const READABLE: &str = "a readable scan is JSON";

/// simd-json with everything it can use again: it rewrites what it reads, so each text is copied first.
#[derive(Default)]
pub(crate) struct Simd {
    buffers: simd_json::Buffers,
    text: Vec<u8>,
}

impl Simd {
    /// Reads a message of that shape: `object`, `array` or `ndjson`.
    pub(crate) fn read(&mut self, shape: &str, bytes: &[u8], seen: &mut Seen) {
        match shape {
            "object" => self.object(bytes, seen),
            "array" => {
                let Simd { buffers, text } = self;
                text.clear();
                text.extend_from_slice(bytes);
                let scans: Vec<Borrowed<'_>> =
                    simd_json::serde::from_slice_with_buffers(text, buffers).expect(READABLE);
                scans.iter().for_each(|scan| see_borrowed(scan, seen));
            }
            _ => bytes.split(|byte| *byte == b'\n').for_each(|line| self.object(line, seen)),
        }
    }

    fn object(&mut self, bytes: &[u8], seen: &mut Seen) {
        let Simd { buffers, text } = self;
        text.clear();
        text.extend_from_slice(bytes);
        see_borrowed(&simd_json::serde::from_slice_with_buffers(text, buffers).expect(READABLE), seen);
    }
}
