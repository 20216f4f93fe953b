//! An epoch taken back leaves no trace, and the state log tells all.
//!
//! Enters: seeded worlds, cut into epochs at random. Leaves: nothing, or a seed and a cut that show a difference. Always true:
//! what is compared is the canonical serialisation of everything that stations know, the books and the clock.

mod driver;

use std::collections::BTreeMap;

use dockside::model::Topic;
use dockside::stations::Rules;
use dockside::workload::Weather;
use proptest::prelude::*;

use self::driver::{Document, Driver, Stage, inputs, restore, without_sources};

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

/// Where two lists of documents part, the sources of milestones aside.
fn first_difference(left: &[Document], right: &[Document]) -> Option<String> {
    let (left, right) = (without_sources(left), without_sources(right));
    let at = (0..left.len().max(right.len())).find(|at| left.get(*at) != right.get(*at))?;
    Some(format!("document {at}: {:#?} instead of {:#?}", left.get(at), right.get(at)))
}

/// Versions of plan lines and shipments rise by one from 1 on.
fn assert_contiguous(documents: &[Document]) {
    let mut last: BTreeMap<(Topic, String), u64> = BTreeMap::new();
    for (topic, _, value) in without_sources(documents) {
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
        let rules = Rules::embedded();
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
    fn the_state_log_tells_all(seed in 0_u64..100_000, weather in weather(), cuts in cuts(), epochs in 0_usize..40, image in any::<bool>()) {
        let rules = Rules::embedded();
        let inputs = inputs(seed, 120, weather);
        let mut live = Driver::new(&rules, &inputs);
        for cut in cuts.iter().cycle().take(epochs) {
            live.commit(cut.records);
        }
        // The log from its beginning; and, when there is an image, from there on.
        let mut begins = vec![0];
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

#[test]
fn a_log_that_is_not_whole_is_refused() {
    let rules = Rules::embedded();
    let inputs = inputs(7, 60, Weather::Calm);
    let mut driver = Driver::new(&rules, &inputs);
    while !driver.is_done() {
        driver.commit(20);
    }
    let log = driver.state_log;
    assert!(restore(&rules, &log).is_ok());
    let changed = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut log = log.clone();
        change(&mut log);
        restore(&rules, &log).err().unwrap_or_default()
    };
    let rows: Vec<(&str, String, &str)> = vec![
        ("the first epoch is missing", changed(&|log| drop(log.remove(0))), "epoch 2 follows epoch 0"),
        ("one in between", changed(&|log| drop(log.remove(2))), "epoch 4 follows epoch 2"),
        ("one twice", changed(&|log| log.insert(2, log[1].clone())), "epoch 2 follows epoch 2"),
        ("two in another order", changed(&|log| log.swap(1, 2)), "epoch 3 follows epoch 1"),
        ("the last byte", changed(&|log| *log[1].last_mut().expect("bytes") ^= 1), "digest"),
        ("cut off", changed(&|log| log[1] = log[1][..log[1].len() - 1].to_vec()), "digest"),
        ("nothing", changed(&|log| log[1].clear()), "another version"),
        ("another format", changed(&|log| log[1][1] += 1), "another version"),
    ];
    for (name, error, want) in rows {
        assert!(error.contains(want), "{name}: {error:?} instead of {want:?}");
    }
}
