//! What was before: how epochs are taken back.
//!
//! Enters: what there was before an epoch changed it, once for each thing and epoch. Leaves: the same, newest first. Always
//! true: at most two epochs can be taken back, the open one and the one before it, which is sealed and on its way into the
//! log; the sealed one is kept or taken back before another is sealed, and never taken back without the open one.

use std::collections::BTreeMap;
use std::ops::Range;

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
    /// Adds to the open epoch.
    pub(super) fn push(&mut self, image: T) {
        self.open.push(image);
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
    pub(super) fn commit(&mut self) {
        self.sealed.clear();
    }

    /// The newest image, for taking back.
    pub(super) fn pop(&mut self) -> Option<T> {
        self.open.pop().or_else(|| self.sealed.pop())
    }
}

/// Images of two epochs as bytes: each epoch has them behind one another in a buffer that stays.
#[derive(Debug)]
pub(super) struct Images<K> {
    sealed: Epoch<K>,
    open: Epoch<K>,
}

#[derive(Debug)]
struct Epoch<K> {
    /// What each is of, and where its bytes are; none: there was nothing.
    images: Vec<(K, Option<Range<usize>>)>,
    bytes: Vec<u8>,
}

impl<K> Default for Images<K> {
    fn default() -> Self {
        let none = || Epoch { images: Vec::new(), bytes: Vec::new() };
        Images { sealed: none(), open: none() }
    }
}

impl<K: Copy> Images<K> {
    /// Adds to the open epoch; its place there.
    pub(super) fn push(&mut self, key: K, image: Option<&[u8]>) -> usize {
        let Epoch { images, bytes } = &mut self.open;
        let start = bytes.len();
        bytes.extend_from_slice(image.unwrap_or_default());
        images.push((key, image.map(|_| start..bytes.len())));
        images.len() - 1
    }

    /// An image of the open epoch, by its place.
    pub(super) fn image(&self, place: usize) -> Option<&[u8]> {
        Some(&self.open.bytes[self.open.images[place].1.clone()?])
    }

    /// What the open epoch changed, in the order of the first changes.
    pub(super) fn keys(&self) -> impl Iterator<Item = K> {
        self.open.images.iter().map(|(key, _)| *key)
    }

    /// The open epoch is over.
    pub(super) fn seal(&mut self) {
        assert!(self.sealed.images.is_empty(), "one epoch is sealed at a time");
        std::mem::swap(&mut self.sealed, &mut self.open);
    }

    /// The sealed epoch stays.
    pub(super) fn commit(&mut self) -> impl Iterator<Item = K> {
        self.sealed.bytes.clear();
        self.sealed.images.drain(..).map(|(key, _)| key)
    }

    /// The newest image, for taking back.
    pub(super) fn pop(&mut self) -> Option<(K, Option<Vec<u8>>)> {
        let epoch = if self.open.images.is_empty() { &mut self.sealed } else { &mut self.open };
        let (key, range) = epoch.images.pop()?;
        // It is the last one.
        let image = range.map(|range| epoch.bytes.split_off(range.start));
        Some((key, image))
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
