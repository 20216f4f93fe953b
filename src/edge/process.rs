//! What the process is to its machine and to its own threads.
//!
//! Enters: nothing; a lock. Leaves: the memory that is held; what the lock guards. Always true: a thread that panicked while
//! it held such a lock left a whole value, since nothing behind one is changed in steps.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The memory that the process holds, where the system tells it.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Takes a lock, whoever panicked while holding it.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
