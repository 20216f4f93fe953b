//! The outline of JSON text: brackets, strings and blanks, and nothing else.
//!
//! Enters: bytes, valid or not. Leaves: byte positions: where a value ends, where an element lies, where a field
//! stands, where nesting goes too deep. Always true: every answer is a position inside the bytes or none; about valid
//! JSON the answers are exact; about other bytes they only decide which complaint is made and where it points.

use super::LEVELS_MAX;

/// The bytes without white space at both ends, and how many were cut off in front.
pub(crate) fn trim(bytes: &[u8]) -> (usize, &[u8]) {
    let start = bytes.iter().position(|b| !is_blank(*b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !is_blank(*b)).map_or(start, |last| last + 1);
    (start, &bytes[start..end])
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The position of the first byte from `from` on that is no white space.
pub(crate) fn skip_blanks(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().position(|b| !is_blank(*b)).unwrap_or(rest.len())
}

/// The position after the string that opens at `from`. A control character inside ends the search: it cannot
/// stand in a string, and a line break there tells a cut-off line.
fn string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from + 1;
    loop {
        match *bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            0..0x20 => return None,
            _ => at += 1,
        }
    }
}

/// The position after the value that starts at `from`.
pub(crate) fn value_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut levels = 0_usize;
    let mut at = from;
    loop {
        match *bytes.get(at)? {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' => {
                levels += 1;
                at += 1;
            }
            b'}' | b']' => {
                levels = levels.checked_sub(1)?;
                at += 1;
            }
            _ if levels == 0 => {
                let rest = &bytes[at..];
                let scalar = rest.iter().position(|b| is_blank(*b) || b",]}".contains(b));
                return scalar.map_or(Some(bytes.len()), |length| (length > 0).then_some(at + length));
            }
            _ => at += 1,
        }
        if levels == 0 {
            return Some(at);
        }
    }
}

/// The first bracket that opens one level more than [`LEVELS_MAX`].
pub(crate) fn too_deep(bytes: &[u8]) -> Option<usize> {
    let mut levels = 0_usize;
    let mut at = 0;
    loop {
        match *bytes.get(at)? {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' if levels == LEVELS_MAX => return Some(at),
            b'{' | b'[' => {
                levels += 1;
                at += 1;
            }
            b'}' | b']' => {
                levels = levels.saturating_sub(1);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// The elements of an array: where each starts and ends.
#[derive(Debug)]
pub(crate) struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Elements<'a> {
    /// The elements of the array that `bytes` starts with.
    pub(crate) fn of(bytes: &'a [u8]) -> Elements<'a> {
        Elements { bytes, at: 1 }
    }
}

impl Iterator for Elements<'_> {
    type Item = std::ops::Range<usize>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = skip_blanks(self.bytes, self.at);
        let end = value_end(self.bytes, start)?;
        self.at = skip_blanks(self.bytes, end);
        if self.bytes.get(self.at) == Some(&b',') {
            self.at += 1;
        }
        Some(start..end)
    }
}

/// The members of an object of valid JSON: the bytes between the key's quotes, and the value.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Members<'a> {
    /// The members of the object that opens at `from`.
    pub(crate) fn of(bytes: &'a [u8], from: usize) -> Members<'a> {
        Members { bytes, at: from + 1 }
    }
}

impl Iterator for Members<'_> {
    type Item = (std::ops::Range<usize>, std::ops::Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = skip_blanks(self.bytes, self.at);
        if self.bytes.get(key) != Some(&b'"') {
            return None;
        }
        let key_end = string_end(self.bytes, key)?;
        let value = skip_blanks(self.bytes, skip_blanks(self.bytes, key_end) + 1);
        let end = value_end(self.bytes, value)?;
        self.at = skip_blanks(self.bytes, end);
        if self.bytes.get(self.at) == Some(&b',') {
            self.at += 1;
        }
        Some((key + 1..key_end - 1, value..end))
    }
}

/// Where the value of a field stands in the object that `bytes` starts with: the `nth` one (from 0) of that name.
/// A dot leads into an inner object. A name that is written with escapes is not found.
pub(crate) fn field(bytes: &[u8], path: &str, nth: usize) -> Option<usize> {
    let Some((outer, inner)) = path.split_once('.') else {
        return member(bytes, path, nth);
    };
    let at = member(bytes, outer, 0)?;
    let found = field(bytes.get(at..)?, inner, nth)?;
    Some(at + found)
}

fn member(bytes: &[u8], name: &str, nth: usize) -> Option<usize> {
    let mut left = nth;
    if bytes.first() != Some(&b'{') {
        return None;
    }
    let mut at = 1;
    loop {
        let key = skip_blanks(bytes, at);
        if bytes.get(key) != Some(&b'"') {
            return None;
        }
        let key_end = string_end(bytes, key)?;
        let colon = skip_blanks(bytes, key_end);
        if bytes.get(colon) != Some(&b':') {
            return None;
        }
        let value = skip_blanks(bytes, colon + 1);
        if &bytes[key + 1..key_end - 1] == name.as_bytes() {
            if left == 0 {
                return Some(value);
            }
            left -= 1;
        }
        let comma = skip_blanks(bytes, value_end(bytes, value)?);
        if bytes.get(comma) != Some(&b',') {
            return None;
        }
        at = comma + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_where_their_brackets_do() {
        for (text, want) in [
            ("{}", Some(2)),
            (r#"{"a":"}\"}"} x"#, Some(12)),
            ("[1,[2]],", Some(7)),
            ("12,", Some(2)),
            ("true", Some(4)),
            (r#""x" "#, Some(3)),
            (r#"{"a":"#, None),
            (r#""\"#, None),
            ("\"a\nb\"", None),
            ("]", None),
            (",", None),
            ("", None),
        ] {
            assert_eq!(value_end(text.as_bytes(), 0), want, "{text}");
        }
    }

    #[test]
    fn elements_are_found_exactly() {
        for (text, want) in [
            ("[]", vec![]),
            ("[ ]", vec![]),
            (r#"[{"a":[1,2]} , "x,]" ,3]"#, vec![r#"{"a":[1,2]}"#, r#""x,]""#, "3"]),
        ] {
            let found: Vec<_> = Elements::of(text.as_bytes()).map(|range| &text[range]).collect();
            assert_eq!(found, want);
        }
    }

    #[test]
    fn members_are_found_exactly() {
        for (text, want) in [
            ("{}", vec![]),
            ("{ }", vec![]),
            (
                r#"{"a" : 1 , "b":{"c":"}"},"a\"":[2,3]}"#,
                vec![("a", "1"), ("b", r#"{"c":"}"}"#), ("a\\\"", "[2,3]")],
            ),
        ] {
            let found: Vec<_> =
                Members::of(text.as_bytes(), 0).map(|(key, value)| (&text[key], &text[value])).collect();
            assert_eq!(found, want);
        }
    }

    #[test]
    fn fields_are_found_where_they_stand() {
        let text = r#"{"a" : 1, "b":{"a":"x","c": [3]},"a":2}"#;
        for (path, nth, want) in [
            ("a", 0, Some("1,")),
            ("a", 1, Some("2}")),
            ("a", 2, None),
            ("b.a", 0, Some("\"x\"")),
            ("b.c", 0, Some("[3]")),
            ("b.d", 0, None),
            ("d", 0, None),
        ] {
            let at = field(text.as_bytes(), path, nth);
            assert_eq!(at.is_some(), want.is_some(), "{path}");
            assert!(at.is_none_or(|at| text[at..].starts_with(want.unwrap_or_default())), "{path}");
        }
    }
}
