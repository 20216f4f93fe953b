//! Commands (rulebook §5): what is refused, and what an accepted one changes.
//!
//! Enters: a command, its entry, the shipment as it stands with its status and problems. Leaves: the shipment as it
//! is afterwards, or all errors of the first group that has one. Always true: nothing is changed in place, so a
//! refusal or a dry run leaves no trace.

use std::collections::BTreeSet;

use dockside::carriers::{Catalogue, InvalidNumber, Registered};
use dockside::model::{
    BoxId, CarrierId, CommandBody, CommandErrorCode as Code, CreateShipment, FcId, Fcs, Mode, NewBox,
    ProblemKind, Settings, ShipmentId, Stage, Status, SystemTracking, Timestamp, TrackingItem,
    TrackingNumber, Validation, Window,
};

use super::shipment::{Acknowledgement, Parcel, Problem, Registration, Shipment};

/// An error or a warning: its code and the box it is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Remark {
    pub(crate) code: Code,
    pub(crate) box_id: Option<String>,
}

/// What a command is judged against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) fcs: &'a Fcs,
}

/// The shipment afterwards and the warnings, or the errors.
pub(crate) type Decision = Result<(Shipment, Vec<Remark>), Vec<Remark>>;

fn whole(code: Code) -> Remark {
    Remark { code, box_id: None }
}

fn of_box(code: Code, id: &str) -> Remark {
    Remark { code, box_id: Some(id.to_owned()) }
}

fn refuse(code: Code) -> Decision {
    Err(vec![whole(code)])
}

impl Rules<'_> {
    pub(crate) fn create(&self, id: &ShipmentId, create: &CreateShipment, entry: Timestamp) -> Decision {
        let mut errors = Vec::new();
        let carrier = self.carrier(&create.carrier, create.carrier_name.as_deref(), &mut errors);
        self.check_fc(&create.fc, &mut errors);
        check_box_count(create.mode, create.boxes.len(), &mut errors);
        let mut shipment = Shipment {
            id: id.clone(),
            account: create.account.clone(),
            mode: create.mode,
            partnered: create.partnered,
            cross_border: create.cross_border,
            need_by: create.need_by,
            pallets: create.pallets,
            created_at: create.created_at.unwrap_or(entry),
            fc: create.fc.clone(),
            carrier: carrier.unwrap_or(CarrierId::OTHER),
            carrier_name: create.carrier_name.clone(),
            boxes: Vec::new(),
            pro: None,
            pro_tracked_since: None,
            bill_of_lading: None,
            window: create.delivery_window,
            confirmed: None,
            reports: Vec::new(),
            cancelled: None,
            floor_since: None,
            acknowledged: Default::default(),
            frozen: Vec::new(),
            newest_entry: entry,
            as_of: entry,
            life_end: None,
        };
        add_boxes(&mut shipment, &create.boxes, &mut errors);
        if let Some(window) = create.delivery_window {
            self.check_window(window, create.cross_border, entry, &mut errors);
        }
        let mut warnings = Vec::new();
        match &create.tracking {
            None => {}
            Some(_) if !create.partnered => errors.push(whole(Code::InvalidCommand)),
            Some(SystemTracking::Items(_)) if create.mode.is_freight() => errors.push(whole(Code::WrongMode)),
            Some(SystemTracking::FreightBill(_)) if !create.mode.is_freight() => {
                errors.push(whole(Code::WrongMode))
            }
            Some(_) if carrier.is_none() => {}
            Some(SystemTracking::Items(items)) => {
                self.set_items(&mut shipment, items, entry, &mut errors, &mut warnings);
            }
            Some(SystemTracking::FreightBill(raw)) => {
                self.set_pro(&mut shipment, raw, entry, &mut errors, &mut warnings);
            }
        }
        if errors.is_empty() { Ok((shipment, warnings)) } else { Err(errors) }
    }

    /// All commands but `create_shipment`, for a shipment that is not cancelled.
    pub(crate) fn change(
        &self,
        before: &Shipment,
        status: Status,
        problems: &[Problem],
        body: &CommandBody,
        entry: Timestamp,
    ) -> Decision {
        let mut after = before.clone();
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        let is_delivered = status >= Status::Delivered;
        match body {
            CommandBody::CreateShipment(_) => return refuse(Code::ShipmentExists),
            CommandBody::ConfirmReady => {
                if status != Status::Working {
                    return refuse(Code::WrongStatus);
                }
                if !before.partnered && before.window.is_none() {
                    return refuse(Code::WindowRequired);
                }
                after.confirmed = Some(entry);
            }
            CommandBody::SetTracking { items, system } => {
                if before.is_freight() {
                    return refuse(Code::WrongMode);
                }
                if before.partnered != *system {
                    return refuse(Code::PartneredCarrier);
                }
                if is_delivered {
                    return refuse(Code::AlreadyDelivered);
                }
                self.set_items(&mut after, items, entry, &mut errors, &mut warnings);
            }
            CommandBody::SetFreightBill { freight_bill, bill_of_lading } => {
                if !before.is_freight() {
                    return refuse(Code::WrongMode);
                }
                if before.partnered {
                    return refuse(Code::PartneredCarrier);
                }
                if is_delivered {
                    return refuse(Code::AlreadyDelivered);
                }
                self.set_pro(&mut after, freight_bill, entry, &mut errors, &mut warnings);
                if bill_of_lading.is_some() {
                    after.bill_of_lading.clone_from(bill_of_lading);
                }
            }
            CommandBody::ChangeCarrier { carrier, carrier_name } => {
                if is_delivered {
                    return refuse(Code::AlreadyDelivered);
                }
                if before.partnered {
                    return refuse(Code::PartneredCarrier);
                }
                if let Some(carrier) = self.carrier(carrier, carrier_name.as_deref(), &mut errors) {
                    after.carrier_name.clone_from(carrier_name);
                    if carrier != before.carrier {
                        after.carrier = carrier;
                        self.move_numbers(&mut after, entry, &mut warnings);
                    }
                }
            }
            CommandBody::SetDeliveryWindow(window) => {
                if is_delivered {
                    return refuse(Code::AlreadyDelivered);
                }
                if before.window.is_some_and(|window| entry >= window.start) {
                    return refuse(Code::WindowLocked);
                }
                self.check_window(*window, before.cross_border, entry, &mut errors);
                after.window = Some(*window);
            }
            CommandBody::UpdateBoxes { add, remove } => {
                if status >= Status::Shipped {
                    return refuse(Code::WrongStatus);
                }
                for id in remove {
                    if before.boxes.iter().all(|parcel| parcel.id != *id) {
                        errors.push(of_box(Code::UnknownBox, id.as_str()));
                    }
                }
                after.boxes.retain(|parcel| !remove.contains(&parcel.id));
                add_boxes(&mut after, add, &mut errors);
                check_box_count(before.mode, after.boxes.len(), &mut errors);
            }
            CommandBody::ChangeDestination { fc } => {
                if is_delivered {
                    return refuse(Code::AlreadyDelivered);
                }
                self.check_fc(fc, &mut errors);
                after.fc = fc.clone();
            }
            CommandBody::ReportReceiving { stage } => {
                if status == Status::Working {
                    return refuse(Code::WrongStatus);
                }
                report(&mut after, *stage, entry);
            }
            CommandBody::CancelShipment => {
                if is_delivered {
                    return refuse(Code::AlreadyDelivered);
                }
                after.cancelled = Some(entry);
            }
            CommandBody::AcknowledgeProblem { problem_id } => {
                let named = problems.iter().find(|p| problem_key(&before.id, p.kind) == *problem_id);
                let Some(problem) = named else { return refuse(Code::UnknownProblem) };
                if problem.status == dockside::model::ProblemStatus::Open {
                    let boxes: BTreeSet<BoxId> = problem.boxes.iter().cloned().collect();
                    let newest = problem.newest_opening;
                    after.acknowledged.insert(problem.kind, Acknowledgement { entry, boxes, newest });
                }
            }
        }
        if errors.is_empty() { Ok((after, warnings)) } else { Err(errors) }
    }

    fn carrier(&self, text: &str, name: Option<&str>, errors: &mut Vec<Remark>) -> Option<CarrierId> {
        let carrier = self.catalogue.carrier(text);
        match carrier {
            None => errors.push(whole(Code::UnknownCarrier)),
            Some(CarrierId::OTHER) if name.is_none_or(|name| name.trim().is_empty()) => {
                errors.push(whole(Code::CarrierNameRequired));
            }
            Some(_) => {}
        }
        carrier
    }

    fn check_fc(&self, fc: &FcId, errors: &mut Vec<Remark>) {
        if self.settings.strict_fcs && !self.fcs.knows(fc) {
            errors.push(whole(Code::UnknownFc));
        }
    }

    fn check_window(&self, window: Window, cross_border: bool, entry: Timestamp, errors: &mut Vec<Remark>) {
        let settings = self.settings;
        let max = if cross_border { settings.window_cross_border_ms_max } else { settings.window_ms_max };
        if window.start <= entry || window.end <= window.start || window.end.0 - window.start.0 > max {
            errors.push(whole(Code::WindowInvalid));
        }
    }

    /// The items of `set_tracking`, all or nothing: the caller drops the shipment when there are errors.
    fn set_items(
        &self,
        shipment: &mut Shipment,
        items: &[TrackingItem],
        entry: Timestamp,
        errors: &mut Vec<Remark>,
        warnings: &mut Vec<Remark>,
    ) {
        let mut has_unsupported = false;
        let mut named: BTreeSet<&str> = BTreeSet::new();
        for item in items {
            let Some(index) = shipment.boxes.iter().position(|parcel| parcel.id.as_str() == item.box_id)
            else {
                errors.push(of_box(Code::UnknownBox, &item.box_id));
                continue;
            };
            if !named.insert(&item.box_id) {
                errors.push(of_box(Code::DuplicateBox, &item.box_id));
                continue;
            }
            let registered = match &item.tracking_id {
                None => None,
                Some(raw) => {
                    match self.catalogue.register(shipment.carrier, raw, self.settings.strict_blanks) {
                        Ok(registered) => Some(registered),
                        Err(InvalidNumber { .. }) => {
                            errors.push(of_box(Code::InvalidTrackingId, &item.box_id));
                            None
                        }
                    }
                }
            };
            if registered.as_ref().is_some_and(|registered| registered.blanks_trimmed) {
                warnings.push(of_box(Code::BlanksTrimmed, &item.box_id));
            }
            has_unsupported |= registered.as_ref().is_some_and(|r| r.validation == Validation::NotSupported);
            let parcel = &mut shipment.boxes[index];
            register(&mut parcel.registration, &mut parcel.tracked_since, registered, entry);
        }
        // Over the resulting shipment, also against boxes that are not named.
        let number_of = |parcel: &Parcel| parcel.registration.as_ref().map(|r| r.number.clone());
        for item in items {
            let Some(parcel) = shipment.boxes.iter().find(|parcel| parcel.id.as_str() == item.box_id) else {
                continue;
            };
            let is_taken = number_of(parcel).is_some_and(|number| {
                shipment
                    .boxes
                    .iter()
                    .any(|other| other.id != parcel.id && number_of(other).as_ref() == Some(&number))
            });
            if is_taken && errors.iter().all(|error| error.box_id.as_ref() != Some(&item.box_id)) {
                errors.push(of_box(Code::UniqueTrackingIdRequired, &item.box_id));
            }
        }
        warnings.extend(has_unsupported.then(|| whole(Code::TrackingNotSupported)));
    }

    fn set_pro(
        &self,
        shipment: &mut Shipment,
        raw: &str,
        entry: Timestamp,
        errors: &mut Vec<Remark>,
        warnings: &mut Vec<Remark>,
    ) {
        match self.catalogue.register_freight_bill(shipment.carrier, raw, self.settings.strict_blanks) {
            Ok(registered) => {
                warnings.extend(registered.blanks_trimmed.then(|| whole(Code::BlanksTrimmed)));
                let is_unsupported = registered.validation == Validation::NotSupported;
                warnings.extend(is_unsupported.then(|| whole(Code::TrackingNotSupported)));
                register(&mut shipment.pro, &mut shipment.pro_tracked_since, Some(registered), entry);
            }
            Err(InvalidNumber { .. }) => errors.push(whole(Code::InvalidFreightBill)),
        }
    }

    /// The numbers of a shipment whose carrier has just changed.
    fn move_numbers(&self, shipment: &mut Shipment, entry: Timestamp, warnings: &mut Vec<Remark>) {
        let (carrier, strict) = (shipment.carrier, self.settings.strict_blanks);
        let mut has_unsupported = false;
        if let Some(pro) = shipment.pro.take() {
            match self.catalogue.register_freight_bill(carrier, pro.number.as_str(), strict) {
                Ok(registered) => {
                    has_unsupported |= registered.validation == Validation::NotSupported;
                    register(&mut shipment.pro, &mut shipment.pro_tracked_since, Some(registered), entry);
                }
                Err(InvalidNumber { .. }) => {
                    shipment.pro_tracked_since = None;
                    warnings.push(whole(Code::TrackingResubmit));
                }
            }
        }
        let judged: Vec<Option<Registered>> = shipment
            .boxes
            .iter()
            .map(|parcel| {
                let number = &parcel.registration.as_ref()?.number;
                self.catalogue.register(carrier, number.as_str(), strict).ok()
            })
            .collect();
        let holders =
            |number: &TrackingNumber| judged.iter().flatten().filter(|r| r.number == *number).count();
        for (parcel, registered) in shipment.boxes.iter_mut().zip(&judged) {
            if parcel.registration.take().is_none() {
                continue;
            }
            let kept = registered.clone().filter(|registered| holders(&registered.number) == 1);
            if kept.is_none() {
                warnings.push(of_box(Code::TrackingResubmit, parcel.id.as_str()));
            }
            has_unsupported |= kept.as_ref().is_some_and(|r| r.validation == Validation::NotSupported);
            register(&mut parcel.registration, &mut parcel.tracked_since, kept, entry);
        }
        warnings.extend(has_unsupported.then(|| whole(Code::TrackingNotSupported)));
    }
}

/// Puts a number in the place of another; the same one again changes nothing.
fn register(
    slot: &mut Option<Registration>,
    tracked_since: &mut Option<Timestamp>,
    registered: Option<Registered>,
    entry: Timestamp,
) {
    let Some(Registered { number, validation, .. }) = registered else {
        *slot = None;
        *tracked_since = None;
        return;
    };
    if slot.as_ref().is_none_or(|known| known.number != number) {
        *slot = Some(Registration { number, validation, entry });
    }
    tracked_since.get_or_insert(entry);
}

fn check_box_count(mode: Mode, count: usize, errors: &mut Vec<Remark>) {
    let max = if mode.is_freight() { 5_000 } else { 500 };
    if count > max {
        errors.push(whole(Code::TooManyBoxes));
    }
    if count == 0 && !mode.is_freight() {
        errors.push(whole(Code::InvalidCommand));
    }
}

fn add_boxes(shipment: &mut Shipment, boxes: &[NewBox], errors: &mut Vec<Remark>) {
    for NewBox { box_id, units, weight_g } in boxes {
        if shipment.boxes.iter().any(|parcel| parcel.id == *box_id) {
            errors.push(of_box(Code::DuplicateBox, box_id.as_str()));
            continue;
        }
        let (id, units, weight_g) = (box_id.clone(), *units, *weight_g);
        shipment.boxes.push(Parcel { id, units, weight_g, registration: None, tracked_since: None });
    }
}

/// A stage at or below the reported one changes nothing.
fn report(shipment: &mut Shipment, stage: Stage, entry: Timestamp) {
    if shipment.reports.last().is_none_or(|(reported, _)| *reported < stage) {
        shipment.reports.push((stage, entry));
    }
}

/// The ID of a shipment's problem of one kind.
pub(crate) fn problem_key(shipment: &ShipmentId, kind: ProblemKind) -> String {
    format!("{shipment}:{}", kind.name())
}
