//! dockside tells a fulfillment center's dock what to expect, from every carrier scan.
//!
//! Three words to begin with:
//!
//! - **progress** ([`fold::Progress`]): what all scans of one number at one carrier have said so far, whether anybody
//!   registered the number or not;
//! - **view** ([`fold::View`]): what a box shows: a pure function of progress, of the interval in which the number serves
//!   the box, and of the FC;
//! - **epoch** ([`engine::log::Epoch`]): everything a worker did between two commits. It happens whole or not at all.
//!
//! The way of a scan: bytes are decoded ([`decode`]) into the vocabulary ([`model`]) with what is known of carriers
//! ([`carriers`]), resolved to its number ([`index`]), folded into the number's progress ([`fold`]), and told on as a box
//! event if what a box shows has changed. The three [`stations`] decide, the [`engine`] makes it happen exactly once, and
//! the edge (feature `edge`) meets the world: command line, configuration, Kafka.
//!
//! Two ways in:
//!
//! - [`engine::replay::Replay`] tells records to the stations one by one, with no log at all;
//! - [`engine::worker::Worker`] runs the stations of its partitions over any [`engine::log::Log`].
//!
//! Always true: everything up to [`workload`] is synchronous and takes time, randomness and secrets as arguments. (The
//! embedded log keeps files: that is what it is.) Imports go one way:
//! `model ← carriers ← decode ← fold ← index ← stations ← engine ← workload ← edge ← main`.
//!
//! `ARCHITECTURE.md` says why, `docs/rulebook.md` what is decided.

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
