//! The layouts of the state log: the newest, and the one before it.
//!
//! Versions of this program run side by side while an upgrade rolls over its processes, and partitions move between them in
//! both directions. Always true: what is read may be in either layout, record by record; what is written is in one, and a
//! program of the version before reads the former. A third layout makes the oldest one unreadable: an upgrade passes over
//! no layout.

/// A layout of the state's records and entities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateFormat {
    /// The one before the newest. Without the reasons of dead letters from `RECORDS_LOST` on.
    Previous,
    /// What this version writes, unless it is told that older processes may have to read it.
    #[default]
    Newest,
}

impl StateFormat {
    /// All of them, the oldest first.
    pub const ALL: [StateFormat; 2] = [StateFormat::Previous, StateFormat::Newest];

    /// The number in the second byte of each record.
    pub const fn number(self) -> u8 {
        match self {
            StateFormat::Previous => 5,
            StateFormat::Newest => 6,
        }
    }

    /// The format with that number, if this version reads it.
    pub fn numbered(number: u8) -> Option<StateFormat> {
        StateFormat::ALL.into_iter().find(|format| format.number() == number)
    }
}
