//! The one place that reads the wall clock. Everything else takes the time as an argument.

use crate::model::Timestamp;

/// The time now, in whole milliseconds.
#[expect(clippy::disallowed_methods, reason = "the edge reads the clock, here and nowhere else")]
pub fn now() -> Timestamp {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}
