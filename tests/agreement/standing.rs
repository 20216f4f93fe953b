//! Accounts over weeks, side by side: levels, restrictions, open defects and their end.
//!
//! Enters: a seed, and how long the days of the rules are. Leaves: a calm world of freight that is created, confirmed, given a
//! PRO or not, checked in, acknowledged and closed. Always true: creations have phases of their own, since a gate decides
//! them; each phase ends with a tick.

use dockside::carriers::Catalogue;
use dockside::engine::log::Faults;
use dockside::model::{
    CommandErrorCode, CommandKind, DAY_MS, Fcs, HOUR_MS, MINUTE_MS, Settings, Timestamp, Topic,
};
use serde_json::{Value, json};

use super::run::{Dice, Packing, Phases, Written, run_under};
use super::{FAULTS, Lives, assert_agreement, seeds, settings};
use crate::twin::{Twin, TwinResult};

/// 2026-11-02.
const START: Timestamp = Timestamp(1_793_577_600_000);

/// Days of a few hours of work each. `days`: how many; `pause`: whether nothing happens on most of them.
pub(crate) fn world(seed: u64, days: i64, pause: bool) -> Phases {
    let mut dice = Dice::new(seed);
    let mut phases = Phases(Vec::new());
    // Of each shipment on its way the commands that are still to come, the next one last; null: a day without one.
    let mut loads: Vec<Vec<Value>> = Vec::new();
    // How bad an account is: it has defects up to a day of its own, and none afterwards.
    let turns = [2 * days, days / 2, days / 4].map(|most| dice.up_to(most));
    let mut number = 0;
    for day in 0..days {
        let begins = START.plus_ms(day * DAY_MS);
        if pause && dice.below(3) > 0 {
            continue;
        }
        let mut created = Vec::new();
        for (account, turn) in ["A", "B", "C"].into_iter().zip(turns) {
            for _ in 0..dice.below(3) {
                let id = format!("FBA{number:06}");
                let is_bad = day < turn && dice.below(2) == 0;
                let at = begins.plus_ms(dice.up_to(300) * MINUTE_MS + MINUTE_MS);
                let window = json!({"start": at.plus_ms(DAY_MS).to_string(), "end": at.plus_ms(3 * DAY_MS).to_string()});
                let fields = json!({"account": account, "fc": "ICT2", "mode": "LTL", "carrier": "XPO", "partnered": false,
                    "pallets": 1, "boxes": [], "delivery_window": window});
                created.push((at, command(&id, "create_shipment", fields)));
                // What an account with open defects does about them.
                let ack = json!({"problem_id": format!("{id}:MISSING_TRACKING")});
                let mut todo = vec![command(&id, "report_receiving", json!({"stage": "CLOSED"}))];
                for _ in 0..dice.below(4) {
                    todo.push(Value::Null);
                }
                if is_bad && dice.below(4) > 0 {
                    todo.push(command(&id, "acknowledge_problem", ack));
                    todo.push(Value::Null);
                }
                todo.push(command(&id, "report_receiving", json!({"stage": "CHECKED_IN"})));
                if !is_bad {
                    let bill = format!("{}", 100_000_000 + number);
                    todo.push(command(&id, "set_freight_bill", json!({"freight_bill": bill})));
                }
                todo.push(command(&id, "confirm_ready", json!({})));
                loads.push(todo);
                number += 1;
            }
        }
        let tick = begins.plus_ms(6 * HOUR_MS);
        phases.push(created, tick);
        let mut work = Vec::new();
        for todo in &mut loads {
            let at = tick.plus_ms(dice.up_to(300) * MINUTE_MS + MINUTE_MS);
            match todo.pop() {
                None | Some(Value::Null) => {}
                Some(command) => work.push((at, command)),
            }
        }
        loads.retain(|todo| !todo.is_empty());
        // Mostly at the day's end, or some hours before or after; then the next day's first phase judges.
        let tick = begins.plus_ms([24, 24, 18, 23][dice.below(4)] * HOUR_MS);
        phases.push(work, tick);
    }
    phases.push(Vec::new(), START.plus_ms(days * DAY_MS));
    phases
}

fn command(id: &str, kind: &str, fields: Value) -> Value {
    let mut value = json!({"command_id": format!("{id}-{kind}-{}", fields["stage"].as_str().unwrap_or("")),
        "type": kind, "shipment_id": id});
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    value.as_object_mut().expect("an object").extend(fields);
    value
}

impl Phases {
    fn push(&mut self, commands: Vec<(Timestamp, Value)>, tick: Timestamp) {
        let mut commands = commands;
        commands.sort_by_key(|(at, _)| *at);
        let written = commands.into_iter().map(|(timestamp, value)| Written {
            topic: Topic::Commands,
            timestamp,
            partition: 0,
            key: Some(value["shipment_id"].as_str().expect("an ID").as_bytes().to_vec()),
            value: value.to_string().into_bytes(),
        });
        self.0.push((written.collect(), tick));
    }
}

/// The rules with days that are short, so that a world of weeks sees everything.
pub(crate) fn quick(seed: u64) -> Settings {
    Settings {
        standing_ms: 12 * DAY_MS,
        escalate_ms: 4 * DAY_MS,
        standing_shipments_min: 4,
        restriction_ms: [24, 48, 72][usize::try_from(seed % 3).expect("small")] * HOUR_MS,
        require_acknowledgement: seed.is_multiple_of(2),
        retire_ms: 5 * DAY_MS,
        ..settings()
    }
}

/// How often what is rare was seen.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    restricted: usize,
    unacknowledged: usize,
    created_later: usize,
    elevated: usize,
    critical: usize,
    standard_again: usize,
    open: usize,
}

impl Seen {
    fn add(&mut self, told: &TwinResult) {
        let creations = || told.outcomes.iter().filter(|o| o.kind == CommandKind::CreateShipment);
        let with = |code| creations().filter(|o| o.errors.iter().any(|error| error.code == code)).count();
        self.restricted += with(CommandErrorCode::AccountRestricted);
        self.unacknowledged += with(CommandErrorCode::UnacknowledgedProblems);
        let after_refusal = creations().skip_while(|o| o.errors.is_empty());
        self.created_later += after_refusal.filter(|o| o.errors.is_empty()).count();
        for (_, account) in told.documents.iter().filter(|((topic, _), _)| *topic == Topic::Accounts) {
            let level = account["level"].as_str().expect("a level");
            self.elevated += usize::from(level == "ELEVATED");
            self.critical += usize::from(level == "CRITICAL");
            self.standard_again += usize::from(level == "STANDARD" && !account["level_since"].is_null());
            self.open += usize::from(account["unacknowledged"] != 0);
        }
    }
}

fn agree(seed: u64, rules: &Settings, phases: &Phases, seen: &mut Seen) {
    let twin = Twin::new(rules.clone(), Catalogue::embedded(), Fcs::embedded());
    let told = twin.run(&phases.inputs());
    for partitions in [1, 4] {
        let packing = Packing::random(seed, partitions);
        let (latest, counters) = run_under(rules.clone(), phases, &packing, Faults::default());
        assert_agreement((seed, Lives::Stay), (rules, phases, &packing), &told, &latest, &counters);
    }
    seen.add(&told);
}

#[test]
fn r15_r16_accounts_agree_over_weeks_of_short_rules() {
    let mut seen = Seen::default();
    let seeds = seeds(9_000..9_060);
    let is_sample = seeds.clone().count() == 60;
    for seed in seeds {
        let days = 20 + i64::try_from(seed % 30).expect("small");
        agree(seed, &quick(seed), &world(seed, days, false), &mut seen);
    }
    if is_sample {
        let Seen { restricted, unacknowledged, created_later, elevated, critical, standard_again, open } =
            seen;
        let all = [restricted, unacknowledged, created_later, elevated, critical, standard_again, open];
        assert!(all.iter().all(|count| *count >= 5), "{seen:?}");
    }
}

#[test]
fn r15_accounts_agree_over_more_than_a_year_of_the_rules() {
    let mut seen = Seen::default();
    for seed in seeds(9_100..9_102) {
        agree(seed, &settings(), &world(seed, 400, true), &mut seen);
    }
}

#[test]
fn r15_r16_crashes_do_not_show_in_accounts() {
    for seed in seeds(9_200..9_212) {
        let phases = world(seed, 30, false);
        let packing = Packing { repeat: false, ..Packing::random(seed, 4) };
        let calm = run_under(quick(seed), &phases, &packing, Faults::default());
        let stormy = run_under(quick(seed), &phases, &packing, FAULTS);
        assert_eq!(calm.0.digest(), stormy.0.digest(), "seed {seed}");
        assert_eq!(calm.1, stormy.1, "seed {seed}");
    }
}
