//! What is wanted of which broker, and what came of it.
//!
//! Enters: positions of the partitions that are ours, the map of who leads what, answers. Leaves: [`Wish`]es for a broker,
//! and [`Arrived`] things for the worker, in order per partition. Always true:
//! - whatever comes for a wish that was made before a seek or another assignment is dropped: its stamp is not the partition's
//!   any more; so is an answer when another leader's was quicker, since the partition goes on elsewhere then;
//! - records of a partition arrive in order: while one broker's answer is unpacked, no other broker is asked for more, and none's
//!   answer counts;
//! - nothing is wished for a lane of which [`LANE_BYTES`] wait unread, so that what waits has a bound: that and the two answers
//!   that may be on their way from each broker;
//! - a partition is asked for at the one broker that leads it, and again after a pause when that went wrong.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode as Code;

use super::super::patience::{Deadline, Pauses};
use super::batches::{Damage, Reached, Slab};
use crate::engine::log::{LogError, Positions};
use crate::model::{Lane, Partition};

/// Unpacked bytes of a lane that may wait for the worker before no more of it is asked for: some ten milliseconds of work, which
/// stay near the processor.
pub(super) const LANE_BYTES: usize = 8 * 1024 * 1024;
/// Memory of so many slabs is kept to be used again.
const SPARES_MAX: usize = 8;
/// So often bytes are asked for that cannot be read, which takes some seconds.
const DAMAGE_TRIES: u32 = 10;
/// Who leads what is asked again after so long, even if nobody doubts it.
const MAP_AGE: Duration = Duration::from_secs(60);

pub(super) type BrokerId = i32;

/// A partition of a lane.
pub(super) type Place = (Lane, Partition);

/// One partition that a broker is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) place: Place,
    stamp: u64,
    pub(super) next: u64,
    /// Of the leader, as we know it.
    pub(super) leader_epoch: i32,
    /// Of the leader that wrote what we read last; -1: unknown.
    pub(super) last_epoch: i32,
}

/// What came.
#[derive(Debug)]
pub(super) enum Arrived {
    Records(Slab),
    /// Everything before this offset was read, and there is no more now.
    End(u64),
    /// What the client would say.
    Failed(Code),
}

/// Why a wish was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// That is for the worker to judge; nothing more is asked for.
    Code(Code),
    /// The broker does not lead it, or does not know yet that it does: perhaps another one does.
    Elsewhere,
    /// What came cannot be read.
    Damaged(Damage),
}

/// How far an answer brings a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Onward {
    next: u64,
    /// There is no more now.
    is_end: bool,
}

/// What a broker is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) list: Vec<Wish>,
    /// Something of this broker waits for room: it must be possible to ask for it soon.
    pub(super) is_short: bool,
}

#[derive(Debug, Default)]
pub(super) struct Board {
    parts: BTreeMap<Place, Part>,
    arrived: [VecDeque<(Partition, Arrived)>; Lane::ALL.len()],
    bytes: [usize; Lane::ALL.len()],
    stamps: u64,
    /// Who leads what, and in which epoch.
    leaders: BTreeMap<Place, (BrokerId, i32)>,
    addresses: BTreeMap<BrokerId, String>,
    /// Brokers to which nothing is sent for a while.
    pauses: BTreeMap<BrokerId, Pause>,
    is_map_stale: bool,
    /// Until when it is taken for new.
    map_until: Option<Deadline>,
    /// How often each broker was asked.
    turns: BTreeMap<BrokerId, usize>,
    spares: Vec<Vec<u8>>,
    /// What ends the worker.
    failure: Option<LogError>,
    is_closed: bool,
}

#[derive(Debug)]
struct Part {
    stamp: u64,
    next: u64,
    last_epoch: i32,
    /// Its end was told.
    ended: bool,
    /// The broker whose answer is being unpacked: another one must not be quicker.
    held: Option<BrokerId>,
    /// The worker has to judge first.
    halted: bool,
    pause: Pause,
    damages: u32,
}

/// Growing pauses between tries.
#[derive(Debug, Default)]
struct Pause {
    until: Option<Deadline>,
    spans: Pauses,
}

impl Pause {
    fn is_over(&self) -> bool {
        self.until.is_none_or(Deadline::is_over)
    }

    fn lengthen(&mut self) {
        self.until = Some(Deadline::after(self.spans.take()));
    }
}

impl Part {
    /// Whether no other broker's answer is being unpacked.
    fn is_free_for(&self, broker: BrokerId) -> bool {
        self.held.is_none_or(|holder| holder == broker)
    }
}

impl Board {
    /// From now on these partitions are ours, and no others.
    pub(super) fn assign(&mut self, positions: &Positions) {
        self.clear();
        for (&place, &next) in positions {
            let part = self.part(next);
            self.parts.insert(place, part);
        }
    }

    fn part(&mut self, next: u64) -> Part {
        self.stamps += 1;
        Part {
            stamp: self.stamps,
            next,
            last_epoch: -1,
            ended: false,
            held: None,
            halted: false,
            pause: Pause::default(),
            damages: 0,
        }
    }

    /// Nothing is ours, and nothing waits.
    pub(super) fn clear(&mut self) {
        self.parts.clear();
        self.arrived.iter_mut().for_each(VecDeque::clear);
        self.bytes = [0; Lane::ALL.len()];
    }

    /// Reads on from these positions; what has arrived of their partitions is dropped.
    pub(super) fn seek(&mut self, positions: &Positions) {
        for (&place, &next) in positions {
            let part = self.part(next);
            self.parts.insert(place, part);
        }
        for lane in Lane::ALL {
            let arrived = &mut self.arrived[lane.index()];
            arrived.retain(|(partition, _)| !positions.contains_key(&(lane, *partition)));
            self.bytes[lane.index()] = arrived.iter().map(|(_, arrived)| arrived.bytes()).sum();
        }
    }

    /// What that broker is to be asked for now; none: nothing.
    pub(super) fn wishes(&mut self, broker: BrokerId) -> Option<Wishes> {
        if self.pauses.get(&broker).is_some_and(|pause| !pause.is_over()) {
            return None;
        }
        let mut is_short = false;
        let mut list = Vec::new();
        for (&place, part) in &self.parts {
            let Some(&(leader, leader_epoch)) = self.leaders.get(&place) else { continue };
            if leader != broker || !part.is_free_for(broker) || part.halted || !part.pause.is_over() {
                continue;
            }
            if !self.has_room(place.0) {
                is_short = true;
                continue;
            }
            let Part { stamp, next, last_epoch, .. } = *part;
            list.push(Wish { place, stamp, next, leader_epoch, last_epoch });
        }
        if list.is_empty() {
            return None;
        }
        // A broker fills its answer in the order in which it was asked: everybody is the first in turn.
        let turn = self.turns.entry(broker).or_default();
        *turn = turn.wrapping_add(1);
        let by = *turn % list.len();
        list.rotate_left(by);
        Some(Wishes { list, is_short })
    }

    fn wished(&mut self, wish: &Wish) -> Option<&mut Part> {
        self.parts.get_mut(&wish.place).filter(|part| part.stamp == wish.stamp)
    }

    /// The partition, if an answer of that broker counts: the worker may have sought meanwhile, or another leader been quicker.
    fn asked(&mut self, wish: &Wish, broker: BrokerId) -> Option<&mut Part> {
        self.wished(wish).filter(|part| part.next == wish.next && part.is_free_for(broker))
    }

    /// An answer came of that broker: where the partition goes on, if it brought a batch. What to tell when it is
    /// [unpacked](Board::unpacked), until when the partition is this broker's; none: it does not count.
    pub(super) fn reached(
        &mut self,
        wish: &Wish,
        broker: BrokerId,
        reached: Option<Reached>,
        end: u64,
    ) -> Option<Onward> {
        let part = self.asked(wish, broker)?;
        part.held = Some(broker);
        let progress = reached.filter(|reached| reached.next > wish.next);
        if let Some(reached) = progress {
            (part.next, part.last_epoch, part.ended) = (reached.next, reached.leader_epoch, false);
        }
        // The end is one of before the records were read. Where there were none, an end that lies before us is one of a new
        // leader, which does not know yet how far its log is committed.
        let is_end = if progress.is_some() { part.next >= end } else { part.next == end };
        Some(Onward { next: part.next, is_end })
    }

    /// Something came of it, for the worker. Whether it is wanted still.
    pub(super) fn arrived(&mut self, wish: &Wish, arrived: Arrived) -> bool {
        let is_wanted = self.wished(wish).is_some();
        if is_wanted {
            let (lane, partition) = wish.place;
            self.bytes[lane.index()] += arrived.bytes();
            self.arrived[lane.index()].push_back((partition, arrived));
        }
        is_wanted
    }

    /// All that came of it has arrived. Whether there is an end to tell.
    pub(super) fn unpacked(&mut self, wish: &Wish, onward: Onward) -> bool {
        let Some(part) = self.wished(wish) else { return false };
        (part.held, part.damages, part.pause) = (None, 0, Pause::default());
        if !onward.is_end || part.ended || part.next != onward.next {
            return false;
        }
        part.ended = true;
        self.arrived(wish, Arrived::End(onward.next))
    }

    /// The broker did not grant the wish. An error: nobody ever will.
    pub(super) fn refused(&mut self, wish: &Wish, broker: BrokerId, refusal: Refusal) -> Result<(), Damage> {
        let Some(part) = self.asked(wish, broker) else { return Ok(()) };
        part.pause.lengthen();
        match refusal {
            // A broker that cannot place the epoch says so, too: it is asked once more without one.
            Refusal::Code(Code::OffsetOutOfRange) if wish.last_epoch >= 0 => part.last_epoch = -1,
            Refusal::Code(code) => {
                part.halted = true;
                self.arrived(wish, Arrived::Failed(code));
            }
            Refusal::Elsewhere => self.is_map_stale = true,
            Refusal::Damaged(damage) => return self.damaged(wish, wish.next, damage),
        }
        Ok(())
    }

    /// What came cannot be read from `at` on, and is asked for again. An error: it was asked for often enough.
    pub(super) fn damaged(&mut self, wish: &Wish, at: u64, damage: Damage) -> Result<(), Damage> {
        self.stamps += 1;
        let stamp = self.stamps;
        let Some(part) = self.wished(wish) else { return Ok(()) };
        part.pause.lengthen();
        part.damages += 1;
        if part.damages >= DAMAGE_TRIES || !damage.may_pass() {
            return Err(damage);
        }
        // What is on its way was asked for behind it, and the epoch is that of what comes behind it.
        (part.stamp, part.next, part.last_epoch) = (stamp, at.max(wish.next), -1);
        (part.held, part.ended) = (None, false);
        self.is_map_stale = true;
        Ok(())
    }

    /// The broker does not answer.
    pub(super) fn is_away(&mut self, broker: BrokerId) {
        self.pauses.entry(broker).or_default().lengthen();
        self.is_map_stale = true;
    }

    /// The broker answers.
    pub(super) fn is_back(&mut self, broker: BrokerId) {
        self.pauses.remove(&broker);
    }

    /// Whether it is to be asked who leads what. Asking clears the doubt.
    pub(super) fn wants_map(&mut self) -> bool {
        let is_old = !self.parts.is_empty() && self.map_until.is_none_or(Deadline::is_over);
        let wants = std::mem::take(&mut self.is_map_stale) || self.is_leaderless() || is_old;
        if wants {
            self.map_until = Some(Deadline::after(MAP_AGE));
        }
        wants
    }

    /// Whether a partition is led by nobody, as far as we know.
    pub(super) fn is_leaderless(&self) -> bool {
        self.parts.keys().any(|place| !self.leaders.contains_key(place))
    }

    /// Who leads what is in doubt.
    pub(super) fn doubt_map(&mut self) {
        self.is_map_stale = true;
    }

    /// Who leads what, and where the brokers are. Whether that is news, and which brokers were unknown.
    pub(super) fn learn(
        &mut self,
        addresses: BTreeMap<BrokerId, String>,
        leaders: BTreeMap<Place, (BrokerId, i32)>,
    ) -> (bool, BTreeSet<BrokerId>) {
        let unknown = addresses.keys().filter(|id| !self.addresses.contains_key(id)).copied().collect();
        let is_news = leaders != self.leaders;
        self.addresses.extend(addresses);
        self.leaders = leaders;
        (is_news, unknown)
    }

    pub(super) fn address(&self, broker: BrokerId) -> Option<&str> {
        self.addresses.get(&broker).map(String::as_str)
    }

    pub(super) fn addresses(&self) -> Vec<String> {
        self.addresses.values().cloned().collect()
    }

    /// What waits for the worker.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.iter().sum()
    }

    /// The next thing of a lane. An error: what ends the worker.
    pub(super) fn take(&mut self, lane: Lane) -> Result<Option<(Partition, Arrived)>, LogError> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let taken = self.arrived[lane.index()].pop_front();
        if let Some((_, arrived)) = &taken {
            self.bytes[lane.index()] -= arrived.bytes();
        }
        Ok(taken)
    }

    /// Whether more of the lane would be asked for.
    pub(super) fn has_room(&self, lane: Lane) -> bool {
        self.bytes[lane.index()] < LANE_BYTES
    }

    /// Memory that the worker has read.
    pub(super) fn give_back(&mut self, memory: Vec<u8>) {
        if self.spares.len() < SPARES_MAX {
            self.spares.push(memory);
        }
    }

    /// Memory to unpack into.
    pub(super) fn spare(&mut self) -> Vec<u8> {
        self.spares.pop().unwrap_or_default()
    }

    /// Reading on makes no sense.
    pub(super) fn fail(&mut self, error: LogError) {
        self.failure.get_or_insert(error);
    }

    /// Nothing is wanted any more.
    pub(super) fn close(&mut self) {
        self.clear();
        self.is_closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }
}

impl Arrived {
    fn bytes(&self) -> usize {
        match self {
            Arrived::Records(slab) => slab.bytes(),
            Arrived::End(_) | Arrived::Failed(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests;
