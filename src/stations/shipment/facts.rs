//! What is known of a shipment: commanded facts, the latest view of each unit, and what was published.
//!
//! Always true: units are ordered by their serial number, which is never given twice; a unit without a registration shows
//! nothing; what a shipment *is* (status, plan, problems) is never stored here but derived from this.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::fold::{Reader, View};
use crate::model::{
    AccountId, BoxId, CarrierId, CommandId, CommandKind, CommandRemark, EventTime, FcId, Mode, Outcome,
    ProblemKind, ShipmentId, Stage, Status, Timestamp, TrackingNumber, Validation, Window,
};
use crate::stations::hop::{ArrivalKey, Conflict, Subtotal, UnitNo};

/// A registered number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tracking {
    pub(crate) number: TrackingNumber,
    pub(crate) validation: Validation,
    /// When number and carrier were entered.
    pub(crate) entered_at: Timestamp,
    /// Since when the unit has had a number without interruption.
    pub(crate) tracked_since: Timestamp,
}

impl Tracking {
    fn read(reader: &mut Reader<'_>) -> Option<Tracking> {
        Some(Tracking {
            number: TrackingNumber::canonical(reader.text())?,
            validation: reader.one_of(&[Validation::Valid, Validation::NotSupported])?,
            entered_at: Timestamp(reader.signed()),
            tracked_since: Timestamp(reader.signed()),
        })
    }
}

/// A box, or the PRO of a freight shipment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Unit {
    pub(crate) no: UnitNo,
    /// None for the PRO.
    pub(crate) box_id: Option<BoxId>,
    pub(crate) units: u32,
    pub(crate) weight_g: u32,
    pub(crate) tracking: Option<Tracking>,
    pub(crate) generation: u32,
    pub(crate) view: View,
    /// R19: with other shipments that have the number too.
    pub(crate) conflict: Option<Box<Conflict>>,
    /// The epoch that touched it last; of this process only.
    #[serde(skip)]
    pub(crate) epoch: u64,
}

impl Unit {
    /// A unit without a number. Generations count from the second of its entry: a later life of the same shipment ID never
    /// takes over a view that was meant for the one before.
    pub(crate) fn new(
        no: UnitNo,
        box_id: Option<BoxId>,
        units: u32,
        weight_g: u32,
        entry: Timestamp,
        epoch: u64,
    ) -> Unit {
        let generation = EventTime::from_timestamp(entry).map_or(0, |second| second.0);
        let (view, conflict) = (View::EMPTY, None);
        Unit { no, box_id, units, weight_g, tracking: None, generation, view, conflict, epoch }
    }

    /// Reads what a state log has.
    pub(crate) fn from_log(bytes: &[u8]) -> Result<Unit, postcard::Error> {
        // By hand what nearly all are; the rest, and what is wrong with it, by serde.
        Unit::read(&mut Reader::new(bytes)).map_or_else(|| postcard::from_bytes(bytes), Ok)
    }

    /// None: it has a conflict, or cannot have been written.
    fn read(reader: &mut Reader<'_>) -> Option<Unit> {
        let unit = Unit {
            no: UnitNo(reader.small()),
            box_id: if reader.is_set() { Some(BoxId::parse(reader.text())?) } else { None },
            units: reader.small(),
            weight_g: reader.small(),
            tracking: if reader.is_set() { Some(Tracking::read(reader)?) } else { None },
            generation: reader.small(),
            view: View::read(reader),
            conflict: None,
            epoch: 0,
        };
        let has_conflict = reader.is_set();
        (reader.is_good() && !has_conflict).then_some(unit)
    }
}

/// A problem as it was when the shipment was cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FrozenProblem {
    pub(crate) kind: ProblemKind,
    pub(crate) boxes: Vec<UnitNo>,
    pub(crate) opened_at: Timestamp,
    pub(crate) acknowledged_at: Option<Timestamp>,
    pub(crate) resolved_at: Timestamp,
}

/// An acknowledgement: a fact about a kind of problem and the boxes it had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Acknowledgement {
    pub(crate) kind: ProblemKind,
    pub(crate) at: Timestamp,
    pub(crate) boxes: Vec<UnitNo>,
    /// What began later is another problem of the kind.
    pub(crate) began_until: Timestamp,
}

/// What a shipment adds to its account's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Judged {
    /// The UTC day of the verdict.
    pub(crate) day: i64,
    /// Whether it is a defect.
    pub(crate) defect: bool,
    /// Whether that defect is open (R16).
    pub(crate) open: bool,
}

/// The commanded facts, and what was published of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) account: AccountId,
    pub(crate) fc: FcId,
    pub(crate) mode: Mode,
    pub(crate) carrier: CarrierId,
    pub(crate) carrier_name: Option<String>,
    pub(crate) partnered: bool,
    pub(crate) pallets: u32,
    pub(crate) window: Option<Window>,
    pub(crate) cross_border: bool,
    pub(crate) need_by: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) confirmed_at: Option<Timestamp>,
    pub(crate) bill_of_lading: Option<String>,
    /// Effective reports of the FC, each further than the one before.
    pub(crate) reports: SmallVec<[(Stage, Timestamp); 3]>,
    pub(crate) cancelled_at: Option<Timestamp>,
    pub(crate) frozen: Vec<FrozenProblem>,
    pub(crate) acknowledged: Vec<Acknowledgement>,
    /// Since when the shipment cannot fall below `SHIPPED`.
    pub(crate) floor_since: Option<Timestamp>,
    /// The largest entry of effective commands.
    pub(crate) entered_until: Timestamp,
    /// The largest of the entries and of the due times that stream time has reached.
    pub(crate) as_of: Timestamp,
    /// The serial number of the next box.
    pub(crate) next_unit: u32,
    /// Where the life of its numbers was told to end.
    pub(crate) life_end: Option<Timestamp>,
    /// What the ledger was told.
    pub(crate) contributed: SmallVec<[(ArrivalKey, Subtotal); 1]>,
    /// The verdict that the ledger was told.
    pub(crate) verdict: Option<Judged>,
    /// The units that were waited for, under the carrier that had them (R24).
    pub(crate) waiting: (CarrierId, u32),
    pub(crate) published: Published,
    /// Since when a change waits to be published in `shipments`.
    pub(crate) dirty_since: Option<Timestamp>,
}

/// What consumers have seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Published {
    pub(crate) version: u64,
    pub(crate) document: u128,
    pub(crate) pages: u32,
    pub(crate) status: Option<Status>,
    pub(crate) plan_version: u64,
    pub(crate) plan: u128,
    /// The FC on whose plan a line stands.
    pub(crate) plan_fc: Option<FcId>,
    pub(crate) problems: SmallVec<[(ProblemKind, u128); 1]>,
}

/// What a command was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) command_id: CommandId,
    pub(crate) entry: Timestamp,
    pub(crate) kind: CommandKind,
    pub(crate) outcome: Outcome,
    pub(crate) errors: Vec<CommandRemark>,
    pub(crate) warnings: Vec<CommandRemark>,
    /// None until the shipment is published.
    pub(crate) version: Option<u64>,
}

/// A shipment in memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shipment {
    pub(crate) id: ShipmentId,
    pub(crate) head: Head,
    pub(crate) boxes: Vec<Unit>,
    /// The PRO; only for freight.
    pub(crate) freight: Option<Box<Unit>>,
    pub(crate) answers: VecDeque<Answer>,
    /// The epochs that touched head and answers last; of this process only, as are the following.
    pub(crate) head_epoch: u64,
    pub(crate) answers_epoch: u64,
    /// The settling that marked it for derivation.
    pub(crate) marked: u64,
    /// The earliest entry of the timer queue.
    pub(crate) queued: Timestamp,
    /// The tidying of the shelf before it was used last.
    pub(crate) used: u64,
    /// Which opening of the shelf it is.
    pub(crate) opened: u64,
}

impl Shipment {
    /// One that this process has not touched yet.
    pub(crate) fn new(
        id: ShipmentId,
        head: Head,
        boxes: Vec<Unit>,
        freight: Option<Box<Unit>>,
        answers: VecDeque<Answer>,
    ) -> Shipment {
        let queued = Timestamp::MAX;
        let (head_epoch, answers_epoch, marked, used, opened) = (0, 0, 0, 0, 0);
        Shipment {
            id,
            head,
            boxes,
            freight,
            answers,
            head_epoch,
            answers_epoch,
            marked,
            queued,
            used,
            opened,
        }
    }

    /// The units whose views decide: the PRO for freight, the boxes otherwise.
    pub(crate) fn deciding(&self) -> &[Unit] {
        match &self.freight {
            Some(freight) => std::slice::from_ref(&**freight),
            None => &self.boxes,
        }
    }

    /// All units, in the order of their numbers.
    pub(crate) fn units(&self) -> impl Iterator<Item = &Unit> {
        self.boxes.iter().chain(self.freight.as_deref())
    }

    /// What a box shows: its own view, or the PRO's.
    pub(crate) fn shown<'a>(&'a self, unit: &'a Unit) -> &'a View {
        match &self.freight {
            Some(freight) => &freight.view,
            None => &unit.view,
        }
    }

    pub(crate) fn unit(&self, no: UnitNo) -> Option<&Unit> {
        if no == UnitNo::FREIGHT {
            return self.freight.as_deref();
        }
        self.boxes.binary_search_by_key(&no, |unit| unit.no).ok().map(|at| &self.boxes[at])
    }

    pub(crate) fn unit_mut(&mut self, no: UnitNo) -> Option<&mut Unit> {
        if no == UnitNo::FREIGHT {
            return self.freight.as_deref_mut();
        }
        self.boxes.binary_search_by_key(&no, |unit| unit.no).ok().map(|at| &mut self.boxes[at])
    }

    pub(crate) fn box_by_id(&self, id: &str) -> Option<&Unit> {
        self.boxes.iter().find(|unit| unit.box_id.as_ref().is_some_and(|b| b.as_str() == id))
    }

    /// Whether R1 holds: every box, or the PRO, has a number.
    pub(crate) fn is_tracked(&self) -> bool {
        let units = self.deciding();
        !units.is_empty() && units.iter().all(|unit| unit.tracking.is_some())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::super::new_shipment;
    use super::*;
    use crate::fold::tests::views;
    use crate::model::CreateShipment;

    fn units() -> impl Strategy<Value = Unit> {
        let facts = (any::<u32>(), option::of("[ -~]{1,64}|é{1,9}"), any::<u32>(), any::<u32>());
        let number = ("[0-9A-Z]{1,64}", any::<bool>(), any::<i64>(), any::<i64>());
        let conflict = option::weighted(0.2, (any::<i64>(), option::of(any::<i64>())));
        (facts, option::of(number), any::<u32>(), views(9), conflict).prop_map(
            |((no, box_id, units, weight_g), number, generation, view, conflict)| Unit {
                no: UnitNo(no),
                box_id: box_id.map(|id| BoxId::parse(&id).expect("an ID")),
                units,
                weight_g,
                tracking: number.map(|(number, is_valid, entered_at, tracked_since)| Tracking {
                    number: TrackingNumber::from_canonical(&number),
                    validation: if is_valid { Validation::Valid } else { Validation::NotSupported },
                    entered_at: Timestamp(entered_at),
                    tracked_since: Timestamp(tracked_since),
                }),
                generation,
                view,
                conflict: conflict.map(|(opened, ended)| {
                    Box::new(Conflict { opened: Timestamp(opened), ended: ended.map(Timestamp) })
                }),
                epoch: 0,
            },
        )
    }

    /// Shipments as a state log has them.
    pub(in super::super) fn shipments(id: &'static str) -> impl Strategy<Value = Shipment> {
        let units = proptest::collection::btree_map(0..u32::MAX, units(), 0..4);
        let answer =
            ("[a-z]{1,9}", any::<i64>(), option::of(any::<u64>())).prop_map(|(id, entry, version)| Answer {
                command_id: CommandId::parse(&id).expect("an ID"),
                entry: Timestamp(entry),
                kind: CommandKind::ConfirmReady,
                outcome: Outcome::Accepted,
                errors: Vec::new(),
                warnings: Vec::new(),
                version,
            });
        let answers = proptest::collection::vec(answer, 0..3);
        (units, option::of(units_of_freight()), answers, any::<i64>(), option::of(0..2_usize)).prop_map(
            move |(units, freight, answers, at, status)| {
                let status = status.map(|at| [Status::ReadyToShip, Status::Shipped][at]);
                let id = ShipmentId::parse(id).expect("an ID");
                let fields = CreateShipment {
                    account: AccountId::parse("A1").expect("an ID"),
                    fc: FcId::parse("ICT2").expect("an ID"),
                    mode: Mode::Spd,
                    carrier: String::new(),
                    carrier_name: None,
                    partnered: false,
                    boxes: Vec::new(),
                    pallets: 0,
                    delivery_window: None,
                    cross_border: false,
                    need_by: None,
                    tracking: None,
                    created_at: None,
                };
                let Shipment { head, .. } = new_shipment(&id, CarrierId(1), fields, Timestamp(at), 0);
                let next_unit = units.keys().next_back().map_or(0, |no| no + 1);
                let head = Head { next_unit, published: Published { status, ..head.published }, ..head };
                let boxes = units.into_iter().map(|(no, unit)| Unit { no: UnitNo(no), ..unit }).collect();
                Shipment::new(id, head, boxes, freight.map(Box::new), answers.into())
            },
        )
    }

    fn units_of_freight() -> impl Strategy<Value = Unit> {
        units().prop_map(|unit| Unit { no: UnitNo::FREIGHT, ..unit })
    }

    proptest! {
        #[test]
        fn a_unit_is_read_as_serde_reads_it(unit in units(), harm in option::of((any::<usize>(), any::<u8>()))) {
            let mut bytes = postcard::to_stdvec(&unit).expect("serialises");
            if let Some((at, byte)) = harm {
                let at = at % bytes.len();
                bytes[at] = byte;
            } else {
                let by_hand = Unit::read(&mut Reader::new(&bytes));
                prop_assert_eq!(by_hand.is_some(), unit.conflict.is_none());
            }
            prop_assert_eq!(Unit::from_log(&bytes), postcard::from_bytes(&bytes));
        }
    }
}
