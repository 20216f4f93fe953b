//! An epoch taken back leaves no trace, and the state log tells all.
//!
//! Enters: seeded worlds, cut into epochs at random. Leaves: nothing, or a seed and a cut that show a difference. Always true:
//! what is compared is the canonical serialisation of everything that stations know, the books and the clock.

mod driver;
mod formats;

use std::collections::BTreeMap;
use std::convert::Infallible;

use dockside::engine::log::Outbox;
use dockside::engine::state::{StateHeader, StateKind, StateRecord, read_record};
use dockside::model::{DAY_MS, DeadLetterReason, Settings, Timestamp, Topic};
use dockside::stations::Rules;
use dockside::workload::Weather;
use proptest::prelude::*;

use self::driver::{Document, Driver, Input, Stage, accounts, inputs, restore, snapshot, without_sources};
use crate::agreement::standing::quick;

/// An epoch: attempts that are taken back (records, stage), and the records that are committed.
#[derive(Clone, Debug)]
struct Cut {
    undone: Vec<(usize, Stage)>,
    records: usize,
}

fn cut() -> impl Strategy<Value = Cut> {
    let stage = prop_oneof![Just(Stage::Read), Just(Stage::Settled), Just(Stage::Published)];
    (prop::collection::vec((0_usize..60, stage), 0..3), 0_usize..40)
        .prop_map(|(undone, records)| Cut { undone, records })
}

fn cuts() -> impl Strategy<Value = Vec<Cut>> {
    prop::collection::vec(cut(), 1..12)
        .prop_filter("some epoch reads", |cuts| cuts.iter().any(|c| c.records > 0))
}

fn weather() -> impl Strategy<Value = Weather> {
    prop_oneof![Just(Weather::Calm), Just(Weather::Stormy)]
}

/// Commits epoch after epoch as `cuts` say, over and over, until all is read.
fn finish(driver: &mut Driver<'_>, cuts: &[Cut]) {
    for cut in cuts.iter().cycle() {
        if driver.is_done() {
            return;
        }
        driver.commit(cut.records);
    }
}

/// Every other world lets shipments go soon, and has room for few parked numbers and few open boxes.
fn rules(seed: u64) -> Rules {
    let rules = Rules::embedded();
    if seed.is_multiple_of(2) {
        return rules;
    }
    let settings = Settings {
        retire_ms: DAY_MS,
        standing_ms: DAY_MS,
        standing_shipments_min: 1,
        escalate_ms: DAY_MS,
        park_numbers_max: 3,
        park_bytes_max: 1_000,
        open_boxes_max: 3,
        ..rules.settings.clone()
    };
    Rules { settings, ..rules }
}

/// Where two lists of documents part, the sources of milestones aside.
fn first_difference(left: &[Document], right: &[Document]) -> Option<String> {
    let (left, right) = (without_sources(left), without_sources(right));
    let at = (0..left.len().max(right.len())).find(|at| left.get(*at) != right.get(*at))?;
    Some(format!("document {at}: {:#?} instead of {:#?}", left.get(at), right.get(at)))
}

/// Versions of plan lines and shipments rise by one from 1 on; a shipment that went has none.
fn assert_contiguous(documents: &[Document]) {
    let mut last: BTreeMap<(Topic, String), u64> = BTreeMap::new();
    for (topic, key, value) in without_sources(documents) {
        if topic == Topic::Shipments && value.is_none() && !key.contains('|') {
            last.retain(|(_, id), _| *id != key);
        }
        if let (Topic::Shipments | Topic::ReceivingPlan, Some(value)) = (topic, value)
            && value.get("page").is_none_or(|page| page == 1)
        {
            let id = value["shipment_id"].as_str().expect("an ID").to_owned();
            let last = last.entry((topic, id.clone())).or_default();
            *last += 1;
            assert_eq!(value["version"], *last, "{topic:?} of {id}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_epoch_taken_back_leaves_no_trace(seed in 0_u64..100_000, weather in weather(), cuts in cuts()) {
        let rules = rules(seed);
        let inputs = inputs(seed, 120, weather);
        let mut plain = Driver::new(&rules, &inputs);
        finish(&mut plain, &cuts);
        let mut shaken = Driver::new(&rules, &inputs);
        for cut in cuts.iter().cycle() {
            if shaken.is_done() {
                break;
            }
            for (records, stage) in &cut.undone {
                prop_assert!(!shaken.undo(*records, *stage), "{records} records, until {stage:?}");
            }
            shaken.commit(cut.records);
        }
        prop_assert_eq!(first_difference(&shaken.documents, &plain.documents), None);
        prop_assert_eq!(shaken.snapshot(), plain.snapshot());
        // The order of a delta's entries is nobody's business; what they tell is.
        prop_assert_eq!(shaken.restored(&shaken.state_log).snapshot(), plain.snapshot());
        prop_assert_eq!(plain.counters().read, plain.counters().accounted());
    }

    #[test]
    fn two_epochs_taken_back_leave_no_trace(seed in 0_u64..100_000, weather in weather(), cuts in cuts()) {
        let rules = rules(seed);
        let inputs = inputs(seed, 120, weather);
        let mut driver = Driver::new(&rules, &inputs);
        for cut in cuts.iter().cycle() {
            if driver.is_done() {
                break;
            }
            for (records, stage) in &cut.undone {
                prop_assert!(!driver.undo_two(*records, cut.records, *stage), "{records} and {cut:?}");
                prop_assert!(!driver.undo_two(cut.records, *records, *stage), "{cut:?} and {records}");
            }
            driver.commit(cut.records);
        }
        prop_assert_eq!(driver.counters().read, driver.counters().accounted());
    }

    #[test]
    fn an_epoch_may_begin_before_the_last_is_committed(seed in 0_u64..100_000, weather in weather(), cuts in cuts()) {
        let rules = rules(seed);
        let inputs = inputs(seed, 120, weather);
        let [mut in_turn, mut overlapping] = [(); 2].map(|()| Driver::new(&rules, &inputs));
        for (at, cut) in cuts.iter().cycle().enumerate() {
            if in_turn.is_done() {
                break;
            }
            let records = [cut.records, cuts[(at + 1) % cuts.len()].records];
            in_turn.commit_two(records, false);
            for (undone, stage) in &cut.undone {
                prop_assert!(!overlapping.undo_two(*undone, cut.records, *stage), "{undone} and {cut:?}");
            }
            overlapping.commit_two(records, true);
            prop_assert_eq!(overlapping.snapshot(), in_turn.snapshot());
        }
        prop_assert_eq!(first_difference(&overlapping.documents, &in_turn.documents), None);
        prop_assert_eq!(overlapping.restored(&overlapping.state_log).snapshot(), in_turn.snapshot());
    }

    #[test]
    fn the_state_log_tells_all(seed in 0_u64..100_000, weather in weather(), cuts in cuts(), epochs in 0_usize..40, image in any::<bool>()) {
        let rules = rules(seed);
        let inputs = inputs(seed, 120, weather);
        let mut live = Driver::new(&rules, &inputs);
        for cut in cuts.iter().cycle().take(epochs) {
            live.commit(cut.records);
        }
        // The log from its beginning, from where it may be trimmed, and, when there is a whole image, from there on.
        let mut begins = vec![0, usize::try_from(live.trimmed).expect("a short log")];
        if image {
            begins.push(live.state_log.len());
            live.image();
            for cut in cuts.iter().cycle().take(epochs % 5) {
                live.commit(cut.records);
            }
        }
        let told = live.documents.len();
        let mut restored: Vec<Driver<'_>> =
            begins.iter().map(|begin| live.restored(&live.state_log[*begin..])).collect();
        for restored in &restored {
            prop_assert_eq!(restored.snapshot(), live.snapshot());
        }
        finish(&mut live, &cuts);
        assert_contiguous(&live.documents);
        for restored in &mut restored {
            finish(restored, &cuts);
            prop_assert_eq!(first_difference(&restored.documents, &live.documents[told..]), None);
            prop_assert_eq!(restored.snapshot(), live.snapshot());
        }
    }
}

/// The same two laws for accounts: levels, gates and open defects are taken back and told like all else.
#[test]
fn what_accounts_come_to_is_taken_back_and_told() {
    let mut gates = 0;
    for seed in 0..8 {
        let rules = Rules { settings: quick(seed), ..Rules::embedded() };
        let inputs = accounts(seed);
        let mut plain = Driver::new(&rules, &inputs);
        let mut shaken = Driver::new(&rules, &inputs);
        for epoch in 0.. {
            if plain.is_done() {
                break;
            }
            let records = 1 + (epoch * 7 + usize::try_from(seed).expect("small")) % 9;
            let stage = [Stage::Read, Stage::Settled, Stage::Published][epoch % 3];
            assert!(!shaken.undo(records + epoch % 4, stage), "seed {seed}, epoch {epoch}: {stage:?}");
            plain.commit(records);
            shaken.commit(records);
            if epoch % 16 == 0 {
                let snapshot = plain.snapshot();
                gates += usize::from(snapshot.gauges.gates > 0);
                assert_eq!(
                    plain.restored(&plain.state_log).snapshot(),
                    snapshot,
                    "seed {seed}, epoch {epoch}"
                );
                shaken = shaken.restored(&shaken.state_log).continued(shaken);
            }
        }
        assert_eq!(first_difference(&shaken.documents, &plain.documents), None, "seed {seed}");
        assert_eq!(shaken.snapshot(), plain.snapshot(), "seed {seed}");
    }
    assert!(gates > 5, "gates were seen {gates} times");
}

/// The worlds above do see shipments go and parked numbers evicted.
#[test]
fn what_goes_is_seen_to_go() {
    let (mut gone, mut evicted) = (0, 0);
    for seed in [1, 3, 5, 7] {
        let rules = rules(seed);
        let inputs = inputs(seed, 120, Weather::Stormy);
        let driver = driven(&rules, &inputs);
        let tombstone = |(topic, _, value): &&Document| *topic == Topic::Shipments && value.is_none();
        gone += driver.documents.iter().filter(tombstone).count();
        evicted += driver.counters().dead_lettered[DeadLetterReason::ParkEvicted as usize];
    }
    assert!(gone > 4 && evicted > 4, "{gone} shipments went, {evicted} scans were evicted");
}

/// The state log of a world that was read in epochs of 20 records.
fn driven<'a>(rules: &'a Rules, inputs: &'a [Input]) -> Driver<'a> {
    let mut driver = Driver::new(rules, inputs);
    while !driver.is_done() {
        driver.commit(20);
    }
    driver
}

/// The log without its images: what it was before the first of them.
fn deltas(driver: &Driver<'_>) -> Vec<Vec<u8>> {
    let is_delta = |record: &&Vec<u8>| read_record(record).expect("ours").header.kind == StateKind::Delta;
    driver.state_log.iter().filter(is_delta).cloned().collect()
}

#[test]
fn images_are_written_in_turn_and_the_log_stays_short() {
    let rules = Rules::embedded();
    let inputs = inputs(11, 4_000, Weather::Stormy);
    let driver = driven(&rules, &inputs);
    let (mut deltas, mut images, mut runs, mut largest) = (0, 0, 0, 0);
    for record in &driver.state_log {
        let StateRecord { header, entries: body, .. } = read_record(record).expect("a record that we wrote");
        match header.kind {
            StateKind::Delta => deltas += body.len(),
            StateKind::Image { .. } => {
                images += body.len();
                largest = largest.max(body.len());
                runs += 1;
            }
        }
    }
    assert!(runs > 8, "{runs} runs");
    // A run may cost more than the deltas it was for; the next one waits until that is paid.
    assert!(
        images <= deltas + largest,
        "{images} bytes of images, the largest {largest}, {deltas} of deltas"
    );
    // What may be trimmed is all but the last round, and each cut restores the same.
    assert!(driver.trimmed > 0);
    let trimmed = usize::try_from(driver.trimmed).expect("a short log");
    let whole: usize = driver.state_log.iter().map(Vec::len).sum();
    let kept: usize = driver.state_log[trimmed..].iter().map(Vec::len).sum();
    assert!(kept < whole / 2, "{kept} of {whole} bytes are kept");
    let first = driver.restored(&driver.state_log).snapshot();
    assert_eq!(driver.restored(&driver.state_log[trimmed..]).snapshot(), first);
    // One record more is missing: something has no image.
    let short = restore(&rules, &driver.state_log[trimmed + 1..]).map(|_| ()).unwrap_err();
    assert!(short.contains("its beginning is gone"), "{short}");
    // Nothing new, nothing written.
    let mut idle = driver;
    let before = idle.state_log.len();
    for _ in 0..50 {
        idle.commit(20);
    }
    assert!(
        idle.state_log[before..]
            .iter()
            .all(|record| { read_record(record).expect("ours").header.kind == StateKind::Delta })
    );
}

#[test]
fn a_log_that_is_not_whole_is_refused() {
    let rules = Rules::embedded();
    let inputs = inputs(7, 60, Weather::Calm);
    let log = deltas(&driven(&rules, &inputs));
    assert!(restore(&rules, &log).is_ok());
    let changed = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut log = log.clone();
        change(&mut log);
        restore(&rules, &log).err().unwrap_or_default()
    };
    let rows: Vec<(&str, String, &str)> = vec![
        ("the first epoch is missing", changed(&|log| drop(log.remove(0))), "its beginning is gone"),
        ("the last byte", changed(&|log| *log[1].last_mut().expect("bytes") ^= 1), "digest"),
        ("cut off", changed(&|log| log[1] = log[1][..log[1].len() - 1].to_vec()), "digest"),
        ("nothing", changed(&|log| log[1].clear()), "no record of a state log"),
        ("a newer format", changed(&|log| log[1][1] += 1), "in format 7; this one reads 5 and 6"),
        ("an older format", changed(&|log| log[1][1] = 4), "in format 4; this one reads 5 and 6"),
    ];
    for (name, error, want) in rows {
        assert!(error.contains(want), "{name}: {error:?} instead of {want:?}");
    }
}

/// A lost, repeated or half-written epoch is a torn transaction: the log counts up to the epoch before it, and what
/// follows counts again from a whole image on.
#[test]
fn a_torn_log_counts_up_to_the_tear() {
    let rules = Rules::embedded();
    let inputs = inputs(7, 60, Weather::Calm);
    let driver = driven(&rules, &inputs);
    let deltas = deltas(&driver);
    let epochs = deltas.len() as u64;
    type Change = fn(&mut Vec<Vec<u8>>);
    let rows: [(&str, Change, u64, &str); 4] = [
        ("one is missing", |log| drop(log.remove(2)), 2, "epoch 4 part 0 follows epoch 2"),
        ("one twice", |log| log.insert(2, log[1].clone()), 2, "epoch 2 part 0 follows epoch 2"),
        ("two in another order", |log| log.swap(1, 2), 1, "epoch 3 part 0 follows epoch 1"),
        (
            "a part is missing",
            |log| drop(log.splice(2..3, halves(&log[2].clone()).into_iter().take(1))),
            2,
            "lacks 1 parts",
        ),
    ];
    for (name, change, intact, why) in rows {
        let mut log = deltas.clone();
        change(&mut log);
        let torn = restore(&rules, &log).expect(name);
        let wanted = restore(&rules, &deltas[..usize::try_from(intact).expect("few")]).expect(name);
        assert!(torn.torn.as_deref().is_some_and(|torn| torn.contains(why)), "{name}: {:?}", torn.torn);
        assert_eq!(snapshot(&torn.stations).image, snapshot(&wanted.stations).image, "{name}");
        assert_eq!(torn.writer.epoch(), epochs, "{name}: no number is used again");

        // The owner writes it anew, and goes on.
        let mut outbox = Outbox::default();
        let mut writer = torn.writer;
        let end = log.len() as u64;
        writer
            .write_whole(&torn.stations, &[], Timestamp(0), &mut outbox, || Ok::<_, Infallible>(end))
            .expect("the end is known");
        log.extend(outbox.iter().map(|record| record.value.expect("a value").to_vec()));
        assert_eq!(writer.commit(), Some(end), "{name}: the log may begin there");
        let healed = restore(&rules, &log).expect(name);
        assert_eq!(healed.torn, None, "{name}");
        assert_eq!(snapshot(&healed.stations).image, snapshot(&wanted.stations).image, "{name}");
    }
}

/// A record as two parts of the same epoch.
fn halves(record: &[u8]) -> [Vec<u8>; 2] {
    let StateRecord { header, entries: body, .. } = read_record(record).expect("ours");
    [0, 1].map(|part| {
        let header = StateHeader { part, parts: 2, ..header.clone() };
        let mut value = record[..2].to_vec();
        value = postcard::to_extend(&header, value).expect("a header serialises");
        value.extend_from_slice(body);
        value
    })
}
