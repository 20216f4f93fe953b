//! The world's laws, on many seeds.

mod reading;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::model::Topic;

/// A message that outlives its phase.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    topic: Topic,
    timestamp: Timestamp,
    partition: u32,
    key: Option<Vec<u8>>,
    value: Vec<u8>,
    scans: Vec<ScanIntent>,
}

/// All phases of a world, with their messages, and what it expects.
fn written(config: WorldConfig) -> (Vec<(Phase, Vec<Kept>)>, Expected) {
    let mut world = World::new(config);
    let mut messages = Messages::default();
    let mut phases = Vec::new();
    while let Some(phase) = world.next_phase(&mut messages) {
        let kept = messages
            .iter()
            .map(|message| Kept {
                topic: message.topic,
                timestamp: message.timestamp,
                partition: message.partition,
                key: message.key.map(<[u8]>::to_vec),
                value: message.value.to_vec(),
                scans: match message.meaning {
                    Meaning::Scans(intents) => intents.to_vec(),
                    Meaning::Command(_) => Vec::new(),
                },
            })
            .collect();
        phases.push((phase, kept));
    }
    (phases, world.expected().clone())
}

/// The scans one by one, as text, with their intents.
fn scans_of(messages: &[Kept]) -> Vec<(Vec<u8>, ScanIntent)> {
    let mut scans = Vec::new();
    for message in messages.iter().filter(|message| message.topic == Topic::Scans) {
        if message.value.first() == Some(&b'[') {
            let elements: Vec<&serde_json::value::RawValue> =
                serde_json::from_slice(&message.value).expect("arrays hold whole elements");
            assert_eq!(elements.len(), message.scans.len());
            let texts = elements.iter().map(|element| element.get().as_bytes().to_vec());
            scans.extend(texts.zip(message.scans.iter().copied()));
        } else {
            assert_eq!(message.scans.len(), 1);
            scans.push((message.value.clone(), message.scans[0]));
        }
    }
    scans
}

fn all(phases: &[(Phase, Vec<Kept>)]) -> Vec<Kept> {
    phases.iter().flat_map(|(_, messages)| messages.iter().cloned()).collect()
}

#[test]
fn a_seed_makes_one_world() {
    for seed in 0..5 {
        assert_eq!(written(WorldConfig::new(seed, 800)), written(WorldConfig::new(seed, 800)));
    }
    assert_ne!(written(WorldConfig::new(1, 800)).0, written(WorldConfig::new(2, 800)).0);
}

#[test]
fn packaging_and_weather_change_no_event() {
    for seed in 0..20 {
        let plain = WorldConfig::new(seed, 700);
        let (phases, expected) = written(plain.clone());
        let mut want_scans = scans_of(&all(&phases));
        want_scans.sort();
        let commands = |phases: &[(Phase, Vec<Kept>)]| {
            let all = all(phases).into_iter().filter(|message| message.topic == Topic::Commands);
            let mut values: Vec<_> = all.map(|message| message.value).collect();
            values.sort();
            values
        };
        for (weather, keying, batch, partitions) in [
            (Weather::Calm, Keying::Unkeyed, 1, 3),
            (Weather::Calm, Keying::Keyed, 7, 4),
            (Weather::Calm, Keying::Unkeyed, 64, 2),
            (Weather::Stormy, Keying::Keyed, 1, 5),
            (Weather::Stormy, Keying::Keyed, 5, 3),
            (Weather::Stormy, Keying::Unkeyed, 5, 3),
        ] {
            let other = WorldConfig { weather, keying, batch, partitions, ..plain.clone() };
            let (other_phases, other_expected) = written(other);
            let mut scans = scans_of(&all(&other_phases));
            scans.sort();
            assert_eq!(scans, want_scans, "seed {seed}, {weather:?}, {keying:?}, {batch}");
            assert_eq!(commands(&other_phases), commands(&phases), "seed {seed}");
            assert_eq!(other_expected.dead_letters, expected.dead_letters);
            assert!(batch == 1 || other_expected.scan_messages < expected.scan_messages);
        }
    }
}

#[test]
fn there_are_exactly_as_many_scans_as_asked_for() {
    for (seed, scans) in [(0, 0), (1, 1), (2, 2), (3, 17), (4, 300), (5, 9_999), (6, 40_000)] {
        let (phases, expected) = written(WorldConfig { batch: 3, ..WorldConfig::new(seed, scans) });
        assert_eq!(expected.scans, scans);
        assert_eq!(scans_of(&all(&phases)).len() as u64, scans);
        let commands = all(&phases).iter().filter(|message| message.topic == Topic::Commands).count();
        assert_eq!(expected.commands, commands as u64);
        assert_eq!(phases.last().map(|(phase, _)| phase.kind), Some(PhaseKind::Settle));
    }
}

#[test]
fn a_calm_world_is_written_in_phases() {
    for seed in 0..30 {
        let (phases, _) = written(WorldConfig { batch: 4, partitions: 3, ..WorldConfig::new(seed, 900) });
        let mut last_tick = Timestamp::MIN;
        for (i, (phase, messages)) in phases.iter().enumerate() {
            assert_eq!(phase.number as usize, i);
            assert!(last_tick <= phase.start && phase.start < phase.tick);
            last_tick = phase.tick;
            let mut shipments = BTreeSet::new();
            for message in messages {
                assert!(phase.start <= message.timestamp && message.timestamp < phase.tick, "seed {seed}");
                match phase.kind {
                    PhaseKind::Commands => {
                        assert_eq!(message.topic, Topic::Commands);
                        assert!(shipments.insert(message.key.clone()), "seed {seed}: two commands at once");
                    }
                    PhaseKind::Scans => assert_eq!(message.topic, Topic::Scans),
                    PhaseKind::Mixed | PhaseKind::Settle => panic!("not in a calm world"),
                }
            }
        }
    }
}

#[test]
fn a_stormy_world_goes_by_timestamp() {
    for seed in 0..10 {
        for batch in [1, 6] {
            let config =
                WorldConfig { weather: Weather::Stormy, batch, partitions: 2, ..WorldConfig::new(seed, 900) };
            let (phases, _) = written(config);
            let mut last = Timestamp::MIN;
            for (phase, messages) in &phases {
                for message in messages {
                    assert!(last <= message.timestamp && message.timestamp < phase.tick);
                    last = message.timestamp;
                }
            }
        }
    }
}

#[test]
fn records_are_where_their_keys_belong() {
    let config = WorldConfig { batch: 9, partitions: 5, ..WorldConfig::new(11, 3000) };
    let (phases, _) = written(config);
    let mut partitions = BTreeSet::new();
    for message in all(&phases) {
        let key = message.key.expect("keyed");
        assert_eq!(message.partition, crate::model::partition_of(&key, 5));
        partitions.insert(message.partition);
    }
    assert_eq!(partitions.len(), 5);
    let (phases, _) =
        written(WorldConfig { keying: Keying::Unkeyed, partitions: 5, ..WorldConfig::new(11, 3000) });
    let scattered: BTreeSet<u32> = all(&phases).iter().map(|message| message.partition).collect();
    assert_eq!(scattered.len(), 5);
    assert!(all(&phases).iter().all(|message| message.key.is_none()));
}

#[test]
fn small_worlds_are_rich() {
    let mut counts: BTreeMap<Kind, u64> = BTreeMap::new();
    for seed in 0..2000 {
        let mut world = World::new(WorldConfig::new(seed, 200 + seed % 200));
        let mut messages = Messages::default();
        while world.next_phase(&mut messages).is_some() {}
        let planned = |kind| world.expected().planned(kind);
        let shipments = planned(Kind::ParcelShipment)
            + planned(Kind::FreightWithBoxes)
            + planned(Kind::FreightOfPallets)
            + planned(Kind::FullTruck);
        assert!(shipments >= 3, "seed {seed}: {shipments} shipments");
        for kind in Kind::ALL {
            *counts.entry(*kind).or_default() += world.expected().planned(*kind);
        }
    }
    let rare: Vec<_> = counts.iter().filter(|(_, count)| **count < 10).collect();
    assert!(rare.is_empty(), "too rare: {rare:?} of {counts:?}");
}

#[test]
fn the_mixture_is_as_described() {
    let (phases, expected) = written(WorldConfig::new(3, 60_000));
    let share = |count: u64| count * 1000 / expected.scans;
    assert!((35..65).contains(&share(expected.duplicates)), "{expected:?}");
    assert!((45..110).contains(&share(expected.foreign)), "{expected:?}");
    let bad: u64 = expected.dead_letters.iter().sum();
    assert!((20..130).contains(&bad), "{expected:?}");
    let numbers: BTreeSet<Vec<u8>> = all(&phases)
        .into_iter()
        .filter(|message| message.topic == Topic::Scans)
        .filter_map(|m| m.key)
        .collect();
    let per_number = 60_000 / numbers.len();
    assert!((11..17).contains(&per_number), "{per_number} scans a number");
    let hot = written(WorldConfig { activity: Activity::Hot, ..WorldConfig::new(3, 60_000) });
    let numbers: BTreeSet<Vec<u8>> = all(&hot.0)
        .into_iter()
        .filter(|message| message.topic == Topic::Scans)
        .filter_map(|m| m.key)
        .collect();
    let per_number = 60_000 / numbers.len();
    assert!((35..65).contains(&per_number), "{per_number} scans a number");
}

#[test]
fn a_plain_world_is_the_same_to_everybody() {
    const IN_ORDER: [&str; 6] = [
        "Shipper created a label",
        "Picked up",
        "Departed from facility",
        "At local facility",
        "Out for delivery",
        "Delivered, dock",
    ];
    for (seed, scans, boxes) in [(1, 4_000, 300), (2, 20_000, 1_000), (3, 700, 500)] {
        let stories = Stories::Plain { boxes };
        let (phases, expected) =
            written(WorldConfig { stories, partitions: 3, ..WorldConfig::new(seed, scans) });
        let is_scans = |(phase, _): &(Phase, Vec<Kept>)| phase.kind == PhaseKind::Scans;
        let first = phases.iter().position(is_scans).expect("scans");
        assert!(phases[first..].iter().all(|(phase, _)| phase.kind != PhaseKind::Commands), "seed {seed}");
        assert_eq!((expected.scans, expected.bad_commands), (scans, 0));
        assert_eq!(expected.dead_letters.iter().sum::<u64>(), 0);

        let mut seen = BTreeSet::new();
        let mut reached: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for message in all(&phases).into_iter().filter(|message| message.topic == Topic::Scans) {
            let key = message.key.expect("keyed");
            let text = String::from_utf8(message.value).expect("UTF-8");
            let number = std::str::from_utf8(&key).expect("ASCII");
            assert!(text.contains(&format!(r#""tracking_id":"{number}""#)), "{text}");
            let is_strangers = matches!(message.scans[0], ScanIntent::Foreign | ScanIntent::UnknownCode);
            if is_strangers || !seen.insert(text.clone()) {
                continue;
            }
            let rank = IN_ORDER.iter().position(|said| text.contains(said)).expect("a milestone");
            let before = reached.insert(key, rank);
            assert!(before.is_none_or(|before| before <= rank), "seed {seed}: {text}");
        }
        let wanted = boxes.min(scans / 6);
        let numbers = reached.len() as u64;
        assert!((wanted * 8 / 10..=wanted * 11 / 10).contains(&numbers), "{numbers} of {wanted} boxes");
    }
}

#[test]
fn memory_follows_what_is_under_way() {
    let mut world = World::new(WorldConfig::new(1, 200_000));
    let mut messages = Messages::default();
    let mut largest = 0;
    while world.next_phase(&mut messages).is_some() {
        largest = largest.max(messages.len());
    }
    assert!(largest < 5_000, "a phase of {largest} messages");
    let boxes = 200_000 / 14;
    assert!(world.units_held() < boxes / 2, "{} places for {boxes} boxes", world.units_held());
}

#[test]
fn replay_lines_give_the_bytes_back() {
    let mut world = World::new(WorldConfig { batch: 2, ..WorldConfig::new(4, 20_000) });
    let mut messages = Messages::default();
    let (mut base64, mut texts, mut objects) = (0, 0, 0);
    while world.next_phase(&mut messages).is_some() {
        for message in messages.iter() {
            let mut line = Vec::new();
            write_replay_line(&message, &mut line);
            let parsed: BTreeMap<&str, &serde_json::value::RawValue> =
                serde_json::from_slice(&line).expect("a line is JSON");
            assert_eq!(parsed.keys().copied().collect::<Vec<_>>(), ["key", "timestamp", "topic", "value"]);
            let value: serde_json::Value = serde_json::from_str(parsed["value"].get()).expect("JSON");
            let bytes = match &value {
                serde_json::Value::String(text) => {
                    texts += 1;
                    text.as_bytes().to_vec()
                }
                serde_json::Value::Object(object) if object.len() == 1 && object.contains_key("base64") => {
                    use base64::Engine;
                    base64 += 1;
                    let text = object["base64"].as_str().expect("text");
                    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
                }
                _ => {
                    objects += 1;
                    parsed["value"].get().as_bytes().to_vec()
                }
            };
            assert_eq!(bytes, message.value);
        }
    }
    assert!(base64 > 0 && texts > 0 && objects > 0, "{base64} {texts} {objects}");
    let mut tick = Vec::new();
    write_tick_line(Timestamp(0), &mut tick);
    assert_eq!(tick, b"{\"topic\":\"ticks\",\"timestamp\":\"1970-01-01T00:00:00Z\"}\n");
}
