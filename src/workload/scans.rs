//! Scans: what is planned of one, and its JSON.
//!
//! Enters: a [`PlannedScan`] and its [`Unit`]. Leaves: bytes in the caller's buffer. Always true: the bytes follow
//! from the plan alone, so a repeat is the same text; a bad scan is bad for exactly the reason it names.

use std::io::Write;

use super::ScanIntent;
use super::feeds::{Feed, Said, UNKNOWN_CODE};
use super::numbers::Number;
use super::places::{CITIES, FCS, Place};
use super::rng::mix;
use crate::model::{DeadLetterReason, Flag, Milestone, civil_from_days};

/// A number as one carrier scans it.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) number: Number,
    pub(crate) feed: Feed,
    pub(crate) seed: u64,
    /// Scans of it that are still to be written.
    pub(crate) pending: u32,
}

/// A scan that will be written. Times are seconds since the world's start.
#[derive(Clone, Debug)]
pub(crate) struct PlannedScan {
    pub(crate) at_s: u32,
    pub(crate) event_s: i32,
    pub(crate) unit: u32,
    /// Its number among the unit's scans; repeats share it.
    pub(crate) index: u16,
    pub(crate) what: What,
    pub(crate) place: Where,
    pub(crate) extra: Extra,
    pub(crate) intent: ScanIntent,
    pub(crate) named: bool,
    pub(crate) zoneless: bool,
    pub(crate) disguised: bool,
}

/// What a scan says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Milestone(Milestone),
    Flag(Flag),
    Eta,
    Appointment,
    UnknownCode,
    /// Takes another scan back, and says nothing else.
    Correction,
    Bad(Bad),
}

/// Where a scan says it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// No location at all.
    Nowhere,
    /// A city on the way.
    City(u8),
    /// The FC, by name.
    Fc(u8),
    /// The FC, by its postal code only.
    FcPostalCode(u8),
    /// The FC's city, without saying so.
    FcCity(u8),
}

/// What else a scan carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    None,
    /// When the carrier means to deliver.
    Eta(i32),
    /// The start of the appointment; it lasts two hours.
    Appointment(i32),
    /// The scan it takes back, by its number among the unit's.
    Retracts(u16),
}

/// Ways to be unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    Truncated,
    RepeatedKey,
    Utf8,
    Format,
    Empty,
    Depth,
    MissingField,
    UnknownMilestone,
    UnreadableTime,
    Number,
    /// Its planned event time is ten days ahead, or too old.
    Time,
    /// It has no location, and its time no zone.
    Zone,
}

impl Bad {
    pub(crate) const ALL: [Bad; 12] = [
        Bad::Truncated,
        Bad::RepeatedKey,
        Bad::Utf8,
        Bad::Format,
        Bad::Empty,
        Bad::Depth,
        Bad::MissingField,
        Bad::UnknownMilestone,
        Bad::UnreadableTime,
        Bad::Number,
        Bad::Time,
        Bad::Zone,
    ];

    /// Why it is a dead letter.
    pub(crate) fn reason(self) -> DeadLetterReason {
        match self {
            Bad::Truncated | Bad::RepeatedKey => DeadLetterReason::BadJson,
            Bad::Utf8 => DeadLetterReason::BadUtf8,
            Bad::Format | Bad::Empty => DeadLetterReason::UnknownFormat,
            Bad::Depth => DeadLetterReason::TooDeep,
            Bad::MissingField => DeadLetterReason::MissingField,
            Bad::UnknownMilestone | Bad::UnreadableTime => DeadLetterReason::BadField,
            Bad::Number => DeadLetterReason::BadTrackingId,
            Bad::Time => DeadLetterReason::ImplausibleTime,
            Bad::Zone => DeadLetterReason::NoTimeZone,
        }
    }

    /// Whether it would break an array that holds it, and so is a message of its own.
    pub(crate) fn stands_alone(self) -> bool {
        match self {
            Bad::Truncated | Bad::RepeatedKey | Bad::Utf8 | Bad::Format | Bad::Empty | Bad::Depth => true,
            Bad::MissingField
            | Bad::UnknownMilestone
            | Bad::UnreadableTime
            | Bad::Number
            | Bad::Time
            | Bad::Zone => false,
        }
    }
}

/// Appends the scan's JSON (or what is left of it). `start_s` is the world's start in seconds since 1970.
pub(crate) fn write_scan(out: &mut Vec<u8>, start_s: i64, unit: &Unit, scan: &PlannedScan) {
    let from = out.len();
    let What::Bad(bad) = scan.what else {
        return write_good(out, start_s, unit, scan);
    };
    let number = unit.number.as_str();
    let carrier = unit.feed.code();
    let mut time = Vec::new();
    push_time(&mut time, start_s + i64::from(scan.event_s), Some(0));
    let time = String::from_utf8(time).expect("ASCII");
    let variety = variety_of(unit, scan.index);
    match bad {
        Bad::Time | Bad::Zone => write_good(out, start_s, unit, scan),
        Bad::Truncated => {
            write_good(out, start_s, unit, scan);
            let len = out.len() - from;
            out.truncate(from + len * (40 + (variety % 50) as usize) / 100);
        }
        Bad::RepeatedKey => write_bad(
            out,
            &format!(
                r#"{{"carrier":"{carrier}","tracking_id":"{number}","milestone":"IN_TRANSIT","event_time":"{time}","carrier":"{carrier}"}}"#
            ),
        ),
        Bad::Utf8 => {
            let head = format!(
                r#"{{"carrier":"{carrier}","tracking_id":"{number}","milestone":"IN_TRANSIT","event_time":"{time}","description":"caf"#
            );
            write_bad(out, &head);
            out.extend_from_slice(b"\xe9\"}");
        }
        Bad::Format => write_bad(out, &format!("<scan number='{number}' at='{time}'/>")),
        Bad::Empty => {}
        Bad::Depth => {
            let (open, close) = ("[".repeat(40), "]".repeat(40));
            write_bad(
                out,
                &format!(
                    r#"{{"carrier":"{carrier}","tracking_id":"{number}","milestone":"IN_TRANSIT","event_time":"{time}","history":{open}{close}}}"#
                ),
            );
        }
        Bad::MissingField => {
            let fields = [
                format!(r#""carrier":"{carrier}""#),
                format!(r#""tracking_id":"{number}""#),
                r#""milestone":"IN_TRANSIT""#.to_owned(),
                format!(r#""event_time":"{time}""#),
            ];
            let left_out = (variety % 4) as usize;
            let kept: Vec<&str> = (0..4).filter(|i| *i != left_out).map(|i| fields[i].as_str()).collect();
            write_bad(out, &format!("{{{}}}", kept.join(",")));
        }
        Bad::UnknownMilestone => write_bad(
            out,
            &format!(
                r#"{{"carrier":"{carrier}","tracking_id":"{number}","milestone":"TELEPORTED","event_time":"{time}"}}"#
            ),
        ),
        Bad::UnreadableTime => write_bad(
            out,
            &format!(
                r#"{{"carrier":"{carrier}","tracking_id":"{number}","milestone":"IN_TRANSIT","event_time":"last Tuesday"}}"#
            ),
        ),
        // A Cyrillic letter that looks like a Latin one.
        Bad::Number => write_bad(
            out,
            &format!(
                r#"{{"carrier":"{carrier}","tracking_id":"{}А","milestone":"IN_TRANSIT","event_time":"{time}"}}"#,
                &number[..number.len() - 1]
            ),
        ),
    }
}

fn write_bad(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn variety_of(unit: &Unit, index: u16) -> u64 {
    mix(unit.seed ^ u64::from(index))
}

fn write_good(out: &mut Vec<u8>, start_s: i64, unit: &Unit, scan: &PlannedScan) {
    let variety = variety_of(unit, scan.index);
    let nulls = unit.feed.writes_nulls();
    out.push(b'{');
    if scan.named {
        out.extend_from_slice(b"\"scan_id\":\"");
        push_scan_id(out, unit, scan.index);
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(b"\"carrier\":\"");
    out.extend_from_slice(unit.feed.name_in_scans(unit.seed).as_bytes());
    out.extend_from_slice(b"\",\"tracking_id\":\"");
    if scan.disguised {
        push_disguised(out, unit, variety);
    } else {
        out.extend_from_slice(unit.number.as_bytes());
    }
    let at_fc = matches!(scan.place, Where::Fc(_) | Where::FcPostalCode(_));
    let said = match scan.what {
        What::Milestone(milestone) => unit.feed.says(milestone, variety >> 8, at_fc),
        What::Flag(flag) => unit.feed.says_flag(flag),
        What::Eta => Said::Milestone("ETA"),
        What::Appointment => Said::Milestone("APPOINTMENT"),
        What::UnknownCode | What::Correction => Said::Code(UNKNOWN_CODE),
        What::Bad(_) => Said::Milestone("IN_TRANSIT"),
    };
    match said {
        Said::Code(code) => {
            out.extend_from_slice(b"\",\"code\":\"");
            out.extend_from_slice(code.as_bytes());
        }
        Said::Milestone(name) => {
            out.extend_from_slice(b"\",\"milestone\":\"");
            out.extend_from_slice(name.as_bytes());
        }
    }
    let place = match scan.place {
        Where::Nowhere => None,
        Where::City(city) => Some(&CITIES[usize::from(city)]),
        Where::Fc(fc) | Where::FcPostalCode(fc) | Where::FcCity(fc) => Some(&FCS[usize::from(fc)]),
    };
    let offset_min = place.map_or(0, |place| place.offset_min);
    let zone = if scan.zoneless { Zone::Unsaid(offset_min) } else { Zone::Said(offset_min) };
    out.extend_from_slice(b"\",\"event_time\":\"");
    push_local_time(out, start_s + i64::from(scan.event_s), zone);
    out.push(b'"');
    if let Some(place) = place {
        push_location(out, place, scan.place, nulls);
    } else if nulls {
        out.extend_from_slice(b",\"location\":null");
    }
    if nulls {
        out.extend_from_slice(b",\"reason\":null");
    }
    let hours = |from_s: i32, plus_h: i64| start_s + i64::from(from_s) + plus_h * 3600;
    match scan.extra {
        Extra::Eta(eta_s) => {
            out.extend_from_slice(b",\"eta\":\"");
            push_time(out, hours(eta_s, 0), Some(offset_min));
            out.push(b'"');
        }
        _ if nulls => out.extend_from_slice(b",\"eta\":null"),
        _ => {}
    }
    match scan.extra {
        Extra::Appointment(appointment_s) => {
            out.extend_from_slice(b",\"appointment\":{\"start\":\"");
            push_time(out, hours(appointment_s, 0), Some(0));
            out.extend_from_slice(b"\",\"end\":\"");
            push_time(out, hours(appointment_s, 2), Some(0));
            out.extend_from_slice(b"\"}");
        }
        _ if nulls => out.extend_from_slice(b",\"appointment\":null"),
        _ => {}
    }
    match scan.extra {
        Extra::Retracts(index) => {
            out.extend_from_slice(b",\"retracts\":[\"");
            push_scan_id(out, unit, index);
            out.extend_from_slice(b"\"]");
        }
        _ if nulls => out.extend_from_slice(b",\"retracts\":[]"),
        _ => {}
    }
    out.extend_from_slice(b",\"description\":\"");
    out.extend_from_slice(described(scan.what).as_bytes());
    out.extend_from_slice(b"\"}");
}

fn push_scan_id(out: &mut Vec<u8>, unit: &Unit, index: u16) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut id = unit.seed;
    for _ in 0..16 {
        out.push(HEX[(id >> 60) as usize]);
        id <<= 4;
    }
    out.push(b'-');
    for shift in [12, 8, 4, 0] {
        out.push(HEX[usize::from(index >> shift & 15)]);
    }
}

/// The number as somebody else would write it; its canonical form is the same.
fn push_disguised(out: &mut Vec<u8>, unit: &Unit, variety: u64) {
    let number = unit.number.as_str();
    match unit.feed {
        Feed::Ups if variety & 1 == 0 => out.extend(number.bytes().map(|b| b.to_ascii_lowercase())),
        Feed::Ups => {
            write!(out, "{} {} {} {}", &number[..2], &number[2..5], &number[5..8], &number[8..])
                .expect("memory");
        }
        Feed::Usps if variety & 1 == 0 => write!(out, "42067219{number}").expect("memory"),
        Feed::Usps | Feed::FedEx | Feed::Dhl => {
            write!(out, " {} {} ", &number[..4], &number[4..]).expect("memory");
        }
        Feed::Regional | Feed::Estes | Feed::Saia | Feed::Rl | Feed::Abf | Feed::Xpo => {
            write!(out, "{}-{}", &number[..3], &number[3..]).expect("memory");
        }
    }
}

fn push_location(out: &mut Vec<u8>, place: &Place, named: Where, nulls: bool) {
    let mut field = |name: &str, value: Option<&str>| match value {
        Some(value) => {
            out.extend_from_slice(name.as_bytes());
            out.push(b'"');
            out.extend_from_slice(value.as_bytes());
            out.push(b'"');
        }
        None if nulls => {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"null");
        }
        None => {}
    };
    let is_fc = matches!(named, Where::Fc(_));
    field(",\"location\":{\"city\":", Some(place.city));
    field(",\"facility\":", matches!(named, Where::City(_)).then_some(place.name));
    field(",\"state\":", Some(place.state));
    field(",\"postal_code\":", (!matches!(named, Where::FcCity(_))).then_some(place.postal_code));
    field(",\"country\":", Some(place.country));
    field(",\"fc\":", is_fc.then_some(place.name));
    out.push(b'}');
}

fn described(what: What) -> &'static str {
    match what {
        What::Milestone(Milestone::LabelCreated) => "Shipper created a label",
        What::Milestone(Milestone::PickedUp) => "Picked up",
        What::Milestone(Milestone::InTransit) => "Departed from facility",
        What::Milestone(Milestone::AtDestination) => "At local facility",
        What::Milestone(Milestone::OutForDelivery) => "Out for delivery",
        What::Milestone(Milestone::ArrivedAtFc) => "Arrived at gate",
        What::Milestone(Milestone::PartiallyDelivered) => "Partially delivered",
        What::Milestone(Milestone::Delivered) => "Delivered, dock",
        What::Milestone(Milestone::ReturnStarted) => "Return to sender requested",
        What::Milestone(Milestone::Returned) => "Returned to sender",
        What::Milestone(Milestone::Lost) => "Package not found",
        What::Milestone(Milestone::Destroyed) => "Package destroyed",
        What::Flag(_) => "Exception",
        What::Eta => "Delivery date updated",
        What::Appointment => "Delivery appointment set",
        What::UnknownCode => "Administrative scan",
        What::Correction => "Correction of an earlier scan",
        What::Bad(_) => "Scanned",
    }
}

#[derive(Clone, Copy)]
enum Zone {
    Said(i32),
    Unsaid(i32),
}

fn push_time(out: &mut Vec<u8>, at_s: i64, offset_min: Option<i32>) {
    push_local_time(out, at_s, Zone::Said(offset_min.unwrap_or(0)));
}

fn push_local_time(out: &mut Vec<u8>, at_s: i64, zone: Zone) {
    let (Zone::Said(offset_min) | Zone::Unsaid(offset_min)) = zone;
    let local_s = at_s + i64::from(offset_min) * 60;
    let (year, month, day) = civil_from_days(local_s.div_euclid(86_400));
    let second_of_day = local_s.rem_euclid(86_400);
    let mut text = *b"0000-00-00T00:00:00";
    let mut put = |at: usize, value: i64| {
        let value = u8::try_from(value).expect("below 100");
        text[at] = b'0' + value / 10;
        text[at + 1] = b'0' + value % 10;
    };
    put(0, year / 100);
    put(2, year % 100);
    put(5, month);
    put(8, day);
    put(11, second_of_day / 3600);
    put(14, second_of_day / 60 % 60);
    put(17, second_of_day % 60);
    out.extend_from_slice(&text);
    match zone {
        Zone::Unsaid(_) => {}
        Zone::Said(0) => out.push(b'Z'),
        Zone::Said(offset_min) => {
            let minutes = i64::from(offset_min.unsigned_abs());
            let mut text = *b"+00:00";
            text[0] = if offset_min < 0 { b'-' } else { b'+' };
            for (at, value) in [(1, minutes / 60), (4, minutes % 60)] {
                let value = u8::try_from(value).expect("below 100");
                text[at] = b'0' + value / 10;
                text[at + 1] = b'0' + value % 10;
            }
            out.extend_from_slice(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn times_are_written_as_the_model_reads_them() {
        for (at_s, offset_min) in [(0, 0), (1_793_577_599, -360), (1_793_577_600, 480), (951_782_400, -210)] {
            let mut text = Vec::new();
            push_time(&mut text, at_s, Some(offset_min));
            let text = String::from_utf8(text).expect("ASCII");
            assert_eq!(Timestamp::parse(&text), Some(Timestamp(at_s * 1000)), "{text}");
        }
    }
}
