//! The shapes of a message: one object, an array, lines, an interchange.
//!
//! Enters: the bytes of a message of `scans`. Leaves: its parts, in order. Always true: an array is applied only when
//! all of it is JSON; an element is judged as if it were alone; positions count from the message's first byte.

use serde::de::SeqAccess;

use super::edi::{Parts, Zones};
use super::json::{self, Fast};
use super::outline::{self, Elements};
use super::profile::{FeedReader, Profile};
use super::raw::Element;
use super::scan::Refusal;
use super::shape::{Accept, Any, Shape};
use super::{Context, Part, Rejection, edifact, x12};
use crate::model::{DeadLetterReason, Timestamp};

/// Reads messages of `scans`. One per worker: it keeps its buffers.
pub struct Decoder {
    fast: Fast,
    zones: Zones,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder")
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new()
    }
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Object,
    Array,
    Lines,
    X12,
    Edifact,
    Nothing,
    Unknown(&'static str),
}

/// What `content-type` promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promise {
    Json,
    Lines,
    X12,
    Edifact,
    /// No promise: the first bytes decide.
    Unknown,
}

/// A message on its way.
pub(crate) struct Message<'m, 's> {
    pub(crate) context: &'m Context<'m>,
    pub(crate) record_time: Timestamp,
    /// All of it, as it came.
    pub(crate) bytes: &'m [u8],
    pub(crate) sink: &'s mut dyn FnMut(Part<'_>),
}

/// A piece of the message that holds one element.
#[derive(Clone, Copy)]
struct Piece<'m> {
    /// Its position among the elements; none when it is the whole message.
    index: Option<u32>,
    text: &'m [u8],
    /// Where the text starts in the message.
    start: usize,
}

impl Decoder {
    /// A decoder with small buffers.
    pub fn new() -> Decoder {
        Decoder { fast: Fast::new(), zones: Zones::default() }
    }

    /// Reads one message of the contract's own form and hands its parts to `sink`.
    pub fn decode(
        &mut self,
        context: &Context<'_>,
        record_time: Timestamp,
        content_type: Option<&[u8]>,
        bytes: &[u8],
        sink: &mut dyn FnMut(Part<'_>),
    ) {
        self.decode_feed(context, None, record_time, content_type, bytes, sink);
    }

    /// The same for a feed that may have a profile.
    pub fn decode_feed(
        &mut self,
        context: &Context<'_>,
        profile: Option<&Profile>,
        record_time: Timestamp,
        content_type: Option<&[u8]>,
        bytes: &[u8],
        sink: &mut dyn FnMut(Part<'_>),
    ) {
        let mut message = Message { context, record_time, bytes, sink };
        let bytes_max = context.settings.message_bytes_max;
        if bytes.len() > bytes_max {
            let detail = format!("{} bytes; at most {bytes_max} are read", bytes.len());
            message.reject_whole(DeadLetterReason::TooLarge, detail, None);
            return;
        }
        let bom = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let (blanks, text) = outline::trim(&bytes[bom..]);
        let start = bom + blanks;
        let format = Format::of(content_type, bytes, text);
        if let (Some(profile), Format::Object | Format::Array | Format::Lines) = (profile, format) {
            let mut feed = FeedReader::new(profile, &mut message, &mut self.fast);
            match format {
                Format::Array => feed.array(text, start),
                Format::Lines => lines(text).for_each(|(at, line)| feed.element(line, start + at, true)),
                _ => feed.element(text, start, false),
            }
            return;
        }
        match format {
            Format::Object => self.element(&mut message, Piece { index: None, text, start }),
            Format::Array => self.array(&mut message, text, start),
            Format::Lines => self.lines(&mut message, text, start),
            Format::X12 => x12::read(Parts::new(&mut message), &mut self.zones, start),
            Format::Edifact => edifact::read(Parts::new(&mut message), &mut self.zones, start),
            Format::Nothing => {}
            Format::Unknown(detail) => {
                message.reject_whole(DeadLetterReason::UnknownFormat, detail.to_owned(), Some(start));
            }
        }
    }

    fn element(&mut self, message: &mut Message<'_, '_>, piece: Piece<'_>) {
        let read = self.fast.read(piece.text, |good| {
            let mut element = Element::default();
            good.show(&mut element);
            message.settle(element, piece.index, || piece);
        });
        if read.is_none() {
            let mut element = Element::default();
            match json::careful(piece.text, &mut element) {
                Ok(()) => message.settle(element, piece.index, || piece),
                Err(rejection) => message.reject(piece, rejection),
            }
        }
    }

    fn lines(&mut self, message: &mut Message<'_, '_>, text: &[u8], start: usize) {
        for (index, (line_start, line)) in (0..).zip(lines(text)) {
            self.element(message, Piece { index: Some(index), text: line, start: start + line_start });
        }
    }

    fn array(&mut self, message: &mut Message<'_, '_>, text: &[u8], start: usize) {
        let read = self.fast.read(text, |good| {
            good.show(Batch { message, text, start });
        });
        if read.is_some() {
            return;
        }
        // Broken, or good JSON that the fast reader leaves to the careful one: deep, large, or with huge numbers.
        if let Err(Rejection { reason, detail, position }) = json::valid(text) {
            message.reject_whole(reason, detail, position.map(|at| start + at));
            return;
        }
        for (index, range) in (0..).zip(Elements::of(text)) {
            let piece = Piece { index: Some(index), start: start + range.start, text: &text[range] };
            self.element(message, piece);
        }
    }
}

impl Message<'_, '_> {
    /// Hands on an element that was read. Its piece is asked for only when it is rejected.
    fn settle<'p>(&mut self, element: Element<'_>, index: Option<u32>, piece: impl FnOnce() -> Piece<'p>) {
        match self.context.scan(self.record_time, &element) {
            Ok(scan) => {
                (self.sink)(Part::Scan { index: index.unwrap_or(0), scan, raw: element.raw });
            }
            Err(Refusal { reason, field, nth, detail }) => {
                let piece = piece();
                let at = outline::field(piece.text, field, nth).unwrap_or(0);
                self.reject(piece, Rejection { reason, detail, position: Some(at) });
            }
        }
    }

    /// Hands on a rejected piece; the position so far counts from the piece's start.
    #[cold]
    fn reject(&mut self, piece: Piece<'_>, mut rejection: Rejection) {
        rejection.position = rejection.position.map(|at| piece.start + at);
        let bytes = if piece.index.is_some() { piece.text } else { self.bytes };
        (self.sink)(Part::Rejected { index: piece.index, rejection, bytes });
    }

    #[cold]
    pub(crate) fn reject_whole(&mut self, reason: DeadLetterReason, detail: String, position: Option<usize>) {
        let rejection = Rejection { reason, detail, position };
        (self.sink)(Part::Rejected { index: None, rejection, bytes: self.bytes });
    }
}

/// Settles the elements of an array one by one.
struct Batch<'b, 'm, 's, 'a> {
    message: &'b mut Message<'m, 's>,
    text: &'a [u8],
    start: usize,
}

impl<'de> Accept<'de> for Batch<'_, '_, '_, '_> {
    type Out = ();

    fn shape(self, _: Shape) {}

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Batch { message, text, start } = self;
        // Advanced only as far as the last rejected element: the happy path needs no places.
        let mut places = (0..).zip(Elements::of(text));
        for index in 0.. {
            let mut element = Element::default();
            if list.next_element_seed(Any(&mut element))?.is_none() {
                break;
            }
            message.settle(element, Some(index), || {
                let found = places.find(|(place, _)| *place == index);
                let range = found.map_or(0..text.len(), |(_, range)| range);
                Piece { index: Some(index), start: start + range.start, text: &text[range] }
            });
        }
        Ok(())
    }
}

/// The lines that are not blank, trimmed, and where each starts.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text).map(|at| at + 1));
    starts.filter_map(|start| {
        let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |length| start + length);
        let (blanks, line) = outline::trim(&text[start..end]);
        (!line.is_empty()).then_some((start + blanks, line))
    })
}

impl Format {
    fn of(content_type: Option<&[u8]>, bytes: &[u8], text: &[u8]) -> Format {
        if bytes.is_empty() {
            return Format::Unknown("an empty value");
        }
        if text.is_empty() {
            return Format::Nothing;
        }
        match (Promise::of(content_type.unwrap_or_default()), text) {
            (Promise::Lines, _) => Format::Lines,
            (Promise::X12, _) => Format::X12,
            (Promise::Edifact, _) => Format::Edifact,
            (_, [b'[', ..]) => Format::Array,
            (_, [b'{', ..]) if has_lines(text) => Format::Lines,
            (Promise::Json, _) | (_, [b'{', ..]) => Format::Object,
            (_, [b'I', b'S', b'A', ..]) => Format::X12,
            (_, [b'U', b'N', b'A' | b'B', ..]) => Format::Edifact,
            _ => Format::Unknown("the first bytes are none of `{`, `[`, `ISA`, `UNA`, `UNB`"),
        }
    }
}

impl Promise {
    fn of(content_type: &[u8]) -> Promise {
        let essence = content_type.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        let is = |names: &[&str]| names.iter().any(|name| essence.eq_ignore_ascii_case(name.as_bytes()));
        if is(&["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"])
        {
            Promise::Lines
        } else if is(&["application/json", "text/json"]) {
            Promise::Json
        } else if is(&["application/edi-x12"]) {
            Promise::X12
        } else if is(&["application/edifact"]) {
            Promise::Edifact
        } else {
            Promise::Unknown
        }
    }
}

/// Whether text that starts with `{` is several objects on lines of their own: another line follows where the first
/// object ends. When the first object does not end, it was cut off or is garbage; then a later line that is an object
/// from its first column to its end tells that these are lines.
fn has_lines(text: &[u8]) -> bool {
    if memchr::memchr(b'\n', text).is_none() {
        return false;
    }
    match outline::value_end(text, 0) {
        Some(end) => memchr::memchr(b'\n', &text[end..]).is_some(),
        None => lines(text).skip(1).any(|(start, line)| {
            text[start - 1] == b'\n' && line[0] == b'{' && outline::value_end(line, 0) == Some(line.len())
        }),
    }
}
