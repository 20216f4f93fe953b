//! Values by position, in memory that grows without moving what is there.
//!
//! Enters: values, one after the other. Leaves: references by position. Always true: a value stays where it was put. Chunks
//! double until they have 64 MiB, and then stay so; room that was not used yet is reserved, and costs no memory where the
//! system gives pages when they are touched.

use super::memory;

/// The largest chunk.
const CHUNK_BYTES_MAX: usize = 64 << 20;

/// Values by position.
#[derive(Debug)]
pub(super) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Chunks { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Chunks<T> {
    /// Values in the first chunk.
    const FIRST: usize = 32;
    /// Values in the largest ones: a power of two.
    const LARGEST: usize = {
        let largest = 1 << (CHUNK_BYTES_MAX / size_of::<T>()).ilog2();
        assert!(largest >= Self::FIRST);
        largest
    };
    /// Chunks that are smaller than the largest.
    const SMALLER: usize = (Self::LARGEST / Self::FIRST).ilog2() as usize;

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes that values take, used room only.
    pub(super) fn bytes(&self) -> usize {
        self.len * size_of::<T>()
    }

    /// Puts a value at the end.
    pub(super) fn push(&mut self, value: T) {
        self.filled().push(value);
        self.len += 1;
    }

    /// Puts so many values at the end, which must have room in the chunk that is filled now.
    pub(super) fn extend(&mut self, count: usize)
    where
        T: Clone + Default,
    {
        assert!(count <= self.room(), "{count} values, and room for {}", self.room());
        let chunk = self.filled();
        chunk.resize(chunk.len() + count, T::default());
        self.len += count;
    }

    /// The chunk that is filled now.
    fn filled(&mut self) -> &mut Vec<T> {
        let (chunk, _) = Self::place(self.len);
        if chunk == self.chunks.len() {
            let mut room = Vec::with_capacity(Self::FIRST << chunk.min(Self::SMALLER));
            memory::prefer_large_pages(room.spare_capacity_mut());
            self.chunks.push(room);
        }
        &mut self.chunks[chunk]
    }

    /// How many more fit into the chunk that is filled now, beside the last one.
    pub(super) fn room(&self) -> usize {
        let (chunk, at) = Self::place(self.len);
        (Self::FIRST << chunk.min(Self::SMALLER)) - at
    }

    /// So many values from a position on, which stand in one chunk. Panics when they do not.
    #[inline]
    pub(super) fn run(&self, position: usize, count: usize) -> &[T] {
        let (chunk, at) = Self::place(position);
        &self.chunks[chunk][at..at + count]
    }

    /// So many values from a position on, to change them. Panics when they do not stand in one chunk.
    #[inline]
    pub(super) fn run_mut(&mut self, position: usize, count: usize) -> &mut [T] {
        let (chunk, at) = Self::place(position);
        &mut self.chunks[chunk][at..at + count]
    }

    /// The value at a position. Panics when there is none.
    #[inline]
    pub(super) fn get(&self, position: usize) -> &T {
        let (chunk, at) = Self::place(position);
        &self.chunks[chunk][at]
    }

    /// The value at a position, to change it. Panics when there is none.
    #[inline]
    pub(super) fn get_mut(&mut self, position: usize) -> &mut T {
        let (chunk, at) = Self::place(position);
        &mut self.chunks[chunk][at]
    }

    /// The chunk of a position, and where in it. Counted from `FIRST`, a chunk begins at each power of two, and in the end at
    /// each multiple of the largest.
    #[inline]
    fn place(position: usize) -> (usize, usize) {
        let counted = position + Self::FIRST;
        if counted >= Self::LARGEST {
            (Self::SMALLER + counted / Self::LARGEST - 1, counted % Self::LARGEST)
        } else {
            let power = counted.ilog2();
            ((power - Self::FIRST.ilog2()) as usize, counted - (1 << power))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_follow_each_other_without_gaps() {
        type Big = Chunks<[u8; 1 << 20]>;
        assert_eq!((Big::FIRST, Big::LARGEST, Big::SMALLER), (32, 64, 1));
        let mut expected = (0, 0);
        for position in 0..400 {
            assert_eq!(Big::place(position), expected, "{position}");
            let room = if expected.0 == 0 { 32 } else { 64 };
            expected =
                if expected.1 + 1 == room { (expected.0 + 1, 0) } else { (expected.0, expected.1 + 1) };
        }
    }

    #[test]
    fn values_stay_where_they_are() {
        let count: u32 = if cfg!(miri) { 300 } else { 300_000 };
        let mut values = Chunks::default();
        values.push(0);
        let first = std::ptr::from_ref(values.get(0));
        (1..count).for_each(|value| values.push(value));
        *values.get_mut(7) += count;
        assert!(std::ptr::eq(first, values.get(0)));
        for value in 0..count {
            let expected = if value == 7 { value + count } else { value };
            assert_eq!(*values.get(value as usize), expected);
        }
        assert_eq!((values.len(), values.bytes()), (count as usize, 4 * count as usize));
    }
}
