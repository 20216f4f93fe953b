//! Registration: whether what somebody entered is a number of the carrier they selected (R5, R6), and if not, why.
//!
//! Enters: a carrier and raw text. Leaves: [`Registered`], or [`InvalidNumber`] with a sentence for whoever typed it.
//! Always true: a registered number is what [`Catalogue::canonical`] makes of the same text. Only the selected carrier
//! decides; other carriers are named as a hint.

use std::sync::Arc;

use serde::Serialize;

use crate::model::{CarrierId, TrackingNumber, Validation};

use super::carrier::{Carrier, CarrierKind, Settled, Unreadable};
use super::text;
use super::{Catalogue, NUMBER_CHARS_MAX};

/// What is entered for a box, in messages.
const TRACKING_ID: &str = "tracking ID";
/// What is entered for freight.
const FREIGHT_BILL: &str = "freight bill number";

/// A number that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// In canonical form.
    pub number: TrackingNumber,
    /// Whether a rule stands behind it.
    pub validation: Validation,
    /// Whether there were blanks before or behind it (`BLANKS_TRIMMED`).
    pub blanks_trimmed: bool,
    /// The name of the format it has.
    pub format: Option<Arc<str>>,
}

/// A number that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidNumber {
    /// Why, in a sentence.
    pub message: String,
}

/// What `tracking check` says about one number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NumberCheck {
    /// The text as it came.
    pub input: String,
    /// Its canonical form; without a carrier, when all candidates agree about it.
    pub canonical: Option<TrackingNumber>,
    /// The carrier asked for, else the only candidate.
    pub carrier: Option<String>,
    /// The verdict.
    pub verdict: CheckVerdict,
    /// The format it has.
    pub format: Option<String>,
    /// Why it is invalid.
    pub reason: Option<String>,
    /// The carriers it would be valid for.
    pub candidates: Vec<String>,
}

/// The verdict of `tracking check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CheckVerdict {
    /// It fits a format, check digit included.
    Valid,
    /// It fits none.
    Invalid,
    /// The carrier has no public rule.
    NotSupported,
}

/// The part of [`NumberCheck`] that the verdict brings.
struct Judged {
    canonical: Option<TrackingNumber>,
    verdict: CheckVerdict,
    format: Option<Arc<str>>,
}

impl From<Registered> for Judged {
    fn from(registered: Registered) -> Self {
        let verdict = match registered.validation {
            Validation::Valid => CheckVerdict::Valid,
            Validation::NotSupported => CheckVerdict::NotSupported,
        };
        Judged { canonical: Some(registered.number), verdict, format: registered.format }
    }
}

impl Catalogue {
    /// Judges a tracking ID for a box of a small-parcel shipment, typed or scanned from its label (R3, R5).
    pub fn register(
        &self,
        carrier: CarrierId,
        raw: &str,
        strict_blanks: bool,
    ) -> Result<Registered, InvalidNumber> {
        let blanks_trimmed = judge_blanks(raw, strict_blanks, TRACKING_ID)?;
        let carrier = self.get(carrier);
        let settled = carrier.settle(raw).map_err(|why| unreadable(raw, TRACKING_ID, why))?;
        self.judge_format(carrier, raw, settled, blanks_trimmed, TRACKING_ID)
    }

    /// Judges the PRO of a freight shipment (R6): 1–64 letters, digits, `-`, `.`, `_` and inner blanks. A freight
    /// carrier's formats apply; a parcel carrier's are about boxes and do not.
    pub fn register_freight_bill(
        &self,
        carrier: CarrierId,
        raw: &str,
        strict_blanks: bool,
    ) -> Result<Registered, InvalidNumber> {
        let blanks_trimmed = judge_blanks(raw, strict_blanks, FREIGHT_BILL)?;
        let carrier = self.get(carrier);
        let refuse = |why| Err(unreadable(raw, FREIGHT_BILL, why));
        let length = text::strip_suffix(raw).trim().chars().count();
        let settled = match carrier.settle(raw) {
            Ok(_) if length > NUMBER_CHARS_MAX => return refuse(Unreadable::TooLong(length)),
            Ok(settled) => settled,
            Err(why) => return refuse(why),
        };
        if let Some(b) = settled.text.iter().find(|b| !b.is_ascii_alphanumeric() && !b"-._".contains(b)) {
            return refuse(Unreadable::Character(char::from(*b)));
        }
        if carrier.kind == CarrierKind::Freight {
            return self.judge_format(carrier, raw, settled, blanks_trimmed, FREIGHT_BILL);
        }
        let number = settled.number();
        Ok(Registered { number, validation: Validation::NotSupported, blanks_trimmed, format: None })
    }

    /// Judges a number for `tracking check`, strictly about blanks. Without a carrier every carrier is tried.
    pub fn check(&self, carrier: Option<CarrierId>, raw: &str) -> NumberCheck {
        let candidates = self.candidates(raw);
        let carrier = carrier.or(match &candidates[..] {
            [(only, _)] => Some(only.id),
            _ => None,
        });
        let outcome = match carrier {
            Some(id) if self.is_freight(id) => self.register_freight_bill(id, raw, true).map(Into::into),
            Some(id) => self.register(id, raw, true).map(Into::into),
            None => self.judge_for_any(raw, &candidates),
        };
        let (judged, reason) = match outcome {
            Ok(judged) => (judged, None),
            Err(invalid) => {
                let canonical = carrier.and_then(|id| self.canonical(id, raw));
                (Judged { canonical, verdict: CheckVerdict::Invalid, format: None }, Some(invalid.message))
            }
        };
        NumberCheck {
            input: raw.to_owned(),
            canonical: judged.canonical,
            carrier: carrier.map(|id| self.code(id).to_owned()),
            verdict: judged.verdict,
            format: judged.format.map(|name| name.to_string()),
            reason,
            candidates: candidates.iter().map(|(carrier, _)| carrier.code.clone()).collect(),
        }
    }

    /// Judges a number that none or several carriers could have issued.
    fn judge_for_any(&self, raw: &str, candidates: &[(&Carrier, Settled)]) -> Result<Judged, InvalidNumber> {
        judge_blanks(raw, true, TRACKING_ID)?;
        let other = self.get(CarrierId::OTHER);
        let settled = other.settle(raw).map_err(|why| unreadable(raw, TRACKING_ID, why))?;
        let Some(((_, first), rest)) = candidates.split_first() else {
            // Nobody's in particular, yet with a format of its own: the number of a logistic unit.
            if let format @ Some(_) = other.format_name(&settled) {
                let canonical = Some(settled.number());
                return Ok(Judged { canonical, verdict: CheckVerdict::NotSupported, format });
            }
            return Err(InvalidNumber { message: format!("{} fits no format of any carrier", quoted(raw)) });
        };
        let agreed = rest.iter().all(|(_, other)| other.text == first.text);
        Ok(Judged { canonical: agreed.then(|| first.number()), verdict: CheckVerdict::Valid, format: None })
    }

    /// Judges settled text by the formats of its carrier, if they decide.
    fn judge_format(
        &self,
        carrier: &Carrier,
        raw: &str,
        settled: Settled,
        blanks_trimmed: bool,
        what: &str,
    ) -> Result<Registered, InvalidNumber> {
        let validation = match settled.format {
            _ if !carrier.validated => Validation::NotSupported,
            Some(_) => Validation::Valid,
            None => return Err(self.misfit(carrier, raw, &settled, what)),
        };
        let format = carrier.format_name(&settled);
        Ok(Registered { number: settled.number(), validation, blanks_trimmed, format })
    }

    /// The carriers that `raw` is a valid number of.
    fn candidates(&self, raw: &str) -> Vec<(&Carrier, Settled)> {
        let valid = |carrier: &Carrier| carrier.settle(raw).ok().filter(|settled| settled.format.is_some());
        let judging = self.all().filter(|carrier| carrier.validated);
        judging.filter_map(|carrier| Some((carrier, valid(carrier)?))).collect()
    }

    /// Why settled text fits no format of its carrier.
    #[cold]
    fn misfit(&self, carrier: &Carrier, raw: &str, settled: &Settled, what: &str) -> InvalidNumber {
        let code = &carrier.code;
        let why = if let Some((format, found, Some(expected))) = carrier.near_miss(&settled.text) {
            format!(
                "it has the shape of {code} {:?}, but its check digit is {found} where {expected} belongs",
                format.name
            )
        } else if carrier.lengths().any(|length| length == settled.text.len()) {
            format!("no {code} format has this shape")
        } else {
            let lengths: Vec<_> = carrier.lengths().map(|length| length.to_string()).collect();
            format!("it has {} characters, {code} numbers have {}", settled.text.len(), one_of(&lengths))
        };
        let hint =
            carrier.hints.iter().find(|(shapes, _)| shapes.iter().any(|shape| shape.matches(&settled.text)));
        let hint = hint.map_or(String::new(), |(_, hint)| format!(". {hint}"));
        let others: Vec<_> = self.candidates(raw).into_iter().map(|(other, _)| other.code.clone()).collect();
        let others = match &others[..] {
            [] => String::new(),
            others => format!(". It is valid for {}, which is not the selected carrier", one_of(others)),
        };
        InvalidNumber { message: format!("{} is not a {code} {what}: {why}{hint}{others}", quoted(raw)) }
    }
}

/// Whether blanks were cut off; strictly, that they must not be there.
fn judge_blanks(raw: &str, strict: bool, what: &str) -> Result<bool, InvalidNumber> {
    let entered = text::strip_suffix(raw);
    let place = match text::outer_blanks(entered) {
        (false, false) => return Ok(false),
        (true, _) if entered.trim().is_empty() => return Ok(false),
        (true, true) => "before and after",
        (true, false) => "before",
        (false, true) => "after",
    };
    if !strict {
        return Ok(true);
    }
    let message =
        format!("{} has a blank {place} it: {what}s are entered without spaces around them", quoted(entered));
    Err(InvalidNumber { message })
}

#[cold]
fn unreadable(raw: &str, what: &str, why: Unreadable) -> InvalidNumber {
    let why = match why {
        Unreadable::Empty => "it is empty".to_owned(),
        Unreadable::TooLong(length) => {
            format!("it has {length} characters, at most {NUMBER_CHARS_MAX} are allowed")
        }
        Unreadable::Character(c) => {
            format!("the character {:?} (U+{:04X}) is not allowed", c, u32::from(c))
        }
    };
    InvalidNumber { message: format!("{} is not a {what}: {why}", quoted(raw)) }
}

/// What somebody entered, in quotes, cut short when it is long.
fn quoted(raw: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 80;
    match raw.char_indices().nth(SHOWN_CHARS_MAX) {
        None => format!("{raw:?}"),
        Some((end, _)) => format!("{:?}…", &raw[..end]),
    }
}

/// `A`, `A or B`, `A, B or C`.
fn one_of(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}
