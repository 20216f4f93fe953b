//! Code maps: what carriers' codes mean.

use crate::model::{CarrierId, Effect, Flag, FlagSet, Milestone};

use super::super::{Catalogue, file::effect};
use super::id;

#[test]
fn an_effect_is_a_milestone_and_flags() {
    for (names, want) in [
        ("NONE", Some((None, FlagSet::EMPTY))),
        ("ETA", Some((None, FlagSet::EMPTY))),
        ("DELIVERED", Some((Some(Milestone::Delivered), FlagSet::EMPTY))),
        (
            "HELD+IN_TRANSIT+DELAYED",
            Some((Some(Milestone::InTransit), FlagSet::of(Flag::Held).union(FlagSet::of(Flag::Delayed)))),
        ),
        ("DELIVERED+LOST", None),
        ("delivered", None),
        ("DELIVERED + HELD", None),
        ("NONE+HELD", None),
        ("", None),
    ] {
        let want = want.map(|(milestone, flags)| Effect { milestone, flags });
        assert_eq!(effect(names), want, "{names:?}");
    }
}

#[test]
fn the_same_code_means_different_things_at_different_carriers() {
    use Milestone::{
        ArrivedAtFc, AtDestination, Delivered, InTransit, LabelCreated, OutForDelivery, PartiallyDelivered,
        PickedUp, ReturnStarted,
    };
    let at = |milestone| Some(Effect { milestone: Some(milestone), flags: FlagSet::EMPTY });
    let flag = |flag| Some(Effect { milestone: None, flags: FlagSet::of(flag) });
    let signal = Some(Effect::NONE);
    let catalogue = Catalogue::embedded();
    for (carrier, code_set, code, want) in [
        ("FEDEX", None, "DL", at(Delivered)),
        ("UPS", None, "DL", at(OutForDelivery)),
        ("FEDEX", None, "DE", flag(Flag::AttemptFailed)),
        ("UPS", None, "DE", flag(Flag::Delayed)),
        ("FEDEX", None, "DP", at(InTransit)),
        ("UPS", None, "DP", at(InTransit)),
        ("DHL", None, "DP", flag(Flag::AttemptFailed)),
        ("FEDEX", None, "OC", at(LabelCreated)),
        ("UPS", None, "OC", at(PickedUp)),
        ("FEDEX", None, "OF", at(PickedUp)),
        ("USPS", None, "OF", at(OutForDelivery)),
        ("UPS", None, "OF", at(OutForDelivery)),
        ("FEDEX", None, "AC", at(InTransit)),
        ("UPS", None, "AC", flag(Flag::Held)),
        ("FEDEX", None, "AP", at(PickedUp)),
        ("UPS", None, "AP", at(InTransit)),
        ("FEDEX", None, "AD", at(OutForDelivery)),
        ("USPS", None, "AD", at(InTransit)),
        ("FEDEX", None, "PL", at(InTransit)),
        ("DHL", None, "PL", at(PickedUp)),
        ("FEDEX", None, "CD", flag(Flag::CustomsHold)),
        ("DHL", None, "CD", at(InTransit)),
        ("DHL", None, "WC", at(OutForDelivery)),
        ("UPS", None, "WC", flag(Flag::Held)),
        ("DHL", None, "RT", at(ReturnStarted)),
        ("UPS", None, " rs ", at(ReturnStarted)),
        ("UPS", None, "RF", flag(Flag::Refused)),
        ("UPS", None, "11", at(Delivered)),
        ("UPS", Some("num"), "11", at(Delivered)),
        ("UPS", Some("NUM"), "D", None),
        ("UPS", Some("TYPE"), "D", None),
        ("UPS", None, "VD", signal),
        ("UPS", None, "ZZ", None),
        ("UPS", None, "", None),
        ("USPS", None, "01", at(Delivered)),
        ("USPS", None, "1", None),
        ("OTHER", None, "D", None),
        // Freight speaks X12; a parcel carrier's message may.
        ("XPO", None, "D1", at(Delivered)),
        ("XPO", Some("X12_1650"), "D1", at(Delivered)),
        ("UPS", None, "D1", None),
        ("UPS", Some("x12_1650"), "D1", at(Delivered)),
        ("OTHER", Some("X12_1650"), "CB", at(Delivered)),
        ("SAIA", None, "AF", at(PickedUp)),
        ("SAIA", None, "X6", at(InTransit)),
        ("SAIA", None, "J1", at(InTransit)),
        ("SAIA", None, "AV", at(AtDestination)),
        ("SAIA", None, "X1", at(ArrivedAtFc)),
        ("SAIA", None, "X5", at(ArrivedAtFc)),
        ("SAIA", None, "PA", at(PartiallyDelivered)),
        ("SAIA", None, "A3", at(ReturnStarted)),
        ("SAIA", None, "SD", flag(Flag::Delayed)),
        ("SAIA", None, "AH", flag(Flag::AttemptFailed)),
        ("SAIA", None, "A7", flag(Flag::Refused)),
        ("SAIA", None, "A9", flag(Flag::Damaged)),
        ("SAIA", None, "BC", flag(Flag::Held)),
        ("SAIA", None, "PR", flag(Flag::CustomsHold)),
        ("SAIA", None, "AG", signal),
        ("SAIA", None, "X2", signal),
        ("SAIA", None, "DE", None),
        ("DHL", Some("REC24"), "21", at(Delivered)),
        ("DHL", Some("REC24"), "41", at(InTransit)),
        ("OTHER", Some("REC24"), "76E", flag(Flag::Held)),
        // A carrier whose other codes all mean the same, and ranges of codes.
        ("CANADA_POST", None, "1421", at(Delivered)),
        ("CANADA_POST", None, "1430", at(Delivered)),
        ("CANADA_POST", None, "1435", flag(Flag::Held)),
        ("CANADA_POST", None, "182", flag(Flag::AttemptFailed)),
        ("CANADA_POST", None, "100", at(PickedUp)),
        ("CANADA_POST", None, "99", at(InTransit)),
        ("CANADA_POST", None, " ", None),
        ("CANADA_POST", Some("X12_1650"), "99", None),
        ("AMAZON", None, "RecipientRequestedAlternateDeliveryTiming", flag(Flag::Delayed)),
        ("AMAZON", None, "PickupDone", at(PickedUp)),
        ("LANDMARK", None, "135", flag(Flag::CustomsHold)),
        ("LASERSHIP", None, "outfordelivery", at(OutForDelivery)),
        ("ONTRAC", None, "Out for Delivery", at(OutForDelivery)),
        ("PUROLATOR", None, "Undeliverable", flag(Flag::AttemptFailed)),
        ("PUROLATOR", None, "OTHER", signal),
        ("DPD", None, "AT_DELIVERY_DEPOT", at(AtDestination)),
        ("DPD", Some("SCAN"), "13", at(Delivered)),
        ("S10", None, "EMG", at(AtDestination)),
        ("S10", None, "EMI", at(Delivered)),
        ("ODFL", None, "D1", at(Delivered)),
        ("OTHER", Some("GLS"), "INDELIVERY", at(OutForDelivery)),
        ("OTHER", Some("GLS"), "DELIVEREDPS", flag(Flag::Held)),
        ("OTHER", None, "INDELIVERY", None),
        // Reasons reuse codes of statuses with other meanings: the element is part of the key.
        ("SAIA", Some("X12_1650"), "AF", at(PickedUp)),
        ("SAIA", Some("X12_1651"), "AF", flag(Flag::Delayed)),
        ("SAIA", Some("X12_1650"), "A3", at(ReturnStarted)),
        ("SAIA", Some("X12_1651"), "BT", at(ReturnStarted)),
        ("SAIA", Some("X12_1651"), "NS", signal),
        ("SAIA", Some("X12_1651"), "ZZ", None),
        ("SAIA", Some("X12_1652"), "AB", signal),
        ("SAIA", None, "HB", None),
        ("SAIA", Some("X12_1651"), "HB", flag(Flag::AppointmentNeeded)),
        ("OTHER", Some("EDIFACT_9013"), "14", flag(Flag::Damaged)),
    ] {
        assert_eq!(
            catalogue.effect(id(&catalogue, carrier), code_set, code),
            want,
            "{carrier} {code_set:?} {code}"
        );
    }
}

/// The shared sets a second time, by what the codes mean: delivery above all is said by these codes and by no others.
#[test]
fn shared_sets_say_what_the_standards_say() {
    let catalogue = Catalogue::embedded();
    for (set, names, codes) in [
        ("X12_1650", "LABEL_CREATED", "XB OO NB DO X3 X8 L1"),
        ("X12_1650", "PICKED_UP", "CP AF"),
        ("X12_1650", "IN_TRANSIT", "AM AN AR BA CL I1 K1 OA P1 R1 RL X4 J1 AW Y1 UC UR LC CT RH X6"),
        ("X12_1650", "AT_DESTINATION", "AJ AV"),
        ("X12_1650", "ARRIVED_AT_FC", "X1 X5 S1"),
        ("X12_1650", "PARTIALLY_DELIVERED", "PA"),
        ("X12_1650", "DELIVERED", "D1 CB"),
        ("X12_1650", "ATTEMPT_FAILED", "AH AP"),
        ("X12_1650", "REFUSED", "A7"),
        ("X12_1650", "DAMAGED", "A9"),
        ("X12_1650", "DELAYED", "SD"),
        ("X12_1650", "HELD", "BC"),
        ("X12_1650", "CUSTOMS_HOLD", "PR"),
        ("X12_1650", "RETURN_STARTED", "A3"),
        ("X12_1650", "NONE", "CD AG X2 B6 C1 AA AB AI CA"),
        ("X12_1651", "ADDRESS_ISSUE", "A2 A5 A6"),
        ("X12_1651", "ATTEMPT_FAILED", "A1 AN AQ B1"),
        ("X12_1651", "REFUSED", "BS"),
        ("X12_1651", "RETURN_STARTED", "BT"),
        ("X12_1651", "CUSTOMS_HOLD", "AR AS BD CA"),
        ("X12_1651", "MISROUTED", "AA"),
        ("X12_1651", "DAMAGED", "AK"),
        ("X12_1651", "HELD", "AD B5 BB BC C1 C2 C3 C4 C5 C6 C7 C8 P2 P4"),
        ("X12_1651", "APPOINTMENT_NEEDED", "HB B9"),
        ("X12_1651", "DELAYED", "AO AF AG AH AI AJ AM AW AX AY BE BH BI B8 D1 D2 P1 P3 T2 T3 T4 T5 T6 T7"),
        ("X12_1651", "NONE", "NS NA BG BK RC"),
        ("X12_1652", "NONE", "AA AB"),
        ("REC24", "LABEL_CREATED", "2 6 6E"),
        ("REC24", "PICKED_UP", "13"),
        ("REC24", "IN_TRANSIT", "15 16 24 26 27 28 31 35 39 40 41 1 1E 29 8 9 10 11 12 37 44"),
        ("REC24", "AT_DESTINATION", "45"),
        ("REC24", "DELIVERED", "21 22"),
        ("REC24", "ATTEMPT_FAILED", "23"),
        ("REC24", "DAMAGED", "3 18"),
        ("REC24", "DELAYED", "20 25"),
        ("REC24", "CUSTOMS_HOLD", "17"),
        ("REC24", "LOST", "36 49"),
        ("REC24", "HELD", "76E"),
        ("REC24", "NONE", "7"),
        ("EDIFACT_9013", "NONE", "5"),
        ("EDIFACT_9013", "ATTEMPT_FAILED", "6 7"),
        ("EDIFACT_9013", "CUSTOMS_HOLD", "13"),
        ("EDIFACT_9013", "DAMAGED", "14"),
        ("EDIFACT_9013", "ADDRESS_ISSUE", "16"),
        ("GLS", "DELIVERED", "DELIVERED FINAL"),
    ] {
        for code in codes.split(' ') {
            let got = catalogue.effect(CarrierId::OTHER, Some(set), code);
            assert_eq!(got, effect(names), "{set} {code}");
        }
    }
    // What the standards leave open stays open.
    for (set, codes) in [
        ("X12_1650", "DE OP BO BR"),
        ("X12_1651", "D3 ZZ X1"),
        ("REC24", "72B 4 5 14 19 30 32 33 34 38 46"),
        ("GLS", "DL"),
        ("NOSUCHSET", "D1"),
    ] {
        for code in codes.split(' ') {
            assert_eq!(catalogue.effect(CarrierId::OTHER, Some(set), code), None, "{set} {code}");
        }
    }
}
