//! Gates: which accounts may not create shipments, as this partition was told.
//!
//! Enters: what the ledger decided of an account. Leaves: the gate that a command meets. Always true: an account that is not
//! listed is free; the table is bounded, and beyond the bound further accounts stay free; an epoch can be taken back.

use std::collections::BTreeMap;

use crate::model::AccountId;
use crate::stations::hop::Gate;
use crate::stations::undo::Before;

/// The gates of a partition.
#[derive(Debug, Default)]
pub(super) struct Gates {
    by_account: BTreeMap<AccountId, Gate>,
    before: Before<AccountId, Gate>,
}

impl Gates {
    /// What keeps the account from creating shipments.
    pub(super) fn of(&self, account: &AccountId) -> Gate {
        self.by_account.get(account).copied().unwrap_or_default()
    }

    /// How many accounts are listed.
    pub(super) fn len(&self) -> usize {
        self.by_account.len()
    }

    /// Takes over a gate. False: there is no room for one more.
    pub(super) fn set(&mut self, account: AccountId, gate: Gate, max: u64) -> bool {
        let now = self.of(&account);
        if now == gate {
            return true;
        }
        if now.is_open() && self.by_account.len() as u64 >= max {
            return false;
        }
        self.before.note(account.clone(), now);
        self.put(account, gate);
        true
    }

    fn put(&mut self, account: AccountId, gate: Gate) {
        if gate.is_open() {
            self.by_account.remove(&account);
        } else {
            self.by_account.insert(account, gate);
        }
    }

    pub(super) fn is_touched(&self) -> bool {
        !self.before.is_empty()
    }

    /// The gates that this epoch changed, as they are now; none: gone.
    pub(super) fn delta(&self, mut sink: impl FnMut(&AccountId, Option<&[u8]>)) {
        for account in self.before.keys() {
            self.write(account, &mut sink);
        }
    }

    /// All gates of the accounts for which `wanted` holds.
    pub(super) fn image(
        &self,
        wanted: impl Fn(&AccountId) -> bool,
        mut sink: impl FnMut(&AccountId, Option<&[u8]>),
    ) {
        for account in self.by_account.keys().filter(|account| wanted(account)) {
            self.write(account, &mut sink);
        }
    }

    fn write(&self, account: &AccountId, sink: &mut impl FnMut(&AccountId, Option<&[u8]>)) {
        let gate = self.by_account.get(account);
        let bytes = gate.map(|gate| postcard::to_stdvec(gate).expect("a gate serialises into memory"));
        sink(account, bytes.as_deref());
    }

    /// Takes over a gate from the state log; none: it is gone.
    pub(super) fn load(&mut self, account: AccountId, bytes: Option<&[u8]>) -> Result<(), postcard::Error> {
        let gate = bytes.map(postcard::from_bytes).transpose()?;
        self.put(account, gate.unwrap_or_default());
        Ok(())
    }

    pub(super) fn seal(&mut self) {
        self.before.seal();
    }

    pub(super) fn commit(&mut self) {
        self.before.commit();
    }

    pub(super) fn rollback(&mut self) {
        for (account, gate) in self.before.take() {
            self.put(account, gate);
        }
    }
}
