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
//! A number is kept as its bytes, nearly those of the state log: a few dozen in a cell of their own. It is read when something
//! happens to it and written when that changed it; images of before, deltas and images of slices are copies of bytes.
//!
//! It does not know statuses, plans or commands.

mod number;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde_json::{Value, json};

use self::number::{Number, PLAIN_END, Standing, Tenure};
use super::hop::{Hop, HopWriter, Registration, SOURCES_MAX, Sources, UnitNo};
use super::timers::Timers;
use super::undo::Images;
use super::{Counters, Rules};
use crate::fold::{Interval, Progress, Reader, Spare, View, view};
use crate::index::{Asked, Cell, Cells, Index, Slot};
use crate::model::{
    DeadLetterReason, EventTime, Ignored, NumberKey, Scan, Settings, ShipmentId, Source, Timestamp,
};

/// R6: how many units one number serves at most.
pub const REGISTRATIONS_MAX: usize = 1_000;

/// How many scans ahead the bytes of numbers are asked for.
const CELLS_AHEAD: usize = 16;

/// Of a cell: the timer queue holds an entry for the number.
const QUEUED: u8 = 1;
/// Of a cell: the number has one registration, which stands. Since its `from` is the floor, it serves whatever is not before
/// that, and need not be read.
const STANDS: u8 = 2;
/// Of a cell: the number is plain, and has not the end that it has in the state log.
const PLAIN: u8 = 4;
/// Of a cell: scans of the number are parked, and counted among those that are.
const PARKED: u8 = 8;

/// What the flags of a cell say of its number.
struct Kept {
    parked: bool,
    stands: bool,
    is_plain: bool,
}

impl Kept {
    fn of(number: &Number) -> Kept {
        Kept { parked: number.parked > 0, stands: number.stands(), is_plain: number.is_plain() }
    }
}

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

/// How much is kept of numbers that nobody registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parked {
    /// How many numbers.
    pub numbers: u64,
    /// Bytes, about.
    pub bytes: u64,
}

/// About what a parked number takes beside its bytes: key and cell, a place in the index and one in the queue of timers.
const ENTRY_BYTES: u64 = 100;

impl Parked {
    fn add(&mut self, packed_bytes: usize) {
        self.numbers += 1;
        self.bytes += ENTRY_BYTES + packed_bytes as u64;
    }

    fn take(&mut self, packed_bytes: usize) {
        self.numbers -= 1;
        self.bytes -= ENTRY_BYTES + packed_bytes as u64;
    }
}

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
    /// An earlier settling of the epoch touched it too: its bytes of then.
    Own(Range<usize>),
}

/// Where a number that the open epoch touched stands in the list of what changed, as of that settling.
#[derive(Clone, Copy, Debug)]
struct Touched {
    settling: u64,
    changed_at: usize,
}

/// The numbers of a partition.
#[derive(Debug)]
pub struct ScanStation {
    /// With [`QUEUED`], [`PARKED`], [`STANDS`] and [`PLAIN`].
    index: Index<Cell>,
    cells: Cells,
    /// First touches of each epoch, for undo and delta.
    undo: Images<Slot>,
    /// What the open epoch touched.
    touched: HashMap<Slot, Touched, FixedState>,
    /// First touches since the last settling, for box events.
    changed: Vec<Changed>,
    /// Of those that the epoch had touched before: how they were.
    changed_bytes: Vec<u8>,
    timers: Timers<NumberKey>,
    parked: Parked,
    settling: u64,
    slots: Vec<Option<Slot>>,
    /// Where scans are tried: memory that stays.
    tried: Progress,
    /// Where numbers of a state log are read: memory that stays.
    logged: Number,
    spare: Spare,
    /// Where numbers are packed.
    packed: Vec<u8>,
}

impl ScanStation {
    /// An empty station; `secret` keys the index's hash.
    pub fn new(secret: u64) -> ScanStation {
        ScanStation {
            index: Index::new(secret),
            cells: Cells::default(),
            undo: Images::default(),
            touched: HashMap::with_hasher(FixedState::with_seed(secret)),
            changed: Vec::new(),
            changed_bytes: Vec::new(),
            timers: Timers::default(),
            parked: Parked::default(),
            settling: 1,
            slots: Vec::new(),
            tried: Progress::default(),
            logged: Number::default(),
            spare: Spare::default(),
            packed: Vec::new(),
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
        let slot = self.index.get(key)?;
        let number = self.number(slot);
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
        (!self.is_vacant(slot)).then(|| {
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
        self.index.lookup_batch(inputs.iter().map(|input| &input.scan.key), &mut slots);
        let ahead = |at: usize| slots.get(at).copied().flatten();
        (0..CELLS_AHEAD).filter_map(ahead).for_each(|slot| self.prefetch(slot));
        for (at, input) in inputs.iter().enumerate() {
            if let Some(slot) = ahead(at + CELLS_AHEAD) {
                self.prefetch(slot);
            }
            self.scan(rules, counters, input, slots[at]);
        }
        self.slots = slots;
    }

    fn prefetch(&self, slot: Slot) {
        self.cells.prefetch(self.index.value(slot));
    }

    fn scan(&mut self, rules: &Rules, counters: &mut Counters, input: &ScanInput, slot: Option<Slot>) {
        let scan = &input.scan;
        let signal = scan.eta.is_some() || scan.appointment.is_some() || !scan.retracts.is_empty();
        if !scan.code_known && !signal {
            counters.unknown_codes += 1;
            return counters.ignore(Ignored::UnknownCode);
        }
        // An earlier scan of the same batch may have brought the number in.
        let slot = slot.unwrap_or_else(|| {
            let (slot, is_new) = self.index.reach(&scan.key);
            if is_new {
                self.inserted(slot);
            }
            slot
        });
        // Most scans say nothing new. Whether this one does is tried on progress in memory that is there already.
        let mut reader = Reader::new(self.cells.get(self.index.value(slot)));
        let progress = &mut self.tried;
        match reader.rest() {
            [] => *progress = Progress::default(),
            _ => self.spare.read(progress, &mut reader),
        }
        if progress.floor().is_some_and(|floor| scan.event_time < floor) {
            return counters.ignore(Ignored::EarlierLife);
        }
        let joined = progress.join_scan(scan);
        counters.bounds_hit += u64::from(joined.evicted > 0);
        let standing = if self.index.value(slot).owner() & STANDS != 0 {
            Standing::Serving
        } else {
            Standing::read(reader.rest(), scan.event_time)
        };
        match standing {
            Standing::Serving if joined.changed => counters.applied += 1,
            Standing::Serving => counters.duplicate += 1,
            Standing::Ended => counters.ignore(Ignored::Ended),
            Standing::Left => counters.ignore(Ignored::OldCarrier),
            Standing::Unknown => counters.parked += 1,
        }
        let changed_at = if standing == Standing::Unknown {
            self.park(rules, input, slot)
        } else if joined.changed {
            self.packed = Number::pack_with(progress, reader.rest(), std::mem::take(&mut self.packed));
            let changed_at = self.touch(slot);
            self.cells.set(self.index.value_mut(slot), &self.packed);
            changed_at
        } else {
            // Repeats of a registered number touch nothing: neither undo nor state log hears of them.
            return;
        };
        if joined.changed {
            self.note_source(changed_at, scan.event_time, input.source);
        }
    }

    /// Keeps a scan of a number that nobody has registered: what was read of it last, and that there is one more.
    fn park(&mut self, rules: &Rules, input: &ScanInput, slot: Slot) -> usize {
        let changed_at = self.touch(slot);
        let mut number = self.number(slot);
        number.progress = self.tried.clone();
        number.parked += 1;
        number.last_record_time = number.last_record_time.max(input.record_time);
        if !self.has_flag(slot, QUEUED) {
            self.queue(slot, number.due(rules), input.scan.key.clone());
        }
        self.put(slot, &number);
        changed_at
    }

    /// Takes over what the shipment station decided about a number. Of too many registrations the newest entries go, whichever
    /// came first.
    pub fn register(&mut self, counters: &mut Counters, key: NumberKey, registration: Registration) {
        let slot = self.reach(&key);
        let mut number = self.number(slot);
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
        self.put(slot, &number);
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
        let slot = self.reach(&key);
        let mut number = self.number(slot);
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
        self.put(slot, &number);
    }

    /// The shipment is gone. A number that serves no other is unknown again; the others' views stay as they are.
    pub fn retire(&mut self, counters: &mut Counters, key: &NumberKey, shipment: &ShipmentId, unit: UnitNo) {
        let Some(slot) = self.index.get(key) else { return };
        self.touch(slot);
        let mut number = self.number(slot);
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
            self.forget(slot);
        } else {
            self.put(slot, &number);
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
            self.flag(slot, QUEUED, false);
            let due = self.number(slot).due(rules);
            if due <= now {
                expired.insert(key, slot);
            } else {
                self.queue(slot, due, key);
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
            self.flag(slot, QUEUED, false);
            let due = self.number(slot).due(rules);
            if due <= at {
                let (scans, progress) = self.give_up(slot);
                counters.parked -= u64::from(scans);
                counters.dead_letter(DeadLetterReason::ParkEvicted, u64::from(scans));
                dead_letter(&key, scans, &progress);
            } else {
                // It was scanned since: a later turn.
                self.queue(slot, due, key);
            }
        }
    }

    /// Queues a number again for the time at which it is due, if it is at all.
    fn queue(&mut self, slot: Slot, due: Timestamp, key: NumberKey) {
        if due != Timestamp::MAX {
            self.flag(slot, QUEUED, true);
            self.timers.push(due, key);
        }
    }

    /// Takes what is parked of a number: its scans and its progress.
    fn give_up(&mut self, slot: Slot) -> (u32, Progress) {
        self.touch(slot);
        let number = self.number(slot);
        self.forget(slot);
        (number.parked, number.progress)
    }

    /// As if nothing had ever been heard of it.
    fn forget(&mut self, slot: Slot) {
        self.put(slot, &Number::default());
        self.flag(slot, QUEUED, false);
    }

    /// Tells the shipments what changed since the last settling.
    pub fn settle(&mut self, hops: &mut HopWriter) {
        let [mut before, mut now] = <[Number; 2]>::default();
        for changed in &self.changed {
            let bytes = match &changed.before {
                BeforeSettling::Undo(at) => self.undo.image(*at).unwrap_or_default(),
                BeforeSettling::Own(range) => &self.changed_bytes[range.clone()],
            };
            let rest = now.read(self.cells.get(self.index.value(changed.slot)), &mut self.spare);
            let others = if before.read_beside(bytes, &mut self.spare, rest) { &now } else { &before };
            let told = now.registrations.iter().enumerate().filter(|(_, registration)| !registration.retired);
            for (index, registration) in told {
                let shown = view(&now.progress, now.interval(index), &registration.fc);
                let same = |r: &Registration| {
                    r.generation == registration.generation
                        && r.unit == registration.unit
                        && r.shipment == registration.shipment
                };
                let conflict = now.conflict(index);
                let shown_before = match others.registrations.iter().position(same) {
                    Some(at) => {
                        let fc = &others.registrations[at].fc;
                        (view(&before.progress, others.interval(at), fc), others.conflict(at))
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
        self.settled();
    }

    /// What follows is another settling.
    fn settled(&mut self) {
        self.settling += 1;
        self.changed.clear();
        self.changed_bytes.clear();
    }

    fn has_flag(&self, slot: Slot, flag: u8) -> bool {
        self.index.value(slot).owner() & flag != 0
    }

    fn flag(&mut self, slot: Slot, flag: u8, is_set: bool) {
        let cell = self.index.value_mut(slot);
        cell.set_owner(if is_set { cell.owner() | flag } else { cell.owner() & !flag });
    }

    fn is_vacant(&self, slot: Slot) -> bool {
        self.index.value(slot).is_empty()
    }

    /// What is known of a number.
    fn number(&self, slot: Slot) -> Number {
        let mut number = Number::default();
        number.read(self.cells.get(self.index.value(slot)), &mut Spare::default());
        number
    }

    /// Keeps a number that was touched.
    fn put(&mut self, slot: Slot, number: &Number) {
        let packed = number.pack(std::mem::take(&mut self.packed));
        self.put_packed(slot, Kept::of(number), &packed);
        self.packed = packed;
    }

    /// The same with its bytes.
    fn put_packed(&mut self, slot: Slot, Kept { parked, stands, is_plain }: Kept, packed: &[u8]) {
        let cell = self.index.value_mut(slot);
        if cell.owner() & PARKED != 0 {
            self.parked.take(cell.len());
        }
        self.cells.set(cell, packed);
        if parked {
            self.parked.add(cell.len());
        }
        let flag = |flag, is_set| if is_set { flag } else { 0 };
        cell.set_owner(
            cell.owner() & QUEUED | flag(PARKED, parked) | flag(STANDS, stands) | flag(PLAIN, is_plain),
        );
    }

    /// The slot of a number that is about to change.
    fn reach(&mut self, key: &NumberKey) -> Slot {
        let (slot, is_new) = self.index.reach(key);
        if is_new {
            self.inserted(slot)
        } else {
            self.touch(slot);
        }
        slot
    }

    /// A number was not there before the epoch.
    fn inserted(&mut self, slot: Slot) {
        let before = BeforeSettling::Undo(self.undo.push(slot, None));
        self.change(slot, before);
    }

    /// Keeps the number's image before the first change of the epoch, and of the settling; its place in the list of what
    /// changed.
    fn touch(&mut self, slot: Slot) -> usize {
        let bytes = self.cells.get(self.index.value(slot));
        let before = match self.touched.get(&slot) {
            Some(touched) if touched.settling == self.settling => return touched.changed_at,
            Some(_) => {
                let start = self.changed_bytes.len();
                self.changed_bytes.extend_from_slice(bytes);
                BeforeSettling::Own(start..self.changed_bytes.len())
            }
            None => BeforeSettling::Undo(self.undo.push(slot, Some(bytes))),
        };
        self.change(slot, before)
    }

    fn change(&mut self, slot: Slot, before: BeforeSettling) -> usize {
        let changed_at = self.changed.len();
        self.changed.push(Changed { slot, before, sources: Sources::new() });
        self.touched.insert(slot, Touched { settling: self.settling, changed_at });
        changed_at
    }

    fn note_source(&mut self, changed_at: usize, at: EventTime, source: Source) {
        let sources = &mut self.changed[changed_at].sources;
        if sources.len() == SOURCES_MAX {
            sources.remove(0);
        }
        sources.push((at, source));
    }

    /// Whether this epoch changed anything.
    pub fn is_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// The numbers that this epoch changed, as they are now; none: gone.
    pub fn delta(&self, mut sink: impl FnMut(&NumberKey, Option<&[u8]>)) {
        let mut bytes = Vec::new();
        for slot in self.undo.keys() {
            self.for_the_log(slot, &mut bytes);
            sink(&self.index.key(slot), (!bytes.is_empty()).then_some(&bytes));
        }
    }

    /// All numbers of a slice, in the order of their keys; what the open epoch let go is none.
    pub fn image(&self, slice: u16, mut sink: impl FnMut(&NumberKey, &[u8])) {
        let mut bytes = Vec::new();
        for slot in self.index.slice(slice).filter(|slot| !self.is_vacant(*slot)) {
            self.for_the_log(slot, &mut bytes);
            sink(&self.index.key(slot), &bytes);
        }
    }

    /// Replaces `bytes` by those that the state log has of a number; none: it is vacant.
    fn for_the_log(&self, slot: Slot, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.extend_from_slice(self.cells.get(self.index.value(slot)));
        if self.has_flag(slot, PLAIN) {
            bytes.extend_from_slice(&PLAIN_END);
        }
    }

    /// Asks for where a number is, or would be, that [`ScanStation::load`] takes over a little later.
    pub fn ask(&self, key: &NumberKey) -> Asked {
        self.index.ask(key)
    }

    /// Takes over a number from the state log; none: it is gone.
    pub fn load(
        &mut self,
        rules: &Rules,
        key: NumberKey,
        asked: Asked,
        bytes: Option<&[u8]>,
    ) -> Result<(), postcard::Error> {
        let Some(bytes) = bytes else {
            if let Some(slot) = self.index.get(&key) {
                self.forget(slot);
                self.index.remove(slot);
            }
            return Ok(());
        };
        if let Some(stands) = self.logged.skim(bytes, &mut self.spare) {
            let (slot, _) = self.index.reach_asked(&key, asked);
            let kept = Kept { parked: false, stands, is_plain: true };
            self.put_packed(slot, kept, &bytes[..bytes.len() - PLAIN_END.len()]);
            self.flag(slot, QUEUED, false);
            return Ok(());
        }
        let mut number = std::mem::take(&mut self.logged);
        let read = number.read_logged(bytes, &mut self.spare);
        if read.is_ok() {
            let (slot, _) = self.index.reach_asked(&key, asked);
            self.put_packed(slot, Kept::of(&number), number.packed_of(bytes));
            self.flag(slot, QUEUED, false);
            self.queue(slot, number.due(rules), key);
        }
        self.logged = number;
        read
    }

    /// Ends the open epoch.
    pub fn seal(&mut self) {
        self.undo.seal();
        self.touched.clear();
        self.settled();
    }

    /// Keeps what the sealed epoch did.
    pub fn commit(&mut self) {
        for slot in self.undo.commit() {
            // What the open epoch touched is for its own end.
            if self.index.value(slot).is_empty() && !self.touched.contains_key(&slot) {
                self.index.remove(slot);
            }
        }
    }

    /// Takes back what was not committed.
    pub fn rollback(&mut self, rules: &Rules) {
        let mut vacated = BTreeSet::new();
        while let Some((slot, before)) = self.undo.pop() {
            let Some(before) = before else {
                self.forget(slot);
                self.index.remove(slot);
                vacated.remove(&slot);
                continue;
            };
            let mut number = Number::default();
            number.read(&before, &mut self.spare);
            self.put_packed(slot, Kept::of(&number), &before);
            if self.is_vacant(slot) {
                vacated.insert(slot);
            } else {
                vacated.remove(&slot);
            }
            self.flag(slot, QUEUED, false);
            self.queue(slot, number.due(rules), self.index.key(slot));
        }
        // What an epoch let go while it was sealed, and the open one touched.
        vacated.into_iter().for_each(|slot| drop(self.index.remove(slot)));
        self.touched.clear();
        self.settled();
    }
}
