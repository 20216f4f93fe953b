//! Dates, times and time codes of X12 and EDIFACT.
//!
//! Enters: digits. Leaves: a [`When`]: local fields, and what the text said about their zone. Always true: `2400` is
//! the next day's midnight; second 60 is 59; a date alone is the whole day; a year of two digits is the one nearest to
//! a given year; nothing here knows a place.

use super::zones::Zone;
use crate::model::{DAY_MS, local_ms};

/// A time as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct When {
    /// The local fields read as if they were UTC, in milliseconds; of a date alone, its first instant.
    pub(crate) local_ms: i64,
    /// Only the date was said.
    pub(crate) whole_day: bool,
    pub(crate) zone: SaidZone,
}

/// What a text says about its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SaidZone {
    /// Nothing: local time of wherever it was.
    Nothing,
    /// Seconds east of UTC.
    Offset(i32),
    /// A zone with daylight saving time.
    Zone(Zone),
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |value, b| b.is_ascii_digit().then(|| value * 10 + i64::from(b - b'0')))
}

/// The year that ends in `year_of_century` and is nearest to `year`.
fn nearest_century(year_of_century: i64, year: i64) -> i64 {
    let same = year - year.rem_euclid(100) + year_of_century;
    [same - 100, same, same + 100]
        .into_iter()
        .min_by_key(|candidate| (candidate - year).abs())
        .unwrap_or(same)
}

/// `CCYYMMDD`, or `YYMMDD` with a century or near `year`: the first instant of the day, as if it were UTC.
pub(crate) fn x12_date(date: &[u8], century: &[u8], year: i64) -> Option<i64> {
    let (year, month_day) = match date.len() {
        8 => (number(&date[..4])?, &date[4..]),
        6 => {
            let of_century = number(&date[..2])?;
            let year = match century.len() {
                2 => number(century)? * 100 + of_century,
                _ => nearest_century(of_century, year),
            };
            (year, &date[2..])
        }
        _ => return None,
    };
    local_ms((year, number(&month_day[..2])?, number(&month_day[2..])?), (0, 0, 0))
}

/// `HHMM`, `HHMMSS`, and tenths or hundredths: milliseconds since midnight. `2400` is the day's end.
pub(crate) fn x12_time(time: &[u8]) -> Option<i64> {
    if !matches!(time.len(), 4 | 6..=8) || number(time).is_none() {
        return None;
    }
    let (hour, minute) = (number(&time[..2])?, number(&time[2..4])?);
    let second = if time.len() > 4 { number(&time[4..6])?.min(60) } else { 0 };
    if time.len() > 4 && number(&time[4..6])? > 60 {
        return None;
    }
    match (hour, minute, second) {
        (24, 0, 0) => Some(DAY_MS),
        (0..=23, 0..=59, _) => Some(((hour * 60 + minute) * 60 + second.min(59)) * 1000),
        _ => None,
    }
}

/// A time code (element 623).
pub(crate) fn x12_zone(code: &[u8]) -> Option<SaidZone> {
    let hours = |hours: i32| Some(SaidZone::Offset(hours * 3600));
    match code {
        b"" | b"LT" => Some(SaidZone::Nothing),
        b"UT" | b"GM" => hours(0),
        b"ET" => Some(SaidZone::Zone(Zone("America/New_York"))),
        b"CT" => Some(SaidZone::Zone(Zone("America/Chicago"))),
        b"MT" => Some(SaidZone::Zone(Zone("America/Denver"))),
        b"PT" => Some(SaidZone::Zone(Zone("America/Los_Angeles"))),
        b"AT" => Some(SaidZone::Zone(Zone("America/Anchorage"))),
        // Of the Hawaii-Aleutian zone only the far Aleutians have daylight saving time, and no freight to speak of.
        b"HT" => Some(SaidZone::Zone(Zone("Pacific/Honolulu"))),
        b"NT" => Some(SaidZone::Zone(Zone("America/St_Johns"))),
        b"TT" => Some(SaidZone::Zone(Zone("America/Halifax"))),
        b"ES" | b"CD" => hours(-5),
        b"ED" | b"TS" => hours(-4),
        b"CS" | b"MD" => hours(-6),
        b"MS" | b"PD" => hours(-7),
        b"PS" | b"AD" => hours(-8),
        b"AS" | b"HD" => hours(-9),
        b"HS" => hours(-10),
        b"TD" => hours(-3),
        b"NS" => Some(SaidZone::Offset(-3 * 3600 - 1800)),
        b"ND" => Some(SaidZone::Offset(-2 * 3600 - 1800)),
        [b'0'..=b'9', b'0'..=b'9'] => match i32::try_from(number(code)?).ok()? {
            east @ 1..=12 => hours(east),
            // 13 to 24 are 12 to 1 hours west.
            west @ 13..=24 => hours(west - 25),
            _ => None,
        },
        _ => None,
    }
}

/// A zone by the three letters that formats 301, 303 and 304 end with.
fn edifact_zone(name: &[u8]) -> Option<SaidZone> {
    let hours = |hours: i32| Some(SaidZone::Offset(hours * 3600));
    match name.trim_ascii() {
        b"" => Some(SaidZone::Nothing),
        b"UTC" | b"GMT" | b"Z" | b"WET" => hours(0),
        b"BST" | b"CET" | b"MEZ" => hours(1),
        b"EET" | b"MES" => hours(2),
        b"EST" | b"CDT" => hours(-5),
        b"EDT" | b"AST" => hours(-4),
        b"CST" | b"MDT" => hours(-6),
        b"MST" | b"PDT" => hours(-7),
        b"PST" => hours(-8),
        _ => None,
    }
}

/// `+HHMM` or `-HHMM`.
fn offset(text: &[u8]) -> Option<SaidZone> {
    let [sign @ (b'+' | b'-'), hhmm @ ..] = text else { return None };
    let (hour, minute) = (number(hhmm.get(..2)?)?, number(hhmm.get(2..4)?)?);
    if hhmm.len() != 4 || hour > 14 || minute > 59 {
        return None;
    }
    let east_s = i32::try_from(hour * 3600 + minute * 60).ok()?;
    Some(SaidZone::Offset(if *sign == b'-' { -east_s } else { east_s }))
}

/// The value of a DTM in its format (element 2379); without a format, by its length. Years of two digits are near
/// `year`.
pub(crate) fn edifact_time(value: &[u8], format: &[u8], year: i64) -> Option<When> {
    // Digits of the date, digits of the time, and whether a zone follows.
    let (date, time, zoned) = match (format, value.len()) {
        (b"101", 6) => (6, 0, false),
        (b"102" | b"", 8) => (8, 0, false),
        (b"201", 10) => (6, 4, false),
        (b"202", 12) => (6, 6, false),
        (b"203" | b"", 12) => (8, 4, false),
        (b"204" | b"", 14) => (8, 6, false),
        (b"205", 17) => (8, 4, true),
        (b"301", 10..=13) => (6, 4, true),
        (b"303", 12..=15) => (8, 4, true),
        (b"304", 14..=17) => (8, 6, true),
        _ => return None,
    };
    let day_ms = x12_date(&value[..date], b"", year)?;
    let of_day_ms = if time > 0 { x12_time(&value[date..date + time])? } else { 0 };
    let zone = match (zoned, format, &value[date + time..]) {
        (false, ..) => SaidZone::Nothing,
        (true, b"205", zone) => offset(zone)?,
        (true, _, zone) => edifact_zone(zone)?,
    };
    Some(When { local_ms: day_ms + of_day_ms, whole_day: time == 0, zone })
}
