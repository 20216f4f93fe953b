//! The scan station, keyed by tracking number: the hot path.
//!
//! Enters: decoded scans of numbers that this partition owns, and index changes from the shipment station. Leaves: a box
//! event for each registered unit whose view changed, once per settling, absolute. Always true:
//! - progress belongs to (number, carrier), registered or not;
//! - the floor of a number is the smallest `from` of its registrations, and nothing before it is kept;
//! - `parked` counts the scans of a number that was never registered, and the partition's gauge is their sum;
//! - a number whose shipments are all gone is unknown again, and none serves more than [`REGISTRATIONS_MAX`] units;
//! - what is kept of numbers that nobody registered is within the settings' bounds after [`ScanStation::evict`].
//!
//! It does not know statuses, plans or commands.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use smallvec::SmallVec;

use super::hop::{Conflict, Hop, HopWriter, Registration, SOURCES_MAX, Sources, UnitNo};
use super::timers::Timers;
use super::undo::Undo;
use super::{Counters, Rules};
use crate::fold::{Interval, Progress, View, view};
use crate::index::{Index, Slot};
use crate::model::{
    DeadLetterReason, EventTime, Ignored, NumberKey, Scan, Settings, ShipmentId, Source, Timestamp,
};

/// R6: how many units one number serves at most.
pub const REGISTRATIONS_MAX: usize = 1_000;

/// R19: how many of those that once had a number are remembered for the conflicts that were; beyond it the one that let go
/// of it first is forgotten, and counted among the bounds that were hit.
const FORMER_MAX: usize = 16;

/// A scan on its way into the fold.
#[derive(Clone, Debug)]
pub struct ScanInput {
    /// What the carrier said.
    pub scan: Scan,
    /// When the record was written.
    pub record_time: Timestamp,
    /// Where the record is.
    pub source: Source,
}

/// All that is known of a number at a carrier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Number {
    progress: Progress,
    /// Ordered by entry, then shipment, then unit: the newest last.
    registrations: SmallVec<[Registration; 1]>,
    /// Scans while the number was never registered.
    parked: u32,
    /// The largest record time of its scans, while parked.
    last_record_time: Timestamp,
    /// Whether it was ever registered.
    known: bool,
    /// Boxes that had it once: few numbers have any.
    former: Option<Box<Former>>,
    /// The epoch that touched it last; of this process only, as are the following.
    #[serde(skip)]
    epoch: u64,
    /// The settling that touched it last, and its place in the list of what changed.
    #[serde(skip)]
    settling: u64,
    #[serde(skip)]
    changed_at: usize,
    /// Whether the timer queue holds an entry for it.
    #[serde(skip)]
    queued: bool,
}

/// Boxes that once had a number, in the order in which they let go of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Former(SmallVec<[Tenure; 1]>);

/// From when to when a shipment had a number on one of its boxes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Tenure {
    until: Timestamp,
    since: Timestamp,
    shipment: ShipmentId,
}

impl Number {
    fn is_vacant(&self) -> bool {
        self.registrations.is_empty() && !self.known && self.parked == 0 && self.progress.is_empty()
    }

    fn due(&self, rules: &Rules) -> Timestamp {
        if self.parked > 0 { self.last_record_time.plus_ms(rules.settings.park_ms) } else { Timestamp::MAX }
    }

    /// The interval in which registration `index` is served. Freight shares its numbers; among boxes a newer entry takes
    /// over from its own `from` on, unless its shipment is cancelled.
    fn interval(&self, index: usize) -> Interval {
        let mine = &self.registrations[index];
        let mut to = mine.to;
        if mine.unit != UnitNo::FREIGHT {
            for newer in &self.registrations[index + 1..] {
                let is_box = newer.unit != UnitNo::FREIGHT && !newer.cancelled;
                let holds = is_box && newer.to.is_none_or(|end| end > newer.from);
                if holds && to.is_none_or(|end| newer.from < end) {
                    to = Some(newer.from);
                }
            }
        }
        Interval { from: mine.from, to }
    }

    /// R19: the last time that the box of registration `index` shared the number with other shipments' boxes.
    fn conflict(&self, index: usize) -> Option<Conflict> {
        let mine = &self.registrations[index];
        if mine.unit == UnitNo::FREIGHT || (self.registrations.len() == 1 && self.former.is_none()) {
            return None;
        }
        let standing = self.registrations.iter().filter(|r| r.unit != UnitNo::FREIGHT);
        let standing = standing.map(|r| (&r.shipment, r.entered_at, r.to));
        let former = self.former.iter().flat_map(|former| &former.0);
        let former = former.map(|tenure| (&tenure.shipment, tenure.since, Some(tenure.until)));
        let others = standing.chain(former).filter(|(shipment, ..)| **shipment != mine.shipment);
        let mut shared: SmallVec<[(Timestamp, Timestamp); 4]> = others
            .map(|(_, since, until)| {
                let ends = [mine.to, until].into_iter().flatten();
                (since.max(mine.entered_at), ends.fold(Timestamp::MAX, Timestamp::min))
            })
            .filter(|(opened, ended)| opened < ended)
            .collect();
        shared.sort_unstable();
        let joined =
            shared.into_iter().reduce(
                |(opened, ended), (next, until)| {
                    if next <= ended { (opened, ended.max(until)) } else { (next, until) }
                },
            );
        joined
            .map(|(opened, ended)| Conflict { opened, ended: Some(ended).filter(|at| *at != Timestamp::MAX) })
    }

    /// Remembers that a shipment had the number. Whether something had to be forgotten for it.
    fn remember(&mut self, tenure: Tenure) -> bool {
        let Former(former) = &mut **self.former.get_or_insert_default();
        let at = former.partition_point(|other| *other < tenure);
        former.insert(at, tenure);
        let is_full = former.len() > FORMER_MAX;
        if is_full {
            former.remove(0);
        }
        is_full
    }

    fn serves(&self, at: EventTime) -> bool {
        (0..self.registrations.len())
            .any(|index| self.registrations[index].to.is_none() && self.interval(index).contains(at))
    }

    /// Drops what registrations of retired shipments are no longer there for, and sets the floor.
    fn registrations_changed(&mut self) {
        // A newer box took over from its own beginning on; that stays so for the older ones while they stand.
        let mut older_stands = false;
        self.registrations.retain(|r| {
            let is_box = r.unit != UnitNo::FREIGHT;
            older_stands |= is_box && !r.retired;
            !r.retired || (is_box && !r.cancelled && older_stands)
        });
        self.set_floor();
    }

    /// As if nothing had ever been heard of it.
    fn forget(&mut self) {
        self.progress = Progress::default();
        self.parked = 0;
        self.last_record_time = Timestamp::default();
        self.known = false;
        self.former = None;
        self.queued = false;
    }

    /// Bytes that it takes, about.
    fn bytes(&self, key: &NumberKey) -> u64 {
        let own = size_of::<(NumberKey, Number)>() + key.number.as_str().len();
        (own + self.progress.heap_bytes()) as u64
    }

    fn set_floor(&mut self) {
        match self.registrations.iter().map(|r| r.from).min() {
            Some(from) => {
                let second = from.0.div_euclid(1000) + i64::from(from.0.rem_euclid(1000) != 0);
                let floor = u32::try_from(second.max(0)).unwrap_or(u32::MAX);
                self.progress.clear_floor();
                self.progress.raise_floor(EventTime(floor));
            }
            None => self.progress.clear_floor(),
        }
    }
}

/// How much is kept of numbers that nobody registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parked {
    /// How many numbers.
    pub numbers: u64,
    /// Bytes, about.
    pub bytes: u64,
}

impl Parked {
    fn add(&mut self, key: &NumberKey, number: &Number) {
        if number.parked > 0 {
            self.numbers += 1;
            self.bytes += number.bytes(key);
        }
    }

    fn take(&mut self, key: &NumberKey, number: &Number) {
        if number.parked > 0 {
            self.numbers -= 1;
            self.bytes -= number.bytes(key);
        }
    }
}

/// A number as it was before something touched it; none: it was not there.
type Before = Option<Box<Number>>;

/// A number that changed since the last settling.
#[derive(Debug)]
struct Changed {
    slot: Slot,
    before: BeforeSettling,
    sources: Sources,
}

#[derive(Debug)]
enum BeforeSettling {
    /// The epoch touched it first in this settling: its undo image, by position.
    Undo(usize),
    /// An earlier settling of the epoch touched it too.
    Own(Box<Number>),
}

/// The numbers of a partition.
#[derive(Debug)]
pub struct ScanStation {
    index: Index<Number>,
    /// First touches of each epoch, for undo and delta.
    undo: Undo<(Slot, Before)>,
    /// First touches since the last settling, for box events.
    changed: Vec<Changed>,
    timers: Timers<NumberKey>,
    parked: Parked,
    epoch: u64,
    settling: u64,
    slots: Vec<Option<Slot>>,
    /// Where scans are tried: without marks, and with.
    copies: [Progress; 2],
}

impl ScanStation {
    /// An empty station; `secret` keys the index's hash.
    pub fn new(secret: u64) -> ScanStation {
        ScanStation {
            index: Index::new(secret),
            undo: Undo::default(),
            changed: Vec::new(),
            timers: Timers::default(),
            parked: Parked::default(),
            epoch: 1,
            settling: 1,
            slots: Vec::new(),
            copies: Default::default(),
        }
    }

    /// How many numbers are known.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Lines of the index beyond the first of each that finding every number once would read.
    pub fn extra_lines(&self) -> usize {
        self.index.extra_lines()
    }

    /// Whether no number is known.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// What is known of a number at a carrier, for people to read. None: nothing.
    pub fn describe(&self, rules: &Rules, key: &NumberKey) -> Option<Value> {
        let number = self.index.value(self.index.get(key)?);
        let registrations = number.registrations.iter().enumerate().map(|(index, registration)| {
            let Interval { from, to } = number.interval(index);
            let unit = registration.unit;
            json!({
                "shipment_id": registration.shipment,
                "unit": if unit == UnitNo::FREIGHT { Value::from("freight bill") } else { Value::from(unit.0) },
                "fc": registration.fc,
                "from": from,
                "to": to,
            })
        });
        (!number.is_vacant()).then(|| {
            json!({
                "carrier": rules.catalogue.code(key.carrier),
                "registrations": registrations.collect::<Vec<_>>(),
                "parked_scans": number.parked,
                "progress": number.progress.to_json(),
            })
        })
    }

    /// How much is kept of numbers that nobody registered.
    pub fn parked(&self) -> Parked {
        self.parked
    }

    /// Folds a batch: one lookup for all, then each in order.
    pub fn scans(&mut self, rules: &Rules, counters: &mut Counters, inputs: &[ScanInput]) {
        let mut slots = std::mem::take(&mut self.slots);
        slots.clear();
        self.index.lookup_batch(inputs.iter().map(|input| &input.scan.key), &mut slots);
        for (input, slot) in inputs.iter().zip(&slots) {
            self.scan(rules, counters, input, *slot);
        }
        self.slots = slots;
    }

    fn scan(&mut self, rules: &Rules, counters: &mut Counters, input: &ScanInput, slot: Option<Slot>) {
        let scan = &input.scan;
        let signal = scan.eta.is_some() || scan.appointment.is_some() || !scan.retracts.is_empty();
        if !scan.code_known && !signal {
            counters.unknown_codes += 1;
            return counters.ignore(Ignored::UnknownCode);
        }
        // An earlier scan of the same batch may have brought the number in.
        let slot = match slot.or_else(|| self.index.get(&scan.key)) {
            Some(slot) => slot,
            None => self.insert(scan.key.clone()),
        };
        let number = self.index.value(slot);
        if number.progress.floor().is_some_and(|floor| scan.event_time < floor) {
            return counters.ignore(Ignored::EarlierLife);
        }
        // Most scans say nothing new: whether this one does is tried on a copy that has its memory already.
        let copy = &mut self.copies[usize::from(number.progress.has_marks())];
        copy.clone_from(&number.progress);
        let joined = copy.join_scan(scan);
        counters.bounds_hit += u64::from(joined.evicted > 0);
        let is_parked = !number.known;
        if number.serves(scan.event_time) {
            if joined.changed {
                counters.applied += 1;
            } else {
                counters.duplicate += 1;
            }
        } else if !number.registrations.is_empty() {
            counters.ignore(Ignored::Ended);
        } else if number.known {
            counters.ignore(Ignored::OldCarrier);
        } else {
            counters.parked += 1;
        }
        // Repeats of a registered number touch nothing: neither undo nor state log hears of them.
        if !joined.changed && !is_parked {
            return;
        }
        let progress = copy.clone();
        self.touch(slot);
        let number = self.index.value_mut(slot);
        if is_parked {
            self.parked.take(&scan.key, number);
        }
        number.progress = progress;
        if is_parked {
            number.parked += 1;
            self.parked.add(&scan.key, number);
            number.last_record_time = number.last_record_time.max(input.record_time);
            if !number.queued {
                number.queued = true;
                self.timers.push(number.due(rules), scan.key.clone());
            }
        }
        if joined.changed {
            self.note_source(slot, scan.event_time, input.source);
        }
    }

    /// Takes over what the shipment station decided about a number. Of too many registrations the newest entries go, whichever
    /// came first.
    pub fn register(&mut self, counters: &mut Counters, key: NumberKey, registration: Registration) {
        let slot = self.reach(key.clone());
        let number = self.index.value_mut(slot);
        self.parked.take(&key, number);
        let same = |r: &Registration| r.shipment == registration.shipment && r.unit == registration.unit;
        number.registrations.retain(|r| !same(r));
        let order = |r: &Registration| (r.entered_at, r.shipment.clone(), r.unit);
        let at = number.registrations.partition_point(|r| order(r) < order(&registration));
        number.registrations.insert(at, registration);
        if number.registrations.len() > REGISTRATIONS_MAX {
            number.registrations.pop();
            counters.registrations_refused += 1;
        }
        number.known = true;
        number.registrations_changed();
        counters.applied += u64::from(number.parked);
        counters.parked -= u64::from(number.parked);
        number.parked = 0;
    }

    /// The unit no longer uses the number, as was entered at `at`.
    pub fn remove(
        &mut self,
        counters: &mut Counters,
        key: NumberKey,
        shipment: &ShipmentId,
        unit: UnitNo,
        at: Timestamp,
    ) {
        let slot = self.reach(key);
        let number = self.index.value_mut(slot);
        let of_unit = |r: &Registration| r.shipment == *shipment && r.unit == unit;
        if let Some(index) = number.registrations.iter().position(of_unit) {
            let gone = number.registrations.remove(index);
            if unit != UnitNo::FREIGHT {
                let until = gone.to.map_or(at, |to| to.min(at));
                let tenure = Tenure { until, since: gone.entered_at, shipment: gone.shipment };
                counters.bounds_hit += u64::from(number.remember(tenure));
            }
        }
        number.known = true;
        number.registrations_changed();
    }

    /// The shipment is gone. A number that serves no other is unknown again; the others' views stay as they are.
    pub fn retire(&mut self, counters: &mut Counters, key: &NumberKey, shipment: &ShipmentId, unit: UnitNo) {
        let Some(slot) = self.index.get(key) else { return };
        self.touch(slot);
        let number = self.index.value_mut(slot);
        let of_unit = |r: &Registration| r.shipment == *shipment && r.unit == unit && !r.retired;
        if let Some(index) = number.registrations.iter().position(of_unit) {
            let registration = &mut number.registrations[index];
            registration.retired = true;
            let (since, until) = (registration.entered_at, registration.to);
            if let Some(until) = until.filter(|_| unit != UnitNo::FREIGHT) {
                let tenure = Tenure { until, since, shipment: shipment.clone() };
                counters.bounds_hit += u64::from(number.remember(tenure));
            }
        }
        number.registrations_changed();
        if number.registrations.is_empty() {
            self.parked.take(key, number);
            number.forget();
        }
    }

    /// The earliest time at which a number may be due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers.next_due()
    }

    /// Lets parked progress expire whose time has come (R11); `dead_letter` gets the number, its scans and its progress.
    pub fn expire(
        &mut self,
        rules: &Rules,
        counters: &mut Counters,
        now: Timestamp,
        mut dead_letter: impl FnMut(&NumberKey, u32, &Progress),
    ) {
        // By key: the order in which timers were queued must not show.
        let mut expired = BTreeMap::new();
        while let Some((_, key)) = self.timers.pop_due(now) {
            let Some(slot) = self.index.get(&key) else { continue };
            let number = self.index.value_mut(slot);
            number.queued = false;
            let due = number.due(rules);
            if due <= now {
                expired.insert(key, slot);
            } else if due != Timestamp::MAX {
                number.queued = true;
                self.timers.push(due, key);
            }
        }
        for (key, slot) in expired {
            let (scans, progress) = self.give_up(slot);
            counters.parked -= u64::from(scans);
            counters.dead_letter(DeadLetterReason::ParkExpired, u64::from(scans));
            dead_letter(&key, scans, &progress);
        }
    }

    /// Lets parked progress go until it is within its bounds: what was scanned longest ago first, of equally old the smaller
    /// number; `dead_letter` gets the number, its scans and its progress.
    pub fn evict(
        &mut self,
        rules: &Rules,
        counters: &mut Counters,
        mut dead_letter: impl FnMut(&NumberKey, u32, &Progress),
    ) {
        let Settings { park_bytes_max, park_numbers_max, .. } = rules.settings;
        while self.parked.bytes > park_bytes_max || self.parked.numbers > park_numbers_max {
            let (at, key) = self.timers.pop_due(Timestamp::MAX).expect("parked progress has a timer");
            let Some(slot) = self.index.get(&key) else { continue };
            let number = self.index.value_mut(slot);
            number.queued = false;
            let due = number.due(rules);
            if due <= at {
                let (scans, progress) = self.give_up(slot);
                counters.parked -= u64::from(scans);
                counters.dead_letter(DeadLetterReason::ParkEvicted, u64::from(scans));
                dead_letter(&key, scans, &progress);
            } else if due != Timestamp::MAX {
                // It was scanned since: a later turn.
                number.queued = true;
                self.timers.push(due, key);
            }
        }
    }

    /// Takes what is parked of a number: its scans and its progress.
    fn give_up(&mut self, slot: Slot) -> (u32, Progress) {
        self.touch(slot);
        let (key, number) = (self.index.key(slot), self.index.value(slot));
        self.parked.take(&key, number);
        let number = self.index.value_mut(slot);
        let given = (number.parked, std::mem::take(&mut number.progress));
        number.forget();
        given
    }

    /// Tells the shipments what changed since the last settling.
    pub fn settle(&mut self, hops: &mut HopWriter) {
        let absent = Number::default();
        for changed in &self.changed {
            let before = match &changed.before {
                BeforeSettling::Undo(at) => self.undo.open()[*at].1.as_deref().unwrap_or(&absent),
                BeforeSettling::Own(number) => number,
            };
            let now = self.index.value(changed.slot);
            let told = now.registrations.iter().enumerate().filter(|(_, registration)| !registration.retired);
            for (index, registration) in told {
                let shown = view(&now.progress, now.interval(index), &registration.fc);
                let same = |r: &Registration| {
                    r.generation == registration.generation
                        && r.unit == registration.unit
                        && r.shipment == registration.shipment
                };
                let conflict = now.conflict(index);
                let shown_before = match before.registrations.iter().position(same) {
                    Some(at) => {
                        let fc = &before.registrations[at].fc;
                        (view(&before.progress, before.interval(at), fc), before.conflict(at))
                    }
                    None => (View::EMPTY, None),
                };
                if (&shown, conflict) != (&shown_before.0, shown_before.1) {
                    let event = Hop::BoxEvent {
                        shipment: registration.shipment.clone(),
                        unit: registration.unit,
                        generation: registration.generation,
                        view: Box::new(shown),
                        conflict,
                        sources: changed.sources.clone(),
                    };
                    hops.send(registration.shipment.as_str().as_bytes(), &event);
                }
            }
        }
        self.settling += 1;
        self.changed.clear();
    }

    fn reach(&mut self, key: NumberKey) -> Slot {
        match self.index.get(&key) {
            Some(slot) => {
                self.touch(slot);
                slot
            }
            None => self.insert(key),
        }
    }

    fn insert(&mut self, key: NumberKey) -> Slot {
        let number = Number {
            epoch: self.epoch,
            settling: self.settling,
            changed_at: self.changed.len(),
            ..Number::default()
        };
        let slot = self.index.insert(key, number);
        let before = BeforeSettling::Undo(self.undo.push((slot, None)));
        self.changed.push(Changed { slot, before, sources: Sources::new() });
        slot
    }

    /// Keeps the number's image before the first change of the epoch, and of the settling.
    fn touch(&mut self, slot: Slot) {
        let number = self.index.value_mut(slot);
        if number.settling == self.settling {
            return;
        }
        let before = if number.epoch == self.epoch {
            BeforeSettling::Own(Box::new(number.clone()))
        } else {
            BeforeSettling::Undo(self.undo.push((slot, Some(Box::new(number.clone())))))
        };
        number.epoch = self.epoch;
        number.settling = self.settling;
        number.changed_at = self.changed.len();
        self.changed.push(Changed { slot, before, sources: Sources::new() });
    }

    fn note_source(&mut self, slot: Slot, at: EventTime, source: Source) {
        let sources = &mut self.changed[self.index.value(slot).changed_at].sources;
        if sources.len() == SOURCES_MAX {
            sources.remove(0);
        }
        sources.push((at, source));
    }

    /// Whether this epoch changed anything.
    pub fn is_touched(&self) -> bool {
        !self.undo.open().is_empty()
    }

    /// The numbers that this epoch changed, as they are now; none: gone.
    pub fn delta(&self, mut sink: impl FnMut(&NumberKey, Option<&[u8]>)) {
        let mut bytes = Vec::new();
        for (slot, _) in self.undo.open() {
            let number = self.index.value(*slot);
            if number.is_vacant() {
                sink(&self.index.key(*slot), None);
            } else {
                bytes.clear();
                bytes = postcard::to_extend(number, bytes).expect("a number always serialises into memory");
                sink(&self.index.key(*slot), Some(&bytes));
            }
        }
    }

    /// All numbers of a slice, in the order of their keys; what the open epoch let go is none.
    pub fn image(&self, slice: u16, mut sink: impl FnMut(&NumberKey, &[u8])) {
        let mut bytes = Vec::new();
        for slot in self.index.slice(slice).filter(|slot| !self.index.value(*slot).is_vacant()) {
            bytes.clear();
            bytes =
                postcard::to_extend(self.index.value(slot), bytes).expect("a number serialises into memory");
            sink(&self.index.key(slot), &bytes);
        }
    }

    /// Takes over a number from the state log; none: it is gone.
    pub fn load(
        &mut self,
        rules: &Rules,
        key: NumberKey,
        bytes: Option<&[u8]>,
    ) -> Result<(), postcard::Error> {
        let slot = self.index.get(&key);
        if let Some(slot) = slot {
            self.parked.take(&key, self.index.value(slot));
        }
        match (bytes, slot) {
            (None, None) => {}
            (None, Some(slot)) => {
                self.index.remove(slot);
            }
            (Some(bytes), slot) => {
                let mut number: Number = postcard::from_bytes(bytes)?;
                self.parked.add(&key, &number);
                let due = number.due(rules);
                number.queued = due != Timestamp::MAX;
                self.timers.push(due, key.clone());
                match slot {
                    Some(slot) => *self.index.value_mut(slot) = number,
                    None => {
                        self.index.insert(key, number);
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends the open epoch.
    pub fn seal(&mut self) {
        self.undo.seal();
        self.changed.clear();
        self.epoch += 1;
        self.settling += 1;
    }

    /// Keeps what the sealed epoch did.
    pub fn commit(&mut self) {
        for (slot, _) in self.undo.commit() {
            let number = self.index.value(slot);
            // What the open epoch touched is for its own end.
            if number.is_vacant() && number.epoch != self.epoch {
                self.index.remove(slot);
            }
        }
    }

    /// Takes back what was not committed.
    pub fn rollback(&mut self, rules: &Rules) {
        let mut vacated = BTreeSet::new();
        while let Some((slot, before)) = self.undo.pop() {
            self.parked.take(&self.index.key(slot), self.index.value(slot));
            match before {
                None => {
                    self.index.remove(slot);
                    vacated.remove(&slot);
                }
                Some(mut before) => {
                    if before.is_vacant() {
                        vacated.insert(slot);
                    } else {
                        vacated.remove(&slot);
                    }
                    self.parked.add(&self.index.key(slot), &before);
                    before.queued = true;
                    let due = before.due(rules);
                    if due == Timestamp::MAX {
                        before.queued = false;
                    } else {
                        self.timers.push(due, self.index.key(slot));
                    }
                    *self.index.value_mut(slot) = *before;
                }
            }
        }
        // What an epoch let go while it was sealed, and the open one touched.
        vacated.into_iter().for_each(|slot| drop(self.index.remove(slot)));
        self.changed.clear();
        self.epoch += 1;
        self.settling += 1;
    }
}
