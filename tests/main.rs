//! The integration tests, in one binary.

/// What every log must do, and what the in-process ones do beyond it.
mod conformance;

/// The binary as a person or a script meets it.
#[cfg(feature = "edge")]
mod cli;

/// What must not be in the sources.
mod tidy;
