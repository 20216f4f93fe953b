//! A partition's timers: entities ordered by when they are due.
//!
//! Enters: `due(entity)` after each change. Leaves: the entities whose time has come, earliest first, in a stable order.
//! Always true: an entity that is due is in the queue at or before its time; an entry may be early (the entity moved on),
//! so whoever takes one asks the entity again. The queue is rebuilt at restore and never serialised.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::Timestamp;

/// A queue of entities by due time.
#[derive(Debug)]
pub struct Timers<K> {
    heap: BinaryHeap<Reverse<(Timestamp, K)>>,
}

impl<K: Ord> Default for Timers<K> {
    fn default() -> Self {
        Timers { heap: BinaryHeap::new() }
    }
}

impl<K: Ord> Timers<K> {
    /// Notes that the entity is due then; never notes "never".
    pub fn push(&mut self, due: Timestamp, entity: K) {
        if due != Timestamp::MAX {
            self.heap.push(Reverse((due, entity)));
        }
    }

    /// The earliest due time.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes the earliest entity if it is due at `now`.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, K)> {
        if self.next_due()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// How many entries wait.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}
