//! What goes out: the documents of §4.4, field by field.
//!
//! Enters: values that the stations computed. Leaves: types whose JSON is the contract. Always true: every field is
//! written, unknown is `null`, times are UTC.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use smallvec::SmallVec;

use super::json::{WriteJson, by_serde, write_by_serde, write_fields, write_members, write_names};
use super::{
    CommandErrorCode, CommandKind, ExpectedSource, Milestone, Mode, Source, Status, Timestamp, Validation,
    Verdict, Window,
};

/// A fraction in thousandths, written as a JSON number without trailing zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Milli(pub u16);

impl Serialize for Milli {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1000) {
            serializer.serialize_u16(self.0 / 1000)
        } else {
            serializer.serialize_f64(f64::from(self.0) / 1000.0)
        }
    }
}

/// When freight is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.4)")]
pub struct Expected {
    pub earliest: Option<Timestamp>,
    pub latest: Option<Timestamp>,
    pub source: ExpectedSource,
    pub confidence: Milli,
}

/// A window with its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.4)")]
pub struct WindowView {
    pub start: Timestamp,
    pub end: Timestamp,
    pub locked: bool,
    pub verdict: Verdict,
}

/// Boxes of a plan line, by milestone name (`NONE` for never scanned), zeros omitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.4)")]
pub struct BoxCounts {
    pub total: u32,
    pub tracked: u32,
    pub by_milestone: BTreeMap<&'static str, u32>,
}

/// A line of the receiving plan; key `fc|shipment`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.4)")]
pub struct PlanLine<'a> {
    pub fc: &'a str,
    pub shipment_id: &'a str,
    pub version: u64,
    pub cause: Cause,
    pub mode: Mode,
    pub carrier: &'a str,
    pub carrier_name: Option<&'a str>,
    pub partnered: bool,
    pub status: Status,
    pub milestone: Option<&'static str>,
    pub boxes: BoxCounts,
    pub pallets: u32,
    pub units: u64,
    pub weight_g: u64,
    pub expected: Expected,
    pub window: Option<WindowView>,
    pub need_by: Option<Timestamp>,
    pub flags: Vec<&'static str>,
    pub occurred_at: Option<Timestamp>,
    pub caused_by: Vec<String>,
}

/// What made a plan line change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the contract's own (§4.4)")]
pub enum Cause {
    Timer,
    Scan,
    Command,
    Receiving,
}

/// The current state of a shipment, or one page of it. Its boxes are whatever serialises as a list of [`BoxDoc`]s.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.4)")]
pub struct ShipmentDoc<'a, Boxes = Vec<BoxDoc<'a>>> {
    pub shipment_id: &'a str,
    pub account: &'a str,
    pub fc: &'a str,
    pub mode: Mode,
    pub partnered: bool,
    pub carrier: &'a str,
    pub carrier_name: Option<&'a str>,
    pub status: Status,
    pub created_at: Timestamp,
    pub status_since: Timestamp,
    pub freight_bill: Option<&'a str>,
    pub bill_of_lading: Option<&'a str>,
    pub milestone: Option<&'static str>,
    pub window: Option<WindowView>,
    pub expected: Expected,
    pub version: u64,
    pub page: u32,
    pub pages: u32,
    pub boxes: Boxes,
    pub problems: Vec<String>,
}

/// A box of a shipment document. Its milestones are whatever serialises like [`MilestoneDocs`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.4)")]
pub struct BoxDoc<'a, Milestones = MilestoneDocs> {
    pub box_id: &'a str,
    pub units: u32,
    pub weight_g: u32,
    pub tracking_id: Option<&'a str>,
    pub validation: Option<Validation>,
    pub milestone: Option<&'static str>,
    pub milestones: Milestones,
    pub flags: Vec<&'static str>,
    pub eta: Option<Timestamp>,
}

/// The milestones that a box shows, in order; JSON: an object by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MilestoneDocs(pub SmallVec<[(Milestone, MilestoneDoc); 6]>);

impl Serialize for MilestoneDocs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(milestone, document)| (milestone.name(), document)))
    }
}

/// When a milestone was reached, and the scan that said so while it is still remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.4)")]
pub struct MilestoneDoc {
    pub at: Timestamp,
    #[serde(serialize_with = "source_text")]
    pub source: Option<Source>,
}

fn source_text<S: Serializer>(source: &Option<Source>, serializer: S) -> Result<S::Ok, S::Error> {
    match source {
        Some(source) => source.serialize_text(serializer),
        None => serializer.serialize_none(),
    }
}

/// Totals of an FC, a day and a mode; key `fc|day|mode`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.4)")]
pub struct ArrivalsDoc<'a> {
    pub fc: &'a str,
    pub day: &'a str,
    pub mode: Mode,
    pub shipments: i64,
    pub boxes: i64,
    pub units: i64,
    pub pallets: i64,
    pub weight_g: i64,
    pub by_band: BandCounts,
    pub late_risk: i64,
}

/// Boxes by milestone band.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.4)")]
pub struct BandCounts {
    pub registered: i64,
    pub in_transit: i64,
    pub near: i64,
    pub at_fc: i64,
    pub delivered: i64,
}

/// The kinds of problems (R23).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the contract's own (R23)")]
pub enum ProblemKind {
    MissingTracking,
    MissedWindowEarly,
    MissedWindowLate,
    TrackingConflict,
    Returned,
    Lost,
    Damaged,
    Refused,
    Misdelivered,
    YardDwell,
}

impl ProblemKind {
    /// All kinds.
    pub const ALL: [ProblemKind; 10] = [
        ProblemKind::MissingTracking,
        ProblemKind::MissedWindowEarly,
        ProblemKind::MissedWindowLate,
        ProblemKind::TrackingConflict,
        ProblemKind::Returned,
        ProblemKind::Lost,
        ProblemKind::Damaged,
        ProblemKind::Refused,
        ProblemKind::Misdelivered,
        ProblemKind::YardDwell,
    ];

    /// The name in messages and problem IDs.
    pub fn name(self) -> &'static str {
        match self {
            ProblemKind::MissingTracking => "MISSING_TRACKING",
            ProblemKind::MissedWindowEarly => "MISSED_WINDOW_EARLY",
            ProblemKind::MissedWindowLate => "MISSED_WINDOW_LATE",
            ProblemKind::TrackingConflict => "TRACKING_CONFLICT",
            ProblemKind::Returned => "RETURNED",
            ProblemKind::Lost => "LOST",
            ProblemKind::Damaged => "DAMAGED",
            ProblemKind::Refused => "REFUSED",
            ProblemKind::Misdelivered => "MISDELIVERED",
            ProblemKind::YardDwell => "YARD_DWELL",
        }
    }

    /// Whether it counts against the account's standing.
    pub fn is_defect(self) -> bool {
        self == ProblemKind::MissingTracking
    }
}

/// How a problem stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the contract's own (§4.4)")]
pub enum ProblemStatus {
    Open,
    Acknowledged,
    Resolved,
}

/// A problem; key = problem ID, `shipment:KIND`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.4)")]
pub struct ProblemDoc<'a> {
    pub problem_id: Cow<'a, str>,
    pub shipment_id: &'a str,
    pub account: &'a str,
    pub fc: &'a str,
    pub kind: ProblemKind,
    pub defect: bool,
    pub status: ProblemStatus,
    pub boxes: Vec<&'a str>,
    pub opened_at: Timestamp,
    pub acknowledged_at: Option<Timestamp>,
    pub resolved_at: Option<Timestamp>,
}

/// How an account stands (R15), the better first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the contract's own (R15)")]
pub enum Level {
    #[default]
    Standard,
    Elevated,
    Critical,
}

/// An account's standing; key = account.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.4)")]
pub struct AccountDoc<'a> {
    pub account: &'a str,
    pub evaluated: i64,
    pub defective: i64,
    pub rate: f64,
    pub level: Level,
    pub level_since: Option<Timestamp>,
    pub restricted_until: Option<Timestamp>,
    pub unacknowledged: i64,
}

/// The outcome of a command; key = shipment ID.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.3)")]
pub struct CommandResult<'a> {
    pub command_id: &'a str,
    pub shipment_id: &'a str,
    #[serde(rename = "type")]
    pub kind: CommandKind,
    pub outcome: Outcome,
    pub errors: &'a [CommandRemark],
    pub warnings: &'a [CommandRemark],
    pub version: u64,
}

/// Whether a command was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the contract's own (§4.3)")]
pub enum Outcome {
    Accepted,
    Rejected,
}

/// An error or a warning of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.3)")]
pub struct CommandRemark {
    pub code: CommandErrorCode,
    pub message: Cow<'static, str>,
    pub box_id: Option<String>,
    pub tracking_id: Option<String>,
    pub retry_after: Option<Timestamp>,
}

/// A delivery window as commands carry it; kept here because `shipments` shows the same shape.
impl From<(Window, bool, Verdict)> for WindowView {
    fn from((window, locked, verdict): (Window, bool, Verdict)) -> Self {
        WindowView { start: window.start, end: window.end, locked, verdict }
    }
}

write_names!(Milestone, Mode, ProblemKind, Status, Validation);
write_by_serde!(Cause, CommandErrorCode, CommandKind, ExpectedSource, Level, Outcome, ProblemStatus, Verdict);

impl WriteJson for Milli {
    fn write_json(&self, out: &mut Vec<u8>) {
        by_serde(self, out);
    }
}

impl WriteJson for MilestoneDocs {
    fn write_json(&self, out: &mut Vec<u8>) {
        write_members(self.0.iter().map(|(milestone, document)| (milestone.name(), document)), out);
    }
}

write_fields!(Expected [] [] { earliest, latest, source, confidence });
write_fields!(WindowView [] [] { start, end, locked, verdict });
write_fields!(BoxCounts [] [] { total, tracked, by_milestone });
write_fields!(BandCounts [] [] {
    registered as "REGISTERED", in_transit as "IN_TRANSIT", near as "NEAR", at_fc as "AT_FC", delivered as "DELIVERED"
});
write_fields!(MilestoneDoc [] [] { at, source });
write_fields!(PlanLine [] [<'_>] {
    fc, shipment_id, version, cause, mode, carrier, carrier_name, partnered, status, milestone, boxes, pallets, units,
    weight_g, expected, window, need_by, flags, occurred_at, caused_by
});
write_fields!(ShipmentDoc [<Boxes: WriteJson>] [<'_, Boxes>] {
    shipment_id, account, fc, mode, partnered, carrier, carrier_name, status, created_at, status_since, freight_bill,
    bill_of_lading, milestone, window, expected, version, page, pages, boxes, problems
});
write_fields!(BoxDoc [<Milestones: WriteJson>] [<'_, Milestones>] {
    box_id, units, weight_g, tracking_id, validation, milestone, milestones, flags, eta
});
write_fields!(ArrivalsDoc [] [<'_>] {
    fc, day, mode, shipments, boxes, units, pallets, weight_g, by_band, late_risk
});
write_fields!(ProblemDoc [] [<'_>] {
    problem_id, shipment_id, account, fc, kind, defect, status, boxes, opened_at, acknowledged_at, resolved_at
});
write_fields!(AccountDoc [] [<'_>] {
    account, evaluated, defective, rate, level, level_since, restricted_until, unacknowledged
});
write_fields!(CommandResult [] [<'_>] {
    command_id, shipment_id, kind as "type", outcome, errors, warnings, version
});
write_fields!(CommandRemark [] [] { code, message, box_id, tracking_id, retry_after });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_plain_numbers() {
        for (milli, want) in [(1000, "1"), (950, "0.95"), (475, "0.475"), (0, "0"), (800, "0.8")] {
            assert_eq!(serde_json::to_string(&Milli(milli)).expect("a number"), want);
        }
    }
}
