//! A scan: what a carrier said about one number, resolved to our vocabulary.
//!
//! Enters: fields that `decode` has validated. Leaves: [`Scan`], small and without allocation for ordinary numbers.
//! Always true: the number is canonical, the time plausible, the code mapped; `id` is stable across runs.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Effect, EventTime, FcId, NumberKey, stable_hash};

/// The identity of a scan: the hash of its `scan_id`, else of its content. Stable: it is written into the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScanId(pub u64);

impl ScanId {
    /// The identity of a scan that carries its own `scan_id`.
    pub fn of_text(scan_id: &str) -> ScanId {
        ScanId(stable_hash(&[b"id", scan_id.as_bytes()]))
    }

    /// The identity of a scan without one: carrier, number, code, reason, minute of the event and place.
    pub fn of_content(
        key: &NumberKey,
        code: &str,
        reason: &str,
        event_time: EventTime,
        place: &[&str],
    ) -> ScanId {
        let minute = (event_time.0 / 60).to_le_bytes();
        let carrier = [key.carrier.0];
        let mut parts: SmallVec<[&[u8]; 16]> = SmallVec::new();
        parts.extend([
            &b"content"[..],
            &carrier,
            key.number.as_str().as_bytes(),
            code.as_bytes(),
            reason.as_bytes(),
        ]);
        parts.push(&minute);
        parts.extend(place.iter().map(|part| part.as_bytes()));
        ScanId(stable_hash(&parts))
    }
}

/// One scan of one number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// The number and the carrier it belongs to.
    pub key: NumberKey,
    /// What the code does.
    pub effect: Effect,
    /// Whether the code was known, or a milestone was given. An unknown code is history only.
    pub code_known: bool,
    /// When it happened.
    pub event_time: EventTime,
    /// The fulfillment center it names, by `location.fc` or a mapped postal code.
    pub place: Option<FcId>,
    /// Its identity.
    pub id: ScanId,
    /// When the carrier means to deliver.
    pub eta: Option<EventTime>,
    /// The delivery appointment: start and end.
    pub appointment: Option<(EventTime, EventTime)>,
    /// Scans that it takes back.
    pub retracts: SmallVec<[ScanId; 2]>,
}

/// Why a scan of a readable number changed nothing (R18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ignored {
    /// Before the floor of every life: the number was used before.
    EarlierLife,
    /// The number was registered at this carrier, and is no longer: the shipment or box changed.
    OldCarrier,
    /// The life of the number ended: cancelled, closed, or long delivered.
    Ended,
    /// A code that the carrier's map does not know.
    UnknownCode,
}

impl Ignored {
    /// All reasons.
    pub const ALL: [Ignored; 4] =
        [Ignored::EarlierLife, Ignored::OldCarrier, Ignored::Ended, Ignored::UnknownCode];

    /// The name in summaries and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Ignored::EarlierLife => "earlier_life",
            Ignored::OldCarrier => "old_carrier",
            Ignored::Ended => "ended",
            Ignored::UnknownCode => "unknown_code",
        }
    }
}

/// Why something became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the contract's own (§4.4)")]
pub enum DeadLetterReason {
    BadJson,
    BadUtf8,
    TooLarge,
    TooDeep,
    MissingField,
    BadField,
    BadTrackingId,
    NoTimeZone,
    ImplausibleTime,
    BadEdi,
    UnknownFormat,
    BadCommand,
    ParkExpired,
    ParkEvicted,
    RecordsLost,
    ReaderFailed,
}

impl DeadLetterReason {
    /// All reasons.
    pub const ALL: [DeadLetterReason; 16] = [
        DeadLetterReason::BadJson,
        DeadLetterReason::BadUtf8,
        DeadLetterReason::TooLarge,
        DeadLetterReason::TooDeep,
        DeadLetterReason::MissingField,
        DeadLetterReason::BadField,
        DeadLetterReason::BadTrackingId,
        DeadLetterReason::NoTimeZone,
        DeadLetterReason::ImplausibleTime,
        DeadLetterReason::BadEdi,
        DeadLetterReason::UnknownFormat,
        DeadLetterReason::BadCommand,
        DeadLetterReason::ParkExpired,
        DeadLetterReason::ParkEvicted,
        DeadLetterReason::RecordsLost,
        DeadLetterReason::ReaderFailed,
    ];

    /// The code in headers, errors and docs.
    pub fn code(self) -> &'static str {
        match self {
            DeadLetterReason::BadJson => "BAD_JSON",
            DeadLetterReason::BadUtf8 => "BAD_UTF8",
            DeadLetterReason::TooLarge => "TOO_LARGE",
            DeadLetterReason::TooDeep => "TOO_DEEP",
            DeadLetterReason::MissingField => "MISSING_FIELD",
            DeadLetterReason::BadField => "BAD_FIELD",
            DeadLetterReason::BadTrackingId => "BAD_TRACKING_ID",
            DeadLetterReason::NoTimeZone => "NO_TIME_ZONE",
            DeadLetterReason::ImplausibleTime => "IMPLAUSIBLE_TIME",
            DeadLetterReason::BadEdi => "BAD_EDI",
            DeadLetterReason::UnknownFormat => "UNKNOWN_FORMAT",
            DeadLetterReason::BadCommand => "BAD_COMMAND",
            DeadLetterReason::ParkExpired => "PARK_EXPIRED",
            DeadLetterReason::ParkEvicted => "PARK_EVICTED",
            DeadLetterReason::RecordsLost => "RECORDS_LOST",
            DeadLetterReason::ReaderFailed => "READER_FAILED",
        }
    }
}
