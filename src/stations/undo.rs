//! What was before: how epochs are taken back.
//!
//! Enters: what there was before an epoch changed it, once for each thing and epoch. Leaves: the same, newest first. Always
//! true: at most two epochs can be taken back, the open one and the one before it, which is sealed and on its way into the
//! log; the sealed one is kept or taken back before another is sealed, and never taken back without the open one.

use std::collections::BTreeMap;

/// Images of two epochs, in the order in which they were made.
#[derive(Debug)]
pub(super) struct Undo<T> {
    sealed: Vec<T>,
    open: Vec<T>,
}

impl<T> Default for Undo<T> {
    fn default() -> Self {
        Undo { sealed: Vec::new(), open: Vec::new() }
    }
}

impl<T> Undo<T> {
    /// Adds to the open epoch; its place there.
    pub(super) fn push(&mut self, image: T) -> usize {
        self.open.push(image);
        self.open.len() - 1
    }

    /// Of the open epoch.
    pub(super) fn open(&self) -> &[T] {
        &self.open
    }

    /// The open epoch is over.
    pub(super) fn seal(&mut self) {
        assert!(self.sealed.is_empty(), "one epoch is sealed at a time");
        std::mem::swap(&mut self.sealed, &mut self.open);
    }

    /// The sealed epoch stays.
    pub(super) fn commit(&mut self) -> std::vec::Drain<'_, T> {
        self.sealed.drain(..)
    }

    /// The newest image, for taking back.
    pub(super) fn pop(&mut self) -> Option<T> {
        self.open.pop().or_else(|| self.sealed.pop())
    }
}

/// Values of two epochs, by key.
#[derive(Debug)]
pub(super) struct Before<K, V> {
    sealed: BTreeMap<K, V>,
    open: BTreeMap<K, V>,
}

impl<K, V> Default for Before<K, V> {
    fn default() -> Self {
        Before { sealed: BTreeMap::new(), open: BTreeMap::new() }
    }
}

impl<K: Ord, V> Before<K, V> {
    /// The open epoch changes a value; only what was before its first change counts.
    pub(super) fn note(&mut self, key: K, value: V) {
        self.open.entry(key).or_insert(value);
    }

    /// The keys that the open epoch changed.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.open.keys()
    }

    /// Whether the open epoch changed nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The open epoch is over.
    pub(super) fn seal(&mut self) {
        assert!(self.sealed.is_empty(), "one epoch is sealed at a time");
        std::mem::swap(&mut self.sealed, &mut self.open);
    }

    /// The sealed epoch stays.
    pub(super) fn commit(&mut self) {
        self.sealed.clear();
    }

    /// All values, those of the open epoch first, for taking back.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (K, V)> + use<K, V> {
        std::mem::take(&mut self.open).into_iter().chain(std::mem::take(&mut self.sealed))
    }
}
