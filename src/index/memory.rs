//! What is asked of the machine's memory: lines ahead of their use, and large pages.
//!
//! Enters: references and reserved room. Leaves: nothing. Always true: both are hints. No value is read or written, so a
//! machine that knows neither gives the same results, later.
#![expect(unsafe_code, reason = "the prefetch instruction and madvise have no safe form")]

use std::mem::MaybeUninit;

/// The bytes that memory moves at once.
const LINE_BYTES: usize = 64;

/// Below this much, large pages are not worth the call.
const LARGE_BYTES: usize = 2 << 20;

/// Asks for the lines that a value lies in, to be there when it is read.
#[inline]
pub fn prefetch<T>(value: &T) {
    let first = std::ptr::from_ref(value).cast::<u8>();
    for at in (0..size_of::<T>()).step_by(LINE_BYTES) {
        prefetch_line(first.wrapping_add(at));
    }
    // A value that does not begin with a line ends in one more.
    if size_of::<T>() > 1 && align_of::<T>() < LINE_BYTES {
        prefetch_line(first.wrapping_add(size_of::<T>() - 1));
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
fn prefetch_line(address: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch never faults and changes nothing that a program sees, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline]
fn prefetch_line(_: *const u8) {}

/// Asks for large pages under room that is reserved and not yet written.
#[cfg(all(target_os = "linux", not(miri)))]
pub fn prefer_large_pages<T>(room: &mut [MaybeUninit<T>]) {
    let bytes = size_of_val(room);
    if bytes < LARGE_BYTES {
        return;
    }
    // Whole small pages of at most 64 KiB only, whatever size the system uses; the ends stay as they are.
    let first = room.as_mut_ptr().cast::<u8>();
    let skipped = first.align_offset(64 << 10);
    let Some(length) = bytes.checked_sub(skipped) else { return };
    let length = length & !((64 << 10) - 1);
    // SAFETY: `MADV_HUGEPAGE` keeps the contents of every page. The range lies within `room`, which is ours alone and mapped.
    // A failure (no such pages here) is of no consequence.
    unsafe { libc::madvise(first.wrapping_add(skipped).cast(), length, libc::MADV_HUGEPAGE) };
}

/// Asks for large pages under room that is reserved and not yet written: this system has no way to.
#[cfg(not(all(target_os = "linux", not(miri))))]
pub fn prefer_large_pages<T>(_: &mut [MaybeUninit<T>]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_change_nothing() {
        let mut room: Vec<u64> = Vec::with_capacity(LARGE_BYTES / 2);
        room.extend([1, 2, 3]);
        prefer_large_pages(room.spare_capacity_mut());
        prefer_large_pages::<u64>(&mut []);
        room.iter().for_each(prefetch);
        prefetch(&[0_u8; 300]);
        prefetch(&());
        room.resize(LARGE_BYTES / 2, 4);
        assert_eq!((&room[..4], room.last()), (&[1, 2, 3, 4][..], Some(&4)));
    }
}
