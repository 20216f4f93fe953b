//! What stations know, as entities of the state log: each by its kind and key.
//!
//! Enters: what an epoch touched, whole slices, and entities that a state log has. Leaves: after-images, and stations again.
//! Always true: an entity is of one slice, whatever it is; those of a slice are written in an order that their keys alone decide.

use std::ops::Range;

use smallvec::SmallVec;

use super::{Counters, LedgerKey, Part, Rules, StateFormat, Stations, UnitNo};
use crate::index::{Asked, slice_of, slice_of_key};
use crate::model::{AccountId, CarrierId, NumberKey, ShipmentId};

/// An entity of the state log: its kind and key as bytes, and the slice that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityKey {
    /// The slice: a fixed hash range of the keys.
    pub slice: u16,
    /// Kind and key.
    pub bytes: SmallVec<[u8; 64]>,
}

const KIND_NUMBER: u8 = b'N';
const KIND_SHIPMENT_HEAD: u8 = b'H';
const KIND_SHIPMENT_ANSWERS: u8 = b'R';
const KIND_SHIPMENT_UNIT: u8 = b'U';
const KIND_LEDGER: u8 = b'L';
const KIND_GATE: u8 = b'G';
const KIND_FEED: u8 = b'F';
const KIND_COUNTERS: u8 = b'C';

fn key_bytes(kind: u8, key: &impl serde::Serialize) -> SmallVec<[u8; 64]> {
    postcard::to_extend(key, SmallVec::from_slice(&[kind])).expect("a key always serialises into memory")
}

fn number_key(key: &NumberKey) -> EntityKey {
    EntityKey { slice: slice_of_key(key), bytes: key_bytes(KIND_NUMBER, key) }
}

fn shipment_key(id: &ShipmentId, part: Part) -> EntityKey {
    let kind = match part {
        Part::Head => KIND_SHIPMENT_HEAD,
        Part::Answers => KIND_SHIPMENT_ANSWERS,
        Part::Unit(_) => KIND_SHIPMENT_UNIT,
    };
    let mut bytes = key_bytes(kind, id);
    if let Part::Unit(no) = part {
        bytes.extend_from_slice(&no.0.to_be_bytes());
    }
    EntityKey { slice: slice_of(id.as_str().as_bytes()), bytes }
}

fn ledger_key(key: &LedgerKey) -> EntityKey {
    EntityKey { slice: slice_of_ledger(key), bytes: key_bytes(KIND_LEDGER, key) }
}

fn gate_key(account: &AccountId) -> EntityKey {
    EntityKey { slice: slice_of(account.as_str().as_bytes()), bytes: key_bytes(KIND_GATE, account) }
}

fn feed_key(carrier: CarrierId) -> EntityKey {
    EntityKey { slice: slice_of(&[carrier.0]), bytes: key_bytes(KIND_FEED, &carrier) }
}

fn slice_of_ledger(key: &LedgerKey) -> u16 {
    match key {
        LedgerKey::Arrivals(arrival) => slice_of(arrival.fc.as_str().as_bytes()),
        LedgerKey::Account(account) => slice_of(account.as_str().as_bytes()),
    }
}

/// Bytes of the state log that no version of this program wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entity of kind {kind:?} in the state log can't be read: {why}")]
pub struct BadEntity {
    /// The kind byte, as a character.
    pub kind: char,
    /// What was wrong.
    pub why: String,
}

impl BadEntity {
    /// What was wrong with a part of a shipment.
    pub(super) fn of_shipment(why: postcard::Error) -> BadEntity {
        bad(KIND_SHIPMENT_HEAD, &why)
    }
}

/// As many entities are best taken over together: what they need of memory comes at once, and none is asked for.
pub const LOADED_TOGETHER: usize = 128;

/// A number that is taken over: its key, where it will be, and what it is.
type AskedNumber<'e> = (NumberKey, Asked, Option<&'e [u8]>);

fn bad(kind: u8, why: &postcard::Error) -> BadEntity {
    BadEntity { kind: char::from(kind), why: why.to_string() }
}

impl Stations {
    /// The after-images of all entities that this epoch touched; none: gone.
    pub fn delta(&self, format: StateFormat, mut sink: impl FnMut(EntityKey, Option<&[u8]>)) {
        self.scan.delta(|key, bytes| sink(number_key(key), bytes));
        self.shipment.delta(|id, part, bytes| sink(shipment_key(id, part), bytes));
        self.shipment.gates_delta(|account, bytes| sink(gate_key(account), bytes));
        self.ledger.delta(|key, bytes| sink(ledger_key(key), bytes));
        self.feeds.delta(|carrier, bytes| sink(feed_key(carrier), bytes));
        if self.counters != self.counters_before {
            self.write_counters(format, &mut sink);
        }
    }

    fn write_counters(&self, format: StateFormat, sink: &mut impl FnMut(EntityKey, Option<&[u8]>)) {
        let bytes = self.counters.to_bytes(format);
        sink(EntityKey { slice: slice_of(b""), bytes: SmallVec::from_slice(&[KIND_COUNTERS]) }, Some(&bytes));
    }

    /// All entities of these slices.
    pub fn image(
        &self,
        format: StateFormat,
        slices: Range<u16>,
        mut sink: impl FnMut(EntityKey, Option<&[u8]>),
    ) {
        for slice in slices.clone() {
            self.scan.image(slice, |key, bytes| sink(number_key(key), Some(bytes)));
        }
        let here = |id: &ShipmentId| slices.contains(&slice_of(id.as_str().as_bytes()));
        self.shipment.image(here, |id, part, bytes| sink(shipment_key(id, part), bytes));
        let here = |account: &AccountId| slices.contains(&slice_of(account.as_str().as_bytes()));
        self.shipment.gates_image(here, |account, bytes| sink(gate_key(account), bytes));
        let here = |carrier: CarrierId| slices.contains(&slice_of(&[carrier.0]));
        self.feeds.image(here, |carrier, bytes| sink(feed_key(carrier), bytes));
        let here = |key: &LedgerKey| slices.contains(&slice_of_ledger(key));
        self.ledger.image(here, |key, bytes| sink(ledger_key(key), bytes));
        if slices.contains(&slice_of(b"")) {
            self.write_counters(format, &mut sink);
        }
    }

    /// Takes over entities from the state log, each by its key: after-images, or none where it is gone. Each is there once.
    pub fn load<'e>(
        &mut self,
        rules: &Rules,
        format: StateFormat,
        entities: impl IntoIterator<Item = (&'e [u8], Option<&'e [u8]>)>,
    ) -> Result<(), BadEntity> {
        // Where numbers are is asked for ahead: each is somewhere else.
        let mut numbers: SmallVec<[AskedNumber<'_>; LOADED_TOGETHER]> = SmallVec::new();
        for (key, bytes) in entities {
            let (kind, rest) = key.split_first().map_or((0, key), |(kind, rest)| (*kind, rest));
            if kind != KIND_NUMBER {
                self.load_one(format, kind, rest, bytes)?;
                continue;
            }
            let key = postcard::from_bytes(rest).map_err(|e| bad(kind, &e))?;
            let asked = self.scan.ask(&key);
            numbers.push((key, asked, bytes));
        }
        for (key, asked, bytes) in numbers {
            self.scan.load(rules, key, asked, bytes).map_err(|e| bad(KIND_NUMBER, &e))?;
        }
        Ok(())
    }

    /// One that is no number.
    fn load_one(
        &mut self,
        format: StateFormat,
        kind: u8,
        rest: &[u8],
        bytes: Option<&[u8]>,
    ) -> Result<(), BadEntity> {
        let bad = |e: postcard::Error| bad(kind, &e);
        match kind {
            KIND_SHIPMENT_HEAD | KIND_SHIPMENT_ANSWERS | KIND_SHIPMENT_UNIT => {
                let (id, rest) = postcard::take_from_bytes::<&str>(rest).map_err(bad)?;
                let part = match kind {
                    KIND_SHIPMENT_HEAD => Part::Head,
                    KIND_SHIPMENT_ANSWERS => Part::Answers,
                    _ => {
                        let no: [u8; 4] =
                            rest.try_into().map_err(|_| bad(postcard::Error::DeserializeUnexpectedEnd))?;
                        Part::Unit(UnitNo(u32::from_be_bytes(no)))
                    }
                };
                self.shipment.load(id, part, bytes).map_err(bad)
            }
            KIND_LEDGER => self.ledger.load(postcard::from_bytes(rest).map_err(bad)?, bytes).map_err(bad),
            KIND_GATE => {
                self.shipment.load_gate(postcard::from_bytes(rest).map_err(bad)?, bytes).map_err(bad)
            }
            KIND_FEED => self.feeds.load(postcard::from_bytes(rest).map_err(bad)?, bytes).map_err(bad),
            KIND_COUNTERS => {
                self.counters = Counters::from_bytes(format, bytes.unwrap_or_default()).map_err(bad)?;
                self.counters_before = self.counters.clone();
                Ok(())
            }
            _ => Err(BadEntity {
                kind: char::from(kind),
                why: "a newer version may have written it".to_owned(),
            }),
        }
    }
}
