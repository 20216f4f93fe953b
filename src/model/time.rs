//! Time as a value: instants in messages, event times in the fold, and the RFC 3339 reader and writer.
//!
//! Enters: text or numbers from messages. Leaves: [`Timestamp`] (milliseconds, UTC) for records and entries,
//! [`EventTime`] (whole seconds, UTC) for what happened to a parcel. Always true: nothing here reads a clock.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::json::{WriteJson, write_plain};

/// Milliseconds in a second.
pub const SECOND_MS: i64 = 1_000;
/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day of 24 hours.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// An instant, in milliseconds since 1970 (UTC). JSON shows RFC 3339 with `Z` and no fraction unless there is one;
/// the state keeps the number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Before everything.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// After everything: "never".
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// This instant moved by `ms`, stopping at the ends.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(ms))
    }

    /// The UTC day, counted from 1970-01-01.
    pub fn utc_day(self) -> i64 {
        self.0.div_euclid(DAY_MS)
    }

    /// Reads RFC 3339 with a zone; a time without one is refused.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let parsed = parse_time(text)?;
        parsed.offset_s.map(|offset_s| parsed.at_offset(offset_s))
    }
}

/// When something happened to a parcel, in whole seconds since 1970 (UTC), until 2106. Fractions are cut off:
/// carriers disagree about them, and 32 bits keep a parcel's progress small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTime(pub u32);

impl EventTime {
    /// The second that holds `at`; nothing outside 1970–2106.
    pub fn from_timestamp(at: Timestamp) -> Option<EventTime> {
        u32::try_from(at.0.div_euclid(SECOND_MS)).ok().map(EventTime)
    }

    /// The instant at the start of this second.
    pub fn timestamp(self) -> Timestamp {
        Timestamp(i64::from(self.0) * SECOND_MS)
    }
}

/// A time as it was written: local fields, and the zone if there was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedTime {
    /// The local fields read as if they were UTC, in milliseconds.
    pub local_ms: i64,
    /// Seconds east of UTC, when the text named a zone.
    pub offset_s: Option<i32>,
}

impl ParsedTime {
    /// The instant, if the zone is `offset_s` east of UTC.
    pub fn at_offset(self, offset_s: i32) -> Timestamp {
        Timestamp(self.local_ms - i64::from(offset_s) * SECOND_MS)
    }
}

/// Reads `YYYY-MM-DDTHH:MM[:SS[.fraction]][Z|±HH:MM|±HHMM|±HH]`. The separator may be `T`, `t` or a blank; a
/// second of 60 is taken
/// as 59; fractions beyond milliseconds are cut off. Nothing else is a time.
pub fn parse_time(text: &str) -> Option<ParsedTime> {
    let b = text.as_bytes();
    let digits = |from: usize, n: usize| -> Option<i64> {
        let mut value = 0_i64;
        for c in b.get(from..from + n)? {
            if !c.is_ascii_digit() {
                return None;
            }
            value = value * 10 + i64::from(c - b'0');
        }
        Some(value)
    };
    let is = |at: usize, what: &[u8]| b.get(at).is_some_and(|c| what.contains(c));

    let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
    if !is(4, b"-") || !is(7, b"-") || !is(10, b"Tt ") || !is(13, b":") {
        return None;
    }
    let (hour, minute) = (digits(11, 2)?, digits(14, 2)?);
    let mut at = 16;
    let mut second = 0;
    let mut fraction_ms = 0;
    if is(at, b":") {
        second = digits(at + 1, 2)?.min(if digits(at + 1, 2)? == 60 { 59 } else { i64::MAX });
        at += 3;
        if is(at, b".,") {
            let start = at + 1;
            let mut end = start;
            while b.get(end).is_some_and(u8::is_ascii_digit) {
                end += 1;
            }
            if end == start || end - start > 12 {
                return None;
            }
            for i in 0..3 {
                let digit = if start + i < end { i64::from(b[start + i] - b'0') } else { 0 };
                fraction_ms = fraction_ms * 10 + digit;
            }
            at = end;
        }
    }
    let whole_ms = local_ms((year, month, day), (hour, minute, second))?;
    let offset_s = match b.get(at) {
        None => None,
        Some(b'Z' | b'z') if b.len() == at + 1 => Some(0),
        Some(sign @ (b'+' | b'-')) => {
            let zone_hour = digits(at + 1, 2)?;
            let zone_minute = match b.len() - at {
                3 => 0,
                5 => digits(at + 3, 2)?,
                6 if is(at + 3, b":") => digits(at + 4, 2)?,
                _ => return None,
            };
            if zone_hour > 23 || zone_minute > 59 {
                return None;
            }
            let east_s = i32::try_from(zone_hour * 3600 + zone_minute * 60).ok()?;
            Some(if *sign == b'-' { -east_s } else { east_s })
        }
        Some(_) => return None,
    };
    Some(ParsedTime { local_ms: whole_ms + fraction_ms, offset_s })
}

/// Local fields (year, month, day; hour, minute, second) read as if they were UTC, in milliseconds since 1970; nothing
/// when the calendar or the clock has no such fields.
pub fn local_ms(date: (i64, i64, i64), time: (i64, i64, i64)) -> Option<i64> {
    let ((year, month, day), (hour, minute, second)) = (date, time);
    if year < 1 || !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    if !(0..=23).contains(&hour) || !(0..=59).contains(&minute) || !(0..=59).contains(&second) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    Some(((days * 24 + hour) * 60 + minute) * MINUTE_MS + second * SECOND_MS)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date of a day counted from 1970-01-01, as (year, month, day).
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The text of an instant, ASCII on the stack, and how much of it counts.
fn text(at: Timestamp) -> ([u8; 24], usize) {
    // A time beyond four-digit years is not of this world; only wide numbers are written another way.
    let at = at.0.clamp(-62_167_219_200_000, 253_402_300_799_999);
    let (year, month, day) = civil_from_days(at.div_euclid(DAY_MS));
    let ms_of_day = u32::try_from(at.rem_euclid(DAY_MS)).expect("less than 2^27");
    let [year, month, day] = [year, month, day].map(|part| u32::try_from(part).expect("four digits at most"));
    let (second_of_day, ms) = (ms_of_day / 1_000, ms_of_day % 1_000);
    let (minute_of_day, second) = (second_of_day / 60, second_of_day % 60);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut pair = |at: usize, two: u32| {
        let [ten, one] = [(two / 10 % 10) as u8, (two % 10) as u8];
        text[at] += ten;
        text[at + 1] += one;
    };
    pair(0, year / 100);
    pair(2, year % 100);
    pair(5, month);
    pair(8, day);
    pair(11, minute_of_day / 60);
    pair(14, minute_of_day % 60);
    pair(17, second);
    if ms == 0 {
        text[19] = b'Z';
        return (text, 20);
    }
    // The point stays a point: there are less than ten hundreds.
    pair(19, ms / 100);
    pair(21, ms % 100);
    (text, 24)
}

/// Hands on the text of an instant.
fn with_text<R>(at: Timestamp, show: impl FnOnce(&str) -> R) -> R {
    let (text, length) = text(at);
    show(std::str::from_utf8(&text[..length]).expect("ASCII"))
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        with_text(*self, |text| f.pad(text))
    }
}

impl std::fmt::Display for EventTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.timestamp().fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            with_text(*self, |text| serializer.serialize_str(text))
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl WriteJson for Timestamp {
    fn write_json(&self, out: &mut Vec<u8>) {
        let (text, length) = text(*self);
        write_plain(&text[..length], out);
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
            Timestamp::parse(&text)
                .ok_or_else(|| serde::de::Error::custom(format!("not an RFC 3339 time: {text:?}")))
        } else {
            i64::deserialize(deserializer).map(Timestamp)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        for (text, want) in [
            ("1970-01-01T00:00:00Z", Some("1970-01-01T00:00:00Z")),
            ("2026-11-05T09:12:00-06:00", Some("2026-11-05T15:12:00Z")),
            ("2026-11-05T09:12:00-0600", Some("2026-11-05T15:12:00Z")),
            ("2026-11-05T09:12+05", Some("2026-11-05T04:12:00Z")),
            ("2024-02-29 23:59:60.1239999Z", Some("2024-02-29T23:59:59.123Z")),
            ("2023-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-11-05T24:00:00Z", None),
            ("2026-11-05T09:12:00", None),
            ("2026-11-05T09:12:00Zx", None),
            ("2026-11-05T09:12:61Z", None),
            ("", None),
            ("2026-11-05", None),
            ("2026-11-05T09:12:00.Z", None),
            ("٢٠٢٦-11-05T09:12:00Z", None),
        ] {
            assert_eq!(Timestamp::parse(text).map(|t| t.to_string()).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn dates_agree_with_jiff_over_four_centuries() {
        let mut day = jiff::civil::date(1900, 1, 1);
        while day.year() < 2300 {
            let text = format!("{day}T00:00:00Z");
            let at = Timestamp::parse(&text).expect("a date");
            let want = day.at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).expect("utc").timestamp();
            assert_eq!(at.0, want.as_millisecond(), "{text}");
            assert_eq!(at.to_string(), text);
            day = day.saturating_add(jiff::Span::new().days(13));
        }
    }
}
