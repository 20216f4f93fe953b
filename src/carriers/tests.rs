//! The catalogue that is built in, against tables. Check digits are computed here a second time, in the simplest way.

use proptest::prelude::*;

use crate::model::{CarrierId, Effect, Flag, FlagSet, Milestone, Validation};

use super::{Catalogue, CatalogueError, CheckVerdict};

fn id(catalogue: &Catalogue, code: &str) -> CarrierId {
    catalogue.carrier(code).unwrap_or_else(|| panic!("{code} is in the catalogue"))
}

/// The check digit of weights that repeat from the left: what is missing to a multiple of ten.
fn tens(body: &str, weights: &[u32]) -> String {
    let value = |c: char| c.to_digit(10).unwrap_or((c as u32 + 7) % 10);
    let sum: u32 = body.chars().zip(weights.iter().cycle()).map(|(c, w)| value(c) * w).sum();
    (0..10).find(|c| (sum + c).is_multiple_of(10)).expect("one of ten").to_string()
}

/// The check digit of weights that repeat from the left: what is left over eleven, ten counting as zero.
fn elevens(body: &str, weights: &[u32]) -> String {
    let sum: u32 =
        body.chars().zip(weights.iter().cycle()).map(|(c, w)| c.to_digit(10).expect("digit") * w).sum();
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "0"][sum as usize % 11].to_owned()
}

fn sevens(body: &str) -> String {
    (body.parse::<u64>().expect("digits") % 7).to_string()
}

/// Carrier, format, a label, and the canonical number in it.
fn specimens() -> Vec<(&'static str, &'static str, String, String)> {
    let mut all = Vec::new();
    let mut whole = |carrier, format, number: String| all.push((carrier, format, number.clone(), number));
    for body in ["5R8939035756712", "A12B3403ZQ00000", "999999990000001"] {
        whole("UPS", "1Z", format!("1Z{body}{}", tens(body, &[1, 2])));
    }
    for (letter, body) in [("H", "904852831"), ("V", "000000017")] {
        whole("UPS", "waybill", format!("{letter}{body}{}", tens(body, &[1, 2])));
    }
    for body in ["98654201234", "00000000018", "44821730091"] {
        whole("FEDEX", "12", format!("{body}{}", elevens(body, &[3, 1, 7])));
    }
    for body in ["04153000001234", "77712340098765"] {
        whole("FEDEX", "ground 15", format!("{body}{}", tens(body, &[1, 3])));
    }
    for body in ["012345600000042", "990000000000001"] {
        whole("FEDEX", "ground SSCC-18", format!("06{body}{}", tens(body, &[3, 1])));
    }
    for body in ["12345670000891", "00000010000002"] {
        whole("FEDEX", "ground 96", format!("9611019{body}{}", tens(body, &[1, 3])));
    }
    // A body that begins with 91 or 92 could be a legacy number too.
    for body in ["0307175500004923106", "7010109000000000012"] {
        whole("USPS", "20", format!("{body}{}", tens(body, &[3, 1])));
    }
    let impb = |head: &str, mailer: &str, package: &str| {
        let body = format!("{head}{mailer}{package}");
        format!("{body}{}", tens(&body, &[3, 1]))
    };
    for (package9, package6) in [("1234567", "1234567890"), ("12345678901", "12345678901234")] {
        whole("USPS", "IMpb-N", impb("94055", "902123456", package9));
        whole("USPS", "IMpb-N", impb("94001", "712345", package6));
        whole("USPS", "IMpb-C", impb("92001", "901000001", package9));
        whole("USPS", "IMpb-C", impb("93612", "012345", package6));
        whole("USPS", "IMpb-C", impb("95055", "987654321", package9));
        whole("USPS", "IMpb-C", impb("95055", "500000", package6));
    }
    whole("USPS", "IMpb-N", impb("94055", "902123456", "123456789012345"));
    whole("USPS", "legacy", impb("91", "71969010756", "00393316"));
    let body = "0171969010756003933"; // Without its 91.
    whole("USPS", "legacy", format!("{body}{}", tens(&format!("91{body}"), &[3, 1])));
    for body in ["123456789", "1234567890", "000000001"] {
        whole("DHL", "express", format!("{body}{}", sevens(body)));
    }
    whole("DHL", "piece", "JJD012345678".to_owned());
    whole("DHL", "piece", "JJDX0123456789".to_owned());
    whole("DHL", "ecommerce", "GM2951173225174494".to_owned());
    whole("DHL", "ecommerce", "RX7500000X9".to_owned() + "ABC");
    whole("DHL", "ecommerce 14", "00000000000000".to_owned());

    let mut label =
        |carrier, format, label: String, number: String| all.push((carrier, format, label, number));
    for body in ["0098654201234", "5500000000018"] {
        let serial = format!("{body}{}", elevens(body, &[1, 7, 3]));
        let number = serial[2..].to_owned();
        label("FEDEX", "34", format!("100189834800000{}{serial}", "73301"), number.clone());
        label("FEDEX", "ground GSN", format!("96220013400012345678{serial}"), number);
    }
    let astra = format!("44821730091{}", elevens("44821730091", &[3, 1, 7]));
    label("FEDEX", "ASTRA 32", format!("3001234567890123{astra}0201"), astra);
    let sscc = format!("06012345600000042{}", tens("012345600000042", &[3, 1]));
    label("FEDEX", "ground SSCC-18", format!("00{sscc}"), sscc);
    let cores: Vec<_> =
        all.iter().filter(|(carrier, format, ..)| *carrier == "USPS" && *format != "20").cloned().collect();
    for (carrier, format, core, _) in cores {
        for zip in ["67202", "672021234"] {
            all.push((carrier, format, format!("420{zip}{core}"), core.clone()));
        }
    }
    all
}

#[test]
fn r5_every_format_takes_its_numbers_out_of_their_labels() {
    let catalogue = Catalogue::embedded();
    for (code, format, label, number) in specimens() {
        let carrier = id(&catalogue, code);
        let registered = catalogue.register(carrier, &label, true).expect(&label);
        assert_eq!(registered.number.as_str(), number, "{code} {format} {label}");
        assert_eq!(registered.validation, Validation::Valid, "{code} {format} {label}");
        assert_eq!(registered.format.as_deref(), Some(format), "{label}");
        assert!(!registered.blanks_trimmed);
        assert_eq!(catalogue.canonical(carrier, &label), Some(registered.number), "{label}");
    }
}

#[test]
fn every_format_has_a_specimen() {
    let catalogue = Catalogue::embedded();
    let specimens = specimens();
    for carrier in catalogue.ids() {
        let summary = catalogue.summary(carrier);
        for format in summary.formats {
            let known =
                |(code, name, ..): &(&str, &str, String, String)| *code == summary.code && *name == format;
            assert!(specimens.iter().any(known), "{} {format}", summary.code);
        }
    }
}

#[test]
fn r5_a_mutated_digit_is_caught() {
    let catalogue = Catalogue::embedded();
    for (code, format, number, _) in specimens().into_iter().filter(|(_, _, label, number)| label == number) {
        let unchecked = match format {
            "piece" | "ecommerce" | "ecommerce 14" => number.len(),
            "ground SSCC-18" => 2,
            "ground 96" => 7,
            _ => 0,
        };
        for at in unchecked..number.len() {
            let Ok(digit) = number[at..=at].parse::<u32>() else { continue };
            let mut mutated = number.clone();
            mutated.replace_range(at..=at, &((digit + 1) % 10).to_string());
            // Another format of the carrier may happen to take it; its own must not.
            let format_now =
                catalogue.register(id(&catalogue, code), &mutated, true).ok().and_then(|ok| ok.format);
            assert_ne!(format_now.as_deref(), Some(format), "{code} {mutated} for {number}");
        }
    }
}

#[test]
fn one_number_has_one_canonical_form() {
    let catalogue = Catalogue::embedded();
    for (code, raw, want) in [
        ("UPS", "1Z5R89390357567127", Some("1Z5R89390357567127")),
        ("UPS", "1z5r89390357567127", Some("1Z5R89390357567127")),
        ("UPS", " 1Z 5R8 939 03 5756 712 7 ", Some("1Z5R89390357567127")),
        ("UPS", "\u{feff}1Z5R8939\u{200b}0357567127\r\n", Some("1Z5R89390357567127")),
        ("UPS", "１Ｚ５Ｒ８９３９０３５７５６７１２７", Some("1Z5R89390357567127")),
        ("UPS", "1Z-5R8-939-03-5756-7127", Some("1Z5R89390357567127")),
        ("UPS", "]C11Z5R89390357567127", Some("1Z5R89390357567127")),
        ("UPS", "\u{1d}1Z5R89390357567127\t", Some("1Z5R89390357567127")),
        // An unknown shape stays as it is, a broken check digit too.
        ("UPS", "what.is_this?", Some("WHAT.IS_THIS?")),
        ("UPS", "1Z5R89390357567128", Some("1Z5R89390357567128")),
        ("UPS", "1ZО", None),
        ("UPS", "1Z\u{0}", None),
        ("UPS", "", None),
        ("UPS", " \u{a0}\u{200b}\r\n", None),
        ("UPS", "]C1", None),
        ("UPS", "--", None),
        // Labels come apart only when the check digit agrees, and only at their own carrier.
        ("USPS", "]C1420672029405590212345612345670", Some("420672029405590212345612345670")),
        ("UPS", "420672029405590212345612345678", Some("420672029405590212345612345678")),
        // Freight and OTHER drop punctuation on both sides.
        ("YRC", "100-340397-9", Some("1003403979")),
        ("XPO", " 123.456_78-9", Some("123456789")),
        ("OTHER", "ab-12.3_4", Some("AB1234")),
        ("OTHER", "-._", None),
    ] {
        let number = catalogue.canonical(id(&catalogue, code), raw);
        assert_eq!(number.as_ref().map(|number| number.as_str()), want, "{code} {raw:?}");
    }
    let other = CarrierId::OTHER;
    assert!(catalogue.canonical(other, &"7".repeat(64)).is_some());
    assert!(catalogue.canonical(other, &"7".repeat(65)).is_none());
    assert!(catalogue.canonical(other, &format!("{} 7", "7".repeat(63))).is_some());
}

#[test]
fn a_routed_label_of_34_digits_tries_the_short_core_first() {
    let catalogue = Catalogue::embedded();
    let usps = id(&catalogue, "USPS");
    for (_, format, label, number) in specimens() {
        if label.starts_with("420") && label.len() == 34 {
            let want = catalogue.register(usps, &label, true).expect("valid");
            assert_eq!((want.number.as_str(), want.format.as_deref()), (number.as_str(), Some(format)));
        }
    }
}

#[test]
fn r5_messages_say_why() {
    let catalogue = Catalogue::embedded();
    for (code, raw, want) in [
        ("UPS", "", r#""" is not a tracking ID: it is empty"#),
        ("UPS", "  \r\n", r#""  \r\n" is not a tracking ID: it is empty"#),
        (
            "UPS",
            " 1Z5R89390357567127",
            r#"" 1Z5R89390357567127" has a blank before it: tracking IDs are entered without spaces around them"#,
        ),
        (
            "UPS",
            "1Z5R89390357567127 \r\n",
            r#""1Z5R89390357567127 " has a blank after it: tracking IDs are entered without spaces around them"#,
        ),
        (
            "UPS",
            "\u{a0}1Z5R89390357567127\u{a0}",
            "\"\\u{a0}1Z5R89390357567127\\u{a0}\" has a blank before and after it: tracking IDs are entered without spaces around them",
        ),
        (
            "UPS",
            "1Z5R89390357567128",
            r#""1Z5R89390357567128" is not a UPS tracking ID: it has the shape of UPS "1Z", but its check digit is 8 where 7 belongs"#,
        ),
        (
            "UPS",
            "986542012346",
            r#""986542012346" is not a UPS tracking ID: it has 12 characters, UPS numbers have 11 or 18. It is valid for FEDEX, which is not the selected carrier"#,
        ),
        ("UPS", "B0000000000", r#""B0000000000" is not a UPS tracking ID: no UPS format has this shape"#),
        (
            "UPS",
            "1050123456",
            r#""1050123456" is not a UPS tracking ID: it has 10 characters, UPS numbers have 11 or 18. Numbers that begin with 105 are UPS freight: ship it as freight with a freight bill number"#,
        ),
        (
            "UPS",
            "1Z5R8939О357567127",
            r#""1Z5R8939О357567127" is not a tracking ID: the character 'О' (U+041E) is not allowed"#,
        ),
        (
            "OTHER",
            &"7".repeat(65),
            r#""77777777777777777777777777777777777777777777777777777777777777777" is not a tracking ID: it has 65 characters, at most 64 are allowed"#,
        ),
    ] {
        let refused = catalogue.register(id(&catalogue, code), raw, true);
        assert_eq!(
            refused.map(|ok| ok.number).map_err(|e| e.message),
            Err(want.to_owned()),
            "{code} {raw:?}"
        );
    }
}

#[test]
fn r5_outer_blanks_are_an_error_or_trimmed() {
    let catalogue = Catalogue::embedded();
    let ups = id(&catalogue, "UPS");
    for (raw, strict, trimmed) in [
        ("1Z5R89390357567127", true, false),
        ("1Z 5R8 939 03 5756 7127", true, false),
        ("1Z5R89390357567127\r\n", true, false),
        ("1Z5R89390357567127\t", true, false),
        (" 1Z5R89390357567127", false, true),
        ("1Z5R89390357567127\u{3000}\n", false, true),
    ] {
        let registered = catalogue.register(ups, raw, strict).expect(raw);
        assert_eq!(registered.blanks_trimmed, trimmed, "{raw:?}");
        assert_eq!(registered.number.as_str(), "1Z5R89390357567127");
    }
}

#[test]
fn r5_other_and_carriers_without_rules_are_not_supported() {
    let catalogue = Catalogue::embedded();
    for (code, raw, want) in [
        ("OTHER", "x", "X"),
        ("OTHER", "(ab) 12/3~", "(AB)12/3~"),
        ("OTHER", "]", "]"),
        ("SAIA", "12-3456789", "123456789"),
    ] {
        let registered = catalogue.register(id(&catalogue, code), raw, true).expect(raw);
        assert_eq!(registered.validation, Validation::NotSupported);
        assert_eq!((registered.number.as_str(), registered.format), (want, None));
    }
}

#[test]
fn r6_a_freight_bill_is_letters_digits_and_a_little_punctuation() {
    let catalogue = Catalogue::embedded();
    for (code, raw, want) in [
        ("XPO", "123-456789", Ok("123456789")),
        ("YRC", "828-561881-x", Ok("828561881X")),
        ("ESTES", "012 3456.78_9", Ok("0123456789")),
        ("ESTES", "0123456789\r\n", Ok("0123456789")),
        // A parcel carrier's formats are about boxes.
        ("UPS", "105-0123456", Ok("1050123456")),
        ("OTHER", "A/7", Err("the character '/' (U+002F) is not allowed")),
        ("SAIA", "12#3", Err("the character '#' (U+0023) is not allowed")),
        ("SAIA", "", Err("it is empty")),
        ("SAIA", "-", Err("it is empty")),
        (
            "SAIA",
            " 123",
            Err("has a blank before it: freight bill numbers are entered without spaces around them"),
        ),
    ] {
        let judged = catalogue.register_freight_bill(id(&catalogue, code), raw, true);
        match (judged, want) {
            (Ok(registered), Ok(want)) => {
                assert_eq!(
                    (registered.number.as_str(), registered.validation),
                    (want, Validation::NotSupported)
                );
            }
            (Err(refused), Err(want)) => assert!(refused.message.ends_with(want), "{}", refused.message),
            (judged, _) => panic!("{code} {raw:?}: {judged:?}"),
        }
    }
    let xpo = id(&catalogue, "XPO");
    assert!(catalogue.register_freight_bill(xpo, &"7".repeat(64), true).is_ok());
    assert!(catalogue.register_freight_bill(xpo, &"7".repeat(65), true).is_err());
    assert!(catalogue.register_freight_bill(xpo, &format!("7{}7", "-".repeat(63)), true).is_err());
}

#[test]
fn a_carrier_goes_by_many_names() {
    let catalogue = Catalogue::embedded();
    for (text, want) in [
        ("UPS", Some("UPS")),
        (" ups\t", Some("UPS")),
        ("UPSN", Some("UPS")),
        ("fdeg", Some("FEDEX")),
        ("FedEx Freight", Some("FEDEX_FREIGHT")),
        ("fedex_freight", Some("FEDEX_FREIGHT")),
        ("cnwy", Some("XPO")),
        ("R+L", Some("RL")),
        ("United States Postal Service", Some("USPS")),
        ("other", Some("OTHER")),
        ("", None),
        ("UP S", None),
        ("ACME", None),
    ] {
        assert_eq!(catalogue.carrier(text).map(|carrier| catalogue.code(carrier)), want, "{text:?}");
    }
    assert_eq!(catalogue.carrier("OTHER"), Some(CarrierId::OTHER));
    for carrier in catalogue.ids() {
        let summary = catalogue.summary(carrier);
        assert_eq!(catalogue.carrier(summary.code), Some(carrier));
        assert!(summary.aliases.iter().all(|alias| catalogue.carrier(alias) == Some(carrier)));
    }
    assert_eq!(catalogue.code(CarrierId(255)), "OTHER");
}

/// The numbers are written into states: they never change.
#[test]
fn carriers_keep_their_numbers() {
    let catalogue = Catalogue::embedded();
    let numbers: Vec<_> = catalogue.ids().map(|carrier| (carrier.0, catalogue.code(carrier))).collect();
    assert_eq!(
        numbers,
        [
            (0, "OTHER"),
            (1, "UPS"),
            (2, "FEDEX"),
            (3, "USPS"),
            (4, "DHL"),
            (101, "XPO"),
            (102, "YRC"),
            (103, "ESTES"),
            (104, "SAIA"),
            (105, "RL"),
            (106, "ABF"),
            (107, "FEDEX_FREIGHT"),
            (108, "TFORCE"),
        ]
    );
    assert!(numbers.iter().all(|(number, _)| catalogue.is_freight(CarrierId(*number)) == (*number > 100)));
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
    ] {
        assert_eq!(
            catalogue.effect(id(&catalogue, carrier), code_set, code),
            want,
            "{carrier} {code_set:?} {code}"
        );
    }
}

#[test]
fn check_tells_the_candidates() {
    let catalogue = Catalogue::embedded();
    for (carrier, raw, canonical, found, verdict, format, candidates) in [
        (
            None,
            "1z5r89390357567127",
            Some("1Z5R89390357567127"),
            Some("UPS"),
            CheckVerdict::Valid,
            Some("1Z"),
            &["UPS"][..],
        ),
        (
            Some("UPS"),
            "986542012346",
            Some("986542012346"),
            Some("UPS"),
            CheckVerdict::Invalid,
            None,
            &["FEDEX"],
        ),
        (Some("OTHER"), "A-1", Some("A1"), Some("OTHER"), CheckVerdict::NotSupported, None, &[]),
        (Some("XPO"), "1-2", Some("12"), Some("XPO"), CheckVerdict::NotSupported, None, &[]),
        (Some("XPO"), "1/2", Some("1/2"), Some("XPO"), CheckVerdict::Invalid, None, &[]),
        (None, "1-2", None, None, CheckVerdict::Invalid, None, &[]),
        (None, "", None, None, CheckVerdict::Invalid, None, &[]),
        (
            None,
            " 1Z5R89390357567127",
            Some("1Z5R89390357567127"),
            Some("UPS"),
            CheckVerdict::Invalid,
            None,
            &["UPS"],
        ),
    ] {
        let check = catalogue.check(carrier.map(|code| id(&catalogue, code)), raw);
        assert_eq!(check.input, raw);
        assert_eq!(check.canonical.as_ref().map(|number| number.as_str()), canonical, "{raw}");
        assert_eq!(check.carrier.as_deref(), found, "{raw}");
        assert_eq!((check.verdict, check.format.as_deref()), (verdict, format), "{raw}");
        assert_eq!(check.reason.is_some(), verdict == CheckVerdict::Invalid, "{raw}");
        assert_eq!(check.candidates, candidates, "{raw}");
    }
    let json = serde_json::to_value(catalogue.check(None, "x")).expect("serialises");
    let want = serde_json::json!({
        "input": "x", "canonical": null, "carrier": null, "verdict": "INVALID", "format": null,
        "reason": "\"x\" fits no format of any carrier", "candidates": []
    });
    assert_eq!(json, want);
}

fn file(text: &str) -> Vec<(String, String)> {
    vec![("mine.toml".to_owned(), text.to_owned())]
}

#[test]
fn a_users_file_adds_a_carrier_or_replaces_one() {
    let acme = r#"
        code = "ACME"
        id = 200
        name = "Acme"
        kind = "parcel"
        aliases = ["ACMX"]
        format = [{ name = "short", shapes = ["AC-d{4}c"], check = { rule = "luhn", over = 4 } }]
        codes = { DELIVERED = ["DONE"], "IN_TRANSIT+DELAYED" = ["a code that is too long for a word"] }
    "#;
    let catalogue = Catalogue::with_files(&file(acme)).expect("good");
    let carrier = id(&catalogue, "acmx");
    assert_eq!((carrier, catalogue.code(carrier)), (CarrierId(200), "ACME"));
    let registered = catalogue.register(carrier, "ac-12344", true).expect("valid");
    assert_eq!(registered.number.as_str(), "AC-12344"); // This hyphen is part of the number.
    let effect = catalogue.effect(carrier, None, "A Code that is too long for a word").expect("known");
    assert_eq!((effect.milestone, effect.flags), (Some(Milestone::InTransit), FlagSet::of(Flag::Delayed)));

    let ups = "code = 'UPS'\nid = 1\nname = 'mine'\nkind = 'parcel'\n[codes]\nLOST = ['D']";
    // Even if it has the name of the file that it replaces.
    let catalogue = Catalogue::with_files(&[("ups.toml".to_owned(), ups.to_owned())]).expect("good");
    let carrier = id(&catalogue, "UPS");
    let effect = catalogue.effect(carrier, None, "D").expect("known");
    assert_eq!(effect.milestone, Some(Milestone::Lost));
    assert_eq!(catalogue.carrier("UPSN"), None);
    let registered = catalogue.register(carrier, "anything", true).expect("no rule");
    assert_eq!(registered.validation, Validation::NotSupported);
}

/// Carriers to come need no new code: what is special about them can be said in a file.
#[test]
fn the_form_has_room_for_other_carriers() {
    for (kind, formats, number, format) in [
        (
            "parcel",
            "{name='a', shapes=['a{2}d{8}c(GB|US|DE)'], check={rule='s10', over=8}}",
            "RB123456785GB",
            Some("a"),
        ),
        (
            "parcel",
            "{name='a', shapes=['a{2}d{8}c(GB|US|DE)'], check={rule='s10', over=8}}",
            "RB123456785ZZ",
            None,
        ),
        (
            "parcel",
            "{name='c', shapes=['Cd{13}c'], check={rule='mod10', weights=[1,2], over=13, prepend='4'}}",
            "C11031500001879",
            Some("c"),
        ),
        (
            "parcel",
            "{name='c', shapes=['Cd{13}c'], check={rule='mod10', weights=[1,2], over=13, prepend='4'}}",
            "C11031500001870",
            None,
        ),
        ("parcel", "{name='l', shapes=['1LS7[12]d{2}01[1-4]d{6}-1']}", "1LS7123015456789-1", None),
        ("parcel", "{name='l', shapes=['1LS7[12]d{2}01[1-4]d{6}-1']}", "1LS7123012456789-1", Some("l")),
        ("freight", "{name='pro', shapes=['d{8}c'], check={rule='mod7'}}", "123456782", Some("pro")),
        ("freight", "{name='pro', shapes=['d{8}c'], check={rule='mod7'}}", "123456789", None),
        (
            "freight",
            "{name='pro', shapes=['d{9}c'], check={rule='mod11_complement', over=6}}",
            "100-340397-9",
            Some("pro"),
        ),
        (
            "freight",
            "{name='pro', shapes=['d{9}c'], check={rule='mod11_complement', over=6}}",
            "828-561881-x",
            Some("pro"),
        ),
        (
            "freight",
            "{name='pro', shapes=['d{9}c'], check={rule='mod11_complement', over=6}}",
            "828-561881-1",
            None,
        ),
    ] {
        let text = format!("code='ACME'\nid=200\nname='Acme'\nkind='{kind}'\nformat=[{formats}]");
        let catalogue = Catalogue::with_files(&file(&text)).expect(formats);
        let check = catalogue.check(Some(CarrierId(200)), number);
        let verdict = if format.is_some() { CheckVerdict::Valid } else { CheckVerdict::Invalid };
        assert_eq!(
            (check.verdict, check.format.as_deref()),
            (verdict, format),
            "{number} {:?}",
            check.reason
        );
    }
}

#[test]
fn errors_of_files_point_at_the_bytes() {
    let head = "code='ACME'\nid=200\nname='Acme'\nkind='parcel'\n";
    let format = |rest: &str| format!("{head}[[format]]\nname='f'\n{rest}");
    for (text, at, message) in [
        ("code='ACME'\nid=".to_owned(), None, "string values must be quoted, expected literal string"),
        (
            "code='OTHER'\nid=200\nname='x'\nkind='parcel'".to_owned(),
            Some("'OTHER'"),
            "this names OTHER already",
        ),
        (
            "code='acme'\nid=200\nname='x'\nkind='parcel'".to_owned(),
            Some("'acme'"),
            "a carrier's code is written in A–Z, 0–9 and _",
        ),
        (
            "code='A'\nid=0\nname='x'\nkind='parcel'".to_owned(),
            Some("0"),
            "a carrier's number is from 1 to 255",
        ),
        ("code='A'\nid=1\nname='x'\nkind='parcel'".to_owned(), Some("1"), "UPS has this number already"),
        (
            "code='UPS'\nid=9\nname='x'\nkind='parcel'".to_owned(),
            Some("9"),
            "the state knows UPS as 1: a carrier keeps its number",
        ),
        (
            "code='A'\nid=9\nname='x'\nkind='boat'".to_owned(),
            Some("'boat'"),
            "unknown variant `boat`, expected `parcel` or `freight`",
        ),
        (format!("{head}aliases=['upsn']"), Some("'upsn'"), "this names UPS already"),
        (format!("{head}default_code_set='X'"), Some("'X'"), "no file describes this code set"),
        (
            format!("{head}[codes]\nGONE=['X']"),
            Some("GONE"),
            "not a milestone, flag or signal, nor several with + between them, nor NONE",
        ),
        (
            format!("{head}[codes]\nLOST=['X']\nHELD=['Y','X']"),
            Some("'X'"),
            "this code has an effect already",
        ),
        (format!("{head}[codes]\nLOST=['d']\nHELD=['D']"), Some("'d'"), "this code has an effect already"),
        (format("shapes=['d']\nprefixes=['d','xc']"), Some("'xc'"), "a prefix has no check character"),
        (format!("{head}[codes]\nLOST=[' ']"), Some("' '"), "a code is not empty"),
        (format("shapes=['d{4}?']"), Some("?"), "no shape has this character"),
        (
            format("shapes=['d{0}']"),
            Some("{0}"),
            "between { and } stands a count from 1 to 64, or two as in 9..10",
        ),
        (format("shapes=[]"), Some("'f'"), "a format has at least one shape"),
        (format("shapes=['dc']"), Some("'f'"), "a shape with a c needs a check digit rule"),
        (
            format("shapes=['d']\ncheck={rule='luhn'}"),
            Some("{rule='luhn'}"),
            "the check digit rule needs a c in every shape",
        ),
        (
            format("shapes=['dc']\ncheck={rule='lun'}"),
            Some("{rule='lun'}"),
            "no check digit rule is called \"lun\"; there are mod10, luhn, mod7, mod11, s10, mod37_36, mod11_complement",
        ),
        (
            format("shapes=['dc']\ncheck={rule='luhn',over=2}"),
            Some("{rule='luhn',over=2}"),
            "only 1 characters stand before the check character",
        ),
    ] {
        let errors = Catalogue::with_files(&file(&text)).expect_err(&text);
        let [CatalogueError { file, span, message: got }] = &errors[..] else { panic!("{text}: {errors:?}") };
        assert_eq!((file.as_str(), got.as_str()), ("mine.toml", message), "{text}");
        if let Some(at) = at {
            assert_eq!(span.clone().map(|span| &text[span]), Some(at), "{text}");
        }
    }
    let twice =
        [file("code='A'\nid=9\nname='x'\nkind='parcel'"), file("code='A'\nid=9\nname='y'\nkind='parcel'")];
    let errors = Catalogue::with_files(&twice.concat()).expect_err("twice");
    assert_eq!(errors[0].message, "mine.toml describes A already");
    let two_bad =
        [file("code='a'\nid=0\nname='x'\nkind='parcel'"), file("code='UPS'\nid=7\nname='x'\nkind='parcel'")];
    assert_eq!(Catalogue::with_files(&two_bad.concat()).expect_err("both are told").len(), 2);
}

fn any_carrier(catalogue: &Catalogue) -> impl Strategy<Value = CarrierId> + use<> {
    proptest::sample::select(catalogue.ids().collect::<Vec<_>>())
}

/// Texts that come near to numbers: specimens, mutilated and dressed up.
fn any_text() -> impl Strategy<Value = String> {
    let specimen = proptest::sample::select(specimens()).prop_map(|(_, _, label, _)| label);
    let dirt = proptest::sample::select(vec![
        "", " ", "-", "]C1", "]d2", "\u{1d}", "00", "420", "\u{200b}", "\r\n", "_", ".",
    ]);
    let dressed =
        (specimen, dirt.clone(), dirt, 0..40_usize, any::<bool>()).prop_map(|(label, a, b, at, lower)| {
            let at = at.min(label.len());
            let text = format!("{a}{}{b}{}{a}", &label[..at], &label[at..]);
            if lower { text.to_lowercase() } else { text }
        });
    prop_oneof![dressed, ".*", "[0-9A-Z]{0,70}", "[\\]\\-C1._ ]{0,12}"]
}

proptest! {
    #[test]
    fn canonical_is_idempotent_and_register_agrees_with_it(
        carrier in any_carrier(&Catalogue::embedded()),
        raw in any_text(),
        strict in any::<bool>(),
    ) {
        let catalogue = Catalogue::embedded();
        let canonical = catalogue.canonical(carrier, &raw);
        // The short way of plain text leads where the long way does.
        prop_assert_eq!(&canonical, &catalogue.get(carrier).settle(&raw).ok().map(|settled| settled.number()));
        if let Some(number) = &canonical {
            prop_assert_eq!(&catalogue.canonical(carrier, number.as_str()), &canonical);
        }
        for registered in [
            catalogue.register(carrier, &raw, strict),
            catalogue.register_freight_bill(carrier, &raw, strict),
        ].into_iter().flatten() {
            prop_assert_eq!(Some(&registered.number), canonical.as_ref());
        }
        let check = catalogue.check(None, &raw);
        prop_assert_eq!(check.verdict == CheckVerdict::Invalid, check.reason.is_some());
    }

    #[test]
    fn any_code_and_any_file_is_taken_without_a_panic(text in ".*", code_set in proptest::option::of(".*")) {
        let catalogue = Catalogue::embedded();
        for carrier in catalogue.ids() {
            let _ = catalogue.effect(carrier, code_set.as_deref(), &text);
        }
        let _ = catalogue.carrier(&text);
        let _ = Catalogue::with_files(&file(&text));
        let shape = format!("code='ACME'\nid=200\nname='x'\nkind='parcel'\nformat=[{{name='f',shapes=[{text:?}]}}]");
        let _ = Catalogue::with_files(&file(&shape));
    }
}
