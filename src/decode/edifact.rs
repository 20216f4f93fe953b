//! EDIFACT: interchanges of transport status messages (IFTSTA).
//!
//! Enters: bytes that begin with `UNA` or `UNB`. Leaves: scans, rejections and warnings through [`Parts`]. Always true:
//! the service characters are those of `UNA`, else the usual ones; a message is applied whole or not at all; what is cut
//! off is one rejection; counts and references that do not agree are warned of and change nothing.
//!
//! Within a message the segments bind to what stands open: `RFF`, `DTM`, `LOC`, `NAD` and `FTX` after `STS` are its own,
//! those after `CNI` its group's, those before the message's. The status is read where directories have it (9011 up to
//! D.98B, 4405 from D.99A: the same element), or in the second component of the first element, where UPS puts it.

use smallvec::SmallVec;

use super::edi::{
    CodeSet, Delimiters, Event, Fault, Happened, Kept, Parts, Place, References, Segment, Segments, Set,
    Strength, When, Written, Zones, edifact_time, is_blank, skip_filler,
};
use crate::model::{DeadLetterReason, Timestamp, civil_from_days};

/// What holds without `UNA`.
const USUAL: Delimiters = Delimiters { element: b'+', component: b':', segment: b'\'', release: Some(b'?') };

/// The segments that an IFTSTA may have in some directory, beside those that are read.
const KNOWN_TAGS: &[&[u8]] = &[
    b"BGM", b"CNT", b"COM", b"CTA", b"DGS", b"DIM", b"DOC", b"EQA", b"EQD", b"GDS", b"GID", b"HAN", b"MEA",
    b"PCI", b"QTY", b"SEL", b"SGP", b"TDT", b"TMD", b"TMP", b"TOD", b"TPL", b"TSR", b"UNS",
];

/// The header of an interchange.
struct Unb<'m> {
    delimiters: Delimiters,
    sender: &'m [u8],
    control: &'m [u8],
    written: Written,
    /// The position after it.
    end: usize,
}

/// Reads a message of EDIFACT from `start` on.
pub(crate) fn read(mut parts: Parts<'_, '_, '_>, kept: &mut Kept, start: usize) {
    let bytes = parts.bytes();
    let mut set = Set::within(&mut kept.memory);
    let mut at = start;
    while at < bytes.len() {
        match Unb::read(bytes, at, parts.message.record_time) {
            Err(fault) => {
                parts.reject_rest(at, fault);
                break;
            }
            Ok(unb) => {
                let interchange = Interchange::new(&unb, &mut set, &mut kept.zones);
                at = skip_filler(bytes, interchange.read(&mut parts, at));
            }
        }
    }
    set.leave(&mut kept.memory);
    parts.finish(start);
}

/// The segments behind the header.
pub(crate) fn segments(bytes: &[u8]) -> Result<Segments<'_>, Fault> {
    let unb = Unb::read(bytes, 0, Timestamp(0))?;
    Ok(Segments::new(bytes, unb.end, unb.delimiters))
}

impl<'m> Unb<'m> {
    fn read(bytes: &'m [u8], start: usize, record_time: Timestamp) -> Result<Unb<'m>, Fault> {
        let (delimiters, from) = match &bytes[start..] {
            [b'U', b'N', b'A', component, element, _, release, _, segment, ..] => {
                let release = (*release != b' ').then_some(*release);
                let delimiters =
                    Delimiters { element: *element, component: *component, segment: *segment, release };
                (delimiters, start + 9)
            }
            _ => (USUAL, start),
        };
        let Delimiters { element, component, segment, release } = delimiters;
        let mut service = [Some(element), Some(component), Some(segment), release];
        service.sort_unstable();
        let is_usable = |c: &Option<u8>| c.is_none_or(|c| c.is_ascii() && !c.is_ascii_alphanumeric());
        if !service.iter().all(is_usable) || service.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Fault::new(start, "`UNA` with five different service characters is expected"));
        }
        let mut segments = Segments::new(bytes, from, delimiters);
        let header = segments.advance().filter(|segment| segment.tag() == b"UNB");
        let header = header.ok_or_else(|| Fault::new(from.min(bytes.len()), "`UNB` is expected"))?;
        let [_, _, sender, _, date_time, control] = header.elements();
        let [sender] = delimiters.components(sender);
        let [date, time] = delimiters.components(date_time);
        let (record_year, ..) = civil_from_days(record_time.utc_day());
        let said = [date, time].concat();
        let format: &[u8] = if date.len() == 6 { b"201" } else { b"203" };
        let when = edifact_time(&said, format, record_year);
        let year = when.map_or(record_year, |when| civil_from_days(Timestamp(when.local_ms).utc_day()).0);
        let at = when.map_or(record_time, |when| Timestamp(when.local_ms)).min(record_time);
        Ok(Unb { delimiters, sender, control, written: Written { at, year }, end: header.end })
    }
}

/// An interchange while it is read.
struct Interchange<'r, 'm> {
    unb: &'r Unb<'m>,
    zones: &'r mut Zones,
    set: &'r mut Set<'m>,
    /// The reference of the message that is open, if one is.
    open: Option<&'m [u8]>,
    messages: u32,
    /// Functional groups: how many, and of the open one its reference and its messages.
    groups: u32,
    group: Option<(&'m [u8], u32)>,
    message_times: Times<'m>,
    group_times: Times<'m>,
    /// A place of the group.
    group_place: Option<u32>,
    destination_rank: Option<u8>,
    /// The status that is open, and its times.
    status: Option<(Event<'m>, Times<'m>, Segment<'m>, u32)>,
}

/// Times by what they mean.
#[derive(Clone, Copy, Debug, Default)]
struct Times<'m> {
    /// When it happened: the best qualifier so far, and the value as written.
    happened: Option<(u8, When, &'m [u8])>,
    /// When the message was written.
    message: Option<(When, &'m [u8])>,
    estimated: Option<(u8, When)>,
    earliest: Option<When>,
    latest: Option<When>,
}

impl<'m> Times<'m> {
    fn note(&mut self, qualifier: &[u8], when: When, value: &'m [u8]) {
        let mut happened = |rank| {
            if self.happened.is_none_or(|(best, ..)| rank < best) {
                self.happened = Some((rank, when, value));
            }
        };
        match qualifier {
            b"334" => happened(0),
            b"78" => happened(1),
            b"178" | b"186" => happened(2),
            b"137" => self.message = Some((when, value)),
            b"132" | b"133" => {
                let rank = u8::from(qualifier == b"133");
                if self.estimated.is_none_or(|(best, _)| rank < best) {
                    self.estimated = Some((rank, when));
                }
            }
            b"64" => self.earliest = Some(when),
            b"63" => self.latest = Some(when),
            _ => {}
        }
    }
}

impl<'r, 'm> Interchange<'r, 'm> {
    fn new(unb: &'r Unb<'m>, set: &'r mut Set<'m>, zones: &'r mut Zones) -> Self {
        Interchange {
            unb,
            zones,
            set,
            open: None,
            messages: 0,
            groups: 0,
            group: None,
            message_times: Times::default(),
            group_times: Times::default(),
            group_place: None,
            destination_rank: None,
            status: None,
        }
    }

    /// Reads to the end of the interchange and returns the position after it.
    fn read(mut self, parts: &mut Parts<'_, 'm, '_>, start: usize) -> usize {
        let bytes = parts.bytes();
        let mut segments = Segments::new(bytes, self.unb.end, self.unb.delimiters);
        let mut strays = 0_u32;
        while let Some(segment) = segments.advance() {
            match segment.tag() {
                b"UNB" => {
                    self.cut_off(parts, segment.start);
                    parts.warn(segment.start, "`UNZ` is missing");
                    return segment.start;
                }
                _ if segment.body.starts_with(b"UNA") => {
                    self.cut_off(parts, segment.start);
                    parts.warn(segment.start, "`UNZ` is missing");
                    return segment.start;
                }
                b"UNZ" => {
                    self.cut_off(parts, segment.start);
                    self.end_group(parts, segment, false);
                    let [_, count, control] = segment.elements();
                    let actual = if self.groups > 0 { self.groups } else { self.messages };
                    parts.compare(
                        segment,
                        (1, count),
                        actual.to_string().as_bytes(),
                        "the number of messages",
                    );
                    parts.compare(segment, (2, control), self.unb.control, "the control reference");
                    return segment.end;
                }
                b"UNG" => {
                    self.cut_off(parts, segment.start);
                    self.end_group(parts, segment, false);
                    let [_, _, _, _, _, reference] = segment.elements();
                    self.groups += 1;
                    self.group = Some((reference, 0));
                }
                b"UNE" => {
                    self.cut_off(parts, segment.start);
                    self.end_group(parts, segment, true);
                }
                b"UNH" => {
                    self.cut_off(parts, segment.start);
                    self.begin(segment);
                }
                b"UNT" if self.open.is_some() => self.end(parts, segment, segment.end),
                _ if self.open.is_some() => self.take(segment),
                _ => {
                    strays += 1;
                    if strays == 1 {
                        parts.warn(segment.start, "a segment outside of every message is skipped");
                    }
                }
            }
        }
        self.cut_off(parts, bytes.len());
        if parts.any() {
            parts.warn(start, "the interchange has no `UNZ`");
        }
        bytes.len()
    }

    fn begin(&mut self, segment: &Segment<'m>) {
        let [_, reference, kind] = segment.elements();
        self.set.begin(segment.start);
        self.set.segments = 1;
        self.open = Some(reference);
        self.messages += 1;
        if let Some((_, messages)) = &mut self.group {
            *messages += 1;
        }
        self.message_times = Times::default();
        self.group_times = Times::default();
        self.group_place = None;
        self.destination_rank = None;
        self.status = None;
        let [name] = segment.components(kind);
        if name.trim_ascii() != b"IFTSTA" {
            self.set.fault(Fault::element(segment, 1, (2, kind), "message type IFTSTA"));
        }
    }

    /// A message that is open has no end.
    fn cut_off(&mut self, parts: &mut Parts<'_, 'm, '_>, end: usize) {
        if self.open.take().is_some() {
            let start = self.set.start();
            let detail = format!("a message is cut off after {} segment(s): no `UNT`", self.set.segments);
            parts.reject(start..end, DeadLetterReason::BadEdi, Fault::new(end, detail));
        }
    }

    fn end(&mut self, parts: &mut Parts<'_, 'm, '_>, segment: &Segment<'m>, end: usize) {
        let [_, count, reference] = segment.elements();
        let opened = self.open.take().unwrap_or_default();
        self.set.segments += 1;
        parts.compare(
            segment,
            (1, count),
            self.set.segments.to_string().as_bytes(),
            "the number of segments",
        );
        parts.compare(segment, (2, reference), opened, "the reference");
        self.close_group(segment.start);
        let Interchange { unb, zones, set, .. } = self;
        if !is_blank(unb.sender) {
            set.carriers.push(unb.sender);
        }
        set.settle(parts, zones, unb.delimiters, end, unb.written);
    }

    fn end_group(&mut self, parts: &mut Parts<'_, 'm, '_>, segment: &Segment<'m>, by_trailer: bool) {
        let Some((reference, messages)) = self.group.take() else { return };
        if by_trailer {
            let [_, count, said] = segment.elements();
            parts.compare(segment, (1, count), messages.to_string().as_bytes(), "the number of messages");
            parts.compare(segment, (2, said), reference, "the reference");
        } else {
            parts.warn(segment.start, "`UNE` is missing");
        }
    }

    /// A segment of the open message.
    fn take(&mut self, segment: &Segment<'m>) {
        self.set.count(segment);
        match segment.tag() {
            b"CNI" => {
                self.close_group(segment.start);
                self.set.open_group(segment.start);
                let [_, _, document] = segment.elements();
                let [number] = segment.components(document);
                self.set.near_references().note(Strength::Names, 3, number);
            }
            b"STS" => self.open_status(segment),
            b"DTM" => self.time(segment),
            b"RFF" => {
                let [_, reference] = segment.elements();
                let [qualifier, value] = segment.components(reference);
                self.reference(qualifier, value);
            }
            b"GIN" => {
                let [_, qualifier, first] = segment.elements();
                let [value] = segment.components(first);
                if qualifier.trim_ascii() == b"BJ" {
                    self.references().note(Strength::Describes, 3, value);
                }
            }
            b"LOC" => self.location(segment),
            b"NAD" => self.party(segment),
            b"FTX" => {
                let [_, _, _, _, text] = segment.elements();
                let [text] = segment.components(text);
                if let Some((event, ..)) = &mut self.status {
                    event.description = text;
                }
            }
            tag if KNOWN_TAGS.contains(&tag) => {}
            _ => self.set.unknown(segment),
        }
    }

    /// The references of the open status, else of the open group, else of the message.
    fn references(&mut self) -> &mut References<'m> {
        match &mut self.status {
            Some((event, ..)) => &mut event.references,
            None => self.set.near_references(),
        }
    }

    /// References by their qualifier: package, carrier's reference, waybill; the number of `CNI` comes after them. Then
    /// bill of lading, booking, consignor's reference.
    fn reference(&mut self, qualifier: &[u8], value: &'m [u8]) {
        let (strength, rank) = match qualifier.trim_ascii() {
            b"CW" => (Strength::Names, 0),
            b"CN" => (Strength::Names, 1),
            b"AAM" => (Strength::Names, 2),
            b"BM" => (Strength::Describes, 0),
            b"BN" => (Strength::Describes, 1),
            b"CU" => (Strength::Describes, 2),
            _ => return,
        };
        self.references().note(strength, rank, value);
    }

    fn time(&mut self, segment: &Segment<'m>) {
        let [_, composite] = segment.elements();
        let [qualifier, value, format] = segment.components(composite);
        let released;
        // A release character stands before the plus of an offset.
        let digits = match segment.delimiters.release {
            Some(release) if value.contains(&release) => {
                released = segment.delimiters.text(value);
                released.as_bytes()
            }
            _ => value.trim_ascii(),
        };
        let qualifier = qualifier.trim_ascii();
        let is_read =
            matches!(qualifier, b"334" | b"78" | b"178" | b"186" | b"137" | b"132" | b"133" | b"63" | b"64");
        if !is_read || digits.is_empty() {
            return;
        }
        let Some(when) = edifact_time(digits, format.trim_ascii(), self.unb.written.year) else {
            let expected = "a time in format 102, 203, 204, 205, 303 or 304";
            return self.set.fault(Fault::element(segment, self.set.segments, (1, composite), expected));
        };
        let times = match &mut self.status {
            Some((_, times, ..)) => times,
            None if self.set.has_group() => &mut self.group_times,
            None => &mut self.message_times,
        };
        times.note(qualifier, when, value);
    }

    fn location(&mut self, segment: &Segment<'m>) {
        let [_, qualifier, place] = segment.elements();
        let [code, _, _, city] = segment.components(place);
        let is_locode = code.len() == 5 && code.iter().all(u8::is_ascii_uppercase);
        let country = if is_locode { &code[..2] } else { &code[..0] };
        let place = Place { code, city, country, ..Place::default() };
        if place.is_blank() {
            return;
        }
        let index = self.set.places.push(place);
        // Place of delivery and of destination.
        if matches!(qualifier.trim_ascii(), b"7" | b"8") {
            return self.destination(index, 3);
        }
        match &mut self.status {
            Some((event, ..)) => drop(event.place.get_or_insert(index)),
            None if self.set.has_group() => drop(self.group_place.get_or_insert(index)),
            None => {}
        }
    }

    fn party(&mut self, segment: &Segment<'m>) {
        let [_, role, id, _, name, _, city, state, postal_code, country] = segment.elements();
        let [code] = segment.components(id);
        let [name] = segment.components(name);
        let [state] = segment.components(state);
        let rank = match role.trim_ascii() {
            b"CA" => {
                return self.set.carriers.extend([code, name].into_iter().filter(|name| !is_blank(name)));
            }
            b"ST" => 0,
            b"DP" => 1,
            b"CN" => 2,
            _ => return,
        };
        let index = self.set.places.push(Place { code, name, city, state, postal_code, country });
        self.destination(index, rank);
    }

    fn destination(&mut self, index: u32, rank: u8) {
        if self.destination_rank.is_none_or(|known| rank < known) {
            self.destination_rank = Some(rank);
            self.set.destination = Some(index);
        }
    }

    fn open_status(&mut self, segment: &Segment<'m>) {
        self.close_status();
        if !self.set.has_group() {
            self.set.open_group(segment.start);
        }
        let [_, category, status, r1, r2, r3, r4, r5] = segment.elements();
        let delimiters = segment.delimiters;
        let [category_code, second] = delimiters.components(category);
        let [code, _, _, text] = delimiters.components(status);
        let (code, code_set) = if is_blank(code) {
            (second, CodeSet::Own)
        } else if is_blank(category_code) {
            (code, CodeSet::Own)
        } else {
            (code, CodeSet::Rec24)
        };
        if is_blank(code) {
            let fault = Fault::element(segment, self.set.segments, (2, status), "a status");
            return self.set.fault(fault);
        }
        let reasons: SmallVec<_> = [r1, r2, r3, r4, r5]
            .into_iter()
            .map(|reason| {
                let [code] = delimiters.components(reason);
                code
            })
            .filter(|code| !is_blank(code))
            .collect();
        let event = Event {
            start: segment.start,
            code: code.trim_ascii(),
            code_set,
            reasons,
            happened: Happened::WithInterchange,
            date: &segment.body[..0],
            forecast: false,
            eta: None,
            appointment: None,
            references: References::default(),
            place: None,
            description: text,
        };
        self.status = Some((event, Times::default(), *segment, self.set.segments));
    }

    /// What has only an estimated time is a forecast. What has no time of its own takes its group's, then the message's.
    fn close_status(&mut self) {
        let Some((mut event, times, segment, number)) = self.status.take() else { return };
        event.place = event.place.or(self.group_place);
        event.eta = times.estimated.map(|(_, when)| when);
        event.appointment = times.earliest.map(|earliest| (earliest, times.latest));
        let outer = [self.group_times, self.message_times].into_iter().find_map(|times| times.happened);
        let happened = times.happened.or(outer).map(|(_, when, value)| (when, value));
        let message =
            [times, self.group_times, self.message_times].into_iter().find_map(|times| times.message);
        match happened {
            Some((when, value)) => (event.happened, event.date) = (Happened::At(when), value),
            None if event.eta.is_some() => event.forecast = true,
            None => match message {
                Some((when, value)) => (event.happened, event.date) = (Happened::At(when), value),
                None => {
                    let element = (1, &segment.body[segment.body.len()..]);
                    let expected = "a DTM with 334, 78, 178, 186 or 137 for it";
                    return self.set.fault(Fault::element(&segment, number, element, expected));
                }
            },
        }
        self.set.events.push(event);
    }

    fn close_group(&mut self, end: usize) {
        self.close_status();
        self.set.close_group(end);
        self.group_times = Times::default();
        self.group_place = None;
    }
}
