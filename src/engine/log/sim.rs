//! The log in memory, with faults drawn from a seed.
//!
//! Enters: a seed and how likely each fault is. Leaves: a [`Broker`] that behaves as the contract allows at its
//! worst. Always true: the same seed and the same calls give the same answers; nothing ever waits, so one thread can
//! drive a whole cluster; a crash is a dropped member, and its open epoch never was.

use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use crate::model::{Lane, Partition, Topic};

use super::frame::Headers;
use super::member::Member;
use super::store::{Medium, Place, State, Store};
use super::{
    Begun, Broker, Committed, Epoch, Extent, Log, LogError, LogLayer, Outbox, Polled, Positions, Record,
};

/// How often each fault happens, in thousandths of the calls it can happen to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A commit is aborted.
    pub undone: u32,
    /// A commit's outcome is unknown; by a further coin it happened or not.
    pub in_doubt: u32,
    /// Before a commit the group takes the member for dead: it is fenced, and learns of the loss at its next poll.
    pub fenced: u32,
    /// A poll brings fewer records than there are.
    pub short: u32,
    /// A poll brings nothing although there is something.
    pub idle: u32,
    /// Before a poll the group divides its partitions anew.
    pub rebalance: u32,
    /// Before a poll the group takes the member for dead.
    pub lost: u32,
    /// A commit goes on while the member polls, and happens, or does not, some looks later.
    pub late: u32,
}

/// A log in memory; clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Sim {
    store: Store<Memory>,
    chance: Arc<Mutex<Chance>>,
}

/// A worker's view of a [`Sim`]; dropped, it crashed.
#[derive(Debug)]
pub struct SimMember {
    inner: Member<Memory>,
    chance: Arc<Mutex<Chance>>,
    in_doubt: bool,
    late: Option<Late>,
}

/// A commit that goes on.
#[derive(Debug)]
struct Late {
    outputs: Outbox,
    positions: Positions,
    /// For so many more looks.
    looks: usize,
}

/// A late commit goes on for fewer looks than this.
const LOOKS_MAX: usize = 8;

#[derive(Debug)]
struct Chance {
    faults: Faults,
    state: u64,
}

impl Chance {
    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn hits(&mut self, rate: impl Fn(&Faults) -> u32) -> bool {
        // Drawn even at rate 0, so that changing one rate leaves the other draws where they were.
        self.next() % 1000 < u64::from(rate(&self.faults))
    }
}

impl Sim {
    /// An empty log without faults.
    pub fn new(partitions: u32) -> Sim {
        Sim::with_faults(partitions, 0, Faults::default())
    }

    /// An empty log with faults.
    pub fn with_faults(partitions: u32, seed: u64, faults: Faults) -> Sim {
        assert!(partitions > 0, "a log has partitions");
        let store = Store::new(Memory::default(), State::new(partitions));
        Sim { store, chance: Arc::new(Mutex::new(Chance { faults, state: seed })) }
    }

    /// From now on other faults, for members that joined already too; none heal the world.
    pub fn set_faults(&self, faults: Faults) {
        self.chance.lock().expect("no thread fails while it draws").faults = faults;
    }
}

impl Broker for Sim {
    type Member = SimMember;

    fn partitions(&self) -> u32 {
        self.store.partitions()
    }

    fn join(&self, name: &str) -> Result<SimMember, LogError> {
        let inner = self.store.join(name)?;
        Ok(SimMember { inner, chance: Arc::clone(&self.chance), in_doubt: false, late: None })
    }

    fn append(&self, records: &Outbox) -> Result<(), LogError> {
        self.store.append(records)
    }

    fn append_marked(&self, records: &Outbox, name: &str, mark: u64) -> Result<(), LogError> {
        self.store.append_marked(records, name, mark)
    }

    fn mark(&self, name: &str) -> Result<Option<u64>, LogError> {
        self.store.mark(name)
    }

    fn read_with_headers(
        &self,
        topic: Topic,
        partition: Partition,
        from: u64,
        max: usize,
        sink: &mut dyn FnMut(Record<'_>, Headers<'_>),
    ) -> Result<u64, LogError> {
        self.store.read_with_headers(topic, partition, from, max, sink)
    }

    fn ends(&self) -> Result<Positions, LogError> {
        self.store.ends()
    }

    fn lag(&self) -> Result<u64, LogError> {
        self.store.lag()
    }

    fn committed(&self) -> Result<Positions, LogError> {
        self.store.committed()
    }

    fn extent(&self, topic: Topic, partition: Partition) -> Result<Extent, LogError> {
        self.store.extent(topic, partition)
    }
}

impl SimMember {
    fn hits(&self, rate: impl Fn(&Faults) -> u32) -> bool {
        self.chance.lock().expect("no thread fails while it draws").hits(rate)
    }

    fn below(&self, bound: usize) -> usize {
        let drawn = self.chance.lock().expect("no thread fails while it draws").next();
        usize::try_from(drawn % bound as u64).expect("below the bound")
    }
}

impl LogLayer for SimMember {
    type Beneath = Member<Memory>;

    fn beneath(&self) -> &Member<Memory> {
        &self.inner
    }

    fn beneath_mut(&mut self) -> &mut Member<Memory> {
        &mut self.inner
    }

    fn poll(&mut self, lane: Lane, max: usize, wait: Duration) -> Result<Polled, LogError> {
        assert!(!self.in_doubt, "an epoch in doubt is settled before the next poll");
        if self.hits(|faults| faults.rebalance) {
            self.inner.rebalance();
        }
        if self.hits(|faults| faults.lost) {
            self.inner.bury();
        }
        if self.hits(|faults| faults.idle) {
            return Ok(Polled::Idle);
        }
        let short = self.hits(|faults| faults.short);
        let max = if short { 1 + self.below(max) } else { max };
        self.inner.poll(lane, max, wait)
    }

    fn commit(&mut self, epoch: Epoch<'_>) -> Result<Committed, LogError> {
        assert!(!self.in_doubt, "an epoch in doubt is settled before the next commit");
        assert!(self.late.is_none(), "a commit ends before the next one");
        if self.hits(|faults| faults.fenced) {
            self.inner.bury();
        }
        if self.hits(|faults| faults.undone) {
            return Ok(Committed::Undone);
        }
        if self.hits(|faults| faults.in_doubt) {
            if self.below(2) == 0 && self.inner.commit(epoch)? == Committed::Fenced {
                return Ok(Committed::Fenced);
            }
            self.in_doubt = true;
            return Ok(Committed::InDoubt);
        }
        self.inner.commit(epoch)
    }

    fn begin(&mut self, outputs: Outbox, positions: &Positions) -> Result<Begun, LogError> {
        if self.hits(|faults| faults.late) {
            assert!(self.late.is_none(), "a commit ends before the next one");
            let looks = self.below(LOOKS_MAX);
            self.late = Some(Late { outputs, positions: positions.clone(), looks });
            return Ok(Begun::Open);
        }
        let committed = LogLayer::commit(self, Epoch { outputs: &outputs, positions })?;
        Ok(Begun::Ended(committed, outputs))
    }

    fn ended(&mut self, wait: bool) -> Result<Option<(Committed, Outbox)>, LogError> {
        match self.late.as_mut().expect("a commit goes on") {
            Late { looks, .. } if *looks > 0 && !wait => {
                *looks -= 1;
                Ok(None)
            }
            _ => {
                let Late { outputs, positions, .. } = self.late.take().expect("looked at above");
                let committed = LogLayer::commit(self, Epoch { outputs: &outputs, positions: &positions })?;
                Ok(Some((committed, outputs)))
            }
        }
    }

    fn resolve(&mut self) -> Result<Positions, LogError> {
        assert!(self.late.is_none(), "a commit ends before it is settled");
        self.in_doubt = false;
        self.inner.resolve()
    }
}

/// Frames in memory, each its own segment.
#[derive(Debug, Default)]
pub struct Memory {
    frames: RwLock<Vec<Box<[u8]>>>,
}

impl Medium for Memory {
    const WAITS: bool = false;

    fn append(&self, frame: &[u8]) -> Result<Place, LogError> {
        let mut frames = self.frames.write().expect("no thread fails while it appends");
        let segment = u32::try_from(frames.len()).expect("fewer than 2^32 frames");
        frames.push(frame.into());
        Ok(Place { segment, at: 0 })
    }

    fn read(&self, place: Place, into: &mut [u8]) -> Result<(), LogError> {
        let frames = self.frames.read().expect("no thread fails while it appends");
        let at = usize::try_from(place.at).expect("a frame fits in memory");
        into.copy_from_slice(&frames[place.segment as usize][at..at + into.len()]);
        Ok(())
    }
}
