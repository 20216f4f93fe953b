//! How a field of a scan gets its text: from a path, from several joined, or always the same.
//!
//! Enters: the values that were found. Leaves: a text, nothing, or what is wrong. Always true: `null`, `""` and blanks are
//! nothing, since carriers write them so; of a field's rules the first that gives a text counts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::layout::Layout;
use super::walk::Found;
use crate::decode::field::Field;

/// Where a text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The value in a slot.
    Slot(usize),
    /// The values in several slots, all of them, with something between.
    Join(Vec<usize>, String),
    /// Always this.
    Constant(String),
}

/// How a field may get its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) origin: Origin,
    /// Other words for the text; a word that is not among them is nothing.
    pub(crate) map: Option<BTreeMap<String, String>>,
    /// What stands in for nothing.
    pub(crate) default: Option<String>,
    /// How the time is written; RFC 3339 if none.
    pub(crate) layout: Option<Layout>,
    /// What is put behind a time, such as `Z`.
    pub(crate) offset: String,
}

/// Why a value gives no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// A list or an object stands in a slot.
    Kind(usize, &'static str),
    /// A number that is none of a parcel.
    Number(usize),
    /// A time of another layout.
    Layout(usize, String),
}

impl Rule {
    /// A rule that takes a text as it is.
    pub(crate) fn of(origin: Origin) -> Rule {
        Rule { origin, map: None, default: None, layout: None, offset: String::new() }
    }

    /// The slots it reads, in order.
    pub(crate) fn slots(&self) -> &[usize] {
        match &self.origin {
            Origin::Slot(slot) => std::slice::from_ref(slot),
            Origin::Join(slots, _) => slots,
            Origin::Constant(_) => &[],
        }
    }

    /// The text; none when a value that it needs is not there.
    pub(crate) fn read<'a>(
        &'a self,
        field: Field,
        text: &'a str,
        found: &Found,
    ) -> Result<Option<Cow<'a, str>>, Wrong> {
        let value = match &self.origin {
            Origin::Constant(constant) => Some(Cow::Borrowed(constant.as_str())),
            Origin::Slot(slot) => scalar(field, text, found, *slot)?,
            Origin::Join(slots, between) => join(field, text, found, slots, between)?,
        };
        let value = match (&self.map, value) {
            (Some(map), Some(value)) => map.get(&*value).map(|word| Cow::Borrowed(word.as_str())),
            (_, value) => value,
        };
        let Some(value) = value else {
            return Ok(self.default.as_deref().map(Cow::Borrowed));
        };
        let value = match &self.layout {
            None => value,
            Some(layout) => match layout.read(&value) {
                Some(time) => Cow::Owned(time),
                None => {
                    return Err(Wrong::Layout(
                        self.slots().first().copied().unwrap_or(0),
                        value.into_owned(),
                    ));
                }
            },
        };
        Ok(Some(if self.offset.is_empty() { value } else { Cow::Owned(format!("{value}{}", self.offset)) }))
    }
}

fn join<'a>(
    field: Field,
    text: &'a str,
    found: &Found,
    slots: &[usize],
    between: &str,
) -> Result<Option<Cow<'a, str>>, Wrong> {
    let mut joined = String::new();
    for (at, slot) in slots.iter().enumerate() {
        let Some(part) = scalar(field, text, found, *slot)? else { return Ok(None) };
        if at > 0 {
            joined.push_str(between);
        }
        joined.push_str(&part);
    }
    Ok(Some(Cow::Owned(joined)))
}

/// The largest integer that every JSON writer writes exactly.
const EXACT_MAX: u64 = 1 << 53;

/// The value in a slot as text.
fn scalar<'a>(
    field: Field,
    text: &'a str,
    found: &Found,
    slot: usize,
) -> Result<Option<Cow<'a, str>>, Wrong> {
    let Some(range) = found[slot].clone() else { return Ok(None) };
    let value = &text[range];
    match value.as_bytes().first() {
        Some(b'"') => {
            let inner = &value[1..value.len() - 1];
            let content = if inner.contains('\\') {
                Cow::Owned(serde_json::from_str::<String>(value).expect("the text is valid JSON"))
            } else {
                Cow::Borrowed(inner)
            };
            Ok((!content.trim().is_empty()).then_some(content))
        }
        Some(b'n') => Ok(None),
        Some(b'{') => Err(Wrong::Kind(slot, "an object")),
        Some(b'[') => Err(Wrong::Kind(slot, "a list")),
        // A number or a boolean is its own text. A parcel's number must have come through every writer unharmed.
        _ if field != Field::TrackingId => Ok(Some(Cow::Borrowed(value))),
        Some(b't' | b'f') => Err(Wrong::Kind(slot, "a boolean")),
        _ => match value.parse::<u64>() {
            Ok(1..=EXACT_MAX) => Ok(Some(Cow::Borrowed(value))),
            _ => Err(Wrong::Number(slot)),
        },
    }
}
