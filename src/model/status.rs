//! Shipment statuses, modes, windows and verdicts (R7, R8, R13).
//!
//! Enters: names in `SCREAMING_SNAKE`. Leaves: closed enums. Always true: [`Status`] is ordered by progress.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// How freight travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mode {
    /// Small parcel: one tracking ID for every box.
    Spd,
    /// Less than truckload: one PRO for the shipment.
    Ltl,
    /// Full truckload: one PRO for the shipment.
    Ftl,
}

impl Mode {
    /// The name in messages and keys.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Spd => "SPD",
            Mode::Ltl => "LTL",
            Mode::Ftl => "FTL",
        }
    }

    /// Whether one PRO serves the whole shipment.
    pub fn is_freight(self) -> bool {
        self != Mode::Spd
    }
}

/// Where a shipment is (R13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Being prepared.
    Working,
    /// Labels printed.
    ReadyToShip,
    /// Valid tracking, or in the carrier's custody.
    Shipped,
    /// A box moves.
    InTransit,
    /// Every box is delivered.
    Delivered,
    /// The FC checked it in.
    CheckedIn,
    /// The FC unpacks it.
    Receiving,
    /// The FC is done.
    Closed,
    /// Called off by its owner.
    Cancelled,
}

impl Status {
    /// All statuses, in order.
    pub const ALL: [Status; 9] = [
        Status::Working,
        Status::ReadyToShip,
        Status::Shipped,
        Status::InTransit,
        Status::Delivered,
        Status::CheckedIn,
        Status::Receiving,
        Status::Closed,
        Status::Cancelled,
    ];

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Status::Working => "WORKING",
            Status::ReadyToShip => "READY_TO_SHIP",
            Status::Shipped => "SHIPPED",
            Status::InTransit => "IN_TRANSIT",
            Status::Delivered => "DELIVERED",
            Status::CheckedIn => "CHECKED_IN",
            Status::Receiving => "RECEIVING",
            Status::Closed => "CLOSED",
            Status::Cancelled => "CANCELLED",
        }
    }
}

/// What an FC reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are those of the statuses")]
pub enum Stage {
    CheckedIn,
    Receiving,
    Closed,
}

/// A delivery window: `start ≤ t < end` is on time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The first instant of the window, and the instant that locks it.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

/// How a shipment stands against its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the contract's own (§4.4)")]
pub enum Verdict {
    Pending,
    EarlyRisk,
    LateRisk,
    Early,
    OnTime,
    Late,
}

/// Where an expectation comes from, most trusted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the contract's own (§4.4)")]
pub enum ExpectedSource {
    Delivered,
    Appointment,
    OutForDelivery,
    CarrierEta,
    Window,
    None,
}

impl ExpectedSource {
    /// The confidence in thousandths, before any roll halves it.
    pub fn confidence_milli(self) -> u16 {
        match self {
            ExpectedSource::Delivered => 1000,
            ExpectedSource::Appointment => 950,
            ExpectedSource::OutForDelivery => 900,
            ExpectedSource::CarrierEta => 800,
            ExpectedSource::Window => 500,
            ExpectedSource::None => 0,
        }
    }
}

/// How a registered number was validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Validation {
    /// It fits a format of its carrier, check digit included.
    Valid,
    /// The carrier has no public rule; length and characters only.
    NotSupported,
}

impl Validation {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Validation::Valid => "VALID",
            Validation::NotSupported => "NOT_SUPPORTED",
        }
    }
}
