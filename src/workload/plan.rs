//! Planning one cohort: its agenda of commands, its units, and the scans of a parcel's journey.
//!
//! Enters: a stream of the dice and the second at which the cohort starts. Leaves: a [`Plan`]. Always true: the
//! commands of a cohort are in different steps, in order; nothing is written before the cohort starts.

use super::commands::Text;
use super::expected::{CommandIntent, Expected, Kind, ScanIntent};
use super::feeds::{Feed, Said};
use super::numbers::{Number, Numbers};
use super::places::{CITIES, FCS, ZONELESS_FC};
use super::rng::Rng;
use super::scans::{Bad, Extra, PlannedScan, Unit, What, Where};
use crate::model::{Flag, Milestone, Timestamp};

pub(crate) const MINUTE_S: i64 = 60;
pub(crate) const HOUR_S: i64 = 60 * MINUTE_S;
pub(crate) const DAY_S: i64 = 24 * HOUR_S;

/// A command that will be written.
#[derive(Clone, Debug)]
pub(crate) struct PlannedCommand {
    pub(crate) at_s: u32,
    pub(crate) shipment: Number,
    pub(crate) value: Box<[u8]>,
    pub(crate) intent: CommandIntent,
}

/// What a cohort will do.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) commands: Vec<PlannedCommand>,
    pub(crate) units: Vec<Unit>,
    pub(crate) scans: Vec<PlannedScan>,
}

/// What all cohorts of a world share.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    /// The world's start, in seconds since 1970.
    pub(crate) start_s: i64,
    /// A step: one phase of commands and one of scans.
    pub(crate) step_s: i64,
    /// Facility scans on a parcel's way, at least and at most.
    pub(crate) facility_scans: (i64, i64),
    /// Repeats in 1,000 scans.
    pub(crate) repeats_per_mille: u64,
    /// Numbers in 1,000 scans that are written as somebody else would.
    pub(crate) disguised_per_mille: u64,
    /// The largest parcel shipment.
    pub(crate) boxes_max: i64,
    /// How many sellers there are.
    pub(crate) accounts: u64,
}

/// Plans one cohort.
#[derive(Debug)]
pub(crate) struct Planner<'w> {
    pub(crate) rng: Rng,
    pub(crate) habits: &'w Habits,
    pub(crate) numbers: &'w mut Numbers,
    pub(crate) expected: &'w mut Expected,
    /// When the cohort starts.
    pub(crate) base_s: i64,
    pub(crate) last_step: i64,
    pub(crate) plan: Plan,
}

/// A unit whose scans are being planned.
#[derive(Clone, Debug)]
pub(crate) struct UnitLife {
    unit: u32,
    pub(crate) feed: Feed,
    pub(crate) number: Number,
    scans: u16,
    named: bool,
}

/// A scan that is being planned.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) event_s: i64,
    pub(crate) what: What,
    pub(crate) place: Where,
    pub(crate) extra: Extra,
    pub(crate) intent: ScanIntent,
    /// It must carry a `scan_id`.
    pub(crate) named: bool,
}

impl Draft {
    pub(crate) fn new(event_s: i64, what: What, place: Where) -> Draft {
        Draft { event_s, what, place, extra: Extra::None, intent: ScanIntent::Good, named: false }
    }
}

/// When a parcel travels, and what its scans are about.
#[derive(Clone, Debug)]
pub(crate) struct Journey {
    pub(crate) label_s: i64,
    pub(crate) pickup_s: i64,
    pub(crate) deliver_s: i64,
    pub(crate) fc: u8,
    pub(crate) intent: ScanIntent,
    /// Events before this are another unit's.
    pub(crate) from_s: i64,
    /// Events from this on are another unit's.
    pub(crate) until_s: i64,
    /// Events from this on are after the number's life.
    pub(crate) ended_s: i64,
    /// Scans written from this on come when the number was no longer registered.
    pub(crate) old_s: i64,
}

impl Journey {
    pub(crate) fn new(label_s: i64, pickup_s: i64, deliver_s: i64, fc: u8) -> Journey {
        Journey {
            label_s,
            pickup_s,
            deliver_s,
            fc,
            intent: ScanIntent::Good,
            from_s: i64::MIN,
            until_s: i64::MAX,
            ended_s: i64::MAX,
            old_s: i64::MAX,
        }
    }
}

/// What happens to a parcel on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BoxStory {
    Plain,
    Flagged,
    EtaMoves,
    Returned,
    BroughtBack,
    Lost,
    Found,
    Destroyed,
    Retracted,
    Misdelivered,
    Stuck,
}

const BOX_STORIES: [(u64, BoxStory); 11] = [
    (588, BoxStory::Plain),
    (150, BoxStory::Flagged),
    (220, BoxStory::EtaMoves),
    (6, BoxStory::Returned),
    (5, BoxStory::BroughtBack),
    (5, BoxStory::Lost),
    (6, BoxStory::Found),
    (3, BoxStory::Destroyed),
    (7, BoxStory::Retracted),
    (5, BoxStory::Misdelivered),
    (5, BoxStory::Stuck),
];

impl Planner<'_> {
    pub(crate) fn count(&mut self, kind: Kind) {
        self.expected.plan(kind);
    }

    /// The record time of a second of the world.
    pub(crate) fn timestamp(&self, at_s: i64) -> Timestamp {
        Timestamp((self.habits.start_s + at_s) * 1000)
    }

    /// A free moment for a command at `wanted_s` or later, after all commands planned so far.
    pub(crate) fn moment(&mut self, wanted_s: i64) -> i64 {
        let step_s = self.habits.step_s;
        self.last_step = (self.last_step + 1).max(wanted_s.div_euclid(step_s));
        self.last_step * step_s + self.rng.between(0, step_s - 1)
    }

    /// Lets the next command come in the step of `at_s` at the earliest.
    pub(crate) fn skip_to(&mut self, at_s: i64) {
        self.last_step = self.last_step.max(at_s.div_euclid(self.habits.step_s) - 1);
    }

    /// Plans a command.
    pub(crate) fn command(&mut self, at_s: i64, shipment: Number, text: Text, intent: CommandIntent) {
        self.record(at_s, shipment, text.end(), intent);
    }

    /// Plans a record of `commands`.
    pub(crate) fn record(&mut self, at_s: i64, shipment: Number, value: Box<[u8]>, intent: CommandIntent) {
        let at_s = u32::try_from(at_s).expect("within the world's span");
        self.plan.commands.push(PlannedCommand { at_s, shipment, value, intent });
    }

    /// A unit for a number at a carrier.
    pub(crate) fn unit(&mut self, feed: Feed, number: Number) -> UnitLife {
        let unit = u32::try_from(self.plan.units.len()).expect("a cohort is small");
        let seed = self.rng.next();
        self.plan.units.push(Unit { number, feed, seed, pending: 0 });
        let named = match feed {
            Feed::Ups | Feed::Dhl => true,
            Feed::FedEx | Feed::Usps => false,
            _ => self.rng.chance(500),
        };
        UnitLife { unit, feed, number, scans: 0, named }
    }

    /// A unit for a new number.
    pub(crate) fn new_unit(&mut self, feed: Feed) -> UnitLife {
        let number = self.numbers.make(feed);
        self.unit(feed, number)
    }

    /// Seconds until a scan is written.
    fn latency_s(&mut self) -> i64 {
        let (low, high) = self.rng.weighted(&[
            (700, (60, 50 * 60)),
            (240, (HOUR_S, 6 * HOUR_S)),
            (50, (6 * HOUR_S, 30 * HOUR_S)),
            (10, (30 * HOUR_S, 96 * HOUR_S)),
        ]);
        self.rng.between(low, high)
    }

    /// Plans a scan, and sometimes its repeat. Returns its number among the unit's.
    pub(crate) fn scan(&mut self, life: &mut UnitLife, draft: &Draft) -> u16 {
        let latency_s = self.latency_s();
        let at_s = (draft.event_s + latency_s).max(self.base_s + latency_s.min(HOUR_S));
        self.scan_at(life, draft, at_s)
    }

    /// Plans a scan that is written at `at_s`.
    pub(crate) fn scan_at(&mut self, life: &mut UnitLife, draft: &Draft, at_s: i64) -> u16 {
        let index = life.scans;
        life.scans += 1;
        let bad = matches!(draft.what, What::Bad(_));
        let at_fc = matches!(draft.place, Where::Fc(ZONELESS_FC));
        let named = !bad && (draft.named || life.named);
        let mut scan = PlannedScan {
            at_s: u32::try_from(at_s).expect("within the world's span"),
            event_s: i32::try_from(draft.event_s).expect("within the world's span"),
            unit: life.unit,
            index,
            what: draft.what,
            place: draft.place,
            extra: draft.extra,
            intent: draft.intent,
            named,
            zoneless: draft.what == What::Bad(Bad::Zone) || (at_fc && !bad && self.rng.chance(400)),
            disguised: !bad && self.rng.chance(self.habits.disguised_per_mille),
        };
        if scan.what == What::UnknownCode {
            scan.intent = ScanIntent::UnknownCode;
            self.count(Kind::UnknownCode);
        }
        let repeats = !bad && self.rng.chance(self.habits.repeats_per_mille);
        self.count_scan(life.feed, &scan);
        if at_s - draft.event_s > DAY_S {
            self.count(Kind::LateScan);
        }
        self.plan.scans.push(scan.clone());
        if repeats {
            self.count(Kind::Duplicate);
            let later_s = if self.rng.chance(700) { 3 * HOUR_S } else { 2 * DAY_S };
            scan.at_s += u32::try_from(self.rng.between(60, later_s)).expect("positive");
            if scan.intent == ScanIntent::Good {
                scan.intent = ScanIntent::Duplicate;
            }
            self.plan.scans.push(scan);
        }
        index
    }

    fn count_scan(&mut self, feed: Feed, scan: &PlannedScan) {
        match scan.what {
            What::Bad(_) => return,
            What::Milestone(milestone) => match feed.says(milestone, 0, true) {
                Said::Code(_) => self.count(Kind::ByCode),
                Said::Milestone(_) => self.count(Kind::ByMilestone),
            },
            _ => {}
        }
        self.count(if scan.named { Kind::WithScanId } else { Kind::WithoutScanId });
        for (holds, kind) in [
            (scan.zoneless, Kind::ZonelessTime),
            (scan.disguised, Kind::NumberDisguised),
            (matches!(scan.place, Where::FcPostalCode(_)), Kind::ByPostalCode),
        ] {
            if holds {
                self.count(kind);
            }
        }
    }

    /// A city on the way.
    pub(crate) fn city(&mut self) -> Where {
        Where::City(u8::try_from(self.rng.below(CITIES.len() as u64)).expect("a small table"))
    }

    /// An FC.
    pub(crate) fn any_fc(&mut self) -> u8 {
        u8::try_from(self.rng.below(FCS.len() as u64)).expect("a small table")
    }

    /// Another FC.
    pub(crate) fn other_fc(&mut self, than: u8) -> u8 {
        let fcs = u8::try_from(FCS.len()).expect("a small table");
        (than + 1 + u8::try_from(self.rng.below(u64::from(fcs) - 1)).expect("a small table")) % fcs
    }

    /// The FC, as feeds name it.
    pub(crate) fn at(&mut self, fc: u8) -> Where {
        self.rng.weighted(&[
            (600, Where::Fc(fc)),
            (120, Where::FcPostalCode(fc)),
            (200, Where::FcCity(fc)),
            (80, Where::Nowhere),
        ])
    }

    /// What happens to a box.
    pub(crate) fn box_story(&mut self) -> BoxStory {
        self.rng.weighted(&BOX_STORIES)
    }

    /// A flag.
    pub(crate) fn flag(&mut self) -> Flag {
        self.rng.pick(&[
            Flag::Delayed,
            Flag::Delayed,
            Flag::Held,
            Flag::Held,
            Flag::CustomsHold,
            Flag::Damaged,
            Flag::AttemptFailed,
            Flag::AddressIssue,
            Flag::Misrouted,
        ])
    }

    /// Plans all scans of a parcel's journey.
    pub(crate) fn journey(&mut self, life: &mut UnitLife, journey: &Journey, story: BoxStory) {
        let drafts = self.drafts(journey, story);
        let mut retractable = None;
        for mut draft in drafts {
            if draft.event_s < journey.from_s || draft.event_s >= journey.until_s {
                continue;
            }
            draft.intent = if draft.event_s >= journey.ended_s { ScanIntent::Ended } else { journey.intent };
            if draft.what == What::Correction {
                let Some(index) = retractable else { continue };
                draft.extra = Extra::Retracts(index);
                self.count(Kind::DeliveryRetracted);
            }
            let latency_s = self.latency_s();
            let at_s = (draft.event_s + latency_s).max(self.base_s + latency_s.min(HOUR_S));
            if at_s >= journey.old_s {
                draft.intent = ScanIntent::OldCarrier;
            }
            let index = self.scan_at(life, &draft, at_s);
            if draft.what == What::Milestone(Milestone::Delivered) {
                retractable = Some(index);
            }
        }
    }

    /// What a parcel's journey consists of, in the order of its telling.
    fn drafts(&mut self, journey: &Journey, story: BoxStory) -> Vec<Draft> {
        let Journey { label_s, pickup_s, deliver_s, fc, .. } = *journey;
        let m = |event_s, milestone, place| Draft::new(event_s, What::Milestone(milestone), place);
        let mut drafts = Vec::with_capacity(20);
        let origin = self.city();
        if self.rng.chance(700) {
            drafts.push(m(label_s, Milestone::LabelCreated, origin));
        }
        let mut pickup = m(pickup_s, Milestone::PickedUp, origin);
        if self.rng.chance(600) || story == BoxStory::EtaMoves {
            pickup.extra = eta(deliver_s + self.rng.between(-6, 6) * HOUR_S);
        }
        drafts.push(pickup);

        // Facilities, evenly spread with some play, until the evening before.
        let near_s = deliver_s - self.rng.between(10, 20) * HOUR_S;
        let breaks_off =
            matches!(story, BoxStory::Lost | BoxStory::Found | BoxStory::Destroyed | BoxStory::Stuck);
        let (low, high) = self.habits.facility_scans;
        let facilities = self.rng.between(low, high);
        let road_s = (near_s - pickup_s).max(facilities + 1);
        let visited = if breaks_off { self.rng.between(1, facilities) } else { facilities };
        let gap_s = road_s / (facilities + 1);
        for i in 1..=visited {
            let event_s = pickup_s + i * gap_s + self.rng.between(-gap_s / 3, gap_s / 3);
            let place = self.city();
            drafts.push(m(event_s, Milestone::InTransit, place));
        }
        if self.rng.chance(15) {
            let place = self.city();
            drafts.push(Draft::new(pickup_s + road_s / 2, What::UnknownCode, place));
        }
        match story {
            BoxStory::Flagged => {
                let what = What::Flag(self.flag());
                let place = self.city();
                drafts.push(Draft::new(pickup_s + self.rng.between(road_s / 4, road_s), what, place));
                self.count(Kind::Flag);
            }
            BoxStory::EtaMoves => {
                for _ in 0..self.rng.between(1, 2) {
                    let event_s = pickup_s + self.rng.between(road_s / 4, road_s);
                    let mut draft = Draft::new(event_s, What::Eta, Where::Nowhere);
                    draft.extra = eta(deliver_s + self.rng.between(-18, 30) * HOUR_S);
                    drafts.push(draft);
                    self.count(Kind::EtaMoved);
                }
            }
            _ => {}
        }
        if breaks_off {
            self.broken_off(&mut drafts, journey, story);
            return drafts;
        }
        if self.rng.chance(800) {
            drafts.push(m(near_s, Milestone::AtDestination, Where::FcCity(fc)));
        }
        let there = self.at(fc);
        drafts.push(m(deliver_s - self.rng.between(2, 7) * HOUR_S, Milestone::OutForDelivery, there));
        if self.rng.chance(300) {
            let there = self.at(fc);
            drafts.push(m(deliver_s - self.rng.between(60, HOUR_S), Milestone::ArrivedAtFc, there));
        }
        self.last_mile(&mut drafts, journey, story);
        drafts
    }

    /// A parcel that does not reach the last mile, at least not at first.
    fn broken_off(&mut self, drafts: &mut Vec<Draft>, journey: &Journey, story: BoxStory) {
        let Journey { deliver_s, fc, .. } = *journey;
        let mut push = |event_s, milestone, place| {
            let mut draft = Draft::new(event_s, What::Milestone(milestone), place);
            draft.named = true;
            drafts.push(draft);
        };
        match story {
            BoxStory::Lost | BoxStory::Found => {
                push(deliver_s + 2 * DAY_S, Milestone::Lost, Where::Nowhere);
                if story == BoxStory::Found {
                    self.count(Kind::Found);
                    let place = self.city();
                    push(deliver_s + 4 * DAY_S, Milestone::InTransit, place);
                    let place = self.at(fc);
                    push(deliver_s + 6 * DAY_S, Milestone::Delivered, place);
                } else {
                    self.count(Kind::Lost);
                }
            }
            BoxStory::Destroyed => {
                self.count(Kind::Destroyed);
                let place = self.city();
                push(deliver_s + DAY_S, Milestone::Destroyed, place);
            }
            _ => self.count(Kind::Stuck),
        }
    }

    /// From the vehicle to the dock, and sometimes back.
    fn last_mile(&mut self, drafts: &mut Vec<Draft>, journey: &Journey, story: BoxStory) {
        let Journey { deliver_s, fc, .. } = *journey;
        let mut push = |event_s, what, place| {
            let mut draft = Draft::new(event_s, what, place);
            draft.named = true;
            drafts.push(draft);
        };
        let delivered = What::Milestone(Milestone::Delivered);
        match story {
            BoxStory::Returned | BoxStory::BroughtBack => {
                let flag = if self.rng.chance(500) { Flag::Refused } else { Flag::AttemptFailed };
                let there = self.at(fc);
                push(deliver_s, What::Flag(flag), there);
                push(deliver_s + 4 * HOUR_S, What::Milestone(Milestone::ReturnStarted), Where::Nowhere);
                let place = self.city();
                push(deliver_s + DAY_S, What::Milestone(Milestone::InTransit), place);
                if story == BoxStory::BroughtBack {
                    self.count(Kind::BroughtBack);
                    let back_s = deliver_s + 3 * DAY_S;
                    push(back_s, What::Milestone(Milestone::OutForDelivery), Where::Fc(fc));
                    push(back_s + 3 * HOUR_S, delivered, Where::Fc(fc));
                } else {
                    self.count(Kind::Returned);
                    let place = self.city();
                    push(deliver_s + 3 * DAY_S, What::Milestone(Milestone::Returned), place);
                }
            }
            BoxStory::Retracted => {
                let there = self.at(fc);
                push(deliver_s, delivered, there);
                push(deliver_s + HOUR_S, What::Correction, Where::Nowhere);
                if self.rng.chance(700) {
                    let there = self.at(fc);
                    push(deliver_s + DAY_S, delivered, there);
                }
            }
            BoxStory::Misdelivered => {
                self.count(Kind::Misdelivered);
                let other = self.other_fc(fc);
                push(deliver_s, delivered, Where::Fc(other));
                let place = self.city();
                push(deliver_s + 10 * HOUR_S, What::Milestone(Milestone::InTransit), place);
                push(deliver_s + DAY_S, delivered, Where::Fc(fc));
            }
            _ => {
                let there = self.at(fc);
                drafts.push(Draft::new(deliver_s, delivered, there));
                if self.rng.chance(100) {
                    let place = self.city();
                    let event_s = deliver_s + self.rng.between(60, 2 * HOUR_S);
                    drafts.push(Draft::new(event_s, What::Milestone(Milestone::InTransit), place));
                }
            }
        }
    }

    /// A scan that cannot be read.
    pub(crate) fn bad_scan(&mut self) {
        let bad = self.rng.pick(&Bad::ALL);
        self.count(match bad {
            Bad::Truncated => Kind::BadTruncated,
            Bad::RepeatedKey => Kind::BadRepeatedKey,
            Bad::Utf8 => Kind::BadUtf8,
            Bad::Format | Bad::Empty => Kind::BadFormat,
            Bad::Depth => Kind::BadDepth,
            Bad::MissingField => Kind::BadMissingField,
            Bad::UnknownMilestone | Bad::UnreadableTime => Kind::BadField,
            Bad::Number => Kind::BadNumber,
            Bad::Time => Kind::BadTime,
            Bad::Zone => Kind::BadZone,
        });
        let feed = Feed::parcel(&mut self.rng);
        let mut life = self.new_unit(feed);
        let at_s = self.base_s + self.rng.between(HOUR_S, 3 * DAY_S);
        let event_s = match bad {
            Bad::Time if self.rng.chance(500) => at_s + 10 * DAY_S,
            Bad::Time => at_s - 500 * DAY_S,
            _ => at_s - self.rng.between(60, 6 * HOUR_S),
        };
        let mut draft = Draft::new(event_s, What::Bad(bad), Where::Nowhere);
        draft.intent = ScanIntent::Bad(bad.reason());
        self.scan_at(&mut life, &draft, at_s);
    }

    /// A parcel that no shipment knows, with about `scans` scans.
    pub(crate) fn foreign_parcel(&mut self) {
        self.count(Kind::ForeignParcel);
        let feed = Feed::parcel(&mut self.rng);
        let mut life = self.new_unit(feed);
        let fc = self.any_fc();
        let pickup_s = self.base_s + self.rng.between(0, DAY_S);
        let mut journey = Journey::new(pickup_s, pickup_s, pickup_s + self.rng.between(2, 5) * DAY_S, fc);
        journey.intent = ScanIntent::Foreign;
        // Many are seen for a part of their way only.
        if self.rng.chance(600) {
            journey.until_s = pickup_s + self.rng.between(HOUR_S, 2 * DAY_S);
        }
        self.journey(&mut life, &journey, BoxStory::Plain);
    }
}

pub(crate) fn eta(at_s: i64) -> Extra {
    Extra::Eta(i32::try_from(at_s).expect("within the world's span"))
}
