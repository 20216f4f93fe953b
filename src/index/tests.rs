//! The index against a map, and what must not change: slices, slots, order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::{CarrierId, TrackingNumber};

fn key(number: &str, carrier: u8) -> NumberKey {
    NumberKey { number: TrackingNumber::from_canonical(number), carrier: CarrierId(carrier) }
}

/// How often a property is tried; seldom where each step is slow.
pub(super) fn cases() -> ProptestConfig {
    let by_default = ProptestConfig::default();
    if cfg!(miri) { ProptestConfig { cases: 3, failure_persistence: None, ..by_default } } else { by_default }
}

/// Few numbers at few carriers, so that operations meet: of every packed form, and of lengths and characters at which one
/// ends.
fn keys() -> impl Strategy<Value = NumberKey> {
    (0..60_u8, 0..3_u8).prop_map(|(n, carrier)| {
        let number = match n % 6 {
            0 => format!("{n}"),
            1 => format!("1Z{n:0>18}"),
            2 => format!("{n:0>21}"),
            3 => format!("{n:0>29}"),
            4 => format!("1z {n}"),
            _ => format!("A-NUMBER-THAT-DOES-NOT-FIT-INLINE-{n}"),
        };
        key(&number, carrier)
    })
}

#[derive(Clone, Debug)]
enum Step {
    Put(NumberKey, u32),
    Remove(NumberKey),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let put = (keys(), any::<u32>()).prop_map(|(key, value)| Step::Put(key, value));
    proptest::collection::vec(prop_oneof![3 => put, 2 => keys().prop_map(Step::Remove)], 0..300)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn an_index_behaves_like_a_map(steps in steps(), secret in any::<u64>()) {
        let mut index = Index::new(secret);
        let mut map: BTreeMap<NumberKey, (Slot, u32)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(key, value) => {
                    let slot = match index.get(&key) {
                        Some(slot) => {
                            *index.value_mut(slot) = value;
                            slot
                        }
                        None => index.insert(key.clone(), value),
                    };
                    if let Some((known, _)) = map.insert(key, (slot, value)) {
                        prop_assert_eq!(known, slot, "slots are stable");
                    }
                }
                Step::Remove(key) => {
                    prop_assert_eq!(index.get(&key), map.get(&key).map(|(slot, _)| *slot));
                    if let Some((slot, value)) = map.remove(&key) {
                        prop_assert_eq!(index.remove(slot), (key, value));
                    }
                }
            }
            prop_assert_eq!(index.len(), map.len());
        }
        prop_assert_eq!(index.is_empty(), map.is_empty());
        for (key, (slot, value)) in &map {
            prop_assert_eq!(index.get(key), Some(*slot));
            prop_assert_eq!((&index.key(*slot), index.value(*slot)), (key, value));
        }
        // Each entry is listed once, in its slice, in order.
        let mut listed = Vec::new();
        for slice in 0..SLICES {
            let keys: Vec<_> = index.slice(slice).map(|slot| index.key(slot)).collect();
            prop_assert!(keys.is_sorted());
            prop_assert!(keys.iter().all(|key| slice_of_key(key) == slice));
            listed.extend(keys);
        }
        listed.sort();
        prop_assert!(listed.iter().eq(map.keys()));
    }

    #[test]
    fn a_batch_answers_as_single_lookups_do(
        present in proptest::collection::btree_set(keys(), 0..60),
        asked in proptest::collection::vec(keys(), 0..100),
        secret in any::<u64>(),
    ) {
        let mut index = Index::new(secret);
        for key in present {
            index.insert(key, ());
        }
        let mut slots = vec![None; 3];
        index.lookup_batch(&asked, &mut slots);
        let single: Vec<_> = asked.iter().map(|key| index.get(key)).collect();
        prop_assert_eq!(slots, single);
    }

    #[test]
    fn undoing_backwards_restores_the_slots(
        (first, then) in (steps(), steps()),
    ) {
        let mut index = Index::new(7);
        let apply = |index: &mut Index<u32>, steps: Vec<Step>| {
            let mut undo = Vec::new();
            for step in steps {
                match step {
                    Step::Put(key, value) if index.get(&key).is_none() => {
                        index.insert(key.clone(), value);
                        undo.push((key, None));
                    }
                    Step::Remove(key) => {
                        if let Some(slot) = index.get(&key) {
                            let (key, value) = index.remove(slot);
                            undo.push((key, Some(value)));
                        }
                    }
                    Step::Put(..) => {}
                }
            }
            undo
        };
        apply(&mut index, first);
        let slots = |index: &Index<u32>| -> Vec<(Slot, NumberKey)> {
            (0..SLICES).flat_map(|s| index.slice(s).map(|slot| (slot, index.key(slot))).collect::<Vec<_>>()).collect()
        };
        let before = slots(&index);
        for (key, removed) in apply(&mut index, then).into_iter().rev() {
            match removed {
                Some(value) => {
                    index.insert(key, value);
                }
                None => {
                    let slot = index.get(&key).expect("was inserted");
                    index.remove(slot);
                }
            }
        }
        prop_assert_eq!(slots(&index), before);
    }
}

#[test]
fn the_secret_does_not_show() {
    let listed = |secret| {
        let mut index = Index::new(secret);
        for n in 0..if cfg!(miri) { 50 } else { 2_000 } {
            index.insert(key(&format!("1Z{n:016}"), 1), n);
        }
        let all = (0..SLICES).flat_map(|slice| index.slice(slice).collect::<Vec<_>>());
        all.map(|slot| *index.value(slot)).collect::<Vec<_>>()
    };
    assert_eq!(listed(1), listed(2));
}

#[test]
fn slices_are_part_of_the_format() {
    let numbers =
        [("1Z5R89390357567127", 1), ("1Z5R89390357567127", 2), ("9400111899223197428490", 3), ("A", 0)];
    let slices = numbers.map(|(number, carrier)| slice_of_key(&key(number, carrier)));
    assert_eq!(slices, [51, 234, 176, 5]);
    if cfg!(miri) {
        return;
    }
    let mut filled = [0_u32; SLICES as usize];
    for n in 0..25_600_u32 {
        filled[usize::from(slice_of_key(&key(&format!("1Z{n:016}"), 1)))] += 1;
    }
    assert!(filled.iter().all(|n| (50..150).contains(n)), "slices are filled evenly");
}

#[test]
#[should_panic(expected = "in the index already")]
fn a_key_is_inserted_once() {
    let mut index = Index::new(1);
    index.insert(key("A", 0), 1);
    index.insert(key("A", 0), 2);
}

#[test]
#[should_panic(expected = "a slot stands for its entry")]
fn a_removed_slot_is_empty() {
    let mut index = Index::new(1);
    let slot = index.insert(key("A", 0), 1);
    index.remove(slot);
    index.value(slot);
}
