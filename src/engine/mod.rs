//! How stations run: workers, epochs, undo, positions, the state log and the [`log::Log`] that joins them.

pub mod digest;

pub mod log;
