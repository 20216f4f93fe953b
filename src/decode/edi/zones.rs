//! Which time zone a place has, when nobody said.
//!
//! Enters: country, state and city as a message wrote them. Leaves: an IANA zone, or nothing. Always true: a state or
//! country with one zone is told by itself; one with several is told by its larger zone, unless the city is one of
//! those that are known to lie in the other; a country that is too wide for that gives nothing.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::model::Timestamp;

/// A zone by its IANA name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zone(pub(crate) &'static str);

/// The zones that were needed so far: at most one for each name in this file and in `time`.
#[derive(Debug, Default)]
pub(crate) struct Zones {
    loaded: Vec<(Zone, TimeZone)>,
}

impl Zones {
    /// Local fields read as an instant: a gap moves forward, an overlap takes the earlier instant.
    pub(crate) fn instant(&mut self, zone: Zone, local_ms: i64) -> Option<Timestamp> {
        let index = match self.loaded.iter().position(|(loaded, _)| *loaded == zone) {
            Some(index) => index,
            None => {
                let loaded = TimeZoneDatabase::bundled().get(zone.0).expect("a test reads every name");
                self.loaded.push((zone, loaded));
                self.loaded.len() - 1
            }
        };
        let naive = jiff::Timestamp::from_millisecond(local_ms).ok()?;
        let civil = TimeZone::UTC.to_datetime(naive);
        let instant = self.loaded[index].1.to_ambiguous_timestamp(civil).compatible().ok()?;
        Some(Timestamp(instant.as_millisecond()))
    }
}

/// The zone of a place.
pub(crate) fn zone_of(country: &str, state: &str, city: &str) -> Option<Zone> {
    let country = country.trim_ascii();
    let american = is_any(country, &["", "US", "USA", "CA", "CAN"]);
    if american && let Some(found) = zone_of_state(state.trim_ascii(), city.trim_ascii()) {
        return Some(found);
    }
    COUNTRIES
        .iter()
        .find(|(codes, _)| codes.split(' ').any(|code| code.eq_ignore_ascii_case(country)))
        .map(|(_, zone)| Zone(zone))
}

fn is_any(text: &str, names: &[&str]) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(text))
}

fn zone_of_state(state: &str, city: &str) -> Option<Zone> {
    let &[a, b] = state.as_bytes() else { return None };
    let code = [a.to_ascii_uppercase(), b.to_ascii_uppercase()];
    let split = SPLIT_STATES.iter().find(|(split, ..)| split.as_bytes() == code);
    if let Some((_, cities, zone)) = split
        && is_any(city, cities)
    {
        return Some(Zone(zone));
    }
    let (_, zone) = STATES
        .iter()
        .find(|(states, _)| states.as_bytes().chunks(3).any(|state| state.get(..2) == Some(&code[..])))?;
    Some(Zone(zone))
}

/// US states and territories, military mail of none, and Canadian provinces, by the zone of most of their people.
const STATES: [(&str, &str); 21] = [
    ("CT DC DE FL GA KY MA MD ME NC NH NJ NY OH PA RI SC VA VT WV", "America/New_York"),
    ("AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI", "America/Chicago"),
    ("CO MT NM UT WY", "America/Denver"),
    ("CA NV OR WA", "America/Los_Angeles"),
    ("AZ", "America/Phoenix"),
    ("ID", "America/Boise"),
    ("MI", "America/Detroit"),
    ("IN", "America/Indiana/Indianapolis"),
    ("AK", "America/Anchorage"),
    ("HI", "Pacific/Honolulu"),
    ("PR VI", "America/Puerto_Rico"),
    ("GU MP", "Pacific/Guam"),
    ("ON QC", "America/Toronto"),
    ("MB", "America/Winnipeg"),
    ("SK", "America/Regina"),
    ("AB", "America/Edmonton"),
    ("BC", "America/Vancouver"),
    ("NB NS PE", "America/Halifax"),
    ("NL", "America/St_Johns"),
    ("YT", "America/Whitehorse"),
    ("NT", "America/Yellowknife"),
];

/// Cities that lie in the smaller zone of their state.
const SPLIT_STATES: [(&str, &[&str], &str); 14] = [
    (
        "FL",
        &[
            "PENSACOLA",
            "PANAMA CITY",
            "PANAMA CITY BEACH",
            "FORT WALTON BEACH",
            "DESTIN",
            "CRESTVIEW",
            "MARIANNA",
            "NICEVILLE",
            "MILTON",
        ],
        "America/Chicago",
    ),
    (
        "KY",
        &["BOWLING GREEN", "OWENSBORO", "PADUCAH", "HOPKINSVILLE", "HENDERSON", "MURRAY", "MADISONVILLE"],
        "America/Chicago",
    ),
    (
        "TN",
        &[
            "KNOXVILLE",
            "CHATTANOOGA",
            "JOHNSON CITY",
            "KINGSPORT",
            "BRISTOL",
            "OAK RIDGE",
            "MORRISTOWN",
            "CLEVELAND",
            "CHARLESTON",
            "MARYVILLE",
            "GREENEVILLE",
        ],
        "America/New_York",
    ),
    (
        "IN",
        &[
            "GARY",
            "HAMMOND",
            "EAST CHICAGO",
            "CROWN POINT",
            "MERRILLVILLE",
            "MICHIGAN CITY",
            "PORTAGE",
            "VALPARAISO",
            "HOBART",
            "EVANSVILLE",
        ],
        "America/Chicago",
    ),
    ("MI", &["IRON MOUNTAIN", "IRONWOOD", "MENOMINEE"], "America/Chicago"),
    ("TX", &["EL PASO", "SOCORRO", "HORIZON CITY"], "America/Denver"),
    ("KS", &["GOODLAND", "SHARON SPRINGS", "TRIBUNE", "SYRACUSE"], "America/Denver"),
    ("NE", &["SCOTTSBLUFF", "GERING", "ALLIANCE", "CHADRON", "SIDNEY", "OGALLALA"], "America/Denver"),
    ("SD", &["RAPID CITY", "STURGIS", "SPEARFISH", "BOX ELDER", "DEADWOOD", "HOT SPRINGS"], "America/Denver"),
    ("ND", &["DICKINSON", "BOWMAN", "BEACH", "HETTINGER"], "America/Denver"),
    (
        "ID",
        &["COEUR D'ALENE", "COEUR D ALENE", "LEWISTON", "MOSCOW", "POST FALLS", "SANDPOINT", "HAYDEN"],
        "America/Los_Angeles",
    ),
    ("OR", &["ONTARIO", "NYSSA", "VALE"], "America/Boise"),
    ("NV", &["WEST WENDOVER", "JACKPOT"], "America/Denver"),
    ("ON", &["KENORA", "RAINY RIVER", "FORT FRANCES", "DRYDEN"], "America/Winnipeg"),
];

/// Countries with one zone, or one that nearly all of their freight lives in.
const COUNTRIES: [(&str, &str); 38] = [
    ("GB GBR UK", "Europe/London"),
    ("IE IRL", "Europe/Dublin"),
    ("DE DEU", "Europe/Berlin"),
    ("FR FRA", "Europe/Paris"),
    ("IT ITA", "Europe/Rome"),
    ("ES ESP", "Europe/Madrid"),
    ("PT PRT", "Europe/Lisbon"),
    ("NL NLD", "Europe/Amsterdam"),
    ("BE BEL", "Europe/Brussels"),
    ("LU LUX", "Europe/Luxembourg"),
    ("AT AUT", "Europe/Vienna"),
    ("CH CHE", "Europe/Zurich"),
    ("PL POL", "Europe/Warsaw"),
    ("CZ CZE", "Europe/Prague"),
    ("SK SVK", "Europe/Bratislava"),
    ("HU HUN", "Europe/Budapest"),
    ("RO ROU", "Europe/Bucharest"),
    ("BG BGR", "Europe/Sofia"),
    ("GR GRC", "Europe/Athens"),
    ("SE SWE", "Europe/Stockholm"),
    ("DK DNK", "Europe/Copenhagen"),
    ("NO NOR", "Europe/Oslo"),
    ("FI FIN", "Europe/Helsinki"),
    ("EE EST", "Europe/Tallinn"),
    ("LV LVA", "Europe/Riga"),
    ("LT LTU", "Europe/Vilnius"),
    ("TR TUR", "Europe/Istanbul"),
    ("CN CHN", "Asia/Shanghai"),
    ("HK HKG", "Asia/Hong_Kong"),
    ("TW TWN", "Asia/Taipei"),
    ("JP JPN", "Asia/Tokyo"),
    ("KR KOR", "Asia/Seoul"),
    ("SG SGP", "Asia/Singapore"),
    ("VN VNM", "Asia/Ho_Chi_Minh"),
    ("TH THA", "Asia/Bangkok"),
    ("IN IND", "Asia/Kolkata"),
    ("AE ARE", "Asia/Dubai"),
    ("IL ISR", "Asia/Jerusalem"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_is_one_that_is_compiled_in() {
        let split = SPLIT_STATES.iter().map(|(_, _, zone)| *zone);
        let names = STATES.iter().chain(&COUNTRIES).map(|(_, zone)| *zone).chain(split);
        for name in names {
            assert!(TimeZoneDatabase::bundled().get(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn no_state_or_country_stands_twice_and_split_states_have_a_larger_zone() {
        let mut codes: Vec<&str> = STATES.iter().flat_map(|(codes, _)| codes.split(' ')).collect();
        assert!(codes.iter().all(|code| code.len() == 2));
        assert!(SPLIT_STATES.iter().all(|(state, ..)| codes.contains(state)));
        codes.sort_unstable();
        assert!(codes.windows(2).all(|pair| pair[0] != pair[1]));
        let mut codes: Vec<&str> = COUNTRIES.iter().flat_map(|(codes, _)| codes.split(' ')).collect();
        codes.sort_unstable();
        assert!(codes.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn places_have_the_zone_of_their_city_state_or_country() {
        for (country, state, city, want) in [
            ("US", "KS", "WICHITA", Some("America/Chicago")),
            ("USA", "ks", "Goodland", Some("America/Denver")),
            ("", "TN", "MEMPHIS", Some("America/Chicago")),
            ("", "TN", " chattanooga ", Some("America/New_York")),
            ("US", "AZ", "", Some("America/Phoenix")),
            ("CA", "ON", "BRAMPTON", Some("America/Toronto")),
            ("CAN", "SK", "REGINA", Some("America/Regina")),
            ("DE", "", "HAMBURG", Some("Europe/Berlin")),
            // A state of another country is no state of this one.
            ("DE", "CA", "", Some("Europe/Berlin")),
            ("BR", "PA", "", None),
            ("US", "", "WICHITA", None),
            ("US", "ZZ", "", None),
            ("", "", "", None),
            ("US", "é", "", None),
        ] {
            assert_eq!(zone_of(country, state, city), want.map(Zone), "{country}/{state}/{city}");
        }
    }

    #[test]
    fn gaps_move_forward_and_overlaps_take_the_earlier_instant() {
        let mut zones = Zones::default();
        for (local, want) in [
            ("2026-03-08T02:30:00Z", "2026-03-08T10:30:00Z"),
            ("2026-11-01T01:30:00Z", "2026-11-01T08:30:00Z"),
            ("2026-07-01T12:00:00Z", "2026-07-01T19:00:00Z"),
        ] {
            let local = Timestamp::parse(local).expect("a time");
            assert_eq!(
                zones.instant(Zone("America/Los_Angeles"), local.0),
                Timestamp::parse(want),
                "{local}"
            );
        }
    }
}
