//! Fulfillment centers: their time zones, their days, and the postal codes that mean them.
//!
//! Enters: `config/fcs.toml`. Leaves: for an FC and an instant, the local day. Always true: the time zone rules are
//! the ones compiled in, so that a day does not depend on the host. An FC that is not configured has UTC days.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::Deserialize;

use super::{FcId, Timestamp};

/// The configured fulfillment centers.
#[derive(Clone, Debug, Default)]
pub struct Fcs {
    zones: BTreeMap<String, TimeZone>,
    by_postal_code: BTreeMap<String, FcId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFc {
    time_zone: toml::Spanned<String>,
    #[serde(default)]
    postal_codes: Vec<String>,
}

/// What is wrong with an FC file, and where (bytes of the file, when known).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FcConfigError {
    /// What was expected and what was found.
    pub message: String,
    /// The bytes of the file that it is about.
    pub span: Option<std::ops::Range<usize>>,
}

impl Fcs {
    /// Reads `config/fcs.toml`: one table per FC, `time_zone` (IANA name) and `postal_codes`.
    pub fn parse(text: &str) -> Result<Fcs, FcConfigError> {
        let raw: BTreeMap<String, RawFc> = toml::from_str(text)
            .map_err(|e| FcConfigError { message: e.message().to_owned(), span: e.span() })?;
        let database = TimeZoneDatabase::bundled();
        let mut fcs = Fcs::default();
        for (name, fc) in raw {
            let span = Some(fc.time_zone.span());
            let id = FcId::parse(&name).ok_or_else(|| FcConfigError {
                message: format!("`{name}` is no FC: 1-64 printable characters are expected"),
                span: span.clone(),
            })?;
            let zone = database.get(fc.time_zone.get_ref()).map_err(|_| FcConfigError {
                message: format!(
                    "`{}` is no IANA time zone, for example `America/Chicago`",
                    fc.time_zone.get_ref()
                ),
                span: span.clone(),
            })?;
            for code in fc.postal_codes {
                if let Some(other) = fcs.by_postal_code.insert(code.clone(), id.clone()) {
                    return Err(FcConfigError {
                        message: format!("postal code {code} stands for {other} and for {id}"),
                        span,
                    });
                }
            }
            fcs.zones.insert(name, zone);
        }
        Ok(fcs)
    }

    /// The FCs that come with the program.
    pub fn embedded() -> Fcs {
        Fcs::parse(include_str!("../../config/fcs.toml")).expect("config/fcs.toml is tested to parse")
    }

    /// Whether the FC is configured.
    pub fn knows(&self, fc: &FcId) -> bool {
        self.zones.contains_key(fc.as_str())
    }

    /// The FC that a postal code stands for.
    pub fn by_postal_code(&self, code: &str) -> Option<&FcId> {
        self.by_postal_code.get(code)
    }

    /// The configured FCs' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.zones.keys().map(String::as_str)
    }

    fn zone(&self, fc: &str) -> TimeZone {
        self.zones.get(fc).cloned().unwrap_or(TimeZone::UTC)
    }

    /// Local fields at the FC, read as an instant: a gap moves forward, an overlap takes the earlier instant.
    pub fn local_to_instant(&self, fc: &FcId, local_ms: i64) -> Option<Timestamp> {
        if !self.knows(fc) {
            return None;
        }
        let naive = jiff::Timestamp::from_millisecond(local_ms).ok()?;
        let civil = TimeZone::UTC.to_datetime(naive);
        let instant = self.zone(fc.as_str()).to_ambiguous_timestamp(civil).compatible().ok()?;
        Some(Timestamp(instant.as_millisecond()))
    }

    /// The FC-local day that holds `at`: its date, its first instant and the first instant after it.
    pub fn day(&self, fc: &str, at: Timestamp) -> LocalDay {
        let zone = self.zone(fc);
        let clamped = at.0.clamp(-62_000_000_000_000, 253_000_000_000_000);
        let instant = jiff::Timestamp::from_millisecond(clamped).expect("clamped to years 5-9987");
        let date = zone.to_datetime(instant).date();
        let start_of = |date: Date| {
            let midnight = date.at(0, 0, 0, 0);
            let instant = zone.to_ambiguous_timestamp(midnight).compatible().expect("within the calendar");
            Timestamp(instant.as_millisecond())
        };
        let next = date.tomorrow().expect("within the calendar");
        LocalDay { date, start: start_of(date), end: start_of(next) }
    }
}

/// A day at an FC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalDay {
    /// The date there.
    pub date: Date,
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_local_and_follow_daylight_saving() {
        let fcs = Fcs::embedded();
        let at = |text| Timestamp::parse(text).expect("a time");
        for (fc, instant, date, hours) in [
            ("ICT2", "2026-11-05T04:00:00Z", "2026-11-04", 24),
            ("ICT2", "2026-11-01T12:00:00Z", "2026-11-01", 25),
            ("ICT2", "2026-03-08T12:00:00Z", "2026-03-08", 23),
            ("NOWHERE", "2026-11-05T04:00:00Z", "2026-11-05", 24),
        ] {
            let day = fcs.day(fc, at(instant));
            assert_eq!(day.date.to_string(), date);
            assert_eq!((day.end.0 - day.start.0) / crate::model::HOUR_MS, hours, "{fc} {instant}");
            assert!(day.start <= at(instant) && at(instant) < day.end);
        }
    }

    #[test]
    fn a_wrong_zone_is_shown_where_it_stands() {
        let text = "[ICT2]\ntime_zone = \"America/Wichita\"\n";
        let error = Fcs::parse(text).expect_err("no such zone");
        assert_eq!(&text[error.span.expect("a place")], "\"America/Wichita\"");
    }
}
