//! A seeded world that looks like the real thing.
