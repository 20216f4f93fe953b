//! A hash that stays the same across versions and machines.
//!
//! Enters: bytes. Leaves: 64 bits. Always true: the outcome is written into the state, and never changes. It is no secret:
//! tables that hold what others choose have hashes of their own.

use rapidhash::v3::{DEFAULT_RAPID_SECRETS, RapidSecrets, rapidhash_v3, rapidhash_v3_nano_inline};

/// Each part is hashed with its length.
pub fn stable_hash(parts: &[&[u8]]) -> u64 {
    parts.iter().fold(BEGIN, |hash, part| next(hash, rapidhash(part), part.len()))
}

/// The same as of one part that is `text` and `last` behind it, without putting them together: bytes that were just written
/// make who reads them in other pieces wait.
#[inline]
pub fn stable_hash_with(text: &[u8], last: u8) -> u64 {
    let length = text.len() + 1;
    match rapidhash_with(text, last) {
        Some(hash) => next(BEGIN, hash, length),
        None => {
            let mut whole = smallvec::SmallVec::<[u8; 80]>::from_slice(text);
            whole.push(last);
            stable_hash(&[&whole])
        }
    }
}

const BEGIN: u64 = 0x646f_636b_7369_6465;

#[inline]
fn next(hash: u64, part: u64, length: usize) -> u64 {
    let mixed = part ^ (length as u64).rotate_left(32);
    let hash = (hash.rotate_left(23) ^ mixed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ hash >> 29
}

/// rapidhash of version 3. Short texts, which most are, take the variant for them: the same outcome without a call.
#[inline]
fn rapidhash(bytes: &[u8]) -> u64 {
    if bytes.len() <= NANO_BYTES_MAX {
        rapidhash_v3_nano_inline::<true, false>(bytes, &DEFAULT_RAPID_SECRETS)
    } else {
        rapidhash_v3(bytes)
    }
}

/// Up to here the variants of rapidhash agree.
const NANO_BYTES_MAX: usize = 48;

/// rapidhash of version 3, of `text` and `last` behind it; none for lengths that tracking numbers do not have.
#[inline]
fn rapidhash_with(text: &[u8], last: u8) -> Option<u64> {
    let RapidSecrets { mut seed, secrets } = DEFAULT_RAPID_SECRETS;
    let length = text.len() as u64 + 1;
    let word = |at: usize| text[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let end = u64::from_le_bytes(*text.last_chunk()?) >> 8 | u64::from(last) << 56;
    let begin = match text.len() {
        8..=15 => {
            seed ^= length;
            word(0)?
        }
        16..=31 => {
            seed = mix(word(0)? ^ secrets[2], word(8)? ^ seed);
            word(text.len() - 15)? ^ length
        }
        _ => return None,
    };
    let product = u128::from(begin ^ secrets[1]) * u128::from(end ^ seed);
    #[expect(clippy::cast_possible_truncation, reason = "halves")]
    let (low, high) = (product as u64, (product >> 64) as u64);
    Some(mix(low ^ 0xaaaa_aaaa_aaaa_aaaa, high ^ secrets[1] ^ length))
}

#[inline]
fn mix(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    #[expect(clippy::cast_possible_truncation, reason = "halves")]
    let (low, high) = (product as u64, (product >> 64) as u64);
    low ^ high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes() -> Vec<u8> {
        (0..200_u8).map(|n| n.wrapping_mul(37) ^ 0x5a).collect()
    }

    #[test]
    fn short_texts_hash_as_long_ones_do() {
        let bytes = bytes();
        for length in 0..=bytes.len() {
            for from in [0, (bytes.len() - length) / 2, bytes.len() - length] {
                let bytes = &bytes[from..from + length];
                assert_eq!(rapidhash(bytes), rapidhash_v3(bytes), "{length} bytes from {from}");
            }
        }
    }

    #[test]
    fn a_byte_behind_a_text_hashes_as_if_it_stood_there() {
        let bytes = bytes();
        for length in 1..100 {
            for from in [0, 7, 50] {
                let whole = &bytes[from..from + length];
                let (last, text) = whole.split_last().expect("not empty");
                assert_eq!(
                    stable_hash_with(text, *last),
                    stable_hash(&[whole]),
                    "{length} bytes from {from}"
                );
            }
        }
    }
}
