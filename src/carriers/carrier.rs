//! One carrier, compiled: how it writes its numbers and what its codes mean.
//!
//! Enters: raw text. Leaves: the settled text, and the format it has, if any. Always true: settling what is settled
//! changes nothing, because it goes on until nothing changes and every change makes the text shorter.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{CarrierId, Effect, TrackingNumber};

use super::NUMBER_CHARS_MAX;
use super::check_digit::Rule;
use super::codes::{CodeTable, TextTable};
use super::shape::Pattern;
use super::text::{self, NumberText};

/// What a carrier moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CarrierKind {
    /// Boxes, each under its own tracking ID.
    Parcel,
    /// Pallets, a shipment under one PRO.
    Freight,
}

/// What a listing shows of a carrier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CarrierSummary<'a> {
    /// The code in messages.
    pub code: &'a str,
    /// The number in the state.
    pub id: u8,
    /// The name people know.
    pub name: &'a str,
    /// What it moves.
    pub kind: CarrierKind,
    /// Other names on input, SCACs included.
    pub aliases: &'a [String],
    /// Whether its formats decide which numbers are valid. If not, all are `NOT_SUPPORTED`.
    pub validated: bool,
    /// Its formats, by name.
    pub formats: Vec<&'a str>,
}

/// A carrier of the catalogue.
#[derive(Clone, Debug)]
pub(crate) struct Carrier {
    pub(crate) id: CarrierId,
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) kind: CarrierKind,
    pub(crate) aliases: Vec<String>,
    pub(crate) formats: Vec<Format>,
    /// Whether its formats decide which numbers are valid. If not, they take labels apart, and any number is taken.
    pub(crate) validated: bool,
    /// The patterns of all formats by length; within a length, those with the longest label prefix first.
    patterns: Vec<Vec<FormatPattern>>,
    /// The lengths, as bits, at which a label may hide another number.
    label_lengths: u128,
    /// Shapes that are often taken for numbers of this carrier, and what to say then.
    pub(crate) hints: Vec<(Vec<Pattern>, String)>,
    /// Codes that come without a code set.
    pub(crate) codes: TextTable<Effect>,
    /// Codes by code set.
    pub(crate) code_sets: Vec<CodeTable>,
    /// The shared code set of codes that come without one, by position in the catalogue.
    pub(crate) default_set: Option<usize>,
    /// What codes without a set do that no map knows.
    pub(crate) other_codes: Option<Effect>,
}

/// A format of a carrier.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    /// Shared with whoever is told of it.
    pub(crate) name: Arc<str>,
    pub(crate) check: Option<CheckDigit>,
}

/// How the check character of a format comes about.
#[derive(Clone, Debug)]
pub(crate) struct CheckDigit {
    pub(crate) rule: Rule,
    /// How many characters before the check character count; none: all from the start of the number.
    pub(crate) over: Option<usize>,
    /// What is put in front of them, unless they begin with it.
    pub(crate) prepend: String,
}

/// A pattern, and the format it belongs to by position.
#[derive(Clone, Debug)]
pub(crate) struct FormatPattern {
    pub(crate) pattern: Pattern,
    pub(crate) format: usize,
    /// The length of the label prefix before it.
    pub(crate) prefix: usize,
}

/// Why a text can be no number of any carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Empty,
    TooLong(usize),
    Character(char),
}

/// A text in canonical form.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub(crate) text: NumberText,
    /// The format of the carrier that it has, by position.
    pub(crate) format: Option<usize>,
}

impl Settled {
    pub(crate) fn number(&self) -> TrackingNumber {
        TrackingNumber::from_canonical(self.as_str())
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).expect("number text is ASCII")
    }
}

impl FormatPattern {
    /// The check character that `text`, which has this shape, must hold; none: nothing fits.
    fn expected(&self, check: &CheckDigit, text: &[u8]) -> Option<u8> {
        let at = self.pattern.check_at?;
        let start = check.over.map_or(self.pattern.number.start, |over| at - over);
        let body = &text[start..at];
        if check.prepend.is_empty() || body.starts_with(check.prepend.as_bytes()) {
            return check.rule.check_character(body);
        }
        let mut longer = NumberText::from_slice(check.prepend.as_bytes());
        longer.extend_from_slice(body);
        check.rule.check_character(&longer)
    }
}

impl Carrier {
    /// A carrier that has neither formats nor codes yet.
    pub(crate) fn new(id: CarrierId, code: &str, name: &str, kind: CarrierKind) -> Carrier {
        Carrier {
            id,
            code: code.to_owned(),
            name: name.to_owned(),
            kind,
            aliases: Vec::new(),
            formats: Vec::new(),
            validated: false,
            patterns: vec![Vec::new(); NUMBER_CHARS_MAX + 1],
            label_lengths: 0,
            hints: Vec::new(),
            codes: TextTable::new(std::iter::empty()),
            code_sets: Vec::new(),
            default_set: None,
            other_codes: None,
        }
    }

    /// Adds a format with its patterns, each with the length of the label prefix in it.
    pub(crate) fn add_format(&mut self, format: Format, patterns: Vec<(Pattern, usize)>) {
        let index = self.formats.len();
        self.formats.push(format);
        for (pattern, prefix) in patterns {
            if pattern.number.len() < pattern.len() {
                self.label_lengths |= 1 << pattern.len();
            }
            let of_length = &mut self.patterns[pattern.len()];
            of_length.push(FormatPattern { pattern, format: index, prefix });
            of_length.sort_by_key(|known| std::cmp::Reverse(known.prefix));
        }
    }

    pub(crate) fn summary(&self) -> CarrierSummary<'_> {
        CarrierSummary {
            code: &self.code,
            id: self.id.0,
            name: &self.name,
            kind: self.kind,
            aliases: &self.aliases,
            validated: self.validated,
            formats: self.formats.iter().map(|format| &*format.name).collect(),
        }
    }

    /// Whether no label of this length, up to 64, hides another number: then plain text of it is canonical.
    pub(crate) fn is_settled_at(&self, length: usize) -> bool {
        self.label_lengths >> length & 1 == 0
    }

    /// The canonical form of `raw`, and the format it has: upper case, without blanks and marks, taken out of the label.
    pub(crate) fn settle(&self, raw: &str) -> Result<Settled, Unreadable> {
        let mut text = text::read(raw).map_err(Unreadable::Character)?;
        if self.kind == CarrierKind::Freight || self.id == CarrierId::OTHER {
            text.retain(|b| !b"-._".contains(b));
        }
        let mut format = None;
        loop {
            let before = text.len();
            text::strip_marks(&mut text);
            match self.fit(&text) {
                Some(known) => {
                    format = format.or(Some(known.format));
                    text.truncate(known.pattern.number.end);
                    text.drain(..known.pattern.number.start);
                }
                // A hyphen is part of the number only where a shape says so.
                None => match text::without_brackets(&text).filter(|open| self.fit(open).is_some()) {
                    Some(open) => text = open,
                    None => text.retain(|b| *b != b'-'),
                },
            }
            if text.len() == before {
                break;
            }
        }
        match text.len() {
            0 => Err(Unreadable::Empty),
            length if length > NUMBER_CHARS_MAX => Err(Unreadable::TooLong(length)),
            _ => Ok(Settled { text, format }),
        }
    }

    /// The name of the format that settled text has.
    pub(crate) fn format_name(&self, settled: &Settled) -> Option<Arc<str>> {
        settled.format.map(|index| Arc::clone(&self.formats[index].name))
    }

    /// The pattern that `text` has, check character included.
    fn fit(&self, text: &[u8]) -> Option<&FormatPattern> {
        self.fits(text).next()
    }

    /// All of them, the one that counts first.
    pub(crate) fn fits(&self, text: &[u8]) -> impl Iterator<Item = &FormatPattern> {
        self.of_shape(text).filter(|known| match &self.formats[known.format].check {
            None => true,
            Some(check) => known.expected(check, text) == known.pattern.check_at.map(|at| text[at]),
        })
    }

    /// The patterns whose shape `text` has.
    fn of_shape(&self, text: &[u8]) -> impl Iterator<Item = &FormatPattern> {
        let of_length = self.patterns.get(text.len()).map_or(&[][..], Vec::as_slice);
        of_length.iter().filter(move |known| known.pattern.matches(text))
    }

    /// Why `text`, which fits no format, does not: the first format whose shape it has, the check character it
    /// holds, and the one that belongs there.
    pub(crate) fn near_miss(&self, text: &[u8]) -> Option<(&Format, char, Option<char>)> {
        let known = self.of_shape(text).next()?;
        let format = &self.formats[known.format];
        let check = format.check.as_ref()?;
        let found = text[known.pattern.check_at?];
        Some((format, char::from(found), known.expected(check, text).map(char::from)))
    }

    /// The lengths that its numbers have, labels included.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.patterns
            .iter()
            .enumerate()
            .filter(|(_, of_length)| !of_length.is_empty())
            .map(|(length, _)| length)
    }
}
