//! Small-parcel shipments: what sellers and FCs ask for, and how the boxes travel.
//!
//! Enters: a [`Planner`]. Leaves: its plan, filled. Always true: edits come before the first possible delivery, and
//! windows after the command that sets them, by a step at least, so that the intents hold.

use super::commands::{NewBox, Text, box_id, items_json};
use super::expected::{CommandIntent, Kind, ScanIntent};
use super::feeds::{Feed, REGIONAL_NAME};
use super::numbers::{Number, Numbers};
use super::places::FCS;
use super::plan::{BoxStory, DAY_S, Draft, HOUR_S, Journey, Planner};
use super::scans::{What, Where};
use crate::model::{CommandErrorCode as Code, DeadLetterReason, Milestone};

/// What makes a shipment special.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    Plain,
    MissedEarly,
    MissedLate,
    LateRegistration,
    Backfilled,
    SameNumbers,
    OtherNumbers,
    Swapped,
    Replaced,
    Reentered,
    BoxesUpdated,
    Destination,
    CancelledEarly,
    CancelledScanned,
    PartialThenComplete,
    PartialForEver,
    NeverTracked,
    Partnered,
    Reused,
    EarlierLife,
}

const STORIES: [(u64, Story); 20] = [
    (420, Story::Plain),
    (40, Story::MissedEarly),
    (50, Story::MissedLate),
    (20, Story::LateRegistration),
    (25, Story::Backfilled),
    (25, Story::SameNumbers),
    (30, Story::OtherNumbers),
    (30, Story::Swapped),
    (30, Story::Replaced),
    (30, Story::Reentered),
    (25, Story::BoxesUpdated),
    (35, Story::Destination),
    (20, Story::CancelledEarly),
    (30, Story::CancelledScanned),
    (30, Story::PartialThenComplete),
    (30, Story::PartialForEver),
    (20, Story::NeverTracked),
    (60, Story::Partnered),
    (25, Story::Reused),
    (25, Story::EarlierLife),
];

/// A shipment whose life is being planned.
#[derive(Debug)]
pub(crate) struct Shipment {
    pub(crate) id: Number,
    pub(crate) account: String,
    pub(crate) feed: Feed,
    pub(crate) fc: u8,
    pub(crate) boxes: Vec<NewBox>,
    pub(crate) commands: u32,
}

impl Shipment {
    pub(crate) fn new(planner: &mut Planner<'_>, feed: Feed, boxes: usize) -> Shipment {
        let id = planner.numbers.shipment(&mut planner.rng);
        let account = format!("SELLER-{:04}", planner.rng.below(planner.habits.accounts));
        let mut shipment =
            Shipment { id, account, feed, fc: planner.any_fc(), boxes: Vec::new(), commands: 0 };
        for n in 1..=boxes {
            let new = shipment.new_box(planner, n);
            shipment.boxes.push(new);
        }
        shipment
    }

    /// Box `n`, from 1.
    fn new_box(&self, planner: &mut Planner<'_>, n: usize) -> NewBox {
        let units = planner.rng.below(60) + 1;
        NewBox { id: box_id(self.id, n), units, weight_g: units * 150 + planner.rng.below(9000) }
    }

    /// The next command, by type.
    pub(crate) fn say(&mut self, kind: &str) -> Text {
        self.commands += 1;
        Text::new(kind, self.id, self.commands)
    }

    /// `create_shipment`, without what depends on the mode.
    pub(crate) fn creation(&mut self, mode: &str) -> Text {
        let text = self
            .say("create_shipment")
            .text("account", &self.account.clone())
            .text("fc", FCS[usize::from(self.fc)].name)
            .text("mode", mode)
            .text("carrier", self.feed.code());
        match self.feed {
            Feed::Regional => text.text("carrier_name", REGIONAL_NAME),
            _ => text,
        }
    }
}

/// How many boxes a parcel shipment has: a few mostly, many sometimes, about 20 on average.
pub(crate) fn boxes_of(planner: &mut Planner<'_>) -> usize {
    let (low, high) =
        planner.rng.weighted(&[(250, (1, 3)), (480, (4, 15)), (215, (16, 50)), (55, (51, 200))]);
    let boxes = planner.rng.between(low, high);
    // A small world has small shipments, of all sizes it can have.
    let max = planner.habits.boxes_max;
    let boxes = if boxes <= max { boxes } else { (boxes - 1) % max + 1 };
    usize::try_from(boxes).expect("positive")
}

/// By then the commands that make a shipment ready are written, in steps from its start.
const READY_STEPS: i64 = 7;

/// Plans a parcel shipment, or two that share a number.
pub(crate) fn parcel_cohort(planner: &mut Planner<'_>) {
    let story = planner.rng.weighted(&STORIES);
    let start_s = planner.base_s;
    if story == Story::Reused {
        planner.count(Kind::ReusedNumber);
        let first = ParcelLife::plan(planner, Story::Plain, start_s, None, true);
        let closed_s = (planner.last_step + 1) * planner.habits.step_s;
        let later_s = closed_s + planner.rng.between(30, 45) * DAY_S;
        ParcelLife::plan(planner, Story::Plain, later_s, Some(first), false);
    } else {
        ParcelLife::plan(planner, story, start_s, None, false);
    }
}

/// A parcel shipment that is being planned.
struct ParcelLife<'p, 'w> {
    planner: &'p mut Planner<'w>,
    story: Story,
    shipment: Shipment,
    /// The number of each box, in the end.
    numbers: Vec<Number>,
    /// How many boxes are tracked at first.
    tracked: usize,
    start_s: i64,
    pickup_s: i64,
    deliver_s: i64,
    window_s: (i64, i64),
    /// A stranger's number that the first box is given at first.
    wrong: Option<Number>,
    /// The last command that was accepted, for repeats.
    last: Option<Box<[u8]>>,
}

impl<'p, 'w> ParcelLife<'p, 'w> {
    fn plan(
        planner: &'p mut Planner<'w>,
        story: Story,
        start_s: i64,
        reused: Option<(Feed, Number)>,
        must_close: bool,
    ) -> (Feed, Number) {
        planner.count(Kind::ParcelShipment);
        let mut feed = reused.map_or_else(|| Feed::parcel(&mut planner.rng), |(feed, _)| feed);
        if feed == Feed::Regional {
            if matches!(story, Story::SameNumbers | Story::OtherNumbers | Story::Partnered) {
                feed = Feed::Ups;
            } else {
                planner.count(Kind::OtherCarrier);
            }
        }
        let needs_two =
            [Story::Swapped, Story::BoxesUpdated, Story::PartialThenComplete, Story::PartialForEver];
        let boxes = boxes_of(planner).max(if needs_two.contains(&story) { 2 } else { 1 });
        let shipment = Shipment::new(planner, feed, boxes);
        let mut numbers: Vec<Number> = (0..boxes).map(|_| planner.numbers.make(feed)).collect();
        if let Some((_, number)) = reused {
            numbers[0] = number;
        }
        let first = (feed, numbers[0]);
        let tracked = match story {
            Story::PartialThenComplete | Story::PartialForEver => (boxes * 7).div_ceil(12).min(boxes - 1),
            Story::NeverTracked => 0,
            _ => boxes,
        };

        let ready_s = READY_STEPS * planner.habits.step_s;
        let lead_s = match story {
            Story::LateRegistration => 2 * planner.habits.step_s,
            Story::EarlierLife => ready_s + 12 * DAY_S,
            _ => ready_s,
        };
        let pickup_s = start_s + lead_s + planner.rng.between(0, 16) * HOUR_S;
        let (low, high) = if story == Story::LateRegistration { (44, 48) } else { feed.transit_days() };
        let day_s = (pickup_s + planner.rng.between(low, high) * DAY_S).div_euclid(DAY_S) * DAY_S;
        let deliver_s = (day_s + planner.rng.between(14 * HOUR_S, 22 * HOUR_S)).max(pickup_s + 36 * HOUR_S);
        let window_s = match story {
            Story::MissedEarly => (deliver_s + 3 * DAY_S, deliver_s + 6 * DAY_S),
            Story::MissedLate => (deliver_s - 60 * HOUR_S, deliver_s - DAY_S),
            Story::LateRegistration => (deliver_s - 6 * DAY_S, deliver_s + 6 * DAY_S),
            Story::Backfilled => (pickup_s + 5 * DAY_S, pickup_s + 9 * DAY_S),
            _ => {
                let before_s = planner.rng.between(12, 36) * HOUR_S;
                (deliver_s - before_s, deliver_s + planner.rng.between(24, 72) * HOUR_S)
            }
        };
        let mut life = ParcelLife {
            planner,
            story,
            shipment,
            numbers,
            tracked,
            start_s,
            pickup_s,
            deliver_s,
            window_s,
            wrong: None,
            last: None,
        };
        life.begin();
        let travels = life.edit_and_travel();
        if travels {
            life.receive(must_close);
        }
        first
    }

    /// A command that is meant to be accepted, at `wanted_s` or later. Returns its moment.
    fn accept(&mut self, wanted_s: i64, text: Text) -> i64 {
        let at_s = self.planner.moment(wanted_s);
        let value = text.end();
        self.last = Some(value.clone());
        self.planner.record(at_s, self.shipment.id, value, CommandIntent::Accepted);
        at_s
    }

    /// A command that is meant to be rejected, next.
    fn reject(&mut self, text: Text, code: Code, kind: Kind) {
        let at_s = self.planner.moment(0);
        self.planner.count(kind);
        self.planner.command(at_s, self.shipment.id, text, CommandIntent::Rejected(code));
    }

    fn window_text(&mut self, (start_s, end_s): (i64, i64)) -> Text {
        let (start, end) = (self.planner.timestamp(start_s), self.planner.timestamp(end_s));
        self.shipment.say("set_delivery_window").time("start", Some(start)).time("end", Some(end))
    }

    fn tracking(&mut self, boxes: std::ops::Range<usize>) -> Vec<(String, Option<Number>)> {
        boxes.map(|i| (self.shipment.boxes[i].id.clone(), Some(self.numbers[i]))).collect()
    }

    /// From the creation to the labels.
    fn begin(&mut self) {
        let partnered = self.story == Story::Partnered;
        let wanted_s = match self.story {
            Story::EarlierLife => self.start_s + 12 * DAY_S,
            Story::Backfilled => self.pickup_s + DAY_S,
            _ => self.start_s,
        };
        match self.story {
            Story::MissedEarly => self.planner.count(Kind::WindowMissedEarly),
            Story::MissedLate => self.planner.count(Kind::WindowMissedLate),
            _ => {}
        }
        let window_now = !partnered && self.planner.rng.chance(600);
        let system_now = partnered && self.planner.rng.chance(600);
        self.create(wanted_s, window_now, system_now);
        if !partnered && !window_now {
            self.planner.count(Kind::WindowSetLater);
            let text = self.window_text(self.window_s);
            self.accept(0, text);
        }
        if self.story == Story::BoxesUpdated {
            self.update_boxes();
        }
        if self.planner.rng.chance(350) {
            self.mishap(partnered);
        }
        let confirm_first = self.planner.rng.chance(400);
        if confirm_first {
            self.confirm();
        }
        match self.story {
            Story::NeverTracked => {}
            Story::LateRegistration => {
                self.planner.count(Kind::LateRegistration);
                if !confirm_first {
                    self.confirm();
                }
                let items = self.tracking(0..self.numbers.len());
                let text = self.shipment.say("set_tracking").items(&items);
                let late_s = self.pickup_s + self.planner.rng.between(40, 42) * DAY_S;
                self.accept(late_s, text);
                return;
            }
            Story::Partnered if system_now => self.planner.count(Kind::PartneredAtCreation),
            Story::Partnered => {
                self.planner.count(Kind::PartneredLater);
                let items = self.tracking(0..self.tracked);
                let text = self.shipment.say("set_tracking").items(&items).text("source", "SYSTEM");
                self.accept(0, text);
            }
            Story::Replaced => {
                let wrong = self.planner.numbers.make(self.shipment.feed);
                let mut items = self.tracking(0..self.tracked);
                items[0].1 = Some(wrong);
                let text = self.shipment.say("set_tracking").items(&items);
                self.accept(0, text);
                self.wrong = Some(wrong);
            }
            _ => {
                let items = self.tracking(0..self.tracked);
                let text = self.shipment.say("set_tracking").items(&items);
                self.accept(0, text);
            }
        }
        if !confirm_first {
            self.confirm();
        }
        if self.story == Story::Plain && self.planner.rng.chance(150) {
            self.planner.count(Kind::WindowMoved);
            let (start_s, end_s) = self.window_s;
            let text = self.window_text((start_s + HOUR_S, end_s + 2 * HOUR_S));
            self.accept(0, text);
        } else if self.planner.rng.chance(60) {
            let text = self.shipment.say("confirm_ready");
            self.reject(text, Code::WrongStatus, Kind::RejectedStatus);
        }
    }

    fn create(&mut self, wanted_s: i64, window_now: bool, system_now: bool) {
        let mut text = self.creation();
        if window_now {
            self.planner.count(Kind::WindowAtCreation);
            let (start, end) =
                (self.planner.timestamp(self.window_s.0), self.planner.timestamp(self.window_s.1));
            text = text.json("delivery_window", &format!(r#"{{"start":"{start}","end":"{end}"}}"#));
        }
        if self.story == Story::Partnered {
            text = text.json("partnered", "true");
        }
        if system_now {
            let items = String::from_utf8(items_json(&self.tracking(0..self.tracked))).expect("ASCII");
            text = text.json("tracking", &format!(r#"{{"items":{items}}}"#));
        }
        if self.story == Story::LateRegistration {
            text = text.json("cross_border", "true");
        }
        if self.story == Story::Backfilled {
            self.planner.count(Kind::BackfilledCreation);
            text = text.time("created_at", Some(self.planner.timestamp(self.start_s)));
        }
        if self.planner.rng.chance(100) {
            text = text.time("need_by", Some(self.planner.timestamp(self.deliver_s + 2 * DAY_S)));
        }
        self.accept(wanted_s, text);
    }

    fn creation(&mut self) -> Text {
        let boxes = self.shipment.boxes.clone();
        self.shipment.creation("SPD").boxes("boxes", &boxes)
    }

    fn confirm(&mut self) {
        let text = self.shipment.say("confirm_ready");
        self.accept(0, text);
    }

    /// The last box is exchanged for another.
    fn update_boxes(&mut self) {
        self.planner.count(Kind::BoxesUpdated);
        let last = self.shipment.boxes.len() - 1;
        let new = self.shipment.new_box(self.planner, last + 2);
        let old = std::mem::replace(&mut self.shipment.boxes[last], new.clone());
        let text = self.shipment.say("update_boxes");
        self.accept(0, text.boxes("add", &[new]).json("remove", &format!(r#"["{}"]"#, old.id)));
    }

    /// A command that goes wrong, while the shipment is being prepared.
    fn mishap(&mut self, partnered: bool) {
        let feed = self.shipment.feed;
        let fresh = self.planner.numbers.make(feed);
        let first = self.shipment.boxes[0].id.clone();
        match self.planner.rng.below(17) {
            0 | 1 if partnered => {
                let text = self.shipment.say("set_tracking").items(&[(first, Some(fresh))]);
                self.reject(text, Code::PartneredCarrier, Kind::RejectedPartnered);
            }
            0 if feed != Feed::Regional => {
                let text = self.shipment.say("set_tracking").items(&[(first, Some(fresh.spoiled()))]);
                self.reject(text, Code::InvalidTrackingId, Kind::RejectedInvalidId);
            }
            1 if self.shipment.boxes.len() > 1 => {
                let second = self.shipment.boxes[1].id.clone();
                let items = [(first, Some(fresh)), (second, Some(fresh))];
                let text = self.shipment.say("set_tracking").items(&items);
                self.reject(text, Code::UniqueTrackingIdRequired, Kind::RejectedDuplicateId);
            }
            2 if !partnered => {
                let items = [(box_id(self.shipment.id, 999_999), Some(fresh))];
                let text = self.shipment.say("set_tracking").items(&items);
                self.reject(text, Code::UnknownBox, Kind::RejectedUnknownBox);
            }
            3 => {
                let text = self.shipment.say("set_freight_bill").text("freight_bill", "123456789");
                self.reject(text, Code::WrongMode, Kind::RejectedWrongMode);
            }
            4 => {
                let (start_s, _) = self.window_s;
                let end_s = start_s + self.planner.rng.pick(&[0, -HOUR_S, 20 * DAY_S]);
                let text = self.window_text((start_s, end_s));
                self.reject(text, Code::WindowInvalid, Kind::RejectedWindow);
            }
            5 => {
                let text = self.shipment.say("report_receiving").text("stage", "CHECKED_IN");
                self.reject(text, Code::WrongStatus, Kind::RejectedStatus);
            }
            6 => {
                let text = self.creation();
                self.reject(text, Code::ShipmentExists, Kind::RejectedExists);
            }
            7 => {
                let nobody = Numbers::nobodys_shipment(&mut self.planner.rng);
                let at_s = self.planner.moment(0);
                self.planner.count(Kind::RejectedUnknownShipment);
                let intent = CommandIntent::Rejected(Code::UnknownShipment);
                self.planner.command(at_s, nobody, Text::new("confirm_ready", nobody, 1), intent);
            }
            8 if !partnered => {
                let text = self.shipment.say("change_carrier").text("carrier", "PONY_EXPRESS");
                self.reject(text, Code::UnknownCarrier, Kind::RejectedUnknownCarrier);
            }
            9 if !partnered => {
                let text = self.shipment.say("change_carrier").text("carrier", "OTHER");
                self.reject(text, Code::CarrierNameRequired, Kind::RejectedCarrierName);
            }
            10 => {
                let problem = format!("{}:NO_SUCH_KIND", self.shipment.id.as_str());
                let text = self.shipment.say("acknowledge_problem").text("problem_id", &problem);
                self.reject(text, Code::UnknownProblem, Kind::RejectedUnknownProblem);
            }
            11 => {
                let text = self.shipment.say("report_receiving").text("stage", "PAINTED");
                self.reject(text, Code::InvalidCommand, Kind::RejectedInvalidCommand);
            }
            12 => self.bad_command(),
            13 | 14 => {
                let at_s = self.planner.moment(0);
                self.planner.count(Kind::DryRun);
                let text = self.shipment.say("cancel_shipment").json("dry_run", "true");
                self.planner.command(at_s, self.shipment.id, text, CommandIntent::DryRun);
            }
            _ => self.repeat(),
        }
    }

    fn bad_command(&mut self) {
        let at_s = self.planner.moment(0);
        self.planner.count(Kind::BadCommand);
        let id = self.shipment.id;
        let text = format!(r#"{{"command_id":"{0}-x","type":"teleport","shipment_id":"{0}"}}"#, id.as_str());
        let intent = CommandIntent::Bad(DeadLetterReason::BadCommand);
        self.planner.record(at_s, id, text.into_bytes().into_boxed_slice(), intent);
    }

    /// The last accepted command once more.
    fn repeat(&mut self) {
        let Some(value) = self.last.clone() else { return };
        let at_s = self.planner.moment(0);
        self.planner.count(Kind::RepeatedCommand);
        self.planner.record(at_s, self.shipment.id, value, CommandIntent::Repeated);
    }

    /// What changes under way, and the scans. Whether the shipment arrives somewhere.
    fn edit_and_travel(&mut self) -> bool {
        let soon_s = self.pickup_s + self.planner.rng.between(0, 4) * HOUR_S;
        let mut journey =
            Journey::new(self.pickup_s - 10 * HOUR_S, self.pickup_s, self.deliver_s, self.shipment.fc);
        match self.story {
            Story::CancelledEarly => {
                self.planner.count(Kind::CancelledEarly);
                self.cancel(0);
                journey.label_s = self.start_s + self.planner.habits.step_s;
                journey.until_s = self.pickup_s;
            }
            Story::CancelledScanned => {
                self.planner.count(Kind::CancelledScanned);
                journey.ended_s = self.cancel(soon_s);
            }
            Story::Swapped => {
                self.planner.count(Kind::TrackingSwapped);
                let mut items = self.tracking(0..2);
                (items[0].1, items[1].1) = (items[1].1, items[0].1);
                let text = self.shipment.say("set_tracking").items(&items);
                self.accept(soon_s, text);
            }
            Story::Replaced => return self.replace(&journey, soon_s),
            Story::Reentered => {
                self.planner.count(Kind::TrackingReentered);
                let mut items = self.tracking(0..1);
                let number = items[0].1.take();
                let text = self.shipment.say("set_tracking").items(&items);
                self.accept(soon_s, text);
                items[0].1 = number;
                let text = self.shipment.say("set_tracking").items(&items);
                self.accept(0, text);
            }
            Story::Destination => {
                self.planner.count(Kind::DestinationChanged);
                journey.fc = self.planner.other_fc(self.shipment.fc);
                let text =
                    self.shipment.say("change_destination").text("fc", FCS[usize::from(journey.fc)].name);
                self.accept(soon_s, text);
            }
            Story::PartialThenComplete => {
                self.planner.count(Kind::PartialThenComplete);
                let items = self.tracking(self.tracked..self.numbers.len());
                let text = self.shipment.say("set_tracking").items(&items);
                self.accept(soon_s, text);
                self.tracked = self.numbers.len();
            }
            Story::PartialForEver => self.planner.count(Kind::PartialForEver),
            Story::NeverTracked => self.planner.count(Kind::NeverTracked),
            Story::SameNumbers => return self.change_carrier(&journey, soon_s, Feed::Regional),
            Story::OtherNumbers => {
                let to = if self.shipment.feed == Feed::Ups { Feed::FedEx } else { Feed::Ups };
                return self.change_carrier(&journey, 0, to);
            }
            Story::EarlierLife => self.earlier_life(),
            _ => {}
        }
        self.travel(self.shipment.feed, &journey);
        !matches!(self.story, Story::CancelledEarly | Story::CancelledScanned)
    }

    /// The scans of all boxes at one carrier.
    fn travel(&mut self, feed: Feed, journey: &Journey) {
        for i in 0..self.shipment.boxes.len() {
            let mut own = journey.clone();
            if i >= self.tracked {
                own.intent = ScanIntent::Foreign;
            }
            own.deliver_s += match self.planner.rng.below(100) {
                0..85 => self.planner.rng.between(0, 20 * 60),
                85..95 => DAY_S,
                _ => 2 * DAY_S,
            };
            let story = self.planner.box_story();
            let mut unit = self.planner.unit(feed, self.numbers[i]);
            self.planner.journey(&mut unit, &own, story);
        }
    }

    fn cancel(&mut self, wanted_s: i64) -> i64 {
        let text = self.shipment.say("cancel_shipment");
        let at_s = self.accept(wanted_s, text);
        if self.planner.rng.chance(300) {
            let text = self.shipment.say("confirm_ready");
            self.reject(text, Code::ShipmentCancelled, Kind::RejectedCancelled);
        }
        at_s
    }

    /// The first box was given a stranger's number, and gets its own.
    fn replace(&mut self, journey: &Journey, wanted_s: i64) -> bool {
        self.planner.count(Kind::TrackingReplaced);
        let wrong = self.wrong.expect("set with the first tracking");
        let items = self.tracking(0..1);
        let text = self.shipment.say("set_tracking").items(&items);
        let at_s = self.accept(wanted_s, text);
        let mut stranger = journey.clone();
        stranger.fc = self.planner.other_fc(journey.fc);
        stranger.old_s = at_s;
        let mut unit = self.planner.unit(self.shipment.feed, wrong);
        self.planner.journey(&mut unit, &stranger, BoxStory::Plain);
        self.travel(self.shipment.feed, journey);
        true
    }

    /// From one carrier to another, with the same numbers (when they fit anybody) or others.
    fn change_carrier(&mut self, journey: &Journey, wanted_s: i64, to: Feed) -> bool {
        let from = self.shipment.feed;
        let mut text = self.shipment.say("change_carrier").text("carrier", to.code());
        if to == Feed::Regional {
            text = text.text("carrier_name", REGIONAL_NAME);
        }
        let changed_s = self.accept(wanted_s, text);
        let mut before = journey.clone();
        before.old_s = changed_s;
        before.until_s = changed_s + self.planner.rng.between(0, 12) * HOUR_S;
        self.travel(from, &before);
        let mut after = journey.clone();
        if to == Feed::Regional {
            self.planner.count(Kind::CarrierChangedSameNumbers);
            after.from_s = changed_s - 6 * HOUR_S;
        } else {
            self.planner.count(Kind::CarrierChangedOtherNumbers);
            self.numbers = self.numbers.iter().map(|_| self.planner.numbers.make(to)).collect();
            let items = self.tracking(0..self.numbers.len());
            let text = self.shipment.say("set_tracking").items(&items);
            self.accept(0, text);
        }
        self.shipment.feed = to;
        self.travel(to, &after);
        true
    }

    /// The first number had a life before the shipment was created; some of it is told again later.
    fn earlier_life(&mut self) {
        self.planner.count(Kind::EarlierLife);
        let start_s = self.start_s;
        let fc = self.planner.any_fc();
        let mut journey = Journey::new(start_s - DAY_S, start_s, start_s + 3 * DAY_S, fc);
        journey.intent = ScanIntent::EarlierLife;
        let mut unit = self.planner.unit(self.shipment.feed, self.numbers[0]);
        self.planner.journey(&mut unit, &journey, BoxStory::Plain);
        let mut draft =
            Draft::new(start_s + 3 * DAY_S, What::Milestone(Milestone::Delivered), Where::FcCity(fc));
        draft.intent = ScanIntent::EarlierLife;
        self.planner.scan_at(&mut unit, &draft, self.pickup_s);
    }

    /// What the FC reports, and what the seller makes of it.
    fn receive(&mut self, must_close: bool) {
        if self.story == Story::MissedLate {
            if self.planner.rng.chance(250) {
                let at_s = self.window_s.0 + self.planner.habits.step_s;
                self.planner.skip_to(at_s);
                let text = self.window_text((self.deliver_s, self.deliver_s + 2 * DAY_S));
                self.reject(text, Code::WindowLocked, Kind::RejectedWindowLocked);
            }
            if self.planner.rng.chance(500) {
                self.acknowledge("MISSED_WINDOW_LATE", self.window_s.1 + 2 * DAY_S);
            }
        }
        if !must_close && self.planner.rng.chance(150) {
            return;
        }
        let mut wanted_s = self.deliver_s + self.planner.rng.between(24, 60) * HOUR_S;
        for (stage, kind, per_mille) in [
            ("CHECKED_IN", Kind::CheckedIn, 900),
            ("RECEIVING", Kind::Receiving, 800),
            ("CLOSED", Kind::Closed, 850),
        ] {
            if must_close || self.planner.rng.chance(per_mille) {
                self.planner.count(kind);
                let text = self.shipment.say("report_receiving").text("stage", stage);
                let at_s = self.accept(wanted_s, text);
                wanted_s = at_s + self.planner.rng.between(12, 48) * HOUR_S;
                if stage == "CHECKED_IN" && self.tracked < self.numbers.len() {
                    self.acknowledge("MISSING_TRACKING", wanted_s);
                }
                if stage == "CLOSED" && self.planner.rng.chance(100) {
                    let text = self.shipment.say("cancel_shipment");
                    self.reject(text, Code::AlreadyDelivered, Kind::RejectedDelivered);
                }
            }
        }
    }

    fn acknowledge(&mut self, kind: &str, wanted_s: i64) {
        self.planner.count(Kind::ProblemAcknowledged);
        let problem = format!("{}:{kind}", self.shipment.id.as_str());
        let text = self.shipment.say("acknowledge_problem").text("problem_id", &problem);
        self.accept(wanted_s, text);
    }
}
