//! The configuration: read once, checked once, and from then on a value.
//!
//! Enters: `config/dockside.toml` (embedded), a file, the environment, `--set` arguments; later ones win. Leaves: a
//! [`Config`] whose every field is in its bounds, or all errors at once, each with its place. Always true: nothing
//! behind this module checks a setting again.

mod feeds;
mod http;
mod properties;
mod raw;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use feeds::Profiles;
pub(crate) use feeds::read_profile;
pub use http::HttpSettings;
pub(crate) use raw::nearest;
use raw::{Entries, Entry, Value};

use crate::carriers::Catalogue;
use crate::decode::Feeds;
use crate::edge::kafka::{Fetch, KafkaConfig, Properties, Retention};
use crate::edge::problem::{Exit, Failure, Place, Problem, Severity, Source};
use crate::engine::worker::OnGap;
use crate::model::{DAY_MS, Fcs, HOUR_MS, MINUTE_MS, SECOND_MS, Settings};
use crate::stations::{ClockSource, Rules, StateFormat};

/// Every key, its default, its unit and its reason.
pub const DEFAULTS: &str = include_str!("../../../config/dockside.toml");

/// What the environment, a file and arguments say.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// All environment variables.
    pub environment: BTreeMap<String, String>,
    /// `KEY=VALUE` of each `--set`.
    pub set: Vec<String>,
}

impl Inputs {
    /// The inputs of this process.
    pub fn of_process(file: Option<&Path>, set: &[String]) -> Inputs {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Inputs { file: file.map(Path::to_path_buf), environment, set: set.to_vec() }
    }
}

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// How to reach Kafka.
    pub kafka: KafkaSettings,
    /// Section `[retention]`: how long the topics keep what.
    pub retention: Retention,
    /// How the engine runs.
    pub engine: EngineSettings,
    /// Section `[http]`.
    pub http: HttpSettings,
    /// Section `[rules]`: what the rulebook marks as *(default)*.
    pub settings: Settings,
    /// The carriers.
    pub catalogue: Catalogue,
    /// The fulfillment centers.
    pub fcs: Fcs,
    /// The profiles by name: those that are built in, and those of `profiles.dir`.
    pub profiles: Profiles,
    /// The feeds that are read with a profile.
    pub feeds: Feeds,
}

impl Config {
    /// What the Kafka client is told.
    pub fn kafka_config(&self) -> KafkaConfig {
        KafkaConfig {
            bootstrap_servers: self.kafka.bootstrap_servers.clone(),
            topic_prefix: self.kafka.topic_prefix.clone(),
            group_id: self.kafka.group_id.clone(),
            instance: self.kafka.instance.clone(),
            advertise: None,
            partitions: self.engine.partitions,
            replication: self.kafka.replication,
            min_insync_replicas: self.kafka.min_insync_replicas,
            retention: self.retention.clone(),
            fetch: self.kafka.fetch,
            properties: self.kafka.properties.clone(),
            consumer_properties: self.kafka.consumer_properties.clone(),
            producer_properties: self.kafka.producer_properties.clone(),
            snapshot_dir: self.engine.snapshot_dir.clone(),
            ..KafkaConfig::default()
        }
    }

    /// What the stations judge by.
    pub fn rules(self) -> Rules {
        Rules { catalogue: self.catalogue, fcs: self.fcs, settings: self.settings, feeds: self.feeds }
    }
}

/// Section `[kafka]`.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// Brokers to ask first.
    pub bootstrap_servers: String,
    /// Stands before every topic's name.
    pub topic_prefix: String,
    /// The consumer group.
    pub group_id: String,
    /// The stable name of this process.
    pub instance: String,
    /// Copies of each partition, for topics that are created.
    pub replication: u32,
    /// Replicas that must have a record before it counts; `None`: one fewer than there are.
    pub min_insync_replicas: Option<u32>,
    /// Whether `run` creates missing topics.
    pub create_topics: bool,
    /// Whether topics that are kept otherwise than wanted are an error.
    pub strict_topics: bool,
    /// Who fetches the records of the lanes.
    pub fetch: Fetch,
    /// Properties for consumers and producers.
    pub properties: Properties,
    /// Properties for consumers.
    pub consumer_properties: Properties,
    /// Properties for producers.
    pub producer_properties: Properties,
}

/// Section `[engine]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// Worker threads; 0 is one per core.
    pub workers: u32,
    /// Partitions of every topic.
    pub partitions: u32,
    /// The longest an epoch stays open.
    pub epoch_ms: i64,
    /// The most input records of an epoch.
    pub epoch_records_max: usize,
    /// Where ticks come from.
    pub clock: ClockSource,
    /// What to do where records were deleted before they were read.
    pub on_gap: OnGap,
    /// Which format the state log is written in.
    pub state_format: StateFormat,
    /// How long an orderly end may take.
    pub shutdown: Duration,
    /// Where the state logs are copied to.
    pub snapshot_dir: Option<PathBuf>,
}

/// A configuration, and what is odd about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings.
    pub warnings: Vec<Problem>,
    /// Where each property of the client is set.
    properties: BTreeMap<String, Place>,
}

impl Loaded {
    /// What the Kafka client says of all its properties together and of the files that they name, without connecting.
    pub fn objections(&self) -> Vec<Problem> {
        let said = self.config.kafka_config().problems();
        let told = said.into_iter().map(|said| {
            let place = self.properties.iter().find(|(name, _)| said.contains(name.as_str()));
            let problem = Problem::error("E0107", format!("the Kafka client refuses its properties: {said}"));
            match place {
                Some((_, place)) => problem.at(&place.source, place.span.clone(), place.label.clone()),
                None => problem,
            }
        });
        told.collect()
    }
}

/// Reads the configuration, or says everything that is wrong with it.
pub fn load(inputs: &Inputs) -> Result<Loaded, Failure> {
    let mut problems = Vec::new();
    let known = raw::read_toml("config/dockside.toml", DEFAULTS, None, &mut problems);
    assert_eq!(problems, [], "the embedded configuration is tested to parse");

    let mut entries = known.clone();
    let mut file = None;
    if let Some(path) = &inputs.file {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let what = format!("cannot read the configuration {}: {error}", path.display());
            Failure::new(Exit::Config, Problem::error("E0101", what).help("name the file with -c FILE"))
        })?;
        let name = path.display().to_string();
        entries.extend(raw::read_toml(&name, &text, Some(&known), &mut problems));
        file = Some((name, text));
    }
    entries.extend(raw::read_environment(&inputs.environment, &known, &mut problems));
    for argument in &inputs.set {
        entries.extend(raw::read_set(argument, &known, &mut problems));
    }

    let mut reader = Reader { known: &known, entries: &entries, problems };
    let config = reader.config(inputs, file.as_ref());
    let problems = reader.problems;
    let properties = places_of_properties(&entries);
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Failure { exit: Exit::Config, problems });
    }
    Ok(Loaded { config, warnings: problems, properties })
}

fn places_of_properties(entries: &Entries) -> BTreeMap<String, Place> {
    let placed = entries.iter().filter_map(|(path, entry)| {
        let name = raw::FREE.iter().find_map(|section| path.strip_prefix(section)?.strip_prefix('.'))?;
        let place = Place {
            source: Arc::clone(&entry.source),
            span: entry.key_span.clone(),
            label: "set here".to_owned(),
        };
        Some((name.to_owned(), place))
    });
    placed.collect()
}

/// Converts entries, and notes every problem. After an error it goes on with the default.
struct Reader<'a> {
    known: &'a Entries,
    entries: &'a Entries,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn config(&mut self, inputs: &Inputs, file: Option<&(String, String)>) -> Config {
        let profiles = self.profiles();
        let [properties, consumer_properties, producer_properties] = raw::FREE
            .map(|section| properties::read(section, self.entries, &inputs.environment, &mut self.problems));
        let instance =
            self.text("kafka.instance", is_name_or_empty, "letters, digits and `. _ -`, up to 200");
        Config {
            kafka: KafkaSettings {
                bootstrap_servers: self.text(
                    "kafka.bootstrap_servers",
                    is_server_list,
                    "host:port, separated by commas",
                ),
                topic_prefix: self.text(
                    "kafka.topic_prefix",
                    is_name_or_empty,
                    "letters, digits and `. _ -`, up to 200",
                ),
                group_id: self.text("kafka.group_id", |text| !text.is_empty(), "not empty"),
                instance: if instance.is_empty() { host_name(&inputs.environment) } else { instance },
                replication: self.integer("kafka.replication", 1..=32),
                min_insync_replicas: self.min_insync_replicas(),
                create_topics: self.boolean("kafka.create_topics"),
                strict_topics: self.boolean("kafka.strict_topics"),
                fetch: self.choice("kafka.fetch", &[("client", Fetch::Client), ("direct", Fetch::Direct)]),
                properties,
                consumer_properties,
                producer_properties,
            },
            retention: self.retention(),
            engine: EngineSettings {
                workers: self.integer("engine.workers", 0..=1024),
                partitions: self.integer("engine.partitions", 1..=4096),
                epoch_ms: self.integer("engine.epoch_ms", 1..=10_000),
                epoch_records_max: self.integer("engine.epoch_records_max", 1..=10_000_000),
                clock: self
                    .choice("engine.clock", &[("wall", ClockSource::Wall), ("input", ClockSource::Input)]),
                on_gap: self.choice("engine.on_gap", &[("fail", OnGap::Fail), ("skip", OnGap::Skip)]),
                state_format: self.choice(
                    "engine.state_format",
                    &[("newest", StateFormat::Newest), ("previous", StateFormat::Previous)],
                ),
                shutdown: Duration::from_millis(self.integer("engine.shutdown_ms", 100..=600_000)),
                snapshot_dir: self.path("engine.snapshot_dir"),
            },
            http: self.http(&inputs.environment),
            settings: self.settings(),
            catalogue: self.catalogue(),
            fcs: self.fcs(),
            feeds: self.feeds(file, &profiles),
            profiles,
        }
    }

    fn min_insync_replicas(&mut self) -> Option<u32> {
        let key = "kafka.min_insync_replicas";
        let least: u32 = self.integer(key, 0..=32);
        if let Value::Integer(replicas) = self.entries["kafka.replication"].value
            && replicas < i64::from(least)
        {
            let entry = self.entries[key].clone();
            let what = format!(
                "`{key}` cannot be {least}: with kafka.replication = {replicas} nothing could be written"
            );
            self.refuse(&entry, "E0105", what, format!("expected at most {replicas}"));
            return None;
        }
        (least > 0).then_some(least)
    }

    fn retention(&mut self) -> Retention {
        let mut days = |key: &str| {
            let days: i64 = self.integer(key, 0..=36_500);
            (days > 0).then_some(days * DAY_MS)
        };
        Retention {
            scans_ms: days("retention.scans_days"),
            commands_ms: days("retention.commands_days"),
            hops_ms: days("retention.hops_days"),
            command_results_ms: days("retention.command_results_days"),
            dead_letters_ms: days("retention.dead_letters_days"),
            tombstones_ms: HOUR_MS * self.integer::<i64>("retention.tombstones_hours", 1..=24 * 365),
        }
    }

    fn settings(&mut self) -> Settings {
        let mut ms = |key: &str, unit_ms: i64, range| unit_ms * self.integer::<i64>(key, range);
        Settings {
            before_creation_ms: ms("rules.before_creation_hours", HOUR_MS, 0..=24 * 365),
            park_ms: ms("rules.park_days", DAY_MS, 1..=3650),
            retire_ms: ms("rules.retire_days", DAY_MS, 1..=3650),
            life_after_delivery_ms: ms("rules.life_after_delivery_days", DAY_MS, 1..=3650),
            yard_dwell_ms: ms("rules.yard_dwell_hours", HOUR_MS, 1..=24 * 365),
            future_ms: ms("rules.future_minutes", MINUTE_MS, 0..=24 * 60),
            age_ms_max: ms("rules.age_days_max", DAY_MS, 1..=3650),
            window_ms_max: ms("rules.window_days_max", DAY_MS, 1..=365),
            window_cross_border_ms_max: ms("rules.window_cross_border_days_max", DAY_MS, 1..=365),
            shipments_conflation_ms: ms("rules.shipments_conflation_ms", 1, 0..=HOUR_MS),
            grace_ms: ms("rules.grace_seconds", SECOND_MS, 0..=24 * 3600),
            command_ids_ms: ms("rules.command_ids_days", DAY_MS, 1..=3650),
            standing_ms: ms("rules.standing_days", DAY_MS, 1..=3650),
            escalate_ms: ms("rules.escalate_days", DAY_MS, 1..=3650),
            restriction_ms: ms("rules.restriction_hours", HOUR_MS, 24..=72),
            feed_gap_ms: ms("rules.feed_gap_hours", HOUR_MS, 1..=24 * 365),
            acceptable_rate_per_mille: self.integer("rules.acceptable_rate_per_mille", 0..=1000),
            standing_shipments_min: self.integer("rules.standing_shipments_min", 1..=1_000_000),
            require_acknowledgement: self.boolean("rules.require_acknowledgement"),
            accounts_max: self.integer("rules.accounts_max", 1_000..=1 << 32),
            arrivals_max: self.integer("rules.arrivals_max", 1_000..=1 << 32),
            open_boxes_max: self.integer("rules.open_boxes_max", 0..=1 << 32),
            strict_blanks: self.boolean("rules.strict_blanks"),
            strict_fcs: self.boolean("rules.strict_fcs"),
            park_bytes_max: self.integer("rules.park_bytes_max", 1 << 20..=1 << 40),
            park_numbers_max: self.integer("rules.park_numbers_max", 1_000..=1 << 32),
            message_bytes_max: self.integer("rules.message_bytes_max", 1024..=1 << 30),
            command_ids_max: self.integer("rules.command_ids_max", 1..=10_000),
        }
    }

    fn catalogue(&mut self) -> Catalogue {
        let Some(dir) = self.path("carriers.dir") else { return Catalogue::embedded() };
        let files = match read_toml_files(&dir) {
            Ok(files) => files,
            Err(error) => {
                let entry = self.entries["carriers.dir"].clone();
                let what = format!("cannot read the carrier files in {}: {error}", dir.display());
                self.refuse(&entry, "E0109", what, "named here");
                return Catalogue::embedded();
            }
        };
        Catalogue::with_files(&files).unwrap_or_else(|errors| {
            for error in errors {
                let text = files.iter().find(|(name, _)| *name == error.file).map(|(_, text)| text.clone());
                let source = Arc::new(Source { name: error.file, text: text.unwrap_or_default() });
                let problem = Problem::error("E0109", format!("a carrier file is wrong: {}", error.message));
                self.problems.push(match error.span {
                    Some(span) => problem.at(&source, span, "here"),
                    None => problem.at(&source, 0..0, "in this file"),
                });
            }
            Catalogue::embedded()
        })
    }

    fn fcs(&mut self) -> Fcs {
        let Some(path) = self.path("fcs.file") else { return Fcs::embedded() };
        let name = path.display().to_string();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                let entry = self.entries["fcs.file"].clone();
                self.refuse(
                    &entry,
                    "E0110",
                    format!("cannot read the FC file {name}: {error}"),
                    "named here",
                );
                return Fcs::default();
            }
        };
        Fcs::parse(&text).unwrap_or_else(|error| {
            let problem = Problem::error("E0110", format!("the FC file is wrong: {}", error.message)).help(
                "one table per FC: [ICT2], time_zone = \"America/Chicago\", postal_codes = [\"67219\"]",
            );
            let source = Arc::new(Source { name, text });
            self.problems.push(match error.span {
                Some(span) => problem.at(&source, span, "here"),
                None => problem,
            });
            Fcs::default()
        })
    }

    /// The entry that wins; after an error of its kind, the default.
    fn entry(&mut self, key: &str) -> Entry {
        let (known, entry) = (&self.known[key], &self.entries[key]);
        if entry.value.kind() == known.value.kind() {
            return entry.clone();
        }
        let wanted = known.value.kind();
        let what = format!("`{key}` is {wanted}, and this is {}", entry.value.kind());
        self.refuse(&entry.clone(), "E0104", what, format!("expected {wanted}"));
        known.clone()
    }

    fn refuse(&mut self, entry: &Entry, code: &'static str, what: String, label: impl Into<String>) {
        self.problems.push(Problem::error(code, what).at(&entry.source, entry.value_span.clone(), label));
    }

    fn text(&mut self, key: &str, good: impl Fn(&str) -> bool, expected: &str) -> String {
        let entry = self.entry(key);
        let Value::Text(text) = &entry.value else { unreachable!("`entry` gives the key's kind") };
        if !good(text) {
            self.refuse(
                &entry,
                "E0105",
                format!("`{key}` cannot be \"{text}\""),
                format!("expected: {expected}"),
            );
        }
        text.clone()
    }

    fn path(&mut self, key: &str) -> Option<PathBuf> {
        let text = self.text(key, |_| true, "a path");
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    fn boolean(&mut self, key: &str) -> bool {
        let Value::Boolean(yes) = self.entry(key).value else { unreachable!("`entry` gives the key's kind") };
        yes
    }

    fn integer<T: TryFrom<i64>>(&mut self, key: &str, range: RangeInclusive<i64>) -> T {
        let entry = self.entry(key);
        let Value::Integer(mut number) = entry.value else { unreachable!("`entry` gives the key's kind") };
        if !range.contains(&number) {
            let what = format!("`{key}` cannot be {number}");
            self.refuse(&entry, "E0105", what, format!("expected {} to {}", range.start(), range.end()));
            number = *range.start();
        }
        T::try_from(number).ok().expect("the range fits the type")
    }

    fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> T {
        let entry = self.entry(key);
        let Value::Text(text) = &entry.value else { unreachable!("`entry` gives the key's kind") };
        if let Some((_, choice)) = choices.iter().find(|(name, _)| name == text) {
            return *choice;
        }
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let label = format!("expected {}", names.join(" or "));
        let mut problem = Problem::error("E0105", format!("`{key}` cannot be \"{text}\"")).at(
            &entry.source,
            entry.value_span.clone(),
            label,
        );
        if let Some(near) = raw::nearest(text, choices.iter().map(|(name, _)| *name)) {
            problem = problem.help(format!("did you mean \"{near}\"?"));
        }
        self.problems.push(problem);
        choices[0].1
    }
}

/// The TOML files of a directory, by name.
fn read_toml_files(dir: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| Ok((path.display().to_string(), std::fs::read_to_string(&path)?))).collect()
}

/// What Kafka lets into names of topics and members.
fn is_name_or_empty(text: &str) -> bool {
    text.len() <= 200 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn is_server_list(text: &str) -> bool {
    text.split(',').all(|server| {
        let server = server.trim();
        let (host, port) = server.rsplit_once(':').unwrap_or((server, "9092"));
        !host.is_empty() && !host.contains([' ', '/']) && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// The host's name, so that a process has a name that outlives it.
fn host_name(environment: &BTreeMap<String, String>) -> String {
    let from_file = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = environment.get("HOSTNAME").cloned().or_else(from_file).unwrap_or_default();
    let name: String =
        name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
    if name.is_empty() { "local".to_owned() } else { name }
}

#[cfg(test)]
mod tests;
