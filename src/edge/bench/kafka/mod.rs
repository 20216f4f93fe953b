//! B0, and B6 to B11: what happens on a broker.
//!
//! Enters: where a broker is. Leaves: lines; without a broker, what is missing. Always true: every measurement has topics and
//! a group of its own, under a prefix that no other run uses; they are left there, since nothing here deletes topics.

mod plan_lines;
mod restart;
mod streams;
mod worlds;

use std::sync::atomic::{AtomicU64, Ordering};

use super::plot::Plot;
use super::{Bar, Budget, Line, Options};
use crate::edge::clock;
use crate::edge::kafka::{KafkaBroker, KafkaConfig, Retention, create_topics};
use crate::engine::log::LogError;

/// Partitions of every topic.
const PARTITIONS: u32 = 4;

const NO_BROKER: &str = "a broker: --bootstrap HOST:PORT";

/// The lines of one budget.
pub(super) fn lines(budget: Budget, options: &Options, plots: &mut Vec<Plot>) -> Result<Vec<Line>, LogError> {
    let bars: &[Bar] = match budget {
        Budget::B0 => &worlds::DIRECT,
        Budget::B6 => &[worlds::HOT, worlds::REAL],
        // It brings a broker of its own.
        Budget::B7 => return streams::cpu_per_scan(options),
        Budget::B8 => &[worlds::BATCHED],
        Budget::B9 => &[plan_lines::HALF, plan_lines::MOST],
        Budget::B10 => &[restart::LOADED, restart::COMMITTED],
        _ => &[restart::RESTORED],
    };
    let Some(bootstrap) = &options.bootstrap else {
        return Ok(bars.iter().map(|bar| bar.missing(NO_BROKER)).collect());
    };
    match budget {
        Budget::B0 => worlds::cpu_directly(bootstrap, options),
        Budget::B6 => worlds::cpu_per_scan(bootstrap, options),
        Budget::B8 => worlds::batches(bootstrap, options, plots),
        Budget::B9 => plan_lines::lines(bootstrap, options, plots),
        Budget::B10 => restart::from_the_copy(bootstrap, options),
        _ => restart::from_kafka(bootstrap, options),
    }
}

/// Topics and a group that nobody else uses.
fn own_config(bootstrap: &str) -> KafkaConfig {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let name = format!("dockside-bench-{}-{}", clock::now().0, MADE.fetch_add(1, Ordering::Relaxed));
    KafkaConfig {
        bootstrap_servers: bootstrap.to_owned(),
        topic_prefix: format!("{name}."),
        group_id: name,
        instance: "bench".to_owned(),
        partitions: PARTITIONS,
        // A world's times may lie far back: nothing is deleted by its age.
        retention: Retention {
            scans_ms: None,
            commands_ms: None,
            hops_ms: None,
            command_results_ms: None,
            dead_letters_ms: None,
            ..Retention::default()
        },
        ..KafkaConfig::default()
    }
}

/// A broker with new topics.
fn own_topics(bootstrap: &str) -> Result<(KafkaConfig, KafkaBroker), LogError> {
    let config = own_config(bootstrap);
    create_topics(&config)?;
    let broker = KafkaBroker::open(&config)?;
    Ok((config, broker))
}
