//! A scan as it was written: the known fields, before anybody asks what they mean.
//!
//! Enters: one JSON value. Leaves: an [`Element`]: the texts of the known fields, and what is wrong with their shape.
//! Always true: unknown fields are skipped whatever they hold, `null` equals missing, strings are borrowed whenever
//! the reader can lend them.

use std::borrow::Cow;

use serde::de::{IgnoredAny, MapAccess, SeqAccess};
use serde::{Deserialize, Serialize};

use super::shape::{Accept, AcceptScalar, Any, Scalar, Shape};

/// The most scans that one scan takes back.
pub(crate) const RETRACTS_MAX: usize = 64;

type Text<'a> = Option<Cow<'a, str>>;

/// The fields of §4.2 as they were written; a number in `tracking_id` is its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.2)")]
pub struct RawScan<'a> {
    pub scan_id: Option<Cow<'a, str>>,
    pub carrier: Option<Cow<'a, str>>,
    pub tracking_id: Option<Cow<'a, str>>,
    pub code: Option<Cow<'a, str>>,
    pub code_set: Option<Cow<'a, str>>,
    pub milestone: Option<Cow<'a, str>>,
    pub event_time: Option<Cow<'a, str>>,
    pub location: RawLocation<'a>,
    pub reason: Option<Cow<'a, str>>,
    pub eta: Option<Cow<'a, str>>,
    pub appointment: Option<RawAppointment<'a>>,
    pub retracts: Vec<Cow<'a, str>>,
    pub description: Option<Cow<'a, str>>,
}

/// Where it happened, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.2)")]
pub struct RawLocation<'a> {
    pub facility: Option<Cow<'a, str>>,
    pub city: Option<Cow<'a, str>>,
    pub state: Option<Cow<'a, str>>,
    pub postal_code: Option<Cow<'a, str>>,
    pub country: Option<Cow<'a, str>>,
    pub fc: Option<Cow<'a, str>>,
}

/// An appointment, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.2)")]
pub struct RawAppointment<'a> {
    pub start: Option<Cow<'a, str>>,
    pub end: Option<Cow<'a, str>>,
}

/// One element of a message: its fields, and the first thing of each kind that is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Element<'a> {
    pub(crate) raw: RawScan<'a>,
    /// A known key that stood there twice.
    pub(crate) repeated: Option<&'static str>,
    /// A field, or the element itself, of a wrong shape.
    pub(crate) wrong: Option<Wrong>,
    /// `tracking_id` is a number that is no number of a parcel.
    pub(crate) bad_number: bool,
}

/// A field of a wrong shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrong {
    /// The field; empty for the element itself.
    pub(crate) field: &'static str,
    pub(crate) expected: &'static str,
    pub(crate) found: Shape,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum ScanKey {
    ScanId,
    Carrier,
    TrackingId,
    Code,
    CodeSet,
    Milestone,
    EventTime,
    Location,
    Reason,
    Eta,
    Appointment,
    Retracts,
    Description,
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum LocationKey {
    Facility,
    City,
    State,
    PostalCode,
    Country,
    Fc,
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum AppointmentKey {
    Start,
    End,
    #[serde(other)]
    Unknown,
}

/// The keys of one object that were seen.
#[derive(Default)]
struct Seen(u32);

impl Seen {
    /// Notes a key; a second time is a fault, and the first such fault is kept.
    fn note(&mut self, bit: u32, field: &'static str, repeated: &mut Option<&'static str>) {
        if self.0 & (1 << bit) != 0 {
            repeated.get_or_insert(field);
        }
        self.0 |= 1 << bit;
    }
}

const TEXT: &str = "a string";

/// Puts a text into its slot, or says what stood there.
fn put<'a>(value: Scalar<'a>, slot: &mut Text<'a>, field: &'static str, wrong: &mut Option<Wrong>) {
    match value {
        Scalar::Text(text) => *slot = Some(text),
        Scalar::Other(Shape::Null) => {}
        Scalar::Other(found) => {
            wrong.get_or_insert(Wrong { field, expected: TEXT, found });
        }
    }
}

impl<'de> Accept<'de> for &mut Element<'de> {
    type Out = ();

    fn shape(self, found: Shape) {
        self.wrong.get_or_insert(Wrong { field: "", expected: "an object", found });
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Element { raw, repeated, wrong, bad_number, .. } = self;
        let mut seen = Seen::default();
        while let Some(key) = object.next_key::<ScanKey>()? {
            let bit = key as u32;
            let (slot, field) = match key {
                ScanKey::ScanId => (&mut raw.scan_id, "scan_id"),
                ScanKey::Carrier => (&mut raw.carrier, "carrier"),
                ScanKey::Code => (&mut raw.code, "code"),
                ScanKey::CodeSet => (&mut raw.code_set, "code_set"),
                ScanKey::Milestone => (&mut raw.milestone, "milestone"),
                ScanKey::EventTime => (&mut raw.event_time, "event_time"),
                ScanKey::Reason => (&mut raw.reason, "reason"),
                ScanKey::Eta => (&mut raw.eta, "eta"),
                ScanKey::Description => (&mut raw.description, "description"),
                ScanKey::TrackingId => {
                    seen.note(bit, "tracking_id", repeated);
                    match object.next_value_seed(Any(AcceptScalar))? {
                        // Readers differ on `-0`, and no parcel is numbered 0.
                        Scalar::Other(Shape::Number(Some(number))) if number > 0 => {
                            raw.tracking_id = Some(Cow::Owned(number.to_string()));
                        }
                        Scalar::Other(Shape::Number(_)) => *bad_number = true,
                        other => put(other, &mut raw.tracking_id, "tracking_id", wrong),
                    }
                    continue;
                }
                ScanKey::Location => {
                    seen.note(bit, "location", repeated);
                    object.next_value_seed(Any(Location { location: &mut raw.location, repeated, wrong }))?;
                    continue;
                }
                ScanKey::Appointment => {
                    seen.note(bit, "appointment", repeated);
                    let accept = Appointment { appointment: &mut raw.appointment, repeated, wrong };
                    object.next_value_seed(Any(accept))?;
                    continue;
                }
                ScanKey::Retracts => {
                    seen.note(bit, "retracts", repeated);
                    object.next_value_seed(Any(Retracts { retracts: &mut raw.retracts, wrong }))?;
                    continue;
                }
                ScanKey::Unknown => {
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            seen.note(bit, field, repeated);
            put(object.next_value_seed(Any(AcceptScalar))?, slot, field, wrong);
        }
        Ok(())
    }
}

struct Location<'s, 'a> {
    location: &'s mut RawLocation<'a>,
    repeated: &'s mut Option<&'static str>,
    wrong: &'s mut Option<Wrong>,
}

impl<'de> Accept<'de> for Location<'_, 'de> {
    type Out = ();

    fn shape(self, found: Shape) {
        if found != Shape::Null {
            self.wrong.get_or_insert(Wrong { field: "location", expected: "an object", found });
        }
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let location = self.location;
        let mut seen = Seen::default();
        while let Some(key) = object.next_key::<LocationKey>()? {
            let (slot, field) = match key {
                LocationKey::Facility => (&mut location.facility, "location.facility"),
                LocationKey::City => (&mut location.city, "location.city"),
                LocationKey::State => (&mut location.state, "location.state"),
                LocationKey::PostalCode => (&mut location.postal_code, "location.postal_code"),
                LocationKey::Country => (&mut location.country, "location.country"),
                LocationKey::Fc => (&mut location.fc, "location.fc"),
                LocationKey::Unknown => {
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            seen.note(key as u32, field, self.repeated);
            put(object.next_value_seed(Any(AcceptScalar))?, slot, field, self.wrong);
        }
        Ok(())
    }
}

struct Appointment<'s, 'a> {
    appointment: &'s mut Option<RawAppointment<'a>>,
    repeated: &'s mut Option<&'static str>,
    wrong: &'s mut Option<Wrong>,
}

impl<'de> Accept<'de> for Appointment<'_, 'de> {
    type Out = ();

    fn shape(self, found: Shape) {
        if found != Shape::Null {
            self.wrong.get_or_insert(Wrong { field: "appointment", expected: "an object", found });
        }
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let appointment = self.appointment.get_or_insert_default();
        let mut seen = Seen::default();
        while let Some(key) = object.next_key::<AppointmentKey>()? {
            let (slot, field) = match key {
                AppointmentKey::Start => (&mut appointment.start, "appointment.start"),
                AppointmentKey::End => (&mut appointment.end, "appointment.end"),
                AppointmentKey::Unknown => {
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            seen.note(key as u32, field, self.repeated);
            put(object.next_value_seed(Any(AcceptScalar))?, slot, field, self.wrong);
        }
        Ok(())
    }
}

struct Retracts<'s, 'a> {
    retracts: &'s mut Vec<Cow<'a, str>>,
    wrong: &'s mut Option<Wrong>,
}

const RETRACTS: &str = "a list of at most 64 scan IDs";

impl<'de> Accept<'de> for Retracts<'_, 'de> {
    type Out = ();

    fn shape(self, found: Shape) {
        if found != Shape::Null {
            self.wrong.get_or_insert(Wrong { field: "retracts", expected: RETRACTS, found });
        }
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element_seed(Any(AcceptScalar))? {
            match item {
                // One beyond the bound is kept, so that whoever judges sees that there were too many.
                Scalar::Text(text) if self.retracts.len() <= RETRACTS_MAX => self.retracts.push(text),
                Scalar::Text(_) => {}
                Scalar::Other(found) => {
                    self.wrong.get_or_insert(Wrong { field: "retracts", expected: RETRACTS, found });
                }
            }
        }
        Ok(())
    }
}
