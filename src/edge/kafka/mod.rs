//! Kafka: the log of a cluster.
//!
//! Enters: a [`KafkaConfig`]. Leaves: [`KafkaLog`], one worker's view (a member of the group and its transactional
//! producer); [`KafkaBroker`], the view from outside; [`TopicsPlan`], the topics as they are and should be.
//! Always true:
//! - an epoch is one transaction: outputs and positions become visible together, under the member's generation;
//! - there is one answer to anything but plain success of a transaction: the producer is dropped, a new one with the
//!   same name ends what the old one left open, and the group's stable positions tell what became of the epoch;
//! - callbacks of the client only record; whatever blocks runs in `poll`, on the worker's own thread;
//! - no value of a raw property appears in an error or in `Debug`: it may be a secret.

mod broker;
mod clerk;
mod clients;
mod config;
mod direct;
mod greeting;
#[cfg(feature = "bench")]
mod measuring;
mod member;
mod mirror;
mod names;
mod owners;
mod patience;
mod properties;
mod queue;
mod reader;
mod restoring;
mod signs;
mod topics;
mod valve;
mod worker;
mod writer;

pub use broker::KafkaBroker;
pub use config::{Fetch, KafkaConfig, Retention};
#[cfg(feature = "bench")]
pub use measuring::{Sender, Watcher, count_scans};
pub use properties::Properties;
pub(crate) use properties::{known_names, objection, refusal, risk, translated};
pub use restoring::Restoring;
pub use signs::{Fetching, Signs};
pub use topics::{
    Blocked, Change, Settings, Step, TopicPlan, TopicsPlan, apply_topics, check_topics, create_topics,
    plan_topics,
};
pub use worker::KafkaLog;
