//! The twin in generated calm worlds: it agrees with what the writer knows of each message, and with itself when the
//! messages of every phase are shuffled and some scans repeated.

use dockside::carriers::Catalogue;
use dockside::model::{
    CommandErrorCode, DeadLetterReason, Fcs, Ignored, Outcome, Settings, Topic, stable_hash,
};
use dockside::workload::{CommandIntent, Expected, Meaning, Messages, World, WorldConfig};

use super::{Input, InputTopic, Twin, first_difference};

const SEEDS: u64 = 24;

/// An input and, of a command, what the writer means by it.
type Meant = (Input, Option<CommandIntent>);

/// A world: per phase its messages and its tick.
struct Written {
    phases: Vec<(Vec<Meant>, Input)>,
    expected: Expected,
}

fn write(seed: u64) -> Written {
    let mut world = World::new(WorldConfig::new(seed, 300));
    let mut messages = Messages::default();
    let mut phases = Vec::new();
    while let Some(phase) = world.next_phase(&mut messages) {
        let inputs = messages.iter().map(|message| {
            let topic = if message.topic == Topic::Scans { InputTopic::Scans } else { InputTopic::Commands };
            let intent = if let Meaning::Command(intent) = message.meaning { Some(intent) } else { None };
            (Input { topic, timestamp: message.timestamp, value: message.value.to_vec() }, intent)
        });
        let tick = Input { topic: InputTopic::Tick, timestamp: phase.tick, value: Vec::new() };
        phases.push((inputs.collect(), tick));
        messages.clear();
    }
    Written { phases, expected: world.expected().clone() }
}

fn flat(written: &Written) -> Vec<Input> {
    let phases = written.phases.iter();
    phases.flat_map(|(inputs, tick)| inputs.iter().map(|(input, _)| input).chain([tick]).cloned()).collect()
}

fn shuffled(written: &Written, seed: u64) -> Vec<Input> {
    let mut all = Vec::new();
    for (inputs, tick) in &written.phases {
        let mut keyed: Vec<(u64, &Input)> = Vec::new();
        for (index, (input, _)) in inputs.iter().enumerate() {
            let key =
                |round: u64| stable_hash(&[&seed.to_le_bytes(), &index.to_le_bytes(), &round.to_le_bytes()]);
            let rounds = if input.topic == InputTopic::Scans && index % 7 == 0 { 2 } else { 1 };
            keyed.extend((0..rounds).map(|round| (key(round), input)));
        }
        keyed.sort_by_key(|(key, _)| *key);
        all.extend(keyed.into_iter().map(|(_, input)| input.clone()));
        all.push(tick.clone());
    }
    all
}

#[test]
fn the_twin_agrees_with_the_writer_and_with_itself() {
    let twin = Twin::new(Settings::default(), Catalogue::embedded(), Fcs::embedded());
    for seed in 0..SEEDS {
        let written = write(seed);
        let result = twin.run(&flat(&written));

        let counts = &result.counts;
        assert_eq!(counts.read, written.expected.scans, "seed {seed}");
        let unknown = counts.ignored.get(&Ignored::UnknownCode).copied().unwrap_or(0);
        assert_eq!(unknown, written.expected.unknown_codes, "seed {seed}");
        for reason in DeadLetterReason::ALL {
            if !matches!(reason, DeadLetterReason::BadCommand | DeadLetterReason::ParkExpired) {
                let found = counts.dead_lettered.get(&reason).copied().unwrap_or(0);
                assert_eq!(found, written.expected.dead_letters_of(reason), "seed {seed}: {reason:?}");
            }
        }

        let intents =
            written.phases.iter().flat_map(|(inputs, _)| inputs.iter().filter_map(|(_, intent)| *intent));
        let answered = intents.filter(|intent| !matches!(intent, CommandIntent::Bad(_)));
        for (intent, outcome) in answered.zip(&result.outcomes) {
            let codes: Vec<CommandErrorCode> = outcome.errors.iter().map(|error| error.code).collect();
            let agrees = match intent {
                CommandIntent::Accepted | CommandIntent::DryRun => outcome.outcome == Outcome::Accepted,
                CommandIntent::Rejected(code) => !codes.is_empty() && codes.iter().all(|c| *c == code),
                CommandIntent::Repeated | CommandIntent::Bad(_) => true,
            };
            assert!(agrees, "seed {seed}: {intent:?} was meant, and the answer is {outcome:?}");
        }

        let again = twin.run(&shuffled(&written, seed));
        let difference = first_difference(&result.documents, &again.documents);
        assert!(
            difference.is_none(),
            "seed {seed}: {}",
            difference.map(|d| d.to_string()).unwrap_or_default()
        );
    }
}
