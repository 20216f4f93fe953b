//! Layouts of times: how a carrier writes them, when it is not RFC 3339.
//!
//! Enters: `"YYYYMMDD hhmmss"` and the like, once; then texts. Leaves: the text in RFC 3339, with a zone only if it had one.
//! Always true: a layout names year, month and day; whether such a day exists is judged later, with every other time.

use crate::model::{Timestamp, parse_time};

/// How times are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Seconds since 1970.
    UnixSeconds,
    /// Milliseconds since 1970.
    UnixMilliseconds,
    /// Digits and other characters, piece by piece.
    Pieces(Vec<Piece>),
}

/// A piece of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    /// `Z`, `-05:00`, `-0500`, `-05`, to the end.
    Offset,
    /// This character.
    Exactly(char),
}

const LETTERS: [(&str, Piece); 7] = [
    ("YYYY", Piece::Year),
    ("MM", Piece::Month),
    ("DD", Piece::Day),
    ("hh", Piece::Hour),
    ("mm", Piece::Minute),
    ("ss", Piece::Second),
    ("Z", Piece::Offset),
];

impl Layout {
    /// Reads a layout, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Layout, String> {
        match text {
            "unix_s" => return Ok(Layout::UnixSeconds),
            "unix_ms" => return Ok(Layout::UnixMilliseconds),
            _ => {}
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let (piece, length) = match LETTERS.iter().find(|(letters, _)| rest.starts_with(letters)) {
                Some((letters, piece)) => (*piece, letters.len()),
                None => (Piece::Exactly(c), c.len_utf8()),
            };
            if !matches!(piece, Piece::Exactly(_)) && pieces.contains(&piece) {
                return Err(format!("`{}` stands twice", &rest[..length]));
            }
            pieces.push(piece);
            rest = &rest[length..];
        }
        if ![Piece::Year, Piece::Month, Piece::Day].iter().all(|piece| pieces.contains(piece)) {
            return Err(
                "a layout has YYYY, MM and DD, and may have hh, mm, ss and Z; or it is unix_s or unix_ms"
                    .to_owned(),
            );
        }
        if pieces.iter().rev().skip(1).any(|piece| *piece == Piece::Offset) {
            return Err("`Z` stands last".to_owned());
        }
        Ok(Layout::Pieces(pieces))
    }

    /// The time in RFC 3339; nothing when the text is not of this layout.
    pub(crate) fn read(&self, text: &str) -> Option<String> {
        match self {
            Layout::UnixSeconds => unix(text.parse::<i64>().ok()?.checked_mul(1000)?),
            Layout::UnixMilliseconds => unix(text.parse().ok()?),
            Layout::Pieces(pieces) => read_pieces(pieces, text),
        }
    }
}

/// A number of milliseconds is written as it will be read: years that no carrier means are none.
fn unix(ms: i64) -> Option<String> {
    let text = Timestamp(ms).to_string();
    parse_time(&text).is_some_and(|time| time.local_ms == ms).then_some(text)
}

fn read_pieces(pieces: &[Piece], text: &str) -> Option<String> {
    let [mut year, mut month, mut day] = [""; 3];
    // A day alone is its noon: the same day in every zone of a continent.
    let mut hour = if pieces.contains(&Piece::Hour) { "" } else { "12" };
    let [mut minute, mut second] = ["00"; 2];
    let mut offset = "";
    let mut rest = text;
    for piece in pieces {
        let (slot, length) = match piece {
            Piece::Exactly(c) => {
                rest = rest.strip_prefix(*c)?;
                continue;
            }
            Piece::Offset => {
                offset = std::mem::take(&mut rest);
                continue;
            }
            Piece::Year => (&mut year, 4),
            Piece::Month => (&mut month, 2),
            Piece::Day => (&mut day, 2),
            Piece::Hour => (&mut hour, 2),
            Piece::Minute => (&mut minute, 2),
            Piece::Second => (&mut second, 2),
        };
        (*slot, rest) = rest.split_at_checked(length)?;
        if !slot.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
    }
    if !rest.is_empty() {
        return None;
    }
    Some(format!("{year}-{month}-{day}T{hour}:{minute}:{second}{offset}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_by_their_layout() {
        for (layout, text, want) in [
            ("YYYYMMDD hhmmss", "20261105 091200", Some("2026-11-05T09:12:00")),
            ("YYYYMMDDhhmmssZ", "20261105091200-05:00", Some("2026-11-05T09:12:00-05:00")),
            ("YYYYMMDD", "20261105", Some("2026-11-05T12:00:00")),
            ("DD.MM.YYYY hh:mm", "05.11.2026 09:12", Some("2026-11-05T09:12:00")),
            ("YYYYMMDD hhmmss", "20261105 0912", None),
            ("YYYYMMDD", "202611055", None),
            ("YYYYMMDD", "2026-1-5", None),
            ("YYYYMMDD", "2026110é", None),
            ("DD.MM.YYYY", "05/11/2026", None),
            ("unix_s", "1793891520", Some("2026-11-05T15:12:00Z")),
            ("unix_ms", "1793891520123", Some("2026-11-05T15:12:00.123Z")),
            ("unix_s", "9223372036854775807", None),
            ("unix_ms", "9223372036854775807", None),
            ("unix_s", "now", None),
        ] {
            let layout = Layout::parse(layout).expect(layout);
            assert_eq!(layout.read(text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn a_layout_names_a_day() {
        for (layout, why) in [
            ("hhmmss", "has YYYY, MM and DD"),
            ("", "has YYYY"),
            ("YYYYMMDDDD", "`DD` stands twice"),
            ("ZYYYYMMDD", "`Z` stands last"),
        ] {
            let error = Layout::parse(layout).expect_err(layout);
            assert!(error.contains(why), "{layout}: {error}");
        }
    }
}
