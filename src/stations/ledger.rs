//! The ledger station, keyed by FC and by account: sums absolute subtotals into arrivals, and verdicts into standing.
//!
//! Enters: subtotals and verdicts, absolute, one per source partition and key; the ends of UTC days. Leaves: `arrivals` and
//! `accounts` (tombstones at zero), and gates as hops. Always true: a total is the sum of the latest subtotals of all source
//! partitions, whatever their order; a day's verdicts count until stream time is 122 days past its end; every account is
//! judged at the end of each UTC day that stream time reaches, once; what partitions were told of an account's gate is what
//! its record says. Accounts need no timers: stream time says which days were judged.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::hop::{ArrivalKey, Gate, Hop, HopWriter, Subtotal, Verdicts};
use super::standing::{Standing, acts_from, is_above};
use super::undo::Undo;
use super::{Counters, Documents, Rules};
use crate::model::{
    AccountDoc, AccountId, ArrivalsDoc, DAY_MS, Level, Partition, Settings, Timestamp, Topic,
    civil_from_days, json_bytes, stable_hash,
};

/// An entity of the ledger in the state log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the keys")]
pub enum LedgerKey {
    Arrivals(ArrivalKey),
    Account(AccountId),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Arrivals {
    by_source: BTreeMap<Partition, Subtotal>,
    published: u64,
}

impl Arrivals {
    fn is_vacant(&self) -> bool {
        self.by_source.is_empty() && self.published == 0
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Account {
    by_day: BTreeMap<(i64, Partition), Verdicts>,
    /// R16: its open defects, whatever their day.
    unacknowledged: i64,
    /// From when on they hold it back, if that is required.
    unacknowledged_from: Option<Timestamp>,
    standing: Standing,
    /// What the partitions were told.
    told: Gate,
    published: u64,
}

impl Account {
    fn is_vacant(&self) -> bool {
        let is_plain = self.standing == Standing::default();
        self.by_day.is_empty() && is_plain && self.told.is_open() && self.published == 0
    }

    /// Takes over a source partition's verdicts of a day; those of a day that counts no more only as far as they are open.
    fn take(&mut self, key: (i64, Partition), told: Verdicts, counts: bool) {
        let verdicts = if counts {
            told
        } else {
            Verdicts { unacknowledged: told.unacknowledged, ..Verdicts::default() }
        };
        let before = if verdicts == Verdicts::default() {
            self.by_day.remove(&key)
        } else {
            self.by_day.insert(key, verdicts)
        };
        self.unacknowledged += verdicts.unacknowledged - before.unwrap_or_default().unacknowledged;
    }

    /// Evaluated and defective shipments of the days that count.
    fn sum(&self, counts: impl Fn(i64) -> bool) -> (i64, i64) {
        let counted = self.by_day.iter().filter(|((day, _), _)| counts(*day));
        counted.fold((0, 0), |sum, (_, day)| (sum.0 + day.evaluated, sum.1 + day.defective))
    }

    /// How it stands after the judgements at the ends of the UTC days after `before` and up to `now`.
    fn judged(&self, settings: &Settings, before: Timestamp, now: Timestamp) -> Standing {
        let mut standing = self.standing;
        let mut at = next_day_end(before);
        let (first, last) = (self.by_day.keys().next(), self.by_day.keys().next_back());
        if let (true, Some((first, _))) = (standing == Standing::default(), first) {
            // Before its first verdict there is nothing to judge.
            at = at.max(day_end(*first));
        }
        while at <= now {
            let counts = |day| day_end(day) <= at && at < forgotten_at(settings, day);
            let (evaluated, defective) = self.sum(counts);
            standing = standing.judged(settings, at, is_above(settings, evaluated, defective));
            if evaluated == 0 && standing.is_plain() {
                // Nothing is left of it: it begins anew.
                standing = Standing::default();
                if last.is_none_or(|(last, _)| forgotten_at(settings, *last) <= at) {
                    break;
                }
            }
            at = at.plus_ms(DAY_MS);
        }
        standing
    }

    /// The verdicts that no longer count, but for what is still open of them.
    fn forgotten(&self, settings: &Settings, now: Timestamp) -> Vec<((i64, Partition), Verdicts)> {
        let days = self.by_day.iter().take_while(|((day, _), _)| forgotten_at(settings, *day) <= now);
        days.filter(|(_, day)| day.evaluated != 0).map(|(key, verdicts)| (*key, *verdicts)).collect()
    }

    /// What keeps it from creating shipments.
    fn gate(&self, settings: &Settings) -> Gate {
        Gate {
            restricted: self.standing.restricted,
            unacknowledged_from: self.unacknowledged_from.filter(|_| settings.require_acknowledgement),
        }
    }
}

/// What there was before; none: nothing.
#[derive(Debug)]
enum Image {
    Arrivals(ArrivalKey, Option<Arrivals>),
    Account(AccountId, Option<Account>),
}

/// The totals that a partition keeps.
#[derive(Debug, Default)]
pub struct LedgerStation {
    arrivals: BTreeMap<ArrivalKey, Arrivals>,
    accounts: BTreeMap<AccountId, Account>,
    undo: Undo<Image>,
    /// What the open epoch touched.
    touched: BTreeSet<LedgerKey>,
    /// What the sealed epoch touched.
    sealed: BTreeSet<LedgerKey>,
    changed: BTreeSet<LedgerKey>,
    /// How many accounts are at which level.
    levels: BTreeMap<Level, u64>,
}

impl LedgerStation {
    /// Takes over a source partition's total.
    pub fn subtotal(
        &mut self,
        rules: &Rules,
        counters: &mut Counters,
        from: Partition,
        key: ArrivalKey,
        total: Subtotal,
    ) {
        if !self.arrivals.contains_key(&key) && self.arrivals.len() as u64 >= rules.settings.arrivals_max {
            counters.ledger_refused += 1;
            return;
        }
        self.touch(LedgerKey::Arrivals(key.clone()));
        let arrivals = self.arrivals.entry(key).or_default();
        if total.is_zero() {
            arrivals.by_source.remove(&from);
        } else {
            arrivals.by_source.insert(from, total);
        }
    }

    /// Takes over a source partition's verdicts of a day.
    pub fn verdicts(
        &mut self,
        rules: &Rules,
        counters: &mut Counters,
        told: DayVerdicts,
        stream_time: Timestamp,
    ) {
        let DayVerdicts { from, account: id, day, verdicts } = told;
        if !self.accounts.contains_key(&id) && self.accounts.len() as u64 >= rules.settings.accounts_max {
            counters.ledger_refused += 1;
            return;
        }
        self.touch(LedgerKey::Account(id.clone()));
        if !self.accounts.contains_key(&id) {
            self.put(id.clone(), Some(Account::default()));
        }
        let account = self.accounts.get_mut(&id).expect("just put in");
        account.take((day, from), verdicts, stream_time < forgotten_at(&rules.settings, day));
        account.unacknowledged_from = match account.unacknowledged {
            0 => None,
            _ => account.unacknowledged_from.or(Some(acts_from(&rules.settings, stream_time))),
        };
    }

    fn touch(&mut self, key: LedgerKey) {
        if !self.touched.contains(&key) {
            self.undo.push(match &key {
                LedgerKey::Arrivals(key) => Image::Arrivals(key.clone(), self.arrivals.get(key).cloned()),
                LedgerKey::Account(key) => Image::Account(key.clone(), self.accounts.get(key).cloned()),
            });
            self.touched.insert(key.clone());
        }
        self.changed.insert(key);
    }

    /// How many totals of an FC, a day and a mode there are.
    pub fn arrivals(&self) -> usize {
        self.arrivals.len()
    }

    /// How many accounts have a record.
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// How many accounts are at a level.
    pub fn at_level(&self, level: Level) -> u64 {
        self.levels.get(&level).copied().unwrap_or_default()
    }

    /// Puts an account in, or takes it out, and counts its level.
    fn put(&mut self, id: AccountId, account: Option<Account>) {
        let level = account.as_ref().map(|account| account.standing.level);
        let before = match account {
            Some(account) => self.accounts.insert(id, account),
            None => self.accounts.remove(&id),
        };
        if let Some(before) = before {
            *self.levels.get_mut(&before.standing.level).expect("it was counted") -= 1;
        }
        if let Some(level) = level {
            *self.levels.entry(level).or_default() += 1;
        }
    }

    /// The earliest time at which an account may be due: all are judged at the end of the day.
    pub fn next_due(&self, stream_time: Timestamp) -> Option<Timestamp> {
        (!self.accounts.is_empty()).then(|| next_day_end(stream_time))
    }

    /// Judges all accounts at the ends of the UTC days after `before` and up to `now`, and forgets the days that no longer
    /// count.
    pub fn fire(&mut self, rules: &Rules, before: Timestamp, now: Timestamp) {
        if next_day_end(before) > now {
            return;
        }
        let settings = &rules.settings;
        let mut changed = Vec::new();
        for (id, account) in &self.accounts {
            let (standing, forgotten) =
                (account.judged(settings, before, now), account.forgotten(settings, now));
            // Whether acknowledgement is required may have been set anew.
            let is_told = account.gate(settings) == account.told;
            if standing != account.standing || !forgotten.is_empty() || !is_told {
                changed.push((id.clone(), standing, forgotten));
            }
        }
        for (id, standing, forgotten) in changed {
            self.touch(LedgerKey::Account(id.clone()));
            let mut account = self.accounts[&id].clone();
            account.standing = standing;
            forgotten.into_iter().for_each(|(key, verdicts)| account.take(key, verdicts, false));
            self.put(id, Some(account));
        }
    }

    /// Tells all partitions which gates changed.
    pub fn settle(&mut self, rules: &Rules, hops: &mut HopWriter) {
        for key in &self.changed {
            let LedgerKey::Account(id) = key else { continue };
            let account = self.accounts.get_mut(id).expect("changed");
            let gate = account.gate(&rules.settings);
            if gate != account.told {
                account.told = gate;
                hops.send_to_all(&Hop::Gate { account: id.clone(), gate });
            }
        }
    }

    /// Writes the totals that changed since the last publishing.
    pub fn publish(&mut self, out: &mut Documents<'_>) {
        for key in std::mem::take(&mut self.changed) {
            match key {
                LedgerKey::Arrivals(key) => self.publish_arrivals(&key, out),
                LedgerKey::Account(key) => self.publish_account(&key, out),
            }
        }
    }

    fn publish_arrivals(&mut self, key: &ArrivalKey, out: &mut Documents<'_>) {
        let arrivals = self.arrivals.get_mut(key).expect("changed");
        let mut total = Subtotal::default();
        arrivals.by_source.values().for_each(|subtotal| total.add(subtotal, 1));
        let day = match key.day {
            Some(day) => {
                let (year, month, day) = civil_from_days(i64::from(day));
                format!("{year:04}-{month:02}-{day:02}")
            }
            None => "UNSCHEDULED".to_owned(),
        };
        let record_key = format!("{}|{day}|{}", key.fc, key.mode.name());
        if total.is_zero() {
            if arrivals.published != 0 {
                out.document(Topic::Arrivals, record_key.as_bytes(), None);
            }
            arrivals.published = 0;
            return;
        }
        let value = json_bytes(&ArrivalsDoc {
            fc: key.fc.as_str(),
            day: &day,
            mode: key.mode,
            shipments: total.shipments,
            boxes: total.boxes,
            units: total.units,
            pallets: total.pallets,
            weight_g: total.weight_g,
            by_band: total.bands,
            late_risk: total.late_risk,
        });
        let fingerprint = stable_hash(&[&value]).max(1);
        if fingerprint != arrivals.published {
            arrivals.published = fingerprint;
            out.document(Topic::Arrivals, record_key.as_bytes(), Some(&value));
        }
    }

    fn publish_account(&mut self, id: &AccountId, out: &mut Documents<'_>) {
        let account = self.accounts.get_mut(id).expect("changed");
        let (evaluated, defective) = account.sum(|_| true);
        let unacknowledged = account.unacknowledged;
        let Standing { level, level_since, restricted, .. } = account.standing;
        if evaluated == 0 && unacknowledged == 0 && level == Level::Standard {
            if account.published != 0 {
                out.document(Topic::Accounts, id.as_str().as_bytes(), None);
            }
            account.published = 0;
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of shipments of one account")]
        let rate = if evaluated == 0 { 0.0 } else { defective as f64 / evaluated as f64 };
        let value = json_bytes(&AccountDoc {
            account: id.as_str(),
            evaluated,
            defective,
            rate,
            level,
            level_since,
            restricted_until: restricted.map(|restricted| restricted.until),
            unacknowledged,
        });
        let fingerprint = stable_hash(&[&value]).max(1);
        if fingerprint != account.published {
            account.published = fingerprint;
            out.document(Topic::Accounts, id.as_str().as_bytes(), Some(&value));
        }
    }

    /// Whether this epoch changed anything.
    pub fn is_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// What this epoch changed, as it is now; none: gone.
    pub fn delta(&self, mut sink: impl FnMut(&LedgerKey, Option<&[u8]>)) {
        for key in &self.touched {
            self.write(key, &mut sink);
        }
    }

    /// Everything for which `wanted` holds, in the order of the keys.
    pub fn image(
        &self,
        wanted: impl Fn(&LedgerKey) -> bool,
        mut sink: impl FnMut(&LedgerKey, Option<&[u8]>),
    ) {
        let arrivals = self.arrivals.keys().cloned().map(LedgerKey::Arrivals);
        let accounts = self.accounts.keys().cloned().map(LedgerKey::Account);
        for key in arrivals.chain(accounts).filter(wanted) {
            self.write(&key, &mut sink);
        }
    }

    fn write(&self, key: &LedgerKey, sink: &mut impl FnMut(&LedgerKey, Option<&[u8]>)) {
        let bytes = match key {
            LedgerKey::Arrivals(arrival) => {
                self.arrivals.get(arrival).filter(|a| !a.is_vacant()).map(postcard::to_stdvec)
            }
            LedgerKey::Account(account) => {
                self.accounts.get(account).filter(|a| !a.is_vacant()).map(postcard::to_stdvec)
            }
        };
        let bytes = bytes.map(|bytes| bytes.expect("totals always serialise into memory"));
        sink(key, bytes.as_deref());
    }

    /// Takes over an entity from the state log; none: it is gone.
    pub fn load(&mut self, key: LedgerKey, bytes: Option<&[u8]>) -> Result<(), postcard::Error> {
        match (key, bytes) {
            (LedgerKey::Arrivals(key), Some(bytes)) => {
                self.arrivals.insert(key, postcard::from_bytes(bytes)?);
            }
            (LedgerKey::Arrivals(key), None) => {
                self.arrivals.remove(&key);
            }
            (LedgerKey::Account(key), Some(bytes)) => {
                let account = postcard::from_bytes(bytes)?;
                self.put(key, Some(account));
            }
            (LedgerKey::Account(key), None) => self.put(key, None),
        }
        Ok(())
    }

    /// Ends the open epoch.
    pub fn seal(&mut self) {
        self.undo.seal();
        self.sealed = std::mem::take(&mut self.touched);
    }

    /// Keeps what the sealed epoch did.
    pub fn commit(&mut self) {
        self.undo.commit();
        for key in std::mem::take(&mut self.sealed) {
            // What the open epoch touched is for its own end.
            if !self.touched.contains(&key) {
                self.drop_if_vacant(key);
            }
        }
    }

    fn drop_if_vacant(&mut self, key: LedgerKey) {
        match key {
            LedgerKey::Arrivals(key) if self.arrivals.get(&key).is_some_and(Arrivals::is_vacant) => {
                self.arrivals.remove(&key);
            }
            LedgerKey::Account(key) if self.accounts.get(&key).is_some_and(Account::is_vacant) => {
                self.put(key, None);
            }
            LedgerKey::Arrivals(_) | LedgerKey::Account(_) => {}
        }
    }

    /// Takes back what was not committed.
    pub fn rollback(&mut self) {
        while let Some(image) = self.undo.pop() {
            match image {
                Image::Arrivals(key, Some(before)) => {
                    self.arrivals.insert(key, before);
                }
                Image::Arrivals(key, None) => {
                    self.arrivals.remove(&key);
                }
                Image::Account(key, before) => self.put(key, before),
            }
        }
        // What an epoch made vacant while it was sealed, and the open one touched.
        for key in std::mem::take(&mut self.touched).into_iter().chain(std::mem::take(&mut self.sealed)) {
            self.drop_if_vacant(key);
        }
        self.changed.clear();
    }
}

/// Verdicts of one source partition for an account and a UTC day, on their way into the account's record.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are those of the hop")]
pub struct DayVerdicts {
    pub from: Partition,
    pub account: AccountId,
    pub day: i64,
    pub verdicts: Verdicts,
}

fn day_end(day: i64) -> Timestamp {
    Timestamp((day + 1) * DAY_MS)
}

/// The first end of a UTC day after `at`.
fn next_day_end(at: Timestamp) -> Timestamp {
    day_end(at.utc_day())
}

/// When a day's verdicts no longer count.
pub(super) fn forgotten_at(settings: &Settings, day: i64) -> Timestamp {
    day_end(day).plus_ms(settings.standing_ms)
}
