//! `generate`: a seeded world as replay lines, or into Kafka.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::output::{Out, tell};
use super::world::WorldArgs;
use super::{ConfigArgs, log_failure};
use crate::edge::config::Config;
use crate::edge::feeder::Feeder;
use crate::edge::kafka::KafkaBroker;
use crate::edge::problem::{Exit, Failure, Problem};
use crate::engine::log::Broker;
use crate::workload::{Messages, World, write_replay_line, write_tick_line};

/// Makes a seeded feed: replay lines on stdout or in a file, or records in Kafka (-c).
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dockside generate --scans 10000 --seed 7 --out day.ndjson\n  \
    dockside generate --scans 1000000 -c dockside.toml --wait")]
pub(super) struct GenerateArgs {
    #[command(flatten)]
    world: WorldArgs,
    /// Partitions that batches are grouped by; with -c, the topics say.
    #[arg(long, value_name = "P", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    partitions: u32,
    /// Where the lines go; `-` is stdout.
    #[arg(short, long, value_name = "FILE|-", default_value = "-", conflicts_with = "config")]
    out: PathBuf,
    /// Into Kafka: writes a phase only when everything before it has been processed.
    #[arg(long, requires = "config")]
    wait: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(args: &GenerateArgs) -> Result<Exit, Failure> {
    if args.config.config.is_some() {
        return into_kafka(args, &args.config.load_telling()?);
    }
    let mut sink = Sink::open(&args.out)?;
    let mut world = World::new(args.world.config(args.partitions));
    let (mut messages, mut lines) = (Messages::default(), Vec::new());
    while let Some(phase) = world.next_phase(&mut messages) {
        for message in messages.iter() {
            write_replay_line(&message, &mut lines);
            if lines.len() >= 1 << 18 {
                sink.write(&lines)?;
                lines.clear();
            }
        }
        write_tick_line(phase.tick, &mut lines);
    }
    sink.write(&lines)?;
    sink.finish()?;
    Ok(Exit::Ok)
}

/// Where lines go.
enum Sink {
    Stdout(Out),
    File(PathBuf, BufWriter<File>),
}

impl Sink {
    fn open(path: &Path) -> Result<Sink, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Sink::Stdout(Out::stdout()));
        }
        let file = File::create(path).map_err(|error| cannot_write(path, &error))?;
        Ok(Sink::File(path.to_path_buf(), BufWriter::new(file)))
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), Failure> {
        match self {
            Sink::Stdout(out) => out.bytes(lines),
            Sink::File(path, file) => file.write_all(lines).map_err(|error| cannot_write(path, &error)),
        }
    }

    fn finish(mut self) -> Result<(), Failure> {
        match &mut self {
            Sink::Stdout(out) => out.flush(),
            Sink::File(path, file) => file.flush().map_err(|error| cannot_write(path, &error)),
        }
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Usage, Problem::error("E0003", format!("cannot write {}: {error}", path.display())))
}

/// With `--wait`: until the running service has read everything.
fn wait_if_told(args: &GenerateArgs, broker: &KafkaBroker) -> Result<(), Failure> {
    if args.wait {
        let failed = |error| log_failure(&error);
        while !broker.is_caught_up().map_err(failed)? {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

fn into_kafka(args: &GenerateArgs, config: &Config) -> Result<Exit, Failure> {
    let broker = KafkaBroker::open(&config.kafka_config()).map_err(|error| log_failure(&error))?;
    let mut world = World::new(args.world.config(broker.partitions()));
    let (mut messages, mut feeder) = (Messages::default(), Feeder::default());
    while let Some(phase) = world.next_phase(&mut messages) {
        feeder.phase(&broker, &messages, |_| {}).map_err(|error| log_failure(&error))?;
        wait_if_told(args, &broker)?;
        feeder.close(&broker, phase.tick).map_err(|error| log_failure(&error))?;
        wait_if_told(args, &broker)?;
    }
    let expected = world.expected();
    tell(&format!(
        "wrote {} scans in {} messages, {} commands",
        expected.scans, expected.scan_messages, expected.commands
    ));
    Ok(Exit::Ok)
}
