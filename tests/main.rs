//! The integration tests, in one binary.

/// What every log must do, and what the in-process ones do beyond it.
mod conformance;

/// The README's example through `replay`.
mod replay;

/// The naive model of the rulebook, against which the engine is held.
mod twin;

/// Engine and twin, side by side over seeded worlds; crashes and faults in between.
mod agreement;

/// The rules, as tables of little stories.
mod rules;

/// An epoch taken back leaves no trace, and the state log tells all.
mod rollback;
