//! The shapes of a message: one object, an array, lines, an interchange.
//!
//! Enters: the bytes of a message of `scans`. Leaves: its parts, in order. Always true: an array is applied only when
//! all of it is JSON; an element is judged as if it were alone; positions count from the message's first byte; it makes no
//! difference which elements the learned reader has read.

use std::ops::Range;

use serde::de::SeqAccess;

use super::edi::{Kept, Parts};
use super::json::{self, Fast};
use super::learned::{Learned, LearnedCounts};
use super::outline::{self, Elements};
use super::profile::{FeedReader, Profile};
use super::raw::{Element, RawScan};
use super::scan::Refusal;
use super::shape::{Accept, Any, Shape};
use super::{Context, Part, Rejection, edifact, x12};
use crate::model::{DeadLetterReason, Timestamp};

/// Reads messages of `scans`. One per worker: it keeps its buffers, and what it has learned of its feeds.
pub struct Decoder {
    fast: Fast,
    /// None: every element goes to the general readers.
    learned: Option<Learned>,
    /// The same for feeds with a profile.
    learned_feeds: Option<Learned>,
    kept: Kept,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("learned", &self.learned_counts()).finish_non_exhaustive()
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
    /// How its feed writes.
    pub(crate) profile: Option<&'m Profile>,
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

/// Takes what a message holds.
trait Taker {
    /// An element that was read. Its piece is asked for only when it is needed.
    fn settle<'p>(&mut self, element: &Element<'_>, index: Option<u32>, piece: impl FnOnce() -> Piece<'p>);

    /// A piece that holds none; the position so far counts from the piece's start.
    fn reject(&mut self, piece: Piece<'_>, rejection: Rejection);

    /// A message of which nothing is applied.
    fn reject_whole(&mut self, reason: DeadLetterReason, detail: String, position: Option<usize>);
}

impl Decoder {
    /// A decoder with small buffers, which has learned nothing yet.
    pub fn new() -> Decoder {
        Decoder {
            fast: Fast::new(),
            learned: Some(Learned::of_scans()),
            learned_feeds: Some(Learned::of_objects()),
            kept: Kept::default(),
        }
    }

    /// A decoder that never learns: the same outcomes, slower. What the learned reader is held against.
    pub fn general() -> Decoder {
        Decoder { learned: None, learned_feeds: None, ..Decoder::new() }
    }

    /// A decoder of the same kind that has seen nothing.
    pub(super) fn anew(&self) -> Decoder {
        if self.learned.is_some() { Decoder::new() } else { Decoder::general() }
    }

    /// What the learned reader has done so far, for feeds in the contract's own form.
    pub fn learned_counts(&self) -> LearnedCounts {
        self.learned.as_ref().map(Learned::counts).unwrap_or_default()
    }

    /// The same for feeds with a profile that says where fields are.
    pub fn learned_feeds_counts(&self) -> LearnedCounts {
        self.learned_feeds.as_ref().map(Learned::counts).unwrap_or_default()
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
        let mut message = Message { context, record_time, profile, bytes, sink };
        let bytes_max = context.settings.message_bytes_max;
        if bytes.len() > bytes_max {
            let detail = format!("{} bytes; at most {bytes_max} are read", bytes.len());
            message.reject_whole(DeadLetterReason::TooLarge, detail, None);
            return;
        }
        let (start, text) = body(bytes);
        let promise = Promise::of(content_type);
        let Some(profile) = profile.filter(|profile| profile.has_fields()) else {
            if self.learned_object(&mut message, promise, text, start) {
                return;
            }
            match Format::of(promise, bytes, text) {
                Format::X12 => x12::read(Parts::new(&mut message), &mut self.kept, start),
                Format::Edifact => edifact::read(Parts::new(&mut message), &mut self.kept, start),
                format => self.json(&mut message, format, text, start),
            }
            return;
        };
        let learned = self.learned_feeds.as_mut();
        match Format::of(promise, bytes, text) {
            Format::Object => {
                FeedReader::new(profile, &mut message, &mut self.fast, learned).element(text, start, false);
            }
            Format::Array => {
                FeedReader::new(profile, &mut message, &mut self.fast, learned).array(text, start)
            }
            Format::Lines => {
                let mut feed = FeedReader::new(profile, &mut message, &mut self.fast, learned);
                lines(text).for_each(|(at, line)| feed.element(line, start + at, true));
            }
            Format::X12 => x12::read(Parts::new(&mut message), &mut self.kept, start),
            Format::Edifact => edifact::read(Parts::new(&mut message), &mut self.kept, start),
            format => self.json(&mut message, format, text, start),
        }
    }

    /// Reads what was written in a message of the contract's own form, and asks nothing about what it means: the half of
    /// [`Decoder::decode`] that a JSON parser does, too. Each element is shown to `sink`, or none in the place of one that is
    /// no object of that form: no JSON, a known field of a wrong kind, a known key twice. A message that is no JSON at all is
    /// one such element.
    pub fn read_raw(
        &mut self,
        content_type: Option<&[u8]>,
        bytes: &[u8],
        sink: &mut dyn FnMut(Option<&RawScan<'_>>),
    ) {
        let (start, text) = body(bytes);
        let promise = Promise::of(content_type);
        let mut written = Written { sink };
        if !self.learned_object(&mut written, promise, text, start) {
            self.json(&mut written, Format::of(promise, bytes, text), text, start);
        }
    }

    fn json(&mut self, taker: &mut impl Taker, format: Format, text: &[u8], start: usize) {
        let whole = |detail: &str| (DeadLetterReason::UnknownFormat, detail.to_owned(), Some(start));
        let (reason, detail, position) = match format {
            Format::Object => return self.element(taker, Piece { index: None, text, start }),
            Format::Array => return self.array(taker, text, start),
            Format::Lines => return self.lines(taker, text, start),
            Format::Nothing => return,
            Format::X12 | Format::Edifact => whole("an interchange"),
            Format::Unknown(detail) => whole(detail),
        };
        taker.reject_whole(reason, detail, position);
    }

    /// Reads a message that is one object of a known shape. It needs no look at its format: it holds no second line.
    fn learned_object(
        &mut self,
        taker: &mut impl Taker,
        promise: Promise,
        text: &[u8],
        start: usize,
    ) -> bool {
        let Some(learned) = &mut self.learned else { return false };
        if !matches!(promise, Promise::Json | Promise::Unknown) {
            return false;
        }
        let mut element = Element::default();
        let walked = learned.read(text, 0, &mut element.raw);
        if walked.is_none_or(|walked| walked.end < text.len()) {
            return false;
        }
        learned.hit();
        taker.settle(&element, None, || Piece { index: None, text, start });
        true
    }

    /// Reads an element with the general readers.
    fn element(&mut self, taker: &mut impl Taker, piece: Piece<'_>) {
        let read = self.fast.read(piece.text, |good| {
            let mut element = Element::default();
            good.show(&mut element);
            taker.settle(&element, piece.index, || piece);
        });
        let mut is_good = read.is_some();
        if !is_good {
            let mut element = Element::default();
            match json::careful(piece.text, &mut element) {
                Ok(()) => {
                    taker.settle(&element, piece.index, || piece);
                    is_good = true;
                }
                Err(rejection) => taker.reject(piece, rejection),
            }
        }
        if let Some(learned) = &mut self.learned {
            learned.missed(is_good.then_some(piece.text));
        }
    }

    fn lines(&mut self, taker: &mut impl Taker, text: &[u8], start: usize) {
        let mut at = outline::skip_blanks(text, 0);
        for index in 0.. {
            if at == text.len() {
                break;
            }
            let end = match self.learned_line(taker, index, text, at, start) {
                Some(end) => end,
                None => {
                    let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |length| at + length);
                    let (_, line) = outline::trim(&text[at..end]);
                    self.element(taker, Piece { index: Some(index), text: line, start: start + at });
                    end
                }
            };
            at = outline::skip_blanks(text, end);
        }
    }

    /// Reads the line that begins at `at`, if it is one object of a known shape; says where it ends.
    fn learned_line(
        &mut self,
        taker: &mut impl Taker,
        index: u32,
        text: &[u8],
        at: usize,
        start: usize,
    ) -> Option<usize> {
        let learned = self.learned.as_mut()?;
        let mut element = Element::default();
        let walked = learned.read(text, at, &mut element.raw)?;
        let rest = &text[walked.end..];
        let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r')).count();
        if walked.has_line_break || !matches!(rest.get(blanks), None | Some(b'\n')) {
            return None;
        }
        learned.hit();
        taker.settle(&element, Some(index), || Piece {
            index: Some(index),
            text: &text[at..walked.end],
            start: start + at,
        });
        Some(walked.end + blanks)
    }

    fn array(&mut self, taker: &mut impl Taker, text: &[u8], start: usize) {
        if let Some(held) = self.learned_array(text) {
            for (index, Held { range, element }) in (0..).zip(held) {
                let piece =
                    Piece { index: Some(index), start: start + range.start, text: &text[range.clone()] };
                match (element, &mut self.learned) {
                    (Some(element), Some(learned)) => {
                        learned.hit();
                        taker.settle(&element, Some(index), || piece);
                    }
                    _ => self.element(taker, piece),
                }
            }
            return;
        }
        let read = self.fast.read(text, |good| {
            good.show(Batch { taker, text, start });
        });
        if read.is_some() {
            if let Some(learned) = &mut self.learned {
                Elements::of(text).for_each(|range| learned.missed(Some(&text[range])));
            }
            return;
        }
        // Broken, or good JSON that the fast reader leaves to the careful one: deep, large, or with huge numbers.
        if let Err(Rejection { reason, detail, position }) = json::valid(text) {
            taker.reject_whole(reason, detail, position.map(|at| start + at));
            return;
        }
        for (index, range) in (0..).zip(Elements::of(text)) {
            let piece = Piece { index: Some(index), start: start + range.start, text: &text[range] };
            self.element(taker, piece);
        }
    }

    /// The elements of an array that is good to its end and mostly of known shapes. None is settled before the end: a broken
    /// array is rejected whole.
    fn learned_array<'m>(&mut self, text: &'m [u8]) -> Option<Vec<Held<'m>>> {
        let learned = self.learned.as_mut()?;
        let mut held: Vec<Held<'m>> = Vec::new();
        let mut at = outline::skip_blanks(text, 1);
        let mut unknown = 0;
        loop {
            if held.len() == HELD_MAX {
                return None;
            }
            held.push(Held { range: at..at, element: Some(Element::default()) });
            let count = held.len();
            let one = held.last_mut()?;
            let walked = one.element.as_mut().and_then(|element| learned.read(text, at, &mut element.raw));
            let end = match walked {
                Some(walked) => walked.end,
                None => {
                    one.element = None;
                    unknown += 1;
                    if unknown > UNKNOWN_MAX + count / UNKNOWN_SHARE {
                        return None;
                    }
                    let end = outline::value_end(text, at)?;
                    self.fast.read(&text[at..end], |_| ())?;
                    end
                }
            };
            one.range.end = end;
            if count == 1 {
                held.reserve((text.len() / (end - at)).min(HELD_MAX));
            }
            at = outline::skip_blanks(text, end);
            match text.get(at)? {
                b',' => at = outline::skip_blanks(text, at + 1),
                b']' if at + 1 == text.len() => return Some(held),
                _ => return None,
            }
        }
    }
}

/// The most elements of an array that are held; more are read by the general reader.
const HELD_MAX: usize = 4_096;

/// Elements of an array that may be unknown, and how many known ones allow for one more: then reading all of it with the
/// general reader is quicker.
const UNKNOWN_MAX: usize = 2;
const UNKNOWN_SHARE: usize = 8;

/// An element of an array of which the end was not seen yet.
struct Held<'m> {
    range: Range<usize>,
    /// What was read; none for one that the general reader reads in its turn.
    element: Option<Element<'m>>,
}

/// Where the text of a message starts, and the text: without byte order mark and blanks around it.
fn body(bytes: &[u8]) -> (usize, &[u8]) {
    let bom = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let (blanks, text) = outline::trim(&bytes[bom..]);
    (bom + blanks, text)
}

/// Shows elements as they are written.
struct Written<'s> {
    sink: &'s mut dyn FnMut(Option<&RawScan<'_>>),
}

impl Taker for Written<'_> {
    #[inline(always)]
    fn settle<'p>(&mut self, element: &Element<'_>, _: Option<u32>, _: impl FnOnce() -> Piece<'p>) {
        let is_good = element.repeated.is_none() && element.wrong.is_none() && !element.bad_number;
        (self.sink)(is_good.then_some(&element.raw));
    }

    fn reject(&mut self, _: Piece<'_>, _: Rejection) {
        (self.sink)(None);
    }

    fn reject_whole(&mut self, _: DeadLetterReason, _: String, _: Option<usize>) {
        (self.sink)(None);
    }
}

impl Taker for Message<'_, '_> {
    #[inline]
    fn settle<'p>(&mut self, element: &Element<'_>, index: Option<u32>, piece: impl FnOnce() -> Piece<'p>) {
        match self.context.scan(self.record_time, element, self.profile) {
            Ok(scan) => {
                (self.sink)(Part::Scan { index: index.unwrap_or(0), scan, raw: &element.raw });
            }
            Err(Refusal { reason, field, nth, detail }) => {
                let piece = piece();
                let at = outline::field(piece.text, field, nth).unwrap_or(0);
                self.reject(piece, Rejection { reason, detail, position: Some(at) });
            }
        }
    }

    #[cold]
    fn reject(&mut self, piece: Piece<'_>, mut rejection: Rejection) {
        rejection.position = rejection.position.map(|at| piece.start + at);
        let bytes = if piece.index.is_some() { piece.text } else { self.bytes };
        (self.sink)(Part::Rejected { index: piece.index, rejection, bytes });
    }

    #[cold]
    fn reject_whole(&mut self, reason: DeadLetterReason, detail: String, position: Option<usize>) {
        Message::reject_whole(self, reason, detail, position);
    }
}

impl Message<'_, '_> {
    #[cold]
    pub(crate) fn reject_whole(&mut self, reason: DeadLetterReason, detail: String, position: Option<usize>) {
        let rejection = Rejection { reason, detail, position };
        (self.sink)(Part::Rejected { index: None, rejection, bytes: self.bytes });
    }
}

/// Settles the elements of an array one by one.
struct Batch<'b, 'a, T> {
    taker: &'b mut T,
    text: &'a [u8],
    start: usize,
}

impl<'de, T: Taker> Accept<'de> for Batch<'_, '_, T> {
    type Out = ();

    fn shape(self, _: Shape) {}

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Batch { taker, text, start } = self;
        // Advanced only as far as the last rejected element: the happy path needs no places.
        let mut places = (0..).zip(Elements::of(text));
        for index in 0.. {
            let mut element = Element::default();
            if list.next_element_seed(Any(&mut element))?.is_none() {
                break;
            }
            taker.settle(&element, Some(index), || {
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
    fn of(promise: Promise, bytes: &[u8], text: &[u8]) -> Format {
        if bytes.is_empty() {
            return Format::Unknown("an empty value");
        }
        if text.is_empty() {
            return Format::Nothing;
        }
        match (promise, text) {
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
    fn of(content_type: Option<&[u8]>) -> Promise {
        let Some(content_type) = content_type else { return Promise::Unknown };
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
