//! Odd worlds: three shipments whose owners, carriers and FC do anything at any time.
//!
//! Enters: a seed. Leaves: a calm world of single commands with a few scans in between, and the settings for it, under which
//! everything happens soon. Always true: a command is alone in its phase, since shipments share numbers here; each phase
//! ends with a tick; what is meant to be refused is as likely as what is not.

use dockside::engine::replay::{ReplayLine, ReplayTopic};
use dockside::model::{DAY_MS, HOUR_MS, MINUTE_MS, Settings, Timestamp, Topic};

use super::run::{Dice, Phases, Written};
use super::settings;
use crate::rules::story::lines;

/// 2026-11-02.
const START: Timestamp = Timestamp(1_793_577_600_000);
const COMMANDS: usize = 70;
const MESSAGE_BYTES_MAX: usize = 20_000;
/// Fewer than the retractions that wait for their scans at most.
const SCAN_IDS: usize = 6;

/// Rules of few days.
pub(crate) fn odd_settings(seed: u64) -> Settings {
    Settings {
        park_ms: 5 * DAY_MS,
        retire_ms: 3 * DAY_MS,
        life_after_delivery_ms: 4 * DAY_MS,
        standing_ms: 3 * DAY_MS,
        standing_shipments_min: 1,
        escalate_ms: DAY_MS,
        strict_blanks: seed.is_multiple_of(3),
        strict_fcs: seed % 16 < 8,
        message_bytes_max: MESSAGE_BYTES_MAX,
        ..settings()
    }
}

/// A world of that seed.
pub(crate) fn odd_world(seed: u64) -> Phases {
    let mut writer = Writer { dice: Dice::new(seed), now: START, last: None };
    let mut phases = Vec::new();
    for id in ["S", "T"] {
        let opening = [writer.creation(id), format!("confirm in={id}"), writer.tracking(id)];
        phases.extend(opening.map(|statement| writer.phase(&[statement])));
    }
    for _ in 0..COMMANDS {
        let scans: Vec<String> = (0..writer.dice.below(4)).map(|_| writer.scan()).collect();
        phases.push(writer.phase(&scans));
        let command = writer.command();
        phases.push(writer.phase(&[command]));
        writer.wait();
    }
    let episode = EPISODES[writer.dice.below(EPISODES.len())];
    phases.extend(writer.episode(episode));
    writer.now = writer.now.plus_ms(12 * DAY_MS);
    phases.push(writer.phase(&[]));
    Phases(phases)
}

/// What chance brings about too seldom, of a shipment of its own: a statement and the hour that it is made in. `<60>` stands
/// for the 60th hour; no statement is a tick.
type Episode = &'static [(i64, &'static str)];

const EPISODES: [Episode; 5] = [
    // An acknowledged problem is refuted, and comes back as it was.
    &[
        (0, "create in=V boxes=B1,B2 window=<48>..<96>"),
        (0, "confirm in=V"),
        (1, "track in=V B1=#8 B2=#9"),
        (97, ""),
        (97, "ack MISSED_WINDOW_LATE in=V"),
        (98, "scan #8 DELIVERED at=<60> id=v"),
        (99, "scan #9 DELIVERED at=<60>"),
        (100, "scan #8 ETA eta=<120> retracts=v"),
    ],
    // An early arrival is taken back.
    &[
        (0, "create in=V boxes=B1,B2 window=<48>..<96>"),
        (0, "confirm in=V"),
        (1, "track in=V B1=#8 B2=#9"),
        (25, "scan #8 DELIVERED at=<24> id=v"),
        (26, "scan #9 DELIVERED at=<24>"),
        (27, "scan #8 ETA eta=<50> retracts=v"),
    ],
    // Numbers that came after the delivery, which is taken back.
    &[
        (0, "create in=V boxes=B1,B2 window=<48>..<96>"),
        (0, "confirm in=V"),
        (50, "scan #8 DELIVERED at=<49> id=v"),
        (51, "scan #9 DELIVERED at=<49>"),
        (52, "track in=V B1=#8 B2=#9"),
        (53, "scan #8 ETA eta=<60> retracts=v"),
    ],
    // What was refused was another number's.
    &[
        (0, "create in=V boxes=B1,B2 window=<48>..<96>"),
        (0, "confirm in=V"),
        (1, "track in=V B1=#8 B2=#9"),
        (50, "scan #8 REFUSED at=<49> fc=ICT2"),
        (51, "track in=V B1=#7"),
    ],
    // Freight of which an appointment is the first that is heard.
    &[
        (0, "create in=V mode=LTL carrier=ABF pallets=2 boxes=B1 window=<48>..<96>"),
        (0, "confirm in=V"),
        (1, "bill 123456800 in=V"),
        (20, "scan 123456800 APPOINTMENT carrier=ABF appt=<50>..<52>"),
    ],
];

struct Writer {
    dice: Dice,
    now: Timestamp,
    /// The last command, as it was written.
    last: Option<ReplayLine>,
}

const IDS: [&str; 3] = ["S", "T", "U"];
const BOXES: [&str; 4] = ["B1", "B2", "B3", "B9"];
const NUMBERS: [&str; 12] = ["#0", "#1", "#2", "#3", "#0", "#1", "#2", "fx#0", "fx#1", "X1", "#4␍", "-"];
/// A wrong check digit, no shape of anybody's, outer blanks, nothing, another carrier's.
const BAD_NUMBERS: [&str; 6] = ["1Z5R89390357567128", "1ZSHORT", "␣#5", "#6␣", "", "fx#2"];
const SCANNED: [(&str, &str); 9] = [
    ("#0", "UPS"),
    ("#1", "UPS"),
    ("#2", "UPS"),
    ("#3", "UPS"),
    ("#0", "UPS"),
    ("fx#0", "FEDEX"),
    ("X1", "OTHER"),
    ("123456782", "ABF"),
    ("123456782", "ABF"),
];
const SAID: [&str; 27] = [
    "LABEL_CREATED",
    "PICKED_UP",
    "IN_TRANSIT",
    "AT_DESTINATION",
    "OUT_FOR_DELIVERY",
    "ARRIVED_AT_FC",
    "ARRIVED_AT_FC",
    "PARTIALLY_DELIVERED",
    "DELIVERED",
    "DELIVERED",
    "DELIVERED",
    "DELIVERED",
    "RETURN_STARTED",
    "RETURNED",
    "LOST",
    "DESTROYED",
    "DELAYED",
    "HELD",
    "CUSTOMS_HOLD",
    "DAMAGED",
    "REFUSED",
    "ATTEMPT_FAILED",
    "ADDRESS_ISSUE",
    "MISROUTED",
    "APPOINTMENT_NEEDED",
    "ETA",
    "APPOINTMENT",
];
const PROBLEMS: [&str; 12] = [
    "MISSING_TRACKING",
    "MISSING_TRACKING",
    "MISSED_WINDOW_EARLY",
    "MISSED_WINDOW_LATE",
    "MISSED_WINDOW_LATE",
    "TRACKING_CONFLICT",
    "RETURNED",
    "LOST",
    "DAMAGED",
    "MISDELIVERED",
    "YARD_DWELL",
    "NO_SUCH_KIND",
];
const BAD_SCANS: [&str; 5] = [
    "ISA*00*broken",
    "UNB+UNOC:3+UPS",
    r#"{"carrier":"UPS","tracking_id":"1Z5R89390357567127","code":"D"}"#,
    "[{]",
    "neither",
];

impl Writer {
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.dice.below(from.len())]
    }

    fn chance(&mut self, of: usize) -> bool {
        self.dice.below(of) == 0
    }

    /// A moment at least `from` and less than `to` hours from now.
    fn around(&mut self, from: i64, to: i64) -> String {
        let minutes = self.dice.up_to((to - from) * 60);
        self.now.plus_ms(from * HOUR_MS + minutes * MINUTE_MS).to_string().replace('Z', "")
    }

    fn window(&mut self) -> String {
        let (from, to) = [(1, 60), (1, 60), (1, 60), (24, 90), (-20, 0)][self.dice.below(5)];
        let start = self.around(from, to);
        let end = match self.dice.below(6) {
            0 => self.around(8 * 24, 14 * 24),
            _ => self.around(60, 130),
        };
        format!("{start}..{end}")
    }

    fn creation(&mut self, id: &str) -> String {
        let kind = match self.dice.below(10) {
            0..5 => "boxes=B1,B2",
            5 => "boxes=B1,B2 carrier=FEDEX",
            6 => "boxes=B1 carrier=OTHER name=Acme",
            7 => "mode=LTL carrier=ABF pallets=2 boxes=B1",
            8 => "mode=FTL carrier=ABF pallets=2 boxes=",
            _ => "boxes=B1,B2 partnered=true items=B1:#0,B2:#3",
        };
        let window = match self.dice.below(5) {
            0 => "-".to_owned(),
            _ => self.window(),
        };
        let mut text = format!("create in={id} {kind} window={window}");
        for (one_in, more) in
            [(4, " cross_border=true"), (8, " account=B"), (5, " fc=ONT8"), (20, " fc=NOWHERE")]
        {
            if self.chance(one_in) {
                text.push_str(more);
            }
        }
        if self.chance(4) {
            text = format!("{text} created_at={}", self.around(-100, 0));
        }
        if self.chance(60) {
            let boxes: Vec<String> = (0..501).map(|n| format!("B{n}")).collect();
            text = format!("create in={id} boxes={}", boxes.join(","));
        }
        text
    }

    fn tracking(&mut self, id: &str) -> String {
        let count = [1, 2, 2, 2][self.dice.below(4)];
        let items: Vec<String> = (0..count)
            .map(|n| {
                let label = if self.chance(12) { "B9" } else { BOXES[n] };
                let number = if self.chance(6) { self.pick(&BAD_NUMBERS) } else { self.pick(&NUMBERS) };
                format!("{label}={number}")
            })
            .collect();
        let system = if self.chance(8) { " system=true" } else { "" };
        format!("track in={id} {}{system}", items.join(" "))
    }

    fn command(&mut self) -> String {
        let id = self.pick(&IDS);
        match self.dice.below(44) {
            0..8 => self.creation(id),
            8..13 => format!("confirm in={id}"),
            13..20 => self.tracking(id),
            20..22 => {
                let bill = self.pick(&["123456782", "123456782", "123456791", "PRO#1", "123456783"]);
                format!("bill {bill} in={id}")
            }
            22..24 => {
                let carrier = self.pick(&["UPS", "FEDEX", "ABF", "OTHER name=Acme", "OTHER", "PONY"]);
                format!("carrier {carrier} in={id}")
            }
            24..26 => format!("window {} in={id}", self.window()),
            26 => {
                let boxes = self.pick(&["+B3", "-B2", "+B3 -B1", "-B9", "+B1"]);
                format!("boxes {boxes} in={id}")
            }
            27 => format!("fc {} in={id}", self.pick(&["ICT2", "ONT8", "NOWHERE"])),
            28..33 => {
                let stage =
                    self.pick(&["CHECKED_IN", "CHECKED_IN", "RECEIVING", "CLOSED", "CLOSED", "PAINTED"]);
                format!("report {stage} in={id}")
            }
            33..35 => format!("cancel in={id}"),
            35..40 => format!("ack {} in={id}", self.pick(&PROBLEMS)),
            40 => format!("cancel dry=true in={id}"),
            41 => {
                "raw commands {\"command_id\":\"x\",\"type\":\"teleport\",\"shipment_id\":\"S\"}".to_owned()
            }
            _ => "again".to_owned(),
        }
    }

    fn scan(&mut self) -> String {
        if self.chance(40) {
            return format!("raw scans {}", self.pick(&BAD_SCANS));
        }
        if self.chance(300) {
            return format!("raw scans {{\"description\":\"{}\"}}", "x".repeat(MESSAGE_BYTES_MAX));
        }
        let (number, carrier) = SCANNED[self.dice.below(SCANNED.len())];
        let mut text = format!("scan {number} {} carrier={carrier}", self.pick(&SAID));
        match self.dice.below(40) {
            // A clock in Wichita that is a day ahead, or says what cannot be.
            0 => text = format!("{text} fc=ICT2 local={}", self.around(15, 18)),
            1 => text = format!("{text} local={}", self.around(-20, -10)),
            2 => text = format!("{text} at={}", self.around(100, 200)),
            3 => text = format!("{text} code=NO_SUCH_CODE"),
            4..10 => text = format!("{text} at={}", self.around(-120, 0)),
            _ => text = format!("{text} at={}", self.around(-30, 1)),
        }
        if !text.contains(" fc=") {
            text.push_str(self.pick(&["", "", " fc=ICT2", " fc=ICT2", " fc=ONT8", " zip=67202"]));
        }
        if text.contains("NO_SUCH_CODE") {
            let milestone = text.split(' ').nth(2).expect("a milestone").to_owned();
            return text.replacen(&format!(" {milestone}"), "", 1);
        }
        if self.chance(2) {
            text = format!("{text} id=i{}", self.dice.below(SCAN_IDS));
        }
        if self.chance(8) {
            text = format!("{text} retracts=i{}", self.dice.below(SCAN_IDS));
        }
        if text.contains(" ETA ") || self.chance(5) {
            text = format!("{text} eta={}", self.around(-10, 110));
        }
        if text.contains(" APPOINTMENT ") {
            text = format!("{text} appt={}..{}", self.around(-10, 50), self.around(50, 60));
        }
        text
    }

    fn wait(&mut self) {
        let (least, most) = [(0, 2), (1, 12), (1, 12), (6, 30), (12, 60), (24, 140)][self.dice.below(6)];
        self.now =
            self.now.plus_ms(least * HOUR_MS + self.dice.up_to((most - least) * HOUR_MS / 1000) * 1000);
    }

    /// A phase for each step.
    fn episode(&mut self, steps: Episode) -> Vec<(Vec<Written>, Timestamp)> {
        let start = self.now;
        let phase = |(hour, statement): &(i64, &str)| {
            self.now = self.now.max(start.plus_ms(hour * HOUR_MS));
            let statements = if statement.is_empty() { vec![] } else { vec![dated(start, statement)] };
            self.phase(&statements)
        };
        steps.iter().map(phase).collect()
    }

    /// These statements, a few minutes apart, and a tick.
    fn phase(&mut self, statements: &[String]) -> (Vec<Written>, Timestamp) {
        let mut messages = Vec::new();
        for statement in statements {
            self.now = self.now.plus_ms(MINUTE_MS + self.dice.up_to(20) * MINUTE_MS);
            let line = match (&self.last, statement.as_str()) {
                (Some(last), "again") => ReplayLine { timestamp: self.now, ..last.clone() },
                (None, "again") => continue,
                _ => lines(&format!("{} {statement}", self.now)).pop().expect("one line"),
            };
            let topic = if line.topic == ReplayTopic::Scans { Topic::Scans } else { Topic::Commands };
            if topic == Topic::Commands {
                self.last = Some(line.clone());
            }
            messages.push(Written {
                topic,
                timestamp: line.timestamp,
                partition: 0,
                key: line.key,
                value: line.value.expect("no tombstones"),
            });
        }
        self.now = self.now.plus_ms(MINUTE_MS);
        (messages, self.now)
    }
}

/// The statement with its hours as times.
fn dated(start: Timestamp, statement: &str) -> String {
    let mut parts = statement.split('<');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (hour, rest) = part.split_once('>').expect("`<60>` is an hour");
        let at = start.plus_ms(hour.parse::<i64>().expect("an hour") * HOUR_MS);
        text.push_str(&at.to_string().replace('Z', ""));
        text.push_str(rest);
    }
    text
}
