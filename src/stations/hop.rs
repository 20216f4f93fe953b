//! What stations tell each other, and how it is packed.
//!
//! Enters: values that a station decided on. Leaves: bytes for the `hops` topic, one packed message per destination
//! partition and epoch (split at 512 KiB), and back. Always true: everything in a hop is absolute (a whole view, a whole
//! registration, a whole subtotal), so that repeating it changes nothing; entries keep their order.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::fold::View;
use crate::model::{
    AccountId, BandCounts, EventTime, FcId, Mode, NumberKey, Partition, Scan, ShipmentId, Source, Timestamp,
    partition_of,
};

/// The largest packed message.
pub const HOP_BYTES_MAX: usize = 512 << 10;

/// The layout of a packed message.
const FORMAT: u8 = 4;

/// A box of a shipment by its serial number, or the shipment's PRO. A number is never given to a second box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnitNo(pub u32);

impl UnitNo {
    /// The PRO of a freight shipment.
    pub const FREIGHT: UnitNo = UnitNo(u32::MAX);
}

/// What a number serves, from when to when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The shipment.
    pub shipment: ShipmentId,
    /// The box in it.
    pub unit: UnitNo,
    /// Earlier scans belong to an earlier life of the number.
    pub from: Timestamp,
    /// Where its life in the shipment ended, if it did.
    pub to: Option<Timestamp>,
    /// Where the box should arrive.
    pub fc: FcId,
    /// When number and carrier were entered: the newer entry wins.
    pub entered_at: Timestamp,
    /// Which registration of the unit this is; the shipment ignores views of others.
    pub generation: u32,
    /// Whether the shipment is gone: nobody is told anything, and only older boxes still need to know where theirs ended.
    pub retired: bool,
    /// Whether the shipment was cancelled: older boxes get back what it had taken over (R19).
    pub cancelled: bool,
}

/// The last time that other shipments had the number of a box too (R19): `opened ≤ t < ended`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// When the second of them entered it.
    pub opened: Timestamp,
    /// When one was left; none: it holds.
    pub ended: Option<Timestamp>,
}

/// Where scans came from, newest last, with their event times.
pub type Sources = SmallVec<[(EventTime, Source); 1]>;

/// How many source coordinates travel and show.
pub const SOURCES_MAX: usize = 8;

/// Totals of one source partition for an FC, a day and a mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of arrivals (§4.4)")]
pub struct Subtotal {
    pub shipments: i64,
    pub boxes: i64,
    pub units: i64,
    pub pallets: i64,
    pub weight_g: i64,
    pub bands: BandCounts,
    pub late_risk: i64,
}

impl Subtotal {
    /// Adds `sign` times the other.
    pub fn add(&mut self, other: &Subtotal, sign: i64) {
        self.shipments += sign * other.shipments;
        self.boxes += sign * other.boxes;
        self.units += sign * other.units;
        self.pallets += sign * other.pallets;
        self.weight_g += sign * other.weight_g;
        self.bands.registered += sign * other.bands.registered;
        self.bands.in_transit += sign * other.bands.in_transit;
        self.bands.near += sign * other.bands.near;
        self.bands.at_fc += sign * other.bands.at_fc;
        self.bands.delivered += sign * other.bands.delivered;
        self.late_risk += sign * other.late_risk;
    }

    /// Whether nothing is left.
    pub fn is_zero(&self) -> bool {
        *self == Subtotal::default()
    }
}

/// What a total is about. `day` counts from 1970-01-01 at the FC; none is `UNSCHEDULED`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of arrivals (§4.4)")]
pub struct ArrivalKey {
    pub fc: FcId,
    pub day: Option<i32>,
    pub mode: Mode,
}

/// Verdicts of one source partition for an account and a UTC day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the rule's (R15)")]
pub struct Verdicts {
    pub evaluated: i64,
    pub defective: i64,
    /// R16: defects that are open; they count for as long as they are, however long ago the day was.
    pub unacknowledged: i64,
}

/// R15: for how long an account may not create shipments, by the entry of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restriction {
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub until: Timestamp,
}

/// What keeps an account from creating shipments. It acts by entries from a time on that its cause lies well before, so
/// that it acts alike on every partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// R15.
    pub restricted: Option<Restriction>,
    /// R16: from when on its open defects must be acknowledged first.
    pub unacknowledged_from: Option<Timestamp>,
}

impl Gate {
    /// Whether nothing keeps the account from it, now or later.
    pub fn is_open(&self) -> bool {
        *self == Gate::default()
    }
}

/// One thing that a station tells another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each field is described by its type")]
pub enum Hop {
    /// To the number's partition: this registration stands as written.
    Register { key: NumberKey, registration: Registration },
    /// To the number's partition: the unit no longer uses the number, as entered at that time.
    Remove { key: NumberKey, shipment: ShipmentId, unit: UnitNo, at: Timestamp },
    /// To the number's partition: the shipment is gone, and the unit with it.
    Retire { key: NumberKey, shipment: ShipmentId, unit: UnitNo },
    /// To the number's partition: a scan that came in elsewhere.
    Scan { scan: Scan, record_time: Timestamp, source: Source },
    /// To the shipment's partition: a command that came in elsewhere, as it was written.
    Command { bytes: Vec<u8>, record_time: Timestamp, source: Source },
    /// To the shipment's partition: what a unit shows now.
    BoxEvent {
        shipment: ShipmentId,
        unit: UnitNo,
        generation: u32,
        view: Box<View>,
        conflict: Option<Conflict>,
        sources: Sources,
    },
    /// To the FC's partition: the source partition's total.
    Subtotal { from: Partition, key: ArrivalKey, total: Subtotal },
    /// To the account's partition: the source partition's verdicts of a day.
    Verdicts { from: Partition, account: AccountId, day: i64, verdicts: Verdicts },
    /// To every partition: what keeps the account from creating shipments.
    Gate { account: AccountId, gate: Gate },
}

/// Packs hops per destination partition.
#[derive(Debug)]
pub struct HopWriter {
    partitions: u32,
    open: Vec<Vec<u8>>,
    full: Vec<(Partition, Vec<u8>)>,
}

impl HopWriter {
    /// A writer for `partitions` destinations.
    pub fn new(partitions: u32) -> HopWriter {
        HopWriter { partitions, open: (0..partitions).map(|_| Vec::new()).collect(), full: Vec::new() }
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Adds a hop for the partition that owns `key`.
    pub fn send(&mut self, key: &[u8], hop: &Hop) {
        self.put(Partition(partition_of(key, self.partitions)), hop);
    }

    /// Adds a hop for every partition.
    pub fn send_to_all(&mut self, hop: &Hop) {
        (0..self.partitions).for_each(|partition| self.put(Partition(partition), hop));
    }

    fn put(&mut self, partition: Partition, hop: &Hop) {
        let open = &mut self.open[partition.0 as usize];
        if open.is_empty() {
            open.push(FORMAT);
        }
        let buffer = std::mem::take(open);
        *open = postcard::to_extend(hop, buffer).expect("a hop always serialises into memory");
        if open.len() >= HOP_BYTES_MAX {
            self.full.push((partition, std::mem::take(open)));
        }
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.full.is_empty() && self.open.iter().all(Vec::is_empty)
    }

    /// Hands out all packed messages, in the order in which each destination must read them.
    pub fn drain(&mut self, mut sink: impl FnMut(Partition, &[u8])) {
        for (partition, bytes) in self.full.drain(..) {
            sink(partition, &bytes);
        }
        for (number, open) in (0..).zip(&mut self.open) {
            if !open.is_empty() {
                sink(Partition(number), open);
                open.clear();
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.full.clear();
        self.open.iter_mut().for_each(Vec::clear);
    }
}

/// Reads a packed message. Panics on bytes that this program did not write: internal topics are ours alone.
pub fn read_hops(bytes: &[u8], mut sink: impl FnMut(Hop)) {
    assert_eq!(
        bytes.first(),
        Some(&FORMAT),
        "hops of an unknown format: another version wrote to this topic"
    );
    let mut rest = &bytes[1..];
    while !rest.is_empty() {
        let (hop, tail) = postcard::take_from_bytes::<Hop>(rest)
            .expect("hops are written by this program and arrive whole");
        sink(hop);
        rest = tail;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Lane;

    #[test]
    fn hops_come_back_in_order_and_are_split() {
        let mut writer = HopWriter::new(4);
        let hop = |n: u64| Hop::Command {
            bytes: vec![b'x'; 1000],
            record_time: Timestamp(5),
            source: Source { lane: Lane::Commands, partition: Partition(0), offset: n },
        };
        for n in 0..2_000 {
            writer.send(b"FBA1", &hop(n));
        }
        let mut seen = Vec::new();
        let mut messages = 0;
        writer.drain(|partition, bytes| {
            assert_eq!(partition.0, partition_of(b"FBA1", 4));
            assert!(bytes.len() < HOP_BYTES_MAX + 2_000);
            messages += 1;
            read_hops(bytes, |hop| seen.push(hop));
        });
        assert_eq!(messages, 4);
        assert_eq!(seen, (0..2_000).map(hop).collect::<Vec<_>>());
        assert!(writer.is_empty());
    }
}
