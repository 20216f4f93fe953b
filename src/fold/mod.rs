//! What a number shows: progress, its join, and the view.
//!
//! Enters: scans of one number at one carrier, as often and in whatever order they come; the floor of its lives. Leaves:
//! [`Progress`], which keeps what matters of them, and [`View`], what a box that the number serves shows.
//! Always true: joining is commutative, associative and idempotent while no bound evicts, so the order, the repetition and the
//! batching of scans never show (R17); the view is a pure function of progress, interval and place.
//!
//! Nothing here knows a shipment, a station or a clock. The rules are §2 and §3 of `docs/rulebook.md`.
//!
//! Suggested reading order: `progress`, `view`, then what progress is made of: `layout`, `words`, `lone`, `marks`,
//! and how it is read back: `packed`.

mod json;
mod layout;
mod lone;
mod marks;
mod packed;
mod progress;
mod view;
mod words;

#[cfg(test)]
pub(crate) mod tests;

pub use packed::{Reader, Spare};
pub use progress::{Appointment, Joined, Progress};
pub use view::{Episode, Fact, Interval, View, view};
