//! Which rules fired, and how often, over the worlds that were run.
//!
//! Enters: what a run wrote, its books, and what was written for it. Leaves: a table of rule, sign and count; a *sign* is
//! something that can be seen from outside only if the rule acted. Always true: all signs stand in the table from the
//! beginning, so that one that never fires is a zero and no gap.
//!
//! Not in it: `PARK_EVICTED`. What is evicted depends on where epochs end, so that twin and engine agree only while nothing is
//! (rulebook §1.4); `tests/rules/bounds.rs` has it. Nor `RECORDS_LOST` and `READER_FAILED`: no log of a world loses any, and no
//! message is known that a reader fails at. Nor `UNACKNOWLEDGED_PROBLEMS`, which the worlds of `standing` count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use dockside::carriers::Catalogue;
use dockside::decode::{Context, Decoder, Part};
use dockside::engine::log::Broker;
use dockside::model::{
    DeadLetterReason, Fcs, Flag, HOUR_MS, Ignored, Milestone, Partition, ProblemKind, Settings, Status,
    Timestamp, Topic,
};
use serde_json::Value;

use super::run::{Phases, Ran};
use crate::twin::TwinResult;

/// Signs that have a name of their own; rule 0 is what commands have in common (§4.3).
const SIGNS: &[(u8, &[&str])] = &[
    (0, &["a command is repeated", "the destination changes"]),
    (1, &["shipped by tracking", "some boxes are tracked: it waits", "shipped by the first custody scan"]),
    (2, &["shipped by a custody scan", "ready without a window"]),
    (3, &["a scanner's line end is cut off"]),
    (4, &["boxes swap their numbers"]),
    (
        5,
        &[
            "refused: shape",
            "refused: check digit",
            "refused: another carrier's",
            "refused: blanks",
            "refused: empty",
        ],
    ),
    (6, &["one PRO serves several shipments"]),
    (7, &["a window locks"]),
    (9, &["the carrier changes"]),
    (10, &["a number is exchanged", "a number is removed"]),
    (11, &["a scan waits for its number's registration"]),
    (13, &["derived anew: a status goes back", "in transit by an appointment"]),
    (15, &["becomes ELEVATED", "becomes CRITICAL", "becomes STANDARD again"]),
    (16, &["a problem is acknowledged", "what came later reopens it", "refuted, and back as acknowledged"]),
    (17, &["a scan says nothing new"]),
    (18, &["applied", "parked"]),
    (20, &["a day ahead without a zone: the day before"]),
    (23, &["a problem reopens"]),
    (24, &["a feed is silent"]),
    (25, &["a shipment retires", "its ID lives again"]),
];

/// Codes of answers, by the rule that they belong to.
const ANSWERS: &[(u8, &[&str])] = &[
    (
        0,
        &[
            "INVALID_COMMAND",
            "UNKNOWN_SHIPMENT",
            "SHIPMENT_EXISTS",
            "UNKNOWN_FC",
            "DUPLICATE_BOX",
            "TOO_MANY_BOXES",
        ],
    ),
    (2, &["PARTNERED_CARRIER"]),
    (3, &["UNKNOWN_BOX"]),
    (4, &["UNIQUE_TRACKING_ID_REQUIRED"]),
    (5, &["INVALID_TRACKING_ID", "TRACKING_NOT_SUPPORTED", "BLANKS_TRIMMED"]),
    (6, &["INVALID_FREIGHT_BILL", "WRONG_MODE"]),
    (7, &["WINDOW_REQUIRED", "WINDOW_INVALID", "WINDOW_LOCKED"]),
    (9, &["UNKNOWN_CARRIER", "CARRIER_NAME_REQUIRED", "TRACKING_RESUBMIT"]),
    (10, &["ALREADY_DELIVERED"]),
    (13, &["WRONG_STATUS", "SHIPMENT_CANCELLED"]),
    (15, &["ACCOUNT_RESTRICTED"]),
    (16, &["UNKNOWN_PROBLEM"]),
];

const VERDICTS: [&str; 6] = ["PENDING", "EARLY_RISK", "LATE_RISK", "EARLY", "ON_TIME", "LATE"];
const CAUSES: [&str; 4] = ["COMMAND", "SCAN", "TIMER", "RECEIVING"];
const EXPECTATIONS: [&str; 6] =
    ["DELIVERED", "APPOINTMENT", "OUT_FOR_DELIVERY", "CARRIER_ETA", "WINDOW", "NONE"];

fn rule_of_answer(code: &str) -> u8 {
    let of = ANSWERS.iter().find(|(_, codes)| codes.contains(&code));
    of.unwrap_or_else(|| panic!("{code} is no rule's")).0
}

fn rule_of_problem(kind: &str) -> u8 {
    match kind {
        "MISSING_TRACKING" => 14,
        "MISSED_WINDOW_EARLY" | "MISSED_WINDOW_LATE" => 8,
        "TRACKING_CONFLICT" => 19,
        "MISDELIVERED" => 21,
        "RETURNED" | "LOST" => 22,
        _ => 23,
    }
}

/// What only an arrival tells is resolved by nothing: a shipment that arrived is not cancelled any more.
fn is_about_an_arrival(kind: ProblemKind) -> bool {
    matches!(kind, ProblemKind::MissingTracking | ProblemKind::MissedWindowEarly)
}

fn rule_of_ignored(reason: Ignored) -> u8 {
    match reason {
        Ignored::EarlierLife => 11,
        Ignored::OldCarrier => 9,
        Ignored::Ended => 19,
        Ignored::UnknownCode => 18,
    }
}

/// How often each sign was seen.
#[derive(Clone, Debug)]
pub(crate) struct Coverage {
    signs: BTreeMap<(u8, String), u64>,
    worlds: u64,
}

impl Default for Coverage {
    fn default() -> Self {
        let mut signs = BTreeMap::new();
        let mut sign = |rule: u8, name: String| {
            signs.insert((rule, name), 0);
        };
        for (rule, names) in SIGNS.iter().chain(ANSWERS) {
            names.iter().for_each(|name| sign(*rule, (*name).to_owned()));
        }
        VERDICTS.iter().for_each(|verdict| sign(8, format!("verdict {verdict}")));
        CAUSES.iter().for_each(|cause| sign(12, format!("a plan line by {cause}")));
        EXPECTATIONS.iter().for_each(|source| sign(12, format!("expected by {source}")));
        Milestone::ALL.iter().for_each(|milestone| sign(12, format!("a box shows {}", milestone.name())));
        Flag::ALL.iter().for_each(|flag| sign(12, format!("a box is flagged {}", flag.name())));
        for status in Status::ALL {
            sign(13, format!("becomes {}", status.name()));
        }
        for kind in ProblemKind::ALL {
            for event in ["opens", "resolves", "is refuted"] {
                if event == "resolves" && is_about_an_arrival(kind) {
                    continue;
                }
                sign(rule_of_problem(kind.name()), format!("{} {event}", kind.name()));
            }
        }
        for reason in Ignored::ALL {
            sign(rule_of_ignored(reason), format!("ignored: {}", reason.name()));
        }
        for reason in DeadLetterReason::ALL {
            use DeadLetterReason::{ParkEvicted, ReaderFailed, RecordsLost};
            if !matches!(reason, ParkEvicted | RecordsLost | ReaderFailed) {
                sign(18, format!("dead letter {}", reason.code()));
            }
        }
        Coverage { signs, worlds: 0 }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "rule  sign                                              fired, in {} worlds",
            self.worlds
        )?;
        for ((rule, sign), count) in &self.signs {
            let rule = if *rule == 0 { "§4.3".to_owned() } else { format!("R{rule}") };
            writeln!(f, "{rule:<5} {sign:<48} {count:>9}")?;
        }
        Ok(())
    }
}

impl Coverage {
    fn fire(&mut self, rule: u8, sign: &str) {
        self.fire_times(rule, sign, 1);
    }

    fn fire_times(&mut self, rule: u8, sign: &str, times: u64) {
        let count = self.signs.get_mut(&(rule, sign.to_owned()));
        *count.unwrap_or_else(|| panic!("R{rule} has no sign {sign:?}")) += times;
    }

    /// How many worlds were looked at.
    pub(crate) fn worlds(&self) -> u64 {
        self.worlds
    }

    /// The signs that were never seen.
    pub(crate) fn missing(&self) -> Vec<String> {
        let never = self.signs.iter().filter(|(_, count)| **count == 0);
        never.map(|((rule, sign), _)| format!("R{rule}: {sign}")).collect()
    }

    /// What the twin alone counts; the books of both agree about the sum that it is in.
    pub(crate) fn ask(&mut self, told: &TwinResult) {
        self.fire_times(11, "a scan waits for its number's registration", told.unparked);
    }

    /// Looks through a run and what was written for it.
    pub(crate) fn look(&mut self, settings: &Settings, phases: &Phases, ran: &Ran, partitions: u32) {
        self.worlds += 1;
        let mut shipments = History::default();
        let mut problems = History::default();
        let mut accounts = History::default();
        let mut lines = History::default();
        let mut answers = Vec::new();
        for (topic, history) in [
            (Topic::Shipments, &mut shipments),
            (Topic::Problems, &mut problems),
            (Topic::Accounts, &mut accounts),
            (Topic::ReceivingPlan, &mut lines),
        ] {
            read(ran, partitions, topic, |key, value, _| history.push(key, value));
        }
        read(ran, partitions, Topic::CommandResults, |_, value, _| answers.push(value));
        let mut letters: Vec<String> = Vec::new();
        read(ran, partitions, Topic::DeadLetters, |_, _, reason| letters.extend(reason));

        let heads = || shipments.0.iter().filter(|(key, _)| !key.contains('|'));
        heads().for_each(|(_, values)| self.shipment(values));
        self.shared_pros(heads().filter_map(|(_, values)| values.last()));
        let retired: BTreeSet<&String> =
            heads().filter(|(_, values)| values.iter().any(Value::is_null)).map(|(key, _)| key).collect();
        for (key, values) in &problems.0 {
            let shipment = key.split(':').next().expect("a shipment").to_owned();
            self.problem(values, retired.contains(&shipment));
        }
        accounts.0.values().for_each(|values| self.account(values));
        for line in lines.0.values().flatten().filter(|line| !line.is_null()) {
            self.fire(12, &format!("a plan line by {}", text(&line["cause"])));
        }
        for reason in letters {
            self.fire(18, &format!("dead letter {reason}"));
        }
        self.answers(phases, &answers);
        self.inputs(settings, phases);
        let counters = &ran.counters;
        self.fire_times(18, "applied", counters.applied);
        self.fire_times(18, "parked", counters.parked);
        self.fire_times(17, "a scan says nothing new", counters.duplicate);
        for reason in Ignored::ALL {
            let times = counters.ignored[reason as usize];
            self.fire_times(rule_of_ignored(reason), &format!("ignored: {}", reason.name()), times);
        }
        self.fire_times(24, "a feed is silent", ran.silent_feeds as u64);
    }

    /// What became of a shipment, document by document.
    fn shipment(&mut self, values: &[Value]) {
        let none = Value::Null;
        let mut retired = false;
        for (at, now) in values.iter().enumerate() {
            let before = if at == 0 { &none } else { &values[at - 1] };
            if now.is_null() {
                self.fire(25, "a shipment retires");
                retired = true;
                continue;
            }
            if before.is_null() && retired {
                self.fire(25, "its ID lives again");
            }
            self.status(before, now);
            self.boxes(before, now);
            for (path, sign) in
                [("/carrier", (9, "the carrier changes")), ("/fc", (0, "the destination changes"))]
            {
                if !before.is_null() && before.pointer(path) != now.pointer(path) {
                    self.fire(sign.0, sign.1);
                }
            }
            if is_new("/window/verdict", before, now) {
                self.fire(8, &format!("verdict {}", text(&now["window"]["verdict"])));
            }
            if is_new("/window/locked", before, now) && now["window"]["locked"] == true {
                self.fire(7, "a window locks");
            }
            if is_new("/expected/source", before, now) {
                self.fire(12, &format!("expected by {}", text(&now["expected"]["source"])));
            }
        }
    }

    fn status(&mut self, before: &Value, now: &Value) {
        if !is_new("/status", before, now) {
            return;
        }
        let status = text(&now["status"]);
        self.fire(13, &format!("becomes {status}"));
        if before.is_null() {
            return;
        }
        if rank(text(&before["status"])) > rank(status) {
            self.fire(13, "derived anew: a status goes back");
        }
        let is_partnered = now["partnered"] == true;
        let is_freight = now["mode"] != "SPD";
        if is_partnered && status == "READY_TO_SHIP" && now["window"].is_null() {
            self.fire(2, "ready without a window");
        }
        if is_freight && status == "IN_TRANSIT" && is_before_transit(&now["milestone"]) {
            self.fire(13, "in transit by an appointment");
        }
        if before["status"] != "READY_TO_SHIP" || !(2..=4).contains(&rank(status)) {
            return;
        }
        let is_tracked = is_tracked(now);
        let in_custody =
            boxes(now).any(|parcel| !matches!(parcel["milestone"].as_str(), None | Some("LABEL_CREATED")));
        if is_partnered {
            self.fire(2, "shipped by a custody scan");
        } else if is_tracked && !in_custody {
            self.fire(1, "shipped by tracking");
        } else if !is_tracked {
            self.fire(1, "shipped by the first custody scan");
        }
    }

    fn boxes(&mut self, before: &Value, now: &Value) {
        let number = |parcel: &Value| parcel["tracking_id"].as_str().map(str::to_owned);
        let is_same_carrier = before["carrier"] == now["carrier"];
        let mut exchanged: BTreeSet<(Option<String>, Option<String>)> = BTreeSet::new();
        for parcel in boxes(now) {
            let known = boxes(before).find(|known| known["box_id"] == parcel["box_id"]);
            let known = known.unwrap_or(&Value::Null);
            if is_new("/milestone", known, parcel) {
                self.fire(12, &format!("a box shows {}", text(&parcel["milestone"])));
            }
            for flag in parcel["flags"].as_array().into_iter().flatten() {
                let is_known = known["flags"].as_array().is_some_and(|flags| flags.contains(flag));
                if !is_known {
                    self.fire(12, &format!("a box is flagged {}", text(flag)));
                }
            }
            let (had, has) = (number(known), number(parcel));
            if had == has || before.is_null() {
                continue;
            }
            match (&had, &has) {
                (Some(_), Some(_)) => {
                    self.fire(10, "a number is exchanged");
                    if exchanged.contains(&(has.clone(), had.clone())) {
                        self.fire(4, "boxes swap their numbers");
                    }
                    exchanged.insert((had, has));
                }
                (Some(_), None) if is_same_carrier => self.fire(10, "a number is removed"),
                _ => {}
            }
        }
        let tracked = boxes(now).filter(|parcel| !parcel["tracking_id"].is_null()).count();
        if now["status"] == "READY_TO_SHIP" && tracked > 0 && tracked < boxes(now).count() && before != now {
            self.fire(1, "some boxes are tracked: it waits");
        }
    }

    /// R6.
    fn shared_pros<'a>(&mut self, latest: impl Iterator<Item = &'a Value>) {
        let mut shipments: BTreeMap<(&str, &str), u32> = BTreeMap::new();
        for document in latest {
            if let Some(pro) = document["freight_bill"].as_str() {
                *shipments.entry((text(&document["carrier"]), pro)).or_default() += 1;
            }
        }
        let shared = shipments.values().filter(|count| **count > 1).count();
        self.fire_times(6, "one PRO serves several shipments", shared as u64);
    }

    /// A tombstone of a shipment that never retired is a refutation.
    fn problem(&mut self, values: &[Value], retired: bool) {
        let mut last_seen = Value::Null;
        let mut was_refuted = false;
        for now in values {
            if now.is_null() {
                if !retired && !last_seen.is_null() {
                    let kind = text(&last_seen["kind"]);
                    self.fire(rule_of_problem(kind), &format!("{kind} is refuted"));
                    was_refuted = true;
                }
                continue;
            }
            let kind = text(&now["kind"]);
            let rule = rule_of_problem(kind);
            let (was, is) = (last_seen["status"].as_str(), text(&now["status"]));
            match (was, is) {
                (None, _) => self.fire(rule, &format!("{kind} opens")),
                (Some("RESOLVED"), "OPEN") => self.fire(23, "a problem reopens"),
                (Some("ACKNOWLEDGED"), "OPEN") => self.fire(16, "what came later reopens it"),
                (Some("ACKNOWLEDGED"), "ACKNOWLEDGED") if was_refuted => {
                    self.fire(16, "refuted, and back as acknowledged");
                }
                _ => {}
            }
            if was != Some(is) && is == "ACKNOWLEDGED" {
                self.fire(16, "a problem is acknowledged");
            }
            if was != Some(is) && is == "RESOLVED" {
                self.fire(rule, &format!("{kind} resolves"));
            }
            was_refuted = false;
            last_seen = now.clone();
        }
    }

    fn account(&mut self, values: &[Value]) {
        let mut level = "STANDARD";
        for now in values.iter().filter(|value| !value.is_null()) {
            let is = text(&now["level"]);
            match is {
                _ if is == level => {}
                "STANDARD" => self.fire(15, "becomes STANDARD again"),
                _ => self.fire(15, &format!("becomes {is}")),
            }
            level = is;
        }
    }

    fn answers(&mut self, phases: &Phases, answers: &[Value]) {
        let commands = phases.0.iter().flat_map(|(messages, _)| messages);
        let commands = commands.filter(|message| message.topic == Topic::Commands);
        let with_line_end: BTreeSet<String> = commands
            .filter(|command| memchr::memmem::find(&command.value, br"\r\n").is_some())
            .filter_map(|command| serde_json::from_slice::<Value>(&command.value).ok())
            .map(|command| text(&command["command_id"]).to_owned())
            .collect();
        let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
        for answer in answers {
            let id = text(&answer["command_id"]);
            if !seen.insert((text(&answer["shipment_id"]), id)) {
                self.fire(0, "a command is repeated");
                continue;
            }
            if answer["outcome"] == "ACCEPTED" && with_line_end.contains(id) {
                self.fire(3, "a scanner's line end is cut off");
            }
            for remark in ["errors", "warnings"].iter().flat_map(|name| answer[*name].as_array()).flatten() {
                let code = text(&remark["code"]);
                self.fire(rule_of_answer(code), code);
                if code == "INVALID_TRACKING_ID" {
                    self.refusal(text(&remark["message"]));
                }
            }
        }
    }

    /// R5: the message says why.
    fn refusal(&mut self, message: &str) {
        for (words, sign) in [
            ("check digit", "refused: check digit"),
            ("is not the selected carrier", "refused: another carrier's"),
            ("has a blank", "refused: blanks"),
            ("it is empty", "refused: empty"),
            ("has this shape", "refused: shape"),
            ("characters, ", "refused: shape"),
        ] {
            if message.contains(words) {
                self.fire(5, sign);
            }
        }
    }

    /// R20: what only the difference between a scan's text and its time shows.
    fn inputs(&mut self, settings: &Settings, phases: &Phases) {
        let (catalogue, fcs) = (Catalogue::embedded(), Fcs::embedded());
        let context = Context { catalogue: &catalogue, fcs: &fcs, settings };
        let mut decoder = Decoder::new();
        let scans = phases.0.iter().flat_map(|(messages, _)| messages);
        for message in scans.filter(|message| message.topic == Topic::Scans) {
            let Ok(value) = serde_json::from_slice::<Value>(&message.value) else { continue };
            let Some(local) = value["event_time"].as_str().filter(|time| time.len() == 19) else { continue };
            let Some(as_utc) = Timestamp::parse(&format!("{local}Z")) else { continue };
            decoder.decode(&context, message.timestamp, None, &message.value, &mut |part| {
                if let Part::Scan { scan, .. } = part
                    && scan.event_time.timestamp() < as_utc.plus_ms(-12 * HOUR_MS)
                {
                    self.fire(20, "a day ahead without a zone: the day before");
                }
            });
        }
    }
}

/// What stood under each key, one after the other; null is a tombstone.
#[derive(Default)]
struct History(BTreeMap<String, Vec<Value>>);

impl History {
    fn push(&mut self, key: String, value: Value) {
        self.0.entry(key).or_default().push(value);
    }
}

/// All records of a topic: key, value, and why it is a dead letter.
fn read(ran: &Ran, partitions: u32, topic: Topic, mut sink: impl FnMut(String, Value, Option<String>)) {
    for partition in 0..partitions {
        let mut each = |record: dockside::engine::log::Record<'_>,
                        headers: dockside::engine::log::Headers<'_>| {
            let key = String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned();
            let value = record.value.and_then(|value| serde_json::from_slice(value).ok()).unwrap_or_default();
            let reason = headers.iter().find(|(name, _)| *name == "dockside.reason");
            sink(key, value, reason.map(|(_, reason)| String::from_utf8_lossy(reason).into_owned()));
        };
        let read = ran.log.read_with_headers(topic, Partition(partition), 0, usize::MAX, &mut each);
        read.expect("the log is in memory");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}"))
}

/// Whether something is said there, and something else than before.
fn is_new(path: &str, before: &Value, now: &Value) -> bool {
    let said = now.pointer(path).filter(|said| !said.is_null());
    said.is_some() && said != before.pointer(path)
}

fn boxes(document: &Value) -> impl Iterator<Item = &Value> {
    document["boxes"].as_array().into_iter().flatten()
}

fn is_tracked(document: &Value) -> bool {
    if document["mode"] == "SPD" {
        boxes(document).all(|parcel| !parcel["tracking_id"].is_null())
    } else {
        !document["freight_bill"].is_null()
    }
}

fn is_before_transit(milestone: &Value) -> bool {
    matches!(milestone.as_str(), None | Some("LABEL_CREATED" | "PICKED_UP"))
}

/// The order of statuses.
fn rank(status: &str) -> usize {
    let all = [
        "WORKING",
        "READY_TO_SHIP",
        "SHIPPED",
        "IN_TRANSIT",
        "DELIVERED",
        "CHECKED_IN",
        "RECEIVING",
        "CLOSED",
        "CANCELLED",
    ];
    all.iter().position(|name| *name == status).unwrap_or_else(|| panic!("{status} is no status"))
}
