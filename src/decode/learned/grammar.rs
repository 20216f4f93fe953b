//! The grammar of a feed: which bytes stand between two values, and which value comes next.
//!
//! A *step* is the text between two values, with all that is known of it: the keys in it, and the value that follows. A *place*
//! is where a value has just ended, with the steps that were seen from there. So each optional field costs a step or two,
//! not twice as many shapes; a shape is a way through the places.
//!
//! Enters: a text. Leaves: where its object ends, and its fields. Always true: two places are one only if the same brackets
//! are open, so that whatever way is walked through steps of valid JSON is valid JSON, and every byte of it is part of a step
//! or of a value that was looked through; a known key stands once. All else is refused, not judged. Places, steps and their
//! text are bounded.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::decode::field::Field;
use crate::decode::lanes::{Lanes, WIDTH, Window, Work, plain_string};
use crate::decode::raw::RawScan;

/// The most places; a feed that needs more makes the grammar forget all and begin anew.
const PLACES_MAX: usize = 128;
/// The most steps from a place; a new one then replaces the one that was taken least.
const STEPS_MAX: usize = 16;
/// The longest step, in bytes.
const STEP_BYTES_MAX: usize = 256;

/// Where every element begins.
const BEGIN: usize = 0;

/// A value between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// None: the element has ended.
    End,
    /// The text of a field.
    Text(Field),
    /// A text that nobody asks for.
    OtherText,
    /// `tracking_id`, written as a number.
    TrackingNumber,
    /// A number that nobody asks for.
    OtherNumber,
}

/// What the keys of a step have in them; of a field the bit of its number.
pub(super) struct Marks;

impl Marks {
    pub(super) const LOCATION: u32 = 1 << 24;
    pub(super) const APPOINTMENT: u32 = 1 << 25;
    /// These may stand once.
    const KEYS: u32 = (1 << 26) - 1;
    /// `appointment` is an object, be it an empty one.
    pub(super) const HAS_APPOINTMENT: u32 = 1 << 26;
    pub(super) const LINE_BREAK: u32 = 1 << 27;

    pub(super) fn of(field: Field) -> u32 {
        1 << field as u32
    }

    /// Whether a key of one stands in the other.
    #[inline]
    pub(super) fn repeat(one: u32, other: u32) -> bool {
        one & other & Marks::KEYS != 0
    }
}

/// An open bracket, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    Scan,
    Location,
    Appointment,
    Retracts,
    /// An object of which nothing is asked.
    Object,
    /// A list of which nothing is asked.
    List,
}

/// What makes a place the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlaceName {
    /// The brackets that are open: this alone decides what may follow.
    pub(super) within: SmallVec<[Within; 8]>,
    /// The value that ended here.
    pub(super) value: Value,
    /// The key of a value that nobody asks for: it tells well what follows.
    pub(super) key: SmallVec<[u8; 16]>,
}

#[derive(Debug)]
struct Place {
    name: PlaceName,
    /// The most taken first.
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    /// Its first bytes.
    head: Window,
    /// A bit for each byte of the head that counts.
    head_bits: u32,
    /// All of it.
    literal: Box<[u8]>,
    marks: u32,
    value: Value,
    /// The place after the value.
    next: usize,
    taken: u32,
}

impl Step {
    fn new(literal: &[u8], marks: u32, value: Value, next: usize) -> Step {
        let mut head = [0; WIDTH];
        let head_length = literal.len().min(WIDTH);
        head[..head_length].copy_from_slice(&literal[..head_length]);
        Step {
            head,
            head_bits: u32::MAX >> (WIDTH - head_length),
            literal: literal.into(),
            marks,
            value,
            next,
            taken: 0,
        }
    }

    fn is(&self, literal: &[u8], value: Value) -> bool {
        self.value == value && *self.literal == *literal
    }

    /// Whether `rest`, which begins with `window`, begins with it.
    #[inline(always)]
    fn begins<L: Lanes>(&self, lanes: L, window: &Window, rest: &[u8]) -> bool {
        let is_head = lanes.equal(window, &self.head) & self.head_bits == self.head_bits;
        is_head && (self.literal.len() <= WIDTH || self.goes_on(lanes, rest))
    }

    /// The same behind the head, window by window; the last one overlaps the one before it.
    #[inline(always)]
    fn goes_on<L: Lanes>(&self, lanes: L, rest: &[u8]) -> bool {
        let Some(rest) = rest.get(..self.literal.len()) else { return false };
        let (text, _) = rest[WIDTH..].as_chunks();
        let (own, _) = self.literal[WIDTH..].as_chunks();
        text.iter().zip(own).all(|(one, other)| lanes.equal(one, other) == u32::MAX)
            && match (rest.last_chunk(), self.literal.last_chunk()) {
                (Some(one), Some(other)) => lanes.equal(one, other) == u32::MAX,
                _ => false,
            }
    }

    /// The same step before a text begins with that before a number.
    #[inline(always)]
    fn leads_to_its_value(&self, rest: &[u8]) -> bool {
        !matches!(self.value, Value::TrackingNumber | Value::OtherNumber)
            || rest.get(self.literal.len()).is_some_and(|first| *first != b'"')
    }
}

/// The last `length` bytes of a text, fewer than a window's, with zeros behind them.
#[inline(always)]
fn last_window(text: &[u8], length: usize) -> Window {
    // Copied as a whole and taken from the middle: a copy of so many bytes would be a call.
    let mut bytes = [0; 2 * WIDTH];
    match text.last_chunk::<WIDTH>() {
        Some(last) => bytes[..WIDTH].copy_from_slice(last),
        None => bytes[WIDTH - text.len()..WIDTH].copy_from_slice(text),
    }
    let from = WIDTH - length.min(WIDTH);
    bytes[from..from + WIDTH].try_into().expect("a window")
}

impl Place {
    /// The step that the text takes from here.
    #[inline(always)]
    fn step<L: Lanes>(&mut self, lanes: L, text: &[u8], at: usize) -> Option<&Step> {
        let rest = text.get(at..)?;
        let found = match rest.first_chunk() {
            Some(window) => self
                .steps
                .iter()
                .position(|step| step.begins(lanes, window, rest) && step.leads_to_its_value(rest)),
            None => {
                let window = last_window(text, rest.len());
                self.steps.iter().position(|step| {
                    step.literal.len() <= rest.len()
                        && step.begins(lanes, &window, rest)
                        && step.leads_to_its_value(rest)
                })
            }
        };
        let mut found = found?;
        let taken = self.steps[found].taken.saturating_add(1);
        self.steps[found].taken = taken;
        if found > 0 && taken > self.steps[found - 1].taken {
            self.steps.swap(found, found - 1);
            found -= 1;
        }
        Some(&self.steps[found])
    }
}

/// A way that was walked to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walked {
    /// The position after the object.
    pub(crate) end: usize,
    /// Whether there is a line break in it.
    pub(crate) has_line_break: bool,
}

/// What has been learned of a feed.
#[derive(Debug)]
pub(super) struct Grammar {
    places: Vec<Place>,
    is_full: bool,
    pub(super) learned: u64,
    pub(super) evicted: u64,
}

impl Grammar {
    pub(super) fn new() -> Grammar {
        let name = PlaceName { within: SmallVec::new(), value: Value::End, key: SmallVec::new() };
        Grammar { places: vec![Place { name, steps: Vec::new() }], is_full: false, learned: 0, evicted: 0 }
    }

    /// The way of one element through the grammar, from its beginning.
    pub(super) fn way(&mut self) -> Way<'_> {
        if self.is_full {
            self.evicted += self.places.iter().map(|place| place.steps.len() as u64).sum::<u64>();
            self.places.truncate(1);
            self.places[BEGIN].steps.clear();
            self.is_full = false;
        }
        Way { grammar: self, place: BEGIN, new_steps: 0 }
    }
}

/// A way while it is learned.
pub(super) struct Way<'g> {
    grammar: &'g mut Grammar,
    place: usize,
    /// Steps that were not there before, and replaced none.
    pub(super) new_steps: u32,
}

impl Way<'_> {
    /// Goes on over `literal` to the place after a value. None: it cannot be learned.
    pub(super) fn go(&mut self, literal: &[u8], marks: u32, name: &PlaceName) -> Option<()> {
        let Grammar { places, is_full, learned, evicted } = &mut *self.grammar;
        let steps = &places[self.place].steps;
        if let Some(step) = steps.iter().find(|step| step.is(literal, name.value)) {
            self.place = step.next;
            return Some(());
        }
        if literal.len() > STEP_BYTES_MAX {
            return None;
        }
        let next = match places.iter().position(|place| place.name == *name) {
            Some(known) => known,
            None if places.len() == PLACES_MAX => {
                *is_full = true;
                return None;
            }
            None => {
                places.push(Place { name: name.clone(), steps: Vec::new() });
                places.len() - 1
            }
        };
        let steps = &mut places[self.place].steps;
        if steps.len() == STEPS_MAX {
            steps.pop();
            *evicted += 1;
            // What was taken long ago counts ever less.
            steps.iter_mut().for_each(|step| step.taken /= 2);
        } else {
            self.new_steps += 1;
        }
        steps.push(Step::new(literal, marks, name.value, next));
        *learned += 1;
        self.place = next;
        Some(())
    }
}

/// Walks through one element of `text`, which begins at `from`. Fields are put into `raw`, also when none comes back.
pub(super) struct Walk<'g, 'm, 'r> {
    pub(super) grammar: &'g mut Grammar,
    pub(super) text: &'m [u8],
    pub(super) from: usize,
    pub(super) raw: &'r mut RawScan<'m>,
}

impl Work for Walk<'_, '_, '_> {
    type Out = Option<Walked>;

    #[inline(always)]
    fn with<L: Lanes>(self, lanes: L) -> Option<Walked> {
        let Walk { grammar, text, from, raw } = self;
        let (mut at, mut place, mut marks) = (from, BEGIN, 0);
        loop {
            let step = grammar.places[place].step(lanes, text, at)?;
            at += step.literal.len();
            if Marks::repeat(marks, step.marks) {
                return None;
            }
            marks |= step.marks;
            match step.value {
                Value::Text(field) => {
                    let (content, end) = plain_string(lanes, text, at)?;
                    raw.put(field, Cow::Borrowed(content));
                    at = end;
                }
                Value::OtherText => (_, at) = plain_string(lanes, text, at)?,
                Value::End => break,
                Value::TrackingNumber => {
                    let end = parcel_number_end(text, at)?;
                    let digits = std::str::from_utf8(&text[at..end]).expect("digits are text");
                    raw.tracking_id = Some(Cow::Borrowed(digits));
                    at = end;
                }
                Value::OtherNumber => at = number_end(text, at)?,
            }
            place = step.next;
        }
        if marks & Marks::HAS_APPOINTMENT != 0 {
            raw.appointment.get_or_insert_default();
        }
        Some(Walked { end: at, has_line_break: marks & Marks::LINE_BREAK != 0 })
    }
}

/// The most digits of a number here: below 2^53, and so the same to every reader.
const DIGITS_MAX: usize = 15;

/// The position after the digits at `at`.
fn digits_end(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let digits = rest.iter().take(DIGITS_MAX + 1).take_while(|b| b.is_ascii_digit()).count();
    (1..=DIGITS_MAX).contains(&digits).then_some(at + digits)
}

/// The position after the number of a parcel at `at`.
pub(super) fn parcel_number_end(text: &[u8], at: usize) -> Option<usize> {
    let end = digits_end(text, at)?;
    (text[at] != b'0').then_some(end)
}

/// The position after the number at `at`, if it is one that every reader takes: short, and without an exponent.
pub(super) fn number_end(text: &[u8], at: usize) -> Option<usize> {
    let at = at + usize::from(text.get(at) == Some(&b'-'));
    let whole = digits_end(text, at)?;
    if text[at] == b'0' && whole > at + 1 {
        return None;
    }
    if text.get(whole) == Some(&b'.') { digits_end(text, whole + 1) } else { Some(whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_every_reader_takes() {
        for (text, other, parcel) in [
            ("0,", Some(1), None),
            ("12}", Some(2), Some(2)),
            ("-1.50 ", Some(5), None),
            ("123456789012345,", Some(15), Some(15)),
            ("1234567890123456,", None, None),
            ("01", None, None),
            ("-", None, None),
            ("1.", None, Some(1)),
            (".5", None, None),
            ("x", None, None),
            ("", None, None),
        ] {
            assert_eq!(number_end(text.as_bytes(), 0), other, "{text}");
            assert_eq!(parcel_number_end(text.as_bytes(), 0), parcel, "{text}");
        }
    }
}
