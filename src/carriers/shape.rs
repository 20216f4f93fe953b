//! The shape language: what a tracking number looks like, and where in a label it stands.
//!
//! | written | stands for |
//! |---|---|
//! | `0`–`9`, `A`–`Z`, `-` | that character |
//! | `d`, `a`, `x` | a digit; a letter; a digit or a letter |
//! | `c` | the check character, at most one |
//! | `[0-35AH]` | one of these |
//! | `(GM\|LX)` | one of these words of equal length |
//! | `{4}`, `{9..10}` | the single character before it, so many times |
//! | `<…>` | the canonical number; the rest belongs to the label. Without it, all of it |
//!
//! Enters: the text of a shape. Leaves: [`Pattern`]s of fixed length, one for each length the shape can have.
//! Always true: a pattern matches the whole text or not at all, by one set of symbols per character.

use std::ops::Range;

use super::NUMBER_CHARS_MAX;

/// A shape may not unfold into more patterns than this.
const PATTERNS_MAX: usize = 64;

const DIGITS: u64 = 0x3ff;
const LETTERS: u64 = 0x3ff_ffff << 10;

/// The bit of a character; none for those that no shape can name.
fn symbol(b: u8) -> u64 {
    match b {
        b'0'..=b'9' => 1 << (b - b'0'),
        b'A'..=b'Z' => 1 << (b - b'A' + 10),
        b'-' => 1 << 36,
        _ => 0,
    }
}

/// A shape of one length.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Pattern {
    /// The symbols that may stand at each place.
    symbols: Vec<u64>,
    /// Words, and the place where one of them must stand. Their symbols are in `symbols` too.
    words: Vec<(usize, Vec<String>)>,
    /// Where the canonical number stands.
    pub(crate) number: Range<usize>,
    /// Where the check character stands.
    pub(crate) check_at: Option<usize>,
}

impl Pattern {
    /// The length of the texts it matches.
    pub(crate) fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Whether `text` has this shape.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        text.len() == self.len()
            && text.iter().zip(&self.symbols).all(|(b, symbols)| symbols & symbol(*b) != 0)
            && self
                .words
                .iter()
                .all(|(at, words)| words.iter().any(|w| text[*at..].starts_with(w.as_bytes())))
    }

    /// This pattern behind a label's `prefix`.
    pub(crate) fn behind(&self, prefix: &Pattern) -> Pattern {
        let by = prefix.len();
        let moved = self.words.iter().map(|(at, words)| (at + by, words.clone()));
        Pattern {
            symbols: [&prefix.symbols[..], &self.symbols].concat(),
            words: prefix.words.iter().cloned().chain(moved).collect(),
            number: self.number.start + by..self.number.end + by,
            check_at: self.check_at.map(|at| at + by),
        }
    }
}

/// Why a text is no shape, and the bytes that say so.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ShapeError {
    pub(crate) at: Range<usize>,
    pub(crate) message: String,
}

fn wrong<T>(at: Range<usize>, message: impl Into<String>) -> Result<T, ShapeError> {
    Err(ShapeError { at, message: message.into() })
}

/// Reads a shape.
pub(crate) fn parse(shape: &str) -> Result<Vec<Pattern>, ShapeError> {
    let bytes = shape.as_bytes();
    let mut patterns = vec![Pattern::default()];
    // Where the number starts and ends, while the shape is read; `None` until the mark is met.
    let (mut opened, mut closed, mut check_seen) = (false, false, false);
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let mut symbols = 0;
        at += 1;
        match bytes[start] {
            b'd' => symbols = DIGITS,
            b'a' => symbols = LETTERS,
            b'x' => symbols = DIGITS | LETTERS,
            b'c' if check_seen => return wrong(start..at, "a second check character"),
            b'c' => {
                check_seen = true;
                for pattern in &mut patterns {
                    pattern.check_at = Some(pattern.len());
                    pattern.symbols.push(DIGITS | LETTERS);
                }
            }
            b'<' if opened => return wrong(start..at, "a second number"),
            b'<' => {
                opened = true;
                patterns.iter_mut().for_each(|pattern| pattern.number.start = pattern.len());
            }
            b'>' if !opened || closed => return wrong(start..at, "no number ends here"),
            b'>' => {
                closed = true;
                patterns.iter_mut().for_each(|pattern| pattern.number.end = pattern.len());
            }
            b'[' => {
                let inside = until(shape, start, ']')?;
                symbols = one_of(&bytes[inside.clone()]);
                at = inside.end + 1;
                if symbols == 0 {
                    return wrong(
                        start..at,
                        "between [ and ] stand digits, capital letters, - or ranges of them",
                    );
                }
            }
            b'(' => {
                let inside = until(shape, start, ')')?;
                at = inside.end + 1;
                let words: Vec<String> = shape[inside].split('|').map(str::to_owned).collect();
                let width = words[0].len();
                let good =
                    |word: &String| word.len() == width && width > 0 && word.bytes().all(|b| symbol(b) != 0);
                if !words.iter().all(good) {
                    return wrong(
                        start..at,
                        "between ( and ) stand words of capital letters and digits, all equally long",
                    );
                }
                for pattern in &mut patterns {
                    pattern.words.push((pattern.len(), words.clone()));
                    for i in 0..width {
                        pattern
                            .symbols
                            .push(words.iter().fold(0, |set, word| set | symbol(word.as_bytes()[i])));
                    }
                }
            }
            literal => {
                symbols = symbol(literal);
                if symbols == 0 {
                    let end = start + shape[start..].chars().next().map_or(1, char::len_utf8);
                    return wrong(start..end, "no shape has this character");
                }
            }
        }
        if symbols != 0 {
            let (least, most);
            (least, most, at) = times(shape, at)?;
            patterns = patterns
                .iter()
                .flat_map(|pattern| (least..=most).map(move |n| (pattern, n)))
                .map(|(pattern, n)| {
                    let mut longer = pattern.clone();
                    longer.symbols.extend(std::iter::repeat_n(symbols, n));
                    longer
                })
                .collect();
        }
        if patterns.len() > PATTERNS_MAX || patterns.iter().any(|pattern| pattern.len() > NUMBER_CHARS_MAX) {
            return wrong(start..at, "too long, or too many lengths");
        }
    }
    if opened != closed {
        return wrong(0..shape.len(), "the number is not closed");
    }
    for pattern in &mut patterns {
        if !opened {
            pattern.number = 0..pattern.len();
        }
        if pattern.number.is_empty() {
            return wrong(0..shape.len(), "the number is empty");
        }
    }
    Ok(patterns)
}

/// What stands between the bracket at `open` and the next `close`.
fn until(shape: &str, open: usize, close: char) -> Result<Range<usize>, ShapeError> {
    match shape[open..].find(close) {
        Some(length) => Ok(open + 1..open + length),
        None => wrong(open..open + 1, format!("no {close} closes this")),
    }
}

/// The symbols of `0-35AH`; empty when something else stands there.
fn one_of(inside: &[u8]) -> u64 {
    let mut symbols = 0;
    let mut rest = inside;
    while let [first, tail @ ..] = rest {
        let last;
        (last, rest) = match tail {
            [b'-', last, tail @ ..] => (last, tail),
            _ => (first, tail),
        };
        if symbol(*first) == 0 || symbol(*last) == 0 || first > last {
            return 0;
        }
        symbols |= (*first..=*last).fold(0, |set, b| set | symbol(b));
    }
    symbols
}

/// Reads `{n}` or `{n..m}` at `at`, if it stands there: least, most, and where the shape goes on.
fn times(shape: &str, at: usize) -> Result<(usize, usize, usize), ShapeError> {
    if !shape[at..].starts_with('{') {
        return Ok((1, 1, at));
    }
    let inside = until(shape, at, '}')?;
    let end = inside.end + 1;
    let text = &shape[inside];
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    match (least.parse(), most.parse()) {
        (Ok(least), Ok(most)) if 1 <= least && least <= most && most <= NUMBER_CHARS_MAX => {
            Ok((least, most, end))
        }
        _ => wrong(at..end, "between { and } stands a count from 1 to 64, or two as in 9..10"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_match_whole_texts() {
        for (shape, yes, no) in [
            ("1Zx{2}c", &["1ZA90", "1Z00Z"][..], &["1ZA9", "1ZA900", "2ZA90", "1Z-90", "1za90"][..]),
            ("d{2..3}", &["12", "123"], &["1", "1234", "1A"]),
            ("[0-35A]-d", &["0-1", "3-1", "5-9", "A-0"], &["4-1", "B-0", "001"]),
            ("(GM|LX)a", &["GMA", "LXZ"], &["GXA", "LMA", "GM1"]),
            ("x", &["0", "Z"], &["", "-", "é"]),
        ] {
            let patterns = parse(shape).expect(shape);
            let fits = |text: &str| patterns.iter().any(|pattern| pattern.matches(text.as_bytes()));
            assert!(yes.iter().all(|text| fits(text)), "{shape}");
            assert!(!no.iter().any(|text| fits(text)), "{shape}");
        }
    }

    #[test]
    fn the_number_and_its_check_character_have_places() {
        let patterns = parse("00<d{3..4}c>Z").expect("a shape");
        let places: Vec<_> = patterns.iter().map(|p| (p.len(), p.number.clone(), p.check_at)).collect();
        assert_eq!(places, [(7, 2..6, Some(5)), (8, 2..7, Some(6))]);
        let prefix = &parse("4d").expect("a shape")[0];
        let routed = patterns[0].behind(prefix);
        assert_eq!((routed.len(), routed.number.clone(), routed.check_at), (9, 4..8, Some(7)));
        assert!(routed.matches(b"42001234Z"));
    }

    #[test]
    fn errors_point_at_the_bytes() {
        for (shape, at) in [
            ("dé", 1..3),
            ("d{0}", 1..4),
            ("d{9..2}", 1..7),
            ("d{65}", 1..5),
            ("d{", 1..2),
            ("dcxc", 3..4),
            ("<d><d>", 3..4),
            ("d>", 1..2),
            ("d<d", 0..3),
            ("d<>", 0..3),
            ("[0-", 0..1),
            ("[z]", 0..3),
            ("[9-0]", 0..5),
            ("(A|BC)", 0..6),
            ("()", 0..2),
            ("d{60}d{60}", 5..10),
            ("", 0..0),
        ] {
            assert_eq!(parse(shape).map_err(|e| e.at), Err(at), "{shape}");
        }
    }
}
