//! Where a campaign takes place: topics of its own, a world and who feeds it, processes of the program, the proof in the end.
//!
//! Always true: the feed is an idempotent producer past every proxy that never gives up, so that each record is written
//! once whatever happens; phases wait for each other as `generate --wait` does.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dockside::edge::kafka::{KafkaBroker, KafkaConfig, Properties, create_topics};
use dockside::engine::log::{Broker, Positions};
use dockside::model::{Lane, Partition, Timestamp, Topic};
use dockside::workload::{Messages, World, WorldConfig};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use super::witness::{Witness, now};
use super::{Dice, size, tell};
use crate::kafka::FOREVER;
use crate::kafka::cluster::{Cluster, Listener};
use crate::kafka::plain;

const WORKERS: u32 = 2;
/// How often it is asked whether a phase was read, at 20 ms and more each: minutes.
const READ_TRIES: u32 = 4_000;

/// What a stage is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Of the topics and the group.
    pub(super) name: &'static str,
    pub(super) partitions: u32,
    pub(super) replication: u32,
    /// Scans of the sample; the environment may want more.
    pub(super) scans: u64,
}

pub(super) struct Stage {
    plan: Plan,
    world: WorldConfig,
    kafka: KafkaConfig,
    home: tempfile::TempDir,
}

/// How far the harm is: the feed keeps pace with it.
pub(super) struct Pace {
    harms: u64,
    harmed: AtomicU64,
    scans: u64,
    /// The feed is at its end.
    fed: AtomicBool,
    /// What the feed does, for whoever waits for it.
    feeding: Mutex<&'static str>,
    given_up: AtomicBool,
}

/// A process of the program that is started again under the same name.
pub(super) struct Run {
    command: Command,
    log: PathBuf,
    child: Child,
}

impl Stage {
    pub(super) fn on(cluster: &Cluster, plan: Plan) -> Stage {
        let kafka = KafkaConfig {
            bootstrap_servers: cluster.servers(Listener::Plain),
            topic_prefix: format!("{}.", plan.name),
            group_id: plan.name.to_owned(),
            instance: format!("{}-outside", plan.name),
            partitions: plan.partitions,
            replication: plan.replication,
            properties: Properties::from_iter([("reconnect.backoff.max.ms", "1000")]),
            // The world's times are of long ago.
            retention: FOREVER,
            ..KafkaConfig::default()
        };
        // Nothing is compacted: each version of a document can be proven.
        for topic in Topic::COMPACTED {
            cluster.create_topic(&format!("{}.{}", plan.name, topic.name()), plan.partitions);
        }
        create_topics(&kafka).expect("the other topics");
        let scans = size("SCANS", plan.scans);
        let world =
            WorldConfig { partitions: plan.partitions, ..WorldConfig::new(size("SEED", 4_711), scans) };
        Stage { plan, world, kafka, home: home() }
    }

    pub(super) fn group(&self) -> &str {
        self.plan.name
    }

    pub(super) fn dice(&self) -> Dice {
        Dice(self.world.seed)
    }

    /// The name of a process.
    pub(super) fn instance(&self, number: u32) -> String {
        format!("{}-{number}", self.plan.name)
    }

    /// The arguments that name the log, and the world's clock.
    fn command(&self, what: &str, servers: &str) -> Command {
        let file = self.home.path().join(format!("{}.toml", servers.replace([':', ','], "-")));
        let Plan { name, partitions, replication, .. } = self.plan;
        let debug = std::env::var("DOCKSIDE_CAMPAIGN_DEBUG")
            .map_or(String::new(), |of| format!("debug = \"{of}\"\n"));
        let text = format!(
            "[kafka]\nbootstrap_servers = \"{servers}\"\ntopic_prefix = \"{name}.\"\ngroup_id = \"{name}\"\n\
             replication = {replication}\n\
             [kafka.properties]\n\"reconnect.backoff.max.ms\" = \"1000\"\n\
             [kafka.consumer.properties]\n\"session.timeout.ms\" = \"6000\"\n\"heartbeat.interval.ms\" = \"300\"\n{debug}\
             [retention]\nscans_days = 0\ncommands_days = 0\nhops_days = 0\ncommand_results_days = 0\n\
             dead_letters_days = 0\n\
             [engine]\nclock = \"input\"\nepoch_ms = 20\nworkers = {WORKERS}\npartitions = {partitions}\n"
        );
        // Once: an earlier process may just be reading it.
        if !file.exists() {
            std::fs::write(&file, text).expect("a file in a directory of ours");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_dockside"));
        command.arg(what).arg("-c").arg(file);
        command
    }

    /// Starts a process of the program, which finds the brokers there. Every other one fetches directly, unless the environment
    /// tells all of them how.
    pub(super) fn run(&self, number: u32, servers: &str) -> Run {
        let mut command = self.command("run", servers);
        let instance = self.instance(number);
        command.args(["--format", "json", "--set"]).arg(format!("kafka.instance={instance}"));
        if std::env::var_os("DOCKSIDE_KAFKA_FETCH").is_none() && number % 2 == 1 {
            command.args(["--set", "kafka.fetch=direct"]);
        }
        let log = self.home.path().join(format!("{instance}.log"));
        let child = started(&mut command, &log);
        Run { command, log, child }
    }

    /// Feeds the world while `harm` is done, until all of it was read; then the proof.
    pub(super) fn play(&self, harms: u64, harm: impl FnOnce(&Pace, &Witness)) {
        let began = now();
        let pace = Pace {
            harms,
            harmed: AtomicU64::new(0),
            scans: self.world.scans,
            fed: AtomicBool::new(false),
            feeding: Mutex::new("begins"),
            given_up: AtomicBool::new(false),
        };
        let state = format!("{}state", self.kafka.topic_prefix);
        let witness = Witness::start(&self.kafka.bootstrap_servers, &state, self.plan.partitions);
        std::thread::scope(|scope| {
            let _ends = EndsWithPanic(&pace, self);
            let feed = scope.spawn(|| self.feed(&pace));
            harm(&pace, &witness);
            let harmed = pace.harmed.load(Ordering::Acquire);
            assert_eq!(harmed, harms, "harm that was not done");
            if let Err(panic) = feed.join() {
                std::panic::resume_unwind(panic);
            }
        });
        let (name, epochs) = (self.plan.name, witness.records());
        let took = now() - began;
        tell(&format!("{name}: {} scans, {epochs} deltas, {harms} harms in {took:?}", self.world.scans));
        self.prove();
    }

    fn feed(&self, pace: &Pace) {
        let broker = KafkaBroker::open(&self.kafka).expect("a broker with topics");
        let mut feed = Feed {
            ends: Positions::new(),
            stage: self,
            hops: plain::client(&self.kafka.bootstrap_servers)
                .set("group.id", "feed")
                .set("enable.auto.commit", "false")
                .set("enable.partition.eof", "true")
                .set("fetch.wait.max.ms", "10")
                .set("isolation.level", "read_committed")
                .create()
                .expect("a consumer"),
            pace,
            producer: plain::client(&self.kafka.bootstrap_servers)
                .set("enable.idempotence", "true")
                .set("message.timeout.ms", "0")
                .set("linger.ms", "5")
                .create()
                .expect("a producer"),
        };
        let (mut world, mut messages) = (World::new(self.world.clone()), Messages::default());
        let mut sent = 0;
        while let Some(phase) = world.next_phase(&mut messages) {
            for message in messages.iter() {
                feed.send(message.topic, message.partition, message.timestamp, message.key, message.value);
                if message.topic == Topic::Scans {
                    sent += 1;
                    pace.keep(sent);
                }
            }
            feed.wait_until_read(&broker);
            for partition in 0..self.plan.partitions {
                feed.send(Topic::Commands, partition, phase.tick, None, br#"{"type":"tick"}"#);
            }
            feed.wait_until_read(&broker);
        }
        pace.fed.store(true, Ordering::Release);
    }

    /// `verify` finds nothing, in all that was written since the first epoch.
    fn prove(&self) {
        let mut command = self.command("verify", &self.kafka.bootstrap_servers);
        command.args(["--scans", &self.world.scans.to_string(), "--seed", &self.world.seed.to_string()]);
        let mut report = String::new();
        // The end of a transaction is written a moment after its commit.
        for _ in 0..10 {
            let ran = command.output().expect("the binary runs");
            report = String::from_utf8_lossy(&ran.stdout).into_owned();
            if ran.status.success() {
                tell(report.trim_end());
                let looked = self.said("looking for our positions");
                tell(&format!("{}: positions were looked for {looked} times", self.plan.name));
                return;
            }
            let _ = write!(report, "{}", String::from_utf8_lossy(&ran.stderr));
            std::thread::sleep(Duration::from_millis(300));
        }
        panic!("verify is not content:\n{report}\n{}", self.logs());
    }

    /// What each process wrote.
    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let files = std::fs::read_dir(self.home.path()).expect("a directory of ours").flatten();
        files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "log"))
    }

    /// How often the processes said so.
    fn said(&self, words: &str) -> usize {
        let count = |path| std::fs::read_to_string(path).unwrap_or_default().matches(words).count();
        self.files().map(count).sum()
    }

    /// The last words of every process.
    fn logs(&self) -> String {
        let mut logs = String::new();
        for path in self.files() {
            let _ = write!(logs, "{}:\n{}\n", path.display(), last_lines(&path));
        }
        logs
    }
}

struct Feed<'a> {
    stage: &'a Stage,
    /// Of the lanes that are fed: who writes without transactions knows the offsets.
    ends: Positions,
    pace: &'a Pace,
    /// Looks whether the stations have anything more to tell each other.
    hops: BaseConsumer,
    producer: BaseProducer,
}

impl Feed<'_> {
    fn send(&mut self, topic: Topic, partition: u32, at: Timestamp, key: Option<&[u8]>, value: &[u8]) {
        let lane = if topic == Topic::Scans { Lane::Scans } else { Lane::Commands };
        *self.ends.entry((lane, Partition(partition))).or_default() += 1;
        let topic = format!("{}{}", self.stage.kafka.topic_prefix, topic.name());
        let partition = i32::try_from(partition).expect("few");
        let mut record =
            BaseRecord::<[u8], [u8]>::to(&topic).partition(partition).timestamp(at.0).payload(value);
        record.key = key;
        self.pace.feeds("sends");
        loop {
            record = match self.producer.send(record) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => back,
                Err((error, _)) => panic!("the feed stops: {error}"),
            };
            self.producer.poll(Duration::from_millis(20));
            self.pace.go_on();
        }
    }

    /// Until all is written, and read by the processes.
    fn wait_until_read(&self, broker: &KafkaBroker) {
        for _ in 0..READ_TRIES {
            self.pace.go_on();
            // While the brokers are away nobody can tell.
            self.pace.feeds("waits for the brokers to have what was sent");
            let written = self.producer.flush(Duration::from_millis(500)).is_ok();
            let read = || {
                self.pace.feeds("asks for the committed positions");
                let committed = broker.committed().ok()?;
                self.pace.feeds("waits for positions at the end, and for hops to be read");
                let fed = self.ends.iter().all(|(place, end)| committed[place] == *end);
                (fed && self.are_hops_read(&committed) && broker.committed().ok()? == committed).then_some(())
            };
            if written && read().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("waited too long for the world to be read: {}\n{}", self.behind(broker), self.stage.logs());
    }

    /// Which lanes are not read, and who has them.
    fn behind(&self, broker: &KafkaBroker) -> String {
        let committed = match broker.committed() {
            Ok(committed) => committed,
            Err(error) => return error.to_string(),
        };
        let mut behind = String::new();
        for ((lane, partition), end) in &self.ends {
            let next = committed[&(*lane, *partition)];
            if next != *end {
                let _ = write!(behind, "{lane:?} of {partition} at {next} of {end}; ");
            }
        }
        for partition in 0..self.stage.plan.partitions {
            let at = (Lane::Hops, Partition(partition));
            if !self.are_hops_read(&Positions::from([(at, committed[&at])])) {
                let _ = write!(behind, "hops of {partition} at {}; ", committed[&at]);
            }
        }
        let _ = write!(behind, "owners {:?}", broker.owners());
        behind
    }
}

impl Feed<'_> {
    /// Whether no committed hop is behind these positions.
    fn are_hops_read(&self, committed: &Positions) -> bool {
        let mut left = TopicPartitionList::new();
        for ((_, partition), next) in committed.iter().filter(|((lane, _), _)| *lane == Lane::Hops) {
            let (partition, next) = (i32::try_from(partition.0), i64::try_from(*next));
            let (partition, next) = (partition.expect("few"), Offset::Offset(next.expect("few")));
            let hops = format!("{}hops", self.stage.kafka.topic_prefix);
            left.add_partition_offset(&hops, partition, next).expect("an offset");
        }
        // A new assignment: every partition reaches its end anew.
        self.hops.assign(&left).expect("an assignment by hand");
        let mut ended = BTreeSet::new();
        for _ in 0..100 {
            match self.hops.poll(Duration::from_millis(20)) {
                Some(Ok(_)) => return false,
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(ended.insert(partition)),
                Some(Err(_)) | None => {}
            }
            if ended.len() == left.count() {
                return true;
            }
        }
        false
    }
}

impl Pace {
    /// One more harm is done.
    pub(super) fn harmed(&self) {
        self.harmed.fetch_add(1, Ordering::AcqRel);
    }

    /// Waits until something is committed after so many records. (All that is fed was read in time.)
    pub(super) fn goes_on(&self, witness: &Witness, records: u64) {
        let goes_on = (0..6_000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            witness.records() > records || self.fed.load(Ordering::Acquire)
        });
        let feeding = self.feeding.lock().map(|feeding| *feeding);
        assert!(goes_on, "no epoch within a minute; the feed {feeding:?}");
    }

    /// Takes its time after so many scans: each harm has its share of them, in small pieces. When that is used up they only
    /// drip, so that there is always something to read.
    fn keep(&self, sent: u64) {
        self.go_on();
        let harmed = self.harmed.load(Ordering::Acquire);
        let share = self.scans / (self.harms + 1);
        if harmed == self.harms {
            return;
        }
        if sent > share * (harmed + 1) {
            std::thread::sleep(Duration::from_millis(200));
        } else if sent.is_multiple_of((share / 40).max(1)) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn feeds(&self, what: &'static str) {
        *self.feeding.lock().expect("nobody panics with it") = what;
    }

    fn go_on(&self) {
        assert!(!self.given_up.load(Ordering::Acquire), "the campaign failed elsewhere");
    }
}

/// A feed does not outlast the harm that failed, and what the processes said shows beside the failure.
struct EndsWithPanic<'a>(&'a Pace, &'a Stage);

impl Drop for EndsWithPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.given_up.store(true, Ordering::Release);
            tell(&self.1.logs());
        }
    }
}

/// Where processes write what they say; `DOCKSIDE_CAMPAIGN_KEEP=1` leaves it there.
fn home() -> tempfile::TempDir {
    let home = tempfile::Builder::new()
        .prefix("dockside-campaign-")
        .disable_cleanup(size("KEEP", 0) > 0)
        .tempdir()
        .expect("a directory");
    if size("KEEP", 0) > 0 {
        tell(&format!("kept: {}", home.path().display()));
    }
    home
}

fn started(command: &mut Command, log: &PathBuf) -> Child {
    let open = || OpenOptions::new().create(true).append(true).open(log).expect("a file of ours");
    let (out, err): (File, File) = (open(), open());
    command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().expect("the binary runs")
}

fn last_lines(path: &PathBuf) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

impl Run {
    /// `kill -9`, and the next one at once.
    pub(super) fn kill_and_restart(&mut self) {
        self.assert_lives();
        self.child.kill().expect("kill -9");
        self.child.wait().expect("it is gone");
        self.child = started(&mut self.command, &self.log);
    }

    /// Nothing ends it but we.
    pub(super) fn assert_lives(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a child") {
            panic!("it ended by itself: {status}\n{}", last_lines(&self.log));
        }
    }

    /// Its memory now, in KiB; 0 where nobody tells.
    pub(super) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    }

    /// SIGTERM: it finishes, and says so with its exit code.
    pub(super) fn end(mut self) {
        self.assert_lives();
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there");
        assert!(sent.success(), "a signal to a child");
        for _ in 0..6_000 {
            if let Some(status) = self.child.try_wait().expect("a child") {
                assert!(status.success(), "{status}\n{}", last_lines(&self.log));
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end\n{}", last_lines(&self.log));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
