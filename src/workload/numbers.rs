//! Tracking numbers, PROs and shipment IDs, with check digits of their own making.
//!
//! Always true: every number of a kind is made once (a counter passed through a bijection), is canonical, and has
//! the check digit its carrier asks for. [`Number::spoiled`] breaks exactly that.

use super::feeds::Feed;
use super::rng::{Rng, mix};

/// A short text of ASCII: a number or an ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number {
    bytes: [u8; 31],
    len: u8,
}

impl Number {
    fn new(text: &str) -> Number {
        let mut bytes = [0; 31];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Number { bytes, len: u8::try_from(text.len()).expect("at most 31 characters") }
    }

    /// The text.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("numbers are ASCII")
    }

    /// The same with another last digit: a check digit that is wrong.
    pub(crate) fn spoiled(mut self) -> Number {
        let last = &mut self.bytes[usize::from(self.len) - 1];
        *last = if *last == b'9' { b'0' } else { *last + 1 };
        self
    }
}

/// Makes numbers, each one once.
#[derive(Debug)]
pub(crate) struct Numbers {
    seed: u64,
    made: u64,
    shipments: u64,
}

/// Scatters a counter over `0..modulus`, a power of ten; the factor shares no divisor with it.
fn scatter(counter: u64, modulus: u64) -> u64 {
    let product = u128::from(counter % modulus) * 7_368_787_161 + 271_828_182;
    u64::try_from(product % u128::from(modulus)).expect("below the modulus")
}

const BASE_36: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// `width` characters of base 36.
fn base_36(mut value: u64, width: usize) -> String {
    let mut text = vec![b'0'; width];
    for place in text.iter_mut().rev() {
        *place = BASE_36[(value % 36) as usize];
        value /= 36;
    }
    String::from_utf8(text).expect("ASCII")
}

/// Digits weighted in turn from the left, added up without folding.
fn weighted(body: &str, weights: &[u64]) -> u64 {
    body.bytes().zip(weights.iter().cycle()).map(|(c, weight)| value_of(c) * weight).sum()
}

/// A digit's value, or a letter's as UPS counts them.
fn value_of(c: u8) -> u64 {
    u64::from(if c.is_ascii_digit() { c - b'0' } else { (c - 3) % 10 })
}

fn mod_10(sum: u64) -> u64 {
    (10 - sum % 10) % 10
}

fn as_integer(digits: &str) -> u64 {
    digits.parse().expect("digits")
}

impl Numbers {
    pub(crate) fn new(seed: u64) -> Numbers {
        Numbers { seed, made: 0, shipments: 0 }
    }

    /// The next number of a carrier.
    pub(crate) fn make(&mut self, feed: Feed) -> Number {
        let n = self.made;
        self.made += 1;
        let text = match feed {
            Feed::Ups => {
                let body = format!(
                    "{}{}03{:07}",
                    base_36(mix(self.seed) % 46_656, 3),
                    base_36(n / 10_000_000 + 1296, 3),
                    scatter(n, 10_000_000)
                );
                format!("1Z{body}{}", mod_10(weighted(&body, &[1, 2])))
            }
            Feed::FedEx => {
                let body = format!("{:011}", scatter(n, 100_000_000_000));
                format!("{body}{}", weighted(&body, &[3, 1, 7]) % 11 % 10)
            }
            Feed::Usps => {
                let class = if n & 1 == 0 { "94001" } else { "92055" };
                let body = format!("{class}9{:08}{:07}", n / 10_000_000 + 4821, scatter(n, 10_000_000));
                format!("{body}{}", mod_10(weighted(&body, &[3, 1])))
            }
            Feed::Dhl => {
                let body = format!("{:09}", scatter(n, 1_000_000_000));
                format!("{body}{}", as_integer(&body) % 7)
            }
            Feed::Regional => format!("HP{:011}", scatter(n, 100_000_000_000)),
            Feed::Xpo => {
                let body = format!("{:08}", scatter(n, 100_000_000));
                format!("{body}{}", as_integer(&body) % 7)
            }
            Feed::Estes | Feed::Rl => format!("{:010}", scatter(n, 10_000_000_000)),
            Feed::Saia | Feed::Abf => format!("{:09}", scatter(n, 1_000_000_000)),
        };
        Number::new(&text)
    }

    /// The next shipment ID.
    pub(crate) fn shipment(&mut self, rng: &mut Rng) -> Number {
        let n = self.shipments;
        self.shipments += 1;
        Number::new(&format!("FBA{}{}", base_36(rng.below(1_679_616), 4), base_36(n, 5)))
    }

    /// A shipment ID that no shipment has.
    pub(crate) fn nobodys_shipment(rng: &mut Rng) -> Number {
        Number::new(&format!("FBX{}", base_36(rng.next() % 101_559_956_668_416, 9)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn check_digits_agree_with_published_numbers() {
        // Bodies and check digits of numbers that carriers publish as examples.
        assert_eq!(mod_10(weighted("5R8939035756712", &[1, 2])), 7);
        assert_eq!(weighted("98657878885", &[3, 1, 7]) % 11 % 10, 5);
        assert_eq!(mod_10(weighted("920559016491731275108", &[3, 1])), 9);
        assert_eq!(as_integer("331881002") % 7, 5);
    }

    #[test]
    fn numbers_come_once() {
        let mut numbers = Numbers::new(5);
        for feed in [Feed::Ups, Feed::FedEx, Feed::Usps, Feed::Dhl, Feed::Regional, Feed::Xpo, Feed::Saia] {
            let made: BTreeSet<Number> = (0..5000).map(|_| numbers.make(feed)).collect();
            assert_eq!(made.len(), 5000, "{feed:?}");
        }
        let mut rng = Rng::of(5, 0);
        let made: BTreeSet<Number> = (0..5000).map(|_| numbers.shipment(&mut rng)).collect();
        assert_eq!(made.len(), 5000);
    }
}
