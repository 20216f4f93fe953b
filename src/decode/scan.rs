//! What a scan means: raw fields to a [`Scan`].
//!
//! Enters: an [`Element`], the record's time, and the context. Leaves: a scan, or a [`Refusal`] that names the field.
//! Always true: the number is canonical, the times are instants, the event time is plausible against the record (R20).
//! The order of judgement is fixed: shape, missing fields, number, code, place, identity, times.

use smallvec::SmallVec;

use super::Context;
use super::profile::Profile;
use super::raw::{Element, RETRACTS_MAX, RawScan};
use crate::model::{
    CarrierId, DAY_MS, DeadLetterReason, Effect, EventTime, FcId, HOUR_MS, ID_CHARS_MAX, NumberKey, Scan,
    ScanId, Timestamp, parse_time,
};

/// R20: a time without zone this far ahead was written with the wrong day.
const WRONG_DAY_MS: std::ops::RangeInclusive<i64> = 20 * HOUR_MS..=26 * HOUR_MS;

/// Who may know the zone of a time without one: the places first, then the feed's profile.
#[derive(Clone, Copy)]
struct LocalZones<'z> {
    fcs: [Option<&'z FcId>; 2],
    profile: Option<&'z Profile>,
}

/// Why an element is no scan.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) reason: DeadLetterReason,
    /// The field it is about, as a path; empty for the element itself.
    pub(crate) field: &'static str,
    /// Which of several fields of that name.
    pub(crate) nth: usize,
    pub(crate) detail: String,
}

#[cold]
fn refuse(reason: DeadLetterReason, field: &'static str, detail: String) -> Refusal {
    Refusal { reason, field, nth: 0, detail }
}

#[cold]
fn bad_field(field: &'static str, expected: &str, found: &str) -> Refusal {
    let detail = format!("`{field}`: {expected} is expected, found {}", quoted(found));
    refuse(DeadLetterReason::BadField, field, detail)
}

/// Text for a message, cut when it is long.
pub(crate) fn quoted(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    let cut: String = text.chars().take(CHARS_MAX).collect();
    if cut.len() < text.len() { format!("{cut:?}…") } else { format!("{text:?}") }
}

impl Context<'_> {
    /// Reads an element as a scan, as its feed's profile says.
    pub(crate) fn scan(
        &self,
        record_time: Timestamp,
        element: &Element<'_>,
        profile: Option<&Profile>,
    ) -> Result<Scan, Refusal> {
        if element.repeated.is_some() || element.wrong.is_some() || element.bad_number {
            return Err(misshapen(element));
        }
        let raw = &element.raw;
        let (Some(carrier), Some(tracking_id), Some(event_time)) =
            (&raw.carrier, &raw.tracking_id, &raw.event_time)
        else {
            return Err(missing(raw));
        };
        if raw.code.is_none() && raw.milestone.is_none() {
            return Err(missing(raw));
        }

        let carrier = self.catalogue.carrier(carrier).unwrap_or(CarrierId::OTHER);
        let Some(number) = self.catalogue.canonical(carrier, tracking_id) else {
            let detail = format!(
                "`tracking_id`: 1-64 printable characters are expected, found {}",
                quoted(tracking_id)
            );
            return Err(refuse(DeadLetterReason::BadTrackingId, "tracking_id", detail));
        };
        let key = NumberKey { number, carrier };
        let (effect, code_known) = self.effect(carrier, profile, raw)?;

        let location = &raw.location;
        let fc = match &location.fc {
            None => None,
            Some(text) => Some(FcId::parse(text).ok_or_else(|| bad_field("location.fc", ID, text))?),
        };
        let by_postal_code = location.postal_code.as_deref().and_then(|code| self.by_postal_code(code));
        let place = fc.as_ref().or(by_postal_code);
        let zones = LocalZones { fcs: [fc.as_ref(), by_postal_code], profile };

        let event_time = self.event_time(record_time, event_time, zones)?;
        let id = match &raw.scan_id {
            Some(text) => scan_id("scan_id", text)?,
            None => content_id(&key, raw, event_time),
        };
        Ok(Scan {
            effect,
            code_known,
            event_time,
            place: place.cloned(),
            id,
            eta: raw.eta.as_deref().map(|text| self.payload_time("eta", text, zones)).transpose()?,
            appointment: self.appointment(raw, zones)?,
            retracts: retracts(raw)?,
            key,
        })
    }

    /// A known code wins; then the milestone; an unknown code alone is history.
    fn effect(
        &self,
        carrier: CarrierId,
        profile: Option<&Profile>,
        raw: &RawScan<'_>,
    ) -> Result<(Effect, bool), Refusal> {
        if let Some(code) = &raw.code
            && let Some(effect) = self.effect_in(carrier, profile, raw.code_set.as_deref(), code)
        {
            return Ok((effect, true));
        }
        match &raw.milestone {
            None => Ok((Effect::NONE, false)),
            Some(name) => match Effect::from_name(name) {
                Some(effect) => Ok((effect, true)),
                None => Err(bad_field("milestone", "the name of a milestone, flag or signal", name)),
            },
        }
    }

    /// What a code of a set does: as the feed's profile says, else by the carrier's map.
    pub(crate) fn effect_in(
        &self,
        carrier: CarrierId,
        profile: Option<&Profile>,
        code_set: Option<&str>,
        code: &str,
    ) -> Option<Effect> {
        let by_carrier = || self.catalogue.effect(carrier, code_set, code);
        match profile {
            None => by_carrier(),
            Some(profile) => profile.codes().effect(code_set, code, by_carrier),
        }
    }

    /// The FC that a postal code stands for; blanks and lower case do not matter.
    pub(crate) fn by_postal_code(&self, code: &str) -> Option<&FcId> {
        self.fcs.by_postal_code(code).or_else(|| {
            let plain = |b: u8| b != b' ' && !b.is_ascii_lowercase();
            if code.len() > ID_CHARS_MAX || code.bytes().all(plain) {
                return None;
            }
            let code: String = code.chars().filter(|c| *c != ' ').collect();
            self.fcs.by_postal_code(&code.to_ascii_uppercase())
        })
    }

    /// A time as an instant, and whether the text named its zone.
    fn instant(
        &self,
        field: &'static str,
        text: &str,
        zones: LocalZones<'_>,
    ) -> Result<(Timestamp, bool), Refusal> {
        let parsed = parse_time(text).ok_or_else(|| bad_field(field, "an RFC 3339 time", text))?;
        if let Some(offset_s) = parsed.offset_s {
            return Ok((parsed.at_offset(offset_s), true));
        }
        let local = |fc| self.fcs.local_to_instant(fc, parsed.local_ms);
        let by_profile = || zones.profile?.local_to_instant(parsed.local_ms);
        let found = zones.fcs.into_iter().flatten().find_map(local).or_else(by_profile);
        found.map(|at| (at, false)).ok_or_else(|| {
            let detail = format!(
                "`{field}`: {} names no zone, and the location is no configured fulfillment center",
                quoted(text)
            );
            refuse(DeadLetterReason::NoTimeZone, field, detail)
        })
    }

    /// R20.
    fn event_time(
        &self,
        record_time: Timestamp,
        text: &str,
        zones: LocalZones<'_>,
    ) -> Result<EventTime, Refusal> {
        let (at, zoned) = self.instant("event_time", text, zones)?;
        self.plausible(record_time, at, zoned).map_err(|how| implausible(text, how, record_time))
    }

    /// R20: the event time that `at` stands for, or how it relates to the record's own time.
    pub(crate) fn plausible(
        &self,
        record_time: Timestamp,
        mut at: Timestamp,
        zoned: bool,
    ) -> Result<EventTime, &'static str> {
        let mut ahead_ms = at.0.saturating_sub(record_time.0);
        if !zoned && ahead_ms > self.settings.future_ms && WRONG_DAY_MS.contains(&ahead_ms) {
            at = at.plus_ms(-DAY_MS);
            ahead_ms -= DAY_MS;
        } else if ahead_ms > self.settings.future_ms {
            return Err("too far ahead of");
        }
        if ahead_ms < -self.settings.age_ms_max {
            return Err("too long before");
        }
        EventTime::from_timestamp(at).ok_or("not in 1970-2106, unlike")
    }

    /// A time that is payload: never judged against the record.
    fn payload_time(
        &self,
        field: &'static str,
        text: &str,
        zones: LocalZones<'_>,
    ) -> Result<EventTime, Refusal> {
        let (at, _) = self.instant(field, text, zones)?;
        EventTime::from_timestamp(at).ok_or_else(|| bad_field(field, "a time in 1970-2106", text))
    }

    /// An appointment without any time says nothing; without an end it is a point.
    fn appointment(
        &self,
        raw: &RawScan<'_>,
        zones: LocalZones<'_>,
    ) -> Result<Option<(EventTime, EventTime)>, Refusal> {
        let Some(appointment) = &raw.appointment else { return Ok(None) };
        let end = match &appointment.end {
            None => None,
            Some(text) => Some(self.payload_time("appointment.end", text, zones)?),
        };
        match (&appointment.start, end) {
            (None, None) => Ok(None),
            (None, Some(_)) => {
                let detail = "`appointment`: an end without a start".to_owned();
                Err(refuse(DeadLetterReason::BadField, "appointment", detail))
            }
            (Some(text), end) => {
                let start = self.payload_time("appointment.start", text, zones)?;
                Ok(Some((start, end.unwrap_or(start))))
            }
        }
    }
}

const ID: &str = "an ID of 1-64 characters";

#[cold]
fn implausible(text: &str, how: &str, record_time: Timestamp) -> Refusal {
    let detail = format!("`event_time`: {} is {how} the record's own time {record_time}", quoted(text));
    refuse(DeadLetterReason::ImplausibleTime, "event_time", detail)
}

/// The refusal of an element whose shape is wrong. A repeated key comes first: it makes all else ambiguous.
#[cold]
fn misshapen(element: &Element<'_>) -> Refusal {
    if let Some(field) = element.repeated {
        let detail = format!("`{field}` appears twice");
        return Refusal { reason: DeadLetterReason::BadJson, field, nth: 1, detail };
    }
    if let Some(wrong) = element.wrong {
        let what = if wrong.field.is_empty() { String::new() } else { format!("`{}`: ", wrong.field) };
        let detail = format!("{what}{} is expected, found {}", wrong.expected, wrong.found);
        return refuse(DeadLetterReason::BadField, wrong.field, detail);
    }
    let detail = "`tracking_id`: a number must be a positive integer up to 2^53".to_owned();
    refuse(DeadLetterReason::BadTrackingId, "tracking_id", detail)
}

#[cold]
fn missing(raw: &RawScan<'_>) -> Refusal {
    let fields = [
        ("`carrier`", raw.carrier.is_some()),
        ("`tracking_id`", raw.tracking_id.is_some()),
        ("`event_time`", raw.event_time.is_some()),
        ("`code` or `milestone`", raw.code.is_some() || raw.milestone.is_some()),
    ];
    let names: Vec<_> = fields.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
    refuse(DeadLetterReason::MissingField, "", format!("{} missing", names.join(", ")))
}

fn scan_id(field: &'static str, text: &str) -> Result<ScanId, Refusal> {
    let good = !text.is_empty() && (text.len() <= ID_CHARS_MAX || text.chars().count() <= ID_CHARS_MAX);
    if good { Ok(ScanId::of_text(text)) } else { Err(bad_field(field, ID, text)) }
}

/// The identity of a scan without `scan_id`. A scan without a code is told by its milestone.
pub(crate) fn content_id(key: &NumberKey, raw: &RawScan<'_>, event_time: EventTime) -> ScanId {
    let location = &raw.location;
    let code = raw.code.as_deref().or(raw.milestone.as_deref()).unwrap_or_default();
    let place = [
        location.facility.as_deref().unwrap_or_default(),
        location.city.as_deref().unwrap_or_default(),
        location.state.as_deref().unwrap_or_default(),
        location.postal_code.as_deref().unwrap_or_default(),
        location.country.as_deref().unwrap_or_default(),
        location.fc.as_deref().unwrap_or_default(),
    ];
    ScanId::of_content(key, code, raw.reason.as_deref().unwrap_or_default(), event_time, &place)
}

fn retracts(raw: &RawScan<'_>) -> Result<SmallVec<[ScanId; 2]>, Refusal> {
    if raw.retracts.len() > RETRACTS_MAX {
        let detail = format!("`retracts`: at most {RETRACTS_MAX} scan IDs are expected");
        return Err(refuse(DeadLetterReason::BadField, "retracts", detail));
    }
    raw.retracts.iter().map(|text| scan_id("retracts", text)).collect()
}
