//! Commands: allowed or not, and what they change (rulebook §5).
//!
//! Enters: a command, its entry, and the shipment as it is. Leaves: a [`Decision`]: errors and warnings, or the change.
//! Always true: deciding changes nothing; a change is whole or not at all; errors of the whole command stand alone.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Shipment, Unit};
use crate::carriers::Registered;
use crate::model::{
    BoxId, CarrierId, Command, CommandBody, CommandErrorCode as Code, CommandRemark, CreateShipment, FcId,
    Mode, NewBox, ProblemKind, ProblemStatus, Stage, Status, SystemTracking, Timestamp, TrackingItem,
    TrackingNumber, Validation, Window,
};
use crate::stations::Rules;
use crate::stations::hop::{Gate, Restriction, UnitNo};

/// The largest number of boxes of a small-parcel shipment.
const BOXES_SPD_MAX: usize = 500;
/// The largest number of boxes of a freight shipment.
const BOXES_FREIGHT_MAX: usize = 5_000;

/// A number for a unit, or none.
pub(crate) type NewNumber = Option<(TrackingNumber, Validation)>;

/// What an accepted command does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Nothing,
    Create { carrier: CarrierId, fields: Box<CreateShipment>, numbers: Vec<(UnitNo, NewNumber)> },
    Confirm,
    Numbers(Vec<(UnitNo, NewNumber)>),
    FreightBill { number: NewNumber, bill_of_lading: Option<String> },
    Carrier { carrier: CarrierId, name: Option<String>, numbers: Vec<(UnitNo, NewNumber)> },
    Window(Window),
    Boxes { add: Vec<NewBox>, remove: Vec<UnitNo> },
    Destination(FcId),
    Report(Stage),
    Cancel,
    Acknowledge { kind: ProblemKind, boxes: Vec<UnitNo>, began_until: Timestamp },
}

/// The answer to a command, before it is applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Decision {
    pub(crate) errors: Vec<CommandRemark>,
    pub(crate) warnings: Vec<CommandRemark>,
    pub(crate) change: Option<Change>,
}

/// What the station knows besides the facts when it decides.
pub(crate) struct Situation<'a> {
    pub(crate) shipment: &'a Shipment,
    pub(crate) status: Status,
    pub(crate) problems: &'a [super::derive::Problem],
}

fn remark(code: Code, message: impl Into<Cow<'static, str>>) -> CommandRemark {
    CommandRemark { code, message: message.into(), box_id: None, tracking_id: None, retry_after: None }
}

fn about_box(
    code: Code,
    message: impl Into<Cow<'static, str>>,
    box_id: &str,
    id: Option<&str>,
) -> CommandRemark {
    let mut remark = remark(code, message);
    remark.box_id = Some(box_id.to_owned());
    remark.tracking_id = id.map(str::to_owned);
    remark
}

impl Decision {
    fn refuse(code: Code, message: impl Into<Cow<'static, str>>) -> Decision {
        Decision { errors: vec![remark(code, message)], ..Decision::default() }
    }

    fn accept(change: Change) -> Decision {
        Decision { change: Some(change), ..Decision::default() }
    }

    fn error(&mut self, code: Code, message: impl Into<Cow<'static, str>>) {
        self.errors.push(remark(code, message));
    }

    /// The change, unless there were errors.
    fn with(mut self, change: impl FnOnce() -> Change) -> Decision {
        if self.errors.is_empty() {
            self.change = Some(change());
        } else {
            self.warnings.clear();
        }
        self
    }

    fn warn_of(&mut self, registered: &Registered, box_id: Option<&str>, typed: &str) {
        if registered.blanks_trimmed {
            let mut warning = remark(Code::BlanksTrimmed, "Spaces before or after the ID were cut off.");
            warning.box_id = box_id.map(str::to_owned);
            warning.tracking_id = Some(typed.to_owned());
            self.warnings.push(warning);
        }
        self.warn_unsupported(registered.validation);
    }

    /// Once per command, whichever of its numbers it is about.
    fn warn_unsupported(&mut self, validation: Validation) {
        let known = self.warnings.iter().any(|w| w.code == Code::TrackingNotSupported);
        if validation == Validation::NotSupported && !known {
            self.warnings.push(remark(
                Code::TrackingNotSupported,
                "The carrier has no public rule for its numbers: only length and characters were checked.",
            ));
        }
    }
}

/// Decides a command for a shipment that is not there; `gate` is that of the account in `create_shipment`.
pub(crate) fn decide_unknown(rules: &Rules, command: &Command, entry: Timestamp, gate: Gate) -> Decision {
    match &command.body {
        Err(invalid) => Decision::refuse(Code::InvalidCommand, invalid.message.clone()),
        Ok(CommandBody::CreateShipment(fields)) => {
            let errors = held_back(gate, entry);
            if errors.is_empty() {
                create(rules, fields, entry)
            } else {
                Decision { errors, ..Decision::default() }
            }
        }
        Ok(_) => Decision::refuse(Code::UnknownShipment, "There is no such shipment: create it first."),
    }
}

/// R15, R16: what keeps the account from creating shipments at this entry.
fn held_back(gate: Gate, entry: Timestamp) -> Vec<CommandRemark> {
    let mut errors = Vec::new();
    if let Some(Restriction { until, .. }) = gate.restricted.filter(|r| (r.from..r.until).contains(&entry)) {
        let message = "Too many of the account's shipments had defects: it creates no shipments for now.";
        let retry_after = Some(until);
        errors.push(CommandRemark { retry_after, ..remark(Code::AccountRestricted, message) });
    }
    if gate.unacknowledged_from.is_some_and(|from| from <= entry) {
        errors.push(remark(
            Code::UnacknowledgedProblems,
            "The account has defects that are open: send acknowledge_problem for each first.",
        ));
    }
    errors
}

/// Decides a command for a shipment as it is.
pub(crate) fn decide(rules: &Rules, command: &Command, entry: Timestamp, here: &Situation<'_>) -> Decision {
    let body = match &command.body {
        Ok(CommandBody::CreateShipment(_)) => {
            return Decision::refuse(Code::ShipmentExists, "There is a shipment with this ID.");
        }
        Ok(body) => body,
        Err(invalid) => return Decision::refuse(Code::InvalidCommand, invalid.message.clone()),
    };
    if here.status == Status::Cancelled {
        return Decision::refuse(Code::ShipmentCancelled, "The shipment is cancelled.");
    }
    let shipment = here.shipment;
    let head = &shipment.head;
    let delivered = || Decision::refuse(Code::AlreadyDelivered, "The shipment is delivered already.");
    match body {
        CommandBody::CreateShipment(_) => unreachable!("decided above"),
        CommandBody::ConfirmReady => {
            if here.status != Status::Working {
                Decision::refuse(Code::WrongStatus, "Only a WORKING shipment can be confirmed.")
            } else if !head.partnered && head.window.is_none() {
                Decision::refuse(
                    Code::WindowRequired,
                    "A delivery window is required: send set_delivery_window.",
                )
            } else {
                Decision::accept(Change::Confirm)
            }
        }
        CommandBody::SetTracking { items, system } => {
            if head.mode.is_freight() {
                return wrong_mode(
                    "A freight shipment takes one freight bill number: send set_freight_bill.",
                );
            }
            if *system != head.partnered {
                return partnered(head.partnered);
            }
            if here.status >= Status::Delivered {
                return delivered();
            }
            let boxes = Boxes::of(shipment);
            set_tracking(rules, head.carrier, &boxes, items)
        }
        CommandBody::SetFreightBill { freight_bill, bill_of_lading } => {
            if !head.mode.is_freight() {
                return wrong_mode("A small-parcel shipment takes one ID per box: send set_tracking.");
            }
            if head.partnered {
                return partnered(true);
            }
            if here.status >= Status::Delivered {
                return delivered();
            }
            set_freight_bill(rules, shipment, freight_bill, bill_of_lading.as_deref())
        }
        CommandBody::ChangeCarrier { carrier, carrier_name } => {
            if here.status >= Status::Delivered {
                return delivered();
            }
            if head.partnered {
                return partnered(true);
            }
            change_carrier(rules, shipment, carrier, carrier_name.as_deref())
        }
        CommandBody::SetDeliveryWindow(window) => {
            if here.status >= Status::Delivered {
                return delivered();
            }
            if head.window.is_some_and(|current| entry >= current.start) {
                return Decision::refuse(
                    Code::WindowLocked,
                    "The delivery window has begun and can't be changed.",
                );
            }
            match invalid_window(rules, window, head.cross_border, entry) {
                Some(error) => Decision { errors: vec![error], ..Decision::default() },
                None if head.window == Some(*window) => Decision::accept(Change::Nothing),
                None => Decision::accept(Change::Window(*window)),
            }
        }
        CommandBody::UpdateBoxes { add, remove } => {
            if here.status >= Status::Shipped {
                return Decision::refuse(Code::WrongStatus, "Boxes can be changed before SHIPPED only.");
            }
            update_boxes(shipment, add, remove)
        }
        CommandBody::ChangeDestination { fc } => {
            if here.status >= Status::Delivered {
                return delivered();
            }
            if rules.settings.strict_fcs && !rules.fcs.knows(fc) {
                return Decision::refuse(Code::UnknownFc, format!("{fc} is no configured FC."));
            }
            Decision::accept(if *fc == head.fc { Change::Nothing } else { Change::Destination(fc.clone()) })
        }
        CommandBody::ReportReceiving { stage } => {
            if here.status == Status::Working {
                return Decision::refuse(Code::WrongStatus, "The shipment is not confirmed as ready yet.");
            }
            let further = head.reports.last().is_none_or(|(last, _)| last < stage);
            Decision::accept(if further { Change::Report(*stage) } else { Change::Nothing })
        }
        CommandBody::CancelShipment => {
            if here.status >= Status::Delivered {
                delivered()
            } else {
                Decision::accept(Change::Cancel)
            }
        }
        CommandBody::AcknowledgeProblem { problem_id } => acknowledge(here, problem_id),
    }
}

fn wrong_mode(message: &'static str) -> Decision {
    Decision::refuse(Code::WrongMode, message)
}

fn partnered(is_partnered: bool) -> Decision {
    let message = if is_partnered {
        "The carrier is partnered: its tracking comes from the system."
    } else {
        "The carrier is not partnered: tracking comes from the seller, not from the system."
    };
    Decision::refuse(Code::PartneredCarrier, message)
}

fn invalid_window(
    rules: &Rules,
    window: &Window,
    cross_border: bool,
    entry: Timestamp,
) -> Option<CommandRemark> {
    let longest_ms =
        if cross_border { rules.settings.window_cross_border_ms_max } else { rules.settings.window_ms_max };
    let message = if window.start <= entry {
        "The window must start after the time of entry."
    } else if window.end <= window.start {
        "The window must end after its start."
    } else if window.end.0 - window.start.0 > longest_ms {
        "The window is too long: 7 days at most, 14 when it crosses a border."
    } else {
        return None;
    };
    Some(remark(Code::WindowInvalid, message))
}

fn find_carrier(rules: &Rules, decision: &mut Decision, text: &str, name: Option<&str>) -> Option<CarrierId> {
    let Some(carrier) = rules.catalogue.carrier(text) else {
        decision.error(
            Code::UnknownCarrier,
            format!("{text:?} is no carrier of the catalogue; use OTHER with a name."),
        );
        return None;
    };
    if carrier == CarrierId::OTHER && name.is_none_or(|name| name.trim().is_empty()) {
        decision.error(Code::CarrierNameRequired, "OTHER needs the carrier's name in carrier_name.");
    }
    Some(carrier)
}

fn create(rules: &Rules, fields: &CreateShipment, entry: Timestamp) -> Decision {
    let mut decision = Decision::default();
    let carrier = find_carrier(rules, &mut decision, &fields.carrier, fields.carrier_name.as_deref());
    if rules.settings.strict_fcs && !rules.fcs.knows(&fields.fc) {
        decision.error(Code::UnknownFc, format!("{} is no configured FC.", fields.fc));
    }
    check_box_count(&mut decision, fields.mode, fields.boxes.len());
    let mut seen = BTreeSet::new();
    for new in &fields.boxes {
        if !seen.insert(&new.box_id) {
            let id = new.box_id.as_str();
            decision.errors.push(about_box(Code::DuplicateBox, "The box is named twice.", id, None));
        }
    }
    if let Some(window) = &fields.delivery_window {
        decision.errors.extend(invalid_window(rules, window, fields.cross_border, entry));
    }
    if !fields.mode.is_freight() && fields.boxes.is_empty() {
        decision.error(Code::InvalidCommand, "boxes: a small-parcel shipment has at least one box.");
    }
    let mut numbers = Vec::new();
    match &fields.tracking {
        Some(_) if !fields.partnered => {
            decision.error(
                Code::InvalidCommand,
                "tracking: only a partnered shipment is created with its tracking.",
            );
        }
        Some(SystemTracking::Items(_)) if fields.mode.is_freight() => {
            decision.error(Code::WrongMode, "A freight shipment takes one freight bill number.");
        }
        Some(SystemTracking::FreightBill(_)) if !fields.mode.is_freight() => {
            decision.error(Code::WrongMode, "A small-parcel shipment takes one ID per box.");
        }
        Some(SystemTracking::Items(items)) => {
            if let Some(carrier) = carrier {
                let boxes = Boxes::of_new(&fields.boxes);
                let tracking = set_tracking(rules, carrier, &boxes, items);
                decision.errors.extend(tracking.errors);
                decision.warnings.extend(tracking.warnings);
                if let Some(Change::Numbers(items)) = tracking.change {
                    numbers = items;
                }
            }
        }
        Some(SystemTracking::FreightBill(bill)) => {
            if let Some(carrier) = carrier
                && let Some(number) = register_bill(rules, &mut decision, carrier, bill)
            {
                numbers = vec![(UnitNo::FREIGHT, Some(number))];
            }
        }
        None => {}
    }
    decision.with(|| Change::Create {
        carrier: carrier.expect("an unknown carrier is an error"),
        fields: Box::new(fields.clone()),
        numbers,
    })
}

fn check_box_count(decision: &mut Decision, mode: Mode, count: usize) {
    let most = if mode.is_freight() { BOXES_FREIGHT_MAX } else { BOXES_SPD_MAX };
    if count > most {
        decision.error(Code::TooManyBoxes, format!("{count} boxes; {most} at most for {}.", mode.name()));
    }
}

/// The boxes that items may name, with the numbers they have.
struct Boxes<'a> {
    by_id: BTreeMap<&'a str, (UnitNo, Option<&'a TrackingNumber>)>,
}

impl<'a> Boxes<'a> {
    fn of(shipment: &'a Shipment) -> Boxes<'a> {
        let entry = |unit: &'a Unit| {
            let id = unit.box_id.as_ref().expect("a box has an ID").as_str();
            (id, (unit.no, unit.tracking.as_ref().map(|t| &t.number)))
        };
        Boxes { by_id: shipment.boxes.iter().map(entry).collect() }
    }

    /// The boxes of a shipment that is being created: numbered in their order.
    fn of_new(boxes: &'a [NewBox]) -> Boxes<'a> {
        Boxes { by_id: (0..).zip(boxes).map(|(no, new)| (new.box_id.as_str(), (UnitNo(no), None))).collect() }
    }
}

fn set_tracking(rules: &Rules, carrier: CarrierId, boxes: &Boxes<'_>, items: &[TrackingItem]) -> Decision {
    let mut decision = Decision::default();
    let mut numbers: Vec<(UnitNo, NewNumber)> = Vec::new();
    let mut named: BTreeMap<UnitNo, &TrackingItem> = BTreeMap::new();
    for item in items {
        let Some((no, _)) = boxes.by_id.get(item.box_id.as_str()) else {
            let message = "The shipment has no such box.";
            decision.errors.push(about_box(
                Code::UnknownBox,
                message,
                &item.box_id,
                item.tracking_id.as_deref(),
            ));
            continue;
        };
        if named.insert(*no, item).is_some() {
            decision.errors.push(about_box(
                Code::DuplicateBox,
                "The box is named twice.",
                &item.box_id,
                None,
            ));
            continue;
        }
        let Some(typed) = &item.tracking_id else {
            numbers.push((*no, None));
            continue;
        };
        match rules.catalogue.register(carrier, typed, rules.settings.strict_blanks) {
            Ok(registered) => {
                decision.warn_of(&registered, Some(&item.box_id), typed);
                numbers.push((*no, Some((registered.number, registered.validation))));
            }
            Err(invalid) => {
                let error = about_box(Code::InvalidTrackingId, invalid.message, &item.box_id, Some(typed));
                decision.errors.push(error);
            }
        }
    }
    // R4: over the shipment as it would be.
    let mut owners: BTreeMap<&TrackingNumber, u32> = BTreeMap::new();
    for (no, current) in boxes.by_id.values() {
        if !named.contains_key(no)
            && let Some(number) = current
        {
            *owners.entry(number).or_default() += 1;
        }
    }
    for (_, number) in &numbers {
        if let Some((number, _)) = number {
            *owners.entry(number).or_default() += 1;
        }
    }
    for (no, number) in &numbers {
        if let Some((number, _)) = number
            && owners[number] > 1
        {
            let item = named[no];
            decision.errors.push(about_box(
                Code::UniqueTrackingIdRequired,
                "A unique tracking ID is required for each box. A master tracking ID can't be used for several boxes.",
                &item.box_id,
                item.tracking_id.as_deref(),
            ));
        }
    }
    let current: BTreeMap<UnitNo, Option<&TrackingNumber>> = boxes.by_id.values().copied().collect();
    numbers.retain(|(no, number)| current[no] != number.as_ref().map(|(number, _)| number));
    decision.with(|| if numbers.is_empty() { Change::Nothing } else { Change::Numbers(numbers) })
}

fn register_bill(
    rules: &Rules,
    decision: &mut Decision,
    carrier: CarrierId,
    typed: &str,
) -> Option<(TrackingNumber, Validation)> {
    match rules.catalogue.register_freight_bill(carrier, typed, rules.settings.strict_blanks) {
        Ok(registered) => {
            decision.warn_of(&registered, None, typed);
            Some((registered.number, registered.validation))
        }
        Err(invalid) => {
            let mut error = remark(Code::InvalidFreightBill, invalid.message);
            error.tracking_id = Some(typed.to_owned());
            decision.errors.push(error);
            None
        }
    }
}

fn set_freight_bill(
    rules: &Rules,
    shipment: &Shipment,
    typed: &str,
    bill_of_lading: Option<&str>,
) -> Decision {
    let mut decision = Decision::default();
    let number = register_bill(rules, &mut decision, shipment.head.carrier, typed);
    let current = shipment.freight.as_ref().and_then(|pro| pro.tracking.as_ref()).map(|t| &t.number);
    decision.with(|| {
        let same = current == number.as_ref().map(|(number, _)| number);
        let bill_of_lading =
            bill_of_lading.map(str::to_owned).or_else(|| shipment.head.bill_of_lading.clone());
        if same && bill_of_lading == shipment.head.bill_of_lading {
            Change::Nothing
        } else {
            Change::FreightBill { number, bill_of_lading }
        }
    })
}

fn change_carrier(rules: &Rules, shipment: &Shipment, text: &str, name: Option<&str>) -> Decision {
    let mut decision = Decision::default();
    let Some(carrier) = find_carrier(rules, &mut decision, text, name) else { return decision };
    if !decision.errors.is_empty() {
        return decision;
    }
    let head = &shipment.head;
    let name = name.map(str::to_owned);
    if carrier == head.carrier {
        if name == head.carrier_name {
            return Decision::accept(Change::Nothing);
        }
        return Decision::accept(Change::Carrier { carrier, name, numbers: Vec::new() });
    }
    let mut numbers: Vec<(UnitNo, NewNumber)> = Vec::new();
    for unit in shipment.deciding() {
        let Some(tracking) = &unit.tracking else { continue };
        let text = tracking.number.as_str();
        let registered = if unit.no == UnitNo::FREIGHT {
            rules.catalogue.register_freight_bill(carrier, text, true)
        } else {
            rules.catalogue.register(carrier, text, true)
        };
        numbers.push((unit.no, registered.ok().map(|r| (r.number, r.validation))));
    }
    let mut owners: BTreeMap<TrackingNumber, u32> = BTreeMap::new();
    for (_, number) in &numbers {
        if let Some((number, _)) = number {
            *owners.entry(number.clone()).or_default() += 1;
        }
    }
    for (no, number) in &mut numbers {
        if number.as_ref().is_some_and(|(number, _)| owners[number] > 1) {
            *number = None;
        }
        if number.is_none() {
            let unit = shipment.unit(*no).expect("a unit of the shipment");
            let mut warning = remark(
                Code::TrackingResubmit,
                "The ID does not fit the new carrier and was unset: submit one that does.",
            );
            warning.box_id = unit.box_id.as_ref().map(|id| id.as_str().to_owned());
            warning.tracking_id = unit.tracking.as_ref().map(|t| t.number.as_str().to_owned());
            decision.warnings.push(warning);
        }
    }
    for (_, validation) in numbers.iter().filter_map(|(_, number)| number.as_ref()) {
        decision.warn_unsupported(*validation);
    }
    decision.with(|| Change::Carrier { carrier, name, numbers })
}

fn update_boxes(shipment: &Shipment, add: &[NewBox], remove: &[BoxId]) -> Decision {
    let mut decision = Decision::default();
    let mut removed: Vec<UnitNo> = Vec::new();
    for id in remove {
        match shipment.box_by_id(id.as_str()) {
            Some(unit) if removed.contains(&unit.no) => {}
            Some(unit) => removed.push(unit.no),
            None => {
                let message = "The shipment has no such box.";
                decision.errors.push(about_box(Code::UnknownBox, message, id.as_str(), None));
            }
        }
    }
    let mut added: BTreeSet<&BoxId> = BTreeSet::new();
    for new in add {
        let kept = shipment.box_by_id(new.box_id.as_str()).is_some_and(|unit| !removed.contains(&unit.no));
        if kept || !added.insert(&new.box_id) {
            let message = "The shipment has this box already.";
            decision.errors.push(about_box(Code::DuplicateBox, message, new.box_id.as_str(), None));
        }
    }
    let count = shipment.boxes.len() - removed.len() + add.len();
    check_box_count(&mut decision, shipment.head.mode, count);
    if count == 0 && !shipment.head.mode.is_freight() {
        decision.error(Code::InvalidCommand, "remove: a small-parcel shipment keeps at least one box.");
    }
    decision.with(|| {
        if add.is_empty() && removed.is_empty() {
            Change::Nothing
        } else {
            Change::Boxes { add: add.to_vec(), remove: removed }
        }
    })
}

fn acknowledge(here: &Situation<'_>, problem_id: &str) -> Decision {
    let shipment = here.shipment.id.as_str();
    let kind = problem_id.strip_prefix(shipment).and_then(|rest| rest.strip_prefix(':'));
    let Some(problem) = here.problems.iter().find(|p| Some(p.kind.name()) == kind) else {
        return Decision::refuse(
            Code::UnknownProblem,
            format!("{problem_id:?} is no problem of this shipment."),
        );
    };
    Decision::accept(if problem.status == ProblemStatus::Open {
        let (boxes, began_until) = (problem.boxes.clone(), problem.newest_opening);
        Change::Acknowledge { kind: problem.kind, boxes, began_until }
    } else {
        Change::Nothing
    })
}
