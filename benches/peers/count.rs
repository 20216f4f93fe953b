//! The floor: the Kafka client alone, counting the scans that there are.
//!
//! Enters: `scans`, to its end. Leaves: their number, on stdout. It reads as dockside does: the same client, in bulk, into
//! one queue, committed records only, with the same fetch settings and checksums. It decodes nothing, keeps nothing and
//! writes nothing.
#![expect(unsafe_code, reason = "rd_kafka_consume_batch_queue has no safe wrapper")]

#[path = "client.rs"]
mod client;

use std::io::Write;
use std::ptr;

use anyhow::{Context, Result, bail};
use clap::Parser;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka_sys as sys;
use sys::rd_kafka_resp_err_t as Code;

use client::{all_partitions, consumer_config};

/// Messages are taken from the client in handfuls.
const HANDFUL: usize = 256;

#[derive(Debug, Parser)]
struct Args {
    /// The brokers to ask first.
    #[arg(long)]
    bootstrap: String,
    /// What stands before the names of the inputs.
    #[arg(long)]
    inputs: String,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let topic = format!("{}scans", args.inputs);
    let consumer: BaseConsumer = consumer_config(&args.bootstrap, "peer-count").create()?;
    let partitions = all_partitions(&consumer, &topic)?;
    let mut open = partitions.count();
    consumer.assign(&partitions)?;
    let scans = count(&consumer, &mut open)?;
    writeln!(std::io::stdout(), "{scans}").context("stdout is closed")
}

/// Counts messages until so many partitions have ended.
fn count(consumer: &BaseConsumer, open: &mut usize) -> Result<u64> {
    // SAFETY: the consumer's handle is valid as long as the consumer; the reference to its queue is given back below.
    let queue = unsafe { sys::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
    if queue.is_null() {
        bail!("the client has no queue");
    }
    let mut messages = [ptr::null_mut(); HANDFUL];
    let mut scans = 0;
    let mut failed = None;
    while *open > 0 && failed.is_none() {
        // SAFETY: the queue is valid until it is given back, and the array has room for as many as are asked for.
        let taken = unsafe { sys::rd_kafka_consume_batch_queue(queue, 100, messages.as_mut_ptr(), HANDFUL) };
        for message in &messages[..usize::try_from(taken).context("the queue cannot be read")?] {
            // SAFETY: the client filled the first `taken` places with messages that are ours until destroyed, once, here.
            let code = unsafe {
                let code = (**message).err;
                sys::rd_kafka_message_destroy(*message);
                code
            };
            match code {
                Code::RD_KAFKA_RESP_ERR_NO_ERROR => scans += 1,
                Code::RD_KAFKA_RESP_ERR__PARTITION_EOF => *open -= 1,
                other => failed = Some(other),
            }
        }
    }
    // SAFETY: the reference that was taken above, given back once; nobody uses it afterwards.
    unsafe { sys::rd_kafka_queue_destroy(queue) };
    match failed {
        Some(code) => bail!("reading failed: {code:?}"),
        None => Ok(scans),
    }
}
