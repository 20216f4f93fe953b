//! The ledger station, keyed by FC and by account: sums absolute subtotals into arrivals, and verdicts into standing.
//!
//! Enters: subtotals and verdicts, absolute, one per source partition and key. Leaves: `arrivals` and `accounts` (tombstones
//! at zero). Always true: a total is the sum of the latest subtotals of all source partitions, whatever their order;
//! a day's verdicts count until stream time is 122 days past its end.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::hop::{ArrivalKey, Subtotal, Verdicts};
use super::timers::Timers;
use super::{Documents, Rules};
use crate::model::{
    AccountDoc, AccountId, ArrivalsDoc, DAY_MS, Partition, Settings, Timestamp, Topic, civil_from_days,
    stable_hash,
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

impl Account {
    fn is_vacant(&self) -> bool {
        self.by_day.is_empty() && self.published == 0
    }
}

impl Arrivals {
    fn is_vacant(&self) -> bool {
        self.by_source.is_empty() && self.published == 0
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Account {
    by_day: BTreeMap<(i64, Partition), Verdicts>,
    published: u64,
}

#[derive(Debug)]
enum Undo {
    Arrivals(ArrivalKey, Option<Arrivals>),
    Account(AccountId, Option<Account>),
}

/// The totals that a partition keeps.
#[derive(Debug, Default)]
pub struct LedgerStation {
    arrivals: BTreeMap<ArrivalKey, Arrivals>,
    accounts: BTreeMap<AccountId, Account>,
    undo: Vec<Undo>,
    touched: BTreeSet<LedgerKey>,
    changed: BTreeSet<LedgerKey>,
    timers: Timers<AccountId>,
}

impl LedgerStation {
    /// Takes over a source partition's total.
    pub fn subtotal(&mut self, from: Partition, key: ArrivalKey, total: Subtotal) {
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
        from: Partition,
        account: AccountId,
        day: i64,
        verdicts: Verdicts,
    ) {
        self.touch(LedgerKey::Account(account.clone()));
        let entry = self.accounts.entry(account.clone()).or_default();
        if verdicts == Verdicts::default() {
            entry.by_day.remove(&(day, from));
        } else {
            entry.by_day.insert((day, from), verdicts);
        }
        self.queue(rules, &account);
    }

    fn touch(&mut self, key: LedgerKey) {
        if !self.touched.contains(&key) {
            self.undo.push(match &key {
                LedgerKey::Arrivals(key) => Undo::Arrivals(key.clone(), self.arrivals.get(key).cloned()),
                LedgerKey::Account(key) => Undo::Account(key.clone(), self.accounts.get(key).cloned()),
            });
            self.touched.insert(key.clone());
        }
        self.changed.insert(key);
    }

    fn queue(&mut self, rules: &Rules, account: &AccountId) {
        let oldest = self.accounts.get(account).and_then(|a| a.by_day.keys().next());
        if let Some((day, _)) = oldest {
            self.timers.push(forgotten_at(&rules.settings, *day), account.clone());
        }
    }

    /// The earliest time at which an account may be due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers.next_due()
    }

    /// Forgets the days that no longer count.
    pub fn fire(&mut self, rules: &Rules, now: Timestamp) {
        while let Some((_, id)) = self.timers.pop_due(now) {
            let Some(account) = self.accounts.get(&id) else { continue };
            let gone: Vec<_> = account
                .by_day
                .keys()
                .copied()
                .take_while(|(day, _)| forgotten_at(&rules.settings, *day) <= now)
                .collect();
            if !gone.is_empty() {
                self.touch(LedgerKey::Account(id.clone()));
                let account = self.accounts.get_mut(&id).expect("looked up above");
                for key in gone {
                    account.by_day.remove(&key);
                }
                self.queue(rules, &id);
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
        let value = serde_json::to_vec(&ArrivalsDoc {
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
        })
        .expect("documents always serialise into memory");
        let fingerprint = stable_hash(&[&value]).max(1);
        if fingerprint != arrivals.published {
            arrivals.published = fingerprint;
            out.document(Topic::Arrivals, record_key.as_bytes(), Some(&value));
        }
    }

    fn publish_account(&mut self, id: &AccountId, out: &mut Documents<'_>) {
        let account = self.accounts.get_mut(id).expect("changed");
        let (mut evaluated, mut defective) = (0, 0);
        for verdicts in account.by_day.values() {
            evaluated += verdicts.evaluated;
            defective += verdicts.defective;
        }
        if evaluated == 0 {
            if account.published != 0 {
                out.document(Topic::Accounts, id.as_str().as_bytes(), None);
            }
            account.published = 0;
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of shipments of one account")]
        let rate = defective as f64 / evaluated as f64;
        let value = serde_json::to_vec(&AccountDoc {
            account: id.as_str(),
            evaluated,
            defective,
            rate,
            level: "STANDARD",
            level_since: None,
            restricted_until: None,
            unacknowledged: 0,
        })
        .expect("documents always serialise into memory");
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
    pub fn load(
        &mut self,
        rules: &Rules,
        key: LedgerKey,
        bytes: Option<&[u8]>,
    ) -> Result<(), postcard::Error> {
        match (key, bytes) {
            (LedgerKey::Arrivals(key), Some(bytes)) => {
                self.arrivals.insert(key, postcard::from_bytes(bytes)?);
            }
            (LedgerKey::Arrivals(key), None) => {
                self.arrivals.remove(&key);
            }
            (LedgerKey::Account(key), Some(bytes)) => {
                self.accounts.insert(key.clone(), postcard::from_bytes(bytes)?);
                self.queue(rules, &key);
            }
            (LedgerKey::Account(key), None) => {
                self.accounts.remove(&key);
            }
        }
        Ok(())
    }

    /// Keeps what the epoch did.
    pub fn commit(&mut self) {
        for key in std::mem::take(&mut self.touched) {
            match key {
                LedgerKey::Arrivals(key) if self.arrivals.get(&key).is_some_and(Arrivals::is_vacant) => {
                    self.arrivals.remove(&key);
                }
                LedgerKey::Account(key) if self.accounts.get(&key).is_some_and(Account::is_vacant) => {
                    self.accounts.remove(&key);
                }
                LedgerKey::Arrivals(_) | LedgerKey::Account(_) => {}
            }
        }
        self.undo.clear();
    }

    /// Takes back what the epoch did.
    pub fn rollback(&mut self, rules: &Rules) {
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Arrivals(key, Some(before)) => {
                    self.arrivals.insert(key, before);
                }
                Undo::Arrivals(key, None) => {
                    self.arrivals.remove(&key);
                }
                Undo::Account(key, Some(before)) => {
                    self.accounts.insert(key.clone(), before);
                    self.queue(rules, &key);
                }
                Undo::Account(key, None) => {
                    self.accounts.remove(&key);
                }
            }
        }
        self.touched.clear();
        self.changed.clear();
    }
}

/// When a day's verdicts no longer count.
pub(super) fn forgotten_at(settings: &Settings, day: i64) -> Timestamp {
    Timestamp((day + 1) * DAY_MS).plus_ms(settings.standing_ms)
}
