//! Every format with numbers of our own making: made from its rule, good and bad, and with one digit changed.
//!
//! The rules are written here a second time, in the simplest way, most of them as "the one character that fits".

use super::super::{Catalogue, CheckVerdict};
use super::id;

/// A format, as this table knows it.
pub(super) struct Row {
    pub(super) carrier: &'static str,
    pub(super) format: &'static str,
    /// What its numbers look like, and how many of the nine other digits pass unseen at each place of the number.
    ///
    /// Looks: `d` a digit, `a` a letter, `x` either, `c` the check character, `<…>` the number in a label, `{n}` times.
    /// Unseen: `.` none, a figure so many, `s` those seven away (sum of integers, modulo 7), `e` one when the sum's
    /// remainder is one of the two that share a check digit (modulo 11), `-` for a place that holds no digit.
    looks: &'static [(&'static str, &'static str)],
    /// The check character, from the label and the number in it, both up to the check character.
    check: Option<fn(&str, &str) -> char>,
    /// What the carrier refuses, whatever the check character says.
    refused: &'static [&'static str],
}

type Looks = &'static [(&'static str, &'static str)];

fn value(c: char) -> u32 {
    c.to_digit(10).unwrap_or((c as u32 + 7) % 10)
}

fn weighted(body: &str, weights: &[u32]) -> u32 {
    body.chars().zip(weights.iter().cycle()).map(|(c, w)| value(c) * w).sum()
}

fn digit(fits: impl Fn(u32) -> bool) -> char {
    let found = (0..10).find(|c| fits(*c)).expect("one of ten");
    char::from_digit(found, 10).expect("a digit")
}

/// What is missing to a multiple of ten.
fn tens(body: &str, weights: &[u32]) -> char {
    digit(|c| (weighted(body, weights) + c).is_multiple_of(10))
}

/// What is left over eleven, ten counting as zero.
fn elevens(body: &str, weights: &[u32]) -> char {
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '0'][weighted(body, weights) as usize % 11]
}

/// What is left of the whole integer over seven.
fn sevens(body: &str) -> char {
    let integer: u64 = body.parse().expect("digits");
    digit(|c| integer % 7 == u64::from(c))
}

/// What makes the whole number pass: every second digit from the right doubled, and the digits of all added up.
fn luhn(body: &str) -> char {
    digit(|c| {
        let whole = format!("{body}{c}");
        let digits = whole.chars().rev().zip([1, 2].into_iter().cycle());
        let digits = digits.map(|(d, times)| value(d) * times);
        digits.map(|product| product / 10 + product % 10).sum::<u32>().is_multiple_of(10)
    })
}

/// What is missing to eleven, with two exceptions.
fn postal(body: &str) -> char {
    let missing = 11 - weighted(body, &[8, 6, 4, 2, 3, 5, 9, 7]) % 11;
    digit(|c| {
        c == if missing == 10 {
            0
        } else if missing == 11 {
            5
        } else {
            missing
        }
    })
}

/// ISO 7064, 37/36: the character that makes the whole leave one.
fn iso_37_36(body: &str) -> char {
    let value = |c: char| c.to_digit(36).expect("a digit or letter");
    let product = body.chars().fold(36, |product, c| match (product + value(c)) % 36 {
        0 => 36 * 2 % 37,
        sum => sum * 2 % 37,
    });
    let fits = |c: &char| (product + value(*c)) % 36 == 1;
    ('0'..='9').chain('A'..='Z').find(fits).expect("one of 36")
}

/// What makes the sum of body and check a multiple of eleven; ten is X.
fn elevenths(body: &str) -> char {
    let integer: u32 = body.parse().expect("digits");
    let c = (0..11).find(|c| (integer + c).is_multiple_of(11)).expect("one of eleven");
    char::from_digit(c, 10).unwrap_or('X')
}

const fn row(
    carrier: &'static str,
    format: &'static str,
    looks: Looks,
    check: Option<fn(&str, &str) -> char>,
    refused: &'static [&'static str],
) -> Row {
    Row { carrier, format, looks, check, refused }
}

/// The digits of a legacy number as they are counted: behind 91.
fn counted(number: &str) -> String {
    if number.starts_with("91") { number.to_owned() } else { format!("91{number}") }
}

/// The digits of an OnTrac number as they are counted: behind the letter's figure.
fn behind(figure: char, number: &str) -> String {
    let digits = &number[1..];
    if digits.starts_with(figure) { digits.to_owned() } else { format!("{figure}{digits}") }
}

pub(super) const ROWS: &[Row] = &[
    row(
        "UPS",
        "1Z",
        &[("1Zx{15}c", ".-.1.1.1.1.1.1.1..")],
        Some(|_, number| tens(&number[2..], &[1, 2])),
        &["2Zx{15}c", "1Zx{14}c", "1Zx{16}c", "1Zx{15}A"],
    ),
    row(
        "UPS",
        "waybill",
        &[("Ad{9}c", "-.1.1.1.1.."), ("Hd{9}c", "-.1.1.1.1.."), ("Vd{9}c", "-.1.1.1.1..")],
        Some(|_, number| tens(&number[1..], &[1, 2])),
        &["Bd{9}c", "Hd{8}c", "Hd{10}c"],
    ),
    row(
        "FEDEX",
        "12",
        &[("d{11}c", "e{11}.")],
        Some(|_, number| elevens(number, &[3, 1, 7])),
        &["d{10}c", "d{12}c", "Ad{10}0"],
    ),
    row(
        "FEDEX",
        "34",
        &[("0d{21}<d{11}c>", "e{11}."), ("8d{21}<d{11}c>", "e{11}.")],
        Some(|label, _| elevens(&label[20..], &[1, 7, 3])),
        &["97d{20}<d{11}c>", "1d{20}<d{11}c>", "1d{22}<d{11}c>"],
    ),
    row(
        "FEDEX",
        "ASTRA 32",
        &[("3d{15}<d{11}c>d{4}", "e{11}.")],
        Some(|_, number| elevens(number, &[3, 1, 7])),
        &["4d{15}<d{11}c>d{4}", "3d{15}<d{11}c>d{3}"],
    ),
    row(
        "FEDEX",
        "ground 15",
        &[("d{14}c", ".{15}")],
        Some(|_, number| tens(number, &[1, 3])),
        &["d{13}", "d{16}", "Ad{13}0"],
    ),
    row(
        "FEDEX",
        "ground SSCC-18",
        &[("d{17}c", "99.{16}"), ("00<d{17}c>", "99.{16}")],
        Some(|_, number| tens(&number[2..], &[3, 1])),
        &["01<d{17}c>", "d{18}c"],
    ),
    row(
        "FEDEX",
        "ground 96",
        &[("96d{19}c", "..9{5}.{15}")],
        Some(|_, number| tens(&number[7..], &[1, 3])),
        &["95d{19}c", "96d{18}c"],
    ),
    row(
        "FEDEX",
        "ground GSN",
        &[("96d{20}<d{11}c>", "e{11}.")],
        Some(|label, _| elevens(&label[20..], &[1, 7, 3])),
        &["95d{20}<d{11}c>"],
    ),
    row(
        "USPS",
        "20",
        &[("03d{17}c", ".{20}"), ("70d{17}c", ".{20}")],
        Some(|_, number| tens(number, &[3, 1])),
        &["03d{16}c", "03d{18}c", "Ad{18}0"],
    ),
    row(
        "USPS",
        "IMpb-N",
        &[
            ("94d{3}9d{8}d{7}c", ".{22}"),
            ("94d{3}9d{8}d{11}c", ".{26}"),
            ("94d{3}9d{8}d{15}c", ".{30}"),
            ("94d{3}0d{5}d{10}c", ".{22}"),
            ("94d{3}8d{5}d{14}c", ".{26}"),
            ("420d{5}<94d{3}9d{8}d{7}c>", ".{22}"),
            ("420d{9}<94d{3}7d{5}d{10}c>", ".{22}"),
            ("420d{5}<94d{3}9d{8}d{11}c>", ".{26}"),
            ("420d{9}<94d{3}6d{5}d{14}c>", ".{26}"),
            ("420d{5}<94d{3}9d{8}d{15}c>", ".{30}"),
        ],
        Some(|_, number| tens(number, &[3, 1])),
        &["94d{3}9d{8}d{8}c", "96d{3}9d{8}d{7}c", "94d{3}0d{5}d{18}c", "421d{5}<94d{3}9d{8}d{7}c>"],
    ),
    row(
        "USPS",
        "IMpb-C",
        &[
            ("92d{3}9d{8}d{7}c", ".{22}"),
            ("92d{3}9d{8}d{11}c", ".{26}"),
            ("93d{3}0d{5}d{10}c", ".{22}"),
            ("93d{3}8d{5}d{14}c", ".{26}"),
            ("95d{3}9d{8}d{7}c", ".{22}"),
            ("95d{3}9d{8}d{11}c", ".{26}"),
            ("95d{3}4d{5}d{10}c", ".{22}"),
            ("95d{3}5d{5}d{14}c", ".{26}"),
            ("420d{5}<92d{3}9d{8}d{7}c>", ".{22}"),
            ("420d{9}<93d{3}7d{5}d{10}c>", ".{22}"),
            ("420d{5}<95d{3}9d{8}d{11}c>", ".{26}"),
        ],
        Some(|_, number| tens(number, &[3, 1])),
        &["92d{3}8d{5}d{10}c", "93d{3}9d{8}d{7}c", "90d{19}c", "92d{3}9d{8}d{15}c"],
    ),
    row(
        "USPS",
        "legacy",
        &[
            ("91d{2}d{9}d{8}c", ".{22}"),
            ("01d{9}d{8}c", ".{20}"),
            ("420d{5}<91d{19}c>", ".{22}"),
            ("420d{9}<91d{19}c>", ".{22}"),
            ("420d{5}<01d{17}c>", ".{20}"),
            ("420d{9}<71d{17}c>", ".{20}"),
        ],
        Some(|_, number| tens(&counted(number), &[3, 1])),
        &["90d{19}c", "91d{20}c", "420d{4}<91d{19}c>", "420d{6}<91d{19}c>"],
    ),
    row(
        "DHL",
        "express",
        &[("d{9}c", "s{9}."), ("d{10}c", "s{10}.")],
        Some(|_, number| sevens(number)),
        &["d{8}c", "d{11}c", "d{9}7", "d{10}9"],
    ),
    row(
        "DHL",
        "piece",
        &[("JJDd{9}", "---9{9}"), ("JJDXd{10}", "----9{10}")],
        None,
        &["JDd{9}", "JJDd{8}", "JJDXd{11}", "KJDd{9}"],
    ),
    row(
        "DHL",
        "ecommerce",
        &[("GMdx{9}", "--9{10}"), ("RXdx{16}", "--9{17}"), ("MYdx{38}", "--9{39}")],
        None,
        &["GMax{9}", "AAdx{9}", "GMdx{8}", "GMdx{39}"],
    ),
    row("DHL", "ecommerce 14", &[("d{14}", "9{14}")], None, &["d{13}", "d{15}", "ad{13}"]),
    row(
        "AMAZON",
        "logistics",
        &[("TBAd{12}", "---9{12}"), ("TBCd{12}", "---9{12}"), ("TBMd{12}", "---9{12}")],
        None,
        &["TBBd{12}", "TBAd{11}", "TBAd{13}"],
    ),
    row(
        "AMAZON",
        "international",
        &[("Ad{10}", "-9{10}"), ("Cd{10}", "-9{10}"), ("Fd{10}", "-9{10}")],
        None,
        &["Bd{10}", "Ad{9}"],
    ),
    row(
        "CANADA_POST",
        "16",
        &[("d{15}c", ".{16}")],
        Some(|_, number| tens(number, &[3, 1])),
        &["d{14}c", "d{16}c", "ad{14}0"],
    ),
    row("CANPAR", "22", &[("Cd{21}", "-9{21}"), ("Zd{21}", "-9{21}")], None, &["Ad{21}", "Cd{20}", "d{22}"]),
    row(
        "DPD",
        "28",
        &[("d{27}c", ".{28}")],
        Some(|_, number| iso_37_36(number)),
        &["ad{26}c", "d{26}c", "d{28}c"],
    ),
    row(
        "DPD",
        "14",
        &[("d{14}c", ".{15}")],
        Some(|_, number| iso_37_36(number)),
        &["ad{13}c", "d{13}c", "d{15}c"],
    ),
    row("GOFO", "US", &[("GFUSd{14}", "----9{14}")], None, &["GFUKd{14}", "GFUSd{13}", "GFUSd{15}"]),
    row("LANDMARK", "LTN", &[("LTNd{8}N1", "---9{8}-.")], None, &["LTNd{8}N2", "LTNd{7}N1", "LTNd{8}"]),
    row(
        "LASERSHIP",
        "LX",
        &[("LA1d{7}", "--29{7}"), ("LX3d{7}", "--29{7}")],
        None,
        &["LB1d{7}", "LA4d{7}", "LA1d{6}"],
    ),
    row(
        "LASERSHIP",
        "1LS7 15",
        &[("1LS71d{10}", ".--.19{10}"), ("1LS72d{10}", ".--.19{10}")],
        None,
        &["1LS73d{10}", "1LS71d{9}"],
    ),
    row(
        "LASERSHIP",
        "1LS7 18",
        &[("1LS71d{2}011d{6}-1", ".--.199..39{6}-."), ("1LS72d{2}014d{6}-1", ".--.199..39{6}-.")],
        None,
        &["1LS71d{2}021d{6}-1", "1LS71d{2}015d{6}-1", "1LS71d{2}011d{6}-2", "1LS71d{2}011d{6}1"],
    ),
    row("LASERSHIP", "1LSCX", &[("1LSCXx{10}", ".----9{10}")], None, &["1LSCYx{10}", "1LSCXx{9}"]),
    row(
        "ONTRAC",
        "C",
        &[("Cd{13}c", "-1.1.1.1.1.1.1.")],
        Some(|_, number| tens(&behind('4', number), &[1, 2])),
        &["Ed{13}c", "Cd{12}c", "Cd{14}c"],
    ),
    row(
        "ONTRAC",
        "D",
        &[("Dd{13}c", "-1.1.1.1.1.1.1.")],
        Some(|_, number| tens(&behind('5', number), &[1, 2])),
        &["Ad{13}c"],
    ),
    row(
        "PUROLATOR",
        "12",
        &[("0d{10}c", ".{12}"), ("5d{10}c", ".{12}")],
        Some(|_, number| luhn(number)),
        &["6d{10}c", "0d{9}c", "0d{11}c"],
    ),
    row("PUROLATOR", "alpha", &[("a{3}d{9}", "---9{9}")], None, &["a{2}d{10}", "a{3}d{8}", "a{4}d{8}"]),
    row(
        "S10",
        "S10",
        &[
            ("RRd{8}cGB", "--e{8}.--"),
            ("LXd{8}cUS", "--e{8}.--"),
            ("EEd{8}cCN", "--e{8}.--"),
            ("a{2}d{8}cZW", "--e{8}.--"),
        ],
        Some(|_, number| postal(&number[2..])),
        &["RRd{8}cZZ", "RRd{8}cUK", "R1d{8}cGB", "RRd{7}cGB", "RRd{9}cGB"],
    ),
    row("SPEEDEE", "20", &[("SPd{18}", "--9{18}")], None, &["SQd{18}", "SPd{17}", "SPd{19}"]),
    row("YODEL", "JD", &[("JDd{16}", "--9{16}"), ("JJDd{16}", "---9{16}")], None, &["JKd{16}", "JDd{15}"]),
    row("YUNEXPRESS", "YT", &[("YTd{16}", "--9{16}")], None, &["YUd{16}", "YTd{15}", "YTd{17}"]),
    row(
        "ODFL",
        "PRO",
        &[("777d{7}c", ".{11}"), ("778d{7}c", ".{11}"), ("072d{7}c", ".{11}"), ("780d{7}c", ".{11}")],
        Some(|_, number| luhn(number)),
        &["779d{7}c", "777d{6}c", "777d{8}c"],
    ),
    row(
        "ODFL",
        "guaranteed",
        &[("80d{8}c", ".{11}")],
        Some(|_, number| luhn(number)),
        &["81d{8}c", "80d{7}c"],
    ),
    row(
        "XPO",
        "PRO",
        &[("d{8}c", "s{8}.")],
        Some(|_, number| sevens(number)),
        &["d{8}7", "d{8}8", "d{8}9", "d{7}c", "d{9}c"],
    ),
    row(
        "YRC",
        "PRO",
        &[("d{9}c", "999.{7}")],
        Some(|_, number| elevenths(&number[3..])),
        &["d{9}A", "d{8}c", "d{10}c"],
    ),
    row(
        "OTHER",
        "SSCC-18",
        &[("d{17}c", ".{18}"), ("00<d{17}c>", ".{18}")],
        Some(|_, number| tens(number, &[3, 1])),
        &[],
    ),
];

/// Throws of a die, the same in every run.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    fn one_of(&mut self, characters: &str) -> char {
        char::from(characters.as_bytes()[self.below(characters.len())])
    }
}

/// `d{3}c` as `dddc`.
fn unfold(looks: &str) -> String {
    let mut text = String::new();
    let mut rest = looks;
    while let Some((before, behind)) = rest.split_once('{') {
        let (times, after) = behind.split_once('}').expect("a closed count");
        let (once, last) = before.split_at(before.len() - 1);
        text += once;
        text += &last.repeat(times.parse().expect("a count"));
        rest = after;
    }
    text + rest
}

/// A label, and the bytes of it that are the number.
struct Specimen {
    label: String,
    number: std::ops::Range<usize>,
    /// Where the check character stands.
    check_at: Option<usize>,
}

const DIGITS: &str = "0123456789";
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn make(row: &Row, looks: &str, dice: &mut Dice, digits_only: bool) -> Specimen {
    let (mut label, mut number, mut check_at) = (String::new(), 0..0, None);
    for c in unfold(looks).chars() {
        let here = label.len();
        match c {
            '<' => number.start = here,
            '>' => number.end = here,
            'c' => {
                let check = row.check.expect("a rule");
                check_at = Some(here);
                label.push(check(&label, &label[number.start..]));
            }
            'd' => label.push(dice.one_of(DIGITS)),
            'a' => label.push(dice.one_of(LETTERS)),
            'x' if digits_only || dice.below(2) == 0 => label.push(dice.one_of(DIGITS)),
            'x' => label.push(dice.one_of(LETTERS)),
            literal => label.push(literal),
        }
    }
    if number.end == 0 {
        number.end = label.len();
    }
    Specimen { label, number, check_at }
}

/// Carrier, format, a label, and the canonical number in it.
pub(super) fn specimens() -> Vec<(&'static str, &'static str, String, String)> {
    let mut dice = Dice(0x5eed);
    let mut all = Vec::new();
    for row in ROWS {
        for (looks, _) in row.looks {
            for _ in 0..3 {
                let Specimen { label, number, .. } = make(row, looks, &mut dice, false);
                let number = label[number].to_owned();
                all.push((row.carrier, row.format, label, number));
            }
        }
    }
    all
}

/// The share of one-digit mistakes in its numbers that a format sees.
pub(super) fn promised(row: &Row) -> f64 {
    let unseen = |c: char| match c {
        '.' => 0.0,
        // Of the 90 pairs of two digits six are seven apart.
        's' => 6.0 / 90.0,
        // Two remainders of eleven share a digit, and of ten others one leads from each to the other.
        'e' => 2.0 / 11.0 / 10.0,
        ninths => f64::from(ninths.to_digit(10).expect("a mark")) / 9.0,
    };
    let of_looks = |marks: &str| {
        let marks: Vec<f64> = unfold(marks).chars().filter(|c| *c != '-').map(unseen).collect();
        marks.iter().sum::<f64>() / marks.len() as f64
    };
    1.0 - row.looks.iter().map(|(_, marks)| of_looks(marks)).sum::<f64>() / row.looks.len() as f64
}

#[test]
fn every_format_is_in_the_table_once() {
    let catalogue = Catalogue::embedded();
    let mut listed: Vec<(&str, &str)> = ROWS.iter().map(|row| (row.carrier, row.format)).collect();
    let mut known = Vec::new();
    for carrier in catalogue.ids() {
        let summary = catalogue.summary(carrier);
        known.extend(summary.formats.iter().map(|format| (summary.code, *format)));
    }
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known);
}

/// R5, R6: numbers made from the rule are valid, with their format, and come out of their labels.
#[test]
fn r5_numbers_made_by_the_rule_are_valid() {
    let catalogue = Catalogue::embedded();
    let mut dice = Dice(11);
    for row in ROWS {
        for (looks, _) in row.looks {
            for _ in 0..50 {
                let Specimen { label, number, .. } = make(row, looks, &mut dice, false);
                let carrier = id(&catalogue, row.carrier);
                let check = catalogue.check(Some(carrier), &label);
                let want = match row.carrier {
                    "OTHER" => CheckVerdict::NotSupported,
                    _ => CheckVerdict::Valid,
                };
                assert_eq!(check.verdict, want, "{} {} {label}: {:?}", row.carrier, row.format, check.reason);
                assert_eq!(check.format.as_deref(), Some(row.format), "{} {label}", row.carrier);
                let canonical = check.canonical.expect("a valid number is canonical");
                assert_eq!(canonical.as_str(), &label[number], "{label}");
                assert_eq!(catalogue.canonical(carrier, &label), Some(canonical), "{label}");
                let is_candidate = check.candidates.iter().any(|code| code == row.carrier);
                assert_eq!(is_candidate, want == CheckVerdict::Valid, "{label}");
            }
        }
    }
}

/// R5, R6: another check character is refused, by each of the 9 or 35 others; so are other shapes.
#[test]
fn r5_wrong_check_characters_and_shapes_are_refused() {
    let catalogue = Catalogue::embedded();
    let mut dice = Dice(12);
    for row in ROWS {
        let carrier = id(&catalogue, row.carrier);
        for (looks, _) in row.looks {
            let Specimen { label, check_at, .. } = make(row, looks, &mut dice, false);
            let Some(at) = check_at else { continue };
            for c in DIGITS.chars().chain(LETTERS.chars()).filter(|c| !label[at..].starts_with(*c)) {
                let mut wrong = label.clone();
                wrong.replace_range(at..=at, &c.to_string());
                let check = catalogue.check(Some(carrier), &wrong);
                // Another format of the carrier may happen to take it; its own must not.
                assert_ne!(check.format.as_deref(), Some(row.format), "{} {wrong}", row.carrier);
            }
        }
        for looks in row.refused {
            for _ in 0..20 {
                let Specimen { label, .. } = make(row, looks, &mut dice, false);
                let check = catalogue.check(Some(carrier), &label);
                let want = (CheckVerdict::Invalid, None);
                assert_eq!((check.verdict, check.format), want, "{} {} {label}", row.carrier, row.format);
                assert!(check.reason.is_some_and(|why| why.contains(&label)), "{label}");
            }
        }
    }
}

/// How many numbers of each format get one wrong digit.
const MUTATIONS: u32 = 10_000;

/// One wrong digit in a number is seen as often as its check digit promises.
#[test]
fn one_wrong_digit_is_caught_at_the_promised_rate() {
    let catalogue = Catalogue::embedded();
    let mut dice = Dice(13);
    let mut table = format!(
        "{:<28} {:>9} {:>7} {:>8} {:>9} {:>10}\n",
        "format", "mutations", "caught", "rate", "promised", "at carrier"
    );
    let mut broken = Vec::new();
    for row in ROWS {
        let carrier = catalogue.get(id(&catalogue, row.carrier));
        let format = carrier.formats.iter().position(|known| &*known.name == row.format).expect("listed");
        let (mut caught, mut refused) = (0, 0);
        for _ in 0..MUTATIONS {
            let looks = row.looks[dice.below(row.looks.len())].0;
            let Specimen { mut label, number, .. } = make(row, looks, &mut dice, true);
            let places: Vec<usize> = number.filter(|at| label.as_bytes()[*at].is_ascii_digit()).collect();
            let at = places[dice.below(places.len())];
            let was = value(char::from(label.as_bytes()[at])) as usize;
            let now = (was + 1 + dice.below(9)) % 10;
            label.replace_range(at..=at, &now.to_string());
            let mut fitting = carrier.fits(label.as_bytes()).peekable();
            refused += u32::from(fitting.peek().is_none());
            caught += u32::from(!fitting.any(|known| known.format == format));
        }
        let share = |count: u32| f64::from(count) / f64::from(MUTATIONS);
        let (rate, promised) = (share(caught), promised(row));
        table += &format!(
            "{:<28} {MUTATIONS:>9} {caught:>7} {:>7.2}% {:>8.2}% {:>9.2}%\n",
            format!("{} {}", row.carrier, row.format),
            rate * 100.0,
            promised * 100.0,
            share(refused) * 100.0,
        );
        // Four deviations of chance, and one in a thousand for the few numbers that a prefix makes ambiguous.
        let chance = (promised * (1.0 - promised) / f64::from(MUTATIONS)).sqrt();
        if (rate - promised).abs() > 4.0 * chance + 0.001 {
            broken.push(format!("{} {}", row.carrier, row.format));
        }
    }
    eprintln!("{table}");
    assert!(broken.is_empty(), "{broken:?}\n{table}");
}

/// Judging allocates for no number: the text lives on the stack, and the format's name is shared.
#[test]
fn judging_a_number_spills_nothing_to_the_heap() {
    let catalogue = Catalogue::embedded();
    for (code, _, label, _) in specimens() {
        let carrier = catalogue.get(id(&catalogue, code));
        let settled = carrier.settle(&label).expect("valid");
        assert!(!settled.text.spilled(), "{code} {label}");
        let name = carrier.format_name(&settled).expect("a format");
        assert!(carrier.formats.iter().any(|known| std::sync::Arc::ptr_eq(&known.name, &name)), "{label}");
    }
}
