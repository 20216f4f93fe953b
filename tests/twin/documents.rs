//! The documents that the world's facts make (design §4.4, rulebook §6.9 to §7).
//!
//! Enters: a world. Leaves: the value of every key that is not tombstoned. Always true: `version`, `cause`,
//! `caused_by` and `source` hold nothing of interest; comparisons leave them out.

use std::collections::{BTreeMap, BTreeSet};

use dockside::model::{
    AccountDoc, AccountId, ArrivalsDoc, BandCounts, BoxCounts, BoxDoc, Cause, Expected, Flag, Level,
    Milestone, MilestoneDoc, MilestoneDocs, Milli, Mode, PlanLine, ProblemDoc, ProblemKind, ShipmentDoc,
    Status, Timestamp, Topic, Verdict, WindowView,
};
use serde::Serialize;
use serde_json::Value;

use super::commands::problem_key;
use super::progress::View;
use super::shipment::{Expectation, Judged, counts_until};
use super::standing::{Account, Standing};
use super::world::World;

/// The latest value per key of the compacted topics.
pub(crate) type Documents = BTreeMap<(Topic, String), Value>;

const BOXES_PER_PAGE: usize = 1_000;

pub(crate) fn documents(world: &World<'_>) -> Documents {
    let mut documents = Documents::new();
    let mut put = |topic, key: String, document: &dyn erased::Document| {
        documents.insert((topic, key), document.value());
    };
    let mut arrivals: BTreeMap<(String, String, Mode), ArrivalsDoc<'_>> = BTreeMap::new();
    let mut days: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    let mut shown = Vec::new();
    for shipment in world.shipments.values() {
        shown.push((shipment, world.views(shipment)));
    }
    for (shipment, views) in &shown {
        let judged = world.judged(shipment, views);
        let carrier = world.rules.catalogue.code(shipment.carrier);
        shipment_pages(&judged, carrier, &mut |key, page| put(Topic::Shipments, key, page));
        if judged.is_planned() {
            let key = format!("{}|{}", shipment.fc, shipment.id);
            put(Topic::ReceivingPlan, key, &plan_line(&judged, carrier));
            if judged.status() < Status::CheckedIn {
                arrive(&judged, &mut arrivals);
            }
        }
        for problem in judged.problems() {
            let id = problem_key(&shipment.id, problem.kind);
            let document = ProblemDoc {
                problem_id: id.as_str().into(),
                shipment_id: shipment.id.as_str(),
                account: shipment.account.as_str(),
                fc: shipment.fc.as_str(),
                kind: problem.kind,
                defect: problem.kind.is_defect(),
                status: problem.status,
                boxes: problem.boxes.iter().map(|id| id.as_str()).collect(),
                opened_at: problem.opened_at,
                acknowledged_at: problem.acknowledged_at,
                resolved_at: problem.resolved_at,
            };
            put(Topic::Problems, id.clone(), &document);
        }
        let counted = |at: &Timestamp| world.stream_time < counts_until(world.rules.settings, *at);
        if judged.verdict_time().as_ref().is_some_and(counted) {
            let is_defective = judged.problems().iter().any(|p| p.kind == ProblemKind::MissingTracking);
            let (evaluated, defective) = days.entry(shipment.account.as_str()).or_default();
            *evaluated += 1;
            *defective += i64::from(is_defective);
        }
    }
    for ((fc, day, mode), document) in &arrivals {
        put(
            Topic::Arrivals,
            format!("{fc}|{day}|{}", mode.name()),
            &ArrivalsDoc { fc, day, ..document.clone() },
        );
    }
    let nobody = Account::default();
    let ids = days.keys().copied().chain(world.accounts.keys().map(AccountId::as_str));
    for id in ids.collect::<BTreeSet<&str>>() {
        let (evaluated, defective) = days.get(id).copied().unwrap_or_default();
        let account = world.accounts.iter().find(|(known, _)| known.as_str() == id);
        let account = account.map_or(&nobody, |(_, account)| account);
        let Standing { level, level_since, restricted, .. } = account.standing(world.rules.settings);
        let unacknowledged = account.unacknowledged();
        if evaluated == 0 && unacknowledged == 0 && level == Level::Standard {
            continue;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of shipments are small")]
        let rate = if evaluated == 0 { 0.0 } else { defective as f64 / evaluated as f64 };
        let document = AccountDoc {
            account: id,
            evaluated,
            defective,
            rate,
            level,
            level_since,
            restricted_until: restricted.map(|(_, until)| until),
            unacknowledged,
        };
        put(Topic::Accounts, id.to_owned(), &document);
    }
    documents
}

/// Documents of different types behind one reference.
mod erased {
    use super::{Serialize, Value};

    pub(super) trait Document {
        fn value(&self) -> Value;
    }

    impl<T: Serialize> Document for T {
        fn value(&self) -> Value {
            serde_json::to_value(self).expect("documents are JSON")
        }
    }
}

fn flag_names(flags: impl Iterator<Item = Flag>) -> Vec<&'static str> {
    flags.map(Flag::name).collect()
}

fn expected_doc(expectation: Expectation) -> Expected {
    Expected {
        earliest: expectation.interval.map(|(earliest, _)| earliest),
        latest: expectation.interval.map(|(_, latest)| latest),
        source: expectation.source,
        confidence: Milli(expectation.confidence_milli),
    }
}

fn window_doc(judged: &Judged<'_>) -> Option<WindowView> {
    let window = judged.shipment.window?;
    Some(WindowView::from((window, judged.is_locked(window), judged.verdict(window))))
}

/// The PRO's milestone; nothing for small parcels.
fn freight_milestone(judged: &Judged<'_>) -> Option<&'static str> {
    if judged.shipment.is_freight() { judged.views[0].current.map(Milestone::name) } else { None }
}

fn shipment_pages(judged: &Judged<'_>, carrier: &str, put: &mut dyn FnMut(String, &dyn erased::Document)) {
    let shipment = judged.shipment;
    let boxes: Vec<BoxDoc<'_>> = judged
        .boxes()
        .map(|(parcel, view)| BoxDoc {
            box_id: parcel.id.as_str(),
            units: parcel.units,
            weight_g: parcel.weight_g,
            tracking_id: parcel.registration.as_ref().map(|registration| registration.number.as_str()),
            validation: parcel.registration.as_ref().map(|registration| registration.validation),
            milestone: view.current.map(Milestone::name),
            milestones: milestone_docs(view),
            flags: flag_names(view.flags.iter().copied()),
            eta: view.eta.map(|eta| eta.timestamp()),
        })
        .collect();
    let mut pages: Vec<&[BoxDoc<'_>]> = boxes.chunks(BOXES_PER_PAGE).collect();
    if pages.is_empty() {
        pages.push(&[]);
    }
    let count = |n: usize| u32::try_from(n).expect("pages are few");
    for (index, boxes) in pages.iter().enumerate() {
        let document = ShipmentDoc {
            shipment_id: shipment.id.as_str(),
            account: shipment.account.as_str(),
            fc: shipment.fc.as_str(),
            mode: shipment.mode,
            partnered: shipment.partnered,
            carrier,
            carrier_name: shipment.carrier_name.as_deref(),
            status: judged.status(),
            created_at: shipment.created_at,
            status_since: judged.status_since(),
            freight_bill: shipment.pro.as_ref().map(|registration| registration.number.as_str()),
            bill_of_lading: shipment.bill_of_lading.as_deref(),
            milestone: freight_milestone(judged),
            window: window_doc(judged),
            expected: expected_doc(judged.expected()),
            version: 0,
            page: count(index + 1),
            pages: count(pages.len()),
            boxes: boxes.to_vec(),
            problems: {
                let mut ids: Vec<String> =
                    judged.problems().iter().map(|problem| problem_key(&shipment.id, problem.kind)).collect();
                ids.sort();
                ids
            },
        };
        let key = match index {
            0 => shipment.id.to_string(),
            _ => format!("{}|{}", shipment.id, index + 1),
        };
        put(key, &document);
    }
}

fn milestone_docs(view: &View) -> MilestoneDocs {
    let shown = view.milestones.iter();
    MilestoneDocs(
        shown
            .map(|(milestone, at)| (*milestone, MilestoneDoc { at: at.timestamp(), source: None }))
            .collect(),
    )
}

/// §6.10.
fn plan_line<'a>(judged: &Judged<'a>, carrier: &'a str) -> PlanLine<'a> {
    let shipment = judged.shipment;
    let mut counts = BoxCounts::default();
    let (mut units, mut weight_g) = (0, 0);
    for (parcel, view) in judged.boxes() {
        let is_tracked =
            if shipment.is_freight() { shipment.pro.is_some() } else { parcel.tracked_since.is_some() };
        counts.total += 1;
        counts.tracked += u32::from(is_tracked);
        *counts.by_milestone.entry(view.current.map_or("NONE", Milestone::name)).or_default() += 1;
        if !view.withdrawn {
            units += u64::from(parcel.units);
            weight_g += u64::from(parcel.weight_g);
        }
    }
    PlanLine {
        fc: shipment.fc.as_str(),
        shipment_id: shipment.id.as_str(),
        version: 0,
        cause: Cause::Timer,
        mode: shipment.mode,
        carrier,
        carrier_name: shipment.carrier_name.as_deref(),
        partnered: shipment.partnered,
        status: judged.status(),
        milestone: freight_milestone(judged),
        boxes: counts,
        pallets: shipment.pallets,
        units,
        weight_g,
        expected: expected_doc(judged.expected()),
        window: window_doc(judged),
        need_by: shipment.need_by,
        flags: flag_names(judged.flags().into_iter()),
        occurred_at: Some(judged.occurred_at()),
        caused_by: Vec::new(),
    }
}

/// §6.11: adds a shipment to the days of its boxes.
fn arrive(judged: &Judged<'_>, arrivals: &mut BTreeMap<(String, String, Mode), ArrivalsDoc<'_>>) {
    let shipment = judged.shipment;
    let fc = shipment.fc.as_str();
    let day_of = |view: &View| match judged.unit_expected(view).middle() {
        Some(middle) => judged.fcs.day(fc, middle).date.to_string(),
        None => "UNSCHEDULED".to_owned(),
    };
    let mut here: BTreeMap<String, ArrivalsDoc<'_>> = BTreeMap::new();
    let empty = || ArrivalsDoc {
        fc: "",
        day: "",
        mode: shipment.mode,
        shipments: 1,
        boxes: 0,
        units: 0,
        pallets: if shipment.is_freight() { i64::from(shipment.pallets) } else { 0 },
        weight_g: 0,
        by_band: BandCounts::default(),
        late_risk: i64::from(
            shipment.window.is_some_and(|window| judged.verdict(window) == Verdict::LateRisk),
        ),
    };
    for (parcel, view) in judged.boxes().filter(|(_, view)| !view.withdrawn) {
        let day = here.entry(day_of(view)).or_insert_with(empty);
        day.boxes += 1;
        day.units += i64::from(parcel.units);
        day.weight_g += i64::from(parcel.weight_g);
        let band = match view.rank() {
            0..20 => &mut day.by_band.registered,
            20..40 => &mut day.by_band.in_transit,
            40..60 => &mut day.by_band.near,
            60..80 => &mut day.by_band.at_fc,
            _ => &mut day.by_band.delivered,
        };
        *band += 1;
    }
    if shipment.boxes.is_empty() && !judged.views[0].withdrawn {
        here.insert(day_of(&judged.views[0]), empty());
    }
    for (day, more) in here {
        let total = arrivals.entry((fc.to_owned(), day, shipment.mode)).or_insert_with(|| ArrivalsDoc {
            shipments: 0,
            pallets: 0,
            late_risk: 0,
            ..empty()
        });
        total.shipments += more.shipments;
        total.boxes += more.boxes;
        total.units += more.units;
        total.pallets += more.pallets;
        total.weight_g += more.weight_g;
        total.late_risk += more.late_risk;
        total.by_band.registered += more.by_band.registered;
        total.by_band.in_transit += more.by_band.in_transit;
        total.by_band.near += more.by_band.near;
        total.by_band.at_fc += more.by_band.at_fc;
        total.by_band.delivered += more.by_band.delivered;
    }
}
