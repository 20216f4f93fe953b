//! Short byte strings that change their length: packed entries.
//!
//! Enters: bytes. Leaves: a [`Cell`] of 8 bytes that stands for them, and through it the bytes. Always true: a cell's bytes
//! stay where they are until the cell is written; an empty string takes nothing.
//!
//! Cells are whole units of 8 bytes in memory that grows by chunks, so 4 bytes of each are wasted on average and nothing stands
//! between them. A cell that was left is used again for strings of its size; above 256 bytes sizes are rounded up by an eighth
//! at most, so that a string that grows byte by byte does not leave a cell of every size behind.

use super::chunks::Chunks;
use super::memory;

/// What cells are measured in.
type Unit = [u8; UNIT_BYTES];
const UNIT_BYTES: usize = 8;

/// Up to so many units every size is kept apart.
const EXACT_UNITS: usize = 32;

/// The longest string: a tenth of the largest chunk, and less than 2²⁴.
pub const CELL_BYTES_MAX: usize = 6 << 20;

/// Where a byte string stands, and one byte that is its owner's.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cell {
    unit: u32,
    /// The length, and the owner's byte on top.
    bytes: u32,
}

const OWNER_SHIFT: u32 = 24;
const LENGTH: u32 = (1 << OWNER_SHIFT) - 1;

impl Cell {
    /// The length of the string.
    pub fn len(&self) -> usize {
        (self.bytes & LENGTH) as usize
    }

    /// Whether the string is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The owner's byte.
    pub fn owner(&self) -> u8 {
        self.bytes.to_le_bytes()[3]
    }

    /// Sets the owner's byte, which stays when the bytes are replaced.
    pub fn set_owner(&mut self, owner: u8) {
        self.bytes = self.bytes & LENGTH | u32::from(owner) << OWNER_SHIFT;
    }
}

/// Byte strings.
#[derive(Debug, Default)]
pub struct Cells {
    units: Chunks<Unit>,
    /// The first units of cells that were left, by size.
    free: Vec<Vec<u32>>,
}

impl Cells {
    /// The bytes of a cell.
    #[inline]
    pub fn get(&self, cell: &Cell) -> &[u8] {
        if cell.is_empty() {
            return &[];
        }
        let units = self.units.run(cell.unit as usize, cell.len().div_ceil(UNIT_BYTES));
        &units.as_flattened()[..cell.len()]
    }

    /// Asks for the first lines of a cell.
    #[inline]
    pub fn prefetch(&self, cell: &Cell) {
        if !cell.is_empty() {
            let units = self.units.run(cell.unit as usize, cell.len().div_ceil(UNIT_BYTES));
            memory::prefetch(&units[0]);
            memory::prefetch(&units[units.len() - 1]);
        }
    }

    /// Replaces the bytes of a cell, which may move for it; without any it takes nothing any more. Panics when they are more
    /// than [`CELL_BYTES_MAX`].
    pub fn set(&mut self, cell: &mut Cell, bytes: &[u8]) {
        let (size, _) = size_of_length(bytes.len());
        if size != size_of_length(cell.len()).0 {
            self.give_back(cell);
            cell.unit = self.take(bytes.len());
        }
        cell.bytes = cell.bytes & !LENGTH | u32::try_from(bytes.len()).expect("within the bound");
        if !bytes.is_empty() {
            let units = self.units.run_mut(cell.unit as usize, bytes.len().div_ceil(UNIT_BYTES));
            units.as_flattened_mut()[..bytes.len()].copy_from_slice(bytes);
        }
    }

    fn give_back(&mut self, cell: &Cell) {
        let (size, units) = size_of_length(cell.len());
        if units > 0 {
            self.free[size].push(cell.unit);
        }
    }

    fn take(&mut self, bytes: usize) -> u32 {
        assert!(bytes <= CELL_BYTES_MAX, "an entry of {bytes} bytes");
        let (size, units) = size_of_length(bytes);
        if self.free.len() <= size {
            self.free.resize_with(size + 1, Vec::new);
        }
        if units == 0 {
            return 0;
        }
        if let Some(unit) = self.free[size].pop() {
            return unit;
        }
        while self.units.room() < units {
            self.units.extend(self.units.room());
        }
        let unit = u32::try_from(self.units.len()).expect("a partition's entries take less than 32 GiB");
        self.units.extend(units);
        unit
    }
}

/// The size of cells for strings of a length, as a number, and in units.
fn size_of_length(bytes: usize) -> (usize, usize) {
    let units = bytes.div_ceil(UNIT_BYTES);
    if units <= EXACT_UNITS {
        return (units, units);
    }
    // Eight sizes for each power of two.
    let step = 1 << (units.ilog2() - 3);
    let rounded = units.next_multiple_of(step);
    let power = rounded.ilog2();
    let eighth = (rounded >> (power - 3)) & 7;
    (EXACT_UNITS + ((power - EXACT_UNITS.ilog2()) as usize) * 8 + eighth, rounded)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 256 }, ..ProptestConfig::default() })]
        #[test]
        fn cells_hold_what_was_put_last(
            steps in vec((0..12_usize, prop_oneof![4 => 0..90_usize, 1 => 0..3_000_usize], any::<u8>(), any::<bool>()), 0..200)
        ) {
            let mut cells = Cells::default();
            let mut held: [(Cell, Vec<u8>, u8); 12] = Default::default();
            for (which, length, byte, freed) in steps {
                let (cell, bytes, owner) = &mut held[which];
                if freed {
                    cells.set(cell, &[]);
                    bytes.clear();
                } else {
                    *bytes = vec![byte; length];
                    cells.set(cell, bytes);
                    if byte < 99 {
                        *owner = byte.wrapping_mul(3);
                        cell.set_owner(*owner);
                    }
                }
                for (cell, bytes, owner) in &held {
                    cells.prefetch(cell);
                    prop_assert_eq!((cells.get(cell), cell.len()), (&bytes[..], bytes.len()));
                    prop_assert_eq!(cell.owner(), *owner);
                }
            }
        }
    }

    #[test]
    fn a_size_is_large_enough_and_has_one_number() {
        let mut numbers = std::collections::BTreeMap::new();
        for bytes in (0..70_000).chain([CELL_BYTES_MAX - 1, CELL_BYTES_MAX]) {
            let (number, units) = size_of_length(bytes);
            assert!(units * UNIT_BYTES >= bytes, "{bytes}");
            assert!(units * UNIT_BYTES <= (bytes + bytes / 8).max(bytes + 7), "{bytes}");
            assert_eq!(*numbers.entry(number).or_insert(units), units, "{bytes}");
        }
        assert!(numbers.values().is_sorted(), "{numbers:?}");
    }

    #[test]
    fn cells_that_were_left_are_used_again() {
        let mut cells = Cells::default();
        let mut held = Vec::from_iter((0..1_000_usize).map(|length| {
            let mut cell = Cell::default();
            cells.set(&mut cell, &vec![7; length]);
            cell
        }));
        let full = cells.units.len();
        held.iter_mut().for_each(|cell| cells.set(cell, &[]));
        held.clear();
        for length in (0..1_000).rev() {
            let mut cell = Cell::default();
            cells.set(&mut cell, &vec![8; length]);
            held.push(cell);
        }
        assert_eq!(cells.units.len(), full);
    }
}
