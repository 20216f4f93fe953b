//! The twin's world: all numbers, all shipments, and time (rulebook §1, §4, §6.12).
//!
//! Enters: decoded records in the order of time. Leaves: facts that everything shown is computed from. Always true: a
//! record is done with everything it leads to before the next one begins.

use std::collections::{BTreeMap, BTreeSet};

use dockside::model::{
    AccountId, Command, CommandBody, CommandErrorCode, CommandId, CommandKind, DeadLetterReason, Ignored,
    Milestone, NumberKey, Outcome, ProblemStatus, Scan, ShipmentId, Status, Timestamp,
};

use super::commands::{Decision, Remark, Rules};
use super::progress::{Progress, View};
use super::shipment::{Judged, Shipment, counts_until};
use super::standing::{Account, day_ends};

/// What became of every scan that was read (R18). Beside them `BAD_COMMAND` counts records that are no command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) read: u64,
    /// Applied and duplicate.
    pub(crate) taken: u64,
    pub(crate) ignored: BTreeMap<Ignored, u64>,
    pub(crate) parked: u64,
    pub(crate) dead_lettered: BTreeMap<DeadLetterReason, u64>,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandOutcome {
    pub(crate) command_id: String,
    pub(crate) shipment_id: String,
    pub(crate) kind: CommandKind,
    pub(crate) outcome: Outcome,
    pub(crate) errors: Vec<Remark>,
    pub(crate) warnings: Vec<Remark>,
}

#[derive(Clone, Debug, Default)]
struct Number {
    progress: Progress,
    was_registered: bool,
    /// Scans that wait for a registration.
    parked: u64,
    /// The largest record timestamp of its scans.
    newest_record: Timestamp,
}

/// A unit that has a number now; what `registrations` lists per number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Holder {
    entry: Timestamp,
    shipment: ShipmentId,
    unit: usize,
}

/// Where the registration of a retired shipment began and ended: older ones go on giving way to it.
#[derive(Clone, Copy, Debug)]
struct Ghost {
    from: Timestamp,
    end: Timestamp,
}

#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) rules: Rules<'a>,
    numbers: BTreeMap<NumberKey, Number>,
    pub(crate) shipments: BTreeMap<ShipmentId, Shipment>,
    /// Made anew from the shipments after every command; in the order of entries.
    registrations: BTreeMap<NumberKey, BTreeSet<Holder>>,
    ghosts: BTreeMap<NumberKey, BTreeMap<Holder, Ghost>>,
    /// R19: boxes that had a number once, and from when to when.
    past: BTreeMap<NumberKey, Vec<(ShipmentId, Timestamp, Timestamp)>>,
    /// How many shipments were retired.
    pub(crate) retired: u64,
    /// R11: scans that waited for the registration of their number.
    pub(crate) unparked: u64,
    results: BTreeMap<(ShipmentId, CommandId), CommandOutcome>,
    /// Accounts that were ever judged or have an open defect.
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    pub(crate) outcomes: Vec<CommandOutcome>,
    pub(crate) counts: Counts,
    pub(crate) stream_time: Timestamp,
}

impl<'a> World<'a> {
    pub(crate) fn new(rules: Rules<'a>) -> Self {
        World {
            rules,
            numbers: BTreeMap::new(),
            shipments: BTreeMap::new(),
            registrations: BTreeMap::new(),
            ghosts: BTreeMap::new(),
            past: BTreeMap::new(),
            retired: 0,
            unparked: 0,
            results: BTreeMap::new(),
            accounts: BTreeMap::new(),
            outcomes: Vec::new(),
            counts: Counts::default(),
            stream_time: Timestamp::MIN,
        }
    }

    pub(crate) fn judged<'s>(&'s self, shipment: &'s Shipment, views: &'s [View]) -> Judged<'s> {
        let yard_dwell_ms = self.rules.settings.yard_dwell_ms;
        Judged { shipment, views, fcs: self.rules.fcs, yard_dwell_ms }
    }

    pub(crate) fn dead_letter(&mut self, reason: DeadLetterReason) {
        self.counts.read += u64::from(reason != DeadLetterReason::BadCommand);
        *self.counts.dead_lettered.entry(reason).or_default() += 1;
    }

    // --- numbers ---------------------------------------------------------------------------------------------------

    /// R10, R11: from when on scans belong to the shipment.
    fn from(&self, shipment: &Shipment) -> Timestamp {
        shipment.created_at.plus_ms(-self.rules.settings.before_creation_ms)
    }

    fn holders(&self, key: &NumberKey) -> impl Iterator<Item = &Holder> {
        self.registrations.get(key).into_iter().flatten()
    }

    fn ghosts(&self, key: &NumberKey) -> impl Iterator<Item = (&Holder, &Ghost)> {
        self.ghosts.get(key).into_iter().flatten()
    }

    /// §2.4.
    fn floor(&self, key: &NumberKey) -> Option<Timestamp> {
        let standing = self.holders(key).map(|holder| self.from(&self.shipments[&holder.shipment]));
        standing.chain(self.ghosts(key).map(|(_, ghost)| ghost.from)).min()
    }

    /// §4.2: the first instant that is no longer the holder's.
    fn to(&self, key: &NumberKey, holder: &Holder) -> Option<Timestamp> {
        let shipment = &self.shipments[&holder.shipment];
        let newer =
            self.holders(key).filter(|other| *other > holder).map(|other| &self.shipments[&other.shipment]);
        let overtaken = newer
            .filter(|newer| !newer.is_freight() && !shipment.is_freight() && newer.cancelled.is_none())
            .filter(|newer| newer.own_end().is_none_or(|end| end > self.from(newer)))
            .map(|newer| self.from(newer))
            .min();
        let newer = self.ghosts(key).filter(|(other, ghost)| *other > holder && ghost.end > ghost.from);
        let overtaken_once = newer.map(|(_, ghost)| ghost.from).min().filter(|_| !shipment.is_freight());
        [shipment.own_end(), overtaken, overtaken_once].into_iter().flatten().min()
    }

    /// R19: the last time at which another shipment had the number of a box too. Found by standing at every beginning and
    /// end, and looking who has it.
    fn conflict(&self, key: &NumberKey, holder: &Holder) -> Option<(Timestamp, Option<Timestamp>)> {
        let mine = &self.shipments[&holder.shipment];
        if mine.is_freight() {
            return None;
        }
        let end = |shipment: &Shipment| shipment.own_end().unwrap_or(Timestamp::MAX);
        let mut others: Vec<(Timestamp, Timestamp)> = Vec::new();
        for other in self.holders(key).filter(|other| other.shipment != holder.shipment) {
            let shipment = &self.shipments[&other.shipment];
            if !shipment.is_freight() {
                others.push((other.entry, end(shipment)));
            }
        }
        for (id, since, until) in self.past.get(key).into_iter().flatten() {
            if *id != holder.shipment {
                others.push((*since, *until));
            }
        }
        let is_shared = |at: Timestamp| {
            let is_mine = holder.entry <= at && at < end(mine);
            is_mine && others.iter().any(|(since, until)| *since <= at && at < *until)
        };
        let mut moments: BTreeSet<Timestamp> = BTreeSet::from([holder.entry, end(mine)]);
        moments.extend(others.iter().flat_map(|(since, until)| [*since, *until]));
        let (mut last, mut was_shared) = (None, false);
        for moment in moments.into_iter().filter(|moment| *moment != Timestamp::MAX) {
            match (was_shared, is_shared(moment)) {
                (false, true) => last = Some((moment, None)),
                (true, false) => last = last.map(|(opened, _)| (opened, Some(moment))),
                _ => {}
            }
            was_shared = is_shared(moment);
        }
        last
    }

    /// What the units of a shipment show now.
    pub(crate) fn views(&self, shipment: &Shipment) -> Vec<View> {
        let view = |(unit, registration): (usize, Option<&super::shipment::Registration>)| {
            let Some(registration) = registration else { return View::default() };
            let key = shipment.key(registration);
            let holder = Holder { entry: registration.entry, shipment: shipment.id.clone(), unit };
            let progress = &self.numbers[&key].progress;
            let (from, to) = (self.from(shipment), self.to(&key, &holder));
            let view = progress.view(from, to, &shipment.fc);
            let delivered = view.delivered().filter(|_| view.current == Some(Milestone::Delivered));
            let for_good = |at| progress.is_delivered_for_good(from, to, &shipment.fc, at);
            View {
                delivered_for_good: delivered.is_some_and(for_good),
                conflict: self.conflict(&key, &holder),
                ..view
            }
        };
        shipment.units().into_iter().map(|(registration, _)| registration).enumerate().map(view).collect()
    }

    fn keys(shipment: &Shipment) -> BTreeSet<NumberKey> {
        shipment
            .units()
            .into_iter()
            .filter_map(|(registration, _)| Some(shipment.key(registration?)))
            .collect()
    }

    /// §1.3.
    pub(crate) fn scan(&mut self, scan: &Scan, record: Timestamp) {
        self.counts.read += 1;
        let at = scan.event_time.timestamp();
        let says_something = scan.eta.is_some() || scan.appointment.is_some() || !scan.retracts.is_empty();
        if !scan.code_known && !says_something {
            return self.ignore(Ignored::UnknownCode);
        }
        if self.floor(&scan.key).is_some_and(|floor| at < floor) {
            return self.ignore(Ignored::EarlierLife);
        }
        let number = self.numbers.entry(scan.key.clone()).or_default();
        number.progress.join(scan);
        number.newest_record = record.max(number.newest_record);
        let was_registered = number.was_registered;
        if !was_registered {
            number.parked += 1;
            self.counts.parked += 1;
            return;
        }
        let has_holders = self.holders(&scan.key).next().is_some();
        let is_taken = self.holders(&scan.key).any(|holder| {
            let shipment = &self.shipments[&holder.shipment];
            let inside = self.from(shipment) <= at && self.to(&scan.key, holder).is_none_or(|to| at < to);
            shipment.own_end().is_none() && inside
        });
        match (is_taken, has_holders) {
            (true, _) => self.counts.taken += 1,
            (false, true) => self.ignore(Ignored::Ended),
            (false, false) => self.ignore(Ignored::OldCarrier),
        }
        self.settle_holders(&BTreeSet::from([scan.key.clone()]));
    }

    fn ignore(&mut self, why: Ignored) {
        *self.counts.ignored.entry(why).or_default() += 1;
    }

    // --- commands --------------------------------------------------------------------------------------------------

    pub(crate) fn command(&mut self, command: &Command, entry: Timestamp) {
        let memory = (command.shipment_id.clone(), command.command_id.clone());
        if let Some(first) = self.results.get(&memory) {
            return self.outcomes.push(first.clone());
        }
        let decision = self.decide(command, entry);
        let (outcome, errors, warnings) = match &decision {
            Ok((_, warnings)) => (Outcome::Accepted, Vec::new(), warnings.clone()),
            Err(errors) => (Outcome::Rejected, errors.clone(), Vec::new()),
        };
        let outcome = CommandOutcome {
            command_id: command.command_id.to_string(),
            shipment_id: command.shipment_id.to_string(),
            kind: command.kind,
            outcome,
            errors,
            warnings,
        };
        if let (Ok((after, _)), false) = (decision, command.dry_run) {
            self.take(after, entry);
        }
        if !command.dry_run && self.shipments.contains_key(&command.shipment_id) {
            self.results.insert(memory, outcome.clone());
        }
        self.outcomes.push(outcome);
    }

    fn decide(&self, command: &Command, entry: Timestamp) -> Decision {
        let refuse = |code| Err(vec![Remark { code, box_id: None }]);
        let Ok(body) = &command.body else { return refuse(CommandErrorCode::InvalidCommand) };
        let known = self.shipments.get(&command.shipment_id);
        match (body, known) {
            (CommandBody::CreateShipment(_), Some(_)) => refuse(CommandErrorCode::ShipmentExists),
            (CommandBody::CreateShipment(create), None) => {
                let account = self.accounts.get(&create.account);
                let held_back = account.map(|account| account.holds_back(self.rules.settings, entry));
                if let Some(codes) = held_back.filter(|codes| !codes.is_empty()) {
                    return Err(codes.into_iter().map(|code| Remark { code, box_id: None }).collect());
                }
                self.rules.create(&command.shipment_id, create, entry)
            }
            (_, None) => refuse(CommandErrorCode::UnknownShipment),
            (_, Some(shipment)) if shipment.cancelled.is_some() => {
                refuse(CommandErrorCode::ShipmentCancelled)
            }
            (_, Some(shipment)) => {
                let views = self.views(shipment);
                let judged = self.judged(shipment, &views);
                self.rules.change(shipment, judged.status(), &judged.problems(), body, entry)
            }
        }
    }

    /// An accepted command's shipment takes the place of the one before.
    fn take(&mut self, mut after: Shipment, entry: Timestamp) {
        let id = after.id.clone();
        let before = self.shipments.get(&id).cloned();
        if before.as_ref() == Some(&after) {
            return;
        }
        after.newest_entry = entry.max(after.newest_entry);
        after.as_of = entry.max(after.as_of);
        let views_before = before.as_ref().map(|before| self.views(before));
        if let (Some(_), Some(before), Some(views)) = (after.cancelled, &before, &views_before) {
            let at_the_end = Shipment { as_of: after.as_of, ..before.clone() };
            after.frozen = self.judged(&at_the_end, views).problems();
            for problem in &mut after.frozen {
                problem.status = dockside::model::ProblemStatus::Resolved;
                problem.resolved_at.get_or_insert(entry);
            }
        }
        let mut touched = Self::keys(&after);
        touched.extend(before.as_ref().map(Self::keys).unwrap_or_default());
        if let Some(before) = &before {
            self.remember(before, &after, entry);
        }
        self.shipments.insert(id.clone(), after);
        self.register_anew(&touched);

        // The floor: shipped before the command, or shipped after it by what its units showed already; a number that
        // the command registered shows nothing yet.
        let shipment = &self.shipments[&id];
        let mut views = self.views(shipment);
        let kept = before.as_ref().map(units_by_name).unwrap_or_default();
        for (name, unit) in units_by_name(shipment) {
            if kept.get(&name).is_none_or(|known| known.1 != unit.1) {
                views[unit.0] = View::default();
            }
        }
        let status = self.judged(shipment, &views).status();
        let was_shipped = before
            .zip(views_before)
            .is_some_and(|(shipment, views)| self.judged(&shipment, &views).status() >= Status::Shipped);
        if (was_shipped || status >= Status::Shipped) && status != Status::Cancelled {
            self.shipments.get_mut(&id).expect("just put in").floor_since.get_or_insert(entry);
        }
        self.settle(&id);
        self.settle_holders(&touched);
    }

    /// R19: which numbers its boxes had until this entry.
    fn remember(&mut self, before: &Shipment, after: &Shipment, entry: Timestamp) {
        if before.is_freight() {
            return;
        }
        for parcel in &before.boxes {
            let Some(had) = &parcel.registration else { continue };
            let still = after.boxes.iter().find(|other| other.id == parcel.id);
            let has = still.and_then(|still| still.registration.as_ref());
            if has.is_none_or(|has| (after.key(has), has.entry) != (before.key(had), had.entry)) {
                let until = before.own_end().map_or(entry, |end| end.min(entry));
                let tenure = (before.id.clone(), had.entry, until);
                self.past.entry(before.key(had)).or_default().push(tenure);
            }
        }
    }

    /// Registrations are what the shipments say. Newly registered numbers bring their parked scans along; floors move.
    fn register_anew(&mut self, touched: &BTreeSet<NumberKey>) {
        self.registrations.clear();
        for shipment in self.shipments.values() {
            for (unit, (registration, _)) in shipment.units().into_iter().enumerate() {
                let Some(registration) = registration else { continue };
                let holder = Holder { entry: registration.entry, shipment: shipment.id.clone(), unit };
                self.registrations.entry(shipment.key(registration)).or_default().insert(holder);
            }
        }
        for key in touched {
            self.lay_ghosts(key);
            let Some(floor) = self.floor(key) else { continue };
            let number = self.numbers.entry(key.clone()).or_default();
            number.progress.cut(floor);
            number.was_registered = true;
            self.counts.parked -= number.parked;
            self.counts.taken += number.parked;
            self.unparked += number.parked;
            number.parked = 0;
        }
    }

    /// §4.5: ghosts are for older boxes that stand.
    fn lay_ghosts(&mut self, key: &NumberKey) {
        let standing: Vec<Holder> = self.holders(key).cloned().collect();
        let oldest = standing.iter().find(|holder| !self.shipments[&holder.shipment].is_freight()).cloned();
        if let Some(ghosts) = self.ghosts.get_mut(key) {
            ghosts.retain(|ghost, _| {
                let lives_again = standing.iter().any(|holder| holder.shipment == ghost.shipment);
                oldest.as_ref().is_some_and(|oldest| oldest < ghost) && !lives_again
            });
        }
    }

    /// §6.13, §4.5: nothing of it is left, and numbers that no other shipment has are unknown again.
    fn retire(&mut self, id: &ShipmentId) {
        let shipment = self.shipments.remove(id).expect("it is due");
        self.note_defects(id, &shipment.account, false);
        self.retired += 1;
        self.results.retain(|(of, _), _| of != id);
        let keys = Self::keys(&shipment);
        if !shipment.is_freight() {
            let ghost = Ghost {
                from: self.from(&shipment),
                end: shipment.own_end().expect("it was closed or cancelled"),
            };
            for (unit, (registration, _)) in shipment.units().into_iter().enumerate() {
                let Some(registration) = registration else { continue };
                let holder = Holder { entry: registration.entry, shipment: id.clone(), unit };
                let tenure = (id.clone(), registration.entry, ghost.end);
                self.past.entry(shipment.key(registration)).or_default().push(tenure);
                if shipment.cancelled.is_none() {
                    self.ghosts.entry(shipment.key(registration)).or_default().insert(holder, ghost);
                }
            }
        }
        self.register_anew(&keys);
        for key in keys {
            if self.holders(&key).next().is_none() {
                self.numbers.remove(&key);
                self.past.remove(&key);
            }
        }
    }

    // --- what follows from the facts -------------------------------------------------------------------------------

    fn settle_holders(&mut self, keys: &BTreeSet<NumberKey>) {
        let holders = keys.iter().flat_map(|key| self.holders(key));
        let shipments: BTreeSet<ShipmentId> = holders.map(|holder| holder.shipment.clone()).collect();
        for id in &shipments {
            self.settle(id);
        }
    }

    /// The facts that follow from what is shown: the end of the numbers' life moves with the delivery.
    /// Returns what the units show then.
    fn settle(&mut self, id: &ShipmentId) -> Vec<View> {
        // Moving the end can hide or bring back scans, so that the delivery moves again.
        for _ in 0..16 {
            let shipment = &self.shipments[id];
            let views = self.views(shipment);
            let judged = self.judged(shipment, &views);
            let life_end = judged
                .life_ends(self.rules.settings.life_after_delivery_ms)
                .filter(|end| *end <= self.stream_time);
            let is_settled = life_end == shipment.life_end;
            let shipment = self.shipments.get_mut(id).expect("it was just read");
            shipment.life_end = life_end;
            if is_settled {
                let shipment = &self.shipments[id];
                let problems = self.judged(shipment, &views).problems();
                let is_open = problems.iter().any(|p| p.kind.is_defect() && p.status == ProblemStatus::Open);
                let account = shipment.account.clone();
                self.note_defects(id, &account, is_open);
                return views;
            }
        }
        panic!("the life of the numbers of {id} has no end that it stays at");
    }

    /// R16: what is open of an account, and from when on that holds it back.
    fn note_defects(&mut self, id: &ShipmentId, account: &AccountId, is_open: bool) {
        let (settings, now) = (self.rules.settings, self.stream_time);
        if is_open {
            self.accounts.entry(account.clone()).or_default().opened(id, settings, now);
        } else if let Some(account) = self.accounts.get_mut(account) {
            account.ended(id);
        }
    }

    // --- time ------------------------------------------------------------------------------------------------------

    pub(crate) fn tick(&mut self, tick: Timestamp) {
        let before = self.stream_time;
        self.stream_time = self.stream_time.max(tick.plus_ms(-self.rules.settings.grace_ms));
        self.expire_parked();
        let settings = self.rules.settings;
        let ids: Vec<ShipmentId> = self.shipments.keys().cloned().collect();
        let mut views: BTreeMap<ShipmentId, Vec<View>> = BTreeMap::new();
        let mut dues: BTreeSet<(Timestamp, ShipmentId)> = BTreeSet::new();
        for id in ids {
            let shipment = &self.shipments[&id];
            let shown = self.views(shipment);
            dues.extend(self.judged(shipment, &shown).next_due(settings).map(|due| (due, id.clone())));
            views.insert(id, shown);
        }
        let mut day_ends = day_ends(before, self.stream_time, self.first_verdict(&views)).peekable();
        while let Some((due, id)) = dues.pop_first() {
            if due > self.stream_time {
                break;
            }
            while let Some(day_end) = day_ends.next_if(|day_end| *day_end <= due) {
                self.judge_accounts(day_end, &views);
            }
            if self.judged(&self.shipments[&id], &views[&id]).retires_at(settings) == Some(due) {
                self.retire(&id);
                continue;
            }
            self.shipments.get_mut(&id).expect("it is due").as_of = due;
            let shipment = &self.shipments[&id];
            let life_ends = self.judged(shipment, &views[&id]).life_ends(settings.life_after_delivery_ms);
            if life_ends == Some(due) {
                let shown = self.settle(&id);
                views.insert(id.clone(), shown);
            }
            let shipment = &self.shipments[&id];
            let next = self.judged(shipment, &views[&id]).next_due(settings);
            dues.extend(next.map(|due| (due, id)));
        }
        day_ends.for_each(|day_end| self.judge_accounts(day_end, &views));
    }

    /// When the first of all shipments that were ever evaluated was, as far as anybody still knows.
    fn first_verdict(&self, views: &BTreeMap<ShipmentId, Vec<View>>) -> Option<Timestamp> {
        let verdict = |(id, shipment)| self.judged(shipment, &views[id]).verdict_time();
        let judged = self.accounts.values().filter_map(Account::first_judgement);
        self.shipments.iter().filter_map(verdict).chain(judged).min()
    }

    /// R15: at the end of a UTC day.
    fn judge_accounts(&mut self, day_end: Timestamp, views: &BTreeMap<ShipmentId, Vec<View>>) {
        let settings = self.rules.settings;
        let mut counts: BTreeMap<AccountId, (i64, i64)> = BTreeMap::new();
        for (id, shipment) in &self.shipments {
            let judged = self.judged(shipment, &views[id]);
            let Some(at) = judged.verdict_time() else { continue };
            if at < day_end && day_end < counts_until(settings, at) {
                let (evaluated, defective) = counts.entry(shipment.account.clone()).or_default();
                *evaluated += 1;
                *defective += i64::from(judged.problems().iter().any(|problem| problem.kind.is_defect()));
            }
        }
        for id in counts.keys() {
            self.accounts.entry(id.clone()).or_default();
        }
        for (id, account) in &mut self.accounts {
            account.judge(settings, day_end, counts.get(id).copied().unwrap_or_default());
        }
    }

    /// R11.
    fn expire_parked(&mut self) {
        let (stream_time, park_ms) = (self.stream_time, self.rules.settings.park_ms);
        let counts = &mut self.counts;
        self.numbers.retain(|_, number| {
            let is_expired = number.parked > 0 && number.newest_record.plus_ms(park_ms) <= stream_time;
            if is_expired {
                counts.parked -= number.parked;
                *counts.dead_lettered.entry(DeadLetterReason::ParkExpired).or_default() += number.parked;
            }
            !is_expired
        });
    }
}

/// Units with their position and what their view depends on: number, carrier and FC.
fn units_by_name(shipment: &Shipment) -> BTreeMap<String, (usize, Option<(NumberKey, String)>)> {
    let name = |unit: usize| {
        if shipment.is_freight() { String::new() } else { shipment.boxes[unit].id.to_string() }
    };
    let view_of = |registration| (shipment.key(registration), shipment.fc.to_string());
    let units = shipment.units().into_iter().enumerate();
    units.map(|(unit, (registration, _))| (name(unit), (unit, registration.map(view_of)))).collect()
}
