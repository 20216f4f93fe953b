//! The one place that reads the wall clock. Everything else takes the time as an argument.

use crate::model::Timestamp;

/// The time now, in whole milliseconds.
#[expect(clippy::disallowed_methods, reason = "the edge reads the clock, here and nowhere else")]
pub fn now() -> Timestamp {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

/// Microseconds since some instant of this process's life: for measuring, never for deciding.
#[expect(clippy::disallowed_methods, reason = "the edge reads the clock, here and nowhere else")]
pub fn elapsed_us() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let start = START.get_or_init(std::time::Instant::now);
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}
