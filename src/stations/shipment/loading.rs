//! Shipments while a state log is read.
//!
//! Enters: parts, in the order of the log. Leaves: shipments. Always true: what comes as an image has it stays the bytes that it
//! is, which is how most shipments are kept; what comes in another order, or twice, is put together part by part.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::facts::{Answer, Head, Shipment, Unit};
use super::keep::Part;
use super::shelf::{Packed, Packing};
use crate::model::ShipmentId;
use crate::stations::hop::UnitNo;

/// Shipments while the state log is read.
#[derive(Debug)]
pub(super) struct Loading {
    shipments: Vec<(ShipmentId, Parts)>,
    places: HashMap<ShipmentId, usize, FixedState>,
    /// The one that was asked for last: the parts of a shipment stand together.
    last: usize,
    /// Its parts, as long as they come as an image has them; and which came last.
    packing: Packing,
    packed_to: Option<Part>,
}

/// Parts of one of them.
#[derive(Debug)]
pub(super) enum Parts {
    /// As an image has them, each once; and which came last.
    Packed(Packed, Part),
    Apart(Apart),
}

/// Parts, each as it is.
#[derive(Debug, Default)]
pub(super) struct Apart {
    head: Option<Box<Head>>,
    answers: VecDeque<Answer>,
    /// In the order of their numbers.
    units: Vec<Unit>,
}

impl Loading {
    pub(super) fn new(secret: u64) -> Loading {
        let places = HashMap::with_hasher(FixedState::with_seed(secret));
        Loading { shipments: Vec::new(), places, last: 0, packing: Packing::default(), packed_to: None }
    }

    /// Takes over a part; none: it is gone.
    pub(super) fn part(&mut self, id: &str, part: Part, bytes: Option<&[u8]>) -> Result<(), postcard::Error> {
        if self.shipments.get(self.last).is_none_or(|(last, _)| last.as_str() != id) {
            self.close();
            let id = ShipmentId::parse(id).ok_or(postcard::Error::DeserializeBadEncoding)?;
            let shipments = &mut self.shipments;
            self.last = *self.places.entry(id).or_insert_with_key(|id| {
                shipments.push((id.clone(), Parts::Apart(Apart::default())));
                shipments.len() - 1
            });
        }
        if let Some(bytes) = bytes {
            let comes_next = match self.packed_to {
                Some(before) => follows(before, part),
                None => part == Part::Head && self.shipments[self.last].1.is_empty(),
            };
            if comes_next {
                self.packing.part(bytes);
                self.packed_to = Some(part);
                return Ok(());
            }
        }
        self.close();
        self.shipments[self.last].1.apart()?.put(part, bytes)
    }

    /// What follows is of another shipment, or not what an image has next.
    fn close(&mut self) {
        if let Some(part) = self.packed_to.take() {
            self.shipments[self.last].1 = Parts::Packed(self.packing.pack(), part);
        }
    }

    /// All of them, in the order in which they came.
    pub(super) fn take(&mut self) -> Vec<(ShipmentId, Parts)> {
        self.close();
        self.places = HashMap::with_hasher(self.places.hasher().clone());
        self.last = 0;
        std::mem::take(&mut self.shipments)
    }
}

/// Whether an image may have that part right behind the other.
fn follows(before: Part, part: Part) -> bool {
    match part {
        Part::Head => false,
        Part::Answers => before == Part::Head,
        Part::Unit(_) => before != Part::Head && before < part,
    }
}

impl Parts {
    fn is_empty(&self) -> bool {
        matches!(self, Parts::Apart(apart) if apart.is_empty())
    }

    fn apart(&mut self) -> Result<&mut Apart, postcard::Error> {
        if let Parts::Packed(packed, _) = self {
            let (mut apart, mut read) = (Apart::default(), Ok(()));
            packed.each_part(|part, bytes| {
                if read.is_ok() {
                    read = apart.put(part, Some(bytes));
                }
            });
            read?;
            *self = Parts::Apart(apart);
        }
        let Parts::Apart(apart) = self else { unreachable!("just taken apart") };
        Ok(apart)
    }

    /// The shipment, and the same packed, if it came so; none: nothing is left of it. `boxes` is memory that may serve it.
    pub(super) fn shipment(
        mut self,
        id: &ShipmentId,
        boxes: Vec<Unit>,
    ) -> Result<Option<(Shipment, Option<Packed>)>, postcard::Error> {
        match self {
            Parts::Packed(packed, last) if last != Part::Head => {
                return Ok(Some((packed.unpacked(id, boxes)?, Some(packed))));
            }
            Parts::Packed(..) | Parts::Apart(_) => {}
        }
        let Apart { head, answers, mut units } = std::mem::take(self.apart()?);
        let freight = units.pop_if(|last| last.no == UnitNo::FREIGHT).map(Box::new);
        Ok(head.map(|head| (Shipment::new(id.clone(), *head, units, freight, answers), None)))
    }
}

impl Apart {
    fn is_empty(&self) -> bool {
        self.head.is_none() && self.answers.is_empty() && self.units.is_empty()
    }

    fn put(&mut self, part: Part, bytes: Option<&[u8]>) -> Result<(), postcard::Error> {
        match (part, bytes) {
            (Part::Head, Some(bytes)) => self.head = Some(Box::new(postcard::from_bytes(bytes)?)),
            (Part::Head, None) => self.head = None,
            (Part::Answers, Some(bytes)) => self.answers = postcard::from_bytes(bytes)?,
            (Part::Answers, None) => self.answers.clear(),
            (Part::Unit(_), Some(bytes)) => self.put_unit(Unit::from_log(bytes)?),
            (Part::Unit(no), None) => {
                if let Ok(at) = self.units.binary_search_by_key(&no, |unit| unit.no) {
                    self.units.remove(at);
                }
            }
        }
        Ok(())
    }

    fn put_unit(&mut self, unit: Unit) {
        if self.units.last().is_none_or(|last| last.no < unit.no) {
            return self.units.push(unit);
        }
        match self.units.binary_search_by_key(&unit.no, |unit| unit.no) {
            Ok(at) => self.units[at] = unit,
            Err(at) => self.units.insert(at, unit),
        }
    }
}
