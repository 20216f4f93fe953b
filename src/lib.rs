//! dockside tells a fulfillment center's dock what to expect, from every carrier scan.
//!
//! Scans and commands come in as bytes, are decoded into the vocabulary of [`model`], resolved in the [`index`],
//! folded by the [`fold`], moved through the [`stations`] and carried between them by the [`engine`]. Everything up to the
//! engine is pure: no clock, no network, no threads inside a station.
//!
//! Imports go one way: `model ← carriers ← decode ← fold ← index ← stations ← engine ← workload ← edge ← main`.

pub mod model;

pub mod carriers;

pub mod decode;

pub mod fold;

pub mod index;

pub mod stations;

pub mod engine;

pub mod workload;

#[cfg(feature = "edge")]
pub mod edge;
