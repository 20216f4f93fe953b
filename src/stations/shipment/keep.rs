//! What an epoch did to shipments: told to the state log, kept, taken back, and read again.
//!
//! Enters: parts from the state log, and the undo list of the open epoch. Leaves: the parts that the epoch touched, or all of
//! a slice. Always true: taking back restores shipments, totals, gauges and timers; a retired shipment has no part left.

use std::collections::{BTreeSet, VecDeque};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::derive::derive;
use super::facts::{Answer, Head, Shipment, Unit};
use super::{ShipmentStation, flush_due};
use crate::model::{AccountId, ShipmentId, Timestamp};
use crate::stations::Rules;
use crate::stations::hop::UnitNo;
use crate::stations::undo::Undo;

/// A part of a shipment in the state log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Commanded facts and what was published.
    Head,
    /// What commands were answered.
    Answers,
    /// A box, or the PRO.
    Unit(UnitNo),
}

/// What there was before the epoch touched it.
#[derive(Debug)]
pub(super) enum Image {
    Created(ShipmentId),
    Head(ShipmentId, Box<Head>),
    Answers(ShipmentId, VecDeque<Answer>),
    Unit(ShipmentId, Box<Unit>),
    UnitAdded(ShipmentId, UnitNo),
    UnitRemoved(ShipmentId, Box<Unit>),
    Retired(Box<Shipment>),
}

/// Shipments while the state log is read.
#[derive(Debug)]
pub(super) struct Loading {
    shipments: Vec<(ShipmentId, Parts)>,
    places: HashMap<ShipmentId, usize, FixedState>,
    /// The one that was asked for last: the parts of a shipment stand together.
    last: usize,
}

/// Parts of one of them.
#[derive(Debug, Default)]
struct Parts {
    head: Option<Box<Head>>,
    answers: VecDeque<Answer>,
    /// In the order of their numbers, in which they also stand in an image.
    units: Vec<Unit>,
}

impl Loading {
    pub(super) fn new(secret: u64) -> Loading {
        let places = HashMap::with_hasher(FixedState::with_seed(secret));
        Loading { shipments: Vec::new(), places, last: 0 }
    }

    /// The parts so far; none: it is no ID.
    fn parts(&mut self, id: &str) -> Option<&mut Parts> {
        if self.shipments.get(self.last).is_none_or(|(last, _)| last.as_str() != id) {
            let id = ShipmentId::parse(id)?;
            let shipments = &mut self.shipments;
            self.last = *self.places.entry(id).or_insert_with_key(|id| {
                shipments.push((id.clone(), Parts::default()));
                shipments.len() - 1
            });
        }
        Some(&mut self.shipments[self.last].1)
    }

    fn take(&mut self) -> Vec<(ShipmentId, Parts)> {
        (self.places, self.last) = (HashMap::with_hasher(self.places.hasher().clone()), 0);
        std::mem::take(&mut self.shipments)
    }
}

impl Parts {
    fn put(&mut self, unit: Unit) {
        if self.units.last().is_none_or(|last| last.no < unit.no) {
            if self.units.is_empty() {
                // About as many will follow, and the PRO.
                let boxes = self.head.as_ref().map_or(0, |head| head.next_unit as usize);
                self.units.reserve_exact(boxes + 1);
            }
            return self.units.push(unit);
        }
        match self.units.binary_search_by_key(&unit.no, |unit| unit.no) {
            Ok(at) => self.units[at] = unit,
            Err(at) => self.units.insert(at, unit),
        }
    }

    fn drop_unit(&mut self, no: UnitNo) {
        if let Ok(at) = self.units.binary_search_by_key(&no, |unit| unit.no) {
            self.units.remove(at);
        }
    }
}

impl ShipmentStation {
    /// Whether this epoch changed anything.
    pub fn is_touched(&self) -> bool {
        !self.undo.open().is_empty() || self.gates.is_touched()
    }

    /// The parts that this epoch changed, as they are now; none: gone.
    pub fn delta(&self, mut sink: impl FnMut(&ShipmentId, Part, Option<&[u8]>)) {
        for image in self.undo.open() {
            // What was retired has no parts any more: the last entry says so, whatever else was touched.
            match image {
                Image::Created(id) => {
                    if let Some(shipment) = self.shipments.get(id) {
                        write_whole(shipment, &mut sink);
                    }
                }
                Image::Head(id, _) => {
                    if let Some(shipment) = self.shipments.get(id) {
                        write_head(shipment, &mut sink);
                    }
                }
                Image::Answers(id, _) => {
                    if let Some(shipment) = self.shipments.get(id) {
                        write_answers(shipment, &mut sink);
                    }
                }
                Image::Unit(id, before) => self.write_unit_now(id, before.no, &mut sink),
                Image::UnitAdded(id, no) => self.write_unit_now(id, *no, &mut sink),
                Image::UnitRemoved(id, before) => sink(id, Part::Unit(before.no), None),
                Image::Retired(shipment) => {
                    let id = &shipment.id;
                    sink(id, Part::Head, None);
                    sink(id, Part::Answers, None);
                    for unit in shipment.boxes.iter().chain(&shipment.freight) {
                        sink(id, Part::Unit(unit.no), None);
                    }
                }
            }
        }
    }

    fn write_unit_now(
        &self,
        id: &ShipmentId,
        no: UnitNo,
        sink: &mut impl FnMut(&ShipmentId, Part, Option<&[u8]>),
    ) {
        match self.shipments.get(id).and_then(|shipment| shipment.unit(no)) {
            Some(unit) => write_unit(id, unit, sink),
            None => sink(id, Part::Unit(no), None),
        }
    }

    /// All parts of the shipments for which `wanted` holds, in the order of their IDs.
    pub fn image(
        &self,
        wanted: impl Fn(&ShipmentId) -> bool,
        mut sink: impl FnMut(&ShipmentId, Part, Option<&[u8]>),
    ) {
        let mut ids: Vec<&ShipmentId> = self.shipments.keys().filter(|id| wanted(id)).collect();
        ids.sort();
        for id in ids {
            write_whole(&self.shipments[id], &mut sink);
        }
    }

    /// The gates that this epoch changed, as they are now; none: gone.
    pub fn gates_delta(&self, sink: impl FnMut(&AccountId, Option<&[u8]>)) {
        self.gates.delta(sink);
    }

    /// All gates of the accounts for which `wanted` holds, in their order.
    pub fn gates_image(
        &self,
        wanted: impl Fn(&AccountId) -> bool,
        sink: impl FnMut(&AccountId, Option<&[u8]>),
    ) {
        self.gates.image(wanted, sink);
    }

    /// Takes over a gate from the state log; none: it is gone.
    pub fn load_gate(&mut self, account: AccountId, bytes: Option<&[u8]>) -> Result<(), postcard::Error> {
        self.gates.load(account, bytes)
    }

    /// Takes over a part from the state log; none: it is gone. [`ShipmentStation::loaded`] ends it.
    pub fn load(&mut self, id: &str, part: Part, bytes: Option<&[u8]>) -> Result<(), postcard::Error> {
        let parts = self.loading.parts(id).ok_or(postcard::Error::DeserializeBadEncoding)?;
        match (part, bytes) {
            (Part::Head, Some(bytes)) => parts.head = Some(Box::new(postcard::from_bytes(bytes)?)),
            (Part::Head, None) => parts.head = None,
            (Part::Answers, Some(bytes)) => parts.answers = postcard::from_bytes(bytes)?,
            (Part::Answers, None) => parts.answers.clear(),
            (Part::Unit(_), Some(bytes)) => parts.put(Unit::from_log(bytes)?),
            (Part::Unit(no), None) => parts.drop_unit(no),
        }
        Ok(())
    }

    /// All parts are here: puts the shipments together, and rebuilds totals and timers.
    pub fn loaded(&mut self, rules: &Rules) {
        let loaded = self.loading.take();
        self.shipments.reserve(loaded.len());
        for (id, parts) in loaded {
            let Some(head) = parts.head else { continue };
            let mut boxes = parts.units;
            let freight = boxes.pop_if(|last| last.no == UnitNo::FREIGHT);
            boxes.shrink_to_fit();
            let shipment = Box::new(Shipment {
                id: id.clone(),
                head: *head,
                boxes,
                freight,
                answers: parts.answers,
                head_epoch: 0,
                answers_epoch: 0,
                marked: 0,
                queued: Timestamp::MAX,
            });
            let (contributed, verdict) = (shipment.head.contributed.clone(), shipment.head.verdict);
            let (account, waiting) = (shipment.head.account.clone(), shipment.head.waiting);
            let derived = derive(&shipment, &rules.settings, &rules.fcs, &mut self.days);
            let due = derived.due.min(flush_due(&shipment, rules));
            self.boxes += shipment.boxes.len() as u64;
            self.shipments.insert(id.clone(), shipment);
            self.total(&contributed, 1);
            self.judge(&account, verdict, 1);
            self.wait(waiting, 1);
            self.queue(&id, due);
        }
        self.totals_dirty.clear();
        self.verdicts_dirty.clear();
    }

    /// Ends the open epoch.
    pub fn seal(&mut self) {
        self.undo.seal();
        self.gates.seal();
        self.epoch += 1;
    }

    /// Keeps what the sealed epoch did.
    pub fn commit(&mut self) {
        self.undo.commit();
        self.gates.commit();
    }

    /// Takes back what was not committed.
    pub fn rollback(&mut self, rules: &Rules) {
        self.gates.rollback();
        let mut touched = BTreeSet::new();
        while let Some(image) = self.undo.pop() {
            match image {
                Image::Created(id) => {
                    let shipment = self.shipments.remove(&id).expect("created in this epoch");
                    self.boxes -= shipment.boxes.len() as u64;
                    self.total(&shipment.head.contributed, -1);
                    self.judge(&shipment.head.account, shipment.head.verdict, -1);
                    self.wait(shipment.head.waiting, -1);
                    touched.remove(&id);
                }
                Image::Head(id, before) => {
                    let shipment = self.shipments.get_mut(&id).expect("touched in this epoch");
                    let after = std::mem::replace(&mut shipment.head, *before);
                    let head = shipment.head.clone();
                    self.total(&after.contributed, -1);
                    self.total(&head.contributed, 1);
                    self.judge(&after.account, after.verdict, -1);
                    self.judge(&head.account, head.verdict, 1);
                    self.wait(after.waiting, -1);
                    self.wait(head.waiting, 1);
                    touched.insert(id);
                }
                Image::Answers(id, before) => {
                    self.shipments.get_mut(&id).expect("touched in this epoch").answers = before;
                }
                Image::Unit(id, before) => {
                    let shipment = self.shipments.get_mut(&id).expect("touched in this epoch");
                    let no = before.no;
                    *shipment.unit_mut(no).expect("a unit of it") = *before;
                    touched.insert(id);
                }
                Image::UnitAdded(id, no) => {
                    let shipment = self.shipments.get_mut(&id).expect("touched in this epoch");
                    shipment.boxes.retain(|unit| unit.no != no);
                    self.boxes -= 1;
                    touched.insert(id);
                }
                Image::UnitRemoved(id, before) => {
                    let shipment = self.shipments.get_mut(&id).expect("touched in this epoch");
                    let at = shipment.boxes.partition_point(|unit| unit.no < before.no);
                    shipment.boxes.insert(at, *before);
                    self.boxes += 1;
                    touched.insert(id);
                }
                Image::Retired(shipment) => {
                    let id = shipment.id.clone();
                    self.boxes += shipment.boxes.len() as u64;
                    self.count(&shipment.head.account, shipment.head.verdict, 1);
                    self.shipments.insert(id.clone(), shipment);
                    touched.insert(id);
                }
            }
        }
        for id in touched {
            let shipment = self.shipments.get_mut(&id).expect("restored");
            shipment.queued = Timestamp::MAX;
            let derived = derive(shipment, &rules.settings, &rules.fcs, &mut self.days);
            let due = derived.due.min(flush_due(shipment, rules));
            self.queue(&id, due);
        }
        self.totals_dirty.clear();
        self.verdicts_dirty.clear();
        self.marked.clear();
        self.pending.clear();
        self.answers.clear();
        self.epoch += 1;
        self.settling += 1;
    }
}

pub(super) fn keep_head(undo: &mut Undo<Image>, epoch: u64, shipment: &mut Shipment) {
    if shipment.head_epoch != epoch {
        shipment.head_epoch = epoch;
        undo.push(Image::Head(shipment.id.clone(), Box::new(shipment.head.clone())));
    }
}

pub(super) fn keep_answers(undo: &mut Undo<Image>, epoch: u64, shipment: &mut Shipment) {
    if shipment.answers_epoch != epoch {
        shipment.answers_epoch = epoch;
        undo.push(Image::Answers(shipment.id.clone(), shipment.answers.clone()));
    }
}

pub(super) fn keep_unit(undo: &mut Undo<Image>, epoch: u64, shipment: &mut Shipment, no: UnitNo) {
    let id = shipment.id.clone();
    let unit = shipment.unit_mut(no).expect("a unit of the shipment");
    if unit.epoch != epoch {
        undo.push(Image::Unit(id, Box::new(unit.clone())));
        unit.epoch = epoch;
    }
}

fn write_whole(shipment: &Shipment, sink: &mut impl FnMut(&ShipmentId, Part, Option<&[u8]>)) {
    write_head(shipment, sink);
    write_answers(shipment, sink);
    for unit in shipment.boxes.iter().chain(&shipment.freight) {
        write_unit(&shipment.id, unit, sink);
    }
}

fn write_head(shipment: &Shipment, sink: &mut impl FnMut(&ShipmentId, Part, Option<&[u8]>)) {
    let bytes = postcard::to_stdvec(&shipment.head).expect("a head always serialises into memory");
    sink(&shipment.id, Part::Head, Some(&bytes));
}

fn write_answers(shipment: &Shipment, sink: &mut impl FnMut(&ShipmentId, Part, Option<&[u8]>)) {
    let bytes = postcard::to_stdvec(&shipment.answers).expect("answers always serialise into memory");
    sink(&shipment.id, Part::Answers, Some(&bytes));
}

fn write_unit(id: &ShipmentId, unit: &Unit, sink: &mut impl FnMut(&ShipmentId, Part, Option<&[u8]>)) {
    let bytes = postcard::to_stdvec(unit).expect("a unit always serialises into memory");
    sink(id, Part::Unit(unit.no), Some(&bytes));
}
