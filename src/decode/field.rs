//! The fields of a scan, by name.
//!
//! Enters: a field and its text. Leaves: the text in its place in a [`RawScan`]. Always true: whoever reads a scan, in the
//! contract's own form or by a profile, puts a text here.

use std::borrow::Cow;

use super::raw::{RETRACTS_MAX, RawScan};

/// A field of a scan (§4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    ScanId,
    Carrier,
    TrackingId,
    Code,
    CodeSet,
    Milestone,
    EventTime,
    Facility,
    City,
    State,
    PostalCode,
    Country,
    Fc,
    Reason,
    Eta,
    AppointmentStart,
    AppointmentEnd,
    Retracts,
    Description,
}

impl Field {
    /// All fields.
    pub(crate) const ALL: [Field; 19] = [
        Field::ScanId,
        Field::Carrier,
        Field::TrackingId,
        Field::Code,
        Field::CodeSet,
        Field::Milestone,
        Field::EventTime,
        Field::Facility,
        Field::City,
        Field::State,
        Field::PostalCode,
        Field::Country,
        Field::Fc,
        Field::Reason,
        Field::Eta,
        Field::AppointmentStart,
        Field::AppointmentEnd,
        Field::Retracts,
        Field::Description,
    ];

    /// Its path in the contract's own form.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Field::ScanId => "scan_id",
            Field::Carrier => "carrier",
            Field::TrackingId => "tracking_id",
            Field::Code => "code",
            Field::CodeSet => "code_set",
            Field::Milestone => "milestone",
            Field::EventTime => "event_time",
            Field::Facility => "location.facility",
            Field::City => "location.city",
            Field::State => "location.state",
            Field::PostalCode => "location.postal_code",
            Field::Country => "location.country",
            Field::Fc => "location.fc",
            Field::Reason => "reason",
            Field::Eta => "eta",
            Field::AppointmentStart => "appointment.start",
            Field::AppointmentEnd => "appointment.end",
            Field::Retracts => "retracts",
            Field::Description => "description",
        }
    }

    /// Whether its text is a time.
    pub(crate) fn is_time(self) -> bool {
        matches!(self, Field::EventTime | Field::Eta | Field::AppointmentStart | Field::AppointmentEnd)
    }
}

impl<'a> RawScan<'a> {
    /// Takes the text of a field; of a list, one more.
    #[inline(always)]
    pub(crate) fn put(&mut self, field: Field, text: Cow<'a, str>) {
        let slot = match field {
            Field::ScanId => &mut self.scan_id,
            Field::Carrier => &mut self.carrier,
            Field::TrackingId => &mut self.tracking_id,
            Field::Code => &mut self.code,
            Field::CodeSet => &mut self.code_set,
            Field::Milestone => &mut self.milestone,
            Field::EventTime => &mut self.event_time,
            Field::Facility => &mut self.location.facility,
            Field::City => &mut self.location.city,
            Field::State => &mut self.location.state,
            Field::PostalCode => &mut self.location.postal_code,
            Field::Country => &mut self.location.country,
            Field::Fc => &mut self.location.fc,
            Field::Reason => &mut self.reason,
            Field::Eta => &mut self.eta,
            Field::AppointmentStart => &mut self.appointment.get_or_insert_default().start,
            Field::AppointmentEnd => &mut self.appointment.get_or_insert_default().end,
            Field::Description => &mut self.description,
            Field::Retracts => {
                // One beyond the bound is kept, so that whoever judges sees that there were too many.
                if self.retracts.len() <= RETRACTS_MAX {
                    self.retracts.push(text);
                }
                return;
            }
        };
        *slot = Some(text);
    }
}
