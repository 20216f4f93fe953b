//! The integration tests, in one binary.

/// What every log must do, and what the in-process ones do beyond it.
mod conformance;

/// The naive model of the rulebook, against which the engine is held.
mod twin;
