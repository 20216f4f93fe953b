//! Short texts that are written often, such as the place of a record.
//!
//! Enters: ASCII text and numbers. Leaves: one text on the stack, without a formatter between. Always true: it is ASCII.

use serde::Serializer;

/// The longest of them: `dead-letters-4294967295@18446744073709551615` fits.
const BYTES_MAX: usize = 48;

/// A short ASCII text.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShortText {
    bytes: [u8; BYTES_MAX],
    len: usize,
}

impl ShortText {
    pub(super) const EMPTY: ShortText = ShortText { bytes: [0; BYTES_MAX], len: 0 };

    pub(super) fn push(&mut self, ascii: &str) {
        debug_assert!(ascii.is_ascii(), "{ascii:?}");
        self.bytes[self.len..self.len + ascii.len()].copy_from_slice(ascii.as_bytes());
        self.len += ascii.len();
    }

    /// The last `width` digits of a number, with leading zeros.
    pub(super) fn push_digits(&mut self, value: u64, width: usize) {
        let mut rest = value;
        for at in (self.len..self.len + width).rev() {
            self.bytes[at] = b'0' + u8::try_from(rest % 10).expect("a digit");
            rest /= 10;
        }
        self.len += width;
    }

    /// A whole number.
    pub(super) fn push_number(&mut self, value: u64) {
        let width = value.checked_ilog10().map_or(1, |log| log as usize + 1);
        self.push_digits(value, width);
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("ASCII")
    }

    pub(super) fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::ShortText;

    #[test]
    fn numbers_are_written_whole() {
        for number in [0, 1, 9, 10, 99, 100, 4_294_967_295, u64::MAX] {
            let mut text = ShortText::EMPTY;
            text.push("n");
            text.push_number(number);
            assert_eq!(text.as_str(), format!("n{number}"));
        }
    }
}
