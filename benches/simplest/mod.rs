//! The simplest program that does the job: serde_json per message, a `HashMap` from number to box, a line per change.
//!
//! Enters: the bytes of scans and commands, in order. Leaves: plan lines as JSON. It is written as anybody would write it
//! first, and is spared whatever it can do without. What it does not do, and we do:
//! - nothing survives it: no state log, no positions, no undo, so neither restart nor exactly once; one thread for ever;
//! - order matters: milestones only ever rise, so nothing is retracted, found again or brought back;
//! - scans of a number that nobody registered yet are lost, not parked; an earlier life of a number counts as this one;
//! - numbers are found by their text, whatever the carrier; a PRO serves one shipment; check digits, windows and repeats of
//!   commands are not judged;
//! - time does nothing: no rolling expectations, missed windows or ended lives; no local days, flags, appointments, wrong
//!   places;
//! - it writes plan lines only: no shipments, arrivals, problems, accounts, results of commands or dead letters.
#![expect(clippy::disallowed_types, reason = "the peer is written as anybody would")]

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

// `dockside bench` and the criterion bench both hold this file: each names the crate in its own way.
use super::model::{Mode, Stage, Status};

/// What it knows.
#[derive(Debug, Default)]
pub(crate) struct Program {
    shipments: HashMap<String, Shipment>,
    /// Tracking number to shipment and box.
    index: HashMap<String, (String, usize)>,
    /// Every plan line it wrote.
    pub(crate) plan: Vec<String>,
    /// Scans that came in.
    pub(crate) read: u64,
    /// Of these: of numbers that it does not know.
    pub(crate) unknown: u64,
    /// Of these: unreadable.
    pub(crate) bad: u64,
}

#[derive(Debug)]
struct Shipment {
    id: String,
    fc: String,
    mode: Mode,
    carrier: String,
    partnered: bool,
    pallets: u32,
    window: Option<Window>,
    confirmed: bool,
    cancelled: bool,
    stage: Option<Stage>,
    /// Boxes; freight has one, the PRO's.
    boxes: Vec<Parcel>,
    version: u64,
    occurred_at: Timestamp,
}

#[derive(Debug, Default)]
struct Parcel {
    box_id: String,
    units: u64,
    weight_g: u64,
    tracking_id: Option<String>,
    milestone: Option<Milestone>,
    eta: Option<Timestamp>,
    eta_said_at: Timestamp,
}

/// In the order in which one replaces another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Milestone {
    LabelCreated,
    PickedUp,
    InTransit,
    AtDestination,
    OutForDelivery,
    ArrivedAtFc,
    PartiallyDelivered,
    Delivered,
    ReturnStarted,
    Returned,
    Lost,
    Destroyed,
}

#[derive(Deserialize)]
struct Scan {
    carrier: String,
    tracking_id: String,
    code: Option<String>,
    milestone: Option<String>,
    event_time: String,
    eta: Option<String>,
}

#[derive(Deserialize)]
struct Command {
    shipment_id: String,
    #[serde(default)]
    dry_run: bool,
    #[serde(flatten)]
    body: CommandBody,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum CommandBody {
    CreateShipment(CreateShipment),
    ConfirmReady,
    SetTracking { items: Vec<Item>, source: Option<String> },
    SetFreightBill { freight_bill: String },
    ChangeCarrier { carrier: String },
    SetDeliveryWindow(Window),
    UpdateBoxes { add: Vec<NewBox>, remove: Vec<String> },
    ChangeDestination { fc: String },
    ReportReceiving { stage: Stage },
    CancelShipment,
    AcknowledgeProblem,
}

#[derive(Deserialize)]
struct CreateShipment {
    fc: String,
    mode: Mode,
    carrier: String,
    #[serde(default)]
    partnered: bool,
    #[serde(default)]
    boxes: Vec<NewBox>,
    #[serde(default)]
    pallets: u32,
    delivery_window: Option<Window>,
    tracking: Option<Tracking>,
}

#[derive(Deserialize)]
struct Tracking {
    #[serde(default)]
    items: Vec<Item>,
    freight_bill: Option<String>,
}

#[derive(Deserialize)]
struct NewBox {
    box_id: String,
    units: u64,
    weight_g: u64,
}

#[derive(Deserialize)]
struct Item {
    box_id: String,
    tracking_id: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Window {
    start: Timestamp,
    end: Timestamp,
}

#[derive(Serialize)]
struct PlanLine<'a> {
    fc: &'a str,
    shipment_id: &'a str,
    version: u64,
    mode: Mode,
    carrier: &'a str,
    partnered: bool,
    status: Status,
    boxes: BoxCounts,
    pallets: u32,
    units: u64,
    weight_g: u64,
    expected: Option<Window>,
    window: &'a Option<Window>,
    occurred_at: Timestamp,
}

#[derive(Serialize)]
struct BoxCounts {
    total: usize,
    tracked: usize,
    by_milestone: BTreeMap<Milestone, usize>,
}

/// What a code or a name of ours says: a milestone, if any.
fn meaning(scan: &Scan) -> Option<Milestone> {
    use Milestone::{
        ArrivedAtFc, AtDestination, Delivered, Destroyed, InTransit, LabelCreated, Lost, OutForDelivery,
        PartiallyDelivered, PickedUp, ReturnStarted, Returned,
    };
    let by_code = scan.code.as_deref().and_then(|code| {
        Some(match (scan.carrier.as_str(), code) {
            ("UPS", "M") | ("FEDEX", "OC") => LabelCreated,
            ("UPS", "OR") | ("FEDEX", "PU") => PickedUp,
            ("UPS", "I" | "DP" | "AR") | ("FEDEX", "IT" | "AR") => InTransit,
            ("UPS", "OT") | ("FEDEX", "OD" | "AD") => OutForDelivery,
            ("UPS", "D") | ("FEDEX", "DL") => Delivered,
            ("UPS" | "FEDEX", "RS") => ReturnStarted,
            ("ESTES" | "SAIA" | "RL" | "ABF" | "XPO", code) => match code {
                "AF" => PickedUp,
                "X6" | "P1" | "X4" => InTransit,
                "AV" => AtDestination,
                "X1" => ArrivedAtFc,
                "D1" => Delivered,
                "A3" => ReturnStarted,
                _ => return None,
            },
            _ => return None,
        })
    });
    by_code.or_else(|| {
        Some(match scan.milestone.as_deref()? {
            "LABEL_CREATED" => LabelCreated,
            "PICKED_UP" => PickedUp,
            "IN_TRANSIT" => InTransit,
            "AT_DESTINATION" => AtDestination,
            "OUT_FOR_DELIVERY" => OutForDelivery,
            "ARRIVED_AT_FC" => ArrivedAtFc,
            "PARTIALLY_DELIVERED" => PartiallyDelivered,
            "DELIVERED" => Delivered,
            "RETURN_STARTED" => ReturnStarted,
            "RETURNED" => Returned,
            "LOST" => Lost,
            "DESTROYED" => Destroyed,
            _ => return None,
        })
    })
}

/// A time; one without a zone is taken as UTC.
fn time(text: &str) -> Option<Timestamp> {
    let zoneless = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse().ok().or_else(|| zoneless().map(|zoned| zoned.timestamp()))
}

/// The number without what people put between its characters.
fn plain(number: &str) -> String {
    number.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

impl Program {
    /// Takes a scan.
    pub(crate) fn scan(&mut self, bytes: &[u8]) {
        self.read += 1;
        let Ok(scan) = serde_json::from_slice::<Scan>(bytes) else {
            self.bad += 1;
            return;
        };
        let Some(event_time) = time(&scan.event_time) else {
            self.bad += 1;
            return;
        };
        let place = self.index.get(&scan.tracking_id).or_else(|| self.index.get(&plain(&scan.tracking_id)));
        let Some((shipment_id, nth)) = place else {
            self.unknown += 1;
            return;
        };
        let shipment = self.shipments.get_mut(shipment_id).expect("the index knows shipments that are there");
        if shipment.cancelled || shipment.stage == Some(Stage::Closed) {
            return;
        }
        let parcel = &mut shipment.boxes[*nth];
        let mut changed = false;
        if let Some(milestone) = meaning(&scan)
            && parcel.milestone.is_none_or(|before| before < milestone)
        {
            parcel.milestone = Some(milestone);
            changed = true;
        }
        if let Some(eta) = scan.eta.as_deref().and_then(time)
            && event_time >= parcel.eta_said_at
        {
            parcel.eta_said_at = event_time;
            changed |= parcel.eta != Some(eta);
            parcel.eta = Some(eta);
        }
        if changed {
            shipment.occurred_at = shipment.occurred_at.max(event_time);
            self.plan.extend(shipment.plan_line());
        }
    }

    /// Takes a command. One that makes no sense is passed over.
    pub(crate) fn command(&mut self, bytes: &[u8]) {
        let Ok(Command { shipment_id, dry_run, body }) = serde_json::from_slice(bytes) else { return };
        if dry_run {
            return;
        }
        if let CommandBody::CreateShipment(create) = body {
            if !self.shipments.contains_key(&shipment_id) {
                self.create(shipment_id, create);
            }
            return;
        }
        let Some(shipment) = self.shipments.get_mut(&shipment_id) else { return };
        if shipment.cancelled {
            return;
        }
        let status = shipment.status();
        match body {
            CommandBody::CreateShipment(_) => unreachable!("taken above"),
            CommandBody::ConfirmReady => shipment.confirmed = true,
            CommandBody::SetTracking { items, source } => {
                let system = source.as_deref() == Some("SYSTEM");
                if shipment.mode.is_freight() || system != shipment.partnered || status >= Status::Delivered {
                    return;
                }
                shipment.set_tracking(items, &mut self.index);
            }
            CommandBody::SetFreightBill { freight_bill } => {
                if !shipment.mode.is_freight() || shipment.partnered || status >= Status::Delivered {
                    return;
                }
                shipment.set_number(0, Some(freight_bill), &mut self.index);
            }
            CommandBody::ChangeCarrier { carrier } => shipment.carrier = carrier,
            CommandBody::SetDeliveryWindow(window) => shipment.window = Some(window),
            CommandBody::UpdateBoxes { add, remove } => shipment.update_boxes(add, &remove, &mut self.index),
            CommandBody::ChangeDestination { fc } => shipment.fc = fc,
            CommandBody::ReportReceiving { stage } => {
                if status == Status::Working {
                    return;
                }
                shipment.stage = shipment.stage.max(Some(stage));
            }
            CommandBody::CancelShipment => {
                if status >= Status::Delivered {
                    return;
                }
                shipment.cancelled = true;
            }
            CommandBody::AcknowledgeProblem => return,
        }
        self.plan.extend(shipment.plan_line());
    }

    fn create(&mut self, id: String, create: CreateShipment) {
        let new_boxes = create.boxes.into_iter().map(Parcel::from);
        let boxes = if create.mode.is_freight() {
            let (units, weight_g) = new_boxes.fold((0, 0), |sum, b| (sum.0 + b.units, sum.1 + b.weight_g));
            vec![Parcel { units, weight_g, ..Parcel::default() }]
        } else {
            new_boxes.collect()
        };
        let mut shipment = Shipment {
            id: id.clone(),
            fc: create.fc,
            mode: create.mode,
            carrier: create.carrier,
            partnered: create.partnered,
            pallets: create.pallets,
            window: create.delivery_window,
            confirmed: false,
            cancelled: false,
            stage: None,
            boxes,
            version: 0,
            occurred_at: Timestamp::UNIX_EPOCH,
        };
        if let Some(Tracking { items, freight_bill }) = create.tracking {
            match freight_bill {
                Some(_) => shipment.set_number(0, freight_bill, &mut self.index),
                None => shipment.set_tracking(items, &mut self.index),
            }
        }
        self.shipments.insert(id, shipment);
    }

    /// Boxes that are delivered, by mode: a PRO counts as one.
    pub(crate) fn delivered(&self) -> BTreeMap<&'static str, u64> {
        let mut delivered = BTreeMap::new();
        for shipment in self.shipments.values() {
            let boxes = shipment.boxes.iter().filter(|b| b.milestone == Some(Milestone::Delivered)).count();
            *delivered.entry(shipment.mode.name()).or_default() += boxes as u64;
        }
        delivered
    }
}

impl From<NewBox> for Parcel {
    fn from(new: NewBox) -> Parcel {
        Parcel { box_id: new.box_id, units: new.units, weight_g: new.weight_g, ..Parcel::default() }
    }
}

impl Shipment {
    /// All boxes of the list, or none.
    fn set_tracking(&mut self, items: Vec<Item>, index: &mut HashMap<String, (String, usize)>) {
        let mut wanted = Vec::new();
        for item in items {
            let Some(nth) = self.boxes.iter().position(|b| b.box_id == item.box_id) else { return };
            if item.tracking_id.is_some() && wanted.iter().any(|(_, other)| *other == item.tracking_id) {
                return;
            }
            wanted.push((nth, item.tracking_id));
        }
        for (nth, number) in wanted {
            self.set_number(nth, number, index);
        }
    }

    /// Another number begins anew.
    fn set_number(
        &mut self,
        nth: usize,
        number: Option<String>,
        index: &mut HashMap<String, (String, usize)>,
    ) {
        let parcel = &mut self.boxes[nth];
        let number = number.as_deref().map(plain);
        if let Some(number) = &number {
            index.insert(number.clone(), (self.id.clone(), nth));
        }
        if parcel.tracking_id == number {
            return;
        }
        if let Some(old) = &parcel.tracking_id
            && index.get(old).is_some_and(|(id, at)| *id == self.id && *at == nth)
        {
            index.remove(old);
        }
        parcel.tracking_id = number;
        (parcel.milestone, parcel.eta, parcel.eta_said_at) = (None, None, Timestamp::default());
    }

    fn update_boxes(
        &mut self,
        add: Vec<NewBox>,
        remove: &[String],
        index: &mut HashMap<String, (String, usize)>,
    ) {
        if self.mode.is_freight() {
            return;
        }
        self.boxes.retain(|b| !remove.contains(&b.box_id));
        self.boxes.extend(add.into_iter().map(Parcel::from));
        for (nth, parcel) in self.boxes.iter().enumerate() {
            if let Some(number) = &parcel.tracking_id {
                index.insert(number.clone(), (self.id.clone(), nth));
            }
        }
    }

    fn status(&self) -> Status {
        if self.cancelled {
            return Status::Cancelled;
        }
        match self.stage {
            Some(Stage::CheckedIn) => return Status::CheckedIn,
            Some(Stage::Receiving) => return Status::Receiving,
            Some(Stage::Closed) => return Status::Closed,
            None => {}
        }
        let any = |milestone| self.boxes.iter().any(|b| b.milestone >= Some(milestone));
        if !self.confirmed {
            Status::Working
        } else if self.boxes.iter().all(|b| b.milestone == Some(Milestone::Delivered)) {
            Status::Delivered
        } else if any(Milestone::InTransit) {
            Status::InTransit
        } else if any(Milestone::PickedUp)
            || !self.partnered && self.boxes.iter().all(|b| b.tracking_id.is_some())
        {
            Status::Shipped
        } else {
            Status::ReadyToShip
        }
    }

    /// The line after a change, once the shipment is ready.
    fn plan_line(&mut self) -> Option<String> {
        let status = self.status();
        if status == Status::Working {
            return None;
        }
        self.version += 1;
        let mut by_milestone = BTreeMap::new();
        for milestone in self.boxes.iter().filter_map(|b| b.milestone) {
            *by_milestone.entry(milestone).or_insert(0) += 1;
        }
        let etas = || self.boxes.iter().filter_map(|b| b.eta);
        let expected = match (etas().min(), etas().max()) {
            (Some(start), Some(end)) => Some(Window { start, end }),
            _ => self.window.clone(),
        };
        let line = PlanLine {
            fc: &self.fc,
            shipment_id: &self.id,
            version: self.version,
            mode: self.mode,
            carrier: &self.carrier,
            partnered: self.partnered,
            status,
            boxes: BoxCounts {
                total: self.boxes.len(),
                tracked: self.boxes.iter().filter(|b| b.tracking_id.is_some()).count(),
                by_milestone,
            },
            pallets: self.pallets,
            units: self.boxes.iter().map(|b| b.units).sum(),
            weight_g: self.boxes.iter().map(|b| b.weight_g).sum(),
            expected,
            window: &self.window,
            occurred_at: self.occurred_at,
        };
        Some(serde_json::to_string(&line).expect("a plan line is JSON"))
    }
}
