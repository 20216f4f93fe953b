//! Metrics, in Prometheus' text format.
//!
//! Enters: what the desks show. Leaves: the families of `deploy/metrics.txt` that can be told. Always true: the values of
//! labels are those of closed lists, partition numbers, and a bounded number of carriers' codes; what is not known is left
//! out, not made up.

use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::{Site, Told};
use crate::carriers::Catalogue;
use crate::decode::LearnedCounts;
use crate::edge::desk::{BOUNDS_S, Buckets, Desk, Shown, feeds};
use crate::edge::kafka::Fetching;
use crate::edge::process::resident_bytes;
use crate::model::{CarrierId, DeadLetterReason, Lane, Partition, SECOND_MS};
use crate::stations::{Counters, Gauges, UnknownCode};

/// The format that scrapers ask for.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(State(site): State<Arc<Site>>) -> Response {
    let mut page = Page::default();
    page.family("dockside_ready", "gauge", "Whether /readyz says 200.");
    page.sample("", u8::from(site.unready().is_empty()));
    write(&site.told, &mut page);
    ([(header::CONTENT_TYPE, HeaderValue::from_static(FORMAT))], page.text).into_response()
}

/// The page as it is written.
#[derive(Debug, Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, labels: &str, value: impl Display) {
        let _ = writeln!(self.text, "{}{labels} {value}", self.name);
    }

    /// A family of one sample.
    fn one(&mut self, name: &'static str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample("", value);
    }

    /// A histogram, summed up over the workers.
    fn buckets(&mut self, name: &'static str, help: &str, desks: &[Arc<Desk>], of: fn(&Desk) -> &Buckets) {
        self.family(name, "histogram", help);
        let mut sums = ([0; BOUNDS_S.len() + 1], 0);
        for desk in desks {
            let (counts, sum_us) = of(desk).read();
            sums.0.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            sums.1 += sum_us;
        }
        let mut below: u64 = 0;
        for (at, count) in sums.0.iter().enumerate() {
            below += count;
            let bound = BOUNDS_S.get(at).map_or("+Inf".to_owned(), f64::to_string);
            let _ = writeln!(self.text, "{name}_bucket{{le=\"{bound}\"}} {below}");
        }
        #[expect(clippy::cast_precision_loss, reason = "a sum for a chart")]
        let sum_s = sums.1 as f64 / 1e6;
        let _ = write!(self.text, "{name}_sum {sum_s}\n{name}_count {below}\n");
    }
}

fn write(told: &Told, page: &mut Page) {
    let desks = &told.desks;
    let shown: Vec<Shown> = desks.iter().map(|desk| desk.shown()).collect();
    let sum = |of: fn(&Desk) -> &AtomicU64| -> u64 {
        desks.iter().map(|desk| of(desk).load(Ordering::Relaxed)).sum()
    };
    let gauge = |of: fn(&Shown) -> u64| -> u64 { shown.iter().map(of).sum() };

    page.family("dockside_build_info", "gauge", "The version, as a label.");
    page.sample(concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1);
    page.family("dockside_records_total", "counter", "Records that committed epochs read.");
    for lane in Lane::ALL {
        let records: u64 = desks.iter().map(|desk| desk.lanes[lane.index()].load(Ordering::Relaxed)).sum();
        page.sample(&format!("{{lane=\"{}\"}}", lane.topic().name()), records);
    }
    page.one("dockside_outputs_total", "counter", "Records that were written.", sum(|desk| &desk.outputs));
    page.one("dockside_epochs_total", "counter", "Committed epochs.", sum(|desk| &desk.epochs));
    page.one("dockside_epochs_undone_total", "counter", "Epochs taken back.", sum(|desk| &desk.undone));
    scans(&shown, &told.rules.catalogue, page);
    learned(&shown, page);
    lag(told, &shown, page);
    page.buckets("dockside_commit_seconds", "How long commits took.", desks, |desk| &desk.commit);
    page.buckets("dockside_epoch_seconds", "From an epoch's first record to its commit.", desks, |desk| {
        &desk.epoch
    });
    page.one(
        "dockside_rebalances_total",
        "counter",
        "Assignments and revocations.",
        sum(|desk| &desk.rebalances),
    );
    page.one(
        "dockside_partitions_owned",
        "gauge",
        "Partitions of this process.",
        gauge(|shown| shown.partitions.len() as u64),
    );
    page.one(
        "dockside_parked_scans",
        "gauge",
        "Scans of numbers that nobody has registered.",
        gauge(|shown| shown.counters.parked),
    );
    held(&shown, page);
    page.one(
        "dockside_index_extra_lines",
        "gauge",
        "Lines beyond the first of each that finding every number once would read.",
        gauge(|shown| shown.index_extra_lines),
    );
    let clock_off_ms = desks.iter().map(|desk| desk.clock_off_ms.load(Ordering::Relaxed)).max();
    page.one(
        "dockside_clock_off_seconds",
        "gauge",
        "How far the system's clock is from the time that timers follow.",
        clock_off_ms.unwrap_or(0) / 1_000,
    );
    carriers(told, &shown, page);
    page.one(
        "dockside_torn_epochs_total",
        "counter",
        "Times that positions and state log did not agree.",
        gauge(|shown| shown.repairs),
    );
    page.one(
        "dockside_lost_offsets_total",
        "counter",
        "Offsets that were left behind because their records were deleted before they were read.",
        gauge(|shown| shown.lost),
    );
    if let Some(signs) = &told.signs {
        let help = "Producers that were replaced after a doubt.";
        page.one("dockside_producer_rebuilds_total", "counter", help, signs.rebuilds());
        let help = "Producers that were given up in a call of the Kafka client that did not come back.";
        page.one("dockside_producers_abandoned_total", "counter", help, signs.abandoned());
        fetching(signs.fetching(), page);
        if let Some(behind_us) = signs.behind_us() {
            let help = "How long the local copies of the state do not follow it; 0 while they do.";
            page.one("dockside_snapshot_age_seconds", "gauge", help, behind_us / 1_000_000);
        }
        let restoring = signs.restoring();
        let help = "The share of the state that was read back.";
        page.one("dockside_restore_progress_ratio", "gauge", help, restoring.share());
        if let Some(left) = restoring.left() {
            let help = "About how long the rest of the state takes.";
            page.one("dockside_restore_eta_seconds", "gauge", help, left.as_secs());
        }
    }
    if let Some(bytes) = resident_bytes() {
        page.one("dockside_resident_bytes", "gauge", "Memory of the process.", bytes);
    }
}

/// What reading without the client comes to; zeroes where it is not used.
fn fetching(fetching: &Fetching, page: &mut Page) {
    let counts = [
        ("dockside_fetch_connections_total", "Connections for fetching directly.", fetching.connections()),
        (
            "dockside_fetch_answers_total",
            "Answers that brought records directly, or none.",
            fetching.answers(),
        ),
        ("dockside_fetch_bytes_total", "Bytes of these answers.", fetching.bytes()),
        (
            "dockside_fetch_damaged_total",
            "Batches that came directly, could not be read, and were asked for again.",
            fetching.damages(),
        ),
    ];
    for (name, help, count) in counts {
        page.one(name, "counter", help, count);
    }
    let help = "Records that came directly and wait for a worker, unpacked.";
    page.one("dockside_fetch_waiting_bytes", "gauge", help, fetching.waiting_bytes());
}

/// How much is kept, and what had no room.
fn held(shown: &[Shown], page: &mut Page) {
    let mut held = Gauges::default();
    shown.iter().for_each(|shown| held.add(&shown.gauges));
    for (name, help, value) in [
        ("dockside_parked_bytes", "Memory of numbers that nobody has registered, about.", held.parked_bytes),
        ("dockside_shipments", "Shipments in memory.", held.shipments),
        ("dockside_boxes", "Their boxes.", held.boxes),
        ("dockside_boxes_open", "Boxes of shipments that are not packed, about.", held.boxes_open),
        ("dockside_numbers", "Tracking numbers in memory.", held.numbers),
        ("dockside_arrivals", "Totals of an FC, a day and a mode.", held.arrivals),
        ("dockside_gates", "Accounts that may not create shipments, now or soon.", held.gates),
    ] {
        page.one(name, "gauge", help, value);
    }
    page.family("dockside_accounts", "gauge", "Accounts with a record, by level.");
    let raised = held.accounts_elevated + held.accounts_critical;
    for (level, value) in [
        ("STANDARD", held.accounts - raised),
        ("ELEVATED", held.accounts_elevated),
        ("CRITICAL", held.accounts_critical),
    ] {
        page.sample(&format!("{{level=\"{level}\"}}"), value);
    }
    let mut counters = Counters::default();
    shown.iter().for_each(|shown| counters.add(&shown.counters));
    page.family("dockside_refused", "gauge", "What had no room in its table, ever, by table.");
    for (table, value) in [
        ("registrations", counters.registrations_refused),
        ("ledger", counters.ledger_refused),
        ("gates", counters.gates_refused),
    ] {
        page.sample(&format!("{{table=\"{table}\"}}"), value);
    }
}

/// R24: the feeds of carriers.
fn carriers(told: &Told, shown: &[Shown], page: &mut Page) {
    let feeds = feeds(shown, &told.rules.settings);
    let label = |carrier: &CarrierId| format!("{{carrier=\"{}\"}}", told.rules.catalogue.code(*carrier));
    page.family("dockside_feed_waiting", "gauge", "Boxes and PROs that the carrier has still to bring.");
    for (carrier, (feed, _)) in &feeds {
        page.sample(&label(carrier), feed.waiting);
    }
    let help = "The record time of the carrier's last scan, to the minute.";
    page.family("dockside_feed_heard_timestamp_seconds", "gauge", help);
    for (carrier, (feed, _)) in &feeds {
        if let Some(last) = feed.last {
            page.sample(&label(carrier), last.0.div_euclid(SECOND_MS));
        }
    }
    page.family(
        "dockside_feed_silent",
        "gauge",
        "Whether boxes wait and the carrier is silent for too long.",
    );
    for (carrier, (_, silent_since)) in &feeds {
        page.sample(&label(carrier), u8::from(silent_since.is_some()));
    }
}

fn scans(shown: &[Shown], catalogue: &Catalogue, page: &mut Page) {
    let mut grown = Counters::default();
    shown.iter().for_each(|shown| grown.add(&shown.grown));
    page.family(
        "dockside_scans_total",
        "counter",
        "What became of scans; parked ones may count again, as applied.",
    );
    for (outcome, count) in [
        ("applied", grown.applied),
        ("duplicate", grown.duplicate),
        ("ignored", grown.ignored.iter().sum()),
        ("parked", grown.parked),
        ("dead_lettered", grown.dead_lettered.iter().sum()),
    ] {
        page.sample(&format!("{{outcome=\"{outcome}\"}}"), count);
    }
    page.family("dockside_dead_letters_total", "counter", "Scans and parts that became dead letters.");
    for (reason, count) in DeadLetterReason::ALL.iter().zip(grown.dead_lettered) {
        page.sample(&format!("{{reason=\"{}\"}}", reason.code()), count);
    }
    let help = "Scans whose code no map knows, by code; `other` are those that found no room.";
    page.family("dockside_unknown_codes_total", "counter", help);
    for (UnknownCode { carrier, code_set, code }, scans) in grown.unknown.iter() {
        let (carrier, code_set, code) = (catalogue.code(*carrier), label(code_set), label(code));
        page.sample(&format!("{{carrier=\"{carrier}\",code_set=\"{code_set}\",code=\"{code}\"}}"), scans);
    }
    let others = grown.unknown.others();
    if others > 0 {
        page.sample("{carrier=\"other\",code_set=\"other\",code=\"other\"}", others);
    }
    page.family("dockside_feed_parts_total", "counter", "What came from each feed with a profile.");
    for (name, counts) in &grown.feeds {
        // Names of feeds are letters, digits and `. _ -`.
        for (kind, count) in [
            ("scan", counts.scans),
            ("unknown_code", counts.unknown_codes),
            ("dead_lettered", counts.dead_lettered),
        ] {
            page.sample(&format!("{{feed=\"{name}\",kind=\"{kind}\"}}"), count);
        }
    }
}

/// What the learned reader of JSON did, for feeds in the contract's own form and for those with a profile.
fn learned(shown: &[Shown], page: &mut Page) {
    let of = |form: usize| {
        let mut counts = LearnedCounts::default();
        shown.iter().for_each(|shown| counts.add(shown.learned[form]));
        counts
    };
    let forms = [("own", of(0)), ("profile", of(1))];
    let help = "Elements by whether the learned reader knew their shape; a miss is read by the general one.";
    page.family("dockside_learned_elements_total", "counter", help);
    for (form, counts) in forms {
        for (outcome, count) in [("hit", counts.hits), ("miss", counts.misses)] {
            page.sample(&format!("{{form=\"{form}\",outcome=\"{outcome}\"}}"), count);
        }
    }
    let help = "Steps between two values that were learned, and forgotten for others to be learned.";
    page.family("dockside_learned_steps_total", "counter", help);
    for (form, counts) in forms {
        for (change, count) in [("learned", counts.learned), ("evicted", counts.evicted)] {
            page.sample(&format!("{{change=\"{change}\",form=\"{form}\"}}"), count);
        }
    }
}

/// Foreign text as the value of a label.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// From what is committed to where the lane ended at the last look.
fn lag(told: &Told, shown: &[Shown], page: &mut Page) {
    page.family("dockside_lag_records", "gauge", "Offsets between what is committed and the end.");
    for (desk, shown) in told.desks.iter().zip(shown) {
        for lane in Lane::ALL {
            for &Partition(partition) in &shown.partitions {
                let place = (lane, Partition(partition));
                if let (Some(end), Some(reached)) = (told.outlook.end(place), desk.reached(place)) {
                    let labels = format!("{{lane=\"{}\",partition=\"{partition}\"}}", lane.topic().name());
                    page.sample(&labels, end.saturating_sub(reached));
                }
            }
        }
    }
}
