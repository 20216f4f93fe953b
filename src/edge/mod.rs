//! Everything that touches the world: arguments, configuration, clocks, files, terminals and the Kafka client.
//!
//! Always true: nothing outside this folder knows it. Bad bytes stay values here too; what fails here is the world, and
//! it is told as a [`problem::Problem`]: what, where, why, and what to do next.

#[cfg(feature = "bench")]
pub mod bench;
pub mod bulk;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crew;
pub mod desk;
pub mod feeder;
pub mod feeds;
pub mod http;
pub mod kafka;
pub mod latency;
pub mod logs;
pub mod problem;
pub mod process;
pub mod secret;
pub mod signals;
pub mod verify;
pub mod watchdog;
