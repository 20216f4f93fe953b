//! The catalogue that is built in, against tables. Check digits are computed here a second time, in the simplest way.

mod codes;
mod formats;
mod page;

use proptest::prelude::*;

use crate::model::{CarrierId, Flag, FlagSet, Milestone, Validation};

use super::{Catalogue, CatalogueError, CheckVerdict};
use formats::specimens;

fn id(catalogue: &Catalogue, code: &str) -> CarrierId {
    catalogue.carrier(code).unwrap_or_else(|| panic!("{code} is in the catalogue"))
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
        ("USPS", "(420)67202-1234(94)05590212345612345679", Some("9405590212345612345679")),
        ("USPS", "]C1\u{1d}42067202\u{1d}9405590212345612345679", Some("9405590212345612345679")),
        ("UPS", "(00)1Z", Some("(00)1Z")),
        // An SSCC goes without its identifier, wherever it is no carrier's own number.
        ("OTHER", "00106141411928374657", Some("106141411928374657")),
        ("OTHER", "]C100106141411928374657\r", Some("106141411928374657")),
        ("OTHER", "(00)1 0614141 192837465 7", Some("106141411928374657")),
        ("OTHER", "106141411928374657", Some("106141411928374657")),
        ("OTHER", "00106141411928374658", Some("00106141411928374658")),
        ("USPS", "00106141411928374657", Some("00106141411928374657")),
        // This hyphen is part of the number; those are not.
        ("LASERSHIP", "1ls71 23011 456789-1", Some("1LS7123011456789-1")),
        ("LASERSHIP", "LX-1-1234567", Some("LX11234567")),
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
        ("SAIA", "123-456789", Ok("123456789")),
        ("RL", "828-561881-x", Ok("828561881X")),
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
    let saia = id(&catalogue, "SAIA");
    assert!(catalogue.register_freight_bill(saia, &"7".repeat(64), true).is_ok());
    assert!(catalogue.register_freight_bill(saia, &"7".repeat(65), true).is_err());
    assert!(catalogue.register_freight_bill(saia, &format!("7{}7", "-".repeat(63)), true).is_err());
}

#[test]
fn r6_a_pro_carries_the_check_digit_of_its_carrier() {
    let catalogue = Catalogue::embedded();
    for (code, raw, want) in [
        ("XPO", "123-456782", Ok("123456782")),
        (
            "XPO",
            "123-456789",
            Err(r#"it has the shape of XPO "PRO", but its check digit is 9 where 2 belongs"#),
        ),
        ("XPO", "12345678", Err("it has 8 characters, XPO numbers have 9")),
        ("YRC", "100-340397-9", Ok("1003403979")),
        ("YRC", "828-561881-x", Ok("828561881X")),
        ("YRC", "111 003542 0", Ok("1110035420")),
        (
            "YRC",
            "828-561881-1",
            Err(r#"it has the shape of YRC "PRO", but its check digit is 1 where X belongs"#),
        ),
        ("ODFL", "79927398713", Err("no ODFL format has this shape")),
        ("ODFL", "777-1234567-5", Ok("77712345675")),
    ] {
        let judged = catalogue.register_freight_bill(id(&catalogue, code), raw, true);
        let got = judged.as_ref().map(|ok| ok.number.as_str()).map_err(|refused| refused.message.as_str());
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(message), Err(why)) => assert!(message.contains(why), "{message}"),
            (got, want) => panic!("{code} {raw}: {got:?} for {want:?}"),
        }
    }
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
            (5, "AMAZON"),
            (6, "CANADA_POST"),
            (7, "CANPAR"),
            (8, "DPD"),
            (9, "GOFO"),
            (10, "LANDMARK"),
            (11, "LASERSHIP"),
            (12, "ONTRAC"),
            (13, "PUROLATOR"),
            (14, "S10"),
            (15, "SPEEDEE"),
            (16, "YODEL"),
            (17, "YUNEXPRESS"),
            (101, "XPO"),
            (102, "YRC"),
            (103, "ESTES"),
            (104, "SAIA"),
            (105, "RL"),
            (106, "ABF"),
            (107, "FEDEX_FREIGHT"),
            (108, "TFORCE"),
            (109, "ODFL"),
        ]
    );
    assert!(numbers.iter().all(|(number, _)| catalogue.is_freight(CarrierId(*number)) == (*number > 100)));
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
        (Some("SAIA"), "1-2", Some("12"), Some("SAIA"), CheckVerdict::NotSupported, None, &[]),
        (Some("SAIA"), "1/2", Some("1/2"), Some("SAIA"), CheckVerdict::Invalid, None, &[]),
        // A number that several carriers could have issued: all are told, and the canonical form they agree about.
        (
            None,
            "123456789023",
            Some("123456789023"),
            None,
            CheckVerdict::Valid,
            None,
            &["FEDEX", "PUROLATOR"],
        ),
        (
            None,
            "00106141411928374657",
            Some("00106141411928374657"),
            Some("USPS"),
            CheckVerdict::Valid,
            Some("20"),
            &["USPS"],
        ),
        (
            None,
            "106141411928374657",
            Some("106141411928374657"),
            None,
            CheckVerdict::NotSupported,
            Some("SSCC-18"),
            &[],
        ),
        (
            Some("OTHER"),
            "(00) 1 0614141 192837465 7",
            Some("106141411928374657"),
            Some("OTHER"),
            CheckVerdict::NotSupported,
            Some("SSCC-18"),
            &["USPS"],
        ),
        // What 14 digits are worth: one carrier takes any of them.
        (
            None,
            "12345678901234",
            Some("12345678901234"),
            Some("DHL"),
            CheckVerdict::Valid,
            Some("ecommerce 14"),
            &["DHL"],
        ),
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
            Some("200"),
            "the state knows OTHER as 0: a carrier keeps its number",
        ),
        (
            "code='A'\nid=209\nname='x'\nkind='parcel'\naliases=['other']".to_owned(),
            Some("'other'"),
            "this names OTHER already",
        ),
        (
            format!("{head}other_codes='ALL'"),
            Some("'ALL'"),
            "not a milestone, flag or signal, nor several with + between them, nor NONE",
        ),
        (
            format!("{head}[codes]\nLOST=['1..22']"),
            Some("'1..22'"),
            "a range of codes is two numbers of equal length, the smaller one first",
        ),
        (
            format!("{head}[codes]\nLOST=['10..19']\nHELD=['15']"),
            Some("'10..19'"),
            "this code has an effect already",
        ),
        (
            "code='acme'\nid=200\nname='x'\nkind='parcel'".to_owned(),
            Some("'acme'"),
            "a carrier's code is written in A–Z, 0–9 and _",
        ),
        (
            "code='A'\nid=0\nname='x'\nkind='parcel'".to_owned(),
            Some("0"),
            "a carrier of one's own has a number from 200 to 255",
        ),
        (
            "code='A'\nid=199\nname='x'\nkind='parcel'".to_owned(),
            Some("199"),
            "a carrier of one's own has a number from 200 to 255",
        ),
        (
            "code='UPS'\nid=209\nname='x'\nkind='parcel'".to_owned(),
            Some("209"),
            "the state knows UPS as 1: a carrier keeps its number",
        ),
        (
            "code='A'\nid=209\nname='x'\nkind='boat'".to_owned(),
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
    let twice = [
        file("code='A'\nid=209\nname='x'\nkind='parcel'"),
        file("code='A'\nid=209\nname='y'\nkind='parcel'"),
    ];
    let errors = Catalogue::with_files(&twice.concat()).expect_err("twice");
    assert_eq!(errors[0].message, "mine.toml describes A already");
    let two_bad = [
        file("code='a'\nid=0\nname='x'\nkind='parcel'"),
        file("code='UPS'\nid=250\nname='x'\nkind='parcel'"),
    ];
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
