//! The shipment station, keyed by shipment ID: the only writer of the index.
//!
//! Enters: commands with their entries, box events, due times. Leaves: index changes, subtotals and verdicts as hops, and
//! documents: command results, shipments, plan lines, problems. Always true:
//! - a shipment is a pure function of its facts ([`derive`](derive::derive)), so the order of scans between two commands
//!   cannot show;
//! - a box event counts only if it is of the unit's present registration;
//! - a shipment whose time is over leaves tombstones and nothing else;
//! - everything touched in an epoch can be taken back, and what the epoch's delta says is exactly what was touched.
//!
//! It does not know scans, offsets (beyond showing them) or other shipments.

mod commands;
mod derive;
mod facts;
mod gates;
mod keep;
mod loading;
mod publish;
mod shelf;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use smallvec::SmallVec;

use self::commands::{Change, Decision, NewNumber, Situation, decide, decide_unknown};
use self::derive::{Days, Derived, Problem, derive};
use self::facts::{
    Acknowledgement, Answer, FrozenProblem, Head, Judged, Published, Shipment, Tracking, Unit,
};
use self::gates::Gates;
pub use self::keep::Part;
use self::keep::{Image, keep_answers, keep_head, keep_unit};
use self::loading::Loading;
use self::publish::{Drafts, MilestoneSources};
use self::shelf::Shelf;
use super::hop::{
    ArrivalKey, Conflict, Gate, Hop, HopWriter, Registration, SOURCES_MAX, Sources, Subtotal, UnitNo,
    Verdicts,
};
use super::timers::Timers;
use super::undo::Undo;
use super::{Counters, Rules};
use crate::fold::View;
use crate::model::{
    AccountId, CarrierId, Cause, Command, CommandBody, CommandKind, CreateShipment, FcId, Milestone,
    NumberKey, Outcome, Partition, ProblemStatus, ShipmentId, Source, Stage, Status, Timestamp,
};

/// A shipment that changed since the last publishing.
#[derive(Debug)]
struct Pending {
    derived: Option<Derived>,
    cause: Cause,
    sources: SmallVec<[Source; SOURCES_MAX]>,
    /// Published at once: a command or a timer changed it, not only scans.
    at_once: bool,
}

/// The answer to one command, waiting for the version it gets.
#[derive(Debug)]
enum PendingAnswer {
    /// Remembered by its shipment.
    Kept { shipment: ShipmentId, command_id: crate::model::CommandId },
    /// Of a dry run, of a shipment that is not there, or given before.
    Passing { shipment: ShipmentId, answer: Box<Answer> },
}

/// What a unit shows: its own way, and who else has its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What its scans tell.
    pub view: View,
    /// With other shipments (R19).
    pub conflict: Option<Conflict>,
}

/// What consumers were told last of a shipment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told<'a> {
    /// The shipment.
    pub shipment: &'a ShipmentId,
    /// The version in `shipments`; 0: nothing yet.
    pub version: u64,
    /// The version of its plan line; 0: it never had one.
    pub plan_version: u64,
    /// The FC on whose plan it stands.
    pub plan_fc: Option<&'a FcId>,
}

/// The shipments of a partition.
#[derive(Debug)]
pub struct ShipmentStation {
    partition: Partition,
    shipments: Shelf,
    /// Boxes of all shipments.
    boxes: u64,
    undo: Undo<Image>,
    epoch: u64,
    settling: u64,
    /// Shipments to derive anew at the next settling.
    marked: Vec<ShipmentId>,
    /// Shipments to publish. By ID, as they are settled: the order in which timers were queued must not show.
    pending: BTreeMap<ShipmentId, Pending>,
    answers: Vec<PendingAnswer>,
    timers: Timers<ShipmentId>,
    totals: BTreeMap<ArrivalKey, Subtotal>,
    totals_dirty: BTreeSet<ArrivalKey>,
    verdicts: BTreeMap<(AccountId, i64), Verdicts>,
    verdicts_dirty: BTreeSet<(AccountId, i64)>,
    waiting: BTreeMap<CarrierId, i64>,
    gates: Gates,
    sources: MilestoneSources,
    drafts: Drafts,
    days: Days,
    loading: Loading,
}

impl ShipmentStation {
    /// An empty station; `secret` keys the table's hash.
    pub fn new(partition: Partition, secret: u64) -> ShipmentStation {
        ShipmentStation {
            partition,
            shipments: Shelf::new(secret),
            boxes: 0,
            undo: Undo::default(),
            epoch: 1,
            settling: 1,
            marked: Vec::new(),
            pending: BTreeMap::new(),
            answers: Vec::new(),
            timers: Timers::default(),
            totals: BTreeMap::new(),
            totals_dirty: BTreeSet::new(),
            verdicts: BTreeMap::new(),
            verdicts_dirty: BTreeSet::new(),
            waiting: BTreeMap::new(),
            gates: Gates::default(),
            sources: MilestoneSources::new(secret),
            drafts: Drafts::default(),
            days: Days::default(),
            loading: Loading::new(secret),
        }
    }

    /// What consumers were told last of each shipment, in no order.
    pub fn told(&self, mut each: impl FnMut(&Told<'_>)) {
        for id in self.shipments.ids() {
            let shipment = self.shipments.see(id).expect("one of them");
            let published = &shipment.head.published;
            each(&Told {
                shipment: id,
                version: published.version,
                plan_version: published.plan_version,
                plan_fc: published.plan_fc.as_ref(),
            });
        }
    }

    /// How many shipments are known.
    pub fn len(&self) -> usize {
        self.shipments.len()
    }

    /// How many boxes they have.
    pub fn boxes(&self) -> u64 {
        self.boxes
    }

    /// Of these, how many are not packed, about.
    pub fn boxes_open(&self) -> u64 {
        self.shipments.open_boxes()
    }

    /// Whether no shipment is known.
    pub fn is_empty(&self) -> bool {
        self.shipments.is_empty()
    }

    /// Shipments by the status that consumers saw last.
    pub fn by_status(&self) -> BTreeMap<Status, u64> {
        let mut counts = BTreeMap::new();
        for status in self.shipments.statuses() {
            *counts.entry(status).or_default() += 1;
        }
        counts
    }

    /// Answers a command, and applies it if it is accepted.
    pub fn command(
        &mut self,
        rules: &Rules,
        counters: &mut Counters,
        hops: &mut HopWriter,
        command: &Command,
        entry: Timestamp,
        source: Source,
    ) {
        counters.commands += 1;
        let id = &command.shipment_id;
        if let Some(shipment) = self.shipments.get(id) {
            let oldest = entry.plus_ms(-rules.settings.command_ids_ms);
            let repeated = |a: &&Answer| a.command_id == command.command_id && a.entry >= oldest;
            if let Some(first) = shipment.answers.iter().find(repeated) {
                self.answers.push(match first.version {
                    Some(_) => {
                        PendingAnswer::Passing { shipment: id.clone(), answer: Box::new(first.clone()) }
                    }
                    None => {
                        PendingAnswer::Kept { shipment: id.clone(), command_id: command.command_id.clone() }
                    }
                });
                return;
            }
        }
        let (decision, status_before) = self.decide(rules, command, entry);
        let rejected = decision.change.is_none();
        counters.commands_rejected += u64::from(rejected);
        let answer = Answer {
            command_id: command.command_id.clone(),
            entry,
            kind: command.kind,
            outcome: if rejected { Outcome::Rejected } else { Outcome::Accepted },
            errors: decision.errors,
            warnings: decision.warnings,
            version: None,
        };
        let change = decision.change.unwrap_or(Change::Nothing);
        if command.dry_run || (rejected && !self.shipments.contains(id)) {
            let version = self.shipments.get(id).map_or(0, |shipment| shipment.head.published.version);
            let answer = Box::new(Answer { version: Some(version), ..answer });
            self.answers.push(PendingAnswer::Passing { shipment: id.clone(), answer });
            return;
        }
        if change != Change::Nothing {
            self.apply(rules, hops, id, change, entry);
            self.raise_floor(rules, id, status_before, entry);
            let cause =
                if command.kind == CommandKind::ReportReceiving { Cause::Receiving } else { Cause::Command };
            self.mark(id, cause, Some(source));
        }
        let shipment = self.shipments.get(id).expect("created or known");
        keep_answers(&mut self.undo, self.epoch, shipment);
        shipment.answers.push_back(answer);
        // An answer that waits for its version is not forgotten before it was given.
        let is_given = |answer: &Answer| answer.version.is_some();
        while shipment.answers.len() > rules.settings.command_ids_max
            && shipment.answers.front().is_some_and(is_given)
        {
            shipment.answers.pop_front();
        }
        let command_id = command.command_id.clone();
        self.answers.push(PendingAnswer::Kept { shipment: id.clone(), command_id });
    }

    /// The decision, and the status it was made in.
    fn decide(&mut self, rules: &Rules, command: &Command, entry: Timestamp) -> (Decision, Status) {
        let Some(shipment) = self.shipments.get(&command.shipment_id) else {
            let gate = match &command.body {
                Ok(CommandBody::CreateShipment(fields)) => self.gates.of(&fields.account),
                _ => Gate::default(),
            };
            return (decide_unknown(rules, command, entry, gate), Status::Working);
        };
        let derived = derive(shipment, &rules.settings, &rules.fcs, &mut self.days);
        let situation = Situation { shipment, status: derived.status, problems: &derived.problems };
        (decide(rules, command, entry, &situation), derived.status)
    }

    fn apply(
        &mut self,
        rules: &Rules,
        hops: &mut HopWriter,
        id: &ShipmentId,
        change: Change,
        entry: Timestamp,
    ) {
        if let Change::Create { carrier, fields, numbers } = change {
            let shipment = new_shipment(id, carrier, *fields, entry, self.epoch);
            self.boxes += shipment.boxes.len() as u64;
            self.shipments.insert(Box::new(shipment));
            self.undo.push(Image::Created(id.clone()));
            self.renumber(rules, hops, id, numbers, entry);
        } else {
            let shipment = self.shipments.get(id).expect("an accepted change is of a known shipment");
            keep_head(&mut self.undo, self.epoch, shipment);
            let head = &mut shipment.head;
            head.entered_until = head.entered_until.max(entry);
            head.as_of = head.as_of.max(entry);
            match change {
                Change::Nothing | Change::Create { .. } => {}
                Change::Confirm => head.confirmed_at = Some(entry),
                Change::Numbers(numbers) => self.renumber(rules, hops, id, numbers, entry),
                Change::FreightBill { number, bill_of_lading } => {
                    head.bill_of_lading = bill_of_lading;
                    let pro = shipment.freight.as_ref().expect("freight has a PRO unit");
                    if pro.tracking.as_ref().map(|t| &t.number) != number.as_ref().map(|(n, _)| n) {
                        self.renumber(rules, hops, id, vec![(UnitNo::FREIGHT, number)], entry);
                    }
                }
                Change::Carrier { carrier, name, numbers } => {
                    head.carrier_name = name;
                    if carrier != head.carrier {
                        // The old keys go under the old carrier, the new ones come under the new.
                        let gone: Vec<_> = numbers.iter().map(|(no, _)| *no).collect();
                        let old = head.carrier;
                        head.carrier = carrier;
                        for no in gone {
                            let tracking = shipment.unit(no).and_then(|unit| unit.tracking.as_ref());
                            let number = tracking.expect("a renumbered unit has a number").number.clone();
                            send_remove(hops, NumberKey { number, carrier: old }, id, no, entry);
                        }
                        self.renumber(rules, hops, id, numbers, entry);
                    }
                }
                Change::Window(window) => head.window = Some(window),
                Change::Boxes { add, remove } => {
                    for no in remove {
                        let at = shipment.boxes.iter().position(|unit| unit.no == no).expect("a box of it");
                        let unit = shipment.boxes.remove(at);
                        self.boxes -= 1;
                        if let Some(tracking) = &unit.tracking {
                            let number = tracking.number.clone();
                            let key = NumberKey { number, carrier: shipment.head.carrier };
                            send_remove(hops, key, id, no, entry);
                        }
                        self.undo.push(Image::UnitRemoved(id.clone(), Box::new(unit)));
                    }
                    for new in add {
                        let no = UnitNo(shipment.head.next_unit);
                        shipment.head.next_unit += 1;
                        let unit =
                            Unit::new(no, Some(new.box_id), new.units, new.weight_g, entry, self.epoch);
                        shipment.boxes.push(unit);
                        self.boxes += 1;
                        self.undo.push(Image::UnitAdded(id.clone(), no));
                    }
                }
                Change::Destination(fc) => {
                    head.fc = fc;
                    self.announce(rules, hops, id, true);
                }
                Change::Report(stage) => {
                    head.reports.push((stage, entry));
                    if stage == Stage::Closed {
                        head.life_end.get_or_insert(entry);
                        self.announce(rules, hops, id, false);
                    }
                }
                Change::Cancel => {
                    let derived = derive(shipment, &rules.settings, &rules.fcs, &mut self.days);
                    let freeze = |problem: &Problem| FrozenProblem {
                        kind: problem.kind,
                        boxes: problem.boxes.clone(),
                        opened_at: problem.opened_at,
                        acknowledged_at: problem.acknowledged_at,
                        resolved_at: problem.resolved_at.unwrap_or(entry),
                    };
                    let head = &mut shipment.head;
                    head.frozen = derived.problems.iter().map(freeze).collect();
                    head.cancelled_at = Some(entry);
                    head.life_end.get_or_insert(entry);
                    self.announce(rules, hops, id, false);
                }
                Change::Acknowledge { kind, boxes, began_until } => {
                    head.acknowledged.retain(|ack| ack.kind != kind);
                    head.acknowledged.push(Acknowledgement { kind, at: entry, boxes, began_until });
                }
            }
        }
    }

    /// R13: what a command finds or makes shipped stays shipped.
    fn raise_floor(&mut self, rules: &Rules, id: &ShipmentId, before: Status, entry: Timestamp) {
        let shipment = self.shipments.get(id).expect("just changed");
        let head = &shipment.head;
        if head.floor_since.is_some() || head.confirmed_at.is_none() || head.cancelled_at.is_some() {
            return;
        }
        let is_shipped = |status: Status| (Status::Shipped..Status::Cancelled).contains(&status);
        let by_tracking = !head.partnered && shipment.is_tracked();
        if by_tracking
            || is_shipped(before)
            || is_shipped(derive(shipment, &rules.settings, &rules.fcs, &mut self.days).status)
        {
            shipment.head.floor_since = Some(entry);
        }
    }

    /// Gives units new numbers, under the shipment's carrier, and tells the index.
    fn renumber(
        &mut self,
        rules: &Rules,
        hops: &mut HopWriter,
        id: &ShipmentId,
        numbers: Vec<(UnitNo, NewNumber)>,
        entry: Timestamp,
    ) {
        let shipment = self.shipments.get(id).expect("a known shipment");
        let carrier = shipment.head.carrier;
        // First all removals, so that a swap finds every number free.
        for (no, number) in &numbers {
            let unit = shipment.unit(*no).expect("a unit of the shipment");
            if let Some(old) = &unit.tracking
                && number.as_ref().is_none_or(|(new, _)| *new != old.number)
            {
                send_remove(hops, NumberKey { number: old.number.clone(), carrier }, id, *no, entry);
            }
        }
        for (no, number) in numbers {
            keep_unit(&mut self.undo, self.epoch, shipment, no);
            let head = &shipment.head;
            let (created_at, fc, life_end) = (head.created_at, head.fc.clone(), head.life_end);
            let unit = shipment.unit_mut(no).expect("a unit of the shipment");
            let tracked_since = unit.tracking.as_ref().map_or(entry, |old| old.tracked_since);
            unit.tracking = number.map(|(number, validation)| Tracking {
                number,
                validation,
                entered_at: entry,
                tracked_since,
            });
            unit.generation += 1;
            unit.view = View::EMPTY;
            unit.conflict = None;
            if let Some(tracking) = &unit.tracking {
                let registration = Registration {
                    shipment: id.clone(),
                    unit: no,
                    from: created_at.plus_ms(-rules.settings.before_creation_ms),
                    to: life_end,
                    fc,
                    entered_at: tracking.entered_at,
                    generation: unit.generation,
                    retired: false,
                    cancelled: false,
                };
                send_register(hops, NumberKey { number: tracking.number.clone(), carrier }, registration);
            }
        }
    }

    /// Tells the index what all registrations are now; `anew` when they show something else from now on.
    fn announce(&mut self, rules: &Rules, hops: &mut HopWriter, id: &ShipmentId, anew: bool) {
        let shipment = self.shipments.get(id).expect("a known shipment");
        let numbers: Vec<UnitNo> =
            shipment.deciding().iter().filter(|unit| unit.tracking.is_some()).map(|unit| unit.no).collect();
        for no in numbers {
            if anew {
                keep_unit(&mut self.undo, self.epoch, shipment, no);
                shipment.unit_mut(no).expect("a unit of it").generation += 1;
            }
            let head = &shipment.head;
            let unit = shipment.unit(no).expect("a unit of it");
            let tracking = unit.tracking.as_ref().expect("filtered");
            let registration = Registration {
                shipment: id.clone(),
                unit: no,
                from: head.created_at.plus_ms(-rules.settings.before_creation_ms),
                to: head.life_end,
                fc: head.fc.clone(),
                entered_at: tracking.entered_at,
                generation: unit.generation,
                retired: false,
                cancelled: head.cancelled_at.is_some(),
            };
            let key = NumberKey { number: tracking.number.clone(), carrier: head.carrier };
            send_register(hops, key, registration);
        }
    }

    /// Takes over what a unit shows.
    pub fn box_event(
        &mut self,
        id: &ShipmentId,
        no: UnitNo,
        generation: u32,
        shown: Shown,
        sources: &Sources,
    ) {
        let Some(shipment) = self.shipments.get(id) else { return };
        let Shown { view, conflict } = shown;
        let conflict = conflict.map(Box::new);
        let current = shipment.unit(no).is_some_and(|unit| {
            unit.generation == generation && (unit.view != view || unit.conflict != conflict)
        });
        if !current {
            return;
        }
        keep_unit(&mut self.undo, self.epoch, shipment, no);
        let unit = shipment.unit_mut(no).expect("checked above");
        self.sources.note(id, no, &unit.view, &view, sources);
        unit.view = view;
        unit.conflict = conflict;
        self.mark(id, Cause::Scan, None);
        let pending = self.pending.get_mut(id).expect("just marked");
        for (_, source) in sources {
            note_source(pending, *source);
        }
    }

    /// What keeps an account from creating shipments, from now on.
    pub fn gate(&mut self, rules: &Rules, counters: &mut Counters, account: AccountId, gate: Gate) {
        if !self.gates.set(account, gate, rules.settings.accounts_max) {
            counters.gates_refused += 1;
        }
    }

    /// How many accounts are kept from creating shipments, now or soon.
    pub fn gates(&self) -> usize {
        self.gates.len()
    }

    /// The earliest time at which a shipment may be due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers.next_due()
    }

    /// Lets everything happen that is due at `now`.
    pub fn fire(&mut self, rules: &Rules, now: Timestamp) {
        while let Some((_, id)) = self.timers.pop_due(now) {
            let Some(shipment) = self.shipments.get(&id) else { continue };
            shipment.queued = Timestamp::MAX;
            let derived = derive(shipment, &rules.settings, &rules.fcs, &mut self.days);
            if derived.due <= now {
                keep_head(&mut self.undo, self.epoch, shipment);
                shipment.head.as_of = derived.due;
                self.mark(&id, Cause::Timer, None);
            } else if flush_due(shipment, rules) <= now {
                // Its timer is spent: taken back, the epoch must set it again.
                keep_head(&mut self.undo, self.epoch, shipment);
                self.mark(&id, Cause::Timer, None);
            } else {
                let due = derived.due.min(flush_due(shipment, rules));
                self.queue(&id, due);
            }
        }
    }

    fn queue(&mut self, id: &ShipmentId, due: Timestamp) {
        let shipment = self.shipments.get(id).expect("a known shipment");
        if due < shipment.queued {
            shipment.queued = due;
            self.timers.push(due, id.clone());
        }
    }

    fn mark(&mut self, id: &ShipmentId, cause: Cause, source: Option<Source>) {
        let shipment = self.shipments.get(id).expect("a known shipment");
        if shipment.marked != self.settling {
            shipment.marked = self.settling;
            self.marked.push(id.clone());
        }
        if !self.pending.contains_key(id) {
            let new = Pending { derived: None, cause, sources: SmallVec::new(), at_once: false };
            self.pending.insert(id.clone(), new);
        }
        let pending = self.pending.get_mut(id).expect("just inserted");
        pending.cause = pending.cause.max(cause);
        pending.at_once |= cause != Cause::Scan;
        if let Some(source) = source {
            note_source(pending, source);
        }
    }

    /// What follows from the facts, with everything that is due already. Nobody is told what holds only in between: the end
    /// of a life that moves to another time in the past would be lifted for a moment, and show what it hides.
    fn derive_until(&mut self, rules: &Rules, id: &ShipmentId, stream_time: Timestamp) -> Derived {
        loop {
            let shipment = self.shipments.get(id).expect("a marked shipment is known");
            let derived = derive(shipment, &rules.settings, &rules.fcs, &mut self.days);
            if derived.due > stream_time {
                return derived;
            }
            keep_head(&mut self.undo, self.epoch, shipment);
            shipment.head.as_of = derived.due;
            self.mark(id, Cause::Timer, None);
        }
    }

    /// Derives what changed, and tells the ledger and the index.
    pub fn settle(&mut self, rules: &Rules, hops: &mut HopWriter, stream_time: Timestamp) {
        let mut marked = std::mem::take(&mut self.marked);
        marked.sort_unstable();
        for id in &marked {
            let derived = self.derive_until(rules, id, stream_time);
            let shipment = self.shipments.get(id).expect("a marked shipment is known");
            let head = &shipment.head;
            let (judged, waiting) = (judged(&derived), waiting(shipment, derived.status));
            let life_moved = derived.life_end != head.life_end;
            if life_moved
                || derived.contributions != head.contributed
                || judged != head.verdict
                || waiting != head.waiting
            {
                keep_head(&mut self.undo, self.epoch, shipment);
                let account = shipment.head.account.clone();
                let before = std::mem::replace(&mut shipment.head.contributed, derived.contributions.clone());
                let judged_before = std::mem::replace(&mut shipment.head.verdict, judged);
                let waiting_before = std::mem::replace(&mut shipment.head.waiting, waiting);
                shipment.head.life_end = derived.life_end;
                self.total(&before, -1);
                self.total(&derived.contributions, 1);
                self.judge(&account, judged_before, -1);
                self.judge(&account, judged, 1);
                self.wait(waiting_before, -1);
                self.wait(waiting, 1);
                if life_moved {
                    self.announce(rules, hops, id, false);
                }
            }
            let shipment = self.shipments.get(id).expect("still known");
            if shipment.head.dirty_since.is_none() {
                keep_head(&mut self.undo, self.epoch, shipment);
                shipment.head.dirty_since = Some(stream_time);
            }
            if derived.retired {
                release(hops, shipment);
            }
            let due = derived.due;
            self.pending.get_mut(id).expect("a marked shipment is pending").derived = Some(derived);
            self.queue(id, due);
        }
        self.marked = marked;
        self.marked.clear();
        self.settling += 1;
        for key in std::mem::take(&mut self.totals_dirty) {
            let total = self.totals.get(&key).copied().unwrap_or_default();
            let hop = Hop::Subtotal { from: self.partition, key: key.clone(), total };
            hops.send(key.fc.as_str().as_bytes(), &hop);
        }
        for (account, day) in std::mem::take(&mut self.verdicts_dirty) {
            let verdicts = self.verdicts.get(&(account.clone(), day)).copied().unwrap_or_default();
            let hop = Hop::Verdicts { from: self.partition, account: account.clone(), day, verdicts };
            hops.send(account.as_str().as_bytes(), &hop);
        }
    }

    fn total(&mut self, contributions: &[(ArrivalKey, Subtotal)], sign: i64) {
        for (key, subtotal) in contributions {
            let total = self.totals.entry(key.clone()).or_default();
            total.add(subtotal, sign);
            if total.is_zero() {
                self.totals.remove(key);
            }
            self.totals_dirty.insert(key.clone());
        }
    }

    fn judge(&mut self, account: &AccountId, judged: Option<Judged>, sign: i64) {
        self.count(account, judged, sign);
        self.verdicts_dirty.extend(judged.map(|judged| (account.clone(), judged.day)));
    }

    /// As [`ShipmentStation::judge`], without telling the ledger.
    fn count(&mut self, account: &AccountId, judged: Option<Judged>, sign: i64) {
        let Some(Judged { day, defect, open }) = judged else { return };
        let key = (account.clone(), day);
        let verdicts = self.verdicts.entry(key.clone()).or_default();
        verdicts.evaluated += sign;
        verdicts.defective += sign * i64::from(defect);
        verdicts.unacknowledged += sign * i64::from(open);
        if *verdicts == Verdicts::default() {
            self.verdicts.remove(&key);
        }
    }

    fn wait(&mut self, (carrier, units): (CarrierId, u32), sign: i64) {
        let waiting = self.waiting.entry(carrier).or_default();
        *waiting += sign * i64::from(units);
        if *waiting == 0 {
            self.waiting.remove(&carrier);
        }
    }

    /// R24: how many boxes and PROs are waited for, by carrier.
    pub fn waiting(&self) -> &BTreeMap<CarrierId, i64> {
        &self.waiting
    }

    /// Lets a shipment go whose time is over. The ledger forgets its verdict on its own, and has nothing else of it.
    fn retire(&mut self, id: &ShipmentId) {
        let shipment = self.shipments.remove(id).expect("a pending shipment is known");
        self.boxes -= shipment.boxes.len() as u64;
        self.count(&shipment.head.account, shipment.head.verdict, -1);
        self.undo.push(Image::Retired(shipment));
    }
}

fn note_source(pending: &mut Pending, source: Source) {
    if pending.sources.contains(&source) {
        return;
    }
    if pending.sources.len() == SOURCES_MAX {
        pending.sources.remove(0);
    }
    pending.sources.push(source);
}

/// When a waiting change of `shipments` must be published.
fn flush_due(shipment: &Shipment, rules: &Rules) -> Timestamp {
    match shipment.head.dirty_since {
        Some(since) => since.plus_ms(rules.settings.shipments_conflation_ms),
        None => Timestamp::MAX,
    }
}

fn send_remove(hops: &mut HopWriter, key: NumberKey, shipment: &ShipmentId, unit: UnitNo, at: Timestamp) {
    let number = key.number.clone();
    hops.send(number.as_str().as_bytes(), &Hop::Remove { key, shipment: shipment.clone(), unit, at });
}

fn send_register(hops: &mut HopWriter, key: NumberKey, registration: Registration) {
    let number = key.number.clone();
    hops.send(number.as_str().as_bytes(), &Hop::Register { key, registration });
}

/// What the account's record is told. Of a shipment that goes, nothing is open any more.
fn judged(derived: &Derived) -> Option<Judged> {
    let is_open = |problem: &Problem| problem.kind.is_defect() && problem.status == ProblemStatus::Open;
    let open = !derived.retired && derived.problems.iter().any(is_open);
    derived.verdict.map(|(day, defect)| Judged { day, defect, open })
}

/// R24: the units whose carrier has still to bring them, under that carrier.
fn waiting(shipment: &Shipment, status: Status) -> (CarrierId, u32) {
    let is_waited_for = |unit: &&Unit| {
        let is_delivered = unit.view.current() == Some(Milestone::Delivered);
        unit.tracking.is_some() && !is_delivered && !unit.view.withdrawn()
    };
    let units = if (Status::ReadyToShip..Status::Delivered).contains(&status) {
        shipment.deciding().iter().filter(is_waited_for).count()
    } else {
        0
    };
    (shipment.head.carrier, u32::try_from(units).expect("at most 5,000 boxes"))
}

/// The numbers of a shipment that is gone serve it no longer.
fn release(hops: &mut HopWriter, shipment: &Shipment) {
    for unit in shipment.deciding() {
        let Some(tracking) = &unit.tracking else { continue };
        let key = NumberKey { number: tracking.number.clone(), carrier: shipment.head.carrier };
        let hop = Hop::Retire { key, shipment: shipment.id.clone(), unit: unit.no };
        hops.send(tracking.number.as_str().as_bytes(), &hop);
    }
}

fn new_shipment(
    id: &ShipmentId,
    carrier: CarrierId,
    fields: CreateShipment,
    entry: Timestamp,
    epoch: u64,
) -> Shipment {
    let boxes: Vec<Unit> = (0..)
        .zip(fields.boxes)
        .map(|(no, new)| Unit::new(UnitNo(no), Some(new.box_id), new.units, new.weight_g, entry, epoch))
        .collect();
    let is_freight = fields.mode.is_freight();
    let freight = is_freight.then(|| Box::new(Unit::new(UnitNo::FREIGHT, None, 0, 0, entry, epoch)));
    let head = Head {
        account: fields.account,
        fc: fields.fc,
        mode: fields.mode,
        carrier,
        carrier_name: fields.carrier_name,
        partnered: fields.partnered,
        pallets: fields.pallets,
        window: fields.delivery_window,
        cross_border: fields.cross_border,
        need_by: fields.need_by,
        created_at: fields.created_at.unwrap_or(entry),
        confirmed_at: None,
        bill_of_lading: None,
        reports: SmallVec::new(),
        cancelled_at: None,
        frozen: Vec::new(),
        acknowledged: Vec::new(),
        floor_since: None,
        entered_until: entry,
        as_of: entry,
        next_unit: u32::try_from(boxes.len()).expect("at most 5,000 boxes"),
        life_end: None,
        contributed: SmallVec::new(),
        verdict: None,
        waiting: (carrier, 0),
        published: Published::default(),
        dirty_since: None,
    };
    let shipment = Shipment::new(id.clone(), head, boxes, freight, VecDeque::new());
    Shipment { head_epoch: epoch, answers_epoch: epoch, ..shipment }
}
