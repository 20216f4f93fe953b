//! Freight: shipments of pallets or many boxes, one PRO each, and PROs that serve several shipments.
//!
//! Always true: a PRO is one unit, whose scans are told once however many shipments it serves.

use super::commands::Text;
use super::expected::{CommandIntent, Kind, ScanIntent};
use super::feeds::Feed;
use super::numbers::Number;
use super::parcels::Shipment;
use super::plan::{DAY_S, Draft, HOUR_S, Planner, UnitLife};
use super::scans::{Extra, What, Where};
use crate::model::{CommandErrorCode as Code, Milestone};

/// What makes a freight shipment special.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    Plain,
    Shared,
    Replaced,
    Partnered,
    Cancelled,
    Returned,
}

const STORIES: [(u64, Story); 6] = [
    (560, Story::Plain),
    (160, Story::Shared),
    (80, Story::Replaced),
    (100, Story::Partnered),
    (60, Story::Cancelled),
    (40, Story::Returned),
];

/// Plans a freight shipment, or two or three that share a PRO.
pub(crate) fn freight_cohort(planner: &mut Planner<'_>) {
    let story = planner.rng.weighted(&STORIES);
    let feed = Feed::freight(&mut planner.rng);
    let mut life = planner.new_unit(feed);
    let fc = planner.any_fc();
    let sharers = if story == Story::Shared { planner.rng.between(2, 3) } else { 1 };
    if story == Story::Shared {
        planner.count(Kind::SharedPro);
    }
    let start_s = planner.base_s;
    // Four commands per sharer, a mishap, and a step in hand.
    let pickup_s = start_s + (5 * sharers + 2) * planner.habits.step_s + planner.rng.between(0, 20) * HOUR_S;
    let (low, high) = feed.transit_days();
    let deliver_s = pickup_s + planner.rng.between(low, high) * DAY_S + planner.rng.between(0, 6) * HOUR_S;
    let mut shipments = Vec::new();
    let mut first_pro = life.number;
    for _ in 0..sharers {
        if story == Story::Replaced {
            first_pro = planner.numbers.make(feed);
        }
        shipments.push(begin(planner, story, feed, fc, first_pro, deliver_s));
    }
    let mut ended_s = i64::MAX;
    for shipment in &mut shipments {
        match story {
            Story::Replaced => {
                planner.count(Kind::ReplacedPro);
                let text = shipment.say("set_freight_bill").text("freight_bill", life.number.as_str());
                accept(planner, shipment.id, pickup_s, text);
            }
            Story::Cancelled => {
                planner.count(Kind::CancelledScanned);
                let text = shipment.say("cancel_shipment");
                ended_s = accept(planner, shipment.id, pickup_s + HOUR_S, text);
            }
            _ => {}
        }
    }
    travel(
        planner,
        &mut life,
        &Route { pickup_s, deliver_s, fc, ended_s, returned: story == Story::Returned },
    );
    if story != Story::Cancelled {
        for shipment in &mut shipments {
            receive(planner, shipment, deliver_s);
        }
    }
}

fn accept(planner: &mut Planner<'_>, shipment: Number, wanted_s: i64, text: Text) -> i64 {
    let at_s = planner.moment(wanted_s);
    planner.command(at_s, shipment, text, CommandIntent::Accepted);
    at_s
}

fn reject(planner: &mut Planner<'_>, shipment: Number, text: Text, code: Code, kind: Kind) {
    let at_s = planner.moment(0);
    planner.count(kind);
    planner.command(at_s, shipment, text, CommandIntent::Rejected(code));
}

/// From the creation to the PRO.
fn begin(
    planner: &mut Planner<'_>,
    story: Story,
    feed: Feed,
    fc: u8,
    pro: Number,
    deliver_s: i64,
) -> Shipment {
    let partnered = story == Story::Partnered;
    let with_boxes = planner.rng.chance(550);
    let boxes_max = planner.habits.boxes_max * 2;
    let boxes = if with_boxes { planner.rng.between(1, boxes_max) } else { 0 };
    let mut shipment = Shipment::new(planner, feed, usize::try_from(boxes).expect("positive"));
    shipment.fc = fc;
    let full = planner.rng.chance(150);
    planner.count(if full {
        Kind::FullTruck
    } else if with_boxes {
        Kind::FreightWithBoxes
    } else {
        Kind::FreightOfPallets
    });
    let pallets = planner.rng.between(1, 26);
    let boxes = shipment.boxes.clone();
    let mut text = shipment
        .creation(if full { "FTL" } else { "LTL" })
        .boxes("boxes", &boxes)
        .json("pallets", &pallets.to_string());
    if partnered {
        planner.count(Kind::PartneredFreight);
        let pro = pro.as_str();
        text = text.json("partnered", "true").json("tracking", &format!(r#"{{"freight_bill":"{pro}"}}"#));
    } else {
        planner.count(Kind::WindowAtCreation);
        let slack_s = planner.rng.between(12, 40) * HOUR_S;
        let (start, end) = (planner.timestamp(deliver_s - slack_s), planner.timestamp(deliver_s + 2 * DAY_S));
        text = text.json("delivery_window", &format!(r#"{{"start":"{start}","end":"{end}"}}"#));
    }
    accept(planner, shipment.id, 0, text);
    if planner.rng.chance(150) {
        mishap(planner, &mut shipment, partnered);
    }
    let text = shipment.say("confirm_ready");
    accept(planner, shipment.id, 0, text);
    if !partnered {
        let bill_of_lading = format!("BOL{:07}", planner.rng.below(10_000_000));
        let text = shipment
            .say("set_freight_bill")
            .text("freight_bill", pro.as_str())
            .text("bill_of_lading", &bill_of_lading);
        accept(planner, shipment.id, 0, text);
    }
    shipment
}

fn mishap(planner: &mut Planner<'_>, shipment: &mut Shipment, partnered: bool) {
    let fresh = planner.numbers.make(Feed::Ups);
    match planner.rng.below(3) {
        0 => {
            let items = [(format!("{}U000001", shipment.id.as_str()), Some(fresh))];
            let text = shipment.say("set_tracking").items(&items);
            reject(planner, shipment.id, text, Code::WrongMode, Kind::RejectedWrongMode);
        }
        1 if partnered => {
            let text = shipment.say("set_freight_bill").text("freight_bill", "123456789");
            reject(planner, shipment.id, text, Code::PartneredCarrier, Kind::RejectedPartnered);
        }
        _ if partnered => {}
        _ => {
            let text = shipment.say("set_freight_bill").text("freight_bill", "PRO#12");
            reject(planner, shipment.id, text, Code::InvalidFreightBill, Kind::RejectedFreightBill);
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Route {
    pickup_s: i64,
    deliver_s: i64,
    fc: u8,
    ended_s: i64,
    returned: bool,
}

/// The scans of the PRO.
fn travel(planner: &mut Planner<'_>, life: &mut UnitLife, route: &Route) {
    let Route { pickup_s, deliver_s, fc, ended_s, returned } = *route;
    let m = |event_s, milestone, place| Draft::new(event_s, What::Milestone(milestone), place);
    let mut drafts = Vec::new();
    let origin = planner.city();
    drafts.push(m(pickup_s - 6 * HOUR_S, Milestone::LabelCreated, origin));
    let mut pickup = m(pickup_s, Milestone::PickedUp, origin);
    pickup.extra = eta(deliver_s + planner.rng.between(-12, 12) * HOUR_S);
    drafts.push(pickup);
    let (low, high) = planner.habits.facility_scans;
    let terminals = planner.rng.between(low, high);
    let road_s = deliver_s - pickup_s - DAY_S;
    for i in 1..=terminals {
        let place = planner.city();
        drafts.push(m(pickup_s + road_s * i / (terminals + 1), Milestone::InTransit, place));
    }
    if planner.rng.chance(700) {
        planner.count(Kind::Appointment);
        let mut booked = Draft::new(deliver_s - 30 * HOUR_S, What::Appointment, Where::Nowhere);
        booked.extra = Extra::Appointment(seconds(deliver_s - HOUR_S));
        drafts.push(booked);
    }
    if planner.rng.chance(300) {
        planner.count(Kind::Flag);
        let what = What::Flag(planner.flag());
        let place = planner.city();
        drafts.push(Draft::new(pickup_s + road_s / 2, what, place));
    }
    if planner.rng.chance(300) {
        planner.count(Kind::EtaMoved);
        let mut moved = Draft::new(deliver_s - 40 * HOUR_S, What::Eta, Where::Nowhere);
        moved.extra = eta(deliver_s + planner.rng.between(0, 10) * HOUR_S);
        drafts.push(moved);
    }
    drafts.push(m(deliver_s - 20 * HOUR_S, Milestone::AtDestination, Where::FcCity(fc)));
    let there = planner.at(fc);
    drafts.push(m(deliver_s - 3 * HOUR_S, Milestone::OutForDelivery, there));
    drafts.push(m(deliver_s - planner.rng.between(600, HOUR_S), Milestone::ArrivedAtFc, Where::Fc(fc)));
    if returned {
        planner.count(Kind::Returned);
        drafts.push(m(deliver_s + 4 * HOUR_S, Milestone::ReturnStarted, Where::Nowhere));
        drafts.push(m(deliver_s + 3 * DAY_S, Milestone::Returned, origin));
    } else {
        let mut delivered_s = deliver_s;
        if planner.rng.chance(150) {
            planner.count(Kind::PartialDelivery);
            drafts.push(m(deliver_s, Milestone::PartiallyDelivered, Where::Fc(fc)));
            delivered_s += DAY_S;
        }
        let there = planner.at(fc);
        drafts.push(m(delivered_s, Milestone::Delivered, there));
    }
    for mut draft in drafts {
        if draft.event_s >= ended_s {
            draft.intent = ScanIntent::Ended;
        }
        planner.scan(life, &draft);
    }
}

/// What the FC reports.
fn receive(planner: &mut Planner<'_>, shipment: &mut Shipment, deliver_s: i64) {
    let mut wanted_s = deliver_s + planner.rng.between(26, 50) * HOUR_S;
    for (stage, kind) in
        [("CHECKED_IN", Kind::CheckedIn), ("RECEIVING", Kind::Receiving), ("CLOSED", Kind::Closed)]
    {
        if planner.rng.chance(800) {
            planner.count(kind);
            let text = shipment.say("report_receiving").text("stage", stage);
            let at_s = accept(planner, shipment.id, wanted_s, text);
            wanted_s = at_s + planner.rng.between(6, 30) * HOUR_S;
        }
    }
}

fn seconds(at_s: i64) -> i32 {
    i32::try_from(at_s).expect("within the world's span")
}

fn eta(at_s: i64) -> Extra {
    Extra::Eta(seconds(at_s))
}
