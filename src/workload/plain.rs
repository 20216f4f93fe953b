//! A parcel shipment that nothing happens to.
//!
//! Enters: a [`Planner`]. Leaves: its plan, filled. Always true: the commands take the first three steps of the cohort and
//! scans come later; the scans of a box are written in the order of its milestones, which only rise.

use super::expected::{CommandIntent, Kind};
use super::feeds::Feed;
use super::numbers::Number;
use super::parcels::{Shipment, boxes_of};
use super::plan::{DAY_S, Draft, HOUR_S, MINUTE_S, Planner, eta};
use super::scans::{What, Where};
use crate::model::Milestone;

/// The commands are written by then, in steps from the cohort's start.
pub(crate) const READY_STEPS: i64 = 3;

/// Plans a shipment, from its creation to the dock.
pub(crate) fn plain_cohort(planner: &mut Planner<'_>) {
    planner.count(Kind::ParcelShipment);
    let feed = Feed::parcel(&mut planner.rng);
    let boxes = boxes_of(planner);
    let mut shipment = Shipment::new(planner, feed, boxes);
    let numbers: Vec<Number> = (0..boxes).map(|_| planner.numbers.make(feed)).collect();
    let label_s = planner.base_s + READY_STEPS * planner.habits.step_s + planner.rng.between(0, DAY_S);
    let (low, high) = feed.transit_days();
    let deliver_s = label_s + 10 * HOUR_S + planner.rng.between(low * DAY_S, high * DAY_S);

    let (start, end) = (planner.timestamp(deliver_s - DAY_S), planner.timestamp(deliver_s + 2 * DAY_S));
    let new_boxes = shipment.boxes.clone();
    let creation = shipment
        .creation("SPD")
        .boxes("boxes", &new_boxes)
        .json("delivery_window", &format!(r#"{{"start":"{start}","end":"{end}"}}"#));
    let items: Vec<(String, Option<Number>)> =
        shipment.boxes.iter().zip(&numbers).map(|(new, number)| (new.id.clone(), Some(*number))).collect();
    let confirmation = shipment.say("confirm_ready");
    let tracking = shipment.say("set_tracking").items(&items);
    for text in [creation, confirmation, tracking] {
        let at_s = planner.moment(planner.base_s);
        planner.command(at_s, shipment.id, text, CommandIntent::Accepted);
    }
    for number in numbers {
        travel(planner, feed, number, shipment.fc, label_s, deliver_s);
    }
}

/// A box on its way, each scan a little later than the one before.
fn travel(planner: &mut Planner<'_>, feed: Feed, number: Number, fc: u8, label_s: i64, deliver_s: i64) {
    let mut life = planner.unit(feed, number);
    let latency_s = planner.rng.between(MINUTE_S, 50 * MINUTE_S);
    let pickup_s = label_s + planner.rng.between(2, 10) * HOUR_S;
    let near_s = deliver_s - 12 * HOUR_S;
    let (facilities, _) = planner.habits.facility_scans;
    let gap_s = (near_s - pickup_s) / (facilities + 1);
    let origin = planner.city();
    let mut events =
        vec![(label_s, Milestone::LabelCreated, origin), (pickup_s, Milestone::PickedUp, origin)];
    for n in 1..=facilities {
        events.push((pickup_s + n * gap_s, Milestone::InTransit, planner.city()));
    }
    events.push((near_s, Milestone::AtDestination, Where::FcCity(fc)));
    events.push((deliver_s - 5 * HOUR_S, Milestone::OutForDelivery, planner.at(fc)));
    events.push((deliver_s, Milestone::Delivered, planner.at(fc)));
    for (event_s, milestone, place) in events {
        let mut draft = Draft::new(event_s, What::Milestone(milestone), place);
        if milestone == Milestone::PickedUp && planner.rng.chance(600) {
            draft.extra = eta(deliver_s + planner.rng.between(-6, 6) * HOUR_S);
        }
        planner.scan_at(&mut life, &draft, event_s + latency_s);
    }
}
