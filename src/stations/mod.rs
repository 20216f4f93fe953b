//! The stations of a partition: scan, shipment, ledger. Pure and synchronous.
//!
//! Enters: records of the lanes with their coordinates, packed hops, and the stream's time as a number. Leaves: hops for other
//! stations, documents for consumers, and after-images for the state log. Always true:
//! - `step → settle → publish` of the same inputs in the same order gives the same bytes;
//! - whatever an epoch touched can be taken back exactly ([`Stations::rollback`]), counters and clocks included;
//! - nothing here reads a clock, a file or a random number.
//!
//! An epoch feeds inputs ([`Stations::scans`], [`Stations::commands`], [`Stations::hops`]), lets timers fire
//! ([`Stations::advance`]), settles (derives what changed and writes hops) and publishes (writes documents).

mod clock;
mod counters;
mod entities;
mod feeds;
mod format;
mod hop;
mod ledger;
mod scan;
mod shipment;
mod standing;
mod timers;
mod undo;
mod unknown;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use sha2::{Digest, Sha256};

pub use self::clock::{ClockSource, StreamClock};
pub use self::counters::{Counters, FeedCounts};
pub use self::entities::{BadEntity, EntityKey, LOADED_TOGETHER};
pub use self::feeds::Feed;
use self::feeds::Feeds as CarrierFeeds;
pub use self::format::StateFormat;
pub use self::hop::{
    ArrivalKey, Conflict, Gate, HOP_BYTES_MAX, Hop, HopWriter, Registration, Restriction, SOURCES_MAX,
    Sources, Subtotal, UnitNo, Verdicts, read_hops,
};
pub use self::ledger::{DayVerdicts, LedgerKey, LedgerStation};
pub use self::scan::{Parked, REGISTRATIONS_MAX, ScanInput, ScanStation};
pub use self::shipment::{Part, ShipmentStation, Shown, Told};
pub use self::timers::Timers;
pub use self::unknown::{CODES_MAX, UnknownCode, UnknownCodes};
use crate::carriers::Catalogue;
use crate::decode::{self, CommandRecord, Decoder, Feeds, Rejection};
use crate::fold::Progress;
use crate::model::{
    CarrierId, DeadLetterReason, Fcs, Lane, Level, NumberKey, Partition, Settings, Source, Timestamp, Topic,
    partition_of,
};

/// What the rules need to know of the world: the catalogue, the FCs and the settings.
#[derive(Debug)]
pub struct Rules {
    /// Carriers, their formats and codes.
    pub catalogue: Catalogue,
    /// Fulfillment centers and their days.
    pub fcs: Fcs,
    /// What an operator may want different.
    pub settings: Settings,
    /// Feeds that write in a form of their own.
    pub feeds: Feeds,
}

impl Rules {
    /// The rules that come with the program.
    pub fn embedded() -> Rules {
        Rules {
            catalogue: Catalogue::embedded(),
            fcs: Fcs::embedded(),
            settings: Settings::default(),
            feeds: Feeds::default(),
        }
    }

    /// Decodes a message of `scans` as its feed writes. Of its refused elements, `sink` gets the first
    /// [`LETTERS_MAX`].
    pub fn decode(
        &self,
        decoder: &mut Decoder,
        record_time: Timestamp,
        record: &InputRecord<'_>,
        sink: &mut dyn FnMut(decode::Part<'_>),
    ) -> Decoded<'_> {
        let (mut refused, mut refused_more) = (0, BTreeMap::new());
        let sink = &mut |part: decode::Part<'_>| {
            if let decode::Part::Rejected { index: Some(_), rejection, .. } = &part {
                refused += 1;
                if refused > LETTERS_MAX {
                    *refused_more.entry(rejection.reason).or_default() += 1;
                    return;
                }
            }
            sink(part);
        };
        let Rules { catalogue, fcs, settings, feeds } = self;
        let context = decode::Context { catalogue, fcs, settings };
        let bytes = record.value.unwrap_or_default();
        match feeds.of(record.feed) {
            Ok(feed) => {
                let profile = feed.map(|feed| &*feed.profile);
                decoder.guarded(bytes, sink, |decoder, sink| {
                    decoder.decode_feed(&context, profile, record_time, record.content_type, bytes, sink);
                });
                Decoded { feed: feed.map(|feed| feed.name.as_str()), refused_more }
            }
            Err(unknown) => {
                let reason = DeadLetterReason::UnknownFormat;
                let rejection = Rejection { reason, detail: unknown.to_string(), position: None };
                sink(decode::Part::Rejected { index: None, rejection, bytes });
                Decoded { feed: None, refused_more }
            }
        }
    }
}

/// What [`Rules::decode`] has to say besides the parts.
#[derive(Debug)]
pub struct Decoded<'r> {
    /// The feed's name, if it has a profile.
    pub feed: Option<&'r str>,
    /// How many more elements were refused, by reason. One dead letter tells of them, under the first reason.
    pub refused_more: BTreeMap<DeadLetterReason, u64>,
}

/// So many refused elements of a message have a dead letter of their own: millions would not fit into an epoch.
pub const LETTERS_MAX: u32 = 1_000;

/// So many bytes of what was refused are kept: with its headers, a dead letter must fit into its topic.
const LETTER_BYTES_MAX: usize = 16 << 20;

/// Where documents go.
pub struct Documents<'a> {
    /// Topic, key, value (none: a tombstone) and headers of each record.
    pub sink: &'a mut RecordSink<'a>,
}

/// Takes a record: topic, key, value, headers.
pub type RecordSink<'a> = dyn FnMut(Topic, Option<&[u8]>, Option<&[u8]>, &[(&'static str, &[u8])]) + 'a;

impl std::fmt::Debug for Documents<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Documents")
    }
}

impl Documents<'_> {
    fn document(&mut self, topic: Topic, key: &[u8], value: Option<&[u8]>) {
        (self.sink)(topic, Some(key), value, &[]);
    }

    fn dead_letter(&mut self, letter: &DeadLetter<'_>) {
        let (topic, partition, offset) = match letter.source {
            Some(source) => {
                let (partition, offset) = (source.partition.to_string(), source.offset.to_string());
                (source.lane.topic().name(), partition, offset)
            }
            None => ("", String::new(), String::new()),
        };
        let (kept, detail) = match letter.value.get(..LETTER_BYTES_MAX) {
            Some(kept) if kept.len() < letter.value.len() => {
                let (bytes, hash) = (letter.value.len(), Sha256::digest(letter.value));
                let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
                let cut = format!("{LETTER_BYTES_MAX} of {bytes} bytes are kept, SHA-256 of all: {hash}");
                (kept, Cow::from(format!("{}; {cut}", letter.detail)))
            }
            _ => (letter.value, Cow::from(letter.detail)),
        };
        let coordinates = letter.source.map(|source| source.to_string());
        let index = letter.index.map(|index| index.to_string());
        let mut headers: Vec<(&'static str, &[u8])> = vec![
            ("dockside.reason", letter.reason.code().as_bytes()),
            ("dockside.detail", detail.as_bytes()),
        ];
        if let Some(coordinates) = &coordinates {
            headers.push(("dockside.source", coordinates.as_bytes()));
        }
        if let Some(index) = &index {
            headers.push(("dockside.index", index.as_bytes()));
        }
        if letter.source.is_some() {
            headers.push(("__connect.errors.topic", topic.as_bytes()));
            headers.push(("__connect.errors.partition", partition.as_bytes()));
            headers.push(("__connect.errors.offset", offset.as_bytes()));
        }
        headers.push(("__connect.errors.connector.name", b"dockside"));
        headers.push(("__connect.errors.stage", b"VALUE_CONVERTER"));
        headers.push(("__connect.errors.exception.message", detail.as_bytes()));
        (self.sink)(Topic::DeadLetters, letter.key, Some(kept), &headers);
    }
}

struct DeadLetter<'a> {
    reason: DeadLetterReason,
    detail: &'a str,
    source: Option<Source>,
    index: Option<u32>,
    key: Option<&'a [u8]>,
    value: &'a [u8],
}

/// A record of `scans` or `commands` as it came in.
#[derive(Clone, Copy, Debug)]
pub struct InputRecord<'a> {
    /// Its offset.
    pub offset: u64,
    /// When it was written.
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The header `content-type`.
    pub content_type: Option<&'a [u8]>,
    /// The header `dockside-feed`.
    pub feed: Option<&'a [u8]>,
}

/// How many decoded scans wait for one batched lookup.
const BATCH_SCANS_MAX: usize = 1024;

/// All state of a partition.
#[derive(Debug)]
pub struct Stations {
    partition: Partition,
    partitions: u32,
    scan: ScanStation,
    shipment: ShipmentStation,
    ledger: LedgerStation,
    feeds: CarrierFeeds,
    counters: Counters,
    counters_before: Counters,
    clock: StreamClock,
    clock_before: StreamClock,
    /// Counters and clock before the sealed epoch, if one is sealed.
    before_sealed: Option<(Counters, StreamClock)>,
    batch: Vec<ScanInput>,
}

/// How much a partition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Scans of numbers that nobody registered.
    pub parked_scans: u64,
    /// Numbers that nobody registered.
    pub parked_numbers: u64,
    /// Bytes that these take, about: the bound is `park_bytes_max`.
    pub parked_bytes: u64,
    /// All numbers of the index: registered ones, parked ones, and markers.
    pub numbers: u64,
    /// Shipments.
    pub shipments: u64,
    /// Their boxes.
    pub boxes: u64,
    /// Of these, how many are not packed, about: the bound, beside those in use, is `open_boxes_max`.
    pub boxes_open: u64,
    /// Accounts that have a record here: the bound is `accounts_max`.
    pub accounts: u64,
    /// Of these, how many are `ELEVATED` and `CRITICAL`.
    pub accounts_elevated: u64,
    /// See above.
    pub accounts_critical: u64,
    /// Totals of an FC, a day and a mode: the bound is `arrivals_max`.
    pub arrivals: u64,
    /// Accounts that this partition keeps from creating shipments, now or soon: the bound is `accounts_max`.
    pub gates: u64,
}

impl Gauges {
    /// Adds another partition's.
    pub fn add(&mut self, other: &Gauges) {
        self.parked_scans += other.parked_scans;
        self.parked_numbers += other.parked_numbers;
        self.parked_bytes += other.parked_bytes;
        self.numbers += other.numbers;
        self.shipments += other.shipments;
        self.boxes += other.boxes;
        self.boxes_open += other.boxes_open;
        self.accounts += other.accounts;
        self.accounts_elevated += other.accounts_elevated;
        self.accounts_critical += other.accounts_critical;
        self.arrivals += other.arrivals;
        // Every partition keeps the gates of all accounts.
        self.gates = self.gates.max(other.gates);
    }
}

impl Stations {
    /// The empty stations of a partition. `secret` keys the tables' hashes and never shows.
    pub fn new(partition: Partition, partitions: u32, source: ClockSource, secret: u64) -> Stations {
        Stations {
            partition,
            partitions,
            scan: ScanStation::new(secret),
            shipment: ShipmentStation::new(partition, secret),
            ledger: LedgerStation::default(),
            feeds: CarrierFeeds::default(),
            counters: Counters::default(),
            counters_before: Counters::default(),
            clock: StreamClock::new(source),
            clock_before: StreamClock::new(source),
            before_sealed: None,
            batch: Vec::new(),
        }
    }

    /// Lines of the index beyond the first of each that finding every number once would read. Nothing that shows in the state:
    /// it depends on the secret.
    pub fn index_extra_lines(&self) -> u64 {
        self.scan.extra_lines() as u64
    }

    /// What became of the scans so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How much the partition holds.
    pub fn gauges(&self) -> Gauges {
        let Parked { numbers: parked_numbers, bytes: parked_bytes } = self.scan.parked();
        Gauges {
            parked_scans: self.counters.parked,
            parked_numbers,
            parked_bytes,
            numbers: self.scan.len() as u64,
            shipments: self.shipment.len() as u64,
            boxes: self.shipment.boxes(),
            boxes_open: self.shipment.boxes_open(),
            accounts: self.ledger.accounts() as u64,
            accounts_elevated: self.ledger.at_level(Level::Elevated),
            accounts_critical: self.ledger.at_level(Level::Critical),
            arrivals: self.ledger.arrivals() as u64,
            gates: self.shipment.gates() as u64,
        }
    }

    /// R24: the feeds that this partition heard of or waits for.
    pub fn feeds(&self) -> BTreeMap<CarrierId, Feed> {
        self.feeds.views(self.shipment.waiting())
    }

    /// Up to when stream time could go by now.
    pub fn reached(&self, rules: &Rules) -> Timestamp {
        self.clock.clone().advance(rules.settings.grace_ms)
    }

    /// The stream's clock.
    pub fn clock(&self) -> &StreamClock {
        &self.clock
    }

    /// The shipments of the partition.
    pub fn shipments(&self) -> &ShipmentStation {
        &self.shipment
    }

    /// The numbers of the partition.
    pub fn numbers(&self) -> &ScanStation {
        &self.scan
    }

    /// Decodes a record of `scans`: own scans wait for the next batch, others travel on, bad parts become dead letters.
    pub fn scans(
        &mut self,
        rules: &Rules,
        decoder: &mut Decoder,
        record: &InputRecord<'_>,
        hops: &mut HopWriter,
        out: &mut Documents<'_>,
    ) {
        let record_time = self.record_time(record);
        self.clock.see(Lane::Scans, record_time);
        let source = Source { lane: Lane::Scans, partition: self.partition, offset: record.offset };
        let Stations { counters, batch, partition, partitions, .. } = self;
        let mut of_feed = FeedCounts::default();
        let Decoded { feed, refused_more } = rules.decode(decoder, record_time, record, &mut |part| {
            of_feed.count(&part);
            match part {
                decode::Part::Scan { scan, raw, .. } => {
                    counters.read += 1;
                    if !scan.code_known {
                        let code = raw.code.as_deref().unwrap_or_default();
                        counters.unknown.count(scan.key.carrier, raw.code_set.as_deref(), code);
                    }
                    let owner = partition_of(scan.key.number.as_str().as_bytes(), *partitions);
                    if owner == partition.0 {
                        batch.push(ScanInput { scan, record_time, source });
                    } else {
                        let number = scan.key.number.clone();
                        let hop = Hop::Scan { scan, record_time, source };
                        hops.send(number.as_str().as_bytes(), &hop);
                    }
                }
                decode::Part::Rejected { index, rejection, bytes } => {
                    counters.read += 1;
                    counters.dead_letter(rejection.reason, 1);
                    reject(out, source, index, record.key, &rejection, bytes);
                }
                decode::Part::Warned { .. } => counters.interchange_warnings += 1,
            }
        });
        if let Some((reason, _)) = refused_more.first_key_value() {
            of_feed.count_more(&refused_more);
            let mut listed = Vec::new();
            for (reason, elements) in &refused_more {
                counters.read += elements;
                counters.dead_letter(*reason, *elements);
                listed.push(format!("{} {elements}", reason.code()));
            }
            let detail = format!("behind the first {LETTERS_MAX} refused elements: {}", listed.join(", "));
            let rejection = Rejection { reason: *reason, detail, position: None };
            reject(out, source, None, record.key, &rejection, record.value.unwrap_or_default());
        }
        if let Some(feed) = feed {
            counters.add_feed(feed, of_feed);
        }
        if self.batch.len() >= BATCH_SCANS_MAX {
            self.fold(rules);
        }
    }

    /// The timestamp that a record counts with.
    fn record_time(&mut self, record: &InputRecord<'_>) -> Timestamp {
        let record_time = self.clock.clamped(record.timestamp);
        self.counters.timestamps_clamped += u64::from(record_time != record.timestamp);
        record_time
    }

    /// Folds the scans that wait.
    fn fold(&mut self, rules: &Rules) {
        if !self.batch.is_empty() {
            self.batch.iter().for_each(|input| self.feeds.hear(input.scan.key.carrier, input.record_time));
            self.scan.scans(rules, &mut self.counters, &self.batch);
            self.batch.clear();
        }
    }

    /// Takes a record of `commands`: a command, or a tick.
    pub fn commands(
        &mut self,
        rules: &Rules,
        record: &InputRecord<'_>,
        hops: &mut HopWriter,
        out: &mut Documents<'_>,
    ) {
        self.fold(rules);
        let record_time = self.record_time(record);
        self.clock.see(Lane::Commands, record_time);
        let source = Source { lane: Lane::Commands, partition: self.partition, offset: record.offset };
        let bytes = record.value.unwrap_or_default();
        match decode::guarded_command(bytes) {
            Ok(CommandRecord::Tick) => self.clock.tick_of_input(record_time),
            Ok(CommandRecord::Command(command)) => {
                let id = command.shipment_id.as_str().as_bytes();
                if partition_of(id, self.partitions) == self.partition.0 {
                    self.shipment.command(rules, &mut self.counters, hops, &command, record_time, source);
                } else {
                    let hop = Hop::Command { bytes: bytes.to_vec(), record_time, source };
                    hops.send(id, &hop);
                }
            }
            Err(rejection) => {
                self.counters.bad_commands += 1;
                reject(out, source, None, record.key, &rejection, bytes);
            }
        }
    }

    /// Records of an input were deleted before they were read: one dead letter says so, in place of the first of them.
    pub fn records_lost(&mut self, lane: Lane, offsets: &Range<u64>, out: &mut Documents<'_>) {
        if lane == Lane::Scans {
            self.counters.read += 1;
            self.counters.dead_letter(DeadLetterReason::RecordsLost, 1);
        }
        let source = Source { lane, partition: self.partition, offset: offsets.start };
        let topic = lane.topic().name();
        let detail = format!(
            "offsets {} to {} of {topic} were deleted before they were read",
            offsets.start, offsets.end
        );
        let letter = DeadLetter {
            reason: DeadLetterReason::RecordsLost,
            detail: &detail,
            source: Some(source),
            index: None,
            key: None,
            value: &[],
        };
        out.dead_letter(&letter);
    }

    /// Takes a packed message of `hops`.
    pub fn hops(&mut self, rules: &Rules, bytes: &[u8], hops: &mut HopWriter) {
        read_hops(bytes, |hop| match hop {
            Hop::Scan { scan, record_time, source } => {
                self.batch.push(ScanInput { scan, record_time, source })
            }
            Hop::Register { key, registration } => {
                self.fold(rules);
                self.scan.register(&mut self.counters, key, registration);
            }
            Hop::Remove { key, shipment, unit, at } => {
                self.fold(rules);
                self.scan.remove(&mut self.counters, key, &shipment, unit, at);
            }
            Hop::Retire { key, shipment, unit } => {
                self.fold(rules);
                self.scan.retire(&mut self.counters, &key, &shipment, unit);
            }
            Hop::Command { bytes, record_time, source } => {
                let Ok(CommandRecord::Command(command)) = decode::command(&bytes) else {
                    unreachable!("only commands travel on");
                };
                self.shipment.command(rules, &mut self.counters, hops, &command, record_time, source);
            }
            Hop::BoxEvent { shipment, unit, generation, view, conflict, sources } => {
                let shown = Shown { view: *view, conflict };
                self.shipment.box_event(&shipment, unit, generation, shown, &sources);
            }
            Hop::Subtotal { from, key, total } => {
                self.ledger.subtotal(rules, &mut self.counters, from, key, total);
            }
            Hop::Verdicts { from, account, day, verdicts } => {
                let told = DayVerdicts { from, account, day, verdicts };
                self.ledger.verdicts(rules, &mut self.counters, told, self.clock.stream_time());
            }
            Hop::Gate { account, gate } => self.shipment.gate(rules, &mut self.counters, account, gate),
        });
    }

    /// The wall clock says so: stream time may follow, as far as the lanes allow.
    pub fn tick(&mut self, now: Timestamp) {
        self.clock.tick(now);
    }

    /// A lane is drained, for now.
    pub fn drained(&mut self, lane: Lane) {
        self.clock.drained(lane);
    }

    /// Holds what is parked within its bounds, derives what the inputs changed, then lets all timers fire that stream time
    /// has reached.
    pub fn advance(&mut self, rules: &Rules, hops: &mut HopWriter, out: &mut Documents<'_>) {
        self.fold(rules);
        self.scan.evict(rules, &mut self.counters, |key, scans, progress| {
            let detail =
                "there is no room for more unregistered numbers, and this one was scanned longest ago";
            unparked(rules, DeadLetterReason::ParkEvicted, detail, key, scans, progress, out);
        });
        self.settle(rules, hops);
        let mut before = self.clock.stream_time();
        let now = self.clock.advance(rules.settings.grace_ms);
        while self.due_after(before).is_some_and(|due| due <= now) {
            self.fire(rules, before, now, hops, out);
            before = now;
        }
        let now = now.plus_ms(rules.settings.grace_ms);
        self.shipment.waiting().keys().for_each(|carrier| self.feeds.expect(*carrier, now));
    }

    /// The earliest time at which anything may be due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due_after(self.clock.stream_time())
    }

    /// As [`Stations::next_due`], if all that was due up to `before` has happened.
    fn due_after(&self, before: Timestamp) -> Option<Timestamp> {
        let dues = [self.scan.next_due(), self.shipment.next_due(), self.ledger.next_due(before)];
        dues.into_iter().flatten().min()
    }

    /// Lets what is due after `before` and up to `now` happen, and derives what that changed.
    fn fire(
        &mut self,
        rules: &Rules,
        before: Timestamp,
        now: Timestamp,
        hops: &mut HopWriter,
        out: &mut Documents<'_>,
    ) {
        self.scan.expire(rules, &mut self.counters, now, |key, scans, progress| {
            let detail = "the number was not registered in time";
            unparked(rules, DeadLetterReason::ParkExpired, detail, key, scans, progress, out);
        });
        self.shipment.fire(rules, now);
        self.ledger.fire(rules, before, now);
        self.settle(rules, hops);
    }

    /// Folds what waits, tells shipments what changed, derives them, tells ledger and index.
    pub fn settle(&mut self, rules: &Rules, hops: &mut HopWriter) {
        self.fold(rules);
        self.scan.settle(hops);
        self.shipment.settle(rules, hops, self.clock.stream_time());
        self.ledger.settle(rules, hops);
    }

    /// Writes the documents that changed since the last publishing.
    pub fn publish(&mut self, rules: &Rules, out: &mut Documents<'_>) {
        self.shipment.publish(rules, self.clock.stream_time(), out);
        self.ledger.publish(out);
    }

    /// Whether this epoch changed anything.
    pub fn is_touched(&self) -> bool {
        self.scan.is_touched()
            || self.shipment.is_touched()
            || self.ledger.is_touched()
            || self.feeds.is_touched()
            || self.counters != self.counters_before
    }

    /// The state log was read to its end.
    pub fn loaded(&mut self, rules: &Rules, clock: StreamClock) -> Result<(), BadEntity> {
        self.shipment.loaded(rules).map_err(BadEntity::of_shipment)?;
        self.clock = clock.clone();
        self.clock_before = clock;
        Ok(())
    }

    /// Ends the open epoch, which can still be taken back until [`Stations::commit`]; the next one may begin meanwhile.
    pub fn seal(&mut self) {
        assert!(self.before_sealed.is_none(), "one epoch is sealed at a time");
        self.scan.seal();
        self.shipment.seal();
        self.ledger.seal();
        self.feeds.seal();
        let counters = std::mem::replace(&mut self.counters_before, self.counters.clone());
        let clock = std::mem::replace(&mut self.clock_before, self.clock.clone());
        self.before_sealed = Some((counters, clock));
    }

    /// Keeps what the sealed epoch did.
    pub fn commit(&mut self) {
        assert!(self.before_sealed.take().is_some(), "an epoch is sealed before it is committed");
        self.scan.commit();
        self.shipment.commit();
        self.ledger.commit();
        self.feeds.commit();
    }

    /// Takes back what the open epoch did, and the sealed one, if there is one.
    pub fn rollback(&mut self, rules: &Rules) {
        self.batch.clear();
        self.scan.rollback(rules);
        self.shipment.rollback(rules);
        self.ledger.rollback();
        self.feeds.rollback();
        if let Some((counters, clock)) = self.before_sealed.take() {
            (self.counters_before, self.clock_before) = (counters, clock);
        }
        self.counters.clone_from(&self.counters_before);
        self.clock.clone_from(&self.clock_before);
    }
}

fn reject(
    out: &mut Documents<'_>,
    source: Source,
    index: Option<u32>,
    key: Option<&[u8]>,
    rejection: &Rejection,
    bytes: &[u8],
) {
    let detail = match rejection.position {
        Some(position) => format!("{} (byte {position})", rejection.detail),
        None => rejection.detail.clone(),
    };
    out.dead_letter(&DeadLetter {
        reason: rejection.reason,
        detail: &detail,
        source: Some(source),
        index,
        key,
        value: bytes,
    });
}

/// A dead letter that holds what was parked of a number.
fn unparked(
    rules: &Rules,
    reason: DeadLetterReason,
    detail: &str,
    key: &NumberKey,
    scans: u32,
    progress: &Progress,
    out: &mut Documents<'_>,
) {
    let value = serde_json::json!({
        "carrier": rules.catalogue.code(key.carrier),
        "tracking_id": key.number.as_str(),
        "scans": scans,
        "progress": progress.to_json(),
    });
    out.dead_letter(&DeadLetter {
        reason,
        detail,
        source: None,
        index: None,
        key: Some(key.number.as_str().as_bytes()),
        value: value.to_string().as_bytes(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_has_a_largest_size() {
        let cut = "why; 16777216 of 16777217 bytes are kept, SHA-256 of all: \
                   991bc82a1f5bdf203ad43efb5c253856b49b5c09580d8ed24bcdd2f431f7707c";
        for (bytes, detail) in [(0, "why"), (LETTER_BYTES_MAX, "why"), (LETTER_BYTES_MAX + 1, cut)] {
            let value = vec![b'x'; bytes];
            let mut seen = Vec::new();
            let sink: &mut RecordSink<'_> = &mut |_, _, value, headers| {
                let told = headers.iter().find(|(name, _)| *name == "dockside.detail").expect("a detail");
                seen.push((value.expect("no tombstone").len(), String::from_utf8_lossy(told.1).into_owned()));
            };
            Documents { sink }.dead_letter(&DeadLetter {
                reason: DeadLetterReason::TooLarge,
                detail: "why",
                source: None,
                index: None,
                key: None,
                value: &value,
            });
            assert_eq!(seen, [(bytes.min(LETTER_BYTES_MAX), detail.to_owned())]);
        }
    }
}
