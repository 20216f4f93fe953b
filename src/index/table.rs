//! Slots by slice and hash: open addressing in lines of 64 bytes.
//!
//! Enters: a slice, a hash and a slot. Leaves: the slots with that hash, usually from one line. It knows no keys: whether a
//! slot is the right one is asked. Always true:
//! - an entry is in the line that its hash names or in one of the next [`REACH`] − 1, and all lines before its own are full;
//! - so a search ends at the first line that is not full;
//! - hashes are never zero, and a zero is a free place.
//!
//! A slice begins as one small array of lines, which doubles. From `LINES` lines on it is a directory of segments of that
//! many lines (extendible hashing): a segment in which an entry finds no place is split by the next bit of the hash. So no
//! growth moves more than a segment, whatever the size of the index, and only hashes are read for it, never keys.

use super::SLICES;
use super::chunks::Chunks;

/// Places in a line.
const PLACES: usize = 8;

/// Lines in which an entry may be, from the one that its hash names on. At that many, segments are about 85 % full when they
/// are split.
const REACH: usize = 4;

/// What a cache takes in at once: the places, by column.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line {
    hashes: [u32; PLACES],
    slots: [u32; PLACES],
}

impl Line {
    const EMPTY: Line = Line { hashes: [0; PLACES], slots: [0; PLACES] };

    /// The places that hold a hash, as bits.
    #[inline]
    fn matches(&self, hash: u32) -> u32 {
        let mut bits = 0;
        for (place, other) in self.hashes.iter().enumerate() {
            bits |= u32::from(*other == hash) << place;
        }
        bits
    }

    /// The slots that stand beside a hash.
    #[inline]
    fn slots_of(&self, hash: u32) -> impl Iterator<Item = u32> {
        let mut bits = self.matches(hash);
        std::iter::from_fn(move || {
            let place = bits.trailing_zeros() as usize;
            bits &= bits.wrapping_sub(1);
            self.slots.get(place).copied()
        })
    }

    fn free_place(&self) -> Option<usize> {
        self.hashes.iter().position(|hash| *hash == 0)
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.matches(0) == 0
    }

    fn entries(&self) -> impl Iterator<Item = (u32, u32)> {
        self.hashes.into_iter().zip(self.slots).filter(|(hash, _)| *hash != 0)
    }
}

/// The position of a hash among `count` equal ranges of hashes.
#[inline]
fn scaled(hash: u32, count: usize) -> usize {
    ((u64::from(hash) * count as u64) >> 32) as usize
}

/// Where a hash is, if it is anywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whereabouts<'a> {
    hash: u32,
    home: usize,
    lines: &'a [Line],
}

impl Whereabouts<'_> {
    /// Asks for the first line.
    #[inline]
    pub(super) fn prefetch(&self) {
        if let Some(line) = self.lines.get(self.home) {
            super::memory::prefetch(line);
        }
    }

    /// The first slot with this hash, right or not. Cheap; none is not an answer.
    #[inline]
    pub(super) fn candidate(&self) -> Option<u32> {
        self.lines.get(self.home)?.slots_of(self.hash).next()
    }

    /// Whether the first line has all slots with this hash.
    #[inline]
    pub(super) fn ends_here(&self) -> bool {
        self.lines.get(self.home).is_none_or(|line| !line.is_full())
    }

    /// The slot with this hash that is the right one.
    #[inline]
    pub(super) fn find(&self, is_right: impl Fn(u32) -> bool) -> Option<u32> {
        for line in reach(self.lines.len(), self.home) {
            let line = &self.lines[line];
            if let Some(slot) = line.slots_of(self.hash).find(|slot| is_right(*slot)) {
                return Some(slot);
            }
            if !line.is_full() {
                break;
            }
        }
        None
    }
}

/// The lines that an entry may be in.
#[inline]
fn reach(lines: usize, home: usize) -> impl Iterator<Item = usize> {
    (home..home + REACH.min(lines)).map(move |line| if line >= lines { line - lines } else { line })
}

/// How many lines behind its home an entry in `line` is.
fn distance(hash: u32, depth: u8, line: usize, count: usize) -> usize {
    (line + count - scaled(hash << depth, count)) % count
}

/// A segment of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    number: u32,
    /// Bits of the hash that all of its entries have in common.
    depth: u8,
}

#[derive(Debug, Default)]
struct Slice {
    /// While it is small.
    lines: Vec<Line>,
    /// When it is not: the segments by the first bits of the hash, a power of two of them.
    directory: Vec<Segment>,
}

/// The table of an index; `LINES`, a power of two, to a segment.
#[derive(Debug)]
pub(super) struct Table<const LINES: usize> {
    slices: Vec<Slice>,
    segments: Chunks<[Line; LINES]>,
    /// The sum of all distances of entries from their homes.
    extra_lines: usize,
}

impl<const LINES: usize> Table<LINES> {
    pub(super) fn new() -> Self {
        let slices = std::iter::repeat_with(Slice::default).take(usize::from(SLICES)).collect();
        Table { slices, segments: Chunks::default(), extra_lines: 0 }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        let of_slice = |slice: &Slice| {
            slice.lines.capacity() * size_of::<Line>() + slice.directory.capacity() * size_of::<Segment>()
        };
        let slices = self.slices.iter().map(of_slice).sum::<usize>();
        slices + self.slices.len() * size_of::<Slice>() + self.segments.bytes()
    }

    /// Lines beyond the first of each that finding every entry once would read.
    pub(super) fn extra_lines(&self) -> usize {
        self.extra_lines
    }

    /// Where a hash is, if it is anywhere.
    #[inline]
    pub(super) fn whereabouts(&self, slice: u16, hash: u32) -> Whereabouts<'_> {
        let slice = &self.slices[usize::from(slice)];
        let (lines, depth) = if slice.directory.is_empty() {
            (&slice.lines[..], 0)
        } else {
            let segment = slice.directory[scaled(hash, slice.directory.len())];
            (&self.segments.get(segment.number as usize)[..], segment.depth)
        };
        Whereabouts { hash, home: scaled(hash << depth, lines.len()), lines }
    }

    /// The lines of a hash, to change them, and how many bits of it they have in common.
    fn lines_mut(&mut self, slice: u16, hash: u32) -> (&mut [Line], u8) {
        let slice = &mut self.slices[usize::from(slice)];
        if slice.directory.is_empty() {
            (&mut slice.lines, 0)
        } else {
            let segment = slice.directory[scaled(hash, slice.directory.len())];
            (self.segments.get_mut(segment.number as usize), segment.depth)
        }
    }

    /// Adds a slot under a hash, which may be there already for others.
    pub(super) fn add(&mut self, slice: u16, hash: u32, slot: u32) {
        loop {
            let (lines, depth) = self.lines_mut(slice, hash);
            for (distance, line) in reach(lines.len(), scaled(hash << depth, lines.len())).enumerate() {
                let line = &mut lines[line];
                if let Some(place) = line.free_place() {
                    (line.hashes[place], line.slots[place]) = (hash, slot);
                    self.extra_lines += distance;
                    return;
                }
            }
            self.grow(slice, hash);
        }
    }

    /// Takes a slot out. Panics when it is not there.
    pub(super) fn remove(&mut self, slice: u16, hash: u32, slot: u32) {
        let (lines, depth) = self.lines_mut(slice, hash);
        let count = lines.len();
        let place_in =
            |line: &Line| (0..PLACES).find(|at| (line.hashes[*at], line.slots[*at]) == (hash, slot));
        let found =
            reach(count, scaled(hash << depth, count)).find_map(|line| Some((line, place_in(&lines[line])?)));
        let (mut line, mut place) = found.expect("every entry is in its slice's table");
        let mut nearer = distance(hash, depth, line, count);
        loop {
            let was_full = lines[line].is_full();
            (lines[line].hashes[place], lines[line].slots[place]) = (0, 0);
            if !was_full {
                break;
            }
            // An entry behind a full line may have its home here or before: it takes the place, and leaves its own.
            let Some((from, moved)) = displaced(lines, depth, line) else { break };
            nearer += (from + count - line) % count;
            (lines[line].hashes[place], lines[line].slots[place]) =
                (lines[from].hashes[moved], lines[from].slots[moved]);
            (line, place) = (from, moved);
        }
        self.extra_lines -= nearer;
    }

    /// The slots of a slice, in no order.
    pub(super) fn slots(&self, slice: u16) -> impl Iterator<Item = u32> {
        let slice = &self.slices[usize::from(slice)];
        // Neighbours in the directory may be the same segment.
        let first = |at: &usize| *at == 0 || slice.directory[*at - 1] != slice.directory[*at];
        let firsts = (0..slice.directory.len()).filter(first);
        let segments = firsts.flat_map(|at| self.segments.get(slice.directory[at].number as usize));
        slice.lines.iter().chain(segments).flat_map(|line| line.entries().map(|(_, slot)| slot))
    }

    /// Makes room where a hash found none. Apart from adding, which would have to make room for a segment on the stack too.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, slice: u16, hash: u32) {
        let extra_lines = &mut self.extra_lines;
        let mut taken_out = |lines: &[Line], depth| {
            let mut entries = Vec::new();
            for (at, line) in lines.iter().enumerate() {
                let distances = line.entries().map(|(hash, _)| distance(hash, depth, at, lines.len()));
                *extra_lines -= distances.sum::<usize>();
                entries.extend(line.entries());
            }
            entries
        };
        let own = &mut self.slices[usize::from(slice)];
        let moved = if !own.directory.is_empty() {
            let mut at = scaled(hash, own.directory.len());
            let Segment { number, depth } = own.directory[at];
            if 1 << depth == own.directory.len() {
                own.directory = own.directory.iter().flat_map(|segment| [*segment; 2]).collect();
                at *= 2;
            }
            assert!(LINES << (depth + 1) <= 1 << 31, "hashes are spread over their range");
            // The entries of the directory that are this segment: aligned, a power of two.
            let count = own.directory.len() >> depth;
            let begin = at / count * count;
            let second = u32::try_from(self.segments.len()).expect("fewer segments than slots");
            own.directory[begin..begin + count / 2].fill(Segment { number, depth: depth + 1 });
            own.directory[begin + count / 2..begin + count]
                .fill(Segment { number: second, depth: depth + 1 });
            self.segments.push([Line::EMPTY; LINES]);
            let lines = self.segments.get_mut(number as usize);
            let moved = taken_out(lines, depth);
            lines.fill(Line::EMPTY);
            moved
        } else {
            let lines = (2 * own.lines.len()).max(1);
            let old = std::mem::take(&mut own.lines);
            if lines < LINES {
                own.lines = vec![Line::EMPTY; lines];
            } else {
                let number = u32::try_from(self.segments.len()).expect("fewer segments than slots");
                own.directory = vec![Segment { number, depth: 0 }];
                self.segments.push([Line::EMPTY; LINES]);
            }
            taken_out(&old, 0)
        };
        moved.into_iter().for_each(|(hash, slot)| self.add(slice, hash, slot));
    }
}

/// An entry behind `line`, within reach of it, whose home is there or before.
fn displaced(lines: &[Line], depth: u8, line: usize) -> Option<(usize, usize)> {
    let count = lines.len();
    for (distance, other) in reach(count, line).enumerate().skip(1) {
        let is_displaced = |hash: u32| self::distance(hash, depth, other, count) >= distance;
        let hashes = &lines[other].hashes;
        if let Some(place) = hashes.iter().position(|hash| *hash != 0 && is_displaced(*hash)) {
            return Some((other, place));
        }
        if !lines[other].is_full() {
            break;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Each entry is within reach of its home, and lines before its own are full. How far they all are from their homes.
    fn check<const LINES: usize>(table: &Table<LINES>, slice: u16) -> usize {
        let mut extra_lines = 0;
        let own = &table.slices[usize::from(slice)];
        let arrays = own
            .directory
            .iter()
            .map(|segment| (&table.segments.get(segment.number as usize)[..], segment.depth));
        let first = |at: &usize| *at == 0 || own.directory[*at - 1] != own.directory[*at];
        let arrays = arrays.enumerate().filter(|(at, _)| first(at)).map(|(_, array)| array);
        for (lines, depth) in arrays.chain([(&own.lines[..], 0)]) {
            for (at, line) in lines.iter().enumerate() {
                for (hash, _) in line.entries() {
                    let home = scaled(hash << depth, lines.len());
                    let before: Vec<usize> =
                        reach(lines.len(), home).take_while(|other| *other != at).collect();
                    extra_lines += before.len();
                    assert!(reach(lines.len(), home).any(|other| other == at), "within reach");
                    assert!(before.iter().all(|other| lines[*other].is_full()), "no gap before");
                }
            }
        }
        extra_lines
    }

    /// Hashes that crowd: in both halves of the range, few in their first bits, many of them equal.
    fn hashes() -> impl Strategy<Value = u32> {
        let crowded = (0..4_u32, 0..64_u32).prop_map(|(top, low)| (top << 30 | low << 20) + 1);
        prop_oneof![3 => crowded, 1 => 1..u32::MAX]
    }

    proptest! {
        #![proptest_config(super::super::tests::cases())]

        #[test]
        fn a_table_behaves_like_a_set(
            steps in proptest::collection::vec((any::<bool>(), 0..2_u16, hashes(), 0..4_u32), 0..900),
        ) {
            // Segments of few lines, so that they are split often.
            let mut table = Table::<8>::new();
            let mut set = BTreeSet::new();
            for (adds, slice, hash, slot) in steps {
                let is_crowded = set.range((slice, hash, 0)..=(slice, hash, 3)).count() > 2;
                if adds && !is_crowded && set.insert((slice, hash, slot)) {
                    table.add(slice, hash, slot);
                } else if set.remove(&(slice, hash, slot)) {
                    table.remove(slice, hash, slot);
                }
            }
            prop_assert_eq!(check(&table, 0) + check(&table, 1), table.extra_lines());
            for slice in 0..2 {
                let listed: BTreeSet<u32> = table.slots(slice).collect();
                let expected = set.range((slice, 0, 0)..(slice + 1, 0, 0));
                prop_assert_eq!(table.slots(slice).count(), expected.clone().count());
                prop_assert_eq!(listed, expected.map(|(_, _, slot)| *slot).collect());
                for &(other, hash, slot) in &set {
                    let whereabouts = table.whereabouts(slice, hash);
                    let found = whereabouts.find(|found| found == slot);
                    prop_assert_eq!(found.is_some(), set.contains(&(slice, hash, slot)), "{}", other);
                    if whereabouts.ends_here() && found.is_some() {
                        prop_assert!(whereabouts.candidate().is_some());
                    }
                }
            }
        }
    }

    #[test]
    fn a_slice_that_grows_keeps_everything() {
        let count: u32 = if cfg!(miri) { 200 } else { 100_000 };
        let hash = |slot: u32| slot.wrapping_mul(0x9e37_79b9).max(1);
        let mut table = Table::<64>::new();
        (0..count).for_each(|slot| table.add(5, hash(slot), slot));
        assert_eq!(check(&table, 5), table.extra_lines());
        assert!((0..count).all(|slot| table.whereabouts(5, hash(slot)).find(|s| s == slot).is_some()));
        assert_eq!(table.slots(5).count(), count as usize);
        (0..count).filter(|slot| slot % 3 > 0).for_each(|slot| table.remove(5, hash(slot), slot));
        assert_eq!(check(&table, 5), table.extra_lines());
        assert!((0..count).all(|slot| {
            table.whereabouts(5, hash(slot)).find(|s| s == slot).is_some() == (slot % 3 == 0)
        }));
        assert!(cfg!(miri) || table.bytes() < count as usize * 2 * size_of::<Line>() / PLACES + (64 << 10));
    }
}
