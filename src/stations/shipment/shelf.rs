//! Shipments by their IDs: those in use as they are, the others as bytes.
//!
//! Enters: shipments, and how many boxes may stand open. Leaves: the same shipments. Always true: whether one is packed cannot
//! be told but by the time that reaching it takes and the memory that it needs; what the open epoch touched is not packed;
//! packed, a shipment is its parts as the state log has them, in the order of an image.
//!
//! A box takes 160 bytes as it is and about 65 packed, and of millions of shipments few are in use at a time.

use std::collections::VecDeque;
use std::ops::Deref;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::facts::{Head, Shipment, Unit};
use super::keep::{Part, write_whole};
use crate::fold::Reader;
use crate::model::{ShipmentId, Status, Timestamp};
use crate::stations::hop::UnitNo;

/// The shipments of a partition.
#[derive(Debug)]
pub(super) struct Shelf {
    places: HashMap<ShipmentId, Place, FixedState>,
    open: Open,
    packing: Packing,
    /// Tidyings so far.
    turn: u64,
}

/// What was opened; those that were not used for long come first, about.
#[derive(Debug, Default)]
struct Open {
    openings: VecDeque<Opening>,
    /// The sum of their boxes.
    boxes: u64,
    /// Openings so far.
    count: u64,
}

#[derive(Debug)]
struct Opening {
    id: ShipmentId,
    number: u64,
    /// How many it had then.
    boxes: u64,
}

impl Open {
    fn push(&mut self, shipment: &mut Shipment) {
        self.count += 1;
        shipment.opened = self.count;
        let boxes = shipment.boxes.len() as u64;
        self.boxes += boxes;
        self.openings.push_back(Opening { id: shipment.id.clone(), number: self.count, boxes });
    }

    fn pop(&mut self) -> Option<Opening> {
        let opening = self.openings.pop_front()?;
        self.boxes -= opening.boxes;
        Some(opening)
    }
}

#[derive(Debug)]
enum Place {
    /// In memory of its own: a table that grows moves pointers.
    Open(Box<Shipment>),
    Packed(Packed),
}

/// What is known of a packed shipment without opening it, in [`HEADER_BYTES`], then its parts, each behind its length.
#[derive(Debug)]
pub(super) struct Packed(Box<[u8]>);

/// A shipment that is only looked at.
pub(super) enum Seen<'a> {
    Open(&'a Shipment),
    Unpacked(Box<Shipment>),
}

impl Deref for Seen<'_> {
    type Target = Shipment;

    fn deref(&self) -> &Shipment {
        match self {
            Seen::Open(shipment) => shipment,
            Seen::Unpacked(shipment) => shipment,
        }
    }
}

const WRITTEN: &str = "a packed shipment is what was written";

/// When the timer is queued, and the status that consumers saw last.
const HEADER_BYTES: usize = QUEUED_BYTES + 2;
const QUEUED_BYTES: usize = 8;

/// Parts on their way to be packed, in the order of an image.
#[derive(Debug, Default)]
pub(super) struct Packing {
    /// Behind room for the header.
    bytes: Vec<u8>,
}

impl Packing {
    /// Puts a part behind the others.
    pub(super) fn part(&mut self, part: &[u8]) {
        if self.bytes.is_empty() {
            self.bytes.extend([0; HEADER_BYTES]);
        }
        let bytes = std::mem::take(&mut self.bytes);
        self.bytes = postcard::to_extend(&part.len(), bytes).expect("a length always serialises into memory");
        self.bytes.extend_from_slice(part);
    }

    /// All parts, without a header yet; the next ones may follow in the same memory.
    pub(super) fn pack(&mut self) -> Packed {
        let packed = Packed(self.bytes[..].into());
        self.bytes.clear();
        packed
    }
}

impl Packed {
    fn of(shipment: &Shipment, packing: &mut Packing) -> Packed {
        write_whole(shipment, &mut |_, _, part| packing.part(part.expect("it is there")));
        packing.pack().with_header_of(shipment)
    }

    fn with_header_of(mut self, shipment: &Shipment) -> Packed {
        let (header, _) = self.0.split_first_chunk_mut::<HEADER_BYTES>().expect(WRITTEN);
        let (of_queued, of_status) = header.split_at_mut(QUEUED_BYTES);
        of_queued.copy_from_slice(&shipment.queued.0.to_le_bytes());
        postcard::to_slice(&shipment.head.published.status, of_status).expect("a status takes two bytes");
        self
    }

    fn queued(&self) -> Timestamp {
        Timestamp(i64::from_le_bytes(*self.0.first_chunk().expect(WRITTEN)))
    }

    fn status(&self) -> Option<Status> {
        postcard::from_bytes(&self.0[QUEUED_BYTES..HEADER_BYTES]).expect(WRITTEN)
    }

    fn parts(&self) -> &[u8] {
        &self.0[HEADER_BYTES..]
    }

    /// Shows the parts, in the order of an image.
    pub(super) fn each_part(&self, mut visit: impl FnMut(Part, &[u8])) {
        let mut reader = Reader::new(self.parts());
        for part in [Part::Head, Part::Answers] {
            if !reader.rest().is_empty() {
                visit(part, reader.piece());
            }
        }
        while !reader.rest().is_empty() {
            let unit = reader.piece();
            visit(Part::Unit(UnitNo(Reader::new(unit).small())), unit);
        }
    }

    /// The shipment, if its parts are such. `boxes` is memory that may serve it.
    pub(super) fn unpacked(
        &self,
        id: &ShipmentId,
        mut boxes: Vec<Unit>,
    ) -> Result<Shipment, postcard::Error> {
        let mut reader = Reader::new(self.parts());
        let head: Head = postcard::from_bytes(reader.piece())?;
        let answers = postcard::from_bytes(reader.piece())?;
        let mut freight = None;
        boxes.clear();
        // Numbers are never given twice: there are at most as many.
        boxes.reserve_exact((head.next_unit as usize).min(reader.rest().len()));
        while !reader.rest().is_empty() {
            let unit = Unit::from_log(reader.piece())?;
            match unit.no {
                UnitNo::FREIGHT => freight = Some(Box::new(unit)),
                _ => boxes.push(unit),
            }
        }
        if !reader.is_good() {
            return Err(postcard::Error::DeserializeUnexpectedEnd);
        }
        let queued = self.queued();
        Ok(Shipment { queued, ..Shipment::new(id.clone(), head, boxes, freight, answers) })
    }

    fn open(&self, id: &ShipmentId) -> Box<Shipment> {
        Box::new(self.unpacked(id, Vec::new()).expect(WRITTEN))
    }
}

impl Shelf {
    pub(super) fn new(secret: u64) -> Shelf {
        let places = HashMap::with_hasher(FixedState::with_seed(secret));
        Shelf { places, open: Open::default(), packing: Packing::default(), turn: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Boxes of open shipments, each as many as it had when it was opened.
    pub(super) fn open_boxes(&self) -> u64 {
        self.open.boxes
    }

    pub(super) fn contains(&self, id: &ShipmentId) -> bool {
        self.places.contains_key(id)
    }

    /// The IDs, in no order.
    pub(super) fn ids(&self) -> impl Iterator<Item = &ShipmentId> {
        self.places.keys()
    }

    /// The status of each that consumers saw last, in no order.
    pub(super) fn statuses(&self) -> impl Iterator<Item = Status> {
        self.places.values().filter_map(|place| match place {
            Place::Open(shipment) => shipment.head.published.status,
            Place::Packed(packed) => packed.status(),
        })
    }

    /// Looks at a shipment, which stays as it is.
    pub(super) fn see(&self, id: &ShipmentId) -> Option<Seen<'_>> {
        Some(match self.places.get(id)? {
            Place::Open(shipment) => Seen::Open(shipment),
            Place::Packed(packed) => Seen::Unpacked(packed.open(id)),
        })
    }

    /// The shipment, open from now on.
    pub(super) fn get(&mut self, id: &ShipmentId) -> Option<&mut Shipment> {
        let place = self.places.get_mut(id)?;
        if let Place::Packed(packed) = place {
            let mut shipment = packed.open(id);
            self.open.push(&mut shipment);
            *place = Place::Open(shipment);
        }
        let Place::Open(shipment) = place else { unreachable!("just opened") };
        shipment.used = self.turn;
        Some(shipment)
    }

    /// Adds one that was not there.
    pub(super) fn insert(&mut self, mut shipment: Box<Shipment>) {
        shipment.used = self.turn;
        self.open.push(&mut shipment);
        self.places.insert(shipment.id.clone(), Place::Open(shipment));
    }

    /// Adds one that was not there and was read from a state log, packed; gives back the memory of its boxes.
    pub(super) fn insert_read(
        &mut self,
        mut shipment: Shipment,
        packed: Option<Packed>,
        queued: Timestamp,
    ) -> Vec<Unit> {
        shipment.queued = queued;
        let packed = match packed {
            Some(packed) => packed.with_header_of(&shipment),
            None => Packed::of(&shipment, &mut self.packing),
        };
        self.places.insert(shipment.id, Place::Packed(packed));
        shipment.boxes
    }

    pub(super) fn reserve(&mut self, more: usize) {
        self.places.reserve(more);
    }

    pub(super) fn remove(&mut self, id: &ShipmentId) -> Option<Box<Shipment>> {
        Some(match self.places.remove(id)? {
            Place::Open(shipment) => shipment,
            Place::Packed(packed) => packed.open(id),
        })
    }

    /// Packs what was not used since the last tidying, until at most so many boxes stand open. What the epoch touched stays.
    pub(super) fn tidy(&mut self, open_boxes_max: u64, epoch: u64) {
        self.turn += 1;
        for _ in 0..self.open.openings.len() {
            if self.open.boxes <= open_boxes_max {
                return;
            }
            let opening = self.open.pop().expect("counted above");
            // One that is gone, or came back, has no more to do with this opening.
            let Some(place) = self.places.get_mut(&opening.id) else { continue };
            let Place::Open(shipment) = place else { continue };
            if shipment.opened != opening.number {
                continue;
            }
            let is_used = shipment.used + 1 >= self.turn;
            if is_used || shipment.head_epoch == epoch || shipment.answers_epoch == epoch {
                self.open.push(shipment);
            } else {
                *place = Place::Packed(Packed::of(shipment, &mut self.packing));
            }
        }
    }

    /// The parts of a shipment, in the order of an image.
    pub(super) fn each_part(&self, id: &ShipmentId, mut visit: impl FnMut(Part, &[u8])) {
        match &self.places[id] {
            Place::Open(shipment) => {
                write_whole(shipment, &mut |_, part, bytes| visit(part, bytes.expect("it is there")));
            }
            Place::Packed(packed) => packed.each_part(visit),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::facts::tests::shipments;
    use super::*;

    const IDS: [&str; 3] = ["FBA1", "FBA2", "FBA3"];

    #[derive(Clone, Debug)]
    enum Step {
        Put(Box<Shipment>),
        Use(usize, i64),
        Remove(usize),
        Tidy(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let shipment = prop_oneof![shipments(IDS[0]), shipments(IDS[1]), shipments(IDS[2])];
        proptest::collection::vec(
            prop_oneof![
                2 => shipment.prop_map(|shipment| Step::Put(Box::new(shipment))),
                2 => (0..3_usize, any::<i64>()).prop_map(|(which, at)| Step::Use(which, at)),
                1 => (0..3_usize).prop_map(Step::Remove),
                3 => prop_oneof![Just(0), Just(3_u64)].prop_map(Step::Tidy),
            ],
            0..30,
        )
    }

    /// What must stay the same.
    fn lasting(shipment: &Shipment) -> Shipment {
        Shipment { used: 0, opened: 0, ..shipment.clone() }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn a_shelf_is_a_map(steps in steps()) {
            let mut shelf = Shelf::new(7);
            let mut map: BTreeMap<ShipmentId, Shipment> = BTreeMap::new();
            let id = |which: usize| ShipmentId::parse(IDS[which]).expect("an ID");
            for step in steps {
                match step {
                    Step::Put(shipment) if map.contains_key(&shipment.id) => continue,
                    Step::Put(shipment) => {
                        map.insert(shipment.id.clone(), (*shipment).clone());
                        shelf.insert(shipment);
                    }
                    Step::Use(which, at) => {
                        let (one, other) = (shelf.get(&id(which)), map.get_mut(&id(which)));
                        prop_assert_eq!(one.is_some(), other.is_some());
                        for shipment in one.into_iter().chain(other) {
                            shipment.head.entered_until = Timestamp(at);
                            shipment.queued = Timestamp(at);
                        }
                    }
                    Step::Remove(which) => {
                        let removed = shelf.remove(&id(which)).map(|shipment| lasting(&shipment));
                        prop_assert_eq!(removed, map.remove(&id(which)));
                    }
                    Step::Tidy(boxes_max) => {
                        let unused = shelf.turn > 0 && map.keys().all(|id| match &shelf.places[id] {
                            Place::Open(shipment) => shipment.used < shelf.turn,
                            Place::Packed(_) => true,
                        });
                        shelf.tidy(boxes_max, 1);
                        let open = shelf.places.values().filter_map(|place| match place {
                            Place::Open(shipment) => Some(shipment.boxes.len() as u64),
                            Place::Packed(_) => None,
                        });
                        prop_assert!(!unused || open.sum::<u64>() <= boxes_max);
                    }
                }
                prop_assert_eq!((shelf.len(), shelf.is_empty()), (map.len(), map.is_empty()));
                let mut statuses: Vec<_> = shelf.statuses().collect();
                statuses.sort_unstable();
                let mut wanted: Vec<_> = map.values().filter_map(|s| s.head.published.status).collect();
                wanted.sort_unstable();
                prop_assert_eq!(statuses, wanted);
                for (id, shipment) in &map {
                    prop_assert!(shelf.contains(id));
                    prop_assert_eq!(&lasting(&shelf.see(id).expect("it is there")), shipment);
                    let mut parts = Vec::new();
                    shelf.each_part(id, |part, bytes| parts.push((part, bytes.to_vec())));
                    let mut wanted = Vec::new();
                    write_whole(shipment, &mut |_, part, bytes| {
                        wanted.push((part, bytes.expect("it is there").to_vec()));
                    });
                    prop_assert_eq!(parts, wanted);
                }
            }
        }

        #[test]
        fn a_shipment_survives_the_log_in_any_order(
            shipment in shipments(IDS[0]), order in any::<usize>(), again in any::<bool>(), other in shipments(IDS[0])
        ) {
            let mut parts = Vec::new();
            write_whole(&shipment, &mut |_, part, bytes| parts.push((part, bytes.expect("it is there").to_vec())));
            let turned = if order.is_multiple_of(2) { 0 } else { order % parts.len() };
            parts.rotate_left(turned);
            let mut loading = super::super::loading::Loading::new(7);
            let load = |loading: &mut super::super::loading::Loading, part, bytes: Option<&[u8]>| {
                loading.part(IDS[0], part, bytes).expect("it is read");
            };
            if again {
                // What was there before is replaced, or goes.
                write_whole(&other, &mut |_, part, bytes| load(&mut loading, part, bytes));
                other.units().for_each(|unit| load(&mut loading, Part::Unit(unit.no), None));
            }
            parts.iter().for_each(|(part, bytes)| load(&mut loading, *part, Some(bytes)));
            let mut taken = loading.take();
            let (id, parts) = taken.pop().expect("one");
            let (read, packed) = parts.shipment(&id, other.boxes).expect("it is read").expect("it has a head");
            prop_assert_eq!(packed.is_some(), turned == 0 && !again);
            let mut shelf = Shelf::new(7);
            shelf.insert_read(read, packed, Timestamp(5));
            prop_assert_eq!(shelf.statuses().next(), shipment.head.published.status);
            let opened = lasting(&shelf.see(&id).expect("it is there"));
            prop_assert_eq!(opened, Shipment { queued: Timestamp(5), ..shipment });
            prop_assert!(taken.is_empty());
        }
    }
}
