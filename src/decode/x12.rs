//! X12: interchanges of shipment status messages (transaction set 214), releases 003040 to 005010.
//!
//! Enters: bytes that begin with `ISA`. Leaves: scans, rejections and warnings through [`Parts`]. Always true: delimiters
//! are those of the header that was read last; a set is applied whole or not at all; what is cut off is one rejection;
//! counts and control numbers that do not agree are warned of and change nothing.
//!
//! Within a set, segments may come in any order: references, places and events are collected per `LX` loop and bound when
//! it closes. A status before any `LX` opens a loop of its own. A place (`MS1`, `Q5`) belongs to the status before it; if
//! that has one already, or there is none, to the next one.

use super::edi::{
    CodeSet, Delimiters, Event, Fault, Happened, Kept, Parts, Place, References, Segment, Segments, Set,
    Strength, When, Written, Zones, is_blank, skip_filler, x12_date, x12_time, x12_zone,
};
use crate::model::{DeadLetterReason, Timestamp, civil_from_days};

/// From this release on, dates have a century and AT7 has seven elements.
const CENTURY_RELEASE: u32 = 4010;

/// The segments that a 214 may have in some release, beside those that are read.
const KNOWN_TAGS: &[&[u8]] = &[
    b"AT5", b"AT8", b"AT9", b"BLR", b"CD3", b"CN1", b"CTT", b"DTM", b"DTP", b"EFI", b"ED", b"G61", b"G62",
    b"H3", b"IMA", b"K1", b"L5", b"L7", b"LAD", b"LE", b"LH1", b"LH2", b"LH3", b"LH4", b"LQ", b"LS", b"M7",
    b"MEA", b"MS2", b"MS3", b"MS5", b"N2", b"N3", b"N7", b"NM1", b"NTE", b"OID", b"PER", b"PRF", b"PWK",
    b"Q7", b"R1", b"R2", b"R3", b"R4", b"REF", b"S5", b"SDQ", b"SG", b"SPO", b"SR", b"TD1", b"TD3", b"TD5",
    b"V1", b"V9", b"ZD",
];

/// Statuses about a time to come: estimated arrivals and departures, appointments.
const ETA_CODES: [&[u8]; 2] = [b"AG", b"X2"];
const FORECAST_CODES: [&[u8]; 6] = [b"AG", b"X2", b"B6", b"C1", b"AA", b"AB"];
const DELIVERY_APPOINTMENT: &[u8] = b"AB";

/// The header of an interchange.
struct Isa<'m> {
    delimiters: Delimiters,
    control: &'m [u8],
    release: Option<u32>,
    written: Written,
    /// The position after it.
    end: usize,
}

/// A functional group.
struct Group<'m> {
    control: &'m [u8],
    sets: u32,
}

/// Reads a message of X12 from `start` on.
pub(crate) fn read(mut parts: Parts<'_, '_, '_>, kept: &mut Kept, start: usize) {
    let bytes = parts.bytes();
    let mut set = Set::within(&mut kept.memory);
    let mut at = start;
    while at < bytes.len() {
        match Isa::read(bytes, at, parts.message.record_time) {
            Err(fault) => {
                parts.reject_rest(at, fault);
                break;
            }
            Ok(isa) => {
                let interchange = Interchange::new(&isa, &mut set, &mut kept.zones);
                at = skip_filler(bytes, interchange.read(&mut parts, at));
            }
        }
    }
    set.leave(&mut kept.memory);
    parts.finish(start);
}

/// The segments behind the header.
pub(crate) fn segments(bytes: &[u8]) -> Result<Segments<'_>, Fault> {
    let isa = Isa::read(bytes, 0, Timestamp(0))?;
    Ok(Segments::new(bytes, isa.end, isa.delimiters))
}

impl<'m> Isa<'m> {
    /// The 16 elements by counting, since blanks are collapsed and lines broken on the way.
    fn read(bytes: &'m [u8], start: usize, record_time: Timestamp) -> Result<Isa<'m>, Fault> {
        /// A header is 106 bytes; nobody writes one of many times that.
        const BYTES_MAX: usize = 1024;
        let text = &bytes[start..bytes.len().min(start + BYTES_MAX)];
        let cut_off = || Fault::new(start, "an `ISA` header of 16 elements is expected");
        if !text.starts_with(b"ISA") {
            return Err(Fault::new(start, "`ISA` is expected"));
        }
        let separator = *text.get(3).ok_or_else(cut_off)?;
        if separator.is_ascii_alphanumeric() || !separator.is_ascii() || separator == b' ' {
            return Err(Fault::new(start + 3, "the element separator is no punctuation"));
        }
        let mut elements = [&text[..0]; 17];
        let mut from = 4;
        for element in &mut elements[1..16] {
            let length = memchr::memchr(separator, &text[from..]).ok_or_else(cut_off)?;
            *element = text[from..from + length].trim_ascii();
            from += length + 1;
        }
        // The 16th element is the component separator itself, and what follows it ends every segment.
        let component = *text.get(from).ok_or_else(cut_off)?;
        let (segment, end) = match text.get(from + 1..).unwrap_or_default() {
            [b'\r', b'\n', ..] => (b'\n', from + 3),
            [after, ..] if !after.is_ascii_alphanumeric() && after.is_ascii() => (*after, from + 2),
            // The component separator was left out.
            _ => (component, from + 1),
        };
        if segment.is_ascii_alphanumeric() || !segment.is_ascii() || segment == separator {
            return Err(Fault::new(start + from, "no segment terminator follows the `ISA` header"));
        }
        let (record_year, ..) = civil_from_days(record_time.utc_day());
        let date = x12_date(elements[9], b"", record_year);
        let at = date.map(|date| Timestamp(date + x12_time(elements[10]).unwrap_or(0)));
        let at = at.unwrap_or(record_time).min(record_time);
        let year = date.map_or(record_year, |date| civil_from_days(Timestamp(date).utc_day()).0);
        Ok(Isa {
            delimiters: Delimiters { element: separator, component, segment, release: None },
            control: elements[13],
            release: leading_number(elements[12]).map(|version| version * 10),
            written: Written { at, year },
            end: start + end,
        })
    }
}

/// The digits that a text begins with; of a release no more than six.
fn leading_number(text: &[u8]) -> Option<u32> {
    let digits = text.iter().take(6).take_while(|b| b.is_ascii_digit());
    digits.fold(None, |number, b| Some(number.unwrap_or(0) * 10 + u32::from(b - b'0')))
}

/// An interchange while it is read.
struct Interchange<'r, 'm> {
    isa: &'r Isa<'m>,
    zones: &'r mut Zones,
    set: &'r mut Set<'m>,
    /// The control number of the set that is open, if one is.
    open: Option<&'m [u8]>,
    group: Option<Group<'m>>,
    groups: u32,
    /// The release that the group names.
    release: u32,
    /// Whether a `B10` was seen.
    has_b10: bool,
    /// What the loop that is open has.
    near: Near,
}

/// Places of the loop that is open, and the party of the set that was named last.
#[derive(Default)]
struct Near {
    /// A place that waits for its status.
    waiting: Option<u32>,
    /// The only place so far; none after a second one.
    only: Option<u32>,
    places: u32,
    party: Option<u32>,
    /// How well the destination is known: the rank of its party.
    destination_rank: Option<u8>,
}

impl<'r, 'm> Interchange<'r, 'm> {
    fn new(isa: &'r Isa<'m>, set: &'r mut Set<'m>, zones: &'r mut Zones) -> Self {
        Interchange {
            isa,
            zones,
            set,
            open: None,
            group: None,
            groups: 0,
            release: isa.release.unwrap_or(CENTURY_RELEASE),
            has_b10: false,
            near: Near::default(),
        }
    }

    /// Reads to the end of the interchange and returns the position after it.
    fn read(mut self, parts: &mut Parts<'_, 'm, '_>, start: usize) -> usize {
        let bytes = parts.bytes();
        let mut segments = Segments::new(bytes, self.isa.end, self.isa.delimiters);
        let mut strays = 0_u32;
        while let Some(segment) = segments.advance() {
            match segment.tag() {
                b"ISA" => {
                    self.cut_off(parts, segment.start);
                    parts.warn(segment.start, "`IEA` is missing");
                    return segment.start;
                }
                b"IEA" => {
                    self.cut_off(parts, segment.start);
                    self.end_group(parts, segment, false);
                    let [_, groups, control] = segment.elements();
                    parts.compare(
                        segment,
                        (1, groups),
                        self.groups.to_string().as_bytes(),
                        "the number of groups",
                    );
                    parts.compare(segment, (2, control), self.isa.control, "the control number");
                    return segment.end;
                }
                b"GS" => {
                    self.cut_off(parts, segment.start);
                    self.end_group(parts, segment, false);
                    let [_, _, _, _, _, _, control, _, release] = segment.elements();
                    self.groups += 1;
                    self.group = Some(Group { control, sets: 0 });
                    self.release = leading_number(release).or(self.isa.release).unwrap_or(CENTURY_RELEASE);
                }
                b"GE" => {
                    self.cut_off(parts, segment.start);
                    self.end_group(parts, segment, true);
                }
                b"ST" => {
                    self.cut_off(parts, segment.start);
                    self.begin(segment);
                }
                b"SE" if self.open.is_some() => self.end(parts, segment, segment.end),
                _ if self.open.is_some() => self.take(segment),
                b"TA1" => {}
                _ => {
                    strays += 1;
                    if strays == 1 {
                        parts.warn(segment.start, "a segment outside of every transaction set is skipped");
                    }
                }
            }
        }
        self.cut_off(parts, bytes.len());
        if parts.any() {
            parts.warn(start, "the interchange has no `IEA`");
        }
        bytes.len()
    }

    fn begin(&mut self, segment: &Segment<'m>) {
        let [_, kind, control] = segment.elements();
        self.set.begin(segment.start);
        self.set.segments = 1;
        self.open = Some(control);
        self.has_b10 = false;
        self.near = Near::default();
        if let Some(group) = &mut self.group {
            group.sets += 1;
        }
        if kind.trim_ascii() != b"214" {
            self.set.fault(Fault::element(segment, 1, (1, kind), "transaction set 214"));
        }
    }

    /// A set that is open has no end.
    fn cut_off(&mut self, parts: &mut Parts<'_, 'm, '_>, end: usize) {
        if self.open.take().is_some() {
            let start = self.set.start();
            let detail =
                format!("a transaction set is cut off after {} segment(s): no `SE`", self.set.segments);
            parts.reject(start..end, DeadLetterReason::BadEdi, Fault::new(end, detail));
        }
    }

    fn end(&mut self, parts: &mut Parts<'_, 'm, '_>, segment: &Segment<'m>, end: usize) {
        let [_, count, control] = segment.elements();
        let opened = self.open.take().unwrap_or_default();
        self.set.segments += 1;
        parts.compare(
            segment,
            (1, count),
            self.set.segments.to_string().as_bytes(),
            "the number of segments",
        );
        parts.compare(segment, (2, control), opened, "the control number");
        if !self.has_b10 {
            self.set.fault(Fault::new(self.set.start(), "a 214 without `B10`"));
        }
        self.close_loop(segment.start);
        let Interchange { isa, zones, set, .. } = self;
        set.settle(parts, zones, isa.delimiters, end, isa.written);
    }

    fn end_group(&mut self, parts: &mut Parts<'_, 'm, '_>, segment: &Segment<'m>, by_trailer: bool) {
        let Some(group) = self.group.take() else { return };
        if by_trailer {
            let [_, sets, control] = segment.elements();
            parts.compare(
                segment,
                (1, sets),
                group.sets.to_string().as_bytes(),
                "the number of transaction sets",
            );
            parts.compare(segment, (2, control), group.control, "the control number");
        } else {
            parts.warn(segment.start, "`GE` is missing");
        }
    }

    /// A segment of the open set.
    fn take(&mut self, segment: &Segment<'m>) {
        self.set.count(segment);
        match segment.tag() {
            b"B10" => {
                let [_, reference, shipment, carrier] = segment.elements();
                self.has_b10 = true;
                self.set.references.note(Strength::Names, 0, reference);
                self.set.references.note(Strength::Describes, 0, shipment);
                if !is_blank(carrier) {
                    self.set.carriers.push(carrier);
                }
            }
            b"LX" => {
                self.close_loop(segment.start);
                self.set.open_group(segment.start);
            }
            b"L11" => {
                let [_, value, qualifier] = segment.elements();
                reference(self.set.near_references(), qualifier, value);
            }
            b"MAN" => {
                let [_, qualifier, value] = segment.elements();
                reference(self.set.near_references(), qualifier, value);
            }
            b"AT7" => self.status(segment),
            b"MS1" => {
                let [_, city, state, country, _, _, _, _, postal_code] = segment.elements();
                self.place(segment, Place { city, state, postal_code, country, ..Place::default() });
            }
            b"Q5" => {
                let [_, _, _, _, _, _, city, state, country] = segment.elements();
                self.place(segment, Place { city, state, country, ..Place::default() });
            }
            b"N1" => self.party(segment),
            b"N4" => {
                let [_, city, state, postal_code, country] = segment.elements();
                if let Some(party) = self.near.party {
                    let place = self.set.places.get_mut(party);
                    *place = Place { city, state, postal_code, country, ..*place };
                }
            }
            tag if KNOWN_TAGS.contains(&tag) => {}
            _ => self.set.unknown(segment),
        }
    }

    /// A party: the ship-to, else the consignee, is where the freight goes.
    fn party(&mut self, segment: &Segment<'m>) {
        let [_, role, name, qualifier, code] = segment.elements();
        let code = if is_blank(qualifier) { &code[..0] } else { code };
        let index = self.set.places.push(Place { code, name, ..Place::default() });
        self.near.party = Some(index);
        let rank = match role.trim_ascii() {
            b"ST" => 0,
            b"CN" => 1,
            b"UC" => 2,
            _ => return,
        };
        if self.near.destination_rank.is_none_or(|known| rank < known) {
            self.near.destination_rank = Some(rank);
            self.set.destination = Some(index);
        }
    }

    fn place(&mut self, segment: &Segment<'m>, place: Place<'m>) {
        if place.is_blank() {
            return;
        }
        self.open_loop(segment.start);
        let index = self.set.places.push(place);
        self.near.places += 1;
        self.near.only = (self.near.places == 1).then_some(index);
        match self.set.group_events().last_mut() {
            Some(event) if event.place.is_none() => event.place = Some(index),
            _ => self.near.waiting = Some(index),
        }
    }

    /// Statuses before any `LX` are in a loop of their own.
    fn open_loop(&mut self, start: usize) {
        if !self.set.has_group() {
            self.set.open_group(start);
        }
    }

    fn close_loop(&mut self, end: usize) {
        if let Some(only) = self.near.only {
            for event in self.set.group_events() {
                event.place.get_or_insert(only);
            }
        }
        self.set.close_group(end);
        self.near = Near { destination_rank: self.near.destination_rank, ..Near::default() };
    }

    fn status(&mut self, segment: &Segment<'m>) {
        self.open_loop(segment.start);
        match self.event(segment) {
            Ok(event) => self.set.events.push(event),
            Err(fault) => self.set.fault(fault),
        }
    }

    /// What an AT7 says.
    fn event(&mut self, segment: &Segment<'m>) -> Result<Event<'m>, Fault> {
        let [_, status, reason, appointment, appointment_reason, date, e6, e7, e8] = segment.elements();
        let number = self.set.segments;
        let fault = |element, expected: &str| Fault::element(segment, number, element, expected);
        // The old layout has the century between date and time.
        let is_old = self.release < CENTURY_RELEASE;
        let has_century =
            is_old && (e6.trim_ascii().len() == 2 || (is_blank(e6) && e7.trim_ascii().len() >= 4));
        let (century, (time_at, time), (zone_at, zone)) =
            if has_century { (e6, (7, e7), (8, e8)) } else { (&e6[..0], (6, e6), (7, e7)) };
        let (code, code_set, reason) = match (is_blank(status), is_blank(appointment)) {
            (false, alone) => {
                if !alone {
                    self.set
                        .doubt(segment.start, "a status has an appointment status too; the former is taken");
                }
                (status.trim_ascii(), CodeSet::X12Status, reason)
            }
            (true, false) => (appointment.trim_ascii(), CodeSet::X12Appointment, appointment_reason),
            (true, true) => return Err(fault((1, status), "a status, here or in element 3,")),
        };
        let when = match (is_blank(date), is_blank(time)) {
            (true, _) => None,
            (false, no_time) => {
                let expected = if is_old { "a date YYMMDD" } else { "a date CCYYMMDD" };
                let day_ms = x12_date(date.trim_ascii(), century.trim_ascii(), self.isa.written.year)
                    .ok_or_else(|| fault((5, date), expected))?;
                let of_day_ms = match no_time {
                    true => 0,
                    false => x12_time(time.trim_ascii())
                        .ok_or_else(|| fault((time_at, time), "a time HHMM[SS[D[D]]]"))?,
                };
                let zone = x12_zone(zone.trim_ascii())
                    .ok_or_else(|| fault((zone_at, zone), "a time code of element 623"))?;
                Some(When { local_ms: day_ms + of_day_ms, whole_day: no_time, zone })
            }
        };
        let forecast = code_set == CodeSet::X12Appointment || FORECAST_CODES.contains(&code);
        let happened = match when {
            _ if forecast => Happened::WithInterchange,
            Some(when) => Happened::At(when),
            None => return Err(fault((5, date), "the date of the status")),
        };
        let is_appointment = forecast && code == DELIVERY_APPOINTMENT;
        Ok(Event {
            start: segment.start,
            code,
            code_set,
            reasons: std::iter::once(reason).filter(|reason| !is_blank(reason)).collect(),
            happened,
            date,
            forecast: false,
            eta: when.filter(|_| code_set == CodeSet::X12Status && ETA_CODES.contains(&code)),
            appointment: when.filter(|_| is_appointment).map(|when| (when, None)),
            references: References::default(),
            place: self.near.waiting.take(),
            description: &date[..0],
        })
    }
}

/// References by their qualifier: PRO, tracking number, package number, carrier's package label, SSCC; then bills of
/// lading.
fn reference<'m>(references: &mut References<'m>, qualifier: &[u8], value: &'m [u8]) {
    let (strength, rank) = match qualifier.trim_ascii() {
        b"CN" => (Strength::Names, 1),
        b"2I" => (Strength::Names, 2),
        b"97" => (Strength::Names, 3),
        b"CP" => (Strength::Names, 4),
        b"GM" => (Strength::Names, 5),
        b"BM" => (Strength::Describes, 1),
        b"MB" => (Strength::Describes, 2),
        _ => return,
    };
    references.note(strength, rank, value);
}
