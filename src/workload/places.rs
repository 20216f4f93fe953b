//! Where scans happen: the fulfillment centers of `config/fcs.toml` and the cities on the way to them.
//!
//! Always true: an FC's postal code maps to it and no city's does. Offsets are what the place's feed writes; an
//! explicit offset is right whatever the season. Only [`ZONELESS_FC`] may be written without one: it has no summer time.

/// A place as a feed names it.
#[derive(Debug)]
pub(crate) struct Place {
    /// The FC's name, or the carrier's facility.
    pub(crate) name: &'static str,
    pub(crate) city: &'static str,
    pub(crate) state: &'static str,
    pub(crate) postal_code: &'static str,
    pub(crate) country: &'static str,
    /// Minutes east of UTC.
    pub(crate) offset_min: i32,
}

const fn place(
    name: &'static str,
    city: &'static str,
    state: &'static str,
    postal_code: &'static str,
    country: &'static str,
    offset_h: i32,
) -> Place {
    Place { name, city, state, postal_code, country, offset_min: offset_h * 60 }
}

/// The fulfillment centers.
pub(crate) const FCS: [Place; 8] = [
    place("ICT2", "Wichita", "KS", "67219", "US", -6),
    place("ONT8", "Moreno Valley", "CA", "92551", "US", -8),
    place("PHX7", "Phoenix", "AZ", "85043", "US", -7),
    place("ABE8", "Florence", "NJ", "08518", "US", -5),
    place("MDW2", "Joliet", "IL", "60433", "US", -6),
    place("IND9", "Greenwood", "IN", "46143", "US", -5),
    place("YYZ4", "Brampton", "ON", "L6Y0B2", "CA", -5),
    place("LBA4", "Doncaster", "ENG", "DN118QD", "GB", 0),
];

/// The FC without summer time, as an index into [`FCS`]: minutes east of UTC are the same all year.
pub(crate) const ZONELESS_FC: u8 = 2;

/// Cities on the way.
pub(crate) const CITIES: [Place; 16] = [
    place("KCKKS", "Kansas City", "KS", "66106", "US", -6),
    place("LOUKY", "Louisville", "KY", "40213", "US", -5),
    place("MEMTN", "Memphis", "TN", "38118", "US", -6),
    place("DFWTX", "Dallas", "TX", "75261", "US", -6),
    place("ATLGA", "Atlanta", "GA", "30354", "US", -5),
    place("ORDIL", "Chicago", "IL", "60666", "US", -6),
    place("LAXCA", "Los Angeles", "CA", "90045", "US", -8),
    place("OAKCA", "Oakland", "CA", "94621", "US", -8),
    place("DENCO", "Denver", "CO", "80249", "US", -7),
    place("SEAWA", "Seattle", "WA", "98158", "US", -8),
    place("EWRNJ", "Newark", "NJ", "07114", "US", -5),
    place("PHLPA", "Philadelphia", "PA", "19153", "US", -5),
    place("CVGKY", "Hebron", "KY", "41048", "US", -5),
    place("TORON", "Mississauga", "ON", "L5T2N7", "CA", -5),
    place("EMAGB", "Castle Donington", "ENG", "DE742TR", "GB", 0),
    place("SZXCN", "Shenzhen", "GD", "518128", "CN", 8),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Fcs;

    #[test]
    fn places_agree_with_the_configured_fcs() {
        let fcs = Fcs::embedded();
        let mut names: Vec<_> = FCS.iter().map(|fc| fc.name).collect();
        names.sort_unstable();
        assert_eq!(names, fcs.names().collect::<Vec<_>>());
        for fc in &FCS {
            assert_eq!(fcs.by_postal_code(fc.postal_code).map(|id| id.as_str()), Some(fc.name));
        }
        for city in &CITIES {
            assert_eq!(fcs.by_postal_code(city.postal_code), None, "{}", city.city);
        }
        assert_eq!(FCS[usize::from(ZONELESS_FC)].name, "PHX7");
    }
}
