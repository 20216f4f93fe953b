//! Learning: one element into the steps of a grammar.
//!
//! Enters: one object that a general reader has found to be valid JSON. Leaves: steps in the [`Grammar`]. Always true: only
//! what may be walked blindly is learned: plain text (ASCII, no escapes), known fields of the right kind, keys that stand
//! once, few brackets, short numbers. Of anything else the steps before it are kept, which are as good as any.

use smallvec::SmallVec;

use super::grammar::{Grammar, Marks, PlaceName, Value, Way, Within, number_end, parcel_number_end};
use crate::decode::field::Field;

/// The most open brackets.
const LEVELS_MAX: usize = 16;

/// What the next value is, by its key.
#[derive(Clone, Copy)]
enum Role {
    Field(Field),
    Location,
    Appointment,
    Other,
}

impl Role {
    /// The role of the value of `key` in an object.
    fn of(within: Within, key: &[u8]) -> Role {
        let prefix = match within {
            Within::Scan => "",
            Within::Location => "location.",
            Within::Appointment => "appointment.",
            Within::Object | Within::List | Within::Retracts => return Role::Other,
        };
        let is = |field: &Field| {
            let name = field.name().strip_prefix(prefix);
            name.is_some_and(|name| !name.contains('.') && name.as_bytes() == key)
        };
        match (within, key) {
            (Within::Scan, b"location") => Role::Location,
            (Within::Scan, b"appointment") => Role::Appointment,
            _ => Field::ALL.into_iter().find(is).map_or(Role::Other, Role::Field),
        }
    }

    fn marks(self) -> u32 {
        match self {
            Role::Field(field) => Marks::of(field),
            Role::Location => Marks::LOCATION,
            Role::Appointment => Marks::APPOINTMENT,
            Role::Other => 0,
        }
    }
}

/// A text on its way through.
struct Learner<'t, 'g> {
    text: &'t [u8],
    at: usize,
    /// Where the step in hand begins.
    start: usize,
    /// What the step in hand has in it.
    marks: u32,
    within: SmallVec<[Within; 8]>,
    key: &'t [u8],
    role: Role,
    way: Way<'g>,
}

/// Learns the way of one object, `top` being what it is. Says how many steps are new.
pub(super) fn learn(grammar: &mut Grammar, top: Within, text: &[u8]) -> u32 {
    if !text.is_ascii() || memchr::memchr(b'\\', text).is_some() {
        return 0;
    }
    let mut learner = Learner {
        text,
        at: 0,
        start: 0,
        marks: 0,
        within: SmallVec::new(),
        key: b"",
        role: Role::Other,
        way: grammar.way(),
    };
    if text.first() == Some(&b'{') {
        let _ = learner.all(top);
    }
    learner.way.new_steps
}

impl<'t> Learner<'t, '_> {
    /// Goes through the text. None: as far as it can be learned.
    fn all(&mut self, top: Within) -> Option<()> {
        self.within.push(top);
        self.at = 1;
        loop {
            match *self.text.get(self.at)? {
                b'"' => self.string()?,
                b'{' | b'[' => self.open()?,
                b'}' | b']' => {
                    self.within.pop();
                    self.at += 1;
                    if self.within.is_empty() {
                        return self.value(Value::End, self.at);
                    }
                }
                b'-' | b'0'..=b'9' => self.number()?,
                b't' | b'f' | b'n' => self.word()?,
                blank => {
                    self.marks |= if blank == b'\n' { Marks::LINE_BREAK } else { 0 };
                    self.at += 1;
                }
            }
        }
    }

    /// What the next value is.
    fn role(&self) -> Role {
        match self.within.last() {
            Some(Within::Retracts) => Role::Field(Field::Retracts),
            Some(Within::List) | None => Role::Other,
            Some(_) => self.role,
        }
    }

    /// The step in hand has led to a value, whose bytes end at `end`.
    fn value(&mut self, value: Value, end: usize) -> Option<()> {
        let key = if matches!(value, Value::OtherText | Value::OtherNumber) { self.key } else { b"" };
        let name = PlaceName { within: self.within.clone(), value, key: SmallVec::from_slice(key) };
        self.way.go(&self.text[self.start..self.at], self.marks, &name)?;
        (self.start, self.at, self.marks) = (end, end, 0);
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        let content = self.at + 1;
        let end = content + memchr::memchr(b'"', &self.text[content..])?;
        if self.text[content..end].iter().any(u8::is_ascii_control) {
            return None;
        }
        let after = &self.text[end + 1..];
        let is_key = after.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b':');
        if is_key {
            self.key = &self.text[content..end];
            self.role = Role::of(*self.within.last()?, self.key);
            let marks = self.role.marks();
            if Marks::repeat(self.marks, marks) {
                return None;
            }
            self.marks |= marks;
            self.at = end + 1;
            return Some(());
        }
        let value = match self.role() {
            // A list of texts: one in its place is of a wrong kind.
            Role::Field(Field::Retracts) if self.within.last() != Some(&Within::Retracts) => return None,
            Role::Field(field) => Value::Text(field),
            Role::Other => Value::OtherText,
            Role::Location | Role::Appointment => return None,
        };
        self.at = content;
        self.value(value, end)?;
        // The next step begins with the closing quote.
        self.at = end + 1;
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let (value, end) = match self.role() {
            Role::Field(Field::TrackingId) => (Value::TrackingNumber, parcel_number_end(self.text, self.at)?),
            Role::Other => (Value::OtherNumber, number_end(self.text, self.at)?),
            Role::Field(_) | Role::Location | Role::Appointment => return None,
        };
        // Longer ones, and those with an exponent, are somebody else's.
        let is_all =
            self.text.get(end).is_some_and(|next| b",]}".contains(next) || next.is_ascii_whitespace());
        if is_all { self.value(value, end) } else { None }
    }

    /// `true`, `false` or `null`: part of the step.
    fn word(&mut self) -> Option<()> {
        let is_null = self.text[self.at] == b'n';
        let may_stand = match self.role() {
            Role::Other => true,
            // Not among the items of a known list.
            _ => is_null && self.within.last() != Some(&Within::Retracts),
        };
        if !may_stand {
            return None;
        }
        let rest = &self.text[self.at..];
        self.at += rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        Some(())
    }

    fn open(&mut self) -> Option<()> {
        let is_object = self.text[self.at] == b'{';
        let within = match (self.role(), is_object) {
            (Role::Location, true) => Within::Location,
            (Role::Appointment, true) => {
                self.marks |= Marks::HAS_APPOINTMENT;
                Within::Appointment
            }
            (Role::Field(Field::Retracts), false) if self.within.last() == Some(&Within::Scan) => {
                Within::Retracts
            }
            (Role::Other, true) => Within::Object,
            (Role::Other, false) => Within::List,
            _ => return None,
        };
        if self.within.len() == LEVELS_MAX {
            return None;
        }
        self.within.push(within);
        self.at += 1;
        Some(())
    }
}
