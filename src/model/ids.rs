//! Identifiers: different things get different types, each parsed once.
//!
//! Enters: text. Leaves: an identifier of 1–64 printable characters, or nothing. Always true: short identifiers
//! live inline (no allocation up to 24 bytes), order is byte order.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// The longest identifier that is accepted, in characters.
pub const ID_CHARS_MAX: usize = 64;

/// What nearly all identifiers are, seen at a glance.
pub(crate) fn is_plain_id(text: &[u8]) -> bool {
    (1..=ID_CHARS_MAX).contains(&text.len())
        && text.iter().fold(true, |plain, byte| plain & (0x20..0x7f).contains(byte))
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(CompactString);

        impl $name {
            /// 1–64 characters, none of them a control character.
            pub fn parse(text: &str) -> Option<Self> {
                let good = || {
                    (1..=ID_CHARS_MAX).contains(&text.chars().take(ID_CHARS_MAX + 1).count())
                        && !text.chars().any(char::is_control)
                };
                (is_plain_id(text.as_bytes()) || good()).then(|| Self(CompactString::new(text)))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A shipment, for example `FBA15DJ9SVVD`. The key of `commands` and `shipments`.
    ShipmentId
);
text_id!(
    /// A box ID label, unique within its shipment.
    BoxId
);
text_id!(
    /// A seller's account.
    AccountId
);
text_id!(
    /// A fulfillment center, for example `ICT2`; also the *place* of a scan.
    FcId
);
text_id!(
    /// What makes a command repeatable.
    CommandId
);

/// A carrier, by the stable number that its catalogue file gives it. The number is written into the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CarrierId(pub u8);

impl CarrierId {
    /// Carriers outside the catalogue share one entry.
    pub const OTHER: CarrierId = CarrierId(0);
}

/// A tracking number (or PRO) in canonical form: the text carriers put in their feeds, 1–64 printable ASCII
/// characters. Only `carriers` makes one from outside text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrackingNumber(CompactString);

impl TrackingNumber {
    /// Takes text that is canonical already. Panics when it cannot be: empty, over 64 bytes or not printable ASCII.
    pub fn from_canonical(text: &str) -> Self {
        Self::canonical(text).unwrap_or_else(|| panic!("not a canonical tracking number: {text:?}"))
    }

    /// The same; none when it cannot be.
    pub(crate) fn canonical(text: &str) -> Option<Self> {
        is_plain_id(text.as_bytes()).then(|| Self(CompactString::new(text)))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl std::fmt::Display for TrackingNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What progress belongs to: a number at a carrier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NumberKey {
    /// The canonical number. First, so that order is by number.
    pub number: TrackingNumber,
    /// The carrier whose scans count.
    pub carrier: CarrierId,
}

/// Kafka's murmur2, as Java's default partitioner uses it (seed `0x9747b28c`).
pub fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let word = |c: &[u8]| u32::from_le_bytes([c[0], c[1], c[2], c[3]]);
    #[expect(clippy::cast_possible_truncation, reason = "Java's length is an i32; longer keys do not exist")]
    let mut h: u32 = 0x9747_b28c ^ (bytes.len() as u32);
    let mut chunks = bytes.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = word(chunk).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        for (i, b) in rest.iter().enumerate() {
            h ^= u32::from(*b) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

/// The partition of a key among `partitions`, as Java's default partitioner chooses it.
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_agrees_with_java() {
        // Values from the public unit tests of Kafka's Java client.
        for (key, want) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), want, "{key}");
        }
    }

    #[test]
    fn identifiers_have_bounds() {
        assert!(ShipmentId::parse("").is_none());
        assert!(ShipmentId::parse(&"x".repeat(64)).is_some());
        assert!(ShipmentId::parse(&"x".repeat(65)).is_none());
        assert!(ShipmentId::parse("a\nb").is_none());
    }
}
