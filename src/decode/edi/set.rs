//! A transaction set while it is read, and the scans it makes.
//!
//! Enters: what the reader of X12 or EDIFACT found in the set's segments, in any order. Leaves: when the set ends, one
//! scan or one rejection for each of its events, in order; or one rejection for a set with a fault, of which nothing is
//! applied. Always true: an event takes what stands nearest: its own references and place, then those of its group (an
//! `LX` loop, a `CNI` group), then those of the set's header; within the same nearness the better qualifier wins; a
//! number that only describes (a bill of lading, a booking) is taken last of all.

use std::borrow::Cow;
use std::ops::Range;

use smallvec::SmallVec;

use super::time::{SaidZone, When};
use super::zones::zone_of;
use super::{Delimiters, Fault, Parts, Segment, Words, Zones, is_blank};
use crate::decode::profile::Profile;
use crate::decode::raw::{RawLocation, RawScan};
use crate::decode::scan::{content_id, quoted};
use crate::decode::{Context, Part};
use crate::model::{
    CarrierId, DAY_MS, DeadLetterReason, Effect, EventTime, FcId, Milestone, NumberKey, SECOND_MS, Scan,
    Timestamp,
};

/// What a reference is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strength {
    /// It names the freight or the package.
    Names,
    /// It describes it.
    Describes,
}

/// The best reference of each strength that was seen: the lowest rank, and of equals the first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct References<'m> {
    names: Option<(u8, &'m [u8])>,
    describes: Option<(u8, &'m [u8])>,
}

impl<'m> References<'m> {
    pub(crate) fn note(&mut self, strength: Strength, rank: u8, value: &'m [u8]) {
        let slot = match strength {
            Strength::Names => &mut self.names,
            Strength::Describes => &mut self.describes,
        };
        if !is_blank(value) && slot.is_none_or(|(best, _)| rank < best) {
            *slot = Some((rank, value));
        }
    }
}

/// Where something was, as written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place<'m> {
    /// A code of the site: an FC's name, or a location code.
    pub(crate) code: &'m [u8],
    pub(crate) name: &'m [u8],
    pub(crate) city: &'m [u8],
    pub(crate) state: &'m [u8],
    pub(crate) postal_code: &'m [u8],
    pub(crate) country: &'m [u8],
}

impl Place<'_> {
    pub(crate) fn is_blank(&self) -> bool {
        let parts = [self.code, self.name, self.city, self.state, self.postal_code, self.country];
        parts.iter().all(|part| is_blank(part))
    }

    /// Whether it is the same city, as far as both say one.
    fn is_city_of(&self, other: &Place<'_>) -> bool {
        let same = |a: &[u8], b: &[u8]| a.trim_ascii().eq_ignore_ascii_case(b.trim_ascii());
        !is_blank(self.city)
            && same(self.city, other.city)
            && (is_blank(self.state) || is_blank(other.state) || same(self.state, other.state))
    }
}

/// When an event happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happened {
    /// As written.
    At(When),
    /// When the interchange was written: what the event says is about another time.
    WithInterchange,
}

/// Whose codes a status is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeSet {
    /// X12 element 1650.
    X12Status,
    /// X12 element 1652.
    X12Appointment,
    /// UN/ECE Recommendation 24, else the carrier's own.
    Rec24,
    /// The carrier's own, else Recommendation 24.
    Own,
}

impl CodeSet {
    /// The code sets in the order in which they are asked, by name; none is the carrier's own.
    fn order(self) -> &'static [Option<&'static str>] {
        match self {
            CodeSet::X12Status => &[Some("X12_1650")],
            CodeSet::X12Appointment => &[Some("X12_1652")],
            CodeSet::Rec24 => &[Some("REC24"), None],
            CodeSet::Own => &[None, Some("REC24")],
        }
    }

    /// The code set of the reasons.
    fn reasons(self) -> &'static str {
        match self {
            CodeSet::X12Status | CodeSet::X12Appointment => "X12_1651",
            CodeSet::Rec24 | CodeSet::Own => "EDIFACT_9013",
        }
    }
}

/// A status of something at a time.
#[derive(Clone, Debug)]
pub(crate) struct Event<'m> {
    /// Where its segment starts.
    pub(crate) start: usize,
    pub(crate) code: &'m [u8],
    pub(crate) code_set: CodeSet,
    pub(crate) reasons: SmallVec<[&'m [u8]; 2]>,
    pub(crate) happened: Happened,
    /// The date as written.
    pub(crate) date: &'m [u8],
    /// It tells what is to come, not what was.
    pub(crate) forecast: bool,
    pub(crate) eta: Option<When>,
    pub(crate) appointment: Option<(When, Option<When>)>,
    pub(crate) references: References<'m>,
    pub(crate) place: Option<u32>,
    pub(crate) description: &'m [u8],
}

/// An `LX` loop, or a `CNI` group.
#[derive(Clone, Debug)]
struct Group<'m> {
    bytes: Range<usize>,
    references: References<'m>,
    /// Its events, by position.
    events: Range<usize>,
}

/// The places of a set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places<'m>(Vec<Place<'m>>);

impl<'m> Places<'m> {
    pub(crate) fn push(&mut self, place: Place<'m>) -> u32 {
        self.0.push(place);
        u32::try_from(self.0.len() - 1).expect("fewer places than bytes of a message")
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> &mut Place<'m> {
        &mut self.0[index as usize]
    }

    fn get(&self, index: u32) -> &Place<'m> {
        &self.0[index as usize]
    }
}

/// When the interchange was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// Its time, read as UTC and never after the record's: nobody says the zone of an interchange.
    pub(crate) at: Timestamp,
    /// Its year.
    pub(crate) year: i64,
}

/// The memory of a set between two messages. It holds nothing.
#[derive(Debug, Default)]
pub(crate) struct Emptied {
    events: Vec<Event<'static>>,
    groups: Vec<Group<'static>>,
    places: Vec<Place<'static>>,
}

/// The same memory for things that borrow from another message.
fn emptied<Old, New>(mut things: Vec<Old>) -> Vec<New> {
    /// A message of more leaves no memory behind.
    const KEPT_MAX: usize = 4_096;
    things.clear();
    if things.capacity() > KEPT_MAX {
        return Vec::new();
    }
    things.into_iter().map(|_| unreachable!("nothing is in it")).collect()
}

/// A transaction set. One per message: its memory is used again.
#[derive(Debug, Default)]
pub(crate) struct Set<'m> {
    start: usize,
    /// How many segments it has so far.
    pub(crate) segments: u32,
    /// Whether a release character was in one of them.
    has_release: bool,
    /// Names of the carrier, the most trusted first.
    pub(crate) carriers: SmallVec<[&'m [u8]; 3]>,
    pub(crate) references: References<'m>,
    pub(crate) places: Places<'m>,
    /// Where the freight goes.
    pub(crate) destination: Option<u32>,
    pub(crate) events: Vec<Event<'m>>,
    groups: Vec<Group<'m>>,
    fault: Option<Fault>,
    /// What is doubtful in it, the first of each kind.
    doubts: SmallVec<[(usize, &'static str); 1]>,
    /// Segments with a tag that no set has: how many, and the first.
    unknown: Option<(u32, Segment<'m>)>,
}

impl<'m> Set<'m> {
    /// In memory that was used before.
    pub(crate) fn within(memory: &mut Emptied) -> Set<'m> {
        let Emptied { events, groups, places } = std::mem::take(memory);
        Set {
            events: emptied(events),
            groups: emptied(groups),
            places: Places(emptied(places)),
            ..Set::default()
        }
    }

    /// Gives its memory back.
    pub(crate) fn leave(self, memory: &mut Emptied) {
        let Set { events, groups, places, .. } = self;
        *memory = Emptied { events: emptied(events), groups: emptied(groups), places: emptied(places.0) };
    }

    /// Begins a set, of which nothing is known.
    pub(crate) fn begin(&mut self, start: usize) {
        let Set { groups, events, places, .. } = self;
        groups.clear();
        events.clear();
        places.0.clear();
        *self = Set {
            start,
            groups: std::mem::take(&mut self.groups),
            events: std::mem::take(&mut self.events),
            places: std::mem::take(&mut self.places),
            ..Set::default()
        };
    }

    /// Where it began.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// One more segment.
    #[inline]
    pub(crate) fn count(&mut self, segment: &Segment<'m>) {
        self.segments += 1;
        self.has_release |= segment.delimiters.release.is_some();
    }

    /// Something is wrong; the first such thing is told.
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Something is doubtful; the first such thing of each kind is told.
    #[cold]
    pub(crate) fn doubt(&mut self, position: usize, detail: &'static str) {
        if self.doubts.iter().all(|(_, known)| *known != detail) {
            self.doubts.push((position, detail));
        }
    }

    /// A segment that no set has, perhaps the rest of one with a terminator in its text.
    #[cold]
    pub(crate) fn unknown(&mut self, segment: &Segment<'m>) {
        let (count, _) = self.unknown.get_or_insert((0, *segment));
        *count += 1;
    }

    /// Opens a group, and closes the one that was open.
    pub(crate) fn open_group(&mut self, start: usize) {
        self.close_group(start);
        let events = self.events.len()..self.events.len();
        self.groups.push(Group { bytes: start..start, references: References::default(), events });
    }

    /// Closes the group that is open, if there is one.
    pub(crate) fn close_group(&mut self, end: usize) {
        if let Some(group) = self.groups.last_mut()
            && group.bytes.is_empty()
        {
            group.bytes.end = end;
            group.events.end = self.events.len();
        }
    }

    /// The references of the open group, else those of the header.
    pub(crate) fn near_references(&mut self) -> &mut References<'m> {
        match self.groups.last_mut() {
            Some(group) => &mut group.references,
            None => &mut self.references,
        }
    }

    /// The events of the open group.
    pub(crate) fn group_events(&mut self) -> &mut [Event<'m>] {
        let from = self.groups.last().map_or(0, |group| group.events.start);
        &mut self.events[from..]
    }

    /// Whether a group was opened.
    pub(crate) fn has_group(&self) -> bool {
        !self.groups.is_empty()
    }

    /// The set ends before `end`: its events become parts.
    pub(crate) fn settle(
        &mut self,
        parts: &mut Parts<'_, 'm, '_>,
        zones: &mut Zones,
        delimiters: Delimiters,
        end: usize,
        written: Written,
    ) {
        let range = self.start..end;
        if self.events.is_empty() {
            self.fault(Fault::new(self.start, "a transaction set without a status"));
        }
        if let Some(fault) = self.fault.take() {
            return parts.reject(range, DeadLetterReason::BadEdi, fault);
        }
        if let Some((count, first)) = self.unknown {
            let tag = String::from_utf8_lossy(first.tag()).into_owned();
            parts.warn(
                first.start,
                format!("{count} segment(s) skipped that no such set has, the first is {}", quoted(&tag)),
            );
        }
        for (position, detail) in &self.doubts {
            parts.warn(*position, *detail);
        }
        let header = self.references.names;
        let differs = |group: &&Group<'_>| {
            let own = group.references.names;
            own.is_some_and(|(_, own)| {
                header.is_some_and(|(_, header)| own.trim_ascii() != header.trim_ascii())
            })
        };
        if let Some(group) = self.groups.iter().find(differs) {
            parts.warn(group.bytes.start, "a loop has another number than the header; the loop's is taken");
        }
        let context = parts.message.context;
        let record_time = parts.message.record_time;
        let delimiters =
            Delimiters { release: delimiters.release.filter(|_| self.has_release), ..delimiters };
        let words = Words::of(&parts.bytes()[self.start..end], delimiters);
        let names = self.carriers.iter().map(|name| words.text(name));
        let known = names.clone().find_map(|name| context.catalogue.carrier(&name).map(|id| (id, name)));
        let (carrier, carrier_name) = known
            .or_else(|| names.clone().next().map(|name| (CarrierId::OTHER, name)))
            .unwrap_or((CarrierId::OTHER, Cow::Borrowed("OTHER")));
        let destination = self.destination.map(|index| *self.places.get(index));
        let destination_fc = destination.and_then(|place| context.fc_of(&place, words));
        let mut reader = Reader {
            context,
            profile: parts.message.profile,
            record_time,
            words,
            zones,
            carrier,
            carrier_name,
            destination: destination.map(|place| (place, destination_fc)),
            written,
        };
        for group in &self.groups {
            for event in &self.events[group.events.clone()] {
                let references = [&event.references, &group.references, &self.references];
                let place = event.place.map(|index| *self.places.get(index));
                match reader.scan(event, references, place) {
                    Ok((scan, raw)) => {
                        let index = parts.number();
                        (parts.message.sink)(Part::Scan { index, scan, raw: &raw });
                    }
                    Err((reason, detail)) => {
                        let fault = Fault::new(event.start, detail);
                        parts.reject(group.bytes.clone(), reason, fault);
                    }
                }
            }
        }
    }
}

/// Makes scans of the events of one set.
struct Reader<'r, 'm> {
    context: &'r Context<'r>,
    profile: Option<&'r Profile>,
    record_time: Timestamp,
    words: Words<'m>,
    zones: &'r mut Zones,
    carrier: CarrierId,
    carrier_name: Cow<'m, str>,
    destination: Option<(Place<'m>, Option<FcId>)>,
    written: Written,
}

type Refused = (DeadLetterReason, String);

impl<'m> Reader<'_, 'm> {
    fn scan(
        &mut self,
        event: &Event<'m>,
        references: [&References<'m>; 3],
        place: Option<Place<'m>>,
    ) -> Result<(Scan, RawScan<'m>), Refused> {
        let named = references.iter().find_map(|level| level.names);
        let described = || references.iter().find_map(|level| level.describes);
        let Some((_, reference)) = named.or_else(described) else {
            let detail = "no reference names what the status is about".to_owned();
            return Err((DeadLetterReason::MissingField, detail));
        };
        let tracking_id = self.words.text(reference);
        let Some(number) = self.context.catalogue.canonical(self.carrier, &tracking_id) else {
            let detail =
                format!("1-64 printable characters are expected as number, found {}", quoted(&tracking_id));
            return Err((DeadLetterReason::BadTrackingId, detail));
        };
        let key = NumberKey { number, carrier: self.carrier };

        let code = self.words.text(event.code);
        let (code_set, effect) = self.effect(event, &code);
        let reasons: SmallVec<[Cow<'m, str>; 2]> =
            event.reasons.iter().map(|reason| self.words.text(reason)).collect();
        let code_known = effect.is_some() || event.forecast;
        let mut effect = match effect {
            Some(effect) if !event.forecast => self.with_reasons(effect, event.code_set, &reasons),
            _ => Effect::NONE,
        };
        let (place, fc) = self.place(place, effect);
        if let Some(milestone) = effect.milestone {
            effect.milestone = Some(arrival(milestone, event.code_set, &code, fc.is_some()));
        }

        let place_of_time = (place.as_ref(), fc.as_ref());
        let event_time = self.event_time(event, place_of_time)?;
        let eta = event.eta.map(|when| self.payload_time(when, place_of_time)).transpose()?;
        let appointment = match event.appointment {
            None => None,
            Some((start, end)) => {
                let start = self.payload_time(start, place_of_time)?;
                let end = end.map(|when| self.payload_time(when, place_of_time)).transpose()?;
                Some((start, end.unwrap_or(start)))
            }
        };

        let raw = RawScan {
            carrier: Some(self.carrier_name.clone()),
            tracking_id: Some(tracking_id),
            code: Some(code),
            code_set: code_set.map(Cow::Borrowed),
            milestone: (event.code_set == CodeSet::X12Appointment).then_some(Cow::Borrowed("APPOINTMENT")),
            event_time: Some(self.words.text(event.date)),
            location: place.map(|place| self.location(&place)).unwrap_or_default(),
            reason: joined(reasons),
            description: self.words.some_text(event.description),
            ..RawScan::default()
        };
        let id = content_id(&key, &raw, event_time);
        let scan = Scan {
            key,
            effect,
            code_known,
            event_time,
            place: fc,
            id,
            eta,
            appointment,
            retracts: SmallVec::new(),
        };
        Ok((scan, raw))
    }

    /// What the code does, and the set that it was found in; an unknown one is told with the set it should be in.
    fn effect(&self, event: &Event<'_>, code: &str) -> (Option<&'static str>, Option<Effect>) {
        let order = event.code_set.order();
        let found = order.iter().find_map(|set| Some((*set, Some(self.effect_in(*set, code)?))));
        found.unwrap_or((order[0], None))
    }

    /// What a code of a set does: as the feed's profile says, else by the carrier's map.
    fn effect_in(&self, code_set: Option<&str>, code: &str) -> Option<Effect> {
        self.context.effect_in(self.carrier, self.profile, code_set, code)
    }

    /// Reasons raise flags, and a return turns the milestone.
    fn with_reasons(&self, mut effect: Effect, code_set: CodeSet, reasons: &[Cow<'_, str>]) -> Effect {
        for reason in reasons {
            if let Some(why) = self.effect_in(Some(code_set.reasons()), reason) {
                effect.flags = effect.flags.union(why.flags);
                effect.milestone = why.milestone.or(effect.milestone);
            }
        }
        effect
    }

    /// Where it was, and which FC that is. What happens at the end of the way and says no place, or says the city it goes
    /// to, happened at the destination.
    fn place(&self, place: Option<Place<'m>>, effect: Effect) -> (Option<Place<'m>>, Option<FcId>) {
        let place = place.filter(|place| !place.is_blank());
        let own = place.and_then(|place| self.context.fc_of(&place, self.words));
        let Some((destination, fc)) = &self.destination else { return (place, own) };
        match place {
            Some(place) if own.is_none() && place.is_city_of(destination) => (Some(place), fc.clone()),
            Some(place) => (Some(place), own),
            None if effect.milestone.is_some_and(ends_the_way) => (Some(*destination), fc.clone()),
            None => (None, None),
        }
    }

    fn location(&self, place: &Place<'m>) -> RawLocation<'m> {
        let text = |element| self.words.some_text(element);
        RawLocation {
            facility: text(place.name).or_else(|| text(place.code)),
            city: text(place.city),
            state: text(place.state),
            postal_code: text(place.postal_code),
            country: text(place.country),
            fc: None,
        }
    }

    /// An instant, and whether its zone was said.
    fn instant(&mut self, when: When, place: PlaceOfTime<'_, 'm>) -> Result<(Timestamp, bool), Refused> {
        let (place, fc) = place;
        let local = match when.zone {
            SaidZone::Offset(east_s) => {
                return Ok((Timestamp(when.local_ms - i64::from(east_s) * SECOND_MS), true));
            }
            SaidZone::Zone(zone) => {
                return self.zones.instant(zone, when.local_ms).map(|at| (at, true)).ok_or_else(no_zone);
            }
            SaidZone::Nothing => fc.and_then(|fc| self.context.fcs.local_to_instant(fc, when.local_ms)),
        };
        let at = local.or_else(|| {
            let place = place?;
            let text = |element| self.words.text(element);
            let zone = zone_of(&text(place.country), &text(place.state), &text(place.city))?;
            self.zones.instant(zone, when.local_ms)
        });
        let at = at.or_else(|| self.profile?.local_to_instant(when.local_ms));
        at.map(|at| (at, false)).ok_or_else(no_zone)
    }

    /// R20. A date alone is judged by its first instant and counts as its last second.
    fn event_time(&mut self, event: &Event<'_>, place: PlaceOfTime<'_, 'm>) -> Result<EventTime, Refused> {
        let (when, (at, zoned)) = match event.happened {
            Happened::WithInterchange => (None, (self.written.at, true)),
            Happened::At(when) => (Some(when), self.instant(when, place)?),
        };
        let judged = self.context.plausible(self.record_time, at, zoned).map_err(|how| {
            let detail = format!("{at} is {how} the record's own time {}", self.record_time);
            (DeadLetterReason::ImplausibleTime, detail)
        })?;
        match when {
            Some(when) if when.whole_day => {
                let (end, _) = self.instant(last_second(when), place)?;
                let moved_ms = judged.timestamp().0 - at.0;
                Ok(EventTime::from_timestamp(end.plus_ms(moved_ms)).unwrap_or(judged))
            }
            _ => Ok(judged),
        }
    }

    /// A time that is payload: never judged against the record.
    fn payload_time(&mut self, when: When, place: PlaceOfTime<'_, 'm>) -> Result<EventTime, Refused> {
        let (at, _) = self.instant(if when.whole_day { last_second(when) } else { when }, place)?;
        EventTime::from_timestamp(at)
            .ok_or_else(|| (DeadLetterReason::BadField, format!("{at} is not in 1970-2106")))
    }
}

type PlaceOfTime<'r, 'm> = (Option<&'r Place<'m>>, Option<&'r FcId>);

impl Context<'_> {
    /// The FC that a place is: by its code, else by its postal code, with or without what a ZIP adds to five digits.
    fn fc_of<'m>(&self, place: &Place<'m>, words: Words<'m>) -> Option<FcId> {
        let coded = FcId::parse(&words.text(place.code)).filter(|fc| self.fcs.knows(fc));
        coded.or_else(|| {
            if is_blank(place.postal_code) {
                return None;
            }
            let code = words.text(place.postal_code);
            let zip = code.get(..5).filter(|zip| zip.bytes().all(|b| b.is_ascii_digit()));
            self.by_postal_code(&code).or_else(|| self.by_postal_code(zip?)).cloned()
        })
    }
}

fn ends_the_way(milestone: Milestone) -> bool {
    matches!(
        milestone,
        Milestone::OutForDelivery
            | Milestone::ArrivedAtFc
            | Milestone::PartiallyDelivered
            | Milestone::Delivered
    )
}

/// Codes that say "arrived" mean the FC when it happened at one, and are movement otherwise: a carrier says so of
/// every stop.
fn arrival(milestone: Milestone, code_set: CodeSet, code: &str, at_fc: bool) -> Milestone {
    let arrived = match code_set {
        CodeSet::X12Status | CodeSet::X12Appointment => false,
        CodeSet::Rec24 | CodeSet::Own => matches!(code, "1" | "1E" | "29"),
    };
    match milestone {
        Milestone::ArrivedAtFc if !at_fc => Milestone::InTransit,
        Milestone::InTransit if arrived && at_fc => Milestone::ArrivedAtFc,
        other => other,
    }
}

fn last_second(day: When) -> When {
    When { local_ms: day.local_ms + DAY_MS - SECOND_MS, whole_day: false, ..day }
}

#[cold]
fn no_zone() -> Refused {
    let detail = "the time names no zone, and the place tells none".to_owned();
    (DeadLetterReason::NoTimeZone, detail)
}

fn joined(reasons: SmallVec<[Cow<'_, str>; 2]>) -> Option<Cow<'_, str>> {
    let mut reasons = reasons.into_iter().filter(|reason| !reason.is_empty());
    let first = reasons.next()?;
    Some(reasons.fold(first, |all, reason| Cow::Owned(format!("{all} {reason}"))))
}
