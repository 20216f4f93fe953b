//! What an epoch did to shipments: told to the state log, kept, taken back, and read again.
//!
//! Enters: parts from the state log, and the undo list of the open epoch. Leaves: the parts that the epoch touched, or all of
//! a slice. Always true: taking back restores shipments, totals, gauges and timers; a retired shipment has no part left.

use std::collections::{BTreeSet, VecDeque};

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
                    if let Some(shipment) = self.shipments.see(id) {
                        write_whole(&shipment, &mut sink);
                    }
                }
                Image::Head(id, _) => {
                    if let Some(shipment) = self.shipments.see(id) {
                        write_head(&shipment, &mut sink);
                    }
                }
                Image::Answers(id, _) => {
                    if let Some(shipment) = self.shipments.see(id) {
                        write_answers(&shipment, &mut sink);
                    }
                }
                Image::Unit(id, before) => self.write_unit_now(id, before.no, &mut sink),
                Image::UnitAdded(id, no) => self.write_unit_now(id, *no, &mut sink),
                Image::UnitRemoved(id, before) => sink(id, Part::Unit(before.no), None),
                Image::Retired(shipment) => {
                    let id = &shipment.id;
                    sink(id, Part::Head, None);
                    sink(id, Part::Answers, None);
                    for unit in shipment.units() {
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
        match self.shipments.see(id).as_ref().and_then(|shipment| shipment.unit(no)) {
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
        let mut ids: Vec<&ShipmentId> = self.shipments.ids().filter(|id| wanted(id)).collect();
        ids.sort();
        for id in ids {
            self.shipments.each_part(id, |part, bytes| sink(id, part, Some(bytes)));
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
        self.loading.part(id, part, bytes)
    }

    /// All parts are here: puts the shipments together, and rebuilds totals and timers.
    pub fn loaded(&mut self, rules: &Rules) -> Result<(), postcard::Error> {
        let loaded = self.loading.take();
        self.shipments.reserve(loaded.len());
        let mut memory = Vec::new();
        for (id, parts) in loaded {
            let Some((shipment, packed)) = parts.shipment(&id, std::mem::take(&mut memory))? else {
                continue;
            };
            let derived = derive(&shipment, &rules.settings, &rules.fcs, &mut self.days);
            let due = derived.due.min(flush_due(&shipment, rules));
            self.boxes += shipment.boxes.len() as u64;
            self.total(&shipment.head.contributed, 1);
            self.judge(&shipment.head.account, shipment.head.verdict, 1);
            self.wait(shipment.head.waiting, 1);
            self.timers.push(due, id);
            memory = self.shipments.insert_read(shipment, packed, due);
        }
        self.totals_dirty.clear();
        self.verdicts_dirty.clear();
        Ok(())
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
                    let shipment = self.shipments.get(&id).expect("touched in this epoch");
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
                    self.shipments.get(&id).expect("touched in this epoch").answers = before;
                }
                Image::Unit(id, before) => {
                    let shipment = self.shipments.get(&id).expect("touched in this epoch");
                    let no = before.no;
                    *shipment.unit_mut(no).expect("a unit of it") = *before;
                    touched.insert(id);
                }
                Image::UnitAdded(id, no) => {
                    let shipment = self.shipments.get(&id).expect("touched in this epoch");
                    shipment.boxes.retain(|unit| unit.no != no);
                    self.boxes -= 1;
                    touched.insert(id);
                }
                Image::UnitRemoved(id, before) => {
                    let shipment = self.shipments.get(&id).expect("touched in this epoch");
                    let at = shipment.boxes.partition_point(|unit| unit.no < before.no);
                    shipment.boxes.insert(at, *before);
                    self.boxes += 1;
                    touched.insert(id);
                }
                Image::Retired(shipment) => {
                    let id = shipment.id.clone();
                    self.boxes += shipment.boxes.len() as u64;
                    self.count(&shipment.head.account, shipment.head.verdict, 1);
                    self.shipments.insert(shipment);
                    touched.insert(id);
                }
            }
        }
        for id in touched {
            let shipment = self.shipments.get(&id).expect("restored");
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

pub(super) fn write_whole(shipment: &Shipment, sink: &mut impl FnMut(&ShipmentId, Part, Option<&[u8]>)) {
    write_head(shipment, sink);
    write_answers(shipment, sink);
    for unit in shipment.units() {
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
