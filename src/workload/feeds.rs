//! The carriers of the world, and how each one's feed speaks.
//!
//! Always true: UPS and FedEx speak in their own codes where they have a well-known one, freight carriers in X12
//! codes, everybody else (and whatever has no code) in milestone names.

use super::rng::Rng;
use crate::model::{Flag, Milestone};

/// A carrier of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    Ups,
    FedEx,
    Usps,
    Dhl,
    /// A carrier outside the catalogue.
    Regional,
    Estes,
    Saia,
    Rl,
    Abf,
    Xpo,
}

/// How a scan says what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// In the carrier's own code.
    Code(&'static str),
    /// In our own name for it.
    Milestone(&'static str),
}

/// What the regional carrier is called by those who ship with it.
pub(crate) const REGIONAL_NAME: &str = "Heartland Parcel";

impl Feed {
    /// A parcel carrier, by its share.
    pub(crate) fn parcel(rng: &mut Rng) -> Feed {
        let shares =
            [(48, Feed::Ups), (26, Feed::FedEx), (12, Feed::Usps), (8, Feed::Dhl), (6, Feed::Regional)];
        rng.weighted(&shares)
    }

    /// A freight carrier.
    pub(crate) fn freight(rng: &mut Rng) -> Feed {
        rng.pick(&[Feed::Estes, Feed::Saia, Feed::Rl, Feed::Abf, Feed::Xpo])
    }

    /// The carrier code in commands.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Feed::Ups => "UPS",
            Feed::FedEx => "FEDEX",
            Feed::Usps => "USPS",
            Feed::Dhl => "DHL",
            Feed::Regional => "OTHER",
            Feed::Estes => "ESTES",
            Feed::Saia => "SAIA",
            Feed::Rl => "RL",
            Feed::Abf => "ABF",
            Feed::Xpo => "XPO",
        }
    }

    /// The carrier as scans name it: the regional one also by a name nobody else knows.
    pub(crate) fn name_in_scans(self, variety: u64) -> &'static str {
        match self {
            Feed::Regional if variety & 1 == 1 => "HEARTLAND_PARCEL",
            feed => feed.code(),
        }
    }

    /// Whether the feed writes every key, null or not. The others leave nulls out.
    pub(crate) fn writes_nulls(self) -> bool {
        matches!(self, Feed::Ups | Feed::Usps | Feed::Estes | Feed::Xpo)
    }

    /// Days from pick-up to delivery: at least and at most.
    pub(crate) fn transit_days(self) -> (i64, i64) {
        match self {
            Feed::Ups | Feed::FedEx => (2, 5),
            Feed::Usps => (2, 6),
            Feed::Dhl => (2, 4),
            Feed::Regional => (2, 7),
            Feed::Estes | Feed::Saia | Feed::Rl | Feed::Abf | Feed::Xpo => (3, 8),
        }
    }

    fn is_freight(self) -> bool {
        matches!(self, Feed::Estes | Feed::Saia | Feed::Rl | Feed::Abf | Feed::Xpo)
    }

    /// How the feed reports a milestone. `variety` chooses among codes that mean the same; `at_fc` says whether
    /// the scan names the FC.
    pub(crate) fn says(self, milestone: Milestone, variety: u64, at_fc: bool) -> Said {
        let in_transit = |codes: [&'static str; 3]| Said::Code(codes[(variety % 3) as usize]);
        match (self, milestone) {
            (Feed::Ups, Milestone::LabelCreated) => Said::Code("M"),
            (Feed::Ups, Milestone::PickedUp) => Said::Code("OR"),
            (Feed::Ups, Milestone::InTransit) => in_transit(["I", "DP", "AR"]),
            (Feed::Ups, Milestone::OutForDelivery) => Said::Code("OT"),
            (Feed::Ups, Milestone::Delivered) => Said::Code("D"),
            (Feed::Ups, Milestone::ReturnStarted) => Said::Code("RS"),
            (Feed::FedEx, Milestone::LabelCreated) => Said::Code("OC"),
            (Feed::FedEx, Milestone::PickedUp) => Said::Code("PU"),
            (Feed::FedEx, Milestone::InTransit) => in_transit(["IT", "AR", "IT"]),
            (Feed::FedEx, Milestone::OutForDelivery) => {
                Said::Code(if variety & 1 == 0 { "OD" } else { "AD" })
            }
            (Feed::FedEx, Milestone::Delivered) => Said::Code("DL"),
            (Feed::FedEx, Milestone::ReturnStarted) => Said::Code("RS"),
            (feed, milestone) if feed.is_freight() => match milestone {
                Milestone::PickedUp => Said::Code("AF"),
                Milestone::InTransit => in_transit(["X6", "P1", "X4"]),
                Milestone::AtDestination => Said::Code("AV"),
                Milestone::ArrivedAtFc if at_fc => Said::Code("X1"),
                Milestone::Delivered => Said::Code("D1"),
                Milestone::ReturnStarted => Said::Code("A3"),
                other => Said::Milestone(other.name()),
            },
            (_, other) => Said::Milestone(other.name()),
        }
    }

    /// How the feed raises a flag.
    pub(crate) fn says_flag(self, flag: Flag) -> Said {
        match (self, flag) {
            (Feed::Ups, Flag::Held) => Said::Code("X"),
            (Feed::Ups, Flag::Delayed) => Said::Code("DY"),
            (Feed::FedEx, Flag::Held) => Said::Code("SE"),
            (_, other) => Said::Milestone(other.name()),
        }
    }
}

/// A code that no carrier has.
pub(crate) const UNKNOWN_CODE: &str = "ZZ9";
