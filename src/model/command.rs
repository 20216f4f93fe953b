//! Commands: what sellers, planners and FCs ask for (§4.3), and how a refusal is spelt.
//!
//! Enters: fields that `decode` has shaped. Leaves: [`Command`], closed and complete. Always true: identifiers have
//! their bounds and times are instants; whether a command is *allowed* is the shipment station's business, and
//! tracking IDs are still the text that was typed.

use serde::{Deserialize, Serialize};

use super::{AccountId, BoxId, CommandId, FcId, Mode, ShipmentId, Stage, Timestamp, Window};

/// A command for one shipment.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Makes it repeatable.
    pub command_id: CommandId,
    /// Whose it is.
    pub shipment_id: ShipmentId,
    /// Validate and answer only.
    pub dry_run: bool,
    /// What is asked, or why the fields do not make a command of this type.
    pub body: Result<CommandBody, InvalidCommand>,
    /// The type as written.
    pub kind: CommandKind,
}

/// A known type whose fields are missing or wrong: rejected with `INVALID_COMMAND`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidCommand {
    /// Which field, and what was expected there.
    pub message: String,
}

/// The types of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the contract's own (§4.3)")]
pub enum CommandKind {
    CreateShipment,
    ConfirmReady,
    SetTracking,
    SetFreightBill,
    ChangeCarrier,
    SetDeliveryWindow,
    UpdateBoxes,
    ChangeDestination,
    ReportReceiving,
    CancelShipment,
    AcknowledgeProblem,
}

/// What a command asks for.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.3)")]
pub enum CommandBody {
    CreateShipment(Box<CreateShipment>),
    ConfirmReady,
    SetTracking { items: Vec<TrackingItem>, system: bool },
    SetFreightBill { freight_bill: String, bill_of_lading: Option<String> },
    ChangeCarrier { carrier: String, carrier_name: Option<String> },
    SetDeliveryWindow(Window),
    UpdateBoxes { add: Vec<NewBox>, remove: Vec<BoxId> },
    ChangeDestination { fc: FcId },
    ReportReceiving { stage: Stage },
    CancelShipment,
    AcknowledgeProblem { problem_id: String },
}

/// The fields of `create_shipment`.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.3)")]
pub struct CreateShipment {
    pub account: AccountId,
    pub fc: FcId,
    pub mode: Mode,
    /// As typed: a code, an alias or a SCAC.
    pub carrier: String,
    pub carrier_name: Option<String>,
    pub partnered: bool,
    pub boxes: Vec<NewBox>,
    pub pallets: u32,
    pub delivery_window: Option<Window>,
    pub cross_border: bool,
    pub need_by: Option<Timestamp>,
    /// Only for partnered shipments.
    pub tracking: Option<SystemTracking>,
    pub created_at: Option<Timestamp>,
}

/// Tracking that the system generated for a partnered shipment.
#[derive(Clone, Debug, PartialEq)]
pub enum SystemTracking {
    /// Small parcel: one ID per box.
    Items(Vec<TrackingItem>),
    /// Freight: the PRO.
    FreightBill(String),
}

/// One line of `set_tracking`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackingItem {
    /// The box, as typed: a foreign one is an error that names it.
    pub box_id: String,
    /// The ID as typed or scanned; none removes what is registered.
    pub tracking_id: Option<String>,
}

/// One box of `create_shipment` or `update_boxes`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the contract's own (§4.3)")]
pub struct NewBox {
    pub box_id: BoxId,
    pub units: u32,
    pub weight_g: u32,
}

/// Why a command was refused, or what it was warned of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the contract's own (§4.3)")]
pub enum CommandErrorCode {
    InvalidCommand,
    UnknownShipment,
    ShipmentExists,
    WrongStatus,
    WrongMode,
    ShipmentCancelled,
    AlreadyDelivered,
    UnknownCarrier,
    CarrierNameRequired,
    UnknownFc,
    UnknownBox,
    DuplicateBox,
    TooManyBoxes,
    InvalidTrackingId,
    UniqueTrackingIdRequired,
    InvalidFreightBill,
    PartneredCarrier,
    WindowRequired,
    WindowInvalid,
    WindowLocked,
    AccountRestricted,
    UnacknowledgedProblems,
    UnknownProblem,
    /// Warning: outer blanks were cut off.
    BlanksTrimmed,
    /// Warning: the ID does not fit the new carrier and was unset.
    TrackingResubmit,
    /// Warning: the carrier has no public rule.
    TrackingNotSupported,
}
