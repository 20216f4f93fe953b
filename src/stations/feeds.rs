//! Feeds: when each carrier was heard of last (R24).
//!
//! Enters: readable scans with their record times, and which carriers are waited for. Leaves: a view of each carrier's feed,
//! from which silence follows once the views of several partitions are put together. Always true: a record counts to the
//! minute, so that a busy feed changes the state once a minute; an epoch can be taken back.

use std::collections::BTreeMap;

use super::undo::Before;
use crate::model::{CarrierId, MINUTE_MS, Settings, Timestamp};

/// The feeds of a partition.
#[derive(Debug)]
pub(super) struct Feeds {
    /// By carrier; before everything: never heard of.
    last: Box<[Timestamp; 256]>,
    before: Before<CarrierId, Timestamp>,
}

impl Default for Feeds {
    fn default() -> Self {
        Feeds { last: Box::new([Timestamp::MIN; 256]), before: Before::default() }
    }
}

impl Feeds {
    /// A scan of the carrier was read.
    pub(super) fn hear(&mut self, carrier: CarrierId, at: Timestamp) {
        let last = &mut self.last[usize::from(carrier.0)];
        if at < last.plus_ms(MINUTE_MS) {
            return;
        }
        self.before.note(carrier, *last);
        *last = Timestamp(at.0 - at.0.rem_euclid(MINUTE_MS));
    }

    /// A carrier is waited for: if it was never heard of, its silence begins now.
    pub(super) fn expect(&mut self, carrier: CarrierId, now: Timestamp) {
        if self.last[usize::from(carrier.0)] == Timestamp::MIN && now > Timestamp(0) {
            self.hear(carrier, now);
        }
    }

    fn last(&self, carrier: CarrierId) -> Option<Timestamp> {
        Some(self.last[usize::from(carrier.0)]).filter(|last| *last != Timestamp::MIN)
    }

    /// All feeds that were heard of or are waited for.
    pub(super) fn views(&self, waiting: &BTreeMap<CarrierId, i64>) -> BTreeMap<CarrierId, Feed> {
        let carriers = (0..=u8::MAX).map(CarrierId);
        let view = |carrier: CarrierId| {
            let waiting = waiting.get(&carrier).copied().unwrap_or_default();
            let last = self.last(carrier);
            (last.is_some() || waiting != 0).then_some((carrier, Feed { last, waiting }))
        };
        carriers.filter_map(view).collect()
    }

    pub(super) fn is_touched(&self) -> bool {
        !self.before.is_empty()
    }

    /// The carriers that this epoch heard of, as they are now.
    pub(super) fn delta(&self, mut sink: impl FnMut(CarrierId, Option<&[u8]>)) {
        for carrier in self.before.keys() {
            self.write(*carrier, &mut sink);
        }
    }

    /// All carriers for which `wanted` holds.
    pub(super) fn image(
        &self,
        wanted: impl Fn(CarrierId) -> bool,
        mut sink: impl FnMut(CarrierId, Option<&[u8]>),
    ) {
        let known = (0..=u8::MAX).map(CarrierId).filter(|carrier| self.last(*carrier).is_some());
        known.filter(|carrier| wanted(*carrier)).for_each(|carrier| self.write(carrier, &mut sink));
    }

    fn write(&self, carrier: CarrierId, sink: &mut impl FnMut(CarrierId, Option<&[u8]>)) {
        let last = self.last(carrier);
        let bytes = last.map(|last| postcard::to_stdvec(&last).expect("a time serialises into memory"));
        sink(carrier, bytes.as_deref());
    }

    /// Takes over a carrier from the state log.
    pub(super) fn load(&mut self, carrier: CarrierId, bytes: Option<&[u8]>) -> Result<(), postcard::Error> {
        let last = bytes.map(postcard::from_bytes).transpose()?;
        self.last[usize::from(carrier.0)] = last.unwrap_or(Timestamp::MIN);
        Ok(())
    }

    pub(super) fn seal(&mut self) {
        self.before.seal();
    }

    pub(super) fn commit(&mut self) {
        self.before.commit();
    }

    pub(super) fn rollback(&mut self) {
        for (carrier, last) in self.before.take() {
            self.last[usize::from(carrier.0)] = last;
        }
    }
}

/// A carrier's feed, as one or several partitions see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feed {
    /// The record time of its last scan, to the minute; none: it was never heard of or waited for.
    pub last: Option<Timestamp>,
    /// Boxes and PROs that it has still to bring.
    pub waiting: i64,
}

impl Feed {
    /// Takes in what another partition sees.
    pub fn add(&mut self, other: Feed) {
        self.last = self.last.max(other.last);
        self.waiting += other.waiting;
    }

    /// R24: since when it is silent, if that is for too long. `now` is the stream time of the partition that is furthest behind.
    pub fn silent_since(&self, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
        let for_long = |last: &Timestamp| last.plus_ms(settings.feed_gap_ms) <= now;
        self.last.filter(for_long).filter(|_| self.waiting > 0)
    }
}
