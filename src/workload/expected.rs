//! What the world knows about what it wrote.
//!
//! Always true: a claim is exact for the bytes that were written. What it means to a shipment may depend on order in
//! a stormy world; where it does, the item says so.

use crate::model::{CommandErrorCode, DeadLetterReason};

/// What a scan is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScanIntent {
    /// Readable, with a known meaning, of a number that a command registers sooner or later.
    Good,
    /// As `Good`, and byte for byte a repeat of an earlier scan.
    Duplicate,
    /// Readable, with a known meaning, of a number and carrier that no command ever registers: it parks.
    Foreign,
    /// As `Good`, and dated before the life that the number has in the only shipment that registers it.
    EarlierLife,
    /// As `Good`, and dated after the number's life in its shipment ended: cancelled or closed.
    Ended,
    /// As `Good`, and written when the number, or its old carrier, was no longer registered.
    OldCarrier,
    /// A code nobody knows, and nothing else: ignored.
    UnknownCode,
    /// Unreadable for this reason: a dead letter.
    Bad(DeadLetterReason),
}

/// What a command is meant to meet. Certain in a calm world; in a stormy one a scan may be quicker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandIntent {
    /// Accepted.
    Accepted,
    /// Accepted, without effect: a dry run.
    DryRun,
    /// The same command once more: the first result again.
    Repeated,
    /// Rejected, with this code alone.
    Rejected(CommandErrorCode),
    /// No command at all: a dead letter.
    Bad(DeadLetterReason),
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The kinds of things that happen in a world, counted as they are planned.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Kind] = &[$(Kind::$name,)*];
        }
    };
}

kinds! {
    /// A small-parcel shipment.
    ParcelShipment,
    /// A freight shipment with boxes.
    FreightWithBoxes,
    /// A freight shipment of pallets only.
    FreightOfPallets,
    /// A full truckload.
    FullTruck,
    /// A PRO that serves two or three shipments.
    SharedPro,
    /// A PRO that was replaced.
    ReplacedPro,
    /// A partnered parcel shipment, tracking in its creation.
    PartneredAtCreation,
    /// A partnered parcel shipment, tracking by the system later.
    PartneredLater,
    /// A partnered freight shipment.
    PartneredFreight,
    /// A shipment with a carrier outside the catalogue.
    OtherCarrier,
    /// A shipment registered over a month after its first scans.
    LateRegistration,
    /// A shipment created after its first scans, with `created_at`.
    BackfilledCreation,
    /// A change of carrier that kept the numbers.
    CarrierChangedSameNumbers,
    /// A change of carrier with other numbers.
    CarrierChangedOtherNumbers,
    /// Numbers swapped between boxes.
    TrackingSwapped,
    /// A number replaced by another.
    TrackingReplaced,
    /// A number removed and entered again.
    TrackingReentered,
    /// Boxes added and removed.
    BoxesUpdated,
    /// A window in the creation.
    WindowAtCreation,
    /// A window set later.
    WindowSetLater,
    /// A window that was moved.
    WindowMoved,
    /// A window that starts after the delivery.
    WindowMissedEarly,
    /// A window that ends before the delivery.
    WindowMissedLate,
    /// A problem that was acknowledged.
    ProblemAcknowledged,
    /// A shipment that changed its destination.
    DestinationChanged,
    /// A shipment cancelled before it left.
    CancelledEarly,
    /// A shipment cancelled on its way, and scanned on.
    CancelledScanned,
    /// Some boxes tracked, the others in time.
    PartialThenComplete,
    /// Some boxes tracked, the others never.
    PartialForEver,
    /// No tracking at all.
    NeverTracked,
    /// A number of an earlier, closed shipment.
    ReusedNumber,
    /// A number with a life before its shipment was created.
    EarlierLife,
    /// The FC checked a shipment in.
    CheckedIn,
    /// The FC received a shipment.
    Receiving,
    /// The FC closed a shipment.
    Closed,
    /// A box that went back for good.
    Returned,
    /// A box that went back and came again.
    BroughtBack,
    /// A box that was lost.
    Lost,
    /// A box that was lost and found.
    Found,
    /// A box that was destroyed.
    Destroyed,
    /// A delivery that was taken back.
    DeliveryRetracted,
    /// A delivery at another FC first.
    Misdelivered,
    /// A box whose scans just stop.
    Stuck,
    /// A flag.
    Flag,
    /// An ETA that moved.
    EtaMoved,
    /// A delivery appointment.
    Appointment,
    /// A partial delivery.
    PartialDelivery,
    /// A parcel that no shipment knows.
    ForeignParcel,
    /// A scan written twice.
    Duplicate,
    /// A scan that came more than a day late.
    LateScan,
    /// A code nobody knows.
    UnknownCode,
    /// An event time without a zone.
    ZonelessTime,
    /// A scan by code.
    ByCode,
    /// A scan by milestone.
    ByMilestone,
    /// A scan with a `scan_id`.
    WithScanId,
    /// A scan without one.
    WithoutScanId,
    /// An FC named by its postal code.
    ByPostalCode,
    /// A number written with blanks, dashes or in lower case.
    NumberDisguised,
    /// Broken JSON.
    BadTruncated,
    /// Broken UTF-8.
    BadUtf8,
    /// No known format.
    BadFormat,
    /// Nested too deep.
    BadDepth,
    /// A key that appears twice.
    BadRepeatedKey,
    /// A required field is missing.
    BadMissingField,
    /// A field that cannot be read.
    BadField,
    /// No tracking number.
    BadNumber,
    /// Far in the future or the past.
    BadTime,
    /// A time without any zone.
    BadZone,
    /// A dry run.
    DryRun,
    /// A command that was sent again.
    RepeatedCommand,
    /// A record that is no command.
    BadCommand,
    /// `INVALID_COMMAND`.
    RejectedInvalidCommand,
    /// `INVALID_TRACKING_ID`.
    RejectedInvalidId,
    /// `UNIQUE_TRACKING_ID_REQUIRED`.
    RejectedDuplicateId,
    /// `UNKNOWN_BOX`.
    RejectedUnknownBox,
    /// `WRONG_MODE`.
    RejectedWrongMode,
    /// `WINDOW_INVALID`.
    RejectedWindow,
    /// `WINDOW_LOCKED`.
    RejectedWindowLocked,
    /// `WRONG_STATUS`.
    RejectedStatus,
    /// `SHIPMENT_EXISTS`.
    RejectedExists,
    /// `UNKNOWN_SHIPMENT`.
    RejectedUnknownShipment,
    /// `UNKNOWN_CARRIER`.
    RejectedUnknownCarrier,
    /// `CARRIER_NAME_REQUIRED`.
    RejectedCarrierName,
    /// `PARTNERED_CARRIER`.
    RejectedPartnered,
    /// `SHIPMENT_CANCELLED`.
    RejectedCancelled,
    /// `ALREADY_DELIVERED`.
    RejectedDelivered,
    /// `INVALID_FREIGHT_BILL`.
    RejectedFreightBill,
    /// `UNKNOWN_PROBLEM`.
    RejectedUnknownProblem,
}

/// What was written so far; complete once the world has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Scans, readable or not: what the engine counts as read.
    pub scans: u64,
    /// Messages of `scans`.
    pub scan_messages: u64,
    /// Records of `commands`, ticks excluded.
    pub commands: u64,
    /// Of these: records that are no command.
    pub bad_commands: u64,
    /// Scans that become dead letters, by [`DeadLetterReason::ALL`].
    pub dead_letters: [u64; DeadLetterReason::ALL.len()],
    /// Scans with an unknown code: `ignored(unknown_code)`, wherever they are read.
    pub unknown_codes: u64,
    /// Scans of numbers that nobody registers: at the end of a calm world exactly these are parked, or expired. In a
    /// stormy one a registration may come too late and be refused; then there are more.
    pub foreign: u64,
    /// Scans that repeat an earlier one of a registered number.
    pub duplicates: u64,
    kinds: [u64; Kind::ALL.len()],
}

impl Default for Expected {
    fn default() -> Self {
        Expected {
            scans: 0,
            scan_messages: 0,
            commands: 0,
            bad_commands: 0,
            dead_letters: [0; DeadLetterReason::ALL.len()],
            unknown_codes: 0,
            foreign: 0,
            duplicates: 0,
            kinds: [0; Kind::ALL.len()],
        }
    }
}

impl Expected {
    /// How often a kind was planned. A world that ends early may not write the last of it.
    pub fn planned(&self, kind: Kind) -> u64 {
        self.kinds[kind as usize]
    }

    /// Scans that become dead letters for `reason`.
    pub fn dead_letters_of(&self, reason: DeadLetterReason) -> u64 {
        self.dead_letters[reason as usize]
    }

    pub(crate) fn plan(&mut self, kind: Kind) {
        self.kinds[kind as usize] += 1;
    }

    pub(crate) fn wrote_scan(&mut self, intent: ScanIntent) {
        self.scans += 1;
        match intent {
            ScanIntent::Bad(reason) => self.dead_letters[reason as usize] += 1,
            ScanIntent::UnknownCode => self.unknown_codes += 1,
            ScanIntent::Foreign => self.foreign += 1,
            ScanIntent::Duplicate => self.duplicates += 1,
            ScanIntent::Good | ScanIntent::EarlierLife | ScanIntent::Ended | ScanIntent::OldCarrier => {}
        }
    }
}
