//! Outside text to number text: the steps that need no knowledge of a carrier.
//!
//! Enters: what was typed, scanned or sent: any string. Leaves: printable ASCII in upper case without blanks, or the
//! character that no number has. Always true: letters that only look like ASCII are refused, never a second key.
//!
//! Of Unicode's compatibility forms only those are folded that keyboards, scanners and spreadsheets produce: full-width
//! characters, decimal digits of other scripts, dashes, blanks, and characters without width.

use smallvec::SmallVec;

/// The text of a number while it is worked on.
pub(crate) type NumberText = SmallVec<[u8; 64]>;

/// What becomes of one character.
enum Folded {
    Keep(u8),
    Blank,
    /// Without width, or a separator between the elements of a GS1 barcode.
    Nothing,
    Bad,
}

const GROUP_SEPARATOR: char = '\u{1d}';

/// The zeros of the decimal digits outside ASCII; nine digits follow each.
const ZEROS: [u32; 41] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50,
    0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0x104a0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec,
    0x1d7f6,
];

fn fold(c: char) -> Folded {
    match c {
        '!'..='~' => Folded::Keep(u8::try_from(c).expect("ASCII").to_ascii_uppercase()),
        ' ' | '\t' | '\r' | '\n' => Folded::Blank,
        GROUP_SEPARATOR => Folded::Nothing,
        _ if c.is_control() => Folded::Bad,
        _ => fold_beyond_ascii(c),
    }
}

#[cold]
fn fold_beyond_ascii(c: char) -> Folded {
    match c {
        // Full-width ASCII.
        '\u{ff01}'..='\u{ff5e}' => {
            fold(char::from_u32(c as u32 - 0xfee0).expect("the full-width block mirrors ASCII"))
        }
        '\u{58a}'
        | '\u{5be}'
        | '\u{1400}'
        | '\u{1806}'
        | '\u{2010}'..='\u{2015}'
        | '\u{2043}'
        | '\u{2212}'
        | '\u{2e3a}'
        | '\u{2e3b}'
        | '\u{301c}'
        | '\u{30a0}'
        | '\u{fe31}'
        | '\u{fe32}'
        | '\u{fe58}'
        | '\u{fe63}' => Folded::Keep(b'-'),
        '\u{ad}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{2069}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' => Folded::Nothing,
        _ if c.is_whitespace() => Folded::Blank,
        _ => {
            let zero = ZEROS.into_iter().rfind(|zero| *zero <= c as u32);
            let digit = zero.and_then(|zero| u8::try_from(c as u32 - zero).ok()).filter(|digit| *digit <= 9);
            digit.map_or(Folded::Bad, |digit| Folded::Keep(b'0' + digit))
        }
    }
}

/// Whether `raw` consists of digits and capital letters alone, 1–64 of them: then nothing is to be folded.
pub(crate) fn is_plain(raw: &str) -> bool {
    let plain = |b: u8| b.is_ascii_digit() | b.is_ascii_uppercase();
    matches!(raw.len(), 1..=64) && raw.bytes().fold(true, |all, b| all & plain(b))
}

/// The number text of `raw`, or the first character that no number has.
pub(crate) fn read(raw: &str) -> Result<NumberText, char> {
    let mut text = NumberText::new();
    for c in raw.chars() {
        match fold(c) {
            Folded::Keep(b) => text.push(b),
            Folded::Blank | Folded::Nothing => {}
            Folded::Bad => return Err(c),
        }
    }
    Ok(text)
}

/// Cuts off symbology marks (`]C1`, `]d2`: what a barcode reader says about the barcode).
pub(crate) fn strip_marks(text: &mut NumberText) {
    let mut rest = &text[..];
    while let [b']', letter, modifier, tail @ ..] = rest
        && letter.is_ascii_uppercase()
        && modifier.is_ascii_alphanumeric()
    {
        rest = tail;
    }
    let marks = text.len() - rest.len();
    text.drain(..marks);
}

/// A GS1 label as people read it, `(420)67202(92)055…`, without the brackets around its identifiers; nothing when `text`
/// does not begin with such an identifier.
pub(crate) fn without_brackets(text: &[u8]) -> Option<NumberText> {
    identifier(text)?;
    let mut open = NumberText::new();
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        match identifier(rest) {
            Some(digits) => {
                open.extend_from_slice(&rest[1..=digits]);
                rest = &rest[digits + 2..];
            }
            None => {
                open.push(*first);
                rest = tail;
            }
        }
    }
    Some(open)
}

/// How many digits the identifier in brackets has with which `text` begins.
fn identifier(text: &[u8]) -> Option<usize> {
    let [b'(', rest @ ..] = text else { return None };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    ((2..=4).contains(&digits) && rest.get(digits) == Some(&b')')).then_some(digits)
}

/// What a reader gun appends is no blank that somebody typed.
pub(crate) fn strip_suffix(raw: &str) -> &str {
    raw.trim_end_matches(['\r', '\n', '\t'])
}

/// Whether there is a blank before `raw`, and behind it.
pub(crate) fn outer_blanks(raw: &str) -> (bool, bool) {
    let is_blank = |c: Option<char>| c.is_some_and(|c| matches!(fold(c), Folded::Blank));
    let has_width = |c: &char| !matches!(fold(*c), Folded::Nothing);
    (is_blank(raw.chars().find(has_width)), is_blank(raw.chars().rfind(has_width)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blanks_case_and_look_alikes_of_unicode_are_folded() {
        for (raw, want) in [
            ("1z 5r8\u{a0}93\u{3000}90", Ok("1Z5R89390")),
            ("\u{feff}94\u{200b}00\u{ad}", Ok("9400")),
            ("１Ｚａ－．＿", Ok("1ZA-._")),
            ("٠١٢٣٤٥٦٧٨٩ ०९ 𝟎𝟗𝟘", Ok("0123456789 09 090")),
            ("1\u{2010}2\u{2013}3\u{2212}4", Ok("1-2-3-4")),
            ("\u{1d}]C142\u{1d}0\r\n\t", Ok("]C1420")),
            ("1\u{0}", Err('\u{0}')),
            ("1\u{85}", Err('\u{85}')),
            ("1\u{b}", Err('\u{b}')),
            ("1ZО", Err('О')),
            ("½", Err('½')),
            ("é", Err('é')),
            ("٪", Err('٪')),
        ] {
            let want = want.map(|text| text.replace(' ', ""));
            assert_eq!(
                read(raw).map(|text| String::from_utf8(text.to_vec()).expect("ASCII")),
                want,
                "{raw:?}"
            );
        }
    }

    #[test]
    fn marks_are_cut_off() {
        for (text, want) in [("]C1420", "420"), ("]D2]C1A", "A"), ("]C", "]C"), ("A]C1", "A]C1"), ("]C1", "")]
        {
            let mut text = NumberText::from_slice(text.as_bytes());
            strip_marks(&mut text);
            assert_eq!(&text[..], want.as_bytes());
        }
    }

    #[test]
    fn brackets_around_identifiers_come_off() {
        for (text, want) in [
            ("(00)106", Some("00106")),
            ("(420)67202(92)05(X)", Some("420672029205(X)")),
            ("(8003)", Some("8003")),
            ("(1)2", None),
            ("(12345)6", None),
            ("(00", None),
            ("(A0)1", None),
            ("1(00)", None),
            ("", None),
        ] {
            let open = without_brackets(text.as_bytes());
            assert_eq!(open.as_deref(), want.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn a_scanners_suffix_is_no_outer_blank() {
        for (raw, want) in [
            ("1Z\r\n", (false, false)),
            ("1Z \r\n", (false, true)),
            ("\u{feff} 1Z", (true, false)),
            ("\u{a0}1 Z\u{2003}\u{200b}", (true, true)),
            ("", (false, false)),
        ] {
            assert_eq!(outer_blanks(strip_suffix(raw)), want, "{raw:?}");
        }
    }
}
