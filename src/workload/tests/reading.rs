//! What the world writes, read by the decoder and judged by the catalogue: intents hold, check digits are right.

use super::*;
use crate::carriers::Catalogue;
use crate::decode::{CommandRecord, Context, Decoder, Part, command};
use crate::model::{
    CarrierId, CommandBody, CommandErrorCode, Effect, Fcs, Flag, Milestone, Settings, SystemTracking,
    parse_time,
};
use crate::workload::feeds::{Feed, Said, UNKNOWN_CODE};
use crate::workload::numbers::Numbers;

const FEEDS: [Feed; 10] = [
    Feed::Ups,
    Feed::FedEx,
    Feed::Usps,
    Feed::Dhl,
    Feed::Regional,
    Feed::Estes,
    Feed::Saia,
    Feed::Rl,
    Feed::Abf,
    Feed::Xpo,
];

#[test]
fn the_catalogue_accepts_every_number_and_refuses_spoiled_ones() {
    let catalogue = Catalogue::embedded();
    let mut numbers = Numbers::new(17);
    for feed in FEEDS {
        let carrier = catalogue.carrier(feed.code()).expect("in the catalogue");
        for _ in 0..500 {
            let number = numbers.make(feed);
            let text = number.as_str();
            let registered = if catalogue.is_freight(carrier) {
                catalogue.register_freight_bill(carrier, text, true)
            } else {
                catalogue.register(carrier, text, true)
            };
            assert_eq!(registered.expect(text).number.as_str(), text);
            if matches!(feed, Feed::Ups | Feed::FedEx | Feed::Usps | Feed::Dhl) {
                let spoiled = number.spoiled();
                let verdict = catalogue.register(carrier, spoiled.as_str(), true);
                assert!(verdict.is_err(), "{feed:?} {}", spoiled.as_str());
            }
        }
    }
}

#[test]
fn codes_mean_what_they_are_meant_to() {
    let catalogue = Catalogue::embedded();
    for feed in FEEDS {
        let carrier = catalogue.carrier(feed.code()).expect("in the catalogue");
        assert_eq!(catalogue.effect(carrier, None, UNKNOWN_CODE), None, "{feed:?}");
        for variety in 0..6 {
            for milestone in Milestone::ALL {
                let want = Effect::from_name(milestone.name());
                match feed.says(milestone, variety, true) {
                    Said::Code(code) => {
                        assert_eq!(catalogue.effect(carrier, None, code), want, "{feed:?} {code}")
                    }
                    Said::Milestone(name) => assert_eq!(Effect::from_name(name), want),
                }
            }
        }
        for flag in Flag::ALL {
            let want = Effect::from_name(flag.name());
            match feed.says_flag(flag) {
                Said::Code(code) => {
                    assert_eq!(catalogue.effect(carrier, None, code), want, "{feed:?} {code}")
                }
                Said::Milestone(name) => assert_eq!(Effect::from_name(name), want),
            }
        }
    }
}

/// What one part came to.
fn outcome_of(part: &Part<'_>, key: Option<&[u8]>) -> Result<bool, crate::model::DeadLetterReason> {
    match part {
        Part::Rejected { rejection, .. } => Err(rejection.reason),
        Part::Warned { detail, .. } => panic!("the world writes nothing doubtful: {detail}"),
        Part::Scan { scan, raw, .. } => {
            if let Some(key) = key {
                assert_eq!(scan.key.number.as_str().as_bytes(), key);
            }
            let written = raw.event_time.as_deref().expect("it was read");
            let parsed = parse_time(written).expect("it was read");
            // Times without a zone are Phoenix's.
            let at = parsed.at_offset(parsed.offset_s.unwrap_or(-7 * 3600));
            assert_eq!(scan.event_time.timestamp(), at, "{written}");
            Ok(scan.code_known || scan.eta.is_some() || !scan.retracts.is_empty())
        }
    }
}

#[test]
fn scans_are_read_as_they_are_meant() {
    let (catalogue, fcs, settings) = (Catalogue::embedded(), Fcs::embedded(), Settings::default());
    let context = Context { catalogue: &catalogue, fcs: &fcs, settings: &settings };
    let mut decoder = Decoder::new();
    let mut messages = Messages::default();
    let mut bad = 0;
    for seed in 0..120 {
        let batch = if seed % 3 == 0 { 8 } else { 1 };
        let scans = if seed < 2 { 60_000 } else { 600 };
        let mut world = World::new(WorldConfig { batch, ..WorldConfig::new(seed, scans) });
        while world.next_phase(&mut messages).is_some() {
            for message in messages.iter() {
                let Meaning::Scans(intents) = message.meaning else { continue };
                let mut outcomes = Vec::new();
                let key = if batch == 1 { message.key } else { None };
                decoder.decode(&context, message.timestamp, None, message.value, &mut |part| {
                    outcomes.push(outcome_of(&part, key));
                });
                let want: Vec<_> = intents
                    .iter()
                    .map(|intent| match intent {
                        ScanIntent::Bad(reason) => Err(*reason),
                        intent => Ok(*intent != ScanIntent::UnknownCode),
                    })
                    .collect();
                assert_eq!(outcomes, want, "seed {seed}: {}", String::from_utf8_lossy(message.value));
            }
        }
        bad += world.expected().dead_letters.iter().sum::<u64>();
    }
    assert!(bad > 100, "{bad} bad scans");
}

/// Judges the tracking of an accepted command; the shipment's carrier is looked up by the creation.
fn judge(catalogue: &Catalogue, carrier: CarrierId, body: &CommandBody) {
    let parcel = |id: &str| assert!(catalogue.register(carrier, id, true).is_ok(), "{id}");
    let freight = |pro: &str| assert!(catalogue.register_freight_bill(carrier, pro, true).is_ok(), "{pro}");
    match body {
        CommandBody::SetTracking { items, .. } => {
            items.iter().filter_map(|item| item.tracking_id.as_deref()).for_each(parcel);
        }
        CommandBody::SetFreightBill { freight_bill, .. } => freight(freight_bill),
        CommandBody::CreateShipment(create) => match &create.tracking {
            Some(SystemTracking::Items(items)) => {
                items.iter().filter_map(|item| item.tracking_id.as_deref()).for_each(parcel);
            }
            Some(SystemTracking::FreightBill(pro)) => freight(pro),
            None => {}
        },
        _ => {}
    }
}

#[test]
fn commands_are_read_as_they_are_meant() {
    let catalogue = Catalogue::embedded();
    let mut messages = Messages::default();
    for seed in 0..150 {
        let mut world = World::new(WorldConfig::new(seed, 600));
        let mut carriers = BTreeMap::new();
        while world.next_phase(&mut messages).is_some() {
            for message in messages.iter() {
                let Meaning::Command(intent) = message.meaning else { continue };
                let text = String::from_utf8_lossy(message.value);
                let read = command(message.value);
                if let CommandIntent::Bad(reason) = intent {
                    assert_eq!(read.expect_err("no command").reason, reason, "{text}");
                    continue;
                }
                let Ok(CommandRecord::Command(command)) = read else { panic!("seed {seed}: {text}") };
                assert_eq!(message.key, Some(command.shipment_id.as_str().as_bytes()));
                assert_eq!(command.dry_run, intent == CommandIntent::DryRun);
                if intent == CommandIntent::Rejected(CommandErrorCode::InvalidCommand) {
                    assert!(command.body.is_err(), "{text}");
                    continue;
                }
                let body = command.body.unwrap_or_else(|why| panic!("{why:?}: {text}"));
                if intent != CommandIntent::Accepted {
                    continue;
                }
                let carrier = match &body {
                    CommandBody::CreateShipment(create) => Some(&create.carrier),
                    CommandBody::ChangeCarrier { carrier, .. } => Some(carrier),
                    _ => None,
                };
                if let Some(code) = carrier {
                    let carrier = catalogue.carrier(code).expect("in the catalogue");
                    carriers.insert(command.shipment_id.clone(), carrier);
                }
                let carrier = carriers.get(&command.shipment_id).expect("created before");
                judge(&catalogue, *carrier, &body);
            }
        }
    }
}

/// What a number shows, roughly: the earliest time of each milestone, the flags raised, the newest ETA.
#[derive(Default)]
struct Shown {
    earliest: BTreeMap<Milestone, crate::model::EventTime>,
    flags: BTreeSet<Flag>,
    eta: Option<(crate::model::EventTime, crate::model::EventTime)>,
}

impl Shown {
    /// Whether the scan changes it.
    fn take(&mut self, scan: &crate::model::Scan) -> bool {
        let mut changed = false;
        if let Some(milestone) = scan.effect.milestone {
            let earliest = self.earliest.entry(milestone).or_insert_with(|| {
                changed = true;
                scan.event_time
            });
            changed |= scan.event_time < *earliest;
            *earliest = scan.event_time.min(*earliest);
        }
        for flag in scan.effect.flags.iter() {
            changed |= self.flags.insert(flag);
        }
        if let Some(eta) = scan.eta {
            let newest = Some((scan.event_time, eta));
            changed |= newest > self.eta;
            self.eta = self.eta.max(newest);
        }
        changed
    }
}

#[test]
fn the_share_of_scans_that_change_something_is_as_described() {
    let (catalogue, fcs, settings) = (Catalogue::embedded(), Fcs::embedded(), Settings::default());
    let context = Context { catalogue: &catalogue, fcs: &fcs, settings: &settings };
    for (activity, percents) in [(Activity::Real, 34..48), (Activity::Hot, 7..15)] {
        let mut world = World::new(WorldConfig { activity, ..WorldConfig::new(9, 50_000) });
        let mut decoder = Decoder::new();
        let mut messages = Messages::default();
        let mut shown: BTreeMap<crate::model::NumberKey, Shown> = BTreeMap::new();
        let mut changes = 0;
        while world.next_phase(&mut messages).is_some() {
            for message in messages.iter() {
                let Meaning::Scans(intents) = message.meaning else { continue };
                if intents[0] == ScanIntent::Foreign {
                    continue;
                }
                decoder.decode(&context, message.timestamp, None, message.value, &mut |part| {
                    if let Part::Scan { scan, .. } = part {
                        changes += u64::from(shown.entry(scan.key.clone()).or_default().take(&scan));
                    }
                });
            }
        }
        let percent = changes * 100 / world.expected().scans;
        assert!(percents.contains(&percent), "{activity:?}: {percent} % change something");
    }
}
